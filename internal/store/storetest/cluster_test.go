//go:build unix

package storetest

import (
	"testing"

	"cloudpay/internal/store"
)

// TestAClusterComesBackWithItsData stops a server as a power cut does and
// starts it again.
func TestAClusterComesBackWithItsData(t *testing.T) {
	t.Parallel()
	c := NewCluster(t, "")
	if _, _, err := store.Migrate(t.Context(), store.Config{DSN: c.DSN()}); err != nil {
		t.Fatal(err)
	}
	if err := c.Stop(); err != nil {
		t.Fatal(err)
	}
	if err := execute(t.Context(), c.DSN(), "SELECT 1"); err == nil {
		t.Error("a stopped server answers")
	}
	if err := c.Start(t.Context()); err != nil {
		t.Fatal(err)
	}
	if from, to, err := store.Migrate(t.Context(), store.Config{DSN: c.DSN()}); err != nil || from != to || to == 0 {
		t.Errorf("after the restart the schema is %d of %d, %v", from, to, err)
	}
}
