package jobs

import (
	"fmt"
	"testing"
	"testing/synctest"
	"time"
)

// TestLaneAtTheEndOfTheAlphabetIsServed: more dead lanes than may be tried at
// once do not starve a new one whose name comes after theirs.
func TestLaneAtTheEndOfTheAlphabetIsServed(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		m, p := newMemory(), newPlaces()
		for n := range 80 {
			lane := fmt.Sprintf("a%03d", n)
			p.set(lane, hangs)
			for i := range 6 {
				m.put(laned(lane, i))
			}
		}
		p.set("z", after(50*time.Millisecond))
		r := New(config(m, Kind{Handler: p.handle, Ladder: lanesLadder, Lanes: true, Concurrency: 16, Timeout: time.Minute}))
		stop := start(t, r)
		time.Sleep(15 * time.Minute) // whoever is dead is known to be
		m.put(laned("z", 1))
		r.Wake()
		time.Sleep(30 * time.Second)
		stop()
		if d, ok := p.took["z1"]; !ok || d > 15*time.Second {
			t.Errorf("the lane at the end waited %v (%v)", d, ok)
		}
	})
}

// TestShareBeginsWithWhoHasLeast says who comes first in one look.
func TestShareBeginsWithWhoHasLeast(t *testing.T) {
	t.Parallel()
	now := time.UnixMilli(1_000_000)
	s := newLanes(16, time.Minute)
	for range 4 {
		_ = s.begin("a")
	}
	s.known["a"].limit, s.known["a"].proven = 8, true
	end := make([]func(fate, time.Duration, time.Time, string) (bool, bool), openAfter)
	for i := range end {
		end[i] = s.begin("b")
	}
	for _, e := range end {
		e(laneWasDown, time.Second, now.Add(-time.Hour), "dead")
	}
	due := []LaneDue{{"a", now.Add(-time.Hour)}, {"b", now.Add(-time.Hour)}, {"z", now}}
	if got, _ := s.share(due, 1, now); len(got) != 1 || got[0] != (LaneWant{"z", 1}) {
		t.Errorf("the one place goes to %v, want z", got)
	}
	if got, _ := s.share(due, 3, now); len(got) != 3 {
		t.Errorf("three places go to %v, want one each", got)
	}
}
