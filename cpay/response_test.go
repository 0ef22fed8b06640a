package cpay

import (
	"encoding/json"
	"errors"
	"fmt"
	"reflect"
	"strings"
	"testing"
)

// sealed is a response as a client takes it apart without this package.
type sealed struct {
	ResponseContent string          `json:"response_content"`
	AuthenInfo      json.RawMessage `json:"authen_info"`
}

func unseal(t *testing.T, body []byte) sealed {
	t.Helper()
	var s sealed
	if err := json.Unmarshal(body, &s); err != nil {
		t.Fatalf("%s: %v", body, err)
	}
	return s
}

func TestResponseLooksLikeTheOriginals(t *testing.T) {
	t.Parallel()
	body := SealResponse(Head{LogID: 3637968353}, MethodMicroPay, &MicroPayResponse{
		NonceStr:  "SmM10CXPIZLaIY9PIYdVGVgxc58wDRG1",
		PayMchKey: PayMchKey{PayPlatform: 1, OutMchID: "P", OutSubMchID: "A", OutShopID: "S"},
		OrderContent: OrderContent{
			OutTradeNo: "1", TransactionID: "T", TotalFee: 2, NonceStr: "N", CreateTime: 3, LastUpdateTime: 4, TradeType: 1,
			WxpayExt: &WxpayOrderContentExt{CurrentTradeState: WxpayMicroPaid},
		},
	}, testKeys.AuthenKey)
	content := `{"status":0,"description":"\u64CD\u4F5C\u6210\u529F\u3002","log_id":3637968353,"internal_status":0,` +
		`"micro_pay":{"pay_mch_key":{"pay_platform":1,"out_mch_id":"P","out_sub_mch_id":"A","out_shop_id":"S"},` +
		`"order_content":{"out_trade_no":"1","transaction_id":"T","total_fee":2,"nonce_str":"N","create_time":3,` +
		`"last_update_time":4,"is_transforming":false,"trade_type":1,` +
		`"wxpay_order_content_ext":{"current_trade_state":2}},"nonce_str":"SmM10CXPIZLaIY9PIYdVGVgxc58wDRG1"}}`
	quoted, err := json.Marshal(content)
	if err != nil {
		t.Fatal(err)
	}
	want := `{"response_content":` + string(quoted) + `,"authen_info":{"a":{"authen_type":1,"authen_code":"` +
		testKeys.AuthenKey.MAC([]byte(content)) + `"}}}`
	if string(body) != want {
		t.Errorf("SealResponse =\n%s, want\n%s", body, want)
	}
}

// TestR23R26R27R28AuthenInfoByStatus is the table of protocol.md §1.5.
func TestR23R26R27R28AuthenInfoByStatus(t *testing.T) {
	t.Parallel()
	for status, authentic := range map[Status]bool{
		StatusOK: true, StatusInternal: false, StatusBadCall: false,
		StatusNewNumber: true, StatusUnknown: true, StatusRefused: true,
	} {
		for _, body := range []Message{nil, benchOrder()} {
			raw := SealResponse(Head{Status: status, InternalStatus: 9}, MethodMicroPay, body, testKeys.AuthenKey)
			s := unseal(t, raw)
			if authentic {
				want := `{"a":{"authen_type":1,"authen_code":"` + testKeys.AuthenKey.MAC([]byte(s.ResponseContent)) + `"}}`
				if string(s.AuthenInfo) != want {
					t.Errorf("status %d: authen_info %s", status, s.AuthenInfo)
				}
			} else if s.AuthenInfo != nil || strings.Contains(string(raw), "authen_info") {
				t.Errorf("status %d: authen_info %s", status, s.AuthenInfo)
			}
			var content map[string]json.RawMessage
			if err := json.Unmarshal([]byte(s.ResponseContent), &content); err != nil {
				t.Fatal(err)
			}
			for _, name := range []string{"status", "description", "log_id", "internal_status"} {
				if v := string(content[name]); v == "" || v == "null" || v == `""` {
					t.Errorf("status %d: %s is %q", status, name, v)
				}
			}
			if string(content["internal_status"]) != "9" || string(content["log_id"]) == "0" {
				t.Errorf("status %d: %s", status, s.ResponseContent)
			}
			object := string(content["micro_pay"])
			switch {
			case !authentic && object != "":
				t.Errorf("status %d: unauthenticated, but micro_pay is %s", status, object)
			case authentic && !strings.Contains(object, `"nonce_str":"`):
				t.Errorf("status %d: micro_pay is %s", status, object)
			case authentic && (status != StatusOK || body == nil) && strings.Contains(object, "order_content"):
				t.Errorf("status %d: micro_pay is %s", status, object)
			}
		}
	}
}

func TestDescriptionsAreNeverEmptyAndNeverTooLong(t *testing.T) {
	t.Parallel()
	for _, status := range []Status{0, 3, 101, 102, 103, 104, 500} {
		if status.Description() == "" {
			t.Errorf("status %d has no description", status)
		}
	}
	s := unseal(t, SealResponse(Head{Description: strings.Repeat("长", 300)}, MethodReverse, nil, testKeys.AuthenKey))
	var head struct{ Description string }
	if err := json.Unmarshal([]byte(s.ResponseContent), &head); err != nil || head.Description != strings.Repeat("长", 255) {
		t.Errorf("description %q, %v", head.Description, err)
	}
}

// full sets every member to as much as the protocol allows, in characters that
// are escaped.
func full(v reflect.Value, ext string) {
	n := 0
	fill(v, ext, &n)
	var grow func(v reflect.Value)
	grow = func(v reflect.Value) {
		switch v.Kind() { //nolint:exhaustive // the other kinds do not occur in messages
		case reflect.Struct:
			for _, field := range v.Fields() {
				grow(field)
			}
		case reflect.Pointer:
			if !v.IsNil() {
				grow(v.Elem())
			}
		case reflect.Slice:
			for i := range v.Len() {
				grow(v.Index(i))
			}
		case reflect.String:
			v.SetString(strings.Repeat("长", 120))
		case reflect.Int64:
			v.SetInt(MaxFee)
		}
	}
	grow(v)
}

// TestR21ResponsesFitTheBufferOfCClients fills everything to the brim: the answer
// must shrink below 3.5 KB and keep what R23 names.
func TestR21ResponsesFitTheBufferOfCClients(t *testing.T) {
	t.Parallel()
	required := []string{
		"status", "description", "log_id", "internal_status", "pay_platform", "out_trade_no", "total_fee",
	}
	number := strings.Repeat("9", 32)
	ids := func(m *PayMchKey) {
		m.OutMchID, m.OutSubMchID, m.OutShopID = number, number, number
	}
	for _, ext := range []string{"Wxpay", "Alipay"} {
		micro, query, refund, refunds := new(MicroPayResponse), new(QueryOrderResponse), new(RefundResponse), new(QueryRefundOrderResponse)
		for _, m := range []Message{micro, query, refund} {
			full(reflect.ValueOf(m).Elem(), ext)
		}
		for _, o := range []*OrderContent{&micro.OrderContent, &query.OrderContent} {
			o.OutTradeNo, o.TransactionID, o.NonceStr, o.FeeType, o.CodeURL = number, number, number, "CNY", number+number
		}
		r := &refund.RefundOrderContent
		r.OutTradeNo, r.OutRefundNo, r.RefundID, r.NonceStr, r.RefundFeeType = number, number, number, number, "CNY"
		ids(&micro.PayMchKey)
		ids(&query.PayMchKey)
		ids(&refund.PayMchKey)
		micro.NonceStr, query.NonceStr, refund.NonceStr = number, number, number
		refunds.PayMchKey = refund.PayMchKey
		for i := range 50 {
			one := *r
			one.OutRefundNo = fmt.Sprintf("%032d", i)
			refunds.RefundOrderContent = append(refunds.RefundOrderContent, one)
		}
		for method, m := range map[string]Message{
			MethodMicroPay: micro, MethodQueryOrder: query, MethodRefund: refund, MethodQueryRefundOrder: refunds,
		} {
			body := SealResponse(Head{Description: strings.Repeat("长", 60)}, method, m, testKeys.AuthenKey)
			if len(body) > maxTradeResponse {
				t.Errorf("%s with %s has %d bytes", method, ext, len(body))
			}
			for _, name := range required {
				if !strings.Contains(string(body), `\"`+name+`\"`) {
					t.Errorf("%s with %s lost %s", method, ext, name)
				}
			}
			if method == MethodMicroPay && !strings.Contains(string(body), `\"current_trade_state\"`) {
				t.Errorf("%s with %s lost the state", method, ext)
			}
			got := reflect.New(reflect.TypeOf(m).Elem()).Interface().(Message)
			if _, err := OpenResponse(body, method, got, testKeys.AuthenKey); err != nil {
				t.Errorf("%s with %s: %v", method, ext, err)
			}
			if q, ok := got.(*QueryRefundOrderResponse); ok {
				checkNewestRefunds(t, q.RefundOrderContent)
			}
		}
	}
}

// checkNewestRefunds: the list stays in the order of creation (R41), each refund
// keeps what R23 names, and the newest are there.
func checkNewestRefunds(t *testing.T, list []RefundOrderContent) {
	t.Helper()
	if len(list) < 5 {
		t.Errorf("only %d refunds fit", len(list))
	}
	for i, r := range list {
		if want := fmt.Sprintf("%032d", 50-len(list)+i); r.OutRefundNo != want {
			t.Errorf("refund %d is %s, want %s", i, r.OutRefundNo, want)
		}
		if r.OutTradeNo == "" || r.TotalFee == 0 || r.RefundFee == 0 || r.WxpayExt == nil && r.AlipayExt == nil {
			t.Errorf("refund %d lost a required member: %+v", i, r)
		}
	}
}

func TestResponsesThatFitLoseNothing(t *testing.T) {
	t.Parallel()
	m := benchOrder()
	m.NonceStr, m.OrderContent.NonceStr = "a", "b"
	m.OrderContent.Body, m.OrderContent.Remark = strings.Repeat("长", 100), "备注"
	var got MicroPayResponse
	if _, err := OpenResponse(SealResponse(Head{}, MethodMicroPay, m, testKeys.AuthenKey), MethodMicroPay, &got, testKeys.AuthenKey); err != nil {
		t.Fatal(err)
	}
	if !reflect.DeepEqual(&got, m) {
		t.Errorf("got %+v, want %+v", got, m)
	}
	long := &ScanCodePayResponse{CodeURL: strings.Repeat("x", 9000)} // not read into a fixed buffer
	if body := SealResponse(Head{}, MethodScanCodePay, long, testKeys.AuthenKey); len(body) < 9000 {
		t.Errorf("%d bytes", len(body))
	}
	huge := benchOrder() // nothing can be left out; it must still end
	huge.OrderContent.OutTradeNo = strings.Repeat("x", 9000)
	if body := SealResponse(Head{}, MethodMicroPay, huge, testKeys.AuthenKey); len(body) < 9000 {
		t.Errorf("%d bytes", len(body))
	}
}

// respond wraps content as a server would.
func respond(t *testing.T, content string, authentic bool) []byte {
	t.Helper()
	status := StatusBadCall
	if authentic {
		status = StatusOK
	}
	return sealContent([]byte(content), status, testKeys.AuthenKey)
}

func TestOpenResponseVerifies(t *testing.T) {
	t.Parallel()
	const head = `"description":"d","log_id":7,"internal_status":0`
	ok := `{"status":0,` + head + `,"close_order":{"nonce_str":"n"}}`
	for _, tt := range []struct {
		name string
		body []byte
		want error // nil, ErrMalformed, ErrNotAuthentic, or an *Error
	}{
		{"authentic", respond(t, ok, true), nil},
		{"unknown members", respond(t, `{"x":[],`+ok[1:], true), nil},
		{"Internal_status", respond(t, strings.Replace(ok, "internal", "Internal", 1), true), nil},
		{"status as text", respond(t, strings.Replace(ok, `"status":0`, `"status":"0"`, 1), true), nil},
		{"0 without authen_info (R50)", respond(t, ok, false), ErrNotAuthentic},
		{"102 without authen_info", respond(t, `{"status":102,`+head+`}`, false), ErrNotAuthentic},
		{"103 without authen_info", respond(t, `{"status":103,`+head+`}`, false), ErrNotAuthentic},
		{"104 without authen_info", respond(t, `{"status":104,`+head+`}`, false), ErrNotAuthentic},
		{"3", respond(t, `{"status":3,`+head+`}`, false), &Error{Status: 3}},
		{"101", respond(t, `{"status":101,`+head+`}`, false), &Error{Status: 101}},
		{"500", respond(t, `{"status":500,`+head+`}`, false), &Error{Status: 500}},
		{"102", respond(t, `{"status":102,`+head+`,"close_order":{"nonce_str":"n"}}`, true), &Error{Status: 102}},
		{"104", respond(t, `{"status":104,`+head+`}`, true), &Error{Status: 104}},
		{"101 with a wrong code", []byte(strings.Replace(string(respond(t, `{"status":101,`+head+`}`, true)), `_code":"`, `_code":"0`, 1)), ErrNotAuthentic},
		{"changed content", []byte(strings.Replace(string(respond(t, ok, true)), `\"log_id\":7`, `\"log_id\":8`, 1)), ErrNotAuthentic},
		{"lower-case code", []byte(strings.ToLower(string(respond(t, ok, true)))), ErrNotAuthentic},
		{"empty authen_info", []byte(`{"response_content":"{}","authen_info":{}}`), ErrNotAuthentic},
		{"only s", []byte(`{"response_content":"{}","authen_info":{"s":{"sign_type":1,"sign":"x"}}}`), ErrNotAuthentic},
		{"content an object (R26)", []byte(`{"response_content":{"status":0}}`), ErrMalformed},
		{"no content", []byte(`{"status":0}`), ErrMalformed},
		{"no status", respond(t, `{`+head+`,"close_order":{}}`, true), ErrMalformed},
		{"log_id negative", respond(t, strings.Replace(ok, "7", "-7", 1), true), ErrMalformed},
		{"log_id too large", respond(t, strings.Replace(ok, "7", "4294967296", 1), true), ErrMalformed},
		{"no close_order (R28)", respond(t, `{"status":0,`+head+`}`, true), ErrMalformed},
		{"another object", respond(t, `{"status":0,`+head+`,"query_order":{}}`, true), ErrMalformed},
		{"content not JSON", respond(t, `{"status":0`, true), ErrMalformed},
		{"not JSON", []byte("<html>"), ErrMalformed},
		{"too long", []byte(strings.Repeat(" ", MaxBody+1)), ErrMalformed},
	} {
		var m CloseOrderResponse
		got, err := OpenResponse(tt.body, MethodCloseOrder, &m, testKeys.AuthenKey)
		want, isStatus := tt.want.(*Error) //nolint:errorlint // the table holds it unwrapped
		switch {
		case tt.want == nil:
			if err != nil || m.NonceStr != "n" || got.LogID != 7 {
				t.Errorf("%s: %+v, %v", tt.name, got, err)
			}
		case isStatus:
			e, ok := errors.AsType[*Error](err)
			if !ok || e.Status != want.Status || e.LogID != 7 || e.Description != "d" || e.Method != "close_order" {
				t.Errorf("%s: %v", tt.name, err)
			}
		case !errors.Is(err, tt.want):
			t.Errorf("%s: %v, want %v", tt.name, err, tt.want)
		}
	}
}

func TestCallbacksAreReadByTheirKind(t *testing.T) {
	t.Parallel()
	pay := &PayCallback{NonceStr: "n", PayMchKey: PayMchKey{OutSubMchID: "A"}, OrderContent: benchOrder().OrderContent}
	pay.OrderContent.NonceStr = "o"
	refund := &RefundCallback{NonceStr: "n", PayMchKey: pay.PayMchKey, RefundOrderContent: []RefundOrderContent{{OutRefundNo: "1", NonceStr: "r"}}}
	for _, want := range []Message{pay, refund} {
		body, err := SealRequest(want, testKeys, ByMAC)
		if err != nil {
			t.Fatal(err)
		}
		e, err := Open(body, testKeys)
		if err != nil {
			t.Fatal(err)
		}
		if h, err := e.Hint(); err != nil || h.OutSubMchID != "A" {
			t.Errorf("Hint = %+v, %v", h, err)
		}
		got, err := e.Callback()
		if err != nil || !reflect.DeepEqual(got, want) {
			t.Errorf("Callback = %+v, %v, want %+v", got, err, want)
		}
	}
	if !strings.Contains(string(Encode(refund)), `"refund_order_content":[{`) {
		t.Error("refund_order_content of a callback is no list")
	}
	for _, content := range []string{`{}`, `{"refund_order_content":[]}`, `[]`} {
		e, err := Open(enveloped(t, content), testKeys)
		if err != nil {
			t.Fatal(err)
		}
		if got, err := e.Callback(); !errors.Is(err, ErrMalformed) {
			t.Errorf("Callback of %s = %v, %v", content, got, err)
		}
	}
	e, err := ParseRequest(enveloped(t, `{}`))
	if err != nil {
		t.Fatal(err)
	}
	if _, err := e.Callback(); !errors.Is(err, ErrNotAuthentic) {
		t.Errorf("Callback before Verify: %v", err)
	}
}

// TestR47CallbackReplies: receivers answer with a string or an object, with or
// without authen_info; status 0 acknowledges and nothing else does.
func TestR47CallbackReplies(t *testing.T) {
	t.Parallel()
	for body, acknowledged := range map[string]bool{
		string(SealCallbackReply(CallbackReply{}, testKeys.AuthenKey)):                                true,
		string(SealCallbackReply(CallbackReply{Status: 3, Description: "x"}, testKeys.AuthenKey)):     false,
		`{"response_content":"{\"status\":0}"}`:                                                       true,
		`{"response_content":"{\"status\":\"0\"}\n"}` + "\n":                                          true,
		`{"response_content":{"status":0,"description":"ok"}}`:                                        true,
		`{"response_content": {"status": 0} ,"authen_info":{"a":{"authen_type":1,"authen_code":""}}}`: true,
		`{"response_content":{"status":0},"authen_info":null}`:                                        true,
		`{"response_content":{"status":1}}`:                                                           false,
		`{"response_content":{"status":104}}`:                                                         false,
		`{"response_content":{"description":"ok"}}`:                                                   false,
		`{"response_content":{"status":null}}`:                                                        false,
		`{"response_content":"ok"}`:                                                                   false,
		`{"response_content":["status"]}`:                                                             false,
		`{"response_content":{"status":0}`:                                                            false,
		`{"status":0}`:                                                                                false,
		`success`:                                                                                     false,
		``:                                                                                            false,
	} {
		if err := OpenCallbackReply([]byte(body)); (err == nil) != acknowledged {
			t.Errorf("OpenCallbackReply(%s) = %v, want acknowledged %v", body, err, acknowledged)
		}
	}
}

// TestR18PingIsFlatAndShort: devices read it into 256 bytes.
func TestR18PingIsFlatAndShort(t *testing.T) {
	t.Parallel()
	got := string(Encode(&PingResponse{Description: "ok", Timestamp: 1568810077}))
	if want := `{"description":"ok","status":0,"timestamp":1568810077}`; got != want {
		t.Errorf("ping = %s, want %s", got, want)
	}
}

func TestStatuses(t *testing.T) {
	t.Parallel()
	for status, want := range map[Status]struct{ definite, authentic bool }{
		0: {false, true}, 3: {false, false}, 101: {true, false}, 102: {true, true}, 103: {false, true},
		104: {true, true}, 500: {false, false}, 400: {false, false},
	} {
		e := &Error{Method: "m", Status: status, Description: "d"}
		if e.Definite() != want.definite || e.Unknown() == want.definite || e.Retryable() == want.definite {
			t.Errorf("status %d: definite %v, unknown %v, retryable %v", status, e.Definite(), e.Unknown(), e.Retryable())
		}
		if status.Authenticated() != want.authentic {
			t.Errorf("status %d: authenticated %v", status, status.Authenticated())
		}
		if Unknown(fmt.Errorf("wrapped: %w", e)) == want.definite {
			t.Errorf("Unknown(status %d) = %v", status, !want.definite)
		}
	}
	if !(&Error{Status: 104, Internal: 407}).Reentry() || (&Error{Status: 103, Internal: 407}).Reentry() {
		t.Error("Reentry")
	}
	for _, internal := range []int64{400, 426} {
		if !(&Error{Status: 104, Internal: internal}).NotFound() || (&Error{Status: 3, Internal: internal}).NotFound() {
			t.Errorf("NotFound %d", internal)
		}
	}
	for err, want := range map[error]bool{
		&TransportError{Method: "m", Err: ErrMalformed}:                                true,
		&TransportError{Method: "m", Domain: "d", Err: &FieldError{Err: ErrMalformed}}: true,
		&FieldError{Field: "f"}: false,
		errors.New("other"):     true,
	} {
		if got := Unknown(err); got != want {
			t.Errorf("Unknown(%v) = %v, want %v", err, got, want)
		}
		if err.Error() == "" {
			t.Errorf("%T says nothing", err)
		}
	}
	if Unknown(nil) {
		t.Error("Unknown(nil)")
	}
}
