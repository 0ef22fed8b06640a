// Package sandbox plays WeChat Pay, Alipay and the customer's phone, so that a
// payment can be made, refused, lost and refunded on a laptop with no account.
//
// It knows upstreams.md: the two wallets' wire formats, signatures, states and
// refusals (§2, §4, §5, §8), and how they misbehave (§8.7). It must not know
// anything of ours: it imports no package of this module but ui, the built
// pages, and shares no code with the channel adapters, so that a mistake in
// signing or reading cannot hide in both ends.
//
// The sandbox serves three handlers. Wallet is the wallets themselves, at the
// host root as upstream has them (/pay/micropay, /gateway.do …), to be served
// over TLS with TLSConfig. Control is the bench behind them: payment codes,
// the customer's answers, faults, the truth and the customer's phone at /phone
// (docs/sandbox.md). Phone is that phone for other machines, and nothing else.
//
// Every change is on disk before the answer that reports it is sent, and
// totals are summed from the movements of money, not from what trades claim,
// so that after a crash or a lost answer a test can compare what happened with
// what cloudpay believes. Time is Config.Now; what becomes due is worked out
// when somebody looks, so there is no goroutine to wait for.
package sandbox

import (
	"context"
	"crypto/rsa"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"net/url"
	"regexp"
	"slices"
	"strings"
	"sync"
	"time"
)

// Channel names a wallet.
type Channel string

// The two wallets the sandbox plays.
const (
	WeChat Channel = "wxpay"
	Alipay Channel = "alipay"
)

// The password presets of Config.Profile (upstreams.md §8.3).
const (
	// ProfileSeed asks for the password above 500 yuan or from the 6th payment
	// of the customer's day with one wallet (seed S004). It is the default.
	ProfileSeed = "seed"
	// ProfileCurrent asks above 1000 yuan or from the 11th payment.
	ProfileCurrent = "current"
)

// Config is what New needs. Dir and Now are required; the zero value of
// everything else is the documented default.
type Config struct {
	// Dir holds sandbox.db, and with it keys, accounts, customers and trades.
	Dir string
	// Providers and MerchantsPerProvider say how many accounts to invent
	// (default 2 each). A later start with larger numbers adds to them.
	Providers, MerchantsPerProvider int
	// Names are other names and addresses of this machine, such as a container's:
	// the wallets' certificate is good for them, and the control API answers to
	// them beside loopback (at most 20).
	Names []string
	// Strict turns on upstream's waiting rules: no reverse within 15 s, no
	// close within 5 minutes, refunds of one trade 60 s (WeChat) or 3 s
	// (Alipay) apart.
	Strict bool
	// Classic lets a list of amounts set off faults, see ClassicAmounts.
	Classic bool
	// Profile is ProfileSeed (default) or ProfileCurrent.
	Profile string
	// RefundDelay is how long WeChat refunds stay PROCESSING (default 2 s).
	RefundDelay time.Duration
	// DialogTimeout is when an unanswered password dialogue closes (default 30 s).
	DialogTimeout time.Duration
	// Now is the clock that business time starts from; Advance moves the
	// sandbox's own ahead of it. It is called once per transaction.
	Now func() time.Time
	// Shared says that whoever talks to the sandbox runs on Sandbox.Now too, so
	// that signed messages carry that time even after Advance.
	Shared bool
	// After is the timer behind faults that make a caller wait (default time.After).
	After func(time.Duration) <-chan time.Time
	// DownloadURL is the address that bills are announced under, scheme and host
	// (default: WeChat's own host, and for Alipay the host that was asked).
	DownloadURL string
	// Notify sends the wallets' notices to the merchants' notify_url (default:
	// none is sent; they are kept and can be listed).
	Notify http.RoundTripper
	// NewKey makes the RSA key of a rotation (default: a fresh one of 2048 bits).
	// Whoever starts a sandbox thousands of times gives keys that he has made before.
	NewKey func() (*rsa.PrivateKey, error)
	// Log receives one line per movement of money (default: none).
	Log *slog.Logger
}

// maxNames bounds Config.Names; hostName is what a name may be.
const maxNames = 20

var hostName = regexp.MustCompile(`^[A-Za-z0-9]([A-Za-z0-9-]{0,61}[A-Za-z0-9])?(\.[A-Za-z0-9]([A-Za-z0-9-]{0,61}[A-Za-z0-9])?){0,8}$`)

// withDefaults checks the configuration and fills in what was left out.
func (c Config) withDefaults() (Config, error) {
	if c.Dir == "" {
		return c, errors.New("sandbox: Config.Dir is empty; name the directory that keeps its state")
	}
	if c.Now == nil {
		return c, errors.New("sandbox: Config.Now is nil; pass time.Now or a test clock")
	}
	if c.Providers < 0 || c.Providers > 90 || c.MerchantsPerProvider < 0 || c.MerchantsPerProvider > 90 {
		return c, errors.New("sandbox: Providers and MerchantsPerProvider must be 0 to 90")
	}
	if c.Providers == 0 {
		c.Providers = 2
	}
	if c.MerchantsPerProvider == 0 {
		c.MerchantsPerProvider = 2
	}
	for _, name := range c.Names {
		if len(c.Names) > maxNames || !hostName.MatchString(name) && net.ParseIP(name) == nil {
			return c, fmt.Errorf("sandbox: name %q: use at most %d host names or IP addresses, without ports", name, maxNames)
		}
	}
	if c.Profile == "" {
		c.Profile = ProfileSeed
	}
	if c.Profile != ProfileSeed && c.Profile != ProfileCurrent {
		return c, fmt.Errorf("sandbox: profile %q is unknown; use %q or %q", c.Profile, ProfileSeed, ProfileCurrent)
	}
	if c.RefundDelay == 0 {
		c.RefundDelay = 2 * time.Second
	}
	if c.DialogTimeout == 0 {
		c.DialogTimeout = 30 * time.Second
	}
	if c.RefundDelay < 0 || c.DialogTimeout < 0 {
		return c, errors.New("sandbox: RefundDelay and DialogTimeout must not be negative")
	}
	if c.DownloadURL != "" {
		u, err := url.Parse(c.DownloadURL)
		if err != nil || u.Scheme != "https" && u.Scheme != "http" || u.Host == "" || strings.Trim(u.Path, "/") != "" || u.RawQuery != "" {
			return c, fmt.Errorf("sandbox: DownloadURL %q is not an address; write it as https://host:port", c.DownloadURL)
		}
	}
	if c.After == nil {
		c.After = time.After
	}
	if c.NewKey == nil {
		c.NewKey = newRSAKey
	}
	if c.Log == nil {
		c.Log = slog.New(slog.DiscardHandler)
	}
	return c, nil
}

// passwordRule is when a phone asks for the password: above amount, or once
// the customer has made free payments with this wallet on the day.
type passwordRule struct {
	amount Fen
	free   int
}

// passwordRules are data because the documents of different years disagree
// (upstreams.md §8.3).
var passwordRules = map[string]passwordRule{
	ProfileSeed:    {amount: 500_00, free: 5},
	ProfileCurrent: {amount: 1000_00, free: 10},
	"s002":         {amount: 3000_00 - 1, free: 10}, // "single payments of ¥3000 and more" (seed S002 §4.1)
	"always":       {},
	"never":        {amount: maxTotal, free: 1 << 30},
}

// Sandbox is a running bench. All methods are safe for concurrent use.
type Sandbox struct {
	c          Config
	books      *books
	accounts   Accounts
	wx         map[string]*wxProvider // by mch_id
	ali        map[string]*aliApp     // by app_id
	authority  *x509.CertPool
	serverCert tls.Certificate
	faults     faultBook
	tokens     tokenBook
	clock      *machine
	requests   requestLog
	secrets    []string // the accounts' keys and tokens, which the log masks
	desk       sceneDesk
	photos     chan struct{} // holds one for each photograph that is being read
	keyChange  sync.Mutex    // held by changeKeys
	closing    chan struct{}
	closeOnce  sync.Once
	closeErr   error
}

// New opens the sandbox in c.Dir, or makes one there with fresh keys. A second
// sandbox on the same directory is refused. The caller must Close it.
func New(ctx context.Context, c Config) (*Sandbox, error) {
	c, err := c.withDefaults()
	if err != nil {
		return nil, err
	}
	b, err := openBooks(ctx, c.Dir)
	if err != nil {
		return nil, err
	}
	s := &Sandbox{c: c, books: b, clock: &machine{base: c.Now}, closing: make(chan struct{}), photos: make(chan struct{}, maxPhotos)}
	s.c.Now = s.clock.now
	if err := s.load(ctx); err != nil {
		return nil, errors.Join(fmt.Errorf("open sandbox in %s: %w", c.Dir, err), b.close(ctx))
	}
	return s, nil
}

// load reads or makes the accounts and takes up what an earlier start left.
func (s *Sandbox) load(ctx context.Context) error {
	if err := s.clock.load(ctx, s.books); err != nil {
		return err
	}
	id, err := loadIdentity(ctx, s.c, s.books)
	if err != nil {
		return err
	}
	s.accounts = id.Accounts
	s.secrets = id.Accounts.secrets()
	if s.wx, s.ali, err = id.index(); err != nil {
		return err
	}
	s.authority = x509.NewCertPool()
	if !s.authority.AppendCertsFromPEM([]byte(id.Accounts.CAPEM)) {
		return errors.New("the stored authority is not a certificate")
	}
	if s.serverCert, err = tls.X509KeyPair([]byte(id.ServerCertPEM), []byte(id.ServerKeyPEM)); err != nil {
		return fmt.Errorf("read wallet certificate: %w", err)
	}
	if err := s.loadAliCerts(ctx); err != nil {
		return err
	}
	return s.books.run(ctx, s.c.Now, func(ctx context.Context, tx *txn) error {
		if err := forgetOldCodes(ctx, tx); err != nil {
			return err
		}
		if err := s.faults.load(ctx, tx); err != nil {
			return err
		}
		if err := s.tokens.load(ctx, tx); err != nil {
			return err
		}
		return s.loadScene(ctx, tx)
	})
}

// Close releases callers held back by faults, waits for the transaction under
// way and closes the database. Calls that arrive later are cut off unanswered.
func (s *Sandbox) Close() error {
	s.closeOnce.Do(func() {
		close(s.closing)
		s.closeErr = s.books.close(context.Background())
	})
	return s.closeErr
}

// Accounts returns the invented accounts and keys. The slices are the
// caller's to read, not to change.
func (s *Sandbox) Accounts() Accounts {
	out := s.accounts
	out.Providers = slices.Clone(out.Providers)
	for i := range out.Providers {
		wx := &out.Providers[i].WeChat
		*wx = s.wx[wx.MchID].keys.present(*wx)
		a := &out.Providers[i].Alipay
		a.AlipayCertPEM = s.ali[a.AppID].mode.newest().pem
	}
	return out
}

// run is books.run on the sandbox's clock.
func (s *Sandbox) run(ctx context.Context, fn func(ctx context.Context, tx *txn) error) error {
	return s.books.run(ctx, s.c.Now, fn)
}

// Wallet answers the wallets' calls (upstreams.md §2.2, §4.4) at the host
// root. A fault that loses an answer panics with http.ErrAbortHandler, which a
// server turns into a cut connection and a RoundTripper that calls the handler
// directly can turn into an error.
func (s *Sandbox) Wallet() http.Handler {
	mux := http.NewServeMux()
	for _, op := range slices.Concat(wxOps, wxToolOps, labOps()) {
		mux.HandleFunc(op.path, func(w http.ResponseWriter, r *http.Request) { s.serveWx(w, r, op) })
	}
	for _, b := range v2Bills {
		mux.HandleFunc(b.path, func(w http.ResponseWriter, r *http.Request) { s.serveV2Bill(w, r, b) })
	}
	mux.HandleFunc(labOld+"/pay/downloadbill", func(w http.ResponseWriter, r *http.Request) { s.serveV2Bill(w, r, v2Bill{path: "/pay/downloadbill"}) })
	for _, path := range labKeyPaths {
		mux.HandleFunc("POST "+path, s.serveLabKey)
	}
	mux.HandleFunc("/gateway.do", s.serveAlipay)
	mux.HandleFunc(aliBillPath, s.serveAliBill)
	s.oauthRoutes(mux)
	mux.Handle("POST "+cashierPath, http.NewCrossOriginProtection().Handler(http.HandlerFunc(s.serveCashier)))
	return s.logged(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Date", s.Now().UTC().Format(http.TimeFormat)) // the wallet's clock, which may be moved
		if strings.HasPrefix(r.URL.Path, "/v3/") {                    // past the mux, which would tidy up a path that is signed as it stands
			s.serveV3(w, r)
			return
		}
		mux.ServeHTTP(w, r)
	}))
}
