package gateway_test

import (
	"context"
	"slices"
	"testing"
	"testing/synctest"
	"time"

	"cloudpay/internal/channel"
	"cloudpay/internal/directory"
	"cloudpay/internal/gateway"
	"cloudpay/internal/pay"
	"cloudpay/internal/sandbox"
)

// expired is a wallet at which nothing can be reversed any more.
type expired struct{ channel.Channel }

func (expired) Reverse(context.Context, channel.OrderRequest) pay.Outcome {
	return pay.Outcome{Kind: pay.Declined, Verified: true, Code: "REVERSE_EXPIRE", Next: pay.NextRefundInstead}
}

// TestRefundInsteadOfAReversePaidOfflineEndsTheReverse: such an order stayed in
// REVERSING for ever, and was looked at every ten seconds.
func TestRefundInsteadOfAReversePaidOfflineEndsTheReverse(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		h := newHouse(t, options{channels: func(find gateway.Channels) gateway.Channels {
			return func(ctx context.Context, provider string, ch pay.Channel) (channel.Channel, error) {
				w, err := find(ctx, provider, ch)
				return expired{w}, err
			}
		}})
		m := *h.merchant
		m.ReversePaid = true
		o, err := h.pay(pay.Wxpay, 100, "")
		if err != nil {
			t.Fatal(err)
		}
		if err := h.box.AddFault(sandbox.Fault{Scenario: "refund_abnormal", Count: 1}); err != nil {
			t.Fatal(err)
		}
		_, _ = h.gw.Reverse(t.Context(), &m, o.OutTradeNo, "till-1")
		<-time.After(2 * time.Hour)
		no := "rv-" + o.OutTradeNo
		if r, err := h.store.Refund(t.Context(), "merchant", no); err != nil || r.State != pay.RefundNeedsHand {
			t.Fatalf("%s, %v", r.State, err)
		}
		if _, err := h.gw.OfflineRefund(t.Context(), h.merchant, o.OutTradeNo, no, operator); err != nil {
			t.Fatal(err)
		}
		h.until(o.OutTradeNo, time.Minute, func(o pay.Order) bool { return o.State == pay.REVERSED })
		b, err := h.store.Balances(t.Context(), "merchant")
		if err != nil || b[pay.Wxpay][pay.AccOffline] != -100 || b[pay.Wxpay][pay.AccReturned] != 0 || b[pay.Wxpay][pay.AccMerchant] != 0 {
			t.Errorf("books %v, %v", b, err)
		}
	})
}

// TestLateMoneySentBackByTheBankNoLongerWantsAPersonOnceItIsPaidOffline: both
// its reasons stayed on the list, since the first is the order's and the second the refund's.
func TestLateMoneySentBackByTheBankNoLongerWantsAPersonOnceItIsPaidOffline(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		h, no := lateOrder(t, options{settle: directory.Settle{Late: directory.LateHold}})
		if err := h.box.AddFault(sandbox.Fault{Scenario: "refund_abnormal", Count: 1}); err != nil {
			t.Fatal(err)
		}
		if _, err := h.gw.ReturnLate(t.Context(), h.merchant, no, operator); err != nil {
			t.Fatal(err)
		}
		<-time.After(2 * time.Hour)
		if wants := h.attention(); len(wants) != 2 {
			t.Fatalf("wants %+v", wants)
		}
		if _, err := h.gw.OfflineRefund(t.Context(), h.merchant, no, "late-"+no, operator); err != nil {
			t.Fatal(err)
		}
		if o, wants := h.order(no), h.attention(); o.Late != pay.LateReturned || len(wants) != 0 {
			t.Errorf("late %s, wants %+v", o.Late, wants)
		}
	})
}

// TestRefundPaidOfflineIsAnEventThatMayBeSentAgain: the merchant is told of it,
// and a resend said that there was no such event.
func TestRefundPaidOfflineIsAnEventThatMayBeSentAgain(t *testing.T) {
	t.Parallel()
	var g *gateway.Gateway
	refund := func(no string, s pay.RefundState, o pay.RefundOrigin) pay.Refund {
		return pay.Refund{OutRefundNo: no, State: s, Origin: o}
	}
	got := g.Events(pay.Order{State: pay.PAID}, []pay.Refund{
		refund("1", pay.RefundOffline, pay.OriginAPI), refund("2", pay.RefundSucceeded, pay.OriginAPI), refund("3", pay.RefundNeedsHand, pay.OriginAPI),
		refund("4", pay.RefundOffline, pay.OriginLate),
	})
	if want := []string{pay.EventPaid, pay.EventRefund + "1", pay.EventRefund + "2"}; !slices.Equal(got, want) {
		t.Errorf("events %q, want %q", got, want)
	}
}
