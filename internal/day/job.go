package day

import (
	"context"
	"errors"
	"log/slog"
	"strings"
	"time"

	"cloudpay/internal/jobs"
	"cloudpay/internal/pay"
	"cloudpay/internal/store"
)

const (
	// CloseKind is the kind of the one job that closes the days of all merchants.
	CloseKind = "day_close"
	// closeEvery is how long after a bill was reconciled its day is closed at most.
	closeEvery = 20 * time.Minute
	// closeRound bounds a round, so that it ends within the timeout of a job.
	closeRound    = 10 * time.Minute
	merchantsRead = 500 // at once
	// patience is how long after its end a day waits, before it closes by itself,
	// for a bill that nobody has planned yet and for open differences: the next
	// day's bill explains those of date, a person the others.
	patience = 72 * time.Hour
)

// Schedule puts the job that closes days for ever, or moves it to now. Call it
// when a process starts whose runner knows CloseKind.
func (d *Days) Schedule(ctx context.Context) error {
	now := d.c.Now()
	return d.c.Store.EditJobs(ctx, "", jobs.Edit{Put: &jobs.Job{
		Key: jobs.Key{Kind: CloseKind, Ref: "all"}, State: jobs.Ready, RunAt: now, CreatedAt: now,
	}})
}

// Kind is how the runner of jobs does CloseKind.
func (d *Days) Kind() jobs.Kind {
	return jobs.Kind{
		Handler: d.job, Ladder: []time.Duration{closeEvery}, Forever: true, Timeout: 15 * time.Minute, Lease: 16 * time.Minute, Concurrency: 1,
	}
}

func (d *Days) job(ctx context.Context, _ jobs.Job) (jobs.Verdict, error) {
	if err := d.CloseDue(ctx); err != nil {
		return jobs.Verdict{}, err
	}
	return jobs.Again(d.c.Now().Add(closeEvery)), nil
}

// CloseDue closes every day of every merchant whose bills are reconciled and whose
// differences are closed, or patience is over for. A chain begins with the oldest day
// that patience is not over for and that is planned to be reconciled. A merchant that cannot be closed does not keep others
// from it.
func (d *Days) CloseDue(ctx context.Context) error {
	end := d.c.Now().Add(closeRound)
	var errs []error
	for after := ""; ; {
		ids, err := d.c.Store.ReportMerchants(ctx, after, merchantsRead)
		if err != nil {
			return errors.Join(append(errs, err)...)
		}
		for _, id := range ids {
			if err := d.closeMerchant(ctx, id, end); err != nil {
				errs = append(errs, err)
			}
			if after = id; ctx.Err() != nil || d.c.Now().After(end) {
				return errors.Join(errs...)
			}
		}
		if len(ids) < merchantsRead {
			return errors.Join(errs...)
		}
	}
}

// closeMerchant closes what is due of one merchant, one day after the other.
func (d *Days) closeMerchant(ctx context.Context, id string, end time.Time) error {
	for !d.c.Now().After(end) {
		date, err := d.due(ctx, id)
		if err != nil || date == "" {
			return err
		}
		if wait, err := d.early(ctx, id, date); err != nil || wait {
			return err
		}
		_, err = d.Close(ctx, id, date, false)
		switch {
		case errors.Is(err, ErrBill), errors.Is(err, ErrBusy), errors.Is(err, ErrClosed):
			d.c.Log.DebugContext(ctx, "day is not closed yet", slog.String("merchant_id", id), slog.String("date", date), slog.String("error", err.Error()))
			return nil
		case err != nil:
			return err
		}
	}
	return nil
}

// early reports whether a day is better closed later: a closed day is never
// rewritten, so what may still be explained is waited for.
func (d *Days) early(ctx context.Context, id, date string) (bool, error) {
	_, end, err := ParseDate(date)
	if err != nil || d.c.Now().After(end.Add(patience)) {
		return false, err
	}
	day := strings.ReplaceAll(date, "-", "")
	runs, err := d.c.Store.ReconRuns(ctx, id, day, day, 1)
	if err != nil || len(runs) == 0 {
		return true, err
	}
	open, err := d.c.Store.Diffs(ctx, store.DiffFilter{MerchantID: id, FromDay: day, ToDay: day, State: store.DiffOpen, Limit: 1})
	return len(open) > 0, err
}

// due returns the next day of a merchant that is over and may be closed, "" for none.
func (d *Days) due(ctx context.Context, id string) (string, error) {
	yesterday := DateOf(d.c.Now().Add(-24 * time.Hour))
	_, last, err := d.c.Store.EndDays(ctx, id)
	switch {
	case err == nil:
		if next := nextDate(last.Date); next <= yesterday {
			return next, nil
		}
		return "", nil
	case !errors.Is(err, pay.ErrNotFound):
		return "", err
	}
	day := func(back time.Duration) string { return strings.ReplaceAll(DateOf(d.c.Now().Add(-back)), "-", "") }
	runs, err := d.c.Store.ReconRuns(ctx, id, day(24*time.Hour+patience), day(24*time.Hour), len(channels)*int(1+patience/(24*time.Hour)))
	if err != nil || len(runs) == 0 {
		return "", err
	}
	// The oldest: one that waits for a person may not lose its place to the next.
	first, err := time.ParseInLocation("20060102", runs[len(runs)-1].Day, shanghai)
	return DateOf(first), err
}
