package main

import (
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"cloudpay/internal/sandbox"
)

// TestHiddenDSNStillShowedPasswords: other spellings of a secret than the URL's
// own came through.
func TestHiddenDSNStillShowedPasswords(t *testing.T) {
	t.Parallel()
	for _, dsn := range []string{
		"postgres://pay:hunter2@db/pay", "postgres://db/pay?user=pay&password=hunter2",
		"postgres://db/pay?sslkey=k.pem&sslpassword=hunter2", "host=db user=pay password=hunter2",
		"host=db user=pay password='hunter2 x'", "postgres://db/pay?a=%zz&password=hunter2", "mysql:pay:hunter2@db",
	} {
		if got := hideDSN(dsn); strings.Contains(got, "hunter2") {
			t.Errorf("hideDSN(%q) = %q", dsn, got)
		}
	}
	for _, dsn := range []string{"", "sqlite:/var/lib/cloudpay/pay.db", "sqlite:.demo/a b%20.db", "postgres://pay@db:5432/pay?sslmode=require"} {
		if got := hideDSN(dsn); got != dsn {
			t.Errorf("hideDSN(%q) = %q, want it unchanged", dsn, got)
		}
	}
}

// TestAccountFileWithoutPrefixesPanicked: an account file is input.
func TestAccountFileWithoutPrefixesPanicked(t *testing.T) {
	t.Parallel()
	path := filepath.Join(t.TempDir(), "account.json")
	raw := `{"api":"http://127.0.0.1:1","merchants":[{"name":"m","out_sub_mch_id":"sub","authen_key":"k","prefixes":[]}]}`
	if err := os.WriteFile(path, []byte(raw), 0o600); err != nil {
		t.Fatal(err)
	}
	cloudpay(t, "pay", "--account", path, "--auth-code", "134680423163089456", "--amount", "0.01").want(t, exitUsage, "prefixes")
}

// TestDamagedSampleMerchantsPanicked: so is what an earlier start left in DIR.
func TestDamagedSampleMerchantsPanicked(t *testing.T) {
	t.Parallel()
	accounts := sandbox.Accounts{Providers: []sandbox.Provider{{WeChat: sandbox.WeChatAccount{Merchants: make([]sandbox.WeChatMerchant, 2)}}}}
	path := filepath.Join(t.TempDir(), "merchants.json")
	for _, raw := range []string{"null", "[]", `[{"name":"one"}]`, `[{},{}]`} {
		if err := os.WriteFile(path, []byte(raw), 0o600); err != nil {
			t.Fatal(err)
		}
		if ms, err := demoMerchants(path, accounts); err == nil || !strings.Contains(err.Error(), "start afresh") {
			t.Errorf("merchants.json %s = %v, %v, want it refused", raw, ms, err)
		}
	}
	if err := os.Remove(path); err != nil {
		t.Fatal(err)
	}
	if _, err := demoMerchants(path, accounts); err != nil {
		t.Fatal(err)
	}
	if ms, err := demoMerchants(path, accounts); err != nil || len(ms) != 2 {
		t.Errorf("merchants.json read back: %d merchants, %v", len(ms), err)
	}
}

// TestControlOfADemoAndASandboxWasRandom: with both files in DIR the one to ask
// was drawn by lot.
func TestControlOfADemoAndASandboxWasRandom(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	for name, raw := range map[string]string{"demo.json": `{"sandbox":"http://demo"}`, "sandbox.json": `{"control":"http://alone"}`} {
		if err := os.WriteFile(filepath.Join(dir, name), []byte(raw), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	for range 50 {
		if got, err := (boxFlags{Data: dir}).url(); err != nil || got != "http://demo" {
			t.Fatalf("url = %q, %v, want the demo's", got, err)
		}
	}
}

// TestControlRefusesOtherListeners: whoever reaches it commands every customer.
func TestControlRefusesOtherListeners(t *testing.T) {
	t.Parallel()
	log := slog.New(slog.DiscardHandler)
	for _, addr := range []string{":0", "0.0.0.0:0", "[::]:0", "192.168.0.1:0", "example.com:0", "127.0.0.1.example.com:0", "[::ffff:1.2.3.4]:0", "127.0.0.1"} {
		b, err := openSandbox(t.Context(), sandboxOptions{Dir: t.TempDir(), Profile: "seed", WalletAddr: "127.0.0.1:0", ControlAddr: addr}, log)
		if err == nil {
			t.Errorf("control address %s was accepted", addr)
			_ = b.close()
		}
	}
}
