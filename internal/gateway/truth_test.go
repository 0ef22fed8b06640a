package gateway_test

import (
	"os"
	"regexp"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/jackc/pgx/v5"
	"golang.org/x/sync/errgroup"

	"cloudpay/internal/gateway"
	"cloudpay/internal/pay"
	"cloudpay/internal/sandbox"
	"cloudpay/internal/secret"
	"cloudpay/internal/store/storetest"
)

// TestTwoThousandPaymentsUnderLostAnswers is Done-when 3: a fifth of the
// answers is lost after charging; afterwards every order equals the wallet's
// truth. SQLite runs on fake time, PostgreSQL on real time.
func TestTwoThousandPaymentsUnderLostAnswers(t *testing.T) {
	t.Parallel()
	t.Run("sqlite", func(t *testing.T) {
		t.Parallel()
		synctest.Test(t, func(t *testing.T) {
			lostAnswers(newHouse(t, options{}), 2000, 15*time.Minute)
		})
	})
	t.Run("postgres", func(t *testing.T) {
		t.Parallel()
		dsn := storetest.Postgres(t)
		storetest.Migrated(t, dsn)
		lostAnswers(newHouse(t, options{dsn: dsn}), 2000, 3*time.Minute)
	})
}

// lostAnswers runs n payments by 64 callers over both wallets and compares.
func lostAnswers(h *house, n int, limit time.Duration) {
	t := h.t
	t.Helper()
	seed := uint64(11)
	if err := h.box.AddFault(sandbox.Fault{Scenario: "drop_after", Rate: 0.2, Seed: &seed}); err != nil {
		t.Fatal(err)
	}
	var told atomic.Int64
	paid := sync.Map{}
	numbers := make([]string, n)
	var g errgroup.Group
	g.SetLimit(64)
	for i := range n {
		numbers[i] = h.number()
		ch := []pay.Channel{pay.Wxpay, pay.Alipay}[i%2]
		g.Go(func() error {
			o, err := h.gw.MicroPay(t.Context(), h.merchant, gateway.MicroPay{
				OutTradeNo: numbers[i], AuthCode: secret.New(h.code(ch, "").AuthCode), Total: 100, ShopID: "shop", DeviceID: "till-1",
			})
			if err == nil && o.State == pay.PAID {
				told.Add(1)
				paid.Store(numbers[i], true)
			}
			return err
		})
	}
	if err := g.Wait(); err != nil {
		t.Fatal(err)
	}
	var wrong, twice, lost, believed int
	for _, no := range numbers {
		o := h.until(no, limit, func(o pay.Order) bool { return o.State.Final() })
		kept, charges := h.kept(no)
		if (kept == 100) != (o.State == pay.PAID) || kept != 0 && kept != 100 {
			wrong++
			t.Errorf("order %s is %s, the wallet kept %d", no, o.State, kept)
		}
		if charges > 1 {
			twice++
		}
		if o.State == pay.PAID {
			believed++
		}
		if _, ok := paid.Load(no); ok && o.State != pay.PAID {
			lost++
		}
		h.checkBooks(no)
	}
	totals, err := h.box.Totals(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	t.Logf("payments %d, told paid at once %d, believed paid %d, wallet charges %d, wrong %d, charged twice %d (wallet says %d), paid orders lost %d, answers lost %v",
		n, told.Load(), believed, totals.Charges, wrong, twice, totals.DoubleCharges, lost, totals.Faults)
	if twice != 0 || totals.DoubleCharges != 0 || lost != 0 || believed != n {
		t.Errorf("charged twice %d/%d, lost %d, believed paid %d of %d", twice, totals.DoubleCharges, lost, believed, n)
	}
	if totals.Faults["drop_after"] < int64(n)/10 {
		t.Errorf("only %v answers were lost: the fault did not work", totals.Faults)
	}
}

// TestSixtyFourRefundsOfSixtyPercent is Done-when 4: exactly one is accepted
// and the wallet refunds exactly once, on both engines, at the isolation level
// each really runs at.
func TestSixtyFourRefundsOfSixtyPercent(t *testing.T) {
	t.Parallel()
	for _, engine := range []string{"sqlite", "postgres"} {
		t.Run(engine, func(t *testing.T) {
			t.Parallel()
			o := options{}
			isolation := "one writer at a time"
			if engine == "postgres" {
				o.dsn = storetest.Postgres(t)
				storetest.Migrated(t, o.dsn)
				conn, err := pgx.Connect(t.Context(), o.dsn)
				if err != nil {
					t.Fatal(err)
				}
				err = conn.QueryRow(t.Context(), "SHOW transaction_isolation").Scan(&isolation)
				_ = conn.Close(t.Context())
				if err != nil || isolation != "read committed" {
					t.Fatalf("isolation is %q, %v; the reservation was designed for read committed", isolation, err)
				}
			}
			h := newHouse(t, o)
			for _, ch := range []pay.Channel{pay.Wxpay, pay.Alipay} {
				h.refundRace(ch, isolation)
			}
		})
	}
}

// refundRace asks for 64 refunds of 60 of 100 at once.
func (h *house) refundRace(ch pay.Channel, isolation string) {
	h.t.Helper()
	order, err := h.pay(ch, 100, "")
	if err != nil || order.State != pay.PAID {
		h.t.Fatal(order.State, err)
	}
	var accepted, refused atomic.Int64
	start := make(chan struct{})
	var wg sync.WaitGroup
	for range 64 {
		no := h.number()
		wg.Go(func() {
			<-start
			_, _, err := h.refund(order.OutTradeNo, no, 100, 60)
			switch {
			case err == nil:
				accepted.Add(1)
			case code(err) == "refund_exceeds":
				refused.Add(1)
			default:
				h.t.Errorf("refund: %v", err)
			}
		})
	}
	close(start)
	wg.Wait()
	if accepted.Load() != 1 || refused.Load() != 63 {
		h.t.Errorf("%s: accepted %d, refused %d; want 1 and 63", ch, accepted.Load(), refused.Load())
	}
	h.until(order.OutTradeNo, time.Minute, func(o pay.Order) bool { return o.Refunded == 60 })
	trades, err := h.box.Trades(h.t.Context(), order.OutTradeNo)
	if err != nil || len(trades) != 1 || trades[0].Refunded != 60 {
		h.t.Errorf("the wallet says %+v, %v; want 60 refunded", trades, err)
	}
	h.checkBooks(order.OutTradeNo)
	h.t.Logf("%s on %s (%s): accepted %d, refused %d, the wallet refunded %d", ch, h.store.Engine(), isolation, accepted.Load(), refused.Load(), trades[0].Refunded)
}

// TestMoneyMovesThroughOneDoor reads the sources: only settle.go writes orders
// and refunds (style.md §B.5).
func TestMoneyMovesThroughOneDoor(t *testing.T) {
	t.Parallel()
	door := regexp.MustCompile(`\.(OpenOrder|SettleOrder|OpenRefund|SettleRefund|MoveRecon|CloseDiff)\(`)
	for _, room := range []string{"internal/gateway", "internal/api", "internal/notify", "internal/recon", "internal/manage", "cmd/cloudpay"} {
		files, err := os.ReadDir("../../" + room)
		if err != nil {
			t.Fatal(err)
		}
		for _, f := range files {
			if !strings.HasSuffix(f.Name(), ".go") || strings.HasSuffix(f.Name(), "_test.go") {
				continue
			}
			raw, err := os.ReadFile("../../" + room + "/" + f.Name())
			if err != nil {
				t.Fatal(err)
			}
			if calls := door.FindAllString(string(raw), -1); len(calls) > 0 && f.Name() != "settle.go" {
				t.Errorf("%s/%s moves money past settle.go: %v", room, f.Name(), calls)
			}
		}
	}
}
