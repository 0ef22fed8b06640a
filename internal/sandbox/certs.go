package sandbox

import (
	"context"
	"crypto"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/rsa"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"errors"
	"fmt"
	"math/big"
	"net"
	"slices"
	"time"
)

// rsaBits is the size both wallets use (upstreams.md §3.1, §4.1: RSA2).
const rsaBits = 2048

// Certificates of servers and authorities are valid over a span no test clock
// leaves: TLS is checked against the machine's time, while business time is the
// sandbox's.
var (
	validFrom  = time.Date(1999, 1, 1, 0, 0, 0, 0, time.UTC) // simulated clocks start at the year 2000
	validUntil = time.Date(2120, 1, 1, 0, 0, 0, 0, time.UTC)
)

// serverNames are the names the wallets answer under: the real hosts, so that
// a client that insists on them can be pointed here by a hosts file, and
// loopback.
var serverNames = []string{
	"localhost", "127.0.0.1", "::1", "api.mch.weixin.qq.com", "api2.mch.weixin.qq.com", "openapi.alipay.com", "openapi-sandbox.dl.alipaydev.com",
	"openauth.alipay.com", "openauth.alipaydev.com", "open.weixin.qq.com", "api.weixin.qq.com",
}

// newRSAKey makes a key; the runtime takes its randomness from the system.
func newRSAKey() (*rsa.PrivateKey, error) { return rsa.GenerateKey(rand.Reader, rsaBits) }

// makeAuthority invents the certificate authority. It and the wallets' TLS
// certificate use ECDSA because no signature vector depends on them.
func (id *identity) makeAuthority() error {
	caKey, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		return err
	}
	ca := certificate("cloudpay sandbox CA")
	ca.IsCA, ca.BasicConstraintsValid = true, true
	ca.KeyUsage = x509.KeyUsageCertSign | x509.KeyUsageCRLSign
	caDER, err := x509.CreateCertificate(rand.Reader, ca, ca, &caKey.PublicKey, caKey)
	if err != nil {
		return err
	}
	id.Accounts.CAPEM = certPEM(caDER)
	id.CAKeyPEM, err = ecPEM(caKey)
	return err
}

// certifyServer makes the wallets' certificate unless the present one is good
// for all these names, and reports whether it did. Clients that trust the
// authority notice nothing.
func (id *identity) certifyServer(names []string) (bool, error) {
	if old, err := parseCert(id.ServerCertPEM); err == nil && !slices.ContainsFunc(names, func(n string) bool { return old.VerifyHostname(n) != nil }) {
		return false, nil
	}
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		return false, err
	}
	server := certificate("cloudpay sandbox wallets")
	for _, name := range names {
		if ip := net.ParseIP(name); ip != nil {
			server.IPAddresses = append(server.IPAddresses, ip)
		} else {
			server.DNSNames = append(server.DNSNames, name)
		}
	}
	server.ExtKeyUsage = []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth}
	if id.ServerCertPEM, err = id.sign(server, &key.PublicKey); err != nil {
		return false, err
	}
	id.ServerKeyPEM, err = ecPEM(key)
	return true, err
}

// clientLife is how long an API client certificate is valid (upstreams.md §3.1).
const clientLife = 5 * 365 * 24 * time.Hour

// signClient makes the API client certificate of a WeChat merchant number,
// valid for clientLife of the sandbox's clock. As with the real ones, the
// common name is the number.
func (id *identity) signClient(mchID string, key crypto.PublicKey, now time.Time) (string, error) {
	client := certificate(mchID)
	client.NotAfter = now.Add(clientLife).UTC().Truncate(time.Second)
	client.ExtKeyUsage = []x509.ExtKeyUsage{x509.ExtKeyUsageClientAuth}
	return id.sign(client, key)
}

// renewClients signs anew, for the same keys, the client certificates that are
// expired or were made without an end, and reports whether there were any.
func (id *identity) renewClients(now time.Time) (bool, error) {
	renewed := false
	for i := range id.Accounts.Providers {
		a := &id.Accounts.Providers[i].WeChat
		old, err := parseCert(a.ClientCertPEM)
		if err != nil {
			return false, fmt.Errorf("read client certificate of %s: %w", a.MchID, err)
		}
		if now.Before(old.NotAfter) && old.NotAfter.Before(validUntil) {
			continue
		}
		if a.ClientCertPEM, err = id.signClient(a.MchID, old.PublicKey, now); err != nil {
			return false, err
		}
		fresh, err := parseCert(a.ClientCertPEM)
		if err != nil {
			return false, err
		}
		a.SerialNo, renewed = serialOf(fresh), true
	}
	return renewed, nil
}

// sign lets our authority sign a certificate for a key.
func (id *identity) sign(template *x509.Certificate, key crypto.PublicKey) (string, error) {
	pair, err := tls.X509KeyPair([]byte(id.Accounts.CAPEM), []byte(id.CAKeyPEM))
	if err != nil {
		return "", fmt.Errorf("read sandbox authority: %w", err)
	}
	der, err := x509.CreateCertificate(rand.Reader, template, pair.Leaf, key, pair.PrivateKey)
	if err != nil {
		return "", fmt.Errorf("sign certificate of %s: %w", template.Subject.CommonName, err)
	}
	return certPEM(der), nil
}

// certificate is the part all our certificates share. The serial is random, as
// a certificate authority's must be, and has the 40 hexadecimal digits of
// WeChat's: its first digit is never 0, so that no form of writing it drops one.
func certificate(name string) *x509.Certificate {
	serial := make([]byte, 20)
	_, _ = rand.Read(serial) // never fails: the runtime ends the process instead
	serial[0] = 0x40 | serial[0]&0x3f
	return &x509.Certificate{
		SerialNumber: new(big.Int).SetBytes(serial), Subject: pkix.Name{CommonName: name, Organization: []string{"cloudpay sandbox"}},
		NotBefore: validFrom, NotAfter: validUntil, KeyUsage: x509.KeyUsageDigitalSignature,
	}
}

// certPEM writes a certificate the way Config files and openssl read it.
func certPEM(der []byte) string {
	return string(pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der}))
}

// ecPEM writes an ECDSA key as PKCS#8.
func ecPEM(k *ecdsa.PrivateKey) (string, error) {
	der, err := x509.MarshalPKCS8PrivateKey(k)
	return string(pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: der})), err
}

// TLSConfig is for the listener that carries Wallet. It asks every client for
// a certificate and demands none: only reverse and refund do, per call
// (upstreams.md §2.1). A new copy is returned each time.
func (s *Sandbox) TLSConfig() *tls.Config {
	return &tls.Config{
		Certificates: []tls.Certificate{s.serverCert},
		ClientAuth:   tls.RequestClientCert,
		MinVersion:   tls.VersionTLS12,
		NextProtos:   []string{"http/1.1"}, // WeChat v2 clients speak no other
	}
}

// errNoCert is why a call that needs a client certificate is cut off.
var errNoCert = errors.New("no client certificate of this merchant number")

// checkClient verifies that the connection's client certificate was signed by
// our authority for this merchant number. An empty number, of a call too
// broken to name one, is satisfied by any of our certificates.
func (s *Sandbox) checkClient(state *tls.ConnectionState, mchID string) error {
	if state == nil || len(state.PeerCertificates) == 0 {
		return errNoCert
	}
	cert := state.PeerCertificates[0]
	_, err := cert.Verify(x509.VerifyOptions{
		Roots: s.authority, KeyUsages: []x509.ExtKeyUsage{x509.ExtKeyUsageClientAuth}, CurrentTime: s.c.Now(),
	})
	if err != nil {
		return fmt.Errorf("%w: %w", errNoCert, err)
	}
	if mchID != "" && cert.Subject.CommonName != mchID {
		return errNoCert
	}
	return nil
}

// mtlsRule looks for a require_mtls rule when a call lacks its certificate.
// It reports whether the call may go on, or is to get the HTML page. It is
// asked only then, so such a rule counts the calls whose fate it changed.
func (s *Sandbox) mtlsRule(ctx context.Context, c call) (relaxed, page bool, err error) {
	if len(s.faults.snapshot()) == 0 {
		return false, false, nil
	}
	err = s.run(ctx, func(ctx context.Context, tx *txn) error {
		for _, r := range s.faults.snapshot() {
			if r.Scenario != scenarioMTLS || !r.matches(c) {
				continue
			}
			fired, err := tx.draw(ctx, r)
			if err != nil {
				return err
			}
			if fired {
				relaxed = r.Params.Required == nil || !*r.Params.Required
				page = r.Params.Page != nil && *r.Params.Page
			}
		}
		return nil
	})
	return relaxed, page, err
}
