package cpay

// OrderContent is an order as the server knows it (order_content). Amounts are
// fen, times are UNIX seconds. Whether it is paid stands in the ext of its
// wallet; see Outcome. Exactly one ext is set, and Encode writes only the first.
type OrderContent struct {
	OutTradeNo         string
	TransactionID      string
	TotalFee           int64
	NonceStr           string // of the order, not of the answer
	CreateTime         int64
	LastUpdateTime     int64
	IsTransforming     bool // the state may still change
	TradeType          TradeType
	FeeType            string
	CashFee            int64
	CashFeeType        string
	SettlementTotalFee int64
	TimeEnd            int64 // when it was paid
	TradeState         int64
	SourceType         int64
	RefundedFee        int64 // sent by client_order_detail only
	ExchangeRate       int64
	AuthorCode         PayCode
	CodeURL            string
	TimeExpire         int64
	ClientFlowID       string
	CouponInfos        []CouponInfo
	Body               string
	Remark             string
	Detail             string // JSON text of a Detail
	Context            string
	NotifyURL          string
	CallerNotifyURL    string
	WxpayExt           *WxpayOrderContentExt
	AlipayExt          *AlipayOrderContentExt
	CardExt            *CardOrderContentExt
	RecordExt          *RecordOrderContentExt
	// The rest belongs to deposits.
	IsDepositMode     bool
	OutFreezeNo       string
	FreezeID          string
	FreezeFee         int64
	IsConfirmUnfreeze bool
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
	CurrentTradeState WxpayOrderState
	ExpectTradeState  WxpayOrderState
	BankType          string
	CouponFee         int64
	CouponCount       int64
	CouponInfos       []CouponInfo
	PrepareID         string
	Attach            string
	GoodsTag          string
	ProductID         string
	LimitPay          string
	TradeStateDesc    string
	SceneInfo         string
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
	CouponBatchID  string
	CouponID       string
	CouponFee      int64
	CouponType     string // CASH or NO_CASH
	ContributeType int64  // 1 merchant, 2 platform, 3 other
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
	CurrentTradeState    AlipayOrderState
	ExpectTradeState     AlipayOrderState
	BuyerLogonID         string
	RefundFee            int64
	GmtRefund            int64
	GmtClose             int64
	SendPayDate          int64
	PointAmount          int64
	InvoiceAmount        int64
	DiscountableAmount   int64
	UndiscountableAmount int64
	ProductCode          string
	Subject              string
	SellerID             string
	SellerEmail          string
	OutBizNo             string
	FundBillList         []FundBill
	VoucherDetailList    []VoucherDetail
	RoyaltyInfo          string
	IndustrySepcDetail   string // spelled so on the wire
	ExtendParams         string
	EnablePayChannels    string
	DisablePayChannels   string
	DiscountGoodsDetail  string
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
	FundChannel string
	Amount      int64
	RealAmount  int64
}

func (m *FundBill) fields(c *walk) {
	c.mustText("fund_channel", &m.FundChannel, limitShort)
	c.mustInt("amount", &m.Amount)
	c.int("real_amount", &m.RealAmount)
}

// VoucherDetail is one voucher that paid a part of an Alipay order, in fen.
type VoucherDetail struct {
	ID             string
	Name           string
	Type           string
	Amount         int64
	MerchantAmount int64
	OtherAmount    int64
	Memo           string
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
	CurrentTradeState int64 // protocol.md §3.6
	MembershipNumber  string
}

func (m *CardOrderContentExt) fields(c *walk) {
	c.mustInt("current_trade_state", &m.CurrentTradeState)
	c.text("membership_number", &m.MembershipNumber, limitShort)
}

// RecordOrderContentExt is the state of a bookkeeping order.
type RecordOrderContentExt struct {
	CurrentTradeState int64 // protocol.md §3.6
}

func (m *RecordOrderContentExt) fields(c *walk) {
	c.mustInt("current_trade_state", &m.CurrentTradeState)
}

// RefundOrderContent is a refund as the server knows it (refund_order_content).
// Amounts are fen, times are UNIX seconds. Exactly one ext is set, and Encode
// writes only the first.
type RefundOrderContent struct {
	OutRefundNo            string
	RefundID               string
	OutTradeNo             string
	TotalFee               int64
	RefundFee              int64
	RefundFeeType          string
	NonceStr               string
	CreateTime             int64
	LastUpdateTime         int64
	IsTransforming         bool
	TradeType              TradeType
	RefundSuccessTime      int64
	InnerRefundSuccessTime int64
	SettlementRefundFee    int64
	TradeState             int64
	ExchangeRate           int64
	ClientRefundFlowID     string
	RefundReason           string
	WxpayExt               *WxpayRefundOrderContentExt
	AlipayExt              *AlipayRefundOrderContentExt
	CardExt                *CardRefundOrderContentExt
	RecordExt              *RecordRefundOrderContentExt
	// The rest belongs to deposits.
	IsDepositMode bool
	OutFreezeNo   string
	FreezeFee     int64
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
	State               WxpayRefundState
	CashRefundFee       int64
	SettlementRefundFee int64
	CouponRefundFee     int64
	CouponRefundCount   int64
	CouponRefundInfos   []CouponInfo
	RefundAccount       string
	RefundChannel       string // ORIGINAL or BALANCE
	RefundRecvAccount   string
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
	RefundStatus         AlipayRefundState
	FundChange           string // Y if money moved
	GmtRefundPay         int64
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
	State int64 // protocol.md §3.8
}

func (m *CardRefundOrderContentExt) fields(c *walk) { c.mustInt("state", &m.State) }

// RecordRefundOrderContentExt is the state of a bookkeeping refund.
type RecordRefundOrderContentExt struct {
	State int64 // protocol.md §3.8
}

func (m *RecordRefundOrderContentExt) fields(c *walk) { c.mustInt("state", &m.State) }
