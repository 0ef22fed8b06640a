package sim

import (
	"context"
	"crypto/rsa"
	"errors"
	"log/slog"
	"math/rand/v2"
	"time"

	"cloudpay/internal/channel"
	"cloudpay/internal/channel/alipay"
	"cloudpay/internal/channel/wxpay"
	"cloudpay/internal/directory"
	"cloudpay/internal/pay"
	"cloudpay/internal/sandbox"
	"cloudpay/internal/secret"
	"cloudpay/internal/wallets"
)

// apis are the interfaces that WeChat Pay is spoken by: the one a run begins
// with and the one it changes to, "" for never.
var apis = [][2]string{
	{directory.APIv2},
	{directory.APIv3},
	{directory.APIv3},
	{directory.APIv2, directory.APIv3},
	{directory.APIv3, directory.APIv2},
}

// throwAPI throws by which interfaces WeChat Pay is spoken.
func (w *world) throwAPI() [2]string { return apis[w.dice("api").IntN(len(apis))] }

// accountsOf are the provider's accounts at the wallets, as the wallets gave them.
func accountsOf(p sandbox.Provider, m modes) []directory.Account {
	wx := p.WeChat
	ali := directory.AlipayAccount{
		AppID: p.Alipay.AppID, PrivateKeyPEM: secret.New(p.Alipay.AppPrivateKeyPEM), AlipayPublicPEM: p.Alipay.AlipayPublicKeyPEM,
		GatewayURL: "https://ali.wallet.test/gateway.do",
	}
	if m.certs {
		certify(&ali, p.Alipay)
	}
	return []directory.Account{
		{ProviderID: providerID, Channel: pay.Wxpay, Wechat: &directory.WechatAccount{
			MchID: wx.MchID, AppID: wx.AppID, API: m.api, APIKey: secret.New(wx.APIv2Key), APIv3Key: secret.New(wx.APIv3Key),
			SignType: directory.SignHMAC, CertPEM: wx.ClientCertPEM, KeyPEM: secret.New(wx.ClientKeyPEM), BaseURL: "https://wx.wallet.test",
		}},
		{ProviderID: providerID, Channel: pay.Alipay, Alipay: &ali},
	}
}

// wallets are the accounts in use, with the real adapters on the simulated
// network.
func (p *process) wallets(log *slog.Logger) *wallets.Wallets {
	return wallets.New(wallets.Config{Directory: p.people, Build: p.build, Now: p.now, Log: log})
}

// build makes the adapter of an account.
func (p *process) build(a *directory.Account) (channel.Channel, error) {
	if l := a.Alipay; l != nil {
		return alipay.New(alipay.Config{
			GatewayURL: l.GatewayURL, AppID: l.AppID, AppPrivateKeyPEM: l.PrivateKeyPEM, AlipayPublicKeyPEM: l.AlipayPublicPEM,
			AppCertPEM: l.AppCertPEM, AlipayCertPEM: l.AlipayCertPEM, RootCertPEM: l.RootCertPEM,
			Now: p.now, Transport: &link{w: p.w, name: "alipay", from: p, to: p.w.wallet},
		})
	}
	wx := a.Wechat
	return wxpay.New(wxpay.Config{
		BaseURL: wx.BaseURL, MchID: wx.MchID, AppID: wx.AppID, API: wx.API, APIKey: wx.APIKey, APIv3Key: wx.APIv3Key,
		PublicKeyID: wx.PublicKeyID, PublicKeyPEM: wx.PublicKeyPEM, SignType: wxpay.SignType(wx.SignType),
		ClientCertPEM: wx.CertPEM, ClientKeyPEM: wx.KeyPEM, Now: p.now,
		Transport: &link{w: p.w, name: "wxpay", from: p, to: p.w.wallet},
	})
}

// spareKey is the sandbox's source of keys for rotations.
func (w *world) spareKey() (*rsa.PrivateKey, error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.keysUsed == len(w.Kit.spare) {
		return nil, errors.New("sim: a run rotates more keys than the kit has")
	}
	w.keysUsed++
	return w.Kit.spare[w.keysUsed-1], nil
}

// Limits of what befalls keys in a run; the kit has a spare key for each.
const (
	maxRotations = 2
	maxRenewals  = 1
)

// planAccounts throws what befalls the keys between us and the wallets. Its dice
// are of their own, so that other happenings stay what they are.
func (w *world) planAccounts() {
	r := w.dice("accounts")
	within := func() time.Time { return w.start.Add(between(r, 0, w.weather.lasts)) }
	if w.api[1] != "" {
		w.at(within(), "", func(ctx context.Context) {
			w.actor(func() { w.changeAccount(ctx, "API "+w.api[1], func(a *directory.WechatAccount) { a.API = w.api[1] }) })
		})
	}
	w.planCerts()
	if w.api == apis[0] { // nothing of v2 rotates
		return
	}
	if r.IntN(3) == 0 {
		for range 1 + r.IntN(maxRotations) {
			lead, overlap := throwOverlap(r)
			w.at(within(), "", func(ctx context.Context) { w.rotatePlatform(ctx, lead, overlap) })
		}
	}
	if r.IntN(4) == 0 {
		_, overlap := throwOverlap(r)
		w.at(within(), "", func(ctx context.Context) { w.actor(func() { w.renewClient(ctx, max(overlap, time.Minute)) }) })
	}
	if r.IntN(4) == 0 {
		unlisted := r.IntN(2) == 0
		w.at(within(), "", func(ctx context.Context) { w.actor(func() { w.migrate(ctx, unlisted) }) })
	}
}

// throwOverlap throws how a wallet's certificate is replaced: at one moment, with
// a time in which both are listed, or announced before it signs.
func throwOverlap(r *rand.Rand) (lead, overlap time.Duration) {
	switch r.IntN(3) {
	case 0:
		return 0, 0
	case 1:
		return 0, between(r, time.Second, 10*time.Minute)
	}
	return between(r, 30*time.Second, 2*time.Minute), between(r, 5*time.Second, 5*time.Minute)
}

// rotatePlatform has WeChat Pay sign with another platform certificate.
func (w *world) rotatePlatform(ctx context.Context, lead, overlap time.Duration) {
	w.fault("wallet's certificate rotated")
	w.note("wallet", "another platform certificate, in %v, the old one for %v more", lead, overlap)
	if err := w.box.RotateWeChat(ctx, w.Kit.accounts.WeChat.MchID, lead, overlap); err != nil {
		w.violated("the wallet's certificate is not replaced: %v", err)
	}
}

// renewClient replaces the provider's own API certificate: first at the wallet,
// then here, before the wallet drops the old one. While the operator cannot
// store the new one for longer than the overlap, nothing reaches the wallet.
func (w *world) renewClient(ctx context.Context, overlap time.Duration) {
	a, err := w.box.RenewWeChatClient(ctx, w.Kit.accounts.WeChat.MchID, overlap)
	if err != nil {
		w.violated("the provider gets no new certificate: %v", err)
		return
	}
	w.fault("provider's certificate renewed")
	w.note("wallet", "the provider has another API certificate, the old one for %v more", overlap)
	w.sleep(between(w.dice("renew"), time.Second, 30*time.Second))
	w.changeAccount(ctx, "API certificate", func(wx *directory.WechatAccount) {
		wx.CertPEM, wx.KeyPEM = a.ClientCertPEM, secret.New(a.ClientKeyPEM)
	})
}

// migrate moves the provider to WeChat Pay's public key: we know it first, then
// WeChat signs with it, and in the end may list no certificate any more.
func (w *world) migrate(ctx context.Context, unlisted bool) {
	wx := w.Kit.accounts.WeChat
	w.changeAccount(ctx, "public key", func(a *directory.WechatAccount) {
		a.PublicKeyID, a.PublicKeyPEM = wx.PublicKeyID, wx.PublicKeyPEM
	})
	w.sleep(between(w.dice("migrate"), 12*time.Second, 2*time.Minute))
	w.fault("wallet moves to its public key")
	w.note("wallet", "signs with its public key, lists none: %v", unlisted)
	if err := w.box.MigrateWeChat(ctx, wx.MchID, 100, unlisted); err != nil {
		w.violated("the wallet does not move to its public key: %v", err)
	}
}

// changeAccount has an operator change the account at WeChat Pay.
func (w *world) changeAccount(ctx context.Context, what string, change func(*directory.WechatAccount)) {
	w.insist(ctx, what, pay.Wxpay, func(a *directory.Account) {
		wx := *a.Wechat
		change(&wx)
		a.Wechat = &wx
	})
}

// insist has an operator change an account as often as it takes.
func (w *world) insist(ctx context.Context, what string, ch pay.Channel, change func(*directory.Account)) {
	for !w.tryAccount(ctx, what, ch, change) {
		w.sleep(between(w.dice("account", what), time.Second, 10*time.Second))
	}
	w.fault("account changed: " + what)
}

// tryAccount tries once and reports whether it is done. Two changes at a time
// would undo one another, as two operators' would.
func (w *world) tryAccount(ctx context.Context, what string, ch pay.Channel, change func(*directory.Account)) bool {
	w.operator <- struct{}{}
	defer func() { <-w.operator }()
	p := w.running()
	if p == nil {
		return false
	}
	p.people.Forget()
	was, err := p.people.Account(ctx, providerID, ch)
	if err != nil {
		w.note("account", "cannot be read")
		return false
	}
	is := directory.Account{ProviderID: providerID, Channel: ch, Wechat: was.Wechat, Alipay: was.Alipay}
	change(&is)
	err = p.people.PutAccount(ctx, directory.System, is)
	w.note("account", "is changed, %s: %v", what, err == nil)
	return err == nil
}
