package main

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"log/slog"
	"net"

	"cloudpay/internal/secret"
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
		errs = append(errs, errors.New("master-key-file is missing: keys at rest need it; make one with: openssl rand -hex 32 > master.key && chmod 600 master.key"))
	}
	if err := errors.Join(append(errs, c.check())...); err != nil {
		return &exitError{code: exitUsage, err: err}
	}
	log := newLog(e.stderr, c.LogLevel)
	master, err := secret.ReadMasterFile(c.MasterKeyFile)
	if err != nil {
		return err
	}
	keys, err := secret.OpenKeyring(master)
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
	log.InfoContext(ctx, "serving", slog.String("addr", l.Addr().String()), slog.String("engine", a.store.Engine()))
	_, _ = fmt.Fprintf(e.stdout, "cloudpay serves %s\n", l.Addr())
	return a.serve(ctx, l)
}

// listen opens the listener of the API, with TLS when it has a certificate.
func (s settings) listen(ctx context.Context) (net.Listener, error) {
	var lc net.ListenConfig
	l, err := lc.Listen(ctx, "tcp", s.Addr)
	if err != nil {
		return nil, fmt.Errorf("listen on %s: %w; choose another address with --addr, port 0 picks a free one", s.Addr, err)
	}
	if s.TLSCertFile == "" {
		return l, nil
	}
	cert, err := tls.LoadX509KeyPair(s.TLSCertFile, s.TLSKeyFile)
	if err != nil {
		return nil, errors.Join(fmt.Errorf("tls-cert-file and tls-key-file: %w", err), l.Close())
	}
	return tls.NewListener(l, &tls.Config{Certificates: []tls.Certificate{cert}, MinVersion: tls.VersionTLS12}), nil
}
