package jobs

import (
	"context"
	"errors"
	"testing"
	"testing/synctest"
	"time"
)

// TestStandingJobsArePlannedOnceTheyCanBe (crash anywhere, failure before the first
// commit of a night): a standing job that could not be written at a first start was
// not planned until the next, and nothing was reconciled, folded or closed meanwhile.
func TestStandingJobsArePlannedOnceTheyCanBe(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		m, tries, others := newMemory(), 0, 0
		var n notes
		c := config(m, Kind{Handler: n.noter(done)})
		c.Standing = []func(context.Context) error{
			func(context.Context) error {
				if tries++; tries < 3 {
					return errors.New("disk full")
				}
				m.put(job("late"))
				return nil
			},
			func(context.Context) error {
				others++
				m.put(job("other"))
				return nil
			},
		}
		stop := start(t, New(c))
		<-time.After(10 * time.Second) // of the bubble
		stop()
		for _, ref := range []string{"late", "other"} {
			if _, ok := m.get(ref); ok {
				t.Errorf("job %s was not done", ref)
			}
		}
		if tries != 3 || others != 1 {
			t.Errorf("planned %d and %d times, want 3 tries and 1", tries, others)
		}
	})
}
