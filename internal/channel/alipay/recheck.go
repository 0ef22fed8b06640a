package alipay

import (
	"crypto/rsa"
	"crypto/x509"
	"encoding/base64"
	"encoding/pem"
	"net/url"
	"slices"

	"cloudpay/internal/channel"
)

var _ channel.Rechecker = (*Channel)(nil)

// Recheck implements channel.Rechecker.
func (c *Channel) Recheck(k channel.Kept, others []channel.WalletKey) channel.Check {
	keys := c.keptKeys(others)
	if k.Notice {
		return recheckNotice(k.Body, keys)
	}
	request, err := url.ParseQuery(string(k.Request))
	if err != nil {
		return channel.CheckFailed
	}
	if k.Status != 200 {
		return unsigned(k) // not the gateway's
	}
	a, err := splitAnswer(k.Body, request.Get("method"))
	if err != nil {
		return channel.CheckFailed
	}
	if a.sign == "" {
		return unsigned(k)
	}
	if !strict(a.sign) {
		return channel.CheckFailed
	}
	return fits(keys, a.certSN, func(key kept) bool {
		return verifyText(key.key, a.content, a.sign)
	}, false)
}

// unsigned is what an answer without a signature comes to.
func unsigned(k channel.Kept) channel.Check {
	if k.Believed {
		return channel.CheckFailed
	}
	return channel.CheckUnsigned
}

func recheckNotice(body []byte, keys map[string]kept) channel.Check {
	form, err := url.ParseQuery(string(body))
	if err != nil || form.Get("sign") == "" || form.Get("sign_type") != "RSA2" || !strict(form.Get("sign")) {
		return channel.CheckFailed
	}
	for _, values := range form {
		if len(values) != 1 {
			return channel.CheckFailed
		}
	}
	// See verifiesNotice.
	text, other := []byte(stringToSign(form, false, "sign", "sign_type")), []byte(stringToSign(form, false, "sign", "sign_type", "alipay_cert_sn"))
	sn, sign := form.Get("alipay_cert_sn"), form.Get("sign")
	return fits(keys, sn, func(key kept) bool {
		return verifyText(key.key, text, sign) || sn != "" && verifyText(key.key, other, sign)
	}, true)
}

// strict reports whether a signature is written so that no bit of it is free.
func strict(sign string) bool {
	_, err := base64.StdEncoding.Strict().DecodeString(sign)
	return err == nil
}

// kept is one key of Alipay's that was kept.
type kept struct {
	key  *rsa.PublicKey
	cert bool
}

// fits finds the key that something is signed with: the one of the serial
// number; when none is named any bare key, and any certificate where they need
// not be named.
func fits(keys map[string]kept, sn string, verifies func(kept) bool, nameless bool) channel.Check {
	if key, ok := keys[sn]; sn != "" && ok {
		if verifies(key) {
			return channel.CheckVerified
		}
		return channel.CheckFailed
	}
	for _, key := range keys {
		switch {
		case !verifies(key):
		case sn == "" && (nameless || !key.cert):
			return channel.CheckVerified
		default:
			return channel.CheckFailed // it is this key's, and another is named, or none
		}
	}
	if sn == "" {
		return channel.CheckNoFit
	}
	return channel.CheckNoKey
}

// keptKeys are the wallet's keys by name: the account's own and others that were
// kept. A certificate was checked against its root when it came.
func (c *Channel) keptKeys(others []channel.WalletKey) map[string]kept {
	keys := map[string]kept{}
	for _, k := range slices.Concat(others, c.WalletKeys()) {
		if k.Role == channel.RolePublicKey {
			if key, err := parsePublicKey(k.PEM); err == nil {
				keys[k.Serial] = kept{key: key}
			}
			continue
		}
		chain, err := parseChain(k.PEM)
		if err != nil || certSN(chain[0]) != k.Serial {
			continue
		}
		if key, ok := chain[0].PublicKey.(*rsa.PublicKey); ok {
			keys[k.Serial] = kept{key: key, cert: true}
		}
	}
	return keys
}

// WalletKeys implements channel.Rechecker.
func (c *Channel) WalletKeys() []channel.WalletKey {
	if c.trust == nil {
		der, err := x509.MarshalPKIXPublicKey(c.alipayKey)
		if err != nil {
			panic("alipay: an RSA key has no PKIX form: " + err.Error())
		}
		return []channel.WalletKey{{
			Role: channel.RolePublicKey, Serial: fingerprint(der), PEM: string(pem.EncodeToMemory(&pem.Block{Type: "PUBLIC KEY", Bytes: der})),
		}}
	}
	c.trust.mu.Lock()
	defer c.trust.mu.Unlock()
	var list []channel.WalletKey
	for _, cert := range c.trust.known {
		list = append(list, channel.WalletKey{
			Role: channel.RolePlatform, Serial: cert.sn, PEM: string(pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: cert.leaf.Raw})),
		})
	}
	return list
}
