package jobs

import (
	"context"
	"log/slog"
	"time"
)

// claimed is a job that this process holds. end tells its lane how it went.
type claimed struct {
	Job

	end func(was fate, took time.Duration, now time.Time, why string) (opened, closed bool)
}

// hold counts a claimed job in.
func (k *kind) hold(j Job) claimed {
	c := claimed{j, func(fate, time.Duration, time.Time, string) (bool, bool) { return false, false }}
	if k.lanes != nil && j.Lane != "" {
		c.end = k.lanes.begin(j.Lane)
	}
	return c
}

// drop counts a job out that was claimed and not done.
func (c claimed) drop() { c.end(laneUnknown, 0, time.Time{}, "") }

// claimLanes claims jobs of lanes: of every lane as many as it may have under way.
func (l *loop) claimLanes(ctx context.Context) (time.Duration, error) {
	wait := l.maxIdle
	for _, name := range l.names {
		k := l.kinds[name]
		if k.lanes == nil || len(k.waiting) > 0 {
			continue
		}
		for ctx.Err() == nil {
			limit := min(l.batch, l.workers-l.running)
			got, next, err := l.claimKind(ctx, name, k, limit)
			if err != nil {
				return 0, err
			}
			wait = min(wait, next)
			if limit <= 0 || got < limit {
				break
			}
		}
	}
	return wait, nil
}

// claimKind claims at most limit jobs of the lanes of one kind and returns how
// many it got, and how long its lanes may be left alone.
func (l *loop) claimKind(ctx context.Context, name string, k *kind, limit int) (got int, next time.Duration, err error) {
	room := min(k.Concurrency-k.running, limit)
	if room <= 0 {
		return 0, l.maxIdle, nil // the end of an attempt wakes us
	}
	now := l.now()
	l.looked = now
	due, err := l.queue.Lanes(ctx, name, k.cursor, maxLanesSeen)
	if err != nil {
		return 0, 0, err
	}
	next, k.cursor = l.maxIdle, ""
	if len(due) == maxLanesSeen {
		next, k.cursor = spacing, due[len(due)-1].Lane
	}
	wants, at := k.lanes.share(due, room, now)
	if !at.IsZero() {
		next = min(next, at.Sub(now))
	}
	if len(wants) == 0 {
		return 0, next, nil
	}
	js, err := l.queue.ClaimLanes(ctx, name, now, k.Lease, wants)
	if err != nil {
		return 0, 0, err
	}
	had := make(map[string]bool, len(wants))
	for _, j := range js {
		had[j.Lane] = true
	}
	for _, w := range wants {
		if !had[w.Lane] {
			k.lanes.rest(w.Lane, now)
		}
	}
	l.take(js)
	l.start()
	return len(js), next, nil
}

// tell tells the lane of a job how its attempt went.
func (r *Runner) tell(ctx context.Context, c claimed, v Verdict, failed error, began time.Time) {
	now, why := r.now(), ""
	if failed != nil {
		why = clip(failed.Error())
	}
	opened, closed := c.end(fateOf(v, failed), now.Sub(began), now, why)
	if opened {
		r.log.WarnContext(ctx, "lane is down: one job at a time tries it", slog.String("kind", c.Kind), slog.String("lane", c.Lane), slog.String("why", why))
	}
	if closed {
		r.log.InfoContext(ctx, "lane works again", slog.String("kind", c.Kind), slog.String("lane", c.Lane))
	}
}
