package jobs

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"sync"
	"testing"
	"testing/synctest"
	"time"
)

// places are what jobs of lanes call, and how each answers.
type places struct {
	mu     sync.Mutex
	answer map[string]func(ctx context.Context) (Verdict, error)
	calls  map[string][]time.Time
	now    map[string]int // attempts under way
	most   map[string]int // of them, at once
	took   map[string]time.Duration
}

func newPlaces() *places {
	return &places{
		answer: map[string]func(context.Context) (Verdict, error){}, calls: map[string][]time.Time{},
		now: map[string]int{}, most: map[string]int{}, took: map[string]time.Duration{},
	}
}

func (p *places) set(lane string, answer func(context.Context) (Verdict, error)) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.answer[lane] = answer
}

func (p *places) called(lane string) []time.Time {
	p.mu.Lock()
	defer p.mu.Unlock()
	return slices.Clone(p.calls[lane])
}

func (p *places) handle(ctx context.Context, j Job) (Verdict, error) {
	p.mu.Lock()
	answer := p.answer[j.Lane]
	p.calls[j.Lane] = append(p.calls[j.Lane], time.Now())
	p.now[j.Lane]++
	p.most[j.Lane] = max(p.most[j.Lane], p.now[j.Lane])
	p.mu.Unlock()
	v, err := answer(ctx)
	p.mu.Lock()
	defer p.mu.Unlock()
	p.now[j.Lane]--
	if err == nil {
		p.took[j.Ref] = time.Since(j.CreatedAt)
	}
	return v, err
}

var errDead = LaneDown(errors.New("nobody there"))

func refuses(context.Context) (Verdict, error) { return Verdict{}, errDead }

func hangs(context.Context) (Verdict, error) {
	time.Sleep(10 * time.Second)
	return Verdict{}, errDead
}

// after answers after a while.
func after(d time.Duration) func(context.Context) (Verdict, error) {
	return func(context.Context) (Verdict, error) {
		time.Sleep(d)
		return Done(), nil
	}
}

func laned(lane string, n int) Job {
	j := job(fmt.Sprint(lane, n))
	j.Lane = lane
	return j
}

var lanesLadder = []time.Duration{
	15 * time.Second, 15 * time.Second, 30 * time.Second, 3 * time.Minute, 10 * time.Minute, 20 * time.Minute, 30 * time.Minute,
}

func lanedRunner(m *memory, p *places) *Runner {
	c := config(m, Kind{Handler: p.handle, Ladder: lanesLadder, Lanes: true, Concurrency: 16, Timeout: time.Minute})
	c.Workers = 64
	return New(c)
}

// TestDeadLaneLeavesTheOthersAlone: whatever way a lane is dead, another one is
// served at the moment its jobs come.
func TestDeadLaneLeavesTheOthersAlone(t *testing.T) {
	t.Parallel()
	for name, dead := range map[string]func(context.Context) (Verdict, error){
		"refuses": refuses, "hangs": hangs, "is slow": after(9 * time.Second),
		"takes nothing": func(context.Context) (Verdict, error) { return Verdict{}, LaneUp(errors.New("HTTP 404")) },
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				m, p := newMemory(), newPlaces()
				for i := range 300 {
					m.put(laned("dead", i))
				}
				p.set("dead", dead)
				p.set("live", after(50*time.Millisecond))
				r := lanedRunner(m, p)
				stop := start(t, r)
				for i := range 50 {
					time.Sleep(time.Second)
					m.put(laned("live", i))
					r.Wake()
				}
				time.Sleep(time.Second)
				stop()
				for i := range 50 {
					if d, ok := p.took[fmt.Sprint("live", i)]; !ok || d > 50*time.Millisecond+2*spacing {
						t.Errorf("job %d took %v (%v), want 50 ms", i, d, ok)
					}
				}
			})
		})
	}
}

// TestOpenLaneIsTriedByOneJobAtATimeAndLosesNone: pauses grow with the
// outage up to a minute, and every job has all its attempts, never before the
// time of its ladder.
func TestOpenLaneIsTriedByOneJobAtATimeAndLosesNone(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		const count = 20
		m, p := newMemory(), newPlaces()
		for i := range count {
			m.put(laned("dead", i))
		}
		var mu sync.Mutex
		tries := map[string][]time.Time{}
		p.set("dead", refuses)
		c := config(m, Kind{Ladder: lanesLadder, Lanes: true, Concurrency: 16, Handler: func(ctx context.Context, j Job) (Verdict, error) {
			mu.Lock()
			tries[j.Ref] = append(tries[j.Ref], time.Now())
			mu.Unlock()
			return p.handle(ctx, j)
		}})
		r := New(c)
		stop := start(t, r)
		time.Sleep(12 * time.Hour)
		stop()
		for ref, at := range tries {
			if len(at) != len(lanesLadder)+1 {
				t.Errorf("%s was tried %d times, want %d", ref, len(at), len(lanesLadder)+1)
			}
			for i := range at[1:] {
				if gap := at[i+1].Sub(at[i]); gap < lanesLadder[i] {
					t.Errorf("%s: attempt %d came after %v, before its %v", ref, i+2, gap, lanesLadder[i])
				}
			}
			if j, _ := m.get(ref); j.State != Buried {
				t.Errorf("%s is %+v, want it buried", ref, j)
			}
		}
		calls := p.called("dead")
		if len(tries) != count || len(calls) != count*(len(lanesLadder)+1) {
			t.Fatalf("%d jobs, %d attempts", len(tries), len(calls))
		}
		for i := openAfter + firstLimit; i < len(calls); i++ {
			down := calls[i-1].Sub(calls[0])
			if gap, least := calls[i].Sub(calls[i-1]), min(max(down/probeShare, leastProbe), mostProbe); gap < least {
				t.Errorf("after %v down it was tried again after %v, before %v", down, gap, least)
			}
		}
	})
}

// TestLaneThatComesBackIsServedWithinATwentiethOfItsOutage, and not by all its
// jobs at once.
func TestLaneThatComesBackIsServedWithinATwentiethOfItsOutage(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		const count = 400
		m, p := newMemory(), newPlaces()
		for i := range count {
			m.put(laned("dead", i))
		}
		p.set("dead", refuses)
		r := lanedRunner(m, p)
		stop := start(t, r)
		time.Sleep(10 * time.Minute)
		if s := r.Lanes(); len(s) != 1 || !s[0].Open || s[0].Lane != "dead" || s[0].LastError != "nobody there" || s[0].DownSince.IsZero() {
			t.Errorf("lanes = %+v, want one open", s)
		}
		p.set("dead", after(100*time.Millisecond))
		back := time.Now()
		p.mu.Lock()
		before := len(p.calls["dead"])
		p.most["dead"] = 0
		p.mu.Unlock()
		time.Sleep(time.Minute)
		if s := r.Lanes(); s[0].Open || s[0].Failures != 0 {
			t.Errorf("lanes = %+v, want it closed", s)
		}
		calls := p.called("dead")
		if len(calls) <= before || calls[before].Sub(back) > 31*time.Second {
			t.Errorf("it was found alive after %v, want 30 s", calls[before].Sub(back))
		}
		time.Sleep(time.Hour)
		stop()
		if len(m.rows) != 0 {
			t.Errorf("%d jobs are left, want all done", len(m.rows))
		}
		if most := p.most["dead"]; most < firstLimit || most > 8 {
			t.Errorf("%d at once, want it to grow to half of the kind", most)
		}
	})
}

// TestManyDeadLanesLeaveRoomForOneThatWorks: lanes that have not shown that they
// work share half of the room.
func TestManyDeadLanesLeaveRoomForOneThatWorks(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		m, p := newMemory(), newPlaces()
		p.set("live", after(50*time.Millisecond))
		r := lanedRunner(m, p)
		stop := start(t, r)
		m.put(laned("live", 1000))
		time.Sleep(time.Second)
		for i := range 200 {
			lane := fmt.Sprint("dead", i)
			p.set(lane, hangs)
			m.put(laned(lane, 0))
		}
		for i := range 50 {
			time.Sleep(500 * time.Millisecond)
			m.put(laned("live", i))
			r.Wake()
		}
		time.Sleep(time.Second)
		stop()
		for i := range 50 {
			if d, ok := p.took[fmt.Sprint("live", i)]; !ok || d > 50*time.Millisecond+2*spacing {
				t.Errorf("job %d took %v (%v), want 50 ms", i, d, ok)
			}
		}
	})
}

// TestJobsOfAnOpenLaneCanMoveAway: who gave a new address need not wait for the
// old one.
func TestJobsOfAnOpenLaneCanMoveAway(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		const count = 100
		m, p := newMemory(), newPlaces()
		for i := range count {
			m.put(laned("old", i))
		}
		p.set("old", refuses)
		p.set("new", after(time.Millisecond))
		stop := start(t, lanedRunner(m, p))
		time.Sleep(2 * time.Minute)
		p.set("old", func(context.Context) (Verdict, error) { return Shift("new"), nil })
		time.Sleep(30 * time.Minute)
		stop()
		if len(m.rows) != 0 {
			t.Errorf("%d jobs are left, want all done", len(m.rows))
		}
	})
}

// TestLanesAreBounded: a lane more than are kept forgets one that is idle.
func TestLanesAreBounded(t *testing.T) {
	t.Parallel()
	s := newLanes(16, mostProbe)
	busy := s.begin("busy")
	for i := range 3 * maxLanesKept {
		s.begin(fmt.Sprint("lane", i))(laneWasDown, 0, time.Time{}, "")
	}
	if n := len(s.known); n > maxLanesKept || s.known["busy"] == nil || s.strange != 1 {
		t.Errorf("%d lanes are kept (%v), %d strange", n, s.known["busy"], s.strange)
	}
	busy(laneWasUp, 0, time.Time{}, "")
	if s.strange != 0 {
		t.Errorf("%d attempts are counted, want none", s.strange)
	}
}

// TestLanesBeyondOnePageAreFound: a look reads so many lanes and the next goes on.
func TestLanesBeyondOnePageAreFound(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		m, p := newMemory(), newPlaces()
		for i := range maxLanesSeen {
			lane := fmt.Sprintf("a%05d", i)
			p.set(lane, hangs)
			j := laned(lane, 0)
			j.RunAt = j.RunAt.Add(time.Hour)
			m.put(j)
		}
		p.set("z", after(0))
		m.put(laned("z", 0))
		stop := start(t, lanedRunner(m, p))
		time.Sleep(time.Second)
		stop()
		if d, ok := p.took["z0"]; !ok || d > 2*spacing {
			t.Errorf("the last lane's job took %v (%v)", d, ok)
		}
	})
}
