package recon

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"strings"
	"time"

	"cloudpay/internal/channel"
	"cloudpay/internal/directory"
	"cloudpay/internal/jobs"
	"cloudpay/internal/pay"
	"cloudpay/internal/store"
)

const (
	// planAfter is when the day before is planned: bills are ready at 10:00.
	planAfter = readyAfter + 5*time.Minute
	// backDays is how many days that nobody reconciled are caught up: after a
	// month without a server somebody should look first.
	backDays = 31
	// merchantsRead is how many merchants are read at once.
	merchantsRead = 200
	// alertAge is the age of an open difference at which a person is asked for.
	alertAge = 24 * time.Hour
)

// Schedule puts the job that plans every day, or moves it to now.
func (r *Recon) Schedule(ctx context.Context) error {
	now := r.now()
	return r.Store.EditJobs(ctx, "", jobs.Edit{Put: &jobs.Job{
		Key: jobs.Key{Kind: kindPlan, Ref: "all"}, State: jobs.Ready, RunAt: now, CreatedAt: now,
	}})
}

// planJob plans what is due and looks at what is open; then it waits for the
// next morning, or an hour.
func (r *Recon) planJob(ctx context.Context, _ jobs.Job) (jobs.Verdict, error) {
	if err := r.Plan(ctx); err != nil {
		return jobs.Verdict{}, err
	}
	if err := r.Watch(ctx); err != nil {
		return jobs.Verdict{}, err
	}
	now := r.now()
	at := channel.BillDay(now).Add(planAfter)
	if !at.After(now) || at.Sub(now) > time.Hour {
		at = now.Add(time.Hour)
	}
	return jobs.Again(at), nil
}

// Plan plans every day that is over, of every merchant and wallet, and is not
// planned yet.
func (r *Recon) Plan(ctx context.Context) error {
	after := ""
	var errs []error
	for {
		ids, err := r.Store.ReportMerchants(ctx, after, merchantsRead)
		if err != nil {
			return errors.Join(append(errs, err)...)
		}
		for _, id := range ids {
			if err := r.planMerchant(ctx, id); err != nil { // one must not keep the others from it
				errs = append(errs, fmt.Errorf("plan merchant %s: %w", id, err))
			}
		}
		if len(ids) < merchantsRead {
			return errors.Join(errs...)
		}
		after = ids[len(ids)-1]
	}
}

// planMerchant plans the days of one merchant.
func (r *Recon) planMerchant(ctx context.Context, id string) error {
	m, err := r.Directory.Merchant(ctx, id)
	if errors.Is(err, pay.ErrNotFound) {
		return nil // deleted meanwhile
	} else if err != nil {
		return err
	}
	for _, ch := range []pay.Channel{pay.Wxpay, pay.Alipay} {
		if !trades(m, ch) {
			continue
		}
		if _, err := r.Directory.Account(ctx, m.ProviderID, ch); errors.Is(err, pay.ErrNotFound) {
			continue
		} else if err != nil {
			return err
		}
		if err := r.planDays(ctx, id, ch); err != nil {
			return err
		}
	}
	return nil
}

// trades reports whether the merchant has an account at the wallet.
func trades(m *directory.Merchant, ch pay.Channel) bool {
	switch ch {
	case pay.Wxpay:
		return m.Wx.SubMchID != ""
	case pay.Alipay:
		return m.Ali.SellerID != "" || !m.Ali.AppAuthToken.IsZero()
	}
	return false
}

// planDays plans what is missing after the last planned day.
func (r *Recon) planDays(ctx context.Context, id string, ch pay.Channel) error {
	now := r.now()
	// The last day whose bill should be there.
	end := channel.BillDay(now.Add(-planAfter)).AddDate(0, 0, -1)
	last, err := r.Store.LastReconDay(ctx, id, ch)
	if err != nil {
		return err
	}
	from := end
	if last != "" {
		if from, err = ParseDay(last); err != nil {
			return err
		}
		from = from.AddDate(0, 0, 1)
	}
	if first := end.AddDate(0, 0, 1-backDays); from.Before(first) {
		from = first
	}
	for day := from; !day.After(end); day = day.AddDate(0, 0, 1) {
		if err := r.plan(ctx, store.ReconKey{MerchantID: id, Channel: ch, Day: DayOf(day)}, now); err != nil {
			return err
		}
	}
	return nil
}

// plan has a day done. The job comes first: a day that is planned twice is done
// once, and one whose row has no job would never be done.
func (r *Recon) plan(ctx context.Context, k store.ReconKey, now time.Time) error {
	err := r.Store.EditJobs(ctx, k.MerchantID, jobs.Edit{Put: &jobs.Job{
		Key: jobs.Key{MerchantID: k.MerchantID, Kind: kindDay, Ref: string(k.Channel) + ":" + k.Day}, State: jobs.Ready, RunAt: now, CreatedAt: now,
	}})
	if err == nil {
		err = r.Store.PlanRecon(ctx, k, now)
	}
	return err
}

// dayJob reconciles one day.
func (r *Recon) dayJob(ctx context.Context, j jobs.Job) (jobs.Verdict, error) {
	ch, day, _ := strings.Cut(j.Ref, ":")
	k := store.ReconKey{MerchantID: j.MerchantID, Channel: pay.Channel(ch), Day: day}
	if err := r.Store.PlanRecon(ctx, k, r.now()); err != nil {
		return jobs.Verdict{}, err
	}
	run, err := r.drive(ctx, k)
	w, waits := errors.AsType[*wait](err)
	switch {
	case waits:
		return jobs.Again(w.until), nil
	case errors.Is(err, context.DeadlineExceeded):
		return jobs.Again(r.now()), nil // what is done is done: go on from there
	case err != nil && j.Attempt%alertAt == 0:
		r.Log.ErrorContext(ctx, "needs an operator", slog.String("merchant_id", k.MerchantID), slog.String("channel", ch),
			slog.String("day", day), slog.String("step", run.Step), slog.String("why", "the day is not reconciled: "+err.Error()))
	}
	if err != nil {
		return jobs.Verdict{}, err
	}
	return jobs.Done(), nil
}

// Watch counts what is open and asks for a person where something is older than
// a day.
func (r *Recon) Watch(ctx context.Context) error {
	now := r.now()
	all, err := r.Store.CountOpenDiffs(ctx, now.Add(time.Second))
	if err != nil {
		return err
	}
	old, err := r.Store.CountOpenDiffs(ctx, now.Add(-alertAge))
	if err != nil {
		return err
	}
	r.Metrics.open(all, old)
	for _, c := range old {
		r.Log.ErrorContext(ctx, "needs an operator", slog.String("channel", string(c.Channel)), slog.String("type", string(c.Type)),
			slog.Int64("open", c.Open), slog.String("why", "differences with the wallet's bills are older than a day: cloudpay recon diff, cloudpay recon unclaimed"))
	}
	return nil
}
