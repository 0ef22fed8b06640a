package directory

import (
	"context"
	"fmt"

	"cloudpay/internal/pay"
)

// CreateShop adds a shop with its devices and staff. The service assigns
// out_shop_id when ID is empty.
func (d *Directory) CreateShop(ctx context.Context, by Actor, merchantID string, s Shop) (Shop, error) {
	if s.ID == "" {
		s.ID = NewID()
	}
	m, err := d.editMerchant(ctx, by, "shop.create", merchantID, func(m *Merchant) error {
		if _, ok := m.Shop(s.ID); ok {
			return pay.Refuse(pay.ErrConflict, "shop_exists", "该门店编号 out_shop_id 已存在")
		}
		own := s
		own.Devices, own.Staff = append([]Device(nil), s.Devices...), append([]Staff(nil), s.Staff...)
		m.Shops = append(m.Shops, own)
		return nil
	})
	if err != nil {
		return Shop{}, err
	}
	d.owners.drop(s.ID)
	made, _ := m.Shop(s.ID)
	return made, nil
}

// UpdateShop applies edit to a shop, its devices and staff included.
func (d *Directory) UpdateShop(ctx context.Context, by Actor, merchantID, shopID string, edit func(*Shop) error) (Shop, error) {
	return d.changeShop(ctx, by, "shop.update", merchantID, shopID, edit)
}

// changeShop applies edit to one shop of a merchant.
func (d *Directory) changeShop(ctx context.Context, by Actor, action, merchantID, id string, edit func(*Shop) error) (Shop, error) {
	m, err := d.editMerchant(ctx, by, action, merchantID, func(m *Merchant) error {
		i := indexOf(m.Shops, id, shopID)
		if i < 0 {
			return notFound("shop")
		}
		err := edit(&m.Shops[i])
		m.Shops[i].ID = id
		return err
	})
	if err != nil {
		return Shop{}, err
	}
	s, _ := m.Shop(id)
	return s, nil
}

// DeleteShop deletes a shop that has had no trade for 30 days (R4). Its
// terminals must be bound again elsewhere (R10).
func (d *Directory) DeleteShop(ctx context.Context, by Actor, merchantID, id string) error {
	_, err := d.editMerchant(ctx, by, "shop.delete", merchantID, func(m *Merchant) error {
		if _, ok := m.Shop(id); !ok {
			return notFound("shop")
		}
		m.Shops = removed(m.Shops, id, shopID)
		return nil
	})
	d.owners.drop(id)
	return err
}

// ShopEdit is one entry of SetShops.
type ShopEdit struct {
	ID     string // out_shop_id of the shop that is meant, or ""
	Number string // else shop_id of the one that is meant; if there is none, a new shop
	// Apply changes the shop, or fills the new one.
	Apply func(*Shop) error
}

// SetShops applies edits to several shops in one change. With isAll, shops that
// no edit means are deleted (full replacement, protocol.md §2.4 no. 17), if R4
// lets them. It returns the shops that the edits meant, in their order.
func (d *Directory) SetShops(ctx context.Context, by Actor, merchantID string, isAll bool, edits []ShopEdit) ([]Shop, error) {
	var ids []string
	m, err := d.editMerchant(ctx, by, "shop.set", merchantID, func(m *Merchant) error {
		ids = ids[:0]
		meant := map[string]bool{}
		for i, e := range edits {
			id, err := m.applyShop(e)
			if err != nil {
				return err
			}
			if meant[id] {
				return invalid("shop_infos", fmt.Sprintf("shop_infos 第 %d 项与前面的门店重复", i+1))
			}
			meant[id] = true
			ids = append(ids, id)
		}
		for _, s := range m.Shops {
			if isAll && !meant[s.ID] {
				m.Shops = removed(m.Shops, s.ID, shopID)
			}
		}
		return nil
	})
	if err != nil {
		return nil, err
	}
	shops := make([]Shop, 0, len(ids))
	for _, id := range ids {
		d.owners.drop(id)
		s, _ := m.Shop(id)
		shops = append(shops, s)
	}
	return shops, nil
}

// applyShop applies one edit and returns the id of the shop that it meant.
func (m *Merchant) applyShop(e ShopEdit) (string, error) {
	i := -1
	switch {
	case e.ID != "":
		if i = indexOf(m.Shops, e.ID, shopID); i < 0 {
			return "", notFound("shop")
		}
	case e.Number != "":
		i = indexOf(m.Shops, e.Number, func(s Shop) string { return s.Number })
	}
	if i < 0 {
		m.Shops = append(m.Shops, Shop{ID: NewID(), Number: e.Number})
		i = len(m.Shops) - 1
	}
	id := m.Shops[i].ID
	if err := e.Apply(&m.Shops[i]); err != nil {
		return "", err
	}
	m.Shops[i].ID = id
	return id, nil
}
