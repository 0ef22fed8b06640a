package day_test

import (
	"testing"
	"time"

	"cloudpay/internal/day"
	"cloudpay/internal/pay"
	"cloudpay/internal/store"
)

// explain closes the difference of date of an item, as the bill of the day beside does.
func (w *shop) explain(ch pay.Channel, item string) {
	w.t.Helper()
	d, err := w.s.Diff(w.t.Context(), store.DiffKey{MerchantID: merchant, Channel: ch, Item: item, Type: store.DateEdge})
	if err != nil {
		w.t.Fatal(err)
	}
	w.won(w.s.CloseDiff(w.t.Context(), d, store.DiffExplained, "recon", "in the bill of the day beside", w.now, nil))
}

// TestALineOfTheDayBeforeIsAccountedFor is seed 20116 of the simulation: by our clock
// a reverse was sent behind midnight and the wallet's bill had it before. The bill of
// the first day said so, and the second day did not balance. The difference may
// also be of the second day, if its bill came first.
func TestALineOfTheDayBeforeIsAccountedFor(t *testing.T) {
	t.Parallel()
	one := func(of string, at int64) store.Diff { // a line, or -1 for a refund without one
		return store.Diff{DiffKey: store.DiffKey{Item: of, Type: store.DateEdge}, Line: at, Ours: -40, Theirs: -40}
	}
	for _, secondFirst := range []bool{false, true} {
		onBoth(t, func(t *testing.T, w *shop) {
			t.Helper()
			a := w.paid("a", pay.Wxpay, 100, noon)
			w.now = noon.Add(12*time.Hour + 3*time.Second)
			w.refund(a, "r", 40)
			w.now = noon.Add(48 * time.Hour)
			lines := []store.BillLine{line("payment", "a", 100), line("refund", "r", 40)}
			if secondFirst {
				w.bill(pay.Wxpay, "2026-11-21", nil, one("refund:r", -1))
				w.bill(pay.Wxpay, "2026-11-20", lines)
			} else {
				w.bill(pay.Wxpay, "2026-11-20", lines, one("refund:r", 1))
				w.bill(pay.Wxpay, "2026-11-21", nil)
			}
			w.explain(pay.Wxpay, "refund:r")
			edge := []day.Difference{{Kind: "bill_date_edge", Channel: pay.Wxpay, Item: "refund:r", Ours: -40, Theirs: -40, State: "explained"}}
			for _, date := range []string{"2026-11-20", "2026-11-21"} {
				r := w.close(date)
				for i := range r.Differences {
					r.Differences[i].Why = ""
				}
				same(t, "differences of "+date, r.Differences, edge)
				if !r.Balanced || r.Items != 1 || len(r.Adjustments) > 0 {
					t.Errorf("%s is %+v", date, r)
				}
			}
		})
	}
}

// TestALineThatIsGoneFromTheBillBesideExplainsNothing: what was a difference of date
// until the wallet corrected the bill of the day before is missing in both.
func TestALineThatIsGoneFromTheBillBesideExplainsNothing(t *testing.T) {
	t.Parallel()
	onBoth(t, func(t *testing.T, w *shop) {
		t.Helper()
		a := w.paid("a", pay.Wxpay, 100, noon)
		w.now = noon.Add(12*time.Hour + 3*time.Second)
		w.refund(a, "r", 40)
		w.now = noon.Add(48 * time.Hour)
		w.bill(pay.Wxpay, "2026-11-20", []store.BillLine{line("payment", "a", 100)},
			store.Diff{DiffKey: store.DiffKey{Item: "refund:r", Type: store.DateEdge}, Line: 1, Ours: -40, Theirs: -40})
		w.bill(pay.Wxpay, "2026-11-21", nil)
		w.explain(pay.Wxpay, "refund:r")
		w.close("2026-11-20")
		if r := w.close("2026-11-21"); r.Balanced || len(r.Differences) != 1 || r.Differences[0].Kind != day.DiffSum {
			t.Errorf("the second day is %+v", r)
		}
	})
}
