package main

import (
	"log/slog"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"cloudpay/internal/evidence"
	"cloudpay/internal/secret"
	"cloudpay/internal/store"
)

// flushTime bounds the writing of evidence when a command ends.
const flushTime = 5 * time.Second

// evidenceOn is the room that keeps what was said on the wires. It reads and
// purges whether this process keeps anything new or not.
func evidenceOn(st *store.Store, vault *secret.DataKey, s settings, reg prometheus.Registerer, log *slog.Logger) *evidence.Recorder {
	return evidence.New(evidence.Config{
		Keeper: st, Queue: st, Vault: vault, Retention: time.Duration(max(s.EvidenceDays, 0)) * 24 * time.Hour,
		Now: s.now, Log: log, Metrics: evidence.NewMetrics(reg),
	})
}

// keeps is the recorder if the settings want anything kept, else nil.
func (s settings) keeps(r *evidence.Recorder) *evidence.Recorder {
	if s.EvidenceDays < 0 {
		return nil
	}
	return r
}
