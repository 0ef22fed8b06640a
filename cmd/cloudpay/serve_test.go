package main

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"encoding/pem"
	"errors"
	"io/fs"
	"math/big"
	"net"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

// stoppedDemo is a data directory with one paid order, and nobody running on it.
func stoppedDemo(t *testing.T) (dir, order string, file demoFile) {
	t.Helper()
	dir = t.TempDir()
	d := startDemo(t, dir)
	order = d.file.Merchants[0].Prefixes[0] + "0000000000000001"
	cloudpay(t, "pay", "--data", dir, "--order", order, "--auth-code", d.payCode(t, "wxpay", ""), "--amount", "0.02").want(t, exitOK, "收款成功")
	if err := d.stop(t, 5*time.Second); err != nil {
		t.Fatalf("SIGTERM: %v\n%s", err, d.stderr)
	}
	return dir, order, d.file
}

// certificate writes a self-signed certificate for loopback and its key.
func certificate(t *testing.T) (cert, key string) {
	t.Helper()
	private, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	c := &x509.Certificate{
		SerialNumber: big.NewInt(1), NotAfter: time.Now().Add(time.Hour), IPAddresses: []net.IP{net.IPv4(127, 0, 0, 1)},
		IsCA: true, BasicConstraintsValid: true,
	}
	der, err := x509.CreateCertificate(rand.Reader, c, c, &private.PublicKey, private)
	if err != nil {
		t.Fatal(err)
	}
	raw, err := x509.MarshalPKCS8PrivateKey(private)
	if err != nil {
		t.Fatal(err)
	}
	dir := t.TempDir()
	write := func(name, kind string, der []byte) string {
		path := filepath.Join(dir, name)
		if err := os.WriteFile(path, pem.EncodeToMemory(&pem.Block{Type: kind, Bytes: der}), 0o600); err != nil {
			t.Fatal(err)
		}
		return path
	}
	return write("cert.pem", "CERTIFICATE", der), write("key.pem", "PRIVATE KEY", raw)
}

// TestScriptServeOverTLS serves the data of a demo as an installation does:
// SQLite, a master key file, a certificate; checked by doctor, ended by SIGTERM.
func TestScriptServeOverTLS(t *testing.T) {
	t.Parallel()
	dir, order, file := stoppedDemo(t)
	cert, key := certificate(t)
	settings := []string{
		"--dsn", "sqlite:" + filepath.Join(dir, "cloudpay.db"), "--master-key-file", filepath.Join(dir, "master.key"),
		"--addr", "127.0.0.1:0", "--tls-cert-file", cert, "--tls-key-file", key,
	}
	p := startProcess(t, append([]string{"serve"}, settings...)...)
	const announced = "cloudpay serves "
	p.until(t, "the announcement", func() bool { return strings.HasSuffix(p.stdout.String(), "\n") })
	addr, ok := strings.CutPrefix(strings.TrimSpace(p.stdout.String()), announced)
	if !ok {
		t.Fatalf("serve prints %q", p.stdout)
	}
	trust := []string{"SSL_CERT_FILE=" + cert}
	query := []string{"query", "--data", dir, "--api", "https://" + addr, order}
	cloudpayIn(t, trust, query...).want(t, exitOK, "支付成功")
	cloudpay(t, query...).want(t, exitUnknown, "结果未知") // a till that does not trust the certificate
	cloudpayIn(t, trust, "pay", "--data", dir, "--api", "https://"+addr, "--auth-code", "130000000000000000", "--amount", "0.02",
		"--queries", "1", "--interval", "1ms").want(t, exitUnknown, "") // the wallets are gone with the demo
	doctor := cloudpay(t, append([]string{"doctor"}, settings...)...)
	doctor.want(t, exitOK, "no job is buried")
	if strings.Contains(doctor.stdout, "✘") {
		t.Errorf("doctor prints\n%s", doctor.stdout)
	}
	if err := p.stop(t, 5*time.Second); err != nil {
		t.Errorf("SIGTERM: %v\n%s", err, p.stderr)
	}
	if log := p.stderr.String(); !strings.Contains(log, `"msg":"serving"`) || strings.Contains(log, file.Merchants[0].AuthenKey) {
		t.Errorf("serve logs\n%s", log)
	}
}

// TestScriptStopDuringACall: SIGTERM ends the process in time although a wallet
// has not answered, and the next start finds out what became of the payment.
func TestScriptStopDuringACall(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	d := startDemo(t, dir)
	d.sandboxJSON(t, "POST", "/faults", map[string]any{"scenario": "slow", "channel": "wxpay", "count": 1}, nil)
	order := d.file.Merchants[0].Prefixes[0] + "0000000000000001"
	code := d.payCode(t, "wxpay", "")
	told := make(chan ran, 1)
	go func() {
		told <- cloudpay(t, "pay", "--data", dir, "--order", order, "--auth-code", code, "--amount", "0.02", "--queries", "1", "--interval", "1ms")
	}()
	d.until(t, "the charge", func() bool { return d.charges(t, order) == 1 })
	if err := d.stop(t, 5*time.Second); err != nil {
		t.Errorf("SIGTERM: %v\n%s", err, d.stderr)
	}
	(<-told).want(t, exitUnknown, "")
	d = startDemo(t, dir)
	d.until(t, "the truth", func() bool { return cloudpay(t, "query", "--data", dir, order).code == exitOK })
	if n := d.charges(t, order); n != 1 {
		t.Errorf("the customer was charged %d times", n)
	}
}

// charges asks the sandbox how often an order's customer was debited.
func (d *demo) charges(t *testing.T, order string) (n int64) {
	t.Helper()
	var out struct {
		Trades []struct {
			Charges int64 `json:"charges"`
		} `json:"trades"`
	}
	d.sandboxJSON(t, "GET", "/trades?out_trade_no="+order, nil, &out)
	for _, tr := range out.Trades {
		n += tr.Charges
	}
	return n
}

// TestScriptAPortInUseIsNamed with what to do, and nothing is left behind.
func TestScriptAPortInUseIsNamed(t *testing.T) {
	t.Parallel()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	dir := t.TempDir()
	r := cloudpay(t, "demo", "--data", dir, "--addr", l.Addr().String())
	r.want(t, exitFailed, "address already in use")
	r.want(t, exitFailed, "choose another address with --addr, port 0 picks a free one")
	cloudpay(t, "demo", "--data", dir, "--addr", "127.0.0.1:0", "--sandbox-addr", l.Addr().String()).want(t, exitFailed, l.Addr().String())
	cloudpay(t, "doctor", "--addr", l.Addr().String()).want(t, exitFailed, "address already in use")
	if _, err := os.Stat(filepath.Join(dir, "demo.json")); err == nil {
		t.Error("a demo that did not start announced itself")
	}
}

// TestScriptDamagedFilesAreNamedAndLeftAlone: the demo says which of its files
// it cannot use and what to do, and changes none.
func TestScriptDamagedFilesAreNamedAndLeftAlone(t *testing.T) {
	t.Parallel()
	dir, order, _ := stoppedDemo(t)
	for name, hint := range map[string]string{
		"cloudpay.db": "restore a backup", "sandbox.db": "sandbox.db", "master.key": "restore it from its backup", "merchants.json": "start afresh",
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			other := copyDemo(t, dir)
			path := filepath.Join(other, name)
			const damage = "this was a file once\n"
			for _, log := range []string{path + "-wal", path + "-shm"} {
				_ = os.Remove(log)
			}
			if err := os.WriteFile(path, []byte(damage), 0o600); err != nil {
				t.Fatal(err)
			}
			r := cloudpay(t, "demo", "--data", other, "--addr", "127.0.0.1:0")
			r.want(t, exitFailed, hint)
			r.want(t, exitFailed, name)
			if raw, err := os.ReadFile(path); err != nil || string(raw) != damage {
				t.Errorf("%s now holds %q, %v", name, raw, err)
			}
			if _, err := os.Stat(filepath.Join(other, "demo.json")); err == nil {
				t.Error("a demo that did not start announced itself")
			}
		})
	}
	t.Run("demo.json", func(t *testing.T) { // is only an announcement
		t.Parallel()
		other := copyDemo(t, dir)
		if err := os.WriteFile(filepath.Join(other, "demo.json"), []byte("{"), 0o600); err != nil {
			t.Fatal(err)
		}
		p := startProcess(t, "demo", "--data", other, "--addr", "127.0.0.1:0")
		p.until(t, "demo.json", func() bool { return cloudpay(t, "query", "--data", other, order).code == exitOK })
		cloudpay(t, "query", "--data", other, order).want(t, exitOK, "支付成功")
	})
}

// copyDemo copies a stopped demo, without its announcement.
func copyDemo(t *testing.T, dir string) string {
	t.Helper()
	other := t.TempDir()
	if err := os.CopyFS(other, os.DirFS(dir)); err != nil {
		t.Fatal(err)
	}
	for _, err := range []error{os.Chmod(filepath.Join(other, "master.key"), 0o600), os.Remove(filepath.Join(other, "demo.json"))} {
		if err != nil {
			t.Fatal(err)
		}
	}
	return other
}

// TestScriptUnusableDataDirectories: a place that cannot be written to.
func TestScriptUnusableDataDirectories(t *testing.T) {
	t.Parallel()
	file := filepath.Join(t.TempDir(), "file")
	if err := os.WriteFile(file, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	cloudpay(t, "demo", "--data", filepath.Join(file, "demo"), "--addr", "127.0.0.1:0").want(t, exitFailed, "make data directory")
	readOnly := filepath.Join(t.TempDir(), "ro")
	if err := os.Mkdir(readOnly, 0o500); err != nil {
		t.Fatal(err)
	}
	if os.Getuid() == 0 { // to whom modes mean nothing
		readOnly = "/proc"
		if _, err := os.Stat("/proc/self"); err != nil {
			t.Skip("SKIPPED: runs as root without /proc: no directory is read-only")
		}
	}
	r := cloudpay(t, "demo", "--data", readOnly, "--addr", "127.0.0.1:0")
	r.want(t, exitFailed, readOnly)
	if strings.Contains(r.stderr, "panic") || strings.Contains(r.stderr, "goroutine") {
		t.Errorf("the demo broke:\n%s", r.stderr)
	}
	cloudpay(t, "sandbox", "--data", readOnly, "--addr", "127.0.0.1:0", "--control-addr", "127.0.0.1:0").want(t, exitFailed, readOnly)
	if _, err := os.Stat(filepath.Join(readOnly, "demo.json")); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("demo.json: %v", err)
	}
}
