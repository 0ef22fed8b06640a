package pay

import "strconv"

// The events that only a bill shows (money.md §5). Item names a line of a bill:
// what it is of and a number. An event is booked once; what another bill says
// otherwise, a later version or that of another day, is a new event, named by the
// bill (BillName).

// PostFee books a fee, or with a negative amount one that came back.
func PostFee(item, bill string, fee Fen) Posting {
	return post("fee@"+bill+":"+item, Leg{AccFee, fee}, Leg{AccReceivable, -fee})
}

// PostFeeAccepted books the rest of a fee that a person has accepted. The old
// event, if there is one, is the fee's of the same item.
func PostFeeAccepted(item, bill string, rest Fen) Posting {
	return post("feefix@"+bill+":"+item, Leg{AccFee, rest}, Leg{AccReceivable, -rest})
}

// PostNet books what a bill says of a settlement that was not known: was is what
// was booked for it so far, is the bill's. Both are negative for what went back.
func PostNet(item, bill string, was, is Fen) Posting {
	return post("net@"+bill+":"+item, Leg{AccReceivable, is - was}, Leg{AccDiscount, was - is})
}

// PostPayout books money that the wallet paid out to the merchant's bank, or
// with a negative amount a payout that came back.
func PostPayout(flowNo string, paid Fen) Posting {
	return post("payout:"+flowNo, Leg{AccSettled, paid}, Leg{AccReceivable, -paid})
}

// PostUnexplained books what the wallet has more than we have into suspense:
// received, or with a negative amount given. It repairs the event of that item.
func PostUnexplained(item, bill string, more Fen) Posting {
	return post("fix@"+bill+":"+item, Leg{AccReceivable, more}, Leg{AccSuspense, -more})
}

// BillName names a version of a day's bill within events: 20261125, 20261125.2.
func BillName(day string, version int64) string {
	if version <= 1 {
		return day
	}
	return day + "." + strconv.FormatInt(version, 10)
}
