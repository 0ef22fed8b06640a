package store

import (
	"context"
	"errors"
	"sync"
	"testing"
	"time"
)

func idle() *unit { return &unit{done: make(chan struct{})} }

func TestQueueIsBoundedAndWaitsWithTheCaller(t *testing.T) {
	t.Parallel()
	l := newLine(maxGroup, &counters{})
	var wg sync.WaitGroup
	for range maxQueue {
		wg.Go(func() {
			if err := l.submit(t.Context(), idle()); err != nil {
				t.Error(err)
			}
		})
	}
	for len(l.in) < maxQueue {
		time.Sleep(time.Millisecond)
	}
	ctx, cancel := context.WithTimeoutCause(t.Context(), 10*time.Millisecond, errors.New("the caller gave up"))
	defer cancel()
	if err := l.submit(ctx, idle()); err == nil || err.Error() != "the caller gave up" {
		t.Fatalf("submit beyond the limit = %v, want the end of the caller", err)
	}
	largest := 0
	go l.run(func(g []*unit) { largest = max(largest, len(g)) })
	wg.Wait()
	l.close()
	if largest != maxGroup {
		t.Errorf("largest group has %d units, want %d", largest, maxGroup)
	}
	if q := l.stats.queued.Load(); q != 0 {
		t.Errorf("%d units are still counted as queued", q)
	}
}

func TestUnitIsCommittedAfterItsCallerGaveUp(t *testing.T) {
	t.Parallel()
	l := newLine(maxGroup, &counters{})
	begun, goOn := make(chan struct{}), make(chan struct{})
	go l.run(func([]*unit) { close(begun); <-goOn })
	u := idle()
	ctx, cancel := context.WithCancel(t.Context())
	answer := make(chan error, 1)
	go func() { answer <- l.submit(ctx, u) }()
	<-begun
	cancel()
	if err := <-answer; !errors.Is(err, context.Canceled) {
		t.Fatalf("submit = %v, want the end of the caller", err)
	}
	close(goOn)
	<-u.done
	l.close()
}

func TestCloseCommitsWhatIsQueuedAndRefusesTheRest(t *testing.T) {
	t.Parallel()
	l := newLine(8, &counters{})
	units := make([]*unit, 100)
	for i := range units {
		units[i] = idle()
		if err := l.send(t.Context(), units[i]); err != nil {
			t.Fatal(err)
		}
	}
	go l.run(func([]*unit) {})
	l.close()
	for _, u := range units {
		<-u.done
	}
	if err := l.submit(t.Context(), idle()); !errors.Is(err, errClosed) {
		t.Fatalf("submit after close = %v", err)
	}
	l.close() // again is harmless
}

func TestGroupIsWhatQueuedDuringTheLastCommit(t *testing.T) {
	t.Parallel()
	l := newLine(maxGroup, &counters{})
	var sizes []int
	first := make(chan struct{})
	go l.run(func(g []*unit) {
		if sizes = append(sizes, len(g)); len(sizes) == 1 {
			<-first
		}
	})
	if err := l.send(t.Context(), idle()); err != nil {
		t.Fatal(err)
	}
	for len(l.in) > 0 {
		time.Sleep(time.Millisecond)
	}
	for range 10 {
		if err := l.send(t.Context(), idle()); err != nil {
			t.Fatal(err)
		}
	}
	close(first)
	l.close()
	if len(sizes) != 2 || sizes[1] != 10 {
		t.Errorf("groups have %v units, want [1 10]", sizes)
	}
}

func TestPositionalKeepsTheOrderOfArguments(t *testing.T) {
	t.Parallel()
	text, order := positional("SELECT $2, $1, $2 WHERE x = $11")
	if text != "SELECT ?, ?, ? WHERE x = ?" || len(order) != 4 || order[0] != 1 || order[1] != 0 || order[2] != 1 || order[3] != 10 {
		t.Errorf("positional = %q, %v", text, order)
	}
}
