package sandbox_test

import (
	"errors"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"cloudpay/internal/sandbox"
)

func (b *bench) advance(d time.Duration) sandbox.Clock {
	b.t.Helper()
	c, err := b.Advance(b.t.Context(), d)
	if err != nil {
		b.t.Fatal(err)
	}
	return c
}

// TestAdvancePlaysTheWholeLadder gives a merchant who never acknowledges every
// repetition at its own moment, in one step of the clock.
func TestAdvancePlaysTheWholeLadder(t *testing.T) {
	t.Parallel()
	b, box := newInbox(t, "no")
	var at []time.Duration
	box.answer = func(*http.Request) (*http.Response, error) {
		at = append(at, b.Now().Sub(noon))
		return nil, errors.New("down")
	}
	no := b.no()
	b.pays("anna", b.native(no, 100))
	c := b.advance(24*time.Hour + 4*time.Minute)
	var want []time.Duration
	var sum time.Duration
	for _, wait := range append([]time.Duration{0}, 15*time.Second, 15*time.Second, 30*time.Second, 3*time.Minute, 10*time.Minute,
		20*time.Minute, 30*time.Minute, 30*time.Minute, 30*time.Minute, time.Hour, 3*time.Hour, 3*time.Hour, 3*time.Hour, 6*time.Hour, 6*time.Hour) {
		sum += wait
		want = append(want, sum)
	}
	if diff := cmp.Diff(want, at); diff != "" {
		t.Errorf("attempts (-want +got):\n%s", diff)
	}
	if list, err := b.Notices(t.Context(), no); err != nil || list[0].State != "given_up" || c.Sent != 15 {
		t.Errorf("the notice is %+v, %v after %d attempts", list, err, c.Sent)
	}
	if got := b.Now().Sub(noon); got != 24*time.Hour+4*time.Minute || c.Ahead != "24h4m0s" {
		t.Errorf("now is %v after noon, told as %s", got, c.Ahead)
	}
}

// TestAdvanceMovesEverythingThatWaits looks at each thing just before its end
// and just after.
func TestAdvanceMovesEverythingThatWaits(t *testing.T) {
	t.Parallel()
	b := newBench(t, nil)
	code := b.code(sandbox.WeChat, "anna")
	_, out := b.wx("/pay/unifiedorder", b.unified(b.no(), "MWEB", 100))
	page := out["mweb_url"]
	order := b.native(b.no(), 100)
	waiting, refunded := b.no(), b.no()
	if code, _ := b.wxPay(waiting, b.code(sandbox.WeChat, "ben"), 600_00); code != "USERPAYING" {
		t.Fatalf("micropay = %s", code)
	}
	if code, _ := b.wxPay(refunded, b.code(sandbox.WeChat, "ben"), 100); code != "SUCCESS" {
		t.Fatalf("micropay = %s", code)
	}
	if code, _ := b.wxRefund(refunded, "R1", 100, 100); code != "SUCCESS" {
		t.Fatalf("refund = %s", code)
	}
	open := func(in sandbox.Invocation) error {
		_, err := b.Open(t.Context(), "anna", in)
		return err
	}
	b.advance(3 * time.Second)
	if got := b.wxRefundState("R1"); got != "SUCCESS" {
		t.Errorf("refund is %s 3 s later", got)
	}
	if got := b.wxState(waiting); got != "USERPAYING" {
		t.Errorf("dialogue is %s 3 s later", got)
	}
	b.advance(28 * time.Second)
	if got := b.wxState(waiting); got != "NOTPAY" {
		t.Errorf("dialogue is %s 31 s later", got)
	}
	b.advance(90 * time.Second)
	if got, _ := b.wxPay(b.no(), code, 100); got != "AUTHCODEEXPIRE" {
		t.Errorf("a code of two minutes ago = %s", got)
	}
	if err := open(sandbox.Invocation{MwebURL: page}); err != nil {
		t.Errorf("the page within five minutes: %v", err)
	}
	b.advance(3 * time.Minute)
	if err := open(sandbox.Invocation{MwebURL: page}); !errors.Is(err, sandbox.ErrInvalid) {
		t.Errorf("the page after five minutes: %v", err)
	}
	b.advance(110 * time.Minute)
	if err := open(order); err != nil {
		t.Errorf("the code within two hours: %v", err)
	}
	b.advance(10 * time.Minute)
	if err := open(order); !errors.Is(err, sandbox.ErrInvalid) {
		t.Errorf("the code after two hours: %v", err)
	}
}

func TestAdvanceSurvivesARestart(t *testing.T) {
	t.Parallel()
	b := newBench(t, nil)
	b.advance(time.Hour)
	b.advance(30 * time.Minute)
	b.restart()
	if got := b.Now().Sub(noon); got != 90*time.Minute {
		t.Errorf("now is %v after noon, want 1h30m", got)
	}
}

func TestControlMovesTheClockForwardOnly(t *testing.T) {
	t.Parallel()
	b := newBench(t, nil)
	status, out := b.ctl("POST", "/sandbox/v1/clock", `{"advance":"24h4m"}`)
	if status != 200 || out["now"] != "2026-11-21T04:04:00Z" || out["ahead"] != "24h4m0s" {
		t.Errorf("advance = %d %v", status, out)
	}
	for name, body := range map[string]string{
		"back": `{"advance":"-1s"}`, "none": `{"advance":"0s"}`, "not at all": `{}`, "no unit": `{"advance":"60"}`,
		"too far": `{"advance":"9000h"}`, "overflow": `{"advance":"99999999999h"}`, "unknown member": `{"advance":"1s","to":1}`,
	} {
		if status, out := b.ctl("POST", "/sandbox/v1/clock", body); status != 400 || !strings.Contains(out["error"].(string), "vance") && name != "unknown member" {
			t.Errorf("%s = %d %v, want 400 naming the field", name, status, out)
		}
	}
	status, out = b.ctl("GET", "/sandbox/v1/clock", "")
	if status != 200 || out["ahead"] != "24h4m0s" {
		t.Errorf("clock = %d %v", status, out)
	}
	for range 10 {
		_, _ = b.Advance(t.Context(), 366*24*time.Hour)
	}
	if _, err := b.Advance(t.Context(), 366*24*time.Hour); !errors.Is(err, sandbox.ErrInvalid) {
		t.Errorf("an eleventh year: %v", err)
	}
}

// TestSignedTimesAreTheReadersOwn: only who shares the clock can be told its time.
func TestSignedTimesAreTheReadersOwn(t *testing.T) {
	t.Parallel()
	for shared, want := range map[bool]string{true: "2026-11-20+13%3A00%3A00", false: "2026-11-20+12%3A00%3A00"} {
		box := &inbox{}
		box.answers(http.StatusOK, "success")
		b := newBench(t, func(c *sandbox.Config) { c.Notify, c.Shared = box, shared })
		b.advance(time.Hour)
		form := b.aliParams("alipay.trade.precreate", kv{"out_trade_no": b.no(), "total_amount": "0.01", "subject": "测试"}, kv{"notify_url": "http://127.0.0.1:1/n"})
		_, _, raw, err := b.post(b.client(-1), "/gateway.do", "application/x-www-form-urlencoded", form.Encode(), nil)
		if err != nil {
			t.Fatal(err)
		}
		out, _, err := b.aliRead(raw)
		if err != nil {
			t.Fatal(err)
		}
		code, _ := out["qr_code"].(string)
		b.pays("anna", sandbox.Invocation{CodeURL: code})
		list := box.taken()
		if len(list) != 1 || !strings.Contains(list[0], "notify_time="+want) || !strings.Contains(list[0], "gmt_payment=2026-11-20+13%3A00%3A00") {
			t.Errorf("shared %v: notices %v", shared, list)
		}
	}
}

// TestCertificatesExpireOnTheSandboxsClock advances past the five years of a
// client certificate. A start after that renews it for the same key.
func TestCertificatesExpireOnTheSandboxsClock(t *testing.T) {
	t.Parallel()
	b := newBench(t, nil)
	no, old := b.no(), b.Accounts().Providers[0].WeChat
	if code, _ := b.wxPay(no, b.code(sandbox.WeChat, ""), 100); code != "SUCCESS" {
		t.Fatalf("micropay = %s", code)
	}
	serves := func() (v2 bool, v3 string) {
		_, err := b.wxCall("/secapi/pay/refund", kv{"out_trade_no": no, "out_refund_no": "R1", "total_fee": "100", "refund_fee": "100"})
		answer, sendErr := b.send(t, v3Call{method: "GET", path: "/v3/certificates"})
		if sendErr != nil {
			t.Error(sendErr)
		}
		return err == nil, answer.code
	}
	for range 4 {
		b.advance(365 * 24 * time.Hour)
	}
	if v2, v3 := serves(); !v2 || v3 != "" {
		t.Errorf("after four years: refund %v, certificates %q", v2, v3)
	}
	b.advance(366 * 24 * time.Hour)
	b.advance(30 * 24 * time.Hour)
	if v2, v3 := serves(); v2 || v3 != "SIGN_ERROR" {
		t.Errorf("after five years: refund %v, certificates %q", v2, v3)
	}
	b.restart()
	fresh := b.Accounts().Providers[0].WeChat
	if fresh.SerialNo == old.SerialNo || fresh.ClientKeyPEM != old.ClientKeyPEM {
		t.Error("the certificate was not renewed for its key")
	}
	if v2, v3 := serves(); !v2 || v3 != "" {
		t.Errorf("renewed: refund %v, certificates %q", v2, v3)
	}
}
