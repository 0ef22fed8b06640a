package wxpay

import (
	"context"
	"encoding/json"
	"os"
	"testing"

	"github.com/google/go-cmp/cmp"

	"cloudpay/internal/channel"
	"cloudpay/internal/pay"
)

// row is one line of vectors/upstream-codes-wechat-v2.json.
type row struct {
	Code         string
	TradeState   string `json:"trade_state"`
	RefundStatus string `json:"refund_status"`
	Condition    string
	Class        channel.Class
	Reason       pay.Reason
	NeverReverse bool `json:"never_reverse"`
	Alert        bool
}

type vectorCall struct {
	Success    row
	Conditions []row
	States     []row
	Codes      []row
}

type vectorFile struct {
	Conditions []row
	Calls      map[string]json.RawMessage
}

func readVectors(t *testing.T) (file vectorFile, call func(name string) vectorCall) {
	t.Helper()
	raw, err := os.ReadFile("testdata/upstream-codes-wechat-v2.json")
	if err != nil {
		t.Fatal(err)
	}
	if err := json.Unmarshal(raw, &file); err != nil {
		t.Fatal(err)
	}
	return file, func(name string) vectorCall {
		var c vectorCall
		if err := json.Unmarshal(file.Calls[name], &c); err != nil {
			t.Fatal(err)
		}
		return c
	}
}

// outcome is what the row says about a verified answer.
func (r row) outcome() pay.Outcome {
	out := channel.Rule{Class: r.Class, Reason: r.Reason, NoReverse: r.NeverReverse, Alert: r.Alert}.Outcome()
	out.Verified = true
	return out
}

// verdict keeps of an outcome what the shared list speaks of.
func verdict(out pay.Outcome) pay.Outcome {
	return pay.Outcome{
		Kind: out.Kind, Next: out.Next, Reason: out.Reason, NoReverse: out.NoReverse, Alert: out.Alert,
		Verified: out.Verified, Lost: out.Lost, Differs: out.Differs,
	}
}

// calls are the calls of the adapter under their names in the shared list.
var calls = map[string]func(ctx context.Context, c *Channel) pay.Outcome{
	"micropay": func(ctx context.Context, c *Channel) pay.Outcome { return c.Pay(ctx, charge) },
	"unifiedorder": func(ctx context.Context, c *Channel) pay.Outcome {
		return c.Prepay(ctx, prepay(pay.TradeScanCode)).Outcome
	},
	"orderquery":  func(ctx context.Context, c *Channel) pay.Outcome { return c.Query(ctx, order) },
	"reverse":     func(ctx context.Context, c *Channel) pay.Outcome { return c.Reverse(ctx, order) },
	"closeorder":  func(ctx context.Context, c *Channel) pay.Outcome { return c.Close(ctx, order) },
	"refund":      func(ctx context.Context, c *Channel) pay.Outcome { return c.Refund(ctx, refund).Outcome },
	"refundquery": func(ctx context.Context, c *Channel) pay.Outcome { return c.QueryRefund(ctx, refund).Outcome },
}

var paths = map[string]call{
	"micropay": callPay, "unifiedorder": callPrepay, "orderquery": callQuery, "reverse": callReverse, "closeorder": callClose,
	"refund": callRefund, "refundquery": callQueryRefund,
}

// TestCodesFollowTheSharedList answers every call with every listed err_code
// and compares the outcome with the list; then it looks for lines of ours that
// the list does not have.
func TestCodesFollowTheSharedList(t *testing.T) {
	t.Parallel()
	_, call := readVectors(t)
	for name, do := range calls {
		var code string
		c, _ := play(t, SignMD5, func(request) fieldsOf {
			return merge(common, fieldsOf{"result_code": "FAIL", "err_code": code, "err_code_des": "原因"})
		})
		listed := map[string]bool{}
		for _, r := range call(name).Codes {
			listed[r.Code] = true
			want := r.outcome()
			switch {
			case name == "refundquery" && r.Code == "REFUNDNOTEXIST":
				want.Kind = pay.Unknown // channel.Channel: the caller repeats the refund
			case name == "reverse" && r.Code == "ORDERNOTEXIST":
				want.Reason = pay.ReasonNotFound // money.md §3 row 11 is decided by it
			}
			code = r.Code
			got := do(t.Context(), c)
			if diff := cmp.Diff(want, verdict(got)); diff != "" {
				t.Errorf("%s %s: %s", name, r.Code, diff)
			}
			if got.Code != r.Code || got.Text != "原因" {
				t.Errorf("%s %s: code %q, text %q", name, r.Code, got.Code, got.Text)
			}
		}
		if len(listed) == 0 {
			t.Errorf("%s: the list has no codes", name)
		}
		for _, r := range paths[name].codes {
			if !listed[r.Code] {
				t.Errorf("%s: %s is not in the shared list", name, r.Code)
			}
		}
		for _, code = range []string{"A_CODE_OF_LATER", "", "userpaying", " SYSTEMERROR"} {
			if diff := cmp.Diff(pay.Outcome{Kind: pay.Unknown, Alert: true, Verified: true}, verdict(do(t.Context(), c))); diff != "" {
				t.Errorf("%s with unlisted code %q: %s", name, code, diff)
			}
		}
	}
}

func TestOrderStatesFollowTheSharedList(t *testing.T) {
	t.Parallel()
	_, call := readVectors(t)
	var state string
	var of fieldsOf
	c, _ := play(t, SignMD5, func(request) fieldsOf {
		return merge(common, of, fieldsOf{"out_trade_no": testOrder, "trade_state": state, "trade_state_desc": "说明"})
	})
	listed := map[string]bool{}
	for _, r := range call("orderquery").States {
		listed[r.TradeState] = true
		state, of = r.TradeState, nil
		if r.Class == channel.ClassPaid {
			of = paid
		}
		got := c.Query(t.Context(), order)
		if diff := cmp.Diff(r.outcome(), verdict(got)); diff != "" || got.Code != r.TradeState || got.Text != "说明" {
			t.Errorf("%s: code %q, text %q, %s", state, got.Code, got.Text, diff)
		}
	}
	for _, r := range queryStates {
		if !listed[r.Code] {
			t.Errorf("state %s is not in the shared list", r.Code)
		}
	}
	state, of = "A_STATE_OF_LATER", paid
	if diff := cmp.Diff(pay.Outcome{Kind: pay.Unknown, Alert: true, Verified: true}, verdict(c.Query(t.Context(), order))); diff != "" {
		t.Errorf("unlisted state: %s", diff)
	}
}

func TestRefundStatesFollowTheSharedList(t *testing.T) {
	t.Parallel()
	_, call := readVectors(t)
	var state string
	c, _ := play(t, SignMD5, func(request) fieldsOf { return merge(common, refunded, fieldsOf{"refund_status_0": state}) })
	listed := map[string]bool{}
	for _, r := range call("refundquery").States {
		listed[r.RefundStatus] = true
		state = r.RefundStatus
		got := c.QueryRefund(t.Context(), refund)
		if diff := cmp.Diff(r.outcome(), verdict(got.Outcome)); diff != "" || got.Code != state {
			t.Errorf("%s: code %q, %s", state, got.Code, diff)
		}
		if got.ByHand != (state == "CHANGE") {
			t.Errorf("%s: ByHand = %v", state, got.ByHand)
		}
	}
	for _, r := range refundStates {
		if !listed[r.Code] {
			t.Errorf("state %s is not in the shared list", r.Code)
		}
	}
	state = "A_STATE_OF_LATER"
	if diff := cmp.Diff(pay.Outcome{Kind: pay.Unknown, Alert: true, Verified: true}, verdict(c.QueryRefund(t.Context(), refund).Outcome)); diff != "" {
		t.Errorf("unlisted state: %s", diff)
	}
}

// conditions plays each condition of the shared list. What is not played here
// fails TestConditionsFollowTheSharedList.
var conditions = map[string][]fieldsOf{
	"body is not XML, is empty or truncated": {
		{"raw": ""},
		{"raw": `{"code":"SUCCESS"}`},
		{"raw": "<xml><return_code>SUCCESS</return_code><result_code>SUC"},
		{"raw": "<html><body>502</body></html>"},
	},
	"sign missing or wrong while return_code=SUCCESS": {
		merge(common, paid, fieldsOf{"sign": ""}),
		merge(common, paid, fieldsOf{"sign": "B130DE88E8C52F61483DF1F10BE49B4C"}),
		merge(common, fieldsOf{"result_code": "FAIL", "err_code": "NOTENOUGH", "sign": ""}),
	},
	"return_code=FAIL (unsigned; any return_msg, e.g. 签名错误)": {
		{"return_code": "FAIL", "return_msg": "签名错误", "sign": ""},
		// Even a signed one: only return_code=SUCCESS is an answer.
		merge(common, paid, fieldsOf{"return_code": "FAIL"}),
	},
	"return_code=SYSTEMERROR": {{"return_code": "SYSTEMERROR", "sign": ""}},
	"verified success answer whose amount, currency, merchant or order number differs from the request": {
		merge(common, paid, fieldsOf{"total_fee": "1201"}),
		merge(common, paid, fieldsOf{"total_fee": "12.00"}),
		merge(common, paid, fieldsOf{"total_fee": ""}),
		merge(common, paid, fieldsOf{"fee_type": "HKD"}),
		merge(common, paid, fieldsOf{"mch_id": "1900000999"}),
		merge(common, paid, fieldsOf{"sub_mch_id": "1900000999"}),
		merge(common, paid, fieldsOf{"sub_mch_id": ""}),
		merge(common, paid, fieldsOf{"appid": "wx0000000000000009"}),
		merge(common, paid, fieldsOf{"out_trade_no": "GW20260101000009"}),
		merge(common, paid, fieldsOf{"out_trade_no": ""}),
	},
	"verified answer with an unlisted state": {
		merge(common, paid, fieldsOf{"result_code": "MAYBE"}),
		merge(common, paid, fieldsOf{"result_code": ""}),
	},
}

// elsewhere are conditions that need another server than play's.
var elsewhere = map[string]bool{
	"transport error or timeout": true, // TestLostCallsAreUnknown
	"HTTP status other than 200": true, // TestLostCallsAreUnknown
}

func TestConditionsFollowTheSharedList(t *testing.T) {
	t.Parallel()
	file, _ := readVectors(t)
	for _, r := range file.Conditions {
		if len(conditions[r.Condition]) == 0 && !elsewhere[r.Condition] {
			t.Errorf("nothing plays the condition %q", r.Condition)
		}
	}
	var answer fieldsOf
	c, _ := play(t, SignMD5, func(request) fieldsOf { return answer })
	want := map[string]pay.Outcome{
		"body is not XML, is empty or truncated":                                                            {Kind: pay.Unknown, Lost: true},
		"sign missing or wrong while return_code=SUCCESS":                                                   {Kind: pay.Unknown, Lost: true},
		"return_code=FAIL (unsigned; any return_msg, e.g. 签名错误)":                                            {Kind: pay.Unknown, Lost: true, Alert: true},
		"return_code=SYSTEMERROR":                                                                           {Kind: pay.Unknown, Lost: true},
		"verified success answer whose amount, currency, merchant or order number differs from the request": {Kind: pay.Unknown, Alert: true},
		"verified answer with an unlisted state":                                                            {Kind: pay.Unknown, Alert: true, Verified: true},
	}
	for condition, answers := range conditions {
		for i := range answers {
			answer = answers[i]
			got := verdict(c.Pay(t.Context(), charge))
			got.Differs = false // TestOnlyAnotherPaymentDiffers
			if diff := cmp.Diff(want[condition], got); diff != "" {
				t.Errorf("pay, %s, %d: %s", condition, i, diff)
			}
			answer = merge(answers[i])
			if answer["raw"] == "" && answer["trade_state"] == "" {
				answer = merge(answers[i], fieldsOf{"trade_state": "SUCCESS"})
			}
			if got := c.Query(t.Context(), order); got.Kind != pay.Unknown {
				t.Errorf("query, %s, %d: %+v", condition, i, got)
			}
		}
	}
}

// TestOnlyAnotherPaymentDiffers separates an answer about another payment from
// one that says too little: the first ends the order as a duplicate number, so
// the second must not look like it.
func TestOnlyAnotherPaymentDiffers(t *testing.T) {
	t.Parallel()
	var change fieldsOf
	c, _ := play(t, SignMD5, func(request) fieldsOf { return merge(common, paid, fieldsOf{"trade_state": "SUCCESS"}, change) })
	for _, one := range []struct {
		change fieldsOf
		want   bool
	}{
		{fieldsOf{"total_fee": "1201"}, true},
		{fieldsOf{"fee_type": "HKD"}, true},
		{fieldsOf{"mch_id": "1900000999"}, true},
		{fieldsOf{"sub_mch_id": "1900000999"}, true},
		{fieldsOf{"trade_state": "REFUND", "total_fee": "1"}, true},
		{fieldsOf{"trade_state": "REVOKED", "total_fee": "1"}, true},
		{fieldsOf{"total_fee": ""}, false},
		{fieldsOf{"total_fee": "12.00"}, false},
		{fieldsOf{"mch_id": ""}, false},
		{fieldsOf{"sub_mch_id": ""}, false},
		{fieldsOf{"appid": "wx0000000000000009"}, false},
		{fieldsOf{"out_trade_no": ""}, false},
		{fieldsOf{"out_trade_no": "GW20260101000009", "total_fee": "1"}, false},
	} {
		change = one.change
		want := pay.Outcome{Kind: pay.Unknown, Alert: true, Differs: one.want}
		if diff := cmp.Diff(want, verdict(c.Query(t.Context(), order))); diff != "" {
			t.Errorf("query, %v: %s", change, diff)
		}
		if change["trade_state"] != "" {
			continue
		}
		if diff := cmp.Diff(want, verdict(c.Pay(t.Context(), charge))); diff != "" {
			t.Errorf("pay, %v: %s", change, diff)
		}
	}
}
