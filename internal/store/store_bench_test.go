package store_test

import (
	"strconv"
	"testing"

	"cloudpay/internal/store"
	"cloudpay/internal/store/storetest"
)

// BenchmarkPayments measures payments of two commits, per second, one by one
// and grouped, on both engines. See storetest.Payments for the load.
func BenchmarkPayments(b *testing.B) {
	for _, engine := range []string{store.SQLite, store.Postgres} {
		for _, mode := range []string{"onebyone", "grouped"} {
			for _, callers := range []int{1, 64} {
				b.Run(engine+"/"+mode+"/"+strconv.Itoa(callers), func(b *testing.B) {
					dsn := storetest.SQLite(b)
					if engine == store.Postgres {
						dsn = storetest.Postgres(b)
					}
					s := storetest.Migrated(b, dsn)(func(c *store.Config) {
						c.OneByOne, c.PoolSize = mode == "onebyone", 16
					})
					b.ResetTimer()
					if err := storetest.Payments(b.Context(), s, strconv.Itoa(b.N)+"-", callers, b.N); err != nil {
						b.Fatal(err)
					}
					b.ReportMetric(float64(b.N)/b.Elapsed().Seconds(), "payments/s")
					b.ReportMetric(float64(s.Stats().Units)/float64(max(1, s.Stats().Groups)), "units/group")
				})
			}
		}
	}
}
