package store

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"strings"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"

	"cloudpay/internal/store/sqlcgen"
)

const (
	// groupTimeout bounds everything that is done for one group: the lock
	// timeout of every statement of a replay would be longer than any caller
	// waits.
	groupTimeout = 30 * time.Second
	// maxAttempts bounds the replays of a unit that fails only because of
	// others: each of them is progress for somebody else.
	maxAttempts = 10
	// The pauses between attempts to reach a lost server.
	firstPause = 20 * time.Millisecond
	lastPause  = time.Second
)

// errDoubt says that a commit was sent and its answer got lost.
var errDoubt = errors.New("the answer to a commit got lost")

// committer commits the groups of some merchants on a connection of its own.
// It belongs to one goroutine.
type committer struct {
	ctx   context.Context //nolint:containedctx // ends when the store is closed: then nobody waits for a lost server
	cfg   *pgx.ConnConfig
	conn  *pgx.Conn
	stats *counters
	read  *sqlcgen.Queries
	log   *slog.Logger
}

// commit answers for every unit of a group.
func (c *committer) commit(group []*unit) {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(c.ctx), groupTimeout)
	defer cancel()
	err := c.transact(ctx, group)
	if err == nil {
		c.stats.groups.Add(1)
		return
	}
	c.stats.replays.Add(1)
	c.log.DebugContext(ctx, "group is replayed", slog.Int("units", len(group)), slog.String("error", err.Error()))
	doubt := errors.Is(err, errDoubt)
	for _, u := range group {
		c.replay(ctx, u, doubt, err)
	}
}

// replay commits one unit by itself after its group failed with err. doubt
// says that it may have been committed already. A unit that then takes no row
// has lost only if it cannot be found either: the commit in doubt may have gone
// through while the unit was being replayed.
func (c *committer) replay(ctx context.Context, u *unit, doubt bool, err error) {
	for range maxAttempts {
		if doubt && c.find(ctx, u, &err) {
			return
		}
		err = c.transact(ctx, []*unit{u})
		switch {
		case err == nil && !u.won && doubt:
			if u.found != nil {
				u.won, u.err = c.foundNow(ctx, u)
			}
			return
		case err == nil:
			c.stats.groups.Add(1)
			return
		case u.clash && isUnique(err):
			u.won = false
			return
		}
		doubt = doubt || errors.Is(err, errDoubt)
		if c.final(err) || ctx.Err() != nil {
			break
		}
	}
	u.won, u.err = false, fmt.Errorf("commit unit: %w", err)
}

// final reports an error that another attempt would meet again: one that the
// server or the rows themselves raised, on a connection that still stands.
func (c *committer) final(err error) bool {
	if errors.Is(err, errContradiction) {
		return true
	}
	_, said := errors.AsType[*pgconn.PgError](err)
	return said && !isAgain(err) && c.conn != nil
}

// find answers for a unit whose commit was in doubt, if it is there.
func (c *committer) find(ctx context.Context, u *unit, err *error) bool {
	if u.found == nil {
		return false
	}
	won, readErr := c.foundNow(ctx, u)
	if readErr != nil {
		*err = readErr
		return false
	}
	u.won = won
	return won
}

func (c *committer) foundNow(ctx context.Context, u *unit) (bool, error) {
	found, err := u.found(ctx, c.read)
	return found, wrap("read back unit", err)
}

// transact runs units in one transaction: one round trip for all statements,
// and one for the commit. It looks at what the statements did before it
// commits. After an error nothing of the units is there, unless the error is
// errDoubt.
func (c *committer) transact(ctx context.Context, group []*unit) error {
	conn, err := c.connect(ctx)
	if err != nil {
		return err
	}
	b := &pgx.Batch{}
	b.Queue("BEGIN")
	for _, u := range group {
		for _, st := range u.statements {
			b.Queue(resolved(st.sql), st.args...)
		}
	}
	br := conn.SendBatch(ctx, b)
	_, err = br.Exec()
	for _, u := range group {
		if err != nil {
			break
		}
		err = u.outcome(func(int) (int64, error) {
			tag, err := br.Exec()
			return tag.RowsAffected(), err
		})
	}
	if err = errors.Join(err, br.Close()); err != nil {
		return errors.Join(err, c.rollback(ctx))
	}
	tag, err := conn.Exec(ctx, "COMMIT")
	if err == nil && tag.String() != "COMMIT" {
		return fmt.Errorf("%w: the server rolled a commit back", errContradiction)
	}
	if err != nil {
		e, said := errors.AsType[*pgconn.PgError](err)
		if said && e.Severity == "ERROR" && !conn.IsClosed() {
			return errors.Join(err, c.rollback(ctx))
		}
		c.disconnect(ctx)
		return fmt.Errorf("%w: %w", errDoubt, err)
	}
	return nil
}

// outcome takes the row counts of a unit's statements, in order, and says what
// they mean for it.
func (u *unit) outcome(exec func(i int) (rows int64, err error)) error {
	u.won = true
	for i, st := range u.statements {
		rows, err := exec(i)
		if err != nil {
			return err
		}
		want := st.want
		if i == 0 && rows == 0 && !u.always {
			u.won = false
		}
		if !u.won {
			want = 0 // it has lost, so nothing may carry its id
		}
		if want != anyRows && rows != want {
			return fmt.Errorf("%w: statement %d of unit %s changed %d rows, not %d", errContradiction, i, u.id, rows, want)
		}
	}
	return nil
}

// rollback ends a transaction that failed, or the connection if that fails too.
func (c *committer) rollback(ctx context.Context) error {
	if c.conn.IsClosed() {
		c.conn = nil
		return nil
	}
	_, err := c.conn.Exec(ctx, "ROLLBACK")
	if err != nil {
		c.disconnect(ctx)
	}
	return err
}

// connect returns the connection, and makes a new one when it is lost. It keeps
// trying while a server is restarted or replaced, until ctx ends or the store
// is being closed.
func (c *committer) connect(ctx context.Context) (*pgx.Conn, error) {
	if c.conn != nil && !c.conn.IsClosed() {
		return c.conn, nil
	}
	pause := firstPause
	for {
		conn, err := pgx.ConnectConfig(ctx, c.cfg.Copy())
		if err == nil {
			if err = durable(ctx, conn); err == nil {
				c.conn = conn
				return conn, nil
			}
			err = errors.Join(err, conn.Close(ctx))
		}
		c.log.WarnContext(ctx, "a committer cannot reach the database", slog.String("error", err.Error()))
		timer := time.NewTimer(pause)
		select {
		case <-timer.C:
		case <-ctx.Done():
			timer.Stop()
			return nil, err
		case <-c.ctx.Done():
			timer.Stop()
			return nil, err
		}
		pause = min(2*pause, lastPause)
	}
}

// disconnect gives the connection up.
func (c *committer) disconnect(ctx context.Context) {
	if c.conn == nil {
		return
	}
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), connectTimeout)
	defer cancel()
	_ = c.conn.Close(ctx) // there is nothing left to lose on it
	c.conn = nil
}

// resolved uncovers what is marked for PostgreSQL. Few queries have marks.
func resolved(query string) string {
	if !strings.Contains(query, "/*"+Postgres+":") {
		return query
	}
	return resolve(query, Postgres)
}
