package gateway_test

import (
	"net/http"
	"testing"
	"testing/synctest"
	"time"

	"cloudpay/cpay"
	"cloudpay/internal/pay"
)

// TestCallbacksKeepTheirOrderWhenTheClockIsSetBack: the payment was written by a
// clock that was minutes ahead, its refund by one that had been set right, and
// the merchant took neither meanwhile (simulation seed 20253).
func TestCallbacksKeepTheirOrderWhenTheClockIsSetBack(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		r := newReceiver()
		r.answer = func(_ int, w http.ResponseWriter, _ *http.Request) {
			http.Error(w, "sorry", http.StatusInternalServerError)
		}
		h := newHouse(t, options{notifyURL: "http://127.0.0.1:9000/notify", receiver: r, ahead: 6 * time.Minute})
		o, err := h.pay(pay.Wxpay, 100, "")
		if err != nil {
			t.Fatal(err)
		}
		h.ahead.Store(0)
		if _, _, err := h.refund(o.OutTradeNo, h.number(), 100, 40); err != nil {
			t.Fatal(err)
		}
		<-time.After(5 * time.Minute)
		r.mu.Lock()
		r.answer, r.bodies = acknowledge, nil
		r.mu.Unlock()
		<-time.After(time.Hour)
		if len(r.bodies) != 2 {
			t.Fatalf("%d callbacks are taken, want the payment's and the refund's", len(r.bodies))
		}
		e, err := cpay.Open(r.bodies[0], cpay.Keys{AuthenKey: cpay.NewKey(h.merchant.AuthenKey.Reveal())})
		if err != nil {
			t.Fatal(err)
		}
		first, err := e.Callback()
		if err != nil {
			t.Fatal(err)
		}
		if _, paid := first.(*cpay.PayCallback); !paid {
			t.Errorf("the first callback is %T, want the payment's", first)
		}
	})
}
