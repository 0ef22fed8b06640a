package wxpay

import (
	"cmp"
	"context"
	"errors"
	"strconv"
	"strings"
	"time"

	"cloudpay/internal/channel"
	"cloudpay/internal/pay"
)

// Limits of what /pay/unifiedorder hands out, in bytes (upstreams.md §2.2). No
// length is documented for mweb_url; the ones seen are below 300.
const (
	maxPrepayID  = 64
	maxCodeURL   = 64
	maxMwebURL   = 512
	maxProductID = 32
)

// nowhere is the address for notices that nobody is to get: the field is
// required, and no name ends in .invalid (RFC 2606).
const nowhere = "https://notify.invalid/"

// wordFor is WeChat's word for a trade type that is prepared, "" for the others.
func wordFor(t pay.TradeType) string {
	switch t {
	case pay.TradeScanCode:
		return "NATIVE"
	case pay.TradeOfficialAccount, pay.TradeMiniProgram:
		return "JSAPI"
	case pay.TradeApp:
		return "APP"
	case pay.TradeMobileWeb:
		return "MWEB"
	case pay.TradeMicroPay, pay.TradeOneCode:
	}
	return ""
}

// unsupported is the outcome of an order that WeChat cannot prepare: it was
// asked of nobody, so nothing can come of it.
var unsupported = pay.Outcome{
	Kind: pay.Declined, Reason: pay.ReasonConfiguration, Alert: true, Text: "微信支付不支持此交易类型",
}

// Prepay prepares an order by /pay/unifiedorder, or by APIv3's native, jsapi, app
// or h5. It implements channel.Channel.
// The same request may be sent again: WeChat then hands out a fresh handle of
// the same order. ORDERPAID and OUT_TRADE_NO_USED ask for a query first.
func (c *Channel) Prepay(ctx context.Context, r channel.PrepayRequest) channel.PrepayOutcome {
	kind := wordFor(r.TradeType)
	if kind == "" {
		return channel.PrepayOutcome{Outcome: unsupported}
	}
	if c.speaksV3(r.Merchant) {
		if c.v3 == nil {
			return channel.PrepayOutcome{Outcome: speechless(true)}
		}
		return c.v3.Prepay(ctx, r)
	}
	c = c.under(r.AppID)
	r.Merchant = merchantOf(r)
	var m message
	m.set("device_info", channel.Fitting(r.DeviceID, maxDevice))
	m.set("body", channel.CutBytes(r.Body, maxBody))
	m.set("detail", r.Detail)
	m.set("attach", r.Attach)
	m.set("out_trade_no", r.OutTradeNo)
	m.set("total_fee", wireFen(r.Total))
	m.set("fee_type", r.Currency)
	m.set("spbill_create_ip", r.ClientIP)
	if r.ClientIP == "" {
		m.set("spbill_create_ip", noAddress)
	}
	m.set("goods_tag", r.GoodsTag)
	m.set("limit_pay", r.LimitPay)
	m.set("time_start", wireBeijing(r.Start))
	m.set("time_expire", wireBeijing(r.Expire))
	m.set("notify_url", cmp.Or(r.NotifyURL, nowhere))
	m.set("trade_type", kind)
	m.set("scene_info", scene(r.SceneInfo, r.ShopID))
	switch kind {
	case "NATIVE":
		// Required; Cloud Pay's callers need not name a product.
		m.set("product_id", channel.Fitting(r.OutTradeNo, maxProductID))
		if r.ProductID != "" {
			m.set("product_id", channel.Fitting(r.ProductID, maxProductID))
		}
	case "JSAPI":
		if r.SubOpenID != "" {
			m.set("sub_openid", r.SubOpenID)
		} else {
			m.set("openid", r.OpenID)
		}
	}
	answer, out, ok := c.send(ctx, callPrepay, r.Merchant, m)
	if !ok {
		return channel.PrepayOutcome{Outcome: out}
	}
	if answer.get("result_code") != "SUCCESS" {
		return channel.PrepayOutcome{Outcome: c.refused(answer, callPrepay, r.OrderRequest)}
	}
	return c.prepared(answer, r, kind)
}

// prepared reads what was handed out. An answer about another account or type,
// or without what the customer's phone needs, prepared nothing that can be used.
func (c *Channel) prepared(m message, r channel.PrepayRequest, kind string) channel.PrepayOutcome {
	if no := m.get("out_trade_no"); !c.same(m, r.Merchant, true) || !optional(m, "trade_type", kind) || no != "" && no != r.OutTradeNo {
		return channel.PrepayOutcome{Outcome: differs("SUCCESS")}
	}
	p := pay.Prepaid{PrepayID: m.get("prepay_id")}
	fits := p.PrepayID != "" && len(p.PrepayID) <= maxPrepayID
	switch kind {
	case "NATIVE":
		p.CodeURL = m.get("code_url")
		fits = fits && p.CodeURL != "" && len(p.CodeURL) <= maxCodeURL
	case "MWEB":
		p.MwebURL = m.get("mweb_url")
		fits = fits && strings.HasPrefix(p.MwebURL, "https://") && len(p.MwebURL) <= maxMwebURL
	}
	if !fits {
		return channel.PrepayOutcome{Outcome: ruled(channel.Unlisted, "SUCCESS", "")}
	}
	return channel.PrepayOutcome{Outcome: pay.Outcome{Kind: pay.Paid, Verified: true, Code: "SUCCESS"}, Prepaid: p}
}

// errArgs is returned when an order has nothing to sign.
var errArgs = errors.New("wxpay: the order has no prepay_id to sign")

// ClientArgs signs the parameters of an official account's page, a mini program
// or a mobile application with the algorithm of the interface that prepared the
// order (upstreams.md §2.2, §3.4).
// QR codes and H5 pages need none: their arguments are empty. It implements
// channel.Channel.
func (c *Channel) ClientArgs(r channel.PrepayRequest, p pay.Prepaid, now time.Time) (channel.ClientArgs, error) {
	if p.API == channel.APIv3 {
		if c.v3 == nil {
			return channel.ClientArgs{}, errArgs
		}
		return c.v3.ClientArgs(r, p, now)
	}
	kind := wordFor(r.TradeType)
	if kind != "JSAPI" && kind != "APP" {
		return channel.ClientArgs{}, nil
	}
	if p.PrepayID == "" {
		return channel.ClientArgs{}, errArgs
	}
	c = c.under(r.AppID)
	a := channel.ClientArgs{
		AppID: invoker(r, c.appID), Timestamp: strconv.FormatInt(now.Unix(), 10), NonceStr: nonce(),
		Package: "prepay_id=" + p.PrepayID, SignType: string(c.signType),
	}
	var m message
	if kind == "APP" {
		a.Package, a.PartnerID, a.PrepayID = "Sign=WXPay", c.mchID, p.PrepayID
		m.set("appid", a.AppID)
		m.set("partnerid", a.PartnerID)
		m.set("prepayid", a.PrepayID)
		m.set("package", a.Package)
		m.set("noncestr", a.NonceStr)
		m.set("timestamp", a.Timestamp)
	} else {
		m.set("appId", a.AppID)
		m.set("timeStamp", a.Timestamp)
		m.set("nonceStr", a.NonceStr)
		m.set("package", a.Package)
		m.set("signType", a.SignType)
	}
	a.PaySign = c.signType.signature(m, c.key.Reveal())
	return a, nil
}

// invoker is the application that invokes the payment and so is signed: the one
// that the payer's openid belongs to, the merchant's own mobile application, or
// else the provider's.
func invoker(r channel.PrepayRequest, own string) string {
	if sub := merchantOf(r).SubAppID; sub != "" && (r.SubOpenID != "" || wordFor(r.TradeType) == "APP") {
		return sub
	}
	return own
}

// under returns the channel for another application of the same account, ""
// for its own.
func (c *Channel) under(appID string) *Channel {
	if appID == "" {
		return c
	}
	other := *c
	other.appID = appID
	return &other
}

// merchantOf is the merchant under the application the order is made for.
func merchantOf(r channel.PrepayRequest) channel.Merchant {
	m := r.Merchant
	if r.SubAppID != "" {
		m.SubAppID = r.SubAppID
	}
	return m
}
