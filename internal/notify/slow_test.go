package notify

import (
	"bufio"
	"context"
	"fmt"
	"io"
	"net"
	"net/http"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"

	"cloudpay/internal/secret"
)

// pipes are connections in memory, so that time in a bubble moves on while
// somebody waits for bytes.
type pipes struct {
	mu    sync.Mutex
	serve func(net.Conn)
	dials int
}

func (p *pipes) dial(context.Context, string, string) (net.Conn, error) {
	ours, theirs := net.Pipe()
	p.mu.Lock()
	defer p.mu.Unlock()
	p.dials++
	go p.serve(theirs)
	return ours, nil
}

// hang reads a request and never answers.
func hang(conn net.Conn) { _, _ = io.Copy(io.Discard, conn) }

// acknowledge answers one request with status 0.
func acknowledge(conn net.Conn) {
	defer conn.Close()
	req, err := http.ReadRequest(bufio.NewReader(conn))
	if err != nil {
		return
	}
	_, _ = io.Copy(io.Discard, req.Body)
	_, _ = io.WriteString(conn, "HTTP/1.1 200 OK\r\nContent-Length: 33\r\nConnection: close\r\n\r\n"+`{"response_content":{"status":0}}`)
}

func newBubble(serve func(net.Conn)) (*Client, *pipes) {
	p := &pipes{serve: serve}
	c := New(Config{AllowPrivate: true, Resolver: resolveTo("127.0.0.1"), Now: time.Now})
	c.guard.dial = p.dial
	return c, p
}

func TestHangingReceiverCostsTenSeconds(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		c, _ := newBubble(hang)
		defer c.Close()
		res := c.Deliver(t.Context(), Target{URL: "http://till.example/", Key: secret.New(key)}, nil)
		if diff := cmp.Diff(Result{Took: Limit, Err: "no complete answer within 10s"}, res); diff != "" {
			t.Errorf("Deliver (-want +got):\n%s", diff)
		}
	})
}

func TestDrippingReceiverCostsTenSeconds(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		c, _ := newBubble(func(conn net.Conn) {
			defer conn.Close()
			if _, err := http.ReadRequest(bufio.NewReader(conn)); err != nil {
				return
			}
			go hang(conn)
			_, err := io.WriteString(conn, "HTTP/1.1 200 OK\r\nContent-Length: 1000\r\n\r\n")
			for err == nil {
				time.Sleep(time.Second)
				_, err = conn.Write([]byte(" "))
			}
		})
		defer c.Close()
		res := c.Deliver(t.Context(), Target{URL: "http://till.example/", Key: secret.New(key)}, nil)
		if res.Delivered || res.Took != Limit || res.HTTPStatus != 200 || res.Err != "no complete answer within 10s" {
			t.Errorf("Deliver = %+v, want the limit", res)
		}
		time.Sleep(2 * time.Second) // the receiver sees that nobody listens
	})
}

func TestInterruptedDeliverySaysSo(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		c, _ := newBubble(hang)
		defer c.Close()
		ctx, cancel := context.WithCancel(t.Context())
		time.AfterFunc(time.Second, cancel)
		res := c.Deliver(ctx, Target{URL: "http://till.example/", Key: secret.New(key)}, nil)
		if res.Took != time.Second || res.Err != "the delivery was interrupted" {
			t.Errorf("Deliver = %+v", res)
		}
		if len(c.slow.hosts) != 0 {
			t.Error("an interruption counts against the receiver")
		}
	})
}

func TestSlowAddressTakesOneWorkerAtATime(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		c, p := newBubble(hang)
		defer c.Close()
		to := Target{URL: "http://till.example/", Key: secret.New(key)}
		for range slowAfter {
			if res := c.Deliver(t.Context(), to, nil); res.Took != Limit {
				t.Errorf("Deliver = %+v, want the limit", res)
			}
		}
		results := make(chan Result, 8)
		for range 8 {
			go func() { results <- c.Deliver(t.Context(), to, nil) }()
		}
		synctest.Wait()
		if p.dials != slowAfter+1 {
			t.Errorf("%d connections, want one more than the %d before", p.dials, slowAfter)
		}
		for range 7 {
			if res := <-results; res.Took != 0 || !strings.Contains(res.Err, "did not answer lately") {
				t.Errorf("Deliver = %+v, want it refused at once", res)
			}
		}
		<-results
		other := c.Deliver(t.Context(), Target{URL: "http://other.example/", Key: secret.New(key)}, nil)
		if other.Took != Limit {
			t.Errorf("another address: %+v, want it tried", other)
		}
		p.mu.Lock()
		p.serve = acknowledge
		p.mu.Unlock()
		if res := c.Deliver(t.Context(), to, nil); !res.Delivered {
			t.Errorf("Deliver = %+v, want the receiver that is back to be told", res)
		}
		for range 8 {
			go func() { results <- c.Deliver(t.Context(), to, nil) }()
		}
		for range 8 {
			if res := <-results; !res.Delivered {
				t.Errorf("Deliver = %+v, want all delivered", res)
			}
		}
	})
}

func TestSlowAddressesAreBounded(t *testing.T) {
	t.Parallel()
	var s slow
	for i := range 3 * maxSlow {
		leave, ok := s.enter(fmt.Sprint("host", i))
		if !ok {
			t.Fatal("a new host is refused")
		}
		leave(context.DeadlineExceeded)
	}
	if len(s.hosts) > maxSlow {
		t.Errorf("%d addresses are remembered, want at most %d", len(s.hosts), maxSlow)
	}
}
