package alipay

import (
	"context"
	"crypto/md5" //nolint:gosec // Alipay's serial numbers are MD5 sums
	"crypto/rsa"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/asn1"
	"encoding/base64"
	"encoding/hex"
	"encoding/pem"
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync"
	"time"

	"cloudpay/internal/channel"
)

// Limits of certificate mode.
const (
	maxCerts     = 8                // certificates of Alipay kept at once; two are live during a rotation
	maxChain     = 8                // certificates in one PEM text; real bundles have four
	maxCertBytes = 32 << 10         // a certificate with its intermediate has 4 KiB
	fetchTimeout = 5 * time.Second  // of one download; the call it serves has a shorter rest, perhaps
	wonderPause  = time.Minute      // between two questions that notices make us put
	fetchPause   = 30 * time.Second // after a download that brought nothing to trust
)

// certificate is one of Alipay's certificates whose chain was verified.
type certificate struct {
	sn   string
	leaf *x509.Certificate
	key  *rsa.PublicKey
	used time.Time
}

// live reports whether the certificate is valid at a time.
func (c *certificate) live(now time.Time) bool {
	return !now.Before(c.leaf.NotBefore) && !now.After(c.leaf.NotAfter)
}

// trust is an application in certificate mode: its names towards Alipay, the
// pinned roots, and Alipay's certificates that were verified against them. It
// is safe for concurrent use.
type trust struct {
	app            *x509.Certificate
	appSN, rootSN  string
	roots          *x509.CertPool
	rootCerts      []*x509.Certificate
	subject        string // the common name of Alipay's certificate, which names Alipay and the provider
	mu             sync.Mutex
	known          []*certificate // oldest first
	fetching       chan struct{}  // closed when the download under way ends; nil when there is none
	failedAt       time.Time      // when a download last brought nothing to trust
	wonderedAt     time.Time      // when a notice that did not verify last made us ask Alipay
	refreshed      time.Time
	refreshFailure string
}

// newTrust reads the three texts of certificate mode, and checks that they
// belong together. The errors name the text.
func newTrust(c Config, key *rsa.PrivateKey) (*trust, error) {
	app, err := parseChain(c.AppCertPEM)
	if err != nil {
		return nil, errors.New("the application's certificate (appCertPublicKey) cannot be read; give it as PEM")
	}
	if !key.PublicKey.Equal(app[0].PublicKey) {
		return nil, errors.New("the application's certificate (appCertPublicKey) is of another key than the application's private key")
	}
	roots, sn, err := parseRoots(c.RootCertPEM)
	if err != nil {
		return nil, err
	}
	t := &trust{app: app[0], appSN: certSN(app[0]), rootSN: sn, rootCerts: roots, roots: x509.NewCertPool()}
	for _, root := range roots {
		t.roots.AddCert(root)
	}
	chain, err := parseChain(c.AlipayCertPEM)
	if err != nil {
		return nil, errors.New("alipay's certificate (alipayCertPublicKey) cannot be read; give it as PEM")
	}
	// One that is over is kept as well: Alipay answers under its successor, which
	// is fetched. It verifies nothing (see key).
	at := c.Now()
	if leaf := chain[0]; at.After(leaf.NotAfter) || at.Before(leaf.NotBefore) {
		at = leaf.NotAfter
	}
	t.subject = chain[0].Subject.CommonName
	first, err := t.verified(chain, at)
	if err != nil {
		return nil, errors.New("alipay's certificate (alipayCertPublicKey) does not lead to the root certificate (alipayRootCert); " +
			"download both again from the same application")
	}
	t.known = []*certificate{first}
	return t, nil
}

// verified checks a chain against the pinned roots at a time. The subject must
// be that of the certificate which the application was set up with: the
// certificates of all merchants' applications lead to the same roots.
func (t *trust) verified(chain []*x509.Certificate, at time.Time) (*certificate, error) {
	between := x509.NewCertPool()
	for _, c := range chain[1:] {
		between.AddCert(c)
	}
	leaf := chain[0]
	if _, err := leaf.Verify(x509.VerifyOptions{
		Roots: t.roots, Intermediates: between, CurrentTime: at, KeyUsages: []x509.ExtKeyUsage{x509.ExtKeyUsageAny},
	}); err != nil {
		return nil, errors.New("alipay: the certificate does not lead to the pinned root")
	}
	key, ok := leaf.PublicKey.(*rsa.PublicKey)
	if !ok || key.N.BitLen() < minKeyBits || leaf.Subject.CommonName != t.subject {
		return nil, errors.New("alipay: the certificate is not one of Alipay's")
	}
	return &certificate{sn: certSN(leaf), leaf: leaf, key: key}, nil
}

// find returns the live certificate with a serial number, or nil.
func (t *trust) find(sn string, now time.Time) *certificate {
	t.mu.Lock()
	defer t.mu.Unlock()
	i := slices.IndexFunc(t.known, func(c *certificate) bool { return c.sn == sn })
	if i < 0 || !t.known[i].live(now) {
		return nil
	}
	return t.known[i]
}

// all returns the live certificates, the newest first.
func (t *trust) all(now time.Time) []*certificate {
	t.mu.Lock()
	defer t.mu.Unlock()
	var list []*certificate
	for _, c := range slices.Backward(t.known) {
		if c.live(now) {
			list = append(list, c)
		}
	}
	return list
}

// note remembers that a certificate verified something.
func (t *trust) note(c *certificate, now time.Time) {
	t.mu.Lock()
	defer t.mu.Unlock()
	c.used = now
}

// wonder reports whether a notice that fits no certificate may have us ask Alipay
// for the one in use. Anybody can post such notices, so they cost a question a
// minute and not one each.
func (t *trust) wonder(now time.Time) bool {
	t.mu.Lock()
	defer t.mu.Unlock()
	if !t.wonderedAt.IsZero() && now.Sub(t.wonderedAt).Abs() < wonderPause {
		return false
	}
	t.wonderedAt = now
	return true
}

// key returns the certificate that an answer says it was signed under. One that
// is not known is fetched once, whoever asks; the others wait for that download
// as long as their ctx allows. It returns nil when there is no such certificate
// that can be trusted.
func (t *trust) key(ctx context.Context, sn string, now func() time.Time, fetch func(context.Context, string) ([]*x509.Certificate, error)) *certificate {
	if len(sn) != hex.EncodedLen(md5.Size) {
		return nil
	}
	for {
		if c := t.find(sn, now()); c != nil {
			return c
		}
		begun, wait := t.begin(sn, now())
		switch {
		case begun:
			t.end(sn, now, func() ([]*x509.Certificate, error) { return fetch(ctx, sn) })
			return t.find(sn, now())
		case wait == nil:
			return nil
		}
		select {
		case <-wait:
		case <-ctx.Done():
			return nil
		}
	}
}

// begin decides who fetches, one at a time. A certificate that is known and over
// is not fetched again, and one that could not be trusted pauses all downloads:
// answers come over TLS, but a broken gateway must not make us ask for each of
// them. A download that was lost pauses nothing, because it may have been its
// caller who had no time left.
func (t *trust) begin(sn string, now time.Time) (begun bool, wait <-chan struct{}) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if slices.ContainsFunc(t.known, func(c *certificate) bool { return c.sn == sn }) {
		return false, nil
	}
	if t.fetching != nil {
		return false, t.fetching
	}
	if !t.failedAt.IsZero() && now.Sub(t.failedAt).Abs() < fetchPause {
		return false, nil
	}
	t.fetching = make(chan struct{})
	return true, nil
}

// end fetches and keeps what is trusted. It always wakes those who wait.
func (t *trust) end(sn string, now func() time.Time, fetch func() ([]*x509.Certificate, error)) {
	chain, err := fetch()
	var c *certificate
	if err == nil {
		c, err = t.verified(chain, now())
	}
	if err == nil && c.sn != sn {
		err = errors.New("alipay: the certificate has another serial number")
	}
	t.mu.Lock()
	defer t.mu.Unlock()
	close(t.fetching)
	t.fetching = nil
	if err != nil {
		t.refreshFailure = err.Error()
		if _, lost := errors.AsType[channel.LostError](err); !lost {
			t.failedAt = now()
		}
		return
	}
	t.refreshed, t.refreshFailure = now().UTC(), ""
	if len(t.known) == maxCerts {
		t.known = slices.Delete(t.known, 0, 1)
	}
	t.known = append(t.known, c)
}

// callCert is the download of a certificate by its serial number.
var callCert = call{method: "alipay.open.app.alipaycert.download", question: true}

// fetchCert downloads a certificate of Alipay's. The answer's own signature is
// made with the very certificate that is asked for, so nothing in it is
// believed: the chain proves itself (trust.verified).
func (c *Channel) fetchCert(ctx context.Context, sn string) ([]*x509.Certificate, error) {
	ctx, cancel := context.WithTimeout(ctx, fetchTimeout)
	defer cancel()
	form, err := c.request(callCert, channel.Merchant{}, map[string]string{"alipay_cert_sn": sn})
	if err != nil {
		return nil, err
	}
	body, err := c.poster.Post(ctx, c.gateway, formType, []byte(form))
	if err != nil {
		return nil, err
	}
	a, err := splitAnswer(body, callCert.method)
	if err != nil {
		return nil, err
	}
	m, err := splitObject(a.content)
	if err != nil {
		return nil, err
	}
	if code := m.get("code"); code != codeSuccess {
		return nil, fmt.Errorf("alipay: the certificate was not handed out (%s)", channel.CleanCode(code))
	}
	text, err := base64.StdEncoding.DecodeString(m.get("alipay_cert_content"))
	if err != nil {
		return nil, errors.New("alipay: the certificate is not base64")
	}
	return parseChain(string(text))
}

// parseChain reads a certificate and those behind it.
func parseChain(text string) ([]*x509.Certificate, error) {
	if len(text) > maxCertBytes {
		return nil, errors.New("alipay: the certificate is too long")
	}
	var list []*x509.Certificate
	for rest := []byte(text); len(list) < maxChain; {
		var block *pem.Block
		if block, rest = pem.Decode(rest); block == nil {
			break
		}
		c, err := x509.ParseCertificate(block.Bytes)
		if err != nil {
			return nil, errors.New("alipay: the certificate cannot be read")
		}
		list = append(list, c)
	}
	if len(list) == 0 {
		return nil, errors.New("alipay: there is no certificate in the text")
	}
	return list, nil
}

// parseRoots reads the bundle of roots and names it (upstreams.md §4.1): only
// RSA certificates count. The real bundle has one on the curve SM2, which
// cannot be parsed and is passed over.
func parseRoots(text string) (roots []*x509.Certificate, sn string, err error) {
	if len(text) > maxCertBytes {
		return nil, "", errors.New("the root certificate (alipayRootCert) is too long")
	}
	var names []string
	for rest := []byte(text); len(roots) < maxChain; {
		var block *pem.Block
		if block, rest = pem.Decode(rest); block == nil {
			break
		}
		c, err := x509.ParseCertificate(block.Bytes)
		if err != nil {
			continue
		}
		roots = append(roots, c)
		if signedByRSA(block.Bytes) {
			names = append(names, certSN(c))
		}
	}
	if len(names) == 0 {
		return nil, "", errors.New("the root certificate (alipayRootCert) cannot be read or has no RSA certificate; give the bundle as PEM")
	}
	return roots, strings.Join(names, "_"), nil
}

// rsaSignatures is the arc of the object identifiers of RSA signatures.
var rsaSignatures = asn1.ObjectIdentifier{1, 2, 840, 113549, 1, 1}

// signedByRSA reads the algorithm of a certificate's own signature.
func signedByRSA(der []byte) bool {
	var c struct {
		Content   asn1.RawValue
		Algorithm pkix.AlgorithmIdentifier
		Signature asn1.BitString
	}
	_, err := asn1.Unmarshal(der, &c)
	id := c.Algorithm.Algorithm
	return err == nil && len(id) == len(rsaSignatures)+1 && id[:len(rsaSignatures)].Equal(rsaSignatures)
}

// certSN is Alipay's name of a certificate: the MD5, in lower-case hexadecimal,
// of its issuer as RFC 2253 writes it and its serial number in decimal
// (upstreams.md §4.1).
func certSN(c *x509.Certificate) string {
	issuer := c.Issuer.String()
	var rdns pkix.RDNSequence
	if rest, err := asn1.Unmarshal(c.RawIssuer, &rdns); err == nil && len(rest) == 0 {
		issuer = rdns.String() // in the certificate's own order, whatever that is
	}
	sum := md5.Sum([]byte(issuer + c.SerialNumber.String())) //nolint:gosec // as Alipay does it
	return hex.EncodeToString(sum[:])
}
