package manage_test

import (
	"encoding/json"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"testing"
)

// row says how one operation is tested.
type row struct {
	who  string // whose token does it: "operator" without it
	path string // the path with real ids, "" to fill in the usual ones
	body string
	// bad is a body, or a path with query that begins with /, that is refused
	// with 4xx; the problem names field. "" for operations without input.
	bad, field string
	// wrong is a role that may not do it at all (403); "" when every role may.
	wrong string
	// foreign is a token of another tenant that gets 404; "" when the operation is about
	// nobody's things, or answers others with their own.
	foreign string
	// before makes what the operation needs and returns path and body.
	before func(t *testing.T, h *house) (path, body string)
	// want is a part of the answer.
	want string
}

var usual = strings.NewReplacer(
	"{out_mch_id}", providerA, "{out_sub_mch_id}", merchantA, "{out_shop_id}", shopA, "{device_id}", "till",
	"{staff_id}", "1001", "{admin_id}", "boss2", "{sub_provider_id}", "sub1", "{channel}", "wxpay", "{member_id}", "member-a2",
)

// rows has one row for every operation of the document.
func rows() map[string]row {
	return map[string]row{
		"add-provider":   {body: `{"out_mch_id":"new1","name":"新"}`, bad: `{"name":5}`, field: "body.name", wrong: "provider", want: `"out_mch_id":"new1"`},
		"list-providers": {bad: "/v1/providers?limit=0", field: "query.limit", wrong: "boss", want: providerB},
		"get-provider":   {who: "provider", wrong: "boss", foreign: "stranger", want: providerA},
		"set-provider": {
			who: "provider", body: `{"notify_url":"https://a.example/x"}`, bad: `{"notify_url":"ftp://x"}`, field: "notify_url",
			wrong: "ops", foreign: "stranger", want: `"notify_url":"https://a.example/x"`,
		},
		"add-sub-provider": {
			who: "provider", body: `{"sub_provider_id":"sub2","name":"代理"}`, bad: `{"name":"x","rebate":-1}`, field: "body.rebate",
			wrong: "agent", foreign: "stranger", want: "sub2",
		},
		"list-sub-providers":  {who: "provider", wrong: "agent", foreign: "stranger", want: "sub1"},
		"set-sub-provider":    {who: "provider", body: `{"remark":"x"}`, bad: `{"remark":1}`, field: "body.remark", wrong: "agent", foreign: "stranger", want: `"name":"agent"`},
		"delete-sub-provider": {who: "provider", wrong: "agent", foreign: "stranger"},
		"list-accounts":       {who: "provider", wrong: "boss", foreign: "stranger", want: "mch_id"},
		"get-account":         {who: "provider", bad: "/v1/providers/" + providerA + "/accounts/cash", field: "path.channel", wrong: "boss", foreign: "stranger", want: "mch_id"},
		"list-channels":       {who: "provider", bad: "/v1/channels?out_mch_id=" + strings.Repeat("x", 33), field: "query.out_mch_id", wrong: "boss", want: `"role":"ours"`},
		"rehearse-account": {
			who: "provider", body: `{}`, bad: `{"wxpay":{"mch_id":5}}`, field: "body.wxpay.mch_id", wrong: "boss", foreign: "stranger", want: `"passed":true`,
		},
		"set-account": {
			who: "provider", path: "/v1/providers/" + providerA + "/accounts/wxpay?skip_rehearsal=true", body: `{"wxpay":{"mch_id":"1","app_id":"wx2","api_key":"0123456789abcdef0123456789abcdef"}}`,
			bad: `{"wxpay":{"mch_id":"1","app_id":"wx2","api_key":"k","sign_type":"ROT13"}}`, field: "sign_type",
			wrong: "boss", foreign: "stranger", want: `"mch_id":"1"`,
		},
		"add-merchant": {
			who: "provider", body: `{"out_mch_id":"` + providerA + `","company_name":"新店","out_sub_mch_id":"newm"}`,
			bad: `{"out_mch_id":"` + providerA + `","company_name":"新店","profile":{"bank_rate_ppm":"x"}}`, field: "bank_rate_ppm",
			wrong: "boss", foreign: "stranger", want: `"authen_key":"`,
		},
		"list-merchants": {who: "provider", bad: "/v1/merchants?limit=999", field: "query.limit", wrong: "vendor", want: merchantA},
		"get-merchant":   {who: "finance", wrong: "vendor", foreign: "stranger", want: "面包店"},
		"set-merchant": {
			who: "provider", body: `{"profile":{"phone":"123"}}`, bad: `{"profile":{"phone":7}}`, field: "body.profile.phone",
			wrong: "boss", foreign: "stranger", want: "面包店",
		},
		"delete-merchant": {who: "provider", wrong: "boss", foreign: "stranger"},
		"list-keys":       {who: "boss", wrong: "vendor", foreign: "stranger", want: `"fingerprint":"`},
		"rotate-keys": {
			who: "provider", body: `{"new_authen_key":true,"grace_minutes":10}`, bad: `{"authen_key":"short"}`, field: "authen_key",
			wrong: "boss", foreign: "stranger", want: `"authen_key":"`,
		},
		"end-grace":     {who: "provider", wrong: "boss", foreign: "stranger", want: `"keys"`},
		"list-prefixes": {who: "boss", wrong: "vendor", foreign: "stranger", want: prefixA},
		"add-prefix":    {who: "provider", body: `{"kind":"letters"}`, bad: `{"kind":"runes"}`, field: "body.kind", wrong: "boss", foreign: "stranger", want: "letters"},
		"add-admin":     {who: "boss", body: `{"admin_id":"n","name":"新"}`, bad: `{"name":1}`, field: "body.name", wrong: "manager", foreign: "stranger", want: `"admin_id":"n"`},
		"list-admins":   {who: "boss", wrong: "vendor", foreign: "stranger", want: "老板"},
		"set-admin":     {who: "boss", body: `{"phone":"1"}`, bad: `{"phone":1}`, field: "body.phone", wrong: "manager", foreign: "stranger", want: "老板娘"},
		"delete-admin":  {who: "boss", wrong: "manager", foreign: "stranger"},
		"add-shop": {
			who: "boss", body: `{"shop_name":"二店","profile":{"city":"深圳"}}`, bad: `{"shop_name":"二店","profile":{"fee_type":"USD"}}`, field: "fee_type",
			wrong: "manager", foreign: "stranger", want: "深圳",
		},
		"list-shops":         {who: "manager", wrong: "vendor", foreign: "stranger", want: shopA},
		"get-shop":           {who: "cashier", wrong: "vendor", foreign: "stranger", want: "一店"},
		"set-shop":           {who: "boss", body: `{"profile":{"phone":"1"}}`, bad: `{"shop_name":1}`, field: "body.shop_name", wrong: "manager", foreign: "stranger", want: "一店"},
		"delete-shop":        {who: "boss", wrong: "manager", foreign: "stranger"},
		"add-device":         {who: "manager", body: `{"device_id":"t2","device_type":3}`, bad: `{"device_id":"t2","device_type":9}`, field: "body.device_type", wrong: "cashier", foreign: "stranger", want: "t2"},
		"list-devices":       {who: "manager", wrong: "vendor", foreign: "stranger", want: "till"},
		"set-device":         {who: "manager", body: `{"remark":"x"}`, bad: `{"remark":1}`, field: "body.remark", wrong: "cashier", foreign: "stranger", want: "一号"},
		"delete-device":      {who: "manager", wrong: "cashier", foreign: "stranger"},
		"unbind-device":      {who: "boss", wrong: "manager", foreign: "stranger", want: "unbound"},
		"add-staff":          {who: "manager", body: `{"staff_id":"9","staff_name":"新"}`, bad: `{"staff_id":"9!","staff_name":"新"}`, field: "staff_id", wrong: "cashier", foreign: "stranger", want: `"staff_id":"9"`},
		"list-staff":         {who: "cashier", wrong: "vendor", foreign: "stranger", want: "小李"},
		"set-staff":          {who: "manager", body: `{"profile":{"duty":"早班"}}`, bad: `{"staff_name":1}`, field: "body.staff_name", wrong: "cashier", foreign: "stranger", want: "小李"},
		"delete-staff":       {who: "manager", wrong: "cashier", foreign: "stranger"},
		"set-pin":            {who: "manager", body: `{"pin":"274951"}`, bad: `{"pin":"1"}`, field: "pin", wrong: "cashier", foreign: "stranger", want: `"has_pin":true`},
		"make-ticket":        {who: "boss", body: `{"staff_id":"1001"}`, bad: `{"staff_id":5}`, field: "body.staff_id", wrong: "provider", foreign: "foreign boss", want: `"si":"`},
		"import-init-keys":   {body: `{"lines":"SN1 ` + strings.Repeat("A", 32) + `"}`, bad: `{"lines":"SN1"}`, field: "sn_init_key", wrong: "provider", want: `"added":1`},
		"grant-binding":      grantBinding(),
		"grant-client":       grantClient(),
		"get-order":          paid("", row{who: "boss", wrong: "vendor", foreign: "stranger", want: `"what":"paid"`}),
		"explain-order":      explained(),
		"query-order":        paid("/query", row{who: "manager", wrong: "vendor", foreign: "stranger", want: `"state":"PAID"`}),
		"reverse-order":      reversed(),
		"close-order":        closed(),
		"list-order-refunds": paid("/refunds", row{who: "finance", wrong: "vendor", foreign: "stranger", want: `"items":[]`}),
		"refund-order":       refunded(),
		"list-callbacks":     {who: "boss", bad: "/v1/merchants/" + merchantA + "/callbacks?limit=0", field: "query.limit", wrong: "manager", foreign: "stranger", want: `"items":[`},
		"resend-callback":    resent(),
		"list-callback-attempts": {
			who: "boss", bad: callbacksA + "/attempts?from=x", field: "query.from", wrong: "manager", foreign: "stranger", want: `"items":[`,
		},
		"get-callback-attempt":    attemptRow(),
		"resend-callbacks":        resentSent(),
		"ping-callback":           pinged(),
		"list-callback-endpoints": {who: "ops", wrong: "provider", want: `"items":[`},
		"list-attention":          wanting("", row{who: "ops", bad: "/v1/attention?limit=0", field: "query.limit", wrong: "provider", want: "the reason"}),
		"end-attention":           wanting("/attention/end", row{who: "boss", body: `{"why":"seen to"}`, bad: `{"why":""}`, field: "body.why", wrong: "weak boss", foreign: "foreign boss"}),
		"decide-late":             lateRow(),
		"decide-refund":           byHandRow(),
		"list-recon-days":         {who: "finance", bad: "/v1/merchants/" + merchantA + "/recon/days?limit=0", field: "query.limit", wrong: "manager", foreign: "stranger", want: `"items":[`},
		"run-recon":               reconciled(),
		"list-differences":        {who: "boss", bad: "/v1/merchants/" + merchantA + "/recon/differences?state=odd", field: "query.state", wrong: "manager", foreign: "stranger", want: `"items":[`},
		"repair-difference":       differing(),
		"total-differences":       {who: "finance", bad: "/v1/merchants/" + merchantA + "/recon/differences/totals?type=odd", field: "query.type", wrong: "manager", foreign: "stranger", want: `"count":0`},
		"export-recon":            closedDay("export?from=DATE&to=DATE", row{who: "boss", wrong: "ops", foreign: "stranger", bad: "/v1/merchants/" + merchantA + "/recon/export?from=2026-11-25&to=2026-11-24", field: "query.to", want: ",payment," + prefixA + "d1,"}),
		"list-unclaimed":          {who: "provider", bad: "/v1/providers/" + providerA + "/recon/unclaimed?state=odd", field: "query.state", wrong: "boss", foreign: "stranger", want: `"items":[`},
		"explain-unclaimed":       unclaimed(),
		"list-closed-days":        closedDay("?limit=5", row{who: "finance", wrong: "manager", foreign: "stranger", bad: daysA + "?from=soon", field: "query.from", want: `"number":1`}),
		"export-closed-days":      closedDay("/export", row{who: "boss", wrong: "manager", foreign: "stranger", bad: daysA + "/export?from=soon", field: "query.from", want: `{"day":{"form":"cloudpay.day.1"`}),
		"get-closed-day":          closedDay("/DATE", row{who: "provider", wrong: "cashier", foreign: "foreign boss", bad: daysA + "/soon", field: "path.date", want: `"signature":"`}),
		"list-day-differences":    closedDay("/DATE/differences", row{who: "ops", wrong: "agent", foreign: "stranger", bad: daysA + "/2026-11-20/differences?limit=0", field: "query.limit", want: `"items":[`}),
		"list-day-adjustments":    closedDay("/DATE/adjustments", row{who: "boss", wrong: "vendor", foreign: "stranger", bad: daysA + "/2026-11-20/adjustments?after=-1", field: "query.after", want: `"items":[]`}),
		"export-statement":        closedDay("/DATE/statement", row{who: "finance", wrong: "manager", foreign: "stranger", bad: daysA + "/2026-11-20/statement?format=pdf", field: "query.format", want: ",2.00,2.00,0.00"}),
		"ledger-balance":          reported("/ledger/balance", row{who: "boss", wrong: "manager", foreign: "stranger", bad: "/v1/merchants/" + merchantA + "/ledger/balance?at=noon", field: "query.at", want: `"account":"M","name":"应付商户 merchant payable","debit":0,"credit":200`}),
		"list-jobs":               {who: "ops", bad: "/v1/jobs?state=lost", field: "query.state", wrong: "provider", want: `"items":[`},
		"release-job":             {who: "ops", body: `{"out_sub_mch_id":"m","kind":"k","ref":"r"}`, bad: `{"out_sub_mch_id":"m","ref":"r"}`, field: "kind", wrong: "provider", want: ""},
		"add-member": {
			who: "provider", body: `{"member_id":"n","name":"新","role":"finance","scope":{"provider_id":"` + providerA + `","merchants":["` + merchantA + `"]}}`,
			bad: `{"member_id":"n","role":"king"}`, field: "body.role", wrong: "boss", foreign: "stranger", want: `"member_id":"n"`,
		},
		"list-members":   {who: "provider", bad: "/v1/members?limit=x", field: "query.limit", wrong: "boss", want: "member-a2"},
		"get-member":     {who: "provider", wrong: "boss", foreign: "stranger", want: "member-a2"},
		"set-member":     {who: "provider", body: `{"name":"x"}`, bad: `{"role":"king"}`, field: "body.role", wrong: "boss", foreign: "stranger", want: `"name":"x"`},
		"delete-member":  {who: "provider", wrong: "boss", foreign: "stranger"},
		"list-roles":     {who: "cashier", want: "manage_merchants"},
		"add-token":      {body: `{"name":"t","grants":{"role":"ops"}}`, bad: `{"name":"t","grants":{"role":"boss"}}`, field: "body.grants.out_sub_mch_ids", wrong: "provider", want: `"token":"cpt_`},
		"list-tokens":    {bad: "/v1/tokens?limit=0", field: "query.limit", wrong: "provider", want: "weak boss"},
		"get-token":      tokenRow(),
		"revoke-token":   tokenRow(),
		"whoami":         {who: "cashier", want: `"role":"cashier"`},
		"list-orders":    reported("/orders?kind=both", row{who: "cashier", wrong: "vendor", foreign: "stranger", bad: "/v1/merchants/" + merchantA + "/orders?limit=101", field: "query.limit", want: `"state":"PAID"`}),
		"overview":       reported("/overview?by=shop,staff&time=paid", row{who: "manager", wrong: "ops", foreign: "stranger", bad: "/v1/merchants/" + merchantA + "/overview?by=moon", field: "query.by", want: `"success_fee":200`}),
		"statistics":     reported("/statistics?span=week", row{who: "finance", wrong: "ops", foreign: "stranger", bad: "/v1/merchants/" + merchantA + "/statistics?span=hour", field: "query.span", want: `"total_count":1`}),
		"client-latency": {who: "ops", bad: "/v1/monitor/latency?from=x", field: "query.from", path: "/v1/monitor/latency", wrong: "provider", want: `"items":[]`},
		"search-monitor": {who: "ops", bad: "/v1/monitor?limit=0", field: "query.limit", path: "/v1/monitor?log_id=7", wrong: "provider", want: `"items":[]`},
		"get-request":    {who: "ops", bad: "/v1/requests/0", field: "log_id", path: "/v1/requests/7", wrong: "provider", want: `"method":"micro_pay"`},
		"doctor":         {who: "ops", wrong: "provider", want: `"check":"account"`},
		"list-audit":     {who: "provider", bad: "/v1/audit?from=yesterday", field: "query.from", wrong: "manager", want: merchantA},
	}
}

// operationOf is what the document says of an operation.
type operationOf struct{ id, method, path string }

func operations(t *testing.T, h *house) []operationOf {
	t.Helper()
	var doc struct {
		OpenAPI string `json:"openapi"`
		Paths   map[string]map[string]struct {
			ID string `json:"operationId"` //nolint:tagliatelle // OpenAPI's name
		} `json:"paths"`
	}
	if err := json.Unmarshal(h.server.Document(), &doc); err != nil || !strings.HasPrefix(doc.OpenAPI, "3.1") {
		t.Fatalf("the document is not OpenAPI 3.1: %v", err)
	}
	var all []operationOf
	for path, methods := range doc.Paths {
		for method, op := range methods {
			all = append(all, operationOf{op.ID, strings.ToUpper(method), path})
		}
	}
	slices.SortFunc(all, func(a, b operationOf) int { return strings.Compare(a.id, b.id) })
	return all
}

func TestEveryOperation(t *testing.T) {
	t.Parallel()
	table, all := rows(), operations(t, newHouse(t))
	for _, op := range all {
		r, ok := table[op.id]
		if !ok {
			t.Errorf("operation %s (%s %s) has no row", op.id, op.method, op.path)
			continue
		}
		delete(table, op.id)
		t.Run(op.id, func(t *testing.T) {
			t.Parallel()
			r.test(t, op)
		})
	}
	for id := range table {
		t.Errorf("the row %s is about no operation", id)
	}
}

func (r row) test(t *testing.T, op operationOf) {
	t.Helper()
	h := newHouse(t)
	path, body := r.path, r.body
	if path == "" {
		path = usual.Replace(op.path)
	}
	if r.before != nil {
		path, body = r.before(t, h)
	}
	if r.who == "" {
		r.who = "operator"
	}
	call := func(who, path, body, key string) *httptest.ResponseRecorder {
		return h.do(t.Context(), request{token: tokens[who], method: op.method, path: path, body: body, key: key})
	}
	for _, token := range []string{"", "cpt_nonsense", "Basic", tokens["revoked"]} {
		w := h.do(t.Context(), request{token: token, method: op.method, path: path, body: body})
		if p := problemOf(t, w); w.Code != http.StatusUnauthorized || w.Header().Get("WWW-Authenticate") == "" || !strings.HasSuffix(p.Type, ":token") {
			t.Errorf("token %.6q: %d %s, want 401", token, w.Code, w.Body)
		}
	}
	if r.wrong != "" {
		if w := call(r.wrong, path, body, ""); w.Code != http.StatusForbidden {
			t.Errorf("a %s: %d %s, want 403", r.wrong, w.Code, w.Body)
		} else {
			problemOf(t, w)
		}
	}
	if r.foreign != "" {
		r.testForeign(t, h, op, path, body)
	}
	if r.bad != "" {
		badPath, badBody := path, r.bad
		if strings.HasPrefix(r.bad, "/") {
			badPath, badBody = r.bad, body
		}
		w := call(r.who, badPath, badBody, "bad")
		if p := problemOf(t, w); w.Code != http.StatusUnprocessableEntity || !strings.Contains(w.Body.String(), r.field) {
			t.Errorf("bad input: %d %+v, want 422 that names %s", w.Code, p, r.field)
		}
	}
	if body != "" {
		if w := call(r.who, path, body[:len(body)-1], ""); w.Code != http.StatusBadRequest && w.Code != http.StatusUnprocessableEntity {
			t.Errorf("broken JSON: %d %s, want 4xx", w.Code, w.Body)
		}
	}
	if op.id == "release-job" { // nothing is buried in a house without trouble; see TestBuriedWorkIsReleased
		if w := call(r.who, path, body, ""); w.Code != http.StatusNotFound {
			t.Errorf("release of nothing: %d %s, want 404", w.Code, w.Body)
		}
		return
	}
	w := call(r.who, path, body, "one")
	if w.Code/100 != 2 || !strings.Contains(w.Body.String(), r.want) {
		t.Fatalf("%s %s as %s: %d %s, want 2xx with %s", op.method, path, r.who, w.Code, w.Body, r.want)
	}
	if w.Header().Get("Cache-Control") != "no-store" {
		t.Error("the answer may be kept by others")
	}
	if op.method == http.MethodGet {
		return
	}
	r.testReplay(t, op, path, body, w, call)
}

// testForeign wants others' things to look exactly as what does not exist.
func (r row) testForeign(t *testing.T, h *house, op operationOf, path, body string) {
	t.Helper()
	absent := strings.NewReplacer(merchantA, "sz01NOBODY0000000001", providerA, "sz01NOBODY0000000001")
	w := h.do(t.Context(), request{token: tokens[r.foreign], method: op.method, path: path, body: body})
	if w.Code != http.StatusNotFound {
		t.Errorf("another tenant: %d %s, want 404", w.Code, w.Body)
		return
	}
	there := problemOf(t, w)
	if !strings.Contains(path+body, merchantA) && !strings.Contains(path+body, providerA) {
		return
	}
	w = h.do(t.Context(), request{token: tokens[r.foreign], method: op.method, path: absent.Replace(path), body: absent.Replace(body)})
	if nowhere := problemOf(t, w); w.Code != http.StatusNotFound || nowhere.Type != there.Type || nowhere.Detail != there.Detail {
		t.Errorf("another's thing: %+v; nobody's: %+v; want them alike", there, nowhere)
	}
}

// testReplay wants a repeated write to be answered from memory, and its key to
// be refused for anything else.
func (r row) testReplay(t *testing.T, op operationOf, path, body string, first *httptest.ResponseRecorder, call func(who, path, body, key string) *httptest.ResponseRecorder) {
	t.Helper()
	again := call(r.who, path, body, "one")
	if again.Code != first.Code || again.Body.String() != first.Body.String() || again.Header().Get("Idempotent-Replayed") != "true" {
		t.Errorf("repeated: %d %s, want the first answer %d %s", again.Code, again.Body, first.Code, first.Body)
	}
	if op.id == "revoke-token" {
		return // the operator's own token is still there, but the answers are the same
	}
	other := call(r.who, path, body+" ", "one")
	if p := problemOf(t, other); other.Code != http.StatusUnprocessableEntity || !strings.HasSuffix(p.Type, "idempotency_key_reused") {
		t.Errorf("the key with another body: %d %s, want 422", other.Code, other.Body)
	}
}

func TestAnUnknownLogIDIsNotFound(t *testing.T) {
	t.Parallel()
	h := newHouse(t)
	w := h.do(t.Context(), request{token: tokens["ops"], method: http.MethodGet, path: "/v1/requests/8"})
	if p := problemOf(t, w); w.Code != http.StatusNotFound || !strings.HasSuffix(p.Type, ":request_unknown") {
		t.Errorf("an unknown log_id: %d %s, want 404", w.Code, w.Body)
	}
}
