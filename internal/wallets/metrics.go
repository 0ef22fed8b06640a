package wallets

import (
	"github.com/prometheus/client_golang/prometheus"

	"cloudpay/internal/channel"
)

// Figures of the accounts in use. Providers are few, and so are their keys.
var (
	keyEnds = prometheus.NewDesc("cloudpay_channel_key_ends_timestamp_seconds",
		"When a certificate in use ends.", []string{"provider_id", "channel", "role", "serial"}, nil)
	lastVerified = prometheus.NewDesc("cloudpay_channel_verified_timestamp_seconds",
		"When an answer or notice of a wallet last verified, as this process saw it.", []string{"provider_id", "channel"}, nil)
	lastFailure = prometheus.NewDesc("cloudpay_channel_failed_timestamp_seconds",
		"When a call to a wallet last failed, as this process saw it.", []string{"provider_id", "channel", "kind"}, nil)
)

// Describe implements prometheus.Collector.
func (w *Wallets) Describe(to chan<- *prometheus.Desc) {
	to <- keyEnds
	to <- lastVerified
	to <- lastFailure
}

// Collect implements prometheus.Collector.
func (w *Wallets) Collect(to chan<- prometheus.Metric) {
	gauge := func(d *prometheus.Desc, ms int64, labels ...string) {
		if ms != 0 {
			to <- prometheus.MustNewConstMetric(d, prometheus.GaugeValue, float64(ms)/1000, labels...)
		}
	}
	for k, b := range w.inUse() {
		c, ok := b.channel.(channel.Healther)
		if !ok {
			continue
		}
		h := c.Health()
		for _, v := range h.Keys {
			gauge(keyEnds, millis(v.Until), k.providerID, string(k.channel), string(v.Role), v.Serial)
		}
		gauge(lastVerified, millis(h.Verified), k.providerID, string(k.channel))
		gauge(lastFailure, millis(h.Failure.At), k.providerID, string(k.channel), shortened(h.Failure.Kind))
	}
}
