package gateway

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"strings"
	"time"

	"cloudpay/internal/channel"
	"cloudpay/internal/directory"
	"cloudpay/internal/jobs"
	"cloudpay/internal/pay"
	"cloudpay/internal/store"
)

// The kinds of job this room writes and runs.
const (
	kindSettle    = "settle"     // drives an order to its truth; Ref is the order number
	kindRefund    = "refund"     // sends a refund; one line per order
	kindRefundAsk = "refund_ask" // asks for a refund the wallet accepted; outside the line
	kindCallback  = "callback"   // tells the merchant; Ref is order number and event; one line per order
)

// This file is the only door through which money moves. Every function here
// writes one unit of work whose first statement is a compare-and-set; losing
// it means that somebody else settled first, and the row is read again.

// openOrder is commit 1 of a payment: the order in PAYING and its safety-net
// job, before anything leaves the house. o.Unit is already chosen, so that the
// settlement knows the row's version without reading it again.
func (g *Gateway) openOrder(ctx context.Context, o pay.Order) (won bool, err error) {
	step := g.profile(o).Next(o, o.SentAt)
	won, err = g.Store.OpenOrder(ctx, o, jobs.Edit{Put: g.settleJobOf(o, step.At, false)})
	if err != nil {
		return false, fmt.Errorf("commit order %s: %w", o.OutTradeNo, err)
	}
	return won, nil
}

// settle applies one outcome to an order and commits what follows from it.
// It returns the order as it stands afterwards, whoever settled it.
func (g *Gateway) settle(ctx context.Context, m *directory.Merchant, o pay.Order, call pay.Call, out pay.Outcome) (pay.Order, error) {
	g.Metrics.outcome(o.Channel, string(call), out.Kind)
	out = storable(out)
	asked := o.Unit
	return g.change(ctx, m, o, func(o pay.Order, now time.Time) pay.Change {
		if call == pay.CallQuery && o.Unit != asked && out.SaysUnpaid() {
			// It was asked before somebody else learned what the row says now, and
			// may be older than the payment.
			return g.profile(o).AskAgain(o, now)
		}
		return g.profile(o).Apply(o, call, out, now)
	})
}

// settleWithRefunds applies the answer to a query together with the refunds that
// the wallet lists and that were not made here, in one unit of work.
func (g *Gateway) settleWithRefunds(ctx context.Context, m *directory.Merchant, o pay.Order, out pay.Outcome, outside pay.Outside) (pay.Order, error) {
	g.Metrics.outcome(o.Channel, string(pay.CallQuery), out.Kind)
	out = storable(out)
	rounds := 0
	var failed error
	o, err := g.change(ctx, m, o, func(o pay.Order, now time.Time) pay.Change {
		if rounds++; rounds > 1 { // the row was changed: somebody else may have taken them over
			if outside.Refunds, failed = g.untaken(ctx, o, outside.Refunds); failed != nil {
				return pay.Change{From: o, Order: o}
			}
		}
		p := g.profile(o)
		return p.Import(p.Apply(o, pay.CallQuery, out, now), outside, now)
	})
	return o, errors.Join(err, failed)
}

// settlePrepay applies the answer to a prepay call as settle does.
func (g *Gateway) settlePrepay(ctx context.Context, m *directory.Merchant, o pay.Order, out channel.PrepayOutcome) (pay.Order, error) {
	g.Metrics.outcome(o.Channel, string(pay.CallPrepay), out.Kind)
	said, pre := storable(out.Outcome), out.Prepaid
	for _, s := range []*string{&pre.CodeURL, &pre.PrepayID, &pre.MwebURL, &pre.TradeNo} {
		*s = clean(*s)
	}
	return g.change(ctx, m, o, func(o pay.Order, now time.Time) pay.Change {
		return g.profile(o).ApplyPrepay(o, said, pre, now)
	})
}

// storable drops from what a wallet said the bytes that no database keeps. An
// odd name must not stand between a payment and its settlement.
func storable(out pay.Outcome) pay.Outcome {
	p := &out.Payment
	for _, s := range []*string{&out.Code, &out.Text, &p.TransactionID, &p.PayerID, &p.BankType, &p.Promo} {
		*s = clean(*s)
	}
	return out
}

// clean drops NUL and what is not UTF-8.
func clean(s string) string { return strings.ToValidUTF8(strings.ReplaceAll(s, "\x00", ""), "") }

// change commits the change that decide makes of an order, deciding anew each
// time somebody else was first.
func (g *Gateway) change(ctx context.Context, m *directory.Merchant, o pay.Order, decide func(pay.Order, time.Time) pay.Change) (pay.Order, error) {
	for range maxRounds {
		now := g.now()
		c := decide(o, now)
		if !c.Changed() {
			g.raise(ctx, c)
			return o, nil
		}
		c.Order.Unit = g.Store.NewUnit()
		edits, due := g.orderEdits(ctx, m, c, now)
		won, err := g.Store.SettleOrder(ctx, c, edits...)
		if err != nil {
			return o, fmt.Errorf("settle order %s: %w", o.OutTradeNo, err)
		}
		if won {
			g.raise(ctx, c)
			g.settled(ctx, c)
			if due {
				g.runner.Wake()
			}
			return c.Order, nil
		}
		if o, err = g.Store.Order(ctx, o.MerchantID, o.OutTradeNo); err != nil {
			return o, fmt.Errorf("read order after a lost race: %w", err)
		}
	}
	return o, pay.Refuse(pay.ErrUnavailable, "busy", "订单正在处理，请稍后查询")
}

// orderEdits are the job rows that follow from a change: the settle job moved
// to the next step or finished, and one callback job per event. due reports
// whether some job may run at once.
func (g *Gateway) orderEdits(ctx context.Context, m *directory.Merchant, c pay.Change, now time.Time) (edits []jobs.Edit, due bool) {
	o := c.Order
	step := g.profile(o).Next(o, now)
	if step.Act == pay.ActNone {
		k := jobs.Key{MerchantID: o.MerchantID, Kind: kindSettle, Ref: o.OutTradeNo}
		edits = append(edits, jobs.Edit{Done: &k})
	} else {
		edits = append(edits, jobs.Edit{Put: g.settleJobOf(o, step.At, c.Silent)})
		due = !step.At.After(now)
	}
	for _, event := range c.Callbacks {
		if e, ok := g.callbackEdit(ctx, m, o.OutTradeNo, o.NotifyURL, event, now); ok {
			edits = append(edits, e)
			due = true
		}
	}
	return edits, due
}

// settled writes the one log line of a state change and counts it.
func (g *Gateway) settled(ctx context.Context, c pay.Change) {
	if c.From.State == c.Order.State && c.From.PaidSeen == c.Order.PaidSeen && c.From.Late == c.Order.Late {
		return
	}
	g.Metrics.settled(c.Order.Channel, c.Order.State)
	g.Evidence.Settled(c)
	g.Log.InfoContext(ctx, "order settled",
		slog.String("merchant_id", c.Order.MerchantID), slog.String("out_trade_no", c.Order.OutTradeNo),
		slog.String("from", string(c.From.State)), slog.String("to", string(c.Order.State)),
		slog.Int64("total_fen", int64(c.Order.Total)), slog.String("truth", string(c.Order.Truth)),
		slog.String("code", c.Order.Code))
}

// raise asks for a person, if the change does. It is called once the change
// stands: what was decided on a row that others had changed says nothing.
func (g *Gateway) raise(ctx context.Context, c pay.Change) {
	if c.Raise == "" {
		return
	}
	g.Metrics.raised(c.Order.Channel)
	g.Evidence.Raise(c.Order, "", c.Raise, g.now())
	g.Log.ErrorContext(ctx, "needs an operator",
		slog.String("merchant_id", c.Order.MerchantID), slog.String("out_trade_no", c.Order.OutTradeNo),
		slog.String("state", string(c.Order.State)), slog.String("why", c.Raise))
	if !c.Changed() { // else it was written with the change
		g.note(ctx, store.Attention{MerchantID: c.Order.MerchantID, OutTradeNo: c.Order.OutTradeNo, Why: c.Raise})
	}
}

// note puts a reason that changed nothing on the list of what wants a person. It
// has been logged and counted: that it cannot be written changes no money.
func (g *Gateway) note(ctx context.Context, a store.Attention) {
	a.Last = g.now()
	if err := g.Store.Raise(ctx, a); err != nil {
		g.Log.WarnContext(ctx, "what wants a person was not written down", slog.String("merchant_id", a.MerchantID),
			slog.String("out_trade_no", a.OutTradeNo), slog.String("error", err.Error()))
	}
}

// openRefund is commit 1 of a refund: the reservation on the order's row, the
// refund in PENDING and its job, due at once.
func (g *Gateway) openRefund(ctx context.Context, r pay.Refund, from pay.OrderState) (won bool, err error) {
	won, err = g.Store.OpenRefund(ctx, r, from, r.OpenPostings(), jobs.Edit{Put: g.refundJobOf(r, kindRefund, false)})
	if err != nil {
		return false, fmt.Errorf("commit refund %s: %w", r.OutRefundNo, err)
	}
	return won, nil
}

// changeRefund commits one change of a refund of order o and returns the row as written.
// won is false when somebody else changed it first; the caller reads it again.
func (g *Gateway) changeRefund(ctx context.Context, m *directory.Merchant, o pay.Order, c pay.RefundChange) (r pay.Refund, won bool, err error) {
	now := g.now()
	c.Refund.Unit = g.Store.NewUnit()
	r = c.Refund
	var edits []jobs.Edit
	send := jobs.Key{MerchantID: r.MerchantID, Kind: kindRefund, Ref: r.OutRefundNo}
	ask := jobs.Key{MerchantID: r.MerchantID, Kind: kindRefundAsk, Ref: r.OutRefundNo}
	switch {
	case r.State != pay.RefundPending:
		edits = append(edits, jobs.Edit{Done: &send}, jobs.Edit{Done: &ask})
	case r.Accepted:
		edits = append(edits, jobs.Edit{Done: &send}, jobs.Edit{Put: g.refundJobOf(r, kindRefundAsk, c.Silent)})
	default:
		edits = append(edits, jobs.Edit{Put: g.refundJobOf(r, kindRefund, c.Silent)})
	}
	for _, event := range c.Callbacks {
		if e, ok := g.callbackEdit(ctx, m, r.OutTradeNo, refundURL(o, r), event, now); ok {
			edits = append(edits, e)
		}
	}
	won, err = g.Store.SettleRefund(ctx, c, edits...)
	if err != nil {
		return r, false, fmt.Errorf("settle refund %s: %w", r.OutRefundNo, err)
	}
	if won {
		if c.Raise != "" {
			g.Metrics.raised(r.Channel)
			g.Evidence.Raise(o, r.OutRefundNo, c.Raise, now)
			g.Log.ErrorContext(ctx, "needs an operator",
				slog.String("merchant_id", r.MerchantID), slog.String("out_trade_no", r.OutTradeNo),
				slog.String("out_refund_no", r.OutRefundNo), slog.String("why", c.Raise))
		}
		if c.From.State != r.State {
			g.Metrics.refundSettled(r.Channel, r.State)
			g.Evidence.SettledRefund(c)
			g.Log.InfoContext(ctx, "refund settled",
				slog.String("merchant_id", r.MerchantID), slog.String("out_trade_no", r.OutTradeNo),
				slog.String("out_refund_no", r.OutRefundNo), slog.String("to", string(r.State)),
				slog.Int64("amount_fen", int64(r.Amount)), slog.String("code", r.Code))
		}
		g.runner.Wake()
	}
	return r, won, nil
}

// BookBill commits one step of a reconciliation: what a bill shows of fees,
// settlements and payouts is booked with it, and nothing else moves.
func (g *Gateway) BookBill(ctx context.Context, step store.ReconStep) (won bool, err error) {
	return g.Store.MoveRecon(ctx, step)
}

// EndDifference closes a difference between a bill and our books, with who and
// why, and books what repairs it in the same unit of work. What was decided by
// how a run stands is lost if run has moved since; nil is of no run.
func (g *Gateway) EndDifference(ctx context.Context, d store.Diff, state, who, why string, run *store.ReconRun, ps ...store.BillPosting) (won bool, err error) {
	if won, err = g.Store.CloseDiff(ctx, d, state, who, why, g.now(), run, ps...); err == nil && won {
		g.Log.InfoContext(ctx, "difference closed", slog.String("merchant_id", d.MerchantID), slog.String("channel", string(d.Channel)),
			slog.String("item", d.Item), slog.String("type", string(d.Type)), slog.String("state", state), slog.String("who", who))
	}
	return won, err
}

// settleJobOf is the job that drives an order.
func (g *Gateway) settleJobOf(o pay.Order, at time.Time, silent bool) *jobs.Job {
	return &jobs.Job{
		Lane:  g.silentLane(kindSettle, o.Channel, o.MerchantID, silent),
		Key:   jobs.Key{MerchantID: o.MerchantID, Kind: kindSettle, Ref: o.OutTradeNo},
		State: jobs.Ready, RunAt: at, CreatedAt: o.CreatedAt,
	}
}

// refundJobOf is the job that drives a refund. Sends of one order stand in one
// line: one refund is in flight per order (money.md §2).
func (g *Gateway) refundJobOf(r pay.Refund, kind string, silent bool) *jobs.Job {
	j := &jobs.Job{
		Lane:  g.silentLane(kind, r.Channel, r.MerchantID, silent),
		Key:   jobs.Key{MerchantID: r.MerchantID, Kind: kind, Ref: r.OutRefundNo},
		State: jobs.Ready, RunAt: r.DoAt, CreatedAt: r.CreatedAt, Seq: r.CreatedAt.UnixMilli(),
	}
	if kind == kindRefund {
		j.Queue = "refund:" + r.OutTradeNo
	}
	return j
}
