package directory

import (
	"fmt"
	"sync"
	"time"

	"cloudpay/internal/pay"
)

// How PINs may be guessed at: four digits are 10,000, which at one try in a
// quarter of an hour are a hundred days. A person who mistypes waits for nothing
// at first, and never longer than that quarter.
const (
	freeTries    = 5
	firstPause   = 30 * time.Second
	longestPause = 15 * time.Minute
	// triesKept is how long wrong tries count: one mistake a day is not a guess.
	triesKept = 24 * time.Hour
	// maxTried bounds whom wrong tries are remembered of, about 1 MiB. Beyond it
	// those with the fewest are forgotten, so that trying names at random frees
	// nobody who is being guessed at.
	maxTried = 10_000
)

// tries counts wrong PINs by person. It is safe for concurrent use, and knows
// what this process saw: with several, each lets so many through.
type tries struct {
	mu sync.Mutex
	of map[string]tried
}

// tried is what is remembered of one person.
type tried struct {
	wrong int
	last  time.Time
}

// until is when the next try may be.
func (t tried) until() time.Time {
	if t.wrong < freeTries {
		return t.last
	}
	pause := firstPause
	for n := freeTries; n < t.wrong && pause < longestPause; n++ {
		pause *= 2
	}
	return t.last.Add(min(pause, longestPause))
}

// begin counts a try as a wrong one before it is made, so that many at once are
// no more than one after the other, or refuses it. The refusal is of kind
// pay.ErrDenied with the code pin_wait and says how long.
func (t *tries) begin(who string, now time.Time) error {
	t.mu.Lock()
	defer t.mu.Unlock()
	had := t.of[who]
	if now.Sub(had.last) >= triesKept {
		had = tried{}
	}
	if wait := had.until().Sub(now); had.wrong > 0 && wait > 0 {
		return pay.Refuse(pay.ErrDenied, "pin_wait", fmt.Sprintf("密码错误次数过多，请 %d 秒后再试", int64((wait+time.Second-1)/time.Second)))
	}
	if t.of == nil {
		t.of = map[string]tried{}
	}
	if _, known := t.of[who]; !known && len(t.of) >= maxTried {
		t.makeRoom(now)
	}
	t.of[who] = tried{wrong: had.wrong + 1, last: now}
	return nil
}

// forget clears a person's wrong tries: the right PIN came, or a new one was set.
func (t *tries) forget(who string) {
	t.mu.Lock()
	defer t.mu.Unlock()
	delete(t.of, who)
}

// makeRoom takes out who is out of date, or else one of those with the fewest
// wrong tries, the longest ago. It looks at all: a try costs far more.
func (t *tries) makeRoom(now time.Time) {
	least, found := "", false
	for who, had := range t.of {
		if now.Sub(had.last) >= triesKept {
			delete(t.of, who)
			continue
		}
		if best := t.of[least]; !found || had.wrong < best.wrong || had.wrong == best.wrong && had.last.Before(best.last) {
			least, found = who, true
		}
	}
	if len(t.of) >= maxTried {
		delete(t.of, least)
	}
}
