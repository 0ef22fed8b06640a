package gateway

import (
	"context"
	"errors"
	"log/slog"
	"net/url"
	"regexp"
	"strings"
	"sync"
	"time"

	"cloudpay/internal/directory"
	"cloudpay/internal/monitor"
	"cloudpay/internal/notify"
	"cloudpay/internal/pay"
	"cloudpay/internal/store"
)

// EventPing is the event of a test callback.
const EventPing = "ping"

// Limits of the delivery log.
const (
	// CallbackRetention is how long an attempt is remembered.
	CallbackRetention = 30 * 24 * time.Hour
	// maxRequestKept is how much of a content is kept: the whole of all but those
	// with long lists of goods.
	maxRequestKept = 4 << 10
	maxReplyKept   = 1 << 10
	maxTargetKept  = 512
	// trimEvery is how often the oldest are looked for, and trimBatch how many go
	// at once: while there are more, each attempt that is kept takes some with it.
	trimEvery = time.Hour
	trimBatch = 200
	// keepWithin ends the writing of an attempt: the log must not hold up the
	// callbacks.
	keepWithin = 5 * time.Second
	// maxPings is how many test callbacks are under way at once.
	maxPings = 4
)

// trimming remembers when the log was last trimmed.
type trimming struct {
	mu   sync.Mutex
	next time.Time
}

// due reports whether to trim now, and plans the next time.
func (t *trimming) due(now time.Time) bool {
	t.mu.Lock()
	defer t.mu.Unlock()
	if now.Before(t.next) {
		return false
	}
	t.next = now.Add(trimEvery)
	return true
}

// soon plans the next trimming at once: there was more.
func (t *trimming) soon() {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.next = time.Time{}
}

// attemptOf is what is remembered of one attempt to tell m of an event.
func attemptOf(m *directory.Merchant, to notify.Target, content []byte, res notify.Result) store.CallbackAttempt {
	mask := func(s string, limit int) string { return monitor.Mask(s, m.Prefixes, limit) }
	return store.CallbackAttempt{
		MerchantID: m.ID, Endpoint: mask(notify.Endpoint(to.URL), maxTargetKept), Target: mask(shownURL(to.URL), maxTargetKept),
		Request: mask(ownAddress.ReplaceAllString(string(content), "${1}***"), maxRequestKept), Reply: mask(res.Reply, maxReplyKept),
		Acknowledged: res.Delivered, HTTPStatus: int64(res.HTTPStatus), Error: res.Err,
	}
}

// ownAddress is where a content repeats the address that an order chose: its
// query may be a credential, and Target shows the rest.
var ownAddress = regexp.MustCompile(`("caller_notify_url":")(?:[^"\\]|\\.)*`)

// keyLike is a piece of a path that may be a credential, as the addresses of
// chat robots and web hooks carry: long, and of letters and digits mixed.
var keyLike = regexp.MustCompile(`^[A-Za-z0-9._~%+=-]{20,}$`)

// shownPath is a path with the pieces that may be credentials left out.
func shownPath(path string) string {
	parts := strings.Split(path, "/")
	for i, p := range parts {
		if keyLike.MatchString(p) && strings.ContainsAny(p, "0123456789") {
			parts[i] = "***"
		}
	}
	return strings.Join(parts, "/")
}

// shownURL is an address without the values of its query and the pieces of its
// path that may be credentials.
func shownURL(address string) string {
	u, err := url.Parse(address)
	if err != nil {
		return ""
	}
	q := u.Query()
	for name := range q {
		q.Set(name, "***")
	}
	u.RawQuery, u.User, u.Fragment = strings.ReplaceAll(q.Encode(), url.QueryEscape("***"), "***"), nil, ""
	u.Path, u.RawPath = shownPath(u.Path), ""
	return strings.ReplaceAll(u.String(), "%2A%2A%2A", "***")
}

// keepAttempt writes an attempt to the delivery log. That it cannot be written is
// logged and stops nobody: the job decides what is delivered, not the log.
func (g *Gateway) keepAttempt(ctx context.Context, a store.CallbackAttempt) store.CallbackAttempt {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), keepWithin)
	defer cancel()
	a.ID = g.Store.NewUnit()
	err := g.Store.KeepCallback(ctx, a)
	if err == nil && g.trimming.due(g.now()) {
		var more bool
		if more, err = g.Store.PurgeCallbacks(ctx, g.now().Add(-CallbackRetention), trimBatch); more {
			g.trimming.soon()
		}
	}
	if err != nil {
		g.Log.WarnContext(ctx, "the log of callbacks cannot be written", slog.String("merchant_id", a.MerchantID), slog.String("error", err.Error()))
	}
	return a
}

// errPings says that too many test callbacks are under way.
var errPings = pay.Refuse(pay.ErrUnavailable, "pings", "测试回调过多，请稍后再试")

// Ping sends a merchant's endpoint, or its provider's, one test callback, signed
// like any other, and returns how it went. It is tried once, whatever the breaker
// says, and is kept in the delivery log. The error is of kind pay.ErrDenied when
// there is no address to tell.
func (g *Gateway) Ping(ctx context.Context, m *directory.Merchant) (store.CallbackAttempt, error) {
	to, err := g.callbackURL(ctx, m, "")
	if err != nil {
		return store.CallbackAttempt{}, err
	}
	if to == "" {
		return store.CallbackAttempt{}, errNoAddress
	}
	if g.pings.Add(1) > maxPings {
		g.pings.Add(-1)
		return store.CallbackAttempt{}, errPings
	}
	defer g.pings.Add(-1)
	began := g.now()
	target, content := notify.Target{URL: to, Key: callbackKey(m, 1, began)}, notify.PingContent()
	res := g.Notify.Deliver(ctx, target, content)
	a := attemptOf(m, target, content, res)
	a.At, a.Event, a.Attempt, a.AuthenKey, a.Took = began, EventPing, 1, 1, g.now().Sub(began)
	return g.keepAttempt(ctx, a), nil
}

// errNoAddress says that there is nobody to tell.
var errNoAddress = pay.Refuse(pay.ErrDenied, "no_address", "没有回调地址，请先设置 notify_url")

// Resent says what became of ResendSent.
type Resent struct {
	Count int             // events that are sent again
	Next  store.SentEvent // the last one looked at, if there may be more
	More  bool
}

// ResendSent tells a merchant once more of every event that was sent from one
// time until before another, whatever he answered, as the delivery log has them:
// at most limit, in order from after a given one. Each begins its ladder anew.
// Of an order whose events are no longer true, such as a payment that was
// reversed since, nothing is sent.
func (g *Gateway) ResendSent(ctx context.Context, m *directory.Merchant, from, to time.Time, after store.SentEvent, limit int) (Resent, error) {
	events, err := g.Store.SentEvents(ctx, m.ID, from, to, after, limit)
	if err != nil {
		return Resent{}, err
	}
	r := Resent{More: len(events) == limit}
	for _, e := range events {
		r.Next = e
		err := g.Resend(ctx, m, e.OutTradeNo, e.Event)
		switch {
		case errors.Is(err, pay.ErrNotFound), errors.Is(err, pay.ErrDenied):
		case err != nil:
			return r, err
		default:
			r.Count++
		}
	}
	return r, nil
}
