package sandbox_test

import (
	"net/http"
	"strings"
	"testing"
	"time"

	"cloudpay/internal/sandbox"
)

// toldOf lists the order numbers of what arrived, in order.
func toldOf(t *testing.T, bodies []string) []string {
	t.Helper()
	var list []string
	for _, body := range bodies {
		n, err := v2Parse([]byte(body))
		if err != nil {
			t.Fatal(err)
		}
		list = append(list, n["out_trade_no"])
	}
	return list
}

func TestNoticesAreDroppedDelayedAndReordered(t *testing.T) {
	t.Parallel()
	b, box := newInbox(t, wxAck)
	dropped := b.no()
	b.fault(sandbox.Fault{Scenario: "notify_drop", Params: sandbox.Params{N: 2}})
	b.pays("anna", b.native(dropped, 100))
	if got := box.taken(); len(got) != 0 {
		t.Errorf("a dropped notice arrived: %v", got)
	}
	b.advance(15 * time.Second) // dropped again
	if got := box.taken(); len(got) != 0 {
		t.Errorf("a notice dropped twice arrived: %v", got)
	}
	b.advance(15 * time.Second)
	if got := toldOf(t, box.taken()); len(got) != 1 || got[0] != dropped {
		t.Errorf("after two drops came %v, want %s", got, dropped)
	}

	late := b.no()
	b.fault(sandbox.Fault{Scenario: "notify_delay", Count: 1, Params: sandbox.Params{Seconds: new(90.0)}})
	b.pays("anna", b.native(late, 100))
	b.advance(89 * time.Second)
	if got := box.taken(); len(got) != 0 {
		t.Errorf("after 89 s came %v", got)
	}
	b.advance(time.Second)
	if got := toldOf(t, box.taken()); len(got) != 1 || got[0] != late {
		t.Errorf("after 90 s came %v, want %s", got, late)
	}

	first, second := b.no(), b.no()
	b.fault(sandbox.Fault{Scenario: "notify_reorder", Count: 1})
	b.pays("anna", b.native(first, 100))
	b.pays("anna", b.native(second, 100))
	b.advance(time.Second)
	if got := strings.Join(toldOf(t, box.taken()), " "); got != second+" "+first {
		t.Errorf("order is %q, want %s before %s", got, second, first)
	}
	alone := b.no()
	b.fault(sandbox.Fault{Scenario: "notify_reorder", Count: 1})
	b.pays("anna", b.native(alone, 100))
	if list, err := b.Notices(t.Context(), alone); err != nil || list[0].State != "held_order" {
		t.Errorf("the notice is %+v, %v", list, err)
	}
	b.advance(5 * time.Minute)
	if got := toldOf(t, box.taken()); len(got) != 1 || got[0] != alone {
		t.Errorf("after five minutes alone came %v", got)
	}
}

func TestANoticeCanWaitForTheRefund(t *testing.T) {
	t.Parallel()
	b, box := newInbox(t, wxAck)
	no := b.no()
	b.fault(sandbox.Fault{Scenario: "notify_after_refund", Endpoint: "notify", Params: sandbox.Params{OutTradeNo: no}})
	b.pays("anna", b.native(no, 100))
	b.advance(25 * time.Hour)
	if got := box.taken(); len(got) != 0 {
		t.Errorf("without a refund came %v", got)
	}
	b.restart() // the wait survives
	if code, _ := b.wxRefund(no, "R1", 100, 40); code != "SUCCESS" {
		t.Fatalf("refund = %s", code)
	}
	b.advance(time.Second)
	if got := toldOf(t, box.taken()); len(got) != 1 || got[0] != no {
		t.Errorf("after the refund came %v, want %s", got, no)
	}
}

// TestANoticeCanComeBeforeTheAnswer reads the inbox at the moment the answer of
// each call is there.
func TestANoticeCanComeBeforeTheAnswer(t *testing.T) {
	t.Parallel()
	b, box := newInbox(t, wxAck)
	b.fault(sandbox.Fault{Scenario: "notify_before_response"})
	for _, kind := range []string{"NATIVE", "JSAPI", "MWEB", "APP"} {
		no := b.no()
		code, out := b.wx("/pay/unifiedorder", b.unified(no, kind, 100))
		if got := toldOf(t, box.taken()); code != "SUCCESS" || len(got) != 1 || got[0] != no || b.trade(no).Charged != 100 {
			t.Errorf("%s answered %s %v after the notices %v", kind, code, out, got)
		}
	}
	no := b.no()
	b.v3Native(t, no, 100, notifyURL)
	if got := box.taken(); len(got) != 1 || b.trade(no).State != "SUCCESS" {
		t.Errorf("v3 native answered after %d notices", len(got))
	}
	if code, _ := b.wx("/pay/unifiedorder", b.unified(no, "NATIVE", 200)); code == "SUCCESS" {
		t.Error("a paid number was prepared again")
	}
	box.answers(http.StatusOK, "success")
	if err := b.ClearFaults(); err != nil {
		t.Fatal(err)
	}
	b.fault(sandbox.Fault{Scenario: "notify_before_response", Endpoint: "pay", Channel: sandbox.Alipay})
	no = b.no()
	form := b.aliParams("alipay.trade.pay", kv{
		"out_trade_no": no, "scene": "bar_code", "auth_code": b.code(sandbox.Alipay, ""), "subject": "s", "total_amount": "1.00",
	}, kv{"notify_url": "http://127.0.0.1:1/n"})
	if _, _, _, err := b.post(b.client(-1), "/gateway.do", "application/x-www-form-urlencoded", form.Encode(), nil); err != nil {
		t.Fatal(err)
	}
	if got := box.taken(); len(got) != 1 || !strings.Contains(got[0], no) {
		t.Errorf("alipay answered after the notices %v", got)
	}
}

func TestRateLimitCountsBySecond(t *testing.T) {
	t.Parallel()
	b := newBench(t, nil)
	b.fault(sandbox.Fault{Scenario: "rate_limit", Params: sandbox.Params{QPS: 2}})
	codes := func() (list []string) {
		for range 4 {
			code, _ := b.wxPay(b.no(), b.code(sandbox.WeChat, ""), 100)
			list = append(list, code)
		}
		return list
	}
	const want = "SUCCESS SUCCESS INVALID_REQ_TOO_MUCH INVALID_REQ_TOO_MUCH"
	for range 2 {
		if got := strings.Join(codes(), " "); got != want {
			t.Errorf("four calls in a second = %s, want %s", got, want)
		}
		b.clock.add(time.Second)
	}
	if err := b.AddFault(sandbox.Fault{Scenario: "rate_limit", Params: sandbox.Params{QPS: -1}}); err == nil {
		t.Error("a negative qps is taken")
	}
}
