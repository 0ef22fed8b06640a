package gateway_test

import (
	"context"
	"errors"
	"slices"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"cloudpay/internal/channel"
	"cloudpay/internal/directory"
	"cloudpay/internal/gateway"
	"cloudpay/internal/pay"
	"cloudpay/internal/sandbox"
	"cloudpay/internal/store"
)

var operator = pay.Hand{Who: "member:ann", Why: "the goods were handed over"}

// lateOrder closes an order at our side only, has the customer pay, and waits
// until the money is held.
func lateOrder(t *testing.T, o options) (*house, string) {
	t.Helper()
	closing := true
	o.notices = true
	o.channels = func(find gateway.Channels) gateway.Channels {
		return func(ctx context.Context, provider string, ch pay.Channel) (channel.Channel, error) {
			w, err := find(ctx, provider, ch)
			return forgetful{w, &closing}, err
		}
	}
	h := newHouse(t, o)
	in := h.scan(pay.Wxpay)
	in.NotifyURL = "http://127.0.0.1:9000/own"
	shown, _, err := h.gw.Prepay(t.Context(), h.merchant, in)
	if err != nil {
		t.Fatal(err)
	}
	<-time.After(6 * time.Minute)
	if err := h.gw.CloseOrder(t.Context(), h.merchant, in.OutTradeNo); err != nil {
		t.Fatal(err)
	}
	h.until(in.OutTradeNo, 3*time.Hour, func(o pay.Order) bool { return o.State == pay.CLOSED })
	closing = false
	h.pays(sandbox.Invocation{CodeURL: shown.Prepaid.CodeURL})
	h.until(in.OutTradeNo, 10*time.Minute, func(o pay.Order) bool { h.tell(); return o.Late == pay.LateHeld })
	return h, in.OutTradeNo
}

// attention is what wants a person, without the times.
func (h *house) attention() (list []store.Attention) {
	h.t.Helper()
	list, err := h.store.Attentions(h.t.Context(), "merchant", store.MaxAttention)
	if err != nil {
		h.t.Fatal(err)
	}
	return list
}

func TestHeldMoneyIsAdoptedByAPersonAndToldToTheMerchant(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		r := newReceiver()
		h, no := lateOrder(t, options{receiver: r, settle: directory.Settle{Late: directory.LateHold}})
		<-time.After(24 * time.Hour)
		wants := h.attention()
		if o := h.order(no); o.Late != pay.LateHeld || r.count() != 0 || len(wants) != 1 || wants[0].Why != pay.RaiseLate || wants[0].OutTradeNo != no {
			t.Fatalf("late %s, told %d times, wants %+v", o.Late, r.count(), wants)
		}
		o, err := h.gw.AdoptLate(t.Context(), h.merchant, no, operator)
		if err != nil {
			t.Fatal(err)
		}
		<-time.After(time.Minute)
		if kept, _ := h.kept(no); o.State != pay.CLOSED || o.Late != pay.LateAdopted || kept != int64(o.Total) || r.count() != 1 {
			t.Errorf("%s late %s, the wallet keeps %d, told %d times", o.State, o.Late, kept, r.count())
		}
		if got := h.attention(); len(got) != 0 {
			t.Errorf("still wants a person: %+v", got)
		}
		hands, err := h.store.Hands(t.Context(), "merchant", no)
		if err != nil || len(hands) != 1 || hands[0].Act != pay.HandAdopt || hands[0].Who != operator.Who || hands[0].Why != operator.Why {
			t.Errorf("by hand: %+v, %v", hands, err)
		}
		b, err := h.store.Balances(t.Context(), "merchant")
		if err != nil || b[pay.Wxpay][pay.AccMerchant] != -o.Total || b[pay.Wxpay][pay.AccSuspense] != 0 {
			t.Errorf("books %v, %v", b, err)
		}
		if _, err := h.gw.AdoptLate(t.Context(), h.merchant, no, operator); !errors.Is(err, pay.ErrDenied) {
			t.Errorf("adopted twice: %v", err)
		}
		// It is a payment from here on: it is refunded like one.
		if _, _, err := h.gw.Refund(t.Context(), h.merchant, gateway.Refund{OutTradeNo: no, OutRefundNo: h.number(), Total: o.Total, Amount: o.Total}); err != nil {
			t.Fatal(err)
		}
		h.until(no, time.Hour, func(o pay.Order) bool { return o.Refunded == o.Total })
		if kept, _ := h.kept(no); kept != 0 {
			t.Errorf("the wallet keeps %d after the refund", kept)
		}
	})
}

func TestHeldMoneyIsReturnedWhenAPersonSaysSo(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		h, no := lateOrder(t, options{settle: directory.Settle{Late: directory.LateHold}})
		if _, err := h.gw.ReturnLate(t.Context(), h.merchant, no, operator); err != nil {
			t.Fatal(err)
		}
		h.until(no, time.Hour, func(o pay.Order) bool { return o.Late == pay.LateReturned })
		if kept, _ := h.kept(no); kept != 0 || len(h.attention()) != 0 {
			t.Errorf("the wallet keeps %d, wants %+v", kept, h.attention())
		}
		if _, err := h.gw.AdoptLate(t.Context(), h.merchant, no, operator); !errors.Is(err, pay.ErrDenied) {
			t.Errorf("adopted what went back: %v", err)
		}
		h.checkBooks(no)
	})
}

// TestAdoptionAndReturnOfOneOrderExcludeEachOther: many people decide at once,
// and money is either the merchant's or the customer's.
func TestAdoptionAndReturnOfOneOrderExcludeEachOther(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		h, no := lateOrder(t, options{settle: directory.Settle{Late: directory.LateHold}})
		var wg sync.WaitGroup
		for i := range 32 {
			wg.Go(func() {
				if i%2 == 0 {
					_, _ = h.gw.AdoptLate(t.Context(), h.merchant, no, operator)
				} else {
					_, _ = h.gw.ReturnLate(t.Context(), h.merchant, no, operator)
				}
			})
		}
		wg.Wait()
		o := h.until(no, time.Hour, func(o pay.Order) bool { return o.Late == pay.LateReturned || o.Late == pay.LateAdopted })
		<-time.After(time.Hour)
		kept, _ := h.kept(no)
		if again := h.order(no); again.Late != o.Late || (kept == 0) != (o.Late == pay.LateReturned) {
			t.Errorf("%s became %s, the wallet keeps %d", o.Late, again.Late, kept)
		}
		b, err := h.store.Balances(t.Context(), "merchant")
		if err != nil || b[pay.Wxpay][pay.AccSuspense] != 0 || (b[pay.Wxpay][pay.AccMerchant] == 0) != (o.Late == pay.LateReturned) {
			t.Errorf("%s: books %v, %v", o.Late, b, err)
		}
	})
}

func TestRefundTheBankSentBackWaitsForAPerson(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		h := newHouse(t, options{})
		o, err := h.pay(pay.Wxpay, 100, "")
		if err != nil {
			t.Fatal(err)
		}
		if err := h.box.AddFault(sandbox.Fault{Scenario: "refund_abnormal", Count: 1}); err != nil {
			t.Fatal(err)
		}
		no := h.number()
		if _, _, err := h.gw.Refund(t.Context(), h.merchant, gateway.Refund{OutTradeNo: o.OutTradeNo, OutRefundNo: no, Total: 100, Amount: 40}); err != nil {
			t.Fatal(err)
		}
		<-time.After(2 * time.Hour)
		r, err := h.store.Refund(t.Context(), "merchant", no)
		if err != nil || r.State != pay.RefundNeedsHand {
			t.Fatalf("%s, %v", r.State, err)
		}
		if !slices.ContainsFunc(h.attention(), func(a store.Attention) bool { return a.OutRefundNo == no && a.Why == pay.RaiseBank }) {
			t.Errorf("wants %+v", h.attention())
		}
		if _, err := h.gw.ResumeRefund(t.Context(), h.merchant, o.OutTradeNo, no, false, operator); !errors.Is(err, pay.ErrUnavailable) {
			t.Errorf("the wallet says that it has not arrived: %v", err)
		}
		if _, err := h.gw.OfflineRefund(t.Context(), h.merchant, o.OutTradeNo, h.number(), operator); !errors.Is(err, pay.ErrNotFound) {
			t.Errorf("a refund that is not there: %v", err)
		}
		r, err = h.gw.OfflineRefund(t.Context(), h.merchant, o.OutTradeNo, no, operator)
		if err != nil || r.State != pay.RefundOffline {
			t.Fatalf("%s, %v", r.State, err)
		}
		if got := h.order(o.OutTradeNo); got.Refunded != 40 || got.Reserved != 40 || len(h.attention()) != 0 {
			t.Errorf("refunded %d of %d, wants %+v", got.Refunded, got.Reserved, h.attention())
		}
		if _, err := h.gw.ResumeRefund(t.Context(), h.merchant, o.OutTradeNo, no, false, operator); !errors.Is(err, pay.ErrDenied) {
			t.Errorf("done twice: %v", err)
		}
		b, err := h.store.Balances(t.Context(), "merchant")
		if err != nil || b[pay.Wxpay][pay.AccOffline] != -40 || b[pay.Wxpay][pay.AccReturned] != 0 || b[pay.Wxpay][pay.AccMerchant] != -60 {
			t.Errorf("books %v, %v", b, err)
		}
	})
}

// TestAClockAheadOfTheWalletsLosesNoPayment: the answer to the payment is lost,
// and our clock is two minutes ahead when the wallet says when it was paid.
func TestAClockAheadOfTheWalletsLosesNoPayment(t *testing.T) {
	t.Parallel()
	both(t, func(b bubble) {
		h := newHouse(b.T, options{ahead: 2 * time.Minute})
		if err := h.box.AddFault(sandbox.Fault{Scenario: "drop_after", Endpoint: sandbox.EndpointPay, Count: 1}); err != nil {
			b.Fatal(err)
		}
		o, err := h.pay(b.ch, 100, "")
		if err != nil && !errors.Is(err, pay.ErrUnavailable) {
			b.Fatal(err)
		}
		o = h.until(o.OutTradeNo, 15*time.Minute, func(o pay.Order) bool { return o.State.Final() })
		if kept, _ := h.kept(o.OutTradeNo); o.State != pay.PAID || kept != 100 {
			b.Errorf("%s (duplicate %v), the wallet keeps %d", o.State, o.Duplicate, kept)
		}
	})
}

// TestAClockThatWasAheadAndSetRightFailsNoPayment is the simulation's seed
// 5000163: the answer to the payment is lost, and so is every query's until the
// clock of four minutes ahead is right again and has caught up.
func TestAClockThatWasAheadAndSetRightFailsNoPayment(t *testing.T) {
	t.Parallel()
	both(t, func(b bubble) {
		var hears atomic.Bool
		h := newHouse(b.T, options{ahead: 4 * time.Minute, channels: wrap(wrapped{query: func(out pay.Outcome) pay.Outcome {
			if hears.Load() {
				return out
			}
			return pay.Outcome{Kind: pay.Unknown, Lost: true}
		}})})
		if err := h.box.AddFault(sandbox.Fault{Scenario: "drop_after", Endpoint: sandbox.EndpointPay, Count: 1}); err != nil {
			b.Fatal(err)
		}
		o, err := h.pay(b.ch, 100, "")
		if err != nil && !errors.Is(err, pay.ErrUnavailable) {
			b.Fatal(err)
		}
		<-time.After(10 * time.Second)
		h.ahead.Store(0)
		<-time.After(4*time.Minute + 20*time.Second)
		hears.Store(true)
		o = h.until(o.OutTradeNo, 15*time.Minute, func(o pay.Order) bool { return o.State.Final() })
		if kept, _ := h.kept(o.OutTradeNo); o.Late != pay.LateHeld || kept != 100 || !errors.Is(o.PayAnswer(), pay.ErrUnavailable) {
			b.Fatalf("%s, late %q, told %v, the wallet keeps %d; want the money held and told as unknown", o.State, o.Late, o.PayAnswer(), kept)
		}
		<-time.After(time.Hour)
		raised := func(a store.Attention) bool { return a.Why == pay.RaiseDoubt }
		if kept, _ := h.kept(o.OutTradeNo); kept != 100 || !slices.ContainsFunc(h.attention(), raised) {
			b.Errorf("an hour later the wallet keeps %d, and a person is to look at %v", kept, h.attention())
		}
		o, err = h.gw.AdoptLate(b.Context(), h.merchant, o.OutTradeNo, pay.Hand{Who: "operator", Why: "our clock was ahead"})
		if err != nil || o.Standing() != pay.PAID || o.PayAnswer() != nil || slices.ContainsFunc(h.attention(), raised) {
			b.Errorf("adopted: shown as %s, told %v, %v; still to look at: %v", o.Standing(), o.PayAnswer(), err, h.attention())
		}
		h.checkBooks(o.OutTradeNo)
	})
}

// TestAnOrderKeepsTheLadderItWasOpenedWith: a merchant who chooses another one
// changes no order that is under way.
func TestAnOrderKeepsTheLadderItWasOpenedWith(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		h := newHouse(t, options{settle: directory.Settle{Profile: pay.SettleQuick}})
		quick, err := h.pay(pay.Wxpay, 60000, "anna")
		if err != nil {
			t.Fatal(err)
		}
		if _, err := h.people.UpdateProvider(t.Context(), directory.System, "provider", func(p *directory.Provider) error {
			p.Profile.Settle = directory.Settle{Profile: pay.SettleManual}
			return nil
		}); err != nil {
			t.Fatal(err)
		}
		if _, err := h.people.UpdateMerchant(t.Context(), directory.System, "merchant", func(m *directory.Merchant) error {
			m.Policy.Settle = directory.Settle{}
			return nil
		}); err != nil {
			t.Fatal(err)
		}
		if h.merchant, err = h.people.Merchant(t.Context(), "merchant"); err != nil {
			t.Fatal(err)
		}
		manual, err := h.pay(pay.Wxpay, 60000, "ben")
		if err != nil {
			t.Fatal(err)
		}
		o := h.until(quick.OutTradeNo, time.Minute, func(o pay.Order) bool { return o.State == pay.REVERSED })
		if waited := o.ReverseSentAt.Sub(o.SentAt); waited < 30*time.Second || waited > 35*time.Second {
			t.Errorf("reversed after %v, want 30 s", waited)
		}
		<-time.After(75 * time.Second) // before the wallet itself ends it
		if o := h.order(manual.OutTradeNo); o.State != pay.PAYING || o.ReverseTries != 0 {
			t.Errorf("%s after 105 s without a person", o.State)
		}
		if _, err := h.gw.Reverse(t.Context(), h.merchant, manual.OutTradeNo, "till-1"); err != nil {
			t.Fatal(err)
		}
		h.until(manual.OutTradeNo, time.Minute, func(o pay.Order) bool { return o.State == pay.REVERSED })
	})
}
