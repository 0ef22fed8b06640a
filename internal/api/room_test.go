package api

import (
	"io"
	"net"
	"testing"
	"time"
)

// TestConnectionsAreBounded: two thousand strangers held two thousand
// goroutines, and nothing bounded them.
func TestConnectionsAreBounded(t *testing.T) {
	t.Parallel()
	inner, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	l := tolerantListener{inner, time.Now, make(chan struct{}, 2)}
	accepted := make(chan net.Conn)
	go func() {
		defer close(accepted)
		for {
			c, err := l.Accept()
			if err != nil {
				return
			}
			accepted <- c
		}
	}()
	dial := func() net.Conn {
		c, err := net.Dial("tcp", inner.Addr().String())
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { _ = c.Close() })
		return c
	}
	dial()
	dial()
	first, second := <-accepted, <-accepted
	dial()
	select {
	case <-accepted:
		t.Fatal("a third connection was taken while two are open")
	case <-time.After(50 * time.Millisecond):
	}
	_ = first.Close()
	_ = first.Close() // frees its place once
	third := <-accepted
	dial()
	select {
	case <-accepted:
		t.Fatal("closing twice made room for two")
	case <-time.After(50 * time.Millisecond):
	}
	_ = inner.Close()
	for _, c := range []io.Closer{second, third} {
		_ = c.Close()
	}
	for c := range accepted {
		_ = c.Close()
	}
}
