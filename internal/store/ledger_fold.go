package store

import (
	"context"
	"errors"
	"fmt"
	"time"

	"cloudpay/internal/pay"
	"cloudpay/internal/store/sqlcgen"
)

// FoldLedger folds what a merchant's orders booked that were written before
// until, and what was booked alone before it, oldest first and about limit of
// them, in one unit of work. more says
// that there is more to fold, or that somebody else folded meanwhile: call it
// again.
//
// until must be so far in the past that no unit with an earlier time can still
// be waiting for its commit; what comes later all the same is found by SweepLedger.
func (s *Store) FoldLedger(ctx context.Context, merchantID string, until time.Time, limit int) (more bool, err error) {
	m, err := s.ledgerMark(ctx, merchantID)
	if err != nil {
		return false, fmt.Errorf("fold ledger of merchant %s: %w", merchantID, err)
	}
	to := ms(until)
	if to <= m.FoldedMs {
		return false, nil
	}
	end, err := s.ledgerEnd(ctx, m, to, limit)
	if err != nil {
		return false, fmt.Errorf("fold ledger of merchant %s: %w", merchantID, err)
	}
	if end == m.FoldedMs { // nothing was written since: leave the mark, it costs a commit
		return false, nil
	}
	won, err := s.foldLedger(ctx, m, m.FoldedMs, end, m.SweptMs)
	if err != nil {
		return false, fmt.Errorf("fold ledger of merchant %s: %w", merchantID, err)
	}
	return !won || end < to, nil
}

// SweepLedger folds what orders booked that were written at from or later and
// came too late for FoldLedger, and returns how many legs that were. It notes
// now as the time of the sweep. It does nothing if somebody else folds meanwhile.
func (s *Store) SweepLedger(ctx context.Context, merchantID string, from, now time.Time) (late int64, err error) {
	m, err := s.ledgerMark(ctx, merchantID)
	if err == nil {
		late, err = s.lateInLedger(ctx, sqlcgen.CountLedgerLateParams{MerchantID: merchantID, FromMs: ms(from), ToMs: m.FoldedMs})
	}
	if err == nil {
		begin := m.FoldedMs // nothing to fold: only the time is noted
		if late > 0 {
			begin = ms(from)
		}
		_, err = s.foldLedger(ctx, m, begin, m.FoldedMs, ms(now))
	}
	if err != nil {
		return 0, fmt.Errorf("sweep ledger of merchant %s: %w", merchantID, err)
	}
	return late, nil
}

// lateInLedger counts legs that a fold has missed.
func (s *Store) lateInLedger(ctx context.Context, p sqlcgen.CountLedgerLateParams) (int64, error) {
	late, err := s.read.CountLedgerLate(ctx, p)
	if err != nil {
		return 0, err
	}
	alone, err := s.read.CountLedgerLateAlone(ctx, sqlcgen.CountLedgerLateAloneParams(p))
	return late + alone, err
}

// LedgerFolded returns how far a merchant's ledger is folded and when it was
// last swept, zero times for never.
func (s *Store) LedgerFolded(ctx context.Context, merchantID string) (folded, swept time.Time, err error) {
	m, err := s.read.GetLedgerMark(ctx, merchantID)
	if err = absent(err); err != nil && !errors.Is(err, pay.ErrNotFound) {
		return folded, swept, fmt.Errorf("read mark of the ledger: %w", err)
	}
	return at(m.FoldedMs), at(m.SweptMs), nil
}

// ledgerMark reads how far a merchant is folded, and makes its mark.
func (s *Store) ledgerMark(ctx context.Context, merchantID string) (sqlcgen.LedgerMark, error) {
	m, err := s.read.GetLedgerMark(ctx, merchantID)
	if err = absent(err); !errors.Is(err, pay.ErrNotFound) {
		return m, err
	}
	u, q := s.newUnit("", merchantID)
	u.always = true
	u.add(anyRows)(q.InsertLedgerMark(ctx, merchantID))
	if _, err := s.submit(ctx, u); err != nil {
		return m, err
	}
	m, err = s.read.GetLedgerMark(ctx, merchantID)
	return m, absent(err)
}

// ledgerEnd returns where a fold of about limit orders ends: m.FoldedMs if
// nothing is to be folded before to, to if all is.
func (s *Store) ledgerEnd(ctx context.Context, m sqlcgen.LedgerMark, to int64, limit int) (int64, error) {
	end, some := to, false
	for _, offset := range []int32{0, int32(limit)} { //nolint:gosec // limits are small
		next := sqlcgen.NextOrderUpdateParams{MerchantID: m.MerchantID, FromMs: m.FoldedMs, ToMs: to, RowOffset: offset}
		for _, read := range []func() (int64, error){
			func() (int64, error) { return s.read.NextOrderUpdate(ctx, next) },
			func() (int64, error) { return s.read.NextLedgerAlone(ctx, sqlcgen.NextLedgerAloneParams(next)) },
		} {
			at, err := read()
			switch err = absent(err); {
			case errors.Is(err, pay.ErrNotFound):
			case err != nil:
				return 0, err
			case offset == 0:
				some = true
			default: // rows of one millisecond are not parted
				end = min(end, max(at, m.FoldedMs+1))
			}
		}
		if !some {
			return m.FoldedMs, nil
		}
	}
	return end, nil
}

// foldLedger is the unit of work of a fold of what was written in [from, to).
func (s *Store) foldLedger(ctx context.Context, m sqlcgen.LedgerMark, from, to, swept int64) (won bool, err error) {
	id := m.MerchantID
	u, q := s.newUnit("", id)
	u.add(1)(q.MoveLedgerMark(ctx, sqlcgen.MoveLedgerMarkParams{
		FoldedMs: max(to, m.FoldedMs), SweptMs: swept, Unit: u.id, MerchantID: id, FromUnit: m.Unit, FromMs: m.FoldedMs,
	}))
	stage := sqlcgen.StageLedgerParams{MerchantID: id, FromMs: from, ToMs: to, Unit: u.id}
	u.add(anyRows)(q.StageLedger(ctx, stage))
	u.add(anyRows)(q.StageLedgerAlone(ctx, sqlcgen.StageLedgerAloneParams(stage)))
	u.add(anyRows)(q.AddLedgerCells(ctx, sqlcgen.AddLedgerCellsParams{MerchantID: id, Unit: u.id}))
	u.add(anyRows)(q.PutLedgerTimes(ctx, sqlcgen.PutLedgerTimesParams{MerchantID: id, Unit: u.id}))
	u.add(anyRows)(q.ClearLedgerStage(ctx, sqlcgen.ClearLedgerStageParams{MerchantID: id, Unit: u.id}))
	return s.submit(ctx, u)
}
