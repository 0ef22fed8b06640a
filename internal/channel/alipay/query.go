package alipay

import (
	"context"

	"cloudpay/internal/channel"
	"cloudpay/internal/pay"
)

// orderContent is the biz_content of calls that only name an order.
type orderContent struct {
	OutTradeNo string `json:"out_trade_no"`
}

// queryContent is the biz_content of alipay.trade.query.
type queryContent struct {
	OutTradeNo   string   `json:"out_trade_no,omitempty"`
	TradeNo      string   `json:"trade_no,omitempty"`
	QueryOptions []string `json:"query_options"`
}

// Query asks for an order by alipay.trade.query, by Alipay's number if it is
// given. It implements channel.Channel.
func (c *Channel) Query(ctx context.Context, r channel.OrderRequest) pay.Outcome {
	m, out, ok := c.send(ctx, callQuery, r, queryContent{OutTradeNo: r.OutTradeNo, TradeNo: r.TransactionID, QueryOptions: payLists})
	if !ok {
		return out
	}
	state := m.get("trade_status")
	if r.TransactionID != "" && m.get("trade_no") != r.TransactionID {
		return differs(state)
	}
	if r.OutTradeNo == "" && r.TransactionID != "" {
		r.OutTradeNo = m.get("out_trade_no")
	}
	if !sameOrder(m, r) && tradeStates.Find(state).Class != channel.ClassPaid {
		return differs(state)
	}
	return stateOutcome(m, r, "send_pay_date")
}

// stateOutcome classifies a trade_status (upstreams.md §4.5, §8.5). paidAt
// names the member with the pay time.
func stateOutcome(m members, r channel.OrderRequest, paidAt string) pay.Outcome {
	state := m.get("trade_status")
	out := ruled(tradeStates.Find(state), state, "")
	// A closed trade with a pay date was paid, and all of it went back.
	out.Returned = out.Kind == pay.Declined && m.get(paidAt) != ""
	if out.Kind != pay.Paid && !out.Returned {
		return out
	}
	p, misfit, ok := payment(m, r, paidAt, state)
	if !ok {
		return misfit
	}
	p.Finished = state == "TRADE_FINISHED"
	out.Payment = p
	return out
}
