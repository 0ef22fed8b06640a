package main

import (
	"crypto/rand"
	"crypto/rsa"
	"crypto/sha256"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/json"
	"encoding/pem"
	"errors"
	"fmt"
	"io/fs"
	"math/big"
	"net"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"cloudpay/internal/secret"
)

// Names in the directory of a private CA. Terminals know the root by the name
// of the original service (protocol.md §1.1).
const (
	rootCertName = "cloudpayrootca.pem"
	rootKeyName  = "cloudpayrootca.key"
	issuedName   = "issued.jsonl" // one line per certificate, only added to
)

// Limits and validity of certificates.
const (
	maxCAFile    = 64 << 10
	maxCertHosts = 100
	// backdate helps terminals whose clock is behind: they set it from ping, over
	// the connection that this certificate makes possible.
	backdate  = 24 * time.Hour
	dayOfCert = 24 * time.Hour
	maxDays   = 3650
	maxYears  = 50
	// minPassphrase keeps out what is no passphrase at all.
	minPassphrase = 8
	serialBits    = 126 // random: no two are ever the same, and positive in 16 bytes
)

var errShortPassphrase = fmt.Errorf("a passphrase has at least %d characters", minPassphrase)

// caCmd is the private certificate authority of an installation whose
// terminals pin a root.
type caCmd struct {
	Init   caInitCmd   `cmd:"" help:"Make a private root certificate and its key."`
	Issue  caIssueCmd  `cmd:"" help:"Make or renew a server certificate."`
	Export caExportCmd `cmd:"" help:"Print the root certificate for terminals."`
}

// caFlags say where the CA is and what protects its key.
type caFlags struct {
	Dir            string `name:"dir" required:"" env:"CLOUDPAY_CA_DIR" placeholder:"DIR" help:"Directory of the CA. Keep it off the machine that serves, and back it up."`
	PassphraseFile string `name:"passphrase-file" env:"CLOUDPAY_CA_PASSPHRASE_FILE" placeholder:"FILE" help:"File whose first line is the passphrase of the root's key; or set CLOUDPAY_CA_PASSPHRASE."`
}

// passphrase reads the passphrase from its file or the environment, empty if
// there is none. It is never an argument: those show in the list of processes.
func (c caFlags) passphrase(e env) (secret.Secret, error) {
	if c.PassphraseFile == "" {
		pass := e.getenv("CLOUDPAY_CA_PASSPHRASE")
		if pass != "" && len(pass) < minPassphrase {
			return secret.Secret{}, errShortPassphrase
		}
		return secret.New(pass), nil
	}
	raw, err := readFile(c.PassphraseFile, maxCAFile)
	if err != nil {
		return secret.Secret{}, fmt.Errorf("passphrase-file: %w", err)
	}
	line, _, _ := strings.Cut(string(raw), "\n")
	if line = strings.TrimSuffix(line, "\r"); len(line) < minPassphrase {
		return secret.Secret{}, fmt.Errorf("passphrase-file %s: %w", c.PassphraseFile, errShortPassphrase)
	}
	return secret.New(line), nil
}

// caInitCmd makes a root.
type caInitCmd struct {
	caFlags
	Name  string `name:"name" default:"cloudpay private root" help:"Common name of the root."`
	Years int    `name:"years" default:"20" help:"How long the root is valid; terminals must be changed before it ends."`
	Bits  int    `name:"bits" enum:"2048,3072,4096" default:"2048" help:"Length of the root's RSA key."`
}

// Run makes the root, unless there is one.
func (c *caInitCmd) Run(e env) error {
	if c.Years < 1 || c.Years > maxYears {
		return usage("--years must be between 1 and %d", maxYears)
	}
	pass, err := c.passphrase(e)
	if err != nil {
		return err
	}
	if err := os.MkdirAll(c.Dir, 0o700); err != nil {
		return fmt.Errorf("make the CA's directory: %w", err)
	}
	for _, name := range []string{rootCertName, rootKeyName} {
		if _, err := os.Lstat(filepath.Join(c.Dir, name)); !errors.Is(err, fs.ErrNotExist) {
			return usage("%s exists; a root is never replaced, because terminals trust it: choose another --dir", filepath.Join(c.Dir, name))
		}
	}
	key, err := rsa.GenerateKey(rand.Reader, c.Bits)
	if err != nil {
		return fmt.Errorf("make the root's key: %w", err)
	}
	now := time.Now()
	root := &x509.Certificate{
		Subject:   pkix.Name{CommonName: c.Name},
		NotBefore: now.Add(-backdate), NotAfter: now.AddDate(c.Years, 0, 0),
		KeyUsage: x509.KeyUsageCertSign | x509.KeyUsageCRLSign, IsCA: true, BasicConstraintsValid: true, MaxPathLenZero: true,
		SignatureAlgorithm: x509.SHA256WithRSA,
	}
	der, err := sign(root, root, key, key)
	if err != nil {
		return err
	}
	keyPEM, err := encodeKey(key, pass)
	if err != nil {
		return err
	}
	// The key first: a certificate without a key is worth nothing.
	if err := errors.Join(
		replaceFile(filepath.Join(c.Dir, rootKeyName), keyPEM, 0o600),
		replaceFile(filepath.Join(c.Dir, rootCertName), pemOf(der), 0o644),
	); err != nil {
		return err
	}
	how := "protected by its passphrase"
	if pass.IsZero() {
		how = "NOT protected by a passphrase"
	}
	_, err = fmt.Fprintf(e.stdout, "root    %s, valid until %s\nsha256  %s\nkey     %s, %s\n",
		filepath.Join(c.Dir, rootCertName), root.NotAfter.Format(time.DateOnly), fingerprint(der),
		filepath.Join(c.Dir, rootKeyName), how)
	return err
}

// caIssueCmd makes a server certificate.
type caIssueCmd struct {
	caFlags
	Host []string `name:"host" required:"" placeholder:"NAME" help:"Host name, *.domain or IP address of the server; repeat for several. The first names the files."`
	Days int      `name:"days" default:"397" help:"How long the certificate is valid."`
	Out  string   `name:"out" placeholder:"DIR" help:"Where certificate and key are written; default is the CA's directory."`
}

// issuedLine is one line of issued.jsonl.
type issuedLine struct {
	Serial    string    `json:"serial"`
	Hosts     []string  `json:"hosts"`
	NotBefore time.Time `json:"not_before"`
	NotAfter  time.Time `json:"not_after"`
	SHA256    string    `json:"sha256"`
	File      string    `json:"file"`
}

// Run makes an RSA key and a certificate for the hosts. Files of an earlier
// certificate of the same name are replaced: a running server reads them again.
func (c *caIssueCmd) Run(e env) error {
	hosts, leaf, err := c.template()
	if err != nil {
		return err
	}
	pass, err := c.passphrase(e)
	if err != nil {
		return err
	}
	root, rootKey, err := c.open(pass)
	if err != nil {
		return err
	}
	if leaf.NotAfter.After(root.NotAfter) {
		return usage("--days %d is longer than the root lives: it ends at %s", c.Days, root.NotAfter.Format(time.DateOnly))
	}
	const bits = 2048 // what the oldest terminals verify quickly
	key, err := rsa.GenerateKey(rand.Reader, bits)
	if err != nil {
		return fmt.Errorf("make the server's key: %w", err)
	}
	der, err := sign(leaf, root, key, rootKey)
	if err != nil {
		return err
	}
	keyPEM, err := encodeKey(key, secret.Secret{}) // a server starts without a person
	if err != nil {
		return err
	}
	out := c.Out
	if out == "" {
		out = c.Dir
	}
	if err := os.MkdirAll(out, 0o700); err != nil {
		return fmt.Errorf("make --out: %w", err)
	}
	base := filepath.Join(out, fileName(hosts[0]))
	line := issuedLine{
		Serial: leaf.SerialNumber.Text(16), Hosts: hosts, NotBefore: leaf.NotBefore.UTC().Truncate(time.Second),
		NotAfter: leaf.NotAfter.UTC().Truncate(time.Second), SHA256: fingerprint(der), File: base + ".pem",
	}
	// What was signed is written down before anybody can use it.
	if err := appendLine(filepath.Join(c.Dir, issuedName), line); err != nil {
		return err
	}
	if err := errors.Join(replaceFile(base+".key", keyPEM, 0o600), replaceFile(base+".pem", pemOf(der), 0o644)); err != nil {
		return err
	}
	_, err = fmt.Fprintf(e.stdout, "certificate  %[1]s.pem, valid until %[2]s\nkey          %[1]s.key\nserve with   --tls-cert-file %[1]s.pem --tls-key-file %[1]s.key\n",
		base, leaf.NotAfter.Format(time.DateOnly))
	return err
}

// template is the certificate to be signed, and its hosts in the order given.
func (c *caIssueCmd) template() ([]string, *x509.Certificate, error) {
	if c.Days < 1 || c.Days > maxDays {
		return nil, nil, usage("--days must be between 1 and %d", maxDays)
	}
	if len(c.Host) > maxCertHosts {
		return nil, nil, usage("at most %d hosts fit into one certificate", maxCertHosts)
	}
	now := time.Now()
	leaf := &x509.Certificate{
		NotBefore: now.Add(-backdate), NotAfter: now.Add(time.Duration(c.Days) * dayOfCert),
		// Key encipherment is for the RSA key exchange of old terminals.
		KeyUsage:    x509.KeyUsageDigitalSignature | x509.KeyUsageKeyEncipherment,
		ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth}, BasicConstraintsValid: true,
		SignatureAlgorithm: x509.SHA256WithRSA,
	}
	var hosts []string
	for _, h := range c.Host {
		h = strings.ToLower(h)
		if slices.Contains(hosts, h) {
			continue
		}
		ip := net.ParseIP(h)
		switch {
		case ip != nil:
			leaf.IPAddresses = append(leaf.IPAddresses, ip)
		case validHost(strings.TrimPrefix(h, "*.")):
			leaf.DNSNames = append(leaf.DNSNames, h)
		default:
			return nil, nil, usage("--host %q is not a host name or an IP address; write it without https:// and port", h)
		}
		hosts = append(hosts, h)
	}
	if fileName(hosts[0])+".pem" == rootCertName {
		return nil, nil, usage("the files of --host %s would replace the root %s and its key: name another host first", hosts[0], rootCertName)
	}
	const maxCommonName = 64 // X.520; some old clients look only at the common name
	if len(hosts[0]) <= maxCommonName {
		leaf.Subject = pkix.Name{CommonName: hosts[0]}
	}
	return hosts, leaf, nil
}

// fileName is how the files of a certificate are called, without their endings.
func fileName(host string) string { return strings.NewReplacer("*", "_", ":", "_").Replace(host) }

// caExportCmd prints the root.
type caExportCmd struct {
	Dir string `name:"dir" required:"" env:"CLOUDPAY_CA_DIR" placeholder:"DIR" help:"Directory of the CA."`
	DER bool   `name:"der" help:"Binary DER instead of PEM, for terminals that want it."`
}

// Run prints the root certificate, never the key.
func (c *caExportCmd) Run(e env) error {
	root, err := readRoot(c.Dir)
	if err != nil {
		return err
	}
	out := pemOf(root.Raw)
	if c.DER {
		out = root.Raw
	}
	_, err = e.stdout.Write(out)
	return err
}

// readRoot reads the root certificate of a CA.
func readRoot(dir string) (*x509.Certificate, error) {
	path := filepath.Join(dir, rootCertName)
	raw, err := readFile(path, maxCAFile)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, fmt.Errorf("%w; make a root with: cloudpay ca init --dir %s", err, dir)
	}
	if err != nil {
		return nil, err
	}
	block, _ := pem.Decode(raw)
	if block == nil || block.Type != "CERTIFICATE" {
		return nil, fmt.Errorf("%s holds no certificate", path)
	}
	root, err := x509.ParseCertificate(block.Bytes)
	if err != nil {
		return nil, fmt.Errorf("read %s: %w", path, err)
	}
	return root, nil
}

// open reads root and key and checks that they belong together.
func (c caFlags) open(pass secret.Secret) (*x509.Certificate, *rsa.PrivateKey, error) {
	root, err := readRoot(c.Dir)
	if err != nil {
		return nil, nil, err
	}
	path := filepath.Join(c.Dir, rootKeyName)
	info, err := os.Stat(path)
	if err != nil {
		return nil, nil, err
	}
	if info.Mode().Perm()&0o077 != 0 && os.PathSeparator == '/' { // Windows has no such bits
		return nil, nil, fmt.Errorf("others may use %s (mode %04o); run: chmod 600 %s", path, info.Mode().Perm(), path)
	}
	raw, err := readFile(path, maxCAFile)
	if err != nil {
		return nil, nil, err
	}
	key, err := decodeKey(raw, pass)
	if err != nil {
		return nil, nil, fmt.Errorf("read %s: %w", path, err)
	}
	if public, ok := root.PublicKey.(*rsa.PublicKey); !ok || !public.Equal(&key.PublicKey) {
		return nil, nil, fmt.Errorf("%s is not the key of %s", path, rootCertName)
	}
	return root, key, nil
}

// sign gives a certificate its serial number and signs it.
func sign(c, parent *x509.Certificate, key, by *rsa.PrivateKey) ([]byte, error) {
	serial, err := rand.Int(rand.Reader, new(big.Int).Lsh(big.NewInt(1), serialBits))
	if err != nil {
		return nil, fmt.Errorf("make a serial number: %w", err)
	}
	c.SerialNumber = serial.SetBit(serial, serialBits, 1) // never short, never zero
	der, err := x509.CreateCertificate(rand.Reader, c, parent, &key.PublicKey, by)
	if err != nil {
		return nil, fmt.Errorf("sign a certificate: %w", err)
	}
	return der, nil
}

func pemOf(der []byte) []byte {
	return pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der})
}

// fingerprint is what a person compares on a terminal.
func fingerprint(der []byte) string {
	sum := sha256.Sum256(der)
	parts := make([]string, len(sum))
	for i, b := range sum {
		parts[i] = fmt.Sprintf("%02X", b)
	}
	return strings.Join(parts, ":")
}

// appendLine adds one JSON line to a file.
func appendLine(path string, v any) error {
	raw, err := json.Marshal(v)
	if err != nil {
		return err
	}
	f, err := os.OpenFile(filepath.Clean(path), os.O_APPEND|os.O_CREATE|os.O_WRONLY, 0o600)
	if err != nil {
		return fmt.Errorf("write down what is issued: %w", err)
	}
	_, err = f.Write(append(raw, '\n'))
	return errors.Join(err, f.Sync(), f.Close())
}
