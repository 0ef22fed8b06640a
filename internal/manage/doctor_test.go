package manage_test

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"encoding/pem"
	"math/big"
	"net/http"
	"strings"
	"testing"
	"time"

	"cloudpay/internal/directory"
	"cloudpay/internal/manage"
	"cloudpay/internal/pay"
	"cloudpay/internal/secret"
)

// certificate is one that ends at that time.
func certificate(t *testing.T, end time.Time) string {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	c := &x509.Certificate{SerialNumber: big.NewInt(1), NotBefore: end.Add(-time.Hour), NotAfter: end}
	der, err := x509.CreateCertificate(rand.Reader, c, c, &key.PublicKey, key)
	if err != nil {
		t.Fatal(err)
	}
	return string(pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der}))
}

// finding is the last line of a check.
func (h *house) finding(t *testing.T, check string) manage.Finding {
	t.Helper()
	var found manage.Finding
	for _, f := range h.server.Doctor(t.Context()) {
		if f.Check == check {
			found = f
		}
	}
	if found.Check == "" {
		t.Errorf("the doctor does not look at the %s", check)
	}
	return found
}

func TestTheDoctorReadsCertificates(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		cert        func(t *testing.T, now time.Time) string
		state, text string
	}{
		"good":      {func(t *testing.T, now time.Time) string { t.Helper(); return certificate(t, now.Add(90*24*time.Hour)) }, manage.StateOK, "until"},
		"ends soon": {func(t *testing.T, now time.Time) string { t.Helper(); return certificate(t, now.Add(29*24*time.Hour)) }, manage.StateWarn, "ends on"},
		"ended":     {func(t *testing.T, now time.Time) string { t.Helper(); return certificate(t, now.Add(-time.Minute)) }, manage.StateFail, "ended on"},
		"no PEM":    {func(*testing.T, time.Time) string { return "nonsense" }, manage.StateFail, "not PEM"},
		"none":      {func(*testing.T, time.Time) string { return "" }, manage.StateWarn, "refunds and reverses will be refused"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			h := newHouse(t)
			w := &directory.WechatAccount{
				MchID: "1", AppID: "wx", APIKey: secret.New(strings.Repeat("k", 32)), SignType: directory.SignHMAC,
				CertPEM: c.cert(t, h.clock.now()), BaseURL: "https://wallet.test",
			}
			if w.CertPEM != "" {
				w.KeyPEM = secret.New("key")
			}
			if err := h.people.PutAccount(t.Context(), directory.System, directory.Account{ProviderID: providerA, Channel: pay.Wxpay, Wechat: w}); err != nil {
				t.Fatal(err)
			}
			f := h.finding(t, "certificate")
			if f.State != c.state || !strings.Contains(f.Text, c.text) || f.State != manage.StateOK && !strings.Contains(f.Next, "cloudpay account set --provider "+providerA) {
				t.Errorf("%+v, want %s with %q", f, c.state, c.text)
			}
		})
	}
}

func TestTheDoctorKnowsAddressesThatAreNeverCalled(t *testing.T) {
	t.Parallel()
	h := newHouse(t)
	for address, why := range map[string]string{
		"https://baker.example/n": "", "https://baker.example:8443/n": "",
		"http://baker.example/n": "not https", "https://127.0.0.1/n": "private", "https://10.1.2.3/n": "private",
		"https://localhost/n": "private", "https://baker.example:25/n": "port", "https://[fe80::1]/n": "private",
	} {
		for _, m := range []string{merchantA, merchantB} {
			if _, err := h.people.UpdateMerchant(t.Context(), directory.System, m, func(m *directory.Merchant) error { m.NotifyURL = address; return nil }); err != nil {
				t.Fatal(err)
			}
		}
		f := h.finding(t, "callback")
		if bad := why != ""; bad != (f.State == manage.StateFail) || !strings.Contains(f.Text, why) || bad && !strings.Contains(f.Next, "--notify-url") {
			t.Errorf("%s: %+v, want why %q", address, f, why)
		}
	}
}

func TestTheDoctorMissesWhatMerchantsLack(t *testing.T) {
	t.Parallel()
	h := newHouse(t)
	edit := func(do func(*directory.Merchant)) {
		t.Helper()
		if _, err := h.people.UpdateMerchant(t.Context(), directory.System, merchantB, func(m *directory.Merchant) error { do(m); return nil }); err != nil {
			t.Fatal(err)
		}
	}
	// merchantB was made without wallet and key.
	for check, next := range map[string]string{
		"wallet": "cloudpay merchant set " + merchantB + " --wx-sub-mch-id", "public key": "cloudpay key rotate " + merchantB,
		"account": "cloudpay account set --provider " + providerB,
	} {
		if f := h.finding(t, check); f.State == manage.StateOK || !strings.Contains(f.Next, next) {
			t.Errorf("%s: %+v, want next %q", check, f, next)
		}
	}
	edit(func(m *directory.Merchant) { m.RefundMustSign = true })
	if f := h.finding(t, "public key"); f.State != manage.StateFail {
		t.Errorf("a merchant that must sign without a key: %+v", f)
	}
	edit(func(m *directory.Merchant) { m.Shops[0].Staff = nil })
	if f := h.finding(t, "staff"); f.State != manage.StateWarn || !strings.Contains(f.Next, "cloudpay staff add --merchant "+merchantB) {
		t.Errorf("no staff: %+v", f)
	}
	edit(func(m *directory.Merchant) { m.Shops[0].Devices = nil })
	if f := h.finding(t, "device"); f.State != manage.StateFail || !strings.Contains(f.Next, "cloudpay device add --merchant "+merchantB) {
		t.Errorf("no device: %+v", f)
	}
	edit(func(m *directory.Merchant) { m.Shops = nil })
	if f := h.finding(t, "shop"); f.State != manage.StateFail || !strings.Contains(f.Next, "cloudpay shop add --merchant "+merchantB) {
		t.Errorf("no shop: %+v", f)
	}
	edit(func(m *directory.Merchant) { m.Disabled = true }) // nobody misses anything of one that is off
	if f := h.finding(t, "shop"); f.State != manage.StateOK {
		t.Errorf("a disabled merchant: %+v", f)
	}
}

func TestTheDoctorDistrustsAClockThatWentBack(t *testing.T) {
	t.Parallel()
	h := newHouse(t)
	if f := h.finding(t, "clock"); f.State != manage.StateOK {
		t.Errorf("a good clock: %+v", f)
	}
	h.clock.advance(-time.Hour)
	if f := h.finding(t, "clock"); f.State != manage.StateFail || f.Next == "" {
		t.Errorf("an hour back: %+v", f)
	}
}

// TestTheDoctorSeesAlipaysCertificates: the account's own, Alipay's and the
// root, when they end soon.
func TestTheDoctorSeesAlipaysCertificates(t *testing.T) {
	t.Parallel()
	h := newHouse(t)
	p := h.box.Accounts().Providers[0].Alipay
	body := `{"alipay":{"app_id":"` + p.AppID + `","gateway_url":"https://wallet.test/gateway.do","private_key_pem":` + quoted(t, p.AppPrivateKeyPEM) + `,"app_cert_pem":` +
		quoted(t, p.AppCertPEM) + `,"alipay_cert_pem":` + quoted(t, p.AlipayCertPEM) + `,"root_cert_pem":` + quoted(t, p.RootCertPEM) + `}}`
	if w := h.as(t, "operator", "PUT", "/v1/providers/"+providerA+"/accounts/alipay", body); w.Code != http.StatusOK {
		t.Fatalf("%d %s", w.Code, w.Body)
	}
	warned := func() (texts []string) {
		for _, f := range h.server.Doctor(t.Context()) {
			if f.Check == "channel" && strings.Contains(f.Text, "alipay") && f.State == manage.StateWarn {
				texts = append(texts, f.Text)
			}
		}
		return texts
	}
	if got := warned(); len(got) != 0 {
		t.Errorf("of good certificates: %q", got)
	}
	end := time.Time{}
	for _, text := range []string{p.AppCertPEM, p.AlipayCertPEM} {
		block, _ := pem.Decode([]byte(text))
		cert, err := x509.ParseCertificate(block.Bytes)
		if err != nil {
			t.Fatal(err)
		}
		if end.IsZero() || cert.NotAfter.Before(end) {
			end = cert.NotAfter
		}
	}
	h.clock.advance(time.Until(end) - 20*24*time.Hour)
	if got := strings.Join(warned(), "\n"); !strings.Contains(got, "ends on") {
		t.Errorf("twenty days before their end: %q", got)
	}
}

// TestTheDoctorComesBackWhenNoWalletAnswers: each silent wallet takes ten seconds,
// and whoever called the doctor waits no longer than a minute.
func TestTheDoctorComesBackWhenNoWalletAnswers(t *testing.T) {
	t.Parallel()
	h := newHouse(t)
	a, err := h.people.Account(t.Context(), providerA, pay.Wxpay)
	if err != nil {
		t.Fatal(err)
	}
	for _, id := range []string{"silent-1", "silent-2", "silent-3", "silent-4", "silent-5", "silent-6"} {
		if _, err := h.people.CreateProvider(t.Context(), directory.System, directory.Provider{ID: id, Name: id}); err != nil {
			t.Fatal(err)
		}
		err := h.people.PutAccount(t.Context(), directory.System, directory.Account{ProviderID: id, Channel: pay.Wxpay, Wechat: a.Wechat})
		if err != nil {
			t.Fatal(err)
		}
	}
	h.silent = func() { h.clock.advance(10 * time.Second) }
	from := h.clock.now()
	unknown := 0
	for _, f := range h.server.Doctor(t.Context()) {
		if f.Check == "clock" && strings.Contains(f.Text, "was not compared") {
			unknown++
		}
	}
	if took := h.clock.now().Sub(from); took > 50*time.Second || unknown != 7 {
		t.Errorf("the doctor took %s and says of %d accounts that they told no time", took, unknown)
	}
}
