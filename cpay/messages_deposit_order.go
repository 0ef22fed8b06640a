package cpay

// FreezeOrderContent is a deposit as the server knows it (freeze_order_content).
// Amounts are fen, times are UNIX seconds.
type FreezeOrderContent struct {
	// OutFreezeNo is the merchant's number.
	OutFreezeNo string
	// FreezeID is the wallet's number.
	FreezeID string
	// TradeType says how it was taken.
	TradeType TradeType
	// AuthorCode is the payment code, if the server repeats it.
	AuthorCode PayCode
	// TimeExpire is when it can no longer be left.
	TimeExpire int64
	// TimeEnd is when it was left.
	TimeEnd int64
	// CreateTime is when the server took the call.
	CreateTime int64
	// LastUpdateTime is when it last changed.
	LastUpdateTime int64
	// IsTransforming says that the server is still working on it.
	IsTransforming bool
	// FreezeFee is the amount.
	FreezeFee int64
	// FeeType is CNY.
	FeeType string
	// CashFee is what the customer left of their own money.
	CashFee int64
	// CashFeeType is CNY.
	CashFeeType string
	// SettlementTotalFee is what the merchant may be credited.
	SettlementTotalFee int64
	// Body describes it.
	Body string
	// Detail is the JSON text of a Detail, or empty.
	Detail string
	// Remark is the merchant's note.
	Remark string
	// TotalConsumeFee was paid from it.
	TotalConsumeFee int64
	// TotalManualUnfreezeFee was returned by hand.
	TotalManualUnfreezeFee int64
	// TotalAutoUnfreezeFee was returned after 30 days.
	TotalAutoUnfreezeFee int64
	// TotalRefundFee was refunded of what was paid.
	TotalRefundFee int64
	// WxpayExt is set for WeChat Pay.
	WxpayExt *WxpayFreezeOrderContentExt
	// AlipayExt is set for Alipay.
	AlipayExt *AlipayFreezeOrderContentExt
}

func (m *FreezeOrderContent) fields(c *walk) {
	c.mustText("out_freeze_no", &m.OutFreezeNo, limitTradeNo)
	c.text("freeze_id", &m.FreezeID, limitShort)
	c.int("trade_type", (*int64)(&m.TradeType))
	c.text("author_code", (*string)(&m.AuthorCode), limitPayCode)
	c.int("time_expire", &m.TimeExpire)
	c.int("time_end", &m.TimeEnd)
	c.mustInt("create_time", &m.CreateTime)
	c.mustInt("last_update_time", &m.LastUpdateTime)
	c.mustBool("is_transforming", &m.IsTransforming)
	c.mustInt("freeze_fee", &m.FreezeFee)
	c.text("fee_type", &m.FeeType, limitCurrency)
	c.int("cash_fee", &m.CashFee)
	c.text("cash_fee_type", &m.CashFeeType, limitCurrency)
	c.int("settlement_total_fee", &m.SettlementTotalFee)
	c.text("body", &m.Body, limitBody)
	c.loose("detail", &m.Detail, limitDetail)
	c.text("remark", &m.Remark, limitAttach)
	c.int("total_consume_fee", &m.TotalConsumeFee)
	c.int("total_manual_unfreeze_fee", &m.TotalManualUnfreezeFee)
	c.int("total_auto_unfreeze_fee", &m.TotalAutoUnfreezeFee)
	c.int("total_refund_fee", &m.TotalRefundFee)
	optional(c, "wxpay_freeze_order_content_ext", &m.WxpayExt)
	if c.mode == writing && m.WxpayExt != nil {
		return
	}
	optional(c, "alipay_freeze_order_content_ext", &m.AlipayExt)
}

// WxpayFreezeOrderContentExt is what WeChat Pay knows of a deposit.
type WxpayFreezeOrderContentExt struct {
	// CurrentTradeState is a WxpayFreezeOrderState of protocol.md §3.9.
	CurrentTradeState int64
}

func (m *WxpayFreezeOrderContentExt) fields(c *walk) {
	c.mustInt("current_trade_state", &m.CurrentTradeState)
}

// AlipayFreezeOrderContentExt is what Alipay knows of a deposit.
type AlipayFreezeOrderContentExt struct {
	// CurrentTradeState is an AlipayFreezeOrderState of protocol.md §3.9.
	CurrentTradeState int64
	// ProductCode is Alipay's product.
	ProductCode string
	// EnablePayChannels is what the request sent.
	EnablePayChannels string
	// SettleFeeType is CNY.
	SettleFeeType string
}

func (m *AlipayFreezeOrderContentExt) fields(c *walk) {
	c.mustInt("current_trade_state", &m.CurrentTradeState)
	c.text("product_code", &m.ProductCode, limitShort)
	c.text("enable_pay_channels", &m.EnablePayChannels, limitExtra)
	c.text("settle_fee_type", &m.SettleFeeType, limitCurrency)
}

// UnfreezeOrderContent is a return of a deposit as the server knows it. The
// documents list its members only by analogy.
type UnfreezeOrderContent struct {
	// OutFreezeNo is the merchant's number of the deposit.
	OutFreezeNo string
	// OutUnfreezeNo is the merchant's number of the return.
	OutUnfreezeNo string
	// UnfreezeID is the wallet's number of the return.
	UnfreezeID string
	// UnfreezeFee is the amount.
	UnfreezeFee int64
	// CreateTime is when the server took the call.
	CreateTime int64
	// LastUpdateTime is when it last changed.
	LastUpdateTime int64
	// IsTransforming says that the server is still working on it.
	IsTransforming bool
	// Remark is the merchant's note.
	Remark string
}

func (m *UnfreezeOrderContent) fields(c *walk) {
	c.mustText("out_freeze_no", &m.OutFreezeNo, limitTradeNo)
	c.mustText("out_unfreeze_no", &m.OutUnfreezeNo, limitTradeNo)
	c.text("unfreeze_id", &m.UnfreezeID, limitShort)
	c.mustInt("unfreeze_fee", &m.UnfreezeFee)
	c.mustInt("create_time", &m.CreateTime)
	c.mustInt("last_update_time", &m.LastUpdateTime)
	c.mustBool("is_transforming", &m.IsTransforming)
	c.text("remark", &m.Remark, limitAttach)
}
