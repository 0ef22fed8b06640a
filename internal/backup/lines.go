package backup

import (
	"bufio"
	"bytes"
	"compress/gzip"
	"crypto/sha256"
	"encoding/base64"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"hash"
	"io"
	"slices"
	"strconv"
	"time"
	"unicode/utf8"

	"cloudpay/internal/store"
)

const (
	version = 1
	// maxLine bounds one row, in bytes: far above the longest of ours, far below
	// what a damaged file could make us keep in memory.
	maxLine = 64 << 20
	// maxTables and maxColumns bound what the first line may announce; we have a
	// tenth of it.
	maxTables, maxColumns = 1000, 1000
)

// head is the first line.
type head struct {
	Version int           `json:"cloudpay_backup"`
	Schema  int64         `json:"schema"`
	Engine  string        `json:"engine"`
	TakenAt time.Time     `json:"taken_at"`
	Tables  []store.Table `json:"tables"`
}

// tail stands behind the rows of a table, and with End behind everything.
type tail struct {
	Table  string `json:"table,omitempty"`
	End    bool   `json:"end,omitempty"`
	Rows   int64  `json:"rows"`
	SHA256 string `json:"sha256"`
}

// sum is the sum of the SHA-256 of lines modulo 2^256, big-endian.
type sum [sha256.Size]byte

func (s *sum) add(line []byte) {
	h, carry := sha256.Sum256(line), 0
	for i := len(s) - 1; i >= 0; i-- {
		carry += int(s[i]) + int(h[i])
		s[i] = byte(carry & 0xff)
		carry >>= 8
	}
}

// encodeRow appends one row. The same values always give the same bytes.
func encodeRow(b []byte, values []any) ([]byte, error) {
	b = append(b, '[')
	for i, v := range values {
		if i > 0 {
			b = append(b, ',')
		}
		switch v := v.(type) {
		case int64:
			b = strconv.AppendInt(b, v, 10)
		case bool:
			b = strconv.AppendBool(b, v)
		case []byte:
			b = append(base64.StdEncoding.AppendEncode(append(b, '"'), v), '"')
		case string:
			if !utf8.ValidString(v) {
				b = append(base64.StdEncoding.AppendEncode(append(b, '[', '"'), []byte(v)), '"', ']')
				continue
			}
			text, err := json.Marshal(v)
			if err != nil {
				return nil, err
			}
			b = append(b, text...)
		default:
			return nil, fmt.Errorf("value %d of a row has type %T, which a backup does not know", i+1, v)
		}
	}
	if b = append(b, ']'); len(b) > maxLine {
		return nil, fmt.Errorf("a row is longer than %d bytes, which a backup does not take", maxLine)
	}
	return b, nil
}

// decodeRow reads what encodeRow wrote.
func decodeRow(line []byte, columns []store.Column) ([]any, error) {
	var raw []json.RawMessage
	if err := json.Unmarshal(line, &raw); err != nil {
		return nil, err
	}
	if len(raw) != len(columns) {
		return nil, fmt.Errorf("a row has %d values for %d columns", len(raw), len(columns))
	}
	values := make([]any, len(raw))
	for i, c := range columns {
		var err error
		switch c.Kind {
		case store.KindInt:
			values[i], err = decode[int64](raw[i])
		case store.KindBool:
			values[i], err = decode[bool](raw[i])
		case store.KindBytes:
			values[i], err = decode[[]byte](raw[i])
		case store.KindText:
			values[i], err = decodeText(raw[i])
		default:
			err = fmt.Errorf("unknown kind %q", c.Kind)
		}
		if err != nil {
			return nil, fmt.Errorf("column %s: %w", c.Name, err)
		}
	}
	return values, nil
}

// decode reads one value. json.Unmarshal takes null for any type; we have none.
func decode[T any](raw json.RawMessage) (v T, err error) {
	if bytes.Equal(raw, []byte("null")) {
		return v, errors.New("null is no value")
	}
	err = json.Unmarshal(raw, &v)
	return v, err
}

func decodeText(raw json.RawMessage) (string, error) {
	if raw[0] != '[' {
		return decode[string](raw)
	}
	wrapped, err := decode[[][]byte](raw)
	if err == nil && len(wrapped) != 1 {
		err = errors.New("text in an array must be one value")
	}
	if err != nil {
		return "", err
	}
	return string(wrapped[0]), nil
}

// writer writes a file.
type writer struct {
	zip  *gzip.Writer
	buf  *bufio.Writer
	all  hash.Hash
	head head
	sum  Summary
	at   int // the table whose rows come
	rows int64
	sums sum
	line []byte
}

func newWriter(w io.Writer) *writer {
	z := gzip.NewWriter(w)
	return &writer{zip: z, buf: bufio.NewWriterSize(z, 64<<10), all: sha256.New()}
}

func (w *writer) write(line []byte) error {
	line = append(line, '\n')
	_, _ = w.all.Write(line) // never fails
	_, err := w.buf.Write(line)
	return err
}

func (w *writer) writeJSON(v any) error {
	line, err := json.Marshal(v)
	if err != nil {
		return err
	}
	return w.write(line)
}

func (w *writer) begin(e store.Export, now time.Time) error {
	w.head = head{Version: version, Schema: e.Schema, Engine: e.Engine, TakenAt: now.UTC(), Tables: e.Tables}
	w.sum = Summary{Schema: e.Schema, Engine: e.Engine, TakenAt: w.head.TakenAt}
	return w.writeJSON(w.head)
}

func (w *writer) row(table int, values []any) (err error) {
	if err := w.upTo(table); err != nil {
		return err
	}
	if w.line, err = encodeRow(w.line[:0], values); err != nil {
		return err
	}
	w.rows++
	w.sums.add(w.line)
	return w.write(w.line)
}

// upTo ends the tables before one.
func (w *writer) upTo(table int) error {
	for ; w.at < table; w.at++ {
		t := Table{Name: w.head.Tables[w.at].Name, Rows: w.rows, Sum: hex.EncodeToString(w.sums[:])}
		if err := w.writeJSON(tail{Table: t.Name, Rows: t.Rows, SHA256: t.Sum}); err != nil {
			return err
		}
		w.sum.Tables = append(w.sum.Tables, t)
		w.rows, w.sums = 0, sum{}
	}
	return nil
}

func (w *writer) finish() error {
	if err := w.upTo(len(w.head.Tables)); err != nil {
		return err
	}
	if err := w.writeJSON(tail{End: true, Rows: w.sum.Rows(), SHA256: hex.EncodeToString(w.all.Sum(nil))}); err != nil {
		return err
	}
	return errors.Join(w.buf.Flush(), w.zip.Close())
}

// reader reads a file.
type reader struct {
	zip  *gzip.Reader
	buf  *bufio.Reader
	all  hash.Hash
	head head
	sum  Summary
	n    int // lines read
	rows int64
	sums sum
}

func newReader(r io.Reader) (*reader, error) {
	z, err := gzip.NewReader(r)
	if err != nil {
		return nil, fmt.Errorf("the file is not a backup, or damaged: %w", err)
	}
	in := &reader{zip: z, buf: bufio.NewReaderSize(z, 64<<10), all: sha256.New()}
	line, err := in.read()
	if err == nil {
		err = json.Unmarshal(line, &in.head)
	}
	switch h := in.head; {
	case err != nil:
		return nil, in.damaged(err)
	case h.Version != version:
		return nil, fmt.Errorf("the file is of version %d of the format; this binary reads version %d", h.Version, version)
	case len(h.Tables) > maxTables || slices.ContainsFunc(h.Tables, func(t store.Table) bool { return len(t.Columns) > maxColumns }):
		return nil, in.damaged(errors.New("too many tables or columns"))
	}
	in.hash(line)
	in.sum = Summary{Schema: in.head.Schema, Engine: in.head.Engine, TakenAt: in.head.TakenAt}
	return in, nil
}

func (r *reader) damaged(err error) error {
	return fmt.Errorf("the backup is damaged at line %d: %w", r.n, err)
}

// read returns the next line without its end.
func (r *reader) read() (line []byte, err error) {
	r.n++
	for {
		part, err := r.buf.ReadSlice('\n')
		if len(line)+len(part) > maxLine+1 {
			return nil, fmt.Errorf("longer than %d bytes", maxLine)
		}
		line = append(line, part...)
		switch {
		case err == nil:
			return line[:len(line)-1], nil
		case errors.Is(err, io.EOF):
			return nil, io.ErrUnexpectedEOF
		case !errors.Is(err, bufio.ErrBufferFull):
			return nil, err
		}
	}
}

func (r *reader) hash(line []byte) {
	_, _ = r.all.Write(line) // never fails
	_, _ = r.all.Write([]byte{'\n'})
}

func (r *reader) export() store.Export {
	return store.Export{Engine: r.head.Engine, Schema: r.head.Schema, Tables: r.head.Tables}
}

// next returns the next row of a table, nil behind its last.
func (r *reader) next(table int) ([]any, error) {
	t := r.head.Tables[table]
	line, err := r.read()
	if err != nil {
		return nil, r.damaged(err)
	}
	r.hash(line)
	if len(line) > 0 && line[0] == '[' {
		row, err := decodeRow(line, t.Columns)
		if err != nil {
			return nil, r.damaged(err)
		}
		r.rows++
		r.sums.add(line)
		return row, nil
	}
	var end tail
	if err := json.Unmarshal(line, &end); err != nil {
		return nil, r.damaged(err)
	}
	got := tail{Table: t.Name, Rows: r.rows, SHA256: hex.EncodeToString(r.sums[:])}
	if end != got {
		return nil, r.damaged(fmt.Errorf("table %s has %d rows where %d of table %s were written, or other ones", t.Name, got.Rows, end.Rows, end.Table))
	}
	r.sum.Tables = append(r.sum.Tables, Table{Name: t.Name, Rows: got.Rows, Sum: got.SHA256})
	r.rows, r.sums = 0, sum{}
	return nil, nil
}

// finish reads the last line, and that it is the last.
func (r *reader) finish() error {
	line, err := r.read()
	if err != nil {
		return r.damaged(err)
	}
	var end tail
	if err := json.Unmarshal(line, &end); err != nil {
		return r.damaged(err)
	}
	if want := (tail{End: true, Rows: r.sum.Rows(), SHA256: hex.EncodeToString(r.all.Sum(nil))}); end != want {
		return r.damaged(errors.New("the checksum over all of it is another"))
	}
	if _, err := r.buf.ReadByte(); !errors.Is(err, io.EOF) {
		return r.damaged(errors.Join(errors.New("there is more behind its end"), err))
	}
	return r.zip.Close()
}
