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
		{"渠道", "channel"}, {"微信商户号", "wxpay.mch_id"}, {"微信AppID", "wxpay.app_id"}, {"接口", "wxpay.api"}, {"支付宝应用", "alipay.app_id"}, {"密钥指纹", "key_fingerprint"},
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

// candidateFlags describe an account.
type candidateFlags struct {
	AppID  string `name:"app-id" help:"AppID of the provider (WeChat), or of its application (Alipay)."`
	CAFile string `name:"ca-file" placeholder:"FILE" help:"Root certificates of the wallet's address; the system's without it."`

	MchID    string `name:"mch-id" help:"WeChat: 服务商商户号."`
	API      string `name:"api" enum:",v2,v3" default:"" help:"WeChat: what merchants without a choice of their own use; v3 once there is an APIv3 key."`
	APIKey   string `name:"api-key-file" placeholder:"FILE" help:"WeChat: APIv2 key."`
	APIv3Key string `name:"api-v3-key-file" placeholder:"FILE" help:"WeChat: APIv3 key."`
	SignType string `name:"sign-type" enum:"MD5,HMAC-SHA256" default:"HMAC-SHA256" help:"WeChat: how v2's requests are signed."`
	Cert     string `name:"cert-file" placeholder:"FILE" help:"WeChat: API certificate (apiclient_cert.pem), for v3, and for v2's refunds and reverses."`
	Key      string `name:"key-file" placeholder:"FILE" help:"WeChat: its private key (apiclient_key.pem)."`
	BaseURL  string `name:"base-url" placeholder:"URL" help:"WeChat: another address than WeChat's own, e.g. the sandbox's."`
	Backup   string `name:"backup-url" placeholder:"URL" help:"WeChat: the address for when the first takes no connection."`
	WxKeyID  string `name:"public-key-id" placeholder:"ID" help:"WeChat: id of WeChat Pay's public key (PUB_KEY_ID_…)."`
	WxKey    string `name:"public-key-file" placeholder:"FILE" help:"WeChat: WeChat Pay's public key (pub_key.pem)."`

	PrivateKey string `name:"private-key-file" placeholder:"FILE" help:"Alipay: the application's private key (PKCS#8 PEM)."`
	PublicKey  string `name:"alipay-public-key-file" placeholder:"FILE" help:"Alipay: Alipay's public key (PEM)."`
	AppCert    string `name:"app-cert-file" placeholder:"FILE" help:"Alipay, certificate mode: the application's certificate (appCertPublicKey_….crt)."`
	AlipayCert string `name:"alipay-cert-file" placeholder:"FILE" help:"Alipay, certificate mode: Alipay's certificate (alipayCertPublicKey_RSA2.crt)."`
	RootCert   string `name:"alipay-root-cert-file" placeholder:"FILE" help:"Alipay, certificate mode: Alipay's roots (alipayRootCert.crt)."`
	GatewayURL string `name:"gateway-url" placeholder:"URL" help:"Alipay: another address than Alipay's own."`
}

type accountSetCmd struct {
	accountShowCmd
	candidateFlags
	Rehearsal bool `name:"rehearsal" negatable:"" default:"true" help:"Try the account first, and store it only if the wallet's answers verify; --no-rehearsal when the wallet cannot be reached from here."`
}

// Run rehearses the account, stores it and prints it without its keys.
func (c *accountSetCmd) Run(ctx context.Context, e env) error {
	if c.AppID == "" {
		return usage("--app-id is missing")
	}
	account, err := c.account(e, c.Channel)
	if err != nil {
		return err
	}
	path := pathOf("providers", c.Provider, "accounts", c.Channel)
	if !c.Rehearsal {
		path += "?skip_rehearsal=true"
	}
	return c.send(ctx, e, http.MethodPut, path, body{c.Channel: account})
}

// keyFile is a member of an account that comes from a file.
type keyFile struct{ name, file string }

// account is the request's account, with what is in the files.
func (c candidateFlags) account(e env, channel string) (body, error) {
	account := body{"app_id": c.AppID}
	public := []keyFile{{"ca_pem", c.CAFile}}
	var private []keyFile
	switch channel {
	case "wxpay":
		account["mch_id"], account["sign_type"], account["base_url"], account["backup_url"] = c.MchID, c.SignType, c.BaseURL, c.Backup
		account["public_key_id"] = c.WxKeyID
		if c.API != "" {
			account["api"] = c.API
		}
		public = append(public, keyFile{"cert_pem", c.Cert}, keyFile{"public_key_pem", c.WxKey})
		private = append(private, keyFile{"api_key", c.APIKey}, keyFile{"api_v3_key", c.APIv3Key}, keyFile{"key_pem", c.Key})
	case "alipay":
		account["gateway_url"] = c.GatewayURL
		public = append(public, keyFile{"alipay_public_key_pem", c.PublicKey}, keyFile{"app_cert_pem", c.AppCert},
			keyFile{"alipay_cert_pem", c.AlipayCert}, keyFile{"root_cert_pem", c.RootCert})
		private = append(private, keyFile{"private_key_pem", c.PrivateKey})
	}
	for _, f := range public {
		if f.file != "" {
			raw, err := readFile(f.file, maxKeyFile)
			if err != nil {
				return nil, err
			}
			account[f.name] = string(raw)
		}
	}
	for _, f := range private {
		if f.file != "" {
			text, err := readSecret(e, f.file, maxKeyFile)
			if err != nil {
				return nil, err
			}
			account[f.name] = text
		}
	}
	return account, nil
}
