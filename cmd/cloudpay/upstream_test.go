package main

import (
	"bytes"
	"context"
	"crypto"
	"crypto/hmac"
	"crypto/rand"
	"crypto/rsa"
	"crypto/sha256"
	"crypto/tls"
	"crypto/x509"
	"encoding/json"
	"encoding/pem"
	"fmt"
	"io"
	"maps"
	"math"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"runtime"
	"strings"
	"sync"
	"testing"
	"time"

	"cloudpay/internal/channel"
	"cloudpay/internal/channel/alipay"
	"cloudpay/internal/channel/wxpay"
	"cloudpay/internal/pay"
	"cloudpay/internal/sandbox"
	"cloudpay/internal/secret"
)

// The target of an upstream call: what its cryptography costs anyhow, half of
// that again, and an HTTPS request.
const (
	upstreamFactor = 1.5
	upstreamFixed  = 150 * time.Microsecond
	upstreamCalls  = 1000
	upstreamRounds = 4
)

// BenchmarkUpstream prints what one call of a wallet costs this process, beside
// the floor of its own cryptography, which is measured in the same run (make
// bench). Answers are the sandbox's own, recorded once and played back: by a
// process of its own over HTTPS, whose CPU is not counted, and without a network.
func BenchmarkUpstream(b *testing.B) {
	for b.Loop() {
		t := &table{}
		box := must(sandbox.New(b.Context(), sandbox.Config{Dir: b.TempDir(), Now: time.Now, Providers: 1, MerchantsPerProvider: 1}))
		for _, u := range upstreams(box.Accounts()) {
			t.upstream(b, box, u)
		}
		if err := box.Close(); err != nil {
			b.Error(err)
		}
		t.print()
	}
}

// upstream is one adapter: how it is made, what its calls name, and what its
// cryptography does at the least, once per call.
type upstream struct {
	name   string
	path   string // where its calls go
	wallet sandbox.Channel
	open   func(base string, roots *x509.CertPool, rt http.RoundTripper) (channel.Channel, error)
	order  channel.OrderRequest
	floor  func(request, answer []byte)
}

// upstreams are the adapters at the sandbox's first provider.
func upstreams(accounts sandbox.Accounts) []upstream {
	wx, ali := accounts.Providers[0].WeChat, accounts.Providers[0].Alipay
	shop := channel.Merchant{SubMchID: wx.Merchants[0].SubMchID, SubAppID: wx.Merchants[0].SubAppID}
	config := wxpay.Config{
		MchID: wx.MchID, AppID: wx.AppID, APIKey: secret.New(wx.APIv2Key), SignType: wxpay.SignHMAC,
		ClientCertPEM: wx.ClientCertPEM, ClientKeyPEM: secret.New(wx.ClientKeyPEM),
		APIv3Key: secret.New(wx.APIv3Key), PublicKeyID: wx.PublicKeyID, PublicKeyPEM: wx.PublicKeyPEM, Now: time.Now,
	}
	open := func(api string) func(string, *x509.CertPool, http.RoundTripper) (channel.Channel, error) {
		return func(base string, roots *x509.CertPool, rt http.RoundTripper) (channel.Channel, error) {
			c := config
			c.BaseURL, c.RootCAs, c.Transport, c.API = base, roots, rt, api
			return wxpay.New(c)
		}
	}
	return []upstream{
		{
			name: "wxpay v2", path: "/pay/", wallet: sandbox.WeChat, open: open(channel.APIv2), floor: hmacFloor(wx.APIv2Key),
			order: channel.OrderRequest{Merchant: shop, OutTradeNo: "90000001000000000000000002", Total: 100},
		},
		{
			name: "wxpay v3", path: "/v3/", wallet: sandbox.WeChat, open: open(channel.APIv3), floor: rsaFloor(wx.ClientKeyPEM),
			order: channel.OrderRequest{Merchant: shop, OutTradeNo: "90000001000000000000000003", Total: 100},
		},
		{
			name: "alipay", path: "/gateway.do", wallet: sandbox.Alipay, floor: rsaFloor(ali.AppPrivateKeyPEM),
			open: func(base string, roots *x509.CertPool, rt http.RoundTripper) (channel.Channel, error) {
				return alipay.New(alipay.Config{
					GatewayURL: base + "/gateway.do", RootCAs: roots, Transport: rt, AppID: ali.AppID, AppPrivateKeyPEM: secret.New(ali.AppPrivateKeyPEM),
					AlipayPublicKeyPEM: ali.AlipayPublicKeyPEM, Now: time.Now,
				})
			},
			order: channel.OrderRequest{
				Merchant:   channel.Merchant{AppAuthToken: secret.New(ali.Merchants[0].AppAuthToken), SellerID: ali.Merchants[0].UserID},
				OutTradeNo: "90000001000000000000000004", Total: 100,
			},
		},
	}
}

// hmacFloor is APIv2's cryptography: one HMAC over what is sent and one over
// what comes back.
func hmacFloor(key string) func(request, answer []byte) {
	return func(request, answer []byte) {
		for _, text := range [][]byte{request, answer} {
			mac := hmac.New(sha256.New, []byte(key))
			mac.Write(text)
			mac.Sum(nil)
		}
	}
}

// rsaFloor is that of APIv3 and Alipay: one RSA-2048 signature made and one
// verified, each over a digest.
func rsaFloor(keyPEM string) func(request, answer []byte) {
	block, _ := pem.Decode([]byte(keyPEM))
	key, ok := must(x509.ParsePKCS8PrivateKey(block.Bytes)).(*rsa.PrivateKey)
	if !ok {
		panic("not an RSA key")
	}
	sum := sha256.Sum256(nil)
	theirs := must(rsa.SignPKCS1v15(rand.Reader, key, crypto.SHA256, sum[:]))
	return func(request, answer []byte) {
		digest := sha256.Sum256(request)
		_ = must(rsa.SignPKCS1v15(rand.Reader, key, crypto.SHA256, digest[:]))
		_ = sha256.Sum256(answer)
		if err := rsa.VerifyPKCS1v15(&key.PublicKey, crypto.SHA256, sum[:], theirs); err != nil {
			panic(err)
		}
	}
}

// upstream measures the calls of one adapter.
func (t *table) upstream(b *testing.B, box *sandbox.Sandbox, u upstream) {
	b.Helper()
	rec := &tape{wallet: box.Wallet()}
	recorder := must(u.open("https://wallet.example", nil, rec))
	code := must(box.NewPayCode(b.Context(), string(u.wallet), "bench"))
	charge := channel.PayRequest{
		OrderRequest: u.order, AuthCode: secret.New(code.AuthCode), Currency: "CNY", Body: "bench", ClientIP: "127.0.0.1",
		Start: time.Now(), Expire: time.Now().Add(time.Minute),
	}
	for _, call := range []struct {
		name string
		do   func(context.Context, channel.Channel) pay.Outcome
	}{
		{"pay", func(ctx context.Context, c channel.Channel) pay.Outcome { return c.Pay(ctx, charge) }},
		{"query", func(ctx context.Context, c channel.Channel) pay.Outcome { return c.Query(ctx, u.order) }},
	} {
		if out := call.do(b.Context(), recorder); out.Kind != pay.Paid {
			b.Errorf("%s %s at the sandbox = %+v", u.name, call.name, out)
			return
		}
		if got := rec.last().Path; !strings.HasPrefix(got, u.path) {
			b.Errorf("%s %s went to %s: another interface was measured", u.name, call.name, got)
		}
		measure := func(c channel.Channel) time.Duration {
			return cpuOf(func() {
				if out := call.do(b.Context(), c); out.Kind != pay.Paid {
					b.Fatalf("%s %s played back = %+v", u.name, call.name, out)
				}
			})
		}
		floor := cpuOf(func() { u.floor(rec.request, rec.last().Body) })
		alone := measure(must(u.open("https://wallet.example", nil, &tape{tracks: rec.tracks})))
		base, roots, stop := playTape(b, rec.tracks)
		wired := measure(must(u.open(base, roots, nil)))
		stop()
		limit := time.Duration(upstreamFactor*float64(floor)) + upstreamFixed
		note := fmt.Sprintf("floor %d µs, %.2f × floor; without network and TLS %d µs (target %d µs)",
			floor.Microseconds(), float64(wired)/float64(floor), alone.Microseconds(), limit.Microseconds())
		t.add("CPU per call, "+u.name+" "+call.name, float64(wired.Microseconds()), "µs", note)
		if wired > limit {
			b.Errorf("%s %s takes %v of CPU, want at most %v", u.name, call.name, wired, limit)
		}
	}
}

// cpuOf is the CPU time of one call of do, the collector's included: the best
// of some rounds, because others on the machine can only add to it.
func cpuOf(do func()) time.Duration {
	best := time.Duration(math.MaxInt64)
	for range upstreamRounds {
		for range upstreamCalls / 10 { // warm up: connections, caches, certificates
			do()
		}
		runtime.GC()
		before := usage1()
		for range upstreamCalls {
			do()
		}
		best = min(best, (usage1()-before)/upstreamCalls)
	}
	return best
}

// track is one recorded answer.
type track struct {
	Path   string
	Status int
	Header http.Header
	Body   []byte
}

// tape is a wallet's side of a connection: recording while it has a wallet,
// playing the newest answer of each path afterwards.
type tape struct {
	wallet  http.Handler
	mu      sync.Mutex
	tracks  []track
	request []byte
}

func (t *tape) last() track { return t.tracks[len(t.tracks)-1] }

func (t *tape) RoundTrip(r *http.Request) (*http.Response, error) {
	var body []byte
	if r.Body != nil {
		var err error
		if body, err = io.ReadAll(r.Body); err != nil {
			return nil, err
		}
	}
	if t.wallet == nil {
		rec := httptest.NewRecorder()
		play(t.tracks, rec, r)
		return rec.Result(), nil
	}
	rec := httptest.NewRecorder()
	in := r.Clone(r.Context())
	in.RequestURI, in.Body = r.URL.RequestURI(), io.NopCloser(bytes.NewReader(body))
	t.wallet.ServeHTTP(rec, in)
	t.mu.Lock()
	defer t.mu.Unlock()
	t.request = body
	t.tracks = append(t.tracks, track{Path: r.URL.Path, Status: rec.Code, Header: rec.Header(), Body: rec.Body.Bytes()})
	return rec.Result(), nil
}

// play answers with the newest track of the path.
func play(tracks []track, w http.ResponseWriter, r *http.Request) {
	for i := len(tracks) - 1; i >= 0; i-- {
		if t := &tracks[i]; t.Path == r.URL.Path {
			maps.Copy(w.Header(), t.Header)
			w.WriteHeader(t.Status)
			_, _ = w.Write(t.Body)
			return
		}
	}
	http.NotFound(w, r)
}

// tapeEnv hands a tape to the child process.
const tapeEnv = "CLOUDPAY_BENCH_TAPE"

// playTape starts a process that plays the tracks over HTTPS until stop.
func playTape(b *testing.B, tracks []track) (base string, roots *x509.CertPool, stop func()) {
	b.Helper()
	file := b.TempDir() + "/tape.json"
	if err := os.WriteFile(file, must(json.Marshal(tracks)), 0o600); err != nil {
		b.Fatal(err)
	}
	cmd := exec.Command(os.Args[0], "-test.run", "^$", "-test.bench", "^BenchmarkTape$", "-test.benchtime", "1x")
	cmd.Env = append(os.Environ(), tapeEnv+"="+file)
	in, out := must(cmd.StdinPipe()), must(cmd.StdoutPipe())
	if err := cmd.Start(); err != nil {
		b.Fatal(err)
	}
	stop = func() {
		_ = in.Close()
		_, _ = io.Copy(io.Discard, out)
		_ = cmd.Wait()
	}
	var got struct{ URL, Cert string }
	var seen strings.Builder
	for line := make([]byte, 4096); got.URL == ""; {
		n, err := out.Read(line)
		seen.Write(line[:n])
		if _, text, ok := strings.Cut(seen.String(), "tape\t"); ok && strings.Contains(text, "\n") {
			_ = json.Unmarshal([]byte(strings.Split(text, "\n")[0]), &got)
		}
		if err != nil && got.URL == "" {
			stop()
			b.Fatalf("the tape does not play: %v\n%s", err, seen.String())
		}
	}
	roots = x509.NewCertPool()
	roots.AppendCertsFromPEM([]byte(got.Cert))
	return got.URL, roots, stop
}

// BenchmarkTape is the child's side of playTape.
func BenchmarkTape(b *testing.B) {
	file := os.Getenv(tapeEnv)
	if file == "" {
		b.Skip("SKIPPED: a part of BenchmarkUpstream; run make bench")
	}
	for b.Loop() {
		var tracks []track
		if err := json.Unmarshal(must(os.ReadFile(file)), &tracks); err != nil {
			b.Fatal(err)
		}
		srv := httptest.NewUnstartedServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			_, _ = io.Copy(io.Discard, r.Body)
			play(tracks, w, r)
		}))
		srv.TLS = &tls.Config{MinVersion: tls.VersionTLS12, NextProtos: []string{"http/1.1"}}
		srv.StartTLS()
		out := must(json.Marshal(struct{ URL, Cert string }{srv.URL, string(pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: srv.Certificate().Raw}))}))
		fmt.Printf("\ntape\t%s\n", out)
		_, _ = io.Copy(io.Discard, os.Stdin)
		srv.Close()
	}
}
