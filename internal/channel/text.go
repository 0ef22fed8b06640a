package channel

import (
	"strings"
	"unicode"
	"unicode/utf8"
)

// MaxText is the largest Outcome.Text in bytes: the wire's return_msg field
// that it ends in is that long.
const MaxText = 255

// maxCode is the largest Outcome.Code in bytes; the longest listed code has 42.
const maxCode = 64

// maskFrom is the length from which a run of digits may be a payment code.
const maskFrom = 16

// CleanText makes a wallet's sentence fit to be shown and stored: valid UTF-8,
// no control or format characters, every run of 16 or more digits masked after
// six (it may be a payment code), and at most MaxText bytes, cut between runes.
func CleanText(s string) string { return CutBytes(maskDigits(Printable(s)), MaxText) }

// CleanCode does the same for a wallet's code or state, with a smaller limit.
func CleanCode(s string) string { return CutBytes(maskDigits(Printable(s)), maxCode) }

// Printable drops what could move a terminal's cursor or turn a text around.
func Printable(s string) string {
	return strings.Map(func(r rune) rune {
		if r == utf8.RuneError || unicode.In(r, unicode.Cc, unicode.Cf) {
			return -1
		}
		return r
	}, s)
}

func maskDigits(s string) string {
	var b strings.Builder
	for i := 0; i < len(s); {
		n := 0
		for i+n < len(s) && s[i+n] >= '0' && s[i+n] <= '9' {
			n++
		}
		switch {
		case n >= maskFrom:
			b.WriteString(s[i:i+shownDigits] + "***")
		case n > 0:
			b.WriteString(s[i : i+n])
		default:
			b.WriteByte(s[i])
			n = 1
		}
		i += n
	}
	return b.String()
}

// CutRunes returns at most limit characters of s. Adapters use it for the
// fields whose limits upstream counts in characters.
func CutRunes(s string, limit int) string {
	n := 0
	for i := range s {
		if n == limit {
			return s[:i]
		}
		n++
	}
	return s
}

// CutBytes returns at most limit bytes of s, cut between runes.
func CutBytes(s string, limit int) string {
	if len(s) <= limit {
		return s
	}
	for limit > 0 && !utf8.RuneStart(s[limit]) {
		limit--
	}
	return s[:limit]
}

// Fitting returns an optional number of ours if the wallet's field of limit
// bytes can hold it, and "" otherwise: a cut number would name something else.
func Fitting(s string, limit int) string {
	if len(s) > limit {
		return ""
	}
	return s
}
