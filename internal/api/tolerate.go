package api

import (
	"bytes"
	"context"
	"crypto/tls"
	"net"
	"strconv"
	"sync"
	"time"
)

// Tolerate returns l with two kindnesses to devices that hold one connection
// for hours (protocol.md §2.5, R17):
//
//   - Line breaks between two requests are dropped. Devices send a bare CRLF
//     twice a second while they wait for a scan; net/http would answer 400 and
//     close. They do not count as life: an idle connection still ends.
//   - A connection without a request yet is idle, not slow, so that a device
//     may connect long before the first scan.
//
// It looks at the framing of requests only as far as it must to know what is
// between them. Where it errs, it can do no more than drop line breaks of a
// body, whose authen_code is wrong then.
//
// At most maxConns connections are open at a time; the next one waits in the
// kernel's queue.
func (s *Server) Tolerate(l net.Listener) net.Listener {
	return tolerantListener{l, s.Now, make(chan struct{}, maxConns)}
}

// maxConns bounds what strangers can hold open: thousands of terminals keep one
// connection each, and a connection takes some 20 KiB.
const maxConns = 20_000

type tolerantListener struct {
	net.Listener
	now   func() time.Time
	slots chan struct{} // one per open connection
}

// Accept returns the next connection, once there is room for it.
func (l tolerantListener) Accept() (net.Conn, error) {
	l.slots <- struct{}{}
	c, err := l.Listener.Accept()
	if err != nil {
		<-l.slots
		return nil, err
	}
	return &tolerantConn{Conn: c, now: l.now, fresh: true, accepted: l.now(), slots: l.slots}, nil
}

// tolerantConn is one connection. Reads come one at a time, as net/http makes
// them; deadlines may be set by others.
type tolerantConn struct {
	net.Conn
	now      func() time.Time
	accepted time.Time
	framing  framing
	slots    chan struct{}
	closed   sync.Once

	mu    sync.Mutex
	fresh bool // nothing of a request has come yet
	// late is how long after it was accepted the first request began. net/http
	// counts that request's time from the beginning of the connection.
	late time.Duration
}

// Read reads what belongs to requests.
func (c *tolerantConn) Read(p []byte) (int, error) {
	if err := c.shakeHands(); err != nil {
		return 0, err
	}
	for {
		n, err := c.Conn.Read(p)
		kept := c.framing.keep(p[:n])
		if kept > 0 {
			c.begin()
		}
		if kept > 0 || err != nil || n == 0 {
			return kept, err
		}
	}
}

// shakeHands bounds the handshake of a TLS connection, which net/http would do
// if it saw that it is one.
func (c *tolerantConn) shakeHands() error {
	t, ok := c.Conn.(*tls.Conn)
	if !ok || t.ConnectionState().HandshakeComplete {
		return nil
	}
	ctx, cancel := context.WithTimeout(context.Background(), headerTime)
	defer cancel()
	return t.HandshakeContext(ctx)
}

// begin starts the clock of the first request's header.
func (c *tolerantConn) begin() {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.fresh {
		now := c.now()
		c.fresh, c.late = false, now.Sub(c.accepted)
		_ = c.Conn.SetReadDeadline(now.Add(headerTime)) // a connection that cannot is ended by its next read
	}
}

// SetReadDeadline gives a connection without a request the time of an idle
// one, and its first request the time of any other.
func (c *tolerantConn) SetReadDeadline(t time.Time) error {
	c.mu.Lock()
	defer c.mu.Unlock()
	switch {
	case t.IsZero(): // set after each request
		c.late = 0
	case c.fresh:
		t = t.Add(idleTime - headerTime)
	default:
		t = t.Add(c.late)
	}
	return c.Conn.SetReadDeadline(t)
}

// Close ends the connection and makes room for another.
func (c *tolerantConn) Close() error {
	c.closed.Do(func() { <-c.slots })
	return c.Conn.Close()
}

// CloseWrite lets net/http end a connection so that the last answer is still
// read, as it does after a body that is too large.
func (c *tolerantConn) CloseWrite() error {
	if w, ok := c.Conn.(interface{ CloseWrite() error }); ok {
		return w.CloseWrite()
	}
	return nil
}

// place says where in the stream of requests a byte stands.
type place uint8

const (
	between place = iota // before the first byte of a request
	head                 // in its request line or header
	body                 // in its body
	beyond               // after a body without a length: nothing is known any more
)

// maxFramingLine is as much of a header line as is looked at: both names that
// matter, spaces, and the digits of any length.
const maxFramingLine = 64

// framing follows a stream of HTTP/1.1 requests.
type framing struct {
	where   place
	line    [maxFramingLine]byte
	n       int   // bytes in line
	left    int64 // of the body
	chunked bool
}

// keep drops from b, in place, what stands between requests, and returns how
// many bytes are left.
func (f *framing) keep(b []byte) int {
	kept := 0
	for i := 0; i < len(b); {
		n := 1
		switch f.where {
		case between:
			if b[i] == '\r' || b[i] == '\n' {
				i++
				continue
			}
			f.where, f.chunked, f.left = head, false, 0
			f.header(b[i])
		case head:
			f.header(b[i])
		case body:
			n = int(min(f.left, int64(len(b)-i)))
			if f.left -= int64(n); f.left == 0 {
				f.where = between
			}
		case beyond:
			n = len(b) - i
		}
		kept += copy(b[kept:], b[i:i+n])
		i += n
	}
	return kept
}

// header takes one byte of the request line or the header.
func (f *framing) header(c byte) {
	switch {
	case c == '\n':
		f.headerLine(f.line[:f.n])
		f.n = 0
	case c != '\r' && f.n < len(f.line):
		f.line[f.n] = c
		f.n++
	}
}

// headerLine takes one line; an empty one is the header's end.
func (f *framing) headerLine(line []byte) {
	name, value, _ := bytes.Cut(line, []byte{':'})
	switch {
	case len(line) == 0 && f.chunked:
		f.where = beyond
	case len(line) == 0 && f.left > 0:
		f.where = body
	case len(line) == 0:
		f.where = between
	case bytes.EqualFold(name, []byte("content-length")):
		// What is not a length is refused by net/http, which then closes.
		if n, err := strconv.ParseInt(string(bytes.TrimSpace(value)), 10, 64); err == nil {
			f.left = n
		}
	case bytes.EqualFold(name, []byte("transfer-encoding")):
		f.chunked = true
	}
}
