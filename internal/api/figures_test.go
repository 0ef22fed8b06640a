package api_test

import (
	"bytes"
	"strconv"
	"testing"
	"time"

	"cloudpay/cpay"
	"cloudpay/internal/pay"
)

// TestEveryFigureIsUnderItsName: what was sold and given back is the same in
// all four sums, and no two of their members are mixed up (protocol.md §2.0,
// §2.3, §2.5 no. 31).
func TestEveryFigureIsUnderItsName(t *testing.T) {
	t.Parallel()
	h := newHouse(t, options{})
	no := h.paid(t, pay.Alipay, 100)
	h.paid(t, pay.Alipay, 150)
	h.call(t, cpay.MethodRefund, refundOf(no, h.number(), 100, 30).with("pay_mch_key.pay_platform", 2)).is(t, 0, 0)
	now := time.Now().Unix()
	span := object{"out_sub_mch_id": theMerchant, "start_time": now - 3600, "end_time": now + 60, "page_num": 1, "page_size": 10}
	long := map[string]int{
		"success_count": 2, "success_amount": 250, "settle_amount": 220, "discount_amount": 0, "pay_settle_amount": 250,
		"refund_settle_amount": 30, "refund_create_count": 1, "refund_create_amount": 30, "poundage": 0, "income_amount": 220,
		"order_refunded_amount": 30, "sub_pay_platform": 200,
	}
	item := map[string]int{
		"total_count": 2, "total_amount": 250, "success_count": 2, "success_amount": 250, "settle_amount": 220, "refund_count": 1,
		"refund_amount": 30, "net_count": 1, "net_amount": 220, "distinct_payer_count": 2, "pay_settle_amount": 250,
		"revoke_settle_amount": 0, "refund_settle_amount": 30, "pay_platform": 2,
	}
	brief := map[string]int{
		"sc": 2, "sa": 250, "sta": 220, "da": 0, "psa": 250, "rsa": 30, "rcc": 1, "rca": 30, "pdg": 0, "ia": 220, "ora": 30, "spp": 200,
	}
	ask := func(method string, in object) answer {
		t.Helper()
		a := h.postTo(t, method, cpay.ResponseMember(method), theKey, bytes.NewReader(byMAC(in.text())))
		a.is(t, 0, 0)
		return a
	}
	content := object{"osmi": theMerchant, "osi": theShop, "ot": 3, "st": now - 3600, "et": now + 60, "ns": "n"}.text()
	short := h.postBrief(t, cpay.MethodBriefQueryOrderListOverview, theKey, []byte(object{"r": content, "a": mac(theKey, content)}.text()))
	short.is(t, 0, 0)
	for _, c := range []struct {
		name, at string
		a        answer
		want     map[string]int
	}{
		{"client_order_detail", "overview.", ask(cpay.MethodClientOrderDetail, span.with("query_order_type", 3).with("pay_platform", 2).with("enable_overview", true)), long},
		{"query_order_list_overview", "overviews.0.", ask(cpay.MethodQueryOrderListOverview, span.with("order_type", 3)), long},
		{"client_sub_mch_sales_overview", "stat_infos.0.", ask(cpay.MethodClientSubMchSalesOverview, span.with("out_mch_id", theProvider).with("stat_type", 4)), item},
		{"brief_query_order_list_overview", "ovs.0.", short, brief},
	} {
		for member, want := range c.want {
			if got := c.a.get(c.at + member); got != strconv.Itoa(want) {
				t.Errorf("%s: %s is %s, want %d", c.name, member, got, want)
			}
		}
	}
}
