package store_test

import (
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/pressly/goose/v3"

	"cloudpay/internal/directory"
	"cloudpay/internal/store"
	"cloudpay/internal/store/storetest"
)

// exported reads a whole database into memory.
func exported(t *testing.T, dsn string) (e store.Export, rows [][][]any) {
	t.Helper()
	err := store.ExportTo(t.Context(), store.Config{DSN: dsn}, func(head store.Export) error {
		e, rows = head, make([][][]any, len(head.Tables))
		return nil
	}, func(table int, values []any) error {
		kept := slices.Clone(values)
		for i, v := range kept {
			if b, ok := v.([]byte); ok {
				kept[i] = slices.Clone(b)
			}
		}
		rows[table] = append(rows[table], kept)
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	return e, rows
}

// from makes an import of what exported returned.
func from(e store.Export, rows [][][]any) store.Import {
	rows = slices.Clone(rows)
	return store.Import{Export: e, Loaded: func(store.Config) error { return nil }, Next: func(table int) ([]any, error) {
		if len(rows[table]) == 0 {
			return nil, nil
		}
		row := rows[table][0]
		rows[table] = rows[table][1:]
		return row, nil
	}}
}

// TestImportBringsAnOlderSchemaUp carries a database of the time before keys
// had a table of their own to the other engine and to today.
func TestImportBringsAnOlderSchemaUp(t *testing.T) {
	t.Parallel()
	for i, e := range storetest.Engines() {
		t.Run(e.Name, func(t *testing.T) {
			t.Parallel()
			dsn := e.DSN(t)
			if e.Name == store.SQLite {
				if err := os.WriteFile(dsn[len("sqlite:"):], nil, 0o600); err != nil {
					t.Fatal(err)
				}
			}
			db := raw(t, dsn)
			dialect, bytes, no := goose.DialectSQLite3, "X'0102'", "0"
			if e.Name == store.Postgres {
				dialect, bytes, no = goose.DialectPostgres, `'\x0102'`, "false"
			}
			p := got[*goose.Provider](t)(goose.NewProvider(dialect, db, os.DirFS("migrations"), goose.WithDisableGlobalRegistry(true)))
			got[[]*goose.MigrationResult](t)(p.UpTo(t.Context(), 4))
			run(t, db, "INSERT INTO providers (id, name, notify_url, data_key) VALUES ('p', '商户 \"P\" <a> \u2028', '', "+bytes+")")
			run(t, db, fmt.Sprintf("INSERT INTO merchants VALUES ('m', 'p', 'M', '', %s, '', '', %s, %s, %s, '', '', %s, '')", bytes, no, no, no, bytes))
			run(t, db, "UPDATE prefix_lock SET given = 7")
			closed(t, db)

			head, rows := exported(t, dsn)
			same(t, "schema", head.Schema, 4)
			to := storetest.Engines()[1-i].DSN(t)
			if err := store.ImportFrom(t.Context(), store.Config{DSN: to}, from(head, rows)); err != nil {
				t.Fatal(err)
			}
			s := got[*store.Store](t)(store.Open(t.Context(), store.Config{DSN: to}))
			m := got[directory.MerchantRows](t)(s.LoadMerchant(t.Context(), "m"))
			same(t, "keys", m.Keys, []directory.KeyRow{{MerchantID: "m", ID: "a1", Kind: directory.KindAuthen, Sealed: []byte{1, 2}}})
			if err := s.Close(); err != nil {
				t.Fatal(err)
			}
			after, now := exported(t, to)
			at := slices.IndexFunc(after.Tables, func(t store.Table) bool { return t.Name == "prefix_lock" })
			same(t, "rows that migrations write", now[at], [][]any{{int64(7), int64(1)}})
		})
	}
}

// TestExportDoesNotHoldUpWriters pays while an export stands still, and does
// not see the payment in it.
func TestExportDoesNotHoldUpWriters(t *testing.T) {
	t.Parallel()
	for _, e := range storetest.Engines() {
		t.Run(e.Name, func(t *testing.T) {
			t.Parallel()
			dsn := e.DSN(t)
			s := storetest.Migrated(t, dsn)()
			if err := storetest.Payments(t.Context(), s, "before", 4, 40); err != nil {
				t.Fatal(err)
			}
			counts := map[string]int{}
			var tables []store.Table
			paid := false
			err := store.ExportTo(t.Context(), store.Config{DSN: dsn}, func(e store.Export) error {
				tables = e.Tables
				return nil
			}, func(table int, _ []any) error {
				counts[tables[table].Name]++
				if paid {
					return nil
				}
				paid = true
				return storetest.Payments(t.Context(), s, "during", 4, 40)
			})
			if err != nil || !paid {
				t.Fatal(err, paid)
			}
			same(t, "orders and legs", []int{counts["orders"], counts["postings"]}, []int{40, 80})
		})
	}
}

// TestImportRefusesWhatIsNotEmptyOrNotOurs changes nothing then.
func TestImportRefusesWhatIsNotEmptyOrNotOurs(t *testing.T) {
	t.Parallel()
	for _, e := range storetest.Engines() {
		t.Run(e.Name, func(t *testing.T) {
			t.Parallel()
			dsn := e.DSN(t)
			storetest.Migrated(t, dsn)
			head, rows := exported(t, dsn)
			refused := func(what, to, why string, in store.Import) {
				t.Helper()
				if err := store.ImportFrom(t.Context(), store.Config{DSN: to}, in); err == nil || !strings.Contains(err.Error(), why) {
					t.Errorf("%s: %v, want an error with %q", what, err, why)
				}
			}
			refused("a database with our tables", dsn, "not empty", from(head, rows))
			newer := head
			newer.Schema += 1000
			refused("a newer schema", e.DSN(t), "newer schema", from(newer, rows))
			none := head
			none.Schema = 0
			refused("no schema", e.DSN(t), "no schema", from(none, rows))
			other := head
			other.Tables = slices.Clone(head.Tables)
			other.Tables[0].Name = `orders"; DROP TABLE orders; --`
			to := e.DSN(t)
			refused("a table that we do not have", to, "its tables are not those", from(other, rows))
			bad := from(head, rows)
			bad.Loaded = func(store.Config) error { return os.ErrInvalid }
			to = e.DSN(t)
			refused("what does not read back", to, os.ErrInvalid.Error(), bad)
			if path, lite := strings.CutPrefix(to, "sqlite:"); lite {
				same(t, "files left behind", got[[]string](t)(filepath.Glob(path+"*")), nil)
			}
		})
	}
}
