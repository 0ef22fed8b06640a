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
