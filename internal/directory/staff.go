package directory

import (
	"context"
	"fmt"

	"cloudpay/internal/pay"
	"cloudpay/internal/secret"
)

// AddStaff adds a person to a shop. An id that a deleted person had may be
// used again.
func (d *Directory) AddStaff(ctx context.Context, by Actor, merchantID, shopID string, p Staff) (Staff, error) {
	p.HasPIN, p.newPIN = false, nil
	s, err := d.changeShop(ctx, by, "staff.add", merchantID, shopID, func(s *Shop) error {
		if _, ok := s.Person(p.ID); ok {
			return pay.Refuse(pay.ErrConflict, "staff_exists", "该门店已有同编号的店员 staff_id")
		}
		s.Staff = append(s.Staff, p)
		return nil
	})
	made, _ := s.Person(p.ID)
	return made, err
}

// UpdateStaff applies edit to a person. Edit changes neither the id nor the
// PIN; setting HasPIN to false removes the PIN.
func (d *Directory) UpdateStaff(ctx context.Context, by Actor, merchantID, shopID, id string, edit func(*Staff) error) (Staff, error) {
	return d.changeStaff(ctx, by, "staff.update", merchantID, shopID, id, func(p *Staff) error {
		had := p.HasPIN
		err := edit(p)
		p.HasPIN = p.HasPIN && had
		return err
	})
}

func (d *Directory) changeStaff(ctx context.Context, by Actor, action, merchantID, shopID, id string, edit func(*Staff) error) (Staff, error) {
	s, err := d.changeShop(ctx, by, action, merchantID, shopID, func(s *Shop) error {
		i := indexOf(s.Staff, id, staffID)
		if i < 0 {
			return notFound("staff")
		}
		err := edit(&s.Staff[i])
		s.Staff[i].ID = id
		return err
	})
	p, _ := s.Person(id)
	return p, err
}

// DeleteStaff removes a person from a shop (R3).
func (d *Directory) DeleteStaff(ctx context.Context, by Actor, merchantID, shopID, id string) error {
	_, err := d.changeShop(ctx, by, "staff.delete", merchantID, shopID, func(s *Shop) error {
		if _, ok := s.Person(id); !ok {
			return notFound("staff")
		}
		s.Staff = removed(s.Staff, id, staffID)
		return nil
	})
	return err
}

// AddAdmin adds an administrator to a merchant. An empty ID is replaced.
func (d *Directory) AddAdmin(ctx context.Context, by Actor, merchantID string, a Admin) (Admin, error) {
	if a.ID == "" {
		a.ID = randomText(lowerDigits, 12)
	}
	m, err := d.editMerchant(ctx, by, "admin.add", merchantID, func(m *Merchant) error {
		if _, ok := m.Admin(a.ID); ok {
			return pay.Refuse(pay.ErrConflict, "admin_exists", "该管理员编号已存在")
		}
		m.Admins = append(m.Admins, a)
		return nil
	})
	if err != nil {
		return Admin{}, err
	}
	made, _ := m.Admin(a.ID)
	return made, nil
}

// UpdateAdmin applies edit to an administrator (R2, R3). Edit does not change
// the id.
func (d *Directory) UpdateAdmin(ctx context.Context, by Actor, merchantID, id string, edit func(*Admin) error) (Admin, error) {
	m, err := d.editMerchant(ctx, by, "admin.update", merchantID, func(m *Merchant) error {
		i := indexOf(m.Admins, id, adminID)
		if i < 0 {
			return notFound("admin")
		}
		err := edit(&m.Admins[i])
		m.Admins[i].ID = id
		return err
	})
	if err != nil {
		return Admin{}, err
	}
	a, _ := m.Admin(id)
	return a, nil
}

// DeleteAdmin removes an administrator (R1, R2, R3).
func (d *Directory) DeleteAdmin(ctx context.Context, by Actor, merchantID, id string) error {
	_, err := d.editMerchant(ctx, by, "admin.delete", merchantID, func(m *Merchant) error {
		if _, ok := m.Admin(id); !ok {
			return notFound("admin")
		}
		m.Admins = removed(m.Admins, id, adminID)
		return nil
	})
	return err
}

// Limits of a PIN (收银终端密码).
const (
	MinPIN = 4
	MaxPIN = 12 // what a person can type at a till
)

// SetPIN gives a person a PIN of MinPIN to MaxPIN digits. Only its argon2id
// hash is stored, sealed: four digits can be guessed from a bare hash.
func (d *Directory) SetPIN(ctx context.Context, by Actor, merchantID, shopID, id string, pin secret.Secret) error {
	if n := len(pin.Reveal()); n < MinPIN || n > MaxPIN || !allDigits(pin.Reveal()) {
		return invalid("pin", fmt.Sprintf("收银终端密码必须是 %d 到 %d 位数字", MinPIN, MaxPIN))
	}
	key, err := d.merchantKey(ctx, merchantID)
	if err != nil {
		return err
	}
	sealed := key.Seal(pinPlace(merchantID, shopID, id), secret.HashPassword(pin))
	_, err = d.changeStaff(ctx, by, "staff.set_pin", merchantID, shopID, id, func(p *Staff) error {
		p.HasPIN, p.newPIN = true, sealed
		return nil
	})
	if err == nil {
		d.pins.forget(pinPlace(merchantID, shopID, id).Owner)
	}
	return err
}

// CheckPIN reports whether a person's PIN is that. It takes as long for a
// person who does not exist or has none. After five wrong ones it refuses for a
// while, longer each time, whatever is tried: pay.ErrDenied, pin_wait.
func (d *Directory) CheckPIN(ctx context.Context, m *Merchant, shopID, id string, pin secret.Secret) (bool, error) {
	key, err := d.merchantKey(ctx, m.ID)
	if err != nil {
		return false, err
	}
	place := pinPlace(m.ID, shopID, id)
	if err := d.pins.begin(place.Owner, d.now()); err != nil {
		return false, err
	}
	hash := secret.Secret{}
	shop, _ := m.Shop(shopID)
	if p, ok := shop.Person(id); ok && p.HasPIN {
		want := StaffRow{MerchantID: m.ID, ShopID: shopID, ID: id}.object()
		row, _ := lookUp(m.rows.Staff, want.id, func(r StaffRow) string { return r.object().id })
		if hash, err = key.Open(place, row.PIN); err != nil {
			return false, fmt.Errorf("open the PIN of staff %s: %w", id, err)
		}
	}
	if !secret.CheckPassword(hash, pin) {
		return false, nil
	}
	d.pins.forget(place.Owner)
	return true, nil
}

// merchantKey returns the data key under which a merchant's secrets are sealed.
func (d *Directory) merchantKey(ctx context.Context, merchantID string) (*secret.DataKey, error) {
	m, err := d.Merchant(ctx, merchantID)
	if err != nil {
		return nil, err
	}
	p, err := d.provider(ctx, m.ProviderID)
	if err != nil {
		return nil, err
	}
	return p.key, nil
}

func pinPlace(merchantID, shopID, id string) secret.Place {
	return secret.Place{Purpose: purposePIN, Owner: merchantID + "/" + shopID + "/" + id}
}

func allDigits(s string) bool {
	for _, c := range []byte(s) {
		if c < '0' || c > '9' {
			return false
		}
	}
	return true
}
