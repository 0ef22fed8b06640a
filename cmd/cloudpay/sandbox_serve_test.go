package main

import (
	"crypto/tls"
	"crypto/x509"
	"encoding/json"
	"go/parser"
	"go/token"
	"io"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"cloudpay/internal/sandbox"
)

// startSandbox starts the sandbox alone and waits for its file.
func startSandbox(t *testing.T, dir string, args ...string) (*process, sandboxFile) {
	t.Helper()
	path := filepath.Join(dir, "sandbox.json")
	_ = os.Remove(path)
	p := startProcess(t, append([]string{"sandbox", "--data", dir, "--addr", "127.0.0.1:0", "--control-addr", "127.0.0.1:0"}, args...)...)
	var file sandboxFile
	p.until(t, "sandbox.json", func() bool {
		raw, err := os.ReadFile(path)
		return err == nil && json.Unmarshal(raw, &file) == nil
	})
	return p, file
}

// TestScriptSandboxServesBothWays asks the wallets over TLS under their own
// names and over plain HTTP, where no client certificate can come.
func TestScriptSandboxServesBothWays(t *testing.T) {
	t.Parallel()
	_, file := startSandbox(t, t.TempDir(), "--http", "127.0.0.1:0", "--name", "sandbox")
	roots := x509.NewCertPool()
	if !roots.AppendCertsFromPEM([]byte(file.Accounts.CAPEM)) {
		t.Fatal("no authority")
	}
	for _, name := range []string{"api.mch.weixin.qq.com", "api2.mch.weixin.qq.com", "openapi.alipay.com", "openapi-sandbox.dl.alipaydev.com", "sandbox"} {
		client := &http.Client{Transport: &http.Transport{TLSClientConfig: &tls.Config{RootCAs: roots, ServerName: name, MinVersion: tls.VersionTLS12}}}
		res, err := client.Post(file.Wallet+"/pay/orderquery", "text/xml", strings.NewReader("<xml></xml>"))
		if err != nil {
			t.Errorf("as %s: %v", name, err)
			continue
		}
		_ = res.Body.Close()
		client.CloseIdleConnections()
	}
	res, err := http.Post(file.Plain+"/pay/orderquery", "text/xml", strings.NewReader("<xml></xml>"))
	if err != nil {
		t.Fatal(err)
	}
	body, err := io.ReadAll(res.Body)
	_ = res.Body.Close()
	if err != nil || !strings.Contains(string(body), "<return_code>") {
		t.Errorf("without TLS: %s, %v", body, err)
	}
	if res, err := http.Post(file.Plain+"/secapi/pay/refund", "text/xml", strings.NewReader("<xml></xml>")); err == nil {
		_ = res.Body.Close()
		t.Errorf("a refund without a client certificate = %d, want a cut connection", res.StatusCode)
	}
	res, err = http.Get(file.Control + "/sandbox/requests")
	if err != nil {
		t.Fatal(err)
	}
	body, _ = io.ReadAll(res.Body)
	_ = res.Body.Close()
	if !strings.Contains(string(body), "/secapi/pay/refund") {
		t.Errorf("the log lacks the cut call:\n%s", body)
	}
}

func TestScriptSandboxControlStaysOnLoopback(t *testing.T) {
	t.Parallel()
	cloudpay(t, "sandbox", "--data", t.TempDir(), "--control-addr", "0.0.0.0:0").want(t, exitUsage, "--name")
	cloudpay(t, "sandbox", "--data", t.TempDir(), "--name", "no name", "--control-addr", "127.0.0.1:0").want(t, exitFailed, "host names")
}

// TestScriptSandboxExports writes every format and reads it as its owner would.
func TestScriptSandboxExports(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	p, file := startSandbox(t, dir)
	wx, ali := file.Accounts.Providers[0].WeChat, file.Accounts.Providers[0].Alipay
	for format, want := range map[string]map[string]string{
		"wechatpay-go": {"main.go": wx.SerialNo, "apiclient_key.pem": "PRIVATE KEY", "apiclient_cert.pem": "CERTIFICATE", "pub_key.pem": "PUBLIC KEY", "ca.pem": "CERTIFICATE"},
		"alipay-sdk":   {"main.mjs": ali.AppID, "app_private_key.pem": "PRIVATE KEY", "alipay_public_key.pem": "PUBLIC KEY", "alipayRootCert.crt": "CERTIFICATE", "ca.pem": "CERTIFICATE"},
		"env":          {"sandbox.env": "WXPAY_API_V3_KEY=" + wx.APIv3Key, "appCertPublicKey.crt": "CERTIFICATE"},
		"json":         {"accounts.json": `"api_v2_key": "` + wx.APIv2Key},
	} {
		to := filepath.Join(dir, "keys with 'quotes' "+format)
		out := cloudpay(t, "sandbox", "export", "--data", dir, "--format", format, to)
		out.want(t, exitOK, to)
		for name, text := range want {
			raw, err := os.ReadFile(filepath.Join(to, name))
			if err != nil || !strings.Contains(string(raw), text) {
				t.Errorf("%s: %s lacks %q: %v", format, name, text, err)
			}
			if info, err := os.Stat(filepath.Join(to, name)); err != nil || info.Mode().Perm() != 0o600 {
				t.Errorf("%s: %s has mode %v, %v", format, name, info.Mode(), err)
			}
		}
		cloudpay(t, "sandbox", "export", "--data", dir, "--format", format, to).want(t, exitFailed, "exists")
		switch format {
		case "wechatpay-go":
			if _, err := parser.ParseFile(token.NewFileSet(), filepath.Join(to, "main.go"), nil, parser.AllErrors); err != nil {
				t.Error(err)
			}
		case "alipay-sdk":
			if node, err := exec.LookPath("node"); err == nil {
				if out, err := exec.CommandContext(t.Context(), node, "--check", filepath.Join(to, "main.mjs")).CombinedOutput(); err != nil {
					t.Errorf("main.mjs: %v\n%s", err, out)
				}
			}
		}
	}
	cloudpay(t, "sandbox", "export", "--data", dir, "--format", "json", "--provider", "9", filepath.Join(dir, "x")).want(t, exitUsage, "--provider 9")
	cloudpay(t, "sandbox", "export", "--data", t.TempDir(), "--format", "json", filepath.Join(dir, "x")).want(t, exitUsage, "start the sandbox")
	p.kill()
	_, again := startSandbox(t, dir)
	if again.Accounts.Providers[0].WeChat.APIv2Key != wx.APIv2Key || again.Accounts.CAPEM != file.Accounts.CAPEM {
		t.Error("a second start has other keys")
	}
}

func TestScriptScenariosListsThem(t *testing.T) {
	t.Parallel()
	out := cloudpay(t, "sandbox", "scenarios").stdout
	for _, s := range sandbox.Scenarios() {
		if !strings.Contains(out, s.Name+" ") || !strings.Contains(out, s.Effect) {
			t.Errorf("the list lacks %s", s.Name)
		}
	}
	for _, c := range sandbox.CodeSuffixes() {
		if !strings.Contains(out, "…"+c.Suffix) {
			t.Errorf("the list lacks the code …%s", c.Suffix)
		}
	}
	var all map[string][]any
	if err := json.Unmarshal([]byte(cloudpay(t, "sandbox", "scenarios", "--json").stdout), &all); err != nil || len(all["scenarios"]) != len(sandbox.Scenarios()) {
		t.Errorf("--json: %v", err)
	}
	d := startDemo(t, t.TempDir())
	if code := strings.TrimSpace(cloudpay(t, "sandbox", "paycode", "--data", d.dir, "--channel", "wxpay", "--scenario", "force_password").stdout); !strings.HasSuffix(code, "9009") {
		t.Errorf("paycode --scenario force_password = %s", code)
	}
}

// TestScriptExportedProgramRuns compiles what is exported for wechatpay-go with
// that library, unmodified, and runs it at the sandbox.
func TestScriptExportedProgramRuns(t *testing.T) {
	t.Parallel()
	tool, err := exec.LookPath("go")
	if err != nil {
		t.Skip("SKIPPED: no go command to compile with")
	}
	dir := t.TempDir()
	startSandbox(t, dir)
	to := filepath.Join(dir, "keys")
	cloudpay(t, "sandbox", "export", "--data", dir, "--format", "wechatpay-go", to).want(t, exitOK, "main.go")
	cmd := exec.CommandContext(t.Context(), tool, "run", filepath.Join(to, "main.go"), "ORDER0001")
	out, err := cmd.CombinedOutput()
	if err != nil || !strings.Contains(string(out), "code_url    weixin://wxpay/bizpayurl?pr=") || !strings.Contains(string(out), "trade_state NOTPAY") {
		t.Errorf("go run main.go: %v\n%s", err, out)
	}
}

// TestDocumentShowsTheExportedProgram keeps the snippets of docs/sandbox.md
// those of the program that is written, parsed and run.
func TestDocumentShowsTheExportedProgram(t *testing.T) {
	t.Parallel()
	doc := string(must(os.ReadFile("../../docs/sandbox.md")))
	program := string(must(os.ReadFile("export/main.go.tmpl")))
	blocks := strings.Split(doc, "```go\n")[1:]
	if len(blocks) == 0 {
		t.Fatal("no Go in docs/sandbox.md")
	}
	for _, block := range blocks {
		text, _, _ := strings.Cut(block, "```")
		if !strings.Contains(program, text) {
			t.Errorf("the exported program lacks\n%s", text)
		}
	}
}
