package api_test

import (
	"crypto"
	"crypto/rand"
	"crypto/rsa"
	"crypto/sha256"
	"encoding/base64"
	"encoding/json"
	"errors"
	"net/http"
	"strconv"
	"strings"
	"testing"

	"cloudpay/cpay"
	"cloudpay/internal/directory"
	"cloudpay/internal/pay"
)

// paid pays fen and returns the order number.
func (h *house) paid(t *testing.T, ch pay.Channel, fen int64) string {
	t.Helper()
	no := h.number()
	h.call(t, cpay.MethodMicroPay, microPay(no, h.code(ch, ""), fen)).is(t, 0, 0)
	return no
}

// r01NewlinesOfBothDocumentsAreAccepted: jsoncpp ends both with one, and
// the inner one belongs to the MAC.
func r01NewlinesOfBothDocumentsAreAccepted(t *testing.T) {
	t.Helper()
	t.Parallel()
	h := newHouse(t, options{})
	content := microPay(h.number(), h.code(pay.Wxpay, ""), 2).text()
	body := append(byMAC(content+"\n"), " \r\n\t\n"...)
	h.post(t, cpay.MethodMicroPay, body).is(t, 0, 0)
	without := envelope(content+"\n", object{"a": object{"authen_type": 1, "authen_code": mac(theKey, content)}})
	h.post(t, cpay.MethodMicroPay, without).is(t, 101, 7)
}

// r02R03EscapesAreAuthenticatedAsTransmitted: Gson, PHP and Newtonsoft
// write the same text in three ways, and each MACs what it wrote.
func r02R03EscapesAreAuthenticatedAsTransmitted(t *testing.T) {
	t.Helper()
	t.Parallel()
	h := newHouse(t, options{})
	const said = "Tom & Jerry's <a=b> 外卖 50/50 😀"
	for client, body := range map[string]string{
		"gson":       `Tom \u0026 Jerry\u0027s \u003ca\u003db\u003e 外卖 50/50 😀`,
		"php":        `Tom & Jerry's <a=b> \u5916\u5356 50\/50 \ud83d\ude00`,
		"newtonsoft": `Tom & Jerry's <a=b> 外卖 50/50 😀`,
	} {
		no := h.number()
		content := strings.Replace(microPay(no, h.code(pay.Alipay, ""), 2).text(), `"bread"`, `"`+body+`"`, 1)
		quoted := strconv.QuoteToASCII(content) // Go's escapes are JSON's for this text, but for the emoji
		if strings.Contains(quoted, `\U`) {
			quoted = `"` + strings.NewReplacer(`\`, `\\`, `"`, `\"`).Replace(content) + `"`
		}
		doc := `{"request_content":` + quoted + `,"authen_info":{"a":{"authen_type":1,"authen_code":"` + mac(theKey, content) + `"}}}`
		h.post(t, cpay.MethodMicroPay, []byte(doc)).is(t, 0, 0)
		if got := h.order(no).Body; got != said {
			t.Errorf("%s: body is %q, want %q", client, got, said)
		}
		if got := h.call(t, cpay.MethodQueryOrder, about(no)).get("order_content.body"); got != said {
			t.Errorf("%s: body is shown as %q", client, got)
		}
	}
}

// r04DoublesAreExactIntegersOnEveryInterface: a client that re-parses its
// own JSON makes every number a double.
func r04DoublesAreExactIntegersOnEveryInterface(t *testing.T) {
	t.Helper()
	t.Parallel()
	h := newHouse(t, options{})
	raw := func(s string) json.RawMessage { return json.RawMessage(s) }
	no := h.number()
	h.call(t, cpay.MethodMicroPay, microPay(no, h.code(pay.Wxpay, ""), raw("3.0E2")).with("pay_mch_key.pay_platform", raw("1.0"))).is(t, 0, 0)
	if got := h.order(no).Total; got != 300 {
		t.Errorf("3.0E2 is %d fen", got)
	}
	large := h.number()
	a := h.call(t, cpay.MethodMicroPay, microPay(large, h.code(pay.Alipay, ""), raw("1.2345678E7")))
	if a.get("order_content.total_fee") != "" && a.get("order_content.total_fee") != "12345678" || h.order(large).Total != 12345678 {
		t.Errorf("1.2345678E7 is %d fen, answered %s", h.order(large).Total, a.content)
	}
	typed := about(no).with("trade_type", raw("1.0")).with("pay_mch_key.pay_platform", raw("1.0"))
	h.call(t, cpay.MethodQueryOrder, typed).is(t, 0, 0)
	h.call(t, cpay.MethodCloseOrder, typed).is(t, 104, 0)
	h.call(t, cpay.MethodReverse, typed).is(t, 104, 0)
	refund := h.number()
	h.call(t, cpay.MethodRefund, refundOf(no, refund, raw("300.0"), raw("1E2"))).is(t, 0, 0)
	h.call(t, cpay.MethodQueryRefundOrder, typed.with("out_refund_no", refund)).is(t, 0, 0)
	for _, fraction := range []string{"1.5", "15e-1", `"1.5"`, "0.1"} {
		fresh := h.number()
		h.call(t, cpay.MethodMicroPay, microPay(fresh, h.code(pay.Wxpay, ""), raw(fraction))).is(t, 101, 0)
		h.call(t, cpay.MethodRefund, refundOf(no, h.number(), 300, raw(fraction))).is(t, 101, 0)
		h.call(t, cpay.MethodQueryOrder, about(fresh)).is(t, 104, 400)
	}
}

// r05NumbersAsTextAndIDsAsNumbers are what the C++ samples send.
func r05NumbersAsTextAndIDsAsNumbers(t *testing.T) {
	t.Helper()
	t.Parallel()
	h := newHouse(t, options{})
	no := h.number()
	request := microPay(no, h.code(pay.Wxpay, ""), "2").with("order_client.device_id", 1).with("order_client.staff_id", 1003).
		with("pay_mch_key.pay_platform", "1").with("order_client.terminal_type", "2")
	h.call(t, cpay.MethodMicroPay, request).is(t, 0, 0)
	if o := h.order(no); o.Total != 2 || o.DeviceID != "1" || o.StaffID != "1003" {
		t.Errorf("order is %+v", o)
	}
	h.call(t, cpay.MethodRefund, refundOf(no, h.number(), "2", "2")).is(t, 0, 0)
}

// pss signs content with a salt length of the caller's choice.
func pss(t *testing.T, key *rsa.PrivateKey, content string, salt int) string {
	t.Helper()
	sum := sha256.Sum256([]byte(content))
	sign, err := rsa.SignPSS(rand.Reader, key, crypto.SHA256, sum[:], &rsa.PSSOptions{SaltLength: salt})
	if err != nil {
		t.Fatal(err)
	}
	return base64.StdEncoding.EncodeToString(sign)
}

// r07R08RefundsTakeSignaturesAndCodes: any salt, either spelling, either
// proof or both, and both must be right.
func r07R08RefundsTakeSignaturesAndCodes(t *testing.T) {
	t.Helper()
	t.Parallel()
	h := newHouse(t, options{})
	no := h.paid(t, pay.Wxpay, 100)
	proof := func(content, name string, salt int) object {
		return object{"sign_type": 1, name: pss(t, signingKey, content, salt)}
	}
	code := func(content string) object { return object{"authen_type": 1, "authen_code": mac(theKey, content)} }
	stranger, err := rsa.GenerateKey(rand.Reader, 2048)
	if err != nil {
		t.Fatal(err)
	}
	tests := []struct {
		name   string
		info   func(content string) object
		status int64
	}{
		{"salt 222, sign", func(c string) object { return object{"s": proof(c, "sign", 222)} }, 0},
		{"salt 32, sign", func(c string) object { return object{"s": proof(c, "sign", 32)} }, 0},
		{"salt 32, signature", func(c string) object { return object{"s": proof(c, "signature", 32)} }, 0},
		{"salt 0", func(c string) object { return object{"s": proof(c, "sign", 0)} }, 0},
		{"code", func(c string) object { return object{"a": code(c)} }, 0},
		{"both", func(c string) object { return object{"a": code(c), "s": proof(c, "sign", 222)} }, 0},
		{"both, signature of something else", func(c string) object { return object{"a": code(c), "s": proof(c+" ", "sign", 222)} }, 101},
		{"both, code of something else", func(c string) object { return object{"a": code(c + " "), "s": proof(c, "sign", 222)} }, 101},
		{"signature of a stranger", func(c string) object { return object{"s": object{"sign_type": 1, "sign": pss(t, stranger, c, 222)}} }, 101},
		{"R09 garbage from a stub", func(string) object { return object{"s": object{"sign_type": 1, "sign": "sign_2_base64 stub"}} }, 101},
		{"R09 empty", func(string) object { return object{"s": object{"sign_type": 1, "sign": ""}} }, 101},
		{"R09 another type", func(c string) object { return object{"s": object{"sign_type": 2, "sign": pss(t, signingKey, c, 222)}} }, 101},
		{"R09 very long", func(string) object { return object{"s": object{"sign_type": 1, "sign": strings.Repeat("A", 4096)}} }, 101},
		{"R09 beside a right code", func(c string) object { return object{"a": code(c), "s": object{"sign_type": 1, "sign": "\u0001"}} }, 101},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			content := refundOf(no, h.number(), 100, 1).text()
			a := h.post(t, cpay.MethodRefund, envelope(content, tt.info(content)))
			if a.status != tt.status {
				t.Errorf("status %d %q, want %d", a.status, a.text, tt.status)
			}
		})
	}
}

// TestAMerchantMayDemandSignatures is the switch 退款必须签名.
func TestAMerchantMayDemandSignatures(t *testing.T) {
	t.Parallel()
	h := newHouse(t, options{merchant: func(m *directory.Merchant) { m.RefundMustSign = true }})
	no := h.paid(t, pay.Wxpay, 100)
	refund := refundOf(no, h.number(), 100, 1)
	a := h.call(t, cpay.MethodRefund, refund)
	a.is(t, 104, 0)
	if !strings.Contains(a.text, "签名") {
		t.Errorf("refused with %q", a.text)
	}
	h.call(t, cpay.MethodReverse, about(no)).is(t, 104, 0)
	if o := h.order(no); o.Reserved != 0 || o.State != pay.PAID {
		t.Errorf("an unsigned request changed the order to %s, reserved %d", o.State, o.Reserved)
	}
	content := refund.text()
	signed := envelope(content, object{"s": object{"sign_type": 1, "sign": pss(t, signingKey, content, 222)}})
	h.post(t, cpay.MethodRefund, signed).is(t, 0, 0)
	h.call(t, cpay.MethodQueryOrder, about(no)).is(t, 0, 0) // reading needs none
}

// r10TheSmallestRequestsAreAccepted leaves out all that clients leave out.
func r10TheSmallestRequestsAreAccepted(t *testing.T) {
	t.Helper()
	t.Parallel()
	h := newHouse(t, options{})
	for _, ch := range []pay.Channel{pay.Wxpay, pay.Alipay} {
		for _, platform := range []any{nil, 0} {
			no := h.number()
			smallest := object{
				"pay_mch_key": mch().with("out_mch_id", nil).with("pay_platform", platform),
				"pay_content": object{"out_trade_no": no, "author_code": h.code(ch, ""), "total_fee": 2},
			}
			a := h.call(t, cpay.MethodMicroPay, smallest)
			a.is(t, 0, 0)
			if got := a.get("pay_mch_key.pay_platform"); got != strconv.FormatInt(ch.Platform(), 10) {
				t.Errorf("platform of a %s code is answered as %s", ch, got)
			}
			key := object{"out_sub_mch_id": theMerchant}
			h.call(t, cpay.MethodQueryOrder, object{"pay_mch_key": key, "out_trade_no": no}).is(t, 0, 0)
			h.call(t, cpay.MethodReverse, object{"pay_mch_key": key, "out_trade_no": no}).is(t, 104, 0)
			content := refundOf(no, h.number(), 2, 1).with("order_client", nil).with("nonce_str", nil).with("refund_content.refund_fee_type", nil)
			h.call(t, cpay.MethodRefund, content.with("pay_mch_key", key)).is(t, 0, 0)
			list := h.call(t, cpay.MethodQueryRefundOrder, object{"pay_mch_key": key, "out_trade_no": no})
			if list.is(t, 0, 0); len(list.list("refund_order_content")) != 1 {
				t.Errorf("without out_refund_no: %s", list.content)
			}
		}
	}
	noShop := microPay(h.number(), h.code(pay.Wxpay, ""), 2).with("pay_mch_key.out_shop_id", nil)
	h.call(t, cpay.MethodMicroPay, noShop).is(t, 104, 0) // the shop decides what is charged where
}

// r11R12NoncesRepeatAndUnknownMembersAreIgnored.
func r11R12NoncesRepeatAndUnknownMembersAreIgnored(t *testing.T) {
	t.Helper()
	t.Parallel()
	h := newHouse(t, options{})
	no := h.number()
	request := microPay(no, h.code(pay.Wxpay, ""), 2).with("nonce_str", "nonce_str")
	h.call(t, cpay.MethodMicroPay, request).is(t, 0, 0)
	other := microPay(h.number(), h.code(pay.Wxpay, ""), 2).with("nonce_str", "nonce_str").
		with("createby", "pos").with("pay_content.is_shelves_order", 1).with("order_client.list", []any{object{"x": nil}}).
		with("pay_mch_key.deep", object{"er": object{"est": []int{1, 2}}})
	content := other.text()
	var doc object
	if err := json.Unmarshal(byMAC(content), &doc); err != nil {
		t.Fatal(err)
	}
	doc["sign_info"], doc["x"] = nil, object{"request_content": "another"}
	h.post(t, cpay.MethodMicroPay, []byte(doc.text())).is(t, 0, 0)
	h.call(t, cpay.MethodMicroPay, request.with("nonce_str", "another")).is(t, 0, 0) // the same payment
	for range 3 {
		h.call(t, cpay.MethodQueryOrder, about(no).with("nonce_str", "nonce_str")).is(t, 0, 0)
	}
}

// r13SampleCodeSpellingsReachTheirPlace: pay_content in a refund, attach
// directly in pay_content.
func r13SampleCodeSpellingsReachTheirPlace(t *testing.T) {
	t.Helper()
	t.Parallel()
	h := newHouse(t, options{})
	no := h.number()
	h.call(t, cpay.MethodMicroPay, microPay(no, h.code(pay.Wxpay, ""), 2).with("pay_content.attach", "seen again")).is(t, 0, 0)
	if got := h.call(t, cpay.MethodQueryOrder, about(no)).get("order_content.wxpay_order_content_ext.attach"); got != "seen again" {
		t.Errorf("attach is shown as %q", got)
	}
	refund := refundOf(no, h.number(), 2, 2)
	refund["pay_content"] = refund["refund_content"]
	h.call(t, cpay.MethodRefund, refund.with("refund_content", nil)).is(t, 0, 0)
}

// r16WhatIsNotAuthenticIsRefusedAlike: 101 and no authen_info, whatever is
// wrong; and money does not move.
func r16WhatIsNotAuthenticIsRefusedAlike(t *testing.T) {
	t.Helper()
	t.Parallel()
	h := newHouse(t, options{})
	no := h.number()
	o := microPay(no, h.code(pay.Wxpay, ""), 2)
	content := o.text()
	right := mac(theKey, content)
	info := func(kind, code any) object { return object{"a": object{"authen_type": kind, "authen_code": code}} }
	tests := []struct {
		name     string
		body     []byte
		internal int64
	}{
		{"content is an object", envelope(o, info(1, right)), 0},
		{"content is a number", envelope(5, info(1, right)), 0},
		{"content is missing", []byte(`{"authen_info":{"a":{"authen_type":1,"authen_code":"` + right + `"}}}`), 0},
		{"content twice", []byte(`{"request_content":"{}",` + string(byMAC(content))[1:]), 0},
		{"content is no JSON", byMAC("null and void"), 0},
		{"content is null", byMAC("null"), 0},
		{"content is a list", byMAC("[]"), 0},
		{"content names nobody", byMAC("{}"), 7},
		{"content names two merchants", byMAC(o.with("out_sub_mch_id", "sz01OTHERSUBMCH00001").text()), 0},
		{"authen_info missing", envelope(content, nil), 7},
		{"authen_info null", envelope(content, json.RawMessage("null")), 7},
		{"authen_info empty", envelope(content, object{}), 7},
		{"a empty", envelope(content, object{"a": object{}}), 7},
		{"a null", envelope(content, object{"a": nil}), 7},
		{"code empty", envelope(content, info(1, "")), 7},
		{"code in lower case", envelope(content, info(1, strings.ToLower(right))), 7},
		{"code in mixed case", envelope(content, info(1, strings.ToLower(right[:32])+right[32:])), 7},
		{"code too short", envelope(content, info(1, right[:62])), 7},
		{"code with a space", envelope(content, info(1, right+" ")), 7},
		{"code over other bytes", envelope(content, info(1, mac(theKey, content+"\n"))), 7},
		{"code of another merchant", envelope(content, info(1, mac(strings.Repeat("o", 32), content))), 7},
		{"code by lower-case key", envelope(content, info(1, mac(strings.ToLower(theKey), content))), 7},
		{"type MD5", envelope(content, info(2, right)), 7},
		{"type missing", envelope(content, object{"a": object{"authen_code": right}}), 7},
		{"authen_info is a string", envelope(content, right), 0},
		{"a is a string", envelope(content, object{"a": right}), 0},
		{"body empty", nil, 0},
		{"body is no JSON", []byte("micro_pay"), 0},
		{"body is a list", []byte("[]"), 0},
		{"body ends early", byMAC(content)[:100], 0},
		{"two documents", append(byMAC(content), "{}"...), 0},
		{"nested too deeply", []byte(strings.Repeat(`{"a":`, 20000)), 0},
		{"NUL in an id", byMAC(strings.Replace(content, "till-1", `till\u0000`, 1)), 0},
		{"not UTF-16", byMAC("\"\\ud800\""), 0},
	}
	for _, tt := range tests {
		for _, method := range []string{cpay.MethodMicroPay, cpay.MethodRefund, cpay.MethodQueryOrder} {
			if a := h.post(t, method, tt.body); a.status != 101 || a.internal != tt.internal {
				t.Errorf("%s: %s answers %d/%d %q, want 101/%d", tt.name, method, a.status, a.internal, a.text, tt.internal)
			}
		}
	}
	if _, err := h.store.Order(t.Context(), theMerchant, no); !errors.Is(err, pay.ErrNotFound) {
		t.Errorf("a request that was refused made an order: %v", err)
	}
}

// TestMalformedMembersOfAKnownSenderAre101 tells them which member is wrong,
// without moving money (money.md §1: malformed is 101).
func TestMalformedMembersOfAKnownSenderAre101(t *testing.T) {
	t.Parallel()
	h := newHouse(t, options{})
	no := h.number()
	base := microPay(no, h.code(pay.Wxpay, ""), 2)
	for name, o := range map[string]object{
		"total_fee":    base.with("pay_content.total_fee", 1.5),
		"total_fee ":   base.with("pay_content.total_fee", "two"),
		"total_fee  ":  base.with("pay_content.total_fee", json.RawMessage("1e400")),
		"pay_content":  base.with("pay_content", 5),
		"order_client": base.with("order_client", []int{}),
		"author_code":  base.with("pay_content.author_code", object{}),
		"body":         base.with("pay_content.body", true),
	} {
		a := h.call(t, cpay.MethodMicroPay, o)
		a.is(t, 101, 0)
		if strings.Contains(a.text, "134") {
			t.Errorf("%s: the refusal repeats the value: %q", name, a.text)
		}
	}
	twice := strings.Replace(base.text(), `"total_fee":2`, `"total_fee":2,"total_fee":1`, 1)
	h.post(t, cpay.MethodMicroPay, byMAC(twice)).is(t, 101, 0)
	h.call(t, cpay.MethodQueryOrder, about(no)).is(t, 104, 400)
}

// r18PingAnswersAnyBodyFlat.
func r18PingAnswersAnyBodyFlat(t *testing.T) {
	t.Helper()
	t.Parallel()
	h := newHouse(t, options{})
	for _, verb := range []string{http.MethodPost, http.MethodGet} {
		for _, body := range []string{"", "CPing", "JAVAPing", `{"request_content":"null"}`, "{", strings.Repeat("x", 1<<20)} {
			if verb == http.MethodGet && body != "" {
				continue
			}
			h.ping(t, verb, body)
		}
	}
}
