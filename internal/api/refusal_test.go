package api_test

import (
	"bytes"
	"io"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"cloudpay/cpay"
	"cloudpay/internal/directory"
	"cloudpay/internal/pay"
)

// logID is the only thing in which two refusals may differ.
var logID = regexp.MustCompile(`"log_id\\":\d+`)

// TestStrangersLearnNothing: an unknown merchant, a disabled one and a wrong
// code are answered byte for byte alike (money.md §1).
func TestStrangersLearnNothing(t *testing.T) {
	t.Parallel()
	h := newHouse(t, options{})
	disabled := newHouse(t, options{merchant: func(m *directory.Merchant) { m.Disabled = true }})
	request := about(h.number())
	content := request.text()
	wrong := envelope(content, object{"a": object{"authen_type": 1, "authen_code": mac("wrong", content)}})
	signed := envelope(content, object{"s": object{"sign_type": 1, "sign": strings.Repeat("AAAA", 85) + "AA=="}})
	var bodies [][]byte
	for _, a := range []answer{
		h.post(t, cpay.MethodQueryOrder, wrong),
		h.post(t, cpay.MethodQueryOrder, signed),
		h.post(t, cpay.MethodQueryOrder, byMAC(request.with("pay_mch_key.out_sub_mch_id", "sz01NOBODY0000000001").text())),
		h.post(t, cpay.MethodQueryOrder, byMAC(request.with("pay_mch_key.out_sub_mch_id", "no id at all").text())),
		h.post(t, cpay.MethodQueryOrder, byMAC(request.with("pay_mch_key.out_sub_mch_id", nil).text())),
		disabled.post(t, cpay.MethodQueryOrder, byMAC(content)),
	} {
		a.is(t, 101, 7)
		bodies = append(bodies, logID.ReplaceAll(a.raw, []byte(`"log_id`)))
	}
	want := `{"response_content":"{\"status\":101,\"description\":\"\\u53C2\\u6570authen_code\\u9519\\u8BEF.\",\"log_id,\"internal_status\":7}"}`
	for i, b := range bodies {
		if string(b) != want {
			t.Errorf("answer %d is %s", i, b)
		}
	}
}

// TestStrangersTakeAsLongAsWrongCodes compares the medians of interleaved
// calls, so that load hits both alike; the bound is loose on purpose.
func TestStrangersTakeAsLongAsWrongCodes(t *testing.T) {
	t.Parallel()
	h := newHouse(t, options{})
	request := about(h.number())
	content := request.text()
	wrong := envelope(content, object{"a": object{"authen_type": 1, "authen_code": mac("wrong", content)}})
	unknown := byMAC(request.with("pay_mch_key.out_sub_mch_id", "sz01NOBODY0000000001").text())
	var took [2][]time.Duration
	for range 300 {
		for i, body := range [][]byte{wrong, unknown} {
			start := time.Now()
			h.post(t, cpay.MethodQueryOrder, body).is(t, 101, 7)
			took[i] = append(took[i], time.Since(start))
		}
	}
	median := func(d []time.Duration) time.Duration { slices.Sort(d); return d[len(d)/2] }
	if a, b := median(took[0]), median(took[1]); a > 2*b || b > 2*a {
		t.Errorf("a wrong code takes %v, a stranger %v", a, b)
	}
}

// TestOversizeIs101 with and without a length, and one byte less is read.
func TestOversizeIs101(t *testing.T) {
	t.Parallel()
	h := newHouse(t, options{})
	content := about(h.number()).text()
	full := byMAC(content)
	fits := append(slices.Clone(full), bytes.Repeat([]byte{' '}, cpay.MaxBody-len(full))...)
	h.post(t, cpay.MethodQueryOrder, fits).is(t, 104, 400)
	tooLong := append(slices.Clone(fits), ' ')
	h.post(t, cpay.MethodQueryOrder, tooLong).is(t, 101, 0)
	h.post(t, cpay.MethodQueryOrder, bytes.Repeat([]byte{'x'}, 2<<20)).is(t, 101, 0)
	for name, body := range map[string][]byte{"chunked": tooLong, "chunked and endless": bytes.Repeat([]byte{'x'}, 1<<20)} {
		a := h.postAs(t, cpay.MethodQueryOrder, theKey, io.MultiReader(bytes.NewReader(body))) // no length is known
		if a.status != 101 || a.internal != 0 || a.text != "请求内容过大" {
			t.Errorf("%s: %d/%d %q", name, a.status, a.internal, a.text)
		}
	}
	h.postAs(t, cpay.MethodQueryOrder, theKey, io.MultiReader(bytes.NewReader(fits))).is(t, 104, 400)
}

// TestRefusalsOfPayments are 104 with a sentence, and make no order (money.md §1).
func TestRefusalsOfPayments(t *testing.T) {
	t.Parallel()
	h := newHouse(t, options{})
	no := h.number()
	base := microPay(no, h.code(pay.Wxpay, ""), 2)
	tests := []struct {
		name string
		in   object
		text string
	}{
		{"amount 0", base.with("pay_content.total_fee", 0), "total_fee"},
		{"amount missing", base.with("pay_content.total_fee", nil), "total_fee"},
		{"amount negative", base.with("pay_content.total_fee", -1), "total_fee"},
		{"amount beyond 32 bits", base.with("pay_content.total_fee", 1<<31), "total_fee"},
		{"currency", base.with("pay_content.fee_type", "USD"), "fee_type"},
		{"prefix of another merchant", base.with("pay_content.out_trade_no", "9000000200001"), "订单前缀"},
		{"prefix alone", base.with("pay_content.out_trade_no", thePrefix), "订单前缀"},
		{"number missing", base.with("pay_content.out_trade_no", nil), "out_trade_no"},
		{"number too long", base.with("pay_content.out_trade_no", thePrefix+strings.Repeat("1", 25)), "out_trade_no"},
		{"number with a space", base.with("pay_content.out_trade_no", thePrefix+" 1"), "out_trade_no"},
		{"shop of another merchant", base.with("pay_mch_key.out_shop_id", "sz01OTHERSHOP0000001"), "门店不存在"},
		{"shop unknown", base.with("pay_mch_key.out_shop_id", "x"), "门店不存在"},
		{"device unknown", base.with("order_client.device_id", "till-9"), "设备不存在"},
		{"another provider", base.with("pay_mch_key.out_mch_id", "sz01OTHERMCH00000001"), "服务商"},
		{"code of no wallet", base.with("pay_content.author_code", "990000000000000000"), "付款码"},
		{"code missing", base.with("pay_content.author_code", nil), "author_code"},
		{"code of the other wallet", base.with("pay_mch_key.pay_platform", 2), "支付平台"},
		{"platform unknown", base.with("pay_mch_key.pay_platform", 9), "支付平台"},
		{"sound wave", base.with("trade_type", 5), "trade_type"},
		{"one code", base.with("trade_type", 8), "trade_type"},
		{"body too long", base.with("pay_content.body", strings.Repeat("x", 129)), "body"},
	}
	for _, tt := range tests {
		a := h.call(t, cpay.MethodMicroPay, tt.in)
		if a.status != 104 || a.internal != 0 || !strings.Contains(a.text, tt.text) {
			t.Errorf("%s: %d/%d %q, want 104/0 with %q", tt.name, a.status, a.internal, a.text, tt.text)
		}
	}
	h.call(t, cpay.MethodQueryOrder, about(no)).is(t, 104, 400)
	h.call(t, cpay.MethodMicroPay, base).is(t, 0, 0) // none of them has used the number or the code up
}

// TestOneCodeOneOrder names the order that holds the code (money.md §2).
func TestOneCodeOneOrder(t *testing.T) {
	t.Parallel()
	h := newHouse(t, options{})
	first, second := h.number(), h.number()
	request := microPay(first, h.code(pay.Alipay, "anna"), 60000)
	h.call(t, cpay.MethodMicroPay, request).is(t, 0, 0)
	a := h.call(t, cpay.MethodMicroPay, request.with("pay_content.out_trade_no", second))
	if a.is(t, 104, 0); !strings.Contains(a.text, first) {
		t.Errorf("the cashier reads %q", a.text)
	}
	h.call(t, cpay.MethodQueryOrder, about(second)).is(t, 104, 400)
}

// TestUnknownOrdersAndRefunds have the numbers that SDKs look for (protocol.md §4.2).
func TestUnknownOrdersAndRefunds(t *testing.T) {
	t.Parallel()
	h := newHouse(t, options{})
	no := h.paid(t, pay.Wxpay, 100)
	missing := h.number()
	for _, method := range []string{cpay.MethodQueryOrder, cpay.MethodCloseOrder, cpay.MethodReverse, cpay.MethodQueryRefundOrder} {
		h.call(t, method, about(missing)).is(t, 104, 400)
	}
	h.call(t, cpay.MethodRefund, refundOf(missing, h.number(), 100, 1)).is(t, 104, 400)
	h.call(t, cpay.MethodQueryRefundOrder, about(no)).is(t, 104, 426)
	h.call(t, cpay.MethodQueryRefundOrder, about(no).with("out_refund_no", missing)).is(t, 104, 426)
	h.call(t, cpay.MethodRefund, refundOf(no, h.number(), 100, 1)).is(t, 0, 0)
	h.call(t, cpay.MethodQueryRefundOrder, about(no).with("out_refund_no", missing)).is(t, 104, 426)
	h.call(t, cpay.MethodRefund, refundOf(no, "90000002000000001", 100, 1)).is(t, 104, 0) // another merchant's prefix
}

// TestMerchantsDoNotSeeEachOther: the same number under another key is unknown.
func TestMerchantsDoNotSeeEachOther(t *testing.T) {
	t.Parallel()
	h := newHouse(t, options{})
	no := h.paid(t, pay.Wxpay, 100)
	key := object{"out_mch_id": theProvider, "out_sub_mch_id": "sz01OTHERSUBMCH00001"}
	other := strings.Repeat("o", 32)
	for method, o := range map[string]object{
		cpay.MethodQueryOrder: about(no), cpay.MethodReverse: about(no), cpay.MethodCloseOrder: about(no),
		cpay.MethodQueryRefundOrder: about(no), cpay.MethodRefund: refundOf(no, "9000000200000001", 100, 1),
	} {
		content := o.with("pay_mch_key", key).text()
		a := h.postAs(t, method, other,
			bytes.NewReader(envelope(content, object{"a": object{"authen_type": 1, "authen_code": mac(other, content)}})))
		if a.status != 104 || a.internal != 400 {
			t.Errorf("%s of another merchant's order: %d/%d %q", method, a.status, a.internal, a.text)
		}
	}
	if o := h.order(no); o.State != pay.PAID || o.Reserved != 0 {
		t.Errorf("another merchant changed the order to %s, reserved %d", o.State, o.Reserved)
	}
}

// TestCodePaymentsAreNotClosed with the documented sentence (protocol.md §2.2).
func TestCodePaymentsAreNotClosed(t *testing.T) {
	t.Parallel()
	h := newHouse(t, options{})
	for _, ch := range []pay.Channel{pay.Wxpay, pay.Alipay} {
		a := h.call(t, cpay.MethodCloseOrder, about(h.paid(t, ch, 2)))
		if a.is(t, 104, 0); a.text != "刷卡支付时，订单不能关闭，只能撤单。" {
			t.Errorf("close_order says %q", a.text)
		}
	}
}

// TestRefundsOfAPIVersion2NameWhoAllowsThem (protocol.md §2.2).
func TestRefundsOfAPIVersion2NameWhoAllowsThem(t *testing.T) {
	t.Parallel()
	h := newHouse(t, options{})
	no := h.paid(t, pay.Wxpay, 100)
	tests := []struct {
		name    string
		version any
		member  string
		value   any
		status  int64
	}{
		{"version 1 does not ask", 1, "authorization_staff_id", "1003", 0},
		{"no version does not ask", nil, "authorization_staff_id", "1003", 0},
		{"nobody", 2, "authorization_name", "Anna", 104},
		{"clerk", 2, "authorization_staff_id", "1003", 104},
		{"nobody's number", 2, "authorization_staff_id", "9999", 104},
		{"staff with the right", 2, "authorization_staff_id", "1004", 0},
		{"staff number as a number", "2", "authorization_staff_id", 1004, 0},
		{"manager", 2.0, "authorization_staff_id", "1005", 0},
		{"administrator", 2, "is_sub_mch_admin", true, 0},
		{"administrator, other spelling", 2, "is_sub_admin", true, 0},
		{"not an administrator", 2, "is_sub_mch_admin", false, 104},
		{"a later version", 3, "authorization_staff_id", "1003", 104},
	}
	for _, tt := range tests {
		a := h.call(t, cpay.MethodRefund, refundOf(no, h.number(), 100, 1).with("api_version", tt.version).with("pay_mch_key."+tt.member, tt.value))
		if a.status != tt.status || tt.status == 104 && !strings.Contains(a.text, "权限") && !strings.Contains(a.text, "authorization_staff_id") {
			t.Errorf("%s: %d/%d %q, want %d", tt.name, a.status, a.internal, a.text, tt.status)
		}
	}
	elsewhere := refundOf(no, h.number(), 100, 1).with("api_version", 2).with("pay_mch_key.authorization_staff_id", "1004").with("pay_mch_key.out_shop_id", "x")
	h.call(t, cpay.MethodRefund, elsewhere).is(t, 104, 0) // staff of another shop
}
