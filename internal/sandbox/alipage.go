package sandbox

import (
	"context"
	"errors"
	"fmt"
	"html/template"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"time"

	"golang.org/x/text/encoding/simplifiedchinese"
)

// The methods that are no calls but signed addresses, forms or order strings: a
// browser or an application opens them (upstreams.md §4.1).
const (
	kindWap    = "alipay.trade.wap.pay"
	kindPage   = "alipay.trade.page.pay"
	kindAliApp = "alipay.trade.app.pay"
)

// aliProducts is what each of them is sold under.
var aliProducts = map[string]string{
	kindWap: "QUICK_WAP_WAY", kindPage: "FAST_INSTANT_TRADE_PAY", kindAliApp: "QUICK_MSECURITY_PAY",
}

// aliPageKinds are the orders that a page's link opens.
var aliPageKinds = []string{kindWap, kindPage, kindAliApp}

// cashierPath takes what the customer chose on the payment page.
const cashierPath = "/cashier/alipay"

// aliCashier opens the payment page of an order. Like precreate it makes no
// trade: that begins when a customer opens the order. The same address may be
// opened again until the order is paid or has run out.
func (s *Sandbox) aliCashier(ctx context.Context, tx *txn, r *aliRequest) (aliAnswer, error) {
	kind := r.params["method"]
	if r.biz.ProductCode == "" {
		return aliInvalid("缺少product_code"), nil
	}
	back := r.params["return_url"]
	if back != "" && !validReturnURL(back) {
		return aliInvalid("return_url参数无效"), nil
	}
	p, t, refusal, err := s.aliPrepare(ctx, tx, r, kind, aliProducts[kind])
	if err != nil || refusal.code != "" {
		return refusal, err
	}
	r.eff.prepare(&p)
	p.memo.ReturnURL = back
	page := &handle{
		channel: Alipay, provider: p.provider, merchant: p.merchant, outTradeNo: p.outTradeNo, total: p.total,
		no: "pg" + randomHex(12), link: "https://qr.alipay.com/pg" + randomHex(10), linkMS: tx.now.Add(linkLife).UnixMilli(),
		expireMS: p.expireMS, context: p.context, memo: p.memo,
	}
	if p.expireMS > 0 {
		page.linkMS = min(page.linkMS, p.expireMS)
	}
	if t == nil && r.biz.TimeoutExpress != "" && r.biz.TimeExpire == "" {
		span, _ := parseTimeout(string(r.biz.TimeoutExpress), tx.now) // checked with the other members
		page.lifeMS, page.expireMS = int64(span/time.Millisecond), 0
	}
	if err := tx.insertPrepared(ctx, page); err != nil {
		return aliAnswer{}, err
	}
	r.page = page
	return aliAnswer{}, nil
}

// validReturnURL looks at where the customer's browser is sent after paying.
// Unlike a notify_url it may carry a query.
func validReturnURL(raw string) bool {
	u, err := url.Parse(raw)
	return err == nil && len(raw) <= maxNotifyURL && (u.Scheme == "https" || u.Scheme == "http") && u.Host != "" && u.User == nil
}

// sendAliPage answers a browser: the payment page, or upstream's error page,
// which is GBK.
func (s *Sandbox) sendAliPage(w http.ResponseWriter, r *http.Request, req *aliRequest, answer aliAnswer) {
	w.Header().Set("Content-Security-Policy", "default-src 'none'; style-src 'unsafe-inline'; base-uri 'none'; frame-ancestors 'none'")
	w.Header().Set("Cache-Control", "no-store")
	var page strings.Builder
	if answer.code != "" && answer.code != "10000" || req.page == nil {
		code := answer.subCode
		if code == "" {
			code = "SYSTEM_ERROR"
		}
		err := aliErrorPage.Execute(&page, map[string]string{
			"Code": strings.TrimPrefix(code, "isv."), "Text": answer.subText, "Signed": s.signedText(req, answer),
		})
		if err != nil {
			s.abort(r.Context(), "write alipay error page", err)
		}
		body, err := simplifiedchinese.GBK.NewEncoder().Bytes([]byte(page.String()))
		if err != nil { // a parameter with a character that GBK lacks
			body = []byte("<html><body>SYSTEM_ERROR</body></html>")
		}
		s.deliver(w, r, req.eff, body, "text/html;charset=GBK")
		return
	}
	err := aliCashierPage.Execute(&page, map[string]string{
		"Subject": req.page.memo.Subject, "Amount": req.page.total.Yuan(), "Link": req.page.link, "Merchant": req.page.merchant,
		"Number": req.page.outTradeNo, "Quit": quitURL(req.page.memo.Options["quit_url"]), "Action": cashierPath,
	})
	if err != nil {
		s.abort(r.Context(), "write alipay payment page", err)
	}
	s.deliver(w, r, req.eff, []byte(page.String()), "text/html;charset=utf-8")
}

// signedText is the text whose signature was wrong: upstream's page tells it,
// because it is what a developer compares.
func (s *Sandbox) signedText(req *aliRequest, answer aliAnswer) string {
	if answer.subCode != "isv.invalid-signature" {
		return ""
	}
	return aliSignText(req.params)
}

// quitURL is where "give up" leads, "" unless it is a web address.
func quitURL(raw string) string {
	if validReturnURL(raw) {
		return raw
	}
	return ""
}

// serveCashier takes what the customer chose on the payment page: who they are,
// and whether they pay.
func (s *Sandbox) serveCashier(w http.ResponseWriter, r *http.Request) {
	r.Body = http.MaxBytesReader(w, r.Body, maxControlBody)
	if err := r.ParseForm(); err != nil {
		sendText(w, http.StatusBadRequest, "表单无法识别 · the form cannot be read")
		return
	}
	link, customer := r.PostForm.Get("link"), r.PostForm.Get("customer")
	opened, err := s.Open(r.Context(), customer, Invocation{CodeURL: link})
	if err == nil && r.PostForm.Get("action") == ActionApprove {
		_, err = s.answerOne(r.Context(), customer, ActionApprove, opened.OutTradeNo)
	} else if err == nil {
		_, err = s.answerOne(r.Context(), customer, ActionCancel, opened.OutTradeNo)
		if err == nil {
			sendText(w, http.StatusOK, "已取消支付 · cancelled, nothing was paid")
			return
		}
	}
	switch {
	case errors.Is(err, ErrNotFound), errors.Is(err, ErrInvalid), errors.Is(err, ErrConflict):
		sendText(w, http.StatusConflict, "无法支付 · cannot pay: "+err.Error())
		return
	case err != nil:
		s.abort(r.Context(), "pay at alipay's page", err)
	}
	back, err := s.returnTo(r.Context(), link)
	if err != nil {
		s.abort(r.Context(), "return from alipay's page", err)
	}
	if back == "" {
		sendText(w, http.StatusOK, "支付成功 · paid")
		return
	}
	http.Redirect(w, r, back, http.StatusSeeOther)
}

// returnTo is the return_url of a paid order with the parameters that upstream
// adds, signed like a notice. It is no proof of a payment to a merchant who has
// not asked by trade.query.
func (s *Sandbox) returnTo(ctx context.Context, link string) (string, error) {
	var p *handle
	var t *trade
	err := s.run(ctx, func(ctx context.Context, tx *txn) error {
		list, err := tx.preparedWhere(ctx, "WHERE link = ?", link)
		if err != nil || len(list) == 0 {
			return err
		}
		p = list[0]
		t, err = s.findTrade(ctx, tx, p.channel, p.merchant, "", p.outTradeNo)
		return err
	})
	if err != nil || p == nil || t == nil || p.memo.ReturnURL == "" {
		return "", err
	}
	u, err := url.Parse(p.memo.ReturnURL)
	if err != nil {
		return "", err
	}
	params := map[string]string{
		"app_id": p.provider, "auth_app_id": authAppID(p.merchant), "charset": "utf-8", "version": "1.0", "method": p.memo.Kind + ".return", "seller_id": p.merchant,
		"out_trade_no": t.outTradeNo, "trade_no": t.tradeNo, "total_amount": t.total.Yuan(), "timestamp": at(s.wireNow().UnixMilli()).Format(longDay),
	}
	query := u.Query()
	for name := range query {
		if params[name] == "" {
			params[name] = query.Get(name)
		}
	}
	sign, err := rsa2Sign(s.ali[p.provider].noticeKey(p.memo.ByCert), []byte(aliSignText(params)))
	if err != nil {
		return "", err
	}
	for name, value := range params {
		query.Set(name, value)
	}
	query.Set("sign", sign)
	query.Set("sign_type", "RSA2")
	u.RawQuery = query.Encode()
	return u.String(), nil
}

// pageQuery is the query of an address of wap.pay or page.pay, or an order
// string of app.pay, "" if the invocation is neither.
func (in Invocation) pageQuery() string {
	if in.OrderString != "" {
		return in.OrderString
	}
	if u, err := url.Parse(in.MwebURL); err == nil && strings.HasSuffix(u.Path, "/gateway.do") {
		return u.RawQuery
	}
	return ""
}

// cashierBy opens what a browser or an application was handed, as the gateway
// would.
func (s *Sandbox) cashierBy(ctx context.Context, tx *txn, query string) (*handle, error) {
	params, err := readAliForm(query, nil)
	if err != nil {
		return nil, fmt.Errorf("%w: the order cannot be read", ErrInvalid)
	}
	req := &aliRequest{params: params, eff: &effect{}}
	_, refusal := s.checkAli(req)
	if refusal.code == "" && !slices.Contains(aliPageKinds, params["method"]) {
		return nil, fmt.Errorf("%w: %s is not opened that way", ErrInvalid, params["method"])
	}
	if refusal.code == "" {
		req.biz, refusal = parseAliBiz(params["biz_content"])
	}
	if refusal.code == "" {
		if refusal, err = s.aliCashier(ctx, tx, req); err != nil {
			return nil, err
		}
	}
	if refusal.code != "" {
		kind := ErrInvalid
		if refusal.subCode == "ACQ.TRADE_HAS_SUCCESS" || refusal.subCode == "ACQ.TRADE_HAS_CLOSE" {
			kind = ErrConflict
		}
		return nil, fmt.Errorf("%w: %s %s", kind, refusal.subCode, refusal.subText)
	}
	return req.page, nil
}

// The pages. A browser shows the first to a customer and the second to a
// developer; neither has a script.
var (
	aliCashierPage = template.Must(template.New("cashier").Parse(`<!doctype html>
<html lang="zh-CN"><head><meta charset="utf-8"><meta name="viewport" content="width=device-width, initial-scale=1"><title>支付宝沙箱收银台 · Alipay sandbox checkout</title>
<style>
body{margin:0;background:#f2f4f7;font:16px/1.5 system-ui,sans-serif;color:#1f2329}
main{max-width:24rem;margin:0 auto;padding:2rem 1rem}
section{background:#fff;border-radius:12px;padding:1.5rem}
h1{font-size:1rem;margin:0 0 1rem;color:#1677ff}
h1 span{font-size:.875rem;font-weight:400}
.sum{font-size:2.25rem;font-weight:600;text-align:center;margin:.5rem 0 1rem}
dl{display:grid;grid-template-columns:auto 1fr;gap:.25rem 1rem;margin:0 0 1.5rem}
dt{color:#646a73}dd{margin:0;text-align:right;overflow-wrap:anywhere}
label{display:block;color:#646a73;margin-bottom:.25rem}
input{box-sizing:border-box;width:100%;font:inherit;padding:.6rem;border:1px solid #8f959e;border-radius:8px;margin-bottom:1rem}
button{width:100%;font:inherit;padding:.75rem;border-radius:8px;border:0;background:#1677ff;color:#fff;margin-bottom:.5rem}
button.no{background:#fff;color:#1f2329;border:1px solid #8f959e}
p{font-size:.875rem;color:#646a73;overflow-wrap:anywhere}
</style></head><body><main><section>
<h1>支付宝沙箱收银台，模拟支付<br><span lang="en">Alipay sandbox checkout, no real money</span></h1>
<div class="sum">¥{{.Amount}}</div>
<dl><dt>商品 <span lang="en">Item</span></dt><dd>{{.Subject}}</dd><dt>收款方 <span lang="en">Payee</span></dt><dd>{{.Merchant}}</dd><dt>商户订单号 <span lang="en">Order</span></dt><dd>{{.Number}}</dd></dl>
<form method="post" action="{{.Action}}">
<input type="hidden" name="link" value="{{.Link}}">
<label for="customer">沙箱顾客 <span lang="en">Customer of the sandbox</span></label><input id="customer" name="customer" value="xiaoming" autocomplete="off">
<button name="action" value="approve">输入密码并付款 · Enter the password and pay</button>
<button class="no" name="action" value="cancel">取消 · Cancel</button>
</form>
<p>或在沙箱手机上打开 <span lang="en">Or open it on the sandbox's phone:</span> <a id="link" href="{{.Link}}">{{.Link}}</a></p>
{{with .Quit}}<p><a href="{{.}}">返回商家 · Back to the merchant</a></p>{{end}}
</section></main></body></html>
`))
	aliErrorPage = template.Must(template.New("error").Parse(`<html><head><meta http-equiv="Content-Type" content="text/html; charset=GBK"><title>支付宝 - 网上支付</title></head>
<body><h1>调试错误，请回到请求来源地，重新发起请求。</h1>
<p>错误代码 {{.Code}}</p><p>错误原因: {{.Text}}{{with .Signed}}，网关生成的验签字符串为：{{.}}{{end}}</p></body></html>
`))
)

// tellsClose reports whether the wallet tells of a trade that closes unpaid or
// can no longer be refunded: Alipay does for orders of web pages and applications
// only (upstreams.md §4.7).
func (t *trade) tellsClose() bool { return t.memo.Kind == kindWap || t.memo.Kind == kindAliApp }

// unpaidNotice takes out of a notice what only a payment has, and says when the
// trade closed.
func (t *trade) unpaidNotice(fields map[string]string) map[string]string {
	for _, name := range []string{"gmt_payment", "receipt_amount", "buyer_pay_amount", "invoice_amount", "point_amount", "fund_bill_list", "voucher_detail_list"} {
		delete(fields, name)
	}
	if t.customer == "" {
		for _, name := range []string{"buyer_id", "buyer_open_id", "buyer_logon_id"} {
			delete(fields, name)
		}
	}
	fields["gmt_close"] = at(t.endedMS).Format(longDay)
	return fields
}
