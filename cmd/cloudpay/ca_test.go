package main

import (
	"bytes"
	"crypto/rsa"
	"crypto/x509"
	"encoding/pem"
	"errors"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"cloudpay/internal/secret"
)

// authority makes a CA and a certificate for pay.example, 127.0.0.1 and more.
func authority(t *testing.T) (dir string) {
	t.Helper()
	dir = filepath.Join(t.TempDir(), "ca")
	cloudpay(t, "ca", "init", "--dir", dir).want(t, exitOK, "NOT protected by a passphrase")
	cloudpay(t, "ca", "issue", "--dir", dir, "--host", "Pay.example", "--host", "127.0.0.1", "--host", "*.pay.example", "--host", "pay.example").
		want(t, exitOK, "pay.example.pem")
	return dir
}

func readCert(t *testing.T, path string) *x509.Certificate {
	t.Helper()
	raw, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	block, _ := pem.Decode(raw)
	c, err := x509.ParseCertificate(block.Bytes)
	if err != nil {
		t.Fatal(err)
	}
	return c
}

func TestIssuedCertificateIsTrustedByItsRootOnly(t *testing.T) {
	t.Parallel()
	dir, other := authority(t), authority(t)
	leaf := readCert(t, filepath.Join(dir, "pay.example.pem"))
	for name, c := range map[string]struct {
		root, host string
		at         time.Time
		trusted    bool
	}{
		"its root":                 {dir, "pay.example", time.Now(), true},
		"an address":               {dir, "127.0.0.1", time.Now(), true},
		"a subdomain":              {dir, "sz.pay.example", time.Now(), true},
		"another name":             {dir, "pay.other", time.Now(), false},
		"another root":             {other, "pay.example", time.Now(), false},
		"a clock a day late":       {dir, "pay.example", time.Now().Add(-23 * time.Hour), true},
		"after 397 days":           {dir, "pay.example", time.Now().Add(398 * 24 * time.Hour), false},
		"before it was thought of": {dir, "pay.example", time.Now().Add(-48 * time.Hour), false},
	} {
		roots := x509.NewCertPool()
		roots.AddCert(readCert(t, filepath.Join(c.root, rootCertName)))
		_, err := leaf.Verify(x509.VerifyOptions{Roots: roots, DNSName: c.host, CurrentTime: c.at, KeyUsages: []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth}})
		if (err == nil) != c.trusted {
			t.Errorf("%s: %v, want trusted = %v", name, err, c.trusted)
		}
	}
	root := readCert(t, filepath.Join(dir, rootCertName))
	if key, ok := leaf.PublicKey.(*rsa.PublicKey); !ok || key.N.BitLen() != 2048 || leaf.SignatureAlgorithm != x509.SHA256WithRSA {
		t.Errorf("the key is %T, signed with %v", leaf.PublicKey, leaf.SignatureAlgorithm)
	}
	if leaf.KeyUsage != x509.KeyUsageDigitalSignature|x509.KeyUsageKeyEncipherment || leaf.IsCA {
		t.Errorf("key usage %b, CA %v", leaf.KeyUsage, leaf.IsCA)
	}
	if !root.IsCA || !root.MaxPathLenZero || root.KeyUsage != x509.KeyUsageCertSign|x509.KeyUsageCRLSign {
		t.Errorf("root: CA %v, path length zero %v, key usage %b", root.IsCA, root.MaxPathLenZero, root.KeyUsage)
	}
	if want := []string{"pay.example", "*.pay.example"}; !slices.Equal(leaf.DNSNames, want) {
		t.Errorf("names = %v, want %v", leaf.DNSNames, want)
	}
	for _, name := range []string{rootKeyName, "pay.example.key", issuedName} {
		if info, err := os.Stat(filepath.Join(dir, name)); err != nil || info.Mode().Perm() != 0o600 {
			t.Errorf("%s has mode %v, %v; want 0600", name, info.Mode(), err)
		}
	}
}

// A host that is called like the root's files would have replaced the root and
// its key, which nobody has twice.
func TestNoCertificateReplacesTheRoot(t *testing.T) {
	t.Parallel()
	dir := authority(t)
	before := readCert(t, filepath.Join(dir, rootCertName))
	for _, host := range []string{"cloudpayrootca", "CloudPayRootCA"} {
		cloudpay(t, "ca", "issue", "--dir", dir, "--host", host).want(t, exitUsage, "cloudpayrootca")
	}
	if after := readCert(t, filepath.Join(dir, rootCertName)); !after.Equal(before) {
		t.Error("the root is another one")
	}
	cloudpay(t, "ca", "issue", "--dir", dir, "--host", "pay.example", "--host", "cloudpayrootca").want(t, exitOK, "")
}

func TestEveryCertificateHasItsOwnSerial(t *testing.T) {
	t.Parallel()
	dir := authority(t)
	seen := map[string]bool{readCert(t, filepath.Join(dir, rootCertName)).SerialNumber.String(): true}
	for range 3 { // the same name again and again
		c := readCert(t, filepath.Join(dir, "pay.example.pem"))
		if s := c.SerialNumber.String(); seen[s] || c.SerialNumber.Sign() <= 0 || len(c.SerialNumber.Bytes()) > 20 {
			t.Errorf("serial %s is seen again or out of range", s)
		} else {
			seen[s] = true
		}
		cloudpay(t, "ca", "issue", "--dir", dir, "--host", "pay.example", "--days", "10").want(t, exitOK, "")
	}
	raw, err := os.ReadFile(filepath.Join(dir, issuedName))
	if err != nil || bytes.Count(raw, []byte("\n")) != 4 {
		t.Errorf("%s has not 4 lines: %s %v", issuedName, raw, err)
	}
}

func TestRootKeyIsProtectedByItsPassphrase(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	pass := filepath.Join(dir, "pass")
	wrong := filepath.Join(dir, "wrong")
	for path, text := range map[string]string{pass: "correct horse\n", wrong: "battery staple\n"} {
		if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	ca := filepath.Join(dir, "ca")
	cloudpay(t, "ca", "init", "--dir", ca, "--passphrase-file", pass).want(t, exitOK, "protected by its passphrase")
	raw, err := os.ReadFile(filepath.Join(ca, rootKeyName))
	if err != nil {
		t.Fatal(err)
	}
	if !strings.HasPrefix(string(raw), "-----BEGIN ENCRYPTED PRIVATE KEY-----") {
		t.Fatalf("the key begins with %.40s", raw)
	}
	for name, c := range map[string]struct {
		pass string
		want error
	}{
		"right": {"correct horse", nil}, "wrong": {"battery staple", errWrongPassphrase}, "none": {"", errNoPassphrase},
	} {
		if _, err := decodeKey(raw, secret.New(c.pass)); !errors.Is(err, c.want) {
			t.Errorf("%s passphrase: %v, want %v", name, err, c.want)
		}
	}
	cloudpay(t, "ca", "issue", "--dir", ca, "--host", "a.example").want(t, exitFailed, "passphrase")
	cloudpay(t, "ca", "issue", "--dir", ca, "--host", "a.example", "--passphrase-file", wrong).want(t, exitFailed, "the passphrase is wrong")
	cloudpay(t, "ca", "issue", "--dir", ca, "--host", "a.example", "--passphrase-file", pass).want(t, exitOK, "a.example.pem")
}

// TestOpenSSLAgrees lets somebody else's code read what we wrote.
func TestOpenSSLAgrees(t *testing.T) {
	t.Parallel()
	openssl, err := exec.LookPath("openssl")
	if err != nil {
		t.Skip("NOT TESTED WITH OPENSSL: not installed")
	}
	say := func(args ...string) string {
		t.Helper()
		out, err := exec.Command(openssl, args...).CombinedOutput()
		if err != nil {
			t.Errorf("openssl %v: %v\n%s", args, err, out)
		}
		return string(out)
	}
	dir := authority(t)
	root, leaf := filepath.Join(dir, rootCertName), filepath.Join(dir, "pay.example.pem")
	say("verify", "-x509_strict", "-purpose", "sslserver", "-verify_hostname", "pay.example", "-CAfile", root, leaf)
	say("verify", "-x509_strict", "-purpose", "sslserver", "-verify_ip", "127.0.0.1", "-CAfile", root, leaf)
	if out := say("x509", "-in", leaf, "-noout", "-ext", "subjectAltName,keyUsage,extendedKeyUsage"); !strings.Contains(out, "IP Address:127.0.0.1") {
		t.Errorf("openssl reads %s", out)
	}
	// A protected key is read by openssl, and one that it protected is read by us.
	pass := filepath.Join(dir, "pass")
	if err := os.WriteFile(pass, []byte("correct horse\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	ca := filepath.Join(dir, "ca2")
	cloudpay(t, "ca", "init", "--dir", ca, "--passphrase-file", pass).want(t, exitOK, "")
	key := filepath.Join(ca, rootKeyName)
	again := filepath.Join(dir, "again.key")
	say("pkcs8", "-topk8", "-v2", "aes256", "-v2prf", "hmacWithSHA256", "-in", key, "-passin", "file:"+pass, "-passout", "pass:correct horse", "-out", again)
	ours, err1 := os.ReadFile(key)
	theirs, err2 := os.ReadFile(again)
	a, err3 := decodeKey(ours, secret.New("correct horse"))
	b, err4 := decodeKey(theirs, secret.New("correct horse"))
	if err := errors.Join(err1, err2, err3, err4); err != nil || !a.Equal(b) {
		t.Errorf("the key came back changed: %v", err)
	}
}
