package jobs

import (
	"context"
	"errors"
	"strings"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"
)

func TestStoppingLetsAttemptsEnd(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		m := newMemory(job("a"))
		stop := start(t, New(config(m, Kind{Handler: func(ctx context.Context, _ Job) (Verdict, error) {
			time.Sleep(2500 * time.Millisecond)
			return Done(), ctx.Err() // its context survives
		}})))
		time.Sleep(time.Second)
		begin := time.Now()
		stop()
		if _, ok := m.get("a"); ok || time.Since(begin) != 1500*time.Millisecond {
			t.Errorf("stopped after %v, want the attempt to end after 1.5 s", time.Since(begin))
		}
	})
}

func TestStoppingCancelsWhatOutlivesTheDrainAndSpendsNoRung(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		m := newMemory(job("a"))
		r := New(config(m, Kind{Handler: func(ctx context.Context, _ Job) (Verdict, error) {
			<-ctx.Done()
			return Verdict{}, ctx.Err()
		}}))
		stop := start(t, r)
		time.Sleep(time.Second)
		begin := time.Now()
		stop()
		if got := time.Since(begin); got != defaultDrain {
			t.Errorf("stopped after %v, want %v", got, defaultDrain)
		}
		if j, _ := m.get("a"); j.State != Ready || j.Attempt != 0 || j.Lease != "" || j.RunAt.After(time.Now()) {
			t.Errorf("job = %+v, want it free, due and with its whole ladder", j)
		}
	})
}

func TestStoppingGivesBackWhatWasNotStarted(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		m := newMemory(job("a"), job("b"), job("c"))
		var ran atomic.Int64
		r := New(config(m, Kind{Concurrency: 1, Handler: func(context.Context, Job) (Verdict, error) {
			ran.Add(1)
			time.Sleep(2 * time.Second)
			return Done(), nil
		}}))
		stop := start(t, r)
		time.Sleep(time.Second)
		if s := r.Stats()["work"]; s.Waiting != 2 || s.Running != 1 {
			t.Errorf("Stats = %+v, want one running and two waiting", s)
		}
		stop()
		for _, ref := range []string{"b", "c"} {
			if j, ok := m.get(ref); !ok || j.Attempt != 0 || j.Lease != "" {
				t.Errorf("job %s = %+v, want it as it was", ref, j)
			}
		}
		if s := r.Stats()["work"]; ran.Load() != 1 || s.Waiting != 0 {
			t.Errorf("%d ran, %d wait, want 1 and 0", ran.Load(), s.Waiting)
		}
	})
}

func TestStoppingWithADeafQueueEnds(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		m := newMemory(job("a"), job("b"))
		stop := start(t, New(config(m, Kind{Concurrency: 1, Handler: func(context.Context, Job) (Verdict, error) {
			time.Sleep(2 * time.Second)
			return Done(), nil
		}})))
		time.Sleep(time.Second)
		m.mu.Lock()
		m.deaf = errors.New("disk full")
		m.mu.Unlock()
		stop()
		if j, ok := m.get("b"); !ok || j.Lease == "" {
			t.Errorf("job b = %+v, want it to wait for its lease", j)
		}
	})
}

func TestRunTwiceIsRefused(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		r := New(config(newMemory(), Kind{Handler: (&notes{}).noter(done)}))
		stop := start(t, r)
		synctest.Wait()
		if err := r.Run(t.Context()); err == nil {
			t.Error("the second Run went on")
		}
		stop()
	})
}

func TestRunNowDoesTheJobInTheCallersTime(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		later := job("later")
		later.RunAt = later.RunAt.Add(time.Hour)
		m := newMemory(job("a"), later, job("fails"), job("panics"))
		r := New(config(m, Kind{Handler: func(ctx context.Context, j Job) (Verdict, error) {
			switch j.Ref {
			case "fails":
				return Verdict{}, errors.New("no luck")
			case "panics":
				panic("boom")
			}
			return Done(), ctx.Err()
		}}))
		dead, cancel := context.WithCancel(t.Context())
		cancel()
		if ran, err := r.RunNow(dead, job("a").Key); !ran || err != nil {
			t.Errorf("RunNow = %v, %v, want it to run although the caller has gone", ran, err)
		}
		for _, ref := range []string{"a", "later", "unheard of"} {
			if ran, err := r.RunNow(t.Context(), job(ref).Key); ran || err != nil {
				t.Errorf("RunNow(%s) = %v, %v, want false", ref, ran, err)
			}
		}
		for _, ref := range []string{"fails", "panics"} {
			if ran, err := r.RunNow(t.Context(), job(ref).Key); !ran || err != nil {
				t.Errorf("RunNow(%s) = %v, %v, want true: the failure is the job's", ref, ran, err)
			}
		}
		if j, _ := m.get("fails"); j.LastError != "no luck" || j.RunAt != time.Now().Add(time.Second) {
			t.Errorf("failed job = %+v, want it on its ladder", j)
		}
		if j, _ := m.get("panics"); j.State != Buried {
			t.Errorf("panicking job = %+v, want it buried", j)
		}
		if _, err := r.RunNow(t.Context(), Key{Kind: "other"}); err == nil || !strings.Contains(err.Error(), "no handler") {
			t.Errorf("unknown kind: %v, want an error", err)
		}
		m.put(job("b"))
		m.deaf = errors.New("disk full")
		if ran, err := r.RunNow(t.Context(), job("b").Key); !ran || !errors.Is(err, m.deaf) {
			t.Errorf("unwritten verdict: %v, %v, want true and the error", ran, err)
		}
		m.broken = errors.New("disk on fire")
		if ran, err := r.RunNow(t.Context(), job("b").Key); ran || !errors.Is(err, m.broken) {
			t.Errorf("broken queue: %v, %v, want false and the error", ran, err)
		}
	})
}

func TestRunNowRacingTheLoopRunsOnce(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		const rounds = 200
		m := newMemory()
		var runs, now atomic.Int64
		r := New(config(m, Kind{Handler: func(context.Context, Job) (Verdict, error) {
			runs.Add(1)
			return Done(), nil
		}}))
		stop := start(t, r)
		for range rounds {
			m.put(job("a"))
			r.Wake()
			for range 3 {
				go func() {
					if ran, err := r.RunNow(t.Context(), job("a").Key); err != nil {
						t.Error(err)
					} else if ran {
						now.Add(1)
					}
				}()
			}
			time.Sleep(2 * spacing)
		}
		stop()
		if runs.Load() != rounds {
			t.Errorf("%d runs of %d jobs, %d by RunNow; want each once", runs.Load(), rounds, now.Load())
		}
	})
}

func TestRunNowWakesTheRestOfTheLine(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		var n notes
		first, second := job("first"), job("second")
		first.Queue, second.Queue, second.Seq = "line", "line", 1
		m := newMemory()
		r := New(config(m, Kind{Handler: n.noter(done)}))
		stop := start(t, r)
		time.Sleep(100 * time.Millisecond)
		m.put(first)
		m.put(second)
		if ran, err := r.RunNow(t.Context(), first.Key); !ran || err != nil {
			t.Error(ran, err)
		}
		synctest.Wait()
		stop()
		if diff := cmp.Diff([]string{"first@100ms", "second@100ms"}, n.all()); diff != "" {
			t.Errorf("runs (-want +got):\n%s", diff)
		}
	})
}
