package api_test

import (
	"bytes"
	"crypto/rand"
	"crypto/rsa"
	"crypto/x509"
	"encoding/pem"
	"log/slog"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"cloudpay/cpay"
	"cloudpay/internal/api"
	"cloudpay/internal/directory"
	"cloudpay/internal/pay"
)

// withKey asks for an order with a key; the answer must be authenticated by it.
func (h *house) withKey(t *testing.T, key, no string) answer {
	t.Helper()
	content := about(no).text()
	return h.postAs(t, cpay.MethodQueryOrder, key, bytes.NewReader(envelope(content, object{"a": object{"authen_type": 1, "authen_code": mac(key, content)}})))
}

// TestARotatedKeyLosesNoRequest: while clients pay and ask without a pause, some
// with the old key and some with the new, a rotation refuses none of them, and
// each answer is authenticated by the key of its request.
func TestARotatedKeyLosesNoRequest(t *testing.T) {
	t.Parallel()
	h := newHouse(t, options{})
	no := h.paid(t, pay.Wxpay, 2)
	const clients, rounds = 8, 150
	half := make(chan struct{}, clients) // clients in the middle of their work
	rotated := make(chan string)         // the new key, for each client that takes it
	var group sync.WaitGroup
	for i := range clients {
		group.Go(func() {
			key := theKey
			for n := range rounds {
				if n == rounds/3 {
					half <- struct{}{}
				}
				if n == 2*rounds/3 && i%2 == 0 {
					key = <-rotated
				}
				if a := h.withKey(t, key, no); a.status != 0 {
					t.Errorf("client %d, round %d: %d/%d %q", i, n, a.status, a.internal, a.text)
				}
			}
		})
	}
	for range clients {
		<-half
	}
	m, err := h.people.RotateKeys(t.Context(), directory.System, theMerchant, directory.Rotation{NewAuthenKey: true, Grace: time.Hour})
	if err != nil {
		t.Fatal(err)
	}
	fresh := m.AuthenKey.Reveal()
	for range clients / 2 {
		rotated <- fresh
	}
	group.Wait()
	h.people.Forget()
	if m, err = h.people.Merchant(t.Context(), theMerchant); err != nil || m.Keys[0].SeenAt.IsZero() {
		t.Errorf("the first use of the new key is not recorded: %v", err)
	}
	for _, key := range []string{theKey, fresh} {
		content := microPay(h.number(), h.code(pay.Wxpay, ""), 2).text()
		h.postAs(t, cpay.MethodMicroPay, key, bytes.NewReader(envelope(content, object{"a": object{"authen_type": 1, "authen_code": mac(key, content)}}))).is(t, 0, 0)
	}
	if _, err := h.people.EndGrace(t.Context(), directory.System, theMerchant); err != nil {
		t.Fatal(err)
	}
	h.withKey(t, theKey, no).is(t, 101, 7)
	h.withKey(t, fresh, no).is(t, 0, 0)
}

// TestAnotherNodeTakesTheNewKeyAtOnce: it keeps rows in memory for seconds, in
// which terminals that were set up with the new key must not be refused.
func TestAnotherNodeTakesTheNewKeyAtOnce(t *testing.T) {
	t.Parallel()
	h := newHouse(t, options{})
	no := h.paid(t, pay.Wxpay, 2)
	other := directoryOn(t, h.store)
	node := api.New(api.Config{
		Gateway: h.gw, Directory: other, Ready: h.store.Ping, Registry: prometheus.NewRegistry(), Now: time.Now, Log: slog.New(slog.DiscardHandler),
	})
	ask := func(key string) answer {
		content := about(no).text()
		body := envelope(content, object{"a": object{"authen_type": 1, "authen_code": mac(key, content)}})
		w := httptest.NewRecorder()
		node.Handler().ServeHTTP(w, httptest.NewRequestWithContext(t.Context(), "POST", cpay.Path(cpay.MethodQueryOrder), bytes.NewReader(body)))
		return read(t, cpay.MethodQueryOrder, key, w.Body.Bytes())
	}
	ask(theKey).is(t, 0, 0) // now it remembers the old keys
	m, err := h.people.RotateKeys(t.Context(), directory.System, theMerchant, directory.Rotation{NewAuthenKey: true, Grace: time.Hour})
	if err != nil {
		t.Fatal(err)
	}
	ask(m.AuthenKey.Reveal()).is(t, 0, 0)
	ask(theKey).is(t, 0, 0)
	ask(strings.Repeat("x", 32)).is(t, 101, 7)
}

// TestARotatedSigningKey: signatures of both keys hold in the grace period.
func TestARotatedSigningKey(t *testing.T) {
	t.Parallel()
	h := newHouse(t, options{})
	no := h.paid(t, pay.Wxpay, 10)
	fresh, err := rsa.GenerateKey(rand.Reader, 2048)
	if err != nil {
		t.Fatal(err)
	}
	der, err := x509.MarshalPKIXPublicKey(&fresh.PublicKey)
	if err != nil {
		t.Fatal(err)
	}
	refund := func(key *rsa.PrivateKey, code bool) answer {
		content := refundOf(no, h.number(), 10, 1).text()
		info := object{"s": object{"sign_type": 1, "sign": pss(t, key, content, 32)}}
		if code {
			info["a"] = object{"authen_type": 1, "authen_code": mac(theKey, content)}
		}
		return h.post(t, cpay.MethodRefund, envelope(content, info))
	}
	refund(fresh, false).is(t, 101, 7)
	text := string(pem.EncodeToMemory(&pem.Block{Type: "PUBLIC KEY", Bytes: der}))
	if _, err := h.people.RotateKeys(t.Context(), directory.System, theMerchant, directory.Rotation{PublicKeyPEM: text, Grace: time.Hour}); err != nil {
		t.Fatal(err)
	}
	for _, key := range []*rsa.PrivateKey{signingKey, fresh} {
		refund(key, false).is(t, 0, 0)
		refund(key, true).is(t, 0, 0)
	}
	refund(strangerKey, true).is(t, 101, 7)
	if _, err := h.people.EndGrace(t.Context(), directory.System, theMerchant); err != nil {
		t.Fatal(err)
	}
	refund(signingKey, true).is(t, 101, 7)
	refund(fresh, true).is(t, 0, 0)
}
