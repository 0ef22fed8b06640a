package alipay

import (
	"context"
	"encoding/json"
	"errors"
	"strings"
	"time"

	"cloudpay/internal/channel"
	"cloudpay/internal/pay"
)

// Limits of what Alipay hands out, in bytes (upstreams.md §4.4, §8.2).
const (
	maxQRCode  = 128
	maxTradeNo = 64
	maxQuitURL = 400
)

// prepayContent is the biz_content of alipay.trade.precreate and .create.
type prepayContent struct {
	orderOptions
	// TimeExpire is absolute and wins over timeout_express, which counts from
	// the trade: a QR code's trade begins at the scan, so it alone would let an
	// order be paid after its end.
	TimeExpire           string `json:"time_expire,omitempty"`
	QRCodeTimeoutExpress string `json:"qr_code_timeout_express,omitempty"`
	BuyerID              string `json:"buyer_id,omitempty"`
	QuitURL              string `json:"quit_url,omitempty"`
}

// unsupported is the outcome of an order that Alipay cannot prepare: it was
// asked of nobody, so nothing can come of it.
var unsupported = pay.Outcome{
	Kind: pay.Declined, Reason: pay.ReasonConfiguration, Alert: true, Text: "支付宝不支持此交易类型",
}

// Prepay prepares an order: a QR code by alipay.trade.precreate, whose trade
// does not exist until it is scanned, a trade of a known buyer by
// alipay.trade.create, or the address of a payment page by alipay.trade.wap.pay.
// It implements channel.Channel. The same request may be sent again: Alipay then
// hands out another code, or the same trade.
//
// The address is signed here and nobody is asked, so its outcome is Paid without
// Verified. It works until Expire whatever is cancelled before the customer
// opens it, since nothing exists until then, and it holds app_auth_token, which
// only serves together with the provider's key.
func (c *Channel) Prepay(ctx context.Context, r channel.PrepayRequest) channel.PrepayOutcome {
	to, product, ok := methodFor(r.TradeType)
	if !ok {
		return channel.PrepayOutcome{Outcome: unsupported}
	}
	content := prepayContent{orderOptions: c.options(r.OrderRequest, orderTexts{
		Body: r.Body, Detail: r.Detail, ShopID: r.ShopID, StaffID: r.StaffID, DeviceID: r.DeviceID, ClientIP: r.ClientIP,
		DiscountableAmount: r.DiscountableAmount, UndiscountableAmount: r.UndiscountableAmount,
		DisablePayChannels: r.DisablePayChannels, ExtendParams: r.ExtendParams, ProductCode: r.ProductCode,
		Start: r.Start, Expire: r.Expire,
	})}
	if !r.Expire.IsZero() {
		content.TimeExpire = r.Expire.In(beijing).Format(wireTime)
	}
	switch to.method {
	case callPrecreate.method:
		content.QRCodeTimeoutExpress = minutes(r.Start, r.Expire)
	case callCreate.method:
		content.BuyerID = r.BuyerID
	case callWap.method:
		content.QuitURL = quitURL(r.SceneInfo)
		content.OperatorID, content.TerminalID, content.BusinessParams = "", "", nil // a page has none
	}
	if content.ProductCode == "" {
		content.ProductCode = product
	}
	to.notifyURL = r.NotifyURL
	if to.method == callWap.method {
		return c.address(to, r, content)
	}
	m, out, ok := c.send(ctx, to, r.OrderRequest, content)
	if !ok {
		return channel.PrepayOutcome{Outcome: out}
	}
	// These answers need not name the amount; one that does must name ours.
	if total, ok := readYuan(m.get("total_amount")); !sameOrder(m, r.OrderRequest) || m.get("total_amount") != "" && (!ok || total != r.Total) {
		return channel.PrepayOutcome{Outcome: differs(codeSuccess)}
	}
	var p pay.Prepaid
	var fits bool
	if to.method == callPrecreate.method {
		p.CodeURL = m.get("qr_code")
		fits = strings.HasPrefix(p.CodeURL, "https://") && len(p.CodeURL) <= maxQRCode
	} else {
		p.TradeNo = m.get("trade_no")
		fits = p.TradeNo != "" && len(p.TradeNo) <= maxTradeNo
	}
	if !fits {
		return channel.PrepayOutcome{Outcome: ruled(channel.Unlisted, codeSuccess, "")}
	}
	return channel.PrepayOutcome{Outcome: ruled(channel.Rule{Class: channel.ClassPaid}, codeSuccess, ""), Prepaid: p}
}

// address signs the address of the payment page.
func (c *Channel) address(to call, r channel.PrepayRequest, content prepayContent) channel.PrepayOutcome {
	form, err := c.request(to, r.Merchant, content)
	if err != nil {
		return channel.PrepayOutcome{Outcome: unsignable}
	}
	page := *c.gateway
	page.RawQuery = form
	return channel.PrepayOutcome{Outcome: pay.Outcome{Kind: pay.Paid}, Prepaid: pay.Prepaid{MwebURL: page.String()}}
}

// quitURL is where the page's "give up" leads: the wap_url of a mob_web_pay's
// scene_info, "" if it has none.
func quitURL(scene string) string {
	var info struct {
		H5 struct {
			WapURL string `json:"wap_url"`
		} `json:"h5_info"`
	}
	if scene == "" || json.Unmarshal([]byte(scene), &info) != nil || !strings.HasPrefix(info.H5.WapURL, "http") || len(info.H5.WapURL) > maxQuitURL {
		return ""
	}
	return info.H5.WapURL
}

// methodFor is the method that prepares orders of a trade type, with the product
// it is sold under; ok is false for the types that Alipay does not have.
func methodFor(t pay.TradeType) (to call, product string, ok bool) {
	switch t {
	case pay.TradeScanCode:
		return callPrecreate, "QR_CODE_OFFLINE", true
	case pay.TradeOfficialAccount, pay.TradeMiniProgram:
		return callCreate, "JSAPI_PAY", true
	case pay.TradeMobileWeb:
		return callWap, "QUICK_WAP_WAY", true
	case pay.TradeMicroPay, pay.TradeApp, pay.TradeOneCode:
	}
	return call{}, "", false
}

// ClientArgs returns what tradePay is called with: the number of a created
// trade, which needs no signature. A QR code and a page need no arguments. It
// implements channel.Channel.
func (c *Channel) ClientArgs(r channel.PrepayRequest, p pay.Prepaid, _ time.Time) (channel.ClientArgs, error) {
	if r.TradeType != pay.TradeOfficialAccount && r.TradeType != pay.TradeMiniProgram {
		return channel.ClientArgs{}, nil
	}
	if p.TradeNo == "" {
		return channel.ClientArgs{}, errors.New("alipay: the order has no trade_no to pay by")
	}
	return channel.ClientArgs{TradeNo: p.TradeNo}, nil
}
