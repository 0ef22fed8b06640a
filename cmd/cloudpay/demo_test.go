package main

import (
	"fmt"
	"io"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

// TestScriptDemoSession is Done-when 1: the commands that the demo prints.
func TestScriptDemoSession(t *testing.T) {
	t.Parallel()
	d := startDemo(t, t.TempDir())
	data := []string{"--data", d.dir}
	run := func(args ...string) ran { return cloudpay(t, append(args, data...)...) }
	for i, channel := range []string{"wxpay", "alipay"} {
		order := fmt.Sprintf("%s%016d", d.file.Merchants[0].Prefixes[0], i)
		code := strings.TrimSpace(run("sandbox", "paycode", "--channel", channel).stdout)
		run("pay", "--order", order, "--auth-code", code, "--amount", "0.02").want(t, exitOK, "收款成功")
		run("query", order).want(t, exitOK, "支付成功")
		run("refund", order, "--amount", "0.01").want(t, exitOK, "✔")
		run("query", order).want(t, exitOK, "已部分退款")
		run("refund", order, "--amount", "0.02").want(t, exitDeclined, "超过可退金额")
		run("refund", order, "--amount", "0.03").want(t, exitDeclined, "超过可退金额")
		run("refund", order, "--amount", "0.01").want(t, exitOK, "✔")
		run("query", order).want(t, exitOK, "已全额退款")
	}
	order := d.file.Merchants[0].Prefixes[0] + "0000000000000009"
	run("query", order).want(t, exitDeclined, "订单不存在")
	run("reverse", d.file.Merchants[0].Prefixes[0]+"0000000000000000").want(t, exitDeclined, "已支付，请退款")
}

func TestScriptPasswordAtTheShell(t *testing.T) {
	t.Parallel()
	d := startDemo(t, t.TempDir())
	order := d.file.Merchants[0].Prefixes[0] + "0000000000000001"
	code := d.payCode(t, "wxpay", "anna")
	done := make(chan ran, 1)
	go func() {
		done <- cloudpay(t, "pay", "--data", d.dir, "--order", order, "--auth-code", code, "--amount", "600.00", "--interval", "200ms", "--queries", "300")
	}()
	time.AfterFunc(2*time.Second, func() {
		cloudpay(t, "sandbox", "answer", "--data", d.dir, "anna", "approve").want(t, exitOK, "")
	})
	r := <-done
	r.want(t, exitOK, "等待用户输入密码中")
	r.want(t, exitOK, "微信支付收款成功")
}

func TestScriptAmountsAreReadExactly(t *testing.T) {
	t.Parallel()
	for _, amount := range []string{"0", "0.00", "0.001", "1e3", "-1.00", "1,000.00", "abc", ""} {
		r := cloudpay(t, "pay", "--auth-code", "130000000000000000", "--amount", amount)
		if r.code != exitUsage || r.stderr == "" {
			t.Errorf("--amount %q: exit %d, %s", amount, r.code, r.stderr)
		}
	}
}

func TestScriptSecondStartContinues(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	d := startDemo(t, dir)
	first := d.file
	order := first.Merchants[1].Prefixes[1] + "0000000001"
	cloudpay(t, "pay", "--data", dir, "--merchant", first.Merchants[1].Name, "--order", order,
		"--auth-code", d.payCode(t, "alipay", ""), "--amount", "0.02").want(t, exitOK, "收款成功")
	if err := d.stop(t, 5*time.Second); err != nil {
		t.Fatalf("SIGTERM: %v\n%s", err, d.stderr)
	}
	d = startDemo(t, dir)
	if len(d.file.Merchants) != 4 || d.file.Merchants[1].AuthenKey != first.Merchants[1].AuthenKey ||
		d.file.Merchants[1].PrivateKeyPEM != first.Merchants[1].PrivateKeyPEM {
		t.Error("the second start has other merchants or keys")
	}
	cloudpay(t, "query", "--data", dir, "--merchant", first.Merchants[1].Name, order).want(t, exitOK, "支付成功")
	cloudpay(t, "refund", "--data", dir, "--merchant", first.Merchants[1].Name, order).want(t, exitOK, "✔")
	info, err := os.Stat(filepath.Join(dir, "demo.json"))
	if err != nil || info.Mode().Perm() != 0o600 {
		t.Errorf("demo.json has mode %v, %v", info.Mode(), err)
	}
}

func TestScriptHealthPages(t *testing.T) {
	t.Parallel()
	d := startDemo(t, t.TempDir())
	for path, want := range map[string]string{
		"/healthz": "ok", "/readyz": "ready", "/metrics": "cloudpay_request_seconds", "/cpay/ping": `"status":0`,
	} {
		res, err := http.Get(d.file.API + path)
		if err != nil {
			t.Fatal(err)
		}
		body, err := io.ReadAll(res.Body)
		_ = res.Body.Close()
		if path == "/metrics" {
			want = "go_goroutines" // histograms without a sample do not show
		}
		if err != nil || res.StatusCode != http.StatusOK || !strings.Contains(string(body), want) {
			t.Errorf("GET %s: %d %.100s", path, res.StatusCode, body)
		}
	}
}

// TestScriptNoSecretIsPrinted plants nothing: it looks for the demo's own keys
// in everything a run printed and logged at the loudest level (P8).
func TestScriptNoSecretIsPrinted(t *testing.T) {
	t.Parallel()
	d := startDemo(t, t.TempDir(), "--log-level", "debug")
	code := d.payCode(t, "wxpay", "")
	cloudpay(t, "pay", "--data", d.dir, "--auth-code", code, "--amount", "0.02").want(t, exitOK, "收款成功")
	if err := d.stop(t, 5*time.Second); err != nil {
		t.Fatal(err)
	}
	log := d.stderr.String()
	if !strings.Contains(log, "order settled") {
		t.Fatalf("the log is not there:\n%.2000s", log)
	}
	secrets := map[string]string{"payment code": code}
	for _, m := range d.file.Merchants {
		secrets["authen_key of "+m.Name] = m.AuthenKey
		secrets["private key of "+m.Name] = strings.Split(m.PrivateKeyPEM, "\n")[1]
	}
	for what, secret := range secrets {
		if strings.Contains(log, secret) {
			t.Errorf("the log shows the %s", what)
		}
	}
	for _, name := range []string{"cloudpay.db", "cloudpay.db-wal"} {
		raw, err := os.ReadFile(filepath.Join(d.dir, name))
		if os.IsNotExist(err) {
			continue
		}
		for what, secret := range secrets {
			if strings.Contains(string(raw), secret) {
				t.Errorf("%s holds the %s in clear", name, what)
			}
		}
	}
}
