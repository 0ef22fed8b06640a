package gateway

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"strings"
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
	url, err := g.callbackURL(ctx, m, own)
	if err == nil && url == "" {
		return jobs.Edit{}, false
	} // an address that cannot be read now is looked up again by the job
	payload, err := json.Marshal(callback{OutTradeNo: outTradeNo, Event: event})
	if err != nil {
		panic("gateway: a callback of strings does not encode: " + err.Error())
	}
	seq := now.UnixMilli()
	if event == pay.EventPaid {
		seq = 0 // what follows may be written by a clock that is behind this one
	}
	return jobs.Edit{Put: &jobs.Job{
		Key:   jobs.Key{MerchantID: m.ID, Kind: kindCallback, Ref: outTradeNo + "/" + event},
		State: jobs.Ready, Queue: "callback:" + outTradeNo, Seq: seq, Lane: callbackLane(m, own, url),
		Payload: string(payload), RunAt: now, CreatedAt: now,
	}}, true
}

// callbackLane names the lane of callbacks to an address: its endpoint, so that
// what is dead delays only what goes there. An address that an order or refund
// chose is its merchant's own lane: nobody may spoil an endpoint for others by
// sending it what it does not take.
func callbackLane(m *directory.Merchant, own, url string) string {
	lane := notify.Endpoint(url)
	if own != "" && lane != "" {
		lane += " " + m.ID
	}
	return lane
}

// callbackJob delivers one event. Anything but an acknowledgement is an error,
// so that the job goes on to the next step of notify.Ladder and is buried at
// its end. A job whose address has changed since is first moved to the lane it
// belongs to now.
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
	if lane := callbackLane(m, own, url); lane != j.Lane {
		return jobs.Shift(lane), nil
	}
	began := g.now()
	to := notify.Target{URL: url, Key: callbackKey(m, j.Attempt, began)}
	res := g.Notify.Deliver(ctx, to, content)
	g.Metrics.delivered(res.Delivered)
	a := attemptOf(m, to, content, res)
	a.At, a.OutTradeNo, a.Event, a.Attempt, a.Took = began, cb.OutTradeNo, cb.Event, j.Attempt, g.now().Sub(began)
	a.AuthenKey = 1 + max(j.Attempt-1, 0)%int64(max(len(m.CallbackKeys(began)), 1))
	g.keepAttempt(ctx, a)
	g.Log.InfoContext(ctx, "callback sent",
		slog.String("merchant_id", j.MerchantID), slog.String("out_trade_no", cb.OutTradeNo),
		slog.String("event", cb.Event), slog.Bool("acknowledged", res.Delivered),
		slog.Int64("attempt", j.Attempt), slog.Int("http_status", res.HTTPStatus), slog.String("error", res.Err))
	if !res.Delivered {
		return jobs.Verdict{}, fateOf(res)
	}
	g.revive(ctx, j.MerchantID, j.Lane, url)
	return jobs.Done(), nil
}

// fateOf is the error of a callback that was not taken. It says whether that is
// the endpoint's fault.
func fateOf(res notify.Result) error {
	err := errors.New(res.Err)
	switch res.Endpoint {
	case notify.Down:
		return jobs.LaneDown(err)
	case notify.Up:
		return jobs.LaneUp(err)
	case notify.Unheard:
	}
	return err
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
