package cpay

// OrderStatClientInfo are sums of orders and refunds. Amounts are fen. What was
// reversed is in none of the sums of success, so that all of them may be
// negative when an order and its end lie in different spans.
type OrderStatClientInfo struct {
	// OutSubMchID is the merchant that the sums are of.
	OutSubMchID string
	// OutShopID is the shop, where the sums are of one.
	OutShopID string
	// StaffID is the member of staff, where the sums are of one.
	StaffID string
	// DeviceID is the device, where the sums are of one.
	DeviceID string
	// QRCodeID is the code, where the sums are of one.
	QRCodeID string
	// SourceType is the kind of code, where the sums are of one.
	SourceType int64
	// SubPayPlatform is the kind of wallet, where the sums are of one.
	SubPayPlatform int64
	// TradeType is the way of paying, where the sums are of one.
	TradeType TradeType
	// FeeType is CNY.
	FeeType string
	// SuccessCount is how many orders were paid.
	SuccessCount int64
	// SuccessAmount is what they came to.
	SuccessAmount int64
	// SettleAmount is PaySettleAmount without RefundSettleAmount and what was reversed.
	SettleAmount int64
	// DiscountAmount is the net amount without SettleAmount.
	DiscountAmount int64
	// PaySettleAmount is what the merchant is credited for orders.
	PaySettleAmount int64
	// RefundSettleAmount is what the merchant is debited for refunds.
	RefundSettleAmount int64
	// RefundCreateCount is how many refunds there were.
	RefundCreateCount int64
	// RefundCreateAmount is what they came to.
	RefundCreateAmount int64
	// Poundage is the fees; it may be negative.
	Poundage int64
	// IncomeAmount is SettleAmount without Poundage.
	IncomeAmount int64
	// OrderRefundedAmount is what was refunded of the orders counted, whenever that was.
	OrderRefundedAmount int64
	// What follows are coupons by who gave them and whether they were paid for.

	// SubMchRechargeCouponCount counts the merchant's coupons that were paid for.
	SubMchRechargeCouponCount int64
	// SubMchRechargeCouponAmount is what they paid.
	SubMchRechargeCouponAmount int64
	// SubMchNonRechargeCouponCount counts the merchant's other coupons.
	SubMchNonRechargeCouponCount int64
	// SubMchNonRechargeCouponAmount is what they paid.
	SubMchNonRechargeCouponAmount int64
	// PlatformRechargeCouponCount counts the wallet's coupons that were paid for.
	PlatformRechargeCouponCount int64
	// PlatformRechargeCouponAmount is what they paid.
	PlatformRechargeCouponAmount int64
	// PlatformNonRechargeCouponCount counts the wallet's other coupons.
	PlatformNonRechargeCouponCount int64
	// PlatformNonRechargeCouponAmount is what they paid.
	PlatformNonRechargeCouponAmount int64
	// OthersRechargeCouponCount counts other people's coupons that were paid for.
	OthersRechargeCouponCount int64
	// OthersRechargeCouponAmount is what they paid.
	OthersRechargeCouponAmount int64
	// OthersNonRechargeCouponCount counts other people's other coupons.
	OthersNonRechargeCouponCount int64
	// OthersNonRechargeCouponAmount is what they paid.
	OthersNonRechargeCouponAmount int64
	// What follows belongs to deposits.

	// FreezeCount is how many deposits there were.
	FreezeCount int64
	// FreezeAmount is what they came to.
	FreezeAmount int64
	// DirectUnfreezeCount is how many were returned by hand.
	DirectUnfreezeCount int64
	// DirectUnfreezeAmount is what these came to.
	DirectUnfreezeAmount int64
	// ConsumedUnfreezeAmount was returned when deposits were used.
	ConsumedUnfreezeAmount int64
	// AutoUnfreezeAmount was returned by time.
	AutoUnfreezeAmount int64
}

func (m *OrderStatClientInfo) fields(c *walk) {
	c.text("out_sub_mch_id", &m.OutSubMchID, limitID)
	c.text("out_shop_id", &m.OutShopID, limitID)
	c.text("staff_id", &m.StaffID, limitClientText)
	c.text("device_id", &m.DeviceID, limitClientText)
	c.text("qrcode_id", &m.QRCodeID, limitClientText)
	c.int("source_type", &m.SourceType)
	c.int("sub_pay_platform", &m.SubPayPlatform)
	c.int("trade_type", (*int64)(&m.TradeType))
	c.text("fee_type", &m.FeeType, limitCurrency)
	c.mustInt("success_count", &m.SuccessCount)
	c.mustInt("success_amount", &m.SuccessAmount)
	c.mustInt("settle_amount", &m.SettleAmount)
	c.mustInt("discount_amount", &m.DiscountAmount)
	c.mustInt("pay_settle_amount", &m.PaySettleAmount)
	c.mustInt("refund_settle_amount", &m.RefundSettleAmount)
	c.mustInt("refund_create_count", &m.RefundCreateCount)
	c.mustInt("refund_create_amount", &m.RefundCreateAmount)
	c.mustInt("poundage", &m.Poundage)
	c.mustInt("income_amount", &m.IncomeAmount)
	c.mustInt("order_refunded_amount", &m.OrderRefundedAmount)
	c.int("sub_mch_recharge_coupon_count", &m.SubMchRechargeCouponCount)
	c.int("sub_mch_recharge_coupon_amount", &m.SubMchRechargeCouponAmount)
	c.int("sub_mch_non_recharge_coupon_count", &m.SubMchNonRechargeCouponCount)
	c.int("sub_mch_non_recharge_coupon_amount", &m.SubMchNonRechargeCouponAmount)
	c.int("platform_recharge_coupon_count", &m.PlatformRechargeCouponCount)
	c.int("platform_recharge_coupon_amount", &m.PlatformRechargeCouponAmount)
	c.int("platform_non_recharge_coupon_count", &m.PlatformNonRechargeCouponCount)
	c.int("platform_non_recharge_coupon_amount", &m.PlatformNonRechargeCouponAmount)
	c.int("others_recharge_coupon_count", &m.OthersRechargeCouponCount)
	c.int("others_recharge_coupon_amount", &m.OthersRechargeCouponAmount)
	c.int("others_non_recharge_coupon_count", &m.OthersNonRechargeCouponCount)
	c.int("others_non_recharge_coupon_amount", &m.OthersNonRechargeCouponAmount)
	c.int("freeze_count", &m.FreezeCount)
	c.int("freeze_amount", &m.FreezeAmount)
	c.int("direct_unfreeze_count", &m.DirectUnfreezeCount)
	c.int("direct_unfreeze_amount", &m.DirectUnfreezeAmount)
	c.int("consumed_unfreeze_amount", &m.ConsumedUnfreezeAmount)
	c.int("auto_unfreeze_amount", &m.AutoUnfreezeAmount)
}

// StatType is the length of the periods that sums are made of.
type StatType int64

// The lengths of a period (protocol.md §3.14).
const (
	// StatDaily makes a sum for each day of Asia/Shanghai.
	StatDaily StatType = 1
	// StatMonthly makes a sum for each month.
	StatMonthly StatType = 2
	// StatWeekly makes a sum for each week.
	StatWeekly StatType = 3
	// StatYearly makes a sum for each year.
	StatYearly StatType = 4
)

// ClientSubMchSalesOverviewRequest asks for sums by period.
type ClientSubMchSalesOverviewRequest struct {
	// OutMchID is the provider. A Client fills it in.
	OutMchID string
	// OutSubMchID is the merchant. A Client fills it in.
	OutSubMchID string
	// Shops restricts the sums to shops and their staff; all when empty.
	Shops []SalesShop
	// PayPlatform restricts the sums to one wallet.
	PayPlatform PayPlatform
	// TradeType restricts the sums to one way of paying.
	TradeType TradeType
	// StatType is the length of the periods, days when 0.
	StatType StatType
	// StartTime is the beginning, in UNIX seconds.
	StartTime int64
	// EndTime is the end, included.
	EndTime int64
	// PageNum counts from 1; 0 is the first page.
	PageNum int64
	// PageSize is the number of periods on a page; the server chooses for 0.
	PageSize int64
	// StatRole says for whom the sums are; nothing more is known of it.
	StatRole int64
	// NonceStr is optional.
	NonceStr string
}

func (m *ClientSubMchSalesOverviewRequest) fields(c *walk) {
	c.text("out_mch_id", &m.OutMchID, limitID)
	c.mustText("out_sub_mch_id", &m.OutSubMchID, limitID)
	list(c, "shops", &m.Shops)
	c.int("pay_platform", (*int64)(&m.PayPlatform))
	c.int("trade_type", (*int64)(&m.TradeType))
	c.int("stat_type", (*int64)(&m.StatType))
	c.mustInt("start_time", &m.StartTime)
	c.mustInt("end_time", &m.EndTime)
	c.int("page_num", &m.PageNum)
	c.int("page_size", &m.PageSize)
	c.int("stat_role", &m.StatRole)
	c.text("nonce_str", &m.NonceStr, limitNonce)
}

// Method returns MethodClientSubMchSalesOverview.
func (*ClientSubMchSalesOverviewRequest) Method() Method { return MethodClientSubMchSalesOverview }

// Validate follows Request.
func (m *ClientSubMchSalesOverviewRequest) Validate() error {
	r := rules{}
	r.need("out_sub_mch_id", m.OutSubMchID)
	for i := range m.Shops {
		r.need(element("shops", i, "out_shop_id"), m.Shops[i].OutShopID)
	}
	if m.StatType < 0 || m.StatType > StatYearly {
		r.fail("stat_type", "is not a length of periods")
	}
	r.period("start_time", "end_time", m.StartTime, m.EndTime)
	r.page("page_num", "page_size", max(1, m.PageNum), max(1, m.PageSize))
	return r.with(m)
}

// SalesShop is a shop to make sums of, with some of its staff or all of them.
type SalesShop struct {
	// OutShopID is the shop.
	OutShopID string
	// StaffIDs are members of its staff; everybody when empty.
	StaffIDs []string
}

func (m *SalesShop) fields(c *walk) {
	c.mustText("out_shop_id", &m.OutShopID, limitID)
	c.texts("staff_ids", &m.StaffIDs, limitClientText)
}

// ClientSubMchSalesOverviewResponse holds the sums.
type ClientSubMchSalesOverviewResponse struct {
	// TotalCount is how many periods have sums, not how many are on the page.
	TotalCount int64
	// Overview is the sum of all periods.
	Overview *StatInfo
	// StatInfos are the sums of the page.
	StatInfos []StatInfo
	// NonceStr is made up when empty. It is not echoed and proves nothing (R11).
	NonceStr string
}

func (m *ClientSubMchSalesOverviewResponse) fields(c *walk) {
	c.mustInt("total_count", &m.TotalCount)
	optional(c, "overview", &m.Overview)
	mustList(c, "stat_infos", &m.StatInfos)
	c.freshNonce(&m.NonceStr)
}

// StatInfo are the sums of one period. Amounts are fen.
type StatInfo struct {
	// Date is the beginning of the period, in UNIX seconds.
	Date int64
	// MchUin is the provider's account at the original service.
	MchUin string
	// OutMchID is the provider.
	OutMchID string
	// MchID is the wallet's id of the provider.
	MchID string
	// MchSubUin is the sub-provider's account at the original service.
	MchSubUin string
	// OutSubMchID is the merchant.
	OutSubMchID string
	// SubMchID is the wallet's id of the merchant.
	SubMchID string
	// PayPlatform is the wallet, where the sums are of one.
	PayPlatform PayPlatform
	// OutShopID is the shop, where the sums are of one.
	OutShopID string
	// ShopID is the merchant's number of it.
	ShopID string
	// StaffID is the member of staff, where the sums are of one.
	StaffID string
	// TotalCount is how many orders there were, paid or not.
	TotalCount int64
	// TotalAmount is what they came to.
	TotalAmount int64
	// SuccessCount is how many were paid.
	SuccessCount int64
	// SuccessAmount is what these came to.
	SuccessAmount int64
	// SettleAmount is PaySettleAmount without RevokeSettleAmount and RefundSettleAmount.
	SettleAmount int64
	// RefundCount is how many refunds there were.
	RefundCount int64
	// RefundAmount is what they came to.
	RefundAmount int64
	// NetCount is SuccessCount without RefundCount.
	NetCount int64
	// NetAmount is SuccessAmount without RefundAmount.
	NetAmount int64
	// DistinctPayerCount is how many customers paid.
	DistinctPayerCount int64
	// PaySettleAmount is what the merchant is credited for orders.
	PaySettleAmount int64
	// RevokeSettleAmount is what was reversed of that.
	RevokeSettleAmount int64
	// RefundSettleAmount is what the merchant is debited for refunds.
	RefundSettleAmount int64
}

func (m *StatInfo) fields(c *walk) {
	c.int("date", &m.Date)
	c.text("mch_uin", &m.MchUin, limitID)
	c.text("out_mch_id", &m.OutMchID, limitID)
	c.text("mch_id", &m.MchID, limitID)
	c.text("mch_sub_uin", &m.MchSubUin, limitID)
	c.text("out_sub_mch_id", &m.OutSubMchID, limitID)
	c.text("sub_mch_id", &m.SubMchID, limitID)
	c.int("pay_platform", (*int64)(&m.PayPlatform))
	c.text("out_shop_id", &m.OutShopID, limitID)
	c.text("shop_id", &m.ShopID, limitClientText)
	c.text("staff_id", &m.StaffID, limitClientText)
	c.mustInt("total_count", &m.TotalCount)
	c.mustInt("total_amount", &m.TotalAmount)
	c.mustInt("success_count", &m.SuccessCount)
	c.mustInt("success_amount", &m.SuccessAmount)
	c.mustInt("settle_amount", &m.SettleAmount)
	c.mustInt("refund_count", &m.RefundCount)
	c.mustInt("refund_amount", &m.RefundAmount)
	c.mustInt("net_count", &m.NetCount)
	c.mustInt("net_amount", &m.NetAmount)
	c.int("distinct_payer_count", &m.DistinctPayerCount)
	c.mustInt("pay_settle_amount", &m.PaySettleAmount)
	c.mustInt("revoke_settle_amount", &m.RevokeSettleAmount)
	c.mustInt("refund_settle_amount", &m.RefundSettleAmount)
}
