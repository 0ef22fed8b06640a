package cpay

import (
	"context"
	"errors"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"
)

func threeDomains(cfg *Config) { cfg.Domains = []string{"a.example", "b.example", "c.example"} }

func TestTheFirstReachableDomainIsTakenAndKept(t *testing.T) {
	t.Parallel()
	s := newServer(t, map[string][]reply{MethodQueryOrder: {{order: wx(WxpayMicroPaid)}}})
	s.down["a.example"] = true
	c := newTestClient(t, s, threeDomains)
	for range 3 {
		if _, err := c.QueryOrder(t.Context(), &QueryOrderRequest{OutTradeNo: testTradeNo}); err != nil {
			t.Fatal(err)
		}
	}
	want := "b.example/ping b.example/query_order b.example/query_order b.example/query_order"
	if got := s.hosts(); got != want {
		t.Errorf("calls %s, want %s", got, want)
	}
}

func TestALostCallGoesToTheNextDomainUnchanged(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		s := newServer(t, map[string][]reply{MethodMicroPay: {{lost: true}, {order: wx(WxpayMicroPaid)}}})
		c := newTestClient(t, s, threeDomains)
		if _, err := c.MicroPay(t.Context(), sale()); err != nil {
			t.Fatal(err)
		}
		want := "a.example/ping a.example/micro_pay b.example/ping b.example/micro_pay"
		if got := s.hosts(); got != want {
			t.Errorf("calls %s, want %s", got, want)
		}
		if s.calls[1].body != s.calls[3].body {
			t.Error("the repeated call differs")
		}
	})
}

// TestAStatusIsNoReasonToLeaveADomain: 103 is an answer; only silence is not.
func TestAStatusIsNoReasonToLeaveADomain(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		s := newServer(t, map[string][]reply{MethodMicroPay: {refusal(StatusUnknown, 0, ""), {order: wx(WxpayMicroPaid)}}})
		if _, err := newTestClient(t, s, threeDomains).MicroPay(t.Context(), sale()); err != nil {
			t.Fatal(err)
		}
		if got, want := s.hosts(), "a.example/ping a.example/micro_pay a.example/micro_pay"; got != want {
			t.Errorf("calls %s, want %s", got, want)
		}
	})
}

func TestTheCallersImpatienceIsNoReasonToLeaveADomain(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		s := newServer(t, map[string][]reply{MethodQueryOrder: {{hang: true}, {order: wx(WxpayMicroPaid)}}})
		c := newTestClient(t, s, threeDomains)
		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		if _, err := c.QueryOrder(ctx, &QueryOrderRequest{OutTradeNo: testTradeNo}); !Unknown(err) {
			t.Errorf("got %v", err)
		}
		if _, err := c.QueryOrder(t.Context(), &QueryOrderRequest{OutTradeNo: testTradeNo}); err != nil {
			t.Error(err)
		}
		if got, want := s.hosts(), "a.example/ping a.example/query_order a.example/query_order"; got != want {
			t.Errorf("calls %s, want %s", got, want)
		}
	})
}

func TestNoDomainAtAll(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		s := newServer(t, map[string][]reply{MethodPing: {{hang: true}}})
		start := time.Now()
		c := newTestClient(t, s, threeDomains, func(cfg *Config) { cfg.Attempts = 1 })
		_, err := c.QueryOrder(t.Context(), &QueryOrderRequest{OutTradeNo: testTradeNo})
		if !errors.Is(err, errNoDomain) || !Unknown(err) || strings.Contains(err.Error(), " at ") {
			t.Errorf("got %v", err)
		}
		if took := time.Since(start); took != 3*probeTimeout {
			t.Errorf("took %v", took)
		}
		if _, err := c.Ping(t.Context()); !errors.Is(err, errNoDomain) {
			t.Errorf("ping: %v", err)
		}
		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		if _, err := c.Ping(ctx); !errors.Is(err, context.DeadlineExceeded) {
			t.Errorf("ping with a deadline: %v", err)
		}
	})
}

func TestPingMustBeAPing(t *testing.T) {
	t.Parallel()
	for raw, ok := range map[string]bool{
		`{"description":"ok","status":0,"timestamp":1568810077}`:     true,
		`{"description":"ok","status":"0","timestamp":"1568810077"}`: true,
		`{"description":"ok","status":0}`:                            false,
		`{"description":"ok","timestamp":1568810077}`:                false,
		`{"description":"no","status":-1,"timestamp":1568810077}`:    false,
		`<html>captive portal</html>`:                                false,
	} {
		c := newTestClient(t, newServer(t, map[string][]reply{MethodPing: {{raw: raw}}}))
		resp, err := c.Ping(t.Context())
		if (err == nil) != ok || (ok && resp.Timestamp != 1568810077) {
			t.Errorf("Ping answered %s: %+v, %v", raw, resp, err)
		}
	}
	c := newTestClient(t, newServer(t, map[string][]reply{MethodPing: {{http: 500, raw: `{"status":0,"timestamp":1}`}}}))
	if _, err := c.Ping(t.Context()); err == nil {
		t.Error("a ping with HTTP status 500 counts")
	}
}

// TestOneProbeServesAllCallers: concurrent calls wait for one result, and a
// caller that gives up does not take the probe with it.
func TestOneProbeServesAllCallers(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		probes := 0
		f := newFailover([]string{"a", "b"}, func(ctx context.Context, _ string) error {
			probes++
			pause(ctx, time.Second)
			return nil
		})
		var wg sync.WaitGroup
		for range 8 {
			wg.Go(func() {
				if base, err := f.pick(t.Context()); base != "a" || err != nil {
					t.Errorf("pick = %s, %v", base, err)
				}
			})
		}
		wg.Go(func() {
			pause(t.Context(), time.Millisecond) // after the probe has begun
			ctx, cancel := context.WithTimeout(t.Context(), 10*time.Millisecond)
			defer cancel()
			if _, err := f.pick(ctx); !errors.Is(err, context.DeadlineExceeded) {
				t.Errorf("impatient pick: %v", err)
			}
		})
		wg.Wait()
		if probes != 1 {
			t.Errorf("%d probes", probes)
		}
		f.failed("b") // not the chosen one: changes nothing
		if base, ok := f.current(); base != "a" || !ok {
			t.Errorf("current = %s, %v", base, ok)
		}
		f.failed("a")
		f.failed("a") // the second of two calls that failed together
		if base, err := f.pick(t.Context()); base != "b" || err != nil {
			t.Errorf("pick after a failure = %s, %v", base, err)
		}
	})
}
