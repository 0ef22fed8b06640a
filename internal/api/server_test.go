package api_test

import (
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"io"
	"math/big"
	"net"
	"net/http"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"cloudpay/cpay"
	"cloudpay/internal/api"
	"cloudpay/internal/channel"
	"cloudpay/internal/gateway"
	"cloudpay/internal/pay"
)

// TestAPanicIsAnsweredAndLogged: 103 once the caller is known, 3 before, and
// the next request is served.
func TestAPanicIsAnsweredAndLogged(t *testing.T) {
	t.Parallel()
	panics := false
	h := newHouse(t, options{channels: func(find gateway.Channels) gateway.Channels {
		return func(ctx context.Context, provider string, ch pay.Channel) (channel.Channel, error) {
			if panics {
				panic("a fault of ours")
			}
			return find(ctx, provider, ch)
		}
	}})
	code := h.code(pay.Wxpay, "")
	no := h.number()
	panics = true
	h.call(t, cpay.MethodMicroPay, microPay(no, code, 2)).is(t, 103, 0)
	panics = false
	h.call(t, cpay.MethodMicroPay, microPay(no, code, 2)).is(t, 0, 0)
	log := h.log.String()
	if !strings.Contains(log, "request panicked") || !strings.Contains(log, "a fault of ours") || !strings.Contains(log, "server_test.go") {
		t.Errorf("the log does not say what happened and where:\n%s", log)
	}
	if strings.Contains(log, code) {
		t.Error("the log shows the payment code")
	}
}

// TestAPanicBeforeTheCallerIsKnown is status 3.
func TestAPanicBeforeTheCallerIsKnown(t *testing.T) {
	t.Parallel()
	h := newHouse(t, options{})
	h.server.Directory = nil // a mistake in the wiring
	h.post(t, cpay.MethodQueryOrder, byMAC(about(h.number()).text())).is(t, 3, 0)
	h.ping(t, http.MethodGet, "")
}

// TestAPanicInAnAdapterIsUnknown: the wallet may have been asked, so it is
// neither paid nor refused, and the process lives.
func TestAPanicInAnAdapterIsUnknown(t *testing.T) {
	t.Parallel()
	h := newHouse(t, options{channels: func(find gateway.Channels) gateway.Channels {
		return func(ctx context.Context, provider string, ch pay.Channel) (channel.Channel, error) {
			c, err := find(ctx, provider, ch)
			return bomb{c}, err
		}
	}})
	no := h.number()
	h.call(t, cpay.MethodMicroPay, microPay(no, h.code(pay.Wxpay, ""), 2)).is(t, 103, 0)
	h.call(t, cpay.MethodQueryOrder, about(no)).is(t, 0, 0)
	if s := h.order(no).State; s == pay.DECLINED || s == pay.PAID {
		t.Errorf("a fault of ours made the payment %s", s)
	}
}

// bomb is an adapter with a mistake.
type bomb struct{ channel.Channel }

func (bomb) Pay(context.Context, channel.PayRequest) pay.Outcome { panic("an adapter's mistake") }

// TestMetricsNameNobody: counts by interface, status, wallet and state only.
func TestMetricsNameNobody(t *testing.T) {
	t.Parallel()
	h := newHouse(t, options{})
	code := h.code(pay.Wxpay, "")
	no, refund := h.number(), h.number()
	h.call(t, cpay.MethodMicroPay, microPay(no, code, 12345)).is(t, 0, 0)
	h.call(t, cpay.MethodRefund, refundOf(no, refund, 12345, 12345)).is(t, 0, 0)
	h.call(t, cpay.MethodQueryOrder, about(h.number())).is(t, 104, 400)
	h.post(t, cpay.MethodQueryOrder, nil).is(t, 101, 0)
	page := string(h.send(t, http.MethodGet, "/metrics", nil).body)
	for _, want := range []string{
		`cloudpay_request_seconds_count{method="micro_pay",status="0"} 1`, `cloudpay_request_seconds_count{method="query_order",status="104"} 1`,
		`cloudpay_request_seconds_count{method="query_order",status="101"} 1`, `cloudpay_orders_settled_total{channel="wxpay",state="PAID"} 1`,
		`cloudpay_channel_outcomes_total{call="pay",channel="wxpay",kind="Paid"} 1`,
	} {
		if !strings.Contains(page, want) {
			t.Errorf("metrics lack %s", want)
		}
	}
	for what, secret := range h.secrets(t, code) {
		if strings.Contains(page, secret) {
			t.Errorf("metrics show the %s", what)
		}
	}
	for what, name := range map[string]string{
		"merchant": theMerchant, "provider": theProvider, "shop": theShop, "order": no, "refund": refund, "device": "till-1", "amount": "12345",
	} {
		if strings.Contains(page, name) {
			t.Errorf("metrics show the %s %s", what, name)
		}
	}
}

// secrets is what must never be printed.
func (h *house) secrets(t *testing.T, code string) map[string]string {
	t.Helper()
	p := h.box.Accounts().Providers[0]
	m, err := h.people.Merchant(t.Context(), theMerchant)
	if err != nil {
		t.Fatal(err)
	}
	line := func(pem string) string { return strings.Split(pem, "\n")[1] }
	return map[string]string{
		"payment code": code, "authen_key": theKey, "APIv2 key": p.WeChat.APIv2Key, "app_auth_token": m.Ali.AppAuthToken.Reveal(),
		"WeChat client key": line(p.WeChat.ClientKeyPEM), "Alipay application key": line(p.Alipay.AppPrivateKeyPEM),
		"code hash key": "test code key",
	}
}

// TestTheLogKeepsSecretsAtEveryLevel plants nothing: it looks for real keys and
// codes in the loudest log of good and bad requests.
func TestTheLogKeepsSecretsAtEveryLevel(t *testing.T) {
	t.Parallel()
	h := newHouse(t, options{})
	code := h.code(pay.Alipay, "")
	no := h.number()
	request := microPay(no, code, 2)
	h.call(t, cpay.MethodMicroPay, request).is(t, 0, 0)
	h.call(t, cpay.MethodMicroPay, request.with("pay_content.total_fee", 3)).is(t, 104, 407)
	h.call(t, cpay.MethodMicroPay, request.with("pay_content.total_fee", 1.5)).is(t, 101, 0)
	h.call(t, cpay.MethodMicroPay, request.with("pay_content.out_trade_no", code)).is(t, 104, 0)
	h.call(t, cpay.MethodMicroPay, request.with("pay_content.author_code", code+code)).is(t, 104, 0)
	h.call(t, cpay.MethodMicroPay, request.with("pay_content.out_trade_no", h.number())).is(t, 102, 0) // the code is used up
	h.post(t, cpay.MethodMicroPay, envelope(request.text(), object{"a": object{"authen_type": 1, "authen_code": "wrong"}})).is(t, 101, 7)
	h.post(t, cpay.MethodMicroPay, []byte(theKey+code)).is(t, 101, 0)
	h.call(t, cpay.MethodRefund, refundOf(no, h.number(), 2, 2)).is(t, 0, 0)
	log := h.log.String()
	for _, want := range []string{`"msg":"request answered"`, `"level":"DEBUG"`, `"msg":"order settled"`, `"method":"micro_pay"`, `"request_bytes":`, `"merchant_id":"` + theMerchant} {
		if !strings.Contains(log, want) {
			t.Errorf("the log lacks %s", want)
		}
	}
	for what, secret := range h.secrets(t, code) {
		if strings.Contains(log, secret) {
			t.Errorf("the log shows the %s", what)
		}
	}
	if strings.Contains(log, "bread") || strings.Contains(log, "192.0.2.1") {
		t.Error("the log shows what customers buy or where tills stand")
	}
}

// TestHealthPages: alive is not ready.
func TestHealthPages(t *testing.T) {
	t.Parallel()
	ready := errors.New("the store at /secret/path does not answer")
	h := newHouse(t, options{ready: func(context.Context) error { return ready }})
	page := func(path string) (int, string) {
		res := h.send(t, http.MethodGet, path, nil)
		return res.status, string(res.body)
	}
	if status, text := page("/healthz"); status != http.StatusOK || text != "ok\n" {
		t.Errorf("/healthz is %d %q", status, text)
	}
	if status, text := page("/readyz"); status != http.StatusServiceUnavailable || text != "not ready\n" {
		t.Errorf("/readyz is %d %q", status, text)
	}
	ready = nil
	if status, text := page("/readyz"); status != http.StatusOK || text != "ready\n" {
		t.Errorf("/readyz is %d %q", status, text)
	}
}

// TestReadyGivesUpOnAStoreThatHangs.
func TestReadyGivesUpOnAStoreThatHangs(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		h := newHouse(t, options{pipes: true, ready: func(ctx context.Context) error {
			<-ctx.Done()
			return ctx.Err()
		}})
		start := time.Now()
		if res := h.send(t, http.MethodGet, "/readyz", nil); res.status != http.StatusServiceUnavailable || time.Since(start) > 3*time.Second {
			t.Errorf("/readyz is %d after %v", res.status, time.Since(start))
		}
	})
}

// TestAGoneCallerDoesNotStopItsPayment: the connection breaks, the money is
// settled all the same.
func TestAGoneCallerDoesNotStopItsPayment(t *testing.T) {
	t.Parallel()
	inBubble(t, func(b bubble) {
		t, h, ch := b.T, b.house, b.ch
		h.fault(t, "timeout", ch, 1)
		no := h.number()
		body := byMAC(microPay(no, h.code(ch, ""), 2).text())
		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		req, err := http.NewRequestWithContext(ctx, http.MethodPost, h.base+"/cpay/micro_pay", strings.NewReader(string(body)))
		if err != nil {
			t.Fatal(err)
		}
		if _, err := h.http.Do(req); !errors.Is(err, context.DeadlineExceeded) { //nolint:bodyclose // there is none
			t.Fatalf("the call ended with %v", err)
		}
		time.Sleep(time.Minute)
		if o := h.order(no); o.State != pay.PAID {
			t.Errorf("order is %s, want PAID", o.State)
		}
	})
}

// TestTolerateOverTLS: the handshake is bounded, and stray line breaks are
// dropped inside the tunnel.
func TestTolerateOverTLS(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		h := newHouse(t, options{pipes: true})
		p := newPipes()
		srv := h.server.HTTPServer()
		done := make(chan error, 1)
		go func() { done <- srv.Serve(h.server.Tolerate(tls.NewListener(p, selfSigned(t)))) }()
		raw, err := p.dial()
		if err != nil {
			t.Fatal(err)
		}
		secured := tls.Client(raw, &tls.Config{InsecureSkipVerify: true})
		d := newDevice(secured)
		d.say("\r\n\r\n")
		d.post(t, cpay.MethodQueryOrder, "\r\n", about(h.number())).is(t, 104, 400)
		d.say("\r\n\r\n")
		d.alive(t)
		_ = raw.Close()

		mute, err := p.dial()
		if err != nil {
			t.Fatal(err)
		}
		start := time.Now()
		if b, err := io.ReadAll(mute); err != nil || len(b) > 0 || time.Since(start) > 15*time.Second {
			t.Errorf("a client that never shakes hands: %d bytes, %v, after %v", len(b), err, time.Since(start))
		}
		_ = mute.Close()
		if err := srv.Close(); err != nil {
			t.Error(err)
		}
		if err := <-done; !errors.Is(err, http.ErrServerClosed) {
			t.Error(err)
		}
	})
}

// selfSigned makes a server's TLS configuration.
func selfSigned(t *testing.T) *tls.Config {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	c := &x509.Certificate{SerialNumber: big.NewInt(1), NotAfter: time.Now().Add(24 * time.Hour), DNSNames: []string{"house.test"}}
	der, err := x509.CreateCertificate(rand.Reader, c, c, &key.PublicKey, key)
	if err != nil {
		t.Fatal(err)
	}
	return &tls.Config{Certificates: []tls.Certificate{{Certificate: [][]byte{der}, PrivateKey: key}}}
}

// TestAListenerThatFailsSaysSo.
func TestAListenerThatFailsSaysSo(t *testing.T) {
	t.Parallel()
	s := api.Server{}
	p := newPipes()
	_ = p.Close()
	if _, err := s.Tolerate(p).Accept(); !errors.Is(err, net.ErrClosed) {
		t.Errorf("Accept = %v", err)
	}
}
