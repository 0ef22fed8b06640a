package main

import (
	"context"
	"crypto/x509"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/collectors"
	"golang.org/x/sync/errgroup"

	"cloudpay/internal/api"
	"cloudpay/internal/channel"
	"cloudpay/internal/channel/alipay"
	"cloudpay/internal/channel/wxpay"
	"cloudpay/internal/day"
	"cloudpay/internal/directory"
	"cloudpay/internal/evidence"
	"cloudpay/internal/gateway"
	"cloudpay/internal/manage"
	"cloudpay/internal/monitor"
	"cloudpay/internal/notify"
	"cloudpay/internal/pay"
	"cloudpay/internal/recon"
	"cloudpay/internal/secret"
	"cloudpay/internal/store"
	"cloudpay/internal/timeline"
	"cloudpay/internal/wallets"
)

// Times of a start and a stop. SIGTERM must be answered within 5 s: requests
// get most of it, jobs the rest; what is still open is finished after the next
// start by its job.
const (
	drainRequests = 2500 * time.Millisecond
	drainCalls    = 1 * time.Second
	openTime      = 30 * time.Second
)

// app is a gateway with everything it stands on. The owner closes it.
type app struct {
	store     *store.Store
	directory *directory.Directory
	gateway   *gateway.Gateway
	wallets   *wallets.Wallets
	recon     *recon.Recon
	monitor   *monitor.Monitor
	evidence  *evidence.Recorder
	api       *api.Server
	manage    *manage.Server
	// admin, when not nil, is where the management API listens instead of beside
	// the API.
	admin    net.Listener
	registry *prometheus.Registry
	now      func() time.Time
	moves    bool // somebody may move the clock, as in the demo
	log      *slog.Logger
}

// openApp opens the store and builds the rooms on it. Nothing runs yet.
func openApp(ctx context.Context, s settings, keys *secret.Keyring, log *slog.Logger) (*app, error) {
	ctx, cancel := context.WithTimeout(ctx, openTime)
	defer cancel()
	cfg := s.store()
	cfg.Log = log
	st, err := store.Open(ctx, cfg)
	if err != nil {
		return nil, err
	}
	dir, err := directory.New(st, st, keys, s.now)
	if err != nil {
		return nil, errors.Join(err, st.Close())
	}
	vault, err := dir.Vault(ctx)
	if err != nil {
		return nil, errors.Join(err, st.Close())
	}
	reg := prometheus.NewRegistry()
	reg.MustRegister(collectors.NewGoCollector(), collectors.NewProcessCollector(collectors.ProcessCollectorOpts{}))
	accounts := wallets.New(wallets.Config{
		Directory: dir, Build: func(a *directory.Account) (channel.Channel, error) { return newChannel(a, s.now) }, Keeper: st, Changed: dir.AccountChanged, Now: s.now, Log: log,
	})
	reg.MustRegister(accounts)
	seen := evidenceOn(st, vault, s, reg, log)
	gw := gateway.New(gateway.Config{
		Store: st, Directory: dir, Channels: accounts.Channel, Former: accounts.Former, Evidence: s.keeps(seen),
		Notify:  notify.New(notify.Config{AllowPrivate: s.AllowPrivateCallbacks}),
		CodeKey: vault.Derive("payment code hash"), Profiles: s.profiles(), PublicURL: s.PublicURL,
		Now: s.now, Log: log, Metrics: gateway.NewMetrics(reg),
	})
	reg.MustRegister(gw)
	mon := monitor.New(monitor.Config{
		Keeper: st, Queue: st, Hosts: s.hosts(), Interval: s.MonitorInterval, Registry: reg, Now: s.now, Log: log,
	})
	lists := reportsOn(st, dir, s.now)
	rec := recon.New(recon.Config{
		Store: st, Directory: dir, Gateway: gw, Channels: accounts.Channel, Now: s.now, Log: log, Metrics: recon.NewMetrics(reg),
	})
	days := day.New(day.Config{Store: st, Vault: dir.Vault, Now: s.now, Log: log})
	lines := timeline.New(timeline.Config{Store: st, Directory: dir, Evidence: seen, Monitor: mon, Step: gw.NextStep, Now: s.now})
	mgmt, err := manage.New(manage.Config{
		Store: st, Directory: dir, Gateway: gw, Wallets: accounts, Reports: lists, Recon: rec, Days: days, Monitor: mon, Timelines: lines, AllowPrivate: s.AllowPrivateCallbacks, PublicURL: s.PublicURL,
		Now: s.now, Log: log,
	})
	if err != nil {
		return nil, errors.Join(err, st.Close())
	}
	pages, err := documents(mgmt.Document())
	if err != nil {
		return nil, errors.Join(err, st.Close())
	}
	srv := api.New(api.Config{
		Days: days, Gateway: gw, Directory: dir, Reports: lists, Monitor: mon, Evidence: s.keeps(seen), Docs: pages, Ready: st.Ping, Registry: reg, Now: s.now, Log: log, Limits: s.limits(),
		WalletOwner: st.MerchantOfWallet, PublicURL: s.PublicURL,
	})
	mgmt.Requests = answeredBy(srv)
	return &app{store: st, directory: dir, gateway: gw, wallets: accounts, recon: rec, monitor: mon, evidence: seen, api: srv, manage: mgmt, registry: reg, now: s.now, moves: s.Clock != nil, log: log}, nil
}

// close releases what openApp opened, for who does not serve.
func (a *app) close(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), flushTime)
	defer cancel()
	return errors.Join(a.evidence.Flush(ctx), a.store.Close())
}

// serve answers requests on l and runs the jobs until ctx ends; then it drains
// and closes the store.
func (a *app) serve(ctx context.Context, l net.Listener) error {
	srv := a.api.HTTPServer()
	if a.admin == nil {
		srv.Handler = withManagement(a.manage, srv.Handler)
	}
	g, inner := errgroup.WithContext(ctx)
	jobsCtx, stopJobs := context.WithCancel(context.WithoutCancel(ctx))
	defer stopJobs()
	g.Go(func() error {
		if err := srv.Serve(a.api.Tolerate(l)); !errors.Is(err, http.ErrServerClosed) {
			return fmt.Errorf("serve %s: %w", l.Addr(), err)
		}
		return nil
	})
	if t, ok := l.(*tlsListener); ok {
		g.Go(func() error { t.watch(inner, a.log); return nil })
	}
	g.Go(func() error { return a.monitor.Run(inner) })
	g.Go(func() error { return a.wallets.Run(inner) })
	g.Go(func() error { return a.fold(inner) })
	g.Go(func() error { return a.reconcile(inner) })
	if a.admin != nil {
		a.serveAdmin(ctx, inner, g)
	}
	jobsDone := make(chan error, 1)
	go func() { jobsDone <- a.gateway.Run(jobsCtx) }()
	// Evidence ends after what it watches.
	seeing, stopSeeing := context.WithCancel(context.WithoutCancel(ctx))
	defer stopSeeing()
	seen := make(chan error, 1)
	go func() { seen <- a.evidence.Run(seeing) }()
	g.Go(func() error {
		<-inner.Done()
		stop, cancel := context.WithTimeout(context.WithoutCancel(ctx), drainRequests)
		defer cancel()
		if err := srv.Shutdown(stop); err != nil {
			return srv.Close() // a till that waits asks again
		}
		return nil
	})
	err := g.Wait()
	stopJobs()
	select {
	case jobsErr := <-jobsDone:
		err = errors.Join(err, jobsErr)
	case <-time.After(drainCalls):
		a.log.WarnContext(ctx, "stopped with wallet calls in flight; their jobs finish them after the next start")
	}
	stopSeeing()
	return errors.Join(err, <-seen, a.store.Close())
}

// newChannel builds the adapter for an account.
func newChannel(a *directory.Account, now func() time.Time) (channel.Channel, error) {
	switch a.Channel {
	case pay.Wxpay:
		w := a.Wechat
		roots, err := rootsOf(w.CAPEM)
		if err != nil {
			return nil, err
		}
		return wxpay.New(wxpay.Config{
			BaseURL: w.BaseURL, BackupURL: w.BackupURL, RootCAs: roots, MchID: w.MchID, AppID: w.AppID, API: w.API,
			APIKey: w.APIKey, APIv3Key: w.APIv3Key, PublicKeyID: w.PublicKeyID, PublicKeyPEM: w.PublicKeyPEM,
			SignType: wxpay.SignType(w.SignType), ClientCertPEM: w.CertPEM, ClientKeyPEM: w.KeyPEM, Now: now,
		})
	case pay.Alipay:
		l := a.Alipay
		roots, err := rootsOf(l.CAPEM)
		if err != nil {
			return nil, err
		}
		return alipay.New(alipay.Config{
			GatewayURL: l.GatewayURL, RootCAs: roots, AppID: l.AppID, AppPrivateKeyPEM: l.PrivateKeyPEM,
			AlipayPublicKeyPEM: l.AlipayPublicPEM, AppCertPEM: l.AppCertPEM, AlipayCertPEM: l.AlipayCertPEM, RootCertPEM: l.RootCertPEM, Now: now,
		})
	}
	return nil, fmt.Errorf("no adapter for channel %q", a.Channel)
}

// rootsOf reads roots in PEM; "" means the system's.
func rootsOf(pem string) (*x509.CertPool, error) {
	if pem == "" {
		return nil, nil //nolint:nilnil // nil is how crypto/tls spells the system's roots
	}
	pool := x509.NewCertPool()
	if !pool.AppendCertsFromPEM([]byte(pem)) {
		return nil, errors.New("root certificates are not readable")
	}
	return pool, nil
}

// newLog writes JSON lines of at least the given level.
func newLog(w io.Writer, level string) *slog.Logger {
	var l slog.Level
	if err := l.UnmarshalText([]byte(level)); err != nil {
		l = slog.LevelInfo
	}
	return slog.New(slog.NewJSONHandler(w, &slog.HandlerOptions{Level: l, ReplaceAttr: func(_ []string, a slog.Attr) slog.Attr {
		if a.Value.Kind() == slog.KindDuration { // a number of nanoseconds looks like any other number
			a.Value = slog.StringValue(a.Value.Duration().Round(time.Microsecond).String())
		}
		return a
	}}))
}
