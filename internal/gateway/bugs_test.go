package gateway_test

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"cloudpay/internal/channel"
	"cloudpay/internal/gateway"
	"cloudpay/internal/jobs"
	"cloudpay/internal/pay"
	"cloudpay/internal/sandbox"
	"cloudpay/internal/secret"
	"cloudpay/internal/store"
	"cloudpay/internal/store/storetest"
)

// This file holds one test per bug that a hostile reading of this room found.

// wrapped is a channel with some calls replaced.
type wrapped struct {
	channel.Channel
	pay     func(context.Context, channel.PayRequest, pay.Outcome) pay.Outcome
	reverse func(context.Context, channel.OrderRequest)
	query   func(pay.Outcome) pay.Outcome
	prepay  func(channel.PrepayRequest) channel.PrepayOutcome
	close   func(channel.OrderRequest) pay.Outcome
	parse   func([]byte) (channel.Notice, error)
}

func (w wrapped) ParseNotice(header map[string][]string, body []byte) (channel.Notice, error) {
	if w.parse == nil {
		return w.Channel.ParseNotice(header, body)
	}
	return w.parse(body)
}

func (w wrapped) Prepay(ctx context.Context, r channel.PrepayRequest) channel.PrepayOutcome {
	if w.prepay == nil {
		return w.Channel.Prepay(ctx, r)
	}
	return w.prepay(r)
}

func (w wrapped) Close(ctx context.Context, r channel.OrderRequest) pay.Outcome {
	if w.close == nil {
		return w.Channel.Close(ctx, r)
	}
	return w.close(r)
}

func (w wrapped) Pay(ctx context.Context, r channel.PayRequest) pay.Outcome {
	out := w.Channel.Pay(ctx, r)
	if w.pay == nil {
		return out
	}
	return w.pay(ctx, r, out)
}

func (w wrapped) Query(ctx context.Context, r channel.OrderRequest) pay.Outcome {
	out := w.Channel.Query(ctx, r)
	if w.query == nil {
		return out
	}
	return w.query(out)
}

func (w wrapped) Reverse(ctx context.Context, r channel.OrderRequest) pay.Outcome {
	if w.reverse != nil {
		w.reverse(ctx, r)
	}
	return w.Channel.Reverse(ctx, r)
}

// wrap puts w around every channel.
func wrap(w wrapped) func(gateway.Channels) gateway.Channels {
	return func(find gateway.Channels) gateway.Channels {
		return func(ctx context.Context, p string, ch pay.Channel) (channel.Channel, error) {
			c, err := find(ctx, p, ch)
			w := w
			w.Channel = c
			return w, err
		}
	}
}

// request is a plain micro_pay with a fresh code.
func (h *house) request(ch pay.Channel) gateway.MicroPay {
	return gateway.MicroPay{
		OutTradeNo: h.number(), AuthCode: secret.New(h.code(ch, "").AuthCode), Total: 100, ShopID: "shop", DeviceID: "till-1",
	}
}

// A caller_notify_url of 1,024 characters is valid (cpay), but did not fit into
// the callback job, whose unit was refused: the customer was charged and the
// order never became PAID.
func TestLongCallbackAddressDoesNotStopTheSettlement(t *testing.T) {
	t.Parallel()
	for name, tail := range map[string]string{"ampersands": "&", "four-byte characters": "\U0001F600"} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				h := newHouse(t, options{})
				in := h.request(pay.Wxpay)
				in.NotifyURL = "https://127.0.0.1/?" + strings.Repeat(tail, 1000)
				o, err := h.gw.MicroPay(t.Context(), h.merchant, in)
				if err != nil || o.State != pay.PAID {
					t.Fatalf("pay = %s, %v; want PAID", o.State, err)
				}
			})
		})
	}
}

// A panic while an answer is read or applied ran in a goroutine that nobody
// guarded: one strange answer ended the process for every till.
func TestPanicOfAnAnswerIsAnUnknownResult(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		h := newHouse(t, options{channels: wrap(wrapped{
			pay: func(context.Context, channel.PayRequest, pay.Outcome) pay.Outcome { panic("strange answer") },
		})})
		in := h.request(pay.Wxpay)
		if _, err := h.gw.MicroPay(t.Context(), h.merchant, in); !errors.Is(err, pay.ErrUnavailable) {
			t.Errorf("pay = %v, want ErrUnavailable", err)
		}
		h.until(in.OutTradeNo, time.Minute, func(o pay.Order) bool { return o.State == pay.PAID })
	})
}

// A text that cannot be stored made the store refuse the settlement as an
// invalid request: the till read a refusal (104) of a payment that was charged,
// and the order never became PAID.
func TestWalletTextThatCannotBeStoredIsNoRefusal(t *testing.T) {
	t.Parallel()
	bad := func(out pay.Outcome) pay.Outcome {
		out.Payment.PayerID, out.Payment.BankType = "payer\x00\xff", "\x00"
		return out
	}
	synctest.Test(t, func(t *testing.T) {
		h := newHouse(t, options{channels: wrap(wrapped{
			pay:   func(_ context.Context, _ channel.PayRequest, out pay.Outcome) pay.Outcome { return bad(out) },
			query: bad,
		})})
		o, err := h.gw.MicroPay(t.Context(), h.merchant, h.request(pay.Wxpay))
		if err != nil || o.State != pay.PAID || o.PayerID != "payer" {
			t.Errorf("pay = %s of %q, %v; want PAID", o.State, o.PayerID, err)
		}
	})
}

// A replay was judged by today's directory: once the device, the shop or the
// account was gone, a till that repeated its request was told "refused" of an
// order that is paid.
func TestReplayIsAnsweredWhateverTheDirectorySaysNow(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		var gone atomic.Bool
		h := newHouse(t, options{channels: func(find gateway.Channels) gateway.Channels {
			return func(ctx context.Context, p string, ch pay.Channel) (channel.Channel, error) {
				if gone.Load() {
					return nil, fmt.Errorf("account: %w", pay.ErrNotFound)
				}
				return find(ctx, p, ch)
			}
		}})
		in := h.request(pay.Wxpay)
		if o, err := h.gw.MicroPay(t.Context(), h.merchant, in); err != nil || o.State != pay.PAID {
			t.Fatalf("pay = %s, %v", o.State, err)
		}
		empty := *h.merchant
		empty.Shops = nil
		if o, err := h.gw.MicroPay(t.Context(), &empty, in); err != nil || o.State != pay.PAID {
			t.Errorf("replay without the shop = %s, %v; want the paid order", o.State, err)
		}
		gone.Store(true)
		if o, err := h.gw.MicroPay(t.Context(), h.merchant, in); err != nil || o.State != pay.PAID {
			t.Errorf("replay without the account = %s, %v; want the paid order", o.State, err)
		}
		other := in
		other.Total++
		if _, err := h.gw.MicroPay(t.Context(), &empty, other); !errors.Is(err, pay.ErrConflict) {
			t.Errorf("another amount without the shop = %v, want a conflict", err)
		}
		fresh := h.request(pay.Wxpay)
		if _, err := h.gw.MicroPay(t.Context(), &empty, fresh); code(err) != "shop" {
			t.Errorf("a new order without the shop = %v, want a refusal", err)
		}
		if _, err := h.gw.MicroPay(t.Context(), h.merchant, fresh); code(err) != "channel_missing" {
			t.Errorf("a new order without the account = %v, want a refusal", err)
		}
	})
}

// A worker that lost the race for the intent took the winner's for its own,
// and sent a reverse for an order that was already REVERSED.
func TestOnlyWhoCommittedTheIntentSendsTheReverse(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		var (
			h        *house
			reverses atomic.Int64
			held     atomic.Bool
			number   string
		)
		stopped, release := make(chan struct{}), make(chan struct{})
		ready := make(chan struct{})
		h = newHouse(t, options{channels: func(find gateway.Channels) gateway.Channels {
			find = wrap(wrapped{reverse: func(context.Context, channel.OrderRequest) { reverses.Add(1) }})(find)
			return func(ctx context.Context, p string, ch pay.Channel) (channel.Channel, error) {
				select {
				case <-ready:
					// Between reading the row and starting the reverse.
					o, err := h.store.Order(ctx, "merchant", number)
					due := err == nil && o.State == pay.PAYING && o.UnpaidAt.Sub(o.SentAt) >= time.Minute
					if due && held.CompareAndSwap(false, true) {
						close(stopped)
						<-release
					}
				default:
				}
				return find(ctx, p, ch)
			}
		}})
		o, err := h.pay(pay.Wxpay, 60000, "anna")
		if err != nil {
			t.Fatal(err)
		}
		number = o.OutTradeNo
		close(ready)
		<-stopped
		j, err := h.store.Job(t.Context(), jobs.Key{MerchantID: "merchant", Kind: "settle", Ref: number})
		if err == nil {
			err = h.store.Retry(t.Context(), j, time.Now(), "") // as if its lease had run out: another may have it
		}
		if err != nil {
			t.Fatal(err)
		}
		if _, err := h.gw.Reverse(t.Context(), h.merchant, number, "till-1"); err != nil {
			t.Fatal(err)
		}
		h.until(number, 30*time.Second, func(o pay.Order) bool { return o.State == pay.REVERSED })
		sent := reverses.Load()
		close(release)
		<-time.After(5 * time.Second)
		if n := reverses.Load(); n != sent {
			t.Errorf("%d reverses were sent for an order that was already reversed", n-sent)
		}
	})
}

// The process waited a second for jobs that were allowed three, and closed the
// store under them: what was cut off kept its lease, and waited for the end of
// it after the next start.
func TestStoppedJobsAreGivenBackBeforeTheStoreCloses(t *testing.T) {
	t.Parallel()
	dsn := storetest.SQLite(t)
	open := storetest.Migrated(t, dsn)
	synctest.Test(t, func(t *testing.T) {
		r := newReceiver()
		r.answer = func(_ int, _ http.ResponseWriter, req *http.Request) { <-req.Context().Done() } // hangs
		h := newHouse(t, options{dsn: dsn, notifyURL: "http://127.0.0.1:9000/notify", receiver: r})
		if _, err := h.pay(pay.Wxpay, 100, ""); err != nil {
			t.Fatal(err)
		}
		<-time.After(time.Second)
		start := time.Now()
		h.stop()
		if took := time.Since(start); took >= time.Second {
			t.Errorf("stopping took %v; cmd waits one second", took)
		}
	})
	left, err := open().ListJobs(t.Context(), store.JobFilter{})
	if err != nil || len(left) != 1 || left[0].Lease != "" || left[0].Attempt != 0 {
		t.Errorf("jobs = %+v, %v; want the callback, not leased, no attempt spent", left, err)
	}
}

// TestRolledBackChargeIsSeen: Alipay may answer "paid" and take the charge
// back; without a confirming query the order stayed PAID for ever.
func TestRolledBackChargeIsSeen(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		h := newHouse(t, options{})
		if err := h.box.AddFault(sandbox.Fault{Scenario: "pay_then_rollback", Count: 1}); err != nil {
			t.Fatal(err)
		}
		o, err := h.pay(pay.Alipay, 100, "")
		if err != nil || o.State != pay.PAID {
			t.Fatal(o.State, err)
		}
		got := h.until(o.OutTradeNo, 5*time.Minute, func(o pay.Order) bool { return o.Refunded == 100 })
		if kept, charges := h.kept(o.OutTradeNo); kept != 0 || charges != 1 || got.Truth != pay.TruthQuery {
			t.Errorf("the wallet kept %d of %d charges, we rest on %s", kept, charges, got.Truth)
		}
		h.checkBooks(o.OutTradeNo)
	})
}

// TestRepetitionAfterItsExpiryIsAnsweredAsItStands: time_expire of a repeated
// request lies in the past by then; refusing it would hide that it was paid
// (money.md §2: same key and fingerprint, the order's current state).
func TestRepetitionAfterItsExpiryIsAnsweredAsItStands(t *testing.T) {
	t.Parallel()
	both(t, func(b bubble) {
		h := newHouse(b.T, options{notices: true})
		in := h.scan(b.ch)
		in.ExpireAt = time.Now().Add(2 * time.Minute)
		first, _, err := h.gw.Prepay(b.Context(), h.merchant, in)
		if err != nil {
			b.Fatal(err)
		}
		<-time.After(90 * time.Second)
		if again, _, err := h.gw.Prepay(b.Context(), h.merchant, in); err != nil || again.Prepaid != first.Prepaid {
			b.Errorf("half a minute before its end: %+v, %v", again.Prepaid, err)
		}
		h.pays(sandbox.Invocation{CodeURL: first.Prepaid.CodeURL})
		<-time.After(time.Hour)
		if again, _, err := h.gw.Prepay(b.Context(), h.merchant, in); err != nil || again.State != pay.PAID {
			b.Errorf("after its end: %s, %v", again.State, err)
		}
		other := in
		other.Total++
		if _, _, err := h.gw.Prepay(b.Context(), h.merchant, other); !errors.Is(err, pay.ErrConflict) {
			b.Errorf("another amount after its end: %v", err)
		}
		in.OutTradeNo = h.number()
		if _, _, err := h.gw.Prepay(b.Context(), h.merchant, in); !errors.Is(err, pay.ErrInvalid) {
			b.Errorf("a new order that is over: %v", err)
		}
	})
}

// TestReturnedNoticeOfAnotherAmountIsRefused: a notice that a trade was paid
// and given back books our amount, so it must name it.
func TestReturnedNoticeOfAnotherAmountIsRefused(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		var next channel.Notice
		h := noticed(t, newReceiver(), &next)
		in := h.scan(pay.Wxpay)
		if _, _, err := h.gw.Prepay(t.Context(), h.merchant, in); err != nil {
			t.Fatal(err)
		}
		before := h.order(in.OutTradeNo)
		next = paidNotice(h, in.OutTradeNo)
		next.Outcome.Kind, next.Outcome.Returned = pay.Declined, true
		next.Outcome.Payment.Total = 1
		if _, err := h.notice("provider", "merchant"); !errors.Is(err, pay.ErrDenied) {
			t.Errorf("%v, want it refused", err)
		}
		if after := h.order(in.OutTradeNo); after != before {
			t.Errorf("the order became %s", after.State)
		}
	})
}

// TestBuriedCallbacksOfADeadAddressHideNoOthers: what was given up for an
// address that never comes back stands before what an address that does.
func TestBuriedCallbacksOfADeadAddressHideNoOthers(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		r := newReceiver()
		h := newHouse(t, options{notifyURL: "http://127.0.0.1:9000/notify", receiver: r, idle: time.Minute})
		in := gateway.MicroPay{
			OutTradeNo: h.number(), AuthCode: secret.New(h.code(pay.Wxpay, "").AuthCode), Total: 100, ShopID: "shop",
			NotifyURL: "http://127.0.0.1:9000/elsewhere",
		}
		if _, err := h.gw.MicroPay(t.Context(), h.merchant, in); err != nil {
			t.Fatal(err)
		}
		mine, err := h.pay(pay.Wxpay, 100, "")
		if err != nil {
			t.Fatal(err)
		}
		<-time.After(5 * time.Minute)
		told := r.count()
		bury := func(no, ref string) {
			key := jobs.Key{MerchantID: "merchant", Kind: "callback", Ref: ref}
			err := h.store.EditJobs(t.Context(), "merchant", jobs.Edit{Put: &jobs.Job{
				Key: key, State: jobs.Ready, RunAt: time.Now().Add(time.Hour), CreatedAt: time.Now(), Lane: "http://127.0.0.1:9000",
				Payload: `{"out_trade_no":"` + no + `","event":"paid"}`,
			}})
			if err != nil {
				t.Fatal(err)
			}
			j, ok, err := h.store.ClaimOne(t.Context(), time.Now().Add(2*time.Hour), time.Minute, key)
			if err != nil || !ok {
				t.Fatal(ok, err)
			}
			if err := h.store.Bury(t.Context(), j, "down"); err != nil {
				t.Fatal(err)
			}
			<-time.After(time.Second)
		}
		for i := range 120 {
			bury(in.OutTradeNo, fmt.Sprintf("before/%d", i))
		}
		bury(mine.OutTradeNo, "mine")
		for i := range 120 {
			bury(in.OutTradeNo, fmt.Sprintf("after/%d", i))
		}
		if _, err := h.pay(pay.Wxpay, 100, ""); err != nil {
			t.Fatal(err)
		}
		<-time.After(5 * time.Minute)
		if n := len(h.jobs()); n != 240 || r.count() != told+2 {
			t.Errorf("%d jobs are left and %d callbacks came, want the other address's 240 and 2", n, r.count()-told)
		}
	})
}

// TestRepetitionOfAPaidPageNeedsNothingToSign: the answer to the prepare call
// was lost, yet the order was paid; or the shop is gone by now. There is nothing
// to sign for a page, and what is paid is answered as paid (money.md §2).
func TestRepetitionOfAPaidPageNeedsNothingToSign(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		var next channel.Notice
		h := newHouse(t, options{idle: time.Hour, channels: wrap(wrapped{
			prepay: func(channel.PrepayRequest) channel.PrepayOutcome {
				return channel.PrepayOutcome{Outcome: pay.Outcome{Kind: pay.Unknown, Lost: true}}
			},
			query: func(pay.Outcome) pay.Outcome { return pay.Outcome{Kind: pay.Unknown, Lost: true} },
			parse: func([]byte) (channel.Notice, error) { return next, nil },
		})})
		in := h.scan(pay.Wxpay)
		in.TradeType, in.OpenID = pay.TradeOfficialAccount, "o1"
		if _, _, err := h.gw.Prepay(t.Context(), h.merchant, in); !errors.Is(err, pay.ErrUnavailable) {
			t.Fatal(err)
		}
		next = paidNotice(h, in.OutTradeNo)
		if _, err := h.notice("provider", "merchant"); err != nil {
			t.Fatal(err)
		}
		if o, _, err := h.gw.Prepay(t.Context(), h.merchant, in); err != nil || o.State != pay.PAID {
			t.Errorf("%s, %v", o.State, err)
		}
		gone := *h.merchant
		gone.Shops = nil
		if o, _, err := h.gw.Prepay(t.Context(), &gone, in); err != nil || o.State != pay.PAID {
			t.Errorf("after the shop is gone: %s, %v", o.State, err)
		}
	})
}

// TestRepetitionAfterTheMerchantsAppChangedIsTheSameRequest: the fingerprint is
// of what was asked for, not of how the merchant was set up: 407 tells a till to
// charge the customer under another number.
func TestRepetitionAfterTheMerchantsAppChangedIsTheSameRequest(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		var next channel.Notice
		h := noticed(t, newReceiver(), &next)
		before, after := *h.merchant, *h.merchant
		before.Wx.MobAppID, after.Wx.MobAppID = "wx0000000000000001", "wx0000000000000002"
		in := h.scan(pay.Wxpay)
		in.TradeType = pay.TradeApp
		_, _, _ = h.gw.Prepay(t.Context(), &before, in) // what it takes to pay does not matter here
		next = paidNotice(h, in.OutTradeNo)
		if _, err := h.notice("provider", "merchant"); err != nil {
			t.Fatal(err)
		}
		if _, _, err := h.gw.Prepay(t.Context(), &after, in); errors.Is(err, pay.ErrConflict) {
			t.Error(err)
		}
		other := in
		other.MobAppID = "wx0000000000000003"
		if _, _, err := h.gw.Prepay(t.Context(), &after, other); !errors.Is(err, pay.ErrConflict) {
			t.Errorf("another application: %v", err)
		}
	})
}

// TestCallerWaitsForTheWorkerThatWasFaster: the job that a caller waits for may
// be taken by the runner in the moment it is written; the caller was then
// answered before anything had been asked.
func TestCallerWaitsForTheWorkerThatWasFaster(t *testing.T) {
	t.Parallel()
	h := newHouse(t, options{})
	var wg sync.WaitGroup
	for range 40 {
		_, no := h.shown(pay.Alipay, nil)
		wg.Go(func() {
			if err := h.gw.CloseOrder(t.Context(), h.merchant, no); err != nil {
				t.Errorf("close %s: %v", no, err)
			}
		})
	}
	wg.Wait()
}
