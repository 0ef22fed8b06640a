package sandbox_test

import (
	"encoding/json"
	"maps"
	"net/http"
	"net/url"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/smartwalle/alipay/v3"

	"cloudpay/internal/sandbox"
)

// goesBack opens a page, or sends its form, and returns what it adds to the
// address it goes back to, or the text it shows instead.
func (b *bench) goesBack(path string, query, form url.Values) (url.Values, string) {
	b.t.Helper()
	c := *b.client(-1)
	c.CheckRedirect = func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }
	address := b.wallet.URL + path + "?" + query.Encode()
	var res *http.Response
	var err error
	if form == nil {
		res, err = c.Get(address)
	} else {
		res, err = c.PostForm(address, form)
	}
	if err != nil {
		b.t.Fatal(err)
	}
	defer res.Body.Close()
	to, err := res.Location()
	if err != nil {
		var page strings.Builder
		res.Write(&page)
		return nil, page.String()
	}
	return to.Query(), ""
}

func (b *bench) wxAPI(path string, query url.Values) map[string]any {
	b.t.Helper()
	_, body := b.browse(b.wallet.URL + path + "?" + query.Encode())
	var out map[string]any
	if err := json.Unmarshal([]byte(body), &out); err != nil {
		b.t.Fatalf("%s: %v", body, err)
	}
	return out
}

func TestAnOpenIDOfWeChatIsWhoPays(t *testing.T) {
	t.Parallel()
	b := newBench(t, nil)
	w := b.Accounts().Providers[0].WeChat
	page := url.Values{
		"appid": {w.AppID}, "redirect_uri": {"https://shop.example/cb?table=7"}, "response_type": {"code"}, "scope": {"snsapi_base"}, "state": {"S 1"},
	}
	if _, text := b.goesBack("/connect/oauth2/authorize", page, nil); !strings.Contains(text, `name="customer"`) {
		t.Errorf("the page asks nobody: %s", text)
	}
	back, _ := b.goesBack("/connect/oauth2/authorize", page, url.Values{"customer": {"anna"}})
	if back.Get("table") != "7" || back.Get("state") != "S 1" || back.Get("code") == "" {
		t.Fatalf("went back with %v", back)
	}
	ask := url.Values{"appid": {w.AppID}, "secret": {"any"}, "code": {back.Get("code")}, "grant_type": {"authorization_code"}}
	got := b.wxAPI("/sns/oauth2/access_token", ask)
	if want := b.identity("anna", w.AppID).OpenID; got["openid"] != want || got["access_token"] == "" || got["scope"] != "snsapi_base" {
		t.Errorf("%v, want openid %s", got, want)
	}
	if got := b.wxAPI("/sns/oauth2/access_token", ask); got["errcode"] != 40163.0 {
		t.Errorf("the code again: %v", got)
	}
	for name, c := range map[string]struct {
		change url.Values
		want   float64
	}{
		"another app":   {url.Values{"appid": {"wx0"}}, 40013},
		"no secret":     {url.Values{"secret": {""}}, 41004},
		"another grant": {url.Values{"grant_type": {"x"}}, 40002},
		"no code":       {url.Values{"code": {""}}, 41008},
		"unknown code":  {url.Values{"code": {"x"}}, 40029},
		"shop's app":    {url.Values{"appid": {w.Merchants[0].SubAppID}}, 40029},
	} {
		q := url.Values{}
		maps.Copy(q, ask)
		maps.Copy(q, c.change)
		if got := b.wxAPI("/sns/oauth2/access_token", q); got["errcode"] != c.want {
			t.Errorf("%s: %v, want %v", name, got, c.want)
		}
	}
	// A mini program has no page: wx.login is the bench's.
	mini := w.Merchants[0].MiniAppID
	status, out := b.ctl(http.MethodPost, "/sandbox/v1/customers/anna/login", `{"app_id":"`+mini+`"}`)
	code, _ := out["code"].(string)
	got = b.wxAPI("/sns/jscode2session", url.Values{"appid": {mini}, "secret": {"any"}, "js_code": {code}, "grant_type": {"authorization_code"}})
	if status != http.StatusOK || got["openid"] != b.identity("anna", mini).OpenID || got["session_key"] == "" {
		t.Errorf("login %d, %v", status, got)
	}
	// A third party's component signs in silently, for a shop's application.
	page.Set("appid", w.Merchants[0].SubAppID)
	page.Set("sandbox_customer", "bob")
	back, _ = b.goesBack("/connect/oauth2/authorize", page, nil)
	got = b.wxAPI("/sns/oauth2/component/access_token", url.Values{
		"appid": {w.Merchants[0].SubAppID}, "code": {back.Get("code")}, "grant_type": {"authorization_code"}, "component_appid": {"wx1"}, "component_access_token": {"any"},
	})
	if got["openid"] != b.identity("bob", w.Merchants[0].SubAppID).OpenID {
		t.Errorf("component: %v", got)
	}
	b.clock.add(6 * time.Minute)
	stale, _ := b.goesBack("/connect/oauth2/authorize", page, nil)
	b.clock.add(6 * time.Minute)
	if got := b.wxAPI("/sns/oauth2/access_token", url.Values{
		"appid": {w.Merchants[0].SubAppID}, "secret": {"any"}, "code": {stale.Get("code")}, "grant_type": {"authorization_code"},
	}); got["errcode"] != 40029.0 {
		t.Errorf("a code of six minutes ago: %v", got)
	}
}

func TestSignInPagesRefuseStrangers(t *testing.T) {
	t.Parallel()
	b := newBench(t, nil)
	w, a := b.Accounts().Providers[0].WeChat, b.Accounts().Providers[0].Alipay
	for name, c := range map[string]struct {
		path  string
		query url.Values
		form  url.Values
	}{
		"unknown app":     {"/connect/oauth2/authorize", url.Values{"appid": {"wx0"}, "redirect_uri": {"https://a.example"}, "scope": {"snsapi_base"}, "response_type": {"code"}}, nil},
		"no way back":     {"/connect/oauth2/authorize", url.Values{"appid": {w.AppID}, "scope": {"snsapi_base"}, "response_type": {"code"}}, nil},
		"a script":        {"/connect/oauth2/authorize", url.Values{"appid": {w.AppID}, "redirect_uri": {"javascript:x"}, "scope": {"snsapi_base"}, "response_type": {"code"}}, nil},
		"another scope":   {"/oauth2/publicAppAuthorize.htm", url.Values{"app_id": {a.AppID}, "redirect_uri": {"https://a.example"}, "scope": {"x"}}, nil},
		"bad customer":    {"/oauth2/publicAppAuthorize.htm", url.Values{"app_id": {a.AppID}, "redirect_uri": {"https://a.example"}, "scope": {"auth_base"}}, url.Values{"customer": {"a b"}}},
		"another's shop":  {"/oauth2/appToAppAuth.htm", url.Values{"app_id": {a.AppID}, "redirect_uri": {"https://a.example"}}, url.Values{"user_id": {b.Accounts().Providers[1].Alipay.Merchants[0].UserID}}},
		"unknown program": {"/oauth2/appToAppAuth.htm", url.Values{"app_id": {"1"}, "redirect_uri": {"https://a.example"}}, url.Values{}},
	} {
		if back, text := b.goesBack(c.path, c.query, c.form); back != nil || !strings.Contains(text, "400 Bad Request") {
			t.Errorf("%s: went back with %v, %s", name, back, text)
		}
	}
}

// chineseAlone is a text of a page that says something in Chinese and nothing in
// English: neither in itself nor in what follows it. hasEnglish says it in both.
var (
	chineseAlone = regexp.MustCompile(`>[^<>]*\p{Han}[^<>]*<`)
	hasEnglish   = regexp.MustCompile(`[A-Za-z]{3}`)
	englishTwin  = regexp.MustCompile(`(>[^<>]*\p{Han}[^<>]*<)(?:br><)?span lang="en">[^<>]*[A-Za-z]{3}`)
)

// bothTongues reports whether whatever a page says in Chinese it says in English too.
func bothTongues(page string) bool {
	page = englishTwin.ReplaceAllString(page, "><")
	return !slices.ContainsFunc(chineseAlone.FindAllString(page, -1), func(s string) bool { return !hasEnglish.MatchString(s) })
}

// TestSignInPagesSpeakBothLanguages: whoever tests an integration need not read
// Chinese to sign a customer in.
func TestSignInPagesSpeakBothLanguages(t *testing.T) {
	t.Parallel()
	b := newBench(t, nil)
	w, a := b.Accounts().Providers[0].WeChat, b.Accounts().Providers[0].Alipay
	for path, query := range map[string]url.Values{
		"/connect/oauth2/authorize":      {"appid": {w.AppID}, "redirect_uri": {"https://a.example"}, "scope": {"snsapi_base"}, "response_type": {"code"}},
		"/oauth2/publicAppAuthorize.htm": {"app_id": {a.AppID}, "redirect_uri": {"https://a.example"}, "scope": {"auth_base"}},
	} {
		if _, text := b.goesBack(path, query, nil); !strings.Contains(text, "sign in") || !bothTongues(text) {
			t.Errorf("%s: %s", path, text)
		}
	}
	if bothTongues("<p>付款</p>") || !bothTongues(`<p>付款 <span lang="en">Pay</span></p><b>取消 · Cancel</b>`) {
		t.Error("the look at both languages sees nothing")
	}
}

// TestAMerchantAuthorisesAProvider walks upstreams.md §4.2 with a library.
func TestAMerchantAuthorisesAProvider(t *testing.T) {
	t.Parallel()
	b := newBench(t, nil)
	a, client := b.Accounts().Providers[0].Alipay, b.library()
	m := a.Merchants[1]
	page := url.Values{"app_id": {a.AppID}, "redirect_uri": {"https://isv.example/cb"}, "state": {"S1"}}
	if _, text := b.goesBack("/oauth2/appToAppAuth.htm", page, nil); !strings.Contains(text, m.UserID) || !bothTongues(text) {
		t.Errorf("the page: %s", text)
	}
	back, _ := b.goesBack("/oauth2/appToAppAuth.htm", page, url.Values{"user_id": {m.UserID}})
	if back.Get("app_id") != a.AppID || back.Get("state") != "S1" {
		t.Fatalf("went back with %v", back)
	}
	grant := alipay.OpenAuthTokenApp{GrantType: "authorization_code", Code: back.Get("app_auth_code")}
	first, err := client.OpenAuthTokenApp(t.Context(), grant)
	if err != nil || len(first.Tokens) != 1 || first.Tokens[0].UserId != m.UserID {
		t.Fatalf("token %+v, %v", first, err)
	}
	if again, err := client.OpenAuthTokenApp(t.Context(), grant); err == nil && again.IsSuccess() {
		t.Errorf("the code again: %+v", again)
	}
	works := func(token string) string {
		rsp, err := client.TradeQuery(t.Context(), alipay.TradeQuery{AppAuthToken: token, OutTradeNo: "NONE"})
		if err != nil {
			t.Fatal(err)
		}
		return rsp.SubCode
	}
	token := first.Tokens[0].AppAuthToken
	if got := works(token); got != "ACQ.TRADE_NOT_EXIST" {
		t.Errorf("a call with the new token: %s", got)
	}
	refreshed, err := client.OpenAuthTokenApp(t.Context(), alipay.OpenAuthTokenApp{GrantType: "refresh_token", RefreshToken: first.Tokens[0].AppRefreshToken})
	if err != nil || len(refreshed.Tokens) != 1 {
		t.Fatalf("refresh %+v, %v", refreshed, err)
	}
	b.restart()
	client = b.library()
	for name, one := range map[string]string{"the old": token, "the refreshed": refreshed.Tokens[0].AppAuthToken, "the account's": m.AppAuthToken} {
		if got := works(one); got != "ACQ.TRADE_NOT_EXIST" {
			t.Errorf("%s token: %s", name, got)
		}
		if status, _ := b.ctl(http.MethodPost, "/sandbox/v1/alipay/revoke", `{"app_auth_token":"`+one+`"}`); status != http.StatusNoContent {
			t.Errorf("revoke %s: %d", name, status)
		}
		if got := works(one); got != "aop.invalid-app-auth-token" {
			t.Errorf("%s token, revoked: %s", name, got)
		}
		if q, err := client.OpenAuthTokenAppQuery(t.Context(), alipay.OpenAuthTokenAppQuery{AppAuthToken: one}); err != nil || q.Status != "invalid" || q.UserId != m.UserID {
			t.Errorf("%s token, queried: %+v, %v", name, q, err)
		}
	}
	if got := works(a.Merchants[0].AppAuthToken); got != "ACQ.TRADE_NOT_EXIST" {
		t.Errorf("another merchant's token: %s", got)
	}
	if status, _ := b.ctl(http.MethodPost, "/sandbox/v1/alipay/revoke", `{"app_auth_token":"x"}`); status != http.StatusNotFound {
		t.Errorf("revoke an unknown token: %d", status)
	}
}

func TestARefreshedTokenEndsAfterItsGrace(t *testing.T) {
	t.Parallel()
	b := newBench(t, nil)
	a, client := b.Accounts().Providers[0].Alipay, b.library()
	back, _ := b.goesBack("/oauth2/appToAppAuth.htm", url.Values{"app_id": {a.AppID}, "redirect_uri": {"https://isv.example"}}, url.Values{"user_id": {a.Merchants[0].UserID}})
	first, err := client.OpenAuthTokenApp(t.Context(), alipay.OpenAuthTokenApp{GrantType: "authorization_code", Code: back.Get("app_auth_code")})
	if err != nil {
		t.Fatal(err)
	}
	refresh := alipay.OpenAuthTokenApp{GrantType: "refresh_token", RefreshToken: first.Tokens[0].AppRefreshToken}
	if _, err := client.OpenAuthTokenApp(t.Context(), refresh); err != nil {
		t.Fatal(err)
	}
	if again, err := client.OpenAuthTokenApp(t.Context(), refresh); err == nil && again.IsSuccess() {
		t.Errorf("a refresh token works twice: %+v", again)
	}
	b.clock.add(373 * 24 * time.Hour)
	rsp, err := client.TradeQuery(t.Context(), alipay.TradeQuery{AppAuthToken: first.Tokens[0].AppAuthToken, OutTradeNo: "NONE"})
	if err != nil || rsp.SubCode != "aop.app-auth-token-time-out" {
		t.Errorf("after its grace: %+v, %v", rsp, err)
	}
}

func TestABuyerOfAlipaySignsIn(t *testing.T) {
	t.Parallel()
	b := newBench(t, nil)
	a, client := b.Accounts().Providers[0].Alipay, b.library()
	back, _ := b.goesBack("/oauth2/publicAppAuthorize.htm", url.Values{
		"app_id": {a.AppID}, "scope": {"auth_base"}, "redirect_uri": {"https://shop.example/cb"}, "state": {"1"}, "sandbox_customer": {"anna"},
	}, nil)
	if back.Get("scope") != "auth_base" || back.Get("app_id") != a.AppID {
		t.Fatalf("went back with %v", back)
	}
	ask := alipay.SystemOauthToken{GrantType: "authorization_code", Code: back.Get("auth_code")}
	got, err := client.SystemOauthToken(t.Context(), ask)
	id := b.identity("anna", a.AppID)
	if err != nil || got.UserId != id.BuyerID || got.AccessToken == "" {
		t.Fatalf("%+v, %v", got, err)
	}
	if again, err := client.SystemOauthToken(t.Context(), ask); err == nil {
		t.Errorf("the code again: %+v", again)
	}
	next, err := client.SystemOauthToken(t.Context(), alipay.SystemOauthToken{GrantType: "refresh_token", RefreshToken: got.RefreshToken})
	if err != nil || next.UserId != id.BuyerID {
		t.Errorf("refreshed: %+v, %v", next, err)
	}
	// Who signed in is who may pay.
	created, err := client.TradeCreate(t.Context(), alipay.TradeCreate{
		Trade: alipay.Trade{
			AppAuthToken: a.Merchants[0].AppAuthToken, Subject: "测试", OutTradeNo: b.no(), TotalAmount: "1.00", ProductCode: "JSAPI_PAY",
		},
		BuyerId: got.UserId,
	})
	if err != nil {
		t.Fatal(err)
	}
	b.pays("anna", sandbox.Invocation{TradeNo: created.TradeNo})
}
