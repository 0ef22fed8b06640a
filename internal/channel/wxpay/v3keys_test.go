package wxpay

import (
	"context"
	"maps"
	"net/http"
	"strings"
	"sync"
	"testing"
	"time"

	"cloudpay/internal/channel"
	"cloudpay/internal/pay"
	"cloudpay/internal/secret"
)

// asks queries the paid order and reports whether the answer was believed.
func asks(t *testing.T, c *Channel) bool {
	t.Helper()
	out := c.Query(t.Context(), order)
	if out.Kind != pay.Paid && (out.Kind != pay.Unknown || !out.Lost) {
		t.Errorf("the query says %+v", out)
	}
	return out.Kind == pay.Paid
}

func (w *wallet3) wantDownloads(want int) {
	w.t.Helper()
	if got := w.downloads(); got != want {
		w.t.Errorf("%d downloads of certificates, want %d", got, want)
	}
}

func TestCertificatesAreFetchedOnceAndBeforeThePayment(t *testing.T) {
	t.Parallel()
	c, w := play3(t, says(paid3))
	var wg sync.WaitGroup
	for range 20 {
		wg.Go(func() {
			if out := c.Pay(t.Context(), charge); out.Kind != pay.Paid {
				t.Errorf("%+v", out)
			}
		})
	}
	wg.Wait()
	w.wantDownloads(1)
	if n := len(w.requests); n != 20 {
		t.Errorf("%d payments were sent, want 20", n)
	}
}

// TestNothingIsChargedThatCannotBeVerified: without any key of WeChat's the
// payment does not leave.
func TestNothingIsChargedThatCannotBeVerified(t *testing.T) {
	t.Parallel()
	for name, spoil := range map[string]func(w *wallet3, c *Config){
		"another APIv3 key":    func(_ *wallet3, c *Config) { c.APIv3Key = secret.New(strings.Repeat("k", 32)) },
		"no certificate":       func(w *wallet3, _ *Config) { w.listed = nil },
		"signed by a stranger": func(w *wallet3, _ *Config) { w.signWith(pairs()[4]) },
		"unsigned":             func(w *wallet3, _ *Config) { w.list = func(a *answer3) { a.unsigned = true } },
		"not JSON":             func(w *wallet3, _ *Config) { w.list = func(a *answer3) { a.body = "<html>" } },
		"a status":             func(w *wallet3, _ *Config) { w.list = func(a *answer3) { a.status = http.StatusInternalServerError } },
		"a refusal": func(w *wallet3, _ *Config) {
			w.list = func(a *answer3) { *a = answer3{status: 401, body: `{"code":"SIGN_ERROR"}`} }
		},
		"public-key mode": func(w *wallet3, _ *Config) {
			w.list = func(a *answer3) { *a = answer3{status: 404, body: `{"code":"RESOURCE_NOT_EXISTS"}`} }
		},
		"an altered list": func(w *wallet3, _ *Config) {
			w.list = func(a *answer3) { a.change = func(h http.Header) { h.Set(headerNonce, "x") } }
		},
		"another serial":         func(w *wallet3, _ *Config) { w.listed[0].serial = pairs()[2].serial },
		"not a certificate":      func(w *wallet3, _ *Config) { w.listed[0].certPEM = pairs()[1].pubPEM },
		"a list without end":     func(w *wallet3, _ *Config) { w.listed = make([]pair, maxCerts+1) },
		"an expired certificate": func(w *wallet3, _ *Config) { w.now = testNow.Add(6 * 365 * 24 * time.Hour) },
		"a certificate of later": func(w *wallet3, _ *Config) { w.now = testNow.Add(-365 * 24 * time.Hour) },
		"an old list sent again": func(w *wallet3, _ *Config) { w.list = func(a *answer3) { a.change = stale(-time.Hour) } },
	} {
		_, w := play3(t, says(paid3))
		c := w.channel(func(conf *Config) { spoil(w, conf) })
		out := c.Pay(t.Context(), charge)
		if out.Kind != pay.Unknown || !out.Lost || out.Text != channel.ErrKeys.Error() || len(w.requests) != 0 {
			t.Errorf("%s: %+v, %d payments sent", name, out, len(w.requests))
		}
		h := c.Health()
		if h.RefreshFailure == "" || !h.Refreshed.IsZero() || h.Failure.Kind != "keys" || h.Failure.Call != "codepay" {
			t.Errorf("%s: health %+v", name, h)
		}
		if err := c.Refresh(t.Context()); err == nil || strings.Contains(err.Error(), testV3Key) {
			t.Errorf("%s: Refresh = %v", name, err)
		}
	}
}

// TestTwoSerialsAreKnownDuringARotation rotates under traffic: each new serial
// costs one download, and the old one is believed for a while after it has gone.
func TestTwoSerialsAreKnownDuringARotation(t *testing.T) {
	t.Parallel()
	c, w := play3(t, says(paid3))
	if !asks(t, c) {
		t.Fatal("the first answer is not believed")
	}
	w.set(func() { w.listed = append(w.listed, pairs()[2]) })
	w.set(func() { w.signWith(pairs()[2]) })
	var wg sync.WaitGroup
	for range 30 {
		wg.Go(func() { asks(t, c) })
	}
	wg.Wait()
	w.wantDownloads(2)
	w.set(func() { w.signWith(pairs()[1]) })
	if !asks(t, c) {
		t.Error("the old serial is forgotten while it is listed")
	}
	w.set(func() { w.listed = []pair{pairs()[2]} })
	if err := c.Refresh(t.Context()); err != nil {
		t.Fatal(err)
	}
	w.advance(stillKnown - time.Second)
	if !asks(t, c) {
		t.Error("the old serial is forgotten at once")
	}
	w.advance(2 * time.Second)
	if asks(t, c) {
		t.Error("a serial that is no longer listed is still believed")
	}
	w.set(func() { w.signWith(pairs()[2]) })
	if !asks(t, c) {
		t.Error("the new serial is not believed")
	}
	var serials []string
	for _, k := range c.Health().Keys[1:] {
		if k.Used.IsZero() || k.Role != channel.RolePlatform || k.Until.IsZero() {
			t.Errorf("key %+v", k)
		}
		serials = append(serials, k.Serial)
	}
	if want := pairs()[2].serial; len(serials) != 1 || serials[0] != want {
		t.Errorf("serials in use: %v, want %s", serials, want)
	}
}

// TestUnknownSerialsAreLookedForWithinABudget plays a wallet, and then
// strangers with notices, that name a new serial each time.
func TestUnknownSerialsAreLookedForWithinABudget(t *testing.T) {
	t.Parallel()
	c, w := play3(t, says(paid3))
	asks(t, c)
	w.wantDownloads(1)
	w.set(func() { w.serial = "5157F0ABCDEF" })
	for range 50 {
		asks(t, c)
	}
	w.wantDownloads(10) // one was for the first answer
	w.advance(10 * time.Second)
	for range 5 {
		asks(t, c)
	}
	w.wantDownloads(11)
	body := []byte(`{}`)
	for range 50 {
		h := signedHeader(pairs()[4], pairs()[4].serial, w.clock(), body)
		if _, err := c.ParseNotice(h, body); err == nil {
			t.Fatal("a stranger's notice is believed")
		}
	}
	w.wantDownloads(14)
	// The strangers did not use up what answers may.
	w.advance(10 * time.Second)
	w.set(func() { w.signWith(pairs()[2]); w.listed = append(w.listed, pairs()[2]) })
	if !asks(t, c) {
		t.Error("a true new serial is not looked for")
	}
	w.wantDownloads(15)
	for _, serial := range []string{"PUB_KEY_ID_0119000001092026010100000000000009", "not a serial", strings.Repeat("A", 41), "5157f0"} {
		w.advance(time.Hour)
		h := signedHeader(pairs()[4], serial, w.clock(), body)
		if _, err := c.ParseNotice(h, body); err == nil {
			t.Fatal("a stranger's notice is believed")
		}
	}
	w.wantDownloads(15)
}

// TestCertificatesAreRefreshedUnderTwelveHours: the download for age happens
// beside the calls, once at a time, and again after a failure.
func TestCertificatesAreRefreshedUnderTwelveHours(t *testing.T) {
	t.Parallel()
	c, w := play3(t, says(paid3))
	asks(t, c)
	w.advance(refreshEvery - time.Second)
	asks(t, c)
	w.wantDownloads(1)
	w.advance(time.Second)
	w.set(func() { w.list = func(a *answer3) { a.status = http.StatusInternalServerError } })
	for range 5 {
		if !asks(t, c) {
			t.Error("an answer is not believed while the certificates are refreshed")
		}
	}
	settle := func(want int) {
		t.Helper()
		for t.Context().Err() == nil && w.downloads() < want {
			asks(t, c)
		}
		if c.v3.keys.fetching.take(t.Context()) { // the download has ended when its lock is free
			c.v3.keys.fetching.end()
		}
	}
	settle(2)
	asks(t, c)
	w.wantDownloads(2)
	if h := c.Health(); h.RefreshFailure == "" || !h.Refreshed.Equal(testNow) {
		t.Errorf("health after a failed refresh: %+v", h)
	}
	w.set(func() { w.list = nil })
	w.advance(refreshPause)
	asks(t, c)
	settle(3)
	asks(t, c)
	w.wantDownloads(3)
	if h := c.Health(); h.RefreshFailure != "" || !h.Refreshed.Equal(w.clock()) {
		t.Errorf("health after a refresh: %+v", h)
	}
}

// TestAnExpiredCertificateVerifiesNothing, and its successor is looked for.
func TestAnExpiredCertificateVerifiesNothing(t *testing.T) {
	t.Parallel()
	c, w := play3(t, says(paid3))
	asks(t, c)
	w.advance(6 * 365 * 24 * time.Hour)
	if asks(t, c) {
		t.Error("an expired certificate is believed")
	}
}

// TestThePublicKeyAloneWillDo is a merchant who never had a certificate: there
// is nothing to download, and nothing is, not even an account with an APIv3 key.
func TestThePublicKeyAloneWillDo(t *testing.T) {
	t.Parallel()
	_, w := play3(t, says(paid3))
	w.listed = nil
	for name, c := range map[string]*Channel{
		"without an APIv3 key": w.channel(withPublicKey, func(c *Config) { c.APIv3Key = secret.Secret{} }),
		"with one":             w.channel(withPublicKey),
	} {
		if !asks(t, c) {
			t.Errorf("%s: the answer is not believed", name)
		}
		if req := <-w.requests; req.serial != testPublicID {
			t.Errorf("%s: the request names key %q", name, req.serial)
		}
		w.wantDownloads(0)
		h := c.Health()
		if len(h.Keys) != 2 || h.Keys[1].Role != channel.RolePublicKey || h.Keys[1].Serial != testPublicID || h.Keys[1].Used != testNow || !h.Keys[1].Until.IsZero() {
			t.Errorf("%s: keys %+v", name, h.Keys)
		}
	}
	for name, list := range map[string]func(a *answer3){
		"an empty list": nil,
		"no list": func(a *answer3) {
			*a = answer3{status: http.StatusNotFound, body: `{"code":"RESOURCE_NOT_EXISTS","message":"无可用的平台证书"}`}
		},
	} {
		w.set(func() { w.list = list })
		c := w.channel(withPublicKey)
		if err := c.Refresh(t.Context()); err != nil || c.Health().Refreshed.IsZero() {
			t.Errorf("%s: %v", name, err)
		}
		if !asks(t, c) {
			t.Errorf("%s: the answer is not believed", name)
		}
	}
}

// TestBothKindsOfKeyDuringTheMigration: answers come signed with the public key
// that is asked for, or still with the certificate.
func TestBothKindsOfKeyDuringTheMigration(t *testing.T) {
	t.Parallel()
	_, w := play3(t, says(paid3))
	c := w.channel(withPublicKey)
	if !asks(t, c) {
		t.Error("an answer signed with the public key is not believed")
	}
	w.wantDownloads(0)
	w.set(func() {
		w.answer = func(request3) answer3 {
			body := paid3.json()
			return answer3{body: body, change: func(h http.Header) {
				maps.Copy(h, signedHeader(pairs()[1], pairs()[1].serial, testNow, []byte(body)))
			}}
		}
	})
	for range 3 {
		if !asks(t, c) {
			t.Error("an answer signed with the certificate is not believed")
		}
	}
	w.wantDownloads(1)
	h := c.Health()
	if len(h.Keys) != 3 || h.Keys[0].Role != channel.RoleOurs || h.Keys[0].Serial != pairs()[0].serial || h.Keys[1].Serial != pairs()[1].serial ||
		h.Keys[2].Serial != testPublicID || h.Keys[1].Used.IsZero() || h.Keys[2].Used.IsZero() || !h.Verified.Equal(testNow) {
		t.Errorf("health %+v", h)
	}
}

func TestHealthTellsOfTheLastFailure(t *testing.T) {
	t.Parallel()
	var a answer3
	c, w := play3(t, func(request3) answer3 { return a })
	a = answer3{body: paid3.json()}
	asks(t, c)
	w.advance(time.Minute)
	for _, one := range []struct {
		a    answer3
		kind string
	}{
		{answer3{body: paid3.json(), unsigned: true}, "signature"},
		{answer3{status: http.StatusBadGateway, body: "<html>"}, "status"},
		{answer3{status: http.StatusUnauthorized, body: `{"code":"SIGN_ERROR","message":"x"}`}, "SIGN_ERROR"},
	} {
		a = one.a
		c.Query(t.Context(), order)
		h := c.Health()
		if want := (channel.Failure{At: testNow.Add(time.Minute), Call: "query", Kind: one.kind}); h.Failure != want || !h.Verified.Equal(testNow) {
			t.Errorf("%s: %+v, last verified %v", one.kind, h.Failure, h.Verified)
		}
	}
	v2, _ := play(t, SignMD5, func(request) fieldsOf {
		return fieldsOf{"return_code": "FAIL", "return_msg": "签名错误", "sign": ""}
	})
	v2.Query(t.Context(), order)
	if h := v2.Health(); h.Failure.Call != "/pay/orderquery" || h.Failure.Kind != "FAIL" || len(h.Keys) != 1 || h.Keys[0].Until.IsZero() && h.Keys[0].Serial == "" {
		t.Errorf("v2: %+v", h)
	}
}

func TestABudgetRefills(t *testing.T) {
	t.Parallel()
	now := testNow
	b := newBudget(func() time.Time { return now }, 3, time.Minute)
	took := func() (n int) {
		for b.take() {
			n++
		}
		return n
	}
	for _, one := range []struct {
		after time.Duration
		want  int
	}{{0, 3}, {59 * time.Second, 0}, {time.Second, 1}, {90 * time.Second, 1}, {30 * time.Second, 1}, {time.Hour, 3}, {-2 * time.Hour, 0}, {time.Minute, 1}} {
		now = now.Add(one.after)
		if got := took(); got != one.want {
			t.Errorf("after %v: %d, want %d", one.after, got, one.want)
		}
	}
}

// TestBugCallWaitedForTheDownloadOfAnother: whoever needs a certificate waits
// for a download that is under way, but never longer than its own ctx allows: a
// notice has three seconds, and the download of a payment may take thirty.
func TestBugCallWaitedForTheDownloadOfAnother(t *testing.T) {
	t.Parallel()
	k := newKeyring(time.Now, nil)
	begun, end := make(chan struct{}), make(chan struct{})
	k.fetch = func(context.Context, func(string) *platformKey) ([]*platformKey, error) {
		close(begun)
		<-end
		return nil, errCertsForm
	}
	var all sync.WaitGroup
	all.Go(func() { _ = k.ready(context.WithoutCancel(t.Context())) })
	<-begun
	over, cancel := context.WithCancel(t.Context())
	cancel()
	found := make(chan *platformKey, 1)
	all.Go(func() { found <- k.find(over, "0A", k.notices) })
	select {
	case key := <-found:
		if key != nil {
			t.Errorf("found %v", key)
		}
	case <-time.After(10 * time.Second):
		t.Error("a call whose ctx is over waits for the download of another")
	}
	close(end)
	all.Wait()
}
