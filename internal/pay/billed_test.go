package pay

import (
	"testing"

	"github.com/google/go-cmp/cmp"
)

func TestBillsAreBookedAsTheTableSays(t *testing.T) {
	t.Parallel()
	for _, row := range []struct {
		got   Posting
		event string
		legs  []Leg
	}{
		{PostFee("payment:A", 1, 6), "fee:payment:A", []Leg{{AccFee, 6}, {AccReceivable, -6}}},
		{PostFee("refund:R", 2, -3), "fee2:refund:R", []Leg{{AccFee, -3}, {AccReceivable, 3}}},
		{PostFeeAccepted("payment:A", 1, 1), "feefix:payment:A", []Leg{{AccFee, 1}, {AccReceivable, -1}}},
		{PostNet("payment:A", 1, 100, 98), "net:payment:A", []Leg{{AccReceivable, -2}, {AccDiscount, 2}}},
		{PostNet("refund:R", 2, -50, -49), "net2:refund:R", []Leg{{AccReceivable, 1}, {AccDiscount, -1}}},
		{PostPayout("77", 500), "payout:77", []Leg{{AccSettled, 500}, {AccReceivable, -500}}},
		{PostUnexplained("payment:A", 1, 5), "fix:payment:A", []Leg{{AccReceivable, 5}, {AccSuspense, -5}}},
	} {
		if diff := cmp.Diff(Posting{row.event, row.legs}, row.got); diff != "" {
			t.Errorf("-want +got\n%s", diff)
		}
	}
}
