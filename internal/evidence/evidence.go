// Package evidence keeps what was said on the wires about an order, byte for
// byte, for whoever has to explain it later: what tills asked, what the wallets
// were asked and answered, what they told, and which states followed.
//
// Records are collected in memory and written some hundred milliseconds later,
// many to a page, compressed and sealed: payments do not wait for them, and
// nothing about money is decided by them. A process that is killed loses what it
// had not written yet; what does not fit into memory is dropped, counted, and
// said in the place where it is missing (decision 0054).
//
// The room knows channels, to watch them, and pages. It must not know what a
// record means, SQL, HTTP or a rule of money.
package evidence

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"sync"
	"time"

	"cloudpay/internal/jobs"
	"cloudpay/internal/secret"
)

// Limits of what waits to be written. At 5,000 payments per second, what a till
// and a wallet say about them is some 20 MB per second.
const (
	maxWaiting      = 32 << 10
	maxWaitingBytes = 48 << 20
	// linger is how long the first record waits for others: it is what a killed
	// process loses, and it makes pages worth compressing.
	linger = 200 * time.Millisecond
	// MaxBatch is the most pages of one unit of work, with two statements each.
	MaxBatch = 100
	// rush is how many records at once say that payments need the processor more
	// than the disk needs the room: some 800 payments per second.
	rush = 500
	// retryAfter is the pause after a failed write.
	retryAfter = time.Second
	// lastWords bounds the writing when the process stops.
	lastWords = 500 * time.Millisecond
	// maxGaps is how many merchants' losses are told apart.
	maxGaps = 1000
	// strangers is how many records that nobody vouches for are kept in a minute:
	// they cost their senders nothing.
	strangers = 60
)

// DefaultRetention is how long pages are kept: longer than a customer takes to
// ask his bank, and half a gigabyte per million payments.
const DefaultRetention = 90 * 24 * time.Hour

// Keeper keeps pages. The store implements it; it is safe for concurrent use.
type Keeper interface {
	// KeepEvidence adds at most MaxBatch pages. Adding one again changes nothing.
	KeepEvidence(ctx context.Context, pages []Page) error
	// EvidenceMarks returns the pages of a merchant after and before ids, oldest
	// first, without what is sealed.
	EvidenceMarks(ctx context.Context, merchantID, after, before string, limit int) ([]Page, error)
	// EvidencePage returns what is sealed; an error that wraps pay.ErrNotFound
	// when it has been purged.
	EvidencePage(ctx context.Context, merchantID, id string) ([]byte, error)
	// PurgeEvidence deletes at most limit pages of before that id, and says
	// whether there are more.
	PurgeEvidence(ctx context.Context, before string, limit int) (more bool, err error)
	// NewUnit returns a text that nobody else gets.
	NewUnit() string
}

// Queue is the durable work in which purging is a row. The store implements it.
type Queue interface {
	jobs.Queue
	EditJobs(ctx context.Context, merchantID string, edits ...jobs.Edit) error
}

// Config is everything a Recorder needs. Retention and Metrics may be left out.
type Config struct {
	Keeper Keeper
	Queue  Queue
	// Vault is the installation's data key.
	Vault *secret.DataKey
	// Retention is how long pages are kept, 0 for DefaultRetention.
	Retention time.Duration
	Now       func() time.Time
	Log       *slog.Logger
	Metrics   *Metrics // nil for none
}

// Recorder collects records and writes them. A nil Recorder keeps nothing. It is
// safe for concurrent use. The owner of a serving process calls Run.
type Recorder struct {
	Config
	runner *jobs.Runner
	wake   chan struct{}

	mu      sync.Mutex
	waiting []*Record
	bytes   int
	gaps    map[string]*Record // by merchant
	minute  int64              // of strangers
	seen    int                // strangers in that minute

	writing sync.Mutex // of pending and packer
	pending []Page
	packer  *packer
}

// New returns a Recorder. It starts nothing: call Run.
func New(c Config) *Recorder {
	if c.Retention == 0 {
		c.Retention = DefaultRetention
	}
	if c.Metrics == nil {
		c.Metrics = NewMetrics(nil)
	}
	r := &Recorder{Config: c, wake: make(chan struct{}, 1), gaps: map[string]*Record{}, packer: newPacker(c.Vault)}
	r.runner = jobs.New(jobs.Config{
		Queue: c.Queue, Now: c.Now, Log: c.Log, MaxIdle: purgeIdle, Workers: 1, Drain: lastWords,
		Kinds: map[string]jobs.Kind{kindPurge: {Handler: r.purgeJob, Ladder: purgeLadder, Forever: true}},
	})
	return r
}

// now is the time at the precision that is kept.
func (r *Recorder) now() time.Time { return r.Now().UTC().Truncate(time.Millisecond) }

// Add keeps a record, and says nothing when it cannot: whoever adds one has
// more important things to do. v and its bytes must not be changed afterwards.
func (r *Recorder) Add(v Record) {
	if r == nil {
		return
	}
	size := v.size()
	r.mu.Lock()
	defer r.mu.Unlock()
	if len(r.waiting) >= maxWaiting || r.bytes+size > maxWaitingBytes {
		r.drop(&v)
		return
	}
	r.waiting = append(r.waiting, &v)
	r.bytes += size
	r.Metrics.taken.Inc()
	select {
	case r.wake <- struct{}{}:
	default:
	}
}

// AddStranger keeps a record that nobody vouches for, if there were not many of
// them lately.
func (r *Recorder) AddStranger(v Record) {
	if r == nil {
		return
	}
	now := r.Now().Unix() / 60
	r.mu.Lock()
	if r.minute != now {
		r.minute, r.seen = now, 0
	}
	r.seen++
	full := r.seen > strangers
	r.mu.Unlock()
	if full {
		r.Metrics.records.WithLabelValues("skipped").Inc()
		return
	}
	r.Add(v)
}

// drop remembers that a record was lost. The caller holds mu.
func (r *Recorder) drop(v *Record) {
	r.Metrics.records.WithLabelValues("dropped").Inc()
	now := r.now()
	g := r.gaps[v.MerchantID]
	if g == nil {
		merchant := v.MerchantID
		if len(r.gaps) >= maxGaps {
			return // the metric has it; a thousand merchants' gaps say enough
		}
		g = &Record{Kind: Gap, MerchantID: merchant, At: v.At}
		r.gaps[merchant] = g
	}
	g.Count++
	g.Until = now
}

// Run writes records and purges old pages until ctx ends, and then writes what
// is left. It returns nil after a clean stop.
func (r *Recorder) Run(ctx context.Context) error {
	var wg sync.WaitGroup
	wg.Go(func() { r.write(ctx) })
	err := r.purge(ctx)
	wg.Wait()
	return err
}

// write writes what is added until ctx ends, and once more then.
func (r *Recorder) write(ctx context.Context) {
	pause := time.NewTimer(linger)
	defer pause.Stop()
	failed := false
	for ctx.Err() == nil {
		select {
		case <-ctx.Done():
		case <-r.wake:
			pause.Reset(linger)
		}
		select {
		case <-ctx.Done():
			continue
		case <-pause.C:
		}
		err := r.flush(ctx)
		if err != nil && !failed && ctx.Err() == nil {
			r.Log.WarnContext(ctx, "evidence is not written; payments go on", slog.String("error", err.Error()))
		}
		if failed = err != nil; failed {
			r.again()
			pause.Reset(retryAfter)
			select {
			case <-ctx.Done():
			case <-pause.C:
			}
		}
	}
	last, cancel := context.WithTimeout(context.WithoutCancel(ctx), lastWords)
	defer cancel()
	if err := r.Flush(last); err != nil {
		r.Log.WarnContext(last, "the last evidence is not written", slog.String("error", err.Error()))
	}
}

// again wakes the writer.
func (r *Recorder) again() {
	select {
	case r.wake <- struct{}{}:
	default:
	}
}

// Flush writes everything that has been added. It is for who does not call Run,
// and for tests.
func (r *Recorder) Flush(ctx context.Context) error {
	if r == nil {
		return nil
	}
	return r.flush(ctx)
}

func (r *Recorder) flush(ctx context.Context) error {
	r.writing.Lock()
	defer r.writing.Unlock()
	if err := r.send(ctx); err != nil { // of an attempt before
		return err
	}
	if err := r.pack(); err != nil {
		return err
	}
	return r.send(ctx)
}

// pack turns what waits into pending pages. The caller holds writing.
func (r *Recorder) pack() error {
	r.mu.Lock()
	records, gaps := r.waiting, r.gaps
	r.waiting, r.bytes, r.gaps = nil, 0, map[string]*Record{}
	r.mu.Unlock()
	for _, g := range gaps {
		records = append(records, g)
	}
	r.packer.rushing = len(records) >= rush
	merchants := map[string][]*Record{}
	for _, v := range records {
		merchants[v.MerchantID] = append(merchants[v.MerchantID], v)
	}
	now := PageID(r.Now())
	for merchant, list := range merchants {
		pages, err := r.packer.pages(merchant, list, func() string { return now + r.Keeper.NewUnit() })
		if err != nil {
			return err
		}
		r.pending = append(r.pending, pages...)
	}
	return nil
}

// send writes pending pages. The caller holds writing.
func (r *Recorder) send(ctx context.Context) error {
	for len(r.pending) > 0 {
		batch := r.pending[:min(len(r.pending), MaxBatch)]
		if err := r.Keeper.KeepEvidence(ctx, batch); err != nil {
			return fmt.Errorf("write evidence: %w", err)
		}
		for _, p := range batch {
			r.Metrics.bytes.Add(float64(len(p.Sealed)))
		}
		r.Metrics.pages.Add(float64(len(batch)))
		r.pending = r.pending[len(batch):]
	}
	r.pending = nil
	return nil
}

// errNone says that this installation keeps no evidence.
var errNone = errors.New("evidence is not kept here")
