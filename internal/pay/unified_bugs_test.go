package pay

import (
	"testing"

	"github.com/google/go-cmp/cmp"
)

// This file holds one test per bug that a hostile reading of unified orders found.

// TestNoticeOlderThanTheCancelIsNotLateMoney: the customer pays, the cancel of
// a merchant's close gives it back, and only then the notice of the payment
// arrives. What it says is older than the cancel, so the query decides: held as
// late money, it would be owed to the customer a second time for ever.
func TestNoticeOlderThanTheCancelIsNotLateMoney(t *testing.T) {
	t.Parallel()
	for _, answered := range []bool{true, false} { // whether the cancel's answer was heard before
		s := prepared(t, Alipay, scenario{scans: 5, pays: 12.5}, nil)
		s.until(at(12))
		_ = s.merchantCloses()
		s.turn() // asks
		s.now = at(13)
		if answered {
			s.turn() // cancels
		} else {
			s.take(s.p.StartClose(s.o, s.now))
			s.w.reverse(s.now)
		}
		if s.o.State != CLOSING || !s.w.reversed {
			t.Fatalf("%s, reversed %v", s.o.State, s.w.reversed)
		}
		paid := s.w.success()
		paid.Payment = s.w.payment()
		s.notice(paid)
		s.ends(t, CLOSED)
		if diff := cmp.Diff([]string{"late", "late_reversed"}, eventsOf(s.posts)); diff != "" || s.o.Late != LateReturned || len(s.told) != 0 {
			t.Errorf("late %q, told %v: %s", s.o.Late, s.told, diff)
		}
	}
}
