package store

import (
	"bytes"
	"context"
	"database/sql"
	"embed"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path"
	"strconv"
	"strings"

	"github.com/jackc/pgx/v5/stdlib"
	"github.com/pressly/goose/v3"
	"github.com/pressly/goose/v3/lock"
	sqlite3 "modernc.org/sqlite/lib"
)

//go:embed migrations/*.sql
var migrations embed.FS

// Migrate brings a database to the schema of this binary and returns the
// versions before and after, 0 being an empty database. On SQLite it makes the
// file, readable by its owner only. It refuses a database that is newer than
// this binary and changes nothing then. Several processes may call it at once
// on PostgreSQL.
func Migrate(ctx context.Context, c Config) (from, to int64, err error) {
	if from, to, err = migrateTo(ctx, c, latest()); err != nil {
		return from, to, fmt.Errorf("migrate store: %w", err)
	}
	return from, to, nil
}

// migrateTo goes up to a version. A database that is beyond it stays as it is.
func migrateTo(ctx context.Context, c Config, version int64) (from, to int64, err error) {
	if err := c.check(); err != nil {
		return 0, 0, err
	}
	engine, err := c.engine()
	if err != nil {
		return 0, 0, err
	}
	dialect, db, opts := goose.DialectSQLite3, (*sql.DB)(nil), []goose.ProviderOption{goose.WithDisableGlobalRegistry(true)}
	switch engine {
	case SQLite:
		db, err = migrateSQLite(strings.TrimPrefix(c.DSN, "sqlite:"))
	case Postgres:
		dialect = goose.DialectPostgres
		db, err = migratePostgres(c)
		locker, lockErr := lock.NewPostgresSessionLocker()
		opts, err = append(opts, goose.WithSessionLocker(locker)), errors.Join(err, lockErr)
	}
	if err != nil {
		return 0, 0, err
	}
	defer func() { err = errors.Join(err, db.Close()) }()
	if from, err = appliedVersion(ctx, db); err == nil && from > latest() {
		err = checkVersion(from)
	}
	if err != nil {
		return from, from, explain(strings.TrimPrefix(c.DSN, "sqlite:"), err)
	}
	sub, err := fs.Sub(migrations, "migrations")
	if err != nil {
		return from, from, err
	}
	p, err := goose.NewProvider(dialect, db, dialectFS{sub, engine}, opts...)
	if err != nil {
		return from, from, err
	}
	if _, err = p.UpTo(ctx, version); err != nil {
		return from, from, err
	}
	to, err = appliedVersion(ctx, db)
	return from, to, err
}

// migrateSQLite opens a file for changing its schema, and makes it if there is none.
func migrateSQLite(path string) (*sql.DB, error) {
	f, err := os.OpenFile(path, os.O_CREATE|os.O_RDWR, 0o600) // #nosec G304 -- the operator names the file
	if err != nil {
		return nil, err
	}
	if err := f.Close(); err != nil {
		return nil, err
	}
	db, err := sqliteFile(path, "rw", "journal_mode(WAL)", "synchronous(FULL)", "foreign_keys(1)")
	if err == nil {
		db.SetMaxOpenConns(1)
	}
	return db, err
}

func migratePostgres(c Config) (*sql.DB, error) {
	cfg, err := pgConfig(c.DSN)
	if err != nil {
		return nil, err
	}
	return stdlib.OpenDB(*cfg), nil
}

// latest is the version of the newest migration in this binary.
func latest() int64 {
	entries, err := migrations.ReadDir("migrations")
	if err != nil {
		panic("store: no migrations: " + err.Error())
	}
	var v int64
	for _, e := range entries {
		number, _, _ := strings.Cut(e.Name(), "_")
		n, err := strconv.ParseInt(number, 10, 64)
		if err != nil {
			panic("store: migration without a number: " + e.Name())
		}
		v = max(v, n)
	}
	return v
}

const (
	versionQuery   = "SELECT COALESCE(MAX(version_id), 0) FROM goose_db_version WHERE is_applied"
	undefinedTable = "42P01" // SQLSTATE: the database has no schema of ours yet
)

// rowQuerier is a pool or one connection.
type rowQuerier interface {
	QueryRowContext(ctx context.Context, query string, args ...any) *sql.Row
}

// appliedVersion reads the version of a database, 0 if it has no schema of ours.
func appliedVersion(ctx context.Context, db rowQuerier) (v int64, err error) {
	err = db.QueryRowContext(ctx, versionQuery).Scan(&v)
	if pgCode(err) == undefinedTable || sqliteCode(err) == sqlite3.SQLITE_ERROR && strings.Contains(err.Error(), "no such table") {
		return 0, nil
	}
	return v, err
}

// checkVersion refuses any version but ours, and says what to do.
func checkVersion(v int64) error {
	switch want := latest(); {
	case v > want:
		return fmt.Errorf("database is newer (%d) than this binary (%d); install a newer cloudpay", v, want)
	case v < want:
		return fmt.Errorf("database is older (%d) than this binary (%d); stop all cloudpay processes and run cloudpay migrate", v, want)
	}
	return nil
}

// dialectFS resolves the marker comments of the SQL it holds: what stands
// between /*sqlite: and :sqlite*/ is read by that engine only.
type dialectFS struct {
	fs.FS
	engine string
}

// Open opens a file with its markers resolved.
func (d dialectFS) Open(name string) (fs.File, error) {
	f, err := d.FS.Open(name)
	if err != nil || path.Ext(name) != ".sql" {
		return f, err
	}
	text, err := io.ReadAll(f)
	if err != nil {
		return nil, errors.Join(err, f.Close())
	}
	return resolvedFile{f, bytes.NewReader([]byte(resolve(string(text), d.engine)))}, nil
}

// resolvedFile is a file whose content was changed.
type resolvedFile struct {
	fs.File
	text *bytes.Reader
}

// Read reads the changed content.
func (f resolvedFile) Read(p []byte) (int, error) { return f.text.Read(p) }

// resolve uncovers what is marked for an engine. What is marked for others
// stays a comment.
func resolve(sqlText, engine string) string {
	return strings.NewReplacer("/*"+engine+":", "", ":"+engine+"*/", "").Replace(sqlText)
}

// resolved uncovers what is marked for PostgreSQL. Few queries have marks.
func resolved(query string) string {
	if !strings.Contains(query, "/*"+Postgres+":") {
		return query
	}
	return resolve(query, Postgres)
}
