package alipay

import (
	"encoding/json"
	"strconv"
	"strings"
	"time"

	"cloudpay/internal/channel"
	"cloudpay/internal/pay"
)

// maxGoods is how many goods of an order are named to Alipay; the rest of the
// limit on a whole request is left to the other members.
const maxGoods = 50

// Lists that answers leave out unless they are asked for.
var payLists = []string{"fund_bill_list", "voucher_detail_list", "discount_goods_detail"}

// orderOptions are the members that every way to start a trade shares.
type orderOptions struct {
	OutTradeNo           string                     `json:"out_trade_no"`
	ProductCode          string                     `json:"product_code"`
	Subject              string                     `json:"subject"`
	TotalAmount          string                     `json:"total_amount"`
	SellerID             string                     `json:"seller_id,omitempty"`
	StoreID              string                     `json:"store_id,omitempty"`
	OperatorID           string                     `json:"operator_id,omitempty"`
	TerminalID           string                     `json:"terminal_id,omitempty"`
	DiscountableAmount   string                     `json:"discountable_amount,omitempty"`
	UndiscountableAmount string                     `json:"undiscountable_amount,omitempty"`
	DisablePayChannels   string                     `json:"disable_pay_channels,omitempty"`
	TimeoutExpress       string                     `json:"timeout_express,omitempty"`
	GoodsDetail          []goods                    `json:"goods_detail,omitempty"`
	ExtendParams         map[string]json.RawMessage `json:"extend_params,omitempty"`
	BusinessParams       *businessParams            `json:"business_params,omitempty"`
}

// goods is one line of goods_detail. Price is yuan.
type goods struct {
	ID       string      `json:"goods_id"`
	Name     string      `json:"goods_name"`
	Quantity json.Number `json:"quantity"`
	Price    string      `json:"price"`
}

type businessParams struct {
	ClientIP string `json:"mc_create_trade_ip"`
}

// orderTexts is what a PayRequest and a PrepayRequest have in common.
type orderTexts struct {
	Body, Detail, ShopID, StaffID, DeviceID, ClientIP string
	DiscountableAmount, UndiscountableAmount          pay.Fen
	DisablePayChannels, ExtendParams, ProductCode     string
	Start, Expire                                     time.Time
}

// options writes what an order says of itself in Alipay's words.
func (c *Channel) options(r channel.OrderRequest, o orderTexts) orderOptions {
	out := orderOptions{
		OutTradeNo: r.OutTradeNo, ProductCode: o.ProductCode, Subject: subject(o.Body), TotalAmount: r.Total.String(),
		SellerID: r.Merchant.SellerID, StoreID: channel.Fitting(o.ShopID, maxStore),
		OperatorID: channel.Fitting(o.StaffID, maxOperator), TerminalID: channel.Fitting(o.DeviceID, maxTerminal),
		DisablePayChannels: o.DisablePayChannels, TimeoutExpress: minutes(o.Start, o.Expire),
		GoodsDetail: goodsOf(o.Detail), ExtendParams: c.extend(o.ExtendParams),
	}
	if o.DiscountableAmount > 0 {
		out.DiscountableAmount = o.DiscountableAmount.String()
	}
	if o.UndiscountableAmount > 0 {
		out.UndiscountableAmount = o.UndiscountableAmount.String()
	}
	if o.ClientIP != "" {
		out.BusinessParams = &businessParams{ClientIP: o.ClientIP}
	}
	return out
}

// extend is extend_params: the caller's members and the provider's number for
// its rebate, which no caller can replace. A text that is no JSON object is
// left out.
func (c *Channel) extend(text string) map[string]json.RawMessage {
	out := map[string]json.RawMessage{}
	if text != "" && json.Unmarshal([]byte(text), &out) != nil {
		out = map[string]json.RawMessage{}
	}
	if out == nil { // the text null
		out = map[string]json.RawMessage{}
	}
	if c.providerID != "" {
		id, err := json.Marshal(c.providerID)
		if err == nil {
			out["sys_service_provider_id"] = id
		}
	}
	return out
}

// goodsOf turns the detail of Cloud Pay, which is WeChat's (prices in fen), into
// goods_detail (prices in yuan). Alipay has no cost_price. A detail that cannot
// be read, or a line without a name or price, is left out: it is a hint for
// discounts and must not stop a payment.
func goodsOf(detail string) []goods {
	var in struct {
		Goods []struct {
			ID       loose `json:"goods_id"`
			Name     loose `json:"goods_name"`
			Quantity loose `json:"quantity"`
			Price    loose `json:"price"`
		} `json:"goods_detail"`
	}
	if detail == "" || json.Unmarshal([]byte(detail), &in) != nil {
		return nil
	}
	var out []goods
	for _, g := range in.Goods[:min(len(in.Goods), maxGoods)] {
		price, err := strconv.ParseInt(string(g.Price), 10, 64)
		count, countErr := strconv.ParseInt(string(g.Quantity), 10, 32)
		if err != nil || countErr != nil || price < 0 || price > int64(pay.MaxFen) || count <= 0 || g.Name == "" {
			continue
		}
		out = append(out, goods{
			ID: channel.CutRunes(string(g.ID), maxGoodsID), Name: channel.CutRunes(string(g.Name), maxSubject),
			Quantity: json.Number(strconv.FormatInt(count, 10)), Price: pay.Fen(price).String(),
		})
	}
	return out
}

// maxGoodsID is the longest goods_id in characters.
const maxGoodsID = 32

// loose is a JSON text, or a number by its digits: callers send both.
type loose string

// UnmarshalJSON takes either form; anything else is "".
func (l *loose) UnmarshalJSON(raw []byte) error {
	var text string
	if json.Unmarshal(raw, &text) == nil {
		*l = loose(strings.TrimSpace(text))
		return nil
	}
	var n json.Number
	if json.Unmarshal(raw, &n) == nil {
		*l = loose(n.String())
	}
	return nil
}
