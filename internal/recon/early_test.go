package recon_test

import (
	"log/slog"
	"testing"
	"time"

	"cloudpay/internal/day"
	"cloudpay/internal/store"
)

// TestADayDoesNotCloseBeforeItsBillOrItsRepairs was found in review: the server
// closed a quiet day at midnight, hours before its bill, and a day with
// differences at once, before the next bill or a person could end them.
func TestADayDoesNotCloseBeforeItsBillOrItsRepairs(t *testing.T) {
	t.Parallel()
	eachWallet(t, func(h *house) {
		t := h.t
		days := day.New(day.Config{Store: h.store, Vault: h.people.Vault, Now: h.now, Log: slog.New(slog.DiscardHandler)})
		closed := func(why string, want int) {
			t.Helper()
			if err := days.CloseDue(t.Context()); err != nil {
				t.Fatal(err)
			}
			list, err := h.store.Days(t.Context(), "merchant", 0, 9)
			if err != nil || len(list) != want {
				t.Errorf("%s: %d days are closed, want %d, %v", why, len(list), want, err)
			}
		}
		good := h.sale(1_000)
		h.fault("bill_extra_row", good.OutTradeNo)
		h.set(afterDay1)
		closed("before the bill", 0)
		h.reconcile(day1)
		closed("with an open difference", 0)
		h.repair(store.WalletMore, "payment:EXTRA"+good.OutTradeNo)
		closed("repaired", 1)
		if r, _, err := days.Show(t.Context(), "merchant", "2026-11-25"); err != nil || !r.Balanced {
			t.Errorf("the day is %+v, %v", r, err)
		}
		if err := h.box.ClearFaults(); err != nil {
			t.Fatal(err)
		}
		h.set(afterDay2.Add(-9 * time.Hour)) // 02:00
		closed("a day without trade, before its bill", 1)
		h.set(afterDay2.AddDate(0, 0, 4))
		closed("nobody plans a bill any more", 3) // the last two still wait
	})
}
