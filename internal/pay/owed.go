package pay

import "time"

// A cancel of ours that is still on its way, or whose answer nobody has heard,
// may give a payment back after we have seen it. This file keeps that payment
// from being owed to the customer a second time (docs/decisions/0016).

// mayGiveBack reports whether a call has left that undoes a payment, so that
// what the wallet said of the order may be older than that. A plain close gives
// nothing back.
func (p Profile) mayGiveBack(o Order) bool {
	return o.ReverseTries > 0 && (p.ClosesByCancel(o) || !o.ReverseSentAt.IsZero())
}

// lateRefused reports whether the return of late money was refused for good.
// Nothing but that return is ever sent for a closed order.
func (o Order) lateRefused() bool {
	return o.Late == LateHeld && o.Reserved == 0 && !o.RefundSentAt.IsZero()
}

// gaveBack takes a cancel's answer for an order that was closed meanwhile: the
// customer had paid and has the money again. The query that it asks for books it.
// It is not asked for where a return is about to leave, which learns it.
func gaveBack(c *Change, out Outcome, now time.Time) {
	n := &c.Order
	if out.Kind != Paid || !out.Returned {
		return
	}
	waits := n.Late == LateHeld && n.HoldLate && n.Reserved == 0 || n.Late == LateAdopted || n.lateRefused()
	if n.State.Final() && waits || n.State == CLOSED && n.Late == LateNone {
		n.Watch, n.AskAt = true, now
	}
}

// wentBack notes that late money which nobody here is returning went back to the
// customer: the wallet refunded it after its refusal, or somebody did in the
// wallet's console. It reports whether there was any.
func wentBack(c *Change, truth Truth) bool {
	n := &c.Order
	if n.Late != LateHeld || n.Reserved > 0 {
		return false
	}
	n.Late, n.Truth = LateReturned, truth
	c.Postings = append(c.Postings, PostLateReversed(n.Total, n.Settlement))
	c.Calm = append(c.Calm, RaiseLate, RaiseDoubt)
	return true
}

// deadAndClosed takes a verified TRADE_CLOSED or REVOKED of a closed order.
func (p Profile) deadAndClosed(c *Change, truth Truth, out Outcome, now time.Time) {
	n := &c.Order
	switch {
	case !out.Returned:
		if n.Watch && truth == TruthQuery {
			n.Watch = false
			c.Raise = "the wallet denies a payment of a closed order that it confirmed"
		}
		return
	case wentBack(c, truth): // it went back after all
	case n.Late == LateNone && p.mayGiveBack(*n) && !n.NoReverse && !n.Duplicate && !p.foreign(*n, out, now):
		p.cameAndWent(c, truth, out, now)
	}
	n.Watch = false
}

// WantsOrder reports whether the wallet must be asked for the order before c,
// made of the answer out, is committed: what the server owes was neither given
// back nor is it on its way. A cancel may have been faster, and the refund of a
// trade that is closed by it is refused for ever.
func (c RefundChange) WantsOrder(call RefundCall, out Outcome) bool {
	if c.From.State != RefundPending || c.From.Origin != OriginLate && c.From.Origin != OriginReverse {
		return false
	}
	refused := call == CallRefund && out.Verified && (out.Kind == Declined || out.Kind == Unknown)
	return refused && c.Refund.State == RefundPending || c.Refund.State == RefundRejected
}

// OrderSaid corrects c by what the wallet says of its order. If all of the
// payment went back, that was the refund. A refusal stands only once the wallet
// has told how the order is; until then it is asked again.
func (p Profile) OrderSaid(o Order, c RefundChange, out Outcome, now time.Time) RefundChange {
	n := &c.Refund
	told := out.Kind == Paid || out.Kind == Waiting || out.aboutOrder() || out.Differs || out.Reason == ReasonNotFound
	switch {
	case out.aboutOrder() && out.Returned:
		c = RefundChange{From: c.From, Refund: c.Refund}
		p.refunded(&c, RefundPaid{Settlement: o.Settlement, Cash: o.Cash}, now)
	case n.State == RefundRejected && (!out.Verified || !told):
		n.State, n.Refused, n.Do, n.DoAt = RefundPending, true, ActAsk, now.Add(max(pick(p.RefundPauses, n.Tries), out.Pause))
		c.Reserved, c.Postings, c.Raise = 0, nil, ""
		if out.Alert {
			c.Raise = "the wallet's answer needs an operator: " + string(CallQuery) + " " + out.Code
		}
	}
	return c
}
