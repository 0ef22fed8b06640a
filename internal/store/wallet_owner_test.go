package store_test

import (
	"errors"
	"testing"
	"time"

	"cloudpay/internal/pay"
	"cloudpay/internal/store/storetest"
)

func TestTheMerchantOfAWallet(t *testing.T) {
	t.Parallel()
	for _, e := range storetest.Engines() {
		t.Run(e.Name, func(t *testing.T) {
			t.Parallel()
			s, ctx := e.New(t)(), t.Context()
			_, m, _ := seeded(t, s, "1")
			m.Merchant.DeletedAt = time.Time{}
			if err := commit(t, s, "m/m1", m.Merchant); err != nil {
				t.Fatal(err)
			}
			for _, id := range []string{m.Merchant.WxSubMchID, m.Merchant.AliSellerID} {
				if got, err := s.MerchantOfWallet(ctx, id); err != nil || got != "m1" {
					t.Errorf("%q belongs to %q, %v", id, got, err)
				}
			}
			for _, id := range []string{"", "nobody", m.Merchant.WxSubMchID + "0"} {
				if got, err := s.MerchantOfWallet(ctx, id); !errors.Is(err, pay.ErrNotFound) {
					t.Errorf("%q belongs to %q, %v", id, got, err)
				}
			}
			shared := m.Merchant
			shared.ID = "m9"
			if err := commit(t, s, "m/m9", shared); err != nil {
				t.Fatal(err)
			}
			if got, err := s.MerchantOfWallet(ctx, shared.WxSubMchID); !errors.Is(err, pay.ErrNotFound) {
				t.Errorf("an id of two merchants belongs to %q, %v", got, err)
			}
			// A merchant that was deleted does not keep the id from its successor.
			shared.DeletedAt = time.Now().UTC().Truncate(time.Millisecond)
			if err := commit(t, s, "m/m9", shared); err != nil {
				t.Fatal(err)
			}
			for _, id := range []string{shared.WxSubMchID, shared.AliSellerID} {
				if got, err := s.MerchantOfWallet(ctx, id); err != nil || got != "m1" {
					t.Errorf("%q, which a deleted merchant has too, belongs to %q, %v", id, got, err)
				}
			}
		})
	}
}
