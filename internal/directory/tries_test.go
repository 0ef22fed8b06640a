package directory

import (
	"errors"
	"strconv"
	"sync"
	"testing"
	"time"

	"cloudpay/internal/pay"
)

// TestGuessingAPINTakesLonger: a few wrong PINs cost nothing, then each one makes
// the pause longer, up to a bound, and the right one or a day ends it.
func TestGuessingAPINTakesLonger(t *testing.T) {
	t.Parallel()
	var tr tries
	now := time.Date(2026, 11, 21, 4, 0, 0, 0, time.UTC)
	for i := range freeTries {
		if err := tr.begin("clerk", now); err != nil {
			t.Fatalf("try %d: %v", i+1, err)
		}
	}
	for i, pause := range []time.Duration{30 * time.Second, time.Minute, 2 * time.Minute, 4 * time.Minute, 8 * time.Minute, 15 * time.Minute, 15 * time.Minute} {
		if err := tr.begin("clerk", now.Add(pause-time.Millisecond)); !errors.Is(err, pay.ErrDenied) {
			t.Errorf("pause %d: a try before %v: %v", i+1, pause, err)
		}
		if err := tr.begin("other", now); i == 0 && err != nil {
			t.Errorf("another person waits too: %v", err)
		}
		now = now.Add(pause)
		if err := tr.begin("clerk", now); err != nil {
			t.Errorf("pause %d: a try after %v: %v", i+1, pause, err)
		}
	}
	tr.forget("clerk")
	if err := tr.begin("clerk", now); err != nil {
		t.Errorf("after the right PIN: %v", err)
	}
	for range freeTries - 1 {
		_ = tr.begin("clerk", now)
	}
	if err := tr.begin("clerk", now.Add(triesKept)); err != nil {
		t.Errorf("a day later: %v", err)
	}
	if err := tr.begin("clerk", now.Add(triesKept)); err != nil {
		t.Errorf("a day later counts from 0: %v", err)
	}
}

// TestPINsAreNotTriedAtOnce: tries that run side by side are counted before they
// are judged.
func TestPINsAreNotTriedAtOnce(t *testing.T) {
	t.Parallel()
	var tr tries
	var let sync.Map
	var wg sync.WaitGroup
	now := time.Date(2026, 11, 21, 4, 0, 0, 0, time.UTC)
	for i := range 50 {
		wg.Go(func() {
			if tr.begin("clerk", now) == nil {
				let.Store(i, true)
			}
		})
	}
	wg.Wait()
	n := 0
	let.Range(func(any, any) bool { n++; return true })
	if n != freeTries {
		t.Errorf("%d tries at once were let through, want %d", n, freeTries)
	}
}

// TestTriesAreBounded: naming people at random neither fills the memory nor
// frees who is being guessed at.
func TestTriesAreBounded(t *testing.T) {
	t.Parallel()
	var tr tries
	now := time.Date(2026, 11, 21, 4, 0, 0, 0, time.UTC)
	for range freeTries {
		_ = tr.begin("clerk", now)
	}
	for i := range maxTried + 20 {
		if err := tr.begin(strconv.Itoa(i), now); err != nil {
			t.Fatal(err)
		}
	}
	if len(tr.of) > maxTried {
		t.Errorf("%d are remembered", len(tr.of))
	}
	if err := tr.begin("clerk", now); !errors.Is(err, pay.ErrDenied) {
		t.Errorf("who is guessed at was freed: %v", err)
	}
	if err := tr.begin("late", now.Add(triesKept)); err != nil || len(tr.of) != 1 {
		t.Errorf("a day later %d are remembered, %v", len(tr.of), err)
	}
}
