package gateway

import (
	"context"
	"errors"

	"cloudpay/internal/channel"
	"cloudpay/internal/directory"
	"cloudpay/internal/pay"
)

// maxNumber is the longest refund number of somebody else that is taken over,
// in bytes (upstreams.md §3.6).
const maxNumber = 64

// outside asks the wallet for the refunds of an order that it calls refunded,
// and returns those that were not made here (money.md §2). ok is false when
// there is nothing to ask, or nobody who could list them: then the order's own
// rules decide.
func (g *Gateway) outside(ctx context.Context, wallet channel.Channel, req channel.OrderRequest, o pay.Order, out pay.Outcome) (found pay.Outside, ok bool) {
	lister, can := wallet.(channel.RefundLister)
	if !can || out.Kind != pay.Paid || !out.Payment.RefundState {
		return found, false
	}
	one, cancel := context.WithTimeout(ctx, channel.QueryTimeout)
	list := lister.Refunds(one, req)
	cancel()
	switch {
	case list.Alert: // the account has no key for the list: it will not have one in half a minute
		return found, false
	case list.Kind != pay.Paid:
		return pay.Outside{Lost: true}, true
	}
	found.Whole = true
	for _, r := range list.Refunds {
		switch ours, err := g.Store.Refund(ctx, o.MerchantID, r.OutRefundNo); {
		case err == nil && ours.OutTradeNo == o.OutTradeNo:
			if ours.State == pay.RefundRejected && r.Kind != pay.Declined { // its reservation was freed
				found.Open, found.Made, found.Whole = true, true, false
			}
			continue
		case err == nil: // the number is another order's with us
			found.Open, found.Whole = true, false
			continue
		case !errors.Is(err, pay.ErrNotFound):
			return pay.Outside{Lost: true}, true
		}
		take(&found, r.OutRefundNo, r.RefundOutcome)
	}
	return found, true
}

// untaken returns those refunds of an order that are not on record. It is asked
// after the order's row was read: whoever takes one over changes that row.
func (g *Gateway) untaken(ctx context.Context, o pay.Order, list []pay.OutsideRefund) (left []pay.OutsideRefund, err error) {
	for _, r := range list {
		switch _, err := g.Store.Refund(ctx, o.MerchantID, r.OutRefundNo); {
		case errors.Is(err, pay.ErrNotFound):
			left = append(left, r)
		case err != nil:
			return nil, err
		}
	}
	return left, nil
}

// take adds one refund of somebody else to what was found.
func take(found *pay.Outside, no string, r channel.RefundOutcome) {
	switch {
	case r.Kind == pay.Declined: // closed: nothing went back
	case r.Kind == pay.Paid && !r.ByHand && len(no) <= maxNumber && clean(no) == no:
		paid := r.Refund
		for _, s := range []*string{&paid.RefundID, &paid.RecvAccount, &paid.Promo} {
			*s = clean(*s)
		}
		found.Refunds = append(found.Refunds, pay.OutsideRefund{OutRefundNo: no, RefundPaid: paid})
	default:
		found.Open, found.Whole = true, false
	}
}

// madeElsewhere takes a notice of a refund that was not made here: the wallet is
// asked for the order and for its refunds, or for the one that the notice
// names, and what went back is taken over before the order is called paid
// (money.md §2). Nothing of the notice is believed but the number to ask for.
func (g *Gateway) madeElsewhere(ctx context.Context, m *directory.Merchant, wallet channel.Channel, req channel.OrderRequest, o pay.Order, n channel.Notice) error {
	out := ask(ctx, channel.QueryTimeout, req, wallet.Query)
	if !out.Verified && out.Kind == pay.Unknown {
		if _, err := g.settle(ctx, m, o, pay.CallQuery, out); err != nil {
			return err
		}
		if _, err := g.change(ctx, m, o, g.profile(o).Look); err != nil {
			return err
		}
		return pay.Refuse(pay.ErrUnavailable, "wallet_silent", "the wallet does not say how the order is")
	}
	found, listed := g.outside(ctx, wallet, req, o, out)
	if !listed {
		found = g.named(ctx, wallet, req, o, n)
		if found.Lost {
			return pay.Refuse(pay.ErrUnavailable, "wallet_silent", "the wallet does not say how the refund is")
		}
	}
	_, err := g.settleWithRefunds(ctx, m, o, out, found)
	if err == nil && found.Lost { // the notice says that there is one, and nothing else does
		err = pay.Refuse(pay.ErrUnavailable, "wallet_silent", "the wallet does not list the refunds of the order")
	}
	return err
}

// madeAfterAll takes a notice of a refund that the wallet had refused, and whose
// reservation was freed: if the wallet has made it all the same, a person is
// asked, and the order is looked at for what may still be refunded.
func (g *Gateway) madeAfterAll(ctx context.Context, m *directory.Merchant, wallet channel.Channel, req channel.OrderRequest, o pay.Order, r pay.Refund) error {
	one, cancel := context.WithTimeout(ctx, channel.QueryTimeout)
	out := wallet.QueryRefund(one, channel.RefundRequest{OrderRequest: req, OutRefundNo: r.OutRefundNo, Amount: r.Amount})
	cancel()
	switch {
	case out.Kind == pay.Paid || out.Kind == pay.Waiting || out.ByHand:
		g.raise(ctx, pay.Change{From: o, Order: o, Raise: pay.RaiseMade})
		_, err := g.change(ctx, m, o, g.profile(o).Look)
		return err
	case out.Kind == pay.Unknown && !out.Verified:
		return pay.Refuse(pay.ErrUnavailable, "wallet_silent", "the wallet does not say how the refund is")
	}
	return nil // refused, as we have it
}

// named asks for the one refund that a notice names. Alipay's notice has the sum
// of all refunds instead of its own amount: what is more than ours is that
// refund, or several, and then the wallet's answer differs and nothing is
// refundable until the bill.
func (g *Gateway) named(ctx context.Context, wallet channel.Channel, req channel.OrderRequest, o pay.Order, n channel.Notice) (found pay.Outside) {
	sum := n.Outcome.Payment.Refunded
	amount := n.Refund.Refund
	if amount == 0 {
		amount = sum - o.Refunded
	}
	one, cancel := context.WithTimeout(ctx, channel.QueryTimeout)
	defer cancel()
	r := wallet.QueryRefund(one, channel.RefundRequest{OrderRequest: req, OutRefundNo: n.OutRefundNo, Amount: amount})
	switch {
	case r.Lost:
		found.Lost = true
	case r.Reason == pay.ReasonNotFound: // it was never made, or is not seen yet
	default:
		take(&found, n.OutRefundNo, r)
	}
	return found
}
