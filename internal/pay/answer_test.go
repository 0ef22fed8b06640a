package pay

import (
	"errors"
	"testing"
	"time"
)

// refused checks the kind and the code of a refusal; a nil kind wants none.
func refused(t *testing.T, name string, err, kind error, code string) {
	t.Helper()
	if kind == nil {
		if err != nil {
			t.Errorf("%s: refused: %v", name, err)
		}
		return
	}
	e, ok := errors.AsType[*Error](err)
	if !ok || !errors.Is(err, kind) || e.Code != code || e.Text == "" || err.Error() != code+": "+e.Text {
		t.Errorf("%s: %v, want %s of kind %v", name, err, code, kind)
	}
}

func TestAnswersToTheTill(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		name             string
		o                Order
		pay, reverse     error
		payCode, revCode string
	}{
		{"waiting", Order{State: PAYING, Seen: Waiting}, nil, ErrUnavailable, "", "reversing"},
		{"unknown", Order{State: PAYING, Seen: Unknown}, ErrUnavailable, ErrUnavailable, "unknown", "reversing"},
		{"paid", Order{State: PAID, Total: 5}, nil, ErrDenied, "", "reverse_paid"},
		{"wxpay refunded", Order{State: PAID, Channel: Wxpay, Total: 5, Refunded: 5}, nil, ErrDenied, "", "reverse_paid"},
		{"alipay refunded", Order{State: PAID, Channel: Alipay, Total: 5, Refunded: 5}, ErrDead, ErrDenied, "refunded", "reverse_paid"},
		{"alipay partly", Order{State: PAID, Channel: Alipay, Total: 5, Refunded: 4}, nil, ErrDenied, "", "reverse_paid"},
		{"reversing", Order{State: REVERSING}, ErrUnavailable, ErrUnavailable, "unknown", "reversing"},
		{"closing", Order{State: CLOSING}, ErrUnavailable, ErrUnavailable, "unknown", "reversing"},
		{"declined", Order{State: DECLINED, Text: "余额不足"}, ErrDead, nil, "declined", ""},
		{"declined silently", Order{State: DECLINED}, ErrDead, nil, "declined", ""},
		{"duplicate", Order{State: DECLINED, Duplicate: true}, ErrConflict, nil, "duplicate", ""},
		{"reversed", Order{State: REVERSED}, ErrDead, nil, "reversed", ""},
		{"stopped", Order{State: REVERSED, Stopped: true}, ErrDead, nil, "stopped", ""},
		{"reversed duplicate", Order{State: REVERSED, Duplicate: true}, ErrConflict, nil, "duplicate", ""},
		{"closed", Order{State: CLOSED}, ErrDead, nil, "closed", ""},
		{"no state", Order{}, ErrUnavailable, ErrUnavailable, "unknown", "reversing"},
	} {
		refused(t, c.name+" pay", c.o.PayAnswer(), c.pay, c.payCode)
		refused(t, c.name+" reverse", c.o.ReverseAnswer(), c.reverse, c.revCode)
	}
}

func TestReverseAsked(t *testing.T) {
	t.Parallel()
	midnight := time.Date(2026, 3, 5, 16, 0, 0, 0, time.UTC) // in Beijing
	paid := Order{State: PAID, PaidAt: begin}
	with := func(change func(*Order)) Order {
		o := paid
		change(&o)
		return o
	}
	week := 7 * 24 * time.Hour
	for _, c := range []struct {
		name    string
		ch      Channel
		o       Order
		device  string
		allowed bool // the merchant may reverse paid orders
		now     time.Time
		kind    error
		code    string
		want    OrderState
	}{
		{"paying", Wxpay, Order{State: PAYING}, "d1", false, at(3), nil, "", REVERSING},
		{"device not said", Wxpay, Order{State: PAYING, DeviceID: "d1"}, "", false, at(3), nil, "", REVERSING},
		{"order without device", Wxpay, Order{State: PAYING}, "d2", false, at(3), nil, "", REVERSING},
		{"other device", Wxpay, Order{State: PAYING, DeviceID: "d1"}, "d2", false, at(3), ErrDenied, "reverse_other_device", PAYING},
		{"unified", Wxpay, Order{State: PAYING, TradeType: TradeScanCode}, "", false, at(3), ErrDenied, "reverse_unified", PAYING},
		{"duplicate", Wxpay, Order{State: PAYING, NoReverse: true}, "", false, at(3), ErrDenied, "reverse_duplicate", PAYING},
		{"ended as duplicate", Wxpay, Order{State: DECLINED, Duplicate: true}, "", false, at(3), ErrDenied, "reverse_duplicate", DECLINED},
		{"closing", Wxpay, Order{State: CLOSING}, "", false, at(3), ErrDenied, "reverse_closing", CLOSING},
		{"reversing", Wxpay, Order{State: REVERSING}, "", false, at(3), nil, "", REVERSING},
		{"reversed", Wxpay, Order{State: REVERSED}, "", false, at(3), nil, "", REVERSED},
		{"declined", Wxpay, Order{State: DECLINED}, "", false, at(3), nil, "", DECLINED},
		{"closed", Wxpay, Order{State: CLOSED}, "", false, at(3), nil, "", CLOSED},
		{"paid, not enabled", Wxpay, paid, "", false, at(30), ErrDenied, "reverse_paid", PAID},
		{"paid, enabled", Wxpay, paid, "", true, at(30), nil, "", REVERSING},
		{"paid, partly refunded", Wxpay, with(func(o *Order) { o.Reserved = 1 }), "", true, at(30), ErrDenied, "reverse_refunded", PAID},
		{"paid, finished", Wxpay, with(func(o *Order) { o.Finished = true }), "", true, at(30), ErrDenied, "reverse_refunded", PAID},
		{"wxpay on the seventh day", Wxpay, paid, "", true, begin.Add(week), nil, "", REVERSING},
		{"wxpay after it", Wxpay, paid, "", true, begin.Add(week + time.Second), ErrDenied, "reverse_expired", PAID},
		{"alipay before midnight", Alipay, paid, "", true, midnight.Add(-time.Second), nil, "", REVERSING},
		{"alipay at midnight", Alipay, paid, "", true, midnight, ErrDenied, "reverse_expired", PAID},
	} {
		o := c.o
		o.SentAt, o.Total = begin, total
		if o.TradeType == 0 {
			o.TradeType = TradeMicroPay
		}
		change, err := Profiles[c.ch].ReverseAsked(o, c.device, c.allowed, c.now)
		refused(t, c.name, err, c.kind, c.code)
		if change.Order.State != c.want {
			t.Errorf("%s: %s, want %s", c.name, change.Order.State, c.want)
		}
		if moved := c.want != c.o.State; change.Changed() != moved {
			t.Errorf("%s: changed %v", c.name, change.Changed())
		}
		if c.o.State == PAID && err == nil && change.Order.ReverseSentAt.IsZero() {
			t.Errorf("%s: a paid order in REVERSING may not become PAID again", c.name)
		}
	}
}

func TestNextOfOrdersThatAreNotReversed(t *testing.T) {
	t.Parallel()
	p := Profiles[Wxpay]
	unified := Order{State: PAYING, TradeType: TradeScanCode, SentAt: begin, UnpaidAt: at(299), AskedAt: at(299), AskAt: at(310)}
	if got, want := p.Next(unified, at(300)), (Step{ActQuery, at(310)}); got != want {
		t.Errorf("unified order: next %v, want %v", got, want)
	}
	closing := Order{State: CLOSING, TradeType: TradeScanCode, SentAt: begin, AskedAt: at(60)}
	if got, want := p.Next(closing, at(61)), (Step{ActClose, at(300)}); got != want {
		t.Errorf("closing order: next %v, want %v", got, want)
	}
	for _, state := range []OrderState{PAID, DECLINED, REVERSED, CLOSED} {
		if got := p.Next(Order{State: state, SentAt: begin}, at(300)); got != (Step{}) {
			t.Errorf("%s: next %v, want nothing", state, got)
		}
	}
	if got := p.Next(Order{State: DECLINED, Watch: true, SentAt: begin}, at(1)); got.Act != ActQuery {
		t.Errorf("watched order: next %v, want a query", got)
	}
}

func TestCloseDoesNotMoveWhatIsNotClosing(t *testing.T) {
	t.Parallel()
	for _, state := range []OrderState{PAYING, PAID, DECLINED, REVERSED, CLOSED} {
		o := Order{State: state, Total: total}
		if c := Profiles[Wxpay].Apply(o, CallClose, verified(Paid, "SUCCESS"), at(9)); c.Changed() {
			t.Errorf("%s changed to %+v", state, c.Order)
		}
	}
}

func TestClosingOrderEndsAtAForeignPayment(t *testing.T) {
	t.Parallel()
	o := Order{State: CLOSING, TradeType: TradeScanCode, Total: total, SentAt: begin}
	early := Outcome{Kind: Paid, Verified: true, Payment: Payment{PaidAt: at(-3600)}}
	c := Profiles[Wxpay].Apply(o, CallQuery, early, at(300))
	if c.Order.State != CLOSED || !c.Order.NoReverse || !c.Order.Duplicate || len(c.Postings) != 0 || c.Raise == "" {
		t.Errorf("%+v raised %q", c.Order, c.Raise)
	}
}

func TestPaidOrderBecomesFinished(t *testing.T) {
	t.Parallel()
	s := start(t, Alipay, paysAtOnce, 0)
	out := s.w.success()
	out.Payment.Finished = true
	s.take(s.p.Apply(s.o, CallQuery, out, s.now))
	if !s.o.Finished || s.o.State != PAID || len(s.told) != 1 {
		t.Errorf("finished %v %s told %v", s.o.Finished, s.o.State, s.told)
	}
}

func TestPaymentIsBookedAsTheWalletSaysIt(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		said       Payment
		settlement Fen
		paidAt     time.Time
		finished   bool
	}{
		"all":                {Payment{PaidAt: at(2), Settlement: settled}, settled, at(2), false},
		"nothing":            {Payment{}, total, at(4), false},
		"too large":          {Payment{Settlement: total + 1}, total, at(4), false},
		"refunded elsewhere": {Payment{RefundState: true}, total, at(4), true},
	} {
		o := Order{State: PAYING, Total: total, SentAt: begin, TransactionID: "ours"}
		got := Profiles[Wxpay].Apply(o, CallQuery, Outcome{Kind: Paid, Verified: true, Payment: c.said}, at(4)).Order
		if got.State != PAID || got.Settlement != c.settlement || !got.PaidAt.Equal(c.paidAt) || got.Finished != c.finished || got.TransactionID != "ours" {
			t.Errorf("%s: %+v", name, got)
		}
	}
}

func TestProfileWithoutLaddersStillMoves(t *testing.T) {
	t.Parallel()
	var p Profile
	o := Order{State: REVERSING, ReverseSentAt: at(1), ReversedAt: at(1), ReverseTries: 3, SentAt: begin}
	if got, want := p.Next(o, at(9)), (Step{ActReverse, at(1)}); got != want {
		t.Errorf("next %v, want %v", got, want)
	}
	c := p.Apply(Order{State: PAYING, SentAt: begin, Asks: 5}, CallQuery, verified(Waiting, "NOTPAY"), at(9))
	if !c.Order.AskAt.Equal(at(9)) {
		t.Errorf("ask at %v", c.Order.AskAt)
	}
}
