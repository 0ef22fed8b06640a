package channel

import (
	"bytes"
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"io"
	"net"
	"net/http"
	"net/url"
	"time"

	"cloudpay/internal/pay"
)

// Limits of a Poster.
const (
	dialTimeout      = 3 * time.Second // upstreams.md §6
	handshakeTimeout = 5 * time.Second
	// callLimit ends a call whose ctx has no deadline; every ctx of the gateway
	// has a shorter one.
	callLimit = 30 * time.Second
	// idleLimit is short because a connection that the other side dropped
	// silently costs the next payment a lost answer: it is not replayed.
	idleLimit = 30 * time.Second
	// idlePerHost keeps the connections of a rush hour for its next second.
	idlePerHost = 256
	// connsPerHost bounds the file descriptors of one account.
	connsPerHost = 1024
	headerLimit  = 16 << 10
	sessionCache = 64
)

// LostError says why a call has no usable answer, in words that a cashier may
// read. The texts are fixed, so that nothing of a request, an answer or a URL
// can reach a log through them.
type LostError string

// Error returns the text.
func (e LostError) Error() string { return string(e) }

// Outcome returns the outcome of a call that got no usable answer.
func (e LostError) Outcome() pay.Outcome {
	return pay.Outcome{Kind: pay.Unknown, Lost: true, Text: string(e)}
}

// Why a call has no usable answer.
const (
	ErrTimeout    LostError = "等待钱包应答超时"
	ErrDial       LostError = "无法连接钱包服务器"
	ErrTLS        LostError = "与钱包服务器的安全连接失败"
	ErrCut        LostError = "与钱包服务器的连接中断"
	ErrStatus     LostError = "钱包服务器返回异常状态"
	ErrTooLong    LostError = "钱包服务器的应答过长"
	ErrUnreadable LostError = "钱包服务器的应答无法识别"
	ErrSignature  LostError = "钱包服务器的应答签名不正确"
	// ErrKeys: the request was not sent, since its answer could not be verified.
	ErrKeys LostError = "尚无钱包的证书或公钥，请求未发出"
)

// PosterConfig is what a Poster needs; the zero value is usable.
type PosterConfig struct {
	RootCAs    *x509.CertPool   // nil: the system's
	ClientCert *tls.Certificate // presented when the server asks for one; may be nil
	// Transport replaces the connection pool, for simulations. It must not
	// send a request twice.
	Transport http.RoundTripper
}

// Poster sends requests to one wallet and reads their answers within limits.
// Every POST goes out at most once: it is sent over HTTP/1.1 without
// GetBody and without an Idempotency-Key header, which net/http never
// replays (http.Transport replays a request with a body only if it can get
// the body anew), and redirects are not followed. A GET, which asks and changes
// nothing, net/http may send again over a new connection when the old one was
// closed. It takes no proxy from the environment. It is safe for concurrent use.
type Poster struct{ client *http.Client }

// NewPoster returns a Poster with its own connection pool.
func NewPoster(c PosterConfig) *Poster {
	rt := c.Transport
	if rt == nil {
		rt = newTransport(c)
	}
	return &Poster{client: &http.Client{
		Transport:     rt,
		Timeout:       callLimit,
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
	}}
}

func newTransport(c PosterConfig) *http.Transport {
	conf := &tls.Config{
		RootCAs:            c.RootCAs,
		MinVersion:         tls.VersionTLS12,
		ClientSessionCache: tls.NewLRUClientSessionCache(sessionCache),
	}
	if c.ClientCert != nil {
		// Not Certificates: that would keep the certificate back from a server
		// whose list of acceptable issuers is incomplete.
		conf.GetClientCertificate = func(*tls.CertificateRequestInfo) (*tls.Certificate, error) { return c.ClientCert, nil }
	}
	var protocols http.Protocols
	protocols.SetHTTP1(true)
	return &http.Transport{
		DialContext:            (&net.Dialer{Timeout: dialTimeout}).DialContext,
		TLSClientConfig:        conf,
		TLSHandshakeTimeout:    handshakeTimeout,
		MaxIdleConnsPerHost:    idlePerHost,
		MaxConnsPerHost:        connsPerHost,
		IdleConnTimeout:        idleLimit,
		MaxResponseHeaderBytes: headerLimit,
		DisableCompression:     true, // the limit on an answer counts the bytes on the wire
		Protocols:              &protocols,
	}
}

// Call is one request to a wallet.
type Call struct {
	Method string
	URL    *url.URL
	// Backup is the same endpoint at the wallet's other host, nil for none. It is
	// tried once when URL's host cannot be dialled: then no byte of the request
	// has left. After that, nothing is sent a second time (money.md §2).
	Backup *url.URL
	Header http.Header // taken over, User-Agent added
	Body   []byte      // nil for none
}

// Answer is what came back, whatever its status.
type Answer struct {
	Status int
	Header http.Header
	Body   []byte // at most MaxAnswer
}

// Send sends a request and returns the whole answer. The error is always a
// LostError: the request may or may not have arrived.
func (p *Poster) Send(ctx context.Context, c Call) (Answer, error) {
	a, err := p.seen(ctx, c, c.URL)
	if err == nil {
		return a, nil
	}
	if c.Backup != nil && undialled(err) && ctx.Err() == nil {
		if a, err = p.seen(ctx, c, c.Backup); err == nil {
			return a, nil
		}
	}
	return Answer{}, lossOf(ctx, err)
}

// seen is once, with the witness of ctx looking on.
func (p *Poster) seen(ctx context.Context, c Call, to *url.URL) (Answer, error) {
	a, err := p.once(ctx, c, to)
	witnessed(ctx, c, to.String(), a, err)
	return a, err
}

// once sends a request to one host. Its error may be a LostError, or one of
// net/http that lossOf names.
func (p *Poster) once(ctx context.Context, c Call, to *url.URL) (Answer, error) {
	var body io.Reader
	if c.Body != nil {
		body = bytes.NewReader(c.Body)
	}
	req, err := http.NewRequestWithContext(ctx, c.Method, to.String(), body)
	if err != nil {
		return Answer{}, ErrDial
	}
	req.GetBody = nil // see Poster: with it net/http may send the request again
	if c.Header != nil {
		req.Header = c.Header
	}
	req.Header.Set("User-Agent", "cloudpay")
	resp, err := p.client.Do(req)
	if err != nil {
		return Answer{}, err // lossOf reads it; its text goes nowhere
	}
	defer resp.Body.Close()
	// An error page is read to its end too, so that its connection can be used again.
	answer, err := io.ReadAll(io.LimitReader(resp.Body, MaxAnswer+1))
	switch {
	case err != nil:
		return Answer{}, err
	case len(answer) > MaxAnswer:
		return Answer{}, ErrTooLong
	}
	hearTime(ctx, resp.Header)
	return Answer{Status: resp.StatusCode, Header: resp.Header, Body: answer}, nil
}

// undialled reports whether a call failed before there was a connection.
func undialled(err error) bool {
	op, ok := errors.AsType[*net.OpError](err)
	return ok && op.Op == "dial"
}

// Post sends body once and returns the body of the 200 answer, at most
// MaxAnswer bytes. The error is always a LostError: the request may or may not
// have arrived.
func (p *Poster) Post(ctx context.Context, to *url.URL, contentType string, body []byte) ([]byte, error) {
	return p.PostEither(ctx, to, nil, contentType, body)
}

// PostEither is Post with a second host, which may be nil (Call.Backup).
func (p *Poster) PostEither(ctx context.Context, to, backup *url.URL, contentType string, body []byte) ([]byte, error) {
	a, err := p.Send(ctx, Call{
		Method: http.MethodPost, URL: to, Backup: backup, Header: http.Header{"Content-Type": {contentType}}, Body: body,
	})
	switch {
	case err != nil:
		return nil, err
	case a.Status != http.StatusOK:
		return nil, ErrStatus
	}
	return a.Body, nil
}

// CloseIdle drops the idle connections. Calls under way are not touched.
func (p *Poster) CloseIdle() { p.client.CloseIdleConnections() }

// lossOf names a transport error without repeating it: its text may hold
// addresses, and later versions of net/http may put more in it.
func lossOf(ctx context.Context, err error) LostError {
	if lost, ok := errors.AsType[LostError](err); ok {
		return lost
	}
	var timeout net.Error
	if ctx.Err() != nil || errors.As(err, &timeout) && timeout.Timeout() {
		return ErrTimeout
	}
	var untrusted *tls.CertificateVerificationError
	var header tls.RecordHeaderError
	var alert tls.AlertError
	if errors.As(err, &untrusted) || errors.As(err, &header) || errors.As(err, &alert) {
		return ErrTLS
	}
	if op, ok := errors.AsType[*net.OpError](err); ok {
		switch op.Op {
		case "dial":
			return ErrDial
		case "remote error": // a TLS alert of the server
			return ErrTLS
		}
	}
	return ErrCut
}

// ParseBase reads the base URL of a wallet: https, a host, and no user, query
// or fragment, since those could carry a secret into an error text.
func ParseBase(raw string) (*url.URL, error) {
	u, err := url.Parse(raw)
	if err != nil {
		return nil, errors.New("the wallet's URL cannot be read; write it as https://host")
	}
	if u.Scheme != "https" || u.Host == "" || u.User != nil || u.RawQuery != "" || u.Fragment != "" {
		return nil, errors.New("the wallet's URL must be https://host, with no user, query or fragment")
	}
	return u, nil
}
