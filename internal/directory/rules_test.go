package directory_test

import (
	"errors"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"time"

	"cloudpay/internal/directory"
	"cloudpay/internal/pay"
)

// The rules of ux.md §1.11 that this room keeps, each by its number.

func TestR1LastAdministratorCannotBeDeleted(t *testing.T) {
	t.Parallel()
	h, ctx := onSQLite(t), t.Context()
	// Without a refund permission among them only R1 is left to refuse.
	_, err := h.UpdateMerchant(ctx, byOperator, theMerchant, func(m *directory.Merchant) error {
		m.Admins = []directory.Admin{{ID: "boss", Name: "老板", RefundAuth: true}}
		return nil
	})
	must(t, err)
	refused(t, h.DeleteAdmin(ctx, byOperator, theMerchant, "boss"), pay.ErrDenied, "last_admin")
	_, err = h.AddAdmin(ctx, byOperator, theMerchant, directory.Admin{ID: "son", Name: "儿子", RefundAuth: true})
	must(t, err)
	must(t, h.DeleteAdmin(ctx, byOperator, theMerchant, "boss"))
	if admins := h.merchant().Admins; len(admins) != 1 || admins[0].ID != "son" {
		t.Errorf("administrators left: %+v, want the son", admins)
	}
}

// TestR1HoldsWhenTwoAreDeletedAtOnce: on two nodes, each deletes the other
// administrator and the other operator.
func TestR1HoldsWhenTwoAreDeletedAtOnce(t *testing.T) {
	t.Parallel()
	onEngines(t, func(t *testing.T, h *house) {
		t.Helper()
		ctx := t.Context()
		_, err := h.UpdateAdmin(ctx, byOperator, theMerchant, "wife", func(a *directory.Admin) error { a.RefundAuth = true; return nil })
		must(t, err)
		reach := directory.Reach{ProviderID: theProvider}
		for _, id := range []string{"one", "two"} {
			got[directory.Member](t)(h.CreateMember(ctx, byOperator, directory.Member{ID: id, Name: id, Role: directory.RoleProvider, Reach: reach}))
		}
		nodes := []*directory.Directory{h.open(), h.open()}
		for what, remove := range map[string]func(d *directory.Directory, i int) error{
			"administrator": func(d *directory.Directory, i int) error {
				return d.DeleteAdmin(ctx, byOperator, theMerchant, []string{"boss", "wife"}[i])
			},
			"operator": func(d *directory.Directory, i int) error {
				return d.DeleteMember(ctx, byOperator, []string{"one", "two"}[i])
			},
		} {
			results := make(chan error, len(nodes))
			for i, d := range nodes {
				go func() { results <- remove(d, i) }()
			}
			refusals := 0
			for range nodes {
				switch err := <-results; {
				case errors.Is(err, pay.ErrDenied):
					refusals++
				case err != nil:
					t.Errorf("%s: %v", what, err)
				}
			}
			if refusals != 1 {
				t.Errorf("%s: %d of two were refused, want 1", what, refusals)
			}
		}
	})
}

func TestR1LastOperatorCannotBeDeletedOrDisabled(t *testing.T) {
	t.Parallel()
	h, ctx := onSQLite(t), t.Context()
	reach := directory.Reach{ProviderID: theProvider}
	first := got[directory.Member](t)(h.CreateMember(ctx, byOperator, directory.Member{Name: "甲", Role: directory.RoleProvider, Reach: reach}))
	got[directory.Member](t)(h.CreateMember(ctx, byOperator, directory.Member{Name: "别家", Role: directory.RoleProvider}))
	got[directory.Member](t)(h.CreateMember(ctx, byOperator, directory.Member{Name: "运维", Role: directory.RoleOps, Reach: reach}))
	disable := func(m *directory.Member) error { m.Disabled = true; return nil }
	demote := func(m *directory.Member) error { m.Role = directory.RoleOps; return nil }
	refused(t, h.DeleteMember(ctx, byOperator, first.ID), pay.ErrDenied, "last_admin")
	_, err := h.UpdateMember(ctx, byOperator, first.ID, disable)
	refused(t, err, pay.ErrDenied, "last_admin")
	_, err = h.UpdateMember(ctx, byOperator, first.ID, demote)
	refused(t, err, pay.ErrDenied, "last_admin")
	second := got[directory.Member](t)(h.CreateMember(ctx, byOperator, directory.Member{Name: "乙", Role: directory.RoleProvider, Reach: reach}))
	got[directory.Member](t)(h.UpdateMember(ctx, byOperator, first.ID, disable))
	refused(t, h.DeleteMember(ctx, byOperator, second.ID), pay.ErrDenied, "last_admin") // a disabled one does not count
	must(t, h.DeleteMember(ctx, byOperator, first.ID))
	if _, err := h.Member(ctx, first.ID); err == nil {
		t.Error("a deleted member is still there")
	}
}

func TestR2LastRefundCapableAdministratorStays(t *testing.T) {
	t.Parallel()
	h, ctx := onSQLite(t), t.Context()
	refused(t, h.DeleteAdmin(ctx, byOperator, theMerchant, "boss"), pay.ErrDenied, "last_refund_admin")
	_, err := h.UpdateAdmin(ctx, byOperator, theMerchant, "boss", func(a *directory.Admin) error { a.RefundAuth = false; return nil })
	refused(t, err, pay.ErrDenied, "last_refund_admin")
	must(t, h.DeleteAdmin(ctx, byOperator, theMerchant, "wife"))
}

func TestR3WithoutRefundPermissionNobodyTakesAnothers(t *testing.T) {
	t.Parallel()
	h, ctx := onSQLite(t), t.Context()
	wife := directory.Actor{Kind: directory.ByAdmin, ID: theMerchant + "/wife", Role: directory.RoleBoss}
	boss := directory.Actor{Kind: directory.ByAdmin, ID: theMerchant + "/boss", Role: directory.RoleBoss, RefundAuth: true}
	take := func(s *directory.Staff) error { s.RefundAuth = false; return nil }
	_, err := h.UpdateStaff(ctx, wife, theMerchant, theShop, "able", take)
	refused(t, err, pay.ErrDenied, "refund_auth_of_others")
	refused(t, h.DeleteStaff(ctx, wife, theMerchant, theShop, "able"), pay.ErrDenied, "refund_auth_of_others")
	refused(t, h.DeleteShop(ctx, wife, theMerchant, theShop), pay.ErrDenied, "refund_auth_of_others")
	must(t, h.DeleteStaff(ctx, wife, theMerchant, theShop, "clerk"))
	own := directory.Actor{Kind: directory.ByStaff, ID: theMerchant + "/" + theShop + "/able", Role: directory.RoleCashier}
	got[directory.Staff](t)(h.UpdateStaff(ctx, own, theMerchant, theShop, "able", take)) // one's own
	got[directory.Staff](t)(h.UpdateStaff(ctx, boss, theMerchant, theShop, "able", func(s *directory.Staff) error { s.RefundAuth = true; return nil }))
	got[directory.Staff](t)(h.UpdateStaff(ctx, boss, theMerchant, theShop, "able", take))
}

func TestR4ShopOrMerchantWithTradeInTheLast30DaysStays(t *testing.T) {
	t.Parallel()
	onEngines(t, func(t *testing.T, h *house) {
		t.Helper()
		ctx := t.Context()
		h.paid(ctx, theShop, "1", h.now().Add(-10*24*time.Hour))
		refused(t, h.DeleteShop(ctx, byOperator, theMerchant, theShop), pay.ErrDenied, "recent_trade")
		refused(t, h.DeleteMerchant(ctx, byOperator, theMerchant), pay.ErrDenied, "recent_trade")
		_, err := h.SetShops(ctx, byOperator, theMerchant, true, nil)
		refused(t, err, pay.ErrDenied, "recent_trade")
		must(t, h.DeleteShop(ctx, byOperator, theMerchant, otherShop)) // it never had any
		h.advance(21 * 24 * time.Hour)
		must(t, h.DeleteShop(ctx, byOperator, theMerchant, theShop))
		must(t, h.DeleteMerchant(ctx, byOperator, theMerchant))
		if _, known, err := h.Claimed(ctx, theMerchant); known || err != nil {
			t.Errorf("Claimed after the deletion: %v, %v", known, err)
		}
		if m, err := h.Merchant(ctx, theMerchant); err != nil || m.DeletedAt.IsZero() {
			t.Errorf("the history of a deleted merchant: %v", err)
		}
		if list := got[[]directory.MerchantLine](t)(h.Merchants(ctx, directory.MerchantFilter{})); len(list) != 0 {
			t.Errorf("a deleted merchant is listed: %v", list)
		}
		_, err = h.CreateMerchant(ctx, byOperator, directory.Merchant{ID: theMerchant, ProviderID: theProvider})
		refused(t, err, pay.ErrConflict, "merchant_exists")
	})
}

func TestR5NothingDeletesTradeRecordsOrTheTrail(t *testing.T) {
	t.Parallel()
	files, err := filepath.Glob("../store/queries/*.sql")
	if err != nil || len(files) < 4 {
		t.Fatal(files, err)
	}
	deletes := regexp.MustCompile(`(?is)\b(delete\s+from|update)\s+(orders|refunds|postings|audit)\b`)
	for _, f := range files {
		raw, err := os.ReadFile(f)
		must(t, err)
		for _, found := range deletes.FindAllString(string(raw), -1) {
			verb, table := strings.ToLower(strings.Fields(found)[0]), strings.ToLower(found)
			if verb == "delete" || strings.HasSuffix(table, "audit") || strings.HasSuffix(table, "postings") {
				t.Errorf("%s: %q", f, found)
			}
		}
	}
}

func TestR8ClerkSeesOwnOrdersManagerTheShopAdministratorAll(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct {
		role directory.Role
		want directory.Scope
	}{
		{directory.RoleCashier, directory.OwnDoing}, {directory.RoleManager, directory.OneShop}, {directory.RoleBoss, directory.OneMerchant},
	} {
		if got := directory.Allowed(tt.role, directory.SeeOrders); got != tt.want {
			t.Errorf("%s sees orders: %q, want %q", tt.role, got, tt.want)
		}
	}
}

func TestR9DeviceBoundToAnotherTerminalIsRefused(t *testing.T) {
	t.Parallel()
	h, ctx := onSQLite(t), t.Context()
	si := h.ticket("pos", "")
	got[directory.DeviceSetting](t)(h.UseDeviceSetting(ctx, theShop, si, "SN-1"))
	_, err := h.UseDeviceSetting(ctx, theShop, si, "SN-2")
	refused(t, err, pay.ErrConflict, "device_bound")
	if !strings.Contains(err.Error(), "该设备已被绑定，请使用原有设备号或者联系管理员解绑设备") {
		t.Errorf("the sentence is %v", err)
	}
	// No other way of changing the record gets around it.
	_, err = h.UpdateShop(ctx, byOperator, theMerchant, theShop, func(s *directory.Shop) error { s.Devices[1].SN = "SN-2"; return nil })
	refused(t, err, pay.ErrConflict, "device_bound")
	got[directory.Device](t)(h.UpdateDevice(ctx, byOperator, theMerchant, theShop, "pos", func(d *directory.Device) error { d.SN = "SN-2"; return nil }))
	if sn := h.device("pos").SN; sn != "SN-1" {
		t.Errorf("bound to %s, want SN-1", sn)
	}
	refused(t, h.UnbindDevice(ctx, byOperator, theMerchant, theShop, "pos", "SN-2"), pay.ErrConflict, "device_bound_to_other")
	must(t, h.UnbindDevice(ctx, byOperator, theMerchant, theShop, "pos", "SN-1"))
	must(t, h.UnbindDevice(ctx, byOperator, theMerchant, theShop, "pos", "")) // again
	got[directory.DeviceSetting](t)(h.UseDeviceSetting(ctx, theShop, si, "SN-2"))
}

func TestR10TerminalMustBindAgainAfterKeyResetOrDeletion(t *testing.T) {
	t.Parallel()
	h, ctx := onSQLite(t), t.Context()
	got[directory.DeviceSetting](t)(h.UseDeviceSetting(ctx, theShop, h.ticket("pos", ""), "SN-1"))
	state := func() directory.BindState { return h.merchant().BindStateOf(h.device("pos")) }
	if state() != directory.Bound {
		t.Fatal("not bound")
	}
	got[*directory.Merchant](t)(h.RotateKeys(ctx, byOperator, theMerchant, directory.Rotation{NewAuthenKey: true}))
	if state() != directory.BindAgain {
		t.Error("a key reset leaves the terminal as it was")
	}
	set := got[directory.DeviceSetting](t)(h.UseDeviceSetting(ctx, theShop, h.ticket("pos", ""), "SN-1"))
	if state() != directory.Bound || !set.Merchant.AuthenKey.Equal(h.merchant().AuthenKey) {
		t.Error("binding again does not help, or gives another key")
	}
	must(t, h.DeleteDevice(ctx, byOperator, theMerchant, theShop, "pos"))
	again := got[directory.Device](t)(h.AddDevice(ctx, byOperator, theMerchant, theShop, directory.Device{ID: "pos", SN: "SN-1", Category: directory.CategorySmart}))
	if again.SN != "" || state() != directory.Unbound {
		t.Error("a device that was deleted and added is bound")
	}
}

func TestR14RefundNamesOperatorAndWhoAuthorised(t *testing.T) {
	t.Parallel()
	h := onSQLite(t)
	m := h.merchant()
	for _, tt := range []struct {
		staff   string
		isAdmin bool
		name    string
		code    string
	}{
		{"able", false, "能退", ""},
		{"mgr", false, "店长", ""}, // a manager may by default
		{"clerk", false, "", "refund_not_permitted"},
		{"nobody", false, "", "refund_not_permitted"},
		{"", false, "", "refund_not_permitted"},
		{"", true, "老板", ""},
		{"boss", true, "老板", ""},
		{"wife", true, "", "refund_not_permitted"},
	} {
		name, err := directory.MayRefund(m, theShop, tt.staff, tt.isAdmin)
		if tt.code != "" {
			refused(t, err, pay.ErrDenied, tt.code)
			continue
		}
		if err != nil || name != tt.name {
			t.Errorf("MayRefund(%q, %v) = %q, %v, want %q", tt.staff, tt.isAdmin, name, err, tt.name)
		}
	}
	_, err := directory.MayRefund(m, "nowhere", "able", false)
	refused(t, err, pay.ErrDenied, "shop_unknown")
}

// ticket makes a configuration QR code for a device of theShop.
func (h *house) ticket(device, staff string) string {
	h.t.Helper()
	t := got[directory.Ticket](h.t)(h.NewTicket(h.t.Context(), boss, directory.TicketRequest{
		MerchantID: theMerchant, ShopID: theShop, DeviceID: device, StaffID: staff,
	}))
	return t.SI.Reveal()
}

var boss = directory.Actor{Kind: directory.ByAdmin, ID: theMerchant + "/boss", Name: "老板", Role: directory.RoleBoss, RefundAuth: true}
