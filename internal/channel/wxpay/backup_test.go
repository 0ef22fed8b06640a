package wxpay

import (
	"log/slog"
	"net"
	"net/http"
	"net/http/httptest"
	"testing"

	"cloudpay/internal/channel"
	"cloudpay/internal/pay"
	"cloudpay/internal/secret"
)

// deadEnd is the URL of a host at which nobody listens.
func deadEnd(t *testing.T) string {
	t.Helper()
	l, err := new(net.ListenConfig).Listen(t.Context(), "tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	if err := l.Close(); err != nil {
		t.Fatal(err)
	}
	return "https://" + l.Addr().String()
}

// TestEveryCallMayGoToTheSecondHostUnsent: when the first cannot be dialled, each
// call, payments included, reaches the second one once. When the first host cuts
// the connection, none does.
func TestEveryCallMayGoToTheSecondHostUnsent(t *testing.T) {
	t.Parallel()
	_, w := play3(t, func(request3) answer3 {
		return answer3{status: http.StatusInternalServerError, body: `{"code":"SYSTEM_ERROR","message":"到了"}`}
	})
	w.v2 = merge(common, fieldsOf{"result_code": "FAIL", "err_code": "SYSTEMERROR", "err_code_des": "到了"})
	both := func(c *Config) { c.APIKey = secret.New(testKey); withPublicKey(c) }
	cutting := httptest.NewUnstartedServer(http.HandlerFunc(func(http.ResponseWriter, *http.Request) { panic(http.ErrAbortHandler) }))
	cutting.Config.ErrorLog = slog.NewLogLogger(slog.DiscardHandler, slog.LevelError)
	cutting.StartTLS()
	t.Cleanup(cutting.Close)
	for api, list := range map[string]map[string]func(c *Channel) pay.Outcome{channel.APIv2: bound(t, false), channel.APIv3: bound(t, true)} {
		for name, do := range list {
			dead := w.channel(both, func(c *Config) { c.API, c.BaseURL, c.BackupURL = api, deadEnd(t), w.URL })
			if out := do(dead); out.Lost || out.Text != "到了" {
				t.Errorf("%s %s: %+v, want the second host's answer", api, name, out)
			}
			if n := len(w.requests); n != 1 {
				t.Errorf("%s %s: the second host was asked %d times", api, name, n)
			}
			<-w.requests
			cut := w.channel(both, func(c *Config) {
				c.API, c.BaseURL, c.BackupURL = api, cutting.URL, w.URL
				c.RootCAs = w.config().RootCAs
				c.RootCAs.AddCert(cutting.Certificate())
			})
			if out := do(cut); !out.Lost || out.Kind != pay.Unknown {
				t.Errorf("%s %s: %+v, want lost", api, name, out)
			}
			if n := len(w.requests); n != 0 {
				t.Errorf("%s %s: sent a second time", api, name)
			}
		}
	}
}

// bound are the calls of one interface.
func bound(t *testing.T, v3 bool) map[string]func(c *Channel) pay.Outcome {
	t.Helper()
	list := map[string]func(c *Channel) pay.Outcome{}
	from := calls
	if v3 {
		from = calls3
	}
	for name, do := range from {
		list[name] = func(c *Channel) pay.Outcome { return do(t.Context(), c) }
	}
	return list
}
