package manage_test

import (
	"net/http"
	"strings"
	"testing"
)

// TestTicketLinkIsAnAddressForTerminals: it holds a "?" already, because
// terminals add &sn= to it (protocol.md §1.8).
func TestTicketLinkIsAnAddressForTerminals(t *testing.T) {
	t.Parallel()
	h := newHouse(t)
	path := "/v1/merchants/" + merchantA + "/shops/" + shopA + "/devices"
	if w := h.as(t, "operator", http.MethodPost, path, `{"device_id":"pos","device_shift_type":3}`); w.Code != http.StatusCreated {
		t.Fatalf("add device: %d %s", w.Code, w.Body)
	}
	for url, want := range map[string]string{"": "https://example.com/", "http://127.0.0.1:8800": "http://127.0.0.1:8800/", "https://pay.test/p/": "https://pay.test/p/"} {
		h.server.PublicURL = url
		w := h.as(t, "operator", http.MethodPost, path+"/pos/tickets", `{}`)
		if link := want + `cpay/use_device_setting?osi=` + shopA; w.Code != http.StatusCreated || !strings.Contains(w.Body.String(), `"link":"`+link) {
			t.Errorf("public url %q: %d, no link %s", url, w.Code, link)
		}
	}
}
