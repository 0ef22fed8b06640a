package gateway_test

import (
	"context"
	"errors"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"cloudpay/internal/channel"
	"cloudpay/internal/directory"
	"cloudpay/internal/gateway"
	"cloudpay/internal/pay"
	"cloudpay/internal/sandbox"
	"cloudpay/internal/secret"
)

// The tests of docs/divergences.md, "Fates of members", that belong to this room.

func TestOrderKeepsWhoSentItAndWhatItIsFor(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		h := newHouse(t, options{})
		authen := `{"a":{"authen_type":1,"authen_code":"AB"}}`
		micro := gateway.MicroPay{
			OutTradeNo: h.number(), AuthCode: secret.New(h.code(pay.Wxpay, "").AuthCode), Total: 100, ShopID: "shop", StaffID: "1003",
			TerminalType: 2, SubTerminalType: 900, QRCodeID: "q1", SourceType: 3, Authen: authen, NotifyURL: "https://a.example.com/",
		}
		if _, err := h.gw.MicroPay(t.Context(), h.merchant, micro); err != nil {
			t.Fatal(err)
		}
		in := h.scan(pay.Wxpay)
		in.StaffID, in.TerminalType, in.SubTerminalType, in.QRCodeID, in.SourceType = "1003", 2, 900, "q1", 3
		in.Authen, in.Body, in.NotifyURL = authen, "", "https://a.example.com/"
		if _, _, err := h.gw.Prepay(t.Context(), h.merchant, in); err != nil {
			t.Fatal(err)
		}
		for _, no := range []string{micro.OutTradeNo, in.OutTradeNo} {
			o := h.order(no)
			if o.StaffID != "1003" || o.TerminalType != 2 || o.SubTerminalType != 900 || o.QRCodeID != "q1" || o.SourceType != 3 ||
				o.Authen != authen || o.Body != h.merchant.Name || o.NotifyURL != "https://a.example.com/" {
				t.Errorf("%+v", o)
			}
		}
		m := *h.merchant
		m.DefaultBody = "门店消费"
		in.OutTradeNo, in.Authen = h.number(), strings.Repeat("x", 1025)
		if _, _, err := h.gw.Prepay(t.Context(), &m, in); err != nil {
			t.Fatal(err)
		}
		if o := h.order(in.OutTradeNo); o.Body != "门店消费" || o.Authen != "" {
			t.Errorf("body %q, %d bytes of authen_info", o.Body, len(o.Authen))
		}
	})
}

func TestRoyaltyInfoIsRefused(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		h := newHouse(t, options{})
		_, err := h.gw.MicroPay(t.Context(), h.merchant, gateway.MicroPay{
			OutTradeNo: h.number(), AuthCode: secret.New(h.code(pay.Alipay, "").AuthCode), Total: 100, ShopID: "shop", RoyaltyInfo: "{}",
		})
		if e, ok := errors.AsType[*pay.Error](err); !ok || e.Code != "royalty_info" || !errors.Is(err, pay.ErrDenied) {
			t.Errorf("micro_pay: %v", err)
		}
	})
}

func TestRefundCarriesItsAccountAndSender(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		var sent []channel.RefundRequest
		h := newHouse(t, options{channels: func(find gateway.Channels) gateway.Channels {
			return func(ctx context.Context, p string, ch pay.Channel) (channel.Channel, error) {
				c, err := find(ctx, p, ch)
				return refunding{wrapped{Channel: c}, &sent}, err
			}
		}})
		o, err := h.pay(pay.Wxpay, 100, "")
		if err != nil {
			t.Fatal(err)
		}
		in := gateway.Refund{
			OutTradeNo: o.OutTradeNo, OutRefundNo: h.number(), Total: 100, Amount: 40, Reason: "坏了", ShopID: "shop", DeviceID: "till-2",
			StaffID: "1003", AuthorizedBy: "1004", TerminalType: 2, SubTerminalType: 900, Authen: `{"a":{}}`, Account: "elsewhere",
		}
		if _, _, err := h.gw.Refund(t.Context(), h.merchant, in); !errors.Is(err, pay.ErrInvalid) {
			t.Errorf("an unknown account: %v", err)
		}
		in.Account = "REFUND_SOURCE_RECHARGE_FUNDS"
		if _, _, err := h.gw.Refund(t.Context(), h.merchant, in); err != nil {
			t.Fatal(err)
		}
		if len(sent) != 1 || sent[0].Account != in.Account || sent[0].Reason != in.Reason {
			t.Errorf("sent %+v", sent)
		}
		r, err := h.store.Refund(t.Context(), "merchant", in.OutRefundNo)
		if err != nil || r.ShopID != "shop" || r.DeviceID != "till-2" || r.StaffID != "1003" || r.AuthorizedBy != "1004" ||
			r.TradeType != pay.TradeMicroPay || r.TerminalType != 2 || r.SubTerminalType != 900 || r.Authen != in.Authen || r.Account != in.Account {
			t.Errorf("%+v, %v", r, err)
		}
	})
}

// TestAppAndMiniProgramPayUnderTheirOwnApplication: the wallet verifies what
// the application named in the request would be handed.
func TestAppAndMiniProgramPayUnderTheirOwnApplication(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		<-time.After(2 * 365 * 24 * time.Hour) // a timestamp has ten digits
		h := newHouse(t, options{notices: true})
		in := h.scan(pay.Wxpay)
		in.TradeType, in.MobAppID = pay.TradeApp, h.box.Accounts().Providers[0].WeChat.Merchants[0].MobAppID
		_, args, err := h.gw.Prepay(t.Context(), h.merchant, in)
		if err != nil || args.AppID != in.MobAppID || args.Package != "Sign=WXPay" {
			t.Fatalf("%+v, %v", args, err)
		}
		h.pays(sandbox.Invocation{App: &sandbox.AppArgs{
			AppID: args.AppID, PartnerID: args.PartnerID, PrepayID: args.PrepayID, Package: args.Package,
			NonceStr: args.NonceStr, Timestamp: args.Timestamp, Sign: args.PaySign,
		}})
		if o := h.order(in.OutTradeNo); o.State != pay.PAID {
			t.Errorf("app_pay: %s", o.State)
		}
		mini := h.box.Accounts().Providers[0].WeChat.Merchants[0].MiniAppID
		id, err := h.box.Identify(t.Context(), "anna", mini)
		if err != nil {
			t.Fatal(err)
		}
		in = h.scan(pay.Wxpay)
		in.TradeType, in.MiniProgramSubAppID, in.SubOpenID = pay.TradeMiniProgram, mini, id.OpenID
		_, args, err = h.gw.Prepay(t.Context(), h.merchant, in)
		if err != nil || args.AppID != mini {
			t.Fatalf("%+v, %v", args, err)
		}
		h.pays(sandbox.Invocation{JSAPI: &sandbox.JSAPIArgs{
			AppID: args.AppID, TimeStamp: args.Timestamp, NonceStr: args.NonceStr, Package: args.Package,
			SignType: args.SignType, PaySign: args.PaySign,
		}})
		if o := h.order(in.OutTradeNo); o.State != pay.PAID {
			t.Errorf("mini_program_pay: %s", o.State)
		}
		in = h.scan(pay.Wxpay)
		in.TradeType, in.SceneInfo = pay.TradeMobileWeb, `{"h5_info":{"type":"Wap","wap_url":"https://shop.example.com","wap_name":"shop"}}`
		o, args, err := h.gw.Prepay(t.Context(), h.merchant, in)
		if err != nil || args != (gateway.ClientArgs{}) || o.Prepaid.PrepayID == "" {
			t.Fatalf("%+v, %v", args, err)
		}
		<-time.After(6 * time.Minute) // the link lives five
		if _, err := h.box.PayPrepared(t.Context(), "anna", sandbox.Invocation{MwebURL: o.Prepaid.MwebURL}); err == nil {
			t.Error("an old link still pays: nothing is renewed below")
		}
		again, _, err := h.gw.Prepay(t.Context(), h.merchant, in)
		if err != nil || again.Prepaid.MwebURL == o.Prepaid.MwebURL {
			t.Fatalf("%+v, %v", again.Prepaid, err)
		}
		h.pays(sandbox.Invocation{MwebURL: again.Prepaid.MwebURL})
		if o := h.order(in.OutTradeNo); o.State != pay.PAID {
			t.Errorf("mob_web_pay: %s", o.State)
		}
	})
}

func TestMerchantsOfAnotherHouseAreRefused(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		h := newHouse(t, options{})
		for name, c := range map[string]struct {
			profile directory.MerchantProfile
			refused []pay.Channel
		}{
			"all":    {directory.MerchantProfile{Upstream: true}, []pay.Channel{pay.Wxpay, pay.Alipay}},
			"wxpay":  {directory.MerchantProfile{WxUpstream: true}, []pay.Channel{pay.Wxpay}},
			"alipay": {directory.MerchantProfile{AliUpstream: true}, []pay.Channel{pay.Alipay}},
		} {
			m := *h.merchant
			m.Profile = c.profile
			for _, ch := range []pay.Channel{pay.Wxpay, pay.Alipay} {
				_, _, err := h.gw.Prepay(t.Context(), &m, h.scan(ch))
				e, ok := errors.AsType[*pay.Error](err)
				if refused := ok && e.Code == "upstream" && errors.Is(err, pay.ErrDenied); refused != slices.Contains(c.refused, ch) || !refused && err != nil {
					t.Errorf("%s: %s: %v", name, ch, err)
				}
			}
		}
	})
}

// TestMerchantsApplicationsServeRequestsThatNameNone: what the directory knows
// need not be in each request.
func TestMerchantsApplicationsServeRequestsThatNameNone(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		h := newHouse(t, options{})
		wx := h.box.Accounts().Providers[0].WeChat.Merchants[0]
		m := *h.merchant
		m.Wx.MobAppID, m.Wx.MiniAppID = wx.MobAppID, wx.MiniAppID
		in := h.scan(pay.Wxpay)
		in.TradeType = pay.TradeApp
		if _, args, err := h.gw.Prepay(t.Context(), &m, in); err != nil || args.AppID != wx.MobAppID {
			t.Errorf("app_pay under %s: %v", args.AppID, err)
		}
		id, err := h.box.Identify(t.Context(), "anna", wx.MiniAppID)
		if err != nil {
			t.Fatal(err)
		}
		in = h.scan(pay.Wxpay)
		in.TradeType, in.SubOpenID = pay.TradeMiniProgram, id.OpenID
		if _, args, err := h.gw.Prepay(t.Context(), &m, in); err != nil || args.AppID != wx.MiniAppID {
			t.Errorf("mini_program_pay under %s: %v", args.AppID, err)
		}
	})
}
