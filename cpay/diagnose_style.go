package cpay

import (
	"fmt"
	"slices"
	"strings"
	"unicode/utf16"
	"unicode/utf8"
)

// restyle is the same JSON value in another hand.
type restyle struct{ style, text string }

// style is how a serialiser writes.
type style struct {
	sorted  bool // members in alphabetical order
	unicode byte // 0 as it is, 'x' \u00e9, 'X' \u00E9
	slash   bool // \/
	html    bool // \u003c
	spaces  bool // after commas and colons
	newline bool // at the end
}

// String names what the style does.
func (s style) String() string {
	var list []string
	for _, v := range []struct {
		is   bool
		name string
	}{
		{s.sorted, "members sorted"},
		{s.unicode == 'x', `other characters as \u with lower-case digits`},
		{s.unicode == 'X', `other characters as \u with upper-case digits`},
		{s.unicode == 0, "other characters as they are"},
		{s.slash, `/ as \/`},
		{!s.slash, `/ as it is`},
		{s.html, `< > & as \u`},
		{s.spaces, "spaces after commas and colons"},
		{s.newline, "a newline at the end"},
	} {
		if v.is {
			list = append(list, v.name)
		}
	}
	return strings.Join(list, ", ")
}

// maxRestyled bounds the documents that are written in all styles.
const maxRestyled = 16 << 10

// restyled writes the document in every style that serialisers are known to have
// (protocol.md §1.2). It returns nothing for what is not JSON.
func restyled(content string) []restyle {
	r := reader{s: content}
	if len(content) > maxRestyled || r.peek() != '{' {
		return nil
	}
	root := r.node()
	if r.end(); r.err != nil {
		return nil
	}
	var list []restyle
	for bits := range 1 << 5 {
		for _, u := range []byte{0, 'x', 'X'} {
			s := style{bits&1 != 0, u, bits&2 != 0, bits&4 != 0, bits&8 != 0, bits&16 != 0}
			b := s.write(nil, &root)
			if s.newline {
				b = append(b, '\n')
			}
			list = append(list, restyle{s.String(), string(b)})
		}
	}
	return list
}

// node is any JSON value.
type node struct {
	kind  byte // { [ " or 0
	text  string
	names []string
	kids  []node
}

// node reads a value of any kind.
func (r *reader) node() node {
	n := node{kind: r.peek()}
	switch n.kind {
	case '{':
		r.i++
		r.enter()
		for first := true; r.more(first, '}'); first = false {
			n.names = append(n.names, r.str())
			r.take(':')
			n.kids = append(n.kids, r.node())
		}
		r.leave()
	case '[':
		r.i++
		r.enter()
		for first := true; r.more(first, ']'); first = false {
			n.kids = append(n.kids, r.node())
		}
		r.leave()
	case '"':
		n.text = r.str()
	default:
		n.kind = 0
		start := r.i
		r.skip()
		n.text = r.s[start:r.i]
	}
	return n
}

func (s style) write(b []byte, n *node) []byte {
	comma, colon := ",", ":"
	if s.spaces {
		comma, colon = ", ", ": "
	}
	switch n.kind {
	case '{':
		order := make([]int, len(n.names))
		for i := range order {
			order[i] = i
		}
		if s.sorted {
			slices.SortStableFunc(order, func(a, b int) int { return strings.Compare(n.names[a], n.names[b]) })
		}
		b = append(b, '{')
		for i, k := range order {
			if i > 0 {
				b = append(b, comma...)
			}
			b = append(s.quote(b, n.names[k]), colon...)
			b = s.write(b, &n.kids[k])
		}
		return append(b, '}')
	case '[':
		b = append(b, '[')
		for i := range n.kids {
			if i > 0 {
				b = append(b, comma...)
			}
			b = s.write(b, &n.kids[i])
		}
		return append(b, ']')
	case '"':
		return s.quote(b, n.text)
	}
	return append(b, n.text...)
}

// quote writes a string.
func (s style) quote(b []byte, text string) []byte {
	b = append(b, '"')
	for _, r := range text {
		switch {
		case r == '/' && !s.slash:
			b = append(b, '/')
		case strings.ContainsRune("<>&", r) && s.html:
			b = fmt.Appendf(b, `\u%04x`, r)
		case r >= utf8.RuneSelf && s.unicode == 0:
			b = utf8.AppendRune(b, r)
		case r >= utf8.RuneSelf:
			for _, unit := range utf16.Encode([]rune{r}) {
				if s.unicode == 'x' {
					b = fmt.Appendf(b, `\u%04x`, unit)
				} else {
					b = fmt.Appendf(b, `\u%04X`, unit)
				}
			}
		case r < ' ' || r == '"' || r == '\\' || r == '/':
			b = appendControl(b, string(r)[0])
		default:
			b = utf8.AppendRune(b, r)
		}
	}
	return append(b, '"')
}
