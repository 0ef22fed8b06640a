package api

import (
	"cmp"
	"context"
	"encoding/base64"
	"errors"
	"strconv"
	"time"

	"cloudpay/cpay"
	"cloudpay/internal/directory"
	"cloudpay/internal/pay"
)

// sdkQuerySubMchInfo shows the merchant itself (no. 18), and none of its keys.
func (s *Server) sdkQuerySubMchInfo(ctx context.Context, c *call, m *cpay.SDKQuerySubMchInfoRequest) (cpay.Message, error) {
	out := &cpay.SDKQuerySubMchInfoResponse{TotalCount: 1}
	if m.PageNum > 1 {
		return out, nil
	}
	p, err := s.Directory.ProviderOf(ctx, c.merchant)
	if err != nil {
		return nil, err
	}
	info := s.subMchInfo(c)
	for _, ch := range channels {
		a, err := s.wallet(ctx, c.merchant, ch)
		if err != nil {
			return nil, err
		}
		if a.sub == "" {
			continue
		}
		one := info
		one.SubMchID = a.sub
		out.SubMchInfos = append(out.SubMchInfos, cpay.SubMch{
			MchID: a.mch, PayPlatform: cpay.PayPlatform(ch.Platform()), CompanyName: p.Name, OutMchID: p.ID,
			MchKey:      &cpay.MchKey{MchID: a.mch, PayPlatform: cpay.PayPlatform(ch.Platform()), WxpayExt: a.key},
			SubMchInfos: []cpay.SubMchInfo{one},
		})
	}
	if len(out.SubMchInfos) == 0 { // set up at no wallet yet
		out.SubMchInfos = []cpay.SubMch{{CompanyName: p.Name, OutMchID: p.ID, SubMchInfos: []cpay.SubMchInfo{info}}}
	}
	return out, nil
}

// subMchInfo is what is the same at every wallet. Times are texts here and
// numbers elsewhere, as they were (protocol.md §7 row 39).
func (s *Server) subMchInfo(c *call) cpay.SubMchInfo {
	m, f := c.merchant, &c.merchant.Profile
	out := cpay.SubMchInfo{
		CompanyName: m.Name, Desc: f.Desc, OutSubMchID: m.ID, DefaultOrderBody: m.DefaultBody, MerchantName: merchantName(m),
		OutSubMchIDURL: s.entry(c, "qrcode_sub_mch", "id", m.ID, "rid", relationID), Logo: base64.StdEncoding.EncodeToString(f.Logo),
		AdminEmail: f.AdminEmail, Phone: f.Phone, IsUseCpayShopSystem: f.UseShopSystem, AdPageURL: f.AdPageURL, BuslicID: f.LicenceID,
		SubMchSource: f.Source, Direct: !f.Upstream, UpstreamOutChannelID: f.UpstreamID, UpstreamCompanyName: f.UpstreamCompany,
		BankRate: f.BankRatePPM, DisableCardOnlineRecharge: f.NoCardRecharge, AuthenType: 1, PublicKey: m.PublicKeyPEM,
		CreateTime: stamp(m.CreatedAt), LastUpdateTime: stamp(m.UpdatedAt),
		WxpayExt: &cpay.WxpaySubMchInfoExt{Direct: !f.WxUpstream, IsMicro: f.WxMicro, SubAppID: m.Wx.SubAppID},
		AlipayExt: &cpay.AlipaySubMchInfoExt{
			Direct: !f.AliUpstream, SubAppID: f.AliSubAppID, SubMchUserID: m.Ali.SellerID, AliAuthorizationURL: f.AliAuthorizeURL,
		},
	}
	if m.PublicKeyPEM != "" {
		out.SignType = 1
	}
	if f.AdPicture != "" || f.AdURL != "" {
		out.OneCodePayAdInfo = &cpay.OneCodePayAdInfo{Picture: f.AdPicture, URL: f.AdURL}
	}
	for i, prefix := range m.Prefixes {
		if i == 0 {
			out.CloudCashierID = prefix
		}
		out.TypedCashierIDs = append(out.TypedCashierIDs, cpay.TypedCashierID{ID: prefix, Type: prefixType(prefix)})
	}
	for _, a := range m.Admins {
		out.SubMchAdminInfos = append(out.SubMchAdminInfos, cpay.SubMchAdminInfo{
			Name: a.Name, ReceiveOneCodePayNotify: a.OneCodeNotes, CloudPayOpenID: a.OpenID, Duty: a.Duty, MchOpenID: a.MchOpenID,
		})
	}
	return out
}

// merchantName is what the wallets call a merchant (seed S003, where it is
// required), or else what it calls itself.
func merchantName(m *directory.Merchant) string {
	return cmp.Or(m.Profile.MerchantName, m.Profile.ShortName, m.Name)
}

// prefixType is the type of an order prefix in typed_cashier_ids. The original's
// numbers are not documented: ours are 1 for letters and digits, 2 for digits.
func prefixType(prefix string) int64 {
	if directory.KindOfPrefix(prefix) == directory.DigitPrefix {
		return 2
	}
	return 1
}

// stamp is a time as text, "" for none.
func stamp(t time.Time) string {
	if t.IsZero() {
		return ""
	}
	return strconv.FormatInt(t.Unix(), 10)
}

// walletIDs are a merchant's ids at a wallet.
type walletIDs struct {
	mch, sub string
	key      *cpay.WxpayMchKeyExt // set for WeChat Pay
}

// wallet returns the merchant's ids at a wallet, empty where the provider has
// no account there.
func (s *Server) wallet(ctx context.Context, m *directory.Merchant, ch pay.Channel) (walletIDs, error) {
	a, err := s.Directory.Account(ctx, m.ProviderID, ch)
	switch {
	case errors.Is(err, pay.ErrNotFound):
		return walletIDs{}, nil
	case err != nil:
		return walletIDs{}, err
	case a.Wechat != nil:
		return walletIDs{mch: a.Wechat.MchID, sub: m.Wx.SubMchID, key: &cpay.WxpayMchKeyExt{AppID: a.Wechat.AppID}}, nil
	case a.Alipay != nil:
		return walletIDs{mch: a.Alipay.AppID, sub: m.Ali.SellerID}, nil
	}
	return walletIDs{}, nil
}

// The beginnings of payment codes (protocol.md §3.15).
var (
	wxAuthorCodes  = []string{"10", "11", "12", "13", "14", "15"}
	aliAuthorCodes = []string{"25", "26", "27", "28", "29", "30"}
)

// queryIdentityMapping tells our ids of a merchant and shop, which it names by
// ours or by the wallet's, and how payment codes begin (no. 19).
func (s *Server) queryIdentityMapping(_ context.Context, c *call, m *cpay.QueryIdentityMappingRequest) (cpay.Message, error) {
	out := &cpay.QueryIdentityMappingResponse{
		OutMchID: c.merchant.ProviderID, OutSubMchID: c.merchant.ID, WxAuthorCodes: wxAuthorCodes, AliAuthorCodes: aliAuthorCodes,
	}
	switch {
	case m.Out != nil:
		if err := ofProvider(c.merchant, m.Out.OutMchID); err != nil {
			return nil, err
		}
		if _, ok := c.merchant.Shop(m.Out.OutShopID); m.Out.OutShopID != "" && !ok {
			return nil, shopUnknown()
		}
		out.OutShopID = m.Out.OutShopID
	case m.Mch != nil && m.Mch.ShopID != "":
		for _, shop := range c.merchant.Shops {
			if shop.Number == m.Mch.ShopID {
				out.OutShopID = shop.ID
				return out, nil
			}
		}
		return nil, shopUnknown()
	}
	return out, nil
}
