package store

import (
	"context"
	"fmt"

	"cloudpay/internal/pay"
	"cloudpay/internal/store/sqlcgen"
)

// MerchantOfWallet returns the merchant that a wallet knows by that id: a
// sub_mch_id of WeChat Pay or a seller id of Alipay. The error wraps
// pay.ErrNotFound when there is none, and when several share the id, because
// nothing tells them apart then.
func (s *Store) MerchantOfWallet(ctx context.Context, id string) (string, error) {
	none := pay.Refuse(pay.ErrNotFound, "merchant_unknown", "no merchant of its own has that id at a wallet")
	if id == "" {
		return "", none
	}
	wx, err := s.read.MerchantsOfWxpay(ctx, id)
	if err != nil {
		return "", fmt.Errorf("find the merchant of a wallet: %w", err)
	}
	ali, err := s.read.MerchantsOfAlipay(ctx, id)
	if err != nil {
		return "", fmt.Errorf("find the merchant of a wallet: %w", err)
	}
	found := append(wx, ali...)
	if len(found) == 1 || len(found) == 2 && found[0] == found[1] {
		return found[0], nil
	}
	return "", none
}

// SharesWallet reports whether another living merchant of the provider has the
// same id at a wallet.
func (s *Store) SharesWallet(ctx context.Context, providerID, merchantID string, ch pay.Channel, id string) (bool, error) {
	if id == "" {
		return false, nil
	}
	var found []string
	var err error
	switch ch {
	case pay.Wxpay:
		found, err = s.read.OthersOfWxpay(ctx, sqlcgen.OthersOfWxpayParams{SubMchID: id, ProviderID: providerID, But: merchantID})
	case pay.Alipay:
		found, err = s.read.OthersOfAlipay(ctx, sqlcgen.OthersOfAlipayParams{SellerID: id, ProviderID: providerID, But: merchantID})
	}
	return len(found) > 0, wrap("find who shares an account", err)
}

// PrefixOwners returns the merchants that order prefixes were given to, deleted
// ones too. Prefixes that nobody has are absent.
func (s *Store) PrefixOwners(ctx context.Context, prefixes []string) (map[string]string, error) {
	out := make(map[string]string)
	for len(prefixes) > 0 {
		n := namedTwenty(&prefixes)
		rows, err := s.read.ListPrefixOwners(ctx, sqlcgen.ListPrefixOwnersParams{
			N1: n[0], N2: n[1], N3: n[2], N4: n[3], N5: n[4], N6: n[5], N7: n[6], N8: n[7], N9: n[8], N10: n[9],
			N11: n[10], N12: n[11], N13: n[12], N14: n[13], N15: n[14], N16: n[15], N17: n[16], N18: n[17], N19: n[18], N20: n[19],
		})
		if err != nil {
			return nil, fmt.Errorf("find whose prefixes are: %w", err)
		}
		for _, r := range rows {
			out[r.Prefix] = r.MerchantID
		}
	}
	return out, nil
}
