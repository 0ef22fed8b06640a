package sandbox

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"slices"
	"strconv"
	"strings"
)

// The trade types of unifiedorder (upstreams.md §2.2).
const (
	kindNative = "NATIVE"
	kindJSAPI  = "JSAPI" // official accounts and mini programs
	kindApp    = "APP"
	kindMweb   = "MWEB"
)

// wxOptions are the fields of micropay and unifiedorder that only say how an
// order may be paid, described or shown.
var wxOptions = []string{
	"detail", "attach", "goods_tag", "limit_pay", "scene_info", "product_id", "device_info", "time_start", "time_expire",
	"fee_type", "spbill_create_ip", "receipt", "profit_sharing", "version", "deposit",
}

// wxUnifiedOrder prepares an order that a customer pays later, POST
// /pay/unifiedorder. A repetition with the same parameters is answered with a
// fresh handle for the same order; one that differs in anything is refused
// (upstreams.md §3.4).
func (s *Sandbox) wxUnifiedOrder(ctx context.Context, tx *txn, r *wxRequest) (wxAnswer, error) {
	f := r.fields
	total, expireMS, refusal := checkMicropay(f, tx.now, s.c.Strict)
	if refusal.code == "" {
		refusal = checkUnified(f)
	}
	if refusal.code != "" {
		return refusal, nil
	}
	p := payment{
		channel: WeChat, provider: r.provider.account.MchID, merchant: r.merchant.SubMchID, outTradeNo: f.get("out_trade_no"),
		total: total, expireMS: expireMS, context: unifiedContext(f), memo: unifiedMemo(f, r.signType),
	}
	opener, result, err := s.prepareWx(ctx, tx, p, r.eff)
	if err != nil {
		return wxAnswer{}, err
	}
	switch result {
	case prepareDone:
		answer := wxFields{{"trade_type", p.memo.Kind}, {"prepay_id", opener.no}}
		if p.memo.Kind == kindMweb {
			return wxAnswer{fields: answer.with("mweb_url", opener.link)}, nil
		}
		return wxAnswer{fields: answer.with("code_url", opener.link)}, nil
	case prepareExpired:
		return wxRefuse("INVALID_REQUEST", "time_expire已过"), nil
	case preparePaid:
		return wxRefuse("ORDERPAID", "该订单已支付"), nil
	case prepareClosed:
		return wxRefuse("ORDERCLOSED", "该订单已关闭"), nil
	case prepareDiffers:
		return wxRefuse("OUT_TRADE_NO_USED", "商户订单号重复"), nil
	}
	panic("sandbox: unknown result of preparing an order " + strconv.Itoa(int(result)))
}

// prepareResult is what became of a call that prepares an order.
type prepareResult int

// The results of preparing a WeChat order.
const (
	prepareDone    prepareResult = iota
	prepareExpired               // the request's own expiry has passed
	preparePaid                  // the number was paid before
	prepareClosed                // the number is closed or reversed
	prepareDiffers               // the number stands for another order
)

// prepareWx opens an order number, or finds it open with the same parameters,
// and hands out a fresh handle for it, which is nil on a refusal.
func (s *Sandbox) prepareWx(ctx context.Context, tx *txn, p payment, eff *effect) (*handle, prepareResult, error) {
	t, err := s.findTrade(ctx, tx, WeChat, p.merchant, "", p.outTradeNo)
	switch {
	case err != nil:
		return nil, 0, err
	case t == nil && p.expireMS > 0 && tx.nowMS() >= p.expireMS:
		return nil, prepareExpired, nil
	case t == nil:
		if t, err = s.newTrade(ctx, tx, p); err != nil {
			return nil, 0, err
		}
		eff.mark(t, tx.now)
		if err := tx.saveTrade(ctx, t); err != nil {
			return nil, 0, err
		}
	case t.state == tradePaid:
		return nil, preparePaid, nil
	case !t.open():
		return nil, prepareClosed, nil
	case t.context != p.context:
		return nil, prepareDiffers, nil
	}
	opener := &handle{
		channel: p.channel, provider: p.provider, merchant: p.merchant, outTradeNo: p.outTradeNo, total: p.total,
		no: "wx" + at(tx.nowMS()).Format(wxTime) + randomHex(10), linkMS: tx.now.Add(linkLife).UnixMilli(), memo: p.memo,
	}
	switch p.memo.Kind {
	case kindNative:
		opener.link = "weixin://wxpay/bizpayurl?pr=" + randomHex(5)
	case kindMweb:
		opener.link = "https://wx.tenpay.com/cgi-bin/mmpayweb-bin/checkmweb?prepay_id=" + opener.no + "&package=" + randomHex(5)
		opener.linkMS = tx.now.Add(mwebLife).UnixMilli()
	}
	return opener, prepareDone, tx.insertPrepared(ctx, opener)
}

// checkUnified looks at what unifiedorder requires beyond micropay.
func checkUnified(f wxFields) wxAnswer {
	kind := f.get("trade_type")
	switch {
	case !validNotifyURL(f.get("notify_url")):
		return wxRefuse("INVALID_REQUEST", "notify_url不正确")
	case !slices.Contains([]string{kindNative, kindJSAPI, kindApp, kindMweb}, kind):
		return wxRefuse("INVALID_REQUEST", "trade_type不支持")
	case kind == kindNative && f.get("product_id") == "":
		return wxRefuse("LACK_PARAMS", "缺少参数product_id")
	case len(f.get("product_id")) > maxWxNumber:
		return wxRefuse("INVALID_REQUEST", "product_id长度超过32")
	case kind == kindJSAPI && f.get("openid") == "" && f.get("sub_openid") == "":
		return wxRefuse("LACK_PARAMS", "openid和sub_openid至少填一个")
	case f.get("sub_openid") != "" && f.get("sub_appid") == "":
		return wxRefuse("LACK_PARAMS", "传sub_openid时sub_appid必填")
	case kind == kindMweb && !strings.Contains(f.get("scene_info"), "h5_info"):
		return wxRefuse("LACK_PARAMS", "scene_info缺少h5_info")
	}
	return wxAnswer{}
}

// unifiedMemo is what later calls, phones and notices need of the order.
func unifiedMemo(f wxFields, signType string) memo {
	m := memo{
		SubAppID: f.get("sub_appid"), Attach: f.get("attach"), DeviceInfo: f.get("device_info"), Subject: f.get("body"),
		Kind: f.get("trade_type"), AppID: f.get("appid"), SignType: signType, NotifyURL: f.get("notify_url"),
		Options: options(wxOptions, f.get),
	}
	m.PayerApp = m.AppID
	switch {
	case m.Kind == kindJSAPI && f.get("sub_openid") != "":
		m.PayerApp, m.Payer = m.SubAppID, f.get("sub_openid")
	case m.Kind == kindJSAPI:
		m.Payer = f.get("openid")
	case m.SubAppID != "":
		m.PayerApp = m.SubAppID
	}
	return m
}

// unifiedContext is what a repeated unifiedorder must equal: everything but the
// nonce and the signature.
func unifiedContext(f wxFields) string {
	sorted := slices.Clone(f)
	slices.SortFunc(sorted, func(a, b wxField) int { return strings.Compare(a.name, b.name) })
	h := sha256.New()
	for _, e := range sorted {
		if e.value != "" && e.name != "nonce_str" && e.name != "sign" && e.name != "sign_type" {
			_, _ = h.Write([]byte(e.name + "=" + e.value + "\n")) // a hash never fails
		}
	}
	return hex.EncodeToString(h.Sum(nil)[:16])
}
