package jobs

import (
	"cmp"
	"errors"
	"maps"
	"slices"
	"sync"
	"time"
)

// Jobs of one lane share a fate: they go to the same place, which may be slow or
// dead. Each lane has its own number of attempts under way, which grows while
// they end quickly and shrinks when they do not, and its own breaker. A lane
// whose breaker is open is tried by one job at a time, with pauses; its other
// jobs wait as they are, so that no attempt of a ladder is spent on them.
const (
	// firstLimit is how many attempts at once a lane begins with; leastLimit is
	// what slow ones come down to. The most is half of the kind's Concurrency.
	firstLimit = 4
	leastLimit = 2
	// quickly lets a lane grow by one, slowly halves it. In between it stays.
	quickly = 2 * time.Second
	slowly  = 5 * time.Second
	// openAfter is how many failures of a lane in a row open its breaker.
	openAfter = 5
	// An open lane is tried again after a probeShare of the time for which it has
	// been down, so that its return is noticed within a twentieth of the outage,
	// but not more often than leastProbe and not less often than mostProbe, or the kind's Probe.
	probeShare = 20
	leastProbe = time.Second
	mostProbe  = time.Minute
	// laneRest is how long an open lane is left alone that had nothing to be
	// claimed although something was due: heads of lines that are not due hold up
	// what is behind them, and looking costs a scan of the lane.
	laneRest = time.Second
	// maxLanesKept bounds the lanes that are remembered. Whoever is forgotten
	// begins as new: a few attempts more.
	maxLanesKept = 8192
	// maxLanesSeen is how many lanes one look at the queue reads; the next look
	// goes on behind the last.
	maxLanesSeen = 512
)

// LaneDown wraps the error of an attempt that failed because of its lane: there
// was no answer, or one that says nothing of the job. nil stays nil.
func LaneDown(err error) error { return laneError(err, laneWasDown) }

// LaneUp wraps the error of an attempt that failed although its lane works: the
// fault is the job's own. nil stays nil.
func LaneUp(err error) error { return laneError(err, laneWasUp) }

func laneError(err error, was fate) error {
	if err == nil {
		return nil
	}
	return &fateError{err, was}
}

// fate is what an attempt says of its lane.
type fate int

const (
	laneUnknown fate = iota // interrupted, or it never came so far
	laneWasUp
	laneWasDown
)

// fateError is an error that says whose fault it is.
type fateError struct {
	error

	was fate
}

// Unwrap returns the error itself.
func (e *fateError) Unwrap() error { return e.error }

// fateOf reads what an attempt says of its lane. Done is the work of a lane
// that works.
func fateOf(v Verdict, failed error) fate {
	if e, ok := errors.AsType[*fateError](failed); ok {
		return e.was
	}
	if failed == nil && v.of != laneUnknown {
		return v.of
	}
	if failed == nil && v.what == verdictDone {
		return laneWasUp
	}
	return laneUnknown
}

// LaneDue is one lane with work.
type LaneDue struct {
	Lane string
	// Due is when its first job may be claimed, if it is the first of its line.
	Due time.Time
}

// LaneWant is how many jobs a claim wants of one lane.
type LaneWant struct {
	Lane  string
	Count int
}

// LaneState is a lane as this process knows it.
type LaneState struct {
	Kind, Lane string
	Open       bool      // its breaker is open
	Running    int       // attempts under way
	Limit      int       // attempts at once, if the breaker is closed
	Failures   int       // of the lane, in a row
	DownSince  time.Time // of the first of them; zero for none
	NextTry    time.Time // not before, if the breaker is open
	LastError  string    // of the last of them
}

// lanes are the lanes of one kind. It is safe for concurrent use.
type lanes struct {
	most int // attempts at once of one lane
	// strangers is how many attempts the lanes that have not shown that they work
	// may have under way together: so many of them may be dead, and the others
	// must still find room.
	strangers int
	// longest is the longest pause between two tries of an open lane.
	longest time.Duration

	mu      sync.Mutex
	known   map[string]*lane
	strange int // attempts under way on lanes that have not shown that they work
}

type lane struct {
	running  int
	limit    int
	failures int
	proven   bool // the last word of it was that it works
	since    time.Time
	until    time.Time // not tried before
	last     string
}

func newLanes(concurrency int, longest time.Duration) *lanes {
	half := max(1, concurrency/2)
	return &lanes{most: half, strangers: half, longest: longest, known: map[string]*lane{}}
}

func (l *lane) open() bool { return l.failures >= openAfter }

// of returns a lane, new or known. The lock is held.
func (s *lanes) of(name string) *lane {
	l := s.known[name]
	if l == nil {
		s.forget()
		l = &lane{limit: min(firstLimit, s.most)}
		s.known[name] = l
	}
	return l
}

// forget makes room for one more lane: first among those that are idle and work.
func (s *lanes) forget() {
	if len(s.known) < maxLanesKept {
		return
	}
	maps.DeleteFunc(s.known, func(_ string, l *lane) bool { return l.running == 0 && l.failures == 0 })
	for name, l := range s.known {
		if len(s.known) < maxLanesKept {
			return
		}
		if l.running == 0 {
			delete(s.known, name)
		}
	}
}

// share decides how many jobs to claim of the lanes that are due, at most room
// together: one each in turn, so that a long lane takes what the others leave.
// Whoever has fewest under way comes first, then lanes that are not known to be
// down, then whoever waits longest: names decide nothing, or the end of the
// alphabet would starve behind busy or dead lanes before it. next is when a lane that waits for its breaker may be tried, zero for none.
func (s *lanes) share(due []LaneDue, room int, now time.Time) (wants []LaneWant, next time.Time) {
	s.mu.Lock()
	defer s.mu.Unlock()
	type offer struct {
		lane          string
		free, running int
		open, strange bool
		since         time.Time // it could be claimed
		count         int
	}
	offers := make([]offer, 0, len(due))
	for _, d := range due {
		at := d.Due
		l := s.known[d.Lane]
		o := offer{lane: d.Lane, free: min(firstLimit, s.most), strange: l == nil || !l.proven}
		if l != nil {
			o.running, o.open = l.running, l.open()
			if o.free = l.limit - l.running; o.open {
				o.free = 1 - l.running
			}
			if l.until.After(at) && o.free > 0 {
				at = l.until
			}
		}
		switch {
		case o.free <= 0: // the end of an attempt wakes us
		case at.After(now):
			if next.IsZero() || at.Before(next) {
				next = at
			}
		default:
			o.since = at
			offers = append(offers, o)
		}
	}
	slices.SortStableFunc(offers, func(a, b offer) int {
		if a.open != b.open && a.running == b.running {
			if b.open {
				return -1
			}
			return 1
		}
		return cmp.Or(cmp.Compare(a.running, b.running), a.since.Compare(b.since))
	})
	strangers := s.strangers - s.strange
	for more := true; more && room > 0; {
		more = false
		for i := range offers {
			o := &offers[i]
			if o.free == 0 || room == 0 || o.strange && strangers <= 0 {
				continue
			}
			o.free--
			room--
			o.count++
			if o.strange {
				strangers--
			}
			more = true
		}
	}
	for _, o := range offers {
		if o.count > 0 {
			wants = append(wants, LaneWant{Lane: o.lane, Count: o.count})
		}
	}
	return wants, next
}

// rest leaves an open lane alone for a moment: it was due and had nothing.
func (s *lanes) rest(name string, now time.Time) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if l := s.known[name]; l != nil && l.open() {
		l.until = now.Add(laneRest)
	}
}

// begin counts an attempt in. Its end is told by the function returned, once,
// with what it says of the lane, how long it took and what it failed of.
func (s *lanes) begin(name string) (end func(was fate, took time.Duration, now time.Time, why string) (opened, closed bool)) {
	s.mu.Lock()
	defer s.mu.Unlock()
	l := s.of(name)
	l.running++
	strange := !l.proven
	if strange {
		s.strange++
	}
	return func(was fate, took time.Duration, now time.Time, why string) (opened, closed bool) {
		s.mu.Lock()
		defer s.mu.Unlock()
		l.running--
		if strange {
			s.strange--
		}
		before := l.open()
		switch was {
		case laneUnknown:
		case laneWasUp:
			l.up(took, s.most)
		case laneWasDown:
			l.down(now, s.longest, why)
		}
		return !before && l.open(), before && !l.open()
	}
}

// up notes an attempt that showed that the lane works.
func (l *lane) up(took time.Duration, most int) {
	if l.open() {
		l.limit = firstLimit // it comes back: not all at once
	}
	l.failures, l.proven, l.since, l.until, l.last = 0, true, time.Time{}, time.Time{}, ""
	switch {
	case took < quickly:
		l.limit = min(l.limit+1, most)
	case took >= slowly:
		l.limit = max(l.limit/2, leastLimit)
	}
	l.limit = min(l.limit, most)
}

// down notes an attempt that the lane failed.
func (l *lane) down(now time.Time, longest time.Duration, why string) {
	if l.failures == 0 {
		l.since = now
	}
	l.failures++
	l.proven, l.last = false, why
	l.limit = max(l.limit/2, min(leastLimit, l.limit))
	if l.open() {
		l.until = now.Add(min(max(now.Sub(l.since)/probeShare, leastProbe), longest))
	}
}

// states returns the lanes of a kind by name.
func (s *lanes) states(kind string) []LaneState {
	s.mu.Lock()
	defer s.mu.Unlock()
	all := make([]LaneState, 0, len(s.known))
	for _, name := range slices.Sorted(maps.Keys(s.known)) {
		l := s.known[name]
		all = append(all, LaneState{
			Kind: kind, Lane: name, Open: l.open(), Running: l.running, Limit: l.limit, Failures: l.failures,
			DownSince: l.since, NextTry: l.until, LastError: l.last,
		})
	}
	return all
}

// LaneOpen reports whether this process knows that a lane of a kind is down.
func (r *Runner) LaneOpen(kind, name string) bool {
	k := r.kinds[kind]
	if k == nil || k.lanes == nil {
		return false
	}
	k.lanes.mu.Lock()
	defer k.lanes.mu.Unlock()
	l := k.lanes.known[name]
	return l != nil && l.open()
}

// Lanes returns the lanes that this process has tried lately, by kind and name.
// Other processes have their own view.
func (r *Runner) Lanes() []LaneState {
	var all []LaneState
	for _, name := range r.names {
		if k := r.kinds[name]; k.lanes != nil {
			all = append(all, k.lanes.states(name)...)
		}
	}
	return all
}
