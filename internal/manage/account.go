package manage

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"net/http"

	"cloudpay/internal/directory"
	"cloudpay/internal/pay"
	"cloudpay/internal/secret"
)

// WechatAccount is a provider's account at WeChat Pay. Keys go in and never
// come out.
type WechatAccount struct {
	MchID    string `json:"mch_id" doc:"服务商商户号" maxLength:"32"`
	AppID    string `json:"app_id" doc:"服务商 AppID" maxLength:"32"`
	APIKey   string `json:"api_key,omitempty" doc:"APIv2 密钥，只写" writeOnly:"true" maxLength:"64"`
	SignType string `json:"sign_type,omitempty" doc:"签名方式" enum:"MD5,HMAC-SHA256" default:"HMAC-SHA256"`
	CertPEM  string `json:"cert_pem,omitempty" doc:"API 证书" maxLength:"16384"`
	KeyPEM   string `json:"key_pem,omitempty" doc:"API 证书私钥，只写" writeOnly:"true" maxLength:"16384"`
	BaseURL  string `json:"base_url,omitempty" doc:"接口地址，不填为官方地址" maxLength:"255"`
	CAPEM    string `json:"ca_pem,omitempty" doc:"接口地址的根证书，不填用系统的" maxLength:"16384"`
}

// AlipayAccount is a provider's application at Alipay.
type AlipayAccount struct {
	AppID      string `json:"app_id" doc:"应用 ID" maxLength:"32"`
	PrivateKey string `json:"private_key_pem,omitempty" doc:"应用私钥，只写" writeOnly:"true" maxLength:"16384"`
	PublicKey  string `json:"alipay_public_key_pem,omitempty" doc:"支付宝公钥" maxLength:"16384"`
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
}

// AccountPath names the wallet account of an operation.
type AccountPath struct {
	ProviderPath
	Channel string `path:"channel" enum:"wxpay,alipay"`
}

type setAccountInput struct {
	AccountPath
	Body struct {
		Wechat *WechatAccount `json:"wxpay,omitempty" doc:"channel 为 wxpay 时"`
		Alipay *AlipayAccount `json:"alipay,omitempty" doc:"channel 为 alipay 时"`
	}
}

// The wallets' own addresses.
const (
	wechatAddress = "https://api.mch.weixin.qq.com"
	alipayAddress = "https://openapi.alipay.com/gateway.do"
)

func (s *Server) registerAccounts() {
	const tag, path = "渠道账户", "/v1/providers/{out_mch_id}/accounts"
	add(s, operation{id: "list-accounts", method: http.MethodGet, path: path, summary: "服务商的渠道账户", tag: tag}, s.listAccounts)
	add(s, operation{id: "get-account", method: http.MethodGet, path: path + "/{channel}", summary: "渠道账户", tag: tag}, s.getAccount)
	add(s, operation{id: "set-account", method: http.MethodPut, path: path + "/{channel}", summary: "设置渠道账户", tag: tag}, s.setAccount)
}

func accountView(a *directory.Account) Account {
	v := Account{ProviderID: a.ProviderID, Channel: string(a.Channel)}
	if w := a.Wechat; w != nil {
		v.Wechat = &WechatAccount{MchID: w.MchID, AppID: w.AppID, SignType: w.SignType, CertPEM: w.CertPEM, BaseURL: w.BaseURL, CAPEM: w.CAPEM}
		v.KeyPrint = printOf(w.APIKey)
	}
	if l := a.Alipay; l != nil {
		v.Alipay = &AlipayAccount{AppID: l.AppID, PublicKey: l.AlipayPublicPEM, GatewayURL: l.GatewayURL, CAPEM: l.CAPEM}
		v.KeyPrint = printOf(l.PrivateKeyPEM)
	}
	return v
}

// printOf names a key's value to a person who compares it. Keys of the wallets
// have at least 128 random bits, so it gives nothing away.
func printOf(key secret.Secret) string {
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

// setAccount replaces an account. Keys that are left out stay as they are. Only
// who runs the installation points it at another address than the wallet's: the
// server would call whatever a provider names, in its own network too, and show
// it payment codes.
func (s *Server) setAccount(ctx context.Context, a *actor, in *setAccountInput) (*answer[Account], error) {
	if err := a.ownsProvider(in.ID); err != nil {
		return nil, err
	}
	if _, err := s.Directory.Provider(ctx, in.ID); err != nil {
		return nil, err
	}
	acc := directory.Account{ProviderID: in.ID, Channel: pay.Channel(in.Channel)}
	old, err := s.Directory.Account(ctx, in.ID, acc.Channel)
	if errors.Is(err, pay.ErrNotFound) {
		old = &directory.Account{Wechat: &directory.WechatAccount{}, Alipay: &directory.AlipayAccount{}}
	} else if err != nil {
		return nil, err
	}
	switch {
	case acc.Channel == pay.Wxpay && in.Body.Wechat != nil && in.Body.Alipay == nil:
		acc.Wechat = in.Body.Wechat.account(old.Wechat)
	case acc.Channel == pay.Alipay && in.Body.Alipay != nil && in.Body.Wechat == nil:
		acc.Alipay = in.Body.Alipay.account(old.Alipay)
	default:
		return nil, invalidField("body."+in.Channel, "请只填写与渠道一致的账户信息")
	}
	if a.operator() != nil && !sameWallet(&acc, old) {
		return nil, pay.Refuse(pay.ErrDenied, "wallet_address", "接口地址和根证书只能由系统管理员更改")
	}
	if err := s.Directory.PutAccount(ctx, a.by(), acc); err != nil {
		return nil, err
	}
	stored, err := s.Directory.Account(ctx, in.ID, acc.Channel)
	if err != nil {
		return nil, err
	}
	return ok(accountView(stored)), nil
}

// sameWallet reports whether an account is at the wallet's own address, or
// where it was before.
func sameWallet(is, was *directory.Account) bool {
	where := func(a *directory.Account) (address, roots string) {
		switch {
		case a.Wechat != nil && is.Wechat != nil:
			return a.Wechat.BaseURL, a.Wechat.CAPEM
		case a.Alipay != nil && is.Alipay != nil:
			return a.Alipay.GatewayURL, a.Alipay.CAPEM
		}
		return "", ""
	}
	address, roots := where(is)
	oldAddress, oldRoots := where(was)
	own := address == wechatAddress && is.Wechat != nil || address == alipayAddress && is.Alipay != nil
	return own && roots == "" || address == oldAddress && roots == oldRoots
}

func (v *WechatAccount) account(old *directory.WechatAccount) *directory.WechatAccount {
	w := &directory.WechatAccount{
		MchID: v.MchID, AppID: v.AppID, APIKey: orOld(v.APIKey, old.APIKey), SignType: v.SignType, CertPEM: v.CertPEM,
		KeyPEM: orOld(v.KeyPEM, old.KeyPEM), BaseURL: v.BaseURL, CAPEM: v.CAPEM,
	}
	if w.CertPEM == "" {
		w.KeyPEM = secret.Secret{} // a key without its certificate is of no use
	}
	if w.BaseURL == "" {
		w.BaseURL = wechatAddress
	}
	if w.SignType == "" {
		w.SignType = directory.SignHMAC
	}
	return w
}

func (v *AlipayAccount) account(old *directory.AlipayAccount) *directory.AlipayAccount {
	l := &directory.AlipayAccount{
		AppID: v.AppID, PrivateKeyPEM: orOld(v.PrivateKey, old.PrivateKeyPEM), AlipayPublicPEM: v.PublicKey,
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
