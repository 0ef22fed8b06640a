package store_test

import (
	"database/sql"
	"errors"
	"fmt"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"

	"cloudpay/internal/jobs"
	"cloudpay/internal/pay"
	"cloudpay/internal/store"
	"cloudpay/internal/store/storetest"
)

// onLane is a job of a lane.
func onLane(lane, ref string, run time.Time) jobs.Job {
	j := job("a", ref, "", 0, run)
	j.Lane = lane
	return j
}

func lanesOf(t *testing.T, s *store.Store, after string, limit int) string {
	t.Helper()
	var b []string
	for _, l := range got[[]jobs.LaneDue](t)(s.Lanes(t.Context(), "a", after, limit)) {
		b = append(b, l.Lane+"@"+l.Due.Sub(noon).String())
	}
	return strings.Join(b, " ")
}

func TestLanesAreClaimedEachByItself(t *testing.T) {
	t.Parallel()
	for _, e := range storetest.Engines() {
		t.Run(e.Name, func(t *testing.T) {
			t.Parallel()
			opened := e.New(t)
			s := opened()
			foreign := onLane("dead", "d0", noon.Add(-time.Hour))
			foreign.MerchantID = "2"
			behind := onLane("dead", "behind", noon.Add(-time.Minute))
			behind.Queue, behind.Seq = "line", 2
			head := onLane("dead", "head", noon.Add(time.Hour))
			head.Queue, head.Seq = "line", 1
			other := onLane("other kind", "o", noon)
			other.Kind = "b"
			put(t, s, foreign, onLane("dead", "d1", noon.Add(-2*time.Second)), onLane("dead", "d2", noon.Add(-time.Second)), behind, head,
				onLane("alive", "a1", noon), onLane("later", "l1", noon.Add(time.Second)), other, job("a", "plain", "", 0, noon))
			same(t, "lanes", lanesOf(t, s, "", 10), "alive@0s dead@-1h0m0s later@1s")
			same(t, "a page", lanesOf(t, s, "alive", 1), "dead@-1h0m0s")
			same(t, "without a lane", refs(claim(t, s, noon, 9, "a")), "plain")
			claimed := func(wants ...jobs.LaneWant) []jobs.Job {
				return got[[]jobs.Job](t)(s.ClaimLanes(t.Context(), "a", noon, lease, wants))
			}
			first := claimed(jobs.LaneWant{Lane: "dead", Count: 2}, jobs.LaneWant{Lane: "alive", Count: 2}, jobs.LaneWant{Lane: "later", Count: 2})
			same(t, "first", refs(first), "d0 d1 a1")
			same(t, "attempt, lane", []any{first[0].Attempt, first[0].Lane, first[0].LeaseUntil}, []any{int64(1), "dead", noon.Add(lease)})
			same(t, "the rest", refs(claimed(jobs.LaneWant{Lane: "dead", Count: 9}, jobs.LaneWant{Lane: "alive", Count: 9})), "d2")
			same(t, "leases count", lanesOf(t, s, "", 1), "alive@1m0s")
			for _, w := range [][]jobs.LaneWant{{{Lane: "dead"}}, {{Lane: "dead", Count: 1001}}, make([]jobs.LaneWant, 1001)} {
				if _, err := s.ClaimLanes(t.Context(), "a", noon, lease, w); err == nil {
					t.Errorf("%d wants were taken", len(w))
				}
			}
			if _, err := s.Lanes(t.Context(), "a", "", 0); err == nil {
				t.Error("no limit was taken")
			}
		})
	}
}

func TestShiftedJobGoesToItsLaneWithItsLadder(t *testing.T) {
	t.Parallel()
	for _, e := range storetest.Engines() {
		t.Run(e.Name, func(t *testing.T) {
			t.Parallel()
			opened := e.New(t)
			s := opened()
			put(t, s, onLane("old", "1", noon))
			j := got[[]jobs.Job](t)(s.ClaimLanes(t.Context(), "a", noon, lease, []jobs.LaneWant{{Lane: "old", Count: 1}}))[0]
			if err := s.Shift(t.Context(), j, "new"); err != nil {
				t.Fatal(err)
			}
			same(t, "shifted", all(t, s)[0], onLane("new", "1", noon))
			if err := s.Shift(t.Context(), j, "elsewhere"); err != nil {
				t.Fatal(err) // its lease is over: nothing to say any more
			}
			same(t, "lanes", lanesOf(t, s, "", 9), "new@0s")
		})
	}
}

func TestBuriedJobsAreReadOldestFirst(t *testing.T) {
	t.Parallel()
	for _, e := range storetest.Engines() {
		t.Run(e.Name, func(t *testing.T) {
			t.Parallel()
			opened := e.New(t)
			s := opened()
			for i, ref := range []string{"old", "old too", "new", "other kind", "alive", "other lane"} {
				j := job("a", ref, "", 0, noon)
				j.CreatedAt, j.Lane = noon.Add(time.Duration(i/2)*time.Second), "lane"
				switch ref {
				case "other kind":
					j.Kind = "b"
				case "other lane":
					j.Lane = "other"
				case "old too":
					j.MerchantID += "0" // lanes go across merchants
				}
				put(t, s, j)
				if ref == "alive" {
					continue
				}
				taken, ok, err := s.ClaimOne(t.Context(), noon, lease, j.Key)
				if err != nil || !ok {
					t.Fatal(ok, err)
				}
				if err := s.Bury(t.Context(), taken, "why"); err != nil {
					t.Fatal(err)
				}
			}
			if j := got[jobs.Job](t)(s.Job(t.Context(), job("a", "alive", "", 0, noon).Key)); j.State != jobs.Ready || j.Ref != "alive" || j.Lease != "" {
				t.Errorf("read %+v", j)
			}
			if _, err := s.Job(t.Context(), job("a", "nobody", "", 0, noon).Key); !errors.Is(err, pay.ErrNotFound) {
				t.Errorf("a job that does not exist: %v", err)
			}
			all := got[[]jobs.Job](t)(s.BuriedJobs(t.Context(), "a", "lane", jobs.Job{}, 10))
			same(t, "buried", refs(all), "old old too new")
			same(t, "the oldest", refs(got[[]jobs.Job](t)(s.BuriedJobs(t.Context(), "a", "lane", jobs.Job{}, 1))), "old")
			same(t, "after one of the same time", refs(got[[]jobs.Job](t)(s.BuriedJobs(t.Context(), "a", "lane", all[0], 10))), "old too new")
			same(t, "after two", refs(got[[]jobs.Job](t)(s.BuriedJobs(t.Context(), "a", "lane", all[1], 10))), "new")
			same(t, "after all", refs(got[[]jobs.Job](t)(s.BuriedJobs(t.Context(), "a", "lane", all[2], 10))), "")
			mine := got[[]jobs.Job](t)(s.BuriedJobsOf(t.Context(), all[0].MerchantID, "a", jobs.Job{}, 10))
			same(t, "of one merchant, of all lanes", refs(mine), "old new other lane")
			same(t, "after his first", refs(got[[]jobs.Job](t)(s.BuriedJobsOf(t.Context(), all[0].MerchantID, "a", mine[0], 10))), "new other lane")
			_, err1 := s.BuriedJobs(t.Context(), "a", "lane", jobs.Job{}, 0)
			if _, err2 := s.BuriedJobsOf(t.Context(), "m", "a", jobs.Job{}, 0); err1 == nil || err2 == nil {
				t.Error("no limit was taken")
			}
		})
	}
}

// TestLanesAreFoundByTheirIndex: what makes a lane of ten thousand jobs as cheap
// to its neighbours as one of one. The queries are those of jobs.sql.
func TestLanesAreFoundByTheirIndex(t *testing.T) {
	t.Parallel()
	step := "SELECT MIN(n.lane) FROM jobs AS n WHERE n.state = 'ready' AND n.lane <> '' AND n.kind = 'a' AND n.lane > 'x'"
	take := "SELECT c.ref FROM jobs AS c WHERE c.state = 'ready' AND c.kind = 'a' AND c.lane <> '' AND c.lane = 'x' AND c.due_ms <= 5 " +
		"AND (c.queue = '' OR NOT EXISTS (SELECT 1 FROM jobs AS f WHERE f.merchant_id = c.merchant_id AND f.queue = c.queue AND f.queue <> '' " +
		"AND f.state = 'ready' AND (f.seq, f.kind, f.ref) < (c.seq, c.kind, c.ref))) ORDER BY c.due_ms LIMIT 5"
	plain := "SELECT c.due_ms FROM jobs AS c WHERE c.state = 'ready' AND c.kind = 'a' AND c.lane = '' ORDER BY c.due_ms LIMIT 1"
	buried := "SELECT ref FROM jobs WHERE kind = 'a' AND lane = 'x' AND state = 'buried' AND created_ms >= 5 ORDER BY created_ms, merchant_id, ref LIMIT 5"
	ofMerchant := "SELECT ref FROM jobs WHERE merchant_id = 'm' AND kind = 'a' AND state = 'buried' AND created_ms >= 5 ORDER BY created_ms, ref LIMIT 5"
	wants := map[string]string{step: "jobs_lane", take: "jobs_lane", plain: "jobs_due", buried: "jobs_buried_of_lane", ofMerchant: "jobs_buried"}
	t.Run("PostgreSQL", func(t *testing.T) {
		t.Parallel()
		dsn := storetest.Postgres(t)
		storetest.Migrated(t, dsn)()
		conn, err := pgx.Connect(t.Context(), dsn)
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { _ = conn.Close(t.Context()) })
		if _, err := conn.Exec(t.Context(), "SET enable_seqscan = off; SET enable_bitmapscan = off"); err != nil {
			t.Fatal(err)
		}
		for query, index := range wants {
			rows, err := conn.Query(t.Context(), "EXPLAIN "+query)
			if err != nil {
				t.Fatal(err)
			}
			lines, err := pgx.CollectRows(rows, pgx.RowTo[string])
			if plan := strings.Join(lines, "\n"); err != nil || !strings.Contains(plan, index+" on") || strings.Contains(plan, "Sort  ") && query == take {
				t.Errorf("%s: %v, want it by %s:\n%s", query, err, index, plan)
			}
		}
	})
	t.Run("SQLite", func(t *testing.T) {
		t.Parallel()
		path := filepath.Join(t.TempDir(), "pay.db")
		storetest.Migrated(t, "sqlite:"+path)()
		db, err := sql.Open("sqlite", path)
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { _ = db.Close() })
		for query, index := range wants {
			plan := planOf(t, db, query)
			if !strings.Contains(plan, index+" ") || strings.Contains(plan, "TEMP B-TREE") && query == take {
				t.Errorf("%s: want it by %s:\n%s", query, index, plan)
			}
		}
	})
}

// planOf is how SQLite would run a query.
func planOf(t *testing.T, db *sql.DB, query string) string {
	t.Helper()
	rows, err := db.QueryContext(t.Context(), "EXPLAIN QUERY PLAN "+query)
	if err != nil {
		t.Fatal(err)
	}
	defer rows.Close()
	var plan strings.Builder
	for rows.Next() {
		var id, parent, unused int
		var detail string
		if err := rows.Scan(&id, &parent, &unused, &detail); err != nil {
			t.Fatal(err)
		}
		fmt.Fprintln(&plan, detail)
	}
	if err := rows.Err(); err != nil {
		t.Fatal(err)
	}
	return plan.String()
}
