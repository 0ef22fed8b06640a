package store

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	"cloudpay/internal/pay"
	"cloudpay/internal/store/sqlcgen"
)

const (
	ledgerPage = 2000 // events of an export that are read at once
	// maxLedgerLive bounds what one read takes of what is not folded: 50 MiB. A
	// fold is two minutes behind, in which nobody books so much.
	maxLedgerLive = 200_000
)

// The lengths of the spans that a fold sums, and where days of Asia/Shanghai
// begin within days of UTC (migration 00015).
const (
	ledgerDay      = 24 * time.Hour
	ledgerSpan     = 10 * time.Minute
	shanghaiOffset = 8 * time.Hour
)

// LedgerSum is what stands on one account of one channel, debit positive.
type LedgerSum struct {
	Channel pay.Channel
	Account pay.Account
	Amount  pay.Fen
}

// LedgerLine is one leg of one event of the ledger.
type LedgerLine struct {
	At         time.Time
	OutTradeNo string
	Event      string
	Leg        int64
	Channel    pay.Channel
	Account    pay.Account
	Amount     pay.Fen // debit positive
	Unit       string  // the unit of work that booked it
}

// spanStart returns when the span that holds at began.
func spanStart(at time.Time, span time.Duration) time.Time {
	return at.Add(shanghaiOffset).Truncate(span).Add(-shanghaiOffset)
}

// LedgerBalance returns what stands on the accounts of a merchant by everything
// that was booked before a moment, in no particular order: from the fold as far
// as it goes, and the rest as it is booked, in one snapshot. An account may be
// named more than once. It costs some hundred rows and what was written since the
// last fold, however long the ledger is.
func (s *Store) LedgerBalance(ctx context.Context, merchantID string, before time.Time) ([]LedgerSum, error) {
	var sums []LedgerSum
	add := func(channel, account string, amount int64) {
		sums = append(sums, LedgerSum{pay.Channel(channel), pay.Account(account), pay.Fen(amount)})
	}
	day, span := spanStart(before, ledgerDay), spanStart(before, ledgerSpan)
	err := s.db.snapshot(ctx, func(q *sqlcgen.Queries) error {
		m, err := q.GetLedgerMark(ctx, merchantID)
		if err = absent(err); err != nil && !errors.Is(err, pay.ErrNotFound) {
			return err
		}
		for _, c := range []sqlcgen.SumLedgerCellsParams{
			{MerchantID: merchantID, SpanMs: ledgerDay.Milliseconds(), FromMs: -ledgerDay.Milliseconds(), ToMs: day.UnixMilli()},
			{MerchantID: merchantID, SpanMs: ledgerSpan.Milliseconds(), FromMs: day.UnixMilli(), ToMs: span.UnixMilli()},
		} {
			rows, err := q.SumLedgerCells(ctx, c)
			if err != nil {
				return err
			}
			for _, r := range rows {
				add(r.Channel, r.Account, r.Amount)
			}
		}
		rest, err := q.SumLedgerTimes(ctx, sqlcgen.SumLedgerTimesParams{MerchantID: merchantID, FromMs: span.UnixMilli(), ToMs: before.UnixMilli()})
		if err != nil {
			return err
		}
		for _, r := range rest {
			add(r.Channel, r.Account, r.Amount)
		}
		live, err := q.SumLedgerLive(ctx, sqlcgen.SumLedgerLiveParams{MerchantID: merchantID, FoldedMs: m.FoldedMs, ToMs: before.UnixMilli()})
		if err != nil {
			return err
		}
		for _, r := range live {
			add(r.Channel, r.Account, r.Amount)
		}
		alone, err := q.SumLedgerLiveAlone(ctx, sqlcgen.SumLedgerLiveAloneParams{MerchantID: merchantID, FoldedMs: m.FoldedMs, ToMs: before.UnixMilli()})
		if err != nil {
			return err
		}
		for _, r := range alone {
			add(r.Channel, r.Account, r.Amount)
		}
		return nil
	})
	if err != nil {
		return nil, fmt.Errorf("read the ledger's balance of merchant %s: %w", merchantID, err)
	}
	return sums, nil
}

// LedgerSlowly is LedgerBalance from every posting that there is, for checks.
func (s *Store) LedgerSlowly(ctx context.Context, merchantID string, before time.Time) ([]LedgerSum, error) {
	rows, err := s.read.SumLedgerSlowly(ctx, sqlcgen.SumLedgerSlowlyParams{MerchantID: merchantID, ToMs: before.UnixMilli()})
	if err != nil {
		return nil, fmt.Errorf("sum the ledger of merchant %s: %w", merchantID, err)
	}
	return mapped(rows, func(r sqlcgen.SumLedgerSlowlyRow) LedgerSum {
		return LedgerSum{pay.Channel(r.Channel), pay.Account(r.Account), pay.Fen(r.Amount)}
	}), nil
}

// LedgerLines hands over the legs that a merchant booked from one moment until
// before another, in the order of their times, the legs of an event together,
// in one snapshot. Fold before you call it: more than 200,000 legs that are not
// folded are refused.
func (s *Store) LedgerLines(ctx context.Context, merchantID string, from, before time.Time, f func(LedgerLine) error) error {
	err := s.db.snapshot(ctx, func(q *sqlcgen.Queries) error {
		m, err := q.GetLedgerMark(ctx, merchantID)
		if err = absent(err); err != nil && !errors.Is(err, pay.ErrNotFound) {
			return err
		}
		m.MerchantID = merchantID // of one that was never folded
		live, err := liveLegs(ctx, q, m, from.UnixMilli(), before.UnixMilli())
		if err != nil {
			return err
		}
		after := sqlcgen.ListLedgerTimesParams{MerchantID: merchantID, ToMs: before.UnixMilli(), AfterMs: from.UnixMilli() - 1, AfterNo: "\U0010ffff", RowLimit: ledgerPage}
		for {
			rows, err := q.ListLedgerTimes(ctx, after)
			if err != nil {
				return err
			}
			for _, r := range rows {
				for len(live) > 0 && live[0].AtMs < r.AtMs {
					if err := f(lineOf(live[0])); err != nil {
						return err
					}
					live = live[1:]
				}
				if err := f(lineOf(sqlcgen.ListLedgerLiveRow(r))); err != nil {
					return err
				}
				after.AfterMs, after.AfterNo, after.AfterEvent = r.AtMs, r.OutTradeNo, r.Event
			}
			if len(rows) == 0 {
				break
			}
		}
		for _, r := range live {
			if err := f(lineOf(r)); err != nil {
				return err
			}
		}
		return nil
	})
	if err != nil {
		return fmt.Errorf("read the ledger of merchant %s: %w", merchantID, err)
	}
	return nil
}

// liveLegs reads the legs of a span of time that are not folded, by time.
func liveLegs(ctx context.Context, q *sqlcgen.Queries, m sqlcgen.LedgerMark, from, to int64) ([]sqlcgen.ListLedgerLiveRow, error) {
	live, err := q.ListLedgerLive(ctx, sqlcgen.ListLedgerLiveParams{
		MerchantID: m.MerchantID, FoldedMs: m.FoldedMs, FromMs: from, ToMs: to, RowLimit: maxLedgerLive + 1,
	})
	if err != nil {
		return nil, err
	}
	alone, err := q.ListLedgerLiveAlone(ctx, sqlcgen.ListLedgerLiveAloneParams{
		MerchantID: m.MerchantID, FoldedMs: m.FoldedMs, FromMs: from, ToMs: to, RowLimit: maxLedgerLive + 1,
	})
	if err != nil {
		return nil, err
	}
	for _, r := range alone {
		live = append(live, sqlcgen.ListLedgerLiveRow(r))
	}
	if len(live) > maxLedgerLive {
		return nil, fmt.Errorf("more than %d legs are not folded yet: is a server running?", maxLedgerLive)
	}
	slices.SortStableFunc(live, func(a, b sqlcgen.ListLedgerLiveRow) int { return cmp.Compare(a.AtMs, b.AtMs) })
	return live, nil
}

func lineOf(r sqlcgen.ListLedgerLiveRow) LedgerLine {
	return LedgerLine{
		At: at(r.AtMs), OutTradeNo: r.OutTradeNo, Event: r.Event, Leg: r.Leg, Channel: pay.Channel(r.Channel),
		Account: pay.Account(r.Account), Amount: pay.Fen(r.Amount), Unit: r.Unit,
	}
}

// BookedOrder is one order, its refunds and its ledger, as far as a check of the
// books needs them. Of Order only what Order.Books reads is set.
type BookedOrder struct {
	Order    pay.Order
	Refunds  []pay.Refund // sums by state and origin: State, Origin, Amount
	Balances map[pay.Account]pay.Fen
}

// BookedOrders reads at most limit orders of a merchant by number, those greater
// than after, in one snapshot.
func (s *Store) BookedOrders(ctx context.Context, merchantID, after string, limit int) ([]BookedOrder, error) {
	if limit < 1 || limit > maxList {
		return nil, errors.New("read booked orders: limit is out of range")
	}
	var list []BookedOrder
	err := s.db.snapshot(ctx, func(q *sqlcgen.Queries) error {
		rows, err := q.ListBookedOrders(ctx, sqlcgen.ListBookedOrdersParams{MerchantID: merchantID, After: after, RowLimit: int32(limit)}) //nolint:gosec // checked above
		if err != nil || len(rows) == 0 {
			return err
		}
		index := make(map[string]int, len(rows))
		for i, r := range rows {
			index[r.OutTradeNo] = i
			list = append(list, BookedOrder{Balances: make(map[pay.Account]pay.Fen), Order: pay.Order{
				MerchantID: merchantID, OutTradeNo: r.OutTradeNo, Channel: pay.Channel(r.Channel), State: pay.OrderState(r.State),
				Late: pay.LateState(r.Late), PaidSeen: r.PaidSeen, Total: pay.Fen(r.Total), Reserved: pay.Fen(r.Reserved),
				Refunded: pay.Fen(r.Refunded), Unit: r.Unit,
			}})
		}
		within := sqlcgen.ListBookedSumsParams{MerchantID: merchantID, FromNo: rows[0].OutTradeNo, ToNo: rows[len(rows)-1].OutTradeNo}
		refunds, err := q.ListBookedRefunds(ctx, sqlcgen.ListBookedRefundsParams(within))
		if err != nil {
			return err
		}
		for _, r := range refunds {
			if i, ok := index[r.OutTradeNo]; ok {
				list[i].Refunds = append(list[i].Refunds, pay.Refund{
					OutTradeNo: r.OutTradeNo, State: pay.RefundState(r.State), Origin: pay.RefundOrigin(r.Origin), Amount: pay.Fen(r.Amount),
				})
			}
		}
		sums, err := q.ListBookedSums(ctx, within)
		if err != nil {
			return err
		}
		for _, r := range sums {
			if i, ok := index[r.OutTradeNo]; ok {
				list[i].Balances[pay.Account(r.Account)] = pay.Fen(r.Amount)
			}
		}
		return nil
	})
	if err != nil {
		return nil, fmt.Errorf("read booked orders of merchant %s: %w", merchantID, err)
	}
	return list, nil
}
