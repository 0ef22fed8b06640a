package cpay

// BriefMicroPayRequest charges a customer from a device with a short envelope
// (protocol.md §2.5). The wallet is that of the payment code.
type BriefMicroPayRequest struct {
	// SNCode is the serial number of the device (sc).
	SNCode string
	// OutShopID is the shop, which also selects the key (osi).
	OutShopID string
	// NonceStr is the device's (ns).
	NonceStr string
	// OutTradeNo begins with the order prefix (otn).
	OutTradeNo string
	// AuthorCode is the customer's payment code (ac).
	AuthorCode PayCode
	// TotalFee is the amount in fen (tf).
	TotalFee int64
	// Body describes the goods (bd).
	Body string
	// DeviceID is the device record (di).
	DeviceID string
	// SubTerminalType is the model (stt).
	SubTerminalType int64
}

func (m *BriefMicroPayRequest) fields(c *walk) {
	c.mustText("ac", (*string)(&m.AuthorCode), limitPayCode)
	c.text("bd", &m.Body, limitBody)
	c.text("di", &m.DeviceID, limitClientText)
	c.briefNonce(&m.NonceStr)
	c.mustText("osi", &m.OutShopID, limitID)
	c.mustText("otn", &m.OutTradeNo, limitTradeNo)
	c.text("sc", &m.SNCode, limitClientText)
	c.int("stt", &m.SubTerminalType)
	c.mustInt("tf", &m.TotalFee)
}

// Method returns MethodBriefMicroPay.
func (*BriefMicroPayRequest) Method() Method { return MethodBriefMicroPay }

// Validate follows Request.
func (m *BriefMicroPayRequest) Validate() error {
	r := rules{}
	r.need("osi", m.OutShopID)
	r.tradeNo("otn", m.OutTradeNo)
	r.fee("tf", m.TotalFee)
	r.need("ac", string(m.AuthorCode))
	return r.with(m)
}

// Platform is the wallet that the payment code belongs to; 0 if it is unknown.
func (m *BriefMicroPayRequest) Platform() PayPlatform { return PlatformOf(m.AuthorCode) }

// briefNonceLength is what devices have room for (protocol.md §2.5).
const briefNonceLength = 8

// briefNonce is the nonce of a short envelope, made up when there is none.
func (c *walk) briefNonce(p *string) {
	if c.mode == writing && *p == "" {
		short := c.nonce
		if len(short) > briefNonceLength {
			short = short[:briefNonceLength]
		}
		p = &short
	}
	c.mustText("ns", p, limitNonce)
}

// BriefStates is the state of an order by wallet, of which one is set.
type BriefStates struct {
	// Wxpay is set for WeChat Pay (wx).
	Wxpay *BriefWxpayState
	// Alipay is set for Alipay (ali).
	Alipay *BriefAlipayState
	// Card is set for the merchant's member card (cd).
	Card *BriefCardState
}

// states names the alternatives, of which the first that is set is written.
func (m *BriefStates) states(c *walk) {
	one := c.mode == writing
	optional(c, "wx", &m.Wxpay)
	if one && m.Wxpay != nil {
		return
	}
	optional(c, "ali", &m.Alipay)
	if one && m.Alipay != nil {
		return
	}
	optional(c, "cd", &m.Card)
}

// BriefWxpayState is the state of a WeChat Pay order.
type BriefWxpayState struct {
	// CurrentTradeState decides (cts).
	CurrentTradeState WxpayOrderState
	// TradeStateDesc describes it (tsd).
	TradeStateDesc string
}

func (m *BriefWxpayState) fields(c *walk) {
	c.mustInt("cts", (*int64)(&m.CurrentTradeState))
	c.spare(shedTexts)
	c.text("tsd", &m.TradeStateDesc, limitDesc)
}

// BriefAlipayState is the state of an Alipay order.
type BriefAlipayState struct {
	// CurrentTradeState decides (cts).
	CurrentTradeState AlipayOrderState
}

func (m *BriefAlipayState) fields(c *walk) { c.mustInt("cts", (*int64)(&m.CurrentTradeState)) }

// BriefCardState is the state of an order paid by member card.
type BriefCardState struct {
	// CurrentTradeState is a CardOrderState of protocol.md §3.6 (cts).
	CurrentTradeState int64
}

func (m *BriefCardState) fields(c *walk) { c.mustInt("cts", &m.CurrentTradeState) }

// BriefMicroPayResponse is the state of the order.
type BriefMicroPayResponse struct {
	// BriefStates is the state by wallet.
	BriefStates
	// NonceStr is made up when empty (ns).
	NonceStr string
}

func (m *BriefMicroPayResponse) fields(c *walk) {
	m.states(c)
	c.briefNonce(&m.NonceStr)
}

// BriefQueryOrderRequest asks for the state of an order.
type BriefQueryOrderRequest struct {
	// OutShopID is the shop, which also selects the key (osi).
	OutShopID string
	// NonceStr is the device's (ns).
	NonceStr string
	// OutTradeNo is the number of the order (otn).
	OutTradeNo string
	// DeviceID is the device record (di), in a sample only.
	DeviceID string
	// SNCode is the serial number (sc), in a sample only.
	SNCode string
}

func (m *BriefQueryOrderRequest) fields(c *walk) {
	c.text("di", &m.DeviceID, limitClientText)
	c.briefNonce(&m.NonceStr)
	c.mustText("osi", &m.OutShopID, limitID)
	c.mustText("otn", &m.OutTradeNo, limitTradeNo)
	c.text("sc", &m.SNCode, limitClientText)
}

// Method returns MethodBriefQueryOrder.
func (*BriefQueryOrderRequest) Method() Method { return MethodBriefQueryOrder }

// Validate follows Request.
func (m *BriefQueryOrderRequest) Validate() error {
	r := rules{}
	r.need("osi", m.OutShopID)
	r.tradeNo("otn", m.OutTradeNo)
	return r.with(m)
}

// BriefQueryOrderResponse is the order as it stands.
type BriefQueryOrderResponse struct {
	// PayPlatform is the wallet (pp).
	PayPlatform PayPlatform
	// OutTradeNo is the number of the order (otn).
	OutTradeNo string
	// TotalFee is the amount in fen (tf).
	TotalFee int64
	// BriefStates is the state by wallet.
	BriefStates
	// NonceStr is made up when empty (ns).
	NonceStr string
}

func (m *BriefQueryOrderResponse) fields(c *walk) {
	c.mustInt("pp", (*int64)(&m.PayPlatform))
	c.mustText("otn", &m.OutTradeNo, limitTradeNo)
	c.mustInt("tf", &m.TotalFee)
	m.states(c)
	c.briefNonce(&m.NonceStr)
}
