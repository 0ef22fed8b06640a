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
