package directory

import (
	"context"
	"errors"
	"fmt"
	"time"

	"cloudpay/internal/pay"
	"cloudpay/internal/secret"
)

// MerchantFilter selects merchants that were not deleted. Zero members select
// all.
type MerchantFilter struct {
	ProviderID    string
	SubProviderID string
	Text          string // in the name, or an id or order prefix from its beginning
	After         string // only ids behind this one: the next page
	Limit         int    // 1 to MaxPage, 0 is DefaultPage
}

// MerchantLine is a merchant in a list: without keys and what is below it.
type MerchantLine struct {
	ID            string
	ProviderID    string
	SubProviderID string
	Name          string
	ShortName     string
	Disabled      bool
	WxSubMchID    string
	AliSellerID   string
	CreatedAt     time.Time
	UpdatedAt     time.Time
}

func pageSize(n int) (int, error) {
	if n == 0 {
		return DefaultPage, nil
	}
	if n < 1 || n > MaxPage {
		return 0, invalid("limit", fmt.Sprintf("limit 必须在 1 到 %d 之间", MaxPage))
	}
	return n, nil
}

// Merchants returns a page of merchants in the order of their ids. A page that
// is not full is the last.
func (d *Directory) Merchants(ctx context.Context, f MerchantFilter) ([]MerchantLine, error) {
	var err error
	if f.Limit, err = pageSize(f.Limit); err != nil {
		return nil, err
	}
	if err := checkTexts(text{"text", f.Text, nameChars}); err != nil {
		return nil, err
	}
	rows, err := d.loader.ListMerchants(ctx, f)
	if err != nil {
		return nil, fmt.Errorf("list merchants: %w", err)
	}
	list := make([]MerchantLine, 0, len(rows))
	for _, r := range rows {
		var p MerchantProfile
		if err := fromJSON(r.Profile, &p); err != nil {
			return nil, fmt.Errorf("list merchants: %s: %w", r.ID, err)
		}
		list = append(list, MerchantLine{
			ID: r.ID, ProviderID: r.ProviderID, SubProviderID: r.SubProviderID, Name: r.Name, ShortName: p.ShortName,
			Disabled: r.Disabled, WxSubMchID: r.WxSubMchID, AliSellerID: r.AliSellerID,
			CreatedAt: r.CreatedAt, UpdatedAt: r.UpdatedAt,
		})
	}
	return list, nil
}

// Providers returns a page of providers in the order of their ids. A page that
// is not full is the last.
func (d *Directory) Providers(ctx context.Context, after string, limit int) ([]Provider, error) {
	limit, err := pageSize(limit)
	if err != nil {
		return nil, err
	}
	rows, err := d.loader.ListProviders(ctx, after, limit)
	if err != nil {
		return nil, fmt.Errorf("list providers: %w", err)
	}
	list := make([]Provider, 0, len(rows))
	for _, r := range rows {
		p, err := providerOf(r)
		if err != nil {
			return nil, fmt.Errorf("list providers: %s: %w", r.ID, err)
		}
		list = append(list, p)
	}
	return list, nil
}

// CreateMerchant adds a merchant with what is below it. An empty ID is
// replaced by a new one, an empty AuthenKey by a new random key, and without
// prefixes two are allocated: one of 8 digits and one of 10 characters. The
// merchant that is returned has its AuthenKey, to be shown once. The error
// wraps pay.ErrConflict when an id or a prefix is taken.
func (d *Directory) CreateMerchant(ctx context.Context, by Actor, m Merchant) (*Merchant, error) {
	if d.writer == nil {
		return nil, errReadOnly
	}
	if err := by.check(); err != nil {
		return nil, err
	}
	own := m.clone()
	if own.ID == "" {
		own.ID = NewID()
	}
	if err := d.prepare(ctx, own); err != nil {
		return nil, err
	}
	allocate := len(own.Prefixes) == 0
	for range maxTries {
		if allocate {
			own.Prefixes = []string{newPrefix(DigitPrefix), newPrefix(LetterPrefix)}
		}
		won, err := d.commitMerchant(ctx, by, "merchant.create", &Merchant{}, own.clone())
		switch {
		case errors.Is(err, pay.ErrConflict) && allocate:
			continue // somebody has an overlapping prefix: take others
		case err != nil:
			return nil, fmt.Errorf("create merchant %s: %w", own.ID, err)
		case !won:
			return nil, pay.Refuse(pay.ErrConflict, "merchant_exists", "该商户编号已存在")
		}
		d.merchants.drop(own.ID) // it may be remembered as absent
		for _, s := range own.Shops {
			d.owners.drop(s.ID)
		}
		return d.fresh(ctx, own.ID)
	}
	return nil, pay.Refuse(pay.ErrUnavailable, "prefixes_used_up", "暂时无法分配订单前缀，请稍后再试")
}

// prepare checks a new merchant and gives it its keys and ids.
func (d *Directory) prepare(ctx context.Context, m *Merchant) error {
	_, err := d.loader.LoadMerchant(ctx, m.ID)
	if err == nil {
		return pay.Refuse(pay.ErrConflict, "merchant_exists", "该商户编号已存在")
	}
	if !errors.Is(err, pay.ErrNotFound) {
		return err
	}
	if err := d.checkOwner(ctx, m); err != nil {
		return err
	}
	if m.AuthenKey.IsZero() {
		if m.AuthenKey, err = NewAuthenKey(); err != nil {
			return err
		}
	}
	m.Keys, m.rows, m.Version = nil, MerchantRows{}, 0
	return m.takeSeedKeys(d.now())
}

// takeSeedKeys makes AuthenKey and PublicKeyPEM the current keys, at once.
func (m *Merchant) takeSeedKeys(now time.Time) error {
	public := m.PublicKeyPEM
	if err := m.replaceKey(Key{Kind: KindAuthen, Authen: m.AuthenKey}, 0, now); err != nil {
		return err
	}
	return m.replaceKey(Key{Kind: KindPublic, PublicPEM: public}, 0, now)
}

// checkOwner refuses a provider or sub-provider that does not exist.
func (d *Directory) checkOwner(ctx context.Context, m *Merchant) error {
	if _, err := d.Provider(ctx, m.ProviderID); err != nil {
		return err
	}
	if m.SubProviderID == "" {
		return nil
	}
	subs, err := d.SubProviders(ctx, m.ProviderID)
	if err != nil {
		return err
	}
	if _, ok := lookUp(subs, m.SubProviderID, func(s SubProvider) string { return s.ID }); !ok {
		return notFound("sub_provider")
	}
	return nil
}

// UpdateMerchant applies edit to a merchant and everything below it. Edit may
// be called several times, must change only what it is given, and leaves what
// it does not touch as it is: absent differs from empty. It cannot change ids,
// prefixes and keys: RotateKeys and AllocatePrefix do.
func (d *Directory) UpdateMerchant(ctx context.Context, by Actor, id string, edit func(*Merchant) error) (*Merchant, error) {
	return d.editMerchant(ctx, by, "merchant.update", id, edit)
}

// editMerchant is changeMerchant for edits from outside of the room.
func (d *Directory) editMerchant(ctx context.Context, by Actor, action, id string, edit func(*Merchant) error) (*Merchant, error) {
	return d.changeMerchant(ctx, by, action, id, func(m *Merchant) error {
		was := *m.clone()
		if err := edit(m); err != nil {
			return err
		}
		m.ID, m.ProviderID, m.Prefixes, m.Keys = was.ID, was.ProviderID, was.Prefixes, was.Keys
		m.AuthenKey, m.PublicKeyPEM, m.PublicKey = was.AuthenKey, was.PublicKeyPEM, was.PublicKey
		m.Version, m.DeletedAt, m.rows, m.pad = was.Version, was.DeletedAt, was.rows, was.pad
		if m.SubProviderID != was.SubProviderID {
			return d.checkOwner(ctx, m)
		}
		return nil
	})
}

// DeleteMerchant deletes a merchant that has had no trade for 30 days (R4).
// Its rows stay; its ids and prefixes are never given out again.
func (d *Directory) DeleteMerchant(ctx context.Context, by Actor, id string) error {
	_, err := d.changeMerchant(ctx, by, "merchant.delete", id, func(m *Merchant) error {
		m.DeletedAt = d.now()
		return nil
	})
	d.merchants.drop(id)
	return err
}

// complete fills in what an edit leaves out, and checks the result.
func (m *Merchant) complete(before *Merchant, now time.Time) error {
	for i := range m.Shops {
		s := &m.Shops[i]
		if s.ID == "" {
			s.ID = NewID()
		}
		for j := range s.Devices {
			if err := m.placeDevice(before, s.ID, &s.Devices[j], now); err != nil {
				return err
			}
		}
	}
	for i := range m.Admins {
		if m.Admins[i].ID == "" {
			m.Admins[i].ID = randomText(lowerDigits, 12)
		}
	}
	return m.check()
}

// accountPlace is where an account's fields are sealed.
func accountPlace(key string) secret.Place { return secret.Place{Purpose: purposeAccount, Owner: key} }
