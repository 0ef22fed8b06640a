package sandbox_test

import (
	"io"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"cloudpay/internal/sandbox"
)

func TestControlIssuesPaymentCodes(t *testing.T) {
	t.Parallel()
	b := newBench(t, nil)
	for channel, prefixes := range map[string][2]string{"wxpay": {"10", "15"}, "alipay": {"25", "30"}} {
		for range 30 {
			status, out := b.ctl("POST", "/sandbox/v1/paycodes", `{"channel":"`+channel+`","customer":"ming"}`)
			code, _ := out["auth_code"].(string)
			if status != http.StatusOK || out["customer"] != "ming" || out["expires_at"] != "2026-11-20T04:01:00Z" {
				t.Fatalf("paycodes = %d %v", status, out)
			}
			if code[:2] < prefixes[0] || code[:2] > prefixes[1] || channel == "wxpay" && len(code) != 18 || len(code) < 16 || len(code) > 24 {
				t.Errorf("%s code %q has the wrong form", channel, code)
			}
		}
	}
	_, out := b.ctl("POST", "/sandbox/v1/paycodes", `{"channel":"wxpay"}`)
	id, _ := out["customer"].(string)
	status, customer := b.ctl("GET", "/sandbox/v1/customers/"+id, "")
	if status != http.StatusOK || customer["balance_fen"] != 1_000_000.0 {
		t.Errorf("a new customer = %d %v, want 10,000 yuan", status, customer)
	}
}

func TestControlRunsACustomersPhone(t *testing.T) {
	t.Parallel()
	b := newBench(t, nil)
	status, made := b.ctl("POST", "/sandbox/v1/customers", `{"id":"ming","balance_fen":100000}`)
	if status != http.StatusOK || made["id"] != "ming" || made["balance_fen"] != 100000.0 {
		t.Fatalf("customers = %d %v", status, made)
	}
	if status, out := b.ctl("POST", "/sandbox/v1/customers", `{"id":"ming"}`); status != http.StatusConflict || out["error"] == nil {
		t.Errorf("the same customer again = %d %v, want 409", status, out)
	}
	first, second := b.no(), b.no()
	b.wxPay(first, b.code(sandbox.WeChat, "ming"), 600_00)
	b.clock.add(time.Second)
	b.aliPay(second, b.code(sandbox.Alipay, "ming"), "700.00")
	_, phone := b.ctl("GET", "/sandbox/v1/customers/ming", "")
	want := map[string]any{
		"id": "ming", "balance_fen": 100000.0, "waiting": []any{
			map[string]any{"channel": "wxpay", "out_trade_no": first, "amount_fen": 60000.0, "subject": "测试商品", "expires_at": "2026-11-20T12:00:30+08:00"},
			map[string]any{"channel": "alipay", "out_trade_no": second, "amount_fen": 70000.0, "subject": "测试商品", "expires_at": "2026-11-20T12:00:31+08:00"},
		},
	}
	if diff := cmp.Diff(want, phone); diff != "" {
		t.Errorf("the phone (-want +got):\n%s", diff)
	}
	status, out := b.ctl("POST", "/sandbox/v1/customers/ming/answer", `{"action":"approve"}`)
	if status != http.StatusOK || out["out_trade_no"] != first || out["state"] != "SUCCESS" || out["charged"] != 60000.0 {
		t.Errorf("approve = %d %v, want the oldest charged", status, out)
	}
	if status, out := b.ctl("POST", "/sandbox/v1/customers/ming/answer", `{"action":"cancel"}`); status != http.StatusOK || out["out_trade_no"] != second {
		t.Errorf("cancel = %d %v, want the other", status, out)
	}
	for path, text := range map[string]string{
		"/sandbox/v1/customers/ming/answer":   "no payment waits",
		"/sandbox/v1/customers/nobody/answer": `customer \"nobody\"`,
	} {
		status, out := b.ctl("POST", path, `{"action":"approve"}`)
		if msg, _ := out["error"].(string); status != http.StatusNotFound || !strings.Contains(msg, strings.ReplaceAll(text, `\`, "")) {
			t.Errorf("%s = %d %v, want 404 with %q", path, status, out, text)
		}
	}
}

func TestControlReportsTradesAndTotals(t *testing.T) {
	t.Parallel()
	b := newBench(t, nil)
	no := b.no()
	_, paid := b.wxPay(no, b.code(sandbox.WeChat, ""), 100)
	b.wxRefund(no, "R1", 100, 40)
	b.clock.add(2 * time.Second)
	_, out := b.ctl("GET", "/sandbox/v1/trades?out_trade_no="+no, "")
	want := map[string]any{"trades": []any{map[string]any{
		"channel": "wxpay", "out_trade_no": no, "transaction_id": paid["transaction_id"], "state": "REFUND",
		"charged": 100.0, "refunded": 40.0, "charges": 1.0,
	}}}
	if diff := cmp.Diff(want, out); diff != "" {
		t.Errorf("trades (-want +got):\n%s", diff)
	}
	if _, out := b.ctl("GET", "/sandbox/v1/trades?out_trade_no=nobody", ""); !cmp.Equal(out, map[string]any{"trades": []any{}}) {
		t.Errorf("trades of an unknown number = %v, want an empty list", out)
	}
	b.fault(sandbox.Fault{Scenario: "drop_before", Count: 1})
	_, _ = b.wxCall("/pay/micropay", payValues(b.no(), b.code(sandbox.WeChat, ""), 1))
	_, totals := b.ctl("GET", "/sandbox/v1/totals", "")
	wantTotals := map[string]any{
		"charges": 1.0, "charged": 100.0, "refunds": 1.0, "refunded": 40.0, "reversals": 0.0, "double_charges": 0.0,
		"faults": map[string]any{"drop_before": 1.0},
	}
	if diff := cmp.Diff(wantTotals, totals); diff != "" {
		t.Errorf("totals (-want +got):\n%s", diff)
	}
}

func TestControlManagesFaults(t *testing.T) {
	t.Parallel()
	b := newBench(t, nil)
	status, made := b.ctl("POST", "/sandbox/v1/faults",
		`{"scenario":"drop_after","channel":"wxpay","count":3,"rate":0.5,"seed":7,"endpoint":"micropay","params":{"out_trade_no":"T*"}}`)
	want := map[string]any{
		"id": 1.0, "scenario": "drop_after", "channel": "wxpay", "count": 3.0, "rate": 0.5, "seed": 7.0, "endpoint": "pay",
		"params": map[string]any{"out_trade_no": "T*"},
	}
	if diff := cmp.Diff(want, made); status != http.StatusOK || diff != "" {
		t.Errorf("faults = %d (-want +got):\n%s", status, diff)
	}
	if _, list := b.ctl("GET", "/sandbox/v1/faults", ""); !cmp.Equal(list, map[string]any{"faults": []any{want}}) {
		t.Errorf("the list = %v", list)
	}
	if status, _ := b.ctl("DELETE", "/sandbox/v1/faults", ""); status != http.StatusNoContent {
		t.Errorf("DELETE = %d, want 204", status)
	}
	if _, list := b.ctl("GET", "/sandbox/v1/faults", ""); !cmp.Equal(list, map[string]any{"faults": []any{}}) {
		t.Errorf("the list after DELETE = %v", list)
	}
	if _, out := b.ctl("GET", "/sandbox/v1/scenarios", ""); len(out["scenarios"].([]any)) != len(sandbox.Scenarios()) {
		t.Errorf("scenarios = %v", out)
	}
}

func TestControlRefusesWhatItDoesNotKnow(t *testing.T) {
	t.Parallel()
	b := newBench(t, nil)
	tests := []struct {
		method, path, body string
		status             int
		text               string
	}{
		{"POST", "/sandbox/v1/paycodes", `{"channel":"wxpay","colour":"red"}`, 400, `"colour"`},
		{"POST", "/sandbox/v1/paycodes", `{"channel":"cash"}`, 400, "cash"},
		{"POST", "/sandbox/v1/paycodes", `{"channel":"wxpay","customer":"a b"}`, 400, "customer"},
		{"POST", "/sandbox/v1/paycodes", `{"channel":7}`, 400, "channel"},
		{"POST", "/sandbox/v1/paycodes", `{"channel":"wxpay"}{}`, 400, "after the object"},
		{"POST", "/sandbox/v1/paycodes", ``, 400, "EOF"},
		{"POST", "/sandbox/v1/paycodes", strings.Repeat(" ", 70<<10) + `{}`, 413, "too large"},
		{"POST", "/sandbox/v1/customers", `{"balance_fen":-1}`, 400, "balance_fen"},
		{"POST", "/sandbox/v1/customers/x/answer", `{"action":"shrug"}`, 400, "shrug"},
		{"POST", "/sandbox/v1/faults", `{"scenario":"drop_after","params":{"speed":1}}`, 400, `"speed"`},
		{"POST", "/sandbox/v1/faults", `{"scenario":"flood"}`, 400, "flood"},
		{"GET", "/sandbox/v1/trades?number=1", ``, 400, "number"},
		{"GET", "/sandbox/v1/customers/nobody", ``, 404, "nobody"},
	}
	for _, tt := range tests {
		status, out := b.ctl(tt.method, tt.path, tt.body)
		if msg, _ := out["error"].(string); status != tt.status || !strings.Contains(msg, tt.text) {
			t.Errorf("%s %s %.60s = %d %v, want %d with %q", tt.method, tt.path, tt.body, status, out, tt.status, tt.text)
		}
	}
}

func TestControlRefusesOtherSitesPages(t *testing.T) {
	t.Parallel()
	b := newBench(t, nil)
	req, err := http.NewRequestWithContext(t.Context(), http.MethodPost, b.control.URL+"/sandbox/v1/paycodes", strings.NewReader(`{"channel":"wxpay"}`))
	if err != nil {
		t.Fatal(err)
	}
	req.Header.Set("Sec-Fetch-Site", "cross-site")
	req.Header.Set("Origin", "https://elsewhere.example")
	res, err := b.control.Client().Do(req)
	if err != nil {
		t.Fatal(err)
	}
	defer res.Body.Close()
	if res.StatusCode != http.StatusForbidden {
		t.Errorf("a cross-site request = %d, want 403", res.StatusCode)
	}
}

func TestControlServesTheAuthority(t *testing.T) {
	t.Parallel()
	b := newBench(t, nil)
	req, err := http.NewRequestWithContext(t.Context(), http.MethodGet, b.control.URL+"/sandbox/v1/ca.pem", nil)
	if err != nil {
		t.Fatal(err)
	}
	res, err := b.control.Client().Do(req)
	if err != nil {
		t.Fatal(err)
	}
	defer res.Body.Close()
	if raw, err := io.ReadAll(res.Body); err != nil || string(raw) != b.Accounts().CAPEM {
		t.Errorf("ca.pem = %s, %v", raw, err)
	}
}

func TestClosedSandboxAnswersNothing(t *testing.T) {
	t.Parallel()
	b := newBench(t, nil)
	code := b.code(sandbox.WeChat, "")
	if err := b.Close(); err != nil {
		t.Fatal(err)
	}
	if out, err := b.wxCall("/pay/micropay", payValues(b.no(), code, 1)); !isCut(err) {
		t.Errorf("micropay on a closed sandbox = %v, %v, want a cut connection", out, err)
	}
	if status, out := b.ctl("GET", "/sandbox/v1/totals", ""); status != http.StatusInternalServerError || strings.Contains(out["error"].(string), "sql") {
		t.Errorf("totals of a closed sandbox = %d %v, want 500 without its inside", status, out)
	}
}

// TestControlObeyedPagesOfReboundNames: a page whose name was rebound to loopback
// is same-origin to its browser, so only the Host header gives it away.
func TestControlObeyedPagesOfReboundNames(t *testing.T) {
	t.Parallel()
	b := newBench(t, nil)
	for host, want := range map[string]int{
		"evil.example": http.StatusForbidden, "evil.example:8802": http.StatusForbidden, "127.0.0.1.evil.example": http.StatusForbidden,
		"192.168.1.7:8802": http.StatusForbidden, "0.0.0.0:8802": http.StatusForbidden, "[fe80::1]:8802": http.StatusForbidden,
		"localhost.evil.example": http.StatusForbidden,
		"localhost":              http.StatusOK, "LOCALHOST:8802": http.StatusOK, "127.0.0.1:8802": http.StatusOK,
		"127.8.9.1": http.StatusOK, "[::1]:8802": http.StatusOK, "[::1]": http.StatusOK,
	} {
		for method, path := range map[string]string{http.MethodPost: "/sandbox/v1/paycodes", http.MethodGet: "/sandbox/v1/totals"} {
			req, err := http.NewRequestWithContext(t.Context(), method, b.control.URL+path, strings.NewReader(`{"channel":"wxpay"}`))
			if err != nil {
				t.Fatal(err)
			}
			req.Host = host
			req.Header.Set("Origin", "http://"+host)
			req.Header.Set("Sec-Fetch-Site", "same-origin")
			res, err := b.control.Client().Do(req)
			if err != nil {
				t.Fatal(err)
			}
			_ = res.Body.Close()
			if res.StatusCode != want {
				t.Errorf("%s %s as %s = %d, want %d", method, path, host, res.StatusCode, want)
			}
		}
	}
}
