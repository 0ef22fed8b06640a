package manage_test

import (
	"encoding/json"
	"net/http"
	"strings"
	"testing"

	"cloudpay/internal/manage"
	"cloudpay/internal/store/storetest"
)

// TestAnInstallationIsMadeOnBothEngines goes the way of docs/install.md through
// the API, on SQLite and PostgreSQL.
func TestAnInstallationIsMadeOnBothEngines(t *testing.T) {
	t.Parallel()
	for _, e := range storetest.Engines() {
		t.Run(e.Name, func(t *testing.T) {
			t.Parallel()
			h, err := build(e.New(t)())
			if err != nil {
				t.Fatal(err)
			}
			root := manage.AsOperator(t.Context(), "root")
			var token manage.NewToken
			for _, step := range []struct{ method, path, body, want string }{
				{"POST", "/v1/providers", `{"out_mch_id":"p","name":"服务商"}`, `"out_mch_id":"p"`},
				{"POST", "/v1/merchants", `{"out_mch_id":"p","out_sub_mch_id":"m","company_name":"店"}`, `"authen_key":"`},
				{"POST", "/v1/merchants/m/shops", `{"out_shop_id":"s","shop_name":"一店"}`, `"out_shop_id":"s"`},
				{"POST", "/v1/merchants/m/shops/s/devices", `{"device_id":"d"}`, `"ordinal":0`},
				{"POST", "/v1/merchants/m/shops/s/staff", `{"staff_id":"1","staff_name":"小李"}`, "小李"},
				{"POST", "/v1/merchants/m/keys", `{"new_authen_key":true,"grace_minutes":5}`, `"authen_key":"`},
				{"GET", "/v1/merchants?text=店", "", `"out_sub_mch_id":"m"`},
				{"GET", "/v1/merchants/m/orders", "", `"items":[]`},
				{"GET", "/v1/merchants/m/overview?by=shop", "", `"total_count":0`},
				{"GET", "/v1/merchants/m/statistics", "", `"total":0`},
				{"GET", "/v1/audit?out_sub_mch_id=m", "", `"actor_kind":"command"`},
				{"GET", "/v1/monitor?log_id=1", "", `"items":[]`},
				{"GET", "/v1/monitor/latency", "", `"items":[]`},
				{"GET", "/v1/doctor", "", `"check":"account"`},
				{"POST", "/v1/tokens", `{"name":"t","grants":{"role":"operator"}}`, `"token":"`},
			} {
				for _, again := range []bool{false, true} {
					w := h.do(root, request{method: step.method, path: step.path, body: step.body, key: step.path})
					if w.Code/100 != 2 || !strings.Contains(w.Body.String(), step.want) {
						t.Fatalf("%s %s (again: %v): %d %s, want %s", step.method, step.path, again, w.Code, w.Body, step.want)
					}
					if step.path == "/v1/tokens" {
						if err := json.Unmarshal(w.Body.Bytes(), &token); err != nil {
							t.Fatal(err)
						}
					}
				}
			}
			// What is no text is the caller's mistake, on both engines.
			for _, bad := range []struct{ method, path, body string }{
				{"GET", "/v1/merchants/m/orders/%00", ""},
				{"GET", "/v1/tokens/%FF", ""},
				{"GET", "/v1/tokens?after=%00", ""},
				{"GET", "/v1/audit?object_id=%FF", ""},
				{"GET", "/v1/monitor?order_no=%00", ""},
				{"GET", "/v1/merchants/m/orders?staff_id=%00", ""},
				{"GET", "/v1/merchants?after=%zz", ""},
				{"POST", "/v1/clients/%00", `{"out_sub_mch_id":"m","role":"boss"}`},
				{"POST", "/v1/members", `{"member_id":"\u0000","role":"ops"}`},
			} {
				if w := h.do(root, request{method: bad.method, path: bad.path, body: bad.body}); w.Code != http.StatusUnprocessableEntity {
					t.Errorf("%s %s %s: %d %s", bad.method, bad.path, bad.body, w.Code, w.Body)
				}
			}
			if w := h.do(t.Context(), request{token: token.Value, method: "GET", path: "/v1/whoami"}); w.Code != http.StatusOK {
				t.Errorf("the new token: %d %s", w.Code, w.Body)
			}
		})
	}
}
