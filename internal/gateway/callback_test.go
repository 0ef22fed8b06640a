package gateway_test

import (
	"bytes"
	"io"
	"net/http"
	"slices"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"cloudpay/cpay"
	"cloudpay/internal/notify"
	"cloudpay/internal/pay"
)

// receiver is a merchant's callback address that misbehaves as told.
type receiver struct {
	mu     sync.Mutex
	times  []time.Time
	bodies [][]byte
	answer func(n int, req *http.Request) (*http.Response, error)
}

func newReceiver() *receiver { return &receiver{answer: acknowledge} }

func (r *receiver) count() int {
	r.mu.Lock()
	defer r.mu.Unlock()
	return len(r.times)
}

func (r *receiver) RoundTrip(req *http.Request) (*http.Response, error) {
	body, err := io.ReadAll(req.Body)
	if err != nil {
		return nil, err
	}
	r.mu.Lock()
	r.times, r.bodies = append(r.times, time.Now()), append(r.bodies, body)
	n := len(r.times)
	r.mu.Unlock()
	return r.answer(n, req)
}

func reply(req *http.Request, status int, body string) *http.Response {
	return &http.Response{
		StatusCode: status, Status: http.StatusText(status), Header: http.Header{},
		Body: io.NopCloser(bytes.NewReader([]byte(body))), Request: req,
	}
}

func acknowledge(_ int, req *http.Request) (*http.Response, error) {
	return reply(req, http.StatusOK, `{"response_content":"{\"status\":0}"}`), nil
}

func TestCallbackIsRepeatedOnTheLadderUntilAcknowledged(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		r := newReceiver()
		const fails = 9
		r.answer = func(n int, req *http.Request) (*http.Response, error) {
			switch {
			case n > fails:
				return acknowledge(n, req)
			case n%3 == 0:
				<-req.Context().Done() // hangs
				return nil, req.Context().Err()
			case n%3 == 1:
				return reply(req, http.StatusInternalServerError, "sorry"), nil
			}
			res := reply(req, http.StatusFound, "")
			res.Header.Set("Location", "http://169.254.169.254/latest/meta-data/")
			return res, nil
		}
		h := newHouse(t, options{notifyURL: "http://127.0.0.1:9/notify", transport: r})
		o, err := h.pay(pay.Wxpay, 100, "")
		if err != nil {
			t.Fatal(err)
		}
		<-time.After(26 * time.Hour)
		if n := r.count(); n != fails+1 {
			t.Fatalf("delivered %d times, want %d", n, fails+1)
		}
		key := cpay.NewKey(h.merchant.AuthenKey.Reveal())
		for i, body := range r.bodies {
			e, err := cpay.Open(body, cpay.Keys{AuthenKey: key})
			if err != nil {
				t.Fatalf("callback %d does not verify: %v", i+1, err)
			}
			m, err := e.Callback()
			paid, ok := m.(*cpay.PayCallback)
			if err != nil || !ok || paid.OrderContent.OutTradeNo != o.OutTradeNo || paid.OrderContent.Outcome() != cpay.StatePaid {
				t.Errorf("callback %d is not the same event: %v", i+1, err)
			}
			if i == 0 {
				continue
			}
			gap := r.times[i].Sub(r.times[i-1])
			if want := notify.Ladder[i-1]; gap < want || gap > want+15*time.Second {
				t.Errorf("step %d came after %v, want %v", i+1, gap, want)
			}
		}
	})
}

func TestCallbackThatNobodyTakesIsBuried(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		r := newReceiver()
		r.answer = func(_ int, req *http.Request) (*http.Response, error) {
			return reply(req, http.StatusOK, `{"response_content":{"status":1}}`), nil
		}
		h := newHouse(t, options{notifyURL: "http://127.0.0.1:9/notify", transport: r})
		if _, err := h.pay(pay.Alipay, 100, ""); err != nil {
			t.Fatal(err)
		}
		<-time.After(30 * time.Hour)
		if n := r.count(); n != len(notify.Ladder)+1 {
			t.Errorf("delivered %d times, want %d", n, len(notify.Ladder)+1)
		}
		buried := h.jobs()
		if len(buried) != 1 || buried[0].State != "buried" || buried[0].LastError == "" {
			t.Fatalf("jobs = %+v, want one buried with its reason", buried)
		}
		r.answer = acknowledge
		if ok, err := h.store.ReleaseJob(t.Context(), buried[0].Key, time.Now()); err != nil || !ok {
			t.Fatal(ok, err)
		}
		<-time.After(5 * time.Second)
		if got := h.jobs(); len(got) != 0 {
			t.Errorf("after release and acknowledgement jobs = %+v", got)
		}
	})
}

func TestRefundIsCalledBackAfterThePayment(t *testing.T) {
	t.Parallel()
	both(t, func(t *testing.T, ch pay.Channel) {
		r := newReceiver()
		h := newHouse(t, options{notifyURL: "http://127.0.0.1:9/notify", transport: r})
		o, err := h.pay(ch, 100, "")
		if err != nil {
			t.Fatal(err)
		}
		if _, _, err := h.refund(o.OutTradeNo, h.number(), 100, 40); err != nil {
			t.Fatal(err)
		}
		<-time.After(time.Minute)
		var kinds []string
		for _, body := range r.bodies {
			e, err := cpay.Open(body, cpay.Keys{AuthenKey: cpay.NewKey(h.merchant.AuthenKey.Reveal())})
			if err != nil {
				t.Fatal(err)
			}
			m, err := e.Callback()
			if err != nil {
				t.Fatal(err)
			}
			switch m := m.(type) {
			case *cpay.PayCallback:
				kinds = append(kinds, "paid")
			case *cpay.RefundCallback:
				kinds = append(kinds, "refund")
				if len(m.RefundOrderContent) != 1 || m.RefundOrderContent[0].RefundFee != 40 {
					t.Errorf("refund callback = %+v", m)
				}
			}
		}
		if !slices.Equal(kinds, []string{"paid", "refund"}) {
			t.Errorf("callbacks = %v, want paid, then refund", kinds)
		}
	})
}
