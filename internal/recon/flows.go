package recon

import (
	"context"
	"log/slog"
	"slices"
	"strconv"
	"strings"

	"cloudpay/internal/channel"
	"cloudpay/internal/pay"
	"cloudpay/internal/store"
)

// billBook is the order number under which the ledger has what a bill shows and
// no order is the reason of. No order is named so.
const billBook = "*bill"

// payoutWord is what a payout to the merchant's bank is called in a fund bill.
const payoutWord = "提现"

// flows fetches the fund bill, where the wallet has one of this merchant, keeps
// it and books the payouts that it shows. A day is not held up by it for ever.
func (r *Recon) flows(ctx context.Context, run store.ReconRun) (store.ReconRun, error) {
	biller, sub, err := r.biller(ctx, run.ReconKey)
	if err != nil {
		return run, err
	}
	day, err := ParseDay(run.Day)
	if err != nil {
		return run, err
	}
	if run.Position != "" { // it is fetched, and its movements are written
		return r.writeFlows(ctx, run)
	}
	out := biller.Bill(ctx, channel.BillRequest{Kind: channel.BillFund, Day: day, Account: channel.BillBasic, Merchant: sub})
	over := r.now().After(day.AddDate(0, 0, 1).Add(giveUpFlows))
	switch err := r.usable(ctx, run, out); {
	case out.Kind == pay.Declined && out.Reason == pay.ReasonConfiguration:
		return r.commit(ctx, next(run, store.ReconClose)) // there is no such bill
	case err != nil && (over || out.Kind == pay.Declined):
		r.Log.WarnContext(ctx, "a day is closed without its fund bill", slog.String("merchant_id", run.MerchantID),
			slog.String("channel", string(run.Channel)), slog.String("day", run.Day), slog.String("why", err.Error()))
		return r.commit(ctx, next(run, store.ReconClose))
	case err != nil:
		return run, err
	case out.Empty:
		return r.commit(ctx, next(run, store.ReconClose))
	}
	step := next(run, store.ReconFlows)
	if step.Bill, err = r.keep(ctx, run.ReconKey, channel.BillFund, out); err != nil {
		return run, err
	}
	step.To.FlowVersion, step.To.Position = step.Bill.Version, "0"
	if step.Bill.FetchedAt.IsZero() {
		step.Bill = nil
	}
	return r.commit(ctx, step)
}

// writeFlows writes the movements of the kept fund bill and books payouts, from
// where the run stands.
func (r *Recon) writeFlows(ctx context.Context, run store.ReconRun) (store.ReconRun, error) {
	bill, err := r.parsed(ctx, run.ReconKey, channel.BillFund, run.FlowVersion)
	if err != nil {
		return run, err
	}
	n, err := position(run)
	if err != nil {
		return run, err
	}
	of, err := r.owners(ctx, run, bill)
	if err != nil {
		return run, err
	}
	for batch := range slices.Chunk(bill.Flows[min(max(n, 0), int64(len(bill.Flows))):], linesAtOnce/2) {
		step := next(run, store.ReconFlows)
		if of.shared && n == 0 {
			step.Clear = store.ClearFlows // as in lines
		}
		for _, f := range batch {
			if of.shared && !of.m.HasPrefix(f.Voucher) {
				n++ // another's; payouts of a shared account are nobody's alone
				continue
			}
			step.Flows = append(step.Flows, store.BillFlow{
				Line: n, At: f.Time, BusinessNo: number(f.BusinessNo), FlowNo: number(f.FlowNo), Business: storable(f.Business),
				Type: storable(f.Type), In: f.In, Amount: f.Amount, Balance: f.Balance, Voucher: storable(f.Voucher),
			})
			if p, ok := payout(f); ok {
				step.Postings = append(step.Postings, store.BillPosting{OutTradeNo: billBook, At: f.Time, Posting: p})
			}
			n++
		}
		step.To.Position = strconv.FormatInt(n, 10)
		unit, at := run.Unit, step.To.Position
		if run, err = r.commit(ctx, step); err != nil {
			return run, err
		}
		if run.Step != store.ReconFlows || run.Position != at || run.Unit == unit {
			return run, nil // somebody else goes on with it
		}
	}
	return r.commit(ctx, next(run, store.ReconClose))
}

// payout is the event of a movement that goes to the merchant's bank, or comes
// back from there. Movements of orders are in the trade bill, too.
func payout(f channel.BillFlow) (pay.Posting, bool) {
	if !strings.Contains(f.Business, payoutWord) && !strings.Contains(f.Type, payoutWord) || f.Amount == 0 || f.FlowNo == "" {
		return pay.Posting{}, false
	}
	amount := f.Amount
	if f.In {
		amount = -amount
	}
	return pay.PostPayout(number(f.FlowNo), amount), true
}
