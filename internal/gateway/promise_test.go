package gateway_test

import (
	"context"
	"errors"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/jackc/pgx/v5"

	"cloudpay/internal/channel"
	"cloudpay/internal/gateway"
	"cloudpay/internal/pay"
	"cloudpay/internal/sandbox"
	"cloudpay/internal/secret"
	"cloudpay/internal/store/storetest"
)

// sends counts the pay requests that leave for a wallet, by order number.
type sends struct {
	mu sync.Mutex
	n  map[string]int
}

// over counts on the way to the wallets of find.
func (s *sends) over(find gateway.Channels) gateway.Channels {
	return wrap(wrapped{pay: func(_ context.Context, r channel.PayRequest, out pay.Outcome) pay.Outcome {
		s.mu.Lock()
		defer s.mu.Unlock()
		s.n[r.OutTradeNo]++
		return out
	}})(find)
}

func (s *sends) of(no string) int {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.n[no]
}

// TestPromise2OneNumberChargesOnce sends each order number many times at once and
// again until long after its end, with the same code and with others, whatever
// becomes of the one request that reaches the wallet. PostgreSQL has two gateways.
func TestPromise2OneNumberChargesOnce(t *testing.T) {
	t.Parallel()
	fates := []string{"", "drop_before", "drop_after", "timeout", "syserr_committed", "truncated_body"}
	t.Run("sqlite", func(t *testing.T) {
		t.Parallel()
		both(t, func(b bubble) {
			s := &sends{n: map[string]int{}}
			h := newHouse(b.T, options{channels: s.over})
			for _, fate := range fates {
				for _, total := range []pay.Fen{100, 60000} { // without and with the password
					h.insistOn(s, fate, b.ch, total, h.gw)
				}
			}
		})
	})
	t.Run("postgres", func(t *testing.T) {
		t.Parallel()
		dsn := storetest.Postgres(t)
		storetest.Migrated(t, dsn)
		s := &sends{n: map[string]int{}}
		h := newHouse(t, options{dsn: dsn, channels: s.over})
		neighbour := h.neighbourOver(s.over(h.find), dsn, nil, 0)
		for _, fate := range []string{"", "drop_after"} { // those that end without waiting
			for _, ch := range []pay.Channel{pay.Wxpay, pay.Alipay} {
				h.insistOn(s, fate, ch, 100, h.gw, neighbour)
			}
		}
	})
}

// insistOn sends one number again and again, and looks what it cost.
func (h *house) insistOn(s *sends, fate string, ch pay.Channel, total pay.Fen, gates ...*gateway.Gateway) {
	t := h.t
	t.Helper()
	if fate != "" {
		if err := h.box.AddFault(sandbox.Fault{Scenario: fate, Endpoint: sandbox.EndpointPay, Count: 1}); err != nil {
			t.Fatal(err)
		}
	}
	in := gateway.MicroPay{
		OutTradeNo: h.number(), AuthCode: secret.New(h.code(ch, "anna").AuthCode), Total: total, ShopID: "shop", DeviceID: "till-1",
	}
	other, dearer := in, in
	other.AuthCode, dearer.Total = secret.New(h.code(ch, "").AuthCode), total+1
	again := func(n int) {
		var wg sync.WaitGroup
		for i := range n {
			gw := gates[i%len(gates)]
			wg.Go(func() {
				_, err := gw.MicroPay(t.Context(), h.merchant, []gateway.MicroPay{in, in, in, other, dearer}[i%5])
				if err != nil && !errors.Is(err, pay.ErrConflict) && !errors.Is(err, pay.ErrUnavailable) {
					t.Errorf("%s %s: %v", ch, fate, err)
				}
			})
		}
		wg.Wait()
	}
	if _, err := gates[0].MicroPay(t.Context(), h.merchant, in); err != nil && !errors.Is(err, pay.ErrUnavailable) {
		t.Errorf("%s %s: %v", ch, fate, err)
	}
	again(20)
	o := h.until(in.OutTradeNo, 10*time.Minute, func(o pay.Order) bool { return o.State.Final() })
	again(10)
	kept, charges := h.kept(in.OutTradeNo)
	want := int64(0)
	if o.State == pay.PAID {
		want = int64(total)
	}
	if n := s.of(in.OutTradeNo); n != 1 || charges > 1 || kept != want {
		t.Errorf("%s, %q, %d fen: the order is %s; it was sent %d times and charged %d times, %d fen are kept", ch, fate, total, o.State, n, charges, kept)
	}
	totals, err := h.box.Totals(t.Context())
	if err != nil || totals.DoubleCharges != 0 {
		t.Errorf("%d double charges, %v", totals.DoubleCharges, err)
	}
}

// TestPromise4RefundsNeverExceedThePayment asks for far more than was paid, by
// many at once and with a third of the answers lost, while a cashier asks to
// reverse the payment altogether. PostgreSQL has two gateways.
func TestPromise4RefundsNeverExceedThePayment(t *testing.T) {
	t.Parallel()
	t.Run("sqlite", func(t *testing.T) {
		t.Parallel()
		synctest.Test(t, func(t *testing.T) {
			h := newHouse(t, options{profiles: noSpacing()})
			h.overRefund([]pay.Channel{pay.Wxpay, pay.Alipay}, h.gw)
		})
	})
	t.Run("postgres", func(t *testing.T) {
		t.Parallel()
		dsn := storetest.Postgres(t)
		storetest.Migrated(t, dsn)
		h := newHouse(t, options{dsn: dsn, profiles: noSpacing()})
		audit := h.audit(dsn)
		h.overRefund([]pay.Channel{pay.Wxpay, pay.Alipay}, h.gw, h.neighbour(dsn, noSpacing(), 0))
		audit()
	})
}

// overRefund races refunds of 100 fen that add up to more than 1,500.
func (h *house) overRefund(chs []pay.Channel, gates ...*gateway.Gateway) {
	t, ctx := h.t, h.t.Context()
	t.Helper()
	m := *h.merchant
	m.ReversePaid = true
	numbers := make([]string, 0, 2*len(chs))
	for _, ch := range append(chs, chs...) {
		o, err := h.pay(ch, 100, "")
		if err != nil || o.State != pay.PAID {
			t.Fatalf("pay = %s, %v", o.State, err)
		}
		numbers = append(numbers, o.OutTradeNo)
	}
	seed := uint64(3)
	if err := h.box.AddFault(sandbox.Fault{Scenario: "drop_after", Endpoint: sandbox.EndpointRefund, Rate: 0.33, Seed: &seed}); err != nil {
		t.Fatal(err)
	}
	var accepted, refused atomic.Int64
	start := make(chan struct{})
	var wg sync.WaitGroup
	for i, no := range numbers {
		for k := range 30 {
			in := gateway.Refund{OutTradeNo: no, OutRefundNo: h.number(), Total: 100, Amount: pay.Fen(7 + 13*(k%8))}
			for _, gw := range gates { // the same number at each gate
				wg.Go(func() {
					<-start
					switch _, _, err := gw.Refund(ctx, &m, in); {
					case err == nil:
						accepted.Add(1)
					case errors.Is(err, pay.ErrDenied):
						refused.Add(1)
					case !errors.Is(err, pay.ErrUnavailable):
						t.Errorf("refund %d fen: %v", in.Amount, err)
					}
				})
			}
			if i%2 == 1 && k == 15 {
				wg.Go(func() {
					<-start
					_, err := gates[0].Reverse(ctx, &m, no, "till-1")
					if err != nil && !errors.Is(err, pay.ErrDenied) && !errors.Is(err, pay.ErrUnavailable) {
						t.Errorf("reverse: %v", err)
					}
				})
			}
		}
	}
	close(start)
	wg.Wait()
	if err := h.box.ClearFaults(); err != nil {
		t.Fatal(err)
	}
	for _, no := range numbers {
		o := h.until(no, 10*time.Minute, func(o pay.Order) bool { return o.State.Final() && o.Reserved == o.Refunded })
		refunds, err := h.store.Refunds(ctx, m.ID, no)
		if err != nil && !errors.Is(err, pay.ErrNotFound) {
			t.Fatal(err)
		}
		var sum pay.Fen
		for _, r := range refunds {
			if r.State == pay.RefundSucceeded {
				sum += r.Amount
			}
		}
		want := int64(0)
		if o.State == pay.PAID {
			want = int64(o.Total - sum)
		}
		if kept, _ := h.kept(no); kept != want || sum > o.Total || sum != o.Refunded {
			t.Errorf("%s order of %d fen: refunds are %d, the row says %d, the wallet kept %d, not %d", o.State, o.Total, sum, o.Refunded, kept, want)
		}
		h.checkBooks(no)
	}
	if accepted.Load() == 0 || refused.Load() < 50 {
		t.Errorf("accepted %d, refused %d: there was no race", accepted.Load(), refused.Load())
	}
	t.Logf("%d refunds accepted, %d refused", accepted.Load(), refused.Load())
}

// audit looks at the ledger in PostgreSQL all the time, each time as it was
// committed at one moment, and returns what ends it. Whatever does not sum to
// zero for one order, or gives back more than was paid, is an error.
func (h *house) audit(dsn string) (end func()) {
	t := h.t
	t.Helper()
	conn, err := pgx.Connect(t.Context(), dsn)
	if err != nil {
		t.Fatal(err)
	}
	stop, done := make(chan struct{}), make(chan struct{})
	looks := 0
	go func() {
		defer close(done)
		for {
			looks++
			var bad int64
			// One statement sees one moment.
			err := conn.QueryRow(t.Context(), `
				SELECT (SELECT count(*) FROM (SELECT 1 FROM postings GROUP BY merchant_id, out_trade_no HAVING sum(amount) <> 0) AS odd)
				     + (SELECT count(*) FROM (SELECT 1 FROM postings GROUP BY channel HAVING sum(amount) <> 0) AS odd)
				     + (SELECT count(*) FROM orders o WHERE o.reserved > o.total OR o.refunded > o.reserved OR o.reserved - o.refunded <>
				         (SELECT coalesce(-sum(p.amount), 0) FROM postings p
				          WHERE p.merchant_id = o.merchant_id AND p.out_trade_no = o.out_trade_no AND p.account = 'P'))`).Scan(&bad)
			if err != nil || bad != 0 {
				t.Errorf("look %d at the ledger: %d orders or channels do not balance, %v", looks, bad, err)
				return
			}
			select {
			case <-stop:
				return
			case <-time.After(5 * time.Millisecond):
			}
		}
	}()
	return func() {
		close(stop)
		<-done
		_ = conn.Close(context.WithoutCancel(t.Context()))
		t.Logf("the ledger balanced at %d looks", looks)
	}
}
