package directory

import (
	"crypto/rsa"
	"slices"
	"strings"
	"time"

	"cloudpay/internal/secret"
)

// Merchant is a sub-merchant (子商户) with everything below it. It is a
// snapshot shared by many requests: read-only for callers, except for the copy
// that an edit function is given.
type Merchant struct {
	ID            string // out_sub_mch_id, unique in the installation
	ProviderID    string // out_mch_id
	SubProviderID string // 子服务商, "" for none
	Name          string // company_name
	DefaultBody   string // what a customer reads when an order names nothing
	// Prefixes are the order prefixes (cloud_cashier_id), usually one of 8
	// digits and one of 10 characters. All of them are valid. Only
	// AllocatePrefix adds to them.
	Prefixes []string
	// AuthenKey is the current key of the MAC, KeyLen characters. Requests are
	// checked against VerifyKeys, callbacks are made with CallbackKeys.
	AuthenKey secret.Secret
	// PublicKeyPEM and PublicKey are the current public half of the merchant's
	// signing key; empty and nil when none is registered.
	PublicKeyPEM string
	PublicKey    *rsa.PublicKey
	// Keys are all keys that are stored, newest first: the current ones and
	// those that end.
	Keys      []Key
	NotifyURL string // "" for the provider's
	// ReversePaid allows a cashier to reverse a paid order (money.md §3 row 8).
	ReversePaid bool
	// RefundMustSign demands a signature on refunds and reverses (退款必须签名).
	RefundMustSign bool
	// Disabled merchants are refused as if they did not exist.
	Disabled bool
	Wx       WechatMerchant
	Ali      AlipayMerchant
	Profile  MerchantProfile
	Policy   Policy
	Admins   []Admin
	Shops    []Shop

	CreatedAt time.Time
	UpdatedAt time.Time
	// DeletedAt is set for a merchant that was deleted. Its rows stay, so that
	// its orders can be finished and its history read.
	DeletedAt time.Time
	// Version counts the changes to the merchant and to everything below it.
	Version int64

	rows MerchantRows  // what was loaded; sealed members are taken from here
	pad  secret.Secret // the stranger's key, see VerifyKeys
}

// WechatMerchant is how WeChat Pay names a merchant.
type WechatMerchant struct {
	SubMchID string
	SubAppID string // optional
	// MobAppID and MiniAppID are the merchant's applications for app_pay and
	// mini_program_pay, used when a request names none.
	MobAppID  string
	MiniAppID string
	// API is APIv2 or APIv3, "" for what the provider's account says.
	API string
}

// AlipayMerchant is how Alipay names a merchant.
type AlipayMerchant struct {
	AppAuthToken secret.Secret // optional
	SellerID     string        // 2088…, optional
}

// MerchantProfile holds what is read rarely: the members of SubMchInfo that no
// payment needs (protocol.md §2.4 no. 18). It is stored as JSON: names of
// members never change.
type MerchantProfile struct {
	ShortName       string `json:"short_name,omitempty"`
	MerchantName    string `json:"merchant_name,omitempty"` // at the wallet
	Desc            string `json:"desc,omitempty"`
	Logo            []byte `json:"logo,omitempty"` // an image, at most MaxLogo bytes
	AdminEmail      string `json:"admin_email,omitempty"`
	Phone           string `json:"phone,omitempty"`
	AdPicture       string `json:"ad_picture,omitempty"` // one_code_pay_ad_info
	AdURL           string `json:"ad_url,omitempty"`
	UseShopSystem   bool   `json:"use_shop_system,omitempty"` // is_use_cpay_shop_system
	AdPageURL       string `json:"ad_page_url,omitempty"`
	LicenceID       string `json:"licence_id,omitempty"` // buslic_id
	Source          int64  `json:"source,omitempty"`     // sub_mch_source
	Upstream        bool   `json:"upstream,omitempty"`   // direct = false: refused at payment
	UpstreamID      string `json:"upstream_id,omitempty"`
	UpstreamCompany string `json:"upstream_company,omitempty"`
	BankRatePPM     int64  `json:"bank_rate_ppm,omitempty"` // fee in 1/1000000
	NoCardRecharge  bool   `json:"no_card_recharge,omitempty"`
	WxUpstream      bool   `json:"wx_upstream,omitempty"` // wxpay ext: direct = false
	WxMicro         bool   `json:"wx_micro,omitempty"`    // is_micro
	AliUpstream     bool   `json:"ali_upstream,omitempty"`
	AliSubAppID     string `json:"ali_sub_app_id,omitempty"`
	AliAuthorizeURL string `json:"ali_authorize_url,omitempty"`
	Remark          string `json:"remark,omitempty"`
}

// Policy is what a merchant lets its people do (ux.md M-18). It is stored as
// JSON.
type Policy struct {
	ManagerSetup     bool   `json:"manager_setup,omitempty"`      // 允许店长配置设备 (K5)
	StaffRequired    bool   `json:"staff_required,omitempty"`     // 必须选择店员 (K4)
	StaffSeesShop    bool   `json:"staff_sees_shop,omitempty"`    // 店员查看订单明细范围: the shop, not only their own
	ReasonRequired   bool   `json:"reason_required,omitempty"`    // 退款原因必填
	DefaultRefund    string `json:"default_refund,omitempty"`     // "" and "total", "remaining" or "empty" (R7)
	NotifyOffDuty    bool   `json:"notify_off_duty,omitempty"`    // 未上班店员也发送
	LargeAmountAlert int64  `json:"large_amount_alert,omitempty"` // fen, 0 for none
	Settle
}

// Admin is an administrator of a merchant (商户管理员).
type Admin struct {
	ID           string // unique within the merchant
	Name         string
	RefundAuth   bool
	OneCodeNotes bool   // receive_one_code_pay_notify
	OpenID       string // cloud_pay_open_id: under the provider's official account
	MchOpenID    string // under the merchant's own
	Duty         string
	Phone        string
	CreatedAt    time.Time
	UpdatedAt    time.Time
}

// Shop is one shop (门店) of a merchant.
type Shop struct {
	ID        string // out_shop_id, unique in the installation, assigned by us
	Number    string // shop_id, the merchant's own number
	Name      string
	Profile   ShopProfile
	Devices   []Device
	Staff     []Staff
	CreatedAt time.Time
	UpdatedAt time.Time
}

// ShopProfile holds the rest of ShopInfo (protocol.md §2.0). It is stored as
// JSON: names of members never change.
type ShopProfile struct {
	Branch           string   `json:"branch,omitempty"`
	Province         string   `json:"province,omitempty"`
	City             string   `json:"city,omitempty"`
	District         string   `json:"district,omitempty"`
	Address          string   `json:"address,omitempty"`
	CoordinateType   int64    `json:"coordinate_type,omitempty"`
	Longitude        string   `json:"longitude,omitempty"`
	Latitude         string   `json:"latitude,omitempty"`
	Height           string   `json:"height,omitempty"`
	Phone            string   `json:"phone,omitempty"`
	FeeType          string   `json:"fee_type,omitempty"` // "" is CNY
	GoodsTag         string   `json:"goods_tag,omitempty"`
	NotesAfterDuty   bool     `json:"notes_after_duty,omitempty"` // receive_notify_after_duty
	PayPageMode      int64    `json:"pay_page_mode,omitempty"`
	ShopType         int64    `json:"shop_type,omitempty"`
	MicroPayNotes    bool     `json:"micro_pay_notes,omitempty"` // send_micro_pay_notify
	GroupID          string   `json:"group_id,omitempty"`        // shop_group_id
	NoMembershipCard bool     `json:"no_membership_card,omitempty"`
	WxSubMchID       string   `json:"wx_sub_mch_id,omitempty"` // wxpay_shop_info_ext
	AliAuthorizeURL  string   `json:"ali_authorize_url,omitempty"`
	QRCodes          []QRCode `json:"qrcodes,omitempty"` // qrcode_infos
}

// QRCode is one printed payment code of a shop.
type QRCode struct {
	ID      string `json:"id"`
	Name    string `json:"name,omitempty"`
	Type    int64  `json:"type,omitempty"`
	StaffID string `json:"staff_id,omitempty"`
}

// DeviceType is how a device takes money (protocol.md §3.13).
type DeviceType int64

// The device types, as they stand on the wire.
const (
	DeviceMicroPay DeviceType = 1
	DeviceScan     DeviceType = 2
	DeviceMixed    DeviceType = 3
	DeviceFixedQR  DeviceType = 4
)

// DeviceCategory is what a device is (device_shift_type, protocol.md §3.13).
type DeviceCategory int64

// The categories, as they stand on the wire. Only a mobile device and a smart
// POS can get a configuration QR code.
const (
	CategoryMobile DeviceCategory = 1 // 移动收款机具
	CategoryDesk   DeviceCategory = 2 // 云支付收银台
	CategorySmart  DeviceCategory = 3 // 智能POS
	CategoryOther  DeviceCategory = 4
)

// Device is one till or terminal (设备) of a shop.
type Device struct {
	ID       string // device_id
	Name     string
	Type     DeviceType     // 0 is not said
	Category DeviceCategory // 0 is not said
	SN       string         // serial number that is bound, "" while none is
	// Prefix and Ordinal make the numbers of this terminal unlike every other's
	// (ux.md §2.1). "" and -1 while the merchant has no numeric prefix.
	Prefix    string
	Ordinal   int64
	Profile   DeviceProfile
	CreatedAt time.Time
	UpdatedAt time.Time
}

// DeviceProfile holds the rest of DeviceInfo. It is stored as JSON: names of
// members never change.
type DeviceProfile struct {
	Remark         string `json:"remark,omitempty"`
	ExtSetting     string `json:"ext_setting,omitempty"`
	OutDeviceID    string `json:"out_device_id,omitempty"`
	BindQRSource   int64  `json:"bind_qr_source,omitempty"` // bind_qrcode_source_type
	BindQRID       string `json:"bind_qr_id,omitempty"`
	BillChannelID  string `json:"bill_channel_id,omitempty"`
	BoundMS        int64  `json:"bound_ms,omitempty"`     // when SN was bound
	BoundKeyID     string `json:"bound_key_id,omitempty"` // the authen_key it was given, "" if unknown
	BoundStaffID   string `json:"bound_staff_id,omitempty"`
	BoundByFactory bool   `json:"bound_by_factory,omitempty"`
	// PastSeats are places that the id had before it was deleted and came back.
	PastSeats []PastSeat `json:"past_seats,omitempty"`
}

// PastSeat is a place among the terminals that must rest before another takes it.
type PastSeat struct {
	Prefix  string `json:"prefix"`
	Ordinal int64  `json:"ordinal"`
	EndedMS int64  `json:"ended_ms"`
}

// Staff is one person (店员) of a shop.
type Staff struct {
	ID          string // staff_id
	Name        string
	ShopManager bool
	RefundAuth  bool // may refund; a shop manager may without it
	HasPIN      bool
	Profile     StaffProfile
	CreatedAt   time.Time
	UpdatedAt   time.Time

	newPIN []byte // sealed; set by SetPIN only
}

// StaffProfile holds the rest of StaffInfo. It is stored as JSON: names of
// members never change.
type StaffProfile struct {
	Remark       string `json:"remark,omitempty"`
	NationalCode string `json:"national_code,omitempty"`
	Phone        string `json:"phone,omitempty"`
	OneCodeNotes bool   `json:"one_code_notes,omitempty"` // receive_one_code_pay_notify
	MchOpenID    string `json:"mch_open_id,omitempty"`
	OpenID       string `json:"open_id,omitempty"` // cloud_pay_open_id
	OutStaffID   string `json:"out_staff_id,omitempty"`
	Duty         string `json:"duty,omitempty"`
}

// BindState says whether a terminal may take money with a device's record.
type BindState int64

// The states of a binding.
const (
	Unbound   BindState = 0
	Bound     BindState = 1
	BindAgain BindState = 2 // the key was reset since (R10)
)

// BindStateOf returns the state of a device's binding. A device whose key is
// not known, because it was set up by hand, counts as bound.
func (m *Merchant) BindStateOf(d Device) BindState {
	switch {
	case d.SN == "":
		return Unbound
	case d.Profile.BoundKeyID != "" && d.Profile.BoundKeyID != m.currentKeyID(KindAuthen):
		return BindAgain
	}
	return Bound
}

// HasPrefix reports whether the text is an order or refund number that this
// merchant may use: at most MaxNumber characters out of 0-9 A-Z a-z _ -, one
// of the merchant's prefixes and something after it (protocol.md §4.6).
func (m *Merchant) HasPrefix(number string) bool {
	if len(number) > MaxNumber || !plain(number) {
		return false
	}
	for _, p := range m.Prefixes {
		if len(number) > len(p) && strings.HasPrefix(number, p) {
			return true
		}
	}
	return false
}

// Shop returns the shop with that id.
func (m *Merchant) Shop(id string) (Shop, bool) { return lookUp(m.Shops, id, shopID) }

// Admin returns the administrator with that id.
func (m *Merchant) Admin(id string) (Admin, bool) { return lookUp(m.Admins, id, adminID) }

// Device returns the shop's device with that id.
func (s Shop) Device(id string) (Device, bool) { return lookUp(s.Devices, id, deviceID) }

// Person returns the shop's member of staff with that id.
func (s Shop) Person(id string) (Staff, bool) { return lookUp(s.Staff, id, staffID) }

func shopID(s Shop) string     { return s.ID }
func adminID(a Admin) string   { return a.ID }
func deviceID(d Device) string { return d.ID }
func staffID(s Staff) string   { return s.ID }

// indexOf returns where the value with that id is, -1 if nowhere.
func indexOf[V any](list []V, id string, of func(V) string) int {
	return slices.IndexFunc(list, func(v V) bool { return of(v) == id })
}

func lookUp[V any](list []V, id string, of func(V) string) (V, bool) {
	if i := indexOf(list, id, of); i >= 0 {
		return list[i], true
	}
	var zero V
	return zero, false
}

// clone returns a copy that an edit may change.
func (m *Merchant) clone() *Merchant {
	c := *m
	c.Prefixes, c.Keys, c.Admins = slices.Clone(m.Prefixes), slices.Clone(m.Keys), slices.Clone(m.Admins)
	c.Profile.Logo = slices.Clone(m.Profile.Logo)
	c.Shops = slices.Clone(m.Shops)
	for i, s := range c.Shops {
		c.Shops[i].Devices, c.Shops[i].Staff = slices.Clone(s.Devices), slices.Clone(s.Staff)
		c.Shops[i].Profile.QRCodes = slices.Clone(s.Profile.QRCodes)
	}
	return &c
}
