package sim

import (
	"cmp"
	"container/heap"
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"hash/fnv"
	"math/rand/v2"
	"net/http"
	"os"
	"path/filepath"
	"slices"
	"sync"
	"testing/synctest"
	"time"

	"cloudpay/cpay"
	"cloudpay/internal/sandbox"
)

// world is everything that lives in one bubble.
type world struct {
	Config
	start   time.Time
	calm    time.Time // from here on nothing goes wrong any more
	dir     string
	box     *sandbox.Sandbox
	wallets http.Handler   // the box's
	wg      sync.WaitGroup // everybody who acts

	mu      sync.Mutex
	events  events
	poke    chan struct{} // an event came that is earlier than the next
	lines   []line
	faults  map[string]int
	bad     []string
	process *process // nil while none runs
	weather *weather
	night   *night // nil if the run ends with its day
	// keys are those that tills were given, newest last; accepted are those that
	// callbacks may be signed with beside the first.
	keys, accepted []cpay.Key
	api            [2]string     // see apis
	certs          certs         // of Alipay
	manual         bool          // the server never reverses by itself
	keysUsed       int           // of the kit's spare ones
	operator       chan struct{} // held by who changes the account
	told           told
	busy           int // actors that have not ended
	orders         int
	paid           int
}

// line is one entry of the event log.
type line struct {
	at   time.Duration // since the start
	text string
}

func newWorld(c Config, dir string) *world {
	w := &world{
		Config: c, start: c.Now(), dir: dir, poke: make(chan struct{}, 1), faults: map[string]int{},
		told: newTold(), keys: []cpay.Key{c.Kit.authenKey}, operator: make(chan struct{}, 1),
	}
	w.api, w.certs = w.throwAPI(), w.throwCerts()
	w.throwNight()
	w.weather = w.forecast()
	w.calm = w.start.Add(w.weather.lasts)
	w.throwMorning()
	return w
}

// open makes the wallets and the first process.
func (w *world) open(ctx context.Context) error {
	if err := os.WriteFile(filepath.Join(w.dir, "sandbox.db"), w.Kit.sandboxDB, 0o600); err != nil {
		return err
	}
	if err := os.WriteFile(w.payDB(), w.Kit.payDB[modes{w.api[0], w.certs == certsAlways}], 0o600); err != nil {
		return err
	}
	box, err := sandbox.New(ctx, sandbox.Config{
		Dir: w.dir, Providers: 1, MerchantsPerProvider: 1, Now: w.Now, Strict: w.weather.strict, NewKey: w.spareKey,
		Notify: &link{w: w, name: "notice", to: w.gateway},
	})
	if err != nil {
		return err
	}
	w.box, w.wallets = box, box.Wallet()
	return w.startProcess(ctx)
}

func (w *world) payDB() string { return filepath.Join(w.dir, "pay.db") }

// close ends everybody.
func (w *world) close(ctx context.Context) error {
	var err error
	if p := w.running(); p != nil {
		err = p.stop(ctx)
	}
	w.wg.Wait()
	return errors.Join(err, w.box.Close()) //nolint:contextcheck // the sandbox closes without one
}

// dice are thrown for one happening at this moment. What they show depends on
// the seed, the moment and the names only.
func (w *world) dice(names ...string) *rand.Rand {
	h := fnv.New64a()
	var b [16]byte
	binary.LittleEndian.PutUint64(b[:], w.Seed)
	binary.LittleEndian.PutUint64(b[8:], uint64(w.Now().Sub(w.start))) //nolint:gosec // only bits are wanted
	_, _ = h.Write(b[:])
	for _, n := range names {
		_, _ = h.Write([]byte(n))
		_, _ = h.Write([]byte{0})
	}
	return rand.New(rand.NewPCG(w.Seed, h.Sum64())) //nolint:gosec // a run must repeat from its seed
}

// between throws a duration at the precision of nanoseconds.
func between(r *rand.Rand, low, high time.Duration) time.Duration {
	return low + time.Duration(r.Int64N(int64(high-low)))
}

// note writes to the event log. What it says must not hold anything that is
// random beyond the seed.
func (w *world) note(kind, format string, args ...any) {
	at := w.Now().Sub(w.start)
	text := kind + " " + fmt.Sprintf(format, args...)
	w.mu.Lock()
	w.lines = append(w.lines, line{at, text})
	w.mu.Unlock()
	if w.Trace != nil {
		w.Trace(fmt.Sprintf("%14v %s", at, text))
	}
}

// log is the event log in the order of time. What happened at one moment has no
// order, so it is given the alphabet's.
func (w *world) log() []string {
	w.mu.Lock()
	defer w.mu.Unlock()
	slices.SortFunc(w.lines, func(a, b line) int { return cmp.Or(cmp.Compare(a.at, b.at), cmp.Compare(a.text, b.text)) })
	out := make([]string, len(w.lines))
	for i, l := range w.lines {
		out[i] = fmt.Sprintf("%14v %s", l.at, l.text)
	}
	return out
}

// fault counts one injected fault.
func (w *world) fault(kind string) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.faults[kind]++
}

// sleep waits for d on the bubble's clock.
func (w *world) sleep(d time.Duration) {
	if d > 0 {
		<-time.After(d)
	}
}

// spawn starts something that the world waits for in the end.
func (w *world) spawn(f func()) { w.wg.Go(f) }

// actor starts somebody who is done before the run is.
func (w *world) actor(f func()) {
	w.mu.Lock()
	w.busy++
	w.mu.Unlock()
	w.spawn(func() {
		f()
		w.mu.Lock()
		w.busy--
		w.mu.Unlock()
	})
}

// calmed reports whether nothing goes wrong at this moment.
func (w *world) calmed() bool {
	now := w.Now()
	return !now.Before(w.calm) && !w.night.rough(now)
}

// lastCalm is when the faults that have begun are over: those of the run, or those
// of the morning after it.
func (w *world) lastCalm() time.Time {
	if w.night != nil && !w.Now().Before(w.night.dawn) {
		return w.night.over
	}
	return w.calm
}

// event is something the driver does at its moment.
type event struct {
	at   time.Time
	what string
	do   func(context.Context)
}

// events is a heap by time.
type events []event

func (e *events) Len() int           { return len(*e) }
func (e *events) Less(i, j int) bool { return (*e)[i].at.Before((*e)[j].at) }
func (e *events) Swap(i, j int)      { (*e)[i], (*e)[j] = (*e)[j], (*e)[i] }

// Push adds an event; it is for container/heap.
func (e *events) Push(x any) {
	if ev, ok := x.(event); ok {
		*e = append(*e, ev)
	}
}

// Pop takes the last one; it is for container/heap.
func (e *events) Pop() any {
	old := *e
	last := old[len(old)-1]
	*e = old[:len(old)-1]
	return last
}

// at has the driver do something later.
func (w *world) at(t time.Time, what string, do func(context.Context)) {
	w.mu.Lock()
	heap.Push(&w.events, event{t, what, do})
	w.mu.Unlock()
	select {
	case w.poke <- struct{}{}:
	default:
	}
}

// after has the driver do something after d.
func (w *world) after(d time.Duration, what string, do func(context.Context)) {
	w.at(w.Now().Add(d), what, do)
}

// drive does the events until t, one after the other.
func (w *world) drive(ctx context.Context, t time.Time) {
	for {
		now := w.Now()
		w.mu.Lock()
		var next event
		due := len(w.events) > 0 && !w.events[0].at.After(now)
		wait := t.Sub(now)
		if due {
			next, _ = heap.Pop(&w.events).(event)
		} else if len(w.events) > 0 {
			wait = min(wait, w.events[0].at.Sub(now))
		}
		w.mu.Unlock()
		switch {
		case due:
			if next.what != "" {
				w.note("event", "%s", next.what)
			}
			next.do(ctx)
			synctest.Wait()
		case wait <= 0:
			return
		default:
			timer := time.NewTimer(wait)
			select {
			case <-timer.C:
			case <-w.poke:
			}
			timer.Stop()
		}
	}
}
