package sandbox_test

import (
	"math/rand/v2"
	"strconv"
	"testing"

	"cloudpay/internal/sandbox"
)

// coupons gives the customers of the calls that follow coupons.
func (b *bench) coupons(endpoint string, fen, count int64, kind string) {
	b.t.Helper()
	b.fault(sandbox.Fault{
		Scenario: "coupon", Endpoint: endpoint, Count: 1,
		Params: sandbox.Params{AmountFen: sandbox.Fen(fen), Coupons: count, Kind: kind},
	})
}

func TestCouponsPayAPartOfAWeChatOrder(t *testing.T) {
	t.Parallel()
	b := newBench(t, nil)
	for _, one := range []struct {
		total, give, count       int64
		kind                     string
		coupons, fee, settlement string
	}{
		{1000, 300, 3, "", "3", "300", "1000"},
		{1000, 300, 3, "CASH", "3", "300", "1000"},
		{1000, 301, 2, "NO_CASH", "2", "301", "699"},
		{1000, 0, 0, "NO_CASH", "1", "100", "900"},
		{100, 5000, 1, "CASH", "1", "99", "100"}, // a fen is left to pay
		{3, 2, 20, "CASH", "2", "2", "3"},        // no coupon of nothing
		{1, 1, 1, "CASH", "", "", "1"},
	} {
		b.coupons(sandbox.EndpointPay, one.give, one.count, one.kind)
		no := b.no()
		code, out := b.wxPay(no, b.code(sandbox.WeChat, ""), int(one.total))
		if code != "SUCCESS" || out["coupon_count"] != one.coupons || out["coupon_fee"] != one.fee || out["settlement_total_fee"] != one.settlement {
			t.Errorf("%+v = %s %v", one, code, out)
			continue
		}
		fee, _ := strconv.ParseInt(one.fee, 10, 64)
		sum := int64(0)
		count, _ := strconv.Atoi(one.coupons)
		for i := range count {
			n := "_" + strconv.Itoa(i)
			part, err := strconv.ParseInt(out["coupon_fee"+n], 10, 64)
			if err != nil || part <= 0 || out["coupon_id"+n] == "" || out["coupon_type"+n] != map[bool]string{true: "NO_CASH", false: "CASH"}[one.kind == "NO_CASH"] {
				t.Errorf("%+v: coupon %d of %v", one, i, out)
			}
			sum += part
		}
		if sum != fee || out["cash_fee"] != strconv.FormatInt(one.total-fee, 10) || out["total_fee"] != strconv.FormatInt(one.total, 10) {
			t.Errorf("%+v: the parts do not make the whole: %v", one, out)
		}
		if got := b.trade(no); got.Charged != sandbox.Fen(one.total) {
			t.Errorf("%+v: charged %d", one, got.Charged)
		}
		_, asked := b.wx("/pay/orderquery", kv{"out_trade_no": no})
		if asked["coupon_fee"] != out["coupon_fee"] || asked["coupon_id_0"] != out["coupon_id_0"] {
			t.Errorf("%+v: the query says %v", one, asked)
		}
	}
}

func TestCouponsPayAPartOfAnAlipayTrade(t *testing.T) {
	t.Parallel()
	b := newBench(t, nil)
	no := b.no()
	b.coupons(sandbox.EndpointPay, 250, 1, "NO_CASH")
	_, out := b.aliPay(no, b.code(sandbox.Alipay, ""), "10.00")
	if out["total_amount"] != "10.00" || out["receipt_amount"] != "7.50" || out["buyer_pay_amount"] != "7.50" || out["invoice_amount"] != "7.50" {
		t.Errorf("pay = %v", out)
	}
	bills, _ := out["fund_bill_list"].([]any)
	vouchers, _ := out["voucher_detail_list"].([]any)
	if len(bills) != 2 || len(vouchers) != 1 || bills[0].(map[string]any)["amount"] != "7.50" || bills[1].(map[string]any)["amount"] != "2.50" ||
		vouchers[0].(map[string]any)["merchant_contribute"] != "2.50" || out["discount_goods_detail"] == nil {
		t.Errorf("lists %v %v %v", bills, vouchers, out["discount_goods_detail"])
	}
	_, bare := b.ali("alipay.trade.query", kv{"out_trade_no": no})
	if bare["fund_bill_list"] != nil || bare["receipt_amount"] != "7.50" {
		t.Errorf("a query that asks for no list = %v", bare)
	}
}

// TestRefundsReturnCouponsExactly refunds orders in random parts: together they
// return what each source paid, and no part more than itself.
func TestRefundsReturnCouponsExactly(t *testing.T) {
	t.Parallel()
	b := newBench(t, nil)
	dice := rand.New(rand.NewPCG(1, 2))
	fen := func(out kv, name string) int64 {
		n, err := strconv.ParseInt(out[name], 10, 64)
		if err != nil || n < 0 {
			t.Fatalf("%s of %v: %v", name, out, err)
		}
		return n
	}
	for range 15 {
		no, total := b.no(), 2+dice.Int64N(400_00)
		coupon := 1 + dice.Int64N(total-1)
		b.coupons(sandbox.EndpointPay, coupon, 1+dice.Int64N(3), "NO_CASH")
		if code, out := b.wxPay(no, b.code(sandbox.WeChat, ""), int(total)); code == "USERPAYING" {
			t.Fatalf("pay = %s %v", code, out)
		}
		var settled, cash, back, parts int64
		for i, left := 0, total; left > 0; i++ {
			amount := 1 + dice.Int64N(left)
			if i == 4 {
				amount = left
			}
			left -= amount
			code, out := b.wxRefund(no, no+"R"+strconv.Itoa(i), int(total), int(amount))
			if code != "SUCCESS" {
				t.Fatalf("refund = %s %v", code, out)
			}
			one := fen(out, "coupon_refund_fee")
			if one > amount || fen(out, "cash_refund_fee") != amount-one {
				t.Errorf("a refund of %d returns %v", amount, out)
			}
			back, cash, settled = back+one, cash+fen(out, "cash_refund_fee"), settled+fen(out, "settlement_refund_fee")
			for n := range int(fen(out, "coupon_refund_count")) {
				parts += fen(out, "coupon_refund_fee_"+strconv.Itoa(n))
			}
		}
		if back != coupon || parts != coupon || cash != total-coupon || settled != total-coupon {
			t.Errorf("of %d with a coupon of %d: %d and %d of the coupon, %d cash and %d settled came back", total, coupon, back, parts, cash, settled)
		}
	}
}

func TestRefundsOfLargeOrdersDoNotOverflow(t *testing.T) {
	t.Parallel()
	b := newBench(t, nil)
	rich, err := b.NewCustomer(t.Context(), "", 100_000_000_00)
	if err != nil {
		t.Fatal(err)
	}
	no := b.no()
	b.coupons(sandbox.EndpointPrepay, 99_999_999_99, 1, "NO_CASH")
	b.pays(rich.ID, b.native(no, 100_000_000_00))
	code, out := b.wxRefund(no, "R1", 100_000_000_00, 99_999_999_99)
	if code != "SUCCESS" || out["coupon_refund_fee"] != "9999999998" || out["settlement_refund_fee"] != "1" {
		t.Errorf("refund = %s %v", code, out)
	}
}
