package sandbox_test

import (
	"net/http"
	"strconv"
	"testing"
	"time"

	"cloudpay/internal/sandbox"
)

// set changes a merchant by the control API; members are JSON.
func (b *bench) set(t *testing.T, ch sandbox.Channel, merchant, members string) {
	t.Helper()
	status, out := b.ctl(http.MethodPost, "/sandbox/v1/merchants", `{"channel":"`+string(ch)+`","merchant":"`+merchant+`",`+members+`}`)
	if status != http.StatusOK {
		t.Fatalf("set %s: %d %v", merchant, status, out)
	}
}

// holds is what a merchant has: available and unsettled.
func (b *bench) holds(t *testing.T, merchant string) (available, unsettled sandbox.Fen) {
	t.Helper()
	list, err := b.Merchants(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	for _, m := range list {
		if m.Merchant == merchant {
			return m.Available, m.Unsettled
		}
	}
	t.Fatalf("no merchant %s", merchant)
	return 0, 0
}

func TestARefundTheMerchantCannotPayIsRefused(t *testing.T) {
	t.Parallel()
	b := newBench(t, nil)
	p := b.Accounts().Providers[0]
	wx, ali := p.WeChat.Merchants[0].SubMchID, p.Alipay.Merchants[0].UserID
	b.wxPay("GW1", b.code(sandbox.WeChat, "a"), 1000)
	b.wxPay("GW2", b.code(sandbox.WeChat, "a"), 1000)
	b.aliPay("GW1", b.code(sandbox.Alipay, "a"), "10.00")
	b.aliPay("GW2", b.code(sandbox.Alipay, "a"), "10.00")
	for m, ch := range map[string]sandbox.Channel{wx: sandbox.WeChat, ali: sandbox.Alipay} {
		b.set(t, ch, m, `"available_fen":0,"unsettled_fen":993`)
	}
	// 9.94 yuan go back: ten less the fee's 6 fen.
	if code, _ := b.wxRefund("GW1", "R1", 1000, 1000); code != "NOTENOUGH" {
		t.Errorf("wechat v2 = %s", code)
	}
	if got := b.v3Refund(t, "GW1", "R1", 1000, 1000); got.status != http.StatusForbidden || got.code != "NOT_ENOUGH" {
		t.Errorf("wechat v3 = %d %s", got.status, got.raw)
	}
	if code, _ := b.aliRefund("GW1", "R1", "10.00"); code != "ACQ.SELLER_BALANCE_NOT_ENOUGH" {
		t.Errorf("alipay refund = %s", code)
	}
	if code, _ := b.ali("alipay.trade.cancel", kv{"out_trade_no": "GW1"}); code != "ACQ.SELLER_BALANCE_NOT_ENOUGH" {
		t.Errorf("alipay cancel = %s", code)
	}
	if got := b.totals(); got.Refunded != 0 {
		t.Errorf("%d fen went back all the same", got.Refunded)
	}
	// Topped up, the same calls go through under the same numbers.
	for m, ch := range map[string]sandbox.Channel{wx: sandbox.WeChat, ali: sandbox.Alipay} {
		b.set(t, ch, m, `"unsettled_fen":1988`)
	}
	if code, _ := b.wxRefund("GW1", "R1", 1000, 1000); code != "SUCCESS" {
		t.Errorf("wechat, topped up = %s", code)
	}
	if code, _ := b.aliRefund("GW1", "R1", "10.00"); code != "10000" {
		t.Errorf("alipay, topped up = %s", code)
	}
	if code, out := b.ali("alipay.trade.cancel", kv{"out_trade_no": "GW2"}); code != "10000" || out["action"] != "refund" {
		t.Errorf("alipay cancel, topped up = %s %v", code, out)
	}
}

func TestRefundsTakeUnsettledMoneyFirst(t *testing.T) {
	t.Parallel()
	b := newBench(t, nil)
	m := b.Accounts().Providers[0].WeChat.Merchants[0].SubMchID
	check := func(doing string, available, unsettled sandbox.Fen) {
		t.Helper()
		if a, u := b.holds(t, m); a != available || u != unsettled {
			t.Errorf("%s: %d available and %d unsettled, want %d and %d", doing, a, u, available, unsettled)
		}
	}
	b.set(t, sandbox.WeChat, m, `"available_fen":500`)
	b.wxPay("GW1", b.code(sandbox.WeChat, ""), 1000)
	check("paid", 500, 994)
	b.wxRefund("GW1", "R1", 1000, 500)
	check("half refunded", 500, 497)
	code, _ := b.wx("/secapi/pay/refund", kv{
		"out_trade_no": "GW1", "out_refund_no": "R2", "total_fee": "1000", "refund_fee": "100", "refund_account": "REFUND_SOURCE_RECHARGE_FUNDS",
	})
	if code != "SUCCESS" {
		t.Fatal(code)
	}
	check("refunded from available money", 401, 497)
	b.clock.add(12 * time.Hour) // midnight
	check("settled", 898, 0)
	b.wxRefund("GW1", "R3", 1000, 400)
	check("all refunded", 500, 0)
	b.wxPay("GW2", b.code(sandbox.WeChat, ""), 1000)
	b.set(t, sandbox.WeChat, m, `"available_fen":0,"unsettled_fen":0`)
	if got := b.wxReverse("GW2"); got != "SUCCESS" {
		t.Errorf("a reverse is never refused: %s", got)
	}
	check("in debt", -994, 0)
	b.set(t, sandbox.WeChat, m, `"available_fen":10000`)
	b.restart()
	check("after a restart", 10000, 0)
}

func TestAClosedRefundLeavesTheMoneyWithTheMerchant(t *testing.T) {
	t.Parallel()
	b := newBench(t, nil)
	m := b.Accounts().Providers[0].WeChat.Merchants[0].SubMchID
	b.wxPay("GW1", b.code(sandbox.WeChat, ""), 1000)
	before, unsettled := b.holds(t, m)
	b.fault(sandbox.Fault{Scenario: "refund_closed"})
	b.wxRefund("GW1", "R1", 1000, 333)
	b.clock.add(time.Minute)
	if a, u := b.holds(t, m); a+u != before+unsettled {
		t.Errorf("%d and %d fen, want %d", a, u, before+unsettled)
	}
}

// TestFeesAreRoundedAndGivenBackExactly checks the fee of many payments against
// arithmetic written out here, and that refunds in parts return all of it.
func TestFeesAreRoundedAndGivenBackExactly(t *testing.T) {
	t.Parallel()
	b := newBench(t, nil)
	m := b.Accounts().Providers[0].WeChat.Merchants[0].SubMchID
	for i, c := range []struct {
		rate, total, fee int64
		parts            []int
	}{
		{60, 1200, 7, []int{1200}},
		{60, 880, 5, []int{1, 879}},
		{60, 83, 0, nil},           // 0.498 fen
		{60, 84, 1, []int{40, 44}}, // 0.504 fen
		{60, 6660, 40, []int{660, 3000, 3000}},
		{38, 10000, 38, []int{3333, 3333, 3334}},
		{100, 50, 1, []int{25, 25}}, // half a fen, up
		{0, 10000, 0, []int{5000, 5000}},
	} {
		b.set(t, sandbox.WeChat, m, `"fee_rate":`+strconv.FormatInt(c.rate, 10))
		no := b.no()
		b.wxPay(no, b.code(sandbox.WeChat, ""), int(c.total))
		b.set(t, sandbox.WeChat, m, `"fee_rate":500`) // of later payments only
		for j, part := range c.parts {
			if code, _ := b.wxRefund(no, no+"R"+strconv.Itoa(j), int(c.total), part); code != "SUCCESS" {
				t.Fatalf("%d: refund %s", i, code)
			}
		}
		var fee, back, gross sandbox.Fen
		list, err := b.Movements(t.Context(), b.clock.now())
		if err != nil {
			t.Fatal(err)
		}
		for _, move := range list {
			switch {
			case move.OutTradeNo != no:
			case move.Kind == "payment":
				fee = -move.Fee
			default:
				back, gross = back+move.Fee, gross-move.Gross
			}
		}
		if fee != sandbox.Fen(c.fee) || c.parts != nil && (back != fee || gross != sandbox.Fen(c.total)) {
			t.Errorf("%+v: a fee of %d, %d returned of it, %d refunded", c, fee, back, gross)
		}
	}
}

func TestMerchantsAreChangedByTheControlAPI(t *testing.T) {
	t.Parallel()
	b := newBench(t, nil)
	m := b.Accounts().Providers[1].Alipay.Merchants[1].UserID
	for body, want := range map[string]int{
		`{"channel":"alipay","merchant":"` + m + `","available_fen":1,"fee_rate":38}`: 200,
		`{"channel":"wxpay","merchant":"` + m + `"}`:                                  404,
		`{"channel":"alipay","merchant":"` + m + `","available_fen":-1}`:              400,
		`{"channel":"alipay","merchant":"` + m + `","unsettled_fen":10000000001}`:     400,
		`{"channel":"alipay","merchant":"` + m + `","fee_rate":1001}`:                 400,
		`{"channel":"alipay","merchant":"` + m + `","rate":1}`:                        400,
	} {
		if got, out := b.ctl(http.MethodPost, "/sandbox/v1/merchants", body); got != want {
			t.Errorf("%s = %d %v, want %d", body, got, out, want)
		}
	}
	status, out := b.ctl(http.MethodGet, "/sandbox/v1/merchants", "")
	if list, _ := out["merchants"].([]any); status != http.StatusOK || len(list) != 8 {
		t.Errorf("merchants = %d %v", status, out)
	}
	for query, want := range map[string]int{"?day=2026-11-20": 200, "?day=today": 400, "": 400, "?days=2026-11-20": 400} {
		if got, _ := b.ctl(http.MethodGet, "/sandbox/v1/movements"+query, ""); got != want {
			t.Errorf("movements%s = %d, want %d", query, got, want)
		}
	}
}
