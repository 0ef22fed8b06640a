package main

import (
	"context"
	"encoding/base64"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"sync/atomic"
	"testing"

	"cloudpay/internal/channel"
	"cloudpay/internal/pay"
	"cloudpay/internal/store/storetest"
)

// BenchmarkEvidence measures payments whose bytes nobody keeps against payments
// whose bytes are kept, in turns, because the machine may have other work.
func BenchmarkEvidence(b *testing.B) {
	tune(os.Getenv)
	for b.Loop() {
		dir, tb := b.TempDir(), &table{}
		for i := range 3 {
			for _, engine := range []string{"sqlite", "postgres"} {
				for _, wire := range []string{"unseen", "kept"} {
					dsn := "sqlite:" + filepath.Join(dir, fmt.Sprintf("%s%d.db", wire, i))
					if engine == "postgres" {
						dsn = storetest.Postgres(b)
					}
					tb.child(b, row{Engine: engine, DSN: dsn, Clients: 64, Wire: wire})
				}
			}
		}
		tb.print()
	}
}

// wired is an instant wallet that is reached through a Poster, with requests and
// answers of the length and entropy of WeChat Pay's APIv3.
type wired struct {
	instant
	poster *channel.Poster
	to     *url.URL
	n      atomic.Int64
}

func newWired() *wired {
	return &wired{
		poster: channel.NewPoster(channel.PosterConfig{Transport: echo{}}),
		to:     &url.URL{Scheme: "https", Host: "wallet.test", Path: "/v3/pay/partner/transactions/codepay"},
	}
}

// Pay sends what a payment sends.
func (w *wired) Pay(ctx context.Context, r channel.PayRequest) pay.Outcome {
	body := fmt.Sprintf(`{"sp_appid":"wx5b00000000000001","sp_mchid":"1900000001","sub_appid":"wx5ab0000000000101","sub_mchid":"1000000101",`+
		`"description":"bench","out_trade_no":%q,"payer":{"auth_code":%q},"amount":{"total":%d,"currency":"CNY"},"scene_info":`+
		`{"device_id":"till-1","device_ip":"127.0.0.1","store_info":{"out_id":"sz01DEMOSHP000000001"}}}`, r.OutTradeNo, r.AuthCode.Reveal(), int64(r.Total))
	a, err := w.poster.Send(ctx, channel.Call{Method: http.MethodPost, URL: w.to, Body: []byte(body), Header: http.Header{
		"Content-Type": {"application/json"}, "Authorization": {`WECHATPAY2-SHA256-RSA2048 mchid="1900000001",nonce_str="` + noise(w.n.Add(1), 24) +
			`",signature="` + noise(w.n.Add(1), 256) + `",timestamp="1795715494",serial_no="736F6E8354FC29B4A5CE46D5C280F2F33A55D7DA"`},
	}})
	if err != nil || len(a.Body) == 0 {
		return pay.Outcome{Kind: pay.Unknown, Lost: true}
	}
	return w.instant.Pay(ctx, r)
}

// noise is n bytes that do not compress, in base64.
func noise(seed int64, n int) string {
	b, x := make([]byte, n), uint64(seed)*0x9e3779b97f4a7c15+1
	for i := range b {
		x ^= x << 13
		x ^= x >> 7
		x ^= x << 17
		b[i] = byte(x)
	}
	return base64.StdEncoding.EncodeToString(b)
}

// echo answers with a signed answer of APIv3 at once.
type echo struct{}

var echoed atomic.Int64

func (echo) RoundTrip(r *http.Request) (*http.Response, error) {
	_, _ = io.Copy(io.Discard, r.Body)
	n := echoed.Add(1)
	body := fmt.Sprintf(`{"sp_appid":"wx5b00000000000001","sp_mchid":"1900000001","sub_appid":"wx5ab0000000000101","sub_mchid":"1000000101",`+
		`"out_trade_no":"9000000000000000%08d","transaction_id":"4200000001202611270%09d","trade_type":"MICROPAY","trade_state":"SUCCESS",`+
		`"trade_state_desc":"支付成功","bank_type":"OTHERS","success_time":"2026-11-27T01:51:34+08:00","payer":{"sp_openid":"oEKVE8TvQSOt15098OangmVIIQrg",`+
		`"sub_openid":%q},"amount":{"total":2,"payer_total":2,"currency":"CNY","payer_currency":"CNY"},"scene_info":{"device_id":"till-1"}}`, n, n, noise(n, 20))
	return &http.Response{StatusCode: http.StatusOK, ProtoMajor: 1, ProtoMinor: 1, Request: r, Body: io.NopCloser(strings.NewReader(body)), Header: http.Header{
		"Content-Type": {"application/json; charset=utf-8"}, "Request-Id": {noise(n, 24)}, "Wechatpay-Nonce": {noise(n, 24)},
		"Wechatpay-Serial": {"60BF49F5F8B29B2393873028A4F3CBBB7B054423"}, "Wechatpay-Signature": {noise(-n, 256)}, "Wechatpay-Timestamp": {"1795715494"},
	}}, nil
}
