package sim

import (
	"context"
	"errors"
	"time"

	"cloudpay/cpay"
	"cloudpay/internal/sandbox"
)

// sellByCode shows a code that the customer scans, and asks until the sale is
// over, one way or the other.
func (s *sale) sellByCode(ctx context.Context, c *cpay.Client) {
	w := s.w
	no := s.next()
	url := s.showCode(ctx, c, no)
	if url != "" {
		w.actor(func() { s.scans(ctx, no, url) })
	}
	if s.undo > 0 {
		w.actor(func() { s.closes(ctx, c, no) })
	}
	for asked := 0; ; asked++ {
		w.sleep(between(w.dice("ask", no), 3*time.Second, 15*time.Second+time.Duration(asked)*5*time.Second))
		res, err := c.QueryOrder(ctx, &cpay.QueryOrderRequest{OutTradeNo: no, TradeType: cpay.TradeScanCode, PayMchKey: cpay.PayMchKey{PayPlatform: s.platform()}})
		if err == nil {
			switch state := res.OrderContent.Outcome(); state {
			case cpay.StatePaid, cpay.StateRefunded:
				w.tellPaid(ctx, no, s.total, "a query")
				s.giveBack(ctx, c, no)
				return
			case cpay.StateDeclined:
				w.tellUnpaid(ctx, no, s.total, "a query")
				return
			case cpay.StateNotOurs, cpay.StateUnknown, cpay.StateWaiting:
			}
		} else if e, ok := errors.AsType[*cpay.Error](err); ok && e.NotFound() && url == "" {
			return // it was never made
		}
		if w.Now().After(w.lastCalm().Add(3 * truthWithin)) {
			w.violated("P7: the till is still told nothing of %s: %s", no, verdict(err))
			return
		}
	}
}

// showCode asks for a code until there is one or the request is refused. It
// returns "" if there is none.
func (s *sale) showCode(ctx context.Context, c *cpay.Client, no string) string {
	w := s.w
	req := &cpay.ScanCodePayRequest{
		PayMchKey: cpay.PayMchKey{PayPlatform: s.platform()},
		PayContent: cpay.PayContent{
			OutTradeNo: no, TotalFee: s.total, Body: "bread", TimeExpire: w.Now().Add(s.expires).Unix(),
			CallerNotifyURL: s.notifyURL(),
		},
	}
	for range 5 {
		res, err := c.ScanCodePay(ctx, req)
		w.note("till", "shows a code for %s: %s", no, verdict(err))
		if err == nil {
			return res.CodeURL
		}
		if !cpay.Unknown(err) {
			return ""
		}
		w.sleep(between(w.dice("show", no), time.Second, 20*time.Second))
	}
	return ""
}

// scans is the customer with the code.
func (s *sale) scans(ctx context.Context, no, url string) {
	w := s.w
	w.sleep(s.think)
	in := sandbox.Invocation{CodeURL: url}
	if s.does == "" {
		return
	}
	if _, err := w.box.Open(ctx, s.customer(), in); err != nil {
		w.note("customer", "%s cannot open %s", s.customer(), no)
		return
	}
	w.sleep(between(w.dice("pay", no), time.Second, 25*time.Second))
	err := w.box.Answer(ctx, s.customer(), s.does)
	w.note("customer", "%s does %s about %s: %v", s.customer(), s.does, no, err == nil)
}

// closes is the cashier who closes the order.
func (s *sale) closes(ctx context.Context, c *cpay.Client, no string) {
	w := s.w
	w.sleep(s.undo)
	_, err := c.CloseOrder(ctx, &cpay.CloseOrderRequest{OutTradeNo: no, TradeType: cpay.TradeScanCode, PayMchKey: cpay.PayMchKey{PayPlatform: s.platform()}})
	w.note("till", "closes %s: %s", no, verdict(err))
	if err == nil {
		w.tellUnpaid(ctx, no, s.total, "the answer to a close")
	}
}
