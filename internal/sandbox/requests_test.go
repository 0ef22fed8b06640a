package sandbox_test

import (
	"encoding/json"
	"io"
	"net/http"
	"net/http/httptest"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"cloudpay/internal/sandbox"
)

// newest returns the newest exchange about an order, in full.
func (b *bench) newest(no string) sandbox.Exchange {
	b.t.Helper()
	list := b.Requests(no, "", 1)
	if len(list) != 1 {
		b.t.Fatalf("nothing is logged of %q", no)
	}
	x, err := b.Request(list[0].ID)
	if err != nil {
		b.t.Fatal(err)
	}
	return x
}

func (b *bench) page(path string) (int, http.Header, string) {
	b.t.Helper()
	res, err := http.Get(b.control.URL + path)
	if err != nil {
		b.t.Fatal(err)
	}
	defer res.Body.Close()
	raw, err := io.ReadAll(res.Body)
	if err != nil {
		b.t.Fatal(err)
	}
	return res.StatusCode, res.Header, string(raw)
}

func TestEveryCallIsLoggedWithItsVerdict(t *testing.T) {
	t.Parallel()
	b := newBench(t, nil)
	w := b.Accounts().Providers[0].WeChat
	wrong := func(sign func(string) string) sandbox.Exchange {
		no := b.no()
		values := b.wxSigned(kv{"out_trade_no": no}, false)
		values["sign"] = sign(values["sign"])
		if _, _, _, err := b.post(b.client(-1), "/pay/orderquery", "text/xml", v2XML(values), nil); err != nil {
			t.Fatal(err)
		}
		return b.newest(no)
	}
	good := b.no()
	if code, _ := b.wxPay(good, b.code(sandbox.WeChat, ""), 100); code != "SUCCESS" {
		t.Fatalf("micropay = %s", code)
	}
	ali := b.no()
	if code, _ := b.aliPay(ali, b.code(sandbox.Alipay, ""), "1.00"); code != "10000" {
		t.Fatalf("pay = %s", code)
	}
	badAli := b.no()
	form := b.aliParams("alipay.trade.query", kv{"out_trade_no": badAli}, kv{"sign": b.rsaSign(b.Accounts().Providers[0].Alipay.AppPrivateKeyPEM, "another text")})
	if _, _, _, err := b.post(b.client(-1), "/gateway.do", "application/x-www-form-urlencoded", form.Encode(), nil); err != nil {
		t.Fatal(err)
	}
	if _, _, _, err := b.post(b.client(-1), "/pay/orderquery", "text/xml", "<xml><out_trade_no>BROKEN</out_trade_no>", nil); err != nil {
		t.Fatal(err)
	}
	for name, c := range map[string]struct {
		got          sandbox.Exchange
		result, why  string
		signed, sent string
	}{
		"v2 good":      {b.newest(good), "good", "", "appid=" + w.AppID + "&auth_code=1", "result_code"},
		"v2 lowercase": {wrong(strings.ToLower), "bad", "upper-case", "&key=***", "签名错误"},
		"v2 wrong":     {wrong(func(s string) string { return strings.Repeat("A", len(s)) }), "bad", "is not the MD5", "&key=***", "签名错误"},
		"v2 missing":   {wrong(func(string) string { return "" }), "bad", "missing", "&key=***", "签名错误"},
		"v2 broken":    {b.newest("BROKEN"), "unchecked", "XML", "", "XML格式错误"},
		"alipay good":  {b.newest(ali), "good", "", "app_auth_token=***&app_id=", `"code":"10000"`},
		"alipay wrong": {b.newest(badAli), "bad", "public key", "app_auth_token=***&app_id=", "isv.invalid-signature"},
	} {
		x := c.got
		if x.Verdict.Result != c.result || !strings.Contains(x.Verdict.Why, c.why) || c.why == "" && x.Verdict.Why != "" {
			t.Errorf("%s: verdict %+v, want %s because of %q", name, x.Verdict, c.result, c.why)
		}
		if !strings.Contains(x.Request.Signed, c.signed) || !strings.Contains(x.Answer.Body, c.sent) || x.Status != 200 || len(x.Request.Header) == 0 {
			t.Errorf("%s: %+v\n%+v\n%+v", name, x, x.Request, x.Answer)
		}
	}
	if x := b.newest(good); !strings.HasSuffix(x.Answer.Signed, "&key=***") || x.Endpoint != "pay" || x.URL != "/pay/micropay" {
		t.Errorf("answer signed over %q of %+v", x.Answer.Signed, x)
	}
	if x := b.newest(ali); !strings.Contains(x.Answer.Body, x.Answer.Signed) || x.Answer.Signed == "" {
		t.Errorf("the signed text %q is not in the answer", x.Answer.Signed)
	}
}

func TestLogTellsFaultsAndCutConnections(t *testing.T) {
	t.Parallel()
	b := newBench(t, nil)
	no := b.no()
	b.fault(sandbox.Fault{Scenario: "drop_after", Count: 1})
	if _, err := b.wxCall("/pay/micropay", payValues(no, b.code(sandbox.WeChat, ""), 100)); err == nil {
		t.Fatal("the answer was not lost")
	}
	x := b.newest(no)
	if diff := cmp.Diff([]string{"drop_after"}, x.Faults); diff != "" || !x.Cut || x.Status != 0 || x.Verdict.Result != "good" || x.Answer.Signed == "" {
		t.Errorf("exchange %+v %s", x, diff)
	}
}

func TestLogTellsNoticesAndTheirAnswers(t *testing.T) {
	t.Parallel()
	b, box := newInbox(t, wxAck)
	no := b.no()
	b.pays("anna", b.native(no, 100))
	x := b.newest(no)
	if x.Kind != "notice" || x.Verdict.Result != "taken" || x.URL != notifyURL || x.Status != 200 || x.Answer.Body != wxAck ||
		!strings.HasSuffix(x.Request.Signed, "&key=***") || !strings.Contains(x.Request.Body, no) {
		t.Errorf("notice %+v\n%+v", x, x.Request)
	}
	no = b.no()
	box.answers(http.StatusInternalServerError, "broken")
	b.fault(sandbox.Fault{Scenario: "notify_dup", Count: 1})
	b.pays("anna", b.native(no, 100))
	list := b.Requests(no, sandbox.WeChat, 10)
	if len(list) != 3 || list[0].Verdict.Result != "refused" || list[1].Verdict.Result != "refused" || list[2].Kind != "call" || list[0].Status != 500 {
		t.Errorf("two copies and a call: %+v", list)
	}
	no = b.no()
	b.fault(sandbox.Fault{Scenario: "drop_before", Endpoint: "notify", Count: 1})
	b.pays("anna", b.native(no, 100))
	if x := b.newest(no); x.Verdict.Why != "fault: not sent" || !x.Cut {
		t.Errorf("unsent %+v", x)
	}
}

// TestLogShowsNoSecret looks for codes, keys and tokens in everything the log
// tells, as JSON and as pages.
func TestLogShowsNoSecret(t *testing.T) {
	t.Parallel()
	b := newBench(t, nil)
	secrets := map[string]string{"api key": b.Accounts().Providers[0].WeChat.APIv2Key, "token": b.Accounts().Providers[0].Alipay.Merchants[0].AppAuthToken}
	for i, ch := range []sandbox.Channel{sandbox.WeChat, sandbox.Alipay, sandbox.WeChat} {
		code := b.code(ch, "")
		secrets["code "+strconv.Itoa(i)] = code
		switch i {
		case 0:
			b.wxPay(b.no(), code, 100)
		case 1:
			b.aliPay(b.no(), code, "1.00")
		default: // what cannot be read names its code all the same
			_, _, _, err := b.post(b.client(-1), "/pay/micropay", "text/xml", `<xml><auth_code><![CDATA[`+code+`]]></auth_code>`, nil)
			if err != nil {
				t.Fatal(err)
			}
		}
	}
	app := b.Accounts().Providers[0].WeChat.AppID
	res, err := b.client(-1).Transport.RoundTrip(httptest.NewRequest(http.MethodGet, b.wallet.URL+
		"/connect/oauth2/authorize?response_type=code&scope=snsapi_base&sandbox_customer=anna&redirect_uri=https%3A%2F%2Fshop.example%2F&appid="+app, nil))
	if err != nil {
		t.Fatal(err)
	}
	_ = res.Body.Close()
	back, err := res.Location()
	if err != nil || len(back.Query().Get("code")) < 8 {
		t.Fatalf("signed in with %v, %v", res.Header, err)
	}
	secrets["code of OAuth"] = back.Query().Get("code")
	var shown strings.Builder
	list := b.Requests("", "", 0)
	if len(list) != 4 {
		t.Fatalf("%d exchanges", len(list))
	}
	for _, x := range list {
		for _, path := range []string{"/sandbox/requests/", "/sandbox/v1/requests/"} {
			_, _, body := b.page(path + strconv.FormatInt(x.ID, 10))
			shown.WriteString(body)
		}
	}
	text := shown.String()
	for what, secret := range secrets {
		if strings.Contains(text, secret) {
			t.Errorf("the log shows the %s", what)
		}
	}
	if !strings.Contains(text, "***") {
		t.Error("nothing was masked")
	}
}

// TestLogMasksCodesWhereverAFormNamesThem: as the first of a form, as a member of
// biz_content, as a part of a longer value, and in the address of a bill.
func TestLogMasksCodesWhereverAFormNamesThem(t *testing.T) {
	t.Parallel()
	b := newBench(t, nil)
	const first, inside, long, token = "first0123456789abcdef", "inside0123456789abcdef", "first0123456789abcdefTHEREST", "bill0123456789abcdef"
	form := b.aliParams("alipay.open.auth.token.app", kv{"grant_type": "authorization_code", "code": inside, "auth_code": long}, kv{})
	if _, _, _, err := b.post(b.client(-1), "/gateway.do", "application/x-www-form-urlencoded", "code="+first+"&"+form.Encode(), nil); err != nil {
		t.Fatal(err)
	}
	if _, _, _, err := b.post(b.client(-1), "/v3/billdownload/file?token="+token, "text/plain", "", nil); err != nil {
		t.Fatal(err)
	}
	for _, short := range b.Requests("", "", 0) {
		x, err := b.Request(short.ID)
		if err != nil {
			t.Fatal(err)
		}
		raw, err := json.Marshal(x)
		if err != nil {
			t.Fatal(err)
		}
		for _, secret := range []string{first, inside, "THEREST", token} {
			if strings.Contains(string(raw), secret) {
				t.Errorf("the log shows %s\n%s", secret, raw)
			}
		}
	}
}

// TestLogNamesTheWalletOfEveryPage: Alipay's payment page and bills stood under
// WeChat Pay when the host was an address.
func TestLogNamesTheWalletOfEveryPage(t *testing.T) {
	t.Parallel()
	b := newBench(t, nil)
	for path, want := range map[string]sandbox.Channel{
		"/cashier/alipay": sandbox.Alipay, "/downloadBillFile.resource?token=x": sandbox.Alipay, "/connect/oauth2/authorize": sandbox.WeChat,
	} {
		b.Wallet().ServeHTTP(httptest.NewRecorder(), httptest.NewRequest(http.MethodPost, path, nil))
		if got := b.Requests("", "", 1)[0]; got.Channel != want {
			t.Errorf("%s is %s's, want %s", path, got.Channel, want)
		}
	}
}

// TestLogMasksThousandsOfValuesInOnePass: a megabyte that names 30,000 codes took
// half a minute.
func TestLogMasksThousandsOfValuesInOnePass(t *testing.T) {
	t.Parallel()
	b := newBench(t, nil)
	var query strings.Builder
	for i := range 30_000 {
		query.WriteString("&auth_code=" + strconv.Itoa(100_000_000_000_000_000+i))
	}
	done := make(chan struct{})
	go func() {
		defer close(done)
		r := httptest.NewRequest(http.MethodGet, "/pay/micropay?"+query.String(), nil)
		b.Wallet().ServeHTTP(httptest.NewRecorder(), r)
	}()
	select {
	case <-done:
	case <-t.Context().Done():
	case <-time.After(10 * time.Second): // 0.1 s on the machine where it took 32
		t.Fatal("still masking after ten seconds")
	}
	if x := b.newest(""); strings.Contains(x.URL, "100000000000029999") {
		t.Error("the last code is shown")
	}
}

func TestLogPagesAreHarmless(t *testing.T) {
	t.Parallel()
	b := newBench(t, nil)
	evil := `<script>alert(1)</script>`
	if _, _, _, err := b.post(b.client(-1), "/pay/orderquery?x=%3Cscript%3E", "text/xml", evil, http.Header{"X-Evil": {evil}}); err != nil {
		t.Fatal(err)
	}
	id := strconv.FormatInt(b.Requests("", "", 1)[0].ID, 10)
	for _, path := range []string{"/sandbox/requests", "/sandbox/requests?channel=wxpay&limit=5", "/sandbox/requests/" + id} {
		status, head, body := b.page(path)
		if status != 200 || strings.Contains(body, "<script") || strings.Contains(body, "style=") || !strings.Contains(head.Get("Content-Security-Policy"), "default-src 'none'") {
			t.Errorf("%s = %d %v\n%s", path, status, head, body)
		}
		if !strings.Contains(body, "未验签") {
			t.Errorf("%s does not tell the verdict", path)
		}
	}
	if status, head, _ := b.page("/sandbox/requests/style.css"); status != 200 || head.Get("Content-Type") != "text/css; charset=utf-8" {
		t.Errorf("style = %d %v", status, head)
	}
	for path, want := range map[string]int{
		"/sandbox/requests/99": 404, "/sandbox/requests/x": 400, "/sandbox/requests?limit=0": 400, "/sandbox/requests?evil=1": 400,
		"/sandbox/v1/requests?limit=1001": 400, "/sandbox/v1/requests?channel=cash": 400, "/sandbox/v1/requests/99": 404, "/sandbox/v1/requests?x=%zz": 400,
	} {
		if status, _, _ := b.page(path); status != want {
			t.Errorf("%s = %d, want %d", path, status, want)
		}
	}
}

// TestLogIsBounded sends more than it keeps, by count and by bytes.
func TestLogIsBounded(t *testing.T) {
	t.Parallel()
	b := newBench(t, nil)
	wallet := b.Wallet()
	send := func(body string) {
		wallet.ServeHTTP(httptest.NewRecorder(), httptest.NewRequest(http.MethodPost, "/pay/orderquery", strings.NewReader(body)))
	}
	for range 2010 {
		send("x")
	}
	if _, err := b.Request(10); err == nil {
		t.Error("the 10th of 2010 is still there")
	}
	if _, err := b.Request(11); err != nil {
		t.Errorf("the 11th of 2010: %v", err)
	}
	if got := len(b.Requests("", "", 5000)); got != 1000 {
		t.Errorf("a list of %d, want 1000", got)
	}
	for range 600 {
		send(strings.Repeat("x", 64<<10))
	}
	list := b.Requests("", "", 1000)
	x, err := b.Request(list[0].ID)
	if len(list) > 512 || err != nil || len(x.Request.Body) != 64<<10 {
		t.Errorf("%d large requests are kept: %v", len(list), err)
	}
}

// TestLogJSONNamesWhatItDocuments keeps the control API's words.
func TestLogJSONNamesWhatItDocuments(t *testing.T) {
	t.Parallel()
	b := newBench(t, nil)
	no := b.no()
	b.wxState(no)
	_, _, body := b.page("/sandbox/v1/requests?out_trade_no=" + no)
	var out struct {
		Requests []map[string]any `json:"requests"`
	}
	if err := json.Unmarshal([]byte(body), &out); err != nil || len(out.Requests) != 1 {
		t.Fatalf("%s: %v", body, err)
	}
	for _, name := range []string{"id", "at", "kind", "channel", "endpoint", "method", "url", "out_trade_no", "status", "verdict"} {
		if out.Requests[0][name] == nil {
			t.Errorf("no %s in %s", name, body)
		}
	}
}
