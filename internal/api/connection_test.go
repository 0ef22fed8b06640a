package api_test

import (
	"bufio"
	"fmt"
	"io"
	"net"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"cloudpay/cpay"
	"cloudpay/internal/pay"
)

// device is a raw connection of an embedded client.
type device struct {
	net.Conn
	r *bufio.Reader
}

func (h *house) device(t *testing.T) device {
	t.Helper()
	c := h.connect(t)
	t.Cleanup(func() { _ = c.Close() })
	return newDevice(c)
}

func newDevice(c net.Conn) device { return device{c, bufio.NewReader(c)} }

// say writes text; a failure is seen by what is read next.
func (d device) say(text string) { _, _ = io.WriteString(d, text) }

// post sends one call over the connection and reads its answer.
func (d device) post(t *testing.T, method, trailer string, o object) answer {
	t.Helper()
	body := byMAC(o.text())
	d.say(fmt.Sprintf("POST /cpay/%s HTTP/1.1\r\nHost: x\r\ncontent-length:%d\r\n\r\n%s%s", method, len(body), body, trailer))
	header, raw := rawAnswer(t, d.r)
	if !strings.HasPrefix(header, "HTTP/1.1 200 OK\r\n") || strings.Contains(header, "Connection: close") {
		t.Fatalf("%s after stray line breaks: %s", method, header)
	}
	return read(t, method, theKey, raw)
}

// alive sends the request that holds a connection.
func (d device) alive(t *testing.T) {
	t.Helper()
	d.say("GET / HTTP/1.1\r\nConnection: keep-alive\r\nHost: x\r\n\r\n")
	if header, _ := rawAnswer(t, d.r); !strings.HasPrefix(header, "HTTP/1.1 200 OK\r\n") {
		t.Fatalf("GET / is answered with %s", header)
	}
}

// r17StrayLineBreaksBetweenRequests on one real connection: before the
// first request, after each verb, in one packet with a request or alone.
func r17StrayLineBreaksBetweenRequests(t *testing.T) {
	t.Helper()
	t.Parallel()
	h := newHouse(t, options{})
	d := h.device(t)
	no := h.number()
	d.say("\r\n\r\n\r\n")
	d.post(t, cpay.MethodMicroPay, "\r\n", microPay(no, h.code(pay.Wxpay, ""), 2)).is(t, 0, 0)
	for range 20 {
		d.say("\r\n")
	}
	d.alive(t)
	d.say("\r\n\r\n\n\r\n")
	d.alive(t)
	d.say(strings.Repeat("\r\n", 5000)) // more than any buffer on the way
	d.post(t, cpay.MethodQueryOrder, "\r\n\r\n\r\n\r\n\r\n", about(no)).is(t, 0, 0)
	d.say("\r\nGET / HTTP/1.1\r\nHost: x\r\n\r\n\r\n\r\nGET / HTTP/1.1\r\nHost: x\r\n\r\n")
	for range 2 {
		if header, _ := rawAnswer(t, d.r); !strings.HasPrefix(header, "HTTP/1.1 200 OK\r\n") {
			t.Fatalf("pipelined GET / is answered with %s", header)
		}
	}
	content := about(no).text() + "\r\n\r\n" // line breaks inside a body are the sender's
	body := byMAC(content)
	d.say(fmt.Sprintf("POST /cpay/query_order HTTP/1.1\r\nHost: x\r\nContent-Length: %d\r\n\r\n\r\n\r\n%s\r\n\r\n", len(body)+8, body))
	if _, raw := rawAnswer(t, d.r); read(t, cpay.MethodQueryOrder, theKey, raw).status != 0 {
		t.Errorf("line breaks around the document: %s", raw)
	}
	d.alive(t)
}

// r17ChunkedRequestsPassUntouched: what follows them is no longer followed.
func r17ChunkedRequestsPassUntouched(t *testing.T) {
	t.Helper()
	t.Parallel()
	h := newHouse(t, options{})
	d := h.device(t)
	body := append([]byte("\r\n\r\n\r\n\r\n"), byMAC(about(h.number()).text())...) // line breaks of a body are nobody else's
	for range 2 {
		d.say(fmt.Sprintf("POST /cpay/query_order HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n3\r\n%s\r\n%x\r\n%s\r\n0\r\n\r\n",
			body[:3], len(body)-3, body[3:]))
		_, raw := rawAnswer(t, d.r)
		read(t, cpay.MethodQueryOrder, theKey, raw).is(t, 104, 400)
	}
	d.alive(t)
}

// r17ADeviceHoldsItsConnectionForHours: three idle minutes, with a line
// break every half second or with none, and an answer to what is asked then.
func r17ADeviceHoldsItsConnectionForHours(t *testing.T) {
	t.Helper()
	t.Parallel()
	for name, pulse := range map[string]time.Duration{"silent": 3 * time.Minute, "waiting for a scan": 500 * time.Millisecond} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				h := newHouse(t, options{pipes: true})
				d := h.device(t)
				wait := func() {
					for range int(3 * time.Minute / pulse) {
						time.Sleep(pulse)
						d.say("\r\n")
					}
				}
				wait() // before any request
				d.post(t, cpay.MethodQueryOrder, "", about(h.number())).is(t, 104, 400)
				for range 5 { // a quarter of an hour
					wait()
					d.alive(t)
				}
				no := h.number()
				d.post(t, cpay.MethodMicroPay, "", microPay(no, h.code(pay.Alipay, ""), 2)).is(t, 0, 0)
			})
		})
	}
}

// TestConnectionsEnd: idle ones, line breaks or not, and slow ones.
func TestConnectionsEnd(t *testing.T) {
	t.Parallel()
	const limit = 10 * time.Minute
	tests := []struct {
		name   string
		talk   func(d device)
		from   time.Duration // it lives at least so long
		to     time.Duration // and ends before
		answer bool          // after saying why
	}{
		{"says nothing", func(device) {}, 3 * time.Minute, 5 * time.Minute, false},
		{"sends line breaks for ever", func(d device) {
			for end := time.Now().Add(limit); time.Now().Before(end); time.Sleep(time.Second) {
				if _, err := io.WriteString(d, "\r\n"); err != nil {
					return
				}
			}
		}, 3 * time.Minute, 5 * time.Minute, false},
		{"begins a header and stops", func(d device) { d.say("POST /cpay/query_order HTTP/1.1\r\nHo") }, 5 * time.Second, 15 * time.Second, false},
		{"drips a header", func(d device) {
			for range limit / time.Second {
				if _, err := io.WriteString(d, "x"); err != nil {
					return
				}
				time.Sleep(time.Second)
			}
		}, 5 * time.Second, 15 * time.Second, false},
		{"begins a body and stops", func(d device) { d.say("POST /cpay/query_order HTTP/1.1\r\nHost: x\r\nContent-Length: 99\r\n\r\n{") }, 10 * time.Second, 20 * time.Second, true},
		{"waits, then begins a body and stops", func(d device) {
			time.Sleep(2 * time.Minute)
			d.say("POST /cpay/query_order HTTP/1.1\r\nHost: x\r\nContent-Length: 99\r\n\r\n{")
		}, 2*time.Minute + 10*time.Second, 2*time.Minute + 20*time.Second, true},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				h := newHouse(t, options{pipes: true})
				d := h.device(t)
				start := time.Now()
				done := make(chan struct{})
				go func() { defer close(done); tt.talk(d) }()
				raw, err := io.ReadAll(d.r)
				took := time.Since(start)
				_ = d.Close()
				<-done
				if err != nil || took < tt.from || took > tt.to {
					t.Errorf("ended after %v with %q, %v", took, raw, err)
				}
				if tt.answer != strings.Contains(string(raw), `\"status\":101`) {
					t.Errorf("was told %q", raw)
				}
			})
		})
	}
}
