package gateway_test

import (
	"bytes"
	"context"
	"crypto/tls"
	"crypto/x509"
	"encoding/pem"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"cloudpay/internal/channel"
	"cloudpay/internal/channel/alipay"
	"cloudpay/internal/channel/wxpay"
	"cloudpay/internal/directory"
	"cloudpay/internal/gateway"
	"cloudpay/internal/notify"
	"cloudpay/internal/pay"
	"cloudpay/internal/sandbox"
	"cloudpay/internal/secret"
	"cloudpay/internal/store"
	"cloudpay/internal/store/storetest"
)

// sandboxDB is a sandbox with its keys already made: making RSA keys takes
// longer than most tests.
var sandboxDB []byte

func TestMain(m *testing.M) {
	dir, err := os.MkdirTemp("", "cloudpay-gateway")
	if err != nil {
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

// house is a gateway with a real store and a real sandbox. Calls to the wallets
// go straight to the sandbox's handler, so that it all fits a synctest bubble.
type house struct {
	t        *testing.T
	gw       *gateway.Gateway
	store    *store.Store
	box      *sandbox.Sandbox
	merchant *directory.Merchant
	people   *directory.Directory
	stop     func()
	orders   atomic.Int64
	ahead    atomic.Int64 // nanoseconds by which our clock runs ahead of the wallets'
	find     gateway.Channels

	mu    sync.Mutex
	notes []heardNotice
}

// options change a house before it is built.
type options struct {
	profiles  map[pay.Channel]pay.Profile
	notifyURL string
	receiver  *receiver // answers callbacks
	channels  func(gateway.Channels) gateway.Channels
	idle      time.Duration // gateway.Config.MaxIdle: days of fake time need not be asked for each second
	dsn       string        // a migrated database; "" for SQLite in a temp dir
	notices   bool          // the wallets' notices arrive
	ahead     time.Duration // how far our clock runs ahead of the wallets'
	settle    directory.Settle
	looked    func() // is called when our clock is looked at
	api       string // of WeChat Pay that the merchant uses; "" for the account's, which is v2
}

// newHouse builds and starts a house; the test's end stops it.
func newHouse(t *testing.T, o options) *house {
	t.Helper()
	ctx := t.Context()
	dir := t.TempDir()
	log := slog.New(slog.NewTextHandler(testWriter{t}, &slog.HandlerOptions{Level: slog.LevelWarn}))
	if err := os.WriteFile(filepath.Join(dir, "sandbox.db"), sandboxDB, 0o600); err != nil {
		t.Fatal(err)
	}
	h := &house{t: t}
	h.ahead.Store(int64(o.ahead))
	boxed := sandbox.Config{Dir: dir, Providers: 1, MerchantsPerProvider: 1, Now: time.Now}
	if o.notices {
		boxed.Notify = noticeBoard{h}
	}
	box, err := sandbox.New(ctx, boxed)
	if err != nil {
		t.Fatal(err)
	}
	if o.dsn == "" {
		o.dsn = "sqlite:" + filepath.Join(dir, "pay.db")
		storetest.Migrate(t, o.dsn)
	}
	st, err := store.Open(ctx, store.Config{DSN: o.dsn, Log: log})
	if err != nil {
		t.Fatal(err)
	}
	keys, err := secret.OpenKeyring(secret.New(strings.Repeat("k", 32)))
	if err != nil {
		t.Fatal(err)
	}
	people, err := directory.New(st, st, keys, time.Now)
	if err != nil {
		t.Fatal(err)
	}
	authen, err := directory.NewAuthenKey()
	if err != nil {
		t.Fatal(err)
	}
	accounts := box.Accounts()
	p := accounts.Providers[0]
	err = people.Seed(ctx, directory.Installation{
		Providers: []directory.Provider{{ID: "provider", Name: "provider", NotifyURL: o.notifyURL}},
		Merchants: []directory.Merchant{{
			ID: "merchant", ProviderID: "provider", Name: "Test Merchant", Prefixes: []string{"90000001"}, AuthenKey: authen,
			Policy: directory.Policy{Settle: o.settle},
			Wx:     directory.WechatMerchant{SubMchID: p.WeChat.Merchants[0].SubMchID, SubAppID: p.WeChat.Merchants[0].SubAppID, API: o.api},
			Ali:    directory.AlipayMerchant{AppAuthToken: secret.New(p.Alipay.Merchants[0].AppAuthToken), SellerID: p.Alipay.Merchants[0].UserID},
			Shops: []directory.Shop{{
				ID: "shop", Name: "shop", Devices: []directory.Device{{ID: "till-1", Name: "1"}, {ID: "till-2", Name: "2"}},
			}},
		}},
	})
	if err != nil {
		t.Fatal(err)
	}
	m, err := people.Merchant(ctx, "merchant")
	if err != nil {
		t.Fatal(err)
	}
	find := walletsOf(t, box)
	if o.channels != nil {
		find = o.channels(find)
	}
	nc := notify.Config{AllowPrivate: true}
	if o.receiver != nil {
		nc.Dial = o.receiver.dial
	}
	told := notify.New(nc)
	gw := gateway.New(gateway.Config{
		Store: st, Directory: people, Channels: find,
		Notify:   told,
		CodeKey:  []byte("test code key"),
		Profiles: o.profiles, MaxIdle: o.idle, Log: log, PublicURL: "https://pay.example.com/",
		Now: func() time.Time {
			if o.looked != nil {
				o.looked()
			}
			return time.Now().Add(time.Duration(h.ahead.Load()))
		},
	})
	h.gw, h.store, h.box, h.merchant, h.people, h.find = gw, st, box, m, people, find
	running, cancel := context.WithCancel(context.WithoutCancel(ctx))
	done := make(chan error, 1)
	go func() { done <- gw.Run(running) }()
	h.stop = sync.OnceFunc(func() {
		cancel()
		if err := errors.Join(<-done, st.Close(), box.Close()); err != nil {
			t.Errorf("stop the house: %v", err)
		}
		told.Close()
		if o.receiver != nil {
			o.receiver.close()
		}
	})
	t.Cleanup(h.stop)
	return h
}

// noticeBoard brings the wallets' notices to the gateway as the API would.
type noticeBoard struct{ h *house }

func (b noticeBoard) RoundTrip(req *http.Request) (*http.Response, error) {
	body, err := io.ReadAll(req.Body)
	if err != nil {
		return nil, err
	}
	at := strings.Split(req.URL.Path, "/")
	if req.URL.Host != "pay.example.com" || len(at) != 5 || at[1] != "notify" {
		return nil, fmt.Errorf("nobody lives at %s", req.URL)
	}
	b.h.mu.Lock()
	b.h.notes = append(b.h.notes, heardNotice{req.Header.Clone(), body})
	b.h.mu.Unlock()
	ack, ackType, err := b.h.gw.Notice(req.Context(), pay.Channel(at[2]), at[3], at[4], req.Header, body)
	res := &http.Response{StatusCode: http.StatusOK, Header: http.Header{"Content-Type": {ackType}}, Body: io.NopCloser(strings.NewReader(ack)), Request: req}
	if err != nil {
		res.StatusCode, res.Status = http.StatusBadRequest, err.Error()
	}
	return res, nil
}

// walletsOf builds the real adapters against the sandbox's handler.
func walletsOf(t *testing.T, box *sandbox.Sandbox) gateway.Channels {
	t.Helper()
	return walletsOver(t, box, func(line http.RoundTripper) http.RoundTripper { return line })
}

// walletsOver is walletsOf with something on the line to the wallets.
func walletsOver(t *testing.T, box *sandbox.Sandbox, over func(http.RoundTripper) http.RoundTripper) gateway.Channels {
	t.Helper()
	p := box.Accounts().Providers[0]
	block, _ := pem.Decode([]byte(p.WeChat.ClientCertPEM))
	cert, err := x509.ParseCertificate(block.Bytes)
	if err != nil {
		t.Fatal(err)
	}
	direct := over(direct{handler: box.Wallet(), cert: cert})
	wx, err := wxpay.New(wxpay.Config{
		BaseURL: "https://wallet.test", MchID: p.WeChat.MchID, AppID: p.WeChat.AppID, APIKey: secret.New(p.WeChat.APIv2Key),
		APIv3Key: secret.New(p.WeChat.APIv3Key), Now: time.Now,
		SignType: "HMAC-SHA256", ClientCertPEM: p.WeChat.ClientCertPEM, ClientKeyPEM: secret.New(p.WeChat.ClientKeyPEM), Transport: direct,
	})
	if err != nil {
		t.Fatal(err)
	}
	ali, err := alipay.New(alipay.Config{
		GatewayURL: "https://wallet.test/gateway.do", AppID: p.Alipay.AppID, AppPrivateKeyPEM: secret.New(p.Alipay.AppPrivateKeyPEM),
		AlipayPublicKeyPEM: p.Alipay.AlipayPublicKeyPEM, Now: time.Now, Transport: direct,
	})
	if err != nil {
		t.Fatal(err)
	}
	return func(_ context.Context, _ string, ch pay.Channel) (channel.Channel, error) {
		if ch == pay.Alipay {
			return ali, nil
		}
		return wx, nil
	}
}

// direct is a RoundTripper that calls a handler in the same process: no
// sockets, and a handler that aborts looks like a broken connection.
type direct struct {
	handler http.Handler
	cert    *x509.Certificate // the client's, as TLS would have shown it
}

func (d direct) RoundTrip(req *http.Request) (*http.Response, error) {
	in := req.Clone(req.Context())
	in.RequestURI = req.URL.RequestURI()
	in.TLS = &tls.ConnectionState{PeerCertificates: []*x509.Certificate{d.cert}}
	in.RemoteAddr = "127.0.0.1:1"
	if in.Body == nil {
		in.Body = http.NoBody
	}
	type answer struct {
		w       *recorder
		aborted bool
	}
	done := make(chan answer, 1)
	go func() {
		w := &recorder{header: http.Header{}, status: http.StatusOK}
		a := answer{w: w}
		defer func() {
			if p := recover(); p != nil {
				if p != http.ErrAbortHandler { //nolint:errorlint // a panic value, compared as net/http does
					panic(p)
				}
				a.aborted = true
			}
			done <- a
		}()
		d.handler.ServeHTTP(w, in)
	}()
	select {
	case <-req.Context().Done():
		return nil, req.Context().Err()
	case a := <-done:
		if a.aborted && !a.w.wrote {
			return nil, errors.New("connection reset")
		}
		var body io.Reader = bytes.NewReader(a.w.body.Bytes())
		if a.aborted {
			body = io.MultiReader(body, broken{})
		}
		return &http.Response{
			StatusCode: a.w.status, Status: http.StatusText(a.w.status), Proto: "HTTP/1.1", ProtoMajor: 1, ProtoMinor: 1,
			Header: a.w.header, Body: io.NopCloser(body), ContentLength: -1, Request: req,
		}, nil
	}
}

// recorder collects one answer.
type recorder struct {
	header http.Header
	body   bytes.Buffer
	status int
	wrote  bool
}

func (r *recorder) Header() http.Header { return r.header }
func (r *recorder) WriteHeader(s int)   { r.status, r.wrote = s, true }
func (r *recorder) Flush()              {}
func (r *recorder) Write(b []byte) (int, error) {
	r.wrote = true
	return r.body.Write(b)
}

// broken is the rest of a body that never comes.
type broken struct{}

func (broken) Read([]byte) (int, error) { return 0, io.ErrUnexpectedEOF }

// testWriter sends log lines to the test.
type testWriter struct{ t *testing.T }

func (w testWriter) Write(b []byte) (int, error) {
	w.t.Logf("%s", bytes.TrimSpace(b))
	return len(b), nil
}

// number returns a fresh order or refund number.
func (h *house) number() string { return fmt.Sprintf("90000001%016d", h.orders.Add(1)) }

// code returns a fresh payment code of a customer, "" for a new one.
func (h *house) code(ch pay.Channel, customer string) sandbox.PayCode {
	h.t.Helper()
	c, err := h.box.NewPayCode(h.t.Context(), string(ch), customer)
	if err != nil {
		h.t.Fatal(err)
	}
	return c
}

// pay sends one micro_pay with a fresh code and returns its order as answered.
func (h *house) pay(ch pay.Channel, total pay.Fen, customer string) (pay.Order, error) {
	h.t.Helper()
	return h.gw.MicroPay(h.t.Context(), h.merchant, gateway.MicroPay{
		OutTradeNo: h.number(), AuthCode: secret.New(h.code(ch, customer).AuthCode), Total: total, ShopID: "shop", DeviceID: "till-1", Body: "bread",
	})
}

// order reads an order.
func (h *house) order(no string) pay.Order {
	h.t.Helper()
	o, err := h.store.Order(h.t.Context(), "merchant", no)
	if err != nil {
		h.t.Fatal(err)
	}
	return o
}

// kept is what the wallet says the customer has paid for an order and not got
// back, with the number of debits.
func (h *house) kept(no string) (kept, charges int64) {
	h.t.Helper()
	ts, err := h.box.Trades(h.t.Context(), no)
	if err != nil {
		h.t.Fatal(err)
	}
	for _, t := range ts {
		kept += int64(t.Charged - t.Refunded)
		charges += t.Charges
	}
	return kept, charges
}

// until waits on the clock of the bubble until the order satisfies want.
func (h *house) until(no string, limit time.Duration, want func(pay.Order) bool) pay.Order {
	h.t.Helper()
	for deadline := time.Now().Add(limit); ; {
		o := h.order(no)
		if want(o) {
			return o
		}
		if time.Now().After(deadline) {
			h.t.Fatalf("order %s is %s (%s) after %v", no, o.State, o.Code, limit)
		}
		<-time.After(500 * time.Millisecond)
	}
}

// checkBooks compares an order's ledger with its columns (money.md §5).
func (h *house) checkBooks(no string) {
	h.t.Helper()
	o := h.order(no)
	ps, err := h.store.Postings(h.t.Context(), "merchant", no)
	if err != nil {
		h.t.Fatal(err)
	}
	b := pay.Balances(ps)
	var sum pay.Fen
	for _, v := range b {
		sum += v
	}
	if sum != 0 {
		h.t.Errorf("ledger of %s sums to %d", no, sum)
	}
	if open := o.Reserved - o.Refunded; -b[pay.AccRefunding] != open {
		h.t.Errorf("order %s: P is %d, open reservations are %d", no, b[pay.AccRefunding], open)
	}
	want := pay.Fen(0)
	if o.Taken() || o.PaidSeen && o.State == pay.REVERSING {
		want = o.Total - o.Reserved
	}
	if -b[pay.AccMerchant] != want {
		h.t.Errorf("order %s (%s): M is %d, want %d", no, o.State, -b[pay.AccMerchant], want)
	}
}
