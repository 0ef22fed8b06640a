package cpay

import (
	"fmt"
	"strconv"
	"strings"
)

// Has reports whether the verified content has the member at path and it is not
// null: pay_content.time_expire, shop_infos[2].phone. Decode leaves what is
// absent as it was and cannot tell 0 or "" from absence; Has can. The names are
// those that were sent, in whatever spelling.
func (e *Envelope) Has(path string) bool {
	value, err := e.find(path)
	return err == nil && value != "" && value != "null"
}

// DecodeAt reads the object at path into m as Decode reads the content. A server
// fills m with what it has stored before: then absent members keep their values
// and empty ones lose them, in each element of a list by itself (protocol.md
// §1.1). It fails with ErrMalformed if there is no such object.
func (e *Envelope) DecodeAt(path string, m Message) error {
	value, err := e.find(path)
	if err != nil {
		return err
	}
	return decode(value, m)
}

// find returns the JSON text at path, or "" if there is none.
func (e *Envelope) find(path string) (string, error) {
	if !e.verified {
		return "", fmt.Errorf("%w: decoded before it was verified", ErrNotAuthentic)
	}
	r := reader{s: e.text}
	for part := range strings.SplitSeq(path, ".") {
		name, index, isElement := strings.Cut(part, "[")
		if r.peek() != '{' || !r.member(name) {
			return "", r.err
		}
		if !isElement {
			continue
		}
		n, err := strconv.Atoi(strings.TrimSuffix(index, "]"))
		if err != nil || n < 0 {
			return "", fmt.Errorf("cpay: find: %q is not an index", index)
		}
		if r.peek() != '[' || !r.element(n) {
			return "", r.err
		}
	}
	r.peek()
	start := r.i
	r.skip()
	return r.s[start:r.i], r.err
}

// member moves to the value of the first member called name of an object.
func (r *reader) member(name string) bool {
	r.take('{')
	for first := true; r.more(first, '}'); first = false {
		got := r.str()
		r.take(':')
		if got == name {
			return r.err == nil
		}
		r.skip()
	}
	return false
}

// element moves to the n-th element of a list.
func (r *reader) element(n int) bool {
	r.take('[')
	for first := true; r.more(first, ']'); first = false {
		if n == 0 {
			return r.err == nil
		}
		n--
		r.skip()
	}
	return false
}
