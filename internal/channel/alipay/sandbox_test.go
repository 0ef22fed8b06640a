package alipay

import (
	"strings"
	"testing"

	"cloudpay/internal/channel"
	"cloudpay/internal/channel/channeltest"
	"cloudpay/internal/pay"
	"cloudpay/internal/sandbox"
	"cloudpay/internal/secret"
)

func TestTheSandboxIsServed(t *testing.T) {
	t.Parallel()
	channeltest.Run(t, adapter(t))
}

// TestTheSandboxIsServedByCertificate is the same suite in certificate mode.
func TestTheSandboxIsServedByCertificate(t *testing.T) {
	t.Parallel()
	a := adapter(t)
	a.New = func(b *channeltest.Bench) (channel.Channel, error) { return New(byCertificate(b)) }
	channeltest.Run(t, a)
}

// byCertificate is the bench's application in certificate mode.
func byCertificate(b *channeltest.Bench) Config {
	a := b.Provider.Alipay
	return Config{
		GatewayURL: b.URL + "/gateway.do", RootCAs: b.Roots, AppID: a.AppID, AppPrivateKeyPEM: secret.New(a.AppPrivateKeyPEM),
		AppCertPEM: a.AppCertPEM, AlipayCertPEM: a.AlipayCertPEM, RootCertPEM: a.RootCertPEM, Now: b.Now,
	}
}

func TestTheStrictSandboxIsServed(t *testing.T) {
	t.Parallel()
	channeltest.RunStrict(t, adapter(t))
}

func adapter(t *testing.T) channeltest.Adapter {
	t.Helper()
	return channeltest.Adapter{
		Wallet: sandbox.Alipay,
		New: func(b *channeltest.Bench) (channel.Channel, error) {
			a := b.Provider.Alipay
			return New(Config{
				GatewayURL: b.URL + "/gateway.do", RootCAs: b.Roots, AppID: a.AppID, AppPrivateKeyPEM: secret.New(a.AppPrivateKeyPEM),
				AlipayPublicKeyPEM: a.AlipayPublicKeyPEM, Now: b.Now,
			})
		},
		Charge: func(b *channeltest.Bench, code string) channel.PayRequest {
			m := b.Provider.Alipay.Merchants[0]
			return channel.PayRequest{
				OrderRequest: channel.OrderRequest{Merchant: channel.Merchant{AppAuthToken: secret.New(m.AppAuthToken), SellerID: m.UserID}},
				AuthCode:     secret.New(code), Body: "测试/商品 <a&b> 50%", ShopID: "S1", DeviceID: "D1", StaffID: "E1",
			}
		},
		Prepare: func(b *channeltest.Bench, kind pay.TradeType, customer string) channel.PrepayRequest {
			m := b.Provider.Alipay.Merchants[0]
			return channel.PrepayRequest{
				OrderRequest: channel.OrderRequest{Merchant: channel.Merchant{AppAuthToken: secret.New(m.AppAuthToken), SellerID: m.UserID}},
				TradeType:    kind, BuyerID: b.Identify(customer, b.Provider.Alipay.AppID).BuyerID, Body: "测试/商品 <a&b> 50%", ShopID: "S1", DeviceID: "D1",
			}
		},
		Kinds: []pay.TradeType{pay.TradeScanCode, pay.TradeOfficialAccount, pay.TradeMiniProgram},
		Codes: listedCodes(t),
	}
}

// listedCodes are the shared list's sub_codes, top-level codes and states.
func listedCodes(t *testing.T) []channeltest.Listed {
	t.Helper()
	file, call := readVectors(t)
	endpoints := map[string]string{
		callPay.method: sandbox.EndpointPay, callQuery.method: sandbox.EndpointQuery,
		callPrecreate.method: sandbox.EndpointPrepay, callCreate.method: sandbox.EndpointPrepay, callCancel.method: sandbox.EndpointReverse,
		callClose.method: sandbox.EndpointClose, callRefund.method: sandbox.EndpointRefund, callQueryRefund.method: sandbox.EndpointRefundQuery,
	}
	var list []channeltest.Listed
	for _, one := range calls {
		endpoint := endpoints[one.method]
		for _, r := range call(one.method).SubCodes {
			list = append(list, channeltest.Listed{Endpoint: endpoint, Code: strings.ReplaceAll(r.Code, "*", "X"), Want: r.outcome()})
		}
		list = append(list, channeltest.Listed{Endpoint: endpoint, Code: "ACQ.A_CODE_OF_LATER", Want: unlisted})
		for _, r := range file.TopLevel {
			want := r.outcome()
			switch {
			case r.Code == codeSuccess:
				continue
			case r.Code == codeBusiness, r.Code == codeWaiting && !one.waits:
				want = unlisted
			case one.question && r.Class == channel.ClassDeclined:
				want.Kind, want.Next = pay.Unknown, pay.NextOperator
			}
			list = append(list, channeltest.Listed{Endpoint: endpoint, Code: r.Code, Want: want})
		}
	}
	for _, r := range call(callQuery.method).States {
		want := r.outcome()
		want.Returned = r.TradeStatus == "TRADE_CLOSED" // of an order that was paid
		list = append(list, channeltest.Listed{Endpoint: sandbox.EndpointQuery, State: r.TradeStatus, Want: want})
	}
	return list
}
