package main

import (
	"context"
	"net/http"
)

// accountCmd manages a provider's accounts at the wallets.
type accountCmd struct {
	Set  accountSetCmd  `cmd:"" help:"Set a provider's account at a wallet. Keys come from files, or from standard input with -."`
	List accountListCmd `cmd:"" help:"List a provider's accounts, without keys."`
	Show accountShowCmd `cmd:"" help:"Show an account, without keys."`
}

type accountFlags struct {
	manageFlags
	Provider string `name:"provider" required:"" help:"out_mch_id."`
}

type accountListCmd struct{ accountFlags }

// Run lists the accounts.
func (c *accountListCmd) Run(ctx context.Context, e env) error {
	return c.listAll(ctx, e, pathOf("providers", c.Provider, "accounts"), []column{
		{"渠道", "channel"}, {"微信商户号", "wxpay.mch_id"}, {"微信AppID", "wxpay.app_id"}, {"支付宝应用", "alipay.app_id"}, {"密钥指纹", "key_fingerprint"},
	})
}

type accountShowCmd struct {
	accountFlags
	Channel string `name:"channel" enum:"wxpay,alipay" required:"" help:"wxpay or alipay."`
}

// Run prints the account.
func (c *accountShowCmd) Run(ctx context.Context, e env) error {
	return c.send(ctx, e, http.MethodGet, pathOf("providers", c.Provider, "accounts", c.Channel), nil)
}

type accountSetCmd struct {
	accountShowCmd
	AppID  string `name:"app-id" required:"" help:"AppID of the provider (WeChat), or of its application (Alipay)."`
	CAFile string `name:"ca-file" placeholder:"FILE" help:"Root certificates of the wallet's address; the system's without it."`

	MchID    string `name:"mch-id" help:"WeChat: 服务商商户号."`
	APIKey   string `name:"api-key-file" placeholder:"FILE" help:"WeChat: APIv2 key."`
	SignType string `name:"sign-type" enum:"MD5,HMAC-SHA256" default:"HMAC-SHA256" help:"WeChat: how requests are signed."`
	Cert     string `name:"cert-file" placeholder:"FILE" help:"WeChat: API certificate (apiclient_cert.pem), for refunds and reverses."`
	Key      string `name:"key-file" placeholder:"FILE" help:"WeChat: its private key (apiclient_key.pem)."`
	BaseURL  string `name:"base-url" placeholder:"URL" help:"WeChat: another address than WeChat's own, e.g. the sandbox's."`

	PrivateKey string `name:"private-key-file" placeholder:"FILE" help:"Alipay: the application's private key (PKCS#8 PEM)."`
	PublicKey  string `name:"alipay-public-key-file" placeholder:"FILE" help:"Alipay: Alipay's public key (PEM)."`
	GatewayURL string `name:"gateway-url" placeholder:"URL" help:"Alipay: another address than Alipay's own."`
}

// Run stores the account and prints it without its keys.
func (c *accountSetCmd) Run(ctx context.Context, e env) error {
	account := body{"app_id": c.AppID}
	public := []struct{ name, file string }{{"ca_pem", c.CAFile}}
	private := []struct{ name, file string }{}
	switch c.Channel {
	case "wxpay":
		account["mch_id"], account["sign_type"], account["base_url"] = c.MchID, c.SignType, c.BaseURL
		public = append(public, struct{ name, file string }{"cert_pem", c.Cert})
		private = append(private, struct{ name, file string }{"api_key", c.APIKey}, struct{ name, file string }{"key_pem", c.Key})
	case "alipay":
		account["gateway_url"] = c.GatewayURL
		public = append(public, struct{ name, file string }{"alipay_public_key_pem", c.PublicKey})
		private = append(private, struct{ name, file string }{"private_key_pem", c.PrivateKey})
	}
	for _, f := range public {
		if f.file != "" {
			raw, err := readFile(f.file, maxKeyFile)
			if err != nil {
				return err
			}
			account[f.name] = string(raw)
		}
	}
	for _, f := range private {
		if f.file != "" {
			text, err := readSecret(e, f.file, maxKeyFile)
			if err != nil {
				return err
			}
			account[f.name] = text
		}
	}
	return c.send(ctx, e, http.MethodPut, pathOf("providers", c.Provider, "accounts", c.Channel), body{c.Channel: account})
}
