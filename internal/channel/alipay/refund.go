package alipay

import (
	"context"

	"cloudpay/internal/channel"
	"cloudpay/internal/pay"
)

// maxReason is the longest refund_reason that channel.RefundRequest promises
// to send, in characters.
const maxReason = 80

// refundContent is the biz_content of alipay.trade.refund.
type refundContent struct {
	OutTradeNo   string   `json:"out_trade_no"`
	OutRequestNo string   `json:"out_request_no"`
	RefundAmount string   `json:"refund_amount"`
	RefundReason string   `json:"refund_reason,omitempty"`
	QueryOptions []string `json:"query_options"`
}

// askContent is the biz_content of alipay.trade.fastpay.refund.query.
type askContent struct {
	OutTradeNo   string   `json:"out_trade_no"`
	OutRequestNo string   `json:"out_request_no"`
	QueryOptions []string `json:"query_options"`
}

// withItems asks for send_back_fee, which is left out otherwise.
const withItems = "refund_detail_item_list"

// Refund sends a refund by alipay.trade.refund. It implements
// channel.Channel. fund_change=Y is Paid; fund_change=N moved nothing, because
// it was a repetition or for another reason, so QueryRefund decides.
func (c *Channel) Refund(ctx context.Context, r channel.RefundRequest) channel.RefundOutcome {
	m, out, ok := c.send(ctx, callRefund, r.OrderRequest, refundContent{
		OutTradeNo: r.OutTradeNo, OutRequestNo: r.OutRefundNo, RefundAmount: r.Amount.String(),
		RefundReason: channel.CutRunes(r.Reason, maxReason), QueryOptions: []string{withItems},
	})
	if !ok {
		return channel.RefundOutcome{Outcome: out}
	}
	// refund_fee is the sum of all refunds of the trade that moved money, so it
	// can only be held between this refund, if it moved, and the whole order.
	sum, ok := readYuan(m.get("refund_fee"))
	moved := m.get("fund_change") == "Y"
	if !sameOrder(m, r.OrderRequest) || m.get("refund_fee") != "" && (!ok || sum > r.Total || moved && sum < r.Amount) {
		return channel.RefundOutcome{Outcome: differs(codeSuccess)}
	}
	switch m.get("fund_change") {
	case "Y":
		refund := pay.RefundPaid{SucceededAt: readTime(m.get("gmt_refund_pay")), Promo: refundPromotion(m)}
		refund.Settlement, _ = readYuan(m.get("send_back_fee"))
		return channel.RefundOutcome{Outcome: ruled(channel.Rule{Class: channel.ClassPaid}, codeSuccess, ""), Refund: refund}
	case "N":
		return channel.RefundOutcome{Outcome: ruled(channel.Rule{Class: channel.ClassQueryFirst, Pause: askPause}, codeSuccess, "")}
	}
	return channel.RefundOutcome{Outcome: ruled(channel.Unlisted, codeSuccess, "")}
}

// QueryRefund asks for one refund by alipay.trade.fastpay.refund.query. It
// implements channel.Channel. An answer without the members of a refund reads
// "no such refund, or not done" (upstreams.md §4.4).
func (c *Channel) QueryRefund(ctx context.Context, r channel.RefundRequest) channel.RefundOutcome {
	m, out, ok := c.send(ctx, callQueryRefund, r.OrderRequest, askContent{
		OutTradeNo: r.OutTradeNo, OutRequestNo: r.OutRefundNo, QueryOptions: []string{"gmt_refund_pay", withItems},
	})
	if !ok {
		return channel.RefundOutcome{Outcome: out}
	}
	status := m.get("refund_status")
	if status == "" && m.get("refund_amount") == "" {
		rule := channel.Rule{Class: channel.ClassUnknown, Reason: pay.ReasonNotFound, Pause: askPause}
		return channel.RefundOutcome{Outcome: ruled(rule, codeSuccess, "")}
	}
	amount, amountOK := readYuan(m.get("refund_amount"))
	total, totalOK := readYuan(m.get("total_amount"))
	if !sameOrder(m, r.OrderRequest) || m.get("out_request_no") != r.OutRefundNo || !amountOK || amount != r.Amount ||
		m.get("total_amount") != "" && (!totalOK || total != r.Total) {
		return channel.RefundOutcome{Outcome: differs(status)}
	}
	if status != "REFUND_SUCCESS" {
		return channel.RefundOutcome{Outcome: ruled(channel.Unlisted, status, "")}
	}
	refund := pay.RefundPaid{Refund: amount, SucceededAt: readTime(m.get("gmt_refund_pay")), Promo: refundPromotion(m)}
	refund.Settlement, _ = readYuan(m.get("send_back_fee"))
	return channel.RefundOutcome{Outcome: ruled(channel.Rule{Class: channel.ClassPaid}, status, ""), Refund: refund}
}
