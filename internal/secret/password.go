package secret

import (
	"crypto/rand"
	"crypto/subtle"
	"encoding/base64"
	"fmt"

	"golang.org/x/crypto/argon2"
)

// The cost of argon2id: 19 MiB and two passes, about 15 ms (stack.md §3). The
// numbers are stored with each hash, so that they can grow.
const (
	argonMemory  = 19 << 10 // KiB
	argonTime    = 2
	argonThreads = 1
	argonSalt    = 16
	// Bounds on what a stored hash may ask for, so that a forged row cannot
	// occupy the machine.
	maxArgonMemory = 256 << 10
	maxArgonTime   = 16
)

// HashPassword returns the argon2id hash of a PIN or passphrase in the usual
// text form. It holds what the password can be guessed with offline: seal it.
func HashPassword(password Secret) Secret {
	salt := make([]byte, argonSalt)
	_, _ = rand.Read(salt) // never fails: crypto/rand ends the program first
	sum := argon2.IDKey([]byte(password.Reveal()), salt, argonTime, argonMemory, argonThreads, MasterLen)
	return New(fmt.Sprintf("$argon2id$v=%d$m=%d,t=%d,p=%d$%s$%s", argon2.Version, argonMemory, argonTime, argonThreads,
		base64.RawStdEncoding.EncodeToString(salt), base64.RawStdEncoding.EncodeToString(sum)))
}

// CheckPassword reports whether the password has that hash. It takes as long
// when there is no hash, and is false then.
func CheckPassword(hash, password Secret) bool {
	var version, memory, time uint32
	var threads uint8
	var rest string
	n, _ := fmt.Sscanf(hash.Reveal(), "$argon2id$v=%d$m=%d,t=%d,p=%d$%s", &version, &memory, &time, &threads, &rest)
	salt, want, ok := splitHash(rest)
	ok = ok && n == 5 && version == argon2.Version && memory <= maxArgonMemory && 0 < time && time <= maxArgonTime && threads > 0
	if !ok {
		salt, want, time, memory, threads = make([]byte, argonSalt), make([]byte, MasterLen), argonTime, argonMemory, argonThreads
	}
	got := argon2.IDKey([]byte(password.Reveal()), salt, time, memory, threads, MasterLen)
	return subtle.ConstantTimeCompare(got, want) == 1 && ok
}

func splitHash(s string) (salt, sum []byte, ok bool) {
	for i := range len(s) {
		if s[i] != '$' {
			continue
		}
		salt, err1 := base64.RawStdEncoding.DecodeString(s[:i])
		sum, err2 := base64.RawStdEncoding.DecodeString(s[i+1:])
		return salt, sum, err1 == nil && err2 == nil && len(sum) == MasterLen
	}
	return nil, nil, false
}
