package wire_test

import (
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"cloudpay/cpay"
	"cloudpay/internal/pay"
	"cloudpay/internal/wire"
)

// promoted is what a wallet says of coupons and sources, all of it.
var promoted = pay.Promotion{
	CouponFee: 12, Coupons: []pay.Coupon{{BatchID: "b1", ID: "c1", Fee: 10, Type: "CASH"}, {ID: "c2", Fee: 2, Type: "NO_CASH"}},
	Vouchers: []pay.Voucher{{
		ID: "v1", Name: "半价", Type: "ALIPAY_FIX_VOUCHER", Amount: 10, MerchantAmount: 9, OtherAmount: 1, Memo: "学生",
	}},
	FundBills: []pay.FundBill{{Channel: "ALIPAYACCOUNT", Amount: 88, RealAmount: 80}},
	PointFee:  3, InvoiceFee: 77, BuyerLogon: "138****0000", GoodsDetail: `[{"goods_id":"1"}]`,
}

var coupons = []cpay.CouponInfo{
	{CouponBatchID: "b1", CouponID: "c1", CouponFee: 10, CouponType: "CASH"}, {CouponID: "c2", CouponFee: 2, CouponType: "NO_CASH"},
}

func TestPaidOrderShowsWhoPaidForWhat(t *testing.T) {
	t.Parallel()
	o := paid(order(pay.Wxpay, pay.TradeMicroPay))
	o.Promo = promoted.Encode()
	c := wire.Order(o)
	if diff := cmp.Diff(coupons, c.CouponInfos); diff != "" || c.TradeState != 4 {
		t.Errorf("trade_state %d, coupon_infos (-want +got):\n%s", c.TradeState, diff)
	}
	if diff := cmp.Diff(coupons, c.WxpayExt.CouponInfos); diff != "" || c.WxpayExt.CouponFee != 12 || c.WxpayExt.CouponCount != 2 {
		t.Errorf("%+v (-want +got):\n%s", c.WxpayExt, diff)
	}
	o = paid(order(pay.Alipay, pay.TradeMicroPay))
	o.Promo, o.Refunded, o.Reserved = promoted.Encode(), o.Total, o.Total
	want := cpay.AlipayOrderContentExt{
		CurrentTradeState: 5, BuyerLogonID: "138****0000", PointAmount: 3, InvoiceAmount: 77, DiscountGoodsDetail: `[{"goods_id":"1"}]`,
		RefundFee: 100, SendPayDate: o.PaidAt.Unix(), GmtClose: o.UpdatedAt.Unix(),
		FundBillList: []cpay.FundBill{{FundChannel: "ALIPAYACCOUNT", Amount: 88, RealAmount: 80}},
		VoucherDetailList: []cpay.VoucherDetail{{
			ID: "v1", Name: "半价", Type: "ALIPAY_FIX_VOUCHER", Amount: 10, MerchantAmount: 9, OtherAmount: 1, Memo: "学生",
		}},
	}
	if diff := cmp.Diff(&want, wire.Order(o).AlipayExt); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
}

// TestMoneyThatWentBackIsNotShown: late money and reversed payments keep the
// wallet's account of them in the row, and show nothing of it.
func TestMoneyThatWentBackIsNotShown(t *testing.T) {
	t.Parallel()
	for _, ch := range []pay.Channel{pay.Wxpay, pay.Alipay} {
		for _, state := range []pay.OrderState{pay.REVERSED, pay.CLOSED, pay.DECLINED, pay.REVERSING} {
			o := paid(order(ch, pay.TradeScanCode))
			o.State, o.Promo, o.Late = state, promoted.Encode(), pay.LateReturned
			c := wire.Order(o)
			if c.CouponInfos != nil || c.TimeEnd != 0 || c.TradeState != 0 || c.WxpayExt != nil && (c.WxpayExt.CouponFee != 0 || c.WxpayExt.BankType != "") ||
				c.AlipayExt != nil && (c.AlipayExt.FundBillList != nil || c.AlipayExt.SendPayDate != 0 || c.AlipayExt.BuyerLogonID != "") {
				t.Errorf("%s %s: %+v", ch, state, c)
			}
		}
	}
}

func TestUnifiedOrderShowsWhatItTakesToPayIt(t *testing.T) {
	t.Parallel()
	o := order(pay.Wxpay, pay.TradeScanCode)
	o.Prepaid = pay.Prepaid{CodeURL: "weixin://1", PrepayID: "wx1"}
	o.ExpireAt, o.SourceType = at.Add(time.Hour), 2
	o.Extra = wire.Extra{ProductID: "p1", SceneInfo: `{"id":1}`}.Encode()
	c := wire.Order(o)
	if c.CodeURL != "weixin://1" || c.TimeExpire != at.Add(time.Hour).Unix() || c.SourceType != 2 || !c.IsTransforming ||
		c.WxpayExt.PrepareID != "wx1" || c.WxpayExt.ProductID != "p1" || c.WxpayExt.SceneInfo != `{"id":1}` || c.WxpayExt.TradeStateDesc != "等待用户支付" {
		t.Errorf("%+v %+v", c, c.WxpayExt)
	}
	o = order(pay.Alipay, pay.TradeScanCode)
	o.Extra = wire.Extra{ProductCode: "QR_CODE_OFFLINE", ExtendParams: `{"hb_fq_num":"3"}`}.Encode()
	if e := wire.Order(o).AlipayExt; e.ProductCode != "QR_CODE_OFFLINE" || e.ExtendParams != `{"hb_fq_num":"3"}` {
		t.Errorf("%+v", e)
	}
	if got := wire.Order(o).WxpayExt; got != nil {
		t.Errorf("two wallets: %+v", got)
	}
}

func TestRefundShowsItsPartsAndAccount(t *testing.T) {
	t.Parallel()
	o := paid(order(pay.Wxpay, pay.TradeMicroPay))
	r := refund(o, pay.RefundSucceeded)
	r.Promo, r.Account = promoted.Encode(), "REFUND_SOURCE_RECHARGE_FUNDS"
	c := wire.Refund(o, r)
	if diff := cmp.Diff(coupons, c.WxpayExt.CouponRefundInfos); diff != "" || c.WxpayExt.CouponRefundFee != 12 || c.WxpayExt.CouponRefundCount != 2 ||
		c.WxpayExt.RefundAccount != "REFUND_SOURCE_RECHARGE_FUNDS" || c.InnerRefundSuccessTime != r.UpdatedAt.Unix() {
		t.Errorf("%+v %+v: %s", c, c.WxpayExt, diff)
	}
	o = paid(order(pay.Alipay, pay.TradeMicroPay))
	r = refund(o, pay.RefundPending)
	r.Promo = promoted.Encode()
	c = wire.Refund(o, r)
	want := []cpay.FundBill{{FundChannel: "ALIPAYACCOUNT", Amount: 88, RealAmount: 80}}
	if diff := cmp.Diff(want, c.AlipayExt.RefundDetailItemList); diff != "" || c.InnerRefundSuccessTime != 0 {
		t.Errorf("known at %d: %s", c.InnerRefundSuccessTime, diff)
	}
}

// TestStaffToNotifyAreKeptAndShown: there is no official account to send from
// yet, so that the openids are the callback's receiver's to use.
func TestStaffToNotifyAreKeptAndShown(t *testing.T) {
	t.Parallel()
	var x wire.Extra
	x.SetNotifyOpenIDs([]string{"o1", "o2"})
	o := order(pay.Wxpay, pay.TradeMicroPay)
	o.Extra = x.Encode()
	if diff := cmp.Diff([]string{"o1", "o2"}, wire.MchKey(o).NotifyOpenIDs); diff != "" {
		t.Error(diff)
	}
	x.SetNotifyOpenIDs(make([]string, 100))
	o.Extra = x.Encode()
	if n := len(wire.MchKey(o).NotifyOpenIDs); n != 20 {
		t.Errorf("%d are kept, want 20", n)
	}
}
