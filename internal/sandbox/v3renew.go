package sandbox

import (
	"context"
	"crypto/rsa"
	"errors"
	"fmt"
	"slices"
	"time"
)

// maxFormer bounds the API certificates of one provider that still verify
// beside the present one.
const maxFormer = 10

// formerClient is an API certificate that was replaced and still verifies.
type formerClient struct {
	Serial  string `json:"serial"`
	CertPEM string `json:"cert_pem"`
	UntilMS int64  `json:"until_ms"` // of the sandbox's clock
}

// clientKey is one API certificate at work.
type clientKey struct {
	serial string
	key    *rsa.PublicKey
	ends   time.Time
}

// readClient parses an API certificate.
func readClient(text string) (clientKey, error) {
	cert, err := parseCert(text)
	if err != nil {
		return clientKey{}, err
	}
	key, ok := cert.PublicKey.(*rsa.PublicKey)
	if !ok {
		return clientKey{}, errors.New("the client certificate is not of an RSA key")
	}
	return clientKey{serialOf(cert), key, cert.NotAfter}, nil
}

// readClients parses the present API certificate and those it replaced.
func (r *wxKeyring) readClients(a *WeChatAccount) ([]clientKey, error) {
	now, err := readClient(a.ClientCertPEM)
	if err != nil {
		return nil, err
	}
	list := []clientKey{now}
	for _, f := range r.Former {
		old, err := readClient(f.CertPEM)
		if err != nil {
			return nil, fmt.Errorf("former API certificate %s: %w", f.Serial, err)
		}
		if until := utcMS(f.UntilMS); until.Before(old.ends) {
			old.ends = until
		}
		list = append(list, old)
	}
	return list, nil
}

// caller is the key that verifies a request of a serial, or why there is none.
func (k *wxKeys) caller(serial string, now time.Time) (key *rsa.PublicKey, refusal string) {
	k.mu.Lock()
	defer k.mu.Unlock()
	for _, c := range k.clients {
		switch {
		case !sameSerial(serial, c.serial):
		case now.After(c.ends):
			return nil, "商户证书已过期"
		default:
			return c.key, ""
		}
	}
	return nil, "商户证书序列号有误。请使用签名私钥匹配的证书序列号"
}

// client is the key of the present API certificate.
func (k *wxKeys) client() *rsa.PublicKey {
	k.mu.Lock()
	defer k.mu.Unlock()
	return k.clients[0].key
}

// present is the account with the API certificate it has now.
func (k *wxKeys) present(a WeChatAccount) WeChatAccount {
	k.mu.Lock()
	defer k.mu.Unlock()
	a.ClientCertPEM, a.ClientKeyPEM, a.SerialNo = k.account.ClientCertPEM, k.account.ClientKeyPEM, k.account.SerialNo
	return a
}

// RenewWeChatClient gives a provider another API certificate (商户API证书) with a
// key of its own, as the merchant console does, and returns the account as it is
// from now on. The certificate before it goes on verifying APIv3 requests for
// overlap, which may be zero. It is on disk when the call returns. ErrNotFound is
// no such provider, ErrConflict too many certificates that still verify.
func (s *Sandbox) RenewWeChatClient(ctx context.Context, mchID string, overlap time.Duration) (WeChatAccount, error) {
	if overlap < 0 || overlap > maxKeyWait {
		return WeChatAccount{}, fmt.Errorf("%w overlap: use 0 to %s", ErrInvalid, maxKeyWait)
	}
	key, err := s.c.NewKey()
	if err != nil {
		return WeChatAccount{}, err
	}
	err = s.changeKeys(ctx, mchID, func(id *identity, a *WeChatAccount, ring *wxKeyring, now time.Time) error {
		ring.Former = slices.DeleteFunc(ring.Former, func(f formerClient) bool { return f.UntilMS <= now.UnixMilli() })
		if len(ring.Former) >= maxFormer {
			return fmt.Errorf("%w: %d API certificates overlap already", ErrConflict, maxFormer)
		}
		ring.Former = append(ring.Former, formerClient{a.SerialNo, a.ClientCertPEM, now.Add(overlap).UnixMilli()})
		cert, err := id.signClient(mchID, &key.PublicKey, now)
		if err != nil {
			return err
		}
		fresh, err := readClient(cert)
		if err != nil {
			return err
		}
		a.ClientCertPEM, a.ClientKeyPEM, a.SerialNo = cert, privatePEM(key), fresh.serial
		return nil
	})
	if err != nil {
		return WeChatAccount{}, err
	}
	p := s.wx[mchID]
	return p.keys.present(p.account), nil
}
