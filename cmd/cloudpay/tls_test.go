package main

import (
	"crypto/tls"
	"crypto/x509"
	"errors"
	"net"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"
)

// handshakes answers handshakes on a listener until the test ends.
func handshakes(t *testing.T, s settings) (addr string, certs *certificates) {
	t.Helper()
	s.Addr = "127.0.0.1:0"
	l, err := s.listen(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = l.Close() })
	go func() {
		for {
			c, err := l.Accept()
			if err != nil {
				return
			}
			go func() {
				_ = c.(*tls.Conn).HandshakeContext(t.Context())
				_, _ = c.Read(make([]byte, 1)) // until the client hangs up
				_ = c.Close()
			}()
		}
	}()
	return l.Addr().String(), l.(*tlsListener).certificates
}

// pair are the settings for the certificates of these names in a directory.
func pair(dir string, names ...string) (s tlsSettings) {
	for _, n := range names {
		s.TLSCertFile = append(s.TLSCertFile, filepath.Join(dir, n+".pem"))
		s.TLSKeyFile = append(s.TLSKeyFile, filepath.Join(dir, n+".key"))
	}
	return s
}

// trust is a client that trusts the root of a CA.
func trust(t *testing.T, dir, name string) *tls.Config {
	t.Helper()
	roots := x509.NewCertPool()
	roots.AddCert(readCert(t, filepath.Join(dir, rootCertName)))
	return &tls.Config{RootCAs: roots, ServerName: name, MinVersion: tls.VersionTLS10}
}

func shake(t *testing.T, addr string, c *tls.Config) (tls.ConnectionState, error) {
	t.Helper()
	d := tls.Dialer{Config: c, NetDialer: &net.Dialer{Timeout: 10 * time.Second}}
	conn, err := d.DialContext(t.Context(), "tcp", addr)
	if err != nil {
		return tls.ConnectionState{}, err
	}
	defer conn.Close()
	return conn.(*tls.Conn).ConnectionState(), nil
}

func TestOldTLSIsSpokenOnlyWhenAllowed(t *testing.T) {
	t.Parallel()
	dir := authority(t)
	for name, c := range map[string]struct {
		least, speaks string
		suites        []uint16
		want          uint16 // 0 for refused
	}{
		"the default refuses 1.1":                 {"", "1.1", nil, 0},
		"1.2 refuses 1.1":                         {"1.2", "1.1", nil, 0},
		"1.1 by the setting":                      {"1.1", "1.1", nil, tls.VersionTLS11},
		"the setting leaves 1.3 to those who can": {"1.1", "1.3", nil, tls.VersionTLS13},
		"the default speaks 1.2":                  {"", "1.2", nil, tls.VersionTLS12},
		"1.2 with ECDHE, RSA and SHA-256":         {"", "1.2", []uint16{tls.TLS_ECDHE_RSA_WITH_AES_128_GCM_SHA256}, tls.VersionTLS12},
		"1.3 refuses 1.2":                         {"1.3", "1.2", nil, 0},
		"RSA key exchange not by default":         {"", "1.2", []uint16{tls.TLS_RSA_WITH_AES_128_CBC_SHA}, 0},
		"RSA key exchange for old terminals":      {"1.1", "1.2", []uint16{tls.TLS_RSA_WITH_AES_128_CBC_SHA}, tls.VersionTLS12},
		"CBC with SHA-256 for old terminals":      {"1.1", "1.2", []uint16{tls.TLS_RSA_WITH_AES_128_CBC_SHA256}, tls.VersionTLS12},
		"1.1 with RSA key exchange":               {"1.1", "1.1", []uint16{tls.TLS_RSA_WITH_AES_128_CBC_SHA}, tls.VersionTLS11},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s := settings{tlsSettings: pair(dir, "pay.example")}
			s.TLSMin = c.least
			addr, _ := handshakes(t, s)
			client := trust(t, dir, "pay.example")
			client.MaxVersion, client.CipherSuites = versions[c.speaks], c.suites
			state, err := shake(t, addr, client)
			if state.Version != c.want || (err != nil) != (c.want == 0) {
				t.Errorf("version %#x, %v; want %#x", state.Version, err, c.want)
			}
		})
	}
}

func TestNameChoosesTheCertificate(t *testing.T) {
	t.Parallel()
	dir := authority(t)
	cloudpay(t, "ca", "issue", "--dir", dir, "--host", "second.example").want(t, exitOK, "")
	addr, _ := handshakes(t, settings{tlsSettings: pair(dir, "pay.example", "second.example")})
	for name, want := range map[string]string{
		"pay.example": "pay.example", "sz.pay.example": "pay.example", "second.example": "second.example",
		"127.0.0.1": "pay.example", // an address is not sent: the first one
	} {
		state, err := shake(t, addr, trust(t, dir, name))
		if err != nil || state.PeerCertificates[0].Subject.CommonName != want {
			t.Errorf("%s: %v, want the certificate of %s", name, err, want)
		}
	}
	unknown := trust(t, dir, "unknown.example")
	unknown.InsecureSkipVerify = true // as terminals do that check only the root
	if state, err := shake(t, addr, unknown); err != nil || state.PeerCertificates[0].Subject.CommonName != "pay.example" {
		t.Errorf("an unknown name is not served with the first certificate: %v", err)
	}
}

func TestRenewedCertificateIsServedWithoutRestart(t *testing.T) {
	t.Parallel()
	dir := authority(t)
	addr, certs := handshakes(t, settings{tlsSettings: pair(dir, "pay.example")})
	serial := func() string {
		state, err := shake(t, addr, trust(t, dir, "pay.example"))
		if err != nil {
			t.Fatal(err)
		}
		return state.PeerCertificates[0].SerialNumber.String()
	}
	first := serial()
	if changed, err := certs.load(); changed || err != nil {
		t.Errorf("load of the same files: changed = %v, %v", changed, err)
	}
	// Half a renewal, or a broken one, leaves the one in force.
	path := filepath.Join(dir, "pay.example.pem")
	for _, text := range []string{"", "broken", string(pemOf(readCert(t, filepath.Join(dir, rootCertName)).Raw))} {
		if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		if changed, err := certs.load(); changed || err == nil {
			t.Errorf("load of %.10q: changed = %v, %v", text, changed, err)
		}
	}
	if serial() != first {
		t.Error("a broken renewal changed what is served")
	}
	cloudpay(t, "ca", "issue", "--dir", dir, "--host", "pay.example").want(t, exitOK, "")
	if changed, err := certs.load(); !changed || err != nil {
		t.Errorf("load of renewed files: changed = %v, %v", changed, err)
	}
	if serial() == first {
		t.Error("the old certificate is still served")
	}
}

func TestWarningsNameWhatIsWrong(t *testing.T) {
	t.Parallel()
	dir := authority(t)
	s := pair(dir, "pay.example")
	s.Host = []string{"PAY.example", "127.0.0.1", "pay.other"}
	c, err := openCertificates(s)
	if err != nil {
		t.Fatal(err)
	}
	if w := c.warnings(time.Now()); len(w) != 1 || !strings.Contains(w[0], "pay.other") {
		t.Errorf("warnings = %q, want one for pay.other", w)
	}
	if w := c.warnings(time.Now().Add(390 * 24 * time.Hour)); len(w) != 2 || !strings.Contains(w[0], "renew") {
		t.Errorf("warnings = %q, want one more for the end", w)
	}
}

func TestSettingsOfTLSAreChecked(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		s    tlsSettings
		want string
	}{
		"a key too few":       {tlsSettings{TLSCertFile: []string{"a", "b"}, TLSKeyFile: []string{"a"}}, "go together"},
		"a host with scheme":  {tlsSettings{Host: []string{"https://pay.example"}}, "is not a host name"},
		"a host with port":    {tlsSettings{Host: []string{"pay.example:443"}}, "is not a host name"},
		"an empty host":       {tlsSettings{Host: []string{""}}, "is not a host name"},
		"too many":            {tlsSettings{TLSCertFile: make([]string, 33), TLSKeyFile: make([]string, 33)}, "at most 32"},
		"hosts and addresses": {tlsSettings{Host: []string{"pay.example", "10.0.0.1", "::1", "localhost"}}, ""},
	} {
		got := ""
		if err := errors.Join(c.s.check()...); err != nil {
			got = err.Error()
		}
		if (got == "") != (c.want == "") || !strings.Contains(got, c.want) {
			t.Errorf("%s: %q, want %q", name, got, c.want)
		}
	}
}

// TestScriptHangup renews a certificate under a running server and tells it by
// a signal, as an operator's script does.
func TestScriptHangup(t *testing.T) {
	t.Parallel()
	data, _, _ := stoppedDemo(t)
	dir := authority(t)
	s := pair(dir, "pay.example")
	p := startProcess(t, "serve", "--dsn", "sqlite:"+filepath.Join(data, "cloudpay.db"), "--master-key-file", filepath.Join(data, "master.key"),
		"--addr", "127.0.0.1:0", "--tls-cert-file", s.TLSCertFile[0], "--tls-key-file", s.TLSKeyFile[0], "--host", "pay.example", "--host", "pay.other")
	addr := ""
	p.until(t, "address", func() bool {
		_, rest, ok := strings.Cut(p.stdout.String(), "serves ")
		addr = strings.TrimSpace(rest)
		return ok && strings.Contains(rest, "\n")
	})
	before, err := shake(t, addr, trust(t, dir, "pay.example"))
	if err != nil {
		t.Fatal(err)
	}
	p.until(t, "warning of a host without certificate", func() bool { return strings.Contains(p.stderr.String(), "pay.other") })
	cloudpay(t, "ca", "issue", "--dir", dir, "--host", "pay.example").want(t, exitOK, "")
	if err := p.cmd.Process.Signal(syscall.SIGHUP); err != nil {
		t.Fatal(err)
	}
	p.until(t, "certificates read again", func() bool { return strings.Contains(p.stderr.String(), "certificates read again") })
	after, err := shake(t, addr, trust(t, dir, "pay.example"))
	if err != nil || after.PeerCertificates[0].SerialNumber.Cmp(before.PeerCertificates[0].SerialNumber) == 0 {
		t.Errorf("the old certificate is still served: %v", err)
	}
	if err := p.stop(t, 5*time.Second); err != nil {
		t.Errorf("SIGTERM after SIGHUP: %v", err)
	}
}
