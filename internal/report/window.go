package report

import (
	"time"

	"cloudpay/internal/store"
)

// The spans of cells, per level of dims (migration 00006).
const (
	day          = 24 * time.Hour
	slotMerchant = 10 * time.Minute
	slotShop     = time.Hour
)

// beijing is how far the wallets' days are ahead of UTC, in milliseconds. It has
// been the same all year since 1991.
const beijing = int64(8 * time.Hour / time.Millisecond)

// floor returns the begin of the span that holds a time.
func floor(ms int64, span time.Duration) int64 {
	s := span.Milliseconds()
	return (ms+beijing)/s*s - beijing
}

// ceil returns the first begin of a span that is not before a time.
func ceil(ms int64, span time.Duration) int64 {
	if f := floor(ms, span); f < ms {
		return f + span.Milliseconds()
	}
	return ms
}

// slotOf is the span below the day at a level, 0 for none.
func slotOf(level int64) time.Duration {
	switch level {
	case 0:
		return slotMerchant
	case 1:
		return slotShop
	}
	return 0
}

// piece is a part of a range that is read in one way: from cells of one span,
// or, with span 0, from entries.
type piece struct {
	from, to int64
	span     time.Duration
}

// start returns the begin of the span of a piece that holds a time.
func (p piece) start(at int64) int64 {
	if p.span == 0 {
		return p.from
	}
	return floor(at, p.span)
}

// end returns where the span ends that begins at start.
func (p piece) end(start int64) int64 {
	if p.span == 0 {
		return p.to
	}
	return start + p.span.Milliseconds()
}

// split cuts a range into pieces, oldest first: whole days, what is left of
// them in whole slots, and the rest.
func split(from, to, level int64) []piece {
	first, last := ceil(from, day), floor(to, day)
	if first >= last {
		return fine(from, to, level)
	}
	ps := fine(from, first, level)
	ps = append(ps, piece{first, last, day})
	return append(ps, fine(last, to, level)...)
}

// fine cuts less than two days into slots and the rest.
func fine(from, to, level int64) []piece {
	if from >= to {
		return nil
	}
	slot := slotOf(level)
	if slot == 0 {
		return []piece{{from, to, 0}}
	}
	first, last := ceil(from, slot), floor(to, slot)
	if first >= last {
		return []piece{{from, to, 0}}
	}
	var ps []piece
	if from < first {
		ps = append(ps, piece{from, first, 0})
	}
	ps = append(ps, piece{first, last, slot})
	if last < to {
		ps = append(ps, piece{last, to, 0})
	}
	return ps
}

// rows is how many rows of a list the figures stand for.
func (q *query) rows(s store.ReportSums) (n int64) {
	orders, refunds := s.Orders, s.Refunds
	if q.SuccessOnly {
		orders, refunds = s.OrderOKs, s.RefundOKs
	}
	if q.Kind != Refunds {
		n += orders
	}
	if q.Kind != Orders {
		n += refunds
	}
	return n
}
