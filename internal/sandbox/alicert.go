package sandbox

import (
	"context"
	"crypto"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/md5" //nolint:gosec // Alipay's serial numbers are MD5 sums
	"crypto/rand"
	"crypto/rsa"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/asn1"
	"encoding/hex"
	"encoding/json"
	"encoding/pem"
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"time"
)

// maxAliCerts bounds the certificates one application has had; a rotation
// beyond it is refused, because every one of them stays downloadable.
const maxAliCerts = 50

// rsaOIDs is the arc of RSA signatures: only certificates signed by one of them
// count in alipay_root_cert_sn (upstreams.md §4.1).
var rsaOIDs = asn1.ObjectIdentifier{1, 2, 840, 113549, 1, 1}

// aliPKI is Alipay's certificate authority and what it issued, as the database
// keeps it. Alipay's roots sign an intermediate certificate, and that the
// certificates of applications and Alipay's own towards each application.
type aliPKI struct {
	RootsPEM     string              `json:"roots_pem"` // the bundle that merchants pin
	RootKeyPEM   string              `json:"root_key_pem"`
	MiddlePEM    string              `json:"middle_pem"`
	MiddleKeyPEM string              `json:"middle_key_pem"`
	Apps         map[string]*aliKept `json:"apps"` // by app_id
}

// aliKept is one application in certificate mode.
type aliKept struct {
	AppCertPEM string        `json:"app_cert_pem"`
	Certs      []aliCertKept `json:"certs"` // Alipay's, the one in use last
	OverlapMS  int64         `json:"overlap_ms"`
}

// aliCertKept is one of Alipay's certificates with its key.
type aliCertKept struct {
	CertPEM string `json:"cert_pem"` // with the intermediate behind it
	KeyPEM  string `json:"key_pem"`
}

// aliCerts are the parsed certificates of one application. A value is never
// changed: a rotation puts another in its place.
type aliCerts struct {
	appSN, rootSN string
	certs         []aliSigner // the one in use last
	overlapMS     int64       // until when the one before it signs every other answer
	forged        aliSigner   // of nobody's chain, for faults
	expired       aliSigner   // of a good chain, and over
}

// aliSigner is a certificate that answers are signed under.
type aliSigner struct {
	sn, pem string
	key     *rsa.PrivateKey
}

// aliMode is what an application needs to be served in certificate mode.
type aliMode struct {
	certs atomic.Pointer[aliCerts]
	turn  atomic.Uint64 // of the two certificates of an overlap
	mu    sync.Mutex    // one rotation at a time
}

// loadAliCerts reads or makes Alipay's authority and certificates, and writes
// them into the accounts.
func (s *Sandbox) loadAliCerts(ctx context.Context) error {
	var pki aliPKI
	err := s.run(ctx, func(ctx context.Context, tx *txn) error {
		var raw []byte
		found, err := tx.row(ctx, "SELECT value FROM meta WHERE name = 'alipay_pki'", nil, []any{&raw})
		if err != nil {
			return err
		}
		if found {
			if err := json.Unmarshal(raw, &pki); err != nil {
				return fmt.Errorf("read alipay's certificates: %w", err)
			}
		}
		grown, err := pki.grow(s.accounts.Providers)
		if err != nil || !grown {
			return err
		}
		return tx.saveAliPKI(ctx, &pki)
	})
	if err != nil {
		return err
	}
	for i := range s.accounts.Providers {
		a := &s.accounts.Providers[i].Alipay
		kept := pki.Apps[a.AppID]
		certs, err := pki.parse(a.AppID, kept)
		if err != nil {
			return fmt.Errorf("read certificates of application %s: %w", a.AppID, err)
		}
		a.AppCertPEM, a.RootCertPEM, a.AlipayCertPEM = kept.AppCertPEM, pki.RootsPEM, certs.certs[len(certs.certs)-1].pem
		s.ali[a.AppID].mode.certs.Store(certs)
	}
	return nil
}

// saveAliPKI writes the authority down.
func (t *txn) saveAliPKI(ctx context.Context, pki *aliPKI) error {
	raw, err := json.Marshal(pki)
	if err != nil {
		return fmt.Errorf("write alipay's certificates: %w", err)
	}
	return t.exec(ctx, "INSERT INTO meta (name, value) VALUES ('alipay_pki', ?) "+
		"ON CONFLICT (name) DO UPDATE SET value = excluded.value", raw)
}

// grow makes what is missing and reports whether anything was. RSA keys are
// made side by side, as grow of the identity does.
func (p *aliPKI) grow(providers []Provider) (bool, error) {
	grown := false
	if p.RootsPEM == "" {
		if err := p.makeRoots(); err != nil {
			return false, err
		}
		p.Apps, grown = map[string]*aliKept{}, true
	}
	made := make([]*aliKept, len(providers))
	errs := make([]error, len(providers))
	var wg sync.WaitGroup
	for i, one := range providers {
		if p.Apps[one.Alipay.AppID] == nil {
			wg.Go(func() { made[i], errs[i] = p.makeApp(one.Alipay) })
		}
	}
	wg.Wait()
	if err := errors.Join(errs...); err != nil {
		return false, err
	}
	for i, kept := range made {
		if kept != nil {
			p.Apps[providers[i].Alipay.AppID], grown = kept, true
		}
	}
	return grown, nil
}

// aliName is a name of Alipay's authority, in the order its certificates have.
func aliName(name string) pkix.Name {
	return pkix.Name{
		Country: []string{"CN"}, Organization: []string{"Ant Financial (cloudpay sandbox)"},
		OrganizationalUnit: []string{"Certification Authority"}, CommonName: name,
	}
}

// makeRoots invents the bundle of roots and the intermediate. Like the real
// bundle it begins with a root on the curve SM2, which neither counts in
// alipay_root_cert_sn nor can be read by most libraries.
func (p *aliPKI) makeRoots() error {
	root, err := newRSAKey()
	if err != nil {
		return err
	}
	middle, err := newRSAKey()
	if err != nil {
		return err
	}
	exotic, err := sm2Root()
	if err != nil {
		return err
	}
	var bundle strings.Builder
	bundle.WriteString(exotic)
	var authority *x509.Certificate
	for _, name := range []string{"Ant Financial Certification Authority R0", "Ant Financial Certification Authority R1"} {
		authority = aliAuthority(name)
		der, err := x509.CreateCertificate(rand.Reader, authority, authority, &root.PublicKey, root)
		if err != nil {
			return err
		}
		bundle.WriteString(certPEM(der))
	}
	under := aliAuthority("Ant Financial Certification Authority Class 2 R1")
	der, err := x509.CreateCertificate(rand.Reader, under, authority, &middle.PublicKey, root)
	if err != nil {
		return err
	}
	p.RootsPEM, p.RootKeyPEM = bundle.String(), privatePEM(root)
	p.MiddlePEM, p.MiddleKeyPEM = certPEM(der), privatePEM(middle)
	return nil
}

// aliAuthority is the template of a certificate that signs others.
func aliAuthority(name string) *x509.Certificate {
	c := certificate(name)
	c.Subject = aliName(name)
	c.IsCA, c.BasicConstraintsValid, c.KeyUsage = true, true, x509.KeyUsageCertSign|x509.KeyUsageCRLSign
	return c
}

// sm2Root is a certificate that says it is on the curve SM2. The object
// identifiers of P-256 and of its signature are as long as SM2's, so they are
// exchanged in the finished bytes; nobody can verify it, as nobody could verify
// the real one.
func sm2Root() (string, error) {
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		return "", err
	}
	root := aliAuthority("ROOTCA")
	der, err := x509.CreateCertificate(rand.Reader, root, root, &key.PublicKey, key)
	if err != nil {
		return "", err
	}
	text := string(der)
	text = strings.ReplaceAll(text, "\x2a\x86\x48\xce\x3d\x03\x01\x07", "\x2a\x81\x1c\xcf\x55\x01\x82\x2d")
	text = strings.ReplaceAll(text, "\x2a\x86\x48\xce\x3d\x04\x03\x02", "\x2a\x81\x1c\xcf\x55\x01\x83\x75")
	return certPEM([]byte(text)), nil
}

// makeApp certifies an application's key and a new key of Alipay's towards it.
func (p *aliPKI) makeApp(a AlipayAccount) (*aliKept, error) {
	appKey, err := parsePrivate(a.AppPrivateKeyPEM)
	if err != nil {
		return nil, err
	}
	app := certificate("")
	app.Subject = aliSubject(aliPID(a.AppID) + "-" + a.AppID)
	appPEM, err := p.issue(app, &appKey.PublicKey)
	if err != nil {
		return nil, err
	}
	own, err := p.makeCert(a.AppID, validFrom, validUntil, newRSAKey)
	return &aliKept{AppCertPEM: appPEM, Certs: []aliCertKept{own}}, err
}

// makeCert makes a certificate of Alipay's towards an application, with a new key.
func (p *aliPKI) makeCert(appID string, from, until time.Time, newKey func() (*rsa.PrivateKey, error)) (aliCertKept, error) {
	key, err := newKey()
	if err != nil {
		return aliCertKept{}, err
	}
	text, err := p.issue(aliLeaf(appID, from, until), &key.PublicKey)
	return aliCertKept{CertPEM: text + p.MiddlePEM, KeyPEM: privatePEM(key)}, err
}

// aliPID is the number of a provider's own account with Alipay.
func aliPID(appID string) string { return "2088" + appID[len("2021"):] }

// aliSubject is whom the authority certifies. As upstream's, all subjects of a
// provider are of its own organization, Alipay's too: the common name tells them
// apart.
func aliSubject(name string) pkix.Name {
	return pkix.Name{Country: []string{"CN"}, Organization: []string{"cloudpay sandbox provider"}, OrganizationalUnit: []string{"Alipay"}, CommonName: name}
}

// aliLeaf is the template of Alipay's certificate towards an application.
func aliLeaf(appID string, from, until time.Time) *x509.Certificate {
	leaf := certificate("")
	leaf.Subject = aliSubject("支付宝(中国)网络技术有限公司-" + aliPID(appID))
	leaf.NotBefore, leaf.NotAfter = from, until
	return leaf
}

// issue lets the intermediate sign a certificate.
func (p *aliPKI) issue(template *x509.Certificate, key crypto.PublicKey) (string, error) {
	authority, err := parseCert(p.MiddlePEM)
	if err != nil {
		return "", err
	}
	by, err := parsePrivate(p.MiddleKeyPEM)
	if err != nil {
		return "", err
	}
	der, err := x509.CreateCertificate(rand.Reader, template, authority, key, by)
	if err != nil {
		return "", fmt.Errorf("sign certificate of %s: %w", template.Subject.CommonName, err)
	}
	return certPEM(der), nil
}

// parse reads an application's certificates and makes the two that only faults
// sign under. Those have the key of the last good one, so that a verifier that
// looks at the key alone takes them.
func (p *aliPKI) parse(appID string, kept *aliKept) (*aliCerts, error) {
	out := &aliCerts{overlapMS: kept.OverlapMS, rootSN: rootSN(p.RootsPEM)}
	app, err := parseCert(kept.AppCertPEM)
	if err != nil {
		return nil, err
	}
	out.appSN = certSN(app)
	for _, c := range kept.Certs {
		signer, err := newAliSigner(c.CertPEM, c.KeyPEM)
		if err != nil {
			return nil, err
		}
		out.certs = append(out.certs, signer)
	}
	last := kept.Certs[len(kept.Certs)-1]
	key := out.certs[len(out.certs)-1].key
	leaf, err := parseCert(last.CertPEM)
	if err != nil {
		return nil, err
	}
	over, err := p.issue(aliLeaf(appID, validFrom, validFrom.AddDate(0, 1, 0)), &key.PublicKey)
	if err != nil {
		return nil, err
	}
	if out.expired, err = newAliSigner(over+p.MiddlePEM, last.KeyPEM); err != nil {
		return nil, err
	}
	forged, err := forge(appID, leaf, &key.PublicKey)
	if err != nil {
		return nil, err
	}
	out.forged, err = newAliSigner(forged, last.KeyPEM)
	return out, err
}

// forge makes a certificate that looks like leaf under an authority that looks
// like Alipay's and is not.
func forge(appID string, leaf *x509.Certificate, key crypto.PublicKey) (string, error) {
	authority := aliAuthority(leaf.Issuer.CommonName)
	by, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		return "", err
	}
	rootDER, err := x509.CreateCertificate(rand.Reader, authority, authority, &by.PublicKey, by)
	if err != nil {
		return "", err
	}
	der, err := x509.CreateCertificate(rand.Reader, aliLeaf(appID, validFrom, validUntil), authority, key, by)
	return certPEM(der) + certPEM(rootDER), err
}

func newAliSigner(certText, keyText string) (aliSigner, error) {
	cert, err := parseCert(certText)
	if err != nil {
		return aliSigner{}, err
	}
	key, err := parsePrivate(keyText)
	return aliSigner{sn: certSN(cert), pem: certText, key: key}, err
}

// certSN is Alipay's name of a certificate: the MD5 of its issuer and its
// decimal serial number, the issuer's parts from the last to the first
// (upstreams.md §4.1).
func certSN(c *x509.Certificate) string {
	parts := make([]string, 0, len(c.Issuer.Names))
	short := map[string]string{"2.5.4.3": "CN", "2.5.4.6": "C", "2.5.4.7": "L", "2.5.4.8": "ST", "2.5.4.10": "O", "2.5.4.11": "OU"}
	for _, one := range slices.Backward(c.Issuer.Names) {
		parts = append(parts, fmt.Sprintf("%s=%v", short[one.Type.String()], one.Value))
	}
	sum := md5.Sum([]byte(strings.Join(parts, ",") + c.SerialNumber.String())) //nolint:gosec // as Alipay does it
	return hex.EncodeToString(sum[:])
}

// rootSN joins the names of a bundle's RSA certificates. The signature's
// algorithm is read from the bytes, because most of a certificate on SM2 cannot
// be parsed.
func rootSN(bundle string) string {
	var names []string
	for rest := []byte(bundle); ; {
		var block *pem.Block
		if block, rest = pem.Decode(rest); block == nil {
			return strings.Join(names, "_")
		}
		var outer struct {
			Content   asn1.RawValue
			Algorithm pkix.AlgorithmIdentifier
			Signature asn1.BitString
		}
		if _, err := asn1.Unmarshal(block.Bytes, &outer); err != nil || len(outer.Algorithm.Algorithm) <= len(rsaOIDs) ||
			!outer.Algorithm.Algorithm[:len(rsaOIDs)].Equal(rsaOIDs) {
			continue
		}
		if c, err := x509.ParseCertificate(block.Bytes); err == nil {
			names = append(names, certSN(c))
		}
	}
}
