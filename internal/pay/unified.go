package pay

import "time"

// ExpireOf returns the last moment at which an order that is made at now can
// be paid: the moment asked for, or the default when asked is zero. It is at
// the precision that the wallet takes, so that ours equals the wallet's
// (money.md §3 row 13). A moment beyond the longest life of a prepared order
// is that life; one too close is ErrInvalid.
func (p Profile) ExpireOf(asked, now time.Time) (time.Time, error) {
	life := p.ExpireUnified
	if !asked.IsZero() {
		life = min(asked.Sub(now), p.ExpireMax)
	}
	if life < p.ExpireMin {
		return time.Time{}, Refuse(ErrInvalid, "time_expire", "订单失效时间time_expire已过或太近，至少须在一分钟之后")
	}
	if p.ExpireStep > 0 { // the wallet counts a life in whole steps
		return now.Add(life.Truncate(p.ExpireStep)), nil
	}
	return now.Add(life).Truncate(time.Second), nil
}

// over reports whether nobody can pay a unified order any more, whatever the
// wallet's clock and ours differ by.
func (p Profile) over(o Order, now time.Time) bool {
	return o.TradeType.Unified() && !now.Before(p.lastMoment(o))
}

// lastMoment is when a unified order is asked once more before it ends.
func (p Profile) lastMoment(o Order) time.Time { return o.ExpireAt.Add(p.ExpireGrace) }

// ApplyPrepay takes the answer to a prepay call. Kind Paid reads "prepared":
// no money has moved, and the order stays PAYING. A call may be repeated while
// no answer is known; the first one stands, but for the link of a mobile page,
// which a later one renews. Until then nobody holds what it takes to pay, so
// that a definite refusal ends the order.
func (p Profile) ApplyPrepay(o Order, out Outcome, pre Prepaid, now time.Time) Change {
	c := Change{From: o, Order: o}
	n := &c.Order
	if n.State == PAYING && n.TradeType == TradeMobileWeb && n.Prepaid != (Prepaid{}) && out.Kind == Paid && pre.MwebURL != "" {
		n.Prepaid = pre
		return p.seal(c, now)
	}
	if n.State != PAYING || n.Prepaid != (Prepaid{}) {
		return c // somebody knows more than this answer
	}
	if out.Code != "" {
		n.Code, n.Text, n.Reason = out.Code, out.Text, out.Reason
	}
	if out.Alert {
		c.Raise = "the wallet's answer needs an operator: " + string(CallPrepay) + " " + out.Code
	}
	n.NoReverse = n.NoReverse || out.NoReverse
	switch {
	case out.Kind == Paid && pre != (Prepaid{}):
		n.Prepaid, n.Seen, n.UnpaidAt, n.AskAt, n.Truth = pre, Waiting, now, now.Add(p.QueryEvery), TruthAnswer
	case out.Kind == Declined:
		n.State, n.Truth, n.Seen = DECLINED, TruthAnswer, ""
		n.Duplicate = out.Reason == ReasonDuplicate
	default:
		n.Seen, n.AskAt = Unknown, now.Add(p.QueryEvery)
		if out.Next == NextQueryFirst {
			n.AskAt = now
		}
	}
	return p.seal(c, now)
}

// Payable reports whether somebody may hold what it takes to pay a unified
// order, and the order is believed to be ours.
func (o Order) Payable() bool {
	return o.TradeType.Unified() && o.State == PAYING && o.Prepaid != (Prepaid{}) && !o.NoReverse
}

// linkLife is how long the link of a mobile page may be shown: WeChat's lives
// five minutes (upstreams.md §2.2).
const linkLife = 4 * time.Minute

// WantsPrepay reports whether the wallet is to be asked when the request of an
// order comes again: no answer is on record, or its link has grown old.
func (o Order) WantsPrepay(now time.Time) bool {
	if o.State != PAYING || o.NoReverse || !now.Before(o.ExpireAt) {
		return false
	}
	old := o.TradeType == TradeMobileWeb && now.Sub(o.SentAt) >= linkLife
	return o.Prepaid == (Prepaid{}) || old
}

// nextUnified is the ladder of an order that the customer pays when he likes:
// asked for until it is paid, and once more when it no longer can be. Notices
// get lost (upstreams.md §6).
func (p Profile) nextUnified(o Order, at time.Time) Step {
	if last := p.lastMoment(o); at.After(last) && o.AskedAt.Before(last) {
		at = last
	}
	return Step{Act: ActQuery, At: at}
}

// expired moves an order that was seen unpaid after its last moment to
// CLOSING, where the wallet is told. Under a number that may be another
// order's nothing is sent: it ends as refused.
func (p Profile) expired(c *Change, truth Truth) {
	n := &c.Order
	if n.NoReverse {
		endAsDuplicate(c, truth)
		return
	}
	n.State, n.AskAt = CLOSING, time.Time{}
}

// CloseAsked is what a merchant's wish to close means for an order (money.md
// §3 row 12). The error is of kind ErrDenied (104), and nothing changes then.
// CloseAnswer says what the merchant is told.
func (p Profile) CloseAsked(o Order, now time.Time) (Change, error) {
	c := Change{From: o, Order: o}
	n := &c.Order
	deny := func(code, text string) (Change, error) {
		return Change{From: o, Order: o}, Refuse(ErrDenied, code, text)
	}
	if !o.TradeType.Unified() {
		return deny("close_micropay", "刷卡支付时，订单不能关闭，只能撤单。")
	}
	if o.NoReverse || o.Duplicate { // row 6
		return deny("close_duplicate", "订单号重复，禁止关闭")
	}
	switch o.Standing() {
	case PAYING, CLOSING:
		if o.State == CLOSING && o.ReverseAsk {
			break // asked before
		}
		// Asked for by the merchant from here on: what is paid after the wallet
		// has been seen to hold it unpaid goes back to the customer.
		n.State, n.ReverseAsk, n.UnpaidAt, n.AskAt = CLOSING, true, time.Time{}, now
	case PAID:
		return deny("close_paid", "订单已支付，请退款")
	case REVERSING, REVERSED, DECLINED, CLOSED:
		// Nothing is left to close.
	}
	return p.seal(c, now), nil
}

// closeTold reports whether the merchant may have been told that his order is
// closed: he asked, and the wallet was seen to hold it unpaid after that.
func (o Order) closeTold() bool {
	return o.State == CLOSING && o.ReverseAsk && !o.UnpaidAt.IsZero()
}

// CloseAnswer is what a close request is told: nil once the order is closed, or
// will be and whatever is still paid goes back; ErrUnavailable while that is
// not known; ErrDenied when it was paid before.
func (o Order) CloseAnswer() error {
	switch o.Standing() {
	case CLOSED, DECLINED, REVERSED:
		return nil
	case PAID:
		return Refuse(ErrDenied, "close_paid", "订单已支付，请退款")
	case CLOSING:
		if o.closeTold() {
			return nil
		}
	case PAYING, REVERSING:
	}
	return Refuse(ErrUnavailable, "closing", "正在关闭订单，请稍后重试")
}

// nextClosing asks when an answer is wanted, and else sends the close: WeChat
// takes it from five minutes after the order (money.md §3 row 12).
func (p Profile) nextClosing(o Order) Step {
	if !o.AskAt.IsZero() || o.NoReverse {
		return Step{Act: ActQuery, At: o.AskAt}
	}
	due := o.SentAt.Add(p.CloseFrom)
	if o.ReverseTries > 0 {
		due = later(due, o.ReversedAt.Add(max(pick(p.ReversePauses, o.ReverseTries), o.ReversePause)))
	}
	return Step{Act: ActClose, At: due}
}

// ClosesByCancel reports whether a close that is about to leave has to be the
// wallet's cancel. Alipay's close does not know a code that nobody has scanned;
// its cancel gives a payment back, which only a merchant's wish allows.
func (p Profile) ClosesByCancel(o Order) bool { return p.CancelToClose && o.ReverseAsk }

// StartClose commits that a close is about to leave. It panics for an order
// that Next would never close.
func (p Profile) StartClose(o Order, now time.Time) Change {
	if o.State != CLOSING || o.NoReverse || o.Duplicate {
		panic("pay: order " + o.OutTradeNo + " in " + string(o.State) + " may not be closed")
	}
	c := Change{From: o, Order: o}
	n := &c.Order
	n.ReversedAt = now
	n.ReverseTries++
	n.AskAt = now.Add(p.QueryEvery) // a crash here: look before sending again
	return p.seal(c, now)
}

// applyClose takes the answer to a close call, for CLOSING orders and for the
// waiting case of row 10. A query confirms in both.
func (p Profile) applyClose(c *Change, out Outcome, now time.Time) {
	n := &c.Order
	switch n.State {
	case REVERSING, CLOSING:
		n.AskAt, n.ReversedAt = now, now
		n.ReverseDone = out.Kind == Paid
		n.ReverseGone = n.ReverseGone || out.Reason == ReasonNotFound
		n.ReversePause = out.Pause
		if n.State == CLOSING && n.ReverseTries == p.AlertAtTry && out.Kind != Paid {
			c.Raise = RaiseClose
		}
	case PAYING, PAID, DECLINED, REVERSED, CLOSED:
		c.Order = c.From
		gaveBack(c, out, now)
	}
}

// paidWhileClosing takes a payment of an order that is being closed. Once the
// merchant may have been told that it is closed, the money is late (row 12).
// It reports whether it was.
func (p Profile) paidWhileClosing(c *Change, truth Truth, out Outcome, now time.Time) bool {
	if !c.Order.closeTold() {
		return false
	}
	if truth == TruthNotice && p.ClosesByCancel(c.Order) && c.Order.ReverseTries > 0 {
		// Older than the cancel, perhaps, which may have given it back: a query
		// decides. One that is due already is left alone, the cancel may be on its way.
		c.Order = c.From
		if c.Order.AskAt.IsZero() {
			c.Order.AskAt = now
		}
		return true
	}
	c.Order.State = CLOSED
	p.lateMoney(c, truth, out, now)
	return true
}

// unpaidWhileClosing goes on with the close, or ends it: the last moment is
// past, the wallet was told, and it was asked after that.
func (p Profile) unpaidWhileClosing(c *Change, now time.Time) {
	n := &c.Order
	n.ReverseDone, n.AskAt = false, time.Time{}
	switch {
	case p.over(*n, now) && (n.ReverseTries > 0 || n.NoReverse):
		n.State, n.Truth, n.Duplicate = CLOSED, TruthQuery, n.NoReverse
	case n.NoReverse:
		n.AskAt = p.soonest(*n, now)
	}
}

// missingWhileClosing waits for the last moment: a code that nobody has scanned
// does not exist for the wallet and can be paid until then.
func (p Profile) missingWhileClosing(c *Change, truth Truth, now time.Time) {
	n := &c.Order
	switch {
	case p.over(*n, now):
		n.State, n.Truth, n.Duplicate = CLOSED, truth, n.NoReverse
	case n.ReverseTries == 0 && !n.NoReverse:
		n.AskAt = time.Time{}
	default:
		n.AskAt = p.soonest(*n, now)
	}
}

// soonest is the next time to ask for a unified order: its pause, but no later
// than its last moment.
func (p Profile) soonest(o Order, now time.Time) time.Time {
	at := now.Add(p.askPause(o, now))
	if last := p.lastMoment(o); at.After(last) && now.Before(last) {
		return last
	}
	return at
}
