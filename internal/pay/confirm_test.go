package pay

import (
	"testing"
	"time"
)

// confirmed returns an Alipay order that its pay call answered as paid.
func confirmed(t *testing.T) (Profile, Order, time.Time) {
	t.Helper()
	p, now := Profiles[Alipay], time.Date(2026, 1, 5, 3, 0, 0, 0, time.UTC)
	o := Order{
		MerchantID: "m", OutTradeNo: "1", Channel: Alipay, TradeType: TradeMicroPay, State: PAYING,
		Total: 100, Currency: "CNY", SentAt: now, CreatedAt: now,
	}
	c := p.Apply(o, CallPay, Outcome{Kind: Paid, Verified: true, Payment: Payment{Total: 100, Settlement: 98, PaidAt: now}}, now)
	if c.Order.State != PAID || len(c.Callbacks) != 1 {
		t.Fatalf("paid answer = %+v", c)
	}
	return p, c.Order, now
}

// TestPaidAnswerIsConfirmedOnce: a charge may be rolled back, so an Alipay
// answer is asked for once more (upstreams.md §4.3); WeChat's is not.
func TestPaidAnswerIsConfirmedOnce(t *testing.T) {
	t.Parallel()
	p, o, now := confirmed(t)
	step := p.Next(o, now)
	if step.Act != ActQuery || step.At.Sub(now) != p.ConfirmAfter {
		t.Fatalf("Next = %+v, want a query after %v", step, p.ConfirmAfter)
	}
	paidAt := o.PaidAt
	at := step.At
	for _, out := range []Outcome{
		{Kind: Unknown, Lost: true},
		{Kind: Unknown, Verified: true, Next: NextRetrySame, Code: "ACQ.SYSTEM_ERROR"}, // make chaos: no word about the payment
		{Kind: Waiting, Verified: true, Code: "WAIT_BUYER_PAY"},
		{Kind: Unknown, Verified: true, Reason: ReasonNotFound, Code: "ACQ.TRADE_NOT_EXIST"},
		{Kind: Unknown, Verified: true, Differs: true},
		{Kind: Paid, Verified: true, Payment: Payment{Total: 7, PaidAt: paidAt}},
	} {
		c := p.Apply(o, CallQuery, out, at)
		if c.Order.State != PAID || len(c.Postings)+len(c.Callbacks) != 0 || (c.Raise == "") == (out.Verified && out.Next != NextRetrySame) {
			t.Errorf("%+v: state %s, postings %v, raise %q", out, c.Order.State, c.Postings, c.Raise)
		}
		next := p.Next(c.Order, at)
		if next.Act != ActQuery || !next.At.After(at) {
			t.Fatalf("%+v: Next = %+v, want another query later", out, next)
		}
		o, at = c.Order, next.At
	}
	c := p.Apply(o, CallQuery, Outcome{Kind: Paid, Verified: true, Payment: Payment{Total: 100, PaidAt: paidAt}}, at)
	if c.Order.Watch || c.Order.Truth != TruthQuery || p.Next(c.Order, at).Act != ActNone || len(c.Callbacks) != 0 {
		t.Errorf("confirmed = %+v", c.Order)
	}
	if c := Profiles[Wxpay].Apply(Order{State: PAYING, Total: 1, Channel: Wxpay, SentAt: now}, CallPay, Outcome{Kind: Paid}, now); c.Order.Watch {
		t.Error("a WeChat answer is not asked for again")
	}
}

// TestRolledBackChargeIsBooked: the confirming query finds the charge gone.
func TestRolledBackChargeIsBooked(t *testing.T) {
	t.Parallel()
	p, o, now := confirmed(t)
	at := now.Add(p.ConfirmAfter)
	c := p.Apply(o, CallQuery, Outcome{Kind: Declined, Verified: true, Returned: true, Code: "TRADE_CLOSED", Payment: Payment{PaidAt: o.PaidAt}}, at)
	if c.Order.Reserved != 100 || c.Order.Refunded != 100 || len(c.Refunds) != 1 || c.Raise == "" || p.Next(c.Order, at).Act != ActNone {
		t.Errorf("rolled back = %+v", c)
	}
	own := o
	own.Reserved, own.Refunded = 100, 100 // closed by our own refund
	c = p.Apply(own, CallQuery, Outcome{Kind: Declined, Verified: true, Returned: true, Code: "TRADE_CLOSED"}, at)
	if len(c.Refunds)+len(c.Postings) != 0 || c.Order.Watch || c.Raise != "" {
		t.Errorf("closed by our own refund = %+v", c)
	}
	c = p.Apply(o, CallQuery, Outcome{Kind: Declined, Verified: true, Code: "TRADE_CLOSED"}, at)
	if len(c.Refunds) != 0 || c.Order.State != PAID || c.Order.Watch || c.Raise == "" {
		t.Errorf("closed and never paid = %+v", c)
	}
	asked, err := p.ReverseAsked(o, "", true, now)
	if err != nil || asked.Order.Watch || asked.Order.State != REVERSING {
		t.Errorf("reverse of a paid order keeps the watch: %+v, %v", asked.Order, err)
	}
}
