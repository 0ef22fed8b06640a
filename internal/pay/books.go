package pay

import "time"

// Books returns what must stand on M and P for an order with these refunds, in
// fen, credit positive: M is what the merchant is owed, the payment less accepted
// refunds and less a reverse, and P what is reserved and not paid back yet
// (money.md §5). Of the order it reads State, Late, PaidSeen and Total, of the
// refunds State, Origin and Amount.
func (o Order) Books(refunds []Refund) (m, p Fen) {
	instead := false // a refund stands for the reverse
	for _, r := range refunds {
		if r.State == RefundPending {
			p += r.Amount
		}
		if r.State == RefundRejected || r.Origin == OriginLate { // late money never was the merchant's
			continue
		}
		m -= r.Amount
		instead = instead || r.Origin == OriginReverse
	}
	if o.State == PAID || o.PaidSeen {
		m += o.Total
	}
	if o.State == REVERSED && o.PaidSeen && !instead {
		m -= o.Total
	}
	if o.Late == LateAdopted && o.State != PAID {
		m += o.Total
	}
	return m, p
}

// UndoneAt is when a payment that went back by a reverse or a cancel did so, as
// far as we know: when we first sent it. The wallet did it then or later, so its
// bill has it on that day or the next.
func (o Order) UndoneAt() time.Time {
	for _, at := range []time.Time{o.ReverseSentAt, o.ReversedAt} {
		if !at.IsZero() {
			return at
		}
	}
	return o.PaidAt // a cancel that came before we knew of the payment, or nobody's
}
