// Package wire shows our orders and refunds as Cloud Pay messages. It is the
// one projection of our states to the wire's (money.md §1), used by answers
// and by callbacks alike.
//
// It knows both vocabularies and nothing else: no store, no clock, no HTTP.
package wire

import (
	"time"

	"cloudpay/cpay"
	"cloudpay/internal/pay"
)

// exchangeRate is the rate the original service sent for CNY.
const exchangeRate = 100000000

// maxID is the longest number of a wallet that is shown: a C client copies it
// into 64 bytes without looking (protocol.md R22).
const maxID = 63

// MchKey names the order's merchant as every answer does (protocol.md R23).
func MchKey(o pay.Order) cpay.PayMchKey {
	x := decodeExtra(o.Extra)
	return cpay.PayMchKey{
		PayPlatform: cpay.PayPlatform(o.Channel.Platform()),
		OutMchID:    o.ProviderID, OutSubMchID: o.MerchantID, OutShopID: o.ShopID,
		SubMchPayInfo: x.SubMchPayInfo, NotifyOpenIDs: x.openIDs(),
	}
}

// Client returns the order_client that came with the order.
func Client(o pay.Order) *cpay.OrderClient {
	c := decodeExtra(o.Extra).Client
	if c == (cpay.OrderClient{}) {
		c = cpay.OrderClient{DeviceID: o.DeviceID, StaffID: o.StaffID}
	}
	return &c
}

// Paying shows an order as the answer to micro_pay. At status 0 that may hold
// the states 2, 9, 4 and 2, 4 only (money.md §1), so a paid Alipay order that
// can no longer be refunded is simply paid here.
func Paying(o pay.Order) cpay.OrderContent {
	o.Finished = false
	return Order(o)
}

// Order shows an order. Times become UNIX seconds, zero times stay absent.
func Order(o pay.Order) cpay.OrderContent {
	o.State = o.Standing()
	x := decodeExtra(o.Extra)
	c := cpay.OrderContent{
		OutTradeNo: o.OutTradeNo, TransactionID: cut(o.TransactionID), TotalFee: int64(o.Total),
		CreateTime: unix(o.CreatedAt), LastUpdateTime: unix(o.UpdatedAt),
		IsTransforming: !o.State.Final() || o.State == pay.PAID && o.Refunded < o.Reserved,
		TradeType:      cpay.TradeType(o.TradeType), FeeType: o.Currency,
		Body: o.Body, Detail: x.Detail, Remark: x.Remark, ClientFlowID: x.ClientFlowID,
		CallerNotifyURL: o.NotifyURL, ExchangeRate: exchangeRate, SourceType: o.SourceType,
		TimeExpire: unix(o.ExpireAt), CodeURL: o.Prepaid.CodeURL,
	}
	// Money that came and went back, or came late, is not a payment; and what a
	// reverse returned is not a refund: SDKs tell "refunded in full" from
	// "closed" by refund_fee.
	var paid pay.Order
	var promo pay.Promotion
	if o.State == pay.PAID {
		paid, promo = o, pay.DecodePromotion(o.Promo)
		c.TimeEnd, c.TradeState = unix(o.PaidAt), tradeStatePaid
		c.CashFee, c.CashFeeType, c.SettlementTotalFee = int64(o.Cash), o.Currency, int64(o.Settlement)
		c.CouponInfos = couponsOf(promo)
	}
	switch o.Channel {
	case pay.Wxpay:
		c.WxpayExt = &cpay.WxpayOrderContentExt{
			CurrentTradeState: wxpayState(o), BankType: paid.BankType, Attach: x.Attach, GoodsTag: x.GoodsTag,
			LimitPay: x.LimitPay, TradeStateDesc: describe(o), ProductID: x.ProductID, SceneInfo: x.SceneInfo,
			PrepareID: o.Prepaid.PrepayID, CouponFee: fee(promo.CouponFee), CouponCount: int64(len(promo.Coupons)),
			CouponInfos: couponsOf(promo),
		}
	case pay.Alipay:
		c.AlipayExt = &cpay.AlipayOrderContentExt{
			CurrentTradeState: alipayState(o), DiscountableAmount: x.Discountable,
			UndiscountableAmount: x.Undiscountable, DisablePayChannels: x.DisablePayChannels,
			ProductCode: x.ProductCode, ExtendParams: x.ExtendParams, RefundFee: int64(paid.Refunded),
			SendPayDate: unix(paid.PaidAt), BuyerLogonID: promo.BuyerLogon, PointAmount: fee(promo.PointFee),
			InvoiceAmount: fee(promo.InvoiceFee), DiscountGoodsDetail: promo.GoodsDetail,
			FundBillList: billsOf(promo), VoucherDetailList: vouchersOf(promo),
		}
		if o.State == pay.CLOSED || o.State == pay.REVERSED || o.State == pay.PAID && o.Refunded == o.Total {
			c.AlipayExt.GmtClose = unix(o.UpdatedAt)
		}
	}
	return c
}

// refunded is what the merchant has refunded of an order. What a reverse or late
// money gave back was never his.
func refunded(o pay.Order) int64 {
	if !o.Taken() {
		return 0
	}
	return int64(o.Refunded)
}

// tradeStatePaid is the trade_state of a paid order in the documents' samples.
const tradeStatePaid = 4

// wxpayState is money.md §1's projection for WeChat Pay.
func wxpayState(o pay.Order) cpay.WxpayOrderState {
	unified := o.TradeType != pay.TradeMicroPay
	switch o.Standing() {
	case pay.PAYING, pay.REVERSING, pay.CLOSING:
		if unified {
			return cpay.WxpayWaiting
		}
		return cpay.WxpayUserPaying
	case pay.PAID:
		switch {
		case o.Reserved > 0:
			return cpay.WxpayRefunded
		case unified:
			return cpay.WxpayPaid
		}
		return cpay.WxpayMicroPaid
	case pay.DECLINED:
		if o.Stopped {
			return cpay.WxpayCancelled
		}
		return cpay.WxpayFailed
	case pay.REVERSED:
		if o.Stopped {
			return cpay.WxpayCancelled
		}
		return cpay.WxpayReversed
	case pay.CLOSED:
		if unified {
			return cpay.WxpayClosed
		}
		return cpay.WxpayVoid // it never reached the channel (money.md §3 row 11)
	}
	return cpay.WxpayInitial
}

// alipayState is money.md §1's projection for Alipay.
func alipayState(o pay.Order) cpay.AlipayOrderState {
	switch o.Standing() {
	case pay.PAYING, pay.REVERSING, pay.CLOSING:
		return cpay.AlipayWaiting
	case pay.PAID:
		switch {
		case o.Refunded == o.Total:
			return cpay.AlipayClosed
		case o.Finished:
			return cpay.AlipayFinished
		}
		return cpay.AlipayPaid
	case pay.DECLINED:
		if o.Stopped {
			return cpay.AlipayClosed
		}
		return cpay.AlipayVoid
	case pay.REVERSED:
		return cpay.AlipayClosed
	case pay.CLOSED:
		if o.TradeType != pay.TradeMicroPay {
			return cpay.AlipayClosed
		}
		return cpay.AlipayVoid
	}
	return cpay.AlipayInitial
}

// describe is the sentence a till may show for an order.
func describe(o pay.Order) string {
	switch o.Standing() {
	case pay.PAYING:
		switch {
		case o.Payable():
			return "等待用户支付"
		case o.Seen == pay.Waiting && !o.TradeType.Unified():
			return "等待用户输入密码中"
		}
		return "支付结果未知，正在查询"
	case pay.REVERSING:
		return "正在撤单"
	case pay.CLOSING:
		return "正在关闭"
	case pay.PAID:
		switch {
		case o.Refunded == o.Total:
			return "已全额退款"
		case o.Reserved == o.Total:
			return "已全额退款，退款处理中"
		case o.Reserved > 0:
			return "已部分退款"
		}
		return "支付成功"
	case pay.DECLINED, pay.REVERSED:
		switch {
		case o.Stopped:
			return "用户已取消支付"
		case o.State == pay.REVERSED:
			return "已撤单"
		case o.Text != "":
			return o.Text
		}
		return "支付失败"
	case pay.CLOSED:
		return "订单已关闭"
	}
	return ""
}

// cut bounds a wallet's number.
func cut(id string) string { return id[:min(len(id), maxID)] }

// unix returns UNIX seconds, 0 for the zero time.
func unix(t time.Time) int64 {
	if t.IsZero() {
		return 0
	}
	return t.Unix()
}
