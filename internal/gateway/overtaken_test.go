package gateway_test

import (
	"testing"
	"testing/synctest"
	"time"

	"cloudpay/internal/pay"
	"cloudpay/internal/sandbox"
)

// Found by simulation seed 200219: a query left before the wallet had carried
// the payment out, its answer "no such order" came after the payment's own,
// which called the number a duplicate, and the order was DECLINED while the
// wallet held the money.
func TestAnAnswerThatWasOvertakenDecidesNothing(t *testing.T) {
	t.Parallel()
	for _, ch := range []pay.Channel{pay.Wxpay, pay.Alipay} {
		t.Run(string(ch), func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				h := newHouse(t, options{})
				for _, f := range []sandbox.Fault{
					{Scenario: "timeout", Count: 1, Params: sandbox.Params{Seconds: new(11.0)}},
					{Scenario: "duplicate", Count: 1},
					// The first query is answered at once; the second, which leaves
					// before the payment, and the third are answered late.
					{Scenario: "slow", Endpoint: sandbox.EndpointQuery, Count: 2, Params: sandbox.Params{Skip: 1, Seconds: new(3.0)}},
				} {
					if err := h.box.AddFault(f); err != nil {
						t.Fatal(err)
					}
				}
				o, err := h.pay(ch, 100, "")
				if err != nil || o.State != pay.PAYING {
					t.Fatalf("before the wallet has answered the order is %q: %v", o.State, err)
				}
				no := o.OutTradeNo
				o = h.until(no, time.Minute, func(o pay.Order) bool { return o.State.Final() })
				if kept, charges := h.kept(no); o.State != pay.PAID || kept != 100 || charges != 1 {
					t.Errorf("the order is %s (%s), the wallet holds %d after %d charges", o.State, o.Code, kept, charges)
				}
				h.checkBooks(no)
			})
		})
	}
}
