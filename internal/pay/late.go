package pay

import "time"

// Hand is what a person did to an order or a refund, by whose hand and why. It
// is written in the same unit of work (money.md §3, by hand).
type Hand struct {
	Act string // one of the Hand… constants, "" for nothing done by hand
	Who string // as the audit trail names an actor, at most 100 bytes
	Why string // a person's words, at most 255 characters
}

// The acts of a hand. They are stored: names never change.
const (
	HandAdopt   = "adopt"   // late money is the merchant's
	HandReturn  = "return"  // late money goes back to the customer
	HandOffline = "offline" // a refund that the bank sent back was paid outside the wallet
	HandResume  = "resume"  // a refund that the bank sent back is asked for again

	HandToMerchant = "to_merchant" // the wallet is told to pay it to the merchant's bank account
	HandNotSent    = "not_sent"    // and refused to
)

// Taken reports whether the merchant has this order's money: it is paid, or was
// paid late and a person adopted it. It may be refunded, and is shown as paid.
func (o Order) Taken() bool { return o.State == PAID || o.Late == LateAdopted && o.State.Final() }

// Standing is the state that merchants and tills are shown: an order whose late
// money was adopted is paid (money.md §1), and one whose payment is in doubt is
// not known.
func (o Order) Standing() OrderState {
	if o.Taken() {
		return PAID
	}
	if o.doubted() {
		return PAYING
	}
	return o.State
}

// lateFree says whether late money is in suspense and nobody is returning it.
func lateFree(o Order) error {
	switch o.Late {
	case LateHeld:
		if o.Reserved > 0 {
			return Refuse(ErrDenied, "late_returning", "该笔迟到资金正在退回，不能处理")
		}
		return nil
	case LateReturned:
		return Refuse(ErrDenied, "late_returned", "该笔迟到资金已退回顾客")
	case LateAdopted:
		return Refuse(ErrDenied, "late_adopted", "该笔迟到资金已由人工认领")
	case LateNone:
	}
	return Refuse(ErrDenied, "late_none", "该订单没有迟到资金")
}

// AdoptLate makes late money the merchant's, because a person says that it is a
// sale after all: only now is the merchant called back (money.md §1, §5). The
// order's own state stays what it was. The error is of kind ErrDenied when there
// is no late money, or it has gone back or is on its way; nothing changes then.
func (p Profile) AdoptLate(o Order, by Hand, now time.Time) (Change, error) {
	c := Change{From: o, Order: o}
	if err := lateFree(o); err != nil {
		return c, err
	}
	n := &c.Order
	n.Late = LateAdopted // and whoever was about to ask still does: the money may have gone back
	c.Postings = append(c.Postings, PostLateAdopted(n.Total))
	c.Callbacks = append(c.Callbacks, EventPaid)
	c.Calm = append(c.Calm, RaiseLate, RaiseDoubt)
	by.Act = HandAdopt
	c.Hand = by
	return p.seal(c, now), nil
}

// ReturnLate has late money returned that waits for a person, because the
// merchant wants it so or because its return was refused before. Errors as in
// AdoptLate. Next then says to refund it.
func (p Profile) ReturnLate(o Order, by Hand, now time.Time) (Change, error) {
	c := Change{From: o, Order: o}
	if err := lateFree(o); err != nil {
		return c, err
	}
	if o.lateRefused() {
		return c, Refuse(ErrDenied, "late_refused", "渠道已拒绝退回，请认领或在渠道后台处理")
	}
	if o.NoReverse || o.Duplicate {
		return c, Refuse(ErrDenied, "late_duplicate", "该订单号可能属于另一笔交易，不能自动退回，请认领或在渠道后台处理")
	}
	c.Order.HoldLate = false
	by.Act = HandReturn
	c.Hand = by
	c = p.seal(c, now)
	c.Order.UpdatedAt = now
	return c, nil
}

// Offline ends a refund that the bank sent back because it was paid to the
// customer outside the wallet (money.md §5: H to O). The error is of kind
// ErrDenied for any other refund, and nothing changes then.
func (p Profile) Offline(r Refund, by Hand, now time.Time) (RefundChange, error) {
	c := RefundChange{From: r, Refund: r}
	if err := handed(r); err != nil {
		return c, err
	}
	n := &c.Refund
	n.State, n.SucceededAt, n.UpdatedAt = RefundOffline, now, now
	c.Postings = append(c.Postings, PostOffline(n.OutRefundNo, n.Amount))
	c.Refunded = n.Amount
	p.handedBack(&c)
	by.Act = HandOffline
	c.Hand = by
	return c, nil
}

// Resume takes what the wallet says of a refund that the bank sent back and that
// a person sent again in the wallet's console. Only "it has arrived" changes
// anything. Errors as in Offline.
func (p Profile) Resume(r Refund, out Outcome, pd RefundPaid, byHand, toMerchant bool, by Hand, now time.Time) (RefundChange, error) {
	c := RefundChange{From: r, Refund: r}
	switch err := handed(r); {
	case err != nil:
		return c, err
	case !r.SucceededAt.IsZero():
		return c, Refuse(ErrDenied, "refund_at_merchant", "渠道已退至商户账户，请线下退给顾客后登记 offline")
	case out.Kind != Paid || byHand || pd.Refund != 0 && pd.Refund != r.Amount:
		return c, Refuse(ErrUnavailable, "refund_not_arrived", "渠道尚未确认该退款到账")
	}
	n := &c.Refund
	arrived(n, pd, now)
	n.UpdatedAt = now
	by.Act = HandResume
	c.Hand = by
	if toMerchant {
		n.State = RefundNeedsHand // what is owed to the customer stays owed
		c.Postings = append(c.Postings, PostToMerchant(n.OutRefundNo, n.Settlement))
		return c, nil
	}
	c.Postings = append(c.Postings, PostResent(n.OutRefundNo, n.Amount, n.Settlement))
	c.Refunded = n.Amount
	p.handedBack(&c)
	return c, nil
}

// SendOn notes, before it is sent, that the wallet is told to pay a refund that
// the bank sent back to the merchant's own bank account, or afterwards, with
// refused, that it will not. Errors as in Offline.
func (p Profile) SendOn(r Refund, refused bool, by Hand, now time.Time) (RefundChange, error) {
	c := RefundChange{From: r, Refund: r}
	if err := handed(r); err != nil {
		return c, err
	}
	c.Refund.UpdatedAt = now
	if by.Act = HandToMerchant; refused {
		by.Act = HandNotSent
	}
	c.Hand = by
	return c, nil
}

// handed says whether a refund waits for a person.
func handed(r Refund) error {
	if r.State != RefundNeedsHand {
		return Refuse(ErrDenied, "refund_not_by_hand", "该退款不需要人工处理")
	}
	return nil
}

// handedBack is what follows when a refund that the bank sent back has reached
// the customer after all.
func (p Profile) handedBack(c *RefundChange) {
	c.Calm = append(c.Calm, RaiseBank)
	switch c.Refund.Origin {
	case OriginAPI:
		c.Callbacks = append(c.Callbacks, EventRefund+c.Refund.OutRefundNo)
	case OriginLate:
		c.Late = LateReturned
		c.Calm = append(c.Calm, RaiseLate)
	case OriginReverse, OriginChannel:
	}
}
