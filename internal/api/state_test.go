package api_test

import (
	"context"
	"io"
	"net"
	"net/http"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"cloudpay/cpay"
	"cloudpay/internal/pay"
)

// unpaidStates is protocol.md §5.6 for states that mean "not paid" to a till.
var unpaidStates = map[pay.Channel]string{
	pay.Wxpay:  " 1 5 6 7 8 9 10 11 ",
	pay.Alipay: " 1 3 4 5 6 7 ",
}

// r40R42UnpaidOrdersNeverLookPaid: an order that was never paid is shown by
// micro_pay and query_order in states that a till takes for not paid, and by
// micro_pay never in state 6.
func r40R42UnpaidOrdersNeverLookPaid(t *testing.T) {
	t.Helper()
	t.Parallel()
	inBubble(t, func(b bubble) {
		t, h, ch := b.T, b.house, b.ch
		if _, err := h.box.NewCustomer(t.Context(), "poor", 1); err != nil {
			t.Fatal(err)
		}
		for _, customer := range []string{"anna", "poor"} {
			no := h.number()
			in := microPay(no, h.code(ch, customer), 60000)
			for range 20 { // from the first answer through the reverse to the end
				a := h.call(t, cpay.MethodMicroPay, in)
				if got := state(a, ch); a.status == 0 && (got == "6" || !strings.Contains(unpaidStates[ch], " "+got+" ")) {
					t.Errorf("%s: micro_pay shows an unpaid order in state %q: %s", customer, got, a.content)
				}
				q := h.call(t, cpay.MethodQueryOrder, about(no))
				if got := state(q, ch); q.status != 0 || !strings.Contains(unpaidStates[ch], " "+got+" ") {
					t.Errorf("%s: query_order shows an unpaid order in state %q: %s", customer, got, q.content)
				}
				time.Sleep(10 * time.Second)
			}
			if o := h.order(no); !o.State.Final() || o.State == pay.PAID {
				t.Errorf("%s: the order ended as %s", customer, o.State)
			}
		}
	})
}

// receiver takes callbacks in memory and answers the nth with the nth text.
type receiver struct {
	pipes   *pipes
	replies []string

	mu    sync.Mutex
	taken []string
}

func (r *receiver) ServeHTTP(w http.ResponseWriter, req *http.Request) {
	body, _ := io.ReadAll(req.Body)
	r.mu.Lock()
	defer r.mu.Unlock()
	reply := r.replies[min(len(r.taken), len(r.replies)-1)]
	r.taken = append(r.taken, string(body))
	_, _ = io.WriteString(w, reply)
}

func (r *receiver) count() int {
	r.mu.Lock()
	defer r.mu.Unlock()
	return len(r.taken)
}

// r47CallbacksAreAcknowledgedByStringOrObject and by nothing else.
func r47CallbacksAreAcknowledgedByStringOrObject(t *testing.T) {
	t.Helper()
	t.Parallel()
	refusals := []string{
		"", "ok", "{}", `{"response_content":{}}`, `{"response_content":"{}"}`, `{"response_content":{"status":103}}`,
		`{"response_content":"{\"status\":104}"}`, `{"response_content":"{\"status\":0"}`, `{"status":0}`, `{"response_content":null}`,
	}
	good := []string{
		`{"response_content":"{\"status\":0}"}`, `{"response_content":{"status":0,"description":"ok"}}`,
		`{"response_content":"{\"status\":0}\n","authen_info":{"a":{"authen_type":1,"authen_code":"AB"}}}`,
	}
	synctest.Test(t, func(t *testing.T) {
		r := &receiver{pipes: newPipes(), replies: append(refusals, good...)}
		srv := &http.Server{Handler: r, ReadHeaderTimeout: time.Minute}
		done := make(chan error, 1)
		go func() { done <- srv.Serve(r.pipes) }()
		h := newHouse(t, options{pipes: true, idle: time.Minute, dial: func(context.Context, string, string) (net.Conn, error) { return r.pipes.dial() }})
		for i := range good {
			in := microPay(h.number(), h.code(pay.Wxpay, ""), 2).with("pay_content.caller_notify_url", "http://127.0.0.1:9000/")
			h.call(t, cpay.MethodMicroPay, in).is(t, 0, 0)
			time.Sleep(6 * time.Hour)
			if got, want := r.count(), len(refusals)+1+i; got != want {
				t.Errorf("after order %d: delivered %d times, want %d", i+1, got, want)
			}
		}
		if err := srv.Close(); err != nil {
			t.Error(err)
		}
		<-done
	})
}

// r48EveryHostNameShowsTheSameState: what one name did, all others know.
func r48EveryHostNameShowsTheSameState(t *testing.T) {
	t.Helper()
	t.Parallel()
	h := newHouse(t, options{})
	at := func(host, method string, o object) answer {
		req, err := http.NewRequestWithContext(t.Context(), http.MethodPost, h.base+cpay.Path(method), strings.NewReader(string(byMAC(o.text()))))
		if err != nil {
			t.Fatal(err)
		}
		req.Host = host
		res, err := h.http.Do(req)
		if err != nil {
			t.Fatal(err)
		}
		defer res.Body.Close()
		raw, err := io.ReadAll(res.Body)
		if err != nil {
			t.Fatal(err)
		}
		return read(t, method, theKey, raw)
	}
	in := microPay(h.number(), h.code(pay.Wxpay, ""), 2)
	no := in.at("pay_content.out_trade_no").(string)
	first := at("pay.qcloud.com", cpay.MethodMicroPay, in)
	first.is(t, 0, 0)
	for _, host := range []string{"sz.pay.qcloud.com", "sh.pay.qcloud.com", "tj.pay.qcloud.com:443", "192.0.2.7", "pay.shop.example"} {
		for method, o := range map[string]object{cpay.MethodMicroPay: in, cpay.MethodQueryOrder: about(no)} {
			a := at(host, method, o)
			if a.is(t, 0, 0); a.get("order_content.transaction_id") != first.get("order_content.transaction_id") || state(a, pay.Wxpay) != "2" {
				t.Errorf("%s at %s: %s", method, host, a.content)
			}
		}
	}
}
