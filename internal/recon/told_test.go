package recon_test

import (
	"log/slog"
	"testing"
	"time"

	"cloudpay/internal/day"
	"cloudpay/internal/store"
)

// TestBugDayWhoseBillToldOfAPaymentAsReturnedWasNeverBalanced: its difference of state
// stands for the payment that the bill lacks, too, and accounted for the return alone.
func TestBugDayWhoseBillToldOfAPaymentAsReturnedWasNeverBalanced(t *testing.T) {
	t.Parallel()
	eachWallet(t, func(h *house) {
		t := h.t
		o := h.sale(1_000)
		h.sale(700)
		h.fault("bill_state_diff", o.OutTradeNo)
		h.set(afterDay1)
		h.reconcile(day1)
		if d := h.repair(store.StateDiff, "reversal:"+o.OutTradeNo); d.State != store.DiffExplained {
			t.Errorf("the difference is %s: %s", d.State, d.Why)
		}
		days := day.New(day.Config{Store: h.store, Vault: h.people.Vault, Now: h.now, Log: slog.New(slog.DiscardHandler)})
		r, err := days.Close(t.Context(), "merchant", "2026-11-25", false)
		if err != nil || !r.Balanced || len(r.Differences) != 1 || r.Channels[0].Orders.In != 1_700 || r.Channels[0].Bill.In != 700 {
			t.Errorf("the day is %+v, %v", r, err)
		}
	})
}

// TestBugDayWhoseBillToldOfARefundAsAPaymentWasNeverBalanced: Alipay's stands among the
// payments of the bill, and the day looked for it among what went back.
func TestBugDayWhoseBillToldOfARefundAsAPaymentWasNeverBalanced(t *testing.T) {
	t.Parallel()
	eachWallet(t, func(h *house) {
		t := h.t
		o := h.sale(1_000)
		h.set(morning.AddDate(0, 0, 1).Add(2 * time.Hour))
		h.sale(700)
		no := h.back(o, 300)
		h.set(morning.AddDate(0, 0, 1).Add(3 * time.Hour))
		h.arrives(o, no)
		h.set(afterDay2)
		h.reconcile(day1)
		h.fault("bill_state_diff", o.OutTradeNo)
		h.reconcile(day2)
		if d := h.repair(store.StateDiff, "refund:"+no); d.State != store.DiffExplained {
			t.Errorf("the difference is %s: %s", d.State, d.Why)
		}
		h.balanced("2026-11-25", "2026-11-26")
	})
}
