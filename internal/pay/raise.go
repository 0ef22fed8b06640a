package pay

// Reasons for which a person is asked, where something that happens later ends
// them by itself (Change.Calm). They are stored: a text that changes leaves the
// old reason open.
const (
	RaiseLate    = "money arrived for a dead order: held, to be returned"
	RaiseDoubt   = "the payment is dated before its order: this sale's if our clock was ahead, else an earlier one's of its number; adopt it, or have the wallet refund it"
	RaiseTwice   = "the wallet reports a second payment of an order that was paid: look for both in the bill, and refund one there"
	RaiseMade    = "the wallet made a refund that it had refused: nothing more of the order is refundable here until the bill explains it"
	RaiseBank    = "the bank sent a refund back: it needs a person"
	RaiseReverse = "the tenth reverse has no definite answer"
	RaiseClose   = "the tenth close has no definite answer"
	RaiseUnknown = "no truth for so long: the wallet does not say how the order is"
)

// calmedByEnd are the reasons that an open order may have and a final one has not.
func (p Profile) calmedByEnd(o Order) (calm []string) {
	if o.ReverseTries >= p.AlertAtTry {
		calm = append(calm, RaiseReverse, RaiseClose)
	}
	if o.TradeType == TradeMicroPay && !o.AskedAt.Before(o.SentAt.Add(p.RaiseAfter)) {
		calm = append(calm, RaiseUnknown)
	}
	return calm
}
