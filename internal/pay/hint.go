package pay

import "time"

// Look has a paid order, or one with late money in suspense, asked for once more
// at now: something was heard of it that only a query may say, such as a refund
// that was not made here. Open orders are asked for anyway, and other dead ones
// have nothing to tell.
func (p Profile) Look(o Order, now time.Time) Change {
	c := Change{From: o, Order: o}
	if !o.Taken() && o.Late != LateHeld || o.Watch {
		return c
	}
	c.Order.Watch, c.Order.AskAt = true, now
	return p.seal(c, now)
}

// LookRefund has an open refund asked for at now rather than later: a notice of
// it proves nothing (upstreams.md §2.7). A refund that waits to be sent is left
// alone.
func (p Profile) LookRefund(r Refund, now time.Time) RefundChange {
	c := RefundChange{From: r, Refund: r}
	if r.State == RefundPending && r.Do == ActAsk && r.DoAt.After(now) {
		c.Refund.DoAt, c.Refund.UpdatedAt = now, now
	}
	return c
}

// Hurry has a unified order asked for at now, because somebody waits for it and
// the last question is at least one step of the young ladder ago.
func (p Profile) Hurry(o Order, now time.Time) Change {
	c := Change{From: o, Order: o}
	if !o.Payable() || !o.AskAt.After(now) || now.Sub(later(o.AskedAt, o.SentAt)) < p.QueryEvery {
		return c
	}
	c.Order.AskAt = now
	return p.seal(c, now)
}

// SaysUnpaid reports whether an answer denies a payment that may be made, or be
// seen, a moment later: not paid yet, or not known.
func (out Outcome) SaysUnpaid() bool {
	return out.Kind == Waiting || out.Kind != Paid && out.Reason == ReasonNotFound
}

// AskAgain has an order asked for at now, because the answer to the last
// question was overtaken. A final order that is not watched is left alone.
func (p Profile) AskAgain(o Order, now time.Time) Change {
	c := Change{From: o, Order: o}
	if o.State.Final() && !o.Watch {
		return c
	}
	c.Order.AskAt = now
	return p.seal(c, now)
}
