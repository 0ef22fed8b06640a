package report

import (
	"context"
	"log/slog"
	"time"

	"cloudpay/internal/jobs"
)

const (
	// FoldKind is the kind of the one job that folds all merchants.
	FoldKind = "report_fold"
	// foldDelay is how far a fold stays behind: no unit of work waits longer for
	// its commit (the store gives up after 30 s), and clocks of nodes agree better.
	foldDelay = 2 * time.Minute
	// foldEvery is the pause between two rounds. With foldDelay it is how much a
	// report reads live.
	foldEvery = 30 * time.Second
	// foldRows is how much one unit of work folds: about 20 ms of SQLite's writer,
	// for which payments wait.
	foldRows = 500
	// foldRound bounds a round, so that it ends within the timeout of a job.
	foldRound = 12 * time.Second
	// sweepEvery and sweepBack find what came later than foldDelay all the same.
	sweepEvery = time.Hour
	sweepBack  = 3 * time.Hour
	// merchantsRead is how many merchants a round reads at once.
	merchantsRead = 500
)

// Folder keeps what reports are read from. Any number of processes may fold at
// once: who comes second loses a compare-and-set and goes on.
type Folder struct {
	c      Config
	log    *slog.Logger
	rounds *jobs.Rounds
}

// NewFolder returns a folder. It starts nothing: see Schedule.
func NewFolder(c Config, log *slog.Logger) *Folder {
	f := &Folder{c: New(c).c, log: log}
	f.rounds = &jobs.Rounds{Now: f.c.Now, Limit: foldRound, Read: merchantsRead, List: f.c.Store.ReportMerchants, Do: f.merchant}
	return f
}

// Schedule puts the job that folds for ever, or moves it to now. Call it when a
// process starts whose runner knows Kind.
func (f *Folder) Schedule(ctx context.Context) error {
	now := f.c.Now()
	return f.c.Store.EditJobs(ctx, "", jobs.Edit{Put: &jobs.Job{
		Key: jobs.Key{Kind: FoldKind, Ref: "all"}, State: jobs.Ready, RunAt: now, CreatedAt: now,
	}})
}

// Kind is how the runner of jobs does FoldKind.
func (f *Folder) Kind() jobs.Kind {
	return jobs.Kind{
		Handler: f.job, Ladder: []time.Duration{foldEvery, time.Minute}, Forever: true, Timeout: 20 * time.Second,
		Lease: time.Minute, Concurrency: 1,
	}
}

func (f *Folder) job(ctx context.Context, _ jobs.Job) (jobs.Verdict, error) {
	done, err := f.rounds.Go(ctx)
	if err != nil {
		return jobs.Verdict{}, err
	}
	if !done {
		return jobs.Again(f.c.Now()), nil
	}
	return jobs.Again(f.c.Now().Add(foldEvery)), nil
}

// Merchant folds all that is due of one merchant.
func (f *Folder) Merchant(ctx context.Context, merchantID string) error {
	return f.merchant(ctx, merchantID, time.Time{})
}

// merchant folds one merchant until nothing is due, or end has come.
func (f *Folder) merchant(ctx context.Context, id string, end time.Time) error {
	rate, err := f.c.Rate(ctx, id)
	if err != nil {
		return err
	}
	for more := true; more && (end.IsZero() || !f.c.Now().After(end)); {
		if more, err = f.c.Store.FoldReport(ctx, id, rate, f.c.Now().Add(-foldDelay), foldRows); err != nil {
			return err
		}
	}
	return f.sweep(ctx, id, rate)
}

// sweep looks for latecomers once in a while. There should be none.
func (f *Folder) sweep(ctx context.Context, id string, rate int64) error {
	now := f.c.Now()
	folded, swept, err := f.c.Store.ReportFolded(ctx, id)
	if err != nil || now.Sub(swept) < sweepEvery || now.Sub(folded) > sweepBack {
		return err
	}
	late, err := f.c.Store.SweepReport(ctx, id, rate, now.Add(-sweepBack), now)
	if late > 0 {
		f.log.WarnContext(ctx, "orders came too late for their reports: added now", slog.String("merchant_id", id), slog.Int64("rows", late))
	}
	return err
}
