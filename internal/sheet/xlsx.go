package sheet

import (
	"errors"
	"fmt"
	"io"

	"github.com/xuri/excelize/v2"
)

const (
	maxRows = excelize.TotalRows // of one sheet; a longer table goes on in another
	// exact is the largest amount in fen that a spreadsheet's number, which is a
	// float, still shows to the fen. What is larger is written as text.
	exact = 1 << 53
)

// xlsxWriter writes a sheet per table through excelize's streams, which keep
// rows in temporary files.
type xlsxWriter struct {
	to      io.Writer
	f       *excelize.File
	sw      *excelize.StreamWriter
	amount  int // the style of amounts
	rows    int // of the sheet under way
	limit   int // of a sheet's rows; tests make it small
	title   string
	part    int // of a table that is longer than a sheet
	columns []string
}

func newXLSX(w io.Writer) *xlsxWriter {
	return &xlsxWriter{to: w, f: excelize.NewFile(), limit: maxRows}
}

// Table begins a sheet.
func (x *xlsxWriter) Table(title string, columns ...string) error {
	if err := checkTable(title, columns); err != nil {
		return err
	}
	x.title, x.part, x.columns = title, 0, columns
	if err := x.sheet(title); err != nil {
		return fmt.Errorf("write sheet %s: %w", title, err)
	}
	return nil
}

// sheet ends the sheet under way and begins another with the same columns.
func (x *xlsxWriter) sheet(name string) (err error) {
	if x.sw == nil {
		if err = x.f.SetSheetName(x.f.GetSheetName(0), name); err == nil {
			x.amount, err = x.f.NewStyle(&excelize.Style{NumFmt: 4}) // #,##0.00
		}
	} else if err = x.sw.Flush(); err == nil {
		if at, _ := x.f.GetSheetIndex(name); at >= 0 {
			return errors.New("there is one of that name")
		}
		_, err = x.f.NewSheet(name)
	}
	if err != nil {
		return err
	}
	if x.sw, err = x.f.NewStreamWriter(name); err != nil {
		return err
	}
	x.rows, x.part = 0, x.part+1
	head := make([]any, len(x.columns))
	for i, c := range x.columns {
		head[i] = c
	}
	return x.put(head)
}

func (x *xlsxWriter) put(values []any) error {
	x.rows++
	cell, err := excelize.CoordinatesToCellName(1, x.rows)
	if err != nil {
		return err
	}
	return x.sw.SetRow(cell, values)
}

// Row writes one row.
func (x *xlsxWriter) Row(cells ...Cell) error {
	if x.sw == nil || len(cells) != len(x.columns) {
		return fmt.Errorf("a row of %d cells does not fit %d columns", len(cells), len(x.columns))
	}
	if x.rows == x.limit {
		if err := x.sheet(fmt.Sprintf("%s (%d)", x.title, x.part+1)); err != nil {
			return fmt.Errorf("write sheet %s: %w", x.title, err)
		}
	}
	values := make([]any, len(cells))
	for i, c := range cells {
		values[i] = x.value(c)
	}
	if err := x.put(values); err != nil {
		return fmt.Errorf("write sheet %s: %w", x.title, err)
	}
	return nil
}

// value is a cell as excelize takes it. A string is never taken for a formula.
func (x *xlsxWriter) value(c Cell) any {
	switch c.kind {
	case kindInt:
		return c.n
	case kindYuan:
		if c.n >= -exact && c.n <= exact {
			return excelize.Cell{StyleID: x.amount, Value: float64(c.n) / 100} // a spreadsheet has no other number
		}
	case kindText:
	}
	return c.String()
}

// Close writes the file.
func (x *xlsxWriter) Close() (err error) {
	defer func() { err = errors.Join(err, x.f.Close()) }()
	if x.sw == nil {
		return errors.New("write workbook: there is no table")
	}
	if err := x.sw.Flush(); err != nil {
		return fmt.Errorf("write workbook: %w", err)
	}
	if err := x.f.Write(x.to); err != nil {
		return fmt.Errorf("write workbook: %w", err)
	}
	return nil
}
