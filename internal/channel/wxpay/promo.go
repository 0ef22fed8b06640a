package wxpay

import (
	"strconv"

	"cloudpay/internal/channel"
	"cloudpay/internal/pay"
)

// maxCoupons is how many coupons of one payment or refund are kept: as many as
// a documented answer carries. The sum is kept whole.
const maxCoupons = 20

// maxCouponText is the longest number or type of a coupon that is kept, in
// bytes; the documented ones have 20 and 8.
const maxCouponText = 32

// promotion reads who paid for what (upstreams.md §2.2): coupons, and whether
// the payer follows the official account. It is a memo: what cannot be read is
// left out, and nothing of it can fail an answer.
func promotion(m message) string {
	p := pay.Promotion{CouponFee: couponFen(m, "coupon_fee"), Subscribed: yesNo(m.get("is_subscribe"))}
	for i := range maxCoupons {
		if c, ok := couponOf(m, "coupon_batch_id", "coupon_id", "coupon_type", "coupon_fee", "_"+strconv.Itoa(i)); ok {
			p.Coupons = append(p.Coupons, c)
		}
	}
	return p.Encode()
}

// refundPromotion does the same for a refund. n is the refund's number in a
// query ("_0"), "" in the answer to the refund itself.
func refundPromotion(m message, n string) string {
	p := pay.Promotion{CouponFee: couponFen(m, "coupon_refund_fee"+n)}
	for i := range maxCoupons {
		c, ok := couponOf(m, "coupon_refund_batch_id", "coupon_refund_id", "coupon_type", "coupon_refund_fee", n+"_"+strconv.Itoa(i))
		if ok {
			p.Coupons = append(p.Coupons, c)
		}
	}
	return p.Encode()
}

// couponOf reads one coupon, whose elements end in suffix.
func couponOf(m message, batch, id, kind, fee, suffix string) (pay.Coupon, bool) {
	c := pay.Coupon{
		BatchID: couponText(m.get(batch + suffix)), ID: couponText(m.get(id + suffix)),
		Fee: couponFen(m, fee+suffix), Type: couponText(m.get(kind + suffix)),
	}
	return c, m.get(id+suffix) != "" || m.get(fee+suffix) != ""
}

// couponFen reads an amount, 0 when there is none that can be read.
func couponFen(m message, name string) int64 {
	f, _ := readFen(m, name)
	return int64(f)
}

func couponText(s string) string { return channel.CutBytes(channel.Printable(s), maxCouponText) }

// yesNo keeps Y and N, the two answers there are.
func yesNo(s string) string {
	if s == "Y" || s == "N" {
		return s
	}
	return ""
}
