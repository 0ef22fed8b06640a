package directory_test

import (
	"fmt"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"

	"cloudpay/internal/directory"
	"cloudpay/internal/pay"
	"cloudpay/internal/secret"
)

func TestAbsentStaysAndEmptyClears(t *testing.T) {
	t.Parallel()
	onEngines(t, func(t *testing.T, h *house) {
		t.Helper()
		ctx := t.Context()
		full := directory.MerchantProfile{
			ShortName: "面包", MerchantName: "面包店有限公司", Desc: "好", Logo: []byte{1, 2, 3}, AdminEmail: "a@b.example", Phone: "1",
			AdPicture: "p", AdURL: "u", UseShopSystem: true, AdPageURL: "g", LicenceID: "l", Source: 2, Upstream: true, UpstreamID: "i",
			UpstreamCompany: "c", BankRatePPM: 6000, NoCardRecharge: true, WxUpstream: true, WxMicro: true, AliUpstream: true,
			AliSubAppID: "s", AliAuthorizeURL: "a", Remark: "r",
		}
		token := secret.New("a-token-of-the-wallet")
		before := h.merchant()
		m := got[*directory.Merchant](t)(h.UpdateMerchant(ctx, byOperator, theMerchant, func(m *directory.Merchant) error {
			m.Profile, m.Ali.AppAuthToken, m.Wx.MobAppID, m.Wx.MiniAppID = full, token, "wxmob", "wxmini"
			m.Policy = directory.Policy{ManagerSetup: true, DefaultRefund: "remaining", LargeAmountAlert: 100}
			return nil
		}))
		if diff := cmp.Diff(full, m.Profile); diff != "" || !m.Ali.AppAuthToken.Equal(token) {
			t.Errorf("profile (-want +got):\n%s", diff)
		}
		m = got[*directory.Merchant](t)(h.UpdateMerchant(ctx, byOperator, theMerchant, func(m *directory.Merchant) error {
			m.Profile.Phone, m.Profile.Logo = "", nil
			return nil
		}))
		full.Phone, full.Logo = "", nil
		if diff := cmp.Diff(full, m.Profile); diff != "" || !m.Ali.AppAuthToken.Equal(token) || m.Wx.MiniAppID != "wxmini" {
			t.Errorf("after clearing two members (-want +got):\n%s", diff)
		}
		same := cmp.Options{cmpopts.EquateEmpty(), cmpopts.IgnoreUnexported(directory.Staff{}), cmpopts.IgnoreTypes(time.Time{})}
		if diff := cmp.Diff(before.Shops, m.Shops, same); diff != "" {
			t.Errorf("what was not touched changed:\n%s", diff)
		}
		if m.Version != before.Version+2 || !m.CreatedAt.Equal(before.CreatedAt) {
			t.Errorf("version %d, want %d", m.Version, before.Version+2)
		}
		// What an edit may not touch stays, and an edit that changes nothing writes nothing.
		again := got[*directory.Merchant](t)(h.UpdateMerchant(ctx, byOperator, theMerchant, func(m *directory.Merchant) error {
			m.ID, m.ProviderID, m.Prefixes, m.Keys, m.AuthenKey = "x", "y", nil, nil, token
			return nil
		}))
		if again.Version != m.Version || !again.AuthenKey.Equal(m.AuthenKey) {
			t.Error("an edit changed ids, prefixes or keys")
		}
	})
}

func TestShopsAreReplacedAsAWholeOnlyWhenAsked(t *testing.T) {
	t.Parallel()
	h, ctx := onSQLite(t), t.Context()
	name := func(n string) func(*directory.Shop) error {
		return func(s *directory.Shop) error { s.Name = n; return nil }
	}
	shops := got[[]directory.Shop](t)(h.SetShops(ctx, byOperator, theMerchant, false, []directory.ShopEdit{
		{ID: theShop, Apply: name("一店新")},
		{Number: "2", Apply: name("二店新")},
		{Number: "3", Apply: func(s *directory.Shop) error { s.Name, s.Profile.City = "三店", "深圳"; return nil }},
	}))
	if len(shops) != 3 || shops[0].ID != theShop || shops[1].ID != otherShop || shops[2].Number != "3" || len(shops[2].ID) != 20 {
		t.Fatalf("shops meant: %+v", shops)
	}
	if s := h.shop(theShop); s.Name != "一店新" || len(s.Devices) != 2 || len(s.Staff) != 3 {
		t.Errorf("an edited shop lost something: %+v", s)
	}
	if m, err := h.MerchantOfShop(ctx, shops[2].ID); err != nil || m.ID != theMerchant {
		t.Errorf("the new shop is not found: %v", err)
	}
	got[[]directory.Shop](t)(h.SetShops(ctx, byOperator, theMerchant, true, []directory.ShopEdit{{ID: theShop, Apply: name("只剩一店")}}))
	if m := h.merchant(); len(m.Shops) != 1 || m.Shops[0].Name != "只剩一店" {
		t.Errorf("after full replacement: %+v", m.Shops)
	}
	if _, err := h.MerchantOfShop(ctx, otherShop); err == nil {
		t.Error("a deleted shop still leads to its merchant")
	}
	for _, tt := range []struct {
		edits []directory.ShopEdit
		kind  error
		code  string
	}{
		{[]directory.ShopEdit{{ID: "nowhere", Apply: name("x")}}, pay.ErrNotFound, "shop_unknown"},
		{[]directory.ShopEdit{{ID: theShop, Apply: name("a")}, {ID: theShop, Apply: name("b")}}, pay.ErrInvalid, "invalid_shop_infos"},
		{[]directory.ShopEdit{{ID: theShop, Apply: name(strings.Repeat("长", 129))}}, pay.ErrInvalid, "invalid_shop_name"},
	} {
		_, err := h.SetShops(ctx, byOperator, theMerchant, true, tt.edits)
		refused(t, err, tt.kind, tt.code)
	}
	if s := h.shop(theShop); s.Name != "只剩一店" {
		t.Error("a refused change left something behind")
	}
	var many []directory.ShopEdit
	for i := range directory.MaxChange + 1 {
		many = append(many, directory.ShopEdit{Number: strconv.Itoa(100 + i), Apply: name("x")})
	}
	_, err := h.SetShops(ctx, byOperator, theMerchant, false, many)
	refused(t, err, pay.ErrInvalid, "change_too_large")
	got[[]directory.Shop](t)(h.SetShops(ctx, byOperator, theMerchant, false, many[1:]))
}

func TestTerminalsAreSeatedApart(t *testing.T) {
	t.Parallel()
	h, ctx := onSQLite(t), t.Context()
	prefix := h.merchant().Prefixes[0]
	seats := map[string]bool{}
	for _, s := range h.merchant().Shops {
		for _, d := range s.Devices {
			seats[fmt.Sprint(d.Prefix, d.Ordinal)] = true
		}
	}
	if len(seats) != 2 {
		t.Fatalf("two devices have %d seats", len(seats))
	}
	add := func(id string) directory.Device {
		t.Helper()
		return got[directory.Device](t)(h.AddDevice(ctx, byOperator, theMerchant, otherShop, directory.Device{ID: id}))
	}
	if d := add("a"); d.Prefix != prefix || d.Ordinal != 2 {
		t.Errorf("the third device sits at %s/%d, want %s/2", d.Prefix, d.Ordinal, prefix)
	}
	must(t, h.DeleteDevice(ctx, byOperator, theMerchant, otherShop, "a"))
	if d := add("b"); d.Ordinal != 3 {
		t.Errorf("the seat of a deleted device was taken at once: %d", d.Ordinal)
	}
	if d := add("a"); d.Ordinal != 4 {
		t.Errorf("a device that came back sits at %d, want 4", d.Ordinal)
	}
	fill := func(from, to int) error {
		for from < to {
			_, err := h.UpdateShop(ctx, byOperator, theMerchant, otherShop, func(s *directory.Shop) error {
				for i := from; i < min(from+90, to); i++ {
					s.Devices = append(s.Devices, directory.Device{ID: fmt.Sprint("d", i)})
				}
				return nil
			})
			if err != nil {
				return err
			}
			from = min(from+90, to)
		}
		return nil
	}
	must(t, fill(5, 500))
	_, err := h.AddDevice(ctx, byOperator, theMerchant, otherShop, directory.Device{ID: "full"})
	refused(t, err, pay.ErrDenied, "terminals_full")
	h.advance(49 * time.Hour)
	if d := add("late"); d.Ordinal != 2 {
		t.Errorf("a seat that has rested is not used: %d", d.Ordinal)
	}
	second := got[string](t)(h.AllocatePrefix(ctx, byOperator, theMerchant, directory.DigitPrefix))
	if d := add("more"); d.Prefix != second && d.Prefix != prefix || d.Ordinal != 0 {
		t.Errorf("a device after another prefix sits at %s/%d", d.Prefix, d.Ordinal)
	}
	// A shop goes as a whole, however much is in it.
	must(t, h.DeleteShop(ctx, byOperator, theMerchant, otherShop))
}

func TestPIN(t *testing.T) {
	t.Parallel()
	onEngines(t, func(t *testing.T, h *house) {
		t.Helper()
		ctx, pin := t.Context(), secret.New("4711")
		for _, bad := range []string{"", "123", "12a4", "1234567890123"} {
			refused(t, h.SetPIN(ctx, byOperator, theMerchant, theShop, "clerk", secret.New(bad)), pay.ErrInvalid, "invalid_pin")
		}
		must(t, h.SetPIN(ctx, byOperator, theMerchant, theShop, "clerk", pin))
		check := func(staff, pin string) bool {
			t.Helper()
			return got[bool](t)(h.CheckPIN(ctx, h.merchant(), theShop, staff, secret.New(pin))) //nolint:contextcheck // the house has the test's context
		}
		if !check("clerk", "4711") || check("clerk", "4712") || check("clerk", "") || check("able", "4711") || check("nobody", "4711") {
			t.Error("CheckPIN takes a wrong PIN or refuses the right one")
		}
		got[directory.Staff](t)(h.UpdateStaff(ctx, byOperator, theMerchant, theShop, "clerk", func(s *directory.Staff) error { s.Name = "改名"; return nil }))
		if !check("clerk", "4711") {
			t.Error("another edit lost the PIN")
		}
		// Guessing is refused after five, the right PIN too, until time passes or a new one is set.
		for range 5 {
			if check("clerk", "0000") {
				t.Error("a wrong PIN is taken")
			}
		}
		_, err := h.CheckPIN(ctx, h.merchant(), theShop, "clerk", pin)
		refused(t, err, pay.ErrDenied, "pin_wait")
		h.advance(time.Minute)
		if !check("clerk", "4711") {
			t.Error("the right PIN after the pause is refused")
		}
		for range 5 {
			check("clerk", "0000")
		}
		must(t, h.SetPIN(ctx, byOperator, theMerchant, theShop, "clerk", pin))
		if !check("clerk", "4711") {
			t.Error("a new PIN has to wait for the tries at the old one")
		}
		got[directory.Staff](t)(h.UpdateStaff(ctx, byOperator, theMerchant, theShop, "clerk", func(s *directory.Staff) error { s.HasPIN = false; return nil }))
		if check("clerk", "4711") {
			t.Error("a removed PIN still works")
		}
		refused(t, h.SetPIN(ctx, byOperator, theMerchant, theShop, "nobody", pin), pay.ErrNotFound, "staff_unknown")
	})
}

func TestPeopleAndDevicesComeAndGo(t *testing.T) {
	t.Parallel()
	h, ctx := onSQLite(t), t.Context()
	_, err := h.AddStaff(ctx, byOperator, theMerchant, theShop, directory.Staff{ID: "clerk"})
	refused(t, err, pay.ErrConflict, "staff_exists")
	_, err = h.AddDevice(ctx, byOperator, theMerchant, theShop, directory.Device{ID: "pos"})
	refused(t, err, pay.ErrConflict, "device_exists")
	_, err = h.AddAdmin(ctx, byOperator, theMerchant, directory.Admin{ID: "boss"})
	refused(t, err, pay.ErrConflict, "admin_exists")
	_, err = h.CreateShop(ctx, byOperator, theMerchant, directory.Shop{ID: theShop})
	refused(t, err, pay.ErrConflict, "shop_exists")
	_, err = h.AddStaff(ctx, byOperator, theMerchant, "nowhere", directory.Staff{ID: "x"})
	refused(t, err, pay.ErrNotFound, "shop_unknown")
	_, err = h.AddStaff(ctx, byOperator, theMerchant, theShop, directory.Staff{ID: "no id"})
	refused(t, err, pay.ErrInvalid, "invalid_staff_id")
	_, err = h.AddDevice(ctx, byOperator, theMerchant, theShop, directory.Device{ID: "x", Type: 5})
	refused(t, err, pay.ErrInvalid, "invalid_device_type")
	_, err = h.AddDevice(ctx, directory.Actor{}, theMerchant, theShop, directory.Device{ID: "x"})
	refused(t, err, pay.ErrInvalid, "invalid_actor")
	must(t, h.DeleteStaff(ctx, byOperator, theMerchant, theShop, "clerk"))
	refused(t, h.DeleteStaff(ctx, byOperator, theMerchant, theShop, "clerk"), pay.ErrNotFound, "staff_unknown")
	h.advance(time.Minute)
	back := got[directory.Staff](t)(h.AddStaff(ctx, byOperator, theMerchant, theShop, directory.Staff{ID: "clerk", Name: "新人"}))
	if !back.CreatedAt.Equal(h.now()) || back.Name != "新人" {
		t.Errorf("somebody new with an old id: %+v", back)
	}
	sub := got[directory.SubProvider](t)(h.CreateSubProvider(ctx, byOperator, directory.SubProvider{ProviderID: theProvider, Name: "华南代理", RebatePPM: 500}))
	got[*directory.Merchant](t)(h.UpdateMerchant(ctx, byOperator, theMerchant, func(m *directory.Merchant) error { m.SubProviderID = sub.ID; return nil }))
	refused(t, h.DeleteSubProvider(ctx, byOperator, theProvider, sub.ID), pay.ErrDenied, "sub_provider_has_merchants")
	got[*directory.Merchant](t)(h.UpdateMerchant(ctx, byOperator, theMerchant, func(m *directory.Merchant) error { m.SubProviderID = ""; return nil }))
	sub = got[directory.SubProvider](t)(h.UpdateSubProvider(ctx, byOperator, theProvider, sub.ID, func(s *directory.SubProvider) error { s.Remark = "好"; return nil }))
	if sub.Remark != "好" || sub.RebatePPM != 500 {
		t.Errorf("sub-provider after an edit: %+v", sub)
	}
	must(t, h.DeleteSubProvider(ctx, byOperator, theProvider, sub.ID))
	if list := got[[]directory.SubProvider](t)(h.SubProviders(ctx, theProvider)); len(list) != 0 {
		t.Errorf("a deleted sub-provider is listed: %v", list)
	}
	_, err = h.UpdateMerchant(ctx, byOperator, theMerchant, func(m *directory.Merchant) error { m.SubProviderID = sub.ID; return nil })
	refused(t, err, pay.ErrNotFound, "sub_provider_unknown")
}

func TestManyChangesAtOnceAllHappen(t *testing.T) {
	t.Parallel()
	onEngines(t, func(t *testing.T, h *house) {
		t.Helper()
		ctx := t.Context()
		nodes := []*directory.Directory{h.open(), h.open()}
		before := h.merchant().Version
		var wg sync.WaitGroup
		for i := range 8 {
			wg.Go(func() {
				_, err := nodes[i%2].AddStaff(ctx, byOperator, theMerchant, theShop, directory.Staff{ID: fmt.Sprint("new", i)})
				if err != nil {
					t.Error(err)
				}
			})
		}
		wg.Wait()
		if s := h.shop(theShop); len(s.Staff) != 3+8 {
			t.Errorf("%d members of staff, want 11", len(s.Staff))
		}
		if v := h.merchant().Version; v != before+8 {
			t.Errorf("version %d, want %d", v, before+8)
		}
		lines := got[[]directory.AuditRow](t)(h.Audit(ctx, directory.AuditFilter{MerchantID: theMerchant, ObjectKind: "staff", Limit: 100}))
		added := 0
		for _, l := range lines {
			if l.Action == "staff.add" {
				added++
			}
		}
		if added != 8 {
			t.Errorf("%d lines of the trail, want 8", added)
		}
	})
}
