package wire

import (
	"cloudpay/cpay"
	"cloudpay/internal/pay"
)

// Refund shows one refund of an order.
func Refund(o pay.Order, r pay.Refund) cpay.RefundOrderContent {
	c := cpay.RefundOrderContent{
		OutRefundNo: r.OutRefundNo, RefundID: cut(r.RefundID), OutTradeNo: r.OutTradeNo,
		TotalFee: int64(r.Total), RefundFee: int64(r.Amount), RefundFeeType: o.Currency,
		CreateTime: unix(r.CreatedAt), LastUpdateTime: unix(r.UpdatedAt),
		IsTransforming: r.State == pay.RefundPending || r.State == pay.RefundNeedsHand,
		TradeType:      cpay.TradeType(o.TradeType), RefundReason: r.Reason,
		InnerRefundSuccessTime: learned(r),
		RefundSuccessTime:      arrived(r), SettlementRefundFee: int64(r.Settlement),
		ExchangeRate: exchangeRate, ClientRefundFlowID: decodeExtra(r.Extra).RefundFlowID,
	}
	promo := pay.DecodePromotion(r.Promo)
	switch r.Channel {
	case pay.Wxpay:
		c.WxpayExt = &cpay.WxpayRefundOrderContentExt{
			State: wxpayRefundState(r.State), SettlementRefundFee: int64(r.Settlement),
			CashRefundFee: int64(r.Cash), RefundRecvAccount: r.RecvAccount, RefundAccount: r.Account,
			CouponRefundFee: fee(promo.CouponFee), CouponRefundCount: int64(len(promo.Coupons)), CouponRefundInfos: couponsOf(promo),
		}
	case pay.Alipay:
		c.AlipayExt = &cpay.AlipayRefundOrderContentExt{
			RefundStatus: alipayRefundState(r.State), GmtRefundPay: arrived(r), RefundDetailItemList: billsOf(promo),
		}
		if r.State == pay.RefundSucceeded {
			c.AlipayExt.FundChange = "Y"
		}
	}
	return c
}

// arrived is when a refund reached the customer, 0 while it has not: one that the
// bank sent back may have reached the merchant only.
func arrived(r pay.Refund) int64 {
	if r.State != pay.RefundSucceeded && r.State != pay.RefundOffline {
		return 0
	}
	return unix(r.SucceededAt)
}

// learned is when we knew that a refund succeeded, 0 while it has not.
func learned(r pay.Refund) int64 {
	if r.State != pay.RefundSucceeded {
		return 0
	}
	return unix(r.UpdatedAt)
}

// wxpayRefundState is money.md §1's projection of refunds for WeChat Pay.
func wxpayRefundState(s pay.RefundState) cpay.WxpayRefundState {
	switch s {
	case pay.RefundPending:
		return cpay.WxpayRefundProcessing
	case pay.RefundSucceeded, pay.RefundOffline:
		return cpay.WxpayRefundSucceeded
	case pay.RefundRejected:
		return cpay.WxpayRefundFailed
	case pay.RefundNeedsHand:
		return cpay.WxpayRefundByHand
	}
	return cpay.WxpayRefundInitial
}

// alipayRefundState is money.md §1's projection of refunds for Alipay.
func alipayRefundState(s pay.RefundState) cpay.AlipayRefundState {
	switch s {
	case pay.RefundPending:
		return cpay.AlipayRefundInitial
	case pay.RefundSucceeded, pay.RefundOffline:
		return cpay.AlipayRefundSucceeded
	case pay.RefundRejected, pay.RefundNeedsHand:
		return cpay.AlipayRefundFailed
	}
	return cpay.AlipayRefundInitial
}
