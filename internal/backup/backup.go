// Package backup writes all that a database holds into one file of our own
// form, reads it back, and moves a database to the other engine.
//
// # The form of a file
//
// Lines of JSON in UTF-8, compressed by gzip and, with a key, encrypted by age:
//
//	{"cloudpay_backup":1,"schema":11,"engine":"sqlite","taken_at":"…","tables":[{"name":"orders","columns":[…]},…]}
//	["value",12,true,…]                               one row, in the order of the columns
//	{"table":"orders","rows":2,"sha256":"…"}          behind the rows of each table, in the order of the first line
//	{"end":true,"rows":31,"sha256":"…"}               the SHA-256 of all lines before
//
// Text is a string, bytes are base64 in a string, and text that is not UTF-8 is
// base64 in an array of one. The checksum of a table is the sum of the SHA-256
// of its rows modulo 2^256, so it does not depend on their order and is the
// same on both engines. Without encryption the checksums find damage, not
// malice: whoever can write the file can write them too.
//
// # What this room must not know
//
// It knows the form of the file and how to encrypt it. It must not know what a
// table means, nor SQL, nor open a sealed secret: those stay sealed, and the
// master key is not in a backup.
package backup

import (
	"context"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"slices"
	"time"

	"cloudpay/internal/store"
)

// Table says how much of one table there is.
type Table struct {
	Name string
	Rows int64
	Sum  string // the sum of the rows' SHA-256, in hexadecimal
}

// Summary says what a backup holds.
type Summary struct {
	Schema  int64
	Engine  string // where it was taken: store.SQLite or store.Postgres
	TakenAt time.Time
	Tables  []Table
}

// Rows returns how many rows there are in all.
func (s Summary) Rows() (n int64) {
	for _, t := range s.Tables {
		n += t.Rows
	}
	return n
}

// differs names the first table that is not the same in both.
func (s Summary) differs(other Summary) string {
	for i, t := range s.Tables {
		if i >= len(other.Tables) || t != other.Tables[i] {
			return t.Name
		}
	}
	if len(other.Tables) > len(s.Tables) {
		return other.Tables[len(s.Tables)].Name
	}
	return ""
}

// Write writes what a database holds at one instant to w, while others write to
// it. now is noted in the file. What was written after an error is no backup.
func Write(ctx context.Context, w io.Writer, c store.Config, now time.Time) (Summary, error) {
	out := newWriter(w)
	err := store.ExportTo(ctx, c, func(e store.Export) error { return out.begin(e, now) }, out.row)
	if err == nil {
		err = out.finish()
	}
	if err != nil {
		return Summary{}, fmt.Errorf("write backup: %w", err)
	}
	return out.sum, nil
}

// Check reads a whole backup and compares it with its own counts and checksums.
func Check(r io.Reader) (Summary, error) {
	in, err := newReader(r)
	for i := 0; err == nil && i < len(in.head.Tables); i++ {
		var row []any
		for row, err = in.next(i); err == nil && row != nil; row, err = in.next(i) { //nolint:revive // reading is all
		}
	}
	if err == nil {
		err = in.finish()
	}
	if err != nil {
		return Summary{}, fmt.Errorf("read backup: %w", err)
	}
	return in.sum, nil
}

// Restore fills an empty database from a backup, reads everything back and
// compares. See store.ImportFrom for what is empty, and for what an error
// leaves behind.
func Restore(ctx context.Context, r io.Reader, c store.Config) (Summary, error) {
	in, err := newReader(r)
	if err == nil {
		err = store.ImportFrom(ctx, c, store.Import{
			Export: in.export(),
			Next:   in.next,
			Loaded: func(c store.Config) error {
				if err := in.finish(); err != nil {
					return err
				}
				there, err := Measure(ctx, c)
				if err != nil {
					return err
				}
				if name := in.sum.differs(there); name != "" {
					return fmt.Errorf("table %s reads back differently from what was written", name)
				}
				return nil
			},
		})
	}
	if err != nil {
		return Summary{}, fmt.Errorf("restore backup: %w", err)
	}
	return in.sum, nil
}

// ErrMoving says that somebody wrote to a database while it was moved.
var ErrMoving = errors.New("the source changed while it was moved: stop every cloudpay process that uses it, remove the target and start again")

// Move fills an empty database, on either engine, with what another holds, and
// compares the two table by table. Nobody may write to the source meanwhile:
// what is written then would be lost, so a change is ErrMoving; the target is
// complete for the moment when it began, and must not be used.
func Move(ctx context.Context, from, to store.Config, now time.Time) (Summary, error) {
	pr, pw := io.Pipe()
	written := make(chan error, 1)
	go func() {
		_, err := Write(ctx, pw, from, now)
		_ = pw.CloseWithError(err)
		written <- err
	}()
	s, err := Restore(ctx, pr, to)
	_ = pr.CloseWithError(errStopped) // lets the writer go, if it still writes
	if w := <-written; w != nil && !errors.Is(w, errStopped) {
		return Summary{}, fmt.Errorf("move: %w", w)
	}
	if err != nil {
		return Summary{}, fmt.Errorf("move: %w", err)
	}
	after, err := Measure(ctx, from)
	if err == nil && s.differs(after) != "" {
		err = fmt.Errorf("table %s: %w", s.differs(after), ErrMoving)
	}
	if err != nil {
		return Summary{}, fmt.Errorf("move: %w", err)
	}
	return s, nil
}

var errStopped = errors.New("the other end has stopped")

// Measure counts the rows of a database and sums up their checksums, at one instant.
func Measure(ctx context.Context, c store.Config) (Summary, error) {
	var s Summary
	var sums []sum
	var e store.Export
	err := store.ExportTo(ctx, c, func(head store.Export) error {
		e = head
		s = Summary{Schema: e.Schema, Engine: e.Engine, Tables: make([]Table, len(e.Tables))}
		sums = make([]sum, len(e.Tables))
		return nil
	}, func(table int, values []any) error {
		line, err := encodeRow(nil, values)
		if err != nil {
			return err
		}
		s.Tables[table].Rows++
		sums[table].add(line)
		return nil
	})
	if err != nil {
		return Summary{}, fmt.Errorf("measure database: %w", err)
	}
	for i, t := range e.Tables {
		s.Tables[i].Name, s.Tables[i].Sum = t.Name, hex.EncodeToString(slices.Clone(sums[i][:]))
	}
	return s, nil
}
