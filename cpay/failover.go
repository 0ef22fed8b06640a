package cpay

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"strings"
	"sync"
	"time"
)

// probeTimeout is how long a domain may take to answer a ping. With four domains
// a till that must try all of them waits no longer than for one answer.
const probeTimeout = 2500 * time.Millisecond

// maxPing bounds a ping's answer, which the protocol keeps below 256 bytes.
const maxPing = 4 << 10

// errNoDomain is returned when no domain answers a ping.
var errNoDomain = errors.New("no domain can be reached")

// failover chooses among domains of one service: it probes them in order, takes
// the first that answers and stays with it until a call over it fails
// (protocol.md §5.5). It is safe for concurrent use; while one call probes, the
// others wait for its result.
type failover struct {
	domains []string
	probe   func(ctx context.Context, base string) error
	probing chan struct{} // holds one token; its owner may probe

	mu     sync.Mutex
	chosen int // index in domains, or -1
	next   int // where the next probe starts
}

// newFailover needs at least one domain. A single one is taken without a probe.
func newFailover(domains []string, probe func(context.Context, string) error) *failover {
	f := &failover{domains: domains, probe: probe, probing: make(chan struct{}, 1), chosen: -1}
	f.probing <- struct{}{}
	if len(domains) == 1 {
		f.chosen = 0 // nothing to choose
	}
	return f
}

// current is the chosen domain, if there is one.
func (f *failover) current() (string, bool) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.chosen < 0 {
		return "", false
	}
	return f.domains[f.chosen], true
}

// pick returns the domain to call, probing if none is chosen.
func (f *failover) pick(ctx context.Context) (string, error) {
	if base, ok := f.current(); ok {
		return base, nil
	}
	select {
	case <-f.probing:
		defer func() { f.probing <- struct{}{} }()
	case <-ctx.Done():
		return "", ctx.Err()
	}
	if base, ok := f.current(); ok { // somebody else has probed meanwhile
		return base, nil
	}
	f.mu.Lock()
	start := f.next
	f.mu.Unlock()
	for n := range f.domains {
		i := (start + n) % len(f.domains)
		if err := f.probe(ctx, f.domains[i]); err == nil {
			f.mu.Lock()
			f.chosen = i
			f.mu.Unlock()
			return f.domains[i], nil
		}
		if ctx.Err() != nil {
			return "", ctx.Err()
		}
	}
	return "", errNoDomain
}

// failed reports that a call over base got no answer. The next pick probes,
// beginning behind base. A failure over a domain that was given up already
// changes nothing.
func (f *failover) failed(base string) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if len(f.domains) > 1 && f.chosen >= 0 && f.domains[f.chosen] == base {
		f.next = (f.chosen + 1) % len(f.domains)
		f.chosen = -1
	}
}

// pingDomain is the probe of a Client.
func (c *Client) pingDomain(ctx context.Context, base string) error {
	ctx, cancel := context.WithTimeout(ctx, probeTimeout)
	defer cancel()
	_, err := c.ping(ctx, base)
	return err
}

// ping asks one domain for its time. Anything but the flat answer of a Cloud Pay
// service, such as the page of a captive portal, is an error.
func (c *Client) ping(ctx context.Context, base string) (*PingResponse, error) {
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, base+Path(MethodPing), strings.NewReader("GoPing"))
	if err != nil {
		return nil, err
	}
	resp, err := c.http.Do(req)
	if err != nil {
		return nil, err
	}
	defer resp.Body.Close()
	body, err := io.ReadAll(io.LimitReader(resp.Body, maxPing))
	if err != nil {
		return nil, err
	}
	p := &PingResponse{Status: noStatus}
	if err := Decode(body, p); err != nil {
		return nil, err
	}
	if resp.StatusCode != http.StatusOK || p.Status != 0 || p.Timestamp <= 0 {
		return nil, fmt.Errorf("%w: not the answer to a ping", ErrMalformed)
	}
	return p, nil
}
