package recon_test

import (
	"log/slog"
	"testing"
	"time"

	"cloudpay/internal/day"
	"cloudpay/internal/pay"
	"cloudpay/internal/store/storetest"
)

// TestBugDayWithARefundThatWeChatClosedWasNeverBalanced: its bill tells of the refund
// as failed. Nothing went back, and nothing is a difference.
func TestBugDayWithARefundThatWeChatClosedWasNeverBalanced(t *testing.T) {
	t.Parallel()
	h := newHouse(t, storetest.Engines()[0], pay.Wxpay, "")
	o := h.sale(1_000)
	h.fault("refund_closed", "")
	no := h.back(o, 300)
	h.set(morning.Add(2 * time.Hour))
	f, _, err := h.gw.AskRefund(t.Context(), h.merchant, o.OutTradeNo, no, 0)
	if err != nil || f.State != pay.RefundRejected {
		t.Fatalf("the refund is %s, %v", f.State, err)
	}
	h.set(afterDay1)
	run := h.reconcile(day1)
	if left := h.diffs(""); len(left) != 0 || run.Lines != 2 {
		t.Fatalf("%d lines, differences: %v", run.Lines, left)
	}
	lines, err := h.store.LinesOfItem(t.Context(), "merchant", pay.Wxpay, "refund:"+no)
	if err != nil || len(lines) != 1 || lines[0].RefundState != "FAIL" {
		t.Fatalf("the lines are %+v, %v", lines, err)
	}
	days := day.New(day.Config{Store: h.store, Vault: h.people.Vault, Now: h.now, Log: slog.New(slog.DiscardHandler)})
	r, err := days.Close(t.Context(), "merchant", "2026-11-25", false)
	if want := (day.Sums{InCount: 1, In: 1_000}); err != nil || !r.Balanced || r.Channels[0].Bill != want || len(r.Differences) > 0 {
		t.Errorf("the day is %+v, %v", r, err)
	}
}
