package main

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"math/rand/v2"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"cloudpay/internal/store/storetest"
)

// chaosWorld is an installation of real processes: gateways behind a balancer,
// the wallets, a database on a small disk, and merchants who listen.
type chaosWorld struct {
	ctx       context.Context
	seed      uint64
	engine    string
	dsn       string
	disk      *smallDisk
	cluster   *storetest.Cluster // nil on SQLite
	database  sync.Mutex         // held while the database or its disk is in trouble
	wallets   *supervised
	nodes     []*supervised
	balancer  string // base URL
	walletAPI string // base URL of the control API
	people    []demoMerchant
	merchants *chaosMerchants
	sales     []*sale
	http      *http.Client
	calls     struct{ all, faulty int64 } // of the wallets, notices included

	mu     sync.Mutex
	counts map[string]*atomic.Int64 // trouble by kind
}

// newChaosWorld starts everything. SQLite has one gateway, PostgreSQL two.
func newChaosWorld(t *testing.T, engine string, seed uint64) *chaosWorld {
	t.Helper()
	dir := t.TempDir()
	w := &chaosWorld{
		ctx: t.Context(), seed: seed, engine: engine, disk: newSmallDisk(t), counts: map[string]*atomic.Int64{},
		http: &http.Client{Transport: &http.Transport{Proxy: nil, MaxIdleConnsPerHost: 16}, Timeout: 30 * time.Second},
	}
	w.dsn = "sqlite:" + filepath.Join(w.disk.dir, "cloudpay.db")
	gateways := 1
	if engine == "postgres" {
		w.cluster = storetest.NewCluster(t, w.disk.dir)
		w.dsn, gateways = w.cluster.DSN(), 2
	}
	front := newBalancer(t, gateways)
	w.balancer = "http://" + front.addr
	w.seedDirectory(t, dir)
	w.merchants = newChaosMerchants(t, w.people)
	for i := range gateways {
		n := supervise(t, filepath.Join(dir, fmt.Sprintf("gateway%d.log", i+1)), "serve", "--dsn", w.dsn,
			"--master-key-file", filepath.Join(dir, "master.key"), "--addr", "127.0.0.1:0", "--allow-private-callbacks",
			"--public-url", w.balancer, "--merchant-rate", "0", "--device-rate", "0", "--refund-spacing", "0s")
		w.nodes = append(w.nodes, n)
		front.nodes[i].Store(n)
	}
	for _, n := range w.nodes {
		n.awaitAddress(t)
	}
	return w
}

// seedDirectory makes the sample merchants of the demo with their accounts at
// the wallets, which from then on run in a process of their own.
func (w *chaosWorld) seedDirectory(t *testing.T, dir string) {
	t.Helper()
	log := slog.New(slog.DiscardHandler)
	box, err := openSandbox(t.Context(), sandboxOptions{Dir: dir, Profile: "seed", ControlAddr: "127.0.0.1:0", WalletAddr: "127.0.0.1:0"}, log)
	if err != nil {
		t.Fatal(err)
	}
	file, a, err := (&demoCmd{}).prepare(t.Context(), dir, settings{DSN: w.dsn}, box, log)
	if err != nil {
		t.Fatal(err)
	}
	w.people, w.walletAPI = file.Merchants, baseURL("http", box.control.Addr())
	wallet, control := box.wallet.Addr().String(), box.control.Addr().String()
	if err := errors.Join(a.close(t.Context()), box.close()); err != nil {
		t.Fatal(err)
	}
	w.wallets = supervise(t, filepath.Join(dir, "wallets.log"), "sandbox", "--data", dir, "--addr", wallet, "--control-addr", control, "--log-level", "error")
}

// control calls the wallets' control API, and again while they are away.
func (w *chaosWorld) control(ctx context.Context, method, path string, in, out any) error {
	const limit = 1 << 20
	raw, err := json.Marshal(in)
	if err != nil {
		return err
	}
	for try := 0; ; try++ {
		err = func() error {
			req, err := http.NewRequestWithContext(ctx, method, w.walletAPI+"/sandbox/v1"+path, bytes.NewReader(raw))
			if err != nil {
				return err
			}
			res, err := w.http.Do(req)
			if err != nil {
				return err
			}
			defer res.Body.Close()
			said, err := io.ReadAll(io.LimitReader(res.Body, limit))
			switch {
			case err != nil:
				return err
			case res.StatusCode/100 != 2:
				return fmt.Errorf("%w (%d): %s", errRefusedBySandbox, res.StatusCode, said)
			case out != nil:
				return json.Unmarshal(said, out)
			}
			return nil
		}()
		if err == nil || errors.Is(err, errRefusedBySandbox) || try >= 50 || w.rest(200*time.Millisecond) != nil {
			return err
		}
	}
}

var errRefusedBySandbox = errors.New("the sandbox refuses")

// killNode ends a gateway as a power cut does. One that sleeps is left asleep.
func (w *chaosWorld) killNode(rng *rand.Rand) error {
	return w.withNode(rng.IntN(len(w.nodes)), func(n *supervised) error {
		return n.end(syscall.SIGKILL)
	})
}

// pauseNode stops a gateway in the middle of what it does, and lets it go on.
func (w *chaosWorld) pauseNode(d time.Duration) error {
	return w.withNode(len(w.nodes)-1, func(n *supervised) error {
		resume, err := n.pause()
		if err != nil {
			return err
		}
		defer resume()
		return w.rest(d)
	})
}

// withNode does something to a gateway that nothing else is done to, the one
// that is wanted if it is free.
func (w *chaosWorld) withNode(wanted int, do func(*supervised) error) error {
	for {
		for i := range w.nodes {
			n := w.nodes[(wanted+i)%len(w.nodes)]
			if !n.busy.TryLock() {
				continue
			}
			defer n.busy.Unlock()
			if err := n.awaitRunning(w.ctx); err != nil {
				return err
			}
			return do(n)
		}
		if err := w.rest(50 * time.Millisecond); err != nil {
			return err
		}
	}
}

// cutWallets makes every call of the wallets fail for six seconds.
func (w *chaosWorld) cutWallets(*rand.Rand) error {
	if err := w.control(w.ctx, http.MethodPut, "/scene", map[string]any{"cut": []string{"wxpay", "alipay"}}, nil); err != nil {
		return err
	}
	err := w.rest(6 * time.Second)
	return errors.Join(err, w.control(w.ctx, http.MethodPut, "/scene", map[string]any{}, nil))
}

// fillDisk leaves the database without a free byte for a while.
func (w *chaosWorld) fillDisk(d time.Duration) error {
	w.database.Lock()
	defer w.database.Unlock()
	fill := w.disk.fill
	if !w.disk.mounted {
		fill = w.limitDatabase
	}
	empty, err := fill()
	if err != nil {
		return err
	}
	err = w.rest(d)
	if err := errors.Join(err, empty()); err != nil || w.cluster == nil {
		return err
	}
	// PostgreSQL ends where it cannot write its log; whoever frees the disk starts it again.
	ctx, cancel := context.WithTimeout(w.ctx, 3*time.Second)
	defer cancel()
	if w.cluster.Ready(ctx) == nil {
		return nil
	}
	return errors.Join(w.cluster.Stop(), w.cluster.Start(w.ctx))
}

// limitDatabase stands in for a full disk where none can be made.
func (w *chaosWorld) limitDatabase() (lift func() error, err error) {
	limit := w.limitFiles
	if w.cluster != nil {
		limit = func(size string) error { return w.cluster.LimitFiles(w.ctx, size) }
	}
	return func() error { return limit("unlimited") }, limit(maxFile)
}

// restartDatabase stops PostgreSQL in the middle of what it does; SQLite is in
// the gateway, which is asked to end and opens its file again.
func (w *chaosWorld) restartDatabase(rng *rand.Rand) error {
	if w.cluster == nil {
		return w.withNode(0, func(n *supervised) error { return n.end(syscall.SIGTERM) })
	}
	w.database.Lock()
	defer w.database.Unlock()
	err := w.cluster.Stop()
	if err := errors.Join(err, w.rest(time.Duration(rng.Int64N(int64(3*time.Second))))); err != nil {
		return err
	}
	return w.cluster.Start(w.ctx)
}

// heal ends all mischief; trouble is over by then.
func (w *chaosWorld) heal(t *testing.T) {
	t.Helper()
	w.merchants.healed.Store(true)
	for _, err := range []error{
		w.countCalls(),
		w.control(w.ctx, http.MethodPut, "/scene", map[string]any{}, nil),
		w.control(w.ctx, http.MethodDelete, "/faults", nil, nil),
	} {
		if err != nil {
			t.Fatal(err)
		}
	}
	for _, n := range w.nodes {
		n.awaitAddress(t)
	}
}

// countCalls notes how many calls and notices the wallets have seen, and how many
// went wrong.
func (w *chaosWorld) countCalls() error {
	var book struct {
		Faults []struct {
			Endpoint    string
			Seen, Fired int64
		}
	}
	if err := w.control(w.ctx, http.MethodGet, "/faults", nil, &book); err != nil {
		return err
	}
	seen := map[string]int64{}
	for _, f := range book.Faults {
		seen[f.Endpoint] = max(seen[f.Endpoint], f.Seen)
		w.calls.faulty += f.Fired
	}
	for _, n := range seen {
		w.calls.all += n
	}
	return nil
}

// supervised is a process that is started again whenever it ends, as systemd
// does it.
type supervised struct {
	args   []string
	log    *os.File
	busy   sync.Mutex   // held by who does something to it
	killed atomic.Int64 // times we ended it
	ended  atomic.Int64 // times it ended by itself
	starts atomic.Int64

	mu      sync.Mutex
	process *os.Process   // nil while none runs
	gone    chan struct{} // closed when that process has ended
	address string        // "" until it has announced itself
}

// supervise runs this binary as cloudpay until the test ends. What it prints on
// stderr is kept in a file.
func supervise(t *testing.T, log string, args ...string) *supervised {
	t.Helper()
	f, err := os.OpenFile(log, os.O_CREATE|os.O_RDWR|os.O_APPEND, 0o600)
	if err != nil {
		t.Fatal(err)
	}
	s := &supervised{args: args, log: f}
	ctx, cancel := context.WithCancel(context.WithoutCancel(t.Context()))
	done := make(chan struct{})
	go func() {
		defer close(done)
		runtime.LockOSThread() // whose end ends the process, however the test ends
		for ctx.Err() == nil {
			s.runOnce(ctx)
		}
	}()
	t.Cleanup(func() {
		cancel()
		<-done
		_ = f.Close()
	})
	return s
}

// runOnce runs the process to its end.
func (s *supervised) runOnce(ctx context.Context) {
	cmd := exec.CommandContext(ctx, os.Args[0], s.args...)
	cmd.Env = append(os.Environ(), asBinary+"=1", "GORACE=halt_on_error=1 atexit_sleep_ms=0")
	cmd.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL}
	cmd.Stdout = announcement{s}
	cmd.Stderr = struct{ io.Writer }{s.log} // a pipe: the file is ours, whatever limits the process has
	if err := cmd.Start(); err != nil {
		_, _ = fmt.Fprintln(s.log, "start:", err)
	} else {
		s.starts.Add(1)
		s.mu.Lock()
		s.process, s.gone = cmd.Process, make(chan struct{})
		s.mu.Unlock()
		before := s.killed.Load()
		err = cmd.Wait()
		if s.killed.Load() == before && ctx.Err() == nil {
			s.ended.Add(1)
			_, _ = fmt.Fprintln(s.log, "ended by itself:", err)
		}
		s.mu.Lock()
		s.process, s.address = nil, ""
		close(s.gone)
		s.mu.Unlock()
	}
	select {
	case <-ctx.Done():
	case <-time.After(100 * time.Millisecond):
	}
}

// announcement reads from stdout where a gateway listens.
type announcement struct{ s *supervised }

func (a announcement) Write(p []byte) (int, error) {
	if _, addr, ok := strings.Cut(string(p), "cloudpay serves "); ok {
		a.s.mu.Lock()
		a.s.address = strings.TrimSpace(addr)
		a.s.mu.Unlock()
	}
	return len(p), nil
}

// at returns where the process listens, "" while it does not.
func (s *supervised) at() string {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.address
}

func (s *supervised) pid() int {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.process == nil {
		return 0
	}
	return s.process.Pid
}

// end ends the process by a signal and waits until it has ended; then it is
// started again.
func (s *supervised) end(sig syscall.Signal) error {
	s.mu.Lock()
	p, gone := s.process, s.gone
	s.mu.Unlock()
	if p == nil {
		return nil
	}
	s.killed.Add(1)
	if err := p.Signal(sig); err != nil && !errors.Is(err, os.ErrProcessDone) {
		return err
	}
	<-gone
	return nil
}

// pause stops the process and returns how to let it go on.
func (s *supervised) pause() (resume func(), err error) {
	s.mu.Lock()
	p := s.process
	s.mu.Unlock()
	if p == nil {
		return nil, errors.New("no process to pause")
	}
	if err := p.Signal(syscall.SIGSTOP); err != nil && !errors.Is(err, os.ErrProcessDone) {
		return nil, err
	}
	return func() { _ = p.Signal(syscall.SIGCONT) }, nil
}

// awaitRunning waits until the process has announced itself. A start may have to
// wait for the database.
func (s *supervised) awaitRunning(ctx context.Context) error {
	for s.at() == "" {
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-time.After(10 * time.Millisecond):
		}
	}
	return nil
}

// awaitAddress is awaitRunning with a limit.
func (s *supervised) awaitAddress(t *testing.T) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), 2*time.Minute)
	defer cancel()
	if err := s.awaitRunning(ctx); err != nil {
		raw, _ := os.ReadFile(s.log.Name())
		t.Fatalf("%s does not start: %v\n%s", s.args[0], err, tail(raw, 4<<10))
	}
}

// tail is the end of a text.
func tail(raw []byte, n int) []byte { return raw[max(0, len(raw)-n):] }

// balancer hands connections to the gateways in turn, and knows nothing of how
// they are: one that sleeps keeps its connections.
type balancer struct {
	addr  string
	nodes []atomic.Pointer[supervised]
	next  atomic.Int64
}

func newBalancer(t *testing.T, gateways int) *balancer {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	b := &balancer{addr: l.Addr().String(), nodes: make([]atomic.Pointer[supervised], gateways)}
	t.Cleanup(func() { _ = l.Close() })
	go func() {
		for {
			c, err := l.Accept()
			if err != nil {
				return
			}
			go b.carry(c)
		}
	}()
	return b
}

// carry connects one caller with a gateway, if any listens.
func (b *balancer) carry(c net.Conn) {
	defer func() { _ = c.Close() }()
	first := b.next.Add(1)
	for i := range int64(len(b.nodes)) {
		n := b.nodes[(first+i)%int64(len(b.nodes))].Load()
		if n == nil || n.at() == "" {
			continue
		}
		to, err := net.DialTimeout("tcp", n.at(), time.Second)
		if err != nil {
			continue
		}
		defer func() { _ = to.Close() }()
		done := make(chan struct{}, 2)
		go func() { _, _ = io.Copy(to, c); done <- struct{}{} }()
		go func() { _, _ = io.Copy(c, to); done <- struct{}{} }()
		<-done
		return
	}
}
