package notify_test

import (
	"bytes"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"cloudpay/cpay"
	"cloudpay/internal/notify"
	"cloudpay/internal/pay"
)

// TestCallbackExamples runs the programs of docs/callbacks.md, as they stand
// there, against callbacks of ours.
func TestCallbackExamples(t *testing.T) {
	t.Parallel()
	page, err := os.ReadFile("../../docs/callbacks.md")
	if err != nil {
		t.Fatal(err)
	}
	const key = "0123456789abcdef0123456789ABCDEF"
	order := pay.Order{
		MerchantID: "merchant", ProviderID: "provider", OutTradeNo: "900000010000000000000001", Channel: pay.Wxpay,
		State: pay.PAID, Total: 100, Currency: "CNY", Body: "牛肉面 \"大\" \\ \U0001F35C",
	}
	refund := pay.Refund{OutRefundNo: "900000010000000000000002", OutTradeNo: order.OutTradeNo, Channel: pay.Wxpay, State: pay.RefundSucceeded, Amount: 40}
	bodies := map[string][]byte{}
	for want, content := range map[string][]byte{
		"paid " + order.OutTradeNo: notify.PaidContent(order), "refund " + refund.OutRefundNo: notify.RefundContent(order, refund),
		"reversed " + order.OutTradeNo: notify.ReversedContent(order), "ping": notify.PingContent(),
	} {
		body, err := cpay.Seal(content, cpay.Keys{AuthenKey: cpay.NewKey(key)}, cpay.ByMAC)
		if err != nil {
			t.Fatal(err)
		}
		bodies[want] = body
	}
	forged := bytes.Replace(bodies["ping"], []byte("not a payment"), []byte("now a payment"), 1)
	for _, lang := range []struct{ name, file, program string }{
		{"go", "main.go", "go"}, {"python", "callback.py", "python3"}, {"java", "Callback.java", "java"}, {"php", "callback.php", "php"},
	} {
		t.Run(lang.name, func(t *testing.T) {
			t.Parallel()
			program, err := exec.LookPath(lang.program)
			if err == nil && lang.name == "java" {
				_, err = exec.LookPath("javac") // without its compiler Java runs no source
			}
			if err != nil {
				t.Skipf("SKIPPED on this machine: the %s example of docs/callbacks.md (install %s)", lang.name, lang.program)
			}
			_, source, found := strings.Cut(string(page), "```"+lang.name+"\n")
			source, _, ended := strings.Cut(source, "\n```")
			if !found || !ended {
				t.Fatalf("docs/callbacks.md has no program in %s", lang.name)
			}
			file := filepath.Join(t.TempDir(), lang.file)
			if err := os.WriteFile(file, []byte(source+"\n"), 0o600); err != nil {
				t.Fatal(err)
			}
			args := []string{file}
			if lang.name == "go" {
				args = []string{"run", file}
			}
			run := func(body []byte) (string, error) {
				cmd := exec.CommandContext(t.Context(), program, args...)
				cmd.Env, cmd.Stdin = append(os.Environ(), "AUTHEN_KEY="+key), bytes.NewReader(body)
				out, err := cmd.Output()
				return strings.TrimSpace(string(out)), err
			}
			for want, body := range bodies {
				if got, err := run(body); got != want || err != nil {
					t.Errorf("it says %q (%v), want %q", got, err, want)
				}
			}
			if got, err := run(forged); err == nil || got != "" {
				t.Errorf("a forged callback is taken: %q", got)
			}
		})
	}
}
