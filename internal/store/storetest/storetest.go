// Package storetest gives tests a real database: a SQLite file or a
// PostgreSQL database of their own, migrated and empty.
//
// It knows how to start a private PostgreSQL server, once per test process,
// with the settings of a real one (fsync is on). It must not know what is
// tested. Only tests import it.
//
// Two variables of the environment matter. CLOUDPAY_TEST_PG is the URL of a
// server to use instead of a private one; its user must be allowed to create
// databases. CLOUDPAY_REQUIRE_PG=1 turns the skipping of tests on a machine
// without PostgreSQL into failures.
package storetest

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"io"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"

	"cloudpay/internal/store"
)

// startTimeout bounds the start of a server and the creation of a database. On a
// busy machine hundreds of databases are made and dropped at once, each with its
// checkpoint, and a minute was not enough.
const startTimeout = 5 * time.Minute

// Open opens the database of one test, as often as it is called: every call is
// another process to the database. mods change the configuration before it is
// used. The store is closed when the test ends.
type Open func(mods ...func(*store.Config)) *store.Store

// Engine is one of the databases that a test runs on.
type Engine struct {
	Name string // store.SQLite or store.Postgres
	// DSN returns where an empty database of the test's own is.
	DSN func(testing.TB) string
}

// Engines returns both engines, for a subtest each.
func Engines() []Engine {
	return []Engine{{store.SQLite, SQLite}, {store.Postgres, Postgres}}
}

// New makes a fresh migrated database and returns how to open it.
func (e Engine) New(tb testing.TB) Open {
	tb.Helper()
	if e.Name == store.Postgres {
		template, err := migratedDatabase()
		if err != nil {
			tb.Fatal(err)
		}
		if template != "" {
			return opener(tb, postgres(tb, template))
		}
	}
	return Migrated(tb, e.DSN(tb))
}

// Migrated migrates an empty database and returns how to open it.
func Migrated(tb testing.TB, dsn string) Open {
	tb.Helper()
	Migrate(tb, dsn)
	return opener(tb, dsn)
}

// opener returns how to open the migrated database at dsn.
func opener(tb testing.TB, dsn string) Open {
	tb.Helper()
	return func(mods ...func(*store.Config)) *store.Store {
		tb.Helper()
		c := store.Config{DSN: dsn, PoolSize: 8}
		for _, mod := range mods {
			mod(&c)
		}
		s, err := store.Open(tb.Context(), c)
		if err != nil {
			tb.Fatal(err)
		}
		tb.Cleanup(func() {
			if err := s.Close(); err != nil {
				tb.Error(err)
			}
		})
		return s
	}
}

// Migrate migrates a database. A SQLite file that does not exist yet becomes a
// copy of one that was migrated before: to go through all migrations takes 40 ms
// of CPU, and a second under the race detector, hundreds of times.
func Migrate(tb testing.TB, dsn string) {
	tb.Helper()
	path, lite := strings.CutPrefix(dsn, "sqlite:")
	if _, err := os.Stat(path); lite && errors.Is(err, os.ErrNotExist) {
		db, err := migratedFile()
		if err == nil {
			err = os.WriteFile(path, db, 0o600)
		}
		if err != nil {
			tb.Fatal(err)
		}
		return
	}
	if _, _, err := store.Migrate(tb.Context(), store.Config{DSN: dsn}); err != nil {
		tb.Fatal(err)
	}
}

// migratedFile returns the bytes of a migrated, empty SQLite file, which it
// makes once per test process.
var migratedFile = sync.OnceValues(func() ([]byte, error) {
	dir, err := os.MkdirTemp("", "cloudpay-migrated")
	if err != nil {
		return nil, err
	}
	path := filepath.Join(dir, "pay.db")
	var db []byte
	if _, _, err = store.Migrate(context.Background(), store.Config{DSN: "sqlite:" + path}); err == nil {
		db, err = os.ReadFile(path) // #nosec G304 -- just made
	}
	return db, errors.Join(err, os.RemoveAll(dir))
})

// SQLite returns the DSN of a file that does not exist yet, in a directory
// that is removed when the test ends.
func SQLite(tb testing.TB) string {
	tb.Helper()
	return "sqlite:" + filepath.Join(tb.TempDir(), "cloudpay.db")
}

// Postgres returns the URL of an empty database that is dropped when the test
// ends. Where there is no PostgreSQL it skips the test, or fails it if
// CLOUDPAY_REQUIRE_PG is 1.
func Postgres(tb testing.TB) string {
	tb.Helper()
	return postgres(tb, "template1")
}

// postgres is Postgres with a copy of a database.
func postgres(tb testing.TB, template string) string {
	tb.Helper()
	server, err := private()
	if err != nil {
		if v, _ := os.LookupEnv("CLOUDPAY_REQUIRE_PG"); v == "1" {
			tb.Fatalf("PostgreSQL is required: %v", err)
		}
		tb.Skipf("NOT TESTED ON POSTGRESQL: %v", err)
	}
	name := "t" + strings.ToLower(rand.Text())
	if err := execute(tb.Context(), server.dsn, "CREATE DATABASE "+name+" TEMPLATE "+template); err != nil {
		tb.Fatal(err)
	}
	tb.Cleanup(func() {
		// The test's context has ended; the database must go all the same.
		if err := execute(context.WithoutCancel(tb.Context()), server.dsn, "DROP DATABASE "+name+" WITH (FORCE)"); err != nil {
			tb.Error(err)
		}
	})
	dsn, err := server.database(name)
	if err != nil {
		tb.Fatal(err)
	}
	return dsn
}

// execute runs one statement on a connection of its own.
func execute(ctx context.Context, dsn, statement string) error {
	ctx, cancel := context.WithTimeout(ctx, startTimeout)
	defer cancel()
	conn, err := pgx.Connect(ctx, dsn)
	if err != nil {
		return err
	}
	_, err = conn.Exec(ctx, statement)
	return errors.Join(err, conn.Close(ctx))
}

// server is a PostgreSQL server for tests.
type server struct {
	dsn string
	// lifeline, while it is open, keeps a private server running. The end of the
	// process closes it, however that comes; it is kept here so that the garbage
	// collector does not close it before.
	lifeline io.Closer
}

// database returns the URL of a database of the server.
func (s server) database(name string) (dsn string, err error) {
	u, err := url.Parse(s.dsn)
	if err != nil {
		return "", err
	}
	u.Path = "/" + name
	return u.String(), nil
}

// migratedDatabase makes a migrated, empty database, once per test process, and
// returns its name. It is "" where there is no server, and on one of others, on
// which it would stay behind.
var migratedDatabase = sync.OnceValues(func() (name string, err error) {
	s, err := private()
	if err != nil || s.lifeline == nil {
		return "", nil // Postgres says so, or skips the test
	}
	ctx := context.Background()
	if err := execute(ctx, s.dsn, "CREATE DATABASE migrated"); err != nil {
		return "", err
	}
	dsn, err := s.database("migrated")
	if err != nil {
		return "", err
	}
	if _, _, err := store.Migrate(ctx, store.Config{DSN: dsn}); err != nil {
		return "", err
	}
	// Only a database that nobody is connected to can be copied, and PostgreSQL
	// waits five seconds for those who have just gone.
	return "migrated", execute(ctx, s.dsn, "SELECT pg_terminate_backend(pid, 60000) FROM pg_stat_activity WHERE datname = 'migrated'")
})

// private returns the server of this process, which the first call starts.
var private = sync.OnceValues(func() (server, error) {
	if dsn, ok := os.LookupEnv("CLOUDPAY_TEST_PG"); ok && dsn != "" {
		return server{dsn: dsn}, nil
	}
	s, err := start()
	if err != nil {
		fmt.Fprintln(os.Stderr, "storetest: no PostgreSQL for tests:", err)
	}
	return s, err
})
