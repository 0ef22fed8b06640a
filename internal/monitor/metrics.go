package monitor

import "github.com/prometheus/client_golang/prometheus"

// metrics counts uploads and what clients measured. Its labels take few
// values: kinds, results, interfaces of the protocol, domains of this
// installation, and three classes of status.
type metrics struct {
	uploads *prometheus.CounterVec
	seconds *prometheus.HistogramVec
}

func newMetrics(r prometheus.Registerer) *metrics {
	m := &metrics{
		uploads: prometheus.NewCounterVec(prometheus.CounterOpts{
			Namespace: "cloudpay", Name: "monitor_uploads_total", Help: "Monitoring uploads by kind and result.",
		}, []string{"kind", "result"}),
		seconds: prometheus.NewHistogramVec(prometheus.HistogramOpts{
			Namespace: "cloudpay", Name: "client_call_seconds", Help: "Time that clients waited for an interface, as they report it.",
			Buckets: []float64{.05, .1, .2, .5, 1, 2, 5, 10},
		}, []string{"interface", "domain", "result"}),
	}
	if r != nil {
		r.MustRegister(m.uploads, m.seconds)
	}
	return m
}

func (m *metrics) upload(k Kind, result string) { m.uploads.WithLabelValues(string(k), result).Inc() }

func (m *metrics) calls(calls []call) {
	for _, c := range calls {
		result := "refused"
		switch c.status {
		case "0":
			result = "ok"
		case "3", "103", Other:
			result = "unknown"
		}
		m.seconds.WithLabelValues(c.name, c.domain, result).Observe(c.cost.Seconds())
	}
}
