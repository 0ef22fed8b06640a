package secret

import (
	"crypto/aes"
	"crypto/cipher"
	"crypto/hkdf"
	"crypto/rand"
	"crypto/sha256"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
)

// The sealed form is: version byte ‖ nonce (12) ‖ ciphertext ‖ tag (16). The
// version stands for the whole recipe, so that a later one can be told apart.
const (
	versionGCM = 1
	// Overhead is how much longer the sealed form is than the value, in bytes.
	Overhead = 1 + 12 + 16
	// MasterLen is the length of the master key and of every other key, in bytes.
	MasterLen = 32
	// maxSealed bounds what Open looks at. The largest value is a provider's
	// account with certificates, at most 32 KiB.
	maxSealed = 64 << 10
)

// ErrSealed is the one answer to everything that does not open: another key,
// another place, changed bytes or an unknown version. It says no more, because
// more would help whoever tries.
var ErrSealed = errors.New("sealed value does not open: it was changed, moved, or sealed under another master key")

// Keyring holds the master key, and while it is being replaced the old one
// too. It seals data keys. It is immutable, safe for concurrent use, and prints
// as ***.
type Keyring struct {
	master []byte
	wrap   cipher.AEAD
	old    []cipher.AEAD // open only
}

// OpenKeyring takes the master key, exactly MasterLen bytes. What the old ones
// sealed opens as well; nothing is sealed under them any more.
func OpenKeyring(master Secret, old ...Secret) (*Keyring, error) {
	k := &Keyring{}
	for i, m := range append([]Secret{master}, old...) {
		if len(m.Reveal()) != MasterLen {
			return nil, fmt.Errorf("open keyring: the master key must have %d bytes", MasterLen)
		}
		wrap, err := newAEAD(derive([]byte(m.Reveal()), "wrap data keys"))
		if err != nil {
			return nil, fmt.Errorf("open keyring: %w", err)
		}
		if i == 0 {
			k.master, k.wrap = []byte(m.Reveal()), wrap
			continue
		}
		k.old = append(k.old, wrap)
	}
	return k, nil
}

// Derive returns a key of MasterLen bytes that depends on the master key and
// the name only (HKDF-SHA256). Different names give unrelated keys. What must
// outlive a rotation of the master key is derived from a DataKey instead.
func (k *Keyring) Derive(name string) []byte { return derive(k.master, name) }

func derive(from []byte, name string) []byte {
	key, err := hkdf.Key(sha256.New, from, nil, "cloudpay v1 "+name, MasterLen)
	if err != nil {
		// Only a length beyond 255 hashes or a short key in FIPS mode can fail.
		panic("secret: derive: " + err.Error())
	}
	return key
}

// Rewrap returns the owner's data key sealed under the present master key.
// changed is false when it is sealed under it already. The error is ErrSealed
// when no master key of the ring opens it.
func (k *Keyring) Rewrap(owner string, sealed []byte) (under []byte, changed bool, err error) {
	at := dataKeyPlace(owner)
	if _, err := open(k.wrap, at, sealed); err == nil {
		return sealed, false, nil
	}
	key, err := k.openWrapped(at, sealed)
	if err != nil {
		return nil, false, fmt.Errorf("rewrap data key: %w", err)
	}
	return seal(k.wrap, at, key), true, nil
}

// openWrapped tries the present master key, then the old ones.
func (k *Keyring) openWrapped(at Place, sealed []byte) ([]byte, error) {
	key, err := open(k.wrap, at, sealed)
	for _, old := range k.old {
		if err == nil {
			break
		}
		key, err = open(old, at, sealed)
	}
	return key, err
}

func dataKeyPlace(owner string) Place { return Place{Purpose: "data_key", Owner: owner} }

// NewDataKey makes a random data key for the owner, for example a provider,
// and returns it sealed under the master key.
func (k *Keyring) NewDataKey(owner string) ([]byte, error) {
	key := make([]byte, MasterLen)
	if _, err := io.ReadFull(rand.Reader, key); err != nil {
		return nil, fmt.Errorf("make data key: %w", err)
	}
	return seal(k.wrap, dataKeyPlace(owner), key), nil
}

// OpenDataKey opens the owner's sealed data key. The error is ErrSealed when it
// is another owner's, was changed, or belongs to another master key.
func (k *Keyring) OpenDataKey(owner string, sealed []byte) (*DataKey, error) {
	key, err := k.openWrapped(dataKeyPlace(owner), sealed)
	if err != nil {
		return nil, fmt.Errorf("open data key: %w", err)
	}
	aead, err := newAEAD(key)
	if err != nil {
		return nil, fmt.Errorf("open data key: %w", ErrSealed)
	}
	return &DataKey{key: key, aead: aead}, nil
}

// Place is where a sealed value belongs: what it is for, and whose it is. A
// value sealed for one place does not open at another, so that nobody who can
// write rows can move a key from one row or column to another.
type Place struct {
	Purpose string // e.g. "authen_key"
	Owner   string // e.g. a merchant's id
}

// aad encodes a place and the version without ambiguity: the length of the
// purpose comes first.
func (p Place) aad() []byte {
	b := []byte{versionGCM}
	b = binary.BigEndian.AppendUint32(b, uint32(len(p.Purpose))) //nolint:gosec // a purpose is a short constant
	b = append(b, p.Purpose...)
	return append(b, p.Owner...)
}

// DataKey seals and opens one owner's secrets. It is immutable, safe for
// concurrent use, and prints as ***.
type DataKey struct {
	key  []byte
	aead cipher.AEAD
}

// Derive returns a key of MasterLen bytes that depends on this data key and
// the name only, for keyed hashes. It stays the same when the master key is
// replaced.
func (d *DataKey) Derive(name string) []byte { return derive(d.key, name) }

// Sub returns the data key of that name below this one: for what is sealed so
// often that one key would not do (see newAEAD). It stays the same when the
// master key is replaced.
func (d *DataKey) Sub(name string) (*DataKey, error) {
	key := d.Derive("data key " + name)
	aead, err := newAEAD(key)
	if err != nil {
		return nil, fmt.Errorf("derive data key: %w", err)
	}
	return &DataKey{key: key, aead: aead}, nil
}

// Seal returns the sealed form of s for that place. Sealing the same value
// twice gives different bytes.
func (d *DataKey) Seal(at Place, s Secret) []byte {
	return seal(d.aead, at, []byte(s.Reveal()))
}

// Open returns the value sealed for that place, or ErrSealed.
func (d *DataKey) Open(at Place, sealed []byte) (Secret, error) {
	b, err := open(d.aead, at, sealed)
	if err != nil {
		return Secret{}, err
	}
	return New(string(b)), nil
}

// newAEAD returns AES-256-GCM with random nonces. A key may seal 2³² values;
// an owner's keys change a few times a year.
func newAEAD(key []byte) (cipher.AEAD, error) {
	block, err := aes.NewCipher(key)
	if err != nil {
		return nil, err
	}
	return cipher.NewGCMWithRandomNonce(block)
}

func seal(a cipher.AEAD, at Place, plain []byte) []byte {
	out := make([]byte, 1, Overhead+len(plain))
	out[0] = versionGCM
	return a.Seal(out, nil, plain, at.aad()) //nolint:gosec // the AEAD makes a random nonce itself and refuses one from outside
}

func open(a cipher.AEAD, at Place, sealed []byte) ([]byte, error) {
	if len(sealed) < Overhead || len(sealed) > maxSealed || sealed[0] != versionGCM {
		return nil, ErrSealed
	}
	plain, err := a.Open(nil, nil, sealed[1:], at.aad())
	if err != nil {
		return nil, ErrSealed // the cipher's own error adds nothing
	}
	return plain, nil
}

// String returns the mask.
func (*Keyring) String() string { return mask }

// Format writes the mask for every verb.
func (*Keyring) Format(f fmt.State, _ rune) { _, _ = io.WriteString(f, mask) }

// String returns the mask.
func (*DataKey) String() string { return mask }

// Format writes the mask for every verb.
func (*DataKey) Format(f fmt.State, _ rune) { _, _ = io.WriteString(f, mask) }
