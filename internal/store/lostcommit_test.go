package store_test

import (
	"bytes"
	"database/sql"
	"errors"
	"io"
	"log/slog"
	"net"
	"net/url"
	"strconv"
	"sync"
	"testing"
	"time"

	"github.com/jackc/pgx/v5/pgconn"

	"cloudpay/internal/jobs"
	"cloudpay/internal/pay"
	"cloudpay/internal/store"
	"cloudpay/internal/store/storetest"
)

// wire stands between a store and PostgreSQL and loses connections at the
// worst moment: at a COMMIT.
type wire struct {
	network, address string // of the server
	listener         net.Listener

	mu    sync.Mutex
	deeds []deed // what happens to the next commits, in order
	done  int    // deeds that were done
	cut   bool   // nobody gets through
	lines []net.Conn
}

// deed is what happens to one COMMIT.
type deed int

const (
	pass       deed = iota
	loseCommit      // the server never reads it
	loseAnswer      // the server commits, and nobody hears
)

// newWire starts a wire to the server of dsn and returns it with the DSN that
// leads through it.
func newWire(t *testing.T, dsn string) (*wire, string) {
	t.Helper()
	cfg := got[*pgconn.Config](t)(pgconn.ParseConfig(dsn))
	w := &wire{}
	w.network, w.address = pgconn.NetworkAddress(cfg.Host, cfg.Port)
	var err error
	if w.listener, err = net.Listen("tcp", "127.0.0.1:0"); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = w.listener.Close() })
	go func() {
		for {
			c, err := w.listener.Accept()
			if err != nil {
				return
			}
			go w.carry(c)
		}
	}()
	u := got[*url.URL](t)(url.Parse(dsn))
	q := u.Query()
	q.Del("host")
	q.Del("port")
	q.Set("sslmode", "disable")
	u.Host, u.RawQuery = w.listener.Addr().String(), q.Encode()
	return w, u.String()
}

// next adds deeds for the commits to come.
func (w *wire) next(d ...deed) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.deeds = append(w.deeds, d...)
}

// sever ends all connections, and refuses new ones until it is called with false.
func (w *wire) sever(cut bool) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.cut = cut
	for _, c := range w.lines {
		_ = c.Close()
	}
	w.lines = nil
}

func (w *wire) take() deed {
	w.mu.Lock()
	defer w.mu.Unlock()
	if len(w.deeds) == 0 {
		return pass
	}
	d := w.deeds[0]
	w.deeds = w.deeds[1:]
	w.done++
	return d
}

func (w *wire) carry(client net.Conn) {
	defer func() { _ = client.Close() }()
	w.mu.Lock()
	cut := w.cut
	w.lines = append(w.lines, client)
	w.mu.Unlock()
	if cut {
		return
	}
	server, err := net.Dial(w.network, w.address)
	if err != nil {
		return
	}
	defer func() { _ = server.Close() }()
	deaf := make(chan struct{})
	go func() {
		buf := make([]byte, 64<<10)
		for {
			n, err := server.Read(buf)
			select {
			case <-deaf:
				err = errors.Join(err, net.ErrClosed)
			default:
			}
			if err != nil {
				_ = client.Close()
				return
			}
			if _, err := client.Write(buf[:n]); err != nil {
				return
			}
		}
	}()
	buf := make([]byte, 64<<10)
	for {
		n, err := client.Read(buf)
		if err != nil {
			return
		}
		if bytes.Contains(buf[:n], []byte("Q\x00\x00\x00\x0bCOMMIT\x00")) {
			switch w.take() {
			case pass:
			case loseCommit:
				return
			case loseAnswer:
				close(deaf)
				_, _ = server.Write(buf[:n])
				_, _ = io.Copy(io.Discard, client) // until the other direction closes it
				return
			}
		}
		if _, err := server.Write(buf[:n]); err != nil {
			return
		}
	}
}

// TestAmbiguousCommitIsReadBack loses commits and answers to commits. The
// store reads its units back by their ids before it replays them: every unit
// is done once, and its caller is told that it won.
func TestAmbiguousCommitIsReadBack(t *testing.T) {
	t.Parallel()
	dsn := storetest.Postgres(t)
	direct := storetest.Migrated(t, dsn)()
	w, through := newWire(t, dsn)
	s := got[*store.Store](t)(store.Open(t.Context(), store.Config{DSN: through, Committers: 1, Log: slog.New(slog.DiscardHandler)}))
	t.Cleanup(func() { _ = s.Close() })
	steps := [][]deed{{loseCommit}, {loseAnswer}, {loseCommit, loseCommit}, {loseCommit, loseAnswer}}
	deeds := 0
	for i, step := range steps {
		lose := func() {
			w.next(step...)
			deeds += len(step)
		}
		o := newOrder(s, strconv.Itoa(i))
		lose()
		wins(t, true)(s.OpenOrder(t.Context(), o, settleJob(o)))
		same(t, "unit", stored(t, direct, o.OutTradeNo).Unit, o.Unit)

		c := paid(o)
		c.Order.Unit = s.NewUnit()
		key := keyOf(o)
		lose()
		wins(t, true)(s.SettleOrder(t.Context(), c, jobs.Edit{Done: &key}))
		same(t, "order", stored(t, direct, o.OutTradeNo), c.Order)

		r := newRefund(s, o, "r"+o.OutTradeNo, 60)
		lose()
		wins(t, true)(s.OpenRefund(t.Context(), r, pay.PAID, r.OpenPostings()))
		same(t, "reserved", stored(t, direct, o.OutTradeNo).Reserved, 60)

		rejected := pay.RefundChange{From: r, Refund: r, Reserved: -60, Postings: []pay.Posting{pay.PostRejected(r.OutRefundNo, 60)}}
		rejected.Refund.State = pay.RefundRejected
		lose()
		wins(t, true)(s.SettleRefund(t.Context(), rejected, settleJob(o)))
		same(t, "reserved", stored(t, direct, o.OutTradeNo).Reserved, 0)

		lose()
		j, ok, err := s.ClaimOne(t.Context(), noon, lease, key)
		if err != nil || !ok || j.Attempt != 1 {
			t.Fatalf("claimed %v, %v, %v; want the first attempt", j, ok, err)
		}
		lose()
		if err := s.Finish(t.Context(), j); err != nil {
			t.Fatal(err)
		}
		same(t, "postings", len(got[[]pay.Posting](t)(direct.Postings(t.Context(), merchant, o.OutTradeNo))), 3)
	}
	same(t, "jobs", len(got[[]jobs.Job](t)(direct.ListJobs(t.Context(), store.JobFilter{}))), 0)
	same(t, "commits that got lost", w.done, deeds)
}

// TestLoserOfAnAmbiguousCommitIsNotAWinner lets another process take the row
// while the commit is lost.
func TestLoserOfAnAmbiguousCommitIsNotAWinner(t *testing.T) {
	t.Parallel()
	dsn := storetest.Postgres(t)
	direct := storetest.Migrated(t, dsn)()
	w, through := newWire(t, dsn)
	s := got[*store.Store](t)(store.Open(t.Context(), store.Config{DSN: through, Committers: 1, Log: slog.New(slog.DiscardHandler)}))
	t.Cleanup(func() { _ = s.Close() })
	o := openPaid(t, direct, "1")
	w.next(loseAnswer)
	wins(t, false)(s.OpenOrder(t.Context(), newOrder(s, "1")))
	w.next(loseCommit)
	wins(t, false)(s.SettleOrder(t.Context(), paid(newOrder(s, "1"))))
	same(t, "order", stored(t, direct, "1"), o)
	same(t, "commits that got lost", w.done, 2)
}

func TestUnitWaitsForAServerThatComesBack(t *testing.T) {
	t.Parallel()
	dsn := storetest.Postgres(t)
	storetest.Migrated(t, dsn)
	w, through := newWire(t, dsn)
	s := got[*store.Store](t)(store.Open(t.Context(), store.Config{DSN: through, Log: slog.New(slog.DiscardHandler)}))
	t.Cleanup(func() { _ = s.Close() })
	open(t, s, newOrder(s, "before"))
	w.sever(true)
	back := time.AfterFunc(300*time.Millisecond, func() { w.sever(false) })
	t.Cleanup(func() { back.Stop() })
	open(t, s, newOrder(s, "after"))
	stored(t, s, "before")
	stored(t, s, "after")
}

func TestCloseDoesNotWaitForALostServer(t *testing.T) {
	t.Parallel()
	dsn := storetest.Postgres(t)
	direct := storetest.Migrated(t, dsn)()
	w, through := newWire(t, dsn)
	s := got[*store.Store](t)(store.Open(t.Context(), store.Config{DSN: through, Committers: 1, Log: slog.New(slog.DiscardHandler)}))
	open(t, s, newOrder(s, "1"))
	w.sever(true)
	answers := make(chan error, 8)
	for i := range cap(answers) {
		go func() {
			_, err := s.OpenOrder(t.Context(), newOrder(s, strconv.Itoa(i+2)))
			answers <- err
		}()
	}
	for s.Stats().Queued < int64(cap(answers)) {
		time.Sleep(time.Millisecond)
	}
	begun := time.Now()
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	if took := time.Since(begun); took > 3*time.Second {
		t.Errorf("Close took %v; a process must end within 5 s", took)
	}
	for range cap(answers) {
		if err := <-answers; err == nil {
			t.Error("a unit was acknowledged without a server")
		}
	}
	_, err := direct.Order(t.Context(), merchant, "2")
	is(t, err, pay.ErrNotFound)
}

// TestStuckRowStopsItsOwnUnitOnly holds the row of one order from outside. Its
// unit gives up after lock_timeout, and its neighbours are committed.
func TestStuckRowStopsItsOwnUnitOnly(t *testing.T) {
	t.Parallel()
	dsn := storetest.Postgres(t)
	s := storetest.Migrated(t, dsn)(func(c *store.Config) { c.Committers = 1 })
	stuck := newOrder(s, "stuck")
	open(t, s, stuck)
	outside := got[*sql.Tx](t)(raw(t, dsn).BeginTx(t.Context(), nil))
	if _, err := outside.ExecContext(t.Context(), "UPDATE orders SET text = '' WHERE out_trade_no = 'stuck'"); err != nil {
		t.Fatal(err)
	}
	var wg sync.WaitGroup
	for i := range 16 {
		wg.Go(func() {
			if i == 0 {
				if won, err := s.SettleOrder(t.Context(), paid(stuck)); err == nil || won {
					t.Errorf("the stuck unit: %v, %v", won, err)
				}
				return
			}
			won, err := s.OpenOrder(t.Context(), newOrder(s, strconv.Itoa(i)))
			if err != nil || !won {
				t.Errorf("a neighbour: %v, %v", won, err)
			}
		})
	}
	wg.Wait()
	if err := outside.Rollback(); err != nil {
		t.Fatal(err)
	}
	wins(t, true)(s.SettleOrder(t.Context(), paid(stuck)))
}
