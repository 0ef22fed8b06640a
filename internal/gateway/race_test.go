package gateway_test

import (
	"errors"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"cloudpay/internal/gateway"
	"cloudpay/internal/pay"
	"cloudpay/internal/sandbox"
	"cloudpay/internal/store/storetest"
)

// TestAThousandAtOnceOnOneOrder sends refunds, repetitions of the sale, the
// wallet's notice and queries for one order, a thousand in all and all at once,
// on both engines. More is asked back than was paid.
func TestAThousandAtOnceOnOneOrder(t *testing.T) {
	t.Parallel()
	for _, e := range storetest.Engines() {
		t.Run(e.Name, func(t *testing.T) {
			t.Parallel()
			dsn := e.DSN(t)
			storetest.Migrated(t, dsn)
			receiver := newReceiver()
			h := newHouse(t, options{
				dsn: dsn, notices: true, profiles: noSpacing(),
				notifyURL: "http://127.0.0.1:9000/notify", receiver: receiver,
			})
			h.thousand(pay.Wxpay)
			h.thousand(pay.Alipay)
		})
	}
}

// thousand is the race, for one wallet.
func (h *house) thousand(ch pay.Channel) {
	t, ctx := h.t, h.t.Context()
	t.Helper()
	const total, part, enough = 100, 10, 10
	in := h.scan(ch)
	o, _, err := h.gw.Prepay(ctx, h.merchant, in)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := h.box.PayPrepared(ctx, "anna", sandbox.Invocation{CodeURL: o.Prepaid.CodeURL}); err != nil {
		t.Fatal(err)
	}
	h.until(in.OutTradeNo, time.Minute, func(o pay.Order) bool { return o.State == pay.PAID })
	notes := h.heard()
	if len(notes) == 0 {
		t.Fatal("the wallet sent no notice")
	}
	note := notes[len(notes)-1]

	var accepted, refused, replayed atomic.Int64
	refund := func(no string) {
		_, _, err := h.gw.Refund(ctx, h.merchant, gateway.Refund{OutTradeNo: in.OutTradeNo, OutRefundNo: no, Total: total, Amount: part})
		switch {
		case err == nil:
			accepted.Add(1)
		case code(err) == "refund_exceeds":
			refused.Add(1)
		case errors.Is(err, pay.ErrUnavailable):
			t.Logf("refund %s: %v", no, err) // not known yet: the jobs find out
		default:
			t.Errorf("refund %s: %v", no, err)
		}
	}
	do := []func(no string){
		refund, refund, // the same number twice
		func(string) {
			if o, _, err := h.gw.Prepay(ctx, h.merchant, in); err != nil || o.State != pay.PAID {
				t.Errorf("repeated sale: %s, %v", o.State, err)
			}
			replayed.Add(1)
		},
		func(string) {
			if _, _, err := h.gw.Notice(ctx, ch, "provider", "merchant", note.header, note.body); err != nil {
				t.Errorf("repeated notice: %v", err)
			}
		},
		func(string) {
			if o, err := h.gw.QueryOrder(ctx, h.merchant, in.OutTradeNo); err != nil || o.State != pay.PAID || o.Reserved > total {
				t.Errorf("query: %s, %d reserved, %v", o.State, o.Reserved, err)
			}
		},
	}
	start := make(chan struct{})
	var wg sync.WaitGroup
	for range 1000 / len(do) {
		no := h.number()
		for _, f := range do {
			wg.Go(func() {
				<-start
				f(no)
			})
		}
	}
	close(start)
	wg.Wait()
	h.until(in.OutTradeNo, 2*time.Minute, func(o pay.Order) bool { return o.Refunded == total })
	refunds, err := h.store.Refunds(ctx, "merchant", in.OutTradeNo)
	if err != nil || len(refunds) != enough {
		t.Errorf("%d refunds, %v; want %d", len(refunds), err, enough)
	}
	if kept, charges := h.kept(in.OutTradeNo); kept != 0 || charges != 1 {
		t.Errorf("the wallet kept %d in %d charges, want 0 in 1", kept, charges)
	}
	h.checkBooks(in.OutTradeNo)
	t.Logf("%s on %s: %d refunds of %d accepted (%d calls), %d calls refused, %d repeated sales",
		ch, h.store.Engine(), len(refunds), part, accepted.Load(), refused.Load(), replayed.Load())
}
