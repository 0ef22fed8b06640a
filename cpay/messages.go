package cpay

import (
	"log/slog"
	"strings"
)

// MaxFee is the largest amount in fen: clients in the field read amounts as
// 32-bit integers (protocol.md R24).
const MaxFee = 1<<31 - 1

// Longest texts in characters, from protocol.md §2.0. Where the documents and
// clients in the field disagree the larger number stands, and what the documents
// call required in order_client is not enforced, because many clients leave it
// out.
const (
	limitNonce      = 64  // documented 32; the C SDK has room for 63
	limitID         = 64  // account ids; real ones have 20 characters
	limitTradeNo    = 32  // out_trade_no and out_refund_no
	limitPayCode    = 256 // author_code
	limitCurrency   = 16
	limitClientText = 128 // device, staff, machine, serial number, version, address
	limitOpenID     = 255
	limitBody       = 128
	limitDetail     = 6000
	limitAttach     = 127
	limitShort      = 64   // tags, products, flags of the wallets
	limitExtra      = 1024 // opaque texts that are passed through
	limitURL        = 1024
	limitReason     = 255
	limitDesc       = 255
	limitSign       = 2048
)

// PayCode is a payment code from a customer's phone (author_code), good for
// taking money for a minute. It prints, logs and marshals with all but its first
// six characters masked; string(code) is the code itself.
type PayCode string

const payCodeShown = 6

// String masks the code.
func (p PayCode) String() string {
	if len(p) <= payCodeShown {
		return strings.Repeat("*", len(p))
	}
	return string(p[:payCodeShown]) + strings.Repeat("*", len(p)-payCodeShown)
}

// GoString masks the code.
func (p PayCode) GoString() string { return p.String() }

// LogValue masks the code.
func (p PayCode) LogValue() slog.Value { return slog.StringValue(p.String()) }

// MarshalText masks the code. Messages on the wire carry it whole, see Encode.
func (p PayCode) MarshalText() ([]byte, error) { return []byte(p.String()), nil }

// PayMchKey names the merchant and the wallet (pay_mch_key).
type PayMchKey struct {
	PayPlatform    PayPlatform // 0 in a request: derived, or that of the order
	SubPayPlatform int64
	OutMchID       string // the provider
	OutSubMchID    string // the merchant
	OutShopID      string
	// MchID and SubMchID are the wallet's own ids; responses may add them.
	MchID, SubMchID string
	// NotifyOpenIDs are openids of staff to notify, under the provider's account.
	NotifyOpenIDs []string
	SubMchPayInfo string // opaque, stored with the order
	WxpayExt      *WxpayPayMchKeyExt
	AlipayExt     *AlipayPayMchKeyExt
	// The rest says who refunds, for refunds that check it (api_version 2).
	IsSubMchAdmin        bool
	AuthorizationStaffID string
	AuthorizationName    string
}

func (m *PayMchKey) fields(c *walk) {
	c.int("pay_platform", (*int64)(&m.PayPlatform))
	c.mustText("out_mch_id", &m.OutMchID, limitID)
	c.mustText("out_sub_mch_id", &m.OutSubMchID, limitID)
	c.mustText("out_shop_id", &m.OutShopID, limitID)
	c.spare(shedOptional)
	c.int("sub_pay_platform", &m.SubPayPlatform)
	c.text("mch_id", &m.MchID, limitShort)
	c.text("sub_mch_id", &m.SubMchID, limitShort)
	c.respell("is_sub_admin", "is_sub_mch_admin")
	c.bool("is_sub_mch_admin", &m.IsSubMchAdmin)
	c.text("authorization_staff_id", &m.AuthorizationStaffID, limitClientText)
	c.text("authorization_name", &m.AuthorizationName, limitClientText)
	c.spare(shedTexts)
	c.texts("notify_open_ids", &m.NotifyOpenIDs, limitOpenID)
	c.loose("sub_mch_pay_info", &m.SubMchPayInfo, limitExtra)
	optional(c, "wxpay_pay_mch_key_ext", &m.WxpayExt)
	optional(c, "alipay_pay_mch_key_ext", &m.AlipayExt)
}

// WxpayPayMchKeyExt names the payer to WeChat Pay.
type WxpayPayMchKeyExt struct {
	AppID               string
	SubAppID            string
	OpenID              string
	SubOpenID           string
	MobAppID            string
	MiniProgramSubAppID string
}

func (m *WxpayPayMchKeyExt) fields(c *walk) {
	c.text("app_id", &m.AppID, limitShort)
	c.text("sub_app_id", &m.SubAppID, limitShort)
	c.text("open_id", &m.OpenID, limitOpenID)
	c.text("sub_open_id", &m.SubOpenID, limitOpenID)
	c.text("mob_app_id", &m.MobAppID, limitShort)
	c.text("mini_program_sub_app_id", &m.MiniProgramSubAppID, limitShort)
}

// AlipayPayMchKeyExt names the payer to Alipay.
type AlipayPayMchKeyExt struct{ UserID string }

func (m *AlipayPayMchKeyExt) fields(c *walk) { c.text("user_id", &m.UserID, limitOpenID) }

// OrderClient describes the device that calls (order_client). A server must not
// insist on any of it (protocol.md R10).
type OrderClient struct {
	DeviceID        string
	StaffID         string // empty on a device set up without staff
	TerminalType    int64  // opaque, protocol.md §3.13
	SubTerminalType int64
	MachineNo       string
	SDKVersion      string
	SpbillCreateIP  string
	ShopID          string
	SNCode          string
}

func (m *OrderClient) fields(c *walk) {
	c.mustText("device_id", &m.DeviceID, limitClientText)
	c.mustText("staff_id", &m.StaffID, limitClientText)
	c.mustInt("terminal_type", &m.TerminalType)
	c.int("sub_terminal_type", &m.SubTerminalType)
	c.text("machine_no", &m.MachineNo, limitClientText)
	c.mustText("sdk_version", &m.SDKVersion, limitClientText)
	c.mustText("spbill_create_ip", &m.SpbillCreateIP, limitClientText)
	c.text("shop_id", &m.ShopID, limitClientText)
	c.text("sn_code", &m.SNCode, limitClientText)
}

// PayContent is what is to be paid (pay_content). Amounts are fen, times are
// UNIX seconds.
type PayContent struct {
	OutTradeNo      string
	AuthorCode      PayCode // micro_pay only
	TimeExpire      int64   // not for micro_pay
	TotalFee        int64
	FeeType         string // CNY
	Body            string
	Detail          string // JSON text of a Detail
	Remark          string
	ClientFlowID    string
	CallerNotifyURL string
	WxpayExt        *WxpayPayContentExt
	AlipayExt       *AlipayPayContentExt
	// The rest belongs to deposits.
	OutFreezeNo       string
	IsConfirmUnfreeze bool
}

func (m *PayContent) fields(c *walk) {
	c.mustText("out_trade_no", &m.OutTradeNo, limitTradeNo)
	c.text("author_code", (*string)(&m.AuthorCode), limitPayCode)
	c.int("time_expire", &m.TimeExpire)
	c.mustInt("total_fee", &m.TotalFee)
	c.text("fee_type", &m.FeeType, limitCurrency)
	c.text("body", &m.Body, limitBody)
	c.loose("detail", &m.Detail, limitDetail)
	c.text("remark", &m.Remark, limitAttach)
	c.text("client_flow_id", &m.ClientFlowID, limitClientText)
	c.text("caller_notify_url", &m.CallerNotifyURL, limitURL)
	m.strayAttach(c)
	optional(c, "wxpay_pay_content_ext", &m.WxpayExt)
	optional(c, "alipay_pay_content_ext", &m.AlipayExt)
	c.text("out_freeze_no", &m.OutFreezeNo, limitTradeNo)
	c.bool("is_confirm_unfreeze", &m.IsConfirmUnfreeze)
}

// strayAttach reads an attach that stands directly in pay_content, as sample
// code sends it, into its place in the ext (protocol.md R13). One in its place
// wins.
func (m *PayContent) strayAttach(c *walk) {
	if c.mode != reading {
		return
	}
	var attach string
	c.text("attach", &attach, limitAttach)
	if attach == "" {
		return
	}
	if m.WxpayExt == nil {
		m.WxpayExt = new(WxpayPayContentExt)
	}
	if m.WxpayExt.Attach == "" {
		m.WxpayExt.Attach = attach
	}
}

// WxpayPayContentExt is what only WeChat Pay takes.
type WxpayPayContentExt struct {
	Attach    string // opaque, returned with the order
	GoodsTag  string
	ProductID string
	LimitPay  string // no_credit refuses credit cards
	SceneInfo string // JSON text
}

func (m *WxpayPayContentExt) fields(c *walk) {
	c.text("attach", &m.Attach, limitAttach)
	c.text("goods_tag", &m.GoodsTag, limitShort)
	c.text("product_id", &m.ProductID, limitShort)
	c.text("limit_pay", &m.LimitPay, limitShort)
	c.loose("scene_info", &m.SceneInfo, limitExtra)
}

// AlipayPayContentExt is what only Alipay takes. Amounts are fen.
type AlipayPayContentExt struct {
	DiscountableAmount   int64
	UndiscountableAmount int64
	ProductCode          string
	RoyaltyInfo          string
	ExtendParams         string
	DisablePayChannels   string
	TimeoutExpress       string
}

func (m *AlipayPayContentExt) fields(c *walk) {
	c.int("discountable_amount", &m.DiscountableAmount)
	c.int("undiscountable_amount", &m.UndiscountableAmount)
	c.text("product_code", &m.ProductCode, limitBody)
	c.loose("royalty_info", &m.RoyaltyInfo, limitExtra)
	c.loose("extend_params", &m.ExtendParams, limitExtra)
	c.text("disable_pay_channels", &m.DisablePayChannels, limitBody)
	c.text("timeout_express", &m.TimeoutExpress, limitShort)
}

// Detail lists the goods of an order. On the wire it is a string, so it is
// encoded and decoded on its own: PayContent.Detail = string(Encode(&detail)).
// A CostPrice other than the amount means that one receipt is paid in parts.
type Detail struct {
	CostPrice   int64
	ReceiptID   string
	GoodsDetail []GoodsDetail
}

func (m *Detail) fields(c *walk) {
	c.int("cost_price", &m.CostPrice)
	c.text("receipt_id", &m.ReceiptID, limitTradeNo)
	c.respell("goods_details", "goods_detail")
	mustList(c, "goods_detail", &m.GoodsDetail)
}

// GoodsDetail is one line of a Detail; Price is of one piece, in fen.
type GoodsDetail struct {
	GoodsID   string
	GoodsName string
	Quantity  int64
	Price     int64
}

func (m *GoodsDetail) fields(c *walk) {
	c.text("goods_id", &m.GoodsID, limitTradeNo)
	c.text("goods_name", &m.GoodsName, limitPayCode)
	c.mustInt("quantity", &m.Quantity)
	c.mustInt("price", &m.Price)
}

// RefundContent is what is to be refunded (refund_content). Amounts are fen.
type RefundContent struct {
	OutTradeNo         string
	OutRefundNo        string
	TotalFee           int64 // of the order, not of this refund
	RefundFee          int64
	RefundFeeType      string // CNY
	RefundReason       string
	ClientRefundFlowID string
	OutFreezeNo        string
	WxpayExt           *WxpayRefundContentExt
}

func (m *RefundContent) fields(c *walk) {
	c.mustText("out_trade_no", &m.OutTradeNo, limitTradeNo)
	c.mustText("out_refund_no", &m.OutRefundNo, limitTradeNo)
	c.mustInt("total_fee", &m.TotalFee)
	c.mustInt("refund_fee", &m.RefundFee)
	c.text("refund_fee_type", &m.RefundFeeType, limitCurrency)
	c.text("refund_reason", &m.RefundReason, limitReason)
	c.text("client_refund_flow_id", &m.ClientRefundFlowID, limitClientText)
	c.text("out_freeze_no", &m.OutFreezeNo, limitTradeNo)
	c.respell("wx_pay_refund_content_ext", "wxpay_refund_content_ext")
	c.respell("wxpay_refund_order_content_ext", "wxpay_refund_content_ext")
	optional(c, "wxpay_refund_content_ext", &m.WxpayExt)
}

// WxpayRefundContentExt says which account of the merchant pays the refund.
type WxpayRefundContentExt struct{ RefundAccount string }

func (m *WxpayRefundContentExt) fields(c *walk) {
	c.text("refund_account", &m.RefundAccount, limitShort)
}
