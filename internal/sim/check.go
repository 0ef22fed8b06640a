package sim

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"

	"cloudpay/internal/pay"
	"cloudpay/internal/store"
)

// ordersOf reads all orders of the run, by number.
func (w *world) ordersOf(ctx context.Context, st *store.Store) (map[string]pay.Order, error) {
	all := map[string]pay.Order{}
	for sale := range maxSales + 1 + maxMorning { // with that of a revival, and those of a morning
		for n := 1; n <= maxNumbers; n++ {
			no := number(sale, n)
			o, err := st.Order(ctx, merchantID, no)
			switch {
			case err == nil:
				all[no] = o
			case !isMissing(err):
				return nil, err
			}
		}
	}
	return all, nil
}

// Limits of the numbers that a run uses.
const (
	maxSales   = 8
	maxNumbers = 2
)

// checkRunning looks at what must hold at any moment (P4, P6, and P1 for what
// was told).
func (w *world) checkRunning(ctx context.Context) {
	p := w.running()
	if p == nil {
		return
	}
	all, err := w.ordersOf(ctx, p.store)
	if err != nil {
		w.violated("orders cannot be read: %v", err)
		return
	}
	w.checkBooks(ctx, p.store, all)
	w.told.mu.Lock()
	paid := maps.Clone(w.told.paid)
	w.told.mu.Unlock()
	for c, by := range paid {
		if o := all[c.no]; !o.Taken() || int64(o.Total) != c.total {
			w.violated("P1: %s was told paid by %s and is %q", c.no, by, o.State)
		}
	}
}

// checkBooks compares the ledger of every order with its columns (money.md §5).
func (w *world) checkBooks(ctx context.Context, st *store.Store, all map[string]pay.Order) {
	for _, no := range slices.Sorted(maps.Keys(all)) {
		o := all[no]
		ps, err := st.Postings(ctx, merchantID, no)
		if err != nil {
			w.violated("postings of %s cannot be read: %v", no, err)
			continue
		}
		b := pay.Balances(ps)
		var sum pay.Fen
		for _, v := range b {
			sum += v
		}
		if sum != 0 {
			w.violated("P6: the ledger of %s sums to %d", no, sum)
		}
		if open := o.Reserved - o.Refunded; -b[pay.AccRefunding] != open {
			w.violated("P6: P of %s is %d and its open reservations are %d", no, b[pay.AccRefunding], open)
		}
		want := pay.Fen(0)
		if o.Taken() || o.PaidSeen && o.State == pay.REVERSING {
			want = o.Total - o.Reserved
		}
		if -b[pay.AccMerchant] != want {
			w.violated("P6: M of %s (%s) is %d, want %d", no, o.State, -b[pay.AccMerchant], want)
		}
		if o.Reserved > o.Total || o.Refunded > o.Reserved {
			w.violated("P4: %s has refunds of %d and reservations of %d, paid %d", no, o.Refunded, o.Reserved, o.Total)
		}
	}
}

// checkFinal looks whether every code payment is final in time (P7).
func (w *world) checkFinal(ctx context.Context) {
	p := w.running()
	if p == nil {
		w.violated("no process runs at the end")
		return
	}
	all, err := w.ordersOf(ctx, p.store)
	if err != nil {
		w.violated("orders cannot be read: %v", err)
		return
	}
	for _, no := range slices.Sorted(maps.Keys(all)) {
		o := all[no]
		late := w.Now().Sub(o.SentAt) >= truthWithin
		if o.TradeType == pay.TradeMicroPay && !o.State.Final() && late {
			w.violated("P7: %s is %s %v after the last fault", no, o.State, truthWithin)
		}
	}
}

// decide is the person who decides about payments in doubt and about late money that
// waits for him: he sees in the wallet's console when the customer paid, and by which
// clock the till was wrong. No number of a run was used before it.
func (w *world) decide(ctx context.Context) {
	p := w.running()
	if p == nil {
		return // checkFinal has said so
	}
	all, err := w.ordersOf(ctx, p.store)
	if err != nil {
		w.violated("orders cannot be read: %v", err)
		return
	}
	for _, no := range slices.Sorted(maps.Keys(all)) {
		o := all[no]
		do, what := p.gateway.AdoptLate, "payment in doubt"
		switch {
		case o.Late != pay.LateHeld || o.Reserved > 0:
			continue
		case o.Reason == pay.ReasonDoubt:
		case o.HoldLate: // its customer was told that he has not paid
			do, what = p.gateway.ReturnLate, "late money held"
		default:
			continue
		}
		w.fault(what)
		m, err := p.people.Merchant(ctx, merchantID)
		if err == nil {
			_, err = do(ctx, m, no, pay.Hand{Who: "operator", Why: "the wallet's console says so"})
		}
		if err != nil {
			w.violated("%s of %s cannot be decided: %v", what, no, err)
		}
	}
}

// quiet reports whether nothing is left to do.
func (w *world) quiet(ctx context.Context) bool { return w.unquiet(ctx) == "" }

// unquiet says what is left to do.
func (w *world) unquiet(ctx context.Context) string {
	w.mu.Lock()
	busy := w.busy
	w.mu.Unlock()
	p := w.running()
	if p == nil {
		return "no process runs"
	}
	left, err := p.store.ListJobs(ctx, store.JobFilter{MerchantID: merchantID})
	if err != nil {
		return err.Error()
	}
	var names []string
	if w.Now().Before(w.weather.revival) {
		names = append(names, "a dead endpoint comes back")
	}
	names = append(names, w.unbilled(ctx, p)...)
	if busy > 0 {
		names = append(names, fmt.Sprintf("%d people are busy", busy))
	}
	for _, j := range left {
		names = append(names, fmt.Sprintf("%s %s %s at %v (%s)", j.State, j.Kind, j.Ref, j.RunAt.Sub(w.start).Truncate(time.Second), j.LastError))
	}
	return strings.Join(names, "; ")
}

// finalCheck compares what we believe, what was told, and what the wallets did.
func (w *world) finalCheck(ctx context.Context) {
	p := w.running()
	if p == nil {
		w.violated("no process runs at the end")
		return
	}
	all, err := w.ordersOf(ctx, p.store)
	if err != nil {
		w.violated("orders cannot be read: %v", err)
		return
	}
	w.checkBooks(ctx, p.store, all)
	w.orders = len(all)
	for _, no := range slices.Sorted(maps.Keys(all)) {
		w.checkOrder(ctx, p.store, all[no])
	}
	w.checkWallets(ctx, all)
	w.checkTold(ctx, p.store, all)
}

// checkOrder compares one order with its wallet (P2, P4, P5, P7).
func (w *world) checkOrder(ctx context.Context, st *store.Store, o pay.Order) {
	no := o.OutTradeNo
	kept, charges, err := w.truth(ctx, no)
	if err != nil {
		w.violated("the truth of %s cannot be read: %v", no, err)
		return
	}
	refunds, err := st.Refunds(ctx, merchantID, no)
	if err != nil {
		w.violated("refunds of %s cannot be read: %v", no, err)
		return
	}
	w.note("end", "%s %s %s, total %d, refunded %d, kept %d, charges %d, late %q", no, o.Channel, o.State, o.Total, o.Refunded, kept, charges, o.Late)
	want := int64(0)
	if o.Taken() {
		w.paid++
		want = int64(o.Total - o.Refunded)
		w.mustHear("paid " + no)
	}
	switch {
	case !o.State.Final():
		w.violated("P7: %s is still %s", no, o.State)
	case kept != want:
		w.violated("P1/P3: %s is %s (%s, late %q), refunded %d, and the wallet holds %d, not %d", no, o.State, o.Code, o.Late, o.Refunded, kept, want)
	case charges > 1:
		w.violated("P2: %s was charged %d times", no, charges)
	case o.Late == pay.LateHeld:
		w.violated("late money of %s is still held", no)
	}
	if o.State == pay.REVERSED && !o.Duplicate {
		w.mustHear("reversed " + no)
	}
	if has := w.told.booked(no); has != kept {
		w.violated("P5: by its callbacks the merchant has %d of %s, and the wallet holds %d", has, no, kept)
	}
	for _, r := range refunds {
		switch {
		case r.State == pay.RefundSucceeded && r.Origin == pay.OriginAPI:
			w.mustHear("refund " + r.OutRefundNo)
		case r.State == pay.RefundPending:
			w.violated("refund %s of %s is still pending", r.OutRefundNo, no)
		}
	}
}

// mustHear looks whether the merchant heard of an event (P5).
func (w *world) mustHear(event string) {
	w.told.mu.Lock()
	defer w.told.mu.Unlock()
	if w.told.events[event].times == 0 {
		defer w.violated("P5: the merchant never heard: %s", event) // after the lock is let go
	}
}

// checkWallets looks for money that we know nothing of (P2).
func (w *world) checkWallets(ctx context.Context, all map[string]pay.Order) {
	trades, err := w.box.Trades(ctx, "")
	if err != nil {
		w.violated("trades cannot be read: %v", err)
		return
	}
	for _, t := range trades {
		if _, ok := all[t.OutTradeNo]; !ok && t.Charges > 0 {
			w.violated("P1: the wallet charged %s, which we do not know", t.OutTradeNo)
		}
	}
	totals, err := w.box.Totals(ctx)
	if err != nil || totals.DoubleCharges > 0 {
		w.violated("P2: %d double charges (%v)", totals.DoubleCharges, err)
	}
}

// checkTold holds us to our word (P1, P3, P10).
func (w *world) checkTold(ctx context.Context, st *store.Store, all map[string]pay.Order) {
	w.told.mu.Lock()
	paid, unpaid, accepted := maps.Clone(w.told.paid), maps.Clone(w.told.unpaid), maps.Clone(w.told.accepted)
	w.told.mu.Unlock()
	kept := map[string]int{} // by sale, how many numbers the customer paid
	for _, no := range slices.Sorted(maps.Keys(all)) {
		o := all[no]
		if by, ok := unpaid[claim{no, int64(o.Total)}]; ok && o.Taken() {
			w.violated("P3: %s was told unpaid by %s and is paid", no, by)
		}
		if c := (claim{no, int64(o.Total)}); paid[c] != "" && !w.told.others[c] {
			kept[no[:numberLen-3]]++
		}
	}
	for _, sale := range slices.Sorted(maps.Keys(kept)) {
		if kept[sale] > 1 {
			w.violated("P10: the customer of sale %s paid %d times", sale, kept[sale])
		}
	}
	for c, by := range paid {
		if o := all[c.no]; !o.Taken() || int64(o.Total) != c.total {
			w.violated("P1: %s was told paid by %s and is %q", c.no, by, o.State)
		}
	}
	for _, no := range slices.Sorted(maps.Keys(accepted)) {
		if _, err := st.Refund(ctx, merchantID, no); err != nil {
			w.violated("P1: refund %s was accepted and is not there: %v", no, err)
		}
	}
}

// isMissing reports that a row is not there.
func isMissing(err error) bool { return errors.Is(err, pay.ErrNotFound) }
