package wxpay

import (
	"strconv"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"cloudpay/internal/pay"
)

func messageOf(f fieldsOf) message {
	var m message
	for name, value := range f {
		m.set(name, value)
	}
	return m
}

func TestCouponsOfAPaymentAndARefundAreRead(t *testing.T) {
	t.Parallel()
	m := messageOf(fieldsOf{
		"is_subscribe": "Y", "coupon_fee": "300", "coupon_count": "2", "coupon_id_0": "1", "coupon_batch_id_0": "B", "coupon_type_0": "CASH",
		"coupon_fee_0": "100", "coupon_fee_1": "200", "coupon_type_1": "NO_CASH",
		"coupon_refund_fee": "50", "coupon_refund_id_0": "1", "coupon_refund_fee_0": "50",
		"coupon_refund_fee_7": "60", "coupon_refund_id_7_0": "1", "coupon_type_7_0": "CASH", "coupon_refund_fee_7_0": "60",
	})
	want := pay.Promotion{CouponFee: 300, Subscribed: "Y", Coupons: []pay.Coupon{{BatchID: "B", ID: "1", Fee: 100, Type: "CASH"}, {Fee: 200, Type: "NO_CASH"}}}
	if diff := cmp.Diff(want, pay.DecodePromotion(promotion(m))); diff != "" {
		t.Error(diff)
	}
	want = pay.Promotion{CouponFee: 60, Coupons: []pay.Coupon{{ID: "1", Fee: 60, Type: "CASH"}}}
	if diff := cmp.Diff(want, pay.DecodePromotion(refundPromotion(m, "_7"))); diff != "" {
		t.Error(diff)
	}
}

// TestAMemoNeverFailsAndNeverGrows feeds amounts that cannot be read, and far
// too many and too long coupons.
func TestAMemoNeverFailsAndNeverGrows(t *testing.T) {
	t.Parallel()
	if got := promotion(messageOf(fieldsOf{"coupon_fee": "-1", "is_subscribe": "maybe", "coupon_count": "x"})); got != "" {
		t.Errorf("promotion = %s, want nothing", got)
	}
	f := fieldsOf{"coupon_fee": "999"}
	for i := range 30 {
		n := "_" + strconv.Itoa(i)
		f["coupon_id"+n], f["coupon_fee"+n], f["coupon_type"+n] = strings.Repeat("9", 100), "1.5", "CASH\u202e"
	}
	p := pay.DecodePromotion(promotion(messageOf(f)))
	if len(p.Coupons) != maxCoupons || p.CouponFee != 999 {
		t.Errorf("%d coupons of %d, want %d of 999", len(p.Coupons), p.CouponFee, maxCoupons)
	}
	if want := (pay.Coupon{ID: strings.Repeat("9", maxCouponText), Type: "CASH"}); p.Coupons[0] != want {
		t.Errorf("a coupon reads %+v, want %+v", p.Coupons[0], want)
	}
}
