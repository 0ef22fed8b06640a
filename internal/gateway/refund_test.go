package gateway_test

import (
	"errors"
	"maps"
	"testing"
	"testing/synctest"
	"time"

	"cloudpay/internal/gateway"
	"cloudpay/internal/jobs"
	"cloudpay/internal/pay"
	"cloudpay/internal/sandbox"
	"cloudpay/internal/store"
)

// refund asks for a refund of an order.
func (h *house) refund(no, refundNo string, total, amount pay.Fen) (pay.Order, pay.Refund, error) {
	h.t.Helper()
	return h.gw.Refund(h.t.Context(), h.merchant, gateway.Refund{OutTradeNo: no, OutRefundNo: refundNo, Total: total, Amount: amount})
}

// jobs lists all durable work.
func (h *house) jobs() []jobs.Job {
	h.t.Helper()
	list, err := h.store.ListJobs(h.t.Context(), store.JobFilter{Limit: 1000})
	if err != nil {
		h.t.Fatal(err)
	}
	return list
}

// changed returns the preset profiles with a change.
func changed(change func(*pay.Profile)) map[pay.Channel]pay.Profile {
	ps := maps.Clone(pay.Profiles)
	for ch, p := range ps {
		change(&p)
		ps[ch] = p
	}
	return ps
}

// noSpacing turns off the pause between refunds of one order.
func noSpacing() map[pay.Channel]pay.Profile {
	return changed(func(p *pay.Profile) { p.RefundSpacing = 0 })
}

func code(err error) string {
	if e, ok := errors.AsType[*pay.Error](err); ok {
		return e.Code
	}
	return ""
}

// TestAcceptanceAmounts is S002's refund case: pay 0.02, refund 0.01, refuse
// 0.02 more, refund the last 0.01.
func TestAcceptanceAmounts(t *testing.T) {
	t.Parallel()
	both(t, func(b bubble) {
		t, ch := b.T, b.ch
		h := newHouse(t, options{profiles: noSpacing()})
		o, err := h.pay(ch, 2, "")
		if err != nil {
			t.Fatal(err)
		}
		first := h.number()
		if _, _, err := h.refund(o.OutTradeNo, first, 2, 1); err != nil {
			t.Fatal(err)
		}
		if _, _, err := h.refund(o.OutTradeNo, h.number(), 2, 2); code(err) != "refund_exceeds" {
			t.Errorf("refund of more than is left = %v, want refund_exceeds", err)
		}
		if _, r, err := h.refund(o.OutTradeNo, first, 2, 1); err != nil || r.Amount != 1 {
			t.Errorf("replay = %+v, %v", r, err)
		}
		if _, _, err := h.refund(o.OutTradeNo, first, 2, 2); code(err) != "refund_reentry" {
			t.Errorf("same number, other amount = %v, want refund_reentry", err)
		}
		if _, _, err := h.refund(o.OutTradeNo, h.number(), 3, 1); code(err) != "refund_total" {
			t.Errorf("other total = %v, want refund_total", err)
		}
		if _, _, err := h.refund(o.OutTradeNo, h.number(), 2, 1); err != nil {
			t.Fatal(err)
		}
		got := h.until(o.OutTradeNo, time.Minute, func(o pay.Order) bool { return o.Refunded == 2 })
		if got.State != pay.PAID {
			t.Errorf("state = %s", got.State)
		}
		if kept, _ := h.kept(o.OutTradeNo); kept != 0 {
			t.Errorf("the wallet kept %d, want 0", kept)
		}
		<-time.After(time.Minute) // Alipay's confirming query
		if left := h.jobs(); len(left) != 0 {
			t.Errorf("work is left: %+v", left)
		}
		h.checkBooks(o.OutTradeNo)
	})
}

func TestSecondRefundWaitsForTheWalletsPause(t *testing.T) {
	t.Parallel()
	both(t, func(b bubble) {
		t, ch := b.T, b.ch
		h := newHouse(t, options{})
		o, err := h.pay(ch, 100, "")
		if err != nil {
			t.Fatal(err)
		}
		if _, _, err := h.refund(o.OutTradeNo, h.number(), 100, 10); err != nil {
			t.Fatal(err)
		}
		second := h.number()
		if _, r, err := h.refund(o.OutTradeNo, second, 100, 10); err != nil || r.State != pay.RefundPending {
			t.Fatalf("second refund = %s, %v; want accepted and pending", r.State, err)
		}
		h.until(o.OutTradeNo, 5*time.Minute, func(o pay.Order) bool { return o.Refunded == 20 })
		rs, err := h.store.Refunds(t.Context(), "merchant", o.OutTradeNo)
		if err != nil || len(rs) != 2 {
			t.Fatal(rs, err)
		}
		if gap := rs[1].SentAt.Sub(rs[0].SentAt); gap < pay.Profiles[ch].RefundSpacing {
			t.Errorf("sent %v apart, want at least %v", gap, pay.Profiles[ch].RefundSpacing)
		}
		h.checkBooks(o.OutTradeNo)
	})
}

func TestLostRefundAnswersNeverRefundTwice(t *testing.T) {
	t.Parallel()
	for _, scenario := range []string{"drop_before", "drop_after", "syserr_committed", "syserr_uncommitted", "bad_sign", "truncated_body"} {
		t.Run(scenario, func(t *testing.T) {
			t.Parallel()
			both(t, func(b bubble) {
				t, ch := b.T, b.ch
				h := newHouse(t, options{})
				o, err := h.pay(ch, 100, "")
				if err != nil {
					t.Fatal(err)
				}
				if err := h.box.AddFault(sandbox.Fault{Scenario: scenario, Endpoint: "refund", Count: 2}); err != nil {
					t.Fatal(err)
				}
				if _, r, err := h.refund(o.OutTradeNo, h.number(), 100, 60); err != nil || r.State == pay.RefundRejected {
					t.Fatalf("refund = %s, %v", r.State, err)
				}
				h.until(o.OutTradeNo, 30*time.Minute, func(o pay.Order) bool { return o.Refunded == 60 })
				if kept, _ := h.kept(o.OutTradeNo); kept != 40 {
					t.Errorf("the wallet kept %d, want 40", kept)
				}
				h.checkBooks(o.OutTradeNo)
			})
		})
	}
}

func TestRefusedRefundFreesItsReservation(t *testing.T) {
	t.Parallel()
	both(t, func(b bubble) {
		t, ch := b.T, b.ch
		h := newHouse(t, options{})
		o, err := h.pay(ch, 100, "")
		if err != nil {
			t.Fatal(err)
		}
		refusal := map[pay.Channel]string{pay.Wxpay: "NOTENOUGH", pay.Alipay: "ACQ.SELLER_BALANCE_NOT_ENOUGH"}[ch]
		if err := h.box.AddFault(sandbox.Fault{Scenario: "answer_code", Endpoint: "refund", Count: 1, Params: sandbox.Params{Code: refusal}}); err != nil {
			t.Fatal(err)
		}
		if _, _, err := h.refund(o.OutTradeNo, h.number(), 100, 60); code(err) != "refund_rejected" {
			t.Fatalf("refund = %v, want refund_rejected", err)
		}
		if got := h.order(o.OutTradeNo); got.Reserved != 0 {
			t.Errorf("reserved = %d after a refusal", got.Reserved)
		}
		if _, _, err := h.refund(o.OutTradeNo, h.number(), 100, 100); err != nil {
			t.Errorf("refund after a refusal: %v", err)
		}
		h.checkBooks(o.OutTradeNo)
	})
}

func TestUnpaidOrderIsNotRefunded(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		h := newHouse(t, options{})
		o, err := h.pay(pay.Wxpay, 60000, "anna")
		if err != nil {
			t.Fatal(err)
		}
		if _, _, err := h.refund(o.OutTradeNo, h.number(), 60000, 1); code(err) != "refund_unpaid" {
			t.Errorf("refund of a waiting order = %v", err)
		}
		if _, _, err := h.refund("900000010000000000009999", h.number(), 100, 1); code(err) != "order_missing" {
			t.Errorf("refund of nothing = %v", err)
		}
	})
}
