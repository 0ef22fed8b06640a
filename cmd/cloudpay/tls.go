package main

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"os"
	"os/signal"
	"regexp"
	"slices"
	"strings"
	"sync/atomic"
	"syscall"
	"time"
)

const (
	// certCheck is how often certificate files are looked at: two of these after
	// a renewal every new connection has the new certificate.
	certCheck = 30 * time.Second
	// maxCerts bounds the certificates of one server; every handshake may look at
	// all of them.
	maxCerts = 32
	// expiresSoon is when an operator is reminded.
	expiresSoon = 14 * 24 * time.Hour
)

// tlsSettings say how the API is HTTPS.
type tlsSettings struct {
	TLSCertFile []string `name:"tls-cert-file" env:"CLOUDPAY_TLS_CERT_FILE" placeholder:"FILE" help:"Certificate chain for the API; with --tls-key-file the API is HTTPS. Repeat both for several; the client's host name chooses."`
	TLSKeyFile  []string `name:"tls-key-file" env:"CLOUDPAY_TLS_KEY_FILE" placeholder:"FILE" help:"Private key for the --tls-cert-file at the same place."`
	TLSMin      string   `name:"tls-min" env:"CLOUDPAY_TLS_MIN" enum:"1.1,1.2,1.3" default:"1.2" help:"Oldest TLS that is spoken. 1.1 is for old terminals only and adds the weak suites they need."`
	Host        []string `name:"host" env:"CLOUDPAY_HOST" placeholder:"NAME" help:"Name or IP address that clients reach this installation by; repeat for several. Others are served too."`
}

// check reports all mistakes at once.
func (s tlsSettings) check() (errs []error) {
	if len(s.TLSCertFile) != len(s.TLSKeyFile) {
		errs = append(errs, errors.New("tls-cert-file and tls-key-file go together"))
	}
	if len(s.TLSCertFile) > maxCerts {
		errs = append(errs, fmt.Errorf("at most %d certificates are served", maxCerts))
	}
	for _, h := range s.Host {
		if !validHost(h) {
			errs = append(errs, fmt.Errorf("host %q is not a host name or an IP address; write it without https:// and port", h))
		}
	}
	return errs
}

// hostName is a DNS name as certificates and clients spell it: ASCII, an
// internationalised name in its xn-- form.
var hostName = regexp.MustCompile(`^(?:[A-Za-z0-9_](?:[A-Za-z0-9_-]{0,61}[A-Za-z0-9])?\.)*[A-Za-z0-9](?:[A-Za-z0-9-]{0,61}[A-Za-z0-9])?$`)

// validHost reports an IP address or a DNS name.
func validHost(h string) bool {
	if net.ParseIP(h) != nil {
		return true
	}
	return len(h) <= 253 && hostName.MatchString(h)
}

// hosts are the names in the form in which they are compared.
func (s tlsSettings) hosts() []string {
	out := make([]string, 0, len(s.Host))
	for _, h := range s.Host {
		out = append(out, strings.ToLower(h))
	}
	slices.Sort(out)
	return slices.Compact(out)
}

// versions are what tls-min may be; "" is the default of a zero value.
var versions = map[string]uint16{"": tls.VersionTLS12, "1.1": tls.VersionTLS11, "1.2": tls.VersionTLS12, "1.3": tls.VersionTLS13}

// oldSuites are what terminals that know no better ask for (S002 §1): Go's own
// choice first, then CBC and RSA key exchange, which give no forward secrecy.
var oldSuites = []uint16{
	tls.TLS_ECDHE_ECDSA_WITH_AES_128_GCM_SHA256, tls.TLS_ECDHE_RSA_WITH_AES_128_GCM_SHA256,
	tls.TLS_ECDHE_ECDSA_WITH_AES_256_GCM_SHA384, tls.TLS_ECDHE_RSA_WITH_AES_256_GCM_SHA384,
	tls.TLS_ECDHE_ECDSA_WITH_CHACHA20_POLY1305_SHA256, tls.TLS_ECDHE_RSA_WITH_CHACHA20_POLY1305_SHA256,
	tls.TLS_ECDHE_ECDSA_WITH_AES_128_CBC_SHA, tls.TLS_ECDHE_RSA_WITH_AES_128_CBC_SHA,
	tls.TLS_ECDHE_ECDSA_WITH_AES_256_CBC_SHA, tls.TLS_ECDHE_RSA_WITH_AES_256_CBC_SHA,
	tls.TLS_ECDHE_RSA_WITH_AES_128_CBC_SHA256,
	tls.TLS_RSA_WITH_AES_128_GCM_SHA256, tls.TLS_RSA_WITH_AES_256_GCM_SHA384, tls.TLS_RSA_WITH_AES_128_CBC_SHA256,
	tls.TLS_RSA_WITH_AES_128_CBC_SHA, tls.TLS_RSA_WITH_AES_256_CBC_SHA,
}

// certificates are the certificates in force. They are read again when a file
// changes. Safe for concurrent use.
type certificates struct {
	settings tlsSettings
	loaded   atomic.Pointer[[]tls.Certificate]
	stamps   []string // of the files in force; only load touches it
}

// openCertificates reads the certificates.
func openCertificates(s tlsSettings) (*certificates, error) {
	c := &certificates{settings: s}
	_, err := c.load()
	return c, err
}

// load reads the files if any of them changed since the last time, and says
// whether it did. After an error everything stays as it was: a renewal writes
// two files, one after the other.
func (c *certificates) load() (changed bool, err error) {
	var stamps []string
	for _, path := range slices.Concat(c.settings.TLSCertFile, c.settings.TLSKeyFile) {
		info, err := os.Stat(path)
		if err != nil {
			return false, fmt.Errorf("tls-cert-file and tls-key-file: %w", err)
		}
		stamps = append(stamps, fmt.Sprint(info.ModTime().UnixNano(), " ", info.Size()))
	}
	if slices.Equal(stamps, c.stamps) {
		return false, nil
	}
	certs := make([]tls.Certificate, 0, len(c.settings.TLSCertFile))
	for i, path := range c.settings.TLSCertFile {
		cert, err := tls.LoadX509KeyPair(path, c.settings.TLSKeyFile[i])
		if err != nil {
			return false, fmt.Errorf("tls-cert-file %s and tls-key-file %s: %w", path, c.settings.TLSKeyFile[i], err)
		}
		certs = append(certs, cert)
	}
	c.stamps = stamps
	c.loaded.Store(&certs)
	return true, nil
}

// warnings are what an operator should know of the certificates in force.
func (c *certificates) warnings(now time.Time) (all []string) {
	certs := *c.loaded.Load()
	for i, cert := range certs {
		if end := cert.Leaf.NotAfter; end.Sub(now) < expiresSoon {
			all = append(all, fmt.Sprintf("the certificate in %s ends at %s: renew it", c.settings.TLSCertFile[i], end.Format(time.RFC3339)))
		}
	}
	for _, h := range c.settings.hosts() {
		if !slices.ContainsFunc(certs, func(cert tls.Certificate) bool { return covers(cert.Leaf, h) }) {
			all = append(all, "no certificate is for the host "+h+": clients that check will refuse it")
		}
	}
	return all
}

// covers reports whether a certificate is for a host.
func covers(leaf *x509.Certificate, host string) bool { return leaf.VerifyHostname(host) == nil }

// watch reads changed files until ctx ends: every certCheck, and at once on a
// hangup signal.
func (c *certificates) watch(ctx context.Context, log *slog.Logger) {
	warn := func() {
		for _, w := range c.warnings(time.Now()) {
			log.WarnContext(ctx, "look at the certificates", slog.String("why", w))
		}
	}
	warn()
	hangup := make(chan os.Signal, 1)
	signal.Notify(hangup, syscall.SIGHUP)
	defer signal.Stop(hangup)
	tick := time.NewTicker(certCheck)
	defer tick.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-hangup:
		case <-tick.C:
		}
		changed, err := c.load()
		switch {
		case err != nil:
			log.ErrorContext(ctx, "certificates not read; the ones before stay in force", slog.String("error", err.Error()))
		case changed:
			log.InfoContext(ctx, "certificates read again")
			warn()
		}
	}
}

// choose gives a client the first certificate for the name it asks for and the
// algorithms it knows; the first of all if none fits, since terminals may reach
// us by an address and check nothing but the root.
func (c *certificates) choose(hello *tls.ClientHelloInfo) (*tls.Certificate, error) {
	certs := *c.loaded.Load()
	for i := range certs {
		if hello.SupportsCertificate(&certs[i]) == nil {
			return &certs[i], nil
		}
	}
	return &certs[0], nil
}

// config is how the API speaks TLS.
func (c *certificates) config() *tls.Config {
	t := &tls.Config{
		GetCertificate: c.choose,
		MinVersion:     versions[c.settings.TLSMin],
	}
	if t.MinVersion < tls.VersionTLS12 {
		t.CipherSuites = oldSuites
	}
	return t
}

// tlsListener is a listener whose certificates follow their files while
// somebody runs their watch.
type tlsListener struct {
	net.Listener
	*certificates
}

// listen opens the listener of the API: a *tlsListener when it has certificates.
func (s settings) listen(ctx context.Context) (net.Listener, error) {
	var (
		certs *certificates
		err   error
	)
	if len(s.TLSCertFile) > 0 {
		if certs, err = openCertificates(s.tlsSettings); err != nil {
			return nil, err
		}
	}
	var lc net.ListenConfig
	l, err := lc.Listen(ctx, "tcp", s.Addr)
	if err != nil {
		return nil, fmt.Errorf("listen on %s: %w; choose another address with --addr, port 0 picks a free one", s.Addr, err)
	}
	if certs == nil {
		return l, nil
	}
	return &tlsListener{tls.NewListener(l, certs.config()), certs}, nil
}
