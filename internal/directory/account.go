package directory

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"strings"

	"cloudpay/internal/pay"
	"cloudpay/internal/secret"
)

// Account is a provider's account at one wallet. Exactly the member that
// belongs to Channel is set. It is read-only for callers.
type Account struct {
	ProviderID string
	Channel    pay.Channel
	Wechat     *WechatAccount
	Alipay     *AlipayAccount
	// Tag changes whenever the stored row changes, so that whoever built a
	// channel from an account knows when to build it again. "" before storing.
	Tag string
}

// WechatAccount is what it takes to speak WeChat Pay v2 as a provider.
type WechatAccount struct {
	MchID    string
	AppID    string
	APIKey   secret.Secret // the APIv2 key, 32 characters
	SignType string        // SignMD5 or SignHMAC
	CertPEM  string        // client certificate, for the calls that want mTLS
	KeyPEM   secret.Secret // its private key
	BaseURL  string        // https://host[:port], no path
	CAPEM    string        // roots for BaseURL, "" for the system's
}

// The sign types of WeChat Pay v2, as they stand on the wire.
const (
	SignMD5  = "MD5"
	SignHMAC = "HMAC-SHA256"
)

// AlipayAccount is what it takes to speak Alipay's open API as an ISV.
type AlipayAccount struct {
	AppID           string
	PrivateKeyPEM   secret.Secret // ours, signs requests (RSA2)
	AlipayPublicPEM string        // Alipay's, verifies answers and notices
	GatewayURL      string        // https://host[:port]/gateway.do
	CAPEM           string        // roots for GatewayURL, "" for the system's
}

// accountFields is the JSON that is sealed: the one place where an account's
// secrets are plain strings. Names of members are stored: never change one.
type accountFields struct {
	MchID      string `json:"mch_id,omitempty"`
	AppID      string `json:"app_id,omitempty"`
	APIKey     string `json:"api_key,omitempty"`
	SignType   string `json:"sign_type,omitempty"`
	CertPEM    string `json:"cert_pem,omitempty"`
	KeyPEM     string `json:"key_pem,omitempty"`
	BaseURL    string `json:"base_url,omitempty"`
	CAPEM      string `json:"ca_pem,omitempty"`
	PrivatePEM string `json:"private_pem,omitempty"`
	PublicPEM  string `json:"public_pem,omitempty"`
}

// accountKey is the cache's key and the owner of the sealed fields. Ids hold
// no slash, so it is unambiguous.
func accountKey(providerID string, ch pay.Channel) string { return providerID + "/" + string(ch) }

func (d *Directory) loadAccount(ctx context.Context, key string) (*Account, error) {
	providerID, name, _ := strings.Cut(key, "/")
	ch := pay.Channel(name)
	r, err := d.loader.LoadAccount(ctx, providerID, ch)
	if err != nil {
		return nil, fmt.Errorf("load %s account of provider %s: %w", ch, providerID, err)
	}
	p, err := d.provider(ctx, providerID)
	if err != nil {
		// Not %w, as in loadMerchant.
		return nil, fmt.Errorf("load %s account: its %s", ch, err.Error())
	}
	text, err := p.key.Open(secret.Place{Purpose: purposeAccount, Owner: key}, r.Fields)
	if err != nil {
		return nil, fmt.Errorf("load %s account of provider %s: %w", ch, providerID, err)
	}
	a, err := decodeAccount(providerID, ch, text)
	if err != nil {
		return nil, fmt.Errorf("load %s account of provider %s: %w", ch, providerID, err)
	}
	a.Tag = tagOf(r.Fields)
	return a, nil
}

func decodeAccount(providerID string, ch pay.Channel, text secret.Secret) (*Account, error) {
	var f accountFields
	if err := json.Unmarshal([]byte(text.Reveal()), &f); err != nil {
		return nil, errors.New("its fields are not readable") // json's own error quotes the text
	}
	a := &Account{ProviderID: providerID, Channel: ch}
	switch ch {
	case pay.Wxpay:
		a.Wechat = &WechatAccount{
			MchID: f.MchID, AppID: f.AppID, APIKey: secret.New(f.APIKey), SignType: f.SignType,
			CertPEM: f.CertPEM, KeyPEM: secret.New(f.KeyPEM), BaseURL: f.BaseURL, CAPEM: f.CAPEM,
		}
	case pay.Alipay:
		a.Alipay = &AlipayAccount{
			AppID: f.AppID, PrivateKeyPEM: secret.New(f.PrivatePEM), AlipayPublicPEM: f.PublicPEM,
			GatewayURL: f.BaseURL, CAPEM: f.CAPEM,
		}
	}
	return a, nil
}

// encode returns the account's fields as they are sealed.
func (a *Account) encode() (secret.Secret, error) {
	var f accountFields
	switch a.Channel {
	case pay.Wxpay:
		w := a.Wechat
		f = accountFields{
			MchID: w.MchID, AppID: w.AppID, APIKey: w.APIKey.Reveal(), SignType: w.SignType,
			CertPEM: w.CertPEM, KeyPEM: w.KeyPEM.Reveal(), BaseURL: w.BaseURL, CAPEM: w.CAPEM,
		}
	case pay.Alipay:
		l := a.Alipay
		f = accountFields{
			AppID: l.AppID, PrivatePEM: l.PrivateKeyPEM.Reveal(), PublicPEM: l.AlipayPublicPEM,
			BaseURL: l.GatewayURL, CAPEM: l.CAPEM,
		}
	}
	b, err := json.Marshal(f) //nolint:gosec // sealed by the caller before it goes anywhere
	if err != nil {
		return secret.Secret{}, errors.New("encode account")
	}
	if len(b) > MaxFields {
		return secret.Secret{}, fmt.Errorf("account has %d bytes, at most %d are kept", len(b), MaxFields)
	}
	return secret.New(string(b)), nil
}

// check reports what is missing or wrong in an account.
func (a *Account) check() error {
	who := fmt.Sprintf("%s account of provider %s", a.Channel, a.ProviderID)
	switch {
	case a.Channel == pay.Wxpay && a.Wechat != nil && a.Alipay == nil:
		return a.Wechat.check(who)
	case a.Channel == pay.Alipay && a.Alipay != nil && a.Wechat == nil:
		return a.Alipay.check(who)
	}
	return fmt.Errorf("%s: the member of its channel, and only that one, must be set", who)
}

func (w *WechatAccount) check(who string) error {
	var errs []error
	for _, f := range []struct{ name, value string }{
		{"mch id", w.MchID}, {"app id", w.AppID}, {"APIv2 key", w.APIKey.Reveal()},
	} {
		if f.value == "" {
			errs = append(errs, fmt.Errorf("%s: %s is missing", who, f.name))
		}
	}
	if w.SignType != SignMD5 && w.SignType != SignHMAC {
		errs = append(errs, fmt.Errorf("%s: sign type must be %s or %s", who, SignMD5, SignHMAC))
	}
	if (w.CertPEM == "") != w.KeyPEM.IsZero() {
		errs = append(errs, fmt.Errorf("%s: client certificate and key belong together", who))
	}
	if err := checkBase(w.BaseURL); err != nil {
		errs = append(errs, fmt.Errorf("%s: base URL: %w", who, err))
	}
	return errors.Join(errs...)
}

func (l *AlipayAccount) check(who string) error {
	var errs []error
	for _, f := range []struct{ name, value string }{
		{"app id", l.AppID}, {"private key", l.PrivateKeyPEM.Reveal()}, {"Alipay's public key", l.AlipayPublicPEM},
	} {
		if f.value == "" {
			errs = append(errs, fmt.Errorf("%s: %s is missing", who, f.name))
		}
	}
	if err := checkBase(l.GatewayURL); err != nil {
		errs = append(errs, fmt.Errorf("%s: gateway URL: %w", who, err))
	}
	return errors.Join(errs...)
}

// checkBase refuses an upstream address that is missing or not TLS: requests
// carry payment codes.
func checkBase(s string) error {
	if s == "" {
		return errors.New("address is missing")
	}
	if err := checkURL(s); err != nil {
		return err
	}
	if !strings.HasPrefix(s, "https://") {
		return errors.New("address must begin with https://")
	}
	return nil
}
