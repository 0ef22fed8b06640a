// Package sim runs the whole product in one process on fake time: tills (the
// Go SDK), the API, the gateway, its store, the adapters, both wallets, their
// customers and the merchants' callback endpoints. A seed chooses who pays what
// and everything that goes wrong; afterwards the promises P1 to P7 and P10 of
// the README are checked against what the wallets say has happened to money. Keys
// and certificates change meanwhile, and money that is lost so breaks P9.
//
// # One seed is one run
//
// A run lives in a bubble of testing/synctest. One driver starts every event at
// a nanosecond of its own and waits until everybody is idle before the next.
// What travels takes its time and its fate from a hash of the seed, the moment
// and what it is, never from a shared generator, and every unit of work takes a
// time of its own to the disk and back. So it does not matter which goroutine the runtime
// lets go first, and one seed gives one event log, whose hash is compared.
//
// # What a crash is
//
// A process is what has effects on others through its disk and its network. It
// ends at one moment, before or after any commit, or while nothing is being
// committed at all: from then on none of its units of work is written, none of
// its messages leaves and none reaches it, while what was on its way to others
// arrives. "Killed between any two commits" therefore means: killed in the
// writer, just before COMMIT (nothing of the group is on disk) or just after it
// (all of it is, and nobody has heard). Its goroutines see errors and end; they
// cannot tell that from a process that is gone, and nobody can see them. The
// next process opens the same SQLite file. That committed pages survive a power
// cut is SQLite's promise with synchronous=FULL and not tested here; the file
// lives in memory where there is some, so that a thousand seeds need no disk.
//
// # What this room must not know
//
// It knows the outside of the product and its rows. It must not know a rule of
// money that the product could have wrong with it: what is right is told by the
// wallets' movements of money, by what tills and merchants were told, and by
// the promises.
package sim

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"os"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"
)

// Config says what to run.
type Config struct {
	Seed uint64
	Kit  *Kit
	// Now is time.Now: inside a bubble it is the bubble's.
	Now func() time.Time
	// NoNights leaves out the nights that some seeds live through (docs/decisions/0064).
	NoNights bool
	// Trace, if set, hears every line of the event log as it happens, in the
	// order of the runtime, which need not be that of the log.
	Trace func(line string)
}

// Result is what a run was.
type Result struct {
	Seed uint64
	// Hash is of the event log. One seed has one hash.
	Hash string
	Log  []string
	// Faults counts what was injected, by kind.
	Faults map[string]int
	// Violations are the promises that were broken, in words; nil is the hope.
	Violations []string
	Orders     int
	Paid       int
	Fake       time.Duration
}

// Run runs one seed in a bubble of t and returns what happened. Violations are
// not reported to t: the caller does that.
func Run(t *testing.T, c Config) Result {
	t.Helper()
	r := Result{Seed: c.Seed}
	dir, err := os.MkdirTemp(memory(), "cloudpay-sim") //nolint:usetesting // where it costs no disk
	if err != nil {
		t.Fatal(err)
	}
	defer func() {
		if err := os.RemoveAll(dir); err != nil {
			t.Error(err)
		}
	}()
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(c, dir)
		if err := w.run(context.WithoutCancel(t.Context())); err != nil {
			w.violated("the simulation itself failed: %v", err)
		}
		r.Fake = c.Now().Sub(w.start)
		r.Log, r.Faults, r.Violations = w.log(), w.faults, w.bad
		r.Orders, r.Paid = w.orders, w.paid
	})
	sum := sha256.Sum256([]byte(strings.Join(r.Log, "\n")))
	r.Hash = hex.EncodeToString(sum[:8])
	return r
}

// memory is where files cost no disk, "" for the default.
func memory() string {
	const shm = "/dev/shm"
	if info, err := os.Stat(shm); err == nil && info.IsDir() {
		return shm
	}
	return ""
}

// run lives through one seed.
func (w *world) run(ctx context.Context) (err error) {
	if err := w.open(ctx); err != nil {
		return err
	}
	defer func() { err = errors.Join(err, w.close(ctx)) }()
	w.plan() //nolint:contextcheck // the sandbox takes its faults without one
	w.drive(ctx, w.calm)
	w.settleDown(ctx)
	if w.night != nil {
		w.liveOn(ctx)
	}
	w.finalCheck(ctx)
	return nil
}

// Limits of the end of a run.
const (
	// truthWithin is P7: code payments are final this long after the last fault.
	truthWithin = 15 * time.Minute
	// stepAtEnd is how often it is looked whether all is quiet.
	stepAtEnd = 5 * time.Minute
	// patience ends a run that does not become quiet: a callback's ladder is a
	// day long, and a buried one waits for the next delivery.
	patience = 27 * time.Hour
)

// settleDown lets the calm do its work: no faults from here on, until the next
// morning if there is one.
func (w *world) settleDown(ctx context.Context) {
	w.becomeCalm(ctx)
	calm := w.lastCalm()
	w.callCashiers(ctx)
	w.drive(ctx, calm.Add(truthWithin))
	w.checkFinal(ctx)
	w.decide(ctx)
	for at := calm.Add(truthWithin); at.Before(calm.Add(patience)); at = at.Add(stepAtEnd) {
		if w.quiet(ctx) || w.night != nil && at.Before(w.night.dawn) && !at.Add(stepAtEnd).Before(w.night.dawn) {
			return
		}
		w.drive(ctx, at.Add(stepAtEnd))
		w.decide(ctx)
	}
	w.violated("not quiet %v after the last fault: %s", patience, w.unquiet(ctx))
}

// violated notes a broken promise.
func (w *world) violated(format string, args ...any) {
	text := fmt.Sprintf(format, args...)
	w.note("VIOLATION", "%s", text)
	w.mu.Lock()
	defer w.mu.Unlock()
	if !slices.Contains(w.bad, text) {
		w.bad = append(w.bad, text)
	}
}
