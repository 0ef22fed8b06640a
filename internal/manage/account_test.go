package manage_test

import (
	"crypto/rand"
	"crypto/rsa"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/json"
	"encoding/pem"
	"log/slog"
	"maps"
	"math/big"
	"net/http"
	"strings"
	"testing"
	"time"

	"cloudpay/internal/channel"
	"cloudpay/internal/directory"
	"cloudpay/internal/manage"
	"cloudpay/internal/pay"
	"cloudpay/internal/wallets"
)

// quoted is a text as JSON.
func quoted(t *testing.T, text string) string {
	t.Helper()
	raw, err := json.Marshal(text)
	if err != nil {
		t.Fatal(err)
	}
	return string(raw)
}

func rsaKey(t *testing.T) *rsa.PrivateKey {
	t.Helper()
	key, err := rsa.GenerateKey(rand.Reader, 2048)
	if err != nil {
		t.Fatal(err)
	}
	return key
}

func privateHalf(t *testing.T, key *rsa.PrivateKey) string {
	t.Helper()
	der, err := x509.MarshalPKCS8PrivateKey(key)
	if err != nil {
		t.Fatal(err)
	}
	return string(pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: der}))
}

func publicHalf(t *testing.T, key *rsa.PrivateKey) string {
	t.Helper()
	der, err := x509.MarshalPKIXPublicKey(&key.PublicKey)
	if err != nil {
		t.Fatal(err)
	}
	return string(pem.EncodeToMemory(&pem.Block{Type: "PUBLIC KEY", Bytes: der}))
}

// alipayKeys are a private and a public key as JSON strings.
func alipayKeys(t *testing.T) (private, public string) {
	t.Helper()
	key := rsaKey(t)
	return quoted(t, privateHalf(t, key)), quoted(t, publicHalf(t, key))
}

// certOf makes a certificate for key, signed by parent's key, or by itself.
func certOf(t *testing.T, key *rsa.PrivateKey, end time.Time, parent *x509.Certificate, by *rsa.PrivateKey) (string, *x509.Certificate) {
	t.Helper()
	c := &x509.Certificate{
		SerialNumber: big.NewInt(end.UnixNano()), Subject: pkix.Name{CommonName: "test"}, NotBefore: end.Add(-365 * 24 * time.Hour), NotAfter: end,
		IsCA: parent == nil, BasicConstraintsValid: true,
	}
	if parent == nil {
		parent, by = c, key
	}
	der, err := x509.CreateCertificate(rand.Reader, c, parent, &key.PublicKey, by)
	if err != nil {
		t.Fatal(err)
	}
	made, err := x509.ParseCertificate(der)
	if err != nil {
		t.Fatal(err)
	}
	return string(pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der})), made
}

// TestAnAccountsMistakesAreNamed: each refusal names the member, changes
// nothing and repeats no key.
func TestAnAccountsMistakesAreNamed(t *testing.T) {
	t.Parallel()
	h := newHouse(t)
	now := h.clock.now()
	key, other := rsaKey(t), rsaKey(t)
	good, root := certOf(t, key, now.Add(300*24*time.Hour), nil, nil)
	ended, _ := certOf(t, key, now.Add(-time.Hour), nil, nil)
	foreign, _ := certOf(t, other, now.Add(300*24*time.Hour), nil, nil)
	leaf, _ := certOf(t, other, now.Add(200*24*time.Hour), root, key)
	const v3 = "0123456789abcdef0123456789abcdef"
	wx := func(m map[string]string) map[string]map[string]string {
		b := map[string]string{"mch_id": "1", "app_id": "wx2", "base_url": "https://wallet.test", "api": "v3", "api_v3_key": v3, "cert_pem": good, "key_pem": privateHalf(t, key)}
		maps.Copy(b, m)
		return map[string]map[string]string{"wxpay": b}
	}
	ali := func(m map[string]string) map[string]map[string]string {
		b := map[string]string{"app_id": "1", "private_key_pem": privateHalf(t, key), "app_cert_pem": good, "alipay_cert_pem": leaf, "root_cert_pem": good}
		maps.Copy(b, m)
		return map[string]map[string]string{"alipay": b}
	}
	for _, c := range []struct {
		name, field string
		body        map[string]map[string]string
	}{
		{"v3 without trouble", "", wx(nil)},
		{"v3 with the public key", "", wx(map[string]string{"public_key_id": "PUB_KEY_ID_0119000001", "public_key_pem": publicHalf(t, other)})},
		{"short APIv3 key", "wxpay.api_v3_key", wx(map[string]string{"api_v3_key": "short"})},
		{"short APIv2 key", "wxpay.api_key", wx(map[string]string{"api_key": "short"})},
		{"no certificate", "wxpay.cert_pem", wx(map[string]string{"cert_pem": ""})},
		{"certificate that ended", "wxpay.cert_pem", wx(map[string]string{"cert_pem": ended})},
		{"no certificate at all", "wxpay.cert_pem", wx(map[string]string{"cert_pem": "CERT"})},
		{"another's certificate", "wxpay.key_pem", wx(map[string]string{"cert_pem": foreign})},
		{"private key unreadable", "wxpay.key_pem", wx(map[string]string{"key_pem": "KEY"})},
		{"public key id of no form", "wxpay.public_key_id", wx(map[string]string{"public_key_id": "0119000001", "public_key_pem": publicHalf(t, other)})},
		{"public key without id", "wxpay.public_key_id", wx(map[string]string{"public_key_pem": publicHalf(t, other)})},
		{"private key as public", "wxpay.public_key_pem", wx(map[string]string{"public_key_id": "PUB_KEY_ID_01", "public_key_pem": good})},
		{"certificate mode", "", ali(nil)},
		{"two of three certificates", "alipay.root_cert_pem", ali(map[string]string{"root_cert_pem": ""})},
		{"application certificate of another key", "alipay.private_key_pem", ali(map[string]string{"app_cert_pem": foreign})},
		{"Alipay's certificate of nobody", "alipay.alipay_cert_pem", ali(map[string]string{"alipay_cert_pem": foreign})},
		{"root unreadable", "alipay.root_cert_pem", ali(map[string]string{"root_cert_pem": "ROOT"})},
		{"key mode without key", "alipay.alipay_public_key_pem", ali(map[string]string{"app_cert_pem": "", "alipay_cert_pem": "", "root_cert_pem": ""})},
	} {
		channel := "alipay"
		if c.body["wxpay"] != nil {
			channel = "wxpay"
		}
		raw, err := json.Marshal(c.body)
		if err != nil {
			t.Fatal(err)
		}
		was, _ := h.people.Account(t.Context(), providerA, "wxpay")
		w := h.as(t, "operator", "PUT", "/v1/providers/"+providerA+"/accounts/"+channel+"?skip_rehearsal=true", string(raw))
		if c.field == "" {
			if w.Code != http.StatusOK {
				t.Errorf("%s: %d %s", c.name, w.Code, w.Body)
			}
			continue
		}
		p := problemOf(t, w)
		if w.Code != http.StatusUnprocessableEntity || len(p.Errors) != 1 || p.Errors[0].Location != "body."+c.field {
			t.Errorf("%s: %d %s, want the member %s", c.name, w.Code, w.Body, c.field)
		}
		if strings.Contains(w.Body.String(), "PRIVATE KEY") || strings.Contains(w.Body.String(), v3) {
			t.Errorf("%s: a key comes back: %s", c.name, w.Body)
		}
		if is, err := h.people.Account(t.Context(), providerA, "wxpay"); err != nil || is.Tag != was.Tag {
			t.Errorf("%s: the account was changed: %v", c.name, err)
		}
	}
}

// TestReplacedKeysGoOnVerifying: an account remembers the keys before its last
// change for as long as wallets repeat notices.
func TestReplacedKeysGoOnVerifying(t *testing.T) {
	t.Parallel()
	h := newHouse(t)
	set := func(apiKey string) manage.Account {
		t.Helper()
		w := h.as(t, "provider", "PUT", "/v1/providers/"+providerA+"/accounts/wxpay?skip_rehearsal=true", `{"wxpay":{"mch_id":"1","app_id":"wx2","api_key":"`+apiKey+`"}}`)
		var a manage.Account
		if err := json.Unmarshal(w.Body.Bytes(), &a); err != nil || w.Code != http.StatusOK {
			t.Fatalf("%d %s", w.Code, w.Body)
		}
		return a
	}
	first, second := strings.Repeat("a", 32), strings.Repeat("b", 32)
	if a := set(first); a.OldUntil != nil {
		t.Errorf("another account's keys are kept until %v", a.OldUntil)
	}
	if a := set(first); a.OldUntil != nil {
		t.Errorf("the same keys are kept as old ones until %v", a.OldUntil)
	}
	if a := set(second); a.OldUntil == nil || a.OldUntil.Sub(h.clock.now()) < 24*time.Hour {
		t.Errorf("old keys end at %v", a.OldUntil)
	}
	a, err := h.people.Account(t.Context(), providerA, "wxpay")
	if err != nil || a.Previous == nil || a.Previous.Wechat.APIKey.Reveal() != first || a.Wechat.APIKey.Reveal() != second || a.Previous.Previous != nil {
		t.Errorf("the old keys are not kept: %v", err)
	}
	h.clock.advance(26 * time.Hour)
	if a, err := h.people.Account(t.Context(), providerA, "wxpay"); err != nil || a.Previous != nil {
		t.Errorf("old keys are kept for ever: %v", err)
	}
}

// TestAMerchantChoosesItsAPI: v2 is a second channel per merchant.
func TestAMerchantChoosesItsAPI(t *testing.T) {
	t.Parallel()
	h := newHouse(t)
	path := "/v1/merchants/" + merchantA
	p := h.box.Accounts().Providers[0].WeChat
	if w := h.as(t, "provider", "PATCH", path, `{"wx_api":"v3"}`); problemOf(t, w).Errors[0].Location != "body.wx_api" {
		t.Errorf("v3 without its key: %d %s", w.Code, w.Body)
	}
	if w := h.as(t, "operator", "PUT", "/v1/providers/"+providerA+"/accounts/wxpay", `{"wxpay":{"mch_id":"`+p.MchID+`","app_id":"`+p.AppID+
		`","base_url":"https://wallet.test","api":"v2","api_v3_key":"`+p.APIv3Key+`","cert_pem":`+quoted(t, p.ClientCertPEM)+`,"key_pem":`+quoted(t, p.ClientKeyPEM)+`}}`); w.Code != http.StatusOK {
		t.Fatalf("%d %s", w.Code, w.Body)
	}
	for _, step := range []struct {
		body string
		code int
		want string
	}{
		{`{"wx_api":"v3"}`, http.StatusOK, directory.APIv3},
		{`{"wx_api":"v4"}`, http.StatusUnprocessableEntity, directory.APIv3},
		{`{}`, http.StatusOK, directory.APIv3},
		{`{"wx_api":"v2"}`, http.StatusOK, directory.APIv2},
		{`{"wx_api":""}`, http.StatusOK, ""},
	} {
		if w := h.as(t, "provider", "PATCH", path, step.body); w.Code != step.code {
			t.Errorf("PATCH %s: %d %s, want %d", step.body, w.Code, w.Body, step.code)
		}
		if m, err := h.people.Merchant(t.Context(), merchantA); err != nil || m.Wx.API != step.want {
			t.Errorf("after %s: %q, %v, want %q", step.body, m.Wx.API, err, step.want)
		}
	}
}

// TestAnAccountIsRehearsedBeforeItIsStored: keys that the wallet does not take,
// and keys that do not verify its answers, never replace those that work.
func TestAnAccountIsRehearsedBeforeItIsStored(t *testing.T) {
	t.Parallel()
	h := newHouse(t)
	p := h.box.Accounts().Providers[0]
	private, public := alipayKeys(t)
	wx := func(apiKey, more string) string {
		return `{"wxpay":{"mch_id":"` + p.WeChat.MchID + `","app_id":"` + p.WeChat.AppID + `","base_url":"https://wallet.test","api_key":"` + apiKey + `","cert_pem":` +
			quoted(t, p.WeChat.ClientCertPEM) + `,"key_pem":` + quoted(t, p.WeChat.ClientKeyPEM) + more + `}}`
	}
	ali := func(private, public string) string {
		return `{"alipay":{"app_id":"` + p.Alipay.AppID + `","gateway_url":"https://wallet.test/gateway.do","private_key_pem":` + private + `,"alipay_public_key_pem":` + public + `}}`
	}
	mine, theirs := quoted(t, p.Alipay.AppPrivateKeyPEM), quoted(t, p.Alipay.AlipayPublicKeyPEM)
	for _, c := range []struct {
		name, channel, body string
		passes              bool
	}{
		{"wxpay as it is", "wxpay", wx(p.WeChat.APIv2Key, ""), true},
		{"wxpay with a wrong key", "wxpay", wx(strings.Repeat("0", 32), ""), false},
		{"alipay", "alipay", ali(mine, theirs), true},
		{"alipay with a key that Alipay does not know", "alipay", ali(private, theirs), false},
		{"alipay with a key that is not Alipay's", "alipay", ali(mine, public), false},
		{"alipay by certificate", "alipay", `{"alipay":{"app_id":"` + p.Alipay.AppID + `","gateway_url":"https://wallet.test/gateway.do","private_key_pem":` + mine + `,"app_cert_pem":` +
			quoted(t, p.Alipay.AppCertPEM) + `,"alipay_cert_pem":` + quoted(t, p.Alipay.AlipayCertPEM) + `,"root_cert_pem":` + quoted(t, p.Alipay.RootCertPEM) + `}}`, true},
	} {
		path := "/v1/providers/" + providerA + "/accounts/" + c.channel
		was, _ := h.people.Account(t.Context(), providerA, pay.Channel(c.channel))
		for _, step := range []struct{ method, path string }{{"POST", path + "/rehearsal"}, {"PUT", path}} {
			w := h.as(t, "operator", step.method, step.path, c.body)
			if c.passes != (w.Code == http.StatusOK) || !c.passes && problemOf(t, w).Type != "urn:cloudpay:error:rehearsal_failed" {
				t.Errorf("%s, %s: %d %s", c.name, step.method, w.Code, w.Body)
			}
			is, err := h.people.Account(t.Context(), providerA, pay.Channel(c.channel))
			if stored := step.method == "PUT" && c.passes; !stored && was != nil && (err != nil || is.Tag != was.Tag) {
				t.Errorf("%s, %s: the account was changed: %v", c.name, step.method, err)
			}
		}
	}
	if w := h.as(t, "operator", "POST", "/v1/providers/"+providerA+"/accounts/alipay/rehearsal", `{}`); w.Code != http.StatusOK {
		t.Errorf("the stored account: %d %s", w.Code, w.Body)
	}
}

// TestChannelsAreSeenFromElsewhere: what a serving process knows of an account
// is read by another that asks no wallet.
func TestChannelsAreSeenFromElsewhere(t *testing.T) {
	t.Parallel()
	h := newHouse(t)
	h.order(t)
	h.wallets.Keep(t.Context())
	other := wallets.New(wallets.Config{Directory: h.people, Build: h.adapter, Keeper: h.store, Now: h.clock.now, Log: slog.New(slog.DiscardHandler)})
	list, err := other.Status(t.Context(), "")
	if err != nil || len(list) != 1 {
		t.Fatalf("%+v, %v", list, err)
	}
	s := list[0]
	if s.ProviderID != providerA || s.Verified.IsZero() || s.Written.IsZero() || len(s.Keys) == 0 || s.Keys[0].Role != channel.RoleOurs || len(s.Warnings) != 0 {
		t.Errorf("%+v", s)
	}
	h.clock.advance(80 * time.Hour)
	if list, err = other.Status(t.Context(), providerA); err != nil || len(list[0].Warnings) != 1 || list[0].Warnings[0].Code != wallets.WarnQuiet {
		t.Errorf("after three quiet days: %+v, %v", list[0].Warnings, err)
	}
	w := h.as(t, "ops", "GET", "/v1/channels", "")
	if w.Code != http.StatusOK || !strings.Contains(w.Body.String(), `"code":"quiet"`) {
		t.Errorf("ops reads %d %s", w.Code, w.Body)
	}
	if w := h.as(t, "stranger", "GET", "/v1/channels", ""); strings.Contains(w.Body.String(), providerA) {
		t.Errorf("another provider reads %s", w.Body)
	}
}
