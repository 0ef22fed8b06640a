package store

import (
	"database/sql"
	"errors"
	"fmt"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"
	"modernc.org/sqlite"
	sqlite3 "modernc.org/sqlite/lib"

	"cloudpay/internal/pay"
)

// errContradiction says that a unit took its row and then did not find the
// others as they must be.
var errContradiction = errors.New("rows contradict each other")

// primary masks SQLite's extended result codes.
const primary = 0xff

// sqliteCode returns the primary result code of an error of SQLite, 0 if it is
// none.
func sqliteCode(err error) int {
	if e, ok := errors.AsType[*sqlite.Error](err); ok {
		return e.Code() & primary
	}
	return 0
}

// isUnique reports a violation of a unique index or primary key.
func isUnique(err error) bool {
	if e, ok := errors.AsType[*sqlite.Error](err); ok {
		return e.Code() == sqlite3.SQLITE_CONSTRAINT_UNIQUE || e.Code() == sqlite3.SQLITE_CONSTRAINT_PRIMARYKEY
	}
	return pgCode(err) == "23505"
}

// isForeign reports a row whose parent is missing.
func isForeign(err error) bool {
	if e, ok := errors.AsType[*sqlite.Error](err); ok {
		return e.Code() == sqlite3.SQLITE_CONSTRAINT_FOREIGNKEY
	}
	return pgCode(err) == "23503"
}

// isAgain reports a transaction that PostgreSQL rolled back only because of
// others: a serialization failure or a deadlock.
func isAgain(err error) bool {
	code := pgCode(err)
	return code == "40001" || code == "40P01"
}

// pgCode returns the SQLSTATE of an error of PostgreSQL, "" if it is none.
func pgCode(err error) string {
	if e, ok := errors.AsType[*pgconn.PgError](err); ok {
		return e.Code
	}
	return ""
}

// absent turns "no row" of either engine into pay.ErrNotFound.
func absent(err error) error {
	if errors.Is(err, pgx.ErrNoRows) || errors.Is(err, sql.ErrNoRows) {
		return pay.ErrNotFound
	}
	return err
}

// explain says what an operator can do about an error of a SQLite file.
func explain(path string, err error) error {
	switch sqliteCode(err) {
	case sqlite3.SQLITE_BUSY, sqlite3.SQLITE_LOCKED:
		return fmt.Errorf("database %s is locked by another process; stop it, nothing was lost: %w", path, err)
	case sqlite3.SQLITE_CORRUPT, sqlite3.SQLITE_NOTADB:
		return fmt.Errorf("database %s is corrupt; it was left as it is, restore a backup to another path: %w", path, err)
	case sqlite3.SQLITE_FULL:
		return fmt.Errorf("the disk of database %s is full; make room: %w", path, err)
	case sqlite3.SQLITE_READONLY:
		return fmt.Errorf("database %s may not be written; check its owner and mode: %w", path, err)
	case sqlite3.SQLITE_CANTOPEN:
		return fmt.Errorf("database %s cannot be opened; check its path, owner and mode: %w", path, err)
	}
	return err
}
