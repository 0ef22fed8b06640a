package timeline

import (
	"fmt"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"time"

	"cloudpay/internal/pay"
)

// words puts things into one of the two languages.
type words struct{ lang Lang }

// f is a sentence: the first form is Chinese, the second English.
func (w words) f(zh, en string, args ...any) string {
	form := zh
	if w.lang == English {
		form = en
	}
	if len(args) == 0 {
		return form
	}
	return fmt.Sprintf(form, args...)
}

// pairs are names in both languages with their values; those without a value
// are left out.
func (w words) pairs(triples ...string) string {
	var b strings.Builder
	for i := 0; i+2 < len(triples); i += 3 {
		if triples[i+2] == "" {
			continue
		}
		if b.Len() > 0 {
			b.WriteString(w.f("，", ", "))
		}
		b.WriteString(w.f(triples[i], triples[i+1]) + " " + triples[i+2])
	}
	return b.String()
}

// beijing is where the day of a shop ends (money.md §7). It has had no summer
// time since 1991, so that no table of zones is needed.
var beijing = time.FixedZone("CST", 8*60*60)

func (words) time(t time.Time) string { return t.In(beijing).Format("01-02 15:04:05.000") }

func (w words) took(d time.Duration) string {
	if d < 0 {
		return w.f("耗时不明", "time not known")
	}
	return w.f("耗时 %s", "%s", d.Round(time.Millisecond).String())
}

func (w words) channel(c pay.Channel) string {
	switch c {
	case pay.Wxpay:
		return w.f("微信支付", "WeChat Pay")
	case pay.Alipay:
		return w.f("支付宝", "Alipay")
	}
	return string(c)
}

func (w words) trade(t pay.TradeType) string {
	switch t {
	case pay.TradeMicroPay:
		return w.f("付款码支付", "payment code")
	case pay.TradeScanCode:
		return w.f("扫码支付", "QR code")
	case pay.TradeOfficialAccount:
		return w.f("公众号支付", "official account")
	case pay.TradeApp:
		return w.f("APP 支付", "app")
	case pay.TradeMobileWeb:
		return w.f("H5 支付", "mobile web")
	case pay.TradeOneCode:
		return w.f("一码付", "one code")
	case pay.TradeMiniProgram:
		return w.f("小程序支付", "mini program")
	}
	return strconv.FormatInt(int64(t), 10)
}

func (w words) origin(o pay.RefundOrigin) string {
	switch o {
	case pay.OriginAPI:
		return w.f("由商户提出", "asked for by the merchant")
	case pay.OriginReverse:
		return w.f("代替撤单", "in place of a reverse")
	case pay.OriginLate:
		return w.f("退回迟到的钱", "returns late money")
	case pay.OriginChannel:
		return w.f("在钱包一侧发起", "made at the wallet")
	}
	return string(o)
}

// callNames are the calls of channel.Channel as evidence names them.
var callNames = map[string][2]string{
	"pay": {"扣款", "pay"}, "prepay": {"预下单", "prepare the order"}, "query": {"查单", "say how the order is"},
	"reverse": {"撤单", "reverse"}, "close": {"关单", "close"}, "refund": {"退款", "refund"},
	"query_refund": {"查退款", "say how the refund is"}, "list_refunds": {"列退款", "list the refunds"},
	"refund_abnormal": {"异常退款", "send on the abnormal refund"},
}

func (w words) callName(name string) string {
	if n, ok := callNames[name]; ok {
		return w.f(n[0], n[1])
	}
	return name
}

// losses are why an answer is missing, as channel.LostError names them.
var losses = map[string][2]string{
	"timeout": {"超时", "time-out"}, "dial": {"连不上，没有发出", "no connection, nothing was sent"}, "tls": {"安全连接失败", "TLS failed"},
	"cut": {"连接中断", "the connection was cut"}, "status": {"异常 HTTP 状态", "unexpected HTTP status"}, "too_long": {"应答过长", "too long"},
	"unreadable": {"无法识别", "not readable"}, "signature": {"签名不正确", "wrong signature"}, "keys": {"没有验签的钥匙，没有发出", "no key to verify with, nothing was sent"},
}

func (w words) loss(name string) string {
	if n, ok := losses[name]; ok {
		return w.f(n[0], n[1])
	}
	return name
}

func (w words) truthName(t pay.Truth) string {
	switch t {
	case pay.TruthLocal:
		return w.f("本地", "our own record")
	case pay.TruthAnswer:
		return w.f("应答", "an answer")
	case pay.TruthNotice:
		return w.f("通知", "a notice")
	case pay.TruthQuery:
		return w.f("查询", "a query")
	case pay.TruthBill:
		return w.f("账单", "the bill")
	}
	return string(t)
}

func (w words) act(a pay.Act) string {
	switch a {
	case pay.ActQuery:
		return w.f("下一步：查单", "next: ask for the order")
	case pay.ActReverse:
		return w.f("下一步：撤单", "next: reverse")
	case pay.ActClose:
		return w.f("下一步：关单", "next: close")
	case pay.ActRefund:
		return w.f("下一步：全额退回", "next: return it in full")
	case pay.ActCancel:
		return w.f("下一步：取消钱包里的订单", "next: cancel it at the wallet")
	case pay.ActSend, pay.ActAsk, pay.ActNone:
	}
	return w.f("下一步：再看一次", "next: look once more")
}

func (w words) refundAct(kind string) string {
	if kind == kindRefundAsk {
		return w.f("查询退款结果", "ask how it ended")
	}
	return w.f("发出或重发同一退款单号", "send it, or again under the same number")
}

// accounts are the letters of money.md §5.
var accounts = []struct {
	account pay.Account
	zh, en  string
}{
	{pay.AccReceivable, "应收钱包", "receivable"},
	{pay.AccMerchant, "应付商户", "merchant"},
	{pay.AccDiscount, "商户优惠", "discount"},
	{pay.AccFee, "手续费", "fee"},
	{pay.AccRefunding, "退款中", "refunding"},
	{pay.AccSuspense, "暂收", "suspense"},
	{pay.AccReturned, "银行退回", "returned"},
	{pay.AccSettled, "已结算", "settled"},
	{pay.AccOffline, "线下退", "offline"},
}

func (w words) account(a pay.Account) string {
	for _, v := range accounts {
		if v.account == a {
			return w.f(v.zh, v.en)
		}
	}
	return string(a)
}

// balances lists the accounts that are not zero.
func (w words) balances(of map[pay.Account]pay.Fen) string {
	var parts []string
	for _, v := range accounts {
		if n := of[v.account]; n != 0 {
			parts = append(parts, w.f(v.zh, v.en)+" "+n.String())
		}
	}
	if len(parts) == 0 {
		return w.f("全部为零", "all zero")
	}
	return strings.Join(parts, w.f("，", ", "))
}

func join(parts []string) string { return strings.Join(parts, "; ") }

func or(texts ...string) string {
	i := slices.IndexFunc(texts, func(s string) bool { return s != "" })
	if i < 0 {
		return ""
	}
	return texts[i]
}

func number(n int64) string {
	if n == 0 {
		return ""
	}
	return strconv.FormatInt(n, 10)
}

// path is host and path of a URL: a query may name what is not for everybody.
func path(raw string) string {
	u, err := url.Parse(raw)
	if err != nil {
		return "?"
	}
	return u.Host + u.Path
}

// cut splits the reference of a callback's job: order number and event.
func cut(ref string) (outTradeNo, event string) {
	outTradeNo, event, _ = strings.Cut(ref, "/")
	return outTradeNo, event
}
