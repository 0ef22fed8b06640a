package sandbox

import (
	"context"
	"fmt"
	"log/slog"
	"net/http"
	"strconv"
	"sync"
	"sync/atomic"
	"time"
)

// Limits of the time machine.
const (
	maxAdvance   = 366 * 24 * time.Hour  // of one call: a year of bills
	maxAhead     = 3660 * 24 * time.Hour // of all calls: twice the life of a client certificate
	advanceTime  = 30 * time.Second      // real time for sending what becomes due on the way
	advanceSteps = 10_000                // moments one call stops at
	clockName    = "clock_ms"            // of the row in meta
)

// Clock tells how the sandbox's time stands to the machine's.
type Clock struct {
	Now time.Time `json:"now"`
	// Ahead is how far Now is before the machine's clock, as Go writes durations.
	Ahead string `json:"ahead"`
	// Sent counts the notices that were sent on the way here.
	Sent int `json:"sent"`
}

// machine is the time machine: Config.Now and what was added to it. It never
// goes back, so that nothing that happened lies in the future.
type machine struct {
	base  func() time.Time
	ahead atomic.Int64 // nanoseconds
	// moving keeps the sender of ServeNotices from taking what Advance has just
	// made due: its attempts belong to their own moments.
	moving sync.Mutex
}

// now is the business clock.
func (m *machine) now() time.Time { return m.base().Add(time.Duration(m.ahead.Load())) }

// load takes up what an earlier start was advanced by.
func (m *machine) load(ctx context.Context, b *books) error {
	return b.run(ctx, m.base, func(ctx context.Context, tx *txn) error {
		var raw []byte
		found, err := tx.row(ctx, "SELECT value FROM meta WHERE name = ?", []any{clockName}, []any{&raw})
		if err != nil || !found {
			return err
		}
		ms, err := strconv.ParseInt(string(raw), 10, 64)
		if err != nil || ms < 0 || ms > maxAhead.Milliseconds() {
			return fmt.Errorf("the stored clock is damaged: %q", raw)
		}
		m.ahead.Store(int64(time.Duration(ms) * time.Millisecond))
		return nil
	})
}

// set moves the clock once the new place is on disk. Money that time alone
// moves is moved in the same step.
func (s *Sandbox) setAhead(ctx context.Context, ahead time.Duration) error {
	if ahead > time.Duration(s.clock.ahead.Load()) {
		err := s.run(ctx, func(ctx context.Context, tx *txn) error {
			return tx.exec(ctx, "INSERT INTO meta (name, value) VALUES (?, ?) ON CONFLICT (name) DO UPDATE SET value = excluded.value",
				clockName, []byte(strconv.FormatInt(ahead.Milliseconds(), 10)))
		})
		if err != nil {
			return err
		}
		s.clock.ahead.Store(int64(ahead))
	}
	return s.run(ctx, s.returnDue)
}

// Now is the sandbox's time: Config.Now and everything it was advanced by.
func (s *Sandbox) Now() time.Time { return s.clock.now() }

// wireNow is the time that signed messages carry and are checked against.
// Whoever verifies them compares them with his own clock: the sandbox's in
// the demo, where everything shares it (Config.Shared), and the machine's
// everywhere else, however far the sandbox was advanced.
func (s *Sandbox) wireNow() time.Time {
	if s.c.Shared {
		return s.clock.now()
	}
	return s.clock.base()
}

// Advance moves the sandbox's clock forward by d. It stops at every moment at
// which a notice or a refund is due, in order, and sends what is due there, so
// that a whole ladder of repetitions is played, each attempt at its own time.
// What is not sent within half a minute of real time is sent late, as by a
// wallet that was down. A step back, none, or one beyond the limits is ErrInvalid.
func (s *Sandbox) Advance(ctx context.Context, d time.Duration) (Clock, error) {
	s.clock.moving.Lock()
	defer s.clock.moving.Unlock()
	d = d.Truncate(time.Millisecond)
	from := time.Duration(s.clock.ahead.Load())
	target := from + d
	if d <= 0 || d > maxAdvance {
		return Clock{}, fmt.Errorf("%w advance %s: use more than 0 and at most %s", ErrInvalid, d, maxAdvance)
	}
	if target > maxAhead {
		return Clock{}, fmt.Errorf("%w advance %s: the clock is %s ahead already, %s is the most; start on a new directory", ErrInvalid, d, from, maxAhead)
	}
	ctx = context.WithoutCancel(ctx) // half an advance would be worse than a long one
	sent, err := s.advanceTo(ctx, target)
	if err != nil {
		return Clock{}, fmt.Errorf("advance the clock: %w", err)
	}
	s.c.Log.InfoContext(ctx, "clock advanced", slog.Duration("by", d), slog.Int("notices", sent))
	out := s.readClock()
	out.Sent = sent
	return out, nil
}

// advanceTo plays what lies between now and target, then goes there.
func (s *Sandbox) advanceTo(ctx context.Context, target time.Duration) (sent int, err error) {
	timed, cancel := context.WithTimeout(ctx, advanceTime)
	defer cancel()
	for range advanceSteps {
		n, err := s.sendAll(timed)
		sent += n
		if timed.Err() != nil {
			break
		}
		if err != nil {
			return sent, err
		}
		now := s.Now()
		next, err := s.nextDue(ctx, now)
		if err != nil {
			return sent, err
		}
		ahead := time.Duration(s.clock.ahead.Load()) + next.Sub(now)
		if next.IsZero() || ahead >= target {
			break
		}
		if err := s.setAhead(ctx, ahead); err != nil {
			return sent, err
		}
	}
	if err := s.setAhead(ctx, target); err != nil {
		return sent, err
	}
	n, err := s.sendAll(timed)
	if timed.Err() != nil {
		err = nil
	}
	return sent + n, err
}

// sendAll sends until nothing is due any more.
func (s *Sandbox) sendAll(ctx context.Context) (sent int, err error) {
	for ctx.Err() == nil {
		n, err := s.SendNotices(ctx)
		sent += n
		if err != nil || n == 0 {
			return sent, err
		}
	}
	return sent, nil
}

// nextDue is the first moment after now at which something happens that
// nobody has to ask for; zero if there is none. Expiries are not among them:
// they are worked out when somebody looks.
func (s *Sandbox) nextDue(ctx context.Context, now time.Time) (time.Time, error) {
	var ms int64
	err := s.run(ctx, func(ctx context.Context, tx *txn) error {
		_, err := tx.row(ctx, `SELECT coalesce(min(due_ms), 0) FROM (
 SELECT due_ms FROM notices WHERE state = 'waiting' AND due_ms > ?1 AND ?2
 UNION ALL SELECT due_ms FROM notices WHERE state = 'held_order' AND due_ms > ?1 AND ?2
 UNION ALL SELECT due_ms FROM refunds WHERE state = 'processing' AND due_ms > ?1)`,
			[]any{now.UnixMilli(), s.c.Notify != nil}, []any{&ms})
		return err
	})
	if err != nil || ms == 0 {
		return time.Time{}, err
	}
	return time.UnixMilli(ms), nil
}

// readClock is the clock as it stands.
func (s *Sandbox) readClock() Clock {
	return Clock{Now: s.Now().UTC().Truncate(time.Millisecond), Ahead: time.Duration(s.clock.ahead.Load()).String()}
}

// getClock tells the time.
func (s *Sandbox) getClock(*http.Request) (int, any, error) { return http.StatusOK, s.readClock(), nil }

// postClock moves it: Advance.
func (s *Sandbox) postClock(r *http.Request) (int, any, error) {
	var in struct {
		Advance string `json:"advance"`
	}
	if err := readControl(r, &in); err != nil {
		return 0, nil, err
	}
	d, err := time.ParseDuration(in.Advance)
	if err != nil {
		return 0, nil, fmt.Errorf("%w advance %q: write a duration such as 24h4m", ErrInvalid, cut(in.Advance))
	}
	c, err := s.Advance(r.Context(), d)
	return http.StatusOK, c, err
}
