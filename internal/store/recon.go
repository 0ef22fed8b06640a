package store

import (
	"context"
	"errors"
	"fmt"
	"time"

	"cloudpay/internal/pay"
	"cloudpay/internal/store/sqlcgen"
)

// The steps of a reconciliation, in their order.
const (
	ReconFetch = "fetch" // the trade bill is fetched and kept
	ReconLines = "lines" // its lines are written
	ReconMatch = "match" // each line is compared with our books
	ReconRest  = "rest"  // what our books have and no line is of
	ReconFlows = "flows" // the fund bill, where there is one
	ReconClose = "close" // what earlier rounds saw and this one did not
	ReconDone  = "done"
)

// The states of a difference.
const (
	DiffOpen      = "open"
	DiffExplained = "explained" // nothing had to be changed
	DiffRepaired  = "repaired"  // our books were changed
)

// DiffType says what a bill and our books disagree about.
type DiffType string

// The types of differences (ux.md C-13).
const (
	WalletMore DiffType = "wallet_more" // 渠道多(长款): the wallet has what we have not
	WeMore     DiffType = "we_more"     // 平台多(短款): we have what the wallet has not
	AmountDiff DiffType = "amount"      // 金额不一致
	StateDiff  DiffType = "state"       // 状态不一致
	FeeDiff    DiffType = "fee"         // 手续费不一致
	DateEdge   DiffType = "date_edge"   // 日切: it stands in a neighbouring day's bill
)

// OfProvider stands in place of a merchant for what is of none of a provider's
// merchants. No merchant is named so.
func OfProvider(providerID string) string { return "*" + providerID }

// ReconKey names one day of one merchant at one wallet. Day is yyyymmdd in
// Asia/Shanghai.
type ReconKey struct {
	MerchantID string
	Channel    pay.Channel
	Day        string
}

// ReconRun is how far a day is reconciled. Lines are in force if they are of
// Version.
type ReconRun struct {
	ReconKey
	Unit        string
	Round       int64
	Step        string
	Position    string // within the step
	Version     int64  // of the trade bill, 0 before it is here
	FlowVersion int64  // of the fund bill, 0 for none
	Lines       int64
	Matched     int64
	StartedAt   time.Time
	DoneAt      time.Time // zero while it is under way
}

// Bill is one version of one bill as a wallet gave it.
type Bill struct {
	ReconKey
	Kind      string // channel.BillKind
	Version   int64
	SHA256    string // of its bytes, hex
	Announced string // the wallet's own hash with its algorithm, "" for none
	Bytes     int64
	Empty     bool // the wallet said that there is none
	FetchedAt time.Time
}

// BillLine is one line of a trade bill. Amounts are positive, as in
// channel.BillLine. Item is what it is of, as in the rows.
type BillLine struct {
	Day           string // only in what LinesOfItem returns
	Line          int64
	Item          string
	Kind          string // payment, refund or reversal
	At            time.Time
	OutTradeNo    string
	TransactionID string
	OutRefundNo   string
	RefundID      string
	State         string
	RefundState   string
	Total         pay.Fen
	Settlement    pay.Fen
	Fee           pay.Fen
	Rate          string
}

// ReconLine is a line with what the books have of it.
type ReconLine struct {
	BillLine
	Booked pay.Fen // fees booked so far
	Trued  pay.Fen // by which a settlement that was not known is booked so far
	Again  bool    // an earlier line is of the same item
	Missed bool    // another day's bill was found to lack it
}

// BillFlow is one movement of a fund bill. Amounts are positive.
type BillFlow struct {
	Line       int64
	At         time.Time
	BusinessNo string
	FlowNo     string
	Business   string
	Type       string
	In         bool
	Amount     pay.Fen
	Balance    pay.Fen
	Voucher    string
}

// BillSum is the sum of the lines of one kind.
type BillSum struct {
	Kind                   string
	Lines                  int64
	Total, Settlement, Fee pay.Fen
}

// DiffKey names a difference.
type DiffKey struct {
	MerchantID string // whose it is, or OfProvider
	Channel    pay.Channel
	Item       string
	Type       DiffType
}

// Diff is one thing that a bill and our books disagree about. Ours and Theirs
// are fen, negative for what went back; of type FeeDiff they are fees.
type Diff struct {
	DiffKey
	Day         string // of the bill that showed it
	Unit        string
	OutTradeNo  string
	OutRefundNo string
	Ours        pay.Fen
	Theirs      pay.Fen
	OurState    string
	TheirState  string
	Version     int64 // of the bill
	Line        int64 // -1 for none
	Round       int64
	FirstAt     time.Time
	State       string
	Who, Why    string // of its end
	ClosedAt    time.Time
}

// BillPosting is an event that a bill shows, of an order or, for what is of no
// order, of a name that no order has.
type BillPosting struct {
	OutTradeNo string
	At         time.Time
	pay.Posting
}

// Found explains a difference that another bill explains.
type Found struct {
	Item string
	Why  string
	Edge bool // only a difference of date
}

// ReconStep is one step of a run and everything that follows from it.
type ReconStep struct {
	From, To ReconRun
	Bill     *Bill
	Clear    Clear // before anything is written
	Lines    []BillLine
	Flows    []BillFlow
	Diffs    []Diff
	Found    []Found
	Stale    string // explain with this what earlier rounds of the day saw, "" for not
	Postings []BillPosting
	By       string // closes differences
	At       time.Time
}

// Clear says what a step removes of the bills in force: somebody else's by now.
type Clear int

// What is removed.
const (
	ClearNothing Clear = iota
	ClearLines
	ClearFlows
)

// PlanRecon writes the row of a day that is to be reconciled. A day that has one
// is left as it is.
func (s *Store) PlanRecon(ctx context.Context, k ReconKey, now time.Time) error {
	u, q := s.newUnit("", k.MerchantID)
	u.add(1)(q.InsertReconRun(ctx, sqlcgen.InsertReconRunParams{
		MerchantID: k.MerchantID, Channel: string(k.Channel), Day: k.Day, Unit: u.id, Step: ReconFetch, StartedMs: ms(now),
	}))
	_, err := s.submit(ctx, u)
	return wrap("plan reconciliation", err)
}

// MoveRecon commits one step of a run, if its row still is step.From. What is
// booked twice, and lines and differences that are there already, are left as
// they are, so that a step may be repeated.
func (s *Store) MoveRecon(ctx context.Context, step ReconStep) (won bool, err error) {
	k, to := step.From.ReconKey, step.To
	u, q := s.newUnit(freshUnit(to.Unit, step.From.Unit), k.MerchantID)
	u.found = func(ctx context.Context, q *sqlcgen.Queries) (bool, error) {
		r, err := q.GetReconRun(ctx, sqlcgen.GetReconRunParams{MerchantID: k.MerchantID, Channel: string(k.Channel), Day: k.Day})
		if errors.Is(absent(err), pay.ErrNotFound) {
			return false, nil
		}
		return r.Unit == u.id, err
	}
	u.add(1)(q.MoveReconRun(ctx, sqlcgen.MoveReconRunParams{
		Unit: u.id, Round: to.Round, Step: to.Step, Position: to.Position, Version: to.Version, FlowVersion: to.FlowVersion,
		Lines: to.Lines, Matched: to.Matched, StartedMs: ms(to.StartedAt), DoneMs: ms(to.DoneAt),
		MerchantID: k.MerchantID, Channel: string(k.Channel), Day: k.Day, FromUnit: step.From.Unit,
	}))
	u.bill(ctx, q, k, step)
	u.diffs(ctx, q, k, step)
	if step.At.IsZero() && len(step.Postings) > 0 {
		u.bad = errors.Join(u.bad, errors.New("a step that books has no time"))
	}
	for _, p := range step.Postings {
		for leg, l := range u.balanced(p.Posting) {
			u.add(anyRows)(q.InsertPostingOfRun(ctx, sqlcgen.InsertPostingOfRunParams{
				OutTradeNo: p.OutTradeNo, Event: p.Event, Leg: int64(leg), Account: string(l.Account), Amount: int64(l.Amount), AtMs: ms(p.At), BookedMs: ms(step.At),
				MerchantID: k.MerchantID, Channel: string(k.Channel), Day: k.Day, Unit: u.id,
			}))
		}
	}
	won, err = s.submit(ctx, u)
	return won, wrap("reconcile "+k.Day, err)
}

// balanced returns the legs of an event, or makes the unit bad.
func (u *unit) balanced(p pay.Posting) []pay.Leg {
	var sum pay.Fen
	for _, l := range p.Legs {
		sum += l.Amount
	}
	if sum != 0 || len(p.Legs) < 2 {
		u.bad = errors.Join(u.bad, fmt.Errorf("posting %s does not balance", p.Event))
	}
	return p.Legs
}

// bill records what a step adds of a bill.
func (u *unit) bill(ctx context.Context, q *sqlcgen.Queries, k ReconKey, step ReconStep) {
	if b := step.Bill; b != nil {
		u.add(1)(q.InsertBillOfRun(ctx, sqlcgen.InsertBillOfRunParams{
			Kind: b.Kind, Version: b.Version, Sha256: b.SHA256, Announced: b.Announced, Bytes: b.Bytes, Empty: b.Empty,
			FetchedMs: ms(b.FetchedAt), MerchantID: k.MerchantID, Channel: string(k.Channel), Day: k.Day, Unit: u.id,
		}))
	}
	switch step.Clear {
	case ClearNothing:
	case ClearLines:
		u.add(anyRows)(q.ClearBillLinesOfRun(ctx, sqlcgen.ClearBillLinesOfRunParams{
			MerchantID: k.MerchantID, Channel: string(k.Channel), Day: k.Day, Unit: u.id,
		}))
	case ClearFlows:
		u.add(anyRows)(q.ClearBillFlowsOfRun(ctx, sqlcgen.ClearBillFlowsOfRunParams{
			MerchantID: k.MerchantID, Channel: string(k.Channel), Day: k.Day, Unit: u.id,
		}))
	}
	for _, l := range step.Lines {
		u.add(anyRows)(q.InsertBillLineOfRun(ctx, sqlcgen.InsertBillLineOfRunParams{
			Line: l.Line, Item: l.Item, Kind: l.Kind, AtMs: ms(l.At), OutTradeNo: l.OutTradeNo, TransactionID: l.TransactionID,
			OutRefundNo: l.OutRefundNo, RefundID: l.RefundID, State: l.State, RefundState: l.RefundState, Total: int64(l.Total),
			Settlement: int64(l.Settlement), Fee: int64(l.Fee), Rate: l.Rate,
			MerchantID: k.MerchantID, Channel: string(k.Channel), Day: k.Day, Unit: u.id,
		}))
	}
	for _, f := range step.Flows {
		u.add(anyRows)(q.InsertBillFlowOfRun(ctx, sqlcgen.InsertBillFlowOfRunParams{
			Line: f.Line, AtMs: ms(f.At), BusinessNo: f.BusinessNo, FlowNo: f.FlowNo, Business: f.Business, Type: f.Type,
			Income: f.In, Amount: int64(f.Amount), Balance: int64(f.Balance), Voucher: f.Voucher,
			MerchantID: k.MerchantID, Channel: string(k.Channel), Day: k.Day, Unit: u.id,
		}))
	}
}

// diffs records what a step opens and closes.
func (u *unit) diffs(ctx context.Context, q *sqlcgen.Queries, k ReconKey, step ReconStep) {
	for _, f := range step.Found {
		a := sqlcgen.CloseMissedOfRunParams{
			Who: step.By, Why: f.Why, ClosedMs: ms(step.At), Unit: u.id, MerchantID: k.MerchantID, Channel: string(k.Channel),
			Item: f.Item, Day: k.Day,
		}
		if f.Edge {
			u.add(anyRows)(q.CloseEdgeOfRun(ctx, sqlcgen.CloseEdgeOfRunParams(a)))
		} else {
			u.add(anyRows)(q.CloseMissedOfRun(ctx, a))
		}
	}
	for _, d := range step.Diffs {
		u.add(anyRows)(q.PutReconDiffOfRun(ctx, sqlcgen.PutReconDiffOfRunParams{
			Owner: d.MerchantID, Item: d.Item, Type: string(d.Type), DiffDay: d.Day, OutTradeNo: d.OutTradeNo, OutRefundNo: d.OutRefundNo,
			Ours: int64(d.Ours), Theirs: int64(d.Theirs), OurState: d.OurState, TheirState: d.TheirState, Version: d.Version,
			Line: d.Line, Round: d.Round, FirstMs: ms(d.FirstAt), MerchantID: k.MerchantID, Channel: string(k.Channel), Day: k.Day, Unit: u.id,
		}))
	}
	if step.Stale != "" {
		u.add(anyRows)(q.CloseStaleOfRun(ctx, sqlcgen.CloseStaleOfRunParams{
			Who: step.By, Why: step.Stale, ClosedMs: ms(step.At), Unit: u.id, MerchantID: k.MerchantID, Channel: string(k.Channel), Day: k.Day,
		}))
	}
}

// CloseDiff closes a difference for a person and books what repairs it, if it
// is open and still the row that was looked at, and run, unless it is nil, is: a
// step of that run which reads the books meanwhile is lost then, and made again
// from what was booked here. state is DiffExplained or DiffRepaired.
func (s *Store) CloseDiff(ctx context.Context, d Diff, state, who, why string, now time.Time, run *ReconRun, ps ...BillPosting) (won bool, err error) {
	u, q := s.newUnit("", d.MerchantID)
	u.found = func(ctx context.Context, q *sqlcgen.Queries) (bool, error) {
		r, err := q.GetReconDiff(ctx, sqlcgen.GetReconDiffParams{MerchantID: d.MerchantID, Channel: string(d.Channel), Item: d.Item, Type: string(d.Type)})
		if errors.Is(absent(err), pay.ErrNotFound) {
			return false, nil
		}
		return r.Unit == u.id, err
	}
	var of ReconKey
	if run != nil {
		of = run.ReconKey
		u.add(1)(q.TakeReconRun(ctx, sqlcgen.TakeReconRunParams{
			Unit: u.id, MerchantID: of.MerchantID, Channel: string(of.Channel), Day: of.Day, FromUnit: run.Unit,
			DiffOwner: d.MerchantID, Item: d.Item, Type: string(d.Type), DiffUnit: d.Unit,
		}))
	}
	u.add(1)(q.CloseReconDiff(ctx, sqlcgen.CloseReconDiffParams{
		State: state, Who: who, Why: why, ClosedMs: ms(now), Unit: u.id, MerchantID: d.MerchantID, Channel: string(d.Channel),
		Item: d.Item, Type: string(d.Type), FromUnit: d.Unit, RunOwner: of.MerchantID, RunDay: of.Day,
	}))
	for _, p := range ps {
		for leg, l := range u.balanced(p.Posting) {
			u.add(1)(q.InsertPostingOfDiff(ctx, sqlcgen.InsertPostingOfDiffParams{
				OutTradeNo: p.OutTradeNo, Event: p.Event, Leg: int64(leg), Account: string(l.Account), Amount: int64(l.Amount),
				MerchantID: d.MerchantID, Channel: string(d.Channel), Item: d.Item, Type: string(d.Type), Unit: u.id,
			}))
		}
	}
	won, err = s.submit(ctx, u)
	return won, wrap("close difference of "+d.Item, err)
}

// PutBillChunk keeps one compressed piece of a bill whose bytes have that
// SHA-256. Keeping it again does nothing.
func (s *Store) PutBillChunk(ctx context.Context, merchantID, sha256 string, chunk int64, body []byte) error {
	u, q := s.newUnit("", merchantID)
	u.add(1)(q.InsertBillChunk(ctx, sqlcgen.InsertBillChunkParams{MerchantID: merchantID, Sha256: sha256, Chunk: chunk, Body: body}))
	_, err := s.submit(ctx, u)
	return wrap("keep a piece of a bill", err)
}
