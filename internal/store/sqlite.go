package store

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"net/url"
	"os"
	"regexp"
	"strings"
	"sync"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"
	"github.com/jackc/pgx/v5/pgtype"

	"cloudpay/internal/store/sqlcgen"
)

const (
	// busyMS is how long a connection waits for another process that writes, in
	// milliseconds: a migration or a checkpoint, not a stuck program.
	busyMS = 5000
	// writerCacheKiB and readerCacheKiB bound the page caches, per connection.
	writerCacheKiB = 32 << 10
	readerCacheKiB = 2 << 10
	// verifyBelow is the largest file that Open checks in full, in bytes: about
	// a fifth of a second. Larger ones are checked by Verify (cloudpay doctor).
	verifyBelow = 32 << 20
)

// sqliteFile opens a file with pragmas. mode is SQLite's: ro, rw or rwc.
func sqliteFile(path, mode string, pragmas ...string) (*sql.DB, error) {
	q := url.Values{"mode": {mode}, "_pragma": append([]string{fmt.Sprintf("busy_timeout(%d)", busyMS)}, pragmas...)}
	u := url.URL{Scheme: "file", Opaque: (&url.URL{Path: path}).EscapedPath(), RawQuery: q.Encode()}
	return sql.Open("sqlite", u.String())
}

// lite is the backend on one SQLite file.
type lite struct {
	path    string
	disk    Disk
	readers *sql.DB
	cached  *statements
	ended   chan struct{} // closed when the writer has let go of its connection
	write   *sql.DB       // one connection, owned by the writer
	line    *line
	copies  *checkpointer
}

func openSQLite(ctx context.Context, c Config, stats *counters) (_ *lite, err error) {
	path := strings.TrimPrefix(c.DSN, "sqlite:")
	if err := checkSQLite(ctx, path); err != nil {
		return nil, err
	}
	l := &lite{path: path, disk: c.Disk}
	if l.write, err = sqliteFile(path, "rw", "journal_mode(WAL)", "synchronous(FULL)", "foreign_keys(1)",
		fmt.Sprintf("wal_autocheckpoint(%d)", forcedPages), fmt.Sprintf("cache_size(-%d)", writerCacheKiB)); err != nil {
		return nil, err
	}
	l.write.SetMaxOpenConns(1)
	if l.readers, err = sqliteFile(path, "rw", "query_only(1)", fmt.Sprintf("cache_size(-%d)", readerCacheKiB)); err != nil {
		return nil, errors.Join(err, l.write.Close())
	}
	l.readers.SetMaxOpenConns(c.PoolSize)
	l.readers.SetMaxIdleConns(c.PoolSize)
	l.cached = &statements{db: l.readers, all: map[string]*sql.Stmt{}}
	l.ended = make(chan struct{})
	group := maxGroup
	if c.OneByOne {
		group = 1
	}
	l.line = newLine(group, stats)
	if l.copies, err = startCheckpointer(context.WithoutCancel(ctx), path, c.Log); err != nil {
		return nil, errors.Join(err, l.readers.Close(), l.write.Close())
	}
	if err := startWriter(ctx, l, c, stats); err != nil {
		return nil, errors.Join(explain(path, err), l.copies.close(), l.readers.Close(), l.write.Close())
	}
	return l, nil
}

// checkSQLite looks at a file without changing it: it must exist, be whole,
// and have the schema of this binary.
func checkSQLite(ctx context.Context, path string) error {
	info, err := os.Stat(path)
	if err != nil {
		return fmt.Errorf("%w; run cloudpay migrate to make a new database", err)
	}
	db, err := sqliteFile(path, "ro")
	if err != nil {
		return err
	}
	db.SetMaxOpenConns(1)
	err = func() error {
		if info.Size() <= verifyBelow {
			if err := quickCheck(ctx, db); err != nil {
				return err
			}
		}
		v, err := appliedVersion(ctx, db)
		if err != nil {
			return err
		}
		return checkVersion(v)
	}()
	return explain(path, errors.Join(err, db.Close()))
}

// quickCheck reads every page.
func quickCheck(ctx context.Context, db *sql.DB) error {
	var found string
	if err := db.QueryRowContext(ctx, "PRAGMA quick_check(1)").Scan(&found); err != nil {
		return err
	}
	if found != "ok" {
		return fmt.Errorf("the file is corrupt; it was left as it is, restore a backup to another path: %s", found)
	}
	return nil
}

func (l *lite) commit(ctx context.Context, u *unit) error {
	heard, err := l.disk.Queue(ctx, u.what(), u.statements[0].args)
	if err != nil {
		return err
	}
	err = l.line.submit(ctx, u)
	if heard != nil {
		if lost := heard(); lost != nil {
			return lost
		}
	}
	return err
}

func (l *lite) reader() sqlcgen.DBTX { return liteReader{l.cached} }

func (l *lite) snapshot(ctx context.Context, f func(*sqlcgen.Queries) error) error {
	tx, err := l.readers.BeginTx(ctx, &sql.TxOptions{ReadOnly: true})
	if err != nil {
		return err
	}
	// A transaction that only read is ended the same way in either case.
	return errors.Join(f(sqlcgen.New(liteReader{tx})), tx.Rollback())
}

func (l *lite) ping(ctx context.Context) error {
	var one int
	return explain(l.path, l.readers.QueryRowContext(ctx, "SELECT 1").Scan(&one))
}

func (l *lite) verify(ctx context.Context) error {
	return explain(l.path, quickCheck(ctx, l.readers))
}

func (*lite) isolation(context.Context) (string, error) { return "serializable", nil }

func (l *lite) close() error {
	l.line.close()
	<-l.ended
	return errors.Join(l.copies.close(), l.readers.Close(), l.write.Close())
}

// querier is what a pool of prepared statements and a transaction share.
type querier interface {
	QueryContext(ctx context.Context, query string, args ...any) (*sql.Rows, error)
}

// statements keeps one prepared statement per query; database/sql prepares it
// once on each connection.
type statements struct {
	db  *sql.DB
	mu  sync.RWMutex
	all map[string]*sql.Stmt
}

// QueryContext runs a query, prepared.
func (s *statements) QueryContext(ctx context.Context, query string, args ...any) (*sql.Rows, error) {
	s.mu.RLock()
	st := s.all[query]
	s.mu.RUnlock()
	if st == nil {
		var err error
		if st, err = s.prepare(ctx, query); err != nil {
			return nil, err
		}
	}
	return st.QueryContext(ctx, args...)
}

func (s *statements) prepare(ctx context.Context, query string) (*sql.Stmt, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if st := s.all[query]; st != nil {
		return st, nil
	}
	st, err := s.db.PrepareContext(ctx, planned(query)) //nolint:sqlclosecheck // kept; closing the pool closes it
	if err == nil {
		s.all[query] = st
	}
	return st, err
}

// planned hides the number behind LIMIT from SQLite's planner. It would look at
// it while it prepares, and prepare the statement anew at each run that binds
// another: for a look at due jobs that costs more than the look.
func planned(query string) string { return limited.ReplaceAllString(query, "LIMIT ($1 + 0)") }

var limited = regexp.MustCompile(`LIMIT (\$[0-9]+)`)

// liteReader runs the reads of code that sqlc generated for pgx on SQLite.
type liteReader struct{ q querier }

var errReadOnly = errors.New("store: writing needs a unit of work")

// Exec refuses: changes are units of work.
func (liteReader) Exec(context.Context, string, ...any) (pgconn.CommandTag, error) {
	return pgconn.CommandTag{}, errReadOnly
}

// Query runs a query of many rows.
func (r liteReader) Query(ctx context.Context, query string, args ...any) (pgx.Rows, error) {
	rows, err := r.q.QueryContext(ctx, query, args...) //nolint:rowserrcheck // the generated code checks
	if err != nil {
		return nil, err
	}
	return liteRows{rows}, nil
}

// QueryRow runs a query of one row.
func (r liteReader) QueryRow(ctx context.Context, query string, args ...any) pgx.Row {
	rows, err := r.q.QueryContext(ctx, query, args...) //nolint:rowserrcheck // Scan checks
	return liteRow{rows, err}
}

// liteRow is one row that is closed by Scan.
type liteRow struct {
	rows *sql.Rows
	err  error
}

// Scan reads the row, or returns sql.ErrNoRows.
func (r liteRow) Scan(dest ...any) error {
	if r.err != nil {
		return r.err
	}
	defer func() { _ = r.rows.Close() }()
	if !r.rows.Next() {
		if err := r.rows.Err(); err != nil {
			return err
		}
		return sql.ErrNoRows
	}
	if err := r.rows.Scan(dest...); err != nil {
		return err
	}
	return r.rows.Close()
}

// liteRows is what generated code needs of pgx.Rows: Next, Scan, Err and
// Close. The rest says that there is nothing.
type liteRows struct{ *sql.Rows }

// Close closes the rows. An error of closing shows in Err.
func (r liteRows) Close() { _ = r.Rows.Close() }

// CommandTag returns an empty tag.
func (liteRows) CommandTag() pgconn.CommandTag { return pgconn.CommandTag{} }

// FieldDescriptions returns none.
func (liteRows) FieldDescriptions() []pgconn.FieldDescription { return nil }

// Values refuses.
func (liteRows) Values() ([]any, error) { return nil, errReadOnly }

// RawValues returns none.
func (liteRows) RawValues() [][]byte { return nil }

// Conn returns none.
func (liteRows) Conn() *pgx.Conn { return nil }

// TypeMap returns none.
func (liteRows) TypeMap() *pgtype.Map { return nil }
