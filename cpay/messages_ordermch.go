package cpay

// OrderMch is the merchant as it was when an order was made (order_mch).
type OrderMch struct {
	// PayPlatform is the wallet.
	PayPlatform PayPlatform
	// OutMchID is the provider.
	OutMchID string
	// OutSubMchID is the merchant.
	OutSubMchID string
	// OutShopID is the shop.
	OutShopID string
	// OutChannelID is the channel.
	OutChannelID string
	// OutCardID is the member card.
	OutCardID string
	// SubMchPayInfo is what the request sent.
	SubMchPayInfo string
	// MchUin is the provider's account at the original service.
	MchUin string
	// MchSubUin is the sub-provider's account at the original service.
	MchSubUin string
	// MchID is the wallet's id of the provider.
	MchID string
	// SubMchID is the wallet's id of the merchant.
	SubMchID string
	// UsingStreamSubMch says that a bank's merchant was used.
	UsingStreamSubMch bool
	// UpstreamOrderMchExt is JSON text about that bank.
	UpstreamOrderMchExt string
	// WxpayExt is set for WeChat Pay.
	WxpayExt *WxpayOrderMchExt
	// AlipayExt is set for Alipay.
	AlipayExt *AlipayOrderMchExt
	// CardOrderMchExt is JSON text about the member card.
	CardOrderMchExt string
}

func (m *OrderMch) fields(c *walk) {
	c.mustInt("pay_platform", (*int64)(&m.PayPlatform))
	c.mustText("out_mch_id", &m.OutMchID, limitID)
	c.mustText("out_sub_mch_id", &m.OutSubMchID, limitID)
	c.mustText("out_shop_id", &m.OutShopID, limitID)
	c.text("out_channel_id", &m.OutChannelID, limitID)
	c.text("out_card_id", &m.OutCardID, limitClientText)
	c.loose("sub_mch_pay_info", &m.SubMchPayInfo, limitExtra)
	c.text("mch_uin", &m.MchUin, limitID)
	c.text("mch_sub_uin", &m.MchSubUin, limitID)
	c.text("mch_id", &m.MchID, limitID)
	c.text("sub_mch_id", &m.SubMchID, limitID)
	c.bool("using_stream_sub_mch", &m.UsingStreamSubMch)
	c.loose("upstream_order_mch_ext", &m.UpstreamOrderMchExt, limitExtra)
	optional(c, "wxpay_order_mch_ext", &m.WxpayExt)
	optional(c, "alipay_order_mch_ext", &m.AlipayExt)
	c.loose("card_order_mch_ext", &m.CardOrderMchExt, limitExtra)
}

// WxpayOrderMchExt names the merchant, its accounts and the payer to WeChat Pay.
type WxpayOrderMchExt struct {
	// MchID is the provider.
	MchID string
	// SubMchID is the merchant.
	SubMchID string
	// ShopID is the shop.
	ShopID string
	// AppID is the provider's official account.
	AppID string
	// SubAppID is the merchant's official account.
	SubAppID string
	// OpenID is the payer under AppID.
	OpenID string
	// SubOpenID is the payer under SubAppID.
	SubOpenID string
	// IsSubscribe says that the payer follows AppID.
	IsSubscribe bool
	// SubIsSubscribe says that the payer follows SubAppID.
	SubIsSubscribe bool
	// IsBill marks a merchant of WeChat Pay's bill channel.
	IsBill bool
	// UseBill says that its channel was used.
	UseBill bool
	// BillChannelID is that channel.
	BillChannelID string
	// BillShopID is the shop there.
	BillShopID string
	// IsMacro marks a merchant without a licence; spelled so on the wire.
	IsMacro bool
}

func (m *WxpayOrderMchExt) fields(c *walk) {
	c.text("mch_id", &m.MchID, limitID)
	c.text("sub_mch_id", &m.SubMchID, limitID)
	c.text("shop_id", &m.ShopID, limitClientText)
	c.text("app_id", &m.AppID, limitShort)
	c.text("sub_app_id", &m.SubAppID, limitShort)
	c.text("open_id", &m.OpenID, limitOpenID)
	c.text("sub_open_id", &m.SubOpenID, limitOpenID)
	c.bool("is_subscribe", &m.IsSubscribe)
	c.bool("sub_is_subscribe", &m.SubIsSubscribe)
	c.bool("is_bill", &m.IsBill)
	c.bool("use_bill", &m.UseBill)
	c.text("bill_channel_id", &m.BillChannelID, limitID)
	c.text("bill_shop_id", &m.BillShopID, limitID)
	c.bool("is_macro", &m.IsMacro)
}

// AlipayOrderMchExt names the merchant, its applications and the payer to Alipay.
type AlipayOrderMchExt struct {
	// AppID is the provider's application.
	AppID string
	// SubAppID is the merchant's application.
	SubAppID string
	// StoreID is the shop.
	StoreID string
	// UserID is the payer.
	UserID string
	// SubMchID is the merchant.
	SubMchID string
}

func (m *AlipayOrderMchExt) fields(c *walk) {
	c.text("app_id", &m.AppID, limitShort)
	c.text("sub_app_id", &m.SubAppID, limitShort)
	c.text("store_id", &m.StoreID, limitID)
	c.text("user_id", &m.UserID, limitOpenID)
	c.text("sub_mch_id", &m.SubMchID, limitID)
}
