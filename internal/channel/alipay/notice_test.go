package alipay

import (
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"cloudpay/internal/channel"
	"cloudpay/internal/pay"
)

// posted signs a notice as Alipay does.
func posted(t *testing.T, fields map[string]string) []byte {
	t.Helper()
	form := url.Values{
		"notify_type": {"trade_status_sync"}, "app_id": {testApp}, "charset": {"utf-8"}, "version": {"1.0"}, "sign_type": {"RSA2"},
		"trade_no": {"2026010122001400000000000001"}, "out_trade_no": {testOrder}, "seller_id": {testSeller}, "buyer_id": {"2088000000000001"},
		"total_amount": {"12.00"}, "receipt_amount": {"11.00"}, "buyer_pay_amount": {"10.00"}, "subject": {"测试 50%25+x"},
		"trade_status": {"TRADE_SUCCESS"}, "gmt_payment": {"2026-01-01 09:30:00"},
		"buyer_logon_id": {"159****5620"}, "fund_bill_list": {`[{"amount":"10.00","fundChannel":"ALIPAYACCOUNT"}]`},
	}
	for name, value := range fields {
		form.Set(name, value)
		if value == "" {
			form.Del(name)
		}
	}
	sign, err := signText(keys().alipay, stringToSign(form, false, "sign", "sign_type"))
	if err != nil {
		t.Fatal(err)
	}
	form.Set("sign", sign)
	return []byte(form.Encode())
}

func receiver(t *testing.T) *Channel {
	t.Helper()
	c, _ := play(t, func(request) fieldsOf { return nil })
	return c
}

func TestNoticesFollowTheSharedVectors(t *testing.T) {
	t.Parallel()
	vectors, public := signingVectors(t, "alipay_notify")
	for _, v := range vectors {
		_, w := play(t, func(request) fieldsOf { return nil })
		conf := w.config(t)
		conf.AlipayPublicKeyPEM = public[v.PublicKey]
		c, err := New(conf)
		if err != nil {
			t.Fatal(err)
		}
		form, err := url.ParseQuery(v.Body)
		if err != nil {
			t.Fatal(err)
		}
		if got := stringToSign(form, false, "sign", "sign_type"); got != v.StringToSign {
			t.Errorf("%s: string to sign\n%s\nwant\n%s", v.ID, got, v.StringToSign)
		}
		n, err := c.ParseNotice(nil, []byte(v.Body))
		if (err == nil) != v.ExpectValid {
			t.Errorf("%s: %v, want valid %v", v.ID, err, v.ExpectValid)
		}
		if err == nil && (n.Outcome.Kind != pay.Paid || n.Outcome.Payment.Total != 1200 || n.OutTradeNo != "GW20260101000007") {
			t.Errorf("%s: %+v", v.ID, n)
		}
	}
}

func TestNoticesCarryWhatTheyMean(t *testing.T) {
	t.Parallel()
	finished := wantPaid
	finished.Finished = true
	byOpenID := wantPaid
	byOpenID.PayerID = "openid-1"
	for _, c := range []struct {
		name   string
		fields map[string]string
		refund string
		want   pay.Outcome
	}{
		{"paid", nil, "", pay.Outcome{Kind: pay.Paid, Verified: true, Code: "TRADE_SUCCESS", Payment: wantPaid}},
		{
			"paid by open id",
			map[string]string{"buyer_id": "", "buyer_open_id": "openid-1"},
			"",
			pay.Outcome{Kind: pay.Paid, Verified: true, Code: "TRADE_SUCCESS", Payment: byOpenID},
		},
		{
			"finished",
			map[string]string{"trade_status": "TRADE_FINISHED"},
			"",
			pay.Outcome{Kind: pay.Paid, Verified: true, Code: "TRADE_FINISHED", Payment: finished},
		},
		{
			"waiting",
			map[string]string{"trade_status": "WAIT_BUYER_PAY", "gmt_payment": ""},
			"",
			pay.Outcome{Kind: pay.Waiting, Verified: true, Code: "WAIT_BUYER_PAY"},
		},
		{
			"closed unpaid",
			map[string]string{"trade_status": "TRADE_CLOSED", "gmt_payment": ""},
			"",
			pay.Outcome{Kind: pay.Declined, Verified: true, Code: "TRADE_CLOSED"},
		},
		{
			"rolled back",
			map[string]string{"trade_status": "TRADE_CLOSED"},
			"",
			pay.Outcome{Kind: pay.Declined, Verified: true, Code: "TRADE_CLOSED", Returned: true, Payment: wantPaid},
		},
		{
			"partly refunded, which is no second payment",
			map[string]string{"refund_fee": "5.00", "gmt_refund": "2026-01-02 10:00:00.320", "out_biz_no": testRefund},
			testRefund,
			pay.Outcome{
				Kind: pay.Unknown, Next: pay.NextQueryFirst, Verified: true, Code: "TRADE_SUCCESS", Payment: pay.Payment{RefundState: true, Refunded: 500},
			},
		},
		{"unlisted", map[string]string{"trade_status": "TRADE_PENDING"}, "", pay.Outcome{Kind: pay.Unknown, Alert: true, Verified: true, Code: "TRADE_PENDING"}},
	} {
		n, err := receiver(t).ParseNotice(nil, posted(t, c.fields))
		want := channel.Notice{
			SubMerchant: testSeller, OutTradeNo: testOrder, OutRefundNo: c.refund, Ack: "success", AckType: "text/plain", Outcome: c.want,
		}
		if diff := cmp.Diff(want, n); diff != "" || err != nil {
			t.Errorf("%s: %v %s", c.name, err, diff)
		}
	}
}

func TestNoticesThatDoNotVerifyAreRefusedSilently(t *testing.T) {
	t.Parallel()
	c := receiver(t)
	good := string(posted(t, nil))
	for name, body := range map[string]string{
		"empty":            "",
		"xml":              "<xml></xml>",
		"unsigned":         good[:strings.Index(good, "&sign=")] + good[strings.Index(good, "&sign_type="):],
		"tampered":         strings.Replace(good, "12.00", "12.01", 1),
		"a name twice":     good + "&out_trade_no=" + testOrder,
		"added":            good + "&x=1",
		"added empty":      good + "&x=",
		"bad escape":       good + "%",
		"other algorithm":  string(posted(t, map[string]string{"sign_type": "RSA"})),
		"other app":        string(posted(t, map[string]string{"app_id": "2026000000000009"})),
		"no order":         string(posted(t, map[string]string{"out_trade_no": ""})),
		"no amount":        string(posted(t, map[string]string{"total_amount": ""})),
		"zero":             string(posted(t, map[string]string{"total_amount": "0.00"})),
		"too many decimal": string(posted(t, map[string]string{"total_amount": "12.000"})),
		"too long":         good + "&x=" + strings.Repeat("x", channel.MaxAnswer),
	} {
		n, err := c.ParseNotice(nil, []byte(body))
		if err == nil {
			t.Errorf("%s: read as %+v", name, n)
		} else if strings.Contains(err.Error(), testOrder) {
			t.Errorf("%s: the error repeats the notice: %v", name, err)
		}
	}
}

// TestNoticesAreReadAtAnyHourOfBeijing guards the zone: a pay time of the
// small hours is the day before in UTC.
func TestNoticesAreReadAtAnyHourOfBeijing(t *testing.T) {
	t.Parallel()
	n, err := receiver(t).ParseNotice(nil, posted(t, map[string]string{"gmt_payment": "2026-01-01 00:00:01"}))
	if want := time.Date(2025, 12, 31, 16, 0, 1, 0, time.UTC); err != nil || !n.Outcome.Payment.PaidAt.Equal(want) {
		t.Errorf("paid at %v, %v, want %v", n.Outcome.Payment.PaidAt, err, want)
	}
}
