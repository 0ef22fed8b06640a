package directory

import (
	"bytes"
	"cmp"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"time"

	"cloudpay/internal/secret"
)

// Purposes of sealed values. They are part of what is stored: never change one.
const (
	purposeAuthenKey    = "authen_key"
	purposeAppAuthToken = "app_auth_token" //nolint:gosec // the name of a purpose
	purposeAccount      = "account"
	purposePIN          = "pin"
	purposeInitKey      = "init_key"
)

// assemble opens a merchant's rows. What was deleted below it is left out.
func assemble(rows MerchantRows, key *secret.DataKey, pad secret.Secret) (*Merchant, error) {
	r := rows.Merchant
	m := &Merchant{
		ID: r.ID, ProviderID: r.ProviderID, SubProviderID: r.SubProviderID, Name: r.Name, DefaultBody: r.DefaultBody,
		Prefixes: rows.Prefixes, NotifyURL: r.NotifyURL,
		ReversePaid: r.ReversePaid, RefundMustSign: r.RefundMustSign, Disabled: r.Disabled,
		Wx:        WechatMerchant{SubMchID: r.WxSubMchID, SubAppID: r.WxSubAppID, MobAppID: r.WxMobAppID, MiniAppID: r.WxMiniAppID, API: r.WxAPI},
		Ali:       AlipayMerchant{SellerID: r.AliSellerID},
		CreatedAt: r.CreatedAt, UpdatedAt: r.UpdatedAt, DeletedAt: r.DeletedAt, Version: rows.Version,
		rows: rows, pad: pad,
	}
	err := errors.Join(fromJSON(r.Profile, &m.Profile), fromJSON(r.Policy, &m.Policy))
	if len(r.AliAppAuthToken) > 0 {
		var failed error
		m.Ali.AppAuthToken, failed = key.Open(secret.Place{Purpose: purposeAppAuthToken, Owner: r.ID}, r.AliAppAuthToken)
		err = errors.Join(err, named("open app_auth_token", failed))
	}
	err = errors.Join(err, m.takeKeys(rows.Keys, key))
	for _, a := range rows.Admins {
		if a.DeletedAt.IsZero() {
			m.Admins = append(m.Admins, adminOf(a))
		}
	}
	at := map[string]int{}
	for _, s := range rows.Shops {
		if s.DeletedAt.IsZero() {
			shop, failed := shopOf(s)
			err = errors.Join(err, failed)
			at[s.ID] = len(m.Shops)
			m.Shops = append(m.Shops, shop)
		}
	}
	for _, v := range rows.Devices {
		if i, ok := at[v.ShopID]; ok && v.DeletedAt.IsZero() {
			device, failed := deviceOf(v)
			err = errors.Join(err, failed)
			m.Shops[i].Devices = append(m.Shops[i].Devices, device)
		}
	}
	for _, v := range rows.Staff {
		if i, ok := at[v.ShopID]; ok && v.DeletedAt.IsZero() {
			person, failed := staffOf(v)
			err = errors.Join(err, failed)
			m.Shops[i].Staff = append(m.Shops[i].Staff, person)
		}
	}
	if err != nil {
		return nil, err
	}
	return m, nil
}

// takeKeys opens the keys of a merchant, newest first.
func (m *Merchant) takeKeys(rows []KeyRow, key *secret.DataKey) error {
	for _, r := range rows {
		k := Key{ID: r.ID, Kind: r.Kind, PublicPEM: r.PublicPEM, CreatedAt: r.CreatedAt, EndsAt: r.EndsAt, SeenAt: r.SeenAt}
		var err error
		if r.Kind == KindPublic {
			k.Public, err = parsePublicKey(r.PublicPEM)
		} else {
			k.Authen, err = key.Open(secret.Place{Purpose: purposeAuthenKey, Owner: m.ID}, r.Sealed)
		}
		if err != nil {
			return fmt.Errorf("open key %s: %w", r.ID, err)
		}
		m.Keys = append(m.Keys, k)
		switch {
		case !k.EndsAt.IsZero():
		case k.Kind == KindAuthen:
			m.AuthenKey = k.Authen
		default:
			m.PublicKeyPEM, m.PublicKey = k.PublicPEM, k.Public
		}
	}
	if m.AuthenKey.IsZero() {
		return errors.New("no current authen_key is stored")
	}
	// Newest first, and the current one of each kind before those that end.
	slices.SortStableFunc(m.Keys, func(a, b Key) int {
		if a.EndsAt.IsZero() != b.EndsAt.IsZero() {
			return cmp.Compare(btoi(b.EndsAt.IsZero()), btoi(a.EndsAt.IsZero()))
		}
		return b.CreatedAt.Compare(a.CreatedAt)
	})
	return nil
}

func btoi(b bool) int {
	if b {
		return 1
	}
	return 0
}

func named(what string, err error) error {
	if err == nil {
		return nil
	}
	return fmt.Errorf("%s: %w", what, err)
}

func adminOf(r AdminRow) Admin {
	return Admin{
		ID: r.ID, Name: r.Name, RefundAuth: r.RefundAuth, OneCodeNotes: r.OneCodeNotes, OpenID: r.OpenID,
		MchOpenID: r.MchOpenID, Duty: r.Duty, Phone: r.Phone, CreatedAt: r.CreatedAt, UpdatedAt: r.UpdatedAt,
	}
}

func shopOf(r ShopRow) (Shop, error) {
	s := Shop{ID: r.ID, Number: r.Number, Name: r.Name, CreatedAt: r.CreatedAt, UpdatedAt: r.UpdatedAt}
	return s, fromJSON(r.Profile, &s.Profile)
}

func deviceOf(r DeviceRow) (Device, error) {
	d := Device{
		ID: r.ID, Name: r.Name, Type: DeviceType(r.Type), Category: DeviceCategory(r.Category), SN: r.SN,
		Prefix: r.Prefix, Ordinal: r.Ordinal, CreatedAt: r.CreatedAt, UpdatedAt: r.UpdatedAt,
	}
	return d, fromJSON(r.Profile, &d.Profile)
}

func staffOf(r StaffRow) (Staff, error) {
	s := Staff{
		ID: r.ID, Name: r.Name, ShopManager: r.ShopManager, RefundAuth: r.RefundAuth, HasPIN: len(r.PIN) > 0,
		CreatedAt: r.CreatedAt, UpdatedAt: r.UpdatedAt,
	}
	return s, fromJSON(r.Profile, &s.Profile)
}

// fromJSON reads a profile. "" is the zero value.
func fromJSON(text string, to any) error {
	if text == "" {
		return nil
	}
	if err := json.Unmarshal([]byte(text), to); err != nil {
		return fmt.Errorf("read a profile: %w", err)
	}
	return nil
}

// toJSON writes a profile, "" for the zero value.
func toJSON(v any) (string, error) {
	b, err := json.Marshal(v)
	if err != nil {
		return "", fmt.Errorf("write a profile: %w", err)
	}
	if bytes.Equal(b, []byte("{}")) {
		return "", nil
	}
	return string(b), nil
}

// takeApart is the inverse of assemble, for what an edit may change: rows with
// the times and sealed members of those that were loaded. A row that the tree
// no longer has gets its DeletedAt.
func (m *Merchant) takeApart(key *secret.DataKey, now time.Time) (MerchantRows, error) {
	old := m.rows
	out := MerchantRows{Version: old.Version, Prefixes: m.Prefixes}
	r := MerchantRow{
		ID: m.ID, ProviderID: m.ProviderID, SubProviderID: m.SubProviderID, Name: m.Name, DefaultBody: m.DefaultBody,
		NotifyURL: m.NotifyURL, ReversePaid: m.ReversePaid, RefundMustSign: m.RefundMustSign, Disabled: m.Disabled,
		WxSubMchID: m.Wx.SubMchID, WxSubAppID: m.Wx.SubAppID, WxMobAppID: m.Wx.MobAppID, WxMiniAppID: m.Wx.MiniAppID, WxAPI: m.Wx.API,
		AliSellerID: m.Ali.SellerID, Times: old.Merchant.Times,
	}
	r.DeletedAt = m.DeletedAt
	var err1, err2 error
	r.Profile, err1 = toJSON(m.Profile)
	r.Policy, err2 = toJSON(m.Policy)
	if err := errors.Join(err1, err2); err != nil {
		return MerchantRows{}, err
	}
	if token := m.Ali.AppAuthToken; !token.IsZero() {
		at := secret.Place{Purpose: purposeAppAuthToken, Owner: m.ID}
		r.AliAppAuthToken = old.Merchant.AliAppAuthToken
		if was, err := key.Open(at, r.AliAppAuthToken); err != nil || !was.Equal(token) {
			r.AliAppAuthToken = key.Seal(at, token)
		}
	}
	out.Merchant = r
	for _, k := range m.Keys {
		out.Keys = append(out.Keys, m.keyRow(k, key))
	}
	for _, a := range m.Admins {
		out.Admins = append(out.Admins, m.adminRow(a))
	}
	for _, s := range m.Shops {
		if err := m.shopRows(&out, s); err != nil {
			return MerchantRows{}, err
		}
	}
	out.Admins = buried(out.Admins, old.Admins, now)
	out.Shops = buried(out.Shops, old.Shops, now)
	// What belonged to a shop goes with it, without a row of its own.
	out.Devices = buried(out.Devices, m.inShops(old.Devices), now)
	out.Staff = buried(out.Staff, m.staffInShops(old.Staff), now)
	return out, nil
}

func (m *Merchant) inShops(rows []DeviceRow) []DeviceRow {
	return slices.DeleteFunc(slices.Clone(rows), func(r DeviceRow) bool { return indexOf(m.Shops, r.ShopID, shopID) < 0 })
}

func (m *Merchant) staffInShops(rows []StaffRow) []StaffRow {
	return slices.DeleteFunc(slices.Clone(rows), func(r StaffRow) bool { return indexOf(m.Shops, r.ShopID, shopID) < 0 })
}

func (m *Merchant) keyRow(k Key, key *secret.DataKey) KeyRow {
	r := KeyRow{
		MerchantID: m.ID, ID: k.ID, Kind: k.Kind, PublicPEM: k.PublicPEM,
		CreatedAt: k.CreatedAt, EndsAt: k.EndsAt, SeenAt: k.SeenAt,
	}
	if k.Kind != KindAuthen {
		return r
	}
	if old, ok := lookUp(m.rows.Keys, k.ID, func(o KeyRow) string { return o.ID }); ok {
		r.Sealed = old.Sealed // the value of a key never changes
		return r
	}
	r.Sealed = key.Seal(secret.Place{Purpose: purposeAuthenKey, Owner: m.ID}, k.Authen)
	return r
}

func (m *Merchant) adminRow(a Admin) AdminRow {
	return AdminRow{
		MerchantID: m.ID, ID: a.ID, Name: a.Name, RefundAuth: a.RefundAuth, OneCodeNotes: a.OneCodeNotes,
		OpenID: a.OpenID, MchOpenID: a.MchOpenID, Duty: a.Duty, Phone: a.Phone,
		Times: Times{CreatedAt: a.CreatedAt, UpdatedAt: a.UpdatedAt},
	}
}

// shopRows adds a shop and what is below it.
func (m *Merchant) shopRows(out *MerchantRows, s Shop) error {
	r := ShopRow{
		MerchantID: m.ID, ID: s.ID, Number: s.Number, Name: s.Name, Times: Times{CreatedAt: s.CreatedAt, UpdatedAt: s.UpdatedAt},
	}
	var err error
	if r.Profile, err = toJSON(s.Profile); err != nil {
		return err
	}
	out.Shops = append(out.Shops, r)
	for _, d := range s.Devices {
		r := DeviceRow{
			MerchantID: m.ID, ShopID: s.ID, ID: d.ID, Name: d.Name, Type: int64(d.Type), Category: int64(d.Category), SN: d.SN,
			Prefix: d.Prefix, Ordinal: d.Ordinal, Times: Times{CreatedAt: d.CreatedAt, UpdatedAt: d.UpdatedAt},
		}
		if r.Profile, err = toJSON(d.Profile); err != nil {
			return err
		}
		out.Devices = append(out.Devices, r)
	}
	for _, p := range s.Staff {
		r := StaffRow{
			MerchantID: m.ID, ShopID: s.ID, ID: p.ID, Name: p.Name, ShopManager: p.ShopManager, RefundAuth: p.RefundAuth,
			PIN: p.newPIN, Times: Times{CreatedAt: p.CreatedAt, UpdatedAt: p.UpdatedAt},
		}
		if r.Profile, err = toJSON(p.Profile); err != nil {
			return err
		}
		if old, ok := lookUp(m.rows.Staff, r.object().id, func(o StaffRow) string { return o.object().id }); ok && p.HasPIN && r.PIN == nil {
			r.PIN = old.PIN
		}
		out.Staff = append(out.Staff, r)
	}
	return nil
}
