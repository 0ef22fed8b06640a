package cpay

import (
	"bytes"
	"encoding/json"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"testing"
)

// shellOf returns the shell blocks of docs/curl.md, in order, and skips the test
// where a program that they call is missing.
func shellOf(t *testing.T) []string {
	t.Helper()
	for _, program := range []string{"sh", "openssl", "curl", "sed", "tr"} {
		if _, err := exec.LookPath(program); err != nil {
			t.Skipf("SKIPPED: docs/curl.md is NOT tested here, because %s is not installed", program)
		}
	}
	doc, err := os.ReadFile(filepath.Join("..", "docs", "curl.md"))
	if err != nil {
		t.Fatal(err)
	}
	var blocks []string
	for i, part := range strings.Split(string(doc), "```") {
		if code, ok := strings.CutPrefix(part, "sh\n"); ok && i%2 == 1 {
			blocks = append(blocks, code)
		}
	}
	if len(blocks) != 4 {
		t.Fatalf("docs/curl.md has %d shell blocks, want 4", len(blocks))
	}
	return blocks
}

func runShell(t *testing.T, script, stdin string, env ...string) string {
	t.Helper()
	cmd := exec.CommandContext(t.Context(), "sh", "-c", script)
	cmd.Stdin = strings.NewReader(stdin)
	cmd.Env = append(os.Environ(), env...)
	var stderr bytes.Buffer
	cmd.Stderr = &stderr
	out, err := cmd.Output()
	if err != nil || stderr.Len() > 0 {
		t.Fatalf("%v: %s%s", err, out, stderr.String())
	}
	return string(out)
}

func TestTheDocumentedShellComputesTheVectors(t *testing.T) {
	t.Parallel()
	functions := shellOf(t)[1]
	var file struct{ Vectors []hmacVector }
	readVectors(t, "hmac.json", &file)
	for _, v := range file.Vectors {
		if got := runShell(t, functions+"\nmac", v.Message, "KEY="+v.Key); got != v.Code+"\n" {
			t.Errorf("%s: %s, want %s", v.Name, got, v.Code)
		}
	}
}

// TestTheDocumentedShellIsAccepted runs docs/curl.md as it stands against a
// server built on this package.
func TestTheDocumentedShellIsAccepted(t *testing.T) {
	t.Parallel()
	script := strings.Join(shellOf(t), "\n")
	const code = "134680423163089456"
	var (
		mu     sync.Mutex
		orders []string
	)
	web := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		body, err := io.ReadAll(r.Body)
		if err != nil {
			t.Error(err)
		}
		if r.URL.Path == "/sandbox/v1/paycodes" {
			_, _ = io.WriteString(w, `{"auth_code":"`+code+`","customer":"c1","expires_at":1704067260}`)
			return
		}
		e, err := Open(body, testKeys)
		if err != nil {
			t.Errorf("%s: %v: %s", r.URL.Path, err, body)
			return
		}
		order := OrderContent{TotalFee: 2, Body: "斜杠/引号\"反斜杠\\", WxpayExt: &WxpayOrderContentExt{CurrentTradeState: WxpayMicroPaid}}
		switch r.URL.Path {
		case Path(MethodMicroPay):
			var m MicroPayRequest
			if err := e.Decode(&m); err != nil || m.Validate() != nil || m.PayContent.AuthorCode != code {
				t.Errorf("micro_pay: %v, %v, %+v", err, m.Validate(), m)
			}
			order.OutTradeNo = m.PayContent.OutTradeNo
			_, _ = w.Write(SealResponse(Head{LogID: 1}, MethodMicroPay, &MicroPayResponse{OrderContent: order}, testKeys.AuthenKey))
		case Path(MethodQueryOrder):
			var m QueryOrderRequest
			if err := e.Decode(&m); err != nil || m.Validate() != nil || m.OrderClient.StaffID != "1003" {
				t.Errorf("query_order: %v, %v, %+v", err, m.Validate(), m)
			}
			order.OutTradeNo = m.OutTradeNo
			_, _ = w.Write(SealResponse(Head{LogID: 2}, MethodQueryOrder, &QueryOrderResponse{OrderContent: order}, testKeys.AuthenKey))
		}
		mu.Lock()
		defer mu.Unlock()
		orders = append(orders, order.OutTradeNo)
	}))
	defer web.Close()

	merchant := map[string]any{
		"name": "早餐店, 一号", "out_mch_id": "sz01TESTMCH000000001", "out_sub_mch_id": "sz01TESTSUBMCH000001",
		"out_shop_id": "sz01TESTSHOP00000001", "device_id": "dev01", "staff_id": "1003",
		"prefixes": []string{"90000001", "sz0190test"}, "authen_key": testKeys.AuthenKey.reveal(),
		"private_key_pem": "-----BEGIN PRIVATE KEY-----\nx\n-----END PRIVATE KEY-----\n",
	}
	other := map[string]any{"name": "x", "out_mch_id": "other", "prefixes": []string{"80000001"}, "authen_key": "other"}
	demo := map[string]any{"api": web.URL, "sandbox": web.URL, "merchants": []any{merchant, other}}
	for _, indent := range []string{"", "  "} {
		raw, err := json.Marshal(demo)
		if indent != "" {
			raw, err = json.MarshalIndent(demo, "", indent)
		}
		if err != nil {
			t.Fatal(err)
		}
		path := filepath.Join(t.TempDir(), "demo.json")
		if err := os.WriteFile(path, raw, 0o600); err != nil {
			t.Fatal(err)
		}
		out := runShell(t, script, "", "DEMO="+path)
		lines := strings.Split(strings.TrimSpace(out), "\n")
		mu.Lock()
		called := orders
		orders = nil
		mu.Unlock()
		if len(lines) != 2 || len(called) != 2 || called[0] != called[1] || !strings.HasPrefix(called[0], "90000001") {
			t.Fatalf("orders %v, output %s", called, out)
		}
		for i, line := range lines {
			var content struct{ Status int }
			if err := json.Unmarshal([]byte(line), &content); err != nil || content.Status != 0 {
				t.Errorf("answer %d: %v: %s", i, err, line)
			}
		}
	}
}
