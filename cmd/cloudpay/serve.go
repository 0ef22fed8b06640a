package main

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
)

// serveCmd runs the gateway.
type serveCmd struct {
	settings
}

// Run serves until the process is told to stop.
func (c *serveCmd) Run(ctx context.Context, e env) (err error) {
	defer func() { err = stopped(ctx, err) }()
	var errs []error
	if c.DSN == "" {
		errs = append(errs, errors.New("dsn is missing: say where the database is, for example --dsn sqlite:/var/lib/cloudpay/pay.db"))
	}
	if c.MasterKeyFile == "" {
		errs = append(errs, errors.New("master-key-file is missing: keys at rest need it; make one with: cloudpay master-key create master.key"))
	}
	if err := errors.Join(append(errs, c.check())...); err != nil {
		return &exitError{code: exitUsage, err: err}
	}
	log := newLog(e.stderr, c.LogLevel)
	keys, err := openKeyring(ctx, e, c.MasterKeyFile, c.OldMasterKey)
	if err != nil {
		return err
	}
	a, err := openApp(ctx, c.settings, keys, log)
	if err != nil {
		return err
	}
	l, err := c.listen(ctx)
	if err != nil {
		return errors.Join(err, a.store.Close())
	}
	if c.AdminAddr != "" {
		at := c.settings
		at.Addr = c.AdminAddr
		if a.admin, err = at.listen(ctx); err != nil {
			return errors.Join(err, l.Close(), a.store.Close())
		}
		_, _ = fmt.Fprintf(e.stdout, "cloudpay is managed at %s\n", a.admin.Addr())
	}
	log.InfoContext(ctx, "serving", slog.String("addr", l.Addr().String()), slog.String("engine", a.store.Engine()))
	_, _ = fmt.Fprintf(e.stdout, "cloudpay serves %s\n", l.Addr())
	return a.serve(ctx, l)
}
