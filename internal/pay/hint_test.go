package pay

import "testing"

func TestLookAsksAPaidOrderOnce(t *testing.T) {
	t.Parallel()
	p := Profiles[Wxpay]
	for _, state := range OrderStates {
		o := Order{State: state, TradeType: TradeScanCode, SentAt: begin}
		c := p.Look(o, at(9))
		if want := state == PAID; c.Changed() != want {
			t.Errorf("%s: changed %v", state, c.Changed())
		}
		if state == PAID && p.Next(c.Order, at(9)) != (Step{ActQuery, at(9)}) {
			t.Errorf("next %v, want a query", p.Next(c.Order, at(9)))
		}
		if again := p.Look(c.Order, at(10)); again.Changed() {
			t.Errorf("%s: a second hint changed %+v", state, again.Order)
		}
	}
}

func TestLookRefundHurriesOnlyAQuestion(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		name string
		r    Refund
		want bool
	}{
		{"asked for later", Refund{State: RefundPending, Do: ActAsk, DoAt: at(60)}, true},
		{"asked for now", Refund{State: RefundPending, Do: ActAsk, DoAt: at(9)}, false},
		{"to be sent", Refund{State: RefundPending, Do: ActSend, DoAt: at(60)}, false},
		{"done", Refund{State: RefundSucceeded, Do: ActAsk, DoAt: at(60)}, false},
	} {
		got := Profiles[Wxpay].LookRefund(c.r, at(9))
		if moved := got.From != got.Refund; moved != c.want || moved && !got.Refund.DoAt.Equal(at(9)) {
			t.Errorf("%s: %+v", c.name, got.Refund)
		}
	}
}

func TestHurryAsksForWhatACustomerMayPay(t *testing.T) {
	t.Parallel()
	shown := Order{
		State: PAYING, TradeType: TradeScanCode, SentAt: begin, ExpireAt: begin.Add(life), Prepaid: Prepaid{CodeURL: "weixin://1"},
		AskedAt: at(100), AskAt: at(160),
	}
	for _, c := range []struct {
		name   string
		change func(*Order)
		now    float64
		want   bool
	}{
		{"a step later", func(*Order) {}, 105, true},
		{"too soon", func(*Order) {}, 104, false},
		{"due anyway", func(*Order) {}, 160, false},
		{"nothing shown", func(o *Order) { o.Prepaid = Prepaid{} }, 105, false},
		{"another's number", func(o *Order) { o.NoReverse = true }, 105, false},
		{"code payment", func(o *Order) { o.TradeType = TradeMicroPay }, 105, false},
		{"paid", func(o *Order) { o.State = PAID }, 105, false},
		{"closing", func(o *Order) { o.State = CLOSING }, 105, false},
	} {
		o := shown
		c.change(&o)
		got := Profiles[Wxpay].Hurry(o, at(c.now))
		if got.Changed() != c.want || c.want && Profiles[Wxpay].Next(got.Order, at(c.now)) != (Step{ActQuery, at(c.now)}) {
			t.Errorf("%s: changed %v, ask at %v", c.name, got.Changed(), got.Order.AskAt)
		}
	}
}

func TestAnOvertakenAnswerIsAskedForAgain(t *testing.T) {
	t.Parallel()
	p := Profiles[Alipay]
	for _, state := range OrderStates {
		for _, watch := range []bool{false, true} {
			o := Order{State: state, Watch: watch, TradeType: TradeMicroPay, SentAt: begin, AskAt: at(60)}
			c := p.AskAgain(o, at(9))
			want := watch || !state.Final()
			if c.Changed() != want || want && !c.Order.AskAt.Equal(at(9)) {
				t.Errorf("%s, watched %v: changed %v, ask at %v", state, watch, c.Changed(), c.Order.AskAt)
			}
		}
	}
	for _, c := range []struct {
		out  Outcome
		want bool
	}{
		{Outcome{Kind: Waiting}, true},
		{Outcome{Kind: Declined, Reason: ReasonNotFound}, true},
		{Outcome{Kind: Unknown, Reason: ReasonNotFound}, true},
		{Outcome{Kind: Paid}, false},
		{Outcome{Kind: Declined, Reason: ReasonOrderDead}, false},
		{Outcome{Kind: Unknown, Lost: true}, false},
	} {
		if got := c.out.SaysUnpaid(); got != c.want {
			t.Errorf("%+v says unpaid: %v", c.out, got)
		}
	}
}
