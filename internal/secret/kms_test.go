//go:build kms

package secret

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// TestMain lets the test binary play the operator's program: it "wraps" by
// turning the hex digits round, which is enough to see what goes where.
func TestMain(m *testing.M) {
	if len(os.Args) < 3 || os.Args[1] != "play-kms" {
		os.Exit(m.Run())
	}
	in, err := io.ReadAll(os.Stdin)
	if err != nil {
		os.Exit(1)
	}
	mode, what := os.Args[2], os.Args[len(os.Args)-1]
	switch {
	case mode == "fail":
		fmt.Fprint(os.Stderr, "the key is "+string(in))
		os.Exit(3)
	case mode == "flood":
		for range 1 << 20 {
			if _, err := fmt.Print("0123456789abcdef"); err != nil {
				os.Exit(1)
			}
		}
	case mode == "plain", what == "unwrap" && mode == "rubbish":
		fmt.Print(string(in))
	default:
		r := []rune(strings.TrimSpace(string(in)))
		for i, j := 0, len(r)-1; i < j; i, j = i+1, j-1 {
			r[i], r[j] = r[j], r[i]
		}
		fmt.Print(string(r))
	}
	os.Exit(0)
}

func kmsOf(t *testing.T, path, mode string) Source {
	t.Helper()
	s, err := ParseSource(fmt.Sprintf("kms:%s:%s play-kms %s", path, os.Args[0], mode), environment("", ""))
	if err != nil {
		t.Fatal(err)
	}
	return s
}

func TestProgramWrapsAndUnwrapsTheKey(t *testing.T) {
	t.Parallel()
	path := filepath.Join(t.TempDir(), "master.wrapped")
	s := kmsOf(t, path, "turn")
	if _, err := s.Master(t.Context()); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("before it was made: %v, want not exist", err)
	}
	made, err := Create(t.Context(), s)
	if err != nil {
		t.Fatal(err)
	}
	read, err := s.Master(t.Context())
	if err != nil || !read.Equal(made) {
		t.Errorf("Master = %v, want the key that was made", err)
	}
	if _, err := Create(t.Context(), s); !errors.Is(err, fs.ErrExist) {
		t.Errorf("made twice: %v, want exist", err)
	}
	for _, mode := range []string{"fail", "flood", "rubbish"} {
		_, err := kmsOf(t, path, mode).Master(t.Context())
		if mode == "rubbish" { // turned digits are digits still; nothing opens with them
			if k, err := kmsOf(t, path, mode).Master(t.Context()); err == nil && k.Equal(made) {
				t.Error("the wrapped key is the key")
			}
			continue
		}
		if err == nil || strings.Contains(err.Error(), "the key is") {
			t.Errorf("%s: %v, want a refusal that repeats nothing", mode, err)
		}
	}
	if _, err := Create(t.Context(), kmsOf(t, path+"2", "plain")); err == nil {
		t.Error("a program that wraps nothing was believed")
	}
	if _, err := kmsOf(t, path, "turn").(kms).run(t.Context(), "unwrap", ""); err != nil {
		t.Error(err)
	}
	gone, err := ParseSource("kms:"+path+":/nowhere/program", environment("", ""))
	if err != nil {
		t.Fatal(err)
	}
	if _, err := gone.Master(t.Context()); err == nil {
		t.Error("a program that does not exist gave a key")
	}
}
