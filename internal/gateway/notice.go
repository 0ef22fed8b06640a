package gateway

import (
	"context"
	"errors"
	"fmt"

	"cloudpay/internal/channel"
	"cloudpay/internal/directory"
	"cloudpay/internal/pay"
)

// MaxNotice is the longest notice that is read, in bytes.
const MaxNotice = channel.MaxAnswer

// Notice takes a wallet's message about one order or refund, and returns the
// body that acknowledges it and its content type. It settles through the same
// door as every answer, so that a repetition, an old notice and a paid notice
// for a dead order are what they are (money.md §1). An error says that nothing
// of it was believed or written: ErrDenied when it does not verify or does not
// agree with our order, ErrNotFound when the address or the order is not ours,
// anything else when the wallet should send it again.
//
// Merchant, order, wallet and amount must be ours: the address names them, and
// nothing in the body decides where money goes.
func (g *Gateway) Notice(ctx context.Context, ch pay.Channel, providerID, merchantID string, header map[string][]string, body []byte) (ack, ackType string, err error) {
	if !g.calls.Open() {
		return "", "", pay.Refuse(pay.ErrUnavailable, "stopping", "the process is stopping")
	}
	m, err := g.Directory.Merchant(ctx, merchantID)
	if err != nil {
		return "", "", fmt.Errorf("find merchant: %w", err)
	}
	if m.ProviderID != providerID {
		return "", "", pay.Refuse(pay.ErrNotFound, "merchant_unknown", "the merchant is another provider's")
	}
	began := g.now()
	n, err := g.take(ctx, m, ch, header, body)
	g.Evidence.Told(m.ID, ch, n.OutTradeNo, n.OutRefundNo, began, header, body, err)
	if err != nil {
		return "", "", err
	}
	return n.Ack, n.AckType, nil
}

// take verifies a notice and settles what it says. The notice is zero when it
// did not verify, else as it came, whatever became of it.
func (g *Gateway) take(ctx context.Context, m *directory.Merchant, ch pay.Channel, header map[string][]string, body []byte) (channel.Notice, error) {
	var none channel.Notice
	wallet, sub, err := g.wallet(ctx, m, ch)
	if err != nil {
		return none, fmt.Errorf("find channel: %w", err)
	}
	n, old, err := g.parsed(ctx, wallet, m.ProviderID, ch, header, body)
	if errors.Is(err, channel.ErrProbe) {
		return none, pay.Refuse(pay.ErrDenied, NoticeProbe, "a probe of the wallet was refused")
	}
	if err != nil {
		return none, pay.Refuse(pay.ErrDenied, "notice_unverified", err.Error())
	}
	// The wallet has spoken: what follows must not end with its connection.
	ctx = context.WithoutCancel(ctx)
	o, err := g.noticed(ctx, m, ch, sub, n)
	if err != nil {
		return n, err
	}
	switch {
	case n.OutRefundNo != "":
		err = g.hinted(ctx, m, wallet, orderRequest(o, sub), o, n)
	case old:
		err = g.confirmed(ctx, m, wallet, orderRequest(o, sub), o)
	default:
		_, err = g.settle(ctx, m, o, pay.CallNotice, n.Outcome)
	}
	return n, err
}

// NoticeProbe is the code of the refusal of a wallet's probe: a notice that is
// sent to see it refused, and nothing to worry about.
const NoticeProbe = "notice_probe"

// parsed verifies and reads a notice with the account's keys, or with those it
// had before: a wallet may have signed just before they were replaced. old says
// that it was those.
func (g *Gateway) parsed(ctx context.Context, wallet channel.Channel, providerID string, ch pay.Channel, header map[string][]string, body []byte) (n channel.Notice, old bool, err error) {
	n, err = wallet.ParseNotice(header, body)
	if err == nil || errors.Is(err, channel.ErrProbe) || g.Former == nil {
		return n, false, err
	}
	former, none := g.Former(ctx, providerID, ch)
	if none != nil {
		return n, false, err
	}
	before, oldErr := former.ParseNotice(header, body)
	if oldErr != nil {
		return n, false, err
	}
	return before, true, nil
}

// confirmed asks the wallet for an order that a notice under former keys speaks
// of. Keys may have been replaced because somebody else has them, and whoever
// has a key of APIv2 can write notices with it: nothing of such a notice is
// believed. Without a verified answer the wallet is to send it again.
func (g *Gateway) confirmed(ctx context.Context, m *directory.Merchant, wallet channel.Channel, req channel.OrderRequest, o pay.Order) error {
	out := ask(ctx, channel.QueryTimeout, req, wallet.Query)
	if !out.Verified && out.Kind == pay.Unknown {
		if _, err := g.change(ctx, m, o, g.profile(o).Look); err != nil {
			return err
		}
		return pay.Refuse(pay.ErrUnavailable, "wallet_silent", "the wallet does not say how the order is")
	}
	if found, listed := g.outside(ctx, wallet, req, o, out); listed {
		_, err := g.settleWithRefunds(ctx, m, o, out, found)
		return err
	}
	_, err := g.settle(ctx, m, o, pay.CallQuery, out)
	return err
}

// noticed finds the order of a verified notice, if it agrees with it.
func (g *Gateway) noticed(ctx context.Context, m *directory.Merchant, ch pay.Channel, sub channel.Merchant, n channel.Notice) (pay.Order, error) {
	o, err := g.Store.Order(ctx, m.ID, n.OutTradeNo)
	if err != nil {
		return pay.Order{}, fmt.Errorf("read order: %w", err)
	}
	named := sub.SubMchID
	if ch == pay.Alipay {
		named = sub.SellerID
	}
	var why string
	switch {
	case o.Channel != ch:
		why = "it is of another wallet than the order"
	case named != "" && n.SubMerchant != named: // Alipay's is optional with us
		why = "it is for another merchant than the order's"
	case n.OutRefundNo == "" && (n.Outcome.Kind == pay.Paid || n.Outcome.Returned) && n.Outcome.Payment.Total != o.Total:
		why = "its amount is not the order's"
	default:
		return o, nil
	}
	g.raise(ctx, pay.Change{Order: o, Raise: "a verified notice was refused: " + why})
	return pay.Order{}, pay.Refuse(pay.ErrDenied, "notice_differs", why)
}

// hinted asks the wallet about a refund that a notice speaks of: such a notice
// is a hint (upstreams.md §2.7).
func (g *Gateway) hinted(ctx context.Context, m *directory.Merchant, wallet channel.Channel, req channel.OrderRequest, o pay.Order, n channel.Notice) error {
	for range maxRounds {
		r, err := g.Store.Refund(ctx, o.MerchantID, n.OutRefundNo)
		switch {
		case errors.Is(err, pay.ErrNotFound):
			return g.madeElsewhere(ctx, m, wallet, req, o, n)
		case err != nil:
			return fmt.Errorf("read refund: %w", err)
		case r.OutTradeNo != o.OutTradeNo:
			return pay.Refuse(pay.ErrDenied, "notice_differs", "the refund is of another order")
		case r.State == pay.RefundRejected:
			return g.madeAfterAll(ctx, m, wallet, req, o, r)
		}
		c := g.profile(o).LookRefund(r, g.now())
		if c.From == c.Refund {
			return nil
		}
		if _, won, err := g.changeRefund(ctx, m, o, c); err != nil || won {
			return err
		}
	}
	return pay.Refuse(pay.ErrUnavailable, "busy", "the refund is being changed")
}
