package wxpay

import (
	"context"
	"net/url"

	"cloudpay/internal/channel"
	"cloudpay/internal/pay"
)

// pathRefunds is where refunds are (upstreams.md §3.6).
const pathRefunds = "/v3/refund/domestic/refunds"

// v3refundRequest asks for a refund.
type v3refundRequest struct {
	SubMchID     string `json:"sub_mchid"`
	OutTradeNo   string `json:"out_trade_no"`
	OutRefundNo  string `json:"out_refund_no"`
	Reason       string `json:"reason,omitempty"`
	NotifyURL    string `json:"notify_url,omitempty"`
	FundsAccount string `json:"funds_account,omitempty"`
	Amount       struct {
		Refund   int64  `json:"refund"`
		Total    int64  `json:"total"`
		Currency string `json:"currency"`
	} `json:"amount"`
}

// v3refund is a refund object: answers to refund calls (status) and the content
// of refund notices (refund_status, and the merchants).
type v3refund struct {
	SpMchID      string `json:"sp_mchid"`
	SubMchID     string `json:"sub_mchid"`
	RefundID     string `json:"refund_id"`
	OutRefundNo  string `json:"out_refund_no"`
	OutTradeNo   string `json:"out_trade_no"`
	RecvAccount  string `json:"user_received_account"`
	SuccessTime  string `json:"success_time"`
	Status       string `json:"status"`
	NoticeStatus string `json:"refund_status"`
	Amount       struct {
		Total            *int64 `json:"total"`
		Refund           *int64 `json:"refund"`
		PayerRefund      int64  `json:"payer_refund"`
		SettlementRefund int64  `json:"settlement_refund"`
		Currency         string `json:"currency"`
	} `json:"amount"`
	Promotions []struct {
		ID     string `json:"promotion_id"`
		Type   string `json:"type"`
		Refund int64  `json:"refund_amount"`
	} `json:"promotion_detail"`
}

// availableFunds is APIv3's only choice of where a refund is taken from; the
// callers' words are v2's.
const availableFunds = "AVAILABLE"

// Refund sends a refund. The answer says how far it is: accepted at first.
func (c *v3) Refund(ctx context.Context, r channel.RefundRequest) channel.RefundOutcome {
	b := v3refundRequest{
		SubMchID: r.Merchant.SubMchID, OutTradeNo: r.OutTradeNo, OutRefundNo: r.OutRefundNo,
		Reason: channel.CutRunes(r.Reason, maxReason), NotifyURL: r.NotifyURL,
	}
	if r.Account == "REFUND_SOURCE_RECHARGE_FUNDS" {
		b.FundsAccount = availableFunds
	}
	b.Amount.Refund, b.Amount.Total, b.Amount.Currency = int64(r.Amount), int64(r.Total), "CNY"
	return c.refund(ctx, v3Refund, pathRefunds, &b, r, "")
}

// QueryRefund asks for one refund by its out_refund_no.
func (c *v3) QueryRefund(ctx context.Context, r channel.RefundRequest) channel.RefundOutcome {
	target := pathRefunds + "/" + url.PathEscape(r.OutRefundNo) + "?sub_mchid=" + url.QueryEscape(r.Merchant.SubMchID)
	out := c.refund(ctx, v3QueryRefund, target, nil, r, "")
	if out.Kind == pay.Declined && out.Reason == pay.ReasonNotFound {
		// Not a refusal of the refund: the caller repeats it (channel.Channel).
		out.Kind = pay.Unknown
	}
	return out
}

// refund sends one call about a refund and reads the refund it answers.
func (c *v3) refund(ctx context.Context, to v3call, target string, request any, r channel.RefundRequest, serial string) channel.RefundOutcome {
	var a v3refund
	out, ok := c.sendNaming(ctx, to, target, request, &a, serial)
	if !ok {
		return channel.RefundOutcome{Outcome: out}
	}
	fits := a.Amount.Refund != nil && *a.Amount.Refund == int64(r.Amount) && a.Amount.Total != nil && *a.Amount.Total == int64(r.Total)
	if !fits || a.OutRefundNo != r.OutRefundNo || a.OutTradeNo != r.OutTradeNo || !maybe(a.Amount.Currency, "CNY") ||
		!maybe(a.SubMchID, r.Merchant.SubMchID) || !maybe(a.SpMchID, c.mchID) {
		return channel.RefundOutcome{Outcome: differs(a.Status)}
	}
	return channel.RefundOutcome{
		Outcome: ruled(v3RefundStates.Find(a.Status), a.Status, ""), Refund: a.paid(), ByHand: a.Status == "ABNORMAL",
	}
}

// paid is the wallet's account of a refund.
func (a v3refund) paid() pay.RefundPaid {
	p := pay.RefundPaid{
		RefundID: a.RefundID, SucceededAt: readRFC(a.SuccessTime), RecvAccount: a.RecvAccount,
		Settlement: pay.Fen(a.Amount.SettlementRefund), Cash: pay.Fen(a.Amount.PayerRefund),
	}
	if a.Amount.Refund != nil {
		p.Refund = pay.Fen(*a.Amount.Refund)
	}
	var promo pay.Promotion
	for i, one := range a.Promotions {
		promo.CouponFee += one.Refund
		if i < maxCoupons {
			promo.Coupons = append(promo.Coupons, pay.Coupon{ID: couponText(one.ID), Fee: one.Refund, Type: couponKind(one.Type)})
		}
	}
	p.Promo = promo.Encode()
	return p
}

// Where an abnormal refund goes.
const (
	toCustomer = "USER_BANK_CARD"
	toMerchant = "MERCHANT_BANK_CARD"
)

// v3abnormal asks for an abnormal refund to be paid out elsewhere.
type v3abnormal struct {
	SubMchID    string `json:"sub_mchid"`
	OutRefundNo string `json:"out_refund_no"`
	Type        string `json:"type"`
	BankType    string `json:"bank_type,omitempty"`
	Account     string `json:"bank_account,omitempty"` // encrypted
	RealName    string `json:"real_name,omitempty"`    // encrypted
}

// RefundAbnormal sends on a refund that the bank sent back (upstreams.md §3.6).
func (c *v3) RefundAbnormal(ctx context.Context, r channel.AbnormalRefund) channel.RefundOutcome {
	b := v3abnormal{SubMchID: r.Merchant.SubMchID, OutRefundNo: r.OutRefundNo, Type: toMerchant}
	target := pathRefunds + "/" + url.PathEscape(r.RefundID) + "/apply-abnormal-refund"
	serial := ""
	if !r.Account.IsZero() {
		err := c.keys.ready(ctx)
		key := c.keys.sealing()
		if err != nil || key == nil {
			return channel.RefundOutcome{Outcome: c.lost(v3Abnormal, channel.ErrKeys)}
		}
		serial = key.serial
		b.Type, b.BankType = toCustomer, r.BankType
		if b.Account, err = key.encrypt(r.Account.Reveal()); err == nil {
			b.RealName, err = key.encrypt(r.RealName.Reveal())
		}
		if err != nil {
			return channel.RefundOutcome{Outcome: c.lost(v3Abnormal, channel.ErrUnreadable)}
		}
	}
	return c.refund(ctx, v3Abnormal, target, &b, r.RefundRequest, serial)
}
