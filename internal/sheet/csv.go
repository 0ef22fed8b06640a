package sheet

import (
	"encoding/csv"
	"errors"
	"fmt"
	"io"
)

// csvWriter writes RFC 4180.
type csvWriter struct {
	to      io.Writer
	w       *csv.Writer
	columns int // of the table under way, 0 before the first
}

func newCSV(w io.Writer) *csvWriter {
	c := &csvWriter{to: w, w: csv.NewWriter(w)}
	c.w.UseCRLF = true
	return c
}

// Table begins a table; its title is not written.
func (c *csvWriter) Table(title string, columns ...string) error {
	if err := checkTable(title, columns); err != nil {
		return err
	}
	start := "\ufeff"
	if c.columns > 0 {
		c.w.Flush()
		start = "\r\n"
	}
	if err := c.w.Error(); err != nil {
		return fmt.Errorf("write table: %w", err)
	}
	if _, err := io.WriteString(c.to, start); err != nil {
		return fmt.Errorf("write table: %w", err)
	}
	c.columns = len(columns)
	return c.write(columns)
}

// Row writes one row.
func (c *csvWriter) Row(cells ...Cell) error {
	if len(cells) != c.columns {
		return fmt.Errorf("a row of %d cells does not fit %d columns", len(cells), c.columns)
	}
	row := make([]string, len(cells))
	for i, v := range cells {
		row[i] = v.String()
	}
	return c.write(row)
}

func (c *csvWriter) write(row []string) error {
	if err := c.w.Write(row); err != nil {
		return fmt.Errorf("write table: %w", err)
	}
	return nil
}

// Close flushes.
func (c *csvWriter) Close() error {
	if c.columns == 0 {
		return errors.New("write table: there is none")
	}
	c.w.Flush()
	if err := c.w.Error(); err != nil {
		return fmt.Errorf("write table: %w", err)
	}
	return nil
}
