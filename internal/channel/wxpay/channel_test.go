package wxpay

import (
	"context"
	"encoding/json"
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

// refunded are the elements of a refund query's answer.
var refunded = fieldsOf{
	"out_trade_no": testOrder, "transaction_id": "4200001234202601010000000001", "total_fee": "1200", "cash_fee": "1000",
	"refund_count": "1", "out_refund_no_0": testRefund, "refund_id_0": "50000000001202601010000000001",
	"refund_fee_0": "500", "settlement_refund_fee_0": "450", "cash_refund_fee_0": "400", "refund_status_0": "SUCCESS",
	"refund_recv_accout_0": "招商银行信用卡0403", "refund_success_time_0": "2026-01-02 10:00:00",
}

func TestAPaymentIsSentAsDocumented(t *testing.T) {
	t.Parallel()
	for _, st := range []SignType{SignMD5, SignHMAC} {
		c, w := play(t, st, func(request) fieldsOf { return merge(common, paid) })
		r := charge
		r.Detail, r.Attach, r.GoodsTag, r.LimitPay = `{"goods_detail":[]}`, "a\rb", "WXG", "no_credit"
		r.Merchant.SubAppID = "wx0000000000000002"
		got := c.Pay(t.Context(), r)
		if diff := cmp.Diff(pay.Outcome{Kind: pay.Paid, Verified: true, Code: "SUCCESS", Payment: wantPaid}, got); diff != "" {
			t.Errorf("%s: %s", st, diff)
		}
		req := <-w.requests
		if !st.verify(req.m, testKey) {
			t.Errorf("%s: the request's signature is wrong", st)
		}
		sent := req.m.values
		if len(sent["nonce_str"]) != 32 || len(sent["sign"]) == 0 {
			t.Errorf("nonce %q, sign %q", sent["nonce_str"], sent["sign"])
		}
		want := fieldsOf{
			"appid": testApp, "mch_id": testMch, "sub_appid": "wx0000000000000002", "sub_mch_id": testSub,
			"device_info": "D1", "body": "测试 商品&=", "detail": `{"goods_detail":[]}`, "attach": "ab", "out_trade_no": testOrder,
			"total_fee": "1200", "fee_type": "CNY", "spbill_create_ip": "10.1.2.3", "goods_tag": "WXG", "limit_pay": "no_credit",
			"time_start": "20260101092958", "time_expire": "20260101093158", "scene_info": `{"store_info":{"id":"S1"}}`,
			"auth_code": testCode, "nonce_str": sent["nonce_str"], "sign": sent["sign"],
		}
		if st == SignHMAC {
			want["sign_type"] = "HMAC-SHA256"
		}
		if diff := cmp.Diff(map[string]string(want), sent); diff != "" {
			t.Errorf("%s: %s", st, diff)
		}
		if req.path != "/pay/micropay" || req.cert {
			t.Errorf("sent to %s, with client certificate %v", req.path, req.cert)
		}
	}
}

func TestAPaymentWithoutOptionsSendsNoEmptyElements(t *testing.T) {
	t.Parallel()
	c, w := play(t, SignMD5, func(request) fieldsOf { return merge(common, paid) })
	r := charge
	r.DeviceID, r.ShopID, r.ClientIP, r.Start, r.Expire = "", strings.Repeat("s", 300), "", time.Time{}, time.Time{}
	r.Body = strings.Repeat("钱", 60)
	c.Pay(t.Context(), r)
	req := <-w.requests
	if strings.Contains(req.text, "CDATA[]") || req.m.get("spbill_create_ip") != "127.0.0.1" || req.m.get("scene_info") != "" {
		t.Errorf("sent %s", req.text)
	}
	if body := req.m.get("body"); len(body) > 127 || body != strings.Repeat("钱", 42) {
		t.Errorf("body of %d bytes: %q", len(body), body)
	}
}

// TestOnlyMoneyGoingBackUsesTheClientCertificate is upstreams.md §2.1: the two
// /secapi calls and no other.
func TestOnlyMoneyGoingBackUsesTheClientCertificate(t *testing.T) {
	t.Parallel()
	c, w := play(t, SignMD5, func(request) fieldsOf { return merge(common, paid) })
	for name, do := range calls {
		do(t.Context(), c)
		req := <-w.requests
		if want := strings.HasPrefix(req.path, "/secapi/"); req.cert != want || req.path != paths[name].path {
			t.Errorf("%s went to %s, with client certificate %v", name, req.path, req.cert)
		}
	}
}

func TestThePayersSubOpenIDIsPreferred(t *testing.T) {
	t.Parallel()
	c, _ := play(t, SignMD5, func(request) fieldsOf { return merge(common, paid, fieldsOf{"sub_openid": "oSub"}) })
	if got := c.Pay(t.Context(), charge).Payment.PayerID; got != "oSub" {
		t.Errorf("payer %q, want oSub", got)
	}
}

func TestStatesCarryWhatTheyMean(t *testing.T) {
	t.Parallel()
	with := func(change func(p *pay.Payment)) pay.Payment {
		p := wantPaid
		if change != nil {
			change(&p)
		}
		return p
	}
	for _, c := range []struct {
		name   string
		answer fieldsOf
		want   pay.Outcome
	}{
		{
			"paid", merge(paid, fieldsOf{"trade_state": "SUCCESS"}),
			pay.Outcome{Kind: pay.Paid, Verified: true, Code: "SUCCESS", Payment: wantPaid},
		},
		{
			"paid and refunded in part or full", merge(paid, fieldsOf{"trade_state": "REFUND"}),
			pay.Outcome{Kind: pay.Paid, Verified: true, Code: "REFUND", Payment: with(func(p *pay.Payment) { p.RefundState = true })},
		},
		{
			"revoked unpaid",
			fieldsOf{"out_trade_no": testOrder, "trade_state": "REVOKED"},
			pay.Outcome{Kind: pay.Declined, Verified: true, Code: "REVOKED"},
		},
		{
			"revoked after payment", merge(paid, fieldsOf{"trade_state": "REVOKED"}),
			pay.Outcome{Kind: pay.Declined, Verified: true, Code: "REVOKED", Returned: true, Payment: wantPaid},
		},
		{
			"closed with money but no time", merge(paid, fieldsOf{"trade_state": "CLOSED", "time_end": ""}),
			pay.Outcome{
				Kind: pay.Declined, Verified: true, Code: "CLOSED", Returned: true,
				Payment: with(func(p *pay.Payment) { p.PaidAt = time.Time{} }),
			},
		},
		{
			"revoked after another payment", merge(paid, fieldsOf{"trade_state": "REVOKED", "total_fee": "5"}),
			pay.Outcome{Kind: pay.Unknown, Alert: true, Differs: true, Code: "REVOKED", Text: differs("").Text},
		},
		{
			"unpaid of somebody else",
			fieldsOf{"out_trade_no": "GW20260101000009", "trade_state": "NOTPAY"},
			pay.Outcome{Kind: pay.Unknown, Alert: true, Code: "NOTPAY", Text: differs("").Text},
		},
		{
			"paid, another amount", merge(paid, fieldsOf{"trade_state": "SUCCESS", "total_fee": "1"}),
			pay.Outcome{Kind: pay.Unknown, Alert: true, Differs: true, Code: "SUCCESS", Text: differs("").Text},
		},
	} {
		ch, _ := play(t, SignMD5, func(request) fieldsOf { return merge(common, c.answer) })
		if diff := cmp.Diff(c.want, ch.Query(t.Context(), order)); diff != "" {
			t.Errorf("%s: %s", c.name, diff)
		}
	}
}

func TestReverseReadsRecall(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		name   string
		answer fieldsOf
		want   pay.Outcome
	}{
		{"done", fieldsOf{"recall": "N"}, pay.Outcome{Kind: pay.Paid, Verified: true, Code: "SUCCESS"}},
		{"done, no recall", nil, pay.Outcome{Kind: pay.Paid, Verified: true, Code: "SUCCESS"}},
		{"again", fieldsOf{"recall": "Y"}, pay.Outcome{Kind: pay.Unknown, Next: pay.NextRetrySame, Verified: true, Code: "SUCCESS"}},
		{
			"again in a refusal",
			fieldsOf{"result_code": "FAIL", "err_code": "ORDERNOTEXIST", "recall": "Y"},
			pay.Outcome{Kind: pay.Unknown, Next: pay.NextRetrySame, Verified: true, Code: "ORDERNOTEXIST"},
		},
		{
			"still paying",
			fieldsOf{"result_code": "FAIL", "err_code": "USERPAYING"},
			pay.Outcome{Kind: pay.Unknown, Next: pay.NextRetrySame, Verified: true, Code: "USERPAYING", Pause: 5 * time.Second},
		},
		{
			"another merchant's",
			fieldsOf{"sub_mch_id": "1900000999"},
			pay.Outcome{Kind: pay.Unknown, Alert: true, Code: "SUCCESS", Text: differs("").Text},
		},
		{
			"another merchant's refusal",
			fieldsOf{"sub_mch_id": "1900000999", "result_code": "FAIL", "err_code": "ORDERNOTEXIST"},
			pay.Outcome{Kind: pay.Unknown, Alert: true, Code: "ORDERNOTEXIST", Text: differs("").Text},
		},
		{"unverifiable", fieldsOf{"sign": "0"}, pay.Outcome{Kind: pay.Unknown, Next: pay.NextRetrySame, Lost: true, Text: channel.ErrSignature.Error()}},
	} {
		ch, _ := play(t, SignMD5, func(request) fieldsOf { return merge(common, c.answer) })
		if diff := cmp.Diff(c.want, ch.Reverse(t.Context(), order)); diff != "" {
			t.Errorf("%s: %s", c.name, diff)
		}
	}
}

func TestRefundsAreAcceptedThenDone(t *testing.T) {
	t.Parallel()
	accepted := fieldsOf{
		"out_trade_no": testOrder, "out_refund_no": testRefund, "refund_id": "50000000001202601010000000001",
		"refund_fee": "500", "settlement_refund_fee": "450", "cash_refund_fee": "400", "total_fee": "1200",
	}
	var answer fieldsOf
	c, w := play(t, SignHMAC, func(request) fieldsOf { return merge(common, answer) })
	answer = accepted
	r := refund
	r.Reason, r.Account = strings.Repeat("不", 100), "REFUND_SOURCE_RECHARGE_FUNDS"
	want := channel.RefundOutcome{
		Outcome: pay.Outcome{Kind: pay.Waiting, Verified: true, Code: "SUCCESS"},
		Refund:  pay.RefundPaid{RefundID: "50000000001202601010000000001", Refund: 500, Settlement: 450, Cash: 400},
	}
	if diff := cmp.Diff(want, c.Refund(t.Context(), r)); diff != "" {
		t.Error(diff)
	}
	sent := (<-w.requests).m
	for name, want := range map[string]string{
		"out_trade_no": testOrder, "out_refund_no": testRefund, "total_fee": "1200", "refund_fee": "500",
		"refund_desc": strings.Repeat("不", 80), "refund_account": "REFUND_SOURCE_RECHARGE_FUNDS",
	} {
		if got := sent.get(name); got != want {
			t.Errorf("sent %s = %q, want %q", name, got, want)
		}
	}
	answer = merge(refunded, fieldsOf{
		"out_refund_no_0": "RF0", "out_refund_no_1": testRefund, "refund_status_1": "SUCCESS",
		"refund_fee_1": "500", "refund_id_1": "5001", "refund_success_time_1": "2026-01-02 10:00:00",
	})
	wantDone := channel.RefundOutcome{
		Outcome: pay.Outcome{Kind: pay.Paid, Verified: true, Code: "SUCCESS"},
		Refund:  pay.RefundPaid{RefundID: "5001", Refund: 500, SucceededAt: time.Date(2026, 1, 2, 2, 0, 0, 0, time.UTC)},
	}
	if diff := cmp.Diff(wantDone, c.QueryRefund(t.Context(), refund)); diff != "" {
		t.Error(diff)
	}
	for name, change := range map[string]fieldsOf{
		"amount": {"refund_fee": "501"}, "refund number": {"out_refund_no": "RF0"}, "order": {"out_trade_no": "X"},
		"total": {"total_fee": "1"}, "merchant": {"sub_mch_id": "1"},
	} {
		answer = merge(accepted, change)
		if got := c.Refund(t.Context(), refund); got.Kind != pay.Unknown || !got.Alert || got.Verified {
			t.Errorf("refund with another %s: %+v", name, got)
		}
	}
	for name, change := range map[string]fieldsOf{
		"amount": {"refund_fee_0": "501"}, "no amount": {"refund_fee_0": ""}, "refund number": {"out_refund_no_0": "RF0"},
		"order": {"out_trade_no": "X"}, "total": {"total_fee": "1"}, "merchant": {"sub_mch_id": "1"},
	} {
		answer = merge(refunded, change)
		if got := c.QueryRefund(t.Context(), refund); got.Kind != pay.Unknown || !got.Alert || got.Verified {
			t.Errorf("refund query with another %s: %+v", name, got)
		}
	}
}

// TestLostCallsAreUnknown loses the answer of every call in three ways; the
// client certificate endpoint that hangs up is one of them (upstreams.md §2.1).
func TestLostCallsAreUnknown(t *testing.T) {
	t.Parallel()
	for name, h := range map[string]http.HandlerFunc{
		"connection closed": func(http.ResponseWriter, *http.Request) { panic(http.ErrAbortHandler) },
		"status 400":        func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(http.StatusBadRequest) },
		"time-out":          func(_ http.ResponseWriter, r *http.Request) { <-r.Context().Done() },
	} {
		var requests atomic.Int64
		w := &wallet{signType: SignMD5, Server: httptest.NewTLSServer(http.HandlerFunc(func(rw http.ResponseWriter, r *http.Request) {
			requests.Add(1)
			_, _ = io.Copy(io.Discard, r.Body) // so that the server notices the caller going away
			h(rw, r)
		}))}
		t.Cleanup(w.Close)
		c, err := New(w.config(t))
		if err != nil {
			t.Fatal(err)
		}
		for call, do := range calls {
			requests.Store(0)
			ctx, cancel := context.WithTimeout(t.Context(), time.Second)
			if name == "time-out" {
				ctx, cancel = context.WithTimeout(t.Context(), 100*time.Millisecond)
			}
			got := do(ctx, c)
			cancel()
			want := pay.Outcome{Kind: pay.Unknown, Lost: true, Next: paths[call].lost}
			if diff := cmp.Diff(want, verdict(got)); diff != "" {
				t.Errorf("%s, %s: %s", name, call, diff)
			}
			if n := requests.Load(); n > 1 {
				t.Errorf("%s, %s: sent %d times", name, call, n)
			}
		}
	}
}

func TestNothingSecretReachesAnOutcome(t *testing.T) {
	t.Parallel()
	c, _ := play(t, SignMD5, func(r request) fieldsOf {
		// A wallet that repeats what it was sent.
		return merge(common, fieldsOf{"result_code": "FAIL", "err_code": "AUTH_CODE_INVALID", "err_code_des": "code " + r.m.get("auth_code") + "\x7f!"})
	})
	got := c.Pay(t.Context(), charge)
	if got.Text != "code 134567***!" || strings.Contains(fmt.Sprintf("%+v", got), testCode) {
		t.Errorf("outcome %+v", got)
	}
	if text := fmt.Sprintf("%v %+v %#v", c.key, charge, c.key); strings.Contains(text, testKey) || strings.Contains(text, testCode) {
		t.Errorf("printed: %s", text)
	}
}

func TestMistakesInAnAccountAreNamedWithoutItsSecrets(t *testing.T) {
	t.Parallel()
	_, w := play(t, SignMD5, func(request) fieldsOf { return nil })
	good := w.config(t)
	other, _ := clientCert(t)
	for name, change := range map[string]func(c *Config){
		"no https":       func(c *Config) { c.BaseURL = "http://api.mch.weixin.qq.com" },
		"no mch_id":      func(c *Config) { c.MchID = "" },
		"no appid":       func(c *Config) { c.AppID = "" },
		"no key":         func(c *Config) { c.APIKey = secret.Secret{} },
		"sign type":      func(c *Config) { c.SignType = "SHA1" },
		"no certificate": func(c *Config) { c.ClientCertPEM = "" },
		"foreign key":    func(c *Config) { c.ClientCertPEM = other },
	} {
		c := good
		change(&c)
		ch, err := New(c)
		if err == nil || ch != nil {
			t.Errorf("%s: no error", name)
			continue
		}
		if strings.Contains(err.Error(), testKey) || strings.Contains(err.Error(), "PRIVATE") {
			t.Errorf("%s: the error holds a secret: %v", name, err)
		}
	}
	if _, err := New(good); err != nil {
		t.Errorf("the good account: %v", err)
	}
	text, err := json.Marshal(good.APIKey)
	if err != nil || strings.Contains(string(text), testKey) {
		t.Errorf("marshalled: %s, %v", text, err)
	}
}
