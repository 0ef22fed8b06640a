package cpay

import (
	"fmt"
	"strconv"
	"unicode/utf8"
)

// maxList bounds the elements of one list. An order can be refunded fifty times
// upstream, and nothing else in these messages is longer.
const maxList = 512

// texts is a list of strings, left out when empty.
func (c *walk) texts(name string, p *[]string, limit int) {
	switch c.mode {
	case reading:
		if !c.match(name) || c.r.null() || c.odd(name, '[') {
			return
		}
		*p = nil
		c.r.take('[')
		for first := true; c.r.more(first, ']'); first = false {
			v, _ := c.r.text()
			if *p = append(*p, v); len(*p) > maxList {
				c.fail(name, "has too many elements", ErrMalformed)
				return
			}
		}
		c.caught(name)
	case writing:
		if len(*p) == 0 || c.spared() {
			return
		}
		c.b = append(appendKey(c.b, name), '[')
		for i, v := range *p {
			if i > 0 {
				c.b = append(c.b, ',')
			}
			c.b = appendString(c.b, v)
		}
		c.b = append(c.b, ']')
	case checking:
		for i, v := range *p {
			if utf8.RuneCountInString(v) > limit {
				c.fail(fmt.Sprintf("%s[%d]", name, i), fmt.Sprintf("is longer than %d characters", limit), nil)
			}
		}
	case describing:
		if c.note(member{name: name, kind: kindText, limit: limit, many: true}) {
			*p = make([]string, 1)
		}
	}
}

// ints is a list of integers, left out when empty.
func (c *walk) ints(name string, p *[]int64) {
	switch c.mode {
	case reading:
		if !c.match(name) || c.r.null() || c.odd(name, '[') {
			return
		}
		*p = nil
		c.r.take('[')
		for first := true; c.r.more(first, ']'); first = false {
			v, _ := c.r.integer()
			if *p = append(*p, v); len(*p) > maxList {
				c.fail(name, "has too many elements", ErrMalformed)
				return
			}
		}
		c.caught(name)
	case writing:
		if len(*p) == 0 || c.spared() {
			return
		}
		c.b = append(appendKey(c.b, name), '[')
		for i, v := range *p {
			if i > 0 {
				c.b = append(c.b, ',')
			}
			c.b = strconv.AppendInt(c.b, v, 10)
		}
		c.b = append(c.b, ']')
	case checking:
	case describing:
		if c.note(member{name: name, kind: kindInt, many: true}) {
			*p = make([]int64, 1)
		}
	}
}

// list is a member that is a list of objects, left out when empty.
func list[T any, M interface {
	*T
	Message
}](c *walk, name string, p *[]T,
) {
	if c.mode == writing && (len(*p) == 0 || c.spared()) {
		return
	}
	if c.mode == describing {
		if c.note(member{name: name, kind: kindObject, of: M(new(T)), many: true}) {
			*p = make([]T, 1)
		}
		return
	}
	mustList[T, M](c, name, p)
}

// mustList is a list of objects that is written even when empty.
func mustList[T any, M interface {
	*T
	Message
}](c *walk, name string, p *[]T,
) {
	switch c.mode {
	case reading:
		if !c.match(name) || c.r.null() {
			return
		}
		if c.lax && c.r.peek() == '{' { // one element without its list
			*p = append((*p)[:0], *new(T))
			c.read(M(&(*p)[0]))
			return
		}
		if c.odd(name, '[') {
			return
		}
		*p = (*p)[:0]
		c.r.take('[')
		for first := true; c.r.more(first, ']') && c.bad == nil; first = false {
			if c.passed(len(*p)) {
				continue
			}
			if len(*p) == maxList && !c.lax {
				c.fail(name, "has too many elements", ErrMalformed)
				return
			}
			*p = append(*p, *new(T))
			if c.read(M(&(*p)[len(*p)-1])); c.bad != nil {
				c.within(fmt.Sprintf("%s[%d]", name, len(*p)-1), nil)
			}
		}
		c.caught(name)
	case writing:
		c.b = append(appendKey(c.b, name), '[')
		for i := min(len(*p), max(0, c.shed-shedOptional)); i < len(*p); i++ {
			if c.b[len(c.b)-1] != '[' {
				c.b = append(c.b, ',')
			}
			c.write(M(&(*p)[i]))
		}
		c.b = append(c.b, ']')
	case checking:
		for i := range *p {
			c.inside(fmt.Sprintf("%s[%d]", name, i), M(&(*p)[i]))
		}
	case describing:
		if c.note(member{name: name, kind: kindObject, of: M(new(T)), many: true, must: true}) {
			*p = make([]T, 1)
		}
	}
}
