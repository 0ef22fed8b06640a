package wxpay

import (
	"strconv"
	"testing"

	"cloudpay/internal/pay"
)

// TestBugRefundListedTwiceCountedTwice: an order has more refunds than one
// answer holds. When the answers overlap, because the wallet took no notice of
// offset or a refund was made between them, some are missing while others are
// there twice: such a list is not whole.
func TestBugRefundListedTwiceCountedTwice(t *testing.T) {
	t.Parallel()
	const all = 25
	for name, c := range map[string]struct {
		shift int // how many of the first answer's come again in the second
		want  pay.Kind
	}{"in order": {0, pay.Paid}, "overlapping": {1, pay.Unknown}, "offset ignored": {maxRefunds, pay.Unknown}} {
		ch, _ := play(t, SignMD5, func(r request) fieldsOf {
			from, _ := strconv.Atoi(r.m.get("offset"))
			if from > 0 {
				from -= c.shift
			}
			f := fieldsOf{
				"return_code": "SUCCESS", "result_code": "SUCCESS", "appid": testApp, "mch_id": testMch, "sub_mch_id": testSub,
				"out_trade_no": testOrder, "total_fee": strconv.FormatInt(int64(order.Total), 10), "total_refund_count": strconv.Itoa(all),
			}
			for i := range min(maxRefunds, all-from) {
				n := "_" + strconv.Itoa(i)
				f["out_refund_no"+n], f["refund_fee"+n], f["refund_status"+n] = "R"+strconv.Itoa(from+i), "1", "SUCCESS"
			}
			return f
		})
		got := ch.Refunds(t.Context(), order)
		if got.Kind != c.want || c.want != pay.Paid && len(got.Refunds) != 0 {
			t.Errorf("%s: %s with %d refunds, want %s", name, got.Kind, len(got.Refunds), c.want)
		}
		seen := map[string]bool{}
		for _, one := range got.Refunds {
			seen[one.OutRefundNo] = true
		}
		if c.want == pay.Paid && len(seen) != all {
			t.Errorf("%s: %d refunds of %d", name, len(seen), all)
		}
	}
}
