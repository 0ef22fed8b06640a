package pay

import "strconv"

// The events that only a bill shows (money.md §5). Item names a line of a bill:
// what it is of and a number. An event is booked once; what a later version of
// the bill says otherwise is a new event, named by nth, which is 1 at first.

// PostFee books a fee, or with a negative amount one that came back.
func PostFee(item string, nth int64, fee Fen) Posting {
	return post(nthEvent("fee", nth)+":"+item, Leg{AccFee, fee}, Leg{AccReceivable, -fee})
}

// PostFeeAccepted books the rest of a fee that a person has accepted. The old
// event, if there is one, is the fee's of the same item.
func PostFeeAccepted(item string, nth int64, rest Fen) Posting {
	return post(nthEvent("feefix", nth)+":"+item, Leg{AccFee, rest}, Leg{AccReceivable, -rest})
}

// PostNet books what a bill says of a settlement that was not known: was is what
// was booked for it so far, is the bill's. Both are negative for what went back.
func PostNet(item string, nth int64, was, is Fen) Posting {
	return post(nthEvent("net", nth)+":"+item, Leg{AccReceivable, is - was}, Leg{AccDiscount, was - is})
}

// PostPayout books money that the wallet paid out to the merchant's bank, or
// with a negative amount a payout that came back.
func PostPayout(flowNo string, paid Fen) Posting {
	return post("payout:"+flowNo, Leg{AccSettled, paid}, Leg{AccReceivable, -paid})
}

// PostUnexplained books what the wallet has more than we have into suspense:
// received, or with a negative amount given. It repairs the event of that item.
func PostUnexplained(item string, nth int64, more Fen) Posting {
	return post(nthEvent("fix", nth)+":"+item, Leg{AccReceivable, more}, Leg{AccSuspense, -more})
}

// nthEvent is the name of the n-th event of a kind.
func nthEvent(name string, nth int64) string {
	if nth <= 1 {
		return name
	}
	return name + strconv.FormatInt(nth, 10)
}
