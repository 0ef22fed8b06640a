package pay

import (
	"testing"

	"github.com/google/go-cmp/cmp"
)

// TestPostingsFollowTheTable compares every posting with its line of money.md
// §5: T 100, N 96, r 60, n 58.
func TestPostingsFollowTheTable(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		got   Posting
		event string
		want  []Leg
	}{
		{PostPaid(100, 96), "paid", []Leg{{AccReceivable, 96}, {AccDiscount, 4}, {AccMerchant, -100}}},
		{PostReserved("R", 60), "reserve:R", []Leg{{AccMerchant, 60}, {AccRefunding, -60}}},
		{PostRejected("R", 60), "reject:R", []Leg{{AccRefunding, 60}, {AccMerchant, -60}}},
		{PostRefunded("R", 60, 58), "refund:R", []Leg{{AccRefunding, 60}, {AccReceivable, -58}, {AccDiscount, -2}}},
		{PostBankReturn("R", 60), "return:R", []Leg{{AccRefunding, 60}, {AccReturned, -60}}},
		{PostReversed(100, 96), "reversed", []Leg{{AccMerchant, 100}, {AccReceivable, -96}, {AccDiscount, -4}}},
		{PostLateReversed(100, 96), "late_reversed", []Leg{{AccSuspense, 100}, {AccReceivable, -96}, {AccDiscount, -4}}},
		{PostLate(100, 96), "late", []Leg{{AccReceivable, 96}, {AccDiscount, 4}, {AccSuspense, -100}}},
		{PostLateReserved("R", 100), "reserve:R", []Leg{{AccSuspense, 100}, {AccRefunding, -100}}},
		{PostLateRejected("R", 100), "reject:R", []Leg{{AccRefunding, 100}, {AccSuspense, -100}}},
		{PostChannelRefund("R", 60, 58), "outside:R", []Leg{{AccMerchant, 60}, {AccReceivable, -58}, {AccDiscount, -2}}},
		{PostPaid(100, 100), "paid", []Leg{{AccReceivable, 100}, {AccMerchant, -100}}},
	} {
		if diff := cmp.Diff(c.want, c.got.Legs); diff != "" || c.got.Event != c.event || sumOf(c.got) != 0 {
			t.Errorf("%s (-want +got):\n%s", c.got.Event, diff)
		}
	}
}

func TestAcceptanceOfARefundIsBookedByItsOrigin(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		origin RefundOrigin
		from   Account
	}{{OriginAPI, AccMerchant}, {OriginReverse, AccMerchant}, {OriginLate, AccSuspense}} {
		ps := Refund{OutRefundNo: "R", Origin: c.origin, Amount: 60}.OpenPostings()
		if b := Balances(ps); b[c.from] != 60 || b[AccRefunding] != -60 {
			t.Errorf("%s: %v", c.origin, b)
		}
	}
}
