package store

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/jackc/pgx/v5/stdlib"
)

// Kind is what a column of an export holds. Our schema knows these four.
type Kind string

// The kinds, and what a value of each is in Go.
const (
	KindText  Kind = "text"  // string
	KindInt   Kind = "int"   // int64
	KindBool  Kind = "bool"  // bool
	KindBytes Kind = "bytes" // []byte
)

// Column is one column of one table.
type Column struct {
	Name string `json:"name"`
	Kind Kind   `json:"kind"`
}

// Table is one table of an export, its columns in the order of their names.
type Table struct {
	Name    string   `json:"name"`
	Columns []Column `json:"columns"`
}

// Export describes all that a database of ours holds, the same on both engines.
type Export struct {
	Engine string  // where it was read: SQLite or Postgres
	Schema int64   // the version of the schema
	Tables []Table // parents before the children that refer to them
}

// ExportTo reads a whole database at one instant, while others write: on SQLite
// a read transaction, which the writer does not wait for, and on PostgreSQL
// REPEATABLE READ. It hands over what there is, then every row, table by table,
// in no particular order of rows; table is an index of Export.Tables, values
// are in the order of its columns and valid until row returns. It refuses a
// database that is newer than this binary, or not ours.
func ExportTo(ctx context.Context, c Config, head func(Export) error, row func(table int, values []any) error) error {
	if err := exportTo(ctx, c, head, row); err != nil {
		return fmt.Errorf("export store: %w", explain(strings.TrimPrefix(c.DSN, "sqlite:"), err))
	}
	return nil
}

func exportTo(ctx context.Context, c Config, head func(Export) error, row func(int, []any) error) (err error) {
	engine, err := c.engine()
	if err != nil {
		return err
	}
	db, begin, err := c.wholeDB(engine)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, db.Close()) }()
	conn, err := db.Conn(ctx)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, conn.Close()) }()
	if _, err := conn.ExecContext(ctx, begin); err != nil {
		return err
	}
	// It only read, so it ends the same way in either case; a connection that
	// broke has nothing to end.
	defer func() { _, _ = conn.ExecContext(context.WithoutCancel(ctx), "ROLLBACK") }()
	e := Export{Engine: engine}
	if e.Schema, err = appliedVersion(ctx, conn); err != nil {
		return err
	}
	switch {
	case e.Schema == 0:
		return errors.New("the database is empty: there is nothing to export")
	case e.Schema > latest():
		return checkVersion(e.Schema)
	}
	if e.Tables, err = describe(ctx, conn, engine); err != nil {
		return err
	}
	if err := head(e); err != nil {
		return err
	}
	for i, t := range e.Tables {
		if err := exportTable(ctx, conn, t, func(values []any) error { return row(i, values) }); err != nil {
			return fmt.Errorf("table %s: %w", t.Name, err)
		}
	}
	return nil
}

// wholeDB opens a database for reading all of it, and returns how the
// transaction for that begins.
func (c *Config) wholeDB(engine string) (*sql.DB, string, error) {
	if engine == SQLite {
		db, err := sqliteFile(strings.TrimPrefix(c.DSN, "sqlite:"), "rw", "query_only(1)")
		return db, "BEGIN", err
	}
	cfg, err := pgConfig(c.DSN)
	if err != nil {
		return nil, "", err
	}
	// Whole tables are read here, for which the planner knows best.
	maps.DeleteFunc(cfg.RuntimeParams, func(name, _ string) bool { return pgPlans[name] != "" })
	return stdlib.OpenDB(*cfg), "BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY", nil
}

// exportTable reads every row of one table. Its names come from the catalogue
// of the same database.
func exportTable(ctx context.Context, conn *sql.Conn, t Table, row func([]any) error) (err error) {
	names := make([]string, len(t.Columns))
	into, values := make([]any, len(t.Columns)), make([]any, len(t.Columns))
	for i, c := range t.Columns {
		names[i], into[i] = quoted(c.Name), c.Kind.destination()
	}
	//nolint:gosec // the names are quoted, and the catalogue's
	rows, err := conn.QueryContext(ctx, "SELECT "+strings.Join(names, ", ")+" FROM "+quoted(t.Name))
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, rows.Close()) }()
	for rows.Next() {
		if err := rows.Scan(into...); err != nil {
			return err
		}
		for i, p := range into {
			values[i] = pointed(p)
		}
		if err := row(values); err != nil {
			return err
		}
	}
	return rows.Err()
}

// destination returns what a column is scanned into.
func (k Kind) destination() any {
	switch k {
	case KindInt:
		return new(int64)
	case KindBool:
		return new(bool)
	case KindBytes:
		return new(sql.RawBytes)
	case KindText:
	}
	return new(string)
}

// pointed returns the value that was scanned.
func pointed(p any) any {
	switch p := p.(type) {
	case *int64:
		return *p
	case *bool:
		return *p
	case *sql.RawBytes:
		return []byte(*p)
	case *string:
		return *p
	}
	return nil
}

// quoted writes a name of a table or column for SQL.
func quoted(name string) string { return `"` + strings.ReplaceAll(name, `"`, `""`) + `"` }

// The catalogues of the engines. goose's own table is the version, which an
// export names by itself.
var (
	catalogue = map[string]string{
		SQLite: `SELECT t.name, c.name, lower(c.type) FROM sqlite_master AS t JOIN pragma_table_xinfo(t.name) AS c
			WHERE t.type = 'table' AND t.name NOT LIKE 'sqlite~_%' ESCAPE '~' AND t.name <> 'goose_db_version' ORDER BY 1, 2`,
		Postgres: `SELECT c.relname::text, a.attname::text, format_type(a.atttypid, NULL)
			FROM pg_class AS c JOIN pg_attribute AS a ON a.attrelid = c.oid AND a.attnum > 0 AND NOT a.attisdropped
			WHERE c.relnamespace = current_schema()::regnamespace AND c.relkind IN ('r', 'p') AND c.relname <> 'goose_db_version'
			ORDER BY c.relname::text COLLATE "C", a.attname::text COLLATE "C"`,
	}
	parents = map[string]string{
		SQLite: `SELECT t.name, f."table" FROM sqlite_master AS t JOIN pragma_foreign_key_list(t.name) AS f WHERE t.type = 'table'`,
		Postgres: `SELECT c.relname::text, p.relname::text FROM pg_constraint AS f
			JOIN pg_class AS c ON c.oid = f.conrelid JOIN pg_class AS p ON p.oid = f.confrelid
			WHERE f.contype = 'f' AND c.relnamespace = current_schema()::regnamespace`,
	}
	kinds = map[string]Kind{
		"text": KindText, "bigint": KindInt, "integer": KindInt, "boolean": KindBool, "bytea": KindBytes, "blob": KindBytes,
	}
)

// describe reads which tables and columns there are, parents first and
// otherwise by name.
func describe(ctx context.Context, conn *sql.Conn, engine string) ([]Table, error) {
	var tables []Table
	err := eachRow(ctx, conn, catalogue[engine], 3, func(v []string) error {
		k, ok := kinds[v[2]]
		if !ok {
			return fmt.Errorf("column %s of table %s has type %s, which an export does not know", v[1], v[0], v[2])
		}
		if n := len(tables); n == 0 || tables[n-1].Name != v[0] {
			tables = append(tables, Table{Name: v[0]})
		}
		t := &tables[len(tables)-1]
		t.Columns = append(t.Columns, Column{Name: v[1], Kind: k})
		return nil
	})
	if err != nil {
		return nil, err
	}
	of := map[string][]string{}
	err = eachRow(ctx, conn, parents[engine], 2, func(v []string) error {
		if v[0] != v[1] {
			of[v[0]] = append(of[v[0]], v[1])
		}
		return nil
	})
	if err != nil {
		return nil, err
	}
	return parentsFirst(tables, of)
}

// parentsFirst puts tables behind those that they refer to.
func parentsFirst(tables []Table, parents map[string][]string) ([]Table, error) {
	sorted, done := make([]Table, 0, len(tables)), map[string]bool{}
	for len(sorted) < len(tables) {
		before := len(sorted)
		for _, t := range tables {
			waits := slices.ContainsFunc(parents[t.Name], func(p string) bool { return !done[p] })
			if !done[t.Name] && !waits {
				sorted, done[t.Name] = append(sorted, t), true
			}
		}
		if len(sorted) == before {
			return nil, errors.New("the tables refer to each other in a circle")
		}
	}
	return sorted, nil
}

// eachRow runs a query of n columns of text.
func eachRow(ctx context.Context, conn *sql.Conn, query string, n int, f func([]string) error) (err error) {
	rows, err := conn.QueryContext(ctx, query)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, rows.Close()) }()
	values, into := make([]string, n), make([]any, n)
	for i := range values {
		into[i] = &values[i]
	}
	for rows.Next() {
		if err := rows.Scan(into...); err != nil {
			return err
		}
		if err := f(values); err != nil {
			return err
		}
	}
	return rows.Err()
}
