package sandbox

import (
	"context"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"time"
)

// apiV3 marks in an order's or a refund's memo that it came by APIv3, so that
// its notices do, too.
const apiV3 = "v3"

// signRSA is the signType of an order prepared with APIv3.
const signRSA = "RSA"

// Field lengths of APIv3 (upstreams.md §3.4–3.6).
const (
	maxV3Description = 127
	maxV3Attach      = 128
	maxV3GoodsTag    = 32
	minV3Number      = 6
	maxV3NotifyURL   = 255
	maxV3ID          = 128
	minV3Expiry      = time.Minute
)

// v3Partner are the members that say for whom an order call is made.
var v3Partner = []v3Rule{
	{field: "sp_mchid", need: true, most: maxWxNumber},
	{field: "sub_mchid", need: true, most: maxWxNumber},
}

// v3Common are the members that every way to make an order has.
var v3Common = slices.Concat(v3Partner, []v3Rule{
	need("sp_appid", maxWxNumber),
	may("sub_appid", maxWxNumber),
	need("description", maxV3Description),
	may("attach", maxV3Attach),
	may("goods_tag", maxV3GoodsTag),
	{field: "amount", kind: v3Object, need: true},
	{field: "amount.total", kind: v3Amount, need: true},
	{field: "amount.currency", most: 16, valid: func(v string) bool { return v == "CNY" }},
	{field: "scene_info", kind: v3Object},
	{field: "settle_info", kind: v3Object},
	{field: "detail", kind: v3Object},
})

// v3Prepare are the members of every order that is paid later.
var v3Prepare = slices.Concat(v3Common, []v3Rule{
	{field: "out_trade_no", need: true, least: minV3Number, most: maxWxNumber, valid: validV3Number},
	{field: "notify_url", need: true, most: maxV3NotifyURL, valid: validNotifyURL},
	{field: "time_expire", most: 64, valid: validV3Time},
})

// v3OrderOps are the calls about orders.
var v3OrderOps = []v3Op{
	{
		method: http.MethodPost, path: "/v3/pay/partner/transactions/codepay", endpoint: EndpointPay, run: (*Sandbox).v3Codepay,
		rules: slices.Concat(v3Common, []v3Rule{
			{field: "out_trade_no", need: true, most: maxWxNumber, valid: validV3Number},
			{field: "payer", kind: v3Object, need: true},
			need("payer.auth_code", maxV3ID),
			{field: "scene_info", kind: v3Object, need: true},
			may("scene_info.device_id", maxWxDevice),
		}),
	},
	prepareOp("native", kindNative),
	prepareOp("jsapi", kindJSAPI, v3Rule{field: "payer", kind: v3Object, need: true}),
	prepareOp("app", kindApp),
	prepareOp("h5", kindMweb, v3Rule{field: "scene_info", kind: v3Object, need: true}, need("scene_info.payer_client_ip", 45),
		v3Rule{field: "scene_info.h5_info", kind: v3Object, need: true}, need("scene_info.h5_info.type", 32)),
	{
		method: http.MethodGet, path: "/v3/pay/partner/transactions/id/{transaction_id}", endpoint: EndpointQuery,
		rules: v3Partner, run: (*Sandbox).v3OrderQuery,
	},
	{
		method: http.MethodGet, path: "/v3/pay/partner/transactions/out-trade-no/{out_trade_no}", endpoint: EndpointQuery,
		rules: v3Partner, run: (*Sandbox).v3OrderQuery,
	},
	{
		method: http.MethodPost, path: "/v3/pay/partner/transactions/out-trade-no/{out_trade_no}/close", endpoint: EndpointClose,
		rules: v3Partner, run: (*Sandbox).v3Close,
	},
	{
		method: http.MethodPost, path: "/v3/pay/partner/transactions/out-trade-no/{out_trade_no}/reverse", endpoint: EndpointReverse,
		rules: v3Partner, run: (*Sandbox).v3Reverse,
	},
}

// prepareOp is one way to prepare an order.
func prepareOp(name, kind string, rules ...v3Rule) v3Op {
	return v3Op{
		method: http.MethodPost, path: "/v3/pay/partner/transactions/" + name, endpoint: EndpointPrepay, rules: slices.Concat(v3Prepare, rules),
		run: func(s *Sandbox, ctx context.Context, tx *txn, r *v3Request) (v3Answer, error) {
			return s.v3PrepareOrder(ctx, tx, r, kind)
		},
	}
}

// validV3Number checks a merchant's number as APIv3 does.
func validV3Number(no string) bool {
	return validWxNumber(no, maxWxNumber) && !strings.ContainsAny(no, "|@")
}

// validV3Time checks a time.
func validV3Time(text string) bool {
	_, err := time.Parse(time.RFC3339, text)
	return err == nil
}

// v3Options are the members that only say how an order may be paid, described
// or shown, by the names v2 has for them where it has any.
var v3Options = map[string]string{
	"detail": "detail", "attach": "attach", "goods_tag": "goods_tag", "scene_info": "scene_info", "time_expire": "time_expire",
	"receipt": "support_fapiao", "settle_info": "settle_info",
}

// v3Memo is what later calls, phones and notices need of an order.
func v3Memo(r *v3Request, kind string) memo {
	f := r.fields
	names := make([]string, 0, len(v3Options))
	for name := range v3Options {
		names = append(names, name)
	}
	m := memo{
		API: apiV3, SubAppID: f.text("sub_appid"), Attach: f.text("attach"), DeviceInfo: f.text("scene_info.device_id"),
		Subject: f.text("description"), Kind: kind, AppID: f.text("sp_appid"), SignType: signRSA, NotifyURL: f.text("notify_url"),
		Options: options(names, func(name string) string { return f.option(v3Options[name]) }),
	}
	if kind == "" { // a code payment has no notices and nothing to invoke
		m.SignType = ""
		return m
	}
	m.PayerApp = m.AppID
	switch {
	case kind == kindJSAPI && f.text("payer.sub_openid") != "":
		m.PayerApp, m.Payer = m.SubAppID, f.text("payer.sub_openid")
	case kind == kindJSAPI:
		m.Payer = f.text("payer.sp_openid")
	case m.SubAppID != "":
		m.PayerApp = m.SubAppID
	}
	return m
}

// v3Codepay charges the customer behind a payment code (upstreams.md §3.5): 200
// with the order when it is charged, 202 when the phone asks for the password.
// No notice will follow.
func (s *Sandbox) v3Codepay(ctx context.Context, tx *txn, r *v3Request) (v3Answer, error) {
	f := r.fields
	code := f.text("payer.auth_code")
	if len(code) != 18 || !allDigits(code) || code < "10" || code >= "16" {
		return v3Refuse("AUTH_CODE_INVALID", "请扫描微信支付付款码(以10-15开头的18位纯数字)"), nil
	}
	total, _ := f.fen("amount.total")
	t, result, err := s.charge(ctx, tx, payment{
		channel: WeChat, provider: r.provider.account.MchID, merchant: r.merchant.SubMchID, outTradeNo: f.text("out_trade_no"),
		total: total, code: code, context: f.context("payer"), memo: v3Memo(r, ""),
	}, r.eff)
	if err != nil {
		return v3Answer{}, err
	}
	switch result {
	case payDone:
		return v3Answer{body: r.orderV3(t, wxState(t), true)}, nil
	case payAsksPassword, payNumberWaits:
		return v3Answer{status: http.StatusAccepted, body: map[string]string{"trade_state": "USERPAYING"}}, nil
	case payCodeUnknown:
		return v3Refuse("AUTH_CODE_INVALID", "付款码无效，请刷新后再扫"), nil
	case payCodeUsed:
		return v3Refuse("AUTH_CODE_ERROR", "付款码已使用过，请刷新后再扫"), nil
	case payCodeExpired:
		return v3Refuse("AUTHCODEEXPIRE", "付款码已过期，请刷新后再扫"), nil
	case payShort:
		return v3Refuse("NOT_ENOUGH", "余额不足"), nil
	case payAlreadyPaid:
		return v3Refuse("ORDERPAID", "订单已支付"), nil
	case payAlreadyClosed, payExpired:
		return v3Refuse("ORDER_CLOSED", "订单已关闭"), nil
	case payAlreadyUndone:
		return v3Refuse("ORDERREVERSED", "订单已撤销"), nil
	case payNumberUsed:
		return v3Refuse("OUT_TRADE_NO_USED", "商户订单号重复"), nil
	case payOtherCustomer:
		return v3Refuse("BUYER_MISMATCH", "支付账号不一致"), nil
	}
	panic("sandbox: unknown result of a charge " + strconv.Itoa(int(result)))
}

// v3PrepareOrder prepares an order that a customer pays later. The same number
// with the same parameters gets a fresh handle (upstreams.md §3.4).
func (s *Sandbox) v3PrepareOrder(ctx context.Context, tx *txn, r *v3Request, kind string) (v3Answer, error) {
	f := r.fields
	if kind == kindJSAPI {
		sp, sub := f.text("payer.sp_openid"), f.text("payer.sub_openid")
		switch {
		case sp == "" && sub == "":
			return v3Field("payer", f.at("payer"), "sp_openid和sub_openid至少填一个"), nil
		case sub != "" && f.text("sub_appid") == "":
			return v3Field("sub_appid", nil, "传sub_openid时必填"), nil
		}
	}
	total, _ := f.fen("amount.total")
	p := payment{
		channel: WeChat, provider: r.provider.account.MchID, merchant: r.merchant.SubMchID, outTradeNo: f.text("out_trade_no"),
		total: total, context: f.context(), memo: v3Memo(r, kind),
	}
	if expire, err := time.Parse(time.RFC3339, f.text("time_expire")); err == nil {
		if left := expire.Sub(tx.now); s.c.Strict && left > 0 && left < minV3Expiry {
			return v3Field("time_expire", f.text("time_expire"), "距现在不足1分钟"), nil
		}
		p.expireMS = expire.UnixMilli()
	}
	opener, result, err := s.prepareWx(ctx, tx, p, r.eff)
	if err != nil {
		return v3Answer{}, err
	}
	switch result {
	case prepareDone:
	case prepareExpired:
		return v3Field("time_expire", f.text("time_expire"), "已过"), nil
	case preparePaid:
		return v3Refuse("ORDERPAID", "该订单已支付"), nil
	case prepareClosed:
		return v3Refuse("ORDER_CLOSED", "该订单已关闭"), nil
	case prepareDiffers:
		return v3Refuse("OUT_TRADE_NO_USED", "商户订单号重复，参数与首次下单不一致"), nil
	}
	switch kind {
	case kindNative:
		return v3Answer{body: map[string]string{"code_url": opener.link}}, nil
	case kindMweb:
		return v3Answer{body: map[string]string{"h5_url": opener.link}}, nil
	}
	return v3Answer{body: map[string]string{"prepay_id": opener.no}}, nil
}

// v3Field refuses a member of the body.
func v3Field(field string, value any, issue string) v3Answer {
	return v3Answer{code: "PARAM_ERROR", text: "参数错误: " + field + " " + issue, detail: &v3Detail{
		Field: "/" + strings.ReplaceAll(field, ".", "/"), Value: value, Issue: issue, Location: "body",
	}}
}

// findV3Order finds the order that a call's path names.
func (s *Sandbox) findV3Order(ctx context.Context, tx *txn, r *v3Request) (*trade, error) {
	return s.findTrade(ctx, tx, WeChat, r.merchant.SubMchID, r.path["transaction_id"], r.path["out_trade_no"])
}

// v3OrderQuery tells the state of an order, or what a fault makes it say.
func (s *Sandbox) v3OrderQuery(ctx context.Context, tx *txn, r *v3Request) (v3Answer, error) {
	t, err := s.findV3Order(ctx, tx, r)
	if err != nil {
		return v3Answer{}, err
	}
	if t == nil && r.eff.state == "" {
		return v3Refuse("ORDER_NOT_EXIST", "订单不存在"), nil
	}
	if t == nil {
		t = &trade{channel: WeChat, provider: r.provider.account.MchID, merchant: r.merchant.SubMchID, outTradeNo: r.path["out_trade_no"], state: tradeUnpaid}
	}
	state, paid := wxTold(t, r.eff, tx.now)
	return v3Answer{body: r.orderV3(t, state, paid)}, nil
}

// v3Close closes an unpaid order: 204, as often as it is asked for.
func (s *Sandbox) v3Close(ctx context.Context, tx *txn, r *v3Request) (v3Answer, error) {
	t, err := s.findV3Order(ctx, tx, r)
	if err != nil {
		return v3Answer{}, err
	}
	done := v3Answer{status: http.StatusNoContent}
	switch {
	case t == nil:
		return v3Refuse("ORDER_NOT_EXIST", "订单不存在"), nil
	case t.state == tradePaid:
		return v3Refuse("ORDERPAID", "订单已支付"), nil
	case t.state == tradeClosed:
		return done, nil
	case !t.open():
		return v3Refuse("ORDER_CLOSED", "订单已撤销"), nil
	case s.c.Strict && tx.nowMS()-t.createdMS < closeWait.Milliseconds():
		return v3Refuse("INVALID_REQUEST", "订单生成后5分钟内不能关闭"), nil
	}
	return done, s.shut(ctx, tx, t)
}

// v3Reverse undoes a code payment (upstreams.md §3.5) by v2's rules. A number
// never seen is buried.
func (s *Sandbox) v3Reverse(ctx context.Context, tx *txn, r *v3Request) (v3Answer, error) {
	t, err := s.findV3Order(ctx, tx, r)
	if err != nil {
		return v3Answer{}, err
	}
	account, outNo := r.provider.account, r.path["out_trade_no"]
	done := v3Answer{body: v3Order{
		SpAppID: account.AppID, SpMchID: account.MchID, SubAppID: r.fields.text("sub_appid"), SubMchID: r.merchant.SubMchID, OutTradeNo: outNo,
	}}
	switch {
	case t == nil && !validWxNumber(outNo, maxWxNumber):
		return v3Refuse("ORDER_NOT_EXIST", "订单不存在"), nil
	case t == nil && r.eff.noEffect:
		return done, nil
	case t == nil:
		return done, s.bury(ctx, tx, account.MchID, r.merchant.SubMchID, outNo)
	case t.memo.Kind != "":
		return v3Refuse("INVALID_REQUEST", "仅付款码支付可撤销，请关闭订单或退款"), nil
	}
	result, err := s.reverse(ctx, tx, t, r.eff)
	if err != nil {
		return v3Answer{}, err
	}
	switch result {
	case undoClosed, undoReturned, undoNothing:
		return done, nil
	case undoTooEarly:
		return v3Refuse("INVALID_REQUEST", "支付请求发出15秒后才能撤销"), nil
	case undoTooLate, undoFinal:
		return v3Refuse("REVERSE_EXPIRE", "订单已超过7天，无法撤销，请退款"), nil
	case undoRefunded:
		return v3Refuse("TRADE_ERROR", "订单已有退款，无法撤销"), nil
	case undoShort:
		return v3Refuse("NOT_ENOUGH", "商户余额不足，无法撤销"), nil
	case undoPaying:
		return v3Refuse("USERPAYING", "用户支付中，无法撤销"), nil
	}
	panic("sandbox: unknown result of a reverse " + strconv.Itoa(int(result)))
}
