package cpay

import (
	"crypto"
	"crypto/hmac"
	"crypto/rand"
	"crypto/rsa"
	"crypto/sha256"
	"crypto/x509"
	"encoding/base64"
	"encoding/hex"
	"encoding/pem"
	"errors"
	"fmt"
	"io"
	"log/slog"
)

// hidden stands wherever a secret would be printed.
const hidden = "***"

// macLength is the length of an authentication code: SHA-256 in hexadecimal.
const macLength = 2 * sha256.Size

// Key is an authentication key (authen_key) exactly as the console shows it: its
// ASCII bytes are the key of the HMAC, they are not decoded (protocol.md §1.2).
// It hides itself from printing, logging and JSON, also inside other structs.
// The zero Key verifies nothing. Keys are not compared with ==.
type Key struct {
	_ [0]func() // no ==, which would compare pointers
	// text is a pointer because fmt asks no method of what stands in an unexported
	// field: there it prints an address instead of the key.
	text *string
}

// NewKey takes the text of an authentication key.
func NewKey(text string) Key { return Key{text: &text} }

// reveal returns the text.
func (k Key) reveal() string {
	if k.text == nil {
		return ""
	}
	return *k.text
}

// IsZero reports whether no key was given.
func (k Key) IsZero() bool { return k.reveal() == "" }

// Equal reports, in constant time, whether both are the same key.
func (k Key) Equal(other Key) bool {
	return hmac.Equal([]byte(k.reveal()), []byte(other.reveal()))
}

// Format writes three asterisks for every verb, those that String is not asked
// for included.
func (Key) Format(f fmt.State, _ rune) { _, _ = io.WriteString(f, hidden) }

// String returns three asterisks.
func (Key) String() string { return hidden }

// GoString returns three asterisks.
func (Key) GoString() string { return hidden }

// LogValue returns three asterisks.
func (Key) LogValue() slog.Value { return slog.StringValue(hidden) }

// MarshalJSON returns three asterisks.
func (Key) MarshalJSON() ([]byte, error) { return []byte(`"` + hidden + `"`), nil }

// MAC returns the authentication code of message: HMAC-SHA256 as 64 upper-case
// hexadecimal digits (protocol.md §1.2).
func (k Key) MAC(message []byte) string {
	code := k.mac(message)
	return string(code[:])
}

// mac is MAC without an allocation for the result.
func (k Key) mac(message []byte) [macLength]byte {
	var sum [sha256.Size]byte
	h := hmac.New(sha256.New, []byte(k.reveal()))
	h.Write(message)
	h.Sum(sum[:0])
	var code [macLength]byte
	for i, b := range sum {
		code[2*i], code[2*i+1] = hexDigits[b>>4], hexDigits[b&15]
	}
	return code
}

// Verifies reports, in constant time, whether code is the authentication code of
// message. Lower-case digits are refused (protocol.md R16, R35).
func (k Key) Verifies(message []byte, code string) bool {
	if k.IsZero() {
		return false
	}
	want := k.mac(message)
	return hmac.Equal(want[:], []byte(code))
}

// Keys are what one sub-merchant's messages are authenticated with. The methods
// that print hide all of it.
type Keys struct {
	// AuthenKey makes and checks authentication codes, member a.
	AuthenKey Key
	// PublicKey checks signatures, member s. Servers keep only this half.
	PublicKey *rsa.PublicKey
	// PrivateKey makes signatures. Only the provider's own devices have it.
	PrivateKey *rsa.PrivateKey
}

// Format writes three asterisks for every verb.
func (Keys) Format(f fmt.State, _ rune) { _, _ = io.WriteString(f, hidden) }

// String returns three asterisks.
func (Keys) String() string { return hidden }

// GoString returns three asterisks.
func (Keys) GoString() string { return hidden }

// LogValue returns three asterisks.
func (Keys) LogValue() slog.Value { return slog.StringValue(hidden) }

// MarshalJSON returns three asterisks.
func (Keys) MarshalJSON() ([]byte, error) { return []byte(`"` + hidden + `"`), nil }

// Sign returns the RSASSA-PSS signature of message with SHA-256 and the longest
// salt the key allows, which is 222 bytes for 2048 bits, as base64 on one line
// (protocol.md §1.3). It fails if the key is too short to sign with.
func Sign(key *rsa.PrivateKey, message []byte) (string, error) {
	if key == nil {
		return "", errors.New("cpay: no private key to sign with")
	}
	salt := (key.N.BitLen()+6)/8 - 2 - sha256.Size
	if salt < 0 {
		return "", errors.New("cpay: private key is too short to sign with")
	}
	sum := sha256.Sum256(message)
	sig, err := rsa.SignPSS(rand.Reader, key, crypto.SHA256, sum[:], &rsa.PSSOptions{SaltLength: salt})
	if err != nil {
		return "", fmt.Errorf("cpay: sign: %w", err)
	}
	return base64.StdEncoding.EncodeToString(sig), nil
}

// VerifySign reports whether sign is a signature of message, with any length of
// salt (protocol.md R07). Garbage is not an error, it just does not verify.
func VerifySign(key *rsa.PublicKey, message []byte, sign string) bool {
	if key == nil {
		return false
	}
	sig, err := base64.StdEncoding.DecodeString(sign)
	if err != nil {
		return false
	}
	sum := sha256.Sum256(message)
	return rsa.VerifyPSS(key, crypto.SHA256, sum[:], sig, &rsa.PSSOptions{SaltLength: rsa.PSSSaltLengthAuto}) == nil
}

// ParsePrivateKey reads an RSA private key from PEM, PKCS#8 as the console hands
// it out or PKCS#1. Errors never repeat the text.
func ParsePrivateKey(text []byte) (*rsa.PrivateKey, error) {
	block, _ := pem.Decode(text)
	if block == nil {
		return nil, errors.New("cpay: private key is not PEM")
	}
	if key, err := x509.ParsePKCS1PrivateKey(block.Bytes); err == nil {
		return key, nil
	}
	key, err := x509.ParsePKCS8PrivateKey(block.Bytes)
	if err != nil {
		return nil, errors.New("cpay: private key is neither PKCS#8 nor PKCS#1")
	}
	if key, ok := key.(*rsa.PrivateKey); ok {
		return key, nil
	}
	return nil, errors.New("cpay: private key is not an RSA key")
}

// ParsePublicKey reads an RSA public key from PEM, as SubjectPublicKeyInfo or
// PKCS#1.
func ParsePublicKey(text []byte) (*rsa.PublicKey, error) {
	block, _ := pem.Decode(text)
	if block == nil {
		return nil, errors.New("cpay: public key is not PEM")
	}
	if key, err := x509.ParsePKCS1PublicKey(block.Bytes); err == nil {
		return key, nil
	}
	key, err := x509.ParsePKIXPublicKey(block.Bytes)
	if err != nil {
		return nil, fmt.Errorf("cpay: public key: %w", err)
	}
	if key, ok := key.(*rsa.PublicKey); ok {
		return key, nil
	}
	return nil, errors.New("cpay: public key is not an RSA key")
}

// nonceLength is what the protocol gives a nonce_str.
const nonceLength = 32

// newNonce returns 32 fresh hexadecimal digits (protocol.md §1.6).
func newNonce() string {
	var raw [nonceLength / 2]byte
	_, _ = rand.Read(raw[:]) // never fails since Go 1.24
	return hex.EncodeToString(raw[:])
}
