package store

import (
	"context"
	"strings"
)

// Disk stands between a SQLite store and its file. Simulations give one that is
// slow or full, or that stands for a process that ends between two commits;
// production has none.
type Disk interface {
	// Queue is called in the caller's goroutine, with its context, before a unit of
	// work is queued. what names its first statement, such as "SettleOrder", and
	// args are that statement's. After an error the unit is not queued. Otherwise
	// heard, if it is not nil, is called there before the caller hears what became
	// of the unit; the caller hears heard's error instead, if there is one.
	Queue(ctx context.Context, what string, args []any) (heard func() error, err error)
	// Commit is called by the writer before a group is committed. After an error
	// nothing of the group is written, and every caller gets the error.
	Commit(units int) error
	// Full is asked by the writer before each group. While it says yes, the file
	// may not grow: a statement that needs another page fails with SQLITE_FULL in
	// the middle of its group, as on a disk that has no room left.
	Full() bool
	// Committed is called once the group is on disk. After an error the callers
	// get that: their units are written, and they do not hear of it.
	Committed(units int) error
}

// what names the first statement of a unit by its query.
func (u *unit) what() string {
	line, _, _ := strings.Cut(u.statements[0].sql, "\n")
	name, _, _ := strings.Cut(strings.TrimPrefix(line, "-- name: "), " ")
	return name
}

// noDisk does nothing.
type noDisk struct{}

func (noDisk) Queue(context.Context, string, []any) (func() error, error) { return nil, nil }
func (noDisk) Commit(int) error                                           { return nil }
func (noDisk) Full() bool                                                 { return false }
func (noDisk) Committed(int) error                                        { return nil }
