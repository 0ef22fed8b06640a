package api

import (
	"context"
	"errors"
	"io"
	"log/slog"
	"net/http"
	"runtime/debug"
	"strconv"

	"cloudpay/cpay"
	"cloudpay/internal/directory"
	"cloudpay/internal/wire"
)

// call is one request on its way through. Everything below size is set once
// the MAC or signature has been verified.
type call struct {
	route *route
	host  string // the name the caller reached us by
	head  cpay.Head
	size  int
	body  []byte // as it came
	// hinted is the merchant that the request says it is of, known or not.
	hinted string

	known    bool
	merchant *directory.Merchant     // nil for a device that calls with its init key
	device   directory.FactoryDevice // set for those only
	signed   bool                    // authenticated by signature
	key      cpay.Key                // that verified the request and authenticates the answer
	envelope *cpay.Envelope
	authen   string // authen_info, to be kept with the order
	about    subject
}

// enveloped makes the handler of one interface: read, authenticate, decode,
// validate, call, answer. The message M is read only after the exact bytes
// have been verified (design.md §9).
func enveloped[M any, P interface {
	*M
	cpay.Request
}](use func(*Server, context.Context, *call, P) (cpay.Message, error)) func(*Server, *route) http.Handler {
	return func(s *Server, rt *route) http.Handler {
		return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			start := s.Now()
			c := &call{route: rt, host: r.Host, head: cpay.Head{LogID: s.logIDs.next()}}
			var m M
			body, err := guarded(r.Context(), s, c, func(ctx context.Context) (cpay.Message, error) {
				if err := s.open(r, c, P(&m)); err != nil {
					return nil, err
				}
				return use(s, ctx, c, P(&m))
			})
			s.status(c, err)
			write(w, rt.seal(c.head, rt.method, body, c.key))
			s.done(r.Context(), c, err, s.Now().Sub(start))
		})
	}
}

// guarded runs one request and turns a panic into errPanic, with its stack in
// the log.
func guarded(ctx context.Context, s *Server, c *call, run func(context.Context) (cpay.Message, error)) (out cpay.Message, err error) {
	defer func() {
		if p := recover(); p != nil {
			s.Log.ErrorContext(ctx, "request panicked", slog.String("method", c.route.method),
				slog.Any("panic", p), slog.String("stack", string(debug.Stack())))
			out, err = nil, errPanic
		}
	}()
	return run(ctx)
}

// errPanic stands for a fault of ours: its result is not known.
var errPanic = errors.New("request panicked")

// refusal is a request that could not be authenticated or read: status 101.
type refusal struct {
	internal int64
	text     string
}

func (e *refusal) Error() string { return e.text }

// Refusals of requests that nobody has vouched for. Unknown merchant and
// wrong MAC answer alike (design.md §9).
var (
	errTooLarge  = &refusal{text: "请求内容过大"}
	errMalformed = &refusal{text: "请求格式错误"}
	errAuthen    = &refusal{internal: cpay.InternalAuthen, text: cpay.DescriptionAuthen}
)

// open reads the body, finds whose keys may have authenticated it, verifies it
// with them and only then decodes it into m. A refused stranger is counted.
func (s *Server) open(r *http.Request, c *call, m cpay.Request) error {
	now := s.Now()
	if s.limits.flooded(r.RemoteAddr, now) {
		return errFlood
	}
	e, err := s.verified(r, c)
	if err != nil {
		if _, ok := errors.AsType[*refusal](err); ok {
			s.limits.refused(r.RemoteAddr, now)
		}
		return err
	}
	owner := c.device.SN
	if c.merchant != nil {
		owner = c.merchant.ID
		if err := s.limits.merchant(owner, now); err != nil {
			return err
		}
	}
	if err := e.Decode(m); err != nil {
		return unreadable(err)
	}
	c.about = subjectOf(m)
	if err := s.limits.device(owner, c.about.device, now); err != nil {
		return err
	}
	return m.Validate()
}

// verified returns the request's envelope once a key of the one it names has
// vouched for it.
func (s *Server) verified(r *http.Request, c *call) (*cpay.Envelope, error) {
	body, err := read(r, c.route.limit)
	if err != nil {
		return nil, err
	}
	c.size, c.body = len(body), body
	e, err := cpay.Parse(c.route.method, body)
	if err != nil {
		return nil, errMalformed
	}
	hint, err := e.Hint()
	if err != nil {
		return nil, errMalformed
	}
	if err := s.vouch(r.Context(), c, e, hint); err != nil {
		return nil, err
	}
	c.known, c.envelope, c.signed = true, e, e.Signed()
	c.authen = wire.KeepAuthen(e.AuthenInfo())
	return e, nil
}

// unreadable refuses a verified content that cannot be read (money.md §1:
// malformed is 101). Its sender is known and may read which member is wrong.
func unreadable(err error) error {
	if field, ok := errors.AsType[*cpay.FieldError](err); ok {
		return &refusal{text: field.Description()}
	}
	return errMalformed
}

// firstRead holds the usual request; longer ones grow as they come.
const firstRead = 4 << 10

// read returns the body, or errTooLarge.
func read(r *http.Request, limit int64) ([]byte, error) {
	size := r.ContentLength
	if size > limit {
		return nil, errTooLarge
	}
	if size < 0 || size > firstRead { // a promise of more takes no memory before it is kept
		size = firstRead
	}
	buf := make([]byte, 0, size+512) // room to see the end without growing
	lr := io.LimitedReader{R: r.Body, N: limit + 1}
	for {
		n, err := lr.Read(buf[len(buf):cap(buf)])
		buf = buf[:len(buf)+n]
		switch {
		case int64(len(buf)) > limit:
			return nil, errTooLarge
		case errors.Is(err, io.EOF):
			return buf, nil
		case err != nil:
			return nil, errMalformed
		}
		if len(buf) == cap(buf) {
			buf = append(buf, 0)[:len(buf)]
		}
	}
}

// write answers with HTTP 200 and a content length, as every client expects
// (protocol.md R19, R20).
func write(w http.ResponseWriter, body []byte) {
	h := w.Header()
	h["Content-Type"] = contentType
	h["Content-Length"] = []string{strconv.Itoa(len(body))}
	_, _ = w.Write(body)
}

var contentType = []string{"application/json;charset=UTF-8"}
