package main

import (
	"context"
	"errors"
	"fmt"
	"strings"

	"cloudpay/internal/day"
	"cloudpay/internal/recon"
	"cloudpay/internal/sheet"
	"cloudpay/internal/store"
)

// reconExportCmd writes bills and results.
type reconExportCmd struct {
	dsnFlags
	Merchant string `name:"merchant" required:"" placeholder:"OUT_SUB_MCH_ID" help:"Whose."`
	From     string `name:"from" required:"" placeholder:"2026-11-01" help:"From this day on, of Asia/Shanghai."`
	To       string `name:"to" required:"" placeholder:"2026-11-30" help:"Until this day, which is included."`
	File     string `arg:"" help:"Where to; its name ends in .csv or .xlsx, and it must not exist."`
}

// Run writes the days, the lines of their bills and what they disagree about.
func (c *reconExportCmd) Run(ctx context.Context, e env) (err error) {
	days := make([]string, 0, 2)
	for _, d := range []struct{ name, date string }{{"from", c.From}, {"to", c.To}} {
		if _, _, err := day.ParseDate(d.date); err != nil {
			return usage("--%s: %w", d.name, err)
		}
		days = append(days, strings.ReplaceAll(d.date, "-", ""))
	}
	if days[0] > days[1] {
		return usage("--from must not be after --to")
	}
	st, err := store.Open(ctx, store.Config{DSN: c.DSN, Log: newLog(e.stderr, "warn")})
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, st.Close()) }()
	err = writeSheet(c.File, func(w sheet.Writer) error { return recon.Export(ctx, st, c.Merchant, days[0], days[1], w) })
	if err == nil {
		_, err = fmt.Fprintln(e.stdout, c.File)
	}
	return err
}
