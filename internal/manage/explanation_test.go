package manage_test

import (
	"net/http"
	"regexp"
	"strings"
	"testing"
	"time"

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

// TestEveryAttemptToTellTheMerchantStandsInTheTimeline: where it went and what
// came back is for those who may see the log of callbacks, that it was sent for
// everybody who sees the order.
func TestEveryAttemptToTellTheMerchantStandsInTheTimeline(t *testing.T) {
	t.Parallel()
	h := newHouse(t)
	number := h.order(t)
	for i, a := range []store.CallbackAttempt{
		{HTTPStatus: 502, Reply: "bad gateway", Error: "not acknowledged"}, {Error: "timeout"}, {HTTPStatus: 200, Acknowledged: true, Reply: "fine"},
	} {
		a.MerchantID, a.OutTradeNo, a.Event, a.Attempt, a.ID = merchantA, number, "paid", int64(i+1), string(rune('a'+i))
		a.At, a.Took, a.Target, a.Request, a.AuthenKey = h.clock.now().Add(time.Duration(i)*time.Minute), time.Second, "https://till.example/n?k=***", "{}", 1
		if err := h.store.KeepCallback(t.Context(), a); err != nil {
			t.Fatal(err)
		}
	}
	path := "/v1/orders/" + number + "/explanation?lang=en"
	story := regexp.MustCompile(`(?s)callback paid, attempt 1: the merchant did not acknowledge it \(HTTP 502\), 1s.*` +
		`callback paid, attempt 2: no answer.*callback paid, attempt 3: the merchant acknowledged it \(HTTP 200\)`)
	for who, full := range map[string]bool{"operator": true, "provider": true, "finance": false} {
		w := h.as(t, who, "GET", path, "")
		if said := w.Body.String(); !story.MatchString(said) || strings.Contains(said, "till.example") != full || strings.Contains(said, "bad gateway") != full {
			t.Errorf("%s: %d %s", who, w.Code, said)
		}
	}
}
