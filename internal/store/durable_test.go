package store_test

import (
	"bufio"
	"fmt"
	"os"
	"os/exec"
	"strings"
	"sync"
	"testing"
	"time"

	"cloudpay/internal/jobs"
	"cloudpay/internal/pay"
	"cloudpay/internal/store"
	"cloudpay/internal/store/storetest"
)

// childDSN tells a test process that it is a child which is going to be killed.
const childDSN = "CLOUDPAY_STORE_CHILD"

// childLife bounds a child that nobody kills.
const childLife = time.Minute

// TestKilledChild is the child of TestAcknowledgedUnitsSurviveAKill. Every line
// it prints is written after the unit was acknowledged.
func TestKilledChild(t *testing.T) {
	t.Parallel()
	dsn, round, ok := strings.Cut(os.Getenv(childDSN), " ")
	if !ok {
		t.Skip("runs only as a child of another test")
	}
	s, err := store.Open(t.Context(), store.Config{DSN: dsn})
	if err != nil {
		t.Fatal(err)
	}
	end := time.After(childLife)
	for c := range 32 {
		go func() {
			for i := 0; ; i++ {
				o := newOrder(s, fmt.Sprintf("%s-%d-%d", round, c, i))
				if won, err := s.OpenOrder(t.Context(), o, settleJob(o)); err != nil || !won {
					return
				}
				fmt.Fprintf(os.Stderr, "open %s\n", o.OutTradeNo)
				if i%4 == 0 {
					continue // stays open
				}
				key := keyOf(o)
				if won, err := s.SettleOrder(t.Context(), paid(o), jobs.Edit{Done: &key}); err != nil || !won {
					return
				}
				fmt.Fprintf(os.Stderr, "paid %s\n", o.OutTradeNo)
			}
		}()
	}
	<-end
}

// TestAcknowledgedUnitsSurviveAKill kills a process in the middle of its load,
// again and again, and finds everything that it had acknowledged, and every
// unit whole.
func TestAcknowledgedUnitsSurviveAKill(t *testing.T) {
	t.Parallel()
	for _, e := range storetest.Engines() {
		t.Run(e.Name, func(t *testing.T) {
			t.Parallel()
			dsn := e.DSN(t)
			opened := storetest.Migrated(t, dsn)
			total := 0
			for round := range 5 {
				told := killChild(t, dsn, round)
				total += len(told)
				s := opened()
				for number, what := range told {
					o := stored(t, s, number)
					if what == "paid" && o.State != pay.PAID {
						t.Fatalf("order %s was acknowledged as paid and is %s", number, o.State)
					}
					whole(t, s, o)
				}
				for _, o := range got[[]pay.Order](t)(s.OpenOrders(t.Context(), merchant, 10_000)) {
					whole(t, s, o)
				}
				if err := s.Verify(t.Context()); err != nil {
					t.Fatal(err)
				}
			}
			t.Logf("%d orders were acknowledged before 5 kills, and all are there", total)
		})
	}
}

// whole fails the test if only a part of a unit of the order is stored.
func whole(t *testing.T, s *store.Store, o pay.Order) {
	t.Helper()
	ps := got[[]pay.Posting](t)(s.Postings(t.Context(), merchant, o.OutTradeNo))
	_, held, err := s.ClaimOne(t.Context(), noon, time.Nanosecond, keyOf(o))
	if err != nil {
		t.Fatal(err)
	}
	if isPaid := o.State == pay.PAID; isPaid != (len(ps) == 1) || isPaid == held {
		t.Fatalf("order %s is %s with %d postings; its job is there: %v", o.OutTradeNo, o.State, len(ps), held)
	}
}

// killChild starts a child, kills it after it has said enough, and returns the
// last it said of each order.
func killChild(t *testing.T, dsn string, round int) map[string]string {
	t.Helper()
	cmd := exec.CommandContext(t.Context(), os.Args[0], "-test.run=^TestKilledChild$")
	cmd.Env = append(os.Environ(), fmt.Sprintf("%s=%s %d", childDSN, dsn, round))
	out, err := cmd.StderrPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	told := map[string]string{}
	lines := bufio.NewScanner(out)
	for n := 0; lines.Scan(); n++ {
		if what, number, ok := strings.Cut(lines.Text(), " "); ok && (what == "open" || what == "paid") {
			told[number] = what
		}
		if n == 300*(round+1) {
			if err := cmd.Process.Kill(); err != nil { // SIGKILL; what is still in the pipe counts too
				t.Error(err)
			}
		}
	}
	_ = cmd.Wait() // it says "killed"
	if len(told) == 0 {
		t.Fatal("the child did nothing")
	}
	return told
}

// TestLostConnectionsLoseNothing ends the committers' sessions in the middle of
// a load. Every unit is answered truly, most of them as if nothing had happened.
func TestLostConnectionsLoseNothing(t *testing.T) {
	t.Parallel()
	dsn := storetest.Postgres(t)
	s := storetest.Migrated(t, dsn)()
	admin := raw(t, dsn)
	stop := make(chan struct{})
	var wg sync.WaitGroup
	var mu sync.Mutex
	written, failed := 0, 0
	for c := range 32 {
		wg.Go(func() {
			for i := 0; ; i++ {
				select {
				case <-stop:
					return
				default:
				}
				o := newOrder(s, fmt.Sprintf("%d-%d", c, i))
				won, err := s.OpenOrder(t.Context(), o, settleJob(o))
				if err == nil && !won {
					t.Errorf("order %s lost, and nobody else has its number", o.OutTradeNo)
				}
				if err == nil {
					key := keyOf(o)
					won, err = s.SettleOrder(t.Context(), paid(o), jobs.Edit{Done: &key})
					if err == nil && !won {
						t.Errorf("settling order %s lost, and nobody else settles it", o.OutTradeNo)
					}
				}
				mu.Lock()
				written++
				if err != nil {
					failed++
				}
				mu.Unlock()
			}
		})
	}
	const ends = 20
	for range ends {
		time.Sleep(30 * time.Millisecond)
		run(t, admin, `SELECT pg_terminate_backend(pid) FROM pg_stat_activity
			WHERE datname = current_database() AND application_name = 'cloudpay'`)
	}
	close(stop)
	wg.Wait()
	if st := s.Stats(); st.Replays == 0 {
		t.Errorf("no group was hit: %+v", st)
	}
	count := func(query string) (n int) {
		t.Helper()
		if err := admin.QueryRowContext(t.Context(), query).Scan(&n); err != nil {
			t.Fatal(err)
		}
		return n
	}
	same(t, "orders paid, at least", count("SELECT COUNT(*) FROM orders WHERE state = 'PAID'") >= written-failed, true)
	same(t, "postings per paid order", count("SELECT COUNT(*) FROM postings"), 2*count("SELECT COUNT(*) FROM orders WHERE state = 'PAID'"))
	same(t, "jobs per open order", count("SELECT COUNT(*) FROM jobs"), count("SELECT COUNT(*) FROM orders WHERE state = 'PAYING'"))
	t.Logf("%d payments while committers lost their sessions %d times; %d callers were told that the outcome is unknown", written, ends, failed)
}
