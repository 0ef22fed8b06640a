package wxpay

import (
	"crypto/aes"
	"encoding/base64"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"cloudpay/internal/channel"
	"cloudpay/internal/pay"
)

// encryptInfo is the other side of decryptInfo.
func encryptInfo(t *testing.T, plain, apiKey string) string {
	t.Helper()
	pad := aes.BlockSize - len(plain)%aes.BlockSize
	data := []byte(plain + strings.Repeat(string(rune(pad)), pad))
	block, err := aes.NewCipher([]byte(infoKey(apiKey)))
	if err != nil {
		t.Fatal(err)
	}
	for i := 0; i < len(data); i += aes.BlockSize {
		block.Encrypt(data[i:i+aes.BlockSize], data[i:i+aes.BlockSize])
	}
	return base64.StdEncoding.EncodeToString(data)
}

func TestRefundInfoFollowsTheSharedVectors(t *testing.T) {
	t.Parallel()
	for _, v := range signingVectors(t, "md5_hex_lower") {
		if got := infoKey(v.Input); got != v.Output {
			t.Errorf("%s: key %s, want %s", v.ID, got, v.Output)
		}
	}
	for _, v := range signingVectors(t, "aes_256_ecb_pkcs7") {
		// The vector's key is the hashed one; its API key is that of the suite.
		if infoKey(testKey) != v.Key {
			t.Fatalf("%s is under another API key", v.ID)
		}
		got, err := decryptInfo(v.Ciphertext, testKey)
		if err != nil || string(got) != v.Plaintext {
			t.Errorf("%s: %q, %v, want %q", v.ID, got, err, v.Plaintext)
		}
	}
}

func notices(t *testing.T, st SignType) (*Channel, func(f fieldsOf) []byte) {
	t.Helper()
	c, w := play(t, st, func(request) fieldsOf { return nil })
	return c, w.sealed
}

func TestAPayNoticeIsVerifiedAndRead(t *testing.T) {
	t.Parallel()
	for _, st := range []SignType{SignMD5, SignHMAC} {
		c, sealed := notices(t, st)
		got, err := c.ParseNotice(nil, sealed(merge(common, paid)))
		want := channel.Notice{
			SubMerchant: testSub, OutTradeNo: testOrder, Ack: ack, AckType: "text/xml",
			Outcome: pay.Outcome{Kind: pay.Paid, Verified: true, Code: "SUCCESS", Payment: wantPaid},
		}
		if diff := cmp.Diff(want, got); diff != "" || err != nil {
			t.Errorf("%s: %v %s", st, err, diff)
		}
	}
	if m, err := parseMessage([]byte(ack), "xml"); err != nil || m.get("return_code") != "SUCCESS" || m.get("return_msg") != "OK" {
		t.Errorf("the acknowledgement is %s", ack)
	}
}

func TestANoticeOfAFailureDecidesNothing(t *testing.T) {
	t.Parallel()
	c, sealed := notices(t, SignMD5)
	got, err := c.ParseNotice(nil, sealed(merge(common, paid, fieldsOf{"result_code": "FAIL", "err_code": "NOTENOUGH"})))
	if err != nil || got.Outcome.Kind != pay.Unknown || got.Outcome.Next != pay.NextQueryFirst {
		t.Errorf("notice %+v, %v", got, err)
	}
}

func TestARefundNoticeIsAHint(t *testing.T) {
	t.Parallel()
	c, sealed := notices(t, SignMD5)
	inner := "<root><out_refund_no><![CDATA[" + testRefund + "]]></out_refund_no><out_trade_no>" + testOrder +
		"</out_trade_no><refund_id>5001</refund_id><refund_fee>500</refund_fee><settlement_refund_fee>450</settlement_refund_fee>" +
		"<refund_status>SUCCESS</refund_status><success_time>2026-01-02 10:00:00</success_time>" +
		"<refund_recv_accout>支付用户零钱</refund_recv_accout></root>"
	outer := fieldsOf{"return_code": "SUCCESS", "appid": testApp, "mch_id": testMch, "sub_mch_id": testSub, "nonce_str": "n", "sign": ""}
	got, err := c.ParseNotice(nil, sealed(merge(outer, fieldsOf{"req_info": encryptInfo(t, inner, testKey)})))
	want := channel.Notice{
		SubMerchant: testSub, OutTradeNo: testOrder, OutRefundNo: testRefund, Ack: ack, AckType: "text/xml",
		Outcome: pay.Outcome{Kind: pay.Unknown, Next: pay.NextQueryFirst, Code: "SUCCESS"},
		Refund: pay.RefundPaid{
			RefundID: "5001", Refund: 500, Settlement: 450, RecvAccount: "支付用户零钱",
			SucceededAt: time.Date(2026, 1, 2, 2, 0, 0, 0, time.UTC),
		},
	}
	if diff := cmp.Diff(want, got); diff != "" || err != nil {
		t.Errorf("%v %s", err, diff)
	}
	vector := signingVectors(t, "aes_256_ecb_pkcs7")[0]
	for name, f := range map[string]fieldsOf{
		"the vector, which has no refund number": {"req_info": vector.Ciphertext},
		"another key":                            {"req_info": encryptInfo(t, inner, "fedcba9876543210fedcba9876543210")},
		"not base64":                             {"req_info": "***"},
		"half a block":                           {"req_info": "AAAA"},
		"another root":                           {"req_info": encryptInfo(t, strings.ReplaceAll(inner, "root>", "xml>"), testKey)},
		"another provider":                       {"req_info": encryptInfo(t, inner, testKey), "mch_id": "1"},
		"another application":                    {"req_info": encryptInfo(t, inner, testKey), "appid": "1"},
	} {
		if n, err := c.ParseNotice(nil, sealed(merge(outer, f))); err == nil {
			t.Errorf("%s: read as %+v", name, n)
		}
	}
}

func TestNoticesThatDoNotVerifyAreRefusedSilently(t *testing.T) {
	t.Parallel()
	c, sealed := notices(t, SignMD5)
	bodies := map[string][]byte{
		"empty":           nil,
		"form":            []byte("out_trade_no=" + testOrder),
		"unsigned":        sealed(merge(common, paid, fieldsOf{"sign": ""})),
		"tampered":        []byte(strings.Replace(string(sealed(merge(common, paid))), "1200", "1201", 1)),
		"return_code":     sealed(merge(common, paid, fieldsOf{"return_code": "FAIL"})),
		"other provider":  sealed(merge(common, paid, fieldsOf{"mch_id": "1"})),
		"no sub-merchant": sealed(merge(common, paid, fieldsOf{"sub_mch_id": ""})),
		"no order":        sealed(merge(common, paid, fieldsOf{"out_trade_no": ""})),
		"no amount":       sealed(merge(common, paid, fieldsOf{"total_fee": ""})),
		"zero":            sealed(merge(common, paid, fieldsOf{"total_fee": "0"})),
		"not fen":         sealed(merge(common, paid, fieldsOf{"total_fee": "12.00"})),
		"other currency":  sealed(merge(common, paid, fieldsOf{"fee_type": "USD"})),
	}
	for _, v := range signingVectors(t, "wechat_v2_verify") {
		if !v.ExpectValid {
			bodies[v.ID] = []byte(v.Body)
		}
	}
	for name, body := range bodies {
		n, err := c.ParseNotice(nil, body)
		if err == nil {
			t.Errorf("%s: read as %+v", name, n)
		} else if strings.Contains(err.Error(), testOrder) {
			t.Errorf("%s: the error repeats the notice: %v", name, err)
		}
	}
	// An order may have been made under another application of the provider's.
	if n, err := c.ParseNotice(nil, sealed(merge(common, paid, fieldsOf{"appid": "wx0000000000000009"}))); err != nil || n.Outcome.Kind != pay.Paid {
		t.Errorf("a notice of another application: %+v, %v", n, err)
	}
	for _, v := range signingVectors(t, "wechat_v2_verify") {
		if v.ExpectValid {
			if n, err := c.ParseNotice(nil, []byte(v.Body)); err != nil || n.Outcome.Payment.Total != 1200 {
				t.Errorf("%s: %+v, %v", v.ID, n, err)
			}
		}
	}
}
