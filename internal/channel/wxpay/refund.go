package wxpay

import (
	"context"
	"strconv"

	"cloudpay/internal/channel"
	"cloudpay/internal/pay"
)

// maxReason is the longest refund_desc in characters (upstreams.md §2.2).
const maxReason = 80

// maxRefunds is how many refunds one answer of refundquery lists.
const maxRefunds = 20

// Refund sends a refund by /secapi/pay/refund. Success reads "accepted": the
// money has not moved yet, QueryRefund tells when it has. It implements
// channel.Channel.
func (c *Channel) Refund(ctx context.Context, r channel.RefundRequest) channel.RefundOutcome {
	if c.speaksV3(r.Merchant) {
		if c.v3 == nil {
			return channel.RefundOutcome{Outcome: speechless(false)}
		}
		return c.v3.Refund(ctx, r)
	}
	var m message
	m.set("out_trade_no", r.OutTradeNo)
	m.set("out_refund_no", r.OutRefundNo)
	m.set("total_fee", wireFen(r.Total))
	m.set("refund_fee", wireFen(r.Amount))
	m.set("refund_desc", channel.CutRunes(r.Reason, maxReason))
	m.set("refund_account", r.Account)
	m.set("notify_url", r.NotifyURL)
	answer, out, ok := c.send(ctx, callRefund, r.Merchant, m)
	if !ok {
		return channel.RefundOutcome{Outcome: out}
	}
	if answer.get("result_code") != "SUCCESS" {
		return channel.RefundOutcome{Outcome: c.refused(answer, callRefund, r.OrderRequest)}
	}
	amount, ok := readFen(answer, "refund_fee")
	if !ok || amount != r.Amount || answer.get("out_refund_no") != r.OutRefundNo || !c.sameOrder(answer, r.OrderRequest) {
		return channel.RefundOutcome{Outcome: differs("SUCCESS")}
	}
	refund := pay.RefundPaid{RefundID: answer.get("refund_id"), Refund: amount, Promo: refundPromotion(answer, "")}
	refund.Settlement, _ = readFen(answer, "settlement_refund_fee")
	refund.Cash, _ = readFen(answer, "cash_refund_fee")
	return channel.RefundOutcome{
		Outcome: pay.Outcome{Kind: pay.Waiting, Verified: true, Code: "SUCCESS"},
		Refund:  refund,
	}
}

// QueryRefund asks for one refund by /pay/refundquery and its out_refund_no.
// It implements channel.Channel.
func (c *Channel) QueryRefund(ctx context.Context, r channel.RefundRequest) channel.RefundOutcome {
	if c.speaksV3(r.Merchant) {
		if c.v3 == nil {
			return channel.RefundOutcome{Outcome: speechless(false)}
		}
		return c.v3.QueryRefund(ctx, r)
	}
	var m message
	m.set("out_refund_no", r.OutRefundNo)
	answer, out, ok := c.send(ctx, callQueryRefund, r.Merchant, m)
	if !ok {
		return channel.RefundOutcome{Outcome: out}
	}
	if answer.get("result_code") != "SUCCESS" {
		out = c.refused(answer, callQueryRefund, r.OrderRequest)
		if out.Reason == pay.ReasonNotFound {
			// Not a refusal of the refund: the caller repeats it (channel.Channel).
			out.Kind = pay.Unknown
		}
		return channel.RefundOutcome{Outcome: out}
	}
	return c.refundState(answer, r)
}

// refundState finds our refund among those listed and classifies its state.
func (c *Channel) refundState(m message, r channel.RefundRequest) channel.RefundOutcome {
	n, ok := indexOf(m, r.OutRefundNo)
	if !ok || !c.sameOrder(m, r.OrderRequest) {
		return channel.RefundOutcome{Outcome: differs("SUCCESS")}
	}
	state := m.get("refund_status" + n)
	amount, ok := readFen(m, "refund_fee"+n)
	if !ok || amount != r.Amount {
		return channel.RefundOutcome{Outcome: differs(state)}
	}
	return stateOf(m, n, amount)
}

// stateOf reads the refund that an answer lists under suffix n.
func stateOf(m message, n string, amount pay.Fen) channel.RefundOutcome {
	state := m.get("refund_status" + n)
	refund := pay.RefundPaid{
		RefundID:    m.get("refund_id" + n),
		Refund:      amount,
		SucceededAt: readTime(refundTime, m.get("refund_success_time"+n)),
		RecvAccount: m.get("refund_recv_accout" + n), // misspelt on the wire
		Promo:       refundPromotion(m, n),
	}
	refund.Settlement, _ = readFen(m, "settlement_refund_fee"+n)
	refund.Cash, _ = readFen(m, "cash_refund_fee"+n)
	return channel.RefundOutcome{
		Outcome: ruled(refundStates.Find(state), state, ""),
		Refund:  refund,
		ByHand:  state == "CHANGE",
	}
}

// indexOf returns the suffix (_0, _1 …) under which an answer lists a refund.
func indexOf(m message, outRefundNo string) (string, bool) {
	for i := range maxRefunds {
		n := "_" + strconv.Itoa(i)
		if m.get("out_refund_no"+n) == outRefundNo {
			return n, true
		}
	}
	return "", false
}

// sameOrder reports whether a refund's answer is about our merchant, order and total.
func (c *Channel) sameOrder(m message, r channel.OrderRequest) bool {
	total, ok := readFen(m, "total_fee")
	return ok && total == r.Total && m.get("out_trade_no") == r.OutTradeNo && c.same(m, r.Merchant, true)
}
