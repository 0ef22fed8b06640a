package cpay

import (
	"errors"
	"fmt"
	"strings"
	"unicode/utf16"
	"unicode/utf8"
)

// maxDepth bounds nesting. The deepest message of the protocol has six levels.
const maxDepth = 32

// ErrMalformed is wrapped by every error about a document that is not JSON, or
// not the JSON that its place demands. A server answers it with 101.
var ErrMalformed = errors.New("cpay: malformed document")

// reader reads one JSON text. It is strict about the grammar of RFC 8259 and
// keeps substrings of the text instead of copies wherever a string has no
// escapes. The first mistake is kept in err and makes every later call a no-op.
// No error repeats any part of the text, which may hold payment codes.
type reader struct {
	s     string
	i     int
	depth int
	err   error
	// exact keeps the bytes of strings as they were sent: what is not UTF-8
	// stays, and a lone surrogate, which stands for no bytes at all, is refused.
	// The MAC needs it. Otherwise both become U+FFFD, as in encoding/json.
	exact bool
}

// fail keeps the first mistake. The reason must not quote the text.
func (r *reader) fail(why string) {
	if r.err == nil {
		r.err = fmt.Errorf("%w: %s at byte %d", ErrMalformed, why, r.i)
	}
}

// peek skips white space and returns the next byte, or 0 at the end.
func (r *reader) peek() byte {
	if r.err != nil {
		return 0
	}
	for r.i < len(r.s) {
		switch b := r.s[r.i]; b {
		case ' ', '\t', '\n', '\r':
			r.i++
		default:
			return b
		}
	}
	return 0
}

// take consumes b, which must come next.
func (r *reader) take(b byte) {
	if r.peek() != b || r.err != nil {
		r.fail("expected " + string(rune(b)))
		return
	}
	r.i++
}

// end demands that nothing but white space is left.
func (r *reader) end() {
	if r.peek(); r.err == nil && r.i < len(r.s) {
		r.fail("unexpected text after the document")
	}
}

// enter counts one level of nesting, so that no document can exhaust the stack.
func (r *reader) enter() {
	if r.depth++; r.depth > maxDepth {
		r.fail("nested too deeply")
	}
}

// leave is the end of a level.
func (r *reader) leave() { r.depth-- }

// more is called between the elements of an object or a list that ends with
// closing. It consumes the comma or the end, and reports whether another element
// follows.
func (r *reader) more(first bool, closing byte) bool {
	b := r.peek()
	switch {
	case r.err != nil:
		return false
	case b == closing:
		r.i++
		return false
	case first:
		return true
	case b == ',':
		r.i++
		if r.peek() == closing {
			r.fail("comma before the end")
		}
		return r.err == nil
	}
	r.fail("expected a comma")
	return false
}

// str reads a string with its quotes.
func (r *reader) str() string {
	r.take('"')
	if r.err != nil {
		return ""
	}
	start, escaped, high := r.i, false, false
	for r.i < len(r.s) {
		b := r.s[r.i]
		switch {
		case b == '"':
			raw := r.s[start:r.i]
			r.i++
			if escaped {
				raw = r.unescape(raw)
			}
			if high && !r.exact {
				raw = strings.ToValidUTF8(raw, "\uFFFD")
			}
			return raw
		case b == '\\':
			escaped = true
			r.i++ // whatever follows is not the end
		case b < ' ':
			r.fail("control character in a string")
			return ""
		case b >= utf8.RuneSelf:
			high = true
		}
		r.i++
	}
	r.i = min(r.i, len(r.s))
	r.fail("string without an end")
	return ""
}

// unescape decodes the escapes of raw, which is what stands between the quotes.
func (r *reader) unescape(raw string) string {
	var b strings.Builder
	b.Grow(len(raw))
	for {
		i := strings.IndexByte(raw, '\\')
		if i < 0 || i+1 >= len(raw) {
			b.WriteString(raw)
			return b.String()
		}
		b.WriteString(raw[:i])
		c := raw[i+1]
		raw = raw[i+2:]
		switch c {
		case '"', '\\', '/':
			b.WriteByte(c)
		case 'b':
			b.WriteByte('\b')
		case 'f':
			b.WriteByte('\f')
		case 'n':
			b.WriteByte('\n')
		case 'r':
			b.WriteByte('\r')
		case 't':
			b.WriteByte('\t')
		case 'u':
			raw = r.unescapeRune(&b, raw)
		default:
			r.fail("unknown escape")
		}
		if r.err != nil {
			return ""
		}
	}
}

// unescapeRune decodes what follows a \u, together with the second half of a
// surrogate pair, and returns the rest.
func (r *reader) unescapeRune(b *strings.Builder, raw string) string {
	c, ok := hex4(raw)
	if !ok {
		r.fail("escape without four hexadecimal digits")
		return ""
	}
	raw = raw[4:]
	if utf16.IsSurrogate(c) {
		low, paired := rune(0), false
		if strings.HasPrefix(raw, `\u`) {
			low, paired = hex4(raw[2:])
		}
		pair := utf16.DecodeRune(c, low)
		switch {
		case paired && pair != utf8.RuneError:
			c, raw = pair, raw[6:]
		case r.exact:
			r.fail("half of a surrogate pair")
			return ""
		default:
			c = utf8.RuneError
		}
	}
	b.WriteRune(c)
	return raw
}

// hex4 reads the four digits of an escape.
func hex4(s string) (rune, bool) {
	if len(s) < 4 {
		return 0, false
	}
	var v rune
	for i := range 4 {
		b := s[i]
		switch {
		case '0' <= b && b <= '9':
			b -= '0'
		case 'a' <= b && b <= 'f':
			b -= 'a' - 10
		case 'A' <= b && b <= 'F':
			b -= 'A' - 10
		default:
			return 0, false
		}
		v = v<<4 | rune(b)
	}
	return v, true
}

// literal returns the bytes of a number, true, false or null without judging
// them.
func (r *reader) literal() string {
	r.peek()
	start := r.i
	for r.i < len(r.s) {
		b := r.s[r.i]
		if ('0' <= b && b <= '9') || ('a' <= b && b <= 'z') || b == '.' || b == '-' || b == '+' || b == 'E' {
			r.i++
			continue
		}
		break
	}
	return r.s[start:r.i]
}

// null consumes a null and reports whether it was one.
func (r *reader) null() bool {
	if r.peek() != 'n' || !strings.HasPrefix(r.s[r.i:], "null") {
		return false
	}
	r.i += len("null")
	return true
}

// integer reads an integer by the rules of Int; ok is false if it is absent.
func (r *reader) integer() (v int64, ok bool) {
	var lit string
	switch r.peek() {
	case '"':
		if lit = r.str(); lit == "" {
			return 0, false
		}
	case 'n':
		if r.null() {
			return 0, false
		}
	default:
		lit = r.literal()
	}
	if r.err != nil {
		return 0, false
	}
	v, err := parseInt(lit)
	if err != nil {
		r.err = err
		return 0, false
	}
	return v, true
}

// text reads a string by the rules of Text; ok is false if it is absent.
func (r *reader) text() (v string, ok bool) {
	switch r.peek() {
	case '"':
		v = r.str()
		return v, r.err == nil
	case 'n':
		if r.null() {
			return "", false
		}
	}
	lit := r.literal()
	if r.err != nil {
		return "", false
	}
	n, ok := parseNumber(lit)
	if !ok {
		r.err = errNotText
		return "", false
	}
	if n.fraction == "" && !n.scientific {
		return lit, true // plain digits are kept however many there are
	}
	v, err := n.id()
	if err != nil {
		r.err = err
		return "", false
	}
	return v, true
}

// boolean reads true or false, also written as 1 or 0 or as a string.
func (r *reader) boolean() (v, ok bool) {
	var lit string
	switch r.peek() {
	case '"':
		if lit = r.str(); lit == "" {
			return false, false
		}
	case 'n':
		if r.null() {
			return false, false
		}
	default:
		lit = r.literal()
	}
	switch {
	case r.err != nil:
		return false, false
	case lit == "true":
		return true, true
	case lit == "false":
		return false, true
	}
	n, err := parseInt(lit)
	if err != nil || n < 0 || n > 1 {
		r.err = errors.New("is neither true nor false")
		return false, false
	}
	return n == 1, true
}

// skipString passes over a string without decoding it.
func (r *reader) skipString() {
	r.take('"')
	for r.err == nil && r.i < len(r.s) {
		b := r.s[r.i]
		r.i++
		switch {
		case b == '"':
			return
		case b < ' ':
			r.fail("control character in a string")
		case b == '\\' && r.i < len(r.s):
			b = r.s[r.i]
			r.i++
			if b == 'u' {
				if _, ok := hex4(r.s[r.i:]); !ok {
					r.fail("escape without four hexadecimal digits")
				}
			} else if strings.IndexByte(`"\/bfnrt`, b) < 0 {
				r.fail("unknown escape")
			}
		}
	}
	r.fail("string without an end")
}

// skip passes over one value of any kind, which must be JSON all the same.
func (r *reader) skip() {
	switch r.peek() {
	case '{':
		r.i++
		r.enter()
		for first := true; r.more(first, '}'); first = false {
			r.skipString()
			r.take(':')
			r.skip()
		}
		r.leave()
	case '[':
		r.i++
		r.enter()
		for first := true; r.more(first, ']'); first = false {
			r.skip()
		}
		r.leave()
	case '"':
		r.skipString()
	default:
		lit := r.literal()
		if lit == "true" || lit == "false" || lit == "null" {
			return
		}
		if _, ok := parseNumber(lit); !ok {
			r.fail("expected a value")
		}
	}
}
