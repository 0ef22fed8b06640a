package cpay

// RefundContent is what is to be refunded (refund_content). Amounts are fen.
type RefundContent struct {
	// OutTradeNo is the order to refund.
	OutTradeNo string
	// OutRefundNo begins with the order prefix too; the same number is the same refund.
	OutRefundNo string
	// TotalFee is the amount of the order, not of this refund, and must be right.
	TotalFee int64
	// RefundFee is the amount to return; all refunds together never exceed TotalFee.
	RefundFee int64
	// RefundFeeType is CNY; empty means the same.
	RefundFeeType string
	// RefundReason is shown to the customer.
	RefundReason string
	// ClientRefundFlowID is the till's own number of the refund.
	ClientRefundFlowID string
	// OutFreezeNo is the deposit that the payment came from.
	OutFreezeNo string
	// WxpayExt is what only WeChat Pay takes; it has three spellings on the wire.
	WxpayExt *WxpayRefundContentExt
}

func (m *RefundContent) fields(c *walk) {
	c.mustText("out_trade_no", &m.OutTradeNo, limitTradeNo)
	c.mustText("out_refund_no", &m.OutRefundNo, limitTradeNo)
	c.mustInt("total_fee", &m.TotalFee)
	c.mustInt("refund_fee", &m.RefundFee)
	c.text("refund_fee_type", &m.RefundFeeType, limitCurrency)
	c.text("refund_reason", &m.RefundReason, limitReason)
	c.text("client_refund_flow_id", &m.ClientRefundFlowID, limitClientText)
	c.text("out_freeze_no", &m.OutFreezeNo, limitTradeNo)
	c.respell("wx_pay_refund_content_ext", "wxpay_refund_content_ext")
	c.respell("wxpay_refund_order_content_ext", "wxpay_refund_content_ext")
	optional(c, "wxpay_refund_content_ext", &m.WxpayExt)
}

// WxpayRefundContentExt says which account of the merchant pays the refund.
type WxpayRefundContentExt struct {
	// RefundAccount is REFUND_SOURCE_UNSETTLED_FUNDS or REFUND_SOURCE_RECHARGE_FUNDS.
	RefundAccount string
}

func (m *WxpayRefundContentExt) fields(c *walk) {
	c.text("refund_account", &m.RefundAccount, limitShort)
}

// RefundOrderContent is a refund as the server knows it (refund_order_content).
// Amounts are fen, times are UNIX seconds. Exactly one ext is set, and Encode
// writes only the first.
type RefundOrderContent struct {
	// OutRefundNo is the merchant's number of the refund.
	OutRefundNo string
	// RefundID is the wallet's number, set once it succeeded (R39).
	RefundID string
	// OutTradeNo is the order.
	OutTradeNo string
	// TotalFee is the amount of the order.
	TotalFee int64
	// RefundFee is the amount of the refund.
	RefundFee int64
	// RefundFeeType is CNY.
	RefundFeeType string
	// NonceStr belongs to the refund, not to the answer.
	NonceStr string
	// CreateTime is when the server took the refund.
	CreateTime int64
	// LastUpdateTime is when the refund last changed.
	LastUpdateTime int64
	// IsTransforming says that the server is still working on the refund.
	IsTransforming bool
	// TradeType is that of the order.
	TradeType TradeType
	// RefundSuccessTime is when the wallet returned the money.
	RefundSuccessTime int64
	// InnerRefundSuccessTime is when the server learned of it.
	InnerRefundSuccessTime int64
	// SettlementRefundFee is what the merchant is debited.
	SettlementRefundFee int64
	// TradeState is not looked at by Local.
	TradeState int64
	// ExchangeRate is in units of 1/100,000,000.
	ExchangeRate int64
	// ClientRefundFlowID is the till's own number of the refund.
	ClientRefundFlowID string
	// RefundReason may have lines about operator and approver at its end.
	RefundReason string
	// WxpayExt is set for WeChat Pay.
	WxpayExt *WxpayRefundOrderContentExt
	// AlipayExt is set for Alipay.
	AlipayExt *AlipayRefundOrderContentExt
	// CardExt is set for the merchant's member card.
	CardExt *CardRefundOrderContentExt
	// RecordExt is set for bookkeeping.
	RecordExt *RecordRefundOrderContentExt
	// What follows belongs to deposits.

	// IsDepositMode marks the refund of an order paid from a deposit.
	IsDepositMode bool
	// OutFreezeNo is the merchant's number of the deposit.
	OutFreezeNo string
	// FreezeFee is the amount of the deposit.
	FreezeFee int64
}

func (m *RefundOrderContent) fields(c *walk) {
	c.mustText("out_refund_no", &m.OutRefundNo, limitTradeNo)
	c.text("refund_id", &m.RefundID, limitShort)
	c.mustText("out_trade_no", &m.OutTradeNo, limitTradeNo)
	c.mustInt("total_fee", &m.TotalFee)
	c.mustInt("refund_fee", &m.RefundFee)
	m.ext(c)
	c.spare(shedOptional)
	c.text("refund_fee_type", &m.RefundFeeType, limitCurrency)
	if !c.spared() {
		c.freshNonce(&m.NonceStr)
		c.mustInt("create_time", &m.CreateTime)
		c.mustInt("last_update_time", &m.LastUpdateTime)
		c.mustBool("is_transforming", &m.IsTransforming)
	}
	c.int("trade_type", (*int64)(&m.TradeType))
	c.int("refund_success_time", &m.RefundSuccessTime)
	c.int("inner_refund_success_time", &m.InnerRefundSuccessTime)
	c.int("settlement_refund_fee", &m.SettlementRefundFee)
	c.int("trade_state", &m.TradeState)
	c.int("exchange_rate", &m.ExchangeRate)
	c.bool("is_deposit_mode", &m.IsDepositMode)
	c.text("out_freeze_no", &m.OutFreezeNo, limitTradeNo)
	c.int("freeze_fee", &m.FreezeFee)
	c.spare(shedTexts)
	c.text("client_refund_flow_id", &m.ClientRefundFlowID, limitClientText)
	c.text("refund_reason", &m.RefundReason, limitReason)
}

// ext names the alternatives, of which one is written.
func (m *RefundOrderContent) ext(c *walk) {
	one := c.mode == writing
	optional(c, "wxpay_refund_order_content_ext", &m.WxpayExt)
	if one && m.WxpayExt != nil {
		return
	}
	optional(c, "alipay_refund_order_content_ext", &m.AlipayExt)
	if one && m.AlipayExt != nil {
		return
	}
	optional(c, "card_refund_order_content_ext", &m.CardExt)
	if one && m.CardExt != nil {
		return
	}
	optional(c, "record_refund_order_content_ext", &m.RecordExt)
}

// WxpayRefundOrderContentExt is what WeChat Pay knows of a refund. Its state is
// called state, not refund_status.
type WxpayRefundOrderContentExt struct {
	// State is the state that decides; see Local.
	State WxpayRefundState
	// CashRefundFee goes back to the customer's own money.
	CashRefundFee int64
	// SettlementRefundFee is the refund without coupons that cost the merchant nothing.
	SettlementRefundFee int64
	// CouponRefundFee goes back to coupons.
	CouponRefundFee int64
	// CouponRefundCount is how many coupons that are.
	CouponRefundCount int64
	// CouponRefundInfos are these coupons.
	CouponRefundInfos []CouponInfo
	// RefundAccount is which money of the merchant paid the refund.
	RefundAccount string
	// RefundChannel is ORIGINAL or BALANCE.
	RefundChannel string
	// RefundRecvAccount is where the money went, in words.
	RefundRecvAccount string
}

func (m *WxpayRefundOrderContentExt) fields(c *walk) {
	c.mustInt("state", (*int64)(&m.State))
	c.spare(shedOptional)
	c.int("cash_refund_fee", &m.CashRefundFee)
	c.int("settlement_refund_fee", &m.SettlementRefundFee)
	c.int("coupon_refund_fee", &m.CouponRefundFee)
	c.int("coupon_refund_count", &m.CouponRefundCount)
	list(c, "coupon_refund_infos", &m.CouponRefundInfos)
	c.text("refund_account", &m.RefundAccount, limitShort)
	c.text("refund_channel", &m.RefundChannel, limitShort)
	c.respell("refund_rcv_account", "refund_recv_account")
	c.text("refund_recv_account", &m.RefundRecvAccount, limitShort)
}

// AlipayRefundOrderContentExt is what Alipay knows of a refund. Its state is
// called refund_status, not state.
type AlipayRefundOrderContentExt struct {
	// RefundStatus is the state that decides; see Local.
	RefundStatus AlipayRefundState
	// FundChange is Y if money moved and N if it had moved before.
	FundChange string
	// GmtRefundPay is when, as a number (R25).
	GmtRefundPay int64
	// RefundDetailItemList says where the money went.
	RefundDetailItemList []FundBill
}

func (m *AlipayRefundOrderContentExt) fields(c *walk) {
	c.mustInt("refund_status", (*int64)(&m.RefundStatus))
	c.spare(shedOptional)
	c.text("fund_change", &m.FundChange, limitShort)
	c.int("gmt_refund_pay", &m.GmtRefundPay)
	list(c, "refund_detail_item_list", &m.RefundDetailItemList)
}

// CardRefundOrderContentExt is the state of a refund to a member card.
type CardRefundOrderContentExt struct {
	// State is a CardRefundOrderState of protocol.md §3.8.
	State int64
}

func (m *CardRefundOrderContentExt) fields(c *walk) { c.mustInt("state", &m.State) }

// RecordRefundOrderContentExt is the state of a bookkeeping refund.
type RecordRefundOrderContentExt struct {
	// State is a RecordRefundOrderState of protocol.md §3.8.
	State int64
}

func (m *RecordRefundOrderContentExt) fields(c *walk) { c.mustInt("state", &m.State) }
