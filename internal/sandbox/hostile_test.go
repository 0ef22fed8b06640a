package sandbox_test

import (
	"fmt"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"testing"

	"cloudpay/internal/sandbox"
)

func TestHostileXMLIsRefused(t *testing.T) {
	t.Parallel()
	b := newBench(t, nil)
	many := strings.Repeat("<a%d>x</a%d>", 1)
	var hundred strings.Builder
	for i := range 101 {
		fmt.Fprintf(&hundred, many, i, i)
	}
	good := v2XML(b.wxSigned(payValues(b.no(), b.code(sandbox.WeChat, ""), 1), false))
	tests := map[string]struct{ body, want string }{
		"nothing":             {"", "post数据为空"},
		"white space":         {" \r\n", "post数据为空"},
		"not XML":             {"total_fee=1", "XML格式错误"},
		"cut off":             {good[:strings.LastIndexByte(good, '<')], "XML格式错误"}, // not within a character
		"twice":               {good + good, "XML格式错误"},
		"another root":        {"<order><a>1</a></order>", "XML格式错误"},
		"nested":              {"<xml><a><b>1</b></a></xml>", "XML格式错误"},
		"an element twice":    {"<xml><mch_id>1</mch_id><mch_id>2</mch_id></xml>", "XML格式错误"},
		"a hundred and one":   {"<xml>" + hundred.String() + "</xml>", "XML格式错误"},
		"text between":        {"<xml>x<a>1</a></xml>", "XML格式错误"},
		"a document type":     {`<!DOCTYPE xml [<!ENTITY a "aaaaaaaa"><!ENTITY b "&a;&a;&a;&a;">]><xml><body>&b;</body></xml>`, "XML格式错误"},
		"an external entity":  {`<!DOCTYPE xml [<!ENTITY a SYSTEM "file:///etc/passwd">]><xml><body>&a;</body></xml>`, "XML格式错误"},
		"an unknown entity":   {"<xml><body>&a;</body></xml>", "XML格式错误"},
		"another encoding":    {`<?xml version="1.0" encoding="GBK"?><xml><a>1</a></xml>`, "XML格式错误"},
		"not UTF-8":           {"<xml><body>\xff\xfe</body></xml>", "编码格式错误，请使用UTF-8"},
		"a namespace":         {`<xml xmlns:q="u"><q:mch_id>1</q:mch_id></xml>`, "XML格式错误"},
		"a megabyte":          {"<xml><body>" + strings.Repeat("x", 1<<20) + "</body></xml>", "请求报文过大或不完整"},
		"a deep well":         {"<xml>" + strings.Repeat("<a>", 5000), "XML格式错误"},
		"an empty merchant":   {"<xml><mch_id></mch_id></xml>", "mch_id不存在"},
		"only the right root": {"<xml></xml>", "mch_id不存在"},
	}
	for name, tt := range tests {
		status, _, raw, err := b.post(b.client(0), "/pay/micropay", "text/xml", tt.body, nil)
		if err != nil {
			t.Errorf("%s: %v", name, err)
			continue
		}
		out, err := v2Parse(raw)
		if status != http.StatusOK || err != nil || out["return_code"] != "FAIL" || out["return_msg"] != tt.want {
			t.Errorf("%s = %d %s, want FAIL %s", name, status, raw, tt.want)
		}
	}
	rec := httptest.NewRecorder()
	b.Wallet().ServeHTTP(rec, httptest.NewRequestWithContext(t.Context(), http.MethodGet, "/pay/micropay", nil))
	if out, err := v2Parse(rec.Body.Bytes()); err != nil || out["return_msg"] != "请使用POST方法" {
		t.Errorf("GET = %s", rec.Body)
	}
	if status, _, _, err := b.post(b.client(0), "/pay/unknown", "text/xml", good, nil); err != nil || status != http.StatusNotFound {
		t.Errorf("an unknown path = %d, %v, want 404", status, err)
	}
	if got := b.totals().Charges; got != 0 {
		t.Errorf("%d charges by hostile calls", got)
	}
}

func TestAnswersSurviveHostileValues(t *testing.T) {
	t.Parallel()
	b := newBench(t, nil)
	no := b.no()
	values := payValues(no, b.code(sandbox.WeChat, ""), 1)
	values["attach"] = `]]><sign>x</sign><!-- & "quotes" 你好`
	if got, out := b.wx("/pay/micropay", values); got != "SUCCESS" || out["attach"] != values["attach"] {
		t.Errorf("micropay = %s, attach %q, want %q back", got, out["attach"], values["attach"])
	}
	if got, _ := b.wx("/pay/orderquery", kv{"out_trade_no": "' OR 1=1 --"}); got != "ORDERNOTEXIST" {
		t.Errorf("orderquery of a hostile number = %s", got)
	}
	if got, _ := b.wx("/secapi/pay/reverse", kv{"out_trade_no": "' OR 1=1 --"}); got != "ORDERNOTEXIST" {
		t.Errorf("reverse of a hostile number = %s, want ORDERNOTEXIST without a tombstone", got)
	}
	ali := `"}],/` + "\u2028" + ` 你好`
	if got, out := b.ali("alipay.trade.cancel", kv{"out_trade_no": ali}); got != "10000" || out["out_trade_no"] != ali {
		t.Errorf("cancel = %s %v, want %q back", got, out, ali)
	}
}

func TestHostileFormsAreRefused(t *testing.T) {
	t.Parallel()
	b := newBench(t, nil)
	good := b.aliParams("alipay.trade.query", kv{"out_trade_no": "X"}, nil)
	var many strings.Builder
	for i := range 101 {
		fmt.Fprintf(&many, "p%d=1&", i)
	}
	for name, body := range map[string]string{
		"a bad escape":         "method=alipay.trade.query&biz_content=%zz",
		"two different values": good.Encode() + "&app_id=other",
		"too many parameters":  many.String(),
		"a megabyte":           "biz_content=" + strings.Repeat("x", 1<<20),
		"semicolons":           "a;b",
	} {
		status, _, raw, err := b.post(b.client(-1), "/gateway.do", "application/x-www-form-urlencoded", body, nil)
		if err != nil || status != http.StatusOK || !strings.Contains(string(raw), "isv.invalid-parameter") || strings.Contains(string(raw), `"sign"`) {
			t.Errorf("%s = %d %s, %v, want isv.invalid-parameter, unsigned", name, status, raw, err)
		}
	}
	nested := strings.Repeat("[", 20000)
	form := b.aliParams("alipay.trade.query", nil, kv{"biz_content": `{"x":` + nested})
	if _, _, raw, err := b.post(b.client(-1), "/gateway.do", "application/x-www-form-urlencoded", form.Encode(), nil); err != nil ||
		!strings.Contains(string(raw), "isv.invalid-parameter") {
		t.Errorf("deeply nested content = %s, %v", raw, err)
	}
	empty := url.Values{}
	if _, _, raw, err := b.post(b.client(-1), "/gateway.do", "application/x-www-form-urlencoded", empty.Encode(), nil); err != nil ||
		!strings.Contains(string(raw), `"error_response"`) || !strings.Contains(string(raw), "isv.missing-method") {
		t.Errorf("an empty form = %s, %v", raw, err)
	}
	rec := httptest.NewRecorder()
	b.Wallet().ServeHTTP(rec, httptest.NewRequestWithContext(t.Context(), http.MethodPut, "/gateway.do", nil))
	if rec.Code != http.StatusMethodNotAllowed {
		t.Errorf("PUT = %d, want 405", rec.Code)
	}
}
