package recon_test

import (
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"cloudpay/internal/channel"
	"cloudpay/internal/pay"
	"cloudpay/internal/store"
	"cloudpay/internal/store/storetest"
)

// The days of these tests, and when their bills are there.
const (
	day1 = "20261125"
	day2 = "20261126"
)

var afterDay1, afterDay2 = morning.AddDate(0, 0, 1).Add(time.Hour), morning.AddDate(0, 0, 2).Add(time.Hour)

// onBoth runs a test on both engines for both wallets.
func onBoth(t *testing.T, test func(h *house)) {
	t.Helper()
	each(t, storetest.Engines(), test)
}

// eachWallet runs a test on SQLite for both wallets.
func eachWallet(t *testing.T, test func(h *house)) {
	t.Helper()
	each(t, storetest.Engines()[:1], test)
}

// each runs a test for both wallets, WeChat by both of its interfaces.
func each(t *testing.T, engines []storetest.Engine, test func(h *house)) {
	t.Helper()
	for _, e := range engines {
		for _, w := range []struct {
			name string
			ch   pay.Channel
			api  string
		}{{"wxpay v2", pay.Wxpay, channel.APIv2}, {"wxpay v3", pay.Wxpay, channel.APIv3}, {"alipay", pay.Alipay, ""}} {
			t.Run(e.Name+"/"+w.name, func(t *testing.T) {
				t.Parallel()
				test(newHouse(t, e, w.ch, w.api))
			})
		}
	}
}

// TestABillThatAgreesShowsNothing reconciles two days of payments and refunds.
func TestABillThatAgreesShowsNothing(t *testing.T) {
	t.Parallel()
	onBoth(t, func(h *house) {
		t := h.t
		a := h.sale(10_000)
		h.sale(333)
		first := h.back(a, 4_000)
		h.set(morning.Add(13*time.Hour + 59*time.Minute + 50*time.Second)) // 23:59:50
		late := h.sale(500)
		h.set(h.now().Add(time.Minute))
		second := h.back(late, 500)
		h.set(afterDay1)
		h.arrives(a, first)
		h.arrives(late, second)
		run := h.reconcile(day1)
		if run.Lines != 4 || run.Matched != 4 {
			t.Errorf("%d of %d lines agree, want 4 of 4", run.Matched, run.Lines)
		}
		h.set(afterDay2)
		if run := h.reconcile(day2); run.Lines != 1 || run.Matched != 1 {
			t.Errorf("on the second day %d of %d lines agree, want 1 of 1", run.Matched, run.Lines)
		}
		if diff := cmp.Diff(map[string]string{}, h.diffs("")); diff != "" {
			t.Errorf("differences: %s", diff)
		}
		sums, err := h.store.BillSums(t.Context(), h.key(day1))
		if err != nil {
			t.Fatal(err)
		}
		want := []store.BillSum{
			{Kind: "payment", Lines: 3, Total: 10_833, Settlement: 10_833, Fee: 65}, {Kind: "refund", Lines: 1, Total: 4_000, Settlement: 4_000, Fee: -24},
		}
		if diff := cmp.Diff(want, sums); diff != "" {
			t.Errorf("sums of the bill: -want +got\n%s", diff)
		}
		b, err := h.store.Balances(t.Context(), "merchant")
		if err != nil {
			t.Fatal(err)
		}
		// 108.33 paid, 45.00 back; 0.65 of fees, 0.24 and 0.03 of them back.
		if got := b[h.ch]; got[pay.AccFee] != 38 || got[pay.AccReceivable] != 6_333-38 || got[pay.AccMerchant] != -6_333 {
			t.Errorf("ledger: %v", got)
		}
	})
}

// TestFiveDifferencesAreFoundAndRepaired is done-when 5 of reconciliation: a bill
// with a missing line, an extra line, a wrong amount, a changed fee and an order
// at the edge of the day gives exactly these five, and repairing them closes them.
func TestFiveDifferencesAreFoundAndRepaired(t *testing.T) {
	t.Parallel()
	onBoth(t, func(h *house) {
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
		h.set(afterDay1)
		run := h.reconcile(day1)
		extra := "payment:EXTRA" + good.OutTradeNo
		want := map[string]string{
			"we_more payment:" + missing.OutTradeNo: day1 + ": 2000, they 0",
			"wallet_more " + extra:                  day1 + ": 0, they 1000",
			"amount payment:" + amount.OutTradeNo:   day1 + ": 3000, they 3001",
			"fee payment:" + fee.OutTradeNo:         day1 + ": 24, they 25",
			"date_edge payment:" + late.OutTradeNo:  day1 + ": 5000, they 0",
		}
		if diff := cmp.Diff(want, h.diffs("")); diff != "" {
			t.Fatalf("differences: -want +got\n%s", diff)
		}
		if run.Lines != 5 || run.Matched != 2 { // the payment and the refund of good
			t.Errorf("%d of %d lines agree", run.Matched, run.Lines)
		}

		// Done again, the day says the same.
		if _, err := h.recon.Again(t.Context(), h.key(day1)); err != nil {
			t.Fatal(err)
		}
		if diff := cmp.Diff(want, h.diffs(store.DiffOpen)); diff != "" {
			t.Fatalf("differences of the second round: -want +got\n%s", diff)
		}

		// The next day's bill explains the order at the edge by itself.
		h.set(afterDay2)
		h.reconcile(day2)
		delete(want, "date_edge payment:"+late.OutTradeNo)
		if diff := cmp.Diff(want, h.diffs(store.DiffOpen)); diff != "" {
			t.Fatalf("differences after the next day: -want +got\n%s", diff)
		}

		for _, r := range []struct {
			of   store.DiffType
			item string
			want string
		}{
			{store.WeMore, "payment:" + missing.OutTradeNo, store.DiffExplained},
			{store.WalletMore, extra, store.DiffExplained},
			{store.AmountDiff, "payment:" + amount.OutTradeNo, store.DiffExplained},
			{store.FeeDiff, "payment:" + fee.OutTradeNo, store.DiffRepaired},
		} {
			if d := h.repair(r.of, r.item); d.State != r.want || d.Who != "member:anna" || d.Why == "" {
				t.Errorf("%s of %s is %s by %q because %q, want %s", r.of, r.item, d.State, d.Who, d.Why, r.want)
			}
		}
		if left := h.diffs(store.DiffOpen); len(left) != 0 {
			t.Errorf("still open: %v", left)
		}
		lines, err := h.store.ReconLines(t.Context(), h.key(day1), 0, 100)
		if err != nil {
			t.Fatal(err)
		}
		for _, l := range lines {
			if l.OutTradeNo == fee.OutTradeNo && l.Booked != 25 {
				t.Errorf("a fee of %d is booked, the bill says 25", l.Booked)
			}
		}
		// A third round finds nothing new, and opens nothing again.
		if _, err := h.recon.Again(t.Context(), h.key(day1)); err != nil {
			t.Fatal(err)
		}
		if left := h.diffs(store.DiffOpen); len(left) != 0 {
			t.Errorf("open again: %v", left)
		}
	})
}
