package gateway_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"maps"
	"net/http"
	"os"
	"path/filepath"
	"slices"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"cloudpay/cpay"
	"cloudpay/internal/gateway"
	"cloudpay/internal/pay"
	"cloudpay/internal/sandbox"
	"cloudpay/internal/secret"
	"cloudpay/internal/store/storetest"
)

// TestPromise5EveryFinalEventIsCalledBack has an endpoint that is down for most
// of the ladder, and then one that is down for longer than all of it. Payments,
// refunds and reverses of both wallets reach it: by themselves, or with the
// first callback that goes through.
func TestPromise5EveryFinalEventIsCalledBack(t *testing.T) {
	t.Parallel()
	t.Run("back within the ladder", func(t *testing.T) {
		t.Parallel()
		synctest.Test(t, func(t *testing.T) { missesNothing(t, 20*time.Hour, false) })
	})
	t.Run("back after the ladder", func(t *testing.T) {
		t.Parallel()
		synctest.Test(t, func(t *testing.T) { missesNothing(t, 60*time.Hour, true) })
	})
}

// missesNothing is one endpoint that is down for a while. Where its events were
// buried, the next payment's goes through first.
func missesNothing(t *testing.T, down time.Duration, buried bool) {
	t.Helper()
	r := newReceiver()
	up := time.Now().Add(down)
	r.answer = func(n int, w http.ResponseWriter, req *http.Request) {
		switch {
		case time.Now().After(up):
			acknowledge(n, w, req)
		case n%4 == 0:
			<-req.Context().Done() // hangs
		case n%4 == 1:
			http.Error(w, "sorry", http.StatusBadGateway)
		case n%4 == 2:
			_, _ = w.Write([]byte(`{"response_content":"{\"status\":1}"}`))
		default:
			panic(http.ErrAbortHandler)
		}
	}
	h := newHouse(t, options{notifyURL: "http://127.0.0.1:9000/notify", receiver: r, idle: time.Minute, profiles: noSpacing()})
	want := map[string]bool{}
	for _, ch := range []pay.Channel{pay.Wxpay, pay.Alipay} {
		for _, e := range h.someEvents(ch) {
			want[e] = true
		}
	}
	<-time.After(time.Until(up))
	for e := range r.events(t, h) {
		if !want[e] {
			t.Errorf("the merchant was told of %s, which did not happen", e)
		}
	}
	before := r.count()
	if buried {
		o, err := h.pay(pay.Wxpay, 100, "")
		if err != nil {
			t.Fatal(err)
		}
		want["paid "+o.OutTradeNo] = true
		<-time.After(15 * time.Minute)
	} else {
		<-time.After(24*time.Hour + 4*time.Minute - down + time.Hour) // what the ladder leaves, and its own delays
	}
	heard := r.eventsFrom(t, h, before)
	for e := range want {
		if heard[e] == 0 {
			t.Errorf("the merchant never acknowledged %s; since the endpoint is back it heard %v", e, heard)
		}
		delete(heard, e)
	}
	if len(heard) != 0 {
		t.Errorf("the merchant was told of %v, which did not happen", heard)
	}
	if left := h.jobs(); len(left) != 0 {
		t.Errorf("work is left: %+v", left)
	}
}

// someEvents makes a payment with a refund and a reverse, and returns what the
// merchant must hear of.
func (h *house) someEvents(ch pay.Channel) []string {
	t := h.t
	t.Helper()
	paid, err := h.pay(ch, 100, "")
	if err != nil {
		t.Fatal(err)
	}
	refundNo := h.number()
	if _, _, err := h.refund(paid.OutTradeNo, refundNo, 100, 30); err != nil {
		t.Fatal(err)
	}
	waiting, err := h.pay(ch, 60000, "anna")
	if err != nil {
		t.Fatal(err)
	}
	if _, err := h.gw.Reverse(t.Context(), h.merchant, waiting.OutTradeNo, "till-1"); err != nil {
		t.Fatal(err)
	}
	h.until(waiting.OutTradeNo, 5*time.Minute, func(o pay.Order) bool { return o.State == pay.REVERSED })
	return []string{"paid " + paid.OutTradeNo, "refund " + refundNo, "reversed " + waiting.OutTradeNo}
}

// events counts what the receiver was told, by the event's kind and number:
// whoever keeps those can tell a repetition from a second event.
func (r *receiver) events(t *testing.T, h *house) map[string]int {
	t.Helper()
	return r.eventsFrom(t, h, 0)
}

// eventsFrom leaves out what came first.
func (r *receiver) eventsFrom(t *testing.T, h *house, from int) map[string]int {
	t.Helper()
	r.mu.Lock()
	bodies := slices.Clone(r.bodies[from:])
	r.mu.Unlock()
	heard := map[string]int{}
	for _, body := range bodies {
		e, err := cpay.Open(bytes.Clone(body), cpay.Keys{AuthenKey: cpay.NewKey(h.merchant.AuthenKey.Reveal())})
		if err != nil {
			t.Fatalf("a callback does not verify: %v", err)
		}
		m, err := e.Callback()
		if err != nil {
			t.Fatalf("a callback cannot be read: %v", err)
		}
		switch m := m.(type) {
		case *cpay.PayCallback:
			heard["paid "+m.OrderContent.OutTradeNo]++
		case *cpay.RefundCallback:
			for _, c := range m.RefundOrderContent {
				heard["refund "+c.OutRefundNo]++
			}
		case *cpay.ReverseCallback:
			heard["reversed "+m.OutTradeNo]++
		}
	}
	return heard
}

// TestPromise6TheLedgerBalancesAtEveryCommit reads the whole ledger after every
// commit of every flow that crash and failure are tried on, with coupons that
// the merchant pays for. TestPromise4 looks at PostgreSQL's while it is raced.
func TestPromise6TheLedgerBalancesAtEveryCommit(t *testing.T) {
	t.Parallel()
	for _, f := range flows {
		both(t, func(b bubble) {
			t := b.T
			var s *site
			var looks atomic.Int64
			out := &outage{kinds: map[string]int{}, look: func() {
				if s != nil && !s.closed.Load() {
					looks.Add(1)
					s.mustBalance()
				}
			}}
			built := newSite(t, t.TempDir(), out, nil, nil)
			s = built
			if err := s.box.AddFault(sandbox.Fault{Scenario: "coupon", Rate: 1, Params: sandbox.Params{Kind: "NO_CASH"}}); err != nil {
				t.Fatal(err)
			}
			no, _ := f.run(s, b.ch)
			s.converge(no)
			if looks.Load() < 2 {
				t.Errorf("%s: the ledger was looked at %d times", f.name, looks.Load())
			}
			s.check(no)
		})
	}
}

// mustBalance compares the committed ledger with itself and with the orders: by
// order and account, and by channel.
func (s *site) mustBalance() {
	ctx := context.WithoutCancel(s.t.Context())
	sums := make(map[pay.Channel]pay.Fen)
	for n := range s.orders.Load() {
		o, err := s.store.Order(ctx, "merchant", fmt.Sprintf("90000001%016d", n+1))
		if errors.Is(err, pay.ErrNotFound) {
			continue // a refund's number, or not written yet
		}
		ps, perr := s.store.Postings(ctx, "merchant", o.OutTradeNo)
		if err = errors.Join(err, perr); err != nil {
			s.t.Errorf("look at the ledger: %v", err)
			return
		}
		b := pay.Balances(ps)
		sum := pay.Fen(0)
		for _, v := range b {
			sum += v
		}
		sums[o.Channel] += sum
		merchant := pay.Fen(0)
		if o.State == pay.PAID || o.PaidSeen && o.State == pay.REVERSING {
			merchant = o.Total - o.Reserved
		}
		if sum != 0 || -b[pay.AccRefunding] != o.Reserved-o.Refunded || -b[pay.AccMerchant] != merchant {
			s.t.Errorf("a commit left order %s (%s, reserved %d, refunded %d of %d) with the ledger %v", o.OutTradeNo, o.State, o.Reserved, o.Refunded, o.Total, b)
		}
	}
	for ch, sum := range sums {
		if sum != 0 {
			s.t.Errorf("a commit left %s with a ledger that sums to %d", ch, sum)
		}
	}
}

// TestPromise7EveryPaymentEndsWithin15MinutesOfItsChannel leaves payments in
// every state of not knowing, half of them made while the wallet is away, keeps
// it away for forty minutes, and gives the gateway fifteen. QR orders have until their expiry.
func TestPromise7EveryPaymentEndsWithin15MinutesOfItsChannel(t *testing.T) {
	t.Parallel()
	both(t, func(b bubble) {
		t, ctx := b.T, b.Context()
		h := newHouse(t, options{idle: 10 * time.Second, dsn: noDisk(t)})
		fates := []string{"drop_before", "drop_after", "timeout", "", "syserr_committed", "syserr_uncommitted", "", "bad_sign"}
		var codes []string
		for i := range 16 {
			total := pay.Fen(100)
			customer := fmt.Sprintf("customer-%d", i)
			if _, err := h.box.NewCustomer(ctx, customer, 1e7); err != nil {
				t.Fatal(err)
			}
			if i%3 == 2 {
				total = 60000 // asks for the password
			}
			if fate := fates[i%len(fates)]; fate != "" {
				if err := h.box.AddFault(sandbox.Fault{Scenario: fate, Endpoint: sandbox.EndpointPay, Count: 1}); err != nil {
					t.Fatal(err)
				}
			}
			no := h.number()
			codes = append(codes, no)
			if i == 8 { // from here on nobody answers anything
				h.away()
			}
			_, err := h.gw.MicroPay(ctx, h.merchant, gateway.MicroPay{
				OutTradeNo: no, AuthCode: secret.New(h.code(b.ch, customer).AuthCode), Total: total, ShopID: "shop", DeviceID: "till-1",
			})
			if err != nil && !errors.Is(err, pay.ErrUnavailable) {
				t.Fatal(err)
			}
			switch i % 9 {
			case 2: // types the password while the wallet cannot be asked
				_ = h.box.Answer(ctx, customer, "approve")
			case 5:
				_ = h.box.Answer(ctx, customer, "cancel")
			case 8:
				_, _ = h.gw.Reverse(ctx, h.merchant, no, "till-1")
			}
		}
		<-time.After(40 * time.Minute)
		if err := h.box.ClearFaults(); err != nil {
			t.Fatal(err)
		}
		back := time.Now()
		ends := make(map[pay.OrderState]int)
		for _, no := range codes {
			o := h.until(no, 15*time.Minute-time.Since(back), func(o pay.Order) bool { return o.State.Final() })
			ends[o.State]++
			want := int64(0)
			if o.State == pay.PAID {
				want = int64(o.Total - o.Refunded)
			}
			if kept, charges := h.kept(no); kept != want || charges > 1 {
				t.Errorf("order %s is %s (late %q) and the wallet kept %d in %d charges", no, o.State, o.Late, kept, charges)
			}
			h.checkBooks(no)
		}
		if ends[pay.PAID] == 0 || len(ends) < 2 {
			t.Errorf("the payments ended %v: too much alike to show anything", ends)
		}
		h.scannedOrdersEnd(b.ch)
		t.Logf("%v after the wallet was back: %v", time.Since(back), ends)
	})
}

// noDisk is a migrated database where it costs no disk: the outage has thousands
// of commits.
func noDisk(t *testing.T) (dsn string) {
	t.Helper()
	dir, err := os.MkdirTemp(memory(), "cloudpay-promise") //nolint:usetesting // where it costs no disk
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := os.RemoveAll(dir); err != nil {
			t.Error(err)
		}
	})
	dsn = "sqlite:" + filepath.Join(dir, "pay.db")
	storetest.Migrate(t, dsn)
	return dsn
}

// away has the wallets answer nothing from now on.
func (h *house) away() {
	h.t.Helper()
	if err := h.box.ClearFaults(); err != nil {
		h.t.Fatal(err)
	}
	for _, endpoint := range []string{sandbox.EndpointPay, sandbox.EndpointPrepay, sandbox.EndpointQuery, sandbox.EndpointReverse, sandbox.EndpointClose} {
		if err := h.box.AddFault(sandbox.Fault{Scenario: "drop_before", Endpoint: endpoint, Rate: 1}); err != nil {
			h.t.Fatal(err)
		}
	}
}

// scannedOrdersEnd shows two codes, of which one is paid while the wallet cannot
// be asked, and looks at them after their expiry.
func (h *house) scannedOrdersEnd(ch pay.Channel) {
	t, ctx := h.t, h.t.Context()
	t.Helper()
	ends := map[string]pay.OrderState{}
	for _, want := range []pay.OrderState{pay.PAID, pay.CLOSED} {
		in := h.scan(ch)
		in.ExpireAt = time.Now().Add(20 * time.Minute)
		o, _, err := h.gw.Prepay(ctx, h.merchant, in)
		if err != nil {
			t.Fatal(err)
		}
		if want == pay.PAID {
			if _, err := h.box.PayPrepared(ctx, "anna", sandbox.Invocation{CodeURL: o.Prepaid.CodeURL}); err != nil {
				t.Fatal(err)
			}
		}
		ends[o.OutTradeNo] = want
	}
	h.away()
	<-time.After(10 * time.Minute)
	if err := h.box.ClearFaults(); err != nil {
		t.Fatal(err)
	}
	for _, no := range slices.Sorted(maps.Keys(ends)) {
		o := h.until(no, 13*time.Minute, func(o pay.Order) bool { return o.State.Final() })
		if o.State != ends[no] {
			t.Errorf("QR order %s is %s, want %s", no, o.State, ends[no])
		}
	}
}
