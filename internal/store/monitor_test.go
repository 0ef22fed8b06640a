package store_test

import (
	"fmt"
	"testing"
	"time"

	"cloudpay/internal/monitor"
	"cloudpay/internal/store"
	"cloudpay/internal/store/storetest"
)

// arrived is when the records of these tests came.
var arrived = time.UnixMilli(1_790_000_000_123).UTC()

// watched is a record with a value in every field.
func watched(i int, at time.Time) monitor.Record {
	return monitor.Record{
		MerchantID: "m1", Kind: monitor.Calls, At: at, ShopID: "s1", DeviceID: "d1", SN: "sn1",
		OrderNo: fmt.Sprint("order", i), Interface: "micro_pay", Domain: "pay.example", Status: 104, LogID: int64(4_000_000_000 + i),
		StartedAt: at.Add(-time.Second).Truncate(time.Second), Cost: 250 * time.Millisecond, Text: "日志",
	}
}

// figures are of one hour, one call in every bucket.
func figures(hour time.Time) monitor.Hour {
	h := monitor.Hour{Hour: hour, Interface: "micro_pay", Domain: "pay.example", Status: "0"}
	for i := range h.Counts {
		h.Counts[i] = int64(i + 1)
	}
	h.MaxMS = 20_000
	return h
}

var roomy = monitor.Usage{Records: 1000, Bytes: 1000}

// keepRecords keeps n records that arrived at one time.
func keepRecords(t *testing.T, s *store.Store, merchant, device string, n int, at time.Time) bool {
	t.Helper()
	b := monitor.Batch{MerchantID: merchant, Device: device, Day: monitor.Day(at), Bytes: 10, Latency: []monitor.Hour{figures(at.Truncate(time.Hour))}}
	for i := range n {
		r := watched(i, at)
		r.MerchantID, r.DeviceID = merchant, device
		b.Records = append(b.Records, r)
	}
	kept, err := s.KeepMonitor(t.Context(), b, roomy, monitor.Usage{Records: 15, Bytes: 1000})
	if err != nil {
		t.Fatal(err)
	}
	return kept
}

func TestMonitorIsFoundByEveryKey(t *testing.T) {
	t.Parallel()
	for _, e := range storetest.Engines() {
		t.Run(e.Name, func(t *testing.T) {
			t.Parallel()
			s := e.New(t)()
			keepRecords(t, s, "m1", "d1", 3, arrived)
			keepRecords(t, s, "m1", "d1", 2, arrived.Add(time.Minute))
			keepRecords(t, s, "m2", "d1", 1, arrived)
			for _, c := range []struct {
				name string
				f    monitor.Filter
				want int
			}{
				{"time", monitor.Filter{MerchantID: "m1"}, 5},
				{"time of another merchant", monitor.Filter{MerchantID: "m2"}, 1},
				{"time from", monitor.Filter{MerchantID: "m1", From: arrived.Add(1)}, 2},
				{"device", monitor.Filter{MerchantID: "m1", DeviceID: "d1"}, 5},
				{"another device", monitor.Filter{MerchantID: "m1", DeviceID: "d2"}, 0},
				{"serial number of all", monitor.Filter{SN: "sn1"}, 6},
				{"serial number of one", monitor.Filter{MerchantID: "m2", SN: "sn1"}, 1},
				{"order of all", monitor.Filter{OrderNo: "order0"}, 3},
				{"order of one", monitor.Filter{MerchantID: "m1", OrderNo: "order2"}, 1},
				{"log id of all", monitor.Filter{LogID: 4_000_000_000}, 3},
				{"log id of one", monitor.Filter{MerchantID: "m1", LogID: 4_000_000_002}, 1},
			} {
				if c.f.From.IsZero() {
					c.f.From = arrived.Add(-time.Hour)
				} else {
					c.f.From = arrived.Add(time.Millisecond)
				}
				rows, err := s.SearchMonitor(t.Context(), c.f, monitor.Cursor{At: arrived.Add(time.Hour)}, 100)
				if err != nil || len(rows) != c.want {
					t.Errorf("%s: %d records, %v; want %d", c.name, len(rows), err, c.want)
				}
				// Page by page, one at a time, the same records come in the same order.
				after := monitor.Cursor{At: arrived.Add(time.Hour)}
				for i := range rows {
					one, err := s.SearchMonitor(t.Context(), c.f, after, 1)
					if err != nil || len(one) != 1 {
						t.Fatalf("%s: page %d: %d records, %v", c.name, i, len(one), err)
					}
					same(t, c.name, one[0], rows[i])
					after = monitor.Cursor{At: one[0].At, ID: one[0].ID}
				}
			}
			rows, err := s.SearchMonitor(t.Context(), monitor.Filter{MerchantID: "m2"}, monitor.Cursor{At: arrived.Add(time.Hour)}, 1)
			if err != nil {
				t.Fatal(err)
			}
			want := watched(0, arrived)
			want.MerchantID, want.ID = "m2", rows[0].ID
			same(t, "record", rows[0], want)
		})
	}
}

func TestMonitorKeepsWithinItsLimits(t *testing.T) {
	t.Parallel()
	for _, e := range storetest.Engines() {
		t.Run(e.Name, func(t *testing.T) {
			t.Parallel()
			s := e.New(t)()
			day := monitor.Day(arrived)
			for i, want := range []bool{true, true, false} { // the merchant may have 15
				if got := keepRecords(t, s, "m1", fmt.Sprint("d", i), 7, arrived); got != want {
					t.Fatalf("batch %d: kept = %v, want %v", i, got, want)
				}
			}
			usage := func(device string) monitor.Usage {
				u, err := s.MonitorUsage(t.Context(), "m1", device, day)
				if err != nil {
					t.Fatal(err)
				}
				return u
			}
			same(t, "usage of the merchant", usage(""), monitor.Usage{Records: 14, Bytes: 20})
			same(t, "usage of a device", usage("d1"), monitor.Usage{Records: 7, Bytes: 10})
			same(t, "usage of the device refused", usage("d2"), monitor.Usage{})
			// A device at its own limit loses without a trace.
			b := monitor.Batch{MerchantID: "m1", Device: "d1", Day: day, Records: []monitor.Record{watched(1, arrived)}, Bytes: 1}
			if kept, err := s.KeepMonitor(t.Context(), b, monitor.Usage{Records: 7, Bytes: 100}, roomy); kept || err != nil {
				t.Errorf("kept = %v, %v beyond the device's limit", kept, err)
			}
			same(t, "usage after", usage(""), monitor.Usage{Records: 14, Bytes: 20})
			// The longest upload fits into one unit.
			b = monitor.Batch{MerchantID: "m3", Device: "d", Day: day, Bytes: 1}
			for i := range monitor.MaxUploadRecords {
				b.Records = append(b.Records, watched(i, arrived))
			}
			for i := range monitor.MaxFigures {
				b.Latency = append(b.Latency, figures(arrived.Truncate(time.Hour).Add(time.Duration(i)*time.Hour)))
			}
			if kept, err := s.KeepMonitor(t.Context(), b, roomy, roomy); !kept || err != nil {
				t.Errorf("the longest upload: kept = %v, %v", kept, err)
			}
		})
	}
}

func TestMonitorSumsLatency(t *testing.T) {
	t.Parallel()
	for _, e := range storetest.Engines() {
		t.Run(e.Name, func(t *testing.T) {
			t.Parallel()
			s := e.New(t)()
			keepRecords(t, s, "m1", "d1", 1, arrived)
			keepRecords(t, s, "m1", "d1", 1, arrived.Add(time.Second))
			keepRecords(t, s, "m1", "d1", 1, arrived.Add(2*time.Hour))
			keepRecords(t, s, "m2", "d1", 1, arrived)
			hour := arrived.Truncate(time.Hour)
			for _, c := range []struct {
				name, merchant string
				from, to       time.Time
				times          int64
			}{
				{"one hour", "m1", hour, hour.Add(time.Hour), 2},
				{"three hours", "m1", hour, hour.Add(3 * time.Hour), 3},
				{"all merchants", "", hour, hour.Add(3 * time.Hour), 4},
				{"an hour without calls", "m1", hour.Add(time.Hour), hour.Add(2 * time.Hour), 0},
			} {
				rows, err := s.MonitorLatency(t.Context(), c.merchant, c.from, c.to)
				if err != nil {
					t.Fatal(err)
				}
				var want []monitor.Hour
				if c.times > 0 {
					h := figures(hour)
					h.Hour = time.Time{}
					for i := range h.Counts {
						h.Counts[i] *= c.times
					}
					want = append(want, h)
				}
				if len(rows) == 0 {
					rows = nil
				}
				same(t, c.name, rows, want)
			}
		})
	}
}

func TestMonitorIsPurged(t *testing.T) {
	t.Parallel()
	for _, e := range storetest.Engines() {
		t.Run(e.Name, func(t *testing.T) {
			t.Parallel()
			s := e.New(t)()
			keepRecords(t, s, "m1", "d1", 5, arrived)
			keepRecords(t, s, "m2", "d1", 5, arrived.Add(time.Millisecond))
			keepRecords(t, s, "m1", "d1", 3, arrived.Add(48*time.Hour))
			before := arrived.Add(24 * time.Hour)
			rounds := 0
			for more := true; more; rounds++ {
				var err error
				if more, err = s.PurgeMonitor(t.Context(), before, 4); err != nil {
					t.Fatal(err)
				}
			}
			if rounds != 3 {
				t.Errorf("%d rounds of 4 for 10 records, want 3", rounds)
			}
			for merchant, want := range map[string]int{"m1": 3, "m2": 0} {
				rows, err := s.SearchMonitor(t.Context(), monitor.Filter{MerchantID: merchant}, monitor.Cursor{At: before.Add(48 * time.Hour)}, 100)
				if err != nil || len(rows) != want {
					t.Errorf("%s has %d records left, %v; want %d", merchant, len(rows), err, want)
				}
			}
			if u, err := s.MonitorUsage(t.Context(), "m2", "d1", monitor.Day(arrived)); err != nil || u != (monitor.Usage{}) {
				t.Errorf("usage of a purged day: %v, %v", u, err)
			}
			if rows, err := s.MonitorLatency(t.Context(), "", arrived.Truncate(time.Hour), before); err != nil || len(rows) != 0 {
				t.Errorf("figures of purged hours: %v, %v", rows, err)
			}
		})
	}
}
