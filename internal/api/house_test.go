package api_test

import (
	"bytes"
	"context"
	"crypto/rand"
	"crypto/rsa"
	"crypto/tls"
	"crypto/x509"
	"encoding/pem"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"maps"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"cloudpay/internal/api"
	"cloudpay/internal/channel"
	"cloudpay/internal/channel/alipay"
	"cloudpay/internal/channel/wxpay"
	"cloudpay/internal/day"
	"cloudpay/internal/directory"
	"cloudpay/internal/gateway"
	"cloudpay/internal/monitor"
	"cloudpay/internal/notify"
	"cloudpay/internal/pay"
	"cloudpay/internal/report"
	"cloudpay/internal/sandbox"
	"cloudpay/internal/secret"
	"cloudpay/internal/store"
	"cloudpay/internal/store/storetest"
)

// The test merchant is that of the request vectors (protocol.md, head).
const (
	theKey      = "VECTOR0TEST0KEY0ONLY000000000001"
	theProvider = "sz01TESTMCH000000001"
	theMerchant = "sz01TESTSUBMCH000001"
	theShop     = "sz01TESTSHOP00000001"
	thePrefix   = "90000001"
)

// Made once, because making RSA keys takes longer than most tests.
var (
	sandboxDB   []byte          // a sandbox with its keys
	signingKey  *rsa.PrivateKey // of the test merchant
	strangerKey *rsa.PrivateKey // of nobody
)

func TestMain(m *testing.M) {
	dir, err := os.MkdirTemp("", "cloudpay-api")
	if err != nil {
		panic(err)
	}
	if signingKey, err = rsa.GenerateKey(rand.Reader, 2048); err != nil {
		panic(err)
	}
	if strangerKey, err = rsa.GenerateKey(rand.Reader, 2048); err != nil {
		panic(err)
	}
	box, err := sandbox.New(context.Background(), sandbox.Config{Dir: dir, Providers: 1, MerchantsPerProvider: 1, Now: time.Now})
	if err == nil {
		err = box.Close()
	}
	if err == nil {
		sandboxDB, err = os.ReadFile(filepath.Join(dir, "sandbox.db"))
	}
	if err = errors.Join(err, os.RemoveAll(dir)); err != nil {
		panic(err)
	}
	os.Exit(m.Run())
}

// house is the whole gateway behind its HTTP server: a real store, the real
// adapters and a real sandbox, whose handler they call directly.
type house struct {
	t      testing.TB
	base   string
	listen *pipes // how to connect when there are no sockets; nil for TCP
	http   *http.Client
	server *api.Server
	gw     *gateway.Gateway
	store  *store.Store
	people *directory.Directory
	box    *sandbox.Sandbox
	reg    *prometheus.Registry
	log    *safeBuffer
	orders atomic.Int64
	// closeStore closes the store, once.
	closeStore func() error
}

// options change a house before it is built.
type options struct {
	merchant func(*directory.Merchant)
	channels func(gateway.Channels) gateway.Channels
	ready    func(context.Context) error
	pipes    bool // in-memory connections, for bubbles of fake time
	answer   time.Duration
	limits   api.Limits
	idle     time.Duration // gateway.Config.MaxIdle: hours of fake time need not be asked for each second
	// dial connects callbacks to a receiver in memory; nil is the network.
	dial func(ctx context.Context, network, address string) (net.Conn, error)
	now  func() time.Time // of the API's server; nil for the clock
	url  string           // api.Config.PublicURL
}

// newHouse builds and starts a house; the test's end stops it.
func newHouse(tb testing.TB, o options) *house {
	tb.Helper()
	ctx := tb.Context()
	dir := tb.TempDir()
	h := &house{t: tb, reg: prometheus.NewRegistry(), log: &safeBuffer{}}
	log := slog.New(slog.NewJSONHandler(h.log, &slog.HandlerOptions{Level: slog.LevelDebug}))
	if err := os.WriteFile(filepath.Join(dir, "sandbox.db"), sandboxDB, 0o600); err != nil {
		tb.Fatal(err)
	}
	box, err := sandbox.New(ctx, sandbox.Config{Dir: dir, Providers: 1, MerchantsPerProvider: 1, Now: time.Now})
	if err != nil {
		tb.Fatal(err)
	}
	cfg := store.Config{DSN: "sqlite:" + filepath.Join(dir, "pay.db"), Log: log}
	storetest.Migrate(tb, cfg.DSN)
	if h.store, err = store.Open(ctx, cfg); err != nil {
		tb.Fatal(err)
	}
	h.closeStore = sync.OnceValue(h.store.Close)
	h.box, h.people = box, peopleOf(tb, h.store, box, o.merchant)
	find := walletsOf(tb, box)
	if o.channels != nil {
		find = o.channels(find)
	}
	told := notify.New(notify.Config{AllowPrivate: true, Dial: o.dial})
	profiles := maps.Clone(pay.Profiles)
	for ch, p := range profiles {
		p.RefundSpacing = 0
		profiles[ch] = p
	}
	h.gw = gateway.New(gateway.Config{
		Store: h.store, Directory: h.people, Channels: find, Notify: told, CodeKey: []byte("test code key"), Profiles: profiles,
		PublicURL: "https://house.test", AnswerWithin: o.answer, MaxIdle: o.idle, Now: time.Now, Log: log, Metrics: gateway.NewMetrics(h.reg),
	})
	if o.ready == nil {
		o.ready = h.store.Ping
	}
	if o.now == nil {
		o.now = time.Now
	}
	mon := monitor.New(monitor.Config{Keeper: h.store, Queue: h.store, Hosts: []string{"house.test"}, Interval: 60, Registry: h.reg, Now: time.Now, Log: log})
	h.server = api.New(api.Config{
		Days:    day.New(day.Config{Store: h.store, Vault: h.people.Vault, Now: time.Now, Log: log}),
		Gateway: h.gw, Reports: report.New(report.Config{Store: h.store, Now: time.Now}), Monitor: mon, WalletOwner: h.store.MerchantOfWallet, Directory: h.people, Ready: o.ready, Registry: h.reg, Now: o.now, Log: log, Limits: o.limits, PublicURL: o.url,
	})
	stop := h.serve(o.pipes)
	running, cancel := context.WithCancel(context.WithoutCancel(ctx))
	done := make(chan error, 1)
	go func() { done <- h.gw.Run(running) }()
	tb.Cleanup(func() {
		h.http.CloseIdleConnections()
		stop()
		cancel()
		if err := errors.Join(<-done, h.closeStore(), box.Close()); err != nil {
			tb.Errorf("stop the house: %v", err)
		}
		told.Close()
	})
	return h
}

// serve listens on loopback, or in memory, and returns how to stop.
func (h *house) serve(inMemory bool) (stop func()) {
	h.t.Helper()
	var l net.Listener
	dial := (&net.Dialer{}).DialContext
	h.base = "http://house.test"
	if inMemory {
		h.listen = newPipes()
		l, dial = h.listen, func(context.Context, string, string) (net.Conn, error) { return h.listen.dial() }
	} else {
		var err error
		if l, err = net.Listen("tcp", "127.0.0.1:0"); err != nil {
			h.t.Fatal(err)
		}
		h.base = "http://" + l.Addr().String()
	}
	h.http = &http.Client{Transport: &http.Transport{DialContext: dial}}
	srv := h.server.HTTPServer()
	done := make(chan error, 1)
	go func() { done <- srv.Serve(h.server.Tolerate(l)) }()
	return func() {
		if err := srv.Close(); err != nil {
			h.t.Errorf("close server: %v", err)
		}
		if err := <-done; !errors.Is(err, http.ErrServerClosed) {
			h.t.Errorf("serve: %v", err)
		}
	}
}

// directoryOn is a directory with a memory of its own.
func directoryOn(tb testing.TB, st *store.Store) *directory.Directory {
	tb.Helper()
	keys, err := secret.OpenKeyring(secret.New(strings.Repeat("k", 32)))
	if err != nil {
		tb.Fatal(err)
	}
	people, err := directory.New(st, st, keys, time.Now)
	if err != nil {
		tb.Fatal(err)
	}
	return people
}

// peopleOf seeds the directory with the merchant of the vectors.
func peopleOf(tb testing.TB, st *store.Store, box *sandbox.Sandbox, change func(*directory.Merchant)) *directory.Directory {
	tb.Helper()
	people := directoryOn(tb, st)
	der, err := x509.MarshalPKIXPublicKey(&signingKey.PublicKey)
	if err != nil {
		tb.Fatal(err)
	}
	p := box.Accounts().Providers[0]
	devices := []directory.Device{
		{ID: "till-1", Name: "1", Category: directory.CategoryMobile}, {ID: "till-2", Name: "2", Category: directory.CategorySmart},
	}
	for _, id := range []string{"1", "3", "4", "dev01", "16", "17"} { // those of the vectors
		devices = append(devices, directory.Device{ID: id, Name: id, Category: directory.CategoryMobile})
	}
	m := directory.Merchant{
		ID: theMerchant, ProviderID: theProvider, Name: "Test Merchant", Prefixes: []string{thePrefix, "sz0100lmnx"},
		AuthenKey: secret.New(theKey), PublicKeyPEM: string(pem.EncodeToMemory(&pem.Block{Type: "PUBLIC KEY", Bytes: der})),
		Wx:  directory.WechatMerchant{SubMchID: p.WeChat.Merchants[0].SubMchID, SubAppID: p.WeChat.Merchants[0].SubAppID},
		Ali: directory.AlipayMerchant{AppAuthToken: secret.New(p.Alipay.Merchants[0].AppAuthToken), SellerID: p.Alipay.Merchants[0].UserID},
		Shops: []directory.Shop{{ID: theShop, Name: "shop", Devices: devices, Staff: []directory.Staff{
			{ID: "1003", Name: "clerk"}, {ID: "1004", Name: "may refund", RefundAuth: true}, {ID: "1005", Name: "manager", ShopManager: true},
		}}},
	}
	if change != nil {
		change(&m)
	}
	in := directory.Installation{
		Providers: []directory.Provider{{ID: theProvider, Name: "provider"}},
		Merchants: []directory.Merchant{m, {
			ID: "sz01OTHERSUBMCH00001", ProviderID: theProvider, Name: "Other", Prefixes: []string{"90000002"},
			AuthenKey: secret.New(strings.Repeat("o", 32)), Shops: []directory.Shop{{ID: "sz01OTHERSHOP0000001", Name: "shop"}},
		}},
	}
	if err := people.Seed(tb.Context(), in); err != nil {
		tb.Fatal(err)
	}
	return people
}

// walletsOf builds the real adapters against the sandbox's handler.
func walletsOf(tb testing.TB, box *sandbox.Sandbox) gateway.Channels {
	tb.Helper()
	p := box.Accounts().Providers[0]
	block, _ := pem.Decode([]byte(p.WeChat.ClientCertPEM))
	cert, err := x509.ParseCertificate(block.Bytes)
	if err != nil {
		tb.Fatal(err)
	}
	direct := direct{handler: box.Wallet(), cert: cert}
	wx, err := wxpay.New(wxpay.Config{
		BaseURL: "https://wallet.test", MchID: p.WeChat.MchID, AppID: p.WeChat.AppID, APIKey: secret.New(p.WeChat.APIv2Key),
		SignType: "HMAC-SHA256", ClientCertPEM: p.WeChat.ClientCertPEM, ClientKeyPEM: secret.New(p.WeChat.ClientKeyPEM), Transport: direct,
	})
	if err != nil {
		tb.Fatal(err)
	}
	ali, err := alipay.New(alipay.Config{
		GatewayURL: "https://wallet.test/gateway.do", AppID: p.Alipay.AppID, AppPrivateKeyPEM: secret.New(p.Alipay.AppPrivateKeyPEM),
		AlipayPublicKeyPEM: p.Alipay.AlipayPublicKeyPEM, Now: time.Now, Transport: direct,
	})
	if err != nil {
		tb.Fatal(err)
	}
	return func(_ context.Context, _ string, ch pay.Channel) (channel.Channel, error) {
		if ch == pay.Alipay {
			return ali, nil
		}
		return wx, nil
	}
}

// direct is a RoundTripper that calls a handler in the same process, so that
// everything behind the API fits a bubble of fake time. A handler that aborts
// looks like a broken connection.
type direct struct {
	handler http.Handler
	cert    *x509.Certificate // the client's, as TLS would have shown it
}

func (d direct) RoundTrip(req *http.Request) (*http.Response, error) {
	in := req.Clone(req.Context())
	in.RequestURI, in.RemoteAddr = req.URL.RequestURI(), "127.0.0.1:1"
	in.TLS = &tls.ConnectionState{PeerCertificates: []*x509.Certificate{d.cert}}
	if in.Body == nil {
		in.Body = http.NoBody
	}
	w := &recorder{header: http.Header{}, status: http.StatusOK}
	done := make(chan bool, 1)
	go func() {
		aborted := true
		defer func() {
			if p := recover(); p != nil && p != http.ErrAbortHandler { //nolint:errorlint // a panic value, compared as net/http does
				panic(p)
			}
			done <- aborted
		}()
		d.handler.ServeHTTP(w, in)
		aborted = false
	}()
	select {
	case <-req.Context().Done():
		return nil, req.Context().Err()
	case aborted := <-done:
		if aborted {
			return nil, errors.New("connection reset")
		}
		return &http.Response{
			StatusCode: w.status, Status: http.StatusText(w.status), Proto: "HTTP/1.1", ProtoMajor: 1, ProtoMinor: 1,
			Header: w.header, Body: io.NopCloser(&w.body), ContentLength: -1, Request: req,
		}, nil
	}
}

// recorder collects one answer.
type recorder struct {
	header http.Header
	body   bytes.Buffer
	status int
}

func (r *recorder) Header() http.Header         { return r.header }
func (r *recorder) WriteHeader(s int)           { r.status = s }
func (r *recorder) Flush()                      {}
func (r *recorder) Write(b []byte) (int, error) { return r.body.Write(b) }

// pipes is a listener in memory. Its connections block on the clock of the
// bubble they were made in, as sockets cannot.
type pipes struct {
	conns chan net.Conn
	once  sync.Once
	ended chan struct{}
}

func newPipes() *pipes { return &pipes{conns: make(chan net.Conn), ended: make(chan struct{})} }

func (p *pipes) dial() (net.Conn, error) {
	ours, theirs := net.Pipe()
	select {
	case p.conns <- theirs:
		return ours, nil
	case <-p.ended:
		return nil, net.ErrClosed
	}
}

func (p *pipes) Accept() (net.Conn, error) {
	select {
	case c := <-p.conns:
		return c, nil
	case <-p.ended:
		return nil, net.ErrClosed
	}
}

func (p *pipes) Close() error {
	p.once.Do(func() { close(p.ended) })
	return nil
}

func (p *pipes) Addr() net.Addr { return &net.UnixAddr{Name: "pipe", Net: "pipe"} }

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

// number returns a fresh order or refund number.
func (h *house) number() string { return fmt.Sprintf("%s%016d", thePrefix, h.orders.Add(1)) }

// code returns a fresh payment code of a customer, "" for a new one.
func (h *house) code(ch pay.Channel, customer string) string {
	h.t.Helper()
	c, err := h.box.NewPayCode(h.t.Context(), string(ch), customer)
	if err != nil {
		h.t.Fatal(err)
	}
	return c.AuthCode
}

// order reads an order from the store.
func (h *house) order(no string) pay.Order {
	h.t.Helper()
	o, err := h.store.Order(h.t.Context(), theMerchant, no)
	if err != nil {
		h.t.Fatal(err)
	}
	return o
}
