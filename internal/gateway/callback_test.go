package gateway_test

import (
	"context"
	"io"
	"net"
	"net/http"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"cloudpay/cpay"
	"cloudpay/internal/directory"
	"cloudpay/internal/gateway"
	"cloudpay/internal/notify"
	"cloudpay/internal/pay"
	"cloudpay/internal/secret"
)

// receiver is a merchant's callback server that misbehaves as told. It is
// reached through pipes, so that it fits a bubble of fake time.
type receiver struct {
	mu     sync.Mutex
	times  []time.Time
	bodies [][]byte
	answer func(n int, w http.ResponseWriter, r *http.Request)

	conns  chan net.Conn
	closed chan struct{}
	server *http.Server
}

func newReceiver() *receiver {
	r := &receiver{answer: acknowledge, conns: make(chan net.Conn), closed: make(chan struct{})}
	r.server = &http.Server{Handler: r}
	go func() { _ = r.server.Serve(r) }()
	return r
}

func (r *receiver) count() int {
	r.mu.Lock()
	defer r.mu.Unlock()
	return len(r.times)
}

func (r *receiver) ServeHTTP(w http.ResponseWriter, req *http.Request) {
	body, err := io.ReadAll(req.Body)
	if err != nil {
		return
	}
	r.mu.Lock()
	r.times, r.bodies = append(r.times, time.Now()), append(r.bodies, body)
	n, answer := len(r.times), r.answer
	r.mu.Unlock()
	answer(n, w, req)
}

// Accept, Close and Addr make the receiver a net.Listener of pipes.
func (r *receiver) Accept() (net.Conn, error) {
	select {
	case c := <-r.conns:
		return c, nil
	case <-r.closed:
		return nil, net.ErrClosed
	}
}

func (r *receiver) Close() error   { return nil }
func (r *receiver) Addr() net.Addr { return &net.TCPAddr{} }

func (r *receiver) dial(ctx context.Context, _, _ string) (net.Conn, error) {
	ours, theirs := net.Pipe()
	select {
	case r.conns <- theirs:
		return ours, nil
	case <-ctx.Done():
		return nil, ctx.Err()
	case <-r.closed:
		return nil, net.ErrClosed
	}
}

func (r *receiver) close() {
	close(r.closed)
	_ = r.server.Close()
}

func acknowledge(_ int, w http.ResponseWriter, _ *http.Request) {
	_, _ = io.WriteString(w, `{"response_content":"{\"status\":0}"}`)
}

func TestCallbackIsRepeatedOnTheLadderUntilAcknowledged(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		r := newReceiver()
		const fails = 9
		r.answer = func(n int, w http.ResponseWriter, req *http.Request) {
			switch {
			case n > fails:
				acknowledge(n, w, req)
			case n%3 == 0:
				<-req.Context().Done() // hangs
			case n%3 == 1:
				http.Error(w, "sorry", http.StatusInternalServerError)
			default:
				http.Redirect(w, req, "http://169.254.169.254/latest/meta-data/", http.StatusFound)
			}
		}
		h := newHouse(t, options{notifyURL: "http://127.0.0.1:9000/notify", receiver: r, idle: time.Minute})
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
		r.answer = func(_ int, w http.ResponseWriter, _ *http.Request) {
			_, _ = io.WriteString(w, `{"response_content":{"status":1}}`)
		}
		h := newHouse(t, options{notifyURL: "http://127.0.0.1:9000/notify", receiver: r, idle: time.Minute})
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
		r.mu.Lock()
		r.answer = acknowledge
		r.mu.Unlock()
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
	both(t, func(b bubble) {
		t, ch := b.T, b.ch
		r := newReceiver()
		h := newHouse(t, options{notifyURL: "http://127.0.0.1:9000/notify", receiver: r})
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

// TestEndpointThatComesBackGetsWhatWasBuried: the first callback that goes
// through brings those that were given up, and only those of its own address.
func TestEndpointThatComesBackGetsWhatWasBuried(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		r := newReceiver()
		r.answer = func(_ int, w http.ResponseWriter, _ *http.Request) { http.Error(w, "down", http.StatusBadGateway) }
		h := newHouse(t, options{notifyURL: "http://127.0.0.1:9000/notify", receiver: r, idle: time.Minute})
		for range 3 {
			if _, err := h.pay(pay.Wxpay, 100, ""); err != nil {
				t.Fatal(err)
			}
		}
		if _, err := h.gw.MicroPay(t.Context(), h.merchant, gateway.MicroPay{
			OutTradeNo: h.number(), AuthCode: secret.New(h.code(pay.Wxpay, "").AuthCode), Total: 100, ShopID: "shop",
			NotifyURL: "http://127.0.0.1:9000/elsewhere",
		}); err != nil {
			t.Fatal(err)
		}
		<-time.After(30 * time.Hour)
		if n := len(h.jobs()); n != 4 {
			t.Fatalf("%d jobs are left, want 4 buried", n)
		}
		r.mu.Lock()
		r.answer = acknowledge
		r.mu.Unlock()
		if _, err := h.pay(pay.Wxpay, 100, ""); err != nil {
			t.Fatal(err)
		}
		<-time.After(2 * time.Minute)
		left := h.jobs()
		if len(left) != 1 || left[0].State != "buried" {
			t.Errorf("left are %+v, want only the other address's", left)
		}
	})
}

// TestMerchantWhoMovedGetsWhatWasBuried: an endpoint that never comes back is
// replaced by another, and what was given up for the old one goes there once the
// new one takes a callback.
func TestMerchantWhoMovedGetsWhatWasBuried(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		r := newReceiver()
		r.answer = func(n int, w http.ResponseWriter, req *http.Request) {
			if strings.HasSuffix(req.Host, ":9999") {
				panic(http.ErrAbortHandler)
			}
			acknowledge(n, w, req)
		}
		h := newHouse(t, options{notifyURL: deadURL, receiver: r, idle: time.Minute})
		for range 3 {
			if _, err := h.pay(pay.Wxpay, 100, ""); err != nil {
				t.Fatal(err)
			}
		}
		<-time.After(30 * time.Hour)
		if n := len(h.jobs()); n != 3 {
			t.Fatalf("%d jobs are left, want 3 buried", n)
		}
		moved, err := h.people.UpdateMerchant(t.Context(), directory.System, h.merchant.ID, func(m *directory.Merchant) error {
			m.NotifyURL = liveURL
			return nil
		})
		if err != nil {
			t.Fatal(err)
		}
		h.merchant = moved
		if _, err := h.pay(pay.Wxpay, 100, ""); err != nil {
			t.Fatal(err)
		}
		<-time.After(5 * time.Minute)
		if left := h.jobs(); len(left) != 0 {
			t.Errorf("left are %+v, want all delivered at the new address", left)
		}
	})
}

// TestCallbackAlternatesBetweenTwoKeys: after a rotation nobody knows which key
// the receiver has, until a request verifies under the new one.
func TestCallbackAlternatesBetweenTwoKeys(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		r := newReceiver()
		r.answer = func(n int, w http.ResponseWriter, req *http.Request) {
			if n < 4 {
				_, _ = io.WriteString(w, `{"response_content":{"status":101}}`)
				return
			}
			acknowledge(n, w, req)
		}
		h := newHouse(t, options{notifyURL: "http://127.0.0.1:9000/notify", receiver: r})
		rotated, err := h.people.RotateKeys(t.Context(), directory.System, "merchant", directory.Rotation{NewAuthenKey: true, Grace: 24 * time.Hour})
		if err != nil {
			t.Fatal(err)
		}
		if _, err := h.pay(pay.Wxpay, 100, ""); err != nil {
			t.Fatal(err)
		}
		<-time.After(2 * time.Minute)
		var used []string
		for _, body := range r.bodies {
			for name, key := range map[string]secret.Secret{"old": h.merchant.AuthenKey, "new": rotated.AuthenKey} {
				if _, err := cpay.Open(body, cpay.Keys{AuthenKey: cpay.NewKey(key.Reveal())}); err == nil {
					used = append(used, name)
				}
			}
		}
		if !slices.Equal(used, []string{"old", "new", "old", "new"}) {
			t.Errorf("signed under %v", used)
		}
	})
}
