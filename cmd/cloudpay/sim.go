package main

import (
	"context"
	"fmt"
	"io"
	"os"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"cloudpay/internal/sim"
)

// simCmd runs simulations. It is for developers and hidden from help: bubbles of
// fake time need a *testing.T, so the process becomes a test binary.
type simCmd struct {
	Seeds    uint64 `default:"1000" help:"How many seeds to run."`
	From     uint64 `default:"1" help:"The first seed."`
	Parallel int    `default:"1" help:"How many run at once."`
	Tail     int    `default:"60" help:"Lines of the event log to print of a seed that breaks a promise; with one seed, -1 prints all."`
	Stop     bool   `help:"Stop at the first seed that breaks a promise."`
	NoNights bool   `help:"Leave out the nights, with bills, reconciliation and closed days, that every sixth seed lives through."`
	Twice    bool   `help:"Run every seed twice and compare the hashes of the event logs."`
}

// Run never returns: testing.Main ends the process.
func (c *simCmd) Run(e env) error {
	if c.Parallel < 1 || c.Seeds < 1 {
		return usage("--seeds and --parallel must be at least 1")
	}
	run := func(t *testing.T) { //nolint:thelper // it is the whole of it
		os.Exit(c.run(t, e.stdout))
	}
	os.Args = append(os.Args[:1], "-test.timeout=0") // testing reads them too
	// The one way to a *testing.T outside of go test.
	testing.Main(func(string, string) (bool, error) { return true, nil },
		[]testing.InternalTest{{Name: "sim", F: run}}, nil, nil)
	return nil
}

// run runs all seeds and returns the exit code.
func (c *simCmd) run(t *testing.T, out io.Writer) int {
	t.Helper()
	kit, err := sim.NewKit(context.Background(), time.Now)
	if err != nil {
		_, _ = fmt.Fprintln(out, err)
		return exitFailed
	}
	s := &simRun{simCmd: c, out: out, kit: kit, start: time.Now(), faults: map[string]int{}}
	seeds := make(chan uint64)
	var wg sync.WaitGroup
	for range c.Parallel {
		wg.Go(func() {
			for seed := range seeds {
				t.Run(strconv.FormatUint(seed, 10), func(t *testing.T) { s.one(t, seed) })
			}
		})
	}
	for seed := c.From; seed < c.From+c.Seeds && (!c.Stop || !s.broken()); seed++ {
		seeds <- seed
	}
	close(seeds)
	wg.Wait()
	s.report()
	if len(s.bad) > 0 {
		return exitDeclined
	}
	return exitOK
}

// simRun sums up the runs of all seeds.
type simRun struct {
	*simCmd
	out   io.Writer
	kit   *sim.Kit
	start time.Time

	mu           sync.Mutex
	faults       map[string]int
	bad          []uint64
	done         uint64
	orders, paid int
	fake         time.Duration
}

// config is that of a seed's run.
func (s *simRun) config(seed uint64) sim.Config {
	return sim.Config{Seed: seed, Kit: s.kit, Now: time.Now, NoNights: s.NoNights}
}

// one runs one seed.
func (s *simRun) one(t *testing.T, seed uint64) {
	t.Helper()
	r := sim.Run(t, s.config(seed))
	if s.Twice {
		if again := sim.Run(t, s.config(seed)); again.Hash != r.Hash {
			r.Violations = append(r.Violations, "the same seed gave another event log: "+r.Hash+", "+again.Hash+firstDifference(r.Log, again.Log))
		}
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	for kind, n := range r.Faults {
		s.faults[kind] += n
	}
	s.done, s.orders, s.paid, s.fake = s.done+1, s.orders+r.Orders, s.paid+r.Paid, s.fake+r.Fake
	if len(r.Violations) > 0 {
		s.bad = append(s.bad, seed)
	}
	if len(r.Violations) > 0 || s.Seeds == 1 {
		s.show(r)
	}
	if s.done%1000 == 0 && s.done < s.Seeds {
		_, _ = fmt.Fprintf(s.out, "%d seeds, %d violations, %.1f seeds/s\n", s.done, len(s.bad), s.speed())
	}
}

// show prints what a seed broke, and the end of its event log: first what is
// about the numbers that the violations name.
func (s *simRun) show(r sim.Result) {
	w := func(format string, args ...any) { _, _ = fmt.Fprintf(s.out, format+"\n", args...) }
	w("seed %d: %d violations, log %s of %d lines", r.Seed, len(r.Violations), r.Hash, len(r.Log))
	for _, v := range r.Violations {
		w("  %s", v)
	}
	if s.Tail < 0 {
		w("%s", strings.Join(r.Log, "\n"))
		return
	}
	about := simNumber.FindAllString(strings.Join(r.Violations, " "), -1)
	lines := slices.DeleteFunc(slices.Clone(r.Log), func(l string) bool {
		return !strings.Contains(l, " process ") && !slices.ContainsFunc(about, func(no string) bool { return strings.Contains(l, no) })
	})
	if len(about) == 0 {
		lines = r.Log
	}
	w("%s", strings.Join(lines[max(0, len(lines)-s.Tail):], "\n"))
}

// simNumber is an order or refund number of a run.
var simNumber = regexp.MustCompile(`90000001\d{8}`)

// firstDifference shows where two logs part.
func firstDifference(a, b []string) string {
	for i := range min(len(a), len(b)) {
		if a[i] != b[i] {
			return "\n    " + a[i] + "\n    " + b[i]
		}
	}
	return ""
}

// broken reports whether a promise was broken.
func (s *simRun) broken() bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	return len(s.bad) > 0
}

func (s *simRun) speed() float64 { return float64(s.done) / time.Since(s.start).Seconds() }

// report prints the sums.
func (s *simRun) report() {
	w := func(format string, args ...any) { _, _ = fmt.Fprintf(s.out, format+"\n", args...) }
	w("seeds %d to %d: %d orders, %d of them paid, %v of fake time in %v, %.1f seeds/s",
		s.From, s.From+s.Seeds-1, s.orders, s.paid, s.fake.Round(time.Minute), time.Since(s.start).Round(time.Second), s.speed())
	w("faults injected:")
	kinds := make([]string, 0, len(s.faults))
	total := 0
	for kind, n := range s.faults {
		kinds, total = append(kinds, kind), total+n
	}
	slices.Sort(kinds)
	for _, kind := range kinds {
		w("  %8d %s", s.faults[kind], kind)
	}
	w("  %8d in all", total)
	slices.Sort(s.bad)
	w("violations: %d seeds %v", len(s.bad), s.bad)
}
