package jobs_test

import (
	"context"
	"errors"
	"slices"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"cloudpay/internal/jobs"
)

// TestRoundsGoOnWhereTheyEnded: each turn takes a second and a call two, one
// merchant always fails, and everybody gets a turn.
func TestRoundsGoOnWhereTheyEnded(t *testing.T) {
	t.Parallel()
	now, all, failed := time.Unix(0, 0), []string{"a", "b", "c", "d", "e", "f", "g"}, errors.New("cannot be folded")
	var took []string
	r := &jobs.Rounds{
		Now: func() time.Time { return now }, Limit: 2 * time.Second, Read: 2,
		List: func(_ context.Context, after string, n int) ([]string, error) {
			rest := all[slices.IndexFunc(append(all, "~"), func(id string) bool { return id > after }):]
			return rest[:min(n, len(rest))], nil
		},
		Do: func(_ context.Context, id string, _ time.Time) error {
			now = now.Add(time.Second)
			if took = append(took, id); id == "b" {
				return failed
			}
			return nil
		},
	}
	for call, want := range []struct {
		took []string
		done bool
		err  error
	}{{all[:3], false, failed}, {all[3:6], false, nil}, {all[6:], true, nil}, {all[:3], false, failed}} {
		took = nil
		done, err := r.Go(t.Context())
		if diff := cmp.Diff(want.took, took); diff != "" || done != want.done || !errors.Is(err, want.err) {
			t.Errorf("call %d: done %v, %v, -want +got\n%s", call, done, err, diff)
		}
	}
}
