package alipay

import (
	"crypto/sha256"
	"crypto/x509"
	"encoding/hex"
	"time"

	"cloudpay/internal/channel"
)

var _ channel.Healther = (*Channel)(nil)

// Health tells about the application's keys and its last calls. It implements
// channel.Healther. Certificates go by Alipay's serial numbers, and bare keys,
// which Alipay gives no name, by the first eight bytes of their SHA-256.
func (c *Channel) Health() channel.Health {
	var h channel.Health
	h.Verified, h.Failure = c.pulse.Last()
	if c.trust == nil {
		der, err := x509.MarshalPKIXPublicKey(c.alipayKey)
		if err != nil {
			panic("alipay: an RSA key has no PKIX form: " + err.Error())
		}
		own, err := x509.MarshalPKIXPublicKey(&c.key.PublicKey)
		if err != nil {
			panic("alipay: an RSA key has no PKIX form: " + err.Error())
		}
		h.Keys = []channel.KeyHealth{
			{Role: channel.RoleOurs, Serial: fingerprint(own)},
			{Role: channel.RolePublicKey, Serial: fingerprint(der), Used: h.Verified},
		}
		return h
	}
	t := c.trust
	t.mu.Lock()
	defer t.mu.Unlock()
	h.Refreshed, h.RefreshFailure = t.refreshed, t.refreshFailure
	h.Keys = append(h.Keys, keyHealth(channel.RoleOurs, t.appSN, t.app, time.Time{}))
	for _, cert := range t.known {
		h.Keys = append(h.Keys, keyHealth(channel.RolePlatform, cert.sn, cert.leaf, cert.used))
	}
	for _, root := range t.rootCerts {
		h.Keys = append(h.Keys, keyHealth(channel.RoleRoot, certSN(root), root, time.Time{}))
	}
	return h
}

func keyHealth(role channel.KeyRole, sn string, c *x509.Certificate, used time.Time) channel.KeyHealth {
	k := channel.KeyHealth{Role: role, Serial: sn, From: c.NotBefore.UTC(), Until: c.NotAfter.UTC()}
	if !used.IsZero() {
		k.Used = used.UTC()
	}
	return k
}

// fingerprint names a bare key.
func fingerprint(der []byte) string {
	sum := sha256.Sum256(der)
	return hex.EncodeToString(sum[:8])
}
