package sandbox_test

import (
	"crypto/rand"
	"crypto/rsa"
	"crypto/sha1"
	"encoding/base64"
	"fmt"
	"net/http"
	"testing"
	"time"

	"cloudpay/internal/sandbox"
)

// v3RefundState is what the refund query says: a status, or the code.
func (b *bench) v3RefundState(t *testing.T, refundNo string) string {
	t.Helper()
	got := b.v3RefundQuery(t, refundNo)
	if got.status != http.StatusOK {
		return got.code
	}
	return got.body["status"].(string)
}

func (b *bench) v3RefundQuery(t *testing.T, refundNo string) v3Answered {
	t.Helper()
	got := b.v3(t, v3Call{method: "GET", path: v3Refunds + "/" + refundNo + "?sub_mchid=" + b.Accounts().Providers[0].WeChat.Merchants[0].SubMchID})
	if got.status == http.StatusOK && !got.verified {
		t.Errorf("refund query of %s is not verified", refundNo)
	}
	return got
}

// TestV3RefundsAreAcceptedThenDone follows a refund from PROCESSING to its end,
// and compares what both ends of it say.
func TestV3RefundsAreAcceptedThenDone(t *testing.T) {
	t.Parallel()
	b := newBench(t, nil)
	no := b.no()
	b.v3Pay(t, no, 100)
	made := b.v3Refund(t, no, "R1", 100, 40)
	amount, _ := made.body["amount"].(obj)
	if made.status != 200 || !made.verified || made.body["status"] != "PROCESSING" || made.body["success_time"] != nil || amount["refund"] != 40.0 ||
		amount["total"] != 100.0 || amount["currency"] != "CNY" || made.body["channel"] != "ORIGINAL" {
		t.Errorf("refund = %d %s", made.status, made.raw)
	}
	if got := b.trade(no).Refunded; got != 0 {
		t.Errorf("%d fen went back at once, want none", got)
	}
	b.clock.add(2 * time.Second)
	found := b.v3RefundQuery(t, "R1")
	if found.body["status"] != "SUCCESS" || found.body["success_time"] != "2026-11-20T12:00:02+08:00" || found.body["refund_id"] != made.body["refund_id"] {
		t.Errorf("refund query = %s", found.raw)
	}
	if got := b.trade(no).Refunded; got != 40 {
		t.Errorf("%d fen went back, want 40", got)
	}
	if got := b.v3State(t, no); got != "REFUND" {
		t.Errorf("state after a partial refund = %s, want REFUND", got)
	}
	again := b.v3Refund(t, no, "R1", 100, 40)
	if again.status != 200 || again.body["status"] != "SUCCESS" || again.body["refund_id"] != made.body["refund_id"] {
		t.Errorf("the same refund once more = %d %s", again.status, again.raw)
	}
}

// TestV3RefundsThatAreRefused tries what upstreams.md §3.6 forbids.
func TestV3RefundsThatAreRefused(t *testing.T) {
	t.Parallel()
	b := newBench(t, func(c *sandbox.Config) { c.Strict = true })
	no, open := b.no(), b.no()
	b.v3Pay(t, no, 100)
	b.v3Native(t, open, 100, "http://127.0.0.1:1/n")
	b.v3Refund(t, no, "R1", 100, 10)
	sub := b.Accounts().Providers[0].WeChat.Merchants[0].SubMchID
	body := func(change func(obj)) obj {
		o := obj{"sub_mchid": sub, "out_trade_no": no, "out_refund_no": "R2", "amount": obj{"refund": 10, "total": 100, "currency": "CNY"}}
		change(o)
		return o
	}
	b.clock.add(time.Minute)
	for name, tt := range map[string]struct {
		change func(obj)
		status int
		code   string
	}{
		"too much":               {func(o obj) { o["amount"] = obj{"refund": 91, "total": 100, "currency": "CNY"} }, 400, "INVALID_REQUEST"},
		"another total":          {func(o obj) { o["amount"] = obj{"refund": 10, "total": 101, "currency": "CNY"} }, 400, "REFUND_FEE_MISMATCH"},
		"no currency":            {func(o obj) { o["amount"] = obj{"refund": 10, "total": 100} }, 400, "PARAM_ERROR"},
		"nothing":                {func(o obj) { o["amount"] = obj{"refund": 0, "total": 100, "currency": "CNY"} }, 400, "PARAM_ERROR"},
		"no order":               {func(o obj) { delete(o, "out_trade_no") }, 400, "PARAM_ERROR"},
		"an unknown order":       {func(o obj) { o["out_trade_no"] = "NOSUCH" }, 404, "RESOURCE_NOT_EXISTS"},
		"an unknown transaction": {func(o obj) { o["transaction_id"] = "4200000000" }, 404, "RESOURCE_NOT_EXISTS"},
		"an unpaid order":        {func(o obj) { o["out_trade_no"] = open }, 400, "INVALID_REQUEST"},
		"a used number, other amount": {func(o obj) {
			o["out_refund_no"], o["amount"] = "R1", obj{"refund": 11, "total": 100, "currency": "CNY"}
		}, 400, "INVALID_REQUEST"},
		"a used number, other reason":  {func(o obj) { o["out_refund_no"], o["reason"] = "R1", "别的" }, 400, "INVALID_REQUEST"},
		"a long number":                {func(o obj) { o["out_refund_no"] = fmt.Sprintf("%065d", 1) }, 400, "PARAM_ERROR"},
		"an unknown account":           {func(o obj) { o["funds_account"] = "MINE" }, 400, "PARAM_ERROR"},
		"a notify_url with parameters": {func(o obj) { o["notify_url"] = "https://x.example/?a=1" }, 400, "PARAM_ERROR"},
	} {
		if got := b.v3Post(t, v3Refunds, body(tt.change)); got.status != tt.status || got.code != tt.code {
			t.Errorf("%s = %d %s, want %d %s", name, got.status, got.raw, tt.status, tt.code)
		}
	}
	if got := b.v3RefundState(t, "NOSUCH"); got != "RESOURCE_NOT_EXISTS" {
		t.Errorf("query of an unknown refund = %s", got)
	}
	if got := b.v3Post(t, v3Refunds, body(func(obj) {})); got.status != 200 {
		t.Fatalf("the second refund = %d %s", got.status, got.raw)
	}
	if got := b.v3Post(t, v3Refunds, body(func(o obj) { o["out_refund_no"] = "R3" })); got.status != 429 || got.code != "FREQUENCY_LIMITED" {
		t.Errorf("a third within the minute = %d %s", got.status, got.raw)
	}
	b.clock.add(366 * 24 * time.Hour)
	if got := b.v3Post(t, v3Refunds, body(func(o obj) { o["out_refund_no"] = "R4" })); got.status != 400 || got.code != "TRADE_OVERDUE" {
		t.Errorf("after a year = %d %s", got.status, got.raw)
	}
}

// TestV3FiftyRefundsAndNoMore makes as many partial refunds as there may be.
func TestV3FiftyRefundsAndNoMore(t *testing.T) {
	t.Parallel()
	b := newBench(t, nil)
	no := b.no()
	b.v3Pay(t, no, 100)
	for i := range 50 {
		if got := b.v3Refund(t, no, fmt.Sprint("R", i), 100, 1); got.status != 200 {
			t.Fatalf("refund %d = %d %s", i, got.status, got.raw)
		}
	}
	if got := b.v3Refund(t, no, "R50", 100, 1); got.status != 400 || got.code != "INVALID_REQUEST" {
		t.Errorf("the 51st = %d %s, want INVALID_REQUEST", got.status, got.raw)
	}
	b.clock.add(2 * time.Second)
	if got := b.trade(no).Refunded; got != 50 {
		t.Errorf("%d fen went back, want 50", got)
	}
}

// TestV3AbnormalAndClosedRefunds plays the two bad ends, and sends an abnormal
// refund on.
func TestV3AbnormalAndClosedRefunds(t *testing.T) {
	t.Parallel()
	b := newBench(t, nil)
	w := b.Accounts().Providers[0].WeChat
	no := b.no()
	b.v3Pay(t, no, 100)
	for scenario, refundNo := range map[string]string{"refund_abnormal": "RA", "refund_closed": "RC", "refund_stuck": "RS"} {
		b.fault(sandbox.Fault{Scenario: scenario, Channel: sandbox.WeChat, Count: 1})
		if got := b.v3Refund(t, no, refundNo, 100, 10); got.status != 200 || got.body["status"] != "PROCESSING" {
			t.Fatalf("%s = %d %s", scenario, got.status, got.raw)
		}
	}
	b.clock.add(2 * time.Second)
	for refundNo, want := range map[string]string{"RA": "ABNORMAL", "RC": "CLOSED", "RS": "PROCESSING"} {
		if got := b.v3RefundState(t, refundNo); got != want {
			t.Errorf("%s is %s, want %s", refundNo, got, want)
		}
	}
	id, _ := b.v3RefundQuery(t, "RA").body["refund_id"].(string)
	closedID, _ := b.v3RefundQuery(t, "RC").body["refund_id"].(string)
	apply := func(id, serial string, body obj) v3Answered {
		return b.v3(t, v3Call{method: "POST", path: v3Refunds + "/" + id + "/apply-abnormal-refund", body: body, serial: serial})
	}
	seal := func(text string) string {
		raw, err := rsa.EncryptOAEP(sha1.New(), rand.Reader, b.v3Key(t, w.PublicKeyID), []byte(text), nil)
		if err != nil {
			t.Fatal(err)
		}
		return base64.StdEncoding.EncodeToString(raw)
	}
	card := obj{
		"sub_mchid": w.Merchants[0].SubMchID, "out_refund_no": "RA", "type": "USER_BANK_CARD", "bank_type": "ICBC_DEBIT",
		"bank_account": seal("6222000000000000000"), "real_name": seal("王小明"),
	}
	if got := apply(id, b.v3Certificates(t)[0].serial, card); got.code != "PARAM_ERROR" {
		t.Errorf("encrypted for another key than Wechatpay-Serial's = %d %s", got.status, got.raw)
	}
	if got := apply(id, w.PublicKeyID, obj{"sub_mchid": w.Merchants[0].SubMchID, "out_refund_no": "RA", "type": "USER_BANK_CARD"}); got.code != "PARAM_ERROR" {
		t.Errorf("without an account = %d %s", got.status, got.raw)
	}
	if got := apply(closedID, w.PublicKeyID, obj{"sub_mchid": w.Merchants[0].SubMchID, "out_refund_no": "RC", "type": "MERCHANT_BANK_CARD"}); got.code != "INVALID_REQUEST" {
		t.Errorf("of a closed refund = %d %s", got.status, got.raw)
	}
	got := apply(id, w.PublicKeyID, card)
	if got.status != 200 || !got.verified || got.body["status"] != "PROCESSING" || got.header.Get("Wechatpay-Serial") != w.PublicKeyID {
		t.Errorf("apply-abnormal-refund = %d %s", got.status, got.raw)
	}
	b.clock.add(2 * time.Second)
	if got := b.v3RefundState(t, "RA"); got != "SUCCESS" {
		t.Errorf("after it was sent on = %s, want SUCCESS", got)
	}
	if got := b.trade(no).Refunded; got != 10 {
		t.Errorf("%d fen went back, want 10", got)
	}
}

// TestV3RefundsWithCoupons splits a refund between the customer and a coupon.
func TestV3RefundsWithCoupons(t *testing.T) {
	t.Parallel()
	b := newBench(t, nil)
	no := b.no()
	b.fault(sandbox.Fault{Scenario: "coupon", Channel: sandbox.WeChat, Count: 1, Params: sandbox.Params{AmountFen: 20, Kind: "NO_CASH"}})
	b.v3Pay(t, no, 100)
	got := b.v3Refund(t, no, "R1", 100, 50)
	amount, _ := got.body["amount"].(obj)
	list, _ := got.body["promotion_detail"].([]any)
	if amount["payer_refund"] != 40.0 || amount["discount_refund"] != 10.0 || amount["settlement_refund"] != 40.0 || amount["settlement_total"] != 80.0 ||
		len(list) != 1 || list[0].(obj)["refund_amount"] != 10.0 || list[0].(obj)["type"] != "DISCOUNT" {
		t.Errorf("refund of an order with a coupon = %s", got.raw)
	}
}
