package sandbox

// v3Order is the order object of answers and notices (upstreams.md §3.4). What
// an unpaid order lacks is left out.
type v3Order struct {
	SpAppID        string        `json:"sp_appid,omitempty"`
	SpMchID        string        `json:"sp_mchid"`
	SubAppID       string        `json:"sub_appid,omitempty"`
	SubMchID       string        `json:"sub_mchid"`
	OutTradeNo     string        `json:"out_trade_no"`
	TransactionID  string        `json:"transaction_id,omitempty"`
	TradeType      string        `json:"trade_type,omitempty"`
	TradeState     string        `json:"trade_state,omitempty"`
	TradeStateDesc string        `json:"trade_state_desc,omitempty"`
	BankType       string        `json:"bank_type,omitempty"`
	Attach         string        `json:"attach,omitempty"`
	SuccessTime    string        `json:"success_time,omitempty"`
	Payer          *v3Payer      `json:"payer,omitempty"`
	Amount         *v3Paid       `json:"amount,omitempty"`
	SceneInfo      *v3Scene      `json:"scene_info,omitempty"`
	Promotions     []v3Promotion `json:"promotion_detail,omitempty"`
}

// v3Payer is the customer towards the two applications of an order.
type v3Payer struct {
	SpOpenID  string `json:"sp_openid,omitempty"`
	SubOpenID string `json:"sub_openid,omitempty"`
}

// v3Paid is an order's amount; what the payer paid stands only where it is paid.
type v3Paid struct {
	Total         Fen    `json:"total"`
	PayerTotal    *Fen   `json:"payer_total,omitempty"`
	Currency      string `json:"currency"`
	PayerCurrency string `json:"payer_currency,omitempty"`
}

// v3Scene is where an order was paid.
type v3Scene struct {
	DeviceID string `json:"device_id"`
}

// v3Promotion is one coupon that paid a part of an order.
type v3Promotion struct {
	CouponID            string `json:"coupon_id"`
	Name                string `json:"name"`
	Scope               string `json:"scope"`
	Type                string `json:"type"`
	Amount              Fen    `json:"amount"`
	StockID             string `json:"stock_id"`
	WechatpayContribute Fen    `json:"wechatpay_contribute"`
	MerchantContribute  Fen    `json:"merchant_contribute"`
	OtherContribute     Fen    `json:"other_contribute"`
	Currency            string `json:"currency"`
}

// orderV3 is the order object of a trade towards a caller.
func (r *v3Request) orderV3(t *trade, state string, paid bool) v3Order {
	return orderV3(r.provider.account, t, state, paid)
}

// orderV3 is the order object of a trade in a state; paid says whether it tells
// of money.
func orderV3(account WeChatAccount, t *trade, state string, paid bool) v3Order {
	o := v3Order{
		SpAppID: account.AppID, SpMchID: account.MchID, SubAppID: t.memo.SubAppID, SubMchID: t.merchant, OutTradeNo: t.outTradeNo,
		TradeState: state, TradeStateDesc: wxStateWords(state), Attach: t.memo.Attach,
	}
	if t.total > 0 {
		o.Amount = &v3Paid{Total: t.total, Currency: "CNY"}
	}
	if t.memo.DeviceInfo != "" {
		o.SceneInfo = &v3Scene{DeviceID: t.memo.DeviceInfo}
	}
	if !paid {
		return o
	}
	o.TransactionID, o.TradeType, o.BankType, o.SuccessTime = t.tradeNo, t.memo.Kind, "OTHERS", rfc3339(t.paidMS)
	if o.TradeType == "" {
		o.TradeType = "MICROPAY"
	}
	o.Payer = &v3Payer{SpOpenID: openID(account.AppID, t.customer)}
	if t.memo.SubAppID != "" {
		o.Payer.SubOpenID = openID(t.memo.SubAppID, t.customer)
	}
	o.Amount.PayerTotal, o.Amount.PayerCurrency = new(t.total-t.couponTotal()), "CNY"
	for _, c := range t.memo.Coupons {
		p := v3Promotion{
			CouponID: c.ID, Name: "沙箱代金券", Scope: "GLOBAL", Type: "CASH", Amount: c.Amount, StockID: c.ID[:8],
			WechatpayContribute: c.Amount, Currency: "CNY",
		}
		if !c.Cash {
			p.Type, p.WechatpayContribute, p.MerchantContribute = "NOCASH", 0, c.Amount
		}
		o.Promotions = append(o.Promotions, p)
	}
	return o
}

// v3RefundState is a refund's state in APIv3's words.
func v3RefundState(state refundState) string {
	switch state {
	case refundProcessing:
		return "PROCESSING"
	case refundSuccess:
		return "SUCCESS"
	case refundClosed:
		return "CLOSED"
	case refundAbnormal:
		return "ABNORMAL"
	}
	panic("sandbox: unknown refund state " + string(state))
}

// v3Refund is the refund object of answers (upstreams.md §3.6).
type v3Refund struct {
	RefundID      string              `json:"refund_id"`
	OutRefundNo   string              `json:"out_refund_no"`
	TransactionID string              `json:"transaction_id"`
	OutTradeNo    string              `json:"out_trade_no"`
	Channel       string              `json:"channel"`
	Received      string              `json:"user_received_account"`
	SuccessTime   string              `json:"success_time,omitempty"`
	CreateTime    string              `json:"create_time"`
	Status        string              `json:"status"`
	FundsAccount  string              `json:"funds_account"`
	Amount        v3Back              `json:"amount"`
	Promotions    []v3RefundPromotion `json:"promotion_detail"`
}

// v3Back is a refund's amount and the order's beside it.
type v3Back struct {
	Total            Fen      `json:"total"`
	Refund           Fen      `json:"refund"`
	From             []v3From `json:"from"`
	PayerTotal       Fen      `json:"payer_total"`
	PayerRefund      Fen      `json:"payer_refund"`
	SettlementRefund Fen      `json:"settlement_refund"`
	SettlementTotal  Fen      `json:"settlement_total"`
	DiscountRefund   Fen      `json:"discount_refund"`
	Currency         string   `json:"currency"`
	RefundFee        Fen      `json:"refund_fee"`
}

// v3From is a part of a refund by the account it comes from.
type v3From struct {
	Account string `json:"account"`
	Amount  Fen    `json:"amount"`
}

// v3RefundPromotion is what of a coupon a refund gives back.
type v3RefundPromotion struct {
	PromotionID  string `json:"promotion_id"`
	Scope        string `json:"scope"`
	Type         string `json:"type"`
	Amount       Fen    `json:"amount"`
	RefundAmount Fen    `json:"refund_amount"`
}

// received is where the sandbox's customers get their money.
const received = "支付用户零钱"

// refundV3 is the refund object of a refund.
func refundV3(t *trade, r *refund, state string) v3Refund {
	back := t.backOf(r, t.couponTotal())
	out := v3Refund{
		RefundID: r.refundID, OutRefundNo: r.outRefundNo, TransactionID: t.tradeNo, OutTradeNo: t.outTradeNo, Channel: "ORIGINAL",
		Received: received, CreateTime: rfc3339(r.acceptedMS), Status: state, FundsAccount: "UNSETTLED",
		Amount: v3Back{
			Total: t.total, Refund: r.amount, From: []v3From{}, PayerTotal: t.total - t.couponTotal(), PayerRefund: r.amount - back,
			SettlementRefund: r.amount - t.backOf(r, t.uncashed()), SettlementTotal: t.total - t.uncashed(), DiscountRefund: back, Currency: "CNY",
		},
		Promotions: []v3RefundPromotion{},
	}
	if r.account == refundRecharge {
		out.FundsAccount = fundsAvailable
	}
	if state == "SUCCESS" && r.state == refundSuccess {
		out.SuccessTime = rfc3339(r.doneMS)
	}
	left := back
	for i, c := range t.memo.Coupons {
		part := min(left, t.backOf(r, c.Amount))
		if i == len(t.memo.Coupons)-1 {
			part = left
		}
		left -= part
		kind := "COUPON"
		if !c.Cash {
			kind = "DISCOUNT"
		}
		out.Promotions = append(out.Promotions, v3RefundPromotion{PromotionID: c.ID, Scope: "GLOBAL", Type: kind, Amount: c.Amount, RefundAmount: part})
	}
	return out
}
