package pay

import (
	"testing"
	"time"
)

// TestALostRefundIsNotLeftAlone is of make chaos: a refund whose sends were lost
// rested as long as one that a bank takes days over, and after seven lost calls
// for six hours. Until the wallet has accepted it, somebody asks every minute.
func TestALostRefundIsNotLeftAlone(t *testing.T) {
	t.Parallel()
	lost := Outcome{Kind: Unknown, Lost: true}
	missing := Outcome{Kind: Declined, Verified: true, Reason: ReasonNotFound}
	for ch, p := range Profiles {
		now := time.Date(2026, 1, 5, 3, 0, 0, 0, time.UTC)
		r := Refund{State: RefundPending, Origin: OriginAPI, Channel: ch, Total: 100, Amount: 40, Do: ActSend, DoAt: now}
		for range 20 {
			now = r.DoAt
			if r.Do == ActSend {
				r = p.StartRefund(r, now).Refund
				r = p.ApplyRefund(r, CallRefund, lost, RefundPaid{}, false, false, now).Refund
			} else {
				out := missing
				if r.Tries%3 == 0 {
					out = lost
				}
				r = p.ApplyRefund(r, CallQueryRefund, out, RefundPaid{}, false, false, now).Refund
			}
			if rest := r.DoAt.Sub(now); r.State != RefundPending || rest < 0 || rest > p.RefundMissing {
				t.Fatalf("%s: after %d tries it is %s and rests %v, want at most %v", ch, r.Tries, r.State, rest, p.RefundMissing)
			}
		}
		if r.Tries < 20 {
			t.Errorf("%s: %d tries", ch, r.Tries)
		}
		r = p.ApplyRefund(r, CallQueryRefund, Outcome{Kind: Waiting, Verified: true}, RefundPaid{}, false, false, now).Refund
		if rest := r.DoAt.Sub(now); rest != p.RefundPauses[len(p.RefundPauses)-1] {
			t.Errorf("%s: accepted after many tries, it rests %v", ch, rest)
		}
	}
}
