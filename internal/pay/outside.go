package pay

import "time"

// How long a list of refunds waits before it is asked for again: when it was not
// answered, and while a refund of somebody else is on its way, which takes days.
const (
	listAgain = 30 * time.Second
	listOpen  = time.Hour
)

// Outside is what a wallet lists of the refunds of an order that were not made
// here (money.md §2).
type Outside struct {
	// Refunds have all arrived at the customer.
	Refunds []OutsideRefund
	// Whole says that these and our own are all there are.
	Whole bool
	// Open says that there are others: under way, or not to be made out.
	Open bool
	// Made says that one is listed as made, or under way, that was refused with us.
	Made bool
	// Lost says that the list was not answered.
	Lost bool
}

// OutsideRefund is one refund that somebody else made.
type OutsideRefund struct {
	OutRefundNo string // theirs
	RefundPaid
}

// Import adds refunds made outside us to a change that leaves its order paid, in
// the same unit of work: what went back is never refundable here. Once all of
// them are here, the rest of the order is refundable again; while there are
// others nothing is. Whole is for wallets that list refunds, and these have no
// TRADE_FINISHED.
func (p Profile) Import(c Change, out Outside, now time.Time) Change {
	n := &c.Order
	if !n.Taken() || n.Reserved == n.Total {
		return c
	}
	if out.Lost {
		if n.Finished || c.From.Watch { // there are some, or somebody has said so, and the list will say which
			n.Watch, n.AskAt = true, now.Add(listAgain)
		}
		return p.seal(c, now)
	}
	if out.Whole && len(out.Refunds) == 0 && n.Finished {
		c.Raise = "" // all of them were known
	}
	for _, r := range out.Refunds {
		if r.Refund <= 0 || r.Refund > n.Total-n.Reserved {
			out.Open, out.Whole = true, false
			c.Raise = "the wallet lists a refund that is more than is left of the order"
			continue
		}
		net := r.Settlement
		if net <= 0 || net > r.Refund {
			net = r.Refund
		}
		arrived := r.SucceededAt
		if arrived.IsZero() {
			arrived = now
		}
		c.Refunds = append(c.Refunds, Refund{
			MerchantID: n.MerchantID, OutRefundNo: r.OutRefundNo, OutTradeNo: n.OutTradeNo, Channel: n.Channel, TradeType: n.TradeType,
			State: RefundSucceeded, Origin: OriginChannel, Total: n.Total, Amount: r.Refund, Settlement: net, Cash: r.Cash,
			RefundID: r.RefundID, RecvAccount: r.RecvAccount, Promo: r.Promo, SucceededAt: arrived, CreatedAt: now, UpdatedAt: now,
			Reason: "made outside cloudpay",
		})
		c.Postings = append(c.Postings, PostChannelRefund(r.OutRefundNo, r.Refund, net))
		n.Reserved, n.Refunded = n.Reserved+r.Refund, n.Refunded+r.Refund
		c.Raise = "the wallet lists refunds that were not made here; they were taken over"
	}
	if out.Made {
		c.Raise = RaiseMade
	}
	switch {
	case out.Open:
		n.Finished, n.Watch, n.AskAt = true, true, now.Add(listOpen)
	case out.Whole:
		n.Finished = false
		c.Calm = append(c.Calm, RaiseMade)
	}
	return p.seal(c, now)
}
