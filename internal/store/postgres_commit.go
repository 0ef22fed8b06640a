package store

import (
	"cmp"
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"log/slog"
	"strconv"
	"time"

	"github.com/jackc/pgx/v5/pgconn"
	"github.com/jackc/pgx/v5/pgtype"

	"cloudpay/internal/store/sqlcgen"
)

const (
	// groupTimeout bounds all that is done for one group, replays included: no
	// caller waits longer.
	groupTimeout = 30 * time.Second
	// maxAttempts bounds the replays of a unit that fails only because of
	// others: each of them is progress for somebody else.
	maxAttempts = 10
	// The pauses between attempts to reach a lost server.
	firstPause = 20 * time.Millisecond
	lastPause  = time.Second
)

// errTooLittle says that the server answered to fewer statements than were sent.
var errTooLittle = errors.New("the server answered too little")

// errDoubt says that a commit was sent and its answer got lost.
var errDoubt = errors.New("the answer to a commit got lost")

// committer commits the groups of some merchants on a connection of its own.
// It belongs to one goroutine.
type committer struct {
	ctx   context.Context //nolint:containedctx // ends when the store is closed: then nobody waits for a lost server
	cfg   *pgconn.Config
	stats *counters
	read  *sqlcgen.Queries
	lost  func() // is told when the connection is given up
	log   *slog.Logger

	conn     *pgconn.PgConn
	prepared map[string]*pgconn.StatementDescription // of conn, by the text of the query
	values   [][]byte                                // reused by every statement, like arena
	arena    []byte
}

// binaryForm says that all arguments are in binary form.
var binaryForm = []int16{1}

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
		// On a connection that still stands, only a deadlock is worth another
		// attempt; without one, nothing is once the store is being closed.
		if c.conn != nil && !isAgain(err) || c.conn == nil && c.ctx.Err() != nil || ctx.Err() != nil {
			break
		}
	}
	u.won, u.err = false, fmt.Errorf("commit unit: %w", err)
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
	if err := c.connect(ctx); err != nil {
		return err
	}
	if err := c.statements(ctx, group); err != nil {
		return errors.Join(err, c.rollback(ctx))
	}
	done, err := c.conn.Exec(ctx, "COMMIT").ReadAll()
	switch {
	case err == nil && len(done) == 1 && done[0].CommandTag.String() == "COMMIT":
		return nil
	case err == nil:
		return fmt.Errorf("%w: the server rolled a commit back", errContradiction)
	}
	if e, said := errors.AsType[*pgconn.PgError](err); said && e.SeverityUnlocalized == "ERROR" && !c.conn.IsClosed() {
		return errors.Join(err, c.rollback(ctx))
	}
	c.disconnect(ctx)
	return fmt.Errorf("%w: %w", errDoubt, err)
}

// statements begins a transaction, runs all statements of the group in it, and
// takes what they did.
func (c *committer) statements(ctx context.Context, group []*unit) error {
	b := &pgconn.Batch{}
	if err := c.queue(ctx, b, statement{sql: "BEGIN"}); err != nil {
		return err
	}
	for _, u := range group {
		for _, st := range u.statements {
			if err := c.queue(ctx, b, st); err != nil {
				return err
			}
		}
	}
	answers := c.conn.ExecBatch(ctx, b)
	next := func(int) (int64, error) {
		if !answers.NextResult() {
			return 0, cmp.Or(answers.Close(), errTooLittle)
		}
		tag, err := answers.ResultReader().Close()
		return tag.RowsAffected(), err
	}
	_, err := next(0)
	for _, u := range group {
		if err != nil {
			break
		}
		err = u.outcome(next)
	}
	return cmp.Or(err, answers.Close())
}

// queue adds a statement to a batch, prepared, with its arguments in
// PostgreSQL's binary form.
func (c *committer) queue(ctx context.Context, b *pgconn.Batch, st statement) error {
	p := c.prepared[st.sql]
	if p == nil {
		var err error
		name := "u" + strconv.Itoa(len(c.prepared))
		if p, err = c.conn.Prepare(ctx, name, resolve(st.sql, Postgres), nil); err != nil {
			return err
		}
		c.prepared[st.sql] = p
	}
	if err := c.encode(p.ParamOIDs, st.args); err != nil {
		return err
	}
	b.ExecStatement(p, c.values, binaryForm, nil)
	return nil
}

// encode puts arguments into c.values. Only the types that units use occur.
func (c *committer) encode(oids []uint32, args []any) error {
	if len(oids) != len(args) {
		return fmt.Errorf("a statement wants %d arguments and has %d", len(oids), len(args))
	}
	c.values, c.arena = c.values[:0], c.arena[:0]
	for i, arg := range args {
		start := len(c.arena)
		switch v, oid := arg, oids[i]; v := v.(type) {
		case string:
			c.arena = append(c.arena, v...)
			if oid != pgtype.TextOID {
				return fmt.Errorf("argument %d is text, not of type %d", i, oid)
			}
		case int64:
			c.arena = binary.BigEndian.AppendUint64(c.arena, uint64(v)) //nolint:gosec // two's complement is the form on the wire
			if oid != pgtype.Int8OID {
				return fmt.Errorf("argument %d is an integer, not of type %d", i, oid)
			}
		case int32:
			c.arena = binary.BigEndian.AppendUint64(c.arena, uint64(v)) //nolint:gosec // as above
			if oid != pgtype.Int8OID {
				return fmt.Errorf("argument %d is a limit, not of type %d", i, oid)
			}
		case bool:
			bit := byte(0)
			if v {
				bit = 1
			}
			c.arena = append(c.arena, bit)
			if oid != pgtype.BoolOID {
				return fmt.Errorf("argument %d is a boolean, not of type %d", i, oid)
			}
		case []byte:
			c.arena = append(c.arena, v...)
			if oid != pgtype.ByteaOID {
				return fmt.Errorf("argument %d is bytes, not of type %d", i, oid)
			}
		default:
			return fmt.Errorf("argument %d has type %T, which no unit uses", i, arg)
		}
		c.values = append(c.values, c.arena[start:len(c.arena):len(c.arena)])
	}
	return nil
}

// rollback ends a transaction that failed, or the connection if that fails too.
func (c *committer) rollback(ctx context.Context) error {
	if c.conn.IsClosed() {
		c.disconnect(ctx)
		return nil
	}
	_, err := c.conn.Exec(ctx, "ROLLBACK").ReadAll()
	if err != nil {
		c.disconnect(ctx)
	}
	return err
}

// connect makes a connection when there is none. It keeps trying while a
// server is restarted or replaced, until ctx ends or the store is being closed.
func (c *committer) connect(ctx context.Context) error {
	if c.conn != nil && !c.conn.IsClosed() {
		return nil
	}
	for pause := firstPause; ; pause = min(2*pause, lastPause) {
		conn, err := pgconn.ConnectConfig(ctx, c.cfg.Copy())
		if err == nil {
			if _, err = conn.Exec(ctx, keepCommits).ReadAll(); err == nil {
				c.conn, c.prepared = conn, map[string]*pgconn.StatementDescription{}
				return nil
			}
			err = errors.Join(err, conn.Close(ctx))
		}
		if pause == firstPause {
			c.log.WarnContext(ctx, "a committer cannot reach the database", slog.String("error", err.Error()))
		}
		timer := time.NewTimer(pause)
		select {
		case <-timer.C:
		case <-ctx.Done():
			timer.Stop()
			return err
		case <-c.ctx.Done():
			timer.Stop()
			return err
		}
	}
}

// disconnect gives the connection up, and with it the readers' idle ones: what
// ended one session has most likely ended all.
func (c *committer) disconnect(ctx context.Context) {
	if c.conn == nil {
		return
	}
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), connectTimeout)
	defer cancel()
	_ = c.conn.Close(ctx) // there is nothing left to lose on it
	c.conn = nil
	c.lost()
}
