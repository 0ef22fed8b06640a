package monitor

import (
	"context"
	"fmt"
	"log/slog"
	"time"

	"cloudpay/internal/jobs"
)

// The purging of old records is a row of durable work of the installation
// itself, so that of several processes one does it.
const (
	kindPurge = "monitor_purge"
	// purgeEvery is how long a record may outlive its 30 days on the disk; it is
	// not shown in that time.
	purgeEvery = time.Hour
	// purgeBatch is the most rows of one unit of work: payments wait behind it,
	// some 10 ms.
	purgeBatch = 500
	// purgeRounds bounds one attempt; what is left is due at once.
	purgeRounds = 20
	// purgeIdle is how often the queue is looked at.
	purgeIdle = time.Minute
	// purgeDrain is how long a round may go on when the process stops.
	purgeDrain = 500 * time.Millisecond
)

var purgeLadder = []time.Duration{time.Minute, 10 * time.Minute, time.Hour}

// Run purges old records until ctx ends. It returns nil after a clean stop. That
// the purge cannot be planned stops nobody: it is planned anew at every start.
func (m *Monitor) Run(ctx context.Context) error {
	now := m.Now()
	err := m.Queue.EditJobs(ctx, "", jobs.Edit{Put: &jobs.Job{
		Key: jobs.Key{Kind: kindPurge, Ref: "records"}, State: jobs.Ready, RunAt: now, CreatedAt: now,
	}})
	if err != nil && ctx.Err() == nil {
		m.Log.WarnContext(ctx, "the purging of monitoring is not planned", slog.String("error", err.Error()))
	}
	return m.runner.Run(ctx)
}

// purgeJob deletes what is older than Retention, a little at a time.
func (m *Monitor) purgeJob(ctx context.Context, _ jobs.Job) (jobs.Verdict, error) {
	for range purgeRounds {
		more, err := m.Keeper.PurgeMonitor(ctx, m.Now().Add(-Retention), purgeBatch)
		if err != nil {
			return jobs.Verdict{}, fmt.Errorf("purge monitoring: %w", err)
		}
		if !more {
			return jobs.Again(m.Now().Add(purgeEvery)), nil
		}
	}
	return jobs.Again(m.Now()), nil
}
