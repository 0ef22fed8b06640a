package recon_test

import (
	"context"
	"errors"
	"testing"
	"time"

	"cloudpay/internal/store"
	"cloudpay/internal/store/storetest"
)

// cut goes on with the day and is stopped when it has looked at the clock so often,
// which it does once or more in each unit of work.
func (h *longHouse) cut(t *testing.T, most int) (store.ReconRun, error) {
	t.Helper()
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	looks := 0
	h.now = func() time.Time {
		if looks++; looks > most {
			cancel()
		}
		return benchNow
	}
	return h.recon.Do(ctx, h.key())
}

// TestALongDayGoesOnWhereItWasCutOff cuts a day of some hundred lines off again
// and again, each time after a few units of work, as a server does that is stopped. Whatever step it is in, the day ends as one that was never cut.
func TestALongDayGoesOnWhereItWasCutOff(t *testing.T) {
	t.Parallel()
	for _, e := range storetest.Engines() {
		t.Run(e.Name, func(t *testing.T) {
			t.Parallel()
			h := newLongHouse(t, e, 800)
			if err := h.store.PlanRecon(t.Context(), h.key(), benchNow); err != nil {
				t.Fatal(err)
			}
			steps := map[string]bool{}
			done, cuts := false, 0
			for ; !done && cuts < 200; cuts++ {
				run, err := h.cut(t, 5)
				if err != nil && !errors.Is(err, context.Canceled) {
					t.Fatalf("the day is at %s %s after %d cuts, %v", run.Step, run.Position, cuts, err)
				}
				steps[run.Step], done = true, err == nil && run.Step == store.ReconDone
			}
			h.agrees(t)
			for _, s := range []string{store.ReconLines, store.ReconMatch, store.ReconRest, store.ReconFlows} {
				if !steps[s] {
					t.Errorf("the day was never cut off at %s, of %v", s, steps)
				}
			}
			t.Logf("%d lines, cut off %d times", h.lines, cuts)
		})
	}
}
