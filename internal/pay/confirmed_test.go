package pay

import "testing"

func TestConfirmed(t *testing.T) {
	t.Parallel()
	for truth, want := range map[Truth]string{
		"": "local", TruthLocal: "local", TruthAnswer: "channel", TruthNotice: "channel", TruthQuery: "channel", TruthBill: "bill",
	} {
		if got := truth.Confirmed(); got != want {
			t.Errorf("%q is confirmed by %q, want %q", truth, got, want)
		}
	}
}
