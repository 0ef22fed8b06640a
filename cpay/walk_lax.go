package cpay

import (
	"strconv"
	"strings"
)

// lenient makes the object being read one of which nothing is refused: what
// devices report about themselves must never fail for its content (protocol.md
// R06). A member of another kind keeps its value; where a text belongs the JSON
// stands for it; the first of two wins; a NUL is dropped. What is not JSON is
// refused all the same.
func (c *walk) lenient() { c.lax = c.mode == reading }

// maxUploads bounds the elements of a lenient list, of which the rest is passed
// over instead of refused: a megabyte holds no more calls than this.
const maxUploads = 8192

// excuse takes back the mistake of reading one value of a lenient object that
// began at start.
func (c *walk) excuse(start, depth int) {
	if c.lax && c.r.err != nil {
		c.r.err, c.r.i, c.r.depth = nil, start, depth
		c.r.skip()
	}
}

// odd reports whether the value does not begin as it should: it is passed over in
// a lenient object, and refused elsewhere.
func (c *walk) odd(name string, begin byte) bool {
	if c.r.peek() == begin {
		return false
	}
	switch {
	case c.lax:
		c.r.skip()
	case begin == '{':
		c.fail(name, "is not an object", ErrMalformed)
	default:
		c.fail(name, "is not a list", ErrMalformed)
	}
	return true
}

// passed skips an element of a lenient list that is not an object, or that comes
// after maxUploads others.
func (c *walk) passed(have int) bool {
	if !c.lax || have < maxUploads && c.r.peek() == '{' {
		return false
	}
	c.r.skip()
	return true
}

// laxText reads whatever stands where a text belongs.
func (c *walk) laxText() string {
	c.r.peek()
	start, depth := c.r.i, c.r.depth
	v, ok := c.r.text()
	if !ok && c.r.err != nil {
		c.excuse(start, depth)
		v = c.r.s[start:c.r.i]
	}
	if strings.IndexByte(v, 0) >= 0 {
		v = strings.ReplaceAll(v, "\x00", "")
	}
	return v
}

// interfaceNumber is a member that names an interface by number or by method.
func (c *walk) interfaceNumber(name string, p *Interface) {
	switch c.mode {
	case reading:
		if !c.match(name) {
			return
		}
		c.r.peek()
		start := c.r.i
		c.r.skip()
		if c.caught(name); c.r.err == nil {
			_ = p.UnmarshalJSON([]byte(c.r.s[start:c.r.i])) // refuses nothing that is JSON
		}
	case writing:
		c.b = strconv.AppendInt(appendKey(c.b, name), int64(*p), 10)
	case checking:
	case describing:
		if c.note(member{name: name, kind: kindInt, must: true}) {
			*p = 1
		}
	}
}
