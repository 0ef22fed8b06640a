package channel

import (
	"context"
	"crypto/tls"
	"errors"
	"io"
	"net"
	"net/http"
	"net/url"
	"strings"
	"testing"
	"time"
)

// deadEnd is a host at which nobody listens.
func deadEnd(t *testing.T) *url.URL {
	t.Helper()
	l, err := new(net.ListenConfig).Listen(t.Context(), "tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	if err := l.Close(); err != nil {
		t.Fatal(err)
	}
	return &url.URL{Scheme: "https", Host: l.Addr().String()}
}

// TestTheSecondHostIsTriedOnlyBeforeAnyByteWasSent breaks the first host in
// every way; only one of them leaves no doubt that nothing was sent.
func TestTheSecondHostIsTriedOnlyBeforeAnyByteWasSent(t *testing.T) {
	t.Parallel()
	second := serve(t, func(w http.ResponseWriter, _ *http.Request) { _, _ = io.WriteString(w, "second") })
	plain, err := new(net.ListenConfig).Listen(t.Context(), "tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = plain.Close() })
	go func() { // accepts and hangs up, so that the handshake fails
		for {
			c, err := plain.Accept()
			if err != nil {
				return
			}
			_ = c.Close()
		}
	}()
	first := serve(t, func(w http.ResponseWriter, r *http.Request) {
		switch r.URL.Path {
		case "/cut":
			panic(http.ErrAbortHandler)
		case "/reset":
			c, _, err := http.NewResponseController(w).Hijack()
			if err != nil {
				t.Error(err)
				return
			}
			_ = c.(*tls.Conn).NetConn().(*net.TCPConn).SetLinger(0) // closing sends a reset
			_ = c.(*tls.Conn).NetConn().Close()
		case "/late":
			<-r.Context().Done()
		case "/502":
			w.WriteHeader(http.StatusBadGateway)
		default:
			_, _ = io.WriteString(w, "first")
		}
	})
	at := func(path string) *url.URL { return first.url.JoinPath(path) }
	for name, one := range map[string]struct {
		url    *url.URL
		status int
		err    error
		second int64
	}{
		"undialled":      {deadEnd(t), http.StatusOK, nil, 1},
		"answers":        {at("/ok"), http.StatusOK, nil, 0},
		"cut":            {at("/cut"), 0, ErrCut, 0},
		"reset":          {at("/reset"), 0, ErrCut, 0},
		"late":           {at("/late"), 0, ErrTimeout, 0},
		"502":            {at("/502"), http.StatusBadGateway, nil, 0},
		"no handshake":   {&url.URL{Scheme: "https", Host: plain.Addr().String()}, 0, ErrCut, 0},
		"another's name": {&url.URL{Scheme: "https", Host: strings.Replace(first.url.Host, "127.0.0.1", "localhost", 1)}, 0, ErrTLS, 0},
	} {
		pool := first.pool()
		pool.AddCert(second.Certificate())
		if name == "another's name" {
			pool = nil
		}
		p := NewPoster(PosterConfig{RootCAs: pool})
		t.Cleanup(p.CloseIdle)
		before := second.calls.Load()
		ctx, cancel := context.WithTimeout(t.Context(), 10*time.Second)
		if name == "late" {
			ctx, cancel = context.WithTimeout(t.Context(), 100*time.Millisecond)
		}
		a, err := p.Send(ctx, Call{Method: http.MethodPost, URL: one.url, Backup: second.url, Body: []byte("x")})
		cancel()
		if !errors.Is(err, one.err) || a.Status != one.status {
			t.Errorf("%s: status %d, %v, want %d, %v", name, a.Status, err, one.status, one.err)
		}
		if got := second.calls.Load() - before; got != one.second {
			t.Errorf("%s: the second host was asked %d times, want %d", name, got, one.second)
		}
	}
}

func TestNoSecondHostIsTriedWhenTheTimeIsUpOrThereIsNone(t *testing.T) {
	t.Parallel()
	second := serve(t, func(w http.ResponseWriter, _ *http.Request) { _, _ = io.WriteString(w, "second") })
	p := second.poster(t)
	dead := deadEnd(t)
	if _, err := p.Send(t.Context(), Call{Method: http.MethodPost, URL: dead, Body: []byte("x")}); !errors.Is(err, ErrDial) {
		t.Errorf("without a second host: %v, want %v", err, ErrDial)
	}
	if _, err := p.Send(t.Context(), Call{Method: http.MethodPost, URL: dead, Backup: deadEnd(t), Body: []byte("x")}); !errors.Is(err, ErrDial) {
		t.Errorf("two dead hosts: %v, want %v", err, ErrDial)
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if _, err := p.Send(ctx, Call{Method: http.MethodPost, URL: dead, Backup: second.url, Body: []byte("x")}); !errors.Is(err, ErrTimeout) {
		t.Errorf("after the end: %v, want %v", err, ErrTimeout)
	}
	if n := second.calls.Load(); n != 0 {
		t.Errorf("the second host was asked %d times", n)
	}
}

func TestSendTellsTheWholeAnswer(t *testing.T) {
	t.Parallel()
	s := serve(t, func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("X-Method", r.Method+" "+r.Header.Get("Accept")+" "+r.Header.Get("User-Agent"))
		w.WriteHeader(http.StatusForbidden)
		_, _ = io.WriteString(w, "no")
	})
	p := s.poster(t)
	a, err := p.Send(t.Context(), Call{Method: http.MethodGet, URL: s.url, Header: http.Header{"Accept": {"application/json"}}})
	if err != nil || a.Status != http.StatusForbidden || string(a.Body) != "no" || a.Header.Get("X-Method") != "GET application/json cloudpay" {
		t.Errorf("Send = %+v, %v", a, err)
	}
}
