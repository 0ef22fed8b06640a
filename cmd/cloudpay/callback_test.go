package main

import (
	"encoding/json"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"sync/atomic"
	"testing"

	"cloudpay/cpay"
	"cloudpay/internal/manage"
)

// TestScriptAReceiverThatLostAnHourIsToldAgain: what an operator does for a
// merchant whose server acknowledged callbacks and lost them.
func TestScriptAReceiverThatLostAnHourIsToldAgain(t *testing.T) {
	t.Parallel()
	var heard atomic.Int64
	receiver := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		_, _ = io.Copy(io.Discard, r.Body)
		heard.Add(1)
		_, _ = w.Write(cpay.SealCallbackReply(cpay.CallbackReply{}, cpay.NewKey("any")))
	}))
	defer receiver.Close()

	d := startDemo(t, t.TempDir())
	m := d.file.Merchants[0]
	database := []string{"--dsn", "sqlite:" + filepath.Join(d.dir, "cloudpay.db"), "--master-key-file", filepath.Join(d.dir, "master.key"), "--json"}
	var made manage.NewToken
	if r := cloudpay(t, append([]string{"token", "add", "--role", "operator", "test"}, database...)...); json.Unmarshal([]byte(r.stdout), &made) != nil {
		t.Fatalf("token add: %+v", r)
	}
	token := filepath.Join(d.dir, "token")
	if err := os.WriteFile(token, []byte(made.Value), 0o600); err != nil {
		t.Fatal(err)
	}
	server := []string{"--server", d.file.API, "--token-file", token, "--json"}
	callback := func(args ...string) ran {
		return cloudpay(t, append(append([]string{"callback"}, args...), server...)...)
	}
	cloudpay(t, append([]string{"merchant", "set", m.OutSubMchID, "--notify-url", receiver.URL + "/n"}, server...)...).want(t, exitOK, receiver.URL)

	order := m.Prefixes[0] + "0000000000000001"
	cloudpay(t, "pay", "--data", d.dir, "--order", order, "--auth-code", d.payCode(t, "wxpay", ""), "--amount", "0.02").want(t, exitOK, "收款成功")
	attempts := func() (list []manage.CallbackAttempt) {
		r := callback("list", "--merchant", m.OutSubMchID, "--order", order)
		r.want(t, exitOK, "")
		for line := range strings.Lines(r.stdout) {
			var a manage.CallbackAttempt
			if err := json.Unmarshal([]byte(line), &a); err != nil {
				t.Fatalf("list prints %s: %v", line, err)
			}
			list = append(list, a)
		}
		return list
	}
	d.until(t, "the first callback in the log", func() bool { return len(attempts()) == 1 })
	callback("resend", "--merchant", m.OutSubMchID, "--from", "2020-01-01T00:00:00Z").want(t, exitOK, `{"count":1}`)
	d.until(t, "the second", func() bool { return len(attempts()) == 2 })
	callback("resend", "--merchant", m.OutSubMchID, "--order", order).want(t, exitOK, "")
	d.until(t, "the third", func() bool { return len(attempts()) == 3 })
	for _, a := range attempts() {
		if !a.Acknowledged || a.Event != "paid" || a.Attempt != 1 || a.HTTPStatus != http.StatusOK || a.Request != "" {
			t.Errorf("an attempt is listed as %+v", a)
		}
	}
	callback("show", "--merchant", m.OutSubMchID, attempts()[0].ID).want(t, exitOK, `\"order_content\"`)
	callback("ping", "--merchant", m.OutSubMchID).want(t, exitOK, `"acknowledged":true`)
	if n := heard.Load(); n != 4 {
		t.Errorf("the receiver heard %d callbacks, want one, two told again and a ping", n)
	}
	callback("endpoints").want(t, exitOK, `"state":"closed"`)
	receiver.Close()
	callback("ping", "--merchant", m.OutSubMchID).want(t, exitDeclined, "the test callback was not acknowledged")
}
