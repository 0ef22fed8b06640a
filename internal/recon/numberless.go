package recon

import (
	"context"
	"errors"
	"strings"
	"time"

	"cloudpay/internal/pay"
	"cloudpay/internal/store"
)

// This file is about refunds that somebody made at the wallet without a number of
// ours. Its bills have a line for each, of one day or several; we know of their sum
// (docs/decisions/0066).

// given is the sum of several lines without a number of one order, of all days.
type given struct {
	total, settlement, fee pay.Fen
	lines                  pay.Fen // how many they are: each one's fee is rounded
	first                  int64   // of them, of the day that is compared: it stands for all
	day                    string  // the earliest of them: its run books the fee of all
}

// numberless reads what the wallet gave back of orders without us, and what the
// bills have of it. A day that has only a part of it, and was compared before the
// rest was there, is done again. One day alone books their fee, however many are
// compared at the same moment: each would book what it has not seen booked.
func (r *Recon) numberless(ctx context.Context, b *books, lines []store.ReconLine) error {
	for _, l := range lines {
		o, ours := b.orders[l.OutTradeNo]
		if !ours || l.Item != reversalItem(l.OutTradeNo) || o.State != pay.PAID || o.Refunded == 0 {
			continue
		}
		rolled, err := r.rolledBack(ctx, o)
		if err != nil {
			return err
		}
		b.rolled[l.OutTradeNo] = rolled
		if rolled == l.Total {
			continue // all in one line, and what is more came twice
		}
		list, err := r.Store.LinesOfItem(ctx, b.run.MerchantID, b.run.Channel, l.Item)
		if err != nil {
			return err
		}
		g := sumOf(list, b.run.Day)
		b.given[l.OutTradeNo] = g
		if g.total != rolled {
			continue
		}
		for i, other := range list {
			if i > 0 && list[i-1].Day == other.Day {
				continue
			}
			if err := r.completed(ctx, b.run, l.Item, other.Day, other.Day == g.day && l.Booked != g.fee); err != nil {
				return err
			}
		}
	}
	return nil
}

// sumOf sums the lines of an item, which are in the order of their days.
func sumOf(list []store.BillLine, day string) given {
	g := given{first: -1}
	for _, l := range list {
		g.total += l.Total
		g.settlement += l.Settlement
		g.fee += l.Fee
		if g.lines++; g.day == "" {
			g.day = l.Day
		}
		if l.Day == day && g.first < 0 {
			g.first = l.Line
		}
	}
	return g
}

// completed has another day done again whose lines of an item are a difference, or
// which is to book their fee: by now the bills have all of it, so that the day agrees.
func (r *Recon) completed(ctx context.Context, run store.ReconRun, item, day string, books bool) error {
	if day == run.Day {
		return nil
	}
	for _, of := range []store.DiffType{store.StateDiff, store.AmountDiff} {
		d, err := r.Store.Diff(ctx, store.DiffKey{MerchantID: run.MerchantID, Channel: run.Channel, Item: item, Type: of})
		if err != nil && !errors.Is(err, pay.ErrNotFound) {
			return err
		}
		books = books || err == nil && d.State == store.DiffOpen && d.Day == day
	}
	if !books {
		return nil
	}
	was, err := r.Store.ReconRun(ctx, store.ReconKey{MerchantID: run.MerchantID, Channel: run.Channel, Day: day})
	if err != nil || was.Step == store.ReconDone && day > run.Day {
		return err // two days must not begin each other for ever
	}
	return r.compareAgain(ctx, was)
}

// rolledBack is what the wallet gave back of an order under a number of ours,
// because it has none of its own.
func (r *Recon) rolledBack(ctx context.Context, o pay.Order) (sum pay.Fen, err error) {
	list, err := r.Store.Refunds(ctx, o.MerchantID, o.OutTradeNo)
	for _, f := range list {
		if ownName(f) {
			sum += f.Amount
		}
	}
	return sum, err
}

// rolledAt is when we saw that the wallet had given back of an order without us;
// the zero time if it has not.
func (r *Recon) rolledAt(ctx context.Context, o pay.Order) (at time.Time, err error) {
	list, err := r.Store.Refunds(ctx, o.MerchantID, o.OutTradeNo)
	for _, f := range list {
		if ownName(f) && refundTime(f).After(at) {
			at = refundTime(f)
		}
	}
	return at, err
}

// ownName reports whether a refund was made by the wallet without a number, and
// has one of ours.
func ownName(f pay.Refund) bool {
	return f.Origin == pay.OriginChannel && strings.HasPrefix(f.OutRefundNo, "outside-"+f.OutTradeNo)
}
