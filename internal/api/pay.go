package api

import (
	"context"
	"time"

	"cloudpay/cpay"
	"cloudpay/internal/directory"
	"cloudpay/internal/gateway"
	"cloudpay/internal/pay"
	"cloudpay/internal/secret"
	"cloudpay/internal/wire"
)

// microPay charges a payment code (protocol.md §2.1).
func (s *Server) microPay(ctx context.Context, c *call, m *cpay.MicroPayRequest) (cpay.Message, error) {
	if err := sameProvider(c.merchant, m.PayMchKey); err != nil {
		return nil, err
	}
	k, p, client := &m.PayMchKey, &m.PayContent, &m.OrderClient
	in := gateway.MicroPay{
		OutTradeNo: p.OutTradeNo, AuthCode: secret.New(string(p.AuthorCode)), Platform: int64(k.PayPlatform),
		Total: pay.Fen(p.TotalFee), Currency: p.FeeType, ShopID: k.OutShopID, DeviceID: client.DeviceID, StaffID: client.StaffID,
		Body: p.Body, Detail: p.Detail, ClientIP: client.SpbillCreateIP, NotifyURL: p.CallerNotifyURL,
		TerminalType: client.TerminalType, SubTerminalType: client.SubTerminalType, Authen: c.authen,
		Extra: extraOf(k, p, client).Encode(),
	}
	if e := p.WxpayExt; e != nil {
		in.Attach, in.GoodsTag, in.LimitPay, in.SceneInfo = e.Attach, e.GoodsTag, e.LimitPay, e.SceneInfo
	}
	if e := p.AlipayExt; e != nil {
		in.DiscountableAmount, in.UndiscountableAmount = pay.Fen(e.DiscountableAmount), pay.Fen(e.UndiscountableAmount)
		in.DisablePayChannels, in.ExtendParams, in.ProductCode, in.RoyaltyInfo = e.DisablePayChannels, e.ExtendParams, e.ProductCode, e.RoyaltyInfo
	}
	o, err := s.Gateway.MicroPay(ctx, c.merchant, in)
	if err == nil {
		err = o.PayAnswer()
	}
	if err != nil {
		return nil, err
	}
	return &cpay.MicroPayResponse{PayMchKey: wire.MchKey(o), OrderContent: wire.Paying(o)}, nil
}

// scanCodePay prepares an order and answers the code to show.
func (s *Server) scanCodePay(ctx context.Context, c *call, m *cpay.ScanCodePayRequest) (cpay.Message, error) {
	o, _, err := s.prepay(ctx, c, pay.TradeScanCode, int64(m.PayMchKey.PayPlatform), &m.PayMchKey, &m.PayContent, &m.OrderClient)
	if err != nil {
		return nil, err
	}
	return &cpay.ScanCodePayResponse{CodeURL: o.Prepaid.CodeURL}, nil
}

// officialAccountPay prepares an order for a page inside the wallet.
func (s *Server) officialAccountPay(ctx context.Context, c *call, m *cpay.OfficialAccountPayRequest) (cpay.Message, error) {
	o, args, err := s.prepay(ctx, c, pay.TradeOfficialAccount, int64(m.Platform()), &m.PayMchKey, &m.PayContent, &m.OrderClient)
	if err != nil {
		return nil, err
	}
	out := &cpay.OfficialAccountPayResponse{PayMchKey: wire.MchKey(o), OrderContent: wire.Order(o)}
	if o.Channel == pay.Alipay {
		out.JSAPIArgs.Alipay = tradePay(args)
	} else {
		out.JSAPIArgs.Wxpay = &cpay.WxpayJSAPI{GetBrandWCPay: clientArgs(args)}
	}
	return out, nil
}

// miniProgramPay prepares an order for a mini program.
func (s *Server) miniProgramPay(ctx context.Context, c *call, m *cpay.MiniProgramPayRequest) (cpay.Message, error) {
	o, args, err := s.prepay(ctx, c, pay.TradeMiniProgram, int64(m.Platform()), &m.PayMchKey, &m.PayContent, &m.OrderClient)
	if err != nil {
		return nil, err
	}
	out := &cpay.MiniProgramPayResponse{PayMchKey: wire.MchKey(o), OrderContent: wire.Order(o)}
	if o.Channel == pay.Alipay {
		out.JSAPIArgs.Alipay = tradePay(args)
	} else {
		out.JSAPIArgs.Wxpay = &cpay.WxpayJSAPI{MiniProgramPay: clientArgs(args)}
	}
	return out, nil
}

// appPay prepares an order for a mobile application. There is only WeChat Pay.
func (s *Server) appPay(ctx context.Context, c *call, m *cpay.AppPayRequest) (cpay.Message, error) {
	o, a, err := s.prepay(ctx, c, pay.TradeApp, int64(cpay.PlatformWxpay), &m.PayMchKey, &m.PayContent, &m.OrderClient)
	if err != nil {
		return nil, err
	}
	return &cpay.AppPayResponse{PayMchKey: wire.MchKey(o), SDKArgs: cpay.SDKArgs{Wxpay: cpay.WxpaySDKArgs{
		AppID: a.AppID, Timestamp: a.Timestamp, NonceStr: a.NonceStr, PackageValue: a.Package,
		PartnerID: a.PartnerID, Sign: a.PaySign, PrepareID: a.PrepayID,
	}}}, nil
}

// mobWebPay prepares an order for a browser. There is only WeChat Pay.
func (s *Server) mobWebPay(ctx context.Context, c *call, m *cpay.MobWebPayRequest) (cpay.Message, error) {
	o, _, err := s.prepay(ctx, c, pay.TradeMobileWeb, int64(cpay.PlatformWxpay), &m.PayMchKey, &m.PayContent, &m.OrderClient)
	if err != nil {
		return nil, err
	}
	return &cpay.MobWebPayResponse{
		PayMchKey: wire.MchKey(o), MwebArgs: cpay.MwebArgs{Wxpay: cpay.WxpayMwebArgs{MwebURL: o.Prepaid.MwebURL, PrepayID: o.Prepaid.PrepayID}},
	}, nil
}

// prepay makes a unified order of any kind.
func (s *Server) prepay(
	ctx context.Context, c *call, kind pay.TradeType, platform int64, k *cpay.PayMchKey, p *cpay.PayContent, client *cpay.OrderClient,
) (pay.Order, gateway.ClientArgs, error) {
	if err := sameProvider(c.merchant, *k); err != nil {
		return pay.Order{}, gateway.ClientArgs{}, err
	}
	in := gateway.Prepay{
		OutTradeNo: p.OutTradeNo, TradeType: kind, Platform: platform, Total: pay.Fen(p.TotalFee), Currency: p.FeeType,
		ShopID: k.OutShopID, DeviceID: client.DeviceID, StaffID: client.StaffID,
		TerminalType: client.TerminalType, SubTerminalType: client.SubTerminalType, Authen: c.authen,
		Body: p.Body, Detail: p.Detail, ClientIP: client.SpbillCreateIP, NotifyURL: p.CallerNotifyURL,
		Extra: extraOf(k, p, client).Encode(),
	}
	if p.TimeExpire > 0 {
		in.ExpireAt = time.Unix(p.TimeExpire, 0).UTC()
	}
	if e := p.WxpayExt; e != nil {
		in.Attach, in.GoodsTag, in.LimitPay, in.ProductID, in.SceneInfo = e.Attach, e.GoodsTag, e.LimitPay, e.ProductID, e.SceneInfo
	}
	if e := p.AlipayExt; e != nil {
		in.DiscountableAmount, in.UndiscountableAmount = pay.Fen(e.DiscountableAmount), pay.Fen(e.UndiscountableAmount)
		in.DisablePayChannels, in.ExtendParams, in.ProductCode, in.RoyaltyInfo = e.DisablePayChannels, e.ExtendParams, e.ProductCode, e.RoyaltyInfo
	}
	if e := k.WxpayExt; e != nil {
		in.AppID, in.SubAppID, in.OpenID, in.SubOpenID = e.AppID, e.SubAppID, e.OpenID, e.SubOpenID
		in.MobAppID, in.MiniProgramSubAppID = e.MobAppID, e.MiniProgramSubAppID
	}
	if e := k.AlipayExt; e != nil {
		in.BuyerID = e.UserID
	}
	return s.Gateway.Prepay(ctx, c.merchant, in)
}

// extraOf is what a payment request only wants to see again.
func extraOf(k *cpay.PayMchKey, p *cpay.PayContent, client *cpay.OrderClient) wire.Extra {
	x := wire.Extra{
		Detail: p.Detail, Remark: p.Remark, ClientFlowID: p.ClientFlowID, SubMchPayInfo: k.SubMchPayInfo, Client: *client,
	}
	x.SetNotifyOpenIDs(k.NotifyOpenIDs)
	if e := p.WxpayExt; e != nil {
		x.Attach, x.GoodsTag, x.LimitPay, x.ProductID, x.SceneInfo = e.Attach, e.GoodsTag, e.LimitPay, e.ProductID, e.SceneInfo
	}
	if e := p.AlipayExt; e != nil {
		x.Discountable, x.Undiscountable, x.DisablePayChannels = e.DiscountableAmount, e.UndiscountableAmount, e.DisablePayChannels
		x.ProductCode, x.ExtendParams = e.ProductCode, e.ExtendParams
	}
	return x
}

// clientArgs are the signed arguments for WeChat.
func clientArgs(a gateway.ClientArgs) *cpay.WxpayClientArgs {
	return &cpay.WxpayClientArgs{
		AppID: a.AppID, Timestamp: a.Timestamp, NonceStr: a.NonceStr, Package: a.Package, SignType: a.SignType, PaySign: a.PaySign,
	}
}

// tradePay are the arguments for Alipay.
func tradePay(a gateway.ClientArgs) *cpay.AlipayJSAPI {
	return &cpay.AlipayJSAPI{TradePay: &cpay.AlipayTradePay{TradeNo: a.TradeNo}}
}

// sameProvider refuses a request that names another provider than the
// merchant's: its sender is set up wrongly.
func sameProvider(m *directory.Merchant, k cpay.PayMchKey) error { return ofProvider(m, k.OutMchID) }

// ofProvider is sameProvider for requests that name it by itself.
func ofProvider(m *directory.Merchant, id string) error {
	if id != "" && id != m.ProviderID {
		return pay.Refuse(pay.ErrDenied, "provider", "子商户不属于该服务商")
	}
	return nil
}
