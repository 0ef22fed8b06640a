package sandbox

import (
	"context"
	"crypto/aes"
	"crypto/cipher"
	"crypto/rsa"
	"crypto/sha256"
	"crypto/x509"
	"encoding/base64"
	"encoding/binary"
	"encoding/hex"
	"encoding/pem"
	"errors"
	"fmt"
	"math/big"
	"net/http"
	"slices"
	"strings"
	"sync"
	"time"
)

// platformLife is how long a platform certificate is valid (upstreams.md §3.2).
const platformLife = 5 * 365 * 24 * time.Hour

// platformAge is how much of its life the first one has behind it.
const platformAge = 365 * 24 * time.Hour

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
	// Former are API certificates of the provider that were replaced.
	Former []formerClient `json:"former,omitempty"`
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

// wxKeys are a keyring at work, guarded by mu.
type wxKeys struct {
	mu     sync.Mutex
	ring   wxKeyring
	public *rsa.PrivateKey
	parsed map[string]*rsa.PrivateKey // by serial
	endMS  int64                      // the life of the youngest certificate
	// clients verify the provider's requests, the present one first; account has
	// its present API certificate.
	clients []clientKey
	account WeChatAccount
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
	// The first certificate has always been there, because a sandbox's keys may
	// be made by one clock and used by an earlier one. It ends a year before the
	// provider's own, which was made later.
	key, err := newRSAKey()
	if err != nil {
		return ring, err
	}
	first, err := id.makePlatform(key, validFrom, now.Add(platformLife-platformAge))
	if err != nil {
		return ring, err
	}
	a.SerialNo, a.APIv3Key = serialOf(cert), randomHex(16)
	a.PublicKeyID, a.PublicKeyPEM = "PUB_KEY_ID_01"+a.MchID+"2026112000"+numbered(i+1, 12), publicPEM(&public.PublicKey)
	return wxKeyring{PublicKeyPEM: privatePEM(public), Platform: []platformCert{first}}, nil
}

// makePlatform invents a platform certificate of a key that is valid over a span. It
// is listed and signs from the beginning of time, unless the caller changes that.
func (id *identity) makePlatform(key *rsa.PrivateKey, from, until time.Time) (platformCert, error) {
	c := certificate("Tenpay.com sandbox sign cert")
	c.NotBefore, c.NotAfter = from.UTC().Truncate(time.Second), until.UTC().Truncate(time.Second)
	text, err := id.sign(c, &key.PublicKey)
	if err != nil {
		return platformCert{}, err
	}
	return platformCert{Serial: serialText(c.SerialNumber), CertPEM: text, KeyPEM: privatePEM(key)}, nil
}

// readKeys parses what verifies a provider's requests and signs its answers.
func (w *wxProvider) readKeys(ring wxKeyring) error {
	w.keys = &wxKeys{}
	return w.keys.replace(w.account, ring)
}

// replace puts a ring to work, and the API certificates of an account.
func (k *wxKeys) replace(account WeChatAccount, ring wxKeyring) error {
	clients, err := ring.readClients(&account)
	if err != nil {
		return err
	}
	public, err := parsePrivate(ring.PublicKeyPEM)
	if err != nil {
		return err
	}
	parsed := map[string]*rsa.PrivateKey{}
	for _, p := range ring.Platform {
		if parsed[p.Serial], err = parsePrivate(p.KeyPEM); err != nil {
			return fmt.Errorf("platform certificate %s: %w", p.Serial, err)
		}
	}
	end, err := ring.end()
	if err != nil {
		return err
	}
	k.mu.Lock()
	defer k.mu.Unlock()
	k.ring, k.public, k.parsed, k.endMS, k.clients, k.account = ring, public, parsed, end, clients, account
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

// end is when the youngest certificate expires.
func (r *wxKeyring) end() (int64, error) {
	if len(r.Platform) == 0 {
		return 0, errors.New("there is no platform certificate")
	}
	cert, err := parseCert(r.Platform[len(r.Platform)-1].CertPEM)
	if err != nil {
		return 0, err
	}
	return cert.NotAfter.UnixMilli(), nil
}

// live are the certificates that are listed now, oldest first.
func (r *wxKeyring) live(now time.Time) []*platformCert {
	var list []*platformCert
	for i := range r.Platform {
		p := &r.Platform[i]
		if p.ListMS <= now.UnixMilli() && (p.DropMS == 0 || now.UnixMilli() < p.DropMS) {
			list = append(list, p)
		}
	}
	return list
}

// active is the certificate that signs now: the youngest whose time has come.
// There always is one, because what replaces a certificate lives longer.
func (r *wxKeyring) active(now time.Time) *platformCert {
	list := r.live(now)
	for _, p := range slices.Backward(list) {
		if p.SignMS <= now.UnixMilli() {
			return p
		}
	}
	return list[0]
}

// answering is the key that signs an answer: the one the request names, if it
// is one that is in use; without one the active certificate's, until the
// migration to the public key is over (upstreams.md §3.2). A serial that is no
// longer in use selects nothing, so that a client who holds on to it gets an
// answer it can ask about.
func (k *wxKeys) answering(publicID, named string, eff *effect, now time.Time) signer {
	k.mu.Lock()
	defer k.mu.Unlock()
	if named == publicID {
		return signer{publicID, k.public}
	}
	for _, p := range k.ring.live(now) {
		if sameSerial(named, p.Serial) && !k.ring.Unlisted {
			return signer{p.Serial, k.parsed[p.Serial]}
		}
	}
	if eff.publicKey || k.ring.Unlisted || k.ring.Permille == wholePermille {
		return signer{publicID, k.public}
	}
	p := k.ring.active(now)
	return signer{p.Serial, k.parsed[p.Serial]}
}

// telling is the key that signs a notice. Which notices have moved to the
// public key is decided by their id alone, so that a repetition is signed as
// the first attempt was, unless the migration has gone on meanwhile.
func (k *wxKeys) telling(publicID, notifyID string, eff *effect, now time.Time) signer {
	k.mu.Lock()
	defer k.mu.Unlock()
	sum := sha256.Sum256([]byte(notifyID))
	draw := int(binary.BigEndian.Uint32(sum[:4]) % wholePermille)
	if eff.publicKey || k.ring.Unlisted || draw < k.ring.Permille {
		return signer{publicID, k.public}
	}
	p := k.ring.active(now)
	return signer{p.Serial, k.parsed[p.Serial]}
}

// opening is the private half of a key that a request was encrypted for.
func (k *wxKeys) opening(publicID, named string, now time.Time) *rsa.PrivateKey {
	k.mu.Lock()
	defer k.mu.Unlock()
	if named == publicID {
		return k.public
	}
	for _, p := range k.ring.live(now) {
		if sameSerial(named, p.Serial) {
			return k.parsed[p.Serial]
		}
	}
	return nil
}

// foreignKey is a key that belongs to nobody the sandbox plays.
var foreignKey = sync.OnceValues(newRSAKey)

// v3KeyOps are the calls about keys.
var v3KeyOps = []v3Op{
	{method: http.MethodGet, path: "/v3/certificates", endpoint: EndpointCertificates, probed: true, run: (*Sandbox).v3Certificates},
	{method: http.MethodPost, path: "/v3/security/echo", endpoint: EndpointEcho, run: (*Sandbox).v3Echo},
}

// v3Certificates lists the platform certificates, GET /v3/certificates, each
// encrypted under the provider's APIv3 key. During a rotation there are two, of
// a merchant in public-key mode none.
func (s *Sandbox) v3Certificates(_ context.Context, tx *txn, r *v3Request) (v3Answer, error) {
	type sealed struct {
		Algorithm      string `json:"algorithm"`
		Nonce          string `json:"nonce"`
		AssociatedData string `json:"associated_data"`
		Ciphertext     string `json:"ciphertext"`
	}
	type entry struct {
		SerialNo      string `json:"serial_no"`
		EffectiveTime string `json:"effective_time"`
		ExpireTime    string `json:"expire_time"`
		Encrypted     sealed `json:"encrypt_certificate"`
	}
	list := []entry{}
	k := r.provider.keys
	k.mu.Lock()
	defer k.mu.Unlock()
	if k.ring.Unlisted || r.eff.noCerts {
		return v3Answer{body: map[string]any{"data": list}}, nil
	}
	for _, p := range k.ring.live(tx.now) {
		cert, err := parseCert(p.CertPEM)
		if err != nil {
			return v3Answer{}, err
		}
		word := nonce()[:gcmNonce]
		text, err := sealGCM(r.provider.account.APIv3Key, word, "certificate", []byte(p.CertPEM))
		if err != nil {
			return v3Answer{}, err
		}
		list = append(list, entry{
			SerialNo: p.Serial, EffectiveTime: rfc3339(cert.NotBefore.UnixMilli()), ExpireTime: rfc3339(cert.NotAfter.UnixMilli()),
			Encrypted: sealed{Algorithm: gcmName, Nonce: word, AssociatedData: "certificate", Ciphertext: text},
		})
	}
	return v3Answer{body: map[string]any{"data": list}}, nil
}

// v3Echo answers a request with itself, POST /v3/security/echo, so that a
// developer can try signing and verifying without an order.
func (s *Sandbox) v3Echo(_ context.Context, _ *txn, r *v3Request) (v3Answer, error) {
	return v3Answer{body: map[string]any(r.fields)}, nil
}

// The encryption of APIv3 (upstreams.md §3.2, §3.7).
const (
	gcmName  = "AEAD_AES_256_GCM"
	gcmNonce = 12
)

// sealGCM encrypts under an APIv3 key.
func sealGCM(key, word, associated string, plain []byte) (string, error) {
	block, err := aes.NewCipher([]byte(key))
	if err != nil {
		return "", err
	}
	gcm, err := cipher.NewGCM(block)
	if err != nil {
		return "", err
	}
	return base64.StdEncoding.EncodeToString(gcm.Seal(nil, []byte(word), plain, []byte(associated))), nil
}

// rfc3339 writes a time as APIv3 does: Beijing's, to the second.
func rfc3339(ms int64) string { return at(ms).Format(time.RFC3339) }
