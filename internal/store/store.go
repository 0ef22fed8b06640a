// Package store holds all SQL of cloudpay, on SQLite or PostgreSQL from one
// source of schema and queries (design.md §6).
//
// # Units of work
//
// Every change is a unit of work: a closed list of statements of which the
// first takes a row by compare-and-set and writes the unit's id into it, and
// every later one requires that id (money.md §4). A unit that takes no row has
// lost: it writes nothing, and its caller is told won == false. Nobody is
// handed a transaction, so nothing can be read or called in the middle of one.
//
// # Group commit
//
// Units that arrive while a commit is under way are committed together by the
// next one. A caller is answered after the fsync that holds its unit. Units of
// one group do not affect each other: one that loses changes nothing, and when
// a statement fails the group is rolled back and its units are replayed one by
// one, so that only the unit at fault gets the error. Once submitted, a unit
// may commit even if its caller gives up: an error of ctx says that the outcome
// is not known, never that nothing happened. The same holds for every other
// error of a unit, although the store reads a unit back by its id before it
// answers for a commit whose result got lost.
//
// # What this room must not know
//
// It knows rows, and of the domain only the types. It must not know a rule of
// money, a wallet, the wire protocol or HTTP. It reads no clock: times come
// from callers, are stored as Unix milliseconds and come back in UTC, with the
// zero time stored as 0. All methods are safe for concurrent use.
package store

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"strings"
	"sync/atomic"

	"cloudpay/internal/directory"
	"cloudpay/internal/jobs"
	"cloudpay/internal/store/sqlcgen"
)

//go:generate go tool -modfile=../../tools/go.mod sqlc compile -f sqlc.lint.yaml
//go:generate go tool -modfile=../../tools/go.mod sqlc generate

// Defaults and limits of a configuration.
const (
	defaultCommitters = 2
	maxCommitters     = 8 // each owns a connection; more only shrinks the groups
	defaultPool       = 16
	maxPool           = 256
)

// The engines, as Engine names them.
const (
	SQLite   = "sqlite"
	Postgres = "postgres"
)

// Config says which database to open. The zero value of everything but DSN is
// usable.
type Config struct {
	// DSN is "sqlite:" and the path of a file, or a PostgreSQL URL, which may
	// name several hosts. It may hold a password: never print it.
	DSN string
	// OneByOne commits every unit in a transaction of its own, on PostgreSQL
	// unpipelined and through the pool: the baseline of the benchmark.
	OneByOne bool
	// Committers is how many connections commit groups on PostgreSQL, 2 to 4
	// being useful; 0 is 2. The units of one merchant always meet at the same
	// one. SQLite has one writer.
	Committers int
	// PoolSize is the most connections that read (and, with OneByOne, write);
	// 0 is 16.
	PoolSize int
	// Log takes what an operator should know, e.g. lost connections; nil is
	// slog.Default.
	Log *slog.Logger
	// Disk stands before SQLite's file in simulations; nil is none.
	Disk Disk

	logPages int // tests make SQLite's log short; 0 is checkpointPages
}

// check fills in what is left out and refuses what cannot be meant.
func (c *Config) check() error {
	if c.Committers == 0 {
		c.Committers = defaultCommitters
	}
	if c.PoolSize == 0 {
		c.PoolSize = defaultPool
	}
	if c.Log == nil {
		c.Log = slog.Default()
	}
	if c.Disk == nil {
		c.Disk = noDisk{}
	}
	if c.logPages == 0 {
		c.logPages = checkpointPages
	}
	if c.Committers < 1 || c.Committers > maxCommitters {
		return fmt.Errorf("committers must be between 1 and %d", maxCommitters)
	}
	if c.PoolSize < 1 || c.PoolSize > maxPool {
		return fmt.Errorf("pool size must be between 1 and %d", maxPool)
	}
	return nil
}

// engine tells SQLite and PostgreSQL apart by the form of the DSN.
func (c *Config) engine() (string, error) {
	switch {
	case strings.HasPrefix(c.DSN, "sqlite:"):
		if strings.TrimPrefix(c.DSN, "sqlite:") == "" {
			return "", errors.New(`the database has no path: write "sqlite:/path/cloudpay.db"`)
		}
		return SQLite, nil
	case strings.HasPrefix(c.DSN, "postgres://"), strings.HasPrefix(c.DSN, "postgresql://"):
		return Postgres, nil
	}
	return "", errors.New(`the database is not recognised: write "sqlite:/path/cloudpay.db" or "postgres://user@host/name"`)
}

// backend is what the two engines differ in.
type backend interface {
	// commit runs the unit and returns once it is durable or has lost.
	commit(ctx context.Context, u *unit) error
	// reader returns where single reads go.
	reader() sqlcgen.DBTX
	// snapshot runs f on one consistent read of everything.
	snapshot(ctx context.Context, f func(*sqlcgen.Queries) error) error
	ping(ctx context.Context) error
	verify(ctx context.Context) error
	isolation(ctx context.Context) (string, error)
	// close commits what was submitted and releases everything.
	close() error
}

// Store is an open database. Close it after its callers have stopped.
type Store struct {
	engine string
	db     backend
	read   *sqlcgen.Queries
	ids    *unitIDs
	stats  *counters
}

// The store is the queue of the job runner, and reads and writes the directory.
var (
	_ jobs.Queue       = (*Store)(nil)
	_ directory.Loader = (*Store)(nil)
	_ directory.Writer = (*Store)(nil)
)

// Open opens a database that Migrate has prepared. It refuses one that is
// missing, older or newer than this binary, corrupt or locked with a sentence
// that says what to do, and leaves it as it was.
func Open(ctx context.Context, c Config) (*Store, error) {
	s, err := open(ctx, c)
	if err != nil {
		return nil, fmt.Errorf("open store: %w", err)
	}
	return s, nil
}

func open(ctx context.Context, c Config) (*Store, error) {
	if err := c.check(); err != nil {
		return nil, err
	}
	engine, err := c.engine()
	if err != nil {
		return nil, err
	}
	s := &Store{engine: engine, ids: newUnitIDs(), stats: &counters{}}
	switch engine {
	case SQLite:
		s.db, err = openSQLite(ctx, c, s.stats)
	case Postgres:
		s.db, err = openPostgres(ctx, c, s.stats)
	}
	if err != nil {
		return nil, err
	}
	s.read = sqlcgen.New(s.db.reader())
	return s, nil
}

// Close commits the units that were submitted, refuses new ones, and releases
// files and connections. Closing again does nothing.
func (s *Store) Close() error {
	if err := s.db.close(); err != nil {
		return fmt.Errorf("close store: %w", err)
	}
	return nil
}

// Engine returns SQLite or Postgres.
func (s *Store) Engine() string { return s.engine }

// Ping reports whether the database answers.
func (s *Store) Ping(ctx context.Context) error {
	if err := s.db.ping(ctx); err != nil {
		return fmt.Errorf("ping store: %w", err)
	}
	return nil
}

// Verify reads the whole database and reports damage, as far as the engine can
// tell: SQLite checks every page, which takes seconds per gigabyte; PostgreSQL
// has no such check and is only asked for an answer.
func (s *Store) Verify(ctx context.Context) error {
	if err := s.db.verify(ctx); err != nil {
		return fmt.Errorf("verify store: %w", err)
	}
	return nil
}

// Isolation returns the level at which units really run: what PostgreSQL says
// of a committer's transactions, and "serializable" for the one writer of
// SQLite, which runs them one after the other.
func (s *Store) Isolation(ctx context.Context) (string, error) {
	level, err := s.db.isolation(ctx)
	if err != nil {
		return "", fmt.Errorf("ask for the isolation level: %w", err)
	}
	return level, nil
}

// Stats are figures since Open, for metrics.
type Stats struct {
	Units   int64 // units answered, won or lost or failed
	Lost    int64 // units that took no row
	Failed  int64 // units answered with an error
	Groups  int64 // commits that ended well
	Replays int64 // groups that failed and were replayed one by one
	Queued  int64 // units waiting for their commit right now
}

type counters struct {
	units, lost, failed, groups, replays, queued atomic.Int64
}

// Stats returns the figures. They are read one after the other, so they need
// not agree with each other to the unit.
func (s *Store) Stats() Stats {
	c := s.stats
	return Stats{
		Units: c.units.Load(), Lost: c.lost.Load(), Failed: c.failed.Load(),
		Groups: c.groups.Load(), Replays: c.replays.Load(), Queued: c.queued.Load(),
	}
}
