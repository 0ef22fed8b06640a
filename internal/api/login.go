package api

import (
	"context"
	"crypto/hmac"
	"crypto/sha256"
	"encoding/base64"

	"cloudpay/cpay"
	"cloudpay/internal/directory"
)

// clientInitialize begins the login of a cashier desk: it shows a QR code that
// a person with the right to let it in scans (protocol.md §2.4 no. 20).
func (s *Server) clientInitialize(ctx context.Context, c *call, m *cpay.ClientInitializeRequest) (cpay.Message, error) {
	if _, ok := c.merchant.Shop(m.OutShopID); m.OutShopID != "" && !ok {
		return nil, shopUnknown()
	}
	a, err := s.Directory.StartClient(ctx, c.merchant, m.OutShopID, m.AuthorizeTerminalType)
	if err != nil {
		return nil, err
	}
	return &cpay.ClientInitializeResponse{
		Activator: a.Activator, Token: a.Token.Reveal(), TTL: int64(a.TTL.Seconds()),
		QRCodeURL: s.entry(c, "client_authorize", "ac", a.Activator),
	}, nil
}

// Manager types (protocol.md §3.14).
const (
	managerSubMch = 1
	managerShop   = 2
	managerStaff  = 3
	managerMch    = 4
)

// clientTryGetInitializers says whether somebody has let the cashier desk in,
// and if so what it is set up with (no. 21).
func (s *Server) clientTryGetInitializers(ctx context.Context, c *call, m *cpay.ClientTryGetInitializersRequest) (cpay.Message, error) {
	g, granted, err := s.Directory.ClientState(ctx, c.merchant, m.Token)
	if err != nil {
		return nil, err
	}
	out := &cpay.ClientTryGetInitializersResponse{InitializationGranted: granted}
	if !granted {
		return out, nil
	}
	who := g.Identity
	kind, where := managerOf(c.merchant, who)
	out.Identity, out.StaffID, out.ManagerTypes = who.Name, who.StaffID, []int64{kind}
	out.ManagerEntities = []cpay.ManagerEntity{{ManagerType: kind, OutID: where, StaffID: who.StaffID}}
	out.MchInfo = &cpay.InitializerMch{
		CompanyName: g.Provider.Name, OutMchID: g.Provider.ID, MerchantName: g.Provider.Profile.ShortName, Logo: g.Provider.Profile.Logo,
	}
	f := &g.Merchant.Profile
	out.SubMchInfo = &cpay.InitializerSubMch{
		CompanyName: g.Merchant.Name, OutSubMchID: g.Merchant.ID, MerchantName: merchantName(g.Merchant),
		Logo: base64.StdEncoding.EncodeToString(f.Logo),
	}
	if len(g.Merchant.Prefixes) > 0 {
		out.SubMchInfo.CloudCashierID = g.Merchant.Prefixes[0]
	}
	for _, k := range g.Merchant.CallbackKeys(s.Now()) {
		out.SubMchInfo.ClientConfigurationCiphers = append(out.SubMchInfo.ClientConfigurationCiphers, deskCipher(k))
	}
	for _, shop := range g.Shops {
		one := cpay.InitializerShop{OutShopID: shop.ID, ShopName: shop.Name}
		for _, d := range shop.Devices {
			one.Devices = append(one.Devices, cpay.InitializerDevice{DeviceID: d.ID, DeviceType: int64(d.Type)})
		}
		for _, p := range shop.Staff {
			one.Staffs = append(one.Staffs, cpay.InitializerStaff{StaffID: p.ID, StaffName: p.Name, RefundAuth: p.RefundAuth || p.ShopManager})
		}
		out.ShopInfos = append(out.ShopInfos, one)
	}
	return out, nil
}

// managerOf is the manager type of a role, and what it manages.
func managerOf(m *directory.Merchant, who directory.Identity) (kind int64, where string) {
	switch who.Role {
	case directory.RoleProvider, directory.RoleSubProvider:
		return managerMch, m.ProviderID
	case directory.RoleBoss:
		return managerSubMch, m.ID
	case directory.RoleManager:
		return managerShop, who.ShopID
	case directory.RoleCashier, directory.RoleFinance, directory.RoleOps, directory.RoleDeveloper, directory.RoleVendor:
	}
	return managerStaff, who.ShopID
}

// Configuration of a cashier desk is encrypted by AES-128-GCM (protocol.md §3.10).
const (
	algorithmAESGCM = 1
	deskKeyLength   = 16
)

// deskCipher is the key that a cashier desk encrypts its local configuration
// with. It follows from the authen_key, so every desk of the merchant has the
// same one, and nothing more is kept; while an old key lives, so does its cipher.
func deskCipher(k directory.Key) cpay.ConfigurationCipher {
	h := hmac.New(sha256.New, []byte(k.Authen.Reveal()))
	h.Write([]byte("client configuration"))
	return cpay.ConfigurationCipher{
		Algorithm: algorithmAESGCM, Key: cpay.NewKey(base64.StdEncoding.EncodeToString(h.Sum(nil)[:deskKeyLength])),
	}
}
