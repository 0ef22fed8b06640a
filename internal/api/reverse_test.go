package api_test

import (
	"testing"

	"cloudpay/cpay"
	"cloudpay/internal/directory"
	"cloudpay/internal/pay"
)

// A reverse of a paid order did not look at who consents to it: a clerk without
// the right to refund could give the money back (money.md §3 row 8).
func TestBugClerkReversedAPaidOrder(t *testing.T) {
	t.Parallel()
	h := newHouse(t, options{merchant: func(m *directory.Merchant) { m.ReversePaid = true }})
	no := h.paid(t, pay.Wxpay, 100)
	by := func(staff string) object {
		return about(no).with("pay_mch_key.out_shop_id", theShop).with("pay_mch_key.authorization_staff_id", staff)
	}
	for _, staff := range []string{"1003", "nobody"} {
		h.call(t, cpay.MethodReverse, by(staff)).is(t, 104, 0)
		if o := h.order(no); o.State != pay.PAID {
			t.Fatalf("%s reversed it: %s", staff, o.State)
		}
	}
	h.call(t, cpay.MethodReverse, by("1004")).is(t, 103, 0) // it leaves 15 s after the payment
	if o := h.order(no); o.State != pay.REVERSING || !o.PaidSeen {
		t.Errorf("with the right to refund: %s", o.State)
	}
	h.call(t, cpay.MethodRefund, refundOf(no, h.number(), 100, 1)).is(t, 104, 0) // they exclude each other
	h.call(t, cpay.MethodReverse, by("1003")).is(t, 103, 0)                      // and whoever asks again changes nothing
	unnamed := h.paid(t, pay.Wxpay, 100)
	h.call(t, cpay.MethodReverse, about(unnamed)).is(t, 103, 0)
}
