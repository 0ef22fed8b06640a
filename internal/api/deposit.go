package api

import (
	"context"

	"cloudpay/cpay"
	"cloudpay/internal/pay"
)

// depositRequest stands for all requests about deposits (protocol.md §2.6). It
// reads no more than whose it is: what it holds does not matter, as it is
// refused. Nothing is frozen and nothing is charged.
type depositRequest struct{ cpay.CloseOrderRequest }

// Validate accepts everything.
func (*depositRequest) Validate() error { return nil }

// deposit refuses a deposit in words that a till can show.
func (*Server) deposit(context.Context, *call, *depositRequest) (cpay.Message, error) {
	return nil, pay.Refuse(pay.ErrDenied, "deposit", "暂不支持押金")
}
