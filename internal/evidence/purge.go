package evidence

import (
	"context"
	"fmt"
	"log/slog"
	"time"

	"cloudpay/internal/jobs"
)

// The purging of old pages is a row of durable work of the installation itself,
// so that of several processes one does it.
const (
	kindPurge = "evidence_purge"
	// purgeEvery is how long a page may outlive its time on the disk.
	purgeEvery = time.Hour
	// purgeBatch is the most pages of one unit of work: payments wait behind it,
	// some 10 ms.
	purgeBatch = 200
	// purgeRounds bounds one attempt; what is left is due at once.
	purgeRounds = 20
	purgeIdle   = time.Minute
)

var purgeLadder = []time.Duration{time.Minute, 10 * time.Minute, time.Hour}

// purge deletes old pages until ctx ends. That it cannot be planned stops
// nobody: it is planned anew at every start.
func (r *Recorder) purge(ctx context.Context) error {
	now := r.Now()
	err := r.Queue.EditJobs(ctx, "", jobs.Edit{Put: &jobs.Job{
		Key: jobs.Key{Kind: kindPurge, Ref: "pages"}, State: jobs.Ready, RunAt: now, CreatedAt: now,
	}})
	if err != nil && ctx.Err() == nil {
		r.Log.WarnContext(ctx, "the purging of evidence is not planned", slog.String("error", err.Error()))
	}
	return r.runner.Run(ctx)
}

// purgeJob deletes what is older than the retention, a little at a time.
func (r *Recorder) purgeJob(ctx context.Context, _ jobs.Job) (jobs.Verdict, error) {
	for range purgeRounds {
		more, err := r.Keeper.PurgeEvidence(ctx, PageID(r.Now().Add(-r.Retention)), purgeBatch)
		if err != nil {
			return jobs.Verdict{}, fmt.Errorf("purge evidence: %w", err)
		}
		if !more {
			return jobs.Again(r.Now().Add(purgeEvery)), nil
		}
	}
	return jobs.Again(r.Now()), nil
}
