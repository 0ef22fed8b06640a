package wxpay

import (
	"context"
	"net/url"
	"time"

	"cloudpay/internal/channel"
	"cloudpay/internal/pay"
)

// Paths of orders (upstreams.md §3.4, §3.5).
const (
	pathOrders  = "/v3/pay/partner/transactions/"
	pathCodePay = pathOrders + "codepay"
	pathByNo    = pathOrders + "out-trade-no/"
	pathByID    = pathOrders + "id/"
)

// v3amount is a total in fen with its currency.
type v3amount struct {
	Total    int64  `json:"total"`
	Currency string `json:"currency,omitempty"`
}

// v3order is an order object: the answer to code pay and to queries, and the
// content of pay notices. Members that say nothing of the money are left out.
type v3order struct {
	SpMchID       string        `json:"sp_mchid"`
	SubMchID      string        `json:"sub_mchid"`
	OutTradeNo    string        `json:"out_trade_no"`
	TransactionID string        `json:"transaction_id"`
	State         string        `json:"trade_state"`
	StateText     string        `json:"trade_state_desc"`
	BankType      string        `json:"bank_type"`
	SuccessTime   string        `json:"success_time"`
	Payer         v3payer       `json:"payer"`
	Amount        v3paid        `json:"amount"`
	Promotions    []v3promotion `json:"promotion_detail"`
}

// v3payer is who pays, under the provider's application or the merchant's.
type v3payer struct {
	SpOpenID  string `json:"sp_openid,omitempty"`
	SubOpenID string `json:"sub_openid,omitempty"`
}

// v3paid are the amounts of an order, nil when they are not said.
type v3paid struct {
	Total      *int64 `json:"total"`
	PayerTotal *int64 `json:"payer_total"`
	Currency   string `json:"currency"`
}

// v3promotion is one coupon of an order.
type v3promotion struct {
	CouponID string `json:"coupon_id"`
	StockID  string `json:"stock_id"`
	Type     string `json:"type"`
	Amount   int64  `json:"amount"`
}

// noCash is a coupon whose amount the merchant bears: it is not settled
// (money.md §5).
const noCash = "NOCASH"

// v3codepay is the request of code pay (upstreams.md §3.5). It has no end: what
// is still unpaid is reversed.
type v3codepay struct {
	SpAppID     string    `json:"sp_appid"`
	SpMchID     string    `json:"sp_mchid"`
	SubAppID    string    `json:"sub_appid,omitempty"`
	SubMchID    string    `json:"sub_mchid"`
	Description string    `json:"description"`
	OutTradeNo  string    `json:"out_trade_no"`
	Attach      string    `json:"attach,omitempty"`
	GoodsTag    string    `json:"goods_tag,omitempty"`
	Detail      *v3detail `json:"detail,omitempty"`
	Payer       struct {
		AuthCode string `json:"auth_code"`
	} `json:"payer"`
	Amount v3amount `json:"amount"`
	Scene  v3scene  `json:"scene_info"`
}

// Pay charges a payment code by codepay. The request leaves at most once
// (channel.Poster).
func (c *v3) Pay(ctx context.Context, r channel.PayRequest) pay.Outcome {
	b := v3codepay{
		SpAppID: c.appID, SpMchID: c.mchID, SubAppID: r.Merchant.SubAppID, SubMchID: r.Merchant.SubMchID,
		Description: channel.CutBytes(r.Body, maxBody), OutTradeNo: r.OutTradeNo, Attach: r.Attach, GoodsTag: r.GoodsTag,
		Detail: detailOf(r.Detail), Amount: v3amount{Total: int64(r.Total), Currency: r.Currency},
		Scene: sceneOf(r.SceneInfo, r.ShopID, r.DeviceID).paying(r.ClientIP),
	}
	b.Payer.AuthCode = r.AuthCode.Reveal()
	var o v3order
	out, ok := c.send(ctx, v3Pay, pathCodePay, &b, &o)
	if !ok {
		return out
	}
	return c.state(o, r.OrderRequest, false)
}

// Query asks for an order by our number, or by the wallet's if that is given.
func (c *v3) Query(ctx context.Context, r channel.OrderRequest) pay.Outcome {
	path := pathByNo + url.PathEscape(r.OutTradeNo)
	if r.TransactionID != "" {
		path = pathByID + url.PathEscape(r.TransactionID)
	}
	var o v3order
	out, ok := c.send(ctx, v3Query, path+c.who(r.Merchant), nil, &o)
	if !ok {
		return out
	}
	return c.state(o, r, true)
}

// who is the query of calls without a body: the account and its merchant.
func (c *v3) who(m channel.Merchant) string {
	return "?sp_mchid=" + url.QueryEscape(c.mchID) + "&sub_mchid=" + url.QueryEscape(m.SubMchID)
}

// state classifies a verified order object (upstreams.md §3.4). whole says that
// it must name the order in every state; the answer to code pay may say no
// more than its state while it is unpaid.
func (c *v3) state(o v3order, r channel.OrderRequest, whole bool) pay.Outcome {
	out := ruled(queryStates.Find(o.State), o.State, o.StateText)
	if out.Kind != pay.Paid && !c.ours(o, r, whole) {
		return differs(o.State)
	}
	switch out.Kind {
	case pay.Paid:
		payment, misfit, ok := c.payment(o, r)
		if !ok {
			return misfit
		}
		out.Payment = payment
		out.Payment.RefundState = o.State == "REFUND"
	case pay.Declined:
		// CLOSED or REVOKED of an order that carries a pay time was paid, and
		// all of it went back.
		if o.SuccessTime == "" && (o.Amount.PayerTotal == nil || *o.Amount.PayerTotal == 0) {
			break
		}
		payment, misfit, ok := c.payment(o, r)
		if !ok {
			return misfit
		}
		out.Payment, out.Returned = payment, true
	case pay.Waiting, pay.Unknown:
	}
	return out
}

// ours reports whether an answer is about our account, merchant and order. If
// it need not be whole, what it leaves out is taken for granted.
func (c *v3) ours(o v3order, r channel.OrderRequest, whole bool) bool {
	if whole && (o.SpMchID == "" || o.SubMchID == "" || o.OutTradeNo == "") {
		return false
	}
	// The application may be another of the provider's (channel.PrepayRequest.AppID).
	return maybe(o.SpMchID, c.mchID) && maybe(o.SubMchID, r.Merchant.SubMchID) &&
		sameNumbers(o.OutTradeNo, o.TransactionID, r)
}

// sameNumbers reports whether an order has the numbers it was asked for by, as
// far as it says them.
func sameNumbers(outTradeNo, transactionID string, r channel.OrderRequest) bool {
	return (r.OutTradeNo == "" || maybe(outTradeNo, r.OutTradeNo)) && (r.TransactionID == "" || maybe(transactionID, r.TransactionID))
}

// maybe reports whether a member is absent or as wanted.
func maybe(got, want string) bool { return got == "" || got == want }

// payment reads the wallet's account of a payment. It is not ok unless the
// merchant, the order number, the currency and the amount are all there and
// all ours; misfit is the outcome then, as with v2.
func (c *v3) payment(o v3order, r channel.OrderRequest) (p pay.Payment, misfit pay.Outcome, ok bool) {
	readable := o.Amount.Total != nil && *o.Amount.Total > 0 && *o.Amount.Total <= int64(pay.MaxFen)
	another := readable && pay.Fen(*o.Amount.Total) != r.Total || !maybe(o.Amount.Currency, "CNY") ||
		!maybe(o.SpMchID, c.mchID) || !maybe(o.SubMchID, r.Merchant.SubMchID)
	named := sameNumbers(o.OutTradeNo, o.TransactionID, r) && o.OutTradeNo != "" && (r.TransactionID == "" || o.TransactionID != "")
	if another || !readable || !named || !c.ours(o, r, true) {
		misfit = differs(o.State)
		misfit.Differs = another && named
		return pay.Payment{}, misfit, false
	}
	return o.payment(), pay.Outcome{}, true
}

// payment reads the members of a payment that need no comparison. The total
// must be there.
func (o v3order) payment() pay.Payment {
	p := pay.Payment{
		TransactionID: o.TransactionID, PaidAt: readRFC(o.SuccessTime), PayerID: o.Payer.SubOpenID, BankType: o.BankType,
		Total: pay.Fen(*o.Amount.Total), Promo: o.promotion(),
	}
	if p.PayerID == "" {
		p.PayerID = o.Payer.SpOpenID
	}
	if o.Amount.PayerTotal != nil {
		p.Cash = pay.Fen(*o.Amount.PayerTotal)
	}
	p.Settlement = p.Total
	for _, one := range o.Promotions {
		if one.Type == noCash && one.Amount > 0 && pay.Fen(one.Amount) <= p.Settlement {
			p.Settlement -= pay.Fen(one.Amount)
		}
	}
	return p
}

// promotion is who paid for what, in v2's words. It is a memo.
func (o v3order) promotion() string {
	var p pay.Promotion
	for i, one := range o.Promotions {
		p.CouponFee += one.Amount
		if i < maxCoupons {
			p.Coupons = append(p.Coupons, pay.Coupon{
				BatchID: couponText(one.StockID), ID: couponText(one.CouponID), Fee: one.Amount, Type: couponKind(one.Type),
			})
		}
	}
	return p.Encode()
}

// couponKind writes a coupon's type as v2 does. Orders and refunds have two
// pairs of words for the same.
func couponKind(kind string) string {
	switch kind {
	case noCash, "DISCOUNT":
		return "NO_CASH"
	case "COUPON":
		return "CASH"
	}
	return couponText(kind)
}

// v3undo is the request of reverse and close, and the answer to reverse.
type v3undo struct {
	SpAppID    string `json:"sp_appid,omitempty"`
	SpMchID    string `json:"sp_mchid"`
	SubAppID   string `json:"sub_appid,omitempty"`
	SubMchID   string `json:"sub_mchid"`
	OutTradeNo string `json:"out_trade_no,omitempty"` // in answers only: a request names it in its path
}

// Reverse undoes a code payment. Its answer repeats the order's numbers and has
// no recall (upstreams.md §3.5).
func (c *v3) Reverse(ctx context.Context, r channel.OrderRequest) pay.Outcome {
	b := v3undo{SpAppID: c.appID, SpMchID: c.mchID, SubAppID: r.Merchant.SubAppID, SubMchID: r.Merchant.SubMchID}
	var a v3undo
	out, ok := c.send(ctx, v3Reverse, pathByNo+url.PathEscape(r.OutTradeNo)+"/reverse", &b, &a)
	if !ok {
		return out
	}
	if a.SpMchID != c.mchID || a.SubMchID != r.Merchant.SubMchID || a.OutTradeNo != r.OutTradeNo {
		return differs("SUCCESS")
	}
	return pay.Outcome{Kind: pay.Paid, Verified: true, Code: "SUCCESS"}
}

// Close closes an unpaid unified order. Success is a signed answer without a body.
func (c *v3) Close(ctx context.Context, r channel.OrderRequest) pay.Outcome {
	b := v3undo{SpMchID: c.mchID, SubMchID: r.Merchant.SubMchID}
	out, ok := c.send(ctx, v3Close, pathByNo+url.PathEscape(r.OutTradeNo)+"/close", &b, nil)
	if !ok {
		return out
	}
	return pay.Outcome{Kind: pay.Paid, Verified: true, Code: "SUCCESS"}
}

// readRFC reads a time with its zone and returns UTC, zero if there is none.
func readRFC(s string) time.Time {
	t, err := time.Parse(time.RFC3339, s)
	if err != nil {
		return time.Time{}
	}
	return t.UTC()
}
