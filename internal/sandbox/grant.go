package sandbox

import (
	"context"
	"database/sql"
	"sync"
	"time"
)

// Lives of what the wallets' sign-in and authorisation pages hand out
// (upstreams.md §4.2).
const (
	appCodeLife    = 24 * time.Hour
	loginCodeLife  = 5 * time.Minute
	loginTokenLife = 2 * time.Hour
	appTokenGrace  = 372 * 24 * time.Hour // of a token that was refreshed
	grantMemory    = 24 * time.Hour       // afterwards a code is unknown, not used
)

// grantKind is what a grant is good for.
type grantKind string

// The kinds of grants.
const (
	grantAppCode    grantKind = "app_code"    // app_auth_code: a merchant authorised an application
	grantAppToken   grantKind = "app_token"   // app_auth_token, subject: the merchant
	grantLoginCode  grantKind = "login_code"  // code or auth_code: a customer signed in
	grantLoginToken grantKind = "login_token" // access_token, subject: the customer
)

// grant is one row of grants: a code or token that a wallet handed out.
type grant struct {
	value, appID, subject, refresh, scope string
	kind                                  grantKind
	madeMS, untilMS, usedMS               int64 // until 0: for ever
}

// good reports whether a token may still be used.
func (g grant) good(nowMS int64) bool { return g.untilMS == 0 || nowMS < g.untilMS }

// insertGrant writes a grant down and forgets those long over.
func (t *txn) insertGrant(ctx context.Context, g grant) error {
	if err := t.exec(ctx, "DELETE FROM grants WHERE kind IN ('app_code', 'login_code', 'login_token') AND until_ms < ?",
		t.now.Add(-grantMemory).UnixMilli()); err != nil {
		return err
	}
	return t.exec(ctx, `INSERT INTO grants (value, kind, app_id, subject, refresh, scope, made_ms, until_ms, used_ms) VALUES (?,?,?,?,?,?,?,?,0)
 ON CONFLICT (value) DO UPDATE SET until_ms = excluded.until_ms, refresh = excluded.refresh`,
		g.value, g.kind, g.appID, g.subject, g.refresh, g.scope, t.nowMS(), g.untilMS)
}

// grantWhere finds one grant by a condition.
func (t *txn) grantWhere(ctx context.Context, where string, args ...any) (g grant, found bool, err error) {
	found, err = t.row(ctx, "SELECT value, kind, app_id, subject, refresh, scope, made_ms, until_ms, used_ms FROM grants WHERE "+where, args,
		[]any{&g.value, &g.kind, &g.appID, &g.subject, &g.refresh, &g.scope, &g.madeMS, &g.untilMS, &g.usedMS})
	return g, found, err
}

// codeState says what a code handed out is worth; using a good one uses it up.
func (t *txn) useGrant(ctx context.Context, kind grantKind, appID, code string) (grant, codeState, error) {
	g, found, err := t.grantWhere(ctx, "value = ? AND kind = ? AND app_id = ?", code, kind, appID)
	switch {
	case err != nil || !found:
		return g, codeUnknown, err
	case g.usedMS > 0:
		return g, codeUsed, nil
	case !g.good(t.nowMS()):
		return g, codeExpired, nil
	}
	return g, codeGood, t.exec(ctx, "UPDATE grants SET used_ms = ? WHERE value = ?", t.nowMS(), code)
}

// tokenBook holds the app_auth_tokens that were handed out or revoked since the
// accounts were made; every call looks into it.
type tokenBook struct {
	mu   sync.RWMutex
	list map[string]grant
}

// load reads what an earlier start left.
func (b *tokenBook) load(ctx context.Context, tx *txn) error {
	list := map[string]grant{}
	err := tx.each(ctx, "SELECT value, kind, app_id, subject, refresh, scope, made_ms, until_ms, used_ms FROM grants WHERE kind = ?", []any{grantAppToken},
		func(r *sql.Rows) error {
			var g grant
			err := r.Scan(&g.value, &g.kind, &g.appID, &g.subject, &g.refresh, &g.scope, &g.madeMS, &g.untilMS, &g.usedMS)
			list[g.value] = g
			return err
		})
	b.mu.Lock()
	defer b.mu.Unlock()
	b.list = list
	return err
}

func (b *tokenBook) find(token string) (grant, bool) {
	b.mu.RLock()
	defer b.mu.RUnlock()
	g, found := b.list[token]
	return g, found
}
