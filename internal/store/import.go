package store

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"slices"
	"strings"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/stdlib"
)

// Import is what fills an empty database.
type Import struct {
	Export
	// Next returns the next row of a table, nil behind its last. It is asked table
	// by table, in the order of Export.Tables.
	Next func(table int) ([]any, error)
	// Loaded looks at the database once it is filled, before anybody can use it:
	// its DSN differs from that of the target on SQLite. An error undoes the import.
	Loaded func(Config) error
}

// ImportFrom makes a database of what an export of this or an older schema
// holds, and brings it to the schema of this binary. The target must be empty:
// on SQLite no file, on PostgreSQL a database without tables in its schema. All
// rows come in one transaction. On SQLite the file appears at its path when
// all of it is done and checked; after an error on PostgreSQL the database may
// hold our tables, empty or not, and must be made anew.
func ImportFrom(ctx context.Context, c Config, in Import) error {
	if err := importFrom(ctx, c, in); err != nil {
		return fmt.Errorf("import store: %w", err)
	}
	return nil
}

func importFrom(ctx context.Context, c Config, in Import) error {
	if in.Schema > latest() {
		return fmt.Errorf("it is of a newer schema (%d) than this binary (%d); install a newer cloudpay", in.Schema, latest())
	}
	if in.Schema < 1 {
		return errors.New("it names no schema")
	}
	engine, err := c.engine()
	if err != nil {
		return err
	}
	if engine == SQLite {
		return importSQLite(ctx, c, in)
	}
	if err := emptyPostgres(ctx, c); err != nil {
		return err
	}
	if err := fill(ctx, c, engine, in); err != nil {
		return fmt.Errorf("%w; drop the target database and make it anew before you try again", err)
	}
	return nil
}

// importSQLite fills a file beside the target and puts it there at the end.
func importSQLite(ctx context.Context, c Config, in Import) (err error) {
	path := strings.TrimPrefix(c.DSN, "sqlite:")
	if err := absentFiles(path); err != nil {
		return err
	}
	half := path + ".restoring"
	f, err := os.OpenFile(half, os.O_CREATE|os.O_EXCL|os.O_RDWR, 0o600) // #nosec G304 -- the operator names the file
	if err != nil {
		return fmt.Errorf("%w; if no other import runs, remove what one left behind", err)
	}
	defer func() {
		for _, suffix := range []string{"", "-wal", "-shm"} {
			if e := os.Remove(half + suffix); e != nil && !errors.Is(e, fs.ErrNotExist) {
				err = errors.Join(err, e)
			}
		}
	}()
	if err := f.Close(); err != nil {
		return err
	}
	c.DSN = "sqlite:" + half
	if err := fill(ctx, c, SQLite, in); err != nil {
		return explain(half, err)
	}
	// The last connection has copied the log into the file; if not, the file alone
	// would be less than what was checked.
	if err := absentFiles(half + "-wal"); err != nil {
		return err
	}
	// A link, unlike a rename, does not replace what came there meanwhile.
	return os.Link(half, path)
}

// absentFiles refuses to write where a database is, or the log of one.
func absentFiles(path string) error {
	for _, p := range []string{path, path + "-wal"} {
		if _, err := os.Lstat(p); !errors.Is(err, fs.ErrNotExist) {
			return errors.Join(fmt.Errorf("the target is not empty: %s exists; name another, or move it away", p), err)
		}
	}
	return nil
}

// emptyPostgres refuses a database that holds tables.
func emptyPostgres(ctx context.Context, c Config) (err error) {
	db, _, err := c.wholeDB(Postgres)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, db.Close()) }()
	var n int
	const query = "SELECT count(*) FROM information_schema.tables WHERE table_schema = current_schema()"
	if err := db.QueryRowContext(ctx, query).Scan(&n); err != nil {
		return err
	}
	if n > 0 {
		return fmt.Errorf("the target is not empty: its schema holds %d tables; make a new database", n)
	}
	return nil
}

// fill makes the schema of the export, loads it, has it looked at, and goes on
// to the schema of this binary.
func fill(ctx context.Context, c Config, engine string, in Import) error {
	if _, _, err := migrateTo(ctx, c, in.Schema); err != nil {
		return err
	}
	if err := load(ctx, c, engine, in); err != nil {
		return err
	}
	if err := in.Loaded(c); err != nil {
		return err
	}
	_, _, err := migrateTo(ctx, c, latest())
	return err
}

// load writes all rows in one transaction.
func load(ctx context.Context, c Config, engine string, in Import) (err error) {
	db, begin, err := c.loadDB(engine)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, db.Close()) }()
	conn, err := db.Conn(ctx)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, conn.Close()) }()
	tables, err := describe(ctx, conn, engine)
	if err != nil {
		return err
	}
	// From here on the names are those of our own migrations.
	if !slices.EqualFunc(tables, in.Tables, func(a, b Table) bool { return a.Name == b.Name && slices.Equal(a.Columns, b.Columns) }) {
		return fmt.Errorf("its tables are not those of schema %d of this binary", in.Schema)
	}
	if _, err := conn.ExecContext(ctx, begin); err != nil {
		return err
	}
	if err = loadTables(ctx, conn, engine, in); err == nil {
		_, err = conn.ExecContext(ctx, "COMMIT")
	}
	if err != nil {
		// The connection ends with it: there is nothing else to undo.
		_, _ = conn.ExecContext(context.WithoutCancel(ctx), "ROLLBACK")
	}
	return err
}

func (c *Config) loadDB(engine string) (*sql.DB, string, error) {
	if engine == SQLite {
		db, err := migrateSQLite(strings.TrimPrefix(c.DSN, "sqlite:"))
		return db, "BEGIN IMMEDIATE", err
	}
	db, _, err := c.wholeDB(engine)
	return db, "BEGIN", err
}

func loadTables(ctx context.Context, conn *sql.Conn, engine string, in Import) error {
	// Migrations write a few rows of their own; the export has them as they are now.
	for _, t := range slices.Backward(in.Tables) {
		if _, err := conn.ExecContext(ctx, "DELETE FROM "+quoted(t.Name)); err != nil { //nolint:gosec // quoted, and ours
			return fmt.Errorf("table %s: %w", t.Name, err)
		}
	}
	for i, t := range in.Tables {
		next := func() ([]any, error) { return in.Next(i) }
		write := insertRows
		if engine == Postgres {
			write = copyRows
		}
		if err := write(ctx, conn, t, next); err != nil {
			return fmt.Errorf("table %s: %w", t.Name, err)
		}
	}
	return nil
}

// insertRows writes the rows of one table on SQLite.
func insertRows(ctx context.Context, conn *sql.Conn, t Table, next func() ([]any, error)) (err error) {
	marks := strings.TrimSuffix(strings.Repeat("?, ", len(t.Columns)), ", ")
	//nolint:gosec // the names are quoted, and those of our migrations
	st, err := conn.PrepareContext(ctx, "INSERT INTO "+quoted(t.Name)+" ("+strings.Join(t.names(quoted), ", ")+") VALUES ("+marks+")")
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, st.Close()) }()
	for {
		values, err := next()
		if err != nil || values == nil {
			return err
		}
		if _, err := st.ExecContext(ctx, values...); err != nil {
			return err
		}
	}
}

// copyRows writes the rows of one table on PostgreSQL.
func copyRows(ctx context.Context, conn *sql.Conn, t Table, next func() ([]any, error)) error {
	return conn.Raw(func(c any) error {
		own, ok := c.(*stdlib.Conn)
		if !ok {
			return errors.New("the driver of PostgreSQL has changed")
		}
		names := t.names(func(name string) string { return name })
		_, err := own.Conn().CopyFrom(ctx, pgx.Identifier{t.Name}, names, pgx.CopyFromFunc(func() ([]any, error) { return next() }))
		return err
	})
}

// names returns the names of the columns, each as f writes it.
func (t Table) names(f func(string) string) []string {
	out := make([]string, len(t.Columns))
	for i, c := range t.Columns {
		out[i] = f(c.Name)
	}
	return out
}
