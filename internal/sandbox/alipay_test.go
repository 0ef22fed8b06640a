package sandbox_test

import (
	"encoding/json"
	"io"
	"maps"
	"net/http"
	"net/url"
	"strings"
	"testing"
	"time"

	"cloudpay/internal/sandbox"
)

func TestAlipayPaymentIsChargedAndFound(t *testing.T) {
	t.Parallel()
	b := newBench(t, nil)
	no := b.no()
	code, paid := b.aliPay(no, b.code(sandbox.Alipay, "ming"), "12.5")
	if code != "10000" {
		t.Fatalf("trade.pay = %s, want 10000", code)
	}
	for name, want := range map[string]string{
		"out_trade_no": no, "total_amount": "12.50", "receipt_amount": "12.50", "buyer_pay_amount": "12.50",
		"point_amount": "0.00", "gmt_payment": "2026-11-20 12:00:00", "msg": "Success",
	} {
		if paid[name] != want {
			t.Errorf("trade.pay %s = %v, want %q", name, paid[name], want)
		}
	}
	if id := paid["trade_no"].(string); len(id) != 28 || !strings.HasPrefix(id, "20261120") {
		t.Errorf("trade_no = %q, want 28 digits from the date", id)
	}
	if id := paid["buyer_user_id"].(string); len(id) != 16 || !strings.HasPrefix(id, "2088") {
		t.Errorf("buyer_user_id = %q, want 16 digits from 2088", id)
	}
	_, found := b.ali("alipay.trade.query", kv{"trade_no": paid["trade_no"].(string)})
	if found["trade_status"] != "TRADE_SUCCESS" || found["total_amount"] != "12.50" || found["send_pay_date"] != "2026-11-20 12:00:00" {
		t.Errorf("trade.query = %v", found)
	}
	if got := b.trade(no); got.Charged != 1250 || got.Charges != 1 || got.State != "TRADE_SUCCESS" || got.TransactionID != paid["trade_no"] {
		t.Errorf("trade = %+v", got)
	}
}

func TestAlipayTakesParametersWhereverTheyAre(t *testing.T) {
	t.Parallel()
	b := newBench(t, nil)
	client := b.client(-1)
	send := func(method, query, body string) map[string]any {
		t.Helper()
		req, err := http.NewRequestWithContext(t.Context(), method, b.wallet.URL+"/gateway.do?"+query, strings.NewReader(body))
		if err != nil {
			t.Fatal(err)
		}
		if method == http.MethodPost {
			req.Header.Set("Content-Type", "application/x-www-form-urlencoded")
		}
		res, err := client.Do(req)
		if err != nil {
			t.Fatal(err)
		}
		defer res.Body.Close()
		raw, err := io.ReadAll(res.Body)
		if err != nil {
			t.Fatal(err)
		}
		out, _, err := b.aliRead(raw)
		if err != nil {
			t.Fatalf("%s: %v", raw, err)
		}
		return out
	}
	form := b.aliParams("alipay.trade.query", kv{"out_trade_no": "nobody"}, nil)
	content := url.Values{"biz_content": form["biz_content"]}
	rest := url.Values{}
	for name, value := range form {
		if name != "biz_content" {
			rest[name] = value
		}
	}
	for name, out := range map[string]map[string]any{
		"all in the body":       send(http.MethodPost, "", form.Encode()),
		"split":                 send(http.MethodPost, rest.Encode(), content.Encode()),
		"all in the query, GET": send(http.MethodGet, form.Encode(), ""),
		"the same value twice":  send(http.MethodPost, rest.Encode(), form.Encode()),
	} {
		if out["sub_code"] != "ACQ.TRADE_NOT_EXIST" {
			t.Errorf("%s: %v, want ACQ.TRADE_NOT_EXIST", name, out)
		}
	}
}

func TestAlipayGatewayRefusals(t *testing.T) {
	t.Parallel()
	b := newBench(t, nil)
	other := b.Accounts().Providers[1].Alipay
	tests := []struct {
		change kv
		code   string
		sub    string
		signed bool
	}{
		{kv{"method": ""}, "40001", "isv.missing-method", false},
		{kv{"method": "alipay.trade.fly"}, "40002", "isv.invalid-method", false},
		{kv{"app_id": "1"}, "40002", "isv.invalid-app-id", false},
		{kv{"app_id": "1", "sign": "nonsense"}, "40002", "isv.invalid-app-id", false}, // the app before the signature
		{kv{"format": "XML"}, "40002", "isv.invalid-format", true},
		{kv{"charset": "GBK"}, "40002", "isv.invalid-charset", true},
		{kv{"version": "2.0"}, "40002", "isv.invalid-version", true},
		{kv{"timestamp": ""}, "40001", "isv.missing-timestamp", true},
		{kv{"timestamp": "2026-11-20T12:00:00Z"}, "40002", "isv.invalid-timestamp", true},
		{kv{"timestamp": "2026-11-20 04:00:00"}, "10000", "", true}, // another zone: lenient
		{kv{"sign_type": "RSA"}, "40002", "isv.invalid-signature-type", true},
		{kv{"sign": ""}, "40001", "isv.missing-signature", true},
		{kv{"sign": "!!! not base64"}, "40002", "isv.invalid-signature", true},
		{kv{"sign": "QUJD"}, "40002", "isv.invalid-signature", true},
		{kv{"app_id": other.AppID}, "40002", "isv.invalid-signature", false}, // signed for us by the other's key
		{kv{"app_auth_token": ""}, "20001", "aop.invalid-app-auth-token", true},
		{kv{"app_auth_token": other.Merchants[0].AppAuthToken}, "20001", "aop.invalid-app-auth-token", true},
		{kv{"biz_content": ""}, "40001", "isv.missing-parameter", true},
		{kv{"biz_content": "{"}, "40002", "isv.invalid-parameter", true},
		{kv{"biz_content": "[1]"}, "40002", "isv.invalid-parameter", true},
	}
	for _, tt := range tests {
		biz := kv{
			"out_trade_no": b.no(), "total_amount": "0.01", "subject": "x", "auth_code": b.code(sandbox.Alipay, ""),
		}
		form := b.aliParams("alipay.trade.pay", biz, tt.change)
		_, _, raw, err := b.post(b.client(-1), "/gateway.do", "application/x-www-form-urlencoded", form.Encode(), nil)
		if err != nil {
			t.Fatal(err)
		}
		out, _, err := b.aliRead(raw)
		sub, _ := out["sub_code"].(string)
		if out["code"] != tt.code || sub != tt.sub || (err == nil) != tt.signed {
			t.Errorf("%v: %s (signature: %v), want %s %s", tt.change, raw, err, tt.code, tt.sub)
		}
	}
	if got := b.totals().Charges; got != 1 {
		t.Errorf("%d charges, want only the one accepted", got)
	}
}

func TestAlipayRefusesBadContent(t *testing.T) {
	t.Parallel()
	b := newBench(t, nil)
	tests := []struct {
		change kv
		want   string
	}{
		{kv{"out_trade_no": ""}, "ACQ.INVALID_PARAMETER"},
		{kv{"total_amount": "0"}, "ACQ.INVALID_PARAMETER"},
		{kv{"total_amount": "0.001"}, "ACQ.INVALID_PARAMETER"},
		{kv{"total_amount": "1e3"}, "ACQ.INVALID_PARAMETER"},
		{kv{"total_amount": "-1"}, "ACQ.INVALID_PARAMETER"},
		{kv{"total_amount": "100000000.01"}, "ACQ.INVALID_PARAMETER"},
		{kv{"subject": ""}, "ACQ.INVALID_PARAMETER"},
		{kv{"subject": "a&b"}, "ACQ.INVALID_PARAMETER"},
		{kv{"auth_code": ""}, "ACQ.INVALID_PARAMETER"},
		{kv{"scene": "wave_code"}, "ACQ.INVALID_PARAMETER"},
		{kv{"timeout_express": "0m"}, "ACQ.INVALID_PARAMETER"},
		{kv{"timeout_express": "16d"}, "ACQ.INVALID_PARAMETER"},
		{kv{"timeout_express": "+5m"}, "ACQ.INVALID_PARAMETER"},
		{kv{"time_expire": "2026-11-20 11:59:59"}, "ACQ.NOW_TIME_AFTER_EXPIRE_TIME_ERROR"},
		{kv{"auth_code": "281234567890123456"}, "ACQ.PAYMENT_AUTH_CODE_INVALID"},
		{kv{"auth_code": b.code(sandbox.WeChat, "")}, "ACQ.PAYMENT_AUTH_CODE_INVALID"},
	}
	for _, tt := range tests {
		biz := kv{"out_trade_no": b.no(), "total_amount": "0.01", "subject": "x", "auth_code": b.code(sandbox.Alipay, "")}
		maps.Copy(biz, tt.change)
		if got, _ := b.ali("alipay.trade.pay", biz); got != tt.want {
			t.Errorf("trade.pay with %v = %s, want %s", tt.change, got, tt.want)
		}
	}
	if got, _ := b.ali("alipay.trade.query", kv{}); got != "ACQ.INVALID_PARAMETER" {
		t.Errorf("trade.query without a number = %s", got)
	}
	if got := b.totals().Charges; got != 0 {
		t.Errorf("%d charges by refused calls", got)
	}
}

func TestAlipayReadsAmountsSentAsNumbers(t *testing.T) {
	t.Parallel()
	b := newBench(t, nil)
	no := b.no()
	content, err := json.Marshal(map[string]any{
		"out_trade_no": no, "total_amount": 0.03, "subject": "x", "auth_code": b.code(sandbox.Alipay, ""), "unknown": []int{1},
	})
	if err != nil {
		t.Fatal(err)
	}
	form := b.aliParams("alipay.trade.pay", nil, kv{"biz_content": string(content)})
	if _, _, raw, err := b.post(b.client(-1), "/gateway.do", "application/x-www-form-urlencoded", form.Encode(), nil); err != nil ||
		!strings.Contains(string(raw), `"total_amount":"0.03"`) {
		t.Errorf("trade.pay with a number = %s, %v", raw, err)
	}
}

func TestAlipayPasswordDialogue(t *testing.T) {
	t.Parallel()
	b := newBench(t, nil)
	no := b.no()
	code, out := b.aliPay(no, b.code(sandbox.Alipay, "ming"), "600.00")
	if code != "10003" || out["trade_no"] == "" || out["total_amount"] != "600.00" {
		t.Fatalf("trade.pay of 600 yuan = %s %v, want 10003", code, out)
	}
	if got := b.aliState(no); got != "WAIT_BUYER_PAY" {
		t.Errorf("while the dialogue is open = %s, want WAIT_BUYER_PAY", got)
	}
	if got, _ := b.aliPay(no, b.code(sandbox.Alipay, "ming"), "600.00"); got != "10003" {
		t.Errorf("the same again = %s, want 10003", got)
	}
	if got, _ := b.aliPay(no, b.code(sandbox.Alipay, "ming"), "600.01"); got != "ACQ.CONTEXT_INCONSISTENT" {
		t.Errorf("with another amount = %s, want ACQ.CONTEXT_INCONSISTENT", got)
	}
	if got, _ := b.aliPay(no, b.code(sandbox.Alipay, "li"), "600.00"); got != "ACQ.TRADE_BUYER_NOT_MATCH" {
		t.Errorf("with another customer = %s, want ACQ.TRADE_BUYER_NOT_MATCH", got)
	}
	must(b, b.Answer(t.Context(), "ming", "approve"))
	if got := b.aliState(no); got != "TRADE_SUCCESS" {
		t.Errorf("after approval = %s, want TRADE_SUCCESS", got)
	}
	if got, _ := b.aliPay(no, b.code(sandbox.Alipay, "ming"), "600.00"); got != "ACQ.TRADE_HAS_SUCCESS" {
		t.Errorf("a paid trade again = %s, want ACQ.TRADE_HAS_SUCCESS", got)
	}
	if got := b.trade(no); got.Charges != 1 {
		t.Errorf("trade = %+v, want one charge", got)
	}
}

func TestAlipayCustomerWhoLeavesIsStillWaitedFor(t *testing.T) {
	t.Parallel()
	b := newBench(t, nil)
	no := b.no()
	b.aliPay(no, b.code(sandbox.Alipay, "ming"), "600.00")
	must(b, b.Answer(t.Context(), "ming", "cancel"))
	if got := b.aliState(no); got != "WAIT_BUYER_PAY" {
		t.Errorf("after the customer left = %s, want WAIT_BUYER_PAY", got)
	}
	b.clock.add(3*time.Hour - time.Millisecond)
	if got := b.aliState(no); got != "WAIT_BUYER_PAY" {
		t.Errorf("just within 3 hours = %s, want WAIT_BUYER_PAY", got)
	}
	b.clock.add(time.Millisecond)
	if got := b.aliState(no); got != "TRADE_CLOSED" {
		t.Errorf("after 3 hours = %s, want TRADE_CLOSED", got)
	}
	if got := b.trade(no); got.Charges != 0 {
		t.Errorf("trade = %+v, want no charge", got)
	}
}

func TestAlipayTimeoutExpress(t *testing.T) {
	t.Parallel()
	for express, life := range map[string]time.Duration{"2m": 2 * time.Minute, "1h": time.Hour, "15d": 15 * 24 * time.Hour, "1c": 12 * time.Hour} {
		b := newBench(t, nil)
		no := b.no()
		b.ali("alipay.trade.pay", kv{
			"out_trade_no": no, "total_amount": "600", "subject": "x", "auth_code": b.code(sandbox.Alipay, ""), "timeout_express": express,
		})
		b.clock.add(life - time.Millisecond)
		if got := b.aliState(no); got != "WAIT_BUYER_PAY" {
			t.Errorf("just within %s = %s, want WAIT_BUYER_PAY", express, got)
		}
		b.clock.add(time.Millisecond)
		if got := b.aliState(no); got != "TRADE_CLOSED" {
			t.Errorf("after %s = %s, want TRADE_CLOSED", express, got)
		}
		if got, _ := b.aliPay(no, b.code(sandbox.Alipay, ""), "600.00"); got != "ACQ.TRADE_HAS_CLOSE" {
			t.Errorf("trade.pay on a closed trade = %s, want ACQ.TRADE_HAS_CLOSE", got)
		}
	}
}

func TestAlipayCancel(t *testing.T) {
	t.Parallel()
	tests := []struct {
		name     string
		first    func(b *bench, no string)
		want     string
		state    string
		refunded sandbox.Fen
	}{
		{"of a paid trade refunds it", func(b *bench, no string) {
			b.aliPay(no, b.code(sandbox.Alipay, "ming"), "1.00")
		}, "refund/N", "TRADE_CLOSED", 100},
		{"late on the same day refunds it", func(b *bench, no string) {
			b.aliPay(no, b.code(sandbox.Alipay, "ming"), "1.00")
			b.clock.add(12*time.Hour - time.Millisecond)
		}, "refund/N", "TRADE_CLOSED", 100},
		{"of a paid trade on the next day is refused", func(b *bench, no string) {
			b.aliPay(no, b.code(sandbox.Alipay, "ming"), "1.00")
			b.clock.add(12 * time.Hour)
		}, "ACQ.TRADE_CANCEL_TIME_OUT", "TRADE_SUCCESS", 0},
		{"of an open dialogue closes it", func(b *bench, no string) {
			b.aliPay(no, b.code(sandbox.Alipay, "ming"), "600.00")
		}, "close/N", "TRADE_CLOSED", 0},
		{"of a partly refunded trade is refused", func(b *bench, no string) {
			b.aliPay(no, b.code(sandbox.Alipay, "ming"), "1.00")
			b.aliRefund(no, "A1", "0.10")
		}, "ACQ.REASON_TRADE_REFUND_FEE_ERR", "TRADE_SUCCESS", 10},
		{"after the refund window is refused", func(b *bench, no string) {
			b.aliPay(no, b.code(sandbox.Alipay, "ming"), "1.00")
			b.clock.add(366 * 24 * time.Hour)
		}, "ACQ.TRADE_HAS_FINISHED", "TRADE_FINISHED", 0},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			b := newBench(t, nil)
			no := b.no()
			tt.first(b, no)
			for range 2 { // repeating it changes nothing
				if got := b.aliCancel(no); got != tt.want {
					t.Errorf("cancel = %s, want %s", got, tt.want)
				}
			}
			if got := b.aliState(no); got != tt.state {
				t.Errorf("trade.query = %s, want %s", got, tt.state)
			}
			if got := b.trade(no).Refunded; got != tt.refunded {
				t.Errorf("refunded = %d, want %d", got, tt.refunded)
			}
			if err := b.Answer(t.Context(), "ming", "approve"); err == nil {
				t.Error("a payment could be approved afterwards")
			}
		})
	}
}

func TestAlipayCancelOfAnUnknownNumberHasNoAction(t *testing.T) {
	t.Parallel()
	b := newBench(t, nil)
	if got := b.aliCancel("nobody"); got != "/N" {
		t.Errorf("cancel = %s, want done without an action", got)
	}
	if got := b.aliState("nobody"); got != "ACQ.TRADE_NOT_EXIST" {
		t.Errorf("trade.query = %s, want ACQ.TRADE_NOT_EXIST", got)
	}
}

func TestAlipayClose(t *testing.T) {
	t.Parallel()
	b := newBench(t, nil)
	paid, waiting := b.no(), b.no()
	b.aliPay(paid, b.code(sandbox.Alipay, ""), "1.00")
	b.aliPay(waiting, b.code(sandbox.Alipay, "ming"), "600.00")
	for _, tt := range []struct{ no, want, state string }{
		{paid, "ACQ.REASON_TRADE_STATUS_INVALID", "TRADE_SUCCESS"},
		{waiting, "10000", "TRADE_CLOSED"},
		{waiting, "ACQ.REASON_TRADE_STATUS_INVALID", "TRADE_CLOSED"},
		{"nobody", "ACQ.TRADE_NOT_EXIST", "ACQ.TRADE_NOT_EXIST"},
	} {
		if got, _ := b.ali("alipay.trade.close", kv{"out_trade_no": tt.no}); got != tt.want {
			t.Errorf("close %s = %s, want %s", tt.no, got, tt.want)
		}
		if got := b.aliState(tt.no); got != tt.state {
			t.Errorf("trade.query %s = %s, want %s", tt.no, got, tt.state)
		}
	}
	if err := b.Answer(t.Context(), "ming", "approve"); err == nil {
		t.Error("a closed trade could still be approved")
	}
}

func TestAlipayShortBalanceLeavesATradeThatWaits(t *testing.T) {
	t.Parallel()
	b := newBench(t, nil)
	if _, err := b.NewCustomer(t.Context(), "poor", 1); err != nil {
		t.Fatal(err)
	}
	no := b.no()
	if got, _ := b.aliPay(no, b.code(sandbox.Alipay, "poor"), "0.02"); got != "ACQ.BUYER_BALANCE_NOT_ENOUGH" {
		t.Fatalf("trade.pay above the balance = %s", got)
	}
	if got := b.aliState(no); got != "WAIT_BUYER_PAY" {
		t.Errorf("trade.query = %s, want WAIT_BUYER_PAY", got)
	}
	if got := b.aliCancel(no); got != "close/N" {
		t.Errorf("cancel = %s, want close/N", got)
	}
}

func TestApprovalWithoutMoneyFails(t *testing.T) {
	t.Parallel()
	b := newBench(t, nil)
	no, ali := b.no(), b.no()
	b.wxPay(no, b.code(sandbox.WeChat, "ming"), 10_000_01)
	b.aliPay(ali, b.code(sandbox.Alipay, "ming"), "10000.01")
	must(b, b.Answer(t.Context(), "ming", "approve"))
	must(b, b.Answer(t.Context(), "ming", "approve"))
	if got := b.wxState(no); got != "PAYERROR" {
		t.Errorf("orderquery = %s, want PAYERROR", got)
	}
	if got := b.aliState(ali); got != "WAIT_BUYER_PAY" {
		t.Errorf("trade.query = %s, want WAIT_BUYER_PAY", got)
	}
	if got := b.totals().Charges; got != 0 {
		t.Errorf("%d charges, want none", got)
	}
}
