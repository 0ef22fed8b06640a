package manage

import (
	"cmp"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"net/http"
	"slices"
	"time"

	"cloudpay/internal/directory"
	"cloudpay/internal/pay"
	"cloudpay/internal/secret"
)

// WechatAccount is a provider's account at WeChat Pay. Keys go in and never
// come out.
type WechatAccount struct {
	MchID    string `json:"mch_id" doc:"服务商商户号" maxLength:"32"`
	AppID    string `json:"app_id" doc:"服务商 AppID" maxLength:"32"`
	API      string `json:"api,omitempty" doc:"未作选择的子商户使用的接口，不填时有 APIv3 密钥为 v3，否则为 v2" enum:"v2,v3"`
	APIKey   string `json:"api_key,omitempty" doc:"APIv2 密钥（32 位），只写" writeOnly:"true" maxLength:"64"`
	APIv3Key string `json:"api_v3_key,omitempty" doc:"APIv3 密钥（32 位），只写" writeOnly:"true" maxLength:"64"`
	SignType string `json:"sign_type,omitempty" doc:"v2 的签名方式" enum:"MD5,HMAC-SHA256" default:"HMAC-SHA256"`
	CertPEM  string `json:"cert_pem,omitempty" doc:"API 证书" maxLength:"16384"`
	KeyPEM   string `json:"key_pem,omitempty" doc:"API 证书私钥，只写" writeOnly:"true" maxLength:"16384"`
	// The public key of WeChat Pay, which takes the place of platform certificates.
	PublicKeyID string `json:"public_key_id,omitempty" doc:"微信支付公钥 ID（PUB_KEY_ID_…）" maxLength:"80"`
	PublicKey   string `json:"public_key_pem,omitempty" doc:"微信支付公钥" maxLength:"16384"`

	BaseURL   string `json:"base_url,omitempty" doc:"接口地址，不填为官方地址" maxLength:"255"`
	BackupURL string `json:"backup_url,omitempty" doc:"备用接口地址，接口地址连接不上时使用" maxLength:"255"`
	CAPEM     string `json:"ca_pem,omitempty" doc:"接口地址的根证书，不填用系统的" maxLength:"16384"`
}

// AlipayAccount is a provider's application at Alipay.
type AlipayAccount struct {
	AppID      string `json:"app_id" doc:"应用 ID" maxLength:"32"`
	PrivateKey string `json:"private_key_pem,omitempty" doc:"应用私钥，只写" writeOnly:"true" maxLength:"16384"`
	PublicKey  string `json:"alipay_public_key_pem,omitempty" doc:"支付宝公钥；公钥证书模式不需要" maxLength:"16384"`

	AppCert    string `json:"app_cert_pem,omitempty" doc:"公钥证书模式：应用公钥证书" maxLength:"16384"`
	AlipayCert string `json:"alipay_cert_pem,omitempty" doc:"公钥证书模式：支付宝公钥证书" maxLength:"16384"`
	RootCert   string `json:"root_cert_pem,omitempty" doc:"公钥证书模式：支付宝根证书" maxLength:"32768"`

	GatewayURL string `json:"gateway_url,omitempty" doc:"网关地址，不填为官方地址" maxLength:"255"`
	CAPEM      string `json:"ca_pem,omitempty" doc:"网关地址的根证书，不填用系统的" maxLength:"16384"`
}

// Account is a provider's account at one wallet.
type Account struct {
	ProviderID string         `json:"out_mch_id"`
	Channel    string         `json:"channel" enum:"wxpay,alipay"`
	Wechat     *WechatAccount `json:"wxpay,omitempty"`
	Alipay     *AlipayAccount `json:"alipay,omitempty"`
	KeyPrint   string         `json:"key_fingerprint,omitempty" doc:"密钥指纹：SHA-256 的前 16 位"`
	V3Print    string         `json:"api_v3_key_fingerprint,omitempty" doc:"APIv3 密钥指纹"`
	// OldUntil is until when the keys that were replaced last still verify.
	OldUntil *time.Time `json:"previous_keys_until,omitempty" doc:"更换前的密钥在此之前仍可验签"`
}

// AccountPath names the wallet account of an operation.
type AccountPath struct {
	ProviderPath
	Channel string `path:"channel" enum:"wxpay,alipay"`
}

type setAccountInput struct {
	AccountPath
	Unrehearsed bool `query:"skip_rehearsal" doc:"不演练就保存，用于无法联网的情况；否则先向渠道提问，应答验签通过才保存"`
	Body        struct {
		Wechat *WechatAccount `json:"wxpay,omitempty" doc:"channel 为 wxpay 时"`
		Alipay *AlipayAccount `json:"alipay,omitempty" doc:"channel 为 alipay 时"`
	}
}

// The wallets' own addresses.
const (
	wechatAddress = "https://api.mch.weixin.qq.com"
	wechatBackup  = "https://api2.mch.weixin.qq.com"
	alipayAddress = "https://openapi.alipay.com/gateway.do"
)

func (s *Server) registerAccounts() {
	const tag, path = "渠道账户", "/v1/providers/{out_mch_id}/accounts"
	add(s, operation{id: "list-accounts", method: http.MethodGet, path: path, summary: "服务商的渠道账户", tag: tag}, s.listAccounts)
	add(s, operation{id: "get-account", method: http.MethodGet, path: path + "/{channel}", summary: "渠道账户", tag: tag}, s.getAccount)
	add(s, operation{id: "set-account", method: http.MethodPut, path: path + "/{channel}", summary: "设置渠道账户", tag: tag}, s.setAccount)
}

func accountView(a *directory.Account) Account {
	v := Account{ProviderID: a.ProviderID, Channel: string(a.Channel), OldUntil: moment(a.PreviousUntil)}
	if w := a.Wechat; w != nil {
		v.Wechat = &WechatAccount{
			MchID: w.MchID, AppID: w.AppID, API: cmp.Or(w.API, directory.APIv2), SignType: w.SignType, CertPEM: w.CertPEM,
			PublicKeyID: w.PublicKeyID, PublicKey: w.PublicKeyPEM, BaseURL: w.BaseURL, BackupURL: w.BackupURL, CAPEM: w.CAPEM,
		}
		v.KeyPrint, v.V3Print = printOf(w.APIKey), printOf(w.APIv3Key)
	}
	if l := a.Alipay; l != nil {
		v.Alipay = &AlipayAccount{
			AppID: l.AppID, PublicKey: l.AlipayPublicPEM, AppCert: l.AppCertPEM, AlipayCert: l.AlipayCertPEM, RootCert: l.RootCertPEM,
			GatewayURL: l.GatewayURL, CAPEM: l.CAPEM,
		}
		v.KeyPrint = printOf(l.PrivateKeyPEM)
	}
	return v
}

// printOf names a key's value to a person who compares it. Keys of the wallets
// have at least 128 random bits, so it gives nothing away.
func printOf(key secret.Secret) string {
	if key.IsZero() {
		return ""
	}
	sum := sha256.Sum256([]byte(key.Reveal()))
	return hex.EncodeToString(sum[:8])
}

func (s *Server) listAccounts(ctx context.Context, a *actor, in *ProviderPath) (*answer[Page[Account]], error) {
	if err := a.ownsProvider(in.ID); err != nil {
		return nil, err
	}
	if _, err := s.Directory.Provider(ctx, in.ID); err != nil {
		return nil, err
	}
	var list []*directory.Account
	for _, ch := range []pay.Channel{pay.Wxpay, pay.Alipay} {
		switch acc, err := s.Directory.Account(ctx, in.ID, ch); {
		case errors.Is(err, pay.ErrNotFound):
		case err != nil:
			return nil, err
		default:
			list = append(list, acc)
		}
	}
	return whole(list, accountView), nil
}

func (s *Server) getAccount(ctx context.Context, a *actor, in *AccountPath) (*answer[Account], error) {
	if err := a.ownsProvider(in.ID); err != nil {
		return nil, err
	}
	acc, err := s.Directory.Account(ctx, in.ID, pay.Channel(in.Channel))
	if err != nil {
		return nil, err
	}
	return ok(accountView(acc)), nil
}

// setAccount replaces an account. Keys that are left out stay as they are. It
// is rehearsed first: keys that the wallet does not answer to, or whose answers
// do not verify, must not take the place of those that work.
func (s *Server) setAccount(ctx context.Context, a *actor, in *setAccountInput) (*answer[Account], error) {
	if err := a.ownsProvider(in.ID); err != nil {
		return nil, err
	}
	acc, err := s.candidate(ctx, a, in.AccountPath, in.Body.Wechat, in.Body.Alipay)
	if err != nil {
		return nil, err
	}
	if !in.Unrehearsed {
		if _, err := s.rehearse(ctx, acc); err != nil {
			return nil, err
		}
	}
	if err := s.Directory.PutAccount(ctx, a.by(), *acc); err != nil {
		return nil, err
	}
	stored, err := s.Directory.Account(ctx, in.ID, acc.Channel)
	if err != nil {
		return nil, err
	}
	return ok(accountView(stored)), nil
}

// candidate is the account that a request describes, checked and not stored.
// Only who runs the installation points it at another address than the wallet's:
// the server would call whatever a provider names, in its own network too, and
// show it payment codes.
func (s *Server) candidate(ctx context.Context, a *actor, at AccountPath, wx *WechatAccount, ali *AlipayAccount) (*directory.Account, error) {
	if _, err := s.Directory.Provider(ctx, at.ID); err != nil {
		return nil, err
	}
	acc := &directory.Account{ProviderID: at.ID, Channel: pay.Channel(at.Channel)}
	old, err := s.Directory.Account(ctx, at.ID, acc.Channel)
	if errors.Is(err, pay.ErrNotFound) {
		old = &directory.Account{Wechat: &directory.WechatAccount{}, Alipay: &directory.AlipayAccount{}}
	} else if err != nil {
		return nil, err
	}
	switch {
	case acc.Channel == pay.Wxpay && wx != nil && ali == nil:
		acc.Wechat = wx.account(old.Wechat)
	case acc.Channel == pay.Alipay && ali != nil && wx == nil:
		acc.Alipay = ali.account(old.Alipay)
	default:
		return nil, invalidField("body."+at.Channel, "请只填写与渠道一致的账户信息")
	}
	if a.operator() != nil && !sameWallet(acc, old) {
		return nil, pay.Refuse(pay.ErrDenied, "wallet_address", "接口地址和根证书只能由系统管理员更改")
	}
	return acc, acc.CheckCredentials(s.Now())
}

// checkAPI refuses a merchant's choice of WeChat Pay's API when its provider has
// an account without the key of that API: every payment would be refused.
func (s *Server) checkAPI(ctx context.Context, providerID, api string) error {
	if api == "" {
		return nil
	}
	a, err := s.Directory.Account(ctx, providerID, pay.Wxpay)
	if errors.Is(err, pay.ErrNotFound) {
		return nil // it may still come
	}
	if err != nil {
		return err
	}
	if w := a.Wechat; api == directory.APIv3 && w.APIv3Key.IsZero() || api == directory.APIv2 && w.APIKey.IsZero() {
		return invalidField("body.wx_api", "服务商的微信支付账户没有 API"+api+" 密钥")
	}
	return nil
}

// sameWallet reports whether an account is at the wallet's own address, or
// where it was before.
func sameWallet(is, was *directory.Account) bool {
	type place struct{ address, backup, roots string }
	where := func(a *directory.Account) place {
		switch {
		case a.Wechat != nil && is.Wechat != nil:
			return place{a.Wechat.BaseURL, a.Wechat.BackupURL, a.Wechat.CAPEM}
		case a.Alipay != nil && is.Alipay != nil:
			return place{a.Alipay.GatewayURL, "", a.Alipay.CAPEM}
		}
		return place{}
	}
	own := []place{{wechatAddress, wechatBackup, ""}, {wechatAddress, "", ""}}
	if is.Alipay != nil {
		own = []place{{alipayAddress, "", ""}}
	}
	return slices.Contains(append(own, where(was)), where(is))
}

func (v *WechatAccount) account(old *directory.WechatAccount) *directory.WechatAccount {
	w := &directory.WechatAccount{
		MchID: v.MchID, AppID: v.AppID, API: v.API, APIKey: orOld(v.APIKey, old.APIKey), APIv3Key: orOld(v.APIv3Key, old.APIv3Key),
		SignType: v.SignType, CertPEM: v.CertPEM, KeyPEM: orOld(v.KeyPEM, old.KeyPEM),
		PublicKeyID: v.PublicKeyID, PublicKeyPEM: v.PublicKey, BaseURL: v.BaseURL, BackupURL: v.BackupURL, CAPEM: v.CAPEM,
	}
	switch {
	case w.API != "":
	case w.APIv3Key.IsZero():
		w.API = directory.APIv2
	default:
		w.API = directory.APIv3
	}
	if w.CertPEM == "" {
		w.KeyPEM = secret.Secret{} // a key without its certificate is of no use
	}
	if w.BaseURL == "" {
		w.BaseURL = wechatAddress
	}
	if w.BaseURL == wechatAddress && w.BackupURL == "" {
		w.BackupURL = wechatBackup
	}
	if w.SignType == "" {
		w.SignType = directory.SignHMAC
	}
	return w
}

func (v *AlipayAccount) account(old *directory.AlipayAccount) *directory.AlipayAccount {
	l := &directory.AlipayAccount{
		AppID: v.AppID, PrivateKeyPEM: orOld(v.PrivateKey, old.PrivateKeyPEM), AlipayPublicPEM: v.PublicKey,
		AppCertPEM: v.AppCert, AlipayCertPEM: v.AlipayCert, RootCertPEM: v.RootCert,
		GatewayURL: v.GatewayURL, CAPEM: v.CAPEM,
	}
	if l.GatewayURL == "" {
		l.GatewayURL = alipayAddress
	}
	return l
}

func orOld(text string, old secret.Secret) secret.Secret {
	if text == "" {
		return old
	}
	return secret.New(text)
}
