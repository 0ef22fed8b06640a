package gateway

import (
	"context"
	"errors"
	"fmt"
	"time"

	"cloudpay/internal/channel"
	"cloudpay/internal/directory"
	"cloudpay/internal/pay"
)

// This file is what people decide: late money that is adopted or returned, and
// refunds that the bank sent back. Each is one compare-and-set through settle.go,
// with who did it and why in the same unit of work.

// AdoptLate makes late money of a dead order the merchant's, and tells the
// merchant that it is paid (money.md §1). The error is of kind pay.ErrDenied when
// there is none, when it has gone back, or when it is on its way.
func (g *Gateway) AdoptLate(ctx context.Context, m *directory.Merchant, outTradeNo string, by pay.Hand) (pay.Order, error) {
	return g.byHand(ctx, m, outTradeNo, func(p pay.Profile, o pay.Order, now time.Time) (pay.Change, error) {
		return p.AdoptLate(o, by, now)
	})
}

// ReturnLate gives late money back that waits for a person. Errors as in AdoptLate.
func (g *Gateway) ReturnLate(ctx context.Context, m *directory.Merchant, outTradeNo string, by pay.Hand) (pay.Order, error) {
	return g.byHand(ctx, m, outTradeNo, func(p pay.Profile, o pay.Order, now time.Time) (pay.Change, error) {
		return p.ReturnLate(o, by, now)
	})
}

// byHand commits what a person decides about an order, on the row as it stands.
func (g *Gateway) byHand(ctx context.Context, m *directory.Merchant, outTradeNo string, decide func(pay.Profile, pay.Order, time.Time) (pay.Change, error)) (pay.Order, error) {
	o, err := g.find(ctx, m, outTradeNo)
	if err != nil {
		return pay.Order{}, err
	}
	var refused error
	o, err = g.change(ctx, m, o, func(row pay.Order, now time.Time) (c pay.Change) {
		c, refused = decide(g.profile(row), row, now)
		return c
	})
	if err = errors.Join(err, refused); err != nil {
		return pay.Order{}, err
	}
	return o, nil
}

// OfflineRefund ends a refund that the bank sent back because the customer got
// the money outside the wallet. The error is of kind pay.ErrNotFound when there is
// no such refund, and pay.ErrDenied when it does not wait for a person.
func (g *Gateway) OfflineRefund(ctx context.Context, m *directory.Merchant, outTradeNo, outRefundNo string, by pay.Hand) (pay.Refund, error) {
	return g.refundByHand(ctx, m, outTradeNo, outRefundNo, func(p pay.Profile, r pay.Refund, now time.Time) (pay.RefundChange, error) {
		return p.Offline(r, by, now)
	})
}

// ResumeRefund asks the wallet whether a refund that the bank sent back has
// arrived after all. With toMerchant, a wallet that can is first told to pay it
// to the merchant's own bank account, who pays the customer and then books it
// with OfflineRefund: what the wallet calls arrived from then on is with the
// merchant, and the refund waits on. The error is of kind pay.ErrUnavailable when it has not
// arrived; else as in OfflineRefund.
func (g *Gateway) ResumeRefund(ctx context.Context, m *directory.Merchant, outTradeNo, outRefundNo string, toMerchant bool, by pay.Hand) (pay.Refund, error) {
	o, r, err := g.handed(ctx, m, outTradeNo, outRefundNo)
	if err != nil {
		return pay.Refund{}, err
	}
	wallet, sub, err := g.wallet(ctx, m, o.Channel)
	if err != nil {
		return pay.Refund{}, fmt.Errorf("find channel: %w", err)
	}
	req := channel.RefundRequest{OrderRequest: orderRequest(o, sub), OutRefundNo: r.OutRefundNo, Amount: r.Amount, Account: r.Account}
	if toMerchant {
		if err := g.sendOn(ctx, m, wallet, req, r, by); err != nil {
			return pay.Refund{}, err
		}
	}
	bounded, cancel := context.WithTimeout(ctx, channel.QueryTimeout)
	out := wallet.QueryRefund(bounded, req)
	cancel()
	g.Metrics.outcome(r.Channel, string(pay.CallQueryRefund), out.Kind)
	out.Outcome = storable(out.Outcome)
	for _, s := range []*string{&out.Refund.RefundID, &out.Refund.RecvAccount, &out.Refund.Promo} {
		*s = clean(*s)
	}
	return g.refundByHand(ctx, m, outTradeNo, outRefundNo, func(p pay.Profile, r pay.Refund, now time.Time) (pay.RefundChange, error) {
		there, err := g.sentOn(ctx, r)
		if err != nil {
			return pay.RefundChange{}, err
		}
		return p.Resume(r, out.Outcome, out.Refund, out.ByHand, there, by, now)
	})
}

// sendOn tells the wallet to pay a refund that the bank sent back to the
// merchant's own account. That it is told is written down first: whoever asks
// after a crash must not take "it has arrived" for the customer's.
func (g *Gateway) sendOn(ctx context.Context, m *directory.Merchant, wallet channel.Channel, req channel.RefundRequest, r pay.Refund, by pay.Hand) error {
	sender, can := wallet.(channel.AbnormalRefunder)
	if !can || r.Channel != pay.Wxpay {
		return pay.Refuse(pay.ErrDenied, "refund_not_sent_on", "该渠道不能改退，请线下退款后登记")
	}
	before, err := g.sentOn(ctx, r)
	note := func(refused bool) error {
		_, err := g.refundByHand(ctx, m, r.OutTradeNo, r.OutRefundNo, func(p pay.Profile, r pay.Refund, now time.Time) (pay.RefundChange, error) {
			return p.SendOn(r, refused, by, now)
		})
		return err
	}
	if err == nil && !before {
		err = note(false)
	}
	if err != nil {
		return err
	}
	bounded, cancel := context.WithTimeout(ctx, channel.ChangeTimeout)
	defer cancel()
	out := sender.RefundAbnormal(bounded, channel.AbnormalRefund{RefundRequest: req, RefundID: r.RefundID})
	if out.Kind == pay.Paid || out.Kind == pay.Waiting {
		return nil
	}
	text := clean(out.Text)
	if text == "" {
		text = out.Code
	}
	if out.Kind == pay.Declined {
		if !before { // told before, it refuses because it does so already
			err = note(true)
		}
		return errors.Join(pay.Refuse(pay.ErrDenied, "refund_not_sent_on", "渠道拒绝改退："+text), err)
	}
	return pay.Refuse(pay.ErrUnavailable, "refund_not_sent_on", "改退结果未知，请稍后再查："+text)
}

// sentOn reports whether the wallet was told to pay a refund to the merchant's
// own account, and did not refuse.
func (g *Gateway) sentOn(ctx context.Context, r pay.Refund) (told bool, err error) {
	hands, err := g.Store.Hands(ctx, r.MerchantID, r.OutTradeNo)
	if err != nil {
		return false, err
	}
	open := 0
	for _, h := range hands {
		switch {
		case h.OutRefundNo != r.OutRefundNo:
		case h.Act == pay.HandToMerchant:
			open++
		case h.Act == pay.HandNotSent:
			open--
		}
	}
	return open > 0, nil
}

// handed finds a refund of an order.
func (g *Gateway) handed(ctx context.Context, m *directory.Merchant, outTradeNo, outRefundNo string) (pay.Order, pay.Refund, error) {
	o, err := g.find(ctx, m, outTradeNo)
	if err != nil {
		return pay.Order{}, pay.Refund{}, err
	}
	r, err := g.Store.Refund(ctx, m.ID, outRefundNo)
	switch {
	case errors.Is(err, pay.ErrNotFound), err == nil && r.OutTradeNo != o.OutTradeNo:
		return pay.Order{}, pay.Refund{}, pay.Refuse(pay.ErrNotFound, CodeRefundMissing, "退款单不存在")
	case err != nil:
		return pay.Order{}, pay.Refund{}, fmt.Errorf("read refund: %w", err)
	case r.State != pay.RefundNeedsHand:
		return pay.Order{}, pay.Refund{}, pay.Refuse(pay.ErrDenied, "refund_not_by_hand", "该退款不需要人工处理")
	}
	return o, r, nil
}

// refundByHand commits what a person decides about a refund, on the row as it stands.
func (g *Gateway) refundByHand(ctx context.Context, m *directory.Merchant, outTradeNo, outRefundNo string, decide func(pay.Profile, pay.Refund, time.Time) (pay.RefundChange, error)) (pay.Refund, error) {
	for range maxRounds {
		o, r, err := g.handed(ctx, m, outTradeNo, outRefundNo)
		if err != nil {
			return pay.Refund{}, err
		}
		c, err := decide(g.profile(o), r, g.now())
		if err != nil {
			return pay.Refund{}, err
		}
		if r, won, err := g.changeRefund(ctx, m, o, c); err != nil || won {
			return r, err
		}
	}
	return pay.Refund{}, pay.Refuse(pay.ErrUnavailable, "busy", "退款正在处理，请稍后重试")
}
