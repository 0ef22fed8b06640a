package gateway

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"strings"
	"sync"
	"time"

	"cloudpay/internal/directory"
	"cloudpay/internal/jobs"
	"cloudpay/internal/notify"
	"cloudpay/internal/pay"
	"cloudpay/internal/secret"
)

// callback is the payload of a callback job: which event of which order. The
// body is rendered at each attempt from the state of that moment; event and
// number are the key by which a merchant drops repetitions (money.md §6). The
// address is not part of it: it stands in the order and may be longer than a
// job's payload.
type callback struct {
	OutTradeNo string `json:"out_trade_no"`
	Event      string `json:"event"` // pay.EventPaid, pay.EventReversed, or pay.EventRefund and the refund number
}

// callbackEdit is the job that tells the merchant of an event, due at once. ok
// is false when there is nobody to tell. Jobs of one order stand in one line,
// in event order.
func (g *Gateway) callbackEdit(ctx context.Context, m *directory.Merchant, outTradeNo, own, event string, now time.Time) (jobs.Edit, bool) {
	if url, err := g.callbackURL(ctx, m, own); err == nil && url == "" {
		return jobs.Edit{}, false
	} // an address that cannot be read now is looked up again by the job
	payload, err := json.Marshal(callback{OutTradeNo: outTradeNo, Event: event})
	if err != nil {
		panic("gateway: a callback of strings does not encode: " + err.Error())
	}
	return jobs.Edit{Put: &jobs.Job{
		Key:   jobs.Key{MerchantID: m.ID, Kind: kindCallback, Ref: outTradeNo + "/" + event},
		State: jobs.Ready, Queue: "callback:" + outTradeNo, Seq: now.UnixMilli(),
		Payload: string(payload), RunAt: now, CreatedAt: now,
	}}, true
}

// callbackJob delivers one event. Anything but an acknowledgement is an error,
// so that the job goes on to the next step of notify.Ladder and is buried at
// its end.
func (g *Gateway) callbackJob(ctx context.Context, j jobs.Job) (jobs.Verdict, error) {
	var cb callback
	if err := json.Unmarshal([]byte(j.Payload), &cb); err != nil {
		return jobs.Bury("payload is not readable"), nil //nolint:nilerr // a row that cannot be read needs a person, not another try
	}
	o, err := g.Store.Order(ctx, j.MerchantID, cb.OutTradeNo)
	if err != nil {
		return jobs.Verdict{}, fmt.Errorf("read order: %w", err)
	}
	m, err := g.Directory.Merchant(ctx, j.MerchantID)
	if err != nil {
		return jobs.Verdict{}, fmt.Errorf("find merchant: %w", err)
	}
	own, content, err := g.render(ctx, o, cb.Event)
	if err != nil {
		return jobs.Verdict{}, err
	}
	url, err := g.callbackURL(ctx, m, own)
	if err != nil {
		return jobs.Verdict{}, err
	}
	if url == "" {
		return jobs.Done(), nil // the address was taken away: nobody is left to tell
	}
	res := g.Notify.Deliver(ctx, notify.Target{URL: url, Key: callbackKey(m, j.Attempt, g.now())}, content)
	g.Metrics.delivered(res.Delivered)
	g.Log.InfoContext(ctx, "callback sent",
		slog.String("merchant_id", j.MerchantID), slog.String("out_trade_no", cb.OutTradeNo),
		slog.String("event", cb.Event), slog.Bool("acknowledged", res.Delivered),
		slog.Int64("attempt", j.Attempt), slog.Int("http_status", res.HTTPStatus), slog.String("error", res.Err))
	if !res.Delivered {
		return jobs.Verdict{}, errors.New(res.Err)
	}
	g.revive(ctx, m, url)
	return jobs.Done(), nil
}

// callbackKey is the key that an attempt is signed with: while two are in force
// a rejection makes the next attempt use the other one (money.md §6).
func callbackKey(m *directory.Merchant, attempt int64, now time.Time) secret.Secret {
	keys := m.CallbackKeys(now)
	if len(keys) == 0 {
		return m.AuthenKey
	}
	return keys[max(attempt-1, 0)%int64(len(keys))].Authen
}

// Limits of looking for buried callbacks when an endpoint answers.
const (
	// revivePage is how many are put back at most; each that then goes through
	// brings the next.
	revivePage = 100
	// reviveLooks is how many of other addresses are passed over.
	reviveLooks = 2000
	// reviveRest is how long an address for which nothing was found is not looked
	// for again: a busy one answers all the time.
	reviveRest = time.Minute
	// maxResting bounds the addresses that are remembered; losing them costs one look each.
	maxResting = 4096
)

// resting remembers when nothing was found for an address.
type resting struct {
	mu    sync.Mutex
	since map[[2]string]time.Time // by merchant and address
}

// rests reports whether the address was looked for a moment ago, in vain.
func (r *resting) rests(merchant, url string, now time.Time) bool {
	r.mu.Lock()
	defer r.mu.Unlock()
	since, ok := r.since[[2]string{merchant, url}]
	return ok && now.Sub(since) < reviveRest
}

func (r *resting) rest(merchant, url string, now time.Time) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.since == nil || len(r.since) >= maxResting {
		r.since = map[[2]string]time.Time{}
	}
	r.since[[2]string{merchant, url}] = now
}

// revive puts the buried callbacks of an address that has just answered back
// into service, oldest first, so that those of one order keep their order
// (money.md §6). What cannot be read now is found at a later delivery.
func (g *Gateway) revive(ctx context.Context, m *directory.Merchant, url string) {
	if g.resting.rests(m.ID, url, g.now()) {
		return
	}
	var last jobs.Job
	for range reviveLooks / revivePage {
		buried, err := g.Store.BuriedJobs(ctx, m.ID, kindCallback, last, revivePage)
		if err != nil {
			g.Log.WarnContext(ctx, "buried callbacks cannot be read", slog.String("merchant_id", m.ID), slog.String("error", err.Error()))
			return
		}
		if g.release(ctx, m, url, buried) > 0 {
			g.runner.Wake()
			return
		}
		if len(buried) < revivePage {
			break
		}
		last = buried[len(buried)-1]
	}
	g.resting.rest(m.ID, url, g.now())
}

// release puts those of the buried callbacks that go to url back into service,
// and returns how many they were.
func (g *Gateway) release(ctx context.Context, m *directory.Merchant, url string, buried []jobs.Job) (n int) {
	for _, j := range buried {
		var cb callback
		if json.Unmarshal([]byte(j.Payload), &cb) != nil {
			continue // it is out of service because it cannot be read
		}
		o, err := g.Store.Order(ctx, m.ID, cb.OutTradeNo)
		if err != nil {
			continue
		}
		own, _, err := g.render(ctx, o, cb.Event)
		if err != nil {
			continue
		}
		if to, err := g.callbackURL(ctx, m, own); err != nil || to != url {
			continue
		}
		released, err := g.Store.ReleaseJob(ctx, j.Key, g.now())
		if released {
			n++
			g.Log.InfoContext(ctx, "callback back in service: its address answers again",
				slog.String("merchant_id", m.ID), slog.String("out_trade_no", cb.OutTradeNo), slog.String("event", cb.Event))
		} else if err != nil {
			g.Log.WarnContext(ctx, "callback cannot be put back", slog.String("merchant_id", m.ID), slog.String("error", err.Error()))
			return n
		}
	}
	return n
}

// render makes the content of one event of an order, and says which address
// the order or refund chose for it, "" for none.
func (g *Gateway) render(ctx context.Context, o pay.Order, event string) (own string, content []byte, err error) {
	no, isRefund := strings.CutPrefix(event, pay.EventRefund)
	switch {
	case isRefund:
		r, err := g.Store.Refund(ctx, o.MerchantID, no)
		if err != nil {
			return "", nil, fmt.Errorf("read refund: %w", err)
		}
		return refundURL(o, r), notify.RefundContent(o, r), nil
	case event == pay.EventReversed:
		return o.NotifyURL, notify.ReversedContent(o), nil
	}
	return o.NotifyURL, notify.PaidContent(o), nil
}

// refundURL is the address that a refund's request or its order's request chose,
// "" for neither: caller_notify_url stands for the whole order.
func refundURL(o pay.Order, r pay.Refund) string {
	if r.NotifyURL != "" {
		return r.NotifyURL
	}
	return o.NotifyURL
}

// callbackURL is where a merchant wants to be told: the order's own address,
// the merchant's, or the provider's.
func (g *Gateway) callbackURL(ctx context.Context, m *directory.Merchant, own string) (string, error) {
	if own != "" {
		return own, nil
	}
	if m.NotifyURL != "" {
		return m.NotifyURL, nil
	}
	p, err := g.Directory.Provider(ctx, m.ProviderID)
	if err != nil {
		return "", fmt.Errorf("find provider: %w", err)
	}
	return p.NotifyURL, nil
}
