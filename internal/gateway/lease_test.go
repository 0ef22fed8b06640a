package gateway_test

import (
	"context"
	"errors"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"cloudpay/internal/channel"
	"cloudpay/internal/gateway"
	"cloudpay/internal/pay"
)

// gauge is a wallet that counts what its jobs have under way, by order, and what it
// was sent, by call.
type gauge struct {
	channel.Channel
	seen *gauged
}

type gauged struct {
	takes time.Duration // of every call

	mu    sync.Mutex
	under map[string]int
	most  int
	sent  map[string]int
}

// begins counts a call in, and its end counts it out.
func (g *gauged) begins(call, order string) (ends func()) {
	g.mu.Lock()
	g.sent[call]++
	g.under[order]++
	g.most = max(g.most, g.under[order])
	g.mu.Unlock()
	<-time.After(g.takes)
	return func() {
		g.mu.Lock()
		defer g.mu.Unlock()
		g.under[order]--
	}
}

// count returns how often a call was sent.
func (g *gauged) count(call string) int {
	g.mu.Lock()
	defer g.mu.Unlock()
	return g.sent[call]
}

// The till's own pay call is not a job's: it is counted under no order.
func (g gauge) Pay(ctx context.Context, r channel.PayRequest) pay.Outcome {
	defer g.seen.begins("pay", "")()
	return g.Channel.Pay(ctx, r)
}

func (g gauge) Query(ctx context.Context, r channel.OrderRequest) pay.Outcome {
	defer g.seen.begins("query", r.OutTradeNo)()
	return g.Channel.Query(ctx, r)
}

func (g gauge) Reverse(ctx context.Context, r channel.OrderRequest) pay.Outcome {
	defer g.seen.begins("reverse", r.OutTradeNo)()
	return g.Channel.Reverse(ctx, r)
}

func (g gauge) Close(ctx context.Context, r channel.OrderRequest) pay.Outcome {
	defer g.seen.begins("close", r.OutTradeNo)()
	return g.Channel.Close(ctx, r)
}

func (g gauge) Refund(ctx context.Context, r channel.RefundRequest) channel.RefundOutcome {
	defer g.seen.begins("refund", r.OutTradeNo)()
	return g.Channel.Refund(ctx, r)
}

// gauges returns the counts, and the option that puts them before every wallet.
// found is called whenever a wallet is looked for, which is after a job was
// claimed and before it does anything; nil for nobody.
func gauges(takes time.Duration, found func()) (*gauged, func(gateway.Channels) gateway.Channels) {
	seen := &gauged{takes: takes, under: map[string]int{}, sent: map[string]int{}}
	return seen, func(find gateway.Channels) gateway.Channels {
		return func(ctx context.Context, p string, ch pay.Channel) (channel.Channel, error) {
			w, err := find(ctx, p, ch)
			if found != nil {
				found()
			}
			return gauge{w, seen}, err
		}
	}
}

// One order's job ran twice at once when somebody moved it while the wallet was
// being asked: a cashier who reversed, a till that polled, the job's own intent,
// whose next step was due before the call had ended. The compare-and-set held, but
// the wallet got two questions, or two reverses.
func TestOneOrderHasOneCallAtAWalletAtATime(t *testing.T) {
	t.Parallel()
	for _, ch := range []pay.Channel{pay.Wxpay, pay.Alipay} {
		t.Run(string(ch), func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				seen, before := gauges(4*time.Second, nil)
				h := newHouse(t, options{channels: before})
				o, err := h.pay(ch, 60000, "anna") // she types a password, and never does
				if err != nil || o.State != pay.PAYING {
					t.Fatal(o.State, err)
				}
				var wg sync.WaitGroup
				for range 3 {
					for pause := range 12 {
						wg.Go(func() {
							<-time.After(time.Duration(pause) * 1700 * time.Millisecond)
							if _, err := h.gw.AskNow(t.Context(), h.merchant, o.OutTradeNo); err != nil {
								t.Error(err)
							}
							_, err := h.gw.Reverse(t.Context(), h.merchant, o.OutTradeNo, "till-1")
							if err != nil && !errors.Is(err, pay.ErrUnavailable) {
								t.Error(err)
							}
						})
					}
				}
				wg.Wait()
				h.until(o.OutTradeNo, 5*time.Minute, func(o pay.Order) bool { return o.State == pay.REVERSED })
				if kept, charges := h.kept(o.OutTradeNo); kept != 0 || charges > 1 {
					t.Errorf("the wallet keeps %d of %d charges", kept, charges)
				}
				if seen.most != 1 {
					t.Errorf("%d calls about one order were under way at once; %v in all", seen.most, seen.sent)
				}
			})
		})
	}
}

// A cashier who reverses while the wallet is being asked gets the answer of his
// reverse, not that of the question.
func TestReverseWaitsForTheQuestionBeforeIt(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		seen, before := gauges(2*time.Second, nil)
		h := newHouse(t, options{channels: before})
		o, err := h.pay(pay.Wxpay, 60000, "anna")
		if err != nil {
			t.Fatal(err)
		}
		<-time.After(time.Until(o.SentAt.Add(gatewayEarliest)))
		for asked := seen.count("query"); seen.count("query") == asked; {
			<-time.After(100 * time.Millisecond)
		}
		o, err = h.gw.Reverse(t.Context(), h.merchant, o.OutTradeNo, "till-1")
		if err != nil || seen.count("reverse") != 1 {
			t.Errorf("reverse = %s, %v, sent %d times; want it sent once", o.State, err, seen.count("reverse"))
		}
	})
}

// gatewayEarliest is when a reverse may be sent, and a little more.
const gatewayEarliest = 16 * time.Second

// nap stops the machine of a house for a minute when an attempt has begun and has
// not yet called: its clock has moved when it wakes up, its timers have not, and
// its lease belongs to others.
type nap struct {
	*house

	call  string
	seen  *gauged
	when  atomic.Pointer[func() bool] // an attempt that has found its wallet falls asleep
	slept atomic.Bool
}

// newNap builds a house whose machine may be stopped.
func newNap(t *testing.T, call string) *nap {
	t.Helper()
	n := &nap{call: call}
	seen, before := gauges(0, func() {
		if when := n.when.Load(); when != nil && !n.slept.Load() && (*when)() {
			n.slept.Store(true)
			n.ahead.Add(int64(time.Minute))
		}
	})
	n.seen, n.house = seen, newHouse(t, options{channels: before})
	return n
}

// next lets the machine stop when the order's next step is due and is this one, or
// at the next attempt of whatever kind.
func (n *nap) next(no string, act pay.Act) {
	ctx := context.WithoutCancel(n.t.Context())
	when := func() bool {
		if act == pay.ActNone {
			return true
		}
		o, err := n.store.Order(ctx, "merchant", no)
		step := pay.Profiles[o.Channel].For(o.TradeType, o.Settle).Next(o, time.Now())
		return err == nil && step.Act == act && !step.At.After(time.Now())
	}
	n.when.Store(&when)
}

// once checks that what do begins is not sent when the machine wakes up, but later.
func (n *nap) once(do func()) {
	n.t.Helper()
	for do(); !n.slept.Load(); {
		<-time.After(10 * time.Millisecond)
	}
	<-time.After(10 * time.Millisecond)
	if sent := n.seen.count(n.call); sent != 0 {
		n.t.Errorf("%s was sent %d times with a lease that was over", n.call, sent)
	}
	<-time.After(4 * time.Minute)
	if sent := n.seen.count(n.call); sent != 1 {
		n.t.Errorf("%s was sent %d times in all, want once", n.call, sent)
	}
}

// TestAStoppedMachineSendsNothingOld: nothing that changes something at a wallet
// leaves a machine that was stopped between the claim and the call; what is due is
// done by a later attempt.
func TestAStoppedMachineSendsNothingOld(t *testing.T) {
	t.Parallel()
	for call, test := range map[string]func(*testing.T, *nap){
		"pay": func(t *testing.T, h *nap) {
			t.Helper()
			h.next("", pay.ActNone)
			in := h.request(pay.Wxpay)
			if _, err := h.gw.MicroPay(t.Context(), h.merchant, in); !errors.Is(err, pay.ErrUnavailable) {
				t.Errorf("pay = %v, want that it is not known", err)
			}
			<-time.After(15 * time.Minute)
			if o := h.order(in.OutTradeNo); h.seen.count("pay") != 0 || o.State != pay.CLOSED && o.State != pay.REVERSED {
				t.Errorf("the order is %s after %d pay calls, want it ended without one", o.State, h.seen.count("pay"))
			}
		},
		"reverse": func(t *testing.T, h *nap) {
			t.Helper()
			o, err := h.pay(pay.Wxpay, 60000, "anna")
			if err != nil {
				t.Fatal(err)
			}
			h.next(o.OutTradeNo, pay.ActReverse)
			h.once(func() {})
			h.until(o.OutTradeNo, 5*time.Minute, func(o pay.Order) bool { return o.State == pay.REVERSED })
		},
		"refund": func(t *testing.T, h *nap) {
			t.Helper()
			o, err := h.pay(pay.Wxpay, 100, "")
			if err != nil {
				t.Fatal(err)
			}
			h.next("", pay.ActNone)
			h.once(func() {
				if _, _, err := h.refund(o.OutTradeNo, h.number(), 100, 40); err != nil {
					t.Error(err)
				}
			})
			h.until(o.OutTradeNo, 10*time.Minute, func(o pay.Order) bool { return o.Refunded == 40 })
			if kept, _ := h.kept(o.OutTradeNo); kept != 60 {
				t.Errorf("the wallet keeps %d, want 60", kept)
			}
		},
		"close": func(t *testing.T, h *nap) {
			t.Helper()
			_, no := h.shown(pay.Wxpay, nil)
			<-time.After(6 * time.Minute)
			h.next(no, pay.ActClose)
			h.once(func() {
				if err := h.gw.CloseOrder(t.Context(), h.merchant, no); err != nil && !errors.Is(err, pay.ErrUnavailable) {
					t.Error(err)
				}
			})
			h.until(no, 10*time.Minute, func(o pay.Order) bool { return o.State == pay.CLOSED })
		},
	} {
		t.Run(call, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) { test(t, newNap(t, call)) })
		})
	}
}
