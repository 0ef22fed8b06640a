package evidence

import "github.com/prometheus/client_golang/prometheus"

// Metrics counts what is kept and what is not.
type Metrics struct {
	records *prometheus.CounterVec
	taken   prometheus.Counter // one of records
	pages   prometheus.Counter
	bytes   prometheus.Counter
}

// NewMetrics registers the figures; nil registers them nowhere.
func NewMetrics(r prometheus.Registerer) *Metrics {
	m := &Metrics{
		records: prometheus.NewCounterVec(prometheus.CounterOpts{
			Namespace: "cloudpay", Name: "evidence_records_total",
			Help: "Records of what was said on the wires: taken, dropped because memory was full, skipped because strangers sent too many.",
		}, []string{"result"}),
		pages: prometheus.NewCounter(prometheus.CounterOpts{
			Namespace: "cloudpay", Name: "evidence_pages_total", Help: "Pages of evidence written.",
		}),
		bytes: prometheus.NewCounter(prometheus.CounterOpts{
			Namespace: "cloudpay", Name: "evidence_bytes_total", Help: "Bytes of evidence written, compressed and sealed.",
		}),
	}
	m.taken = m.records.WithLabelValues("taken")
	for _, result := range []string{"taken", "dropped", "skipped"} {
		m.records.WithLabelValues(result)
	}
	if r != nil {
		r.MustRegister(m.records, m.pages, m.bytes)
	}
	return m
}
