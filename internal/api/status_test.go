package api_test

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"cloudpay/cpay"
	"cloudpay/internal/pay"
)

// oneOfEach returns a raw answer with each status of the protocol, from a
// server that is stopped piece by piece.
func oneOfEach(t *testing.T) map[int64][]byte {
	t.Helper()
	var broken brokenChannels
	h := newHouse(t, options{channels: broken.wrap})
	no, code := h.number(), h.code(pay.Wxpay, "")
	out := map[int64][]byte{}
	note := func(status int64, body []byte) {
		res := h.send(t, http.MethodPost, cpay.Path(cpay.MethodMicroPay), bytes.NewReader(body))
		if res.status != http.StatusOK {
			t.Errorf("R20: HTTP %d for status %d", res.status, status)
		}
		if a := read(t, cpay.MethodMicroPay, theKey, res.body); a.status != status {
			t.Errorf("status %d %q, want %d", a.status, a.text, status)
		}
		out[status] = res.body
	}
	note(0, byMAC(microPay(no, code, 2).text()))
	note(102, byMAC(microPay(h.number(), "130000000000000000", 2).text()))
	note(104, byMAC(microPay(no, code, 3).text()))
	note(101, envelope(microPay(no, code, 2).text(), object{}))
	broken.fail(errors.New("the account cannot be read"))
	note(103, byMAC(microPay(h.number(), h.code(pay.Wxpay, ""), 2).text()))
	content := microPay(h.number(), h.code(pay.Wxpay, ""), 2).text()
	if err := h.closeStore(); err != nil {
		t.Fatal(err)
	}
	h.people.Forget()
	note(3, byMAC(content))
	return out
}

// r20EveryStatusIsHTTP200: oneOfEach looks at the HTTP status.
func r20EveryStatusIsHTTP200(t *testing.T) {
	t.Helper()
	t.Parallel()
	if n := len(oneOfEach(t)); n != 6 {
		t.Errorf("%d statuses were seen", n)
	}
}

// outerOf reads an answer's outer document only.
func outerOf(t *testing.T, raw []byte) map[string]json.RawMessage {
	t.Helper()
	var outer map[string]json.RawMessage
	if err := json.Unmarshal(raw, &outer); err != nil {
		t.Fatal(err)
	}
	return outer
}

// contentText is the exact text of response_content.
func contentText(t *testing.T, raw []byte) string {
	t.Helper()
	var text string
	if err := json.Unmarshal(outerOf(t, raw)["response_content"], &text); err != nil {
		t.Fatalf("R26: response_content is not a string: %s", raw)
	}
	return text
}

func r26TheContentIsAString(t *testing.T) {
	t.Helper()
	t.Parallel()
	for status, raw := range oneOfEach(t) {
		if text := contentText(t, raw); !strings.HasPrefix(text, fmt.Sprintf(`{"status":%d,"description":"`, status)) {
			t.Errorf("status %d: content %s", status, text)
		}
	}
}

func r27AuthenInfoByStatus(t *testing.T) {
	t.Helper()
	t.Parallel()
	for status, raw := range oneOfEach(t) {
		info, present := outerOf(t, raw)["authen_info"]
		if want := status != 3 && status != 101; present != want {
			t.Errorf("status %d: authen_info is present: %v", status, present)
		}
		whole := regexp.MustCompile(`^\{"a":\{"authen_type":1,"authen_code":"[0-9A-F]{64}"\}\}$`)
		if present && !whole.Match(info) {
			t.Errorf("status %d: authen_info is %s", status, info)
		}
	}
}

func r28TheObjectIsThereWheneverAuthenticated(t *testing.T) {
	t.Helper()
	t.Parallel()
	nonce := regexp.MustCompile(`"nonce_str":"[0-9A-Za-z]{32}"`)
	for status, raw := range oneOfEach(t) {
		var content struct {
			MicroPay json.RawMessage `json:"micro_pay"`
		}
		if err := json.Unmarshal([]byte(contentText(t, raw)), &content); err != nil {
			t.Fatal(err)
		}
		if want := status != 3 && status != 101; (len(content.MicroPay) > 0) != want || want && !nonce.Match(content.MicroPay) {
			t.Errorf("status %d: micro_pay is %s", status, content.MicroPay)
		}
	}
	h := newHouse(t, options{}) // success without data has the object too
	if a := h.call(t, cpay.MethodCloseOrder, about(h.paid(t, pay.Wxpay, 2))); a.body == nil || a.get("nonce_str") == "" {
		t.Errorf("close_order: %s", a.content)
	}
}

func r35CodesAreUpperCaseOverTheExactText(t *testing.T) {
	t.Helper()
	t.Parallel()
	for status, raw := range oneOfEach(t) {
		if status == 3 || status == 101 {
			continue
		}
		want := `"authen_code":"` + mac(theKey, contentText(t, raw)) + `"`
		if !bytes.Contains(raw, []byte(want)) || want != strings.Replace(strings.ToUpper(want), `"AUTHEN_CODE"`, `"authen_code"`, 1) {
			t.Errorf("status %d: %s lacks %s", status, raw, want)
		}
	}
}

func r36ContentIsPureASCII(t *testing.T) {
	t.Helper()
	t.Parallel()
	h := newHouse(t, options{})
	no := h.number()
	in := microPay(no, h.code(pay.Wxpay, ""), 2).with("pay_content.body", "红茶🍵 \u2028").with("pay_content.remark", "少糖")
	h.call(t, cpay.MethodMicroPay, in).is(t, 0, 0)
	a := h.call(t, cpay.MethodQueryOrder, about(no))
	for i := range len(a.content) {
		if c := a.content[i]; c < ' ' || c > '~' {
			t.Fatalf("byte %#x in %s", c, a.content)
		}
	}
	if a.get("order_content.body") != "红茶🍵 \u2028" || !strings.Contains(a.content, `\u7EA2\u8336\uD83C\uDF75`) {
		t.Errorf("body is %q in %s", a.get("order_content.body"), a.content)
	}
	h.call(t, cpay.MethodMicroPay, in.with("pay_content.body", "a\x00b")).is(t, 101, 0)
}

// r09GarbageSignaturesAreACleanRefusal: what a stubbed callback of the C SDK
// may leave in its buffer.
func r09GarbageSignaturesAreACleanRefusal(t *testing.T) {
	t.Helper()
	t.Parallel()
	h := newHouse(t, options{})
	content := refundOf(h.paid(t, pay.Wxpay, 2), h.number(), 2, 1).text()
	for _, sign := range []string{"", "0", "sign", strings.Repeat("A", 344), strings.Repeat("A", 1023), "签名", "\x7f\x01", "====", "AAA=AAA="} {
		res := h.send(t, http.MethodPost, cpay.Path(cpay.MethodRefund), bytes.NewReader(envelope(content, object{"s": object{"sign_type": 1, "sign": sign}})))
		a := read(t, cpay.MethodRefund, theKey, res.body)
		if res.status != http.StatusOK || a.status != 101 || a.internal != 7 || a.authenticated {
			t.Errorf("sign %q: HTTP %d, %d/%d", sign, res.status, a.status, a.internal)
		}
	}
	if strings.Contains(h.log.String(), "panic") {
		t.Error("a signature made us panic")
	}
}

// checkIDs measures ids against the buffers of the C SDK (protocol.md R22).
func checkIDs(t *testing.T, v any) {
	t.Helper()
	accounts := []string{"out_mch_id", "out_sub_mch_id", "out_shop_id", "device_id", "staff_id"}
	switch v := v.(type) {
	case []any:
		for _, e := range v {
			checkIDs(t, e)
		}
	case map[string]any:
		for name, e := range v {
			text, ok := e.(string)
			switch {
			case !ok:
				checkIDs(t, e)
			case slices.Contains(accounts, name) && len(text) > 32:
				t.Errorf("%s has %d characters", name, len(text))
			case (strings.HasPrefix(name, "out_") || name == "transaction_id" || name == "refund_id") && len(text) >= 64:
				t.Errorf("%s has %d characters", name, len(text))
			}
		}
	}
}

func r22IDsFitTheBuffersOfCClients(t *testing.T) {
	t.Helper()
	t.Parallel()
	h := newHouse(t, options{})
	no := thePrefix + strings.Repeat("9", 24) // the longest there is
	in := microPay(no, h.code(pay.Alipay, ""), 2).with("order_client.staff_id", strings.Repeat("s", 32))
	refund := thePrefix + strings.Repeat("8", 24)
	for method, o := range map[string]object{cpay.MethodMicroPay: in, cpay.MethodQueryOrder: about(no), cpay.MethodRefund: refundOf(no, refund, 2, 1), cpay.MethodQueryRefundOrder: about(no)} {
		if method != cpay.MethodMicroPay {
			h.call(t, cpay.MethodMicroPay, in).is(t, 0, 0)
			h.call(t, cpay.MethodRefund, refundOf(no, refund, 2, 1)).is(t, 0, 0)
		}
		a := h.call(t, method, o)
		a.is(t, 0, 0)
		checkIDs(t, a.inner)
	}
	h.call(t, cpay.MethodMicroPay, in.with("pay_content.out_trade_no", no+"9")).is(t, 104, 0)
	for _, m := range []string{theProvider, theMerchant, theShop, theKey} {
		if len(m) > 32 {
			t.Errorf("%s is longer than 32", m)
		}
	}
}

func r25NumbersArePlainIntegers(t *testing.T) {
	t.Helper()
	t.Parallel()
	inBubble(t, func(b bubble) {
		t, h := b.T, b.house
		if _, err := h.box.NewCustomer(t.Context(), "rich", 1<<30); err != nil {
			t.Fatal(err)
		}
		no := h.number()
		h.call(t, cpay.MethodMicroPay, microPay(no, h.code(b.ch, "rich"), 12345678)).is(t, 0, 0) // 1.2345678E7 to a careless writer
		if err := h.box.Answer(t.Context(), "rich", "approve"); err != nil {
			t.Fatal(err)
		}
		time.Sleep(10 * time.Second)
		h.call(t, cpay.MethodRefund, refundOf(no, h.number(), 12345678, 12345678)).is(t, 0, 0)
		time.Sleep(time.Minute)
		text := h.call(t, cpay.MethodQueryRefundOrder, about(no)).content
		for _, want := range []string{`"total_fee":12345678,`, `"refund_fee":12345678,`} {
			if !strings.Contains(text, want) {
				t.Errorf("%s lacks %s", text, want)
			}
		}
		if b.ch == pay.Alipay && !regexp.MustCompile(`"gmt_refund_pay":[1-9]\d{8,9}[,}]`).MatchString(text) {
			t.Errorf("gmt_refund_pay is no number in %s", text)
		}
	})
}

func r30RefundsHaveNoOrderClientObject(t *testing.T) {
	t.Helper()
	t.Parallel()
	h := newHouse(t, options{})
	for _, ch := range []pay.Channel{pay.Wxpay, pay.Alipay} {
		a := h.call(t, cpay.MethodRefund, refundOf(h.paid(t, ch, 2), h.number(), 2, 1))
		a.is(t, 0, 0)
		if client, there := a.body["order_client"]; there {
			if _, array := client.([]any); !array {
				t.Errorf("order_client is %v", client)
			}
		}
	}
}
