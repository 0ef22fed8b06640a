package pay

import (
	"slices"
	"strings"
	"testing"
	"time"
)

// Each test here names a mistake that the first form of this package made.

func TestBugDuplicateLearntAfterTheCashierAskedWasReversed(t *testing.T) {
	t.Parallel()
	for _, ch := range []Channel{Wxpay, Alipay} {
		w := newWallet(ch, usedNumber, time.Time{})
		s := newWorld(t, Profiles[ch], w)
		s.send(5 * time.Second)
		s.until(at(3))
		s.loses("query", lostBefore, 30)
		if err := s.cashierReverses(); err != nil {
			t.Fatal(err)
		}
		s.ends(t, REVERSED)
		kindOf(t, s.o.PayAnswer(), ErrConflict)
		if w.reverses != 0 {
			t.Errorf("%s: %d reverses of an earlier order", ch, w.reverses)
		}
	}
}

func TestBugDuplicateLearntAfterTheReverseLeftKeptReversing(t *testing.T) {
	t.Parallel()
	duplicate := Outcome{Kind: Unknown, Next: NextQueryFirst, Reason: ReasonDuplicate, NoReverse: true, Verified: true, Code: "ORDERPAID"}
	notFound := Outcome{Kind: Unknown, Reason: ReasonNotFound, Verified: true, Code: "ORDERNOTEXIST"}
	payError := Outcome{Kind: Unknown, Next: NextReverse, Verified: true, Code: "PAYERROR"}
	for name, query := range map[string]Outcome{
		"unknown": notFound, "failed": payError, "closed": verified(Declined, "CLOSED"),
		"returned": {Kind: Declined, Verified: true, Returned: true, Payment: Payment{PaidAt: at(-3600)}},
	} {
		s := newWorld(t, Profiles[Wxpay], newWallet(Wxpay, ignores, time.Time{}))
		_ = s.cashierReverses()
		s.now = at(15)
		s.take(s.p.StartReverse(s.o, s.now))
		s.take(s.p.Apply(s.o, CallPay, duplicate, s.now))
		if step := s.p.Next(s.o, s.now); step.Act != ActQuery {
			t.Errorf("%s: next %v, want a query", name, step)
		}
		s.take(s.p.Apply(s.o, CallQuery, query, s.now))
		if name == "unknown" { // once is no proof
			if step := s.p.Next(s.o, s.now); s.o.State != REVERSING || step.Act != ActQuery || step.At.Sub(s.now) > 10*time.Second {
				t.Errorf("%s: %s, next %v, want one more query soon", name, s.o.State, step)
			}
			s.now = s.now.Add(time.Minute)
			s.take(s.p.Apply(s.o, CallQuery, query, s.now))
		}
		if s.o.State != REVERSED || !s.o.Duplicate {
			t.Errorf("%s: %s duplicate %v, want REVERSED as 407", name, s.o.State, s.o.Duplicate)
		}
	}
}

func TestBugOwnPaymentUnderADuplicateNumberIsRefundedNotReversed(t *testing.T) {
	t.Parallel()
	s := newWorld(t, Profiles[Wxpay], newWallet(Wxpay, busyCharged, time.Time{}))
	s.send(16 * time.Second)
	s.late.NoReverse = true
	_ = s.cashierReverses()
	s.loses("", lostBefore, 17)
	s.until(at(16))
	reverses := s.w.reverses
	s.ends(t, REVERSED)
	if s.w.reverses != reverses || s.w.refunds["rv"] != total {
		t.Errorf("%d reverses after the number was called duplicate, refunds %v", s.w.reverses-reverses, s.w.refunds)
	}
}

func TestBugRefusedQueryEndedTheOrder(t *testing.T) {
	t.Parallel()
	for _, reason := range []Reason{ReasonConfiguration, ReasonMerchant, ReasonRisk, ReasonCustomer, ReasonDuplicate} {
		refused := Outcome{Kind: Declined, Reason: reason, Verified: true, Code: "20001"}
		for _, state := range []OrderState{PAYING, REVERSING, CLOSING} {
			s := newWorld(t, Profiles[Alipay], newWallet(Alipay, ignores, time.Time{}))
			s.o.State = state
			s.take(s.p.Apply(s.o, CallQuery, refused, s.now))
			if s.o.State != state {
				t.Errorf("%s: a refused query (%s) made it %s", state, reason, s.o.State)
			}
		}
	}
	unsigned := Outcome{Kind: Declined, Code: "TRADE_CLOSED"}
	if c := Profiles[Alipay].Apply(Order{State: PAYING, Total: total}, CallQuery, unsigned, at(9)); c.Order.State != PAYING {
		t.Errorf("an unverified state made it %s", c.Order.State)
	}
}

func TestBugRefusedRefundQueryFreedTheReservation(t *testing.T) {
	t.Parallel()
	for _, reason := range []Reason{ReasonConfiguration, ReasonNotFound} {
		s := start(t, Alipay, paysAtOnce, 0)
		s.openRefund("R1", OriginAPI, 60)
		s.takeRefund(s.p.StartRefund(s.refunds["R1"], s.now))
		refused := Outcome{Kind: Declined, Reason: reason, Verified: true, Code: "x"}
		s.takeRefund(s.p.ApplyRefund(s.refunds["R1"], CallQueryRefund, refused, RefundPaid{}, false, true, s.now))
		if r := s.refunds["R1"]; r.State != RefundPending || s.o.Reserved != 60 {
			t.Errorf("%s: %s, reserved %d; the refund may have been made", reason, r.State, s.o.Reserved)
		}
	}
}

func TestBugOrderReversedByRefundWasTakenForLateMoney(t *testing.T) {
	t.Parallel()
	s := start(t, Wxpay, paysAtOnce, 0)
	s.w.expired = true
	_ = s.cashierReverses()
	s.ends(t, REVERSED)
	for range 2 {
		s.take(s.p.Apply(s.o, CallQuery, s.w.query(s.now), s.now)) // trade_state REFUND
		s.ends(t, REVERSED)
	}
	if s.o.Late != LateNone {
		t.Errorf("late %q of an order that was refunded", s.o.Late)
	}
}

func TestBugReverseShownAsRefundNeverEnded(t *testing.T) {
	t.Parallel()
	for _, refunded := range []Fen{0, total} {
		s := start(t, Wxpay, busyCharged, 0)
		s.now = at(15)
		_ = s.cashierReverses()
		s.take(s.p.StartReverse(s.o, s.now))
		s.take(s.p.Apply(s.o, CallReverse, verified(Paid, "SUCCESS"), s.now))
		out := s.w.success()
		out.Payment.RefundState, out.Payment.Refunded = true, refunded
		s.take(s.p.Apply(s.o, CallQuery, out, s.now))
		if s.o.State != REVERSED || len(s.posts) != 2 {
			t.Errorf("refunded %d: %s, posted %v", refunded, s.o.State, s.posts)
		}
	}
}

func TestBugOldPaidNoticeOfAReversedOrderWasDropped(t *testing.T) {
	t.Parallel()
	for _, call := range []Call{CallNotice, CallPay, CallQuery} {
		s := start(t, Alipay, ignores, 0)
		s.ends(t, REVERSED)
		old := s.w.success()
		old.Payment.PaidAt = at(50)
		s.take(s.p.Apply(s.o, call, old, s.now))
		if step := s.p.Next(s.o, s.now); s.o.Late != LateNone || step.Act != ActQuery {
			t.Errorf("%s: late %q, next %v; want a query that decides", call, s.o.Late, step)
		}
		s.loses("query", lostBefore, s.now.Sub(begin).Seconds()+9)
		s.ends(t, REVERSED)
		s.w.exists, s.w.closed, s.w.paidAt = true, false, at(50) // it was paid after all
		s.take(s.p.Apply(s.o, call, old, s.now))
		s.ends(t, REVERSED)
		if s.o.Late != LateReturned || !slices.Contains(s.raised, "money arrived for a dead order: held, to be returned") {
			t.Errorf("%s: late %q, raised %v", call, s.o.Late, s.raised)
		}
	}
}

// Found by the random histories of internal/report: the money of an order that
// our refund had given back was held, and owed, a second time.
func TestBugOrderReversedByRefundWasOwedTwice(t *testing.T) {
	t.Parallel()
	o := Order{State: REVERSED, PaidSeen: true, RefundInstead: true, Total: total, Reserved: total, Refunded: total, Settlement: total - 3, SentAt: begin}
	paid := verified(Paid, "SUCCESS")
	paid.Payment = Payment{TransactionID: "4200", PaidAt: at(2), Total: total, Settlement: total - 8}
	for range 2 {
		c := Profiles[Wxpay].Apply(o, CallQuery, paid, at(100))
		if c.Order.Late != LateNone || len(c.Postings) != 0 || c.Order.Settlement != total-3 {
			t.Errorf("late %q, settlement %d, postings %v", c.Order.Late, c.Order.Settlement, c.Postings)
		}
		o = c.Order
	}
	o.Watch = true // asked because of a notice
	if c := Profiles[Wxpay].Apply(o, CallQuery, paid, at(100)); c.Raise == "" || c.Order.Watch {
		t.Errorf("a wallet that denies its refund is not raised: watch %v", c.Order.Watch)
	}
}

func TestBugWatchedReversedOrderAskedForEver(t *testing.T) {
	t.Parallel()
	for name, out := range map[string]Outcome{
		"waiting": verified(Waiting, "NOTPAY"), "unknown": {Kind: Unknown, Verified: true, Reason: ReasonNotFound, Code: "x"},
		"differs": {Kind: Unknown, Differs: true, Code: "x"}, "earlier": {Kind: Paid, Verified: true, Payment: Payment{PaidAt: at(-3600)}},
	} {
		o := Order{State: REVERSED, Watch: true, AskAt: at(99), Total: total, SentAt: begin}
		if c := Profiles[Wxpay].Apply(o, CallQuery, out, at(100)); c.Order.Watch || !c.Order.AskAt.IsZero() || c.Order.State != REVERSED {
			t.Errorf("%s: still watched: %+v", name, c.Order)
		}
	}
}

func TestBugReturnOfLateMoneyThatWasRefusedSpun(t *testing.T) {
	t.Parallel()
	s := start(t, Alipay, refusedNow, 25)
	s.w.refuse = 1
	s.settle() // to an end: the refusal is raised, a person decides
	if s.o.Late != LateHeld || s.refunds["late"].State != RefundRejected || s.o.Reserved != 0 {
		t.Errorf("late %q, refund %s, reserved %d", s.o.Late, s.refunds["late"].State, s.o.Reserved)
	}
	if !slices.ContainsFunc(s.raised, func(r string) bool { return strings.HasPrefix(r, "the wallet refused a refund that the server owes") }) {
		t.Errorf("raised %v", s.raised)
	}
}

func TestBugPaymentOfADuplicateOrderWasDropped(t *testing.T) {
	t.Parallel()
	s := newWorld(t, Profiles[Alipay], newWallet(Alipay, ignores, time.Time{}))
	s.take(s.p.Apply(s.o, CallPay, Outcome{Kind: Declined, Verified: true, Reason: ReasonDuplicate, Code: "x"}, s.now))
	s.notice(Outcome{Kind: Paid, Verified: true, Code: "TRADE_SUCCESS"})
	if s.o.Late != LateNone || len(s.raised) != 1 {
		t.Errorf("a payment without a time is raised, not held: late %q raised %v", s.o.Late, s.raised)
	}
	s.notice(Outcome{Kind: Paid, Verified: true, Code: "TRADE_SUCCESS", Payment: Payment{PaidAt: at(2)}})
	if step := s.p.Next(s.o, s.now); s.o.Late != LateHeld || step.Act != ActNone {
		t.Errorf("late %q next %v; want held for a person, never returned by itself", s.o.Late, step)
	}
}

func TestBugConfirmedRefusalWaitedForAReverse(t *testing.T) {
	t.Parallel()
	s := start(t, Wxpay, riskRefused, 0)
	s.loses("query", lostBefore, 3)
	s.ends(t, DECLINED)
	s.called(t, "0 pay", "0 query", "5 query")
	if s.o.Text != "交易错误" || s.o.Code != "TRADE_ERROR" {
		t.Errorf("text %q code %q, want the refusal's", s.o.Text, s.o.Code)
	}
	s = start(t, Wxpay, riskRefused, 0)
	s.w.exists = true // "unless it says paying"
	s.until(at(6))
	if s.o.State != PAYING || s.o.Reason != ReasonNone {
		t.Errorf("%s %q, want PAYING", s.o.State, s.o.Reason)
	}
}

func TestBugForeignAmountWasReversedBlindly(t *testing.T) {
	t.Parallel()
	for _, differs := range []Outcome{
		{Kind: Unknown, Differs: true, Alert: true, Code: "SUCCESS"},
		{Kind: Paid, Verified: true, Code: "SUCCESS", Payment: Payment{Total: total + 1, PaidAt: at(1)}},
	} {
		s := newWorld(t, Profiles[Wxpay], newWallet(Wxpay, ignores, time.Time{}))
		s.take(s.p.Apply(s.o, CallPay, Outcome{Kind: Unknown, Lost: true}, s.now))
		s.take(s.p.Apply(s.o, CallQuery, differs, s.now))
		if s.o.State != PAYING || !s.o.NoReverse || len(s.raised) == 0 || len(s.posts) != 0 {
			t.Fatalf("%s, no reverse %v, raised %v", s.o.State, s.o.NoReverse, s.raised)
		}
		s.now = at(120)
		if step := s.p.Next(s.o, s.now); step.Act != ActQuery {
			t.Errorf("next %v, want a query", step)
		}
		s.take(s.p.Apply(s.o, CallQuery, differs, s.now))
		kindOf(t, s.o.PayAnswer(), ErrConflict)
	}
}

func TestBugPaidOrderThatTheWalletForgotWasClosed(t *testing.T) {
	t.Parallel()
	s := start(t, Alipay, paysAtOnce, 0)
	_ = s.cashierReverses()
	s.now = at(20)
	s.take(s.p.StartReverse(s.o, s.now))
	s.take(s.p.Apply(s.o, CallReverse, verified(Paid, "10000"), s.now))
	for range 3 {
		s.now = s.now.Add(2 * time.Minute)
		s.take(s.p.Apply(s.o, CallQuery, Outcome{Kind: Unknown, Reason: ReasonNotFound, Verified: true, Code: "x"}, s.now))
	}
	if s.o.State != REVERSING || len(s.raised) == 0 {
		t.Errorf("%s raised %v, want REVERSING and a person", s.o.State, s.raised)
	}
}

func TestBugPaymentAlreadyBookedWasCalledForeign(t *testing.T) {
	t.Parallel()
	s := newWorld(t, Profiles[Wxpay], newWallet(Wxpay, paysAtOnce, time.Time{}))
	s.w.charge(at(-90)) // the wallet's clock is behind ours
	s.take(s.p.Apply(s.o, CallPay, s.w.success(), s.now))
	s.take(s.p.Apply(s.o, CallQuery, s.w.success(), s.now))
	if s.o.State != PAID || s.o.NoReverse {
		t.Fatalf("%s, no reverse %v", s.o.State, s.o.NoReverse)
	}
	_ = s.cashierReverses()
	s.ends(t, REVERSED)
	if !s.w.reversed {
		t.Error("shown as reversed, and the customer has paid")
	}
}

func TestBugOldNoticeCountedAsEvidence(t *testing.T) {
	t.Parallel()
	for _, out := range []Outcome{verified(Waiting, "WAIT_BUYER_PAY"), {Kind: Unknown, Code: "x"}} {
		o := Order{State: PAYING, AskAt: at(5), Total: total, SentAt: begin}
		if c := Profiles[Alipay].Apply(o, CallNotice, out, at(4)); c.Changed() {
			t.Errorf("%s notice changed the order: %+v", out.Kind, c.Order)
		}
	}
}

func TestBugFirstRepeatOfAReverseWaitedForAQuery(t *testing.T) {
	t.Parallel()
	s := start(t, Wxpay, ignores, 0)
	s.loses("reverse", lostBefore, 68)
	s.settle()
	var reverses []string
	for _, c := range s.calls {
		if strings.HasSuffix(c, "reverse") {
			reverses = append(reverses, c)
		}
	}
	if want := []string{"60 reverse", "61 reverse", "63 reverse", "67 reverse", "75 reverse"}; !slices.Equal(reverses, want) {
		t.Errorf("reverses %v, want %v", reverses, want)
	}
}

func TestBugOutsideRefundsWereImportedUnderOneNumber(t *testing.T) {
	t.Parallel()
	s := start(t, Alipay, paysAtOnce, 0)
	s.openRefund("R1", OriginAPI, 60)
	returned := Outcome{Kind: Declined, Verified: true, Returned: true, Code: "TRADE_CLOSED"}
	imports := func() {
		c := s.p.Apply(s.o, CallQuery, returned, s.now)
		s.take(c)
	}
	imports()
	s.takeRefund(s.p.StartRefund(s.refunds["R1"], s.now))
	s.takeRefund(s.p.ApplyRefund(s.refunds["R1"], CallRefund, Outcome{Kind: Declined, Verified: true, Reason: ReasonState, Code: "x"}, RefundPaid{}, false, true, s.now))
	imports() // world.take fails if the number or the event exists already
	if s.o.Refunded != total || len(s.refunds) != 3 {
		t.Errorf("refunded %d by %d refunds", s.o.Refunded, len(s.refunds))
	}
	imports()
	if len(s.refunds) != 3 {
		t.Error("a fully returned order was imported once more")
	}
}

func TestBugRefundsMadeOutsideAPaidOrderWereIgnored(t *testing.T) {
	t.Parallel()
	refunded := Outcome{Kind: Paid, Verified: true, Code: "REFUND", Payment: Payment{RefundState: true}}
	s := start(t, Wxpay, paysAtOnce, 0)
	s.take(s.p.Apply(s.o, CallQuery, refunded, s.now))
	kindOf(t, s.p.CheckRefund(s.o, total, 1, s.now), ErrDenied)
	if len(s.raised) != 1 {
		t.Errorf("raised %v", s.raised)
	}
	s = start(t, Wxpay, paysAtOnce, 0)
	s.openRefund("R1", OriginAPI, 40)
	s.settle()
	s.take(s.p.Apply(s.o, CallQuery, refunded, s.now))
	if s.o.Finished {
		t.Error("our own refund was taken for a foreign one")
	}
	refunded.Payment.Refunded = 41
	s.take(s.p.Apply(s.o, CallQuery, refunded, s.now))
	if !s.o.Finished {
		t.Error("one fen more than ours was refunded, and nobody noticed")
	}
}

func TestBugRefundSendsForgotTheirOwnTime(t *testing.T) {
	t.Parallel()
	p := Profiles[Alipay]
	if got := p.SendAt(Order{RefundSentAt: at(0)}, Refund{DoAt: at(60)}); !got.Equal(at(60)) {
		t.Errorf("send at %v, want its own time 60 s", got)
	}
	if r := p.StartRefund(Refund{MissingAt: at(1)}, at(9)).Refund; !r.MissingAt.IsZero() {
		t.Error("a sighting from before this send still counts")
	}
	if p.RefundPauses[0] != 10*time.Second {
		t.Errorf("an Alipay refund is asked for after %v, want 10 s", p.RefundPauses[0])
	}
}

func TestBugWatchedOrderUnderAForeignNumberWasCancelled(t *testing.T) {
	t.Parallel()
	p := Profiles[Alipay]
	o := Order{Channel: Alipay, TradeType: TradeMicroPay, State: PAYING, Total: total, SentAt: at(0)}
	o = p.Apply(o, CallPay, Outcome{Kind: Declined, Verified: true, Reason: ReasonCustomer, Code: "BUYER_BALANCE_NOT_ENOUGH"}, at(1)).Order
	o = p.Apply(o, CallQuery, Outcome{Kind: Unknown, Verified: true, Differs: true, Code: "TRADE_SUCCESS"}, at(30)).Order
	o = p.Apply(o, CallQuery, Outcome{Kind: Waiting, Verified: true, Code: "WAIT_BUYER_PAY"}, at(35)).Order
	if step := p.Next(o, at(90)); step.Act != ActQuery {
		t.Errorf("next = %q of %s; StartReverse would panic and the job be buried", step.Act, o.State)
	}
}

// Simulation seeds 7007, 7017, 7057 (APIv3): the wallet refused the number as a
// duplicate, and its order was ours and waited for a password. APIv3 takes no
// expiry, so it was asked for every minute of seven days.
func TestBugUnpaidOrderUnderADuplicateNumberNeverEnded(t *testing.T) {
	t.Parallel()
	duplicate := Outcome{Kind: Unknown, Next: NextQueryFirst, Reason: ReasonDuplicate, NoReverse: true, Verified: true, Code: "ORDERPAID"}
	unpaid := verified(Waiting, "NOTPAY")
	for name, asks := range map[string]bool{"nobody asks": false, "the cashier asks for a reverse": true} {
		s := newWorld(t, Profiles[Wxpay], newWallet(Wxpay, ignores, time.Time{}))
		s.now = at(1)
		s.take(s.p.Apply(s.o, CallPay, duplicate, s.now))
		if asks {
			_ = s.cashierReverses()
		}
		raised := ""
		for sec := 2.0; !s.o.State.Final(); sec += 5 {
			s.now = at(sec)
			if step := s.p.Next(s.o, s.now); step.Act != ActQuery || sec > 300 {
				t.Fatalf("%s: next %v at %v s of %s", name, step, sec, s.o.State)
			}
			c := s.p.Apply(s.o, CallQuery, unpaid, s.now)
			if c.Order.State.Final() && sec < 210 {
				t.Errorf("%s: %s after %v s, while the customer may still pay", name, c.Order.State, sec)
			}
			raised = c.Raise
			s.take(c)
		}
		if !s.o.Duplicate || raised == "" {
			t.Errorf("%s: %s, duplicate %v, raised %q", name, s.o.State, s.o.Duplicate, raised)
		}
		kindOf(t, s.o.PayAnswer(), ErrConflict)
		c := s.p.Apply(s.o, CallNotice, Outcome{Kind: Paid, Verified: true, Payment: Payment{PaidAt: at(400)}}, at(401))
		if c.Order.Late != LateHeld {
			t.Errorf("%s: money that comes after all is %q, not held", name, c.Order.Late)
		}
	}
}

// A stray notice has a paid order asked for once more. The answer took the place
// of the bill that had confirmed the order, so that it rested on less than before.
func TestBugQueryTookThePlaceOfTheBill(t *testing.T) {
	t.Parallel()
	for _, o := range []Order{
		{Channel: Wxpay, State: PAID, Total: 100, Settlement: 100, Truth: TruthBill, SentAt: at(0)},
		{Channel: Wxpay, State: CLOSED, Late: LateAdopted, Total: 100, Settlement: 100, Truth: TruthBill, SentAt: at(0)},
	} {
		p := Profiles[Wxpay]
		looks := p.Look(o, at(100_000))
		if !looks.Order.Watch {
			t.Fatal("nobody looks")
		}
		c := p.Apply(looks.Order, CallQuery, Outcome{Kind: Paid, Verified: true, Payment: Payment{Total: 100, PaidAt: at(1)}}, at(100_001))
		if c.Order.Watch || c.Order.Truth != TruthBill {
			t.Errorf("%s: still watched %v, rests on %q", o.State, c.Order.Watch, c.Order.Truth)
		}
	}
}

// Simulation seed 9247: the wallet refused the return of late money because it
// could not check who asked (SIGN_ERROR), which says nothing about the refund;
// it was taken for the last word, and the customer's money lay until somebody
// looked.
func TestBugReturnOfLateMoneyEndedAtARefusedSignature(t *testing.T) {
	t.Parallel()
	refused := Outcome{Kind: Declined, Verified: true, Reason: ReasonConfiguration, Alert: true, Code: "SIGN_ERROR"}
	for ch, p := range Profiles {
		_, r := owed(OriginLate)
		var sends, asks int
		for now := at(10); r.State == RefundPending; now = r.DoAt {
			before := r
			if sends++; sends > 50 {
				t.Fatalf("%s: a refusal that lasts is never told", ch)
			}
			c := p.ApplyRefund(p.StartRefund(r, now).Refund, CallRefund, refused, RefundPaid{}, false, true, now)
			if r = c.Refund; r.State == RefundPending && (r.Do != ActSend || r.Unanswered || !r.DoAt.After(now) || c.Reserved != 0 || len(c.Postings) > 0 || c.Raise == "") {
				t.Fatalf("%s: after %d sends %+v, raised %q", ch, sends, r, c.Raise)
			}
			// An earlier send that nobody has answered is asked for first.
			if c := p.ApplyRefund(p.StartRefund(before, now).Refund, CallRefund, refused, RefundPaid{}, false, false, now); c.Refund.State == RefundPending && !c.Refund.Refused {
				asks++
				if c.Refund.Do != ActAsk || !c.Refund.Unanswered {
					t.Errorf("%s: with an unanswered send before, %+v", ch, c.Refund)
				}
			}
		}
		if want := len(p.RefundPauses); sends != want || r.State != RefundRejected || asks != want-1 {
			t.Errorf("%s: %s after %d sends, %d with asks, want REJECTED after %d", ch, r.State, sends, asks, want)
		}
	}
	_, r := owed(OriginAPI)
	p := Profiles[Wxpay]
	if c := p.ApplyRefund(p.StartRefund(r, at(10)).Refund, CallRefund, refused, RefundPaid{}, false, true, at(10)); c.Refund.State != RefundRejected {
		t.Errorf("a merchant's refund is %s: it may ask again itself", c.Refund.State)
	}
}
