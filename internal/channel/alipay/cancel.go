package alipay

import (
	"context"

	"cloudpay/internal/channel"
	"cloudpay/internal/pay"
)

// Reverse undoes a code payment by alipay.trade.cancel, on the same day only
// (upstreams.md §4.6). It implements channel.Channel. Done with action=refund
// sets Returned; done without an action means that Alipay found nothing to
// cancel, which is Paid with Reason not_found: nothing is left open, and row
// 11 of money.md §3 wants to know it.
func (c *Channel) Reverse(ctx context.Context, r channel.OrderRequest) pay.Outcome {
	m, out, ok := c.send(ctx, callCancel, r, orderContent{OutTradeNo: r.OutTradeNo})
	if !ok {
		return out
	}
	switch m.get("retry_flag") {
	case "N":
	case "Y":
		return ruled(channel.Rule{Class: channel.ClassRetrySame, Pause: cancelPause}, codeSuccess, "")
	default:
		return ruled(channel.Rule{Class: channel.ClassRetrySame, Pause: cancelPause, Alert: true}, codeSuccess, "")
	}
	out = ruled(channel.Rule{Class: channel.ClassPaid}, codeSuccess, "")
	switch m.get("action") {
	case "close":
	case "refund":
		out.Returned = true
		out.Payment.TransactionID = m.get("trade_no")
	case "":
		out.Reason = pay.ReasonNotFound
	default:
		return ruled(channel.Rule{Class: channel.ClassRetrySame, Pause: cancelPause, Alert: true}, codeSuccess, "")
	}
	return out
}

// Close closes an unpaid trade by alipay.trade.close. A QR code that was never
// scanned has no trade and stays alive: cancel it instead (upstreams.md §4.6).
// It implements channel.Channel.
func (c *Channel) Close(ctx context.Context, r channel.OrderRequest) pay.Outcome {
	if _, out, ok := c.send(ctx, callClose, r, orderContent{OutTradeNo: r.OutTradeNo}); !ok {
		return out
	}
	return ruled(channel.Rule{Class: channel.ClassPaid}, codeSuccess, "")
}
