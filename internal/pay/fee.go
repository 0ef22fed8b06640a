package pay

// rateUnit is 100 % in the unit of bank_rate (protocol.md §2.4).
const rateUnit = 1_000_000

// Poundage is the fee on a settlement at a merchant's bank_rate, which is in
// 1/1000000: rounded half up to the fen for each transaction, as the wallets do
// (upstreams.md §8.6). The fee on a negative amount, a net refund, is as
// negative. A rate outside 0 to 100 % is none: it is a figure for lists, and
// the bill says what is really kept.
func Poundage(settlement Fen, bankRate int64) Fen {
	if bankRate <= 0 || bankRate > rateUnit {
		return 0
	}
	if settlement < 0 {
		return -Poundage(-settlement, bankRate)
	}
	whole, part := settlement/rateUnit, settlement%rateUnit // so that no amount overflows
	return whole*Fen(bankRate) + (part*Fen(bankRate)+rateUnit/2)/rateUnit
}
