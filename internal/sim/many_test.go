package sim_test

import (
	"fmt"
	"os"
	"strconv"
	"testing"
	"time"

	"cloudpay/internal/sim"
)

func TestMany(t *testing.T) {
	from, _ := strconv.ParseUint(os.Getenv("SIM_FROM"), 10, 64)
	n, _ := strconv.ParseUint(os.Getenv("SIM_N"), 10, 64)
	twice := os.Getenv("SIM_TWICE") != ""
	k, err := kit()
	if err != nil {
		t.Fatal(err)
	}
	start := time.Now()
	bad := 0
	for seed := from; seed < from+n; seed++ {
		t.Run(fmt.Sprint(seed), func(t *testing.T) {
			r := sim.Run(t, sim.Config{Seed: seed, Kit: k, Now: time.Now})
			for _, v := range r.Violations {
				fmt.Println("seed", seed, v)
				bad++
			}
			if twice {
				r2 := sim.Run(t, sim.Config{Seed: seed, Kit: k, Now: time.Now})
				if r2.Hash != r.Hash {
					fmt.Println("seed", seed, "differs")
					for i := range r.Log {
						if i >= len(r2.Log) || r.Log[i] != r2.Log[i] {
							for j := max(0, i-5); j < i+3 && j < len(r.Log) && j < len(r2.Log); j++ {
								fmt.Println("  a", r.Log[j])
								fmt.Println("  b", r2.Log[j])
							}
							break
						}
					}
				}
			}
		})
	}
	t.Logf("%d seeds in %v, %.1f/s", n, time.Since(start), float64(n)/time.Since(start).Seconds())
}
