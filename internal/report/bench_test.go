package report_test

import (
	"bytes"
	"context"
	"fmt"
	"log/slog"
	"os"
	"runtime"
	"slices"
	"strconv"
	"testing"
	"text/tabwriter"
	"time"

	"cloudpay/internal/pay"
	"cloudpay/internal/report"
	"cloudpay/internal/store"
	"cloudpay/internal/store/storetest"
)

// BenchmarkReports prints how long pages and overviews take with a million
// orders of one merchant (make bench). CLOUDPAY_BENCH_ORDERS makes it fewer.
func BenchmarkReports(b *testing.B) {
	load := storetest.Load{Merchant: "1000010001", Orders: 1_000_000, Days: 31, First: time.Date(2026, 9, 30, 16, 0, 0, 0, time.UTC)}
	if v, ok := os.LookupEnv("CLOUDPAY_BENCH_ORDERS"); ok {
		n, err := strconv.Atoi(v)
		if err != nil {
			b.Fatal(err)
		}
		load.Orders = n
	}
	for b.Loop() {
		var buf bytes.Buffer
		w := tabwriter.NewWriter(&buf, 0, 0, 2, ' ', 0)
		_, _ = fmt.Fprintf(w, "\n%d orders, %d CPUs, %s\nengine\tinterface\tfilter\tpage 1 p50\tp99\tpage 1000 p50\tp99\tratio of p50\n", load.Orders, runtime.NumCPU(), runtime.Version())
		for _, e := range storetest.Engines() {
			if e.Name == os.Getenv("CLOUDPAY_BENCH_WITHOUT") {
				continue
			}
			benchReports(b, w, e, load)
		}
		_ = w.Flush()
		fmt.Println(buf.String())
	}
}

// lag is how far a fold that keeps up is behind, with a minute to spare: it
// leaves two minutes and comes every half minute.
const lag = 3*time.Minute + 30*time.Second

// filled makes a loaded and folded database and returns its reports. What was
// written within lag of the end of the load is not folded.
func filled(b *testing.B, w *tabwriter.Writer, e storetest.Engine, load storetest.Load) *report.Reports {
	b.Helper()
	dsn := e.DSN(b)
	if _, _, err := store.Migrate(b.Context(), store.Config{DSN: dsn}); err != nil {
		b.Fatal(err)
	}
	start := time.Now()
	if err := load.Fill(b.Context(), dsn); err != nil {
		b.Fatal(err)
	}
	filledIn := time.Since(start)
	s, err := store.Open(b.Context(), store.Config{DSN: dsn, Log: slog.New(slog.DiscardHandler)})
	if err != nil {
		b.Fatal(err)
	}
	b.Cleanup(func() { _ = s.Close() })
	start = time.Now()
	for more := true; more; {
		if more, err = s.FoldReport(b.Context(), load.Merchant, 6000, load.End().Add(-lag), 5000); err != nil {
			b.Fatal(err)
		}
	}
	fmt.Fprintln(os.Stderr, e.Name, "filled in", filledIn, "folded in", time.Since(start))
	_, _ = fmt.Fprintf(w, "%s\tfilled in %.0f s, folded in %.0f s\t\t\t\t\t\t\n", e.Name, filledIn.Seconds(), time.Since(start).Seconds())
	return report.New(report.Config{
		Store: s, Now: load.End, Rate: func(context.Context, string) (int64, error) { return 6000, nil },
	})
}

// calls is how often each row of the table is measured.
const calls = 200

func benchReports(b *testing.B, w *tabwriter.Writer, e storetest.Engine, load storetest.Load) {
	b.Helper()
	r := filled(b, w, e, load)
	ctx := b.Context()
	detail := report.Filter{MerchantID: load.Merchant, Kind: report.Both, Axis: report.Created}
	list := report.Filter{MerchantID: load.Merchant, Kind: report.Both, Axis: report.Paid, SuccessOnly: true}
	for _, narrow := range []struct {
		name string
		by   func(report.Filter) report.Filter
	}{
		{"none", func(f report.Filter) report.Filter { return f }},
		{"wallet", func(f report.Filter) report.Filter { f.Channel = pay.Alipay; return f }},
		{"shop", func(f report.Filter) report.Filter { f.ShopID = load.Shop(7); return f }},
		{"staff", func(f report.Filter) report.Filter {
			f.ShopID, f.StaffID = load.Shop(7), load.Staff(7, 1)
			return f
		}},
		{"device", func(f report.Filter) report.Filter {
			f.ShopID, f.DeviceID = load.Shop(7), load.Till(7, 2)
			return f
		}},
	} {
		for _, of := range []struct {
			name string
			f    report.Filter
			size int
		}{{"client_order_detail, 10 a page", detail, 10}, {"query_order_list, 20 a page", list, 20}, {"query_order_list, 100 a page", list, 100}} {
			f := narrow.by(of.f)
			page := func(num, size int) func() {
				return func() {
					l, err := r.List(ctx, f, report.Page{Num: num, Size: size})
					if err != nil {
						b.Fatal(err)
					}
					if len(l.Rows) == 0 && l.Total >= int64(num*size) {
						b.Fatalf("page %d of %d rows is empty", num, l.Total)
					}
				}
			}
			last := 1000
			if total := must1(b)(r.List(ctx, f, report.Page{Num: 1, Size: of.size})).Total; int64(last*of.size) > total {
				last = int(total) / of.size // the filter leaves fewer pages
			}
			a, z := measure(page(1, of.size)), measure(page(last, of.size))
			name := narrow.name
			if last != 1000 {
				name += fmt.Sprintf(" (page %d)", last)
			}
			_, _ = fmt.Fprintf(w, "%s\t%s\t%s\t%v\t%v\t%v\t%v\t%.2f\n", e.Name, of.name, name, a.p50, a.p99, z.p50, z.p99, float64(z.p50)/float64(a.p50))
		}
		f := narrow.by(list)
		f.From, f.To = load.First, load.First.AddDate(0, 0, load.Days)
		m := measure(func() {
			if _, _, err := r.Overview(ctx, f, report.By{Channel: true, Trade: true}); err != nil {
				b.Fatal(err)
			}
		})
		_, _ = fmt.Fprintf(w, "%s\tquery_order_list_overview, a month\t%s\t%v\t%v\t\t\t\n", e.Name, narrow.name, m.p50, m.p99)
		m = measure(func() {
			if _, err := r.Stats(ctx, report.StatQuery{Filter: f, Type: report.Daily, Page: report.Page{Num: 1, Size: 31}}); err != nil {
				b.Fatal(err)
			}
		})
		_, _ = fmt.Fprintf(w, "%s\tclient_sub_mch_sales_overview, a month by day\t%s\t%v\t%v\t\t\t\n", e.Name, narrow.name, m.p50, m.p99)
	}
}

func must1(b *testing.B) func(l report.List, err error) report.List {
	b.Helper()
	return func(l report.List, err error) report.List {
		b.Helper()
		if err != nil {
			b.Fatal(err)
		}
		return l
	}
}

type took struct{ p50, p99 time.Duration }

// measure takes the time of calls, after a few to warm up.
func measure(do func()) took {
	for range 10 {
		do()
	}
	var all []time.Duration
	for range calls {
		start := time.Now()
		do()
		all = append(all, time.Since(start))
	}
	slices.Sort(all)
	round := func(d time.Duration) time.Duration { return d.Round(10 * time.Microsecond) }
	return took{round(all[calls/2]), round(all[calls*99/100])}
}
