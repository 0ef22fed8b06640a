package secret

import (
	"encoding/hex"
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

func TestMasterFileIsMadeOnceAndReadBack(t *testing.T) {
	t.Parallel()
	path := filepath.Join(t.TempDir(), "master.key")
	if _, err := ReadMasterFile(path); !errors.Is(err, fs.ErrNotExist) {
		t.Fatalf("reading before creating: %v, want not exist", err)
	}
	made, err := CreateMasterFile(path)
	if err != nil {
		t.Fatal(err)
	}
	info, err := os.Stat(path)
	if err != nil || info.Mode().Perm() != 0o600 {
		t.Errorf("mode = %v, %v, want 0600", info.Mode(), err)
	}
	read, err := ReadMasterFile(path)
	if err != nil || !read.Equal(made) {
		t.Errorf("ReadMasterFile = %v, want the key that was made", err)
	}
	if _, err := OpenKeyring(read); err != nil {
		t.Error(err)
	}
	if _, err := CreateMasterFile(path); !errors.Is(err, fs.ErrExist) {
		t.Errorf("creating again: %v, want exist", err)
	}
	if again, err := ReadMasterFile(path); err != nil || !again.Equal(made) {
		t.Error("creating again changed the file")
	}
	left, err := os.ReadDir(filepath.Dir(path))
	if err != nil || len(left) != 1 {
		t.Errorf("files left: %v, %v, want the key only", left, err)
	}
}

func TestMasterFileOthersMayReadIsRefused(t *testing.T) {
	t.Parallel()
	for _, mode := range []fs.FileMode{0o640, 0o604, 0o660, 0o644, 0o601} {
		path := filepath.Join(t.TempDir(), "master.key")
		if _, err := CreateMasterFile(path); err != nil {
			t.Fatal(err)
		}
		if err := os.Chmod(path, mode); err != nil {
			t.Fatal(err)
		}
		_, err := ReadMasterFile(path)
		if err == nil || !strings.Contains(err.Error(), "chmod 600 "+path) {
			t.Errorf("mode %04o: %v, want advice to chmod 600", mode, err)
		}
	}
}

func TestMasterFileWithOtherContentIsRefusedWithoutQuotingIt(t *testing.T) {
	t.Parallel()
	good := strings.Repeat("ab", MasterLen)
	cases := map[string]string{
		"empty": "", "short": good[2:], "long": good + "ab", "not hex": "zz" + good[2:],
		"two keys": good + "\n" + good, "huge": strings.Repeat("ab", 1<<20),
	}
	for name, text := range cases {
		path := filepath.Join(t.TempDir(), "master.key")
		if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		_, err := ReadMasterFile(path)
		if err == nil || strings.Contains(err.Error(), "zz") || strings.Contains(err.Error(), "abab") {
			t.Errorf("%s: %v, want a refusal that quotes nothing", name, err)
		}
	}
	path := filepath.Join(t.TempDir(), "master.key")
	if err := os.WriteFile(path, []byte(" "+good+"\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	if s, err := ReadMasterFile(path); err != nil || hex.EncodeToString([]byte(s.Reveal())) != good {
		t.Errorf("a key with white space around it: %v, want it read", err)
	}
}

func TestMasterFileMustBeAFile(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	if _, err := ReadMasterFile(dir); err == nil || !strings.Contains(err.Error(), "not a regular file") {
		t.Errorf("a directory: %v, want a refusal", err)
	}
	if _, err := CreateMasterFile(filepath.Join(dir, "missing", "master.key")); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("a missing directory: %v, want not exist", err)
	}
}
