package sandbox

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	_ "modernc.org/sqlite" // the database/sql driver named "sqlite"
)

// schemaVersion is the shape of sandbox.db this binary writes. The file is a
// test bench's, so a newer one is refused rather than migrated down.
const schemaVersion = 3

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
CREATE TABLE IF NOT EXISTS code_bindings ( -- one row: the only merchant who can charge a code
  code TEXT PRIMARY KEY REFERENCES codes (code), merchant TEXT NOT NULL) STRICT;
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
CREATE INDEX IF NOT EXISTS trades_of_customer ON trades (customer);
CREATE INDEX IF NOT EXISTS trades_waiting ON trades (customer, seq) WHERE state = 'waiting';
CREATE INDEX IF NOT EXISTS trades_rollback ON trades (rollback_ms) WHERE state = 'paid' AND rollback_ms > 0;
CREATE TABLE IF NOT EXISTS refunds (       -- one row: one refund number; unique_key is its scope in the wallet
  seq INTEGER PRIMARY KEY, trade INTEGER NOT NULL REFERENCES trades (seq), unique_key TEXT NOT NULL UNIQUE,
  out_refund_no TEXT NOT NULL, refund_id TEXT NOT NULL UNIQUE, amount INTEGER NOT NULL CHECK (amount > 0),
  state TEXT NOT NULL, fate TEXT NOT NULL, accepted_ms INTEGER NOT NULL, due_ms INTEGER NOT NULL,
  done_ms INTEGER NOT NULL, before INTEGER NOT NULL DEFAULT 0, account TEXT NOT NULL DEFAULT '',
  memo TEXT NOT NULL DEFAULT '{}') STRICT;
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
CREATE INDEX IF NOT EXISTS credits_of_customer ON credits (customer);
CREATE INDEX IF NOT EXISTS credits_of_trade ON credits (trade);
CREATE TABLE IF NOT EXISTS holdings (      -- one row: a merchant's account with one wallet, once something moved it
  channel TEXT NOT NULL, merchant TEXT NOT NULL, opening INTEGER NOT NULL, available INTEGER NOT NULL,
  unsettled INTEGER NOT NULL, rate INTEGER NOT NULL, moved_ms INTEGER NOT NULL, PRIMARY KEY (channel, merchant)) STRICT;
CREATE TABLE IF NOT EXISTS flows (         -- one row: money that really came to a merchant or left him; fee is the wallet's part
  seq INTEGER PRIMARY KEY, channel TEXT NOT NULL, provider TEXT NOT NULL, merchant TEXT NOT NULL, trade INTEGER NOT NULL,
  refund INTEGER NOT NULL, kind TEXT NOT NULL, gross INTEGER NOT NULL, fee INTEGER NOT NULL, at_ms INTEGER NOT NULL) STRICT;
CREATE INDEX IF NOT EXISTS flows_of_day ON flows (channel, provider, at_ms);
CREATE INDEX IF NOT EXISTS trades_by_paid ON trades (channel, provider, paid_ms) WHERE paid_ms > 0;
CREATE INDEX IF NOT EXISTS trades_by_end ON trades (channel, provider, ended_ms) WHERE paid_ms > 0 AND ended_ms > 0;
CREATE INDEX IF NOT EXISTS refunds_by_day ON refunds (accepted_ms);
CREATE INDEX IF NOT EXISTS refunds_by_end ON refunds (done_ms);
CREATE TABLE IF NOT EXISTS bill_files (    -- one row: a bill that waits to be downloaded under its token
  token TEXT PRIMARY KEY, owner TEXT NOT NULL, type TEXT NOT NULL, content BLOB NOT NULL, dead_ms INTEGER NOT NULL) STRICT;
CREATE TABLE IF NOT EXISTS prepared (      -- one row: a handle the wallet gave out for an order to be paid later
  seq INTEGER PRIMARY KEY, channel TEXT NOT NULL, provider TEXT NOT NULL, merchant TEXT NOT NULL,
  out_trade_no TEXT NOT NULL, handle TEXT NOT NULL UNIQUE, link TEXT NOT NULL, link_ms INTEGER NOT NULL,
  dead_ms INTEGER NOT NULL, total INTEGER NOT NULL, life_ms INTEGER NOT NULL, expire_ms INTEGER NOT NULL,
  context TEXT NOT NULL, memo TEXT NOT NULL) STRICT;
CREATE UNIQUE INDEX IF NOT EXISTS prepared_by_link ON prepared (link) WHERE link <> '';
CREATE INDEX IF NOT EXISTS prepared_by_number ON prepared (channel, merchant, out_trade_no);
CREATE TABLE IF NOT EXISTS notices (       -- one row: one message to a merchant's notify_url
  seq INTEGER PRIMARY KEY, trade INTEGER NOT NULL REFERENCES trades (seq), channel TEXT NOT NULL,
  provider TEXT NOT NULL, url TEXT NOT NULL, notify_id TEXT NOT NULL, fields TEXT NOT NULL,
  made_ms INTEGER NOT NULL, due_ms INTEGER NOT NULL, tries INTEGER NOT NULL, state TEXT NOT NULL,
  answer TEXT NOT NULL, form TEXT NOT NULL DEFAULT '') STRICT;
CREATE INDEX IF NOT EXISTS notices_due ON notices (due_ms) WHERE state = 'waiting';
CREATE INDEX IF NOT EXISTS notices_behind ON notices (provider) WHERE state = 'held_order';
CREATE INDEX IF NOT EXISTS notices_after_refund ON notices (trade) WHERE state = 'held_refund';
CREATE INDEX IF NOT EXISTS notices_of_trade ON notices (trade, seq);
CREATE TABLE IF NOT EXISTS grants (        -- one row: a code or token of a sign-in or authorisation page
  value TEXT PRIMARY KEY, kind TEXT NOT NULL, app_id TEXT NOT NULL, subject TEXT NOT NULL, refresh TEXT NOT NULL,
  scope TEXT NOT NULL, made_ms INTEGER NOT NULL, until_ms INTEGER NOT NULL, used_ms INTEGER NOT NULL) STRICT;
CREATE INDEX IF NOT EXISTS grants_by_refresh ON grants (refresh) WHERE refresh <> '';
CREATE TABLE IF NOT EXISTS faults (        -- one row: one rule of mischief; rng is its generator's state
  seq INTEGER PRIMARY KEY, spec TEXT NOT NULL, seen INTEGER NOT NULL, fired INTEGER NOT NULL, rng BLOB NOT NULL) STRICT;
CREATE TABLE IF NOT EXISTS fault_counts (  -- one row: how often a scenario was applied, since the file was made
  scenario TEXT PRIMARY KEY, fired INTEGER NOT NULL) STRICT;
`

// upgrades add columns to the tables of a file whose version is first to last;
// a table of its that is younger than the file is made by schema, whole.
var upgrades = []struct {
	first, last int
	sql         string
}{
	{1, 1, "ALTER TABLE refunds ADD COLUMN before INTEGER NOT NULL DEFAULT 0"}, // coupons
	{1, 1, "ALTER TABLE refunds ADD COLUMN account TEXT NOT NULL DEFAULT ''"},
	{1, 2, "ALTER TABLE refunds ADD COLUMN memo TEXT NOT NULL DEFAULT '{}'"}, // APIv3
	{2, 2, "ALTER TABLE notices ADD COLUMN form TEXT NOT NULL DEFAULT ''"},
}

// maxGroup bounds how many calls share one commit, so that none of them waits
// for an endless stream of others.
const maxGroup = 256

// errClosed is returned to calls that come after close.
var errClosed = errors.New("the sandbox is closed")

// books is the sandbox's database: one file, one connection, one writer at a
// time. Everything below mu is guarded by it.
type books struct {
	queued atomic.Int64 // callers waiting for mu who will run something
	mu     sync.Mutex
	db     *sql.DB
	conn   *sql.Conn
	stmts  map[string]*sql.Stmt
	group  *group // the open transaction, nil when there is none
	closed bool
}

// group is the calls that share one commit, and one fsync. done is closed
// when it is on disk, or lost, which err tells.
type group struct {
	calls int
	done  chan struct{}
	err   error
}

// txn is one call's view of the books: a savepoint of the open transaction,
// and the one time everything in it happens at.
type txn struct {
	b   *books
	now time.Time
}

// nowMS is the transaction's time as the tables keep it.
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
		return nil, errors.Join(fmt.Errorf("open sandbox database %s: %w", path, err), b.close(ctx))
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
	var older strings.Builder
	for _, u := range upgrades {
		if u.first <= version && version <= u.last {
			older.WriteString(u.sql + ";")
		}
	}
	if _, err := conn.ExecContext(ctx, "BEGIN IMMEDIATE;"+older.String()+schema+fmt.Sprintf("PRAGMA user_version = %d; COMMIT", schemaVersion)); err != nil {
		return fmt.Errorf("%w; is another sandbox running on this directory?", err)
	}
	return nil
}

// close commits what is under way and closes the file.
func (b *books) close(ctx context.Context) error {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.closed = true
	if b.group != nil {
		b.commit(context.WithoutCancel(ctx), b.group)
	}
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

// run executes fn alone and returns after what it wrote is on disk. Calls are
// serialised, which is what makes an approval and a reverse exclude each
// other; those that queued up meanwhile share the commit, which is what makes
// a slow disk bearable. An error from fn takes back what fn wrote and nothing
// else. The caller's cancellation is ignored: a wallet does not stop because
// the till hung up.
func (b *books) run(ctx context.Context, now func() time.Time, fn func(ctx context.Context, tx *txn) error) error {
	ctx = context.WithoutCancel(ctx)
	b.queued.Add(1)
	b.mu.Lock()
	b.queued.Add(-1)
	g, err := b.join(ctx)
	if err != nil {
		b.mu.Unlock()
		return err
	}
	func() {
		defer b.mu.Unlock()
		defer b.settle(ctx, g) // also when fn panics: others may be in the group
		err = b.attempt(ctx, &txn{b: b, now: now().UTC().Truncate(time.Millisecond)}, fn)
	}()
	<-g.done
	return errors.Join(err, g.err)
}

// join enters the open group, or opens one.
func (b *books) join(ctx context.Context) (*group, error) {
	if b.closed {
		return nil, errClosed
	}
	if b.group == nil {
		if err := (&txn{b: b}).exec(ctx, "BEGIN IMMEDIATE"); err != nil {
			return nil, fmt.Errorf("begin: %w", err)
		}
		b.group = &group{done: make(chan struct{})}
	}
	b.group.calls++
	return b.group, nil
}

// attempt runs fn under a savepoint.
func (b *books) attempt(ctx context.Context, tx *txn, fn func(ctx context.Context, tx *txn) error) (err error) {
	if err := tx.exec(ctx, "SAVEPOINT call"); err != nil {
		return fmt.Errorf("begin: %w", err)
	}
	kept := false
	defer func() { // also when fn panics
		if !kept {
			err = errors.Join(err, tx.exec(ctx, "ROLLBACK TO call"), tx.exec(ctx, "RELEASE call"))
		}
	}()
	if err := fn(ctx, tx); err != nil {
		return err
	}
	kept = true
	return tx.exec(ctx, "RELEASE call")
}

// settle commits the group unless somebody is queued who will join it and
// settle in turn. There is no timer: a caller who is alone commits at once.
func (b *books) settle(ctx context.Context, g *group) {
	if b.queued.Load() > 0 && g.calls < maxGroup {
		return
	}
	b.commit(ctx, g)
}

// commit puts a group on disk and lets its calls answer. After a failure none
// of them may, because nothing they wrote is known to last.
func (b *books) commit(ctx context.Context, g *group) {
	tx := &txn{b: b}
	if err := tx.exec(ctx, "COMMIT"); err != nil {
		g.err = errors.Join(fmt.Errorf("commit: %w", err), tx.exec(ctx, "ROLLBACK"))
	}
	b.group = nil
	close(g.done)
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

// exec runs a statement for its effect.
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
