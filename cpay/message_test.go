package cpay

import (
	"encoding/json"
	"errors"
	"fmt"
	"reflect"
	"slices"
	"strconv"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// allMessages returns one empty message of every kind that stands on its own.
func allMessages() []Message {
	list := []Message{
		new(PingResponse), new(UseDeviceSettingResponse), new(PayCallback), new(RefundCallback), new(ReverseCallback),
		new(CallbackReply), new(Detail), new(MonitorInfo),
	}
	for _, e := range catalog() {
		list = append(list, e.request(), e.response())
	}
	return list
}

// fill sets every field below v to something that is not zero. Of several exts it
// sets the one whose name begins with ext.
func fill(v reflect.Value, ext string, n *int) {
	if k, ok := reflect.TypeAssert[*Key](v.Addr()); ok {
		*n++
		*k = NewKey(fmt.Sprintf("key %d", *n))
		return
	}
	switch v.Kind() { //nolint:exhaustive // the other kinds do not occur in messages
	case reflect.Struct:
		switch v.Addr().Interface().(type) {
		case *Receipt, *OrderListDetail, *BriefOrderDetail, *BriefStates: // one of their members is written
			fill(v.Field(min(v.NumField()-1, slices.Index(exts[:], ext))), ext, n)
			return
		}
		for i := range v.NumField() {
			name := v.Type().Field(i).Name
			if strings.HasSuffix(name, "Ext") && !strings.HasPrefix(name, ext) {
				continue
			}
			fill(v.Field(i), ext, n)
		}
	case reflect.Pointer:
		v.Set(reflect.New(v.Type().Elem()))
		fill(v.Elem(), ext, n)
	case reflect.Slice:
		v.Set(reflect.MakeSlice(v.Type(), 2, 2))
		fill(v.Index(0), ext, n)
		fill(v.Index(1), ext, n)
	case reflect.String:
		*n++
		v.SetString(fmt.Sprintf("文%d\"/\\<&>\n😀", *n))
	case reflect.Int64:
		*n++
		v.SetInt(int64(*n))
	case reflect.Uint32:
		*n++
		v.SetUint(uint64(*n))
	case reflect.Bool:
		v.SetBool(true)
	default:
		panic(v.Kind().String())
	}
}

// exts are the prefixes of fields for one wallet.
var exts = [...]string{"Wxpay", "Alipay", "Card", "Record"}

// TestEveryMemberSurvivesTheWire encodes and decodes every message with every
// member set, once for each wallet.
func TestEveryMemberSurvivesTheWire(t *testing.T) {
	t.Parallel()
	for _, ext := range exts {
		for _, m := range allMessages() {
			n := 0
			fill(reflect.ValueOf(m).Elem(), ext, &n)
			content := Encode(m)
			got := reflect.New(reflect.TypeOf(m).Elem()).Interface().(Message)
			if err := Decode(content, got); err != nil {
				t.Errorf("%T: %v", m, err)
				continue
			}
			if diff := cmp.Diff(m, got); diff != "" {
				t.Errorf("%T with %s (-sent +read):\n%s", m, ext, diff)
			}
			var tree any
			if err := json.Unmarshal(content, &tree); err != nil {
				t.Errorf("%T is not JSON: %v", m, err)
			}
			for _, b := range content {
				if b < ' ' || b > '~' {
					t.Errorf("%T has byte %#x (R36)", m, b)
				}
			}
		}
	}
}

// TestR29ExactlyOneExt: clients take whichever ext they find.
func TestR29ExactlyOneExt(t *testing.T) {
	t.Parallel()
	order := OrderContent{
		WxpayExt: &WxpayOrderContentExt{}, AlipayExt: &AlipayOrderContentExt{},
		CardExt: &CardOrderContentExt{}, RecordExt: &RecordOrderContentExt{},
	}
	refund := RefundOrderContent{
		WxpayExt: &WxpayRefundOrderContentExt{}, AlipayExt: &AlipayRefundOrderContentExt{},
		CardExt: &CardRefundOrderContentExt{}, RecordExt: &RecordRefundOrderContentExt{},
	}
	for _, want := range []string{"wxpay", "alipay", "card", "record"} {
		for _, m := range []Message{&order, &refund} {
			text := string(Encode(m))
			if strings.Count(text, "_content_ext") != 1 || !strings.Contains(text, want) {
				t.Errorf("%T = %s, want only the ext of %s", m, text, want)
			}
		}
		switch want {
		case "wxpay":
			order.WxpayExt, refund.WxpayExt = nil, nil
		case "alipay":
			order.AlipayExt, refund.AlipayExt = nil, nil
		case "card":
			order.CardExt, refund.CardExt = nil, nil
		}
	}
}

// TestR13R15OtherSpellings: every spelling found in documents or clients ends in
// the one place, and the proper spelling wins over another one.
func TestR13R15OtherSpellings(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct {
		name, content string
		into          Message
		want          Message
	}{
		{
			"attach in pay_content", `{"attach":"x"}`, new(PayContent),
			&PayContent{WxpayExt: &WxpayPayContentExt{Attach: "x"}},
		},
		{
			"attach in both, the ext later", `{"attach":"x","wxpay_pay_content_ext":{"attach":"y","goods_tag":"g"}}`,
			new(PayContent), &PayContent{WxpayExt: &WxpayPayContentExt{Attach: "y", GoodsTag: "g"}},
		},
		{
			"attach in both, the ext first", `{"wxpay_pay_content_ext":{"attach":"y"},"attach":"x"}`,
			new(PayContent), &PayContent{WxpayExt: &WxpayPayContentExt{Attach: "y"}},
		},
		{
			"attach beside an ext", `{"wxpay_pay_content_ext":{"goods_tag":"g"},"attach":"x"}`,
			new(PayContent), &PayContent{WxpayExt: &WxpayPayContentExt{Attach: "x", GoodsTag: "g"}},
		},
		{"no attach", `{"attach":"","total_fee":1}`, new(PayContent), &PayContent{TotalFee: 1}},
		{
			"pay_content in refund", `{"pay_content":{"refund_fee":1}}`, new(RefundRequest),
			&RefundRequest{RefundContent: RefundContent{RefundFee: 1}},
		},
		{
			"refund ext of the docs", `{"wx_pay_refund_content_ext":{"refund_account":"a"}}`, new(RefundContent),
			&RefundContent{WxpayExt: &WxpayRefundContentExt{RefundAccount: "a"}},
		},
		{
			"refund ext of a client", `{"wxpay_refund_order_content_ext":{"refund_account":"a"}}`, new(RefundContent),
			&RefundContent{WxpayExt: &WxpayRefundContentExt{RefundAccount: "a"}},
		},
		{"is_sub_admin", `{"is_sub_admin":true}`, new(PayMchKey), &PayMchKey{IsSubMchAdmin: true}},
		{
			"both, the proper one first", `{"is_sub_mch_admin":true,"is_sub_admin":false}`, new(PayMchKey),
			&PayMchKey{IsSubMchAdmin: true},
		},
		{
			"both, the proper one later", `{"is_sub_admin":true,"is_sub_mch_admin":false}`, new(PayMchKey), &PayMchKey{},
		},
		{
			"goods_details", `{"goods_details":[{"quantity":"2","price":1.0}]}`, new(Detail),
			&Detail{GoodsDetail: []GoodsDetail{{Quantity: 2, Price: 1}}},
		},
		{
			"goods_details and goods_detail", `{"goods_details":[{},{}],"goods_detail":[{"price":3}]}`, new(Detail),
			&Detail{GoodsDetail: []GoodsDetail{{Price: 3}}},
		},
		{
			"refund_rcv_account", `{"refund_rcv_account":"a"}`, new(WxpayRefundOrderContentExt),
			&WxpayRefundOrderContentExt{RefundRecvAccount: "a"},
		},
		{
			"detail as an object", `{"detail": {"goods_detail": []} ,"total_fee":1}`, new(PayContent),
			&PayContent{Detail: `{"goods_detail": []}`, TotalFee: 1},
		},
		{
			"detail as text", `{"detail":"{\"goods_detail\":[]}","total_fee":1}`, new(PayContent),
			&PayContent{Detail: `{"goods_detail":[]}`, TotalFee: 1},
		},
		{
			"booleans", `{"is_sub_mch_admin":"1"}`, new(PayMchKey), &PayMchKey{IsSubMchAdmin: true},
		},
		{"boolean as a number", `{"is_sub_mch_admin":1.0}`, new(PayMchKey), &PayMchKey{IsSubMchAdmin: true}},
		{"boolean as text", `{"is_sub_mch_admin":"true"}`, new(PayMchKey), &PayMchKey{IsSubMchAdmin: true}},
		{"boolean empty", `{"is_sub_mch_admin":""}`, new(PayMchKey), &PayMchKey{}},
		{
			"nulls", `{"out_mch_id":null,"pay_platform":null,"is_sub_mch_admin":null,"notify_open_ids":null,` +
				`"wxpay_pay_mch_key_ext":null}`, new(PayMchKey), &PayMchKey{},
		},
		{"null list", `{"goods_detail":null}`, new(Detail), &Detail{}},
		{"null object", `{"pay_mch_key":null,"nonce_str":"n"}`, new(RefundRequest), &RefundRequest{NonceStr: "n"}},
		{
			"lists of text", `{"notify_open_ids":["a",2,"c"]}`, new(PayMchKey), &PayMchKey{NotifyOpenIDs: []string{"a", "2", "c"}},
		},
		{
			"not UTF-8", "{\"out_mch_id\":\"a\xff\",\"out_shop_id\":\"\\ud83d!\"}", new(PayMchKey),
			&PayMchKey{OutMchID: "a\uFFFD", OutShopID: "\uFFFD!"},
		},
		{"escaped names", `{"out\u005fmch_id":"a"}`, new(PayMchKey), &PayMchKey{OutMchID: "a"}},
		{
			"unknown members (R12)", `{"createby":"收银员","is_shelves_order":[1,{"x":[true,null,-1.5e3,"\u00e9"]}],"out_mch_id":"a"}`,
			new(PayMchKey), &PayMchKey{OutMchID: "a"},
		},
	} {
		if err := Decode([]byte(tt.content), tt.into); err != nil {
			t.Errorf("%s: %v", tt.name, err)
			continue
		}
		if diff := cmp.Diff(tt.want, tt.into); diff != "" {
			t.Errorf("%s (-want +got):\n%s", tt.name, diff)
		}
	}
}

func TestDecodeNamesTheWrongMember(t *testing.T) {
	t.Parallel()
	many := strings.TrimSuffix(strings.Repeat(`{},`, maxList+1), ",")
	for _, tt := range []struct{ content, field, reason string }{
		{`{"pay_content":{"total_fee":1.5}}`, "pay_content.total_fee", "is not a whole number"},
		{`{"pay_content":{"total_fee":"1e99"}}`, "pay_content.total_fee", "is out of range"},
		{`{"pay_content":{"total_fee":1,"total_fee":2}}`, "pay_content.total_fee", "is given twice"},
		{`{"pay_content":{"out_trade_no":true}}`, "pay_content.out_trade_no", "is neither text nor a whole number"},
		{`{"pay_content":{"out_trade_no":1e99}}`, "pay_content.out_trade_no", "is out of range"},
		{`{"pay_content":{"out_trade_no":"a\u0000"}}`, "pay_content.out_trade_no", "contains a NUL character"},
		{`{"pay_content":{"is_confirm_unfreeze":2}}`, "pay_content.is_confirm_unfreeze", "is neither true nor false"},
		{`{"pay_content":[]}`, "pay_content", "is not an object"},
		{`{"pay_content":{"wxpay_pay_content_ext":1}}`, "pay_content.wxpay_pay_content_ext", "is not an object"},
		{`{"pay_content":{"wxpay_pay_content_ext":{"attach":{}}}}`, "pay_content.wxpay_pay_content_ext.attach", ""},
		{`{"pay_mch_key":{"notify_open_ids":"x"}}`, "pay_mch_key.notify_open_ids", "is not a list"},
		{`{"pay_mch_key":{"notify_open_ids":[` + strings.Repeat(`"",`, maxList) + `""]}}`, "pay_mch_key.notify_open_ids", "has too many elements"},
	} {
		err := Decode([]byte(tt.content), new(MicroPayRequest))
		fe, ok := errors.AsType[*FieldError](err)
		switch {
		case !errors.Is(err, ErrMalformed):
			t.Errorf("%.60s: %v, want ErrMalformed", tt.content, err)
		case tt.field == "" && ok, tt.field != "" && (!ok || fe.Field != tt.field || tt.reason != "" && fe.Reason != tt.reason):
			t.Errorf("%.60s: %v, want %s %s", tt.content, err, tt.field, tt.reason)
		}
	}
	for content, want := range map[string]string{
		`{"goods_detail":[{},{"price":{}}]}`: "goods_detail[1].price",
		`{"goods_detail":[` + many + `]}`:    "goods_detail",
		`{"goods_detail":{}}`:                "goods_detail",
	} {
		fe, ok := errors.AsType[*FieldError](Decode([]byte(content), new(Detail)))
		if !ok || fe.Field != want {
			t.Errorf("%.60s: %v, want %s", content, fe, want)
		}
	}
}

func TestValidate(t *testing.T) {
	t.Parallel()
	long := strings.Repeat("长", 10_000)
	pay := func(change func(*MicroPayRequest)) Request {
		m := validMicroPay()
		change(m)
		return m
	}
	refund := func(change func(*RefundContent)) Request {
		m := &RefundRequest{
			PayMchKey: PayMchKey{OutSubMchID: "A"},
			RefundContent: RefundContent{
				OutTradeNo: "1", OutRefundNo: "2", TotalFee: 2, RefundFee: 1, RefundFeeType: "CNY",
			},
		}
		change(&m.RefundContent)
		return m
	}
	key := PayMchKey{OutSubMchID: "A", PayPlatform: PlatformAlipay}
	for _, tt := range []struct {
		req   Request
		field string // "" if the request is fine
	}{
		{validMicroPay(), ""},
		{pay(func(m *MicroPayRequest) { m.PayContent.Body = strings.Repeat("长", 128) }), ""},
		{pay(func(m *MicroPayRequest) { m.OrderClient = OrderClient{} }), ""},
		{pay(func(m *MicroPayRequest) { m.PayContent.FeeType = "" }), ""},
		{pay(func(m *MicroPayRequest) { m.PayContent.TotalFee = MaxFee }), ""},
		{pay(func(m *MicroPayRequest) { m.PayMchKey.OutSubMchID = "" }), "pay_mch_key.out_sub_mch_id"},
		{pay(func(m *MicroPayRequest) { m.PayContent.TotalFee = 0 }), "pay_content.total_fee"},
		{pay(func(m *MicroPayRequest) { m.PayContent.TotalFee = -1 }), "pay_content.total_fee"},
		{pay(func(m *MicroPayRequest) { m.PayContent.TotalFee = MaxFee + 1 }), "pay_content.total_fee"},
		{pay(func(m *MicroPayRequest) { m.PayContent.FeeType = "USD" }), "pay_content.fee_type"},
		{pay(func(m *MicroPayRequest) { m.PayContent.AuthorCode = "" }), "pay_content.author_code"},
		{pay(func(m *MicroPayRequest) { m.PayContent.AuthorCode = PayCode(long) }), "pay_content.author_code"},
		{pay(func(m *MicroPayRequest) { m.PayContent.OutTradeNo = "" }), "pay_content.out_trade_no"},
		{pay(func(m *MicroPayRequest) { m.PayContent.OutTradeNo = "a b" }), "pay_content.out_trade_no"},
		{pay(func(m *MicroPayRequest) { m.PayContent.OutTradeNo = strings.Repeat("1", 33) }), "pay_content.out_trade_no"},
		{pay(func(m *MicroPayRequest) { m.PayContent.Body = strings.Repeat("长", 129) }), "pay_content.body"},
		{pay(func(m *MicroPayRequest) { m.PayContent.Detail = long }), "pay_content.detail"},
		{pay(func(m *MicroPayRequest) { m.PayMchKey.NotifyOpenIDs = []string{"a", long} }), "pay_mch_key.notify_open_ids[1]"},
		{
			pay(func(m *MicroPayRequest) { m.PayContent.WxpayExt = &WxpayPayContentExt{Attach: long} }),
			"pay_content.wxpay_pay_content_ext.attach",
		},
		{refund(func(*RefundContent) {}), ""},
		{refund(func(m *RefundContent) { m.RefundFee = 2 }), ""},
		{refund(func(m *RefundContent) { m.RefundFee = 3 }), ""}, // more than TotalFee: the server refuses it in words for the cashier
		{refund(func(m *RefundContent) { m.RefundFee = 0 }), "refund_content.refund_fee"},
		{refund(func(m *RefundContent) { m.TotalFee = 0 }), "refund_content.total_fee"},
		{refund(func(m *RefundContent) { m.OutRefundNo = "" }), "refund_content.out_refund_no"},
		{refund(func(m *RefundContent) { m.RefundFeeType = "EUR" }), "refund_content.refund_fee_type"},
		{refund(func(m *RefundContent) { m.RefundReason = long }), "refund_content.refund_reason"},
		{&ScanCodePayRequest{PayMchKey: key, PayContent: PayContent{OutTradeNo: "1", TotalFee: 1}}, ""},
		{&ScanCodePayRequest{PayMchKey: PayMchKey{OutSubMchID: "A"}}, "pay_mch_key.pay_platform"},
		{&QueryOrderRequest{PayMchKey: key, OutTradeNo: "1"}, ""},
		{&QueryOrderRequest{PayMchKey: key}, "out_trade_no"},
		{&CloseOrderRequest{PayMchKey: key, OutTradeNo: "1"}, ""},
		{&CloseOrderRequest{OutTradeNo: "1"}, "pay_mch_key.out_sub_mch_id"},
		{&ReverseRequest{PayMchKey: key, OutTradeNo: "1"}, ""},
		{&ReverseRequest{PayMchKey: key, OutTradeNo: "-"}, "out_trade_no"},
		{&QueryRefundOrderRequest{PayMchKey: key, OutTradeNo: "1"}, ""},
		{&QueryRefundOrderRequest{PayMchKey: key, OutTradeNo: "1", OutRefundNo: "_"}, "out_refund_no"},
	} {
		err := tt.req.Validate()
		fe, _ := errors.AsType[*FieldError](err)
		if (err == nil) != (tt.field == "") || (fe != nil && fe.Field != tt.field) || errors.Is(err, ErrMalformed) {
			t.Errorf("%s: Validate = %v, want %q", tt.req.Method(), err, tt.field)
		}
	}
	d := Detail{GoodsDetail: []GoodsDetail{{}, {GoodsName: long}}}
	if got := check(&d); got == nil || got.Field != "goods_detail[1].goods_name" {
		t.Errorf("check(Detail) = %v", got)
	}
	if got := (&FieldError{Field: "pay_content.total_fee"}).Description(); got != "参数total_fee错误." {
		t.Errorf("Description = %s", got)
	}
}

func TestPlatformOfPaymentCodes(t *testing.T) {
	t.Parallel()
	for code, want := range map[PayCode]PayPlatform{
		"134567890123456789": PlatformWxpay, "101234567890123456": PlatformWxpay, "159999999999999999": PlatformWxpay,
		"13456789012345678": 0, "161234567890123456": 0, "281234567890123456": PlatformAlipay,
		"2512345678901234": PlatformAlipay, "301234567890123456789012": PlatformAlipay, "3012345678901234567890123": 0,
		"251234567890123": 0, "6212345678901234567": 0, "13456789012345678a": 0, "": 0, "1": 0,
	} {
		if got := PlatformOf(code); got != want {
			t.Errorf("PlatformOf(%q) = %d, want %d", string(code), got, want)
		}
	}
}

// TestLocalStates is the table of protocol.md §5.6, in the Java SDK's column.
func TestLocalStates(t *testing.T) {
	t.Parallel()
	wx := map[WxpayOrderState]LocalState{
		1: LocalInit, 2: LocalSuccess, 3: LocalSuccess, 4: LocalRefund, 5: LocalFail, 6: LocalUserPaying, 7: LocalClosed,
		8: LocalFail, 9: LocalUserPaying, 10: LocalFail, 11: LocalFail, 12: LocalInit, 13: LocalInit, 14: LocalInit,
	}
	for s, want := range wx {
		o := OrderContent{WxpayExt: &WxpayOrderContentExt{CurrentTradeState: s}}
		if got := o.Local(); got != want {
			t.Errorf("wx %d = %d, want %d", s, got, want)
		}
	}
	ali := map[AlipayOrderState]LocalState{
		1: LocalInit, 2: LocalSuccess, 3: LocalInit, 4: LocalUserPaying, 5: LocalClosed, 6: LocalInit, 7: LocalFail,
	}
	for s, want := range ali {
		o := OrderContent{AlipayExt: &AlipayOrderContentExt{CurrentTradeState: s}}
		if got := o.Local(); got != want {
			t.Errorf("ali %d = %d, want %d", s, got, want)
		}
	}
	if got := new(OrderContent).Local(); got != LocalNone {
		t.Errorf("no ext = %d", got)
	}
	wxRefund := map[WxpayRefundState]LocalRefundState{
		0: LocalRefundNone, 1: LocalRefundProcessing, 2: LocalRefundSuccess, 3: LocalRefundFail,
		4: LocalRefundProcessing, 5: LocalRefundFail, 6: LocalRefundFail,
	}
	for s, want := range wxRefund {
		o := RefundOrderContent{WxpayExt: &WxpayRefundOrderContentExt{State: s}}
		if got := o.Local(); got != want {
			t.Errorf("refund wx %d = %d, want %d", s, got, want)
		}
	}
	aliRefund := map[AlipayRefundState]LocalRefundState{
		0: LocalRefundNone, 1: LocalRefundProcessing, 2: LocalRefundSuccess, 3: LocalRefundFail,
		4: LocalRefundProcessing, 5: LocalRefundFail,
	}
	for s, want := range aliRefund {
		o := RefundOrderContent{AlipayExt: &AlipayRefundOrderContentExt{RefundStatus: s}}
		if got := o.Local(); got != want {
			t.Errorf("refund ali %d = %d, want %d", s, got, want)
		}
	}
	if got := new(RefundOrderContent).Local(); got != LocalRefundNone {
		t.Errorf("no refund ext = %d", got)
	}
}

func TestNonceIsFreshAndKept(t *testing.T) {
	t.Parallel()
	seen := map[string]bool{}
	for range 100 {
		var m CloseOrderResponse
		if err := Decode(Encode(new(CloseOrderResponse)), &m); err != nil {
			t.Fatal(err)
		}
		if len(m.NonceStr) != 32 || seen[m.NonceStr] || strings.Trim(m.NonceStr, "0123456789abcdef") != "" {
			t.Errorf("nonce %q", m.NonceStr)
		}
		seen[m.NonceStr] = true
	}
	if got := string(Encode(&CloseOrderResponse{NonceStr: "mine"})); got != `{"nonce_str":"mine"}` {
		t.Errorf("Encode = %s", got)
	}
}

func TestStringsAreWrittenAsTheOriginalDid(t *testing.T) {
	t.Parallel()
	for in, want := range map[string]string{
		"操作成功。":              `"\u64CD\u4F5C\u6210\u529F\u3002"`,
		"weixin://wxpay":     `"weixin:\/\/wxpay"`,
		"\"\\\b\f\n\r\t\x01": `"\"\\\b\f\n\r\t\u0001"`,
		"a\x00b":             `"ab"`, // R36
		"😀":                  `"\uD83D\uDE00"`,
		"\xff\x7f":           `"\uFFFD\u007F"`,
		"<>&='":              `"<>&='"`,
	} {
		if got := string(appendString(nil, in)); got != want {
			t.Errorf("appendString(%q) = %s, want %s", in, got, want)
		}
	}
}

func TestNumbersAtTheEdges(t *testing.T) {
	t.Parallel()
	for lit, want := range map[string]int64{
		"-9223372036854775808": -9223372036854775808, "-1": -1, "000": 0, "1e18": 1e18, "0e99999999": 0,
		"0.0001e4": 1, "12300e-2": 123, "-1.50e1": -15,
	} {
		got, err := parseInt(lit)
		if lit == "000" {
			if err == nil {
				t.Error("parseInt accepts leading zeros")
			}
			continue
		}
		if err != nil || got != want {
			t.Errorf("parseInt(%s) = %d, %v, want %d", lit, got, err, want)
		}
	}
	for _, lit := range []string{
		"", "-", "+1", "1.", ".1", "1e", "1e+", "1e1x", "1x", "-01", "9223372036854775808", "-9223372036854775809", "1e19",
		"12345678901234567890123", "1E-400", "0x10", "1_000", " 1", strconv.Itoa(1) + "\x00",
	} {
		if got, err := parseInt(lit); err == nil {
			t.Errorf("parseInt(%q) = %d, want an error", lit, got)
		}
	}
	for lit, want := range map[string]string{`-1.0`: "-1", `0.0`: "0", `-0`: "-0", `1.20e1`: "12"} {
		var s Text
		if err := json.Unmarshal([]byte(lit), &s); err != nil || string(s) != want {
			t.Errorf("Text %s = %q, %v, want %q", lit, s, err, want)
		}
	}
}
