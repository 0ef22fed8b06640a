// Package gateway holds the use cases and the order of commits and calls:
// write the intent, commit, call, then settle (design.md §4).
//
// settle.go is the only door through which money moves: nothing else writes an
// order or a refund. The package knows the domain, the store, the channels and
// the directory. It must not know HTTP, the Cloud Pay wire or SQL.
package gateway

import (
	"context"
	"log/slog"
	"sync/atomic"
	"time"

	"cloudpay/internal/channel"
	"cloudpay/internal/directory"
	"cloudpay/internal/evidence"
	"cloudpay/internal/jobs"
	"cloudpay/internal/notify"
	"cloudpay/internal/pay"
	"cloudpay/internal/store"
)

// Limits of the gateway's own work.
const (
	// answerWithin is how long a caller waits for a wallet. The oldest SDKs read
	// for 10 s (protocol.md §1.1); the call itself goes on.
	answerWithin = 8 * time.Second
	// maxRounds bounds the re-reading of a row that others keep changing.
	maxRounds = 16
	// asking is how many jobs of one kind ask or tell a wallet at once: enough to
	// ask for every order of a bad minute, few enough to leave the machine to the
	// tills.
	asking = 32
	// probeWallet is the longest pause between two tries of a wallet that does not
	// answer for a merchant: one step of the young ladder, so that no till waits
	// longer for its customer once the wallet works again.
	probeWallet = 5 * time.Second
	// telling is how many callbacks are under way at once. They mostly wait; half
	// of them is the most for one endpoint, and for all that have not shown that
	// they work.
	telling = 64
	// workers is how many jobs run at once. Callbacks are not taken from what the
	// wallets had before.
	workers = 2*asking + telling
	// leaseFor is how long a claimed job is ours: longer than the longest call
	// and two commits.
	leaseFor = 40 * time.Second
	// leaveWithin is how long after its intent a pay request may still be sent: its
	// call is over before the first ladder reverses (30 s), so that an order whose
	// process was stopped meanwhile is never charged after another has ended it.
	leaveWithin = 15 * time.Second
	// drain is how long running jobs may go on when the process stops. What is
	// cut off is given back at once, within the second that cmd waits for it;
	// without that it would wait for the end of its lease after the next start.
	drain = 500 * time.Millisecond
	// alertAt and alertEvery are the failed attempts of one job at which a person
	// is asked for: after about five minutes, then every hour (settleLadder).
	alertAt, alertEvery = 10, 60
)

// Channels finds the wallet account of a provider. An error that wraps
// pay.ErrNotFound says that the provider has none.
type Channels func(ctx context.Context, providerID string, ch pay.Channel) (channel.Channel, error)

// Config is everything a Gateway needs. All members except Former, Evidence, Profiles,
// AnswerWithin, MaxIdle, Batch, PublicURL and Metrics are required.
type Config struct {
	Store     *store.Store
	Directory *directory.Directory
	Channels  Channels
	// Former finds an account as it was before its keys were replaced, while what
	// was signed for it may still arrive; nil for never.
	Former Channels
	Notify *notify.Client
	// Evidence keeps what is said on the wires; nil keeps nothing.
	Evidence *evidence.Recorder
	// CodeKey keys the hash of payment codes; it belongs to the installation
	// and must not change while codes are valid.
	CodeKey []byte
	// Profiles is the reverse policy per channel; nil means pay.Profiles.
	Profiles map[pay.Channel]pay.Profile
	// AnswerWithin is how long a caller waits for a wallet, 0 for 8 s.
	AnswerWithin time.Duration
	// MaxIdle is how long work written by another process may go unnoticed, 0
	// for 1 s.
	MaxIdle time.Duration
	// Batch is how many jobs are claimed at once, 0 for the runner's own number.
	// A simulation claims them one by one, so that each begins at its own moment.
	Batch int
	// PublicURL is where the wallets reach this installation, such as
	// "https://pay.example.com": they are told to send their notices to
	// NoticePath below it. "" asks for none, and only queries find payments out.
	PublicURL string
	Now       func() time.Time
	Log       *slog.Logger
	Metrics   *Metrics // nil for none
}

// Gateway runs the use cases. It is safe for concurrent use. The owner calls
// Run, and waits for it to end.
type Gateway struct {
	Config
	runner   *jobs.Runner
	calls    calls        // wallet calls that outlive their callers
	resting  resting      // addresses with nothing buried
	trimming trimming     // of the log of callbacks
	pings    atomic.Int64 // test callbacks under way
}

// New returns a gateway. It starts nothing: call Run.
func New(c Config) *Gateway {
	if c.Profiles == nil {
		c.Profiles = pay.Profiles
	}
	if c.AnswerWithin == 0 {
		c.AnswerWithin = answerWithin
	}
	if c.Metrics == nil {
		c.Metrics = NewMetrics(nil)
	}
	g := &Gateway{Config: c}
	g.runner = jobs.New(jobs.Config{
		Queue: c.Store, Now: c.Now, Log: c.Log, Workers: workers, Drain: drain, MaxIdle: c.MaxIdle, Batch: c.Batch,
		Kinds: map[string]jobs.Kind{
			kindSettle:    {Handler: g.watched(g.settleJob), Ladder: settleLadder, Forever: true, Lease: leaseFor, Timeout: leaseFor, Concurrency: asking, Lanes: true, Probe: probeWallet},
			kindRefund:    {Handler: g.watched(g.refundJob), Ladder: settleLadder, Forever: true, Lease: leaseFor, Timeout: leaseFor, Concurrency: asking, Lanes: true, Probe: probeWallet},
			kindRefundAsk: {Handler: g.watched(g.refundJob), Ladder: settleLadder, Forever: true, Lease: leaseFor, Timeout: leaseFor, Concurrency: asking, Lanes: true, Probe: probeWallet},
			kindCallback:  {Handler: g.callbackJob, Ladder: notify.Ladder, Lease: leaseFor, Timeout: leaseFor, Concurrency: telling, Lanes: true},
		},
	})
	lanes := g.runner.Lanes
	c.Metrics.lanes.Store(&lanes)
	return g
}

// watched asks for a person when a job that never gives up keeps failing: an
// account or a merchant may be gone while orders are open.
func (g *Gateway) watched(do jobs.Handler) jobs.Handler {
	return func(ctx context.Context, j jobs.Job) (jobs.Verdict, error) {
		v, err := do(ctx, j)
		if err != nil && (j.Attempt == alertAt || j.Attempt > 0 && j.Attempt%alertEvery == 0) {
			g.Metrics.raised("")
			g.Log.ErrorContext(ctx, "needs an operator", slog.String("merchant_id", j.MerchantID),
				slog.String("kind", j.Kind), slog.String("ref", j.Ref), slog.Int64("attempt", j.Attempt),
				slog.String("why", "the job keeps failing: "+err.Error()))
			a := store.Attention{MerchantID: j.MerchantID, OutTradeNo: j.Ref, Why: "the job keeps failing: " + j.Kind}
			if j.Kind != kindSettle { // its reference is the refund's number
				a.OutTradeNo, a.OutRefundNo = "", j.Ref
			}
			g.note(ctx, a)
		}
		return v, err
	}
}

// Run runs the jobs until ctx ends, then waits for running jobs and for wallet
// calls that outlived their callers. From then on payments are answered as
// unavailable, and nothing is written for them. It returns nil after a clean stop.
func (g *Gateway) Run(ctx context.Context) error {
	err := g.runner.Run(ctx)
	g.calls.Close()
	return err
}

// Runner returns the job runner, for its figures.
func (g *Gateway) Runner() *jobs.Runner { return g.runner }

// profile returns the ladder of an order: its channel's, as its trade type and
// its merchant's setting have it.
func (g *Gateway) profile(o pay.Order) pay.Profile {
	return g.Profiles[o.Channel].For(o.TradeType, o.Settle)
}

// now returns the time at the precision the store keeps.
func (g *Gateway) now() time.Time { return g.Now().UTC().Truncate(time.Millisecond) }

// wallet returns the channel of an order and how the wallet names the merchant.
func (g *Gateway) wallet(ctx context.Context, m *directory.Merchant, ch pay.Channel) (channel.Channel, channel.Merchant, error) {
	w, err := g.Channels(ctx, m.ProviderID, ch)
	if err != nil {
		return nil, channel.Merchant{}, err
	}
	return g.Evidence.Watch(w, m.ID, ch), channel.Merchant{
		SubMchID: m.Wx.SubMchID, SubAppID: m.Wx.SubAppID,
		AppAuthToken: m.Ali.AppAuthToken, SellerID: m.Ali.SellerID,
		API: m.Wx.API,
	}, nil
}

// jobLook is how often a caller looks whether another worker is done with the
// job he waits for.
const jobLook = 50 * time.Millisecond

// runFor runs one job, if it is due, for a caller who waits at most
// AnswerWithin, also when a worker was faster and has it: what was put to be done
// while he had it is done after him. The job goes on without the caller. What it
// fails at is its own business: its row stays and it runs again.
func (g *Gateway) runFor(ctx context.Context, k jobs.Key) {
	after := context.WithoutCancel(ctx)
	ctx, cancel := context.WithTimeout(ctx, g.AnswerWithin)
	defer cancel()
	// Once more than it was seen with another: he may have freed it just before we looked.
	for spare := true; ; {
		done, ran := make(chan struct{}), false
		began := g.calls.Go(func() {
			defer close(done)
			ran, _ = g.runner.RunNow(after, k)
			g.runner.Wake()
		})
		if !began {
			return
		}
		select {
		case <-done:
		case <-ctx.Done():
			return
		}
		if ran {
			return
		}
		seen, due := g.waitFor(ctx, k)
		if !due || !seen && !spare {
			return // done, not due, or behind another of its line
		}
		spare = spare && seen
	}
}

// waitFor waits until nobody has the job any more. seen says that somebody had it,
// due that it is to be done at once after that.
func (g *Gateway) waitFor(ctx context.Context, k jobs.Key) (seen, due bool) {
	look := time.NewTicker(jobLook)
	defer look.Stop()
	for {
		j, err := g.Store.Job(ctx, k)
		now := g.now()
		switch {
		case err != nil:
			return seen, false
		case j.Lease == "" || !j.LeaseUntil.After(now):
			return seen, j.State == jobs.Ready && !j.RunAt.After(now)
		}
		seen = true
		select {
		case <-look.C:
		case <-ctx.Done():
			return seen, false
		}
	}
}

// orderRequest names an order at its wallet.
func orderRequest(o pay.Order, m channel.Merchant) channel.OrderRequest {
	return channel.OrderRequest{Merchant: m, OutTradeNo: o.OutTradeNo, Total: o.Total}
}
