package store_test

import (
	"fmt"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"cloudpay/internal/directory"
	"cloudpay/internal/pay"
	"cloudpay/internal/store"
	"cloudpay/internal/store/storetest"
)

// commit writes rows of an owner at the version that is stored.
func commit(t *testing.T, s *store.Store, owner string, rows ...directory.Row) error {
	t.Helper()
	won, err := s.Commit(t.Context(), directory.Change{
		Owner: owner, Version: got[int64](t)(s.Version(t.Context(), owner)), Rows: rows,
	})
	if err == nil && !won {
		t.Fatalf("the change of %s lost to nobody", owner)
	}
	return err
}

// seeded writes one of everything, with a value in every field.
func seeded(t *testing.T, s *store.Store, mark string) (p directory.ProviderRow, m directory.MerchantRows, a directory.AccountRow) {
	t.Helper()
	var (
		key    directory.KeyRow
		admin  directory.AdminRow
		shop   directory.ShopRow
		device directory.DeviceRow
		staff  directory.StaffRow
	)
	for _, row := range []any{&p, &m.Merchant, &key, &admin, &shop, &device, &staff, &a} {
		fill(t, row)
	}
	p.ID, m.Merchant.ID, shop.ID = "p"+mark, "m"+mark, "s"+mark
	m.Merchant.ProviderID, a.ProviderID = p.ID, p.ID
	key.MerchantID, admin.MerchantID, shop.MerchantID = m.Merchant.ID, m.Merchant.ID, m.Merchant.ID
	device.MerchantID, staff.MerchantID = m.Merchant.ID, m.Merchant.ID
	device.ShopID, staff.ShopID = shop.ID, shop.ID
	key.SeenAt = time.Time{} // SawKey writes it
	m.Keys, m.Admins = []directory.KeyRow{key}, []directory.AdminRow{admin}
	m.Shops, m.Devices, m.Staff = []directory.ShopRow{shop}, []directory.DeviceRow{device}, []directory.StaffRow{staff}
	m.Prefixes = []string{mark + "1234567", mark + "9876543"}
	a.Channel = pay.Alipay
	for i := range 2 { // twice: the same rows
		err1 := commit(t, s, "p/"+p.ID, p, a)
		err2 := commit(t, s, "m/"+m.Merchant.ID, m.Merchant, key, admin, shop, device, staff,
			directory.PrefixRow{MerchantID: m.Merchant.ID, Prefix: m.Prefixes[0]},
			directory.PrefixRow{MerchantID: m.Merchant.ID, Prefix: m.Prefixes[1]})
		if err1 != nil || err2 != nil {
			t.Fatalf("round %d: %v, %v", i, err1, err2)
		}
	}
	m.Version = 2
	return p, m, a
}

func TestEveryFieldOfTheDirectoryIsKept(t *testing.T) {
	t.Parallel()
	for _, e := range storetest.Engines() {
		t.Run(e.Name, func(t *testing.T) {
			t.Parallel()
			opened := e.New(t)
			s, ctx := opened(), t.Context()
			p, m, a := seeded(t, s, "1")
			seeded(t, s, "2")
			same(t, "provider", got[directory.ProviderRow](t)(s.LoadProvider(ctx, "p1")), p)
			same(t, "merchant", got[directory.MerchantRows](t)(s.LoadMerchant(ctx, "m1")), m)
			same(t, "account", got[directory.AccountRow](t)(s.LoadAccount(ctx, "p1", pay.Alipay)), a)
			same(t, "owner of a shop", got[string](t)(s.LoadShopOwner(ctx, "s1")), "m1")
			var (
				sub    directory.SubProviderRow
				init   directory.InitKeyRow
				member directory.MemberRow
			)
			for _, row := range []any{&sub, &init, &member} {
				fill(t, row)
			}
			sub.ProviderID = "p1"
			for range 2 {
				if err := commit(t, s, "p/p1", sub); err != nil {
					t.Fatal(err)
				}
				if err := commit(t, s, "*", init, member); err != nil {
					t.Fatal(err)
				}
			}
			same(t, "sub-providers", got[[]directory.SubProviderRow](t)(s.LoadSubProviders(ctx, "p1")), []directory.SubProviderRow{sub})
			same(t, "no sub-providers", got[[]directory.SubProviderRow](t)(s.LoadSubProviders(ctx, "p2")), []directory.SubProviderRow{})
			same(t, "factory device", got[directory.InitKeyRow](t)(s.LoadInitKey(ctx, init.SN)), init)
			same(t, "member", got[directory.MemberRow](t)(s.LoadMember(ctx, member.ID)), member)
		})
	}
}

func TestDirectoryRowsAreReplaced(t *testing.T) {
	t.Parallel()
	for _, e := range storetest.Engines() {
		t.Run(e.Name, func(t *testing.T) {
			t.Parallel()
			opened := e.New(t)
			s, ctx := opened(), t.Context()
			p, m, a := seeded(t, s, "1")
			dataKey, value := p.DataKey, m.Keys[0].Sealed
			p = directory.ProviderRow{ID: "p1", DataKey: []byte("another key")}
			m.Merchant = directory.MerchantRow{ID: "m1", ProviderID: "p1"}
			m.Keys[0].Sealed, m.Keys[0].EndsAt = []byte("another value"), time.Time{}
			m.Admins[0] = directory.AdminRow{MerchantID: "m1", ID: m.Admins[0].ID}
			m.Shops[0] = directory.ShopRow{MerchantID: "m1", ID: "s1"}
			m.Devices[0] = directory.DeviceRow{MerchantID: "m1", ShopID: "s1", ID: m.Devices[0].ID}
			m.Staff[0] = directory.StaffRow{MerchantID: "m1", ShopID: "s1", ID: m.Staff[0].ID}
			a.Fields = []byte("other fields")
			err1 := commit(t, s, "p/p1", p, a)
			err2 := commit(t, s, "m/m1", m.Merchant, m.Keys[0], m.Admins[0], m.Shops[0], m.Devices[0], m.Staff[0])
			if err1 != nil || err2 != nil {
				t.Fatal(err1, err2)
			}
			// The data key of a provider and the value of a key are never replaced.
			p.DataKey, m.Keys[0].Sealed, m.Version = dataKey, value, 3
			same(t, "provider", got[directory.ProviderRow](t)(s.LoadProvider(ctx, "p1")), p)
			rows := got[directory.MerchantRows](t)(s.LoadMerchant(ctx, "m1"))
			if len(rows.Merchant.AliAppAuthToken)+len(rows.Staff[0].PIN) != 0 {
				t.Error("an empty sealed member came back with bytes")
			}
			rows.Merchant.AliAppAuthToken, rows.Staff[0].PIN = nil, nil
			same(t, "merchant", rows, m)
			same(t, "account", got[directory.AccountRow](t)(s.LoadAccount(ctx, "p1", pay.Alipay)), a)
		})
	}
}

func TestDirectoryRefusals(t *testing.T) {
	t.Parallel()
	for _, e := range storetest.Engines() {
		t.Run(e.Name, func(t *testing.T) {
			t.Parallel()
			opened := e.New(t)
			s, ctx := opened(), t.Context()
			_, m, _ := seeded(t, s, "1")
			seeded(t, s, "2")
			moved := m.Merchant
			moved.ProviderID = "p2"
			prefix := func(merchant, text string) directory.Row {
				return directory.PrefixRow{MerchantID: merchant, Prefix: text}
			}
			for name, tt := range map[string]struct {
				owner string
				row   directory.Row
				want  error
			}{
				"merchant of nobody":       {"m/m9", directory.MerchantRow{ID: "m9", ProviderID: "p9"}, pay.ErrNotFound},
				"merchant of another":      {"m/m1", moved, pay.ErrConflict},
				"shop of nobody":           {"m/m9", directory.ShopRow{MerchantID: "m9", ID: "s9"}, pay.ErrNotFound},
				"shop of another":          {"m/m2", directory.ShopRow{MerchantID: "m2", ID: "s1"}, pay.ErrConflict},
				"device of no shop":        {"m/m1", directory.DeviceRow{MerchantID: "m1", ShopID: "s9", ID: "d"}, pay.ErrNotFound},
				"device of another's shop": {"m/m1", directory.DeviceRow{MerchantID: "m1", ShopID: "s2", ID: "d"}, pay.ErrNotFound},
				"person of another's shop": {"m/m1", directory.StaffRow{MerchantID: "m1", ShopID: "s2", ID: "d"}, pay.ErrNotFound},
				"key of nobody":            {"m/m9", directory.KeyRow{MerchantID: "m9", ID: "a1"}, pay.ErrNotFound},
				"admin of nobody":          {"m/m9", directory.AdminRow{MerchantID: "m9", ID: "a1"}, pay.ErrNotFound},
				"sub-provider of nobody":   {"p/p9", directory.SubProviderRow{ProviderID: "p9", ID: "a1"}, pay.ErrNotFound},
				"account of nobody":        {"p/p9", directory.AccountRow{ProviderID: "p9", Channel: pay.Wxpay}, pay.ErrNotFound},
				"prefix of another":        {"m/m2", prefix("m2", "11234567"), pay.ErrConflict},
				"longer than another's":    {"m/m2", prefix("m2", "112345678"), pay.ErrConflict},
				"shorter than another's":   {"m/m2", prefix("m2", "1123456"), pay.ErrConflict},
				"longer than one's own":    {"m/m1", prefix("m1", "1123456789"), pay.ErrConflict},
			} {
				before := got[int64](t)(s.Version(ctx, tt.owner))
				err := commit(t, s, tt.owner, tt.row)
				if err == nil {
					t.Errorf("%s was written", name)
					continue
				}
				is(t, err, tt.want)
				if after := got[int64](t)(s.Version(ctx, tt.owner)); after != before {
					t.Errorf("%s: a refused change moved the version", name)
				}
			}
			if err := commit(t, s, "m/m2", prefix("m2", "11234568")); err != nil {
				t.Errorf("a prefix beside another's: %v", err)
			}
			same(t, "merchant", got[directory.MerchantRows](t)(s.LoadMerchant(ctx, "m1")), m)
			for _, err := range []error{
				second(s.LoadProvider(ctx, "p9")), second(s.LoadMerchant(ctx, "m9")), second(s.LoadAccount(ctx, "p1", pay.Wxpay)),
				second(s.LoadShopOwner(ctx, "s9")), second(s.LoadDataKey(ctx, "x")), second(s.LoadInitKey(ctx, "x")),
				second(s.LoadTicket(ctx, "x")), second(s.LoadActivation(ctx, "x")), second(s.LoadActivationByToken(ctx, "x")),
				second(s.LoadMember(ctx, "x")),
			} {
				is(t, err, pay.ErrNotFound)
			}
		})
	}
}

func second[T any](_ T, err error) error { return err }

func TestLateChangeWritesNothing(t *testing.T) {
	t.Parallel()
	for _, e := range storetest.Engines() {
		t.Run(e.Name, func(t *testing.T) {
			t.Parallel()
			opened := e.New(t)
			s, ctx := opened(), t.Context()
			_, m, _ := seeded(t, s, "1")
			shop := m.Shops[0]
			shop.Name = "late"
			c := directory.Change{Owner: "m/m1", Version: 1, Rows: []directory.Row{shop}, Audit: []directory.AuditRow{{ID: "x"}}}
			wins(t, false)(s.Commit(ctx, c))
			same(t, "merchant", got[directory.MerchantRows](t)(s.LoadMerchant(ctx, "m1")), m)
			lines := got[[]directory.AuditRow](t)(s.ListAudit(ctx, directory.AuditFilter{Limit: 10}))
			same(t, "lines of the trail", len(lines), 0)
		})
	}
}

func TestOneOfManyChangesWins(t *testing.T) {
	t.Parallel()
	for _, e := range storetest.Engines() {
		t.Run(e.Name, func(t *testing.T) {
			t.Parallel()
			opened := e.New(t)
			stores := []*store.Store{opened(), opened()}
			_, m, _ := seeded(t, stores[0], "1")
			for round := range 10 {
				var won atomic.Int64
				var wg sync.WaitGroup
				for i := range 4 {
					wg.Go(func() {
						shop := m.Shops[0]
						shop.Name = fmt.Sprint(round, i)
						ok, err := stores[i%2].Commit(t.Context(), directory.Change{
							Owner: "m/m1", Version: int64(2 + round), Rows: []directory.Row{shop},
							Audit: []directory.AuditRow{{ID: fmt.Sprint(round, "-", i), Action: shop.Name}},
						})
						if err != nil {
							t.Error(err)
						}
						if ok {
							won.Add(1)
						}
					})
				}
				wg.Wait()
				same(t, "changes that won", won.Load(), 1)
				lines := got[[]directory.AuditRow](t)(stores[1].ListAudit(t.Context(), directory.AuditFilter{Limit: 100}))
				same(t, "lines of the trail", len(lines), round+1)
				shops := got[directory.MerchantRows](t)(stores[0].LoadMerchant(t.Context(), "m1")).Shops
				if shops[0].Name != lines[0].Action && round == 0 {
					t.Errorf("the shop is %s, the trail says %s", shops[0].Name, lines[0].Action)
				}
			}
		})
	}
}

func TestOverlappingPrefixesAreGivenToOneMerchant(t *testing.T) {
	t.Parallel()
	for _, e := range storetest.Engines() {
		t.Run(e.Name, func(t *testing.T) {
			t.Parallel()
			opened := e.New(t)
			stores := []*store.Store{opened(), opened()}
			seeded(t, stores[0], "1")
			seeded(t, stores[0], "2")
			for round := range 20 {
				var given atomic.Int64
				var wg sync.WaitGroup
				for i, prefix := range []string{fmt.Sprintf("%08d", round+300), fmt.Sprintf("%08d1", round+300)} {
					m := fmt.Sprint("m", i+1)
					version := got[int64](t)(stores[i].Version(t.Context(), "m/"+m))
					wg.Go(func() {
						won, err := stores[i].Commit(t.Context(), directory.Change{
							Owner: "m/" + m, Version: version, Rows: []directory.Row{directory.PrefixRow{MerchantID: m, Prefix: prefix}},
						})
						if err == nil && won {
							given.Add(1)
						}
					})
				}
				wg.Wait()
				same(t, "given", given.Load(), 1)
			}
		})
	}
}
