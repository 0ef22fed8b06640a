package jobs

import (
	"context"
	"errors"
	"hash/fnv"
	"log/slog"
	"math"
	"strconv"
	"strings"
	"time"
)

// Handler does one job. It runs at least once per job, so everything it does
// must be safe to repeat. ctx ends with the kind's Timeout, or with the lease
// if that is sooner. An error means that the attempt failed: the job is retried
// by its kind's ladder. The error's text is stored and shown, so it holds no
// secret.
type Handler func(ctx context.Context, j Job) (Verdict, error)

// Verdict is what becomes of a job after an attempt that did not fail. Make one
// with Done, Again, Kept, Shift or Bury.
type Verdict struct {
	what verdict
	at   time.Time
	why  string
	lane string
	// of is what the attempt says of its lane, beyond what follows from the rest.
	of fate
}

// OfLane says of an attempt that did not fail how it found its lane: whether
// whatever the jobs of the lane share has answered.
func (v Verdict) OfLane(up bool) Verdict {
	v.of = laneWasDown
	if up {
		v.of = laneWasUp
	}
	return v
}

type verdict int

const (
	verdictMissing verdict = iota // a handler must say what it wants
	verdictDone
	verdictAgain
	verdictKept
	verdictShift
	verdictBury
	verdictRetry // a failed attempt, by the ladder
	verdictBack  // an attempt that was interrupted by the end of the process
)

// Done says that the work is done: the runner deletes the job.
func Done() Verdict { return Verdict{what: verdictDone} }

// Again says that this step is done and the next is due at the given time. The
// ladder starts from its first rung again.
func Again(at time.Time) Verdict { return Verdict{what: verdictAgain, at: at} }

// Kept says that the handler has already deleted or moved the job in its own
// unit of work: the runner only frees it. A job that was not moved waits for the
// end of its lease.
func Kept() Verdict { return Verdict{what: verdictKept} }

// Shift says that the job belongs to another lane: it is moved there, and no
// attempt is spent.
func Shift(lane string) Verdict { return Verdict{what: verdictShift, lane: lane} }

// Bury says that only a person can help, and why. The text is stored and shown.
func Bury(why string) Verdict { return Verdict{what: verdictBury, why: why} }

// recordLimit ends the writing of a verdict. It is not part of a handler's own
// time: the work is done and must be remembered.
const recordLimit = 10 * time.Second

// record writes what became of an attempt. If that fails, the lease runs out
// and the job is done again.
func (r *Runner) record(ctx context.Context, k *kind, j Job, v Verdict, failed error) error {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), recordLimit)
	defer cancel()
	if failed != nil {
		v = k.afterFailure(j, failed, r.now())
	}
	var err error
	switch v.what {
	case verdictDone:
		k.stats.finished.Add(1)
		err = r.queue.Finish(ctx, j)
	case verdictKept:
		k.stats.kept.Add(1)
		err = r.queue.Retry(ctx, j, j.LeaseUntil, j.LastError)
	case verdictAgain:
		k.stats.again.Add(1)
		j.Attempt = 0
		err = r.queue.Retry(ctx, j, v.at, "")
	case verdictRetry:
		k.stats.retried.Add(1)
		r.log.InfoContext(ctx, "job failed and is retried", append(j.attrs(),
			slog.Time("at", v.at), slog.String("why", v.why))...)
		err = r.queue.Retry(ctx, j, v.at, clip(v.why))
	case verdictBack:
		err = r.giveBack(ctx, j)
	case verdictShift:
		err = r.queue.Shift(ctx, j, v.lane)
		defer r.Wake()
	case verdictMissing:
		v.why = "the handler gave no verdict"
		fallthrough
	case verdictBury:
		k.stats.buried.Add(1)
		r.log.ErrorContext(ctx, "job buried: see cloudpay jobs", append(j.attrs(), slog.String("why", v.why))...)
		err = r.queue.Bury(ctx, j, clip(v.why))
	}
	if err != nil {
		k.stats.unrecorded.Add(1)
		r.log.WarnContext(ctx, "job's verdict not written: it will be done again", append(j.attrs(), slog.String("error", err.Error()))...)
	}
	return err
}

// giveBack returns a claimed job as it was, so that it need not wait for the
// end of its lease and no rung of its ladder is spent.
func (r *Runner) giveBack(ctx context.Context, j Job) error {
	j.Attempt--
	return r.queue.Retry(ctx, j, j.RunAt, j.LastError)
}

// afterFailure turns a failed attempt into a retry at the next rung, or into Bury
// when the ladder or the deadline ends.
func (k *kind) afterFailure(j Job, failed error, now time.Time) Verdict {
	why := failed.Error()
	if errors.As(failed, new(*panicError)) {
		return Bury(why)
	}
	rung := int(min(max(j.Attempt-1, 0), math.MaxInt32))
	if rung >= len(k.Ladder) && !k.Forever {
		return Bury("gave up after attempt " + strconv.FormatInt(j.Attempt, 10) + ": " + why)
	}
	pause := k.Ladder[min(rung, len(k.Ladder)-1)]
	at := now.Add(pause + k.jitter(j, pause))
	if k.Deadline > 0 && at.After(j.CreatedAt.Add(k.Deadline)) {
		return Bury("gave up at the deadline: " + why)
	}
	return Verdict{what: verdictRetry, at: at, why: why}
}

// spent reports a job whose last permitted attempt never reported back: it was
// running when its process died, every time, and must not be tried for ever.
func (k *kind) spent(j Job) bool {
	return !k.Forever && j.Attempt > int64(len(k.Ladder))+1
}

// jitter spreads jobs that failed together. It depends on the job and the
// attempt only, so that a simulation repeats exactly.
func (k *kind) jitter(j Job, pause time.Duration) time.Duration {
	if k.Jitter <= 0 {
		return 0
	}
	h := fnv.New64a()
	for _, s := range []string{j.MerchantID, j.Kind, j.Ref, strconv.FormatInt(j.Attempt, 10)} {
		_, _ = h.Write([]byte(s))
		_, _ = h.Write([]byte{0})
	}
	unit := float64(h.Sum64()>>11)/(1<<53)*2 - 1 // -1 ≤ unit < 1
	return time.Duration(unit * min(k.Jitter, 1) * float64(pause))
}

// attrs names a job in the log.
func (j Job) attrs() []any {
	return []any{
		slog.String("merchant_id", j.MerchantID), slog.String("kind", j.Kind), slog.String("ref", j.Ref),
		slog.Int64("attempt", j.Attempt),
	}
}

// clip makes a text fit for a row: valid UTF-8 without NUL, which PostgreSQL
// refuses, and at most MaxError bytes.
func clip(s string) string {
	if len(s) > MaxError {
		s = s[:MaxError]
	}
	return strings.ToValidUTF8(strings.ReplaceAll(s, "\x00", ""), "")
}
