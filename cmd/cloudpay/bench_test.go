package main

import (
	"bytes"
	"context"
	"crypto/rand"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"text/tabwriter"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/prometheus/client_golang/prometheus"

	"cloudpay/cpay"
	"cloudpay/internal/api"
	"cloudpay/internal/channel"
	"cloudpay/internal/directory"
	"cloudpay/internal/evidence"
	"cloudpay/internal/gateway"
	"cloudpay/internal/jobs"
	"cloudpay/internal/notify"
	"cloudpay/internal/pay"
	"cloudpay/internal/secret"
	"cloudpay/internal/store"
	"cloudpay/internal/store/storetest"
)

// BenchmarkTable prints the one table of speeds (make bench). Everything is
// measured in one run on one machine, client included, so that ratios mean
// something: absolute numbers belong to the disk and the processor.
func BenchmarkTable(b *testing.B) {
	tune(os.Getenv) // as the binary does
	for b.Loop() {
		dir := b.TempDir()
		tb := &table{}
		disk := benchDisk(b, dir)
		tb.add("disk: write 4 KiB + fdatasync, one by one", disk, "/s", "")
		for _, engine := range []string{"sqlite", "postgres"} {
			dsn := func(name string) string {
				if engine == "postgres" {
					return storetest.Postgres(b)
				}
				return "sqlite:" + filepath.Join(dir, name+".db")
			}
			single := benchStore(b, dsn("single"), true)
			grouped := benchStore(b, dsn("grouped"), false)
			tb.add("store "+engine+": two-commit payments, 64 callers, one by one", single, "/s", "")
			tb.add("store "+engine+": the same, grouped", grouped, "/s", fmt.Sprintf("%.1f × one by one (target 3)", grouped/single))
			for _, r := range []row{{Clients: 1}, {Clients: 64}, {Clients: 16, PerSecond: 200}} {
				r.Engine, r.DSN = engine, dsn(fmt.Sprintf("gateway%d", r.Clients))
				tb.child(b, r)
			}
		}
		tb.print()
	}
}

// table collects rows and prints them aligned.
type table struct {
	rows [][4]string
}

func (t *table) add(what string, value float64, unit, note string) {
	t.rows = append(t.rows, [4]string{what, fmt.Sprintf("%.0f", value), unit, note})
	fmt.Fprintf(os.Stderr, "%s: %.0f %s %s\n", what, value, unit, note)
}

func (t *table) print() {
	var buf bytes.Buffer
	w := tabwriter.NewWriter(&buf, 0, 0, 2, ' ', 0)
	_, _ = fmt.Fprintf(w, "\n%s, %d CPUs, %s\n", time.Now().Format(time.DateOnly), runtime.NumCPU(), runtime.Version())
	for _, r := range t.rows {
		_, _ = fmt.Fprintln(w, strings.Join(r[:], "\t"))
	}
	_ = w.Flush()
	fmt.Println(buf.String())
}

// benchDisk counts durable 4 KiB overwrites in a second.
func benchDisk(b *testing.B, dir string) float64 {
	b.Helper()
	f, err := os.Create(filepath.Join(dir, "disk"))
	if err != nil {
		b.Fatal(err)
	}
	defer func() { _ = f.Close() }()
	page := make([]byte, 4096)
	_, _ = rand.Read(page)
	start, n := time.Now(), 0
	for time.Since(start) < time.Second {
		if _, err := f.WriteAt(page, 0); err != nil {
			b.Fatal(err)
		}
		if err := syscall.Fdatasync(int(f.Fd())); err != nil {
			b.Fatal(err)
		}
		n++
	}
	return float64(n) / time.Since(start).Seconds()
}

func openStore(b *testing.B, dsn string, oneByOne bool) *store.Store {
	b.Helper()
	c := store.Config{DSN: dsn, OneByOne: oneByOne, Log: slog.New(slog.DiscardHandler)}
	if _, _, err := store.Migrate(b.Context(), c); err != nil {
		b.Fatal(err)
	}
	st, err := store.Open(b.Context(), c)
	if err != nil {
		b.Fatal(err)
	}
	return st
}

// benchTime is how long each row is measured, after warming up.
const benchTime = 4 * time.Second

// benchStore counts payments of two commits: the order with its job, then the
// settled order with its postings and without its job.
func benchStore(b *testing.B, dsn string, oneByOne bool) float64 {
	b.Helper()
	st := openStore(b, dsn, oneByOne)
	defer func() { _ = st.Close() }()
	var n atomic.Int64
	return pace(64, 0, benchTime, func() {
		now := time.Now().UTC().Truncate(time.Millisecond)
		id := n.Add(1)
		o := pay.Order{
			MerchantID: fmt.Sprintf("sz01BENCHSUB%08d", id%16), OutTradeNo: fmt.Sprintf("90000001%016d", id), ProviderID: "sz01BENCHMCH00000001",
			Channel: pay.Wxpay, TradeType: pay.TradeMicroPay, State: pay.PAYING, Total: 100, Currency: "CNY", Unit: st.NewUnit(),
			Fingerprint: strings.Repeat("f", 64), CodeHash: fmt.Sprintf("%064d", id), ShopID: "sz01BENCHSHP00000001", DeviceID: "till-1",
			StaffID: "1001", Body: "bench", TransactionID: "cp1", SentAt: now, CreatedAt: now, UpdatedAt: now, Truth: pay.TruthLocal,
		}
		key := jobs.Key{MerchantID: o.MerchantID, Kind: "settle", Ref: o.OutTradeNo}
		if won, err := st.OpenOrder(b.Context(), o, jobs.Edit{Put: &jobs.Job{Key: key, State: jobs.Ready, RunAt: now.Add(time.Hour), CreatedAt: now}}); err != nil || !won {
			b.Error(won, err)
			return
		}
		c := pay.Profiles[pay.Wxpay].Apply(o, pay.CallPay, pay.Outcome{Kind: pay.Paid, Verified: true, Payment: pay.Payment{TransactionID: "4200", Total: 100}}, now)
		c.Order.Unit = st.NewUnit()
		if won, err := st.SettleOrder(b.Context(), c, jobs.Edit{Done: &key}); err != nil || !won {
			b.Error(won, err)
		}
	}).rate
}

// measured is the result of one row.
type measured struct {
	rate     float64
	p50, p99 time.Duration
	count    int
}

// pace runs do from so many callers for a while; perSecond bounds the whole,
// 0 for as fast as possible. Latency under a bound counts from the moment the
// call was due, so that a stall is not hidden.
func pace(callers, perSecond int, d time.Duration, do func()) measured {
	for range callers { // warm up
		do()
	}
	var mu sync.Mutex
	var all []time.Duration
	var due atomic.Int64
	var wg sync.WaitGroup
	start := time.Now()
	for range callers {
		wg.Go(func() {
			var mine []time.Duration
			for time.Since(start) < d {
				begin := time.Now()
				if perSecond > 0 {
					begin = start.Add(time.Duration(due.Add(1)) * time.Second / time.Duration(perSecond))
					time.Sleep(time.Until(begin))
				}
				do()
				mine = append(mine, time.Since(begin))
			}
			mu.Lock()
			all = append(all, mine...)
			mu.Unlock()
		})
	}
	wg.Wait()
	took := time.Since(start).Seconds()
	slices.Sort(all)
	at := func(p float64) time.Duration { return all[min(int(p*float64(len(all))), len(all)-1)] }
	return measured{rate: float64(len(all)) / took, p50: at(.5), p99: at(.99), count: len(all)}
}

// instant is a wallet that answers at once: what is measured is ours.
type instant struct{ channel.Channel }

func (instant) Pay(_ context.Context, r channel.PayRequest) pay.Outcome {
	return pay.Outcome{Kind: pay.Paid, Code: "SUCCESS", Verified: true, Payment: pay.Payment{
		TransactionID: "4200000000202611210000000000", Total: r.Total, Settlement: r.Total, Cash: r.Total,
	}}
}

// row is one measurement of the whole gateway. It runs in a process of its own,
// so that its memory is its own.
type row struct {
	Engine, DSN        string
	Clients, PerSecond int
	// Wire is "" for a wallet without bytes, "unseen" for one whose bytes nobody
	// keeps, and "kept" for one whose bytes are kept as in production.
	Wire string
}

// rowEnv hands a row to the child process.
const rowEnv = "CLOUDPAY_BENCH_ROW"

// child runs one row in a child process and takes over its line.
func (t *table) child(b *testing.B, r row) {
	b.Helper()
	spec, err := json.Marshal(r)
	if err != nil {
		b.Fatal(err)
	}
	cmd := exec.Command(os.Args[0], "-test.run", "^$", "-test.bench", "^BenchmarkGatewayRow$", "-test.benchtime", "1x")
	cmd.Env = append(os.Environ(), rowEnv+"="+string(spec))
	out, err := cmd.Output()
	_, line, ok := strings.Cut(string(out), "row\t")
	if err != nil || !ok {
		b.Fatalf("row %s: %v\n%s", spec, err, out)
	}
	line, _, _ = strings.Cut(line, "\n")
	f := strings.Split(line, "\t")
	t.rows = append(t.rows, [4]string{f[0], f[1], f[2], f[3]})
	fmt.Fprintf(os.Stderr, "%s: %s %s %s\n", f[0], f[1], f[2], f[3])
}

// BenchmarkGatewayRow is the child's side of a row of BenchmarkTable.
func BenchmarkGatewayRow(b *testing.B) {
	spec := os.Getenv(rowEnv)
	if spec == "" {
		b.Skip("SKIPPED: a part of BenchmarkTable; run make bench")
	}
	var r row
	if err := json.Unmarshal([]byte(spec), &r); err != nil {
		b.Fatal(err)
	}
	tune(os.Getenv)
	for b.Loop() {
		t := &table{}
		t.gateway(b, r)
		fmt.Println("\nrow\t" + strings.Join(t.rows[0][:], "\t"))
	}
}

// gateway measures the whole gateway over HTTP on loopback: clients till
// connections, payments with a wallet that answers at once.
func (t *table) gateway(b *testing.B, r row) {
	b.Helper()
	engine, dsn, clients, perSecond := r.Engine, r.DSN, r.Clients, r.PerSecond
	st := openStore(b, dsn, false)
	keys, err := secret.OpenKeyring(secret.New(strings.Repeat("k", 32)))
	if err != nil {
		b.Fatal(err)
	}
	dir, err := directory.New(st, st, keys, time.Now)
	if err != nil {
		b.Fatal(err)
	}
	const merchants = 16
	in := directory.Installation{Providers: []directory.Provider{{ID: "sz01BENCHMCH00000001", Name: "bench"}}}
	for i := range merchants {
		in.Merchants = append(in.Merchants, directory.Merchant{
			ID: fmt.Sprintf("sz01BENCHSUB%08d", i), ProviderID: "sz01BENCHMCH00000001", Name: "bench", Prefixes: []string{fmt.Sprintf("9000%04d", i)},
			AuthenKey: secret.New(strings.Repeat("A", 32)), Wx: directory.WechatMerchant{SubMchID: "1900000001"},
			Shops: []directory.Shop{{ID: fmt.Sprintf("sz01BENCHSHP%08d", i), Name: "bench", Devices: []directory.Device{{ID: "till-1", Name: "1"}}}},
		})
	}
	if err := dir.Seed(b.Context(), in); err != nil {
		b.Fatal(err)
	}
	log := slog.New(slog.NewJSONHandler(must(os.OpenFile(os.DevNull, os.O_WRONLY, 0)), nil)) // info lines are made, as in production
	var wallet channel.Channel = instant{}
	ctx, stop := context.WithCancel(b.Context())
	var kept *evidence.Recorder
	if r.Wire != "" {
		wallet = newWired()
	}
	ran := make(chan error, 2)
	if r.Wire == "kept" {
		kept = evidence.New(evidence.Config{Keeper: st, Queue: st, Vault: must(dir.Vault(b.Context())), Now: time.Now, Log: log})
		go func() { ran <- kept.Run(ctx) }()
	} else {
		ran <- nil
	}
	gw := gateway.New(gateway.Config{
		Store: st, Directory: dir, Notify: notify.New(notify.Config{}), CodeKey: []byte("bench"), Now: time.Now, Log: log, Evidence: kept,
		Channels: func(context.Context, string, pay.Channel) (channel.Channel, error) { return wallet, nil },
	})
	go func() { ran <- gw.Run(ctx) }()
	srv := api.New(api.Config{Gateway: gw, Evidence: kept, Directory: dir, Ready: st.Ping, Registry: prometheus.NewRegistry(), Now: time.Now, Log: log}).HTTPServer()
	l := must(net.Listen("tcp", "127.0.0.1:0"))
	go func() { _ = srv.Serve(l) }()
	client := &http.Client{Transport: &http.Transport{MaxIdleConnsPerHost: clients, DisableCompression: true}}
	var n, failed atomic.Int64
	key := cpay.NewKey(strings.Repeat("A", 32))
	before := usage1()
	size0 := sizeOf(b, dsn)
	res := pace(clients, perSecond, benchTime, func() {
		id := n.Add(1)
		if err := payBench(client, "http://"+l.Addr().String(), key, id, merchants); err != nil {
			failed.Add(1)
			if failed.Load() < 3 {
				b.Error(err)
			}
		}
	})
	cpu, resident := usage1()-before, rss()
	total := float64(n.Load())
	stop()
	_ = srv.Close()
	if err := errors.Join(<-ran, <-ran); err != nil {
		b.Error(err)
	}
	client.CloseIdleConnections()
	if err := st.Close(); err != nil { // checkpoints: the size is then what stays
		b.Error(err)
	}
	row := fmt.Sprintf("gateway %s: %d clients", engine, clients)
	if r.Wire != "" {
		row += ", bytes " + r.Wire
	}
	if perSecond > 0 {
		row += fmt.Sprintf(" at %d/s", perSecond)
	}
	t.add(row, res.rate, "/s", fmt.Sprintf("p50 %v p99 %v, CPU %.0f µs, disk %.0f B, RSS %d MiB",
		res.p50.Round(10*time.Microsecond), res.p99.Round(10*time.Microsecond), cpu.Seconds()*1e6/total, float64(sizeOf(b, dsn)-size0)/total, resident>>20))
}

func must[T any](v T, err error) T {
	if err != nil {
		panic(err)
	}
	return v
}

// payBench is one payment as a till sends it, its answer verified.
func payBench(client *http.Client, base string, key cpay.Key, id, merchants int64) error {
	m := id % merchants
	req := &cpay.MicroPayRequest{
		PayMchKey: cpay.PayMchKey{OutMchID: "sz01BENCHMCH00000001", OutSubMchID: fmt.Sprintf("sz01BENCHSUB%08d", m), OutShopID: fmt.Sprintf("sz01BENCHSHP%08d", m)},
		PayContent: cpay.PayContent{
			OutTradeNo: fmt.Sprintf("9000%04d%016d", m, id), AuthorCode: cpay.PayCode(fmt.Sprintf("13%016d", id)), TotalFee: 100, FeeType: "CNY", Body: "bench",
		},
		OrderClient: cpay.OrderClient{DeviceID: "till-1", StaffID: "1001", TerminalType: 2, SDKVersion: "bench", SpbillCreateIP: "127.0.0.1", MachineNo: "1"},
	}
	body, err := cpay.SealRequest(req, cpay.Keys{AuthenKey: key}, cpay.ByMAC)
	if err != nil {
		return err
	}
	res, err := client.Post(base+"/cpay/micro_pay", "application/json", bytes.NewReader(body))
	if err != nil {
		return err
	}
	buf := make([]byte, 0, 2048)
	w := bytes.NewBuffer(buf)
	_, err = w.ReadFrom(res.Body)
	_ = res.Body.Close()
	if err != nil {
		return err
	}
	var out cpay.MicroPayResponse
	_, err = cpay.OpenResponse(w.Bytes(), cpay.MethodMicroPay, &out, key)
	if err == nil && out.OrderContent.Outcome() != cpay.StatePaid {
		err = fmt.Errorf("order is %v", out.OrderContent.Outcome())
	}
	return err
}

// usage1 is the CPU time of this process, client included.
func usage1() time.Duration {
	var u syscall.Rusage
	_ = syscall.Getrusage(syscall.RUSAGE_SELF, &u)
	return time.Duration(u.Utime.Nano() + u.Stime.Nano())
}

// rss is the resident size of this process in bytes.
func rss() int64 {
	raw, err := os.ReadFile("/proc/self/statm")
	if err != nil {
		return 0
	}
	var size, resident int64
	_, _ = fmt.Sscan(string(raw), &size, &resident)
	return resident * int64(os.Getpagesize())
}

// sizeOf is what the database takes on disk, without the write-ahead log, which
// is reused.
func sizeOf(b *testing.B, dsn string) int64 {
	b.Helper()
	if path, ok := strings.CutPrefix(dsn, "sqlite:"); ok {
		info, err := os.Stat(path)
		if err != nil {
			b.Fatal(err)
		}
		return info.Size()
	}
	conn, err := pgx.Connect(b.Context(), dsn)
	if err != nil {
		b.Fatal(err)
	}
	defer func() { _ = conn.Close(b.Context()) }()
	var n int64
	if err := conn.QueryRow(b.Context(), "SELECT pg_database_size(current_database())").Scan(&n); err != nil {
		b.Fatal(err)
	}
	return n
}
