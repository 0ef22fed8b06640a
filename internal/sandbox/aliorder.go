package sandbox

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"time"
)

// The methods whose orders are paid later, as memo.Kind keeps them.
const (
	kindPrecreate = "alipay.trade.precreate"
	kindCreate    = "alipay.trade.create"
)

// aliOptions are the members of pay, precreate and create that only say how a
// trade may be paid, described or shown.
var aliOptions = []string{
	"goods_detail", "extend_params", "business_params", "discountable_amount", "undiscountable_amount", "disable_pay_channels",
	"product_code", "seller_id", "store_id", "operator_id", "terminal_id", "body", "timeout_express", "time_expire",
	"qr_code_timeout_express", "query_options", "op_app_id", "quit_url", "passback_params",
}

// aliOption reads an option out of the raw content: text as it is, anything
// else as the JSON it was sent as.
func aliOption(raw map[string]json.RawMessage) func(name string) string {
	return func(name string) string {
		var text string
		if json.Unmarshal(raw[name], &text) == nil {
			return text
		}
		return string(raw[name])
	}
}

// aliPrepare is what precreate and create have in common: the checks, and the
// trade under the number if there is one.
func (s *Sandbox) aliPrepare(ctx context.Context, tx *txn, r *aliRequest, kind string, products ...string) (payment, *trade, aliAnswer, error) {
	total, expireMS, refusal := checkAliOrder(r.biz, tx.now, products)
	if refusal.code != "" {
		return payment{}, nil, refusal, nil
	}
	notifyURL := r.params["notify_url"]
	if notifyURL != "" && !validNotifyURL(notifyURL) {
		return payment{}, nil, aliInvalid("notify_url参数无效"), nil
	}
	b := r.biz
	sum := sha256.Sum256([]byte(kind + "\n" + aliContext(b, total) + "\n" + string(b.BuyerID) + "\n" + string(b.BuyerOpenID)))
	p := payment{
		channel: Alipay, provider: r.app.account.AppID, merchant: r.merchant.UserID, outTradeNo: string(b.OutTradeNo),
		total: total, expireMS: expireMS, context: hex.EncodeToString(sum[:16]),
		memo: memo{
			Subject: string(b.Subject), StoreID: string(b.StoreID), TerminalID: string(b.TerminalID), Kind: kind,
			AppID: r.app.account.AppID, ByCert: r.byCert, NotifyURL: notifyURL, Options: options(aliOptions, aliOption(b.raw)),
		},
	}
	t, err := s.findTrade(ctx, tx, Alipay, p.merchant, "", p.outTradeNo)
	switch {
	case err != nil:
		return p, nil, aliAnswer{}, err
	case t != nil && t.state == tradePaid:
		return p, t, failed("ACQ.TRADE_HAS_SUCCESS", "交易已被支付"), nil
	case t != nil && !t.open():
		return p, t, failed("ACQ.TRADE_HAS_CLOSE", "交易已经关闭"), nil
	case t != nil && t.context != p.context:
		return p, t, failed("ACQ.CONTEXT_INCONSISTENT", "交易信息被篡改"), nil
	case t == nil && expireMS > 0 && tx.nowMS() >= expireMS:
		return p, nil, failed("ACQ.NOW_TIME_AFTER_EXPIRE_TIME_ERROR", "当前时间已超过允许支付的时间"), nil
	}
	return p, t, aliAnswer{}, nil
}

// aliPrecreate hands out a QR code, alipay.trade.precreate. No trade exists
// until somebody scans it; until then a repetition with other members is
// refused by the codes that are still alive.
func (s *Sandbox) aliPrecreate(ctx context.Context, tx *txn, r *aliRequest) (aliAnswer, error) {
	p, _, refusal, err := s.aliPrepare(ctx, tx, r, kindPrecreate, "QR_CODE_OFFLINE", "FACE_TO_FACE_PAYMENT", "OFFLINE_PAYMENT")
	if err != nil || refusal.code != "" {
		return refusal, err
	}
	life := linkLife
	if text := string(r.biz.QRCodeTimeoutExpress); text != "" {
		said, ok := parseTimeout(text, tx.now)
		if !ok {
			return aliInvalid("qr_code_timeout_express参数无效"), nil
		}
		life = said
	}
	alive, err := tx.preparedWhere(ctx, "WHERE channel = ? AND merchant = ? AND out_trade_no = ? AND dead_ms = 0 AND link_ms > ?",
		Alipay, p.merchant, p.outTradeNo, tx.nowMS())
	if err != nil {
		return aliAnswer{}, err
	}
	if len(alive) > 0 && alive[0].context != p.context {
		return failed("ACQ.CONTEXT_INCONSISTENT", "交易信息被篡改"), nil
	}
	r.eff.prepare(&p)
	code := &handle{
		channel: Alipay, provider: p.provider, merchant: p.merchant, outTradeNo: p.outTradeNo, total: p.total,
		no: "qr" + randomHex(12), link: "https://qr.alipay.com/bax" + randomHex(10), linkMS: tx.now.Add(life).UnixMilli(),
		expireMS: p.expireMS, context: p.context, memo: p.memo,
	}
	if text := string(r.biz.TimeoutExpress); text != "" && r.biz.TimeExpire == "" {
		// Relative: it counts from the trade, which the scan makes.
		span, _ := parseTimeout(text, tx.now) // checked with the other members
		code.lifeMS, code.expireMS = int64(span/time.Millisecond), 0
	}
	if err := tx.insertPrepared(ctx, code); err != nil {
		return aliAnswer{}, err
	}
	var out aliAnswer
	out.fields = out.fields.with("out_trade_no", p.outTradeNo)
	out.fields = out.fields.with("qr_code", code.link)
	return out, nil
}

// aliCreate makes a trade for a known buyer, alipay.trade.create. It can be
// queried at once, and a repetition is answered with the same trade_no.
func (s *Sandbox) aliCreate(ctx context.Context, tx *txn, r *aliRequest) (aliAnswer, error) {
	if r.biz.BuyerID == "" && r.biz.BuyerOpenID == "" {
		return aliInvalid("buyer_id和buyer_open_id不能同时为空"), nil
	}
	p, t, refusal, err := s.aliPrepare(ctx, tx, r, kindCreate, "JSAPI_PAY", "FACE_TO_FACE_PAYMENT", "OFFLINE_PAYMENT")
	if err != nil || refusal.code != "" {
		return refusal, err
	}
	if t == nil {
		p.memo.Payer, p.memo.PayerApp = string(r.biz.BuyerID), p.provider
		if p.memo.Payer == "" {
			p.memo.Payer = string(r.biz.BuyerOpenID)
		}
		if t, err = s.newTrade(ctx, tx, p); err != nil {
			return aliAnswer{}, err
		}
		r.eff.mark(t, tx.now)
		if err := tx.saveTrade(ctx, t); err != nil {
			return aliAnswer{}, err
		}
		if err := tx.insertPrepared(ctx, &handle{
			channel: Alipay, provider: p.provider, merchant: p.merchant, outTradeNo: p.outTradeNo, total: p.total,
			no: t.tradeNo, linkMS: t.expireMS, context: p.context, memo: p.memo,
		}); err != nil {
			return aliAnswer{}, err
		}
	}
	var out aliAnswer
	out.fields = out.fields.with("trade_no", t.tradeNo)
	out.fields = out.fields.with("out_trade_no", t.outTradeNo)
	return out, nil
}
