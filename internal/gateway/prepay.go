package gateway

import (
	"cmp"
	"context"
	"errors"
	"net/url"
	"slices"
	"strings"
	"time"

	"cloudpay/internal/channel"
	"cloudpay/internal/directory"
	"cloudpay/internal/pay"
)

// ClientArgs is what a page or an app hands to the wallet's own software.
type ClientArgs = channel.ClientArgs

// Prepay is a request for a unified order: one that is prepared at the wallet
// and paid by the customer later. Amounts in fen. Options of the wallets are
// passed through as they came; members are as in MicroPay.
type Prepay struct {
	OutTradeNo string
	TradeType  pay.TradeType // scan code, official account, mini program, app or mobile web
	Platform   int64         // 1 or 2, never derived
	Total      pay.Fen
	Currency   string
	ShopID     string
	DeviceID   string
	StaffID    string
	Body       string
	Detail     string
	Attach     string
	GoodsTag   string
	LimitPay   string
	ProductID  string // "" for the order's number where WeChat wants one
	SceneInfo  string // JSON text; the page of a mobile web order
	ClientIP   string
	NotifyURL  string
	Extra      string
	ExpireAt   time.Time // time_expire, zero for the default
	// The sender's kind, as in MicroPay.
	TerminalType    int64
	SubTerminalType int64
	QRCodeID        string
	SourceType      int64
	Authen          string
	// Who pays, and in which app, as the wire names them.
	AppID               string
	SubAppID            string
	OpenID              string
	SubOpenID           string
	MobAppID            string // app_pay
	MiniProgramSubAppID string // mini_program_pay
	BuyerID             string // Alipay user_id
	// Alipay's options.
	DiscountableAmount   pay.Fen
	UndiscountableAmount pay.Fen
	DisablePayChannels   string
	ExtendParams         string
	ProductCode          string
	RoyaltyInfo          string // refused unless ""
}

// Prepay prepares an order, or answers for the one that exists under this
// number. With a nil error the order may be shown: order.Prepaid holds the code
// or page to show, and the arguments are signed anew at each answer for the
// trade types that have some. Everything else is an error with a kind of
// package pay; order.PayAnswer is already applied.
//
// A repetition that finds no answer of the wallet on record asks it again:
// unlike a code payment a prepared order charges nobody, and both wallets
// answer again for the same number and parameters. So does one that finds the
// link of a mobile page grown old.
func (g *Gateway) Prepay(ctx context.Context, m *directory.Merchant, in Prepay) (pay.Order, ClientArgs, error) {
	if !g.calls.Open() {
		return pay.Order{}, ClientArgs{}, pay.Refuse(pay.ErrUnavailable, "stopping", "系统正在重启，请稍后重试")
	}
	o, req, err := g.prepayIntent(m, in)
	if err != nil {
		return pay.Order{}, ClientArgs{}, err
	}
	wallet, sub, err := g.admit(ctx, m, o)
	if err != nil {
		return g.refusedPrepay(ctx, o, err)
	}
	req.Merchant = sub
	if o, err = g.settling(ctx, m, o); err != nil {
		return pay.Order{}, ClientArgs{}, err
	}
	// A repetition may come when its moment is near or past: only a new order is
	// refused for it.
	expire, over := g.profile(o).ExpireOf(in.ExpireAt, o.SentAt)
	o.ExpireAt, req.Expire = expire, expire
	for range maxRounds {
		won := false
		if over == nil {
			if won, err = g.openOrder(ctx, o); err != nil {
				return pay.Order{}, ClientArgs{}, err
			}
		}
		stands := o
		if !won {
			stands, err = g.sameNumber(ctx, o)
			if errors.Is(err, pay.ErrNotFound) && over != nil {
				return pay.Order{}, ClientArgs{}, over
			} else if errors.Is(err, pay.ErrNotFound) {
				continue // what stood in the way ended in this moment
			} else if err != nil {
				return pay.Order{}, ClientArgs{}, err
			}
			// The wallet must see the parameters of the first request.
			req.Start, req.Expire, req.Body = stands.SentAt, stands.ExpireAt, stands.Body
		}
		return g.answerPrepay(ctx, m, wallet, stands, req)
	}
	return pay.Order{}, ClientArgs{}, pay.Refuse(pay.ErrUnavailable, "busy", "系统繁忙，请稍后重试")
}

// answerPrepay asks the wallet if nothing is known of an open order yet, and
// signs what the customer's app needs.
func (g *Gateway) answerPrepay(ctx context.Context, m *directory.Merchant, wallet channel.Channel, o pay.Order, req channel.PrepayRequest) (pay.Order, ClientArgs, error) {
	if o.WantsPrepay(g.now()) {
		settled, err := g.send(ctx, o, func(ctx context.Context) (pay.Order, error) {
			call, cancel := context.WithTimeout(ctx, channel.ChangeTimeout)
			defer cancel()
			return g.settlePrepay(ctx, m, o, wallet.Prepay(call, req))
		})
		if err != nil {
			return pay.Order{}, ClientArgs{}, err
		}
		o = settled
	}
	if err := o.PayAnswer(); err != nil {
		return pay.Order{}, ClientArgs{}, err
	}
	if !signed(o.TradeType) || o.State == pay.PAID && o.Prepaid == (pay.Prepaid{}) { // paid, and its prepare call was never heard of
		return o, ClientArgs{}, nil
	}
	args, err := wallet.ClientArgs(req, o.Prepaid, g.now())
	if err != nil {
		return pay.Order{}, ClientArgs{}, err
	}
	return o, args, nil
}

// signed reports whether the customer's app needs signed arguments.
func signed(t pay.TradeType) bool { return t != pay.TradeScanCode && t != pay.TradeMobileWeb }

// refusedPrepay answers a request that the directory does not admit any more,
// as refusedNow does. Without a wallet nothing can be signed, and what is paid
// needs it no more.
func (g *Gateway) refusedPrepay(ctx context.Context, o pay.Order, refusal error) (pay.Order, ClientArgs, error) {
	old, err := g.refusedNow(ctx, o, refusal)
	if err == nil {
		err = old.PayAnswer()
	}
	if err == nil && signed(o.TradeType) && old.State != pay.PAID {
		err = refusal
	}
	if err != nil {
		return pay.Order{}, ClientArgs{}, err
	}
	return old, ClientArgs{}, nil
}

// prepayIntent checks a request and turns it into an order and a wallet
// request, all but their expiry.
func (g *Gateway) prepayIntent(m *directory.Merchant, in Prepay) (pay.Order, channel.PrepayRequest, error) {
	refuse := func(err error) (pay.Order, channel.PrepayRequest, error) {
		return pay.Order{}, channel.PrepayRequest{}, err
	}
	if err := checkIntent(m, in.OutTradeNo, in.Total, in.Currency, in.RoyaltyInfo); err != nil {
		return refuse(err)
	}
	ch := pay.ChannelOf(in.Platform)
	if ch == "" {
		return refuse(pay.Refuse(pay.ErrInvalid, "platform", "请指定支付平台pay_platform：1微信支付，2支付宝"))
	}
	appID, err := checkPayer(m, ch, in)
	if err != nil {
		return refuse(err)
	}
	now := g.now()
	o := pay.Order{
		MerchantID: m.ID, OutTradeNo: in.OutTradeNo, ProviderID: m.ProviderID, Channel: ch, Unit: g.Store.NewUnit(),
		TradeType: in.TradeType, State: pay.PAYING, Total: in.Total, Currency: "CNY", ShopID: in.ShopID, DeviceID: in.DeviceID,
		StaffID: in.StaffID, Body: bodyOf(m, in.Body), NotifyURL: in.NotifyURL, Extra: in.Extra,
		TerminalType: in.TerminalType, SubTerminalType: in.SubTerminalType, QRCodeID: in.QRCodeID,
		SourceType: in.SourceType, Authen: authenOf(in.Authen),
		SentAt: now, CreatedAt: now, UpdatedAt: now, Truth: pay.TruthLocal,
	}
	o.TransactionID = ownNumber(now, o.OutTradeNo)
	o.Fingerprint = pay.Intent{
		Total: o.Total, Currency: o.Currency, TradeType: o.TradeType, Channel: o.Channel,
		PayerID: payerOf(in), ShopID: o.ShopID, DeviceID: o.DeviceID,
	}.Fingerprint()
	product := in.ProductID
	if product == "" && in.TradeType == pay.TradeScanCode {
		product = o.OutTradeNo // WeChat wants one, and later documents leave it out
	}
	return o, channel.PrepayRequest{
		OrderRequest: channel.OrderRequest{OutTradeNo: o.OutTradeNo, Total: o.Total},
		TradeType:    o.TradeType, Currency: o.Currency, Body: o.Body, Detail: in.Detail, Attach: in.Attach,
		GoodsTag: in.GoodsTag, LimitPay: in.LimitPay, ProductID: product, SceneInfo: in.SceneInfo,
		DeviceID: in.DeviceID, ShopID: in.ShopID, StaffID: in.StaffID, ClientIP: in.ClientIP, NotifyURL: g.noticeURL(m, ch),
		AppID: in.AppID, SubAppID: appID, OpenID: in.OpenID, SubOpenID: in.SubOpenID, BuyerID: in.BuyerID,
		DiscountableAmount: in.DiscountableAmount, UndiscountableAmount: in.UndiscountableAmount,
		DisablePayChannels: in.DisablePayChannels, ExtendParams: in.ExtendParams, ProductCode: in.ProductCode,
		Start: now,
	}, nil
}

// checkPayer checks what the trade type needs to know of the payer, and
// returns the application in which he pays: the request's, the merchant's, or
// "" for the account's own.
func checkPayer(m *directory.Merchant, ch pay.Channel, in Prepay) (subAppID string, err error) {
	kind := in.TradeType
	subAppID = in.SubAppID
	switch {
	case kind == pay.TradeMiniProgram && in.MiniProgramSubAppID != "":
		subAppID = in.MiniProgramSubAppID
	case kind == pay.TradeMiniProgram && in.SubOpenID != "" && subAppID == "":
		subAppID = m.Wx.MiniAppID
	case kind == pay.TradeApp:
		subAppID = cmp.Or(in.MobAppID, m.Wx.MobAppID)
	}
	switch {
	case !slices.Contains(prepared, kind):
		return "", pay.Refuse(pay.ErrInvalid, "trade_type", "不支持的支付方式trade_type")
	case kind == pay.TradeScanCode:
	case kind != pay.TradeOfficialAccount && ch != pay.Wxpay:
		return "", pay.Refuse(pay.ErrInvalid, "platform", "该支付方式仅支持微信支付")
	case kind == pay.TradeApp && subAppID == "":
		return "", pay.Refuse(pay.ErrInvalid, "mob_app_id", "缺少移动应用的mob_app_id")
	case kind == pay.TradeMobileWeb && in.SceneInfo == "":
		return "", pay.Refuse(pay.ErrInvalid, "scene_info", "缺少场景信息scene_info")
	case kind == pay.TradeApp || kind == pay.TradeMobileWeb:
	case ch == pay.Alipay && in.BuyerID == "":
		return "", pay.Refuse(pay.ErrInvalid, "user_id", "缺少付款人的user_id")
	case ch == pay.Wxpay && in.OpenID == "" && in.SubOpenID == "":
		return "", pay.Refuse(pay.ErrInvalid, "open_id", "缺少付款人的open_id或sub_open_id")
	case ch == pay.Wxpay && in.SubOpenID != "" && subAppID == "" && m.Wx.SubAppID == "":
		return "", pay.Refuse(pay.ErrInvalid, "sub_app_id", "使用sub_open_id时须指定sub_app_id")
	}
	return subAppID, nil
}

// prepared are the trade types that Prepay takes. Sound wave (5) is gone from
// the wallets, and one code (8) is a page of ours, not a call.
var prepared = []pay.TradeType{
	pay.TradeScanCode, pay.TradeOfficialAccount, pay.TradeApp, pay.TradeMobileWeb, pay.TradeMiniProgram,
}

// payerOf names the payer for the fingerprint as the request does: the
// application counts, because an identity is one of an application, but not the
// one that the merchant is set up with. "" for whoever scans.
func payerOf(in Prepay) string {
	ids := []string{in.AppID, in.SubAppID, in.MobAppID, in.MiniProgramSubAppID, in.OpenID, in.SubOpenID, in.BuyerID}
	if strings.Join(ids, "") == "" {
		return ""
	}
	return strings.Join(ids, "/")
}

// NoticePath is where the wallets' notices arrive, below Config.PublicURL:
// channel, provider and merchant follow it.
const NoticePath = "/notify/"

// noticeURL is where the wallet is told to send notices of a merchant's orders.
func (g *Gateway) noticeURL(m *directory.Merchant, ch pay.Channel) string {
	if g.PublicURL == "" {
		return ""
	}
	return strings.TrimRight(g.PublicURL, "/") + NoticePath + string(ch) + "/" + url.PathEscape(m.ProviderID) + "/" + url.PathEscape(m.ID)
}
