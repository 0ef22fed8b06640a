package cpay

// QueryIdentityMappingRequest asks for our ids by the wallet's, or the other way
// round, and for the prefixes of payment codes. One condition is set; a client
// that wraps and capitalises it is read too (protocol.md R14).
type QueryIdentityMappingRequest struct {
	// Mch asks by the wallet's ids.
	Mch *MchIDs
	// Out asks by ours.
	Out *OutIDs
	// NonceStr is made up when empty. It is not echoed and proves nothing (R11).
	NonceStr string
}

func (m *QueryIdentityMappingRequest) fields(c *walk) {
	optional(c, "mch", &m.Mch)
	optional(c, "out", &m.Out)
	if c.mode == reading {
		w := wrappedCondition{m}
		c.object("Condition", &w)
	}
	c.freshNonce(&m.NonceStr)
}

// wrappedCondition is the condition as one Go client writes it.
type wrappedCondition struct{ to *QueryIdentityMappingRequest }

func (w *wrappedCondition) fields(c *walk) {
	optional(c, "Mch", &w.to.Mch)
	optional(c, "Out", &w.to.Out)
}

// Method returns MethodQueryIdentityMapping.
func (*QueryIdentityMappingRequest) Method() Method { return MethodQueryIdentityMapping }

// Validate follows Request.
func (m *QueryIdentityMappingRequest) Validate() error {
	r := rules{}
	switch {
	case m.Out == nil && m.Mch == nil:
		r.fail("out", "is missing, and so is mch")
	case m.Out != nil && m.Mch != nil:
		r.fail("mch", "is given besides out")
	case m.Out != nil:
		r.need("out.out_sub_mch_id", m.Out.OutSubMchID)
	default:
		r.need("mch.sub_mch_id", m.Mch.SubMchID)
	}
	return r.with(m)
}

// MchIDs are ids as a wallet gave them.
type MchIDs struct {
	// MchID is the provider.
	MchID string
	// SubMchID is the merchant.
	SubMchID string
	// ShopID is the shop, by the merchant's own number.
	ShopID string
}

func (m *MchIDs) fields(c *walk) {
	c.text("mch_id", &m.MchID, limitID)
	c.text("sub_mch_id", &m.SubMchID, limitID)
	c.text("shop_id", &m.ShopID, limitID)
}

// OutIDs are ids as we gave them.
type OutIDs struct {
	// OutMchID is the provider.
	OutMchID string
	// OutSubMchID is the merchant.
	OutSubMchID string
	// OutShopID is the shop.
	OutShopID string
}

func (m *OutIDs) fields(c *walk) {
	c.text("out_mch_id", &m.OutMchID, limitID)
	c.text("out_sub_mch_id", &m.OutSubMchID, limitID)
	c.text("out_shop_id", &m.OutShopID, limitID)
}

// QueryIdentityMappingResponse holds our ids and the prefixes of payment codes.
type QueryIdentityMappingResponse struct {
	// OutMchID is the provider.
	OutMchID string
	// OutSubMchID is the merchant.
	OutSubMchID string
	// OutShopID is the shop.
	OutShopID string
	// WxAuthorCodes are the prefixes of WeChat Pay's payment codes.
	WxAuthorCodes []string
	// AliAuthorCodes are the prefixes of Alipay's payment codes.
	AliAuthorCodes []string
	// NonceStr is made up when empty. It is not echoed and proves nothing (R11).
	NonceStr string
}

func (m *QueryIdentityMappingResponse) fields(c *walk) {
	c.mustText("out_mch_id", &m.OutMchID, limitID)
	c.mustText("out_sub_mch_id", &m.OutSubMchID, limitID)
	c.mustText("out_shop_id", &m.OutShopID, limitID)
	c.freshNonce(&m.NonceStr)
	c.texts("wx_author_codes", &m.WxAuthorCodes, limitShort)
	c.texts("ali_author_codes", &m.AliAuthorCodes, limitShort)
}

// ClientInitializeRequest begins the login of a till: somebody with a role at the
// merchant scans the code in the answer.
type ClientInitializeRequest struct {
	// OutSubMchID is the merchant. A Client fills it in.
	OutSubMchID string
	// OutShopID is the shop.
	OutShopID string
	// AuthorizeTerminalType is 1 for a PC and 2 for Android.
	AuthorizeTerminalType int64
	// NonceStr is optional.
	NonceStr string
}

func (m *ClientInitializeRequest) fields(c *walk) {
	c.mustText("out_sub_mch_id", &m.OutSubMchID, limitID)
	c.text("out_shop_id", &m.OutShopID, limitID)
	c.int("authorize_terminal_type", &m.AuthorizeTerminalType)
	c.text("nonce_str", &m.NonceStr, limitNonce)
}

// Method returns MethodClientInitialize.
func (*ClientInitializeRequest) Method() Method { return MethodClientInitialize }

// Validate follows Request.
func (m *ClientInitializeRequest) Validate() error {
	r := rules{}
	r.need("out_sub_mch_id", m.OutSubMchID)
	return r.with(m)
}

// ClientInitializeResponse is the code to show, and the token to poll with.
type ClientInitializeResponse struct {
	// Activator names the attempt in the code.
	Activator string
	// Token names it when the till polls.
	Token string
	// QRCodeURL is what the code must hold.
	QRCodeURL string
	// TTL is how many seconds it is good for.
	TTL int64
	// NonceStr is made up when empty. It is not echoed and proves nothing (R11).
	NonceStr string
}

func (m *ClientInitializeResponse) fields(c *walk) {
	c.mustText("activator", &m.Activator, limitShort)
	c.mustText("token", &m.Token, limitShort)
	c.mustText("qr_code_url", &m.QRCodeURL, limitURL)
	c.mustInt("ttl", &m.TTL)
	c.freshNonce(&m.NonceStr)
}

// ClientTryGetInitializersRequest asks whether the code has been scanned.
type ClientTryGetInitializersRequest struct {
	// OutSubMchID is the merchant. A Client fills it in.
	OutSubMchID string
	// Token is that of the code.
	Token string
	// NonceStr is optional.
	NonceStr string
}

func (m *ClientTryGetInitializersRequest) fields(c *walk) {
	c.mustText("out_sub_mch_id", &m.OutSubMchID, limitID)
	c.mustText("token", &m.Token, limitShort)
	c.text("nonce_str", &m.NonceStr, limitNonce)
}

// Method returns MethodClientTryGetInitializers.
func (*ClientTryGetInitializersRequest) Method() Method { return MethodClientTryGetInitializers }

// Validate follows Request.
func (m *ClientTryGetInitializersRequest) Validate() error {
	r := rules{}
	r.need("out_sub_mch_id", m.OutSubMchID)
	r.need("token", m.Token)
	return r.with(m)
}

// Manager types of ClientTryGetInitializersResponse (protocol.md §3.14).
const (
	// ManagerSubMchAdmin is an administrator of the merchant.
	ManagerSubMchAdmin int64 = 1
	// ManagerShopManager is the manager of a shop.
	ManagerShopManager int64 = 2
	// ManagerStaff is a member of staff.
	ManagerStaff int64 = 3
	// ManagerMchAdmin is an administrator of the provider.
	ManagerMchAdmin int64 = 4
	// ManagerNone is nobody with a role.
	ManagerNone int64 = 100
)

// ClientTryGetInitializersResponse is who scanned the code and what the till may
// show. Until InitializationGranted the rest is empty.
type ClientTryGetInitializersResponse struct {
	// InitializationGranted says that somebody with a role has scanned the code.
	InitializationGranted bool
	// Identity is that person's name.
	Identity string
	// StaffID is that person's number, if there is one.
	StaffID string
	// ManagerTypes are that person's roles, as Manager….
	ManagerTypes []int64
	// ManagerEntities say where the roles are held.
	ManagerEntities []ManagerEntity
	// MchInfo is the provider.
	MchInfo *InitializerMch
	// SubMchInfo is the merchant.
	SubMchInfo *InitializerSubMch
	// ShopInfos are the shops that the person may choose from.
	ShopInfos []InitializerShop
	// NonceStr is made up when empty. It is not echoed and proves nothing (R11).
	NonceStr string
}

func (m *ClientTryGetInitializersResponse) fields(c *walk) {
	c.mustBool("initialization_granted", &m.InitializationGranted)
	c.text("identity", &m.Identity, limitShopName)
	c.text("staff_id", &m.StaffID, limitClientText)
	c.ints("manager_types", &m.ManagerTypes)
	list(c, "manager_entities", &m.ManagerEntities)
	optional(c, "mch_info", &m.MchInfo)
	optional(c, "sub_mch_info", &m.SubMchInfo)
	list(c, "shop_infos", &m.ShopInfos)
	c.freshNonce(&m.NonceStr)
}

// ManagerEntity is one role of a person.
type ManagerEntity struct {
	// ManagerType is the role.
	ManagerType int64
	// OutID is where: a provider, a merchant or a shop.
	OutID string
	// StaffID is the person's number there.
	StaffID string
}

func (m *ManagerEntity) fields(c *walk) {
	c.mustInt("manager_type", &m.ManagerType)
	c.text("out_id", &m.OutID, limitID)
	c.text("staff_id", &m.StaffID, limitClientText)
}

// InitializerMch is the provider, as a till shows it.
type InitializerMch struct {
	// CompanyName is the provider's name.
	CompanyName string
	// OutMchID is the provider's id.
	OutMchID string
	// MerchantName is its short name.
	MerchantName string
	// Logo is a picture in base64.
	Logo string
}

func (m *InitializerMch) fields(c *walk) {
	c.mustText("company_name", &m.CompanyName, limitTitle)
	c.mustText("out_mch_id", &m.OutMchID, limitID)
	c.mustText("merchant_name", &m.MerchantName, limitPayCode)
	c.text("logo", &m.Logo, limitLogo)
}

// InitializerSubMch is the merchant, as a till shows it.
type InitializerSubMch struct {
	// CompanyName is the merchant's name.
	CompanyName string
	// CloudCashierID is the order prefix.
	CloudCashierID string
	// OutSubMchID is the merchant's id.
	OutSubMchID string
	// MerchantName is its short name.
	MerchantName string
	// ClientConfigurationCiphers encrypt what the till keeps.
	ClientConfigurationCiphers []ConfigurationCipher
	// Logo is a picture in base64.
	Logo string
}

func (m *InitializerSubMch) fields(c *walk) {
	c.mustText("company_name", &m.CompanyName, limitTitle)
	c.mustText("cloud_cashier_id", &m.CloudCashierID, limitOrdered)
	c.mustText("out_sub_mch_id", &m.OutSubMchID, limitID)
	c.mustText("merchant_name", &m.MerchantName, limitPayCode)
	list(c, "client_configuration_ciphers", &m.ClientConfigurationCiphers)
	c.text("logo", &m.Logo, limitLogo)
}

// ConfigurationCipher encrypts what a till keeps on its disk.
type ConfigurationCipher struct {
	// Algorithm is 1, AES-128-GCM.
	Algorithm int64
	// Key is its key. Encode writes it whole.
	Key Key
}

func (m *ConfigurationCipher) fields(c *walk) {
	c.mustInt("algorithm", &m.Algorithm)
	c.secret("key", &m.Key)
}

// InitializerShop is a shop that a till may be set up for.
type InitializerShop struct {
	// OutShopID is the shop.
	OutShopID string
	// ShopName is its name.
	ShopName string
	// Devices are its device records.
	Devices []InitializerDevice
	// Staffs are its members of staff.
	Staffs []InitializerStaff
}

func (m *InitializerShop) fields(c *walk) {
	c.mustText("out_shop_id", &m.OutShopID, limitID)
	c.mustText("shop_name", &m.ShopName, limitShopName)
	list(c, "devices", &m.Devices)
	list(c, "staffs", &m.Staffs)
}

// InitializerDevice is a device record.
type InitializerDevice struct {
	// DeviceID is its number.
	DeviceID string
	// DeviceType is its kind (protocol.md §3.13).
	DeviceType int64
}

func (m *InitializerDevice) fields(c *walk) {
	c.mustText("device_id", &m.DeviceID, limitClientText)
	c.mustInt("device_type", &m.DeviceType)
}

// InitializerStaff is a member of staff.
type InitializerStaff struct {
	// StaffID is the person's number.
	StaffID string
	// StaffName is the person's name.
	StaffName string
	// RefundAuth says that the person may refund.
	RefundAuth bool
}

func (m *InitializerStaff) fields(c *walk) {
	c.mustText("staff_id", &m.StaffID, limitClientText)
	c.mustText("staff_name", &m.StaffName, limitShopName)
	c.mustBool("refund_auth", &m.RefundAuth)
}
