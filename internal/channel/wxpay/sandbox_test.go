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
	codes := listedCodes(t)
	for _, st := range []SignType{SignMD5, SignHMAC} {
		t.Run(string(st), func(t *testing.T) {
			t.Parallel()
			channeltest.Run(t, channeltest.Adapter{
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
				Codes: codes,
			})
		})
	}
}

// listedCodes are the codes and states of the shared list.
func listedCodes(t *testing.T) []channeltest.Listed {
	t.Helper()
	_, call := readVectors(t)
	var list []channeltest.Listed
	for name, endpoint := range map[string]string{
		"micropay": sandbox.EndpointPay, "orderquery": sandbox.EndpointQuery, "reverse": sandbox.EndpointReverse,
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
