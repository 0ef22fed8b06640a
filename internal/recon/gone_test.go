package recon_test

import (
	"log/slog"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"cloudpay/internal/channel"
	"cloudpay/internal/day"
	"cloudpay/internal/pay"
	"cloudpay/internal/store"
)

// gone is a payment that nobody heard of, of an order that ended as state; the
// wallet gives it back at another moment, the zero time for never.
func (h *house) gone(total pay.Fen, state pay.OrderState, at time.Time) pay.Order {
	h.t.Helper()
	o := h.lost(total)
	if !at.IsZero() {
		h.set(at)
		w, sub := h.foreign()
		r := channel.OrderRequest{Merchant: sub, OutTradeNo: o.OutTradeNo, Total: total}
		if out := w.Reverse(h.t.Context(), r); out.Kind != pay.Paid {
			h.t.Fatalf("Reverse = %+v", out)
		}
	}
	c := pay.Change{From: o, Order: o}
	c.Order.State, c.Order.Unit, c.Order.Truth, c.Order.AskAt = state, h.store.NewUnit(), pay.TruthQuery, time.Time{}
	c.Order.UpdatedAt = h.now()
	if state == pay.REVERSED {
		c.Order.ReverseSentAt, c.Order.ReversedAt, c.Order.ReverseTries = h.now(), h.now(), 1
	}
	if won, err := h.store.SettleOrder(h.t.Context(), c); err != nil || !won {
		h.t.Fatal(won, err)
	}
	return c.Order
}

// balanced closes the days of a test and wants each of them balanced.
func (h *house) balanced(dates ...string) {
	h.t.Helper()
	days := day.New(day.Config{Store: h.store, Vault: h.people.Vault, Now: h.now, Log: slog.New(slog.DiscardHandler)})
	for _, d := range dates {
		if r, err := days.Close(h.t.Context(), "merchant", d, false); err != nil || !r.Balanced {
			h.t.Errorf("the day is %+v, %v", r, err)
		}
	}
}

// cameAndWent checks that an order is booked as a payment that went back, fees
// included, without a word to anybody.
func (h *house) cameAndWent(o pay.Order) {
	h.t.Helper()
	is := h.order(o.OutTradeNo)
	if is.State != o.State || is.Late != pay.LateReturned || is.Truth != pay.TruthBill || is.PaidAt.IsZero() || is.TransactionID == o.TransactionID {
		h.t.Errorf("the order is %+v", is)
	}
	for _, a := range []pay.Account{pay.AccReceivable, pay.AccMerchant, pay.AccSuspense, pay.AccFee} {
		if b := h.balance(a); b != 0 {
			h.t.Errorf("on %s stand %d", a, b)
		}
	}
}

// TestAPaymentThatCameAndWentIsBookedByTheBill: a customer who paid between our last
// question and the reverse left two differences that waited for a person, and the
// days with them (simulation, seed 20303 of 2026-11-26).
func TestAPaymentThatCameAndWentIsBookedByTheBill(t *testing.T) {
	t.Parallel()
	t.Run("on one day", func(t *testing.T) {
		t.Parallel()
		onBoth(t, func(h *house) {
			o := h.gone(1_000, pay.REVERSED, morning.Add(time.Minute))
			h.set(afterDay1)
			for range 2 {
				if run := h.reconcile(day1); run.Lines != 2 || run.Matched != 2 {
					h.t.Errorf("the run is %+v", run)
				}
				if all := h.diffs(""); len(all) != 0 {
					h.t.Errorf("differences: %v", all)
				}
				h.again()
			}
			h.cameAndWent(o)
			h.balanced("2026-11-25")
		})
	})
	t.Run("over midnight", func(t *testing.T) {
		t.Parallel()
		eachWallet(t, func(h *house) {
			h.skipAlipay()
			h.set(morning.Add(13*time.Hour + 59*time.Minute))
			o := h.gone(1_000, pay.REVERSED, morning.Add(14*time.Hour+time.Minute))
			h.set(afterDay1)
			h.reconcile(day1)
			h.set(afterDay2)
			h.reconcile(day2)
			if all := h.diffs(""); len(all) != 0 {
				h.t.Errorf("differences: %v", all)
			}
			h.cameAndWent(o)
			h.balanced("2026-11-25", "2026-11-26")
		})
	})
	t.Run("by somebody else", func(t *testing.T) {
		t.Parallel()
		eachWallet(t, func(h *house) {
			h.skipAlipay()
			o := h.gone(1_000, pay.DECLINED, morning.Add(15*time.Hour)) // 01:00 in Beijing
			h.set(afterDay1)
			h.reconcile(day1)
			if left := h.diffs(store.DiffOpen); len(left) != 1 {
				h.t.Errorf("before the reversal is known: %v", left)
			}
			h.set(afterDay2)
			h.reconcile(day2)
			if run := h.reconcile(day1); run.Round != 2 { // as its job does it
				h.t.Errorf("the first day is %+v", run)
			}
			if left := h.diffs(store.DiffOpen); len(left) != 0 {
				h.t.Errorf("differences: %v", left)
			}
			h.cameAndWent(o)
			h.balanced("2026-11-25", "2026-11-26")
		})
	})
}

// skipAlipay leaves out what Alipay refuses: to cancel a payment after midnight.
func (h *house) skipAlipay() {
	h.t.Helper()
	if h.ch == pay.Alipay {
		h.t.Skip("Alipay cancels on the same day only")
	}
}

// TestAPaymentThatMayStillBeThereIsADifference: only what is known to have gone
// back is booked so.
func TestAPaymentThatMayStillBeThereIsADifference(t *testing.T) {
	t.Parallel()
	eachWallet(t, func(h *house) {
		closed, reversed := h.gone(1_000, pay.CLOSED, time.Time{}), h.gone(2_000, pay.REVERSED, time.Time{})
		h.set(afterDay1)
		h.reconcile(day1)
		want := map[string]string{
			"wallet_more payment:" + closed.OutTradeNo: day1 + ": 0, they 1000",
			"we_more reversal:" + reversed.OutTradeNo:  day1 + ": -2000, they 0",
		}
		if diff := cmp.Diff(want, h.diffs(store.DiffOpen)); diff != "" {
			h.t.Errorf("differences: -want +got\n%s", diff)
		}
		if o := h.order(closed.OutTradeNo); o.Late != pay.LateNone {
			h.t.Errorf("late money is %s", o.Late)
		}
	})
}

// TestADayWhoseOnlyTradeAnotherBillHasIsNotWaitedFor (simulation, seed 20371 of
// 2026-11-26): by our clock the only refund of a day was made after midnight, the
// wallet has it in the bill before, and there was no bill of the day to wait for.
func TestADayWhoseOnlyTradeAnotherBillHasIsNotWaitedFor(t *testing.T) {
	t.Parallel()
	eachWallet(t, func(h *house) {
		before := morning.Add(13*time.Hour + 59*time.Minute + 59*time.Second)
		h.set(before)
		o := h.sale(1_000)
		no := h.back(o, 300)
		f, err := h.store.Refund(h.t.Context(), "merchant", no)
		if err != nil {
			h.t.Fatal(err)
		}
		c := pay.RefundChange{From: f, Refund: f}
		c.Refund.Unit, c.Refund.SentAt, c.Refund.UpdatedAt = h.store.NewUnit(), before.Add(2*time.Second), before.Add(2*time.Second)
		if !c.Refund.SucceededAt.IsZero() {
			c.Refund.SucceededAt = c.Refund.SentAt
		}
		if won, err := h.store.SettleRefund(h.t.Context(), c); err != nil || !won {
			h.t.Fatal(won, err)
		}
		h.set(afterDay1)
		h.arrives(o, no)
		h.reconcile(day1)
		h.set(morning.AddDate(0, 0, 2).Add(time.Hour)) // 11:00
		h.reconcile(day2)
		if left := h.diffs(store.DiffOpen); len(left) != 0 {
			h.t.Errorf("differences: %v", left)
		}
	})
}
