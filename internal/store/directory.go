package store

import (
	"context"
	"errors"
	"fmt"

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
		prefixes, err1 := q.ListPrefixes(ctx, id)
		shops, err2 := q.ListShops(ctx, id)
		devices, err3 := q.ListDevices(ctx, id)
		staff, err4 := q.ListStaff(ctx, id)
		rows = directory.MerchantRows{
			Merchant: merchantOf(m), Prefixes: prefixes,
			Shops:   mapped(shops, shopOf),
			Devices: mapped(devices, deviceOf), Staff: mapped(staff, staffOf),
		}
		return errors.Join(err1, err2, err3, err4)
	})
	if err != nil {
		return directory.MerchantRows{}, fmt.Errorf("read merchant %s: %w", id, err)
	}
	return rows, nil
}

func merchantOf(r sqlcgen.Merchant) directory.MerchantRow {
	return directory.MerchantRow{
		ID: r.ID, ProviderID: r.ProviderID, Name: r.Name, DefaultBody: r.DefaultBody, AuthenKey: r.AuthenKey,
		PublicKeyPEM: r.PublicKeyPem, NotifyURL: r.NotifyUrl, ReversePaid: r.ReversePaid,
		RefundMustSign: r.RefundMustSign, Disabled: r.Disabled, WxSubMchID: r.WxSubMchID, WxSubAppID: r.WxSubAppID,
		AliAppAuthToken: r.AliAppAuthToken, AliSellerID: r.AliSellerID,
	}
}

func shopOf(r sqlcgen.Shop) directory.ShopRow {
	return directory.ShopRow{MerchantID: r.MerchantID, ID: r.ID, Name: r.Name}
}

func deviceOf(r sqlcgen.Device) directory.DeviceRow {
	return directory.DeviceRow{MerchantID: r.MerchantID, ShopID: r.ShopID, ID: r.ID, Name: r.Name, SN: r.Sn}
}

func staffOf(r sqlcgen.Staff) directory.StaffRow {
	return directory.StaffRow{
		MerchantID: r.MerchantID, ShopID: r.ShopID, ID: r.ID, Name: r.Name, ShopManager: r.ShopManager, RefundAuth: r.RefundAuth,
	}
}

// LoadProvider implements directory.Loader.
func (s *Store) LoadProvider(ctx context.Context, id string) (directory.ProviderRow, error) {
	r, err := s.read.GetProvider(ctx, id)
	if err != nil {
		return directory.ProviderRow{}, fmt.Errorf("read provider %s: %w", id, absent(err))
	}
	return directory.ProviderRow{ID: r.ID, Name: r.Name, NotifyURL: r.NotifyUrl, DataKey: r.DataKey}, nil
}

// LoadAccount implements directory.Loader.
func (s *Store) LoadAccount(ctx context.Context, providerID string, ch pay.Channel) (directory.AccountRow, error) {
	r, err := s.read.GetAccount(ctx, sqlcgen.GetAccountParams{ProviderID: providerID, Channel: string(ch)})
	if err != nil {
		return directory.AccountRow{}, fmt.Errorf("read %s account of provider %s: %w", ch, providerID, absent(err))
	}
	return directory.AccountRow{ProviderID: r.ProviderID, Channel: pay.Channel(r.Channel), Fields: r.Fields}, nil
}

// put commits a unit of the directory. Losing it means that the row exists
// under another owner; a foreign key says that the parent is missing.
func (s *Store) put(ctx context.Context, u *unit, what string) error {
	won, err := s.submit(ctx, u)
	switch {
	case isForeign(err):
		return fmt.Errorf("put %s: what it belongs to: %w", what, pay.ErrNotFound)
	case err != nil:
		return fmt.Errorf("put %s: %w", what, err)
	case !won:
		return fmt.Errorf("put %s: it belongs to somebody else: %w", what, pay.ErrConflict)
	}
	return nil
}

// sealed is how sealed bytes are stored: never NULL.
func sealed(b []byte) []byte {
	if b == nil {
		return []byte{}
	}
	return b
}

// PutProvider implements directory.Writer.
func (s *Store) PutProvider(ctx context.Context, r directory.ProviderRow) error {
	u, q := s.newUnit("", "")
	u.add(1)(q.PutProvider(ctx, sqlcgen.PutProviderParams{
		ID: r.ID, Name: r.Name, NotifyUrl: r.NotifyURL, DataKey: sealed(r.DataKey),
	}))
	return s.put(ctx, u, "provider "+r.ID)
}

// PutMerchant implements directory.Writer.
func (s *Store) PutMerchant(ctx context.Context, r directory.MerchantRow) error {
	u, q := s.newUnit("", r.ID)
	u.add(1)(q.PutMerchant(ctx, sqlcgen.PutMerchantParams{
		ID: r.ID, ProviderID: r.ProviderID, Name: r.Name, DefaultBody: r.DefaultBody, AuthenKey: sealed(r.AuthenKey),
		PublicKeyPem: r.PublicKeyPEM, NotifyUrl: r.NotifyURL, ReversePaid: r.ReversePaid,
		RefundMustSign: r.RefundMustSign, Disabled: r.Disabled, WxSubMchID: r.WxSubMchID, WxSubAppID: r.WxSubAppID,
		AliAppAuthToken: sealed(r.AliAppAuthToken), AliSellerID: r.AliSellerID,
	}))
	return s.put(ctx, u, "merchant "+r.ID)
}

// PutShop implements directory.Writer.
func (s *Store) PutShop(ctx context.Context, r directory.ShopRow) error {
	u, q := s.newUnit("", r.MerchantID)
	u.add(1)(q.PutShop(ctx, sqlcgen.PutShopParams{ID: r.ID, MerchantID: r.MerchantID, Name: r.Name}))
	return s.put(ctx, u, "shop "+r.ID)
}

// PutDevice implements directory.Writer.
func (s *Store) PutDevice(ctx context.Context, r directory.DeviceRow) error {
	u, q := s.newUnit("", r.MerchantID)
	u.add(1)(q.PutDevice(ctx, sqlcgen.PutDeviceParams{
		MerchantID: r.MerchantID, ShopID: r.ShopID, ID: r.ID, Name: r.Name, Sn: r.SN,
	}))
	return s.put(ctx, u, "device "+r.ID)
}

// PutStaff implements directory.Writer.
func (s *Store) PutStaff(ctx context.Context, r directory.StaffRow) error {
	u, q := s.newUnit("", r.MerchantID)
	u.add(1)(q.PutStaff(ctx, sqlcgen.PutStaffParams{
		MerchantID: r.MerchantID, ShopID: r.ShopID, ID: r.ID, Name: r.Name, ShopManager: r.ShopManager, RefundAuth: r.RefundAuth,
	}))
	return s.put(ctx, u, "staff "+r.ID)
}

// PutPrefix implements directory.Writer. Its unit first locks the one row that
// everybody who gives out a prefix locks: PostgreSQL would otherwise let two
// overlapping prefixes pass each other.
func (s *Store) PutPrefix(ctx context.Context, r directory.PrefixRow) error {
	if _, err := s.read.GetMerchant(ctx, r.MerchantID); err != nil {
		return fmt.Errorf("put prefix %s: %w", r.Prefix, absent(err))
	}
	u, q := s.newUnit("", r.MerchantID)
	u.add(1)(q.LockPrefixes(ctx))
	u.add(1)(q.PutPrefix(ctx, sqlcgen.PutPrefixParams{Prefix: r.Prefix, MerchantID: r.MerchantID}))
	err := s.put(ctx, u, "prefix "+r.Prefix)
	if errors.Is(err, errContradiction) {
		return fmt.Errorf("put prefix %s: it overlaps with another merchant's: %w", r.Prefix, pay.ErrConflict)
	}
	return err
}

// PutAccount implements directory.Writer.
func (s *Store) PutAccount(ctx context.Context, r directory.AccountRow) error {
	u, q := s.newUnit("", "")
	u.add(1)(q.PutAccount(ctx, sqlcgen.PutAccountParams{
		ProviderID: r.ProviderID, Channel: string(r.Channel), Fields: sealed(r.Fields),
	}))
	return s.put(ctx, u, string(r.Channel)+" account of provider "+r.ProviderID)
}
