package store

import (
	"context"
	"errors"
	"runtime"
	"sync"
)

const (
	// maxGroup bounds a commit, and with it how long a unit waits behind others:
	// 256 units are about 15 ms of work.
	maxGroup = 256
	// maxQueue bounds the units that wait for one committer. Callers beyond it
	// wait in their own goroutines, until their contexts end.
	maxQueue = 4096
)

// errClosed answers units that come after Close.
var errClosed = errors.New("store is closed")

// line is the queue of one committer. A group is what queued during the last
// commit: there is no timer.
type line struct {
	in    chan *unit
	group int // largest group
	stats *counters

	mu     sync.RWMutex // held for reading while sending, so that in is never closed under a sender
	closed bool
	ended  chan struct{}
}

func newLine(group int, stats *counters) *line {
	return &line{in: make(chan *unit, maxQueue), group: group, stats: stats, ended: make(chan struct{})}
}

// submit queues a unit and waits for its answer, or for the end of ctx. A unit
// that is queued is committed whether or not anybody still waits.
func (l *line) submit(ctx context.Context, u *unit) error {
	if err := l.send(ctx, u); err != nil {
		return err
	}
	select {
	case <-u.done:
		return u.err
	case <-ctx.Done():
	}
	select {
	case <-u.done: // both at once: the answer counts
		return u.err
	default:
		return context.Cause(ctx)
	}
}

func (l *line) send(ctx context.Context, u *unit) error {
	l.mu.RLock()
	defer l.mu.RUnlock()
	if l.closed {
		return errClosed
	}
	if ctx.Err() != nil { // or a select between two open doors would decide
		return context.Cause(ctx)
	}
	l.stats.queued.Add(1)
	select {
	case l.in <- u:
		return nil
	case <-ctx.Done():
		l.stats.queued.Add(-1)
		return context.Cause(ctx)
	}
}

// run commits groups until close, and then what is still queued. commit must
// answer for every unit by setting won or err.
func (l *line) run(commit func([]*unit)) {
	defer close(l.ended)
	batch := make([]*unit, 0, l.group)
	for u := range l.in {
		batch = append(batch[:0], u)
		batch = l.drain(batch)
		commit(batch)
		for _, u := range batch {
			close(u.done)
		}
		l.stats.queued.Add(-int64(len(batch)))
		clear(batch)
	}
}

// drain takes what else is queued. When the queue is found empty it lets the
// callers that the last commit has just answered run once: most of them come
// back at once with their next unit.
func (l *line) drain(batch []*unit) []*unit {
	yielded := false
	for len(batch) < l.group {
		select {
		case u, ok := <-l.in:
			if !ok {
				return batch
			}
			batch = append(batch, u)
		default:
			if yielded {
				return batch
			}
			yielded = true
			runtime.Gosched()
		}
	}
	return batch
}

// close refuses new units and returns when the queued ones are committed.
func (l *line) close() {
	l.mu.Lock()
	if !l.closed {
		l.closed = true
		close(l.in)
	}
	l.mu.Unlock()
	<-l.ended
}
