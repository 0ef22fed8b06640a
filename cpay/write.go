package cpay

import (
	"unicode/utf16"
	"unicode/utf8"
)

// hexDigits are upper case in escapes and in authentication codes, as the
// original service wrote them (protocol.md §1.6).
const hexDigits = "0123456789ABCDEF"

// appendKey appends the name of the next member of the object that b ends in.
func appendKey(b []byte, name string) []byte {
	if b[len(b)-1] != '{' {
		b = append(b, ',')
	}
	b = append(b, '"')
	b = append(b, name...)
	return append(b, '"', ':')
}

// appendString appends s as a JSON string of ASCII only, with / as \/. A NUL is
// dropped and what is not UTF-8 becomes U+FFFD (protocol.md R36).
func appendString(b []byte, s string) []byte {
	b = append(b, '"')
	start := 0
	for i := 0; i < len(s); {
		c := s[i]
		if ' ' <= c && c <= '~' && c != '"' && c != '\\' && c != '/' {
			i++
			continue
		}
		b = append(b, s[start:i]...)
		if c >= utf8.RuneSelf {
			r, n := utf8.DecodeRuneInString(s[i:])
			if high, low := utf16.EncodeRune(r); high != utf8.RuneError {
				b = appendEscape(b, high)
				r = low
			}
			b = appendEscape(b, r)
			i += n
		} else {
			b = appendControl(b, c)
			i++
		}
		start = i
	}
	b = append(b, s[start:]...)
	return append(b, '"')
}

// appendControl appends an ASCII character that cannot stand for itself.
func appendControl(b []byte, c byte) []byte {
	switch c {
	case '"', '\\', '/':
		return append(b, '\\', c)
	case '\b':
		return append(b, `\b`...)
	case '\f':
		return append(b, `\f`...)
	case '\n':
		return append(b, `\n`...)
	case '\r':
		return append(b, `\r`...)
	case '\t':
		return append(b, `\t`...)
	case 0:
		return b
	}
	return appendEscape(b, rune(c))
}

// appendEscape appends one UTF-16 code unit.
func appendEscape(b []byte, r rune) []byte {
	return append(b, '\\', 'u',
		hexDigits[r>>12&15], hexDigits[r>>8&15], hexDigits[r>>4&15], hexDigits[r&15])
}

// appendQuoted appends content as a JSON string that decodes to exactly these
// bytes: only quotes, backslashes and control characters are escaped.
func appendQuoted(b, content []byte) []byte {
	b = append(b, '"')
	start := 0
	for i, c := range content {
		if c >= ' ' && c != '"' && c != '\\' {
			continue
		}
		b = append(b, content[start:i]...)
		if c < ' ' {
			b = appendEscape(b, rune(c))
		} else {
			b = append(b, '\\', c)
		}
		start = i + 1
	}
	b = append(b, content[start:]...)
	return append(b, '"')
}
