package wxpay

import (
	"context"
	"strconv"

	"cloudpay/internal/channel"
	"cloudpay/internal/pay"
)

// maxPages bounds the answers that one list is read from: an order has at most
// 50 refunds (upstreams.md §3.6), 20 to an answer.
const maxPages = 5

// Refunds lists all refunds of an order by v2's /pay/refundquery: APIv3 has no
// list, and both interfaces see the same orders. An account without the APIv2
// key cannot list them. It implements channel.RefundLister.
func (c *Channel) Refunds(ctx context.Context, r channel.OrderRequest) channel.RefundList {
	var list channel.RefundList
	seen := map[string]bool{}
	for range maxPages {
		var m message
		m.set("out_trade_no", r.OutTradeNo)
		if n := len(list.Refunds); n > 0 {
			m.set("offset", strconv.Itoa(n))
		}
		answer, out, ok := c.send(ctx, callQueryRefund, r.Merchant, m)
		if !ok {
			return channel.RefundList{Outcome: out}
		}
		if answer.get("result_code") != "SUCCESS" {
			out = c.refused(answer, callQueryRefund, r)
			if out.Reason == pay.ReasonNotFound {
				// There are none, or WeChat does not see them yet.
				out.Kind = pay.Unknown
			}
			return channel.RefundList{Outcome: out}
		}
		if !c.sameOrder(answer, r) {
			return channel.RefundList{Outcome: differs("SUCCESS")}
		}
		page := listed(answer)
		for _, one := range page {
			if seen[one.OutRefundNo] { // the answers overlap, so that others are missing: ask again
				return channel.RefundList{Outcome: ruled(channel.Rule{Class: channel.ClassRetrySame}, "SUCCESS", "")}
			}
			seen[one.OutRefundNo] = true
		}
		list.Refunds = append(list.Refunds, page...)
		total, err := strconv.Atoi(answer.get("total_refund_count"))
		if err != nil {
			total = len(list.Refunds) // absent in answers that hold them all
		}
		if len(list.Refunds) >= total {
			list.Outcome = pay.Outcome{Kind: pay.Paid, Verified: true, Code: "SUCCESS"}
			return list
		}
		if len(page) == 0 {
			break
		}
	}
	return channel.RefundList{Outcome: ruled(channel.Unlisted, "SUCCESS", "")}
}

// listed reads the refunds of one answer, which are numbered from 0 in each.
func listed(m message) []channel.ListedRefund {
	var list []channel.ListedRefund
	for i := range maxRefunds {
		n := "_" + strconv.Itoa(i)
		no := m.get("out_refund_no" + n)
		if no == "" {
			break
		}
		amount, ok := readFen(m, "refund_fee"+n)
		one := channel.ListedRefund{OutRefundNo: no, RefundOutcome: stateOf(m, n, amount)}
		if !ok {
			one.Outcome = ruled(channel.Unlisted, one.Code, "")
		}
		list = append(list, one)
	}
	return list
}

// RefundAbnormal sends on a refund that the bank sent back. v2 has no such call,
// so it goes by APIv3 for every merchant. It implements channel.AbnormalRefunder.
func (c *Channel) RefundAbnormal(ctx context.Context, r channel.AbnormalRefund) channel.RefundOutcome {
	if c.v3 == nil {
		return channel.RefundOutcome{Outcome: speechless(false)}
	}
	return c.v3.RefundAbnormal(ctx, r)
}
