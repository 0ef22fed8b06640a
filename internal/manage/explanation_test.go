package manage_test

import (
	"net/http"
	"strings"
	"testing"

	"cloudpay/internal/store"
)

// TestBytesAreForTheOperatorAndReadingThemIsRecorded: nobody else is shown the
// bytes on the wire, and nothing is shown unrecorded.
func TestBytesAreForTheOperatorAndReadingThemIsRecorded(t *testing.T) {
	t.Parallel()
	h := newHouse(t)
	number := h.order(t)
	path := "/v1/orders/" + number + "/explanation"
	for _, who := range []string{"provider", "boss", "ops"} {
		if w := h.as(t, who, "GET", path+"?raw=true", ""); w.Code != http.StatusForbidden {
			t.Errorf("%s reads bytes: %d", who, w.Code)
		}
		if w := h.as(t, who, "GET", path, ""); w.Code != http.StatusOK || strings.Contains(w.Body.String(), "order.read_raw") {
			t.Errorf("%s: %d %s", who, w.Code, w.Body)
		}
	}
	if w := h.as(t, "operator", "GET", path+"?raw=true&lang=en", ""); w.Code != http.StatusOK || !strings.Contains(w.Body.String(), "paid 2.00 yuan") {
		t.Errorf("operator: %d %s", w.Code, w.Body)
	}
	if w := h.as(t, "boss", "GET", path, ""); !strings.Contains(w.Body.String(), "order.read_raw") {
		t.Errorf("the boss does not see that the bytes were read: %s", w.Body)
	}
	if w := h.as(t, "finance", "GET", path, ""); w.Code != http.StatusOK || strings.Contains(w.Body.String(), "order.read_raw") {
		t.Errorf("finance reads the trail: %d %s", w.Code, w.Body)
	}
	err := h.store.Raise(t.Context(), store.Attention{MerchantID: merchantA, OutTradeNo: number, Why: "two wallets disagree", First: h.clock.now(), Last: h.clock.now(), Times: 1})
	if err != nil {
		t.Fatal(err)
	}
	if w := h.as(t, "boss", "GET", path, ""); !strings.Contains(w.Body.String(), "需要人处理：two wallets disagree") {
		t.Errorf("what wants a person is not said: %s", w.Body)
	}
	for _, bad := range []string{"/v1/orders/99999999999/explanation", "/v1/orders/x/explanation"} {
		if w := h.as(t, "operator", "GET", bad, ""); w.Code != http.StatusNotFound {
			t.Errorf("%s: %d", bad, w.Code)
		}
	}
}
