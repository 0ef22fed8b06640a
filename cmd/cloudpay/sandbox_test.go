package main

import (
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
)

// TestSandboxOpenHandsOverWhatItWasGiven tells the forms apart: links, numbers
// and the arguments of a page.
func TestSandboxOpenHandsOverWhatItWasGiven(t *testing.T) {
	t.Parallel()
	got := make(chan string, 1)
	s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		body, _ := io.ReadAll(r.Body)
		got <- r.URL.Path + " " + string(body)
		_, _ = io.WriteString(w, `{"state":"SUCCESS"}`)
	}))
	t.Cleanup(s.Close)
	for what, want := range map[string]string{
		"weixin://wxpay/bizpayurl?pr=1":      `{"action":"approve","code_url":"weixin://wxpay/bizpayurl?pr=1"}`,
		"https://qr.alipay.com/bax1":         `{"action":"approve","code_url":"https://qr.alipay.com/bax1"}`,
		"https://wx.tenpay.com/x?prepay_id=": `{"action":"approve","mweb_url":"https://wx.tenpay.com/x?prepay_id="}`,
		"2026112022001":                      `{"action":"approve","trade_no":"2026112022001"}`,
		`{"jsapi":{"appId":"wx1"}}`:          `{"action":"approve","jsapi":{"appId":"wx1"}}`,
	} {
		cloudpay(t, "sandbox", "open", "--control", s.URL, "anna", what, "--action", "approve").want(t, exitOK, "SUCCESS")
		if sent := <-got; sent != "/sandbox/v1/customers/anna/open "+want {
			t.Errorf("%s was sent as %s, want %s", what, sent, want)
		}
	}
	cloudpay(t, "sandbox", "open", "--control", s.URL, "anna", `{"jsapi":`).want(t, exitUsage, "not a JSON object")
}

func TestSandboxOpenSaysWhyNot(t *testing.T) {
	t.Parallel()
	d := startDemo(t, t.TempDir())
	cloudpay(t, "sandbox", "open", "--data", d.dir, "anna", "weixin://wxpay/bizpayurl?pr=1").want(t, exitDeclined, "no prepared order")
}

// TestScriptDemoRunsOnTheSandboxsClock leaves a password prompt unanswered and
// moves the clock instead of waiting: the gateway reverses the order when its
// minute is over on that clock.
func TestScriptDemoRunsOnTheSandboxsClock(t *testing.T) {
	t.Parallel()
	d := startDemo(t, t.TempDir())
	order := d.file.Merchants[0].Prefixes[0] + "0000000000000001"
	cloudpay(t, "pay", "--data", d.dir, "--order", order, "--auth-code", d.payCode(t, "wxpay", "anna"),
		"--amount", "600.00", "--interval", "1ms", "--queries", "1").want(t, exitUnknown, "等待用户输入密码中")
	cloudpay(t, "sandbox", "clock", "--data", d.dir).want(t, exitOK, `"ahead":"0s"`)
	cloudpay(t, "sandbox", "clock", "--data", d.dir, "--advance", "3m").want(t, exitOK, `"ahead":"3m0s"`)
	cloudpay(t, "sandbox", "clock", "--data", d.dir, "--advance=-3m").want(t, exitDeclined, "advance")
	d.until(t, "the order is reversed", func() bool {
		r := cloudpay(t, "query", "--data", d.dir, order)
		return strings.Contains(r.stdout, "已撤单") // APIv3 sends no expiry with a code payment
	})
}
