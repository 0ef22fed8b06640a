package manage_test

import (
	"encoding/json"
	"net/http"
	"strings"
	"testing"
	"time"

	"cloudpay/internal/manage"
)

func TestTokensEnd(t *testing.T) {
	t.Parallel()
	h := newHouse(t)
	who := func(name string) int { return h.as(t, name, "GET", "/v1/whoami", "").Code }
	if who("expired") != http.StatusOK || who("revoked") != http.StatusUnauthorized {
		t.Errorf("before its end: %d, revoked: %d, want 200 and 401", who("expired"), who("revoked"))
	}
	h.clock.advance(24 * time.Hour)
	if who("expired") != http.StatusUnauthorized || who("operator") != http.StatusOK {
		t.Errorf("after its end: %d, one without end: %d, want 401 and 200", who("expired"), who("operator"))
	}
}

func TestUseOfATokenIsNotedOncePerMinute(t *testing.T) {
	t.Parallel()
	h := newHouse(t)
	used := func() time.Time {
		var me manage.WhoAmI
		if err := json.Unmarshal(h.as(t, "ops", "GET", "/v1/whoami", "").Body.Bytes(), &me); err != nil {
			t.Fatal(err)
		}
		row, err := h.store.Token(t.Context(), me.ID)
		if err != nil {
			t.Fatal(err)
		}
		return row.UsedAt
	}
	first := used()
	if first.IsZero() {
		t.Fatal("the use was not noted")
	}
	h.clock.advance(59 * time.Second)
	if got := used(); !got.Equal(first) {
		t.Errorf("noted again within a minute: %v, %v", first, got)
	}
	h.clock.advance(2 * time.Second)
	if got := used(); !got.After(first) {
		t.Error("not noted again after a minute")
	}
}

func TestATokenIsNotKept(t *testing.T) {
	t.Parallel()
	h := newHouse(t)
	w := h.do(t.Context(), request{token: tokens["operator"], method: "POST", path: "/v1/tokens", body: `{"name":"n","grants":{"role":"ops"}}`, key: "k"})
	var made manage.NewToken
	if err := json.Unmarshal(w.Body.Bytes(), &made); err != nil || !strings.HasPrefix(made.Value, "cpt_") {
		t.Fatalf("POST /v1/tokens: %d %s", w.Code, w.Body)
	}
	rows, err := h.store.Tokens(t.Context(), "", 100)
	if err != nil {
		t.Fatal(err)
	}
	for _, r := range rows {
		if strings.Contains(r.Hash+r.Grants+r.Name, made.Value) {
			t.Error("the token is stored")
		}
	}
	for _, path := range []string{"/v1/tokens", "/v1/tokens/" + made.ID, "/v1/audit"} {
		if w := h.as(t, "operator", "GET", path, ""); w.Code != http.StatusOK || strings.Contains(w.Body.String(), made.Value) {
			t.Errorf("GET %s: %d, or it shows the token", path, w.Code)
		}
	}
	if strings.Contains(h.log.String(), made.Value) {
		t.Error("the log shows the token")
	}
}

func TestGrantsMustNameWhatTheirRoleNeeds(t *testing.T) {
	t.Parallel()
	h := newHouse(t)
	for grants, field := range map[string]string{
		`{"role":"king"}`:                                              "body.grants.role",
		`{"role":"operator","out_mch_id":"p"}`:                         "body.grants",
		`{"role":"provider"}`:                                          "out_mch_id",
		`{"role":"sub_provider","out_mch_id":"p"}`:                     "sub_provider_id",
		`{"role":"boss"}`:                                              "out_sub_mch_ids",
		`{"role":"boss","out_sub_mch_ids":["a","b"]}`:                  "out_sub_mch_ids",
		`{"role":"finance"}`:                                           "out_sub_mch_ids",
		`{"role":"manager","out_sub_mch_ids":["a"]}`:                   "out_shop_id",
		`{"role":"cashier","out_sub_mch_ids":["a"],"out_shop_id":"s"}`: "staff_id",
	} {
		w := h.as(t, "operator", "POST", "/v1/tokens", `{"name":"n","grants":`+grants+`}`)
		if p := problemOf(t, w); w.Code != http.StatusUnprocessableEntity || len(p.Errors) == 0 || !strings.Contains(p.Errors[0].Location, field) {
			t.Errorf("%s: %d %s, want 422 that names %s", grants, w.Code, w.Body, field)
		}
	}
}

func TestATokenMayEndItself(t *testing.T) {
	t.Parallel()
	h := newHouse(t)
	var me manage.WhoAmI
	if err := json.Unmarshal(h.as(t, "boss", "GET", "/v1/whoami", "").Body.Bytes(), &me); err != nil {
		t.Fatal(err)
	}
	if w := h.as(t, "boss", "DELETE", "/v1/tokens/"+me.ID, ""); w.Code != http.StatusOK {
		t.Fatalf("revoke itself: %d %s", w.Code, w.Body)
	}
	if w := h.as(t, "boss", "GET", "/v1/whoami", ""); w.Code != http.StatusUnauthorized {
		t.Errorf("after that: %d, want 401", w.Code)
	}
}
