package api_test

import (
	"encoding/json"
	"fmt"
	"strings"
	"testing"

	"cloudpay/cpay"
	"cloudpay/internal/api"
	"cloudpay/internal/pay"
)

// logIDOf is what the caller was told.
func logIDOf(t *testing.T, a answer) uint32 {
	t.Helper()
	n, err := a.inner["log_id"].(json.Number).Int64()
	if err != nil {
		t.Fatal(err)
	}
	return uint32(n)
}

// TestARequestIsFoundByItsLogID, in memory and in the log, without what is
// secret in it.
func TestARequestIsFoundByItsLogID(t *testing.T) {
	t.Parallel()
	h := newHouse(t, options{})
	no, refund, code := h.number(), h.number(), h.code(pay.Wxpay, "")
	paid := h.call(t, cpay.MethodMicroPay, microPay(no, code, 2))
	back := h.call(t, cpay.MethodRefund, refundOf(no, refund, 2, 3))
	strange := h.post(t, cpay.MethodQueryOrder, []byte("junk"))
	mistaken := h.call(t, cpay.MethodQueryOrder, about(code)) // a payment code where a number belongs
	for _, tt := range []struct {
		name string
		a    answer
		want api.Record
	}{
		{"a payment", paid, api.Record{Method: cpay.MethodMicroPay, MerchantID: theMerchant, DeviceID: "till-1", OutTradeNo: no}},
		{"a refusal", back, api.Record{Method: cpay.MethodRefund, MerchantID: theMerchant, DeviceID: "till-1", OutTradeNo: no, OutRefundNo: refund, Status: 104}},
		{"a stranger", strange, api.Record{Method: cpay.MethodQueryOrder, Status: 101}},
		{"a payment code for a number", mistaken, api.Record{Method: cpay.MethodQueryOrder, MerchantID: theMerchant, DeviceID: "till-1", Status: 104, InternalStatus: cpay.InternalNoOrder}},
	} {
		id := logIDOf(t, tt.a)
		got, ok := h.server.Find(id)
		if !ok || got.At.IsZero() || got.LogID != id || tt.want.Status != 0 && got.Description != tt.a.text {
			t.Errorf("%s: %+v, %v", tt.name, got, ok)
		}
		got.LogID, got.Took, got.Description, got.At = 0, 0, "", tt.want.At
		if got != tt.want {
			t.Errorf("%s: %+v, want %+v", tt.name, got, tt.want)
		}
		if line := fmt.Sprintf(`"log_id":%d`, id); !strings.Contains(h.log.String(), line) {
			t.Errorf("%s: the log lacks %s", tt.name, line)
		}
	}
	if strings.Contains(h.log.String(), code) {
		t.Error("the log shows a payment code")
	}
	if _, ok := h.server.Find(logIDOf(t, paid) + 1<<20); ok {
		t.Error("a request that never was is found")
	}
}

// TestEveryInterfaceOfTheSchemaIsServed: what is documented answers.
func TestEveryInterfaceOfTheSchemaIsServed(t *testing.T) {
	t.Parallel()
	served := map[string]bool{cpay.Path(cpay.MethodPing): true, cpay.Path(cpay.MethodUseDeviceSetting): true}
	for _, r := range api.Routes() {
		served[cpay.Path(r.Method)] = true
		if cpay.NewRequest(r.Method) == nil {
			t.Errorf("%s is served and has no message", r.Method)
		}
	}
	var doc struct {
		Paths map[string]any `json:"paths"`
	}
	if err := json.Unmarshal(cpay.Schema(), &doc); err != nil {
		t.Fatal(err)
	}
	for path := range doc.Paths {
		if !served[path] {
			t.Errorf("%s is documented and not served", path)
		}
	}
	if len(doc.Paths) != len(served) {
		t.Errorf("%d interfaces are documented, %d served", len(doc.Paths), len(served))
	}
}
