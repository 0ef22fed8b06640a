package wxpay

import (
	"encoding/json"
	"errors"
	"maps"
	"net/http"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"cloudpay/internal/channel"
	"cloudpay/internal/pay"
	"cloudpay/internal/secret"
)

// notice3 is a notice as WeChat sends it.
func notice3(tb testing.TB, event string, content object) object {
	tb.Helper()
	kind := "transaction"
	if strings.HasPrefix(event, "REFUND") {
		kind = "refund"
	}
	sealed := seal(tb, testV3Key, kind, []byte(content.json()))
	sealed["original_type"] = kind
	return object{
		"id": "8f2f2ad2-6f0c-5b5e-9a31-2f6a1d6f0001", "create_time": "2026-01-01T09:30:01+08:00", "resource_type": "encrypt-resource",
		"event_type": event, "summary": "摘要", "resource": sealed,
	}
}

// refundNotice3 is the content of a refund notice.
func refundNotice3(status string) object {
	return object{
		"sp_mchid": testMch, "sub_mchid": testSub, "transaction_id": "4200001234202601010000000001", "out_trade_no": testOrder,
		"refund_id": "50000000001202601010000000001", "out_refund_no": testRefund, "refund_status": status,
		"success_time": "2026-01-02T10:00:00+08:00", "user_received_account": "招商银行信用卡0403",
		"amount": object{"total": 1200, "refund": 500, "payer_total": 1000, "payer_refund": 400},
	}
}

// sent delivers a notice signed with the platform certificate of the wallet.
func (w *wallet3) sent(c *Channel, o object) (channel.Notice, error) {
	body := []byte(o.json())
	return c.ParseNotice(signedHeader(pairs()[1], pairs()[1].serial, w.clock(), body), body)
}

func TestAV3PayNoticeIsVerifiedAndRead(t *testing.T) {
	t.Parallel()
	byCert, w := play3(t, says(paid3))
	byKey := w.channel(withPublicKey)
	want := channel.Notice{
		SubMerchant: testSub, OutTradeNo: testOrder, Ack: v3ack, AckType: "application/json",
		Outcome: pay.Outcome{Kind: pay.Paid, Verified: true, Code: "SUCCESS", Payment: wantPaid3},
	}
	o := notice3(t, "TRANSACTION.SUCCESS", paid3)
	for name, c := range map[string]*Channel{"certificate": byCert, "both keys": byKey} {
		got, err := w.sent(c, o)
		if diff := cmp.Diff(want, got); diff != "" || err != nil {
			t.Errorf("%s: %v %s", name, err, diff)
		}
	}
	body := []byte(o.json())
	got, err := byKey.ParseNotice(signedHeader(pairs()[3], testPublicID, testNow, body), body)
	if diff := cmp.Diff(want, got); diff != "" || err != nil {
		t.Errorf("public key: %v %s", err, diff)
	}
	if !json.Valid([]byte(v3ack)) || !byKey.Health().Verified.Equal(testNow) {
		t.Error("the acknowledgement is not JSON, or the notice was not noted")
	}
}

func TestAV3NoticeOfAnotherStateDecidesNothing(t *testing.T) {
	t.Parallel()
	c, w := play3(t, says(paid3))
	for _, state := range []string{"NOTPAY", "CLOSED", "REFUND"} {
		n, err := w.sent(c, notice3(t, "TRANSACTION.SUCCESS", with(paid3, object{"trade_state": state})))
		if err != nil || n.Outcome.Kind != pay.Unknown || n.Outcome.Next != pay.NextQueryFirst {
			t.Errorf("%q: %+v, %v", state, n, err)
		}
	}
}

func TestAV3RefundNoticeIsRead(t *testing.T) {
	t.Parallel()
	c, w := play3(t, says(paid3))
	for event, kind := range map[string]pay.Kind{"SUCCESS": pay.Paid, "CLOSED": pay.Declined, "ABNORMAL": pay.Unknown} {
		n, err := w.sent(c, notice3(t, "REFUND."+event, refundNotice3(event)))
		want := channel.Notice{
			SubMerchant: testSub, OutTradeNo: testOrder, OutRefundNo: testRefund, Ack: v3ack, AckType: "application/json", Outcome: n.Outcome,
			Refund: pay.RefundPaid{
				RefundID: "50000000001202601010000000001", Refund: 500, Cash: 400, RecvAccount: "招商银行信用卡0403",
				SucceededAt: time.Date(2026, 1, 2, 2, 0, 0, 0, time.UTC),
			},
		}
		if diff := cmp.Diff(want, n); diff != "" || err != nil || n.Outcome.Kind != kind || !n.Outcome.Verified || n.Outcome.Code != event {
			t.Errorf("%s: %v, %+v, %s", event, err, n.Outcome, diff)
		}
	}
}

// hostile are validly signed notices that say nothing usable. The first two make
// wechatpay-go's handler panic (upstreams.md §7.1).
func hostile(tb testing.TB) map[string]object {
	tb.Helper()
	pay := notice3(tb, "TRANSACTION.SUCCESS", paid3)
	resource := func(change object) object {
		res := object{}
		maps.Copy(res, pay["resource"].(map[string]any))
		return with(pay, object{"resource": with(res, change)})
	}
	content := func(change object) object { return notice3(tb, "TRANSACTION.SUCCESS", with(paid3, change)) }
	refund := func(change object) object {
		return notice3(tb, "REFUND.SUCCESS", with(refundNotice3("SUCCESS"), change))
	}
	return map[string]object{
		"a nonce of five bytes": resource(object{"nonce": "a1b2c"}), "no resource": with(pay, object{"resource": nil}),
		"an empty nonce": resource(object{"nonce": ""}), "no nonce": resource(object{"nonce": nil}),
		"a nonce of 16 bytes": resource(object{"nonce": "a1b2c3d4e5f6a1b2"}), "a nonce in wide characters": resource(object{"nonce": "一二三四"}),
		"an empty resource": with(pay, object{"resource": object{}}), "a resource that is text": with(pay, object{"resource": "x"}),
		"a resource that is a list": with(pay, object{"resource": []any{}}), "a resource that is null": with(pay, object{"resource": json.RawMessage("null")}),
		"no ciphertext": resource(object{"ciphertext": nil}), "a short ciphertext": resource(object{"ciphertext": "AAAA"}),
		"not base64": resource(object{"ciphertext": "!"}), "another algorithm": resource(object{"algorithm": "AEAD_SM4_GCM"}),
		"another purpose": resource(object{"associated_data": "refund"}), "a number for a nonce": resource(object{"nonce": 123456789012}),
		"no event": with(pay, object{"event_type": nil}), "another event": with(pay, object{"event_type": "COUPON.USE"}),
		"an event that is a number": with(pay, object{"event_type": 1}), "a payment called a refund": with(pay, object{"event_type": "REFUND.SUCCESS"}),
		"a refund called a payment": with(refund(nil), object{"event_type": "TRANSACTION.SUCCESS"}),
		"another provider":          content(object{"sp_mchid": "1900000999"}), "no state": content(object{"trade_state": nil}), "no provider": content(object{"sp_mchid": nil}),
		"no merchant": content(object{"sub_mchid": nil}), "no number": content(object{"out_trade_no": nil}),
		"a long number": content(object{"out_trade_no": strings.Repeat("9", 65)}), "no amount": content(object{"amount": nil}),
		"an amount in text": content(object{"amount": object{"total": "1200"}}), "no total": content(object{"amount": object{"currency": "CNY"}}),
		"nothing paid": content(object{"amount": object{"total": 0}}), "less than nothing": content(object{"amount": object{"total": -1}}),
		"an amount without end": content(object{"amount": object{"total": 1 << 40}}), "half a fen": content(object{"amount": object{"total": 1.5}}),
		"another currency":             content(object{"amount": object{"total": 1200, "currency": "HKD"}}),
		"a refund that ends otherwise": refund(object{"refund_status": "CLOSED"}), "a refund without a state": refund(object{"refund_status": nil}),
		"a refund of another provider": refund(object{"sp_mchid": "1"}), "a refund without a number": refund(object{"out_refund_no": nil}),
		"a refund of no order": refund(object{"out_trade_no": nil}), "a refund of nobody": refund(object{"sub_mchid": nil}),
	}
}

func TestHostileNoticesWithAGoodSignatureAreRefused(t *testing.T) {
	t.Parallel()
	c, w := play3(t, says(paid3))
	for name, o := range hostile(t) {
		n, err := w.sent(c, o)
		if !errors.Is(err, errNotice) || n != (channel.Notice{}) {
			t.Errorf("%s: %+v, %v", name, n, err)
		}
	}
	for name, body := range map[string]string{
		"nothing": "{", "a list": " {}[]", "null": "{}", "two objects": "{}{}", "too long": "{" + strings.Repeat(" ", channel.MaxAnswer) + "}",
	} {
		raw := []byte(body)
		if n, err := c.ParseNotice(signedHeader(pairs()[1], pairs()[1].serial, testNow, raw), raw); !errors.Is(err, errNotice) || n != (channel.Notice{}) {
			t.Errorf("%s: %+v, %v", name, n, err)
		}
	}
}

func TestAV3NoticeIsBelievedOnlyAsItWasSigned(t *testing.T) {
	t.Parallel()
	c, w := play3(t, says(paid3))
	body := []byte(notice3(t, "TRANSACTION.SUCCESS", paid3).json())
	good := func() http.Header { return signedHeader(pairs()[1], pairs()[1].serial, testNow, body) }
	if _, err := c.ParseNotice(good(), body); err != nil {
		t.Fatal(err)
	}
	for name, change := range map[string]func(h http.Header){
		"no serial": func(h http.Header) { h.Del(headerSerial) }, "no nonce": func(h http.Header) { h.Del(headerNonce) },
		"no signature": func(h http.Header) { h.Del(headerSignature) }, "no timestamp": func(h http.Header) { h.Del(headerTimestamp) },
		"another timestamp": func(h http.Header) { h.Set(headerTimestamp, "1767231003") }, "a timestamp in words": func(h http.Header) { h.Set(headerTimestamp, "now") },
		"a timestamp without end": func(h http.Header) { h.Set(headerTimestamp, strings.Repeat("9", 30)) },
		"two serials":             func(h http.Header) { h.Add(headerSerial, "1") }, "a serial without end": func(h http.Header) { h.Set(headerSerial, strings.Repeat("A", 9999)) },
		"another scheme": func(h http.Header) { h.Set(headerType, "WECHATPAY2-SM2-WITH-SM3") },
		"nothing":        func(h http.Header) { clear(h) },
	} {
		h := good()
		change(h)
		if n, err := c.ParseNotice(h, body); !errors.Is(err, errNotice) || n != (channel.Notice{}) || strings.Contains(err.Error(), testOrder) {
			t.Errorf("%s: %+v, %v", name, n, err)
		}
	}
	noType := good()
	noType.Del(headerType)
	if _, err := c.ParseNotice(noType, body); err != nil {
		t.Errorf("without a type of signature: %v", err)
	}
	if _, err := c.ParseNotice(good(), append([]byte(" "), body...)); err == nil {
		t.Error("an altered body is believed")
	}
	if _, err := c.ParseNotice(signedHeader(pairs()[4], pairs()[1].serial, testNow, body), body); err == nil {
		t.Error("a stranger's signature is believed")
	}
	w.advance(window - time.Second)
	if _, err := c.ParseNotice(good(), body); err != nil {
		t.Errorf("four minutes old: %v", err)
	}
	w.advance(time.Second)
	if _, err := c.ParseNotice(good(), body); err == nil {
		t.Error("a notice of five minutes ago is believed")
	}
	onlyKey := w.channel(withPublicKey, func(c *Config) { c.APIv3Key = secret.Secret{} })
	w.set(func() { w.now = testNow })
	if _, err := onlyKey.ParseNotice(signedHeader(pairs()[3], testPublicID, testNow, body), body); err == nil {
		t.Error("a notice opens without an APIv3 key")
	}
	v2, _ := play(t, SignMD5, func(request) fieldsOf { return nil })
	if _, err := v2.ParseNotice(good(), body); err == nil {
		t.Error("an account of v2 believes a notice of APIv3")
	}
	if _, err := c.ParseNotice(nil, (&wallet{signType: SignMD5}).sealed(merge(common, paid))); err == nil {
		t.Error("an account of APIv3 believes a notice of v2")
	}
}

// TestProbesAreToldApart: WeChat sends signatures that must be refused, and it is
// no reason for an alarm (upstreams.md §3.7).
func TestProbesAreToldApart(t *testing.T) {
	t.Parallel()
	c, w := play3(t, says(paid3))
	body := []byte(notice3(t, "TRANSACTION.SUCCESS", paid3).json())
	h := signedHeader(pairs()[1], pairs()[1].serial, testNow, body)
	h.Set(headerSignature, "WECHATPAY/SIGNTEST/"+h.Get(headerSignature))
	n, err := c.ParseNotice(h, body)
	if !errors.Is(err, channel.ErrProbe) || n != (channel.Notice{}) {
		t.Errorf("%+v, %v", n, err)
	}
	if h := c.Health(); h.Failure != (channel.Failure{}) {
		t.Errorf("a probe is a failure: %+v", h.Failure)
	}
	w.wantDownloads(0)
}

// fuzzChannel is an account at no wallet.
func fuzzChannel(f *testing.F) *Channel {
	f.Helper()
	p := newPair(9, 1024) // a small key is made quickly
	c, err := New(Config{
		BaseURL: "https://127.0.0.1:1", MchID: testMch, AppID: testApp, APIKey: secret.New(testKey), APIv3Key: secret.New(testV3Key),
		ClientCertPEM: p.certPEM, ClientKeyPEM: secret.New(p.keyPEM), Now: func() time.Time { return testNow },
	})
	if err != nil {
		f.Fatal(err)
	}
	c.v3.keys.fetch = nil
	return c
}

// believable checks what every notice that is believed must have.
func believable(t *testing.T, n channel.Notice, err error) {
	t.Helper()
	if err != nil {
		if n != (channel.Notice{}) {
			t.Fatalf("refused and returned: %+v", n)
		}
		return
	}
	if n.OutTradeNo == "" || n.Ack == "" || n.AckType == "" {
		t.Fatalf("a notice without its numbers: %+v", n)
	}
	if n.Outcome.Kind == pay.Paid && (!n.Outcome.Verified || n.OutRefundNo == "" && n.Outcome.Payment.Total <= 0) {
		t.Fatalf("paid without evidence: %+v", n)
	}
}

// FuzzNoticeV3 gives the reader what passed the signature of a wallet gone mad,
// as the envelope and as the content of one (signing each would leave no time
// for the reader; TestHostileNoticesWithAGoodSignatureAreRefused signs the
// seeds), and the verifier what a stranger sends.
func FuzzNoticeV3(f *testing.F) {
	c := fuzzChannel(f)
	for _, o := range hostile(f) {
		f.Add(o.json(), "TRANSACTION.SUCCESS", "a1b2c3d4e5f6")
	}
	f.Add(paid3.json(), "TRANSACTION.SUCCESS", "a1b2c")
	f.Add(refundNotice3("SUCCESS").json(), "REFUND.SUCCESS", "")
	f.Add(`{"resource":null}`, "REFUND.", "a1b2c3d4e5f6")
	f.Add("{", "", "a")
	f.Fuzz(func(t *testing.T, text, event, nonce string) {
		inner := seal(t, testV3Key, "x", []byte(text))
		whole := object{"event_type": event, "resource": inner}.json()
		inner["nonce"] = nonce
		for _, body := range []string{text, whole, object{"event_type": event, "resource": inner}.json()} {
			n, err := c.v3.read([]byte(body))
			believable(t, n, err)
		}
		h := http.Header{headerSignature: {text}, headerSerial: {event}, headerNonce: {nonce}, headerTimestamp: {strconv.FormatInt(testNow.Unix(), 10)}}
		if n, err := c.ParseNotice(h, []byte(text)); err == nil && isJSON([]byte(text)) {
			t.Fatalf("an unsigned notice is believed: %+v", n)
		}
	})
}

// FuzzNoticeV2 signs whatever elements it is given, and sends once what comes.
func FuzzNoticeV2(f *testing.F) {
	c := fuzzChannel(f)
	w := wallet{signType: SignMD5}
	f.Add(w.sealed(merge(common, paid)))
	f.Add(w.sealed(merge(common, paid, fieldsOf{"total_fee": "-1"})))
	f.Add(w.sealed(merge(common, paid, fieldsOf{"result_code": "FAIL"})))
	f.Add(w.sealed(merge(common, fieldsOf{"req_info": "AAAA"})))
	f.Add([]byte("<xml><return_code>SUCCESS</return_code>"))
	f.Add([]byte("<xml/>"))
	f.Fuzz(func(t *testing.T, body []byte) {
		n, err := c.ParseNotice(nil, body)
		believable(t, n, err)
		m, err := parseMessage(body, "xml")
		if err != nil {
			return
		}
		for _, name := range m.names {
			m.values[name] = sendable(m.values[name])
		}
		delete(m.values, "sign")
		if _, ok := m.values["return_code"]; ok {
			m.values["return_code"] = "SUCCESS"
		}
		m.set("mch_id", testMch)
		m.set("sign", SignMD5.signature(m, testKey))
		n, err = c.ParseNotice(nil, m.encode())
		believable(t, n, err)
	})
}

// FuzzRefundNotice encrypts whatever it is given as the content of a refund
// notice of v2, which carries no signature, and sends it once as ciphertext. It
// is never more than a hint.
func FuzzRefundNotice(f *testing.F) {
	c := fuzzChannel(f)
	f.Add("<root><out_trade_no>1</out_trade_no><out_refund_no>2</out_refund_no><refund_status>SUCCESS</refund_status></root>")
	f.Add("<root>")
	f.Add("")
	f.Add("AAAAAAAAAAAAAAAAAAAAAA==")
	f.Add("<root><refund_fee>99999999999999999999</refund_fee><out_trade_no>1</out_trade_no><out_refund_no>2</out_refund_no></root>")
	f.Fuzz(func(t *testing.T, text string) {
		for _, info := range []string{encryptInfo(t, text, testKey), text} {
			var m message
			for name, value := range merge(common, fieldsOf{"req_info": info}) {
				m.set(name, value)
			}
			n, err := c.ParseNotice(nil, m.encode())
			believable(t, n, err)
			if err == nil && (n.Outcome.Kind != pay.Unknown || n.Outcome.Verified || n.OutRefundNo == "") {
				t.Fatalf("a refund notice of v2 is more than a hint: %+v", n)
			}
		}
	})
}
