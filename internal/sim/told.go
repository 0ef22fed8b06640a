package sim

import (
	"context"
	"sync"
)

// told is what tills and merchants were told, which they may believe for ever.
type told struct {
	mu     sync.Mutex
	paid   map[claim]string // who said so first
	unpaid map[claim]string
	events map[string]heard // callbacks that a merchant has taken, by their key
	// accepted are the refunds that were taken, by number, in fen.
	accepted map[string]int64
	// others are sales of another till under the same number: another customer's money.
	others map[claim]bool
}

// claim is what was said of a sale: two tills may use one number, and their
// amounts tell them apart.
type claim struct {
	no    string
	total int64
}

func newTold() told {
	return told{paid: map[claim]string{}, unpaid: map[claim]string{}, events: map[string]heard{}, accepted: map[string]int64{}, others: map[claim]bool{}}
}

// heard is what a merchant keeps of a callback: he books each key once.
type heard struct {
	outTradeNo string
	amount     int64 // fen, negative for a refund
	times      int
}

// hear notes a callback that a merchant takes (P5). One that comes again must say
// the same, and those of one order come in the order in which they happened.
func (w *world) hear(key, outTradeNo string, amount int64) {
	w.told.mu.Lock()
	e := w.told.events[key]
	first := e.times == 0
	same := first || e.outTradeNo == outTradeNo && e.amount == amount
	w.told.events[key] = heard{outTradeNo, amount, e.times + 1}
	paid := w.told.events["paid "+outTradeNo].times > 0
	w.told.mu.Unlock()
	w.note("merchant", "takes %s, time %d", key, e.times+1)
	if !same {
		w.violated("P5: %s of %s says %d the first time and %d again", key, outTradeNo, e.amount, amount)
	}
	if amount < 0 && !paid && w.weather.revival.IsZero() { // buried ones come back when they can
		w.violated("P5: the merchant hears %s before its order was paid", key)
	}
	if !first {
		w.fault("callback again")
	}
}

// booked is what a merchant who believes callbacks only thinks he has of an order.
func (t *told) booked(outTradeNo string) (sum int64) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.events["reversed "+outTradeNo].times > 0 {
		return 0
	}
	for _, e := range t.events {
		if e.outTradeNo == outTradeNo {
			sum += e.amount
		}
	}
	return sum
}

// tellPaid notes that somebody was told that an order is paid, and looks
// whether the wallet has the money (P1, P3).
func (w *world) tellPaid(ctx context.Context, no string, total int64, by string) {
	w.told.mu.Lock()
	if w.told.paid[claim{no, total}] == "" {
		w.told.paid[claim{no, total}] = by
	}
	un := w.told.unpaid[claim{no, total}]
	w.told.mu.Unlock()
	w.note("told", "%s paid, by %s", no, by)
	if un != "" {
		w.violated("P3: %s was told unpaid by %s, and paid by %s", no, un, by)
	}
	if _, charges, err := w.truth(ctx, no); err != nil || charges == 0 {
		w.violated("P3: %s was told paid by %s and nobody was charged (%v)", no, by, err)
	}
}

// tellUnpaid notes that somebody was told that an order is not paid and will
// not be: declined, closed or reversed.
func (w *world) tellUnpaid(ctx context.Context, no string, total int64, by string) {
	w.told.mu.Lock()
	if w.told.unpaid[claim{no, total}] == "" {
		w.told.unpaid[claim{no, total}] = by
	}
	paid := w.told.paid[claim{no, total}]
	w.told.mu.Unlock()
	kept, _, err := w.truth(ctx, no)
	w.note("told", "%s unpaid, by %s", no, by)
	if err != nil {
		w.violated("the truth of %s cannot be read: %v", no, err)
	}
	if paid != "" {
		w.violated("P1: %s was told paid by %s, and unpaid by %s", no, paid, by)
	}
	if kept != 0 {
		w.note("truth", "the wallet still holds %d of %s", kept, no)
	}
}

// truth is what the wallets hold of an order, and how often they charged it.
func (w *world) truth(ctx context.Context, no string) (kept, charges int64, err error) {
	ts, err := w.box.Trades(ctx, no)
	for _, t := range ts {
		kept += int64(t.Charged - t.Refunded)
		charges += t.Charges
	}
	return kept, charges, err
}
