package store

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"time"
	"unicode/utf8"

	"cloudpay/internal/jobs"
	"cloudpay/internal/pay"
	"cloudpay/internal/store/sqlcgen"
)

// Limits of claims and lists of jobs.
const (
	maxClaim = 1000 // a claim larger than any runner's workers
	maxKinds = 64   // each kind is a statement of the claim
)

// edit records job edits that belong to an order the unit has just written.
func (u *unit) edit(ctx context.Context, q *sqlcgen.Queries, outTradeNo string, edits []jobs.Edit) {
	for _, e := range edits {
		if err := u.checkEdit(e); err != nil {
			u.bad = errors.Join(u.bad, err)
			return
		}
		switch {
		case e.Put != nil:
			u.add(1)(q.PutJobOfUnit(ctx, sqlcgen.PutJobOfUnitParams{
				Kind: e.Put.Kind, Ref: e.Put.Ref, Queue: e.Put.Queue, Seq: e.Put.Seq, RunMs: ms(e.Put.RunAt),
				Payload: e.Put.Payload, CreatedMs: ms(e.Put.CreatedAt), Lane: e.Put.Lane,
				MerchantID: u.merchant, OutTradeNo: outTradeNo, Unit: u.id,
			}))
		case e.Done != nil:
			u.add(anyRows)(q.DeleteJobOfUnit(ctx, sqlcgen.DeleteJobOfUnitParams{
				MerchantID: u.merchant, Kind: e.Done.Kind, Ref: e.Done.Ref, OutTradeNo: outTradeNo, Unit: u.id,
			}))
		case e.Touch != nil:
			u.add(anyRows)(q.TouchJobOfUnit(ctx, sqlcgen.TouchJobOfUnitParams{
				RunMs: ms(e.Touch.RunAt), MerchantID: u.merchant, Kind: e.Touch.Kind, Ref: e.Touch.Ref,
				OutTradeNo: outTradeNo, Unit: u.id,
			}))
		}
	}
}

// checkEdit refuses an edit that has no member or too many, another merchant's
// job, or a job that is too large.
func (u *unit) checkEdit(e jobs.Edit) error {
	var keys []jobs.Key
	if e.Put != nil {
		keys = append(keys, e.Put.Key)
		if len(e.Put.Payload) > jobs.MaxPayload {
			return fmt.Errorf("job %s %s: payload has %d bytes, more than %d", e.Put.Kind, e.Put.Ref, len(e.Put.Payload), jobs.MaxPayload)
		}
	}
	if e.Done != nil {
		keys = append(keys, *e.Done)
	}
	if e.Touch != nil {
		keys = append(keys, e.Touch.Key)
	}
	if len(keys) != 1 {
		return fmt.Errorf("a job edit has %d members, not 1", len(keys))
	}
	if keys[0].MerchantID != u.merchant {
		return fmt.Errorf("job %s %s is of another merchant", keys[0].Kind, keys[0].Ref)
	}
	return nil
}

// EditJobs applies edits that follow from no order, all of one merchant, in
// one unit of work.
func (s *Store) EditJobs(ctx context.Context, merchantID string, edits ...jobs.Edit) error {
	u, q := s.newUnit("", merchantID)
	u.always = true
	for _, e := range edits {
		if err := u.checkEdit(e); err != nil {
			return fmt.Errorf("edit jobs: %w", err)
		}
		switch {
		case e.Put != nil:
			u.add(1)(q.PutJob(ctx, sqlcgen.PutJobParams{
				MerchantID: merchantID, Kind: e.Put.Kind, Ref: e.Put.Ref, Queue: e.Put.Queue, Seq: e.Put.Seq,
				RunMs: ms(e.Put.RunAt), Payload: e.Put.Payload, CreatedMs: ms(e.Put.CreatedAt), Lane: e.Put.Lane,
			}))
		case e.Done != nil:
			u.add(anyRows)(q.DeleteJob(ctx, sqlcgen.DeleteJobParams{MerchantID: merchantID, Kind: e.Done.Kind, Ref: e.Done.Ref}))
		case e.Touch != nil:
			u.add(anyRows)(q.TouchJob(ctx, sqlcgen.TouchJobParams{
				RunMs: ms(e.Touch.RunAt), MerchantID: merchantID, Kind: e.Touch.Kind, Ref: e.Touch.Ref,
			}))
		}
	}
	if _, err := s.submit(ctx, u); err != nil {
		return fmt.Errorf("edit jobs: %w", err)
	}
	return nil
}

// due is how many jobs of one kind a claim takes.
type due struct {
	kind  string
	count int
}

// Claim implements jobs.Queue. It looks before it writes, so that a claim that
// finds nothing costs no commit. Among jobs of one kind the oldest go first by
// the time they became claimable; between kinds, by RunAt.
func (s *Store) Claim(ctx context.Context, kinds []string, now time.Time, lease time.Duration, limit int) ([]jobs.Job, error) {
	if limit < 1 || limit > maxClaim || len(kinds) > maxKinds {
		return nil, fmt.Errorf("claim jobs: %d kinds, %d jobs: out of range", len(kinds), limit)
	}
	take, err := s.look(ctx, kinds, ms(now), limit)
	if err != nil || len(take) == 0 {
		return nil, err
	}
	u, q := s.newUnit("", "")
	u.always = true
	until := ms(now.Add(lease))
	for _, d := range take {
		u.add(anyRows)(q.ClaimJobs(ctx, sqlcgen.ClaimJobsParams{
			Lease: u.id, UntilMs: until, Kind: d.kind, NowMs: ms(now), RowLimit: int32(d.count), //nolint:gosec // at most maxClaim
		}))
	}
	if _, err := s.submit(ctx, u); err != nil {
		return nil, fmt.Errorf("claim jobs: %w", err)
	}
	var got []jobs.Job
	for _, d := range take {
		rows, err := s.read.ListClaimed(ctx, sqlcgen.ListClaimedParams{Kind: d.kind, UntilMs: until, Lease: u.id})
		if err != nil {
			return nil, fmt.Errorf("read claimed jobs: %w", err)
		}
		got = append(got, mapped(rows, jobOf)...)
	}
	slices.SortStableFunc(got, func(a, b jobs.Job) int { return a.RunAt.Compare(b.RunAt) })
	return got, nil
}

// look counts, per kind, the jobs that are among the limit oldest due ones.
func (s *Store) look(ctx context.Context, kinds []string, now int64, limit int) ([]due, error) {
	type seen struct {
		run  int64
		kind int
	}
	var all []seen
	for i, kind := range kinds {
		times, err := s.read.ListDue(ctx, sqlcgen.ListDueParams{Kind: kind, NowMs: now, RowLimit: int32(limit)}) //nolint:gosec // at most maxClaim
		if err != nil {
			return nil, fmt.Errorf("look for due jobs: %w", err)
		}
		for _, t := range times {
			all = append(all, seen{t, i})
		}
	}
	slices.SortStableFunc(all, func(a, b seen) int { return int(min(max(a.run-b.run, -1), 1)) })
	counts := make([]int, len(kinds))
	for _, j := range all[:min(limit, len(all))] {
		counts[j.kind]++
	}
	var take []due
	for i, n := range counts {
		if n > 0 {
			take = append(take, due{kinds[i], n})
		}
	}
	return take, nil
}

// ClaimOne implements jobs.Queue.
func (s *Store) ClaimOne(ctx context.Context, now time.Time, lease time.Duration, k jobs.Key) (j jobs.Job, ok bool, err error) {
	u, q := s.newUnit("", k.MerchantID)
	get := sqlcgen.GetJobParams{MerchantID: k.MerchantID, Kind: k.Kind, Ref: k.Ref}
	u.found = func(ctx context.Context, q *sqlcgen.Queries) (bool, error) {
		r, err := q.GetJob(ctx, get)
		if errors.Is(absent(err), pay.ErrNotFound) {
			return false, nil
		}
		return r.Lease == u.id, err
	}
	u.add(1)(q.ClaimJob(ctx, sqlcgen.ClaimJobParams{
		Lease: u.id, UntilMs: ms(now.Add(lease)), NowMs: ms(now), MerchantID: k.MerchantID, Kind: k.Kind, Ref: k.Ref,
	}))
	if ok, err = s.submit(ctx, u); err != nil || !ok {
		return jobs.Job{}, false, wrap("claim job", err)
	}
	r, err := s.read.GetJob(ctx, get)
	if errors.Is(absent(err), pay.ErrNotFound) || err == nil && r.Lease != u.id {
		return jobs.Job{}, false, nil // somebody ended or moved it in this moment
	}
	return jobOf(r), err == nil, wrap("read claimed job", err)
}

// wrap says what was being done, unless nothing went wrong.
func wrap(doing string, err error) error {
	if err == nil {
		return nil
	}
	return fmt.Errorf("%s: %w", doing, err)
}

// NextDue implements jobs.Queue.
func (s *Store) NextDue(ctx context.Context, kinds []string) (next time.Time, ok bool, err error) {
	for _, kind := range kinds {
		due, err := s.read.NextDue(ctx, kind)
		if errors.Is(absent(err), pay.ErrNotFound) {
			continue
		}
		if err != nil {
			return time.Time{}, false, fmt.Errorf("look for the next job: %w", err)
		}
		if t := at(due); !ok || t.Before(next) {
			next, ok = t, true
		}
	}
	return next, ok, nil
}

// said submits what the holder of a job says of it, and frees the job instead if it
// was moved while he held it.
func (s *Store) said(ctx context.Context, j jobs.Job, doing string, verdict func(*sqlcgen.Queries) (int64, error)) error {
	u, q := s.newUnit("", j.MerchantID)
	u.always = true // of the two at most one finds the job
	u.add(anyRows)(verdict(q))
	u.add(anyRows)(q.FreeJob(ctx, sqlcgen.FreeJobParams{MerchantID: j.MerchantID, Kind: j.Kind, Ref: j.Ref, Lease: j.Lease}))
	_, err := s.submit(ctx, u)
	return wrap(doing, err)
}

// Finish implements jobs.Queue.
func (s *Store) Finish(ctx context.Context, j jobs.Job) error {
	return s.said(ctx, j, "finish job", func(q *sqlcgen.Queries) (int64, error) {
		return q.FinishJob(ctx, sqlcgen.FinishJobParams{MerchantID: j.MerchantID, Kind: j.Kind, Ref: j.Ref, Lease: j.Lease})
	})
}

// Retry implements jobs.Queue.
func (s *Store) Retry(ctx context.Context, j jobs.Job, at time.Time, why string) error {
	return s.said(ctx, j, "retry job", func(q *sqlcgen.Queries) (int64, error) {
		return q.RetryJob(ctx, sqlcgen.RetryJobParams{
			RunMs: ms(at), Attempt: j.Attempt, LastError: shortened(why),
			MerchantID: j.MerchantID, Kind: j.Kind, Ref: j.Ref, Lease: j.Lease,
		})
	})
}

// Bury implements jobs.Queue.
func (s *Store) Bury(ctx context.Context, j jobs.Job, why string) error {
	return s.said(ctx, j, "bury job", func(q *sqlcgen.Queries) (int64, error) {
		return q.BuryJob(ctx, sqlcgen.BuryJobParams{
			LastError: shortened(why), MerchantID: j.MerchantID, Kind: j.Kind, Ref: j.Ref, Lease: j.Lease,
		})
	})
}

// shortened cuts a text to jobs.MaxError bytes, between characters, and drops
// what cannot be stored.
func shortened(s string) string {
	clean := make([]byte, 0, min(len(s), jobs.MaxError))
	for _, r := range s {
		if len(clean)+utf8.RuneLen(r) > jobs.MaxError {
			break
		}
		if r != 0 {
			clean = utf8.AppendRune(clean, r)
		}
	}
	return string(clean)
}

// ReleaseJob puts a buried job back into service at the given time, from its
// first attempt. ok is false when no such job is buried.
func (s *Store) ReleaseJob(ctx context.Context, k jobs.Key, at time.Time) (ok bool, err error) {
	u, q := s.newUnit("", k.MerchantID)
	u.add(1)(q.ReleaseJob(ctx, sqlcgen.ReleaseJobParams{RunMs: ms(at), MerchantID: k.MerchantID, Kind: k.Kind, Ref: k.Ref}))
	ok, err = s.submit(ctx, u)
	return ok, wrap("release job", err)
}

// Job reads one job; an error that wraps pay.ErrNotFound says that there is none.
func (s *Store) Job(ctx context.Context, k jobs.Key) (jobs.Job, error) {
	r, err := s.read.GetJob(ctx, sqlcgen.GetJobParams{MerchantID: k.MerchantID, Kind: k.Kind, Ref: k.Ref})
	if err != nil {
		return jobs.Job{}, wrap("read job", absent(err))
	}
	return jobOf(r), nil
}

// JobFilter selects jobs for a person. Empty members match everything.
type JobFilter struct {
	MerchantID string
	Kind       string
	State      jobs.State
	Limit      int // at most 10,000, 0 for 100
}

// ListJobs reads jobs, earliest RunAt first.
func (s *Store) ListJobs(ctx context.Context, f JobFilter) ([]jobs.Job, error) {
	const defaultLimit = 100
	if f.Limit == 0 {
		f.Limit = defaultLimit
	}
	if f.Limit < 0 || f.Limit > maxList {
		return nil, fmt.Errorf("list jobs: limit must be between 1 and %d", maxList)
	}
	rows, err := s.read.ListJobs(ctx, sqlcgen.ListJobsParams{
		MerchantID: f.MerchantID, Kind: f.Kind, State: string(f.State), RowLimit: int32(f.Limit),
	})
	if err != nil {
		return nil, fmt.Errorf("list jobs: %w", err)
	}
	return mapped(rows, jobOf), nil
}
