package manage_test

import (
	"testing"
	"time"

	"cloudpay/internal/gateway"
	"cloudpay/internal/pay"
	"cloudpay/internal/store"
)

// wanting is a row about an order that wants a person, or about the list of all.
func wanting(suffix string, r row) row {
	body := r.body
	r.before = func(t *testing.T, h *house) (string, string) {
		t.Helper()
		no := h.order(t)
		if err := h.store.Raise(t.Context(), store.Attention{MerchantID: merchantA, OutTradeNo: no, Why: "the reason", Last: time.Now()}); err != nil {
			t.Fatal(err)
		}
		if suffix == "" {
			return "/v1/attention", ""
		}
		return "/v1/merchants/" + merchantA + "/orders/" + no + suffix, body
	}
	return r
}

// lateRow is about an order whose money came late and is held.
func lateRow() row {
	body := `{"decision":"adopt","why":"sold after all"}`
	return row{
		who: "boss", wrong: "weak boss", foreign: "foreign boss", want: `"late":"ADOPTED"`,
		bad: `{"decision":"keep","why":"x"}`, field: "body.decision",
		before: func(t *testing.T, h *house) (string, string) {
			t.Helper()
			return "/v1/merchants/" + merchantA + "/orders/" + h.late(t) + "/late", body
		},
	}
}

// late is a closed order with money in suspense, as the store has it.
func (h *house) late(t *testing.T) string {
	t.Helper()
	now := time.Now().UTC().Truncate(time.Millisecond)
	o := pay.Order{
		MerchantID: merchantA, OutTradeNo: prefixA + "late1", ProviderID: providerA, Channel: pay.Wxpay, TradeType: pay.TradeScanCode,
		State: pay.PAYING, Total: 100, Currency: "CNY", ShopID: shopA, SentAt: now, CreatedAt: now, UpdatedAt: now, Unit: h.store.NewUnit(), HoldLate: true,
	}
	won, err := h.store.OpenOrder(t.Context(), o)
	if err != nil || !won {
		t.Fatal(won, err)
	}
	c := pay.Change{From: o, Order: o, Postings: []pay.Posting{pay.PostLate(100, 100)}, Raise: pay.RaiseLate}
	c.Order.State, c.Order.Late, c.Order.Settlement, c.Order.PaidAt = pay.CLOSED, pay.LateHeld, 100, now
	if won, err = h.store.SettleOrder(t.Context(), c); err != nil || !won {
		t.Fatal(won, err)
	}
	return o.OutTradeNo
}

// byHandRow is about a refund that the bank sent back.
func byHandRow() row {
	body := `{"decision":"offline","why":"paid in cash"}`
	return row{
		who: "boss", wrong: "weak boss", foreign: "foreign boss", want: `"state":"OFFLINE"`,
		bad: `{"decision":"maybe","why":"x"}`, field: "body.decision",
		before: func(t *testing.T, h *house) (string, string) {
			t.Helper()
			no, refund := h.order(t), prefixA+"r1"
			m, err := h.people.Merchant(t.Context(), merchantA)
			if err != nil {
				t.Fatal(err)
			}
			if _, _, err := h.gw.Refund(t.Context(), m, gateway.Refund{OutTradeNo: no, OutRefundNo: refund, Total: 200, Amount: 40}); err != nil {
				t.Fatal(err)
			}
			for won := false; !won; { // the gateway may be asking about it at the same time
				r, err := h.store.Refund(t.Context(), merchantA, refund)
				if err != nil {
					t.Fatal(err)
				}
				c := pay.RefundChange{From: r, Refund: r, Refunded: -r.Amount}
				c.Refund.State = pay.RefundNeedsHand
				if r.State != pay.RefundSucceeded {
					c.Refunded = 0
				}
				if won, err = h.store.SettleRefund(t.Context(), c); err != nil {
					t.Fatal(err)
				}
			}
			return "/v1/merchants/" + merchantA + "/orders/" + no + "/refunds/" + refund + "/by-hand", body
		},
	}
}
