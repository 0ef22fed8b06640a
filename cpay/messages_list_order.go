package cpay

// ListPlace is where an order or refund of a list was made, and how.
type ListPlace struct {
	// OutMchID is the provider.
	OutMchID string
	// OutSubMchID is the merchant.
	OutSubMchID string
	// OutShopID is the shop.
	OutShopID string
	// ShopName is the shop's name.
	ShopName string
	// StaffID is the member of staff.
	StaffID string
	// StaffName is that person's name.
	StaffName string
	// DeviceID is the device.
	DeviceID string
	// DeviceName is the device's name.
	DeviceName string
	// QRCodeID is the code that the customer scanned.
	QRCodeID string
	// QRCodeName is the code's name.
	QRCodeName string
	// SourceType is the kind of code (protocol.md §3.14).
	SourceType int64
	// OutCardID is the member card.
	OutCardID string
	// SubPayPlatform is the kind of wallet (protocol.md §3.2).
	SubPayPlatform int64
	// TradeType says how it was paid.
	TradeType TradeType
	// OutTradeNo is the merchant's number of the order.
	OutTradeNo string
	// TransactionID is the wallet's number of the order.
	TransactionID string
	// TotalFee is the amount of the order, in fen.
	TotalFee int64
}

func (m *ListPlace) place(c *walk) {
	c.mustText("out_mch_id", &m.OutMchID, limitID)
	c.mustText("out_sub_mch_id", &m.OutSubMchID, limitID)
	c.mustText("out_shop_id", &m.OutShopID, limitID)
	c.text("shop_name", &m.ShopName, limitShopName)
	c.text("staff_id", &m.StaffID, limitClientText)
	c.text("staff_name", &m.StaffName, limitShopName)
	c.text("device_id", &m.DeviceID, limitClientText)
	c.text("device_name", &m.DeviceName, limitShopName)
	c.text("qrcode_id", &m.QRCodeID, limitClientText)
	c.text("qrcode_name", &m.QRCodeName, limitShopName)
	c.int("source_type", &m.SourceType)
	c.text("out_card_id", &m.OutCardID, limitClientText)
	c.mustInt("sub_pay_platform", &m.SubPayPlatform)
	c.mustInt("trade_type", (*int64)(&m.TradeType))
	c.mustText("out_trade_no", &m.OutTradeNo, limitTradeNo)
	c.text("transaction_id", &m.TransactionID, limitShort)
	c.mustInt("total_fee", &m.TotalFee)
}

// ListOrder is an order of query_order_list. Amounts are fen, times are UNIX
// seconds. The state stands under its wallet's name.
type ListOrder struct {
	ListPlace
	// FeeType is CNY.
	FeeType string
	// CashFee is what the customer paid after coupons.
	CashFee int64
	// CashFeeType is CNY.
	CashFeeType string
	// SettlementTotalFee is what the merchant is credited, before fees.
	SettlementTotalFee int64
	// DiscountFee is what the merchant is not credited of TotalFee.
	DiscountFee int64
	// RechargeBonusFee belongs to the recharge of a member card.
	RechargeBonusFee int64
	// IsCardRecharge marks the recharge of a member card.
	IsCardRecharge bool
	// Poundage is the fee; it may be negative.
	Poundage int64
	// CouponInfos are the coupons, always as a list (R29).
	CouponInfos []CouponInfo
	// RemainingSettlementFee is SettlementTotalFee without refunds.
	RemainingSettlementFee int64
	// IncomeFee is what the merchant receives.
	IncomeFee int64
	// TimeEnd is when it was paid.
	TimeEnd int64
	// CreateTime is when the server took it.
	CreateTime int64
	// LastUpdateTime is when it last changed.
	LastUpdateTime int64
	// Body describes the goods.
	Body string
	// Detail is the JSON text of a Detail, or empty.
	Detail string
	// ClientFlowID is the till's own number.
	ClientFlowID string
	// Remark is the merchant's note.
	Remark string
	// RefundedFee is the sum of the refunds.
	RefundedFee int64
	// RefundCreateTime is when the last refund was made.
	RefundCreateTime int64
	// RefundTime is when the last refund succeeded.
	RefundTime int64
	// RefundedSettlementFee is what the merchant was debited for refunds.
	RefundedSettlementFee int64
	// WxpayCurrentTradeState is set for WeChat Pay.
	WxpayCurrentTradeState WxpayOrderState
	// Attach is what the request sent.
	Attach string
	// BankType is the bank that paid, in WeChat Pay's codes.
	BankType string
	// GoodsTag is what the request sent.
	GoodsTag string
	// SceneInfo is what the request sent.
	SceneInfo string
	// AlipayCurrentTradeState is set for Alipay.
	AlipayCurrentTradeState AlipayOrderState
	// DiscountableAmount is what the request sent.
	DiscountableAmount int64
	// UndiscountableAmount is what the request sent.
	UndiscountableAmount int64
	// MembershipNumber is the member card.
	MembershipNumber string
	// UID is the member.
	UID string
	// Credits are the member's points.
	Credits int64
	// RecordCurrentTradeState is set for bookkeeping.
	RecordCurrentTradeState int64
	// What follows belongs to deposits.

	// OutFreezeNo is the merchant's number of the deposit.
	OutFreezeNo string
	// FreezeFee is the amount of the deposit.
	FreezeFee int64
	// IsDepositMode marks an order paid from a deposit.
	IsDepositMode bool
	// IsConfirmUnfreeze says that the rest of the deposit is returned.
	IsConfirmUnfreeze bool
	// ManualUnfreezeFee is what was returned by hand.
	ManualUnfreezeFee int64
	// FreezeID is the wallet's number of the deposit.
	FreezeID string
}

func (m *ListOrder) fields(c *walk) {
	m.place(c)
	c.text("fee_type", &m.FeeType, limitCurrency)
	c.int("cash_fee", &m.CashFee)
	c.text("cash_fee_type", &m.CashFeeType, limitCurrency)
	c.mustInt("settlement_total_fee", &m.SettlementTotalFee)
	c.int("discount_fee", &m.DiscountFee)
	c.int("recharge_bonus_fee", &m.RechargeBonusFee)
	c.bool("is_card_recharge", &m.IsCardRecharge)
	c.int("poundage", &m.Poundage)
	list(c, "coupon_infos", &m.CouponInfos)
	c.int("remaining_settlement_fee", &m.RemainingSettlementFee)
	c.int("income_fee", &m.IncomeFee)
	c.int("time_end", &m.TimeEnd)
	c.mustInt("create_time", &m.CreateTime)
	c.mustInt("last_update_time", &m.LastUpdateTime)
	c.text("body", &m.Body, limitBody)
	c.loose("detail", &m.Detail, limitDetail)
	c.text("client_flow_id", &m.ClientFlowID, limitClientText)
	c.text("remark", &m.Remark, limitAttach)
	c.mustInt("refunded_fee", &m.RefundedFee)
	c.int("refund_create_time", &m.RefundCreateTime)
	c.int("refund_time", &m.RefundTime)
	c.int("refunded_settlement_fee", &m.RefundedSettlementFee)
	c.int("wxpay_current_trade_state", (*int64)(&m.WxpayCurrentTradeState))
	c.text("attach", &m.Attach, limitAttach)
	c.text("bank_type", &m.BankType, limitShort)
	c.text("goods_tag", &m.GoodsTag, limitShort)
	c.loose("scene_info", &m.SceneInfo, limitExtra)
	c.int("alipay_current_trade_state", (*int64)(&m.AlipayCurrentTradeState))
	c.int("discountable_amount", &m.DiscountableAmount)
	c.int("undiscountable_amount", &m.UndiscountableAmount)
	c.text("membership_number", &m.MembershipNumber, limitShort)
	c.text("uid", &m.UID, limitShort)
	c.int("credits", &m.Credits)
	c.int("record_current_trade_state", &m.RecordCurrentTradeState)
	c.text("out_freeze_no", &m.OutFreezeNo, limitTradeNo)
	c.int("freeze_fee", &m.FreezeFee)
	c.bool("is_deposit_mode", &m.IsDepositMode)
	c.bool("is_confirm_unfreeze", &m.IsConfirmUnfreeze)
	c.int("manual_unfreeze_fee", &m.ManualUnfreezeFee)
	c.text("freeze_id", &m.FreezeID, limitShort)
}

// ListRefundOrder is a refund of query_order_list. Amounts are fen, times are
// UNIX seconds.
type ListRefundOrder struct {
	ListPlace
	// OutRefundNo is the merchant's number of the refund.
	OutRefundNo string
	// RefundID is the wallet's number of the refund.
	RefundID string
	// RefundFee is the amount of the refund.
	RefundFee int64
	// SettlementTotalFee is that of the order.
	SettlementTotalFee int64
	// SettlementRefundFee is what the merchant is debited.
	SettlementRefundFee int64
	// RefundFeeType is CNY.
	RefundFeeType string
	// Poundage is the fee that is returned; one client reads it as a double.
	Poundage int64
	// CouponInfos are the coupons, always as a list; one document misspells the name.
	CouponInfos []CouponInfo
	// IncomeFee is what the merchant pays.
	IncomeFee int64
	// CreateTime is when the server took it.
	CreateTime int64
	// LastUpdateTime is when it last changed.
	LastUpdateTime int64
	// RefundStartProcessingTime is when the wallet was asked.
	RefundStartProcessingTime int64
	// PayLastUpdateTime is when the order last changed.
	PayLastUpdateTime int64
	// RefundReason is the reason given.
	RefundReason string
	// ClientRefundFlowID is the till's own number.
	ClientRefundFlowID string
	// WxpayRefundState is set for WeChat Pay.
	WxpayRefundState WxpayRefundState
	// CashRefundFee goes back to the customer's own money.
	CashRefundFee int64
	// CashRefundFeeType is CNY.
	CashRefundFeeType string
	// AlipayRefundState is set for Alipay.
	AlipayRefundState AlipayRefundState
	// Credits are the member's points.
	Credits int64
	// RecordRefundState is set for bookkeeping.
	RecordRefundState int64
	// What follows belongs to deposits.

	// IsDepositMode marks the refund of an order paid from a deposit.
	IsDepositMode bool
	// OutFreezeNo is the merchant's number of the deposit.
	OutFreezeNo string
	// FreezeFee is the amount of the deposit.
	FreezeFee int64
}

func (m *ListRefundOrder) fields(c *walk) {
	m.place(c)
	c.mustText("out_refund_no", &m.OutRefundNo, limitTradeNo)
	c.text("refund_id", &m.RefundID, limitShort)
	c.mustInt("refund_fee", &m.RefundFee)
	c.int("settlement_total_fee", &m.SettlementTotalFee)
	c.mustInt("settlement_refund_fee", &m.SettlementRefundFee)
	c.text("refund_fee_type", &m.RefundFeeType, limitCurrency)
	c.int("poundage", &m.Poundage)
	c.respell("totcoupon_infosal_fee", "coupon_infos")
	list(c, "coupon_infos", &m.CouponInfos)
	c.int("income_fee", &m.IncomeFee)
	c.mustInt("create_time", &m.CreateTime)
	c.mustInt("last_update_time", &m.LastUpdateTime)
	c.int("refund_start_processing_time", &m.RefundStartProcessingTime)
	c.int("pay_last_update_time", &m.PayLastUpdateTime)
	c.text("refund_reason", &m.RefundReason, limitReason)
	c.text("client_refund_flow_id", &m.ClientRefundFlowID, limitClientText)
	c.int("wxpay_refund_state", (*int64)(&m.WxpayRefundState))
	c.int("cash_refund_fee", &m.CashRefundFee)
	c.text("cash_refund_fee_type", &m.CashRefundFeeType, limitCurrency)
	c.int("alipay_refund_state", (*int64)(&m.AlipayRefundState))
	c.int("credits", &m.Credits)
	c.int("record_refund_state", &m.RecordRefundState)
	c.bool("is_deposit_mode", &m.IsDepositMode)
	c.text("out_freeze_no", &m.OutFreezeNo, limitTradeNo)
	c.int("freeze_fee", &m.FreezeFee)
}
