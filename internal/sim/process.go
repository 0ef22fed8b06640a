package sim

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"cloudpay/internal/api"
	"cloudpay/internal/directory"
	"cloudpay/internal/gateway"
	"cloudpay/internal/monitor"
	"cloudpay/internal/notify"
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
	reg := prometheus.NewRegistry()
	p.handler = api.New(api.Config{
		Gateway: gw, Directory: people, Reports: report.New(report.Config{Store: st, Now: p.now}),
		Monitor: monitor.New(monitor.Config{Keeper: st, Queue: st, Hosts: []string{publicHost}, Registry: reg, Now: p.now, Log: log}),
		Ready:   st.Ping, Registry: reg, Now: p.now, Log: log, WalletOwner: st.MerchantOfWallet,
	}).Handler()
	running, cancel := context.WithCancel(ctx)
	p.cancel = cancel
	w.spawn(func() { p.ended <- gw.Run(running) })
	w.mu.Lock()
	w.process = p
	w.mu.Unlock()
	w.note("process", "%d starts", p.no)
	w.checkRunning(ctx) // nothing that was told may be gone
	return nil
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

// disk is the disk of one process.
type disk struct{ p *process }

// errFull is what a full disk says.
var errFull = errors.New("sim: database or disk is full")

// Queue implements store.Disk. Every unit of work takes a moment of its own.
func (d disk) Queue(what string, args []any) error {
	if d.p.isDead() {
		return errDead
	}
	names := []string{"queue", what}
	for _, a := range args {
		if s, ok := a.(string); ok && strings.Contains(s, prefix) { // the other texts may be random
			names = append(names, s)
		}
	}
	r := d.p.w.dice(names...)
	return d.wait(between(r, 10*time.Microsecond, time.Millisecond))
}

// wait lets time pass, unless the process dies meanwhile.
func (d disk) wait(t time.Duration) error {
	select {
	case <-time.After(t):
		if d.p.isDead() {
			return errDead
		}
		return nil
	case <-d.p.dead:
		return errDead
	}
}

// Commit implements store.Disk.
func (d disk) Commit(units int) error {
	if units == 0 { // the first look at the file
		return nil
	}
	w := d.p.w
	r := w.dice("commit")
	now := w.Now()
	slow := w.weather.slowDisk.at(now)
	takes := between(r, 20*time.Microsecond, 2*time.Millisecond)
	if slow {
		takes = between(r, 50*time.Millisecond, 3*time.Second)
		w.fault("slow commit")
	}
	if err := d.wait(takes); err != nil {
		return err
	}
	if w.weather.fullDisk.at(now) {
		w.fault("disk full")
		w.note("disk", "full, %d units refused", units)
		return errFull
	}
	if d.p.armed.CompareAndSwap(armedBefore, armedNot) {
		d.p.kill("before a commit")
		return errDead
	}
	return nil
}

// Committed implements store.Disk.
func (d disk) Committed(units int) error {
	if units == 0 {
		return nil
	}
	d.p.w.note("commit", "%d units", units)
	if d.p.armed.CompareAndSwap(armedAfter, armedNot) {
		d.p.kill("after a commit")
		return errDead
	}
	return nil
}
