package wxpay

import (
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"cloudpay/internal/channel"
	"cloudpay/internal/pay"
)

// prepay is a request with every option of WeChat's.
func prepay(kind pay.TradeType) channel.PrepayRequest {
	return channel.PrepayRequest{
		OrderRequest: order, TradeType: kind, Currency: "CNY", Body: "测试 商品&=", Detail: `{"cost_price":1300,"goods_detail":[]}`,
		Attach: "a=1&b=<2>", GoodsTag: "WXG", LimitPay: "no_credit", ProductID: "P1", SceneInfo: `{"h5_info":{"type":"Wap"}}`,
		DeviceID: "D1", ShopID: "S1", ClientIP: "10.1.2.3", NotifyURL: "https://pay.example/notify/wxpay",
		SubAppID: "wx0000000000000003", SubOpenID: "oSub", Start: start, Expire: start.Add(30 * time.Minute),
	}
}

var prepared = fieldsOf{
	"prepay_id": "wx201410272009395522657a690389285100", "code_url": "weixin://wxpay/bizpayurl?pr=NwY5Mz9",
	"mweb_url": "https://wx.tenpay.com/cgi-bin/mmpayweb-bin/checkmweb?prepay_id=1&package=2",
}

func TestAnOrderIsPreparedAsDocumented(t *testing.T) {
	t.Parallel()
	c, w := play(t, SignMD5, func(r request) fieldsOf {
		return merge(common, prepared, fieldsOf{"trade_type": r.m.get("trade_type")})
	})
	sent := func(r channel.PrepayRequest) (channel.PrepayOutcome, map[string]string) {
		out := c.Prepay(t.Context(), r)
		req := <-w.requests
		if req.path != "/pay/unifiedorder" || req.cert {
			t.Errorf("sent to %s, with certificate %v", req.path, req.cert)
		}
		if !SignMD5.verify(req.m, testKey) || len(req.m.get("nonce_str")) != 32 {
			t.Error("the request's signature or nonce is wrong")
		}
		delete(req.m.values, "sign")
		delete(req.m.values, "nonce_str")
		return out, req.m.values
	}
	all := map[string]string{
		"appid": testApp, "mch_id": testMch, "sub_mch_id": testSub, "sub_appid": "wx0000000000000003", "device_info": "D1",
		"body": "测试 商品&=", "detail": `{"cost_price":1300,"goods_detail":[]}`, "attach": "a=1&b=<2>", "out_trade_no": testOrder,
		"total_fee": "1200", "fee_type": "CNY", "spbill_create_ip": "10.1.2.3", "goods_tag": "WXG", "limit_pay": "no_credit",
		"time_start": "20260101092958", "time_expire": "20260101095958", "notify_url": "https://pay.example/notify/wxpay",
		"scene_info": `{"h5_info":{"type":"Wap"}}`,
	}
	plus := func(more map[string]string) map[string]string { return merge(all, more) }
	noID := prepay(pay.TradeScanCode)
	noID.ProductID, noID.SceneInfo, noID.ClientIP = "", "", ""
	deaf := prepay(pay.TradeScanCode) // notify_url is required, and an installation may have none
	deaf.NotifyURL = ""
	provider := prepay(pay.TradeOfficialAccount)
	provider.SubOpenID, provider.OpenID, provider.AppID, provider.SubAppID = "", "oMain", testApp, ""
	id := prepared["prepay_id"]
	for name, one := range map[string]struct {
		r       channel.PrepayRequest
		want    map[string]string
		prepaid pay.Prepaid
	}{
		"a QR code": {
			prepay(pay.TradeScanCode), plus(fieldsOf{"trade_type": "NATIVE", "product_id": "P1"}), pay.Prepaid{PrepayID: id, CodeURL: prepared["code_url"]},
		},
		"a QR code of a server that takes no notices": {
			deaf, plus(fieldsOf{"trade_type": "NATIVE", "product_id": "P1", "notify_url": "https://notify.invalid/"}),
			pay.Prepaid{PrepayID: id, CodeURL: prepared["code_url"]},
		},
		"a QR code of no product": {
			noID, plus(fieldsOf{
				"trade_type": "NATIVE", "product_id": testOrder, "scene_info": `{"store_info":{"id":"S1"}}`, "spbill_create_ip": "127.0.0.1",
			}), pay.Prepaid{PrepayID: id, CodeURL: prepared["code_url"]},
		},
		"a mini program": {
			prepay(pay.TradeMiniProgram), plus(fieldsOf{"trade_type": "JSAPI", "sub_openid": "oSub"}), pay.Prepaid{PrepayID: id},
		},
		"an application": {prepay(pay.TradeApp), plus(fieldsOf{"trade_type": "APP"}), pay.Prepaid{PrepayID: id}},
		"a web page": {
			prepay(pay.TradeMobileWeb), plus(fieldsOf{"trade_type": "MWEB"}), pay.Prepaid{PrepayID: id, MwebURL: prepared["mweb_url"]},
		},
	} {
		out, got := sent(one.r)
		if diff := cmp.Diff(one.want, got); diff != "" {
			t.Errorf("%s: %s", name, diff)
		}
		want := channel.PrepayOutcome{Outcome: pay.Outcome{Kind: pay.Paid, Verified: true, Code: "SUCCESS"}, Prepaid: one.prepaid}
		if diff := cmp.Diff(want, out); diff != "" {
			t.Errorf("%s: %s", name, diff)
		}
	}
	want := plus(fieldsOf{"trade_type": "JSAPI", "openid": "oMain"})
	delete(want, "sub_appid")
	if _, got := sent(provider); cmp.Diff(want, got) != "" {
		t.Errorf("a payer of the provider's: %s", cmp.Diff(want, got))
	}
}

func TestAnotherApplicationOfTheProviderPrepares(t *testing.T) {
	t.Parallel()
	c, w := play(t, SignMD5, func(r request) fieldsOf { return merge(common, prepared, fieldsOf{"appid": r.m.get("appid")}) })
	r := prepay(pay.TradeOfficialAccount)
	r.AppID, r.OpenID, r.SubOpenID = "wx0000000000000009", "oOther", ""
	if out := c.Prepay(t.Context(), r); out.Kind != pay.Paid {
		t.Errorf("Prepay = %+v, want prepared", out)
	}
	req := <-w.requests
	if got := req.m.get("appid"); got != r.AppID {
		t.Errorf("appid %q, want %q", got, r.AppID)
	}
	args, err := c.ClientArgs(r, pay.Prepaid{PrepayID: "wx1"}, start)
	if err != nil || args.AppID != r.AppID {
		t.Errorf("ClientArgs = %+v, %v, want them under %s", args, err, r.AppID)
	}
}

func TestAnAnswerThatPreparesNothingUsableIsUnknown(t *testing.T) {
	t.Parallel()
	var change fieldsOf
	c, _ := play(t, SignMD5, func(request) fieldsOf { return merge(common, prepared, change) })
	for _, one := range []struct {
		kind     pay.TradeType
		change   fieldsOf
		verified bool
	}{
		{pay.TradeScanCode, fieldsOf{"code_url": ""}, true},
		{pay.TradeScanCode, fieldsOf{"code_url": "weixin://" + strings.Repeat("x", 64)}, true},
		{pay.TradeScanCode, fieldsOf{"prepay_id": ""}, true},
		{pay.TradeMiniProgram, fieldsOf{"prepay_id": strings.Repeat("x", 65)}, true},
		{pay.TradeMobileWeb, fieldsOf{"mweb_url": ""}, true},
		{pay.TradeMobileWeb, fieldsOf{"mweb_url": "javascript:alert(1)"}, true},
		{pay.TradeMobileWeb, fieldsOf{"mweb_url": "https://" + strings.Repeat("x", 512)}, true},
		{pay.TradeScanCode, fieldsOf{"trade_type": "JSAPI"}, false},
		{pay.TradeScanCode, fieldsOf{"mch_id": "1"}, false},
		{pay.TradeScanCode, fieldsOf{"sub_mch_id": ""}, false},
		{pay.TradeScanCode, fieldsOf{"appid": "wx0000000000000009"}, false},
		{pay.TradeScanCode, fieldsOf{"out_trade_no": "GW20260101000009"}, false},
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
// to the prepare call.
func TestAPreparedOrderSurvivesNoBadAnswer(t *testing.T) {
	t.Parallel()
	var answer fieldsOf
	c, _ := play(t, SignMD5, func(request) fieldsOf { return answer })
	for name, answers := range conditions {
		for i := range answers {
			answer = answers[i]
			got := c.Prepay(t.Context(), prepay(pay.TradeScanCode))
			if got.Kind != pay.Unknown || got.Lost && got.Next != pay.NextRetrySame || got.Prepaid != (pay.Prepaid{}) {
				t.Errorf("%s, %d: %+v", name, i, got)
			}
		}
	}
}

func TestATypeThatWeChatLacksIsAskedOfNobody(t *testing.T) {
	t.Parallel()
	c, w := play(t, SignMD5, func(request) fieldsOf { return merge(common, prepared) })
	for _, kind := range []pay.TradeType{pay.TradeMicroPay, pay.TradeOneCode, 5, 0} {
		got := c.Prepay(t.Context(), prepay(kind))
		if got.Kind != pay.Declined || got.Verified || len(w.requests) > 0 {
			t.Errorf("type %d: %+v after %d requests", kind, got, len(w.requests))
		}
	}
}

// TestClientArgsSignExactlyWhatTheAppSends signs the shared vectors' members
// anew, under each algorithm.
func TestClientArgsSignExactlyWhatTheAppSends(t *testing.T) {
	t.Parallel()
	const id = "wx01090000000000000000000000000001"
	at := time.Unix(1767225600, 999)
	for _, st := range []SignType{SignMD5, SignHMAC} {
		c, _ := play(t, st, nil)
		page, err := c.ClientArgs(prepay(pay.TradeMiniProgram), pay.Prepaid{PrepayID: id}, at)
		if err != nil {
			t.Fatal(err)
		}
		app, err := c.ClientArgs(prepay(pay.TradeApp), pay.Prepaid{PrepayID: id}, at)
		if err != nil {
			t.Fatal(err)
		}
		if page.NonceStr == app.NonceStr || len(page.NonceStr) != 32 {
			t.Errorf("nonces %q and %q", page.NonceStr, app.NonceStr)
		}
		var m message
		for name, value := range map[string]string{
			"appId": page.AppID, "timeStamp": page.Timestamp, "nonceStr": page.NonceStr, "package": page.Package, "signType": page.SignType,
		} {
			m.set(name, value)
		}
		want := channel.ClientArgs{
			AppID: "wx0000000000000003", Timestamp: "1767225600", NonceStr: page.NonceStr, Package: "prepay_id=" + id,
			SignType: string(st), PaySign: st.signature(m, testKey),
		}
		if diff := cmp.Diff(want, page); diff != "" {
			t.Error(diff)
		}
		m = message{}
		for name, value := range map[string]string{
			"appid": app.AppID, "partnerid": app.PartnerID, "prepayid": app.PrepayID, "package": app.Package,
			"noncestr": app.NonceStr, "timestamp": app.Timestamp,
		} {
			m.set(name, value)
		}
		want = channel.ClientArgs{
			AppID: "wx0000000000000003", Timestamp: "1767225600", NonceStr: app.NonceStr, Package: "Sign=WXPay",
			SignType: string(st), PartnerID: testMch, PrepayID: id, PaySign: st.signature(m, testKey),
		}
		if diff := cmp.Diff(want, app); diff != "" {
			t.Error(diff)
		}
	}
	c, _ := play(t, SignMD5, nil)
	if _, err := c.ClientArgs(prepay(pay.TradeApp), pay.Prepaid{}, at); err == nil {
		t.Error("arguments without a prepay_id")
	}
	for _, kind := range []pay.TradeType{pay.TradeScanCode, pay.TradeMobileWeb} {
		if args, err := c.ClientArgs(prepay(kind), pay.Prepaid{PrepayID: id}, at); err != nil || args != (channel.ClientArgs{}) {
			t.Errorf("type %d: %+v, %v, want none", kind, args, err)
		}
	}
	main := prepay(pay.TradeOfficialAccount)
	main.SubOpenID, main.OpenID = "", "oMain"
	if args, err := c.ClientArgs(main, pay.Prepaid{PrepayID: id}, at); err != nil || args.AppID != testApp {
		t.Errorf("a payer of the provider's: %+v, %v, want appId %s", args, err, testApp)
	}
}
