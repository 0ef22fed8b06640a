package store

import (
	"context"
	"database/sql/driver"
	"errors"
	"fmt"
	"log/slog"
	"strings"

	"modernc.org/sqlite"
)

// liteWriter is the one goroutine that writes to a SQLite file. It owns a
// connection of the driver and its prepared statements.
//
// A group needs no SAVEPOINT per unit: a unit that loses has changed nothing,
// and a unit that fails rolls the whole group back, whose units are then
// replayed each in a transaction of its own. The effect is the same, and the
// two statements per unit are saved.
type liteWriter struct {
	path     string
	disk     Disk
	conn     driver.ConnPrepareContext
	prepared map[string]liteStatement
	args     []driver.NamedValue // reused by every statement
	stats    *counters

	checkpoint *checkpointer
	length     logLength
	full       bool // the file may not grow, as Disk says
}

// liteStatement is a prepared statement and the order of its arguments: SQLite
// binds ? faster than $7.
type liteStatement struct {
	driver.StmtExecContext
	order []int
	close func() error
}

// startWriter takes the write lock once, to see that it can be had, and starts
// the writer.
func startWriter(ctx context.Context, l *lite, c Config, stats *counters) error {
	conn, err := l.write.Conn(ctx)
	if err != nil {
		return err
	}
	w := &liteWriter{path: l.path, disk: l.disk, prepared: map[string]liteStatement{}, stats: stats, checkpoint: l.copies}
	w.length.long = c.logPages
	err = conn.Raw(func(c any) error {
		var prepares, counts bool
		w.conn, prepares = c.(driver.ConnPrepareContext)
		w.length.conn, counts = c.(sqlite.DBStatus)
		if !prepares || !counts {
			return errors.New("the driver of SQLite has changed")
		}
		return w.transact(context.WithoutCancel(ctx), nil)
	})
	if err != nil {
		return errors.Join(err, conn.Close())
	}
	ctx = context.WithoutCancel(ctx)
	go func() {
		defer close(l.ended)
		// The connection must not be used outside of Raw, so Raw lasts as long.
		_ = conn.Raw(func(any) error {
			l.line.run(func(group []*unit) {
				w.beforeGroup(ctx)
				w.commit(ctx, group)
				w.afterGroup(ctx)
			})
			w.finish(ctx)
			return nil
		})
		_ = conn.Close()
	}()
	return nil
}

// finish copies the whole log into the file and lets the statements go, so
// that after a clean stop the file alone is the database. A reader or another
// process may prevent the copy; nothing is lost then, the log is whole.
func (w *liteWriter) finish(ctx context.Context) {
	_, err := w.exec(ctx, "PRAGMA wal_checkpoint(TRUNCATE)", nil)
	for _, st := range w.prepared {
		err = errors.Join(err, st.close())
	}
	if err != nil {
		w.checkpoint.log.WarnContext(ctx, "the log of the database stays beside its file", slog.String("error", err.Error()))
	}
}

// commit answers for every unit of a group.
func (w *liteWriter) commit(ctx context.Context, group []*unit) {
	err := w.transact(ctx, group)
	if err == nil {
		w.stats.groups.Add(1)
		return
	}
	if _, ours := errors.AsType[*unitError](err); !ours || len(group) == 1 {
		// Beginning or committing failed: every unit would meet the same.
		for _, u := range group {
			w.fail(u, err)
		}
		return
	}
	w.stats.replays.Add(1)
	for _, u := range group {
		if err := w.transact(ctx, []*unit{u}); err != nil {
			w.fail(u, err)
			continue
		}
		w.stats.groups.Add(1)
	}
}

// fail answers for a unit that was rolled back.
func (w *liteWriter) fail(u *unit, err error) {
	u.won = false
	if u.clash && isUnique(err) {
		return
	}
	u.err = fmt.Errorf("commit unit: %w", explain(w.path, err))
}

// unitError is an error of one unit, as opposed to one of the transaction.
type unitError struct{ err error }

// Error returns the text of the cause.
func (e *unitError) Error() string { return e.err.Error() }

// Unwrap returns the cause.
func (e *unitError) Unwrap() error { return e.err }

// transact runs units in one transaction. After an error nothing of them is
// left behind, and their won is not to be believed.
func (w *liteWriter) transact(ctx context.Context, group []*unit) error {
	if err := w.disk.Commit(len(group)); err != nil {
		return err
	}
	if err := w.limit(ctx); err != nil {
		return err
	}
	if _, err := w.exec(ctx, "BEGIN IMMEDIATE", nil); err != nil {
		return err
	}
	for _, u := range group {
		if err := w.apply(ctx, u); err != nil {
			return errors.Join(&unitError{err}, w.rollback(ctx))
		}
	}
	if _, err := w.exec(ctx, "COMMIT", nil); err != nil {
		return errors.Join(err, w.rollback(ctx))
	}
	return w.disk.Committed(len(group))
}

// limit lets the file grow or not, as Disk says. A limit below the size of the
// file means that size; the other is SQLite's own.
func (w *liteWriter) limit(ctx context.Context) error {
	full := w.disk.Full()
	if full == w.full {
		return nil
	}
	pages := "PRAGMA max_page_count=4294967294"
	if full {
		pages = "PRAGMA max_page_count=1"
	}
	if _, err := w.exec(ctx, pages, nil); err != nil {
		return err
	}
	w.full = full
	return nil
}

// rollback ends a transaction that failed. Some errors have ended it already.
func (w *liteWriter) rollback(ctx context.Context) error {
	_, err := w.exec(ctx, "ROLLBACK", nil)
	if err != nil && strings.Contains(err.Error(), "no transaction is active") {
		return nil
	}
	return err
}

// apply runs one unit inside the transaction. What it does after losing would
// change nothing, so it stops there.
func (w *liteWriter) apply(ctx context.Context, u *unit) error {
	return u.outcome(func(i int) (int64, error) {
		if i > 0 && !u.won {
			return 0, nil
		}
		return w.exec(ctx, u.statements[i].sql, u.statements[i].args)
	})
}

// exec runs one statement, prepared, and returns the number of rows it changed.
func (w *liteWriter) exec(ctx context.Context, query string, args []any) (int64, error) {
	st, ok := w.prepared[query]
	if !ok {
		text, order := positional(planned(query))
		p, err := w.conn.PrepareContext(ctx, text)
		if err != nil {
			return 0, err
		}
		if st.StmtExecContext, ok = p.(driver.StmtExecContext); !ok {
			return 0, errors.New("the driver of SQLite has changed")
		}
		st.order, st.close = order, p.Close
		w.prepared[query] = st
	}
	w.args = w.args[:0]
	for i, n := range st.order {
		v := args[n]
		if n, ok := v.(int32); ok { // sqlc's type of LIMIT
			v = int64(n)
		}
		w.args = append(w.args, driver.NamedValue{Ordinal: i + 1, Value: v})
	}
	res, err := st.ExecContext(ctx, w.args)
	if err != nil {
		return 0, err
	}
	return res.RowsAffected()
}

// positional rewrites $1, $2 … to ? and returns which argument each ? takes.
// Our queries hold no $ but in parameters.
func positional(query string) (text string, order []int) {
	var b strings.Builder
	b.Grow(len(query))
	for {
		before, rest, found := strings.Cut(query, "$")
		b.WriteString(before)
		if !found {
			return b.String(), order
		}
		n, i := 0, 0
		for ; i < len(rest) && rest[i] >= '0' && rest[i] <= '9'; i++ {
			n = n*10 + int(rest[i]-'0')
		}
		b.WriteByte('?')
		order = append(order, n-1)
		query = rest[i:]
	}
}
