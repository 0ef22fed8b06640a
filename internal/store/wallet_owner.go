package store

import (
	"context"
	"fmt"

	"cloudpay/internal/pay"
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
