package alipay

import (
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"cloudpay/internal/channel"
	"cloudpay/internal/pay"
)

const testNotify = "https://pay.example/notify/alipay"

// prepay is a request with every option of Alipay's.
func prepay(kind pay.TradeType) channel.PrepayRequest {
	return channel.PrepayRequest{
		OrderRequest: order, TradeType: kind, Currency: "CNY", Body: "测试/商品", NotifyURL: testNotify, BuyerID: "2088000000000001",
		Detail:   `{"cost_price":1300,"goods_detail":[{"goods_id":"G1","goods_name":"雪碧","quantity":2,"price":600}]}`,
		DeviceID: "D1", ShopID: "S1", StaffID: "E1", ClientIP: "10.1.2.3", DiscountableAmount: 1000, UndiscountableAmount: 200,
		DisablePayChannels: "pcredit,credit_group", ExtendParams: `{"hb_fq_num":"3","sys_service_provider_id":"1"}`,
		Start: start, Expire: start.Add(30 * time.Minute),
	}
}

func TestAnOrderIsPreparedAsDocumented(t *testing.T) {
	t.Parallel()
	c, w := play(t, func(request) fieldsOf {
		return merge(success, fieldsOf{"out_trade_no": testOrder, "qr_code": "https://qr.alipay.com/bax/1", "trade_no": "2026"})
	})
	c.providerID = "2088000000000009"
	all := fieldsOf{
		"out_trade_no": testOrder, "subject": "测试 商品", "total_amount": "12.00", "seller_id": testSeller, "store_id": "S1",
		"operator_id": "E1", "terminal_id": "D1", "discountable_amount": "10.00", "undiscountable_amount": "2.00",
		"disable_pay_channels": "pcredit,credit_group", "timeout_express": "30m", "time_expire": "2026-01-01 08:30:00",
		"goods_detail":    []any{map[string]any{"goods_id": "G1", "goods_name": "雪碧", "quantity": 2.0, "price": "6.00"}},
		"extend_params":   map[string]any{"hb_fq_num": "3", "sys_service_provider_id": "2088000000000009"},
		"business_params": map[string]any{"mc_create_trade_ip": "10.1.2.3"},
	}
	own := prepay(pay.TradeScanCode)
	own.ProductCode = "FACE_TO_FACE_PAYMENT"
	for name, one := range map[string]struct {
		r       channel.PrepayRequest
		method  string
		want    fieldsOf
		prepaid pay.Prepaid
	}{
		"a QR code": {
			prepay(pay.TradeScanCode), "alipay.trade.precreate",
			fieldsOf{"product_code": "QR_CODE_OFFLINE", "qr_code_timeout_express": "30m"},
			pay.Prepaid{CodeURL: "https://qr.alipay.com/bax/1"},
		},
		"a QR code of another product": {
			own, "alipay.trade.precreate",
			fieldsOf{"product_code": "FACE_TO_FACE_PAYMENT", "qr_code_timeout_express": "30m"},
			pay.Prepaid{CodeURL: "https://qr.alipay.com/bax/1"},
		},
		"a known buyer": {
			prepay(pay.TradeOfficialAccount), "alipay.trade.create",
			fieldsOf{"product_code": "JSAPI_PAY", "buyer_id": "2088000000000001"},
			pay.Prepaid{TradeNo: "2026"},
		},
		"a mini program": {
			prepay(pay.TradeMiniProgram), "alipay.trade.create",
			fieldsOf{"product_code": "JSAPI_PAY", "buyer_id": "2088000000000001"},
			pay.Prepaid{TradeNo: "2026"},
		},
	} {
		got := c.Prepay(t.Context(), one.r)
		req := <-w.requests
		if req.method != one.method || req.form.Get("notify_url") != testNotify {
			t.Errorf("%s: sent %s with notify_url %q", name, req.method, req.form.Get("notify_url"))
		}
		if !verifyText(&keys().app.PublicKey, []byte(stringToSign(req.form, true, "sign")), req.form.Get("sign")) {
			t.Errorf("%s: the request's signature is wrong", name)
		}
		if diff := cmp.Diff(map[string]any(merge(all, one.want)), req.biz); diff != "" {
			t.Errorf("%s: %s", name, diff)
		}
		want := channel.PrepayOutcome{Outcome: pay.Outcome{Kind: pay.Paid, Verified: true, Code: "10000"}, Prepaid: one.prepaid}
		if diff := cmp.Diff(want, got); diff != "" {
			t.Errorf("%s: %s", name, diff)
		}
	}
}

func TestAnAnswerThatPreparesNothingUsableIsUnknown(t *testing.T) {
	t.Parallel()
	good := merge(success, fieldsOf{"out_trade_no": testOrder, "qr_code": "https://qr.alipay.com/bax1", "trade_no": "2026"})
	var change fieldsOf
	c, _ := play(t, func(request) fieldsOf { return merge(good, change) })
	for _, one := range []struct {
		kind     pay.TradeType
		change   fieldsOf
		verified bool
	}{
		{pay.TradeScanCode, fieldsOf{"qr_code": ""}, true},
		{pay.TradeScanCode, fieldsOf{"qr_code": "javascript:1"}, true},
		{pay.TradeScanCode, fieldsOf{"qr_code": "https://" + strings.Repeat("x", 128)}, true},
		{pay.TradeOfficialAccount, fieldsOf{"trade_no": ""}, true},
		{pay.TradeOfficialAccount, fieldsOf{"trade_no": strings.Repeat("2", 65)}, true},
		{pay.TradeScanCode, fieldsOf{"out_trade_no": ""}, false},
		{pay.TradeScanCode, fieldsOf{"out_trade_no": "GW20260101000009"}, false},
		{pay.TradeScanCode, fieldsOf{"seller_id": "2088000000000009"}, false},
		{pay.TradeScanCode, fieldsOf{"total_amount": "12.01"}, false},
		{pay.TradeOfficialAccount, fieldsOf{"total_amount": "0.12e2"}, false},
		{pay.TradeScanCode, fieldsOf{"code": "10003"}, true},
	} {
		change = one.change
		got := c.Prepay(t.Context(), prepay(one.kind))
		want := pay.Outcome{Kind: pay.Unknown, Alert: true, Verified: one.verified}
		if diff := cmp.Diff(want, verdict(got.Outcome)); diff != "" || got.Prepaid != (pay.Prepaid{}) {
			t.Errorf("%v: prepaid %+v, %s", one.change, got.Prepaid, diff)
		}
	}
}

// TestAPreparedOrderSurvivesNoBadAnswer plays the conditions of the shared list
// to the prepare calls.
func TestAPreparedOrderSurvivesNoBadAnswer(t *testing.T) {
	t.Parallel()
	var answer fieldsOf
	c, _ := play(t, func(request) fieldsOf { return answer })
	for name, condition := range conditions {
		for i := range condition.answers {
			answer = condition.answers[i]
			if answer["total_amount"] == "" {
				continue // an answer that prepares an order need not name its amount
			}
			for _, kind := range []pay.TradeType{pay.TradeScanCode, pay.TradeOfficialAccount} {
				got := c.Prepay(t.Context(), prepay(kind))
				if got.Kind != condition.want.Kind || got.Lost && got.Next != pay.NextRetrySame || got.Prepaid != (pay.Prepaid{}) {
					t.Errorf("%s, %d: %+v", name, i, got)
				}
			}
		}
	}
}

func TestATypeThatAlipayLacksIsAskedOfNobody(t *testing.T) {
	t.Parallel()
	c, w := play(t, func(request) fieldsOf { return success })
	for _, kind := range []pay.TradeType{pay.TradeMicroPay, pay.TradeApp, pay.TradeOneCode, 5, 0} {
		got := c.Prepay(t.Context(), prepay(kind))
		if got.Kind != pay.Declined || got.Verified || len(w.requests) > 0 {
			t.Errorf("type %d: %+v after %d requests", kind, got, len(w.requests))
		}
	}
}

func TestClientArgsAreTheNumberOfTheTrade(t *testing.T) {
	t.Parallel()
	c, _ := play(t, nil)
	for _, kind := range []pay.TradeType{pay.TradeOfficialAccount, pay.TradeMiniProgram} {
		args, err := c.ClientArgs(prepay(kind), pay.Prepaid{TradeNo: "2026"}, start)
		if want := (channel.ClientArgs{TradeNo: "2026"}); err != nil || args != want {
			t.Errorf("type %d: %+v, %v", kind, args, err)
		}
		if _, err := c.ClientArgs(prepay(kind), pay.Prepaid{}, start); err == nil {
			t.Errorf("type %d: arguments without a trade_no", kind)
		}
	}
	if args, err := c.ClientArgs(prepay(pay.TradeScanCode), pay.Prepaid{CodeURL: "https://qr.alipay.com/1"}, start); err != nil || args != (channel.ClientArgs{}) {
		t.Errorf("a QR code: %+v, %v, want none", args, err)
	}
}

// TestGoodsAreReadLooselyAndNeverStopAPayment reads what callers send for
// detail: numbers as text, lines that lack something, no JSON at all.
func TestGoodsAreReadLooselyAndNeverStopAPayment(t *testing.T) {
	t.Parallel()
	for detail, want := range map[string][]goods{
		"":        nil,
		"null":    nil,
		"苹果 2 个":  nil,
		`[1]`:     nil,
		`{"a":1}`: nil,
		`{"goods_detail":[{"goods_id":7,"goods_name":"a","quantity":"2","price":"5"}]}`: {{ID: "7", Name: "a", Quantity: "2", Price: "0.05"}},
		`{"goods_detail":[{"goods_name":"a","quantity":1,"price":0.5},{"goods_name":"b","quantity":0,"price":1},
		 {"quantity":1,"price":1},{"goods_name":"c","quantity":1,"price":-1},{"goods_name":"d","quantity":1,"price":1e3},
		 {"goods_name":["e"],"quantity":1,"price":1},{"goods_name":"f","quantity":1,"price":99999999999999999999}]}`: nil,
	} {
		if diff := cmp.Diff(want, goodsOf(detail)); diff != "" {
			t.Errorf("%s: %s", detail, diff)
		}
	}
	many := `{"goods_detail":[` + strings.Repeat(`{"goods_name":"a","quantity":1,"price":1},`, maxGoods) + `{"goods_name":"last","quantity":1,"price":1}]}`
	if got := goodsOf(many); len(got) != maxGoods {
		t.Errorf("%d goods, want %d", len(got), maxGoods)
	}
}
