package gateway_test

import (
	"errors"
	"slices"
	"testing"
	"testing/synctest"
	"time"

	"cloudpay/internal/gateway"
	"cloudpay/internal/pay"
	"cloudpay/internal/secret"
)

func TestResendTellsWhatHasHappenedAndNothingElse(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		r := newReceiver()
		h := newHouse(t, options{receiver: r, profiles: changed(func(p *pay.Profile) { p.RefundSpacing = 0 })})
		o, err := h.gw.MicroPay(t.Context(), h.merchant, gateway.MicroPay{
			OutTradeNo: h.number(), AuthCode: secret.New(h.code(pay.Wxpay, "").AuthCode), Total: 100, ShopID: "shop", NotifyURL: "http://127.0.0.1:9000/own",
		})
		if err != nil {
			t.Fatal(err)
		}
		_, refund, err := h.gw.Refund(t.Context(), h.merchant, gateway.Refund{OutTradeNo: o.OutTradeNo, OutRefundNo: h.number(), Total: 100, Amount: 40})
		if err != nil {
			t.Fatal(err)
		}
		h.until(o.OutTradeNo, time.Minute, func(o pay.Order) bool { return o.Refunded == 40 })
		<-time.After(10 * time.Second)
		told := r.count()
		for event, want := range map[string]error{
			pay.EventPaid: nil, pay.EventRefund + refund.OutRefundNo: nil,
			pay.EventReversed: pay.ErrNotFound, pay.EventRefund + "x": pay.ErrNotFound, "": pay.ErrNotFound,
		} {
			if err := h.gw.Resend(t.Context(), h.merchant, o.OutTradeNo, event); !errors.Is(err, want) {
				t.Errorf("%s: %v, want %v", event, err, want)
			}
		}
		<-time.After(10 * time.Second)
		if told != 2 || r.count() != 4 {
			t.Errorf("told %d times, %d after two repetitions", told, r.count())
		}
		silent, err := h.pay(pay.Alipay, 100, "")
		if err != nil {
			t.Fatal(err)
		}
		if err := h.gw.Resend(t.Context(), h.merchant, silent.OutTradeNo, pay.EventPaid); !errors.Is(err, pay.ErrDenied) {
			t.Errorf("nobody to tell: %v", err)
		}
		if err := h.gw.Resend(t.Context(), h.merchant, h.number(), pay.EventPaid); !errors.Is(err, pay.ErrNotFound) {
			t.Errorf("unknown order: %v", err)
		}
		for _, c := range []struct {
			o    pay.Order
			want []string
		}{
			{pay.Order{State: pay.REVERSED}, []string{pay.EventReversed}},
			{pay.Order{State: pay.REVERSED, Duplicate: true}, nil},
			{pay.Order{State: pay.CLOSED}, nil},
		} {
			if got := h.gw.Events(c.o, nil); !slices.Equal(got, c.want) {
				t.Errorf("%s: %v, want %v", c.o.State, got, c.want)
			}
		}
	})
}

func TestAskNowBringsAnOrderToItsTruth(t *testing.T) {
	t.Parallel()
	both(t, func(b bubble) {
		h := newHouse(b.T, options{})
		code, no := h.shown(b.ch, nil)
		<-time.After(20 * time.Minute)
		h.pays(code)
		for range 2 {
			if o, err := h.gw.AskNow(b.Context(), h.merchant, no); err != nil || o.State != pay.PAID {
				b.Errorf("%s, %v", o.State, err)
			}
		}
		if _, err := h.gw.AskNow(b.Context(), h.merchant, h.number()); !errors.Is(err, pay.ErrNotFound) {
			b.Errorf("unknown order: %v", err)
		}
	})
}

// TestShownCodeIsAnsweredAfterTheWalletIsGone: a repetition gets its code, and
// what would have to be signed is refused.
func TestShownCodeIsAnsweredAfterTheWalletIsGone(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		h := newHouse(t, options{})
		in := h.scan(pay.Wxpay)
		first, _, err := h.gw.Prepay(t.Context(), h.merchant, in)
		if err != nil {
			t.Fatal(err)
		}
		id, err := h.box.Identify(t.Context(), "anna", h.box.Accounts().Providers[0].WeChat.AppID)
		if err != nil {
			t.Fatal(err)
		}
		page := h.scan(pay.Wxpay)
		page.TradeType, page.OpenID = pay.TradeOfficialAccount, id.OpenID
		if _, _, err := h.gw.Prepay(t.Context(), h.merchant, page); err != nil {
			t.Fatal(err)
		}
		m := *h.merchant
		m.Profile.Upstream = true
		if o, _, err := h.gw.Prepay(t.Context(), &m, in); err != nil || o.Prepaid != first.Prepaid {
			t.Errorf("%+v, %v", o.Prepaid, err)
		}
		if _, _, err := h.gw.Prepay(t.Context(), &m, page); !errors.Is(err, pay.ErrDenied) {
			t.Errorf("signed without a wallet: %v", err)
		}
		in.Total++
		if _, _, err := h.gw.Prepay(t.Context(), &m, in); !errors.Is(err, pay.ErrConflict) {
			t.Errorf("another payment: %v", err)
		}
	})
}
