package jobs

import (
	"context"
	"errors"
	"sync"
	"time"
)

// Rounds goes over all merchants again and again, a bounded time at once, for
// jobs that fold what merchants have. The next call goes on where the last one
// ended, so that the last merchants get their turn. It may be called from any
// number of goroutines; one goes at a time.
type Rounds struct {
	Now   func() time.Time
	Limit time.Duration // of one call, so that it ends within the timeout of a job
	Read  int           // merchants read at once
	// List returns the next merchants after an id, in order, at most n.
	List func(ctx context.Context, after string, n int) ([]string, error)
	// Do is one merchant's turn, which should be over at end.
	Do func(ctx context.Context, merchantID string, end time.Time) error

	mu   sync.Mutex
	next string
}

// Go gives merchant after merchant a turn until all had theirs (done) or the
// limit is over. A merchant whose turn fails does not keep others from theirs;
// the errors of all are joined.
func (r *Rounds) Go(ctx context.Context) (done bool, err error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	end := r.Now().Add(r.Limit)
	var errs []error
	for {
		ids, err := r.List(ctx, r.next, r.Read)
		if err != nil {
			return false, errors.Join(append(errs, err)...)
		}
		for _, id := range ids {
			if err := r.Do(ctx, id, end); err != nil {
				errs = append(errs, err)
			}
			if r.next = id; ctx.Err() != nil || r.Now().After(end) {
				return false, errors.Join(errs...)
			}
		}
		if len(ids) < r.Read {
			r.next = ""
			return true, errors.Join(errs...)
		}
	}
}
