package main

import (
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"

	"cloudpay/internal/sandbox"
)

// sandboxAccountCmd hands out one provider's accounts at the sandbox's wallets
// as the files that the wallets would have sent.
type sandboxAccountCmd struct {
	Data     string `name:"data" default:".sandbox" placeholder:"DIR" help:"Data directory of the running sandbox."`
	To       string `name:"to" required:"" placeholder:"DIR" help:"New directory for keys and certificates."`
	Provider int    `name:"provider" default:"1" help:"Which of the sandbox's providers."`
	Merchant int    `name:"merchant" default:"1" help:"Which of its merchants."`
}

// sandboxAccount are the numbers that belong to the files.
type sandboxAccount struct {
	Wallet      string `json:"wallet"`
	MchID       string `json:"mch_id"`
	AppID       string `json:"app_id"`
	PublicKeyID string `json:"public_key_id"`
	SubMchID    string `json:"sub_mch_id"`
	SubAppID    string `json:"sub_app_id"`
	AlipayAppID string `json:"alipay_app_id"`
	SellerID    string `json:"seller_id"`
}

// Run writes the files and prints the numbers, and on standard error the
// commands that use them.
func (c *sandboxAccountCmd) Run(e env) error {
	raw, err := readFile(filepath.Join(c.Data, "sandbox.json"), maxAccounts)
	if err != nil {
		return usage("%w: start the sandbox with 'cloudpay sandbox --data %s' first", err, c.Data)
	}
	var file struct {
		Wallet   string           `json:"wallet"`
		Accounts sandbox.Accounts `json:"accounts"`
	}
	if err := json.Unmarshal(raw, &file); err != nil {
		return fmt.Errorf("%s is damaged: %w", c.Data, err)
	}
	if c.Provider < 1 || c.Provider > len(file.Accounts.Providers) {
		return usage("--provider %d: the sandbox has %d", c.Provider, len(file.Accounts.Providers))
	}
	p := file.Accounts.Providers[c.Provider-1]
	if n := len(p.WeChat.Merchants); c.Merchant < 1 || c.Merchant > n || c.Merchant > len(p.Alipay.Merchants) {
		return usage("--merchant %d: the provider has %d", c.Merchant, n)
	}
	wx, ali := p.WeChat.Merchants[c.Merchant-1], p.Alipay.Merchants[c.Merchant-1]
	if err := os.Mkdir(c.To, 0o700); err != nil {
		return usage("%w: name a new directory", err)
	}
	for name, content := range map[string]string{
		"ca.pem": file.Accounts.CAPEM, "wxpay-api.key": p.WeChat.APIv2Key, "wxpay-cert.pem": p.WeChat.ClientCertPEM, "wxpay-key.pem": p.WeChat.ClientKeyPEM,
		"wxpay-api-v3.key": p.WeChat.APIv3Key, "wxpay-pub.pem": p.WeChat.PublicKeyPEM,
		"alipay-app-cert.pem": p.Alipay.AppCertPEM, "alipay-cert.pem": p.Alipay.AlipayCertPEM, "alipay-root.pem": p.Alipay.RootCertPEM,
		"alipay-key.pem": p.Alipay.AppPrivateKeyPEM, "alipay-public.pem": p.Alipay.AlipayPublicKeyPEM, "alipay-token": ali.AppAuthToken,
	} {
		if err := writeSecret(filepath.Join(c.To, name), []byte(content)); err != nil {
			return err
		}
	}
	_, _ = fmt.Fprintf(e.stderr, `cloudpay account set --provider PROVIDER --channel wxpay --mch-id %[2]s --app-id %[3]s --base-url %[4]s --api-key-file %[1]s/wxpay-api.key --api-v3-key-file %[1]s/wxpay-api-v3.key --cert-file %[1]s/wxpay-cert.pem --key-file %[1]s/wxpay-key.pem --ca-file %[1]s/ca.pem
cloudpay account set --provider PROVIDER --channel alipay --app-id %[5]s --gateway-url %[4]s/gateway.do --private-key-file %[1]s/alipay-key.pem --alipay-public-key-file %[1]s/alipay-public.pem --ca-file %[1]s/ca.pem
cloudpay merchant add --provider PROVIDER --name NAME --wx-sub-mch-id %[6]s --wx-sub-app-id %[7]s --ali-seller-id %[8]s --ali-token-file %[1]s/alipay-token --authen-key-to FILE --private-key-to FILE
`, c.To, p.WeChat.MchID, p.WeChat.AppID, file.Wallet, p.Alipay.AppID, wx.SubMchID, wx.SubAppID, ali.UserID)
	return json.NewEncoder(e.stdout).Encode(sandboxAccount{
		Wallet: file.Wallet, MchID: p.WeChat.MchID, AppID: p.WeChat.AppID, PublicKeyID: p.WeChat.PublicKeyID, SubMchID: wx.SubMchID, SubAppID: wx.SubAppID,
		AlipayAppID: p.Alipay.AppID, SellerID: ali.UserID,
	})
}
