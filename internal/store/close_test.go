package store_test

import (
	"os"
	"path/filepath"
	"testing"

	"cloudpay/internal/store"
	"cloudpay/internal/store/storetest"
)

// TestCleanStopLeavesOneFile: the log stayed beside the file after Close, so a
// copy of the file alone lost payments.
func TestCleanStopLeavesOneFile(t *testing.T) {
	t.Parallel()
	path := filepath.Join(t.TempDir(), "pay.db")
	c := store.Config{DSN: "sqlite:" + path}
	if _, _, err := store.Migrate(t.Context(), c); err != nil {
		t.Fatal(err)
	}
	st, err := store.Open(t.Context(), c)
	if err != nil {
		t.Fatal(err)
	}
	if err := storetest.Payments(t.Context(), st, "close", 4, 40); err != nil {
		t.Fatal(err)
	}
	if err := st.Close(); err != nil {
		t.Fatal(err)
	}
	if info, err := os.Stat(path + "-wal"); err == nil && info.Size() > 0 {
		t.Errorf("the log still holds %d bytes", info.Size())
	}
	moved := filepath.Join(t.TempDir(), "moved.db")
	raw, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(moved, raw, 0o600); err != nil {
		t.Fatal(err)
	}
	again, err := store.Open(t.Context(), store.Config{DSN: "sqlite:" + moved})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = again.Close() })
	if err := storetest.Payments(t.Context(), again, "close", 4, 40); err == nil {
		t.Error("the copy does not know the payments: the same numbers could be opened again")
	}
}
