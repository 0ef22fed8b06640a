package cpay

// SDKQuerySubMchInfoRequest asks for what the service knows of the merchant.
type SDKQuerySubMchInfoRequest struct {
	// OutSubMchID is the merchant. A Client fills it in.
	OutSubMchID string
	// PageNum is 1, the only page there is; 0 means it too.
	PageNum int64
	// PageSize is 1; 0 means it too.
	PageSize int64
	// NonceStr is optional.
	NonceStr string
}

func (m *SDKQuerySubMchInfoRequest) fields(c *walk) {
	c.mustText("out_sub_mch_id", &m.OutSubMchID, limitID)
	c.int("page_num", &m.PageNum)
	c.int("page_size", &m.PageSize)
	c.text("nonce_str", &m.NonceStr, limitNonce)
}

// Method returns MethodSDKQuerySubMchInfo.
func (*SDKQuerySubMchInfoRequest) Method() Method { return MethodSDKQuerySubMchInfo }

// Validate follows Request.
func (m *SDKQuerySubMchInfoRequest) Validate() error {
	r := rules{}
	r.need("out_sub_mch_id", m.OutSubMchID)
	r.page("page_num", "page_size", max(1, m.PageNum), max(1, m.PageSize))
	return r.with(m)
}

// SDKQuerySubMchInfoResponse is the merchant under each of the provider's
// accounts with a wallet.
type SDKQuerySubMchInfoResponse struct {
	// NonceStr is made up when empty. It is not echoed and proves nothing (R11).
	NonceStr string
	// TotalCount is how many elements there are.
	TotalCount int64
	// SubMchInfos are they.
	SubMchInfos []SubMch
}

func (m *SDKQuerySubMchInfoResponse) fields(c *walk) {
	c.freshNonce(&m.NonceStr)
	c.mustInt("total_count", &m.TotalCount)
	mustList(c, "sub_mch_infos", &m.SubMchInfos)
}

// SubMch is a provider's account with one wallet, and the merchants under it.
type SubMch struct {
	// MchID is the wallet's id of the provider.
	MchID string
	// PayPlatform is the wallet.
	PayPlatform PayPlatform
	// CompanyName is the provider's.
	CompanyName string
	// MchSubUin is the sub-provider's account at the original service.
	MchSubUin string
	// MchSubCompanyName is the sub-provider's name.
	MchSubCompanyName string
	// OutMchID is the provider.
	OutMchID string
	// MchKey names the account once more.
	MchKey *MchKey
	// SubMchInfos are the merchants; one, in practice.
	SubMchInfos []SubMchInfo
}

func (m *SubMch) fields(c *walk) {
	c.mustText("mch_id", &m.MchID, limitID)
	c.mustInt("pay_platform", (*int64)(&m.PayPlatform))
	c.mustText("company_name", &m.CompanyName, limitTitle)
	c.text("mch_sub_uin", &m.MchSubUin, limitID)
	c.text("mch_sub_company_name", &m.MchSubCompanyName, limitTitle)
	c.mustText("out_mch_id", &m.OutMchID, limitID)
	optional(c, "mch_key", &m.MchKey)
	mustList(c, "sub_mch_infos", &m.SubMchInfos)
}

// MchKey names a provider's account with a wallet.
type MchKey struct {
	// MchID is the wallet's id of the provider.
	MchID string
	// PayPlatform is the wallet.
	PayPlatform PayPlatform
	// WxpayExt is what only WeChat Pay knows.
	WxpayExt *WxpayMchKeyExt
}

func (m *MchKey) fields(c *walk) {
	c.mustText("mch_id", &m.MchID, limitID)
	c.mustInt("pay_platform", (*int64)(&m.PayPlatform))
	optional(c, "wxpay_mch_key_ext", &m.WxpayExt)
}

// WxpayMchKeyExt names the provider's official account.
type WxpayMchKeyExt struct {
	// AppID is the official account.
	AppID string
}

func (m *WxpayMchKeyExt) fields(c *walk) { c.text("app_id", &m.AppID, limitShort) }

// SubMchInfo is a merchant (protocol.md §2.4). Times are texts here, as in the
// original's answers, and numbers everywhere else. Keys have no place in it.
type SubMchInfo struct {
	// SubMchID is the wallet's id of the merchant.
	SubMchID string
	// CompanyName is the name registered with the wallet.
	CompanyName string
	// Desc is a remark.
	Desc string
	// CloudCashierID is the order prefix.
	CloudCashierID string
	// TypedCashierIDs are all order prefixes.
	TypedCashierIDs []TypedCashierID
	// OutSubMchID is ours.
	OutSubMchID string
	// DefaultOrderBody stands for an empty description of goods.
	DefaultOrderBody string
	// SubMchAdminInfos are the administrators.
	SubMchAdminInfos []SubMchAdminInfo
	// OutSubMchIDURL is what the merchant's code holds.
	OutSubMchIDURL string
	// MerchantName is what customers read.
	MerchantName string
	// Logo is a picture in base64.
	Logo string
	// AdminEmail is the administrator's address.
	AdminEmail string
	// Phone is the merchant's.
	Phone string
	// OneCodePayAdInfo is shown after a payment by the shop's code.
	OneCodePayAdInfo *OneCodePayAdInfo
	// IsUseCpayShopSystem says that the shops are kept here.
	IsUseCpayShopSystem bool
	// AdPageURL is opened after a payment.
	AdPageURL string
	// BuslicID is the number of the business licence.
	BuslicID string
	// SubMchSource is where the merchant came from.
	SubMchSource int64
	// Direct is true for a merchant of the wallets themselves.
	Direct bool
	// UpstreamOutChannelID is the channel of one that is not.
	UpstreamOutChannelID string
	// UpstreamCompanyName is that channel's name.
	UpstreamCompanyName string
	// SelectableUpstreamSubMchs are the channels to choose from.
	SelectableUpstreamSubMchs []UpstreamSubMchInfo
	// BankRate is the fee in units of 1/1,000,000.
	BankRate int64
	// DisableCardOnlineRecharge turns recharging the member card off.
	DisableCardOnlineRecharge bool
	// AuthenType is 1.
	AuthenType int64
	// SignType is 1 where there is a public key.
	SignType int64
	// PublicKey checks the merchant's signatures.
	PublicKey string
	// CreateTime is when the merchant was made, as text.
	CreateTime string
	// LastUpdateTime is when the merchant last changed, as text.
	LastUpdateTime string
	// WxpayExt is set for WeChat Pay.
	WxpayExt *WxpaySubMchInfoExt
	// AlipayExt is set for Alipay.
	AlipayExt *AlipaySubMchInfoExt
}

func (m *SubMchInfo) fields(c *walk) {
	c.mustText("sub_mch_id", &m.SubMchID, limitID)
	c.mustText("company_name", &m.CompanyName, limitTitle)
	c.text("desc", &m.Desc, limitTitle)
	c.mustText("cloud_cashier_id", &m.CloudCashierID, limitOrdered)
	list(c, "typed_cashier_ids", &m.TypedCashierIDs)
	c.mustText("out_sub_mch_id", &m.OutSubMchID, limitID)
	c.text("default_order_body", &m.DefaultOrderBody, limitBody)
	list(c, "sub_mch_admin_infos", &m.SubMchAdminInfos)
	c.mustText("out_sub_mch_id_url", &m.OutSubMchIDURL, limitURL)
	c.mustText("merchant_name", &m.MerchantName, limitPayCode)
	c.text("logo", &m.Logo, limitLogo)
	c.text("admin_email", &m.AdminEmail, limitTitle)
	c.text("phone", &m.Phone, limitTitle)
	optional(c, "one_code_pay_ad_info", &m.OneCodePayAdInfo)
	c.bool("is_use_cpay_shop_system", &m.IsUseCpayShopSystem)
	c.text("ad_page_url", &m.AdPageURL, limitURL)
	c.text("buslic_id", &m.BuslicID, limitShort)
	c.int("sub_mch_source", &m.SubMchSource)
	c.mustBool("direct", &m.Direct)
	c.text("upstream_out_channel_id", &m.UpstreamOutChannelID, limitID)
	c.text("upstream_company_name", &m.UpstreamCompanyName, limitTitle)
	list(c, "selectable_upstream_sub_mchs", &m.SelectableUpstreamSubMchs)
	c.int("bank_rate", &m.BankRate)
	c.bool("disable_card_online_recharge", &m.DisableCardOnlineRecharge)
	c.int("authen_type", &m.AuthenType)
	c.int("sign_type", &m.SignType)
	c.text("public_key", &m.PublicKey, limitSign)
	c.text("create_time", &m.CreateTime, limitOrdered)
	c.text("last_update_time", &m.LastUpdateTime, limitOrdered)
	optional(c, "wxpay_sub_mch_info_ext", &m.WxpayExt)
	optional(c, "alipay_sub_mch_info_ext", &m.AlipayExt)
}

// TypedCashierID is an order prefix and its form.
type TypedCashierID struct {
	// ID is the prefix.
	ID string
	// Type tells its form, in numbers of the server's own.
	Type int64
}

func (m *TypedCashierID) fields(c *walk) {
	c.mustText("id", &m.ID, limitOrdered)
	c.mustInt("type", &m.Type)
}

// SubMchAdminInfo is an administrator of a merchant.
type SubMchAdminInfo struct {
	// Name is the person's name.
	Name string
	// ReceiveOneCodePayNotify lets the person be notified of payments.
	ReceiveOneCodePayNotify bool
	// CloudPayOpenID is the person under the service's official account.
	CloudPayOpenID string
	// Duty says what the person does.
	Duty string
	// MchOpenID is the person under the provider's official account.
	MchOpenID string
}

func (m *SubMchAdminInfo) fields(c *walk) {
	c.mustText("name", &m.Name, limitBody)
	c.bool("receive_one_code_pay_notify", &m.ReceiveOneCodePayNotify)
	c.text("cloud_pay_open_id", &m.CloudPayOpenID, limitOpenID)
	c.text("duty", &m.Duty, limitBody)
	c.text("mch_open_id", &m.MchOpenID, limitOpenID)
}

// OneCodePayAdInfo is shown after a payment by the shop's code.
type OneCodePayAdInfo struct {
	// Picture is where the picture is.
	Picture string
	// URL is what it leads to.
	URL string
}

func (m *OneCodePayAdInfo) fields(c *walk) {
	c.mustText("picture", &m.Picture, limitLogo)
	c.text("url", &m.URL, limitURL)
}

// UpstreamSubMchInfo is a channel that a merchant's payments may go through.
type UpstreamSubMchInfo struct {
	// UpstreamOutSubMchID is the merchant's id there.
	UpstreamOutSubMchID string
	// UpstreamOutMchID is the provider's id there.
	UpstreamOutMchID string
	// UpstreamOutChannelID is the channel.
	UpstreamOutChannelID string
	// CachedBuslicID is the number of the business licence there.
	CachedBuslicID string
	// CachedCloudCashierID is the order prefix there.
	CachedCloudCashierID string
	// CachedMchCompanyName is the provider's name there.
	CachedMchCompanyName string
}

func (m *UpstreamSubMchInfo) fields(c *walk) {
	c.mustText("upstream_out_sub_mch_id", &m.UpstreamOutSubMchID, limitID)
	c.mustText("upstream_out_mch_id", &m.UpstreamOutMchID, limitID)
	c.mustText("upstream_out_channel_id", &m.UpstreamOutChannelID, limitID)
	c.mustText("cached_buslic_id", &m.CachedBuslicID, limitShort)
	c.mustText("cached_cloud_cashier_id", &m.CachedCloudCashierID, limitOrdered)
	c.mustText("cached_mch_company_name", &m.CachedMchCompanyName, limitTitle)
}

// WxpaySubMchInfoExt is what only WeChat Pay knows of a merchant.
type WxpaySubMchInfoExt struct {
	// Direct is true for a merchant of WeChat Pay itself.
	Direct bool
	// IsMicro marks a merchant without a licence.
	IsMicro bool
	// SubAppID is the merchant's official account.
	SubAppID string
}

func (m *WxpaySubMchInfoExt) fields(c *walk) {
	c.bool("direct", &m.Direct)
	c.bool("is_micro", &m.IsMicro)
	c.text("sub_app_id", &m.SubAppID, limitShort)
}

// AlipaySubMchInfoExt is what only Alipay knows of a merchant.
type AlipaySubMchInfoExt struct {
	// Direct is true for a merchant of Alipay itself.
	Direct bool
	// SubAppID is the merchant's application.
	SubAppID string
	// SubMchUserID is the merchant's number at Alipay.
	SubMchUserID string
	// AliAuthorizationURL is where the merchant authorises the provider.
	AliAuthorizationURL string
}

func (m *AlipaySubMchInfoExt) fields(c *walk) {
	c.bool("direct", &m.Direct)
	c.text("sub_app_id", &m.SubAppID, limitShort)
	c.text("sub_mch_user_id", &m.SubMchUserID, limitShort)
	c.text("ali_authorization_url", &m.AliAuthorizationURL, limitURL)
}
