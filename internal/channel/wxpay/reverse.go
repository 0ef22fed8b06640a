package wxpay

import (
	"context"

	"cloudpay/internal/channel"
	"cloudpay/internal/pay"
)

// Reverse undoes a code payment by /secapi/pay/reverse (upstreams.md §2.5). It
// implements channel.Channel. "Does not exist" is Unknown for the operator,
// with Reason not_found, which row 11 of money.md §3 asks for.
func (c *Channel) Reverse(ctx context.Context, r channel.OrderRequest) pay.Outcome {
	if c.speaksV3(r.Merchant) {
		if c.v3 == nil {
			return speechless(false)
		}
		return c.v3.Reverse(ctx, r)
	}
	var m message
	m.set("out_trade_no", r.OutTradeNo)
	answer, out, ok := c.send(ctx, callReverse, r.Merchant, m)
	if !ok {
		return out
	}
	out = c.done(answer, callReverse, r)
	// recall=Y means "call again" whatever the rest of the answer says.
	if answer.get("recall") == "Y" {
		out.Kind, out.Next, out.Reason = pay.Unknown, pay.NextRetrySame, pay.ReasonNone
	}
	return out
}

// Close closes an unpaid unified order by /pay/closeorder, not within five
// minutes of its creation; the caller keeps that rule. It implements
// channel.Channel.
func (c *Channel) Close(ctx context.Context, r channel.OrderRequest) pay.Outcome {
	if c.speaksV3(r.Merchant) {
		if c.v3 == nil {
			return speechless(false)
		}
		return c.v3.Close(ctx, r)
	}
	var m message
	m.set("out_trade_no", r.OutTradeNo)
	answer, out, ok := c.send(ctx, callClose, r.Merchant, m)
	if !ok {
		return out
	}
	return c.done(answer, callClose, r)
}

// done classifies the answer to a call whose success needs no more than
// result_code: these answers do not repeat the order number.
func (c *Channel) done(m message, to call, r channel.OrderRequest) pay.Outcome {
	if m.get("result_code") != "SUCCESS" {
		return c.refused(m, to, r)
	}
	if !c.same(m, r.Merchant, true) {
		return differs("SUCCESS")
	}
	return pay.Outcome{Kind: pay.Paid, Verified: true, Code: "SUCCESS"}
}
