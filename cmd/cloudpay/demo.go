package main

import (
	"context"
	"crypto/rand"
	"crypto/rsa"
	"crypto/x509"
	"encoding/json"
	"encoding/pem"
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"golang.org/x/sync/errgroup"

	"cloudpay/internal/directory"
	"cloudpay/internal/pay"
	"cloudpay/internal/sandbox"
	"cloudpay/internal/secret"
	"cloudpay/internal/store"
)

// demoCmd runs gateway, sandbox and sample merchants in one process.
type demoCmd struct {
	Data        string `name:"data" default:".demo" placeholder:"DIR" help:"Where everything is kept; a second start continues there."`
	Addr        string `name:"addr" default:"127.0.0.1:8800" placeholder:"HOST:PORT" help:"Where the API listens; port 0 picks a free one."`
	SandboxAddr string `name:"sandbox-addr" default:"127.0.0.1:0" placeholder:"HOST:PORT" help:"Where the sandbox's control API listens."`
	DSN         string `name:"dsn" placeholder:"postgres://…" help:"Use this database instead of DIR/cloudpay.db."`
	Strict      bool   `name:"strict" help:"The sandbox enforces the wallets' pauses, and the gateway keeps them."`
	Profile     string `name:"profile" enum:"seed,current,classic" default:"seed" help:"Rules of the sandbox; classic adds the wallets' special amounts."`
	LogLevel    string `name:"log-level" enum:"debug,info,warn,error" default:"warn" help:"Least level that is logged."`
	phoneFlags
}

// demoFile is DIR/demo.json: what others script against.
type demoFile struct {
	API       string         `json:"api"`
	Sandbox   string         `json:"sandbox"`
	Merchants []demoMerchant `json:"merchants"`
}

// demoMerchant is one sample merchant with everything its till needs.
type demoMerchant struct {
	Name          string   `json:"name"`
	OutMchID      string   `json:"out_mch_id"`
	OutSubMchID   string   `json:"out_sub_mch_id"`
	OutShopID     string   `json:"out_shop_id"`
	DeviceID      string   `json:"device_id"`
	StaffID       string   `json:"staff_id"`
	Prefixes      []string `json:"prefixes"`
	AuthenKey     string   `json:"authen_key"`
	PrivateKeyPEM string   `json:"private_key_pem"`
}

// Run starts everything, writes DIR/demo.json and serves until told to stop.
func (c *demoCmd) Run(ctx context.Context, e env) (err error) {
	defer func() { err = stopped(ctx, err) }()
	dir, err := filepath.Abs(c.Data)
	if err != nil {
		return err
	}
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return fmt.Errorf("make data directory: %w", err)
	}
	s := settings{DSN: c.DSN, Addr: c.Addr, AllowPrivateCallbacks: true, LogLevel: c.LogLevel}
	if s.DSN == "" {
		s.DSN = "sqlite:" + filepath.Join(dir, "cloudpay.db")
	}
	if !c.Strict {
		s.RefundSpacing = new(time.Duration)
	}
	log := newLog(e.stderr, c.LogLevel)
	l, err := s.listen(ctx)
	if err != nil {
		return err
	}
	s.PublicURL = baseURL("http", l.Addr()) // the sandbox sends its notices here
	box, err := openSandbox(ctx, sandboxOptions{Dir: dir, Strict: c.Strict, Shared: true, Profile: c.Profile, ControlAddr: c.SandboxAddr, WalletAddr: "127.0.0.1:0"}, log)
	if err != nil {
		return errors.Join(err, l.Close())
	}
	s.Clock = box.box.Now
	// What an earlier start wrote names addresses that are gone: whoever waits for
	// the file must not find it before everything answers.
	announced := filepath.Join(dir, "demo.json")
	if err := os.Remove(announced); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return errors.Join(err, l.Close(), box.close())
	}
	door, err := c.open(ctx, box.box)
	if err != nil {
		return errors.Join(err, l.Close(), box.close())
	}
	file, a, err := c.prepare(ctx, dir, s, box, log)
	if err != nil {
		return errors.Join(err, l.Close(), box.close(), door.close())
	}
	file.API, file.Sandbox = baseURL("http", l.Addr()), baseURL("http", box.control.Addr())
	g, inner := errgroup.WithContext(ctx)
	// The sandbox outlives the gateway: calls in flight get their answers.
	boxCtx, stopBox := context.WithCancel(context.WithoutCancel(ctx))
	defer stopBox()
	g.Go(func() error { return box.serve(boxCtx) })
	g.Go(func() error { return door.serve(boxCtx) })
	g.Go(func() error {
		defer stopBox()
		return a.serve(inner, l)
	})
	g.Go(func() error {
		if err := waitHealthy(inner, file.API); err != nil {
			return err
		}
		if err := writeJSON(announced, file); err != nil {
			return err
		}
		c.greet(e, dir, file, s.now())
		door.greet(e.stdout)
		return nil
	})
	return g.Wait()
}

// prepare makes the database, the keys and the sample merchants.
func (c *demoCmd) prepare(ctx context.Context, dir string, s settings, box *boxServer, log *slog.Logger) (demoFile, *app, error) {
	keys, err := demoKeyring(filepath.Join(dir, "master.key"))
	if err != nil {
		return demoFile{}, nil, err
	}
	cfg := s.store()
	cfg.Log = log
	if _, _, err := store.Migrate(ctx, cfg); err != nil {
		return demoFile{}, nil, err
	}
	merchants, err := demoMerchants(filepath.Join(dir, "merchants.json"), box.box.Accounts())
	if err != nil {
		return demoFile{}, nil, err
	}
	a, err := openApp(ctx, s, keys, log)
	if err != nil {
		return demoFile{}, nil, err
	}
	if err := a.directory.Seed(ctx, demoInstallation(merchants, box)); err != nil {
		return demoFile{}, nil, errors.Join(fmt.Errorf("make sample merchants: %w", err), a.store.Close())
	}
	return demoFile{Merchants: merchants}, a, nil
}

// demoKeyring opens the master key of DIR, making it at the first start.
func demoKeyring(path string) (*secret.Keyring, error) {
	master, err := secret.ReadMasterFile(path)
	if errors.Is(err, fs.ErrNotExist) {
		master, err = secret.CreateMasterFile(path)
	}
	if err != nil {
		return nil, err
	}
	return secret.OpenKeyring(master)
}

// demoNames are the sample merchants; neighbours belong to one provider.
var demoNames = [...]string{"晨光便利店", "南山面馆", "阿福水果", "海边书屋"}

// demoMerchants reads the sample merchants of DIR, or makes them with fresh
// keys at the first start.
func demoMerchants(path string, accounts sandbox.Accounts) ([]demoMerchant, error) {
	n := 0
	for i := range accounts.Providers {
		n += len(accounts.Providers[i].WeChat.Merchants)
	}
	raw, err := readFile(path, maxAccounts)
	if err == nil {
		var ms []demoMerchant
		if err := json.Unmarshal(raw, &ms); err != nil {
			return nil, fmt.Errorf("%s is damaged: %w; remove the data directory to start afresh", path, err)
		}
		if len(ms) < n || slices.ContainsFunc(ms, func(m demoMerchant) bool { return len(m.Prefixes) == 0 }) {
			return nil, fmt.Errorf("%s is damaged: it needs %d merchants with prefixes; remove the data directory to start afresh", path, n)
		}
		return ms, nil
	}
	if !errors.Is(err, fs.ErrNotExist) {
		return nil, err
	}
	var g errgroup.Group
	ms := make([]demoMerchant, 0, n)
	for i, p := range accounts.Providers {
		for range p.WeChat.Merchants {
			ms = append(ms, demoMerchant{
				Name: demoNames[len(ms)%len(demoNames)], OutMchID: fmt.Sprintf("sz01DEMOMCH%09d", i+1),
				OutSubMchID: fmt.Sprintf("sz01DEMOSUB%09d", len(ms)+1), OutShopID: fmt.Sprintf("sz01DEMOSHP%09d", len(ms)+1),
				DeviceID: "till-1", StaffID: "1001",
				Prefixes: []string{fmt.Sprintf("9100%04d", len(ms)+1), fmt.Sprintf("sz01demo%02d", len(ms)+1)},
			})
		}
	}
	for i := range ms {
		g.Go(func() error {
			authen, err := directory.NewAuthenKey()
			if err != nil {
				return err
			}
			key, err := rsa.GenerateKey(rand.Reader, 2048)
			if err != nil {
				return err
			}
			der, err := x509.MarshalPKCS8PrivateKey(key)
			if err != nil {
				return err
			}
			ms[i].AuthenKey = authen.Reveal()
			ms[i].PrivateKeyPEM = string(pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: der}))
			return nil
		})
	}
	if err := g.Wait(); err != nil {
		return nil, fmt.Errorf("make keys: %w", err)
	}
	return ms, writeJSON(path, ms)
}

// demoInstallation is the directory of the demo: the sample merchants, and the
// sandbox's accounts at today's addresses.
func demoInstallation(ms []demoMerchant, box *boxServer) directory.Installation {
	var in directory.Installation
	accounts := box.box.Accounts()
	next := 0
	base := "https://" + box.wallet.Addr().String()
	for i, p := range accounts.Providers {
		id := fmt.Sprintf("sz01DEMOMCH%09d", i+1)
		in.Providers = append(in.Providers, directory.Provider{ID: id, Name: fmt.Sprintf("演示服务商%d", i+1)})
		in.Accounts = append(in.Accounts, demoAccounts(id, i, p, base, accounts.CAPEM)...)
		for j := range p.WeChat.Merchants {
			m := ms[next]
			next++
			in.Merchants = append(in.Merchants, directory.Merchant{
				ID: m.OutSubMchID, ProviderID: id, Name: m.Name, DefaultBody: m.Name + "消费", Prefixes: m.Prefixes,
				AuthenKey: secret.New(m.AuthenKey), PublicKeyPEM: publicHalf(m.PrivateKeyPEM),
				Wx:  directory.WechatMerchant{SubMchID: p.WeChat.Merchants[j].SubMchID, SubAppID: p.WeChat.Merchants[j].SubAppID, API: demoAPI(j)},
				Ali: directory.AlipayMerchant{AppAuthToken: secret.New(p.Alipay.Merchants[j].AppAuthToken), SellerID: p.Alipay.Merchants[j].UserID},
				Shops: []directory.Shop{{
					ID: m.OutShopID, Name: m.Name + "总店",
					Devices: []directory.Device{{ID: m.DeviceID, Name: "一号收银台"}, {ID: "till-2", Name: "二号收银台"}},
					Staff:   []directory.Staff{{ID: m.StaffID, Name: "小李", ShopManager: true, RefundAuth: true}},
				}},
			})
		}
	}
	return in
}

// demoAccounts are the accounts of the i-th provider. All have the keys of every
// mode; of the modes that exclude each other, providers use one each.
func demoAccounts(id string, i int, p sandbox.Provider, base, roots string) []directory.Account {
	wx := &directory.WechatAccount{
		MchID: p.WeChat.MchID, AppID: p.WeChat.AppID, API: directory.APIv3,
		APIKey: secret.New(p.WeChat.APIv2Key), SignType: directory.SignHMAC, APIv3Key: secret.New(p.WeChat.APIv3Key),
		CertPEM: p.WeChat.ClientCertPEM, KeyPEM: secret.New(p.WeChat.ClientKeyPEM), BaseURL: base, CAPEM: roots,
	}
	ali := &directory.AlipayAccount{
		AppID: p.Alipay.AppID, PrivateKeyPEM: secret.New(p.Alipay.AppPrivateKeyPEM), AlipayPublicPEM: p.Alipay.AlipayPublicKeyPEM,
		GatewayURL: base + "/gateway.do", CAPEM: roots,
	}
	if i%2 == 1 {
		wx.PublicKeyID, wx.PublicKeyPEM = p.WeChat.PublicKeyID, p.WeChat.PublicKeyPEM
		ali.AppCertPEM, ali.AlipayCertPEM, ali.RootCertPEM = p.Alipay.AppCertPEM, p.Alipay.AlipayCertPEM, p.Alipay.RootCertPEM
	}
	return []directory.Account{
		{ProviderID: id, Channel: pay.Wxpay, Wechat: wx}, {ProviderID: id, Channel: pay.Alipay, Alipay: ali},
	}
}

// demoAPI is the API of WeChat Pay that a provider's j-th merchant uses, so that
// both are seen to work: the first has none of its own, which is v3.
func demoAPI(j int) string {
	if j%2 == 1 {
		return directory.APIv2
	}
	return ""
}

// publicHalf is the public key of a private key in PEM, "" if it is unreadable.
func publicHalf(private string) string {
	block, _ := pem.Decode([]byte(private))
	if block == nil {
		return ""
	}
	key, err := x509.ParsePKCS8PrivateKey(block.Bytes)
	if err != nil {
		return ""
	}
	rsaKey, ok := key.(*rsa.PrivateKey)
	if !ok {
		return ""
	}
	der, err := x509.MarshalPKIXPublicKey(&rsaKey.PublicKey)
	if err != nil {
		return ""
	}
	return string(pem.EncodeToMemory(&pem.Block{Type: "PUBLIC KEY", Bytes: der}))
}

// greet prints the URLs and commands that can be pasted into another terminal.
func (c *demoCmd) greet(e env, dir string, f demoFile, now time.Time) {
	self, err := os.Executable()
	if err != nil {
		self = "cloudpay"
	}
	if wd, err := os.Getwd(); err == nil {
		if rel, err := filepath.Rel(wd, self); err == nil && !strings.HasPrefix(rel, "..") {
			self = "./" + rel
		}
		if rel, err := filepath.Rel(wd, dir); err == nil && !strings.HasPrefix(rel, "..") {
			dir = rel
		}
	}
	run := self
	data := ""
	if dir != ".demo" {
		data = " --data " + dir
	}
	w := f.Merchants[0].Prefixes[0] + now.Format("060102150405") + "0001"
	x := f.Merchants[0].Prefixes[0] + now.Format("060102150405") + "0002"
	y := f.Merchants[0].Prefixes[0] + now.Format("060102150405") + "0003"
	_, _ = fmt.Fprintf(e.stdout, `cloudpay demo is running.

  API      %[1]s/cpay/   (%[1]s/docs/, /healthz, /readyz, /metrics)
  Phone    %[2]s/phone   (the customer's phone, in a browser)
  Sandbox  %[2]s/sandbox/v1/   (customers, payment codes, faults: docs/sandbox.md)
  Requests %[2]s/sandbox/requests   (every call of a wallet, with the verdict on its signature)
  Keys     %[3]s   (ids and keys of %[4]d sample merchants)

Paste into another terminal, in this folder:

  %[5]s pay%[6]s --order %[7]s --auth-code "$(%[5]s sandbox paycode%[6]s --channel wxpay)" --amount 0.02
  %[5]s pay%[6]s --order %[8]s --auth-code "$(%[5]s sandbox paycode%[6]s --channel alipay)" --amount 0.02
  %[5]s query%[6]s %[7]s
  %[5]s refund%[6]s %[7]s --amount 0.01
  %[5]s refund%[6]s %[7]s --amount 0.02        # refused: 超过可退金额
  %[5]s refund%[6]s %[7]s --amount 0.01
  %[5]s query%[6]s %[7]s                       # 已全额退款

A payment that asks for the password, and the customer who answers it (third terminal):

  %[5]s pay%[6]s --order %[9]s --auth-code "$(%[5]s sandbox paycode%[6]s --channel wxpay --customer anna)" --amount 600.00
  %[5]s sandbox answer%[6]s anna approve       # or: cancel

Stop with Ctrl-C. A second start continues with the same data.
`, f.API, f.Sandbox, filepath.Join(dir, "demo.json"), len(f.Merchants), run, data, w, x, y)
}
