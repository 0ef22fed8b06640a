package pay

import (
	"testing"
	"time"
)

// This file holds what an audit of money.md found to be kept by no test, or not
// at all: combinations that the tests of single rules do not meet.

// A wallet that reports a second payment under one number was believed to mean
// the first one, and the second customer's money was in nobody's books.
func TestBugSecondPaymentOfOneNumberWasNotRaised(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		o      Order
		said   string
		raised bool
	}{
		"paid, the same":                 {Order{State: PAID, TransactionID: "4200001"}, "4200001", false},
		"paid, another":                  {Order{State: PAID, TransactionID: "4200001"}, "4200002", true},
		"paid, a number of ours":         {Order{State: PAID, TransactionID: "cp1790000000"}, "4200002", false},
		"paid, none named":               {Order{State: PAID, TransactionID: "4200001"}, "", false},
		"being reversed, another":        {Order{State: REVERSING, ReverseSentAt: at(60), PaidSeen: true, TransactionID: "4200001"}, "4200002", true},
		"late money in suspense":         {Order{State: CLOSED, Late: LateHeld, TransactionID: "4200001"}, "4200002", true},
		"late money that was returned":   {Order{State: CLOSED, Late: LateReturned, TransactionID: "4200001"}, "4200002", true},
		"late money that a person took":  {Order{State: CLOSED, Late: LateAdopted, TransactionID: "4200001"}, "4200002", true},
		"late money, reported once more": {Order{State: CLOSED, Late: LateHeld, TransactionID: "4200001"}, "4200001", false},
	} {
		for _, call := range []Call{CallQuery, CallNotice} {
			o := c.o
			o.Total, o.Settlement, o.SentAt, o.PaidAt, o.Channel, o.TradeType = total, settled, begin, at(3), Wxpay, TradeScanCode
			out := Outcome{Kind: Paid, Verified: true, Code: "SUCCESS", Payment: Payment{TransactionID: c.said, Total: total, PaidAt: at(9)}}
			got := Profiles[Wxpay].Apply(o, call, out, at(300))
			if (got.Raise == RaiseTwice) != c.raised {
				t.Errorf("%s, %s: raised %q", name, call, got.Raise)
			}
			number := o.TransactionID
			if number == "cp1790000000" { // ours, until the wallet's is known
				number = c.said
			}
			if got.Order.TransactionID != number || len(got.Postings) != 0 || len(got.Callbacks) != 0 || got.Order.Late != o.Late {
				t.Errorf("%s, %s: changed to %+v, booked %v", name, call, got.Order, got.Postings)
			}
		}
	}
}

// What a wallet gave back of a partly refunded order was booked at its amount
// although the merchant bears a discount: R and D did not come to nothing.
func TestBugRestGivenBackWithoutUsForgotTheDiscount(t *testing.T) {
	t.Parallel()
	for _, c := range []struct{ refunded, ours, want Fen }{
		{0, 0, 96}, {50, 48, 48}, {99, 95, 1}, {33, 31, 65}, {1, 0, 96},
	} {
		o := Order{
			MerchantID: "m", OutTradeNo: "T", Channel: Alipay, State: PAID, Total: total, Settlement: settled, SentAt: begin, PaidAt: at(3),
			Reserved: c.refunded, Refunded: c.refunded,
		}
		out := Outcome{Kind: Declined, Verified: true, Code: "TRADE_CLOSED", Returned: true, Payment: Payment{Total: total, PaidAt: at(3)}}
		got := Profiles[Alipay].Apply(o, CallQuery, out, at(99))
		if len(got.Refunds) != 1 || got.Refunds[0].Settlement != c.want || got.Refunds[0].Amount != total-c.refunded {
			t.Errorf("%d refunded before: %+v, want a settlement of %d", c.refunded, got.Refunds, c.want)
			continue
		}
		ps := append(got.Postings, PostPaid(total, settled))
		if c.refunded > 0 {
			ps = append(ps, PostReserved("R", c.refunded), PostRefunded("R", c.refunded, c.ours))
		}
		if b := Balances(ps); b[AccReceivable] != 0 || b[AccDiscount] != 0 || b[AccMerchant] != 0 {
			t.Errorf("%d refunded before: %v is left", c.refunded, b)
		}
	}
}

// A list of refunds that was asked for because of a notice, and was not answered,
// was never asked for again once the order had a refund of ours.
func TestBugLostListOfRefundsWasNotAskedForAgain(t *testing.T) {
	t.Parallel()
	p := Profiles[Wxpay]
	o := Order{State: PAID, Total: total, Settlement: settled, SentAt: begin, PaidAt: at(3), Reserved: 40, Refunded: 40, RefundSentAt: at(60), Watch: true, AskAt: at(300)}
	out := Outcome{Kind: Paid, Verified: true, Code: "REFUND", Payment: Payment{Total: total, PaidAt: at(3), RefundState: true}}
	c := p.Import(p.Apply(o, CallQuery, out, at(300)), Outside{Lost: true}, at(300))
	if step := p.Next(c.Order, at(300)); step.Act != ActQuery || !step.At.Equal(at(330)) {
		t.Errorf("next is %+v, want the question once more after 30 s", step)
	}
}

// TestAnswersWhileMoneyIsHeld: what a till is told of an order does not change
// with late money in suspense, whoever asks for what (money.md §1, §2).
func TestAnswersWhileMoneyIsHeld(t *testing.T) {
	t.Parallel()
	for _, state := range []OrderState{CLOSED, DECLINED, REVERSED} {
		for _, late := range []LateState{LateNone, LateHeld, LateReturned} {
			o := Order{State: state, Late: late, Total: total, Settlement: settled, SentAt: begin, PaidAt: at(200), TradeType: TradeMicroPay}
			kindOf(t, o.PayAnswer(), ErrDead)
			if err := o.ReverseAnswer(); err != nil {
				t.Errorf("%s %q: reverse answers %v, want that nothing is left", state, late, err)
			}
			refused(t, string(state), Profiles[Wxpay].CheckRefund(o, total, total, at(300)), ErrDenied, "refund_dead")
			c, err := Profiles[Wxpay].ReverseAsked(o, "", true, at(300))
			if err != nil || c.Changed() {
				t.Errorf("%s %q: a reverse changes it to %+v, %v", state, late, c.Order, err)
			}
		}
	}
}

// TestRefundSentBackByTheBankHoldsItsAmountToTheEnd: what the bank sent back is
// reserved until a person has ended it, and then refunded (money.md §1).
func TestRefundSentBackByTheBankHoldsItsAmountToTheEnd(t *testing.T) {
	t.Parallel()
	p := Profiles[Wxpay]
	r := Refund{State: RefundNeedsHand, Origin: OriginAPI, OutRefundNo: "R", Total: total, Amount: 60}
	offline, err := p.Offline(r, Hand{Who: "o", Why: "w"}, at(9))
	if err != nil || offline.Reserved != 0 || offline.Refunded != 60 || offline.Refund.State != RefundOffline {
		t.Errorf("offline: %+v, %v", offline, err)
	}
	arrived := Outcome{Kind: Paid, Verified: true}
	resumed, err := p.Resume(r, arrived, RefundPaid{Refund: 60, Settlement: 58}, false, false, Hand{}, at(9))
	if err != nil || resumed.Reserved != 0 || resumed.Refunded != 60 || resumed.Refund.State != RefundSucceeded || resumed.Refund.Settlement != 58 {
		t.Errorf("resumed: %+v, %v", resumed, err)
	}
	for name, c := range map[string]struct {
		paid   RefundPaid
		byHand bool
	}{"another amount": {RefundPaid{Refund: 59}, false}, "still at the bank": {RefundPaid{Refund: 60}, true}} {
		if got, err := p.Resume(r, arrived, c.paid, c.byHand, false, Hand{}, at(9)); err == nil || got.Refund != r || got.Refunded != 0 {
			t.Errorf("%s: %+v, %v", name, got, err)
		}
	}
}

// TestRefundOfAdoptedMoneyIsAnOrdinaryOne: as of any payment, to the last fen and
// not a day longer than the wallet's year.
func TestRefundOfAdoptedMoneyIsAnOrdinaryOne(t *testing.T) {
	t.Parallel()
	p := Profiles[Wxpay]
	o := Order{State: CLOSED, Late: LateAdopted, Total: total, Settlement: settled, SentAt: begin, PaidAt: at(200), TradeType: TradeScanCode}
	year := o.PaidAt.Add(365 * 24 * time.Hour)
	for name, c := range map[string]struct {
		now  time.Time
		code string
	}{"at once": {at(300), ""}, "at the limit": {year, ""}, "a millisecond later": {year.Add(time.Millisecond), "refund_overdue"}} {
		err := p.CheckRefund(o, total, total, c.now)
		if c.code == "" && err != nil {
			t.Errorf("%s: %v", name, err)
		} else if c.code != "" {
			refused(t, name, err, ErrDenied, c.code)
		}
	}
	if _, err := p.ReverseAsked(o, "", true, at(300)); err == nil {
		t.Error("adopted money is reversed")
	}
}

// TestRefundSentBeforeACrashCountsAsUnanswered: the process dies between the
// commit of a refund's send and its answer, the refund is sent again and refused.
// The first may have arrived, so the reservation stands until the wallet has
// known of none twice, a minute apart (money.md §2).
func TestRefundSentBeforeACrashCountsAsUnanswered(t *testing.T) {
	t.Parallel()
	for ch := range Profiles {
		s := refunding(t, ch)
		died := false
		s.crash = func() bool { died, s.crash = true, func() bool { return false }; return true }
		s.w.refuse = 1
		for range 1000 {
			if s.refunds["R1"].Refused || s.refunds["R1"].State != RefundPending {
				break
			}
			s.turn()
		}
		if r := s.refunds["R1"]; !died || r.State != RefundPending || s.o.Reserved != 60 {
			s.fatalf("%s: %s with %d reserved right after the refusal", ch, r.State, s.o.Reserved)
		}
		refusedAt := s.now
		s.refundEnds(t, RefundRejected)
		if gap := s.now.Sub(refusedAt); gap < time.Minute || s.o.Reserved != 0 {
			t.Errorf("%s: freed %v after the refusal, %d reserved", ch, gap, s.o.Reserved)
		}
	}
}

// TestPaymentFirstSeenFinishedIsPaidAndNotRefundable: TRADE_FINISHED is a payment,
// whoever tells of it first, and nothing of it is refundable (money.md §1).
func TestPaymentFirstSeenFinishedIsPaidAndNotRefundable(t *testing.T) {
	t.Parallel()
	p := Profiles[Alipay]
	for _, call := range []Call{CallPay, CallQuery, CallNotice} {
		o := Order{State: PAYING, Channel: Alipay, TradeType: TradeMicroPay, Total: total, SentAt: begin}
		out := Outcome{Kind: Paid, Verified: true, Code: "TRADE_FINISHED", Payment: Payment{TransactionID: "2026", Total: total, PaidAt: at(3), Finished: true}}
		c := p.Apply(o, call, out, at(9))
		if c.Order.State != PAID || !c.Order.Finished || count(c.Callbacks, EventPaid) != 1 {
			t.Errorf("%s: %s, finished %v, told %v", call, c.Order.State, c.Order.Finished, c.Callbacks)
		}
		refused(t, string(call), p.CheckRefund(c.Order, total, 1, at(10)), ErrDenied, "refund_finished")
	}
}

// TestRefusedRefundIsFreedAtExactlyAMinute: the second "no such refund" counts
// from the sixtieth second after the first, not before (money.md §2).
func TestRefusedRefundIsFreedAtExactlyAMinute(t *testing.T) {
	t.Parallel()
	missing := Outcome{Kind: Unknown, Verified: true, Reason: ReasonNotFound, Code: "REFUNDNOTEXIST"}
	for ch, p := range Profiles {
		for now, want := range map[float64]RefundState{59.999: RefundPending, 60: RefundRejected} {
			r := Refund{State: RefundPending, Origin: OriginAPI, OutRefundNo: "R", Amount: 60, Total: total, Refused: true, Unanswered: true, MissingAt: at(0), Tries: 4}
			if got := p.ApplyRefund(r, CallQueryRefund, missing, RefundPaid{}, false, false, at(now)).Refund.State; got != want {
				t.Errorf("%s: %v s after the first sighting %s, want %s", ch, now, got, want)
			}
		}
	}
}

// TestRefundOutsideSettlesNoMoreThanItsAmount: r bounds n, as of a refund of ours.
func TestRefundOutsideSettlesNoMoreThanItsAmount(t *testing.T) {
	t.Parallel()
	p := Profiles[Wxpay]
	o := Order{MerchantID: "m", OutTradeNo: "T", Channel: Wxpay, State: PAID, Total: total, Settlement: settled}
	for _, pair := range [][2]Fen{{-1, 30}, {0, 30}, {29, 29}, {30, 30}, {31, 30}} {
		said, want := pair[0], pair[1]
		c := p.Import(Change{From: o, Order: o}, Outside{Refunds: []OutsideRefund{{OutRefundNo: "a", RefundPaid: RefundPaid{Refund: 30, Settlement: said}}}}, at(9))
		if len(c.Refunds) != 1 || c.Refunds[0].Settlement != want || Balances(c.Postings)[AccReceivable] != -want {
			t.Errorf("the wallet says %d: %+v, booked %v", said, c.Refunds, c.Postings)
		}
	}
}

// TestReverseThatBecameARefundIsNotBookedTwice: the refund that stands for it is
// under way when the wallet shows the payment as given back (money.md §3 row 10, §5).
func TestReverseThatBecameARefundIsNotBookedTwice(t *testing.T) {
	t.Parallel()
	o := Order{
		State: REVERSING, Channel: Wxpay, TradeType: TradeMicroPay, Total: total, Settlement: settled, SentAt: begin, PaidAt: at(3), ReverseSentAt: at(60),
		PaidSeen: true, RefundInstead: true, Reserved: total, TransactionID: "4200",
	}
	out := Outcome{Kind: Declined, Verified: true, Code: "REVOKED", Returned: true, Payment: Payment{TransactionID: "4200", Total: total, PaidAt: at(3)}}
	for _, call := range []Call{CallQuery, CallNotice} {
		c := Profiles[Wxpay].Apply(o, call, out, at(99))
		if c.Order.State != REVERSED || len(c.Postings) != 0 || count(c.Callbacks, EventReversed) != 1 {
			t.Errorf("%s: %s, booked %v, told %v", call, c.Order.State, c.Postings, c.Callbacks)
		}
	}
}

// TestOrderThatEndsAsAnothersNumberTellsOfNoReverse: nothing of it was reversed,
// and its number's earlier payment stands (money.md §3 row 6).
func TestOrderThatEndsAsAnothersNumberTellsOfNoReverse(t *testing.T) {
	t.Parallel()
	for name, out := range map[string]Outcome{
		"closed":  {Kind: Declined, Verified: true, Code: "CLOSED"},
		"missing": {Kind: Unknown, Verified: true, Reason: ReasonNotFound, Code: "ORDERNOTEXIST"},
		"earlier": {Kind: Paid, Verified: true, Code: "SUCCESS", Payment: Payment{TransactionID: "4199", Total: total, PaidAt: begin.Add(-time.Hour)}},
	} {
		o := Order{State: REVERSING, ReverseAsk: true, Channel: Wxpay, TradeType: TradeMicroPay, Total: total, SentAt: begin, NoReverse: true, MissingAt: at(20)}
		c := Profiles[Wxpay].Apply(o, CallQuery, out, at(80))
		if c.Order.State != REVERSED || !c.Order.Duplicate || len(c.Callbacks) != 0 || len(c.Postings) != 0 {
			t.Errorf("%s: %s, duplicate %v, told %v, booked %v", name, c.Order.State, c.Order.Duplicate, c.Callbacks, c.Postings)
		}
		kindOf(t, c.Order.PayAnswer(), ErrConflict)
	}
}

// TestOnlyRefusalsOfTheCustomersSideAreAskedForOnceMore: Alipay may leave such a
// trade open (money.md §3 row 5); what the merchant's side was refused for is over.
func TestOnlyRefusalsOfTheCustomersSideAreAskedForOnceMore(t *testing.T) {
	t.Parallel()
	for _, reason := range []Reason{ReasonCustomer, ReasonMerchant, ReasonConfiguration, ReasonOrderDead, ReasonRisk} {
		for ch, p := range Profiles {
			o := Order{State: PAYING, Channel: ch, TradeType: TradeMicroPay, Total: total, SentAt: begin}
			c := p.Apply(o, CallPay, Outcome{Kind: Declined, Verified: true, Reason: reason, Code: "X"}, at(1))
			step := p.Next(c.Order, at(1))
			if want := ch == Alipay && reason == ReasonCustomer; c.Order.State != DECLINED || (step.Act == ActQuery) != want || want && !step.At.Equal(at(30)) {
				t.Errorf("%s %s: %s, next %+v", ch, reason, c.Order.State, step)
			}
		}
	}
}

// TestRefundThatIsListedAfterItsRefusalStopsRefunds until the list has no such any
// more, because the bill has taken it back; then nobody is asked for any longer.
func TestRefundThatIsListedAfterItsRefusalStopsRefunds(t *testing.T) {
	t.Parallel()
	p := Profiles[Wxpay]
	o := Order{State: PAID, Channel: Wxpay, Total: total, Settlement: settled, SentAt: begin, PaidAt: at(3), RefundSentAt: at(60), TransactionID: "4200"}
	out := Outcome{Kind: Paid, Verified: true, Code: "REFUND", Payment: Payment{TransactionID: "4200", Total: total, PaidAt: at(3), RefundState: true}}
	listed := p.Import(p.Apply(o, CallQuery, out, at(300)), Outside{Open: true, Made: true}, at(300))
	if listed.Raise != RaiseMade || !p.Next(listed.Order, at(300)).At.Equal(at(300+3600)) {
		t.Errorf("raised %q, next %+v", listed.Raise, p.Next(listed.Order, at(300)))
	}
	refused(t, "listed", p.CheckRefund(listed.Order, total, 1, at(301)), ErrDenied, "refund_finished")
	o = listed.Order
	o.Reserved, o.Refunded = 60, 60 // taken back
	whole := p.Import(p.Apply(o, CallQuery, out, at(4000)), Outside{Whole: true}, at(4000))
	if err := p.CheckRefund(whole.Order, total, 40, at(4001)); err != nil || whole.Raise != "" || len(whole.Calm) != 1 || whole.Calm[0] != RaiseMade {
		t.Errorf("raised %q, calm %q, refund: %v", whole.Raise, whole.Calm, err)
	}
}
