package store

import (
	"context"
	"fmt"
	"slices"
	"time"

	"cloudpay/internal/jobs"
	"cloudpay/internal/store/sqlcgen"
)

// maxLanes is how many lanes are read at once: more than any runner asks for.
const maxLanes = 1000

// Lanes implements jobs.Queue.
func (s *Store) Lanes(ctx context.Context, kind, after string, limit int) ([]jobs.LaneDue, error) {
	if limit < 1 || limit > maxLanes {
		return nil, fmt.Errorf("look for lanes: limit must be between 1 and %d", maxLanes)
	}
	rows, err := s.read.ListLanes(ctx, sqlcgen.ListLanesParams{Kind: kind, After: after, RowLimit: int32(limit)})
	if err != nil {
		return nil, fmt.Errorf("look for lanes: %w", err)
	}
	return mapped(rows, func(r sqlcgen.ListLanesRow) jobs.LaneDue { return jobs.LaneDue{Lane: r.Lane, Due: at(r.DueMs)} }), nil
}

// ClaimLanes implements jobs.Queue. Within a lane the oldest go first by the time
// they became claimable; between lanes, by RunAt.
func (s *Store) ClaimLanes(ctx context.Context, kind string, now time.Time, lease time.Duration, wants []jobs.LaneWant) ([]jobs.Job, error) {
	total := 0
	for _, w := range wants {
		if w.Count < 1 || w.Count > maxClaim {
			return nil, fmt.Errorf("claim jobs: %d of one lane: out of range", w.Count)
		}
		total += w.Count
	}
	if len(wants) > maxStatements || total > maxClaim { // each lane is a statement
		return nil, fmt.Errorf("claim jobs: %d lanes, %d jobs: out of range", len(wants), total)
	}
	u, q := s.newUnit("", "")
	u.always = true
	until := ms(now.Add(lease))
	for _, w := range wants {
		u.add(anyRows)(q.ClaimLane(ctx, sqlcgen.ClaimLaneParams{
			Lease: u.id, UntilMs: until, Kind: kind, Lane: w.Lane, NowMs: ms(now), RowLimit: int32(w.Count), //nolint:gosec // at most maxClaim
		}))
	}
	if _, err := s.submit(ctx, u); err != nil {
		return nil, fmt.Errorf("claim jobs of lanes: %w", err)
	}
	var got []jobs.Job
	for _, w := range wants {
		rows, err := s.read.ListClaimedOfLane(ctx, sqlcgen.ListClaimedOfLaneParams{Kind: kind, Lane: w.Lane, UntilMs: until, Lease: u.id})
		if err != nil {
			return nil, fmt.Errorf("read claimed jobs: %w", err)
		}
		got = append(got, mapped(rows, jobOf)...)
	}
	slices.SortStableFunc(got, func(a, b jobs.Job) int { return a.RunAt.Compare(b.RunAt) })
	return got, nil
}

// Shift implements jobs.Queue.
func (s *Store) Shift(ctx context.Context, j jobs.Job, lane string) error {
	return s.said(ctx, j, "shift job", func(q *sqlcgen.Queries) (int64, error) {
		return q.ShiftJob(ctx, sqlcgen.ShiftJobParams{Lane: lane, MerchantID: j.MerchantID, Kind: j.Kind, Ref: j.Ref, Lease: j.Lease})
	})
}

// BuriedJobs reads at most limit of the jobs of one kind and lane that are out of
// service, of every merchant, oldest first, from after a job of an earlier page;
// the zero job is the beginning.
func (s *Store) BuriedJobs(ctx context.Context, kind, lane string, after jobs.Job, limit int) ([]jobs.Job, error) {
	if limit < 1 || limit > maxList {
		return nil, fmt.Errorf("read buried jobs: limit must be between 1 and %d", maxList)
	}
	rows, err := s.read.ListBuried(ctx, sqlcgen.ListBuriedParams{
		Kind: kind, Lane: lane, AfterMs: ms(after.CreatedAt), AfterMerchant: after.MerchantID, AfterRef: after.Ref, RowLimit: int32(limit),
	})
	if err != nil {
		return nil, fmt.Errorf("read buried jobs: %w", err)
	}
	return mapped(rows, jobOf), nil
}

// BuriedJobsOf is BuriedJobs for one merchant and all lanes: what was given up for
// an address that he has left.
func (s *Store) BuriedJobsOf(ctx context.Context, merchantID, kind string, after jobs.Job, limit int) ([]jobs.Job, error) {
	if limit < 1 || limit > maxList {
		return nil, fmt.Errorf("read buried jobs: limit must be between 1 and %d", maxList)
	}
	rows, err := s.read.ListBuriedOfMerchant(ctx, sqlcgen.ListBuriedOfMerchantParams{
		MerchantID: merchantID, Kind: kind, AfterMs: ms(after.CreatedAt), AfterRef: after.Ref, RowLimit: int32(limit),
	})
	if err != nil {
		return nil, fmt.Errorf("read buried jobs: %w", err)
	}
	return mapped(rows, jobOf), nil
}
