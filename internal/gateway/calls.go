package gateway

import "sync"

// calls counts the work that outlives the requests that began it. The zero
// value is open. It is safe for concurrent use.
type calls struct {
	mu     sync.RWMutex
	closed bool
	wg     sync.WaitGroup
}

// Go runs f in a goroutine of its own; false means that the gateway is
// stopping and f did not run.
func (c *calls) Go(f func()) bool {
	c.mu.RLock()
	defer c.mu.RUnlock()
	if c.closed {
		return false
	}
	c.wg.Go(f)
	return true
}

// Open reports whether Go still runs anything.
func (c *calls) Open() bool {
	c.mu.RLock()
	defer c.mu.RUnlock()
	return !c.closed
}

// Close lets nothing new begin and waits for what runs.
func (c *calls) Close() {
	c.mu.Lock()
	c.closed = true
	c.mu.Unlock()
	c.wg.Wait()
}
