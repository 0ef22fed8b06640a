package gateway_test

import (
	"cmp"
	"context"
	"errors"
	"log/slog"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"cloudpay/internal/directory"
	"cloudpay/internal/gateway"
	"cloudpay/internal/notify"
	"cloudpay/internal/pay"
	"cloudpay/internal/sandbox"
	"cloudpay/internal/secret"
	"cloudpay/internal/store"
	"cloudpay/internal/store/storetest"
)

// neighbour starts a second gateway on the database and the wallets of h, as
// another process would be, with a clock that is ahead by skew.
func (h *house) neighbour(dsn string, profiles map[pay.Channel]pay.Profile, skew time.Duration) *gateway.Gateway {
	h.t.Helper()
	return h.neighbourOver(walletsOf(h.t, h.box), dsn, profiles, skew)
}

// neighbourOver is neighbour with wallets of its own.
func (h *house) neighbourOver(find gateway.Channels, dsn string, profiles map[pay.Channel]pay.Profile, skew time.Duration) *gateway.Gateway {
	t := h.t
	t.Helper()
	now := func() time.Time { return time.Now().Add(skew) }
	log := slog.New(slog.NewTextHandler(testWriter{t}, &slog.HandlerOptions{Level: slog.LevelWarn}))
	st, err := store.Open(t.Context(), store.Config{DSN: dsn, Log: log})
	if err != nil {
		t.Fatal(err)
	}
	keys, err := secret.OpenKeyring(secret.New(strings.Repeat("k", 32)))
	if err != nil {
		t.Fatal(err)
	}
	people, err := directory.New(st, st, keys, now)
	if err != nil {
		t.Fatal(err)
	}
	gw := gateway.New(gateway.Config{
		Store: st, Directory: people, Channels: find, Notify: notify.New(notify.Config{AllowPrivate: true}),
		CodeKey: []byte("test code key"), Profiles: profiles, Now: now, Log: log,
	})
	ctx, cancel := context.WithCancel(context.WithoutCancel(t.Context()))
	done := make(chan error, 1)
	go func() { done <- gw.Run(ctx) }()
	t.Cleanup(func() {
		cancel()
		if err := errors.Join(<-done, st.Close()); err != nil {
			t.Errorf("stop the neighbour: %v", err)
		}
	})
	return gw
}

// TestTwoGatewaysOnOneDatabase lets two processes whose clocks disagree by more
// than half a lease drive the same orders: every request reaches both, jobs are
// taken over in the middle of a call, and still nobody is charged, refunded or
// told twice.
func TestTwoGatewaysOnOneDatabase(t *testing.T) {
	t.Parallel()
	const n = 200
	quick := changed(func(p *pay.Profile) {
		p.QueryEvery, p.ReverseFrom, p.BlindFrom, p.BlindUntil = time.Second, 34*time.Second, 36*time.Second, 45*time.Second
		p.MissingGap, p.MissingAfter, p.RefundSpacing = time.Second, 36*time.Second, 0
	})
	dsn := storetest.Postgres(t)
	storetest.Migrated(t, dsn)
	h := newHouse(t, options{dsn: dsn, profiles: quick})
	both := []*gateway.Gateway{h.gw, h.neighbour(dsn, quick, 30*time.Second)}
	seed := uint64(5)
	for _, scenario := range []string{"drop_after", "drop_before", "slow"} {
		rate := map[string]float64{"drop_after": 0.2, "drop_before": 0.1, "slow": 0.02}[scenario]
		if err := h.box.AddFault(sandbox.Fault{Scenario: scenario, Rate: rate, Seed: &seed}); err != nil {
			t.Fatal(err)
		}
	}
	orders := make([]gateway.MicroPay, n)
	var refunds atomic.Int64
	limit := make(chan struct{}, 32)
	var wg sync.WaitGroup
	for i := range orders {
		orders[i] = h.request([]pay.Channel{pay.Wxpay, pay.Alipay}[i%2])
		for g := range both {
			wg.Go(func() {
				limit <- struct{}{}
				defer func() { <-limit }()
				o, err := both[g].MicroPay(t.Context(), h.merchant, orders[i])
				if err == nil {
					err = o.PayAnswer()
				}
				switch {
				case err != nil && !errors.Is(err, pay.ErrUnavailable):
					t.Errorf("pay %s at %d: %v", orders[i].OutTradeNo, g, err)
				case i%5 == 0:
					_, _ = both[g].Reverse(t.Context(), h.merchant, orders[i].OutTradeNo, "till-1")
				case i%5 == 1 && err == nil && o.State == pay.PAID:
					for range 4 {
						_, _, err := both[g].Refund(t.Context(), h.merchant, gateway.Refund{OutTradeNo: o.OutTradeNo, OutRefundNo: h.number(), Total: 100, Amount: 60})
						if err == nil {
							refunds.Add(1)
						}
					}
				}
			})
		}
	}
	wg.Wait()
	if err := h.box.ClearFaults(); err != nil {
		t.Fatal(err)
	}
	states := make(map[pay.OrderState]int)
	for i := range orders {
		no := orders[i].OutTradeNo
		o := h.until(no, 4*time.Minute, func(o pay.Order) bool { return o.State.Final() && o.Reserved == o.Refunded })
		states[o.State]++
		want := int64(0)
		if o.State == pay.PAID {
			want = int64(o.Total - o.Refunded)
		}
		if kept, charges := h.kept(no); kept != want || charges > 1 {
			t.Errorf("order %s is %s with %d refunded; the wallet kept %d in %d charges", no, o.State, o.Refunded, kept, charges)
		}
		h.checkBooks(no)
	}
	for deadline := time.Now().Add(time.Minute); len(h.jobs()) > 0 && time.Now().Before(deadline); {
		<-time.After(100 * time.Millisecond)
	}
	for _, j := range h.jobs() {
		t.Errorf("work is left: %+v", j)
	}
	t.Logf("states %v, refunds accepted %d", states, refunds.Load())
}

// TestTwoGatewaysPrepareOneOrder: both processes get the same requests, some
// answers are lost, customers pay while both close. Nobody is shown two codes of
// one order, and what the wallet keeps is what the order says.
func TestTwoGatewaysPrepareOneOrder(t *testing.T) {
	t.Parallel()
	const n = 40
	dsn := storetest.Postgres(t)
	storetest.Migrated(t, dsn)
	quick := changed(func(p *pay.Profile) {
		p.CloseFrom, p.ExpireMin, p.ExpireStep, p.ExpireGrace = 0, time.Second, 0, time.Second
	})
	h := newHouse(t, options{dsn: dsn, profiles: quick, notices: true})
	both := []*gateway.Gateway{h.gw, h.neighbour(dsn, quick, 5*time.Second)}
	seed := uint64(7)
	if err := h.box.AddFault(sandbox.Fault{Scenario: "drop_after", Rate: 0.2, Seed: &seed}); err != nil {
		t.Fatal(err)
	}
	orders := make([]gateway.Prepay, n)
	limit := make(chan struct{}, 8)
	var wg sync.WaitGroup
	for i := range orders {
		orders[i] = h.scan([]pay.Channel{pay.Wxpay, pay.Alipay}[i%2])
		wg.Go(func() {
			limit <- struct{}{}
			defer func() { <-limit }()
			orders[i].ExpireAt = time.Now().Add(15 * time.Second) // from when it is asked for: a busy machine is late
			var shown [2]string
			var asked sync.WaitGroup
			for g := range both {
				asked.Go(func() {
					o, _, err := both[g].Prepay(t.Context(), h.merchant, orders[i])
					if err != nil && !errors.Is(err, pay.ErrUnavailable) {
						t.Errorf("prepare %s at %d: %v", orders[i].OutTradeNo, g, err)
					}
					shown[g] = o.Prepaid.CodeURL
				})
			}
			asked.Wait()
			if shown[0] != "" && shown[1] != "" && shown[0] != shown[1] {
				t.Errorf("order %s was shown as %v", orders[i].OutTradeNo, shown)
			}
			if cmp.Or(shown[0], shown[1]) != "" && i%4 < 2 {
				asked.Go(func() {
					_, _ = h.box.PayPrepared(t.Context(), "anna", sandbox.Invocation{CodeURL: cmp.Or(shown[0], shown[1])}) // it may be closed already
				})
			}
			if i%8 < 6 {
				for g := range both {
					asked.Go(func() {
						err := both[g].CloseOrder(t.Context(), h.merchant, orders[i].OutTradeNo)
						if err != nil && !errors.Is(err, pay.ErrUnavailable) && !errors.Is(err, pay.ErrDenied) {
							t.Errorf("close %s at %d: %v", orders[i].OutTradeNo, g, err)
						}
					})
				}
			}
			asked.Wait()
		})
	}
	wg.Wait()
	if err := h.box.ClearFaults(); err != nil {
		t.Fatal(err)
	}
	states := make(map[pay.OrderState]int)
	for i := range orders {
		no := orders[i].OutTradeNo
		o := h.until(no, 3*time.Minute, func(o pay.Order) bool {
			return o.State.Final() && !o.Watch && o.Late != pay.LateHeld && o.Reserved == o.Refunded
		})
		states[o.State]++
		want := int64(0)
		if o.State == pay.PAID {
			want = int64(o.Total)
		}
		if kept, charges := h.kept(no); kept != want || charges > 1 {
			t.Errorf("order %s is %s, late %q; the wallet kept %d in %d charges", no, o.State, o.Late, kept, charges)
		}
		h.checkBooks(no)
	}
	t.Logf("states %v", states)
}
