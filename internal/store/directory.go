package store

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"cloudpay/internal/directory"
	"cloudpay/internal/pay"
	"cloudpay/internal/store/sqlcgen"
)

// Commit implements directory.Writer. Taking the head must change one row like
// every other statement, so that a change which comes too late is rolled back
// as a whole; whether it was that is read afterwards.
func (s *Store) Commit(ctx context.Context, c directory.Change) (won bool, err error) {
	merchant, _ := strings.CutPrefix(c.Owner, "m/")
	u, q := s.newUnit("", merchant)
	u.always = true
	if c.Owner != "" {
		u.add(1)(q.TakeHead(ctx, sqlcgen.TakeHeadParams{Owner: c.Owner, Version: c.Version, Unit: u.id}))
		u.found = func(ctx context.Context, q *sqlcgen.Queries) (bool, error) {
			h, err := q.GetHead(ctx, c.Owner)
			if errors.Is(absent(err), pay.ErrNotFound) {
				return false, nil
			}
			return h.Unit == u.id, err
		}
	}
	// PostgreSQL would otherwise let two overlapping prefixes pass each other.
	if slices.ContainsFunc(c.Rows, func(r directory.Row) bool { _, ok := r.(directory.PrefixRow); return ok }) {
		u.add(1)(q.LockPrefixes(ctx))
	}
	for _, r := range c.Rows {
		u.putRow(ctx, q, r)
	}
	for _, a := range c.Audit {
		u.addAudit(ctx, q, a)
	}
	_, err = s.submit(ctx, u)
	switch {
	case err == nil:
		return true, nil
	case isForeign(err):
		return false, fmt.Errorf("change %s: what it belongs to: %w", c.Owner, pay.ErrNotFound)
	case !errors.Is(err, errContradiction):
		return false, fmt.Errorf("change %s: %w", c.Owner, err)
	}
	version, failed := s.Version(ctx, c.Owner)
	if failed != nil {
		return false, fmt.Errorf("change %s: %w", c.Owner, failed)
	}
	if version != c.Version {
		return false, nil
	}
	return false, fmt.Errorf("change %s: an id or an order prefix belongs to somebody else: %w", c.Owner, pay.ErrConflict)
}

// putRow records the statement that stores a row.
func (u *unit) putRow(ctx context.Context, q *sqlcgen.Queries, row directory.Row) {
	one := u.add(1)
	switch r := row.(type) {
	case directory.ProviderRow:
		one(q.PutProvider(ctx, providerParams(r)))
	case directory.SubProviderRow:
		one(q.PutSubProvider(ctx, sqlcgen.PutSubProviderParams{
			ProviderID: r.ProviderID, ID: r.ID, Name: r.Name, Remark: r.Remark, RebatePpm: r.RebatePPM, Disabled: r.Disabled,
			CreatedMs: ms(r.CreatedAt), UpdatedMs: ms(r.UpdatedAt), DeletedMs: ms(r.DeletedAt),
		}))
	case directory.MerchantRow:
		one(q.PutMerchant(ctx, merchantParams(r)))
	case directory.KeyRow:
		one(q.PutKey(ctx, sqlcgen.PutKeyParams{
			MerchantID: r.MerchantID, ID: r.ID, Kind: r.Kind, Sealed: sealed(r.Sealed), PublicPem: r.PublicPEM,
			CreatedMs: ms(r.CreatedAt), EndsMs: ms(r.EndsAt),
		}))
	case directory.AdminRow:
		one(q.PutAdmin(ctx, sqlcgen.PutAdminParams{
			MerchantID: r.MerchantID, ID: r.ID, Name: r.Name, RefundAuth: r.RefundAuth, OneCodeNotes: r.OneCodeNotes,
			OpenID: r.OpenID, MchOpenID: r.MchOpenID, Duty: r.Duty, Phone: r.Phone,
			CreatedMs: ms(r.CreatedAt), UpdatedMs: ms(r.UpdatedAt), DeletedMs: ms(r.DeletedAt),
		}))
	case directory.ShopRow:
		one(q.PutShop(ctx, sqlcgen.PutShopParams{
			ID: r.ID, MerchantID: r.MerchantID, Number: r.Number, Name: r.Name, Profile: r.Profile,
			CreatedMs: ms(r.CreatedAt), UpdatedMs: ms(r.UpdatedAt), DeletedMs: ms(r.DeletedAt),
		}))
	case directory.DeviceRow:
		one(q.PutDevice(ctx, sqlcgen.PutDeviceParams{
			MerchantID: r.MerchantID, ShopID: r.ShopID, ID: r.ID, Name: r.Name, DeviceType: r.Type, Category: r.Category,
			Sn: r.SN, Prefix: r.Prefix, Ordinal: r.Ordinal, Profile: r.Profile,
			CreatedMs: ms(r.CreatedAt), UpdatedMs: ms(r.UpdatedAt), DeletedMs: ms(r.DeletedAt),
		}))
	case directory.StaffRow:
		one(q.PutStaff(ctx, sqlcgen.PutStaffParams{
			MerchantID: r.MerchantID, ShopID: r.ShopID, ID: r.ID, Name: r.Name, ShopManager: r.ShopManager,
			RefundAuth: r.RefundAuth, Pin: sealed(r.PIN), Profile: r.Profile,
			CreatedMs: ms(r.CreatedAt), UpdatedMs: ms(r.UpdatedAt), DeletedMs: ms(r.DeletedAt),
		}))
	case directory.PrefixRow:
		one(q.PutPrefix(ctx, sqlcgen.PutPrefixParams{Prefix: r.Prefix, MerchantID: r.MerchantID}))
	case directory.AccountRow:
		one(q.PutAccount(ctx, sqlcgen.PutAccountParams{
			ProviderID: r.ProviderID, Channel: string(r.Channel), Fields: sealed(r.Fields),
		}))
	case directory.InitKeyRow:
		one(q.PutInitKey(ctx, sqlcgen.PutInitKeyParams{
			Sn: r.SN, Sealed: sealed(r.Sealed), MerchantID: r.MerchantID, ShopID: r.ShopID, DeviceID: r.DeviceID,
			StaffID: r.StaffID, CreatedMs: ms(r.CreatedAt), BoundMs: ms(r.BoundAt),
		}))
	case directory.MemberRow:
		one(q.PutMember(ctx, sqlcgen.PutMemberParams{
			ID: r.ID, Name: r.Name, Role: r.Role, Disabled: r.Disabled, Scope: r.Scope,
			CreatedMs: ms(r.CreatedAt), UpdatedMs: ms(r.UpdatedAt), DeletedMs: ms(r.DeletedAt),
		}))
	}
}

func providerParams(r directory.ProviderRow) sqlcgen.PutProviderParams {
	return sqlcgen.PutProviderParams{
		ID: r.ID, Name: r.Name, NotifyUrl: r.NotifyURL, RefundNotifyUrl: r.RefundNotifyURL, DataKey: sealed(r.DataKey),
		Disabled: r.Disabled, Profile: r.Profile,
		CreatedMs: ms(r.CreatedAt), UpdatedMs: ms(r.UpdatedAt), DeletedMs: ms(r.DeletedAt),
	}
}

func merchantParams(r directory.MerchantRow) sqlcgen.PutMerchantParams {
	return sqlcgen.PutMerchantParams{
		ID: r.ID, ProviderID: r.ProviderID, SubProviderID: r.SubProviderID, Name: r.Name, DefaultBody: r.DefaultBody,
		NotifyUrl: r.NotifyURL, ReversePaid: r.ReversePaid, RefundMustSign: r.RefundMustSign, Disabled: r.Disabled,
		WxSubMchID: r.WxSubMchID, WxSubAppID: r.WxSubAppID, WxMobAppID: r.WxMobAppID, WxMiniAppID: r.WxMiniAppID, WxApi: r.WxAPI,
		AliAppAuthToken: sealed(r.AliAppAuthToken), AliSellerID: r.AliSellerID, Profile: r.Profile, Policy: r.Policy,
		CreatedMs: ms(r.CreatedAt), UpdatedMs: ms(r.UpdatedAt), DeletedMs: ms(r.DeletedAt),
	}
}

// sealed is how sealed bytes are stored: never NULL.
func sealed(b []byte) []byte {
	if b == nil {
		return []byte{}
	}
	return b
}

// short commits a unit that needs no head and may be done twice.
func (s *Store) short(ctx context.Context, u *unit, what string) error {
	u.always = true
	if _, err := s.submit(ctx, u); err != nil {
		return fmt.Errorf("%s: %w", what, err)
	}
	return nil
}

// PutDataKey implements directory.Writer.
func (s *Store) PutDataKey(ctx context.Context, owner string, key []byte) error {
	u, q := s.newUnit("", "")
	u.add(anyRows)(q.PutDataKey(ctx, sqlcgen.PutDataKeyParams{Owner: owner, Sealed: sealed(key)}))
	return s.short(ctx, u, "put data key")
}

// SawKey implements directory.Writer.
func (s *Store) SawKey(ctx context.Context, merchantID, keyID string, at time.Time) error {
	u, q := s.newUnit("", merchantID)
	u.add(anyRows)(q.SawKey(ctx, sqlcgen.SawKeyParams{SeenMs: ms(at), MerchantID: merchantID, ID: keyID}))
	return s.short(ctx, u, "record the use of a key")
}

// PutTicket implements directory.Writer.
func (s *Store) PutTicket(ctx context.Context, r directory.TicketRow, before time.Time, line directory.AuditRow) error {
	u, q := s.newUnit("", "")
	u.add(anyRows)(q.SweepTickets(ctx, ms(before)))
	u.add(1)(q.PutTicket(ctx, sqlcgen.PutTicketParams{
		Hash: r.Hash, MerchantID: r.MerchantID, ShopID: r.ShopID, DeviceID: r.DeviceID, StaffID: r.StaffID,
		MadeBy: r.MadeBy, CreatedMs: ms(r.CreatedAt), EndsMs: ms(r.EndsAt),
	}))
	u.addAudit(ctx, q, line)
	return s.short(ctx, u, "put ticket")
}

// PutActivation implements directory.Writer.
func (s *Store) PutActivation(ctx context.Context, r directory.ActivationRow, before time.Time) error {
	u, q := s.newUnit("", "")
	u.add(anyRows)(q.SweepActivations(ctx, ms(before)))
	u.add(1)(q.PutActivation(ctx, sqlcgen.PutActivationParams{
		Activator: r.Activator, TokenHash: r.TokenHash, Kind: r.Kind, Sn: r.SN, MerchantID: r.MerchantID, ShopID: r.ShopID,
		Terminal: r.Terminal, CreatedMs: ms(r.CreatedAt), EndsMs: ms(r.EndsAt), GrantedMs: ms(r.GrantedAt),
		GrantedBy: r.GrantedBy, Granted: r.Granted,
	}))
	return s.short(ctx, u, "put activation")
}

// GrantActivation implements directory.Writer.
func (s *Store) GrantActivation(ctx context.Context, r directory.ActivationRow, now time.Time, line directory.AuditRow) (won bool, err error) {
	u, q := s.newUnit("", "")
	u.always = true // as in Commit: one that comes too late is rolled back with its line
	u.add(1)(q.GrantActivation(ctx, sqlcgen.GrantActivationParams{
		GrantedMs: ms(r.GrantedAt), GrantedBy: r.GrantedBy, Granted: r.Granted, Activator: r.Activator, NowMs: ms(now),
	}))
	u.found = func(ctx context.Context, q *sqlcgen.Queries) (bool, error) {
		a, err := q.GetActivation(ctx, r.Activator)
		if errors.Is(absent(err), pay.ErrNotFound) {
			return false, nil
		}
		return a.GrantedBy == r.GrantedBy && a.Granted == r.Granted && a.GrantedMs == ms(r.GrantedAt), err
	}
	u.addAudit(ctx, q, line)
	_, err = s.submit(ctx, u)
	if errors.Is(err, errContradiction) {
		return false, nil
	}
	return err == nil, wrap("grant activation", err)
}

// Rewrap implements directory.Writer.
func (s *Store) Rewrap(ctx context.Context, k directory.WrappedKey, key []byte, line directory.AuditRow) (won bool, err error) {
	u, q := s.newUnit("", "")
	u.always = true
	if strings.HasPrefix(k.Owner, "*") {
		u.add(1)(q.RewrapDataKey(ctx, sqlcgen.RewrapDataKeyParams{Sealed: sealed(key), Owner: k.Owner, Was: sealed(k.Sealed)}))
	} else {
		u.add(1)(q.RewrapProvider(ctx, sqlcgen.RewrapProviderParams{Sealed: sealed(key), ID: k.Owner, Was: sealed(k.Sealed)}))
	}
	u.addAudit(ctx, q, line)
	_, err = s.submit(ctx, u)
	if errors.Is(err, errContradiction) {
		return false, nil
	}
	return err == nil, wrap("rewrap data key", err)
}

func (u *unit) addAudit(ctx context.Context, q *sqlcgen.Queries, a directory.AuditRow) {
	u.add(1)(q.AddAudit(ctx, sqlcgen.AddAuditParams{
		ID: a.ID, AtMs: ms(a.At), ActorKind: string(a.ActorKind), ActorID: a.ActorID, ActorName: a.ActorName,
		Action: a.Action, ProviderID: a.ProviderID, MerchantID: a.MerchantID, ObjectKind: a.ObjectKind,
		ObjectID: a.ObjectID, Before: a.Before, After: a.After,
	}))
}
