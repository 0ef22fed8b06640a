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
		{PostFee("payment:A", BillName("20261125", 1), 6), "fee@20261125:payment:A", []Leg{{AccFee, 6}, {AccReceivable, -6}}},
		{PostFee("refund:R", BillName("20261125", 2), -3), "fee@20261125.2:refund:R", []Leg{{AccFee, -3}, {AccReceivable, 3}}},
		{PostFeeAccepted("payment:A", BillName("20261125", 1), 1), "feefix@20261125:payment:A", []Leg{{AccFee, 1}, {AccReceivable, -1}}},
		{PostNet("payment:A", BillName("20261125", 1), 100, 98), "net@20261125:payment:A", []Leg{{AccReceivable, -2}, {AccDiscount, 2}}},
		{PostNet("refund:R", BillName("20261125", 2), -50, -49), "net@20261125.2:refund:R", []Leg{{AccReceivable, 1}, {AccDiscount, -1}}},
		{PostPayout("77", 500), "payout:77", []Leg{{AccSettled, 500}, {AccReceivable, -500}}},
		{PostUnexplained("payment:A", BillName("20261125", 1), 5), "fix@20261125:payment:A", []Leg{{AccReceivable, 5}, {AccSuspense, -5}}},
	} {
		if diff := cmp.Diff(Posting{row.event, row.legs}, row.got); diff != "" {
			t.Errorf("-want +got\n%s", diff)
		}
	}
}
