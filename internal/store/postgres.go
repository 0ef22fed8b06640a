package store

import (
	"context"
	"errors"
	"fmt"
	"hash/maphash"
	"log/slog"
	"maps"
	"sync"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"

	"cloudpay/internal/store/sqlcgen"
)

// Settings of every connection, as PostgreSQL spells them.
const (
	pgName = "cloudpay"
	// pgIsolation is what the units are written for: each is guarded by
	// compare-and-set, which needs no more, and never fails for others' sake.
	pgIsolation = "read committed"
	// pgLockTimeout gives up on a row that a stuck session holds, in
	// milliseconds, so that it stops its own unit and not a merchant's line.
	pgLockTimeout = "5000"
	// connectTimeout bounds one attempt to connect.
	connectTimeout = 5 * time.Second
)

// pgPlans keep the planner to the ways that our queries are written for. Each
// names a merchant and goes from key to key, in the order in which it says its
// joins. What the statistics of the moment say of a table that is just filling,
// or of a plan without its arguments, must not turn that into a walk over all
// orders.
var pgPlans = map[string]string{
	"enable_seqscan": "off", "enable_hashjoin": "off", "enable_mergejoin": "off", "enable_material": "off",
	"enable_bitmapscan": "off", "jit": "off", "join_collapse_limit": "1",
	// To start a helper process takes longer than any of our queries.
	"max_parallel_workers_per_gather": "0",
}

// pgConfig reads a DSN and adds the settings of every connection. An error of
// parsing does not repeat the password.
func pgConfig(dsn string) (*pgx.ConnConfig, error) {
	cfg, err := pgx.ParseConfig(dsn)
	if err != nil {
		return nil, err
	}
	pgSettings(cfg)
	return cfg, nil
}

func pgSettings(cfg *pgx.ConnConfig) {
	if cfg.ConnectTimeout == 0 {
		cfg.ConnectTimeout = connectTimeout
	}
	if cfg.RuntimeParams["application_name"] == "" {
		cfg.RuntimeParams["application_name"] = pgName
	}
	cfg.RuntimeParams["default_transaction_isolation"] = pgIsolation
	cfg.RuntimeParams["lock_timeout"] = pgLockTimeout
	maps.Copy(cfg.RuntimeParams, pgPlans)
}

// pg is the backend on PostgreSQL: a pool that reads, and committers.
type pg struct {
	cfg   *pgx.ConnConfig
	pool  *pgxpool.Pool
	lines []*line // one per committer; empty when every unit commits by itself
	seed  maphash.Seed
	hurry context.CancelFunc // ends the waiting for a lost server
	wg    sync.WaitGroup
	// oneByOne lets every unit commit by itself, through the pool.
	oneByOne bool
}

func openPostgres(ctx context.Context, c Config, stats *counters) (*pg, error) {
	pool, err := pgxpool.ParseConfig(c.DSN)
	if err != nil {
		return nil, err
	}
	pgSettings(pool.ConnConfig)
	pool.MaxConns = int32(c.PoolSize) //nolint:gosec // at most maxPool
	pool.AfterConnect = func(ctx context.Context, conn *pgx.Conn) error {
		_, err := conn.Exec(ctx, keepCommits)
		return err
	}
	p := &pg{cfg: pool.ConnConfig.Copy(), seed: maphash.MakeSeed()}
	if p.pool, err = pgxpool.NewWithConfig(ctx, pool); err != nil {
		return nil, err
	}
	if err := checkPostgres(ctx, p.pool, c.Log); err != nil {
		p.pool.Close()
		return nil, err
	}
	ctx, p.hurry = context.WithCancel(context.WithoutCancel(ctx))
	if c.OneByOne {
		p.oneByOne = true
		return p, nil
	}
	read := sqlcgen.New(p.pool)
	for range c.Committers {
		l := newLine(maxGroup, stats)
		w := &committer{ctx: ctx, cfg: &p.cfg.Config, stats: stats, read: read, lost: p.pool.Reset, log: c.Log}
		p.lines = append(p.lines, l)
		p.wg.Go(func() {
			l.run(w.commit)
			w.disconnect(ctx)
		})
	}
	return p, nil
}

// keepCommits makes sure that a commit is on disk before it is answered,
// however the server is configured.
const keepCommits = "SELECT set_config('synchronous_commit', 'on', false) WHERE current_setting('synchronous_commit') = 'off'"

// checkPostgres refuses a database whose schema is not ours, and says aloud
// when the server itself does not keep what it confirms.
func checkPostgres(ctx context.Context, pool *pgxpool.Pool, log *slog.Logger) error {
	var v int64
	err := pool.QueryRow(ctx, versionQuery).Scan(&v)
	if err != nil && pgCode(err) != undefinedTable {
		return err
	}
	if err := checkVersion(v); err != nil {
		return err
	}
	var fsync string
	if err := pool.QueryRow(ctx, "SHOW fsync").Scan(&fsync); err != nil {
		return err
	}
	if fsync != "on" {
		log.WarnContext(ctx, "the database server runs without fsync: a power cut loses confirmed payments")
	}
	return nil
}

func (p *pg) commit(ctx context.Context, u *unit) error {
	if p.oneByOne {
		return p.single(ctx, u)
	}
	n := maphash.String(p.seed, u.merchant) % uint64(len(p.lines))
	return p.lines[n].submit(ctx, u)
}

func (p *pg) reader() sqlcgen.DBTX { return p.pool }

func (p *pg) snapshot(ctx context.Context, f func(*sqlcgen.Queries) error) error {
	opts := pgx.TxOptions{IsoLevel: pgx.RepeatableRead, AccessMode: pgx.ReadOnly}
	return pgx.BeginTxFunc(ctx, p.pool, opts, func(tx pgx.Tx) error { return f(sqlcgen.New(tx)) })
}

func (p *pg) ping(ctx context.Context) error { return p.pool.Ping(ctx) }

func (p *pg) verify(ctx context.Context) error { return p.pool.Ping(ctx) }

// isolation asks a connection that is set up as a committer's.
func (p *pg) isolation(ctx context.Context) (level string, err error) {
	conn, err := pgx.ConnectConfig(ctx, p.cfg.Copy())
	if err != nil {
		return "", err
	}
	err = conn.QueryRow(ctx, "SHOW transaction_isolation").Scan(&level)
	return level, errors.Join(err, conn.Close(ctx))
}

func (p *pg) close() error {
	p.hurry()
	for _, l := range p.lines {
		l.close()
	}
	p.wg.Wait()
	p.pool.Close()
	return nil
}

// single commits a unit by itself, statement by statement: the baseline.
func (p *pg) single(ctx context.Context, u *unit) error {
	// The unit must not die with its caller.
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), groupTimeout)
	defer cancel()
	var err error
	for range maxAttempts {
		err = p.pool.AcquireFunc(ctx, func(c *pgxpool.Conn) error {
			conn := c.Conn()
			if _, err := conn.Exec(ctx, "BEGIN"); err != nil {
				return err
			}
			err := u.outcome(func(i int) (int64, error) {
				tag, err := conn.Exec(ctx, resolved(u.statements[i].sql), u.statements[i].args...)
				return tag.RowsAffected(), err
			})
			end := "COMMIT"
			if err != nil {
				end = "ROLLBACK"
			}
			_, endErr := conn.Exec(ctx, end)
			return errors.Join(err, endErr)
		})
		if !isAgain(err) {
			break
		}
	}
	if u.clash && isUnique(err) {
		u.won = false
		return nil
	}
	if err != nil {
		return fmt.Errorf("commit unit: %w", err)
	}
	return nil
}
