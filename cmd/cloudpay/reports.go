package main

import (
	"context"
	"time"

	"cloudpay/internal/day"
	"cloudpay/internal/directory"
	"cloudpay/internal/jobs"
	"cloudpay/internal/ledger"
	reports "cloudpay/internal/report"
	"cloudpay/internal/store"
)

// foldDrain is how long a round of the fold may go on when the process stops.
const foldDrain = 500 * time.Millisecond

// reportConfig is what reports are made from: the store, and the rates that
// merchants have.
func reportConfig(st *store.Store, dir *directory.Directory, now func() time.Time) reports.Config {
	return reports.Config{Store: st, Now: now, Rate: func(ctx context.Context, merchantID string) (int64, error) {
		m, err := dir.Merchant(ctx, merchantID)
		if err != nil {
			return 0, err
		}
		return m.Profile.BankRatePPM, nil
	}}
}

// reportsOn answers reports.
func reportsOn(st *store.Store, dir *directory.Directory, now func() time.Time) *reports.Reports {
	return reports.New(reportConfig(st, dir, now))
}

// fold keeps reports and the ledger's balances cheap, and closes days, until ctx
// ends. What cannot be planned stops nobody: it is tried again until it can, and
// reports say so when they are too far behind.
func (a *app) fold(ctx context.Context) error {
	f := reports.NewFolder(reportConfig(a.store, a.directory, a.now), a.log)
	books := ledger.NewFolder(ledger.Config{Store: a.store, Now: a.now}, a.log)
	days := a.daysOf()
	idle := time.Minute
	if a.moves {
		idle = time.Second
	}
	return jobs.New(jobs.Config{
		Queue: a.store, Now: a.now, Log: a.log, Workers: 2, Drain: foldDrain, MaxIdle: idle,
		Kinds:    map[string]jobs.Kind{reports.FoldKind: f.Kind(), ledger.FoldKind: books.Kind(), day.CloseKind: days.Kind()},
		Standing: []func(context.Context) error{f.Schedule, books.Schedule, days.Schedule},
	}).Run(ctx)
}
