package gateway

import (
	"sync/atomic"

	"github.com/prometheus/client_golang/prometheus"

	"cloudpay/internal/jobs"
	"cloudpay/internal/pay"
)

// Metrics counts what happens to money. Labels have few values: channel, call,
// kind and state, never a merchant or a number. It is safe for concurrent use.
type Metrics struct {
	outcomes  *prometheus.CounterVec
	orders    *prometheus.CounterVec
	refunds   *prometheus.CounterVec
	raises    *prometheus.CounterVec
	callbacks *prometheus.CounterVec
	lanes     atomic.Pointer[func() []jobs.LaneState]
}

// NewMetrics makes the counters and registers them with r; nil registers them
// nowhere.
func NewMetrics(r prometheus.Registerer) *Metrics {
	counter := func(name, help string, labels ...string) *prometheus.CounterVec {
		return prometheus.NewCounterVec(prometheus.CounterOpts{Namespace: "cloudpay", Name: name, Help: help}, labels)
	}
	m := &Metrics{
		outcomes:  counter("channel_outcomes_total", "Answers of wallets by call and kind.", "channel", "call", "kind"),
		orders:    counter("orders_settled_total", "Orders by the state they entered.", "channel", "state"),
		refunds:   counter("refunds_settled_total", "Refunds by the state they entered.", "channel", "state"),
		raises:    counter("operator_needed_total", "Times a person was asked for.", "channel"),
		callbacks: counter("callbacks_total", "Deliveries to merchants by result.", "result"),
	}
	if r != nil {
		r.MustRegister(m.outcomes, m.orders, m.refunds, m.raises, m.callbacks, m.endpoints(true), m.endpoints(false))
	}
	return m
}

// silentWallets is how many merchants a wallet does not answer for.
var silentWallets = prometheus.NewDesc("cloudpay_channel_silent",
	"Merchants for which a wallet does not answer, by kind of work, as this process sees it.", []string{"channel", "kind"}, nil)

// Describe implements prometheus.Collector, for what is not counted but looked up.
func (g *Gateway) Describe(to chan<- *prometheus.Desc) { to <- silentWallets }

// Collect implements prometheus.Collector.
func (g *Gateway) Collect(to chan<- prometheus.Metric) {
	type key struct {
		ch   pay.Channel
		kind string
	}
	n := map[key]int{}
	for _, ch := range []pay.Channel{pay.Wxpay, pay.Alipay} {
		for _, kind := range []string{kindSettle, kindRefund, kindRefundAsk} {
			n[key{ch, kind}] = 0
		}
	}
	for _, s := range g.Silent() {
		n[key{s.Channel, s.Kind}]++
	}
	for k, v := range n {
		to <- prometheus.MustNewConstMetric(silentWallets, prometheus.GaugeValue, float64(v), string(k.ch), k.kind)
	}
}

// endpoints counts the callback endpoints that this process has tried lately, by
// the state of their breaker.
func (m *Metrics) endpoints(open bool) prometheus.Collector {
	state := "closed"
	if open {
		state = "open"
	}
	return prometheus.NewGaugeFunc(prometheus.GaugeOpts{
		Namespace: "cloudpay", Name: "callback_endpoints", ConstLabels: prometheus.Labels{"state": state},
		Help: "Callback endpoints tried lately by the state of their breaker: an open one does not answer.",
	}, func() (n float64) {
		lanes := m.lanes.Load()
		if lanes == nil {
			return 0
		}
		for _, l := range (*lanes)() {
			if l.Open == open {
				n++
			}
		}
		return n
	})
}

func (m *Metrics) outcome(ch pay.Channel, call string, k pay.Kind) {
	m.outcomes.WithLabelValues(string(ch), call, string(k)).Inc()
}

func (m *Metrics) settled(ch pay.Channel, s pay.OrderState) {
	m.orders.WithLabelValues(string(ch), string(s)).Inc()
}

func (m *Metrics) refundSettled(ch pay.Channel, s pay.RefundState) {
	m.refunds.WithLabelValues(string(ch), string(s)).Inc()
}

func (m *Metrics) raised(ch pay.Channel) { m.raises.WithLabelValues(string(ch)).Inc() }

func (m *Metrics) delivered(ok bool) {
	result := "refused"
	if ok {
		result = "acknowledged"
	}
	m.callbacks.WithLabelValues(result).Inc()
}
