package sandbox

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"html/template"
	"net/http"
	"net/url"
	"slices"
	"strings"
)

// silentCustomer is the parameter that answers a sign-in page without a person:
// the customer who signs in. It is the sandbox's own.
const silentCustomer = "sandbox_customer"

// oauthRoutes adds the pages where customers sign in and merchants authorise,
// and the calls that turn a code into an openid, under the paths they have at
// open.weixin.qq.com, api.weixin.qq.com and openauth.alipay.com.
func (s *Sandbox) oauthRoutes(mux *http.ServeMux) {
	guard := http.NewCrossOriginProtection()
	for path, h := range map[string]http.HandlerFunc{
		"/connect/oauth2/authorize":          s.signIn(wxDoor),
		"/oauth2/publicAppAuthorize.htm":     s.signIn(aliDoor),
		"/oauth2/appToAppAuth.htm":           s.authorise,
		"/sns/oauth2/access_token":           s.wxOpenID("code"),
		"/sns/oauth2/component/access_token": s.wxOpenID("code"),
		"/sns/jscode2session":                s.wxOpenID("js_code"),
	} {
		mux.Handle("GET "+path, h)
		mux.Handle("POST "+path, guard.Handler(h))
	}
}

// oauthDoor is one wallet's sign-in page: its parameters and what it adds to the
// address it sends the customer back to.
type oauthDoor struct {
	wallet  Channel
	app     string // the parameter that names the application
	scopes  []string
	code    string // the parameter of the code
	heading string
	english string // the heading in English
	more    func(appID, scope string) url.Values
}

var (
	wxDoor = oauthDoor{
		wallet: WeChat, app: "appid", scopes: []string{"snsapi_base", "snsapi_userinfo"}, code: "code", heading: "微信沙箱授权登录", english: "WeChat sandbox: sign in",
		more: func(string, string) url.Values { return url.Values{} },
	}
	aliDoor = oauthDoor{
		wallet: Alipay, app: "app_id", scopes: []string{"auth_base", "auth_user", "auth_userinfo"}, code: "auth_code", heading: "支付宝沙箱授权登录", english: "Alipay sandbox: sign in",
		more: func(appID, scope string) url.Values {
			return url.Values{"app_id": {appID}, "scope": {scope}, "source": {"alipay_wallet"}}
		},
	}
)

// knowsApp reports whether an application is one of the accounts': of WeChat's,
// the provider's and those of its shops.
func (s *Sandbox) knowsApp(ch Channel, appID string) bool {
	if ch == Alipay {
		return s.ali[appID] != nil
	}
	for _, p := range s.wx {
		if p.account.AppID == appID || slices.ContainsFunc(p.account.Merchants, func(m WeChatMerchant) bool { return m.owns(appID) }) {
			return appID != ""
		}
	}
	return false
}

// signIn serves a sign-in page: the customer says who they are, and goes back
// to redirect_uri with a code for the application. With silentCustomer the page
// is passed over.
func (s *Sandbox) signIn(d oauthDoor) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		q, back, err := s.oauthQuery(w, r)
		if err != nil {
			sendText(w, http.StatusBadRequest, err.Error())
			return
		}
		appID, scope := q.Get(d.app), q.Get("scope")
		switch {
		case !s.knowsApp(d.wallet, appID):
			sendText(w, http.StatusBadRequest, d.app+"参数错误: 应用不存在 · no such application")
			return
		case !slices.Contains(d.scopes, scope):
			sendText(w, http.StatusBadRequest, "scope参数错误 · scope is one of: "+strings.Join(d.scopes, " "))
			return
		case d.wallet == WeChat && q.Get("response_type") != "code":
			sendText(w, http.StatusBadRequest, "response_type参数错误 · response_type must be: code")
			return
		}
		customer := q.Get(silentCustomer)
		if r.Method == http.MethodPost {
			customer = r.PostForm.Get("customer")
		}
		if customer == "" {
			s.oauthPage(w, r, oauthForm{Heading: d.heading, English: d.english, App: appID, Label: "沙箱顾客", LabelEN: "Customer of the sandbox", Name: "customer", Value: "xiaoming"})
			return
		}
		code, err := s.LoginCode(r.Context(), customer, appID, scope)
		if err != nil {
			s.oauthFailed(w, r, err)
			return
		}
		add := d.more(appID, scope)
		add.Set(d.code, code)
		redirectBack(w, r, back, q.Get("state"), add)
	}
}

// LoginCode signs a customer in to an application and returns the code that the
// application turns into who it was: code of WeChat's, auth_code of Alipay's. It
// is what wx.login gives to a mini program. An unknown customer is made. The
// error wraps ErrInvalid.
func (s *Sandbox) LoginCode(ctx context.Context, customer, appID, scope string) (string, error) {
	if !s.knowsApp(WeChat, appID) && !s.knowsApp(Alipay, appID) {
		return "", fmt.Errorf("%w application %q: it is none of the accounts'", ErrInvalid, appID)
	}
	code := randomHex(16)
	err := s.run(ctx, func(ctx context.Context, tx *txn) error {
		id, err := s.ensureCustomer(ctx, tx, customer)
		if err != nil {
			return err
		}
		return tx.insertGrant(ctx, grant{
			value: code, kind: grantLoginCode, appID: appID, subject: id, scope: scope, untilMS: tx.now.Add(loginCodeLife).UnixMilli(),
		})
	})
	if err != nil {
		return "", fmt.Errorf("sign in: %w", err)
	}
	return code, nil
}

// postLogin is LoginCode, for a mini program that has no page.
func (s *Sandbox) postLogin(r *http.Request) (int, any, error) {
	var in struct {
		AppID string `json:"app_id"`
	}
	if err := readControl(r, &in); err != nil {
		return 0, nil, err
	}
	code, err := s.LoginCode(r.Context(), r.PathValue("id"), in.AppID, "")
	return http.StatusOK, map[string]string{"code": code}, err
}

// authorise serves the page where a merchant authorises a provider's
// application (upstreams.md §4.2): it goes back to redirect_uri with an
// app_auth_code.
func (s *Sandbox) authorise(w http.ResponseWriter, r *http.Request) {
	q, back, err := s.oauthQuery(w, r)
	if err != nil {
		sendText(w, http.StatusBadRequest, err.Error())
		return
	}
	app := s.ali[q.Get("app_id")]
	if app == nil {
		sendText(w, http.StatusBadRequest, "app_id参数错误: 应用不存在 · no such application")
		return
	}
	form := oauthForm{
		Heading: "支付宝沙箱商家授权", English: "Alipay sandbox: a merchant authorises", App: app.account.AppID,
		Label: "商家支付宝账号", LabelEN: "The merchant's account at Alipay", Name: "user_id",
	}
	for _, m := range app.account.Merchants {
		form.Choices = append(form.Choices, m.UserID)
	}
	merchant := r.PostForm.Get("user_id")
	if r.Method != http.MethodPost {
		s.oauthPage(w, r, form)
		return
	}
	if !slices.Contains(form.Choices, merchant) {
		sendText(w, http.StatusBadRequest, "user_id参数错误: 不是该服务商的商家 · not a merchant of this provider")
		return
	}
	code := randomHex(16)
	err = s.run(r.Context(), func(ctx context.Context, tx *txn) error {
		return tx.insertGrant(ctx, grant{
			value: code, kind: grantAppCode, appID: app.account.AppID, subject: merchant, untilMS: tx.now.Add(appCodeLife).UnixMilli(),
		})
	})
	if err != nil {
		s.oauthFailed(w, r, err)
		return
	}
	redirectBack(w, r, back, q.Get("state"), url.Values{"app_id": {app.account.AppID}, "app_auth_code": {code}, "source": {"alipay_app_auth"}})
}

// oauthQuery reads what every page has: its query, its form, and where to go back to.
func (s *Sandbox) oauthQuery(w http.ResponseWriter, r *http.Request) (url.Values, *url.URL, error) {
	r.Body = http.MaxBytesReader(w, r.Body, maxControlBody)
	q, err := url.ParseQuery(r.URL.RawQuery)
	if err != nil || r.ParseForm() != nil {
		return nil, nil, errors.New("参数无法识别 · the parameters cannot be read")
	}
	raw := q.Get("redirect_uri")
	back, err := url.Parse(raw)
	if err != nil || !validReturnURL(raw) {
		return nil, nil, errors.New("redirect_uri参数错误 · redirect_uri must be an http or https address")
	}
	return q, back, nil
}

// redirectBack sends the browser back, its own parameters kept.
func redirectBack(w http.ResponseWriter, r *http.Request, back *url.URL, state string, add url.Values) {
	q := back.Query()
	for name := range add {
		q.Set(name, add.Get(name))
	}
	if state != "" {
		q.Set("state", state)
	}
	to := *back
	to.RawQuery = q.Encode()
	http.Redirect(w, r, to.String(), http.StatusFound) //nolint:gosec // the address the page was opened with, as upstream's does
}

// oauthFailed answers a page's call that did not succeed.
func (s *Sandbox) oauthFailed(w http.ResponseWriter, r *http.Request, err error) {
	if errors.Is(err, ErrInvalid) {
		sendText(w, http.StatusBadRequest, err.Error())
		return
	}
	s.abort(r.Context(), "serve a sign-in page", err)
}

// wxOpenID answers the calls of api.weixin.qq.com that turn a code into an
// openid. The sandbox has no application secrets: any that is not empty will do.
func (s *Sandbox) wxOpenID(codeParam string) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		q := r.URL.Query()
		appID, secret := q.Get("appid"), q.Get("secret")+q.Get("component_access_token")
		switch {
		case !s.knowsApp(WeChat, appID):
			wxError(w, 40013, "invalid appid")
			return
		case secret == "":
			wxError(w, 41004, "appsecret missing")
			return
		case q.Get("grant_type") != "authorization_code":
			wxError(w, 40002, "invalid grant_type")
			return
		case q.Get(codeParam) == "":
			wxError(w, 41008, "missing code")
			return
		}
		out := map[string]any{}
		var refusal func()
		err := s.run(r.Context(), func(ctx context.Context, tx *txn) error {
			g, state, err := tx.useGrant(ctx, grantLoginCode, appID, q.Get(codeParam))
			if err != nil {
				return err
			}
			switch state {
			case codeUnknown, codeExpired:
				refusal = func() { wxError(w, 40029, "invalid code") }
				return nil
			case codeUsed:
				refusal = func() { wxError(w, 40163, "code been used") }
				return nil
			case codeGood:
			}
			out["openid"] = openID(appID, g.subject)
			if codeParam == "js_code" {
				out["session_key"] = randomHex(12)
				return nil
			}
			token := grant{
				value: randomHex(24), kind: grantLoginToken, appID: appID, subject: g.subject, scope: g.scope, refresh: randomHex(24),
				untilMS: tx.now.Add(loginTokenLife).UnixMilli(),
			}
			out["access_token"], out["refresh_token"], out["scope"], out["expires_in"] = token.value, token.refresh, g.scope, int64(loginTokenLife.Seconds())
			return tx.insertGrant(ctx, token)
		})
		if err != nil {
			s.abort(r.Context(), "turn a code into an openid", err)
		}
		if refusal != nil {
			refusal()
			return
		}
		sendWxJSON(w, out)
	}
}

// wxError is a refusal of api.weixin.qq.com, which is HTTP 200 as everything is.
func wxError(w http.ResponseWriter, code int, text string) {
	sendWxJSON(w, map[string]any{"errcode": code, "errmsg": text})
}

func sendWxJSON(w http.ResponseWriter, out map[string]any) {
	body, err := json.Marshal(out)
	if err != nil {
		panic("sandbox: an answer has no JSON form: " + err.Error())
	}
	w.Header().Set("Content-Type", "text/plain") // as upstream, which says so of its JSON
	w.Header().Set("Cache-Control", "no-store")
	_, _ = w.Write(body)
}

// oauthForm is what a page asks.
type oauthForm struct {
	Heading, English, App, Label, LabelEN, Name, Value string
	Choices                                            []string
}

// oauthPage asks a person.
func (s *Sandbox) oauthPage(w http.ResponseWriter, r *http.Request, f oauthForm) {
	h := w.Header()
	h.Set("Content-Type", "text/html; charset=utf-8")
	h.Set("Cache-Control", "no-store")
	h.Set("Content-Security-Policy", "default-src 'none'; style-src 'unsafe-inline'; base-uri 'none'; frame-ancestors 'none'")
	if err := oauthTemplate.Execute(w, f); err != nil {
		s.abort(r.Context(), "write a sign-in page", err)
	}
}

var oauthTemplate = template.Must(template.New("oauth").Parse(`<!doctype html>
<html lang="zh-CN"><head><meta charset="utf-8"><meta name="viewport" content="width=device-width, initial-scale=1"><title>{{.Heading}} · {{.English}}</title>
<style>
body{margin:0;background:#f2f4f7;font:16px/1.5 system-ui,sans-serif;color:#1f2329}
main{max-width:24rem;margin:0 auto;padding:2rem 1rem}
section{background:#fff;border-radius:12px;padding:1.5rem}
h1{font-size:1.125rem;margin:0 0 1rem}
h1 span{font-size:.875rem;font-weight:400}
label{display:block;color:#646a73;margin-bottom:.25rem}
input,select{box-sizing:border-box;width:100%;font:inherit;padding:.6rem;border:1px solid #8f959e;border-radius:8px;margin-bottom:1rem}
button{width:100%;font:inherit;padding:.75rem;border-radius:8px;border:0;background:#1677ff;color:#fff}
</style></head><body><main><section>
<h1>{{.Heading}}<br><span lang="en">{{.English}}</span></h1><p>应用 <span lang="en">Application</span> {{.App}}</p>
<form method="post"><label for="who">{{.Label}} <span lang="en">{{.LabelEN}}</span></label>
{{if .Choices}}<select id="who" name="{{.Name}}">{{range .Choices}}<option>{{.}}</option>{{end}}</select>
{{else}}<input id="who" name="{{.Name}}" value="{{.Value}}" autocomplete="off">{{end}}
<button>同意授权 · Allow</button></form>
</section></main></body></html>
`))
