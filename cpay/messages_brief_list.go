package cpay

// BriefOrderFilter is what both lists ask by.
type BriefOrderFilter struct {
	// SubPayPlatforms are the kinds of wallet asked for, all when empty (spps).
	SubPayPlatforms []int64
	// OutSubMchID is the merchant (osmi); a device may name the shop alone.
	OutSubMchID string
	// OutShopID is the shop (osi).
	OutShopID string
	// DeviceID is the device record (di).
	DeviceID string
	// OrderType says what is listed, orders and refunds when 0 (ot).
	OrderType OrderType
	// StartTime is the beginning, in UNIX seconds (st).
	StartTime int64
	// EndTime is the end, included (et).
	EndTime int64
	// TradeType restricts the list to one way of paying (tt).
	TradeType TradeType
	// NonceStr is the device's (ns).
	NonceStr string
}

func (m *BriefOrderFilter) scope(c *walk) {
	c.ints("spps", &m.SubPayPlatforms)
	c.text("osmi", &m.OutSubMchID, limitID)
	c.text("osi", &m.OutShopID, limitID)
	c.text("di", &m.DeviceID, limitClientText)
	c.int("ot", (*int64)(&m.OrderType))
	c.mustInt("st", &m.StartTime)
	c.mustInt("et", &m.EndTime)
	c.int("tt", (*int64)(&m.TradeType))
	c.briefNonce(&m.NonceStr)
}

// rules are those of both lists. The merchant may be named by the shop alone.
func (m *BriefOrderFilter) rules() *rules {
	r := &rules{}
	if m.OutShopID == "" {
		r.need("osmi", m.OutSubMchID)
	}
	if m.DeviceID != "" {
		r.need("osi", m.OutShopID)
	}
	r.orderTypes("ot", m.OrderType)
	r.period("st", "et", m.StartTime, m.EndTime)
	return r
}

// BriefQueryOrderListRequest asks for a page of orders.
type BriefQueryOrderListRequest struct {
	BriefOrderFilter
	// PageNum counts from 1 (pn).
	PageNum int64
	// PageSize is the number of elements (ps).
	PageSize int64
}

func (m *BriefQueryOrderListRequest) fields(c *walk) {
	m.scope(c)
	c.mustInt("pn", &m.PageNum)
	c.mustInt("ps", &m.PageSize)
}

// Method returns MethodBriefQueryOrderList.
func (*BriefQueryOrderListRequest) Method() Method { return MethodBriefQueryOrderList }

// Validate follows Request.
func (m *BriefQueryOrderListRequest) Validate() error {
	r := m.rules()
	r.page("pn", "ps", m.PageNum, m.PageSize)
	return r.with(m)
}

// BriefQueryOrderListResponse is a page of orders.
type BriefQueryOrderListResponse struct {
	// TotalCount is how many match, not how many are on the page (tc).
	TotalCount int64
	// OrderDetails are the elements of the page (ods).
	OrderDetails []BriefOrderDetail
	// NonceStr is made up when empty (ns).
	NonceStr string
}

func (m *BriefQueryOrderListResponse) fields(c *walk) {
	c.mustInt("tc", &m.TotalCount)
	mustList(c, "ods", &m.OrderDetails)
	c.briefNonce(&m.NonceStr)
}

// BriefOrderDetail is an order or a refund; exactly one is set.
type BriefOrderDetail struct {
	// Order is set for an order (bo).
	Order *BriefOrder
	// RefundOrder is set for a refund (bro).
	RefundOrder *BriefRefundOrder
}

func (m *BriefOrderDetail) fields(c *walk) {
	optional(c, "bo", &m.Order)
	if c.mode == writing && m.Order != nil {
		return
	}
	optional(c, "bro", &m.RefundOrder)
}

// BriefOrder is an order in a list. The state stands under its wallet's name.
type BriefOrder struct {
	// SubPayPlatform is the kind of wallet (spp).
	SubPayPlatform int64
	// TradeType says how it was paid (tt).
	TradeType TradeType
	// OutTradeNo is its number (otn).
	OutTradeNo string
	// TotalFee is its amount in fen (tf).
	TotalFee int64
	// CreateTime is when the server took it (ct).
	CreateTime int64
	// WxpayState is set for WeChat Pay: the state of the order (wx_cts).
	WxpayState WxpayOrderState
	// AlipayState is set for Alipay: the state of the order (ali_cts).
	AlipayState AlipayOrderState
	// CardState is set for the member card: the state of the order (card_cts).
	CardState int64
}

func (m *BriefOrder) fields(c *walk) {
	c.mustInt("spp", &m.SubPayPlatform)
	c.mustInt("tt", (*int64)(&m.TradeType))
	c.mustText("otn", &m.OutTradeNo, limitTradeNo)
	c.mustInt("tf", &m.TotalFee)
	c.mustInt("ct", &m.CreateTime)
	c.int("wx_cts", (*int64)(&m.WxpayState))
	c.int("ali_cts", (*int64)(&m.AlipayState))
	c.int("card_cts", &m.CardState)
}

// BriefRefundOrder is a refund in a list.
type BriefRefundOrder struct {
	// SubPayPlatform is the kind of wallet (spp).
	SubPayPlatform int64
	// TradeType says how the order was paid (tt).
	TradeType TradeType
	// OutTradeNo is the order's number (otn).
	OutTradeNo string
	// TotalFee is the order's amount in fen (tf).
	TotalFee int64
	// OutRefundNo is the refund's number (orn).
	OutRefundNo string
	// RefundFee is the refund's amount in fen (rf).
	RefundFee int64
	// CreateTime is when the server took it (ct).
	CreateTime int64
	// WxpayState is set for WeChat Pay: the state of the refund (wx_rs).
	WxpayState WxpayRefundState
	// AlipayState is set for Alipay: the state of the refund (ali_rs).
	AlipayState AlipayRefundState
	// CardState is set for the member card: the state of the refund (card_rs).
	CardState int64
}

func (m *BriefRefundOrder) fields(c *walk) {
	c.mustInt("spp", &m.SubPayPlatform)
	c.mustInt("tt", (*int64)(&m.TradeType))
	c.mustText("otn", &m.OutTradeNo, limitTradeNo)
	c.mustInt("tf", &m.TotalFee)
	c.mustText("orn", &m.OutRefundNo, limitTradeNo)
	c.mustInt("rf", &m.RefundFee)
	c.mustInt("ct", &m.CreateTime)
	c.int("wx_rs", (*int64)(&m.WxpayState))
	c.int("ali_rs", (*int64)(&m.AlipayState))
	c.int("card_rs", &m.CardState)
}

// BriefQueryOrderListOverviewRequest asks for sums by wallet.
type BriefQueryOrderListOverviewRequest struct{ BriefOrderFilter }

func (m *BriefQueryOrderListOverviewRequest) fields(c *walk) { m.scope(c) }

// Method returns MethodBriefQueryOrderListOverview.
func (*BriefQueryOrderListOverviewRequest) Method() Method { return MethodBriefQueryOrderListOverview }

// Validate follows Request.
func (m *BriefQueryOrderListOverviewRequest) Validate() error { return m.rules().with(m) }

// BriefQueryOrderListOverviewResponse holds the sums.
type BriefQueryOrderListOverviewResponse struct {
	// Overviews are the sums, one for each wallet (ovs).
	Overviews []BriefOverview
	// NonceStr is made up when empty (ns).
	NonceStr string
}

func (m *BriefQueryOrderListOverviewResponse) fields(c *walk) {
	mustList(c, "ovs", &m.Overviews)
	c.briefNonce(&m.NonceStr)
}

// BriefOverview are the sums of one wallet, in fen; see OrderStatClientInfo.
type BriefOverview struct {
	// SubPayPlatform is the kind of wallet (spp).
	SubPayPlatform int64
	// SuccessCount is how many orders were paid (sc).
	SuccessCount int64
	// SuccessAmount is what they came to (sa).
	SuccessAmount int64
	// SettleAmount is PaySettleAmount without RefundSettleAmount and what was reversed (sta).
	SettleAmount int64
	// DiscountAmount is the net amount without SettleAmount (da).
	DiscountAmount int64
	// PaySettleAmount is what the merchant is credited for orders (psa).
	PaySettleAmount int64
	// RefundSettleAmount is what the merchant is debited for refunds (rsa).
	RefundSettleAmount int64
	// RefundCreateCount is how many refunds there were (rcc).
	RefundCreateCount int64
	// RefundCreateAmount is what they came to (rca).
	RefundCreateAmount int64
	// Poundage is the fees (pdg); it may be negative.
	Poundage int64
	// IncomeAmount is SettleAmount without Poundage (ia).
	IncomeAmount int64
	// OrderRefundedAmount is what was refunded of the orders counted, whenever that was (ora).
	OrderRefundedAmount int64
}

func (m *BriefOverview) fields(c *walk) {
	c.mustInt("spp", &m.SubPayPlatform)
	c.mustInt("sc", &m.SuccessCount)
	c.mustInt("sa", &m.SuccessAmount)
	c.mustInt("sta", &m.SettleAmount)
	c.mustInt("da", &m.DiscountAmount)
	c.mustInt("psa", &m.PaySettleAmount)
	c.mustInt("rsa", &m.RefundSettleAmount)
	c.mustInt("rcc", &m.RefundCreateCount)
	c.mustInt("rca", &m.RefundCreateAmount)
	c.mustInt("pdg", &m.Poundage)
	c.mustInt("ia", &m.IncomeAmount)
	c.mustInt("ora", &m.OrderRefundedAmount)
}
