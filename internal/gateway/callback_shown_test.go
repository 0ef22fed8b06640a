package gateway

import "testing"

// TestTheLogShowsNoKeyOfAnAddress: neither its query, its user, nor a piece of
// its path that looks like one.
func TestTheLogShowsNoKeyOfAnAddress(t *testing.T) {
	t.Parallel()
	for address, want := range map[string]string{
		"https://till.example/notify/v1":                                   "https://till.example/notify/v1",
		"https://u:p@till.example/n?token=abc&x=1#f":                       "https://till.example/n?token=***&x=***",
		"https://hooks.example/bot/5b1c9a77-0000-4b1d-9d7e-2f0000000001":   "https://hooks.example/bot/***",
		"https://hooks.example/T0A1B2C3D4/B00000000000000000000001/n":      "https://hooks.example/T0A1B2C3D4/***/n",
		"https://till.example/a-long-name-of-letters-only/notify":          "https://till.example/a-long-name-of-letters-only/notify",
		"https://till.example/%61%62%63%64%65%66%67%68%69%6a0123456789/ok": "https://till.example/***/ok",
	} {
		if got := shownURL(address); got != want {
			t.Errorf("%s is shown as %s, want %s", address, got, want)
		}
	}
}
