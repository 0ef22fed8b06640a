package main

import (
	"context"
	"fmt"
	"maps"
	"os"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"cloudpay/cpay"
	"cloudpay/internal/pay"
	"cloudpay/internal/store"
	"cloudpay/internal/store/storetest"
)

// TestPromise1ConfirmedPaymentsSurviveKill9 takes payments and refunds with many
// tills and kills the process in the middle of them, again and again. While
// nobody runs, the database itself must hold whatever a till was told; what is
// only finished after the next start would not count.
func TestPromise1ConfirmedPaymentsSurviveKill9(t *testing.T) {
	t.Parallel()
	for _, engine := range []string{"sqlite", "postgres"} {
		t.Run(engine, func(t *testing.T) {
			t.Parallel()
			dir := t.TempDir()
			dsn := "sqlite:" + dir + "/cloudpay.db"
			if engine == "postgres" {
				dsn = storetest.Postgres(t)
			}
			c := &confirming{t: t, dir: dir, dsn: dsn, paid: map[string]int64{}, refunded: map[string]int64{}}
			for life := range 4 {
				c.live(life)
				c.lookWhileNobodyRuns()
			}
			// Whoever asks after the next start is told the same.
			d := startDemo(t, dir, "--dsn", dsn)
			till, err := tillFlags{Data: dir}.open()
			if err != nil {
				t.Fatal(err)
			}
			asked := 0
			for no := range c.paid {
				res, err := till.client.QueryOrder(t.Context(), &cpay.QueryOrderRequest{OutTradeNo: no})
				if err != nil || res.OrderContent.Outcome() != cpay.StatePaid && res.OrderContent.Outcome() != cpay.StateRefunded {
					t.Errorf("order %s was confirmed; now: %v", no, err)
				}
				if asked++; asked == 50 {
					break
				}
			}
			if err := d.stop(t, 10*time.Second); err != nil {
				t.Error(err)
			}
			if len(c.paid) < 100 || len(c.refunded) == 0 {
				t.Errorf("only %d payments and %d refunds were confirmed", len(c.paid), len(c.refunded))
			}
			t.Logf("4 times killed; %d payments and %d refunds were confirmed, and all are there", len(c.paid), len(c.refunded))
		})
	}
}

// confirming is what tills were told.
type confirming struct {
	t        *testing.T
	dir, dsn string
	merchant string
	orders   atomic.Int64

	mu       sync.Mutex
	paid     map[string]int64 // amounts in fen, by number
	refunded map[string]int64
}

// live runs a process, takes payments, and kills it in the middle of them.
func (c *confirming) live(life int) {
	t := c.t
	t.Helper()
	d := startDemo(t, c.dir, "--dsn", c.dsn)
	till, err := tillFlags{Data: c.dir}.open()
	if err != nil {
		t.Fatal(err)
	}
	c.merchant = till.merchant.OutSubMchID
	prefix := till.merchant.Prefixes[0]
	ctx, over := context.WithCancel(t.Context())
	defer over()
	const tills, enough = 16, 60
	var done atomic.Int64
	killed := make(chan struct{})
	var wg sync.WaitGroup
	for range tills {
		wg.Go(func() {
			for ctx.Err() == nil {
				if c.sell(ctx, d, till.client, prefix) && done.Add(1) == int64(enough+life) {
					close(killed)
				}
			}
		})
	}
	select {
	case <-killed: // the others are in the middle of something
	case <-time.After(2 * time.Minute):
		t.Error("the tills sold too little to be interrupted")
	}
	d.kill()
	over()
	wg.Wait()
}

// sell makes one payment, every fourth time with a refund, and writes down what
// it was told. It reports whether the payment was confirmed.
func (c *confirming) sell(ctx context.Context, d *demo, client *cpay.Client, prefix string) bool {
	n := c.orders.Add(1)
	no, fen := fmt.Sprintf("%s%016d", prefix, n), 100+n
	code := tryPayCode(ctx, d, []string{"wxpay", "alipay"}[n%2])
	if code == "" {
		return false
	}
	res, err := client.MicroPay(ctx, &cpay.MicroPayRequest{PayContent: cpay.PayContent{
		OutTradeNo: no, AuthorCode: cpay.PayCode(code), TotalFee: fen, FeeType: "CNY", Body: "bread",
	}})
	if err != nil || res.OrderContent.Outcome() != cpay.StatePaid {
		return false
	}
	c.mu.Lock()
	c.paid[no] = fen
	c.mu.Unlock()
	if n%4 != 0 {
		return true
	}
	_, err = client.Refund(ctx, &cpay.RefundRequest{RefundContent: cpay.RefundContent{
		OutTradeNo: no, OutRefundNo: no + "r", TotalFee: fen, RefundFee: 7, RefundFeeType: "CNY",
	}})
	if err == nil {
		c.mu.Lock()
		c.refunded[no] = 7
		c.mu.Unlock()
	}
	return true
}

// lookWhileNobodyRuns reads the database that the killed process left.
func (c *confirming) lookWhileNobodyRuns() {
	t := c.t
	t.Helper()
	st, err := store.Open(t.Context(), store.Config{DSN: c.dsn, Log: newLog(os.Stderr, "error")})
	if err != nil {
		t.Fatal(err)
	}
	defer func() {
		if err := st.Close(); err != nil {
			t.Error(err)
		}
	}()
	c.mu.Lock()
	paid, refunded := maps.Clone(c.paid), maps.Clone(c.refunded)
	c.mu.Unlock()
	for no, fen := range paid {
		o, err := st.Order(t.Context(), c.merchant, no)
		if err != nil || o.State != pay.PAID || int64(o.Total) != fen {
			t.Errorf("order %s was confirmed with %d fen, and the database holds %q with %d, %v", no, fen, o.State, o.Total, err)
		}
	}
	for no, fen := range refunded {
		r, err := st.Refund(t.Context(), c.merchant, no+"r")
		if err != nil || int64(r.Amount) != fen || r.State != pay.RefundPending && r.State != pay.RefundSucceeded {
			t.Errorf("refund %sr was confirmed with %d fen, and the database holds %q with %d, %v", no, fen, r.State, r.Amount, err)
		}
	}
}
