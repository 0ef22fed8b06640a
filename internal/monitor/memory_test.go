package monitor_test

import (
	"context"

	"cloudpay/internal/jobs"
	"cloudpay/internal/monitor"
)

// memory is a Keeper that only takes: what the fuzzer finds must be ours, not
// the database's.
type memory struct {
	monitor.Keeper
	batches []monitor.Batch
}

func (*memory) MonitorUsage(context.Context, string, string, string) (monitor.Usage, error) {
	return monitor.Usage{}, nil
}

func (m *memory) KeepMonitor(_ context.Context, b monitor.Batch, _, _ monitor.Usage) (bool, error) {
	m.batches = append(m.batches, b)
	return true, nil
}

// noQueue is a queue that nobody asks.
type noQueue struct{ monitor.Queue }

func (noQueue) EditJobs(context.Context, string, ...jobs.Edit) error { return nil }
