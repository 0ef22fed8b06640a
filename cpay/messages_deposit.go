package cpay

// MicroFreezeRequest takes a deposit from the customer whose payment code was
// scanned. Amounts of deposits are fen.
type MicroFreezeRequest struct {
	// PayMchKey names the merchant. A Client fills it in.
	PayMchKey PayMchKey
	// FreezeContent is the deposit.
	FreezeContent FreezeContent
	// OrderClient describes the device. A Client fills it in.
	OrderClient OrderClient
	// NonceStr is made up when empty. It is not echoed and proves nothing (R11).
	NonceStr string
}

func (m *MicroFreezeRequest) fields(c *walk) {
	c.object("pay_mch_key", &m.PayMchKey)
	c.object("freeze_content", &m.FreezeContent)
	c.object("order_client", &m.OrderClient)
	c.freshNonce(&m.NonceStr)
}

// Method returns MethodMicroFreeze.
func (*MicroFreezeRequest) Method() Method { return MethodMicroFreeze }

// Validate follows Request.
func (m *MicroFreezeRequest) Validate() error {
	r := rules{}
	r.merchant(&m.PayMchKey)
	r.freeze(&m.FreezeContent)
	r.need("freeze_content.author_code", string(m.FreezeContent.AuthorCode))
	return r.with(m)
}

// freeze is what all ways of taking a deposit need.
func (r *rules) freeze(m *FreezeContent) {
	r.tradeNo("freeze_content.out_freeze_no", m.OutFreezeNo)
	r.fee("freeze_content.freeze_fee", m.FreezeFee)
	r.currency("freeze_content.fee_type", m.FeeType)
}

// MicroFreezeResponse is the deposit as it stands.
type MicroFreezeResponse struct {
	// NonceStr is made up when empty. It is not echoed and proves nothing (R11).
	NonceStr string
	// PayMchKey echoes the merchant.
	PayMchKey PayMchKey
	// FreezeOrderContent is the deposit.
	FreezeOrderContent FreezeOrderContent
}

func (m *MicroFreezeResponse) fields(c *walk) {
	c.object("freeze_order_content", &m.FreezeOrderContent)
	c.object("pay_mch_key", &m.PayMchKey)
	c.freshNonce(&m.NonceStr)
}

// ScancodeFreezeRequest asks for a code by which the customer leaves a deposit.
type ScancodeFreezeRequest struct {
	// PayMchKey names the merchant. A Client fills it in.
	PayMchKey PayMchKey
	// FreezeContent is the deposit.
	FreezeContent FreezeContent
	// OrderClient describes the device. A Client fills it in.
	OrderClient OrderClient
	// NonceStr is made up when empty. It is not echoed and proves nothing (R11).
	NonceStr string
}

func (m *ScancodeFreezeRequest) fields(c *walk) { (*MicroFreezeRequest)(m).fields(c) }

// Method returns MethodScancodeFreeze.
func (*ScancodeFreezeRequest) Method() Method { return MethodScancodeFreeze }

// Validate follows Request.
func (m *ScancodeFreezeRequest) Validate() error {
	r := rules{}
	r.merchant(&m.PayMchKey)
	r.freeze(&m.FreezeContent)
	return r.with(m)
}

// ScancodeFreezeResponse brings the code to show.
type ScancodeFreezeResponse struct {
	// NonceStr is made up when empty. It is not echoed and proves nothing (R11).
	NonceStr string
	// CodeURL is what the code to show must hold.
	CodeURL string
}

func (m *ScancodeFreezeResponse) fields(c *walk) { (*ScanCodePayResponse)(m).fields(c) }

// FreezeContent is a deposit to be taken (freeze_content).
type FreezeContent struct {
	// OutFreezeNo begins with the order prefix and is never used twice.
	OutFreezeNo string
	// AuthorCode is the customer's payment code; scancode_freeze has none.
	AuthorCode PayCode
	// FreezeFee is the amount.
	FreezeFee int64
	// FeeType is CNY; empty means the same.
	FeeType string
	// Body describes it to the customer.
	Body string
	// Detail is the JSON text of a Detail.
	Detail string
	// Remark is the merchant's note.
	Remark string
	// WxpayExt is what only WeChat Pay takes.
	WxpayExt *WxpayFreezeContentExt
	// AlipayExt is what only Alipay takes.
	AlipayExt *AlipayFreezeContentExt
}

func (m *FreezeContent) fields(c *walk) {
	c.mustText("out_freeze_no", &m.OutFreezeNo, limitTradeNo)
	c.text("author_code", (*string)(&m.AuthorCode), limitPayCode)
	c.mustInt("freeze_fee", &m.FreezeFee)
	c.text("fee_type", &m.FeeType, limitCurrency)
	c.text("body", &m.Body, limitBody)
	c.loose("detail", &m.Detail, limitDetail)
	c.text("remark", &m.Remark, limitAttach)
	optional(c, "wxpay_freeze_content_ext", &m.WxpayExt)
	optional(c, "alipay_freeze_content_ext", &m.AlipayExt)
}

// WxpayFreezeContentExt is what only WeChat Pay takes for a deposit.
type WxpayFreezeContentExt struct {
	// Attach is opaque and returned with the deposit.
	Attach string
	// GoodsTag selects promotions.
	GoodsTag string
	// LimitPay may be no_credit.
	LimitPay string
}

func (m *WxpayFreezeContentExt) fields(c *walk) {
	c.text("attach", &m.Attach, limitAttach)
	c.text("goods_tag", &m.GoodsTag, limitShort)
	c.text("limit_pay", &m.LimitPay, limitShort)
}

// AlipayFreezeContentExt is what only Alipay takes for a deposit.
type AlipayFreezeContentExt struct {
	// EnablePayChannels lists what the customer may leave it with.
	EnablePayChannels string
}

func (m *AlipayFreezeContentExt) fields(c *walk) {
	c.text("enable_pay_channels", &m.EnablePayChannels, limitExtra)
}

// DepositConsumeRequest takes money from a deposit: PayContent.OutFreezeNo.
type DepositConsumeRequest struct {
	// PayMchKey names the merchant. A Client fills it in.
	PayMchKey PayMchKey
	// PayContent is what is to be paid, and from which deposit.
	PayContent PayContent
	// OrderClient describes the device. A Client fills it in.
	OrderClient OrderClient
	// NonceStr is made up when empty. It is not echoed and proves nothing (R11).
	NonceStr string
}

func (m *DepositConsumeRequest) fields(c *walk) {
	c.object("pay_mch_key", &m.PayMchKey)
	c.object("pay_content", &m.PayContent)
	c.object("order_client", &m.OrderClient)
	c.freshNonce(&m.NonceStr)
}

// Method returns MethodDepositConsume.
func (*DepositConsumeRequest) Method() Method { return MethodDepositConsume }

// Validate follows Request.
func (m *DepositConsumeRequest) Validate() error {
	r := rules{}
	r.merchant(&m.PayMchKey)
	r.payment(&m.PayContent)
	r.tradeNo("pay_content.out_freeze_no", m.PayContent.OutFreezeNo)
	return r.with(m)
}

// DepositConsumeResponse is the order that was paid from the deposit.
type DepositConsumeResponse struct {
	// NonceStr is made up when empty. It is not echoed and proves nothing (R11).
	NonceStr string
	// PayMchKey echoes the merchant.
	PayMchKey PayMchKey
	// OrderContent is the order.
	OrderContent OrderContent
}

func (m *DepositConsumeResponse) fields(c *walk) { (*MicroPayResponse)(m).fields(c) }

// UnfreezeRequest returns a part or all of a deposit.
type UnfreezeRequest struct {
	// PayMchKey names the merchant and who allows it. A Client fills in the merchant.
	PayMchKey PayMchKey
	// UnfreezeContent is what is to be returned.
	UnfreezeContent UnfreezeContent
	// OrderClient describes the device. A Client fills it in.
	OrderClient OrderClient
	// NonceStr is made up when empty. It is not echoed and proves nothing (R11).
	NonceStr string
}

func (m *UnfreezeRequest) fields(c *walk) {
	c.object("pay_mch_key", &m.PayMchKey)
	c.object("unfreeze_content", &m.UnfreezeContent)
	c.object("order_client", &m.OrderClient)
	c.freshNonce(&m.NonceStr)
}

// Method returns MethodUnfreeze.
func (*UnfreezeRequest) Method() Method { return MethodUnfreeze }

// Validate follows Request.
func (m *UnfreezeRequest) Validate() error {
	r := rules{}
	r.merchant(&m.PayMchKey)
	r.tradeNo("unfreeze_content.out_freeze_no", m.UnfreezeContent.OutFreezeNo)
	r.tradeNo("unfreeze_content.out_unfreeze_no", m.UnfreezeContent.OutUnfreezeNo)
	r.fee("unfreeze_content.unfreeze_fee", m.UnfreezeContent.UnfreezeFee)
	return r.with(m)
}

// UnfreezeContent is what is to be returned of a deposit (unfreeze_content).
type UnfreezeContent struct {
	// OutFreezeNo is the deposit.
	OutFreezeNo string
	// OutUnfreezeNo begins with the order prefix; the same number is the same return.
	OutUnfreezeNo string
	// UnfreezeFee is the amount.
	UnfreezeFee int64
	// Remark is the merchant's note.
	Remark string
}

func (m *UnfreezeContent) fields(c *walk) {
	c.mustText("out_freeze_no", &m.OutFreezeNo, limitTradeNo)
	c.mustText("out_unfreeze_no", &m.OutUnfreezeNo, limitTradeNo)
	c.mustInt("unfreeze_fee", &m.UnfreezeFee)
	c.text("remark", &m.Remark, limitAttach)
}

// UnfreezeResponse is the return as it was accepted.
type UnfreezeResponse struct {
	// NonceStr is made up when empty. It is not echoed and proves nothing (R11).
	NonceStr string
	// UnfreezeOrderContent is the return.
	UnfreezeOrderContent UnfreezeOrderContent
}

func (m *UnfreezeResponse) fields(c *walk) {
	c.object("unfreeze_order_content", &m.UnfreezeOrderContent)
	c.freshNonce(&m.NonceStr)
}

// QueryFreezeOrderRequest asks for a deposit.
type QueryFreezeOrderRequest struct {
	// PayMchKey names the merchant. A Client fills it in.
	PayMchKey PayMchKey
	// OutFreezeNo is the deposit.
	OutFreezeNo string
	// OrderClient describes the device. A Client fills it in.
	OrderClient OrderClient
	// NonceStr is made up when empty. It is not echoed and proves nothing (R11).
	NonceStr string
}

func (m *QueryFreezeOrderRequest) fields(c *walk) {
	c.object("pay_mch_key", &m.PayMchKey)
	c.mustText("out_freeze_no", &m.OutFreezeNo, limitTradeNo)
	c.object("order_client", &m.OrderClient)
	c.freshNonce(&m.NonceStr)
}

// Method returns MethodQueryFreezeOrder.
func (*QueryFreezeOrderRequest) Method() Method { return MethodQueryFreezeOrder }

// Validate follows Request.
func (m *QueryFreezeOrderRequest) Validate() error {
	r := rules{}
	r.merchant(&m.PayMchKey)
	r.tradeNo("out_freeze_no", m.OutFreezeNo)
	return r.with(m)
}

// QueryFreezeOrderResponse is the deposit as it stands.
type QueryFreezeOrderResponse struct {
	// NonceStr is made up when empty. It is not echoed and proves nothing (R11).
	NonceStr string
	// FreezeOrderContent is the deposit.
	FreezeOrderContent FreezeOrderContent
}

func (m *QueryFreezeOrderResponse) fields(c *walk) {
	c.object("freeze_order_content", &m.FreezeOrderContent)
	c.freshNonce(&m.NonceStr)
}

// QueryUnfreezeOrderRequest asks for one return, or for all returns of a deposit
// when OutUnfreezeNo is empty.
type QueryUnfreezeOrderRequest struct {
	// PayMchKey names the merchant. A Client fills it in.
	PayMchKey PayMchKey
	// OutFreezeNo is the deposit.
	OutFreezeNo string
	// OutUnfreezeNo is the return, or empty for all.
	OutUnfreezeNo string
	// OrderClient describes the device. A Client fills it in.
	OrderClient OrderClient
	// NonceStr is made up when empty. It is not echoed and proves nothing (R11).
	NonceStr string
}

func (m *QueryUnfreezeOrderRequest) fields(c *walk) {
	c.object("pay_mch_key", &m.PayMchKey)
	c.mustText("out_freeze_no", &m.OutFreezeNo, limitTradeNo)
	c.text("out_unfreeze_no", &m.OutUnfreezeNo, limitTradeNo)
	c.object("order_client", &m.OrderClient)
	c.freshNonce(&m.NonceStr)
}

// Method returns MethodQueryUnfreezeOrder.
func (*QueryUnfreezeOrderRequest) Method() Method { return MethodQueryUnfreezeOrder }

// Validate follows Request.
func (m *QueryUnfreezeOrderRequest) Validate() error {
	r := rules{}
	r.merchant(&m.PayMchKey)
	r.tradeNo("out_freeze_no", m.OutFreezeNo)
	if m.OutUnfreezeNo != "" {
		r.tradeNo("out_unfreeze_no", m.OutUnfreezeNo)
	}
	return r.with(m)
}

// QueryUnfreezeOrderResponse lists the returns of a deposit.
type QueryUnfreezeOrderResponse struct {
	// NonceStr is made up when empty. It is not echoed and proves nothing (R11).
	NonceStr string
	// UnfreezeOrderContent are the returns, always as a list.
	UnfreezeOrderContent []UnfreezeOrderContent
	// OrderClient are the devices that asked for them.
	OrderClient []OrderClient
}

func (m *QueryUnfreezeOrderResponse) fields(c *walk) {
	mustList(c, "unfreeze_order_content", &m.UnfreezeOrderContent)
	list(c, "order_client", &m.OrderClient)
	c.freshNonce(&m.NonceStr)
}
