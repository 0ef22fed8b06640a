package docs

import (
	"bytes"
	"encoding/json"
	"slices"
	"strings"
)

// member is one member of a sample, in order.
type member struct {
	Name  string
	Value any
}

// object is a sample of an object.
type object []member

// MarshalJSON writes the members in order.
func (o object) MarshalJSON() ([]byte, error) {
	var b bytes.Buffer
	b.WriteByte('{')
	for i, m := range o {
		if i > 0 {
			b.WriteByte(',')
		}
		name, err1 := json.Marshal(m.Name)
		value, err2 := marshal(m.Value)
		if err1 != nil || err2 != nil {
			return nil, err2
		}
		b.Write(name)
		b.WriteByte(':')
		b.Write(value)
	}
	b.WriteByte('}')
	return b.Bytes(), nil
}

// marshal writes JSON that a person reads: < and & stay.
func marshal(v any) ([]byte, error) {
	var b bytes.Buffer
	enc := json.NewEncoder(&b)
	enc.SetEscapeHTML(false)
	if err := enc.Encode(v); err != nil {
		return nil, err
	}
	return bytes.TrimRight(b.Bytes(), "\n"), nil
}

// maxSampleDepth keeps examples short: what lies deeper is in the table.
const maxSampleDepth = 4

// sample makes an example of a schema: its own examples where it has them, the
// page's values where it has those, required members always, and others only
// if something is known of them.
func (d *document) sample(s *schema, name string, depth int) any {
	s, _, err := d.flat(s)
	if err != nil || s == nil {
		return nil
	}
	for _, given := range append([]json.RawMessage{s.Example, s.Const, s.Default}, append(s.Examples, s.Enum...)...) {
		if len(given) > 0 {
			return given
		}
	}
	if given, ok := d.Values[name]; ok && s.Items == nil && len(s.Properties) == 0 {
		return json.RawMessage(given)
	}
	if s.Items != nil {
		if depth >= maxSampleDepth {
			return []any{}
		}
		return []any{d.sample(s.Items, name, depth+1)}
	}
	if len(s.Properties) > 0 {
		return d.sampleObject(s, depth)
	}
	if alternatives := alternatives(s); len(alternatives) > 0 {
		return d.sample(alternatives[0], name, depth)
	}
	return plain(s, name)
}

// sampleObject makes an example of an object. Of the outermost all members
// are shown that have something in them.
func (d *document) sampleObject(s *schema, depth int) object {
	out := object{}
	if depth >= maxSampleDepth {
		return out
	}
	for _, p := range s.Properties {
		full, _, err := d.flat(p.Value)
		if err != nil || full == nil {
			continue
		}
		_, known := d.Values[p.Name]
		known = known && len(full.Properties) == 0 && full.Items == nil
		if slices.Contains(s.Required, p.Name) || known || len(full.Example) > 0 || len(full.Examples) > 0 {
			out = append(out, member{p.Name, d.sample(p.Value, p.Name, depth+1)})
			continue
		}
		if depth == 0 && len(full.Properties) > 0 {
			if inside, ok := d.sample(p.Value, p.Name, depth+1).(object); ok && len(inside) > 0 {
				out = append(out, member{p.Name, inside})
			}
		}
	}
	return out
}

// plain is a value of a plain type. Times and amounts look like ones.
func plain(s *schema, name string) any {
	t := ""
	for _, n := range s.Type {
		if n != "null" {
			t = n
			break
		}
	}
	switch t {
	case "integer", "number":
		if s.Minimum != "" {
			return s.Minimum
		}
		return json.Number("1")
	case "boolean":
		return false
	case "object":
		return object{}
	case "array":
		return []any{}
	}
	switch {
	case s.Format == "date-time":
		return "2026-11-26T10:33:05+08:00"
	case s.Format == "date":
		return "2026-11-26"
	case strings.HasSuffix(name, "url") || s.Format == "uri":
		return "https://pay.example/"
	}
	return "…"
}

// indented makes JSON readable.
func indented(raw []byte) string {
	var b bytes.Buffer
	if json.Indent(&b, raw, "", "  ") != nil {
		return string(raw)
	}
	return b.String()
}
