package sandbox_test

import (
	"errors"
	"strings"
	"testing"

	"cloudpay/internal/sandbox"
)

func TestWeChatTransportFaults(t *testing.T) {
	t.Parallel()
	tests := []struct {
		scenario string
		params   sandbox.Params
		charged  sandbox.Fen
		broken   func(out kv, err error) bool
	}{
		{"drop_before", sandbox.Params{}, 0, func(_ kv, err error) bool { return isCut(err) }},
		{"drop_after", sandbox.Params{}, 100, func(_ kv, err error) bool { return isCut(err) }},
		{"truncated_body", sandbox.Params{}, 100, func(_ kv, err error) bool { return isCut(err) }},
		{"truncated_body", sandbox.Params{Committed: new(false)}, 0, func(_ kv, err error) bool { return isCut(err) }},
		{"http502_html", sandbox.Params{}, 100, func(_ kv, err error) bool { return err != nil && strings.Contains(err.Error(), "HTTP 502") }},
		{"empty_body", sandbox.Params{}, 100, func(_ kv, err error) bool { return err != nil && strings.Contains(err.Error(), "not XML") }},
		{"bad_json", sandbox.Params{}, 100, func(_ kv, err error) bool { return err != nil }},
		{"bad_sign", sandbox.Params{}, 100, func(out kv, err error) bool {
			return errors.Is(err, errUnsigned) && out["sign"] != "" && out["result_code"] == "SUCCESS"
		}},
		{"unsigned_2xx", sandbox.Params{}, 100, func(out kv, err error) bool {
			return errors.Is(err, errUnsigned) && out["sign"] == "" && out["result_code"] == "SUCCESS"
		}},
		{"tamper", sandbox.Params{}, 100, func(out kv, err error) bool { return errors.Is(err, errUnsigned) && out["total_fee"] == "1000" }},
		{"tamper", sandbox.Params{Field: "attach", Value: "x"}, 100, func(out kv, err error) bool {
			return errors.Is(err, errUnsigned) && out["attach"] == "x" && out["total_fee"] == "100"
		}},
		{"syserr", sandbox.Params{}, 100, refused("SYSTEMERROR")},
		{"syserr", sandbox.Params{Committed: new(false)}, 0, refused("SYSTEMERROR")},
		{"syserr_committed", sandbox.Params{}, 100, refused("SYSTEMERROR")},
		{"syserr_uncommitted", sandbox.Params{}, 0, refused("SYSTEMERROR")},
		{"bankerr", sandbox.Params{}, 100, refused("BANKERROR")},
		{"bankerr", sandbox.Params{Committed: new(false)}, 0, refused("BANKERROR")},
		{"duplicate", sandbox.Params{}, 100, refused("ORDERPAID")},
		{"duplicate", sandbox.Params{Committed: new(false)}, 0, refused("ORDERPAID")},
		{"rate_limit", sandbox.Params{}, 0, refused("INVALID_REQ_TOO_MUCH")},
		{"answer_code", sandbox.Params{Code: "NOTSUPORTCARD"}, 0, refused("NOTSUPORTCARD")},
		{"answer_code", sandbox.Params{Code: "NOTSUPORTCARD", Committed: new(true)}, 100, refused("NOTSUPORTCARD")},
		{"answer_code", sandbox.Params{ReturnCode: "SYSTEMERROR", Message: "系统繁忙"}, 0, func(out kv, err error) bool {
			return err != nil && out["return_code"] == "SYSTEMERROR" && out["sign"] == ""
		}},
		{"force_password", sandbox.Params{}, 0, refused("USERPAYING")},
	}
	b := newBench(t, nil)
	for _, tt := range tests {
		b.fault(sandbox.Fault{Scenario: tt.scenario, Channel: sandbox.WeChat, Count: 1, Params: tt.params})
		no := b.no()
		before := b.totals()
		out, err := b.wxCall("/pay/micropay", payValues(no, b.code(sandbox.WeChat, ""), 100))
		if !tt.broken(out, err) {
			t.Errorf("%s %+v: answer %v, %v", tt.scenario, tt.params, out, err)
		}
		after := b.totals()
		if got := after.Charged - before.Charged; got != tt.charged {
			t.Errorf("%s %+v: charged %d, want %d", tt.scenario, tt.params, got, tt.charged)
		}
		if got := after.Faults[tt.scenario] - before.Faults[tt.scenario]; got != 1 {
			t.Errorf("%s %+v: counted %d times, want once", tt.scenario, tt.params, got)
		}
		if got, _ := b.wxPay(b.no(), b.code(sandbox.WeChat, ""), 1); got != "SUCCESS" {
			t.Errorf("%s: the next call = %s, want SUCCESS", tt.scenario, got)
		}
	}
}

func refused(code string) func(kv, error) bool {
	return func(out kv, err error) bool {
		return err == nil && out["result_code"] == "FAIL" && out["err_code"] == code
	}
}

func TestAlipayTransportFaults(t *testing.T) {
	t.Parallel()
	answered := func(code, sub string) func(map[string]any, error) bool {
		return func(out map[string]any, err error) bool {
			got, _ := out["sub_code"].(string)
			return err == nil && out["code"] == code && got == sub
		}
	}
	tests := []struct {
		scenario string
		params   sandbox.Params
		charged  sandbox.Fen
		broken   func(out map[string]any, err error) bool
	}{
		{"drop_before", sandbox.Params{}, 0, func(_ map[string]any, err error) bool { return isCut(err) }},
		{"drop_after", sandbox.Params{}, 100, func(_ map[string]any, err error) bool { return isCut(err) }},
		{"truncated_body", sandbox.Params{}, 100, func(_ map[string]any, err error) bool { return isCut(err) }},
		{"http502_html", sandbox.Params{}, 100, func(_ map[string]any, err error) bool { return err != nil }},
		{"empty_body", sandbox.Params{}, 100, func(_ map[string]any, err error) bool { return err != nil }},
		{"bad_json", sandbox.Params{}, 100, func(_ map[string]any, err error) bool { return err != nil }},
		{"bad_sign", sandbox.Params{}, 100, func(out map[string]any, err error) bool {
			return errors.Is(err, errUnsigned) && out["code"] == "10000"
		}},
		{"unsigned_2xx", sandbox.Params{}, 100, func(out map[string]any, err error) bool {
			return errors.Is(err, errUnsigned) && out["code"] == "10000"
		}},
		{"tamper", sandbox.Params{}, 100, func(out map[string]any, err error) bool {
			return errors.Is(err, errUnsigned) && out["total_amount"] == "9999.99"
		}},
		{"syserr", sandbox.Params{}, 100, answered("40004", "ACQ.SYSTEM_ERROR")},
		{"syserr", sandbox.Params{Code: "20000", Committed: new(false)}, 0, answered("20000", "isp.unknow-error")},
		{"syserr_uncommitted", sandbox.Params{}, 0, answered("40004", "ACQ.SYSTEM_ERROR")},
		{"duplicate", sandbox.Params{}, 100, answered("40004", "ACQ.TRADE_HAS_SUCCESS")},
		{"rate_limit", sandbox.Params{}, 0, answered("40005", "isv.app-call-limited")},
		{"auth_token_revoke", sandbox.Params{}, 0, answered("20001", "aop.invalid-app-auth-token")},
		{"answer_code", sandbox.Params{Code: "ACQ.PAYMENT_FAIL"}, 0, answered("40004", "ACQ.PAYMENT_FAIL")},
		{"answer_code", sandbox.Params{Code: "40006", SubCode: "isv.insufficient-isv-permissions"}, 0, answered("40006", "isv.insufficient-isv-permissions")},
		{"answer_code", sandbox.Params{Code: "40002", Key: "error_response"}, 0, func(out map[string]any, err error) bool {
			return err != nil && strings.Contains(err.Error(), `"error_response"`) && out["code"] == "40002"
		}},
		{"force_password", sandbox.Params{}, 0, answered("10003", "")},
	}
	b := newBench(t, nil)
	for _, tt := range tests {
		b.fault(sandbox.Fault{Scenario: tt.scenario, Channel: sandbox.Alipay, Endpoint: "pay", Count: 1, Params: tt.params})
		before := b.totals()
		out, err := b.aliCall("alipay.trade.pay", kv{
			"out_trade_no": b.no(), "total_amount": "1.00", "subject": "x", "auth_code": b.code(sandbox.Alipay, ""),
		})
		if !tt.broken(out, err) {
			t.Errorf("%s %+v: answer %v, %v", tt.scenario, tt.params, out, err)
		}
		after := b.totals()
		if got := after.Charged - before.Charged; got != tt.charged {
			t.Errorf("%s %+v: charged %d, want %d", tt.scenario, tt.params, got, tt.charged)
		}
		if got := after.Faults[tt.scenario] - before.Faults[tt.scenario]; got != 1 {
			t.Errorf("%s %+v: counted %d times, want once", tt.scenario, tt.params, got)
		}
	}
}
