package gateway

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"time"

	"cloudpay/internal/channel"
	"cloudpay/internal/directory"
	"cloudpay/internal/jobs"
	"cloudpay/internal/pay"
)

// settleLadder is how a job of this room waits after an error of ours (a
// database that is away, a directory that cannot be read). It never ends: an
// order is driven until its truth is known.
var settleLadder = []time.Duration{time.Second, 2 * time.Second, 5 * time.Second, 15 * time.Second, 30 * time.Second, time.Minute}

// settleJob does the next step of an order's policy (money.md §3): one act per
// claim, so that a crash between two acts loses nothing.
func (g *Gateway) settleJob(ctx context.Context, j jobs.Job) (jobs.Verdict, error) {
	o, err := g.Store.Order(ctx, j.MerchantID, j.Ref)
	if errors.Is(err, pay.ErrNotFound) {
		return jobs.Done(), nil
	} else if err != nil {
		return jobs.Verdict{}, err
	}
	now := g.now()
	step := g.profile(o).Next(o, now)
	if step.Act == pay.ActNone {
		return jobs.Done(), nil
	}
	if step.At.After(now) {
		return jobs.Again(step.At), nil
	}
	m, err := g.Directory.Merchant(ctx, o.MerchantID)
	if err != nil {
		return jobs.Verdict{}, fmt.Errorf("find merchant: %w", err)
	}
	wallet, sub, err := g.wallet(ctx, m, o.Channel)
	if err != nil {
		return jobs.Verdict{}, fmt.Errorf("find channel: %w", err)
	}
	after, heard, err := g.act(ctx, turn{m, wallet, orderRequest(o, sub), j.LeaseUntil}, o, step.Act)
	if err != nil {
		return jobs.Verdict{}, err
	}
	return heard.of(g.verdict(after)), nil
}

// verdict says when the order wants its job again. The unit that settled it
// has already moved or finished the job; saying it once more only frees it then.
func (g *Gateway) verdict(o pay.Order) jobs.Verdict {
	now := g.now()
	step := g.profile(o).Next(o, now)
	switch step.Act {
	case pay.ActNone:
		return jobs.Done()
	case pay.ActRefund: // driven by the refund's own job
		return jobs.Again(now.Add(lateLook))
	case pay.ActQuery, pay.ActReverse, pay.ActCancel, pay.ActClose, pay.ActSend, pay.ActAsk:
	}
	return jobs.Again(step.At)
}

// lateLook is how often an order looks whether the refund it waits for is done.
const lateLook = 10 * time.Second

// turn is one attempt at driving an order.
type turn struct {
	m      *directory.Merchant
	wallet channel.Channel
	req    channel.OrderRequest
	until  time.Time // others may take the job over then
}

// over reports that a call that changes something at a wallet would outlast the
// turn: this process was stopped, or its machine, or its disk is slow. It must
// not be made, because whoever has taken over may have drawn his conclusions. A
// deadline of ctx alone would not see it: its clock stands still with the machine.
func (g *Gateway) over(ctx context.Context, until time.Time, what, ref string) bool {
	if !g.now().Add(channel.ChangeTimeout).After(until) {
		return false
	}
	g.Log.WarnContext(ctx, "not sent: the lease of the job is nearly over", slog.String("act", what), slog.String("ref", ref))
	return true
}

// act calls the wallet once and settles what it says. heard tells whether it
// answered.
func (g *Gateway) act(ctx context.Context, t turn, o pay.Order, act pay.Act) (after pay.Order, heard answered, err error) {
	m, wallet := t.m, t.wallet
	ask := func(limit time.Duration, do func(context.Context, channel.OrderRequest) pay.Outcome) pay.Outcome {
		out := ask(ctx, limit, t.req, do)
		heard = answeredBy(out)
		return out
	}
	switch act {
	case pay.ActQuery:
		out := ask(channel.QueryTimeout, wallet.Query)
		outside, listed := g.outside(ctx, wallet, t.req, o, out)
		if !listed {
			after, err = g.settle(ctx, m, o, pay.CallQuery, out)
			return after, heard, err
		}
		after, err = g.settleWithRefunds(ctx, m, o, out, outside)
		return after, heard, err
	case pay.ActClose:
		p := g.profile(o)
		started, ours, err := g.start(ctx, m, o, p.StartClose)
		if err != nil || !ours || g.over(ctx, t.until, string(act), o.OutTradeNo) {
			return started, heard, err // somebody else changed the order, or may have: look again
		}
		do := wallet.Close
		if p.ClosesByCancel(started) {
			do = wallet.Reverse
		}
		after, err = g.settle(ctx, m, started, pay.CallClose, ask(channel.ChangeTimeout, do))
		return after, heard, err
	case pay.ActReverse, pay.ActCancel:
		started, ours, err := g.start(ctx, m, o, g.profile(o).StartReverse)
		if err != nil || !ours || g.over(ctx, t.until, string(act), o.OutTradeNo) {
			return started, heard, err // somebody else changed the order, or may have: look again
		}
		call, do := pay.CallReverse, wallet.Reverse
		if act == pay.ActCancel && started.State == pay.REVERSING { // row 10: waiting, so close
			call, do = pay.CallClose, wallet.Close
		}
		after, err = g.settle(ctx, m, started, call, ask(channel.ChangeTimeout, do))
		return after, heard, err
	case pay.ActRefund:
		after, err = g.returnInFull(ctx, m, o)
		return after, heard, err
	case pay.ActNone, pay.ActSend, pay.ActAsk:
	}
	return o, heard, nil
}

// ask makes one bounded call.
func ask(ctx context.Context, limit time.Duration, req channel.OrderRequest, call func(context.Context, channel.OrderRequest) pay.Outcome) pay.Outcome {
	ctx, cancel := context.WithTimeout(ctx, limit)
	defer cancel()
	ctx, walletTime := channel.WithWalletTime(ctx)
	out := call(ctx, req)
	out.WalletTime = walletTime()
	return out
}

// start commits that a reverse or a close is about to leave. It is decided on
// the row as read: if that row has changed, ours is false and nothing may be
// sent, even if somebody else has started the same meanwhile.
func (g *Gateway) start(ctx context.Context, m *directory.Merchant, o pay.Order, decide func(pay.Order, time.Time) pay.Change) (started pay.Order, ours bool, err error) {
	rounds := 0
	started, err = g.change(ctx, m, o, func(row pay.Order, now time.Time) pay.Change {
		if rounds++; rounds > 1 {
			return pay.Change{From: row, Order: row}
		}
		return decide(row, now)
	})
	return started, rounds == 1 && err == nil, err
}

// returnInFull gives all the money of an order back by a refund under a fixed
// number: a reverse that came too late (row 10), or late money.
func (g *Gateway) returnInFull(ctx context.Context, m *directory.Merchant, o pay.Order) (pay.Order, error) {
	no, origin := "rv-"+o.OutTradeNo, pay.OriginReverse
	if o.Late == pay.LateHeld {
		no, origin = "late-"+o.OutTradeNo, pay.OriginLate
	}
	r, err := g.Store.Refund(ctx, o.MerchantID, no)
	switch {
	case errors.Is(err, pay.ErrNotFound):
		now := g.now()
		_, err := g.openRefund(ctx, pay.Refund{
			MerchantID: o.MerchantID, OutRefundNo: no, OutTradeNo: o.OutTradeNo, Channel: o.Channel,
			State: pay.RefundPending, Origin: origin, Total: o.Total, Amount: o.Total, Reason: "撤单退款",
			RefundID: ownNumber(now, no), Do: pay.ActSend, DoAt: now, CreatedAt: now, UpdatedAt: now,
		}, o.State)
		if err == nil {
			g.runner.Wake()
		}
		return o, err
	case err != nil:
		return o, fmt.Errorf("read refund %s: %w", no, err)
	case (r.State == pay.RefundSucceeded || r.State == pay.RefundOffline) && origin == pay.OriginReverse:
		return g.change(ctx, m, o, g.profile(o).RefundedInstead)
	}
	return o, nil
}
