package recon_test

import (
	"errors"
	"log/slog"
	"testing"

	"github.com/google/go-cmp/cmp"

	"cloudpay/internal/day"
	"cloudpay/internal/gateway"
	"cloudpay/internal/pay"
	"cloudpay/internal/store"
)

// TestARefundThatWeCallRejectedAndTheBillHasIsTakenBack: the bill is the highest
// truth, and such a difference could only be explained. Its reservation had been
// given free.
func TestARefundThatWeCallRejectedAndTheBillHasIsTakenBack(t *testing.T) {
	t.Parallel()
	onBoth(t, func(h *house) {
		t := h.t
		o, no := h.sale(1_000), h.number()
		h.refuses = true
		_, _, err := h.gw.Refund(t.Context(), h.merchant, gateway.Refund{OutTradeNo: o.OutTradeNo, OutRefundNo: no, Total: 1_000, Amount: 300})
		if f, e := h.store.Refund(t.Context(), "merchant", no); !errors.Is(err, pay.ErrDenied) || e != nil || f.State != pay.RefundRejected {
			t.Fatalf("the refund is %s, %v, %v", f.State, err, e)
		}
		h.refuses = false
		h.set(afterDay1)
		h.reconcile(day1)
		if diff := cmp.Diff(map[string]string{"wallet_more refund:" + no: day1 + ": 0, they -300"}, h.diffs("")); diff != "" {
			t.Fatalf("differences: -want +got\n%s", diff)
		}
		if d := h.repair(store.WalletMore, "refund:"+no); d.State != store.DiffRepaired {
			t.Errorf("the difference is %s: %s", d.State, d.Why)
		}
		if f, err := h.store.Refund(t.Context(), "merchant", no); err != nil || f.State != pay.RefundSucceeded || f.SucceededAt.IsZero() || f.RefundID == "" {
			t.Errorf("the refund is %+v, %v", f, err)
		}
		if o := h.order(o.OutTradeNo); o.Reserved != 300 || o.Refunded != 300 {
			t.Errorf("reserved %d, refunded %d, want 300", o.Reserved, o.Refunded)
		}
		h.again()
		if left := h.diffs(store.DiffOpen); len(left) != 0 {
			t.Errorf("open again: %v", left)
		}
		fee := h.balance(pay.AccFee) // 6 less 2: the second round has booked the refund's
		if m, p, r := h.balance(pay.AccMerchant), h.balance(pay.AccRefunding), h.balance(pay.AccReceivable); m != -700 || p != 0 || fee != 4 || r != 700-fee {
			t.Errorf("ledger: M %d, P %d, F %d, R %d", m, p, fee, r)
		}
		days := day.New(day.Config{Store: h.store, Vault: h.people.Vault, Now: h.now, Log: slog.New(slog.DiscardHandler)})
		if r, err := days.Close(t.Context(), "merchant", "2026-11-25", false); err != nil || !r.Balanced {
			t.Errorf("the day is %+v, %v", r, err)
		}
	})
}
