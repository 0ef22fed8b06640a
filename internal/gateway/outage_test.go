package gateway_test

import (
	"context"
	"errors"
	"fmt"
	"io"
	"maps"
	"net"
	"net/http"
	"slices"
	"strings"
	"sync"
	"syscall"

	"cloudpay/internal/gateway"
	"cloudpay/internal/notify"
	"cloudpay/internal/store"
)

// outage breaks one step of a flow. A step is whatever a process does that
// others can see: a commit, a call of a wallet, a callback, the answer to a
// wallet's notice.
type outage struct {
	at    int    // the step to break, counted from 1 once armed; 0 for none
	after bool   // once it has taken effect, rather than before
	kills bool   // the process ends there, rather than being told of an error
	look  func() // called after every commit, in the writer's goroutine; nil for nobody

	mu    sync.Mutex
	armed bool
	n     int
	kinds map[string]int // steps by kind
	hit   string         // what was broken
}

// arm begins to count.
func (o *outage) arm() {
	o.mu.Lock()
	defer o.mu.Unlock()
	o.armed = true
}

// disarm ends the counting.
func (o *outage) disarm() {
	o.mu.Lock()
	defer o.mu.Unlock()
	o.armed = false
}

// step counts a step and reports whether it is the one to break.
func (o *outage) step(kind, what string) bool {
	o.mu.Lock()
	defer o.mu.Unlock()
	if !o.armed {
		return false
	}
	o.n++
	o.kinds[kind]++
	if o.n == o.at {
		o.hit = kind + " " + what
	}
	return o.n == o.at
}

// broken reports what was broken, "" for nothing.
func (o *outage) broken() string {
	o.mu.Lock()
	defer o.mu.Unlock()
	return o.hit
}

var (
	errDead    = errors.New("the process is dead")
	errRefused = &net.OpError{Op: "dial", Net: "tcp", Err: syscall.ECONNREFUSED}
	errDisk    = errors.New("the disk failed")
)

// process is one life of the gateway's process. Once dead, it commits nothing,
// sends nothing and hears nothing (docs/decisions/0040-simulation.md).
type process struct {
	out    *outage
	gw     *gateway.Gateway
	store  *store.Store
	cancel context.CancelFunc
	ended  chan error
	told   *notify.Client
	dead   chan struct{}
	die    sync.Once

	mu     sync.Mutex
	queued []string // first statements of units that wait for their commit
	torn   bool     // the commit under way is the one to break
}

func (p *process) isDead() bool {
	select {
	case <-p.dead:
		return true
	default:
		return false
	}
}

// breaks ends the process, if the outage is of that kind, and returns what is
// heard of the step that was broken.
func (p *process) breaks(heard error) error {
	if !p.out.kills {
		return heard
	}
	p.die.Do(func() { close(p.dead) })
	return errDead
}

// Queue, Commit, Full and Committed make the process a store.Disk.
func (p *process) Queue(_ context.Context, what string, _ []any) (func() error, error) {
	if p.isDead() {
		return nil, errDead
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	p.queued = append(p.queued, what)
	return nil, nil
}

func (p *process) Commit(units int) error {
	if p.isDead() {
		return errDead
	}
	if units == 0 {
		return nil
	}
	p.mu.Lock()
	what := strings.Join(p.queued, " ")
	p.queued = p.queued[:0]
	p.mu.Unlock()
	p.torn = p.out.step("commits", what)
	if p.torn && !p.out.after {
		return p.breaks(errDisk)
	}
	return nil
}

func (*process) Full() bool { return false }

func (p *process) Committed(int) error {
	if p.out.look != nil {
		p.out.look()
	}
	if p.torn && p.out.after {
		p.torn = false
		return p.breaks(errDisk)
	}
	return nil
}

// line is a process's line to the wallets.
type line struct {
	p    *process
	next http.RoundTripper
}

func (l line) RoundTrip(req *http.Request) (*http.Response, error) {
	if l.p.isDead() {
		return nil, errDead
	}
	hit := l.p.out.step("calls", req.URL.Path)
	if hit && !l.p.out.after {
		return nil, l.p.breaks(errRefused)
	}
	res, err := l.next.RoundTrip(req)
	if hit {
		err = errors.Join(err, l.p.breaks(io.ErrUnexpectedEOF))
	}
	if l.p.isDead() {
		err = errors.Join(err, errDead)
	}
	if err != nil {
		if res != nil {
			_ = res.Body.Close()
		}
		return nil, err
	}
	return res, nil
}

// String names an outage for a failing test.
func (o *outage) String() string {
	side, what := "before", "failure"
	if o.after {
		side = "after"
	}
	if o.kills {
		what = "crash"
	}
	return fmt.Sprintf("%s %s step %d (%s)", what, side, o.at, o.broken())
}

// count renders figures by kind.
func count(m map[string]int) string {
	var b strings.Builder
	for _, k := range slices.Sorted(maps.Keys(m)) {
		fmt.Fprintf(&b, " %s %d", k, m[k])
	}
	return strings.TrimSpace(b.String())
}
