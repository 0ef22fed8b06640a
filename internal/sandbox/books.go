package sandbox

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"net/url"
	"os"
	"path/filepath"
	"sync"
	"time"

	_ "modernc.org/sqlite" // the database/sql driver named "sqlite"
)

// schemaVersion is the shape of sandbox.db this binary writes. The file is a
// test bench's, so a newer one is refused rather than migrated down.
const schemaVersion = 1

// schema is the whole database. Amounts are fen, times are Unix milliseconds.
//
// trades is what the wallets believe; debits and credits are what happened to
// the customers' money, one row per movement, and every total is summed from
// those two, so that a fault that makes a trade lie cannot make a total lie.
const schema = `
CREATE TABLE IF NOT EXISTS meta (          -- one row: a named value
  name TEXT PRIMARY KEY, value BLOB NOT NULL) STRICT;
CREATE TABLE IF NOT EXISTS customers (     -- one row: a person with one balance for both wallets
  id TEXT PRIMARY KEY, seq INTEGER NOT NULL UNIQUE,
  opening INTEGER NOT NULL, balance INTEGER NOT NULL CHECK (balance >= 0), created_ms INTEGER NOT NULL) STRICT;
CREATE TABLE IF NOT EXISTS codes (         -- one row: a payment code shown on a phone
  code TEXT PRIMARY KEY, channel TEXT NOT NULL, customer TEXT NOT NULL REFERENCES customers (id),
  issued_ms INTEGER NOT NULL, used_ms INTEGER NOT NULL DEFAULT 0) STRICT;
CREATE TABLE IF NOT EXISTS trades (        -- one row: one merchant's order number as the wallet knows it
  seq INTEGER PRIMARY KEY, channel TEXT NOT NULL, provider TEXT NOT NULL, merchant TEXT NOT NULL,
  out_trade_no TEXT NOT NULL, trade_no TEXT NOT NULL UNIQUE, customer TEXT NOT NULL, total INTEGER NOT NULL,
  state TEXT NOT NULL, created_ms INTEGER NOT NULL, tried_ms INTEGER NOT NULL, paid_ms INTEGER NOT NULL,
  ended_ms INTEGER NOT NULL, dialog_ms INTEGER NOT NULL, expire_ms INTEGER NOT NULL, context TEXT NOT NULL,
  memo TEXT NOT NULL, lag_ms INTEGER NOT NULL, lie INTEGER NOT NULL, rollback_ms INTEGER NOT NULL,
  reserved INTEGER NOT NULL CHECK (reserved BETWEEN 0 AND total),
  returned INTEGER NOT NULL CHECK (returned BETWEEN 0 AND reserved), refunds INTEGER NOT NULL,
  refund_ms INTEGER NOT NULL, UNIQUE (channel, merchant, out_trade_no)) STRICT;
CREATE INDEX IF NOT EXISTS trades_by_number ON trades (out_trade_no);
CREATE INDEX IF NOT EXISTS trades_waiting ON trades (customer, seq) WHERE state = 'waiting';
CREATE INDEX IF NOT EXISTS trades_rollback ON trades (rollback_ms) WHERE state = 'paid' AND rollback_ms > 0;
CREATE TABLE IF NOT EXISTS refunds (       -- one row: one refund number; unique_key is its scope in the wallet
  seq INTEGER PRIMARY KEY, trade INTEGER NOT NULL REFERENCES trades (seq), unique_key TEXT NOT NULL UNIQUE,
  out_refund_no TEXT NOT NULL, refund_id TEXT NOT NULL UNIQUE, amount INTEGER NOT NULL CHECK (amount > 0),
  state TEXT NOT NULL, fate TEXT NOT NULL, accepted_ms INTEGER NOT NULL, due_ms INTEGER NOT NULL,
  done_ms INTEGER NOT NULL) STRICT;
CREATE INDEX IF NOT EXISTS refunds_of_trade ON refunds (trade, seq);
CREATE INDEX IF NOT EXISTS refunds_due ON refunds (due_ms) WHERE state = 'processing' AND due_ms > 0;
CREATE TABLE IF NOT EXISTS debits (        -- one row: money that really left a customer
  seq INTEGER PRIMARY KEY, trade INTEGER NOT NULL REFERENCES trades (seq), channel TEXT NOT NULL,
  customer TEXT NOT NULL, amount INTEGER NOT NULL CHECK (amount > 0), at_ms INTEGER NOT NULL) STRICT;
CREATE INDEX IF NOT EXISTS debits_of_trade ON debits (trade);
CREATE INDEX IF NOT EXISTS debits_of_day ON debits (customer, channel, at_ms);
CREATE TABLE IF NOT EXISTS credits (       -- one row: money that really came back; kind is refund, reverse or rollback
  seq INTEGER PRIMARY KEY, trade INTEGER NOT NULL REFERENCES trades (seq), kind TEXT NOT NULL,
  customer TEXT NOT NULL, amount INTEGER NOT NULL CHECK (amount > 0), at_ms INTEGER NOT NULL) STRICT;
CREATE INDEX IF NOT EXISTS credits_of_trade ON credits (trade);
CREATE TABLE IF NOT EXISTS faults (        -- one row: one rule of mischief; rng is its generator's state
  seq INTEGER PRIMARY KEY, spec TEXT NOT NULL, seen INTEGER NOT NULL, fired INTEGER NOT NULL, rng BLOB NOT NULL) STRICT;
CREATE TABLE IF NOT EXISTS fault_counts (  -- one row: how often a scenario was applied, since the file was made
  scenario TEXT PRIMARY KEY, fired INTEGER NOT NULL) STRICT;
`

// books is the sandbox's database: one file, one connection, one writer at a
// time. All methods but open and close must be called inside run.
type books struct {
	mu    sync.Mutex
	db    *sql.DB
	conn  *sql.Conn
	stmts map[string]*sql.Stmt
}

// txn is one transaction with the one time everything in it happens at.
type txn struct {
	b   *books
	now time.Time
}

func (t *txn) nowMS() int64 { return t.now.UnixMilli() }

// openBooks opens or creates dir/sandbox.db with mode 0600, because it holds
// private keys. The file is locked for this process alone: two sandboxes on
// one file would issue the same numbers.
func openBooks(ctx context.Context, dir string) (*books, error) {
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return nil, fmt.Errorf("make sandbox directory: %w", err)
	}
	path, err := filepath.Abs(filepath.Join(dir, "sandbox.db"))
	if err != nil {
		return nil, fmt.Errorf("find sandbox directory: %w", err)
	}
	f, err := os.OpenFile(path, os.O_RDWR|os.O_CREATE, 0o600) //nolint:gosec // the directory is the operator's own choice
	if err != nil {
		return nil, fmt.Errorf("open sandbox database: %w", err)
	}
	if err := f.Close(); err != nil {
		return nil, fmt.Errorf("open sandbox database: %w", err)
	}
	uri := url.URL{Scheme: "file", Opaque: (&url.URL{Path: path}).EscapedPath()}
	db, err := sql.Open("sqlite", uri.String())
	if err != nil {
		return nil, fmt.Errorf("open sandbox database: %w", err)
	}
	db.SetMaxOpenConns(1)
	b := &books{db: db, stmts: map[string]*sql.Stmt{}}
	if err := b.prepare(ctx); err != nil {
		return nil, errors.Join(fmt.Errorf("open sandbox database %s: %w", path, err), b.close())
	}
	return b, nil
}

// prepare takes the lock, sets durability and makes the tables. FULL means
// that a committed answer survives a power cut, which is what the truth
// counters are compared under.
func (b *books) prepare(ctx context.Context) error {
	conn, err := b.db.Conn(ctx)
	if err != nil {
		return err
	}
	b.conn = conn
	for _, q := range []string{
		"PRAGMA locking_mode = EXCLUSIVE", "PRAGMA busy_timeout = 200", "PRAGMA journal_mode = WAL",
		"PRAGMA synchronous = FULL", "PRAGMA foreign_keys = ON", "PRAGMA wal_autocheckpoint = 4000",
	} {
		if _, err := conn.ExecContext(ctx, q); err != nil {
			return fmt.Errorf("%w; is another sandbox running on this directory?", err)
		}
	}
	var version int
	if err := conn.QueryRowContext(ctx, "PRAGMA user_version").Scan(&version); err != nil {
		return err
	}
	if version > schemaVersion {
		return fmt.Errorf("it is newer (%d) than this binary (%d); install a newer cloudpay or choose another directory",
			version, schemaVersion)
	}
	if _, err := conn.ExecContext(ctx, "BEGIN IMMEDIATE;"+schema+"PRAGMA user_version = 1; COMMIT"); err != nil {
		return fmt.Errorf("%w; is another sandbox running on this directory?", err)
	}
	return nil
}

func (b *books) close() error {
	b.mu.Lock()
	defer b.mu.Unlock()
	var errs []error
	for _, st := range b.stmts {
		errs = append(errs, st.Close())
	}
	clear(b.stmts)
	if b.conn != nil {
		errs = append(errs, b.conn.Close())
	}
	return errors.Join(append(errs, b.db.Close())...)
}

// run executes fn in one transaction and returns after it is on disk. Calls
// are serialised, which is what makes an approval and a reverse exclude each
// other. An error from fn rolls everything back. The caller's cancellation is
// ignored: a wallet does not stop because the till hung up.
func (b *books) run(ctx context.Context, now func() time.Time, fn func(ctx context.Context, tx *txn) error) (err error) {
	ctx = context.WithoutCancel(ctx)
	b.mu.Lock()
	defer b.mu.Unlock()
	tx := &txn{b: b, now: now().UTC().Truncate(time.Millisecond)}
	if err := tx.exec(ctx, "BEGIN IMMEDIATE"); err != nil {
		return fmt.Errorf("begin: %w", err)
	}
	committed := false
	defer func() { // also when fn panics, so that the next call finds a clean connection
		if !committed {
			err = errors.Join(err, tx.exec(ctx, "ROLLBACK"))
		}
	}()
	if err := fn(ctx, tx); err != nil {
		return err
	}
	if err := tx.exec(ctx, "COMMIT"); err != nil {
		return fmt.Errorf("commit: %w", err)
	}
	committed = true
	return nil
}

// prepared is what a transaction does with a statement the books keep open.
type prepared interface {
	ExecContext(ctx context.Context, args ...any) (sql.Result, error)
	QueryContext(ctx context.Context, args ...any) (*sql.Rows, error)
	QueryRowContext(ctx context.Context, args ...any) *sql.Row
}

// stmt returns the prepared form of a query. The texts are constants of this
// package, so the cache is bounded by the source.
func (t *txn) stmt(ctx context.Context, query string) (prepared, error) {
	if st := t.b.stmts[query]; st != nil {
		return st, nil
	}
	st, err := t.b.conn.PrepareContext(ctx, query)
	if err != nil {
		return nil, err
	}
	t.b.stmts[query] = st
	return st, nil
}

func (t *txn) exec(ctx context.Context, query string, args ...any) error {
	st, err := t.stmt(ctx, query)
	if err != nil {
		return err
	}
	_, err = st.ExecContext(ctx, args...)
	return err
}

// row runs a query of at most one row into dest and reports whether there was one.
func (t *txn) row(ctx context.Context, query string, args, dest []any) (bool, error) {
	st, err := t.stmt(ctx, query)
	if err != nil {
		return false, err
	}
	err = st.QueryRowContext(ctx, args...).Scan(dest...)
	if errors.Is(err, sql.ErrNoRows) {
		return false, nil
	}
	return err == nil, err
}

// each runs a query and calls scan once per row.
func (t *txn) each(ctx context.Context, query string, args []any, scan func(*sql.Rows) error) (err error) {
	st, err := t.stmt(ctx, query)
	if err != nil {
		return err
	}
	rows, err := st.QueryContext(ctx, args...)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, rows.Close()) }()
	for rows.Next() {
		if err := scan(rows); err != nil {
			return err
		}
	}
	return rows.Err()
}

// next is the number the next row of a numbered table gets. Rows of those
// tables are never deleted, so a number is never given twice.
func (t *txn) next(ctx context.Context, query string) (int64, error) {
	var n int64
	_, err := t.row(ctx, query, nil, []any{&n})
	return n, err
}
