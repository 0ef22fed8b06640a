package channel

import (
	"fmt"
	"strconv"
	"strings"
	"time"

	"cloudpay/internal/pay"
)

// beijing is the zone of all times in bills. Beijing has no daylight saving.
var beijing = time.FixedZone("Asia/Shanghai", 8*60*60)

// billTime is the form of all times in bills.
const billTime = "2006-01-02 15:04:05"

// BillDay is the first moment of t's day in Beijing.
func BillDay(t time.Time) time.Time {
	t = t.In(beijing)
	return time.Date(t.Year(), t.Month(), t.Day(), 0, 0, 0, 0, beijing)
}

// FeeUnit is how many units of BillUnits one fen has: wallets write fees with
// up to five decimals of a yuan.
const FeeUnit = 1000

// maxBillYuan is the most digits of yuan that are read; more could overflow a
// sum of MaxBillLines lines.
const maxBillYuan = 10

// BillUnits reads an amount in yuan exactly, in hundred-thousandths of a yuan:
// an optional minus, digits, up to five decimals and any zeros behind them. It
// uses no floating point and rounds nothing; what does not fit is not ok.
func BillUnits(s string) (int64, bool) {
	digits, negative := strings.CutPrefix(s, "-")
	yuan, part, dot := strings.Cut(digits, ".")
	part = strings.TrimRight(part, "0")
	if yuan == "" || len(yuan) > maxBillYuan || len(part) > 5 || dot && strings.HasSuffix(s, ".") ||
		strings.Trim(yuan+part, "0123456789") != "" {
		return 0, false
	}
	n, err := strconv.ParseInt(yuan+(part + "00000")[:5], 10, 64)
	if negative {
		n = -n
	}
	return n, err == nil
}

// RoundFen rounds units to fen, halves away from zero.
func RoundFen(units int64) pay.Fen {
	if units < 0 {
		return -RoundFen(-units)
	}
	return pay.Fen((units + FeeUnit/2) / FeeUnit)
}

// FeeText returns text if units is not a whole number of fen, else "".
func FeeText(units int64, text string) string {
	if units%FeeUnit == 0 {
		return ""
	}
	return text
}

// BillTable reads the rows of one table of a bill by the names of its columns.
// Columns that nobody asks for are tolerated.
type BillTable struct {
	columns []string
	index   map[string]int
	free    []int
	fits    func(r *BillRow)
}

// NewBillTable takes the header of a table. required are the columns that must
// be there. free names the columns whose text is a merchant's own and may hold
// the separator; fits reads the columns whose form is known, to find out which
// of the free ones did.
func NewBillTable(header, required, free []string, fits func(r *BillRow)) (*BillTable, error) {
	t := &BillTable{columns: header, index: map[string]int{}, fits: fits}
	for i, name := range header {
		if _, twice := t.index[name]; twice {
			return nil, fmt.Errorf("the bill has the column %s twice", CleanText(name))
		}
		t.index[name] = i
	}
	for _, name := range required {
		if _, there := t.index[name]; !there {
			return nil, fmt.Errorf("the bill lacks the column %s", name)
		}
	}
	for _, name := range free {
		if i, there := t.index[name]; there {
			t.free = append(t.free, i)
		}
	}
	return t, nil
}

// Row takes the values of one line. When there are more values than columns,
// the surplus belongs to one free column, joined by separator: the first with
// which all columns of a known form are in it. line is for errors.
func (t *BillTable) Row(line int, values []string, separator string) (*BillRow, error) {
	surplus := len(values) - len(t.columns)
	if surplus == 0 {
		return &BillRow{table: t, line: line, values: values}, nil
	}
	if surplus > 0 {
		for _, i := range t.free {
			joined := append([]string{}, values[:i]...)
			joined = append(joined, strings.Join(values[i:i+surplus+1], separator))
			r := &BillRow{table: t, line: line, values: append(joined, values[i+surplus+1:]...)}
			if t.fits(r); r.err == nil {
				return r, nil
			}
		}
	}
	return nil, fmt.Errorf("line %d of the bill has %d values for %d columns", line, len(values), len(t.columns))
}

// BillRow is one line of a table. Its methods note the first value that is not
// in its column's form; Err returns it.
type BillRow struct {
	table  *BillTable
	line   int
	values []string
	err    error
}

// Text returns a value, "" if the table has no such column.
func (r *BillRow) Text(name string) string {
	if i, there := r.table.index[name]; there {
		return r.values[i]
	}
	return ""
}

// Has reports whether the row's table has a column.
func (r *BillRow) Has(name string) bool { return r.table.Has(name) }

// Units returns an amount in hundred-thousandths of a yuan, 0 if the table has
// no such column.
func (r *BillRow) Units(name string) int64 {
	if _, there := r.table.index[name]; !there {
		return 0
	}
	n, ok := BillUnits(r.Text(name))
	if !ok {
		r.bad(name, "an amount in yuan")
	}
	return n
}

// Fen returns an amount in fen. One with a part of a fen is an error.
func (r *BillRow) Fen(name string) pay.Fen {
	n := r.Units(name)
	if n%FeeUnit != 0 {
		r.bad(name, "a whole number of fen")
	}
	return pay.Fen(n / FeeUnit)
}

// maxFee is the largest fee of one line in units, ten million yuan: the sum of
// MaxBillLines of them does not overflow.
const maxFee = 1_000_000_000_000

// Fee returns a fee in hundred-thousandths of a yuan, 0 if the table has no
// such column.
func (r *BillRow) Fee(name string) int64 {
	n := r.Units(name)
	if n > maxFee || n < -maxFee {
		r.bad(name, "a fee")
		return 0
	}
	return n
}

// Count returns a whole number that is not negative.
func (r *BillRow) Count(name string) int64 {
	text := r.Text(name)
	n, err := strconv.ParseInt(text, 10, 64)
	if err != nil || n < 0 || n > MaxBillLines {
		r.bad(name, "a count")
	}
	return n
}

// Time returns a time, in Beijing.
func (r *BillRow) Time(name string) time.Time {
	t, err := time.ParseInLocation(billTime, r.Text(name), beijing)
	if err != nil {
		r.bad(name, "a time")
	}
	return t
}

// Err returns what was wrong with the row first. It repeats none of its text.
func (r *BillRow) Err() error { return r.err }

// bad notes that a value is not what its column holds.
func (r *BillRow) bad(name, want string) {
	if r.err == nil {
		r.err = fmt.Errorf("line %d of the bill, column %s: not %s", r.line, name, want)
	}
}

// BillFigure is one figure of a summary and what the lines say.
type BillFigure struct {
	Name       string
	Said, Sums int64
}

// CheckFigures returns an error that names the first figure that differs.
func CheckFigures(list ...BillFigure) error {
	for _, f := range list {
		if f.Said != f.Sums {
			return fmt.Errorf("the bill's %s is %d and its lines make %d (amounts in fen or thousandths of a fen)", f.Name, f.Said, f.Sums)
		}
	}
	return nil
}

// Has reports whether the table has a column.
func (t *BillTable) Has(name string) bool {
	_, there := t.index[name]
	return there
}
