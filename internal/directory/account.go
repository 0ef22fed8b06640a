package directory

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"strings"
	"time"

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
	// Previous is the account as it was before its keys were last replaced, nil
	// once PreviousUntil has come: what was signed with the old keys is verified
	// until then. PutAccount keeps it; callers leave it alone.
	Previous      *Account
	PreviousUntil time.Time
	// Tag changes whenever the stored row changes, so that whoever built a
	// channel from an account knows when to build it again. "" before storing.
	Tag string
}

// WechatAccount is what it takes to speak WeChat Pay as a provider, by APIv3,
// by v2, or by both: merchants choose (WechatMerchant.API).
type WechatAccount struct {
	MchID string
	AppID string
	// API is what merchants without a choice of their own use: APIv2 or APIv3,
	// "" as stored before there was a choice, which means v2.
	API      string
	APIKey   secret.Secret // the APIv2 key, 32 characters; "" when nobody uses v2
	APIv3Key secret.Secret // 32 characters; "" when nobody uses v3
	SignType string        // v2: SignMD5 or SignHMAC
	CertPEM  string        // client certificate: signs v3, and v2's calls that want mTLS
	KeyPEM   secret.Secret // its private key
	// PublicKeyID and PublicKeyPEM are WeChat Pay's public key (微信支付公钥), both
	// "" while answers are signed with platform certificates.
	PublicKeyID  string // PUB_KEY_ID_…
	PublicKeyPEM string
	BaseURL      string // https://host[:port], no path
	BackupURL    string // asked when BaseURL takes no connection, "" for none
	CAPEM        string // roots for both addresses, "" for the system's
}

// The APIs of WeChat Pay.
const (
	APIv2 = "v2"
	APIv3 = "v3"
)

// The sign types of WeChat Pay v2, as they stand on the wire.
const (
	SignMD5  = "MD5"
	SignHMAC = "HMAC-SHA256"
)

// AlipayAccount is what it takes to speak Alipay's open API as an ISV.
type AlipayAccount struct {
	AppID           string
	PrivateKeyPEM   secret.Secret // ours, signs requests (RSA2)
	AlipayPublicPEM string        // Alipay's, verifies answers and notices; "" in certificate mode
	// The certificates of certificate mode (公钥证书模式), all three or none.
	AppCertPEM    string // appCertPublicKey_….crt: of PrivateKeyPEM
	AlipayCertPEM string // alipayCertPublicKey_RSA2.crt: Alipay's, with what it needs to reach the root
	RootCertPEM   string // alipayRootCert.crt: the pinned roots

	GatewayURL string // https://host[:port]/gateway.do
	CAPEM      string // roots for GatewayURL, "" for the system's
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

	API           string `json:"api,omitempty"`
	APIv3Key      string `json:"api_v3_key,omitempty"`
	PublicKeyID   string `json:"public_key_id,omitempty"`
	BackupURL     string `json:"backup_url,omitempty"`
	AppCertPEM    string `json:"app_cert_pem,omitempty"`
	AlipayCertPEM string `json:"alipay_cert_pem,omitempty"`
	RootCertPEM   string `json:"root_cert_pem,omitempty"`

	Previous        *accountFields `json:"previous,omitempty"`
	PreviousUntilMS int64          `json:"previous_until_ms,omitempty"`
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
	if !d.now().Before(a.PreviousUntil) {
		a.Previous, a.PreviousUntil = nil, time.Time{}
	}
	return a, nil
}

func decodeAccount(providerID string, ch pay.Channel, text secret.Secret) (*Account, error) {
	var f accountFields
	if err := json.Unmarshal([]byte(text.Reveal()), &f); err != nil {
		return nil, errors.New("its fields are not readable") // json's own error quotes the text
	}
	a := f.account(providerID, ch)
	if f.Previous != nil {
		a.Previous, a.PreviousUntil = f.Previous.account(providerID, ch), time.UnixMilli(f.PreviousUntilMS).UTC()
	}
	return a, nil
}

func (f *accountFields) account(providerID string, ch pay.Channel) *Account {
	a := &Account{ProviderID: providerID, Channel: ch}
	switch ch {
	case pay.Wxpay:
		a.Wechat = &WechatAccount{
			MchID: f.MchID, AppID: f.AppID, API: f.API, APIKey: secret.New(f.APIKey), APIv3Key: secret.New(f.APIv3Key),
			SignType: f.SignType, CertPEM: f.CertPEM, KeyPEM: secret.New(f.KeyPEM),
			PublicKeyID: f.PublicKeyID, PublicKeyPEM: f.PublicPEM, BaseURL: f.BaseURL, BackupURL: f.BackupURL, CAPEM: f.CAPEM,
		}
	case pay.Alipay:
		a.Alipay = &AlipayAccount{
			AppID: f.AppID, PrivateKeyPEM: secret.New(f.PrivatePEM), AlipayPublicPEM: f.PublicPEM,
			AppCertPEM: f.AppCertPEM, AlipayCertPEM: f.AlipayCertPEM, RootCertPEM: f.RootCertPEM,
			GatewayURL: f.BaseURL, CAPEM: f.CAPEM,
		}
	}
	return a
}

func (a *Account) fields() *accountFields {
	var f accountFields
	switch a.Channel {
	case pay.Wxpay:
		w := a.Wechat
		f = accountFields{
			MchID: w.MchID, AppID: w.AppID, API: w.API, APIKey: w.APIKey.Reveal(), APIv3Key: w.APIv3Key.Reveal(),
			SignType: w.SignType, CertPEM: w.CertPEM, KeyPEM: w.KeyPEM.Reveal(),
			PublicKeyID: w.PublicKeyID, PublicPEM: w.PublicKeyPEM, BaseURL: w.BaseURL, BackupURL: w.BackupURL, CAPEM: w.CAPEM,
		}
	case pay.Alipay:
		l := a.Alipay
		f = accountFields{
			AppID: l.AppID, PrivatePEM: l.PrivateKeyPEM.Reveal(), PublicPEM: l.AlipayPublicPEM,
			AppCertPEM: l.AppCertPEM, AlipayCertPEM: l.AlipayCertPEM, RootCertPEM: l.RootCertPEM,
			BaseURL: l.GatewayURL, CAPEM: l.CAPEM,
		}
	}
	return &f
}

// encode returns the account's fields as they are sealed, with those of
// Previous. MaxFields bounds each.
func (a *Account) encode() (secret.Secret, error) {
	f := a.fields()
	now, err := f.encode()
	if err != nil || a.Previous == nil {
		return now, err
	}
	f.Previous, f.PreviousUntilMS = a.Previous.fields(), a.PreviousUntil.UnixMilli()
	if _, err := f.Previous.encode(); err != nil {
		return secret.Secret{}, err
	}
	return f.marshal()
}

func (f *accountFields) encode() (secret.Secret, error) {
	text, err := f.marshal()
	if n := len(text.Reveal()); err == nil && n > MaxFields {
		return secret.Secret{}, fmt.Errorf("account has %d bytes, at most %d are kept", n, MaxFields)
	}
	return text, err
}

func (f *accountFields) marshal() (secret.Secret, error) {
	b, err := json.Marshal(f) //nolint:gosec // sealed by the caller before it goes anywhere
	if err != nil {
		return secret.Secret{}, errors.New("encode account")
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
	type member struct{ name, value string }
	need := []member{{"mch id", w.MchID}, {"app id", w.AppID}}
	var errs []error
	switch w.API {
	case "", APIv2:
		need = append(need, member{"APIv2 key", w.APIKey.Reveal()})
	case APIv3:
		need = append(need, member{"APIv3 key", w.APIv3Key.Reveal()})
	default:
		errs = append(errs, fmt.Errorf("%s: API must be %s or %s", who, APIv2, APIv3))
	}
	if !w.APIv3Key.IsZero() { // v3 signs with the certificate's key
		need = append(need, member{"API certificate", w.CertPEM})
	}
	for _, f := range need {
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
	if (w.PublicKeyID == "") != (w.PublicKeyPEM == "") {
		errs = append(errs, fmt.Errorf("%s: WeChat Pay's public key and its id belong together", who))
	}
	if w.BackupURL != "" {
		if err := checkBase(w.BackupURL); err != nil {
			errs = append(errs, fmt.Errorf("%s: backup URL: %w", who, err))
		}
	}
	if err := checkBase(w.BaseURL); err != nil {
		errs = append(errs, fmt.Errorf("%s: base URL: %w", who, err))
	}
	return errors.Join(errs...)
}

func (l *AlipayAccount) check(who string) error {
	var errs []error
	type member struct{ name, value string }
	need := []member{{"app id", l.AppID}, {"private key", l.PrivateKeyPEM.Reveal()}}
	if l.AppCertPEM+l.AlipayCertPEM+l.RootCertPEM == "" {
		need = append(need, member{"Alipay's public key", l.AlipayPublicPEM})
	} else {
		need = append(need, member{"application certificate", l.AppCertPEM}, member{"Alipay's certificate", l.AlipayCertPEM}, member{"root certificate", l.RootCertPEM})
	}
	for _, f := range need {
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

// AccountChanged returns when a provider's account at a wallet was last written,
// by the trail; zero when the trail does not know.
func (d *Directory) AccountChanged(ctx context.Context, providerID string, ch pay.Channel) (time.Time, error) {
	lines, err := d.Audit(ctx, AuditFilter{ProviderID: providerID, ObjectKind: "account", ObjectID: accountKey(providerID, ch), Limit: 1})
	if err != nil || len(lines) == 0 {
		return time.Time{}, err
	}
	return lines[0].At, nil
}
