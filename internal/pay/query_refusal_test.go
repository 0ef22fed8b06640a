package pay

import "testing"

// TestBugRefusedQuestionMadeAMissingOrderDeclined: the answer to a payment got
// lost, and APIv3 refused the first question about it (RULE_LIMIT, reason "risk
// or limit"). That reason is the question's. Kept as the payment's, it turned
// the next "does not exist", which may mean "not arrived yet", into DECLINED,
// with nothing reversed (upstreams.md §3.4, §6).
func TestBugRefusedQuestionMadeAMissingOrderDeclined(t *testing.T) {
	t.Parallel()
	p := Profiles[Wxpay]
	missing := Outcome{Kind: Unknown, Verified: true, Reason: ReasonNotFound, Code: "ORDER_NOT_EXIST"}
	sent := Order{OutTradeNo: "T1", Channel: Wxpay, TradeType: TradeMicroPay, State: PAYING, Total: total, SentAt: begin, CreatedAt: begin}
	for _, reason := range []Reason{ReasonRisk, ReasonDuplicate, ReasonCustomer, ReasonConfiguration} {
		o := p.Apply(sent, CallPay, Outcome{Kind: Unknown, Lost: true}, at(5)).Order
		o = p.Apply(o, CallQuery, Outcome{Kind: Declined, Verified: true, Reason: reason, Code: "RULE_LIMIT"}, at(6)).Order
		if o = p.Apply(o, CallQuery, missing, at(11)).Order; o.State != PAYING {
			t.Errorf("%s: %s after a refused question and one \"does not exist\", want PAYING", reason, o.State)
		}
	}
	// What the payment itself was refused for still wants but one such answer.
	refused := Outcome{Kind: Unknown, Next: NextQueryFirst, Verified: true, Reason: ReasonRisk, Code: "TRADE_ERROR"}
	o := p.Apply(sent, CallPay, refused, at(5)).Order
	o = p.Apply(o, CallQuery, Outcome{Kind: Declined, Verified: true, Reason: ReasonConfiguration, Code: "NO_AUTH"}, at(6)).Order
	if o = p.Apply(o, CallQuery, missing, at(11)).Order; o.State != DECLINED {
		t.Errorf("a refused payment that does not exist is %s, want DECLINED", o.State)
	}
}

// TestBugRefusedQuestionFreedTheMoneyOfARefund: the answer to a refund got lost,
// and APIv3 refused the question about it with ORDER_CLOSED. That is about the
// order, and no state of the refund, which may be on its way.
func TestBugRefusedQuestionFreedTheMoneyOfARefund(t *testing.T) {
	t.Parallel()
	p := Profiles[Wxpay]
	for _, reason := range []Reason{ReasonOrderDead, ReasonRisk, ReasonConfiguration} {
		r := Refund{OutRefundNo: "R1", State: RefundPending, Origin: OriginAPI, Amount: 60, Total: total, Do: ActAsk, Tries: 1, Unanswered: true}
		c := p.ApplyRefund(r, CallQueryRefund, Outcome{Kind: Declined, Verified: true, Reason: reason, Code: "ORDER_CLOSED"}, RefundPaid{}, false, false, at(9))
		if c.Refund.State != RefundPending || c.Reserved != 0 {
			t.Errorf("%s: %s, %d fen of the reservation freed", reason, c.Refund.State, -c.Reserved)
		}
	}
}
