package secret

import (
	"context"
	"encoding/hex"
	"fmt"
	"strings"
)

// Source delivers the master key when a process starts. It is immutable and
// safe for concurrent use.
type Source interface {
	// Master returns the key. Its errors say what an operator can do and never
	// hold a part of the key.
	Master(ctx context.Context) (Secret, error)
	// String names the source without giving anything away.
	String() string
}

// passphraseVariable names where the passphrase of a "passphrase:" source is.
const passphraseVariable = "CLOUDPAY_PASSPHRASE" //nolint:gosec // the name of a variable

// ParseSource reads the name of a source:
//
//	file:PATH              a file of 64 hex digits, mode 0600 ("file:" may be left out)
//	env:NAME               a variable of the environment with 64 hex digits
//	passphrase:PATH        made by argon2id from $CLOUDPAY_PASSPHRASE and the salt in PATH
//	kms:PATH:PROGRAM [ARG] what PROGRAM makes of the wrapped key in PATH; needs a
//	                       binary built with -tags kms
//
// getenv reads the environment.
func ParseSource(spec string, getenv func(string) string) (Source, error) {
	kind, rest, found := strings.Cut(spec, ":")
	if !found || strings.ContainsAny(kind, `/\`) || len(kind) == 1 { // a path, with a drive's letter perhaps
		kind, rest = "file", spec
	}
	if rest == "" {
		return nil, fmt.Errorf("master key: %q names no place; write file:PATH, env:NAME, passphrase:PATH or kms:PATH:PROGRAM", spec)
	}
	switch kind {
	case "file":
		return fileSource(rest), nil
	case "env":
		return envSource{name: rest, getenv: getenv}, nil
	case "passphrase":
		return passphraseSource{path: rest, getenv: getenv}, nil
	case "kms":
		return kmsSource(rest)
	}
	return nil, fmt.Errorf("master key: %q is no kind of source; write file:PATH, env:NAME, passphrase:PATH or kms:PATH:PROGRAM", kind)
}

// fileSource is the path of a file of hex digits.
type fileSource string

// Master reads the file.
func (f fileSource) Master(context.Context) (Secret, error) { return ReadMasterFile(string(f)) }

// String names the file.
func (f fileSource) String() string { return "file " + string(f) }

// envSource is a variable of the environment.
type envSource struct {
	name   string
	getenv func(string) string
}

// Master reads the variable.
func (e envSource) Master(context.Context) (Secret, error) {
	text := e.getenv(e.name)
	if text == "" {
		return Secret{}, fmt.Errorf("read master key: the variable %s is not set; set it to %d hex digits", e.name, 2*MasterLen)
	}
	key, err := masterOf(text)
	if err != nil {
		return Secret{}, fmt.Errorf("read master key: the variable %s %w", e.name, err)
	}
	return key, nil
}

// String names the variable.
func (e envSource) String() string { return "variable " + e.name }

// masterOf reads hex digits. Its error quotes nothing.
func masterOf(text string) (Secret, error) {
	key, err := hex.DecodeString(strings.TrimSpace(text))
	if err != nil || len(key) != MasterLen {
		return Secret{}, fmt.Errorf("does not hold %d hex digits", 2*MasterLen)
	}
	return New(string(key)), nil
}

// creator is a source that can make its key.
type creator interface {
	create(ctx context.Context) (Secret, error)
}

// Create makes a new random master key, or one from a passphrase, where the
// source will find it. What exists is never touched: the error then wraps
// fs.ErrExist.
func Create(ctx context.Context, s Source) (Secret, error) {
	switch s := s.(type) {
	case fileSource:
		return CreateMasterFile(string(s))
	case passphraseSource:
		return CreatePassphraseFile(s.path, New(s.getenv(passphraseVariable)))
	case creator:
		return s.create(ctx)
	}
	return Secret{}, fmt.Errorf("create master key: a %s cannot be made from here; make one with: openssl rand -hex 32", s)
}
