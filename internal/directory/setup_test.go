package directory_test

import (
	"strings"
	"testing"
	"time"

	"cloudpay/internal/directory"
	"cloudpay/internal/pay"
	"cloudpay/internal/secret"
)

func TestConfigurationCodeLivesFiveMinutesForOneTerminal(t *testing.T) {
	t.Parallel()
	onEngines(t, func(t *testing.T, h *house) {
		t.Helper()
		ctx := t.Context()
		si := h.ticket("pos", "clerk")
		if len(si) != 20 {
			t.Fatalf("si has %d characters", len(si))
		}
		use := func(shop, si, sn string) (directory.DeviceSetting, error) {
			return h.UseDeviceSetting(ctx, shop, si, sn)
		}
		for range 2 { // the same terminal as often as it likes
			s := got[directory.DeviceSetting](t)(use(theShop, si, "SN-1"))
			if s.Merchant.ID != theMerchant || s.Shop.ID != theShop || s.Device.SN != "SN-1" || s.Staff.ID != "clerk" {
				t.Errorf("setting: %s %s %s %s", s.Merchant.ID, s.Shop.ID, s.Device.SN, s.Staff.ID)
			}
			if !s.Merchant.HasPrefix(s.CashierID()+"1") || s.CashierID() != s.Device.Prefix || !s.Merchant.AuthenKey.Equal(h.merchant().AuthenKey) {
				t.Error("the setting does not let the terminal work")
			}
		}
		_, err := use(otherShop, si, "SN-1")
		refused(t, err, pay.ErrDenied, "setting_expired")
		_, err = use(theShop, strings.Repeat("x", 20), "SN-1")
		refused(t, err, pay.ErrDenied, "setting_expired")
		_, err = use(theShop, "", "SN-1")
		refused(t, err, pay.ErrDenied, "setting_expired")
		for _, sn := range []string{"", "SN 1", "机", strings.Repeat("x", 128)} {
			_, err = use(theShop, si, sn)
			refused(t, err, pay.ErrInvalid, "invalid_sn")
		}
		h.advance(5*time.Minute - time.Millisecond)
		got[directory.DeviceSetting](t)(use(theShop, si, "SN-1"))
		h.advance(time.Millisecond)
		_, err = use(theShop, si, "SN-1")
		refused(t, err, pay.ErrDenied, "setting_expired")
		// Nobody was chosen: the zero member of staff.
		s := got[directory.DeviceSetting](t)(use(theShop, h.ticket("pos", ""), "SN-1"))
		if s.Staff.ID != "" || s.Staff.Name != "" {
			t.Errorf("staff %+v, want none", s.Staff)
		}
		// What it is for is gone.
		si = h.ticket("pos", "")
		must(t, h.DeleteDevice(ctx, byOperator, theMerchant, theShop, "pos"))
		_, err = use(theShop, si, "SN-1")
		refused(t, err, pay.ErrDenied, "setting_expired")
	})
}

func TestWhoMaySetUpADevice(t *testing.T) {
	t.Parallel()
	h, ctx := onSQLite(t), t.Context()
	ask := func(role directory.Role, device, staff string) error {
		_, err := h.NewTicket(ctx, directory.Actor{Kind: directory.ByMember, ID: "x", Role: role},
			directory.TicketRequest{MerchantID: theMerchant, ShopID: theShop, DeviceID: device, StaffID: staff})
		return err
	}
	for _, role := range directory.Roles() {
		err := ask(role, "pos", "")
		if role == directory.RoleBoss {
			must(t, err)
			continue
		}
		refused(t, err, pay.ErrDenied, "setup_not_permitted") // a manager needs the switch (K5)
	}
	must(t, ask("", "pos", "")) // the command line on the server
	refused(t, ask(directory.RoleBoss, "desk", ""), pay.ErrDenied, "category_without_setup")
	refused(t, ask(directory.RoleBoss, "none", ""), pay.ErrNotFound, "device_unknown")
	refused(t, ask(directory.RoleBoss, "pos", "nobody"), pay.ErrNotFound, "staff_unknown")
	got[*directory.Merchant](t)(h.UpdateMerchant(ctx, byOperator, theMerchant, func(m *directory.Merchant) error {
		m.Policy.ManagerSetup, m.Policy.StaffRequired = true, true
		return nil
	}))
	must(t, ask(directory.RoleManager, "pos", "clerk"))
	refused(t, ask(directory.RoleManager, "pos", ""), pay.ErrInvalid, "invalid_staff_id")
	refused(t, ask(directory.RoleCashier, "pos", "clerk"), pay.ErrDenied, "setup_not_permitted")
}

const (
	factorySN  = "BF_M100_BF0001"
	factoryKey = "654502BB0F57EC8737B4CF12117575B8"
)

func TestFactoryDeviceIsEnrolledBoundAndChecked(t *testing.T) {
	t.Parallel()
	onEngines(t, func(t *testing.T, h *house) {
		t.Helper()
		ctx := t.Context()
		other := strings.Repeat("Z", 32)
		file := factorySN + " " + factoryKey + "\n\nBF_M100_BF0002\t" + other + "\r\n"
		if n := got[int](t)(h.ImportInitKeys(ctx, byOperator, strings.NewReader(file))); n != 2 {
			t.Fatalf("%d devices enrolled, want 2", n)
		}
		if n := got[int](t)(h.ImportInitKeys(ctx, byOperator, strings.NewReader(file))); n != 0 {
			t.Errorf("%d devices enrolled again", n)
		}
		_, err := h.ImportInitKeys(ctx, byOperator, strings.NewReader(factorySN+" "+other))
		refused(t, err, pay.ErrConflict, "init_key_differs")
		claim := func(sn string) (directory.FactoryDevice, bool) {
			t.Helper()
			v, known, err := h.ClaimedDevice(ctx, sn)
			must(t, err)
			return v, known
		}
		v, known := claim(factorySN)
		if !known || v.InitKey.Reveal() != factoryKey || v.ShopID != "" {
			t.Fatalf("the device is not as it was enrolled: %v", known)
		}
		for _, sn := range []string{"nobody", "", "S N"} {
			if s, known := claim(sn); known || len(s.InitKey.Reveal()) != 32 || s.InitKey.Equal(v.InitKey) {
				t.Errorf("%q is no stand-in", sn)
			}
		}

		a := got[directory.Activation](t)(h.StartBinding(ctx, v))
		token := a.Token.Reveal()
		if len(a.Activator) != 12 || len(token) != 12 || a.TTL != 180*time.Second || a.Interval <= 0 {
			t.Errorf("activation: %+v", a)
		}
		if _, activated, err := h.BindingOf(ctx, v, token); activated || err != nil {
			t.Fatalf("activated before anybody granted it: %v", err)
		}
		stranger, _ := claim("BF_M100_BF0002")
		_, _, err = h.BindingOf(ctx, stranger, token)
		refused(t, err, pay.ErrDenied, "token_expired")
		request := directory.TicketRequest{MerchantID: theMerchant, ShopID: theShop, DeviceID: "pos", StaffID: "clerk"}
		_, err = h.GrantBinding(ctx, directory.Actor{Kind: directory.ByStaff, ID: "x", Role: directory.RoleCashier}, a.Activator, request)
		refused(t, err, pay.ErrDenied, "setup_not_permitted")
		node := h.open() // another process, which keeps the merchant as it was
		got[*directory.Merchant](t)(node.Merchant(ctx, theMerchant))
		got[directory.FactoryDevice](t)(h.GrantBinding(ctx, boss, a.Activator, request))
		_, err = h.GrantBinding(ctx, boss, a.Activator, request)
		refused(t, err, pay.ErrDenied, "activator_expired")
		s, activated, err := node.BindingOf(ctx, v, token)
		if err != nil || !activated || s.Device.ID != "pos" || s.Device.SN != factorySN || s.Staff.ID != "clerk" || !s.Device.Profile.BoundByFactory {
			t.Fatalf("BindingOf = %v %v %v", s.Device.ID, activated, err)
		}
		if v, _ = claim(factorySN); v.ShopID != theShop || v.DeviceID != "pos" || v.BoundAt.IsZero() {
			t.Errorf("the device does not know what it is bound to: %s %s", v.ShopID, v.DeviceID)
		}
		m := got[*directory.Merchant](t)(node.CheckBinding(ctx, v, theShop, "pos"))
		if m.ID != theMerchant {
			t.Errorf("CheckBinding names merchant %s", m.ID)
		}
		h.advance(181 * time.Second)
		_, _, err = h.BindingOf(ctx, v, token)
		refused(t, err, pay.ErrDenied, "token_expired")

		not := func(shop, device string) {
			t.Helper()
			_, err := h.CheckBinding(ctx, v, shop, device)
			refused(t, err, pay.ErrDenied, "not_bound")
		}
		not("nowhere", "pos")
		not(theShop, "desk")
		not(theShop, "none")
		got[*directory.Merchant](t)(h.RotateKeys(ctx, byOperator, theMerchant, directory.Rotation{NewAuthenKey: true}))
		not(theShop, "pos")
		late := got[directory.Activation](t)(h.StartBinding(ctx, v))
		h.advance(180 * time.Second)
		_, err = h.GrantBinding(ctx, boss, late.Activator, request)
		refused(t, err, pay.ErrDenied, "activator_expired")
	})
}

// TestAnUnboundFactoryDeviceGetsNoKey: what was granted is taken back by
// unbinding, although the token still lives.
func TestAnUnboundFactoryDeviceGetsNoKey(t *testing.T) {
	t.Parallel()
	onEngines(t, func(t *testing.T, h *house) {
		t.Helper()
		ctx := t.Context()
		boss := directory.Actor{Kind: directory.ByAdmin, ID: "boss", Role: directory.RoleBoss}
		_, err := h.ImportInitKeys(ctx, byOperator, strings.NewReader(factorySN+" "+factoryKey))
		must(t, err)
		v, _, err := h.ClaimedDevice(ctx, factorySN)
		must(t, err)
		a := got[directory.Activation](t)(h.StartBinding(ctx, v))
		_, err = h.GrantBinding(ctx, boss, a.Activator, directory.TicketRequest{MerchantID: theMerchant, ShopID: theShop, DeviceID: "pos"})
		must(t, err)
		if _, activated, err := h.BindingOf(ctx, v, a.Token.Reveal()); !activated || err != nil {
			t.Fatalf("bound, but %v, %v", activated, err)
		}
		must(t, h.UnbindDevice(ctx, boss, theMerchant, theShop, "pos", ""))
		s, activated, err := h.BindingOf(ctx, v, a.Token.Reveal())
		refused(t, err, pay.ErrDenied, "token_expired")
		if activated || s.Merchant != nil {
			t.Error("an unbound device was given the merchant's key")
		}
	})
}

func TestEnrolmentIsCheckedAsAWhole(t *testing.T) {
	t.Parallel()
	h, ctx := onSQLite(t), t.Context()
	good := factorySN + " " + factoryKey + "\n"
	for name, bad := range map[string]string{
		"short key": "SN1 ABC", "lower case": "SN1 " + strings.ToLower(factoryKey), "no key": "SN1", "three words": "SN1 " + factoryKey + " x",
		"twice": factorySN + " " + factoryKey, "long line": strings.Repeat("x", 300), "odd sn": "机 " + factoryKey,
	} {
		_, err := h.ImportInitKeys(ctx, byOperator, strings.NewReader(good+bad))
		refused(t, err, pay.ErrInvalid, "invalid_sn_init_key")
		if strings.Contains(err.Error(), factoryKey) {
			t.Errorf("%s: the refusal quotes a key", name)
		}
	}
	if _, known, err := h.ClaimedDevice(ctx, factorySN); known || err != nil {
		t.Errorf("a refused file left a device behind: %v", err)
	}
}

func TestClientIsLetInByAPerson(t *testing.T) {
	t.Parallel()
	onEngines(t, func(t *testing.T, h *house) {
		t.Helper()
		ctx, m := t.Context(), h.merchant()
		_, err := h.StartClient(ctx, m, "nowhere", 1)
		refused(t, err, pay.ErrNotFound, "shop_unknown")
		begin := func(shop string) directory.Activation {
			t.Helper()
			return got[directory.Activation](t)(h.StartClient(ctx, m, shop, 1))
		}
		a := begin(theShop)
		if _, granted, err := h.ClientState(ctx, m, a.Token.Reveal()); granted || err != nil {
			t.Fatalf("granted by nobody: %v", err)
		}
		for _, who := range []directory.Identity{
			{Role: directory.RoleManager, ShopID: theShop, StaffID: "clerk"},
			{Role: directory.RoleCashier, ShopID: otherShop, StaffID: "clerk"},
			{Role: directory.RoleCashier, ShopID: theShop, StaffID: "nobody"},
			{Role: directory.RoleBoss, AdminID: "nobody"},
			{Role: directory.RoleVendor},
			{},
		} {
			refused(t, h.GrantClient(ctx, boss, a.Activator, who), pay.ErrDenied, "identity_not_permitted")
		}
		must(t, h.GrantClient(ctx, boss, a.Activator, directory.Identity{Kind: directory.ByStaff, Role: directory.RoleManager, ShopID: theShop, StaffID: "mgr"}))
		refused(t, h.GrantClient(ctx, boss, a.Activator, directory.Identity{Role: directory.RoleBoss}), pay.ErrDenied, "activator_expired")
		g, granted, err := h.ClientState(ctx, m, a.Token.Reveal())
		if err != nil || !granted || g.Identity.StaffID != "mgr" || g.Provider.ID != theProvider || len(g.Shops) != 1 || g.Shops[0].ID != theShop {
			t.Errorf("ClientState = %+v, %v, %v", g.Identity, granted, err)
		}
		whole := begin("")
		must(t, h.GrantClient(ctx, boss, whole.Activator, directory.Identity{Role: directory.RoleBoss, AdminID: "boss"}))
		if g, _, err := h.ClientState(ctx, m, whole.Token.Reveal()); err != nil || len(g.Shops) != 2 {
			t.Errorf("an administrator sees %d shops, %v; want all", len(g.Shops), err)
		}
		stranger := got[*directory.Merchant](t)(h.CreateMerchant(ctx, byOperator, directory.Merchant{ProviderID: theProvider}))
		// Whoever may let desks of one merchant in lets in none of another's.
		asked := begin("")
		foreign := directory.Identity{Merchant: stranger.ID, Role: directory.RoleBoss}
		refused(t, h.GrantClient(ctx, boss, asked.Activator, foreign), pay.ErrDenied, "activator_expired")
		_, _, err = h.ClientState(ctx, stranger, a.Token.Reveal())
		refused(t, err, pay.ErrDenied, "token_expired")
		_, _, err = h.ClientState(ctx, m, "x")
		refused(t, err, pay.ErrDenied, "token_expired")
		h.advance(180 * time.Second)
		_, _, err = h.ClientState(ctx, m, a.Token.Reveal())
		refused(t, err, pay.ErrDenied, "token_expired")
	})
}

func TestRotationOfTheMasterKeyIsResumedAndLosesNothing(t *testing.T) {
	t.Parallel()
	onEngines(t, func(t *testing.T, h *house) {
		t.Helper()
		ctx := t.Context()
		for range 3 {
			got[*directory.Provider](t)(h.CreateProvider(ctx, byOperator, directory.Provider{}))
		}
		_, err := h.ImportInitKeys(ctx, byOperator, strings.NewReader(factorySN+" "+factoryKey))
		must(t, err)
		key := h.merchant().AuthenKey
		vault := got[*secret.DataKey](t)(h.Vault(ctx)).Derive("x")
		node := func(ring *secret.Keyring) *directory.Directory {
			return got[*directory.Directory](t)(directory.New(h.store, h.store, ring, h.now))
		}
		readable := func(d *directory.Directory) bool {
			m, err := d.Merchant(ctx, theMerchant)
			v, known, err2 := d.ClaimedDevice(ctx, factorySN)
			return err == nil && err2 == nil && m.AuthenKey.Equal(key) && known && v.InitKey.Reveal() == factoryKey
		}
		both := keyring(t, "n", "k")
		if !readable(node(both)) {
			t.Fatal("before the rotation a node with both keys reads nothing")
		}
		// One that stops in the middle, as after kill -9.
		wrapped := got[[]directory.WrappedKey](t)(h.store.ListWrapped(ctx, "", 1))
		sealed, _, err := both.Rewrap(wrapped[0].Owner, wrapped[0].Sealed)
		must(t, err)
		if won, err := h.store.Rewrap(ctx, wrapped[0], sealed, directory.AuditRow{ID: "x"}); !won || err != nil {
			t.Fatal(won, err)
		}
		if !readable(node(both)) {
			t.Error("in the middle of the rotation a node with both keys cannot read")
		}
		if won, err := h.store.Rewrap(ctx, wrapped[0], sealed, directory.AuditRow{ID: "y"}); won || err != nil {
			t.Errorf("the same key was rewrapped twice: %v, %v", won, err)
		}
		if n := got[int](t)(node(both).RotateMaster(ctx, byOperator)); n != 4 { // three providers and the installation are left
			t.Errorf("%d data keys changed, want 4", n)
		}
		if n := got[int](t)(node(both).RotateMaster(ctx, byOperator)); n != 0 {
			t.Errorf("%d data keys changed again", n)
		}
		if !readable(node(keyring(t, "n"))) {
			t.Error("the new key alone does not read")
		}
		if readable(node(keyring(t, "k"))) {
			t.Error("the old key still reads")
		}
		after := got[*secret.DataKey](t)(node(keyring(t, "n")).Vault(ctx)).Derive("x")
		if string(after) != string(vault) {
			t.Error("what hangs on the installation's key changed with the master key")
		}
		if _, err := node(keyring(t, "x")).RotateMaster(ctx, byOperator); err == nil {
			t.Error("a rotation without the old key reports success")
		}
	})
}
