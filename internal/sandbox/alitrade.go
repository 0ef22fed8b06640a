package sandbox

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"slices"
	"strconv"
	"strings"
	"time"
	"unicode/utf8"
)

// Field lengths and spans of alipay.trade.* (upstreams.md §4.4).
const (
	maxAliNumber   = 64
	maxAliSubject  = 256
	maxAliTimeout  = 15 * 24 * time.Hour
	aliAmountForm  = "total_amount必须是0.01到100000000之间、最多两位小数的金额"
	aliNumberNeeds = "out_trade_no和trade_no不能同时为空"
)

// aliText is a member that clients send as text or as a number.
type aliText string

// UnmarshalJSON takes a string or a number, the latter by its digits.
func (t *aliText) UnmarshalJSON(raw []byte) error {
	var text string
	if len(raw) > 0 && raw[0] != '"' && string(raw) != "null" {
		var n json.Number
		if err := json.Unmarshal(raw, &n); err != nil {
			return err
		}
		text = n.String()
	} else if err := json.Unmarshal(raw, &text); err != nil {
		return err
	}
	*t = aliText(strings.TrimSpace(text))
	return nil
}

// aliBiz is the content of the calls. Upstream ignores members it does not
// know, and so does the sandbox.
type aliBiz struct {
	OutTradeNo     aliText  `json:"out_trade_no"`
	TradeNo        aliText  `json:"trade_no"`
	TotalAmount    aliText  `json:"total_amount"`
	Subject        aliText  `json:"subject"`
	AuthCode       aliText  `json:"auth_code"`
	Scene          aliText  `json:"scene"`
	ProductCode    aliText  `json:"product_code"`
	StoreID        aliText  `json:"store_id"`
	TerminalID     aliText  `json:"terminal_id"`
	TimeoutExpress aliText  `json:"timeout_express"`
	TimeExpire     aliText  `json:"time_expire"`
	RefundAmount   aliText  `json:"refund_amount"`
	OutRequestNo   aliText  `json:"out_request_no"`
	QueryOptions   []string `json:"query_options"`
	BuyerID        aliText  `json:"buyer_id"`
	BuyerOpenID    aliText  `json:"buyer_open_id"`

	QRCodeTimeoutExpress aliText `json:"qr_code_timeout_express"`

	raw map[string]json.RawMessage
}

// parseAliBiz reads biz_content. That it is missing or not JSON is refused by
// the gateway; that a member is missing, by the call itself.
func parseAliBiz(text string) (aliBiz, aliAnswer) {
	var biz aliBiz
	if text == "" {
		return biz, aliRefuse("40001", "isv.missing-parameter", "缺少参数biz_content")
	}
	if !utf8.ValidString(text) {
		return biz, aliRefuse("40002", "isv.invalid-parameter", "biz_content不是UTF-8")
	}
	if json.Unmarshal([]byte(text), &biz) != nil || json.Unmarshal([]byte(text), &biz.raw) != nil {
		return biz, aliRefuse("40002", "isv.invalid-parameter", "biz_content不是合法的JSON")
	}
	return biz, aliAnswer{}
}

// aliState is the trade's state in Alipay's words. A customer who left the
// dialogue is still a buyer who has not paid (upstreams.md §8.5).
func aliState(t *trade, now time.Time) string {
	switch t.state {
	case tradeWaiting, tradeUnpaid, tradeFailed:
		return "WAIT_BUYER_PAY"
	case tradePaid:
		if t.fullyRefunded() {
			return "TRADE_CLOSED"
		}
		if t.finished(now) {
			return "TRADE_FINISHED"
		}
		return "TRADE_SUCCESS"
	case tradeClosed, tradeReversed:
		return "TRADE_CLOSED"
	}
	panic("sandbox: unknown trade state " + string(t.state))
}

// aliInvalid refuses a member of the content on the level of business.
func aliInvalid(text string) aliAnswer { return failed("ACQ.INVALID_PARAMETER", text) }

// aliPay charges the customer behind a payment code, alipay.trade.pay. 10000
// means charged; 10003 that the phone asks for the password, and then the
// trade can already be queried as WAIT_BUYER_PAY (upstreams.md §4.4, §8.5).
func (s *Sandbox) aliPay(ctx context.Context, tx *txn, r *aliRequest) (aliAnswer, error) {
	total, expireMS, refusal := checkAliPay(r.biz, tx.now)
	if refusal.code != "" {
		return refusal, nil
	}
	// Whether bar-code payments are announced is disputed; here they are when
	// the caller asks for it (upstreams.md §4.7).
	notifyURL := r.params["notify_url"]
	if notifyURL != "" && !validNotifyURL(notifyURL) {
		return aliInvalid("notify_url参数无效"), nil
	}
	b := r.biz
	t, result, err := s.charge(ctx, tx, payment{
		channel: Alipay, provider: r.app.account.AppID, merchant: r.merchant.UserID, outTradeNo: string(b.OutTradeNo),
		total: total, code: string(b.AuthCode), expireMS: expireMS, context: aliContext(b, total),
		memo: memo{
			Subject: string(b.Subject), StoreID: string(b.StoreID), TerminalID: string(b.TerminalID),
			AppID: r.app.account.AppID, ByCert: r.byCert, NotifyURL: notifyURL, Options: options(aliOptions, aliOption(b.raw)),
		},
	}, r.eff)
	if err != nil {
		return aliAnswer{}, err
	}
	switch result {
	case payDone:
		out := aliAnswer{fields: aliBuyer(r.app.account.AppID, t)}
		out.fields = out.fields.withMoney(t, aliListNames)
		out.fields = out.fields.with("gmt_payment", at(t.paidMS).Format(longDay))
		out.fields = out.fields.with("store_name", t.memo.StoreID)
		return out, nil
	case payAsksPassword, payNumberWaits:
		out := aliAnswer{code: "10003", fields: aliBuyer(r.app.account.AppID, t)}
		out.fields = out.fields.with("total_amount", t.total.Yuan())
		return out, nil
	case payCodeUnknown, payCodeUsed, payCodeExpired:
		return failed("ACQ.PAYMENT_AUTH_CODE_INVALID", "支付失败，获取顾客账户信息失败，请顾客刷新付款码后重新收款"), nil
	case payShort:
		return failed("ACQ.BUYER_BALANCE_NOT_ENOUGH", "买家余额不足"), nil
	case payAlreadyPaid:
		return failed("ACQ.TRADE_HAS_SUCCESS", "交易已被支付"), nil
	case payAlreadyClosed, payAlreadyUndone:
		return failed("ACQ.TRADE_HAS_CLOSE", "交易已经关闭"), nil
	case payNumberUsed:
		return failed("ACQ.CONTEXT_INCONSISTENT", "交易信息被篡改"), nil
	case payOtherCustomer:
		return failed("ACQ.TRADE_BUYER_NOT_MATCH", "交易买家不匹配"), nil
	case payExpired:
		return failed("ACQ.NOW_TIME_AFTER_EXPIRE_TIME_ERROR", "当前时间已超过允许支付的时间"), nil
	}
	panic("sandbox: unknown result of a charge " + strconv.Itoa(int(result)))
}

// checkAliPay looks at what trade.pay requires and reads the amount and the
// expiry. Of the two ways to give an expiry time_expire, the absolute one,
// wins. An expiry that has passed is refused by the charge, after the number
// was looked at.
func checkAliPay(b aliBiz, now time.Time) (total Fen, expireMS int64, refusal aliAnswer) {
	switch {
	case b.AuthCode == "":
		return 0, 0, aliInvalid("缺少auth_code")
	case b.Scene != "" && b.Scene != "bar_code":
		return 0, 0, aliInvalid("scene只支持bar_code")
	}
	return checkAliOrder(b, now, []string{"FACE_TO_FACE_PAYMENT", "OFFLINE_PAYMENT"})
}

// checkAliOrder looks at what every way to start a trade requires.
func checkAliOrder(b aliBiz, now time.Time, products []string) (total Fen, expireMS int64, refusal aliAnswer) {
	total, ok := parseYuan(string(b.TotalAmount))
	subject := string(b.Subject)
	switch {
	case b.OutTradeNo == "" || len(b.OutTradeNo) > maxAliNumber || !validWxNumber(string(b.OutTradeNo), maxAliNumber):
		return 0, 0, aliInvalid("out_trade_no参数无效")
	case !ok:
		return 0, 0, aliInvalid(aliAmountForm)
	case subject == "" || utf8.RuneCountInString(subject) > maxAliSubject || strings.ContainsAny(subject, "/=&"):
		return 0, 0, aliInvalid("subject参数无效")
	case b.ProductCode != "" && !slices.Contains(products, string(b.ProductCode)):
		return 0, 0, aliInvalid("product_code参数无效")
	}
	if b.TimeoutExpress != "" {
		life, ok := parseTimeout(string(b.TimeoutExpress), now)
		if !ok {
			return 0, 0, aliInvalid("timeout_express参数无效")
		}
		expireMS = now.Add(life).UnixMilli()
	}
	if b.TimeExpire != "" {
		expire, err := time.ParseInLocation(longDay, string(b.TimeExpire), beijing)
		if err != nil {
			return 0, 0, aliInvalid("time_expire参数无效")
		}
		expireMS = expire.UnixMilli()
	}
	return total, expireMS, aliAnswer{}
}

// parseTimeout reads timeout_express: 1m to 15d in m, h or d, or 1c for the
// rest of the day.
func parseTimeout(text string, now time.Time) (time.Duration, bool) {
	if text == "1c" {
		return dayStart(now).AddDate(0, 0, 1).Sub(now), true
	}
	if len(text) < 2 || len(text) > len("21600m") {
		return 0, false
	}
	n, err := strconv.Atoi(text[:len(text)-1])
	if err != nil || n <= 0 || !allDigits(text[:len(text)-1]) {
		return 0, false
	}
	units := map[byte]time.Duration{'m': time.Minute, 'h': time.Hour, 'd': 24 * time.Hour}
	life := time.Duration(n) * units[text[len(text)-1]]
	return life, life > 0 && life <= maxAliTimeout
}

// aliContext is what a repeated trade.pay must equal: all but the code. The
// amount is compared as money, so 1 and 1.00 are the same.
func aliContext(b aliBiz, total Fen) string {
	sum := sha256.Sum256([]byte(total.Yuan() + "\n" + string(b.Subject) + "\n" + string(b.StoreID) + "\n" + string(b.TerminalID)))
	return hex.EncodeToString(sum[:16])
}

// aliBuyer is the head of every answer about a trade: its numbers and its
// buyer. A trade nobody tried to pay has no buyer.
func aliBuyer(appID string, t *trade) aliObject {
	var o aliObject
	o = o.with("trade_no", t.tradeNo)
	o = o.with("out_trade_no", t.outTradeNo)
	if t.customer != "" {
		id := buyerID(t.customer)
		o = o.with("buyer_logon_id", logonID(t.customer))
		o = o.with("buyer_user_id", id)
		o = o.with("buyer_open_id", buyerOpenID(appID, t.customer))
	}
	return o
}

// aliListNames are the lists about a payment. The answer to a payment has them
// all, a query only those it asks for.
var aliListNames = []string{"fund_bill_list", "voucher_detail_list", "discount_goods_detail"}

// withMoney adds the amounts of a charged trade, with some of its lists.
func (o aliObject) withMoney(t *trade, lists []string) aliObject {
	own := (t.total - t.couponTotal()).Yuan()
	o = o.with("total_amount", t.total.Yuan())
	o = o.with("receipt_amount", (t.total - t.uncashed()).Yuan())
	o = o.with("buyer_pay_amount", own)
	o = o.with("invoice_amount", own)
	o = o.with("point_amount", "0.00")
	for _, list := range aliLists(t) {
		if slices.Contains(lists, list.name) {
			o = append(o, list)
		}
	}
	return o
}

// aliFind finds the trade a call names, trade_no first, under the merchant of
// the token only. A nil trade with an empty refusal means there is none.
func (s *Sandbox) aliFind(ctx context.Context, tx *txn, r *aliRequest) (*trade, aliAnswer, error) {
	if r.biz.TradeNo == "" && r.biz.OutTradeNo == "" {
		return nil, aliInvalid(aliNumberNeeds), nil
	}
	t, err := s.findTrade(ctx, tx, Alipay, r.merchant.UserID, string(r.biz.TradeNo), string(r.biz.OutTradeNo))
	return t, aliAnswer{}, err
}

// aliQuery tells the state of a trade, alipay.trade.query, or what a fault
// makes it say. A trade that was paid keeps its pay date for ever: that is how
// a TRADE_CLOSED that held money differs from one that never did.
func (s *Sandbox) aliQuery(ctx context.Context, tx *txn, r *aliRequest) (aliAnswer, error) {
	t, refusal, err := s.aliFind(ctx, tx, r)
	if err != nil || refusal.code != "" {
		return refusal, err
	}
	if r.eff.state == "" && (t == nil || t.unseen(tx.now) && t.memo.Kind != kindCreate) {
		return failed("ACQ.TRADE_NOT_EXIST", "交易不存在"), nil
	}
	if t == nil {
		t = &trade{channel: Alipay, outTradeNo: string(r.biz.OutTradeNo), state: tradeUnpaid}
	}
	state, seen := aliState(t, tx.now), t.paidMS > 0
	switch { // the nearest lie wins: this call's, then the trade's own
	case r.eff.state != "":
		state = r.eff.state
	case t.unseen(tx.now):
		state, seen = "WAIT_BUYER_PAY", false
	}
	out := aliAnswer{fields: aliBuyer(r.app.account.AppID, t)}
	out.fields = out.fields.with("trade_status", state)
	if seen {
		out.fields = out.fields.withMoney(t, r.biz.QueryOptions)
		out.fields = out.fields.with("send_pay_date", at(t.paidMS).Format(longDay))
	} else if t.total > 0 {
		out.fields = out.fields.with("total_amount", t.total.Yuan())
	}
	out.fields = out.fields.with("store_id", t.memo.StoreID)
	out.fields = out.fields.with("terminal_id", t.memo.TerminalID)
	return out, nil
}

// aliCancel undoes a payment, alipay.trade.cancel (upstreams.md §4.6): an
// unpaid trade is closed, one paid the same Beijing day returned in full. A
// number never seen is answered as done without an action, and leaves no
// tombstone: unlike WeChat's, Alipay's documents promise none.
func (s *Sandbox) aliCancel(ctx context.Context, tx *txn, r *aliRequest) (aliAnswer, error) {
	t, refusal, err := s.aliFind(ctx, tx, r)
	if err != nil || refusal.code != "" {
		return refusal, err
	}
	result := undoNothing
	if t == nil {
		// A QR code that nobody scanned has no trade; it is what is closed.
		if alive, err := tx.kill(ctx, Alipay, r.merchant.UserID, string(r.biz.OutTradeNo), r.eff); err != nil {
			return aliAnswer{}, err
		} else if alive {
			result = undoClosed
		}
		t = &trade{channel: Alipay, outTradeNo: string(r.biz.OutTradeNo), tradeNo: string(r.biz.TradeNo)}
	} else if result, err = s.reverse(ctx, tx, t, r.eff); err != nil {
		return aliAnswer{}, err
	}
	var out aliAnswer
	out.fields = out.fields.with("trade_no", t.tradeNo)
	out.fields = out.fields.with("out_trade_no", t.outTradeNo)
	out.fields = out.fields.with("retry_flag", "N")
	switch result {
	case undoClosed:
		out.fields = out.fields.with("action", "close")
		return out, nil
	case undoReturned:
		out.fields = out.fields.with("action", "refund")
		return out, nil
	case undoNothing:
		return out, nil
	case undoTooLate:
		return failed("ACQ.TRADE_CANCEL_TIME_OUT", "超过撤销时间范围"), nil
	case undoRefunded:
		return failed("ACQ.REASON_TRADE_REFUND_FEE_ERR", "交易已有退款，不能撤销"), nil
	case undoFinal:
		return failed("ACQ.TRADE_HAS_FINISHED", "交易已经完结"), nil
	case undoShort:
		return failed("ACQ.SELLER_BALANCE_NOT_ENOUGH", "卖家余额不足"), nil
	case undoTooEarly, undoPaying: // rules and faults of WeChat
	}
	panic("sandbox: unknown result of a cancel " + strconv.Itoa(int(result)))
}

// aliClose closes a trade that waits for its buyer, alipay.trade.close. Any
// other trade refuses, also one that is closed already.
func (s *Sandbox) aliClose(ctx context.Context, tx *txn, r *aliRequest) (aliAnswer, error) {
	t, refusal, err := s.aliFind(ctx, tx, r)
	if err != nil || refusal.code != "" {
		return refusal, err
	}
	if t == nil {
		return failed("ACQ.TRADE_NOT_EXIST", "交易不存在"), nil
	}
	if !t.open() {
		return failed("ACQ.REASON_TRADE_STATUS_INVALID", "交易状态不合法，非待支付状态不能关闭"), nil
	}
	if err := s.shut(ctx, tx, t); err != nil {
		return aliAnswer{}, err
	}
	var out aliAnswer
	out.fields = out.fields.with("trade_no", t.tradeNo)
	out.fields = out.fields.with("out_trade_no", t.outTradeNo)
	return out, nil
}

// authAppID is the number of a merchant's own application, which authorised the
// provider's.
func authAppID(userID string) string { return "2021" + userID[len("2088"):] }
