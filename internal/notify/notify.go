// Package notify delivers callbacks to addresses that others chose.
//
// It knows how a callback is rendered, sealed and acknowledged (protocol.md
// §1.10), and which addresses may be called. It must not know when a callback
// is due or what happens if it is not taken: that is the gateway's, by a job
// that climbs Ladder.
package notify

import (
	"bytes"
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/netip"
	"net/url"
	"strings"
	"time"

	"cloudpay/cpay"
	"cloudpay/internal/secret"
)

// Ladder holds the pauses between the attempts of one callback: 16 attempts in
// 24 hours and 4 minutes (design.md §5).
var Ladder = []time.Duration{
	15 * time.Second, 15 * time.Second, 30 * time.Second,
	3 * time.Minute, 10 * time.Minute, 20 * time.Minute, 30 * time.Minute, 30 * time.Minute, 30 * time.Minute, time.Hour,
	3 * time.Hour, 3 * time.Hour, 3 * time.Hour, 6 * time.Hour, 6 * time.Hour,
}

// Limits of one delivery.
const (
	// Limit ends a delivery, from the look-up of the name to the last byte.
	Limit = 10 * time.Second
	// dialLimit lets a second address be tried when the first is dead.
	dialLimit = 4 * time.Second
	// maxReply is the longest reply that is read. A valid one is below 1 KiB.
	maxReply = 64 << 10
	// maxShown is how much of a reply is kept to be shown: the whole of a valid
	// one, and of a page of errors the part that has the message. It is a little
	// more than what a log keeps, so that a code on the border is seen as one.
	maxShown  = 1<<10 + 256
	maxHeader = 16 << 10
	// maxIdle bounds the connections kept for the next callback.
	maxIdle        = 256
	maxIdlePerHost = 4
	idleFor        = 60 * time.Second
)

// Config is what a client needs. The zero value is right for production.
type Config struct {
	// AllowPrivate permits http and addresses of the machine and of private
	// networks. It is for development only.
	AllowPrivate bool
	// Resolver looks names up; nil is the system's.
	Resolver Resolver
	// RootCAs are trusted instead of the system's, if not nil.
	RootCAs *x509.CertPool
	// Dial makes the connection once the address has been approved; nil is the
	// network. Simulations, which have no network, give their own.
	Dial func(ctx context.Context, network, address string) (net.Conn, error)
	// Now measures Result.Took; nil leaves it zero.
	Now func() time.Time
}

// Resolver looks up the addresses of a name. *net.Resolver is one.
type Resolver interface {
	LookupNetIP(ctx context.Context, network, host string) ([]netip.Addr, error)
}

// Client delivers callbacks. It is safe for concurrent use. Close it to free
// its idle connections.
type Client struct {
	guard guard
	http  *http.Client
	now   func() time.Time
}

// New returns a client. It takes no proxy from the environment: a proxy would
// resolve names by itself and undo the check of addresses.
func New(c Config) *Client {
	if c.Resolver == nil {
		c.Resolver = net.DefaultResolver
	}
	if c.Now == nil {
		c.Now = func() time.Time { return time.Time{} }
	}
	n := &Client{guard: guard{allowPrivate: c.AllowPrivate, resolver: c.Resolver}, now: c.Now}
	dialer := &net.Dialer{Timeout: dialLimit, ControlContext: n.guard.control}
	n.guard.dial = dialer.DialContext
	if c.Dial != nil {
		n.guard.dial = c.Dial
	}
	protocols := new(http.Protocols)
	protocols.SetHTTP1(true)
	n.http = &http.Client{
		Transport: &http.Transport{
			DialContext:            n.guard.DialContext,
			TLSClientConfig:        &tls.Config{MinVersion: tls.VersionTLS12, RootCAs: c.RootCAs},
			TLSHandshakeTimeout:    Limit,
			Protocols:              protocols,
			MaxResponseHeaderBytes: maxHeader,
			MaxIdleConns:           maxIdle,
			MaxIdleConnsPerHost:    maxIdlePerHost,
			IdleConnTimeout:        idleFor,
			DisableCompression:     true, // a compressed reply could be a bomb
		},
		// A redirect leads to an address that nobody registered: it is an answer
		// like any other, and not an acknowledgement.
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
	}
	return n
}

// Close frees the idle connections. Deliveries under way go on.
func (c *Client) Close() { c.http.CloseIdleConnections() }

// Target is where a callback goes, and the key that authenticates it.
type Target struct {
	// URL is https://host[:port]/path, on port 443 or one from 1024 on.
	URL string
	// Key is the sub-merchant's authen_key (protocol.md §1.10).
	Key secret.Secret
}

// Result says how a delivery went.
type Result struct {
	// Delivered is true only if the receiver acknowledged: an HTTP status of 2xx
	// with a readable reply of status 0. Everything else must be delivered again.
	Delivered  bool
	HTTPStatus int // 0 if there was no answer
	Took       time.Duration
	// Endpoint says whether it is the endpoint that works or not, whatever became
	// of this callback.
	Endpoint Health
	// Reply is the beginning of the reply, at most maxShown bytes of valid UTF-8. The
	// receiver chose it: mask it before it is kept.
	Reply string
	// Err says why it was not delivered, "" when it was. It is ours alone: nothing
	// of the URL's path, the key, the content or the answer is in it.
	Err string
}

// Health is what a delivery says of the endpoint that was called.
type Health int

// What a delivery may say. An endpoint is down when it does not answer, breaks
// off, or answers 5xx or 429: whatever is sent to it fares alike. One that
// answers anything else works, also if it does not take this callback.
const (
	Unheard Health = iota // it was not called, or the call was interrupted
	Up
	Down
)

// Endpoint names what an address shares its fate with: scheme, host and port,
// in one spelling. It is "" for what is not an address.
func Endpoint(address string) string {
	u, err := url.Parse(address)
	if err != nil || u.Hostname() == "" || len(address) > maxURL {
		return ""
	}
	scheme, port := strings.ToLower(u.Scheme), u.Port()
	if port == "" {
		port = map[string]string{"http": "80", "https": "443"}[scheme]
	}
	return scheme + "://" + net.JoinHostPort(strings.TrimSuffix(strings.ToLower(u.Hostname()), "."), port)
}

// Deliver sends content, the exact text of request_content, to the target and
// reads the reply, within Limit. It tries once. The receiver may get a content
// more than once and must drop repetitions by event and number (money.md §6).
func (c *Client) Deliver(ctx context.Context, to Target, content []byte) Result {
	start := c.now()
	r, err := c.deliver(ctx, to, content)
	r.Delivered, r.Took = err == nil, c.now().Sub(start)
	if err != nil {
		r.Err = explain(err)
	}
	return r
}

func (c *Client) deliver(ctx context.Context, to Target, content []byte) (Result, error) {
	u, err := c.guard.checkURL(to.URL)
	if err != nil {
		return Result{}, err
	}
	body, err := cpay.Seal(content, cpay.Keys{AuthenKey: cpay.NewKey(to.Key.Reveal())}, cpay.ByMAC)
	if err != nil {
		return Result{}, refusal("the merchant has no key to authenticate with")
	}
	if len(body) > cpay.MaxBody {
		return Result{}, refusal("the callback is longer than a receiver reads")
	}
	ctx, cancel := context.WithTimeout(ctx, Limit)
	defer cancel()
	return c.post(ctx, u, body)
}

// post sends the sealed body and judges the answer.
func (c *Client) post(ctx context.Context, u *url.URL, body []byte) (r Result, err error) {
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, u.String(), bytes.NewReader(body))
	if err != nil {
		return Result{}, refusal("the address is not readable")
	}
	req.Header.Set("Content-Type", "application/json; charset=utf-8")
	req.Header.Set("Accept", "application/json")
	req.Header.Set("User-Agent", "cloudpay")
	res, err := c.http.Do(req)
	if err != nil {
		return Result{Endpoint: silent(ctx)}, timeUp(ctx, err)
	}
	defer res.Body.Close()
	reply, err := io.ReadAll(io.LimitReader(res.Body, maxReply+1))
	r = Result{HTTPStatus: res.StatusCode, Endpoint: Up, Reply: strings.ToValidUTF8(string(reply[:min(len(reply), maxShown)]), "")}
	if res.StatusCode >= http.StatusInternalServerError || res.StatusCode == http.StatusTooManyRequests {
		r.Endpoint = Down
	}
	switch {
	case err != nil:
		r.Endpoint = silent(ctx)
		return r, timeUp(ctx, err)
	case res.StatusCode < 200 || res.StatusCode > 299:
		return r, refusal(fmt.Sprintf("the receiver answered HTTP %d", res.StatusCode))
	case len(reply) > maxReply:
		return r, refusal(fmt.Sprintf("the reply is longer than %d bytes", maxReply))
	}
	if err := cpay.OpenCallbackReply(reply); err != nil {
		if errors.Is(err, cpay.ErrMalformed) {
			return r, refusal("the reply is not a callback reply with a status")
		}
		return r, refusal("the receiver did not take it: its status is not 0")
	}
	return r, nil
}

// silent is the health of an endpoint that gave no answer: a call that we
// interrupted says nothing.
func silent(ctx context.Context) Health {
	if errors.Is(ctx.Err(), context.Canceled) {
		return Unheard
	}
	return Down
}

// timeUp prefers the end of the time limit to whatever it broke.
func timeUp(ctx context.Context, err error) error {
	if ctx.Err() != nil {
		return ctx.Err()
	}
	return err
}

// refusal is an error whose text is ours and may be shown.
type refusal string

// Error returns the sentence.
func (r refusal) Error() string { return string(r) }

// explain turns an error into a sentence of ours. The library's own texts are
// not passed on: they quote the URL, whose path or query may be a credential,
// and bytes that the receiver chose.
func explain(err error) string {
	if r, ok := errors.AsType[refusal](err); ok {
		return r.Error()
	}
	if _, ok := errors.AsType[*net.DNSError](err); ok {
		return "the host name cannot be resolved"
	}
	if _, ok := errors.AsType[*tls.CertificateVerificationError](err); ok {
		return "the certificate is not valid for this host, or not trusted"
	}
	if _, ok := errors.AsType[tls.RecordHeaderError](err); ok || errors.Is(err, http.ErrSchemeMismatch) {
		return "the receiver does not speak TLS"
	}
	if _, ok := errors.AsType[tls.AlertError](err); ok {
		return "the TLS handshake was refused"
	}
	if op, ok := errors.AsType[*net.OpError](err); ok && op.Op == "dial" {
		return "the address cannot be connected to"
	}
	switch {
	case errors.Is(err, context.DeadlineExceeded):
		return "no complete answer within " + Limit.String()
	case errors.Is(err, context.Canceled):
		return "the delivery was interrupted"
	}
	return "the connection broke, or the answer is not HTTP"
}
