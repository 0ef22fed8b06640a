package store_test

import (
	"errors"
	"testing"
	"time"

	"cloudpay/internal/pay"
	"cloudpay/internal/store"
	"cloudpay/internal/store/storetest"
)

// reconKey is the day of everything that these tests reconcile.
var reconKey = store.ReconKey{MerchantID: merchant, Channel: pay.Wxpay, Day: "20261121"}

// moved makes a step of a run, which must win, and returns the run after it.
func moved(t *testing.T, s *store.Store, from store.ReconRun, edit func(*store.ReconStep)) store.ReconRun {
	t.Helper()
	step := store.ReconStep{From: from, To: from, By: "recon", At: noon.Add(time.Hour)}
	step.To.Unit = s.NewUnit()
	edit(&step)
	wins(t, true)(s.MoveRecon(t.Context(), step))
	after := got[store.ReconRun](t)(s.ReconRun(t.Context(), reconKey))
	same(t, "run", after, step.To)
	return after
}

// planned is a day whose bill has two lines of one order.
func planned(t *testing.T, s *store.Store) store.ReconRun {
	t.Helper()
	if err := s.PlanRecon(t.Context(), reconKey, noon); err != nil {
		t.Fatal(err)
	}
	run := got[store.ReconRun](t)(s.ReconRun(t.Context(), reconKey))
	run = moved(t, s, run, func(step *store.ReconStep) {
		step.To.Step, step.To.Version = store.ReconLines, 1
		step.Bill = &store.Bill{ReconKey: reconKey, Kind: "trade", Version: 1, SHA256: "ab", Announced: "SHA1 cd", Bytes: 10, FetchedAt: noon}
	})
	return moved(t, s, run, func(step *store.ReconStep) {
		step.To.Step, step.To.Lines, step.To.Position = store.ReconMatch, 2, "2"
		step.Lines = billLines()
	})
}

func billLines() []store.BillLine {
	l := store.BillLine{
		Item: "payment:A1", Kind: "payment", At: noon, OutTradeNo: "A1", TransactionID: "4200", State: "SUCCESS", Total: 100,
		Settlement: 98, Fee: 1, Rate: "0.60%",
	}
	r := l
	r.Line, r.Item, r.Kind, r.OutRefundNo, r.RefundID, r.State, r.RefundState = 1, "refund:R1", "refund", "R1", "5000", "REFUND", "SUCCESS"
	r.Total, r.Settlement, r.Fee = 40, 39, -1
	return []store.BillLine{l, r}
}

// TestReconStepsAreMadeOnce makes steps on both engines, reads everything back,
// and makes one again from a row that has moved on.
func TestReconStepsAreMadeOnce(t *testing.T) {
	t.Parallel()
	for _, e := range storetest.Engines() {
		t.Run(e.Name, func(t *testing.T) {
			t.Parallel()
			s := e.New(t)()
			ctx := t.Context()
			openPaid(t, s, "A1")
			run := planned(t, s)
			if err := s.PlanRecon(ctx, reconKey, noon.Add(time.Hour)); err != nil {
				t.Fatal(err)
			}
			same(t, "a day that is planned again", got[store.ReconRun](t)(s.ReconRun(ctx, reconKey)), run)
			same(t, "last day", got[string](t)(s.LastReconDay(ctx, merchant, pay.Wxpay)), "20261121")
			same(t, "no day", got[string](t)(s.LastReconDay(ctx, merchant, pay.Alipay)), "")
			same(t, "runs", got[[]store.ReconRun](t)(s.ReconRuns(ctx, "", "20261121", "20261122", 9)), []store.ReconRun{run})
			bills := got[[]store.Bill](t)(s.Bills(ctx, reconKey, "trade"))
			if len(bills) != 1 || bills[0].Announced != "SHA1 cd" || bills[0].FetchedAt != noon {
				t.Errorf("bills = %+v", bills)
			}

			lost := store.ReconStep{From: run, To: run, By: "recon", At: noon}
			lost.From.Unit, lost.To.Unit, lost.To.Matched = "somebody else's", s.NewUnit(), 77
			lost.Postings = []store.BillPosting{fee("A1", "fee:payment:A1", 7)}
			wins(t, false)(s.MoveRecon(ctx, lost))

			step := func(step *store.ReconStep) {
				step.To.Matched = 1
				step.Postings = []store.BillPosting{fee("A1", "fee:payment:A1", 1), fee("A1", "fee2:payment:A1", 2)}
			}
			run = moved(t, s, run, step)
			run = moved(t, s, run, step) // again: nothing is booked twice
			lines := got[[]store.ReconLine](t)(s.ReconLines(ctx, reconKey, 0, 10))
			same(t, "lines", lines, []store.ReconLine{{BillLine: billLines()[0], Booked: 3}, {BillLine: billLines()[1]}})
			same(t, "sums", got[[]store.BillSum](t)(s.BillSums(ctx, reconKey)), []store.BillSum{
				{Kind: "payment", Lines: 1, Total: 100, Settlement: 98, Fee: 1}, {Kind: "refund", Lines: 1, Total: 40, Settlement: 39, Fee: -1},
			})
			b := got[map[pay.Channel]map[pay.Account]pay.Fen](t)(s.Balances(ctx, merchant))[pay.Wxpay]
			same(t, "ledger", []pay.Fen{b[pay.AccReceivable], b[pay.AccMerchant], b[pay.AccFee]}, []pay.Fen{97, -100, 3})

			want := billLines()[1]
			want.Day = "20261121"
			same(t, "lines of an item", got[[]store.BillLine](t)(s.LinesOfItem(ctx, merchant, pay.Wxpay, "refund:R1")), []store.BillLine{want})
			flow := store.BillFlow{Line: 0, At: noon, BusinessNo: "1", FlowNo: "2", Business: "提现", Type: "提现", Amount: 5, Balance: 6, Voucher: "v"}
			moved(t, s, run, func(step *store.ReconStep) { step.To.FlowVersion, step.Flows = 1, []store.BillFlow{flow} })
			same(t, "flows", got[[]store.BillFlow](t)(s.BillFlows(ctx, reconKey, 0, 10)), []store.BillFlow{flow})

			for range 2 {
				if err := s.PutBillChunk(ctx, merchant, "ab", 0, []byte{1, 0, 255}); err != nil {
					t.Fatal(err)
				}
			}
			same(t, "chunk", got[[]byte](t)(s.BillChunk(ctx, merchant, "ab", 0)), []byte{1, 0, 255})
			if _, err := s.BillChunk(ctx, merchant, "ab", 1); !errors.Is(err, pay.ErrNotFound) {
				t.Errorf("a chunk that is not there: %v", err)
			}
		})
	}
}

// fee is a fee as a bill shows it.
func fee(no, event string, f pay.Fen) store.BillPosting {
	return store.BillPosting{OutTradeNo: no, At: noon, Posting: pay.Posting{Event: event, Legs: []pay.Leg{{Account: pay.AccFee, Amount: f}, {Account: pay.AccReceivable, Amount: -f}}}}
}

// TestDifferencesAgeAndClose opens differences, sees them again, and closes
// them by another bill, by a person and by a later round.
func TestDifferencesAgeAndClose(t *testing.T) {
	t.Parallel()
	for _, e := range storetest.Engines() {
		t.Run(e.Name, func(t *testing.T) {
			t.Parallel()
			s := e.New(t)()
			ctx := t.Context()
			run := planned(t, s)
			key := func(item string, of store.DiffType) store.DiffKey {
				return store.DiffKey{MerchantID: merchant, Channel: pay.Wxpay, Item: item, Type: of}
			}
			d := store.Diff{
				DiffKey: key("payment:A1", store.AmountDiff), Day: "20261121", OutTradeNo: "A1", Ours: 100, Theirs: 101, OurState: "PAID",
				TheirState: "SUCCESS", Version: 1, Line: 0, Round: 1, FirstAt: noon,
			}
			edge, old := d, d
			edge.DiffKey, edge.Line = key("payment:A2", store.DateEdge), -1
			old.DiffKey = key("payment:A3", store.WeMore)
			run = moved(t, s, run, func(step *store.ReconStep) { step.Diffs = []store.Diff{d, edge, old} })
			list := func(state string) []store.Diff {
				t.Helper()
				ds := got[[]store.Diff](t)(s.Diffs(ctx, store.DiffFilter{MerchantID: merchant, FromDay: "20261121", ToDay: "20261121", State: state, Limit: 10}))
				return ds
			}
			if ds := list("open"); len(ds) != 3 || ds[0].Theirs != 101 || ds[0].Unit != run.Unit || ds[0].FirstAt != noon {
				t.Fatalf("open differences: %+v", ds)
			}
			counts := got[[]store.DiffCount](t)(s.CountOpenDiffs(ctx, noon.Add(time.Second)))
			same(t, "kinds open since", len(counts), 3)
			same(t, "open before they were seen", len(got[[]store.Diff](t)(s.OpenDiffs(ctx, noon, 10))), 0)

			// The next bill has A2, and the day's second round does not see A3 again.
			run = moved(t, s, run, func(step *store.ReconStep) {
				step.To.Round, step.Found = 2, []store.Found{{Item: "payment:A2", Why: "in the bill of 20261122"}, {Item: "payment:A1", Edge: true}}
				again := d
				again.Round, again.FirstAt = 2, noon.Add(time.Hour)
				step.Diffs = []store.Diff{again}
			})
			run = moved(t, s, run, func(step *store.ReconStep) { step.Stale = "no longer seen" })
			ds := list("open")
			if len(ds) != 1 || ds[0].Item != "payment:A1" || ds[0].FirstAt != noon || ds[0].Round != 2 {
				t.Fatalf("left open: %+v", ds)
			}
			if e := got[store.Diff](t)(s.Diff(ctx, edge.DiffKey)); e.State != store.DiffExplained || e.Who != "recon" || e.Why != "in the bill of 20261122" {
				t.Errorf("what the next bill explained: %+v", e)
			}

			// A person repairs it; with the row as it was looked at, and once.
			book := fee("A1", "fee3:payment:A1", 4)
			stale := ds[0]
			stale.Unit = "older"
			wins(t, false)(s.CloseDiff(ctx, stale, store.DiffRepaired, "anna", "why", noon, nil, book))
			before := run
			before.Unit = "older"
			wins(t, false)(s.CloseDiff(ctx, ds[0], store.DiffRepaired, "anna", "why", noon, &before, book)) // the day is done again meanwhile
			wins(t, false)(s.CloseDiff(ctx, stale, store.DiffRepaired, "anna", "why", noon, &run, book))    // or another bill explains it
			same(t, "unit of a run that nobody took", got[store.ReconRun](t)(s.ReconRun(ctx, reconKey)).Unit, run.Unit)
			before = run
			wins(t, true)(s.CloseDiff(ctx, ds[0], store.DiffRepaired, "anna", "why", noon, &run, book))
			step := store.ReconStep{From: before, To: before, By: "recon", At: noon}
			step.To.Unit = s.NewUnit()
			wins(t, false)(s.MoveRecon(ctx, step)) // it was decided without the repair
			run = got[store.ReconRun](t)(s.ReconRun(ctx, reconKey))
			wins(t, false)(s.CloseDiff(ctx, ds[0], store.DiffRepaired, "anna", "why", noon, nil, book))
			same(t, "fees", got[map[pay.Channel]map[pay.Account]pay.Fen](t)(s.Balances(ctx, merchant))[pay.Wxpay]["F"], pay.Fen(4))

			// Seen once more it stays closed, unless the figures are others.
			run = moved(t, s, run, func(step *store.ReconStep) { step.Diffs = []store.Diff{d} })
			same(t, "state", got[store.Diff](t)(s.Diff(ctx, d.DiffKey)).State, store.DiffRepaired)
			moved(t, s, run, func(step *store.ReconStep) {
				other := d
				other.Theirs = 105
				step.Diffs = []store.Diff{other}
			})
			same(t, "state", got[store.Diff](t)(s.Diff(ctx, d.DiffKey)).State, store.DiffOpen)
		})
	}
}

// TestReconReadsADayInPages reads orders and refunds of a day one by one.
func TestReconReadsADayInPages(t *testing.T) {
	t.Parallel()
	for _, e := range storetest.Engines() {
		t.Run(e.Name, func(t *testing.T) {
			t.Parallel()
			s := e.New(t)()
			ctx := t.Context()
			for _, no := range []string{"B1", "B2", "B3"} {
				openPaid(t, s, no)
			}
			o := stored(t, s, "B2")
			r := newRefund(s, o, "R1", 10)
			r.SentAt = noon
			wins(t, true)(s.OpenRefund(ctx, r, pay.PAID, r.OpenPostings()))
			span := store.ReconSpan{MerchantID: merchant, Channel: pay.Wxpay, From: noon, To: noon.Add(time.Hour), After: noon.Add(-time.Hour)}
			var nos []string
			for {
				page := got[[]pay.Order](t)(s.ReconOrders(ctx, span, 1))
				if len(page) == 0 {
					break
				}
				nos = append(nos, page[0].OutTradeNo)
				span.After, span.AfterNo = page[0].UpdatedAt, page[0].OutTradeNo
			}
			same(t, "orders", len(nos), 3)
			span.After, span.AfterNo = noon.Add(-time.Hour), ""
			if page := got[[]pay.Refund](t)(s.ReconRefunds(ctx, span, 5)); len(page) != 1 || page[0].OutRefundNo != "R1" {
				t.Errorf("refunds = %+v", page)
			}
			span.From, span.To = span.To, span.To.Add(time.Hour)
			same(t, "orders of another day", len(got[[]pay.Order](t)(s.ReconOrders(ctx, span, 5))), 0)
		})
	}
}
