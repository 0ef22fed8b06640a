package day_test

import (
	"errors"
	"testing"

	"cloudpay/internal/day"
	"cloudpay/internal/pay"
	"cloudpay/internal/store"
)

// TestAFirstDayThatWasNotClosedIsNoDay is what the simulation found (its seed 53 of
// 2026-11-26): an attempt to close the first day waited for a bill and was never
// repeated, and the day after began the chain with an adjustment of a day that is
// not in it.
func TestAFirstDayThatWasNotClosedIsNoDay(t *testing.T) {
	t.Parallel()
	onBoth(t, func(t *testing.T, w *shop) {
		t.Helper()
		o := w.paid("100", pay.Wxpay, 1_000, noon)
		w.now = noon.AddDate(0, 0, 1)
		if _, err := w.d.Close(t.Context(), merchant, "2026-11-20", false); !errors.Is(err, day.ErrBill) {
			t.Fatalf("a day without its bill is closed: %v", err)
		}
		w.refund(o, "200", 400)
		w.now = noon.AddDate(0, 0, 2)
		w.bill(pay.Wxpay, "2026-11-21", []store.BillLine{line("refund", "200", 400)})
		if r := w.close("2026-11-21"); r.Number != 1 || len(r.Adjustments) != 0 {
			t.Errorf("the first day of a chain has the number %d and the adjustments %+v", r.Number, r.Adjustments)
		}
	})
}
