package manage_test

import (
	"encoding/json"
	"net/http"
	"net/url"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"cloudpay/internal/directory"
	"cloudpay/internal/jobs"
	"cloudpay/internal/manage"
)

// id is the id of the token of that name.
func (h *house) id(t *testing.T, who string) string {
	t.Helper()
	var me manage.WhoAmI
	if err := json.Unmarshal(h.as(t, who, "GET", "/v1/whoami", "").Body.Bytes(), &me); err != nil {
		t.Fatal(err)
	}
	return me.ID
}

func TestAShopsPeopleSeeTheirShopOnly(t *testing.T) {
	t.Parallel()
	h := newHouse(t)
	if w := h.as(t, "boss", "POST", "/v1/merchants/"+merchantA+"/shops", `{"out_shop_id":"second","shop_name":"二店"}`); w.Code != http.StatusCreated {
		t.Fatalf("add shop: %d %s", w.Code, w.Body)
	}
	base := "/v1/merchants/" + merchantA
	if w := h.as(t, "manager", "GET", base+"/shops", ""); !strings.Contains(w.Body.String(), shopA) || strings.Contains(w.Body.String(), "second") {
		t.Errorf("the manager's shops: %s", w.Body)
	}
	for _, path := range []string{base + "/shops/second", base + "/shops/second/devices", base + "/shops/second/staff", base + "/orders?out_shop_id=second"} {
		if w := h.as(t, "manager", "GET", path, ""); w.Code != http.StatusNotFound {
			t.Errorf("GET %s as manager: %d, want 404", path, w.Code)
		}
		if w := h.as(t, "boss", "GET", path, ""); w.Code != http.StatusOK {
			t.Errorf("GET %s as boss: %d %s, want 200", path, w.Code, w.Body)
		}
	}
	if w := h.as(t, "manager", "POST", base+"/shops/second/staff", `{"staff_id":"9","staff_name":"x"}`); w.Code != http.StatusNotFound {
		t.Errorf("the manager hires elsewhere: %d, want 404", w.Code)
	}
}

// TestAShopsPeopleRefundAtTheirShopOnly: the trail must not say that another
// shop, or somebody there, gave the money back (R14).
func TestAShopsPeopleRefundAtTheirShopOnly(t *testing.T) {
	t.Parallel()
	h := newHouse(t)
	base := "/v1/merchants/" + merchantA
	if w := h.as(t, "boss", "POST", base+"/shops", `{"out_shop_id":"second","shop_name":"二店"}`); w.Code != http.StatusCreated {
		t.Fatalf("add shop: %d %s", w.Code, w.Body)
	}
	if w := h.as(t, "boss", "POST", base+"/shops/second/staff", `{"staff_id":"7","staff_name":"别店店长","shop_manager":true}`); w.Code != http.StatusCreated {
		t.Fatalf("add staff: %d %s", w.Code, w.Body)
	}
	path := base + "/orders/" + h.order(t) + "/refunds"
	refund := func(no, shop, by string) string {
		return `{"out_refund_no":"` + prefixA + no + `","refund_fee":1,"out_shop_id":"` + shop + `","authorized_by":"` + by + `"}`
	}
	for _, c := range []struct {
		who, body string
		want      int
	}{
		{"manager", refund("r1", "second", ""), http.StatusNotFound},
		{"manager", refund("r2", "second", "7"), http.StatusNotFound},
		{"manager", refund("r3", "", "7"), http.StatusForbidden},
		{"manager", refund("r4", shopA, "1002"), http.StatusCreated},
	} {
		if w := h.as(t, c.who, "POST", path, c.body); w.Code != c.want {
			t.Errorf("%s refunds with %s: %d %s, want %d", c.who, c.body, w.Code, w.Body, c.want)
		}
	}
}

// TestAClerkSeesOwnOrders is R8, and its switch 店员查看订单明细范围.
func TestAClerkSeesOwnOrders(t *testing.T) {
	t.Parallel()
	h := newHouse(t)
	mine := h.order(t)
	w := h.as(t, "operator", "POST", "/v1/tokens", `{"name":"other","grants":{"role":"cashier","out_sub_mch_ids":["`+merchantA+`"],"out_shop_id":"`+shopA+`","staff_id":"1002"}}`)
	var other manage.NewToken
	if err := json.Unmarshal(w.Body.Bytes(), &other); err != nil {
		t.Fatal(err)
	}
	get := func(token, path string) string {
		w := h.do(t.Context(), request{token: token, method: "GET", path: "/v1/merchants/" + merchantA + "/orders" + path})
		return http.StatusText(w.Code) + w.Body.String()
	}
	if got := get(tokens["cashier"], "/"+mine); !strings.HasPrefix(got, "OK") {
		t.Errorf("one's own order: %s", got)
	}
	if got := get(other.Value, "/"+mine); !strings.HasPrefix(got, "Not Found") {
		t.Errorf("a colleague's order: %s", got)
	}
	if got := get(other.Value, ""); strings.Contains(got, mine) {
		t.Errorf("a colleague's list: %s", got)
	}
	if w := h.as(t, "provider", "PATCH", "/v1/merchants/"+merchantA, `{"policy":{"staff_sees_shop":true}}`); w.Code != http.StatusOK {
		t.Fatalf("set the switch: %d %s", w.Code, w.Body)
	}
	if got := get(other.Value, "/"+mine); !strings.HasPrefix(got, "OK") {
		t.Errorf("with the switch: %s", got)
	}
	if got := get(other.Value, ""); !strings.Contains(got, mine) {
		t.Errorf("the list with the switch: %s", got)
	}
}

func TestWhoKeepsMachinesRunningSeesNoPayers(t *testing.T) {
	t.Parallel()
	h := newHouse(t)
	no := h.order(t)
	var full, masked manage.OrderDetail
	for who, d := range map[string]*manage.OrderDetail{"boss": &full, "ops": &masked} {
		if err := json.Unmarshal(h.as(t, who, "GET", "/v1/merchants/"+merchantA+"/orders/"+no, "").Body.Bytes(), d); err != nil {
			t.Fatal(err)
		}
	}
	if full.PayerID == "" || full.TransactionID == "" {
		t.Fatalf("the order names no payer: %+v", full.Order)
	}
	raw := h.as(t, "ops", "GET", "/v1/merchants/"+merchantA+"/orders/"+no, "").Body.String()
	if strings.Contains(raw, full.PayerID) || strings.Contains(raw, full.TransactionID) || masked.Total != full.Total {
		t.Errorf("ops sees %s", raw)
	}
}

// TestAProviderDoesNotMoveItsWallet: the server calls that address with payment
// codes, and from inside its own network.
func TestAProviderDoesNotMoveItsWallet(t *testing.T) {
	t.Parallel()
	h := newHouse(t)
	path := "/v1/providers/" + providerA + "/accounts/"
	wx, ali := path+"wxpay?skip_rehearsal=true", path+"alipay?skip_rehearsal=true"
	private, public := alipayKeys(t)
	for _, c := range []struct {
		who, path, body string
		want            int
	}{
		{"provider", wx, `{"wxpay":{"mch_id":"1","app_id":"wx2","base_url":"https://10.0.0.1"}}`, http.StatusForbidden},
		{"provider", wx, `{"wxpay":{"mch_id":"1","app_id":"wx2","base_url":"https://wallet.test","ca_pem":"x"}}`, http.StatusForbidden},
		{"provider", wx, `{"wxpay":{"mch_id":"1","app_id":"wx2","base_url":"https://wallet.test"}}`, http.StatusOK},
		{"provider", wx, `{"wxpay":{"mch_id":"1","app_id":"wx2"}}`, http.StatusOK},
		{"provider", wx, `{"wxpay":{"mch_id":"1","app_id":"wx2","base_url":"https://wallet.test"}}`, http.StatusForbidden},
		{"provider", wx, `{"wxpay":{"mch_id":"1","app_id":"wx2","base_url":"https://openapi.alipay.com/gateway.do"}}`, http.StatusForbidden},
		{"provider", ali, `{"alipay":{"app_id":"1","private_key_pem":"k","alipay_public_key_pem":"p","gateway_url":"https://10.0.0.1"}}`, http.StatusForbidden},
		{"provider", ali, `{"alipay":{"app_id":"1","private_key_pem":` + private + `,"alipay_public_key_pem":` + public + `}}`, http.StatusOK},
		{"operator", ali, `{"alipay":{"app_id":"1","gateway_url":"https://10.0.0.1","alipay_public_key_pem":` + public + `}}`, http.StatusOK},
	} {
		if w := h.as(t, c.who, "PUT", c.path, c.body); w.Code != c.want {
			t.Errorf("%s PUT %s: %d %s, want %d", c.who, c.body, w.Code, w.Body, c.want)
		}
	}
}

// TestAListInAPatchIsTheWholeList: elements of the list that was there must not
// shine through those that replace it.
func TestAListInAPatchIsTheWholeList(t *testing.T) {
	t.Parallel()
	h := newHouse(t)
	path := "/v1/merchants/" + merchantA + "/shops/" + shopA
	for _, body := range []string{
		`{"profile":{"qrcodes":[{"id":"q1","name":"门口","type":2,"staff_id":"1001"},{"id":"q2"}]}}`,
		`{"profile":{"qrcodes":[{"id":"q3"}]}}`,
	} {
		if w := h.as(t, "boss", "PATCH", path, body); w.Code != http.StatusOK {
			t.Fatalf("PATCH %s: %d %s", body, w.Code, w.Body)
		}
	}
	m, err := h.people.Merchant(t.Context(), merchantA)
	if err != nil {
		t.Fatal(err)
	}
	shop, _ := m.Shop(shopA)
	if diff := cmp.Diff([]directory.QRCode{{ID: "q3"}}, shop.Profile.QRCodes); diff != "" {
		t.Errorf("the codes (-want +got):\n%s", diff)
	}
}

// TestAListOfMembersNamesNoStranger: not even as the place where it goes on.
func TestAListOfMembersNamesNoStranger(t *testing.T) {
	t.Parallel()
	h := newHouse(t)
	var seen []string
	for after, pages := "", 0; ; pages++ {
		w := h.as(t, "provider", "GET", "/v1/members?limit=1&after="+after, "")
		var p manage.Page[manage.Member]
		if err := json.Unmarshal(w.Body.Bytes(), &p); err != nil || pages > 3 {
			t.Fatalf("page %d: %v %s", pages, err, w.Body)
		}
		if strings.Contains(w.Body.String(), "member-b") {
			t.Errorf("another provider's account: %s", w.Body)
		}
		for _, m := range p.Items {
			seen = append(seen, m.ID)
		}
		if after = p.Next; after == "" {
			break
		}
	}
	if diff := cmp.Diff([]string{"member-a", "member-a2"}, seen); diff != "" {
		t.Errorf("accounts (-want +got):\n%s", diff)
	}
	for _, id := range []string{"member-b", "nobody", "gone", "no id!"} {
		if id == "gone" {
			h.as(t, "operator", "POST", "/v1/members", `{"member_id":"gone","role":"vendor","scope":{"provider_id":"`+providerB+`"}}`)
			h.as(t, "operator", "DELETE", "/v1/members/gone", "")
		}
		if p := problemOf(t, h.as(t, "provider", "GET", "/v1/members/"+url.PathEscape(id), "")); p.Type != "urn:cloudpay:error:not_found" {
			t.Errorf("account %q is answered for with %+v", id, p)
		}
	}
	w := h.as(t, "stranger", "GET", "/v1/members?limit=1", "")
	if !strings.Contains(w.Body.String(), "member-b") || strings.Contains(w.Body.String(), "member-a") {
		t.Errorf("the other provider's list: %s", w.Body)
	}
}

func TestAnAgentSeesItsMerchantsOnly(t *testing.T) {
	t.Parallel()
	h := newHouse(t)
	w := h.as(t, "agent", "POST", "/v1/merchants", `{"out_mch_id":"`+providerA+`","sub_provider_id":"sub1","company_name":"代理的店","out_sub_mch_id":"agents"}`)
	if w.Code != http.StatusCreated {
		t.Fatalf("add: %d %s", w.Code, w.Body)
	}
	if w := h.as(t, "agent", "POST", "/v1/merchants", `{"out_mch_id":"`+providerA+`","company_name":"直营店"}`); w.Code != http.StatusNotFound {
		t.Errorf("a merchant of the provider itself: %d, want 404", w.Code)
	}
	if w := h.as(t, "agent", "GET", "/v1/merchants", ""); !strings.Contains(w.Body.String(), "agents") || strings.Contains(w.Body.String(), merchantA) {
		t.Errorf("the agent's merchants: %s", w.Body)
	}
	if w := h.as(t, "agent", "GET", "/v1/merchants/"+merchantA, ""); w.Code != http.StatusNotFound {
		t.Errorf("the provider's own: %d, want 404", w.Code)
	}
	if w := h.as(t, "agent", "PATCH", "/v1/merchants/agents", `{"sub_provider_id":""}`); w.Code != http.StatusForbidden {
		t.Errorf("handing a merchant on: %d, want 403", w.Code)
	}
}

// TestAbsentDiffersFromEmpty is the rule of every PATCH.
func TestAbsentDiffersFromEmpty(t *testing.T) {
	t.Parallel()
	h := newHouse(t)
	path := "/v1/merchants/" + merchantA
	for _, step := range []struct{ body, phone, short string }{
		{`{"profile":{"phone":"1","short_name":"面包"}}`, "1", "面包"},
		{`{"profile":{"phone":"2"}}`, "2", "面包"},
		{`{"default_order_body":"x"}`, "2", "面包"},
		{`{"profile":{"short_name":""}}`, "2", ""},
		{`{}`, "2", ""},
	} {
		w := h.as(t, "provider", "PATCH", path, step.body)
		var m manage.Merchant
		if err := json.Unmarshal(w.Body.Bytes(), &m); err != nil || m.Profile.Phone != step.phone || m.Profile.ShortName != step.short || m.Name != "面包店" {
			t.Errorf("after %s: %d %s, want phone %q and short name %q", step.body, w.Code, w.Body, step.phone, step.short)
		}
	}
}

func TestSecretsGoInAndNotOut(t *testing.T) {
	t.Parallel()
	h := newHouse(t)
	const token, apiKey = "app-auth-token-of-the-baker", "fedcba9876543210fedcba9876543210"
	for _, step := range []struct{ method, path, body string }{
		{"PATCH", "/v1/merchants/" + merchantA, `{"ali_app_auth_token":"` + token + `"}`},
		{"PUT", "/v1/providers/" + providerA + "/accounts/wxpay?skip_rehearsal=true", `{"wxpay":{"mch_id":"1","app_id":"wx2","api_key":"` + apiKey + `"}}`},
		{"GET", "/v1/merchants/" + merchantA, ""},
		{"GET", "/v1/merchants/" + merchantA + "/keys", ""},
		{"GET", "/v1/providers/" + providerA + "/accounts", ""},
		{"GET", "/v1/audit?limit=200", ""},
		// A secret in a wrong member comes back in no problem.
		{"PUT", "/v1/providers/" + providerA + "/accounts/wxpay?skip_rehearsal=true", `{"wxpay":{"mch_id":"1","app_id":"wx2","sign_type":"` + apiKey + `"}}`},
		{"PUT", "/v1/providers/" + providerA + "/accounts/wxpay?skip_rehearsal=true", `{"wxpay":{"mch_id":"1","app_id":"wx2","` + apiKey + `":"x","api_key":7}}`},
		{"PATCH", "/v1/merchants/" + merchantA, `{"ali_app_auth_token":["` + token + `"]}`},
	} {
		w := h.as(t, "provider", step.method, step.path, step.body)
		m, err := h.people.Merchant(t.Context(), merchantA)
		if err != nil {
			t.Fatal(err)
		}
		for _, s := range []string{token, apiKey, m.AuthenKey.Reveal()} {
			if strings.Contains(w.Body.String(), s) && !strings.Contains(step.body, `"`+apiKey+`":`) {
				t.Errorf("%s %s: %d %s shows a secret", step.method, step.path, w.Code, w.Body)
			}
			if strings.Contains(h.log.String(), s) {
				t.Errorf("%s %s: the log shows a secret", step.method, step.path)
			}
		}
	}
	if m, err := h.people.Merchant(t.Context(), merchantA); err != nil || m.Ali.AppAuthToken.Reveal() != token {
		t.Errorf("the token was not stored: %v", err)
	}
	// An account that is set again without its key keeps it.
	if w := h.as(t, "provider", "PUT", "/v1/providers/"+providerA+"/accounts/wxpay?skip_rehearsal=true", `{"wxpay":{"mch_id":"9","app_id":"wx2"}}`); w.Code != http.StatusOK {
		t.Fatalf("set without key: %d %s", w.Code, w.Body)
	}
	if a, err := h.people.Account(t.Context(), providerA, "wxpay"); err != nil || a.Wechat.APIKey.Reveal() != apiKey || a.Wechat.MchID != "9" {
		t.Errorf("the account's key is gone: %v", err)
	}
}

func TestEveryChangeNamesItsToken(t *testing.T) {
	t.Parallel()
	h := newHouse(t)
	if w := h.as(t, "boss", "POST", "/v1/merchants/"+merchantA+"/shops", `{"shop_name":"二店"}`); w.Code != http.StatusCreated {
		t.Fatalf("add shop: %d %s", w.Code, w.Body)
	}
	rows, err := h.people.Audit(t.Context(), directory.AuditFilter{MerchantID: merchantA, ObjectKind: "shop", Limit: 1})
	if err != nil || len(rows) != 1 || rows[0].ActorKind != manage.ByToken || rows[0].ActorID != h.id(t, "boss") || rows[0].ActorName != "boss" {
		t.Errorf("the trail says %+v, %v", rows, err)
	}
}

func TestBuriedWorkIsReleased(t *testing.T) {
	t.Parallel()
	h := newHouse(t)
	j := jobs.Job{Key: jobs.Key{MerchantID: merchantA, Kind: "nobody's", Ref: "r"}, State: jobs.Ready, RunAt: h.clock.now(), CreatedAt: h.clock.now()}
	if err := h.store.EditJobs(t.Context(), merchantA, jobs.Edit{Put: &j}); err != nil {
		t.Fatal(err)
	}
	claimed, ok, err := h.store.ClaimOne(t.Context(), h.clock.now(), 1e9, j.Key)
	if err != nil || !ok {
		t.Fatalf("ClaimOne = %v, %v", ok, err)
	}
	if err := h.store.Bury(t.Context(), claimed, "because"); err != nil {
		t.Fatal(err)
	}
	if w := h.as(t, "ops", "GET", "/v1/jobs", ""); !strings.Contains(w.Body.String(), "because") {
		t.Errorf("buried work: %s", w.Body)
	}
	if w := h.as(t, "ops", "GET", "/v1/doctor", ""); !strings.Contains(w.Body.String(), `1 jobs are buried`) {
		t.Errorf("the doctor: %s", w.Body)
	}
	body := `{"out_sub_mch_id":"` + merchantA + `","kind":"nobody's","ref":"r"}`
	if w := h.as(t, "ops", "POST", "/v1/jobs/release", body); w.Code != http.StatusNoContent {
		t.Errorf("release: %d %s", w.Code, w.Body)
	}
	if w := h.as(t, "ops", "GET", "/v1/jobs", ""); !strings.Contains(w.Body.String(), `"items":[]`) {
		t.Errorf("after the release: %s", w.Body)
	}
}

func TestRequestsAreBounded(t *testing.T) {
	t.Parallel()
	h := newHouse(t)
	w := h.as(t, "operator", "POST", "/v1/providers", `{"name":"`+strings.Repeat("a", 200<<10)+`"}`)
	if problemOf(t, w); w.Code != http.StatusRequestEntityTooLarge {
		t.Errorf("a huge body: %d, want 413", w.Code)
	}
	for _, path := range []string{"/v1", "/v1/", "/v1/nothing", "/v1/providers/a/b/c"} {
		if w := h.as(t, "operator", "GET", path, ""); w.Code != http.StatusNotFound {
			t.Errorf("GET %s: %d, want 404", path, w.Code)
		}
	}
	if w := h.as(t, "operator", "GET", "/v1/providers?colour=red", ""); w.Code != http.StatusUnprocessableEntity || !strings.Contains(w.Body.String(), "colour") {
		t.Errorf("an unknown query: %d %s, want 422 that names it", w.Code, w.Body)
	}
	if w := h.as(t, "operator", "POST", "/v1/providers", `{"name":"a","colour":"red"}`); w.Code != http.StatusUnprocessableEntity || !strings.Contains(w.Body.String(), "colour") {
		t.Errorf("an unknown member: %d %s, want 422 that names it", w.Code, w.Body)
	}
}

func TestListsGoOnWhereTheyStopped(t *testing.T) {
	t.Parallel()
	h := newHouse(t)
	seen, after, pages := map[string]bool{}, "", 0
	for {
		w := h.as(t, "operator", "GET", "/v1/members?limit=1&after="+after, "")
		var p manage.Page[manage.Member]
		if err := json.Unmarshal(w.Body.Bytes(), &p); err != nil || len(p.Items) > 1 {
			t.Fatalf("page: %d %s", w.Code, w.Body)
		}
		for _, m := range p.Items {
			if seen[m.ID] {
				t.Errorf("%s is listed twice", m.ID)
			}
			seen[m.ID] = true
		}
		pages++
		if after = p.Next; after == "" {
			break
		}
	}
	if len(seen) != 3 || pages != 3 {
		t.Errorf("%d members on %d pages, want 3 on 3", len(seen), pages)
	}
	first, second := h.order(t), h.order(t)
	var p manage.ReportPage
	got := []string{}
	after = ""
	for {
		w := h.as(t, "boss", "GET", "/v1/merchants/"+merchantA+"/orders?limit=1&after="+after, "")
		p = manage.ReportPage{}
		if err := json.Unmarshal(w.Body.Bytes(), &p); err != nil || w.Code != http.StatusOK {
			t.Fatalf("page: %d %s", w.Code, w.Body)
		}
		for _, r := range p.Items {
			got = append(got, r.Order.OutTradeNo)
		}
		if after = p.Next; after == "" {
			break
		}
	}
	if len(got) != 2 || got[0] != second || got[1] != first {
		t.Errorf("orders %v, want %s then %s", got, second, first)
	}
	if w := h.as(t, "boss", "GET", "/v1/merchants/"+merchantA+"/orders?after=nonsense", ""); w.Code != http.StatusUnprocessableEntity {
		t.Errorf("a cursor of nobody: %d, want 422", w.Code)
	}
}
