package alipay

import (
	"crypto/x509"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"cloudpay/internal/channel"
	"cloudpay/internal/pay"
)

// FuzzParseNotice feeds the decoder anything, as it comes and under a good
// signature: what lies behind the signature must not trip over what is signed.
func FuzzParseNotice(f *testing.F) {
	now := func() time.Time { return start }
	c := &Channel{appID: testApp, key: keys().app, alipayKey: &keys().alipay.PublicKey, now: now}
	byCert := &Channel{appID: testApp, key: keys().app, now: now, trust: &trust{known: []*certificate{{
		sn: "00000000000000000000000000000001", key: &keys().alipay.PublicKey, leaf: &x509.Certificate{NotBefore: start, NotAfter: start},
	}}}}
	for _, change := range []string{
		"", "&refund_fee=5.00&gmt_refund=2026-01-02+10:00:00.320&out_biz_no=R1", "&refund_fee=5.00", "&gmt_close=2026-01-02+10:00:00",
		"&fund_bill_list=%5B%7B%22amount%22:%2210.00%22,%22fundChannel%22:%22ALIPAYACCOUNT%22%7D%5D", "&fund_bill_list=%5B", "&voucher_detail_list=%5B%7B%7D%5D",
		"&total_amount=1", "&buyer_id=%00", "&%E5%95%86=%FF", "&a;b", "&=", "&alipay_cert_sn=00000000000000000000000000000001",
	} {
		for _, state := range []string{"TRADE_SUCCESS", "TRADE_CLOSED", "TRADE_FINISHED", "WAIT_BUYER_PAY", ""} {
			f.Add("app_id="+testApp+"&out_trade_no="+testOrder+"&seller_id="+testSeller+"&sign_type=RSA2&total_amount=12.00&trade_status="+state+
				"&gmt_payment=2026-01-01+09:30:00&trade_no=T1&sign=AAAA"+change, true)
		}
	}
	f.Add("<xml></xml>", false)
	f.Add("", false)
	f.Fuzz(func(t *testing.T, body string, sign bool) {
		if sign {
			form, err := url.ParseQuery(body)
			if err != nil {
				return
			}
			text, err := signText(keys().alipay, stringToSign(form, false, "sign", "sign_type"))
			if err != nil {
				t.Fatal(err)
			}
			form.Set("sign", text)
			body = form.Encode()
		}
		n, err := c.ParseNotice(nil, []byte(body))
		if other, otherErr := byCert.ParseNotice(nil, []byte(body)); otherErr == nil {
			if diff := cmp.Diff(n, other); diff != "" || err != nil {
				t.Errorf("%q: the modes differ: %v, %s", body, err, diff)
			}
		}
		switch {
		case err != nil:
			if diff := cmp.Diff(channel.Notice{}, n); diff != "" {
				t.Errorf("an error and a notice: %s", diff)
			}
		case !sign:
			t.Errorf("an unsigned notice was read as %+v", n)
		case n.OutTradeNo == "" || n.Ack != "success" || !n.Outcome.Verified && !n.Outcome.Alert:
			t.Errorf("%q was read as %+v", body, n)
		case n.OutRefundNo != "" && n.Outcome.Kind != pay.Unknown:
			t.Errorf("%q: a refund is taken for %+v", body, n.Outcome)
		case n.Outcome.Kind == pay.Paid && (n.Outcome.Payment.Total <= 0 || strings.Contains(body, "refund_fee=")):
			t.Errorf("%q: paid %+v", body, n.Outcome)
		}
	})
}

// FuzzSplitAnswer feeds the reader of answers anything.
func FuzzSplitAnswer(f *testing.F) {
	f.Add(`{"alipay_trade_pay_response":{"code":"10000"},"sign":"AA","alipay_cert_sn":"00"}`)
	f.Add(`{"error_response":{"code":"40002","sub_code":"isv.invalid-app-id"}}`)
	f.Add(`{"alipay_trade_pay_response":null}`)
	f.Add(`{"alipay_trade_pay_response":{"a":[{"b":"\/"}]},"sign":"\u0041"}`)
	f.Fuzz(func(t *testing.T, body string) {
		a, err := splitAnswer([]byte(body), callPay.method)
		if err != nil {
			return
		}
		if !strings.Contains(body, string(a.content)) {
			t.Errorf("%q: the signed text %q was written anew", body, a.content)
		}
		if m, err := splitObject(a.content); err == nil {
			for name := range m {
				m.get(name)
			}
		}
	})
}
