// Package wire shows our orders and refunds as Cloud Pay messages. It is the
// one projection of our states to the wire's (money.md §1), used by answers
// and by callbacks alike.
//
// It knows both vocabularies and nothing else: no store, no clock, no HTTP.
package wire

import (
	"encoding/json"
	"time"

	"cloudpay/cpay"
	"cloudpay/internal/pay"
)

// Extra is what a caller sent with an order or refund and only wants to see
// again. It is kept as JSON in pay.Order.Extra and pay.Refund.Extra; an empty
// Extra is kept as "".
type Extra struct {
	Detail             string           `json:"detail,omitempty"`
	Remark             string           `json:"remark,omitempty"`
	ClientFlowID       string           `json:"client_flow_id,omitempty"`
	Attach             string           `json:"attach,omitempty"`
	GoodsTag           string           `json:"goods_tag,omitempty"`
	LimitPay           string           `json:"limit_pay,omitempty"`
	SubMchPayInfo      string           `json:"sub_mch_pay_info,omitempty"`
	Discountable       int64            `json:"discountable_amount,omitempty"`
	Undiscountable     int64            `json:"undiscountable_amount,omitempty"`
	DisablePayChannels string           `json:"disable_pay_channels,omitempty"`
	RefundFlowID       string           `json:"client_refund_flow_id,omitempty"`
	Client             cpay.OrderClient `json:"order_client,omitzero"`
}

// Encode returns the JSON of e, "" when there is nothing in it. What no client
// could read back is dropped: numbers beyond 32 bits (protocol.md R24) and a
// detail that is not the JSON text of one (R29).
func (e Extra) Encode() string {
	for _, n := range [...]*int64{&e.Discountable, &e.Undiscountable, &e.Client.TerminalType, &e.Client.SubTerminalType} {
		if *n < 0 || *n > cpay.MaxFee {
			*n = 0
		}
	}
	if e.Detail != "" && cpay.Decode([]byte(e.Detail), new(cpay.Detail)) != nil {
		e.Detail = ""
	}
	if e == (Extra{}) {
		return ""
	}
	raw, err := json.Marshal(e)
	if err != nil {
		panic("wire: strings and numbers do not encode: " + err.Error())
	}
	return string(raw)
}

// decodeExtra reads what Encode wrote. A row that holds anything else shows
// nothing rather than failing an answer about money.
func decodeExtra(s string) Extra {
	var e Extra
	if s == "" || json.Unmarshal([]byte(s), &e) != nil {
		return Extra{}
	}
	return e
}

// exchangeRate is the rate the original service sent for CNY.
const exchangeRate = 100000000

// maxID is the longest number of a wallet that is shown: a C client copies it
// into 64 bytes without looking (protocol.md R22).
const maxID = 63

// MchKey names the order's merchant as every answer does (protocol.md R23).
func MchKey(o pay.Order) cpay.PayMchKey {
	return cpay.PayMchKey{
		PayPlatform: cpay.PayPlatform(o.Channel.Platform()),
		OutMchID:    o.ProviderID, OutSubMchID: o.MerchantID, OutShopID: o.ShopID,
		SubMchPayInfo: decodeExtra(o.Extra).SubMchPayInfo,
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
	x := decodeExtra(o.Extra)
	c := cpay.OrderContent{
		OutTradeNo: o.OutTradeNo, TransactionID: cut(o.TransactionID), TotalFee: int64(o.Total),
		CreateTime: unix(o.CreatedAt), LastUpdateTime: unix(o.UpdatedAt),
		IsTransforming: !o.State.Final() || o.Refunded < o.Reserved,
		TradeType:      cpay.TradeType(o.TradeType), FeeType: o.Currency,
		Body: o.Body, Detail: x.Detail, Remark: x.Remark, ClientFlowID: x.ClientFlowID,
		CallerNotifyURL: o.NotifyURL, ExchangeRate: exchangeRate,
	}
	// Money that came and went back, or came late, is not a payment; and what a
	// reverse returned is not a refund: SDKs tell "refunded in full" from
	// "closed" by refund_fee.
	var bank string
	var refunded int64
	if o.State == pay.PAID {
		c.TimeEnd, bank, refunded = unix(o.PaidAt), o.BankType, int64(o.Refunded)
		c.CashFee, c.CashFeeType, c.SettlementTotalFee = int64(o.Cash), o.Currency, int64(o.Settlement)
	}
	switch o.Channel {
	case pay.Wxpay:
		c.WxpayExt = &cpay.WxpayOrderContentExt{
			CurrentTradeState: wxpayState(o), BankType: bank, Attach: x.Attach, GoodsTag: x.GoodsTag,
			LimitPay: x.LimitPay, TradeStateDesc: describe(o),
		}
	case pay.Alipay:
		c.AlipayExt = &cpay.AlipayOrderContentExt{
			CurrentTradeState: alipayState(o), DiscountableAmount: x.Discountable,
			UndiscountableAmount: x.Undiscountable, DisablePayChannels: x.DisablePayChannels,
			RefundFee: refunded,
		}
	}
	return c
}

// wxpayState is money.md §1's projection for WeChat Pay.
func wxpayState(o pay.Order) cpay.WxpayOrderState {
	unified := o.TradeType != pay.TradeMicroPay
	switch o.State {
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
	switch o.State {
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
	switch o.State {
	case pay.PAYING:
		if o.Seen == pay.Waiting {
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

// Refund shows one refund of an order.
func Refund(o pay.Order, r pay.Refund) cpay.RefundOrderContent {
	c := cpay.RefundOrderContent{
		OutRefundNo: r.OutRefundNo, RefundID: cut(r.RefundID), OutTradeNo: r.OutTradeNo,
		TotalFee: int64(r.Total), RefundFee: int64(r.Amount), RefundFeeType: o.Currency,
		CreateTime: unix(r.CreatedAt), LastUpdateTime: unix(r.UpdatedAt),
		IsTransforming: r.State == pay.RefundPending || r.State == pay.RefundNeedsHand,
		TradeType:      cpay.TradeType(o.TradeType), RefundReason: r.Reason,
		RefundSuccessTime: unix(r.SucceededAt), SettlementRefundFee: int64(r.Settlement),
		ExchangeRate: exchangeRate, ClientRefundFlowID: decodeExtra(r.Extra).RefundFlowID,
	}
	switch r.Channel {
	case pay.Wxpay:
		c.WxpayExt = &cpay.WxpayRefundOrderContentExt{
			State: wxpayRefundState(r.State), SettlementRefundFee: int64(r.Settlement),
			CashRefundFee: int64(r.Cash), RefundRecvAccount: r.RecvAccount,
		}
	case pay.Alipay:
		c.AlipayExt = &cpay.AlipayRefundOrderContentExt{RefundStatus: alipayRefundState(r.State), GmtRefundPay: unix(r.SucceededAt)}
		if r.State == pay.RefundSucceeded {
			c.AlipayExt.FundChange = "Y"
		}
	}
	return c
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

// cut bounds a wallet's number.
func cut(id string) string { return id[:min(len(id), maxID)] }

// unix returns UNIX seconds, 0 for the zero time.
func unix(t time.Time) int64 {
	if t.IsZero() {
		return 0
	}
	return t.Unix()
}
