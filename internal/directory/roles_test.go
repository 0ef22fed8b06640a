package directory_test

import (
	"strings"
	"testing"

	"cloudpay/internal/directory"
	"cloudpay/internal/pay"
)

// wanted is the table of ux.md §1.1, column by column as it stands there; a
// line that says two things is two lines here.
const wanted = `
manage_merchants    all own -        -      -         -         -         -       -
see_secrets         -   -   -        -      -         -         -         -       -
manage_shops        all own merchant -      -         -         -         -       -
manage_staff        all own merchant shop   -         -         -         -       -
manage_devices      all own merchant shop   -         -         -         -       -
set_up_devices      -   -   merchant switch -         -         -         -       -
take_payments       -   -   merchant shop   shop      -         -         sandbox sandbox
make_refunds        -   -   permitted shop  permitted permitted -         key     -
see_orders          all own merchant shop   self      listed    masked    sandbox terminals
see_statistics      all own merchant shop   self      listed    aggregate -       sub_terminal_type
see_callbacks       all -   merchant -      -         -         all       app     -
set_callbacks       all -   -        -      -         -         -         app     -
see_reconciliation  all -   merchant -      -         listed    all       -       -
run_reconciliation  all -   -        -      -         listed    all       -       -
register_terminals  all -   -        -      -         -         all       -       brand
unbind_terminals    all -   merchant -      -         -         -         -       -
`

func TestPermissionMatrix(t *testing.T) {
	t.Parallel()
	lines := strings.Split(strings.TrimSpace(wanted), "\n")
	if len(lines) != len(directory.Capabilities()) {
		t.Fatalf("%d capabilities, the table has %d", len(directory.Capabilities()), len(lines))
	}
	for i, c := range directory.Capabilities() {
		words := strings.Fields(lines[i])
		if words[0] != string(c) {
			t.Fatalf("line %d is %s, want %s", i+1, words[0], c)
		}
		for j, role := range directory.Roles() {
			want := strings.TrimPrefix(words[j+1], "-")
			if got := directory.Allowed(role, c); string(got) != want {
				t.Errorf("%s %s = %q, want %q", role, c, got, want)
			}
		}
	}
	if directory.Allowed("customer", directory.SeeOrders) != directory.Nothing || directory.ValidRole("customer") {
		t.Error("a role that does not exist may do something")
	}
	if directory.Allowed(directory.RoleProvider, "fly") != directory.Nothing {
		t.Error("a capability that does not exist is allowed")
	}
}

func TestMembersReachFitsTheirRole(t *testing.T) {
	t.Parallel()
	h, ctx := onSQLite(t), t.Context()
	reach := func(sub, shop string, merchants ...string) directory.Reach {
		return directory.Reach{ProviderID: theProvider, SubProviderID: sub, ShopID: shop, Merchants: merchants}
	}
	for _, tt := range []struct {
		role directory.Role
		good directory.Reach
		bad  directory.Reach
	}{
		{directory.RoleSubProvider, reach("south", ""), reach("", "")},
		{directory.RoleBoss, reach("", "", "m"), reach("", "")},
		{directory.RoleManager, reach("", "s", "m"), reach("", "", "m")},
		{directory.RoleCashier, reach("", "s", "m"), reach("", "s")},
		{directory.RoleFinance, reach("", "", "m", "n"), reach("", "")},
		{directory.RoleDeveloper, reach("", ""), directory.Reach{}},
		{directory.RoleVendor, reach("", ""), directory.Reach{}},
	} {
		m := directory.Member{Name: "人", Role: tt.role, Reach: tt.bad}
		_, err := h.CreateMember(ctx, byOperator, m)
		refused(t, err, pay.ErrInvalid, "invalid_scope")
		m.Reach = tt.good
		made := got[directory.Member](t)(h.CreateMember(ctx, byOperator, m))
		if by := made.Actor(); by.Role != tt.role || by.ID != made.ID || by.Kind != directory.ByMember {
			t.Errorf("%s acts as %+v", tt.role, by)
		}
	}
	_, err := h.CreateMember(ctx, byOperator, directory.Member{Role: "king"})
	refused(t, err, pay.ErrInvalid, "invalid_role")
	x := &directory.Merchant{ID: "m", ProviderID: theProvider, SubProviderID: "south"}
	for _, tt := range []struct {
		reach directory.Reach
		want  bool
	}{
		{directory.Reach{}, true},
		{directory.Reach{ProviderID: theProvider}, true},
		{directory.Reach{ProviderID: "other"}, false},
		{reach("south", ""), true},
		{reach("north", ""), false},
		{reach("", "", "m"), true},
		{reach("", "", "n"), false},
	} {
		if got := (directory.Member{Reach: tt.reach}).Reaches(x); got != tt.want {
			t.Errorf("%+v reaches the merchant: %v, want %v", tt.reach, got, tt.want)
		}
	}
}
