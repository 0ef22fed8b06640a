package pay

import (
	"strconv"
	"time"
)

// foreign reports whether a payment was made before this order existed: the
// number was used before (money.md §2, restored counters). A payment that is
// booked already is ours, whatever its time; so is one of an order that the wallet
// has shown unpaid since. That it knew of none proves less.
//
// The pay time is the wallet's and SentAt is ours, so that a clock of ours which
// runs ahead would make every payment a foreign one: what it is known to be
// ahead by is allowed for (docs/decisions/0046).
func (p Profile) foreign(o Order, out Outcome, now time.Time) bool {
	paidAt := out.Payment.PaidAt
	return !o.booked() && !o.shownUnpaid() && !paidAt.IsZero() && paidAt.Add(out.ahead(o, now)).Before(o.SentAt.Add(-p.PayTimeSlack))
}

// shownUnpaid reports whether the wallet has shown a code payment unpaid since it
// was sent. That an order is prepared shows nothing: a page is signed here, and a
// code is no trade until it is scanned. Nor does PAYERROR, which is no safe end; and
// under a number that the wallet calls used the pay time decides (money.md §2).
func (o Order) shownUnpaid() bool {
	return o.Seen == Waiting && !o.TradeType.Unified() && !o.Stopped && !o.NoReverse
}

// ahead is how far our clock ran ahead when the order was sent, as far as that
// is known: by the wallet's own time in this answer, or because the clock has
// been set back since. Never negative: a clock that is behind makes nothing
// foreign that is ours.
func (out Outcome) ahead(o Order, now time.Time) time.Duration {
	ahead := max(o.SentAt.Sub(now), 0)
	if !out.WalletTime.IsZero() {
		ahead = max(ahead, now.Sub(out.WalletTime))
	}
	if ahead < clockNoise {
		return 0
	}
	return ahead
}

// clockNoise is what two right clocks may differ by where an answer took long:
// the slack of the rule itself covers it.
const clockNoise = 30 * time.Second

// askAboutForeign has the wallet asked about a payment that its notice dates
// before our order: a notice does not say what time it is at the wallet, and only
// an answer that does may call a payment another's.
func askAboutForeign(c *Change, now time.Time) {
	n := &c.Order
	*n = c.From
	n.Watch, n.AskAt = n.State.Final(), now
}

// booked reports whether money of this order stands in the ledger.
func (o Order) booked() bool {
	return o.State == PAID || o.PaidSeen || o.Late != LateNone
}

// another reports whether a payment is a second one of an order whose payment is
// booked: the wallet has another number for it.
func (o Order) another(pm Payment) bool {
	return o.booked() && o.walletsNumber() && pm.TransactionID != "" && pm.TransactionID != o.TransactionID
}

// walletsNumber reports whether the wallet's number is known. One of ours, which
// stands until then, begins with a letter.
func (o Order) walletsNumber() bool {
	return o.TransactionID != "" && o.TransactionID[0] >= '0' && o.TransactionID[0] <= '9'
}

// returned reports whether a payment that the wallet reports went back in full,
// so that it is no money of a dead or dying order. A refund of ours that was
// paid is proof of it, whatever the wallet says of the order.
func (o Order) returned(pm Payment) bool {
	if o.State == REVERSED && o.Refunded == o.Total {
		return true
	}
	if !pm.RefundState {
		return false
	}
	undone := o.State == REVERSED && o.PaidSeen || o.State == REVERSING && o.ReverseDone
	return pm.Refunded >= o.Total || o.Refunded == o.Total || undone && pm.Refunded == 0
}

// paid books a payment that the wallet confirmed, or finds out that it is not ours.
func (p Profile) paid(c *Change, truth Truth, out Outcome, now time.Time) {
	n := &c.Order
	pm := out.Payment
	if truth != TruthAnswer && p.foreign(*n, out, now) {
		p.paidBefore(c, truth, out, now)
		return
	}
	if pm.Total != 0 && pm.Total != n.Total {
		p.otherPayment(c, truth, now)
		return
	}
	if n.another(pm) {
		c.Raise = RaiseTwice
	}
	switch n.State {
	case PAYING, CLOSING:
		if p.paidWhileClosing(c, truth, out, now) {
			return
		}
		if n.TradeType == TradeMicroPay && now.Sub(n.SentAt) > p.BlindUntil { // row 3
			c.Raise = "paid, found after terminals stopped asking"
		}
		p.book(c, truth, out, now)
		n.State, n.ReverseAsk = PAID, false
		if truth == TruthAnswer && p.ConfirmAfter > 0 {
			n.Watch, n.AskAt = true, now.Add(p.ConfirmAfter)
		}
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
		if n.returned(pm) {
			out.Returned = true
			p.dead(c, truth, out, now)
			return
		}
		n.AskAt, n.ReverseDone, n.ReverseGone, n.MissingAt = time.Time{}, false, false, time.Time{}
		n.RefundInstead = n.RefundInstead || n.NoReverse // ours after all, and a duplicate is never reversed
		if !n.PaidSeen {                                 // money.md §1: booked, told to nobody, the reverse goes on
			p.book(c, truth, out, now)
			n.PaidSeen = true
			c.Postings = append(c.Postings, PostPaid(n.Total, n.Settlement))
		}
	case PAID:
		p.paidAgain(c, truth, pm)
	case DECLINED, CLOSED, REVERSED:
		if n.Late == LateAdopted {
			p.paidAgain(c, truth, pm)
			return
		}
		p.lateMoney(c, truth, out, now)
	}
}

// paidBefore takes a payment that was made before this order existed.
func (p Profile) paidBefore(c *Change, truth Truth, out Outcome, now time.Time) {
	switch {
	case truth == TruthNotice:
		askAboutForeign(c, now)
	case p.doubtful(c.Order, out, now):
		p.doubt(c, truth, out, now)
	default:
		p.notOurs(c, truth)
	}
}

// paidAgain takes a payment that is booked for the merchant already: it confirms
// it, and may tell that it is no longer refundable here.
func (p Profile) paidAgain(c *Change, truth Truth, pm Payment) {
	n, asked := &c.Order, truth == TruthQuery
	if n.Truth == TruthBill { // nothing overrules it, and this says the same
		truth = TruthBill
	}
	if asked && n.Watch {
		n.Watch, n.Truth = false, truth // confirmed
	}
	if !n.walletsNumber() && pm.TransactionID != "" {
		n.TransactionID = pm.TransactionID
	}
	if pm.Finished && !n.Finished {
		n.Finished, n.Truth = true, truth
	}
	outside := pm.Refunded > n.Reserved || n.Reserved == 0 && n.RefundSentAt.IsZero()
	if pm.RefundState && outside && !n.Finished {
		n.Finished = true // as in book: not refundable until the bill
		c.Raise = "the wallet reports refunds that were not made here"
	}
}

// lateMoney holds a payment that the wallet reports for a dead order (money.md
// §1). What is said of a REVERSED order, or of one that a cancel closed, may be
// older than the reverse, so a query made for it decides.
func (p Profile) lateMoney(c *Change, truth Truth, out Outcome, now time.Time) {
	n := &c.Order
	asked := n.Watch && truth == TruthQuery
	n.Watch = false
	switch {
	case n.Late != LateNone:
	case n.returned(out.Payment):
		if asked && !out.Payment.RefundState {
			c.Raise = "the wallet denies a refund that it confirmed"
		}
	case n.State == REVERSED && !asked, c.From.State == CLOSED && !asked && p.mayGiveBack(*n):
		n.Watch, n.AskAt = true, now
	case (n.Duplicate || n.NoReverse) && out.Payment.PaidAt.IsZero():
		c.Raise = "the wallet reports a payment for a duplicate number without its time"
	default:
		p.book(c, truth, out, now)
		n.Late = LateHeld
		c.Postings = append(c.Postings, PostLate(n.Total, n.Settlement))
		c.Raise = RaiseLate
	}
}

// otherPayment takes a payment of another amount or merchant under this
// number: seen twice, or after the wallet called the number a duplicate, the
// order ends as 407. Until then, and for ever, it is not reversed.
func (p Profile) otherPayment(c *Change, truth Truth, now time.Time) {
	n := &c.Order
	if n.NoReverse && truth != TruthAnswer && !n.booked() {
		p.notOurs(c, truth)
		return
	}
	n.NoReverse = n.NoReverse || !n.booked()
	if n.State == REVERSED || n.State == CLOSED {
		n.Watch = false // asked, and it is not a payment that we could hold
	}
	p.unheard(c, now)
	c.Raise = "the wallet reports another amount or merchant than the order's"
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
	n.Cash, n.PayerID, n.BankType, n.Promo = pm.Cash, pm.PayerID, pm.BankType, pm.Promo
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
	case PAYING, REVERSING:
		endAsDuplicate(c, truth)
	case DECLINED, REVERSED:
		n.Watch, n.Duplicate = false, true
	case CLOSING:
		n.State, n.Truth, n.Duplicate = CLOSED, truth, true
	case CLOSED:
		n.Watch = false
	case PAID:
	}
	c.Raise = "the wallet knows this order number from an earlier payment"
}

// endAsDuplicate ends an open order that the wallet never charged under a
// number that is not free. A reverse that was asked for has nothing left to do.
func endAsDuplicate(c *Change, truth Truth) {
	n := &c.Order
	if n.State == REVERSING {
		n.State = REVERSED
	} else {
		n.State = DECLINED
	}
	n.Duplicate, n.Truth, n.Reason = true, truth, ReasonDuplicate
}

// dead takes a verified CLOSED, REVOKED or TRADE_CLOSED.
func (p Profile) dead(c *Change, truth Truth, out Outcome, now time.Time) {
	n := &c.Order
	open := n.State == PAYING || n.State == REVERSING
	if truth == TruthNotice && out.Returned && p.foreign(*n, out, now) {
		askAboutForeign(c, now)
		return
	}
	if open && out.Returned && (p.foreign(*n, out, now) || n.NoReverse && !n.booked()) {
		p.notOurs(c, truth)
		return
	}
	if n.Late == LateAdopted {
		p.rolledBack(c, truth, out, now)
		return
	}
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
		if n.TradeType.Unified() && !n.NoReverse {
			n.State, n.AskAt = CLOSING, now // closed at the wallet: one more query confirms
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
		n.State, n.Truth, n.Duplicate = REVERSED, truth, n.NoReverse && !n.booked()
	case CLOSING:
		if out.Returned && !p.foreign(*n, out, now) && !n.NoReverse { // paid, and given back by the cancel
			p.cameAndWent(c, truth, out, now)
		}
		n.State, n.Truth = CLOSED, truth
	case DECLINED, REVERSED:
		if out.Returned {
			wentBack(c, truth)
		}
		n.Watch = false
	case PAID:
		p.rolledBack(c, truth, out, now)
	case CLOSED:
		p.deadAndClosed(c, truth, out, now)
	}
}

// cameAndWent books a payment that a cancel has given back already. It is late
// money that was returned, so that an old notice of it says nothing new.
func (p Profile) cameAndWent(c *Change, truth Truth, out Outcome, now time.Time) {
	n := &c.Order
	p.book(c, truth, out, now)
	n.Late = LateReturned
	c.Postings = append(c.Postings, PostLate(n.Total, n.Settlement), PostLateReversed(n.Total, n.Settlement))
}

// rolledBack imports what the wallet returned of a paid order without us.
func (p Profile) rolledBack(c *Change, truth Truth, out Outcome, now time.Time) {
	n := &c.Order
	n.Watch = false
	switch {
	case n.Reserved == n.Total: // our own refunds
		return
	case !out.Returned:
		c.Raise = "the wallet shows a paid order as closed and never paid"
		return
	}
	rest := n.Total - n.Reserved
	net := n.Settlement - n.Settlement*n.Reserved/n.Total // wallets round the sum, so that the last refund takes the rest
	// What was returned before makes the number new each time.
	no := "outside-" + n.OutTradeNo + "-" + strconv.FormatInt(int64(n.Refunded), 10)
	c.Refunds = append(c.Refunds, Refund{
		MerchantID: n.MerchantID, OutRefundNo: no, OutTradeNo: n.OutTradeNo, Channel: n.Channel,
		State: RefundSucceeded, Origin: OriginChannel, Total: n.Total, Amount: rest, Settlement: net,
		RefundID: no, SucceededAt: now, CreatedAt: now, UpdatedAt: now, Reason: "made outside cloudpay",
	})
	c.Postings = append(c.Postings, PostChannelRefund(no, rest, net))
	n.Reserved, n.Refunded, n.Truth = n.Total, n.Refunded+rest, truth
	c.Raise = "the wallet returned a paid order without us"
}
