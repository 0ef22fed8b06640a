package cpay

// OrderContent is an order as the server knows it (order_content). Amounts are
// fen, times are UNIX seconds. Whether it is paid stands in the ext of its
// wallet; see Outcome. Exactly one ext is set, and Encode writes only the first.
type OrderContent struct {
	// OutTradeNo is the merchant's number.
	OutTradeNo string
	// TransactionID is the wallet's number, or the server's until that is known; under 64 characters (R22).
	TransactionID string
	// TotalFee is the amount.
	TotalFee int64
	// NonceStr belongs to the order, not to the answer.
	NonceStr string
	// CreateTime is when the server took the order.
	CreateTime int64
	// LastUpdateTime is when the order last changed.
	LastUpdateTime int64
	// IsTransforming says that the server is still working on the order.
	IsTransforming bool
	// TradeType says how it is paid.
	TradeType TradeType
	// FeeType is CNY.
	FeeType string
	// CashFee is what the customer paid after coupons.
	CashFee int64
	// CashFeeType is CNY.
	CashFeeType string
	// SettlementTotalFee is what the merchant is credited, before fees.
	SettlementTotalFee int64
	// TimeEnd is when it was paid, by the wallet's clock.
	TimeEnd int64
	// TradeState is 4 for success in samples; Outcome does not look at it.
	TradeState int64
	// SourceType is the kind of code that the customer scanned (protocol.md §3.14).
	SourceType int64
	// RefundedFee is sent by client_order_detail only.
	RefundedFee int64
	// ExchangeRate is in units of 1/100,000,000.
	ExchangeRate int64
	// AuthorCode is the payment code, if the server repeats it.
	AuthorCode PayCode
	// CodeURL is what a scan order's code holds.
	CodeURL string
	// TimeExpire is when the order ends unpaid.
	TimeExpire int64
	// ClientFlowID is the till's own number of the sale.
	ClientFlowID string
	// CouponInfos are the coupons of all wallets in one form.
	CouponInfos []CouponInfo
	// Body describes the goods.
	Body string
	// Remark is the merchant's note.
	Remark string
	// Detail is the JSON text of a Detail, or empty.
	Detail string
	// Context is the server's own.
	Context string
	// NotifyURL is where the wallet reports to.
	NotifyURL string
	// CallerNotifyURL is where the merchant is told.
	CallerNotifyURL string
	// WxpayExt is set for WeChat Pay.
	WxpayExt *WxpayOrderContentExt
	// AlipayExt is set for Alipay.
	AlipayExt *AlipayOrderContentExt
	// CardExt is set for the merchant's member card.
	CardExt *CardOrderContentExt
	// RecordExt is set for bookkeeping.
	RecordExt *RecordOrderContentExt
	// What follows belongs to deposits.

	// IsDepositMode marks an order paid from a deposit.
	IsDepositMode bool
	// OutFreezeNo is the merchant's number of the deposit.
	OutFreezeNo string
	// FreezeID is the wallet's number of the deposit.
	FreezeID string
	// FreezeFee is the amount of the deposit.
	FreezeFee int64
	// IsConfirmUnfreeze says that the rest of the deposit is returned.
	IsConfirmUnfreeze bool
	// ManualUnfreezeFee is what was returned by hand.
	ManualUnfreezeFee int64
}

func (m *OrderContent) fields(c *walk) {
	c.mustText("out_trade_no", &m.OutTradeNo, limitTradeNo)
	c.text("transaction_id", &m.TransactionID, limitShort)
	c.mustInt("total_fee", &m.TotalFee)
	c.freshNonce(&m.NonceStr)
	c.mustInt("create_time", &m.CreateTime)
	c.mustInt("last_update_time", &m.LastUpdateTime)
	c.mustBool("is_transforming", &m.IsTransforming)
	c.int("trade_type", (*int64)(&m.TradeType))
	c.text("fee_type", &m.FeeType, limitCurrency)
	c.int("trade_state", &m.TradeState)
	m.ext(c)
	c.text("code_url", &m.CodeURL, limitShort)
	c.spare(shedOptional)
	c.int("cash_fee", &m.CashFee)
	c.text("cash_fee_type", &m.CashFeeType, limitCurrency)
	c.int("settlement_total_fee", &m.SettlementTotalFee)
	c.int("time_end", &m.TimeEnd)
	c.int("source_type", &m.SourceType)
	c.int("refunded_fee", &m.RefundedFee)
	c.int("exchange_rate", &m.ExchangeRate)
	c.text("author_code", (*string)(&m.AuthorCode), limitPayCode)
	c.int("time_expire", &m.TimeExpire)
	c.text("client_flow_id", &m.ClientFlowID, limitClientText)
	list(c, "coupon_infos", &m.CouponInfos)
	c.text("body", &m.Body, limitBody)
	c.bool("is_deposit_mode", &m.IsDepositMode)
	c.text("out_freeze_no", &m.OutFreezeNo, limitTradeNo)
	c.text("freeze_id", &m.FreezeID, limitShort)
	c.int("freeze_fee", &m.FreezeFee)
	c.bool("is_confirm_unfreeze", &m.IsConfirmUnfreeze)
	c.int("manual_unfreeze_fee", &m.ManualUnfreezeFee)
	c.spare(shedTexts)
	c.text("remark", &m.Remark, limitAttach)
	c.loose("detail", &m.Detail, limitDetail)
	c.loose("context", &m.Context, limitExtra)
	c.text("notify_url", &m.NotifyURL, limitURL)
	c.text("caller_notify_url", &m.CallerNotifyURL, limitURL)
}

// ext names the alternatives; a client fails on a second one (protocol.md R29).
func (m *OrderContent) ext(c *walk) {
	one := c.mode == writing // write the first that is set, read whatever comes
	optional(c, "wxpay_order_content_ext", &m.WxpayExt)
	if one && m.WxpayExt != nil {
		return
	}
	optional(c, "alipay_order_content_ext", &m.AlipayExt)
	if one && m.AlipayExt != nil {
		return
	}
	optional(c, "card_order_content_ext", &m.CardExt)
	if one && m.CardExt != nil {
		return
	}
	optional(c, "record_order_content_ext", &m.RecordExt)
}

// WxpayOrderContentExt is what WeChat Pay knows of an order.
type WxpayOrderContentExt struct {
	// CurrentTradeState is the state that decides; see Outcome.
	CurrentTradeState WxpayOrderState
	// ExpectTradeState is the state that the server is working towards.
	ExpectTradeState WxpayOrderState
	// BankType is the bank that paid, in WeChat Pay's codes.
	BankType string
	// CouponFee is the sum of the coupons.
	CouponFee int64
	// CouponCount is how many they are.
	CouponCount int64
	// CouponInfos are the coupons, always as a list (R29).
	CouponInfos []CouponInfo
	// PrepareID opens the payment on the customer's phone.
	PrepareID string
	// Attach is what the request sent.
	Attach string
	// GoodsTag is what the request sent.
	GoodsTag string
	// ProductID is what the request sent.
	ProductID string
	// LimitPay is what the request sent.
	LimitPay string
	// TradeStateDesc describes the state and what to do next.
	TradeStateDesc string
	// SceneInfo is what the request sent.
	SceneInfo string
}

func (m *WxpayOrderContentExt) fields(c *walk) {
	c.mustInt("current_trade_state", (*int64)(&m.CurrentTradeState))
	c.spare(shedOptional)
	c.int("expect_trade_state", (*int64)(&m.ExpectTradeState))
	c.text("bank_type", &m.BankType, limitShort)
	c.int("coupon_fee", &m.CouponFee)
	c.int("coupon_count", &m.CouponCount)
	list(c, "coupon_infos", &m.CouponInfos)
	c.text("prepare_id", &m.PrepareID, limitShort)
	c.text("attach", &m.Attach, limitAttach)
	c.text("goods_tag", &m.GoodsTag, limitShort)
	c.text("product_id", &m.ProductID, limitShort)
	c.text("limit_pay", &m.LimitPay, limitShort)
	c.spare(shedTexts)
	c.text("trade_state_desc", &m.TradeStateDesc, limitDesc)
	c.loose("scene_info", &m.SceneInfo, limitExtra)
}

// CouponInfo is one coupon that paid a part of an order.
type CouponInfo struct {
	// CouponBatchID is the campaign.
	CouponBatchID string
	// CouponID is the coupon.
	CouponID string
	// CouponFee is what it paid.
	CouponFee int64
	// CouponType is CASH if the merchant is credited for it, or NO_CASH.
	CouponType string
	// ContributeType says who gave it: 1 merchant, 2 platform, 3 other.
	ContributeType int64
}

func (m *CouponInfo) fields(c *walk) {
	c.text("coupon_batch_id", &m.CouponBatchID, limitShort)
	c.text("coupon_id", &m.CouponID, limitShort)
	c.mustInt("coupon_fee", &m.CouponFee)
	c.text("coupon_type", &m.CouponType, limitShort)
	c.int("contribute_type", &m.ContributeType)
}

// AlipayOrderContentExt is what Alipay knows of an order. Amounts are integer
// fen, unlike in Alipay's own interface.
type AlipayOrderContentExt struct {
	// CurrentTradeState is the state that decides; see Outcome.
	CurrentTradeState AlipayOrderState
	// ExpectTradeState is the state that the server is working towards.
	ExpectTradeState AlipayOrderState
	// BuyerLogonID is the payer's account, masked by Alipay.
	BuyerLogonID string
	// RefundFee is the sum of the refunds.
	RefundFee int64
	// GmtRefund is when it was last refunded.
	GmtRefund int64
	// GmtClose is when it ended.
	GmtClose int64
	// SendPayDate is when it was paid, by Alipay's clock.
	SendPayDate int64
	// PointAmount was paid with points.
	PointAmount int64
	// InvoiceAmount may be invoiced to the customer.
	InvoiceAmount int64
	// DiscountableAmount is what the request sent.
	DiscountableAmount int64
	// UndiscountableAmount is what the request sent.
	UndiscountableAmount int64
	// ProductCode is what the request sent.
	ProductCode string
	// Subject is the title of the order.
	Subject string
	// SellerID is the merchant's number at Alipay.
	SellerID string
	// SellerEmail is the merchant's account.
	SellerEmail string
	// OutBizNo is the number of the last refund.
	OutBizNo string
	// FundBillList says where the money came from.
	FundBillList []FundBill
	// VoucherDetailList are the vouchers.
	VoucherDetailList []VoucherDetail
	// RoyaltyInfo is JSON text about splitting the money.
	RoyaltyInfo string
	// IndustrySepcDetail is spelled so on the wire.
	IndustrySepcDetail string
	// ExtendParams is JSON text.
	ExtendParams string
	// EnablePayChannels lists what the customer could pay with.
	EnablePayChannels string
	// DisablePayChannels lists what the customer could not pay with.
	DisablePayChannels string
	// DiscountGoodsDetail is JSON text.
	DiscountGoodsDetail string
}

func (m *AlipayOrderContentExt) fields(c *walk) {
	c.mustInt("current_trade_state", (*int64)(&m.CurrentTradeState))
	c.spare(shedOptional)
	c.int("expect_trade_state", (*int64)(&m.ExpectTradeState))
	c.text("buyer_logon_id", &m.BuyerLogonID, limitBody)
	c.int("refund_fee", &m.RefundFee)
	c.int("gmt_refund", &m.GmtRefund)
	c.int("gmt_close", &m.GmtClose)
	c.int("send_pay_date", &m.SendPayDate)
	c.int("point_amount", &m.PointAmount)
	c.int("invoice_amount", &m.InvoiceAmount)
	c.int("discountable_amount", &m.DiscountableAmount)
	c.int("undiscountable_amount", &m.UndiscountableAmount)
	c.text("product_code", &m.ProductCode, limitShort)
	c.text("subject", &m.Subject, limitOpenID)
	c.text("seller_id", &m.SellerID, limitBody)
	c.text("seller_email", &m.SellerEmail, limitBody)
	c.text("out_biz_no", &m.OutBizNo, limitShort)
	list(c, "fund_bill_list", &m.FundBillList)
	c.spare(shedTexts)
	list(c, "voucher_detail_list", &m.VoucherDetailList)
	c.loose("royalty_info", &m.RoyaltyInfo, limitExtra)
	c.loose("industry_sepc_detail", &m.IndustrySepcDetail, limitExtra)
	c.loose("extend_params", &m.ExtendParams, limitExtra)
	c.text("enable_pay_channels", &m.EnablePayChannels, limitExtra)
	c.text("disable_pay_channels", &m.DisablePayChannels, limitExtra)
	c.loose("discount_goods_detail", &m.DiscountGoodsDetail, limitExtra)
}

// FundBill is one source of the money of an Alipay payment or refund, in fen.
type FundBill struct {
	// FundChannel is the source, such as ALIPAYACCOUNT.
	FundChannel string
	// Amount came from there.
	Amount int64
	// RealAmount is what the customer really gave.
	RealAmount int64
}

func (m *FundBill) fields(c *walk) {
	c.mustText("fund_channel", &m.FundChannel, limitShort)
	c.mustInt("amount", &m.Amount)
	c.int("real_amount", &m.RealAmount)
}

// VoucherDetail is one voucher that paid a part of an Alipay order, in fen.
type VoucherDetail struct {
	// ID is the voucher.
	ID string
	// Name is what the customer reads.
	Name string
	// Type is Alipay's kind of voucher.
	Type string
	// Amount is what it paid.
	Amount int64
	// MerchantAmount is the merchant's share.
	MerchantAmount int64
	// OtherAmount is the share of others.
	OtherAmount int64
	// Memo is a remark.
	Memo string
}

func (m *VoucherDetail) fields(c *walk) {
	c.mustText("id", &m.ID, limitShort)
	c.mustText("name", &m.Name, limitShort)
	c.mustText("type", &m.Type, limitShort)
	c.mustInt("amount", &m.Amount)
	c.int("merchant_amount", &m.MerchantAmount)
	c.int("other_amount", &m.OtherAmount)
	c.text("memo", &m.Memo, limitPayCode)
}

// CardOrderContentExt is the state of an order paid by member card.
type CardOrderContentExt struct {
	// CurrentTradeState is a CardOrderState of protocol.md §3.6.
	CurrentTradeState int64
	// MembershipNumber is the card.
	MembershipNumber string
}

func (m *CardOrderContentExt) fields(c *walk) {
	c.mustInt("current_trade_state", &m.CurrentTradeState)
	c.text("membership_number", &m.MembershipNumber, limitShort)
}

// RecordOrderContentExt is the state of a bookkeeping order.
type RecordOrderContentExt struct {
	// CurrentTradeState is a RecordOrderState of protocol.md §3.6.
	CurrentTradeState int64
}

func (m *RecordOrderContentExt) fields(c *walk) {
	c.mustInt("current_trade_state", &m.CurrentTradeState)
}
