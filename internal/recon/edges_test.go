package recon_test

import (
	"testing"

	"cloudpay/internal/channel"
	"cloudpay/internal/pay"
)

// TestALineThatMovesToAnotherDaysBillIsBookedByIt was found in review by reading:
// the events of both bills had one name, so that what the second said otherwise
// was never booked.
func TestALineThatMovesToAnotherDaysBillIsBookedByIt(t *testing.T) {
	t.Parallel()
	onBoth(t, func(h *house) {
		t := h.t
		o := h.sale(10_000)
		h.set(afterDay1)
		h.reconcile(day1)
		if f := h.balance(pay.AccFee); f != 60 {
			t.Fatalf("fees are %d, want 60", f)
		}
		h.sale(1_000)
		h.set(afterDay2)
		var moved channel.BillLine
		h.correct(1, func(*channel.BillLine) {})
		plain := h.reread
		h.reread = func(raw []byte, parse func([]byte) (channel.Bill, error)) (channel.Bill, error) {
			bill, err := plain(raw, parse)
			if len(bill.Lines) == 1 && bill.Lines[0].OutTradeNo == o.OutTradeNo { // the first day's, corrected
				moved, bill.Lines = bill.Lines[0], nil
				moved.Settlement, moved.Fee = 9_000, 54
			} else if len(bill.Lines) == 1 {
				bill.Lines = append(bill.Lines, moved)
			}
			return bill, err
		}
		h.again()
		h.reconcile(day2)
		if f, d := h.balance(pay.AccFee), h.balance(pay.AccDiscount); f != 60 || d != 1_000 {
			t.Errorf("fees are %d, want 54 and 6; discount %d, want 1000", f, d)
		}
	})
}

// TestRefundsWithoutANumberAreOneSum was found in review by reading: Alipay's bill
// tells refunds of somebody else without a number, in as many lines as there
// were, and we know their sum only.
func TestRefundsWithoutANumberAreOneSum(t *testing.T) {
	t.Parallel()
	eachWallet(t, func(h *house) {
		t := h.t
		if h.ch != pay.Alipay {
			t.Skip("only Alipay tells refunds without a number")
		}
		o := h.sale(10_000)
		w, sub := h.foreign()
		out := w.Refund(t.Context(), channel.RefundRequest{
			OrderRequest: channel.OrderRequest{Merchant: sub, OutTradeNo: o.OutTradeNo, Total: 10_000}, OutRefundNo: "x", Amount: 10_000,
		})
		if out.Kind != pay.Paid {
			t.Fatalf("Refund = %+v", out)
		}
		if _, _, err := h.gw.AskWallet(t.Context(), h.merchant, o.OutTradeNo); err != nil {
			t.Fatal(err)
		}
		h.set(afterDay1)
		h.reread = func(raw []byte, parse func([]byte) (channel.Bill, error)) (channel.Bill, error) {
			bill, err := parse(raw)
			for i, l := range bill.Lines {
				if l.Kind == channel.BillPayment {
					continue
				}
				l.OutRefundNo, l.RefundID = "", ""
				rest := l
				l.Total, l.Settlement, l.Fee = 3_000, 3_000, -18
				rest.Total, rest.Settlement, rest.Fee = 7_000, 7_000, -42
				bill.Lines[i] = l
				bill.Lines = append(bill.Lines, rest)
			}
			return bill, err
		}
		run := h.reconcile(day1)
		if left := h.diffs(""); len(left) != 0 || run.Matched != 3 {
			t.Errorf("%d of %d lines agree, differences: %v", run.Matched, run.Lines, left)
		}
		if f := h.balance(pay.AccFee); f != 0 {
			t.Errorf("fees are %d, want 60 less 60", f)
		}
	})
}
