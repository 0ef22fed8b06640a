package secret

import (
	"crypto/rand"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"runtime"
	"strings"
)

// maxMasterFile bounds the read of a master key file: 64 hex digits and a
// line end.
const maxMasterFile = 2*MasterLen + 2

// CreateMasterFile writes a new random master key to a file that does not
// exist yet, readable by its owner only, and returns the key once the file is
// on disk. A file that exists is never touched: the error then wraps
// fs.ErrExist. Everything sealed is lost with this file, so back it up apart
// from the database.
func CreateMasterFile(path string) (Secret, error) {
	key, text := newMaster()
	if err := createFile(path, text); err != nil {
		return Secret{}, fmt.Errorf("create master key: %w", err)
	}
	return key, nil
}

// newMaster makes a random master key, and its form in files.
func newMaster() (key Secret, text string) {
	b := make([]byte, MasterLen)
	_, _ = rand.Read(b) // never fails: crypto/rand ends the program first
	return New(string(b)), hex.EncodeToString(b) + "\n"
}

// createFile writes a file that does not exist yet, readable by its owner
// only, and returns once it is on disk. A half-written file must never be taken
// for a whole one: write beside it, sync, and link into place, which fails if
// somebody else was first.
func createFile(path, text string) error {
	tmp, err := os.CreateTemp(filepath.Dir(path), ".master-*") // mode 0600
	if err != nil {
		return err
	}
	defer func() { _ = os.Remove(tmp.Name()) }()
	_, err = tmp.WriteString(text)
	err = errors.Join(err, tmp.Sync(), tmp.Close())
	if err == nil {
		err = os.Link(tmp.Name(), path)
	}
	if err == nil {
		err = syncDir(filepath.Dir(path))
	}
	return err
}

// ReadMasterFile reads a master key. A file that others may read is refused:
// the key must be taken for known.
func ReadMasterFile(path string) (Secret, error) {
	f, err := os.Open(path) //nolint:gosec // the operator names the file
	if err != nil {
		return Secret{}, fmt.Errorf("read master key: %w", err)
	}
	defer f.Close()
	info, err := f.Stat()
	if err != nil {
		return Secret{}, fmt.Errorf("read master key: %w", err)
	}
	if err := checkMode(path, info); err != nil {
		return Secret{}, err
	}
	text, err := io.ReadAll(io.LimitReader(f, maxMasterFile+1))
	if err != nil {
		return Secret{}, fmt.Errorf("read master key: %w", err)
	}
	key, err := hex.DecodeString(strings.TrimSpace(string(text)))
	if err != nil || len(key) != MasterLen || len(text) > maxMasterFile {
		// hex's own error quotes a byte of the file.
		return Secret{}, fmt.Errorf("read master key: %s does not hold %d hex digits; restore it from its backup", path, 2*MasterLen)
	}
	return New(string(key)), nil
}

// checkMode refuses files that are not plain, or that others than the owner
// may use. Windows has no such bits; access lists protect the file there.
func checkMode(path string, info fs.FileInfo) error {
	if !info.Mode().IsRegular() {
		return fmt.Errorf("read master key: %s is not a regular file", path)
	}
	if runtime.GOOS != "windows" && info.Mode().Perm()&0o077 != 0 {
		return fmt.Errorf("read master key: others may use %s (mode %04o); run: chmod 600 %s", path, info.Mode().Perm(), path)
	}
	return nil
}

// syncDir makes a new name in the directory durable.
func syncDir(dir string) error {
	d, err := os.Open(dir) //nolint:gosec // the directory of the operator's file
	if err != nil {
		return err
	}
	err = d.Sync()
	if runtime.GOOS == "windows" {
		err = nil // directories cannot be synced there
	}
	return errors.Join(err, d.Close())
}
