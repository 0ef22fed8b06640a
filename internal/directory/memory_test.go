package directory

import (
	"bytes"
	"cmp"
	"context"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"cloudpay/internal/pay"
	"cloudpay/internal/secret"
)

// memory keeps rows as the contracts of Loader and Writer say. The store's own
// tests run the same contracts on SQL.
type memory struct {
	mu        sync.Mutex
	providers map[string]ProviderRow
	merchants map[string]MerchantRow
	prefixes  map[string]string // prefix to merchant
	shops     map[string]ShopRow
	devices   map[DeviceRow]DeviceRow // by its key members
	staff     map[StaffRow]StaffRow
	accounts  map[string]AccountRow
	loads     int
	err       error         // what every load answers, if set
	gate      chan struct{} // every load waits for it, if set
}

func newMemory() *memory {
	return &memory{
		providers: map[string]ProviderRow{}, merchants: map[string]MerchantRow{}, prefixes: map[string]string{},
		shops: map[string]ShopRow{}, devices: map[DeviceRow]DeviceRow{}, staff: map[StaffRow]StaffRow{},
		accounts: map[string]AccountRow{},
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

func find[K comparable, V any](ctx context.Context, m *memory, rows map[K]V, key K) (V, error) {
	var zero V
	if err := m.begin(ctx); err != nil {
		return zero, err
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	r, ok := rows[key]
	if !ok {
		return zero, pay.Refuse(pay.ErrNotFound, "row_unknown", "no such row")
	}
	return r, nil
}

func (m *memory) LoadProvider(ctx context.Context, id string) (ProviderRow, error) {
	return find(ctx, m, m.providers, id)
}

func (m *memory) LoadAccount(ctx context.Context, providerID string, ch pay.Channel) (AccountRow, error) {
	return find(ctx, m, m.accounts, providerID+string(ch))
}

func (m *memory) LoadMerchant(ctx context.Context, id string) (MerchantRows, error) {
	r, err := find(ctx, m, m.merchants, id)
	if err != nil {
		return MerchantRows{}, err
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	rows := MerchantRows{Merchant: r}
	for p, owner := range m.prefixes {
		if owner == id {
			rows.Prefixes = append(rows.Prefixes, p)
		}
	}
	slices.Sort(rows.Prefixes)
	for _, s := range m.shops {
		if s.MerchantID == id {
			rows.Shops = append(rows.Shops, s)
		}
	}
	slices.SortFunc(rows.Shops, func(a, b ShopRow) int { return cmp.Compare(a.ID, b.ID) })
	for _, d := range m.devices {
		if d.MerchantID == id {
			rows.Devices = append(rows.Devices, d)
		}
	}
	slices.SortFunc(rows.Devices, func(a, b DeviceRow) int { return cmp.Compare(a.ID, b.ID) })
	for _, s := range m.staff {
		if s.MerchantID == id {
			rows.Staff = append(rows.Staff, s)
		}
	}
	slices.SortFunc(rows.Staff, func(a, b StaffRow) int { return cmp.Compare(a.ID, b.ID) })
	return rows, nil
}

func conflict() error { return pay.Refuse(pay.ErrConflict, "row_taken", "the row has another owner") }

func (m *memory) PutProvider(_ context.Context, r ProviderRow) error {
	m.mu.Lock()
	defer m.mu.Unlock()
	if old, ok := m.providers[r.ID]; ok {
		r.DataKey = old.DataKey
	}
	m.providers[r.ID] = r
	return nil
}

func (m *memory) PutMerchant(_ context.Context, r MerchantRow) error {
	m.mu.Lock()
	defer m.mu.Unlock()
	if old, ok := m.merchants[r.ID]; ok && old.ProviderID != r.ProviderID {
		return conflict()
	}
	m.merchants[r.ID] = r
	return nil
}

func (m *memory) PutShop(_ context.Context, r ShopRow) error {
	m.mu.Lock()
	defer m.mu.Unlock()
	if old, ok := m.shops[r.ID]; ok && old.MerchantID != r.MerchantID {
		return conflict()
	}
	m.shops[r.ID] = r
	return nil
}

func (m *memory) PutDevice(_ context.Context, r DeviceRow) error {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.devices[DeviceRow{MerchantID: r.MerchantID, ShopID: r.ShopID, ID: r.ID}] = r
	return nil
}

func (m *memory) PutStaff(_ context.Context, r StaffRow) error {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.staff[StaffRow{MerchantID: r.MerchantID, ShopID: r.ShopID, ID: r.ID}] = r
	return nil
}

func (m *memory) PutPrefix(_ context.Context, r PrefixRow) error {
	m.mu.Lock()
	defer m.mu.Unlock()
	for p, owner := range m.prefixes {
		if owner != r.MerchantID && (strings.HasPrefix(p, r.Prefix) || strings.HasPrefix(r.Prefix, p)) {
			return conflict()
		}
	}
	m.prefixes[r.Prefix] = r.MerchantID
	return nil
}

func (m *memory) PutAccount(_ context.Context, r AccountRow) error {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.accounts[r.ProviderID+string(r.Channel)] = r
	return nil
}

// contains reports whether the text stands anywhere in the stored rows.
func (m *memory) contains(text string) bool {
	m.mu.Lock()
	defer m.mu.Unlock()
	for _, r := range m.merchants {
		if bytes.Contains(r.AuthenKey, []byte(text)) || bytes.Contains(r.AliAppAuthToken, []byte(text)) {
			return true
		}
	}
	for _, r := range m.accounts {
		if bytes.Contains(r.Fields, []byte(text)) {
			return true
		}
	}
	return false
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
