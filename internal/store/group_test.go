package store

import (
	"context"
	"errors"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"
)

func idle() *unit { return &unit{done: make(chan struct{})} }

func TestQueueIsBoundedAndWaitsWithTheCaller(t *testing.T) {
	t.Parallel()
	l := newLine(maxGroup, &counters{})
	var wg sync.WaitGroup
	for range maxQueue {
		wg.Go(func() {
			if err := l.submit(t.Context(), idle()); err != nil {
				t.Error(err)
			}
		})
	}
	for len(l.in) < maxQueue {
		time.Sleep(time.Millisecond)
	}
	ctx, cancel := context.WithTimeoutCause(t.Context(), 10*time.Millisecond, errors.New("the caller gave up"))
	defer cancel()
	if err := l.submit(ctx, idle()); err == nil || err.Error() != "the caller gave up" {
		t.Fatalf("submit beyond the limit = %v, want the end of the caller", err)
	}
	largest := 0
	go l.run(func(g []*unit) { largest = max(largest, len(g)) })
	wg.Wait()
	l.close()
	if largest != maxGroup {
		t.Errorf("largest group has %d units, want %d", largest, maxGroup)
	}
	if q := l.stats.queued.Load(); q != 0 {
		t.Errorf("%d units are still counted as queued", q)
	}
}

func TestUnitIsCommittedAfterItsCallerGaveUp(t *testing.T) {
	t.Parallel()
	l := newLine(maxGroup, &counters{})
	begun, goOn := make(chan struct{}), make(chan struct{})
	go l.run(func([]*unit) { close(begun); <-goOn })
	u := idle()
	ctx, cancel := context.WithCancel(t.Context())
	answer := make(chan error, 1)
	go func() { answer <- l.submit(ctx, u) }()
	<-begun
	cancel()
	if err := <-answer; !errors.Is(err, context.Canceled) {
		t.Fatalf("submit = %v, want the end of the caller", err)
	}
	close(goOn)
	<-u.done
	l.close()
}

func TestCloseCommitsWhatIsQueuedAndRefusesTheRest(t *testing.T) {
	t.Parallel()
	l := newLine(8, &counters{})
	units := make([]*unit, 100)
	for i := range units {
		units[i] = idle()
		if err := l.send(t.Context(), units[i]); err != nil {
			t.Fatal(err)
		}
	}
	go l.run(func([]*unit) {})
	l.close()
	for _, u := range units {
		<-u.done
	}
	if err := l.submit(t.Context(), idle()); !errors.Is(err, errClosed) {
		t.Fatalf("submit after close = %v", err)
	}
	l.close() // again is harmless
}

func TestGroupIsWhatQueuedDuringTheLastCommit(t *testing.T) {
	t.Parallel()
	l := newLine(maxGroup, &counters{})
	var sizes []int
	began, first := make(chan struct{}), make(chan struct{})
	go l.run(func(g []*unit) {
		if sizes = append(sizes, len(g)); len(sizes) == 1 {
			close(began)
			<-first
		}
	})
	if err := l.send(t.Context(), idle()); err != nil {
		t.Fatal(err)
	}
	<-began // an empty queue is not enough: the group may still be looking for more
	for range 10 {
		if err := l.send(t.Context(), idle()); err != nil {
			t.Fatal(err)
		}
	}
	close(first)
	l.close()
	if len(sizes) != 2 || sizes[1] != 10 {
		t.Errorf("groups have %v units, want [1 10]", sizes)
	}
}

func TestPositionalKeepsTheOrderOfArguments(t *testing.T) {
	t.Parallel()
	text, order := positional("SELECT $2, $1, $2 WHERE x = $11")
	if text != "SELECT ?, ?, ? WHERE x = ?" || len(order) != 4 || order[0] != 1 || order[1] != 0 || order[2] != 1 || order[3] != 10 {
		t.Errorf("positional = %q, %v", text, order)
	}
}

func TestLimitsAreHiddenFromThePlanner(t *testing.T) {
	t.Parallel()
	for query, want := range map[string]string{
		"SELECT 1 FROM a ORDER BY b LIMIT $14":    "SELECT 1 FROM a ORDER BY b LIMIT ($14 + 0)",
		"SELECT 1 FROM a LIMIT $18 OFFSET $17":    "SELECT 1 FROM a LIMIT ($18 + 0) OFFSET $17",
		"SELECT 1 WHERE x IN (SELECT y LIMIT $2)": "SELECT 1 WHERE x IN (SELECT y LIMIT ($2 + 0))",
		"SELECT 1 LIMIT 1":                        "SELECT 1 LIMIT 1",
	} {
		if got := planned(query); got != want {
			t.Errorf("planned(%q) = %q, want %q", query, got, want)
		}
	}
}

func TestErrorsOfAFileSayWhatToDo(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	path := filepath.Join(dir, "x.db")
	full := func(t *testing.T) error {
		t.Helper()
		db, err := sqliteFile(path, "rwc", "max_page_count(2)")
		if err != nil {
			t.Fatal(err)
		}
		defer func() { _ = db.Close() }()
		_, err = db.ExecContext(t.Context(), "CREATE TABLE t (x); INSERT INTO t VALUES (zeroblob(100000))")
		return err
	}
	readOnly := func(t *testing.T) error {
		t.Helper()
		db, err := sqliteFile(path, "rw", "query_only(1)")
		if err != nil {
			t.Fatal(err)
		}
		defer func() { _ = db.Close() }()
		_, err = db.ExecContext(t.Context(), "CREATE TABLE u (x)")
		return err
	}
	absent := func(t *testing.T) error {
		t.Helper()
		db, err := sqliteFile(filepath.Join(dir, "none", "x.db"), "rw")
		if err != nil {
			t.Fatal(err)
		}
		defer func() { _ = db.Close() }()
		return db.PingContext(t.Context())
	}
	for _, tt := range []struct {
		name, want string
		err        error
	}{
		{"full", "make room", full(t)},
		{"read only", "may not be written", readOnly(t)},
		{"absent", "cannot be opened", absent(t)},
		{"other", "some error", errors.New("some error")},
	} {
		if err := explain(path, tt.err); err == nil || !strings.Contains(err.Error(), tt.want) {
			t.Errorf("%s: %v, want %q", tt.name, err, tt.want)
		}
	}
	if err := explain(path, nil); err != nil {
		t.Errorf("no error became %v", err)
	}
}

func TestUnitCannotReadAndReadersCannotWrite(t *testing.T) {
	t.Parallel()
	u := idle()
	if rows, err := (*recorder)(u).Query(t.Context(), "SELECT 1"); err == nil {
		rows.Close()
		t.Error("a unit read")
	}
	if err := (*recorder)(u).QueryRow(t.Context(), "SELECT 1").Scan(); err == nil {
		t.Error("a unit read a row")
	}
	if _, err := (liteReader{}).Exec(t.Context(), "DELETE FROM orders"); err == nil {
		t.Error("a reader wrote")
	}
	for range maxStatements {
		if _, err := (*recorder)(u).Exec(t.Context(), ""); err != nil {
			t.Fatal(err)
		}
	}
	if _, err := (*recorder)(u).Exec(t.Context(), ""); err == nil {
		t.Error("a unit grew beyond its limit")
	}
}
