package api

import (
	"net"
	"testing"
	"testing/synctest"
	"time"
)

// pipes is a listener whose connections are pipes, for bubbles of fake time.
type pipes struct {
	conns  chan net.Conn
	closed chan struct{}
}

func (p pipes) Accept() (net.Conn, error) {
	select {
	case c := <-p.conns:
		return c, nil
	case <-p.closed:
		return nil, net.ErrClosed
	}
}

func (p pipes) Close() error { close(p.closed); return nil }
func (pipes) Addr() net.Addr { return &net.TCPAddr{} }

// TestConnectionsAreBounded: two thousand strangers held two thousand
// goroutines, and nothing bounded them.
func TestConnectionsAreBounded(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		inner := pipes{make(chan net.Conn, 8), make(chan struct{})}
		l := tolerantListener{inner, time.Now, make(chan struct{}, 2)}
		accepted := make(chan net.Conn, 8)
		var open []net.Conn
		done := make(chan struct{})
		go func() {
			defer close(done)
			for {
				c, err := l.Accept()
				if err != nil {
					return
				}
				accepted <- c
			}
		}()
		taken := func(want int, when string) {
			synctest.Wait() // nothing more can happen by itself
			for len(accepted) > 0 {
				open = append(open, <-accepted)
			}
			if len(open) != want {
				t.Fatalf("%s: %d connections were taken, want %d", when, len(open), want)
			}
		}
		for range 4 {
			ours, theirs := net.Pipe()
			inner.conns <- theirs
			t.Cleanup(func() { _ = ours.Close() })
		}
		taken(2, "with room for two")
		_ = open[0].Close()
		_ = open[0].Close()
		taken(3, "after one was closed twice")
		_ = open[1].Close()
		taken(4, "after another was closed")
		_ = inner.Close()
		_ = open[2].Close()
		_ = open[3].Close()
		<-done
	})
}
