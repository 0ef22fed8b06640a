package sandbox

import (
	"crypto/rsa"
	"crypto/x509"
	"encoding/hex"
	"encoding/pem"
	"errors"
	"fmt"
	"math/big"
	"strings"
	"sync"
	"time"
)

// platformLife is how long a platform certificate is valid (upstreams.md §3.2).
const platformLife = 5 * 365 * 24 * time.Hour

// wxKeyring is what WeChat Pay signs with towards one provider, as it is kept.
// All times are Unix milliseconds of the sandbox's clock.
type wxKeyring struct {
	// PublicKeyPEM is the private half of the WeChat Pay public key.
	PublicKeyPEM string `json:"public_key_pem"`
	// Platform are the platform certificates, oldest first; those whose time is
	// up stay until the next rotation.
	Platform []platformCert `json:"platform"`
	// Permille of the notices are signed with the public key; at 1000 the
	// migration is over, and so are the answers to requests that name no key.
	Permille int `json:"permille,omitempty"`
	// Unlisted hides the certificates: GET /v3/certificates has none, as with a
	// merchant who never had any.
	Unlisted bool `json:"unlisted,omitempty"`
}

// platformCert is one platform certificate with its key.
type platformCert struct {
	Serial  string `json:"serial"`
	CertPEM string `json:"cert_pem"`
	KeyPEM  string `json:"key_pem"`
	ListMS  int64  `json:"list_ms"` // told by /v3/certificates from here on
	SignMS  int64  `json:"sign_ms"` // and signs from here on
	DropMS  int64  `json:"drop_ms"` // until here, 0 for its whole life
}

// wxKeys are a keyring at work. mu guards it; the parsed keys never change.
type wxKeys struct {
	mu     sync.Mutex
	ring   wxKeyring
	public *rsa.PrivateKey
	parsed map[string]*rsa.PrivateKey // by serial
}

// growKeyrings gives every provider the keys of APIv3 it lacks, those of a
// sandbox made before APIv3 too, and reports whether any was made.
func (id *identity) growKeyrings(now time.Time) (bool, error) {
	first := len(id.WeChatKeys)
	rings := make([]wxKeyring, len(id.Accounts.Providers)-first)
	errs := make([]error, len(rings))
	var wg sync.WaitGroup
	for i := range rings {
		wg.Go(func() { rings[i], errs[i] = id.makeKeyring(&id.Accounts.Providers[first+i].WeChat, first+i, now) })
	}
	wg.Wait()
	id.WeChatKeys = append(id.WeChatKeys, rings...)
	return len(rings) > 0, errors.Join(errs...)
}

// makeKeyring invents the keys of provider number i and writes the public
// halves into its account.
func (id *identity) makeKeyring(a *WeChatAccount, i int, now time.Time) (wxKeyring, error) {
	var ring wxKeyring
	cert, err := parseCert(a.ClientCertPEM)
	if err != nil {
		return ring, fmt.Errorf("read client certificate of %s: %w", a.MchID, err)
	}
	public, err := newRSAKey()
	if err != nil {
		return ring, err
	}
	first, err := id.makePlatform(now)
	if err != nil {
		return ring, err
	}
	a.SerialNo, a.APIv3Key = serialOf(cert), randomHex(16)
	a.PublicKeyID, a.PublicKeyPEM = "PUB_KEY_ID_01"+a.MchID+"2026112000"+numbered(i+1, 12), publicPEM(&public.PublicKey)
	return wxKeyring{PublicKeyPEM: privatePEM(public), Platform: []platformCert{first}}, nil
}

// makePlatform invents a platform certificate, valid from a day ago.
func (id *identity) makePlatform(now time.Time) (platformCert, error) {
	key, err := newRSAKey()
	if err != nil {
		return platformCert{}, err
	}
	c := certificate("Tenpay.com sandbox sign cert")
	c.NotBefore = now.Add(-24 * time.Hour).UTC().Truncate(time.Second)
	c.NotAfter = c.NotBefore.Add(platformLife)
	text, err := id.sign(c, &key.PublicKey)
	if err != nil {
		return platformCert{}, err
	}
	return platformCert{
		Serial: serialText(c.SerialNumber), CertPEM: text, KeyPEM: privatePEM(key),
		ListMS: now.UnixMilli(), SignMS: now.UnixMilli(),
	}, nil
}

// readKeys parses what verifies a provider's requests and signs its answers.
func (w *wxProvider) readKeys(ring wxKeyring) error {
	cert, err := parseCert(w.account.ClientCertPEM)
	if err != nil {
		return err
	}
	var ok bool
	if w.clientKey, ok = cert.PublicKey.(*rsa.PublicKey); !ok {
		return errors.New("the client certificate is not of an RSA key")
	}
	w.keys = &wxKeys{ring: ring, parsed: map[string]*rsa.PrivateKey{}}
	if w.keys.public, err = parsePrivate(ring.PublicKeyPEM); err != nil {
		return err
	}
	for _, p := range ring.Platform {
		if w.keys.parsed[p.Serial], err = parsePrivate(p.KeyPEM); err != nil {
			return fmt.Errorf("platform certificate %s: %w", p.Serial, err)
		}
	}
	return nil
}

// parseCert reads one certificate.
func parseCert(text string) (*x509.Certificate, error) {
	block, _ := pem.Decode([]byte(text))
	if block == nil {
		return nil, errors.New("not a PEM block")
	}
	return x509.ParseCertificate(block.Bytes)
}

// serialOf writes a certificate's serial as WeChat does.
func serialOf(c *x509.Certificate) string { return serialText(c.SerialNumber) }

// serialText writes a serial in whole bytes of upper-case hexadecimal.
func serialText(n *big.Int) string { return strings.ToUpper(hex.EncodeToString(n.Bytes())) }
