package wxpay

import (
	"context"
	"encoding/json"
	"time"

	"cloudpay/internal/channel"
	"cloudpay/internal/pay"
)

// Limits of request fields (upstreams.md §2.2).
const (
	maxBody      = 127 // bytes; the 2025 text says 127, older ones 128
	maxSceneInfo = 256 // bytes
	maxDevice    = 32
)

// noAddress is sent as the terminal's address when the caller knows none: the
// field is required and only used for risk control.
const noAddress = "127.0.0.1"

// noLimit refuses a limit that only v2 can express. Nothing was sent.
var noLimit = pay.Outcome{
	Kind: pay.Declined, Reason: pay.ReasonConfiguration, Text: "微信支付 APIv3 的付款码支付不支持 limit_pay，请改用 v2 接口",
}

// Pay charges a payment code by /pay/micropay, or by codepay of APIv3. The
// request leaves at most once (channel.Poster). APIv3 cannot limit the means of
// payment: such a payment goes by v2 if the account has its key, since the
// orders are the same. It implements channel.Channel.
func (c *Channel) Pay(ctx context.Context, r channel.PayRequest) pay.Outcome {
	if c.speaksV3(r.Merchant) {
		switch {
		case c.v3 == nil:
			return speechless(true)
		case r.LimitPay == "":
			return c.v3.Pay(ctx, r)
		case c.key.IsZero():
			return noLimit
		}
	}
	var m message
	m.set("device_info", channel.Fitting(r.DeviceID, maxDevice))
	m.set("body", channel.CutBytes(r.Body, maxBody))
	m.set("detail", r.Detail)
	m.set("attach", r.Attach)
	m.set("out_trade_no", r.OutTradeNo)
	m.set("total_fee", wireFen(r.Total))
	m.set("fee_type", r.Currency)
	m.set("spbill_create_ip", r.ClientIP)
	if r.ClientIP == "" {
		m.set("spbill_create_ip", noAddress)
	}
	m.set("goods_tag", r.GoodsTag)
	m.set("limit_pay", r.LimitPay)
	m.set("time_start", wireBeijing(r.Start))
	m.set("time_expire", wireBeijing(r.Expire))
	m.set("scene_info", scene(r.SceneInfo, r.ShopID))
	m.set("auth_code", r.AuthCode.Reveal())

	answer, out, ok := c.send(ctx, callPay, r.Merchant, m)
	if !ok {
		return out
	}
	if answer.get("result_code") != "SUCCESS" {
		return c.refused(answer, callPay, r.OrderRequest)
	}
	payment, misfit, ok := c.payment(answer, r.OrderRequest, "SUCCESS")
	if !ok {
		return misfit
	}
	return pay.Outcome{Kind: pay.Paid, Verified: true, Code: "SUCCESS", Payment: payment}
}

// payment reads the wallet's account of a payment. It is not ok unless the
// merchant, the order number, the currency and the amount are all there and
// all ours; misfit is the outcome then. Only what is there and another's is
// said to differ: an answer that leaves something out reports nobody's payment.
func (c *Channel) payment(m message, r channel.OrderRequest, code string) (p pay.Payment, misfit pay.Outcome, ok bool) {
	total, readable := readFen(m, "total_fee")
	another := readable && total != r.Total || !optional(m, "fee_type", "CNY") ||
		!optional(m, "mch_id", c.mchID) || !optional(m, "sub_mch_id", r.Merchant.SubMchID)
	named := sameOrderNo(m, r)
	if another || !readable || !c.same(m, r.Merchant, true) || !named {
		misfit = differs(code)
		misfit.Differs = another && named
		return pay.Payment{}, misfit, false
	}
	return paymentOf(m), pay.Outcome{}, true
}

// paymentOf reads the fields of a payment that need no comparison.
func paymentOf(m message) pay.Payment {
	p := pay.Payment{
		TransactionID: m.get("transaction_id"),
		PaidAt:        readTime(wireTime, m.get("time_end")),
		PayerID:       m.get("sub_openid"),
		BankType:      m.get("bank_type"),
		Promo:         promotion(m),
	}
	if p.PayerID == "" {
		p.PayerID = m.get("openid")
	}
	p.Total, _ = readFen(m, "total_fee")
	p.Settlement, _ = readFen(m, "settlement_total_fee")
	p.Cash, _ = readFen(m, "cash_fee")
	return p
}

// scene is scene_info: what the caller says, or else the shop's number, so that
// the customer's bill shows where it was. What does not fit is left out.
func scene(said, shopID string) string {
	if said != "" {
		return channel.Fitting(said, maxSceneInfo)
	}
	if shopID == "" {
		return ""
	}
	type store struct {
		ID string `json:"id"`
	}
	text, err := json.Marshal(struct {
		Store store `json:"store_info"`
	}{store{ID: shopID}})
	if err != nil || len(text) > maxSceneInfo {
		return "" // an optional hint
	}
	return string(text)
}

// wireBeijing writes a time as v2 wants it, "" for none.
func wireBeijing(t time.Time) string {
	if t.IsZero() {
		return ""
	}
	return t.In(beijing).Format(wireTime)
}

// readTime reads a Beijing time and returns UTC, zero if there is none.
func readTime(layout, s string) time.Time {
	t, err := time.ParseInLocation(layout, s, beijing)
	if err != nil {
		return time.Time{}
	}
	return t.UTC()
}
