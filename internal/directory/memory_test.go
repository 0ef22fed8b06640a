package directory

import (
	"cmp"
	"context"
	"fmt"
	"maps"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"cloudpay/internal/pay"
	"cloudpay/internal/secret"
)

// memory keeps rows as the contracts of Loader and Writer say. The store's own
// tests run the same contracts on SQL, and external tests of this room run on
// real databases.
type memory struct {
	mu          sync.Mutex
	rows        map[object]Row // by what they are about
	heads       map[string]int64
	dataKeys    map[string][]byte
	tickets     map[string]TicketRow
	activations map[string]ActivationRow
	audit       []AuditRow
	trades      map[string]time.Time // by merchant, and by merchant/shop
	commits     int
	loads       int
	err         error         // what every load answers, if set
	gate        chan struct{} // every load waits for it, if set
	before      func()        // called before each commit, if set
}

func newMemory() *memory {
	return &memory{
		rows: map[object]Row{}, heads: map[string]int64{}, dataKeys: map[string][]byte{}, tickets: map[string]TicketRow{},
		activations: map[string]ActivationRow{}, trades: map[string]time.Time{},
	}
}

func (m *memory) begin(ctx context.Context) error {
	m.mu.Lock()
	m.loads++
	gate, err := m.gate, m.err
	m.mu.Unlock()
	if gate != nil {
		select {
		case <-gate:
		case <-ctx.Done():
			return ctx.Err()
		}
	}
	return err
}

func (m *memory) count() int {
	m.mu.Lock()
	defer m.mu.Unlock()
	return m.loads
}

// find returns the row about an object.
func find[R Row](ctx context.Context, m *memory, about object) (R, error) {
	var zero R
	if err := m.begin(ctx); err != nil {
		return zero, err
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	r, ok := m.rows[about].(R)
	if !ok {
		return zero, noRow()
	}
	return r, nil
}

func noRow() error { return pay.Refuse(pay.ErrNotFound, "row_unknown", "no such row") }

// row returns the row about an object, the zero value if there is none. The
// caller holds the lock, or is alone.
func row[R Row](m *memory, about object) R {
	r, _ := m.rows[about].(R)
	return r
}

// below returns the rows of one type that keep holds, in the order of their
// objects.
func below[R stored](m *memory, keep func(R) bool) []R {
	var out []R
	for _, r := range m.rows {
		if row, ok := r.(R); ok && keep(row) {
			out = append(out, row)
		}
	}
	slices.SortFunc(out, func(a, b R) int { return cmp.Compare(a.object().id, b.object().id) })
	return out
}

func (m *memory) LoadProvider(ctx context.Context, id string) (ProviderRow, error) {
	return find[ProviderRow](ctx, m, object{"provider", id})
}

func (m *memory) LoadAccount(ctx context.Context, providerID string, ch pay.Channel) (AccountRow, error) {
	return find[AccountRow](ctx, m, object{"account", accountKey(providerID, ch)})
}

func (m *memory) LoadInitKey(ctx context.Context, sn string) (InitKeyRow, error) {
	return find[InitKeyRow](ctx, m, object{"init_key", sn})
}

func (m *memory) LoadMember(ctx context.Context, id string) (MemberRow, error) {
	return find[MemberRow](ctx, m, object{"member", id})
}

func (m *memory) LoadMerchant(ctx context.Context, id string) (MerchantRows, error) {
	r, err := find[MerchantRow](ctx, m, object{"merchant", id})
	if err != nil {
		return MerchantRows{}, err
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	rows := MerchantRows{
		Merchant: r, Version: m.heads[ownerOfMerchant(id)],
		Keys:    below(m, func(r KeyRow) bool { return r.MerchantID == id }),
		Admins:  below(m, func(r AdminRow) bool { return r.MerchantID == id }),
		Shops:   below(m, func(r ShopRow) bool { return r.MerchantID == id }),
		Devices: below(m, func(r DeviceRow) bool { return r.MerchantID == id }),
		Staff:   below(m, func(r StaffRow) bool { return r.MerchantID == id }),
	}
	for _, p := range below(m, func(r PrefixRow) bool { return r.MerchantID == id }) {
		rows.Prefixes = append(rows.Prefixes, p.Prefix)
	}
	return rows, nil
}

func (m *memory) LoadShopOwner(ctx context.Context, id string) (string, error) {
	if err := m.begin(ctx); err != nil {
		return "", err
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	for _, s := range below(m, func(r ShopRow) bool { return r.ID == id }) {
		return s.MerchantID, nil
	}
	return "", noRow()
}

func (m *memory) LoadSubProviders(ctx context.Context, providerID string) ([]SubProviderRow, error) {
	if err := m.begin(ctx); err != nil {
		return nil, err
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	return below(m, func(r SubProviderRow) bool { return r.ProviderID == providerID }), nil
}

// of returns the value of a key, or that there is none.
func of[V any](m *memory, values map[string]V, key string) (V, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	if v, ok := values[key]; ok {
		return v, nil
	}
	var zero V
	return zero, noRow()
}

func (m *memory) LoadDataKey(_ context.Context, owner string) ([]byte, error) {
	return of(m, m.dataKeys, owner)
}

func (m *memory) LoadTicket(_ context.Context, hash string) (TicketRow, error) {
	return of(m, m.tickets, hash)
}

func (m *memory) LoadActivation(_ context.Context, activator string) (ActivationRow, error) {
	return of(m, m.activations, activator)
}

func (m *memory) LoadActivationByToken(_ context.Context, hash string) (ActivationRow, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	for _, a := range m.activations {
		if a.TokenHash == hash {
			return a, nil
		}
	}
	return ActivationRow{}, noRow()
}

func (m *memory) LastTrade(_ context.Context, merchantID, shopID string) (time.Time, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	return m.trades[strings.TrimSuffix(merchantID+"/"+shopID, "/")], nil
}

func listed[R stored](m *memory, after string, limit int) []R {
	m.mu.Lock()
	defer m.mu.Unlock()
	rows := below(m, func(r R) bool { return r.object().id > after && r.times().DeletedAt.IsZero() })
	return rows[:min(limit, len(rows))]
}

func (m *memory) ListProviders(_ context.Context, after string, limit int) ([]ProviderRow, error) {
	return listed[ProviderRow](m, after, limit), nil
}

func (m *memory) ListMembers(_ context.Context, after string, limit int) ([]MemberRow, error) {
	return listed[MemberRow](m, after, limit), nil
}

func (m *memory) ListMerchants(_ context.Context, f MerchantFilter) ([]MerchantRow, error) {
	rows := listed[MerchantRow](m, f.After, len(m.rows))
	rows = slices.DeleteFunc(rows, func(r MerchantRow) bool {
		return f.ProviderID != "" && r.ProviderID != f.ProviderID || f.SubProviderID != "" && r.SubProviderID != f.SubProviderID
	})
	return rows[:min(f.Limit, len(rows))], nil
}

func (m *memory) ListAudit(_ context.Context, f AuditFilter) ([]AuditRow, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	rows := slices.Clone(m.audit)
	slices.Reverse(rows)
	return rows[:min(f.Limit, len(rows))], nil
}

func (m *memory) ListWrapped(_ context.Context, after string, limit int) ([]WrappedKey, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	var keys []WrappedKey
	for _, p := range below(m, func(ProviderRow) bool { return true }) {
		keys = append(keys, WrappedKey{p.ID, p.DataKey})
	}
	keys = slices.DeleteFunc(keys, func(k WrappedKey) bool { return k.Owner <= after })
	slices.SortFunc(keys, func(a, b WrappedKey) int { return cmp.Compare(a.Owner, b.Owner) })
	return keys[:min(limit, len(keys))], nil
}

func (m *memory) Rewrap(_ context.Context, k WrappedKey, sealed []byte, line AuditRow) (bool, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.audit = append(m.audit, line)
	if _, ok := m.dataKeys[k.Owner]; ok {
		m.dataKeys[k.Owner] = sealed
		return true, nil
	}
	p := row[ProviderRow](m, object{"provider", k.Owner})
	p.DataKey = sealed
	m.rows[p.object()] = p
	return true, nil
}

func (m *memory) Version(_ context.Context, owner string) (int64, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	return m.heads[owner], nil
}

func conflict() error { return pay.Refuse(pay.ErrConflict, "row_taken", "the row has another owner") }

func (m *memory) Commit(_ context.Context, c Change) (bool, error) {
	if m.before != nil {
		m.before()
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	if c.Owner != "" && m.heads[c.Owner] != c.Version {
		return false, nil
	}
	after := maps.Clone(m.rows)
	for _, row := range c.Rows {
		r, ok := row.(stored)
		if !ok {
			panic("a row without an object")
		}
		for _, old := range m.rows {
			if clashes(old, row) {
				return false, conflict()
			}
		}
		if p, ok := row.(ProviderRow); ok {
			if old, ok := after[r.object()].(ProviderRow); ok {
				p.DataKey = old.DataKey
			}
			row = p
		}
		after[r.object()] = row
	}
	m.rows = after
	m.audit = append(m.audit, c.Audit...)
	m.commits++
	if c.Owner != "" {
		m.heads[c.Owner]++
	}
	return true, nil
}

// clashes reports whether a stored row keeps another from being stored.
func clashes(old, row Row) bool {
	switch r := row.(type) {
	case MerchantRow:
		o, ok := old.(MerchantRow)
		return ok && o.ID == r.ID && o.ProviderID != r.ProviderID
	case ShopRow:
		o, ok := old.(ShopRow)
		return ok && o.ID == r.ID && o.MerchantID != r.MerchantID
	case PrefixRow:
		o, ok := old.(PrefixRow)
		return ok && o != r && (strings.HasPrefix(o.Prefix, r.Prefix) || strings.HasPrefix(r.Prefix, o.Prefix))
	}
	return false
}

func (m *memory) PutDataKey(_ context.Context, owner string, sealed []byte) error {
	m.mu.Lock()
	defer m.mu.Unlock()
	if _, ok := m.dataKeys[owner]; !ok {
		m.dataKeys[owner] = sealed
	}
	return nil
}

func (m *memory) PutTicket(_ context.Context, r TicketRow, _ time.Time, line AuditRow) error {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.audit = append(m.audit, line)
	m.tickets[r.Hash] = r
	return nil
}

func (m *memory) PutActivation(_ context.Context, r ActivationRow, _ time.Time) error {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.activations[r.Activator] = r
	return nil
}

func (m *memory) GrantActivation(_ context.Context, r ActivationRow, now time.Time, line AuditRow) (bool, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	old := m.activations[r.Activator]
	if !old.GrantedAt.IsZero() || !now.Before(old.EndsAt) {
		return false, nil
	}
	m.activations[r.Activator] = r
	m.audit = append(m.audit, line)
	return true, nil
}

func (m *memory) SawKey(_ context.Context, merchantID, keyID string, at time.Time) error {
	m.mu.Lock()
	defer m.mu.Unlock()
	about := object{"key", merchantID + "/" + keyID}
	if r, ok := m.rows[about].(KeyRow); ok && r.SeenAt.IsZero() {
		r.SeenAt = at
		m.rows[about] = r
	}
	return nil
}

// contains reports whether the text stands anywhere in the stored rows.
func (m *memory) contains(text string) bool {
	m.mu.Lock()
	defer m.mu.Unlock()
	return strings.Contains(fmt.Sprintf("%s %s %v %v %v", slices.Collect(maps.Values(m.rows)), m.dataKeys, m.tickets, m.activations, m.audit), text)
}

// clock is a time that tests move by hand.
type clock struct {
	mu sync.Mutex
	t  time.Time
}

func (c *clock) now() time.Time {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.t
}

func (c *clock) advance(d time.Duration) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.t = c.t.Add(d)
}

func newKeyring(t *testing.T, fill string) *secret.Keyring {
	t.Helper()
	k, err := secret.OpenKeyring(secret.New(strings.Repeat(fill, secret.MasterLen)))
	if err != nil {
		t.Fatal(err)
	}
	return k
}

func newDirectory(t *testing.T) (*Directory, *memory, *clock) {
	t.Helper()
	m, c := newMemory(), &clock{t: time.Date(2026, 11, 20, 4, 0, 0, 0, time.UTC)}
	d, err := New(m, m, newKeyring(t, "k"), c.now)
	if err != nil {
		t.Fatal(err)
	}
	return d, m, c
}
