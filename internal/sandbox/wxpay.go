package sandbox

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"strconv"
	"strings"
	"time"
	"unicode/utf8"
)

// Field lengths of micropay (upstreams.md §2.2).
const (
	maxWxBodyField = 128
	maxWxAttach    = 127
	maxWxNumber    = 32
	maxWxRefundNo  = 64
	maxWxDevice    = 32
	maxWxPage      = 20 // refunds on one page of refundquery
)

// wxState is the trade's state in WeChat's words (upstreams.md §2.4). A refund
// of a single fen already turns SUCCESS into REFUND; only refundquery tells
// how much. CLOSED and REVOKED differ in who ended the trade, and neither
// holds money.
func wxState(t *trade) string {
	if t.open() && t.memo.Kind != "" {
		return "NOTPAY" // USERPAYING and PAYERROR are words of code payments (§3.4)
	}
	switch t.state {
	case tradeWaiting:
		return "USERPAYING"
	case tradeUnpaid:
		return "NOTPAY"
	case tradeFailed:
		return "PAYERROR"
	case tradePaid:
		if t.reserved > 0 {
			return "REFUND"
		}
		return "SUCCESS"
	case tradeClosed:
		return "CLOSED"
	case tradeReversed:
		return "REVOKED"
	}
	panic("sandbox: unknown trade state " + string(t.state))
}

// wireState is the trade's real state in its wallet's words.
func (t *trade) wireState(now time.Time) string {
	if t.channel == WeChat {
		return wxState(t)
	}
	return aliState(t, now)
}

// wxStateText is the trade_state_desc of each state.
var wxStateText = map[string]string{
	"SUCCESS": "支付成功", "REFUND": "转入退款", "NOTPAY": "订单未支付", "CLOSED": "订单已关闭", "REVOKED": "订单已撤销",
	"USERPAYING": "用户支付中，需要输入密码", "PAYERROR": "支付失败，请撤销订单重新扫码支付", "ACCEPT": "已接收，等待扣款",
}

// wxMicropay charges the customer behind a payment code, POST /pay/micropay.
// Success means charged; USERPAYING that the phone asks for the password. No
// notice will ever follow: the caller has to ask (upstreams.md §2.3).
func (s *Sandbox) wxMicropay(ctx context.Context, tx *txn, r *wxRequest) (wxAnswer, error) {
	f := r.fields
	total, expireMS, refusal := checkMicropay(f, tx.now, s.c.Strict)
	if refusal.code != "" {
		return refusal, nil
	}
	// A code of the wrong form never reaches a customer, so none is used up.
	code := f.get("auth_code")
	if len(code) != 18 || !allDigits(code) || code < "10" || code >= "16" {
		return wxRefuse("AUTH_CODE_INVALID", "请扫描微信支付付款码(以10-15开头的18位纯数字)"), nil
	}
	t, result, err := s.charge(ctx, tx, payment{
		channel: WeChat, provider: r.provider.account.MchID, merchant: r.merchant.SubMchID, outTradeNo: f.get("out_trade_no"),
		total: total, code: code, expireMS: expireMS, context: wxContext(f),
		memo: memo{
			SubAppID: f.get("sub_appid"), Attach: f.get("attach"), DeviceInfo: f.get("device_info"), Subject: f.get("body"),
			Options: options(wxOptions, f.get),
		},
	}, r.eff)
	if err != nil {
		return wxAnswer{}, err
	}
	return s.wxPayAnswer(r, t, result), nil
}

// wxPayAnswer puts what became of a charge into WeChat's words (upstreams.md
// §2.3). USERPAYING is an err_code although nothing failed, which is one of
// the traps of v2.
func (s *Sandbox) wxPayAnswer(r *wxRequest, t *trade, result payResult) wxAnswer {
	switch result {
	case payDone:
		return wxAnswer{fields: wxPaidFields(r.provider.account.AppID, t)}
	case payAsksPassword, payNumberWaits:
		return wxRefuse("USERPAYING", "需要用户输入支付密码")
	case payCodeUnknown:
		return wxRefuse("AUTH_CODE_INVALID", "付款码无效，请刷新后再扫")
	case payCodeUsed:
		return wxRefuse("AUTH_CODE_ERROR", "付款码已使用过，请刷新后再扫")
	case payCodeExpired:
		return wxRefuse("AUTHCODEEXPIRE", "付款码已过期，请刷新后再扫")
	case payShort:
		return wxRefuse("NOTENOUGH", "余额不足")
	case payAlreadyPaid:
		return wxRefuse("ORDERPAID", "订单已支付")
	case payAlreadyClosed, payExpired:
		return wxRefuse("ORDERCLOSED", "订单已关闭")
	case payAlreadyUndone:
		return wxRefuse("ORDERREVERSED", "订单已撤销")
	case payNumberUsed:
		return wxRefuse("OUT_TRADE_NO_USED", "商户订单号重复")
	case payOtherCustomer:
		return wxRefuse("BUYER_MISMATCH", "支付账号不一致")
	}
	panic("sandbox: unknown result of a charge " + strconv.Itoa(int(result)))
}

// checkMicropay looks at what micropay alone requires and reads the amount and
// the expiry. An expiry that has passed is not refused here but by the charge,
// after the number was looked at: a late repeat of a paid order must still
// hear that it is paid.
func checkMicropay(f wxFields, now time.Time, strict bool) (total Fen, expireMS int64, refusal wxAnswer) {
	total, ok := parseFen(f.get("total_fee"))
	switch {
	case !ok:
		return 0, 0, wxRefuse("PARAM_ERROR", "total_fee参数格式错误")
	case !validWxNumber(f.get("out_trade_no"), maxWxNumber):
		return 0, 0, wxRefuse("PARAM_ERROR", "out_trade_no参数格式错误")
	case utf8.RuneCountInString(f.get("body")) > maxWxBodyField:
		return 0, 0, wxRefuse("PARAM_ERROR", "body长度超过128")
	case utf8.RuneCountInString(f.get("attach")) > maxWxAttach:
		return 0, 0, wxRefuse("PARAM_ERROR", "attach长度超过127")
	case len(f.get("device_info")) > maxWxDevice:
		return 0, 0, wxRefuse("PARAM_ERROR", "device_info长度超过32")
	case f.get("fee_type") != "" && f.get("fee_type") != "CNY":
		return 0, 0, wxRefuse("PARAM_ERROR", "fee_type只支持CNY")
	}
	// The moment is Beijing's, whatever zone the caller lives in.
	if text := f.get("time_expire"); text != "" {
		expire, err := time.ParseInLocation(wxTime, text, beijing)
		if err != nil {
			return 0, 0, wxRefuse("PARAM_ERROR", "time_expire参数格式错误")
		}
		if strict && expire.After(now) && expire.Before(now.Add(time.Minute)) {
			return 0, 0, wxRefuse("PARAM_ERROR", "time_expire距现在不足1分钟")
		}
		expireMS = expire.UnixMilli()
	}
	return total, expireMS, wxAnswer{}
}

// validWxNumber checks a merchant's number: letters, digits and _ - | * @, up
// to a length in bytes. Alipay's numbers are held to the same alphabet.
func validWxNumber(no string, longest int) bool {
	if no == "" || len(no) > longest {
		return false
	}
	for _, c := range []byte(no) {
		if !isAlnum(c) && !strings.ContainsRune("_-|*@", rune(c)) {
			return false
		}
	}
	return true
}

// wxContext is what a repeated micropay must equal: all but the code, the
// nonce, the signature and the times.
func wxContext(f wxFields) string {
	h := sha256.New()
	for _, name := range []string{"total_fee", "body", "attach", "detail", "device_info", "sub_appid", "fee_type", "goods_tag", "limit_pay"} {
		_, _ = h.Write([]byte(name + "=" + f.get(name) + "\n")) // a hash never fails
	}
	return hex.EncodeToString(h.Sum(nil)[:16])
}

// wxPaidFields is the element set of a charged trade.
func wxPaidFields(appID string, t *trade) wxFields {
	var f wxFields
	f = f.with("device_info", t.memo.DeviceInfo)
	f = f.with("openid", openID(appID, t.customer))
	f = f.with("is_subscribe", "N")
	if t.memo.SubAppID != "" {
		f = f.with("sub_openid", openID(t.memo.SubAppID, t.customer))
		f = f.with("sub_is_subscribe", "N")
	}
	kind := t.memo.Kind
	if kind == "" {
		kind = "MICROPAY"
	}
	f = f.with("trade_type", kind)
	f = f.with("bank_type", "OTHERS")
	f = f.with("fee_type", "CNY")
	f = f.with("total_fee", t.total.fenText())
	f = f.with("settlement_total_fee", (t.total - t.uncashed()).fenText())
	f = f.with("cash_fee_type", "CNY")
	f = f.with("cash_fee", (t.total - t.couponTotal()).fenText())
	f = append(f, wxCoupons(t)...)
	f = f.with("transaction_id", t.tradeNo)
	f = f.with("out_trade_no", t.outTradeNo)
	f = f.with("attach", t.memo.Attach)
	f = f.with("time_end", at(t.paidMS).Format(wxTime))
	return f
}

// wxFind finds the trade a call names, transaction_id first. It looks only
// under the calling merchant: another merchant's trade does not exist for it.
// A nil trade with an empty refusal means there is none.
func (s *Sandbox) wxFind(ctx context.Context, tx *txn, r *wxRequest) (*trade, wxAnswer, error) {
	no, outNo := r.fields.get("transaction_id"), r.fields.get("out_trade_no")
	if no == "" && outNo == "" {
		return nil, wxRefuse("LACK_PARAMS", "transaction_id和out_trade_no至少填一个"), nil
	}
	t, err := s.findTrade(ctx, tx, WeChat, r.merchant.SubMchID, no, outNo)
	return t, wxAnswer{}, err
}

// wxOrderQuery tells the state of a trade, POST /pay/orderquery, or what a
// fault makes it say. Unpaid states carry the number and the state only; the
// amounts appear with the money (upstreams.md §2.2).
func (s *Sandbox) wxOrderQuery(ctx context.Context, tx *txn, r *wxRequest) (wxAnswer, error) {
	t, refusal, err := s.wxFind(ctx, tx, r)
	if err != nil || refusal.code != "" {
		return refusal, err
	}
	if t == nil && r.eff.state == "" {
		return wxRefuse("ORDERNOTEXIST", "此交易订单号不存在"), nil
	}
	if t == nil {
		t = &trade{channel: WeChat, outTradeNo: r.fields.get("out_trade_no"), state: tradeUnpaid}
	}
	state, paid := wxTold(t, r.eff, tx.now)
	var f wxFields
	if paid {
		f = wxPaidFields(r.provider.account.AppID, t)
	} else {
		f = f.with("out_trade_no", t.outTradeNo)
	}
	f = f.with("trade_state", state)
	f = f.with("trade_state_desc", wxStateWords(state))
	return wxAnswer{fields: f}, nil
}

// wxTold is the state a query tells, and whether it tells of money that was
// taken. The nearest lie wins: this call's, then the trade's own.
func wxTold(t *trade, eff *effect, now time.Time) (state string, paid bool) {
	state = wxState(t)
	switch {
	case eff.state != "":
		state = eff.state
	case t.lie && t.state == tradePaid:
		state = "PAYERROR"
	case t.unseen(now) && t.memo.Kind != "":
		state = "NOTPAY"
	case t.unseen(now):
		state = "USERPAYING"
	}
	return state, t.paidMS > 0 && (state == "SUCCESS" || state == "REFUND" || state == "REVOKED" && !eff.bare)
}

// wxStateWords is the trade_state_desc of a state; one that WeChat does not
// know, which a fault can ask for, is its own.
func wxStateWords(state string) string {
	if text := wxStateText[state]; text != "" {
		return text
	}
	return state
}

// wxReverse undoes a payment, POST /secapi/pay/reverse (upstreams.md §2.5): an
// unpaid order is closed, a paid one returned in full, at once. A number never
// seen is buried, so that its charge is refused should it still arrive.
// recall=N on every success says that no repetition is asked for.
func (s *Sandbox) wxReverse(ctx context.Context, tx *txn, r *wxRequest) (wxAnswer, error) {
	t, refusal, err := s.wxFind(ctx, tx, r)
	if err != nil || refusal.code != "" {
		return refusal, err
	}
	done := wxAnswer{fields: wxFields{{"recall", "N"}}}
	if t == nil {
		outNo := r.fields.get("out_trade_no")
		if !validWxNumber(outNo, maxWxNumber) {
			return wxRefuse("ORDERNOTEXIST", "订单不存在"), nil
		}
		if r.eff.noEffect {
			return done, nil
		}
		return done, s.bury(ctx, tx, r.provider.account.MchID, r.merchant.SubMchID, outNo)
	}
	if t.memo.Kind != "" {
		return wxRefuse("INVALID_REQUEST", "仅付款码支付可撤销，请关闭订单或退款"), nil
	}
	result, err := s.reverse(ctx, tx, t, r.eff)
	if err != nil {
		return wxAnswer{}, err
	}
	switch result {
	case undoClosed, undoReturned, undoNothing:
		return done, nil
	case undoTooEarly:
		return wxRefuse("INVALID_REQUEST", "支付请求发出15秒后才能撤销"), nil
	case undoTooLate, undoFinal:
		return wxRefuse("REVERSE_EXPIRE", "订单已超过7天，无法撤销，请退款"), nil
	case undoRefunded:
		return wxRefuse("TRADE_STATE_ERROR", "订单已有退款，无法撤销"), nil
	case undoPaying:
		return wxRefuse("USERPAYING", "用户支付中，无法撤销"), nil
	case undoShort: // Alipay's
	}
	panic("sandbox: unknown result of a reverse " + strconv.Itoa(int(result)))
}

// wxCloseOrder closes an unpaid trade, POST /pay/closeorder. It exists for QR
// orders; on an open password dialogue it has the effect a reverse would have,
// but a paid trade refuses it (upstreams.md §2.6).
func (s *Sandbox) wxCloseOrder(ctx context.Context, tx *txn, r *wxRequest) (wxAnswer, error) {
	t, refusal, err := s.wxFind(ctx, tx, r)
	if err != nil || refusal.code != "" {
		return refusal, err
	}
	switch {
	case t == nil:
		return wxRefuse("ORDERNOTEXIST", "订单不存在"), nil
	case t.state == tradePaid:
		return wxRefuse("ORDERPAID", "订单已支付"), nil
	case !t.open():
		return wxRefuse("ORDERCLOSED", "订单已关闭"), nil
	case s.c.Strict && tx.nowMS()-t.createdMS < closeWait.Milliseconds():
		return wxRefuse("INVALID_REQUEST", "订单生成后5分钟内不能关闭"), nil
	}
	return wxAnswer{fields: wxFields{{"result_msg", "OK"}}}, s.shut(ctx, tx, t)
}
