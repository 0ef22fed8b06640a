package cpay

import (
	"fmt"
	"strconv"
	"strings"
	"unicode/utf8"
)

// Message is one JSON object of the protocol: a request, the named object of a
// response, or one of the structures inside them. Only this package defines
// messages.
type Message interface {
	// fields names every member once, in the protocol's order. Reading, writing
	// and checking all follow it, so they cannot drift apart.
	fields(c *walk)
}

// FieldError says which member of a message is wrong, by its path on the wire,
// such as pay_content.total_fee. It never repeats the value.
type FieldError struct {
	Field  string
	Reason string
	// Err is ErrMalformed if the member could not be read at all, and nil if it
	// was read and breaks a rule of Validate.
	Err error
}

// Error returns the path and the reason.
func (e *FieldError) Error() string { return "cpay: " + e.Field + " " + e.Reason }

// Unwrap returns Err.
func (e *FieldError) Unwrap() error { return e.Err }

// Description is the text for the wire, in the words of the original service
// (protocol.md §1.5: 参数authen_code错误.).
func (e *FieldError) Description() string {
	return "参数" + e.Field[strings.LastIndexByte(e.Field, '.')+1:] + "错误."
}

type mode uint8

const (
	reading mode = iota
	writing
	checking
	describing
)

// memberSet is a set of the members of one message, by their index. The longest
// message, an order in a list, has about eighty.
type memberSet [2]uint64

func (s *memberSet) has(i uint) bool { return s[i>>6&1]&(1<<(i&63)) != 0 }
func (s *memberSet) add(i uint)      { s[i>>6&1] |= 1 << (i & 63) }
func (s *memberSet) drop(i uint)     { s[i>>6&1] &^= 1 << (i & 63) }

// Levels of members that a response may lose to stay within the buffer of a C
// client (protocol.md R21): long texts first, then everything that R23 does not
// name. From shedLists on, the oldest elements of a list go too, one per level.
const (
	shedTexts = 1 + iota
	shedOptional
	shedLists
)

// walk is one pass over a message: reading it from JSON, writing it as JSON,
// checking the lengths of its members, or describing them.
type walk struct {
	mode mode
	bad  *FieldError // the first wrong member

	// Reading. The rest of this block describes the one member that was just
	// met in the object being read.
	r       reader
	name    string
	index   uint      // of the member that fields names next
	seen    memberSet // members already read
	weak    memberSet // those of them read under another spelling
	hit     bool      // the member has been recognised
	respelt bool      // the member came under another spelling
	lax     bool      // nothing in this object is refused for its kind, see lenient

	// Writing.
	b     []byte
	nonce string // for messages that bring none of their own
	shed  int    // what to leave out, see shedTexts
	level int    // at which the members named now are left out; 0 is never

	// Describing.
	told []member
	mark int // which of them to set to something that is not zero
}

// fail keeps the first wrong member.
func (c *walk) fail(name, reason string, err error) {
	if c.bad == nil {
		c.bad = &FieldError{Field: name, Reason: reason, Err: err}
	}
}

// caught turns a mistake of the reader into one of the member.
func (c *walk) caught(name string) {
	if c.r.err != nil {
		c.fail(name, strings.TrimPrefix(c.r.err.Error(), "cpay: "), ErrMalformed)
	}
}

// failed reports whether the pass is over.
func (c *walk) failed() bool { return c.bad != nil || c.r.err != nil }

// within prefixes the path of a mistake found inside the member name.
func (c *walk) within(name string, before *FieldError) {
	if c.bad != nil && before == nil {
		c.bad.Field = name + "." + c.bad.Field
	}
}

// match reports whether the member being read is the one called name. A member
// given twice is refused: which of two amounts was meant cannot be known.
func (c *walk) match(name string) bool {
	i := c.index
	c.index++
	if c.hit || c.name != name {
		return false
	}
	c.hit = true
	switch {
	case !c.seen.has(i):
		c.seen.add(i)
		if c.respelt {
			c.weak.add(i)
		}
	case c.respelt: // the proper spelling was there before and wins
		c.r.skip()
		return false
	case c.weak.has(i): // the proper spelling comes later and wins
		c.weak.drop(i)
	case c.lax:
		c.r.skip()
		return false
	default:
		c.fail(name, "is given twice", ErrMalformed)
		return false
	}
	return true
}

// respell makes a member spelled the first way arrive as the second
// (protocol.md §7, R13, R15).
func (c *walk) respell(from, to string) {
	if c.mode == reading && !c.hit && c.name == from {
		c.name, c.respelt = to, true
	}
	if c.mode == describing {
		c.note(member{name: to, spelling: from})
	}
}

// only takes the member called name for an unknown one unless its value begins
// with one of the bytes of begins.
func (c *walk) only(name, begins string) {
	if c.mode == reading && !c.hit && c.name == name && strings.IndexByte(begins, c.r.peek()) < 0 {
		c.name = ""
	}
}

// spare marks the members named next as ones a crowded response may lose.
func (c *walk) spare(level int) { c.level = level }

// spared reports whether the member named now is left out.
func (c *walk) spared() bool { return c.level > 0 && c.shed >= c.level }

// text is a string member of at most limit characters, left out when empty.
func (c *walk) text(name string, p *string, limit int) {
	if c.mode == writing && (*p == "" || c.spared()) {
		return
	}
	if c.mode == describing {
		if c.note(member{name: name, kind: kindText, limit: limit}) {
			*p = "x"
		}
		return
	}
	c.mustText(name, p, limit)
}

// mustText is a string member that is written even when empty.
func (c *walk) mustText(name string, p *string, limit int) {
	switch c.mode {
	case reading:
		if !c.match(name) {
			return
		}
		if c.lax {
			*p = c.laxText()
			return
		}
		v, ok := c.r.text()
		c.caught(name)
		if ok {
			*p = v
		}
		if strings.IndexByte(v, 0) >= 0 {
			c.fail(name, "contains a NUL character", ErrMalformed)
		}
	case writing:
		c.b = appendString(appendKey(c.b, name), *p)
	case checking:
		if len(*p) > limit && utf8.RuneCountInString(*p) > limit {
			c.fail(name, fmt.Sprintf("is longer than %d characters", limit), nil)
		}
	case describing:
		if c.note(member{name: name, kind: kindText, must: true, limit: limit}) {
			*p = "x"
		}
	}
}

// loose is a text member that some clients send as the JSON it should quote.
func (c *walk) loose(name string, p *string, limit int) {
	if c.mode != reading {
		c.text(name, p, limit)
		return
	}
	if c.hit || c.name != name {
		c.index++
		return
	}
	if b := c.r.peek(); b != '{' && b != '[' {
		c.text(name, p, limit)
		return
	}
	if c.match(name) {
		start := c.r.i
		c.r.skip()
		c.caught(name)
		*p = c.r.s[start:c.r.i]
	}
}

// freshNonce is the nonce_str of a message, made up when the message has none.
func (c *walk) freshNonce(p *string) {
	if c.mode == writing && *p == "" {
		p = &c.nonce
	}
	c.mustText("nonce_str", p, limitNonce)
}

// int is an integer member, left out when zero.
func (c *walk) int(name string, p *int64) {
	if c.mode == writing && (*p == 0 || c.spared()) {
		return
	}
	if c.mode == describing {
		if c.note(member{name: name, kind: kindInt}) {
			*p = 1
		}
		return
	}
	c.mustInt(name, p)
}

// mustInt is an integer member that is written even when zero.
func (c *walk) mustInt(name string, p *int64) {
	switch c.mode {
	case reading:
		if !c.match(name) {
			return
		}
		start, depth := c.r.i, c.r.depth
		v, ok := c.r.integer()
		c.excuse(start, depth)
		c.caught(name)
		if ok {
			*p = v
		}
	case writing:
		c.b = strconv.AppendInt(appendKey(c.b, name), *p, 10)
	case checking:
	case describing:
		if c.note(member{name: name, kind: kindInt, must: true}) {
			*p = 1
		}
	}
}

// bool is a boolean member, left out when false.
func (c *walk) bool(name string, p *bool) {
	if c.mode == writing && (!*p || c.spared()) {
		return
	}
	if c.mode == describing {
		if c.note(member{name: name, kind: kindBool}) {
			*p = true
		}
		return
	}
	c.mustBool(name, p)
}

// mustBool is a boolean member that is written even when false.
func (c *walk) mustBool(name string, p *bool) {
	switch c.mode {
	case reading:
		if !c.match(name) {
			return
		}
		start, depth := c.r.i, c.r.depth
		v, ok := c.r.boolean()
		c.excuse(start, depth)
		c.caught(name)
		if ok {
			*p = v
		}
	case writing:
		c.b = strconv.AppendBool(appendKey(c.b, name), *p)
	case checking:
	case describing:
		if c.note(member{name: name, kind: kindBool, must: true}) {
			*p = true
		}
	}
}

// object is a member that is an object and is always written.
func (c *walk) object(name string, m Message) {
	if c.mode == reading && (!c.match(name) || c.r.null() || c.odd(name, '{')) {
		return
	}
	if c.mode == describing {
		c.note(member{name: name, kind: kindObject, must: true, of: m})
		return
	}
	c.inside(name, m)
}

// optional is a member that is an object and may be absent.
func optional[T any, M interface {
	*T
	Message
}](c *walk, name string, p **T,
) {
	switch c.mode {
	case reading:
		if !c.match(name) || c.r.null() || c.odd(name, '{') {
			return
		}
		if *p == nil {
			*p = new(T)
		}
		c.inside(name, M(*p))
	case writing:
		if *p != nil && !c.spared() {
			c.inside(name, M(*p))
		}
	case checking:
		if *p != nil {
			c.inside(name, M(*p))
		}
	case describing:
		if c.note(member{name: name, kind: kindObject, of: M(new(T))}) {
			*p = new(T)
		}
	}
}

// inside passes over the object that is the member name.
func (c *walk) inside(name string, m Message) {
	before := c.bad
	switch c.mode {
	case reading:
		c.read(m)
	case writing:
		c.b = appendKey(c.b, name)
		c.write(m)
	case checking:
		m.fields(c)
	case describing:
	}
	c.within(name, before)
}

// write writes m as an object.
func (c *walk) write(m Message) {
	level := c.level
	c.level = 0
	c.b = append(c.b, '{')
	m.fields(c)
	c.b = append(c.b, '}')
	c.level = level
}

// read reads an object into m. Members that m does not name are skipped (R12).
func (c *walk) read(m Message) {
	seen, weak, index, lax := c.seen, c.weak, c.index, c.lax
	c.seen, c.weak, c.lax = memberSet{}, memberSet{}, false
	c.r.take('{')
	c.r.enter()
	for first := true; c.r.more(first, '}'); first = false {
		c.name = c.r.str()
		c.r.take(':')
		if c.r.err != nil {
			break
		}
		c.index, c.hit, c.respelt = 0, false, false
		m.fields(c)
		if !c.hit {
			c.r.skip()
		}
		c.hit = true // what follows belongs to the next member
		if c.failed() {
			break
		}
	}
	c.r.leave()
	c.seen, c.weak, c.index, c.hit, c.lax = seen, weak, index, true, lax
}

// Encode returns m as the protocol writes it: compact, pure ASCII, numbers as
// plain integers, members in the protocol's order (protocol.md §1.6, §1.12). A
// message without a nonce_str gets a fresh one. Fields of several alternatives,
// such as the ext of each wallet, are written for the first one that is set.
func Encode(m Message) []byte { return encode(m, newNonce(), 0) }

// encodedSize is room for a usual response, so that writing one grows no buffer.
const encodedSize = 2048

// encode is Encode with a given nonce and with members left out.
func encode(m Message, nonce string, shed int) []byte {
	c := walk{mode: writing, nonce: nonce, shed: shed, b: make([]byte, 0, encodedSize)}
	c.write(m)
	return c.b
}

// Decode reads one JSON object into m, leniently as protocol.md §1.1.1, §7 and
// §8.1 ask: numbers in any spelling, ids written as numbers, other spellings of
// members, unknown members. A member given twice, an element of the wrong kind, a
// NUL character and anything that is not JSON are refused all the same, with an
// error that wraps ErrMalformed, mostly a *FieldError. Half surrogates and bytes
// that are not UTF-8 become U+FFFD.
//
// Members that are absent or null leave m as it was, and an empty string empties
// a text: a message that is filled with stored values before it is decoded keeps
// what was not sent and loses what was cleared (protocol.md §1.1).
//
// The strings in m share memory with one copy of content.
func Decode(content []byte, m Message) error { return decode(string(content), m) }

// decode is Decode without the copy.
func decode(content string, m Message) error {
	c := walk{mode: reading, r: reader{s: content}}
	c.read(m)
	if !c.failed() {
		c.r.end()
	}
	if c.bad != nil {
		return c.bad
	}
	return c.r.err
}

// check reports the first member of m that is longer than the protocol allows.
func check(m Message) *FieldError {
	c := walk{mode: checking}
	m.fields(&c)
	return c.bad
}
