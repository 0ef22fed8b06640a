//go:build !kms

package secret

import (
	"strings"
	"testing"
)

func TestOrdinaryBuildRunsNoPrograms(t *testing.T) {
	t.Parallel()
	_, err := ParseSource("kms:/master.wrapped:/bin/cat", environment("", ""))
	if err == nil || !strings.Contains(err.Error(), "-tags kms") {
		t.Errorf("ParseSource = %v, want advice to build with -tags kms", err)
	}
}
