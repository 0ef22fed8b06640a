package pay

import "testing"

// A wallet that refused the number as used, and a moment later did not know it, was
// believed: 407 at the till, which asks the customer for another payment, and the
// first one had been charged (simulation, seed 22234 of 2026-11-27, every night).
func TestBugUsedNumberThatWasNotFoundOnceWasRefused(t *testing.T) {
	t.Parallel()
	duplicate := Outcome{Kind: Unknown, Next: NextQueryFirst, Reason: ReasonDuplicate, NoReverse: true, Verified: true, Code: "ACQ.TRADE_HAS_SUCCESS"}
	missing := Outcome{Kind: Unknown, Reason: ReasonNotFound, Verified: true, Code: "ACQ.TRADE_NOT_EXIST"}
	paid := Outcome{Kind: Paid, Verified: true, Code: "TRADE_SUCCESS", Payment: Payment{TransactionID: "2013", PaidAt: at(1), Total: total}}
	for ch, p := range Profiles {
		o := Order{MerchantID: "m1", OutTradeNo: "T1", Channel: ch, TradeType: TradeMicroPay, State: PAYING, Total: total, SentAt: begin}
		o = p.Apply(o, CallPay, duplicate, at(1)).Order
		o = p.Apply(o, CallQuery, missing, at(1)).Order
		kindOf(t, o.PayAnswer(), ErrUnavailable)
		if step := p.Next(o, at(1)); step.Act != ActQuery || step.At.After(at(12)) {
			t.Errorf("%s: next %+v, want a query soon", ch, step)
		}
		if got := p.Apply(o, CallQuery, paid, at(13)).Order; got.State != PAID {
			t.Errorf("%s: charged by us: %s", ch, got.State)
		}
		o = p.Apply(o, CallQuery, missing, at(60)).Order
		kindOf(t, o.PayAnswer(), ErrUnavailable)
		o = p.Apply(o, CallQuery, missing, at(61)).Order
		kindOf(t, o.PayAnswer(), ErrConflict)
		if o.State != DECLINED || !o.Duplicate {
			t.Errorf("%s: not found for a minute: %s", ch, o.State)
		}
	}
}
