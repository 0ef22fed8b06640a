package notify

import (
	"bufio"
	"context"
	"io"
	"net"
	"net/http"
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
		if diff := cmp.Diff(Result{Took: Limit, Endpoint: Down, Err: "no complete answer within 10s"}, res); diff != "" {
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
		if res.Delivered || res.Took != Limit || res.HTTPStatus != 200 || res.Endpoint != Down || res.Err != "no complete answer within 10s" {
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
		if res.Endpoint != Unheard {
			t.Error("an interruption counts against the receiver")
		}
	})
}

func TestEndpointHasOneSpelling(t *testing.T) {
	t.Parallel()
	for in, want := range map[string]string{
		"https://Till.Example/notify?token=hush": "https://till.example:443",
		"https://till.example.:443":              "https://till.example:443",
		"https://till.example:8443/a":            "https://till.example:8443",
		"http://till.example/":                   "http://till.example:80",
		"https://[2606:2800::1]/":                "https://[2606:2800::1]:443",
		"not an address":                         "",
		"":                                       "",
	} {
		if got := Endpoint(in); got != want {
			t.Errorf("Endpoint(%q) = %q, want %q", in, got, want)
		}
	}
}
