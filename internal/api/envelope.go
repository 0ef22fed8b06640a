package api

import (
	"context"
	"encoding/binary"
	"errors"
	"io"
	"log/slog"
	"net/http"
	"runtime/debug"
	"strconv"
	"sync/atomic"
	"time"

	"cloudpay/cpay"
	"cloudpay/internal/directory"
	"cloudpay/internal/pay"
)

// call is one request on its way through.
type call struct {
	method   cpay.Method
	merchant *directory.Merchant // set once the MAC or signature has been verified
	signed   bool                // authenticated by signature
	key      cpay.Key
	head     cpay.Head
	size     int
}

// handle makes the handler of one interface: read, authenticate, decode,
// validate, call, answer. The message M is read only after the exact bytes
// have been verified (design.md §9).
func handle[M any, P interface {
	*M
	cpay.Request
}](s *Server, method cpay.Method, use func(context.Context, *call, P) (cpay.Message, error)) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		start := s.Now()
		c := &call{method: method, head: cpay.Head{LogID: s.logIDs.next()}}
		var m M
		body, err := guarded(r.Context(), s, c, func(ctx context.Context) (cpay.Message, error) {
			if err := s.open(r, c, P(&m)); err != nil {
				return nil, err
			}
			return use(ctx, c, P(&m))
		})
		s.status(c, err)
		write(w, cpay.SealResponse(c.head, method, body, c.key))
		s.done(r.Context(), c, err, s.Now().Sub(start))
	})
}

// guarded runs one request and turns a panic into errPanic, with its stack in
// the log.
func guarded(ctx context.Context, s *Server, c *call, run func(context.Context) (cpay.Message, error)) (out cpay.Message, err error) {
	defer func() {
		if p := recover(); p != nil {
			s.Log.ErrorContext(ctx, "request panicked", slog.String("method", c.method),
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

// open reads the body, finds the merchant it names, verifies it with that
// merchant's keys and only then decodes it into m.
func (s *Server) open(r *http.Request, c *call, m cpay.Request) error {
	body, err := read(r)
	if err != nil {
		return err
	}
	c.size = len(body)
	e, err := cpay.ParseRequest(body)
	if err != nil {
		return errMalformed
	}
	hint, err := e.Hint()
	if err != nil {
		return errMalformed
	}
	merchant, known, err := s.Directory.Claimed(r.Context(), hint.OutSubMchID)
	if err != nil {
		return err
	}
	key := cpay.NewKey(merchant.AuthenKey.Reveal())
	public := merchant.PublicKey
	if public == nil { // a signature for nobody's key is refused as slowly as any other
		public = s.Directory.Stranger().PublicKey
	}
	if err := e.Verify(cpay.Keys{AuthenKey: key, PublicKey: public}); err != nil || !known {
		return errAuthen
	}
	c.merchant, c.key, c.signed = merchant, key, e.Signed()
	if err := e.Decode(m); err != nil {
		return unreadable(err)
	}
	return m.Validate()
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
func read(r *http.Request) ([]byte, error) {
	size := r.ContentLength
	if size > maxBody {
		return nil, errTooLarge
	}
	if size < 0 || size > firstRead { // a promise of more takes no memory before it is kept
		size = firstRead
	}
	buf := make([]byte, 0, size+512) // room to see the end without growing
	lr := io.LimitedReader{R: r.Body, N: maxBody + 1}
	for {
		n, err := lr.Read(buf[len(buf):cap(buf)])
		buf = buf[:len(buf)+n]
		switch {
		case len(buf) > maxBody:
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

// done writes the one log line of a request. It holds no content: sizes and
// names only.
func (s *Server) done(ctx context.Context, c *call, err error, took time.Duration) {
	status := strconv.FormatInt(int64(c.head.Status), 10)
	s.requests.WithLabelValues(c.method, status).Observe(took.Seconds())
	level := slog.LevelDebug
	var attrs []slog.Attr
	if err != nil {
		level = slog.LevelInfo
		attrs = append(attrs, slog.String("error", err.Error()))
		if c.head.Status == cpay.StatusInternal {
			level = slog.LevelError
		}
	}
	if !s.Log.Enabled(ctx, level) {
		return
	}
	if c.merchant != nil {
		attrs = append(attrs, slog.String("merchant_id", c.merchant.ID))
	}
	attrs = append(attrs, slog.String("method", c.method), slog.String("status", status),
		slog.Int64("log_id", int64(c.head.LogID)), slog.Int("request_bytes", c.size), slog.Duration("took", took))
	s.Log.LogAttrs(ctx, level, "request answered", attrs...)
}

// status is the only place that turns an error into a status of the protocol
// (style.md §B.4, money.md §1).
func (s *Server) status(c *call, err error) {
	h := &c.head
	var (
		refused *refusal
		ours    *pay.Error
		field   *cpay.FieldError
	)
	switch {
	case err == nil:
		return
	case errors.As(err, &refused):
		h.Status, h.InternalStatus, h.Description = cpay.StatusBadCall, refused.internal, refused.text
	case errors.As(err, &field):
		h.Status, h.Description = cpay.StatusRefused, field.Description()
	case errors.As(err, &ours):
		h.Status, h.InternalStatus = statusOf(ours)
		h.Description = ours.Text
	case c.merchant != nil:
		// Something of ours broke after the request was accepted: its result is
		// unknown, never failed (P3).
		h.Status, h.Description = cpay.StatusUnknown, "系统内部错误，结果未知，请稍后查询"
	default:
		h.Status, h.Description = cpay.StatusInternal, "系统内部错误，请稍后重试"
	}
	if c.merchant == nil && h.Status.Authenticated() {
		h.Status = cpay.StatusBadCall // nobody to authenticate the answer for
	}
}

// statusOf is the table from kinds to statuses.
func statusOf(e *pay.Error) (cpay.Status, int64) {
	switch {
	case errors.Is(e, pay.ErrUnavailable):
		return cpay.StatusUnknown, 0
	case errors.Is(e, pay.ErrDead):
		return cpay.StatusNewNumber, 0
	case errors.Is(e, pay.ErrConflict):
		return cpay.StatusRefused, cpay.InternalReentry
	case errors.Is(e, pay.ErrNotFound):
		if e.Code == codeRefundMissing {
			return cpay.StatusRefused, cpay.InternalNoRefund
		}
		return cpay.StatusRefused, cpay.InternalNoOrder
	}
	return cpay.StatusRefused, 0
}

// logIDs numbers requests: positive 32-bit numbers that differ between starts
// (protocol.md R24).
type logIDs struct{ last atomic.Uint32 }

func (l *logIDs) start(now time.Time) {
	var b [8]byte
	binary.BigEndian.PutUint64(b[:], uint64(now.UnixMilli()))
	l.last.Store(binary.BigEndian.Uint32(b[4:]))
}

func (l *logIDs) next() uint32 {
	for {
		if n := l.last.Add(1); n != 0 {
			return n
		}
	}
}
