package jobs

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"maps"
	"runtime/debug"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"time"
)

// Defaults and limits of a runner.
const (
	defaultMaxIdle = time.Second // a job that another process wrote waits at most this long
	defaultWorkers = 32
	defaultBatch   = 32
	defaultTimeout = 20 * time.Second // the longest call of a handler is 15 s
	defaultDrain   = 3 * time.Second  // a process ends within 5 s of SIGTERM
	// spacing keeps Wake, called for every payment, from making a claim of each.
	spacing = 5 * time.Millisecond
)

// Kind says how the jobs of one kind are done.
type Kind struct {
	Handler Handler
	// Ladder holds the pauses after the first, second, … failed attempt. After
	// the last one the job is buried, unless Forever repeats the last pause.
	Ladder  []time.Duration
	Forever bool
	// Deadline, when not zero, buries a failing job instead of retrying it later
	// than this after its creation.
	Deadline time.Duration
	// Jitter, between 0 and 1, shortens or lengthens each pause by at most that
	// share of it.
	Jitter float64
	// Timeout bounds one attempt; 0 is 20 s.
	Timeout time.Duration
	// Lease is how long a claim keeps others away; 0 is three times Timeout. A
	// batch is claimed with the longest lease of its kinds.
	Lease time.Duration
	// Concurrency bounds the attempts under way; 0 is half of Config.Workers, or
	// all of them if there is one kind only, so that no kind holds up the others.
	Concurrency int
	// Lanes says that jobs may have a lane. A lane that is slow or dead is then
	// held back by itself: handlers tell with LaneDown and LaneUp whose fault a
	// failure is.
	Lanes bool
	// Probe is the longest pause between two tries of a lane that is down; 0 is a
	// minute.
	Probe time.Duration
}

// Config is what a runner needs.
type Config struct {
	Queue Queue
	Kinds map[string]Kind
	// Now tells the time of the rows. Waiting uses timers, which agree with Now
	// unless somebody moves its clock; then MaxIdle bounds the difference.
	Now func() time.Time
	Log *slog.Logger
	// MaxIdle is the longest wait before the queue is asked again; 0 is 1 s.
	MaxIdle time.Duration
	// Batch is the most jobs of one claim; 0 is 32.
	Batch int
	// Workers bounds the attempts under way, of all kinds; 0 is 32.
	Workers int
	// Drain is how long attempts may go on after Run was told to stop; 0 is 3 s.
	Drain time.Duration
	// Standing put the jobs that are done for ever. Run calls them before it first
	// looks at the queue; those that fail, before each look until they have worked:
	// what was not planned at a start would else wait for the next one.
	Standing []func(context.Context) error
}

// Runner claims jobs and has them done. Wake, RunNow and Stats are safe for
// concurrent use, before, during and after Run.
type Runner struct {
	queue    Queue
	now      func() time.Time
	log      *slog.Logger
	maxIdle  time.Duration
	batch    int
	workers  int
	drain    time.Duration
	standing []func(context.Context) error
	kinds    map[string]*kind
	names    []string // of kinds, sorted
	wake     chan struct{}
	started  atomic.Bool
}

// kind is a Kind with its defaults, and what the runner knows of it. running
// and waiting belong to the goroutine of Run.
type kind struct {
	Kind
	running int
	waiting []claimed // not started: the kind is at its Concurrency
	stats   counters
	lanes   *lanes // nil for none
	cursor  string // the lane after which the next look at the queue begins
}

// New returns a runner. Queue, Kinds, Now and Log are required; so are every
// kind's handler and ladder, and a lease not shorter than its timeout. Anything
// else is a programmer's mistake: New panics.
func New(c Config) *Runner {
	r := &Runner{
		queue: c.Queue, now: c.Now, log: c.Log, maxIdle: c.MaxIdle, batch: c.Batch, workers: c.Workers, drain: c.Drain, standing: c.Standing,
		kinds: map[string]*kind{}, names: slices.Sorted(maps.Keys(c.Kinds)), wake: make(chan struct{}, 1),
	}
	if r.queue == nil || r.now == nil || r.log == nil || len(r.names) == 0 {
		panic("jobs: a runner needs a queue, a time, a log and kinds")
	}
	orDefault(&r.maxIdle, defaultMaxIdle)
	orDefault(&r.batch, defaultBatch)
	orDefault(&r.workers, defaultWorkers)
	orDefault(&r.drain, defaultDrain)
	for _, name := range r.names {
		k := &kind{Kind: c.Kinds[name]}
		orDefault(&k.Timeout, defaultTimeout)
		orDefault(&k.Lease, 3*k.Timeout)
		share := r.workers
		if len(r.names) > 1 {
			share = max(1, r.workers/2)
		}
		orDefault(&k.Concurrency, share)
		if k.Handler == nil || len(k.Ladder) == 0 || k.Lease < k.Timeout {
			panic("jobs: kind " + name + " needs a handler, a ladder and a lease not shorter than its timeout")
		}
		orDefault(&k.Probe, mostProbe)
		if k.Lanes {
			k.lanes = newLanes(k.Concurrency, k.Probe)
		}
		r.kinds[name] = k
	}
	return r
}

func orDefault[T int | time.Duration](v *T, d T) {
	if *v <= 0 {
		*v = d
	}
}

// Wake says that something became due: the runner looks within 5 ms. It never
// blocks.
func (r *Runner) Wake() {
	select {
	case r.wake <- struct{}{}:
	default:
	}
}

// RunNow claims that one job and does it in the caller's goroutine, with the
// same handling of verdicts, failures and panics as in Run. ran is false when
// the job is not to be had: gone, leased, not due, or not first of its line.
// The attempt survives the death of ctx. err means that the claim or the
// writing of the verdict failed; a failure of the handler is written to the job
// and is not an error here.
func (r *Runner) RunNow(ctx context.Context, key Key) (ran bool, err error) {
	k, ok := r.kinds[key.Kind]
	if !ok {
		return false, fmt.Errorf("run job %s %s: no handler for this kind", key.Kind, key.Ref)
	}
	j, ok, err := r.queue.ClaimOne(ctx, r.now(), k.Lease, key)
	if err != nil {
		return false, fmt.Errorf("claim job %s %s: %w", key.Kind, key.Ref, err)
	}
	if !ok {
		return false, nil
	}
	k.stats.claimed.Add(1)
	defer r.Wake() // the next of its line may be due
	if err := r.attempt(context.WithoutCancel(ctx), k, k.hold(j)); err != nil {
		return true, fmt.Errorf("record job %s %s: %w", key.Kind, key.Ref, err)
	}
	return true, nil
}

// errDraining is why the attempts that outlive the drain are cancelled.
var errDraining = errors.New("the process is stopping")

// Run does jobs until ctx ends. Then it claims no more, gives back what it has
// not started, and lets attempts go on for Config.Drain before it cancels
// their contexts. It returns nil when all of them have returned. Call it once.
func (r *Runner) Run(ctx context.Context) error {
	if r.started.Swap(true) {
		return errors.New("jobs: Run was called twice")
	}
	// Attempts outlive ctx; cancel ends those that outlive the drain.
	work, cancel := context.WithCancelCause(context.WithoutCancel(ctx))
	defer cancel(nil)
	l := &loop{Runner: r, work: work, done: make(chan *kind, r.workers), standing: slices.Clone(r.standing)}
	for ctx.Err() == nil {
		l.plan(ctx)
		l.start()
		next := l.claim(ctx)
		l.start()
		l.wait(ctx, next)
	}
	l.returnWaiting(work)
	late := time.AfterFunc(r.drain, func() { cancel(errDraining) })
	defer late.Stop()
	l.wg.Wait()
	return nil
}

// loop is the state of one Run. Only its goroutine touches it, but for done.
type loop struct {
	*Runner
	work     context.Context //nolint:containedctx // the parent of all attempts, not of a call
	wg       sync.WaitGroup
	done     chan *kind // one value per finished attempt; as wide as there are workers
	running  int
	looked   time.Time                     // when the queue was last asked
	troubled bool                          // the last claim failed: say so once
	standing []func(context.Context) error // that have not worked yet
	late     bool                          // one has failed: say so once
}

// plan puts the jobs that are done for ever.
func (l *loop) plan(ctx context.Context) {
	l.standing = slices.DeleteFunc(l.standing, func(put func(context.Context) error) bool {
		err := put(ctx)
		if err != nil && ctx.Err() == nil && !l.late {
			l.late = true
			l.log.WarnContext(ctx, "a job that is done for ever is not planned yet", slog.String("error", err.Error()))
		}
		return err == nil
	})
}

// start starts claimed jobs for which there is room.
func (l *loop) start() {
	for _, name := range l.names {
		k := l.kinds[name]
		for len(k.waiting) > 0 && k.running < k.Concurrency && l.running < l.workers {
			j := k.waiting[0]
			k.waiting = k.waiting[1:]
			k.stats.waiting.Add(-1)
			if !l.now().Before(j.LeaseUntil) {
				j.drop()
				continue // somebody else may have it by now
			}
			k.running++
			l.running++
			l.wg.Go(func() {
				defer func() { l.done <- k }()
				_ = l.attempt(l.work, k, j) // it has been logged, and the lease will run out
			})
		}
	}
}

// claim fills the room there is and returns how long the queue may be left
// alone if nothing else happens.
func (l *loop) claim(ctx context.Context) time.Duration {
	next, err := l.claimLanes(ctx)
	if err == nil {
		var plain time.Duration
		if plain, err = l.claimPlain(ctx); err == nil {
			l.troubled = false
			return min(next, plain)
		}
	}
	if ctx.Err() == nil && !l.troubled {
		l.troubled = true
		l.log.ErrorContext(ctx, "jobs cannot be claimed", slog.String("error", err.Error()))
	}
	return l.maxIdle
}

// claimPlain claims jobs without a lane.
func (l *loop) claimPlain(ctx context.Context) (time.Duration, error) {
	for ctx.Err() == nil {
		kinds, lease := l.room()
		limit := min(l.batch, l.workers-l.running)
		if len(kinds) == 0 || limit <= 0 {
			return l.maxIdle, nil // the end of an attempt wakes us
		}
		l.looked = l.now()
		got, err := l.queue.Claim(ctx, kinds, l.looked, lease, limit)
		if err != nil {
			return 0, err
		}
		l.take(got)
		l.start()
		if len(got) >= limit {
			continue
		}
		next, err := l.next(ctx, kinds)
		if err != nil || next > 0 {
			return next, err
		}
	}
	return 0, nil
}

// room returns the kinds that can take more, and their longest lease.
func (l *loop) room() (kinds []string, lease time.Duration) {
	for _, name := range l.names {
		if k := l.kinds[name]; len(k.waiting) == 0 && k.running < k.Concurrency {
			kinds = append(kinds, name)
			lease = max(lease, k.Lease)
		}
	}
	return kinds, lease
}

// next returns the time until the next job of these kinds, at most MaxIdle. It
// is 0 only for what became due after the last look: what was due then and was
// not had then is not worth asking for again at once.
func (l *loop) next(ctx context.Context, kinds []string) (time.Duration, error) {
	at, ok, err := l.queue.NextDue(ctx, kinds)
	if err != nil || !ok || !at.After(l.looked) {
		return l.maxIdle, err
	}
	return min(max(at.Sub(l.now()), 0), l.maxIdle), nil
}

// take sorts claimed jobs by kind.
func (l *loop) take(got []Job) {
	for _, j := range got {
		k := l.kinds[j.Kind]
		k.waiting = append(k.waiting, k.hold(j))
		k.stats.claimed.Add(1)
		k.stats.waiting.Add(1)
	}
}

// wait returns when there may be something to do: an attempt ended, the time is
// up, Wake was called, or ctx ended.
func (l *loop) wait(ctx context.Context, d time.Duration) {
	timer := time.NewTimer(d)
	defer func() {
		timer.Stop()
		select {
		case <-l.wake: // the look that follows sees what it was called for
		default:
		}
	}()
	wake := l.wake
	for {
		select {
		case k := <-l.done:
			l.ended(k)
			for {
				select {
				case k := <-l.done:
					l.ended(k)
				default:
					return
				}
			}
		case <-wake:
			rest := spacing - l.now().Sub(l.looked)
			if rest <= 0 || rest > spacing {
				return
			}
			timer.Reset(min(rest, d))
			wake = nil
		case <-timer.C:
			return
		case <-ctx.Done():
			return
		}
	}
}

func (l *loop) ended(k *kind) {
	k.running--
	l.running--
}

// returnWaiting gives back the jobs that were claimed and not started.
func (l *loop) returnWaiting(ctx context.Context) {
	ctx, cancel := context.WithTimeout(ctx, l.drain)
	defer cancel()
	for _, name := range l.names {
		k := l.kinds[name]
		for _, j := range k.waiting {
			j.drop()
			if err := l.giveBack(ctx, j.Job); err != nil {
				l.log.WarnContext(ctx, "job not given back: its lease must run out", append(j.attrs(), slog.String("error", err.Error()))...)
			}
		}
		k.stats.waiting.Add(-int64(len(k.waiting)))
		k.waiting = nil
	}
}

// attempt does one claimed job and records what became of it.
func (r *Runner) attempt(ctx context.Context, k *kind, c claimed) error {
	j, began := c.Job, r.now()
	if k.spent(j) {
		c.drop()
		return r.record(ctx, k, j, Bury("gave up: no attempt ever reported back"), nil)
	}
	k.stats.running.Add(1)
	defer k.stats.running.Add(-1)
	limit := min(k.Timeout, j.LeaseUntil.Sub(began))
	attemptCtx, cancel := context.WithTimeout(ctx, limit)
	v, err := r.call(attemptCtx, k, j)
	cancel()
	if err != nil && errors.Is(context.Cause(ctx), errDraining) {
		v, err = Verdict{what: verdictBack}, nil // it did not fail, it was interrupted
	}
	r.tell(ctx, c, v, err, began)
	return r.record(ctx, k, j, v, err)
}

// panicError is a failed attempt that must not be repeated by itself.
type panicError struct{ line string }

// Error returns the first line of what the handler panicked with.
func (e *panicError) Error() string { return "panic: " + e.line }

// call runs the handler and turns a panic into an error. The stack goes to the
// log only.
func (r *Runner) call(ctx context.Context, k *kind, j Job) (v Verdict, err error) {
	defer func() {
		p := recover()
		if p == nil {
			return
		}
		line, _, _ := strings.Cut(fmt.Sprint(p), "\n")
		v, err = Verdict{}, &panicError{line: line}
		k.stats.panicked.Add(1)
		r.log.ErrorContext(ctx, "job panicked", append(j.attrs(),
			slog.String("panic", line), slog.String("stack", string(debug.Stack())))...)
	}()
	return k.Handler(ctx, j)
}
