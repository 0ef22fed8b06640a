package ledger

import (
	"context"
	"log/slog"
	"time"

	"cloudpay/internal/jobs"
)

const (
	// FoldKind is the kind of the one job that folds the ledgers of all merchants.
	FoldKind = "ledger_fold"
	// foldDelay is how far a fold stays behind: no unit of work waits longer for
	// its commit (the store gives up after 30 s), and clocks of nodes agree better.
	foldDelay = 2 * time.Minute
	// foldEvery is the pause between two rounds. With foldDelay it is how much an
	// answer reads live.
	foldEvery = time.Minute
	// foldOrders is how many orders one unit of work folds: about 10 ms of SQLite's
	// writer, for which payments wait.
	foldOrders = 500
	// foldRound bounds a round, so that it ends within the timeout of a job.
	foldRound = 12 * time.Second
	// sweepEvery and sweepBack find what came later than foldDelay all the same.
	sweepEvery = time.Hour
	sweepBack  = 3 * time.Hour
	// merchantsRead is how many merchants are read at once.
	merchantsRead = 500
)

// Folder keeps what balances are read from. Any number of processes may fold at
// once: who comes second loses a compare-and-set and goes on.
type Folder struct {
	c      Config
	log    *slog.Logger
	rounds *jobs.Rounds
}

// NewFolder returns a folder. It starts nothing: see Schedule.
func NewFolder(c Config, log *slog.Logger) *Folder {
	f := &Folder{c: c, log: log}
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
		Handler: f.job, Ladder: []time.Duration{foldEvery}, Forever: true, Timeout: 20 * time.Second, Lease: time.Minute, Concurrency: 1,
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
	for more := true; more && (end.IsZero() || !f.c.Now().After(end)); {
		var err error
		if more, err = f.c.Store.FoldLedger(ctx, id, f.c.Now().Add(-foldDelay), foldOrders); err != nil {
			return err
		}
	}
	return f.sweep(ctx, id)
}

// sweep looks for latecomers once in a while. There should be none.
func (f *Folder) sweep(ctx context.Context, id string) error {
	now := f.c.Now()
	folded, swept, err := f.c.Store.LedgerFolded(ctx, id)
	if err != nil || folded.IsZero() || now.Sub(swept) < sweepEvery {
		return err
	}
	late, err := f.c.Store.SweepLedger(ctx, id, folded.Add(-sweepBack), now)
	if late > 0 {
		f.log.WarnContext(ctx, "postings came too late for the fold: added now", slog.String("merchant_id", id), slog.Int64("legs", late))
	}
	return err
}
