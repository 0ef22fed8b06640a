package api

import (
	"context"

	"cloudpay/cpay"
	"cloudpay/internal/pay"
)

// The interfaces of deposits (protocol.md §2.6). They are known and refused:
// nothing is frozen and nothing is charged.
const (
	methodMicroFreeze        = "micro_freeze"
	methodScanCodeFreeze     = "scancode_freeze"
	memberScanCodeFreeze     = "scan_code_freeze" // spelled differently, by design
	methodDepositConsume     = "deposit_consume"
	methodUnfreeze           = "unfreeze"
	methodQueryFreezeOrder   = "query_freeze_order"
	methodQueryUnfreezeOrder = "query_unfreeze_order"
)

// depositRequest reads no more of a deposit's request than whose it is: what
// it holds does not matter, as it is refused.
type depositRequest struct{ cpay.CloseOrderRequest }

// Validate accepts everything.
func (*depositRequest) Validate() error { return nil }

// deposit refuses a deposit in words that a till can show.
func (*Server) deposit(context.Context, *call, *depositRequest) (cpay.Message, error) {
	return nil, pay.Refuse(pay.ErrDenied, "deposit", "暂不支持押金")
}
