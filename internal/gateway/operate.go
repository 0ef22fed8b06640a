package gateway

import (
	"context"
	"errors"
	"fmt"
	"strings"

	"cloudpay/internal/directory"
	"cloudpay/internal/jobs"
	"cloudpay/internal/pay"
)

// AskNow wakes the job that drives an open order to its truth, for a person
// who does not want to wait for it, and returns the order as it stands after
// that. The ladder stays in charge: it asks when its pauses allow it. An order
// that is final is returned as it is, unless late money waits there for a person.
func (g *Gateway) AskNow(ctx context.Context, m *directory.Merchant, outTradeNo string) (pay.Order, error) {
	o, err := g.QueryOrder(ctx, m, outTradeNo)
	if err == nil && o.Late == pay.LateHeld { // it may have gone back in the wallet's console
		o, err = g.change(ctx, m, o, g.profile(o).Look)
	}
	if err != nil || o.State.Final() && !o.Watch {
		return o, err
	}
	k := jobs.Key{MerchantID: o.MerchantID, Kind: kindSettle, Ref: o.OutTradeNo}
	if err := g.Store.EditJobs(ctx, o.MerchantID, jobs.Edit{Touch: &jobs.Touch{Key: k, RunAt: g.now()}}); err != nil {
		return pay.Order{}, fmt.Errorf("wake the job of order %s: %w", outTradeNo, err)
	}
	g.runFor(ctx, k)
	return g.QueryOrder(ctx, m, outTradeNo)
}

// Events returns what the merchant was told of an order, or would have been if
// it had an address: the events that Resend takes.
func (g *Gateway) Events(o pay.Order, refunds []pay.Refund) []string {
	var events []string
	if o.Taken() {
		events = append(events, pay.EventPaid)
	}
	switch o.State {
	case pay.REVERSED:
		if !o.Duplicate { // what ended as another's number was never told
			events = append(events, pay.EventReversed)
		}
	case pay.PAID, pay.PAYING, pay.DECLINED, pay.REVERSING, pay.CLOSING, pay.CLOSED:
	}
	for _, r := range refunds {
		if (r.State == pay.RefundSucceeded || r.State == pay.RefundOffline) && r.Origin == pay.OriginAPI {
			events = append(events, pay.EventRefund+r.OutRefundNo)
		}
	}
	return events
}

// Resend tells the merchant of an event once more, at once and from the first
// step of the ladder, whether it was told before or not. The error is of kind
// pay.ErrNotFound for an event that has not happened, and pay.ErrDenied when
// there is no address to tell.
func (g *Gateway) Resend(ctx context.Context, m *directory.Merchant, outTradeNo, event string) error {
	o, err := g.QueryOrder(ctx, m, outTradeNo)
	if err != nil {
		return err
	}
	refunds, err := g.Store.Refunds(ctx, m.ID, outTradeNo)
	if err != nil && !errors.Is(err, pay.ErrNotFound) {
		return fmt.Errorf("read refunds: %w", err)
	}
	own, found := o.NotifyURL, false
	for _, e := range g.Events(o, refunds) {
		found = found || e == event
	}
	if !found {
		return pay.Refuse(pay.ErrNotFound, "event_missing", "该订单没有此事件")
	}
	for _, r := range refunds {
		if no, ok := strings.CutPrefix(event, pay.EventRefund); ok && no == r.OutRefundNo {
			own = refundURL(o, r)
		}
	}
	edit, ok := g.callbackEdit(ctx, m, outTradeNo, own, event, g.now())
	if !ok {
		return errNoAddress
	}
	if err := g.Store.EditJobs(ctx, m.ID, edit); err != nil {
		return fmt.Errorf("resend %s of order %s: %w", event, outTradeNo, err)
	}
	g.runner.Wake()
	return nil
}
