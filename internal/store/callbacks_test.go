package store_test

import (
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

	"cloudpay/internal/pay"
	"cloudpay/internal/store"
	"cloudpay/internal/store/storetest"
)

// attempt is an attempt with every member set.
func attempt(n int, order, event string) store.CallbackAttempt {
	return store.CallbackAttempt{
		MerchantID: merchant, At: noon.Add(time.Duration(n) * time.Second), ID: fmt.Sprint("id", n), OutTradeNo: order, Event: event,
		Attempt: int64(n), Endpoint: "https://till.example:443", Target: "https://till.example/notify?token=***", AuthenKey: 2,
		Request: `{"a":1}`, Acknowledged: n%2 == 0, HTTPStatus: 200, Reply: "错", Error: "why", Took: 1234 * time.Millisecond,
	}
}

func ids(as []store.CallbackAttempt) string {
	var b strings.Builder
	for _, a := range as {
		b.WriteString(a.ID + " ")
	}
	return b.String()
}

func TestCallbackAttemptsAreKeptAndFound(t *testing.T) {
	t.Parallel()
	for _, e := range storetest.Engines() {
		t.Run(e.Name, func(t *testing.T) {
			t.Parallel()
			s := e.New(t)()
			foreign := attempt(9, "o1", "paid")
			foreign.MerchantID = "2"
			elsewhere := attempt(5, "o1", "refund:r1")
			elsewhere.Endpoint = "https://other.example:443"
			same5 := elsewhere
			same5.ID = "id5 too" // in the same millisecond
			for _, a := range []store.CallbackAttempt{
				attempt(1, "o1", "paid"), attempt(2, "o1", "paid"), attempt(3, "o2", "paid"), attempt(4, "", "ping"), elsewhere, same5, foreign,
			} {
				for range 2 { // once more, as after an ambiguous commit
					if err := s.KeepCallback(t.Context(), a); err != nil {
						t.Fatal(err)
					}
				}
			}
			find := func(f store.CallbackFilter) []store.CallbackAttempt {
				f.MerchantID = merchant
				if f.Limit == 0 {
					f.Limit = 10
				}
				return got[[]store.CallbackAttempt](t)(s.Callbacks(t.Context(), f))
			}
			same(t, "all", ids(find(store.CallbackFilter{})), "id5 too id5 id4 id3 id2 id1 ")
			same(t, "of an order", ids(find(store.CallbackFilter{OutTradeNo: "o1"})), "id5 too id5 id2 id1 ")
			same(t, "failed", ids(find(store.CallbackFilter{Failed: true})), "id5 too id5 id3 id1 ")
			same(t, "failed of an order", ids(find(store.CallbackFilter{OutTradeNo: "o1", Failed: true, From: noon.Add(2 * time.Second)})), "id5 too id5 ")
			same(t, "of an endpoint", ids(find(store.CallbackFilter{Endpoint: elsewhere.Endpoint})), "id5 too id5 ")
			same(t, "since", ids(find(store.CallbackFilter{From: noon.Add(4 * time.Second)})), "id5 too id5 id4 ")
			page := find(store.CallbackFilter{Limit: 1})
			same(t, "next page", ids(find(store.CallbackFilter{Before: page[0].At, BeforeID: page[0].ID, Limit: 2})), "id5 id4 ")
			page = find(store.CallbackFilter{OutTradeNo: "o1", Limit: 2})
			same(t, "next page of an order", ids(find(store.CallbackFilter{OutTradeNo: "o1", Before: page[1].At, BeforeID: page[1].ID})), "id2 id1 ")
			one := got[store.CallbackAttempt](t)(s.Callback(t.Context(), merchant, noon.Add(3*time.Second), "id3"))
			same(t, "one", one, attempt(3, "o2", "paid"))
			if _, err := s.Callback(t.Context(), "2", noon.Add(3*time.Second), "id3"); !errors.Is(err, pay.ErrNotFound) {
				t.Errorf("another merchant's attempt: %v", err)
			}
			for _, f := range []store.CallbackFilter{{MerchantID: merchant}, {Limit: 1}} {
				if _, err := s.Callbacks(t.Context(), f); err == nil {
					t.Errorf("%+v was taken", f)
				}
			}

			sent := func(to time.Duration, after store.SentEvent, limit int) []store.SentEvent {
				return got[[]store.SentEvent](t)(s.SentEvents(t.Context(), merchant, noon, noon.Add(to), after, limit))
			}
			same(t, "sent", sent(time.Hour, store.SentEvent{}, 9), []store.SentEvent{{OutTradeNo: "o1", Event: "paid"}, {OutTradeNo: "o1", Event: "refund:r1"}, {OutTradeNo: "o2", Event: "paid"}})
			same(t, "sent before", sent(3*time.Second, store.SentEvent{}, 9), []store.SentEvent{{OutTradeNo: "o1", Event: "paid"}})
			same(t, "sent after", sent(time.Hour, store.SentEvent{OutTradeNo: "o1", Event: "paid"}, 1), []store.SentEvent{{OutTradeNo: "o1", Event: "refund:r1"}})

			more, err := s.PurgeCallbacks(t.Context(), noon.Add(4*time.Second), 2)
			same(t, "more", []any{more, err}, []any{true, nil})
			same(t, "after a purge", ids(find(store.CallbackFilter{})), "id5 too id5 id4 id3 ")
			for range 2 {
				if more, err = s.PurgeCallbacks(t.Context(), noon.Add(4*time.Second), 2); more || err != nil {
					t.Errorf("a second purge: %v, %v", more, err)
				}
			}
			same(t, "after all", ids(find(store.CallbackFilter{})), "id5 too id5 id4 ")
		})
	}
}
