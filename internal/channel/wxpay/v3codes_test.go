package wxpay

import (
	"context"
	"encoding/json"
	"net/http"
	"os"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"cloudpay/internal/channel"
	"cloudpay/internal/pay"
)

// row3 is one line of vectors/upstream-codes-wechat-v3.json.
type row3 struct {
	row
	Status string // of a refund
	HTTP   json.RawMessage
}

type vectorCall3 struct {
	States json.RawMessage // "as refund" for the refund query
	Codes  []row3
}

type vectorFile3 struct {
	Fallback   map[string]string
	Conditions []row3
	Calls      map[string]vectorCall3
}

func readVectors3(t *testing.T) vectorFile3 {
	t.Helper()
	raw, err := os.ReadFile("testdata/upstream-codes-wechat-v3.json")
	if err != nil {
		t.Fatal(err)
	}
	var file vectorFile3
	if err := json.Unmarshal(raw, &file); err != nil {
		t.Fatal(err)
	}
	return file
}

// states are those of a call.
func (f vectorFile3) states(t *testing.T, call string) []row3 {
	t.Helper()
	var list []row3
	if err := json.Unmarshal(f.Calls[call].States, &list); err != nil {
		t.Fatal(err)
	}
	return list
}

// status is the HTTP status that a code comes with, 400 where none is listed.
func (r row3) status() int {
	var one int
	var several []int
	switch {
	case json.Unmarshal(r.HTTP, &one) == nil:
		return one
	case json.Unmarshal(r.HTTP, &several) == nil:
		return several[0]
	}
	return http.StatusBadRequest
}

// calls3 are the calls of the adapter under their names in the shared list.
var calls3 = map[string]func(ctx context.Context, c *Channel) pay.Outcome{
	"codepay": func(ctx context.Context, c *Channel) pay.Outcome { return c.Pay(ctx, charge) },
	"create": func(ctx context.Context, c *Channel) pay.Outcome {
		return c.Prepay(ctx, prepay(pay.TradeScanCode)).Outcome
	},
	"query":        func(ctx context.Context, c *Channel) pay.Outcome { return c.Query(ctx, order) },
	"reverse":      func(ctx context.Context, c *Channel) pay.Outcome { return c.Reverse(ctx, order) },
	"close":        func(ctx context.Context, c *Channel) pay.Outcome { return c.Close(ctx, order) },
	"refund":       func(ctx context.Context, c *Channel) pay.Outcome { return c.Refund(ctx, refund).Outcome },
	"refund_query": func(ctx context.Context, c *Channel) pay.Outcome { return c.QueryRefund(ctx, refund).Outcome },
}

var endpoints3 = map[string]v3call{
	"codepay": v3Pay, "create": v3Prepay, "query": v3Query, "reverse": v3Reverse, "close": v3Close, "refund": v3Refund,
	"refund_query": v3QueryRefund,
}

// rows3 are the codes of a call in the order of matching: its own, the common
// ones, then those of v2 that it falls back to, by normal name.
func rows3(t *testing.T, file vectorFile3, call string) map[string]row3 {
	t.Helper()
	found := map[string]row3{}
	add := func(r row3) {
		if _, ok := found[normal(r.Code)]; !ok {
			found[normal(r.Code)] = r
		}
	}
	for _, r := range file.Calls[call].Codes {
		add(r)
	}
	for _, r := range file.Calls["common"].Codes {
		add(r)
	}
	if v2 := map[string]string{"codepay": "micropay", "reverse": "reverse"}[call]; v2 != "" {
		if !strings.Contains(file.Fallback[call], v2) && !strings.Contains(file.Fallback[call], "codes of reverse there") {
			t.Fatalf("the fallback of %s is %q", call, file.Fallback[call])
		}
		_, of := readVectors(t)
		for _, r := range of(v2).Codes {
			add(row3{row: r})
		}
	}
	return found
}

// want3 is what a row of a call means, with what the contract asks for beyond
// the shared list.
func want3(call string, r row3) pay.Outcome {
	want := r.outcome()
	switch {
	case call == "refund_query" && normal(r.Code) == "RESOURCENOTEXISTS":
		want.Kind = pay.Unknown // channel.Channel: the caller repeats the refund
	case call == "reverse" && (normal(r.Code) == "ORDERNOTEXIST" || normal(r.Code) == "RESOURCENOTEXISTS"):
		want.Reason = pay.ReasonNotFound // money.md §3 row 11 is decided by it
	}
	return want
}

// TestV3CodesFollowTheSharedList refuses every call with every listed code, in
// its spelling and without underscores, and compares the outcome with the list;
// then it looks for lines of ours that the list does not have.
func TestV3CodesFollowTheSharedList(t *testing.T) {
	t.Parallel()
	file := readVectors3(t)
	for name, do := range calls3 {
		rows := rows3(t, file, name)
		var code string
		var status int
		c, _ := play3(t, func(request3) answer3 {
			return answer3{status: status, body: object{"code": code, "message": "原因"}.json()}
		})
		for _, r := range rows {
			status = r.status()
			if status < 400 {
				continue // USERPAYING with 202: TestV3ConditionsFollowTheSharedList
			}
			for _, code = range []string{r.Code, normal(r.Code)} {
				got := do(t.Context(), c)
				if diff := cmp.Diff(want3(name, r), verdict(got)); diff != "" {
					t.Errorf("%s %s: %s", name, code, diff)
				}
				if got.Code != code || got.Text != "原因" {
					t.Errorf("%s %s: code %q, text %q", name, code, got.Code, got.Text)
				}
			}
		}
		for plain, r := range endpoints3[name].codes {
			if _, ok := rows[plain]; !ok {
				t.Errorf("%s: %s is not in the shared list", name, r.Code)
			}
		}
		if len(rows) != len(endpoints3[name].codes) || len(rows) == 0 {
			t.Errorf("%s: the list has %d codes, ours %d", name, len(rows), len(endpoints3[name].codes))
		}
		status = http.StatusBadRequest
		for _, code = range []string{"A_CODE_OF_LATER", "userpaying", " SYSTEM_ERROR"} {
			if diff := cmp.Diff(pay.Outcome{Kind: pay.Unknown, Alert: true}, verdict(do(t.Context(), c))); diff != "" {
				t.Errorf("%s with unlisted code %q: %s", name, code, diff)
			}
		}
	}
}

func TestV3OrderStatesFollowTheSharedList(t *testing.T) {
	t.Parallel()
	var o object
	c, _ := play3(t, func(request3) answer3 { return answer3{body: o.json()} })
	listed := map[string]bool{}
	for _, r := range readVectors3(t).states(t, "query") {
		listed[r.TradeState] = true
		o = unpaid3(r.TradeState)
		if r.Class == channel.ClassPaid {
			o = with(paid3, object{"trade_state": r.TradeState, "trade_state_desc": "说明"})
		}
		for name, got := range map[string]pay.Outcome{"query": c.Query(t.Context(), order), "codepay": c.Pay(t.Context(), charge)} {
			if diff := cmp.Diff(r.outcome(), verdict(got)); diff != "" || got.Code != r.TradeState || got.Text != "说明" {
				t.Errorf("%s, %s: code %q, text %q, %s", name, r.TradeState, got.Code, got.Text, diff)
			}
		}
	}
	for _, r := range queryStates {
		if !listed[r.Code] {
			t.Errorf("state %s is not in the shared list", r.Code)
		}
	}
	o = with(paid3, object{"trade_state": "A_STATE_OF_LATER"})
	if diff := cmp.Diff(pay.Outcome{Kind: pay.Unknown, Alert: true, Verified: true}, verdict(c.Query(t.Context(), order))); diff != "" {
		t.Errorf("unlisted state: %s", diff)
	}
}

func TestV3RefundStatesFollowTheSharedList(t *testing.T) {
	t.Parallel()
	var state string
	c, _ := play3(t, func(request3) answer3 { return answer3{body: with(refunded3, object{"status": state}).json()} })
	listed := map[string]bool{}
	for _, r := range readVectors3(t).states(t, "refund") {
		listed[r.Status] = true
		state = r.Status
		for name, got := range map[string]channel.RefundOutcome{"query": c.QueryRefund(t.Context(), refund), "refund": c.Refund(t.Context(), refund)} {
			if diff := cmp.Diff(r.outcome(), verdict(got.Outcome)); diff != "" || got.Code != state || got.ByHand != (state == "ABNORMAL") {
				t.Errorf("%s, %s: code %q, by hand %v, %s", name, state, got.Code, got.ByHand, diff)
			}
		}
	}
	for _, r := range v3RefundStates {
		if !listed[r.Code] {
			t.Errorf("state %s is not in the shared list", r.Code)
		}
	}
	state = "A_STATE_OF_LATER"
	if diff := cmp.Diff(pay.Outcome{Kind: pay.Unknown, Alert: true, Verified: true}, verdict(c.QueryRefund(t.Context(), refund).Outcome)); diff != "" {
		t.Errorf("unlisted state: %s", diff)
	}
}

// condition3 plays one condition of the shared list on code pay.
type condition3 struct {
	answers []answer3
	want    pay.Outcome
}

func conditions3() map[string]condition3 {
	paid := paid3.json()
	spoil := func(name, value string) func(h http.Header) {
		return func(h http.Header) {
			if h.Del(name); value != "" {
				h.Set(name, value)
			}
		}
	}
	lost := pay.Outcome{Kind: pay.Unknown, Lost: true}
	differing := []answer3{}
	for _, change := range []object{
		{"amount": object{"total": 1201, "currency": "CNY"}},
		{"amount": object{"currency": "CNY"}},
		{"amount": nil},
		{"amount": object{"total": 0}},
		{"amount": object{"total": -1200}},
		{"amount": object{"total": 1200, "currency": "HKD"}},
		{"sp_mchid": "1900000999"},
		{"sp_mchid": nil},
		{"sub_mchid": "1900000999"},
		{"sub_mchid": nil},
		{"out_trade_no": "GW20260101000009"},
		{"out_trade_no": nil},
	} {
		differing = append(differing, answer3{body: with(paid3, change).json()})
	}
	return map[string]condition3{
		"2xx without the Wechatpay-* headers, with unknown serial, bad signature or timestamp 300 s or more off (downloads excepted)": {[]answer3{
			{body: paid, unsigned: true},
			{body: paid, change: spoil(headerSerial, "")},
			{body: paid, change: spoil(headerNonce, "")},
			{body: paid, change: spoil(headerTimestamp, "")},
			{body: paid, change: spoil(headerSignature, "")},
			{body: paid, change: spoil(headerSerial, "5157F00000000000000000000000000000000009")},
			{body: paid, change: spoil(headerSerial, pairs()[4].serial)},
			{body: paid, change: spoil(headerSerial, testPublicID)},
			{body: paid, change: spoil(headerNonce, "EcHVwXhBqfKmSWwX")},
			{body: paid, change: spoil(headerSignature, "bm90IGEgc2lnbmF0dXJl")},
			{body: paid, change: spoil(headerSignature, "*")},
			{body: paid, change: spoil(headerSignature, "WECHATPAY/SIGNTEST/bm90IGEgc2lnbmF0dXJl")},
			{body: paid, change: spoil(headerType, "WECHATPAY2-SM2-WITH-SM3")},
			{body: paid, change: func(h http.Header) { h.Add(headerSerial, "1") }},
			{body: paid, change: stale(-window)},
			{body: paid, change: stale(window)},
			{status: http.StatusAccepted, body: `{"trade_state":"USERPAYING"}`, unsigned: true},
			{status: http.StatusNoContent, unsigned: true},
		}, lost},
		"HTTP 202": {[]answer3{
			{status: http.StatusAccepted, body: `{"trade_state":"USERPAYING"}`},
			{status: http.StatusAccepted, body: `{"code":"USERPAYING","message":"需要用户输入支付密码"}`},
			{status: http.StatusAccepted},
		}, pay.Outcome{Kind: pay.Waiting, Verified: true}},
		"HTTP 404 or 405 with empty body": {[]answer3{
			{status: http.StatusNotFound}, {status: http.StatusMethodNotAllowed},
		}, pay.Outcome{Kind: pay.Unknown, Lost: true, Alert: true}},
		"body is not JSON or has no code": {[]answer3{
			{status: http.StatusBadGateway, body: "<html>502</html>"},
			{status: http.StatusInternalServerError},
			{status: http.StatusInternalServerError, body: `{"message":"x"}`},
			{status: http.StatusBadRequest, body: `{"code":"NOT_ENO`},
			{status: http.StatusBadRequest, body: `{"code":5}`},
			{status: http.StatusFound, body: `{"code":"NOT_ENOUGH"}`},
			{body: paid[:len(paid)-9]},
			{body: "[]"},
			{body: `{"amount":{"total":12.5}}`},
			{body: `{"amount":{"total":"1200"}}`},
			{},
		}, lost},
		"verified success answer whose amount, currency, merchant or order number differs from the request": {
			differing, pay.Outcome{Kind: pay.Unknown, Alert: true},
		},
		"verified answer with an unlisted state": {[]answer3{
			{body: with(paid3, object{"trade_state": "MAYBE"}).json()},
			{body: with(paid3, object{"trade_state": nil}).json()},
			{body: with(paid3, object{"trade_state": "success"}).json()},
		}, pay.Outcome{Kind: pay.Unknown, Alert: true, Verified: true}},
	}
}

// elsewhere3 are conditions that other tests play.
var elsewhere3 = map[string]string{
	"transport error or timeout":                                     "TestLostCallsOfV3AreUnknown",
	"verified 200 on code pay with a trade_state other than SUCCESS": "TestV3OrderStatesFollowTheSharedList",
}

func TestV3ConditionsFollowTheSharedList(t *testing.T) {
	t.Parallel()
	played := conditions3()
	for _, r := range readVectors3(t).Conditions {
		if len(played[r.Condition].answers) == 0 && elsewhere3[r.Condition] == "" {
			t.Errorf("nothing plays the condition %q", r.Condition)
		}
		if p, ok := played[r.Condition]; ok && p.want.Kind != (channel.Rule{Class: r.Class}).Outcome().Kind {
			t.Errorf("%q is played as %s, the list says %s", r.Condition, p.want.Kind, r.Class)
		}
	}
	var answer answer3
	c, w := play3(t, func(request3) answer3 { return answer })
	for condition, p := range played {
		for i := range p.answers {
			answer = p.answers[i]
			got := verdict(c.Pay(t.Context(), charge))
			got.Differs = false // TestOnlyAnotherPaymentDiffersInV3
			if diff := cmp.Diff(p.want, got); diff != "" {
				t.Errorf("codepay, %s, %d: %s", condition, i, diff)
			}
			for name, do := range calls3 {
				if out := do(t.Context(), c); out.Kind == pay.Paid && (answer.unsigned || answer.change != nil || answer.status >= 300) {
					t.Errorf("%s, %s, %d: %+v", name, condition, i, out)
				}
			}
			w.advance(time20s) // so that unknown serials may be looked for
		}
	}
}

// TestAcceptedIsNoStateOfAnOrder: 202 asks for the same request again, except of
// code pay; a query that is answered so says nothing of the money.
func TestAcceptedIsNoStateOfAnOrder(t *testing.T) {
	t.Parallel()
	c, _ := play3(t, func(request3) answer3 { return answer3{status: http.StatusAccepted, body: `{}`} })
	for name, do := range calls3 {
		want := pay.Outcome{Kind: pay.Waiting, Verified: true}
		if name == "query" || name == "refund_query" {
			want = pay.Outcome{Kind: pay.Unknown, Next: pay.NextRetrySame, Verified: true}
		}
		if diff := cmp.Diff(want, verdict(do(t.Context(), c))); diff != "" {
			t.Errorf("%s: %s", name, diff)
		}
	}
}

func TestOnlyAnotherPaymentDiffersInV3(t *testing.T) {
	t.Parallel()
	var o object
	c, _ := play3(t, func(request3) answer3 { return answer3{body: o.json()} })
	for _, one := range []struct {
		change object
		want   bool
	}{
		{object{"amount": object{"total": 1201, "currency": "CNY"}}, true},
		{object{"amount": object{"total": 1200, "currency": "HKD"}}, true},
		{object{"sp_mchid": "1900000999"}, true},
		{object{"sub_mchid": "1900000999"}, true},
		{object{"trade_state": "REFUND", "amount": object{"total": 1}}, true},
		{object{"trade_state": "REVOKED", "amount": object{"total": 1}}, true},
		{object{"amount": nil}, false},
		{object{"amount": object{"total": 0}}, false},
		{object{"sp_mchid": nil}, false},
		{object{"sub_mchid": nil}, false},
		{object{"out_trade_no": nil}, false},
		{object{"out_trade_no": "GW20260101000009", "amount": object{"total": 1}}, false},
	} {
		o = with(paid3, one.change)
		want := pay.Outcome{Kind: pay.Unknown, Alert: true, Differs: one.want}
		if diff := cmp.Diff(want, verdict(c.Query(t.Context(), order))); diff != "" {
			t.Errorf("query, %v: %s", one.change, diff)
		}
	}
}
