package sim_test

import (
	"context"
	"fmt"
	"os"
	"strconv"
	"sync"
	"testing"
	"time"

	"cloudpay/internal/sim"
)

// kit is made once: making keys takes longer than a run.
var kit = sync.OnceValues(func() (*sim.Kit, error) { return sim.NewKit(context.Background(), time.Now) })

func TestOneSeed(t *testing.T) {
	seed, _ := strconv.ParseUint(os.Getenv("SIM_SEED"), 10, 64)
	k, err := kit()
	if err != nil {
		t.Fatal(err)
	}
	start := time.Now()
	r := sim.Run(t, sim.Config{Seed: seed, Kit: k, Now: time.Now, Trace: func(s string) { fmt.Println(s) }})
	t.Logf("%v real, %v fake, %d orders, %d paid, %d lines, %s, %v", time.Since(start), r.Fake, r.Orders, r.Paid, len(r.Log), r.Hash, r.Faults)
	for _, v := range r.Violations {
		t.Error(v)
	}
}
