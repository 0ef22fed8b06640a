package manage_test

import (
	"encoding/json"
	"net/http"
	"strings"
	"testing"

	"cloudpay/internal/manage"
)

// paid is a row about an order that was paid.
func paid(suffix string, r row) row {
	body := r.body
	r.before = func(t *testing.T, h *house) (string, string) {
		t.Helper()
		return "/v1/merchants/" + merchantA + "/orders/" + h.order(t) + suffix, body
	}
	return r
}

// reported is a row about reports of a merchant with one paid order.
func reported(suffix string, r row) row {
	r.before = func(t *testing.T, h *house) (string, string) {
		t.Helper()
		h.order(t)
		return "/v1/merchants/" + merchantA + suffix, ""
	}
	return r
}

// explained is about an order that is found by its number alone.
func explained() row {
	return row{
		who: "boss", wrong: "vendor", foreign: "foreign boss", want: `"known":"已支付 2.00 元"`,
		before: func(t *testing.T, h *house) (string, string) {
			t.Helper()
			return "/v1/orders/" + h.order(t) + "/explanation", ""
		},
	}
}

func refunded() row {
	return paid("/refunds", row{
		who: "boss", body: `{"out_refund_no":"` + prefixA + `r1","refund_fee":50,"refund_reason":"不要了","authorized_by":"1002"}`,
		bad: `{"out_refund_no":"` + prefixA + `r1","refund_fee":0}`, field: "body.refund_fee", wrong: "weak boss", foreign: "foreign boss", want: `"refund_fee":50`,
	})
}

func resent() row {
	return paid("/callbacks", row{
		who: "provider", body: `{"event":"paid"}`, bad: `{"event":5}`, field: "body.event", wrong: "boss", foreign: "stranger",
	})
}

// reversed is about a merchant that allows it (money.md §3 row 8).
func reversed() row {
	return row{
		who: "boss", wrong: "weak boss", foreign: "foreign boss", want: `"out_trade_no"`,
		before: func(t *testing.T, h *house) (string, string) {
			t.Helper()
			if w := h.as(t, "provider", "PATCH", "/v1/merchants/"+merchantA, `{"reverse_paid":true}`); w.Code != http.StatusOK {
				t.Fatalf("allow reverses: %d %s", w.Code, w.Body)
			}
			return "/v1/merchants/" + merchantA + "/orders/" + h.order(t) + "/reverse", ""
		},
	}
}

func closed() row {
	return row{
		who: "boss", wrong: "weak boss", foreign: "foreign boss", want: `"out_trade_no"`,
		before: func(t *testing.T, h *house) (string, string) {
			t.Helper()
			return "/v1/merchants/" + merchantA + "/orders/" + h.prepaid(t) + "/close", ""
		},
	}
}

func tokenRow() row {
	return row{
		wrong: "provider", want: `"name":"temporary"`,
		before: func(t *testing.T, h *house) (string, string) {
			t.Helper()
			w := h.as(t, "operator", "POST", "/v1/tokens", `{"name":"temporary","grants":{"role":"ops"}}`)
			var made manage.NewToken
			if err := json.Unmarshal(w.Body.Bytes(), &made); err != nil {
				t.Fatal(err)
			}
			return "/v1/tokens/" + made.ID, ""
		},
	}
}

func grantBinding() row {
	return row{
		who: "boss", wrong: "provider", foreign: "foreign boss", bad: `{"out_sub_mch_id":"x"}`, field: "out_shop_id", want: `"sn_code":"SN-1"`,
		before: func(t *testing.T, h *house) (string, string) {
			t.Helper()
			key := strings.Repeat("K", 32)
			if w := h.as(t, "operator", "POST", "/v1/factory-devices", `{"lines":"SN-1 `+key+`"}`); w.Code != http.StatusCreated {
				t.Fatalf("import: %d %s", w.Code, w.Body)
			}
			v, known, err := h.people.ClaimedDevice(t.Context(), "SN-1")
			if err != nil || !known {
				t.Fatalf("ClaimedDevice = %v, %v", known, err)
			}
			a, err := h.people.StartBinding(t.Context(), v)
			if err != nil {
				t.Fatal(err)
			}
			return "/v1/bindings/" + a.Activator, `{"out_sub_mch_id":"` + merchantA + `","out_shop_id":"` + shopA + `","device_id":"till"}`
		},
	}
}

func grantClient() row {
	return row{
		who: "manager", wrong: "cashier", foreign: "stranger", bad: `{"out_sub_mch_id":"x","role":"king"}`, field: "body.role",
		before: func(t *testing.T, h *house) (string, string) {
			t.Helper()
			m, err := h.people.Merchant(t.Context(), merchantA)
			if err != nil {
				t.Fatal(err)
			}
			a, err := h.people.StartClient(t.Context(), m, shopA, 4)
			if err != nil {
				t.Fatal(err)
			}
			return "/v1/clients/" + a.Activator, `{"out_sub_mch_id":"` + merchantA + `","out_shop_id":"` + shopA + `","role":"cashier","staff_id":"1001"}`
		},
	}
}
