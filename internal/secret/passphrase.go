package secret

import (
	"context"
	"crypto/rand"
	"crypto/subtle"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"strings"

	"golang.org/x/crypto/argon2"
)

// The cost of making a master key from a passphrase: once per start, so about
// a second on a small machine. The numbers stand in the salt file.
const (
	passMemory  = 128 << 10 // KiB
	passTime    = 4
	passThreads = 2
	passSalt    = 32
	// MinPassphrase is the shortest passphrase, in bytes. Whoever has a copy of
	// the database can try passphrases at leisure.
	MinPassphrase = 16
	maxSaltFile   = 512
)

// saltFile is the form of the file beside the database. The last member is a
// check value: it tells a mistyped passphrase from a damaged database.
const saltFile = "cloudpay-passphrase-v1 m=%d,t=%d,p=%d %s %s\n"

// CreatePassphraseFile writes a new random salt, which belongs to exactly this
// passphrase, to a file that does not exist yet, and returns the master key.
// The file is no secret, but everything sealed is lost with it.
func CreatePassphraseFile(path string, passphrase Secret) (Secret, error) {
	if len(passphrase.Reveal()) < MinPassphrase {
		return Secret{}, fmt.Errorf("create master key: the passphrase must have at least %d characters", MinPassphrase)
	}
	salt := make([]byte, passSalt)
	_, _ = rand.Read(salt) // never fails: crypto/rand ends the program first
	key := argon2.IDKey([]byte(passphrase.Reveal()), salt, passTime, passMemory, passThreads, MasterLen)
	text := fmt.Sprintf(saltFile, passMemory, passTime, passThreads, hex.EncodeToString(salt), checkOf(key))
	if err := createFile(path, text); err != nil {
		return Secret{}, fmt.Errorf("create salt file: %w", err)
	}
	return New(string(key)), nil
}

func checkOf(key []byte) string { return hex.EncodeToString(derive(key, "passphrase check")[:8]) }

// passphraseSource makes the key from a passphrase in the environment and a
// salt in a file.
type passphraseSource struct {
	path   string
	getenv func(string) string
}

// String names the salt file.
func (p passphraseSource) String() string { return "passphrase with the salt in " + p.path }

// Master makes the key. It takes about a second, on purpose.
func (p passphraseSource) Master(context.Context) (Secret, error) {
	passphrase := p.getenv(passphraseVariable)
	if passphrase == "" {
		return Secret{}, fmt.Errorf("read master key: the passphrase is missing; set %s", passphraseVariable)
	}
	text, err := readSmall(p.path, maxSaltFile)
	if errors.Is(err, fs.ErrNotExist) {
		return Secret{}, fmt.Errorf("read master key: the salt file %s is missing; restore it from its backup, or make a new one for a new installation with: cloudpay master-key create passphrase:%s: %w", p.path, p.path, err)
	}
	if err != nil {
		return Secret{}, fmt.Errorf("read master key: %w", err)
	}
	var memory, time uint32
	var threads uint8
	var salt, check string
	n, _ := fmt.Sscanf(text, saltFile, &memory, &time, &threads, &salt, &check)
	raw, err := hex.DecodeString(salt)
	if n != 5 || err != nil || len(raw) < argonSalt || memory > 4*passMemory || time == 0 || time > 4*passTime || threads == 0 {
		return Secret{}, fmt.Errorf("read master key: %s is not a salt file; restore it from its backup", p.path)
	}
	key := argon2.IDKey([]byte(passphrase), raw, time, memory, threads, MasterLen)
	if subtle.ConstantTimeCompare([]byte(checkOf(key)), []byte(strings.TrimSpace(check))) != 1 {
		return Secret{}, fmt.Errorf("read master key: the passphrase does not belong to the salt file %s", p.path)
	}
	return New(string(key)), nil
}

// readSmall reads a file of at most limit bytes.
func readSmall(path string, limit int64) (string, error) {
	f, err := os.Open(path) //nolint:gosec // the operator names the file
	if err != nil {
		return "", err
	}
	defer f.Close()
	b, err := io.ReadAll(io.LimitReader(f, limit+1))
	if err != nil {
		return "", err
	}
	if int64(len(b)) > limit {
		return "", fmt.Errorf("%s is longer than %d bytes", path, limit)
	}
	return string(b), nil
}
