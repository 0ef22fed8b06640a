package sandbox_test

import (
	"crypto/tls"
	"fmt"
	"maps"
	"strings"
	"testing"
	"time"

	"cloudpay/internal/sandbox"
)

func TestWeChatPaymentIsChargedAndFound(t *testing.T) {
	t.Parallel()
	b := newBench(t, nil)
	no := b.no()
	code, paid := b.wxPay(no, b.code(sandbox.WeChat, "ming"), 1200)
	if code != "SUCCESS" {
		t.Fatalf("micropay = %s, want SUCCESS", code)
	}
	for name, want := range map[string]string{
		"total_fee": "1200", "cash_fee": "1200", "settlement_total_fee": "1200", "trade_type": "MICROPAY",
		"out_trade_no": no, "time_end": "20261120120000", "is_subscribe": "N",
	} {
		if paid[name] != want {
			t.Errorf("micropay %s = %q, want %q", name, paid[name], want)
		}
	}
	if id := paid["transaction_id"]; len(id) != 28 || !strings.HasPrefix(id, "42000") {
		t.Errorf("transaction_id = %q, want 28 digits from 42000", id)
	}
	if id := paid["openid"]; len(id) != 28 || id[0] != 'o' {
		t.Errorf("openid = %q, want 28 characters from o", id)
	}
	if _, found := b.wx("/pay/orderquery", kv{"transaction_id": paid["transaction_id"]}); found["trade_state"] != "SUCCESS" ||
		found["total_fee"] != "1200" || found["transaction_id"] != paid["transaction_id"] {
		t.Errorf("orderquery = %v", found)
	}
	if got := b.balance("ming"); got != 10_000_00-1200 {
		t.Errorf("balance = %d, want %d", got, 10_000_00-1200)
	}
	want := sandbox.Trade{Channel: "wxpay", OutTradeNo: no, TransactionID: paid["transaction_id"], State: "SUCCESS", Charged: 1200, Charges: 1}
	if got := b.trade(no); got != want {
		t.Errorf("Trades = %+v, want %+v", got, want)
	}
}

func TestWeChatAnswersInTheSignatureItWasAskedIn(t *testing.T) {
	t.Parallel()
	b := newBench(t, nil)
	no := b.no()
	values := payValues(no, b.code(sandbox.WeChat, ""), 1)
	out, err := b.wxCallAs(b.client(-1), "/pay/micropay", values, true)
	if err != nil || out["result_code"] != "SUCCESS" {
		t.Errorf("HMAC-SHA256 micropay = %v, %v", out, err)
	}
}

func TestWeChatRefusesWithoutSigning(t *testing.T) {
	t.Parallel()
	b := newBench(t, nil)
	w := b.Accounts().Providers
	tests := []struct {
		name   string
		change kv
		want   string
	}{
		{"wrong key", kv{"sign": "ABC"}, "签名错误"},
		{"no signature", kv{"sign": ""}, "签名错误"},
		{"unknown sign_type", kv{"sign_type": "MD4"}, "签名错误"},
		{"unknown merchant number", kv{"mch_id": "1"}, "mch_id不存在"},
		{"no application", kv{"appid": ""}, "缺少参数appid"},
		{"another's application", kv{"appid": w[1].WeChat.AppID}, "appid和mch_id不匹配"},
	}
	for _, tt := range tests {
		values := payValues(b.no(), b.code(sandbox.WeChat, ""), 1)
		maps.Copy(values, tt.change)
		out, err := b.wxCall("/pay/micropay", values)
		if err == nil || out["return_msg"] != tt.want || out["sign"] != "" || out["result_code"] != "" {
			t.Errorf("%s: %v, %v, want unsigned FAIL %s", tt.name, out, err, tt.want)
		}
	}
	if got := b.totals(); got.Charges != 0 {
		t.Errorf("%d charges by calls that were not authentic", got.Charges)
	}
}

func TestWeChatRefusesBadFields(t *testing.T) {
	t.Parallel()
	b := newBench(t, nil)
	p := b.Accounts().Providers
	tests := []struct {
		change kv
		want   string
	}{
		{kv{"body": ""}, "LACK_PARAMS"},
		{kv{"out_trade_no": ""}, "LACK_PARAMS"},
		{kv{"spbill_create_ip": ""}, "LACK_PARAMS"},
		{kv{"auth_code": ""}, "LACK_PARAMS"},
		{kv{"sub_mch_id": ""}, "LACK_PARAMS"},
		{kv{"nonce_str": strings.Repeat("n", 33)}, "PARAM_ERROR"},
		{kv{"total_fee": "0"}, "PARAM_ERROR"},
		{kv{"total_fee": "-1"}, "PARAM_ERROR"},
		{kv{"total_fee": "1.5"}, "PARAM_ERROR"},
		{kv{"total_fee": "99999999999999999999"}, "PARAM_ERROR"},
		{kv{"out_trade_no": "has space"}, "PARAM_ERROR"},
		{kv{"out_trade_no": strings.Repeat("9", 33)}, "PARAM_ERROR"},
		{kv{"body": strings.Repeat("字", 129)}, "PARAM_ERROR"},
		{kv{"fee_type": "USD"}, "PARAM_ERROR"},
		{kv{"time_expire": "soon"}, "PARAM_ERROR"},
		{kv{"time_expire": "20261120115959"}, "ORDERCLOSED"},
		{kv{"auth_code": "12345678901234567"}, "AUTH_CODE_INVALID"},
		{kv{"auth_code": "161234567890123456"}, "AUTH_CODE_INVALID"},
		{kv{"auth_code": "134567890123456789"}, "AUTH_CODE_INVALID"},
		{kv{"sub_mch_id": p[1].WeChat.Merchants[0].SubMchID}, "MCHID_NOT_EXIST"},
		{kv{"sub_appid": "wx0000"}, "APPID_MCHID_NOT_MATCH"},
	}
	for _, tt := range tests {
		values := payValues(b.no(), b.code(sandbox.WeChat, ""), 1)
		maps.Copy(values, tt.change)
		if got, _ := b.wx("/pay/micropay", values); got != tt.want {
			t.Errorf("micropay with %v = %s, want %s", tt.change, got, tt.want)
		}
	}
	if got := b.totals(); got.Charges != 0 {
		t.Errorf("%d charges by refused calls", got.Charges)
	}
}

func TestWeChatPaymentCodeWorksOnceForTwoMinutes(t *testing.T) {
	t.Parallel()
	b := newBench(t, nil)
	used := b.code(sandbox.WeChat, "ming")
	b.wxPay(b.no(), used, 1)
	fresh, stale := b.code(sandbox.WeChat, "ming"), b.code(sandbox.WeChat, "ming")
	short := b.code(sandbox.WeChat, "")
	tests := []struct {
		name string
		code string
		fen  int
		wait time.Duration
		want string
	}{
		{"used", used, 1, 0, "AUTH_CODE_ERROR"},
		{"of the other wallet", b.code(sandbox.Alipay, "ming"), 1, 0, "AUTH_CODE_INVALID"},
		{"in the grace minute", fresh, 1, 119 * time.Second, "SUCCESS"},
		{"past the grace minute", stale, 1, time.Second, "AUTHCODEEXPIRE"},
		{"expired before it was used", short, 1, 0, "AUTHCODEEXPIRE"},
	}
	for _, tt := range tests {
		b.clock.add(tt.wait)
		if got, _ := b.wxPay(b.no(), tt.code, tt.fen); got != tt.want {
			t.Errorf("a code %s = %s, want %s", tt.name, got, tt.want)
		}
	}
}

func TestWeChatRefusedAttemptStillUsesTheCode(t *testing.T) {
	t.Parallel()
	b := newBench(t, nil)
	if _, err := b.NewCustomer(t.Context(), "poor", 50); err != nil {
		t.Fatal(err)
	}
	no, code := b.no(), b.code(sandbox.WeChat, "poor")
	if got, _ := b.wxPay(no, code, 51); got != "NOTENOUGH" {
		t.Fatalf("micropay above the balance = %s, want NOTENOUGH", got)
	}
	if got := b.wxState(no); got != "NOTPAY" {
		t.Errorf("orderquery after NOTENOUGH = %s, want NOTPAY", got)
	}
	if got, _ := b.wxPay(b.no(), code, 1); got != "AUTH_CODE_ERROR" {
		t.Errorf("the same code again = %s, want AUTH_CODE_ERROR", got)
	}
	if got, _ := b.wxPay(no, b.code(sandbox.WeChat, "poor"), 50); got != "OUT_TRADE_NO_USED" {
		t.Errorf("the same number with another amount = %s, want OUT_TRADE_NO_USED", got)
	}
	if got, _ := b.wxPay(no, b.code(sandbox.WeChat, "rich"), 51); got != "BUYER_MISMATCH" {
		t.Errorf("the same number with another customer = %s, want BUYER_MISMATCH", got)
	}
	if got, _ := b.wxPay(no, b.code(sandbox.WeChat, "poor"), 51); got != "NOTENOUGH" {
		t.Errorf("the same number with only a new code = %s, want NOTENOUGH", got)
	}
	if got := b.totals().Charges; got != 0 {
		t.Errorf("%d charges, want none", got)
	}
}

func TestWeChatPaidNumberIsNotChargedAgain(t *testing.T) {
	t.Parallel()
	b := newBench(t, nil)
	no, code := b.no(), b.code(sandbox.WeChat, "ming")
	b.wxPay(no, code, 100)
	if got, _ := b.wxPay(no, code, 100); got != "AUTH_CODE_ERROR" {
		t.Errorf("a repeated, already charged code = %s, want AUTH_CODE_ERROR", got)
	}
	if got, _ := b.wxPay(no, b.code(sandbox.WeChat, "ming"), 100); got != "ORDERPAID" {
		t.Errorf("the paid number with a new code = %s, want ORDERPAID", got)
	}
	if got := b.trade(no); got.Charges != 1 || got.Charged != 100 {
		t.Errorf("trade = %+v, want one charge of 100", got)
	}
}

func TestWeChatMerchantsDoNotSeeEachOther(t *testing.T) {
	t.Parallel()
	b := newBench(t, nil)
	no := b.no()
	b.wxPay(no, b.code(sandbox.WeChat, "ming"), 100)
	other := b.Accounts().Providers[0].WeChat.Merchants[1].SubMchID
	if code, _ := b.wx("/pay/orderquery", kv{"out_trade_no": no, "sub_mch_id": other}); code != "ORDERNOTEXIST" {
		t.Errorf("orderquery by another merchant = %s, want ORDERNOTEXIST", code)
	}
	values := payValues(no, b.code(sandbox.WeChat, "ming"), 100)
	values["sub_mch_id"] = other
	if code, _ := b.wx("/pay/micropay", values); code != "SUCCESS" {
		t.Errorf("the same number of another merchant = %s, want SUCCESS", code)
	}
	if list, _ := b.Trades(t.Context(), no); len(list) != 2 {
		t.Errorf("Trades = %+v, want two", list)
	}
	if got := b.totals().DoubleCharges; got != 0 {
		t.Errorf("double charges = %d, want 0", got)
	}
}

func TestWeChatPasswordDialogue(t *testing.T) {
	t.Parallel()
	tests := []struct {
		name    string
		act     func(b *bench, customer string)
		state   string
		charges int64
	}{
		{"approved", func(b *bench, c string) { must(b, b.Answer(b.t.Context(), c, "approve")) }, "SUCCESS", 1},
		{"cancelled", func(b *bench, c string) { must(b, b.Answer(b.t.Context(), c, "cancel")) }, "PAYERROR", 0},
		{"ignored", func(b *bench, _ string) { b.clock.add(30 * time.Second) }, "NOTPAY", 0},
		{"still open", func(b *bench, _ string) { b.clock.add(29 * time.Second) }, "USERPAYING", 0},
		{"ignored for a week", func(b *bench, _ string) { b.clock.add(7 * 24 * time.Hour) }, "CLOSED", 0},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			b := newBench(t, nil)
			no := b.no()
			if got, _ := b.wxPay(no, b.code(sandbox.WeChat, "ming"), 600_00); got != "USERPAYING" {
				t.Fatalf("micropay of 600 yuan = %s, want USERPAYING", got)
			}
			tt.act(b, "ming")
			if got := b.wxState(no); got != tt.state {
				t.Errorf("orderquery = %s, want %s", got, tt.state)
			}
			if got := b.trade(no); got.Charges != tt.charges || got.State != tt.state {
				t.Errorf("trade = %+v, want %d charges, %s", got, tt.charges, tt.state)
			}
		})
	}
}

func must(b *bench, err error) {
	b.t.Helper()
	if err != nil {
		b.t.Fatal(err)
	}
}

func TestPasswordFromTheSixthPaymentOfTheDay(t *testing.T) {
	t.Parallel()
	for profile, free := range map[string]int{sandbox.ProfileSeed: 5, sandbox.ProfileCurrent: 10} {
		t.Run(profile, func(t *testing.T) {
			t.Parallel()
			b := newBench(t, func(c *sandbox.Config) { c.Profile = profile })
			for i := range free {
				if got, _ := b.wxPay(b.no(), b.code(sandbox.WeChat, "ming"), 1); got != "SUCCESS" {
					t.Fatalf("payment %d = %s, want SUCCESS", i+1, got)
				}
			}
			if got, _ := b.wxPay(b.no(), b.code(sandbox.WeChat, "ming"), 1); got != "USERPAYING" {
				t.Errorf("payment %d = %s, want USERPAYING", free+1, got)
			}
			if got, _ := b.aliPay(b.no(), b.code(sandbox.Alipay, "ming"), "0.01"); got != "10000" {
				t.Errorf("the first payment with the other wallet = %s, want 10000", got)
			}
			b.clock.add(12 * time.Hour) // midnight in Beijing
			if got, _ := b.wxPay(b.no(), b.code(sandbox.WeChat, "ming"), 1); got != "SUCCESS" {
				t.Errorf("the first payment of the next day = %s, want SUCCESS", got)
			}
		})
	}
}

func TestPasswordOnlyAboveTheProfilesAmount(t *testing.T) {
	t.Parallel()
	b := newBench(t, nil)
	if got, _ := b.wxPay(b.no(), b.code(sandbox.WeChat, ""), 500_00); got != "SUCCESS" {
		t.Errorf("500.00 yuan = %s, want SUCCESS", got)
	}
	if got, _ := b.wxPay(b.no(), b.code(sandbox.WeChat, ""), 500_01); got != "USERPAYING" {
		t.Errorf("500.01 yuan = %s, want USERPAYING", got)
	}
}

func TestWeChatTimeExpireEndsTheDialogue(t *testing.T) {
	t.Parallel()
	b := newBench(t, func(c *sandbox.Config) { c.DialogTimeout = time.Hour })
	no := b.no()
	values := payValues(no, b.code(sandbox.WeChat, "ming"), 600_00)
	values["time_expire"] = "20261120120200"
	if got, _ := b.wx("/pay/micropay", values); got != "USERPAYING" {
		t.Fatalf("micropay = %s, want USERPAYING", got)
	}
	b.clock.add(2*time.Minute - time.Millisecond)
	if got := b.wxState(no); got != "USERPAYING" {
		t.Errorf("just before time_expire = %s, want USERPAYING", got)
	}
	b.clock.add(time.Millisecond)
	if err := b.Answer(t.Context(), "ming", "approve"); err == nil {
		t.Error("approval at time_expire went through")
	}
	if got := b.wxState(no); got != "CLOSED" {
		t.Errorf("at time_expire = %s, want CLOSED", got)
	}
}

func TestWeChatCloseOrder(t *testing.T) {
	t.Parallel()
	b := newBench(t, nil)
	paid, waiting := b.no(), b.no()
	b.wxPay(paid, b.code(sandbox.WeChat, ""), 1)
	b.wxPay(waiting, b.code(sandbox.WeChat, "ming"), 600_00)
	for _, tt := range []struct{ no, want, state string }{
		{paid, "ORDERPAID", "SUCCESS"},
		{waiting, "SUCCESS", "CLOSED"},
		{waiting, "ORDERCLOSED", "CLOSED"},
		{"nobody", "ORDERNOTEXIST", "ORDERNOTEXIST"},
	} {
		if got, _ := b.wx("/pay/closeorder", kv{"out_trade_no": tt.no}); got != tt.want {
			t.Errorf("closeorder %s = %s, want %s", tt.no, got, tt.want)
		}
		if got := b.wxState(tt.no); got != tt.state {
			t.Errorf("orderquery %s = %s, want %s", tt.no, got, tt.state)
		}
	}
	if err := b.Answer(t.Context(), "ming", "approve"); err == nil {
		t.Error("a closed order could still be approved")
	}
	if got, _ := b.wxPay(waiting, b.code(sandbox.WeChat, "ming"), 600_00); got != "ORDERCLOSED" {
		t.Errorf("micropay on a closed number = %s, want ORDERCLOSED", got)
	}
}

func TestWeChatReverse(t *testing.T) {
	t.Parallel()
	tests := []struct {
		name  string
		first func(b *bench, no string)
		want  string
		state string
		trade string // charges/charged/refunded
	}{
		{"of a paid order returns everything", func(b *bench, no string) {
			b.wxPay(no, b.code(sandbox.WeChat, "ming"), 100)
		}, "SUCCESS", "REVOKED", "1/100/100"},
		{"of an open dialogue closes it", func(b *bench, no string) {
			b.wxPay(no, b.code(sandbox.WeChat, "ming"), 600_00)
		}, "SUCCESS", "REVOKED", "0/0/0"},
		{"of a cancelled dialogue closes it", func(b *bench, no string) {
			b.wxPay(no, b.code(sandbox.WeChat, "ming"), 600_00)
			must(b, b.Answer(b.t.Context(), "ming", "cancel"))
		}, "SUCCESS", "REVOKED", "0/0/0"},
		{"of a just approved payment returns everything", func(b *bench, no string) {
			b.wxPay(no, b.code(sandbox.WeChat, "ming"), 600_00)
			must(b, b.Answer(b.t.Context(), "ming", "approve"))
		}, "SUCCESS", "REVOKED", "1/60000/60000"},
		{"of a partly refunded order is refused", func(b *bench, no string) {
			b.wxPay(no, b.code(sandbox.WeChat, "ming"), 100)
			b.wxRefund(no, "R"+no, 100, 1)
			b.clock.add(2 * time.Second)
		}, "TRADE_STATE_ERROR", "REFUND", "1/100/1"},
		{"after seven days is refused", func(b *bench, no string) {
			b.wxPay(no, b.code(sandbox.WeChat, "ming"), 100)
			b.clock.add(7*24*time.Hour + time.Second)
		}, "REVERSE_EXPIRE", "SUCCESS", "1/100/0"},
		{"of an unknown number leaves a tombstone", func(*bench, string) {}, "SUCCESS", "REVOKED", "0/0/0"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			b := newBench(t, nil)
			no := b.no()
			tt.first(b, no)
			for range 2 { // repeating it changes nothing
				if got := b.wxReverse(no); got != tt.want {
					t.Errorf("reverse = %s, want %s", got, tt.want)
				}
			}
			if got := b.wxState(no); got != tt.state {
				t.Errorf("orderquery = %s, want %s", got, tt.state)
			}
			got := b.trade(no)
			if text := fmt.Sprintf("%d/%d/%d", got.Charges, got.Charged, got.Refunded); text != tt.trade {
				t.Errorf("trade = %s, want %s", text, tt.trade)
			}
			if err := b.Answer(t.Context(), "ming", "approve"); err == nil {
				t.Error("a payment could be approved afterwards")
			}
			if tt.want == "SUCCESS" {
				if got, _ := b.wxPay(no, b.code(sandbox.WeChat, "ming"), 100); got != "ORDERREVERSED" {
					t.Errorf("a late charge = %s, want ORDERREVERSED", got)
				}
			}
		})
	}
}

func TestWeChatReverseNeedsItsOwnClientCertificate(t *testing.T) {
	t.Parallel()
	b := newBench(t, nil)
	no := b.no()
	b.wxPay(no, b.code(sandbox.WeChat, ""), 100)
	for name, p := range map[string]int{"none": -1, "of another merchant number": 1} {
		if out, err := b.wxCallAs(b.client(p), "/secapi/pay/reverse", kv{"out_trade_no": no}, false); !isCut(err) {
			t.Errorf("reverse with certificate %s = %v, %v, want a cut connection", name, out, err)
		}
	}
	if got := b.trade(no); got.Refunded != 0 {
		t.Errorf("trade = %+v, want nothing returned", got)
	}
	stranger, err := sandbox.New(t.Context(), sandbox.Config{Dir: t.TempDir(), Now: time.Now}) // the same merchant number under another authority
	if err != nil {
		t.Fatal(err)
	}
	defer stranger.Close()
	forged := (&bench{Sandbox: stranger, t: t}).clientCert(0)
	if _, err := b.wxCallAs(b.clientWith([]tls.Certificate{forged}), "/secapi/pay/reverse", kv{"out_trade_no": no}, false); !isCut(err) {
		t.Errorf("reverse with a forged certificate = %v, want a cut connection", err)
	}
	b.fault(sandbox.Fault{Scenario: "require_mtls", Params: sandbox.Params{Page: new(true)}, Count: 1})
	if _, err := b.wxCallAs(b.client(-1), "/secapi/pay/reverse", kv{"out_trade_no": no}, false); err == nil || !strings.Contains(err.Error(), "HTTP 400") {
		t.Errorf("reverse without certificate, page wanted = %v, want HTTP 400", err)
	}
	b.fault(sandbox.Fault{Scenario: "require_mtls"})
	if out, err := b.wxCallAs(b.client(-1), "/secapi/pay/reverse", kv{"out_trade_no": no}, false); err != nil || out["result_code"] != "SUCCESS" {
		t.Errorf("reverse with the demand off = %v, %v", out, err)
	}
}

func TestStrictModeEnforcesTheWaits(t *testing.T) {
	t.Parallel()
	b := newBench(t, func(c *sandbox.Config) { c.Strict = true })
	no, paid := b.no(), b.no()
	b.wxPay(no, b.code(sandbox.WeChat, "ming"), 600_00)
	b.wxPay(paid, b.code(sandbox.WeChat, ""), 100)
	if got, _ := b.wx("/pay/closeorder", kv{"out_trade_no": no}); got != "INVALID_REQUEST" {
		t.Errorf("closeorder at once = %s, want INVALID_REQUEST", got)
	}
	b.clock.add(14 * time.Second)
	if got := b.wxReverse(no); got != "INVALID_REQUEST" {
		t.Errorf("reverse after 14 s = %s, want INVALID_REQUEST", got)
	}
	b.clock.add(time.Second)
	if got := b.wxReverse(no); got != "SUCCESS" {
		t.Errorf("reverse after 15 s = %s, want SUCCESS", got)
	}
	b.wxRefund(paid, "R1", 100, 1)
	b.clock.add(59 * time.Second)
	if got, _ := b.wxRefund(paid, "R2", 100, 1); got != "INVALID_REQ_TOO_MUCH" {
		t.Errorf("refund after 59 s = %s, want INVALID_REQ_TOO_MUCH", got)
	}
	if got, _ := b.wxRefund(paid, "R1", 100, 1); got != "SUCCESS" {
		t.Errorf("the first refund repeated = %s, want SUCCESS", got)
	}
	b.clock.add(time.Second)
	if got, _ := b.wxRefund(paid, "R2", 100, 1); got != "SUCCESS" {
		t.Errorf("refund after 60 s = %s, want SUCCESS", got)
	}
	ali := b.no()
	b.aliPay(ali, b.code(sandbox.Alipay, ""), "1.00")
	b.aliRefund(ali, "A1", "0.10")
	b.clock.add(2 * time.Second)
	if got, _ := b.aliRefund(ali, "A2", "0.10"); got != "40005" {
		t.Errorf("alipay refund after 2 s = %s, want 40005", got)
	}
	b.clock.add(time.Second)
	if got, _ := b.aliRefund(ali, "A2", "0.10"); got != "10000" {
		t.Errorf("alipay refund after 3 s = %s, want 10000", got)
	}
}
