package gateway

import (
	"context"
	"errors"
	"fmt"
	"time"

	"cloudpay/internal/channel"
	"cloudpay/internal/directory"
	"cloudpay/internal/jobs"
	"cloudpay/internal/pay"
)

// AskWallet asks the wallet for an order, whatever its state, and settles what
// it says, as the ladder would. It returns the order as it stands afterwards and
// what the wallet said. Money that is found for a dead order is held, and goes
// the way of late money.
func (g *Gateway) AskWallet(ctx context.Context, m *directory.Merchant, outTradeNo string) (pay.Order, pay.Outcome, error) {
	o, err := g.find(ctx, m, outTradeNo)
	if err != nil {
		return pay.Order{}, pay.Outcome{}, err
	}
	wallet, sub, err := g.wallet(ctx, m, o.Channel)
	if err != nil {
		return pay.Order{}, pay.Outcome{}, fmt.Errorf("find channel: %w", err)
	}
	req := orderRequest(o, sub)
	out := ask(ctx, channel.QueryTimeout, req, wallet.Query)
	if found, listed := g.outside(ctx, wallet, req, o, out); listed {
		o, err = g.settleWithRefunds(ctx, m, o, out, found)
	} else {
		o, err = g.settle(ctx, m, o, pay.CallQuery, out)
	}
	if err == nil && !o.AskAt.IsZero() && !o.AskAt.After(g.now()) {
		g.runFor(ctx, jobs.Key{MerchantID: o.MerchantID, Kind: kindSettle, Ref: o.OutTradeNo})
		o, err = g.find(ctx, m, outTradeNo)
	}
	return o, out, err
}

// AskStranger asks the wallet for an order that we do not have. Nothing is
// settled. total is what the order is said to be of.
func (g *Gateway) AskStranger(ctx context.Context, m *directory.Merchant, ch pay.Channel, outTradeNo string, total pay.Fen) (pay.Outcome, error) {
	wallet, sub, err := g.wallet(ctx, m, ch)
	if err != nil {
		return pay.Outcome{}, fmt.Errorf("find channel: %w", err)
	}
	return ask(ctx, channel.QueryTimeout, channel.OrderRequest{Merchant: sub, OutTradeNo: outTradeNo, Total: total}, wallet.Query), nil
}

// AskRefund asks the wallet for one refund of an order and settles what it
// says. One that was not made here is taken over with its order, and one that we
// have as rejected is taken back if the wallet has made it. amount is what
// the refund is said to be of. It returns the refund as it stands afterwards,
// and what the wallet said of it; an error that wraps pay.ErrNotFound says that
// the wallet told of none that we could take over.
func (g *Gateway) AskRefund(ctx context.Context, m *directory.Merchant, outTradeNo, outRefundNo string, amount pay.Fen) (pay.Refund, pay.Outcome, error) {
	o, err := g.find(ctx, m, outTradeNo)
	if err != nil {
		return pay.Refund{}, pay.Outcome{}, err
	}
	wallet, sub, err := g.wallet(ctx, m, o.Channel)
	if err != nil {
		return pay.Refund{}, pay.Outcome{}, fmt.Errorf("find channel: %w", err)
	}
	req := orderRequest(o, sub)
	r, err := g.Store.Refund(ctx, m.ID, outRefundNo)
	if errors.Is(err, pay.ErrNotFound) {
		n := channel.Notice{OutRefundNo: outRefundNo}
		n.Refund.Refund = amount
		if err := g.madeElsewhere(ctx, m, wallet, req, o, n); err != nil {
			return pay.Refund{}, pay.Outcome{}, err
		}
		r, err = g.Store.Refund(ctx, m.ID, outRefundNo)
		return r, pay.Outcome{Kind: pay.Paid, Verified: true}, err
	} else if err != nil {
		return pay.Refund{}, pay.Outcome{}, fmt.Errorf("read refund: %w", err)
	}
	if r.OutTradeNo != o.OutTradeNo {
		return pay.Refund{}, pay.Outcome{}, pay.Refuse(pay.ErrDenied, "refund_other", "退款单不属于该订单")
	}
	one, cancel := context.WithTimeout(ctx, channel.QueryTimeout)
	out := wallet.QueryRefund(one, channel.RefundRequest{OrderRequest: req, OutRefundNo: r.OutRefundNo, Amount: r.Amount})
	cancel()
	g.Metrics.outcome(r.Channel, string(pay.CallQueryRefund), out.Kind)
	out.Outcome = storable(out.Outcome)
	switch {
	case r.State == pay.RefundPending:
		g.hurryRefund(ctx, r)
		r, err = g.Store.Refund(ctx, m.ID, outRefundNo)
		return r, out.Outcome, err
	case r.State == pay.RefundRejected && out.Kind == pay.Paid:
		r, err = g.takeBack(ctx, m, r, out)
		return r, out.Outcome, err
	}
	return r, out.Outcome, nil // final: what the wallet says now is for a person
}

// takeBack books a refund that we have as rejected and that the wallet has made.
func (g *Gateway) takeBack(ctx context.Context, m *directory.Merchant, r pay.Refund, out channel.RefundOutcome) (pay.Refund, error) {
	for _, s := range []*string{&out.Refund.RefundID, &out.Refund.RecvAccount, &out.Refund.Promo} {
		*s = clean(*s)
	}
	for range maxRounds {
		o, err := g.find(ctx, m, r.OutTradeNo)
		if err == nil {
			r, err = g.Store.Refund(ctx, m.ID, r.OutRefundNo)
		}
		if err != nil || r.State != pay.RefundRejected {
			return r, err
		}
		c, err := g.profile(o).TakeBack(o, r, out.Outcome, out.Refund, out.ByHand, g.now())
		if err != nil {
			return r, err
		}
		if after, won, err := g.changeRefund(ctx, m, o, c); err != nil || won {
			return after, err
		}
	}
	return r, pay.Refuse(pay.ErrUnavailable, "busy", "退款正在处理，请稍后重试")
}

// hurryRefund runs the job of an open refund now, if its pauses allow it.
func (g *Gateway) hurryRefund(ctx context.Context, r pay.Refund) {
	for _, kind := range []string{kindRefundAsk, kindRefund} {
		g.runFor(ctx, jobs.Key{MerchantID: r.MerchantID, Kind: kind, Ref: r.OutRefundNo})
	}
}

// TrustBill notes that an order rests on the wallet's bill, the highest truth
// (design.md §11).
func (g *Gateway) TrustBill(ctx context.Context, m *directory.Merchant, outTradeNo string) error {
	o, err := g.find(ctx, m, outTradeNo)
	if err != nil {
		return err
	}
	_, err = g.change(ctx, m, o, func(o pay.Order, now time.Time) pay.Change {
		c := pay.Change{From: o, Order: o}
		if o.Truth != pay.TruthBill {
			c.Order.Truth, c.Order.UpdatedAt = pay.TruthBill, now
		}
		return c
	})
	return err
}

// CameAndWent books a payment that the wallet's bill has of an order that ended
// unpaid, if it is known to have gone back (pay.Profile.CameAndWent), and returns
// the order as it stands afterwards.
func (g *Gateway) CameAndWent(ctx context.Context, m *directory.Merchant, o pay.Order, b pay.BilledPayment) (pay.Order, error) {
	b.TransactionID = clean(b.TransactionID)
	return g.change(ctx, m, o, func(o pay.Order, now time.Time) pay.Change {
		return g.profile(o).CameAndWent(o, b, now)
	})
}
