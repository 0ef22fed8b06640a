package main

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"path/filepath"
	"testing"

	"cloudpay/internal/directory"
	"cloudpay/internal/gateway"
	"cloudpay/internal/pay"
	"cloudpay/internal/sandbox"
)

// TestNoticesOfTheWalletsSettleUnifiedOrders runs gateway and sandbox as the
// demo does, over real TLS and HTTP: an order of every kind is prepared, opened
// on a customer's phone with what the gateway signed, and paid. When the phone
// is done the wallet's notice has been taken, and the order is paid by it.
func TestNoticesOfTheWalletsSettleUnifiedOrders(t *testing.T) {
	t.Parallel()
	a, box, m := runDemo(t)
	ids := func(customer, appID string) sandbox.Identity {
		id, err := box.box.Identify(t.Context(), customer, appID)
		if err != nil {
			t.Fatal(err)
		}
		return id
	}
	wx := box.box.Accounts().Providers[0].WeChat
	ali := box.box.Accounts().Providers[0].Alipay
	for i, one := range []struct {
		name string
		api  string
		in   gateway.Prepay
	}{
		{"a QR code of WeChat, APIv3", directory.APIv3, gateway.Prepay{Platform: 1, TradeType: pay.TradeScanCode}},
		{"an official account, APIv3", directory.APIv3, gateway.Prepay{Platform: 1, TradeType: pay.TradeOfficialAccount, OpenID: ids("anna", wx.AppID).OpenID}},
		{"a mini program, APIv3", directory.APIv3, gateway.Prepay{
			Platform: 1, TradeType: pay.TradeMiniProgram, MiniProgramSubAppID: wx.Merchants[0].MiniAppID,
			SubOpenID: ids("anna", wx.Merchants[0].MiniAppID).OpenID,
		}},
		{"an application, APIv3", directory.APIv3, gateway.Prepay{Platform: 1, TradeType: pay.TradeApp, MobAppID: wx.Merchants[0].MobAppID}},
		{"a web page, APIv3", directory.APIv3, gateway.Prepay{Platform: 1, TradeType: pay.TradeMobileWeb, SceneInfo: `{"h5_info":{"type":"Wap"}}`}},
		{"a QR code of WeChat, v2", directory.APIv2, gateway.Prepay{Platform: 1, TradeType: pay.TradeScanCode}},
		{"an official account, v2", directory.APIv2, gateway.Prepay{Platform: 1, TradeType: pay.TradeOfficialAccount, OpenID: ids("anna", wx.AppID).OpenID}},
		{"a mini program, v2", directory.APIv2, gateway.Prepay{
			Platform: 1, TradeType: pay.TradeMiniProgram, MiniProgramSubAppID: wx.Merchants[0].MiniAppID,
			SubOpenID: ids("anna", wx.Merchants[0].MiniAppID).OpenID,
		}},
		{"an application, v2", directory.APIv2, gateway.Prepay{Platform: 1, TradeType: pay.TradeApp, MobAppID: wx.Merchants[0].MobAppID}},
		{"a web page, v2", directory.APIv2, gateway.Prepay{Platform: 1, TradeType: pay.TradeMobileWeb, SceneInfo: `{"h5_info":{"type":"Wap"}}`}},
		{"a QR code of Alipay", "", gateway.Prepay{Platform: 2, TradeType: pay.TradeScanCode}},
		{"a buyer of Alipay", "", gateway.Prepay{Platform: 2, TradeType: pay.TradeOfficialAccount, BuyerID: ids("anna", ali.AppID).BuyerID}},
	} {
		in := one.in
		merchant, err := a.directory.UpdateMerchant(t.Context(), directory.System, m.OutSubMchID, func(m *directory.Merchant) error {
			m.Wx.API = one.api
			return nil
		})
		if err != nil {
			t.Fatal(err)
		}
		in.OutTradeNo, in.Total, in.Currency = fmt.Sprintf("%s%016d", m.Prefixes[0], i), 200, "CNY"
		in.ShopID, in.DeviceID, in.StaffID, in.Body = m.OutShopID, m.DeviceID, m.StaffID, "测试"
		o, args, err := a.gateway.Prepay(t.Context(), merchant, in)
		if err != nil {
			t.Fatalf("%s: %v", one.name, err)
		}
		if _, err := box.box.PayPrepared(t.Context(), "anna", handedOver(o, args)); err != nil {
			t.Fatalf("%s: %v", one.name, err)
		}
		told, err := box.box.Notices(t.Context(), in.OutTradeNo)
		if err != nil || len(told) != 1 || told[0].State != "taken" {
			t.Errorf("%s: notices %+v, %v, want one that was taken", one.name, told, err)
		}
		o, err = a.gateway.QueryOrder(t.Context(), merchant, in.OutTradeNo)
		if err != nil || o.State != pay.PAID || o.Truth != pay.TruthNotice || o.TransactionID == "" ||
			(o.Promo == "") != (one.api == directory.APIv3) { // APIv3 says nothing of a payment without coupons
			t.Errorf("%s: order %s by %s of %s, promo %q, %v, want it paid by the notice", one.name, o.State, o.Truth, o.TransactionID, o.Promo, err)
		}
	}
}

// handedOver is what the page or application hands to the wallet's software.
func handedOver(o pay.Order, a gateway.ClientArgs) sandbox.Invocation {
	switch {
	case o.Prepaid.CodeURL != "":
		return sandbox.Invocation{CodeURL: o.Prepaid.CodeURL}
	case o.Prepaid.MwebURL != "":
		return sandbox.Invocation{MwebURL: o.Prepaid.MwebURL}
	case a.TradeNo != "":
		return sandbox.Invocation{TradeNo: a.TradeNo}
	case a.PartnerID != "":
		return sandbox.Invocation{App: &sandbox.AppArgs{
			AppID: a.AppID, PartnerID: a.PartnerID, PrepayID: a.PrepayID, Package: a.Package, NonceStr: a.NonceStr,
			Timestamp: a.Timestamp, Sign: a.PaySign,
		}}
	}
	return sandbox.Invocation{JSAPI: &sandbox.JSAPIArgs{
		AppID: a.AppID, TimeStamp: a.Timestamp, NonceStr: a.NonceStr, Package: a.Package, SignType: a.SignType, PaySign: a.PaySign,
	}}
}

// runDemo runs what the demo runs, in this process, until the test ends.
func runDemo(t *testing.T) (*app, *boxServer, demoMerchant) {
	t.Helper()
	return runDemoWith(t, slog.New(slog.DiscardHandler))
}

// runDemoWith is runDemo with a log.
func runDemoWith(t *testing.T, log *slog.Logger) (*app, *boxServer, demoMerchant) {
	t.Helper()
	dir := t.TempDir()
	s := settings{DSN: "sqlite:" + filepath.Join(dir, "cloudpay.db"), Addr: "127.0.0.1:0", AllowPrivateCallbacks: true}
	l, err := s.listen(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	s.PublicURL = baseURL("http", l.Addr())
	box, err := openSandbox(t.Context(), sandboxOptions{Dir: dir, Profile: "seed", ControlAddr: "127.0.0.1:0", WalletAddr: "127.0.0.1:0"}, log)
	if err != nil {
		t.Fatal(err)
	}
	file, a, err := (&demoCmd{}).prepare(t.Context(), dir, s, box, log)
	if err != nil {
		t.Fatal(err)
	}
	boxCtx, stopBox := context.WithCancel(context.WithoutCancel(t.Context()))
	appCtx, stopApp := context.WithCancel(context.WithoutCancel(t.Context()))
	boxDone, appDone := make(chan error, 1), make(chan error, 1)
	go func() { boxDone <- box.serve(boxCtx) }()
	go func() { appDone <- a.serve(appCtx, l) }()
	t.Cleanup(func() {
		stopApp()
		err := <-appDone
		stopBox()
		if err := errors.Join(err, <-boxDone); err != nil {
			t.Error(err)
		}
	})
	if err := waitHealthy(t.Context(), baseURL("http", l.Addr())); err != nil {
		t.Fatal(err)
	}
	return a, box, file.Merchants[0]
}
