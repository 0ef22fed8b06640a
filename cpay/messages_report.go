package cpay

// DeviceReportRequest is what a device tells of itself and of its payments.
// Nothing in it is refused for its kind or content; the
// documented example leaves half of it out and misspells the rest.
type DeviceReportRequest struct {
	// OutMchID is the provider.
	OutMchID string
	// OutSubMchID is the merchant.
	OutSubMchID string
	// OutShopID is the shop.
	OutShopID string
	// DeviceID is the device record.
	DeviceID string
	// StaffID is the member of staff.
	StaffID string
	// CloudCashierID is the order prefix.
	CloudCashierID string
	// AuthenType is 1.
	AuthenType int64
	// DeviceType is the kind of device.
	DeviceType int64
	// DeviceShiftType is its kind for shifts (protocol.md §3.13).
	DeviceShiftType int64
	// CompanyCode is its maker.
	CompanyCode string
	// Model is its model.
	Model string
	// SNCode is its serial number (sn).
	SNCode string
	// AppCpayVersion is that of its firmware.
	AppCpayVersion string
	// BeginTimestamp is the beginning of what is counted, in UNIX seconds.
	BeginTimestamp int64
	// EndTimestamp is the end.
	EndTimestamp int64
	// SimNumber is that of its card.
	SimNumber string
	// CPUUsage is in the device's own unit, as text.
	CPUUsage string
	// MemMax is likewise.
	MemMax string
	// MemInUse is likewise.
	MemInUse string
	// DiskMax is likewise.
	DiskMax string
	// DiskInUse is likewise.
	DiskInUse string
	// NetworkType is the kind of network.
	NetworkType string
	// UploadNetFlow is in the device's own unit, as text.
	UploadNetFlow string
	// DownloadNetFlow is likewise.
	DownloadNetFlow string
	// MCC, MNC, LAC, CellID and RSS say which mobile network the device is in.
	MCC, MNC, LAC, CellID, RSS string
	// Longitude is text.
	Longitude string
	// Latitude is text.
	Latitude string
	// Wxpay counts WeChat Pay.
	Wxpay ReportedPayments
	// Alipay counts Alipay.
	Alipay ReportedPayments
	// Other counts the rest.
	Other ReportedPayments
	// APICallingInfos are its calls.
	APICallingInfos []APICallingInfo
	// NonceStr is optional.
	NonceStr string
}

// ReportedPayments are counts of one wallet, members of the report itself.
type ReportedPayments struct {
	// Count is how many payments there were.
	Count int64
	// SuccessCount is how many succeeded.
	SuccessCount int64
	// Amount is what they came to, in fen.
	Amount int64
}

func (m *DeviceReportRequest) fields(c *walk) {
	c.lenient()
	c.mustText("out_mch_id", &m.OutMchID, limitUpload)
	c.mustText("out_sub_mch_id", &m.OutSubMchID, limitUpload)
	c.mustText("out_shop_id", &m.OutShopID, limitUpload)
	c.text("device_id", &m.DeviceID, limitUpload)
	c.text("staff_id", &m.StaffID, limitUpload)
	c.text("cloud_cashier_id", &m.CloudCashierID, limitUpload)
	c.int("authen_type", &m.AuthenType)
	c.int("device_type", &m.DeviceType)
	c.int("device_shift_type", &m.DeviceShiftType)
	c.text("company_code", &m.CompanyCode, limitUpload)
	c.text("model", &m.Model, limitUpload)
	c.respell("sn_code", "sn")
	c.text("sn", &m.SNCode, limitUpload)
	c.respell("app_version", "app_cpay_version")
	c.text("app_cpay_version", &m.AppCpayVersion, limitUpload)
	c.int("begin_timestamp", &m.BeginTimestamp)
	c.int("end_timestamp", &m.EndTimestamp)
	c.text("sim_number", &m.SimNumber, limitUpload)
	c.text("cpu_usage", &m.CPUUsage, limitUpload)
	c.text("mem_max", &m.MemMax, limitUpload)
	c.text("mem_in_use", &m.MemInUse, limitUpload)
	c.text("disk_max", &m.DiskMax, limitUpload)
	c.text("disk_in_use", &m.DiskInUse, limitUpload)
	c.text("network_type", &m.NetworkType, limitUpload)
	c.text("upload_net_flow", &m.UploadNetFlow, limitUpload)
	c.text("download_net_flow", &m.DownloadNetFlow, limitUpload)
	c.text("mcc", &m.MCC, limitUpload)
	c.text("mnc", &m.MNC, limitUpload)
	c.text("lac", &m.LAC, limitUpload)
	c.text("cellid", &m.CellID, limitUpload)
	c.text("rss", &m.RSS, limitUpload)
	c.text("longitude", &m.Longitude, limitUpload)
	c.text("latitude", &m.Latitude, limitUpload)
	c.int("wx_pay_count", &m.Wxpay.Count)
	c.int("wx_pay_success_count", &m.Wxpay.SuccessCount)
	c.int("wx_pay_amount", &m.Wxpay.Amount)
	c.int("ali_pay_count", &m.Alipay.Count)
	c.respell("ali_pay_sucess_count", "ali_pay_success_count") //nolint:misspell // as the documented example has it
	c.int("ali_pay_success_count", &m.Alipay.SuccessCount)
	c.int("ali_pay_amount", &m.Alipay.Amount)
	c.int("other_pay_count", &m.Other.Count)
	c.int("other_pay_success_count", &m.Other.SuccessCount)
	c.int("other_pay_amount", &m.Other.Amount)
	list(c, "api_calling_infos", &m.APICallingInfos)
	c.text("nonce_str", &m.NonceStr, limitUpload)
}

// Method returns MethodDeviceReport.
func (*DeviceReportRequest) Method() Method { return MethodDeviceReport }

// Validate asks for the merchant only.
func (m *DeviceReportRequest) Validate() error {
	r := rules{}
	r.need("out_sub_mch_id", m.OutSubMchID)
	return r.verdict()
}

// APICallingInfo is one call as a device has seen it.
type APICallingInfo struct {
	// OutTradeNo is the order that the call was about.
	OutTradeNo string
	// Code is the HTTP status, or −2 not connected, −3 no answer in time, −4 unknown.
	Code int64
	// Status is what the server answered.
	Status int64
	// InternalStatus is what the server answered.
	InternalStatus int64
	// DelayMS is how long it took, in milliseconds.
	DelayMS int64
	// Description is what the server said.
	Description string
	// PayPlatform is the wallet.
	PayPlatform PayPlatform
	// OrderStatus is the state of the order by the device's own numbers.
	OrderStatus int64
	// TradeStateDesc describes it.
	TradeStateDesc string
}

func (m *APICallingInfo) fields(c *walk) {
	c.lenient()
	c.text("out_trade_no", &m.OutTradeNo, limitUpload)
	c.int("code", &m.Code)
	c.int("status", &m.Status)
	c.int("internal_status", &m.InternalStatus)
	c.int("delay_ms", &m.DelayMS)
	c.text("description", &m.Description, limitUpload)
	c.int("pay_platform", (*int64)(&m.PayPlatform))
	c.int("order_status", &m.OrderStatus)
	c.text("trade_state_desc", &m.TradeStateDesc, limitUpload)
}

// DeviceReportResponse says no more than that the report was taken.
type DeviceReportResponse struct {
	// NonceStr is made up when empty. It is not echoed and proves nothing (R11).
	NonceStr string
}

func (m *DeviceReportResponse) fields(c *walk) { c.freshNonce(&m.NonceStr) }
