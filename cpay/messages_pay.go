package cpay

// payCall is the shape of the calls that prepare a payment for the customer's
// own device.
type payCall struct {
	PayMchKey   PayMchKey
	PayContent  PayContent
	OrderClient OrderClient
	TradeType   TradeType
	NonceStr    string
}

func (m *payCall) fields(c *walk) {
	c.object("pay_mch_key", &m.PayMchKey)
	c.object("pay_content", &m.PayContent)
	c.object("order_client", &m.OrderClient)
	c.int("trade_type", (*int64)(&m.TradeType))
	c.freshNonce(&m.NonceStr)
}

// platform is the wallet asked for, or the one whose ext names the payer
// (protocol.md R10).
func (m *payCall) platform() PayPlatform {
	switch k := &m.PayMchKey; {
	case k.PayPlatform != 0:
		return k.PayPlatform
	case k.WxpayExt != nil:
		return PlatformWxpay
	case k.AlipayExt != nil:
		return PlatformAlipay
	}
	return 0
}

// start is the part of Validate that they share.
func (m *payCall) start() *rules {
	r := &rules{}
	r.merchant(&m.PayMchKey)
	if m.platform() == 0 {
		r.fail("pay_mch_key.pay_platform", "is missing")
	}
	r.payment(&m.PayContent)
	r.tradeType(m.TradeType)
	return r
}

// payer asks for the customer, whom each wallet knows by its own kind of id.
func (m *payCall) payer(r *rules) {
	switch wx, ali := m.PayMchKey.WxpayExt, m.PayMchKey.AlipayExt; m.platform() {
	case PlatformWxpay:
		if wx == nil || wx.OpenID == "" && wx.SubOpenID == "" {
			r.fail("pay_mch_key.wxpay_pay_mch_key_ext.open_id", "is missing, and so is sub_open_id")
		}
	case PlatformAlipay:
		if ali == nil || ali.UserID == "" {
			r.fail("pay_mch_key.alipay_pay_mch_key_ext.user_id", "is missing")
		}
	case PlatformCard, PlatformRecord:
	}
}

// onlyWxpay is the rule of the two interfaces that Alipay has no part in.
func (m *payCall) onlyWxpay(r *rules) {
	if p := m.PayMchKey.PayPlatform; p != 0 && p != PlatformWxpay {
		r.fail("pay_mch_key.pay_platform", "is not WeChat Pay")
	}
}

// OfficialAccountPayRequest prepares a payment on a page that the customer has
// opened inside the wallet.
type OfficialAccountPayRequest struct {
	// PayMchKey names the merchant and, in its ext, the customer: OpenID or SubOpenID, or UserID. A Client fills in the merchant.
	PayMchKey PayMchKey
	// PayContent is what is to be paid.
	PayContent PayContent
	// OrderClient describes the caller. A Client fills it in.
	OrderClient OrderClient
	// TradeType is TradeOfficialAccount; servers go by the path.
	TradeType TradeType
	// NonceStr is made up when empty. It is not echoed and proves nothing (R11).
	NonceStr string
}

func (m *OfficialAccountPayRequest) fields(c *walk) { (*payCall)(m).fields(c) }

// Method returns MethodOfficialAccountPay.
func (*OfficialAccountPayRequest) Method() Method { return MethodOfficialAccountPay }

// Platform is the wallet asked for or else the one whose ext names the customer;
// 0 if neither is known.
func (m *OfficialAccountPayRequest) Platform() PayPlatform { return (*payCall)(m).platform() }

// Validate follows Request. The customer must be named.
func (m *OfficialAccountPayRequest) Validate() error {
	r := (*payCall)(m).start()
	(*payCall)(m).payer(r)
	return r.with(m)
}

// OfficialAccountPayResponse is the order, waiting for the customer, and what
// the page needs to open the payment.
type OfficialAccountPayResponse struct {
	// NonceStr is made up when empty. It is not echoed and proves nothing (R11).
	NonceStr string
	// PayMchKey echoes the merchant, with the platform that is really used.
	PayMchKey PayMchKey
	// OrderContent is the order; Outcome reads its state.
	OrderContent OrderContent
	// JSAPIArgs open the payment.
	JSAPIArgs JSAPIArgs
}

func (m *OfficialAccountPayResponse) fields(c *walk) {
	c.object("pay_mch_key", &m.PayMchKey)
	c.object("order_content", &m.OrderContent)
	c.object("jsapi_args", &m.JSAPIArgs)
	c.freshNonce(&m.NonceStr)
}

// MiniProgramPayRequest prepares a payment in a mini program of the wallet.
type MiniProgramPayRequest struct {
	// PayMchKey names the merchant and, in its ext, the mini program and the customer. A Client fills in the merchant.
	PayMchKey PayMchKey
	// PayContent is what is to be paid.
	PayContent PayContent
	// OrderClient describes the caller. A Client fills it in.
	OrderClient OrderClient
	// TradeType is TradeMiniProgram; servers go by the path.
	TradeType TradeType
	// NonceStr is made up when empty. It is not echoed and proves nothing (R11).
	NonceStr string
}

func (m *MiniProgramPayRequest) fields(c *walk) { (*payCall)(m).fields(c) }

// Method returns MethodMiniProgramPay.
func (*MiniProgramPayRequest) Method() Method { return MethodMiniProgramPay }

// Platform is the wallet asked for or else the one whose ext names the customer;
// 0 if neither is known.
func (m *MiniProgramPayRequest) Platform() PayPlatform { return (*payCall)(m).platform() }

// Validate follows Request. The customer must be named.
func (m *MiniProgramPayRequest) Validate() error {
	r := (*payCall)(m).start()
	(*payCall)(m).payer(r)
	return r.with(m)
}

// MiniProgramPayResponse is the order, waiting for the customer, and what the
// mini program needs to open the payment (protocol.md R34).
type MiniProgramPayResponse struct {
	// NonceStr is made up when empty. It is not echoed and proves nothing (R11).
	NonceStr string
	// PayMchKey echoes the merchant, with the platform that is really used.
	PayMchKey PayMchKey
	// OrderContent is the order; Outcome reads its state.
	OrderContent OrderContent
	// JSAPIArgs open the payment.
	JSAPIArgs JSAPIArgs
}

func (m *MiniProgramPayResponse) fields(c *walk) { (*OfficialAccountPayResponse)(m).fields(c) }

// JSAPIArgs are what a page or mini program hands to the wallet (jsapi_args).
type JSAPIArgs struct {
	// Wxpay is set for WeChat Pay.
	Wxpay *WxpayJSAPI
	// Alipay is set for Alipay.
	Alipay *AlipayJSAPI
}

func (m *JSAPIArgs) fields(c *walk) {
	optional(c, "wxpay", &m.Wxpay)
	optional(c, "alipay", &m.Alipay)
}

// WxpayJSAPI holds the arguments under the name of the place that takes them.
type WxpayJSAPI struct {
	// GetBrandWCPay is for a page inside WeChat.
	GetBrandWCPay *WxpayClientArgs
	// MiniProgramPay is for wx.requestPayment.
	MiniProgramPay *WxpayClientArgs
}

func (m *WxpayJSAPI) fields(c *walk) {
	optional(c, "get_brand_wcpay", &m.GetBrandWCPay)
	optional(c, "mini_program_pay", &m.MiniProgramPay)
}

// WxpayClientArgs are signed for the customer's WeChat; hand them on unchanged.
type WxpayClientArgs struct {
	// AppID is the account or mini program that opens the payment.
	AppID string
	// Timestamp is in UNIX seconds, as text, because the signature covers it so.
	Timestamp string
	// NonceStr belongs to the signature.
	NonceStr string
	// Package is prepay_id=….
	Package string
	// SignType is the method of PaySign.
	SignType string
	// PaySign covers all of them.
	PaySign string
}

func (m *WxpayClientArgs) fields(c *walk) {
	c.mustText("app_id", &m.AppID, limitShort)
	c.mustText("timestamp", &m.Timestamp, limitShort)
	c.mustText("nonce_str", &m.NonceStr, limitNonce)
	c.mustText("package", &m.Package, limitBody)
	c.mustText("sign_type", &m.SignType, limitShort)
	c.mustText("pay_sign", &m.PaySign, limitSign)
}

// AlipayJSAPI holds the arguments for a page inside Alipay.
type AlipayJSAPI struct {
	// TradePay is for AlipayJSBridge's tradePay.
	TradePay *AlipayTradePay
}

func (m *AlipayJSAPI) fields(c *walk) { optional(c, "trade_pay", &m.TradePay) }

// AlipayTradePay names the trade to Alipay.
type AlipayTradePay struct {
	// TradeNo is Alipay's number of the order.
	TradeNo string
}

func (m *AlipayTradePay) fields(c *walk) { c.mustText("trade_no", &m.TradeNo, limitShort) }

// AppPayRequest prepares a payment in the merchant's mobile application, which
// WxpayExt.MobAppID names. There is only WeChat Pay.
type AppPayRequest struct {
	// PayMchKey names the merchant and the application. A Client fills in the merchant.
	PayMchKey PayMchKey
	// PayContent is what is to be paid.
	PayContent PayContent
	// OrderClient describes the caller. A Client fills it in.
	OrderClient OrderClient
	// TradeType is TradeApp; servers go by the path.
	TradeType TradeType
	// NonceStr is made up when empty. It is not echoed and proves nothing (R11).
	NonceStr string
}

func (m *AppPayRequest) fields(c *walk) { (*payCall)(m).fields(c) }

// Method returns MethodAppPay.
func (*AppPayRequest) Method() Method { return MethodAppPay }

// Validate follows Request. The application must be named.
func (m *AppPayRequest) Validate() error {
	r := &rules{}
	r.merchant(&m.PayMchKey)
	(*payCall)(m).onlyWxpay(r)
	if wx := m.PayMchKey.WxpayExt; wx == nil || wx.MobAppID == "" {
		r.fail("pay_mch_key.wxpay_pay_mch_key_ext.mob_app_id", "is missing")
	}
	r.payment(&m.PayContent)
	r.tradeType(m.TradeType)
	return r.with(m)
}

// AppPayResponse is what the application hands to WeChat.
type AppPayResponse struct {
	// NonceStr is made up when empty. It is not echoed and proves nothing (R11).
	NonceStr string
	// PayMchKey echoes the merchant.
	PayMchKey PayMchKey
	// SDKArgs open the payment.
	SDKArgs SDKArgs
}

func (m *AppPayResponse) fields(c *walk) {
	c.object("pay_mch_key", &m.PayMchKey)
	c.object("sdk_args", &m.SDKArgs)
	c.freshNonce(&m.NonceStr)
}

// SDKArgs are what a mobile application hands to the wallet's SDK (sdk_args).
type SDKArgs struct {
	// Wxpay is for WeChat Pay.
	Wxpay WxpaySDKArgs
}

func (m *SDKArgs) fields(c *walk) { c.object("wxpay", &m.Wxpay) }

// WxpaySDKArgs are signed for WeChat's SDK; hand them on unchanged.
type WxpaySDKArgs struct {
	// AppID is the mobile application.
	AppID string
	// Timestamp is in UNIX seconds, as text.
	Timestamp string
	// NonceStr belongs to the signature.
	NonceStr string
	// PackageValue is Sign=WXPay.
	PackageValue string
	// PartnerID is the merchant's number at WeChat Pay.
	PartnerID string
	// Sign covers all of them.
	Sign string
	// PrepareID is WeChat's number of the prepared payment.
	PrepareID string
}

func (m *WxpaySDKArgs) fields(c *walk) {
	c.mustText("app_id", &m.AppID, limitShort)
	c.mustText("timestamp", &m.Timestamp, limitShort)
	c.mustText("nonce_str", &m.NonceStr, limitNonce)
	c.mustText("package_value", &m.PackageValue, limitBody)
	c.mustText("partner_id", &m.PartnerID, limitShort)
	c.mustText("sign", &m.Sign, limitSign)
	c.mustText("prepare_id", &m.PrepareID, limitShort)
}

// MobWebPayRequest prepares a payment on a page that the customer has opened in
// a browser, which WxpayExt.SceneInfo describes. There is only WeChat Pay.
type MobWebPayRequest struct {
	// PayMchKey names the merchant. A Client fills it in.
	PayMchKey PayMchKey
	// PayContent is what is to be paid, with the scene in its ext.
	PayContent PayContent
	// OrderClient describes the caller. A Client fills it in.
	OrderClient OrderClient
	// TradeType is TradeMobileWeb; servers go by the path.
	TradeType TradeType
	// NonceStr is made up when empty. It is not echoed and proves nothing (R11).
	NonceStr string
}

func (m *MobWebPayRequest) fields(c *walk) { (*payCall)(m).fields(c) }

// Method returns MethodMobWebPay.
func (*MobWebPayRequest) Method() Method { return MethodMobWebPay }

// Validate follows Request. The scene must be described.
func (m *MobWebPayRequest) Validate() error {
	r := &rules{}
	r.merchant(&m.PayMchKey)
	(*payCall)(m).onlyWxpay(r)
	r.payment(&m.PayContent)
	r.tradeType(m.TradeType)
	if wx := m.PayContent.WxpayExt; wx == nil || wx.SceneInfo == "" {
		r.fail("pay_content.wxpay_pay_content_ext.scene_info", "is missing")
	}
	return r.with(m)
}

// MobWebPayResponse is where the page sends the customer. The documents call the
// object two names, so it is written under mweb_args and by itself (protocol.md
// §7 row 28).
type MobWebPayResponse struct {
	// NonceStr is made up when empty. It is not echoed and proves nothing (R11).
	NonceStr string
	// PayMchKey echoes the merchant.
	PayMchKey PayMchKey
	// MwebArgs open the payment.
	MwebArgs MwebArgs
}

func (m *MobWebPayResponse) fields(c *walk) {
	c.object("pay_mch_key", &m.PayMchKey)
	c.object("mweb_args", &m.MwebArgs)
	c.object("wxpay", &m.MwebArgs.Wxpay)
	c.freshNonce(&m.NonceStr)
}

// MwebArgs are what a page in a browser needs (mweb_args).
type MwebArgs struct {
	// Wxpay is for WeChat Pay.
	Wxpay WxpayMwebArgs
}

func (m *MwebArgs) fields(c *walk) { c.object("wxpay", &m.Wxpay) }

// WxpayMwebArgs is where WeChat Pay takes over.
type WxpayMwebArgs struct {
	// MwebURL is the address to open.
	MwebURL string
	// PrepayID is WeChat's number of the prepared payment.
	PrepayID string
}

func (m *WxpayMwebArgs) fields(c *walk) {
	c.mustText("mweb_url", &m.MwebURL, limitURL)
	c.mustText("prepay_id", &m.PrepayID, limitShort)
}
