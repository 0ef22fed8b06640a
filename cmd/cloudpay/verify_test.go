package main

import (
	"os"
	"path/filepath"
	"testing"

	"cloudpay/cpay"
	"cloudpay/internal/directory"
)

// TestScriptVerifyRequestWithTheStore takes the keys of a merchant from the
// database.
func TestScriptVerifyRequestWithTheStore(t *testing.T) {
	t.Parallel()
	data, _, file := stoppedDemo(t)
	m := file.Merchants[0]
	content := []byte(`{"out_sub_mch_id":"` + m.OutSubMchID + `"}`)
	write := func(name, key string) string {
		t.Helper()
		raw, err := cpay.Seal(content, cpay.Keys{AuthenKey: cpay.NewKey(key)}, cpay.ByMAC)
		if err != nil {
			t.Fatal(err)
		}
		path := filepath.Join(t.TempDir(), name)
		if err := os.WriteFile(path, raw, 0o600); err != nil {
			t.Fatal(err)
		}
		return path
	}
	other, err := directory.NewAuthenKey()
	if err != nil {
		t.Fatal(err)
	}
	args := func(path, merchant string) []string {
		return []string{
			"verify-request", path, "--merchant", merchant,
			"--dsn", "sqlite:" + filepath.Join(data, "cloudpay.db"), "--master-key-file", filepath.Join(data, "master.key"),
		}
	}
	cloudpay(t, args(write("good.json", m.AuthenKey), m.OutSubMchID)...).want(t, exitOK, "认证通过")
	cloudpay(t, args(write("wrong.json", other.Reveal()), m.OutSubMchID)...).want(t, exitDeclined, "认证不通过")
	cloudpay(t, args(write("good.json", m.AuthenKey), "sz01NOBODY0000000001")...).want(t, exitFailed, "sz01NOBODY0000000001")
}
