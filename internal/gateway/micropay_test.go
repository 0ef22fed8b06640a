package gateway_test

import (
	"context"
	"errors"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"cloudpay/internal/channel"
	"cloudpay/internal/gateway"
	"cloudpay/internal/pay"
	"cloudpay/internal/sandbox"
	"cloudpay/internal/secret"
)

// bubble is one run of a test in fake time, for one wallet.
type bubble struct {
	*testing.T
	ch pay.Channel
}

// both runs a test for both wallets, each in its own bubble of fake time.
func both(t *testing.T, run func(b bubble)) {
	t.Helper()
	for _, ch := range []pay.Channel{pay.Wxpay, pay.Alipay} {
		t.Run(string(ch), func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) { run(bubble{t, ch}) })
		})
	}
}

func TestSmallPaymentIsPaidAtOnce(t *testing.T) {
	t.Parallel()
	both(t, func(b bubble) {
		t, ch := b.T, b.ch
		h := newHouse(t, options{})
		o, err := h.pay(ch, 2, "")
		if err != nil || o.State != pay.PAID || o.PayAnswer() != nil {
			t.Fatalf("pay = %s, %v; want PAID", o.State, err)
		}
		if kept, charges := h.kept(o.OutTradeNo); kept != 2 || charges != 1 {
			t.Errorf("the wallet kept %d in %d charges, want 2 in 1", kept, charges)
		}
		if got := h.order(o.OutTradeNo); got.Truth != pay.TruthAnswer || got.TransactionID == "" {
			t.Errorf("truth %q, transaction %q", got.Truth, got.TransactionID)
		}
		h.checkBooks(o.OutTradeNo)
	})
}

func TestPasswordIsApproved(t *testing.T) {
	t.Parallel()
	both(t, func(b bubble) {
		t, ch := b.T, b.ch
		h := newHouse(t, options{})
		o, err := h.pay(ch, 60000, "anna")
		if err != nil || o.State != pay.PAYING || o.Seen != pay.Waiting || o.PayAnswer() != nil {
			t.Fatalf("pay = %s %s, %v; want PAYING, Waiting", o.State, o.Seen, err)
		}
		<-time.After(12 * time.Second)
		if err := h.box.Answer(t.Context(), "anna", "approve"); err != nil {
			t.Fatal(err)
		}
		got := h.until(o.OutTradeNo, 10*time.Second, func(o pay.Order) bool { return o.State == pay.PAID })
		if got.Truth != pay.TruthQuery {
			t.Errorf("truth = %s, want query", got.Truth)
		}
		if kept, charges := h.kept(o.OutTradeNo); kept != 60000 || charges != 1 {
			t.Errorf("the wallet kept %d in %d charges", kept, charges)
		}
		h.checkBooks(o.OutTradeNo)
	})
}

func TestCustomerCancelsEndsReversedAndDeclined(t *testing.T) {
	t.Parallel()
	both(t, func(b bubble) {
		t, ch := b.T, b.ch
		h := newHouse(t, options{})
		o, err := h.pay(ch, 60000, "anna")
		if err != nil {
			t.Fatal(err)
		}
		<-time.After(3 * time.Second)
		if err := h.box.Answer(t.Context(), "anna", "cancel"); err != nil {
			t.Fatal(err)
		}
		got := h.until(o.OutTradeNo, 3*time.Minute, func(o pay.Order) bool { return o.State.Final() })
		if got.State != pay.REVERSED || got.Truth != pay.TruthQuery {
			t.Errorf("state = %s by %s, want REVERSED by query", got.State, got.Truth)
		}
		if ch == pay.Wxpay && !got.Stopped {
			t.Error("the customer's cancelling is not shown")
		}
		if err := got.PayAnswer(); !errors.Is(err, pay.ErrDead) {
			t.Errorf("a till is told %v, want a refusal", err)
		}
		if kept, charges := h.kept(o.OutTradeNo); kept != 0 || charges != 0 {
			t.Errorf("the wallet kept %d in %d charges, want none", kept, charges)
		}
		h.checkBooks(o.OutTradeNo)
	})
}

func TestIgnoredPasswordEndsReversed(t *testing.T) {
	t.Parallel()
	both(t, func(b bubble) {
		t, ch := b.T, b.ch
		h := newHouse(t, options{})
		o, err := h.pay(ch, 60000, "anna")
		if err != nil {
			t.Fatal(err)
		}
		got := h.until(o.OutTradeNo, 3*time.Minute, func(o pay.Order) bool { return o.State.Final() })
		if got.State != pay.REVERSED && got.State != pay.DECLINED {
			t.Errorf("state = %s, want REVERSED", got.State)
		}
		if age := got.ReverseSentAt.Sub(got.SentAt); got.State == pay.REVERSED && (age < time.Minute || age > 75*time.Second) {
			t.Errorf("reversed after %v, want about 60 s", age)
		}
		if kept, charges := h.kept(o.OutTradeNo); kept != 0 || charges != 0 {
			t.Errorf("the wallet kept %d in %d charges, want none", kept, charges)
		}
		h.checkBooks(o.OutTradeNo)
	})
}

// approveFirst lets the customer approve right before the reverse arrives.
type approveFirst struct {
	channel.Channel
	approve func()
}

func (a approveFirst) Reverse(ctx context.Context, r channel.OrderRequest) pay.Outcome {
	a.approve()
	return a.Channel.Reverse(ctx, r)
}

func TestLateApprovalInTheMiddleOfAReverseLeavesNoCharge(t *testing.T) {
	t.Parallel()
	both(t, func(b bubble) {
		t, ch := b.T, b.ch
		var box *sandbox.Sandbox
		receiver := newReceiver()
		h := newHouse(t, options{
			notifyURL: "http://127.0.0.1:9000/notify", receiver: receiver,
			// The dialogue closes after 30 s: reverse while it is still open.
			profiles: changed(func(p *pay.Profile) { p.ReverseFrom = 20 * time.Second }),
			channels: func(find gateway.Channels) gateway.Channels {
				return func(ctx context.Context, p string, ch pay.Channel) (channel.Channel, error) {
					c, err := find(ctx, p, ch)
					return approveFirst{c, func() { _ = box.Answer(context.WithoutCancel(ctx), "anna", "approve") }}, err
				}
			},
		})
		box = h.box
		o, err := h.pay(ch, 60000, "anna")
		if err != nil {
			t.Fatal(err)
		}
		got := h.until(o.OutTradeNo, 5*time.Minute, func(o pay.Order) bool { return o.State.Final() })
		if got.State != pay.REVERSED {
			t.Errorf("state = %s, want REVERSED", got.State)
		}
		kept, charges := h.kept(o.OutTradeNo)
		if kept != 0 {
			t.Errorf("the wallet kept %d, want 0", kept)
		}
		if charges != 1 {
			t.Errorf("the wallet charged %d times: the approval did not come late", charges)
		}
		<-time.After(time.Minute)
		if n := receiver.count(); n != 1 || !strings.Contains(string(receiver.bodies[0]), `{\"out_trade_no\":\"`+o.OutTradeNo+`\",\"nonce_str\"`) {
			t.Errorf("somebody was told %d times: %s; want only the reverse", n, receiver.bodies)
		}
		h.checkBooks(o.OutTradeNo)
	})
}

func TestLostAnswersEndInTheWalletsTruth(t *testing.T) {
	t.Parallel()
	tests := []struct {
		name, scenario string
		want           pay.OrderState
		kept           int64
	}{
		{"lost after charging", "drop_after", pay.PAID, 100},
		{"lost before charging", "drop_before", pay.CLOSED, 0},
		{"broken in the middle", "truncated_body", pay.PAID, 100},
		{"wrongly signed", "bad_sign", pay.PAID, 100},
		{"system error after charging", "syserr_committed", pay.PAID, 100},
		{"slow", "slow", pay.PAID, 100},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			both(t, func(b bubble) {
				t, ch := b.T, b.ch
				h := newHouse(t, options{})
				if err := h.box.AddFault(sandbox.Fault{Scenario: tt.scenario, Count: 1}); err != nil {
					t.Fatal(err)
				}
				o, err := h.pay(ch, 100, "")
				if err != nil {
					t.Fatal(err)
				}
				if a := o.PayAnswer(); a != nil && !errors.Is(a, pay.ErrUnavailable) {
					t.Errorf("a till is told %v while nothing is known", a)
				}
				got := h.until(o.OutTradeNo, 10*time.Minute, func(o pay.Order) bool { return o.State.Final() })
				dead := tt.want == pay.CLOSED && (got.State == pay.CLOSED || got.State == pay.REVERSED)
				if got.State != tt.want && !dead {
					t.Errorf("state = %s, want %s", got.State, tt.want)
				}
				if kept, charges := h.kept(o.OutTradeNo); kept != tt.kept || charges > 1 {
					t.Errorf("the wallet kept %d in %d charges, want %d", kept, charges, tt.kept)
				}
				h.checkBooks(o.OutTradeNo)
			})
		})
	}
}

func TestSameNumberNeverChargesTwice(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		h := newHouse(t, options{})
		in := gateway.MicroPay{
			OutTradeNo: h.number(), AuthCode: secret.New(h.code(pay.Wxpay, "").AuthCode), Total: 100, ShopID: "shop", DeviceID: "till-1",
		}
		first, err := h.gw.MicroPay(t.Context(), h.merchant, in)
		if err != nil || first.State != pay.PAID {
			t.Fatalf("pay = %s, %v", first.State, err)
		}
		again, err := h.gw.MicroPay(t.Context(), h.merchant, in)
		if err != nil || again.State != pay.PAID {
			t.Errorf("replay = %s, %v; want the paid order", again.State, err)
		}
		others := map[string]func(*gateway.MicroPay){
			"amount": func(m *gateway.MicroPay) { m.Total = 101 },
			"code":   func(m *gateway.MicroPay) { m.AuthCode = secret.New(h.code(pay.Wxpay, "").AuthCode) },
			"device": func(m *gateway.MicroPay) { m.DeviceID = "till-2" },
		}
		for name, change := range others {
			other := in
			change(&other)
			if _, err := h.gw.MicroPay(t.Context(), h.merchant, other); !errors.Is(err, pay.ErrConflict) {
				t.Errorf("other %s under the same number = %v, want a conflict", name, err)
			}
		}
		if kept, charges := h.kept(in.OutTradeNo); kept != 100 || charges != 1 {
			t.Errorf("the wallet kept %d in %d charges", kept, charges)
		}
	})
}

func TestOnePaymentCodeHoldsOneOpenOrder(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		h := newHouse(t, options{})
		code := h.code(pay.Wxpay, "anna").AuthCode
		in := gateway.MicroPay{OutTradeNo: h.number(), AuthCode: secret.New(code), Total: 60000, ShopID: "shop", DeviceID: "till-1"}
		if _, err := h.gw.MicroPay(t.Context(), h.merchant, in); err != nil {
			t.Fatal(err)
		}
		second := in
		second.OutTradeNo = h.number()
		_, err := h.gw.MicroPay(t.Context(), h.merchant, second)
		refusal, ok := errors.AsType[*pay.Error](err)
		if !ok || refusal.Code != "code_in_use" {
			t.Errorf("second order with the code = %v, want code_in_use", err)
		}
	})
}

func TestRefusedRequestsReachNoWallet(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		h := newHouse(t, options{})
		good := gateway.MicroPay{OutTradeNo: h.number(), AuthCode: secret.New("130000000000000000"), Total: 1, ShopID: "shop", DeviceID: "till-1"}
		tests := map[string]func(*gateway.MicroPay){
			"amount_not_positive": func(m *gateway.MicroPay) { m.Total = 0 },
			"amount_too_large":    func(m *gateway.MicroPay) { m.Total = pay.MaxFen + 1 },
			"prefix":              func(m *gateway.MicroPay) { m.OutTradeNo = "80000001" + m.OutTradeNo[8:] },
			"shop":                func(m *gateway.MicroPay) { m.ShopID = "other" },
			"device":              func(m *gateway.MicroPay) { m.DeviceID = "other" },
			"auth_code":           func(m *gateway.MicroPay) { m.AuthCode = secret.New("990000000000000000") },
			"platform":            func(m *gateway.MicroPay) { m.Platform = 2 },
			"currency":            func(m *gateway.MicroPay) { m.Currency = "USD" },
		}
		for code, change := range tests {
			in := good
			change(&in)
			_, err := h.gw.MicroPay(t.Context(), h.merchant, in)
			if refusal, ok := errors.AsType[*pay.Error](err); !ok || refusal.Code != code {
				t.Errorf("%s: %v", code, err)
			}
		}
		if _, err := h.store.Order(t.Context(), "merchant", good.OutTradeNo); !errors.Is(err, pay.ErrNotFound) {
			t.Errorf("a refused request left an order: %v", err)
		}
	})
}
