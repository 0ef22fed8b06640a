package store

import (
	"context"
	"errors"
	"fmt"
	"time"

	"cloudpay/internal/directory"
	"cloudpay/internal/pay"
	"cloudpay/internal/store/sqlcgen"
)

// LoadMerchant implements directory.Loader.
func (s *Store) LoadMerchant(ctx context.Context, id string) (rows directory.MerchantRows, err error) {
	err = s.db.snapshot(ctx, func(q *sqlcgen.Queries) error {
		m, err := q.GetMerchant(ctx, id)
		if err != nil {
			return absent(err)
		}
		head, err := q.GetHead(ctx, "m/"+id)
		if err != nil && !errors.Is(absent(err), pay.ErrNotFound) {
			return err
		}
		keys, err1 := q.ListKeys(ctx, id)
		prefixes, err2 := q.ListPrefixes(ctx, id)
		admins, err3 := q.ListAdmins(ctx, id)
		shops, err4 := q.ListShops(ctx, id)
		devices, err5 := q.ListDevices(ctx, id)
		staff, err6 := q.ListStaff(ctx, id)
		rows = directory.MerchantRows{
			Version: head.Version, Merchant: merchantOf(m), Keys: mapped(keys, keyOf), Prefixes: prefixes,
			Admins: mapped(admins, adminOf), Shops: mapped(shops, shopOf), Devices: mapped(devices, deviceOf),
			Staff: mapped(staff, staffOf),
		}
		return errors.Join(err1, err2, err3, err4, err5, err6)
	})
	if err != nil {
		return directory.MerchantRows{}, fmt.Errorf("read merchant %s: %w", id, err)
	}
	return rows, nil
}

func times(created, updated, deleted int64) directory.Times {
	return directory.Times{CreatedAt: at(created), UpdatedAt: at(updated), DeletedAt: at(deleted)}
}

func merchantOf(r sqlcgen.Merchant) directory.MerchantRow {
	return directory.MerchantRow{
		ID: r.ID, ProviderID: r.ProviderID, SubProviderID: r.SubProviderID, Name: r.Name, DefaultBody: r.DefaultBody,
		NotifyURL: r.NotifyUrl, ReversePaid: r.ReversePaid, RefundMustSign: r.RefundMustSign, Disabled: r.Disabled,
		WxSubMchID: r.WxSubMchID, WxSubAppID: r.WxSubAppID, WxMobAppID: r.WxMobAppID, WxMiniAppID: r.WxMiniAppID, WxAPI: r.WxApi,
		AliAppAuthToken: r.AliAppAuthToken, AliSellerID: r.AliSellerID, Profile: r.Profile, Policy: r.Policy,
		Times: times(r.CreatedMs, r.UpdatedMs, r.DeletedMs),
	}
}

func keyOf(r sqlcgen.MerchantKey) directory.KeyRow {
	return directory.KeyRow{
		MerchantID: r.MerchantID, ID: r.ID, Kind: r.Kind, Sealed: r.Sealed, PublicPEM: r.PublicPem,
		CreatedAt: at(r.CreatedMs), EndsAt: at(r.EndsMs), SeenAt: at(r.SeenMs),
	}
}

func adminOf(r sqlcgen.Admin) directory.AdminRow {
	return directory.AdminRow{
		MerchantID: r.MerchantID, ID: r.ID, Name: r.Name, RefundAuth: r.RefundAuth, OneCodeNotes: r.OneCodeNotes,
		OpenID: r.OpenID, MchOpenID: r.MchOpenID, Duty: r.Duty, Phone: r.Phone,
		Times: times(r.CreatedMs, r.UpdatedMs, r.DeletedMs),
	}
}

func shopOf(r sqlcgen.Shop) directory.ShopRow {
	return directory.ShopRow{
		MerchantID: r.MerchantID, ID: r.ID, Number: r.Number, Name: r.Name, Profile: r.Profile,
		Times: times(r.CreatedMs, r.UpdatedMs, r.DeletedMs),
	}
}

func deviceOf(r sqlcgen.Device) directory.DeviceRow {
	return directory.DeviceRow{
		MerchantID: r.MerchantID, ShopID: r.ShopID, ID: r.ID, Name: r.Name, Type: r.DeviceType, Category: r.Category,
		SN: r.Sn, Prefix: r.Prefix, Ordinal: r.Ordinal, Profile: r.Profile,
		Times: times(r.CreatedMs, r.UpdatedMs, r.DeletedMs),
	}
}

func staffOf(r sqlcgen.Staff) directory.StaffRow {
	return directory.StaffRow{
		MerchantID: r.MerchantID, ShopID: r.ShopID, ID: r.ID, Name: r.Name, ShopManager: r.ShopManager,
		RefundAuth: r.RefundAuth, PIN: r.Pin, Profile: r.Profile, Times: times(r.CreatedMs, r.UpdatedMs, r.DeletedMs),
	}
}

func providerOf(r sqlcgen.Provider) directory.ProviderRow {
	return directory.ProviderRow{
		ID: r.ID, Name: r.Name, NotifyURL: r.NotifyUrl, RefundNotifyURL: r.RefundNotifyUrl, DataKey: r.DataKey,
		Disabled: r.Disabled, Profile: r.Profile, Times: times(r.CreatedMs, r.UpdatedMs, r.DeletedMs),
	}
}

func subProviderOf(r sqlcgen.SubProvider) directory.SubProviderRow {
	return directory.SubProviderRow{
		ProviderID: r.ProviderID, ID: r.ID, Name: r.Name, Remark: r.Remark, RebatePPM: r.RebatePpm, Disabled: r.Disabled,
		Times: times(r.CreatedMs, r.UpdatedMs, r.DeletedMs),
	}
}

func memberOf(r sqlcgen.Member) directory.MemberRow {
	return directory.MemberRow{
		ID: r.ID, Name: r.Name, Role: r.Role, Disabled: r.Disabled, Scope: r.Scope,
		Times: times(r.CreatedMs, r.UpdatedMs, r.DeletedMs),
	}
}

func activationOf(r sqlcgen.Activation) directory.ActivationRow {
	return directory.ActivationRow{
		Activator: r.Activator, TokenHash: r.TokenHash, Kind: r.Kind, SN: r.Sn, MerchantID: r.MerchantID, ShopID: r.ShopID,
		Terminal: r.Terminal, CreatedAt: at(r.CreatedMs), EndsAt: at(r.EndsMs), GrantedAt: at(r.GrantedMs),
		GrantedBy: r.GrantedBy, Granted: r.Granted,
	}
}

func auditOf(r sqlcgen.Audit) directory.AuditRow {
	return directory.AuditRow{
		ID: r.ID, At: at(r.AtMs), ActorKind: directory.ActorKind(r.ActorKind), ActorID: r.ActorID, ActorName: r.ActorName,
		Action: r.Action, ProviderID: r.ProviderID, MerchantID: r.MerchantID, ObjectKind: r.ObjectKind, ObjectID: r.ObjectID,
		Before: r.Before, After: r.After,
	}
}

// oneRow turns a row into the domain's and "no row" into pay.ErrNotFound.
func oneRow[R, V any](what string, of func(R) V) func(R, error) (V, error) {
	return func(r R, err error) (V, error) {
		if err != nil {
			var zero V
			return zero, fmt.Errorf("read %s: %w", what, absent(err))
		}
		return of(r), nil
	}
}

// manyRows turns rows into the domain's.
func manyRows[R, V any](what string, of func(R) V) func([]R, error) ([]V, error) {
	return func(rows []R, err error) ([]V, error) {
		if err != nil {
			return nil, fmt.Errorf("list %s: %w", what, err)
		}
		return mapped(rows, of), nil
	}
}

// LoadProvider implements directory.Loader.
func (s *Store) LoadProvider(ctx context.Context, id string) (directory.ProviderRow, error) {
	return oneRow("provider "+id, providerOf)(s.read.GetProvider(ctx, id))
}

// LoadAccount implements directory.Loader.
func (s *Store) LoadAccount(ctx context.Context, providerID string, ch pay.Channel) (directory.AccountRow, error) {
	return oneRow(string(ch)+" account of provider "+providerID, func(r sqlcgen.Account) directory.AccountRow {
		return directory.AccountRow{ProviderID: r.ProviderID, Channel: pay.Channel(r.Channel), Fields: r.Fields}
	})(s.read.GetAccount(ctx, sqlcgen.GetAccountParams{ProviderID: providerID, Channel: string(ch)}))
}

// LoadShopOwner implements directory.Loader.
func (s *Store) LoadShopOwner(ctx context.Context, shopID string) (string, error) {
	return oneRow("shop "+shopID, func(r sqlcgen.Shop) string { return r.MerchantID })(s.read.GetShop(ctx, shopID))
}

// LoadSubProviders implements directory.Loader.
func (s *Store) LoadSubProviders(ctx context.Context, providerID string) ([]directory.SubProviderRow, error) {
	return manyRows("sub-providers", subProviderOf)(s.read.ListSubProviders(ctx, providerID))
}

// LoadDataKey implements directory.Loader.
func (s *Store) LoadDataKey(ctx context.Context, owner string) ([]byte, error) {
	return oneRow("data key", func(r sqlcgen.DataKey) []byte { return r.Sealed })(s.read.GetDataKey(ctx, owner))
}

// LoadInitKey implements directory.Loader.
func (s *Store) LoadInitKey(ctx context.Context, sn string) (directory.InitKeyRow, error) {
	return oneRow("factory device", func(r sqlcgen.InitKey) directory.InitKeyRow {
		return directory.InitKeyRow{
			SN: r.Sn, Sealed: r.Sealed, MerchantID: r.MerchantID, ShopID: r.ShopID, DeviceID: r.DeviceID, StaffID: r.StaffID,
			CreatedAt: at(r.CreatedMs), BoundAt: at(r.BoundMs),
		}
	})(s.read.GetInitKey(ctx, sn))
}

// LoadTicket implements directory.Loader.
func (s *Store) LoadTicket(ctx context.Context, hash string) (directory.TicketRow, error) {
	return oneRow("ticket", func(r sqlcgen.Ticket) directory.TicketRow {
		return directory.TicketRow{
			Hash: r.Hash, MerchantID: r.MerchantID, ShopID: r.ShopID, DeviceID: r.DeviceID, StaffID: r.StaffID,
			MadeBy: r.MadeBy, CreatedAt: at(r.CreatedMs), EndsAt: at(r.EndsMs),
		}
	})(s.read.GetTicket(ctx, hash))
}

// LoadActivation implements directory.Loader.
func (s *Store) LoadActivation(ctx context.Context, activator string) (directory.ActivationRow, error) {
	return oneRow("activation", activationOf)(s.read.GetActivation(ctx, activator))
}

// LoadActivationByToken implements directory.Loader.
func (s *Store) LoadActivationByToken(ctx context.Context, tokenHash string) (directory.ActivationRow, error) {
	return oneRow("activation", activationOf)(s.read.GetActivationByToken(ctx, tokenHash))
}

// LoadMember implements directory.Loader.
func (s *Store) LoadMember(ctx context.Context, id string) (directory.MemberRow, error) {
	return oneRow("member "+id, memberOf)(s.read.GetMember(ctx, id))
}

// ListProviders implements directory.Loader.
func (s *Store) ListProviders(ctx context.Context, after string, limit int) ([]directory.ProviderRow, error) {
	return manyRows("providers", providerOf)(s.read.ListProviders(ctx, sqlcgen.ListProvidersParams{After: after, RowLimit: page(limit)}))
}

// ListMerchants implements directory.Loader.
func (s *Store) ListMerchants(ctx context.Context, f directory.MerchantFilter) ([]directory.MerchantRow, error) {
	return manyRows("merchants", merchantOf)(s.read.ListMerchants(ctx, sqlcgen.ListMerchantsParams{
		After: f.After, ProviderID: f.ProviderID, SubProviderID: f.SubProviderID, Search: f.Text, RowLimit: page(f.Limit),
	}))
}

// ListMembers implements directory.Loader.
func (s *Store) ListMembers(ctx context.Context, after string, limit int) ([]directory.MemberRow, error) {
	return manyRows("members", memberOf)(s.read.ListMembers(ctx, sqlcgen.ListMembersParams{After: after, RowLimit: page(limit)}))
}

// auditPage is what every query of the trail takes.
type auditPage = sqlcgen.ListAuditParams

// ListAudit implements directory.Loader. Each way of asking has its index, so
// that a page costs as much in a trail of any length.
func (s *Store) ListAudit(ctx context.Context, f directory.AuditFilter) ([]directory.AuditRow, error) {
	p := auditPage{
		FromID: auditID(f.From, ""), ToID: auditID(f.To, "g"), ProviderID: f.ProviderID, MerchantID: f.MerchantID,
		ObjectKind: f.ObjectKind, ObjectID: f.ObjectID, ActorKind: string(f.ActorKind), ActorID: f.ActorID, RowLimit: page(f.Limit),
	}
	if f.Before != "" {
		p.ToID = min(p.ToID, f.Before)
	}
	list := manyRows("audit lines", auditOf)
	switch {
	case f.ObjectKind != "" && f.ObjectID != "":
		return list(s.read.ListAuditOfObject(ctx, sqlcgen.ListAuditOfObjectParams(p)))
	case f.ActorKind != "" && f.ActorID != "":
		return list(s.read.ListAuditOfActor(ctx, sqlcgen.ListAuditOfActorParams(p)))
	case f.MerchantID != "":
		return list(s.read.ListAuditOfMerchant(ctx, sqlcgen.ListAuditOfMerchantParams(p)))
	case f.ProviderID != "":
		return list(s.read.ListAuditOfProvider(ctx, sqlcgen.ListAuditOfProviderParams(p)))
	}
	return list(s.read.ListAudit(ctx, p))
}

// auditID is the id that all lines since t have, or a later one. Ids begin with
// hex digits, which every collation sorts before "g".
func auditID(t time.Time, never string) string {
	if t.IsZero() {
		return never
	}
	return directory.AuditID(t)
}

// ListWrapped implements directory.Loader.
func (s *Store) ListWrapped(ctx context.Context, after string, limit int) ([]directory.WrappedKey, error) {
	return manyRows("data keys", func(r sqlcgen.ListProviderKeysRow) directory.WrappedKey {
		return directory.WrappedKey{Owner: r.ID, Sealed: r.DataKey}
	})(s.read.ListProviderKeys(ctx, sqlcgen.ListProviderKeysParams{After: after, RowLimit: page(limit)}))
}

// page keeps a limit within what any caller of the directory may ask for.
func page(limit int) int32 {
	return int32(min(max(limit, 0), directory.MaxPage))
}

// Version implements directory.Loader.
func (s *Store) Version(ctx context.Context, owner string) (int64, error) {
	h, err := s.read.GetHead(ctx, owner)
	if errors.Is(absent(err), pay.ErrNotFound) {
		return 0, nil
	}
	return h.Version, wrap("read the version of "+owner, err)
}
