package main

import (
	"context"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"slices"
	"strings"
	"testing"
	"time"

	"cloudpay/internal/channel"
	"cloudpay/internal/directory"
	"cloudpay/internal/gateway"
	"cloudpay/internal/jobs"
	"cloudpay/internal/notify"
	"cloudpay/internal/pay"
	"cloudpay/internal/secret"
	"cloudpay/internal/store/storetest"
)

// How BenchmarkDeadEndpoint is measured: so many events of the dead endpoint,
// so many deliveries to the living one, one after the other, which needs so
// long to answer each.
const (
	deadEvents     = 10_000
	liveDeliveries = 120
	liveAnswer     = 50 * time.Millisecond
)

// BenchmarkDeadEndpoint measures, in real time and with real HTTP, how long the
// median callback to a living endpoint takes from the answer to the till until
// it is acknowledged: alone, and beside 10,000 due events of an endpoint that
// is dead. It fails when the second is more than a tenth longer.
func BenchmarkDeadEndpoint(b *testing.B) {
	hung, err := net.Listen("tcp", "127.0.0.1:0") // takes connections and never answers
	if err != nil {
		b.Fatal(err)
	}
	defer hung.Close()
	closed, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		b.Fatal(err)
	}
	refusing := closed.Addr().String()
	if err := closed.Close(); err != nil {
		b.Fatal(err)
	}
	sorry := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { http.Error(w, "sorry", http.StatusInternalServerError) }))
	defer sorry.Close()
	dead := []struct{ name, url string }{
		{"hangs", "http://" + hung.Addr().String() + "/"}, {"refuses", "http://" + refusing + "/"}, {"answers 500", sorry.URL + "/"},
	}
	for _, e := range storetest.Engines() {
		for _, d := range dead {
			b.Run(e.Name+"/"+d.name, func(b *testing.B) {
				dsn := "sqlite:" + b.TempDir() + "/pay.db"
				if e.Name == "postgres" {
					dsn = storetest.Postgres(b)
				}
				for b.Loop() {
					alone, beside := besideTheDead(b, dsn, d.url)
					ratio := float64(beside) / float64(alone)
					fmt.Fprintf(os.Stderr, "callbacks, %s, dead endpoint %s: median alone %v, beside %d events %v, ratio %.2f\n",
						e.Name, d.name, alone.Round(10*time.Microsecond), deadEvents, beside.Round(10*time.Microsecond), ratio)
					b.ReportMetric(ratio, "ratio")
					if ratio > 1.10 {
						b.Errorf("the median delivery takes %.2f times as long beside a dead endpoint", ratio)
					}
				}
			})
		}
	}
}

// besideTheDead returns the median delivery without and with the dead endpoint's events.
func besideTheDead(b *testing.B, dsn, deadURL string) (alone, beside time.Duration) {
	b.Helper()
	told := make(chan time.Time, liveDeliveries)
	live := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		_, _ = io.Copy(io.Discard, r.Body)
		<-time.After(liveAnswer)
		_, _ = io.WriteString(w, `{"response_content":"{\"status\":0}"}`)
		told <- time.Now()
	}))
	defer live.Close()
	st := openStore(b, dsn, false)
	defer st.Close()
	keys := must(secret.OpenKeyring(secret.New(strings.Repeat("k", 32))))
	dir := must(directory.New(st, st, keys, time.Now))
	shop := directory.Shop{ID: "shop", Name: "bench", Devices: []directory.Device{{ID: "till-1", Name: "1"}}}
	if err := dir.Seed(b.Context(), directory.Installation{
		Providers: []directory.Provider{{ID: "provider", Name: "bench"}},
		Merchants: []directory.Merchant{{
			ID: "merchant", ProviderID: "provider", Name: "bench", Prefixes: []string{"90000000"}, AuthenKey: secret.New(strings.Repeat("A", 32)),
			Wx: directory.WechatMerchant{SubMchID: "1900000001"}, Shops: []directory.Shop{shop},
		}},
	}); err != nil {
		b.Fatal(err)
	}
	merchant := must(dir.Merchant(b.Context(), "merchant"))
	gw := gateway.New(gateway.Config{
		Store: st, Directory: dir, Notify: notify.New(notify.Config{AllowPrivate: true}), CodeKey: []byte("bench"), Now: time.Now, Log: slog.New(slog.DiscardHandler),
		Channels: func(context.Context, string, pay.Channel) (channel.Channel, error) { return instant{}, nil },
	})
	ctx, stop := context.WithCancel(b.Context())
	ran := make(chan error, 1)
	go func() { ran <- gw.Run(ctx) }()
	defer func() {
		stop()
		if err := <-ran; err != nil {
			b.Error(err)
		}
	}()
	number := 0
	paid := func(url string) pay.Order {
		number++
		o, err := gw.MicroPay(ctx, merchant, gateway.MicroPay{
			OutTradeNo: fmt.Sprintf("90000000%020d", number), AuthCode: secret.New(fmt.Sprintf("13%016d", number)), Total: 100, ShopID: "shop", DeviceID: "till-1", NotifyURL: url,
		})
		if err != nil || o.State != pay.PAID {
			b.Fatalf("payment %d: %s, %v", number, o.State, err)
		}
		return o
	}
	median := func() time.Duration {
		var took []time.Duration
		for range liveDeliveries {
			paid(live.URL + "/")
			began := time.Now()
			select {
			case at := <-told:
				took = append(took, at.Sub(began))
			case <-time.After(30 * time.Second):
				b.Fatal("a callback was not delivered in 30 seconds")
			}
		}
		slices.Sort(took)
		return took[len(took)/2]
	}
	median() // warms up
	alone = median()
	doomed := paid(deadURL)
	for i := 0; i < deadEvents; i += 250 {
		var flood []jobs.Edit
		for n := range 250 {
			flood = append(flood, jobs.Edit{Put: &jobs.Job{
				Key:   jobs.Key{MerchantID: "merchant", Kind: "callback", Ref: fmt.Sprint("dead", i+n)},
				State: jobs.Ready, Lane: notify.Endpoint(deadURL) + " merchant", Payload: fmt.Sprintf(`{"out_trade_no":%q,"event":"paid"}`, doomed.OutTradeNo),
				RunAt: time.Now(), CreatedAt: time.Now(),
			}})
		}
		if err := st.EditJobs(ctx, "merchant", flood...); err != nil {
			b.Fatal(err)
		}
	}
	gw.Runner().Wake()
	return alone, median()
}
