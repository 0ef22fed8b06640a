package cpay

const limitShopName = 128 // also of devices and staff

// DeviceSetting is what a device is set up with (use_device_setting). All
// members are always written: a POS application fails without one (protocol.md
// R33).
type DeviceSetting struct {
	// OutMchID is the provider.
	OutMchID string
	// OutSubMchID is the merchant.
	OutSubMchID string
	// CloudCashierID is the order prefix.
	CloudCashierID string
	// AuthenType is 1; 0 is written as 1.
	AuthenType int64
	// AuthenKey is the authentication key. Encode writes it whole.
	AuthenKey Key
	// OutShopID is the shop.
	OutShopID string
	// ShopName is the shop's name.
	ShopName string
	// DeviceID is the device record.
	DeviceID string
	// DeviceName is its name.
	DeviceName string
	// StaffID is the member of staff, or empty.
	StaffID string
	// StaffName is that person's name, or empty.
	StaffName string
}

func (m *DeviceSetting) fields(c *walk) {
	c.mustText("out_mch_id", &m.OutMchID, limitID)
	c.mustText("out_sub_mch_id", &m.OutSubMchID, limitID)
	c.mustText("cloud_cashier_id", &m.CloudCashierID, limitID)
	if kind := int64(authenTypeHMAC); c.mode == writing && m.AuthenType == 0 {
		c.mustInt("authen_type", &kind)
	} else {
		c.mustInt("authen_type", &m.AuthenType)
	}
	c.secret("authen_key", &m.AuthenKey)
	c.mustText("out_shop_id", &m.OutShopID, limitID)
	c.mustText("shop_name", &m.ShopName, limitShopName)
	c.mustText("device_id", &m.DeviceID, limitClientText)
	c.mustText("device_name", &m.DeviceName, limitShopName)
	c.mustText("staff_id", &m.StaffID, limitClientText)
	c.mustText("staff_name", &m.StaffName, limitShopName)
}

// secret is a text member that is a key.
func (c *walk) secret(name string, k *Key) {
	text := k.reveal()
	c.mustText(name, &text, limitID)
	if c.mode == reading || c.mode == describing {
		if text != k.reveal() {
			*k = NewKey(text)
		}
	}
}

// UseDeviceSettingResponse answers GET use_device_setting: flat, not enveloped
// and not authenticated, for the one-time code in the address is the credential
// (protocol.md §1.8). Encode writes it, with the setting nested and, where the
// status is StatusOK, flat as well.
type UseDeviceSettingResponse struct {
	// Head is as in every answer; LogID must be set.
	Head Head
	// Setting is what the device is set up with; nil unless the status is StatusOK.
	Setting *DeviceSetting
}

func (m *UseDeviceSettingResponse) fields(c *walk) {
	m.Head.fields(c)
	optional(c, "use_device_setting", &m.Setting)
	if c.mode == writing && m.Setting != nil {
		m.Setting.fields(c)
	}
}

// UnbindDeviceSNCodeRequest frees a device record for another device.
type UnbindDeviceSNCodeRequest struct {
	// OutSubMchID is the merchant.
	OutSubMchID string
	// OutShopID is the shop.
	OutShopID string
	// DeviceID is the device record.
	DeviceID string
	// SNCode is the serial number that is bound now.
	SNCode string
	// NonceStr is optional.
	NonceStr string
}

func (m *UnbindDeviceSNCodeRequest) fields(c *walk) {
	c.mustText("out_sub_mch_id", &m.OutSubMchID, limitID)
	c.mustText("out_shop_id", &m.OutShopID, limitID)
	c.mustText("device_id", &m.DeviceID, limitClientText)
	c.respell("sn", "sn_code")
	c.mustText("sn_code", &m.SNCode, limitClientText)
	c.text("nonce_str", &m.NonceStr, limitNonce)
}

// Method returns MethodUnbindDeviceSNCode.
func (*UnbindDeviceSNCodeRequest) Method() Method { return MethodUnbindDeviceSNCode }

// Validate follows Request.
func (m *UnbindDeviceSNCodeRequest) Validate() error {
	r := rules{}
	r.need("out_sub_mch_id", m.OutSubMchID)
	r.need("out_shop_id", m.OutShopID)
	r.need("device_id", m.DeviceID)
	r.need("sn_code", m.SNCode)
	return r.with(m)
}

// UnbindDeviceSNCodeResponse says no more than that the record is free.
type UnbindDeviceSNCodeResponse struct {
	// NonceStr is made up when empty. It is not echoed and proves nothing (R11).
	NonceStr string
}

func (m *UnbindDeviceSNCodeResponse) fields(c *walk) { c.freshNonce(&m.NonceStr) }

// CheckBillDeviceBindInfoRequest asks whether a device is still bound as it
// believes. It is authenticated by the device's init key.
type CheckBillDeviceBindInfoRequest struct {
	// SNCode is the serial number; some firmware calls it sn (R15).
	SNCode string
	// OutShopID is the shop that the device believes to be bound to.
	OutShopID string
	// DeviceID is the device record likewise.
	DeviceID string
	// HashContent is the authentication code of NonceStr by the key that the device was given.
	HashContent string
	// NonceStr is covered by HashContent.
	NonceStr string
	// Timestamp is the device's clock.
	Timestamp int64
}

func (m *CheckBillDeviceBindInfoRequest) fields(c *walk) {
	c.mustText("device_id", &m.DeviceID, limitClientText)
	c.mustText("hash_content", &m.HashContent, limitClientText)
	c.mustText("nonce_str", &m.NonceStr, limitNonce)
	c.mustText("out_shop_id", &m.OutShopID, limitID)
	c.respell("sn", "sn_code")
	c.mustText("sn_code", &m.SNCode, limitClientText)
	c.int("timestamp", &m.Timestamp)
}

// Method returns MethodCheckBillDeviceBindInfo.
func (*CheckBillDeviceBindInfoRequest) Method() Method { return MethodCheckBillDeviceBindInfo }

// Validate follows Request.
func (m *CheckBillDeviceBindInfoRequest) Validate() error {
	r := rules{}
	r.need("sn_code", m.SNCode)
	r.need("out_shop_id", m.OutShopID)
	r.need("device_id", m.DeviceID)
	r.need("nonce_str", m.NonceStr)
	r.need("hash_content", m.HashContent)
	return r.with(m)
}

// Proves reports, in constant time, whether the device holds key.
func (m *CheckBillDeviceBindInfoRequest) Proves(key Key) bool {
	return key.Verifies([]byte(m.NonceStr), m.HashContent)
}

// CheckBillDeviceBindInfoResponse says no more than that it is.
type CheckBillDeviceBindInfoResponse struct {
	// NonceStr is made up when empty. It is not echoed and proves nothing (R11).
	NonceStr string
}

func (m *CheckBillDeviceBindInfoResponse) fields(c *walk) { c.freshNonce(&m.NonceStr) }

// GenerateBillDeviceBindQRCodeRequest asks for a code that binds the device when
// a merchant's administrator scans it. It is authenticated by the device's init
// key.
type GenerateBillDeviceBindQRCodeRequest struct {
	// SNCode is the serial number; some firmware calls it sn (R15).
	SNCode string
	// MCC, MNC, LAC, CellID and RSS say which mobile network the device is in.
	MCC, MNC, LAC, CellID, RSS string
	// AppCpayVersion is that of the firmware, which may call it app_version (R15).
	AppCpayVersion string
	// NonceStr is the device's.
	NonceStr string
	// Timestamp is the device's clock.
	Timestamp int64
}

func (m *GenerateBillDeviceBindQRCodeRequest) fields(c *walk) {
	c.respell("app_version", "app_cpay_version")
	c.text("app_cpay_version", &m.AppCpayVersion, limitClientText)
	c.text("cellid", &m.CellID, limitClientText)
	c.text("lac", &m.LAC, limitClientText)
	c.text("mcc", &m.MCC, limitClientText)
	c.text("mnc", &m.MNC, limitClientText)
	c.text("nonce_str", &m.NonceStr, limitNonce)
	c.text("rss", &m.RSS, limitClientText)
	c.respell("sn", "sn_code")
	c.mustText("sn_code", &m.SNCode, limitClientText)
	c.int("timestamp", &m.Timestamp)
}

// Method returns MethodGenerateBillDeviceBindQRCode.
func (*GenerateBillDeviceBindQRCodeRequest) Method() Method {
	return MethodGenerateBillDeviceBindQRCode
}

// Validate follows Request.
func (m *GenerateBillDeviceBindQRCodeRequest) Validate() error {
	r := rules{}
	r.need("sn_code", m.SNCode)
	return r.with(m)
}

// GenerateBillDeviceBindQRCodeResponse is what the device makes its code of.
type GenerateBillDeviceBindQRCodeResponse struct {
	// Activator names the attempt in the code, in 12 characters.
	Activator string
	// Token names it when the device polls, in 12 characters.
	Token string
	// TTL is how many seconds the code is good for.
	TTL int64
	// MiniProgramURL is the beginning of the code; see BindQRCode.
	MiniProgramURL string
	// Interval is how many seconds to wait between polls.
	Interval int64
	// NonceStr is made up when empty. It is not echoed and proves nothing (R11).
	NonceStr string
}

func (m *GenerateBillDeviceBindQRCodeResponse) fields(c *walk) {
	c.mustText("activator", &m.Activator, limitShort)
	c.mustText("token", &m.Token, limitShort)
	c.mustInt("ttl", &m.TTL)
	c.mustText("mini_program_url", &m.MiniProgramURL, limitURL)
	c.mustInt("interval", &m.Interval)
	c.freshNonce(&m.NonceStr)
}

// GetBillDeviceBindInfoRequest asks whether the code has been scanned. It is
// authenticated by the device's init key.
type GetBillDeviceBindInfoRequest struct {
	// SNCode is the serial number; some firmware calls it sn (R15).
	SNCode string
	// Token is that of the code.
	Token string
	// NonceStr is the device's.
	NonceStr string
	// Timestamp is the device's clock.
	Timestamp int64
}

func (m *GetBillDeviceBindInfoRequest) fields(c *walk) {
	c.text("nonce_str", &m.NonceStr, limitNonce)
	c.respell("sn", "sn_code")
	c.mustText("sn_code", &m.SNCode, limitClientText)
	c.int("timestamp", &m.Timestamp)
	c.mustText("token", &m.Token, limitShort)
}

// Method returns MethodGetBillDeviceBindInfo.
func (*GetBillDeviceBindInfoRequest) Method() Method { return MethodGetBillDeviceBindInfo }

// Validate follows Request.
func (m *GetBillDeviceBindInfoRequest) Validate() error {
	r := rules{}
	r.need("sn_code", m.SNCode)
	r.need("token", m.Token)
	return r.with(m)
}

// GetBillDeviceBindInfoResponse is what a bound device is set up with. Until
// Activated is 1 nothing else is written.
type GetBillDeviceBindInfoResponse struct {
	// Activated is 1 once the code was scanned, and 0 before.
	Activated int64
	// OutMchID is the provider.
	OutMchID string
	// OutSubMchID is the merchant.
	OutSubMchID string
	// CloudCashierID is the order prefix.
	CloudCashierID string
	// AuthenType is 1.
	AuthenType int64
	// EAuthenKey is the authentication key under the device's init key; see SealDeviceKey. One example calls it authen_key.
	EAuthenKey string
	// OutShopID is the shop.
	OutShopID string
	// ShopName is the shop's name.
	ShopName string
	// DeviceID is the device record.
	DeviceID string
	// DeviceName is its name.
	DeviceName string
	// StaffID is reserved.
	StaffID string
	// StaffName is reserved.
	StaffName string
	// DeviceShiftType is the kind of device (protocol.md §3.13).
	DeviceShiftType int64
	// NonceStr is made up when empty. It is not echoed and proves nothing (R11).
	NonceStr string
}

func (m *GetBillDeviceBindInfoResponse) fields(c *walk) {
	c.mustInt("activated", &m.Activated)
	if c.mode != writing || m.Activated != 0 {
		c.mustText("out_mch_id", &m.OutMchID, limitID)
		c.mustText("out_sub_mch_id", &m.OutSubMchID, limitID)
		c.mustText("cloud_cashier_id", &m.CloudCashierID, limitID)
		c.mustInt("authen_type", &m.AuthenType)
		c.respell("authen_key", "e_authen_key")
		c.mustText("e_authen_key", &m.EAuthenKey, limitReason)
		c.mustText("out_shop_id", &m.OutShopID, limitID)
		c.mustText("shop_name", &m.ShopName, limitShopName)
		c.mustText("device_id", &m.DeviceID, limitClientText)
		c.mustText("device_name", &m.DeviceName, limitShopName)
		c.mustText("staff_id", &m.StaffID, limitClientText)
		c.mustText("staff_name", &m.StaffName, limitShopName)
		c.mustInt("device_shift_type", &m.DeviceShiftType)
	}
	c.freshNonce(&m.NonceStr)
}
