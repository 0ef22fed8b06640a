package sandbox_test

import (
	"fmt"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"

	"cloudpay/internal/sandbox"
)

// BenchmarkWallet measures payments without a socket: reading, checking,
// carrying out, committing durably and signing the answer.
func BenchmarkWallet(b *testing.B) {
	for _, channel := range []sandbox.Channel{sandbox.WeChat, sandbox.Alipay} {
		for _, callers := range []int{1, 64} {
			b.Run(fmt.Sprintf("%s/%d", channel, callers), func(b *testing.B) { benchmarkWallet(b, channel, callers) })
		}
	}
}

func benchmarkWallet(b *testing.B, channel sandbox.Channel, callers int) {
	b.Helper()
	clk := &clock{t: noon}
	s, err := sandbox.New(b.Context(), sandbox.Config{Dir: b.TempDir(), Now: clk.now})
	if err != nil {
		b.Fatal(err)
	}
	defer s.Close()
	wallet := s.Wallet()
	requests := benchmarkRequests(b, s, channel)
	b.ResetTimer()
	var wg sync.WaitGroup
	for range callers {
		wg.Go(func() {
			for req := range requests {
				wallet.ServeHTTP(httptest.NewRecorder(), req)
			}
		})
	}
	wg.Wait()
	b.StopTimer()
	total, err := s.Totals(b.Context())
	if err != nil || total.Charges != int64(b.N) {
		b.Fatalf("%d payments made %+v, %v", b.N, total, err)
	}
	b.ReportMetric(float64(b.N)/b.Elapsed().Seconds(), "payments/s")
}

// benchmarkRequests signs b.N payments of different customers beforehand.
func benchmarkRequests(b *testing.B, s *sandbox.Sandbox, channel sandbox.Channel) <-chan *http.Request {
	b.Helper()
	caller := &bench{Sandbox: s, t: b}
	requests := make(chan *http.Request, b.N)
	for i := range b.N {
		code, err := s.NewPayCode(b.Context(), string(channel), "")
		if err != nil {
			b.Fatal(err)
		}
		no, path, body := fmt.Sprintf("B%d", i), "/pay/micropay", ""
		if channel == sandbox.WeChat {
			body = v2XML(caller.wxSigned(payValues(no, code.AuthCode, 100), false))
		} else {
			path = "/gateway.do"
			body = caller.aliParams("alipay.trade.pay", kv{
				"out_trade_no": no, "total_amount": "1.00", "subject": "x", "auth_code": code.AuthCode,
			}, nil).Encode()
		}
		requests <- httptest.NewRequestWithContext(b.Context(), http.MethodPost, path, strings.NewReader(body))
	}
	close(requests)
	return requests
}
