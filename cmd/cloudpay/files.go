package main

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
)

// Limits of the files that are read whole.
const (
	maxConfig   = 256 << 10 // settings: a full one is 2 KiB
	maxAccounts = 16 << 20  // merchants with their keys, 2 KiB each
)

// readFile reads a file that the person at the shell chose, up to a limit.
func readFile(path string, limit int64) ([]byte, error) {
	f, err := os.Open(filepath.Clean(path)) //nolint:gosec // the person at the shell names the file and reads it with their own rights
	if err != nil {
		return nil, err
	}
	defer func() { _ = f.Close() }()
	raw, err := io.ReadAll(io.LimitReader(f, limit+1))
	switch {
	case err != nil:
		return nil, err
	case int64(len(raw)) > limit:
		return nil, fmt.Errorf("%s is larger than %d bytes", path, limit)
	}
	return raw, nil
}

// writeJSON replaces a file readable by its owner only, whole or not at all.
func writeJSON(path string, v any) error {
	raw, err := json.MarshalIndent(v, "", "  ")
	if err != nil {
		return err
	}
	return replaceFile(path, append(raw, '\n'), 0o600)
}

// replaceFile replaces a file whole or not at all.
func replaceFile(path string, content []byte, mode fs.FileMode) error {
	tmp, err := os.CreateTemp(filepath.Dir(path), ".new-*") // 0600 by construction
	if err != nil {
		return err
	}
	_, err = tmp.Write(content)
	err = errors.Join(err, tmp.Chmod(mode), tmp.Sync(), tmp.Close())
	if err == nil {
		err = os.Rename(tmp.Name(), path)
	}
	if err != nil {
		return errors.Join(fmt.Errorf("write %s: %w", path, err), os.Remove(tmp.Name()))
	}
	return nil
}

// closeAll closes everything, whatever fails on the way.
func closeAll(what ...io.Closer) error {
	var errs []error
	for _, c := range what {
		errs = append(errs, c.Close())
	}
	return errors.Join(errs...)
}
