package monitor

import (
	"regexp"
	"strings"
	"unicode/utf8"
)

const (
	stars = "***"
	// shownDigits of a payment code may be shown: they tell the wallet and pay
	// nothing (upstreams.md §5).
	shownDigits = 6
	// slack is how much of a text beyond the part that is kept is looked at, so
	// that a code on the border is recognised as one.
	slack = 256
)

// What is masked by the name before it. A log may hold JSON in JSON, so quotes
// may come with backslashes, and names may be spelled in many ways.
var (
	namedSecret = regexp.MustCompile(`(?i)([a-z0-9_\-]*(?:key|secret|token|passw(?:or)?d|pwd|cookie|authorization|密钥|秘钥|密码)[a-z0-9_\-]*[\\"'\s]{0,8}[:=：>][\\"'\s]{0,8})((?:bearer\s+|basic\s+)?[A-Za-z0-9+/=_.\-]{6,})`)
	namedCode   = regexp.MustCompile(`(?i)((?:auth|author|authen|pay|payment|bar|qr)_?code[\\"'\s]{0,8}[:=：>][\\"'\s]{0,8})([A-Za-z0-9]{10,128})`)
	namedPIN    = regexp.MustCompile(`(?i)(\b(?:[a-z]+_)?pin[\\"'\s]{0,8}[:=：][\\"'\s]{0,8})\d{4,8}`)
	pemKey      = regexp.MustCompile(`(?s)-----BEGIN [A-Z0-9 ]*PRIVATE KEY-----.*?(?:-----END [A-Z0-9 ]*PRIVATE KEY-----|$)`)
)

// Mask returns at most limit bytes of a text from outside as it may be kept and
// shown: valid UTF-8 without NUL, with payment codes cut after six digits and keys
// and private keys replaced. Numbers that begin with one of the prefixes are order
// numbers and stay. Give it some 256 bytes more than the limit where there are, so
// that a code on the border is recognised.
func Mask(s string, prefixes []string, limit int) string { return masked(s, prefixes, limit) }

// authenCode is the length of a MAC in hex: authen_code is public and long,
// the payment code is never.
const authenCode = 64

// masked returns at most limit bytes of a text, valid UTF-8 without NUL, with
// payment codes cut after six digits and keys and private keys replaced.
// Numbers that begin with one of the prefixes are order numbers and stay.
func masked(s string, prefixes []string, limit int) string {
	if len(s) > limit+slack {
		s = s[:limit+slack]
	}
	s = strings.ReplaceAll(strings.ToValidUTF8(s, "\uFFFD"), "\x00", "")
	s = pemKey.ReplaceAllString(s, stars)
	s = namedSecret.ReplaceAllString(s, "${1}"+stars)
	s = namedPIN.ReplaceAllString(s, "${1}"+stars)
	s = namedCode.ReplaceAllStringFunc(s, func(m string) string {
		parts := namedCode.FindStringSubmatch(m)
		if len(parts[2]) == authenCode {
			return m
		}
		return parts[1] + parts[2][:shownDigits] + stars
	})
	s = maskCodes(s, prefixes)
	if len(s) <= limit {
		return s
	}
	s = s[:limit]
	for len(s) > 0 { // a character that the cut has split goes
		if r, n := utf8.DecodeLastRuneInString(s); r != utf8.RuneError || n != 1 {
			break
		}
		s = s[:len(s)-1]
	}
	return s
}

// maskCodes cuts every run of digits that may be a payment code.
func maskCodes(s string, prefixes []string) string {
	var b strings.Builder
	done := 0
	for i := 0; i < len(s); {
		if !digit(s[i]) {
			i++
			continue
		}
		end := i
		for end < len(s) && digit(s[end]) {
			end++
		}
		if mayPay(s[i:end]) && !begins(s[i:end], prefixes) {
			b.WriteString(s[done : i+shownDigits])
			b.WriteString(stars)
			done = end
		}
		i = end
	}
	if done == 0 {
		return s
	}
	b.WriteString(s[done:])
	return b.String()
}

func digit(c byte) bool { return '0' <= c && c <= '9' }

// mayPay reports digits that a wallet may take for a payment code: 16 to 24 of
// them behind a prefix of WeChat Pay (10–15), Alipay (25–30) or UnionPay (62).
// Lengths are taken more widely than upstreams.md §5 has them: wallets have
// changed them before.
func mayPay(run string) bool {
	if len(run) < 16 || len(run) > 24 {
		return false
	}
	p := run[:2]
	return "10" <= p && p <= "15" || "25" <= p && p <= "30" || p == "62"
}

func begins(s string, prefixes []string) bool {
	for _, p := range prefixes {
		if p != "" && strings.HasPrefix(s, p) {
			return true
		}
	}
	return false
}
