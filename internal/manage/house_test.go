package manage_test

import (
	"bytes"
	"context"
	"crypto/rand"
	"crypto/rsa"
	"crypto/tls"
	"crypto/x509"
	"encoding/json"
	"encoding/pem"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"cloudpay/internal/channel"
	"cloudpay/internal/channel/alipay"
	"cloudpay/internal/channel/wxpay"
	"cloudpay/internal/day"
	"cloudpay/internal/directory"
	"cloudpay/internal/gateway"
	"cloudpay/internal/manage"
	"cloudpay/internal/monitor"
	"cloudpay/internal/notify"
	"cloudpay/internal/pay"
	"cloudpay/internal/recon"
	"cloudpay/internal/report"
	"cloudpay/internal/sandbox"
	"cloudpay/internal/secret"
	"cloudpay/internal/store"
	"cloudpay/internal/timeline"
	"cloudpay/internal/wallets"
)

// The people of every test: two providers with a merchant each, so that each
// is the other's stranger.
const (
	providerA, providerB = "sz01AAAAAAAA00000001", "sz01BBBBBBBB00000001"
	merchantA, merchantB = "sz01AAAASUBM00000001", "sz01BBBBSUBM00000001"
	shopA, shopB         = "sz01AAAASHOP00000001", "sz01BBBBSHOP00000001"
	prefixA, prefixB     = "01000001", "02000001"
)

// Made once, because a database and keys take longer than most tests.
var (
	payDB, sandboxDB []byte
	publicPEM        string
	tokens           map[string]string // by the name of a role, see makeTokens
)

func TestMain(m *testing.M) {
	dir, err := os.MkdirTemp("", "cloudpay-manage")
	if err != nil {
		panic(err)
	}
	if err = errors.Join(prepare(dir), os.RemoveAll(dir)); err != nil {
		panic(err)
	}
	os.Exit(m.Run())
}

// prepare makes the databases that every test copies.
func prepare(dir string) error {
	ctx := context.Background()
	key, err := rsa.GenerateKey(rand.Reader, 2048)
	if err != nil {
		return err
	}
	der, err := x509.MarshalPKIXPublicKey(&key.PublicKey)
	if err != nil {
		return err
	}
	publicPEM = string(pem.EncodeToMemory(&pem.Block{Type: "PUBLIC KEY", Bytes: der}))
	box, err := sandbox.New(ctx, sandbox.Config{Dir: dir, Providers: 1, MerchantsPerProvider: 1, Now: time.Now})
	if err != nil {
		return err
	}
	accounts := box.Accounts().Providers[0]
	if err := box.Close(); err != nil {
		return err
	}
	cfg := store.Config{DSN: "sqlite:" + filepath.Join(dir, "pay.db")}
	if _, _, err := store.Migrate(ctx, cfg); err != nil {
		return err
	}
	h, err := open(ctx, dir, nil)
	if err != nil {
		return err
	}
	if err := errors.Join(populate(ctx, h.people, accounts), h.makeTokens(ctx), h.store.Close()); err != nil {
		return err
	}
	if payDB, err = os.ReadFile(filepath.Join(dir, "pay.db")); err != nil {
		return err
	}
	sandboxDB, err = os.ReadFile(filepath.Join(dir, "sandbox.db"))
	return err
}

// populate makes everybody exist.
func populate(ctx context.Context, people *directory.Directory, p sandbox.Provider) error {
	by := directory.System
	var errs []error
	did := func(err error) { errs = append(errs, err) }
	for _, id := range []string{providerA, providerB} {
		_, err := people.CreateProvider(ctx, by, directory.Provider{ID: id, Name: "provider " + id})
		did(err)
	}
	_, err := people.CreateSubProvider(ctx, by, directory.SubProvider{ProviderID: providerA, ID: "sub1", Name: "agent"})
	did(err)
	for _, m := range []directory.Merchant{
		{
			ID: merchantA, ProviderID: providerA, Name: "面包店", Prefixes: []string{prefixA}, PublicKeyPEM: publicPEM, NotifyURL: "https://baker.example/n",
			Wx: directory.WechatMerchant{SubMchID: p.WeChat.Merchants[0].SubMchID, SubAppID: p.WeChat.Merchants[0].SubAppID},
		},
		{ID: merchantB, ProviderID: providerB, Name: "茶馆", Prefixes: []string{prefixB}},
	} {
		m.Admins = []directory.Admin{{ID: "boss", Name: "老板", RefundAuth: true}, {ID: "boss2", Name: "老板娘", RefundAuth: true}}
		shop := map[string]string{merchantA: shopA, merchantB: shopB}[m.ID]
		m.Shops = []directory.Shop{{
			ID: shop, Name: "一店",
			Devices: []directory.Device{{ID: "till", Name: "一号", Category: directory.CategoryMobile}},
			Staff:   []directory.Staff{{ID: "1001", Name: "小李"}, {ID: "1002", Name: "店长", ShopManager: true, RefundAuth: true}},
		}}
		_, err := people.CreateMerchant(ctx, by, m)
		did(err)
	}
	for _, m := range []directory.Member{
		{ID: "member-a", Name: "甲", Role: directory.RoleProvider, Reach: directory.Reach{ProviderID: providerA}},
		{ID: "member-a2", Name: "乙", Role: directory.RoleProvider, Reach: directory.Reach{ProviderID: providerA}},
		{ID: "member-b", Name: "丙", Role: directory.RoleProvider, Reach: directory.Reach{ProviderID: providerB}},
	} {
		_, err := people.CreateMember(ctx, by, m)
		did(err)
	}
	did(people.PutAccount(ctx, by, directory.Account{ProviderID: providerA, Channel: pay.Wxpay, Wechat: &directory.WechatAccount{
		MchID: p.WeChat.MchID, AppID: p.WeChat.AppID, APIKey: secret.New(p.WeChat.APIv2Key), SignType: directory.SignHMAC,
		CertPEM: p.WeChat.ClientCertPEM, KeyPEM: secret.New(p.WeChat.ClientKeyPEM), BaseURL: "https://wallet.test",
	}}))
	return errors.Join(errs...)
}

// makeTokens makes a token of every kind through the API itself.
func (h *house) makeTokens(ctx context.Context) error {
	tokens = map[string]string{}
	for name, grants := range map[string]string{
		"operator":     `{"role":"operator"}`,
		"provider":     `{"role":"provider","out_mch_id":"` + providerA + `"}`,
		"stranger":     `{"role":"provider","out_mch_id":"` + providerB + `"}`,
		"agent":        `{"role":"sub_provider","out_mch_id":"` + providerA + `","sub_provider_id":"sub1"}`,
		"boss":         `{"role":"boss","out_sub_mch_ids":["` + merchantA + `"],"refund_auth":true}`,
		"foreign boss": `{"role":"boss","out_sub_mch_ids":["` + merchantB + `"],"refund_auth":true}`,
		"weak boss":    `{"role":"boss","out_sub_mch_ids":["` + merchantA + `"]}`,
		"manager":      `{"role":"manager","out_sub_mch_ids":["` + merchantA + `"],"out_shop_id":"` + shopA + `"}`,
		"cashier":      `{"role":"cashier","out_sub_mch_ids":["` + merchantA + `"],"out_shop_id":"` + shopA + `","staff_id":"1001"}`,
		"finance":      `{"role":"finance","out_sub_mch_ids":["` + merchantA + `"]}`,
		"ops":          `{"role":"ops"}`,
		"developer":    `{"role":"developer","out_mch_id":"` + providerA + `"}`,
		"vendor":       `{"role":"vendor","out_mch_id":"` + providerA + `"}`,
		"revoked":      `{"role":"operator"}`,
		"expired":      `{"role":"operator"}`,
	} {
		body := `{"name":"` + name + `","grants":` + grants + `}`
		if name == "expired" {
			body = `{"name":"expired","days":1,"grants":` + grants + `}`
		}
		res := h.do(manage.AsOperator(ctx, "root"), request{method: "POST", path: "/v1/tokens", body: body})
		if res.Code != http.StatusCreated {
			return fmt.Errorf("make token %s: %d %s", name, res.Code, res.Body)
		}
		var t manage.NewToken
		if err := json.Unmarshal(res.Body.Bytes(), &t); err != nil {
			return err
		}
		tokens[name] = t.Value
		if name == "revoked" {
			if res := h.do(manage.AsOperator(ctx, "root"), request{method: "DELETE", path: "/v1/tokens/" + t.ID}); res.Code != http.StatusOK {
				return fmt.Errorf("revoke: %d %s", res.Code, res.Body)
			}
		}
	}
	return nil
}

// house is the management API on a real store with everybody in it.
type house struct {
	wallets *wallets.Wallets
	server  *manage.Server
	store   *store.Store
	people  *directory.Directory
	gw      *gateway.Gateway
	days    *day.Days
	box     *sandbox.Sandbox
	log     *safeBuffer
	clock   *clock
	began   time.Time
	silent  func() // set: wallets do not answer, and it is called instead
}

// clock is the house's time: real, and moved on by tests.
type clock struct {
	mu   sync.Mutex
	more time.Duration
}

func (c *clock) now() time.Time {
	c.mu.Lock()
	defer c.mu.Unlock()
	return time.Now().Add(c.more)
}

func (c *clock) advance(d time.Duration) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.more += d
}

// open opens a house on the databases of dir. box may be nil.
func open(ctx context.Context, dir string, box *sandbox.Sandbox) (*house, error) {
	st, err := store.Open(ctx, store.Config{DSN: "sqlite:" + filepath.Join(dir, "pay.db")})
	if err != nil {
		return nil, err
	}
	h, err := build(st)
	if err != nil {
		return nil, err
	}
	h.box = box
	return h, nil
}

// build makes a house on an open store, without a sandbox.
func build(st *store.Store) (*house, error) {
	h := &house{store: st, log: &safeBuffer{}, clock: &clock{}, began: time.Now()}
	log := slog.New(slog.NewJSONHandler(h.log, &slog.HandlerOptions{Level: slog.LevelDebug}))
	keys, err := secret.OpenKeyring(secret.New(strings.Repeat("k", 32)))
	if err != nil {
		return nil, err
	}
	if h.people, err = directory.New(h.store, h.store, keys, h.clock.now); err != nil {
		return nil, err
	}
	h.wallets = wallets.New(wallets.Config{Directory: h.people, Build: h.adapter, Keeper: h.store, Now: h.clock.now, Log: log})
	h.gw = gateway.New(gateway.Config{
		Store: h.store, Directory: h.people, Channels: h.wallet, Notify: notify.New(notify.Config{}), CodeKey: []byte("test code key"), PublicURL: "https://pay.test",
		Now: h.clock.now, Log: log,
	})
	told := monitor.New(monitor.Config{Keeper: h.store, Queue: h.store, Registry: prometheus.NewRegistry(), Now: h.clock.now, Log: log})
	h.days = day.New(day.Config{Store: h.store, Vault: h.people.Vault, Now: h.clock.now, Log: log})
	h.server, err = manage.New(manage.Config{
		Store: h.store, Directory: h.people, Gateway: h.gw, Wallets: h.wallets, Now: h.clock.now, Log: log,
		Reports:   report.New(report.Config{Store: h.store, Now: h.clock.now}),
		Monitor:   told,
		Timelines: timeline.New(timeline.Config{Store: h.store, Directory: h.people, Monitor: told, Step: h.gw.NextStep, Now: h.clock.now}),
		Recon:     recon.New(recon.Config{Store: h.store, Directory: h.people, Gateway: h.gw, Channels: h.wallet, Now: h.clock.now, Log: log}),
		Days:      h.days,
		Requests: func(logID uint32) (manage.AnsweredRequest, bool) {
			return manage.AnsweredRequest{LogID: logID, Method: "micro_pay", MerchantID: merchantA, Status: 104}, logID == 7
		},
	})
	return h, err
}

// newHouse copies the prepared databases and opens them; the test's end closes
// everything.
func newHouse(t *testing.T) *house {
	t.Helper()
	dir := t.TempDir()
	for name, content := range map[string][]byte{"pay.db": payDB, "sandbox.db": sandboxDB} {
		if err := os.WriteFile(filepath.Join(dir, name), content, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	box, err := sandbox.New(t.Context(), sandbox.Config{Dir: dir, Providers: 1, MerchantsPerProvider: 1, Now: time.Now})
	if err != nil {
		t.Fatal(err)
	}
	h, err := open(t.Context(), dir, box)
	if err != nil {
		t.Fatal(err)
	}
	running, cancel := context.WithCancel(context.WithoutCancel(t.Context()))
	done := make(chan error, 1)
	go func() { done <- h.gw.Run(running) }()
	t.Cleanup(func() {
		cancel()
		if err := errors.Join(<-done, h.store.Close(), box.Close()); err != nil {
			t.Errorf("close the house: %v", err)
		}
	})
	return h
}

// wallet is the real adapter against the sandbox's handler.
func (h *house) wallet(ctx context.Context, providerID string, ch pay.Channel) (channel.Channel, error) {
	return h.wallets.Channel(ctx, providerID, ch)
}

// adapter is the real adapter of an account against the sandbox's handler.
func (h *house) adapter(a *directory.Account) (channel.Channel, error) {
	if l := a.Alipay; l != nil {
		return alipay.New(alipay.Config{
			GatewayURL: l.GatewayURL, AppID: l.AppID, AppPrivateKeyPEM: l.PrivateKeyPEM, AlipayPublicKeyPEM: l.AlipayPublicPEM,
			AppCertPEM: l.AppCertPEM, AlipayCertPEM: l.AlipayCertPEM, RootCertPEM: l.RootCertPEM, Now: h.clock.now, Transport: direct{handler: h.box.Wallet()},
		})
	}
	w, to := a.Wechat, direct{silent: h.silent}
	if block, _ := pem.Decode([]byte(w.CertPEM)); block != nil {
		cert, err := x509.ParseCertificate(block.Bytes)
		if err != nil {
			return nil, err
		}
		to.cert = cert
	}
	if h.box != nil {
		to.handler = h.box.Wallet()
	}
	return wxpay.New(wxpay.Config{
		BaseURL: w.BaseURL, MchID: w.MchID, AppID: w.AppID, API: w.API, APIKey: w.APIKey, APIv3Key: w.APIv3Key,
		PublicKeyID: w.PublicKeyID, PublicKeyPEM: w.PublicKeyPEM, SignType: "HMAC-SHA256",
		ClientCertPEM: w.CertPEM, ClientKeyPEM: w.KeyPEM, Now: h.clock.now, Transport: to,
	})
}

// direct is a RoundTripper that calls a handler in the same process.
type direct struct {
	handler http.Handler
	cert    *x509.Certificate
	silent  func()
}

func (d direct) RoundTrip(r *http.Request) (*http.Response, error) {
	if d.silent != nil {
		d.silent()
		return nil, context.DeadlineExceeded
	}
	in := r.Clone(r.Context())
	in.RequestURI, in.RemoteAddr = r.URL.RequestURI(), "127.0.0.1:1"
	in.TLS = &tls.ConnectionState{PeerCertificates: []*x509.Certificate{d.cert}}
	if in.Body == nil {
		in.Body = http.NoBody
	}
	w := httptest.NewRecorder()
	d.handler.ServeHTTP(w, in)
	return w.Result(), nil
}

// safeBuffer collects the log.
type safeBuffer struct {
	mu sync.Mutex
	b  bytes.Buffer
}

func (s *safeBuffer) Write(p []byte) (int, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.b.Write(p)
}

func (s *safeBuffer) String() string {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.b.String()
}

// request is one call of the API.
type request struct {
	token, method, path, body, key string
}

func (h *house) do(ctx context.Context, q request) *httptest.ResponseRecorder {
	r := httptest.NewRequestWithContext(ctx, q.method, q.path, strings.NewReader(q.body))
	if q.body != "" {
		r.Header.Set("Content-Type", "application/json")
	}
	if q.token != "" {
		r.Header.Set("Authorization", "Bearer "+q.token)
	}
	if q.key != "" {
		r.Header.Set("Idempotency-Key", q.key)
	}
	w := httptest.NewRecorder()
	h.server.ServeHTTP(w, r)
	return w
}

// as makes a request with the token of that name.
func (h *house) as(t *testing.T, who, method, path, body string) *httptest.ResponseRecorder {
	t.Helper()
	return h.do(t.Context(), request{token: tokens[who], method: method, path: path, body: body})
}

// order pays a fresh code at the till and returns the order's number.
func (h *house) order(t *testing.T) string {
	t.Helper()
	c, err := h.box.NewPayCode(t.Context(), string(pay.Wxpay), "")
	if err != nil {
		t.Fatal(err)
	}
	m, err := h.people.Merchant(t.Context(), merchantA)
	if err != nil {
		t.Fatal(err)
	}
	no := prefixA + strings.ToLower(rand.Text()[:16])
	o, err := h.gw.MicroPay(t.Context(), m, gateway.MicroPay{
		OutTradeNo: no, AuthCode: secret.New(c.AuthCode), Total: 200, ShopID: shopA, DeviceID: "till", StaffID: "1001", Body: "面包",
	})
	if err != nil || o.State != pay.PAID {
		t.Fatalf("MicroPay = %s, %v, want PAID", o.State, err)
	}
	return no
}

// prepaid opens a native order that nobody pays and returns its number.
func (h *house) prepaid(t *testing.T) string {
	t.Helper()
	m, err := h.people.Merchant(t.Context(), merchantA)
	if err != nil {
		t.Fatal(err)
	}
	no := prefixA + strings.ToLower(rand.Text()[:16])
	if _, _, err := h.gw.Prepay(t.Context(), m, gateway.Prepay{
		OutTradeNo: no, TradeType: pay.TradeScanCode, Platform: pay.Wxpay.Platform(), Total: 200, ShopID: shopA, DeviceID: "till", StaffID: "1001", Body: "面包",
	}); err != nil {
		t.Fatalf("Prepay: %v", err)
	}
	return no
}

// problemOf reads a refusal.
func problemOf(t *testing.T, w *httptest.ResponseRecorder) manage.Problem {
	t.Helper()
	var p manage.Problem
	if err := json.Unmarshal(w.Body.Bytes(), &p); err != nil || w.Header().Get("Content-Type") != "application/problem+json" || p.Status != w.Code {
		t.Errorf("%d %s is not a problem: %s", w.Code, w.Header().Get("Content-Type"), w.Body)
	}
	return p
}
