package recon_test

import (
	"bytes"
	"testing"
	"time"

	"cloudpay/internal/channel"
	"cloudpay/internal/pay"
	"cloudpay/internal/store"
	"cloudpay/internal/store/storetest"
)

// paysOut makes the fund bills of a house say what f makes of their movements, in
// other bytes for each n.
func (h *house) paysOut(n int, f func(one channel.BillFlow) []channel.BillFlow) {
	mark := bytes.Repeat([]byte("#"), n)
	h.spoil = func(r channel.BillRequest, out channel.BillOutcome) channel.BillOutcome {
		if r.Kind == channel.BillFund && out.Kind == pay.Paid && !out.Empty {
			out.Raw = append(out.Raw, mark...)
		}
		return out
	}
	h.reread = func(raw []byte, parse func([]byte) (channel.Bill, error)) (channel.Bill, error) {
		bill, err := parse(bytes.TrimSuffix(raw, mark))
		if len(bill.Flows) > 0 {
			bill.Flows = append(bill.Flows, f(bill.Flows[0])...)
		}
		return bill, err
	}
}

// TestAPayoutIsBookedOnce books payouts of a fund bill, and one that the bank sent
// back, over rounds of the same bill, of another one with the same movements in
// other lines, and of the next day's that repeats one.
func TestAPayoutIsBookedOnce(t *testing.T) {
	t.Parallel()
	for _, e := range storetest.Engines() {
		t.Run(e.Name, func(t *testing.T) {
			t.Parallel()
			h := newHouse(t, e, pay.Wxpay, channel.APIv3)
			movement := func(like channel.BillFlow, no string, in bool, amount pay.Fen) channel.BillFlow {
				like.FlowNo, like.Business, like.Type, like.In, like.Amount, like.Voucher = no, "提现", "提现", in, amount, ""
				return like
			}
			expect := func(when string, paid pay.Fen, flows int) {
				t.Helper()
				if s := h.balance(pay.AccSettled); s != paid {
					t.Errorf("%s: %d are paid out, want %d", when, s, paid)
				}
				if s := h.balance(pay.AccReceivable) + h.balance(pay.AccSettled); s != 10_000-60 && s != 11_000-66 {
					t.Errorf("%s: receivable and paid out are %d together", when, s)
				}
				list, err := h.store.BillFlows(t.Context(), h.key(day1), 0, 100)
				if err != nil || len(list) != flows {
					t.Errorf("%s: %d movements are in force, want %d, %v", when, len(list), flows, err)
				}
			}
			h.sale(10_000)
			h.set(afterDay1)
			h.paysOut(0, func(one channel.BillFlow) []channel.BillFlow {
				return []channel.BillFlow{
					movement(one, "P1", false, 5_000), movement(one, "P2", false, 700), movement(one, "P3", true, 700),
					movement(one, "", false, 9_999), movement(one, "P4", false, 0), // of no number and of no money: they are no payouts
				}
			})
			h.reconcile(day1)
			before, err := h.store.BillFlows(t.Context(), h.key(day1), 0, 100)
			if err != nil {
				t.Fatal(err)
			}
			expect("first", 5_000, len(before))
			h.again()
			expect("again", 5_000, len(before))

			h.paysOut(1, func(one channel.BillFlow) []channel.BillFlow {
				return []channel.BillFlow{movement(one, "P3", true, 700), movement(one, "P5", false, 300), movement(one, "P1", false, 5_000)}
			})
			h.again()
			if run, err := h.store.ReconRun(t.Context(), h.key(day1)); err != nil || run.FlowVersion != 2 {
				t.Errorf("the run is %+v, %v", run, err)
			}
			expect("by the second version", 5_300, len(before)-2)

			h.set(afterDay1.Add(time.Hour))
			h.sale(1_000)
			h.set(afterDay2)
			h.reconcile(day2)
			expect("the next day", 5_300, len(before)-2)
			if left := h.diffs(store.DiffOpen); len(left) > 0 {
				t.Errorf("open differences: %v", left)
			}
		})
	}
}
