package store

import (
	"context"
	"errors"
	"fmt"
	"time"

	"cloudpay/internal/pay"
	"cloudpay/internal/store/sqlcgen"
)

// FoldReport folds the orders and refunds of a merchant that were written
// before until, oldest first and about limit of them, in one unit of work. more
// says that there is more to fold, or that somebody else folded meanwhile: call
// it again. rate is the merchant's bank_rate in millionths; a row keeps the rate
// with which it was folded first.
//
// until must be so far in the past that no unit with an earlier time can still
// be waiting for its commit; what comes later all the same is found by SweepReport.
func (s *Store) FoldReport(ctx context.Context, merchantID string, rate int64, until time.Time, limit int) (more bool, err error) {
	m, err := s.reportMark(ctx, merchantID)
	if err != nil {
		return false, fmt.Errorf("fold reports of merchant %s: %w", merchantID, err)
	}
	to := ms(until)
	if to <= m.FoldedMs {
		return false, nil
	}
	end, err := s.foldEnd(ctx, m, to, limit)
	if err != nil {
		return false, fmt.Errorf("fold reports of merchant %s: %w", merchantID, err)
	}
	if end == m.FoldedMs { // nothing was written since: leave the mark, it costs a commit
		return false, nil
	}
	won, err := s.fold(ctx, m, rate, m.FoldedMs, end, m.SweptMs)
	if err != nil {
		return false, fmt.Errorf("fold reports of merchant %s: %w", merchantID, err)
	}
	return !won || end < to, nil
}

// SweepReport folds what was written at from or later and came too late for
// FoldReport, and returns how many rows that were. It notes now as the time of
// the sweep. It does nothing if somebody else folds meanwhile.
func (s *Store) SweepReport(ctx context.Context, merchantID string, rate int64, from, now time.Time) (late int64, err error) {
	m, err := s.reportMark(ctx, merchantID)
	if err == nil {
		late, err = s.read.CountReportLate(ctx, sqlcgen.CountReportLateParams{MerchantID: merchantID, FromMs: ms(from), ToMs: m.FoldedMs})
	}
	if err == nil {
		begin := m.FoldedMs // nothing to fold: only the time is noted
		if late > 0 {
			begin = ms(from)
		}
		_, err = s.fold(ctx, m, rate, begin, m.FoldedMs, ms(now))
	}
	if err != nil {
		return 0, fmt.Errorf("sweep reports of merchant %s: %w", merchantID, err)
	}
	return late, nil
}

// ReportFolded returns how far a merchant is folded and when it was last swept,
// zero times for never.
func (s *Store) ReportFolded(ctx context.Context, merchantID string) (folded, swept time.Time, err error) {
	m, err := s.read.GetReportMark(ctx, merchantID)
	if err = absent(err); err != nil && !errors.Is(err, pay.ErrNotFound) {
		return folded, swept, fmt.Errorf("read mark of reports: %w", err)
	}
	return at(m.FoldedMs), at(m.SweptMs), nil
}

// ReportMerchants reads at most limit merchants' ids greater than after.
func (s *Store) ReportMerchants(ctx context.Context, after string, limit int) ([]string, error) {
	if limit < 1 || limit > maxList {
		return nil, errors.New("read merchants to fold: limit is out of range")
	}
	ids, err := s.read.ListReportMerchants(ctx, sqlcgen.ListReportMerchantsParams{After: after, RowLimit: int32(limit)})
	if err != nil {
		return nil, fmt.Errorf("read merchants to fold: %w", err)
	}
	return ids, nil
}

// reportMark reads how far a merchant is folded, and makes its mark.
func (s *Store) reportMark(ctx context.Context, merchantID string) (sqlcgen.ReportMark, error) {
	m, err := s.read.GetReportMark(ctx, merchantID)
	if err = absent(err); !errors.Is(err, pay.ErrNotFound) {
		return m, err
	}
	u, q := s.newUnit("", merchantID)
	u.always = true
	u.add(anyRows)(q.InsertReportMark(ctx, merchantID))
	if _, err := s.submit(ctx, u); err != nil {
		return m, err
	}
	m, err = s.read.GetReportMark(ctx, merchantID)
	return m, absent(err)
}

// foldEnd returns where a fold of about limit rows ends: m.FoldedMs if nothing
// is to be folded before to, to if all is.
func (s *Store) foldEnd(ctx context.Context, m sqlcgen.ReportMark, to int64, limit int) (int64, error) {
	end, some := to, false
	for _, offset := range []int32{0, int32(limit)} { //nolint:gosec // limits are small
		o, err1 := s.read.NextOrderUpdate(ctx, sqlcgen.NextOrderUpdateParams{MerchantID: m.MerchantID, FromMs: m.FoldedMs, ToMs: to, RowOffset: offset})
		r, err2 := s.read.NextRefundUpdate(ctx, sqlcgen.NextRefundUpdateParams{MerchantID: m.MerchantID, FromMs: m.FoldedMs, ToMs: to, RowOffset: offset})
		for _, next := range []struct {
			at  int64
			err error
		}{{o, err1}, {r, err2}} {
			switch err := absent(next.err); {
			case errors.Is(err, pay.ErrNotFound):
			case err != nil:
				return 0, err
			case offset == 0:
				some = true
			default: // rows of one millisecond are not parted
				end = min(end, max(next.at, m.FoldedMs+1))
			}
		}
		if !some {
			return m.FoldedMs, nil
		}
	}
	return end, nil
}

// fold is the unit of work of a fold of what was written in [from, to).
func (s *Store) fold(ctx context.Context, m sqlcgen.ReportMark, rate, from, to, swept int64) (won bool, err error) {
	id := m.MerchantID
	u, q := s.newUnit("", id)
	u.add(1)(q.MoveReportMark(ctx, sqlcgen.MoveReportMarkParams{
		FoldedMs: max(to, m.FoldedMs), SweptMs: swept, Unit: u.id, MerchantID: id, FromUnit: m.Unit, FromMs: m.FoldedMs,
	}))
	stage := sqlcgen.StageReportOrdersParams{Rate: rate, MerchantID: id, FromMs: from, ToMs: to, Unit: u.id}
	u.add(anyRows)(q.StageReportOrders(ctx, stage))
	u.add(anyRows)(q.StageReportRefunds(ctx, sqlcgen.StageReportRefundsParams(stage)))
	u.add(anyRows)(q.InsertReportDims(ctx, sqlcgen.InsertReportDimsParams{MerchantID: id, Unit: u.id}))
	u.add(anyRows)(q.AddReportCells(ctx, sqlcgen.AddReportCellsParams{Sign: -1, MerchantID: id, Unit: u.id}))
	u.add(anyRows)(q.PutStagedEntries(ctx, sqlcgen.PutStagedEntriesParams{MerchantID: id, Unit: u.id}))
	u.add(anyRows)(q.AddReportCells(ctx, sqlcgen.AddReportCellsParams{Sign: 1, MerchantID: id, Unit: u.id}))
	u.add(anyRows)(q.ClearReportStage(ctx, sqlcgen.ClearReportStageParams{MerchantID: id, Unit: u.id}))
	return s.submit(ctx, u)
}
