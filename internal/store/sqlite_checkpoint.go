package store

import (
	"context"
	"database/sql"
	"errors"
	"log/slog"
	"sync"
	"sync/atomic"

	"modernc.org/sqlite"
)

const (
	// checkpointPages is the length of the log, in pages of 4 KiB, at which it is
	// copied into the file. Pages that change often are copied once per length,
	// so a longer log costs less; 64 MB are read in a fraction of a second after
	// a crash.
	checkpointPages = 16000
	// forcedPages is the length at which the writer stops to copy the log by
	// itself: readers that never end, or a disk that does not keep up, must not
	// fill it.
	forcedPages = 16 * checkpointPages
)

const copyLog = "PRAGMA wal_checkpoint(PASSIVE)"

// checkpointer copies the log into the file beside the writer, on a connection
// of its own. Left to itself, SQLite does it in the middle of a commit, and
// everybody waits for tenths of a second.
//
// While the writer goes on, the copy is never complete, and only a complete
// one lets the log begin anew. So the writer copies the rest, which is a few
// pages, before the group that comes next.
type checkpointer struct {
	db   *sql.DB
	log  *slog.Logger
	kick chan struct{} // closed when the writer ends
	rest atomic.Bool   // the writer is to copy what is left
	done chan struct{}
	end  sync.Once
}

func startCheckpointer(ctx context.Context, path string, log *slog.Logger) (*checkpointer, error) {
	db, err := sqliteFile(path, "rw", "synchronous(FULL)", "wal_autocheckpoint(0)")
	if err != nil {
		return nil, err
	}
	db.SetMaxOpenConns(1)
	c := &checkpointer{db: db, log: log, kick: make(chan struct{}, 1), done: make(chan struct{})}
	go func() {
		defer close(c.done)
		for range c.kick {
			var busy, logged, copied int
			err := db.QueryRowContext(ctx, copyLog).Scan(&busy, &logged, &copied)
			if err != nil {
				// Nothing is lost: the log is whole. The writer tries at forcedPages.
				log.WarnContext(ctx, "the log of the database cannot be copied into its file", slog.String("error", err.Error()))
				continue
			}
			c.rest.Store(true)
		}
	}()
	return c, nil
}

// close waits for the copy under way. The last connection that closes copies
// the rest.
func (c *checkpointer) close() error {
	c.end.Do(func() { close(c.kick) })
	<-c.done
	return c.db.Close()
}

// logLength follows the length of the log by what the writer has written.
type logLength struct {
	conn  sqlite.DBStatus
	long  int // pages after which the log is long
	begun int // pages written in all when the log began
	asked int // pages written in all when a copy was last asked for
}

// grown reports whether it is time for another copy.
func (l *logLength) grown() (bool, error) {
	written, _, err := l.conn.Status(sqlite.DBStatusCacheWrite, false)
	if err != nil || written-l.begun < l.long || written-l.asked < l.long/8 {
		return false, err
	}
	l.asked = written
	return true, nil
}

// anew notes that the log begins anew with the next group.
func (l *logLength) anew() error {
	written, _, err := l.conn.Status(sqlite.DBStatusCacheWrite, false)
	l.begun, l.asked = written, written
	return err
}

// beforeGroup copies the rest of the log if that is due.
func (w *liteWriter) beforeGroup(ctx context.Context) {
	if !w.checkpoint.rest.Swap(false) {
		return
	}
	_, err := w.exec(ctx, copyLog, nil)
	if err = errors.Join(err, w.length.anew()); err != nil {
		w.checkpoint.log.WarnContext(ctx, "the rest of the log cannot be copied", slog.String("error", err.Error()))
	}
}

// afterGroup asks for a copy of the log if it has grown long.
func (w *liteWriter) afterGroup(ctx context.Context) {
	grown, err := w.length.grown()
	if err != nil {
		w.checkpoint.log.WarnContext(ctx, "the length of the log is not known", slog.String("error", err.Error()))
	}
	if !grown {
		return
	}
	select {
	case w.checkpoint.kick <- struct{}{}:
	default: // one is under way
	}
}
