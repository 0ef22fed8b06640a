package sandbox_test

import (
	"encoding/json"
	"errors"
	"net/http"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"cloudpay/internal/sandbox"
)

// setScene is what the panel does.
func (b *bench) setScene(body string) {
	b.t.Helper()
	if status, out := b.ctl("PUT", "/sandbox/v1/scene", body); status != http.StatusOK {
		b.t.Fatalf("PUT scene %s = %d %v", body, status, out)
	}
}

// TestSceneDecidesTheNextPayment is AC-183 for what befalls one payment: the
// wallet's answer and whether the customer paid, and after it everything is as
// before.
func TestSceneDecidesTheNextPayment(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct {
		next, wx, ali string // ali is the sub_code, or the code
		charged       bool
	}{
		{"", "SUCCESS", "10000", true},
		{"no_money", "NOTENOUGH", "ACQ.BUYER_BALANCE_NOT_ENOUGH", false},
		{"code_expired", "AUTHCODEEXPIRE", "ACQ.PAYMENT_AUTH_CODE_INVALID", false},
		{"password", "USERPAYING", "10003", false},
		{"syserr", "SYSTEMERROR", "ACQ.SYSTEM_ERROR", false},
		{"syserr_paid", "SYSTEMERROR", "ACQ.SYSTEM_ERROR", true},
		{"answer_lost", "cut", "cut", true},
		{"not_delivered", "cut", "cut", false},
		{"duplicate", "ORDERPAID", "ACQ.TRADE_HAS_SUCCESS", false},
		{"bad_signature", "unsound", "unsound", true},
	} {
		t.Run("next="+tt.next, func(t *testing.T) {
			t.Parallel()
			b := newBench(t, nil)
			pay := func(channel sandbox.Channel) (string, string) {
				no := b.no()
				if channel == sandbox.WeChat {
					out, err := b.wxCall("/pay/micropay", payValues(no, b.code(channel, ""), 100))
					return no, told(err, out["err_code"], out["result_code"])
				}
				out, err := b.aliCall("alipay.trade.pay", kv{"out_trade_no": no, "auth_code": b.code(channel, ""), "total_amount": "1.00", "subject": "测试商品", "scene": "bar_code"})
				sub, _ := out["sub_code"].(string)
				code, _ := out["code"].(string)
				return no, told(err, sub, code)
			}
			for channel, want := range map[sandbox.Channel]string{sandbox.WeChat: tt.wx, sandbox.Alipay: tt.ali} {
				b.setScene(`{"next":"` + tt.next + `"}`)
				no, got := pay(channel)
				if got != want {
					t.Errorf("%s answers %q, want %q", channel, got, want)
				}
				list, err := b.Trades(t.Context(), no)
				if err != nil {
					t.Fatal(err)
				}
				if charged := len(list) == 1 && list[0].Charges == 1; charged != tt.charged {
					t.Errorf("%s charged %v, want %v", channel, charged, tt.charged)
				}
				if used := len(list) == 1 && list[0].State == map[sandbox.Channel]string{sandbox.WeChat: "CLOSED", sandbox.Alipay: "TRADE_CLOSED"}[channel]; used != (tt.next == "duplicate") {
					t.Errorf("%s: the number is an earlier order's: %v", channel, list)
				}
				if next := b.Scene().Next; next != "" {
					t.Errorf("after its payment the scene still says next=%q", next)
				}
				if _, got := pay(channel); got != map[sandbox.Channel]string{sandbox.WeChat: "SUCCESS", sandbox.Alipay: "10000"}[channel] {
					t.Errorf("the payment after it is answered %q", got)
				}
			}
		})
	}
}

// told is the first of an answer's codes that it has, or how it failed.
func told(err error, codes ...string) string {
	switch {
	case err != nil && isCut(err):
		return "cut"
	case err != nil:
		return "unsound"
	}
	for _, c := range codes {
		if c != "" {
			return c
		}
	}
	return ""
}

// TestSceneRulesWhenThePasswordIsAsked is AC-182's presets.
func TestSceneRulesWhenThePasswordIsAsked(t *testing.T) {
	t.Parallel()
	const asks, pays = "USERPAYING", ""
	for _, tt := range []struct {
		rule   string
		fen    int
		before int // payments of the day
		want   string
	}{
		{"seed", 500_00, 0, pays},
		{"seed", 500_01, 0, asks},
		{"seed", 1, 4, pays},
		{"seed", 1, 5, asks},
		{"current", 1000_00, 0, pays},
		{"current", 1000_01, 0, asks},
		{"current", 1, 9, pays},
		{"current", 1, 10, asks},
		{"s002", 2999_99, 0, pays},
		{"s002", 3000_00, 0, asks},
		{"s002", 1, 9, pays},
		{"s002", 1, 10, asks},
		{"always", 1, 0, asks},
		{"never", 9000_00, 11, pays},
		{"", 500_01, 0, asks},
	} {
		t.Run(tt.rule, func(t *testing.T) {
			t.Parallel()
			b := newBench(t, nil)
			b.setScene(`{"password":"never"}`)
			for range tt.before {
				b.wxPay(b.no(), b.code(sandbox.WeChat, "ming"), 1)
			}
			b.setScene(`{"password":"` + tt.rule + `"}`)
			_, out := b.wxPay(b.no(), b.code(sandbox.WeChat, "ming"), tt.fen)
			if out["err_code"] != tt.want {
				t.Errorf("%d fen after %d payments = %v, want %q", tt.fen, tt.before, out, tt.want)
			}
		})
	}
}

func TestSceneCutsDelaysAndLosesUntilItIsReset(t *testing.T) {
	t.Parallel()
	var mu sync.Mutex
	var waits []time.Duration
	b := newBench(t, func(c *sandbox.Config) {
		c.After = func(d time.Duration) <-chan time.Time {
			mu.Lock()
			defer mu.Unlock()
			waits = append(waits, d)
			ch := make(chan time.Time, 1)
			ch <- time.Time{}
			return ch
		}
	})
	b.setScene(`{"delay_ms":300,"cut":["alipay"],"lost":true}`)
	for range 2 {
		if _, err := b.wxCall("/pay/micropay", payValues(b.no(), b.code(sandbox.WeChat, ""), 100)); err == nil {
			t.Error("a lost answer arrived")
		}
		if _, err := b.aliCall("alipay.trade.query", kv{"out_trade_no": "T"}); err == nil {
			t.Error("the wallet that was cut off answers")
		}
	}
	if got := b.totals(); got.Charges != 2 {
		t.Errorf("charges = %d, want both payments whose answer was lost", got.Charges)
	}
	b.setScene(`{}`)
	if code, _ := b.wxPay(b.no(), b.code(sandbox.WeChat, ""), 100); code != "SUCCESS" {
		t.Errorf("after the reset = %s", code)
	}
	if code, _ := b.aliPay(b.no(), b.code(sandbox.Alipay, ""), "1.00"); code != "10000" {
		t.Errorf("after the reset = %s", code)
	}
	mu.Lock()
	defer mu.Unlock()
	if len(waits) == 0 || waits[0] != 300*time.Millisecond {
		t.Errorf("waits = %v, want 300 ms", waits)
	}
}

func TestSceneMakesRefundsLateOrFail(t *testing.T) {
	t.Parallel()
	b := newBench(t, nil)
	no := b.no()
	b.wxPay(no, b.code(sandbox.WeChat, "ming"), 100)
	b.setScene(`{"refund":"late"}`)
	b.wxRefund(no, "R1", 100, 10)
	b.clock.add(29 * time.Second)
	if got := b.wxRefundState("R1"); got != "PROCESSING" {
		t.Errorf("after 29 s = %s", got)
	}
	b.clock.add(time.Second)
	if got := b.wxRefundState("R1"); got != "SUCCESS" {
		t.Errorf("after 30 s = %s", got)
	}
	b.setScene(`{"refund":"failed"}`)
	b.wxRefund(no, "R2", 100, 10)
	b.clock.add(3 * time.Second)
	if got := b.wxRefundState("R2"); got != "CHANGE" {
		t.Errorf("a refund that fails = %s", got)
	}
	if got := b.totals().Refunded; got != 10 {
		t.Errorf("refunded = %d, want 10", got)
	}
}

func TestSceneLeavesOtherFaultsAlone(t *testing.T) {
	t.Parallel()
	b := newBench(t, nil)
	b.fault(sandbox.Fault{Scenario: "notify_dup", Channel: sandbox.Alipay})
	names := func() []string {
		t.Helper()
		list, err := b.Faults(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		var all []string
		for _, f := range list {
			all = append(all, f.Scenario+" "+f.Endpoint)
		}
		return all
	}
	b.setScene(`{"next":"no_money","notice":"late","refund":"failed"}`)
	b.setScene(`{"notice":"tampered","password":"always"}`)
	b.restart() // the scene is on disk, as its rules are
	if diff := cmp.Diff([]string{"notify_dup notify", "tamper notify"}, names()); diff != "" {
		t.Errorf("faults (-want +got):\n%s", diff)
	}
	if diff := cmp.Diff(sandbox.Scene{Notice: "tampered", Password: "always", Cut: []sandbox.Channel{}}, b.Scene()); diff != "" {
		t.Errorf("scene after a restart (-want +got):\n%s", diff)
	}
	b.setScene(`{}`)
	if diff := cmp.Diff([]string{"notify_dup notify"}, names()); diff != "" {
		t.Errorf("faults after the reset (-want +got):\n%s", diff)
	}
}

func TestSceneRefusesWhatItDoesNotKnow(t *testing.T) {
	t.Parallel()
	b := newBench(t, nil)
	b.setScene(`{"next":"no_money"}`)
	for body, text := range map[string]string{
		`{"password":"often"}`: "password", `{"next":"flood"}`: "next", `{"refund":"x"}`: "refund", `{"notice":"x"}`: "notice",
		`{"delay_ms":-1}`: "delay_ms", `{"delay_ms":10001}`: "delay_ms", `{"cut":["cash"]}`: "cut", `{"colour":1}`: "colour",
	} {
		status, out := b.ctl("PUT", "/sandbox/v1/scene", body)
		if msg, _ := out["error"].(string); status != http.StatusBadRequest || !strings.Contains(msg, text) {
			t.Errorf("%s = %d %v, want 400 naming %s", body, status, out, text)
		}
	}
	if err := b.SetScene(t.Context(), sandbox.Scene{Next: "flood"}); !errors.Is(err, sandbox.ErrInvalid) {
		t.Errorf("SetScene = %v, want ErrInvalid", err)
	}
	if got := b.Scene().Next; got != "no_money" {
		t.Errorf("a refused scene changed the one in force to %q", got)
	}
	_, out := b.ctl("GET", "/sandbox/v1/scene", "")
	raw, err := json.Marshal(out["choices"])
	if err != nil || !strings.Contains(string(raw), `"no_money"`) || out["profile"] != "seed" {
		t.Errorf("GET scene = %v", out)
	}
}
