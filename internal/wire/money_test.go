package wire_test

import (
	"testing"

	"cloudpay/internal/pay"
	"cloudpay/internal/wire"
)

// An order that was closed, and whose late money was on its way back, was shown
// as being worked on, for ever if the bank sent it back; and lists and receipts
// showed that the merchant had refunded it in full.
func TestBugReturnOfLateMoneyShowedOnTheWire(t *testing.T) {
	t.Parallel()
	for _, ch := range []pay.Channel{pay.Wxpay, pay.Alipay} {
		for _, state := range []pay.OrderState{pay.CLOSED, pay.DECLINED, pay.REVERSED} {
			for name, c := range map[string]struct {
				late     pay.LateState
				refunded pay.Fen
				busy     bool
				shown    int64
			}{
				"held, being returned": {late: pay.LateHeld},
				"returned":             {late: pay.LateReturned, refunded: 100},
				"adopted, refunded":    {pay.LateAdopted, 100, false, 100},
				"adopted, refunding":   {pay.LateAdopted, 40, true, 40},
			} {
				o := paid(order(ch, pay.TradeScanCode))
				o.State, o.Late, o.Total, o.Reserved, o.Refunded = state, c.late, 100, 100, c.refunded
				if got := wire.Order(o); got.IsTransforming != c.busy {
					t.Errorf("%s %s %s: is_transforming %v", ch, state, name, got.IsTransforming)
				}
				if got := wire.ReceiptOrder(o).OrderContent.RefundedFee; got != c.shown {
					t.Errorf("%s %s %s: the receipt says %d refunded, want %d", ch, state, name, got, c.shown)
				}
				if got := wire.ListOrder(o, 0, wire.Names{}).RefundedFee; got != c.shown {
					t.Errorf("%s %s %s: the list says %d refunded, want %d", ch, state, name, got, c.shown)
				}
			}
		}
	}
}

// A refund that the bank sent back, and that the wallet then paid to the merchant's
// own account, was shown with the time at which it succeeded.
func TestBugRefundAtTheMerchantShowedASuccess(t *testing.T) {
	t.Parallel()
	for _, ch := range []pay.Channel{pay.Wxpay, pay.Alipay} {
		for _, state := range pay.RefundStates {
			shown := state == pay.RefundOffline || state == pay.RefundSucceeded
			o := paid(order(ch, pay.TradeMicroPay))
			r := refund(o, state)
			r.SucceededAt = at
			c := wire.Refund(o, r)
			if (c.RefundSuccessTime != 0) != shown || c.AlipayExt != nil && (c.AlipayExt.GmtRefundPay != 0) != shown {
				t.Errorf("%s %s: %+v", ch, state, c)
			}
		}
	}
}
