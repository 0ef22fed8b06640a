package jobs

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"strconv"
	"strings"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"
)

func TestDueJobIsDoneAndGone(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		var n notes
		later := job("later")
		later.RunAt = later.RunAt.Add(700*time.Millisecond + time.Microsecond)
		m := newMemory(job("now"), later)
		r := New(config(m, Kind{Handler: n.noter(done)}))
		stop := start(t, r)
		time.Sleep(10 * time.Second)
		stop()
		if diff := cmp.Diff([]string{"now@0s", "later@700.001ms"}, n.all()); diff != "" {
			t.Errorf("runs (-want +got):\n%s", diff)
		}
		if len(m.rows) != 0 {
			t.Errorf("%d rows are left, want none", len(m.rows))
		}
		if s := r.Stats()["work"]; s.Claimed != 2 || s.Finished != 2 || s.Running != 0 {
			t.Errorf("Stats = %+v, want 2 claimed and finished", s)
		}
		if m.claims > 25 {
			t.Errorf("the queue was asked %d times in 10 s, want about one per second", m.claims)
		}
	})
}

func TestJobOfADeadProcessIsDoneAfterItsLease(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		var n notes
		m := newMemory(job("a"))
		if got, err := m.Claim(t.Context(), []string{"work"}, time.Now(), 7*time.Second, 1); err != nil || len(got) != 1 {
			t.Fatal(got, err) // the process that dies with it
		}
		stop := start(t, New(config(m, Kind{Handler: n.noter(done)})))
		time.Sleep(time.Minute)
		stop()
		if diff := cmp.Diff([]string{"a@7s"}, n.all()); diff != "" {
			t.Errorf("runs (-want +got):\n%s", diff)
		}
	})
}

func TestJobThatKillsItsProcessEveryTimeIsBuried(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		var n notes
		m := newMemory(job("a"))
		for range 4 {
			if got, err := m.Claim(t.Context(), []string{"work"}, time.Now(), time.Second, 1); err != nil || len(got) != 1 {
				t.Fatal(got, err)
			}
			time.Sleep(2 * time.Second)
		}
		stop := start(t, New(config(m, Kind{Handler: n.noter(done), Ladder: make([]time.Duration, 3)})))
		time.Sleep(time.Minute)
		stop()
		if j, _ := m.get("a"); j.State != Buried || len(n.all()) != 0 {
			t.Errorf("job = %+v after %v, want it buried untouched", j, n.all())
		}
	})
}

func TestExpiredLeaseChangesNothing(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		for name, answer := range map[string]func() (Verdict, error){
			"done":  func() (Verdict, error) { return Done(), nil },
			"again": func() (Verdict, error) { return Again(time.Now()), nil },
			"bury":  func() (Verdict, error) { return Bury("slow"), nil },
			"error": func() (Verdict, error) { return Verdict{}, errors.New("slow") },
		} {
			m := newMemory(job("a"))
			slow := New(config(m, Kind{
				Timeout: time.Second, Lease: time.Second,
				Handler: func(ctx context.Context, _ Job) (Verdict, error) {
					<-ctx.Done()
					time.Sleep(9 * time.Second) // it does not listen
					return answer()
				},
			}))
			stopSlow := start(t, slow)
			time.Sleep(500 * time.Millisecond)
			if _, ok, err := m.ClaimOne(t.Context(), time.Now().Add(time.Second), time.Hour, job("a").Key); !ok || err != nil {
				t.Fatal(ok, err) // another process takes it when the lease has run out
			}
			before, _ := m.get("a")
			time.Sleep(20 * time.Second)
			stopSlow()
			if after, ok := m.get("a"); !ok || after != before {
				t.Errorf("%s: the late verdict changed the job from %+v to %+v", name, before, after)
			}
		}
	})
}

func TestAttemptEndsBeforeItsLease(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		var n notes
		m := newMemory(job("a"), job("b"), job("c"))
		begin := time.Now()
		stop := start(t, New(config(m, Kind{
			Timeout: 4 * time.Second, Lease: 6 * time.Second, Concurrency: 1, Forever: true,
			Handler: func(ctx context.Context, j Job) (Verdict, error) {
				<-ctx.Done()
				n.add("%s ended %v", j.Ref, time.Since(begin))
				if j.Ref == "a" {
					return Done(), nil
				}
				return Kept(), nil
			},
		})))
		time.Sleep(7 * time.Second)
		// One claim took all three: a runs 4 s, b gets the 2 s that its lease has
		// left, and c is not started because its lease is over.
		if diff := cmp.Diff([]string{"a ended 4s", "b ended 6s"}, n.all()); diff != "" {
			t.Errorf("ends (-want +got):\n%s", diff)
		}
		stop()
	})
}

// TestOneJobIsNeverAtWorkTwice: whoever moves a job while it is being done, and
// whatever its attempt says, the next one begins after it has ended.
func TestOneJobIsNeverAtWorkTwice(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		var n notes
		m := newMemory(job("a"))
		begin := time.Now()
		working, runs := 0, 0
		k := Kind{Forever: true, Lease: time.Minute, Handler: func(_ context.Context, j Job) (Verdict, error) {
			if working++; working > 1 {
				t.Errorf("%d attempts of one job at once", working)
			}
			n.add("%v", time.Since(begin))
			moved := job("a")
			moved.RunAt = time.Now().Add(time.Second)
			m.put(moved) // the first step's own commit, or somebody else's
			time.Sleep(3 * time.Second)
			working--
			switch runs++; runs {
			case 1:
				return Done(), nil
			case 2:
				return Bury("why"), nil
			case 3:
				return Again(time.Now().Add(time.Hour)), nil
			case 4:
				return Verdict{}, errors.New("it failed")
			case 5:
				return Kept(), nil
			}
			m.mu.Lock()
			defer m.mu.Unlock()
			delete(m.rows, j.Key)
			return Done(), nil
		}}
		var stops []func()
		for range 3 { // processes
			stops = append(stops, start(t, New(config(m, k))))
		}
		time.Sleep(2 * time.Minute)
		for _, stop := range stops {
			stop()
		}
		if diff := cmp.Diff([]string{"0s", "3s", "6s", "9s", "12s", "15s"}, n.all()); diff != "" {
			t.Errorf("beginnings (-want +got):\n%s", diff)
		}
	})
}

func TestLinesKeepTheirOrder(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		var n notes
		m := newMemory()
		for i := range 4 {
			j := job(fmt.Sprint("event", i))
			j.Queue, j.Seq = "order1", int64(i)
			j.RunAt = j.RunAt.Add(time.Duration(4-i) * time.Millisecond) // later ones are due sooner
			m.put(j)
		}
		m.put(job("other"))
		stop := start(t, New(config(m, Kind{
			Ladder: []time.Duration{5 * time.Second},
			Handler: n.noter(func(j Job) (Verdict, error) {
				switch {
				case j.Ref == "event1" && j.Attempt == 1:
					return Verdict{}, errors.New("not yet")
				case j.Ref == "event2":
					return Bury("never"), nil
				}
				return Done(), nil
			}),
		})))
		time.Sleep(time.Minute)
		stop()
		want := []string{"other@0s", "event0@4ms", "event1@4ms", "event1@5.004s", "event2@5.004s", "event3@5.004s"}
		if diff := cmp.Diff(want, n.all()); diff != "" {
			t.Errorf("runs (-want +got):\n%s", diff)
		}
	})
}

func TestFullKindDoesNotHoldUpAnother(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		var n notes
		m := newMemory()
		for i := range 200 {
			j := job(fmt.Sprint("dead", i))
			j.RunAt = j.RunAt.Add(-time.Hour)
			m.put(j)
		}
		settle := job("settle")
		settle.Kind, settle.RunAt = "settle", time.Now().Add(time.Second)
		m.put(settle)
		var running, most atomic.Int64
		c := config(m, Kind{Concurrency: 8, Handler: func(context.Context, Job) (Verdict, error) {
			most.Store(max(most.Load(), running.Add(1)))
			defer running.Add(-1)
			time.Sleep(10 * time.Second)
			return Done(), nil
		}})
		c.Kinds["settle"] = Kind{Handler: n.noter(done), Ladder: []time.Duration{time.Second}}
		c.Workers = 16
		r := New(c)
		stop := start(t, r)
		time.Sleep(25 * time.Second)
		if diff := cmp.Diff([]string{"settle@1s"}, n.all()); diff != "" {
			t.Errorf("settle (-want +got):\n%s", diff)
		}
		if s := r.Stats()["work"]; s.Running != 8 || most.Load() != 8 {
			t.Errorf("%d run and %d ran at once, want 8", s.Running, most.Load())
		}
		stop()
	})
}

func TestWorkersBoundAllKinds(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		m := newMemory()
		for i := range 30 {
			j := job(strconv.Itoa(i))
			j.Kind = []string{"work", "rest"}[i%2]
			m.put(j)
		}
		var running, most atomic.Int64
		slow := Kind{Ladder: []time.Duration{1}, Concurrency: 4, Handler: func(context.Context, Job) (Verdict, error) {
			most.Store(max(most.Load(), running.Add(1)))
			defer running.Add(-1)
			time.Sleep(time.Second)
			return Done(), nil
		}}
		c := config(m, slow)
		c.Kinds["rest"], c.Workers = slow, 5
		stop := start(t, New(c))
		time.Sleep(6*time.Second + time.Millisecond)
		stop()
		if most.Load() != 5 || len(m.rows) != 0 {
			t.Errorf("%d at once and %d left after 6 s, want 5 and 0", most.Load(), len(m.rows))
		}
	})
}

func TestKindsShareTheWorkers(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		m := newMemory()
		for i := range 30 {
			j := job(strconv.Itoa(i))
			j.Kind = []string{"work", "rest"}[i%2]
			m.put(j)
		}
		var running, most atomic.Int64
		slow := Kind{Ladder: []time.Duration{1}, Handler: func(context.Context, Job) (Verdict, error) {
			most.Store(max(most.Load(), running.Add(1)))
			defer running.Add(-1)
			time.Sleep(time.Second)
			return Done(), nil
		}}
		c := config(m, slow)
		c.Kinds["rest"], c.Workers = slow, 5
		c.Kinds["none"] = slow // a kind has half of the workers if it is not told otherwise
		r := New(c)
		stop := start(t, r)
		time.Sleep(500 * time.Millisecond)
		if s := r.Stats()["work"]; s.Running != 2 {
			t.Errorf("%d of one kind at once, want 2 of 5 workers", s.Running)
		}
		time.Sleep(time.Minute)
		stop()
		if most.Load() != 4 || len(m.rows) != 0 {
			t.Errorf("%d at once and %d left, want 4 and 0", most.Load(), len(m.rows))
		}
	})
}

func TestWakeLooksAtOnceButNotForEveryCall(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		var n notes
		m := newMemory()
		r := New(config(m, Kind{Handler: n.noter(done)}))
		stop := start(t, r)
		time.Sleep(100 * time.Millisecond)
		m.put(job("a"))
		r.Wake()
		synctest.Wait()
		if diff := cmp.Diff([]string{"a@100ms"}, n.all()); diff != "" {
			t.Errorf("runs (-want +got):\n%s", diff)
		}
		before := m.claims
		for range 1000 {
			time.Sleep(100 * time.Microsecond)
			r.Wake()
		}
		m.put(job("b"))
		r.Wake()
		time.Sleep(spacing)
		synctest.Wait()
		if _, ok := m.get("b"); ok {
			t.Error("the job written before the last Wake was not done within 5 ms")
		}
		if got := m.claims - before; got > 30 {
			t.Errorf("1000 wakes in 100 ms made %d claims, want about 20", got)
		}
		stop()
	})
}

func TestAJobWrittenElsewhereWaitsAtMostMaxIdle(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		var n notes
		m := newMemory()
		c := config(m, Kind{Handler: n.noter(done)})
		c.MaxIdle = 3 * time.Second
		stop := start(t, New(c))
		time.Sleep(3500 * time.Millisecond)
		m.put(job("a"))
		time.Sleep(time.Minute)
		stop()
		if diff := cmp.Diff([]string{"a@6s"}, n.all()); diff != "" {
			t.Errorf("runs (-want +got):\n%s", diff)
		}
	})
}

func TestMovedClockIsSeenWithinMaxIdle(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		var n notes
		var shift atomic.Int64
		far := job("far")
		far.RunAt = far.RunAt.Add(6 * time.Hour)
		m := newMemory(far)
		c := config(m, Kind{Handler: n.noter(done)})
		c.Now = func() time.Time { return time.Now().Add(time.Duration(shift.Load())) }
		stop := start(t, New(c))
		time.Sleep(1500 * time.Millisecond)
		shift.Store(int64(6 * time.Hour))
		time.Sleep(time.Minute)
		stop()
		if diff := cmp.Diff([]string{"far@2s"}, n.all()); diff != "" {
			t.Errorf("runs (-want +got):\n%s", diff)
		}
	})
}

func TestBrokenQueueIsAskedAgainAndToldOnce(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		var n notes
		var log bytes.Buffer
		m := newMemory(job("a"))
		m.broken = errors.New("disk on fire")
		c := config(m, Kind{Handler: n.noter(done)})
		c.Log = slog.New(slog.NewTextHandler(&log, nil))
		stop := start(t, New(c))
		time.Sleep(4500 * time.Millisecond)
		m.mu.Lock()
		m.broken = nil
		m.mu.Unlock()
		time.Sleep(time.Minute)
		stop()
		if diff := cmp.Diff([]string{"a@5s"}, n.all()); diff != "" {
			t.Errorf("runs (-want +got):\n%s", diff)
		}
		if got := strings.Count(log.String(), "disk on fire"); got != 1 {
			t.Errorf("the trouble was logged %d times, want once", got)
		}
	})
}

func TestNewRefusesProgrammersMistakes(t *testing.T) {
	t.Parallel()
	good := func() Config { return config(newMemory(), Kind{Handler: (&notes{}).noter(done)}) }
	for name, spoil := range map[string]func(*Config){
		"no queue":    func(c *Config) { c.Queue = nil },
		"no time":     func(c *Config) { c.Now = nil },
		"no log":      func(c *Config) { c.Log = nil },
		"no kinds":    func(c *Config) { c.Kinds = nil },
		"no handler":  func(c *Config) { c.Kinds["x"] = Kind{Ladder: []time.Duration{1}} },
		"no ladder":   func(c *Config) { c.Kinds["x"] = Kind{Handler: c.Kinds["work"].Handler} },
		"short lease": func(c *Config) { k := c.Kinds["work"]; k.Timeout, k.Lease = 2, 1; c.Kinds["x"] = k },
	} {
		c := good()
		spoil(&c)
		func() {
			defer func() {
				if recover() == nil {
					t.Errorf("%s: New did not panic", name)
				}
			}()
			New(c)
		}()
	}
	New(good())
}
