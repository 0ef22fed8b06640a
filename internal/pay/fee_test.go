package pay

import (
	"math"
	"testing"

	"github.com/google/go-cmp/cmp"
)

func TestPoundageIsRoundedHalfUpToTheFen(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		settlement Fen
		rate       int64
		want       Fen
	}{
		{10000, 6000, 60},
		{1, 6000, 0},
		{83, 6000, 0},
		{84, 6000, 1}, // 0.504
		{250, 6000, 2},
		{-250, 6000, -2},
		{0, 6000, 0},
		{10000, 0, 0},
		{10000, -1, 0},
		{10000, 1_000_000, 10000},
		{10000, 1_000_001, 0},
		{math.MaxInt64, 1_000_000, math.MaxInt64},
	} {
		if got := Poundage(c.settlement, c.rate); got != c.want {
			t.Errorf("Poundage(%d, %d) = %d, want %d", c.settlement, c.rate, got, c.want)
		}
	}
}

func TestPromotionIsKeptAsWhatItWas(t *testing.T) {
	t.Parallel()
	p := Promotion{
		CouponFee: 3, Coupons: []Coupon{{ID: "c", Fee: 3}}, Vouchers: []Voucher{{ID: "v", Amount: 1}},
		FundBills: []FundBill{{Channel: "PCREDIT", Amount: 2}}, BuyerLogon: "138***",
	}
	if diff := cmp.Diff(p, DecodePromotion(p.Encode())); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
	if got := (Promotion{}).Encode(); got != "" {
		t.Errorf("nothing is kept as %q", got)
	}
	for _, text := range []string{"", "{", `{"coupon_fee":"x"}`} { // a memo must not fail an answer about money
		if diff := cmp.Diff(Promotion{}, DecodePromotion(text)); diff != "" {
			t.Errorf("%q: %s", text, diff)
		}
	}
}
