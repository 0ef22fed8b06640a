package store_test

import (
	"context"
	"fmt"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"
	"unicode/utf8"

	"cloudpay/internal/jobs"
	"cloudpay/internal/pay"
	"cloudpay/internal/store"
	"cloudpay/internal/store/storetest"
)

const lease = time.Minute

// job is a ready job; line is "" for none.
func job(kind, ref, line string, seq int64, run time.Time) jobs.Job {
	return jobs.Job{
		Key: jobs.Key{MerchantID: merchant, Kind: kind, Ref: ref}, State: jobs.Ready, Queue: line, Seq: seq,
		Payload: `{"n":"` + ref + `"}`, RunAt: run, CreatedAt: noon,
	}
}

func put(t *testing.T, s *store.Store, js ...jobs.Job) {
	t.Helper()
	for _, j := range js {
		if err := s.EditJobs(t.Context(), j.MerchantID, jobs.Edit{Put: &j}); err != nil {
			t.Fatal(err)
		}
	}
}

func claim(t *testing.T, s *store.Store, now time.Time, limit int, kinds ...string) []jobs.Job {
	t.Helper()
	return got[[]jobs.Job](t)(s.Claim(t.Context(), kinds, now, lease, limit))
}

func refs(js []jobs.Job) string {
	var b []string
	for _, j := range js {
		b = append(b, j.Ref)
	}
	return strings.Join(b, " ")
}

func all(t *testing.T, s *store.Store) []jobs.Job {
	t.Helper()
	return got[[]jobs.Job](t)(s.ListJobs(t.Context(), store.JobFilter{}))
}

func TestClaimTakesTheOldestDueJobsOfItsKinds(t *testing.T) {
	t.Parallel()
	for _, e := range storetest.Engines() {
		t.Run(e.Name, func(t *testing.T) {
			t.Parallel()
			opened := e.New(t)
			s := opened()
			put(t, s, job("a", "late", "", 0, noon.Add(-time.Second)), job("b", "later", "", 0, noon), job("a", "early", "", 0, noon.Add(-time.Hour)),
				job("b", "earlier", "", 0, noon.Add(-2*time.Hour)), job("a", "future", "", 0, noon.Add(time.Millisecond)),
				job("c", "other kind", "", 0, noon.Add(-time.Hour)))
			first := claim(t, s, noon, 3, "a", "b")
			same(t, "first", refs(first), "earlier early late")
			want := job("b", "earlier", "", 0, noon.Add(-2*time.Hour))
			want.Attempt, want.Lease, want.LeaseUntil = 1, first[0].Lease, noon.Add(lease)
			same(t, "claimed job", first[0], want)
			if first[0].Lease == "" {
				t.Error("a claimed job has no lease")
			}
			same(t, "second", refs(claim(t, s, noon, 3, "a", "b")), "later")
			same(t, "third", refs(claim(t, s, noon, 3, "a", "b")), "")
			same(t, "no kinds", refs(claim(t, s, noon, 3)), "")
		})
	}
}

func TestLeaseRunsOut(t *testing.T) {
	t.Parallel()
	for _, e := range storetest.Engines() {
		t.Run(e.Name, func(t *testing.T) {
			t.Parallel()
			opened := e.New(t)
			s := opened()
			put(t, s, job("a", "1", "", 0, noon))
			first := claim(t, s, noon, 1, "a")[0]
			same(t, "while leased", refs(claim(t, s, noon.Add(lease-time.Millisecond), 1, "a")), "")
			next, ok, err := s.NextDue(t.Context(), []string{"a"})
			if err != nil || !ok || !next.Equal(noon.Add(lease)) {
				t.Fatalf("next due is %v, %v, %v; want the end of the lease", next, ok, err)
			}
			second := claim(t, s, noon.Add(lease), 1, "a")[0]
			same(t, "attempt", second.Attempt, 2)
			same(t, "run at", second.RunAt, noon)

			// The first holder has nothing to say any more.
			for _, err := range []error{
				s.Finish(t.Context(), first), s.Retry(t.Context(), first, noon, "x"), s.Bury(t.Context(), first, "x"),
			} {
				if err != nil {
					t.Error(err)
				}
			}
			same(t, "row", all(t, s), []jobs.Job{second})
			if err := s.Finish(t.Context(), second); err != nil {
				t.Fatal(err)
			}
			same(t, "rows", len(all(t, s)), 0)
		})
	}
}

func TestRetryBuryAndRelease(t *testing.T) {
	t.Parallel()
	for _, e := range storetest.Engines() {
		t.Run(e.Name, func(t *testing.T) {
			t.Parallel()
			opened := e.New(t)
			s := opened()
			put(t, s, job("a", "1", "", 0, noon))
			j := claim(t, s, noon, 1, "a")[0]
			j.Attempt = 0 // as the runner says when no attempt was spent
			if err := s.Retry(t.Context(), j, noon.Add(time.Hour), strings.Repeat("错", jobs.MaxError)+"\x00"); err != nil {
				t.Fatal(err)
			}
			row := all(t, s)[0]
			if len(row.LastError) > jobs.MaxError || !utf8.ValidString(row.LastError) || len(row.LastError) < jobs.MaxError-3 {
				t.Errorf("error text has %d bytes", len(row.LastError))
			}
			want := job("a", "1", "", 0, noon.Add(time.Hour))
			want.LastError = row.LastError
			same(t, "retried", row, want)

			j = claim(t, s, noon.Add(time.Hour), 1, "a")[0]
			same(t, "attempt", j.Attempt, 1)
			if err := s.Bury(t.Context(), j, "gave up"); err != nil {
				t.Fatal(err)
			}
			row = all(t, s)[0]
			same(t, "buried", []any{row.State, row.LastError, row.Lease, row.Attempt}, []any{jobs.Buried, "gave up", "", int64(1)})
			same(t, "claimed", refs(claim(t, s, noon.AddDate(1, 0, 0), 1, "a")), "")
			if _, ok, err := s.NextDue(t.Context(), []string{"a"}); ok || err != nil {
				t.Errorf("a buried job is due: %v, %v", ok, err)
			}

			wins(t, true)(s.ReleaseJob(t.Context(), j.Key, noon.Add(2*time.Hour)))
			wins(t, false)(s.ReleaseJob(t.Context(), j.Key, noon))
			want = job("a", "1", "", 0, noon.Add(2*time.Hour))
			want.LastError = "gave up"
			same(t, "released", all(t, s)[0], want)
		})
	}
}

func TestOnlyTheHeadOfALineIsClaimed(t *testing.T) {
	t.Parallel()
	for _, e := range storetest.Engines() {
		t.Run(e.Name, func(t *testing.T) {
			t.Parallel()
			opened := e.New(t)
			s := opened()
			other := job("callback", "other merchant", "order", 0, noon)
			other.MerchantID = "2"
			put(t, s, job("callback", "second", "order", 2, noon.Add(-time.Hour)), job("callback", "first", "order", 1, noon),
				job("another", "third", "order", 2, noon), job("callback", "other line", "order 2", 9, noon), other)
			now := noon
			one := claim(t, s, now, 9, "callback", "another")
			same(t, "heads", refs(one), "first other line other merchant")
			same(t, "while the head is leased", refs(claim(t, s, now, 9, "callback", "another")), "")
			_, ok, err := s.ClaimOne(t.Context(), now, lease, job("callback", "second", "order", 0, noon).Key)
			if ok || err != nil {
				t.Fatalf("a job behind another was claimed: %v, %v", ok, err)
			}
			for _, j := range one {
				if j.Ref != "first" {
					continue
				}
				if err := s.Finish(t.Context(), j); err != nil {
					t.Fatal(err)
				}
			}
			// Seq 2 twice: the kind decides.
			two := claim(t, s, now, 9, "callback", "another")
			same(t, "next", refs(two), "third")
			if err := s.Bury(t.Context(), two[0], "dead"); err != nil {
				t.Fatal(err)
			}
			same(t, "after a burial", refs(claim(t, s, now, 9, "callback", "another")), "second")
		})
	}
}

func TestHeadOfALineThatIsNotDueHoldsItUp(t *testing.T) {
	t.Parallel()
	for _, e := range storetest.Engines() {
		t.Run(e.Name, func(t *testing.T) {
			t.Parallel()
			opened := e.New(t)
			s := opened()
			put(t, s, job("a", "first", "line", 1, noon.Add(time.Hour)), job("a", "second", "line", 2, noon))
			same(t, "claimed", refs(claim(t, s, noon, 9, "a")), "")
			next, ok, err := s.NextDue(t.Context(), []string{"a", "b"})
			if err != nil || !ok || !next.Equal(noon.Add(time.Hour)) {
				t.Fatalf("next due is %v, %v, %v; want the head's time", next, ok, err)
			}
		})
	}
}

func TestClaimOneTakesThatJobOnce(t *testing.T) {
	t.Parallel()
	for _, e := range storetest.Engines() {
		t.Run(e.Name, func(t *testing.T) {
			t.Parallel()
			opened := e.New(t)
			s := opened()
			j := job("a", "1", "", 0, noon)
			put(t, s, j)
			if _, ok, err := s.ClaimOne(t.Context(), noon.Add(-time.Millisecond), lease, j.Key); ok || err != nil {
				t.Fatalf("claimed before it was due: %v, %v", ok, err)
			}
			claimed, ok, err := s.ClaimOne(t.Context(), noon, lease, j.Key)
			if err != nil || !ok {
				t.Fatalf("not claimed: %v, %v", ok, err)
			}
			j.Attempt, j.Lease, j.LeaseUntil = 1, claimed.Lease, noon.Add(lease)
			same(t, "claimed", claimed, j)
			if _, ok, err := s.ClaimOne(t.Context(), noon, lease, j.Key); ok || err != nil {
				t.Fatalf("claimed twice: %v, %v", ok, err)
			}
			if _, ok, err := s.ClaimOne(t.Context(), noon, lease, jobs.Key{MerchantID: merchant, Kind: "a", Ref: "none"}); ok || err != nil {
				t.Fatalf("claimed what is not there: %v, %v", ok, err)
			}
		})
	}
}

func TestEditsMoveAJob(t *testing.T) {
	t.Parallel()
	for _, e := range storetest.Engines() {
		t.Run(e.Name, func(t *testing.T) {
			t.Parallel()
			opened := e.New(t)
			s := opened()
			j := job("a", "1", "", 0, noon)
			put(t, s, j)
			edit := func(e jobs.Edit) {
				t.Helper()
				if err := s.EditJobs(t.Context(), merchant, e); err != nil {
					t.Fatal(err)
				}
			}
			claimed := claim(t, s, noon, 1, "a")[0]
			edit(jobs.Edit{Touch: &jobs.Touch{Key: j.Key, RunAt: noon.Add(time.Hour)}})
			want := j
			want.RunAt, want.Attempt = noon.Add(time.Hour), 1
			same(t, "touched", all(t, s), []jobs.Job{want})
			if err := s.Finish(t.Context(), claimed); err != nil {
				t.Fatal(err)
			}
			same(t, "after the old lease ended it", len(all(t, s)), 1)

			moved := job("a", "1", "line", 3, noon.Add(2*time.Hour))
			moved.Payload, moved.CreatedAt = "{}", noon.Add(time.Hour)
			put(t, s, moved)
			moved.CreatedAt = noon // a job keeps its creation
			same(t, "put again", all(t, s), []jobs.Job{moved})
			edit(jobs.Edit{Done: &j.Key})
			edit(jobs.Edit{Done: &j.Key})
			edit(jobs.Edit{Touch: &jobs.Touch{Key: j.Key, RunAt: noon}})
			same(t, "done", len(all(t, s)), 0)
		})
	}
}

// TestAJobThatIsPutWhileHeldIsDoneAfterItsHolder: whatever the holder says of it then,
// nobody else begins meanwhile, and it is due when it was put to be.
func TestAJobThatIsPutWhileHeldIsDoneAfterItsHolder(t *testing.T) {
	t.Parallel()
	verdicts := map[string]func(*store.Store, context.Context, jobs.Job) error{
		"finish": (*store.Store).Finish,
		"bury":   func(s *store.Store, ctx context.Context, j jobs.Job) error { return s.Bury(ctx, j, "why") },
		"retry": func(s *store.Store, ctx context.Context, j jobs.Job) error {
			return s.Retry(ctx, j, noon.Add(time.Hour), "why")
		},
		"shift": func(s *store.Store, ctx context.Context, j jobs.Job) error { return s.Shift(ctx, j, "elsewhere") },
	}
	for _, e := range storetest.Engines() {
		t.Run(e.Name, func(t *testing.T) {
			t.Parallel()
			opened := e.New(t)
			s := opened()
			o := newOrder(s, "order")
			open(t, s, o)
			for name, say := range verdicts {
				put(t, s, job("a", name, "", 0, noon))
				held := claim(t, s, noon, 9, "a")[0]
				again := job("a", name, "", 0, noon.Add(time.Second))
				again.Payload = "{}"
				if name == "finish" { // the same, as part of a unit that writes an order
					next := o
					next.Unit, next.State = s.NewUnit(), pay.PAID
					wins(t, true)(s.SettleOrder(t.Context(), pay.Change{From: o, Order: next}, jobs.Edit{Put: &again}))
				} else {
					put(t, s, again)
				}
				if err := s.EditJobs(t.Context(), merchant, jobs.Edit{Touch: &jobs.Touch{Key: again.Key, RunAt: noon}}); err != nil {
					t.Fatal(err)
				}
				now := noon.Add(lease - time.Millisecond)
				same(t, name+": claimed by another", refs(claim(t, s, now, 9, "a")), "")
				if _, ok, err := s.ClaimOne(t.Context(), now, lease, again.Key); ok || err != nil {
					t.Errorf("%s: begun a second time: %v, %v", name, ok, err)
				}
				stranger := held
				stranger.Lease = "another"
				for _, j := range []jobs.Job{stranger, held, held} {
					if err := say(s, t.Context(), j); err != nil {
						t.Fatal(err)
					}
				}
				same(t, name+": afterwards", all(t, s), []jobs.Job{again})
				same(t, name+": before its time", refs(claim(t, s, noon, 9, "a")), "")
				last := claim(t, s, noon.Add(time.Second), 9, "a")
				same(t, name+": in its time", refs(last), name)
				if err := s.Finish(t.Context(), last[0]); err != nil {
					t.Fatal(err)
				}
				same(t, name+": done", len(all(t, s)), 0)
			}
		})
	}
}

// TestAJobThatIsPutWhileItsHolderIsDeadIsTakenOver: when the lease runs out, as ever.
func TestAJobThatIsPutWhileItsHolderIsDeadIsTakenOver(t *testing.T) {
	t.Parallel()
	for _, e := range storetest.Engines() {
		t.Run(e.Name, func(t *testing.T) {
			t.Parallel()
			opened := e.New(t)
			s := opened()
			put(t, s, job("a", "1", "", 0, noon))
			dead := claim(t, s, noon, 1, "a")[0]
			put(t, s, job("a", "1", "", 0, noon.Add(time.Second)))
			same(t, "while it is leased", refs(claim(t, s, noon.Add(lease-time.Millisecond), 1, "a")), "")
			second := claim(t, s, noon.Add(lease), 1, "a")
			same(t, "after its lease", refs(second), "1")
			if err := s.Finish(t.Context(), dead); err != nil {
				t.Fatal(err)
			}
			same(t, "after the dead has spoken", all(t, s), second)
			put(t, s, job("a", "1", "", 0, noon.Add(3*lease))) // after this lease, so that it holds nothing up
			same(t, "put beyond the lease", all(t, s), []jobs.Job{job("a", "1", "", 0, noon.Add(3*lease))})
		})
	}
}

func TestEditsOfAUnitOfWork(t *testing.T) {
	t.Parallel()
	for _, e := range storetest.Engines() {
		t.Run(e.Name, func(t *testing.T) {
			t.Parallel()
			opened := e.New(t)
			s := opened()
			o := newOrder(s, "1")
			put(t, s, job("settle", "1", "", 0, noon), job("callback", "1", "", 0, noon))
			claim(t, s, noon, 9, "settle", "callback")
			moved := job("settle", "1", "line", 5, noon.Add(time.Hour))
			touch := jobs.Touch{Key: jobs.Key{MerchantID: merchant, Kind: "callback", Ref: "1"}, RunAt: noon.Add(2 * time.Hour)}
			open(t, s, o, jobs.Edit{Put: &moved}, jobs.Edit{Touch: &touch})
			touched := job("callback", "1", "", 0, noon.Add(2*time.Hour))
			touched.Attempt = 1
			same(t, "jobs", all(t, s), []jobs.Job{moved, touched})
		})
	}
}

func TestBadEditsAreRefused(t *testing.T) {
	t.Parallel()
	for _, e := range storetest.Engines() {
		t.Run(e.Name, func(t *testing.T) {
			t.Parallel()
			opened := e.New(t)
			s := opened()
			key := jobs.Key{MerchantID: merchant, Kind: "a", Ref: "1"}
			big := job("a", "1", "", 0, noon)
			big.Payload = strings.Repeat("x", jobs.MaxPayload+1)
			foreign := key
			foreign.MerchantID = "2"
			for name, e := range map[string]jobs.Edit{
				"empty": {}, "two members": {Done: &key, Touch: &jobs.Touch{Key: key}}, "too large": {Put: &big}, "foreign": {Done: &foreign},
			} {
				if err := s.EditJobs(t.Context(), merchant, e); err == nil {
					t.Errorf("%s: accepted", name)
				}
				if _, err := s.OpenOrder(t.Context(), newOrder(s, name), e); err == nil {
					t.Errorf("%s: accepted with an order", name)
				}
				if _, err := s.Order(t.Context(), merchant, name); err == nil {
					t.Errorf("%s: the order was written", name)
				}
			}
		})
	}
}

func TestManyProcessesClaimEveryJobOnce(t *testing.T) {
	t.Parallel()
	for _, e := range storetest.Engines() {
		t.Run(e.Name, func(t *testing.T) {
			t.Parallel()
			opened := e.New(t)
			stores := []*store.Store{opened(), opened(), opened()}
			const n = 300
			for i := range n {
				put(t, stores[0], job("a", strconv.Itoa(i), "", 0, noon))
			}
			var mu sync.Mutex
			claims := map[string]int{}
			var wg sync.WaitGroup
			for i := range 12 {
				wg.Go(func() {
					s := stores[i%len(stores)]
					for empty := 0; empty < 3; {
						js, err := s.Claim(t.Context(), []string{"a"}, noon, lease, 10)
						if err != nil {
							t.Error(err)
							return
						}
						if len(js) == 0 {
							empty++
						}
						for _, j := range js {
							mu.Lock()
							claims[j.Ref]++
							mu.Unlock()
							if err := s.Finish(t.Context(), j); err != nil {
								t.Error(err)
							}
						}
					}
				})
			}
			wg.Wait()
			for ref, times := range claims {
				if times != 1 {
					t.Errorf("job %s was claimed %d times", ref, times)
				}
			}
			// Passing over what others are taking may leave some for the next look.
			rest := claim(t, stores[0], noon, n, "a")
			same(t, "claimed in all", len(claims)+len(rest), n)
		})
	}
}

func TestJobsAreListedByFilter(t *testing.T) {
	t.Parallel()
	for _, e := range storetest.Engines() {
		t.Run(e.Name, func(t *testing.T) {
			t.Parallel()
			opened := e.New(t)
			s := opened()
			foreign := job("a", "foreign", "", 0, noon)
			foreign.MerchantID = "2"
			put(t, s, job("a", "1", "", 0, noon.Add(3)), job("b", "2", "", 0, noon), foreign, job("a", "dead", "", 0, noon.Add(-time.Hour)))
			if err := s.Bury(t.Context(), claim(t, s, noon.Add(-time.Hour), 1, "a")[0], "why"); err != nil {
				t.Fatal(err)
			}
			for _, tt := range []struct {
				f    store.JobFilter
				want string
			}{
				{store.JobFilter{}, "dead 1 2 foreign"},
				{store.JobFilter{MerchantID: "2"}, "foreign"},
				{store.JobFilter{Kind: "b"}, "2"},
				{store.JobFilter{State: jobs.Buried}, "dead"},
				{store.JobFilter{State: jobs.Ready, Limit: 2}, "1 2"},
			} {
				same(t, fmt.Sprint(tt.f), refs(got[[]jobs.Job](t)(s.ListJobs(t.Context(), tt.f))), tt.want)
			}
		})
	}
}
