package pay

import "time"

// A payment that the wallet dates before our order is an earlier one of the same
// number, or our clock was ahead when the order was sent and has been set right
// since. Where neither the wallet nor the time tells which, the payment is in
// doubt: a person decides, and until then nobody is told that it failed
// (docs/decisions/0046).

// doubtful reports whether a payment that foreign calls another's may be ours:
// the wallet never called the number a duplicate, the amount is the order's, and
// our clock may have been ahead by as much.
func (p Profile) doubtful(o Order, out Outcome, now time.Time) bool {
	if o.Reason != ReasonDoubt && (o.NoReverse || o.Duplicate) {
		return false
	}
	pm := out.Payment
	early := o.SentAt.Add(-p.PayTimeSlack).Sub(pm.PaidAt.Add(out.ahead(o, now)))
	return early <= p.PayTimeDoubt && (pm.Total == 0 || pm.Total == o.Total)
}

// doubt ends an order whose payment is in doubt. The money is held as late money
// is, under a number that may be another's: it is never reversed or returned by
// itself, and adopted by a person only.
func (p Profile) doubt(c *Change, truth Truth, out Outcome, now time.Time) {
	n := &c.Order
	switch n.State {
	case PAYING, REVERSING, CLOSING:
		older := p.mayGiveBack(*n)
		if n.State == CLOSING {
			n.State = CLOSED
		}
		if !n.State.Final() {
			endAsDuplicate(c, truth)
		}
		n.NoReverse, n.Duplicate, n.Reason, n.Truth, n.Seen = true, true, ReasonDoubt, truth, Unknown
		if older { // what was said may be older than the reverse: asked once more
			n.Watch, n.AskAt = true, now
			return
		}
	case DECLINED, REVERSED, CLOSED, PAID:
	}
	p.lateMoney(c, truth, out, now)
	if n.Late == LateHeld && c.From.Late != LateHeld {
		n.NoReverse, n.Duplicate, n.HoldLate = true, true, true
		c.Raise = RaiseDoubt
	}
}

// doubted reports whether nobody knows yet whether an order that has ended was
// paid. One that the merchant was told is closed stays closed for him.
func (o Order) doubted() bool {
	told := o.State == CLOSED && o.ReverseAsk && !o.UnpaidAt.IsZero()
	return o.State.Final() && o.Reason == ReasonDoubt && !told && (o.Late == LateHeld || o.Late == LateNone && o.Watch)
}
