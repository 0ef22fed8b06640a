package recon

import (
	"context"
	"errors"
	"fmt"
	"strconv"
	"strings"
	"time"

	"cloudpay/internal/pay"
	"cloudpay/internal/store"
)

// restAtOnce is how many of our orders or refunds one unit of work looks at.
const restAtOnce = 100

// expected is one thing that a bill should have.
type expected struct {
	item          string
	order, refund string
	ours          pay.Fen
	state         string
	at            time.Time // when the wallet counts it
	excused       bool      // a line of the same day tells it otherwise: a difference of state
	otherwise     string    // that line's item
}

// rest looks for what our books have of the day and no line is of: first
// orders, then refunds, in the order in which they were written.
func (r *Recon) rest(ctx context.Context, run store.ReconRun) (store.ReconRun, error) {
	day, err := ParseDay(run.Day)
	if err != nil {
		return run, err
	}
	span := spanOf(run.ReconKey, day)
	refunds, err := resume(run.Position, &span)
	if err != nil {
		return run, err
	}
	var list []expected
	step := next(run, store.ReconRest)
	var full bool
	if refunds {
		page, err := r.Store.ReconRefunds(ctx, span, restAtOnce)
		if err != nil {
			return run, err
		}
		for _, f := range page {
			list = append(list, refundExpected(f)...)
			step.To.Position = "r:" + mark(f.UpdatedAt, f.OutRefundNo)
		}
		full = len(page) == restAtOnce
	} else {
		page, err := r.Store.ReconOrders(ctx, span, restAtOnce)
		if err != nil {
			return run, err
		}
		for _, o := range page {
			list = append(list, orderExpected(o)...)
			step.To.Position = "o:" + mark(o.UpdatedAt, o.OutTradeNo)
		}
		full = len(page) == restAtOnce
	}
	if err := r.missing(ctx, run, list, &step); err != nil {
		return run, err
	}
	switch {
	case full:
	case refunds:
		step.To.Step, step.To.Position = store.ReconFlows, ""
	default:
		step.To.Position = "r:"
	}
	return r.commit(ctx, step)
}

// mark is a place in a list that is ordered by time and number.
func mark(at time.Time, no string) string { return strconv.FormatInt(at.UnixMilli(), 10) + ":" + no }

// resume sets span to go on from a position, and reports whether it is among
// the refunds.
func resume(position string, span *store.ReconSpan) (refunds bool, err error) {
	list, place, _ := strings.Cut(position, ":")
	if ms, no, some := strings.Cut(place, ":"); some {
		n, err := strconv.ParseInt(ms, 10, 64)
		if err != nil {
			return false, fmt.Errorf("position %q is no place in a list", position)
		}
		span.After, span.AfterNo = time.UnixMilli(n).UTC(), no
	}
	return list == "r", nil
}

// orderExpected is what a bill should have of an order.
func orderExpected(o pay.Order) (list []expected) {
	if booked(o) {
		list = append(list, expected{
			item: paymentItem(o.OutTradeNo), order: o.OutTradeNo, ours: o.Total, state: string(o.State), at: o.PaidAt,
			otherwise: reversalItem(o.OutTradeNo), excused: !undone(o),
		})
	}
	if undone(o) {
		list = append(list, expected{item: reversalItem(o.OutTradeNo), order: o.OutTradeNo, ours: -o.Total, state: string(o.State), at: o.UndoneAt()})
	}
	return list
}

// refundExpected is what a bill should have of a refund. One that the wallet
// has not accepted yet, or refused, should not be there.
func refundExpected(f pay.Refund) []expected {
	switch f.State {
	case pay.RefundSucceeded, pay.RefundNeedsHand, pay.RefundOffline:
	case pay.RefundPending, pay.RefundRejected:
		return nil
	}
	e := expected{item: refundItem(f.OutRefundNo), order: f.OutTradeNo, refund: f.OutRefundNo, ours: -f.Amount, state: string(f.State), at: refundTime(f)}
	if ownName(f) {
		e.item, e.refund = reversalItem(f.OutTradeNo), ""
	}
	return []expected{e}
}

// missing adds to a step what no line is of, and explains what stands in
// another day's bill.
func (r *Recon) missing(ctx context.Context, run store.ReconRun, list []expected, step *store.ReconStep) error {
	done := r.doneDays(ctx, run.ReconKey)
	for _, e := range list {
		if DayOf(e.at) != run.Day {
			continue // its other movement was on this day
		}
		there, err := r.Store.LinesOfItem(ctx, run.MerchantID, run.Channel, e.item)
		if err != nil {
			return err
		}
		switch {
		case len(there) > 0 && there[0].Day == run.Day:
			continue
		case len(there) > 0:
			step.Found = append(step.Found, store.Found{Item: e.item, Why: "在 " + there[0].Day + " 的账单中"})
			continue
		}
		if e.excused {
			told, err := r.Store.LinesOfItem(ctx, run.MerchantID, run.Channel, e.otherwise)
			if err != nil {
				return err
			}
			if len(told) > 0 && told[0].Day == run.Day {
				continue
			}
		}
		of := store.WeMore
		if beside := neighbour(e.at); beside != "" && !done(beside) {
			of = store.DateEdge
		}
		if of == store.WeMore {
			step.Found = append(step.Found, store.Found{Item: e.item, Why: "相邻日期的账单中也没有", Edge: true})
		}
		step.Diffs = append(step.Diffs, store.Diff{
			DiffKey: store.DiffKey{MerchantID: run.MerchantID, Channel: run.Channel, Item: e.item, Type: of}, Day: run.Day,
			OutTradeNo: e.order, OutRefundNo: e.refund, Ours: e.ours, OurState: e.state, Version: run.Version, Line: -1,
			Round: run.Round, FirstAt: r.now(),
		})
	}
	return nil
}

// neighbour is the day whose bill may have what happened at a moment near
// midnight, "" for one that is not near.
func neighbour(at time.Time) string {
	day := DayOf(at)
	for _, other := range []time.Time{at.Add(edge), at.Add(-edge)} {
		if d := DayOf(other); d != day {
			return d
		}
	}
	return ""
}

// close ends the day: what an earlier round saw and this one did not is
// explained, and what a neighbouring day missed and this day's bill has not
// either is no matter of the date.
func (r *Recon) close(ctx context.Context, run store.ReconRun) (store.ReconRun, error) {
	step := next(run, store.ReconDone)
	step.To.DoneAt, step.Stale = r.now(), "重新对账后不再存在"
	day, err := ParseDay(run.Day)
	if err != nil {
		return run, err
	}
	for _, other := range []time.Time{day.AddDate(0, 0, -1), day.AddDate(0, 0, 1)} {
		if err := r.unexplained(ctx, run, DayOf(other), &step); err != nil {
			return run, err
		}
	}
	run, err = r.commit(ctx, step)
	if err == nil && run.Step == store.ReconDone {
		r.Metrics.days.WithLabelValues(string(run.Channel)).Inc()
	}
	return run, err
}

// maxEdges bounds the differences of date of one day: what happens within an
// hour of midnight. What is more is looked at when the day is done again.
const maxEdges = 100

// unexplained turns open differences of date of another day into what they are,
// now that the day beside it is known.
func (r *Recon) unexplained(ctx context.Context, run store.ReconRun, other string, step *store.ReconStep) error {
	list, err := r.Store.Diffs(ctx, store.DiffFilter{
		MerchantID: run.MerchantID, Channel: run.Channel, FromDay: other, ToDay: other, State: store.DiffOpen, Limit: 10_000,
	})
	if err != nil {
		return err
	}
	n := 0
	for _, d := range list {
		if d.Type != store.DateEdge || d.Line >= 0 || n == maxEdges {
			continue
		}
		at, err := r.counted(ctx, d)
		if err != nil {
			return err
		}
		if neighbour(at) != run.Day {
			continue
		}
		n++
		step.Found = append(step.Found, store.Found{Item: d.Item, Why: run.Day + " 的账单中也没有", Edge: true})
		d.Type = store.WeMore // as old as it is
		step.Diffs = append(step.Diffs, d)
	}
	return nil
}

// counted is when the wallet counts what a difference is of; the zero time if it
// is gone from our books.
func (r *Recon) counted(ctx context.Context, d store.Diff) (time.Time, error) {
	if d.OutRefundNo != "" {
		f, err := r.Store.Refund(ctx, d.MerchantID, d.OutRefundNo)
		if errors.Is(err, pay.ErrNotFound) {
			err = nil
		}
		return refundTime(f), err
	}
	o, err := r.Store.Order(ctx, d.MerchantID, d.OutTradeNo)
	if errors.Is(err, pay.ErrNotFound) {
		return time.Time{}, nil
	}
	switch {
	case err != nil || d.Item != reversalItem(d.OutTradeNo):
		return o.PaidAt, err
	case undone(o):
		return o.UndoneAt(), nil
	}
	return r.rolledAt(ctx, o)
}
