package jobs

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"maps"
	"slices"
	"sync"
	"testing"
	"time"
)

// memory is a Queue as its contract says, without a disk. The store's own tests
// run the contract on SQL.
type memory struct {
	mu     sync.Mutex
	rows   map[Key]*Job
	leases int
	claims int   // calls of Claim and ClaimLanes
	looks  int   // calls of Lanes
	broken error // what Claim answers, if set
	deaf   error // what Finish, Retry and Bury answer, if set
}

func newMemory(js ...Job) *memory {
	m := &memory{rows: map[Key]*Job{}}
	for _, j := range js {
		m.put(j)
	}
	return m
}

// put inserts a job, or moves the one that has its key, as Edit.Put does.
func (m *memory) put(j Job) {
	m.mu.Lock()
	defer m.mu.Unlock()
	j.State, j.Attempt, j.Lease, j.LeaseUntil = Ready, 0, "", time.Time{}
	if old, ok := m.rows[j.Key]; ok && old.LeaseUntil.After(j.RunAt) {
		j.Lease, j.LeaseUntil = old.Lease, old.LeaseUntil
	}
	m.rows[j.Key] = &j
}

func (m *memory) get(ref string) (Job, bool) {
	m.mu.Lock()
	defer m.mu.Unlock()
	for k, j := range m.rows {
		if k.Ref == ref {
			return *j, true
		}
	}
	return Job{}, false
}

// first reports whether no ready job stands before j in its line.
func (m *memory) first(j *Job) bool {
	if j.Queue == "" {
		return true
	}
	for _, o := range m.rows {
		if o != j && o.MerchantID == j.MerchantID && o.Queue == j.Queue && o.State == Ready &&
			cmp.Or(cmp.Compare(o.Seq, j.Seq), cmp.Compare(o.Kind, j.Kind), cmp.Compare(o.Ref, j.Ref)) < 0 {
			return false
		}
	}
	return true
}

func (m *memory) claimable(j *Job, now time.Time) bool {
	return j.State == Ready && !j.RunAt.After(now) && (j.Lease == "" || !j.LeaseUntil.After(now)) && m.first(j)
}

func (m *memory) lease(j *Job, now time.Time, d time.Duration) Job {
	m.leases++
	j.Lease, j.LeaseUntil = fmt.Sprint("lease", m.leases), now.Add(d)
	j.Attempt++
	return *j
}

func (m *memory) Claim(_ context.Context, kinds []string, now time.Time, lease time.Duration, limit int) ([]Job, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.claims++
	if m.broken != nil {
		return nil, m.broken
	}
	var due []*Job
	for _, j := range m.rows {
		if slices.Contains(kinds, j.Kind) && j.Lane == "" && m.claimable(j, now) {
			due = append(due, j)
		}
	}
	slices.SortFunc(due, func(a, b *Job) int {
		return cmp.Or(a.RunAt.Compare(b.RunAt), cmp.Compare(a.Ref, b.Ref))
	})
	var got []Job
	for _, j := range due[:min(limit, len(due))] {
		got = append(got, m.lease(j, now, lease))
	}
	return got, nil
}

func (m *memory) ClaimOne(_ context.Context, now time.Time, lease time.Duration, k Key) (Job, bool, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.broken != nil {
		return Job{}, false, m.broken
	}
	j, ok := m.rows[k]
	if !ok || !m.claimable(j, now) {
		return Job{}, false, nil
	}
	return m.lease(j, now, lease), true, nil
}

func (m *memory) NextDue(_ context.Context, kinds []string) (at time.Time, ok bool, err error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	for _, j := range m.rows {
		if !slices.Contains(kinds, j.Kind) || j.Lane != "" || j.State != Ready || !m.first(j) {
			continue
		}
		due := j.RunAt
		if j.Lease != "" && j.LeaseUntil.After(due) {
			due = j.LeaseUntil
		}
		if !ok || due.Before(at) {
			at, ok = due, true
		}
	}
	return at, ok, nil
}

// due is when a ready job may be claimed, if it is first of its line.
func (j Job) due() time.Time {
	if j.Lease != "" && j.LeaseUntil.After(j.RunAt) {
		return j.LeaseUntil
	}
	return j.RunAt
}

func (m *memory) Lanes(_ context.Context, kind, after string, limit int) ([]LaneDue, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.looks++
	first := map[string]time.Time{}
	for _, j := range m.rows {
		if j.Kind != kind || j.Lane <= after || j.State != Ready {
			continue
		}
		if at, ok := first[j.Lane]; !ok || j.due().Before(at) {
			first[j.Lane] = j.due()
		}
	}
	var all []LaneDue
	for _, name := range slices.Sorted(maps.Keys(first)) {
		all = append(all, LaneDue{Lane: name, Due: first[name]})
	}
	return all[:min(limit, len(all))], m.broken
}

func (m *memory) ClaimLanes(_ context.Context, kind string, now time.Time, lease time.Duration, wants []LaneWant) ([]Job, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.claims++
	var got []Job
	for _, w := range wants {
		var due []*Job
		for _, j := range m.rows {
			if j.Kind == kind && j.Lane == w.Lane && m.claimable(j, now) {
				due = append(due, j)
			}
		}
		slices.SortFunc(due, func(a, b *Job) int {
			return cmp.Or(a.due().Compare(b.due()), cmp.Compare(a.Ref, b.Ref))
		})
		for _, j := range due[:min(w.Count, len(due))] {
			got = append(got, m.lease(j, now, lease))
		}
	}
	return got, nil
}

func (m *memory) Shift(_ context.Context, j Job, lane string) error {
	m.mu.Lock()
	defer m.mu.Unlock()
	if row, ok := m.held(j); ok {
		row.Lane, row.Lease, row.LeaseUntil = lane, "", time.Time{}
		row.Attempt--
	}
	return nil
}

// held returns the row if j's lease still holds it. One that was put again since is
// freed instead.
func (m *memory) held(j Job) (*Job, bool) {
	row, ok := m.rows[j.Key]
	ok = ok && row.State == Ready && row.Lease == j.Lease
	if ok && row.Attempt == 0 {
		row.Lease, row.LeaseUntil = "", time.Time{}
		return row, false
	}
	return row, ok
}

func (m *memory) Finish(ctx context.Context, j Job) error {
	m.mu.Lock()
	defer m.mu.Unlock()
	if err := errors.Join(m.deaf, ctx.Err()); err != nil {
		return err
	}
	if _, ok := m.held(j); ok {
		delete(m.rows, j.Key)
	}
	return nil
}

func (m *memory) Retry(ctx context.Context, j Job, at time.Time, why string) error {
	m.mu.Lock()
	defer m.mu.Unlock()
	if err := errors.Join(m.deaf, ctx.Err()); err != nil {
		return err
	}
	if row, ok := m.held(j); ok {
		row.RunAt, row.LastError, row.Attempt, row.Lease, row.LeaseUntil = at, why, j.Attempt, "", time.Time{}
	}
	return nil
}

func (m *memory) Bury(ctx context.Context, j Job, why string) error {
	m.mu.Lock()
	defer m.mu.Unlock()
	if err := errors.Join(m.deaf, ctx.Err()); err != nil {
		return err
	}
	if row, ok := m.held(j); ok {
		row.State, row.LastError, row.Lease, row.LeaseUntil = Buried, why, "", time.Time{}
	}
	return nil
}

// job is a job of kind "work" that is due now.
func job(ref string) Job {
	return Job{Key: Key{MerchantID: "M1", Kind: "work", Ref: ref}, RunAt: time.Now(), CreatedAt: time.Now()}
}

// notes collects what handlers did, in order.
type notes struct {
	mu   sync.Mutex
	list []string
}

func (n *notes) add(format string, args ...any) {
	n.mu.Lock()
	defer n.mu.Unlock()
	n.list = append(n.list, fmt.Sprintf(format, args...))
}

func (n *notes) all() []string {
	n.mu.Lock()
	defer n.mu.Unlock()
	return slices.Clone(n.list)
}

// noter returns a handler that notes the seconds since the start and the ref,
// and then answers.
func (n *notes) noter(answer func(Job) (Verdict, error)) Handler {
	start := time.Now()
	return func(_ context.Context, j Job) (Verdict, error) {
		n.add("%s@%v", j.Ref, time.Since(start))
		return answer(j)
	}
}

func done(Job) (Verdict, error) { return Done(), nil }

func config(q Queue, k Kind) Config {
	if k.Ladder == nil {
		k.Ladder = []time.Duration{time.Second}
	}
	return Config{Queue: q, Kinds: map[string]Kind{"work": k}, Now: time.Now, Log: slog.New(slog.DiscardHandler)}
}

// start runs the runner until the returned function is called, which waits for
// its end.
func start(t *testing.T, r *Runner) (stop func()) {
	t.Helper()
	ctx, cancel := context.WithCancel(t.Context())
	ended := make(chan error, 1)
	go func() { ended <- r.Run(ctx) }()
	return func() {
		t.Helper()
		cancel()
		if err := <-ended; err != nil {
			t.Errorf("Run = %v, want nil", err)
		}
	}
}
