package api_test

import (
	"io"
	"net/http"
	"net/http/httptest"
	"testing"

	"cloudpay/cpay"
)

// greedy remembers how much room it was offered at once, and is soon at its end.
type greedy struct{ offered, read int }

func (g *greedy) Read(p []byte) (int, error) {
	g.offered = max(g.offered, len(p))
	if g.read++; g.read > 2 {
		return 0, io.EOF
	}
	p[0] = '{'
	return 1, nil
}

// TestAnnouncedLengthTookMemory: whoever announced 64 KiB and sent nothing held
// as much memory until the time for a body was up, on as many connections as
// they liked.
func TestAnnouncedLengthTookMemory(t *testing.T) {
	t.Parallel()
	h := newHouse(t, options{})
	const enough = 8 << 10
	for _, announced := range []int64{-1, 1, 2 << 10, cpay.MaxBody} {
		body := &greedy{}
		req := httptest.NewRequestWithContext(t.Context(), http.MethodPost, cpay.Path(cpay.MethodQueryOrder), body)
		req.ContentLength = announced
		h.server.Handler().ServeHTTP(httptest.NewRecorder(), req)
		if body.read == 0 || body.offered > enough {
			t.Errorf("a length of %d had %d bytes made ready, want %d at most", announced, body.offered, enough)
		}
	}
}
