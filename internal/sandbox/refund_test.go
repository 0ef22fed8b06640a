package sandbox_test

import (
	"fmt"
	"testing"
	"time"

	"cloudpay/internal/sandbox"
)

func TestWeChatRefundTakesTime(t *testing.T) {
	t.Parallel()
	b := newBench(t, nil)
	no := b.no()
	b.wxPay(no, b.code(sandbox.WeChat, "ming"), 100)
	code, out := b.wxRefund(no, "R1", 100, 30)
	if code != "SUCCESS" || out["refund_fee"] != "30" || out["cash_refund_fee"] != "30" || len(out["refund_id"]) != 29 {
		t.Fatalf("refund = %s %v", code, out)
	}
	if got := b.wxRefundState("R1"); got != "PROCESSING" {
		t.Errorf("refundquery at once = %s, want PROCESSING", got)
	}
	if got := b.wxState(no); got != "REFUND" {
		t.Errorf("orderquery after a partial refund = %s, want REFUND", got)
	}
	b.clock.add(2*time.Second - time.Millisecond)
	if got := b.trade(no).Refunded; got != 0 {
		t.Errorf("refunded before the delay = %d, want 0", got)
	}
	b.clock.add(time.Millisecond)
	if got := b.trade(no).Refunded; got != 30 {
		t.Errorf("refunded after the delay = %d, want 30", got)
	}
	_, found := b.wx("/pay/refundquery", kv{"refund_id": out["refund_id"]})
	for name, want := range map[string]string{
		"refund_status_0": "SUCCESS", "out_refund_no_0": "R1", "refund_fee_0": "30", "refund_count": "1",
		"refund_success_time_0": "2026-11-20 12:00:02", "refund_recv_accout_0": "支付用户的零钱",
	} {
		if found[name] != want {
			t.Errorf("refundquery %s = %q, want %q", name, found[name], want)
		}
	}
	if got := b.balance("ming"); got != 10_000_00-70 {
		t.Errorf("balance = %d, want %d", got, 10_000_00-70)
	}
}

func TestWeChatRefundsCannotExceedPaid(t *testing.T) {
	t.Parallel()
	b := newBench(t, nil)
	no, waiting := b.no(), b.no()
	b.wxPay(no, b.code(sandbox.WeChat, "ming"), 100)
	b.wxPay(waiting, b.code(sandbox.WeChat, ""), 600_00)
	tests := []struct {
		no, refundNo string
		total, fen   int
		want         string
	}{
		{no, "R1", 100, 60, "SUCCESS"},
		{no, "R1", 100, 60, "SUCCESS"},     // the same again: idempotent
		{no, "R1", 100, 50, "PARAM_ERROR"}, // the same number, another amount
		{no, "R2", 100, 41, "ERROR"},
		{no, "R2", 99, 40, "PARAM_ERROR"}, // total differs from the payment
		{no, "R2", 100, 40, "SUCCESS"},
		{no, "R3", 100, 1, "ERROR"},
		{no, "R1", 100, 60, "SUCCESS"}, // still known after everything is refunded
		{waiting, "R4", 600_00, 1, "ERROR"},
		{"nobody", "R5", 100, 1, "ORDERNOTEXIST"},
		{no, "R6", 100, 0, "PARAM_ERROR"},
		{no, "bad number", 100, 1, "PARAM_ERROR"},
	}
	for _, tt := range tests {
		if got, _ := b.wxRefund(tt.no, tt.refundNo, tt.total, tt.fen); got != tt.want {
			t.Errorf("refund %+v = %s, want %s", tt, got, tt.want)
		}
	}
	b.clock.add(2 * time.Second)
	if got := b.totals(); got.Refunds != 2 || got.Refunded != 100 {
		t.Errorf("totals = %+v, want 2 refunds of 100", got)
	}
	if got, _ := b.wx("/secapi/pay/refund", kv{
		"transaction_id": "4200000001202611209999999999", "out_refund_no": "R7", "total_fee": "1", "refund_fee": "1",
	}); got != "INVALID_TRANSACTIONID" {
		t.Errorf("refund of an unknown transaction = %s, want INVALID_TRANSACTIONID", got)
	}
	b.clock.add(366 * 24 * time.Hour)
	late := b.no()
	b.wxPay(late, b.code(sandbox.WeChat, ""), 100)
	b.clock.add(366 * 24 * time.Hour)
	if got, _ := b.wxRefund(late, "R8", 100, 1); got != "TRADE_OVERDUE" {
		t.Errorf("refund after a year = %s, want TRADE_OVERDUE", got)
	}
}

func TestFiftyRefundsInPagesOfTwenty(t *testing.T) {
	t.Parallel()
	b := newBench(t, nil)
	no := b.no()
	b.wxPay(no, b.code(sandbox.WeChat, ""), 100)
	for i := range 50 {
		if got, _ := b.wxRefund(no, fmt.Sprintf("R%d", i), 100, 1); got != "SUCCESS" {
			t.Fatalf("refund %d = %s", i+1, got)
		}
	}
	if got, _ := b.wxRefund(no, "R50", 100, 1); got != "ERROR" {
		t.Errorf("the 51st refund = %s, want ERROR", got)
	}
	seen := map[string]bool{}
	for _, offset := range []string{"", "20", "40"} {
		_, out := b.wx("/pay/refundquery", kv{"out_trade_no": no, "offset": offset})
		if out["total_refund_count"] != "50" {
			t.Errorf("total_refund_count = %s, want 50", out["total_refund_count"])
		}
		for i := range 20 {
			if number := out[fmt.Sprintf("out_refund_no_%d", i)]; number != "" {
				seen[number] = true
			}
		}
	}
	if len(seen) != 50 {
		t.Errorf("three pages show %d refunds, want 50", len(seen))
	}
	for _, query := range []kv{{"out_trade_no": no, "offset": "50"}, {"out_refund_no": "R99"}, {"refund_id": "5"}, {"out_trade_no": "nobody"}} {
		if got, _ := b.wx("/pay/refundquery", query); got != "REFUNDNOTEXIST" {
			t.Errorf("refundquery %v = %s, want REFUNDNOTEXIST", query, got)
		}
	}
	if got, _ := b.wx("/pay/refundquery", kv{"out_trade_no": no, "offset": "x"}); got != "PARAM_ERROR" {
		t.Errorf("refundquery with a bad offset = %s, want PARAM_ERROR", got)
	}
}

func TestWeChatRefundFates(t *testing.T) {
	t.Parallel()
	tests := []struct {
		scenario string
		params   sandbox.Params
		state    string
		refunded sandbox.Fen
		again    string // what a second refund of the same money gets
	}{
		{"refund_stuck", sandbox.Params{}, "PROCESSING", 0, "ERROR"},
		{"refund_stuck", sandbox.Params{Seconds: new(3600.0)}, "SUCCESS", 100, "ERROR"},
		{"refund_abnormal", sandbox.Params{}, "CHANGE", 0, "ERROR"},
		{"refund_closed", sandbox.Params{}, "REFUNDCLOSE", 0, "SUCCESS"},
	}
	for _, tt := range tests {
		b := newBench(t, nil)
		b.fault(sandbox.Fault{Scenario: tt.scenario, Count: 1, Params: tt.params})
		no := b.no()
		b.wxPay(no, b.code(sandbox.WeChat, ""), 100)
		if got, _ := b.wxRefund(no, "R1", 100, 100); got != "SUCCESS" {
			t.Fatalf("%s: refund = %s, want SUCCESS", tt.scenario, got)
		}
		b.clock.add(time.Hour)
		if got := b.wxRefundState("R1"); got != tt.state {
			t.Errorf("%s: refundquery = %s, want %s", tt.scenario, got, tt.state)
		}
		if got := b.trade(no).Refunded; got != tt.refunded {
			t.Errorf("%s: refunded = %d, want %d", tt.scenario, got, tt.refunded)
		}
		if got, _ := b.wxRefund(no, "R2", 100, 100); got != tt.again {
			t.Errorf("%s: another refund = %s, want %s", tt.scenario, got, tt.again)
		}
	}
}

func TestAlipayRefund(t *testing.T) {
	t.Parallel()
	b := newBench(t, nil)
	no, waiting := b.no(), b.no()
	b.aliPay(no, b.code(sandbox.Alipay, "ming"), "1.00")
	b.aliPay(waiting, b.code(sandbox.Alipay, ""), "600.00")
	tests := []struct {
		no, requestNo, yuan string
		want, change, fee   string
	}{
		{no, "A1", "0.60", "10000", "Y", "0.60"},
		{no, "A1", "0.60", "10000", "N", "0.60"},
		{no, "A1", "0.50", "ACQ.DISCORDANT_REPEAT_REQUEST", "", ""},
		{no, "A2", "0.41", "ACQ.REFUND_AMT_NOT_EQUAL_TOTAL", "", ""},
		{no, "", "0.10", "ACQ.INVALID_PARAMETER", "", ""},
		{no, "A2", "0", "ACQ.REASON_TRADE_REFUND_FEE_ERR", "", ""},
		{no, "A2", "0.40", "10000", "Y", "1.00"},
		{no, "A2", "0.40", "10000", "N", "1.00"},
		{no, "A3", "0.01", "ACQ.TRADE_HAS_CLOSE", "", ""},
		{waiting, "A4", "0.01", "ACQ.TRADE_STATUS_ERROR", "", ""},
		{"nobody", "A5", "0.01", "ACQ.TRADE_NOT_EXIST", "", ""},
	}
	for i, tt := range tests {
		got, out := b.aliRefund(tt.no, tt.requestNo, tt.yuan)
		change, _ := out["fund_change"].(string)
		fee, _ := out["refund_fee"].(string)
		if got != tt.want || change != tt.change || fee != tt.fee {
			t.Errorf("refund %+v = %s %s %s", tt, got, change, fee)
		}
		if i == 0 && b.aliState(no) != "TRADE_SUCCESS" {
			t.Errorf("after a partial refund = %s, want TRADE_SUCCESS", b.aliState(no))
		}
	}
	if got := b.aliState(no); got != "TRADE_CLOSED" {
		t.Errorf("after a full refund = %s, want TRADE_CLOSED", got)
	}
	if got := b.balance("ming"); got != 10_000_00 {
		t.Errorf("balance = %d, want everything back", got)
	}
	_, out := b.ali("alipay.trade.fastpay.refund.query", kv{"out_trade_no": no, "out_request_no": "A2"})
	if out["refund_status"] != "REFUND_SUCCESS" || out["refund_amount"] != "0.40" || out["total_amount"] != "1.00" {
		t.Errorf("refund.query = %v", out)
	}
	if _, out := b.ali("alipay.trade.fastpay.refund.query", kv{"out_trade_no": no, "out_request_no": "A9"}); out["code"] != "10000" || len(out) != 2 {
		t.Errorf("refund.query of an unknown refund = %v, want a bare 10000", out)
	}
	if got, _ := b.ali("alipay.trade.fastpay.refund.query", kv{"out_trade_no": "nobody", "out_request_no": "A1"}); got != "ACQ.TRADE_NOT_EXIST" {
		t.Errorf("refund.query of an unknown trade = %s", got)
	}
}

func TestAlipayWholeRefundUsesTheOrderNumber(t *testing.T) {
	t.Parallel()
	b := newBench(t, nil)
	no := b.no()
	b.aliPay(no, b.code(sandbox.Alipay, ""), "1.00")
	if got, out := b.aliRefund(no, "", "1.00"); got != "10000" || out["fund_change"] != "Y" {
		t.Errorf("refund = %s %v", got, out)
	}
	if _, out := b.ali("alipay.trade.fastpay.refund.query", kv{"out_trade_no": no, "out_request_no": no}); out["refund_status"] != "REFUND_SUCCESS" {
		t.Errorf("refund.query by the order number = %v", out)
	}
}

func TestAlipayStuckRefundMovesNothing(t *testing.T) {
	t.Parallel()
	b := newBench(t, nil)
	no := b.no()
	b.aliPay(no, b.code(sandbox.Alipay, ""), "1.00")
	b.fault(sandbox.Fault{Scenario: "refund_stuck", Count: 1, Params: sandbox.Params{Seconds: new(60.0)}})
	for range 2 {
		if got, out := b.aliRefund(no, "A1", "1.00"); got != "10000" || out["fund_change"] != "N" || out["refund_fee"] != "0.00" {
			t.Errorf("stuck refund = %s %v, want fund_change N and nothing refunded", got, out)
		}
	}
	if _, out := b.ali("alipay.trade.fastpay.refund.query", kv{"out_trade_no": no, "out_request_no": "A1"}); out["refund_status"] != nil {
		t.Errorf("refund.query of a stuck refund = %v", out)
	}
	if got := b.aliState(no); got != "TRADE_SUCCESS" {
		t.Errorf("trade with a stuck refund = %s, want TRADE_SUCCESS", got)
	}
	if got, _ := b.aliRefund(no, "A2", "0.01"); got != "ACQ.TRADE_HAS_CLOSE" {
		t.Errorf("a second refund of the same money = %s, want ACQ.TRADE_HAS_CLOSE", got)
	}
	b.clock.add(time.Minute)
	if got := b.aliState(no); got != "TRADE_CLOSED" {
		t.Errorf("after the refund arrived = %s, want TRADE_CLOSED", got)
	}
	if got := b.trade(no).Refunded; got != 100 {
		t.Errorf("refunded = %d, want 100", got)
	}
}
