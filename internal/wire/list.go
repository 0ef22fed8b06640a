package wire

import (
	"cloudpay/cpay"
	"cloudpay/internal/pay"
)

// Names are what an order's ids are called, for lists; "" for what is gone or
// was never named.
type Names struct{ Shop, Staff, Device, QRCode string }

// subPlatforms is how far sub_pay_platform of a wallet is from its
// pay_platform (protocol.md §3.2: 100 ordinary WeChat, 200 ordinary Alipay).
const subPlatforms = 100

// SubPlatform is the sub_pay_platform of a wallet.
func SubPlatform(ch pay.Channel) int64 { return ch.Platform() * subPlatforms }

// ListOrder shows an order as one flat object of query_order_list.
func ListOrder(o pay.Order, poundage pay.Fen, n Names) *cpay.ListOrder {
	c := Order(o)
	out := &cpay.ListOrder{
		ListPlace: place(o, o.ShopID, o.DeviceID, o.StaffID, n),
		FeeType:   o.Currency, Poundage: int64(poundage),
		TimeEnd: c.TimeEnd, CreateTime: c.CreateTime, LastUpdateTime: c.LastUpdateTime,
		CouponInfos: c.CouponInfos, Body: c.Body, Detail: c.Detail, ClientFlowID: c.ClientFlowID, Remark: c.Remark,
		RefundedFee: refunded(o),
	}
	if o.Taken() {
		out.CashFee, out.CashFeeType, out.SettlementTotalFee = int64(o.Cash), o.Currency, int64(o.Settlement)
		out.DiscountFee, out.IncomeFee = int64(o.Total-o.Settlement), int64(o.Settlement-poundage)
	}
	if e := c.WxpayExt; e != nil {
		out.WxpayCurrentTradeState, out.Attach, out.BankType = e.CurrentTradeState, e.Attach, e.BankType
		out.GoodsTag, out.SceneInfo = e.GoodsTag, e.SceneInfo
	}
	if e := c.AlipayExt; e != nil {
		out.AlipayCurrentTradeState = e.CurrentTradeState
		out.DiscountableAmount, out.UndiscountableAmount = e.DiscountableAmount, e.UndiscountableAmount
	}
	return out
}

// ListRefund shows a refund as one flat object of query_order_list. A refund
// that names no till of its own stands at the order's.
func ListRefund(o pay.Order, r pay.Refund, poundage pay.Fen, n Names) *cpay.ListRefundOrder {
	c := Refund(o, r)
	shop, device, staff := RefundPlace(o, r)
	out := &cpay.ListRefundOrder{
		ListPlace:   place(o, shop, device, staff, n),
		OutRefundNo: c.OutRefundNo, RefundID: c.RefundID, RefundFee: c.RefundFee, RefundFeeType: c.RefundFeeType,
		SettlementTotalFee: int64(o.Settlement), SettlementRefundFee: c.SettlementRefundFee,
		Poundage: int64(poundage), CreateTime: c.CreateTime, LastUpdateTime: c.LastUpdateTime,
		RefundStartProcessingTime: unix(r.CreatedAt), PayLastUpdateTime: unix(o.UpdatedAt),
		RefundReason: c.RefundReason, ClientRefundFlowID: c.ClientRefundFlowID,
	}
	if r.State == pay.RefundSucceeded {
		out.IncomeFee = int64(r.Settlement - poundage)
	}
	if e := c.WxpayExt; e != nil {
		out.WxpayRefundState, out.CashRefundFee, out.CouponInfos = e.State, e.CashRefundFee, e.CouponRefundInfos
		out.CashRefundFeeType = o.Currency
	}
	if e := c.AlipayExt; e != nil {
		out.AlipayRefundState = e.RefundStatus
	}
	return out
}

// RefundPlace is where a refund was made: its own till, or else the order's.
func RefundPlace(o pay.Order, r pay.Refund) (shop, device, staff string) {
	if r.ShopID == "" && r.DeviceID == "" && r.StaffID == "" {
		return o.ShopID, o.DeviceID, o.StaffID
	}
	if shop = r.ShopID; shop == "" {
		shop = o.ShopID
	}
	return shop, r.DeviceID, r.StaffID
}

// place is what orders and refunds of a list have in common.
func place(o pay.Order, shop, device, staff string, n Names) cpay.ListPlace {
	return cpay.ListPlace{
		OutMchID: o.ProviderID, OutSubMchID: o.MerchantID, OutShopID: shop, ShopName: n.Shop,
		StaffID: staff, StaffName: n.Staff, DeviceID: device, DeviceName: n.Device,
		QRCodeID: o.QRCodeID, QRCodeName: n.QRCode, SourceType: o.SourceType,
		SubPayPlatform: SubPlatform(o.Channel), TradeType: cpay.TradeType(o.TradeType),
		OutTradeNo: o.OutTradeNo, TransactionID: cut(o.TransactionID), TotalFee: int64(o.Total),
	}
}

// Originators of orders and refunds (protocol.md §3.14).
const (
	originChannel     = 1
	originSubMerchant = 2
)

// OrderMch names the merchant of an order in client_order_detail.
func OrderMch(o pay.Order, shop string) cpay.OrderMch {
	k := MchKey(o)
	m := cpay.OrderMch{
		PayPlatform: k.PayPlatform, OutMchID: k.OutMchID, OutSubMchID: k.OutSubMchID, OutShopID: shop,
		SubMchPayInfo: k.SubMchPayInfo, MchID: k.MchID, SubMchID: k.SubMchID,
	}
	switch o.Channel {
	case pay.Wxpay:
		m.WxpayExt = &cpay.WxpayOrderMchExt{MchID: k.MchID, SubMchID: k.SubMchID, OpenID: o.PayerID}
	case pay.Alipay:
		m.AlipayExt = &cpay.AlipayOrderMchExt{UserID: o.PayerID, SubMchID: k.SubMchID}
	}
	return m
}

// ReceiptOrder shows an order with everything that belongs to it. refunded_fee
// is there because tills learn of Alipay's partial refunds by it (seed S002).
func ReceiptOrder(o pay.Order) *cpay.ReceiptOrder {
	c := Order(o)
	c.RefundedFee = refunded(o)
	return &cpay.ReceiptOrder{
		OrderMch: OrderMch(o, o.ShopID), OrderContent: c, OrderClient: Client(o), AuthenInfo: Authen(o.Authen), Originator: originSubMerchant,
	}
}

// ReceiptRefund shows a refund with everything that belongs to it.
func ReceiptRefund(o pay.Order, r pay.Refund) *cpay.ReceiptRefundOrder {
	shop, device, staff := RefundPlace(o, r)
	out := &cpay.ReceiptRefundOrder{
		RefundOrderMch: OrderMch(o, shop), RefundOrderContent: Refund(o, r), AuthenInfo: Authen(r.Authen), Originator: originSubMerchant,
		OrderClient: &cpay.OrderClient{DeviceID: device, StaffID: staff, TerminalType: r.TerminalType, SubTerminalType: r.SubTerminalType},
	}
	if client := decodeExtra(r.Extra).Client; client != (cpay.OrderClient{}) {
		out.OrderClient = &client
	}
	if r.Origin == pay.OriginChannel {
		out.Originator = originChannel
	}
	return out
}

// BriefOrder shows an order in a list of the brief interfaces.
func BriefOrder(o pay.Order) *cpay.BriefOrder {
	b := &cpay.BriefOrder{
		SubPayPlatform: SubPlatform(o.Channel), TradeType: cpay.TradeType(o.TradeType),
		OutTradeNo: o.OutTradeNo, TotalFee: int64(o.Total), CreateTime: unix(o.CreatedAt),
	}
	switch o.Channel {
	case pay.Wxpay:
		b.WxpayState = wxpayState(o)
	case pay.Alipay:
		b.AlipayState = alipayState(o)
	}
	return b
}

// BriefRefund shows a refund in a list of the brief interfaces.
func BriefRefund(o pay.Order, r pay.Refund) *cpay.BriefRefundOrder {
	b := &cpay.BriefRefundOrder{
		SubPayPlatform: SubPlatform(o.Channel), TradeType: cpay.TradeType(o.TradeType), OutTradeNo: o.OutTradeNo, TotalFee: int64(o.Total),
		OutRefundNo: r.OutRefundNo, RefundFee: int64(r.Amount), CreateTime: unix(r.CreatedAt),
	}
	switch r.Channel {
	case pay.Wxpay:
		b.WxpayState = wxpayRefundState(r.State)
	case pay.Alipay:
		b.AlipayState = alipayRefundState(r.State)
	}
	return b
}

// BriefState is the state of an order under its wallet's short name. paying
// says that the order is shown in answer to brief_micro_pay, as Paying does.
func BriefState(o pay.Order, paying bool) cpay.BriefStates {
	if paying {
		o.Finished = false
	}
	switch o.Channel {
	case pay.Wxpay:
		return cpay.BriefStates{Wxpay: &cpay.BriefWxpayState{CurrentTradeState: wxpayState(o), TradeStateDesc: describe(o)}}
	case pay.Alipay:
		return cpay.BriefStates{Alipay: &cpay.BriefAlipayState{CurrentTradeState: alipayState(o)}}
	}
	return cpay.BriefStates{}
}
