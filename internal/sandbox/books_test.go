package sandbox

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"sync"
	"testing"
	"time"
)

// TestOneCallsFailureIsItsOwn lets many calls share commits while some fail
// and some panic: what the others were told is on disk must be.
func TestOneCallsFailureIsItsOwn(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	b, err := openBooks(t.Context(), dir)
	if err != nil {
		t.Fatal(err)
	}
	now := func() time.Time { return time.UnixMilli(0) }
	boom := errors.New("boom")
	write := func(ctx context.Context, tx *txn, name string) error {
		return tx.exec(ctx, "INSERT INTO meta (name, value) VALUES (?, x'00')", name)
	}
	const calls = 300
	results := make([]error, calls)
	var wg sync.WaitGroup
	for i := range calls {
		wg.Go(func() {
			defer func() {
				if r := recover(); r != nil {
					results[i] = fmt.Errorf("panic: %v", r)
				}
			}()
			results[i] = b.run(t.Context(), now, func(ctx context.Context, tx *txn) error {
				if err := write(ctx, tx, fmt.Sprint("row ", i)); err != nil {
					return err
				}
				switch i % 5 {
				case 1:
					return boom
				case 2:
					panic("in the middle")
				case 3:
					return write(ctx, tx, "row 0") // breaks the key, as row 0 is or will be there
				}
				return nil
			})
		})
	}
	wg.Wait()
	if err := b.close(t.Context()); err != nil {
		t.Fatal(err)
	}
	if b, err = openBooks(t.Context(), dir); err != nil {
		t.Fatal(err)
	}
	defer func() {
		if err := b.close(t.Context()); err != nil {
			t.Error(err)
		}
	}()
	for i, result := range results {
		var found bool
		err := b.run(t.Context(), now, func(ctx context.Context, tx *txn) (err error) {
			found, err = tx.row(ctx, "SELECT 1 FROM meta WHERE name = ?", []any{fmt.Sprint("row ", i)}, []any{new(int)})
			return err
		})
		if err != nil {
			t.Fatal(err)
		}
		// Row 0 may have lost its name to a call that wrote it first.
		if i != 0 && found != (result == nil) {
			t.Errorf("call %d was told %v, and its row is there: %v", i, result, found)
		}
	}
}

func TestNewerDatabaseIsRefused(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	b, err := openBooks(t.Context(), dir)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := b.conn.ExecContext(t.Context(), "PRAGMA user_version = 99"); err != nil {
		t.Fatal(err)
	}
	if err := b.close(t.Context()); err != nil {
		t.Fatal(err)
	}
	if b, err = openBooks(t.Context(), dir); err == nil {
		t.Fatal("a database of version 99 was opened", b.close(t.Context()))
	}
	if want := "newer (99) than this binary (3)"; !strings.Contains(err.Error(), want) {
		t.Errorf("openBooks = %v, want %q", err, want)
	}
}

func TestClosedBooksRefuse(t *testing.T) {
	t.Parallel()
	b, err := openBooks(t.Context(), t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	if err := b.close(t.Context()); err != nil {
		t.Fatal(err)
	}
	if err := b.run(t.Context(), time.Now, func(context.Context, *txn) error { return nil }); !errors.Is(err, errClosed) {
		t.Errorf("run = %v, want errClosed", err)
	}
}

// TestADatabaseOfBeforePreparedOrdersIsTakenUp opens a file of version 1, which
// had neither prepared orders nor notices nor coupons.
func TestADatabaseOfBeforePreparedOrdersIsTakenUp(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	b, err := openBooks(t.Context(), dir)
	if err != nil {
		t.Fatal(err)
	}
	for _, q := range []string{
		"ALTER TABLE refunds DROP COLUMN before", "ALTER TABLE refunds DROP COLUMN account",
		"ALTER TABLE refunds DROP COLUMN memo", "DROP TABLE prepared", "DROP TABLE notices",
		"PRAGMA user_version = 1",
	} {
		if _, err := b.conn.ExecContext(t.Context(), q); err != nil {
			t.Fatal(err)
		}
	}
	if err := b.close(t.Context()); err != nil {
		t.Fatal(err)
	}
	for range 2 { // the second time it is of this version
		if b, err = openBooks(t.Context(), dir); err != nil {
			t.Fatal(err)
		}
		for _, q := range []string{"SELECT before, account, memo FROM refunds", "SELECT handle FROM prepared", "SELECT notify_id, form FROM notices"} {
			if _, err := b.conn.ExecContext(t.Context(), q); err != nil {
				t.Errorf("%s: %v", q, err)
			}
		}
		if err := b.close(t.Context()); err != nil {
			t.Fatal(err)
		}
	}
}
