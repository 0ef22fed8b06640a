package recon

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"math/big"
	"strconv"
	"strings"
	"time"

	"cloudpay/internal/directory"
	"cloudpay/internal/pay"
	"cloudpay/internal/store"
)

// matchAtOnce is how many lines one unit of work compares: each may have a
// difference, a fee of two legs, a settlement of two and something found.
const matchAtOnce = 40

// books is what our books have of the lines that are compared.
type books struct {
	run     store.ReconRun
	rate    int64 // the merchant's fee in millionths, 0 for none agreed
	orders  map[string]pay.Order
	refunds map[string]pay.Refund
	rolled  map[string]pay.Fen // what the wallet gave back of an order without us
	given   map[string]given   // and what the lines in force have of it, where it is more than one
	done    func(day string) bool
	now     time.Time
}

// finding is what one line comes to.
type finding struct {
	diffs    []store.Diff
	found    []store.Found
	postings []store.BillPosting
}

// match compares lines with our books until none is left.
func (r *Recon) match(ctx context.Context, run store.ReconRun) (store.ReconRun, error) {
	from, err := position(run)
	if err != nil {
		return run, err
	}
	lines, err := r.Store.ReconLines(ctx, run.ReconKey, from, matchAtOnce)
	if err != nil {
		return run, err
	}
	if len(lines) == 0 {
		return r.commit(ctx, next(run, store.ReconRest))
	}
	b, err := r.books(ctx, run, lines)
	if err != nil {
		return run, err
	}
	step := next(run, store.ReconMatch)
	step.To.Position = strconv.FormatInt(lines[len(lines)-1].Line+1, 10)
	for _, l := range lines {
		f := b.judge(l)
		if len(f.diffs) == 0 {
			step.To.Matched++
		}
		step.Diffs = append(step.Diffs, f.diffs...)
		step.Found = append(step.Found, f.found...)
		step.Postings = append(step.Postings, f.postings...)
	}
	return r.commit(ctx, step)
}

// position reads how far a step over lines has come.
func position(run store.ReconRun) (n int64, err error) {
	if run.Position == "" {
		return 0, nil
	}
	if n, err = strconv.ParseInt(run.Position, 10, 64); err != nil {
		return 0, fmt.Errorf("reconcile %s: position %q is not a line", run.Day, run.Position)
	}
	return n, nil
}

// books reads what our books have of some lines.
func (r *Recon) books(ctx context.Context, run store.ReconRun, lines []store.ReconLine) (*books, error) {
	m, err := r.Directory.Merchant(ctx, run.MerchantID)
	if err != nil {
		return nil, err
	}
	b := &books{run: run, rate: m.Profile.BankRatePPM, rolled: map[string]pay.Fen{}, given: map[string]given{}, done: r.doneDays(ctx, run.ReconKey), now: r.now()}
	var orders, refunds []string
	for _, l := range lines {
		orders = append(orders, l.OutTradeNo)
		if l.OutRefundNo != "" {
			refunds = append(refunds, l.OutRefundNo)
		}
	}
	if b.orders, err = r.Store.OrdersByNumber(ctx, run.MerchantID, orders); err != nil {
		return nil, err
	}
	if b.refunds, err = r.Store.RefundsByNumber(ctx, run.MerchantID, refunds); err != nil {
		return nil, err
	}
	// The number may have been used at the other wallet before: that is not ours.
	maps.DeleteFunc(b.orders, func(_ string, o pay.Order) bool { return o.Channel != run.Channel })
	maps.DeleteFunc(b.refunds, func(_ string, f pay.Refund) bool { return f.Channel != run.Channel })
	if err := r.cameAndWent(ctx, m, b, lines); err != nil {
		return nil, err
	}
	if err := r.numberless(ctx, b, lines); err != nil {
		return nil, err
	}
	return b, nil
}

// doneDays tells which days are reconciled. It asks once for each.
func (r *Recon) doneDays(ctx context.Context, k store.ReconKey) func(string) bool {
	known := map[string]bool{}
	return func(day string) bool {
		if d, ok := known[day]; ok {
			return d
		}
		run, err := r.Store.ReconRun(ctx, store.ReconKey{MerchantID: k.MerchantID, Channel: k.Channel, Day: day})
		known[day] = err == nil && run.Step == store.ReconDone
		return known[day]
	}
}

// judge compares one line with our books.
func (b *books) judge(l store.ReconLine) finding {
	if g, ok := b.given[l.OutTradeNo]; ok && l.Item == reversalItem(l.OutTradeNo) && g.total == b.rolled[l.OutTradeNo] {
		if l.Line != g.first {
			return finding{} // its part of the fee is booked with the first
		}
		if g.day != b.run.Day { // the first day's run books it, alone
			return b.foundHere(l)
		}
		l.Total, l.Settlement, l.Fee, l.Again = g.total, g.settlement, g.fee, false
	}
	if l.Again { // the wallet tells of the same thing twice
		d := b.diff(l, store.WalletMore, 0, "")
		d.Item += fmt.Sprintf("#%s.%d", b.run.Day, l.Line)
		return finding{diffs: []store.Diff{d}}
	}
	switch kind, _, _ := strings.Cut(l.Item, ":"); kind {
	case "payment":
		return b.payment(l)
	case "refund":
		return b.refund(l)
	}
	return b.reversal(l)
}

// diff is a difference that a line shows.
func (b *books) diff(l store.ReconLine, of store.DiffType, ours pay.Fen, state string) store.Diff {
	theirs := l.Total
	if l.Kind != "payment" {
		theirs = -theirs
	}
	told := l.State
	if l.RefundState != "" {
		told += " " + l.RefundState
	}
	return store.Diff{
		DiffKey: store.DiffKey{MerchantID: b.run.MerchantID, Channel: b.run.Channel, Item: l.Item, Type: of}, Day: b.run.Day,
		OutTradeNo: l.OutTradeNo, OutRefundNo: l.OutRefundNo, Ours: ours, Theirs: theirs, OurState: state, TheirState: told,
		Version: b.run.Version, Line: l.Line, Round: b.run.Round, FirstAt: b.now,
	}
}

// booked reports whether an order's payment stands in our ledger.
func booked(o pay.Order) bool { return o.State == pay.PAID || o.PaidSeen || o.Late != pay.LateNone }

// payment compares a payment.
func (b *books) payment(l store.ReconLine) finding {
	o, ours := b.orders[l.OutTradeNo]
	switch {
	case !ours:
		return finding{diffs: []store.Diff{b.diff(l, store.WalletMore, 0, "")}}
	case !booked(o):
		return finding{diffs: []store.Diff{b.diff(l, store.WalletMore, 0, string(o.State))}}
	case l.Total != o.Total:
		return finding{diffs: []store.Diff{b.diff(l, store.AmountDiff, o.Total, string(o.State))}}
	case l.Settlement > l.Total || l.Settlement != o.Settlement && o.Settlement != o.Total:
		d := b.diff(l, store.AmountDiff, o.Settlement, string(o.State))
		d.Theirs = l.Settlement
		return finding{diffs: []store.Diff{d}}
	}
	f := b.fee(l, string(o.State))
	if was := o.Settlement + l.Trued; l.Settlement != was { // money.md §5: the wallet did not say, the bill trues up
		f.book(l, pay.PostNet(l.Item, pay.BillName(b.run.Day, b.run.Version), was, l.Settlement))
	}
	return b.dated(f, l, o.Total, string(o.State), o.PaidAt)
}

// refund compares a refund.
func (b *books) refund(l store.ReconLine) finding {
	rf, ours := b.refunds[l.OutRefundNo]
	state := string(rf.State)
	switch {
	case !ours || rf.OutTradeNo != l.OutTradeNo:
		return finding{diffs: []store.Diff{b.diff(l, store.WalletMore, 0, "")}}
	case l.Kind == "payment":
		return finding{diffs: []store.Diff{b.diff(l, store.StateDiff, -rf.Amount, state)}}
	case rf.State == pay.RefundRejected && l.RefundState == refundFailed:
		return finding{}
	case rf.State == pay.RefundRejected:
		return finding{diffs: []store.Diff{b.diff(l, store.WalletMore, 0, state)}}
	case l.Total != rf.Amount:
		return finding{diffs: []store.Diff{b.diff(l, store.AmountDiff, -rf.Amount, state)}}
	case rf.State == pay.RefundSucceeded && (l.RefundState == refundFailed || l.RefundState == refundChange),
		rf.State == pay.RefundNeedsHand && l.RefundState == "SUCCESS":
		return finding{diffs: []store.Diff{b.diff(l, store.StateDiff, -rf.Amount, state)}}
	}
	var f finding
	if l.RefundState != refundFailed {
		f = b.fee(l, state)
	}
	if was := -rf.Settlement + l.Trued; rf.State == pay.RefundSucceeded && -l.Settlement != was {
		if l.Settlement > l.Total || l.Settlement != rf.Settlement && rf.Settlement != rf.Amount {
			d := b.diff(l, store.AmountDiff, -rf.Settlement, state)
			d.Theirs = -l.Settlement
			f.diffs = append(f.diffs, d)
			return f
		}
		f.book(l, pay.PostNet(l.Item, pay.BillName(b.run.Day, b.run.Version), was, -l.Settlement))
	}
	return b.dated(f, l, -rf.Amount, state, refundTime(rf))
}

// The states of refunds in WeChat's bill that are not as they should be.
const (
	refundFailed = "FAIL"
	refundChange = "CHANGE"
)

// refundTime is when the wallet counts a refund, as far as we know: WeChat when
// it accepted it, Alipay when it was made.
func refundTime(rf pay.Refund) time.Time {
	if rf.Channel == pay.Alipay || rf.SentAt.IsZero() {
		return rf.SucceededAt
	}
	return rf.SentAt
}

// reversal compares a payment that was undone.
func (b *books) reversal(l store.ReconLine) finding {
	o, ours := b.orders[l.OutTradeNo]
	state := string(o.State)
	switch {
	case !ours:
		return finding{diffs: []store.Diff{b.diff(l, store.WalletMore, 0, "")}}
	case b.rolled[l.OutTradeNo] > 0:
		if l.Total != b.rolled[l.OutTradeNo] {
			return finding{diffs: []store.Diff{b.diff(l, store.AmountDiff, -b.rolled[l.OutTradeNo], state)}}
		}
		f := b.fee(l, state)
		f.found = b.foundHere(l).found
		return f
	case !undone(o):
		return finding{diffs: []store.Diff{b.diff(l, store.StateDiff, 0, state)}}
	case l.Total != o.Total:
		return finding{diffs: []store.Diff{b.diff(l, store.AmountDiff, -o.Total, state)}}
	}
	return b.dated(b.fee(l, state), l, -o.Total, state, o.UndoneAt())
}

// undone reports whether an order's payment was given back by a reverse or a
// cancel, as our ledger has it.
func undone(o pay.Order) bool {
	return o.Reserved == 0 && (o.State == pay.REVERSED && o.PaidSeen || o.Late == pay.LateReturned)
}

// foundHere explains that another day has missed a line, if one has.
func (b *books) foundHere(l store.ReconLine) (f finding) {
	if l.Missed {
		f.found = append(f.found, store.Found{Item: l.Item, Why: "在 " + b.run.Day + " 的账单中"})
	}
	return f
}

// dated compares the day of a line with ours. A neighbouring day that is done
// already has missed nothing, or its difference is explained here.
func (b *books) dated(f finding, l store.ReconLine, ours pay.Fen, state string, at time.Time) finding {
	if l.Missed {
		f.found = b.foundHere(l).found
		return f
	}
	if day := DayOf(at); day != b.run.Day && !b.done(day) {
		f.diffs = append(f.diffs, b.diff(l, store.DateEdge, ours, state))
	}
	return f
}

// book adds an event of a line.
func (f *finding) book(l store.ReconLine, p pay.Posting) {
	f.postings = append(f.postings, store.BillPosting{OutTradeNo: l.OutTradeNo, At: l.At, Posting: p})
}

// fee compares a fee with the agreed rate, or else with the rate that the line
// itself names, and books it if it is right.
func (b *books) fee(l store.ReconLine, state string) (f finding) {
	rate := b.rate
	if rate == 0 {
		rate = rateOf(l.Rate)
	}
	if rate > 0 {
		want, slack := pay.Poundage(l.Settlement, rate), pay.Fen(0)
		if l.Kind != "payment" { // shares of a fee: each is rounded
			want, slack = -want, 1
		}
		if g, ok := b.given[l.OutTradeNo]; ok && l.Item == reversalItem(l.OutTradeNo) {
			slack = g.lines
		}
		if l.Fee < want-slack || l.Fee > want+slack {
			d := b.diff(l, store.FeeDiff, want, state)
			d.Theirs = l.Fee
			f.diffs = append(f.diffs, d)
			return f
		}
	}
	if rest := l.Fee - l.Booked; rest != 0 {
		f.book(l, pay.PostFee(l.Item, pay.BillName(b.run.Day, b.run.Version), rest))
	}
	return f
}

// rateOf reads a rate as bills write it, 0.60%, in millionths. 0 is none, or
// one that is no whole number of millionths.
func rateOf(text string) int64 {
	percent, ok := strings.CutSuffix(strings.TrimSpace(text), "%")
	if !ok || len(percent) > 10 || strings.Trim(percent, "0123456789.") != "" {
		return 0
	}
	x, ok := new(big.Rat).SetString(percent)
	if !ok || !x.Mul(x, big.NewRat(10_000, 1)).IsInt() || !x.Num().IsInt64() {
		return 0
	}
	return x.Num().Int64()
}

// merchant finds a merchant, also to say that there is none.
func (r *Recon) merchant(ctx context.Context, id string) (*directory.Merchant, error) {
	m, err := r.Directory.Merchant(ctx, id)
	if errors.Is(err, pay.ErrNotFound) {
		return nil, pay.Refuse(pay.ErrNotFound, "merchant_missing", "没有这个商户")
	}
	return m, err
}
