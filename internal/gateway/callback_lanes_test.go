package gateway_test

import (
	"fmt"
	"net/http"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"cloudpay/internal/gateway"
	"cloudpay/internal/jobs"
	"cloudpay/internal/notify"
	"cloudpay/internal/pay"
	"cloudpay/internal/secret"
)

const (
	liveURL = "http://127.0.0.1:9000/live"
	deadURL = "http://127.0.0.1:9999/dead"
)

// deaths are the ways in which an endpoint is of no use.
var deaths = map[string]func(http.ResponseWriter, *http.Request){
	"breaks off at once": func(http.ResponseWriter, *http.Request) { panic(http.ErrAbortHandler) },
	"hangs":              func(_ http.ResponseWriter, r *http.Request) { <-r.Context().Done() },
	"answers slowly": func(w http.ResponseWriter, r *http.Request) {
		select {
		case <-time.After(9 * time.Second):
			acknowledge(0, w, r)
		case <-r.Context().Done():
		}
	},
	"answers 500": func(w http.ResponseWriter, _ *http.Request) { http.Error(w, "sorry", http.StatusInternalServerError) },
}

// TestOneDeadEndpointDelaysNobodyElse: with 10,000 events of one endpoint due
// that is dead in any way, the median delivery of another's takes less than a
// tenth longer than alone. Time is fake, so what is measured is who waits for
// whom; BenchmarkDeadEndpoint measures real time on both engines.
func TestOneDeadEndpointDelaysNobodyElse(t *testing.T) {
	t.Parallel()
	alone := medianDelivery(t, 0, deaths["hangs"])
	for name, death := range deaths {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			beside := medianDelivery(t, 10_000, death)
			t.Logf("median delivery alone %v, beside 10,000 events of a dead endpoint %v", alone, beside)
			if beside > alone+alone/10 {
				t.Errorf("median delivery takes %v beside a dead endpoint, %v alone", beside, alone)
			}
		})
	}
}

// medianDelivery brings events to a living endpoint that needs 100 ms for each
// while many of another are due, and returns the median of the time from the
// event to its acknowledgement.
func medianDelivery(t *testing.T, dead int, death http.HandlerFunc) (median time.Duration) {
	t.Helper()
	synctest.Test(t, func(t *testing.T) {
		const events, pause = 60, 250 * time.Millisecond
		var mu sync.Mutex
		var told []time.Time
		r := newReceiver()
		r.answer = func(n int, w http.ResponseWriter, req *http.Request) {
			if strings.HasSuffix(req.Host, ":9999") {
				death(w, req)
				return
			}
			<-time.After(100 * time.Millisecond)
			mu.Lock()
			defer mu.Unlock()
			told = append(told, time.Now())
			acknowledge(n, w, req)
		}
		h := newHouse(t, options{notifyURL: liveURL, receiver: r})
		live, err := h.pay(pay.Wxpay, 100, "")
		if err != nil {
			t.Fatal(err)
		}
		doomed, err := h.gw.MicroPay(t.Context(), h.merchant, gateway.MicroPay{
			OutTradeNo: h.number(), AuthCode: secret.New(h.code(pay.Wxpay, "").AuthCode), Total: 100, ShopID: "shop", NotifyURL: deadURL,
		})
		if err != nil {
			t.Fatal(err)
		}
		<-time.After(time.Minute)
		event := func(o pay.Order, lane, ref string) jobs.Edit {
			return jobs.Edit{Put: &jobs.Job{
				Key:   jobs.Key{MerchantID: o.MerchantID, Kind: "callback", Ref: ref},
				State: jobs.Ready, Lane: lane, Payload: fmt.Sprintf(`{"out_trade_no":%q,"event":"paid"}`, o.OutTradeNo),
				RunAt: time.Now(), CreatedAt: time.Now(),
			}}
		}
		for i := 0; i < dead; i += 250 {
			var flood []jobs.Edit
			for n := range 250 {
				flood = append(flood, event(doomed, notify.Endpoint(deadURL)+" merchant", fmt.Sprint("dead", i+n)))
			}
			if err := h.store.EditJobs(t.Context(), "merchant", flood...); err != nil {
				t.Fatal(err)
			}
		}
		<-time.After(5 * time.Second)
		mu.Lock()
		told = nil // the order's own
		mu.Unlock()
		var began []time.Time
		for i := range events {
			began = append(began, time.Now())
			if err := h.store.EditJobs(t.Context(), "merchant", event(live, notify.Endpoint(liveURL), fmt.Sprint("live", i))); err != nil {
				t.Fatal(err)
			}
			h.gw.Runner().Wake()
			<-time.After(pause) // one at a time, so that the n-th that was told is the n-th event
		}
		mu.Lock()
		defer mu.Unlock()
		if len(told) != events {
			t.Fatalf("%d of %d events were delivered in time", len(told), events)
		}
		var took []time.Duration
		for i := range events {
			took = append(took, told[i].Sub(began[i]))
		}
		h.stop()
		<-time.After(notify.Limit) // the dead endpoint's goroutines end
		slices.Sort(took)
		median = took[len(took)/2]
	})
	return median
}
