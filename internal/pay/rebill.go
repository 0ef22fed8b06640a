package pay

import "time"

// TakeBack takes over a refund that we have as rejected and that the bill has and
// the wallet, asked for it, calls made: the bill is the highest truth, and the
// merchant has been told of no refund. Its reservation was freed, so it is taken
// from the order once more, as a refund made without us is (money.md §5), if the
// order still stands as it was looked at.
//
// The error is of kind ErrDenied when the order has no room for it any more, or
// does not have the money that it gave back, and ErrUnavailable when the wallet
// does not call it made; nothing changes then.
func (p Profile) TakeBack(o Order, r Refund, out Outcome, pd RefundPaid, byHand bool, now time.Time) (RefundChange, error) {
	c := RefundChange{From: r, Refund: r, OnOrder: o.Unit}
	switch {
	case r.State != RefundRejected:
		return c, Refuse(ErrDenied, "refund_not_rejected", "该退款不是被拒绝的退款")
	case out.Kind != Paid || !out.Verified || byHand || pd.Refund != 0 && pd.Refund != r.Amount:
		return c, Refuse(ErrUnavailable, "refund_not_arrived", "渠道尚未确认该退款到账")
	}
	late := r.Origin == OriginLate
	switch {
	case late && o.Late == LateHeld && o.Reserved == 0:
	case late || !o.Taken():
		return c, Refuse(ErrDenied, "refund_unpaid", "订单现在的状态下没有这笔退款可退的款项，请人工核对")
	case r.Amount > o.Total-o.Reserved:
		return c, Refuse(ErrDenied, "refund_exceeds", "超过可退金额：其后已有其他退款，请人工核对")
	}
	n := &c.Refund
	arrived(n, pd, now)
	n.UpdatedAt, n.Refused, n.Accepted = now, false, true
	c.Reserved, c.Refunded = n.Amount, n.Amount
	if late {
		c.Postings = append(c.Postings, PostLateOutside(n.OutRefundNo, n.Amount, n.Settlement))
		c.Late = LateReturned
		c.Calm = append(c.Calm, RaiseLate)
		return c, nil
	}
	c.Postings = append(c.Postings, PostChannelRefund(n.OutRefundNo, n.Amount, n.Settlement))
	if n.Origin == OriginAPI {
		c.Callbacks = append(c.Callbacks, EventRefund+n.OutRefundNo)
	}
	return c, nil
}

// BilledPayment is a payment as a bill has it: amounts in fen, times of the wallet.
type BilledPayment struct {
	TransactionID string
	Total         Fen
	Settlement    Fen
	PaidAt        time.Time
	// ReversedAt is when it was reversed, of the whole amount; zero if no bill says so.
	ReversedAt time.Time
}

// billClock is how far the wallet's clock and ours may be apart where a bill is
// compared with a row: it may be ours that runs ahead (docs/decisions/0046).
const billClock = time.Hour

// CameAndWent books a payment that the bill has of an order which ended unpaid in
// our books: the customer paid between our last question and the reverse, and a
// wallet that has undone a payment need not say that there was one. It is late
// money that was returned, told to nobody, as where a cancel tells it. If the
// bill has the reversal as well, that is right even where the number may be
// another's: nothing else of ours has that money. Otherwise the wallet has
// confirmed our reverse, which came after the payment, and nothing was reported
// since for which it is still to be asked; and if no bill ever has the reversal, that
// is a difference of its own.
//
// Nothing changes for any other order. A payment of which nothing says that it
// went back is not of this kind: the wallet must be asked for it (money.md §1, §5;
// docs/decisions/0066).
func (p Profile) CameAndWent(o Order, b BilledPayment, now time.Time) Change {
	c := Change{From: o, Order: o}
	if !o.State.Final() || o.booked() || b.Total != o.Total {
		return c
	}
	ours := !o.NoReverse && !o.Duplicate && !b.PaidAt.Before(o.SentAt.Add(-billClock))
	reversed := o.State == REVERSED && !o.ReverseSentAt.IsZero() && !b.PaidAt.After(o.ReversedAt.Add(billClock)) && !o.Watch
	if b.ReversedAt.IsZero() && (!ours || !reversed) {
		return c
	}
	out := Outcome{Kind: Paid, Payment: Payment{TransactionID: b.TransactionID, Total: b.Total, Settlement: b.Settlement, PaidAt: b.PaidAt}}
	p.cameAndWent(&c, TruthBill, out, now)
	if n := &c.Order; n.ReverseSentAt.IsZero() && !b.ReversedAt.IsZero() {
		n.ReversedAt = b.ReversedAt // by nobody's reverse here, and a close of ours may have been another day
	}
	c.Order.Watch = false
	return p.seal(c, now)
}
