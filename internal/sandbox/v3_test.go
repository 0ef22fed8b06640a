package sandbox_test

import (
	"encoding/json"
	"net/http"
	"slices"
	"strings"
	"testing"
	"time"

	"cloudpay/internal/sandbox"
)

// Paths of calls that many tests make.
const (
	v3Transactions = "/v3/pay/partner/transactions/"
	v3Refunds      = "/v3/refund/domestic/refunds"
)

// TestV3ProbesAreAnsweredAsTheRealHostAnswersThem repeats the published probes
// of upstreams.md §3.1: none of their answers carries a Wechatpay header.
func TestV3ProbesAreAnsweredAsTheRealHostAnswersThem(t *testing.T) {
	t.Parallel()
	b := newBench(t, nil)
	bare := func(name string) http.Header { return http.Header{name: nil} }
	noAgent := http.Header{"User-Agent": {""}}
	tests := map[string]struct {
		call   v3Call
		status int
		code   string
	}{
		"no Authorization":                 {v3Call{method: "GET", path: "/v3/certificates", header: bare("Authorization")}, 401, "SIGN_ERROR"},
		"no Authorization, codepay":        {v3Call{method: "POST", path: v3Transactions + "codepay", body: "{}", header: bare("Authorization")}, 401, "SIGN_ERROR"},
		"no User-Agent, certificates":      {v3Call{method: "GET", path: "/v3/certificates", header: noAgent}, 400, "INVALID_REQUEST"},
		"no Accept, certificates":          {v3Call{method: "GET", path: "/v3/certificates", header: bare("Accept")}, 400, "INVALID_REQUEST"},
		"no User-Agent, refund":            {v3Call{method: "POST", path: v3Refunds, body: "{}", header: noAgent}, 400, "INVALID_REQUEST"},
		"no Accept, refund query":          {v3Call{method: "GET", path: v3Refunds + "/R1?sub_mchid=1", header: bare("Accept")}, 400, "INVALID_REQUEST"},
		"no User-Agent, codepay":           {v3Call{method: "POST", path: v3Transactions + "codepay", body: "{}", header: noAgent}, 400, "PARAM_ERROR"},
		"wrong method":                     {v3Call{method: "DELETE", path: "/v3/certificates"}, 405, ""},
		"wrong method without credentials": {v3Call{method: "GET", path: v3Transactions + "codepay", header: bare("Authorization")}, 405, ""},
		"unknown path":                     {v3Call{method: "GET", path: "/v3/nothing"}, 404, ""},
		"a path of the overseas flavour":   {v3Call{method: "POST", path: "/v3/global/transactions/native", body: "{}"}, 404, ""},
		"a doubled slash":                  {v3Call{method: "GET", path: "/v3//certificates"}, 404, ""},
		"a dotted path":                    {v3Call{method: "GET", path: "/v3/x/../certificates"}, 404, ""},
	}
	for name, tt := range tests {
		got := b.v3(t, tt.call)
		if got.status != tt.status || got.code != tt.code || tt.code == "" && len(got.raw) > 0 {
			t.Errorf("%s = %d %q, want %d %s", name, got.status, got.raw, tt.status, tt.code)
		}
		for header := range got.header {
			if strings.HasPrefix(header, "Wechatpay-") {
				t.Errorf("%s: the answer has %s", name, header)
			}
		}
	}
}

// TestV3OnlyTrulySignedCallsAreAuthentic changes one thing about a good call at
// a time.
func TestV3OnlyTrulySignedCallsAreAuthentic(t *testing.T) {
	t.Parallel()
	b := newBench(t, nil)
	w := b.Accounts().Providers
	auth := func(value string) http.Header { return http.Header{"Authorization": {value}} }
	good := v3Call{method: "POST", path: "/v3/security/echo", body: obj{"hello": "世界 <&>", "n": 1}}
	if got := b.v3(t, good); got.status != 200 || !got.verified || got.body["hello"] != "世界 <&>" {
		t.Fatalf("echo = %d %s, verified %v", got.status, got.raw, got.verified)
	}
	tests := map[string]func(*v3Call){
		"another body than signed":  func(c *v3Call) { c.signed = `{"hello":1}` },
		"another path than signed":  func(c *v3Call) { c.signature, c.path = "", "/v3/security/echo?x=1"; c.signed = "x" },
		"not base64":                func(c *v3Call) { c.signature = "***" },
		"another's signature":       func(c *v3Call) { c.signature = rsaSign(t, w[1].WeChat.ClientKeyPEM, "x") },
		"another scheme":            func(c *v3Call) { c.scheme = "WECHATPAY2-SM2-WITH-SM3" },
		"an unknown merchant":       func(c *v3Call) { c.mchID = "1999999999" },
		"another merchant":          func(c *v3Call) { c.mchID = w[1].WeChat.MchID },
		"another serial":            func(c *v3Call) { c.serialNo = w[1].WeChat.SerialNo },
		"five minutes and a second": func(c *v3Call) { c.at = noon.Add(-5*time.Minute - time.Second) },
		"in the future":             func(c *v3Call) { c.at = noon.Add(5*time.Minute + time.Second) },
		"no members":                func(c *v3Call) { c.header = auth("WECHATPAY2-SHA256-RSA2048 ") },
		"a member twice":            func(c *v3Call) { c.header = auth(`WECHATPAY2-SHA256-RSA2048 mchid="1",mchid="1"`) },
		"not quoted":                func(c *v3Call) { c.header = auth(`WECHATPAY2-SHA256-RSA2048 mchid=1,nonce_str=2`) },
		"a bearer token":            func(c *v3Call) { c.header = auth("Bearer x") },
	}
	for name, change := range tests {
		c := good
		change(&c)
		if got := b.v3(t, c); got.status != 401 || got.code != "SIGN_ERROR" || got.body["message"] == "" {
			t.Errorf("%s = %d %s, want 401 SIGN_ERROR", name, got.status, got.raw)
		}
	}
	for name, at := range map[string]time.Time{"five minutes ago": noon.Add(-5 * time.Minute), "in five minutes": noon.Add(5 * time.Minute)} {
		c := good
		if c.at = at; b.v3(t, c).status != 200 {
			t.Errorf("%s is refused", name)
		}
	}
	lower := good
	lower.serialNo = strings.ToLower(w[0].WeChat.SerialNo)
	if got := b.v3(t, lower); got.status != 200 {
		t.Errorf("a serial in lower case = %d %s", got.status, got.raw)
	}
}

// TestV3FieldsAreNamedInTheirRefusal checks PARAM_ERROR with its detail, and
// the permissions that come after the fields.
func TestV3FieldsAreNamedInTheirRefusal(t *testing.T) {
	t.Parallel()
	b := newBench(t, nil)
	others := b.Accounts().Providers[1].WeChat
	native := func(change func(obj)) v3Answered {
		body := v3NativeBody(b, b.no(), 1, "http://127.0.0.1/n")
		change(body)
		return b.v3Post(t, v3Transactions+"native", body)
	}
	for name, tt := range map[string]struct {
		change func(obj)
		field  string
	}{
		"no description":         {func(o obj) { delete(o, "description") }, "/description"},
		"a long description":     {func(o obj) { o["description"] = strings.Repeat("长", 128) }, "/description"},
		"no amount":              {func(o obj) { delete(o, "amount") }, "/amount"},
		"an amount of zero":      {func(o obj) { o["amount"] = obj{"total": 0} }, "/amount/total"},
		"a negative amount":      {func(o obj) { o["amount"] = obj{"total": -1} }, "/amount/total"},
		"a fraction":             {func(o obj) { o["amount"] = obj{"total": 1.5} }, "/amount/total"},
		"an amount as text":      {func(o obj) { o["amount"] = obj{"total": "1"} }, "/amount/total"},
		"dollars":                {func(o obj) { o["amount"] = obj{"total": 1, "currency": "USD"} }, "/amount/currency"},
		"a short number":         {func(o obj) { o["out_trade_no"] = "12345" }, "/out_trade_no"},
		"a long number":          {func(o obj) { o["out_trade_no"] = strings.Repeat("1", 33) }, "/out_trade_no"},
		"a bar in the number":    {func(o obj) { o["out_trade_no"] = "123456|7" }, "/out_trade_no"},
		"a number that is none":  {func(o obj) { o["out_trade_no"] = 1234567 }, "/out_trade_no"},
		"no notify_url":          {func(o obj) { o["notify_url"] = "" }, "/notify_url"},
		"a notify_url with ?":    {func(o obj) { o["notify_url"] = "https://x.example/n?a=1" }, "/notify_url"},
		"an expiry that is none": {func(o obj) { o["time_expire"] = "20261120" }, "/time_expire"},
		"an expiry in the past":  {func(o obj) { o["time_expire"] = noon.Add(-time.Second).Format(time.RFC3339) }, "/time_expire"},
		"no sub_mchid":           {func(o obj) { delete(o, "sub_mchid") }, "/sub_mchid"},
	} {
		got := native(tt.change)
		detail, _ := got.body["detail"].(obj)
		if got.status != 400 || got.code != "PARAM_ERROR" || detail["field"] != tt.field || detail["location"] != "body" || detail["issue"] == "" {
			t.Errorf("%s = %d %s, want PARAM_ERROR of %s", name, got.status, got.raw, tt.field)
		}
	}
	for name, tt := range map[string]struct {
		change func(obj)
		status int
		code   string
	}{
		"another sp_mchid":    {func(o obj) { o["sp_mchid"] = others.MchID }, 403, "NO_AUTH"},
		"another sp_appid":    {func(o obj) { o["sp_appid"] = others.AppID }, 400, "APPID_MCHID_NOT_MATCH"},
		"another's shop":      {func(o obj) { o["sub_mchid"] = others.Merchants[0].SubMchID }, 403, "NO_AUTH"},
		"nobody's shop":       {func(o obj) { o["sub_mchid"] = "1999999999" }, 400, "MCH_NOT_EXISTS"},
		"another's sub_appid": {func(o obj) { o["sub_appid"] = others.Merchants[0].SubAppID }, 400, "APPID_MCHID_NOT_MATCH"},
		"everything is right": {func(obj) {}, 200, ""},
		"with an own sub_appid": {func(o obj) {
			o["sub_appid"] = b.Accounts().Providers[0].WeChat.Merchants[0].MobAppID
		}, 200, ""},
	} {
		if got := native(tt.change); got.status != tt.status || got.code != tt.code {
			t.Errorf("%s = %d %s, want %d %s", name, got.status, got.raw, tt.status, tt.code)
		}
	}
	for name, body := range map[string]string{"a list": "[]", "cut": `{"a":`, "two": "{}{}", "not UTF-8": "{\"a\":\"\xff\"}", "a text": `"x"`, "null": "null"} {
		if got := b.v3Post(t, v3Transactions+"native", body); got.status != 400 || got.code != "PARAM_ERROR" {
			t.Errorf("%s as a body = %d %s, want PARAM_ERROR", name, got.status, got.raw)
		}
	}
	form := v3Call{method: "POST", path: v3Transactions + "native", body: "{}", header: http.Header{"Content-Type": {"text/plain"}}}
	if got := b.v3(t, form); got.code != "PARAM_ERROR" {
		t.Errorf("a body of another type = %d %s", got.status, got.raw)
	}
	if got := b.v3Post(t, v3Transactions+"native", `{"x":"`+strings.Repeat("x", 70_000)+`"}`); got.status != 400 || got.code != "INVALID_REQUEST" {
		t.Errorf("a body of 70,000 bytes = %d %s", got.status, got.raw)
	}
	if got := b.v3Post(t, v3Refunds, obj{
		"sub_mchid": "1999999999", "out_trade_no": "X", "out_refund_no": "R", "amount": obj{"refund": 1, "total": 1, "currency": "CNY"},
	}); got.status != 404 || got.code != "MCH_NOT_EXISTS" {
		t.Errorf("a refund for nobody's shop = %d %s, want 404 MCH_NOT_EXISTS", got.status, got.raw)
	}
}

// TestEveryListedWeChatV3CodeCanBeAnswered drives each row of the table the
// adapter classifies by, with the status of its row.
func TestEveryListedWeChatV3CodeCanBeAnswered(t *testing.T) {
	t.Parallel()
	b := newBench(t, nil)
	partner := b.v3Partner()
	query := "?sp_mchid=" + partner["sp_mchid"].(string) + "&sub_mchid=" + partner["sub_mchid"].(string)
	calls := map[string]v3Call{
		"common":  {method: "POST", path: v3Transactions + "codepay", body: obj{}},
		"codepay": {method: "POST", path: v3Transactions + "codepay", body: obj{}},
		"create":  {method: "POST", path: v3Transactions + "native", body: obj{}},
		"query":   {method: "GET", path: v3Transactions + "out-trade-no/X" + query},
		"reverse": {method: "POST", path: v3Transactions + "out-trade-no/X/reverse", body: partner},
		"close":   {method: "POST", path: v3Transactions + "out-trade-no/X/close", body: partner},
		"refund":  {method: "POST", path: v3Refunds, body: obj{}},

		"refund_query": {method: "GET", path: v3Refunds + "/X" + query},
		"certificates": {method: "GET", path: "/v3/certificates"},
	}
	var table struct {
		Calls map[string]struct {
			Codes []struct {
				Code string
				HTTP json.RawMessage
			}
			States json.RawMessage // a text where another call's apply
		}
	}
	readJSON(t, "upstream-codes-wechat-v3.json", &table)
	endpoints := map[string]string{"common": "codepay", "create": "native", "refund_query": "refundquery"}
	rows := 0
	for name, call := range table.Calls {
		if _, played := calls[name]; !played {
			if len(call.Codes) > 0 && !strings.Contains(name, "bill") {
				t.Errorf("nothing plays the call %s", name)
			}
			continue
		}
		endpoint := name
		if endpoints[name] != "" {
			endpoint = endpoints[name]
		}
		for _, row := range call.Codes {
			for _, status := range statuses(t, row.HTTP) {
				b.fault(sandbox.Fault{
					Scenario: "answer_code", Channel: sandbox.WeChat, Endpoint: endpoint, Count: 1, Params: sandbox.Params{Code: row.Code, Status: status.asked},
				})
				got := b.v3(t, calls[name])
				if got.code != row.Code || status.want > 0 && int64(got.status) != status.want || got.status/100 == 2 != got.verified {
					t.Errorf("%s %s = %d %s, verified %v, want status %d", name, row.Code, got.status, got.raw, got.verified, status.want)
				}
				rows++
			}
		}
		var states []struct {
			TradeState string `json:"trade_state"`
		}
		if name == "query" { // those of refunds are played by their faults
			if err := json.Unmarshal(call.States, &states); err != nil {
				t.Fatal(err)
			}
		}
		for _, row := range states {
			b.fault(sandbox.Fault{Scenario: "answer_state", Channel: sandbox.WeChat, Endpoint: endpoint, Count: 1, Params: sandbox.Params{State: row.TradeState}})
			if got := b.v3(t, calls[name]); got.status != 200 || !got.verified || got.body["trade_state"] != row.TradeState {
				t.Errorf("%s = %d %s, want %s", name, got.status, got.raw, row.TradeState)
			}
			rows++
		}
	}
	t.Logf("%d rows answered", rows)
	if rows < 60 {
		t.Errorf("only %d rows were found in the table", rows)
	}
}

// rowStatus is a status a row lists: whether it must be asked for, and what is
// wanted; 0 is whatever comes.
type rowStatus struct{ asked, want int64 }

// statuses reads the http member of a row: absent, a number or a list. Of a
// list only the statuses that do not come by themselves are asked for.
func statuses(t *testing.T, raw json.RawMessage) []rowStatus {
	t.Helper()
	var one int64
	var many []int64
	switch {
	case len(raw) == 0:
		return []rowStatus{{}}
	case json.Unmarshal(raw, &one) == nil:
		return []rowStatus{{want: one}}
	case json.Unmarshal(raw, &many) == nil:
		out := []rowStatus{}
		for _, status := range many {
			out = append(out, rowStatus{asked: status, want: status})
		}
		return out
	}
	t.Fatalf("http = %s", raw)
	return nil
}

// TestV3NegativeTestHeader asks for cases by the official header.
func TestV3NegativeTestHeader(t *testing.T) {
	t.Parallel()
	b := newBench(t, nil)
	for name, want := range map[string]struct {
		status int
		code   string
	}{
		"MICROPAY_USERPAYING":     {202, ""},
		"MICROPAY_SYSTEMERROR":    {500, "SYSTEM_ERROR"},
		"MICROPAY_NOTENOUGH":      {403, "NOT_ENOUGH"},
		"MICROPAY_AUTHCODEEXPIRE": {400, "AUTHCODEEXPIRE"},
		"MICROPAY_BANKERROR":      {500, "BANK_ERROR"},
		"MICROPAY_ORDERPAID":      {400, "ORDERPAID"},
		"MICROPAY_ORDERCLOSED":    {400, "ORDER_CLOSED"},
		"MICROPAY_ORDERREVERSED":  {400, "ORDERREVERSED"},
	} {
		got := b.v3(t, v3Call{
			method: "POST", path: v3Transactions + "codepay", body: codepayBody(b, b.no(), b.code(sandbox.WeChat, ""), 1),
			header: http.Header{"Wechatpay-Negative-Test": {name}},
		})
		if got.status != want.status || got.code != want.code {
			t.Errorf("%s = %d %s, want %d %s", name, got.status, got.raw, want.status, want.code)
		}
	}
}

// TestV3Faults plays what befalls calls of both interfaces on an APIv3 call.
func TestV3Faults(t *testing.T) {
	t.Parallel()
	b := newBench(t, nil)
	pay := func(f sandbox.Fault) (no string, got v3Answered, err error) {
		t.Helper()
		f.Channel, f.Count = sandbox.WeChat, 1
		b.fault(f)
		no = b.no()
		got, err = b.v3Do(t, v3Call{method: "POST", path: v3Transactions + "codepay", body: codepayBody(b, no, b.code(sandbox.WeChat, ""), 100)})
		return no, got, err
	}
	for name, tt := range map[string]struct {
		status  int
		code    string
		charged sandbox.Fen
	}{
		"syserr_committed":   {500, "SYSTEM_ERROR", 100},
		"syserr_uncommitted": {500, "SYSTEM_ERROR", -1},
		"rate_limit":         {429, "FREQUENCY_LIMITED", -1},
		"bankerr":            {500, "BANK_ERROR", 100},
		"duplicate":          {400, "ORDERPAID", 100},
		"http502_html":       {502, "", 100},
		"empty_body":         {200, "", 100},
		"bad_json":           {200, "", 100},
		"bad_sign":           {200, "", 100},
		"unsigned_2xx":       {200, "", 100},
		"wrong_serial":       {200, "", 100},
		"tamper":             {200, "", 100},
		"force_password":     {202, "", 0},
	} {
		no, got, err := pay(sandbox.Fault{Scenario: name})
		if err != nil || got.status != tt.status || got.code != tt.code || got.verified != (name == "force_password") {
			t.Errorf("%s = %d %s, verified %v, %v; want %d %s", name, got.status, got.raw, got.verified, err, tt.status, tt.code)
		}
		if list, err := b.Trades(t.Context(), no); err != nil || tt.charged < 0 && len(list) != 0 || tt.charged >= 0 && (len(list) != 1 || list[0].Charged != tt.charged) {
			t.Errorf("%s left %+v, %v; want %d fen charged", name, list, err, tt.charged)
		}
	}
	if no, got, err := pay(sandbox.Fault{Scenario: "duplicate", Params: sandbox.Params{Committed: new(false)}}); err != nil || got.code != "ORDERPAID" || b.v3State(t, no) != "CLOSED" {
		t.Errorf("a number that is used = %s, %v, and its order is %s", got.raw, err, b.v3State(t, no))
	}
	for _, name := range []string{"drop_before", "drop_after", "truncated_body"} {
		if _, _, err := pay(sandbox.Fault{Scenario: name}); !isCut(err) {
			t.Errorf("%s: %v, want a cut connection", name, err)
		}
	}
	no, got, err := pay(sandbox.Fault{Scenario: "payerror_but_charged"})
	if err != nil || got.status != 202 || b.v3State(t, no) != "PAYERROR" {
		t.Errorf("payerror_but_charged = %d %s, %v, then %s", got.status, got.raw, err, b.v3State(t, no))
	}
	if no, got, err = pay(sandbox.Fault{Scenario: "slow_state"}); err != nil || got.status != 200 || b.v3State(t, no) != "USERPAYING" {
		t.Errorf("slow_state = %d %s, %v, then %s", got.status, got.raw, err, b.v3State(t, no))
	}
	b.fault(sandbox.Fault{Scenario: "reverse_recall", Channel: sandbox.WeChat, Params: sandbox.Params{N: 2}})
	for _, want := range []int{500, 500, 200} {
		if got := b.v3Post(t, v3Transactions+"out-trade-no/"+no+"/reverse", b.v3Partner()); got.status != want {
			t.Errorf("reverse under reverse_recall = %d %s, want %d", got.status, got.raw, want)
		}
	}
	b.fault(sandbox.Fault{Scenario: "coupon", Channel: sandbox.WeChat, Count: 1, Params: sandbox.Params{AmountFen: 30, Coupons: 2}})
	paid := b.v3Pay(t, b.no(), 100)
	list, _ := paid.body["promotion_detail"].([]any)
	if amount := paid.body["amount"].(obj); amount["payer_total"] != 70.0 || len(list) != 2 || list[0].(obj)["wechatpay_contribute"] != 15.0 {
		t.Errorf("codepay with coupons = %s", paid.raw)
	}
}

// TestV3LogTellsTheVerdict looks at the log of requests after good and bad
// calls.
func TestV3LogTellsTheVerdict(t *testing.T) {
	t.Parallel()
	b := newBench(t, nil)
	echo := v3Call{method: "POST", path: "/v3/security/echo", body: obj{"out_trade_no": "LOG1"}}
	b.v3(t, echo)
	echo.signed = "x"
	b.v3(t, echo)
	echo.header = http.Header{"Authorization": {"Bearer x"}}
	b.v3(t, echo)
	var results []string
	for _, x := range b.Requests("", sandbox.WeChat, 10) {
		if x.URL == echo.path {
			results = append(results, x.Verdict.Result)
		}
	}
	if want := []string{"unchecked", "bad", "good"}; !slices.Equal(results, want) {
		t.Errorf("verdicts, newest first = %v, want %v", results, want)
	}
}
