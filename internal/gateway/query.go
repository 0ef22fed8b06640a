package gateway

import (
	"context"
	"errors"
	"fmt"
	"time"

	"cloudpay/internal/directory"
	"cloudpay/internal/jobs"
	"cloudpay/internal/pay"
)

// QueryOrder returns the merchant's order with this number. It waits for no
// wallet: the settle job keeps the row true, and a till polls often. That
// somebody polls for a unified order makes the job ask sooner, at most every
// five seconds, because its ladder has become slow by the time most customers
// have found their phone. An unknown number is ErrNotFound (104/400).
func (g *Gateway) QueryOrder(ctx context.Context, m *directory.Merchant, outTradeNo string) (pay.Order, error) {
	o, err := g.find(ctx, m, outTradeNo)
	if err != nil {
		return pay.Order{}, err
	}
	if g.profile(o).Hurry(o, g.now()).Changed() && g.calls.Open() {
		if hurried, err := g.change(ctx, m, o, g.profile(o).Hurry); err == nil {
			return hurried, nil
		} // it is asked for in its own time
	}
	return o, nil
}

// find reads the merchant's order with this number.
func (g *Gateway) find(ctx context.Context, m *directory.Merchant, outTradeNo string) (pay.Order, error) {
	o, err := g.Store.Order(ctx, m.ID, outTradeNo)
	if errors.Is(err, pay.ErrNotFound) {
		return pay.Order{}, pay.Refuse(pay.ErrNotFound, "order_missing", "订单不存在")
	} else if err != nil {
		return pay.Order{}, fmt.Errorf("read order: %w", err)
	}
	return o, nil
}

// Reverse is a cashier's wish to undo a code payment (money.md §3 rows 6 to
// 8). It returns the order as it stands; order.ReverseAnswer says what the
// till is told. The reverse itself leaves at the earliest 15 s after the pay
// request, driven by the settle job.
func (g *Gateway) Reverse(ctx context.Context, m *directory.Merchant, outTradeNo, deviceID string) (pay.Order, error) {
	o, err := g.find(ctx, m, outTradeNo)
	if err != nil {
		return pay.Order{}, err
	}
	var refused error
	o, err = g.change(ctx, m, o, func(row pay.Order, now time.Time) pay.Change {
		var c pay.Change
		c, refused = g.profile(row).ReverseAsked(row, deviceID, m.ReversePaid, now)
		return c
	})
	if err != nil {
		return pay.Order{}, err
	}
	if refused != nil {
		return pay.Order{}, refused
	}
	if !o.State.Final() {
		g.runFor(ctx, jobs.Key{MerchantID: o.MerchantID, Kind: kindSettle, Ref: o.OutTradeNo})
		if again, err := g.Store.Order(ctx, o.MerchantID, o.OutTradeNo); err == nil {
			o = again
		}
	}
	return o, nil
}

// CloseOrder closes a unified order that nobody has paid (money.md §3 row 12).
// nil says that it is closed, or that it was seen unpaid and whatever is still
// paid goes back to the customer: WeChat takes the close itself no earlier than
// five minutes after the order, and the settle job sends it. ErrUnavailable says
// that the wallet has not answered yet. A code payment is refused with the
// documented sentence, an unknown number with ErrNotFound.
func (g *Gateway) CloseOrder(ctx context.Context, m *directory.Merchant, outTradeNo string) error {
	o, err := g.find(ctx, m, outTradeNo)
	if err != nil {
		return err
	}
	var refused error
	o, err = g.change(ctx, m, o, func(row pay.Order, now time.Time) pay.Change {
		var c pay.Change
		c, refused = g.profile(row).CloseAsked(row, now)
		return c
	})
	if err != nil {
		return err
	}
	if refused != nil {
		return refused
	}
	if !o.State.Final() && o.CloseAnswer() != nil {
		g.runFor(ctx, jobs.Key{MerchantID: o.MerchantID, Kind: kindSettle, Ref: o.OutTradeNo})
		if again, err := g.Store.Order(ctx, o.MerchantID, o.OutTradeNo); err == nil {
			o = again
		}
	}
	return o.CloseAnswer()
}
