package wxpay

import (
	"testing"

	"cloudpay/internal/channel"
	"cloudpay/internal/channel/channeltest"
	"cloudpay/internal/pay"
	"cloudpay/internal/sandbox"
	"cloudpay/internal/secret"
)

func TestTheSandboxIsServedBothWaysOfSigning(t *testing.T) {
	t.Parallel()
	for _, st := range []SignType{SignMD5, SignHMAC} {
		t.Run(string(st), func(t *testing.T) {
			t.Parallel()
			channeltest.Run(t, adapter(t, st))
		})
	}
}

func TestTheStrictSandboxIsServed(t *testing.T) {
	t.Parallel()
	channeltest.RunStrict(t, adapter(t, SignMD5))
}

// TestTheSandboxIsServedByAPIv3 plays the same suite by APIv3: with platform
// certificates, with the public key, and with both.
func TestTheSandboxIsServedByAPIv3(t *testing.T) {
	t.Parallel()
	for _, keys := range []channeltest.Keys{channeltest.Certificates, channeltest.PublicKey, channeltest.BothKeys} {
		t.Run(string(keys), func(t *testing.T) {
			t.Parallel()
			channeltest.Run(t, adapterV3(t, keys))
		})
	}
}

func TestTheStrictSandboxIsServedByAPIv3(t *testing.T) {
	t.Parallel()
	channeltest.RunStrict(t, adapterV3(t, channeltest.BothKeys))
}

// TestKeysChangeUnderPayments rotates certificates, and migrates to the public
// key, in the middle of payments.
func TestKeysChangeUnderPayments(t *testing.T) {
	t.Parallel()
	payments := 300 // the gateway's test does it with 5,000
	if testing.Short() {
		payments = 120
	}
	for _, keys := range []channeltest.Keys{channeltest.Certificates, channeltest.BothKeys} {
		t.Run(string(keys), func(t *testing.T) {
			t.Parallel()
			channeltest.RunRotation(t, adapterV3(t, keys), payments)
		})
	}
}

// adapterV3 is the adapter by APIv3 alone, without the key of v2.
func adapterV3(t *testing.T, keys channeltest.Keys) channeltest.Adapter {
	t.Helper()
	a := adapter(t, SignMD5)
	a.API, a.Keys = channel.APIv3, keys
	a.Codes = listedCodesV3(t)
	a.New = func(b *channeltest.Bench) (channel.Channel, error) {
		w := b.Provider.WeChat
		conf := Config{
			BaseURL: b.URL, RootCAs: b.Roots, MchID: w.MchID, AppID: w.AppID, API: channel.APIv3, APIv3Key: secret.New(w.APIv3Key),
			ClientCertPEM: w.ClientCertPEM, ClientKeyPEM: secret.New(w.ClientKeyPEM), Now: b.Now,
		}
		if keys != channeltest.Certificates {
			conf.PublicKeyID, conf.PublicKeyPEM = w.PublicKeyID, w.PublicKeyPEM
		}
		return New(conf)
	}
	return a
}

// listedCodesV3 are the codes and states of APIv3's shared list.
func listedCodesV3(t *testing.T) []channeltest.Listed {
	t.Helper()
	file := readVectors3(t)
	var list []channeltest.Listed
	for name, endpoint := range map[string]string{
		"codepay": sandbox.EndpointPay, "create": sandbox.EndpointPrepay, "query": sandbox.EndpointQuery, "reverse": sandbox.EndpointReverse,
		"close": sandbox.EndpointClose, "refund": sandbox.EndpointRefund, "refund_query": sandbox.EndpointRefundQuery,
	} {
		for _, r := range rows3(t, file, name) {
			list = append(list, channeltest.Listed{Endpoint: endpoint, Code: r.Code, Status: int64(r.status()), Want: want3(name, r)})
		}
		list = append(list, channeltest.Listed{Endpoint: endpoint, Code: "A_CODE_OF_LATER", Status: 400, Want: pay.Outcome{Kind: pay.Unknown, Alert: true}})
	}
	for _, r := range file.states(t, "query") {
		want := r.outcome()
		want.Returned = r.TradeState == "REVOKED" // of an order that was paid
		list = append(list, channeltest.Listed{Endpoint: sandbox.EndpointQuery, State: r.TradeState, Want: want})
	}
	return list
}

func adapter(t *testing.T, st SignType) channeltest.Adapter {
	t.Helper()
	return channeltest.Adapter{
		Wallet: sandbox.WeChat,
		New: func(b *channeltest.Bench) (channel.Channel, error) {
			a := b.Provider.WeChat
			return New(Config{
				BaseURL: b.URL, RootCAs: b.Roots, MchID: a.MchID, AppID: a.AppID, APIKey: secret.New(a.APIv2Key),
				ClientCertPEM: a.ClientCertPEM, ClientKeyPEM: secret.New(a.ClientKeyPEM), SignType: st,
			})
		},
		Charge: func(b *channeltest.Bench, code string) channel.PayRequest {
			m := b.Provider.WeChat.Merchants[0]
			return channel.PayRequest{
				OrderRequest: channel.OrderRequest{Merchant: channel.Merchant{SubMchID: m.SubMchID, SubAppID: m.SubAppID}},
				AuthCode:     secret.New(code),
				DeviceID:     "D1", ShopID: "S1", Attach: "a=1&b=<2>", Detail: `{"goods_detail":[{"goods_id":"]]>"}]}`,
			}
		},
		Prepare: func(b *channeltest.Bench, kind pay.TradeType, customer string) channel.PrepayRequest {
			m := b.Provider.WeChat.Merchants[0]
			r := channel.PrepayRequest{
				OrderRequest: channel.OrderRequest{Merchant: channel.Merchant{SubMchID: m.SubMchID, SubAppID: m.SubAppID}},
				TradeType:    kind, DeviceID: "D1", ShopID: "S1", Attach: "a=1&b=<2>", ProductID: "P1",
			}
			switch kind {
			case pay.TradeOfficialAccount: // the provider's own account
				r.OpenID = b.Identify(customer, b.Provider.WeChat.AppID).OpenID
			case pay.TradeMiniProgram:
				r.SubAppID, r.SubOpenID = m.MiniAppID, b.Identify(customer, m.MiniAppID).OpenID
			case pay.TradeApp:
				r.SubAppID = m.MobAppID
			case pay.TradeMobileWeb:
				r.SceneInfo = `{"h5_info":{"type":"Wap","wap_url":"https://shop.example","wap_name":"店"}}`
			case pay.TradeMicroPay, pay.TradeScanCode, pay.TradeOneCode:
			}
			return r
		},
		Kinds: []pay.TradeType{
			pay.TradeScanCode, pay.TradeOfficialAccount, pay.TradeMiniProgram, pay.TradeApp, pay.TradeMobileWeb,
		},
		Codes: listedCodes(t),
	}
}

// listedCodes are the codes and states of the shared list.
func listedCodes(t *testing.T) []channeltest.Listed {
	t.Helper()
	_, call := readVectors(t)
	var list []channeltest.Listed
	for name, endpoint := range map[string]string{
		"micropay": sandbox.EndpointPay, "unifiedorder": sandbox.EndpointPrepay, "orderquery": sandbox.EndpointQuery, "reverse": sandbox.EndpointReverse,
		"closeorder": sandbox.EndpointClose, "refund": sandbox.EndpointRefund, "refundquery": sandbox.EndpointRefundQuery,
	} {
		for _, r := range call(name).Codes {
			want := r.outcome()
			switch {
			case name == "refundquery" && r.Code == "REFUNDNOTEXIST":
				want.Kind = pay.Unknown
			case name == "reverse" && r.Code == "ORDERNOTEXIST":
				want.Reason = pay.ReasonNotFound
			}
			list = append(list, channeltest.Listed{Endpoint: endpoint, Code: r.Code, Want: want})
		}
		list = append(list, channeltest.Listed{
			Endpoint: endpoint, Code: "A_CODE_OF_LATER", Want: pay.Outcome{Kind: pay.Unknown, Alert: true, Verified: true},
		})
	}
	for _, r := range call("orderquery").States {
		want := r.outcome()
		want.Returned = r.TradeState == "REVOKED" // of an order that was paid
		list = append(list, channeltest.Listed{Endpoint: sandbox.EndpointQuery, State: r.TradeState, Want: want})
	}
	return list
}
