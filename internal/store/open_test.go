package store_test

import (
	"bytes"
	"context"
	"database/sql"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	_ "github.com/jackc/pgx/v5/stdlib"

	"cloudpay/internal/store"
	"cloudpay/internal/store/storetest"
)

// raw opens the database of a test past the store.
func raw(t *testing.T, dsn string) *sql.DB {
	t.Helper()
	driver, source := "pgx", dsn
	if path, ok := strings.CutPrefix(dsn, "sqlite:"); ok {
		driver, source = "sqlite", path
	}
	db, err := sql.Open(driver, source)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = db.Close() })
	return db
}

func run(t *testing.T, db *sql.DB, statement string) {
	t.Helper()
	if _, err := db.ExecContext(t.Context(), statement); err != nil {
		t.Fatal(err)
	}
}

// refusal opens a database that must be refused and returns the sentence.
func refusal(t *testing.T, dsn string) string {
	t.Helper()
	s, err := store.Open(t.Context(), store.Config{DSN: dsn})
	if err == nil {
		_ = s.Close()
		t.Fatal("the database was opened")
	}
	return err.Error()
}

func mentions(t *testing.T, sentence string, parts ...string) {
	t.Helper()
	for _, p := range parts {
		if !strings.Contains(sentence, p) {
			t.Errorf("%q does not say %q", sentence, p)
		}
	}
}

func TestMigrateTwiceIsHarmless(t *testing.T) {
	t.Parallel()
	for _, e := range storetest.Engines() {
		t.Run(e.Name, func(t *testing.T) {
			t.Parallel()
			c := store.Config{DSN: e.DSN(t)}
			from, to, err := store.Migrate(t.Context(), c)
			if err != nil || from != 0 || to < 3 {
				t.Fatalf("first Migrate = %d, %d, %v", from, to, err)
			}
			s := got[*store.Store](t)(store.Open(t.Context(), c))
			o := openPaid(t, s, "1")
			if err := s.Close(); err != nil {
				t.Fatal(err)
			}
			if again, still, err := store.Migrate(t.Context(), c); err != nil || again != to || still != to {
				t.Fatalf("second Migrate = %d, %d, %v", again, still, err)
			}
			s = storetest.Migrated(t, c.DSN)()
			same(t, "order", stored(t, s, "1"), o)
			same(t, "engine", s.Engine(), e.Name)
		})
	}
}

func TestNewerDatabaseIsRefusedWithAdvice(t *testing.T) {
	t.Parallel()
	for _, e := range storetest.Engines() {
		t.Run(e.Name, func(t *testing.T) {
			t.Parallel()
			dsn := e.DSN(t)
			_, ours, err := store.Migrate(t.Context(), store.Config{DSN: dsn})
			if err != nil {
				t.Fatal(err)
			}
			applied := map[string]string{store.SQLite: "1", store.Postgres: "true"}[e.Name]
			db := raw(t, dsn)
			run(t, db, "INSERT INTO goose_db_version (version_id, is_applied) VALUES (99, "+applied+")")
			if err := db.Close(); err != nil {
				t.Fatal(err)
			}
			before := content(t, dsn)
			want := fmt.Sprintf("database is newer (99) than this binary (%d); install a newer cloudpay", ours)
			same(t, "Open", refusal(t, dsn), "open store: "+want)
			_, _, err = store.Migrate(t.Context(), store.Config{DSN: dsn})
			if err == nil || !strings.Contains(err.Error(), want) {
				t.Errorf("Migrate = %v, want %q", err, want)
			}
			if !bytes.Equal(before, content(t, dsn)) {
				t.Error("the file was changed")
			}
		})
	}
}

// content returns the bytes of a SQLite file, nil for other databases.
func content(t *testing.T, dsn string) []byte {
	t.Helper()
	path, ok := strings.CutPrefix(dsn, "sqlite:")
	if !ok {
		return nil
	}
	return got[[]byte](t)(os.ReadFile(path))
}

func TestOlderDatabaseIsRefusedWithAdvice(t *testing.T) {
	t.Parallel()
	for _, e := range storetest.Engines() {
		t.Run(e.Name, func(t *testing.T) {
			t.Parallel()
			dsn := e.DSN(t)
			if e.Name == store.Postgres {
				mentions(t, refusal(t, dsn), "database is older (0)", "run cloudpay migrate")
			}
			if _, _, err := store.Migrate(t.Context(), store.Config{DSN: dsn}); err != nil {
				t.Fatal(err)
			}
			run(t, raw(t, dsn), "DELETE FROM goose_db_version WHERE version_id > 1")
			mentions(t, refusal(t, dsn), "database is older (1)", "run cloudpay migrate")
		})
	}
}

func TestMissingFileIsRefusedAndNotMade(t *testing.T) {
	t.Parallel()
	dsn := storetest.SQLite(t)
	mentions(t, refusal(t, dsn), "no such file", "run cloudpay migrate")
	if _, err := os.Stat(strings.TrimPrefix(dsn, "sqlite:")); !os.IsNotExist(err) {
		t.Errorf("the file was made: %v", err)
	}
}

func TestFileIsReadableByItsOwnerOnly(t *testing.T) {
	t.Parallel()
	dsn := "sqlite:" + filepath.Join(t.TempDir(), "with space % and ?.db")
	s := storetest.Migrated(t, dsn)()
	openPaid(t, s, "1")
	for _, suffix := range []string{"", "-wal", "-shm"} {
		info, err := os.Stat(strings.TrimPrefix(dsn, "sqlite:") + suffix)
		if err != nil {
			t.Fatal(err)
		}
		same(t, "mode of "+info.Name(), info.Mode().Perm(), 0o600)
	}
}

func TestCorruptFileIsRefusedAndLeftAsItIs(t *testing.T) {
	t.Parallel()
	for name, damage := range map[string]func([]byte) []byte{
		"not a database": func([]byte) []byte { return bytes.Repeat([]byte("money "), 4000) },
		"a page overwritten": func(b []byte) []byte {
			copy(b[5*4096:], bytes.Repeat([]byte{0xA5}, 4096))
			return b
		},
		"truncated": func(b []byte) []byte { return b[:len(b)/2] },
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			dsn := storetest.SQLite(t)
			if _, _, err := store.Migrate(t.Context(), store.Config{DSN: dsn}); err != nil {
				t.Fatal(err)
			}
			damaged := damage(content(t, dsn))
			if err := os.WriteFile(strings.TrimPrefix(dsn, "sqlite:"), damaged, 0o600); err != nil {
				t.Fatal(err)
			}
			mentions(t, refusal(t, dsn), "corrupt", "restore a backup")
			if !bytes.Equal(content(t, dsn), damaged) {
				t.Error("the file was changed")
			}
		})
	}
}

func TestLockedFileIsRefusedAndLosesNothing(t *testing.T) {
	t.Parallel()
	dsn := storetest.SQLite(t)
	s := storetest.Migrated(t, dsn)()
	o := openPaid(t, s, "1")
	holder := got[*sql.Conn](t)(raw(t, dsn).Conn(t.Context()))
	locks := func(statement string) {
		t.Helper()
		if _, err := holder.ExecContext(context.WithoutCancel(t.Context()), statement); err != nil {
			t.Fatal(err)
		}
	}
	locks("BEGIN IMMEDIATE")
	mentions(t, refusal(t, dsn), "locked by another process", "nothing was lost")
	won, err := s.OpenOrder(t.Context(), newOrder(s, "2"))
	if err == nil || won {
		t.Fatalf("a unit was committed through a lock: %v, %v", won, err)
	}
	mentions(t, err.Error(), "locked by another process")
	same(t, "readable while locked", stored(t, s, "1"), o)
	locks("ROLLBACK")
	open(t, s, newOrder(s, "2"))
	same(t, "after the lock", stored(t, s, "1"), o)
}

func TestUselessConfigurationIsRefused(t *testing.T) {
	t.Parallel()
	for dsn, part := range map[string]string{
		"":                         `write "sqlite:`,
		"sqlite:":                  "no path",
		"mysql://x":                "not recognised",
		"postgres://u:pa$%zz@host": "",
	} {
		sentence := refusal(t, dsn)
		mentions(t, sentence, "open store: ", part)
		if strings.Contains(sentence, "pa$") {
			t.Errorf("the sentence shows the password: %s", sentence)
		}
		if _, _, err := store.Migrate(t.Context(), store.Config{DSN: dsn}); err == nil {
			t.Errorf("Migrate accepted %q", dsn)
		}
	}
	for _, c := range []store.Config{{Committers: -1}, {Committers: 99}, {PoolSize: -1}, {PoolSize: 9999}} {
		c.DSN = storetest.SQLite(t)
		if _, err := store.Open(t.Context(), c); err == nil {
			t.Errorf("opened with %+v", c)
		}
	}
}

func TestServerThatIsNotThereIsRefused(t *testing.T) {
	t.Parallel()
	mentions(t, refusal(t, "postgres:///x?user=u&host="+t.TempDir()), "open store: ")
}
