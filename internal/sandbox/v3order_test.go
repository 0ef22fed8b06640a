package sandbox_test

import (
	"testing"
	"time"

	"cloudpay/internal/sandbox"
)

// TestV3CodePayments goes through what becomes of a code: charged, password,
// spent, foreign, and numbers that were used before.
func TestV3CodePayments(t *testing.T) {
	t.Parallel()
	b := newBench(t, nil)
	no := b.no()
	paid := b.v3Pay(t, no, 1234)
	amount, _ := paid.body["amount"].(obj)
	if paid.status != 200 || !paid.verified || paid.body["trade_state"] != "SUCCESS" || paid.body["trade_type"] != "MICROPAY" ||
		amount["total"] != 1234.0 || paid.body["success_time"] != "2026-11-20T12:00:00+08:00" || paid.body["out_trade_no"] != no {
		t.Errorf("codepay = %d %s, verified %v", paid.status, paid.raw, paid.verified)
	}
	if got := paid.header.Get("Content-Type"); got != "application/json; charset=utf-8" {
		t.Errorf("Content-Type = %s", got)
	}
	codepay := func(no, code string, fen int) v3Answered {
		return b.v3Post(t, v3Transactions+"codepay", codepayBody(b, no, code, fen))
	}
	want := func(name string, got v3Answered, status int, code string) {
		t.Helper()
		if got.status != status || got.code != code {
			t.Errorf("%s = %d %s, want %d %s", name, got.status, got.raw, status, code)
		}
	}
	want("a paid number", b.v3Pay(t, no, 1234), 400, "ORDERPAID")
	waiting := b.no()
	asked := codepay(waiting, b.code(sandbox.WeChat, "rich"), 600_00)
	if asked.status != 202 || !asked.verified || string(asked.raw) != `{"trade_state":"USERPAYING"}` {
		t.Errorf("a payment with a password = %d %s, verified %v", asked.status, asked.raw, asked.verified)
	}
	if got := b.v3State(t, waiting); got != "USERPAYING" {
		t.Errorf("state while the password is asked for = %s", got)
	}
	if err := b.Answer(t.Context(), "rich", sandbox.ActionCancel); err != nil {
		t.Fatal(err)
	}
	if got := b.v3State(t, waiting); got != "PAYERROR" {
		t.Errorf("state after the customer cancelled = %s", got)
	}
	code := b.code(sandbox.WeChat, "")
	want("the first use", codepay(b.no(), code, 1), 200, "")
	want("a code used before", codepay(b.no(), code, 1), 400, "AUTH_CODE_ERROR")
	want("a code of nobody", codepay(b.no(), "130000000000000000", 1), 400, "AUTH_CODE_INVALID")
	want("a code of Alipay", codepay(b.no(), b.code(sandbox.Alipay, ""), 1), 400, "AUTH_CODE_INVALID")
	old := b.code(sandbox.WeChat, "")
	b.clock.add(3 * time.Minute)
	want("an old code", codepay(b.no(), old, 1), 400, "AUTHCODEEXPIRE")
	if _, err := b.NewCustomer(t.Context(), "poor", 5); err != nil {
		t.Fatal(err)
	}
	poor := b.no()
	want("too little money", codepay(poor, b.code(sandbox.WeChat, "poor"), 6), 403, "NOT_ENOUGH")
	want("another amount under the number", codepay(poor, b.code(sandbox.WeChat, "poor"), 5), 403, "OUT_TRADE_NO_USED")
	want("another customer's code", codepay(poor, b.code(sandbox.WeChat, "rich"), 6), 400, "BUYER_MISMATCH")
	gone := b.no()
	want("reverse of an unknown number", b.v3Post(t, v3Transactions+"out-trade-no/"+gone+"/reverse", b.v3Partner()), 200, "")
	want("a late charge after the reverse", b.v3Pay(t, gone, 1), 400, "ORDERREVERSED")
	body := codepayBody(b, b.no(), "", 1)
	delete(body, "payer")
	want("no payer", b.v3Post(t, v3Transactions+"codepay", body), 400, "PARAM_ERROR")
	if got := b.totals(); got.DoubleCharges != 0 {
		t.Errorf("%d double charges", got.DoubleCharges)
	}
}

// TestV2AndV3ShareTheirOrders makes an order with one interface and looks at it,
// refunds it or ends it with the other.
func TestV2AndV3ShareTheirOrders(t *testing.T) {
	t.Parallel()
	b := newBench(t, nil)
	byV3, byV2 := b.no(), b.no()
	if got := b.v3Pay(t, byV3, 300); got.status != 200 {
		t.Fatalf("codepay = %s", got.raw)
	}
	code, out := b.wx("/pay/orderquery", kv{"out_trade_no": byV3})
	if code != "SUCCESS" || out["trade_state"] != "SUCCESS" || out["total_fee"] != "300" || out["trade_type"] != "MICROPAY" {
		t.Errorf("orderquery of codepay's order = %s %v", code, out)
	}
	if got, _ := b.wxPay(byV2, b.code(sandbox.WeChat, ""), 200); got != "SUCCESS" {
		t.Fatalf("micropay = %s", got)
	}
	if got := b.v3State(t, byV2); got != "SUCCESS" {
		t.Errorf("v3's state of micropay's order = %s", got)
	}
	if got, _ := b.wxRefund(byV3, "R1", 300, 100); got != "SUCCESS" {
		t.Errorf("v2's refund of codepay's order = %s", got)
	}
	if got := b.v3Refund(t, byV3, "R2", 300, 200); got.status != 200 || got.body["status"] != "PROCESSING" {
		t.Errorf("v3's refund = %d %s", got.status, got.raw)
	}
	b.clock.add(3 * time.Second)
	if got := b.wxRefundState("R2"); got != "SUCCESS" {
		t.Errorf("refundquery of v3's refund = %s", got)
	}
	if got := b.v3Post(t, v3Transactions+"out-trade-no/"+byV2+"/reverse", b.v3Partner()); got.status != 200 || !got.verified || got.body["out_trade_no"] != byV2 {
		t.Errorf("v3's reverse of micropay's order = %d %s", got.status, got.raw)
	}
	if got := b.wxState(byV2); got != "REVOKED" {
		t.Errorf("v2's state after v3's reverse = %s", got)
	}
	native := b.no()
	b.v3Native(t, native, 50, "http://127.0.0.1:1/n")
	if got := b.wxState(native); got != "NOTPAY" {
		t.Errorf("v2's state of v3's order = %s", got)
	}
	if got, _ := b.wx("/pay/closeorder", kv{"out_trade_no": native}); got != "SUCCESS" {
		t.Errorf("closeorder of v3's order = %s", got)
	}
	if got := b.v3State(t, native); got != "CLOSED" {
		t.Errorf("v3's state after closeorder = %s", got)
	}
}

// TestV3OrdersArePreparedOnce repeats and varies a native order's preparation,
// and lets the link run out.
func TestV3OrdersArePreparedOnce(t *testing.T) {
	t.Parallel()
	b := newBench(t, nil)
	no := b.no()
	first := b.v3Native(t, no, 10, "http://127.0.0.1:1/n")
	second := b.v3Native(t, no, 10, "http://127.0.0.1:1/n")
	if first == second {
		t.Error("the second link is the first: want a fresh one")
	}
	for name, change := range map[string]func(obj){
		"another amount":      func(o obj) { o["amount"] = obj{"total": 11, "currency": "CNY"} },
		"another description": func(o obj) { o["description"] = "别的" },
		"another notify_url":  func(o obj) { o["notify_url"] = "http://127.0.0.1:1/other" },
		"one member more":     func(o obj) { o["attach"] = "x" },
	} {
		body := v3NativeBody(b, no, 10, "http://127.0.0.1:1/n")
		change(body)
		if got := b.v3Post(t, v3Transactions+"native", body); got.status != 403 || got.code != "OUT_TRADE_NO_USED" {
			t.Errorf("%s = %d %s, want 403 OUT_TRADE_NO_USED", name, got.status, got.raw)
		}
	}
	if _, err := b.PayPrepared(t.Context(), "anna", sandbox.Invocation{CodeURL: first}); err != nil {
		t.Errorf("pay by the first of two links: %v", err)
	}
	if got := b.v3Post(t, v3Transactions+"native", v3NativeBody(b, no, 10, "http://127.0.0.1:1/n")); got.status != 400 || got.code != "ORDERPAID" {
		t.Errorf("preparing a paid number = %d %s", got.status, got.raw)
	}
	stale := b.v3Native(t, b.no(), 1, "http://127.0.0.1:1/n")
	b.clock.add(2 * time.Hour)
	if _, err := b.Open(t.Context(), "anna", sandbox.Invocation{CodeURL: stale}); err == nil {
		t.Error("a code_url opens after two hours")
	}
	body := v3NativeBody(b, b.no(), 1, "http://127.0.0.1:1/n")
	body["time_expire"] = b.clock.now().Add(time.Minute).UTC().Format(time.RFC3339)
	if got := b.v3Post(t, v3Transactions+"native", body); got.status != 200 {
		t.Fatalf("an order of one minute = %d %s", got.status, got.raw)
	}
	b.clock.add(time.Minute)
	if got := b.v3State(t, body["out_trade_no"].(string)); got != "CLOSED" {
		t.Errorf("state at time_expire = %s, want CLOSED", got)
	}
	week := b.no()
	b.v3Native(t, week, 1, "http://127.0.0.1:1/n")
	b.clock.add(7 * 24 * time.Hour)
	if got := b.v3State(t, week); got != "CLOSED" {
		t.Errorf("state after seven days = %s, want CLOSED", got)
	}
}

// TestV3AppAndH5Orders prepares the two other kinds and opens them as an
// application and a page do.
func TestV3AppAndH5Orders(t *testing.T) {
	t.Parallel()
	b := newBench(t, nil)
	w := b.Accounts().Providers[0].WeChat
	appID := w.Merchants[0].MobAppID
	body := v3NativeBody(b, b.no(), 7, "http://127.0.0.1:1/n")
	body["sub_appid"] = appID
	got := b.v3Post(t, v3Transactions+"app", body)
	prepay, _ := got.body["prepay_id"].(string)
	if got.status != 200 || !got.verified || prepay == "" {
		t.Fatalf("app = %d %s", got.status, got.raw)
	}
	args := sandbox.AppArgs{AppID: appID, PartnerID: w.MchID, PrepayID: prepay, Package: "Sign=WXPay", NonceStr: "abc", Timestamp: unix(noon)}
	args.Sign = rsaSign(t, w.ClientKeyPEM, args.AppID+"\n"+args.Timestamp+"\n"+args.NonceStr+"\n"+args.PrepayID+"\n")
	if _, err := b.PayPrepared(t.Context(), "anna", sandbox.Invocation{App: &args}); err != nil {
		t.Errorf("open in an application: %v", err)
	}
	body = v3NativeBody(b, b.no(), 7, "http://127.0.0.1:1/n")
	if got := b.v3Post(t, v3Transactions+"h5", body); got.code != "PARAM_ERROR" {
		t.Errorf("h5 without scene_info = %d %s", got.status, got.raw)
	}
	body["scene_info"] = obj{"payer_client_ip": "127.0.0.1", "h5_info": obj{"type": "Wap"}}
	got = b.v3Post(t, v3Transactions+"h5", body)
	link, _ := got.body["h5_url"].(string)
	if got.status != 200 || link == "" {
		t.Fatalf("h5 = %d %s", got.status, got.raw)
	}
	b.clock.add(5*time.Minute - time.Second)
	if _, err := b.PayPrepared(t.Context(), "anna", sandbox.Invocation{MwebURL: link}); err != nil {
		t.Errorf("open a page within five minutes: %v", err)
	}
	body = v3NativeBody(b, b.no(), 7, "http://127.0.0.1:1/n")
	body["payer"] = obj{"sub_openid": "o123"}
	if got := b.v3Post(t, v3Transactions+"jsapi", body); got.code != "PARAM_ERROR" {
		t.Errorf("jsapi with sub_openid and no sub_appid = %d %s", got.status, got.raw)
	}
}

// TestV3EndsOrders closes and reverses, in time and too early, too late and
// what cannot be.
func TestV3EndsOrders(t *testing.T) {
	t.Parallel()
	b := newBench(t, func(c *sandbox.Config) { c.Strict = true })
	end := func(no, how string) v3Answered {
		return b.v3Post(t, v3Transactions+"out-trade-no/"+no+"/"+how, b.v3Partner())
	}
	want := func(name string, got v3Answered, status int, code string) {
		t.Helper()
		if got.status != status || got.code != code || status/100 == 2 && !got.verified {
			t.Errorf("%s = %d %s, verified %v, want %d %s", name, got.status, got.raw, got.verified, status, code)
		}
	}
	no := b.no()
	b.v3Native(t, no, 1, "http://127.0.0.1:1/n")
	want("close within five minutes", end(no, "close"), 400, "INVALID_REQUEST")
	want("reverse of a native order", end(no, "reverse"), 400, "INVALID_REQUEST")
	b.clock.add(5 * time.Minute)
	for range 2 {
		got := end(no, "close")
		want("close", got, 204, "")
		if len(got.raw) > 0 || got.header.Get("Content-Type") != "" {
			t.Errorf("204 with %q", got.raw)
		}
	}
	want("close of an unknown number", end("NOSUCH", "close"), 404, "ORDER_NOT_EXIST")
	paid := b.no()
	b.v3Pay(t, paid, 100)
	want("close of a paid order", end(paid, "close"), 400, "ORDERPAID")
	want("reverse within 15 seconds", end(paid, "reverse"), 400, "INVALID_REQUEST")
	b.clock.add(15 * time.Second)
	for range 2 {
		want("reverse", end(paid, "reverse"), 200, "")
	}
	if got := b.v3State(t, paid); got != "REVOKED" {
		t.Errorf("state after a reverse = %s", got)
	}
	if got := b.trade(paid); got.Refunded != 100 {
		t.Errorf("%d fen went back by a reverse, want 100", got.Refunded)
	}
	want("close of a reversed order", end(paid, "close"), 400, "ORDER_CLOSED")
	late := b.no()
	b.v3Pay(t, late, 100)
	b.clock.add(7*24*time.Hour + time.Second)
	want("reverse after seven days", end(late, "reverse"), 400, "REVERSE_EXPIRE")
	part := b.no()
	b.v3Pay(t, part, 100)
	b.v3Refund(t, part, "R-"+part, 100, 1)
	b.clock.add(15 * time.Second)
	want("reverse of a partly refunded order", end(part, "reverse"), 403, "TRADE_ERROR")
	hostile := v3Call{method: "POST", path: v3Transactions + "out-trade-no/a%2Fb%7C/close", body: b.v3Partner()}
	want("a number with an escaped slash", b.v3(t, hostile), 404, "ORDER_NOT_EXIST")
}
