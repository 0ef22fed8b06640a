package directory

import (
	"crypto/rsa"
	"crypto/tls"
	"crypto/x509"
	"encoding/pem"
	"fmt"
	"regexp"
	"strings"
	"time"

	"cloudpay/internal/pay"
	"cloudpay/internal/secret"
)

// apiKeyLen is the length of both API keys of WeChat Pay in characters
// (upstreams.md §2.1, §3.2).
const apiKeyLen = 32

// keyBits is the shortest RSA key that either wallet takes.
const keyBits = 2048

var (
	publicKeyID = regexp.MustCompile(`^PUB_KEY_ID_[0-9A-Za-z]{1,64}$`)
	apiKeyForm  = regexp.MustCompile(`^[0-9A-Za-z]{32}$`)
)

// CheckCredentials looks into an account's keys and certificates, as PutAccount
// does not: lengths and forms, a key that belongs to its certificate, an end
// that has not come, Alipay's certificate under the pinned root. The error is
// of kind ErrInvalid, its code names the member as the management API spells
// it, and nothing of a key is in its text.
func (a *Account) CheckCredentials(now time.Time) error {
	switch {
	case a.Channel == pay.Wxpay && a.Wechat != nil:
		return a.Wechat.credentials(now)
	case a.Channel == pay.Alipay && a.Alipay != nil:
		return a.Alipay.credentials(now)
	}
	return nil
}

func (w *WechatAccount) credentials(now time.Time) error {
	if w.API == APIv3 && w.APIv3Key.IsZero() {
		return invalid("wxpay.api_v3_key", "使用 APIv3 需要 APIv3 密钥")
	}
	if w.API != APIv3 && w.APIKey.IsZero() {
		return invalid("wxpay.api_key", "使用 v2 需要 APIv2 密钥")
	}
	if err := first(checkAPIKey("wxpay.api_key", "APIv2", w.APIKey), checkAPIKey("wxpay.api_v3_key", "APIv3", w.APIv3Key)); err != nil {
		return err
	}
	switch {
	case w.CertPEM == "" && !w.APIv3Key.IsZero():
		return invalid("wxpay.cert_pem", "使用 APIv3 需要 API 证书和私钥")
	case w.CertPEM == "" != w.KeyPEM.IsZero():
		return invalid("wxpay.key_pem", "API 证书和私钥必须一起填写")
	case w.CertPEM != "":
		if err := checkPair("wxpay.cert_pem", "wxpay.key_pem", "API 证书", w.CertPEM, w.KeyPEM, now); err != nil {
			return err
		}
	}
	switch {
	case w.PublicKeyID == "" && w.PublicKeyPEM == "":
	case !publicKeyID.MatchString(w.PublicKeyID):
		return invalid("wxpay.public_key_id", "微信支付公钥 ID 应以 PUB_KEY_ID_ 开头，后接数字")
	default:
		return checkPublicKey("wxpay.public_key_pem", "微信支付公钥", w.PublicKeyPEM)
	}
	return nil
}

func checkAPIKey(field, name string, key secret.Secret) error {
	if key.IsZero() || apiKeyForm.MatchString(key.Reveal()) {
		return nil
	}
	return invalid(field, fmt.Sprintf("%s 密钥应为 %d 位字母和数字，现在是 %d 个字符", name, apiKeyLen, len([]rune(key.Reveal()))))
}

func (l *AlipayAccount) credentials(now time.Time) error {
	if err := checkPrivateKey("alipay.private_key_pem", "应用私钥", l.PrivateKeyPEM); err != nil {
		return err
	}
	if l.AppCertPEM+l.AlipayCertPEM+l.RootCertPEM == "" {
		return checkPublicKey("alipay.alipay_public_key_pem", "支付宝公钥", l.AlipayPublicPEM)
	}
	for _, f := range []struct{ field, name, text string }{
		{"alipay.app_cert_pem", "应用公钥证书", l.AppCertPEM},
		{"alipay.alipay_cert_pem", "支付宝公钥证书", l.AlipayCertPEM},
		{"alipay.root_cert_pem", "支付宝根证书", l.RootCertPEM},
	} {
		if f.text == "" {
			return invalid(f.field, "公钥证书模式需要应用公钥证书、支付宝公钥证书和支付宝根证书，缺少"+f.name)
		}
	}
	if err := checkPair("alipay.app_cert_pem", "alipay.private_key_pem", "应用公钥证书", l.AppCertPEM, l.PrivateKeyPEM, now); err != nil {
		return err
	}
	return checkChain("alipay.alipay_cert_pem", "alipay.root_cert_pem", l.AlipayCertPEM, l.RootCertPEM, now)
}

// checkPair checks a certificate, its end and that a private key is its own.
func checkPair(certField, keyField, name, certPEM string, key secret.Secret, now time.Time) error {
	certs := certificatesOf(certPEM)
	if len(certs) == 0 {
		return invalid(certField, name+"不是 PEM 格式的证书")
	}
	if err := checkEnd(certField, name, certs[0], now); err != nil {
		return err
	}
	if err := checkPrivateKey(keyField, name+"的私钥", key); err != nil {
		return err
	}
	if _, err := tls.X509KeyPair([]byte(certPEM), []byte(key.Reveal())); err != nil {
		// The cause is left out: it is about the text of a private key.
		return invalid(keyField, "私钥与"+name+"不匹配")
	}
	return nil
}

func checkEnd(field, name string, c *x509.Certificate, now time.Time) error {
	switch {
	case !now.Before(c.NotAfter):
		return invalid(field, name+"已于 "+c.NotAfter.UTC().Format(time.DateOnly)+" 过期")
	case now.Before(c.NotBefore.Add(-time.Hour)): // an hour for two clocks
		return invalid(field, name+"到 "+c.NotBefore.UTC().Format(time.DateOnly)+" 才生效")
	}
	if k, ok := c.PublicKey.(*rsa.PublicKey); !ok || k.N.BitLen() < keyBits {
		return invalid(field, fmt.Sprintf("%s应为至少 %d 位的 RSA 证书", name, keyBits))
	}
	return nil
}

// checkPrivateKey takes PKCS#1 and PKCS#8, as both wallets' tools write them.
func checkPrivateKey(field, name string, key secret.Secret) error {
	block, _ := pem.Decode([]byte(key.Reveal()))
	if block == nil {
		return invalid(field, name+"不是 PEM 格式")
	}
	k, err := x509.ParsePKCS1PrivateKey(block.Bytes)
	if err != nil {
		other, err := x509.ParsePKCS8PrivateKey(block.Bytes)
		if err != nil {
			return invalid(field, name+"无法读取，应为 PKCS#8 或 PKCS#1")
		}
		k, _ = other.(*rsa.PrivateKey)
	}
	if k == nil || k.N.BitLen() < keyBits {
		return invalid(field, fmt.Sprintf("%s应为至少 %d 位的 RSA 私钥", name, keyBits))
	}
	return nil
}

func checkPublicKey(field, name, text string) error {
	block, _ := pem.Decode([]byte(text))
	if block == nil {
		return invalid(field, name+"不是 PEM 格式")
	}
	key, err := x509.ParsePKIXPublicKey(block.Bytes)
	if err != nil {
		return invalid(field, name+"无法读取，应为 PUBLIC KEY（SubjectPublicKeyInfo）")
	}
	if k, ok := key.(*rsa.PublicKey); !ok || k.N.BitLen() < keyBits {
		return invalid(field, fmt.Sprintf("%s应为至少 %d 位的 RSA 公钥", name, keyBits))
	}
	return nil
}

// checkChain checks that a certificate reaches one of the roots. Alipay's
// bundle of roots holds some for SM2 too, which Go does not read and RSA2 does
// not need.
func checkChain(certField, rootField, certPEM, rootPEM string, now time.Time) error {
	certs, roots := certificatesOf(certPEM), certificatesOf(rootPEM)
	if len(certs) == 0 {
		return invalid(certField, "支付宝公钥证书不是 PEM 格式的证书")
	}
	if len(roots) == 0 {
		return invalid(rootField, "支付宝根证书不是 PEM 格式的证书")
	}
	if err := checkEnd(certField, "支付宝公钥证书", certs[0], now); err != nil {
		return err
	}
	opts := x509.VerifyOptions{Roots: x509.NewCertPool(), Intermediates: x509.NewCertPool(), CurrentTime: now, KeyUsages: []x509.ExtKeyUsage{x509.ExtKeyUsageAny}}
	for _, c := range roots {
		opts.Roots.AddCert(c)
	}
	for _, c := range certs[1:] {
		opts.Intermediates.AddCert(c)
	}
	if _, err := certs[0].Verify(opts); err != nil {
		return invalid(certField, "支付宝公钥证书不是由支付宝根证书签发的")
	}
	return nil
}

// certificatesOf reads the certificates of a PEM text that Go can read, in
// their order.
func certificatesOf(text string) []*x509.Certificate {
	var list []*x509.Certificate
	rest := []byte(strings.TrimSpace(text))
	for {
		var block *pem.Block
		if block, rest = pem.Decode(rest); block == nil {
			return list
		}
		if c, err := x509.ParseCertificate(block.Bytes); err == nil && block.Type == "CERTIFICATE" {
			list = append(list, c)
		}
	}
}
