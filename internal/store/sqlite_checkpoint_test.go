package store

import (
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"testing"

	"cloudpay/internal/jobs"
)

// TestLogStaysShortUnderLoad writes many times the length of the log without a
// pause: the log must begin anew again and again, and the file stay whole.
func TestLogStaysShortUnderLoad(t *testing.T) {
	t.Parallel()
	const pages, pageBytes = 100, 4096
	c := Config{DSN: "sqlite:" + filepath.Join(t.TempDir(), "x.db"), logPages: pages}
	if _, _, err := Migrate(t.Context(), c); err != nil {
		t.Fatal(err)
	}
	s, err := Open(t.Context(), c)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = s.Close() })
	const writers, each = 4, 500
	var wg sync.WaitGroup
	for w := range writers {
		wg.Go(func() {
			for i := range each {
				j := jobs.Job{Key: jobs.Key{MerchantID: strconv.Itoa(w), Kind: "k", Ref: strconv.Itoa(i)}, Payload: strings.Repeat("x", 1000)}
				if err := s.EditJobs(t.Context(), j.MerchantID, jobs.Edit{Put: &j}); err != nil {
					t.Error(err)
				}
			}
		})
	}
	wg.Wait()
	info, err := os.Stat(strings.TrimPrefix(c.DSN, "sqlite:") + "-wal")
	if err != nil {
		t.Fatal(err)
	}
	// Every unit writes at least two pages, so the log was written 20 times over.
	if limit := int64(20 * pages * pageBytes); info.Size() > limit/2 {
		t.Errorf("the log has %d bytes; it never began anew", info.Size())
	}
	if err := s.Verify(t.Context()); err != nil {
		t.Error(err)
	}
	js, err := s.ListJobs(t.Context(), JobFilter{Limit: writers * each})
	if err != nil || len(js) != writers*each {
		t.Errorf("%d jobs are there, %v; want %d", len(js), err, writers*each)
	}
}
