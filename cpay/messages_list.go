package cpay

// OrderType says what a list holds (protocol.md §3.14).
type OrderType int64

// The order types.
const (
	// OrderTypeOrders is orders only.
	OrderTypeOrders OrderType = 1
	// OrderTypeRefunds is refunds only.
	OrderTypeRefunds OrderType = 2
	// OrderTypeBoth is orders and refunds, which 0 means too.
	OrderTypeBoth OrderType = 3
	// OrderTypeFreezes is deposits.
	OrderTypeFreezes OrderType = 4
	// OrderTypeUnfreezes is returned deposits.
	OrderTypeUnfreezes OrderType = 5
)

// ClientOrderDetailRequest asks for a page of orders and refunds with all that is
// known of them: of the merchant, or of a shop, a device or a member of staff.
type ClientOrderDetailRequest struct {
	// PayPlatform restricts the list to one wallet.
	PayPlatform PayPlatform
	// OutSubMchID is the merchant. A Client fills it in.
	OutSubMchID string
	// OutShopID restricts the list to one shop; StaffID and DeviceID need it.
	OutShopID string
	// StaffID restricts the list to one member of staff.
	StaffID string
	// DeviceID restricts the list to one device.
	DeviceID string
	// QueryOrderType says what is listed, both when 0.
	QueryOrderType OrderType
	// StartTime is the beginning, in UNIX seconds.
	StartTime int64
	// EndTime is the end, included; 0 is now.
	EndTime int64
	// PageNum counts from 1.
	PageNum int64
	// PageSize is the number of elements.
	PageSize int64
	// TradeType restricts the list to one way of paying.
	TradeType TradeType
	// EnableOverview asks for the sums as well.
	EnableOverview bool
	// QueryCashierType is sent by some clients; nothing is known of it.
	QueryCashierType int64
	// NonceStr is optional.
	NonceStr string
}

func (m *ClientOrderDetailRequest) fields(c *walk) {
	c.int("pay_platform", (*int64)(&m.PayPlatform))
	c.mustText("out_sub_mch_id", &m.OutSubMchID, limitID)
	c.text("out_shop_id", &m.OutShopID, limitID)
	c.text("staff_id", &m.StaffID, limitClientText)
	c.text("device_id", &m.DeviceID, limitClientText)
	c.int("query_order_type", (*int64)(&m.QueryOrderType))
	c.int("start_time", &m.StartTime)
	c.int("end_time", &m.EndTime)
	c.mustInt("page_num", &m.PageNum)
	c.mustInt("page_size", &m.PageSize)
	c.int("trade_type", (*int64)(&m.TradeType))
	c.bool("enable_overview", &m.EnableOverview)
	c.int("query_cashier_type", &m.QueryCashierType)
	c.text("nonce_str", &m.NonceStr, limitNonce)
}

// Method returns MethodClientOrderDetail.
func (*ClientOrderDetailRequest) Method() Method { return MethodClientOrderDetail }

// Validate follows Request.
func (m *ClientOrderDetailRequest) Validate() error {
	r := rules{}
	r.need("out_sub_mch_id", m.OutSubMchID)
	if m.StaffID != "" || m.DeviceID != "" {
		r.need("out_shop_id", m.OutShopID)
	}
	if m.QueryOrderType < 0 || m.QueryOrderType > OrderTypeBoth {
		r.fail("query_order_type", "is not an order type")
	}
	if m.EndTime != 0 {
		r.period("start_time", "end_time", m.StartTime, m.EndTime)
	}
	r.page("page_num", "page_size", m.PageNum, m.PageSize)
	return r.with(m)
}

// ClientOrderDetailResponse is a page of orders and refunds, latest first. A page
// past the end is empty.
type ClientOrderDetailResponse struct {
	// TotalCount is how many match, not how many are on the page.
	TotalCount int64
	// OrderDetails are the elements of the page.
	OrderDetails []OrderDetail
	// Overview are the sums over all that match, if they were asked for.
	Overview *OrderStatClientInfo
	// NonceStr is made up when empty. It is not echoed and proves nothing (R11).
	NonceStr string
}

func (m *ClientOrderDetailResponse) fields(c *walk) {
	c.mustInt("total_count", &m.TotalCount)
	mustList(c, "order_details", &m.OrderDetails)
	optional(c, "overview", &m.Overview)
	c.freshNonce(&m.NonceStr)
}

// OrderDetail is one order or refund with where it was made.
type OrderDetail struct {
	// ShopInfo is the shop, without its devices and staff.
	ShopInfo *ShopInfo
	// ShopStaffInfo is the member of staff.
	ShopStaffInfo *StaffInfo
	// Receipt is the order or the refund.
	Receipt Receipt
	// DisplayTimeField says which time to show, as the server wishes.
	DisplayTimeField string
}

func (m *OrderDetail) fields(c *walk) {
	optional(c, "shop_info", &m.ShopInfo)
	optional(c, "shop_staff_info", &m.ShopStaffInfo)
	c.object("receipt", &m.Receipt)
	c.text("display_time_field", &m.DisplayTimeField, limitShort)
}

// Receipt is an order or a refund; exactly one is set.
type Receipt struct {
	// Order is set for an order.
	Order *ReceiptOrder
	// RefundOrder is set for a refund.
	RefundOrder *ReceiptRefundOrder
}

func (m *Receipt) fields(c *walk) {
	optional(c, "order", &m.Order)
	if c.mode == writing && m.Order != nil {
		return
	}
	optional(c, "refund_order", &m.RefundOrder)
}

// ReceiptOrder is an order with all that belongs to it.
type ReceiptOrder struct {
	// OrderMch is the merchant as it was when the order was made.
	OrderMch OrderMch
	// OrderContent is the order, with RefundedFee.
	OrderContent OrderContent
	// OrderClient is the device that made it.
	OrderClient *OrderClient
	// AuthenInfo is how its request was authenticated.
	AuthenInfo *AuthenInfo
	// Originator is who made it: 1 the channel, 2 the sub-merchant.
	Originator int64
}

func (m *ReceiptOrder) fields(c *walk) {
	c.object("order_mch", &m.OrderMch)
	c.object("order_content", &m.OrderContent)
	optional(c, "order_client", &m.OrderClient)
	optional(c, "authen_info", &m.AuthenInfo)
	c.int("originator", &m.Originator)
}

// ReceiptRefundOrder is a refund with all that belongs to it.
type ReceiptRefundOrder struct {
	// RefundOrderMch is the merchant as it was when the refund was made.
	RefundOrderMch OrderMch
	// RefundOrderContent is the refund.
	RefundOrderContent RefundOrderContent
	// OrderClient is the device that made it.
	OrderClient *OrderClient
	// AuthenInfo is how its request was authenticated.
	AuthenInfo *AuthenInfo
	// Originator is who made it: 1 the channel, 2 the sub-merchant.
	Originator int64
}

func (m *ReceiptRefundOrder) fields(c *walk) {
	c.object("refund_order_mch", &m.RefundOrderMch)
	c.object("refund_order_content", &m.RefundOrderContent)
	optional(c, "order_client", &m.OrderClient)
	optional(c, "authen_info", &m.AuthenInfo)
	c.int("originator", &m.Originator)
}

// OrderFilter is what the lists and sums of orders ask by.
type OrderFilter struct {
	// OutSubMchID is the merchant. A Client fills it in.
	OutSubMchID string
	// SubPayPlatforms are the kinds of wallet asked for, all when empty (protocol.md §3.2).
	SubPayPlatforms []int64
	// OutShopID restricts to one shop; StaffID, DeviceID and QRCodeID need it.
	OutShopID string
	// StaffID restricts to one member of staff.
	StaffID string
	// DeviceID restricts to one device.
	DeviceID string
	// QRCodeID restricts to one of the shop's codes.
	QRCodeID string
	// SourceType restricts to one kind of code (protocol.md §3.14).
	SourceType int64
	// TradeType restricts to one way of paying.
	TradeType TradeType
	// OrderType says what is asked for, orders and refunds when 0.
	OrderType OrderType
	// StartTime is the beginning, in UNIX seconds.
	StartTime int64
	// EndTime is the end, included.
	EndTime int64
	// PayTimeType says which time of an order counts: 1 creation, 2 success, which is the default.
	PayTimeType int64
	// RefundTimeType says which time of a refund counts: 1 creation, 2 the beginning of its processing, which is the default.
	RefundTimeType int64
	// TimeFilter says which time of a deposit counts: 1 creation, 2 last change, which is the default.
	TimeFilter int64
	// Status 1 asks for everything, 0 for what succeeded.
	Status int64
	// NonceStr is optional.
	NonceStr string
}

func (m *OrderFilter) filter(c *walk) {
	c.mustText("out_sub_mch_id", &m.OutSubMchID, limitID)
	c.ints("sub_pay_platforms", &m.SubPayPlatforms)
	c.text("out_shop_id", &m.OutShopID, limitID)
	c.text("staff_id", &m.StaffID, limitClientText)
	c.text("device_id", &m.DeviceID, limitClientText)
	c.text("qrcode_id", &m.QRCodeID, limitClientText)
	c.int("source_type", &m.SourceType)
	c.int("trade_type", (*int64)(&m.TradeType))
	c.mustInt("order_type", (*int64)(&m.OrderType))
	c.mustInt("start_time", &m.StartTime)
	c.mustInt("end_time", &m.EndTime)
	c.int("pay_time_type", &m.PayTimeType)
	c.int("refund_time_type", &m.RefundTimeType)
	c.int("time_filter", &m.TimeFilter)
	c.int("status", &m.Status)
	c.text("nonce_str", &m.NonceStr, limitNonce)
}

// rules are those of everything that is asked for by a filter.
func (m *OrderFilter) rules() *rules {
	r := &rules{}
	r.need("out_sub_mch_id", m.OutSubMchID)
	if m.StaffID != "" || m.DeviceID != "" || m.QRCodeID != "" {
		r.need("out_shop_id", m.OutShopID)
	}
	r.orderTypes("order_type", m.OrderType)
	r.period("start_time", "end_time", m.StartTime, m.EndTime)
	for _, v := range []struct {
		field string
		value int64
	}{{"pay_time_type", m.PayTimeType}, {"refund_time_type", m.RefundTimeType}, {"time_filter", m.TimeFilter}} {
		if v.value < 0 || v.value > 2 {
			r.fail(v.field, "is neither 1 nor 2")
		}
	}
	if m.Status < 0 || m.Status > 1 {
		r.fail("status", "is neither 0 nor 1")
	}
	return r
}

// QueryOrderListRequest asks for a page of orders, refunds or deposits, each in
// one flat object.
type QueryOrderListRequest struct {
	OrderFilter
	// PageNum counts from 1.
	PageNum int64
	// PageSize is the number of elements.
	PageSize int64
}

func (m *QueryOrderListRequest) fields(c *walk) {
	m.filter(c)
	c.mustInt("page_num", &m.PageNum)
	c.mustInt("page_size", &m.PageSize)
}

// Method returns MethodQueryOrderList.
func (*QueryOrderListRequest) Method() Method { return MethodQueryOrderList }

// Validate follows Request. How long a time span a server allows is its own rule.
func (m *QueryOrderListRequest) Validate() error {
	r := m.rules()
	r.page("page_num", "page_size", m.PageNum, m.PageSize)
	return r.with(m)
}

// QueryOrderListResponse is a page of orders. A page past the end is empty.
type QueryOrderListResponse struct {
	// NonceStr is made up when empty. It is not echoed and proves nothing (R11).
	NonceStr string
	// TotalCount is how many match, not how many are on the page.
	TotalCount int64
	// OrderDetails are the elements of the page.
	OrderDetails []OrderListDetail
}

func (m *QueryOrderListResponse) fields(c *walk) {
	c.freshNonce(&m.NonceStr)
	c.mustInt("total_count", &m.TotalCount)
	mustList(c, "order_details", &m.OrderDetails)
}

// OrderListDetail is one element of a list; exactly one of its members is set.
type OrderListDetail struct {
	// Order is set for an order.
	Order *ListOrder
	// RefundOrder is set for a refund.
	RefundOrder *ListRefundOrder
	// FreezeOrder is set for a deposit.
	FreezeOrder *FreezeOrderContent
	// UnfreezeOrder is set for a returned deposit.
	UnfreezeOrder *UnfreezeOrderContent
}

func (m *OrderListDetail) fields(c *walk) {
	one := c.mode == writing
	optional(c, "order", &m.Order)
	if one && m.Order != nil {
		return
	}
	optional(c, "refund_order", &m.RefundOrder)
	if one && m.RefundOrder != nil {
		return
	}
	optional(c, "freeze_order", &m.FreezeOrder)
	if one && m.FreezeOrder != nil {
		return
	}
	optional(c, "unfreeze_order", &m.UnfreezeOrder)
}

// QueryOrderListOverviewRequest asks for the sums of what a list would hold. One
// client sends no nonce_str.
type QueryOrderListOverviewRequest struct {
	OrderFilter
	// OutTradeNo restricts the sums to one order.
	OutTradeNo string
	// OutRefundNo restricts the sums to one refund.
	OutRefundNo string
}

func (m *QueryOrderListOverviewRequest) fields(c *walk) {
	m.filter(c)
	c.text("out_trade_no", &m.OutTradeNo, limitTradeNo)
	c.text("out_refund_no", &m.OutRefundNo, limitTradeNo)
}

// Method returns MethodQueryOrderListOverview.
func (*QueryOrderListOverviewRequest) Method() Method { return MethodQueryOrderListOverview }

// Validate follows Request.
func (m *QueryOrderListOverviewRequest) Validate() error { return m.rules().with(m) }

// QueryOrderListOverviewResponse holds the sums, one for each kind of wallet.
type QueryOrderListOverviewResponse struct {
	// NonceStr is made up when empty. It is not echoed and proves nothing (R11).
	NonceStr string
	// TotalCount is the number of Overviews.
	TotalCount int64
	// Overviews are the sums.
	Overviews []OrderStatClientInfo
}

func (m *QueryOrderListOverviewResponse) fields(c *walk) {
	c.freshNonce(&m.NonceStr)
	c.mustInt("total_count", &m.TotalCount)
	mustList(c, "overviews", &m.Overviews)
}
