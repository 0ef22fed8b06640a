package channel

import (
	"testing"
	"time"

	"cloudpay/internal/pay"
)

func TestAPulseRemembersTheLastOfEach(t *testing.T) {
	t.Parallel()
	at := time.Date(2026, 11, 20, 12, 0, 0, 0, time.FixedZone("Asia/Shanghai", 8*60*60))
	var p Pulse
	if verified, failure := p.Last(); !verified.IsZero() || failure != (Failure{}) {
		t.Errorf("at first %v, %+v", verified, failure)
	}
	p.Outcome(at, "pay", pay.Outcome{Kind: pay.Paid, Verified: true})
	p.Outcome(at.Add(time.Second), "query", ErrTimeout.Outcome())
	p.Outcome(at.Add(2*time.Second), "refund", pay.Outcome{Kind: pay.Declined, Reason: pay.ReasonCustomer, Verified: true, Code: "NOTENOUGH"})
	verified, failure := p.Last()
	if want := (Failure{At: at.Add(time.Second).UTC(), Call: "query", Kind: "timeout"}); failure != want {
		t.Errorf("failure %+v, want %+v", failure, want)
	}
	if want := at.Add(2 * time.Second); !verified.Equal(want) || verified.Location() != time.UTC {
		t.Errorf("verified %v, want %v in UTC", verified, want)
	}
	p.Outcome(at.Add(3*time.Second), "close", pay.Outcome{Kind: pay.Declined, Reason: pay.ReasonConfiguration, Alert: true, Code: "NOAUTH", Verified: true})
	if _, failure := p.Last(); failure.Kind != "NOAUTH" || failure.Call != "close" {
		t.Errorf("failure %+v, want the wallet's refusal of the account", failure)
	}
}

func TestEveryLossHasAName(t *testing.T) {
	t.Parallel()
	seen := map[string]LostError{}
	for _, e := range []LostError{ErrTimeout, ErrDial, ErrTLS, ErrCut, ErrStatus, ErrTooLong, ErrUnreadable, ErrSignature, ErrKeys} {
		if e.Name() == "other" || seen[e.Name()] != "" {
			t.Errorf("%q is named %q", string(e), e.Name())
		}
		seen[e.Name()] = e
	}
	if name := LostError("x").Name(); name != "other" {
		t.Errorf("an unknown loss is named %q", name)
	}
}
