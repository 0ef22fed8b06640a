// Package recon is reconciliation (对账): it fetches the wallets' bills, keeps
// them as they came, compares every line with our books and our books with every
// line, and keeps what they disagree about until somebody closes it.
//
// It knows bills, days and differences. It must not know a wallet's protocol,
// SQL or HTTP, and it moves no money: what follows from a bill is booked by the
// gateway, and a repair asks the wallet first (docs/decisions/0044).
package recon

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"time"

	"cloudpay/internal/channel"
	"cloudpay/internal/directory"
	"cloudpay/internal/gateway"
	"cloudpay/internal/jobs"
	"cloudpay/internal/pay"
	"cloudpay/internal/store"
)

// dayForm is how a day is written: its date in Asia/Shanghai.
const dayForm = "20060102"

// Times of bills (upstreams.md §3.8, §4.8).
const (
	readyAfter = 10 * time.Hour // after the end of the day
	askAgain   = 15 * time.Minute
	// believeEmpty is how long after the end of its day "there is no bill" may mean
	// "not yet", if we know that there was trade.
	believeEmpty = 24 * time.Hour
	// giveUpFlows is when a day is closed without its fund bill. It tells of
	// payouts only.
	giveUpFlows = 48 * time.Hour
	// edge is how near midnight two clocks may disagree about the day. Refunds are
	// counted when the wallet accepts them, which we know to the minutes of our
	// own retries.
	edge = time.Hour
	// skew is how far the wallet's clock may be before ours.
	skew = time.Hour
)

// Config is everything that Recon needs. All members but Metrics are required.
type Config struct {
	Store     *store.Store
	Directory *directory.Directory
	Gateway   *gateway.Gateway
	Channels  gateway.Channels
	Now       func() time.Time
	Log       *slog.Logger
	Metrics   *Metrics // nil for none
}

// Recon reconciles. It is safe for concurrent use; two that do the same day
// take turns by compare-and-set. The owner of a serving process calls Run.
type Recon struct{ Config }

// New returns a Recon. It starts nothing: see Run.
func New(c Config) *Recon {
	if c.Metrics == nil {
		c.Metrics = NewMetrics(nil)
	}
	return &Recon{c}
}

// DayOf is the day of a moment.
func DayOf(t time.Time) string { return channel.BillDay(t).Format(dayForm) }

// ParseDay reads a day as it is stored, 20261125, or with dashes, and returns
// its first moment.
func ParseDay(s string) (time.Time, error) {
	for _, form := range []string{dayForm, time.DateOnly} {
		if t, err := time.ParseInLocation(form, s, channel.BillDay(time.Unix(0, 0)).Location()); err == nil {
			return t, nil
		}
	}
	return time.Time{}, pay.Refuse(pay.ErrInvalid, "day", "日期格式应为 2026-11-25")
}

// now returns the time at the precision the store keeps.
func (r *Recon) now() time.Time { return r.Now().UTC().Truncate(time.Millisecond) }

// wait is why a step cannot be made yet.
type wait struct {
	until time.Time
	why   string
}

func (w *wait) Error() string { return w.why }

// Do reconciles a day as far as it can be now, from where it stands, and
// returns the run. A day that is done is done again only by Again. The error is
// of kind pay.ErrUnavailable while the bill is not there yet.
func (r *Recon) Do(ctx context.Context, k store.ReconKey) (store.ReconRun, error) {
	run, err := r.drive(ctx, k)
	if w, ok := errors.AsType[*wait](err); ok {
		return run, pay.Refuse(pay.ErrUnavailable, "bill_not_ready", w.why)
	}
	return run, err
}

// Again reconciles a day once more: the bill is fetched anew, and what is no
// longer seen is explained.
func (r *Recon) Again(ctx context.Context, k store.ReconKey) (store.ReconRun, error) {
	if err := r.check(ctx, k); err != nil {
		return store.ReconRun{}, err
	}
	if err := r.Store.PlanRecon(ctx, k, r.now()); err != nil {
		return store.ReconRun{}, err
	}
	run, err := r.Store.ReconRun(ctx, k)
	if err != nil {
		return run, err
	}
	if run.Step == store.ReconDone {
		if run, err = r.newRound(ctx, run, store.ReconFetch); err != nil {
			return run, err
		}
	}
	return r.Do(ctx, k)
}

// newRound begins a day that is done once more, with a step.
func (r *Recon) newRound(ctx context.Context, run store.ReconRun, begin string) (store.ReconRun, error) {
	step := store.ReconStep{From: run, To: run}
	step.To.Round, step.To.Step, step.To.Position, step.To.Matched = run.Round+1, begin, "", 0
	step.To.StartedAt, step.To.DoneAt = r.now(), time.Time{}
	return r.commit(ctx, step)
}

// compareAgain has a day compared once more, because what it found a difference is
// none by now, whatever step its run is at. Its bill is the one that is kept: the
// wallet may not have that of an old day any more.
func (r *Recon) compareAgain(ctx context.Context, run store.ReconRun) error {
	now := r.now()
	if err := r.plan(ctx, run.ReconKey, now); err != nil { // first: after a crash it has a job
		return err
	}
	switch run.Step {
	case store.ReconFetch, store.ReconLines:
		return nil // it is still to be compared
	}
	after, err := r.newRound(ctx, run, store.ReconMatch)
	if err != nil {
		return err
	}
	if after.Round == run.Round {
		return pay.Refuse(pay.ErrUnavailable, "busy", run.Day+" 正在对账，请稍后重试")
	}
	return r.plan(ctx, run.ReconKey, now) // a runner may have found the day done and ended its job
}

// check refuses a day that cannot be reconciled.
func (r *Recon) check(ctx context.Context, k store.ReconKey) error {
	day, err := ParseDay(k.Day)
	if err != nil {
		return err
	}
	if k.Day != DayOf(day) {
		return pay.Refuse(pay.ErrInvalid, "day", "日期格式应为 20261125")
	}
	if !day.AddDate(0, 0, 1).Before(r.now()) {
		return pay.Refuse(pay.ErrInvalid, "day", "该日尚未结束，没有账单")
	}
	_, _, err = r.biller(ctx, k)
	return err
}

// biller finds who has a merchant's bills.
func (r *Recon) biller(ctx context.Context, k store.ReconKey) (channel.Biller, channel.Merchant, error) {
	m, err := r.Directory.Merchant(ctx, k.MerchantID)
	if err != nil {
		return nil, channel.Merchant{}, err
	}
	w, err := r.Channels(ctx, m.ProviderID, k.Channel)
	if err != nil {
		return nil, channel.Merchant{}, fmt.Errorf("find channel: %w", err)
	}
	b, ok := w.(channel.Biller)
	if !ok {
		return nil, channel.Merchant{}, pay.Refuse(pay.ErrDenied, "no_bills", "该渠道没有账单")
	}
	return b, channel.Merchant{
		SubMchID: m.Wx.SubMchID, SubAppID: m.Wx.SubAppID, AppAuthToken: m.Ali.AppAuthToken, SellerID: m.Ali.SellerID, API: m.Wx.API,
	}, nil
}

// drive makes steps until the day is done, or a step has to wait.
func (r *Recon) drive(ctx context.Context, k store.ReconKey) (store.ReconRun, error) {
	run, err := r.Store.ReconRun(ctx, k)
	for err == nil && run.Step != store.ReconDone {
		if err := ctx.Err(); err != nil {
			return run, err
		}
		was := run
		if run, err = r.step(ctx, run); err != nil {
			return was, err
		}
	}
	return run, err
}

// step makes one step and returns the run as it stands then.
func (r *Recon) step(ctx context.Context, run store.ReconRun) (store.ReconRun, error) {
	switch run.Step {
	case store.ReconFetch:
		return r.fetch(ctx, run)
	case store.ReconLines:
		return r.lines(ctx, run)
	case store.ReconMatch:
		return r.match(ctx, run)
	case store.ReconRest:
		return r.rest(ctx, run)
	case store.ReconFlows:
		return r.flows(ctx, run)
	case store.ReconClose:
		return r.close(ctx, run)
	}
	return run, fmt.Errorf("reconcile %s: there is no step %q", run.Day, run.Step)
}

// who closes differences where no person does.
const who = "recon"

// commit makes a step and returns the run as it stands: the next one if we were
// first, or what somebody else made of it.
func (r *Recon) commit(ctx context.Context, step store.ReconStep) (store.ReconRun, error) {
	step.To.Unit, step.By, step.At = r.Store.NewUnit(), who, r.now()
	won, err := r.Gateway.BookBill(ctx, step)
	if err != nil {
		return step.From, err
	}
	if !won {
		return r.Store.ReconRun(ctx, step.From.ReconKey)
	}
	return step.To, nil
}

// next is the step that follows run with a position of its own.
func next(run store.ReconRun, step string) store.ReconStep {
	s := store.ReconStep{From: run, To: run}
	s.To.Step, s.To.Position = step, ""
	return s
}

// Kinds of the jobs of this room.
const (
	kindPlan = "recon_plan" // plans the days that are over
	kindDay  = "recon"      // reconciles a day; Ref is channel and day
)

// ladder is how a day waits after a failure: bills are there for months.
var ladder = []time.Duration{time.Minute, 5 * time.Minute, askAgain, time.Hour}

// alertAt is the failed attempt at which a person is asked for, and again
// every alertAt attempts.
const alertAt = 4

// Run plans and reconciles until ctx ends. One day is reconciled at a time, so
// that one bill is in memory at a time.
func (r *Recon) Run(ctx context.Context, idle time.Duration) error {
	const most = channel.BillTimeout + 5*time.Minute
	return jobs.New(jobs.Config{
		Queue: r.Store, Now: r.Now, Log: r.Log, Workers: 1, MaxIdle: idle, Drain: 500 * time.Millisecond, Standing: []func(context.Context) error{r.Schedule},
		Kinds: map[string]jobs.Kind{
			kindPlan: {Handler: r.planJob, Ladder: ladder, Forever: true, Concurrency: 1},
			kindDay:  {Handler: r.dayJob, Ladder: ladder, Forever: true, Timeout: most, Lease: most + time.Minute, Concurrency: 1},
		},
	}).Run(ctx)
}
