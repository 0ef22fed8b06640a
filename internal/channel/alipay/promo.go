package alipay

import (
	"encoding/json"

	"cloudpay/internal/channel"
	"cloudpay/internal/pay"
)

// Limits of what is kept of one payment's lists. The texts are as long as Cloud
// Pay's fields for them (seed S003); the goods are shown whole or not at all,
// because a cut JSON text is none.
const (
	maxListed    = 20
	maxWord      = 32
	maxName      = 64
	maxMemo      = 256
	maxLogon     = 100
	maxGoodsText = 1024
)

// amountText is an amount of yuan as Alipay writes it, a text or a number. Its
// digits are kept, so that the conversion to fen is exact.
type amountText string

// UnmarshalJSON takes either form; anything else is "".
func (a *amountText) UnmarshalJSON(raw []byte) error {
	return (*loose)(a).UnmarshalJSON(raw)
}

// fen is the amount, 0 when it cannot be read: it is a memo.
func (a amountText) fen() int64 {
	f, _ := readYuan(string(a))
	return int64(f)
}

// Lists are spelt one way in answers and another in notices, where they are
// JSON text inside a parameter; both spellings are read (upstreams.md §4.4, §4.7).
type fundBill struct {
	Channel      loose      `json:"fund_channel"`
	ChannelOther loose      `json:"fundChannel"` //nolint:tagliatelle // as notices spell it
	Amount       amountText `json:"amount"`
	Real         amountText `json:"real_amount"`
	RealOther    amountText `json:"realAmount"` //nolint:tagliatelle // as notices spell it
}

type voucher struct {
	ID            loose      `json:"id"`
	IDOther       loose      `json:"voucherId"` //nolint:tagliatelle // as notices spell it
	Name          loose      `json:"name"`
	Type          loose      `json:"type"`
	Amount        amountText `json:"amount"`
	Merchant      amountText `json:"merchant_contribute"`
	MerchantOther amountText `json:"merchantContribute"` //nolint:tagliatelle // as notices spell it
	Other         amountText `json:"other_contribute"`
	OtherOther    amountText `json:"otherContribute"` //nolint:tagliatelle // as notices spell it
	Memo          loose      `json:"memo"`
}

// promotion reads who paid for what (upstreams.md §4.4). It is a memo: what
// cannot be read is left out, and nothing of it can fail an answer.
func promotion(m members) string {
	p := pay.Promotion{
		FundBills: bills(m, "fund_bill_list"), Vouchers: vouchers(m),
		PointFee: amountText(m.get("point_amount")).fen(), InvoiceFee: amountText(m.get("invoice_amount")).fen(),
		BuyerLogon: channel.CutRunes(channel.Printable(m.get("buyer_logon_id")), maxLogon),
	}
	if goods := listText(m, "discount_goods_detail"); len(goods) <= maxGoodsText && json.Valid(goods) {
		p.GoodsDetail = string(goods)
	}
	return p.Encode()
}

// refundPromotion reads where the money of a refund went.
func refundPromotion(m members) string {
	return pay.Promotion{FundBills: bills(m, "refund_detail_item_list")}.Encode()
}

// bills reads a list of sources of money.
func bills(m members, name string) []pay.FundBill {
	var out []pay.FundBill
	for _, b := range listed[fundBill](m, name) {
		out = append(out, pay.FundBill{
			Channel: short(maxWord, b.Channel, b.ChannelOther), Amount: b.Amount.fen(), RealAmount: either(b.Real, b.RealOther).fen(),
		})
	}
	return out
}

// vouchers reads voucher_detail_list.
func vouchers(m members) []pay.Voucher {
	var out []pay.Voucher
	for _, v := range listed[voucher](m, "voucher_detail_list") {
		out = append(out, pay.Voucher{
			ID: short(maxWord, v.ID, v.IDOther), Name: short(maxName, v.Name), Type: short(maxWord, v.Type), Amount: v.Amount.fen(),
			MerchantAmount: either(v.Merchant, v.MerchantOther).fen(), OtherAmount: either(v.Other, v.OtherOther).fen(),
			Memo: short(maxMemo, v.Memo),
		})
	}
	return out
}

// listed reads a list, of which at most maxListed are kept. One that is none is
// empty.
func listed[T any](m members, name string) []T {
	var raw []json.RawMessage
	if json.Unmarshal(listText(m, name), &raw) != nil {
		return nil
	}
	var out []T
	for _, one := range raw[:min(len(raw), maxListed)] {
		var item T
		if json.Unmarshal(one, &item) == nil {
			out = append(out, item)
		}
	}
	return out
}

// listText is a list's JSON: the member itself, or the text in it.
func listText(m members, name string) []byte {
	if text := m.get(name); text != "" {
		return []byte(text)
	}
	return m[name]
}

// short is the first text that is not empty, without what cannot be shown and
// at most limit characters long.
func short(limit int, texts ...loose) string {
	for _, t := range texts {
		if t != "" {
			return channel.CutRunes(channel.Printable(string(t)), limit)
		}
	}
	return ""
}

// either is the first amount that was said.
func either(one, other amountText) amountText {
	if one != "" {
		return one
	}
	return other
}
