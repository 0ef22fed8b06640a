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
// Every request goes out at most once: it is a POST over HTTP/1.1 without
// GetBody and without an Idempotency-Key header, which net/http never
// replays (http.Transport replays a request with a body only if it can get
// the body anew), and redirects are not followed. It takes no proxy from the
// environment. It is safe for concurrent use.
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

// Post sends body once and returns the body of the 200 answer, at most
// MaxAnswer bytes. The error is always a LostError: the request may or may not
// have arrived.
func (p *Poster) Post(ctx context.Context, to *url.URL, contentType string, body []byte) ([]byte, error) {
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, to.String(), bytes.NewReader(body))
	if err != nil {
		return nil, ErrDial
	}
	req.GetBody = nil // see Poster: with it net/http may send the request again
	req.Header.Set("Content-Type", contentType)
	req.Header.Set("User-Agent", "cloudpay")
	resp, err := p.client.Do(req)
	if err != nil {
		return nil, lossOf(ctx, err)
	}
	defer resp.Body.Close()
	// An error page is read to its end too, so that its connection can be used again.
	answer, err := io.ReadAll(io.LimitReader(resp.Body, MaxAnswer+1))
	switch {
	case err != nil:
		return nil, lossOf(ctx, err)
	case resp.StatusCode != http.StatusOK:
		return nil, ErrStatus
	case len(answer) > MaxAnswer:
		return nil, ErrTooLong
	}
	return answer, nil
}

// CloseIdle drops the idle connections. Calls under way are not touched.
func (p *Poster) CloseIdle() { p.client.CloseIdleConnections() }

// lossOf names a transport error without repeating it: its text may hold
// addresses, and later versions of net/http may put more in it.
func lossOf(ctx context.Context, err error) LostError {
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
