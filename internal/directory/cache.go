package directory

import (
	"context"
	"errors"
	"sync"
	"time"

	"cloudpay/internal/pay"
)

// Limits of what is kept in memory.
const (
	// freshFor is how long a row may be served after it was read: a disabled
	// merchant or a changed key takes effect on every node within it.
	freshFor = 10 * time.Second
	// absentFor is shorter: somebody who has just created a merchant waits for it.
	absentFor = 2 * time.Second
	// maxKept bounds each cache. A merchant of ten shops is about 10 KiB.
	maxKept = 4096
	// maxAbsent bounds what strangers can make us remember.
	maxAbsent = 1024
	// loadLimit ends a load that the store does not answer.
	loadLimit = 5 * time.Second
)

// cache keeps what load returned for a short time, lets one caller load while
// others wait for the same key, and remembers what does not exist. Other
// errors are never kept.
type cache[V any] struct {
	now  func() time.Time
	load func(ctx context.Context, key string) (V, error)

	mu      sync.Mutex
	kept    map[string]kept[V]
	absent  map[string]kept[error]
	flights map[string]*flight[V]
}

type kept[V any] struct {
	value V
	until time.Time
}

// flight is one load that is under way. value and err are set before done is
// closed.
type flight[V any] struct {
	done  chan struct{}
	value V
	err   error
	// stale says that a Forget came after the load began: its result goes to
	// those who wait and is not kept.
	stale bool
}

func newCache[V any](now func() time.Time, load func(context.Context, string) (V, error)) *cache[V] {
	return &cache[V]{
		now: now, load: load,
		kept: map[string]kept[V]{}, absent: map[string]kept[error]{}, flights: map[string]*flight[V]{},
	}
}

// get returns the value of key, loading it if needed. The load survives the
// death of the request that started it, because others wait for it.
func (c *cache[V]) get(ctx context.Context, key string) (V, error) {
	c.mu.Lock()
	now := c.now()
	if k, ok := c.kept[key]; ok && now.Before(k.until) {
		c.mu.Unlock()
		return k.value, nil
	}
	if k, ok := c.absent[key]; ok && now.Before(k.until) {
		c.mu.Unlock()
		var zero V
		return zero, k.value
	}
	f, joined := c.flights[key]
	if !joined {
		f = &flight[V]{done: make(chan struct{}), err: errLoadDied}
		c.flights[key] = f
	}
	c.mu.Unlock()

	if !joined {
		c.fly(ctx, key, f)
	}
	select {
	case <-f.done:
		return f.value, f.err
	case <-ctx.Done():
		var zero V
		return zero, ctx.Err()
	}
}

// peek returns the value of key if it is kept, and loads nothing.
func (c *cache[V]) peek(key string) (V, bool) {
	c.mu.Lock()
	defer c.mu.Unlock()
	k, ok := c.kept[key]
	return k.value, ok && c.now().Before(k.until)
}

// errLoadDied is what those who wait are told if the load panics.
var errLoadDied = errors.New("directory: the load that was waited for did not finish")

// fly loads key in the caller's goroutine and tells everybody who waits.
func (c *cache[V]) fly(ctx context.Context, key string, f *flight[V]) {
	defer func() {
		c.mu.Lock()
		defer c.mu.Unlock()
		if c.flights[key] == f {
			delete(c.flights, key)
		}
		now := c.now()
		switch {
		case f.stale:
		case f.err == nil:
			delete(c.absent, key)
			makeRoom(c.kept, maxKept, now)
			c.kept[key] = kept[V]{f.value, now.Add(freshFor)}
		case errors.Is(f.err, pay.ErrNotFound):
			delete(c.kept, key)
			makeRoom(c.absent, maxAbsent, now)
			c.absent[key] = kept[error]{f.err, now.Add(absentFor)}
		}
		close(f.done)
	}()
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), loadLimit)
	defer cancel()
	f.value, f.err = c.load(ctx, key)
}

// forget drops everything, so that the next get reads what is stored now.
func (c *cache[V]) forget() {
	c.mu.Lock()
	defer c.mu.Unlock()
	clear(c.kept)
	clear(c.absent)
	for _, f := range c.flights {
		f.stale = true
	}
	clear(c.flights)
}

// drop forgets one key, so that the next get reads what is stored now.
func (c *cache[V]) drop(key string) {
	c.mu.Lock()
	defer c.mu.Unlock()
	delete(c.kept, key)
	delete(c.absent, key)
	if f := c.flights[key]; f != nil {
		f.stale = true
		delete(c.flights, key)
	}
}

// makeRoom leaves room for one more entry: what has expired goes first, and if
// nothing has, whatever the map offers. Losing an entry costs one load.
func makeRoom[V any](m map[string]kept[V], limit int, now time.Time) {
	if len(m) < limit {
		return
	}
	for key, k := range m {
		if !now.Before(k.until) {
			delete(m, key)
		}
	}
	for key := range m {
		if len(m) < limit {
			return
		}
		delete(m, key)
	}
}
