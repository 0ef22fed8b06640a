package sandbox

import (
	"context"
	"crypto/rand"
	"crypto/rsa"
	"crypto/x509"
	"encoding/hex"
	"encoding/json"
	"encoding/pem"
	"errors"
	"fmt"
	"log/slog"
	"slices"
	"strconv"
	"sync"
	"time"
)

// Accounts is everything a service provider would have been given by WeChat
// Pay and Alipay: numbers, keys and certificates, all invented by this
// sandbox. It carries private keys in the clear because its purpose is to be
// written to a file of mode 0600; printing or logging it shows none.
type Accounts struct {
	// CAPEM is the certificate of the authority that signed the wallets' TLS
	// certificate and the client certificates below.
	CAPEM     string     `json:"ca_pem"`
	Providers []Provider `json:"providers"`
}

// Provider is one service provider, known to both wallets.
type Provider struct {
	WeChat WeChatAccount `json:"wechat"`
	Alipay AlipayAccount `json:"alipay"`
}

// WeChatAccount is a provider's account with WeChat Pay. APIv2Key signs both
// ways of v2, where the client certificate is needed by reverse and refund
// only. With APIv3 the client certificate's key signs every request, and
// WeChat Pay answers with a platform certificate, which GET /v3/certificates
// tells, or with the key whose public half is PublicKeyPEM.
type WeChatAccount struct {
	MchID         string `json:"mch_id"`
	AppID         string `json:"app_id"`
	APIv2Key      string `json:"api_v2_key"`
	ClientCertPEM string `json:"client_cert_pem"`
	ClientKeyPEM  string `json:"client_key_pem"`
	// APIv3Key opens what WeChat Pay encrypts for the provider: 32 characters.
	APIv3Key string `json:"api_v3_key"`
	// SerialNo is the client certificate's, in upper-case hexadecimal.
	SerialNo string `json:"serial_no"`
	// PublicKeyID names the WeChat Pay public key: PUB_KEY_ID_ and digits.
	PublicKeyID string `json:"public_key_id"`
	// PublicKeyPEM is that key (PKIX), which never expires.
	PublicKeyPEM string           `json:"public_key_pem"`
	Merchants    []WeChatMerchant `json:"merchants"`
}

// WeChatMerchant is a shop under a provider, with the three applications that
// are bound to it: official account, mini program and mobile application.
type WeChatMerchant struct {
	SubMchID  string `json:"sub_mch_id"`
	SubAppID  string `json:"sub_app_id"`
	MiniAppID string `json:"mini_app_id"`
	MobAppID  string `json:"mob_app_id"`
}

// owns reports whether an application may be sent as the shop's sub_appid.
func (m WeChatMerchant) owns(appID string) bool {
	return appID == m.SubAppID || appID == m.MiniAppID || appID == m.MobAppID
}

// AlipayAccount is a provider's application with Alipay: the application signs
// with AppPrivateKeyPEM (PKCS#8) and verifies with AlipayPublicKeyPEM, or, in
// certificate mode, with AlipayCertPEM. A call chooses the mode by carrying
// app_cert_sn.
type AlipayAccount struct {
	AppID              string `json:"app_id"`
	AppPrivateKeyPEM   string `json:"app_private_key_pem"`
	AlipayPublicKeyPEM string `json:"alipay_public_key_pem"`
	// AppCertPEM certifies the application's key, AlipayCertPEM Alipay's other
	// key towards it, with the intermediate certificate behind it, and
	// RootCertPEM is the bundle of roots that both lead to.
	AppCertPEM    string           `json:"app_cert_pem"`
	AlipayCertPEM string           `json:"alipay_cert_pem"`
	RootCertPEM   string           `json:"root_cert_pem"`
	Merchants     []AlipayMerchant `json:"merchants"`
}

// AlipayMerchant is a shop that authorised the provider's application.
type AlipayMerchant struct {
	AppAuthToken string `json:"app_auth_token"`
	UserID       string `json:"user_id"`
}

// String hides the keys.
func (Accounts) String() string { return "sandbox accounts ***" }

// GoString hides the keys.
func (a Accounts) GoString() string { return a.String() }

// LogValue hides the keys.
func (a Accounts) LogValue() slog.Value { return slog.StringValue(a.String()) }

// secrets lists what must not be shown of the accounts' symmetric keys and
// tokens; private keys never travel.
func (a Accounts) secrets() []string {
	var list []string
	for i := range a.Providers {
		p := &a.Providers[i]
		list = append(list, p.WeChat.APIv2Key, p.WeChat.APIv3Key)
		for _, m := range p.Alipay.Merchants {
			list = append(list, m.AppAuthToken)
		}
	}
	return slices.DeleteFunc(list, func(s string) bool { return s == "" })
}

// identity is what the sandbox keeps of itself between starts: its accounts
// plus the halves of the keys that only the wallets have.
type identity struct {
	Accounts      Accounts `json:"accounts"`
	CAKeyPEM      string   `json:"ca_key_pem"`
	ServerCertPEM string   `json:"server_cert_pem"`
	ServerKeyPEM  string   `json:"server_key_pem"`
	// AlipayKeysPEM are the keys Alipay answers with, one per provider.
	AlipayKeysPEM []string `json:"alipay_keys_pem"`
	// WeChatKeys are the keys WeChat Pay answers APIv3 with, one ring per
	// provider.
	WeChatKeys []wxKeyring `json:"wechat_keys"`
}

// wxProvider and aliApp are the parsed forms the handlers look things up in.
type wxProvider struct {
	account   WeChatAccount // its API certificate may have been replaced: keys.present
	merchants map[string]WeChatMerchant
	keys      *wxKeys // verify APIv3 requests, sign APIv3 answers and notices
}

// aliApp is an Alipay application: what verifies its requests, what signs the
// answers to it, and its merchants by app_auth_token.
type aliApp struct {
	account   AlipayAccount
	appKey    *rsa.PublicKey  // verifies requests
	key       *rsa.PrivateKey // signs answers
	mode      *aliMode        // does both in certificate mode
	merchants map[string]AlipayMerchant
}

// loadIdentity reads the identity of an earlier start and grows it to the
// wanted numbers; keys are made at run time, never shipped. Accounts are never
// taken away, because trades may belong to them.
func loadIdentity(ctx context.Context, c Config, b *books) (identity, error) {
	var id identity
	err := b.run(ctx, c.Now, func(ctx context.Context, tx *txn) error {
		var raw []byte
		found, err := tx.row(ctx, "SELECT value FROM meta WHERE name = 'identity'", nil, []any{&raw})
		if err != nil {
			return err
		}
		if found {
			if err := json.Unmarshal(raw, &id); err != nil {
				return fmt.Errorf("read sandbox accounts: %w", err)
			}
		}
		grown, err := id.grow(c)
		if err != nil || !grown {
			return err
		}
		if raw, err = json.Marshal(id); err != nil {
			return fmt.Errorf("write sandbox accounts: %w", err)
		}
		return tx.exec(ctx, "INSERT INTO meta (name, value) VALUES ('identity', ?) "+
			"ON CONFLICT (name) DO UPDATE SET value = excluded.value", raw)
	})
	return id, err
}

// grow makes what is missing and reports whether anything was. RSA keys are
// made side by side: they are the whole cost of a first start.
func (id *identity) grow(c Config) (bool, error) {
	grown := false
	if id.CAKeyPEM == "" {
		if err := id.makeAuthority(); err != nil {
			return false, err
		}
		grown = true
	}
	certified, err := id.certifyServer(append(slices.Clip(serverNames), c.Names...))
	if err != nil {
		return false, err
	}
	grown = grown || certified
	first := len(id.Accounts.Providers)
	made := make([]Provider, max(0, c.Providers-first))
	keys := make([]string, len(made))
	errs := make([]error, len(made))
	var wg sync.WaitGroup
	for i := range made {
		wg.Go(func() { made[i], keys[i], errs[i] = id.makeProvider(first+i, c.Now()) })
	}
	wg.Wait()
	if err := errors.Join(errs...); err != nil {
		return false, err
	}
	id.Accounts.Providers = append(id.Accounts.Providers, made...)
	id.AlipayKeysPEM = append(id.AlipayKeysPEM, keys...)
	grown = grown || len(made) > 0
	ringed, err := id.growKeyrings(c.Now())
	if err != nil {
		return false, err
	}
	renewed, err := id.renewClients(c.Now())
	if err != nil {
		return false, err
	}
	grown = grown || ringed || renewed
	for i := range id.Accounts.Providers {
		p := &id.Accounts.Providers[i]
		for j := len(p.WeChat.Merchants); j < c.MerchantsPerProvider; j++ {
			shop := numbered((i+1)*100+j+1, 9)
			p.WeChat.Merchants = append(p.WeChat.Merchants, WeChatMerchant{
				SubMchID: "1" + shop, SubAppID: "wx5ab" + numbered((i+1)*100+j+1, 13),
			})
			p.Alipay.Merchants = append(p.Alipay.Merchants, AlipayMerchant{
				AppAuthToken: "202611BB" + randomHex(16), UserID: "2088" + numbered((i+1)*100+j+1, 12),
			})
			grown = true
		}
		// Shops of a sandbox made before they had all applications get the others.
		for j := range p.WeChat.Merchants {
			m, shop := &p.WeChat.Merchants[j], numbered((i+1)*100+j+1, 13)
			if m.MiniAppID == "" {
				m.MiniAppID, m.MobAppID, grown = "wx5ac"+shop, "wx5ad"+shop, true
			}
		}
	}
	return grown, nil
}

// makeProvider invents provider number i. The third result is Alipay's own
// private key towards that provider.
func (id *identity) makeProvider(i int, now time.Time) (Provider, string, error) {
	var p Provider
	certKey, err := newRSAKey()
	if err != nil {
		return p, "", err
	}
	appKey, err := newRSAKey()
	if err != nil {
		return p, "", err
	}
	aliKey, err := newRSAKey()
	if err != nil {
		return p, "", err
	}
	mchID := "19" + numbered(i+1, 8)
	cert, err := id.signClient(mchID, &certKey.PublicKey, now)
	if err != nil {
		return p, "", err
	}
	p.WeChat = WeChatAccount{
		MchID: mchID, AppID: "wx5b" + numbered(i+1, 14), APIv2Key: randomHex(16),
		ClientCertPEM: cert, ClientKeyPEM: privatePEM(certKey),
	}
	p.Alipay = AlipayAccount{
		AppID: "2021" + numbered(i+1, 12), AppPrivateKeyPEM: privatePEM(appKey), AlipayPublicKeyPEM: publicPEM(&aliKey.PublicKey),
	}
	return p, privatePEM(aliKey), nil
}

// index parses the keys and lays the accounts out for look-up by number.
func (id *identity) index() (map[string]*wxProvider, map[string]*aliApp, error) {
	wx, ali := map[string]*wxProvider{}, map[string]*aliApp{}
	for i, p := range id.Accounts.Providers {
		w := &wxProvider{account: p.WeChat, merchants: map[string]WeChatMerchant{}}
		if err := w.readKeys(id.WeChatKeys[i]); err != nil {
			return nil, nil, fmt.Errorf("read keys of %s: %w", p.WeChat.MchID, err)
		}
		for _, m := range p.WeChat.Merchants {
			w.merchants[m.SubMchID] = m
		}
		wx[p.WeChat.MchID] = w
		appKey, err := parsePrivate(p.Alipay.AppPrivateKeyPEM)
		if err != nil {
			return nil, nil, fmt.Errorf("read key of application %s: %w", p.Alipay.AppID, err)
		}
		key, err := parsePrivate(id.AlipayKeysPEM[i])
		if err != nil {
			return nil, nil, fmt.Errorf("read alipay key for application %s: %w", p.Alipay.AppID, err)
		}
		a := &aliApp{account: p.Alipay, appKey: &appKey.PublicKey, key: key, mode: &aliMode{}, merchants: map[string]AlipayMerchant{}}
		for _, m := range p.Alipay.Merchants {
			a.merchants[m.AppAuthToken] = m
		}
		ali[p.Alipay.AppID] = a
	}
	return wx, ali, nil
}

// numbered writes n with leading zeros to a width.
func numbered(n, width int) string {
	text := strconv.Itoa(n)
	for len(text) < width {
		text = "0" + text
	}
	return text
}

// privatePEM writes a private key as PKCS#8, the form both wallets hand out.
func privatePEM(k *rsa.PrivateKey) string {
	der, err := x509.MarshalPKCS8PrivateKey(k)
	if err != nil {
		panic("sandbox: an RSA key has no PKCS#8 form: " + err.Error())
	}
	return string(pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: der}))
}

// publicPEM writes a public key as PKIX, the form Alipay's console shows.
func publicPEM(k *rsa.PublicKey) string {
	der, err := x509.MarshalPKIXPublicKey(k)
	if err != nil {
		panic("sandbox: an RSA key has no PKIX form: " + err.Error())
	}
	return string(pem.EncodeToMemory(&pem.Block{Type: "PUBLIC KEY", Bytes: der}))
}

// parsePrivate reads back what privatePEM wrote. Another kind of key means
// that somebody edited the database.
func parsePrivate(text string) (*rsa.PrivateKey, error) {
	block, _ := pem.Decode([]byte(text))
	if block == nil {
		return nil, errors.New("not a PEM block")
	}
	key, err := x509.ParsePKCS8PrivateKey(block.Bytes)
	if err != nil {
		return nil, err
	}
	k, ok := key.(*rsa.PrivateKey)
	if !ok {
		return nil, errors.New("not an RSA key")
	}
	return k, nil
}

// randomHex is n secret bytes in hexadecimal.
func randomHex(n int) string {
	buf := make([]byte, n)
	_, _ = rand.Read(buf) // never fails: the runtime ends the process instead
	return hex.EncodeToString(buf)
}
