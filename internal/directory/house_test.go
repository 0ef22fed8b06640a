package directory_test

import (
	"context"
	"errors"
	"strings"
	"sync"
	"testing"
	"time"

	"cloudpay/internal/directory"
	"cloudpay/internal/pay"
	"cloudpay/internal/secret"
	"cloudpay/internal/store"
	"cloudpay/internal/store/storetest"
)

// house is a directory over a real database, with one provider, one merchant
// with two shops, and a clock that tests move.
type house struct {
	*directory.Directory
	open  func() *directory.Directory // another process on the same database
	store *store.Store
	now   func() time.Time
	t     *testing.T

	mu    sync.Mutex
	clock time.Time
}

const (
	theProvider = "sz01HOUSEMCH00000001"
	theMerchant = "sz01HOUSESUB00000001"
	theShop     = "sz01HOUSESHOP0000001"
	otherShop   = "sz01HOUSESHOP0000002"
)

// byOperator is the provider's administrator.
var byOperator = directory.Actor{Kind: directory.ByMember, ID: "root", Name: "管理员", Role: directory.RoleProvider}

func (h *house) advance(d time.Duration) {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.clock = h.clock.Add(d)
}

func keyring(t *testing.T, fill string, old ...string) *secret.Keyring {
	t.Helper()
	var olds []secret.Secret
	for _, o := range old {
		olds = append(olds, secret.New(strings.Repeat(o, secret.MasterLen)))
	}
	return got[*secret.Keyring](t)(secret.OpenKeyring(secret.New(strings.Repeat(fill, secret.MasterLen)), olds...))
}

// onEngines runs a test in a house on each engine.
func onEngines(t *testing.T, test func(t *testing.T, h *house)) {
	t.Helper()
	for _, e := range storetest.Engines() {
		t.Run(e.Name, func(t *testing.T) {
			t.Parallel()
			test(t, newHouse(t, e))
		})
	}
}

// onSQLite is newHouse on the engine that is quick to make.
func onSQLite(t *testing.T) *house {
	t.Helper()
	return newHouse(t, storetest.Engines()[0])
}

func newHouse(t *testing.T, e storetest.Engine) *house {
	t.Helper()
	opened := e.New(t)
	h := &house{t: t, store: opened(), clock: time.Date(2026, 11, 21, 4, 0, 0, 0, time.UTC)}
	h.now = func() time.Time {
		h.mu.Lock()
		defer h.mu.Unlock()
		return h.clock
	}
	h.open = func() *directory.Directory {
		return got[*directory.Directory](t)(directory.New(opened(), h.store, keyring(t, "k"), h.now))
	}
	h.Directory = got[*directory.Directory](t)(directory.New(h.store, h.store, keyring(t, "k"), h.now))
	ctx := t.Context()
	_, err := h.CreateProvider(ctx, byOperator, directory.Provider{ID: theProvider, Name: "服务商"})
	must(t, err)
	_, err = h.CreateMerchant(ctx, byOperator, directory.Merchant{
		ID: theMerchant, ProviderID: theProvider, Name: "面包店",
		Admins: []directory.Admin{{ID: "boss", Name: "老板", RefundAuth: true}, {ID: "wife", Name: "老板娘"}},
		Shops: []directory.Shop{
			{
				ID: theShop, Number: "1", Name: "一店",
				Devices: []directory.Device{
					{ID: "pos", Name: "POS", Category: directory.CategoryMobile}, {ID: "desk", Name: "收银台", Category: directory.CategoryDesk},
				},
				Staff: []directory.Staff{
					{ID: "mgr", Name: "店长", ShopManager: true}, {ID: "able", Name: "能退", RefundAuth: true}, {ID: "clerk", Name: "店员"},
				},
			},
			{ID: otherShop, Number: "2", Name: "二店"},
		},
	})
	must(t, err)
	return h
}

// merchant reads the merchant as it is stored now.
func (h *house) merchant() *directory.Merchant {
	h.t.Helper()
	h.Forget()
	return got[*directory.Merchant](h.t)(h.Merchant(h.t.Context(), theMerchant))
}

func (h *house) shop(id string) directory.Shop {
	h.t.Helper()
	s, ok := h.merchant().Shop(id)
	if !ok {
		h.t.Fatalf("shop %s is gone", id)
	}
	return s
}

func (h *house) device(id string) directory.Device {
	h.t.Helper()
	d, ok := h.shop(theShop).Device(id)
	if !ok {
		h.t.Fatalf("device %s is gone", id)
	}
	return d
}

// paid stores an order of the shop that was paid at that time.
func (h *house) paid(ctx context.Context, shop, number string, at time.Time) {
	h.t.Helper()
	o := pay.Order{
		MerchantID: theMerchant, OutTradeNo: number, ProviderID: theProvider, Channel: pay.Wxpay, TradeType: pay.TradeMicroPay,
		State: pay.PAYING, Unit: h.store.NewUnit(), Total: 100, Currency: "CNY", Fingerprint: "f", CodeHash: number, ShopID: shop,
		SentAt: at, CreatedAt: at, UpdatedAt: at, Truth: pay.TruthLocal,
	}
	if won, err := h.store.OpenOrder(ctx, o); err != nil || !won {
		h.t.Fatal(won, err)
	}
	c := pay.Change{From: o, Order: o, Postings: []pay.Posting{pay.PostPaid(o.Total, o.Total)}}
	c.Order.State, c.Order.Seen, c.Order.Truth, c.Order.Settlement, c.Order.PaidAt = pay.PAID, pay.Paid, pay.TruthAnswer, o.Total, at
	if won, err := h.store.SettleOrder(ctx, c); err != nil || !won {
		h.t.Fatal(won, err)
	}
}

func must(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

func got[T any](t *testing.T) func(v T, err error) T {
	t.Helper()
	return func(v T, err error) T {
		t.Helper()
		must(t, err)
		return v
	}
}

// refused fails the test unless the error is a refusal of that kind and code.
func refused(t *testing.T, err, kind error, code string) {
	t.Helper()
	e, ok := errors.AsType[*pay.Error](err)
	if !ok || !errors.Is(err, kind) || e.Code != code {
		t.Fatalf("error is %v, want %v with code %s", err, kind, code)
	}
	if e.Text == "" {
		t.Fatalf("refusal %s has no sentence", code)
	}
}
