package wxpay

import (
	"context"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"cloudpay/internal/channel"
	"cloudpay/internal/pay"
	"cloudpay/internal/secret"
)

// wantPaid3 is what paid3 means: what the merchant gave away is not settled.
var wantPaid3 = pay.Payment{
	TransactionID: "4200001234202601010000000001", PaidAt: time.Date(2026, 1, 1, 1, 30, 0, 0, time.UTC),
	Total: 1200, Settlement: 1050, Cash: 1000, PayerID: "oUpF8uMuAJO0000000000000001A", BankType: "OTHERS",
	Promo: `{"coupon_fee":200,"coupons":[{"batch_id":"931386","id":"10000001","fee":150,"type":"NO_CASH"},` +
		`{"batch_id":"931387","id":"10000002","fee":50,"type":"CASH"}]}`,
}

func TestV3SendsAPaymentAsDocumented(t *testing.T) {
	t.Parallel()
	c, w := play3(t, says(paid3))
	r := charge
	r.Attach, r.GoodsTag, r.Merchant.SubAppID = "a<b>&c", "WXG", "wx0000000000000002"
	r.Detail = `{"cost_price":1300,"receipt_id":"R1","goods_detail":[{"goods_id":"G1","wxpay_goods_id":"1001","goods_name":"雪碧/罐","quantity":2,"price":300},{"goods_name":"no number"}]}`
	r.SceneInfo = `{"store_info":{"id":"S9","name":"店","area_code":"440305","address":"路"},"h5_info":{"type":"Wap"}}`
	got := c.Pay(t.Context(), r)
	if diff := cmp.Diff(pay.Outcome{Kind: pay.Paid, Verified: true, Code: "SUCCESS", Text: "支付成功", Payment: wantPaid3}, got); diff != "" {
		t.Error(diff)
	}
	req := <-w.requests
	const want = `{"sp_appid":"wx0000000000000001","sp_mchid":"1900000109","sub_appid":"wx0000000000000002","sub_mchid":"1900000110",` +
		`"description":"测试 商品&=","out_trade_no":"GW20260101000002","attach":"a<b>&c","goods_tag":"WXG",` +
		`"detail":{"cost_price":1300,"invoice_id":"R1","goods_detail":[{"merchant_goods_id":"G1","wechatpay_goods_id":"1001","goods_name":"雪碧/罐","quantity":2,"unit_price":300}]},` +
		`"payer":{"auth_code":"134567890123456789"},"amount":{"total":1200,"currency":"CNY"},` +
		`"scene_info":{"device_id":"D1","device_ip":"10.1.2.3","store_info":{"out_id":"S9"}}}`
	if diff := cmp.Diff(want, req.body); diff != "" || req.method != http.MethodPost || req.target != "/v3/pay/partner/transactions/codepay" {
		t.Errorf("%s %s: %s", req.method, req.target, diff)
	}
	if req.serial != "" {
		t.Errorf("the request names key %s, and the account has no public key", req.serial)
	}
}

func TestV3SendsAPaymentAsInTheSharedVector(t *testing.T) {
	t.Parallel()
	c, w := play3(t, says(paid3))
	r := channel.PayRequest{
		OrderRequest: channel.OrderRequest{Merchant: order.Merchant, OutTradeNo: "GW20260101000003", Total: 1},
		AuthCode:     secret.New(testCode), Currency: "CNY", Body: "测试 商品", ShopID: "S001", Detail: "not JSON", SceneInfo: "",
	}
	c.Pay(t.Context(), r)
	c.Query(t.Context(), r.OrderRequest)
	for _, id := range []string{"wechat-v3-request-codepay", "wechat-v3-request-query"} {
		for _, v := range vectors3(t, "wechat_v3_request") {
			if v.ID != id {
				continue
			}
			req := <-w.requests
			if req.body != v.Body || req.target != v.RequestTarget || req.method != v.Method {
				t.Errorf("%s: sent %s %s %s", id, req.method, req.target, req.body)
			}
		}
	}
}

// TestV3AsksByEitherNumber asks by ours and by the wallet's, with what a URL
// must not hold as it stands.
func TestV3AsksByEitherNumber(t *testing.T) {
	t.Parallel()
	c, w := play3(t, says(paid3))
	byID := channel.OrderRequest{Merchant: order.Merchant, Total: 1200, TransactionID: "4200001234202601010000000001"}
	both := byID
	both.OutTradeNo = testOrder
	odd := order
	odd.OutTradeNo = "a/b|c?d&e"
	for _, one := range []struct {
		r      channel.OrderRequest
		target string
		want   pay.Kind
	}{
		{order, "/v3/pay/partner/transactions/out-trade-no/GW20260101000002?sp_mchid=1900000109&sub_mchid=1900000110", pay.Paid},
		{byID, "/v3/pay/partner/transactions/id/4200001234202601010000000001?sp_mchid=1900000109&sub_mchid=1900000110", pay.Paid},
		{both, "/v3/pay/partner/transactions/id/4200001234202601010000000001?sp_mchid=1900000109&sub_mchid=1900000110", pay.Paid},
		{odd, "/v3/pay/partner/transactions/out-trade-no/a%2Fb%7Cc%3Fd&e?sp_mchid=1900000109&sub_mchid=1900000110", pay.Unknown},
	} {
		got := c.Query(t.Context(), one.r)
		if req := <-w.requests; req.method != http.MethodGet || req.target != one.target || req.body != "" {
			t.Errorf("sent %s %s %q, want %s", req.method, req.target, req.body, one.target)
		}
		if got.Kind != one.want || one.want == pay.Paid && got.Payment != wantPaid3 {
			t.Errorf("%s: %+v", one.target, got)
		}
	}
	for name, r := range map[string]channel.OrderRequest{
		"another number of the wallet": {Merchant: order.Merchant, Total: 1200, TransactionID: "4200001234202601010000000009"},
		"another number of ours":       {Merchant: order.Merchant, Total: 1200, TransactionID: byID.TransactionID, OutTradeNo: "X"},
	} {
		if got := c.Query(t.Context(), r); got.Kind != pay.Unknown || !got.Alert || got.Differs {
			t.Errorf("%s: %+v", name, got)
		}
	}
}

func TestV3StatesCarryWhatTheyMean(t *testing.T) {
	t.Parallel()
	var o object
	c, _ := play3(t, func(request3) answer3 { return answer3{body: o.json()} })
	refunded := wantPaid3
	refunded.RefundState = true
	noTime := wantPaid3
	noTime.PaidAt = time.Time{}
	sub := wantPaid3
	sub.PayerID, sub.Settlement, sub.Promo = "oSub", 1200, ""
	for _, one := range []struct {
		name   string
		answer object
		want   pay.Outcome
	}{
		{"refunded", with(paid3, object{"trade_state": "REFUND"}), pay.Outcome{Kind: pay.Paid, Verified: true, Code: "REFUND", Payment: refunded}},
		{
			"paid under the merchant's application, without coupons",
			with(paid3, object{"payer": object{"sp_openid": "oMain", "sub_openid": "oSub"}, "promotion_detail": nil}),
			pay.Outcome{Kind: pay.Paid, Verified: true, Code: "SUCCESS", Payment: sub},
		},
		{
			"made for another application of the provider", with(paid3, object{"sp_appid": "wx0000000000000009"}),
			pay.Outcome{Kind: pay.Paid, Verified: true, Code: "SUCCESS", Payment: wantPaid3},
		},
		{"revoked unpaid", unpaid3("REVOKED"), pay.Outcome{Kind: pay.Declined, Verified: true, Code: "REVOKED"}},
		{
			"revoked after payment", with(paid3, object{"trade_state": "REVOKED"}),
			pay.Outcome{Kind: pay.Declined, Verified: true, Code: "REVOKED", Returned: true, Payment: wantPaid3},
		},
		{
			"closed with money but no time", with(paid3, object{"trade_state": "CLOSED", "success_time": nil}),
			pay.Outcome{Kind: pay.Declined, Verified: true, Code: "CLOSED", Returned: true, Payment: noTime},
		},
		{
			"unpaid of somebody else", with(unpaid3("NOTPAY"), object{"out_trade_no": "X"}),
			pay.Outcome{Kind: pay.Unknown, Alert: true, Code: "NOTPAY", Text: differs("").Text},
		},
		{
			"unpaid without a number", with(unpaid3("NOTPAY"), object{"out_trade_no": nil}),
			pay.Outcome{Kind: pay.Unknown, Alert: true, Code: "NOTPAY", Text: differs("").Text},
		},
	} {
		o = one.answer
		got := c.Query(t.Context(), order)
		if got.Kind != pay.Unknown {
			got.Text = ""
		}
		if diff := cmp.Diff(one.want, got); diff != "" {
			t.Errorf("%s: %s", one.name, diff)
		}
	}
	o = object{"trade_state": "USERPAYING"} // code pay may say no more (upstreams.md §3.5)
	if got := c.Pay(t.Context(), charge); got.Kind != pay.Waiting || !got.Verified {
		t.Errorf("code pay with only a state: %+v", got)
	}
}

func TestV3ReversesAndCloses(t *testing.T) {
	t.Parallel()
	reversed := object{"sp_appid": testApp, "sp_mchid": testMch, "sub_mchid": testSub, "out_trade_no": testOrder}
	var a answer3
	c, w := play3(t, func(request3) answer3 { return a })
	done := pay.Outcome{Kind: pay.Paid, Verified: true, Code: "SUCCESS"}
	a = answer3{body: reversed.json()}
	if diff := cmp.Diff(done, c.Reverse(t.Context(), order)); diff != "" {
		t.Error(diff)
	}
	if req := <-w.requests; req.target != "/v3/pay/partner/transactions/out-trade-no/GW20260101000002/reverse" ||
		req.body != `{"sp_appid":"wx0000000000000001","sp_mchid":"1900000109","sub_mchid":"1900000110"}` {
		t.Errorf("sent %s %s", req.target, req.body)
	}
	for _, change := range []object{{"out_trade_no": "X"}, {"out_trade_no": nil}, {"sp_mchid": "1"}, {"sub_mchid": "1"}, {"sub_mchid": nil}} {
		a = answer3{body: with(reversed, change).json()}
		if got := c.Reverse(t.Context(), order); got.Kind != pay.Unknown || !got.Alert || got.Verified {
			t.Errorf("reverse answered with %v: %+v", change, got)
		}
		<-w.requests
	}
	a = answer3{status: http.StatusNoContent}
	if diff := cmp.Diff(done, c.Close(t.Context(), order)); diff != "" {
		t.Error(diff)
	}
	if req := <-w.requests; req.target != "/v3/pay/partner/transactions/out-trade-no/GW20260101000002/close" ||
		req.body != `{"sp_mchid":"1900000109","sub_mchid":"1900000110"}` {
		t.Errorf("sent %s %s", req.target, req.body)
	}
}

func TestV3RefundsAsDocumented(t *testing.T) {
	t.Parallel()
	var o object
	c, w := play3(t, func(request3) answer3 { return answer3{body: o.json()} })
	r := refund
	r.Reason, r.Account, r.NotifyURL = strings.Repeat("不", 100), "REFUND_SOURCE_RECHARGE_FUNDS", "https://pay.example/notify"
	o = with(refunded3, object{"status": "PROCESSING", "success_time": nil})
	paid := pay.RefundPaid{
		RefundID: "50000000001202601010000000001", Refund: 500, Settlement: 450, Cash: 400, RecvAccount: "招商银行信用卡0403",
		Promo: `{"coupon_fee":50,"coupons":[{"id":"10000001","fee":50,"type":"NO_CASH"}]}`,
	}
	want := channel.RefundOutcome{Outcome: pay.Outcome{Kind: pay.Waiting, Verified: true, Code: "PROCESSING"}, Refund: paid}
	if diff := cmp.Diff(want, c.Refund(t.Context(), r)); diff != "" {
		t.Error(diff)
	}
	sent := `{"sub_mchid":"1900000110","out_trade_no":"GW20260101000002","out_refund_no":"RF20260101000001","reason":"` + strings.Repeat("不", 80) +
		`","notify_url":"https://pay.example/notify","funds_account":"AVAILABLE","amount":{"refund":500,"total":1200,"currency":"CNY"}}`
	if req := <-w.requests; req.target != "/v3/refund/domestic/refunds" || req.body != sent {
		t.Errorf("sent %s %s", req.target, req.body)
	}
	o = refunded3
	paid.SucceededAt = time.Date(2026, 1, 2, 2, 0, 0, 0, time.UTC)
	want = channel.RefundOutcome{Outcome: pay.Outcome{Kind: pay.Paid, Verified: true, Code: "SUCCESS"}, Refund: paid}
	if diff := cmp.Diff(want, c.QueryRefund(t.Context(), refund)); diff != "" {
		t.Error(diff)
	}
	if req := <-w.requests; req.target != "/v3/refund/domestic/refunds/RF20260101000001?sub_mchid=1900000110" || req.method != http.MethodGet {
		t.Errorf("sent %s %s", req.method, req.target)
	}
	for _, change := range []object{
		{"out_refund_no": "X"},
		{"out_trade_no": "X"},
		{"out_refund_no": nil},
		{"out_trade_no": nil},
		{"amount": nil},
		{"sub_mchid": "1"},
		{"amount": object{"refund": 501, "total": 1200}},
		{"amount": object{"refund": 500, "total": 1201}},
		{"amount": object{"refund": 500}},
		{"amount": object{"refund": 500, "total": 1200, "currency": "HKD"}},
	} {
		o = with(refunded3, change)
		for name, got := range map[string]channel.RefundOutcome{"refund": c.Refund(t.Context(), refund), "query": c.QueryRefund(t.Context(), refund)} {
			if got.Kind != pay.Unknown || !got.Alert || got.Verified {
				t.Errorf("%s answered with %v: %+v", name, change, got)
			}
		}
	}
}

// TestAnAbnormalRefundIsSentOn goes to the merchant, or to another card of the
// customer, which only WeChat can read.
func TestAnAbnormalRefundIsSentOn(t *testing.T) {
	t.Parallel()
	answer := says(with(refunded3, object{"status": "PROCESSING"}))
	c, w := play3(t, answer)
	r := channel.AbnormalRefund{RefundRequest: refund, RefundID: "5000"}
	if got := c.RefundAbnormal(t.Context(), r); got.Kind != pay.Waiting || !got.Verified {
		t.Errorf("to the merchant: %+v", got)
	}
	if req := <-w.requests; req.target != "/v3/refund/domestic/refunds/5000/apply-abnormal-refund" ||
		req.body != `{"sub_mchid":"1900000110","out_refund_no":"RF20260101000001","type":"MERCHANT_BANK_CARD"}` {
		t.Errorf("sent %s %s", req.target, req.body)
	}
	r.BankType, r.Account, r.RealName = "ICBC_DEBIT", secret.New("6222021234567890123"), secret.New("张三")
	byCert, byKey := c, w.channel(withPublicKey)
	for c, p := range map[*Channel]pair{byCert: pairs()[1], byKey: pairs()[3]} {
		if got := c.RefundAbnormal(t.Context(), r); got.Kind != pay.Waiting {
			t.Errorf("to the customer: %+v", got)
		}
		req := <-w.requests
		for name, want := range map[string]string{"bank_account": r.Account.Reveal(), "real_name": r.RealName.Reveal()} {
			if got := unseal(t, p.key, fmt.Sprint(req.fields[name])); got != want {
				t.Errorf("%s arrived as %q", name, got)
			}
		}
		if want := map[bool]string{true: testPublicID, false: p.serial}[c == byKey]; req.serial != want || strings.Contains(req.body, "622202") {
			t.Errorf("the request names key %s, want %s; %s", req.serial, want, req.body)
		}
	}
}

// TestLostCallsOfV3AreUnknown loses the answer of every call in the ways of
// TestLostCallsAreUnknown.
func TestLostCallsOfV3AreUnknown(t *testing.T) {
	t.Parallel()
	for name, h := range map[string]http.HandlerFunc{
		"connection closed": func(http.ResponseWriter, *http.Request) { panic(http.ErrAbortHandler) },
		"status 400":        func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(http.StatusBadRequest) },
		"too long": func(w http.ResponseWriter, _ *http.Request) {
			_, _ = io.WriteString(w, strings.Repeat(" ", channel.MaxAnswer+1))
		},
		"time-out": func(_ http.ResponseWriter, r *http.Request) { <-r.Context().Done() },
	} {
		var requests atomic.Int64
		w := &wallet3{t: t, now: testNow, Server: httptest.NewTLSServer(http.HandlerFunc(func(rw http.ResponseWriter, r *http.Request) {
			requests.Add(1)
			_, _ = io.Copy(io.Discard, r.Body) // so that the server notices the caller going away
			h(rw, r)
		}))}
		w.Config.ErrorLog = slog.NewLogLogger(slog.DiscardHandler, slog.LevelError)
		t.Cleanup(w.Close)
		c := w.channel(withPublicKey)
		for call, do := range calls3 {
			requests.Store(0)
			ctx, cancel := context.WithTimeout(t.Context(), 5*time.Second)
			if name == "time-out" {
				ctx, cancel = context.WithTimeout(t.Context(), 100*time.Millisecond)
			}
			got := do(ctx, c)
			cancel()
			want := pay.Outcome{Kind: pay.Unknown, Lost: true, Next: endpoints3[call].lost}
			if diff := cmp.Diff(want, verdict(got)); diff != "" {
				t.Errorf("%s, %s: %s", name, call, diff)
			}
			if n := requests.Load(); n > 1 && endpoints3[call].method == http.MethodPost {
				t.Errorf("%s, %s: sent %d times", name, call, n)
			}
		}
	}
}

func TestNothingSecretOfV3ReachesAnOutcome(t *testing.T) {
	t.Parallel()
	c, _ := play3(t, func(r request3) answer3 {
		payer, _ := r.fields["payer"].(map[string]any)
		return answer3{status: http.StatusForbidden, body: object{"code": "NOT_ENOUGH", "message": fmt.Sprint("code ", payer["auth_code"], "\x7f!")}.json()}
	})
	got := c.Pay(t.Context(), charge)
	if got.Text != "code 134567***!" || strings.Contains(fmt.Sprintf("%+v", got), testCode) {
		t.Errorf("outcome %+v", got)
	}
	if text := fmt.Sprintf("%+v %#v", c.Health(), c.Health()); strings.Contains(text, testV3Key) {
		t.Errorf("health: %s", text)
	}
}

func TestMistakesInAV3AccountAreNamed(t *testing.T) {
	t.Parallel()
	_, w := play3(t, says(paid3))
	ec, ecKey := clientCert(t)
	for name, change := range map[string]func(c *Config){
		"no key at all":     func(c *Config) { c.APIv3Key = secret.Secret{} },
		"short APIv3 key":   func(c *Config) { c.APIv3Key = secret.New("0123456789") },
		"no clock":          func(c *Config) { c.Now = nil },
		"another interface": func(c *Config) { c.API = "v4" },
		"not RSA":           func(c *Config) { c.ClientCertPEM, c.ClientKeyPEM = ec, secret.New(ecKey) },
		"public key id":     func(c *Config) { c.PublicKeyID, c.PublicKeyPEM = "5157F0", pairs()[3].pubPEM },
		"no public key id":  func(c *Config) { c.PublicKeyPEM = pairs()[3].pubPEM },
		"public key":        func(c *Config) { c.PublicKeyID, c.PublicKeyPEM = testPublicID, pairs()[3].certPEM },
		"backup":            func(c *Config) { c.BackupURL = "http://api2.mch.weixin.qq.com" },
		"v2 without a key":  func(c *Config) { c.API = channel.APIv2 },
		"v2 by default":     func(c *Config) { c.API = "" },
	} {
		conf := w.config()
		change(&conf)
		if ch, err := New(conf); err == nil || ch != nil {
			t.Errorf("%s: no error", name)
		} else if strings.Contains(err.Error(), testV3Key) || strings.Contains(err.Error(), "PRIVATE") {
			t.Errorf("%s: the error holds a secret: %v", name, err)
		}
	}
}

// TestV3PreparesAsDocumented prepares every kind of order.
func TestV3PreparesAsDocumented(t *testing.T) {
	t.Parallel()
	var o object
	c, w := play3(t, func(request3) answer3 { return answer3{body: o.json()} })
	handles := object{"prepay_id": "wx201410272009395522657a690389285100", "code_url": "weixin://wxpay/bizpayurl?pr=NwY5Mz9", "h5_url": "https://wx.tenpay.com/cgi-bin/mmpayweb-bin/checkmweb?prepay_id=1"}
	const head = `{"sp_appid":"wx0000000000000001","sp_mchid":"1900000109","sub_appid":"wx0000000000000003","sub_mchid":"1900000110",` +
		`"description":"测试 商品&=","out_trade_no":"GW20260101000002","time_expire":"2026-01-01T09:59:58+08:00","attach":"a=1&b=<2>",` +
		`"notify_url":"https://pay.example/notify/wxpay","goods_tag":"WXG","limit_pay":["no_credit"],"detail":{"cost_price":1300},` +
		`"amount":{"total":1200,"currency":"CNY"},`
	const scene = `"scene_info":{"device_id":"D1","payer_client_ip":"10.1.2.3"`
	plain := prepay(pay.TradeOfficialAccount)
	plain.SubOpenID, plain.OpenID, plain.AppID, plain.SubAppID, plain.LimitPay = "", "oMain", "wx0000000000000009", "", ""
	plain.SceneInfo, plain.NotifyURL, plain.Detail, plain.Attach, plain.GoodsTag, plain.ClientIP, plain.Expire = "", "", "", "", "", "", time.Time{}
	for _, one := range []struct {
		r    channel.PrepayRequest
		path string
		want string
		got  pay.Prepaid
	}{
		{prepay(pay.TradeScanCode), "native", head + scene + `}}`, pay.Prepaid{CodeURL: handles["code_url"].(string), API: "v3"}},
		{prepay(pay.TradeMiniProgram), "jsapi", head + `"payer":{"sub_openid":"oSub"},` + scene + `}}`, pay.Prepaid{PrepayID: handles["prepay_id"].(string), API: "v3"}},
		{prepay(pay.TradeApp), "app", head + scene + `}}`, pay.Prepaid{PrepayID: handles["prepay_id"].(string), API: "v3"}},
		{prepay(pay.TradeMobileWeb), "h5", head + scene + `,"h5_info":{"type":"Wap"}}}`, pay.Prepaid{MwebURL: handles["h5_url"].(string), API: "v3"}},
		{
			plain, "jsapi", `{"sp_appid":"wx0000000000000009","sp_mchid":"1900000109","sub_mchid":"1900000110","description":"测试 商品&=",` +
				`"out_trade_no":"GW20260101000002","notify_url":"https://notify.invalid/","amount":{"total":1200,"currency":"CNY"},` +
				`"payer":{"sp_openid":"oMain"},"scene_info":{"device_id":"D1","payer_client_ip":"127.0.0.1","store_info":{"id":"S1"}}}`,
			pay.Prepaid{PrepayID: handles["prepay_id"].(string), API: "v3"},
		},
	} {
		o = handles
		out := c.Prepay(t.Context(), one.r)
		req := <-w.requests
		if diff := cmp.Diff(one.want, req.body); diff != "" || req.target != "/v3/pay/partner/transactions/"+one.path {
			t.Errorf("%s: sent to %s: %s", one.path, req.target, diff)
		}
		if out.Kind != pay.Paid || !out.Verified || out.Prepaid != one.got {
			t.Errorf("%s: %+v", one.path, out)
		}
		o = object{}
		if out := c.Prepay(t.Context(), one.r); out.Kind != pay.Unknown || !out.Alert || out.Prepaid != (pay.Prepaid{}) {
			t.Errorf("%s without a handle: %+v", one.path, out)
		}
		<-w.requests
	}
	if out := c.Prepay(t.Context(), prepay(pay.TradeOneCode)); out.Kind != pay.Declined || out.Verified || len(w.requests) != 0 {
		t.Errorf("one code: %+v", out)
	}
}
