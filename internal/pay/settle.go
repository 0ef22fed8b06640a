package pay

import "time"

// Call says which call an outcome answers.
type Call string

// The calls whose outcomes change an order.
const (
	CallPay     Call = "pay"
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
	if from == to {
		return true
	}
	for _, s := range transitions[from] {
		if s == to {
			return true
		}
	}
	return false
}

// Apply says what one outcome means for an order. It never returns a change
// that the transitions forbid; it panics if it would, since that is a mistake
// in this package and nothing has been written yet.
func (p Profile) Apply(o Order, call Call, out Outcome, now time.Time) Change {
	c := Change{From: o, Order: o}
	if out.Code != "" {
		c.Order.Code, c.Order.Text, c.Order.Reason = out.Code, out.Text, out.Reason
	}
	if out.Alert {
		c.Raise = "the wallet's answer needs an operator: " + string(call) + " " + out.Code
	}
	switch call {
	case CallPay:
		p.applyPay(&c, out, now)
	case CallQuery, CallNotice:
		p.applyQuery(&c, call, out, now)
	case CallReverse:
		p.applyReverse(&c, out, now)
	case CallClose:
		p.applyClose(&c, out, now)
	}
	return p.seal(c, now)
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
		c.Order = c.From // somebody else already knows more than this answer
		return
	}
	switch out.Kind {
	case Waiting:
		n.Seen, n.UnpaidAt, n.AskAt = Waiting, now, now.Add(p.QueryEvery)
	case Declined: // row 5
		n.State, n.Truth = DECLINED, TruthAnswer
		n.Duplicate = out.Reason == ReasonDuplicate
		n.Watch = p.WatchAt > 0 && out.Reason == ReasonCustomer
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
	} else {
		n.AskedAt = now
		n.Asks++
	}
	if n.State.Final() && !n.Watch && out.Kind != Paid && !out.Returned {
		c.Order = c.From
		return
	}
	switch out.Kind {
	case Paid:
		p.paid(c, truth, out, now)
	case Waiting:
		p.unpaid(c, now)
	case Declined:
		p.dead(c, truth, out, now)
	case Unknown:
		switch {
		case out.Next == NextReverse && out.Verified:
			p.stopped(c, now)
		case out.Reason == ReasonNotFound && out.Verified:
			p.missing(c, truth, now)
		default:
			p.unheard(c, now)
		}
	}
}

// paid books a payment that the wallet confirmed, or finds out that it is not ours.
func (p Profile) paid(c *Change, truth Truth, out Outcome, now time.Time) {
	n := &c.Order
	pm := out.Payment
	if truth != TruthAnswer && !pm.PaidAt.IsZero() && pm.PaidAt.Before(n.SentAt.Add(-p.PayTimeSlack)) {
		p.notOurs(c, truth)
		return
	}
	if pm.Total != 0 && pm.Total != n.Total {
		c.Raise = "the wallet reports another amount than the order's"
		p.unheard(c, now)
		return
	}
	switch n.State {
	case PAYING, CLOSING:
		p.book(c, truth, out, now)
		n.State = PAID
		c.Postings = append(c.Postings, PostPaid(n.Total, n.Settlement))
		c.Callbacks = append(c.Callbacks, EventPaid)
	case REVERSING:
		if n.ReverseSentAt.IsZero() {
			p.book(c, truth, out, now)
			n.State, n.ReverseAsk, n.Stopped = PAID, false, false
			c.Postings = append(c.Postings, PostPaid(n.Total, n.Settlement))
			c.Callbacks = append(c.Callbacks, EventPaid)
			return
		}
		n.AskAt, n.ReverseDone, n.MissingAt = time.Time{}, false, time.Time{}
		if !n.PaidSeen { // money.md §1: booked, told to nobody, the reverse goes on
			p.book(c, truth, out, now)
			n.PaidSeen = true
			c.Postings = append(c.Postings, PostPaid(n.Total, n.Settlement))
		}
	case PAID:
		if pm.Finished && !n.Finished {
			n.Finished, n.Truth = true, truth
		}
	case DECLINED, CLOSED, REVERSED:
		n.Watch = false
		if n.Late != LateNone || n.Duplicate || (n.State == REVERSED && truth != TruthQuery) {
			return
		}
		p.book(c, truth, out, now)
		n.Late = LateHeld
		c.Postings = append(c.Postings, PostLate(n.Total, n.Settlement))
		c.Raise = "money arrived for a dead order: held, to be returned"
	}
}

// book copies the wallet's account of the payment into the row.
func (p Profile) book(c *Change, truth Truth, out Outcome, now time.Time) {
	n := &c.Order
	pm := out.Payment
	n.Truth, n.Seen = truth, Paid
	if pm.TransactionID != "" {
		n.TransactionID = pm.TransactionID
	}
	n.PaidAt = pm.PaidAt
	if n.PaidAt.IsZero() {
		n.PaidAt = now
	}
	n.Settlement = pm.Settlement
	if n.Settlement <= 0 || n.Settlement > n.Total {
		n.Settlement = n.Total
	}
	n.Cash, n.PayerID, n.BankType = pm.Cash, pm.PayerID, pm.BankType
	n.Finished = n.Finished || pm.Finished
	if pm.RefundState && n.Reserved == 0 {
		// Refunds made outside us that we cannot list: nothing is refundable
		// until the bill says how much is left (money.md §2).
		n.Finished = true
		c.Raise = "the wallet reports refunds that were not made here"
	}
}

// notOurs ends an order whose number the wallet knows from an earlier
// payment: 407, nothing was charged by us, and it is never reversed.
func (p Profile) notOurs(c *Change, truth Truth) {
	n := &c.Order
	n.NoReverse = true
	switch n.State {
	case PAYING:
		n.State, n.Duplicate, n.Truth, n.Reason = DECLINED, true, truth, ReasonDuplicate
	case DECLINED:
		n.Watch, n.Duplicate = false, true
	case REVERSING:
		if n.ReverseSentAt.IsZero() {
			// Nothing of ours reached the wallet, and nothing may be sent to it.
			n.State, n.Duplicate, n.Truth, n.Reason = REVERSED, true, truth, ReasonDuplicate
			return
		}
		n.AskAt = n.AskedAt.Add(p.QueryEvery)
	case PAID, REVERSED, CLOSED, CLOSING:
	}
	c.Raise = "the wallet knows this order number from an earlier payment"
}

// unpaid notes that the wallet knows the order and has no money for it.
func (p Profile) unpaid(c *Change, now time.Time) {
	n := &c.Order
	n.Seen, n.UnpaidAt, n.MissingAt = Waiting, now, time.Time{}
	switch n.State {
	case PAYING, CLOSING, DECLINED:
		n.AskAt = now.Add(p.askPause(*n, now))
	case REVERSING:
		n.ReverseDone = false
		n.AskAt = time.Time{} // the reverse goes on by its own ladder
		if n.ReverseSentAt.IsZero() {
			n.AskAt = now.Add(p.QueryEvery)
		}
	case PAID, REVERSED, CLOSED:
	}
}

// stopped notes PAYERROR: not a safe end, the order must be reversed (row 4).
func (p Profile) stopped(c *Change, now time.Time) {
	p.unpaid(c, now)
	if c.Order.State == PAYING {
		c.Order.Stopped = true
	}
}

// missing notes that the wallet does not know the order (yet).
func (p Profile) missing(c *Change, truth Truth, now time.Time) {
	n := &c.Order
	n.UnpaidAt = now
	n.AskAt = now.Add(p.askPause(*n, now))
	switch n.State {
	case PAYING:
		n.Seen = Unknown
		if n.NoReverse { // a number that was refused as duplicate and does not exist: refused it stays
			n.State, n.Duplicate, n.Truth = DECLINED, true, truth
		}
	case DECLINED:
		n.Watch = false
	case REVERSING:
		if n.ReverseSentAt.IsZero() || !n.ReverseDone && !n.ReverseGone {
			if !n.ReverseSentAt.IsZero() {
				n.AskAt = time.Time{}
			}
			return
		}
		if n.MissingAt.IsZero() {
			n.MissingAt = now
		}
		if now.Sub(n.MissingAt) >= p.MissingGap && now.Sub(n.SentAt) >= p.MissingAfter { // row 11
			n.State, n.Truth = CLOSED, truth
		}
	case CLOSING:
		if !n.ReverseGone && !n.ReverseDone {
			return
		}
		n.State, n.Truth = CLOSED, truth
	case PAID, REVERSED, CLOSED:
	}
}

// unheard notes an answer that says nothing.
func (p Profile) unheard(c *Change, now time.Time) {
	n := &c.Order
	switch n.State {
	case PAYING, CLOSING, DECLINED:
		n.AskAt = now.Add(p.askPause(*n, now))
		if n.Seen == "" {
			n.Seen = Unknown
		}
	case REVERSING:
		n.AskAt = time.Time{}
		if n.ReverseDone || n.ReverseGone || n.ReverseSentAt.IsZero() {
			n.AskAt = now.Add(p.QueryEvery)
		}
	case PAID, REVERSED, CLOSED:
	}
}

// dead takes a verified CLOSED, REVOKED or TRADE_CLOSED.
func (p Profile) dead(c *Change, truth Truth, out Outcome, now time.Time) {
	n := &c.Order
	switch n.State {
	case PAYING:
		if out.Returned { // paid and given back without us: book both, tell nobody
			p.book(c, truth, out, now)
			n.PaidSeen, n.ReverseDone = true, true
			n.State, n.ReverseSentAt, n.AskAt = REVERSING, now, now
			c.Postings = append(c.Postings, PostPaid(n.Total, n.Settlement))
			c.Raise = "the wallet returned this payment by itself"
			return
		}
		n.State, n.Truth, n.Duplicate = DECLINED, truth, n.NoReverse
	case REVERSING:
		if out.Returned && !n.PaidSeen {
			p.book(c, truth, out, now)
			n.PaidSeen = true
			c.Postings = append(c.Postings, PostPaid(n.Total, n.Settlement))
		}
		if n.PaidSeen && n.Reserved == 0 {
			c.Postings = append(c.Postings, PostReversed(n.Total, n.Settlement))
		}
		n.State, n.Truth = REVERSED, truth
	case CLOSING:
		n.State, n.Truth = CLOSED, truth
	case DECLINED:
		n.Watch = false
	case PAID:
		p.rolledBack(c, truth, out, now)
	case REVERSED, CLOSED:
	}
}

// rolledBack imports what the wallet returned of a paid order without us.
func (p Profile) rolledBack(c *Change, truth Truth, out Outcome, now time.Time) {
	n := &c.Order
	if !out.Returned || n.Reserved == n.Total {
		c.Order = c.From
		return
	}
	rest := n.Total - n.Reserved
	net := min(rest, n.Settlement)
	no := "outside-" + n.OutTradeNo
	c.Refunds = append(c.Refunds, Refund{
		MerchantID: n.MerchantID, OutRefundNo: no, OutTradeNo: n.OutTradeNo, Channel: n.Channel,
		State: RefundSucceeded, Origin: OriginChannel, Total: n.Total, Amount: rest, Settlement: net,
		RefundID: no, SucceededAt: now, CreatedAt: now, UpdatedAt: now, Reason: "made outside cloudpay",
	})
	c.Postings = append(c.Postings, PostChannelRefund(no, rest, net))
	n.Reserved, n.Refunded, n.Truth = n.Total, n.Refunded+rest, truth
	c.Raise = "the wallet returned a paid order without us"
}
