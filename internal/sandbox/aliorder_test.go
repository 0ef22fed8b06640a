package sandbox_test

import (
	"errors"
	"maps"
	"testing"
	"time"

	"cloudpay/internal/sandbox"
)

func TestAQRCodeOfAlipayIsATradeOnceItIsScanned(t *testing.T) {
	t.Parallel()
	b := newBench(t, nil)
	precreate := func(no string, change kv) (string, map[string]any) {
		values := kv{"out_trade_no": no, "total_amount": "1.00", "subject": "测试商品", "qr_code_timeout_express": "30m", "timeout_express": "10m"}
		maps.Copy(values, change)
		return b.ali("alipay.trade.precreate", values)
	}
	link := func(out map[string]any) sandbox.Invocation {
		url, _ := out["qr_code"].(string)
		return sandbox.Invocation{CodeURL: url}
	}
	no := b.no()
	_, out := precreate(no, nil)
	if out["qr_code"] == nil || out["trade_no"] != nil || b.aliState(no) != "ACQ.TRADE_NOT_EXIST" {
		t.Errorf("precreate = %v, then %s", out, b.aliState(no))
	}
	if got, _ := b.ali("alipay.trade.close", kv{"out_trade_no": no}); got != "ACQ.TRADE_NOT_EXIST" {
		t.Errorf("close before the scan = %s", got)
	}
	if got, _ := precreate(no, kv{"total_amount": "2.00"}); got != "ACQ.CONTEXT_INCONSISTENT" {
		t.Errorf("another amount under a living code = %s", got)
	}
	b.clock.add(29 * time.Minute)
	w, err := b.Open(t.Context(), "anna", link(out))
	if err != nil || w.OutTradeNo != no || w.Amount != 100 || w.Subject != "测试商品" {
		t.Fatalf("Open = %+v, %v", w, err)
	}
	if got := b.aliState(no); got != "WAIT_BUYER_PAY" {
		t.Errorf("after the scan = %s", got)
	}
	b.clock.add(10*time.Minute - time.Second) // timeout_express counts from the scan
	if got := b.aliState(no); got != "WAIT_BUYER_PAY" {
		t.Errorf("before its end = %s", got)
	}
	b.clock.add(time.Second)
	if got := b.aliState(no); got != "TRADE_CLOSED" {
		t.Errorf("at its end = %s", got)
	}
	if got, _ := precreate(no, nil); got != "ACQ.TRADE_HAS_CLOSE" {
		t.Errorf("precreate of a closed trade = %s", got)
	}

	old := b.no()
	_, out = precreate(old, nil)
	b.clock.add(30 * time.Minute)
	if _, err := b.Open(t.Context(), "anna", link(out)); !errors.Is(err, sandbox.ErrInvalid) {
		t.Errorf("a code opens after its end: %v", err)
	}

	dead := b.no()
	_, out = precreate(dead, nil)
	b.fault(sandbox.Fault{Scenario: "reverse_no_effect", Count: 1})
	if got := b.aliCancel(dead); got != "close/N" {
		t.Errorf("cancel in words only = %s", got)
	}
	if got := b.aliCancel(dead); got != "close/N" {
		t.Errorf("cancel of a living code = %s", got)
	}
	if got := b.aliCancel(dead); got != "/N" {
		t.Errorf("cancel again = %s", got)
	}
	if _, err := b.Open(t.Context(), "anna", link(out)); !errors.Is(err, sandbox.ErrInvalid) {
		t.Errorf("a cancelled code opens: %v", err)
	}

	paid := b.no()
	_, out = precreate(paid, kv{"time_expire": "2026-11-21 12:00:00"})
	b.pays("anna", link(out))
	if got, _ := precreate(paid, kv{"time_expire": "2026-11-21 12:00:00"}); got != "ACQ.TRADE_HAS_SUCCESS" {
		t.Errorf("precreate of a paid trade = %s", got)
	}
	if got, _ := b.ali("alipay.trade.close", kv{"out_trade_no": paid}); got != "ACQ.REASON_TRADE_STATUS_INVALID" {
		t.Errorf("close of a paid trade = %s", got)
	}
}

func TestACreatedTradeIsItsBuyers(t *testing.T) {
	t.Parallel()
	b := newBench(t, nil)
	app := b.Accounts().Providers[0].Alipay.AppID
	anna := b.identity("anna", app)
	for name, who := range map[string]kv{"by id": {"buyer_id": anna.BuyerID}, "by open id": {"buyer_open_id": anna.BuyerOpenID}} {
		no := b.no()
		values := kv{"out_trade_no": no, "total_amount": "1", "subject": "测试商品", "product_code": "JSAPI_PAY"}
		if got, _ := b.ali("alipay.trade.create", values); got != "ACQ.INVALID_PARAMETER" {
			t.Errorf("%s: create for nobody = %s", name, got)
		}
		maps.Copy(values, who)
		_, out := b.ali("alipay.trade.create", values)
		number, _ := out["trade_no"].(string)
		if number == "" || b.aliState(no) != "WAIT_BUYER_PAY" {
			t.Fatalf("%s: create = %v, then %s", name, out, b.aliState(no))
		}
		if _, again := b.ali("alipay.trade.create", values); again["trade_no"] != number {
			t.Errorf("%s: created again = %v, want the same trade", name, again)
		}
		if _, err := b.Open(t.Context(), "ben", sandbox.Invocation{TradeNo: number}); !errors.Is(err, sandbox.ErrInvalid) {
			t.Errorf("%s: somebody else opens it: %v", name, err)
		}
		b.pays("anna", sandbox.Invocation{TradeNo: number})
		if got := b.aliState(no); got != "TRADE_SUCCESS" {
			t.Errorf("%s: state %s", name, got)
		}
		values["total_amount"] = "2"
		if got, _ := b.ali("alipay.trade.create", values); got != "ACQ.TRADE_HAS_SUCCESS" {
			t.Errorf("%s: create of a paid trade = %s", name, got)
		}
	}
}
