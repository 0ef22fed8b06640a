// Package secret keeps keys out of sight: a Secret never prints itself, and
// secrets at rest are enveloped under a master key.
//
// It knows bytes, names and AES-256-GCM. It must not know what a secret is for.
package secret

import (
	"crypto/subtle"
	"encoding/json"
	"fmt"
	"io"
	"log/slog"
)

// mask is what every way of printing a Secret shows.
const mask = "***"

// Secret is a value that hides itself from fmt, slog, JSON and text encoders.
// Only Reveal gives the value away; call it at the last moment, next to the
// primitive that needs it. It is immutable and safe for concurrent use. The
// zero value is empty. It cannot be compared with ==; use Equal.
type Secret struct {
	_ [0]func() // no ==, which would compare pointers and is not constant in time
	// v is a pointer because fmt does not call methods on unexported fields of
	// other people's structs: there it prints an address instead of the value.
	v *string
}

// New returns a Secret that holds v.
func New(v string) Secret { return Secret{v: &v} }

// Reveal returns the value. Never log or format what it returns.
func (s Secret) Reveal() string {
	if s.v == nil {
		return ""
	}
	return *s.v
}

// IsZero reports whether the secret is empty.
func (s Secret) IsZero() bool { return s.Reveal() == "" }

// Equal compares in constant time for equal lengths.
func (s Secret) Equal(t Secret) bool {
	return subtle.ConstantTimeCompare([]byte(s.Reveal()), []byte(t.Reveal())) == 1
}

// String returns the mask, so that %s and %v show nothing.
func (Secret) String() string { return mask }

// GoString returns the mask, so that %#v shows nothing.
func (Secret) GoString() string { return mask }

// Format writes the mask for every verb, %x and %q included.
func (Secret) Format(f fmt.State, _ rune) { _, _ = io.WriteString(f, mask) }

// LogValue returns the mask, so that slog shows nothing.
func (Secret) LogValue() slog.Value { return slog.StringValue(mask) }

// MarshalJSON returns the mask as a JSON string.
func (Secret) MarshalJSON() ([]byte, error) { return json.Marshal(mask) }

// MarshalText returns the mask.
func (Secret) MarshalText() ([]byte, error) { return []byte(mask), nil }
