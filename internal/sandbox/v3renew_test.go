package sandbox_test

import (
	"errors"
	"net/http"
	"testing"
	"time"

	"cloudpay/internal/sandbox"
)

// TestV3ClientCertificateIsRenewed gives a provider another API certificate and
// lets the old one go at its time, over a restart.
func TestV3ClientCertificateIsRenewed(t *testing.T) {
	t.Parallel()
	b := newBench(t, nil)
	old := b.Accounts().Providers[0].WeChat
	now, err := b.RenewWeChatClient(t.Context(), old.MchID, time.Hour)
	if err != nil {
		t.Fatal(err)
	}
	if now.SerialNo == old.SerialNo || now.ClientKeyPEM == old.ClientKeyPEM || now.APIv3Key != old.APIv3Key {
		t.Errorf("the renewed account has serial %s after %s, or its other keys have changed", now.SerialNo, old.SerialNo)
	}
	check := func(when string, oldVerifies bool) {
		t.Helper()
		if got := b.Accounts().Providers[0].WeChat; got.SerialNo != now.SerialNo || got.ClientKeyPEM != now.ClientKeyPEM {
			t.Errorf("%s the account has the serial %s, want %s", when, got.SerialNo, now.SerialNo)
		}
		if got := b.v3(t, v3Call{method: http.MethodPost, path: "/v3/security/echo", body: obj{}}); got.status != http.StatusOK || !got.verified {
			t.Errorf("%s the new certificate = %d %s", when, got.status, got.raw)
		}
		got := b.v3(t, v3Call{method: http.MethodPost, path: "/v3/security/echo", body: obj{}, serialNo: old.SerialNo, signingKey: old.ClientKeyPEM})
		if (got.status == http.StatusOK) != oldVerifies {
			t.Errorf("%s the old certificate = %d %s", when, got.status, got.raw)
		}
		if got := b.v3(t, v3Call{method: http.MethodPost, path: "/v3/security/echo", body: obj{}, signingKey: old.ClientKeyPEM}); got.status == http.StatusOK {
			t.Errorf("%s the old key signs under the new serial", when)
		}
	}
	check("at once", true)
	b.restart()
	check("after a restart", true)
	b.clock.add(time.Hour + time.Second)
	check("after the overlap", false)
	if _, err := b.RenewWeChatClient(t.Context(), "1", 0); !errors.Is(err, sandbox.ErrNotFound) {
		t.Errorf("renewing nobody's certificate = %v", err)
	}
	if _, err := b.RenewWeChatClient(t.Context(), old.MchID, -1); !errors.Is(err, sandbox.ErrInvalid) {
		t.Errorf("a negative overlap = %v", err)
	}
}
