package monitor

import (
	"cmp"
	"context"
	"fmt"
	"slices"
	"time"

	"cloudpay/internal/pay"
)

// Buckets are the upper bounds, in milliseconds, of the counts of a Histogram;
// what took longer is in the last count.
var Buckets = [NBuckets - 1]int64{10, 20, 50, 100, 150, 200, 300, 500, 800, 1000, 1500, 2000, 3000, 5000, 8000, 15000}

// NBuckets is how many counts a histogram has.
const NBuckets = 17

// Histogram counts calls by how long they took.
type Histogram struct {
	Counts [NBuckets]int64
	MaxMS  int64 // the longest
}

// Add counts one call.
func (h *Histogram) Add(cost time.Duration) {
	ms := cost.Milliseconds()
	i, _ := slices.BinarySearch(Buckets[:], ms)
	h.Counts[i]++
	h.MaxMS = max(h.MaxMS, ms)
}

// Merge adds another histogram.
func (h *Histogram) Merge(o Histogram) {
	for i, n := range o.Counts {
		h.Counts[i] += n
	}
	h.MaxMS = max(h.MaxMS, o.MaxMS)
}

// Count is how many calls were counted.
func (h *Histogram) Count() (n int64) {
	for _, c := range h.Counts {
		n += c
	}
	return n
}

// Quantile estimates the time, in milliseconds, within which that many per
// cent of the calls ended: exact at the bounds of the buckets, linear between
// them, and never more than the longest. 0 without calls.
func (h *Histogram) Quantile(percent int64) int64 {
	total := h.Count()
	if total == 0 {
		return 0
	}
	rank := (total*percent + 99) / 100 // of the call that decides, from 1
	rank = max(1, rank)
	var before, low int64
	for i, n := range h.Counts {
		high := max(h.MaxMS, low)
		if i < len(Buckets) {
			high = min(Buckets[i], high)
		}
		if before+n >= rank {
			return low + (high-low)*(rank-before)/n
		}
		before += n
		if i < len(Buckets) {
			low = Buckets[i]
		}
	}
	return h.MaxMS
}

// Hour is the figures of one interface, domain and status in one hour.
type Hour struct {
	Hour      time.Time // its beginning; zero in sums over several
	Interface string
	Domain    string
	Status    string
	Histogram
}

// compare orders figures; two of the same key compare as equal.
func (h Hour) compare(o Hour) int {
	return cmp.Or(h.Hour.Compare(o.Hour), cmp.Compare(h.Interface, o.Interface),
		cmp.Compare(h.Domain, o.Domain), cmp.Compare(h.Status, o.Status))
}

// hours makes figures of calls, in a fixed order: two units that touch the
// same rows never wait for each other crosswise.
func hours(calls []call) []Hour {
	var all []Hour
	for _, c := range calls {
		h := Hour{Hour: c.at.Truncate(time.Hour), Interface: c.name, Domain: c.domain, Status: c.status}
		i, found := slices.BinarySearchFunc(all, h, Hour.compare)
		if !found {
			all = slices.Insert(all, i, h)
		}
		all[i].Add(c.cost)
	}
	return all[:min(len(all), MaxFigures)]
}

// MaxFigures is the most rows of figures of one upload: it shares the unit
// with MaxUploadRecords.
const MaxFigures = 48

// Latency is how long clients waited for an interface.
type Latency struct {
	Interface string
	Domain    string // host name of this installation, or Other
	Status    string // status of the protocol, or Other
	Count     int64
	P50MS     int64
	P95MS     int64
	P99MS     int64
	MaxMS     int64
}

// Latency returns the figures of the hours that begin from ≤ hour < to, one
// per interface, domain and status, summed over hours; merchantID "" means all
// merchants. The range is at most 30 days.
func (m *Monitor) Latency(ctx context.Context, merchantID string, from, to time.Time) ([]Latency, error) {
	if !from.Before(to) || to.Sub(from) > Retention {
		return nil, pay.Refuse(pay.ErrInvalid, "monitor_range", "时间范围须为正且不超过30天")
	}
	hours, err := m.Keeper.MonitorLatency(ctx, merchantID, from, to)
	if err != nil {
		return nil, fmt.Errorf("read latency: %w", err)
	}
	out := make([]Latency, 0, len(hours))
	for i := range hours {
		h := &hours[i]
		out = append(out, Latency{
			Interface: h.Interface, Domain: h.Domain, Status: h.Status, Count: h.Count(),
			P50MS: h.Quantile(50), P95MS: h.Quantile(95), P99MS: h.Quantile(99), MaxMS: h.MaxMS,
		})
	}
	return out, nil
}
