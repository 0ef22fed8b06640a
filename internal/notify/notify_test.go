package notify

import (
	"context"
	"crypto/x509"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"cloudpay/cpay"
	"cloudpay/internal/pay"
	"cloudpay/internal/secret"
)

// key is invented for these tests.
const key = "0123456789ABCDEF0123456789ABCDEF"

// names resolves from a script: each look-up takes the next answer, and the
// last one stays.
type names struct {
	mu      sync.Mutex
	answers [][]netip.Addr
	err     error
	lookups int
}

func (n *names) LookupNetIP(context.Context, string, string) ([]netip.Addr, error) {
	n.mu.Lock()
	defer n.mu.Unlock()
	n.lookups++
	if n.err != nil {
		return nil, n.err
	}
	a := n.answers[0]
	if len(n.answers) > 1 {
		n.answers = n.answers[1:]
	}
	return a, nil
}

func resolveTo(list ...string) *names {
	n := &names{}
	for _, s := range list {
		n.answers = append(n.answers, []netip.Addr{netip.MustParseAddr(s)})
	}
	return n
}

const public = "93.184.216.34" // any public address; nothing is sent there

// receiver is a merchant's server with TLS for example.com, and a client whose
// connections to any permitted address end there.
type receiver struct {
	*httptest.Server
	client *Client
	names  *names
	mu     sync.Mutex
	dialed []string
}

func newReceiver(t *testing.T, h http.HandlerFunc) *receiver {
	t.Helper()
	r := &receiver{Server: httptest.NewUnstartedServer(h), names: resolveTo(public)}
	r.Config.ErrorLog = slog.NewLogLogger(slog.DiscardHandler, slog.LevelError)
	r.StartTLS()
	t.Cleanup(r.Close)
	roots := x509.NewCertPool()
	roots.AddCert(r.Certificate())
	r.client = New(Config{Resolver: r.names, RootCAs: roots})
	t.Cleanup(r.client.Close)
	r.client.guard.dial = func(ctx context.Context, network, address string) (net.Conn, error) {
		r.mu.Lock()
		r.dialed = append(r.dialed, address)
		r.mu.Unlock()
		return new(net.Dialer).DialContext(ctx, network, r.Listener.Addr().String())
	}
	return r
}

func (r *receiver) deliver(t *testing.T) Result {
	t.Helper()
	return r.client.Deliver(t.Context(), Target{URL: "https://example.com/notify?token=hush", Key: secret.New(key)}, []byte(`{"nonce_str":"n"}`))
}

func TestDeliveredCallbackIsWhatTheProtocolSays(t *testing.T) {
	t.Parallel()
	o := pay.Order{
		MerchantID: "sz01TESTSUBMCH000001", ProviderID: "sz01TESTMCH000000001", OutTradeNo: "900000010001",
		Channel: pay.Wxpay, TradeType: pay.TradeMicroPay, State: pay.PAID, Total: 2, Settlement: 2, Currency: "CNY",
		ShopID: "sz01TESTSHOP00000001", TransactionID: "4200000000000000000000000001", PaidAt: time.Unix(1763712000, 0).UTC(),
	}
	refund := pay.Refund{
		MerchantID: o.MerchantID, OutTradeNo: o.OutTradeNo, OutRefundNo: "90000001R1", Channel: pay.Wxpay,
		State: pay.RefundSucceeded, Total: 2, Amount: 1, RefundID: "50000000000000000000000000001",
	}
	var got []cpay.Message
	r := newReceiver(t, func(w http.ResponseWriter, req *http.Request) {
		if req.Method != http.MethodPost || !strings.HasPrefix(req.Header.Get("Content-Type"), "application/json") ||
			req.Host != "example.com" || req.URL.RequestURI() != "/notify?token=hush" || req.ContentLength <= 0 {
			t.Errorf("request = %s %s%s %v", req.Method, req.Host, req.URL, req.Header)
		}
		body, err := io.ReadAll(req.Body)
		if err != nil {
			t.Error(err)
		}
		e, err := cpay.Open(body, cpay.Keys{AuthenKey: cpay.NewKey(key)})
		if err != nil {
			t.Error(err)
			return
		}
		m, err := e.Callback()
		if err != nil {
			t.Error(err)
		}
		got = append(got, m)
		_, _ = w.Write(cpay.SealCallbackReply(cpay.CallbackReply{Description: "ok"}, cpay.NewKey(key)))
	})
	for _, content := range [][]byte{PaidContent(o), RefundContent(o, refund)} {
		res := r.client.Deliver(t.Context(), Target{URL: "https://example.com/notify?token=hush", Key: secret.New(key)}, content)
		if err := cpay.OpenCallbackReply([]byte(res.Reply)); err != nil {
			t.Errorf("the reply that is kept: %v", err)
		}
		res.Reply = ""
		if diff := cmp.Diff(Result{Delivered: true, HTTPStatus: 200, Endpoint: Up}, res); diff != "" {
			t.Errorf("Deliver (-want +got):\n%s", diff)
		}
	}
	if len(got) != 2 {
		t.Fatalf("%d callbacks arrived, want 2", len(got))
	}
	if m, ok := got[0].(*cpay.PayCallback); !ok || m.OrderContent.OutTradeNo != o.OutTradeNo || m.PayMchKey.OutSubMchID != o.MerchantID {
		t.Errorf("first callback = %+v, want the order", got[0])
	}
	if m, ok := got[1].(*cpay.RefundCallback); !ok || len(m.RefundOrderContent) != 1 || m.RefundOrderContent[0].OutRefundNo != refund.OutRefundNo {
		t.Errorf("second callback = %+v, want the refund", got[1])
	}
}

func TestOnlyStatusZeroAcknowledges(t *testing.T) {
	t.Parallel()
	cases := []struct {
		name   string
		status int
		body   string
		want   bool
		err    string
	}{
		{"string", 200, `{"response_content":"{\"status\":0,\"description\":\"ok\"}"}`, true, ""},
		{"object", 200, `{"response_content":{"status":0}}`, true, ""},
		{"object with authen_info", 200, `{"response_content":{"status":0},"authen_info":{"a":{"authen_type":1,"authen_code":"X"}}}`, true, ""},
		{"status as text", 200, `{"response_content":{"status":"0"}}`, true, ""},
		{"created", 201, `{"response_content":{"status":0}}`, true, ""},
		{"refused", 200, `{"response_content":{"status":1,"description":"secret words"}}`, false, "status is not 0"},
		{"refused as unknown", 200, `{"response_content":"{\"status\":103}"}`, false, "status is not 0"},
		{"no status", 200, `{"response_content":{"description":"ok"}}`, false, "not a callback reply"},
		{"no content", 200, `{"status":0}`, false, "not a callback reply"},
		{"null", 200, `{"response_content":null}`, false, "not a callback reply"},
		{"empty", 200, ``, false, "not a callback reply"},
		{"word", 200, `success`, false, "not a callback reply"},
		{"broken", 200, `{"response_content":{"status":0}`, false, "not a callback reply"},
		{"html", 200, `<html>0</html>`, false, "not a callback reply"},
		{"error", 500, `{"response_content":{"status":0}}`, false, "HTTP 500"},
		{"not found", 404, `{"response_content":{"status":0}}`, false, "HTTP 404"},
		{"not modified", 304, ``, false, "HTTP 304"},
	}
	for _, c := range cases {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			r := newReceiver(t, func(w http.ResponseWriter, _ *http.Request) {
				w.WriteHeader(c.status)
				_, _ = io.WriteString(w, c.body)
			})
			res := r.deliver(t)
			if res.Delivered != c.want || res.HTTPStatus != c.status || !strings.Contains(res.Err, c.err) || c.want != (res.Err == "") {
				t.Errorf("Deliver = %+v, want %v %q", res, c.want, c.err)
			}
			if strings.Contains(res.Err, "secret words") {
				t.Errorf("the error repeats the reply: %s", res.Err)
			}
		})
	}
}

func TestHugeReplyIsNotReadToItsEnd(t *testing.T) {
	t.Parallel()
	var sent atomic.Int64
	r := newReceiver(t, func(w http.ResponseWriter, _ *http.Request) {
		block := []byte(strings.Repeat(" ", 64<<10))
		for range 1 << 10 {
			n, err := w.Write(block)
			sent.Add(int64(n))
			if err != nil {
				return
			}
		}
	})
	res := r.deliver(t)
	if res.Delivered || !strings.Contains(res.Err, "longer than 65536 bytes") {
		t.Errorf("Deliver = %+v, want the limit", res)
	}
	r.client.Close()
	r.Close() // waits for the handler
	if sent.Load() >= 64<<20 {
		t.Error("the whole of 64 MiB was read")
	}
}

func TestHugeHeaderIsRefused(t *testing.T) {
	t.Parallel()
	r := newReceiver(t, func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("X-Long", strings.Repeat("x", 2*maxHeader))
		_, _ = io.WriteString(w, `{"response_content":{"status":0}}`)
	})
	if res := r.deliver(t); res.Delivered {
		t.Errorf("Deliver = %+v, want it refused", res)
	}
}

func TestRedirectIsNotFollowed(t *testing.T) {
	t.Parallel()
	var second atomic.Bool
	inside := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		second.Store(true)
		_, _ = io.WriteString(w, `{"response_content":{"status":0}}`)
	}))
	t.Cleanup(inside.Close)
	for _, status := range []int{301, 302, 303, 307, 308} {
		r := newReceiver(t, func(w http.ResponseWriter, req *http.Request) {
			http.Redirect(w, req, inside.URL, status)
		})
		res := r.deliver(t)
		if res.Delivered || res.HTTPStatus != status || res.Err != fmt.Sprintf("the receiver answered HTTP %d", status) {
			t.Errorf("Deliver = %+v, want a refusal of HTTP %d", res, status)
		}
		if len(r.dialed) != 1 {
			t.Errorf("dialed %v, want the receiver only", r.dialed)
		}
	}
	if second.Load() {
		t.Error("the redirect was followed to a private address")
	}
}

func TestNameThatTurnsPrivateIsRefused(t *testing.T) {
	t.Parallel()
	r := newReceiver(t, func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Connection", "close")
		_, _ = io.WriteString(w, `{"response_content":{"status":0}}`)
	})
	r.names.answers = resolveTo(public, "169.254.169.254").answers
	if res := r.deliver(t); !res.Delivered {
		t.Fatalf("first Deliver = %+v", res)
	}
	if diff := cmp.Diff([]string{public + ":443"}, r.dialed); diff != "" || r.names.lookups != 1 {
		t.Errorf("one look-up must decide what is dialed; %d look-ups, dialed (-want +got):\n%s", r.names.lookups, diff)
	}
	res := r.deliver(t)
	if res.Delivered || res.Err != "the address is not public" || len(r.dialed) != 1 {
		t.Errorf("second Deliver = %+v, dialed %v, want a refusal before dialing", res, r.dialed)
	}
}

func TestOnePrivateAddressCondemnsTheName(t *testing.T) {
	t.Parallel()
	r := newReceiver(t, func(http.ResponseWriter, *http.Request) { t.Error("called") })
	r.names.answers = [][]netip.Addr{{netip.MustParseAddr(public), netip.MustParseAddr("10.0.0.1")}}
	if res := r.deliver(t); res.Err != "the address is not public" || len(r.dialed) != 0 {
		t.Errorf("Deliver = %+v, dialed %v, want a refusal", res, r.dialed)
	}
	r.names.answers = [][]netip.Addr{nil}
	if res := r.deliver(t); res.Err != "the host name has no address" {
		t.Errorf("Deliver = %+v, want no address", res)
	}
	r.names.err = &net.DNSError{Err: "no such host", Name: "example.com", IsNotFound: true}
	if res := r.deliver(t); res.Err != "the host name cannot be resolved" {
		t.Errorf("Deliver = %+v, want it not resolved", res)
	}
}

func TestSecondAddressIsTriedWhenTheFirstIsDead(t *testing.T) {
	t.Parallel()
	r := newReceiver(t, func(w http.ResponseWriter, _ *http.Request) {
		_, _ = io.WriteString(w, `{"response_content":{"status":0}}`)
	})
	r.names.answers = [][]netip.Addr{{netip.MustParseAddr("2606:2800:21f::1"), netip.MustParseAddr(public)}}
	live := r.client.guard.dial
	r.client.guard.dial = func(ctx context.Context, network, address string) (net.Conn, error) {
		if strings.HasPrefix(address, "[") {
			return nil, &net.OpError{Op: "dial", Err: errors.New("no route")}
		}
		return live(ctx, network, address)
	}
	if res := r.deliver(t); !res.Delivered {
		t.Errorf("Deliver = %+v", res)
	}
}

func TestCertificateMustFitTheHost(t *testing.T) {
	t.Parallel()
	r := newReceiver(t, func(http.ResponseWriter, *http.Request) { t.Error("called") })
	to := Target{URL: "https://other.example/", Key: secret.New(key)}
	if res := r.client.Deliver(t.Context(), to, nil); !strings.Contains(res.Err, "certificate") {
		t.Errorf("another host: %+v, want the certificate refused", res)
	}
	strict := New(Config{Resolver: r.names})
	strict.guard.dial = r.client.guard.dial
	to.URL = "https://example.com/"
	if res := strict.Deliver(t.Context(), to, nil); !strings.Contains(res.Err, "certificate") {
		t.Errorf("an unknown root: %+v, want the certificate refused", res)
	}
}

func TestPlainServerOnATLSAddressIsExplained(t *testing.T) {
	t.Parallel()
	plain := httptest.NewServer(http.HandlerFunc(func(http.ResponseWriter, *http.Request) { t.Error("called") }))
	t.Cleanup(plain.Close)
	c := New(Config{Resolver: resolveTo(public)})
	c.guard.dial = func(ctx context.Context, network, _ string) (net.Conn, error) {
		return new(net.Dialer).DialContext(ctx, network, plain.Listener.Addr().String())
	}
	res := c.Deliver(t.Context(), Target{URL: "https://example.com/", Key: secret.New(key)}, nil)
	if res.Err != "the receiver does not speak TLS" {
		t.Errorf("Deliver = %+v", res)
	}
}

func TestAddressesAreRefusedForTheirForm(t *testing.T) {
	t.Parallel()
	c := New(Config{Resolver: resolveTo(public)})
	c.guard.dial = func(context.Context, string, string) (net.Conn, error) {
		return nil, &net.OpError{Op: "dial", Err: errors.New("reached")}
	}
	const reached = "the address cannot be connected to"
	for in, want := range map[string]string{
		"https://merchant.example/":              reached,
		"https://merchant.example:443/":          reached,
		"https://merchant.example:8443/a?b=c":    reached,
		"HTTPS://MERCHANT.EXAMPLE/":              reached,
		"http://merchant.example/":               "the address must begin with https://",
		"ftp://merchant.example/":                "the address must begin with https://",
		"merchant.example":                       "the address is not readable",
		"https:///path":                          "the address is not readable",
		"https://%zz":                            "the address is not readable",
		"":                                       "the address is not readable",
		"https://user:hush@merchant.example/":    "the address must not carry a name or password",
		"https://merchant.example:25/":           "the port must be 443 or one from 1024 on",
		"https://merchant.example:70000/":        "the port must be 443 or one from 1024 on",
		"https://127.0.0.1/":                     "the address is not public",
		"https://[::1]/":                         "the address is not public",
		"https://[::ffff:127.0.0.1]/":            "the address is not public",
		"https://[fe80::1%25lo]/":                "the address is not public",
		"https://x/" + strings.Repeat("y", 1024): "the address is too long",
	} {
		if res := c.Deliver(t.Context(), Target{URL: in, Key: secret.New(key)}, nil); res.Err != want || res.Delivered {
			t.Errorf("Deliver(%.60q) = %q, want %q", in, res.Err, want)
		}
	}
}

func TestContentThatCannotBeSealedIsNotSent(t *testing.T) {
	t.Parallel()
	r := newReceiver(t, func(http.ResponseWriter, *http.Request) { t.Error("called") })
	to := Target{URL: "https://example.com/"}
	if res := r.client.Deliver(t.Context(), to, nil); !strings.Contains(res.Err, "no key") {
		t.Errorf("without a key: %+v", res)
	}
	to.Key = secret.New(key)
	if res := r.client.Deliver(t.Context(), to, make([]byte, cpay.MaxBody)); !strings.Contains(res.Err, "longer") {
		t.Errorf("too long: %+v", res)
	}
}

func TestNoErrorGivesAnythingAway(t *testing.T) {
	t.Parallel()
	handlers := map[string]http.HandlerFunc{
		"reset": func(w http.ResponseWriter, _ *http.Request) {
			conn, _, err := w.(http.Hijacker).Hijack()
			if err == nil {
				_ = conn.Close()
			}
		},
		"not http": func(w http.ResponseWriter, _ *http.Request) {
			conn, _, err := w.(http.Hijacker).Hijack()
			if err == nil {
				_, _ = io.WriteString(conn, "HTTP/9.9 hush-from-the-receiver\r\n\r\n")
				_ = conn.Close()
			}
		},
		"cut": func(w http.ResponseWriter, _ *http.Request) {
			w.Header().Set("Content-Length", "1000")
			_, _ = io.WriteString(w, "hush")
		},
		"echo": func(w http.ResponseWriter, req *http.Request) {
			_, _ = io.Copy(w, req.Body)
		},
	}
	for name, h := range handlers {
		r := newReceiver(t, h)
		res := r.deliver(t)
		if res.Delivered || res.Err == "" {
			t.Errorf("%s: %+v, want an error", name, res)
		}
		for _, leak := range []string{key, "hush", "token", "notify?", "nonce"} {
			if strings.Contains(res.Err, leak) {
				t.Errorf("%s: the error %q shows %q", name, res.Err, leak)
			}
		}
	}
}

func TestProxyOfTheEnvironmentIsIgnored(t *testing.T) {
	t.Parallel()
	tr, ok := New(Config{}).http.Transport.(*http.Transport)
	if !ok || tr.Proxy != nil {
		t.Error("the transport would use a proxy, which resolves names by itself")
	}
}

func TestSimulatedDialKeepsTheGuard(t *testing.T) {
	t.Parallel()
	dialled := 0
	c := New(Config{Dial: func(context.Context, string, string) (net.Conn, error) {
		dialled++
		return nil, errors.New("no network here")
	}})
	t.Cleanup(c.Close)
	for _, u := range []string{"https://127.0.0.1/", "https://10.0.0.1/", "http://example.com/"} {
		if res := c.Deliver(t.Context(), Target{URL: u, Key: secret.New(key)}, nil); res.Delivered || dialled != 0 {
			t.Errorf("Deliver(%s) = %+v after %d dials, want it refused before any", u, res, dialled)
		}
	}
	if c.Deliver(t.Context(), Target{URL: "https://93.184.216.34/", Key: secret.New(key)}, nil); dialled != 1 {
		t.Errorf("a public address was dialled %d times, want once", dialled)
	}
}

func TestLadderIsAsDesigned(t *testing.T) {
	t.Parallel()
	var sum time.Duration
	for _, d := range Ladder {
		sum += d
	}
	if want := 24*time.Hour + 4*time.Minute; sum != want || len(Ladder) != 15 {
		t.Errorf("%d pauses, %v in all, want 15 and %v", len(Ladder), sum, want)
	}
}
