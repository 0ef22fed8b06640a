package gateway

import (
	"context"
	"errors"
	"fmt"
	"slices"

	"cloudpay/internal/channel"
	"cloudpay/internal/directory"
	"cloudpay/internal/jobs"
	"cloudpay/internal/pay"
)

// Refund is a request to give money back. Amounts in fen.
type Refund struct {
	OutTradeNo  string
	OutRefundNo string
	Total       pay.Fen // must equal the order's (protocol.md R45)
	Amount      pay.Fen
	Currency    string // "CNY", "" for CNY
	Reason      string
	NotifyURL   string
	Extra       string
	// Who asks, and by whose authority; "" and 0 when not said.
	ShopID          string
	DeviceID        string
	StaffID         string
	AuthorizedBy    string // staff_id, or "admin"
	TerminalType    int64
	SubTerminalType int64
	Authen          string // as MicroPay.Authen
	Account         string // refund_account: WeChat only, one of its two names
}

// Refund reserves the amount and sends it to the wallet, or answers for the
// refund that exists under this number. A nil error means accepted, not
// refunded: the refund's state says how far it is. Errors have a kind of
// package pay.
func (g *Gateway) Refund(ctx context.Context, m *directory.Merchant, in Refund) (pay.Order, pay.Refund, error) {
	if in.Currency != "" && in.Currency != "CNY" {
		return pay.Order{}, pay.Refund{}, pay.Refuse(pay.ErrInvalid, "currency", "仅支持人民币（CNY）")
	}
	if !m.HasPrefix(in.OutRefundNo) {
		return pay.Order{}, pay.Refund{}, pay.Refuse(pay.ErrInvalid, "prefix", "退款单号必须以子商户的订单前缀开头，且不超过32位字母数字")
	}
	if !slices.Contains([]string{"", "REFUND_SOURCE_UNSETTLED_FUNDS", "REFUND_SOURCE_RECHARGE_FUNDS"}, in.Account) {
		return pay.Order{}, pay.Refund{}, pay.Refuse(pay.ErrInvalid, "refund_account", "退款资金来源refund_account无法识别")
	}
	for range maxRounds {
		o, err := g.find(ctx, m, in.OutTradeNo)
		if err != nil {
			return pay.Order{}, pay.Refund{}, err
		}
		old, err := g.Store.Refund(ctx, m.ID, in.OutRefundNo)
		switch {
		case err == nil:
			return g.refundReplay(o, old, in)
		case !errors.Is(err, pay.ErrNotFound):
			return pay.Order{}, pay.Refund{}, fmt.Errorf("read refund: %w", err)
		}
		now := g.now()
		if err := g.profile(o).CheckRefund(o, in.Total, in.Amount, now); err != nil {
			return pay.Order{}, pay.Refund{}, err
		}
		r := pay.Refund{
			MerchantID: m.ID, OutRefundNo: in.OutRefundNo, OutTradeNo: o.OutTradeNo, Channel: o.Channel,
			State: pay.RefundPending, Origin: pay.OriginAPI, Total: o.Total, Amount: in.Amount,
			Reason: in.Reason, NotifyURL: in.NotifyURL, Extra: in.Extra,
			ShopID: in.ShopID, DeviceID: in.DeviceID, StaffID: in.StaffID, AuthorizedBy: in.AuthorizedBy,
			TradeType: o.TradeType, TerminalType: in.TerminalType, SubTerminalType: in.SubTerminalType,
			Authen: authenOf(in.Authen), Account: in.Account,
			RefundID: ownNumber(now, in.OutRefundNo), Do: pay.ActSend, DoAt: now, CreatedAt: now, UpdatedAt: now,
		}
		won, err := g.openRefund(ctx, r, o.State) // PAID, or dead and adopted
		if err != nil {
			return pay.Order{}, pay.Refund{}, err
		}
		if won {
			return g.sendRefund(ctx, r)
		}
		// The order or the number was taken in this moment: look again.
	}
	return pay.Order{}, pay.Refund{}, pay.Refuse(pay.ErrUnavailable, "busy", "订单正在处理，请稍后重试")
}

// refundReplay answers for a refund number that exists (money.md §2).
func (g *Gateway) refundReplay(o pay.Order, old pay.Refund, in Refund) (pay.Order, pay.Refund, error) {
	if old.OutTradeNo != in.OutTradeNo || old.Amount != in.Amount || old.Total != in.Total {
		return pay.Order{}, pay.Refund{}, pay.Refuse(pay.ErrDenied, "refund_reentry", "退款单号重复且参数不一致，请更换退款单号")
	}
	if old.State == pay.RefundRejected {
		return pay.Order{}, pay.Refund{}, pay.Refuse(pay.ErrDenied, "refund_rejected", refundText(old))
	}
	return o, old, nil
}

// refundText is the sentence for a refused refund.
func refundText(r pay.Refund) string {
	if r.Text != "" {
		return "退款失败：" + r.Text
	}
	return "退款失败，请更换退款单号重试"
}

// sendRefund runs the refund's job for the waiting caller, and answers with
// what is known when it ends or the caller's time is up.
func (g *Gateway) sendRefund(ctx context.Context, r pay.Refund) (pay.Order, pay.Refund, error) {
	after := context.WithoutCancel(ctx)
	g.runFor(ctx, jobs.Key{MerchantID: r.MerchantID, Kind: kindRefund, Ref: r.OutRefundNo})
	o, err := g.Store.Order(after, r.MerchantID, r.OutTradeNo)
	if err != nil {
		return pay.Order{}, pay.Refund{}, fmt.Errorf("read order: %w", err)
	}
	r, err = g.Store.Refund(after, r.MerchantID, r.OutRefundNo)
	if err != nil {
		return pay.Order{}, pay.Refund{}, fmt.Errorf("read refund: %w", err)
	}
	if r.State == pay.RefundRejected {
		return pay.Order{}, pay.Refund{}, pay.Refuse(pay.ErrDenied, "refund_rejected", refundText(r))
	}
	return o, r, nil
}

// QueryRefunds returns the order with the refund of that number, or with all
// its refunds in creation order when outRefundNo is "". An order without the
// refund, or without any, is ErrNotFound with code "refund_missing" (426).
func (g *Gateway) QueryRefunds(ctx context.Context, m *directory.Merchant, outTradeNo, outRefundNo string) (pay.Order, []pay.Refund, error) {
	missing := pay.Refuse(pay.ErrNotFound, CodeRefundMissing, "退款单不存在")
	o, err := g.find(ctx, m, outTradeNo)
	if err != nil {
		return pay.Order{}, nil, err
	}
	all, err := g.Store.Refunds(ctx, m.ID, o.OutTradeNo)
	if err != nil {
		return pay.Order{}, nil, fmt.Errorf("read refunds: %w", err)
	}
	var found []pay.Refund
	for _, r := range all {
		if outRefundNo == "" || r.OutRefundNo == outRefundNo {
			found = append(found, r)
		}
	}
	if len(found) == 0 {
		return pay.Order{}, nil, missing
	}
	return o, found, nil
}

// CodeRefundMissing is the pay.Error code that becomes internal status 426.
const CodeRefundMissing = "refund_missing"

// refundJob does the next step of one refund: wait for its turn, send it with
// its own number, or ask for it.
func (g *Gateway) refundJob(ctx context.Context, j jobs.Job) (jobs.Verdict, error) {
	r, err := g.Store.Refund(ctx, j.MerchantID, j.Ref)
	if errors.Is(err, pay.ErrNotFound) {
		return jobs.Done(), nil
	} else if err != nil {
		return jobs.Verdict{}, err
	}
	if r.State != pay.RefundPending {
		return jobs.Done(), nil
	}
	o, err := g.Store.Order(ctx, r.MerchantID, r.OutTradeNo)
	if err != nil {
		return jobs.Verdict{}, fmt.Errorf("read order: %w", err)
	}
	p := g.profile(o)
	now := g.now()
	if at := p.SendAt(o, r); at.After(now) {
		return jobs.Again(at), nil
	}
	m, err := g.Directory.Merchant(ctx, r.MerchantID)
	if err != nil {
		return jobs.Verdict{}, fmt.Errorf("find merchant: %w", err)
	}
	wallet, sub, err := g.wallet(ctx, m, r.Channel)
	if err != nil {
		return jobs.Verdict{}, fmt.Errorf("find channel: %w", err)
	}
	req := channel.RefundRequest{
		OrderRequest: orderRequest(o, sub), OutRefundNo: r.OutRefundNo, Amount: r.Amount, Reason: r.Reason, Account: r.Account,
		NotifyURL: g.noticeURL(m, o.Channel),
	}
	call, limit, do := pay.CallQueryRefund, channel.QueryTimeout, wallet.QueryRefund
	answered := !r.Unanswered
	if r.Do == pay.ActSend {
		call, limit, do = pay.CallRefund, channel.ChangeTimeout, wallet.Refund
		started, won, err := g.changeRefund(ctx, m, o, p.StartRefund(r, now))
		if err != nil || !won {
			return jobs.Again(now), err
		}
		if r = started; g.over(ctx, j.LeaseUntil, string(call), r.OutRefundNo) {
			return jobs.Again(r.DoAt), nil
		}
	}
	bounded, cancel := context.WithTimeout(ctx, limit)
	out := do(bounded, req)
	cancel()
	g.Metrics.outcome(r.Channel, string(call), out.Kind)
	out.Outcome = storable(out.Outcome)
	out.Refund.RefundID, out.Refund.RecvAccount, out.Refund.Promo = clean(out.Refund.RefundID), clean(out.Refund.RecvAccount), clean(out.Refund.Promo)
	c := p.ApplyRefund(r, call, out.Outcome, out.Refund, out.ByHand, answered, g.now())
	if c.WantsOrder(call, out.Outcome) {
		said := storable(ask(ctx, channel.QueryTimeout, req.OrderRequest, wallet.Query))
		g.Metrics.outcome(r.Channel, string(pay.CallQuery), said.Kind)
		c = p.OrderSaid(o, c, said, g.now())
	}
	if _, _, err := g.changeRefund(ctx, m, o, c); err != nil {
		return jobs.Verdict{}, err
	}
	// The unit above has moved or finished the job, which this verdict then only
	// frees; a lost race is looked at again.
	return answeredBy(out.Outcome).of(jobs.Again(g.now())), nil
}
