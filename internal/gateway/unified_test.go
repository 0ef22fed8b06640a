package gateway_test

import (
	"errors"
	"testing"
	"time"

	"cloudpay/internal/gateway"
	"cloudpay/internal/pay"
	"cloudpay/internal/sandbox"
	"cloudpay/internal/secret"
	"cloudpay/internal/store/storetest"
)

// shown prepares a code and returns what the customer scans, with its number.
func (h *house) shown(ch pay.Channel, change func(*gateway.Prepay)) (sandbox.Invocation, string) {
	h.t.Helper()
	in := h.scan(ch)
	if change != nil {
		change(&in)
	}
	o, args, err := h.gw.Prepay(h.t.Context(), h.merchant, in)
	if err != nil || o.State != pay.PAYING || args != (gateway.ClientArgs{}) {
		h.t.Fatalf("%s %+v: %v", o.State, args, err)
	}
	return sandbox.Invocation{CodeURL: o.Prepaid.CodeURL}, in.OutTradeNo
}

// pays lets a customer pay what was prepared.
func (h *house) pays(in sandbox.Invocation) {
	h.t.Helper()
	if _, err := h.box.PayPrepared(h.t.Context(), "anna", in); err != nil {
		h.t.Fatal(err)
	}
}

// TestScannedCodeIsPaid: found out by the wallet's notice at once, and without
// notices by asking.
func TestScannedCodeIsPaid(t *testing.T) {
	t.Parallel()
	for _, notices := range []bool{true, false} {
		both(t, func(b bubble) {
			r := newReceiver()
			h := newHouse(b.T, options{notices: notices, notifyURL: "http://127.0.0.1:9000/notify", receiver: r})
			code, no := h.shown(b.ch, nil)
			<-time.After(42 * time.Second)
			h.pays(code)
			if o := h.order(no); notices && (o.State != pay.PAID || o.Truth != pay.TruthNotice) {
				b.Errorf("%s by %s right after the payment", o.State, o.Truth)
			}
			o := h.until(no, time.Minute, func(o pay.Order) bool { return o.State == pay.PAID && !o.Watch })
			if kept, charges := h.kept(no); kept != 100 || charges != 1 || o.PayerID == "" {
				b.Errorf("kept %d in %d charges of %q", kept, charges, o.PayerID)
			}
			again, _, err := h.gw.Prepay(b.Context(), h.merchant, func() gateway.Prepay {
				in := h.scan(b.ch)
				in.OutTradeNo = no
				return in
			}())
			if err != nil || again.State != pay.PAID || again.Prepaid.CodeURL != code.CodeURL {
				b.Errorf("a repetition: %s, %v", again.State, err)
			}
			if err := h.gw.CloseOrder(b.Context(), h.merchant, no); !errors.Is(err, pay.ErrDenied) {
				b.Errorf("closing a paid order: %v", err)
			}
			if _, _, err := h.gw.Refund(b.Context(), h.merchant, gateway.Refund{OutTradeNo: no, OutRefundNo: h.number(), Total: 100, Amount: 100}); err != nil {
				b.Errorf("refund: %v", err)
			}
			h.until(no, 10*time.Minute, func(o pay.Order) bool { return o.Refunded == 100 })
			<-time.After(time.Minute)
			if n := r.count(); n != 2 {
				b.Errorf("the merchant was told %d times, want of the payment and the refund", n)
			}
			h.checkBooks(no)
		})
	}
}

// TestCodeThatNobodyPaysIsClosedAfterItsExpiry: WeChat's order is closed, and
// Alipay's, which does not exist, is asked for once more.
func TestCodeThatNobodyPaysIsClosedAfterItsExpiry(t *testing.T) {
	t.Parallel()
	both(t, func(b bubble) {
		h := newHouse(b.T, options{})
		began := time.Now()
		code, no := h.shown(b.ch, func(in *gateway.Prepay) { in.ExpireAt = began.Add(10 * time.Minute) })
		o := h.until(no, 15*time.Minute, func(o pay.Order) bool { return o.State == pay.CLOSED })
		if age := o.UpdatedAt.Sub(began); age < 10*time.Minute || age > 12*time.Minute {
			b.Errorf("closed after %v, want after its 10 minutes", age)
		}
		if _, err := h.box.PayPrepared(b.Context(), "anna", code); err == nil {
			b.Error("a closed order was paid")
		}
		h.checkBooks(no)
	})
}

// TestCloseOrderOfAnUnpaidCode: the merchant is told at once; the wallet takes
// it at five minutes (WeChat) or at once (Alipay).
func TestCloseOrderOfAnUnpaidCode(t *testing.T) {
	t.Parallel()
	both(t, func(b bubble) {
		h := newHouse(b.T, options{notices: true})
		began := time.Now()
		code, no := h.shown(b.ch, func(in *gateway.Prepay) { in.ExpireAt = began.Add(10 * time.Minute) })
		<-time.After(7 * time.Second)
		for range 2 {
			if err := h.gw.CloseOrder(b.Context(), h.merchant, no); err != nil {
				b.Fatalf("close: %v", err)
			}
		}
		if _, _, err := h.gw.Prepay(b.Context(), h.merchant, func() gateway.Prepay {
			in := h.scan(b.ch)
			in.OutTradeNo = no
			return in
		}()); !errors.Is(err, pay.ErrDead) {
			b.Errorf("a code of an order that is being closed: %v", err)
		}
		want := began.Add(5 * time.Minute)
		if b.ch == pay.Alipay {
			want = began.Add(11 * time.Minute)
		}
		o := h.until(no, 15*time.Minute, func(o pay.Order) bool { return o.State == pay.CLOSED })
		if late := o.UpdatedAt.Sub(want); late < -time.Second || late > time.Minute {
			b.Errorf("closed %v after it was expected", late)
		}
		if _, err := h.box.PayPrepared(b.Context(), "anna", code); err == nil {
			b.Error("a closed order was paid")
		}
		h.checkBooks(no)
	})
}

// TestPaymentOfAnOrderThatIsBeingClosedGoesBack is money.md §3 row 12.
func TestPaymentOfAnOrderThatIsBeingClosedGoesBack(t *testing.T) {
	t.Parallel()
	for _, notices := range []bool{true, false} {
		both(t, func(b bubble) {
			if b.ch == pay.Alipay { // its cancel makes the code useless before anybody can pay
				return
			}
			r := newReceiver()
			h := newHouse(b.T, options{notices: notices, notifyURL: "http://127.0.0.1:9000/notify", receiver: r})
			code, no := h.shown(b.ch, nil)
			<-time.After(7 * time.Second)
			if err := h.gw.CloseOrder(b.Context(), h.merchant, no); err != nil {
				b.Fatal(err)
			}
			<-time.After(time.Minute)
			h.pays(code)
			o := h.until(no, time.Hour, func(o pay.Order) bool { return o.Late == pay.LateReturned })
			if kept, charges := h.kept(no); o.State != pay.CLOSED || kept != 0 || charges != 1 || r.count() != 0 {
				b.Errorf("%s, kept %d in %d charges, told %d times", o.State, kept, charges, r.count())
			}
			h.checkBooks(no)
		})
	}
}

func TestCloseOrderOfACodePaymentIsRefusedAsDocumented(t *testing.T) {
	t.Parallel()
	both(t, func(b bubble) {
		h := newHouse(b.T, options{})
		o, err := h.pay(b.ch, 100, "")
		if err != nil {
			b.Fatal(err)
		}
		e, ok := errors.AsType[*pay.Error](h.gw.CloseOrder(b.Context(), h.merchant, o.OutTradeNo))
		if !ok || !errors.Is(e, pay.ErrDenied) || e.Text != "刷卡支付时，订单不能关闭，只能撤单。" {
			b.Errorf("%v", e)
		}
		if err := h.gw.CloseOrder(b.Context(), h.merchant, h.number()); !errors.Is(err, pay.ErrNotFound) {
			b.Errorf("an unknown order: %v", err)
		}
	})
}

// TestLostPrepayAnswersEndInTheWalletsTruth: whatever is lost, a repetition
// gets the code, and the order ends as the customer's wallet has it.
func TestLostPrepayAnswersEndInTheWalletsTruth(t *testing.T) {
	t.Parallel()
	for _, scenario := range []string{"drop_before", "drop_after", "truncated_body", "bad_sign"} {
		t.Run(scenario, func(t *testing.T) {
			t.Parallel()
			both(t, func(b bubble) {
				h := newHouse(b.T, options{})
				if err := h.box.AddFault(sandbox.Fault{Scenario: scenario, Endpoint: sandbox.EndpointPrepay, Count: 1}); err != nil {
					b.Fatal(err)
				}
				in := h.scan(b.ch)
				if _, _, err := h.gw.Prepay(b.Context(), h.merchant, in); !errors.Is(err, pay.ErrUnavailable) {
					b.Fatalf("the answer was lost: %v", err)
				}
				<-time.After(3 * time.Second)
				o, _, err := h.gw.Prepay(b.Context(), h.merchant, in)
				if err != nil {
					b.Fatal(err)
				}
				h.pays(sandbox.Invocation{CodeURL: o.Prepaid.CodeURL})
				h.until(in.OutTradeNo, time.Minute, func(o pay.Order) bool { return o.State == pay.PAID })
				if kept, charges := h.kept(in.OutTradeNo); kept != 100 || charges != 1 {
					b.Errorf("kept %d in %d charges", kept, charges)
				}
				h.checkBooks(in.OutTradeNo)
			})
		})
	}
}

// TestSignedArgumentsPay: what the customer's app is handed verifies at the
// wallet, also when it is signed again for a repetition.
func TestSignedArgumentsPay(t *testing.T) {
	t.Parallel()
	both(t, func(b bubble) {
		<-time.After(2 * 365 * 24 * time.Hour) // a timestamp has ten digits
		h := newHouse(b.T, options{notices: true})
		account := h.box.Accounts().Providers[0]
		id, err := h.box.Identify(b.Context(), "anna", account.WeChat.AppID)
		if err != nil {
			b.Fatal(err)
		}
		in := h.scan(b.ch)
		in.TradeType, in.OpenID, in.BuyerID = pay.TradeOfficialAccount, id.OpenID, id.BuyerID
		var invoke sandbox.Invocation
		for range 2 {
			o, args, err := h.gw.Prepay(b.Context(), h.merchant, in)
			if err != nil {
				b.Fatal(err)
			}
			if b.ch == pay.Alipay {
				invoke = sandbox.Invocation{TradeNo: args.TradeNo}
				continue
			}
			if want := "prepay_id=" + o.Prepaid.PrepayID; args.Package != want || args.Timestamp == "" {
				b.Errorf("%+v, want package %s", args, want)
			}
			invoke = sandbox.Invocation{JSAPI: &sandbox.JSAPIArgs{
				AppID: args.AppID, TimeStamp: args.Timestamp, NonceStr: args.NonceStr, Package: args.Package,
				SignType: args.SignType, PaySign: args.PaySign,
			}}
			<-time.After(5 * time.Second)
		}
		h.pays(invoke)
		if o := h.order(in.OutTradeNo); o.State != pay.PAID {
			b.Errorf("the order is %s", o.State)
		}
		h.checkBooks(in.OutTradeNo)
	})
}

// TestOptionsArriveAtTheWallet: what is only passed through is passed through.
func TestOptionsArriveAtTheWallet(t *testing.T) {
	t.Parallel()
	both(t, func(b bubble) {
		h := newHouse(b.T, options{})
		detail := `{"cost_price":120,"goods_detail":[{"goods_id":"g1","goods_name":"bread","quantity":1,"price":100}]}`
		in := h.scan(b.ch)
		in.Detail, in.Attach, in.GoodsTag, in.LimitPay, in.ProductID = detail, "attached", "WXG", "no_credit", "p1"
		in.SceneInfo, in.DiscountableAmount, in.UndiscountableAmount = `{"id":"s1"}`, 60, 40
		in.DisablePayChannels, in.ExtendParams = "credit_group", `{"hb_fq_num":"3"}`
		in.ProductCode = "FACE_TO_FACE_PAYMENT"
		if _, _, err := h.gw.Prepay(b.Context(), h.merchant, in); err != nil {
			b.Fatal(err)
		}
		micro := gateway.MicroPay{
			OutTradeNo: h.number(), AuthCode: secret.New(h.code(b.ch, "").AuthCode), Total: 100, ShopID: "shop", DeviceID: "till-1", Detail: detail, Attach: "attached",
			GoodsTag: "WXG", LimitPay: "no_credit", SceneInfo: in.SceneInfo, DiscountableAmount: 60, UndiscountableAmount: 40,
			DisablePayChannels: "credit_group", ExtendParams: in.ExtendParams, ProductCode: in.ProductCode,
		}
		if _, err := h.gw.MicroPay(b.Context(), h.merchant, micro); err != nil {
			b.Fatal(err)
		}
		want := []string{"detail", "attach", "goods_tag", "limit_pay", "scene_info"}
		if b.ch == pay.Wxpay {
			if got, err := h.box.Arrived(b.Context(), in.OutTradeNo); err != nil || got.Options["product_id"] != "p1" {
				b.Errorf("product_id did not arrive: %v, %v", got.Options, err)
			}
		}
		if b.ch == pay.Alipay {
			want = []string{"goods_detail", "discountable_amount", "undiscountable_amount", "disable_pay_channels", "extend_params", "product_code"}
		}
		for kind, no := range map[string]string{"code": in.OutTradeNo, "micro": micro.OutTradeNo} {
			got, err := h.box.Arrived(b.Context(), no)
			if err != nil {
				b.Fatal(err)
			}
			for _, name := range want {
				if got.Options[name] == "" {
					b.Errorf("%s: %s did not arrive: %v", kind, name, got.Options)
				}
			}
		}
		if got, err := h.box.Arrived(b.Context(), in.OutTradeNo); err != nil || got.NotifyURL != "https://pay.example.com/notify/"+string(b.ch)+"/provider/merchant" {
			b.Errorf("notify_url %q, %v", got.NotifyURL, err)
		}
	})
}

// TestPollingFindsAPaymentWithoutNotices: the ladder asks every minute by now,
// a till that polls hears of the payment within seconds, and a crowd of polls
// does not become a crowd of questions.
func TestPollingFindsAPaymentWithoutNotices(t *testing.T) {
	t.Parallel()
	both(t, func(b bubble) {
		h := newHouse(b.T, options{})
		code, no := h.shown(b.ch, nil)
		<-time.After(20 * time.Minute)
		h.pays(code)
		paid := time.Now()
		asks := h.order(no).Asks
		for {
			o, err := h.gw.QueryOrder(b.Context(), h.merchant, no)
			if err != nil {
				b.Fatal(err)
			}
			if o.State == pay.PAID {
				break
			}
			<-time.After(100 * time.Millisecond)
		}
		if took := time.Since(paid); took > 12*time.Second {
			b.Errorf("found after %v", took)
		}
		if n := h.order(no).Asks - asks; n > 3 {
			b.Errorf("asked %d times", n)
		}
	})
}

// TestUnifiedOrderOnBothEngines: prepared, paid by notice, closed and refused
// on real time, where each engine is what it is in production.
func TestUnifiedOrderOnBothEngines(t *testing.T) {
	t.Parallel()
	for _, engine := range []string{"sqlite", "postgres"} {
		for _, ch := range []pay.Channel{pay.Wxpay, pay.Alipay} {
			t.Run(engine+" "+string(ch), func(t *testing.T) {
				t.Parallel()
				o := options{notices: true}
				if engine == "postgres" {
					o.dsn = storetest.Postgres(t)
					storetest.Migrated(t, o.dsn)
				}
				h := newHouse(t, o)
				code, no := h.shown(ch, nil)
				h.pays(code)
				if o := h.until(no, time.Minute, func(o pay.Order) bool { return o.State == pay.PAID }); o.Prepaid.CodeURL != code.CodeURL {
					t.Errorf("the code is lost: %+v", o.Prepaid)
				}
				h.checkBooks(no)
				_, unpaid := h.shown(ch, nil)
				if err := h.gw.CloseOrder(t.Context(), h.merchant, unpaid); err != nil {
					t.Errorf("close: %v", err)
				}
				if o := h.order(unpaid); o.State != pay.CLOSING || o.CloseAnswer() != nil {
					t.Errorf("%s: %v", o.State, o.CloseAnswer())
				}
			})
		}
	}
}
