package sim

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"sync"
	"sync/atomic"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"golang.org/x/sync/errgroup"

	"cloudpay/internal/api"
	"cloudpay/internal/day"
	"cloudpay/internal/directory"
	"cloudpay/internal/gateway"
	"cloudpay/internal/jobs"
	"cloudpay/internal/monitor"
	"cloudpay/internal/notify"
	"cloudpay/internal/recon"
	"cloudpay/internal/report"
	"cloudpay/internal/store"
)

// process is one life of the gateway's process, from its start to its death.
type process struct {
	w       *world
	no      int
	store   *store.Store
	people  *directory.Directory
	notify  *notify.Client
	gateway *gateway.Gateway
	recon   *recon.Recon
	handler http.Handler
	cancel  context.CancelFunc
	ended   chan error
	serving sync.WaitGroup // requests inside
	jump    *atomic.Int64  // what the machine's clock is wrong by, nanoseconds
	dead    chan struct{}  // closed at the moment of death
	die     sync.Once
	waited  sync.Once
	end     error        // of waiting
	armed   atomic.Int32 // how the process is to be killed, an armedX
}

// The ways in which an armed process dies, at the next commit.
const (
	armedNot int32 = iota
	armedBefore
	armedAfter
)

// errDead is what a dead process hears of everything it tries.
var errDead = errors.New("sim: the process is dead")

// now is the clock of the machine the process runs on.
func (p *process) now() time.Time { return p.w.Now().Add(time.Duration(p.jump.Load())) }

// isDead reports whether the process has been killed.
func (p *process) isDead() bool {
	select {
	case <-p.dead:
		return true
	default:
		return false
	}
}

// startProcess opens the database that is there and serves.
func (w *world) startProcess(ctx context.Context) error {
	p := &process{w: w, ended: make(chan error, 1), dead: make(chan struct{}), jump: &w.weather.jump}
	w.weather.lives++
	p.no = w.weather.lives
	log := slog.New(slog.DiscardHandler)
	st, err := store.Open(ctx, store.Config{DSN: "sqlite:" + w.payDB(), Log: log, Disk: disk{p}, PoolSize: 1})
	if err != nil {
		return err
	}
	keys, err := masterKey()
	if err != nil {
		return err
	}
	people, err := directory.New(st, st, keys, p.now)
	if err != nil {
		return err
	}
	p.store, p.people = st, people
	accounts := p.wallets(log)
	p.notify = notify.New(notify.Config{AllowPrivate: true, Dial: p.dialMerchant})
	gw := gateway.New(gateway.Config{
		Store: st, Directory: people, Channels: accounts.Channel, Former: accounts.Former, Notify: p.notify, CodeKey: []byte("simulated code key"),
		MaxIdle: time.Minute, Batch: 1, PublicURL: "https://" + publicHost, Now: p.now, Log: log,
	})
	p.gateway = gw
	reg := prometheus.NewRegistry()
	p.handler = api.New(api.Config{
		Gateway: gw, Directory: people, Reports: report.New(report.Config{Store: st, Now: p.now}),
		Monitor: monitor.New(monitor.Config{Keeper: st, Queue: st, Hosts: []string{publicHost}, Registry: reg, Now: p.now, Log: log}),
		Ready:   st.Ping, Registry: reg, Now: p.now, Log: log, WalletOwner: st.MerchantOfWallet,
	}).Handler()
	running, cancel := context.WithCancel(ctx)
	p.cancel = cancel
	p.recon = recon.New(recon.Config{Store: st, Directory: people, Gateway: gw, Channels: accounts.Channel, Now: p.now, Log: log})
	w.spawn(func() { p.ended <- p.run(running, log) })
	w.mu.Lock()
	w.process = p
	w.mu.Unlock()
	w.note("process", "%d starts", p.no)
	w.checkRunning(ctx) // nothing that was told may be gone
	return nil
}

// run does the work of the background until ctx ends. Bills and closed days are
// of seeds with a night only: in the others nothing would be there for them.
func (p *process) run(ctx context.Context, log *slog.Logger) error {
	if p.w.night == nil {
		return p.gateway.Run(ctx)
	}
	g, ctx := errgroup.WithContext(ctx)
	g.Go(func() error { return p.gateway.Run(ctx) })
	g.Go(func() error { return p.recon.Run(context.WithValue(ctx, worker{}, "recon"), idleAtNight) })
	g.Go(func() error {
		ctx, days := context.WithValue(ctx, worker{}, "days"), p.days(log)
		return jobs.New(jobs.Config{
			Queue: p.store, Now: p.now, Log: log, Workers: 1, MaxIdle: idleAtNight, Kinds: map[string]jobs.Kind{day.CloseKind: days.Kind()},
			Standing: []func(context.Context) error{days.Schedule},
		}).Run(ctx)
	})
	return g.Wait()
}

// days closes days and reads closed ones.
func (p *process) days(log *slog.Logger) *day.Days {
	trust := func(ctx context.Context, merchantID, outTradeNo string) error {
		m, err := p.people.Merchant(ctx, merchantID)
		if err != nil {
			return err
		}
		return p.gateway.TrustBill(ctx, m, outTradeNo)
	}
	return day.New(day.Config{Store: p.store, Vault: p.people.Vault, Trust: trust, Now: p.now, Log: log})
}

// running is the process that serves now, or nil.
func (w *world) running() *process {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.process
}

// kill ends the process at this moment. It is started again later.
func (p *process) kill(how string) {
	p.die.Do(func() {
		close(p.dead)
		p.w.mu.Lock()
		p.w.process = nil
		p.w.mu.Unlock()
		p.w.fault("killed " + how)
		p.w.note("process", "%d is killed %s", p.no, how)
		away := between(p.w.dice("away"), 200*time.Millisecond, 20*time.Second)
		p.w.after(away, "", func(ctx context.Context) { p.again(ctx) })
	})
}

// again buries the dead process and starts the next.
func (p *process) again(ctx context.Context) {
	if err := p.wait(); err != nil {
		p.w.violated("process %d did not end: %v", p.no, err)
	}
	if err := p.w.startProcess(ctx); err != nil {
		p.w.violated("the process does not start: %v", err)
	}
}

// stop ends the process as SIGTERM does.
func (p *process) stop(context.Context) error {
	p.w.mu.Lock()
	p.w.process = nil // nobody is let in any more
	p.w.mu.Unlock()
	return p.wait()
}

// wait lets the goroutines of the process end, and its files go. A process that
// is killed while it is stopped is waited for twice.
func (p *process) wait() error {
	p.waited.Do(func() { p.end = p.waitOnce() })
	return p.end
}

func (p *process) waitOnce() error {
	p.cancel()
	err := <-p.ended
	p.serving.Wait()
	p.notify.Close()
	if err = errors.Join(err, p.store.Close()); err != nil {
		return fmt.Errorf("end process: %w", err)
	}
	return nil
}

// gateway is where messages to us arrive: the process that runs, if any. Whoever
// gets in has to leave: process.serving counts him.
func (w *world) gateway() (http.Handler, *process) {
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.process == nil {
		return nil, nil
	}
	w.process.serving.Add(1)
	return w.process.handler, w.process
}

// wallet is where messages to the wallets arrive.
func (w *world) wallet() (http.Handler, *process) { return w.wallets, nil }
