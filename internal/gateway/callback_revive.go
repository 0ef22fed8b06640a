package gateway

import (
	"context"
	"encoding/json"
	"log/slog"
	"sync"
	"time"

	"cloudpay/internal/jobs"
)

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
	since map[[2]string]time.Time // by list and address
}

// rests reports whether the address was looked for a moment ago, in vain.
func (r *resting) rests(list, url string, now time.Time) bool {
	r.mu.Lock()
	defer r.mu.Unlock()
	since, ok := r.since[[2]string{list, url}]
	return ok && now.Sub(since) < reviveRest
}

func (r *resting) rest(list, url string, now time.Time) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.since == nil || len(r.since) >= maxResting {
		r.since = map[[2]string]time.Time{}
	}
	r.since[[2]string{list, url}] = now
}

// revive puts the buried callbacks of an address that has just answered
// back into service, oldest first, so that those of one order keep their order
// (money.md §6): whosever they are in the lane, and of the merchant those that were
// buried at an address that he has left. Other addresses of the endpoint may still
// refuse theirs, which stay. What cannot be read now is found at a later delivery.
func (g *Gateway) revive(ctx context.Context, merchantID, lane, url string) {
	g.reviveFrom(ctx, "lane "+lane, url, func(last jobs.Job) ([]jobs.Job, error) {
		return g.Store.BuriedJobs(ctx, kindCallback, lane, last, revivePage)
	})
	g.reviveFrom(ctx, "merchant "+merchantID, url, func(last jobs.Job) ([]jobs.Job, error) {
		return g.Store.BuriedJobsOf(ctx, merchantID, kindCallback, last, revivePage)
	})
}

// reviveFrom does it with the pages of one list.
func (g *Gateway) reviveFrom(ctx context.Context, list, url string, page func(last jobs.Job) ([]jobs.Job, error)) {
	if g.resting.rests(list, url, g.now()) {
		return
	}
	var last jobs.Job
	for range reviveLooks / revivePage {
		buried, err := page(last)
		if err != nil {
			g.Log.WarnContext(ctx, "buried callbacks cannot be read", slog.String("list", list), slog.String("error", err.Error()))
			return
		}
		if g.release(ctx, url, buried) > 0 {
			g.runner.Wake()
			return
		}
		if len(buried) < revivePage {
			break
		}
		last = buried[len(buried)-1]
	}
	g.resting.rest(list, url, g.now())
}

// release puts those of the buried callbacks that go to url back into service,
// and returns how many they were.
func (g *Gateway) release(ctx context.Context, url string, buried []jobs.Job) (n int) {
	for _, j := range buried {
		var cb callback
		if json.Unmarshal([]byte(j.Payload), &cb) != nil {
			continue // it is out of service because it cannot be read
		}
		if to, err := g.addressOf(ctx, j.MerchantID, cb); err != nil || to != url {
			continue
		}
		released, err := g.Store.ReleaseJob(ctx, j.Key, g.now())
		if released {
			n++
			g.Log.InfoContext(ctx, "callback back in service: its address answers again",
				slog.String("merchant_id", j.MerchantID), slog.String("out_trade_no", cb.OutTradeNo), slog.String("event", cb.Event))
		} else if err != nil {
			g.Log.WarnContext(ctx, "callback cannot be put back", slog.String("merchant_id", j.MerchantID), slog.String("error", err.Error()))
			return n
		}
	}
	return n
}

// addressOf is where a callback goes now, "" for nowhere.
func (g *Gateway) addressOf(ctx context.Context, merchantID string, cb callback) (string, error) {
	m, err := g.Directory.Merchant(ctx, merchantID)
	if err != nil {
		return "", err
	}
	o, err := g.Store.Order(ctx, merchantID, cb.OutTradeNo)
	if err != nil {
		return "", err
	}
	own, _, err := g.render(ctx, o, cb.Event)
	if err != nil {
		return "", err
	}
	return g.callbackURL(ctx, m, own)
}
