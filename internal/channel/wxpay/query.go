package wxpay

import (
	"context"

	"cloudpay/internal/channel"
	"cloudpay/internal/pay"
)

// Query asks for an order by /pay/orderquery. It implements channel.Channel.
// A REFUND state is Paid with RefundState; v2 says how much was refunded only
// to a refund query, so Payment.Refunded stays 0.
func (c *Channel) Query(ctx context.Context, r channel.OrderRequest) pay.Outcome {
	if c.speaksV3(r.Merchant) {
		if c.v3 == nil {
			return speechless(false)
		}
		return c.v3.Query(ctx, r)
	}
	var m message
	if r.TransactionID != "" {
		m.set("transaction_id", r.TransactionID)
	} else {
		m.set("out_trade_no", r.OutTradeNo)
	}
	answer, out, ok := c.send(ctx, callQuery, r.Merchant, m)
	if !ok {
		return out
	}
	if answer.get("result_code") != "SUCCESS" {
		return c.refused(answer, callQuery, r)
	}
	return c.state(answer, r)
}

// state classifies a trade_state (upstreams.md §2.4).
func (c *Channel) state(m message, r channel.OrderRequest) pay.Outcome {
	state := m.get("trade_state")
	out := ruled(queryStates.Find(state), state, m.get("trade_state_desc"))
	if out.Kind != pay.Paid && (!c.same(m, r.Merchant, true) || !sameOrderNo(m, r)) {
		return differs(state)
	}
	switch out.Kind {
	case pay.Paid:
		payment, misfit, ok := c.payment(m, r, state)
		if !ok {
			return misfit
		}
		out.Payment = payment
		out.Payment.RefundState = state == "REFUND"
	case pay.Declined:
		// CLOSED or REVOKED of an order that carries a pay time was paid, and
		// all of it went back.
		if !wasPaid(m) {
			break
		}
		payment, misfit, ok := c.payment(m, r, state)
		if !ok {
			return misfit
		}
		out.Payment, out.Returned = payment, true
	case pay.Waiting, pay.Unknown:
	}
	return out
}

// sameOrderNo reports whether an answer names the order that was asked for. An
// unpaid order has no number of the wallet's yet.
func sameOrderNo(m message, r channel.OrderRequest) bool {
	no := m.get("out_trade_no")
	return no != "" && (r.OutTradeNo == "" || no == r.OutTradeNo) && (r.TransactionID == "" || optional(m, "transaction_id", r.TransactionID))
}

// wasPaid looks for evidence of a payment. Unpaid orders carry no more than
// their number and state (upstreams.md §2.2).
func wasPaid(m message) bool {
	cash, ok := readFen(m, "cash_fee")
	return m.get("time_end") != "" || ok && cash > 0
}
