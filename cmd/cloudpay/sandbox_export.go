package main

import (
	"embed"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"net/url"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"text/template"

	"cloudpay/internal/sandbox"
)

// exports are the programs and settings that go with the keys.
//
//go:embed export
var exports embed.FS

// sandboxExportCmd writes an account as other people's SDKs read it.
type sandboxExportCmd struct {
	Data     string `name:"data" default:".sandbox" placeholder:"DIR" help:"Data directory of the sandbox."`
	Format   string `name:"format" enum:"wechatpay-go,alipay-sdk,env,json" required:"" help:"wechatpay-go, alipay-sdk (npm), env or json."`
	Wallet   string `name:"wallet" placeholder:"URL" help:"Where the wallets are reached, instead of what the sandbox wrote down."`
	Provider int    `name:"provider" default:"1" help:"Which of the sandbox's providers."`
	Merchant int    `name:"merchant" default:"1" help:"Which of its merchants."`
	Dir      string `arg:"" help:"Directory for the files (mode 0600); nothing in it is overwritten."`
}

// exported is what the templates are filled with.
type exported struct {
	Dir      string // absolute, for settings that name files
	Wallet   string // https://host:port
	WalletAt string // host:port
	WeChat   sandbox.WeChatAccount
	Shop     sandbox.WeChatMerchant
	Alipay   sandbox.AlipayAccount
	Seller   sandbox.AlipayMerchant
}

// Run writes the files and prints their names.
func (c *sandboxExportCmd) Run(e env) error {
	file, p, err := c.account()
	if err != nil {
		return err
	}
	if err := os.MkdirAll(c.Dir, 0o700); err != nil {
		return fmt.Errorf("make directory: %w", err)
	}
	dir, err := filepath.Abs(c.Dir)
	if err != nil {
		return err
	}
	wallet := strings.TrimSuffix(file.Wallet, "/")
	u, err := url.Parse(wallet)
	if err != nil || u.Host == "" {
		return usage("--wallet %q: write https://HOST:PORT", wallet)
	}
	x := exported{
		Dir: dir, Wallet: wallet, WalletAt: u.Host, WeChat: p.WeChat, Shop: p.WeChat.Merchants[c.Merchant-1],
		Alipay: p.Alipay, Seller: p.Alipay.Merchants[c.Merchant-1],
	}
	files, err := exportFiles(c.Format, file.Accounts.CAPEM, x)
	if err != nil {
		return err
	}
	for _, name := range slices.Sorted(maps.Keys(files)) {
		path := filepath.Join(c.Dir, name)
		if err := writeSecret(path, files[name]); err != nil {
			return err
		}
		_, _ = fmt.Fprintln(e.stdout, path)
	}
	return nil
}

// account reads the sandbox's file and finds the provider in it.
func (c *sandboxExportCmd) account() (sandboxFile, sandbox.Provider, error) {
	var file sandboxFile
	raw, err := readFile(filepath.Join(c.Data, "sandbox.json"), maxAccounts)
	if err != nil {
		return file, sandbox.Provider{}, usage("%w: start the sandbox with 'cloudpay sandbox --data %s' first", err, c.Data)
	}
	if err := json.Unmarshal(raw, &file); err != nil {
		return file, sandbox.Provider{}, fmt.Errorf("%s is damaged: %w", c.Data, err)
	}
	if c.Wallet != "" {
		file.Wallet = c.Wallet
	}
	if c.Provider < 1 || c.Provider > len(file.Accounts.Providers) {
		return file, sandbox.Provider{}, usage("--provider %d: the sandbox has %d", c.Provider, len(file.Accounts.Providers))
	}
	p := file.Accounts.Providers[c.Provider-1]
	if n := min(len(p.WeChat.Merchants), len(p.Alipay.Merchants)); c.Merchant < 1 || c.Merchant > n {
		return file, p, usage("--merchant %d: the provider has %d", c.Merchant, n)
	}
	return file, p, nil
}

// exportFiles makes the files of a format. Names are those that the wallets
// and their SDKs' examples use.
func exportFiles(format, caPEM string, x exported) (map[string][]byte, error) {
	wechat := map[string]string{
		"apiclient_cert.pem": x.WeChat.ClientCertPEM, "apiclient_key.pem": x.WeChat.ClientKeyPEM, "pub_key.pem": x.WeChat.PublicKeyPEM,
	}
	ali := map[string]string{
		"app_private_key.pem": x.Alipay.AppPrivateKeyPEM, "alipay_public_key.pem": x.Alipay.AlipayPublicKeyPEM,
		"appCertPublicKey.crt": x.Alipay.AppCertPEM, "alipayCertPublicKey_RSA2.crt": x.Alipay.AlipayCertPEM, "alipayRootCert.crt": x.Alipay.RootCertPEM,
	}
	texts, program := map[string]string{"ca.pem": caPEM}, ""
	switch format {
	case "wechatpay-go":
		maps.Copy(texts, wechat)
		program = "main.go"
	case "alipay-sdk":
		maps.Copy(texts, ali)
		program = "main.mjs"
	case "env":
		maps.Copy(texts, wechat)
		maps.Copy(texts, ali)
		program = "sandbox.env"
	case "json":
		out, err := json.MarshalIndent(map[string]any{"wallet": x.Wallet, "ca_pem": caPEM, "wechat": x.WeChat, "alipay": x.Alipay}, "", "  ")
		return map[string][]byte{"accounts.json": append(out, '\n')}, err
	}
	files := map[string][]byte{}
	for name, text := range texts {
		if text == "" {
			return nil, errors.New("the sandbox of this directory has no " + name + "; start it once with this cloudpay")
		}
		files[name] = []byte(text)
	}
	t, err := template.ParseFS(exports, "export/"+program+".tmpl")
	if err != nil {
		return nil, err
	}
	var b strings.Builder
	if err := t.Execute(&b, x); err != nil {
		return nil, err
	}
	files[program] = []byte(b.String())
	return files, nil
}
