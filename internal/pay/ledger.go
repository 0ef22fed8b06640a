package pay

import "fmt"

// Account is a ledger account of one merchant and channel (money.md §5).
type Account string

// The accounts. Amounts on them are debits when positive.
const (
	AccReceivable Account = "R" // what the wallet owes
	AccMerchant   Account = "M" // what the merchant is owed
	AccDiscount   Account = "D" // discounts the merchant bears
	AccFee        Account = "F"
	AccRefunding  Account = "P" // refunds reserved and not yet paid
	AccSuspense   Account = "S" // late money
	AccReturned   Account = "H" // refunds the bank sent back
	AccSettled    Account = "B"
	AccOffline    Account = "O"
)

// Leg is one line of an event: an account and a signed amount, debit positive.
type Leg struct {
	Account Account
	Amount  Fen
}

// Posting is everything one event books for one order. It is keyed by
// merchant, order, event and leg, so that booking it twice changes nothing.
// Its legs sum to zero and none of them is zero.
type Posting struct {
	Event string // e.g. "paid", "reserve:R123"; at most 80 bytes
	Legs  []Leg
}

// post drops legs of zero, checks the balance and returns the posting. A
// posting that does not balance is a programmer's mistake.
func post(event string, legs ...Leg) Posting {
	p := Posting{Event: event}
	var sum Fen
	for _, l := range legs {
		if l.Amount == 0 {
			continue
		}
		sum += l.Amount
		p.Legs = append(p.Legs, l)
	}
	if sum != 0 {
		panic(fmt.Sprintf("pay: posting %s does not balance by %d fen", event, int64(sum)))
	}
	return p
}

// PostPaid books a payment of t whose settlement is n (money.md §5 row 1).
func PostPaid(t, n Fen) Posting {
	return post("paid", Leg{AccReceivable, n}, Leg{AccDiscount, t - n}, Leg{AccMerchant, -t})
}

// PostReserved books the acceptance of a refund of r.
func PostReserved(refundNo string, r Fen) Posting {
	return post("reserve:"+refundNo, Leg{AccMerchant, r}, Leg{AccRefunding, -r})
}

// PostRejected frees the reservation of a refund of r.
func PostRejected(refundNo string, r Fen) Posting {
	return post("reject:"+refundNo, Leg{AccRefunding, r}, Leg{AccMerchant, -r})
}

// PostRefunded books a refund of r that the wallet paid with settlement n.
func PostRefunded(refundNo string, r, n Fen) Posting {
	return post("refund:"+refundNo, Leg{AccRefunding, r}, Leg{AccReceivable, -n}, Leg{AccDiscount, n - r})
}

// PostBankReturn books a refund of r that the bank sent back (CHANGE).
func PostBankReturn(refundNo string, r Fen) Posting {
	return post("return:"+refundNo, Leg{AccRefunding, r}, Leg{AccReturned, -r})
}

// PostReversed undoes a booked payment of t with settlement n.
func PostReversed(t, n Fen) Posting {
	return post("reversed", Leg{AccMerchant, t}, Leg{AccReceivable, -n}, Leg{AccDiscount, n - t})
}

// PostLate books money t with settlement n that arrived for a dead order.
func PostLate(t, n Fen) Posting {
	return post("late", Leg{AccReceivable, n}, Leg{AccDiscount, t - n}, Leg{AccSuspense, -t})
}

// PostLateReversed undoes late money t with settlement n that a cancel has
// given back already.
func PostLateReversed(t, n Fen) Posting {
	return post("late_reversed", Leg{AccSuspense, t}, Leg{AccReceivable, -n}, Leg{AccDiscount, n - t})
}

// PostLateReserved books the acceptance of the return of late money t.
func PostLateReserved(refundNo string, t Fen) Posting {
	return post("reserve:"+refundNo, Leg{AccSuspense, t}, Leg{AccRefunding, -t})
}

// PostLateRejected puts late money t back into suspense when its return was refused.
func PostLateRejected(refundNo string, t Fen) Posting {
	return post("reject:"+refundNo, Leg{AccRefunding, t}, Leg{AccSuspense, -t})
}

// PostLateAdopted gives late money t to the merchant, because a person adopted it.
func PostLateAdopted(t Fen) Posting {
	return post("adopted", Leg{AccSuspense, t}, Leg{AccMerchant, -t})
}

// PostResent books a refund of r with settlement n that the bank had sent back
// and that reached the customer when it was sent again.
func PostResent(refundNo string, r, n Fen) Posting {
	return post("resent:"+refundNo, Leg{AccReturned, r}, Leg{AccReceivable, -n}, Leg{AccDiscount, n - r})
}

// PostOffline books a refund of r that the bank had sent back and that was paid
// to the customer outside the wallet.
func PostOffline(refundNo string, r Fen) Posting {
	return post("offline:"+refundNo, Leg{AccReturned, r}, Leg{AccOffline, -r})
}

// PostToMerchant books n of a refund that the bank had sent back and that the
// wallet has paid to the merchant's own bank account. The customer is still owed.
func PostToMerchant(refundNo string, n Fen) Posting {
	return post("to_merchant:"+refundNo, Leg{AccSettled, n}, Leg{AccReceivable, -n})
}

// PostLateOutside books late money r with settlement n that went back to the
// customer although we have it that the wallet refused to return it.
func PostLateOutside(refundNo string, r, n Fen) Posting {
	return post("outside:"+refundNo, Leg{AccSuspense, r}, Leg{AccReceivable, -n}, Leg{AccDiscount, n - r})
}

// PostChannelRefund books a refund of r with settlement n made outside us.
func PostChannelRefund(refundNo string, r, n Fen) Posting {
	return post("outside:"+refundNo, Leg{AccMerchant, r}, Leg{AccReceivable, -n}, Leg{AccDiscount, n - r})
}

// Balances sums postings per account, in fen, debit positive.
func Balances(ps []Posting) map[Account]Fen {
	b := make(map[Account]Fen)
	for _, p := range ps {
		for _, l := range p.Legs {
			b[l.Account] += l.Amount
		}
	}
	return b
}
