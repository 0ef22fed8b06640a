package manage_test

import (
	"flag"
	"net/http"
	"os"
	"testing"
)

var update = flag.Bool("update", false, "rewrite docs/api-openapi.json")

// TestDocumentIsCommitted keeps the document that others build clients from
// equal to what is served.
func TestDocumentIsCommitted(t *testing.T) {
	t.Parallel()
	const path = "../../docs/api-openapi.json"
	h := newHouse(t)
	w := h.do(t.Context(), request{method: http.MethodGet, path: "/docs/api/openapi.json"})
	if w.Code != http.StatusOK || w.Header().Get("Content-Type") != "application/openapi+json" {
		t.Fatalf("the document: %d %s", w.Code, w.Header().Get("Content-Type"))
	}
	if *update {
		if err := os.WriteFile(path, w.Body.Bytes(), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	if string(want) != w.Body.String() {
		t.Error("docs/api-openapi.json is not what is served: run go test ./internal/manage -run Document -update and look at the difference")
	}
	if w := h.do(t.Context(), request{method: http.MethodPost, path: "/docs/api/openapi.json"}); w.Code != http.StatusMethodNotAllowed {
		t.Errorf("POST to the document: %d, want 405", w.Code)
	}
}
