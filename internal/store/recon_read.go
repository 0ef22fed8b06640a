package store

import (
	"context"
	"errors"
	"fmt"
	"time"

	"cloudpay/internal/pay"
	"cloudpay/internal/store/sqlcgen"
)

// maxVersions bounds the versions of one bill that are looked at: wallets
// correct a bill once, if ever.
const maxVersions = 1000

// ReconRun reads how far a day is reconciled; an error that wraps
// pay.ErrNotFound says that it is not planned.
func (s *Store) ReconRun(ctx context.Context, k ReconKey) (ReconRun, error) {
	r, err := s.read.GetReconRun(ctx, sqlcgen.GetReconRunParams{MerchantID: k.MerchantID, Channel: string(k.Channel), Day: k.Day})
	if err != nil {
		return ReconRun{}, wrap("read reconciliation", absent(err))
	}
	return runOf(r), nil
}

// ReconRuns reads the runs of one merchant, or with "" of all, from one day to
// another, newest day first.
func (s *Store) ReconRuns(ctx context.Context, merchantID, fromDay, toDay string, limit int) ([]ReconRun, error) {
	if limit < 1 || limit > maxList {
		return nil, fmt.Errorf("read reconciliations: limit must be between 1 and %d", maxList)
	}
	rows, err := s.read.ListReconRuns(ctx, sqlcgen.ListReconRunsParams{MerchantID: merchantID, FromDay: fromDay, ToDay: toDay, RowLimit: int32(limit)})
	if err != nil {
		return nil, fmt.Errorf("read reconciliations: %w", err)
	}
	return mapped(rows, runOf), nil
}

// ReconRunsBehind is ReconRuns of one merchant for the runs behind one: of an earlier day,
// or of the same and a later channel. after may be no run's.
func (s *Store) ReconRunsBehind(ctx context.Context, after ReconKey, fromDay string, limit int) ([]ReconRun, error) {
	if limit < 1 || limit > maxList || after.MerchantID == "" {
		return nil, fmt.Errorf("read reconciliations: they are of one merchant, with a limit between 1 and %d", maxList)
	}
	rows, err := s.read.ListReconRunsBehind(ctx, sqlcgen.ListReconRunsBehindParams{
		MerchantID: after.MerchantID, FromDay: fromDay, AfterDay: after.Day, AfterChannel: string(after.Channel), RowLimit: int32(limit),
	})
	if err != nil {
		return nil, fmt.Errorf("read reconciliations: %w", err)
	}
	return mapped(rows, runOf), nil
}

// ReconSize returns how many days of a merchant were planned in a span of days,
// by channel each, and how many lines their bills have.
func (s *Store) ReconSize(ctx context.Context, merchantID, fromDay, toDay string) (days, lines int64, err error) {
	r, err := s.read.SumReconLines(ctx, sqlcgen.SumReconLinesParams{MerchantID: merchantID, FromDay: fromDay, ToDay: toDay})
	return r.Days, r.Lines, wrap("count the lines of bills", err)
}

// LastReconDay returns the last day that is planned, "" for none.
func (s *Store) LastReconDay(ctx context.Context, merchantID string, ch pay.Channel) (string, error) {
	day, err := s.read.LastReconDay(ctx, sqlcgen.LastReconDayParams{MerchantID: merchantID, Channel: string(ch)})
	return day, wrap("read the last reconciled day", err)
}

func runOf(r sqlcgen.ReconRun) ReconRun {
	return ReconRun{
		ReconKey: ReconKey{r.MerchantID, pay.Channel(r.Channel), r.Day}, Unit: r.Unit, Round: r.Round, Step: r.Step, Position: r.Position,
		Version: r.Version, FlowVersion: r.FlowVersion, Lines: r.Lines, Matched: r.Matched, StartedAt: at(r.StartedMs), DoneAt: at(r.DoneMs),
	}
}

// Bills reads the versions of one bill, newest first. kind is a
// channel.BillKind.
func (s *Store) Bills(ctx context.Context, k ReconKey, kind string) ([]Bill, error) {
	rows, err := s.read.ListBills(ctx, sqlcgen.ListBillsParams{
		MerchantID: k.MerchantID, Channel: string(k.Channel), Day: k.Day, Kind: kind, RowLimit: maxVersions,
	})
	if err != nil {
		return nil, fmt.Errorf("read bills: %w", err)
	}
	return mapped(rows, func(r sqlcgen.Bill) Bill {
		return Bill{
			ReconKey: ReconKey{r.MerchantID, pay.Channel(r.Channel), r.Day}, Kind: r.Kind, Version: r.Version, SHA256: r.Sha256,
			Announced: r.Announced, Bytes: r.Bytes, Empty: r.Empty, FetchedAt: at(r.FetchedMs),
		}
	}), nil
}

// BillChunk reads one compressed piece of a bill; an error that wraps
// pay.ErrNotFound says that there is none.
func (s *Store) BillChunk(ctx context.Context, merchantID, sha256 string, chunk int64) ([]byte, error) {
	body, err := s.read.GetBillChunk(ctx, sqlcgen.GetBillChunkParams{MerchantID: merchantID, Sha256: sha256, Chunk: chunk})
	if err != nil {
		return nil, wrap("read a piece of a bill", absent(err))
	}
	return body, nil
}

// ReconLines reads at most limit lines in force of one day, from one on.
func (s *Store) ReconLines(ctx context.Context, k ReconKey, from int64, limit int) ([]ReconLine, error) {
	if limit < 1 || limit > maxList {
		return nil, fmt.Errorf("read lines of a bill: limit must be between 1 and %d", maxList)
	}
	rows, err := s.read.ListBillLines(ctx, sqlcgen.ListBillLinesParams{
		MerchantID: k.MerchantID, Channel: string(k.Channel), Day: k.Day, FromLine: from, RowLimit: int32(limit),
	})
	if err != nil {
		return nil, fmt.Errorf("read lines of a bill: %w", err)
	}
	return mapped(rows, func(r sqlcgen.ListBillLinesRow) ReconLine {
		return ReconLine{Booked: pay.Fen(r.Booked), Trued: pay.Fen(r.Trued), Again: r.Again, Missed: r.Missed, BillLine: BillLine{
			Line: r.Line, Item: r.Item, Kind: r.Kind, At: at(r.AtMs), OutTradeNo: r.OutTradeNo, TransactionID: r.TransactionID,
			OutRefundNo: r.OutRefundNo, RefundID: r.RefundID, State: r.State, RefundState: r.RefundState, Total: pay.Fen(r.Total),
			Settlement: pay.Fen(r.Settlement), Fee: pay.Fen(r.Fee), Rate: r.Rate,
		}}
	}), nil
}

// LinesWritten tells PostgreSQL that many lines were written at once. Until it has
// counted them, which it does after a minute by itself, it takes the key of the
// lines for as good as the index of their items, and would read all lines that the
// merchant has for each of them. SQLite needs no counting.
func (s *Store) LinesWritten(ctx context.Context) error {
	db, ok := s.db.(*pg)
	if !ok {
		return nil
	}
	_, err := db.pool.Exec(ctx, "ANALYZE bill_lines")
	return wrap("count the lines of bills", err)
}

// LinesOfItem reads the lines in force of one item of all days, oldest first.
// An order or refund that has one is confirmed by a bill.
func (s *Store) LinesOfItem(ctx context.Context, merchantID string, ch pay.Channel, item string) ([]BillLine, error) {
	rows, err := s.read.ListLinesOfItem(ctx, sqlcgen.ListLinesOfItemParams{
		MerchantID: merchantID, Channel: string(ch), Item: item, RowLimit: maxVersions,
	})
	if err != nil {
		return nil, fmt.Errorf("read lines of %s: %w", item, err)
	}
	return mapped(rows, func(r sqlcgen.ListLinesOfItemRow) BillLine {
		return BillLine{
			Day: r.Day, Line: r.Line, Item: r.Item, Kind: r.Kind, At: at(r.AtMs), OutTradeNo: r.OutTradeNo, TransactionID: r.TransactionID,
			OutRefundNo: r.OutRefundNo, RefundID: r.RefundID, State: r.State, RefundState: r.RefundState, Total: pay.Fen(r.Total),
			Settlement: pay.Fen(r.Settlement), Fee: pay.Fen(r.Fee), Rate: r.Rate,
		}
	}), nil
}

// Fixed returns what repairs have booked into suspense for the item of a
// difference so far, under its order or under book.
func (s *Store) Fixed(ctx context.Context, d Diff, book string) (pay.Fen, error) {
	sum, err := s.read.SumFixesOfItem(ctx, sqlcgen.SumFixesOfItemParams{
		MerchantID: d.MerchantID, Channel: string(d.Channel), OutTradeNo: d.OutTradeNo, Book: book, Item: d.Item,
	})
	return pay.Fen(sum), wrap("read repairs of "+d.Item, err)
}

// BillSums sums the lines in force of one day by kind; a kind without lines is
// absent.
func (s *Store) BillSums(ctx context.Context, k ReconKey) ([]BillSum, error) {
	rows, err := s.read.SumBillLines(ctx, sqlcgen.SumBillLinesParams{MerchantID: k.MerchantID, Channel: string(k.Channel), Day: k.Day})
	if err != nil {
		return nil, fmt.Errorf("sum the lines of a bill: %w", err)
	}
	return mapped(rows, func(r sqlcgen.SumBillLinesRow) BillSum {
		return BillSum{Kind: r.Kind, Lines: r.Lines, Total: pay.Fen(r.Total), Settlement: pay.Fen(r.Settlement), Fee: pay.Fen(r.Fee)}
	}), nil
}

// BillFlows reads at most limit movements in force of one day, from one on.
func (s *Store) BillFlows(ctx context.Context, k ReconKey, from int64, limit int) ([]BillFlow, error) {
	if limit < 1 || limit > maxList {
		return nil, fmt.Errorf("read movements of a bill: limit must be between 1 and %d", maxList)
	}
	rows, err := s.read.ListBillFlows(ctx, sqlcgen.ListBillFlowsParams{
		MerchantID: k.MerchantID, Channel: string(k.Channel), Day: k.Day, FromLine: from, RowLimit: int32(limit),
	})
	if err != nil {
		return nil, fmt.Errorf("read movements of a bill: %w", err)
	}
	return mapped(rows, func(r sqlcgen.ListBillFlowsRow) BillFlow {
		return BillFlow{
			Line: r.Line, At: at(r.AtMs), BusinessNo: r.BusinessNo, FlowNo: r.FlowNo, Business: r.Business, Type: r.Type, In: r.Income,
			Amount: pay.Fen(r.Amount), Balance: pay.Fen(r.Balance), Voucher: r.Voucher,
		}
	}), nil
}

// ReconSpan selects rows whose money moved at the wallet in [From, To), from
// after a row of an earlier page on.
type ReconSpan struct {
	MerchantID string
	Channel    pay.Channel
	From, To   time.Time
	After      time.Time // UpdatedAt of the last row of the page before
	AfterNo    string    // its number
}

// ReconOrders reads orders in the order in which they were last written: one
// that is written meanwhile is read once more, and none is left out.
func (s *Store) ReconOrders(ctx context.Context, p ReconSpan, limit int) ([]pay.Order, error) {
	rows, err := s.read.ListReconOrders(ctx, sqlcgen.ListReconOrdersParams{
		MerchantID: p.MerchantID, Channel: string(p.Channel), AfterMs: ms(p.After), AfterNo: p.AfterNo, FromMs: ms(p.From), ToMs: ms(p.To),
		RowLimit: int32(min(limit, maxList)), //nolint:gosec // bounded
	})
	if err != nil {
		return nil, fmt.Errorf("read orders of a day: %w", err)
	}
	return mapped(rows, orderOf), nil
}

// ReconRefunds is ReconOrders for refunds.
func (s *Store) ReconRefunds(ctx context.Context, p ReconSpan, limit int) ([]pay.Refund, error) {
	rows, err := s.read.ListReconRefunds(ctx, sqlcgen.ListReconRefundsParams{
		MerchantID: p.MerchantID, Channel: string(p.Channel), AfterMs: ms(p.After), AfterNo: p.AfterNo, FromMs: ms(p.From), ToMs: ms(p.To),
		RowLimit: int32(min(limit, maxList)), //nolint:gosec // bounded
	})
	if err != nil {
		return nil, fmt.Errorf("read refunds of a day: %w", err)
	}
	return mapped(rows, refundOf), nil
}

// Diff reads one difference, or returns an error that wraps pay.ErrNotFound.
func (s *Store) Diff(ctx context.Context, k DiffKey) (Diff, error) {
	r, err := s.read.GetReconDiff(ctx, sqlcgen.GetReconDiffParams{MerchantID: k.MerchantID, Channel: string(k.Channel), Item: k.Item, Type: string(k.Type)})
	if err != nil {
		return Diff{}, wrap("read difference", absent(err))
	}
	return diffOf(r), nil
}

// DiffFilter selects differences of one merchant. Days are inclusive; "" of
// Channel, Type, State or OutTradeNo selects all.
type DiffFilter struct {
	MerchantID     string
	Channel        pay.Channel
	Type           DiffType
	FromDay, ToDay string
	State          string
	OutTradeNo     string
	After          DiffPlace // the zero value for the beginning
	Limit          int       // 1 to 10,000
}

// DiffPlace is where a list of differences goes on: behind this one.
type DiffPlace struct {
	Day     string
	Channel pay.Channel
	Item    string
	Type    DiffType
}

// Diffs reads differences in the order of day, channel, item and type.
func (s *Store) Diffs(ctx context.Context, f DiffFilter) ([]Diff, error) {
	if f.Limit < 1 || f.Limit > maxList || f.MerchantID == "" {
		return nil, errors.New("read differences: they are of one merchant, with a limit between 1 and 10000")
	}
	rows, err := s.read.ListReconDiffs(ctx, sqlcgen.ListReconDiffsParams{
		MerchantID: f.MerchantID, Channel: string(f.Channel), FromDay: f.FromDay, ToDay: f.ToDay, State: f.State, Type: string(f.Type), OutTradeNo: f.OutTradeNo,
		AfterDay: f.After.Day, AfterChannel: string(f.After.Channel), AfterItem: f.After.Item, AfterType: string(f.After.Type), RowLimit: int32(f.Limit),
	})
	if err != nil {
		return nil, fmt.Errorf("read differences: %w", err)
	}
	return mapped(rows, diffOf), nil
}

// DiffSum is how many differences of one channel, type and state there are, and
// what they sum to.
type DiffSum struct {
	Channel      pay.Channel
	Type         DiffType
	State        string
	Count        int64
	Ours, Theirs pay.Fen
	FirstAt      time.Time // when the oldest was seen first
}

// DiffSums sums the differences that a filter selects, whose OutTradeNo, After and
// Limit do not count. What there are none of is absent.
func (s *Store) DiffSums(ctx context.Context, f DiffFilter) ([]DiffSum, error) {
	rows, err := s.read.SumReconDiffs(ctx, sqlcgen.SumReconDiffsParams{
		MerchantID: f.MerchantID, FromDay: f.FromDay, ToDay: f.ToDay, Channel: string(f.Channel), State: f.State, Type: string(f.Type),
	})
	if err != nil {
		return nil, fmt.Errorf("sum differences: %w", err)
	}
	return mapped(rows, func(r sqlcgen.SumReconDiffsRow) DiffSum {
		return DiffSum{pay.Channel(r.Channel), DiffType(r.Type), r.State, r.Count, pay.Fen(r.Ours), pay.Fen(r.Theirs), at(r.FirstMs)}
	}), nil
}

// OpenDiffs reads at most limit open differences of all merchants that were
// first seen before a moment, oldest first.
func (s *Store) OpenDiffs(ctx context.Context, before time.Time, limit int) ([]Diff, error) {
	rows, err := s.read.ListOpenDiffs(ctx, sqlcgen.ListOpenDiffsParams{BeforeMs: ms(before), RowLimit: int32(min(limit, maxList))}) //nolint:gosec // bounded
	if err != nil {
		return nil, fmt.Errorf("read open differences: %w", err)
	}
	return mapped(rows, diffOf), nil
}

// DiffCount is how many differences of one type are open.
type DiffCount struct {
	Channel pay.Channel
	Type    DiffType
	Open    int64
}

// CountOpenDiffs counts the open differences of all merchants that were first
// seen before a moment. What there are none of is absent.
func (s *Store) CountOpenDiffs(ctx context.Context, before time.Time) ([]DiffCount, error) {
	rows, err := s.read.CountOpenDiffs(ctx, ms(before))
	if err != nil {
		return nil, fmt.Errorf("count open differences: %w", err)
	}
	return mapped(rows, func(r sqlcgen.CountOpenDiffsRow) DiffCount {
		return DiffCount{pay.Channel(r.Channel), DiffType(r.Type), r.Open}
	}), nil
}

func diffOf(r sqlcgen.ReconDiff) Diff {
	return Diff{
		DiffKey: DiffKey{r.MerchantID, pay.Channel(r.Channel), r.Item, DiffType(r.Type)}, Day: r.Day, Unit: r.Unit,
		OutTradeNo: r.OutTradeNo, OutRefundNo: r.OutRefundNo, Ours: pay.Fen(r.Ours), Theirs: pay.Fen(r.Theirs), OurState: r.OurState,
		TheirState: r.TheirState, Version: r.Version, Line: r.Line, Round: r.Round, FirstAt: at(r.FirstMs), State: r.State,
		Who: r.Who, Why: r.Why, ClosedAt: at(r.ClosedMs),
	}
}
