// Package sheet writes tables that people open in a spreadsheet: CSV and XLSX,
// row by row, so that a table of millions of rows needs no memory.
//
// # What a spreadsheet may not do with our text
//
// Names, remarks and numbers of orders come from others, and a spreadsheet runs
// a text that begins with = + - or @ as a formula when a CSV file is opened, or
// when an XLSX file is saved as one. Such a text is written with an apostrophe
// before it, in both formats. Characters that XML cannot hold become spaces.
// Order numbers are text in XLSX, so that no digit of them is lost.
//
// It knows cells. It must not know what is in them: no money, no store.
package sheet

import (
	"errors"
	"fmt"
	"io"
	"path/filepath"
	"strconv"
	"strings"
	"time"
	"unicode/utf8"
)

// Format says how a table is written.
type Format string

// The formats.
const (
	CSV  Format = "csv"  // UTF-8 with a byte order mark, which Excel needs to see that it is; RFC 4180, CRLF
	XLSX Format = "xlsx" // Office Open XML
)

// Limits, which are those of Excel.
const (
	maxText    = 32_767 // characters of a cell; what is longer is cut
	maxColumns = 64     // far above any table of ours
)

// FormatOf returns the format that a name of a file ends in.
func FormatOf(name string) (Format, error) {
	switch f := Format(strings.ToLower(strings.TrimPrefix(filepath.Ext(name), "."))); f {
	case CSV, XLSX:
		return f, nil
	default:
		return "", fmt.Errorf("the format of %q is not known: let the name end in .csv or .xlsx", name)
	}
}

// Cell is one value. The zero value is an empty cell.
type Cell struct {
	kind kind
	text string
	n    int64
}

type kind int

const (
	kindText kind = iota
	kindInt
	kindYuan
)

// Text is a cell of text, made harmless.
func Text(s string) Cell { return Cell{text: harmless(s)} }

// Int is a cell with a whole number.
func Int(n int64) Cell { return Cell{kind: kindInt, n: n} }

// Yuan is a cell with an amount in fen, which is shown in yuan with two decimals
// and is a number to the spreadsheet.
func Yuan(fen int64) Cell { return Cell{kind: kindYuan, n: fen} }

// shanghai is the zone of all times that people read (money.md §7).
var shanghai = time.FixedZone("CST", 8*60*60)

// Time is a cell with a time of Asia/Shanghai to the second, empty for the zero time.
func Time(at time.Time) Cell {
	if at.IsZero() {
		return Cell{}
	}
	return Cell{text: at.In(shanghai).Format(time.DateTime)}
}

// String returns what a CSV file has for the cell.
func (c Cell) String() string {
	switch c.kind {
	case kindInt:
		return strconv.FormatInt(c.n, 10)
	case kindYuan:
		return yuan(c.n)
	case kindText:
	}
	return c.text
}

// yuan writes fen as yuan without a float.
func yuan(fen int64) string {
	sign, n := "", uint64(fen) //nolint:gosec // negated just below when negative
	if fen < 0 {
		sign, n = "-", -n
	}
	return fmt.Sprintf("%s%d.%02d", sign, n/100, n%100)
}

// harmless is how a text of somebody else is written into a table.
func harmless(s string) string {
	s = strings.Map(func(r rune) rune {
		switch {
		case r == '\t', r == '\n', r == '\r', r < ' ', r == 0x7f, r == utf8.RuneError, r == 0xfffe, r == 0xffff:
			return ' '
		}
		return r
	}, s)
	if utf8.RuneCountInString(s) > maxText-1 {
		s = string([]rune(s)[:maxText-1])
	}
	switch first, _ := utf8.DecodeRuneInString(strings.TrimLeft(s, " \u00a0\u3000")); first {
	case '=', '+', '-', '@', '＝', '＋', '－', '＠':
		return "'" + s
	}
	return s
}

// Writer writes tables one after the other: in CSV below each other with an
// empty line between, in XLSX a sheet each. It is for one goroutine.
type Writer interface {
	// Table begins a table. A title is at most 24 characters and different from
	// those before; columns are at most 64.
	Table(title string, columns ...string) error
	// Row writes one row, with as many cells as the table has columns.
	Row(cells ...Cell) error
	// Close writes the end. It does not close what is written to, and without it
	// the file is not whole.
	Close() error
}

// New returns a writer of a format. It writes nothing before the first table,
// and XLSX nothing before Close.
func New(w io.Writer, f Format) (Writer, error) {
	switch f {
	case CSV:
		return newCSV(w), nil
	case XLSX:
		return newXLSX(w), nil
	}
	return nil, fmt.Errorf("the format %q is not known: it must be csv or xlsx", string(f))
}

// checkTable refuses what no caller should ask for.
func checkTable(title string, columns []string) error {
	const maxTitle = 24 // of 31, so that a number fits behind it
	if title == "" || utf8.RuneCountInString(title) > maxTitle || strings.ContainsAny(title, `:\/?*[]'`) {
		return fmt.Errorf("a sheet cannot be named %q", title)
	}
	if len(columns) == 0 || len(columns) > maxColumns {
		return errors.New("a table has between 1 and 64 columns")
	}
	return nil
}
