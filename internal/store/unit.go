package store

import (
	"context"
	"crypto/rand"
	"encoding/base64"
	"errors"
	"fmt"
	"strconv"
	"strings"
	"sync/atomic"
	"unicode/utf8"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"

	"cloudpay/internal/pay"
	"cloudpay/internal/store/sqlcgen"
)

// maxStatements is the longest unit. The longest in use, a refund that
// succeeds, has seven statements; refunds found at the wallet may be dozens.
const maxStatements = 256

// anyRows says that a statement may change any number of rows.
const anyRows = -1

// statement is one line of a unit.
type statement struct {
	sql  string
	args []any
	// want is the number of rows that it must change once the unit has won.
	// Anything else rolls the unit back: it means that the rows contradict each
	// other.
	want int64
}

// unit is one unit of work, closed before it is submitted. Its first statement
// decides whether it wins.
type unit struct {
	id         string
	merchant   string // its units all meet at one committer
	statements []statement
	// always says that the unit has no first statement to lose by.
	always bool
	// clash says that a unique violation means the unit lost (money.md §4, refunds).
	clash bool
	// found reads back whether the unit was committed; nil says that doing the
	// unit twice does no harm.
	found func(context.Context, *sqlcgen.Queries) (bool, error)
	bad   error // why the unit cannot be submitted

	// The committer sets these before it closes done.
	won  bool
	err  error
	done chan struct{}
}

// newUnit returns an empty unit and the queries that record into it. id is the
// caller's choice, "" for a new one.
func (s *Store) newUnit(id, merchant string) (*unit, *sqlcgen.Queries) {
	if id == "" {
		id = s.NewUnit()
	}
	u := &unit{id: id, merchant: merchant, statements: make([]statement, 0, 4), done: make(chan struct{})}
	return u, sqlcgen.New((*recorder)(u))
}

// add takes what a recording query returned and says how many rows the
// recorded statement must change.
func (u *unit) add(want int64) func(int64, error) {
	return func(_ int64, err error) {
		if err != nil {
			u.bad = errors.Join(u.bad, err)
			return
		}
		u.statements[len(u.statements)-1].want = want
	}
}

// submit commits the unit and reports whether it won.
func (s *Store) submit(ctx context.Context, u *unit) (won bool, err error) {
	if u.bad != nil {
		return false, u.bad
	}
	if len(u.statements) == 0 {
		return true, nil
	}
	err = s.db.commit(ctx, u)
	s.stats.units.Add(1)
	if err != nil {
		s.stats.failed.Add(1)
		return false, err
	}
	if !u.won {
		s.stats.lost.Add(1)
	}
	return u.won, nil
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

// recorder is a sqlcgen.DBTX that runs nothing: it writes down what the
// generated code would have run.
type recorder unit

var errRecordingRead = errors.New("store: a unit of work cannot read")

// Exec records one statement. It refuses text that one of the engines cannot
// store, so that neither fails a group for it: PostgreSQL takes no NUL and no
// broken UTF-8.
func (r *recorder) Exec(_ context.Context, sql string, args ...any) (pgconn.CommandTag, error) {
	if len(r.statements) >= maxStatements {
		return pgconn.CommandTag{}, fmt.Errorf("store: a unit of work has more than %d statements", maxStatements)
	}
	for _, a := range args {
		if s, ok := a.(string); ok && (strings.IndexByte(s, 0) >= 0 || !utf8.ValidString(s)) {
			return pgconn.CommandTag{}, pay.Refuse(pay.ErrInvalid, "text_not_storable", "text holds bytes that are not UTF-8")
		}
	}
	r.statements = append(r.statements, statement{sql: sql, args: args})
	return pgconn.CommandTag{}, nil
}

// Query refuses.
func (*recorder) Query(context.Context, string, ...any) (pgx.Rows, error) {
	return nil, errRecordingRead
}

// QueryRow refuses.
func (*recorder) QueryRow(context.Context, string, ...any) pgx.Row { return noRow{} }

type noRow struct{}

// Scan refuses.
func (noRow) Scan(...any) error { return errRecordingRead }

// unitIDs makes ids that no other process makes: random once, then counted.
type unitIDs struct {
	prefix string
	next   atomic.Uint64
}

func newUnitIDs() *unitIDs {
	var b [12]byte // 96 random bits: two processes never share them
	_, _ = rand.Read(b[:])
	return &unitIDs{prefix: base64.RawURLEncoding.EncodeToString(b[:]) + "."}
}

// NewUnit returns an id for a unit of work: 18 to 31 characters, unique in the
// installation. A caller that puts it into Order.Unit or Refund.Unit before it
// writes the row knows the row's version without reading it again.
func (s *Store) NewUnit() string {
	return s.ids.prefix + strconv.FormatUint(s.ids.next.Add(1), 36)
}
