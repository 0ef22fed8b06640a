package cpay

import (
	"fmt"
	"io"
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

// Format masks the code for every verb, those that String is not asked for
// included.
func (p PayCode) Format(f fmt.State, _ rune) { _, _ = io.WriteString(f, p.String()) }

// GoString masks the code.
func (p PayCode) GoString() string { return p.String() }

// LogValue masks the code.
func (p PayCode) LogValue() slog.Value { return slog.StringValue(p.String()) }

// MarshalText masks the code. Messages on the wire carry it whole, see Encode.
func (p PayCode) MarshalText() ([]byte, error) { return []byte(p.String()), nil }

// PayMchKey names the merchant and the wallet (pay_mch_key).
type PayMchKey struct {
	// PayPlatform may be 0 in a request: it is derived from the payment code, or is that of the order.
	PayPlatform PayPlatform
	// SubPayPlatform tells apart the kinds of one platform (protocol.md §3.2).
	SubPayPlatform int64
	// OutMchID is the provider's id.
	OutMchID string
	// OutSubMchID is the merchant's id; it selects the key that authenticates the call.
	OutSubMchID string
	// OutShopID is the shop's id, unique in the whole system.
	OutShopID string
	// MchID is the wallet's id of the provider, in responses only.
	MchID string
	// SubMchID is the wallet's id of the merchant, in responses only.
	SubMchID string
	// NotifyOpenIDs are openids, under the provider's official account, of staff to notify.
	NotifyOpenIDs []string
	// SubMchPayInfo is opaque and stored with the order.
	SubMchPayInfo string
	// WxpayExt names the payer for official-account, mini-program and app payments.
	WxpayExt *WxpayPayMchKeyExt
	// AlipayExt names the payer likewise.
	AlipayExt *AlipayPayMchKeyExt
	// IsSubMchAdmin says that the merchant's administrator refunds (api_version 2).
	IsSubMchAdmin bool
	// AuthorizationStaffID is the member of staff who allows the refund (api_version 2).
	AuthorizationStaffID string
	// AuthorizationName is that person's name.
	AuthorizationName string
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
	// AppID is the provider's official account.
	AppID string
	// SubAppID is the merchant's official account.
	SubAppID string
	// OpenID is the payer under AppID.
	OpenID string
	// SubOpenID is the payer under SubAppID.
	SubOpenID string
	// MobAppID is the mobile application of app_pay.
	MobAppID string
	// MiniProgramSubAppID is the mini program of mini_program_pay.
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
type AlipayPayMchKeyExt struct {
	// UserID is the payer's number at Alipay.
	UserID string
}

func (m *AlipayPayMchKeyExt) fields(c *walk) { c.text("user_id", &m.UserID, limitOpenID) }

// OrderClient describes the device that calls (order_client). A server must not
// insist on any of it (protocol.md R10).
type OrderClient struct {
	// DeviceID is the number that the merchant gave the device.
	DeviceID string
	// StaffID is the member of staff; empty on a device set up without staff.
	StaffID string
	// TerminalType is kept as it comes: the documents contradict each other (protocol.md §3.13).
	TerminalType int64
	// SubTerminalType is the model, from a range allocated to its maker.
	SubTerminalType int64
	// MachineNo is unique to the device.
	MachineNo string
	// SDKVersion has at most ten characters in the documents and more in the field.
	SDKVersion string
	// SpbillCreateIP is the address that the device believes to have.
	SpbillCreateIP string
	// ShopID is the merchant's own number of the shop.
	ShopID string
	// SNCode is the serial number of the device.
	SNCode string
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
	// OutTradeNo begins with the merchant's order prefix, has letters and digits only, and is never used twice.
	OutTradeNo string
	// AuthorCode is the customer's payment code; only micro_pay has one.
	AuthorCode PayCode
	// TimeExpire is when the order ends unpaid; micro_pay has none.
	TimeExpire int64
	// TotalFee is the amount in fen, 1 to 2,147,483,647 (MaxFee).
	TotalFee int64
	// FeeType is CNY; empty means the same.
	FeeType string
	// Body describes the goods to the customer in at most 128 characters.
	Body string
	// Detail is the JSON text of a Detail, at most 6,000 characters.
	Detail string
	// Remark is the merchant's note.
	Remark string
	// ClientFlowID is the till's own number of the sale.
	ClientFlowID string
	// CallerNotifyURL replaces the provider's callback address for this order.
	CallerNotifyURL string
	// WxpayExt is what only WeChat Pay takes.
	WxpayExt *WxpayPayContentExt
	// AlipayExt is what only Alipay takes.
	AlipayExt *AlipayPayContentExt
	// What follows belongs to deposits.

	// OutFreezeNo is the deposit to take the money from.
	OutFreezeNo string
	// IsConfirmUnfreeze returns the rest of the deposit.
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
	// Attach is opaque and returned with the order.
	Attach string
	// GoodsTag selects promotions.
	GoodsTag string
	// ProductID is the merchant's number of the goods.
	ProductID string
	// LimitPay may be no_credit, to refuse credit cards.
	LimitPay string
	// SceneInfo is JSON text about the web page of mob_web_pay.
	SceneInfo string
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
	// DiscountableAmount is the part that promotions may apply to.
	DiscountableAmount int64
	// UndiscountableAmount is the part that they may not apply to.
	UndiscountableAmount int64
	// ProductCode is Alipay's product.
	ProductCode string
	// RoyaltyInfo is JSON text about splitting the money.
	RoyaltyInfo string
	// ExtendParams is JSON text, such as instalments.
	ExtendParams string
	// DisablePayChannels lists what the customer may not pay with.
	DisablePayChannels string
	// TimeoutExpress is how long the order can be paid, such as 2m.
	TimeoutExpress string
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
	// CostPrice is the sum of the receipt; another one than the amount means that it is paid in parts.
	CostPrice int64
	// ReceiptID is the merchant's number of the receipt.
	ReceiptID string
	// GoodsDetail are the lines; together they should not exceed the amount.
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
	// GoodsID is the merchant's number of the goods.
	GoodsID string
	// GoodsName is what the customer reads.
	GoodsName string
	// Quantity is a whole number of pieces.
	Quantity int64
	// Price is that of one piece, after discounts.
	Price int64
}

func (m *GoodsDetail) fields(c *walk) {
	c.text("goods_id", &m.GoodsID, limitTradeNo)
	c.text("goods_name", &m.GoodsName, limitPayCode)
	c.mustInt("quantity", &m.Quantity)
	c.mustInt("price", &m.Price)
}
