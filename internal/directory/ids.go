package directory

import (
	"errors"
	"fmt"
	"net/url"
	"strings"
)

// Limits of names and numbers.
const (
	// MaxID is the longest id: C clients copy ids into 33-byte buffers
	// (protocol.md §1.4, R22).
	MaxID = 32
	// MaxNumber is the longest order or refund number (protocol.md §4.6).
	MaxNumber = 32
	// KeyLen is the length of an authen_key in characters (protocol.md §1.4).
	KeyLen = 32
	// MaxName is the longest name, in bytes: 128 Chinese characters
	// (protocol.md §1.8 shows names of 128 characters at most).
	MaxName = 3 * 128
	// MaxURL is the longest callback address, as in caller_notify_url.
	MaxURL = 255
	// MaxFields is the largest account as JSON: four certificates, Alipay's roots
	// and two keys of 4096 bits are below 24 KiB. The account whose keys it
	// replaced is kept beside it for a while.
	MaxFields = 32 << 10

	// MinPrefix and MaxPrefix are how long an order prefix is (ValidPrefix).
	MinPrefix = 8
	MaxPrefix = 10
)

// plain reports whether s consists of 0-9 A-Z a-z _ - only.
func plain(s string) bool {
	for _, c := range []byte(s) {
		switch {
		case '0' <= c && c <= '9', 'A' <= c && c <= 'Z', 'a' <= c && c <= 'z', c == '_', c == '-':
		default:
			return false
		}
	}
	return true
}

// ValidID reports whether s can be the id of a provider, merchant, shop,
// device or member of staff: 1 to MaxID characters out of 0-9 A-Z a-z _ -.
func ValidID(s string) bool {
	return s != "" && len(s) <= MaxID && plain(s)
}

// ValidPrefix reports whether s can be an order prefix: 8 to 10 digits, or 10
// letters and digits (protocol.md §4.6: 8 and 9 digits and 10 characters were
// all seen in use).
func ValidPrefix(s string) bool {
	if len(s) < MinPrefix || len(s) > MaxPrefix || !plain(s) || strings.ContainsAny(s, "_-") {
		return false
	}
	return len(s) == MaxPrefix || strings.Trim(s, "0123456789") == ""
}

// checkURL refuses a callback address that nobody could call. Whether the
// address may be called is decided at the call, by notify.
func checkURL(s string) error {
	if s == "" {
		return nil
	}
	u, err := url.Parse(s)
	switch {
	case err != nil:
		return errors.New("address is not readable")
	case len(s) > MaxURL:
		return fmt.Errorf("address is longer than %d characters", MaxURL)
	case u.Scheme != "https" && u.Scheme != "http", u.Hostname() == "":
		return errors.New("address must begin with https:// and name a host")
	case u.User != nil:
		return errors.New("address must not carry a name or password")
	}
	return nil
}
