// Package channeltest is the suite that every wallet adapter passes: the
// contract of channel.Channel, played against the sandbox over real TLS with
// real signatures.
//
// It knows the contract and the sandbox. It must not know any adapter: the
// adapter's test hands in a constructor. What a wallet does is checked against
// the sandbox's own account of its money (sandbox.Trades), never against what
// the adapter says.
package channeltest

import (
	"context"
	"crypto/x509"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"cloudpay/internal/channel"
	"cloudpay/internal/pay"
	"cloudpay/internal/sandbox"
)

// Adapter is what an adapter's test hands in.
type Adapter struct {
	// Wallet is the wallet of the sandbox that the adapter speaks to.
	Wallet sandbox.Channel
	// API is channel.APIv3 for an adapter of WeChat Pay's APIv3, else "". What the
	// generations say differently is checked accordingly.
	API string
	// Keys says what an account of APIv3 verifies with.
	Keys Keys
	// New builds the adapter for the bench's only provider.
	New func(b *Bench) (channel.Channel, error)
	// Charge returns a payment of the bench's only merchant that carries the
	// payment code; the suite fills in the order.
	Charge func(b *Bench, code string) channel.PayRequest
	// Prepare returns an order of the bench's only merchant for the customer to
	// pay later; the suite fills in the order.
	Prepare func(b *Bench, kind pay.TradeType, customer string) channel.PrepayRequest
	// Kinds are the trade types the wallet prepares.
	Kinds []pay.TradeType
	// Codes are the codes and states that the wallet is made to answer, with
	// the outcome of each; the adapter's test reads them from its copy of
	// vectors/upstream-codes-*.json.
	Codes []Listed
}

// Listed is one code or state of one call.
type Listed struct {
	Endpoint string // of package sandbox
	Code     string // "" when State is set
	Status   int64  // HTTP, of APIv3; 0 for the code's own
	State    string
	Want     pay.Outcome // Kind, Next, Reason, NoReverse, Alert and Verified are compared
}

// Bench is a sandbox with one provider and one merchant behind a TLS listener
// on loopback, with a business clock that moves only when told.
type Bench struct {
	URL      string // of the wallet, https
	Roots    *x509.CertPool
	Provider sandbox.Provider

	t       *testing.T
	box     *sandbox.Sandbox
	mu      sync.Mutex
	now     time.Time
	notices []delivered // what arrived at NotifyURL, oldest first
	deaf    bool        // notices get no answer that takes them
}

// delivered is a notice as it arrived.
type delivered struct {
	header http.Header
	body   []byte
}

// NotifyURL is where the bench's wallet tells of payments.
const NotifyURL = "https://merchant.example/notify"

// RoundTrip receives the wallet's notices. It implements http.RoundTripper.
func (b *Bench) RoundTrip(r *http.Request) (*http.Response, error) {
	body, err := io.ReadAll(r.Body)
	if err != nil {
		return nil, err
	}
	b.mu.Lock()
	defer b.mu.Unlock()
	b.notices = append(b.notices, delivered{header: r.Header.Clone(), body: body})
	ack, status := "success", http.StatusOK
	if strings.HasPrefix(r.Header.Get("Content-Type"), "text/xml") {
		ack = "<xml><return_code><![CDATA[SUCCESS]]></return_code></xml>"
	}
	if b.deaf {
		ack, status = "later", http.StatusServiceUnavailable
	}
	return &http.Response{StatusCode: status, Header: http.Header{}, Body: io.NopCloser(strings.NewReader(ack)), Request: r}, nil
}

// taken returns the notices that arrived since the last call.
func (b *Bench) taken() []delivered {
	b.mu.Lock()
	defer b.mu.Unlock()
	list := b.notices
	b.notices = nil
	return list
}

func (b *Bench) setDeaf(deaf bool) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.deaf = deaf
}

// Identify tells who a customer is towards an application.
func (b *Bench) Identify(customer, appID string) sandbox.Identity {
	b.t.Helper()
	id, err := b.box.Identify(b.t.Context(), customer, appID)
	if err != nil {
		b.t.Fatal(err)
	}
	return id
}

// Now is the business clock. Adapters stamp their requests with it.
func (b *Bench) Now() time.Time {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.now
}

func (b *Bench) advance(d time.Duration) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.now = b.now.Add(d)
}

// noon in Beijing is far from the end of a day, when cancelling ends.
var noon = time.Date(2026, 11, 20, 4, 0, 0, 0, time.UTC)

// accounts makes the sandbox's keys once per test binary and returns the
// database that holds them: RSA keys are the whole cost of a first start.
var accounts = sync.OnceValues(func() ([]byte, error) {
	dir, err := os.MkdirTemp("", "channeltest")
	if err != nil {
		return nil, err
	}
	defer os.RemoveAll(dir)
	box, err := sandbox.New(context.Background(), config(dir, func() time.Time { return noon }))
	if err != nil {
		return nil, err
	}
	if err := box.Close(); err != nil {
		return nil, err
	}
	return os.ReadFile(filepath.Join(dir, "sandbox.db")) //nolint:gosec // our own temporary file
})

func config(dir string, now func() time.Time) sandbox.Config {
	return sandbox.Config{Dir: dir, Providers: 1, MerchantsPerProvider: 1, Now: now}
}

// strictly turns on the wallets' waiting rules.
func strictly(c *sandbox.Config) { c.Strict = true }

// newBench starts a sandbox that ends with the test.
func newBench(t *testing.T, change func(c *sandbox.Config)) *Bench {
	t.Helper()
	db, err := accounts()
	if err != nil {
		t.Fatal(err)
	}
	dir := t.TempDir()
	if err := os.WriteFile(filepath.Join(dir, "sandbox.db"), db, 0o600); err != nil {
		t.Fatal(err)
	}
	b := &Bench{t: t, now: noon, Roots: x509.NewCertPool()}
	conf := config(dir, b.Now)
	conf.Notify = b
	if change != nil {
		change(&conf)
	}
	if b.box, err = sandbox.New(t.Context(), conf); err != nil {
		t.Fatal(err)
	}
	server := httptest.NewUnstartedServer(b.box.Wallet())
	server.TLS = b.box.TLSConfig()
	server.Config.ErrorLog = slog.NewLogLogger(slog.DiscardHandler, slog.LevelError) // cut connections are the point
	server.StartTLS()
	t.Cleanup(func() {
		if err := b.box.Close(); err != nil {
			t.Errorf("close sandbox: %v", err)
		}
		server.CloseClientConnections()
		server.Close()
	})
	b.URL, b.Provider = server.URL, b.box.Accounts().Providers[0]
	if !b.Roots.AppendCertsFromPEM([]byte(b.box.Accounts().CAPEM)) {
		t.Fatal("the sandbox's authority is not a certificate")
	}
	return b
}

// Run plays the suite against an adapter.
func Run(t *testing.T, a Adapter) {
	t.Helper()
	shared := newSuite(t, a, nil)
	// One after the other: they share the clock. Each takes its own customers
	// and order numbers, and aims its faults at those.
	for _, one := range []struct {
		name string
		run  func(s *scene)
	}{
		{"a free payment is paid", (*scene).free},
		{"a password is waited for", (*scene).password},
		{"a cancelled payment is reversed without a charge", (*scene).cancelled},
		{"an ignored payment is reversed without a charge", (*scene).ignored},
		{"a code is refused as the customer's matter", (*scene).badCodes},
		{"an answer lost after charging is unknown, then paid", (*scene).lostAfter},
		{"an answer lost before charging is unknown, then missing", (*scene).lostBefore},
		{"a system error is unknown, charged or not", (*scene).systemError},
		{"a slow answer is unknown when the time is up", (*scene).slow},
		{"a call that may not start is unknown", (*scene).cancelledContext},
		{"answers that cannot be believed are lost", (*scene).unbelievable},
		{"a wrong amount is never paid", (*scene).wrongAmount},
		{"a duplicate number is asked for and never reversed", (*scene).duplicate},
		{"an unknown number is missing", (*scene).missing},
		{"a reverse returns a paid order", (*scene).reversePaid},
		{"a reverse repeats until it is done", (*scene).reverseAgain},
		{"a number reversed before it arrives charges nobody", (*scene).reverseUnseen},
		{"an unpaid order closes", (*scene).closing},
		{"a prepared order is paid by phone and told of", (*scene).prepaid},
		{"a repeated preparation opens the same order", (*scene).prepareAgain},
		{"a preparation is refused for a used number", (*scene).prepareUsed},
		{"a preparation without an answer is unknown and repeated", (*scene).prepareLost},
		{"arguments that were altered open nothing", (*scene).alteredArgs},
		{"a prepared order closes and opens no more", (*scene).prepareClose},
		{"a close and a payment exclude each other", (*scene).closeRace},
		{"a prepared order runs out", (*scene).prepareExpire},
		{"a prepared order of another amount differs", (*scene).prepareWrongAmount},
		{"a notice is believed only as it was sent", (*scene).notices},
		{"options arrive as they were given", (*scene).optionsArrive},
		{"who paid for what comes back", (*scene).promotions},
		{"refunds are accepted, then done", (*scene).refund},
		{"a refund number pays once", (*scene).refundOnce},
		{"more than the rest is refused", (*scene).refundTooMuch},
		{"a lost refund is asked for and repeated", (*scene).refundLost},
		{"every listed code reads as listed", (*scene).codes},
		{"a spoilt answer is lost, whatever was asked", (*scene).spoiltAnswers},
		{"an order is found by the wallet's number", (*scene).byTheWalletsNumber},
		{"refunds made elsewhere are listed", (*scene).listing},
		{"the end of a refund is told", (*scene).refundTold},
		{"a refund that came back is sent on", (*scene).abnormal},
		{"hostile notices are refused", (*scene).hostileNotices},
		{"many payments at once agree with the wallet", (*scene).crowd},
	} {
		t.Run(one.name, func(t *testing.T) { one.run(&scene{suite: shared, t: t}) })
	}
}

// RunStrict plays what needs the wallets' waiting rules.
func RunStrict(t *testing.T, a Adapter) {
	t.Helper()
	shared := newSuite(t, a, strictly)
	t.Run("a prepared order closes after five minutes", func(t *testing.T) { (&scene{suite: shared, t: t}).closeTooEarly() })
}

// newSuite builds the adapter on a bench of its own.
func newSuite(t *testing.T, a Adapter, change func(c *sandbox.Config)) *suite {
	t.Helper()
	b := newBench(t, change)
	if a.Keys == PublicKey {
		b.migrate(PublicKey, 100)
	}
	c, err := a.New(b)
	if err != nil {
		t.Fatal(err)
	}
	if idle, ok := c.(interface{ CloseIdle() }); ok {
		t.Cleanup(idle.CloseIdle)
	}
	return &suite{Adapter: a, bench: b, c: c}
}

// suite is one run of the suite.
type suite struct {
	Adapter
	bench *Bench
	c     channel.Channel
	last  int
}

// scene is one scenario of a run. Its methods are the scenarios and what they
// are made of.
type scene struct {
	*suite
	t *testing.T
}

// order returns a fresh order number.
func (s *suite) order() string {
	s.last++
	return "CT2026112000" + strconv.Itoa(10000+s.last)
}

// request is a payment of a new order with a fresh code of the customer ("" is
// a new one), who is returned.
func (s *scene) request(total pay.Fen, customer string) (channel.PayRequest, string) {
	s.t.Helper()
	code, err := s.bench.box.NewPayCode(s.t.Context(), string(s.Wallet), customer)
	if err != nil {
		s.t.Fatal(err)
	}
	r := s.Charge(s.bench, code.AuthCode)
	r.OutTradeNo, r.Total, r.Currency = s.order(), total, "CNY"
	r.Start = s.bench.Now()
	r.Expire = r.Start.Add(2 * time.Minute)
	if r.Body == "" {
		r.Body = "测试 商品 50%"
	}
	return r, code.Customer
}

// parse lets the adapter read a notice.
func (s *scene) parse(n delivered) (channel.Notice, error) { return s.c.ParseNotice(n.header, n.body) }

// v3 reports whether the adapter speaks APIv3.
func (s *suite) v3() bool { return s.API == channel.APIv3 }

// paid makes a payment that succeeds.
func (s *scene) paid(total pay.Fen) channel.PayRequest {
	s.t.Helper()
	r, _ := s.request(total, "")
	if out := s.c.Pay(s.t.Context(), r); out.Kind != pay.Paid {
		s.t.Fatalf("Pay = %+v, want Paid", out)
	}
	return r
}

// fault aims a scenario at one order, once.
func (s *scene) fault(scenario, outTradeNo string, change func(f *sandbox.Fault)) {
	s.t.Helper()
	f := sandbox.Fault{Scenario: scenario, Channel: s.Wallet, Count: 1, Params: sandbox.Params{OutTradeNo: outTradeNo}}
	if change != nil {
		change(&f)
	}
	if f.Endpoint == sandbox.EndpointRefundQuery {
		f.Params.OutTradeNo = "" // a refund query need not name the order
	}
	if err := s.bench.box.AddFault(f); err != nil {
		s.t.Fatal(err)
	}
}

// on aims a fault at another call than its scenario's own.
func on(endpoint string) func(f *sandbox.Fault) {
	return func(f *sandbox.Fault) { f.Endpoint = endpoint }
}

// truth is the wallet's own account of an order.
func (s *scene) truth(outTradeNo string) sandbox.Trade {
	s.t.Helper()
	list, err := s.bench.box.Trades(s.t.Context(), outTradeNo)
	if err != nil {
		s.t.Fatal(err)
	}
	if len(list) == 0 {
		return sandbox.Trade{}
	}
	return list[0]
}

// holds checks what the wallet charged and gave back, in fen, and that it
// charged at most once.
func (s *scene) holds(outTradeNo string, charged, returned pay.Fen) {
	s.t.Helper()
	got := s.truth(outTradeNo)
	if pay.Fen(got.Charged) != charged || pay.Fen(got.Refunded) != returned || got.Charges > 1 {
		s.t.Errorf("the wallet holds %+v, want %d charged and %d returned", got, int64(charged), int64(returned))
	}
}

// want compares the verdict of an outcome.
func (s *scene) want(doing string, got, want pay.Outcome) {
	s.t.Helper()
	if v := verdict(got); v != verdict(want) {
		s.t.Errorf("%s = %+v (code %q, text %q), want %+v", doing, v, got.Code, got.Text, verdict(want))
	}
}

// verdict keeps of an outcome what decides.
func verdict(o pay.Outcome) pay.Outcome {
	return pay.Outcome{
		Kind: o.Kind, Next: o.Next, Reason: o.Reason, NoReverse: o.NoReverse, Alert: o.Alert,
		Verified: o.Verified, Lost: o.Lost, Differs: o.Differs, Returned: o.Returned,
	}
}

// The outcomes that most checks want.
var (
	isPaid    = pay.Outcome{Kind: pay.Paid, Verified: true}
	isWaiting = pay.Outcome{Kind: pay.Waiting, Verified: true}
	isLost    = pay.Outcome{Kind: pay.Unknown, Lost: true}
	isMissing = pay.Outcome{Kind: pay.Unknown, Reason: pay.ReasonNotFound, Verified: true}
	isDead    = pay.Outcome{Kind: pay.Declined, Verified: true}
	isGone    = pay.Outcome{Kind: pay.Declined, Verified: true, Returned: true} // paid, and all given back
	isOther   = pay.Outcome{Kind: pay.Unknown, Alert: true, Differs: true}      // a payment, and not the one asked for
)
