package gateway_test

import (
	"bytes"
	"context"
	"errors"
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

	"cloudpay/cpay"
	"cloudpay/internal/directory"
	"cloudpay/internal/gateway"
	"cloudpay/internal/notify"
	"cloudpay/internal/pay"
	"cloudpay/internal/sandbox"
	"cloudpay/internal/secret"
	"cloudpay/internal/store"
	"cloudpay/internal/store/storetest"
)

// site is a house whose process can end and is started again, on the same
// database and the same sandbox. Its house's gateway, store, directory and
// wallets are those of the process that runs. It belongs to one goroutine, but for what mu guards.
type site struct {
	*house
	out      *outage
	dsn      string
	keys     *secret.Keyring
	receiver *receiver
	profiles map[pay.Channel]pay.Profile
	nightly  bool        // the process reconciles and closes days, too
	busy     int         // answers that the merchant's endpoint fails at first
	hush     func()      // ends the wallets' notices
	leave    func()      // ends all; the test's end does it
	closed   atomic.Bool // nothing can be read: no process runs

	mu    sync.Mutex
	live  *process
	heard map[string]int // events that reached the merchant
	lives int
}

// newSite builds a site in dir, which is empty. profiles may be nil for the presets,
// and so may be what the site goes on from.
func newSite(t *testing.T, dir string, out *outage, profiles map[pay.Channel]pay.Profile, from *eve) *site {
	t.Helper()
	s := &site{house: &house{t: t}, out: out, profiles: profiles, dsn: "sqlite:" + filepath.Join(dir, "pay.db"), heard: map[string]int{}}
	boxDB := sandboxDB
	if from != nil {
		boxDB = from.box
	}
	if err := os.WriteFile(filepath.Join(dir, "sandbox.db"), boxDB, 0o600); err != nil {
		t.Fatal(err)
	}
	if from != nil {
		from.goOn(s, dir)
	} else {
		storetest.Migrate(t, s.dsn)
	}
	var err error
	s.box, err = sandbox.New(t.Context(), sandbox.Config{
		Dir: dir, Providers: 1, MerchantsPerProvider: 1, Now: time.Now, Notify: postman{s},
	})
	if err != nil {
		t.Fatal(err)
	}
	if s.keys, err = secret.OpenKeyring(secret.New(strings.Repeat("k", 32))); err != nil {
		t.Fatal(err)
	}
	s.receiver = newReceiver()
	s.receiver.answer = s.hear
	if from == nil {
		s.seed()
	}
	s.start()
	if s.hush = func() {}; from == nil {
		s.post()
	} // else the wallets have nothing left to tell
	s.leave = sync.OnceFunc(func() {
		s.hush()
		s.end()
		s.receiver.close()
		if err := s.box.Close(); err != nil {
			t.Error(err)
		}
	})
	t.Cleanup(s.leave)
	return s
}

// post lets the wallets send their notices, until hush is called.
func (s *site) post() {
	posting, cancel := context.WithCancel(context.WithoutCancel(s.t.Context()))
	var post sync.WaitGroup
	post.Go(func() { s.box.ServeNotices(posting) })
	s.hush = func() {
		cancel()
		post.Wait()
	}
}

// sleep lets time pass in which nobody does anything: no process runs and no
// wallet looks for notices, so that a night costs no more than a second.
func (s *site) sleep(d time.Duration) {
	s.stop()
	<-time.After(d)
	s.start()
	s.post()
	s.mu.Lock()
	defer s.mu.Unlock()
	s.lives--
}

// stop ends the process and the wallets' notices.
func (s *site) stop() {
	s.hush()
	s.end()
	s.closed.Store(true)
}

// seed writes the merchant's entry.
func (s *site) seed() {
	t, ctx := s.t, s.t.Context()
	st, err := store.Open(ctx, store.Config{DSN: s.dsn, Log: slog.New(slog.DiscardHandler)})
	if err != nil {
		t.Fatal(err)
	}
	people, err := directory.New(st, st, s.keys, time.Now)
	if err != nil {
		t.Fatal(err)
	}
	authen, err := directory.NewAuthenKey()
	if err != nil {
		t.Fatal(err)
	}
	a := s.box.Accounts().Providers[0]
	err = people.Seed(ctx, directory.Installation{
		Providers: []directory.Provider{{ID: "provider", Name: "provider", NotifyURL: "http://127.0.0.1:9000/notify"}},
		Merchants: []directory.Merchant{{
			ID: "merchant", ProviderID: "provider", Name: "Test Merchant", Prefixes: []string{"90000001"}, AuthenKey: authen,
			Wx:    directory.WechatMerchant{SubMchID: a.WeChat.Merchants[0].SubMchID, SubAppID: a.WeChat.Merchants[0].SubAppID},
			Ali:   directory.AlipayMerchant{AppAuthToken: secret.New(a.Alipay.Merchants[0].AppAuthToken), SellerID: a.Alipay.Merchants[0].UserID},
			Shops: []directory.Shop{{ID: "shop", Name: "shop", Devices: []directory.Device{{ID: "till-1", Name: "1"}}}},
		}},
	})
	if err == nil {
		s.merchant, err = people.Merchant(ctx, "merchant")
	}
	if err = errors.Join(err, st.Close()); err != nil {
		t.Fatal(err)
	}
}

// start begins the next life.
func (s *site) start() {
	t, log := s.t, slog.New(slog.DiscardHandler)
	p := &process{out: s.out, ended: make(chan error, 1), dead: make(chan struct{})}
	st, err := store.Open(t.Context(), store.Config{DSN: s.dsn, Log: log, Disk: p, PoolSize: 1})
	if err != nil {
		t.Fatal(err)
	}
	people, err := directory.New(st, st, s.keys, time.Now)
	if err != nil {
		t.Fatal(err)
	}
	p.store = st
	p.told = notify.New(notify.Config{AllowPrivate: true, Dial: func(ctx context.Context, network, address string) (net.Conn, error) {
		if p.isDead() {
			return nil, errDead
		}
		return s.receiver.dial(ctx, network, address)
	}})
	s.find = walletsOver(t, s.box, func(next http.RoundTripper) http.RoundTripper { return line{p, next} })
	idle := 10 * time.Second
	if s.nightly {
		idle = time.Minute // hours pass, in which nobody pays
	}
	p.gw = gateway.New(gateway.Config{
		Store: st, Directory: people, Notify: p.told, CodeKey: []byte("test code key"), MaxIdle: idle,
		Channels: s.find,
		Profiles: s.profiles, Now: time.Now, Log: log, PublicURL: "https://pay.example.com/",
	})
	running, cancel := context.WithCancel(context.WithoutCancel(t.Context()))
	p.cancel = cancel
	s.gw, s.store, s.people = p.gw, st, people // before its first commit, which may be looked at
	s.closed.Store(false)
	work := []func(context.Context) error{p.gw.Run}
	if s.nightly {
		work = append(work, s.nights()...)
	}
	go func() { p.ended <- together(running, work) }()
	s.mu.Lock()
	defer s.mu.Unlock()
	s.live = p
	s.lives++
}

// end lets what is left of a process go.
func (s *site) end() {
	p := s.process()
	p.cancel()
	if err := errors.Join(<-p.ended, p.store.Close()); err != nil {
		s.t.Errorf("end the process: %v", err)
	}
	p.told.Close()
}

func (s *site) process() *process {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.live
}

// again starts the next process if this one has died, and reports whether.
func (s *site) again() bool {
	if !s.process().isDead() {
		return false
	}
	s.end()
	<-time.After(time.Second)
	s.start()
	return true
}

// pass lets time pass. A process that dies meanwhile is started again.
func (s *site) pass(d time.Duration) {
	for end := time.Now().Add(d); ; s.again() {
		select {
		case <-time.After(time.Until(end)):
			s.again()
			return
		case <-s.process().dead:
		}
	}
}

// once sends a till's request. The till never hears of a process that died.
func (s *site) once(ask func() error) {
	if err := ask(); err != nil && s.out.broken() == "" {
		s.t.Errorf("an undisturbed request: %v", err)
	}
	s.again()
}

// insist sends a till's request until it is answered well.
func (s *site) insist(ask func() error) {
	for range 100 {
		err := ask()
		if !s.again() && err == nil {
			return
		}
		s.pass(5 * time.Second)
	}
	s.t.Error("no answer to a request that was sent a hundred times")
}

// postman brings the wallets' notices to the process that runs.
type postman struct{ s *site }

func (b postman) RoundTrip(req *http.Request) (*http.Response, error) {
	body, err := io.ReadAll(req.Body)
	if err != nil {
		return nil, err
	}
	p := b.s.process()
	if p == nil || p.isDead() {
		return nil, errRefused
	}
	hit := b.s.out.step("notices", req.URL.Path)
	if hit && !b.s.out.after {
		return nil, p.breaks(errRefused)
	}
	at := strings.Split(req.URL.Path, "/")
	ack, ackType, err := p.gw.Notice(req.Context(), pay.Channel(at[2]), at[3], at[4], req.Header, body)
	if hit {
		return nil, p.breaks(io.ErrUnexpectedEOF)
	}
	if p.isDead() {
		return nil, errDead
	}
	res := &http.Response{StatusCode: http.StatusOK, Header: http.Header{"Content-Type": {ackType}}, Body: io.NopCloser(strings.NewReader(ack)), Request: req}
	if err != nil {
		res.StatusCode, res.Status = http.StatusBadRequest, err.Error()
	}
	return res, nil
}

// hear is the merchant's endpoint. The body has been read from r already.
func (s *site) hear(n int, w http.ResponseWriter, r *http.Request) {
	p := s.process()
	hit := s.out.step("callbacks", "")
	if hit && !s.out.after {
		_ = p.breaks(nil)
		panic(http.ErrAbortHandler)
	}
	if n > s.busy {
		s.note(n)
	}
	switch {
	case hit:
		_ = p.breaks(nil)
		panic(http.ErrAbortHandler)
	case n <= s.busy:
		http.Error(w, "sorry", http.StatusInternalServerError)
	default:
		acknowledge(n, w, r)
	}
}

// note writes down what the n-th callback says.
func (s *site) note(n int) {
	s.receiver.mu.Lock()
	body := bytes.Clone(s.receiver.bodies[n-1])
	s.receiver.mu.Unlock()
	e, err := cpay.Open(body, cpay.Keys{AuthenKey: cpay.NewKey(s.merchant.AuthenKey.Reveal())})
	if err != nil {
		s.t.Errorf("a callback does not verify: %v", err)
		return
	}
	m, err := e.Callback()
	if err != nil {
		s.t.Errorf("a callback cannot be read: %v", err)
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	switch m := m.(type) {
	case *cpay.PayCallback:
		s.heard[pay.EventPaid]++
	case *cpay.RefundCallback:
		for _, c := range m.RefundOrderContent {
			s.heard[pay.EventRefund+c.OutRefundNo]++
		}
	case *cpay.ReverseCallback:
		s.heard[pay.EventReversed]++
	}
}

// toldOf returns how often each event reached the merchant.
func (s *site) toldOf() map[string]int {
	s.mu.Lock()
	defer s.mu.Unlock()
	return maps.Clone(s.heard)
}

// quiet reports whether there is nothing left to do.
func (s *site) quiet(no string) bool {
	o, err := s.store.Order(s.t.Context(), "merchant", no)
	if err != nil && !errors.Is(err, pay.ErrNotFound) {
		s.t.Fatal(err)
	}
	return (err != nil || o.State.Final()) && len(s.jobs()) == 0
}

// converge gives the jobs P7's fifteen minutes.
func (s *site) converge(no string) {
	const step = 15 * time.Second
	for range 15 * time.Minute / step {
		s.pass(step)
		if s.quiet(no) {
			return
		}
	}
	s.t.Errorf("work is left after 15 minutes: %+v", s.jobs())
}

// notBegun is the end of an order that never began.
const notBegun pay.OrderState = "not begun"

// check compares what is believed of an order with the wallet's truth, the
// ledger and what the merchant was told. It returns how the order ended.
func (s *site) check(no string) pay.OrderState {
	kept, charges := s.kept(no)
	o, err := s.store.Order(s.t.Context(), "merchant", no)
	if errors.Is(err, pay.ErrNotFound) {
		if charges != 0 {
			s.t.Errorf("the wallet charged %d times for an order that is not there", charges)
		}
		return notBegun
	}
	if err != nil {
		s.t.Fatal(err)
	}
	want := pay.Fen(0)
	if o.State == pay.PAID {
		want = o.Total - o.Refunded
	}
	if !o.State.Final() || kept != int64(want) || charges > 1 {
		s.t.Errorf("order is %s (%s) with %d of %d refunded; the wallet kept %d in %d charges", o.State, o.Code, o.Refunded, o.Total, kept, charges)
	}
	refunds, err := s.store.Refunds(s.t.Context(), "merchant", no)
	if err != nil && !errors.Is(err, pay.ErrNotFound) {
		s.t.Fatal(err)
	}
	sum := pay.Fen(0)
	for _, r := range refunds {
		if r.State != pay.RefundSucceeded {
			s.t.Errorf("refund %s is %s", r.OutRefundNo, r.State)
		}
		sum += r.Amount
	}
	if sum != o.Refunded || o.Reserved != o.Refunded || sum > o.Total {
		s.t.Errorf("refunds are %d, the order says %d, %d reserved, of %d", sum, o.Refunded, o.Reserved, o.Total)
	}
	s.checkBooks(no)
	heard := s.toldOf()
	for _, event := range s.gw.Events(o, refunds) {
		if heard[event] == 0 {
			s.t.Errorf("the merchant was never told of %s: %v", event, heard)
		}
		delete(heard, event)
	}
	if len(heard) != 0 {
		s.t.Errorf("the merchant was told of %v, which did not happen to a %s order", heard, o.State)
	}
	return o.State
}
