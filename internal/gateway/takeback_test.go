package gateway_test

import (
	"context"
	"errors"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"cloudpay/internal/channel"
	"cloudpay/internal/gateway"
	"cloudpay/internal/pay"
	"cloudpay/internal/sandbox"
)

// made is a wallet that notes that it was asked for a refund.
type made struct {
	channel.Channel
	asked *atomic.Bool
}

// QueryRefund implements channel.Channel.
func (w made) QueryRefund(ctx context.Context, r channel.RefundRequest) channel.RefundOutcome {
	defer w.asked.Store(true)
	return w.Channel.QueryRefund(ctx, r)
}

// A rejected refund that the wallet had made was taken back on whatever had become
// of its order since that was read: a cashier's reverse that came between gave back
// all of it, and the refund was booked once more, out of the merchant's pocket.
func TestBugRefundWasTakenBackFromAnOrderThatWasReversedMeanwhile(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		var asked atomic.Bool
		between := func() {} // the order was read and the change of the refund is being decided
		h := newHouse(t, options{
			idle: time.Hour,
			looked: func() {
				if asked.CompareAndSwap(true, false) {
					between()
				}
			},
			channels: func(find gateway.Channels) gateway.Channels {
				return func(ctx context.Context, provider string, ch pay.Channel) (channel.Channel, error) {
					w, err := find(ctx, provider, ch)
					return made{w, &asked}, err
				}
			},
		})
		o, err := h.pay(pay.Wxpay, 100, "")
		if err != nil || o.State != pay.PAID {
			t.Fatal(o.State, err)
		}
		if err := h.box.AddFault(sandbox.Fault{Scenario: "answer_code", Endpoint: "refund", Count: 1, Params: sandbox.Params{Code: "NOTENOUGH"}}); err != nil {
			t.Fatal(err)
		}
		no := h.number()
		if _, _, err := h.refund(o.OutTradeNo, no, 100, 60); code(err) != "refund_rejected" {
			t.Fatal(err)
		}
		<-time.After(2 * time.Minute)
		h.refundElsewhere(pay.Wxpay, o.OutTradeNo, no, 60)
		<-time.After(time.Hour) // it has arrived
		reversed := false
		between = func() {
			m := *h.merchant
			m.ReversePaid = true
			if _, err := h.gw.Reverse(t.Context(), &m, o.OutTradeNo, "till-1"); err != nil && !errors.Is(err, pay.ErrUnavailable) {
				t.Error(err)
			}
			reversed = true
		}
		asked.Store(false)
		if r, _, err := h.gw.AskRefund(t.Context(), h.merchant, o.OutTradeNo, no, 60); code(err) != "refund_unpaid" || r.State != pay.RefundRejected {
			t.Errorf("the refund is %s, %v", r.State, err)
		}
		if !reversed {
			t.Error("nobody reversed the order")
		}
		h.until(o.OutTradeNo, 10*time.Minute, func(o pay.Order) bool { return o.State == pay.REVERSING || o.State == pay.REVERSED })
		if o := h.order(o.OutTradeNo); o.Reserved != 0 || o.Refunded != 0 {
			t.Errorf("%s: reserved %d, refunded %d", o.State, o.Reserved, o.Refunded)
		}
		h.checkBooks(o.OutTradeNo)
	})
}
