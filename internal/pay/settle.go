package pay

import (
	"slices"
	"time"
)

// Call says which call an outcome answers.
type Call string

// The calls whose outcomes change an order.
const (
	CallPay     Call = "pay"
	CallPrepay  Call = "prepay"
	CallQuery   Call = "query"
	CallReverse Call = "reverse"
	CallClose   Call = "close"
	CallNotice  Call = "notice"
)

// transitions is the diagram of money.md §1 with rows 10 and 11 of §3. Every
// other move is forbidden, and the diagonal is progress within a state.
var transitions = map[OrderState][]OrderState{
	PAYING:    {PAID, DECLINED, REVERSING, CLOSING},
	CLOSING:   {CLOSED, PAID},
	PAID:      {REVERSING},
	REVERSING: {REVERSED, PAID, CLOSED},
	DECLINED:  {},
	REVERSED:  {},
	CLOSED:    {},
}

// Allowed reports whether an order may go from one state to another.
func Allowed(from, to OrderState) bool {
	return from == to || slices.Contains(transitions[from], to)
}

// Apply says what one outcome means for an order. It never returns a change
// that the transitions forbid; it panics if it would, since that is a mistake
// in this package and nothing has been written yet.
func (p Profile) Apply(o Order, call Call, out Outcome, now time.Time) Change {
	c := Change{From: o, Order: o, Silent: out.Lost}
	if out.Code != "" && !o.refused(call, out) {
		c.Order.Code, c.Order.Text = out.Code, out.Text
		if call != CallQuery || out.Kind != Declined || out.aboutOrder() { // else it is why the question was refused
			c.Order.Reason = out.Reason
		}
	}
	if out.Alert {
		c.Raise = "the wallet's answer needs an operator: " + string(call) + " " + out.Code
	}
	switch call {
	case CallPay:
		p.applyPay(&c, out, now)
	case CallQuery, CallNotice:
		p.applyQuery(&c, call, out, now)
		p.raiseUnknown(&c, now)
	case CallReverse:
		p.applyReverse(&c, out, now)
	case CallClose:
		p.applyClose(&c, out, now)
	case CallPrepay:
		panic("pay: a prepay answer is ApplyPrepay's")
	}
	return p.seal(c, now)
}

// refused reports whether the row holds a refusal that the till must still
// read: what a later query says of the order does not replace it. Nor does it
// end a doubt.
func (o Order) refused(call Call, out Outcome) bool {
	if o.State == DECLINED || o.State.Final() && o.Reason == ReasonDoubt {
		return true
	}
	asked := call == CallQuery || call == CallNotice
	return asked && o.State == PAYING && (o.Reason == ReasonRisk || o.Reason == ReasonDuplicate) &&
		out.Kind != Paid && out.Kind != Waiting
}

// aboutOrder reports whether a Declined answer to a question is the state of
// what was asked for. A refusal with any other reason (no permission, a
// revoked token, a bad signature) refuses the question and says nothing of
// the money; the code tables give states no reason, or "state". APIv3's
// ORDER_CLOSED is such a refusal: a closed order is answered by its state.
func (out Outcome) aboutOrder() bool {
	if out.Kind != Declined || !out.Verified {
		return false
	}
	return out.Reason == ReasonNone || out.Reason == ReasonState
}

// seal checks the transition, clears what a final state no longer needs and
// stamps the row if anything changed.
func (p Profile) seal(c Change, now time.Time) Change {
	n := &c.Order
	if !Allowed(c.From.State, n.State) {
		panic("pay: " + string(c.From.State) + " may not become " + string(n.State))
	}
	if n.State.Final() && !n.Watch {
		n.AskAt = time.Time{}
	}
	if !c.From.State.Final() && n.State.Final() {
		c.Calm = append(c.Calm, p.calmedByEnd(c.From)...)
	}
	if c.From.State == REVERSING && n.State == REVERSED && !n.Duplicate {
		c.Callbacks = append(c.Callbacks, EventReversed)
	}
	if c.Changed() {
		n.UpdatedAt = now
	}
	return c
}

// applyPay takes the answer to the only send of the payment.
func (p Profile) applyPay(c *Change, out Outcome, now time.Time) {
	n := &c.Order
	n.NoReverse = n.NoReverse || out.NoReverse
	if out.Kind == Paid {
		p.paid(c, TruthAnswer, out, now)
		return
	}
	if n.State != PAYING {
		// Somebody else already knows more than this answer. What it says of
		// the number still counts: a reverse must not leave (row 6).
		noReverse := n.NoReverse
		c.Order = c.From
		if !n.State.Final() {
			n.NoReverse = noReverse
		}
		return
	}
	switch out.Kind {
	case Waiting:
		n.Seen, n.UnpaidAt, n.AskAt = Waiting, now, now.Add(p.QueryEvery)
	case Declined: // row 5
		n.State, n.Truth = DECLINED, TruthAnswer
		n.Duplicate = out.Reason == ReasonDuplicate
		n.Watch, n.Seen = p.WatchAt > 0 && out.Reason == ReasonCustomer, ""
		n.AskAt = n.SentAt.Add(p.WatchAt)
	case Unknown:
		n.Seen, n.AskAt = Unknown, now.Add(p.QueryEvery)
		if out.Lost || out.Next == NextQueryFirst { // row 1: at once
			n.AskAt = now
		}
	case Paid:
	}
}

// applyQuery takes the wallet's word on the order's state.
func (p Profile) applyQuery(c *Change, call Call, out Outcome, now time.Time) {
	n := &c.Order
	truth := TruthQuery
	if call == CallNotice {
		truth = TruthNotice
		if out.Kind == Waiting || out.Kind == Unknown {
			c.Order = c.From // a notice may be old: only a query shows an order unpaid
			return
		}
	} else {
		n.AskedAt = now
		n.Asks++
	}
	if n.State.Final() && !n.Watch && out.Kind != Paid && !out.Returned {
		c.Order = c.From
		return
	}
	if n.Taken() && out.Kind != Paid && !out.aboutOrder() {
		// The confirming query learned nothing: ask again. A wallet that denies
		// a payment it has confirmed needs a person; one that cannot say now does not.
		n.AskAt = now.Add(p.askPause(*n, now))
		if out.Verified && out.Next != NextRetrySame {
			c.Raise = "the wallet denies a payment that it confirmed: " + out.Code
		}
		return
	}
	switch out.Kind {
	case Paid:
		p.paid(c, truth, out, now)
	case Waiting:
		p.unpaid(c, now)
	case Declined, Unknown:
		switch {
		case out.aboutOrder():
			p.dead(c, truth, out, now)
		case out.Differs:
			p.otherPayment(c, truth, now)
		case out.Next == NextReverse && out.Verified:
			p.stopped(c, truth, now)
		case out.Reason == ReasonNotFound && out.Verified:
			p.missing(c, truth, now)
		default:
			p.unheard(c, now)
		}
	}
}

// raiseUnknown asks for a person, once, when a code payment has no truth within
// P7's time although its wallet was asked.
func (p Profile) raiseUnknown(c *Change, now time.Time) {
	o := c.From
	limit := o.SentAt.Add(p.RaiseAfter)
	late := p.RaiseAfter > 0 && o.TradeType == TradeMicroPay && o.AskedAt.Before(limit) && !now.Before(limit)
	if late && c.Raise == "" && !c.Order.State.Final() && c.Order.AskedAt.After(o.AskedAt) {
		c.Raise = RaiseUnknown
	}
}

// unpaid notes that the wallet knows the order and has no money for it.
func (p Profile) unpaid(c *Change, now time.Time) {
	n := &c.Order
	n.Seen, n.UnpaidAt, n.MissingAt = Waiting, now, time.Time{}
	if p.neverPaid(c.From, now) {
		endAsDuplicate(c, TruthQuery)
		c.Raise = "the wallet calls the number a duplicate and its order was never paid: look for it in the bill"
		return
	}
	switch n.State {
	case PAYING, DECLINED:
		n.AskAt = now.Add(p.askPause(*n, now))
		if n.State == PAYING && p.over(*n, now) {
			p.expired(c, TruthQuery)
		}
	case CLOSING:
		p.unpaidWhileClosing(c, now)
	case REVERSED:
		n.Watch = false
	case REVERSING:
		n.ReverseDone = false
		n.AskAt = time.Time{} // the reverse goes on by its own ladder
		if n.ReverseSentAt.IsZero() {
			n.AskAt = now.Add(p.QueryEvery)
		}
	case CLOSED: // watched: the payment that was reported may not be seen yet
		n.AskAt = now.Add(p.askPause(*n, now))
	case PAID:
	}
}

// neverPaid reports whether an open code payment under a number that the wallet
// calls a duplicate is seen unpaid for good: row 6 forbids to reverse it, and
// WeChat's APIv3, which takes no expiry for it, closes it after seven days only
// (upstreams.md §3). By then its code and its password dialogue are long over:
// it is seen unpaid when row 11 would begin to look, and once more after that. It is
// about the row before the query. Money that comes all the same is late.
func (p Profile) neverPaid(o Order, now time.Time) bool {
	open := o.State == PAYING || o.State == REVERSING
	return open && o.NoReverse && !o.booked() && !o.TradeType.Unified() &&
		!o.UnpaidAt.Before(o.SentAt.Add(p.MissingAfter)) && now.Sub(o.SentAt) >= p.MissingAfter+p.MissingGap
}

// stopped notes PAYERROR: not a safe end, the order must be reversed (row 4).
// Under a duplicate number it is an earlier order's end.
func (p Profile) stopped(c *Change, truth Truth, now time.Time) {
	p.unpaid(c, now)
	n := &c.Order
	switch {
	case n.NoReverse && !n.booked() && (n.State == PAYING || n.State == REVERSING):
		endAsDuplicate(c, truth)
	case n.State == PAYING && !n.TradeType.Unified(): // a prepared order may be tried again
		n.Stopped = true
	}
}

// missing notes that the wallet does not know the order (yet).
func (p Profile) missing(c *Change, truth Truth, now time.Time) {
	n := &c.Order
	n.UnpaidAt = now
	n.AskAt = now.Add(p.askPause(*n, now))
	switch n.State {
	case PAYING:
		if !n.Payable() { // an Alipay code that nobody has scanned does not exist there
			n.Seen = Unknown
		}
		switch {
		case n.NoReverse: // refused as used, and not there: the wallet contradicts itself, and once is no proof
			if p.missingTwice(n, now) || p.over(*n, now) {
				endAsDuplicate(c, truth)
			}
		case p.over(*n, now):
			p.expired(c, truth)
			n.AskAt = now // nothing is there to be closed: asked once more
		case n.TradeType.Unified():
		case n.Reason == ReasonRisk: // a refusal that wanted one confirming query (upstreams.md §2.3)
			n.State, n.Truth = DECLINED, truth
		}
	case DECLINED, REVERSED:
		n.Watch = false
	case REVERSING:
		p.missingReverse(c, truth, now)
	case CLOSING:
		p.missingWhileClosing(c, truth, now)
	case PAID, CLOSED:
	}
}

// missingTwice notes a sighting of "does not exist" and reports whether it is one
// that is believed: the second, a MissingGap after the first.
func (p Profile) missingTwice(n *Order, now time.Time) bool {
	if n.MissingAt.IsZero() {
		n.MissingAt = now
	}
	return now.Sub(n.MissingAt) >= p.MissingGap
}

// missingReverse covers row 11: a reverse of what does not exist.
func (p Profile) missingReverse(c *Change, truth Truth, now time.Time) {
	n := &c.Order
	switch {
	case n.PaidSeen:
		n.AskAt = time.Time{} // it existed and was paid: never CLOSED, the reverse goes on
		c.Raise = "the wallet does not know an order that was paid"
	case n.NoReverse:
		n.AskAt = now.Add(p.askPause(*n, now)) // no reverse goes on
		if p.missingTwice(n, now) {
			endAsDuplicate(c, truth)
		}
	case n.ReverseSentAt.IsZero():
	case !n.ReverseDone && !n.ReverseGone:
		n.AskAt = time.Time{} // only the query said so: ask the reverse, too
	case n.MissingAt.IsZero():
		n.MissingAt = now
	case now.Sub(n.MissingAt) < p.MissingGap || now.Sub(n.SentAt) < p.MissingAfter:
	case n.ReversedAt.Before(n.MissingAt.Add(p.MissingGap)): // the reverse, too, must say it twice
		n.ReverseDone, n.ReverseGone, n.AskAt = false, false, time.Time{}
	default: // row 11
		n.State, n.Truth = CLOSED, truth
	}
}

// unheard notes an answer that says nothing.
func (p Profile) unheard(c *Change, now time.Time) {
	n := &c.Order
	switch n.State {
	case PAYING, CLOSING, DECLINED, REVERSED, PAID, CLOSED:
		n.AskAt = now.Add(p.askPause(*n, now))
		if n.Seen == "" {
			n.Seen = Unknown
		}
	case REVERSING:
		n.AskAt = time.Time{}
		if n.ReverseDone || n.ReverseGone || n.ReverseSentAt.IsZero() {
			n.AskAt = now.Add(p.QueryEvery)
		}
	}
}
