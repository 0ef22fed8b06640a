package gateway_test

import (
	"errors"
	"io"
	"net/http"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"cloudpay/cpay"
	"cloudpay/internal/gateway"
	"cloudpay/internal/pay"
	"cloudpay/internal/secret"
	"cloudpay/internal/store"
)

// callbacks reads the delivery log, newest first.
func (h *house) callbacks(order string) []store.CallbackAttempt {
	h.t.Helper()
	all, err := h.store.Callbacks(h.t.Context(), store.CallbackFilter{MerchantID: "merchant", OutTradeNo: order, Limit: 1000})
	if err != nil {
		h.t.Fatal(err)
	}
	return all
}

func TestEveryAttemptIsInTheDeliveryLog(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		const key = "654502BB0F57EC8737B4CF12117575B8"
		r := newReceiver()
		r.answer = func(n int, w http.ResponseWriter, req *http.Request) {
			switch n {
			case 1:
				<-time.After(1500 * time.Millisecond)
				http.Error(w, "no route for authen_key="+key+" code 134567890123456789 "+strings.Repeat("x", 4000), http.StatusBadGateway)
			case 2:
				panic(http.ErrAbortHandler)
			default:
				acknowledge(n, w, req)
			}
		}
		h := newHouse(t, options{receiver: r, idle: time.Hour})
		o, err := h.gw.MicroPay(t.Context(), h.merchant, gateway.MicroPay{
			OutTradeNo: h.number(), AuthCode: secret.New(h.code(pay.Wxpay, "").AuthCode), Total: 100, ShopID: "shop",
			NotifyURL: `http://127.0.0.1:9000/notify?a="b&token=hush`, // a quote ends no value
		})
		if err != nil {
			t.Fatal(err)
		}
		<-time.After(2 * time.Minute)
		log := h.callbacks(o.OutTradeNo)
		if len(log) != 3 || len(h.callbacks("")) != 3 {
			t.Fatalf("%d attempts are kept, want 3: %+v", len(log), log)
		}
		for i, want := range []struct {
			acknowledged bool
			status       int64
			took         time.Duration
			text         string
		}{{true, 200, 0, ""}, {false, 0, 0, "the connection broke, or the answer is not HTTP"}, {false, 502, 1500 * time.Millisecond, "the receiver answered HTTP 502"}} {
			a := log[i]
			if a.Acknowledged != want.acknowledged || a.HTTPStatus != want.status || a.Took != want.took || a.Error != want.text ||
				a.Attempt != int64(3-i) || a.Event != "paid" || a.AuthenKey != 1 || a.Endpoint != "http://127.0.0.1:9000" ||
				!strings.Contains(a.Request, o.OutTradeNo) || strings.Contains(a.Request, "authen_code") {
				t.Errorf("attempt %d = %+v, want %+v", 3-i, a, want)
			}
			for _, hidden := range []string{"hush", key, "134567890123456789"} {
				if strings.Contains(a.Target+a.Reply+a.Request, hidden) {
					t.Errorf("attempt %d shows %s: %+v", 3-i, hidden, a)
				}
			}
			if len(a.Reply) > 1<<10 {
				t.Errorf("attempt %d keeps %d bytes of the reply", 3-i, len(a.Reply))
			}
		}
		<-time.After(gateway.CallbackRetention + time.Hour)
		if err := h.gw.Resend(t.Context(), h.merchant, o.OutTradeNo, pay.EventPaid); err != nil {
			t.Fatal(err)
		}
		<-time.After(time.Second)
		if log := h.callbacks(""); len(log) != 1 {
			t.Errorf("after its retention the log has %d attempts, want the new one", len(log))
		}
	})
}

func TestPingIsSignedAndSpeaksOfNoMoney(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		r := newReceiver()
		h := newHouse(t, options{notifyURL: liveURL, receiver: r})
		a, err := h.gw.Ping(t.Context(), h.merchant)
		if err != nil || !a.Acknowledged || a.HTTPStatus != 200 || a.Event != gateway.EventPing || a.OutTradeNo != "" {
			t.Fatalf("Ping = %+v, %v", a, err)
		}
		if log := h.callbacks(""); len(log) != 1 || log[0].ID != a.ID {
			t.Errorf("the log has %+v, want the ping", log)
		}
		e, err := cpay.Open(r.bodies[0], cpay.Keys{AuthenKey: cpay.NewKey(h.merchant.AuthenKey.Reveal())})
		if err != nil {
			t.Fatal(err)
		}
		if m, err := e.Callback(); err != nil {
			t.Error(err)
		} else if p, ok := m.(*cpay.PingCallback); !ok || !strings.Contains(p.Ping, "not a payment") {
			t.Errorf("callback = %#v, want a ping", m)
		}
		for _, word := range []string{"order", "trade", "fee", "state", "refund"} {
			if strings.Contains(string(r.bodies[0]), word) {
				t.Errorf("a ping speaks of %s: %s", word, r.bodies[0])
			}
		}
		r.mu.Lock()
		r.answer = func(_ int, w http.ResponseWriter, _ *http.Request) {
			_, _ = io.WriteString(w, `{"response_content":{"status":7}}`)
		}
		r.mu.Unlock()
		if a, err = h.gw.Ping(t.Context(), h.merchant); err != nil || a.Acknowledged || a.Error == "" {
			t.Errorf("refused ping = %+v, %v", a, err)
		}
		<-time.After(time.Hour)
		if n := r.count(); n != 2 {
			t.Errorf("%d callbacks came, want 2: a ping is not repeated", n)
		}
	})
}

func TestPingNeedsAnAddress(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		h := newHouse(t, options{})
		if _, err := h.gw.Ping(t.Context(), h.merchant); !errors.Is(err, pay.ErrDenied) {
			t.Errorf("Ping = %v, want it refused", err)
		}
	})
}

// TestWhatWasSentInATimeIsSentAgain: for a receiver that has lost an hour.
func TestWhatWasSentInATimeIsSentAgain(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		r := newReceiver()
		h := newHouse(t, options{notifyURL: liveURL, receiver: r})
		sale := func() pay.Order {
			o, err := h.pay(pay.Wxpay, 100, "")
			if err != nil {
				t.Fatal(err)
			}
			return o
		}
		sale()
		<-time.After(time.Hour)
		from := time.Now()
		lost := []pay.Order{sale(), sale()}
		if _, _, err := h.refund(lost[0].OutTradeNo, h.number(), 100, 40); err != nil {
			t.Fatal(err)
		}
		<-time.After(time.Hour)
		to := time.Now()
		sale()
		<-time.After(time.Hour)
		before := r.count()
		var after store.SentEvent
		count := 0
		for rounds := 0; ; rounds++ {
			res, err := h.gw.ResendSent(t.Context(), h.merchant, from, to, after, 2)
			if err != nil || rounds > 5 {
				t.Fatal(err, rounds)
			}
			count, after = count+res.Count, res.Next
			if !res.More {
				break
			}
		}
		<-time.After(time.Minute)
		if n := r.count() - before; count != 3 || n != 3 {
			t.Errorf("%d events were put back and %d sent, want 3: two payments and a refund", count, n)
		}
		for _, o := range lost {
			if n := len(h.callbacks(o.OutTradeNo)); n < 2 {
				t.Errorf("order %s was sent %d times", o.OutTradeNo, n)
			}
		}
	})
}
