package monitor_test

import (
	"encoding/json"
	"log/slog"
	"slices"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"cloudpay/internal/monitor"
	"cloudpay/internal/store"
	"cloudpay/internal/store/storetest"
)

// start is the time of these tests.
var start = time.UnixMilli(1_790_000_000_123).UTC()

// world is a monitor on a real store, with a clock to move.
type world struct {
	*monitor.Monitor
	store    *store.Store
	registry *prometheus.Registry
	now      time.Time
}

func newWorld(t *testing.T, e storetest.Engine) *world {
	t.Helper()
	w := &world{store: e.New(t)(), registry: prometheus.NewRegistry(), now: start}
	w.Monitor = monitor.New(monitor.Config{
		Keeper: w.store, Queue: w.store, Hosts: []string{"pay.example", "SZ.pay.example"}, Registry: w.registry,
		Now: func() time.Time { return w.now }, Log: slog.New(slog.DiscardHandler),
	})
	return w
}

// onSQLite is a world where the engine makes no difference.
func onSQLite(t *testing.T) *world {
	t.Helper()
	return newWorld(t, storetest.Engine{Name: store.SQLite, DSN: storetest.SQLite})
}

// accept uploads content and fails the test unless it is taken.
func (w *world) accept(t *testing.T, kind monitor.Kind, content string) {
	t.Helper()
	interval, err := w.Accept(t.Context(), monitor.Upload{Kind: kind, MerchantID: "m1", Prefixes: []string{"90000001", "10000007"}, Content: content})
	if err != nil || interval != 0 {
		t.Fatalf("Accept(%.200s) = %d, %v", content, interval, err)
	}
}

// all returns what was kept, in the order in which it was sent.
func (w *world) all(t *testing.T) []monitor.Record {
	t.Helper()
	p, err := w.Search(t.Context(), monitor.Filter{MerchantID: "m1"}, "", monitor.MaxPage)
	if err != nil {
		t.Fatal(err)
	}
	var out []monitor.Record
	for _, r := range slices.Backward(p.Records) {
		out = append(out, r)
	}
	return out
}

// quoted is a text as a JSON string.
func quoted(t *testing.T, s string) string {
	t.Helper()
	b, err := json.Marshal(s)
	if err != nil {
		t.Fatal(err)
	}
	return string(b)
}
