package directory

import (
	"context"
	"slices"
	"time"

	"cloudpay/internal/pay"
)

// tradeRest is how long a shop or merchant must have been without trade before
// it can be deleted (R4).
const tradeRest = 30 * 24 * time.Hour

// keepRules refuses a change that breaks a rule of ux.md §1.11.
func (d *Directory) keepRules(ctx context.Context, by Actor, before, after *Merchant) error {
	if err := keepAdmins(before, after); err != nil {
		return err
	}
	if err := keepRefundAuth(by, before, after); err != nil {
		return err
	}
	if err := keepBound(before, after); err != nil {
		return err
	}
	return d.keepTraded(ctx, before, after)
}

// keepBound is R9: a record is bound to one terminal until it is unbound.
func keepBound(before, after *Merchant) error {
	for _, s := range before.Shops {
		now, _ := after.Shop(s.ID)
		for _, old := range s.Devices {
			if v, ok := now.Device(old.ID); ok && old.SN != "" && v.SN != "" && v.SN != old.SN {
				return errBound()
			}
		}
	}
	return nil
}

func errBound() error {
	return pay.Refuse(pay.ErrConflict, "device_bound", "该设备已被绑定，请使用原有设备号或者联系管理员解绑设备")
}

// keepAdmins is R1 and R2.
func keepAdmins(before, after *Merchant) error {
	if len(before.Admins) > 0 && len(after.Admins) == 0 {
		return pay.Refuse(pay.ErrDenied, "last_admin", "最后一个管理员不能删除")
	}
	refunds := func(a Admin) bool { return a.RefundAuth }
	if slices.ContainsFunc(before.Admins, refunds) && !slices.ContainsFunc(after.Admins, refunds) {
		return pay.Refuse(pay.ErrDenied, "last_refund_admin", "最后一个有退款权限的管理员不能删除，也不能取消其退款权限")
	}
	return nil
}

// keepRefundAuth is R3. It binds people of the merchant; operators set refund
// permissions without having one (ux.md §1.1).
func keepRefundAuth(by Actor, before, after *Merchant) error {
	switch by.Role {
	case RoleBoss, RoleManager, RoleCashier, RoleFinance:
	case RoleProvider, RoleSubProvider, RoleOps, RoleDeveloper, RoleVendor, "":
		return nil
	}
	if by.RefundAuth || by.Role == RoleManager { // a manager has it by default
		return nil
	}
	left := refunders(after)
	for id := range refunders(before) {
		if !left[id] && id != by.ID {
			return pay.Refuse(pay.ErrDenied, "refund_auth_of_others", "没有退款权限的人不能取消他人的退款权限")
		}
	}
	return nil
}

// refunders returns the ids, as actors have them, of everybody with refund
// permission.
func refunders(m *Merchant) map[string]bool {
	ids := map[string]bool{}
	for _, a := range m.Admins {
		if a.RefundAuth {
			ids[m.ID+"/"+a.ID] = true
		}
	}
	for _, s := range m.Shops {
		for _, p := range s.Staff {
			if p.RefundAuth {
				ids[m.ID+"/"+s.ID+"/"+p.ID] = true
			}
		}
	}
	return ids
}

// keepTraded is R4. An order that is being made at this moment may slip
// through: its shop's row stays, so nothing of it is lost.
func (d *Directory) keepTraded(ctx context.Context, before, after *Merchant) error {
	var gone []string
	for _, s := range before.Shops {
		if _, ok := after.Shop(s.ID); !ok {
			gone = append(gone, s.ID)
		}
	}
	text := "门店最近 30 天有交易，不能删除"
	if before.DeletedAt.IsZero() && !after.DeletedAt.IsZero() {
		gone, text = []string{""}, "商户最近 30 天有交易，不能删除"
	}
	for _, id := range gone {
		last, err := d.loader.LastTrade(ctx, after.ID, id)
		if err != nil {
			return err
		}
		if !last.IsZero() && d.now().Sub(last) < tradeRest {
			return pay.Refuse(pay.ErrDenied, "recent_trade", text)
		}
	}
	return nil
}

// MayRefund says whether a refund may be made at a shop by or with the consent
// of that person (DEC-1; api_version 2 of refund, protocol.md §2.2): a member
// of staff with refund permission, a shop manager, or an administrator. It
// returns the name to record as 授权人 (R14), "" for an administrator whose
// name is not known.
func MayRefund(m *Merchant, shopID, staffID string, isAdmin bool) (name string, err error) {
	if isAdmin {
		if len(m.Admins) == 0 {
			return "", nil
		}
		for _, a := range m.Admins {
			if a.RefundAuth && (staffID == "" || staffID == a.ID) {
				return a.Name, nil
			}
		}
		return "", pay.Refuse(pay.ErrDenied, "refund_not_permitted", "该管理员没有退款权限")
	}
	if staffID == "" {
		return "", pay.Refuse(pay.ErrDenied, "refund_not_permitted", "缺少退款授权人 authorization_staff_id")
	}
	shop, ok := m.Shop(shopID)
	if !ok {
		return "", pay.Refuse(pay.ErrDenied, "shop_unknown", "门店 out_shop_id 不存在")
	}
	p, ok := shop.Person(staffID)
	if !ok {
		return "", pay.Refuse(pay.ErrDenied, "refund_not_permitted", "店员 authorization_staff_id 不存在")
	}
	if !p.RefundAuth && !p.ShopManager {
		return "", pay.Refuse(pay.ErrDenied, "refund_not_permitted", "该店员没有退款权限，请店长授权")
	}
	return p.Name, nil
}
