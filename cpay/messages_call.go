package cpay

// Request is a message that asks for something.
type Request interface {
	Message
	// Method names the interface that takes the request.
	Method() Method
	// Validate returns a *FieldError for the first member that no server could
	// accept: a number or amount that is missing, an amount outside 1…MaxFee, a
	// currency other than CNY, a text that is too long. It leaves to the server
	// what only a server can know, such as the order prefix.
	Validate() error
}

// MicroPayRequest charges the customer whose payment code was scanned.
type MicroPayRequest struct {
	// PayMchKey names the merchant. A Client fills it in.
	PayMchKey PayMchKey
	// PayContent is what is to be paid.
	PayContent PayContent
	// OrderClient describes the device. A Client fills it in.
	OrderClient OrderClient
	// TradeType says nothing that the path does not; what no call can ask for is refused.
	TradeType TradeType
	// NonceStr is made up when empty. It is not echoed and proves nothing (R11).
	NonceStr string
}

func (m *MicroPayRequest) fields(c *walk) {
	c.object("pay_mch_key", &m.PayMchKey)
	c.object("pay_content", &m.PayContent)
	c.object("order_client", &m.OrderClient)
	c.int("trade_type", (*int64)(&m.TradeType))
	c.freshNonce(&m.NonceStr)
}

// Method returns MethodMicroPay.
func (*MicroPayRequest) Method() Method { return MethodMicroPay }

// Platform is the wallet to charge: the one asked for or else the one the
// payment code belongs to (protocol.md R10); 0 if neither is known.
func (m *MicroPayRequest) Platform() PayPlatform {
	if m.PayMchKey.PayPlatform != 0 {
		return m.PayMchKey.PayPlatform
	}
	return PlatformOf(m.PayContent.AuthorCode)
}

// Validate follows Request.
func (m *MicroPayRequest) Validate() error {
	r := rules{}
	r.merchant(&m.PayMchKey)
	r.payment(&m.PayContent)
	r.tradeType(m.TradeType)
	r.need("pay_content.author_code", string(m.PayContent.AuthorCode))
	return r.with(m)
}

// MicroPayResponse is the order as it stands. At status 0 the customer has paid
// or is typing the password.
type MicroPayResponse struct {
	// NonceStr is made up when empty. It is not echoed and proves nothing (R11).
	NonceStr string
	// PayMchKey echoes the merchant, with the platform that is really used.
	PayMchKey PayMchKey
	// OrderContent is the order; Outcome reads its state.
	OrderContent OrderContent
}

func (m *MicroPayResponse) fields(c *walk) {
	c.object("pay_mch_key", &m.PayMchKey)
	c.object("order_content", &m.OrderContent)
	c.freshNonce(&m.NonceStr)
}

// ScanCodePayRequest asks for a code that the customer scans.
type ScanCodePayRequest struct {
	// PayMchKey names the merchant. A Client fills it in.
	PayMchKey PayMchKey
	// PayContent is what is to be paid.
	PayContent PayContent
	// OrderClient describes the device. A Client fills it in.
	OrderClient OrderClient
	// TradeType says nothing that the path does not; what no call can ask for is refused.
	TradeType TradeType
	// NonceStr is made up when empty. It is not echoed and proves nothing (R11).
	NonceStr string
}

func (m *ScanCodePayRequest) fields(c *walk) {
	c.object("pay_mch_key", &m.PayMchKey)
	c.object("pay_content", &m.PayContent)
	c.object("order_client", &m.OrderClient)
	c.int("trade_type", (*int64)(&m.TradeType))
	c.freshNonce(&m.NonceStr)
}

// Method returns MethodScanCodePay.
func (*ScanCodePayRequest) Method() Method { return MethodScanCodePay }

// Validate follows Request. The platform is needed, as there is no payment code
// to derive it from.
func (m *ScanCodePayRequest) Validate() error {
	r := rules{}
	r.merchant(&m.PayMchKey)
	if m.PayMchKey.PayPlatform == 0 {
		r.fail("pay_mch_key.pay_platform", "is missing")
	}
	r.payment(&m.PayContent)
	r.tradeType(m.TradeType)
	return r.with(m)
}

// ScanCodePayResponse brings the code to show.
type ScanCodePayResponse struct {
	// NonceStr is made up when empty. It is not echoed and proves nothing (R11).
	NonceStr string
	// CodeURL is what the code to show must hold, at most 64 characters.
	CodeURL string
}

func (m *ScanCodePayResponse) fields(c *walk) {
	c.mustText("code_url", &m.CodeURL, limitShort)
	c.freshNonce(&m.NonceStr)
}

// orderCall is the shape of the calls that name one order.
type orderCall struct {
	PayMchKey   PayMchKey
	OrderClient OrderClient
	OutTradeNo  string
	TradeType   TradeType
	NonceStr    string
}

func (m *orderCall) fields(c *walk) {
	c.object("pay_mch_key", &m.PayMchKey)
	c.object("order_client", &m.OrderClient)
	c.mustText("out_trade_no", &m.OutTradeNo, limitTradeNo)
	c.int("trade_type", (*int64)(&m.TradeType))
	c.freshNonce(&m.NonceStr)
}

// validate is Validate for all of them.
func (m *orderCall) validate() error {
	r := rules{}
	r.merchant(&m.PayMchKey)
	r.tradeNo("out_trade_no", m.OutTradeNo)
	return r.with(m)
}

// QueryOrderRequest asks for the state of an order. Merchant and number are
// enough to find it.
type QueryOrderRequest struct {
	// PayMchKey names the merchant. A Client fills it in.
	PayMchKey PayMchKey
	// OrderClient describes the device. A Client fills it in.
	OrderClient OrderClient
	// OutTradeNo is the number of the order.
	OutTradeNo string
	// TradeType is optional.
	TradeType TradeType
	// NonceStr is made up when empty. It is not echoed and proves nothing (R11).
	NonceStr string
}

func (m *QueryOrderRequest) fields(c *walk) { (*orderCall)(m).fields(c) }

// Method returns MethodQueryOrder.
func (*QueryOrderRequest) Method() Method { return MethodQueryOrder }

// Validate follows Request.
func (m *QueryOrderRequest) Validate() error { return (*orderCall)(m).validate() }

// QueryOrderResponse is the order as it stands.
type QueryOrderResponse struct {
	// NonceStr is made up when empty. It is not echoed and proves nothing (R11).
	NonceStr string
	// PayMchKey echoes the merchant, with the platform that is really used.
	PayMchKey PayMchKey
	// OrderContent is the order; Outcome reads its state.
	OrderContent OrderContent
	// OrderClient is the device that made the order, if the server tells.
	OrderClient *OrderClient
}

func (m *QueryOrderResponse) fields(c *walk) {
	c.object("pay_mch_key", &m.PayMchKey)
	c.object("order_content", &m.OrderContent)
	c.freshNonce(&m.NonceStr)
	c.spare(shedTexts)
	optional(c, "order_client", &m.OrderClient)
}

// CloseOrderRequest closes an order that the customer has not paid. Orders of
// micro_pay cannot be closed, only reversed.
type CloseOrderRequest struct {
	// PayMchKey names the merchant. A Client fills it in.
	PayMchKey PayMchKey
	// OrderClient describes the device. A Client fills it in.
	OrderClient OrderClient
	// OutTradeNo is the number of the order.
	OutTradeNo string
	// TradeType is optional.
	TradeType TradeType
	// NonceStr is made up when empty. It is not echoed and proves nothing (R11).
	NonceStr string
}

func (m *CloseOrderRequest) fields(c *walk) { (*orderCall)(m).fields(c) }

// Method returns MethodCloseOrder.
func (*CloseOrderRequest) Method() Method { return MethodCloseOrder }

// Validate follows Request.
func (m *CloseOrderRequest) Validate() error { return (*orderCall)(m).validate() }

// CloseOrderResponse says no more than that the order is closed.
type CloseOrderResponse struct {
	// NonceStr is made up when empty. It is not echoed and proves nothing (R11).
	NonceStr string
}

func (m *CloseOrderResponse) fields(c *walk) { c.freshNonce(&m.NonceStr) }

// ReverseRequest undoes a micro_pay whose outcome stayed unknown. The server
// decides whether it may; see protocol.md §4.4 for when never to ask.
type ReverseRequest struct {
	// PayMchKey names the merchant. A Client fills it in.
	PayMchKey PayMchKey
	// OrderClient describes the device. A Client fills it in.
	OrderClient OrderClient
	// OutTradeNo is the number of the order.
	OutTradeNo string
	// TradeType is optional.
	TradeType TradeType
	// NonceStr is made up when empty. It is not echoed and proves nothing (R11).
	NonceStr string
}

func (m *ReverseRequest) fields(c *walk) { (*orderCall)(m).fields(c) }

// Method returns MethodReverse.
func (*ReverseRequest) Method() Method { return MethodReverse }

// Validate follows Request.
func (m *ReverseRequest) Validate() error { return (*orderCall)(m).validate() }

// ReverseResponse says no more than that the order is reversed.
type ReverseResponse struct {
	// NonceStr is made up when empty. It is not echoed and proves nothing (R11).
	NonceStr string
}

func (m *ReverseResponse) fields(c *walk) { c.freshNonce(&m.NonceStr) }

// RefundRequest returns a part or all of a payment. The same OutRefundNo again is
// the same refund; another one is another refund.
type RefundRequest struct {
	// PayMchKey names the merchant. A Client fills it in.
	PayMchKey PayMchKey
	// RefundContent is what is to be refunded.
	RefundContent RefundContent
	// OrderClient describes the device. A Client fills it in.
	OrderClient OrderClient
	// APIVersion 2 lets the server check who refunds.
	APIVersion int64
	// NonceStr is made up when empty. It is not echoed and proves nothing (R11).
	NonceStr string
}

func (m *RefundRequest) fields(c *walk) {
	c.object("pay_mch_key", &m.PayMchKey)
	c.respell("pay_content", "refund_content") // as in sample code, R13
	c.object("refund_content", &m.RefundContent)
	c.object("order_client", &m.OrderClient)
	c.int("api_version", &m.APIVersion)
	c.freshNonce(&m.NonceStr)
}

// Method returns MethodRefund.
func (*RefundRequest) Method() Method { return MethodRefund }

// Validate follows Request. How much may still be refunded is the server's to
// say, in words for the cashier, also when it is less than RefundFee from the
// start.
func (m *RefundRequest) Validate() error {
	r := rules{}
	r.merchant(&m.PayMchKey)
	v := &m.RefundContent
	r.tradeNo("refund_content.out_trade_no", v.OutTradeNo)
	r.tradeNo("refund_content.out_refund_no", v.OutRefundNo)
	r.fee("refund_content.total_fee", v.TotalFee)
	r.fee("refund_content.refund_fee", v.RefundFee)
	r.currency("refund_content.refund_fee_type", v.RefundFeeType)
	return r.with(m)
}

// RefundResponse is the refund as it was accepted, as one object (protocol.md
// R29). Accepted is not yet returned: query it, or wait for the callback.
type RefundResponse struct {
	// NonceStr is made up when empty. It is not echoed and proves nothing (R11).
	NonceStr string
	// PayMchKey echoes the merchant, with the platform that is really used.
	PayMchKey PayMchKey
	// RefundOrderContent is the refund, as one object (R29).
	RefundOrderContent RefundOrderContent
	// OrderClient is the device that asked for it, if the server tells: a list of one (R30).
	OrderClient []OrderClient
}

func (m *RefundResponse) fields(c *walk) {
	c.object("pay_mch_key", &m.PayMchKey)
	c.object("refund_order_content", &m.RefundOrderContent)
	c.freshNonce(&m.NonceStr)
	c.spare(shedTexts)
	list(c, "order_client", &m.OrderClient)
}

// QueryRefundOrderRequest asks for one refund, or for all refunds of an order
// when OutRefundNo is empty.
type QueryRefundOrderRequest struct {
	// PayMchKey names the merchant. A Client fills it in.
	PayMchKey PayMchKey
	// OrderClient describes the device. A Client fills it in.
	OrderClient OrderClient
	// OutTradeNo is the number of the order.
	OutTradeNo string
	// OutRefundNo is the number of the refund, or empty for all refunds of the order.
	OutRefundNo string
	// NonceStr is made up when empty. It is not echoed and proves nothing (R11).
	NonceStr string
}

func (m *QueryRefundOrderRequest) fields(c *walk) {
	c.object("pay_mch_key", &m.PayMchKey)
	c.object("order_client", &m.OrderClient)
	c.mustText("out_trade_no", &m.OutTradeNo, limitTradeNo)
	c.text("out_refund_no", &m.OutRefundNo, limitTradeNo)
	c.freshNonce(&m.NonceStr)
}

// Method returns MethodQueryRefundOrder.
func (*QueryRefundOrderRequest) Method() Method { return MethodQueryRefundOrder }

// Validate follows Request.
func (m *QueryRefundOrderRequest) Validate() error {
	r := rules{}
	r.merchant(&m.PayMchKey)
	r.tradeNo("out_trade_no", m.OutTradeNo)
	if m.OutRefundNo != "" {
		r.tradeNo("out_refund_no", m.OutRefundNo)
	}
	return r.with(m)
}

// QueryRefundOrderResponse lists refunds in the order of their creation. If they
// do not fit what clients can read, the oldest are left out.
type QueryRefundOrderResponse struct {
	// NonceStr is made up when empty. It is not echoed and proves nothing (R11).
	NonceStr string
	// PayMchKey echoes the merchant, with the platform that is really used.
	PayMchKey PayMchKey
	// RefundOrderContent are the refunds, always as a list (R29).
	RefundOrderContent []RefundOrderContent
	// OrderClient are the devices that asked for them, if the server tells.
	OrderClient []OrderClient
}

func (m *QueryRefundOrderResponse) fields(c *walk) {
	c.object("pay_mch_key", &m.PayMchKey)
	mustList(c, "refund_order_content", &m.RefundOrderContent)
	c.freshNonce(&m.NonceStr)
	c.spare(shedTexts)
	list(c, "order_client", &m.OrderClient)
}

// PingResponse is flat and not enveloped; Encode writes it (protocol.md §1.7).
// Devices set their clock by the timestamp.
type PingResponse struct {
	// Description is ok.
	Description string
	// Status is 0.
	Status int64
	// Timestamp is in UNIX seconds; devices set their clocks by it.
	Timestamp int64
}

func (m *PingResponse) fields(c *walk) {
	c.mustText("description", &m.Description, limitDesc)
	c.mustInt("status", &m.Status)
	c.mustInt("timestamp", &m.Timestamp)
}
