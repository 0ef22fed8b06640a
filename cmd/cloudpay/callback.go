package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"time"

	"cloudpay/internal/manage"
)

// callbackCmd looks at and works on what merchants are told (回调).
type callbackCmd struct {
	List      callbackListCmd      `cmd:"" help:"List attempts to tell a merchant, newest first; they are kept for 30 days."`
	Show      callbackShowCmd      `cmd:"" help:"Show one attempt: what was sent, what was answered."`
	Resend    callbackResendCmd    `cmd:"" help:"Tell a merchant once more: of one event, or of all that were sent in a time."`
	Ping      callbackPingCmd      `cmd:"" help:"Send a merchant's address a signed test callback, now; exit 1 if it is not acknowledged."`
	Endpoints callbackEndpointsCmd `cmd:"" help:"Show the addresses that a running server has met: which are down, and when it tries them next."`
}

type callbackListCmd struct {
	ofMerchant
	listFlags
	Since    time.Duration `name:"since" default:"24h" help:"Of the last so long, at most 720h."`
	Order    string        `name:"order" help:"Only of this out_trade_no."`
	Endpoint string        `name:"endpoint" placeholder:"https://HOST:443" help:"Only to this endpoint, as it is listed."`
	Failed   bool          `name:"failed" help:"Only those that were not acknowledged."`
}

// Run lists attempts.
func (c *callbackListCmd) Run(ctx context.Context, e env) error {
	if c.Since <= 0 {
		return usage("--since must be positive")
	}
	q := url.Values{"from": {time.Now().Add(-c.Since).UTC().Format(time.RFC3339)}}
	for name, v := range map[string]string{"out_trade_no": c.Order, "endpoint": c.Endpoint} {
		if v != "" {
			q.Set(name, v)
		}
	}
	if c.Failed {
		q.Set("failed", "true")
	}
	return c.list(ctx, e, c.listFlags, c.path("callbacks", "attempts"), q, []column{
		{"时间", "at"},
		{"记录编号", "id"},
		{"订单号", "out_trade_no"},
		{"事件", "event"},
		{"次数", "attempt"},
		{"地址", "endpoint"},
		{"HTTP", "http_status"},
		{"耗时(毫秒)", "took_ms"},
		{"已确认", "acknowledged"},
		{"原因", "error"},
	})
}

type callbackShowCmd struct {
	ofMerchant
	ID string `arg:"" help:"As callback list shows it."`
}

// Run prints the attempt.
func (c *callbackShowCmd) Run(ctx context.Context, e env) error {
	return c.send(ctx, e, http.MethodGet, c.path("callbacks", "attempts", c.ID), nil)
}

type callbackResendCmd struct {
	ofMerchant
	Order string    `name:"order" help:"One event of this out_trade_no."`
	Event string    `name:"event" default:"paid" help:"With --order: paid, reversed, or refund: and the refund number."`
	From  time.Time `name:"from" placeholder:"2026-11-25T20:00:00+08:00" help:"All events that were sent from this time on, whatever was answered."`
	To    time.Time `name:"to" placeholder:"2026-11-25T21:00:00+08:00" help:"With --from: until before this time, now without it."`
}

// Run puts the callbacks back to work: each begins its ladder anew.
func (c *callbackResendCmd) Run(ctx context.Context, e env) error {
	switch {
	case (c.Order == "") == c.From.IsZero():
		return usage("say --order NUMBER for one event, or --from TIME for all that were sent since")
	case c.Order != "" && !c.To.IsZero():
		return usage("--to goes with --from")
	case c.Order != "":
		return c.send(ctx, e, http.MethodPost, c.path("orders", c.Order, "callbacks"), body{"event": c.Event})
	}
	if c.To.IsZero() {
		if c.IdemKey != "" {
			return usage("--idempotency-key needs --to: without it a repetition asks for more")
		}
		c.To = time.Now()
	}
	return c.with(ctx, e, func(i *installation) error {
		count, err := c.resend(ctx, i)
		if x, ok := errors.AsType[*exitError](err); ok {
			return &exitError{code: x.code, err: fmt.Errorf("%w; sent again before that: %d", x.err, count)}
		} else if err != nil {
			return err
		}
		raw, err := json.Marshal(manage.ResendSent{Count: count})
		return errors.Join(err, c.print(e, raw))
	})
}

// resend goes through the pages of what was sent and returns how many events are
// sent again.
func (c *callbackResendCmd) resend(ctx context.Context, i *installation) (count int, err error) {
	in, key := body{"from": c.From.UTC(), "to": c.To.UTC()}, i.idemKey
	for page := 1; ; page++ {
		if key != "" {
			i.idemKey = fmt.Sprintf("%s-%d", key, page) // each page is a request of its own
		}
		raw, err := i.call(ctx, http.MethodPost, c.path("callbacks", "resend"), in)
		if err != nil {
			return count, err
		}
		var res manage.ResendSent
		if err := json.Unmarshal(raw, &res); err != nil {
			return count, fmt.Errorf("read the answer: %w", err)
		}
		count += res.Count
		if res.Next == "" {
			return count, nil
		}
		in["after"] = res.Next
	}
}

type callbackPingCmd struct{ ofMerchant }

// Run sends the test callback and prints how it went.
func (c *callbackPingCmd) Run(ctx context.Context, e env) error {
	return c.with(ctx, e, func(i *installation) error {
		raw, err := i.call(ctx, http.MethodPost, c.path("callbacks", "ping"), nil)
		if err != nil {
			return err
		}
		var a manage.CallbackAttempt
		if err := json.Unmarshal(raw, &a); err != nil {
			return fmt.Errorf("read the answer: %w", err)
		}
		if err := c.print(e, raw); err != nil {
			return err
		}
		if !a.Acknowledged {
			return &exitError{code: exitDeclined, err: errors.New("the test callback was not acknowledged: " + shown(a.Error))}
		}
		return nil
	})
}

type callbackEndpointsCmd struct{ manageFlags }

// Run lists endpoints. What they are like is known to a running server only.
func (c *callbackEndpointsCmd) Run(ctx context.Context, e env) error {
	if c.Server == "" {
		return usage("say which server: --server URL; only a running one knows how endpoints are")
	}
	return c.listAll(ctx, e, pathOf("callback-endpoints"), []column{
		{"地址", "endpoint"},
		{"子商户编号", "out_sub_mch_id"},
		{"状态", "state"},
		{"正在送", "running"},
		{"最多", "at_once"},
		{"连续失败", "failures"},
		{"从何时起", "down_since"},
		{"下次试送", "next_try_at"},
		{"原因", "last_error"},
	})
}
