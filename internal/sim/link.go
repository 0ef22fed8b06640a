package sim

import (
	"bytes"
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"strings"
	"time"
)

// link carries HTTP messages from somebody to somebody, with what befalls them.
// It calls the handler at the other end directly: no sockets.
type link struct {
	w    *world
	name string
	from *process // what sends, nil if it is not ours
	to   func() (http.Handler, *process)
}

// fate is what befalls one message and its answer.
type fate struct {
	there, back time.Duration
	lostThere   bool // it never arrives
	lostBack    bool // it arrives, and its answer does not
	silent      bool // a loss is not noticed: the caller waits
	twice       bool // it arrives a second time
	again       time.Duration
	spoilt      spoiling
}

// spoiling is how an answer is changed on its way.
type spoiling int

// What arrives instead of an answer.
const (
	whole spoiling = iota
	cutOff
	errorPage
	flipped // one byte is another
	flippedThere
)

// throw decides the fate of a message. Times are mostly those of a good
// network; what is late comes after its caller has given up, sometimes.
func (l *link) throw(names ...string) (f fate) {
	w := l.w
	r := w.dice(append(names, l.name)...)
	f.there, f.back = between(r, 2*time.Millisecond, 60*time.Millisecond), between(r, 2*time.Millisecond, 60*time.Millisecond)
	f.silent = r.IntN(2) == 0
	f.again = between(r, time.Millisecond, 20*time.Second)
	if w.calmed() {
		return f
	}
	rate := w.weather.rates[l.name]
	hit := func(p float64, kind string) bool {
		if r.Float64() >= p {
			return false
		}
		w.fault(l.name + ": " + kind)
		return true
	}
	if w.weather.away[l.name].at(w.Now()) {
		w.fault(l.name + ": away")
		f.lostThere = true
		return f
	}
	f.lostThere = hit(rate.lostThere, "lost request")
	f.lostBack = !f.lostThere && hit(rate.lostBack, "lost answer")
	if hit(rate.late, "late") {
		if r.IntN(2) == 0 {
			f.there += between(r, time.Second, 20*time.Second)
		} else {
			f.back += between(r, time.Second, 20*time.Second)
		}
	}
	// Nothing between us and a wallet repeats a request: they speak TLS, and the
	// adapters send once. All others may come twice.
	f.twice = l.name != "wxpay" && l.name != "alipay" && l.name != billLink && hit(rate.twice, "duplicated")
	if hit(rate.spoilt, "corrupted") {
		f.spoilt = 1 + spoiling(r.IntN(int(flippedThere)))
	}
	return f
}

// String is the fate for the event log.
func (f fate) String() string {
	var s strings.Builder
	fmt.Fprintf(&s, "%v+%v", f.there, f.back)
	for _, m := range []struct {
		is   bool
		name string
	}{
		{f.lostThere, "lost"},
		{f.lostBack, "answer lost"},
		{f.twice, "twice"},
		{f.spoilt != whole, fmt.Sprintf("corrupted %d", f.spoilt)},
	} {
		if m.is {
			s.WriteString(", " + m.name)
		}
	}
	return s.String()
}

// answer is what comes back.
type answer struct {
	status int
	header http.Header
	body   []byte
	torn   bool // the connection breaks in the middle
	err    error
}

// Errors of the network.
var (
	errReset   = errors.New("sim: connection reset")
	errRefused = &net.OpError{Op: "dial", Net: "tcp", Err: errors.New("sim: connection refused")}
)

// RoundTrip implements http.RoundTripper.
func (l *link) RoundTrip(req *http.Request) (*http.Response, error) {
	var body []byte
	if req.Body != nil {
		var err error
		if body, err = io.ReadAll(req.Body); err != nil {
			return nil, err
		}
		_ = req.Body.Close()
	}
	if l.from != nil {
		l.w.sleep(l.from.stopped(l.name, req.URL.Path))
		if l.from.isDead() {
			return nil, errDead
		}
	}
	about := l.about(req, body)
	f := l.of(req, body).throw(about, l.w.begun(req.Context()))
	l.w.note(l.name, "%s %v", about, f)
	if f.spoilt == flippedThere { // what is repeated on the way is repeated as it is
		body = flip(body)
	}
	out := make(chan answer, 1)
	l.w.spawn(func() { l.travel(req, body, f, out) })
	if f.twice && !f.lostThere {
		l.w.spawn(func() {
			l.w.sleep(f.there + f.again)
			l.serve(req, body)
		})
	}
	var dead chan struct{}
	if l.from != nil {
		dead = l.from.dead
	}
	select {
	case a := <-out:
		if l.from != nil {
			l.w.sleep(l.from.stopped(l.name, req.URL.Path, "answer"))
		}
		if a.err != nil {
			return nil, a.err
		}
		return a.response(req), nil
	case <-req.Context().Done():
		return nil, req.Context().Err()
	case <-dead:
		return nil, errDead
	}
}

// arrival is the key of the moment at which a request came in, in its context.
type arrival struct{}

// worker is the key of the name of one of a process's runners of jobs, in its context.
type worker struct{}

// begun tells callers that go on at one moment from each other, by when their
// request came in, when they are to be done, and whose runner of jobs they are.
func (w *world) begun(ctx context.Context) string {
	limit, _ := ctx.Deadline()
	came, _ := ctx.Value(arrival{}).(time.Time)
	name, _ := ctx.Value(worker{}).(string)
	return limit.Sub(w.start).String() + " " + came.Sub(w.start).String() + name
}

// billLink is how bills travel: with the wallets' other messages, and with a fate of
// their own.
const billLink = "bill"

// of is the link with the name that decides what befalls a message.
func (l *link) of(req *http.Request, body []byte) *link {
	if !strings.Contains(req.URL.Path, "bill") && !strings.Contains(req.URL.Path, "fundflow") && !bytes.Contains(body, []byte("dataservice.bill")) {
		return l
	}
	bill := *l
	bill.name = billLink
	return &bill
}

// about says which message it is, without what is random in it.
func (l *link) about(req *http.Request, body []byte) string {
	no := ""
	if i := bytes.Index(body, []byte(prefix)); i >= 0 {
		no = string(body[i:min(i+numberLen, len(body))])
	}
	return req.URL.Path + " " + no
}

// travel takes a message there and its answer back.
func (l *link) travel(req *http.Request, body []byte, f fate, out chan<- answer) {
	l.w.sleep(f.there)
	if f.lostThere {
		l.lose(f, out)
		return
	}
	a := l.serve(req, body)
	l.w.sleep(f.back)
	switch {
	case f.lostBack:
		l.lose(f, out)
		return
	case a.err != nil:
	case f.spoilt == cutOff:
		a.body, a.torn = a.body[:len(a.body)/2], true
	case f.spoilt == errorPage:
		a.status, a.header, a.body = http.StatusBadGateway, http.Header{"Content-Type": {"text/html"}}, []byte("<html>502</html>")
	case f.spoilt == flipped:
		a.body = flip(a.body)
	}
	out <- a
}

// lose has the caller notice a loss, or not.
func (l *link) lose(f fate, out chan<- answer) {
	if !f.silent {
		out <- answer{err: errReset}
	}
}

// flip changes one byte in the middle.
func flip(body []byte) []byte {
	b := bytes.Clone(body)
	if len(b) > 0 {
		b[len(b)/2] ^= 1
	}
	return b
}

// serve has the other end answer a message that has arrived.
func (l *link) serve(req *http.Request, body []byte) (a answer) {
	h, p := l.to()
	if h == nil {
		return answer{err: errRefused}
	}
	if p != nil {
		defer p.serving.Done()
		l.w.sleep(p.stopped(l.name, req.URL.Path))
	}
	// A request in flight does not end with its caller.
	in := req.Clone(context.WithValue(context.WithoutCancel(req.Context()), arrival{}, l.w.Now()))
	in.Body, in.ContentLength = io.NopCloser(bytes.NewReader(body)), int64(len(body))
	in.RequestURI, in.Host, in.RemoteAddr = req.URL.RequestURI(), req.URL.Host, "127.0.0.1:1"
	in.TLS = &tls.ConnectionState{}
	if p == nil {
		in.TLS.PeerCertificates = append(in.TLS.PeerCertificates, l.w.Kit.cert)
	}
	rec := &recorder{header: http.Header{}, status: http.StatusOK}
	defer func() {
		if r := recover(); r != nil {
			if r != http.ErrAbortHandler { //nolint:errorlint // a panic value, compared as net/http does
				panic(r)
			}
			a = answer{err: errReset}
		}
		if p != nil && p.isDead() {
			a = answer{err: errReset} // it died before it answered
		}
	}()
	h.ServeHTTP(rec, in)
	return answer{status: rec.status, header: rec.header, body: rec.body.Bytes()}
}

// response is an answer as net/http would have it.
func (a answer) response(req *http.Request) *http.Response {
	var body io.Reader = bytes.NewReader(a.body)
	if a.torn {
		body = io.MultiReader(body, torn{})
	}
	return &http.Response{
		StatusCode: a.status, Status: http.StatusText(a.status), Proto: "HTTP/1.1", ProtoMajor: 1, ProtoMinor: 1,
		Header: a.header, Body: io.NopCloser(body), ContentLength: -1, Request: req,
	}
}

// torn is the rest of a body that never comes.
type torn struct{}

func (torn) Read([]byte) (int, error) { return 0, io.ErrUnexpectedEOF }

// recorder collects one answer.
type recorder struct {
	header http.Header
	body   bytes.Buffer
	status int
}

func (r *recorder) Header() http.Header         { return r.header }
func (r *recorder) WriteHeader(s int)           { r.status = s }
func (r *recorder) Flush()                      {}
func (r *recorder) Write(b []byte) (int, error) { return r.body.Write(b) }
