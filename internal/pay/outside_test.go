package pay

import (
	"strings"
	"testing"
)

// TestRefundsMadeOutsideAreTakenOver: in the unit of work that calls the order
// paid, and never more than is left of it.
func TestRefundsMadeOutsideAreTakenOver(t *testing.T) {
	t.Parallel()
	p := Profiles[Wxpay]
	refund := func(no string, amount Fen) OutsideRefund {
		return OutsideRefund{OutRefundNo: no, RefundPaid: RefundPaid{RefundID: "w" + no, Refund: amount, Settlement: amount - 1, SucceededAt: at(3)}}
	}
	for name, c := range map[string]struct {
		state          OrderState
		reserved       Fen
		finished       bool
		out            Outside
		imported, took Fen
		finishedAfter  bool
		watched        bool
		raise          string
	}{
		"whole list":               {state: PAYING, out: Outside{Refunds: []OutsideRefund{refund("a", 30), refund("b", 20)}, Whole: true}, imported: 2, took: 50, raise: "taken over"},
		"one of several":           {state: PAYING, out: Outside{Refunds: []OutsideRefund{refund("a", 30)}, Open: true}, imported: 1, took: 30, finishedAfter: true, watched: true, raise: "taken over"},
		"list not answered":        {state: PAYING, out: Outside{Lost: true}, finishedAfter: true, watched: true, raise: "not made here"},
		"list without any":         {state: PAID, finished: true, out: Outside{Whole: true}},
		"more than is left":        {state: PAID, reserved: 80, out: Outside{Refunds: []OutsideRefund{refund("a", 30)}, Whole: true}, finishedAfter: true, watched: true, raise: "more than is left"},
		"beside our own":           {state: PAID, reserved: 40, out: Outside{Refunds: []OutsideRefund{refund("a", 30)}, Whole: true}, imported: 1, took: 30, raise: "taken over"},
		"lost beside our own":      {state: PAID, reserved: 40, out: Outside{Lost: true}},
		"nothing is left":          {state: PAID, reserved: 100, out: Outside{Refunds: []OutsideRefund{refund("a", 30)}, Whole: true}},
		"order that is given back": {state: REVERSED, watched: true, out: Outside{Refunds: []OutsideRefund{refund("a", 30)}, Whole: true}},
	} {
		o := Order{
			MerchantID: "m", OutTradeNo: "o", Channel: Wxpay, TradeType: TradeMicroPay, State: c.state, Total: 100, Settlement: 100, SentAt: at(0),
			Reserved: c.reserved, Refunded: c.reserved, Finished: c.finished,
		}
		if c.reserved > 0 {
			o.RefundSentAt = at(1)
		}
		out := Outcome{Kind: Paid, Verified: true, Code: "REFUND", Payment: Payment{TransactionID: "t", Total: 100, PaidAt: at(1), RefundState: true}}
		got := p.Import(p.Apply(o, CallQuery, out, at(9)), c.out, at(9))
		if len(got.Refunds) != int(c.imported) || got.Order.Reserved != c.reserved+c.took || got.Order.Refunded != got.Order.Reserved {
			t.Errorf("%s: %d taken over, %d reserved, %d refunded", name, len(got.Refunds), got.Order.Reserved, got.Order.Refunded)
		}
		if got.Order.Finished != c.finishedAfter || got.Order.Watch != c.watched || c.watched && got.Order.AskAt.Before(at(9)) {
			t.Errorf("%s: finished %v, watched %v until %v", name, got.Order.Finished, got.Order.Watch, got.Order.AskAt)
		}
		if c.state != REVERSED && (c.raise == "") != (got.Raise == "") || !strings.Contains(got.Raise, c.raise) {
			t.Errorf("%s: raises %q, want %q", name, got.Raise, c.raise)
		}
		sum := Fen(0)
		for _, b := range Balances(got.Postings) {
			sum += b
		}
		if sum != 0 {
			t.Errorf("%s: the postings sum to %d", name, sum)
		}
		for _, r := range got.Refunds {
			if r.State != RefundSucceeded || r.Origin != OriginChannel || r.Settlement != r.Amount-1 || !r.SucceededAt.Equal(at(3)) {
				t.Errorf("%s: %+v", name, r)
			}
		}
	}
}

// TestARefundOutsideWithoutItsDetails: what a wallet leaves out is the refund's
// own amount and the moment it was heard of.
func TestARefundOutsideWithoutItsDetails(t *testing.T) {
	t.Parallel()
	p := Profiles[Alipay]
	o := Order{MerchantID: "m", OutTradeNo: "o", Channel: Alipay, State: PAID, Total: 100, Settlement: 100, Finished: true}
	c := p.Import(Change{From: o, Order: o}, Outside{Refunds: []OutsideRefund{{OutRefundNo: "a", RefundPaid: RefundPaid{Refund: 30}}}}, at(9))
	if len(c.Refunds) != 1 || c.Refunds[0].Settlement != 30 || !c.Refunds[0].SucceededAt.Equal(at(9)) || !c.Order.Finished {
		t.Errorf("%+v, finished %v, want the whole amount and TRADE_FINISHED as it was", c.Refunds, c.Order.Finished)
	}
}
