package cpay

// Longest texts of the directory.
const (
	limitTitle   = 255 // names of companies, addresses of mail
	limitLogo    = 64 << 10
	limitOrdered = 32 // numbers of ours
)

// QuerySubMchShopInfoRequest asks for a page of the merchant's shops.
type QuerySubMchShopInfoRequest struct {
	// OutMchID is the provider. A Client fills it in.
	OutMchID string
	// OutSubMchID is the merchant. A Client fills it in.
	OutSubMchID string
	// OutShopID restricts the list to one shop.
	OutShopID string
	// PageNum counts from 1.
	PageNum int64
	// PageSize is the number of shops.
	PageSize int64
	// NonceStr is made up when empty. It is not echoed and proves nothing (R11).
	NonceStr string
}

func (m *QuerySubMchShopInfoRequest) fields(c *walk) {
	c.mustText("out_mch_id", &m.OutMchID, limitID)
	c.mustText("out_sub_mch_id", &m.OutSubMchID, limitID)
	c.text("out_shop_id", &m.OutShopID, limitID)
	c.mustInt("page_num", &m.PageNum)
	c.mustInt("page_size", &m.PageSize)
	c.freshNonce(&m.NonceStr)
}

// Method returns MethodQuerySubMchShopInfo.
func (*QuerySubMchShopInfoRequest) Method() Method { return MethodQuerySubMchShopInfo }

// Validate follows Request.
func (m *QuerySubMchShopInfoRequest) Validate() error {
	r := rules{}
	r.need("out_sub_mch_id", m.OutSubMchID)
	r.page("page_num", "page_size", m.PageNum, m.PageSize)
	return r.with(m)
}

// QuerySubMchShopInfoResponse is a page of shops. A page past the end is empty,
// by which one client knows the end (protocol.md R32).
type QuerySubMchShopInfoResponse struct {
	// NonceStr is made up when empty. It is not echoed and proves nothing (R11).
	NonceStr string
	// TotalCount is how many there are, not how many are on the page.
	TotalCount int64
	// ShopInfos are the shops of the page.
	ShopInfos []ShopInfo
}

func (m *QuerySubMchShopInfoResponse) fields(c *walk) {
	c.freshNonce(&m.NonceStr)
	c.mustInt("total_count", &m.TotalCount)
	mustList(c, "shop_infos", &m.ShopInfos)
}

// SetSubMchShopInfoRequest adds or changes shops. In each of them what is absent
// stays and what is empty is cleared: a server decodes every element once more
// over the shop as it is stored, see Envelope.DecodeAt.
type SetSubMchShopInfoRequest struct {
	// OutMchID is the provider. A Client fills it in.
	OutMchID string
	// OutSubMchID is the merchant. A Client fills it in.
	OutSubMchID string
	// IsAll deletes the shops that are not named.
	IsAll bool
	// ShopInfos are the shops; one without OutShopID is new.
	ShopInfos []ShopInfo
	// NonceStr is made up when empty. It is not echoed and proves nothing (R11).
	NonceStr string
}

func (m *SetSubMchShopInfoRequest) fields(c *walk) {
	c.mustText("out_mch_id", &m.OutMchID, limitID)
	c.mustText("out_sub_mch_id", &m.OutSubMchID, limitID)
	c.bool("is_all", &m.IsAll)
	mustList(c, "shop_infos", &m.ShopInfos)
	c.freshNonce(&m.NonceStr)
}

// Method returns MethodSetSubMchShopInfo.
func (*SetSubMchShopInfoRequest) Method() Method { return MethodSetSubMchShopInfo }

// Validate follows Request. A list without a shop changes nothing, or with IsAll
// deletes everything, and is refused as a mistake.
func (m *SetSubMchShopInfoRequest) Validate() error {
	r := rules{}
	r.need("out_sub_mch_id", m.OutSubMchID)
	if len(m.ShopInfos) == 0 {
		r.fail("shop_infos", "is missing")
	}
	for i := range m.ShopInfos {
		s := &m.ShopInfos[i]
		if s.OutShopID == "" && s.ShopID == "" {
			r.need(element("shop_infos", i, "shop_id"), s.ShopID)
		}
		if s.OutShopID == "" {
			r.need(element("shop_infos", i, "shop_name"), s.ShopName)
		}
		for k := range s.DeviceInfos {
			r.need(element("shop_infos", i, element("device_infos", k, "device_id")), s.DeviceInfos[k].DeviceID)
		}
		for k := range s.StaffInfos {
			r.need(element("shop_infos", i, element("staff_infos", k, "staff_id")), s.StaffInfos[k].StaffID)
		}
	}
	return r.with(m)
}

// SetSubMchShopInfoResponse lists the shops with the ids they were given. Documents
// and clients disagree about its name, so it is written twice (protocol.md §7 row
// 30).
type SetSubMchShopInfoResponse struct {
	// NonceStr is made up when empty. It is not echoed and proves nothing (R11).
	NonceStr string
	// ShopInfos are the shops.
	ShopInfos []ShopInfo
}

func (m *SetSubMchShopInfoResponse) fields(c *walk) {
	c.freshNonce(&m.NonceStr)
	c.respell("set_shop_infos", "shop_infos")
	mustList(c, "shop_infos", &m.ShopInfos)
	if c.mode != reading && c.mode != checking {
		mustList(c, "set_shop_infos", &m.ShopInfos)
	}
}

// ShopInfo is a shop with its devices and staff (protocol.md §2.0).
type ShopInfo struct {
	// ShopID is the merchant's own number.
	ShopID string
	// ShopName is what customers read.
	ShopName string
	// BranchName tells shops of one name apart.
	BranchName string
	// Province is the first part of the address.
	Province string
	// City is the second part.
	City string
	// District is the third part.
	District string
	// Address is the rest.
	Address string
	// CoordinateType says what the coordinates are measured in.
	CoordinateType int64
	// Longitude is text.
	Longitude string
	// Latitude is text.
	Latitude string
	// Height is text.
	Height string
	// Phone is the shop's.
	Phone string
	// OutShopID is ours, unique in the whole system; the server assigns it.
	OutShopID string
	// OutShopIDURL is what the shop's code holds.
	OutShopIDURL string
	// FeeType is CNY.
	FeeType string
	// CreateTime is when it was made, in UNIX seconds.
	CreateTime int64
	// UpdateTime is when it last changed.
	UpdateTime int64
	// GoodsTag selects promotions.
	GoodsTag string
	// ReceiveNotifyAfterDuty lets staff be notified outside their shift.
	ReceiveNotifyAfterDuty bool
	// PayPageMode is how the payment page looks.
	PayPageMode int64
	// ShopType is the kind of shop.
	ShopType int64
	// SendMicroPayNotify notifies staff of payments by code too.
	SendMicroPayNotify bool
	// ShopGroupID is the group that the shop belongs to.
	ShopGroupID string
	// DisableMembershipCard turns the member card off.
	DisableMembershipCard bool
	// QRCodeInfos are the shop's codes.
	QRCodeInfos []QRCodeInfo
	// WxpayExt is what only WeChat Pay knows.
	WxpayExt *WxpayShopInfoExt
	// AlipayExt is what only Alipay knows.
	AlipayExt *AlipayShopInfoExt
	// DeviceInfos are the devices.
	DeviceInfos []DeviceInfo
	// StaffInfos are the members of staff.
	StaffInfos []StaffInfo
}

func (m *ShopInfo) fields(c *walk) {
	c.mustText("shop_id", &m.ShopID, limitShort)
	c.mustText("shop_name", &m.ShopName, limitShopName)
	c.text("branch_name", &m.BranchName, limitShopName)
	c.text("province", &m.Province, limitShort)
	c.text("city", &m.City, limitShort)
	c.text("district", &m.District, limitShort)
	c.text("address", &m.Address, limitPayCode)
	c.int("coordinate_type", &m.CoordinateType)
	c.text("longitude", &m.Longitude, limitOrdered)
	c.text("latitude", &m.Latitude, limitOrdered)
	c.text("height", &m.Height, limitOrdered)
	c.text("phone", &m.Phone, limitShort)
	c.text("out_shop_id", &m.OutShopID, limitID)
	c.text("out_shop_id_url", &m.OutShopIDURL, limitURL)
	c.text("fee_type", &m.FeeType, limitOrdered)
	c.int("create_time", &m.CreateTime)
	c.int("update_time", &m.UpdateTime)
	c.text("goods_tag", &m.GoodsTag, limitShort)
	c.bool("receive_notify_after_duty", &m.ReceiveNotifyAfterDuty)
	c.int("pay_page_mode", &m.PayPageMode)
	c.int("shop_type", &m.ShopType)
	c.bool("send_micro_pay_notify", &m.SendMicroPayNotify)
	c.text("shop_group_id", &m.ShopGroupID, limitID)
	c.bool("disable_membership_card", &m.DisableMembershipCard)
	list(c, "qrcode_infos", &m.QRCodeInfos)
	optional(c, "wxpay_shop_info_ext", &m.WxpayExt)
	optional(c, "alipay_shop_info_ext", &m.AlipayExt)
	list(c, "device_infos", &m.DeviceInfos)
	list(c, "staff_infos", &m.StaffInfos)
}

// QRCodeInfo is a code that customers scan.
type QRCodeInfo struct {
	// QRCodeID is its number.
	QRCodeID string
	// QRCodeName is what staff call it.
	QRCodeName string
	// Type is the kind of code (protocol.md §3.14, SourceType).
	Type int64
	// StaffID is whose it is.
	StaffID string
}

func (m *QRCodeInfo) fields(c *walk) {
	c.mustText("qrcode_id", &m.QRCodeID, limitClientText)
	c.text("qrcode_name", &m.QRCodeName, limitShopName)
	c.int("type", &m.Type)
	c.text("staff_id", &m.StaffID, limitClientText)
}

// WxpayShopInfoExt is what only WeChat Pay knows of a shop.
type WxpayShopInfoExt struct {
	// ExtSubMchID is another id of the merchant for this shop.
	ExtSubMchID string
}

func (m *WxpayShopInfoExt) fields(c *walk) { c.text("ext_sub_mch_id", &m.ExtSubMchID, limitShort) }

// AlipayShopInfoExt is what only Alipay knows of a shop.
type AlipayShopInfoExt struct {
	// AliAuthorizationURL is where the merchant authorises the provider.
	AliAuthorizationURL string
}

func (m *AlipayShopInfoExt) fields(c *walk) {
	c.text("ali_authorization_url", &m.AliAuthorizationURL, limitURL)
}

// DeviceInfo is a device record of a shop.
type DeviceInfo struct {
	// DeviceID is the merchant's own number.
	DeviceID string
	// DeviceType is 1 micro pay, 2 scan, 3 mixed, 4 fixed code.
	DeviceType int64
	// Remark is the merchant's note.
	Remark string
	// DeviceName is what staff call it.
	DeviceName string
	// ExtSetting is the device's own.
	ExtSetting string
	// DeviceShiftType is 1 mobile device, 2 cashier desk, 3 smart POS, 4 other.
	DeviceShiftType int64
	// SNCode is the serial number that is bound to the record.
	SNCode string
	// BindStatus says whether one is.
	BindStatus int64
	// BindQRCodeSourceType is the kind of code that the device announces.
	BindQRCodeSourceType int64
	// BindQRCodeID is that code.
	BindQRCodeID string
	// BillChannelID is the channel's id.
	BillChannelID string
	// OutDeviceID is ours, if there is one.
	OutDeviceID string
}

func (m *DeviceInfo) fields(c *walk) {
	c.mustText("device_id", &m.DeviceID, limitShort)
	c.int("device_type", &m.DeviceType)
	c.text("remark", &m.Remark, limitBody)
	c.text("device_name", &m.DeviceName, limitShopName)
	c.loose("ext_setting", &m.ExtSetting, limitExtra)
	c.int("device_shift_type", &m.DeviceShiftType)
	c.text("sn_code", &m.SNCode, limitClientText)
	c.int("bind_status", &m.BindStatus)
	c.int("bind_qrcode_source_type", &m.BindQRCodeSourceType)
	c.text("bind_qrcode_id", &m.BindQRCodeID, limitClientText)
	c.text("bill_channel_id", &m.BillChannelID, limitClientText)
	c.text("out_device_id", &m.OutDeviceID, limitClientText)
}

// StaffInfo is a member of a shop's staff.
type StaffInfo struct {
	// StaffID is the merchant's own number.
	StaffID string
	// StaffName is the person's name.
	StaffName string
	// Remark is the merchant's note.
	Remark string
	// ShopManager marks a manager, who may refund.
	ShopManager bool
	// ReceiveOneCodePayNotify lets the person be notified of payments by the shop's code.
	ReceiveOneCodePayNotify bool
	// MchOpenID is the person under the provider's official account.
	MchOpenID string
	// CloudPayOpenID is the person under the service's official account.
	CloudPayOpenID string
	// TradeQRCode is what the person's own code holds.
	TradeQRCode string
	// RefundAuth lets the person refund.
	RefundAuth bool
	// NationalCode is the country of MobilePhone.
	NationalCode string
	// MobilePhone is the person's.
	MobilePhone string
	// OutStaffID is ours, if there is one.
	OutStaffID string
}

func (m *StaffInfo) fields(c *walk) {
	c.mustText("staff_id", &m.StaffID, limitShort)
	c.mustText("staff_name", &m.StaffName, limitShort)
	c.text("remark", &m.Remark, limitBody)
	c.mustBool("shop_manager", &m.ShopManager)
	c.bool("receive_one_code_pay_notify", &m.ReceiveOneCodePayNotify)
	c.text("mch_open_id", &m.MchOpenID, limitOpenID)
	c.text("cloud_pay_open_id", &m.CloudPayOpenID, limitOpenID)
	c.text("trade_qr_code", &m.TradeQRCode, limitURL)
	c.mustBool("refund_auth", &m.RefundAuth)
	c.text("national_code", &m.NationalCode, limitCurrency)
	c.text("mobile_phone", &m.MobilePhone, limitShort)
	c.text("out_staff_id", &m.OutStaffID, limitClientText)
}
