package sim_test

import (
	"cmp"
	"context"
	"os"
	"strconv"
	"sync"
	"testing"
	"time"

	"cloudpay/internal/sim"
)

// kit is made once: making keys takes longer than a run.
var kit = sync.OnceValues(func() (*sim.Kit, error) { return sim.NewKit(context.Background(), time.Now) })

// run runs a seed and reports what it broke.
func run(t *testing.T, seed uint64) sim.Result {
	t.Helper()
	k, err := kit()
	if err != nil {
		t.Fatal(err)
	}
	r := sim.Run(t, sim.Config{Seed: seed, Kit: k, Now: time.Now})
	for _, v := range r.Violations {
		t.Errorf("seed %d: %s", seed, v)
	}
	if t.Failed() {
		t.Logf("go run ./cmd/cloudpay sim --seeds 1 --from %d shows the event log", seed)
	}
	return r
}

// TestSeedsBreakNothing runs a few seeds; cloudpay sim runs thousands, and
// .ci/run some hundreds. CLOUDPAY_SIM_SEEDS sets another number.
func TestSeedsBreakNothing(t *testing.T) {
	t.Parallel()
	n, err := strconv.ParseUint(cmp.Or(os.Getenv("CLOUDPAY_SIM_SEEDS"), "20"), 10, 64)
	if err != nil {
		t.Fatal(err)
	}
	faults, orders, paid := 0, 0, 0
	for seed := range n {
		r := run(t, 1+seed)
		for _, n := range r.Faults {
			faults += n
		}
		orders, paid = orders+r.Orders, paid+r.Paid
	}
	t.Logf("%d seeds, %d orders, %d paid, %d faults", n, orders, paid, faults)
	if n >= 20 && (orders < int(n) || paid == 0 || faults < 100) {
		t.Error("the runs are too quiet to show anything")
	}
}

// TestOneSeedIsOneRun is what makes a violation worth reporting.
func TestOneSeedIsOneRun(t *testing.T) {
	t.Parallel()
	seen := map[string]uint64{}
	for seed := uint64(90); seed < 96; seed++ {
		a, b := run(t, seed), run(t, seed)
		if a.Hash != b.Hash || len(a.Log) != len(b.Log) {
			t.Errorf("seed %d gave the logs %s of %d lines and %s of %d", seed, a.Hash, len(a.Log), b.Hash, len(b.Log))
			for i := range min(len(a.Log), len(b.Log)) {
				if a.Log[i] != b.Log[i] {
					t.Errorf("they part here:\n%s\n%s", a.Log[i], b.Log[i])
					break
				}
			}
		}
		if other, ok := seen[a.Hash]; ok {
			t.Errorf("seeds %d and %d are one run", seed, other)
		}
		seen[a.Hash] = seed
	}
}

// regressions are seeds that broke a promise once, and what was wrong. A change
// of what a seed means takes their sting, so every bug has a test of its own too.
var regressions = []struct {
	seed uint64
	was  string
}{
	{116, "a till took the refusal of a repeated request for one of its sale (cpay.WaitOptions.Repeat)"},
	{70296, "a till believed the refusal of a repetition while its first request was still on its way"},
	{200219, "the answer to a query that had been overtaken by the payment's own ended the order as a duplicate"},
	{200291, "a payment that a cancel had given back was held as late money when its old notice came, and its return refused for ever"},
	{200362, "the same"},
	{300232, "the same"},
	{7007, "with APIv3, an order whose number the wallet called a duplicate was asked for until the wallet closed it, after seven days"},
	{7057, "the same"},
	{20253, "a clock that was set back put the callback of a refund before that of its payment"},
	{5000163, "an order that was sent by a clock four minutes ahead, and asked for after it was set right, ended as another's payment"},
}

func TestSeedsThatOnceFailed(t *testing.T) {
	t.Parallel()
	for _, r := range regressions {
		t.Run(strconv.FormatUint(r.seed, 10), func(t *testing.T) {
			t.Parallel()
			if run(t, r.seed); t.Failed() {
				t.Logf("it once was: %s", r.was)
			}
		})
	}
}
