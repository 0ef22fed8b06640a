package directory

import (
	"context"

	"cloudpay/internal/pay"
)

// Identity is who a cashier desk was let in as (client_try_get_initializers,
// protocol.md §2.4 no. 21). It is stored as JSON: names of members never change.
type Identity struct {
	Kind     ActorKind `json:"kind"`
	Name     string    `json:"name,omitempty"`
	Role     Role      `json:"role"`
	Merchant string    `json:"merchant,omitempty"`
	ShopID   string    `json:"shop_id,omitempty"` // "" for all shops
	StaffID  string    `json:"staff_id,omitempty"`
	AdminID  string    `json:"admin_id,omitempty"`
}

// StartClient answers client_initialize: a cashier desk, whose request
// verified under the merchant's key, asks to be let in. shopID "" asks for all
// shops.
func (d *Directory) StartClient(ctx context.Context, m *Merchant, shopID string, terminal int64) (Activation, error) {
	if _, ok := m.Shop(shopID); shopID != "" && !ok {
		return Activation{}, notFound("shop")
	}
	return d.newActivation(ctx, ActivationRow{Kind: KindClient, MerchantID: m.ID, ShopID: shopID, Terminal: terminal})
}

// GrantClient lets the cashier desk that shows that activator in as the person
// who scanned it. The person must belong to the merchant, and to the shop if
// one was asked for. A desk of another merchant than who.Merchant, unless that
// is "", is answered for as one that does not wait any more: what the caller
// may do was decided for that merchant.
func (d *Directory) GrantClient(ctx context.Context, by Actor, activator string, who Identity) error {
	if err := by.check(); err != nil {
		return err
	}
	a, err := d.grantable(ctx, KindClient, activator)
	if err != nil {
		return err
	}
	if who.Merchant != "" && who.Merchant != a.MerchantID {
		return errActivatorExpired()
	}
	m, err := d.fresh(ctx, a.MerchantID)
	if err != nil {
		return err
	}
	who.Merchant = a.MerchantID
	if err := m.belongs(who, a.ShopID); err != nil {
		return err
	}
	return d.grant(ctx, by, m, a, who)
}

// belongs refuses an identity that the merchant does not have.
func (m *Merchant) belongs(who Identity, shopID string) error {
	denied := pay.Refuse(pay.ErrDenied, "identity_not_permitted", "您没有该商户或门店的权限")
	switch who.Role {
	case RoleProvider:
		return nil
	case RoleBoss:
		if _, ok := m.Admin(who.AdminID); !ok && who.AdminID != "" {
			return denied
		}
		return nil
	case RoleManager, RoleCashier:
		s, ok := m.Shop(who.ShopID)
		if !ok || shopID != "" && shopID != who.ShopID {
			return denied
		}
		p, ok := s.Person(who.StaffID)
		if !ok || who.Role == RoleManager && !p.ShopManager {
			return denied
		}
		return nil
	case RoleSubProvider, RoleFinance, RoleOps, RoleDeveloper, RoleVendor:
	}
	return denied
}

// ClientGrant is what a cashier desk may know once it was let in.
type ClientGrant struct {
	Identity Identity
	Provider Provider
	Merchant *Merchant
	Shops    []Shop // those that the identity may see
}

// ClientState answers client_try_get_initializers. granted is false while
// nobody has let the client in. The error is of kind pay.ErrDenied with code
// token_expired when the token is unknown, another merchant's or too old.
func (d *Directory) ClientState(ctx context.Context, m *Merchant, token string) (g ClientGrant, granted bool, err error) {
	a, err := d.activationByToken(ctx, KindClient, token)
	if err != nil {
		return ClientGrant{}, false, err
	}
	if a.MerchantID != m.ID {
		return ClientGrant{}, false, pay.Refuse(pay.ErrDenied, "token_expired", "token 已失效，请重新获取二维码")
	}
	if a.GrantedAt.IsZero() {
		return ClientGrant{}, false, nil
	}
	if err := fromJSON(a.Granted, &g.Identity); err != nil {
		return ClientGrant{}, false, err
	}
	p, err := d.Provider(ctx, m.ProviderID)
	if err != nil {
		return ClientGrant{}, false, err
	}
	g.Provider, g.Merchant = *p, m
	for _, s := range m.Shops {
		if (a.ShopID == "" || a.ShopID == s.ID) && (g.Identity.ShopID == "" || g.Identity.ShopID == s.ID) {
			g.Shops = append(g.Shops, s)
		}
	}
	return g, true, nil
}
