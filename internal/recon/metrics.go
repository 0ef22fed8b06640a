package recon

import (
	"github.com/prometheus/client_golang/prometheus"

	"cloudpay/internal/store"
)

// Metrics tells of differences that are open. It is safe for concurrent use.
type Metrics struct {
	diffs *prometheus.GaugeVec
	days  *prometheus.CounterVec
}

// NewMetrics makes the figures and registers them with r; nil registers them
// nowhere.
func NewMetrics(r prometheus.Registerer) *Metrics {
	m := &Metrics{
		diffs: prometheus.NewGaugeVec(prometheus.GaugeOpts{
			Namespace: "cloudpay", Name: "recon_open_differences", Help: "Open differences with bills, by age: all, or older than a day.",
		}, []string{"channel", "type", "age"}),
		days: prometheus.NewCounterVec(prometheus.CounterOpts{
			Namespace: "cloudpay", Name: "recon_days_total", Help: "Days reconciled.",
		}, []string{"channel"}),
	}
	if r != nil {
		r.MustRegister(m.diffs, m.days)
	}
	return m
}

// open replaces the figures of open differences.
func (m *Metrics) open(all, old []store.DiffCount) {
	m.diffs.Reset()
	for age, counts := range map[string][]store.DiffCount{"all": all, "day": old} {
		for _, c := range counts {
			m.diffs.WithLabelValues(string(c.Channel), string(c.Type), age).Set(float64(c.Open))
		}
	}
}
