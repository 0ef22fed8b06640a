package store_test

import (
	"context"
	"errors"
	"strconv"
	"strings"
	"sync/atomic"
	"testing"

	"cloudpay/internal/jobs"
	"cloudpay/internal/pay"
	"cloudpay/internal/store"
	"cloudpay/internal/store/storetest"
)

// fullDisk is a store.Disk that may have no room.
type fullDisk struct{ full atomic.Bool }

func (*fullDisk) Queue(context.Context, string, []any) (func() error, error) { return nil, nil }
func (*fullDisk) Commit(int) error                                           { return nil }
func (d *fullDisk) Full() bool                                               { return d.full.Load() }
func (*fullDisk) Committed(int) error                                        { return nil }

// TestAFullDiskTakesWhatNeedsNoRoom fills the file: a unit that needs another
// page fails whole, one that needs none is written, and once there is room again
// everything is.
func TestAFullDiskTakesWhatNeedsNoRoom(t *testing.T) {
	t.Parallel()
	dsn := storetest.SQLite(t)
	storetest.Migrated(t, dsn)
	d := &fullDisk{}
	s, err := store.Open(t.Context(), store.Config{DSN: dsn, Disk: d})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = s.Close() })
	first := newOrder(s, "first")
	open(t, s, first, settleJob(first))
	d.full.Store(true)
	var refused pay.Order
	for n := 0; refused.OutTradeNo == ""; n++ {
		o := newOrder(s, "order-"+strconv.Itoa(n))
		won, err := s.OpenOrder(t.Context(), o, settleJob(o))
		switch {
		case err == nil && won && n < 1000: // it fitted into the pages that there are
		case err != nil && strings.Contains(err.Error(), "make room"):
			refused = o
		default:
			t.Fatalf("order %d: %v, %v", n, won, err)
		}
	}
	if _, err := s.Order(t.Context(), merchant, refused.OutTradeNo); !errors.Is(err, pay.ErrNotFound) {
		t.Errorf("the refused order left something behind: %v", err)
	}
	if _, err := s.Job(t.Context(), keyOf(refused)); !errors.Is(err, pay.ErrNotFound) {
		t.Errorf("its job is there: %v", err)
	}
	done := keyOf(first)
	if err := s.EditJobs(t.Context(), merchant, jobs.Edit{Done: &done}); err != nil {
		t.Errorf("a change that needs no page: %v", err)
	}
	d.full.Store(false)
	open(t, s, refused, settleJob(refused))
	stored(t, s, refused.OutTradeNo)
}
