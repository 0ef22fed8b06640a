package store_test

import (
	"fmt"
	"sync"
	"sync/atomic"
	"testing"

	"cloudpay/internal/directory"
	"cloudpay/internal/pay"
	"cloudpay/internal/store"
	"cloudpay/internal/store/storetest"
)

// seeded writes one of everything, with a value in every field.
func seeded(t *testing.T, s *store.Store, mark string) (p directory.ProviderRow, m directory.MerchantRows, a directory.AccountRow) {
	t.Helper()
	var (
		shop   directory.ShopRow
		device directory.DeviceRow
		staff  directory.StaffRow
	)
	for _, row := range []any{&p, &m.Merchant, &shop, &device, &staff, &a} {
		fill(t, row)
	}
	p.ID, m.Merchant.ID, shop.ID = "p"+mark, "m"+mark, "s"+mark
	m.Merchant.ProviderID, a.ProviderID = p.ID, p.ID
	shop.MerchantID, device.MerchantID, staff.MerchantID = m.Merchant.ID, m.Merchant.ID, m.Merchant.ID
	device.ShopID, staff.ShopID = shop.ID, shop.ID
	m.Shops, m.Devices, m.Staff = []directory.ShopRow{shop}, []directory.DeviceRow{device}, []directory.StaffRow{staff}
	m.Prefixes = []string{mark + "1234567", mark + "9876543"}
	a.Channel = pay.Alipay
	for i := range 2 { // seeding twice changes nothing
		for _, err := range []error{
			s.PutProvider(t.Context(), p), s.PutMerchant(t.Context(), m.Merchant), s.PutShop(t.Context(), shop),
			s.PutDevice(t.Context(), device), s.PutStaff(t.Context(), staff), s.PutAccount(t.Context(), a),
			s.PutPrefix(t.Context(), directory.PrefixRow{MerchantID: m.Merchant.ID, Prefix: m.Prefixes[0]}),
			s.PutPrefix(t.Context(), directory.PrefixRow{MerchantID: m.Merchant.ID, Prefix: m.Prefixes[1]}),
		} {
			if err != nil {
				t.Fatalf("round %d: %v", i, err)
			}
		}
	}
	return p, m, a
}

func TestEveryFieldOfTheDirectoryIsKept(t *testing.T) {
	t.Parallel()
	for _, e := range storetest.Engines() {
		t.Run(e.Name, func(t *testing.T) {
			t.Parallel()
			opened := e.New(t)
			s := opened()
			p, m, a := seeded(t, s, "1")
			seeded(t, s, "2")
			same(t, "provider", got[directory.ProviderRow](t)(s.LoadProvider(t.Context(), "p1")), p)
			same(t, "merchant", got[directory.MerchantRows](t)(s.LoadMerchant(t.Context(), "m1")), m)
			same(t, "account", got[directory.AccountRow](t)(s.LoadAccount(t.Context(), "p1", pay.Alipay)), a)
		})
	}
}

func TestDirectoryRowsAreReplaced(t *testing.T) {
	t.Parallel()
	for _, e := range storetest.Engines() {
		t.Run(e.Name, func(t *testing.T) {
			t.Parallel()
			opened := e.New(t)
			s := opened()
			p, m, a := seeded(t, s, "1")
			key := p.DataKey
			p.Name, p.NotifyURL, p.DataKey = "new", "", []byte("another key")
			m.Merchant = directory.MerchantRow{ID: "m1", ProviderID: "p1", AuthenKey: []byte("k")}
			m.Shops[0].Name, m.Devices[0].Name, m.Devices[0].SN, m.Staff[0].RefundAuth = "new", "new", "", false
			a.Fields = []byte{}
			for _, err := range []error{
				s.PutProvider(t.Context(), p), s.PutMerchant(t.Context(), m.Merchant), s.PutShop(t.Context(), m.Shops[0]),
				s.PutDevice(t.Context(), m.Devices[0]), s.PutStaff(t.Context(), m.Staff[0]), s.PutAccount(t.Context(), a),
			} {
				if err != nil {
					t.Fatal(err)
				}
			}
			p.DataKey = key // the data key of a provider is never replaced
			m.Merchant.AliAppAuthToken = []byte{}
			same(t, "provider", got[directory.ProviderRow](t)(s.LoadProvider(t.Context(), "p1")), p)
			rows := got[directory.MerchantRows](t)(s.LoadMerchant(t.Context(), "m1"))
			if len(rows.Merchant.AliAppAuthToken) != 0 {
				t.Error("an empty sealed member came back with bytes")
			}
			rows.Merchant.AliAppAuthToken = []byte{}
			same(t, "merchant", rows, m)
			if got := got[directory.AccountRow](t)(s.LoadAccount(t.Context(), "p1", pay.Alipay)); len(got.Fields) != 0 {
				t.Error("empty fields came back with bytes")
			}
		})
	}
}

func TestDirectoryRefusals(t *testing.T) {
	t.Parallel()
	for _, e := range storetest.Engines() {
		t.Run(e.Name, func(t *testing.T) {
			t.Parallel()
			opened := e.New(t)
			s := opened()
			_, m, _ := seeded(t, s, "1")
			seeded(t, s, "2")
			ctx := t.Context()
			moved := m.Merchant
			moved.ProviderID = "p2"
			for name, tt := range map[string]struct{ err, want error }{
				"merchant of nobody":         {s.PutMerchant(ctx, directory.MerchantRow{ID: "m9", ProviderID: "p9"}), pay.ErrNotFound},
				"merchant of another":        {s.PutMerchant(ctx, moved), pay.ErrConflict},
				"shop of nobody":             {s.PutShop(ctx, directory.ShopRow{MerchantID: "m9", ID: "s9"}), pay.ErrNotFound},
				"shop of another":            {s.PutShop(ctx, directory.ShopRow{MerchantID: "m2", ID: "s1"}), pay.ErrConflict},
				"device of no shop":          {s.PutDevice(ctx, directory.DeviceRow{MerchantID: "m1", ShopID: "s9", ID: "d"}), pay.ErrNotFound},
				"device of another's shop":   {s.PutDevice(ctx, directory.DeviceRow{MerchantID: "m1", ShopID: "s2", ID: "d"}), pay.ErrNotFound},
				"person of another's shop":   {s.PutStaff(ctx, directory.StaffRow{MerchantID: "m1", ShopID: "s2", ID: "d"}), pay.ErrNotFound},
				"account of nobody":          {s.PutAccount(ctx, directory.AccountRow{ProviderID: "p9", Channel: pay.Wxpay}), pay.ErrNotFound},
				"prefix of nobody":           {s.PutPrefix(ctx, directory.PrefixRow{MerchantID: "m9", Prefix: "55555555"}), pay.ErrNotFound},
				"prefix of another":          {s.PutPrefix(ctx, directory.PrefixRow{MerchantID: "m2", Prefix: "11234567"}), pay.ErrConflict},
				"longer than another's":      {s.PutPrefix(ctx, directory.PrefixRow{MerchantID: "m2", Prefix: "112345678"}), pay.ErrConflict},
				"shorter than another's":     {s.PutPrefix(ctx, directory.PrefixRow{MerchantID: "m2", Prefix: "1123456"}), pay.ErrConflict},
				"longer than one's own":      {s.PutPrefix(ctx, directory.PrefixRow{MerchantID: "m1", Prefix: "1123456789"}), nil},
				"like another's, but beside": {s.PutPrefix(ctx, directory.PrefixRow{MerchantID: "m2", Prefix: "11234568"}), nil},
			} {
				if tt.want == nil && tt.err != nil {
					t.Errorf("%s: %v", name, tt.err)
				} else if tt.want != nil {
					is(t, tt.err, tt.want)
				}
			}
			same(t, "merchant", got[directory.MerchantRows](t)(s.LoadMerchant(ctx, "m1")).Merchant, m.Merchant)
			for _, err := range []error{
				second(s.LoadProvider(ctx, "p9")), second(s.LoadMerchant(ctx, "m9")), second(s.LoadAccount(ctx, "p1", pay.Wxpay)),
			} {
				is(t, err, pay.ErrNotFound)
			}
		})
	}
}

func second[T any](_ T, err error) error { return err }

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
					wg.Go(func() {
						if stores[i].PutPrefix(t.Context(), directory.PrefixRow{MerchantID: fmt.Sprint("m", i+1), Prefix: prefix}) == nil {
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
