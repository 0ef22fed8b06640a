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
	case cfg.Timeout < 0 || cfg.Attempts < 0:
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

// MicroPay charges a customer and returns the order as it stands, which may be
// that the customer is typing a password. It repeats the same call while the
// outcome is unknown, which never charges twice. To wait for the outcome use
// MicroPayAndWait.
func (c *Client) MicroPay(ctx context.Context, req *MicroPayRequest) (*MicroPayResponse, error) {
	return c.microPay(ctx, req, c.cfg.Attempts)
}

// microPay is MicroPay with its own number of attempts.
func (c *Client) microPay(ctx context.Context, req *MicroPayRequest, attempts int) (*MicroPayResponse, error) {
	r := *req
	c.fill(&r.PayMchKey, &r.OrderClient)
	if r.PayContent.FeeType == "" {
		r.PayContent.FeeType = "CNY"
	}
	resp, err := invoke[MicroPayResponse](ctx, c, &r, ByMAC, attempts)
	if err != nil {
		return nil, err
	}
	got, want := &resp.OrderContent, &r.PayContent
	if got.OutTradeNo != want.OutTradeNo || got.TotalFee != want.TotalFee {
		return nil, mismatch(r.Method())
	}
	return resp, nil
}

// ScanCodePay makes a code for the customer to scan.
func (c *Client) ScanCodePay(ctx context.Context, req *ScanCodePayRequest) (*ScanCodePayResponse, error) {
	r := *req
	c.fill(&r.PayMchKey, &r.OrderClient)
	if r.PayContent.FeeType == "" {
		r.PayContent.FeeType = "CNY"
	}
	return invoke[ScanCodePayResponse](ctx, c, &r, ByMAC, c.cfg.Attempts)
}

// QueryOrder asks for an order. Error.NotFound tells that there is none.
func (c *Client) QueryOrder(ctx context.Context, req *QueryOrderRequest) (*QueryOrderResponse, error) {
	return c.queryOrder(ctx, req, c.cfg.Attempts)
}

// queryOrder is QueryOrder with its own number of attempts.
func (c *Client) queryOrder(ctx context.Context, req *QueryOrderRequest, attempts int) (*QueryOrderResponse, error) {
	r := *req
	c.fill(&r.PayMchKey, &r.OrderClient)
	resp, err := invoke[QueryOrderResponse](ctx, c, &r, ByMAC, attempts)
	if err != nil {
		return nil, err
	}
	if resp.OrderContent.OutTradeNo != r.OutTradeNo {
		return nil, mismatch(r.Method())
	}
	return resp, nil
}

// CloseOrder closes an unpaid order that the customer was to scan or open.
func (c *Client) CloseOrder(ctx context.Context, req *CloseOrderRequest) (*CloseOrderResponse, error) {
	r := *req
	c.fill(&r.PayMchKey, &r.OrderClient)
	return invoke[CloseOrderResponse](ctx, c, &r, ByMAC, c.cfg.Attempts)
}

// Reverse asks the server to undo a micro_pay. Nothing in this package calls it
// by itself, because a reversed payment that was made is a refund nobody asked
// for. An unknown outcome means that it may still happen: query.
func (c *Client) Reverse(ctx context.Context, req *ReverseRequest) (*ReverseResponse, error) {
	r := *req
	c.fill(&r.PayMchKey, &r.OrderClient)
	return invoke[ReverseResponse](ctx, c, &r, c.signing(), c.cfg.Attempts)
}

// Refund asks for money to be returned. The same OutRefundNo again never returns
// it twice, so after an unknown outcome repeat the same request or query.
func (c *Client) Refund(ctx context.Context, req *RefundRequest) (*RefundResponse, error) {
	r := *req
	c.fill(&r.PayMchKey, &r.OrderClient)
	if r.RefundContent.RefundFeeType == "" {
		r.RefundContent.RefundFeeType = "CNY"
	}
	resp, err := invoke[RefundResponse](ctx, c, &r, c.signing(), c.cfg.Attempts)
	if err != nil {
		return nil, err
	}
	got, want := &resp.RefundOrderContent, &r.RefundContent
	if got.OutRefundNo != want.OutRefundNo || got.RefundFee != want.RefundFee {
		return nil, mismatch(r.Method())
	}
	return resp, nil
}

// QueryRefundOrder asks for one refund, or for all refunds of an order when
// OutRefundNo is empty. That there are none is an empty list, however the server
// says it (protocol.md §2.2).
func (c *Client) QueryRefundOrder(ctx context.Context, req *QueryRefundOrderRequest) (*QueryRefundOrderResponse, error) {
	r := *req
	c.fill(&r.PayMchKey, &r.OrderClient)
	resp, err := invoke[QueryRefundOrderResponse](ctx, c, &r, ByMAC, c.cfg.Attempts)
	if e, ok := errors.AsType[*Error](err); ok && e.Definite() && e.Internal == InternalNoRefund {
		return &QueryRefundOrderResponse{PayMchKey: r.PayMchKey}, nil
	}
	return resp, err
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
	body, err := SealRequest(req, c.cfg.Keys, by)
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
	answered, err := c.post(limited, base+Path(method), body)
	if err == nil {
		head, err = OpenResponse(answered, method, resp, c.cfg.Keys.AuthenKey)
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
func (c *Client) post(ctx context.Context, address string, body []byte) ([]byte, error) {
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, address, bytes.NewReader(body))
	if err != nil {
		return nil, err
	}
	req.Header.Set("Content-Type", "application/json;charset=UTF-8")
	resp, err := c.http.Do(req)
	if err != nil {
		return nil, err
	}
	defer resp.Body.Close()
	answered, err := io.ReadAll(io.LimitReader(resp.Body, MaxBody+1))
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
