package sheet

import (
	"bytes"
	"encoding/csv"
	"math"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/xuri/excelize/v2"
)

// hostile are texts of somebody else, and how a table shows them.
var hostile = []struct{ name, in, want string }{
	{"an order number stays as it is", "4200001234202611211200000001", "4200001234202611211200000001"},
	{"a formula", "=1+1", "'=1+1"},
	{"a call", "@SUM(A1)", "'@SUM(A1)"},
	{"a plus", "+86 10", "'+86 10"},
	{"a minus", "-2+3", "'-2+3"},
	{"behind spaces", "  =cmd|' /C calc'!A0", "'  =cmd|' /C calc'!A0"},
	{"behind a tab", "\t=1", "' =1"},
	{"behind a line break", "\r\n=1", "'  =1"},
	{"behind an ideographic space", "\u3000=1", "'\u3000=1"},
	{"full width", "＝1", "'＝1"},
	{"inside it is harmless", "a=b", "a=b"},
	{"separators and quotes", `a,"b"`, `a,"b"`},
	{"control characters", "a\x00b\x1bc\ufffe", "a b c "},
	{"broken text", "a\xffb", "a b"},
	{"Chinese", "咖啡 拿铁", "咖啡 拿铁"},
	{"empty", "", ""},
}

func TestTextsAreHarmlessInBothFormats(t *testing.T) {
	t.Parallel()
	for _, f := range []Format{CSV, XLSX} {
		t.Run(string(f), func(t *testing.T) {
			t.Parallel()
			var rows [][]Cell
			want := [][]string{{"name", "text"}}
			for _, h := range hostile {
				rows = append(rows, []Cell{Text(h.name), Text(h.in)})
				want = append(want, []string{h.name, h.want})
			}
			got := read(t, f, write(t, f, []string{"name", "text"}, rows))
			if diff := cmp.Diff(want, got); diff != "" {
				t.Fatal(diff)
			}
		})
	}
}

func TestNumbersAreExact(t *testing.T) {
	t.Parallel()
	at := time.Date(2026, 11, 20, 16, 0, 1, 0, time.UTC)
	rows := [][]Cell{
		{Int(math.MaxInt64), Yuan(1), Time(at)},
		{Int(-7), Yuan(-123456), Time(time.Time{})},
		{Int(0), Yuan(math.MinInt64), Cell{}},
		{Int(1), Yuan(99_999_999_999_999), Cell{}},
	}
	want := [][]string{
		{"n", "yuan", "at"},
		{"9223372036854775807", "0.01", "2026-11-21 00:00:01"},
		{"-7", "-1234.56", ""},
		{"0", "-92233720368547758.08", ""},
		{"1", "999999999999.99", ""},
	}
	for _, f := range []Format{CSV, XLSX} {
		t.Run(string(f), func(t *testing.T) {
			t.Parallel()
			if diff := cmp.Diff(want, read(t, f, write(t, f, want[0], rows))); diff != "" {
				t.Fatal(diff)
			}
		})
	}
}

func TestNumbersOfOrdersAreTextInXLSX(t *testing.T) {
	t.Parallel()
	raw := write(t, XLSX, []string{"no"}, [][]Cell{{Text("4200001234202611211200000001")}, {Yuan(1250)}})
	f, err := excelize.OpenReader(bytes.NewReader(raw))
	if err != nil {
		t.Fatal(err)
	}
	for cell, want := range map[string]excelize.CellType{"A2": excelize.CellTypeInlineString, "A3": excelize.CellTypeUnset} {
		got, err := f.GetCellType("表", cell)
		if err != nil || got != want {
			t.Errorf("%s has type %v, %v; want %v", cell, got, err, want)
		}
	}
	if err := f.Close(); err != nil {
		t.Fatal(err)
	}
}

func TestALongTableGoesOnInAnotherSheet(t *testing.T) {
	t.Parallel()
	var b bytes.Buffer
	x := newXLSX(&b)
	x.limit = 3
	if err := x.Table("表", "n"); err != nil {
		t.Fatal(err)
	}
	for i := range int64(5) {
		if err := x.Row(Int(i)); err != nil {
			t.Fatal(err)
		}
	}
	if err := x.Table("其他", "m"); err != nil {
		t.Fatal(err)
	}
	if err := x.Close(); err != nil {
		t.Fatal(err)
	}
	f, err := excelize.OpenReader(&b)
	if err != nil {
		t.Fatal(err)
	}
	want := map[string][][]string{
		"表": {{"n"}, {"0"}, {"1"}}, "表 (2)": {{"n"}, {"2"}, {"3"}}, "表 (3)": {{"n"}, {"4"}}, "其他": {{"m"}},
	}
	got := map[string][][]string{}
	for _, name := range f.GetSheetList() {
		if got[name], err = f.GetRows(name); err != nil {
			t.Fatal(err)
		}
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Fatal(diff)
	}
	if err := f.Close(); err != nil {
		t.Fatal(err)
	}
}

func TestWhatIsNotATableIsRefused(t *testing.T) {
	t.Parallel()
	if _, err := New(&bytes.Buffer{}, "pdf"); err == nil {
		t.Error("an unknown format was taken")
	}
	for name, want := range map[string]Format{"a.csv": CSV, "b/c.XLSX": XLSX, "a.xls": "", "csv": ""} {
		if got, err := FormatOf(name); got != want || (err == nil) != (want != "") {
			t.Errorf("%s is %q, %v", name, got, err)
		}
	}
	for _, f := range []Format{CSV, XLSX} {
		for name, use := range map[string]func(Writer) error{
			"no table":       func(w Writer) error { return w.Close() },
			"a row before":   func(w Writer) error { return w.Row(Int(1)) },
			"no title":       func(w Writer) error { return w.Table("", "a") },
			"a bad title":    func(w Writer) error { return w.Table("a/b", "a") },
			"no columns":     func(w Writer) error { return w.Table("a") },
			"too many cells": func(w Writer) error { _ = w.Table("a", "a"); return w.Row(Int(1), Int(2)) },
		} {
			w, err := New(&bytes.Buffer{}, f)
			if err != nil {
				t.Fatal(err)
			}
			if err := use(w); err == nil {
				t.Errorf("%s: %s was taken", f, name)
			}
		}
	}
}

func write(t *testing.T, f Format, columns []string, rows [][]Cell) []byte {
	t.Helper()
	var b bytes.Buffer
	w, err := New(&b, f)
	if err != nil {
		t.Fatal(err)
	}
	if err := w.Table("表", columns...); err != nil {
		t.Fatal(err)
	}
	for _, r := range rows {
		if err := w.Row(r...); err != nil {
			t.Fatal(err)
		}
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	return b.Bytes()
}

// read reads a table back by somebody else's reader. Rows are padded, as a
// workbook leaves out empty cells at the end.
func read(t *testing.T, f Format, raw []byte) (rows [][]string) {
	t.Helper()
	var err error
	switch f {
	case CSV:
		text, marked := strings.CutPrefix(string(raw), "\ufeff")
		if !marked {
			t.Error("no byte order mark")
		}
		rows, err = csv.NewReader(strings.NewReader(text)).ReadAll()
	case XLSX:
		var file *excelize.File
		if file, err = excelize.OpenReader(bytes.NewReader(raw)); err != nil {
			t.Fatal(err)
		}
		rows, err = file.GetRows("表", excelize.Options{RawCellValue: true})
	}
	if err != nil {
		t.Fatal(err)
	}
	for i := range rows {
		for len(rows[i]) < len(rows[0]) {
			rows[i] = append(rows[i], "")
		}
	}
	return rows
}
