package directory

import (
	"context"
	"errors"
	"fmt"
	"time"

	"cloudpay/internal/pay"
	"cloudpay/internal/secret"
)

func providerOf(r ProviderRow) (Provider, error) {
	p := Provider{
		ID: r.ID, Name: r.Name, NotifyURL: r.NotifyURL, RefundNotifyURL: r.RefundNotifyURL, Disabled: r.Disabled,
		CreatedAt: r.CreatedAt, UpdatedAt: r.UpdatedAt,
	}
	return p, fromJSON(r.Profile, &p.Profile)
}

// row is the inverse of providerOf, without the data key.
func (p Provider) row() (ProviderRow, error) {
	profile, err := toJSON(p.Profile)
	return ProviderRow{
		ID: p.ID, Name: p.Name, NotifyURL: p.NotifyURL, RefundNotifyURL: p.RefundNotifyURL, Disabled: p.Disabled,
		Profile: profile, Times: Times{CreatedAt: p.CreatedAt, UpdatedAt: p.UpdatedAt},
	}, err
}

// CreateProvider adds a provider. An empty ID is replaced by a new one. The
// error wraps pay.ErrConflict when the id is taken.
func (d *Directory) CreateProvider(ctx context.Context, by Actor, p Provider) (*Provider, error) {
	if p.ID == "" {
		p.ID = NewID()
	}
	if err := p.check(); err != nil {
		return nil, err
	}
	err := d.changeOwned(ctx, by, "provider.create", ownerOfProvider(p.ID), p.ID, func() ([]changed, error) {
		_, err := d.loader.LoadProvider(ctx, p.ID)
		if err == nil {
			return nil, pay.Refuse(pay.ErrConflict, "provider_exists", "该服务商编号已存在")
		}
		if !errors.Is(err, pay.ErrNotFound) {
			return nil, err
		}
		row, err := p.row()
		if err != nil {
			return nil, err
		}
		if row.DataKey, err = d.keys.NewDataKey(p.ID); err != nil {
			return nil, err
		}
		return differ(nil, nil, []ProviderRow{row}, d.now()), nil
	})
	if err != nil {
		return nil, err
	}
	d.providers.drop(p.ID)
	return d.Provider(ctx, p.ID)
}

// UpdateProvider applies edit to what is stored. Edit may change everything
// but ID.
func (d *Directory) UpdateProvider(ctx context.Context, by Actor, id string, edit func(*Provider) error) (*Provider, error) {
	if !ValidID(id) {
		return nil, notFound("provider")
	}
	err := d.changeOwned(ctx, by, "provider.update", ownerOfProvider(id), id, func() ([]changed, error) {
		was, err := d.loader.LoadProvider(ctx, id)
		if err != nil {
			return nil, err
		}
		p, err := providerOf(was)
		if err != nil {
			return nil, err
		}
		if err := edit(&p); err != nil {
			return nil, err
		}
		p.ID = id
		if err := p.check(); err != nil {
			return nil, err
		}
		is, err := p.row()
		is.DataKey = was.DataKey
		return differ(nil, []ProviderRow{was}, []ProviderRow{is}, d.now()), err
	})
	if err != nil {
		return nil, err
	}
	d.providers.drop(id)
	return d.Provider(ctx, id)
}

// changeOwned commits what decide returns, from a version read before it. When
// somebody else was first it decides anew.
func (d *Directory) changeOwned(ctx context.Context, by Actor, action, owner, providerID string, decide func() ([]changed, error)) error {
	if d.writer == nil {
		return errReadOnly
	}
	if err := by.check(); err != nil {
		return err
	}
	for range maxTries {
		version, err := d.loader.Version(ctx, owner)
		if err != nil {
			return fmt.Errorf("%s: %w", action, err)
		}
		rows, err := decide()
		if err != nil {
			return fmt.Errorf("%s: %w", action, err)
		}
		if len(rows) == 0 {
			return nil
		}
		c := Change{Owner: owner, Version: version}
		won, err := d.commit(ctx, by, action, c, rows, func(r *AuditRow) { r.ProviderID = providerID })
		if err != nil {
			return fmt.Errorf("%s: %w", action, err)
		}
		if won {
			return nil
		}
	}
	return pay.Refuse(pay.ErrUnavailable, "directory_busy", "资料正在被他人修改，请稍后再试")
}

// accountGrace is how long an account's old keys verify what was signed with
// them: as long as a wallet repeats a notice (upstreams.md §3.7, §4.7).
const accountGrace = 25 * time.Hour

// PutAccount adds a provider's account at a wallet, or replaces the stored one
// if it differs. When keys change, the old ones go on verifying for a day. It
// checks that nothing is missing; CheckCredentials looks into keys.
func (d *Directory) PutAccount(ctx context.Context, by Actor, a Account) error {
	if err := a.check(); err != nil {
		return invalid("account", err.Error())
	}
	p, err := d.provider(ctx, a.ProviderID)
	if err != nil {
		return err
	}
	key := accountKey(a.ProviderID, a.Channel)
	err = d.changeOwned(ctx, by, "account.put", ownerOfProvider(a.ProviderID), a.ProviderID, func() ([]changed, error) {
		now := a
		now.Previous, now.PreviousUntil = nil, time.Time{}
		was, err := d.loader.LoadAccount(ctx, a.ProviderID, a.Channel)
		known := err == nil
		if err != nil && !errors.Is(err, pay.ErrNotFound) {
			return nil, err
		}
		if known {
			// What does not open any more is replaced, and cannot be kept.
			if text, err := p.key.Open(accountPlace(key), was.Fields); err == nil {
				if now.succeed(text, d.now()) {
					return nil, nil
				}
			}
		}
		text, err := now.encode()
		if err != nil {
			return nil, invalid("account", err.Error())
		}
		is := AccountRow{ProviderID: a.ProviderID, Channel: a.Channel, Fields: p.key.Seal(accountPlace(key), text)}
		if !known {
			return []changed{{is: is}}, nil
		}
		return []changed{{was: was, is: is}}, nil
	})
	d.accounts.drop(key)
	return err
}

// succeed takes over what must be kept of the account that a replaces, and
// reports whether nothing of it changes.
func (a *Account) succeed(text secret.Secret, now time.Time) (same bool) {
	old, err := decodeAccount(a.ProviderID, a.Channel, text)
	if err != nil {
		return false
	}
	is, was := *a.fields(), *old.fields()
	if is == was {
		return true
	}
	if now.Before(old.PreviousUntil) {
		a.Previous, a.PreviousUntil = old.Previous, old.PreviousUntil
	}
	// Addresses and the choice of API are no keys; another account has nothing to
	// do with this one.
	for _, f := range []*accountFields{&is, &was} {
		f.BaseURL, f.BackupURL, f.CAPEM, f.SignType, f.API = "", "", "", "", ""
	}
	if is != was && is.MchID == was.MchID && is.AppID == was.AppID {
		old.Previous, old.PreviousUntil = nil, time.Time{}
		a.Previous, a.PreviousUntil = old, now.Add(accountGrace)
	}
	return false
}

func subProviderOf(r SubProviderRow) SubProvider {
	return SubProvider{
		ProviderID: r.ProviderID, ID: r.ID, Name: r.Name, Remark: r.Remark, RebatePPM: r.RebatePPM, Disabled: r.Disabled,
		CreatedAt: r.CreatedAt, UpdatedAt: r.UpdatedAt,
	}
}

// SubProviders returns a provider's sub-providers in the order of their ids.
func (d *Directory) SubProviders(ctx context.Context, providerID string) ([]SubProvider, error) {
	rows, err := d.loader.LoadSubProviders(ctx, providerID)
	if err != nil {
		return nil, fmt.Errorf("list sub-providers of %s: %w", providerID, err)
	}
	var list []SubProvider
	for _, r := range rows {
		if r.DeletedAt.IsZero() {
			list = append(list, subProviderOf(r))
		}
	}
	return list, nil
}

// CreateSubProvider adds a sub-provider. An empty ID is replaced by a new one;
// an id that a deleted one had may be used again.
func (d *Directory) CreateSubProvider(ctx context.Context, by Actor, s SubProvider) (SubProvider, error) {
	if s.ID == "" {
		s.ID = NewID()
	}
	return d.changeSubProvider(ctx, by, "sub_provider.create", s.ProviderID, s.ID, func(old *SubProviderRow) error {
		if old.ID != "" && old.DeletedAt.IsZero() {
			return pay.Refuse(pay.ErrConflict, "sub_provider_exists", "该子服务商编号已存在")
		}
		*old = s.row()
		return nil
	})
}

func (s SubProvider) row() SubProviderRow {
	return SubProviderRow{
		ProviderID: s.ProviderID, ID: s.ID, Name: s.Name, Remark: s.Remark, RebatePPM: s.RebatePPM, Disabled: s.Disabled,
	}
}

// UpdateSubProvider applies edit to what is stored. Edit may change everything
// but the ids.
func (d *Directory) UpdateSubProvider(ctx context.Context, by Actor, providerID, id string, edit func(*SubProvider) error) (SubProvider, error) {
	return d.changeSubProvider(ctx, by, "sub_provider.update", providerID, id, func(row *SubProviderRow) error {
		if row.ID == "" || !row.DeletedAt.IsZero() {
			return notFound("sub_provider")
		}
		s := subProviderOf(*row)
		if err := edit(&s); err != nil {
			return err
		}
		s.ProviderID, s.ID = providerID, id
		*row = s.row()
		return nil
	})
}

// DeleteSubProvider removes a sub-provider that has no merchants left.
func (d *Directory) DeleteSubProvider(ctx context.Context, by Actor, providerID, id string) error {
	_, err := d.changeSubProvider(ctx, by, "sub_provider.delete", providerID, id, func(row *SubProviderRow) error {
		if row.ID == "" || !row.DeletedAt.IsZero() {
			return notFound("sub_provider")
		}
		left, err := d.loader.ListMerchants(ctx, MerchantFilter{ProviderID: providerID, SubProviderID: id, Limit: 1})
		if err != nil {
			return err
		}
		if len(left) > 0 {
			return pay.Refuse(pay.ErrDenied, "sub_provider_has_merchants", "该子服务商名下还有商户，请先转移")
		}
		row.DeletedAt = d.now()
		return nil
	})
	return err
}

func (d *Directory) changeSubProvider(ctx context.Context, by Actor, action, providerID, id string, edit func(*SubProviderRow) error) (SubProvider, error) {
	if _, err := d.Provider(ctx, providerID); err != nil {
		return SubProvider{}, err
	}
	var is SubProviderRow
	err := d.changeOwned(ctx, by, action, ownerOfProvider(providerID), providerID, func() ([]changed, error) {
		all, err := d.loader.LoadSubProviders(ctx, providerID)
		if err != nil {
			return nil, err
		}
		was, had := lookUp(all, id, func(r SubProviderRow) string { return r.ID })
		is = was
		if err := edit(&is); err != nil {
			return nil, err
		}
		if err := subProviderOf(is).check(); err != nil {
			return nil, err
		}
		var old []SubProviderRow
		if had {
			old = []SubProviderRow{was}
		}
		rows := differ(nil, old, []SubProviderRow{is}, d.now())
		for _, r := range rows {
			is, _ = r.is.(SubProviderRow)
		}
		return rows, nil
	})
	return subProviderOf(is), err
}
