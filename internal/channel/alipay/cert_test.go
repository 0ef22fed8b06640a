package alipay

import (
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"encoding/pem"
	"io"
	"log/slog"
	"maps"
	"math/big"
	"net/http"
	"net/http/httptest"
	"net/url"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"cloudpay/internal/channel"
	"cloudpay/internal/pay"
	"cloudpay/internal/sandbox"
	"cloudpay/internal/secret"
)

// certBench is a sandbox with one application in certificate mode, which counts
// the calls it gets by method and has a clock that moves when told.
type certBench struct {
	*sandbox.Sandbox
	conf Config
	mu   sync.Mutex
	now  time.Time
	got  map[string]int
	sent [][]byte // notices
}

// RoundTrip takes the sandbox's notices.
func (b *certBench) RoundTrip(r *http.Request) (*http.Response, error) {
	body, err := io.ReadAll(r.Body)
	b.mu.Lock()
	defer b.mu.Unlock()
	b.sent = append(b.sent, body)
	return &http.Response{StatusCode: http.StatusOK, Body: io.NopCloser(strings.NewReader("success")), Request: r}, err
}

// notices returns what was sent so far.
func (b *certBench) notices() [][]byte {
	b.mu.Lock()
	defer b.mu.Unlock()
	return slices.Clone(b.sent)
}

func (b *certBench) clock() time.Time {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.now
}

func (b *certBench) advance(d time.Duration) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.now = b.now.Add(d)
}

// fetches returns how many certificates were downloaded so far.
func (b *certBench) fetches() int { return b.asked(callCert.method) }

// asked returns how many calls of a method came so far.
func (b *certBench) asked(method string) int {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.got[method]
}

// sandboxKeys makes the keys of a sandbox once for all tests.
var sandboxKeys = sync.OnceValues(func() ([]byte, error) {
	dir, err := os.MkdirTemp("", "alipay-certs")
	if err != nil {
		return nil, err
	}
	defer os.RemoveAll(dir)
	box, err := sandbox.New(context.Background(), sandbox.Config{Dir: dir, Providers: 1, MerchantsPerProvider: 1, Now: time.Now})
	if err != nil {
		return nil, err
	}
	if err := box.Close(); err != nil {
		return nil, err
	}
	return os.ReadFile(filepath.Join(dir, "sandbox.db"))
})

func newCertBench(t *testing.T) *certBench {
	t.Helper()
	keys, err := sandboxKeys()
	if err != nil {
		t.Fatal(err)
	}
	dir := t.TempDir()
	if err := os.WriteFile(filepath.Join(dir, "sandbox.db"), keys, 0o600); err != nil {
		t.Fatal(err)
	}
	b := &certBench{now: start, got: map[string]int{}}
	if b.Sandbox, err = sandbox.New(t.Context(), sandbox.Config{Dir: dir, Providers: 1, MerchantsPerProvider: 1, Now: b.clock, Notify: b}); err != nil {
		t.Fatal(err)
	}
	wallet := b.Wallet()
	server := httptest.NewUnstartedServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if err := r.ParseForm(); err != nil {
			t.Error(err)
		}
		b.mu.Lock()
		b.got[r.PostForm.Get("method")]++
		b.mu.Unlock()
		r.URL.RawQuery = r.Form.Encode() // the body was read; the wallet takes parameters from anywhere
		wallet.ServeHTTP(w, r)
	}))
	server.TLS = b.TLSConfig()
	server.Config.ErrorLog = slog.NewLogLogger(slog.DiscardHandler, slog.LevelError)
	server.StartTLS()
	t.Cleanup(func() {
		if err := b.Close(); err != nil {
			t.Errorf("close sandbox: %v", err)
		}
		server.Close()
	})
	pool := x509.NewCertPool()
	pool.AppendCertsFromPEM([]byte(b.Accounts().CAPEM))
	a := b.Accounts().Providers[0].Alipay
	b.conf = Config{
		GatewayURL: server.URL + "/gateway.do", RootCAs: pool, AppID: a.AppID, AppPrivateKeyPEM: secret.New(a.AppPrivateKeyPEM),
		AppCertPEM: a.AppCertPEM, AlipayCertPEM: a.AlipayCertPEM, RootCertPEM: a.RootCertPEM, Now: b.clock,
	}
	return b
}

func (b *certBench) channel(t *testing.T) *Channel {
	t.Helper()
	c, err := New(b.conf)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(c.CloseIdle)
	return c
}

// ask queries an order that does not exist; verified is what proves the answer.
func (b *certBench) ask(t *testing.T, c *Channel) pay.Outcome {
	t.Helper()
	token := secret.New(b.Accounts().Providers[0].Alipay.Merchants[0].AppAuthToken)
	return c.Query(t.Context(), channel.OrderRequest{Merchant: channel.Merchant{AppAuthToken: token}, OutTradeNo: "NONE", Total: 1})
}

func (b *certBench) rotate(t *testing.T, overlap, valid time.Duration) sandbox.AlipayCertificate {
	t.Helper()
	made, err := b.RotateAlipay(t.Context(), b.conf.AppID, overlap, valid)
	if err != nil {
		t.Fatal(err)
	}
	return made
}

func (b *certBench) fault(t *testing.T, f sandbox.Fault) {
	t.Helper()
	if err := b.AddFault(f); err != nil {
		t.Fatal(err)
	}
}

func TestANewCertificateIsFetchedOnceByManyCalls(t *testing.T) {
	t.Parallel()
	b := newCertBench(t)
	c := b.channel(t)
	if out := b.ask(t, c); !out.Verified || b.fetches() != 0 {
		t.Fatalf("before the rotation: %+v, %d downloads", out, b.fetches())
	}
	made := b.rotate(t, time.Hour, 0)
	var wg sync.WaitGroup
	for range 50 {
		wg.Go(func() {
			for range 4 {
				if out := b.ask(t, c); !out.Verified {
					t.Errorf("during the rotation: %+v", out)
				}
			}
		})
	}
	wg.Wait()
	if n := b.fetches(); n != 1 {
		t.Errorf("%d downloads, want 1", n)
	}
	var used int
	for _, k := range c.Health().Keys {
		if k.Role == channel.RolePlatform && !k.Used.IsZero() {
			used++
		}
	}
	if h := c.Health(); used != 2 || h.Keys[2].Serial != made.SN || h.Refreshed.IsZero() || h.RefreshFailure != "" || h.Verified.IsZero() {
		t.Errorf("health %+v, want two certificates in use", h)
	}
}

func TestCertificatesThatCannotBeTrustedVerifyNothing(t *testing.T) {
	t.Parallel()
	for _, scenario := range []string{"cert_unknown", "cert_forged", "cert_expired"} {
		t.Run(scenario, func(t *testing.T) {
			t.Parallel()
			b := newCertBench(t)
			c := b.channel(t)
			b.fault(t, sandbox.Fault{Scenario: scenario, Endpoint: sandbox.EndpointQuery, Count: 3})
			for range 2 {
				if out := b.ask(t, c); out.Kind != pay.Unknown || !out.Lost || out.Verified || out.Text != channel.ErrSignature.Error() {
					t.Errorf("%+v, want unknown", out)
				}
			}
			if n := b.fetches(); n != 1 {
				t.Errorf("%d downloads within the pause, want 1", n)
			}
			b.advance(fetchPause)
			if out := b.ask(t, c); out.Verified || b.fetches() != 2 {
				t.Errorf("after the pause: %+v, %d downloads, want 2", out, b.fetches())
			}
			h := c.Health()
			if h.RefreshFailure == "" || h.Failure.Kind != "signature" || h.Failure.Call != callQuery.method {
				t.Errorf("health %+v", h)
			}
			if out := b.ask(t, c); !out.Verified {
				t.Errorf("afterwards: %+v", out)
			}
		})
	}
}

func TestALostDownloadIsTriedAgainAtOnce(t *testing.T) {
	t.Parallel()
	b := newCertBench(t)
	c := b.channel(t)
	b.rotate(t, 0, 0)
	b.fault(t, sandbox.Fault{Scenario: "drop_before", Endpoint: sandbox.EndpointAliCert, Count: 1})
	if out := b.ask(t, c); out.Verified || !out.Lost {
		t.Errorf("without the certificate: %+v", out)
	}
	if out := b.ask(t, c); !out.Verified {
		t.Errorf("the next call: %+v", out)
	}
}

func TestACertificateThatIsOverVerifiesNothing(t *testing.T) {
	t.Parallel()
	b := newCertBench(t)
	b.conf.AlipayCertPEM = b.rotate(t, 0, time.Hour).CertPEM
	c := b.channel(t)
	if out := b.ask(t, c); !out.Verified {
		t.Fatalf("in time: %+v", out)
	}
	b.advance(2 * time.Hour)
	if out := b.ask(t, c); out.Verified || b.fetches() != 0 {
		t.Errorf("over: %+v, %d downloads", out, b.fetches())
	}
	b.rotate(t, 0, 0)
	for name, c := range map[string]*Channel{"the same channel": c, "a channel that starts with the old one": b.channel(t)} {
		if out := b.ask(t, c); !out.Verified {
			t.Errorf("%s, after the rotation: %+v", name, out)
		}
	}
}

func TestAnAnswerInTheOtherModeIsNotBelieved(t *testing.T) {
	t.Parallel()
	answer := merge(success, paid, fieldsOf{"trade_status": "TRADE_SUCCESS"})
	_, w := play(t, func(request) fieldsOf { return answer })
	b := newCertBench(t)
	conf := w.config(t)
	conf.AppPrivateKeyPEM, conf.AppCertPEM, conf.AlipayCertPEM, conf.RootCertPEM = b.conf.AppPrivateKeyPEM, b.conf.AppCertPEM, b.conf.AlipayCertPEM, b.conf.RootCertPEM
	c, err := New(conf)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(c.CloseIdle)
	if out := c.Query(t.Context(), order); out.Kind != pay.Unknown || !out.Lost {
		t.Errorf("an answer that names no certificate: %+v", out)
	}
	if form := (<-w.requests).form; form.Get("app_cert_sn") == "" || strings.Count(form.Get("alipay_root_cert_sn"), "_") != 1 {
		t.Errorf("sent %v", form)
	}
	if n, err := c.ParseNotice(nil, posted(t, nil)); err == nil {
		t.Errorf("a notice of key mode was read as %+v", n)
	}
}

// TestOnlyAlipaysOwnCertificateIsTrusted: an application's certificate leads to
// the same root, and its owner has the key.
func TestOnlyAlipaysOwnCertificateIsTrusted(t *testing.T) {
	t.Parallel()
	b := newCertBench(t)
	c := b.channel(t)
	middle := b.conf.AlipayCertPEM[strings.LastIndex(b.conf.AlipayCertPEM, "-----BEGIN"):]
	chain, err := parseChain(b.conf.AppCertPEM + middle)
	if err != nil {
		t.Fatal(err)
	}
	if got, err := c.trust.verified(chain, start); err == nil {
		t.Errorf("the application's certificate is trusted as %s", got.leaf.Subject)
	}
	if chain, err = parseChain(b.conf.AlipayCertPEM); err != nil {
		t.Fatal(err)
	}
	if _, err := c.trust.verified(chain, start); err != nil {
		t.Error(err)
	}
	if _, err := c.trust.verified(chain[:1], start); err == nil {
		t.Error("a certificate without its intermediate is trusted")
	}
}

func TestCertificatesThatDoNotBelongTogetherAreRefused(t *testing.T) {
	t.Parallel()
	b := newCertBench(t)
	strange := strangeRoot(t)
	for name, change := range map[string]func(*Config){
		"no application certificate": func(c *Config) { c.AppCertPEM = "" },
		"no certificate of alipay":   func(c *Config) { c.AlipayCertPEM = "" },
		"no root":                    func(c *Config) { c.RootCertPEM = "" },
		"garbage":                    func(c *Config) { c.AlipayCertPEM = "-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n" },
		"too long":                   func(c *Config) { c.RootCertPEM = strings.Repeat(" ", maxCertBytes+1) },
		"of another key":             func(c *Config) { c.AppCertPEM = c.AlipayCertPEM },
		"exchanged":                  func(c *Config) { c.AlipayCertPEM, c.RootCertPEM = c.RootCertPEM, c.AlipayCertPEM },
		"another root":               func(c *Config) { c.RootCertPEM = strange },
	} {
		conf := b.conf
		change(&conf)
		if _, err := New(conf); err == nil {
			t.Errorf("%s: was taken", name)
		} else if strings.Contains(err.Error(), "PRIVATE") || !strings.Contains(err.Error(), conf.AppID) {
			t.Errorf("%s: %v", name, err)
		}
	}
}

// strangeRoot is a root on a curve: it counts in no serial number.
func strangeRoot(t *testing.T) string {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	c := &x509.Certificate{SerialNumber: big.NewInt(1), NotBefore: start, NotAfter: start.AddDate(1, 0, 0), IsCA: true, BasicConstraintsValid: true}
	der, err := x509.CreateCertificate(rand.Reader, c, c, &key.PublicKey, key)
	if err != nil {
		t.Fatal(err)
	}
	return string(pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der}))
}

func TestNoticesAreVerifiedByCertificateAndFetchNothingThatTheyName(t *testing.T) {
	t.Parallel()
	b := newCertBench(t)
	c := b.channel(t)
	signed := func(change url.Values, leaveOut ...string) []byte {
		form := url.Values{
			"app_id": {b.conf.AppID}, "out_trade_no": {testOrder}, "seller_id": {testSeller}, "trade_no": {"T1"}, "sign_type": {"RSA2"},
			"total_amount": {"12.00"}, "trade_status": {"TRADE_SUCCESS"}, "gmt_payment": {"2026-01-01 09:30:00"},
		}
		maps.Copy(form, change)
		sign, err := signText(keys().alipay, stringToSign(form, false, append(leaveOut, "sign", "sign_type")...))
		if err != nil {
			t.Fatal(err)
		}
		form.Set("sign", sign)
		return []byte(form.Encode())
	}
	// The test has no key of the sandbox's, so a certificate of its own joins the known ones.
	c.trust.known = append(c.trust.known, &certificate{sn: "00000000000000000000000000000001", leaf: c.trust.known[0].leaf, key: &keys().alipay.PublicKey})
	for name, one := range map[string]struct {
		body []byte
		good bool
	}{
		"without a name":                        {signed(nil), true},
		"with the name, which is signed":        {signed(url.Values{"alipay_cert_sn": {"00000000000000000000000000000001"}}), true},
		"with the name, which is not signed":    {signed(url.Values{"alipay_cert_sn": {"00000000000000000000000000000001"}}, "alipay_cert_sn"), true},
		"with the name of another that we know": {signed(url.Values{"alipay_cert_sn": {c.trust.known[0].sn}}), false},
		"with a name that we do not know":       {signed(url.Values{"alipay_cert_sn": {"00000000000000000000000000000002"}}), false},
		"altered":                               {[]byte(strings.Replace(string(signed(nil)), "12.00", "12.01", 1)), false},
	} {
		n, err := c.ParseNotice(nil, one.body)
		if (err == nil) != one.good || one.good && n.Outcome.Kind != pay.Paid {
			t.Errorf("%s: %+v, %v", name, n, err)
		}
	}
	if b.fetches() != 0 {
		t.Error("a notice made us download a certificate")
	}
	if got := b.asked("alipay.trade.query"); got != 1 {
		t.Errorf("three notices that do not verify made us ask %d times, want once", got)
	}
	b.advance(200 * 365 * 24 * time.Hour)
	if _, err := c.ParseNotice(nil, signed(nil)); err == nil {
		t.Error("a certificate that is over verified a notice")
	}
}

// Simulation seed 300232: Alipay had another certificate, the gateway was started
// anew and asked Alipay nothing, so it never heard of the certificate, refused each
// notice of a payment for a closed order, and knew nothing of the money.
func TestBugNoticesUnderANewCertificateWereRefusedWhileNothingWasAsked(t *testing.T) {
	t.Parallel()
	b := newCertBench(t)
	c := b.channel(t) // as it starts: it knows the certificate of its configuration
	b.rotate(t, 0, 0)
	r := prepay(pay.TradeScanCode)
	r.Merchant.AppAuthToken = secret.New(b.Accounts().Providers[0].Alipay.Merchants[0].AppAuthToken)
	customer, err := b.NewCustomer(t.Context(), "", 10000)
	if err != nil {
		t.Fatal(err)
	}
	out := b.channel(t).Prepay(t.Context(), r) // another gateway's call
	if _, err := b.PayPrepared(t.Context(), customer.ID, sandbox.Invocation{CodeURL: out.Prepaid.CodeURL}); err != nil {
		t.Fatal(err)
	}
	notices, asked, fetched := b.notices(), b.asked("alipay.trade.query"), b.fetches()
	if len(notices) == 0 {
		t.Fatal("the wallet sends no notice")
	}
	n, err := c.ParseNotice(nil, notices[0])
	if err != nil || n.Outcome.Kind != pay.Paid {
		t.Errorf("%+v, %v", n, err)
	}
	if a, f := b.asked("alipay.trade.query")-asked, b.fetches()-fetched; a != 1 || f != 1 {
		t.Errorf("%d questions and %d downloads, want one of each", a, f)
	}
}

func TestHealthOfKeyModeNamesBothKeys(t *testing.T) {
	t.Parallel()
	c, _ := play(t, func(request) fieldsOf {
		return merge(success, paid, fieldsOf{"trade_status": "TRADE_SUCCESS"})
	})
	if out := c.Query(t.Context(), order); out.Kind != pay.Paid {
		t.Fatal(out)
	}
	h := c.Health()
	if len(h.Keys) != 2 || h.Keys[0].Role != channel.RoleOurs || h.Keys[1].Role != channel.RolePublicKey || h.Keys[0].Serial == h.Keys[1].Serial ||
		!h.Verified.Equal(start) || !h.Keys[1].Used.Equal(start) || h.Failure != (channel.Failure{}) {
		t.Errorf("health %+v", h)
	}
}
