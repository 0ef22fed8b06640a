package cpay

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"net/url"
	"strings"
	"time"
)

// sdkVersion is sent with every call; clients of this protocol have ten
// characters for it (protocol.md R50).
const sdkVersion = "gocpay1.0"

// Defaults of Config.
const (
	// defaultTimeout is what clients in the field wait for one answer.
	defaultTimeout = 10 * time.Second
	// defaultAttempts lets one call outlive one broken domain and one busy server.
	defaultAttempts = 3
)

// Pauses before the same call is repeated (protocol.md §4.1).
const (
	pauseTransport = time.Second
	pauseInternal  = time.Second
	pauseUnknown   = 3 * time.Second
)

// Account is what a device was set up with: whose money it takes, and where.
type Account struct {
	// OutMchID is the provider's id.
	OutMchID string
	// OutSubMchID is the merchant's id; it must be set.
	OutSubMchID string
	// OutShopID is the shop's id.
	OutShopID string
	// DeviceID is the number that the merchant gave the device.
	DeviceID string
	// StaffID is the member of staff; it may be empty.
	StaffID string
}

// Terminal describes the device.
type Terminal struct {
	// TerminalType is the operating system (protocol.md §3.13).
	TerminalType int64
	// SubTerminalType is the model; statistics by model need it.
	SubTerminalType int64
	// MachineNo is unique to the device.
	MachineNo string
	// SpbillCreateIP is the device's address, 127.0.0.1 when empty.
	SpbillCreateIP string
	// SNCode is the serial number of the device.
	SNCode string
}

// Config says whom a Client speaks for and where it calls. Domains, Account and
// Keys are needed, everything else has defaults.
type Config struct {
	// Domains are the addresses of one service, best first, such as
	// pay.example.com; https is meant unless another scheme is written.
	Domains  []string
	Account  Account
	Keys     Keys // with a PrivateKey, refund and reverse are signed
	Terminal Terminal
	// Timeout is how long one attempt may take.
	Timeout time.Duration
	// Attempts is how often one call is made while its outcome is unknown.
	Attempts int
	// Transport carries the requests. Inject one to pin a root certificate, to go
	// through a proxy, or to test.
	Transport http.RoundTripper
	// Logger hears of failed attempts and of changes of domain; nil is silence.
	Logger *slog.Logger
}

// Client calls the interfaces of a service. It is safe for concurrent use. Every
// method fills in what the Config knows and the request leaves empty, and
// returns an error for every non-zero status: see Error, TransportError and
// Unknown for what an error means for the money.
type Client struct {
	cfg     Config
	http    *http.Client
	domains *failover
	log     *slog.Logger
}

// NewClient checks cfg and returns a client. It calls nobody yet.
func NewClient(cfg Config) (*Client, error) {
	switch {
	case cfg.Keys.AuthenKey.IsZero():
		return nil, errors.New("cpay: config has no authen_key")
	case cfg.Account.OutSubMchID == "":
		return nil, errors.New("cpay: config has no out_sub_mch_id")
	}
	return newClient(cfg)
}

// newClient is NewClient for whoever has a key, a device before it is bound
// included.
func newClient(cfg Config) (*Client, error) {
	if cfg.Timeout < 0 || cfg.Attempts < 0 {
		return nil, errors.New("cpay: config has a negative timeout or number of attempts")
	}
	domains, err := baseURLs(cfg.Domains)
	if err != nil {
		return nil, err
	}
	if cfg.Timeout == 0 {
		cfg.Timeout = defaultTimeout
	}
	if cfg.Attempts == 0 {
		cfg.Attempts = defaultAttempts
	}
	if cfg.Terminal.SpbillCreateIP == "" {
		cfg.Terminal.SpbillCreateIP = "127.0.0.1"
	}
	if cfg.Transport == nil {
		cfg.Transport = defaultTransport()
	}
	c := &Client{cfg: cfg, log: cfg.Logger}
	if c.log == nil {
		c.log = slog.New(slog.DiscardHandler)
	}
	c.http = &http.Client{
		Transport: cfg.Transport,
		// A payment code is never sent on to where an answer points.
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
	}
	c.domains = newFailover(domains, c.pingDomain)
	return c, nil
}

// defaultTransport is for tills and servers alike: connections are kept, because a
// TLS handshake over a mobile network takes longer than a payment.
func defaultTransport() *http.Transport {
	const (
		dial   = 5 * time.Second
		idle   = 90 * time.Second // below the 180 s that servers keep connections
		pooled = 64
	)
	return &http.Transport{
		Proxy:               http.ProxyFromEnvironment,
		DialContext:         (&net.Dialer{Timeout: dial}).DialContext,
		TLSHandshakeTimeout: dial,
		MaxIdleConns:        pooled,
		MaxIdleConnsPerHost: pooled,
		IdleConnTimeout:     idle,
		ForceAttemptHTTP2:   true,
	}
}

// Ping asks the first reachable domain for its time, in UNIX seconds. The answer
// is not authenticated.
func (c *Client) Ping(ctx context.Context) (*PingResponse, error) {
	base, err := c.domains.pick(ctx)
	if err != nil {
		return nil, &TransportError{Method: MethodPing, Err: err}
	}
	ctx, cancel := context.WithTimeout(ctx, c.cfg.Timeout)
	defer cancel()
	resp, err := c.ping(ctx, base)
	if err != nil {
		c.domains.failed(base)
		return nil, &TransportError{Method: MethodPing, Domain: base, Err: err}
	}
	return resp, nil
}

// signing is how refund and reverse are authenticated: by signature where the
// device has the private key, as the oldest clients do (protocol.md §1.3).
func (c *Client) signing() Auth {
	if c.cfg.Keys.PrivateKey != nil {
		return BySignature
	}
	return ByMAC
}

// fill adds what the configuration knows to what the caller left empty.
func (c *Client) fill(key *PayMchKey, client *OrderClient) {
	a, t := &c.cfg.Account, &c.cfg.Terminal
	for _, v := range []struct {
		to   *string
		from string
	}{
		{&key.OutMchID, a.OutMchID},
		{&key.OutSubMchID, a.OutSubMchID},
		{&key.OutShopID, a.OutShopID},
		{&client.DeviceID, a.DeviceID},
		{&client.StaffID, a.StaffID},
		{&client.MachineNo, t.MachineNo},
		{&client.SpbillCreateIP, t.SpbillCreateIP},
		{&client.SNCode, t.SNCode},
		{&client.SDKVersion, sdkVersion},
	} {
		if *v.to == "" {
			*v.to = v.from
		}
	}
	if client.TerminalType == 0 {
		client.TerminalType = t.TerminalType
	}
	if client.SubTerminalType == 0 {
		client.SubTerminalType = t.SubTerminalType
	}
}

// invoke makes the same request, byte for byte, until its outcome is known, the
// attempts are used up or ctx ends. After a transport failure the next attempt
// goes to another domain; the numbers inside make the repetition harmless.
func invoke[T any, M interface {
	*T
	Message
}](ctx context.Context, c *Client, req Request, by Auth, attempts int,
) (*T, error) {
	if err := req.Validate(); err != nil {
		return nil, err
	}
	body, err := c.seal(req, by)
	if err != nil {
		return nil, err
	}
	for n := range attempts {
		if n > 0 && !pause(ctx, pauseAfter(err)) {
			break
		}
		resp := new(T) // a fresh one, so that nothing of a bad answer survives
		if err = c.attempt(ctx, req.Method(), body, M(resp)); err == nil {
			return resp, nil
		}
		if e, ok := errors.AsType[*Error](err); ok && !e.Retryable() {
			break
		}
		c.log.WarnContext(ctx, "cpay call has no outcome",
			slog.String("method", req.Method()), slog.Int("attempt", n+1), slog.String("error", err.Error()))
	}
	return nil, err
}

// seal encodes and wraps a request in the envelope of its method.
func (c *Client) seal(req Request, by Auth) ([]byte, error) {
	if Brief(req.Method()) {
		return SealBriefRequest(req, c.cfg.Keys.AuthenKey)
	}
	return SealRequest(req, c.cfg.Keys, by)
}

// pauseAfter is how long to wait before the call that failed with err is made
// again.
func pauseAfter(err error) time.Duration {
	e, ok := errors.AsType[*Error](err)
	switch {
	case !ok:
		return pauseTransport
	case e.Status == StatusUnknown:
		return pauseUnknown
	}
	return pauseInternal
}

// pause waits and reports whether ctx allows to go on.
func pause(ctx context.Context, d time.Duration) bool {
	if ctx.Err() != nil {
		return false
	}
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-t.C:
		return true
	case <-ctx.Done():
		return false
	}
}

// attempt makes a call once, over the domain that is chosen now. It returns an
// *Error for a status and a *TransportError for everything else.
func (c *Client) attempt(ctx context.Context, method string, body []byte, resp Message) error {
	base, err := c.domains.pick(ctx)
	if err != nil {
		return &TransportError{Method: method, Err: err}
	}
	limited, cancel := context.WithTimeout(ctx, c.cfg.Timeout)
	defer cancel()
	var head Head
	answered, err := c.post(limited, base, method, body)
	if err == nil {
		open := OpenResponse
		if Brief(method) {
			open = OpenBriefResponse
		}
		head, err = open(answered, method, resp, c.cfg.Keys.AuthenKey)
	}
	if _, refused := errors.AsType[*Error](err); err == nil || refused {
		c.log.DebugContext(ctx, "cpay call answered", slog.String("method", method),
			slog.Int64("status", int64(head.Status)), slog.Uint64("log_id", uint64(head.LogID)))
		return err
	}
	if ctx.Err() == nil { // otherwise it is the caller who gave up
		c.domains.failed(base)
	}
	return &TransportError{Method: method, Domain: base, Err: err}
}

// post sends body and returns what was answered with status 200. Everything that
// the protocol can say comes with 200 (protocol.md R20).
func (c *Client) post(ctx context.Context, base string, method Method, body []byte) ([]byte, error) {
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, base+Path(method), bytes.NewReader(body))
	if err != nil {
		return nil, err
	}
	req.Header.Set("Content-Type", "application/json;charset=UTF-8")
	resp, err := c.http.Do(req)
	if err != nil {
		return nil, err
	}
	defer resp.Body.Close()
	limit := MaxResponse
	if maxResponse(method) > 0 {
		limit = MaxBody
	}
	answered, err := io.ReadAll(io.LimitReader(resp.Body, int64(limit)+1))
	if err != nil {
		return nil, err
	}
	if resp.StatusCode != http.StatusOK {
		return nil, fmt.Errorf("%w: HTTP status %d", ErrMalformed, resp.StatusCode)
	}
	return answered, nil
}

// mismatch is the error for an authentic answer about another order than the one
// asked for. The nonce is not echoed, so only the numbers tie an answer to its
// call.
func mismatch(method string) error {
	return &TransportError{
		Method: method,
		Err:    fmt.Errorf("%w: the answer is about another order or amount", ErrNotAuthentic),
	}
}

// baseURLs brings domains into the form scheme://host[:port].
func baseURLs(domains []string) ([]string, error) {
	const most = 16 // four are usual; probing all must stay quick
	if len(domains) == 0 || len(domains) > most {
		return nil, errors.New("cpay: config needs between 1 and 16 domains")
	}
	urls := make([]string, len(domains))
	for i, d := range domains {
		if !strings.Contains(d, "://") {
			d = "https://" + d
		}
		d = strings.TrimSuffix(strings.TrimSuffix(d, "/"), "/cpay")
		u, err := url.Parse(d)
		if err != nil || u.Host == "" || (u.Scheme != "https" && u.Scheme != "http") {
			return nil, fmt.Errorf("cpay: domain %q is not a host or an http address", domains[i])
		}
		urls[i] = d
	}
	return urls, nil
}
