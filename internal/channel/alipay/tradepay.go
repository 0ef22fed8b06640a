package alipay

import (
	"context"
	"strconv"
	"strings"
	"time"

	"cloudpay/internal/channel"
	"cloudpay/internal/pay"
)

// Limits of request fields in characters (upstreams.md §4.4).
const (
	maxSubject  = 256
	maxStore    = 32
	maxTerminal = 32
	maxOperator = 28
)

// payContent is the biz_content of alipay.trade.pay.
type payContent struct {
	orderOptions
	Scene        string   `json:"scene"`
	AuthCode     string   `json:"auth_code"`
	QueryOptions []string `json:"query_options"`
}

// Pay charges a payment code by alipay.trade.pay. The request leaves at most
// once (channel.Poster). It implements channel.Channel. A Paid answer may in
// rare cases be rolled back, so the caller confirms it by a query.
func (c *Channel) Pay(ctx context.Context, r channel.PayRequest) pay.Outcome {
	content := payContent{
		orderOptions: c.options(r.OrderRequest, orderTexts{
			Body: r.Body, Detail: r.Detail, ShopID: r.ShopID, StaffID: r.StaffID, DeviceID: r.DeviceID, ClientIP: r.ClientIP,
			DiscountableAmount: r.DiscountableAmount, UndiscountableAmount: r.UndiscountableAmount,
			DisablePayChannels: r.DisablePayChannels, ExtendParams: r.ExtendParams, ProductCode: r.ProductCode,
			Start: r.Start, Expire: r.Expire,
		}),
		Scene: "bar_code", AuthCode: r.AuthCode.Reveal(), QueryOptions: payLists,
	}
	if content.ProductCode == "" {
		content.ProductCode = "FACE_TO_FACE_PAYMENT"
	}
	answer, out, ok := c.send(ctx, callPay, r.OrderRequest, content)
	if !ok {
		return out
	}
	payment, misfit, ok := payment(answer, r.OrderRequest, "gmt_payment", codeSuccess)
	if !ok {
		return misfit
	}
	return pay.Outcome{Kind: pay.Paid, Verified: true, Code: codeSuccess, Payment: payment}
}

// payment reads the wallet's account of a payment. It is not ok unless the
// order number and the amount are there and ours, and what is said of the
// currency and the seller is ours too; misfit is the outcome then. Only an
// amount that is there and another is said to differ: an answer that leaves it
// out reports nobody's payment.
func payment(m members, r channel.OrderRequest, paidAt, code string) (p pay.Payment, misfit pay.Outcome, ok bool) {
	total, readable := readYuan(m.get("total_amount"))
	another := readable && total != r.Total || !optional(m, "trans_currency", "CNY")
	if another || !readable || !sameOrder(m, r) {
		misfit = differs(code)
		misfit.Differs = another && m.get("out_trade_no") == r.OutTradeNo
		return pay.Payment{}, misfit, false
	}
	p = pay.Payment{
		TransactionID: m.get("trade_no"),
		PaidAt:        readTime(m.get(paidAt)),
		Total:         total,
		PayerID:       m.get("buyer_user_id"),
		Promo:         promotion(m),
	}
	if p.PayerID == "" {
		p.PayerID = m.get("buyer_open_id")
	}
	p.Settlement, _ = readYuan(m.get("receipt_amount"))
	p.Cash, _ = readYuan(m.get("buyer_pay_amount"))
	return p, pay.Outcome{}, true
}

// sameOrder reports whether an answer is about our order. Answers name the
// seller and the currency only sometimes.
func sameOrder(m members, r channel.OrderRequest) bool {
	return m.get("out_trade_no") == r.OutTradeNo && optional(m, "trans_currency", "CNY") &&
		(r.Merchant.SellerID == "" || optional(m, "seller_id", r.Merchant.SellerID))
}

// optional reports whether a member is absent or as wanted.
func optional(m members, name, want string) bool {
	got := m.get(name)
	return got == "" || got == want
}

// subject is what the customer reads. Alipay refuses / = & in it.
func subject(body string) string {
	body = strings.NewReplacer("/", " ", "=", " ", "&", " ").Replace(body)
	return channel.CutRunes(body, maxSubject)
}

// minutes writes the time left as timeout_express: whole minutes, at least one
// (upstreams.md §4.4), "" when the caller sets no limit.
func minutes(start, expire time.Time) string {
	if start.IsZero() || expire.IsZero() {
		return ""
	}
	return strconv.FormatInt(max(1, int64(expire.Sub(start)/time.Minute)), 10) + "m"
}

// readTime reads a Beijing time and returns UTC, zero if there is none.
func readTime(s string) time.Time {
	t, err := time.ParseInLocation(wireTime, s, beijing)
	if err != nil {
		return time.Time{}
	}
	return t.UTC()
}

// maxYuan is the most digits of yuan that are read: Alipay's largest amount
// has nine, and more could overflow.
const maxYuan = 12

// readYuan reads an amount as Alipay writes it: yuan, with up to two decimals,
// no sign, no exponent, no needless zero in front. It is exact: nothing is
// rounded, and what does not fit is not ok.
func readYuan(s string) (pay.Fen, bool) {
	yuan, cents, dot := strings.Cut(s, ".")
	if yuan == "" || len(yuan) > maxYuan || len(yuan) > 1 && yuan[0] == '0' ||
		len(cents) > 2 || dot && cents == "" || strings.Trim(yuan+cents, "0123456789") != "" {
		return 0, false
	}
	n, err := strconv.ParseInt(yuan+(cents + "00")[:2], 10, 64)
	return pay.Fen(n), err == nil
}
