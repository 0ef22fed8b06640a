package sandbox

import (
	"bytes"
	"cmp"
	"context"
	"fmt"
	"maps"
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"sync"
	"time"
)

// Limits of the log of requests, which is kept in memory.
const (
	maxExchanges  = 2000     // an afternoon of trying things out
	maxLogBytes   = 32 << 20 // beside the count, for large bodies
	maxKeptBody   = 64 << 10 // of one message; only bills are longer
	listExchanges = 100      // listed when nobody says how many
	maxListed     = 1000
)

// The two kinds of exchanges.
const (
	kindCall   = "call"   // somebody called a wallet
	kindNotice = "notice" // a wallet told a merchant
)

// The verdicts on an exchange.
const (
	verdictGood      = "good"      // the signature is right
	verdictBad       = "bad"       // it is not
	verdictUnchecked = "unchecked" // the call was refused before, or needs none
	verdictTaken     = "taken"     // the merchant acknowledged the notice
	verdictRefused   = "refused"   // he did not
)

// Exchange is one request with its answer, and what was thought of it. Payment
// codes, keys and tokens in it are masked.
type Exchange struct {
	ID         int64     `json:"id"`
	At         time.Time `json:"at"`
	Kind       string    `json:"kind"`
	Channel    Channel   `json:"channel"`
	Endpoint   string    `json:"endpoint,omitempty"`
	Method     string    `json:"method"`
	URL        string    `json:"url"`
	OutTradeNo string    `json:"out_trade_no,omitempty"`
	// Status is the answer's, 0 if the connection was cut without one.
	Status  int      `json:"status"`
	Cut     bool     `json:"cut,omitempty"`
	Faults  []string `json:"faults,omitempty"`
	Verdict Verdict  `json:"verdict"`
	Request *Message `json:"request,omitempty"`
	Answer  *Message `json:"answer,omitempty"`
}

// Verdict is what the reader of a request thought of its signature, or the
// wallet of a merchant's answer.
type Verdict struct {
	Result string `json:"result"`
	Scheme string `json:"scheme,omitempty"`
	Why    string `json:"why,omitempty"`
}

// Message is one direction of an exchange.
type Message struct {
	Header []string `json:"header"`
	Body   string   `json:"body"`
	Cut    bool     `json:"body_cut,omitempty"` // Body is only its beginning
	// Signed is the text a signature was computed over or checked against.
	Signed string `json:"signed,omitempty"`
}

// exchange is one under way. It belongs to the goroutine of its handler; the
// methods do nothing on nil, so that who judges need not know who logs.
type exchange struct {
	Exchange
	in, out keptBody
	signs   string
}

// keptBody keeps the beginning of what is written to it.
type keptBody struct {
	buf bytes.Buffer
	cut bool
}

// Write never fails: what does not fit is only not kept.
func (k *keptBody) Write(p []byte) (int, error) {
	room := maxKeptBody - k.buf.Len()
	if len(p) > room {
		k.cut = true
		k.buf.Write(p[:room])
		return len(p), nil
	}
	return k.buf.Write(p)
}

// exchangeKey is where a context carries the exchange it belongs to.
type exchangeKey struct{}

// exchangeOf returns the exchange of a call, nil if there is none.
func exchangeOf(ctx context.Context) *exchange {
	x, _ := ctx.Value(exchangeKey{}).(*exchange)
	return x
}

// judge writes down what the verifier of a request found: over which text, and
// why it is wrong, "" if it is right.
func judge(ctx context.Context, scheme, signed, problem string) {
	x := exchangeOf(ctx)
	if x == nil {
		return
	}
	x.Verdict = Verdict{Result: verdictGood, Scheme: scheme, Why: problem}
	if problem != "" {
		x.Verdict.Result = verdictBad
	}
	x.Request.Signed = signed
}

// unjudged writes down why a signature was not looked at.
func unjudged(ctx context.Context, why string) {
	if x := exchangeOf(ctx); x != nil {
		x.Verdict = Verdict{Result: verdictUnchecked, Why: why}
	}
}

// judgeAli writes down what became of an Alipay call's signature, which is
// checked before its token and content and after everything else.
func judgeAli(ctx context.Context, req *aliRequest, refusal aliAnswer) {
	scheme := cmp.Or(req.params["sign_type"], "RSA2")
	switch {
	case refusal.subCode == "isv.invalid-signature":
		judge(ctx, scheme, aliSignText(req.params), "sign does not verify with the application's public key over the text below: "+refusal.subText)
	case refusal.code != "" && refusal.code != "20001":
		unjudged(ctx, "refused before the signature: "+refusal.subCode)
	default:
		judge(ctx, scheme, aliSignText(req.params), "")
	}
}

// signed writes down the text that an answer's or a notice's signature is over.
func (x *exchange) signed(text string) {
	if x != nil {
		x.signs = text
	}
}

// aimed writes down which call this is and what befell it.
func (x *exchange) aimed(c call, faults []string) {
	if x == nil {
		return
	}
	x.Channel, x.Endpoint, x.OutTradeNo, x.Faults = c.channel, c.endpoint, c.outTradeNo, faults
}

// requestLog is the log: a ring bounded by count and bytes.
type requestLog struct {
	mu    sync.Mutex
	next  int64
	bytes int
	list  []*Exchange // oldest first
}

// begin starts an exchange at the sandbox's time.
func (s *Sandbox) beginExchange(kind string, ch Channel) *exchange {
	return &exchange{Exchange: Exchange{
		At: s.Now().UTC().Truncate(time.Millisecond), Kind: kind, Channel: ch,
		Verdict: Verdict{Result: verdictUnchecked}, Request: &Message{}, Answer: &Message{},
	}}
}

// endExchange masks what must not be kept and appends the exchange to the log.
func (s *Sandbox) endExchange(x *exchange) {
	x.Request.Body, x.Request.Cut = printable(x.in.buf.Bytes()), x.in.cut
	x.Answer.Body, x.Answer.Cut = printable(x.out.buf.Bytes()), x.out.cut
	if x.Kind == kindCall {
		x.Answer.Signed = x.signs
	} else {
		x.Request.Signed = x.signs
	}
	if x.OutTradeNo == "" {
		x.OutTradeNo = orderNumberIn(x.URL, x.Request.Body)
	}
	x.mask(s.secrets)
	x.keep(&s.requests)
}

// keep appends an exchange and drops the oldest beyond the limits.
func (x *exchange) keep(l *requestLog) {
	done := x.Exchange
	l.mu.Lock()
	defer l.mu.Unlock()
	l.next++
	done.ID = l.next
	l.list = append(l.list, &done)
	l.bytes += done.size()
	for len(l.list) > maxExchanges || l.bytes > maxLogBytes && len(l.list) > 1 {
		l.bytes -= l.list[0].size()
		l.list[0] = nil
		l.list = l.list[1:]
	}
}

// size is what an exchange costs in memory, nearly.
func (x *Exchange) size() int {
	const overhead = 600
	n := overhead + len(x.URL)
	for _, m := range []*Message{x.Request, x.Answer} {
		n += len(m.Body) + len(m.Signed)
		for _, h := range m.Header {
			n += len(h)
		}
	}
	return n
}

// Requests lists the newest exchanges of an order number and a wallet, empty
// for any, without headers and bodies. limit 0 is 100, 1000 the most.
func (s *Sandbox) Requests(outTradeNo string, ch Channel, limit int) []Exchange {
	if limit <= 0 {
		limit = listExchanges
	}
	l := &s.requests
	l.mu.Lock()
	defer l.mu.Unlock()
	out := []Exchange{}
	for _, e := range slices.Backward(l.list) {
		if len(out) >= min(limit, maxListed) {
			break
		}
		if outTradeNo != "" && e.OutTradeNo != outTradeNo || ch != "" && e.Channel != ch {
			continue
		}
		short := *e
		short.Request, short.Answer = nil, nil
		out = append(out, short)
	}
	return out
}

// Request returns one exchange in full. ErrNotFound: it was never there, or the
// log has moved on.
func (s *Sandbox) Request(id int64) (Exchange, error) {
	l := &s.requests
	l.mu.Lock()
	defer l.mu.Unlock()
	i, found := slices.BinarySearchFunc(l.list, id, func(e *Exchange, id int64) int { return int(e.ID - id) })
	if !found {
		return Exchange{}, fmt.Errorf("request %d: %w: the log keeps the newest %d", id, ErrNotFound, maxExchanges)
	}
	return *l.list[i], nil
}

// headerLines writes a header in a fixed order.
func headerLines(h http.Header) []string {
	lines := []string{}
	for _, name := range slices.Sorted(maps.Keys(h)) {
		for _, value := range h[name] {
			lines = append(lines, name+": "+value)
		}
	}
	return lines
}

// printable makes text of bytes: what is not UTF-8 (a GBK bill, a zip) is shown
// in Go's escapes.
func printable(raw []byte) string {
	text := string(raw)
	if strings.ToValidUTF8(text, "") == text && !strings.ContainsRune(text, 0) {
		return text
	}
	return strconv.Quote(text)
}

// logged is a wallet's handler whose calls are written down, those it cuts off
// included. What the handler sees and answers is not changed.
func (s *Sandbox) logged(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		ch := WeChat
		if strings.Contains(r.URL.Path, "gateway.do") || strings.HasPrefix(r.URL.Path, "/oauth2/") || r.URL.Path == cashierPath || r.URL.Path == aliBillPath || strings.Contains(r.Host, "alipay") {
			ch = Alipay
		}
		x := s.beginExchange(kindCall, ch)
		x.Method, x.URL, x.Cut = r.Method, r.URL.RequestURI(), true
		x.Request.Header = append([]string{"Host: " + r.Host}, headerLines(r.Header)...)
		// Without recover: a panic goes on and cuts the connection.
		defer s.endExchange(x)
		r = r.WithContext(context.WithValue(r.Context(), exchangeKey{}, x))
		r.Body = &keptReader{readCloser: r.Body, kept: &x.in}
		rec := &keptWriter{ResponseWriter: w, x: x}
		next.ServeHTTP(rec, r)
		if x.Cut = false; x.Status == 0 {
			rec.WriteHeader(http.StatusOK)
		}
	})
}

// keptReader keeps what is read through it.
type keptReader struct {
	readCloser
	kept *keptBody
}

// readCloser is io.ReadCloser under a name that may be embedded unexported.
type readCloser interface {
	Read(p []byte) (int, error)
	Close() error
}

// Read passes a read on.
func (k *keptReader) Read(p []byte) (int, error) {
	n, err := k.readCloser.Read(p)
	_, _ = k.kept.Write(p[:n])
	return n, err
}

// keptWriter keeps what is written through it.
type keptWriter struct {
	http.ResponseWriter
	x *exchange
}

// Unwrap lets http.ResponseController reach the connection.
func (k *keptWriter) Unwrap() http.ResponseWriter { return k.ResponseWriter }

// WriteHeader notes the status and the header as it stands.
func (k *keptWriter) WriteHeader(status int) {
	k.x.Status, k.x.Answer.Header = status, headerLines(k.Header())
	k.ResponseWriter.WriteHeader(status)
}

// Write notes the bytes, sent or not.
func (k *keptWriter) Write(p []byte) (int, error) {
	if k.x.Status == 0 {
		k.WriteHeader(http.StatusOK)
	}
	_, _ = k.x.out.Write(p)
	return k.ResponseWriter.Write(p)
}

// getRequests lists the log.
func (s *Sandbox) getRequests(r *http.Request) (int, any, error) {
	q, err := readLogQuery(r)
	if err != nil {
		return 0, nil, err
	}
	return http.StatusOK, map[string][]Exchange{"requests": s.Requests(q.outTradeNo, q.channel, q.limit)}, nil
}

// getRequest shows one exchange.
func (s *Sandbox) getRequest(r *http.Request) (int, any, error) {
	id, err := strconv.ParseInt(r.PathValue("id"), 10, 64)
	if err != nil {
		return 0, nil, fmt.Errorf("%w id: it is a number", ErrInvalid)
	}
	x, err := s.Request(id)
	return http.StatusOK, x, err
}

// logQuery is what a list of the log can be narrowed by.
type logQuery struct {
	outTradeNo string
	channel    Channel
	limit      int
}

// readLogQuery reads the query of a list and refuses what it does not know.
func readLogQuery(r *http.Request) (logQuery, error) {
	values, err := url.ParseQuery(r.URL.RawQuery)
	if err != nil {
		return logQuery{}, fmt.Errorf("%w query: %w", ErrInvalid, err)
	}
	for name := range values {
		if name != "out_trade_no" && name != "channel" && name != "limit" {
			return logQuery{}, fmt.Errorf("%w query parameter %s: use out_trade_no, channel and limit", ErrInvalid, cut(name))
		}
	}
	q := logQuery{outTradeNo: values.Get("out_trade_no"), channel: Channel(values.Get("channel"))}
	if q.channel != "" && q.channel != WeChat && q.channel != Alipay {
		return q, fmt.Errorf("%w channel %q: use %q or %q", ErrInvalid, cut(string(q.channel)), WeChat, Alipay)
	}
	if limit := values.Get("limit"); limit != "" {
		q.limit, err = strconv.Atoi(limit)
		if err != nil || q.limit < 1 || q.limit > maxListed {
			return q, fmt.Errorf("%w limit: use 1 to %d", ErrInvalid, maxListed)
		}
	}
	return q, nil
}
