package manage

import (
	"strings"
	"testing"
	"time"
)

// TestTheDoctorSaysHowFarTheClockIsOff: what the wallet's whole seconds leave
// open is no reason for an alarm.
func TestTheDoctorSaysHowFarTheClockIsOff(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		ahead, exact time.Duration
		state, text  string
	}{
		{600 * time.Millisecond, 700 * time.Millisecond, StateOK, "agrees with the wallet"},
		{-20 * time.Second, time.Second, StateOK, "agrees with the wallet"},
		{31 * time.Second, 5 * time.Second, StateOK, "agrees with the wallet"},
		{45 * time.Second, time.Second, StateWarn, "is 45s ahead of the wallet"},
		{-45 * time.Second, time.Second, StateWarn, "is 45s behind the wallet"},
		{10 * time.Minute, time.Second, StateFail, "is 10m0s ahead of the wallet"},
		{-10 * time.Minute, time.Second, StateFail, "is 10m0s behind the wallet"},
	} {
		f := skewFinding(c.ahead, c.exact, "the wallet")
		if f.State != c.state || !strings.Contains(f.Text, c.text) || (f.State == StateOK) != (f.Next == "") {
			t.Errorf("%s ahead within %s: %+v, want %s with %q", c.ahead, c.exact, f, c.state, c.text)
		}
	}
}
