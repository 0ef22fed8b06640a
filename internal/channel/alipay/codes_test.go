package alipay

import (
	"context"
	"encoding/json"
	"os"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"cloudpay/internal/channel"
	"cloudpay/internal/pay"
)

// row is one line of vectors/upstream-codes-alipay.json.
type row struct {
	Code         string
	TradeStatus  string `json:"trade_status"`
	Condition    string
	Class        channel.Class
	Reason       pay.Reason
	NeverReverse bool `json:"never_reverse"`
	Alert        bool
}

type vectorCall struct {
	Conditions []row
	States     []row
	SubCodes   []row `json:"sub_codes"`
}

type vectorFile struct {
	Conditions []row
	TopLevel   []row `json:"top_level"`
	Calls      map[string]json.RawMessage
}

func readVectors(t *testing.T) (file vectorFile, call func(method string) vectorCall) {
	t.Helper()
	raw, err := os.ReadFile("testdata/upstream-codes-alipay.json")
	if err != nil {
		t.Fatal(err)
	}
	if err := json.Unmarshal(raw, &file); err != nil {
		t.Fatal(err)
	}
	return file, func(method string) vectorCall {
		var c vectorCall
		raw := file.Calls[method]
		if strings.Contains(string(raw), `"as alipay.trade.pay"`) {
			raw = file.Calls["alipay.trade.pay"]
		}
		if err := json.Unmarshal(raw, &c); err != nil {
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

// calls are the calls of the adapter.
var calls = []struct {
	call
	do func(ctx context.Context, c *Channel) pay.Outcome
}{
	{callPay, func(ctx context.Context, c *Channel) pay.Outcome { return c.Pay(ctx, charge) }},
	{callPrecreate, func(ctx context.Context, c *Channel) pay.Outcome {
		return c.Prepay(ctx, prepay(pay.TradeScanCode)).Outcome
	}},
	{callCreate, func(ctx context.Context, c *Channel) pay.Outcome {
		return c.Prepay(ctx, prepay(pay.TradeOfficialAccount)).Outcome
	}},
	{callQuery, func(ctx context.Context, c *Channel) pay.Outcome { return c.Query(ctx, order) }},
	{callCancel, func(ctx context.Context, c *Channel) pay.Outcome { return c.Reverse(ctx, order) }},
	{callClose, func(ctx context.Context, c *Channel) pay.Outcome { return c.Close(ctx, order) }},
	{callRefund, func(ctx context.Context, c *Channel) pay.Outcome { return c.Refund(ctx, refund).Outcome }},
	{callQueryRefund, func(ctx context.Context, c *Channel) pay.Outcome { return c.QueryRefund(ctx, refund).Outcome }},
}

var unlisted = pay.Outcome{Kind: pay.Unknown, Alert: true, Verified: true}

// TestSubCodesFollowTheSharedList answers every call with every listed
// sub_code, in each of its spellings, and compares the outcome with the list;
// then it looks for lines of ours that the list does not have.
func TestSubCodesFollowTheSharedList(t *testing.T) {
	t.Parallel()
	_, call := readVectors(t)
	var code string
	c, _ := play(t, func(request) fieldsOf {
		return fieldsOf{"code": "40004", "msg": "Business Failed", "sub_code": code, "sub_msg": "原因"}
	})
	for _, one := range calls {
		listed := map[string]bool{}
		for _, r := range call(one.method).SubCodes {
			listed[r.Code] = true
			plain := strings.ReplaceAll(r.Code, "*", "INDIRECT_LIMIT")
			for _, code = range []string{plain, "aop." + plain, strings.Replace(plain, "ACQ.", "AQC.", 1)} {
				got := one.do(t.Context(), c)
				if diff := cmp.Diff(r.outcome(), verdict(got)); diff != "" || got.Code != code || got.Text != "原因" {
					t.Errorf("%s %s: code %q, text %q, %s", one.method, code, got.Code, got.Text, diff)
				}
			}
		}
		if len(listed) == 0 {
			t.Errorf("%s: the list has no codes", one.method)
		}
		for _, r := range one.codes {
			if !listed[r.Code] {
				t.Errorf("%s: %s is not in the shared list", one.method, r.Code)
			}
		}
		for _, code = range []string{"ACQ.A_CODE_OF_LATER", "", "acq.system_error", "SYSTEM_ERROR", "isv.ACQ.SYSTEM_ERROR"} {
			if diff := cmp.Diff(unlisted, verdict(one.do(t.Context(), c))); diff != "" {
				t.Errorf("%s with unlisted sub_code %q: %s", one.method, code, diff)
			}
		}
	}
}

// TestTopLevelCodesFollowTheSharedList does the same for the code member. Two
// readings are ours: a question that was refused says nothing of what was
// asked about, so it is Unknown for the operator instead of Declined; and
// 10003 means something to a payment and a query only.
func TestTopLevelCodesFollowTheSharedList(t *testing.T) {
	t.Parallel()
	file, _ := readVectors(t)
	var code string
	c, _ := play(t, func(request) fieldsOf {
		return fieldsOf{"code": code, "msg": "信息", "sub_code": "isv.some-reason", "sub_msg": ""}
	})
	listed := map[string]bool{}
	for _, r := range file.TopLevel {
		listed[r.Code] = true
		if r.Code == codeSuccess {
			continue // decided by the call: TestOrderStatesFollowTheSharedList and others
		}
		code = r.Code
		for _, one := range calls {
			want := r.outcome()
			switch {
			case r.Code == codeBusiness:
				want = unlisted // isv.some-reason is in no call's table
			case r.Code == codeWaiting && !one.waits:
				want = unlisted
			case r.Class == channel.ClassDeclined && (one.method == callQuery.method || one.method == callQueryRefund.method):
				want.Kind, want.Next = pay.Unknown, pay.NextOperator
			}
			got := one.do(t.Context(), c)
			if diff := cmp.Diff(want, verdict(got)); diff != "" || got.Code != "isv.some-reason" || got.Text != "信息" {
				t.Errorf("%s %s: code %q, text %q, %s", one.method, code, got.Code, got.Text, diff)
			}
		}
	}
	for _, r := range topLevel {
		if !listed[r.Code] {
			t.Errorf("%s is not in the shared list", r.Code)
		}
	}
	for _, code = range []string{"30000", "", "1e4"} {
		for _, one := range calls {
			if diff := cmp.Diff(unlisted, verdict(one.do(t.Context(), c))); diff != "" {
				t.Errorf("%s with unlisted code %q: %s", one.method, code, diff)
			}
		}
	}
}

func TestOrderStatesFollowTheSharedList(t *testing.T) {
	t.Parallel()
	_, call := readVectors(t)
	var state string
	var of fieldsOf
	c, _ := play(t, func(request) fieldsOf {
		return merge(success, fieldsOf{"out_trade_no": testOrder}, of, fieldsOf{"trade_status": state})
	})
	listed := map[string]bool{}
	for _, r := range call(callQuery.method).States {
		listed[r.TradeStatus] = true
		state, of = r.TradeStatus, nil
		if r.Class == channel.ClassPaid {
			of = paid
		}
		got := c.Query(t.Context(), order)
		if diff := cmp.Diff(r.outcome(), verdict(got)); diff != "" || got.Code != state {
			t.Errorf("%s: code %q, %s", state, got.Code, diff)
		}
	}
	for _, r := range tradeStates {
		if !listed[r.Code] {
			t.Errorf("state %s is not in the shared list", r.Code)
		}
	}
	of = paid
	for _, state = range []string{"TRADE_PENDING", ""} {
		if diff := cmp.Diff(unlisted, verdict(c.Query(t.Context(), order))); diff != "" {
			t.Errorf("unlisted state %q: %s", state, diff)
		}
	}
}

// conditions plays each general condition of the shared list that needs no
// other server, with the outcome of a payment.
var conditions = map[string]struct {
	want    pay.Outcome
	answers []fieldsOf
}{
	"transport error, timeout, HTTP status other than 200, body not JSON": { // the rest is in TestLostCallsAreUnknown
		pay.Outcome{Kind: pay.Unknown, Lost: true},
		[]fieldsOf{{":raw": ""}, {":raw": "<html>"}, {":raw": `{"alipay_trade_pay_response":{"code":"100`}, {":raw": `{"alipay_trade_pay_response":"x"}`}},
	},
	"sign wrong, or missing on any answer other than code 40001/40002": {
		pay.Outcome{Kind: pay.Unknown, Lost: true},
		[]fieldsOf{
			merge(success, paid, fieldsOf{":unsigned": true}),
			merge(success, paid, fieldsOf{":sign": ""}),
			merge(success, paid, fieldsOf{":sign": "bm90IGEgc2lnbmF0dXJl"}),
			merge(success, paid, fieldsOf{":sign": "***"}),
			{"code": "10003", ":unsigned": true},
			{"code": "20000", ":unsigned": true},
			{"code": "40004", "sub_code": "ACQ.TRADE_HAS_CLOSE", ":unsigned": true},
			{"code": "40003", "sub_code": "isv.insufficient-isv-permissions", ":unsigned": true, ":error": true},
			{"code": "40002", "sub_code": "isv.invalid-signature", ":sign": "bm90IGEgc2lnbmF0dXJl"},
			{"code": "40002", "sub_code": "isv.invalid-signature", ":sign": "bm90IGEgc2lnbmF0dXJl", ":error": true},
		},
	},
	"sign missing on code 40001/40002 (gateway refusal before the app is known, e.g. isv.invalid-app-id), also under error_response": {
		pay.Outcome{Kind: pay.Declined, Reason: pay.ReasonConfiguration, Alert: true},
		[]fieldsOf{
			{"code": "40001", "sub_code": "isv.missing-method", ":unsigned": true},
			{"code": "40002", "sub_code": "isv.invalid-app-id", ":unsigned": true},
			{"code": "40002", "sub_code": "isv.invalid-app-id", ":unsigned": true, ":error": true},
		},
	},
	"verified success answer whose amount, currency, merchant or order number differs from the request": {
		pay.Outcome{Kind: pay.Unknown, Alert: true},
		[]fieldsOf{
			merge(success, paid, fieldsOf{"total_amount": "12.01"}),
			merge(success, paid, fieldsOf{"total_amount": "0.12e2"}),
			merge(success, paid, fieldsOf{"total_amount": ""}),
			merge(success, paid, fieldsOf{"trans_currency": "HKD"}),
			merge(success, paid, fieldsOf{"seller_id": "2088000000000009"}),
			merge(success, paid, fieldsOf{"out_trade_no": "GW20260101000009"}),
			merge(success, paid, fieldsOf{"out_trade_no": ""}),
		},
	},
	"verified answer with an unlisted state": {unlisted, []fieldsOf{{"code": "10001", "out_trade_no": testOrder}}},
}

func TestConditionsFollowTheSharedList(t *testing.T) {
	t.Parallel()
	file, _ := readVectors(t)
	for _, r := range file.Conditions {
		if len(conditions[r.Condition].answers) == 0 {
			t.Errorf("nothing plays the condition %q", r.Condition)
		}
	}
	var answer fieldsOf
	c, _ := play(t, func(request) fieldsOf { return answer })
	for name, condition := range conditions {
		for i := range condition.answers {
			answer = condition.answers[i]
			got := verdict(c.Pay(t.Context(), charge))
			got.Differs = false // TestOnlyAnotherPaymentDiffers
			if diff := cmp.Diff(condition.want, got); diff != "" {
				t.Errorf("pay, %s, %d: %s", name, i, diff)
			}
			answer = merge(answer, fieldsOf{"trade_status": "TRADE_SUCCESS"})
			if got := c.Query(t.Context(), order); got.Kind != pay.Unknown {
				t.Errorf("query, %s, %d: %+v", name, i, got)
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
	c, _ := play(t, func(request) fieldsOf { return merge(success, paid, fieldsOf{"trade_status": "TRADE_SUCCESS"}, change) })
	for _, one := range []struct {
		change fieldsOf
		want   bool
	}{
		{fieldsOf{"total_amount": "12.01"}, true},
		{fieldsOf{"trans_currency": "HKD"}, true},
		{fieldsOf{"trade_status": "TRADE_FINISHED", "total_amount": "0.01"}, true},
		{fieldsOf{"trade_status": "TRADE_CLOSED", "total_amount": "0.01"}, true},
		{fieldsOf{"total_amount": ""}, false},
		{fieldsOf{"total_amount": "12.000"}, false},
		{fieldsOf{"seller_id": "2088000000000009"}, false}, // more likely our directory is wrong
		{fieldsOf{"out_trade_no": ""}, false},
		{fieldsOf{"out_trade_no": "GW20260101000009", "total_amount": "0.01"}, false},
	} {
		change = one.change
		want := pay.Outcome{Kind: pay.Unknown, Alert: true, Differs: one.want}
		if diff := cmp.Diff(want, verdict(c.Query(t.Context(), order))); diff != "" {
			t.Errorf("query, %v: %s", change, diff)
		}
		if change["trade_status"] != nil {
			continue
		}
		if diff := cmp.Diff(want, verdict(c.Pay(t.Context(), charge))); diff != "" {
			t.Errorf("pay, %v: %s", change, diff)
		}
	}
}
