package cpay

// limitUpload bounds one text of monitoring data in characters. There is no
// other bound on it than that of the body.
const limitUpload = MaxMonitorBody

// Ways of compressing monitoring data (protocol.md §3.10).
const (
	// CompressNone is no compression.
	CompressNone int64 = 0
	// CompressZip is a ZIP archive.
	CompressZip int64 = 1
	// CompressRAR is a RAR archive.
	CompressRAR int64 = 2
	// CompressGZip is gzip.
	CompressGZip int64 = 3
)

// UploadClientMonitorInfoRequest is what a till has measured of its calls. Nothing
// in it is refused for its kind or content (protocol.md R06); Decode reads what
// can be read.
type UploadClientMonitorInfoRequest struct {
	// OutMchID is the provider. A Client fills it in.
	OutMchID string
	// OutSubMchID is the merchant. A Client fills it in.
	OutSubMchID string
	// OutShopID is the shop. A Client fills it in.
	OutShopID string
	// OrderClient describes the device. A Client fills it in.
	OrderClient ReportedClient
	// Interval is how many seconds lie between uploads.
	Interval int64
	// IsCompress says that the data is in CompressedMonitorInfo.
	IsCompress bool
	// CompressType is how.
	CompressType int64
	// CompressedMonitorInfo is the compressed JSON text of a MonitorInfo, as text; documents do not say in which encoding.
	CompressedMonitorInfo string
	// UncompressedMonitorInfo is the data.
	UncompressedMonitorInfo *MonitorInfo
	// NonceStr is made up when empty. It is not echoed and proves nothing (R11).
	NonceStr string
}

func (m *UploadClientMonitorInfoRequest) fields(c *walk) {
	c.lenient()
	c.mustText("out_mch_id", &m.OutMchID, limitUpload)
	c.mustText("out_sub_mch_id", &m.OutSubMchID, limitUpload)
	c.mustText("out_shop_id", &m.OutShopID, limitUpload)
	c.object("order_client", &m.OrderClient)
	c.mustInt("interval", &m.Interval)
	c.mustBool("is_compress", &m.IsCompress)
	c.int("compress_type", &m.CompressType)
	c.text("compressed_monitor_info", &m.CompressedMonitorInfo, limitUpload)
	optional(c, "uncompressed_monitor_info", &m.UncompressedMonitorInfo)
	c.freshNonce(&m.NonceStr)
}

// Method returns MethodUploadClientMonitorInfo.
func (*UploadClientMonitorInfoRequest) Method() Method { return MethodUploadClientMonitorInfo }

// Validate asks for the merchant only.
func (m *UploadClientMonitorInfoRequest) Validate() error {
	r := rules{}
	r.need("out_sub_mch_id", m.OutSubMchID)
	return r.verdict()
}

// ReportedClient is an OrderClient of which nothing is refused.
type ReportedClient OrderClient

func (m *ReportedClient) fields(c *walk) {
	c.lenient()
	(*OrderClient)(m).fields(c)
}

// MonitorInfo is what a till has measured. Decode reads it from the JSON text
// that was compressed.
type MonitorInfo struct {
	// ClientIntResults are its calls; a single object is read as a list of one.
	ClientIntResults []ClientIntResult
	// MachineInfo is JSON text about the machine.
	MachineInfo string
}

func (m *MonitorInfo) fields(c *walk) {
	c.lenient()
	list(c, "client_int_results", &m.ClientIntResults)
	c.text("machine_info", &m.MachineInfo, limitUpload)
}

// ClientIntResult is one call, or several alike, as a till has seen them.
type ClientIntResult struct {
	// Interface is which; it is read from a number or a method's name.
	Interface Interface
	// Status is what the server answered.
	Status int64
	// Description is what it said.
	Description string
	// TimeCost is how long it took, in milliseconds.
	TimeCost int64
	// StartTime is when it began, in UNIX seconds.
	StartTime int64
	// Logs is the till's log, a text or the JSON text of a list.
	Logs string
	// LogID is the server's number for the call.
	LogID int64
	// DomainName is where it was made.
	DomainName string
	// Level is the till's own.
	Level int64
	// Channel is the till's own.
	Channel string
}

func (m *ClientIntResult) fields(c *walk) {
	c.lenient()
	c.interfaceNumber("interface", &m.Interface)
	c.mustInt("status", &m.Status)
	c.mustText("description", &m.Description, limitUpload)
	c.mustInt("time_cost", &m.TimeCost)
	c.mustInt("start_time", &m.StartTime)
	c.text("logs", &m.Logs, limitUpload)
	c.mustInt("log_id", &m.LogID)
	c.text("domain_name", &m.DomainName, limitUpload)
	c.int("level", &m.Level)
	c.text("channel", &m.Channel, limitUpload)
}

// UploadClientMonitorInfoResponse says when to upload again.
type UploadClientMonitorInfoResponse struct {
	// NonceStr is made up when empty. It is not echoed and proves nothing (R11).
	NonceStr string
	// Interval is how many seconds to wait; 0 is as before.
	Interval int64
}

func (m *UploadClientMonitorInfoResponse) fields(c *walk) {
	c.freshNonce(&m.NonceStr)
	c.mustInt("interval", &m.Interval)
}

// UploadClientConfInfoRequest describes the machine that a till runs on. Nothing
// in it is refused for its kind or content.
type UploadClientConfInfoRequest struct {
	// OutMchID is the provider. A Client fills it in.
	OutMchID string
	// OutSubMchID is the merchant. A Client fills it in.
	OutSubMchID string
	// OutShopID is the shop. A Client fills it in.
	OutShopID string
	// OrderClient describes the device. A Client fills it in.
	OrderClient ReportedClient
	// MachineInfo is JSON text about the machine.
	MachineInfo string
	// NonceStr is made up when empty. It is not echoed and proves nothing (R11).
	NonceStr string
}

func (m *UploadClientConfInfoRequest) fields(c *walk) {
	c.lenient()
	c.mustText("out_mch_id", &m.OutMchID, limitUpload)
	c.mustText("out_sub_mch_id", &m.OutSubMchID, limitUpload)
	c.mustText("out_shop_id", &m.OutShopID, limitUpload)
	c.object("order_client", &m.OrderClient)
	c.mustText("machine_info", &m.MachineInfo, limitUpload)
	c.freshNonce(&m.NonceStr)
}

// Method returns MethodUploadClientConfInfo.
func (*UploadClientConfInfoRequest) Method() Method { return MethodUploadClientConfInfo }

// Validate asks for the merchant only.
func (m *UploadClientConfInfoRequest) Validate() error {
	r := rules{}
	r.need("out_sub_mch_id", m.OutSubMchID)
	return r.verdict()
}

// UploadClientConfInfoResponse says no more than that it was taken.
type UploadClientConfInfoResponse struct {
	// NonceStr is made up when empty. It is not echoed and proves nothing (R11).
	NonceStr string
}

func (m *UploadClientConfInfoResponse) fields(c *walk) { c.freshNonce(&m.NonceStr) }
