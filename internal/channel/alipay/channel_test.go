package alipay

import (
	"context"
	"fmt"
	"io"
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

func TestAPaymentIsSentAsDocumented(t *testing.T) {
	t.Parallel()
	_, w := play(t, func(request) fieldsOf { return merge(success, paid) })
	conf := w.config(t)
	conf.ServiceProviderID = "2088000000000009"
	c, err := New(conf)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(c.CloseIdle)
	r := charge
	r.DiscountableAmount, r.UndiscountableAmount, r.DisablePayChannels = 1000, 200, "pcredit"
	got := c.Pay(t.Context(), r)
	if diff := cmp.Diff(pay.Outcome{Kind: pay.Paid, Verified: true, Code: "10000", Payment: wantPaid}, got); diff != "" {
		t.Error(diff)
	}
	req := <-w.requests
	sign := req.form.Get("sign")
	if !verifyText(&keys().app.PublicKey, []byte(stringToSign(req.form, true, "sign")), sign) {
		t.Error("the request's signature is wrong")
	}
	req.form.Del("sign")
	req.form.Del("biz_content")
	want := map[string][]string{
		"app_id": {testApp}, "method": {"alipay.trade.pay"}, "format": {"JSON"}, "charset": {"utf-8"}, "sign_type": {"RSA2"},
		"timestamp": {"2026-01-01 08:00:00"}, "version": {"1.0"}, "app_auth_token": {testToken},
	}
	if diff := cmp.Diff(want, map[string][]string(req.form)); diff != "" {
		t.Error(diff)
	}
	wantBiz := map[string]any{
		"out_trade_no": testOrder, "scene": "bar_code", "auth_code": testCode, "product_code": "FACE_TO_FACE_PAYMENT",
		"subject": "测试 商品  50%", "total_amount": "12.00", "seller_id": testSeller, "store_id": "S1", "operator_id": "E1",
		"terminal_id": "D1", "discountable_amount": "10.00", "undiscountable_amount": "2.00", "disable_pay_channels": "pcredit",
		"timeout_express": "2m", "extend_params": map[string]any{"sys_service_provider_id": "2088000000000009"},
		"business_params": map[string]any{"mc_create_trade_ip": "10.1.2.3"},
		"query_options":   []any{"fund_bill_list", "voucher_detail_list", "discount_goods_detail"},
	}
	if diff := cmp.Diff(wantBiz, req.biz); diff != "" {
		t.Error(diff)
	}
}

func TestAPaymentWithoutOptionsSendsOnlyWhatIsRequired(t *testing.T) {
	t.Parallel()
	c, w := play(t, func(request) fieldsOf { return merge(success, paid) })
	r := channel.PayRequest{OrderRequest: order, AuthCode: secret.New(testCode), Body: strings.Repeat("钱", 300)}
	r.Merchant = channel.Merchant{}
	r.ShopID = strings.Repeat("9", 33) // Alipay's field could not hold it
	c.Pay(t.Context(), r)
	req := <-w.requests
	want := map[string]any{
		"out_trade_no": testOrder, "scene": "bar_code", "auth_code": testCode, "product_code": "FACE_TO_FACE_PAYMENT",
		"subject": strings.Repeat("钱", 256), "total_amount": "12.00",
		"query_options": []any{"fund_bill_list", "voucher_detail_list", "discount_goods_detail"},
	}
	if diff := cmp.Diff(want, req.biz); diff != "" || req.form.Has("app_auth_token") {
		t.Errorf("token %v, %s", req.form.Has("app_auth_token"), diff)
	}
}

func TestTheTimeLeftIsWrittenInWholeMinutes(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		left time.Duration
		want string
	}{
		{time.Second, "1m"}, {time.Minute, "1m"}, {119 * time.Second, "1m"}, {2 * time.Minute, "2m"}, {time.Hour, "60m"}, {-time.Hour, "1m"},
	} {
		if got := minutes(start, start.Add(c.left)); got != c.want {
			t.Errorf("%s left = %s, want %s", c.left, got, c.want)
		}
	}
}

func TestStatesCarryWhatTheyMean(t *testing.T) {
	t.Parallel()
	finished := wantPaid
	finished.Finished = true
	byOpenID := wantPaid
	byOpenID.PayerID = "openid-1"
	for _, c := range []struct {
		name   string
		answer fieldsOf
		want   pay.Outcome
	}{
		{
			"paid", merge(paid, fieldsOf{"trade_status": "TRADE_SUCCESS"}),
			pay.Outcome{Kind: pay.Paid, Verified: true, Code: "TRADE_SUCCESS", Payment: wantPaid},
		},
		{
			"finished", merge(paid, fieldsOf{"trade_status": "TRADE_FINISHED"}),
			pay.Outcome{Kind: pay.Paid, Verified: true, Code: "TRADE_FINISHED", Payment: finished},
		},
		{
			"payer by open id", merge(paid, fieldsOf{"trade_status": "TRADE_SUCCESS", "buyer_user_id": "", "buyer_open_id": "openid-1"}),
			pay.Outcome{Kind: pay.Paid, Verified: true, Code: "TRADE_SUCCESS", Payment: byOpenID},
		},
		{
			"closed unpaid", merge(paid, fieldsOf{"trade_status": "TRADE_CLOSED", "send_pay_date": ""}),
			pay.Outcome{Kind: pay.Declined, Verified: true, Code: "TRADE_CLOSED"},
		},
		{
			"closed after payment", merge(paid, fieldsOf{"trade_status": "TRADE_CLOSED"}),
			pay.Outcome{Kind: pay.Declined, Verified: true, Code: "TRADE_CLOSED", Returned: true, Payment: wantPaid},
		},
		{
			"closed after another payment", merge(paid, fieldsOf{"trade_status": "TRADE_CLOSED", "total_amount": "0.05"}),
			pay.Outcome{Kind: pay.Unknown, Alert: true, Differs: true, Code: "TRADE_CLOSED", Text: differs("").Text},
		},
		{
			"unpaid of nobody",
			fieldsOf{"trade_status": "WAIT_BUYER_PAY"},
			pay.Outcome{Kind: pay.Unknown, Alert: true, Code: "WAIT_BUYER_PAY", Text: differs("").Text},
		},
		{
			"amounts as numbers", merge(paid, fieldsOf{"trade_status": "TRADE_SUCCESS", "total_amount": 12}),
			pay.Outcome{Kind: pay.Paid, Verified: true, Code: "TRADE_SUCCESS", Payment: wantPaid},
		},
	} {
		ch, _ := play(t, func(request) fieldsOf { return merge(success, c.answer) })
		if diff := cmp.Diff(c.want, ch.Query(t.Context(), order)); diff != "" {
			t.Errorf("%s: %s", c.name, diff)
		}
	}
}

func TestCancelReadsFlagAndAction(t *testing.T) {
	t.Parallel()
	again := pay.Outcome{Kind: pay.Unknown, Next: pay.NextRetrySame, Verified: true, Code: "10000", Pause: 10 * time.Second}
	loudly := again
	loudly.Alert = true
	returned := pay.Outcome{Kind: pay.Paid, Verified: true, Code: "10000", Returned: true, Payment: pay.Payment{TransactionID: "T1"}}
	for _, c := range []struct {
		name   string
		answer fieldsOf
		want   pay.Outcome
	}{
		{"was unpaid", fieldsOf{"retry_flag": "N", "action": "close"}, pay.Outcome{Kind: pay.Paid, Verified: true, Code: "10000"}},
		{"was paid", fieldsOf{"retry_flag": "N", "action": "refund", "trade_no": "T1"}, returned},
		{"nothing found", fieldsOf{"retry_flag": "N"}, pay.Outcome{Kind: pay.Paid, Verified: true, Code: "10000", Reason: pay.ReasonNotFound}},
		{"again", fieldsOf{"retry_flag": "Y", "action": "refund"}, again},
		{"no flag", fieldsOf{"action": "refund"}, loudly},
		{"unlisted action", fieldsOf{"retry_flag": "N", "action": "freeze"}, loudly},
		{
			"another order",
			fieldsOf{"retry_flag": "N", "action": "close", "out_trade_no": "X"},
			pay.Outcome{Kind: pay.Unknown, Alert: true, Code: "10000", Text: differs("").Text},
		},
		{"unverifiable", fieldsOf{"retry_flag": "N", "action": "close", ":unsigned": true}, pay.Outcome{
			Kind: pay.Unknown, Next: pay.NextRetrySame, Lost: true, Pause: 10 * time.Second, Text: channel.ErrSignature.Error(),
		}},
	} {
		ch, _ := play(t, func(request) fieldsOf { return merge(success, fieldsOf{"out_trade_no": testOrder}, c.answer) })
		if diff := cmp.Diff(c.want, ch.Reverse(t.Context(), order)); diff != "" {
			t.Errorf("%s: %s", c.name, diff)
		}
	}
}

func TestCloseIsDoneWhenAlipaySaysSo(t *testing.T) {
	t.Parallel()
	c, w := play(t, func(request) fieldsOf { return merge(success, fieldsOf{"out_trade_no": testOrder, "trade_no": "T1"}) })
	if diff := cmp.Diff(pay.Outcome{Kind: pay.Paid, Verified: true, Code: "10000"}, c.Close(t.Context(), order)); diff != "" {
		t.Error(diff)
	}
	if req := <-w.requests; req.method != "alipay.trade.close" || req.biz["out_trade_no"] != testOrder {
		t.Errorf("sent %s %v", req.method, req.biz)
	}
}

func TestRefundsReadFundChange(t *testing.T) {
	t.Parallel()
	base := merge(success, fieldsOf{"out_trade_no": testOrder, "refund_fee": "7.00", "fund_change": "Y", "send_back_fee": "4.50", "gmt_refund_pay": "2026-01-02 10:00:00"})
	var answer fieldsOf
	c, w := play(t, func(request) fieldsOf { return answer })
	answer = base
	r := refund
	r.Reason = strings.Repeat("不", 100)
	want := channel.RefundOutcome{
		Outcome: pay.Outcome{Kind: pay.Paid, Verified: true, Code: "10000"},
		Refund:  pay.RefundPaid{Settlement: 450, SucceededAt: time.Date(2026, 1, 2, 2, 0, 0, 0, time.UTC)},
	}
	if diff := cmp.Diff(want, c.Refund(t.Context(), r)); diff != "" {
		t.Error(diff)
	}
	req := <-w.requests
	wantBiz := map[string]any{
		"out_trade_no": testOrder, "out_request_no": testRefund, "refund_amount": "5.00", "refund_reason": strings.Repeat("不", 80),
		"query_options": []any{"refund_detail_item_list"},
	}
	if diff := cmp.Diff(wantBiz, req.biz); diff != "" {
		t.Error(diff)
	}
	mismatch := pay.Outcome{Kind: pay.Unknown, Alert: true}
	for _, one := range []struct {
		name   string
		change fieldsOf
		want   pay.Outcome
	}{
		{"nothing moved", fieldsOf{"fund_change": "N"}, pay.Outcome{Kind: pay.Unknown, Next: pay.NextQueryFirst, Verified: true}},
		{"nothing moved so far", fieldsOf{"fund_change": "N", "refund_fee": "0.00"}, pay.Outcome{Kind: pay.Unknown, Next: pay.NextQueryFirst, Verified: true}},
		{"no fund_change", fieldsOf{"fund_change": ""}, unlisted},
		{"less than ours", fieldsOf{"refund_fee": "4.99"}, mismatch},
		{"more than the order", fieldsOf{"refund_fee": "12.01"}, mismatch},
		{"unreadable sum", fieldsOf{"refund_fee": "x"}, mismatch},
		{"another order", fieldsOf{"out_trade_no": "X"}, mismatch},
		{"no order", fieldsOf{"out_trade_no": ""}, mismatch},
	} {
		answer = merge(base, one.change)
		if diff := cmp.Diff(one.want, verdict(c.Refund(t.Context(), refund).Outcome)); diff != "" {
			t.Errorf("%s: %s", one.name, diff)
		}
	}
}

func TestRefundQueriesReadTheirMembers(t *testing.T) {
	t.Parallel()
	base := merge(success, fieldsOf{
		"out_trade_no": testOrder, "out_request_no": testRefund, "refund_amount": "5.00", "total_amount": "12.00",
		"refund_status": "REFUND_SUCCESS", "send_back_fee": "4.50", "gmt_refund_pay": "2026-01-02 10:00:00.320",
	})
	var answer fieldsOf
	c, w := play(t, func(request) fieldsOf { return answer })
	answer = base
	want := channel.RefundOutcome{
		Outcome: pay.Outcome{Kind: pay.Paid, Verified: true, Code: "REFUND_SUCCESS"},
		Refund:  pay.RefundPaid{Refund: 500, Settlement: 450, SucceededAt: time.Date(2026, 1, 2, 2, 0, 0, 320e6, time.UTC)},
	}
	if diff := cmp.Diff(want, c.QueryRefund(t.Context(), refund)); diff != "" {
		t.Error(diff)
	}
	req := <-w.requests
	if diff := cmp.Diff(map[string]any{
		"out_trade_no": testOrder, "out_request_no": testRefund, "query_options": []any{"gmt_refund_pay", "refund_detail_item_list"},
	}, req.biz); diff != "" {
		t.Error(diff)
	}
	answer = success
	wantNone := pay.Outcome{Kind: pay.Unknown, Reason: pay.ReasonNotFound, Verified: true, Code: "10000", Pause: 10 * time.Second}
	if diff := cmp.Diff(channel.RefundOutcome{Outcome: wantNone}, c.QueryRefund(t.Context(), refund)); diff != "" {
		t.Errorf("without the members of a refund: %s", diff)
	}
	mismatch := pay.Outcome{Kind: pay.Unknown, Alert: true}
	for _, one := range []struct {
		name   string
		change fieldsOf
		want   pay.Outcome
	}{
		{"unlisted status", fieldsOf{"refund_status": "REFUND_PENDING"}, unlisted},
		{"amount without status", fieldsOf{"refund_status": ""}, unlisted},
		{"another amount", fieldsOf{"refund_amount": "5.01"}, mismatch},
		{"no amount", fieldsOf{"refund_amount": ""}, mismatch},
		{"another refund", fieldsOf{"out_request_no": "X"}, mismatch},
		{"another order", fieldsOf{"out_trade_no": "X"}, mismatch},
		{"another total", fieldsOf{"total_amount": "5.00"}, mismatch},
	} {
		answer = merge(base, one.change)
		if diff := cmp.Diff(one.want, verdict(c.QueryRefund(t.Context(), refund).Outcome)); diff != "" {
			t.Errorf("%s: %s", one.name, diff)
		}
	}
}

func TestPausesAreThoseUpstreamAsksFor(t *testing.T) {
	t.Parallel()
	var answer fieldsOf
	c, _ := play(t, func(request) fieldsOf { return answer })
	answer = fieldsOf{"code": "40004", "sub_code": "ACQ.SYSTEM_ERROR"}
	for name, got := range map[string][2]time.Duration{
		"cancel":       {c.Reverse(t.Context(), order).Pause, 10 * time.Second},
		"refund":       {c.Refund(t.Context(), refund).Pause, 3 * time.Second},
		"refund query": {c.QueryRefund(t.Context(), refund).Pause, 10 * time.Second},
	} {
		if got[0] != got[1] {
			t.Errorf("%s: pause %s, want %s", name, got[0], got[1])
		}
	}
	answer = fieldsOf{"code": "40005", "sub_code": "isv.app-call-limited"}
	if got := c.Refund(t.Context(), refund); got.Pause != time.Second || got.Next != pay.NextRetrySame {
		t.Errorf("limited: %+v", got.Outcome)
	}
}

func TestLostCallsAreUnknown(t *testing.T) {
	t.Parallel()
	for name, h := range map[string]http.HandlerFunc{
		"connection closed": func(http.ResponseWriter, *http.Request) { panic(http.ErrAbortHandler) },
		"status 502":        func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(http.StatusBadGateway) },
		"time-out":          func(_ http.ResponseWriter, r *http.Request) { <-r.Context().Done() },
	} {
		var requests atomic.Int64
		w := &wallet{Server: httptest.NewTLSServer(http.HandlerFunc(func(rw http.ResponseWriter, r *http.Request) {
			requests.Add(1)
			_, _ = io.Copy(io.Discard, r.Body) // so that the server notices the caller going away
			h(rw, r)
		}))}
		t.Cleanup(w.Close)
		c, err := New(w.config(t))
		if err != nil {
			t.Fatal(err)
		}
		for _, one := range calls {
			requests.Store(0)
			ctx, cancel := context.WithTimeout(t.Context(), time.Second)
			if name == "time-out" {
				ctx, cancel = context.WithTimeout(t.Context(), 100*time.Millisecond)
			}
			got := one.do(ctx, c)
			cancel()
			if diff := cmp.Diff(pay.Outcome{Kind: pay.Unknown, Lost: true, Next: one.lost}, verdict(got)); diff != "" {
				t.Errorf("%s, %s: %s", name, one.method, diff)
			}
			if n := requests.Load(); n > 1 {
				t.Errorf("%s, %s: sent %d times", name, one.method, n)
			}
		}
	}
}

func TestNothingSecretReachesAnOutcome(t *testing.T) {
	t.Parallel()
	c, _ := play(t, func(r request) fieldsOf {
		// A gateway that repeats what it was sent.
		return fieldsOf{"code": "40004", "sub_code": "ACQ.PAYMENT_AUTH_CODE_INVALID", "sub_msg": "code " + r.biz["auth_code"].(string)}
	})
	got := c.Pay(t.Context(), charge)
	if got.Text != "code 281234***" || strings.Contains(fmt.Sprintf("%+v", got), testCode) {
		t.Errorf("outcome %+v", got)
	}
	if text := fmt.Sprintf("%v %+v", charge, order); strings.Contains(text, testCode) || strings.Contains(text, testToken) {
		t.Errorf("printed: %s", text)
	}
}

func TestMistakesInAnApplicationAreNamedWithoutItsSecrets(t *testing.T) {
	t.Parallel()
	_, w := play(t, func(request) fieldsOf { return nil })
	good := w.config(t)
	for name, change := range map[string]func(c *Config){
		"no https":    func(c *Config) { c.GatewayURL = "http://openapi.alipay.com/gateway.do" },
		"no app_id":   func(c *Config) { c.AppID = "" },
		"no clock":    func(c *Config) { c.Now = nil },
		"no key":      func(c *Config) { c.AppPrivateKeyPEM = secret.Secret{} },
		"half a key":  func(c *Config) { c.AppPrivateKeyPEM = secret.New(good.AppPrivateKeyPEM.Reveal()[:800]) },
		"no alipay":   func(c *Config) { c.AlipayPublicKeyPEM = "" },
		"swapped key": func(c *Config) { c.AlipayPublicKeyPEM = good.AppPrivateKeyPEM.Reveal() },
	} {
		c := good
		change(&c)
		ch, err := New(c)
		if err == nil || ch != nil {
			t.Errorf("%s: no error", name)
			continue
		}
		if strings.Contains(err.Error(), "MII") || strings.Contains(err.Error(), "BEGIN") {
			t.Errorf("%s: the error holds a key: %v", name, err)
		}
	}
	if _, err := New(good); err != nil {
		t.Errorf("the good application: %v", err)
	}
}
