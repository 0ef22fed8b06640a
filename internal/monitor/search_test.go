package monitor_test

import (
	"context"
	"errors"
	"fmt"
	"testing"
	"time"

	"cloudpay/internal/monitor"
	"cloudpay/internal/pay"
	"cloudpay/internal/store/storetest"
)

func TestSearchGoesPageByPage(t *testing.T) {
	t.Parallel()
	for _, e := range storetest.Engines() {
		t.Run(e.Name, func(t *testing.T) {
			t.Parallel()
			w := newWorld(t, e)
			for i := range 7 {
				w.now = start.Add(time.Duration(i/3) * time.Second) // three at each time
				w.accept(t, monitor.Conf, fmt.Sprintf(`{"order_client":{"device_id":"d1"},"machine_info":"%d"}`, i))
			}
			var texts []string
			cursor, pages := "", 0
			for ; pages == 0 || cursor != ""; pages++ {
				p, err := w.Search(t.Context(), monitor.Filter{MerchantID: "m1", DeviceID: "d1"}, cursor, 2)
				if err != nil {
					t.Fatal(err)
				}
				for _, r := range p.Records {
					texts = append(texts, r.Text)
				}
				cursor = p.Next
			}
			seen := map[string]bool{}
			for _, s := range texts {
				seen[s] = true
			}
			if pages != 4 || len(texts) != 7 || len(seen) != 7 || texts[0] != "6" {
				t.Errorf("%d pages: %v", pages, texts)
			}
		})
	}
}

func TestSearchRefusesWhatNoIndexAnswers(t *testing.T) {
	t.Parallel()
	w := onSQLite(t)
	for name, c := range map[string]struct {
		f      monitor.Filter
		cursor string
		limit  int
		code   string
	}{
		"nothing named":       {monitor.Filter{}, "", 10, "monitor_filter"},
		"a device of anybody": {monitor.Filter{DeviceID: "d"}, "", 10, "monitor_filter"},
		"two keys":            {monitor.Filter{MerchantID: "m", DeviceID: "d", OrderNo: "o"}, "", 10, "monitor_filter"},
		"an empty range":      {monitor.Filter{MerchantID: "m", From: start, To: start}, "", 10, "monitor_range"},
		"no records":          {monitor.Filter{MerchantID: "m"}, "", 0, "monitor_limit"},
		"too many":            {monitor.Filter{MerchantID: "m"}, "", monitor.MaxPage + 1, "monitor_limit"},
		"an invented cursor":  {monitor.Filter{MerchantID: "m"}, "nonsense", 10, "monitor_cursor"},
	} {
		_, err := w.Search(t.Context(), c.f, c.cursor, c.limit)
		if refusal, ok := errors.AsType[*pay.Error](err); !ok || refusal.Code != c.code {
			t.Errorf("%s: %v, want %s", name, err, c.code)
		}
	}
}

func TestRecordsEndAfterThirtyDays(t *testing.T) {
	t.Parallel()
	for _, e := range storetest.Engines() {
		t.Run(e.Name, func(t *testing.T) {
			t.Parallel()
			w := newWorld(t, e)
			w.accept(t, monitor.Calls, sent)
			w.now = start.Add(monitor.Retention - time.Minute)
			w.accept(t, monitor.Conf, `{"machine_info":"new"}`)
			if n := len(w.all(t)); n != 4 {
				t.Fatalf("%d records just before the end, want 4", n)
			}
			w.now = start.Add(monitor.Retention + time.Minute)
			if got := w.all(t); len(got) != 1 || got[0].Text != "new" {
				t.Errorf("after 30 days %d records are shown before anything was purged", len(got))
			}
			// The purge is a row of durable work: run it as a process does, until it
			// has been put off to its next time.
			ctx, cancel := context.WithCancel(t.Context())
			done := make(chan error, 1)
			go func() { done <- w.Run(ctx) }()
			const kind = "monitor_purge"
			for due := (time.Time{}); due.Before(w.now.Add(time.Hour)); { // a lease ends sooner
				at, ok, err := w.store.NextDue(t.Context(), []string{kind})
				if err != nil {
					t.Fatal(err)
				}
				if ok {
					due = at
				}
			}
			cancel()
			if err := <-done; err != nil {
				t.Error(err)
			}
			w.now = start // so that everything left would be shown
			if got := w.all(t); len(got) != 0 {
				t.Errorf("%d records are left of before", len(got))
			}
			w.now = start.Add(monitor.Retention + time.Minute)
			if got := w.all(t); len(got) != 1 {
				t.Errorf("%d records are left, want 1", len(got))
			}
		})
	}
}
