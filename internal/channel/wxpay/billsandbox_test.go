package wxpay

import (
	"testing"

	"cloudpay/internal/channel"
	"cloudpay/internal/channel/channeltest"
	"cloudpay/internal/secret"
)

// TestBillsOfTheSandboxAreTrue fetches two days' bills by both interfaces.
func TestBillsOfTheSandboxAreTrue(t *testing.T) {
	t.Parallel()
	for _, api := range []string{channel.APIv2, channel.APIv3} {
		t.Run(api, func(t *testing.T) {
			t.Parallel()
			a := adapter(t, SignMD5)
			if api == channel.APIv3 {
				a.API = api
			}
			a.New = func(b *channeltest.Bench) (channel.Channel, error) {
				w := b.Provider.WeChat
				return New(Config{
					BaseURL: b.URL, RootCAs: b.Roots, MchID: w.MchID, AppID: w.AppID, API: api, APIKey: secret.New(w.APIv2Key),
					APIv3Key: secret.New(w.APIv3Key), PublicKeyID: w.PublicKeyID, PublicKeyPEM: w.PublicKeyPEM, Now: b.Now,
					ClientCertPEM: w.ClientCertPEM, ClientKeyPEM: secret.New(w.ClientKeyPEM),
				})
			}
			channeltest.RunBills(t, a)
		})
	}
}
