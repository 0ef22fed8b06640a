package channel

import (
	"bytes"
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"io"
	"log/slog"
	"net"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"cloudpay/internal/pay"
)

// served is a TLS server that counts what reaches it.
type served struct {
	*httptest.Server
	url   *url.URL
	conns atomic.Int64 // connections accepted
	calls atomic.Int64 // requests begun
	mu    sync.Mutex
	seen  map[string]int // bodies
}

func serve(t *testing.T, h http.HandlerFunc) *served {
	t.Helper()
	s := &served{seen: map[string]int{}}
	s.Server = httptest.NewUnstartedServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		s.calls.Add(1)
		body, _ := io.ReadAll(r.Body)
		s.mu.Lock()
		s.seen[string(body)]++
		s.mu.Unlock()
		h(w, r)
	}))
	s.Config.ConnState = func(_ net.Conn, state http.ConnState) {
		if state == http.StateNew {
			s.conns.Add(1)
		}
	}
	s.Config.ErrorLog = slog.NewLogLogger(slog.DiscardHandler, slog.LevelError)
	s.EnableHTTP2 = true // so that its not being used is our doing
	s.StartTLS()
	t.Cleanup(s.Close)
	u, err := url.Parse(s.URL)
	if err != nil {
		t.Fatal(err)
	}
	s.url = u
	return s
}

func (s *served) pool() *x509.CertPool {
	pool := x509.NewCertPool()
	pool.AddCert(s.Certificate())
	return pool
}

func (s *served) poster(t *testing.T) *Poster {
	t.Helper()
	p := NewPoster(PosterConfig{RootCAs: s.pool()})
	t.Cleanup(p.CloseIdle)
	return p
}

func TestConnectionsAreKeptAndSpeakHTTP1(t *testing.T) {
	t.Parallel()
	s := serve(t, func(w http.ResponseWriter, r *http.Request) {
		if r.ProtoMajor != 1 {
			w.WriteHeader(http.StatusHTTPVersionNotSupported)
		}
		if r.Header.Get("Accept-Encoding") != "" {
			w.WriteHeader(http.StatusNotAcceptable)
		}
		_, _ = io.WriteString(w, "ok")
	})
	p := s.poster(t)
	for range 50 {
		if answer, err := p.Post(t.Context(), s.url, "text/plain", []byte("x")); err != nil || string(answer) != "ok" {
			t.Fatalf("Post = %q, %v", answer, err)
		}
	}
	if n := s.conns.Load(); n != 1 {
		t.Errorf("50 calls in a row opened %d connections, want 1", n)
	}
}

// TestManyCallsAtOnceKeepTheirConnections shows that the pool holds a rush:
// a second wave of calls opens no connection.
func TestManyCallsAtOnceKeepTheirConnections(t *testing.T) {
	t.Parallel()
	const callers = 200
	var waiting sync.WaitGroup
	gate := make(chan struct{})
	s := serve(t, func(w http.ResponseWriter, _ *http.Request) {
		waiting.Done()
		<-gate
		_, _ = io.WriteString(w, "ok")
	})
	p := s.poster(t)
	wave := func() {
		waiting.Add(callers)
		var wg sync.WaitGroup
		for range callers {
			wg.Go(func() {
				if _, err := p.Post(t.Context(), s.url, "text/plain", []byte("x")); err != nil {
					t.Error(err)
				}
			})
		}
		waiting.Wait() // all of them are in the handler at once
		close(gate)
		wg.Wait()
	}
	wave()
	first := s.conns.Load()
	gate = make(chan struct{})
	wave()
	if again := s.conns.Load(); again != first {
		t.Errorf("the second wave of %d calls opened %d connections, want 0", callers, again-first)
	}
}

// TestARequestIsNeverSentTwice breaks kept connections in every way a server
// can and counts what arrives. Losing an answer is allowed, a second copy is not.
func TestARequestIsNeverSentTwice(t *testing.T) {
	t.Parallel()
	t.Run("the server closes idle connections between calls", func(t *testing.T) {
		t.Parallel()
		s := serve(t, func(w http.ResponseWriter, _ *http.Request) { _, _ = io.WriteString(w, "ok") })
		p := s.poster(t)
		good := 0
		for i := range 100 {
			if _, err := p.Post(t.Context(), s.url, "text/plain", []byte(strconv.Itoa(i))); err == nil {
				good++
			}
			s.CloseClientConnections()
		}
		s.mu.Lock()
		defer s.mu.Unlock()
		for body, n := range s.seen {
			if n != 1 {
				t.Errorf("request %s arrived %d times", body, n)
			}
		}
		if good == 0 {
			t.Error("no call succeeded, so nothing was shown")
		}
	})
	t.Run("the server reads a request on a kept connection and hangs up", func(t *testing.T) {
		t.Parallel()
		var n atomic.Int64
		s := serve(t, func(w http.ResponseWriter, _ *http.Request) {
			if n.Add(1)%2 == 0 {
				panic(http.ErrAbortHandler)
			}
			_, _ = io.WriteString(w, "ok")
		})
		p := s.poster(t)
		for i := range 20 {
			_, err := p.Post(t.Context(), s.url, "text/plain", []byte(strconv.Itoa(i)))
			if want := i%2 == 1; (err != nil) != want || err != nil && !errors.Is(err, ErrCut) {
				t.Errorf("call %d: error %v, want lost %v", i, err, want)
			}
		}
		if got := s.calls.Load(); got != 20 {
			t.Errorf("20 calls arrived as %d requests", got)
		}
	})
	t.Run("the kept connection takes no byte any more", func(t *testing.T) {
		t.Parallel()
		// The one case in which net/http replays a POST with a body: nothing
		// was written. Only a missing GetBody keeps it from doing so.
		s := serve(t, func(w http.ResponseWriter, _ *http.Request) { _, _ = io.WriteString(w, "ok") })
		var dead atomic.Bool
		var dials atomic.Int64
		transport := newTransport(PosterConfig{RootCAs: s.pool()})
		transport.DialContext = func(ctx context.Context, network, addr string) (net.Conn, error) {
			dials.Add(1)
			c, err := (&net.Dialer{}).DialContext(ctx, network, addr)
			return &dyingConn{Conn: c, dead: &dead}, err
		}
		p := NewPoster(PosterConfig{Transport: transport})
		t.Cleanup(p.CloseIdle)
		if _, err := p.Post(t.Context(), s.url, "text/plain", []byte("1")); err != nil {
			t.Fatal(err)
		}
		dead.Store(true)
		if _, err := p.Post(t.Context(), s.url, "text/plain", []byte("2")); !errors.Is(err, ErrCut) {
			t.Errorf("error = %v, want %v", err, ErrCut)
		}
		if d, n := dials.Load(), s.calls.Load(); d != 1 || n != 1 {
			t.Errorf("%d dials and %d requests, want 1 and 1", d, n)
		}
	})
	t.Run("the server redirects", func(t *testing.T) {
		t.Parallel()
		other := serve(t, func(http.ResponseWriter, *http.Request) {})
		for _, status := range []int{301, 302, 303, 307, 308} {
			s := serve(t, func(w http.ResponseWriter, r *http.Request) {
				http.Redirect(w, r, other.URL, status)
			})
			if _, err := s.poster(t).Post(t.Context(), s.url, "text/plain", []byte("1")); !errors.Is(err, ErrStatus) {
				t.Errorf("status %d: error = %v, want %v", status, err, ErrStatus)
			}
		}
		if n := other.conns.Load(); n != 0 {
			t.Errorf("a redirect was followed %d times", n)
		}
	})
}

// dyingConn refuses writes once dead is set.
type dyingConn struct {
	net.Conn
	dead *atomic.Bool
}

func (c *dyingConn) Write(p []byte) (int, error) {
	if c.dead.Load() {
		return 0, errors.New("broken pipe")
	}
	return c.Conn.Write(p)
}

func TestLostAnswersAreNamedAndRevealNothing(t *testing.T) {
	t.Parallel()
	const secretPath = "/secret-path-0123456789"
	for _, c := range []struct {
		name string
		h    http.HandlerFunc
		want LostError
	}{
		{"status 500", func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(http.StatusInternalServerError) }, ErrStatus},
		{"status 204", func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(http.StatusNoContent) }, ErrStatus},
		{"status 502 with a page", func(w http.ResponseWriter, _ *http.Request) {
			w.WriteHeader(http.StatusBadGateway)
			_, _ = io.WriteString(w, "<html>")
		}, ErrStatus},
		{"too long", func(w http.ResponseWriter, _ *http.Request) {
			_, _ = io.Copy(w, io.LimitReader(zeros{}, MaxAnswer+1))
		}, ErrTooLong},
		{"shorter than announced", func(w http.ResponseWriter, _ *http.Request) {
			w.Header().Set("Content-Length", "100")
			_, _ = io.WriteString(w, "short")
		}, ErrCut},
		{"cut in the middle", func(w http.ResponseWriter, _ *http.Request) {
			_, _ = io.WriteString(w, "half")
			_ = http.NewResponseController(w).Flush()
			panic(http.ErrAbortHandler)
		}, ErrCut},
		{"no answer in time", func(_ http.ResponseWriter, r *http.Request) { <-r.Context().Done() }, ErrTimeout},
		{"no end in time", func(w http.ResponseWriter, r *http.Request) {
			_, _ = io.WriteString(w, "half")
			_ = http.NewResponseController(w).Flush()
			<-r.Context().Done()
			panic(http.ErrAbortHandler) // a return would end the body well, and might be read before the time-out is
		}, ErrTimeout},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			s := serve(t, c.h)
			limit := time.Minute
			if c.want == ErrTimeout {
				limit = 200 * time.Millisecond
			}
			ctx, cancel := context.WithTimeout(t.Context(), limit)
			defer cancel()
			answer, err := s.poster(t).Post(ctx, s.url.JoinPath(secretPath), "text/plain", []byte("x"))
			if answer != nil || !errors.Is(err, c.want) {
				t.Fatalf("Post = %q, %v, want %v", answer, err, c.want)
			}
			out := c.want.Outcome()
			if out.Kind != pay.Unknown || !out.Lost || out.Verified || strings.Contains(out.Text, "secret") {
				t.Errorf("outcome = %+v", out)
			}
		})
	}
}

func TestAnAnswerOfExactlyTheLimitIsRead(t *testing.T) {
	t.Parallel()
	s := serve(t, func(w http.ResponseWriter, _ *http.Request) {
		_, _ = io.Copy(w, io.LimitReader(zeros{}, MaxAnswer))
	})
	answer, err := s.poster(t).Post(t.Context(), s.url, "text/plain", []byte("x"))
	if err != nil || len(answer) != MaxAnswer {
		t.Errorf("Post = %d bytes, %v, want %d", len(answer), err, MaxAnswer)
	}
}

type zeros struct{}

func (zeros) Read(p []byte) (int, error) { clear(p); return len(p), nil }

func TestServersThatAreNotTrustedGetNothing(t *testing.T) {
	t.Parallel()
	s := serve(t, func(http.ResponseWriter, *http.Request) {})
	stranger := NewPoster(PosterConfig{RootCAs: x509.NewCertPool()})
	if _, err := stranger.Post(t.Context(), s.url, "text/plain", []byte("x")); !errors.Is(err, ErrTLS) {
		t.Errorf("unknown authority: error = %v, want %v", err, ErrTLS)
	}
	old := httptest.NewUnstartedServer(http.HandlerFunc(func(http.ResponseWriter, *http.Request) { s.calls.Add(1) }))
	old.Config.ErrorLog = slog.NewLogLogger(slog.DiscardHandler, slog.LevelError)
	old.TLS = &tls.Config{MinVersion: tls.VersionTLS10, MaxVersion: tls.VersionTLS11}
	old.StartTLS()
	t.Cleanup(old.Close)
	pool := x509.NewCertPool()
	pool.AddCert(old.Certificate())
	u, _ := url.Parse(old.URL)
	if _, err := NewPoster(PosterConfig{RootCAs: pool}).Post(t.Context(), u, "text/plain", []byte("x")); !errors.Is(err, ErrTLS) {
		t.Errorf("TLS 1.1: error = %v, want %v", err, ErrTLS)
	}
	plain := httptest.NewServer(http.HandlerFunc(func(http.ResponseWriter, *http.Request) { s.calls.Add(1) }))
	t.Cleanup(plain.Close)
	u, _ = url.Parse("https" + strings.TrimPrefix(plain.URL, "http"))
	// net/http names this case by a text only.
	if _, err := stranger.Post(t.Context(), u, "text/plain", []byte("x")); !errors.Is(err, ErrCut) {
		t.Errorf("no TLS: error = %v, want %v", err, ErrCut)
	}
	if n := s.calls.Load(); n != 0 {
		t.Errorf("%d requests arrived", n)
	}
}

func TestAServerThatIsNotThereIsNamed(t *testing.T) {
	t.Parallel()
	l, err := (&net.ListenConfig{}).Listen(t.Context(), "tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	u := &url.URL{Scheme: "https", Host: l.Addr().String()}
	if err := l.Close(); err != nil {
		t.Fatal(err)
	}
	if _, err := NewPoster(PosterConfig{}).Post(t.Context(), u, "text/plain", nil); !errors.Is(err, ErrDial) {
		t.Errorf("error = %v, want %v", err, ErrDial)
	}
}

// TestNoProxyIsTakenFromTheEnvironment looks at the transport: net/http reads
// the environment once per process, so a call could not show it.
func TestNoProxyIsTakenFromTheEnvironment(t *testing.T) {
	t.Parallel()
	if newTransport(PosterConfig{}).Proxy != nil {
		t.Error("the transport asks somebody for a proxy")
	}
}

func TestBaseURLsCannotCarrySecrets(t *testing.T) {
	t.Parallel()
	for _, raw := range []string{
		"http://api.example.com", "https://", "https://user:hunter2@api.example.com",
		"https://api.example.com/?key=hunter2", "https://api.example.com/#hunter2", "://hunter2", "https://hunter2\x7f",
	} {
		u, err := ParseBase(raw)
		if err == nil || u != nil {
			t.Errorf("ParseBase(%q) = %v, want an error", raw, u)
			continue
		}
		if bytes.Contains([]byte(err.Error()), []byte("hunter2")) {
			t.Errorf("the error repeats the URL: %v", err)
		}
	}
	if u, err := ParseBase("https://openapi.alipay.com/gateway.do"); err != nil || u.Path != "/gateway.do" {
		t.Errorf("ParseBase = %v, %v", u, err)
	}
}
