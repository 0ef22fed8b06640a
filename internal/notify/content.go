package notify

import (
	"cloudpay/cpay"
	"cloudpay/internal/pay"
	"cloudpay/internal/wire"
)

// PaidContent renders the pay-success callback of an order as it stands now
// (protocol.md §1.10).
func PaidContent(o pay.Order) []byte {
	return cpay.Encode(&cpay.PayCallback{PayMchKey: wire.MchKey(o), OrderContent: wire.Order(o), OrderClient: wire.Client(o)})
}

// RefundContent renders the refund-success callback of one refund of an order
// as both stand now. The wire wants an array.
func RefundContent(o pay.Order, r pay.Refund) []byte {
	return cpay.Encode(&cpay.RefundCallback{
		PayMchKey: wire.MchKey(o), RefundOrderContent: []cpay.RefundOrderContent{wire.Refund(o, r)},
	})
}
