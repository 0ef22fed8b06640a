// Package jobs runs durable work: rows that say what must still be done,
// claimed with a lease, done at least once, retried on a ladder, and buried
// for a person when the ladder ends.
//
// It knows keys, times and leases. It must not know payments: handlers are
// given to it, and rows are written by whoever makes the work necessary, in
// the same transaction (design.md §7).
package jobs

import (
	"context"
	"time"
)

// Key names one piece of work within one merchant. Putting a job with a key
// that exists moves that job instead of adding a second one.
type Key struct {
	MerchantID string
	Kind       string // e.g. "settle"; selects the handler
	Ref        string // what it is about, e.g. an order number
}

// State is where a job stands.
type State string

// The states of a job. Finished work has no row.
const (
	Ready  State = "ready"
	Buried State = "buried" // needs a person: Release makes it ready again
)

// Job is one row. Times are UTC with millisecond precision.
type Job struct {
	Key
	State State
	// Queue, when not empty, names a line within the merchant: of the ready
	// jobs of one line only the first by (Seq, Kind, Ref) is ever claimed. A
	// buried job does not hold up its line.
	Queue string
	Seq   int64
	// Lane, when not empty, names what the job shares a fate with, such as the
	// place it calls: see Kind.Lanes. Lanes go across merchants.
	Lane string
	// Payload is JSON for the handler, at most MaxPayload bytes, "" for none.
	Payload    string
	RunAt      time.Time // not before
	Attempt    int64     // claims so far, this one included; Release starts again at 0
	Lease      string    // id of the claim that holds it, "" for none
	LeaseUntil time.Time
	CreatedAt  time.Time
	LastError  string // of the last failed attempt, at most MaxError bytes, no secrets
}

// Limits of a row.
const (
	MaxPayload = 4 << 10
	MaxError   = 512
)

// Edit changes one job inside somebody else's unit of work. Exactly one
// member is set.
type Edit struct {
	// Put inserts a job, or moves the one that exists: State ready, RunAt, Payload,
	// Attempt 0. An attempt under way keeps a lease that ends after RunAt, so that
	// no second one begins; its verdict then only frees the job, which stands as it
	// was put.
	Put  *Job
	Done *Key // delete, whoever holds the lease
	// Touch moves RunAt of an existing job that nobody holds at that time; Attempt
	// stays.
	Touch *Touch
}

// Touch names a job and its new time.
type Touch struct {
	Key
	RunAt time.Time
}

// Queue is what the runner needs of the store. Implementations are safe for
// concurrent use by many processes.
type Queue interface {
	// Claim takes at most limit ready jobs of these kinds without a lane that are due
	// at now and not leased past now, oldest RunAt first, sets their lease and adds one to
	// Attempt. The filter keeps a flood of one kind from holding up another; it
	// does not change which job is first of its line.
	Claim(ctx context.Context, kinds []string, now time.Time, lease time.Duration, limit int) ([]Job, error)
	// ClaimOne takes that job if it is ready, not leased, due, and first of its
	// line. ok is false when it is not to be had.
	ClaimOne(ctx context.Context, now time.Time, lease time.Duration, k Key) (j Job, ok bool, err error)
	// Lanes returns the lanes of one kind that have ready jobs, in order of their
	// names from after the one given, at most limit.
	Lanes(ctx context.Context, kind, after string, limit int) ([]LaneDue, error)
	// ClaimLanes is Claim for some lanes of one kind: of each at most as many jobs
	// as are wanted. The length of a lane does not matter to the others.
	ClaimLanes(ctx context.Context, kind string, now time.Time, lease time.Duration, wants []LaneWant) ([]Job, error)
	// NextDue returns the earliest time at which some ready job of these kinds
	// without a lane becomes claimable, by its RunAt or by the end of its lease; ok is false when
	// there is none. It may be too early, never too late.
	NextDue(ctx context.Context, kinds []string) (at time.Time, ok bool, err error)
	// Finish deletes the job if j's lease still holds it; otherwise it does nothing.
	// A job that was put again since it was claimed is only freed, by Finish as by
	// Retry, Shift and Bury: it is due when it was put to be.
	Finish(ctx context.Context, j Job) error
	// Retry makes the job ready at the given time, with the error text and with
	// j's Attempt, which the runner lowers when no attempt was spent, if j's lease
	// still holds it.
	Retry(ctx context.Context, j Job, at time.Time, why string) error
	// Shift moves the job to another lane, free, due as before and with the attempt
	// of its claim given back, if j's lease still holds it.
	Shift(ctx context.Context, j Job, lane string) error
	// Bury takes the job out of service with the reason, if j's lease still holds it.
	Bury(ctx context.Context, j Job, why string) error
}
