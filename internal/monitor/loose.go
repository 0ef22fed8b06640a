package monitor

import (
	"bytes"
	"encoding/json"
	"math"
	"strconv"
	"strings"
)

// loose is a JSON value of any type, read as whatever is wanted of it. The
// clients in the field send numbers as texts, texts as lists and lists as one
// object (protocol.md §1.1.1, §2.7).
type loose []byte

// UnmarshalJSON keeps a copy of the value.
func (l *loose) UnmarshalJSON(b []byte) error {
	*l = bytes.Clone(b)
	return nil
}

func (l loose) empty() bool { return len(l) == 0 || string(l) == "null" }

// text reads a value as text: a string as it is, a list line by line, anything
// else as its JSON.
func (l loose) text() string {
	if l.empty() {
		return ""
	}
	switch l[0] {
	case '"':
		var s string
		if json.Unmarshal(l, &s) == nil {
			return s
		}
	case '[':
		var lines []loose
		if json.Unmarshal(l, &lines) == nil {
			texts := make([]string, len(lines))
			for i, line := range lines {
				texts[i] = line.text()
			}
			return strings.Join(texts, "\n")
		}
	}
	return string(l)
}

// number reads a value as a whole number; ok is false when it is none. A
// fraction is cut off.
func (l loose) number() (n int64, ok bool) {
	s := strings.TrimSpace(l.text())
	if n, err := strconv.ParseInt(s, 10, 64); err == nil {
		return n, true
	}
	const exact = 1 << 53 // beyond it a float no longer holds every whole number
	f, err := strconv.ParseFloat(s, 64)
	if err != nil || math.Abs(f) > exact || f != f {
		return 0, false
	}
	return int64(f), true
}

// whole is number, 0 when it is none.
func (l loose) whole() int64 {
	n, _ := l.number()
	return n
}

// flag reads a value as yes or no.
func (l loose) flag() bool {
	s := strings.ToLower(strings.TrimSpace(l.text()))
	return s == "true" || s == "1" || s == "1.0"
}

// elements calls f for each element of a list, or once for a single object,
// until f says that it is enough. A list that breaks off gives what came
// before. ok is false when the value is neither.
func (l loose) elements(f func(loose) bool) (ok bool) {
	l = loose(bytes.TrimSpace(l))
	if l.empty() {
		return false
	}
	if l[0] == '"' { // a list in a string
		return loose(l.text()).elements(f)
	}
	if l[0] == '{' {
		f(l)
		return true
	}
	dec := json.NewDecoder(bytes.NewReader(l))
	if t, err := dec.Token(); err != nil || t != json.Delim('[') {
		return false
	}
	for dec.More() {
		var e loose
		if dec.Decode(&e) != nil || !f(e) {
			break
		}
	}
	return true
}

// into reads an object into a struct of loose members; what is no object
// leaves it empty.
func (l loose) into(v any) bool {
	l = loose(bytes.TrimSpace(l))
	if len(l) > 0 && l[0] == '"' {
		l = loose(bytes.TrimSpace([]byte(l.text())))
	}
	return len(l) > 0 && l[0] == '{' && json.Unmarshal(l, v) == nil
}
