package sandbox_test

import (
	"bytes"
	"context"
	"crypto/rsa"
	"crypto/tls"
	"crypto/x509"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"cloudpay/internal/sandbox"
)

// clock is a business clock that moves only when told.
type clock struct {
	mu sync.Mutex
	t  time.Time
}

func (c *clock) now() time.Time {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.t
}

func (c *clock) add(d time.Duration) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.t = c.t.Add(d)
}

// noon is when the tests' days begin: noon in Beijing, far from midnight.
var noon = time.Date(2026, 11, 20, 4, 0, 0, 0, time.UTC)

// bench is a sandbox behind a real TLS listener with a client of each wallet,
// written from upstreams.md and sharing nothing with the sandbox.
type bench struct {
	*sandbox.Sandbox
	t       testing.TB
	clock   *clock
	config  sandbox.Config
	wallet  *httptest.Server
	control *httptest.Server
	lock    sync.Mutex
	clients map[int]*http.Client // by provider, guarded by lock
	serial  int

	certs    map[string]*rsa.PublicKey // platform certificates by serial
	fetching bool
}

func newBench(t *testing.T, change func(*sandbox.Config)) *bench {
	t.Helper()
	c := &clock{t: noon}
	b := &bench{t: t, clock: c, config: sandbox.Config{Dir: t.TempDir(), Now: c.now}}
	if change != nil {
		change(&b.config)
	}
	keys, err := keysOnce()
	if err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(b.config.Dir, "sandbox.db"), keys, 0o600); err != nil {
		t.Fatal(err)
	}
	b.start()
	t.Cleanup(b.stop)
	return b
}

// keysOnce makes accounts and keys once for all tests of the run and returns
// the database that holds them and nothing else.
var keysOnce = sync.OnceValues(func() ([]byte, error) {
	dir, err := os.MkdirTemp("", "sandbox-keys")
	if err != nil {
		return nil, err
	}
	defer os.RemoveAll(dir)
	s, err := sandbox.New(context.Background(), sandbox.Config{Dir: dir, Now: time.Now})
	if err != nil {
		return nil, err
	}
	if err := s.Close(); err != nil {
		return nil, err
	}
	return os.ReadFile(filepath.Join(dir, "sandbox.db"))
})

// start opens the sandbox and its two listeners.
func (b *bench) start() {
	b.t.Helper()
	s, err := sandbox.New(b.t.Context(), b.config)
	if err != nil {
		b.t.Fatal(err)
	}
	b.Sandbox, b.clients, b.certs = s, map[int]*http.Client{}, map[string]*rsa.PublicKey{}
	b.wallet = httptest.NewUnstartedServer(s.Wallet())
	b.wallet.TLS = s.TLSConfig()
	b.wallet.StartTLS()
	b.control = httptest.NewServer(s.Control())
}

// stop ends the sandbox before its listeners, so that held calls are let go.
func (b *bench) stop() {
	if err := b.Close(); err != nil {
		b.t.Errorf("close sandbox: %v", err)
	}
	b.wallet.CloseClientConnections()
	b.wallet.Close()
	b.control.Close()
}

// restart closes the sandbox and opens it again on the same directory.
func (b *bench) restart() {
	b.t.Helper()
	b.stop()
	b.start()
}

// client presents provider p's certificate; p < 0 presents none.
func (b *bench) client(p int) *http.Client {
	b.t.Helper()
	b.lock.Lock()
	defer b.lock.Unlock()
	if b.clients[p] == nil {
		var certs []tls.Certificate
		if p >= 0 {
			certs = []tls.Certificate{b.clientCert(p)}
		}
		b.clients[p] = b.clientWith(certs)
	}
	return b.clients[p]
}

// clientWith trusts only the sandbox's authority.
func (b *bench) clientWith(certs []tls.Certificate) *http.Client {
	b.t.Helper()
	pool := x509.NewCertPool()
	if !pool.AppendCertsFromPEM([]byte(b.Accounts().CAPEM)) {
		b.t.Fatal("no authority")
	}
	transport := &http.Transport{
		TLSClientConfig:     &tls.Config{RootCAs: pool, MinVersion: tls.VersionTLS12, Certificates: certs},
		MaxIdleConnsPerHost: 64,
	}
	b.t.Cleanup(transport.CloseIdleConnections)
	return &http.Client{Transport: transport, Timeout: 30 * time.Second}
}

func (b *bench) clientCert(p int) tls.Certificate {
	b.t.Helper()
	w := b.Accounts().Providers[p].WeChat
	pair, err := tls.X509KeyPair([]byte(w.ClientCertPEM), []byte(w.ClientKeyPEM))
	if err != nil {
		b.t.Fatal(err)
	}
	return pair
}

// kv is a flat set of named values.
type kv map[string]string

// no makes an order number nobody has used.
func (b *bench) no() string {
	b.serial++
	return fmt.Sprintf("T%06d", b.serial)
}

func (b *bench) code(channel sandbox.Channel, customer string) string {
	b.t.Helper()
	c, err := b.NewPayCode(b.t.Context(), string(channel), customer)
	if err != nil {
		b.t.Fatal(err)
	}
	return c.AuthCode
}

func (b *bench) fault(f sandbox.Fault) {
	b.t.Helper()
	if err := b.AddFault(f); err != nil {
		b.t.Fatal(err)
	}
}

func (b *bench) trade(no string) sandbox.Trade {
	b.t.Helper()
	list, err := b.Trades(b.t.Context(), no)
	if err != nil {
		b.t.Fatal(err)
	}
	if len(list) != 1 {
		b.t.Fatalf("Trades(%q) = %+v, want one", no, list)
	}
	return list[0]
}

func (b *bench) totals() sandbox.Totals {
	b.t.Helper()
	t, err := b.Totals(b.t.Context())
	if err != nil {
		b.t.Fatal(err)
	}
	return t
}

// balance is what a customer has, in fen.
func (b *bench) balance(id string) sandbox.Fen {
	b.t.Helper()
	c, err := b.Customer(b.t.Context(), id)
	if err != nil {
		b.t.Fatal(err)
	}
	return c.Balance
}

// --- the control API ---

// ctl calls the control API and decodes its answer.
func (b *bench) ctl(method, path, body string) (int, map[string]any) {
	b.t.Helper()
	req, err := http.NewRequestWithContext(b.t.Context(), method, b.control.URL+path, strings.NewReader(body))
	if err != nil {
		b.t.Fatal(err)
	}
	res, err := b.control.Client().Do(req)
	if err != nil {
		b.t.Fatal(err)
	}
	defer res.Body.Close()
	raw, err := io.ReadAll(res.Body)
	if err != nil {
		b.t.Fatal(err)
	}
	var out map[string]any
	if len(bytes.TrimSpace(raw)) > 0 {
		if err := json.Unmarshal(raw, &out); err != nil {
			b.t.Fatalf("%s %s: %q is not JSON", method, path, raw)
		}
	}
	return res.StatusCode, out
}

// isCut reports whether an error is what a lost answer looks like.
func isCut(err error) bool {
	var netErr *net.OpError
	return errors.Is(err, io.EOF) || errors.Is(err, io.ErrUnexpectedEOF) || errors.As(err, &netErr)
}
