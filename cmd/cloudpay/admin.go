package main

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"time"

	"golang.org/x/sync/errgroup"

	"cloudpay/internal/manage"
)

// withManagement puts the management API beside another handler.
func withManagement(m *manage.Server, others http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if manage.Handles(r.URL.Path) {
			m.ServeHTTP(w, r)
			return
		}
		others.ServeHTTP(w, r)
	})
}

// serveAdmin answers the management API on its own listener until inner ends.
func (a *app) serveAdmin(ctx, inner context.Context, g *errgroup.Group) {
	const headerTime, requestTime, idleTime = 10 * time.Second, 60 * time.Second, 2 * time.Minute
	srv := &http.Server{
		Handler: a.manage, ReadHeaderTimeout: headerTime, ReadTimeout: requestTime, WriteTimeout: requestTime, IdleTimeout: idleTime,
		ErrorLog: slog.NewLogLogger(a.log.Handler(), slog.LevelDebug),
	}
	g.Go(func() error {
		if err := srv.Serve(a.admin); !errors.Is(err, http.ErrServerClosed) {
			return fmt.Errorf("serve %s: %w", a.admin.Addr(), err)
		}
		return nil
	})
	if t, ok := a.admin.(*tlsListener); ok {
		g.Go(func() error { t.watch(inner, a.log); return nil })
	}
	g.Go(func() error {
		<-inner.Done()
		stop, cancel := context.WithTimeout(context.WithoutCancel(ctx), drainRequests)
		defer cancel()
		if err := srv.Shutdown(stop); err != nil {
			return srv.Close()
		}
		return nil
	})
}

// isLoopback reports whether a host is this machine.
func isLoopback(host string) bool {
	ip := net.ParseIP(host)
	return host == "localhost" || ip != nil && ip.IsLoopback()
}

// hostOf is the host of an address, "" for all.
func hostOf(addr string) string {
	host, _, err := net.SplitHostPort(addr)
	if err != nil {
		return addr
	}
	return host
}
