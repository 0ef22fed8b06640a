package recon_test

import (
	"bytes"
	"context"
	"log/slog"
	"testing"
	"time"

	"cloudpay/internal/day"
	"cloudpay/internal/pay"
	"cloudpay/internal/store"
)

// TestRepairedDifferencesCloseTheDay is the end of done-when 5: once the five
// differences of a bill are closed the day is balanced, names all five, says which
// orders the bill confirms, and its file verifies.
func TestRepairedDifferencesCloseTheDay(t *testing.T) {
	t.Parallel()
	eachWallet(t, func(h *house) {
		t := h.t
		good, missing, amount, fee := h.sale(1_000), h.sale(2_000), h.sale(3_000), h.sale(4_000)
		h.back(good, 300)
		h.set(morning.Add(13*time.Hour + 59*time.Minute + 50*time.Second)) // 23:59:50
		late := h.sale(5_000)
		h.fault("bill_missing_row", missing.OutTradeNo)
		h.fault("bill_extra_row", good.OutTradeNo)
		h.fault("bill_amount_diff", amount.OutTradeNo)
		h.fault("bill_fee_diff", fee.OutTradeNo)
		h.fault("bill_cross_midnight", "")
		days := day.New(day.Config{
			Store: h.store, Vault: h.people.Vault, Now: h.now, Log: slog.New(slog.DiscardHandler),
			Trust: func(ctx context.Context, _, no string) error { return h.gw.TrustBill(ctx, h.merchant, no) },
		})
		h.set(afterDay1)
		h.reconcile(day1)
		h.set(afterDay2)
		h.reconcile(day2)
		h.repair(store.WeMore, "payment:"+missing.OutTradeNo)
		h.repair(store.WalletMore, "payment:EXTRA"+good.OutTradeNo)
		h.repair(store.AmountDiff, "payment:"+amount.OutTradeNo)
		h.repair(store.FeeDiff, "payment:"+fee.OutTradeNo)

		first, err := days.Close(t.Context(), h.merchant.ID, "2026-11-25", false)
		if err != nil {
			t.Fatal(err)
		}
		second, err := days.Close(t.Context(), h.merchant.ID, "2026-11-26", false)
		if err != nil {
			t.Fatal(err)
		}
		if !first.Balanced || len(first.Differences) != 5 || !second.Balanced || len(second.Differences)+len(second.Adjustments) > 0 {
			t.Errorf("the days are %+v and %+v", first, second)
		}
		for _, d := range first.Differences {
			if d.State == store.DiffOpen || d.Why == "" {
				t.Errorf("listed as %+v", d)
			}
		}
		for _, no := range []string{good.OutTradeNo, late.OutTradeNo} { // by its own day's bill, and by the next day's
			if o := h.order(no); o.Truth.Confirmed() != "bill" {
				t.Errorf("%s is confirmed by %s", no, o.Truth.Confirmed())
			}
		}
		var file bytes.Buffer
		if _, err := days.Export(t.Context(), h.merchant.ID, &file); err != nil {
			t.Fatal(err)
		}
		key, err := day.ParseKey(first.Key)
		if err != nil {
			t.Fatal(err)
		}
		if v, err := day.Verify(&file, day.Trust{Key: key}, nil); err != nil || v.Days != 2 || len(v.Unbalanced) > 0 {
			t.Errorf("the file: %+v, %v", v, err)
		}
		if first.Channels[0].Orders.In != pay.Fen(15_000) || first.Channels[0].Orders.Back != 300 {
			t.Errorf("sums are %+v", first.Channels)
		}
	})
}
