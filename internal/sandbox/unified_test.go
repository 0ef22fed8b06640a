package sandbox_test

import (
	"errors"
	"maps"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"cloudpay/internal/sandbox"
)

const notifyURL = "https://merchant.example/notify/wxpay"

// unified are the fields of an order of a trade type.
func (b *bench) unified(no, kind string, fen int) kv {
	b.t.Helper()
	out := kv{
		"body": "测试商品", "out_trade_no": no, "total_fee": strconv.Itoa(fen), "spbill_create_ip": "127.0.0.1",
		"notify_url": notifyURL, "trade_type": kind,
	}
	w := b.Accounts().Providers[0].WeChat
	switch kind {
	case "NATIVE":
		out["product_id"] = "P1"
	case "JSAPI":
		out["openid"] = b.identity("anna", w.AppID).OpenID
	case "MWEB":
		out["scene_info"] = `{"h5_info":{"type":"Wap"}}`
	case "APP":
		out["sub_appid"] = w.Merchants[0].MobAppID
	}
	return out
}

func (b *bench) identity(customer, appID string) sandbox.Identity {
	b.t.Helper()
	id, err := b.Identify(b.t.Context(), customer, appID)
	if err != nil {
		b.t.Fatal(err)
	}
	return id
}

// native prepares a QR code of WeChat's.
func (b *bench) native(no string, fen int) sandbox.Invocation {
	b.t.Helper()
	code, out := b.wx("/pay/unifiedorder", b.unified(no, "NATIVE", fen))
	if code != "SUCCESS" || out["trade_type"] != "NATIVE" || out["prepay_id"] == "" {
		b.t.Fatalf("unifiedorder = %s %v", code, out)
	}
	return sandbox.Invocation{CodeURL: out["code_url"]}
}

// jsapi signs what a page hands to WeChat, with a key.
func (b *bench) jsapi(prepayID, appID, key string) *sandbox.JSAPIArgs {
	a := &sandbox.JSAPIArgs{AppID: appID, TimeStamp: "1767225600", NonceStr: "n", Package: "prepay_id=" + prepayID, SignType: "MD5"}
	a.PaySign = v2Sign(kv{"appId": a.AppID, "timeStamp": a.TimeStamp, "nonceStr": a.NonceStr, "package": a.Package, "signType": a.SignType}, key, false)
	return a
}

// changed is a copy with something changed in it.
func changed[T any](from *T, change func(*T)) *T {
	out := *from
	change(&out)
	return &out
}

func (b *bench) pays(customer string, in sandbox.Invocation) {
	b.t.Helper()
	if _, err := b.PayPrepared(b.t.Context(), customer, in); err != nil {
		b.t.Fatal(err)
	}
}

func TestUnifiedOrderRefusesWhatUpstreamRefuses(t *testing.T) {
	t.Parallel()
	b := newBench(t, nil)
	for name, one := range map[string]struct {
		kind, want string
		change     kv
	}{
		"no notify_url":         {"NATIVE", "LACK_PARAMS", kv{"notify_url": ""}},
		"notify_url with query": {"NATIVE", "INVALID_REQUEST", kv{"notify_url": "https://a.example/?x=1"}},
		"notify_url of a file":  {"NATIVE", "INVALID_REQUEST", kv{"notify_url": "file:///etc/passwd"}},
		"notify_url too long":   {"NATIVE", "INVALID_REQUEST", kv{"notify_url": "https://a.example/" + strings.Repeat("x", 256)}},
		"no trade_type":         {"NATIVE", "LACK_PARAMS", kv{"trade_type": ""}},
		"unknown trade_type":    {"NATIVE", "INVALID_REQUEST", kv{"trade_type": "MICROPAY"}},
		"NATIVE, no product":    {"NATIVE", "LACK_PARAMS", kv{"product_id": ""}},
		"product too long":      {"NATIVE", "INVALID_REQUEST", kv{"product_id": strings.Repeat("1", 33)}},
		"JSAPI, nobody":         {"JSAPI", "LACK_PARAMS", kv{"openid": ""}},
		"sub_openid alone":      {"JSAPI", "LACK_PARAMS", kv{"sub_openid": "o1"}},
		"MWEB, no page":         {"MWEB", "LACK_PARAMS", kv{"scene_info": `{"store_info":{}}`}},
		"another's application": {"APP", "APPID_MCHID_NOT_MATCH", kv{"sub_appid": "wx0000000000000001"}},
		"amount":                {"NATIVE", "PARAM_ERROR", kv{"total_fee": "0"}},
		"expiry":                {"NATIVE", "PARAM_ERROR", kv{"time_expire": "tomorrow"}},
		"expired":               {"NATIVE", "INVALID_REQUEST", kv{"time_expire": "20261120115900"}},
	} {
		no := b.no()
		values := b.unified(no, one.kind, 100)
		maps.Copy(values, one.change)
		if got, out := b.wx("/pay/unifiedorder", values); got != one.want {
			t.Errorf("%s = %s %v, want %s", name, got, out, one.want)
		}
		if got := b.wxState(no); got != "ORDERNOTEXIST" {
			t.Errorf("%s left an order in %s", name, got)
		}
	}
}

func TestUnifiedOrderIsRepeatable(t *testing.T) {
	t.Parallel()
	b := newBench(t, nil)
	no := b.no()
	first, second := b.native(no, 100), b.native(no, 100)
	if first == second {
		t.Errorf("a repetition was answered with the same code %v", first)
	}
	for name, value := range map[string]string{
		"body": "其他", "total_fee": "101", "attach": "a", "detail": "{}", "product_id": "P2", "notify_url": "https://other.example/",
		"goods_tag": "g", "limit_pay": "no_credit", "time_expire": "20261120130000",
	} {
		values := b.unified(no, "NATIVE", 100)
		values[name] = value
		if got, _ := b.wx("/pay/unifiedorder", values); got != "OUT_TRADE_NO_USED" {
			t.Errorf("a repetition with another %s = %s, want OUT_TRADE_NO_USED", name, got)
		}
	}
	if got, _ := b.wxPay(no, b.code(sandbox.WeChat, ""), 100); got != "OUT_TRADE_NO_USED" {
		t.Errorf("micropay under the number = %s", got)
	}
	b.pays("anna", first)
	for _, in := range []sandbox.Invocation{first, second} {
		if _, err := b.Open(t.Context(), "ben", in); !errors.Is(err, sandbox.ErrConflict) {
			t.Errorf("a paid order opens: %v", err)
		}
	}
	if got, _ := b.wx("/pay/unifiedorder", b.unified(no, "NATIVE", 100)); got != "ORDERPAID" {
		t.Errorf("unifiedorder of a paid order = %s", got)
	}
	if got := b.wxReverse(no); got != "INVALID_REQUEST" {
		t.Errorf("reverse of a unified order = %s, want a refusal", got)
	}
	if got := b.trade(no); got.Charges != 1 || got.Charged != 100 || got.Refunded != 0 {
		t.Errorf("trade = %+v, want charged once", got)
	}
}

func TestUnifiedOrdersTellTheirStates(t *testing.T) {
	t.Parallel()
	b := newBench(t, nil)
	no := b.no()
	in := b.native(no, 600_00)
	if _, out := b.wx("/pay/orderquery", kv{"out_trade_no": no}); out["trade_state"] != "NOTPAY" || out["total_fee"] != "" {
		t.Errorf("orderquery of an untouched order = %v", out)
	}
	if _, err := b.Open(t.Context(), "anna", in); err != nil {
		t.Fatal(err)
	}
	if got := b.wxState(no); got != "NOTPAY" {
		t.Errorf("an open dialogue = %s, want NOTPAY", got)
	}
	b.clock.add(31 * time.Second)
	if err := b.Answer(t.Context(), "anna", sandbox.ActionApprove); !errors.Is(err, sandbox.ErrNotFound) {
		t.Errorf("approved after the dialogue closed: %v", err)
	}
	poor, err := b.NewCustomer(t.Context(), "", 1)
	if err != nil {
		t.Fatal(err)
	}
	b.pays(poor.ID, in)
	if got := b.wxState(no); got != "NOTPAY" {
		t.Errorf("an approval without money = %s, want NOTPAY", got)
	}
	b.pays("anna", in)
	_, out := b.wx("/pay/orderquery", kv{"out_trade_no": no})
	if out["trade_state"] != "SUCCESS" || out["trade_type"] != "NATIVE" || out["total_fee"] != "60000" || out["cash_fee"] != "60000" {
		t.Errorf("orderquery of a paid order = %v", out)
	}
	b.fault(sandbox.Fault{Scenario: "slow_state", Endpoint: sandbox.EndpointPrepay, Channel: sandbox.WeChat})
	late := b.no()
	b.pays("anna", b.native(late, 1))
	if got := b.wxState(late); got != "NOTPAY" {
		t.Errorf("a payment that is not visible yet = %s, want NOTPAY", got)
	}
	b.clock.add(13 * time.Second)
	if got := b.wxState(late); got != "SUCCESS" {
		t.Errorf("afterwards = %s", got)
	}
}

func TestUnifiedOrdersRunOut(t *testing.T) {
	t.Parallel()
	b := newBench(t, nil)
	for _, kind := range []string{"NATIVE", "MWEB"} {
		no := b.no()
		_, out := b.wx("/pay/unifiedorder", b.unified(no, kind, 100))
		in, life := sandbox.Invocation{CodeURL: out["code_url"]}, 2*time.Hour
		if kind == "MWEB" {
			in, life = sandbox.Invocation{MwebURL: out["mweb_url"]}, 5*time.Minute
		}
		b.clock.add(life)
		if _, err := b.Open(t.Context(), "anna", in); !errors.Is(err, sandbox.ErrInvalid) {
			t.Errorf("a %s link opens after its life: %v", kind, err)
		}
		if got := b.wxState(no); got != "NOTPAY" {
			t.Errorf("its order = %s, want it still open", got)
		}
		_, out = b.wx("/pay/unifiedorder", b.unified(no, kind, 100))
		if in = (sandbox.Invocation{CodeURL: out["code_url"], MwebURL: out["mweb_url"]}); in == (sandbox.Invocation{}) {
			t.Errorf("no fresh link: %v", out)
		}
		b.pays("anna", in)
	}
	no := b.no()
	values := b.unified(no, "NATIVE", 100)
	values["time_expire"] = b.clock.now().In(time.FixedZone("", 8*3600)).Add(10 * time.Minute).Format("20060102150405")
	_, out := b.wx("/pay/unifiedorder", values)
	b.clock.add(10 * time.Minute)
	if got := b.wxState(no); got != "CLOSED" {
		t.Errorf("after time_expire = %s, want CLOSED", got)
	}
	if _, err := b.Open(t.Context(), "anna", sandbox.Invocation{CodeURL: out["code_url"]}); !errors.Is(err, sandbox.ErrConflict) {
		t.Errorf("a closed order opens: %v", err)
	}
	if got, _ := b.wx("/pay/unifiedorder", values); got != "ORDERCLOSED" {
		t.Errorf("unifiedorder of a closed order = %s", got)
	}
}

func TestCloseOrderKeepsItsRules(t *testing.T) {
	t.Parallel()
	b := newBench(t, func(c *sandbox.Config) { c.Strict = true })
	closes := func(no string) string {
		code, _ := b.wx("/pay/closeorder", kv{"out_trade_no": no})
		return code
	}
	no := b.no()
	in := b.native(no, 100)
	b.clock.add(5*time.Minute - time.Millisecond)
	if got := closes(no); got != "INVALID_REQUEST" {
		t.Errorf("closed early = %s", got)
	}
	b.clock.add(time.Millisecond)
	if got := closes(no); got != "SUCCESS" {
		t.Errorf("close = %s", got)
	}
	if got := closes(no); got != "ORDERCLOSED" {
		t.Errorf("closed again = %s", got)
	}
	if _, err := b.Open(t.Context(), "anna", in); !errors.Is(err, sandbox.ErrConflict) {
		t.Errorf("a closed order opens: %v", err)
	}
	paid := b.no()
	b.pays("anna", b.native(paid, 100))
	if got := closes(paid); got != "ORDERPAID" {
		t.Errorf("close of a paid order = %s", got)
	}
	if got := closes("NEVER1"); got != "ORDERNOTEXIST" {
		t.Errorf("close of nothing = %s", got)
	}
}

// TestThePhoneOpensOnlyWhatItWasHanded tries each way to open each order.
func TestThePhoneOpensOnlyWhatItWasHanded(t *testing.T) {
	t.Parallel()
	b := newBench(t, nil)
	w := b.Accounts().Providers[0].WeChat
	_, page := b.wx("/pay/unifiedorder", b.unified(b.no(), "JSAPI", 100))
	_, app := b.wx("/pay/unifiedorder", b.unified(b.no(), "APP", 100))
	good := b.jsapi(page["prepay_id"], w.AppID, w.APIv2Key)
	for name, one := range map[string]struct {
		customer string
		in       sandbox.Invocation
		want     error
	}{
		"nothing":                  {"anna", sandbox.Invocation{}, sandbox.ErrInvalid},
		"two things":               {"anna", sandbox.Invocation{CodeURL: "a", TradeNo: "b"}, sandbox.ErrInvalid},
		"an unknown code":          {"anna", sandbox.Invocation{CodeURL: "weixin://wxpay/bizpayurl?pr=1"}, sandbox.ErrNotFound},
		"no code":                  {"anna", sandbox.Invocation{JSAPI: &sandbox.JSAPIArgs{}}, sandbox.ErrNotFound},
		"the key of another":       {"anna", sandbox.Invocation{JSAPI: b.jsapi(page["prepay_id"], w.AppID, b.Accounts().Providers[1].WeChat.APIv2Key)}, sandbox.ErrInvalid},
		"another application":      {"anna", sandbox.Invocation{JSAPI: b.jsapi(page["prepay_id"], w.Merchants[0].SubAppID, w.APIv2Key)}, sandbox.ErrInvalid},
		"another customer":         {"ben", sandbox.Invocation{JSAPI: good}, sandbox.ErrInvalid},
		"an application as a page": {"anna", sandbox.Invocation{JSAPI: b.jsapi(app["prepay_id"], w.Merchants[0].MobAppID, w.APIv2Key)}, sandbox.ErrInvalid},
		"a package of its own":     {"anna", sandbox.Invocation{JSAPI: changed(good, func(a *sandbox.JSAPIArgs) { a.Package = page["prepay_id"] })}, sandbox.ErrInvalid},
		"another algorithm":        {"anna", sandbox.Invocation{JSAPI: changed(good, func(a *sandbox.JSAPIArgs) { a.SignType = "HMAC-SHA256" })}, sandbox.ErrInvalid},
		"a time in words":          {"anna", sandbox.Invocation{JSAPI: changed(good, func(a *sandbox.JSAPIArgs) { a.TimeStamp = "2026-11-20" })}, sandbox.ErrInvalid},
		"no nonce":                 {"anna", sandbox.Invocation{JSAPI: changed(good, func(a *sandbox.JSAPIArgs) { a.NonceStr = "" })}, sandbox.ErrInvalid},
		"a page as an application": {"anna", sandbox.Invocation{App: &sandbox.AppArgs{PrepayID: page["prepay_id"]}}, sandbox.ErrInvalid},
		"a page by its number":     {"anna", sandbox.Invocation{TradeNo: page["prepay_id"]}, sandbox.ErrInvalid},
		"an impossible customer":   {"a/b", sandbox.Invocation{JSAPI: good}, sandbox.ErrInvalid},
	} {
		if _, err := b.Open(t.Context(), one.customer, one.in); !errors.Is(err, one.want) {
			t.Errorf("%s: %v, want %v", name, err, one.want)
		}
	}
	b.pays("anna", sandbox.Invocation{JSAPI: good})
	args := &sandbox.AppArgs{
		AppID: w.Merchants[0].MobAppID, PartnerID: w.MchID, PrepayID: app["prepay_id"], Package: "Sign=WXPay", NonceStr: "n", Timestamp: "1767225600",
	}
	args.Sign = v2Sign(kv{
		"appid": args.AppID, "partnerid": args.PartnerID, "prepayid": args.PrepayID, "package": args.Package, "noncestr": args.NonceStr,
		"timestamp": args.Timestamp,
	}, w.APIv2Key, false)
	for name, change := range map[string]func(*sandbox.AppArgs){
		"package": func(a *sandbox.AppArgs) { a.Package = "prepay_id=" + a.PrepayID }, "appid": func(a *sandbox.AppArgs) { a.AppID = w.AppID },
		"partnerid": func(a *sandbox.AppArgs) { a.PartnerID = "1" }, "sign": func(a *sandbox.AppArgs) { a.Sign = strings.ToLower(a.Sign) },
		"noncestr": func(a *sandbox.AppArgs) { a.NonceStr = strings.Repeat("n", 33) },
	} {
		if _, err := b.Open(t.Context(), "ben", sandbox.Invocation{App: changed(args, change)}); !errors.Is(err, sandbox.ErrInvalid) {
			t.Errorf("an application with another %s: %v", name, err)
		}
	}
	b.pays("ben", sandbox.Invocation{App: args}) // who pays in an application is not said beforehand
}

func TestPreparedOrdersSurviveARestart(t *testing.T) {
	t.Parallel()
	b := newBench(t, nil)
	no := b.no()
	in := b.native(no, 100)
	qr := b.no()
	_, out := b.ali("alipay.trade.precreate", kv{"out_trade_no": qr, "total_amount": "1.00", "subject": "测试商品"})
	b.restart()
	b.pays("anna", in)
	b.pays("anna", sandbox.Invocation{CodeURL: out["qr_code"].(string)})
	if got := []string{b.wxState(no), b.aliState(qr)}; got[0] != "SUCCESS" || got[1] != "TRADE_SUCCESS" {
		t.Errorf("states %v", got)
	}
}

// TestLostPreparationsFollowTheSeed loses answers at a rate: how many is told
// by the seed alone.
func TestLostPreparationsFollowTheSeed(t *testing.T) {
	t.Parallel()
	lost := func() (n int) {
		b := newBench(t, nil)
		b.fault(sandbox.Fault{Scenario: "drop_after", Endpoint: "unifiedorder", Channel: sandbox.WeChat, Rate: 0.5, Seed: new(uint64(7))})
		for range 40 {
			if _, err := b.wxCall("/pay/unifiedorder", b.unified(b.no(), "NATIVE", 1)); isCut(err) {
				n++
			} else if err != nil {
				t.Fatal(err)
			}
		}
		return n
	}
	first, second := lost(), lost()
	if first != second || first < 10 || first > 30 {
		t.Errorf("%d and %d of 40 answers were lost", first, second)
	}
}

func TestControlOpensAndTells(t *testing.T) {
	t.Parallel()
	b := newBench(t, nil)
	no := b.no()
	in := b.native(no, 100)
	status, out := b.ctl("POST", "/sandbox/v1/customers/ming/open", `{"code_url":"`+in.CodeURL+`"}`)
	want := map[string]any{
		"channel": "wxpay", "out_trade_no": no, "amount_fen": 100.0, "subject": "测试商品", "expires_at": "2026-11-20T12:00:30+08:00",
	}
	if diff := cmp.Diff(want, out); status != 200 || diff != "" {
		t.Errorf("open = %d %s", status, diff)
	}
	for body, wantStatus := range map[string]int{
		`{"code_url":"weixin://nothing"}`: 404,
		`{}`:                              400,
		`{"code_url":"` + in.CodeURL + `","action":"pay"}`: 400,
		`{"prepay_id":"wx1"}`:                              400,
	} {
		if status, out := b.ctl("POST", "/sandbox/v1/customers/ming/open", body); status != wantStatus || out["error"] == "" {
			t.Errorf("open %s = %d %v, want %d", body, status, out, wantStatus)
		}
	}
	status, out = b.ctl("POST", "/sandbox/v1/customers/ming/open", `{"code_url":"`+in.CodeURL+`","action":"cancel"}`)
	if status != 200 || out["state"] != "NOTPAY" {
		t.Errorf("cancel = %d %v", status, out)
	}
	status, out = b.ctl("POST", "/sandbox/v1/customers/ming/open", `{"code_url":"`+in.CodeURL+`","action":"approve"}`)
	if status != 200 || out["state"] != "SUCCESS" || out["charged"] != 100.0 {
		t.Errorf("approve = %d %v", status, out)
	}
	if status, _ := b.ctl("POST", "/sandbox/v1/customers/ming/open", `{"code_url":"`+in.CodeURL+`"}`); status != 409 {
		t.Errorf("open of a paid order = %d, want 409", status)
	}
	status, out = b.ctl("GET", "/sandbox/v1/arrived?out_trade_no="+no, "")
	if options, _ := out["options"].(map[string]any); status != 200 || out["kind"] != "NATIVE" || out["notify_url"] != notifyURL || options["product_id"] != "P1" {
		t.Errorf("arrived = %d %v", status, out)
	}
	if status, _ := b.ctl("GET", "/sandbox/v1/arrived?out_trade_no=NEVER", ""); status != 404 {
		t.Errorf("arrived of nothing = %d", status)
	}
	app := b.Accounts().Providers[0].WeChat.AppID
	status, out = b.ctl("GET", "/sandbox/v1/customers/ming/ids?app_id="+app, "")
	if id := b.identity("ming", app); status != 200 || out["open_id"] != id.OpenID || out["buyer_id"] != id.BuyerID || len(id.OpenID) != 28 {
		t.Errorf("ids = %d %v", status, out)
	}
}
