package sandbox_test

import (
	"context"
	"errors"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"
	"time"

	"cloudpay/internal/sandbox"
)

// timers is an After whose timers fire when told, and which says when one is set.
type timers struct {
	set  chan time.Duration
	fire chan time.Time
}

func newTimers() *timers {
	return &timers{set: make(chan time.Duration, 8), fire: make(chan time.Time)}
}

func (tm *timers) after(d time.Duration) <-chan time.Time {
	tm.set <- d
	return tm.fire
}

func TestLateAnswersWaitOnTheInjectedTimer(t *testing.T) {
	t.Parallel()
	for scenario, before := range map[string]sandbox.Fen{"delay_after": 100, "slow": 100, "timeout": 0} {
		t.Run(scenario, func(t *testing.T) {
			t.Parallel()
			tm := newTimers()
			b := newBench(t, func(c *sandbox.Config) { c.After = tm.after })
			b.fault(sandbox.Fault{Scenario: scenario})
			no, code := b.no(), b.code(sandbox.WeChat, "")
			b.client(0)
			var wg sync.WaitGroup
			wg.Go(func() {
				if out, err := b.wxCall("/pay/micropay", payValues(no, code, 100)); err != nil || out["result_code"] != "SUCCESS" {
					t.Errorf("held call = %v, %v, want SUCCESS", out, err)
				}
			})
			if got := <-tm.set; got != 12*time.Second {
				t.Errorf("held for %v, want 12s", got)
			}
			if got := b.totals().Charged; got != before {
				t.Errorf("charged while held = %d, want %d", got, before)
			}
			tm.fire <- noon
			wg.Wait()
			if got := b.trade(no).Charged; got != 100 {
				t.Errorf("charged = %d, want 100", got)
			}
		})
	}
}

// TestChargeThatArrivesAfterItsReverse is upstreams.md §8.8 scenario 5: the
// till gives up on a request that is still under way, reverses, and then the
// request arrives.
func TestChargeThatArrivesAfterItsReverse(t *testing.T) {
	t.Parallel()
	tm := newTimers()
	b := newBench(t, func(c *sandbox.Config) { c.After = tm.after })
	b.fault(sandbox.Fault{Scenario: "timeout", Channel: sandbox.WeChat, Count: 1})
	no := b.no()
	body := v2XML(b.wxSigned(payValues(no, b.code(sandbox.WeChat, ""), 100), false))
	ctx, hangUp := context.WithCancel(t.Context())
	defer hangUp()
	late := httptest.NewRecorder()
	var wg sync.WaitGroup
	wg.Go(func() {
		b.Wallet().ServeHTTP(late, httptest.NewRequestWithContext(ctx, http.MethodPost, "/pay/micropay", strings.NewReader(body)))
	})
	<-tm.set
	hangUp()
	if got := b.wxState(no); got != "ORDERNOTEXIST" {
		t.Errorf("orderquery while it is under way = %s, want ORDERNOTEXIST", got)
	}
	if got := b.wxReverse(no); got != "SUCCESS" {
		t.Errorf("reverse = %s, want SUCCESS", got)
	}
	tm.fire <- noon // it arrives now
	wg.Wait()
	if out, err := v2Parse(late.Body.Bytes()); err != nil || out["err_code"] != "ORDERREVERSED" {
		t.Errorf("the late charge = %v, %v, want ORDERREVERSED", out, err)
	}
	if got := b.totals(); got.Charges != 0 || got.Reversals != 1 {
		t.Errorf("totals = %+v, want no charge and one reversal", got)
	}
}

func TestSlowStateHidesThePayment(t *testing.T) {
	t.Parallel()
	b := newBench(t, nil)
	b.fault(sandbox.Fault{Scenario: "slow_state", Params: sandbox.Params{Seconds: new(20.0)}})
	wx, ali := b.no(), b.no()
	b.wxPay(wx, b.code(sandbox.WeChat, ""), 100)
	b.aliPay(ali, b.code(sandbox.Alipay, ""), "1.00")
	b.clock.add(20*time.Second - time.Millisecond)
	if got := b.wxState(wx); got != "USERPAYING" {
		t.Errorf("orderquery within the lag = %s, want USERPAYING", got)
	}
	if got := b.aliState(ali); got != "ACQ.TRADE_NOT_EXIST" {
		t.Errorf("trade.query within the lag = %s, want ACQ.TRADE_NOT_EXIST", got)
	}
	if got := b.trade(wx).State; got != "SUCCESS" {
		t.Errorf("truth within the lag = %s, want SUCCESS", got)
	}
	b.clock.add(time.Millisecond)
	if got := b.wxState(wx); got != "SUCCESS" {
		t.Errorf("orderquery after the lag = %s, want SUCCESS", got)
	}
	if got := b.aliState(ali); got != "TRADE_SUCCESS" {
		t.Errorf("trade.query after the lag = %s, want TRADE_SUCCESS", got)
	}
}

// TestUndoneBare hides from a query, by both interfaces, that what was undone had been
// paid; the pay time of one that is paid stays.
func TestUndoneBare(t *testing.T) {
	t.Parallel()
	b := newBench(t, nil)
	no, kept := b.no(), b.no()
	for _, no := range []string{no, kept} {
		if got, _ := b.wxPay(no, b.code(sandbox.WeChat, "ming"), 100); got != "SUCCESS" {
			t.Fatalf("micropay = %s", got)
		}
	}
	if got := b.wxReverse(no); got != "SUCCESS" {
		t.Fatalf("reverse = %s", got)
	}
	tells := func(no string) (v2, v3 string) {
		_, out := b.wx("/pay/orderquery", kv{"out_trade_no": no})
		w := b.Accounts().Providers[0].WeChat
		got := b.v3(t, v3Call{
			method: http.MethodGet, path: "/v3/pay/partner/transactions/out-trade-no/" + no + "?sp_mchid=" + w.MchID + "&sub_mchid=" + w.Merchants[0].SubMchID,
		})
		paid, _ := got.body["success_time"].(string)
		return out["trade_state"] + " " + out["time_end"], got.body["trade_state"].(string) + " " + paid
	}
	if v2, v3 := tells(no); len(v2) < 10 || len(v3) < 10 {
		t.Errorf("without a fault the queries tell %q and %q", v2, v3)
	}
	b.fault(sandbox.Fault{Scenario: "undone_bare"})
	if v2, v3 := tells(no); v2 != "REVOKED " || v3 != "REVOKED " {
		t.Errorf("the queries tell %q and %q, want the state alone", v2, v3)
	}
	if v2, v3 := tells(kept); len(v2) < 10 || len(v3) < 10 {
		t.Errorf("of a payment that stands they tell %q and %q", v2, v3)
	}
}

func TestPayErrorButCharged(t *testing.T) {
	t.Parallel()
	b := newBench(t, nil)
	b.fault(sandbox.Fault{Scenario: "payerror_but_charged", Count: 1})
	no := b.no()
	if got, _ := b.wxPay(no, b.code(sandbox.WeChat, "ming"), 100); got != "USERPAYING" {
		t.Errorf("micropay = %s, want USERPAYING", got)
	}
	if got := b.wxState(no); got != "PAYERROR" {
		t.Errorf("orderquery = %s, want PAYERROR", got)
	}
	if got := b.trade(no); got.State != "SUCCESS" || got.Charged != 100 {
		t.Errorf("truth = %+v, want SUCCESS and 100", got)
	}
	if got := b.wxReverse(no); got != "SUCCESS" {
		t.Errorf("reverse = %s, want SUCCESS", got)
	}
	if got := b.wxState(no); got != "REVOKED" {
		t.Errorf("orderquery after the reverse = %s, want REVOKED", got)
	}
	if got := b.balance("ming"); got != 10_000_00 {
		t.Errorf("balance = %d, want everything back", got)
	}
}

func TestPayThenRollback(t *testing.T) {
	t.Parallel()
	b := newBench(t, nil)
	b.fault(sandbox.Fault{Scenario: "pay_then_rollback", Count: 1, Params: sandbox.Params{Seconds: new(60.0)}})
	no := b.no()
	if got, _ := b.aliPay(no, b.code(sandbox.Alipay, "ming"), "1.00"); got != "10000" {
		t.Fatalf("trade.pay = %s, want 10000", got)
	}
	if got := b.aliState(no); got != "TRADE_SUCCESS" {
		t.Errorf("before the rollback = %s, want TRADE_SUCCESS", got)
	}
	b.clock.add(time.Minute)
	if got := b.totals(); got.Charged != 100 || got.Refunded != 100 || got.Refunds != 0 {
		t.Errorf("totals = %+v, want 100 charged and 100 back without a refund", got)
	}
	_, out := b.ali("alipay.trade.query", kv{"out_trade_no": no})
	if out["trade_status"] != "TRADE_CLOSED" || out["send_pay_date"] != "2026-11-20 12:00:00" {
		t.Errorf("after the rollback = %v, want TRADE_CLOSED with a pay date", out)
	}
}

func TestReverseFaults(t *testing.T) {
	t.Parallel()
	b := newBench(t, nil)
	no := b.no()
	b.wxPay(no, b.code(sandbox.WeChat, ""), 100)
	b.fault(sandbox.Fault{Scenario: "reverse_recall", Params: sandbox.Params{N: 2}})
	b.fault(sandbox.Fault{Scenario: "reverse_no_effect", Channel: sandbox.WeChat, Count: 1, Params: sandbox.Params{Skip: 2}})
	for i, want := range []string{"recall", "recall", "SUCCESS"} {
		if got := b.wxReverse(no); got != want {
			t.Errorf("reverse %d = %s, want %s", i+1, got, want)
		}
		if got := b.wxState(no); got != "SUCCESS" {
			t.Errorf("orderquery after reverse %d = %s, want SUCCESS: nothing was done", i+1, got)
		}
	}
	if b.wxReverse(no); b.wxState(no) != "REVOKED" {
		t.Errorf("orderquery at last = %s, want REVOKED", b.wxState(no))
	}
	paying := b.no()
	b.wxPay(paying, b.code(sandbox.WeChat, "ming"), 600_00)
	b.fault(sandbox.Fault{Scenario: "reverse_userpaying"})
	if got := b.wxReverse(paying); got != "USERPAYING" {
		t.Errorf("reverse while the dialogue is open = %s, want USERPAYING", got)
	}
	b.clock.add(30 * time.Second)
	if got := b.wxReverse(paying); got != "SUCCESS" {
		t.Errorf("reverse after the dialogue closed = %s, want SUCCESS", got)
	}
	ali := b.no()
	b.aliPay(ali, b.code(sandbox.Alipay, ""), "1.00")
	b.fault(sandbox.Fault{Scenario: "cancel_retry", Params: sandbox.Params{N: 1}})
	b.fault(sandbox.Fault{Scenario: "reverse_no_effect", Channel: sandbox.Alipay, Count: 1, Params: sandbox.Params{Skip: 1}})
	for i, want := range []string{"/Y", "refund/N"} {
		if got := b.aliCancel(ali); got != want {
			t.Errorf("cancel %d = %s, want %s", i+1, got, want)
		}
		if got := b.aliState(ali); got != "TRADE_SUCCESS" {
			t.Errorf("trade.query after cancel %d = %s, want TRADE_SUCCESS: nothing was done", i+1, got)
		}
	}
	if got := b.aliCancel(ali); got != "refund/N" || b.aliState(ali) != "TRADE_CLOSED" {
		t.Errorf("the last cancel = %s, %s", got, b.aliState(ali))
	}
}

func TestRefundSystemErrorIsCommittedOrNot(t *testing.T) {
	t.Parallel()
	b := newBench(t, nil)
	for _, committed := range []bool{true, false} {
		no := b.no()
		b.wxPay(no, b.code(sandbox.WeChat, ""), 100)
		b.fault(sandbox.Fault{Scenario: "refund_syserr", Count: 1, Params: sandbox.Params{Committed: &committed}})
		if got, _ := b.wxRefund(no, "R"+no, 100, 100); got != "SYSTEMERROR" {
			t.Errorf("refund = %s, want SYSTEMERROR", got)
		}
		want := "REFUNDNOTEXIST"
		if committed {
			want = "PROCESSING"
		}
		if got := b.wxRefundState("R" + no); got != want {
			t.Errorf("committed %v: refundquery = %s, want %s", committed, got, want)
		}
		if got, _ := b.wxRefund(no, "R"+no, 100, 100); got != "SUCCESS" {
			t.Errorf("the refund repeated = %s, want SUCCESS", got)
		}
	}
	b.clock.add(2 * time.Second)
	if got := b.totals(); got.Refunds != 2 || got.Refunded != 200 {
		t.Errorf("totals = %+v, want 2 refunds of 200", got)
	}
}

func TestAnswerStateOverridesTheQuery(t *testing.T) {
	t.Parallel()
	b := newBench(t, nil)
	no, ali := b.no(), b.no()
	b.wxPay(no, b.code(sandbox.WeChat, ""), 100)
	b.aliPay(ali, b.code(sandbox.Alipay, ""), "1.00")
	for _, state := range []string{"SUCCESS", "REFUND", "NOTPAY", "CLOSED", "REVOKED", "USERPAYING", "PAYERROR", "ACCEPT", "NOVELTY"} {
		b.fault(sandbox.Fault{Scenario: "answer_state", Channel: sandbox.WeChat, Count: 1, Params: sandbox.Params{State: state}})
		if got := b.wxState(no); got != state {
			t.Errorf("orderquery = %s, want %s", got, state)
		}
	}
	for _, state := range []string{"WAIT_BUYER_PAY", "TRADE_SUCCESS", "TRADE_FINISHED", "TRADE_CLOSED"} {
		b.fault(sandbox.Fault{Scenario: "answer_state", Channel: sandbox.Alipay, Count: 1, Params: sandbox.Params{State: state}})
		if got := b.aliState(ali); got != state {
			t.Errorf("trade.query = %s, want %s", got, state)
		}
	}
	b.wxRefund(no, "R1", 100, 1)
	for _, state := range []string{"SUCCESS", "PROCESSING", "REFUNDCLOSE", "CHANGE"} {
		b.fault(sandbox.Fault{Scenario: "answer_state", Endpoint: "refundquery", Count: 1, Params: sandbox.Params{State: state}})
		if got := b.wxRefundState("R1"); got != state {
			t.Errorf("refundquery = %s, want %s", got, state)
		}
	}
	b.fault(sandbox.Fault{Scenario: "answer_state", Count: 2, Params: sandbox.Params{State: "NOTPAY"}})
	if got := b.wxState("nobody"); got != "NOTPAY" {
		t.Errorf("orderquery of an unknown number = %s, want NOTPAY", got)
	}
}

func TestFaultsAimAtMerchantNumberAndTurn(t *testing.T) {
	t.Parallel()
	b := newBench(t, nil)
	w := b.Accounts().Providers[0].WeChat
	b.fault(sandbox.Fault{Scenario: "answer_code", Params: sandbox.Params{Code: "RULELIMIT", OutTradeNo: "X*"}})
	b.fault(sandbox.Fault{Scenario: "answer_code", Params: sandbox.Params{Code: "NOAUTH", Merchant: w.Merchants[1].SubMchID}})
	b.fault(sandbox.Fault{Scenario: "answer_code", Endpoint: "orderquery", Params: sandbox.Params{Code: "SYSTEMERROR"}})
	if got, _ := b.wxPay("X1", b.code(sandbox.WeChat, ""), 1); got != "RULELIMIT" {
		t.Errorf("a number of the pattern = %s, want RULELIMIT", got)
	}
	if got, _ := b.wxPay("Y1", b.code(sandbox.WeChat, ""), 1); got != "SUCCESS" {
		t.Errorf("another number = %s, want SUCCESS", got)
	}
	values := payValues("Y2", b.code(sandbox.WeChat, ""), 1)
	values["sub_mch_id"] = w.Merchants[1].SubMchID
	if got, _ := b.wx("/pay/micropay", values); got != "NOAUTH" {
		t.Errorf("the other merchant = %s, want NOAUTH", got)
	}
	if got := b.wxState("Y1"); got != "SYSTEMERROR" {
		t.Errorf("orderquery = %s, want SYSTEMERROR", got)
	}
	if err := b.ClearFaults(); err != nil {
		t.Fatal(err)
	}
	if got := b.wxState("Y1"); got != "SUCCESS" {
		t.Errorf("after DELETE = %s, want SUCCESS", got)
	}
}

func TestFaultOnEveryCall(t *testing.T) {
	t.Parallel()
	b := newBench(t, nil)
	no := b.no()
	b.wxPay(no, b.code(sandbox.WeChat, ""), 100)
	b.fault(sandbox.Fault{Scenario: "drop_before", Endpoint: "*"})
	for _, path := range []string{"/pay/micropay", "/pay/orderquery", "/secapi/pay/reverse", "/secapi/pay/refund", "/pay/refundquery", "/pay/closeorder"} {
		if _, err := b.wxCall(path, kv{"out_trade_no": no}); !isCut(err) {
			t.Errorf("%s = %v, want a cut connection", path, err)
		}
	}
}

func TestRateRepeatsFromItsSeed(t *testing.T) {
	t.Parallel()
	run := func(seed uint64, restart bool) string {
		b := newBench(t, nil)
		b.fault(sandbox.Fault{Scenario: "answer_code", Rate: 0.3, Seed: &seed, Params: sandbox.Params{Code: "RULELIMIT"}})
		var pattern strings.Builder
		for i := range 40 {
			if restart && i == 20 {
				b.restart()
			}
			got, _ := b.wxPay(b.no(), b.code(sandbox.WeChat, ""), 1)
			pattern.WriteByte(map[string]byte{"RULELIMIT": 'x', "SUCCESS": '.'}[got])
		}
		return pattern.String()
	}
	first := run(7, false)
	if again := run(7, false); again != first {
		t.Errorf("seed 7 gave %s, then %s", first, again)
	}
	if again := run(7, true); again != first {
		t.Errorf("seed 7 gave %s, and %s over a restart", first, again)
	}
	if other := run(8, false); other == first {
		t.Errorf("seeds 7 and 8 both gave %s", first)
	}
	if n := strings.Count(first, "x"); n < 5 || n > 20 {
		t.Errorf("rate 0.3 hit %d of 40: %s", n, first)
	}
}

func TestNegativeTestHeader(t *testing.T) {
	t.Parallel()
	b := newBench(t, nil)
	for header, want := range map[string]string{
		"MICROPAY_USERPAYING": "USERPAYING", "MICROPAY_SYSTEMERROR": "SYSTEMERROR", "MICROPAY_NOTENOUGH": "NOTENOUGH",
		"MICROPAY_AUTHCODEEXPIRE": "AUTHCODEEXPIRE", "MICROPAY_NOVELTY": "",
	} {
		body := v2XML(b.wxSigned(payValues(b.no(), b.code(sandbox.WeChat, ""), 1), false))
		_, _, raw, err := b.post(b.client(0), "/pay/micropay", "text/xml", body, http.Header{"Wechatpay-Negative-Test": {header}})
		if err != nil {
			t.Fatal(err)
		}
		if out, err := v2Parse(raw); err != nil || out["err_code"] != want {
			t.Errorf("%s: %v, %v, want %q", header, out, err, want)
		}
	}
	if got := b.totals().Faults["negative_test"]; got != 4 {
		t.Errorf("negative tests counted = %d, want 4", got)
	}
}

func TestSpecialAmountsOnlyInTheClassicProfile(t *testing.T) {
	t.Parallel()
	plain, classic := newBench(t, nil), newBench(t, func(c *sandbox.Config) { c.Classic = true })
	for _, special := range sandbox.ClassicAmounts() {
		if special.Scenario == "slow" {
			continue // would hold this test back for its 12 s
		}
		if got, _ := plain.wxPay(plain.no(), plain.code(sandbox.WeChat, ""), int(special.Amount)); got != "SUCCESS" {
			t.Errorf("%d fen without the profile = %s, want SUCCESS", special.Amount, got)
		}
		_, _ = classic.wxCall("/pay/micropay", payValues(classic.no(), classic.code(sandbox.WeChat, ""), int(special.Amount)))
		if got := classic.totals().Faults[special.Scenario]; got != 1 {
			t.Errorf("%d fen with the profile: %s counted %d times, want once", special.Amount, special.Scenario, got)
		}
	}
	if got := plain.totals().Faults; len(got) != 0 {
		t.Errorf("faults without the profile = %v, want none", got)
	}
}

func TestFaultsAreChecked(t *testing.T) {
	t.Parallel()
	b := newBench(t, nil)
	for name, f := range map[string]sandbox.Fault{
		"no scenario":                 {},
		"unknown scenario":            {Scenario: "flood"},
		"unknown channel":             {Scenario: "syserr", Channel: "cash"},
		"a channel it has not":        {Scenario: "bankerr", Channel: sandbox.Alipay},
		"unknown endpoint":            {Scenario: "syserr", Endpoint: "lottery"},
		"a parameter it has not":      {Scenario: "drop_after", Params: sandbox.Params{Code: "X"}},
		"no code":                     {Scenario: "answer_code"},
		"no state":                    {Scenario: "answer_state"},
		"negative count":              {Scenario: "syserr", Count: -1},
		"rate above 1":                {Scenario: "syserr", Rate: 1.1},
		"a wait of hours":             {Scenario: "slow", Params: sandbox.Params{Seconds: new(7200.0)}},
		"a negative wait":             {Scenario: "slow", Params: sandbox.Params{Seconds: new(-1.0)}},
		"a broken pattern":            {Scenario: "syserr", Params: sandbox.Params{OutTradeNo: "["}},
		"a text of unreasonable size": {Scenario: "answer_code", Params: sandbox.Params{Code: strings.Repeat("X", 500)}},
	} {
		if err := b.AddFault(f); !errors.Is(err, sandbox.ErrInvalid) {
			t.Errorf("AddFault with %s = %v, want ErrInvalid", name, err)
		}
	}
	for range 100 {
		b.fault(sandbox.Fault{Scenario: "syserr", Endpoint: "close"})
	}
	if err := b.AddFault(sandbox.Fault{Scenario: "syserr"}); !errors.Is(err, sandbox.ErrConflict) {
		t.Errorf("the 101st fault = %v, want ErrConflict", err)
	}
}

func TestEveryScenarioIsDescribed(t *testing.T) {
	t.Parallel()
	seen := map[string]bool{}
	for _, s := range sandbox.Scenarios() {
		if seen[s.Name] || s.Effect == "" || len(s.Channels) == 0 || s.Endpoint == "" {
			t.Errorf("scenario %+v is not fit to print", s)
		}
		seen[s.Name] = true
	}
	for name := range strings.FieldsSeq(`drop_before drop_after delay_after timeout syserr syserr_committed syserr_uncommitted bankerr
 http502_html empty_body truncated_body bad_json bad_sign unsigned_2xx tamper slow_state payerror_but_charged pay_then_rollback
 reverse_recall cancel_retry reverse_userpaying reverse_no_effect refund_stuck refund_abnormal refund_closed refund_syserr
 rate_limit require_mtls duplicate slow answer_code answer_state auth_token_revoke`) {
		if !seen[name] {
			t.Errorf("scenario %s is missing", name)
		}
	}
}
