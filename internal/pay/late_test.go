package pay

import (
	"errors"
	"slices"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
)

var operator = Hand{Who: "member:ann", Why: "the goods were handed over"}

// balance is what the accounts hold, those that hold nothing left out.
func balance(ps []Posting) (legs []Leg) {
	b := Balances(ps)
	for _, a := range []Account{AccReceivable, AccDiscount, AccMerchant, AccRefunding, AccSuspense, AccReturned, AccOffline, AccFee, AccSettled} {
		if b[a] != 0 {
			legs = append(legs, Leg{a, b[a]})
		}
	}
	return legs
}

// held is a dead order whose money is in suspense, with its postings.
func held(state OrderState) (Order, []Posting) {
	return Order{
		MerchantID: "m1", OutTradeNo: "T1", Channel: Wxpay, TradeType: TradeScanCode, State: state, Total: total, Settlement: settled,
		PaidAt: at(4), SentAt: begin, CreatedAt: begin, Late: LateHeld, Truth: TruthQuery, HoldLate: true,
	}, []Posting{PostLate(total, settled)}
}

func TestAdoptedMoneyIsTheMerchantsAndToldOnce(t *testing.T) {
	t.Parallel()
	for _, state := range []OrderState{DECLINED, REVERSED, CLOSED} {
		o, books := held(state)
		c, err := wxpayProfile.AdoptLate(o, operator, at(900))
		if err != nil {
			t.Fatal(err)
		}
		n := c.Order
		if n.State != state || n.Late != LateAdopted || n.Standing() != PAID || !slices.Equal(c.Callbacks, []string{EventPaid}) {
			t.Errorf("%s: %s late %s, told %v", state, n.State, n.Late, c.Callbacks)
		}
		if want := (Hand{HandAdopt, operator.Who, operator.Why}); c.Hand != want || !slices.Contains(c.Calm, RaiseLate) {
			t.Errorf("%s: by %+v, calms %v", state, c.Hand, c.Calm)
		}
		want := []Leg{{AccReceivable, settled}, {AccDiscount, total - settled}, {AccMerchant, -total}}
		if diff := cmp.Diff(want, balance(append(books, c.Postings...))); diff != "" {
			t.Errorf("%s: books (-want +got):\n%s", state, diff)
		}
		if n.PayAnswer() != nil || wxpayProfile.CheckRefund(n, total, total, at(901)) != nil {
			t.Errorf("%s: adopted, and answered %v, refund %v", state, n.PayAnswer(), wxpayProfile.CheckRefund(n, total, total, at(901)))
		}
		kindOf(t, n.ReverseAnswer(), ErrDenied)
		kindOf(t, n.CloseAnswer(), ErrDenied)
		for _, again := range []func(Order, Hand, time.Time) (Change, error){wxpayProfile.AdoptLate, wxpayProfile.ReturnLate} {
			c, err := again(n, operator, at(902))
			if kindOf(t, err, ErrDenied); c.Changed() {
				t.Errorf("%s: decided twice", state)
			}
		}
		if step := wxpayProfile.Next(n, at(902)); step.Act != ActNone {
			t.Errorf("%s: %s of adopted money", state, step.Act)
		}
	}
}

func TestLateMoneyIsDecidedOnlyWhileNobodyReturnsIt(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		row  func(*Order)
		code string
	}{
		"none":      {func(o *Order) { o.Late = LateNone }, "late_none"},
		"returned":  {func(o *Order) { o.Late = LateReturned }, "late_returned"},
		"returning": {func(o *Order) { o.Reserved = total }, "late_returning"},
	} {
		o, _ := held(CLOSED)
		c.row(&o)
		for _, decide := range []func(Order, Hand, time.Time) (Change, error){wxpayProfile.AdoptLate, wxpayProfile.ReturnLate} {
			change, err := decide(o, operator, at(900))
			if e, ok := errors.AsType[*Error](err); !ok || e.Code != c.code || change.Changed() {
				t.Errorf("%s: %v", name, err)
			}
		}
	}
	o, _ := held(CLOSED)
	o.RefundSentAt = at(800) // its return was refused
	if _, err := wxpayProfile.ReturnLate(o, operator, at(900)); err == nil {
		t.Error("a refused return is sent again under its number")
	}
	if _, err := wxpayProfile.AdoptLate(o, operator, at(900)); err != nil {
		t.Errorf("what the wallet does not take back cannot be adopted: %v", err)
	}
}

func TestHeldMoneyWaitsForAPersonAndGoesBackWhenOneSaysSo(t *testing.T) {
	t.Parallel()
	o, _ := held(CLOSED)
	if step := wxpayProfile.Next(o, at(900)); step.Act != ActNone {
		t.Errorf("%s without a person", step.Act)
	}
	c, err := wxpayProfile.ReturnLate(o, operator, at(900))
	if err != nil || !c.Changed() || c.Hand.Act != HandReturn || len(c.Postings)+len(c.Callbacks) != 0 {
		t.Fatalf("%+v, %v", c, err)
	}
	if step := wxpayProfile.Next(c.Order, at(901)); step.Act != ActRefund {
		t.Errorf("next is %q, want the return", step.Act)
	}
}

func TestHeldMoneyThatWentBackElsewhereIsReturned(t *testing.T) {
	t.Parallel()
	gone := Outcome{Kind: Declined, Verified: true, Returned: true, Code: "TRADE_CLOSED", Payment: Payment{PaidAt: at(4)}}
	for _, state := range []OrderState{DECLINED, REVERSED, CLOSED} {
		o, books := held(state)
		c := wxpayProfile.Apply(o, CallNotice, gone, at(900))
		if c.Order.Late != LateReturned || !slices.Contains(c.Calm, RaiseLate) {
			t.Errorf("%s: late %s", state, c.Order.Late)
		}
		for account, left := range Balances(append(books, c.Postings...)) {
			if left != 0 {
				t.Errorf("%s: %s holds %d", state, account, left)
			}
		}
	}
}

func TestAdoptedMoneyThatWentBackElsewhereIsARefund(t *testing.T) {
	t.Parallel()
	o, _ := held(CLOSED)
	c, err := wxpayProfile.AdoptLate(o, operator, at(900))
	if err != nil {
		t.Fatal(err)
	}
	c = wxpayProfile.Apply(c.Order, CallNotice, Outcome{Kind: Declined, Verified: true, Returned: true, Code: "TRADE_CLOSED"}, at(1000))
	if c.Order.Refunded != total || len(c.Refunds) != 1 || c.Refunds[0].Origin != OriginChannel || c.Raise == "" {
		t.Errorf("refunded %d by %+v, raised %q", c.Order.Refunded, c.Refunds, c.Raise)
	}
}

func TestRefundTheBankSentBackEndsByHand(t *testing.T) {
	t.Parallel()
	r := Refund{OutRefundNo: "R1", OutTradeNo: "T1", State: RefundPending, Origin: OriginAPI, Amount: 40, Do: ActAsk, Accepted: true}
	back := wxpayProfile.ApplyRefund(r, CallQueryRefund, Outcome{Kind: Unknown, Verified: true, Code: "CHANGE"}, RefundPaid{}, true, true, at(90))
	if back.Refund.State != RefundNeedsHand || back.Raise != RaiseBank {
		t.Fatalf("%s, raised %q", back.Refund.State, back.Raise)
	}
	books := []Posting{PostPaid(100, 98), PostReserved("R1", 40)}
	books = append(books, back.Postings...)
	for name, c := range map[string]struct {
		do   func() (RefundChange, error)
		want RefundState
		left []Leg
	}{
		"paid outside the wallet": {
			func() (RefundChange, error) { return wxpayProfile.Offline(back.Refund, operator, at(100)) }, RefundOffline,
			[]Leg{{AccReceivable, 98}, {AccDiscount, 2}, {AccMerchant, -60}, {AccOffline, -40}},
		},
		"sent again": {
			func() (RefundChange, error) {
				return wxpayProfile.Resume(back.Refund, Outcome{Kind: Paid, Verified: true}, RefundPaid{Refund: 40, Settlement: 39}, false, false, operator, at(100))
			}, RefundSucceeded,
			[]Leg{{AccReceivable, 59}, {AccDiscount, 1}, {AccMerchant, -60}},
		},
	} {
		got, err := c.do()
		if err != nil {
			t.Fatal(err)
		}
		if got.Refund.State != c.want || got.Refunded != 40 || got.Reserved != 0 || !slices.Equal(got.Callbacks, []string{EventRefund + "R1"}) ||
			got.Hand.Who != operator.Who || !slices.Contains(got.Calm, RaiseBank) {
			t.Errorf("%s: %+v", name, got)
		}
		if diff := cmp.Diff(c.left, balance(append(slices.Clone(books), got.Postings...))); diff != "" {
			t.Errorf("%s: books (-want +got):\n%s", name, diff)
		}
		_, err = wxpayProfile.Offline(got.Refund, operator, at(101))
		kindOf(t, err, ErrDenied)
	}
	_, err := wxpayProfile.Resume(back.Refund, Outcome{Kind: Unknown, Verified: true}, RefundPaid{}, true, false, operator, at(100))
	kindOf(t, err, ErrUnavailable)
}

// TestAClockThatRunsAheadLosesNoPayment: the wallet's pay time is the wallet's
// and the intent is ours (docs/decisions/0046).
func TestAClockThatRunsAheadLosesNoPayment(t *testing.T) {
	t.Parallel()
	const ahead = 10 * time.Minute
	open := Order{MerchantID: "m1", OutTradeNo: "T1", Channel: Wxpay, TradeType: TradeMicroPay, State: PAYING, Total: total, SentAt: begin}
	paid := func(paidAt, walletTime time.Time) Outcome {
		return Outcome{Kind: Paid, Verified: true, Code: "SUCCESS", WalletTime: walletTime, Payment: Payment{PaidAt: paidAt, Total: total}}
	}
	ours := at(1).Add(-ahead) // by the wallet's clock
	for name, c := range map[string]struct {
		call Call
		out  Outcome
		now  time.Time
		want OrderState
	}{
		"the wallet says what time it is":     {CallQuery, paid(ours, at(5).Add(-ahead)), at(5), PAID},
		"our clock was set back since":        {CallQuery, paid(ours, at(6).Add(-ahead)), at(6).Add(-ahead), PAID},
		"and no answer says the time":         {CallQuery, paid(ours, time.Time{}), at(6).Add(-ahead), PAID},
		"an earlier payment":                  {CallQuery, paid(ours.Add(-5*time.Minute), at(5).Add(-ahead)), at(5), DECLINED},
		"an earlier payment, clocks agree":    {CallQuery, paid(ours, at(5)), at(5), DECLINED},
		"clocks agree and the answer is late": {CallQuery, paid(at(-75), at(-15)), at(5), DECLINED},
		"a notice decides nothing":            {CallNotice, paid(ours, time.Time{}), at(5), PAYING},
	} {
		got := wxpayProfile.Apply(open, c.call, c.out, c.now)
		if got.Order.State != c.want || got.Order.Duplicate != (c.want == DECLINED) {
			t.Errorf("%s: %s, want %s", name, got.Order.State, c.want)
		}
		if c.call == CallNotice && !got.Order.AskAt.Equal(c.now) {
			t.Errorf("%s: asked at %v, want at once", name, got.Order.AskAt)
		}
	}
}
