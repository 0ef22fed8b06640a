package main

import (
	"fmt"
	"io"
	"os"
	"path/filepath"
	"runtime"
	"strings"
)

// readSecret reads a key or token from a file, or from standard input for "-",
// without the white space around it. Secrets never stand on the command line,
// where every user of the machine can read them.
func readSecret(e env, path string, limit int64) (string, error) {
	var raw []byte
	var err error
	if path == "-" {
		if raw, err = io.ReadAll(io.LimitReader(e.stdin, limit+1)); err == nil && int64(len(raw)) > limit {
			err = fmt.Errorf("standard input is larger than %d bytes", limit)
		}
	} else {
		if err := checkPrivate(path); err != nil {
			return "", err
		}
		raw, err = readFile(path, limit)
	}
	if err != nil {
		return "", err
	}
	text := strings.TrimSpace(string(raw))
	if text == "" {
		return "", usage("%s is empty", path)
	}
	return text, nil
}

// checkPrivate refuses a file that others may read. Pipes and the like are
// private to who made them.
func checkPrivate(path string) error {
	info, err := os.Stat(path)
	if err != nil {
		return err
	}
	if info.Mode().IsRegular() && runtime.GOOS != "windows" && info.Mode().Perm()&0o077 != 0 {
		return usage("others may use %s (mode %04o); run: chmod 600 %s", path, info.Mode().Perm(), path)
	}
	return nil
}

// writeSecret makes a new file that only its owner may read. It never replaces
// one that exists: a key that is overwritten is lost.
func writeSecret(path string, content []byte) error {
	f, err := os.OpenFile(filepath.Clean(path), os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o600)
	if err != nil {
		return err
	}
	_, err = f.Write(content)
	if err == nil {
		err = f.Sync()
	}
	if closed := f.Close(); err == nil {
		err = closed
	}
	if err != nil {
		return fmt.Errorf("write %s: %w", path, err)
	}
	return nil
}
