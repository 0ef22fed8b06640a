package jobs

import (
	"bytes"
	"context"
	"errors"
	"log/slog"
	"slices"
	"strconv"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"
)

func TestFailingJobClimbsItsLadderAndIsBuried(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		var n notes
		m := newMemory(job("a"))
		r := New(config(m, Kind{
			Ladder:  []time.Duration{time.Second, 5 * time.Second, time.Minute},
			Handler: n.noter(func(Job) (Verdict, error) { return Verdict{}, errors.New("no luck") }),
		}))
		stop := start(t, r)
		time.Sleep(time.Hour)
		stop()
		if diff := cmp.Diff([]string{"a@0s", "a@1s", "a@6s", "a@1m6s"}, n.all()); diff != "" {
			t.Errorf("runs (-want +got):\n%s", diff)
		}
		j, _ := m.get("a")
		if j.State != Buried || j.LastError != "gave up after attempt 4: no luck" {
			t.Errorf("job = %+v, want it buried with the last error", j)
		}
		if s := r.Stats()["work"]; s.Retried != 3 || s.Buried != 1 {
			t.Errorf("Stats = %+v", s)
		}
	})
}

func TestLadderForeverRepeatsItsLastRung(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		var n notes
		m := newMemory(job("a"))
		stop := start(t, New(config(m, Kind{
			Ladder: []time.Duration{time.Second, 10 * time.Second}, Forever: true,
			Handler: n.noter(func(j Job) (Verdict, error) {
				if j.Attempt < 6 {
					return Verdict{}, errors.New("not yet")
				}
				return Done(), nil
			}),
		})))
		time.Sleep(time.Hour)
		stop()
		if diff := cmp.Diff([]string{"a@0s", "a@1s", "a@11s", "a@21s", "a@31s", "a@41s"}, n.all()); diff != "" {
			t.Errorf("runs (-want +got):\n%s", diff)
		}
	})
}

func TestDeadlineBuriesAFailingJob(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		var n notes
		m := newMemory(job("a"))
		stop := start(t, New(config(m, Kind{
			Ladder: []time.Duration{time.Minute}, Forever: true, Deadline: 150 * time.Second,
			Handler: n.noter(func(Job) (Verdict, error) { return Verdict{}, errors.New("no luck") }),
		})))
		time.Sleep(time.Hour)
		stop()
		j, _ := m.get("a")
		if len(n.all()) != 3 || j.State != Buried || j.LastError != "gave up at the deadline: no luck" {
			t.Errorf("after %v: %+v, want it buried after three attempts", n.all(), j)
		}
	})
}

func TestJitterSpreadsAndRepeats(t *testing.T) {
	t.Parallel()
	k := &kind{Kind: Kind{Jitter: 0.2}}
	seen := map[int64]bool{}
	for i := range 1000 {
		j := Job{Key: Key{MerchantID: "M1", Kind: "work", Ref: strconv.Itoa(i)}, Attempt: 1}
		d := k.jitter(j, time.Minute)
		if d < -12*time.Second || d > 12*time.Second {
			t.Fatalf("jitter %v is more than a fifth of a minute", d)
		}
		if d != k.jitter(j, time.Minute) {
			t.Fatal("jitter does not repeat")
		}
		seen[int64(d)] = true
	}
	if len(seen) < 900 {
		t.Errorf("%d different pauses for 1000 jobs, want most different", len(seen))
	}
	if k.Jitter = 0; k.jitter(Job{}, time.Minute) != 0 {
		t.Error("jitter without being asked for")
	}
}

func TestVerdicts(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		var n notes
		m := newMemory(job("again"), job("kept"), job("bury"), job("missing"))
		begin := time.Now()
		stop := start(t, New(config(m, Kind{Handler: n.noter(func(j Job) (Verdict, error) {
			switch j.Ref {
			case "again":
				if time.Since(begin) > 2*time.Hour {
					return Done(), nil
				}
				if j.Attempt != 1 {
					t.Errorf("attempt %d after Again, want the ladder to start again", j.Attempt)
				}
				return Again(time.Now().Add(time.Hour)), nil
			case "kept":
				moved := job("kept")
				moved.RunAt, moved.Payload = time.Now().Add(24*time.Hour), `{"step":2}`
				m.put(moved)
				return Kept(), nil
			case "bury":
				return Bury("a person must look\x00 at this " + strings.Repeat("长", MaxError)), nil
			}
			return Verdict{}, nil
		})})))
		time.Sleep(4 * time.Hour)
		stop()
		got := n.all()
		slices.Sort(got)
		want := []string{"again@0s", "again@1h0m0s", "again@2h0m0s", "again@3h0m0s", "bury@0s", "kept@0s", "missing@0s"}
		if diff := cmp.Diff(want, got); diff != "" {
			t.Errorf("runs (-want +got):\n%s", diff)
		}
		if j, ok := m.get("kept"); !ok || j.Payload != `{"step":2}` || j.Attempt != 0 {
			t.Errorf("the kept job was touched: %+v", j)
		}
		if j, _ := m.get("bury"); j.State != Buried || !strings.HasPrefix(j.LastError, "a person must look at this 长") || len(j.LastError) > MaxError {
			t.Errorf("buried job = %+v", j)
		}
		if j, _ := m.get("missing"); j.State != Buried || j.LastError != "the handler gave no verdict" {
			t.Errorf("job without a verdict = %+v", j)
		}
		if _, ok := m.get("again"); ok {
			t.Error("the finished job has a row")
		}
	})
}

func TestPanicBuriesTheJobAndSparesTheRunner(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		m := newMemory(job("bad"), job("good"))
		var log bytes.Buffer
		c := config(m, Kind{Forever: true, Handler: func(_ context.Context, j Job) (Verdict, error) {
			if j.Ref == "bad" {
				panic("cannot be\nsecond line")
			}
			return Done(), nil
		}})
		c.Log = slog.New(slog.NewTextHandler(&log, nil))
		r := New(c)
		stop := start(t, r)
		time.Sleep(time.Minute)
		stop()
		if j, _ := m.get("bad"); j.State != Buried || j.LastError != "panic: cannot be" {
			t.Errorf("job = %+v, want it buried with the first line", j)
		}
		if _, ok := m.get("good"); ok {
			t.Error("the job beside it was not done")
		}
		if !strings.Contains(log.String(), "verdict_test.go") {
			t.Errorf("the log has no stack: %s", log.String())
		}
		if s := r.Stats()["work"]; s.Panicked != 1 || s.Buried != 1 || s.Finished != 1 {
			t.Errorf("Stats = %+v", s)
		}
	})
}

func TestUnwrittenVerdictMeansOnceMore(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		var n notes
		m := newMemory(job("a"))
		m.deaf = errors.New("disk full")
		r := New(config(m, Kind{Handler: n.noter(done), Timeout: time.Second, Lease: 5 * time.Second}))
		stop := start(t, r)
		time.Sleep(4 * time.Second)
		m.mu.Lock()
		m.deaf = nil
		m.mu.Unlock()
		time.Sleep(time.Minute)
		stop()
		if diff := cmp.Diff([]string{"a@0s", "a@5s"}, n.all()); diff != "" {
			t.Errorf("runs (-want +got):\n%s", diff)
		}
		if s := r.Stats()["work"]; s.Unrecorded != 1 {
			t.Errorf("Stats = %+v, want one unrecorded", s)
		}
	})
}
