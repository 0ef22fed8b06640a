package main

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"strconv"
	"strings"
)

// wide are the ranges of characters that take two columns on a terminal:
// Hangul, CJK and its punctuation, full-width forms, emoji.
var wide = [...]struct{ from, to rune }{
	{0x1100, 0x115f},
	{0x2e80, 0x303e},
	{0x3041, 0x33ff},
	{0x3400, 0x4dbf},
	{0x4e00, 0x9fff},
	{0xa000, 0xa4cf},
	{0xac00, 0xd7a3},
	{0xf900, 0xfaff},
	{0xfe30, 0xfe4f},
	{0xff00, 0xff60},
	{0xffe0, 0xffe6},
	{0x1f300, 0x1faff},
	{0x20000, 0x3fffd},
}

// columnsOf is how many columns a text takes on a terminal.
func columnsOf(s string) int {
	n := 0
	for _, r := range s {
		n++
		for _, w := range wide {
			if w.from <= r && r <= w.to {
				n++
				break
			}
		}
	}
	return n
}

// shown makes a text safe to print: names come from others, and a terminal
// obeys control characters.
func shown(s string) string {
	return strings.Map(func(r rune) rune {
		if r < ' ' || r == 0x7f || 0x80 <= r && r < 0xa0 || 0x202a <= r && r <= 0x202e || 0x2066 <= r && r <= 0x2069 {
			return '·'
		}
		return r
	}, s)
}

// printTable writes rows in aligned columns, the first row being the heading.
func printTable(w io.Writer, rows [][]string) error {
	var widths []int
	for _, row := range rows {
		for i, cell := range row {
			if i == len(widths) {
				widths = append(widths, 0)
			}
			widths[i] = max(widths[i], columnsOf(cell))
		}
	}
	var b strings.Builder
	for _, row := range rows {
		for i, cell := range row {
			b.WriteString(cell)
			if i < len(row)-1 {
				b.WriteString(strings.Repeat(" ", widths[i]-columnsOf(cell)+2))
			}
		}
		b.WriteByte('\n')
	}
	_, err := io.WriteString(w, b.String())
	return err
}

// field is one member of an answer: its path and its value as text.
type field struct{ name, value string }

// flatten reads a JSON value into fields, in the order in which they stand.
// Members of lists are numbered from 1.
func flatten(raw []byte) ([]field, error) {
	dec := json.NewDecoder(bytes.NewReader(raw))
	dec.UseNumber()
	var out []field
	if err := flattenValue(dec, "", &out); err != nil {
		return nil, fmt.Errorf("read the answer: %w", err)
	}
	return out, nil
}

func flattenValue(dec *json.Decoder, path string, out *[]field) error {
	tok, err := dec.Token()
	if err != nil {
		return err
	}
	switch tok := tok.(type) {
	case json.Delim:
		for i := 1; dec.More(); i++ {
			name := strconv.Itoa(i)
			if tok == '{' {
				key, err := dec.Token()
				if err != nil {
					return err
				}
				text, ok := key.(string)
				if !ok {
					return errors.New("a member has no name")
				}
				name = text
			}
			if path != "" {
				name = path + "." + name
			}
			if err := flattenValue(dec, name, out); err != nil {
				return err
			}
		}
		_, err := dec.Token() // the end of the object or list
		return err
	case nil:
	case string:
		*out = append(*out, field{path, shown(tok)})
	default:
		*out = append(*out, field{path, fmt.Sprint(tok)})
	}
	return nil
}

// printFields writes one object for a person.
func printFields(w io.Writer, raw []byte) error {
	fields, err := flatten(raw)
	if err != nil {
		return err
	}
	rows := make([][]string, 0, len(fields))
	for _, f := range fields {
		if strings.HasSuffix(f.value, "·") && strings.Contains(f.value, "-----BEGIN") {
			f.value = "(PEM)"
		}
		rows = append(rows, []string{f.name, f.value})
	}
	return printTable(w, rows)
}

// column is one column of a list: its heading and the path of its member.
type column struct{ title, path string }

// printList writes a list for a person.
func printList(w io.Writer, columns []column, items []json.RawMessage) error {
	head := make([]string, 0, len(columns))
	for _, c := range columns {
		head = append(head, c.title)
	}
	rows := [][]string{head}
	for _, item := range items {
		fields, err := flatten(item)
		if err != nil {
			return err
		}
		values := map[string]string{}
		for _, f := range fields {
			values[f.name] = f.value
		}
		row := make([]string, 0, len(columns))
		for _, c := range columns {
			row = append(row, values[c.path])
		}
		rows = append(rows, row)
	}
	return printTable(w, rows)
}
