package sandbox

import (
	"math/bits"
	"strconv"
	"strings"
)

// maxCoupons is how many coupons one payment can have: as many as a documented
// answer carries (channel.MaxAnswer's reckoning, upstreams.md §2.2).
const maxCoupons = 20

// coupon paid a part of an order. A cash coupon is the wallet's money, so the
// merchant gets it; one that is not cash is the merchant's own discount, so it
// is missing from the settlement.
type coupon struct {
	ID     string `json:"id"`
	Amount Fen    `json:"amount"`
	Cash   bool   `json:"cash"`
}

// gift is what the scenario coupon gives a customer.
type gift struct {
	amount Fen // of all coupons, 0 for a tenth of the order
	count  int64
	cash   bool
}

// coupons turns a gift into coupons of an order. At least one fen is left to
// pay, so an order of one fen has none.
func (g *gift) coupons(total Fen) []coupon {
	amount := g.amount
	if amount == 0 {
		amount = max(1, total/10)
	}
	amount = min(amount, total-1)
	count := min(Fen(max(1, g.count)), amount)
	var list []coupon
	for i := range count {
		part := amount / count
		if i == count-1 {
			part = amount - part*(count-1)
		}
		list = append(list, coupon{ID: "20261120" + padded(int64(i)+1, 8), Amount: part, Cash: g.cash})
	}
	return list
}

// couponTotal is what all coupons paid, uncashed what the merchant's own did.
func (t *trade) couponTotal() Fen { return t.couponSum(func(coupon) bool { return true }) }

func (t *trade) uncashed() Fen { return t.couponSum(func(c coupon) bool { return !c.Cash }) }

func (t *trade) couponSum(of func(coupon) bool) Fen {
	sum := Fen(0)
	for _, c := range t.memo.Coupons {
		if of(c) {
			sum += c.Amount
		}
	}
	return sum
}

// shareOf is the part of an amount of the trade that a sum of its coupons makes
// up, rounded down: part·amount/total, exact for the whole.
func (t *trade) shareOf(part, amount Fen) Fen {
	if part == 0 || t.total == 0 {
		return 0
	}
	high, low := bits.Mul64(uint64(part), uint64(amount)) //nolint:gosec // amounts are never negative
	share, _ := bits.Div64(high, low, uint64(t.total))    //nolint:gosec // part ≤ total, so the result is no larger than amount
	return Fen(share)                                     //nolint:gosec // as above
}

// backOf is the coupons' share of a refund: of the sum after it less of the sum
// before it, so that the refunds of a whole order return the coupons exactly.
func (t *trade) backOf(r *refund, part Fen) Fen {
	return t.shareOf(part, r.before+r.amount) - t.shareOf(part, r.before)
}

// wxCoupons are WeChat's elements about coupons, none without any.
func wxCoupons(t *trade) wxFields {
	list := t.memo.Coupons
	if len(list) == 0 {
		return nil
	}
	f := wxFields{{"coupon_fee", t.couponTotal().fenText()}, {"coupon_count", strconv.Itoa(len(list))}}
	for i, c := range list {
		n := "_" + strconv.Itoa(i)
		f = append(f, wxField{"coupon_id" + n, c.ID}, wxField{"coupon_type" + n, couponType(c)}, wxField{"coupon_fee" + n, c.Amount.fenText()})
	}
	return f
}

// couponType is WeChat's word for whose money a coupon is.
func couponType(c coupon) string {
	if c.Cash {
		return "CASH"
	}
	return "NO_CASH"
}

// wxRefundCoupons are the elements about coupons of one refund; suffix is its
// number in refundquery, "" in the answer to the refund itself.
func wxRefundCoupons(t *trade, r *refund, suffix string) wxFields {
	back := t.backOf(r, t.couponTotal())
	f := wxFields{
		{"cash_refund_fee" + suffix, (r.amount - back).fenText()},
		{"coupon_refund_fee" + suffix, back.fenText()},
		{"coupon_refund_count" + suffix, strconv.Itoa(len(t.memo.Coupons))},
	}
	left := back
	for i, c := range t.memo.Coupons {
		n := suffix + "_" + strconv.Itoa(i)
		part := min(left, t.backOf(r, c.Amount))
		if i == len(t.memo.Coupons)-1 {
			part = left
		}
		left -= part
		f = append(f, wxField{"coupon_refund_id" + n, c.ID}, wxField{"coupon_type" + n, couponType(c)}, wxField{"coupon_refund_fee" + n, part.fenText()})
	}
	return f
}

// aliLists are Alipay's lists about a payment: where the money came from, the
// vouchers, and the goods that were cheaper for them.
func aliLists(t *trade) aliObject {
	bills := []string{fundBill("ALIPAYACCOUNT", t.total-t.couponTotal())}
	var vouchers, goods []string
	for _, c := range t.memo.Coupons {
		kind, other, own := "ALIPAY_CASH_VOUCHER", c.Amount, Fen(0)
		fund := "COUPON"
		if !c.Cash {
			kind, other, own, fund = "ALIPAY_FIX_VOUCHER", 0, c.Amount, "MCOUPON"
		}
		bills = append(bills, fundBill(fund, c.Amount))
		vouchers = append(vouchers, string(aliObject{}.
			with("id", c.ID).with("name", "沙箱代金券").with("type", kind).with("amount", c.Amount.Yuan()).
			with("merchant_contribute", own.Yuan()).with("other_contribute", other.Yuan()).with("memo", "沙箱/优惠").encode()))
		goods = append(goods, string(aliObject{}.
			with("goods_id", "SANDBOX1").with("goods_name", "沙箱商品").with("discount_amount", c.Amount.Yuan()).with("voucher_id", c.ID).encode()))
	}
	o := aliObject{}.withRaw("fund_bill_list", "["+strings.Join(bills, ",")+"]")
	if len(vouchers) == 0 {
		return o
	}
	return o.withRaw("voucher_detail_list", "["+strings.Join(vouchers, ",")+"]").
		with("discount_goods_detail", "["+strings.Join(goods, ",")+"]")
}

// fundBill is one line of fund_bill_list.
func fundBill(channel string, amount Fen) string {
	return string(aliObject{}.with("fund_channel", channel).with("amount", amount.Yuan()).with("real_amount", amount.Yuan()).encode())
}

// aliRefundItems is refund_detail_item_list of one refund.
func aliRefundItems(t *trade, r *refund) string {
	back := t.backOf(r, t.couponTotal())
	items := []string{fundBill("ALIPAYACCOUNT", r.amount-back)}
	if back > 0 {
		items = append(items, fundBill("COUPON", back))
	}
	return "[" + strings.Join(items, ",") + "]"
}
