package pay

import "time"

// applyReverse takes the answer to a reverse call. REVERSED is never reached
// here: it needs a confirming query (money.md §3 row 9).
func (p Profile) applyReverse(c *Change, out Outcome, now time.Time) {
	n := &c.Order
	if n.State != REVERSING {
		p.applyCancelOfDead(c, out, now)
		return
	}
	n.ReversePause = out.Pause
	if out.Reason == ReasonNotFound {
		n.ReverseGone = true
	}
	if n.ReverseTries == p.AlertAtTry && out.Kind != Paid {
		c.Raise = RaiseReverse
	}
	switch {
	case out.Kind == Paid:
		n.ReverseDone, n.AskAt = true, now
		if out.Returned && !n.PaidSeen {
			p.book(c, TruthAnswer, out, now)
			n.PaidSeen = true
			c.Postings = append(c.Postings, PostPaid(n.Total, n.Settlement))
		}
	case out.Next == NextRefundInstead:
		n.RefundInstead, n.AskAt = true, now
	case out.Next == NextOperator, out.Kind == Declined, n.ReverseTries%3 == 0:
		n.AskAt = now // look before going on; every third time also when only answers get lost
		if out.Next == NextOperator || out.Kind == Declined {
			c.Raise = "the wallet refuses to reverse: " + out.Code
			n.ReversePause = max(n.ReversePause, pick(p.ReversePauses, int64(len(p.ReversePauses))))
		}
	}
}

// applyCancelOfDead takes the answer to the cancel of a refused order that the
// wallet still held open (row 5). The order stays DECLINED.
func (p Profile) applyCancelOfDead(c *Change, out Outcome, now time.Time) {
	n := &c.Order
	if n.State != DECLINED || !n.Watch {
		c.Order = c.From
		gaveBack(c, out, now)
		return
	}
	if out.Kind != Paid { // look again before the next cancel
		n.ReversedAt, n.Seen = now, Unknown
		n.AskAt = now.Add(max(pick(p.ReversePauses, n.ReverseTries), out.Pause))
	} else {
		n.Watch = false
		if out.Returned { // it had been paid after all, and went back at once
			p.cameAndWent(c, TruthAnswer, out, now)
		}
	}
}

// StartReverse commits the intent to reverse: REVERSING and the time of the
// send. The caller writes it before the reverse leaves (money.md §3 row 2).
// It serves the first send and every repetition, of the cancel of row 5, too.
// It panics for an order that Next would never reverse: a duplicate (row 6) or
// one with nothing to reverse.
func (p Profile) StartReverse(o Order, now time.Time) Change {
	open := o.State == PAYING || o.State == REVERSING || o.State == DECLINED && o.Watch
	if !open || o.NoReverse || o.Duplicate {
		panic("pay: order " + o.OutTradeNo + " in " + string(o.State) + " may not be reversed")
	}
	c := Change{From: o, Order: o}
	n := &c.Order
	if n.State == PAYING {
		n.State = REVERSING
	}
	if n.State == REVERSING && n.ReverseSentAt.IsZero() {
		n.ReverseSentAt = now
	}
	if n.State == REVERSING {
		n.AskAt = time.Time{} // the reverse's own ladder decides when to look (row 9)
	}
	n.ReversedAt = now
	n.ReverseTries++
	return p.seal(c, now)
}

// beijing is the zone of the wallets' days. Beijing has no daylight saving.
var beijing = time.FixedZone("Asia/Shanghai", 8*60*60)

// SameBeijingDay reports whether two instants fall on one day of the wallets.
func SameBeijingDay(a, b time.Time) bool {
	ay, am, ad := a.In(beijing).Date()
	by, bm, bd := b.In(beijing).Date()
	return ay == by && am == bm && ad == bd
}

// ReverseAsked is what a cashier's wish to reverse means for an order
// (money.md §3 rows 6 to 8). device is the asking device, "" if it did not
// say; mayReversePaid is the merchant's switch. The error is of kind
// ErrDenied (104), and nothing changes then.
func (p Profile) ReverseAsked(o Order, device string, mayReversePaid bool, now time.Time) (Change, error) {
	c := Change{From: o, Order: o}
	n := &c.Order
	deny := func(code, text string) (Change, error) {
		return Change{From: o, Order: o}, Refuse(ErrDenied, code, text)
	}
	if o.TradeType != TradeMicroPay {
		return deny("reverse_unified", "该订单不是刷卡支付，不能撤单，请关闭订单")
	}
	if device != "" && o.DeviceID != "" && device != o.DeviceID {
		return deny("reverse_other_device", "只能在发起支付的设备上撤单")
	}
	if o.NoReverse || o.Duplicate {
		return deny("reverse_duplicate", "订单号重复，禁止撤单")
	}
	if o.Late == LateAdopted {
		return deny("reverse_paid", "订单已支付，请退款")
	}
	switch o.State {
	case PAYING: // row 7
		n.State, n.ReverseAsk = REVERSING, true
		n.AskAt = now
	case REVERSING, REVERSED, CLOSED, DECLINED:
		// Already on its way, or nothing is left to reverse.
	case CLOSING:
		return deny("reverse_closing", "订单正在关闭")
	case PAID: // row 8
		if !mayReversePaid {
			return deny("reverse_paid", "订单已支付，请退款")
		}
		if o.Reserved > 0 || o.Finished {
			return deny("reverse_refunded", "订单已有退款，不能撤单")
		}
		within := SameBeijingDay(o.PaidAt, now)
		if p.ReverseWithin > 0 {
			within = now.Sub(o.SentAt) <= p.ReverseWithin
		}
		if !within {
			return deny("reverse_expired", "已超过撤单期限，请退款")
		}
		n.State, n.ReverseAsk, n.PaidSeen, n.Watch = REVERSING, true, true, false
		n.ReverseSentAt = now // from here on the reverse goes through: PAID is behind
		n.AskAt = time.Time{}
		n.ReversedAt = later(now, o.SentAt.Add(p.EarliestSend)).Add(-pick(p.ReversePauses, 0))
	}
	return p.seal(c, now), nil
}

// RefundedInstead ends a reverse that had to be done as a full refund (row
// 10): the refund was paid, so the order is REVERSED. It books nothing, the
// refund did.
func (p Profile) RefundedInstead(o Order, now time.Time) Change {
	c := Change{From: o, Order: o}
	if o.State == REVERSING && o.RefundInstead {
		c.Order.State, c.Order.Truth = REVERSED, TruthAnswer
	}
	return p.seal(c, now)
}
