package sandbox

import (
	"context"
	"crypto"
	"crypto/rand"
	"crypto/rsa"
	"crypto/sha256"
	"encoding/base64"
	"encoding/json"
	"errors"
	"io"
	"maps"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"time"
)

// maxAliBody bounds a gateway request, query and form together.
const maxAliBody = 128 << 10

// maxAliParams bounds the number of parameters in one request.
const maxAliParams = 100

// errAliForm is returned for a request that is not a list of parameters.
var errAliForm = errors.New("not a form")

// aliOp is one method of the gateway (upstreams.md §4.4).
type aliOp struct {
	endpoint string
	run      func(s *Sandbox, ctx context.Context, tx *txn, r *aliRequest) (aliAnswer, error)
}

// aliOps are the methods the sandbox plays. There is one path for all of them:
// the method is a parameter, and the answer's key is made from it.
var aliOps = map[string]aliOp{
	"alipay.trade.pay":                  {EndpointPay, (*Sandbox).aliPay},
	kindPrecreate:                       {EndpointPrepay, (*Sandbox).aliPrecreate},
	kindCreate:                          {EndpointPrepay, (*Sandbox).aliCreate},
	"alipay.trade.query":                {EndpointQuery, (*Sandbox).aliQuery},
	"alipay.trade.cancel":               {EndpointReverse, (*Sandbox).aliCancel},
	"alipay.trade.close":                {EndpointClose, (*Sandbox).aliClose},
	"alipay.trade.refund":               {EndpointRefund, (*Sandbox).aliRefund},
	"alipay.trade.fastpay.refund.query": {EndpointRefundQuery, (*Sandbox).aliRefundQuery},
	methodBill:                          {EndpointBill, (*Sandbox).aliBill},

	kindWap:    {EndpointPrepay, (*Sandbox).aliCashier},
	kindPage:   {EndpointPrepay, (*Sandbox).aliCashier},
	kindAliApp: {EndpointPrepay, (*Sandbox).aliCashier},

	"alipay.open.app.alipaycert.download": {EndpointAliCert, (*Sandbox).aliCertDownload},

	methodAppToken:      {EndpointAliAuth, (*Sandbox).aliAppToken},
	methodAppTokenQuery: {EndpointAliAuth, (*Sandbox).aliAppTokenQuery},
	methodLoginToken:    {EndpointAliAuth, (*Sandbox).aliLoginToken},
}

// aliOwn are the methods that an application calls for itself: they need no
// merchant's token.
var aliOwn = map[string]bool{
	"alipay.open.app.alipaycert.download": true,
	methodAppToken:                        true,
	methodAppTokenQuery:                   true,
	methodLoginToken:                      true,
}

// aliRequest is an authentic Alipay call.
type aliRequest struct {
	params   map[string]string
	app      *aliApp
	byCert   bool // certificate mode
	merchant AlipayMerchant
	biz      aliBiz
	eff      *effect
	base     string  // how the caller reached the wallet
	page     *handle // what a page's call made
}

// aliAnswer is an answer before it is signed. An empty code is 10000, which
// means that the call was carried out; what that means for the money is told
// by the fields (upstreams.md §4.3).
type aliAnswer struct {
	code, subCode, subText string
	fields                 aliObject
	key                    string // of the answer, "" for the method's
	bare                   bool   // a success without code and msg
}

// aliRefuse is a refusal under a top-level code of upstreams.md §4.3.
func aliRefuse(code, subCode, subText string) aliAnswer {
	return aliAnswer{code: code, subCode: subCode, subText: subText}
}

// failed is a business refusal: 40004, and a sub_code to decide by.
func failed(subCode, subText string) aliAnswer { return aliRefuse("40004", subCode, subText) }

// aliTexts are the msg of the top-level codes (upstreams.md §4.3).
var aliTexts = map[string]string{
	"10000": "Success", "10003": "order success pay inprocess", "20000": "Service Currently Unavailable",
	"20001": "Insufficient Token Permissions", "40001": "Missing Required Arguments", "40002": "Invalid Arguments",
	"40003": "Insufficient Conditions", "40004": "Business Failed", "40005": "Call Limited", "40006": "Insufficient Permissions",
}

// readAliForm merges the query and the form of a request; clients spread the
// parameters over both in every way there is (upstreams.md §4.1). A name given
// twice must have one value.
func readAliForm(query string, body []byte) (map[string]string, error) {
	params := map[string]string{}
	for _, part := range []string{query, string(body)} {
		values, err := url.ParseQuery(strings.TrimSpace(part))
		if err != nil {
			return nil, errAliForm
		}
		for name, list := range values {
			for _, value := range list {
				if old, twice := params[name]; twice && old != value {
					return nil, errAliForm
				}
				params[name] = value
			}
		}
		if len(params) > maxAliParams {
			return nil, errAliForm
		}
	}
	return params, nil
}

// aliSignText is the text that is signed: every non-empty parameter but sign,
// raw, sorted by name (upstreams.md §4.1).
func aliSignText(params map[string]string) string {
	var parts []string
	for _, name := range slices.Sorted(maps.Keys(params)) {
		if name != "sign" && params[name] != "" {
			parts = append(parts, name+"="+params[name])
		}
	}
	return strings.Join(parts, "&")
}

// rsa2Sign is SHA256withRSA, PKCS#1 v1.5, in base64 (sign_type RSA2).
func rsa2Sign(key *rsa.PrivateKey, text []byte) (string, error) {
	sum := sha256.Sum256(text)
	sign, err := rsa.SignPKCS1v15(rand.Reader, key, crypto.SHA256, sum[:])
	return base64.StdEncoding.EncodeToString(sign), err
}

// rsa2Verify checks an RSA2 signature. One that is not base64 is a wrong one.
func rsa2Verify(key *rsa.PublicKey, text []byte, sign string) bool {
	raw, err := base64.StdEncoding.DecodeString(sign)
	if err != nil {
		return false
	}
	sum := sha256.Sum256(text)
	return rsa.VerifyPKCS1v15(key, crypto.SHA256, sum[:], raw) == nil
}

// serveAlipay carries one call through upstream's order of checks: method,
// application, format and timestamp, certificates, signature, authorisation token, content,
// business (upstreams.md §8.4).
func (s *Sandbox) serveAlipay(w http.ResponseWriter, r *http.Request) {
	ctx := r.Context()
	if r.Method != http.MethodPost && r.Method != http.MethodGet {
		sendText(w, http.StatusMethodNotAllowed, "method not allowed")
		return
	}
	body, err := io.ReadAll(http.MaxBytesReader(nil, r.Body, maxAliBody))
	if err != nil || len(r.URL.RawQuery) > maxAliBody {
		s.sendAli(w, r, &aliRequest{eff: &effect{}}, aliRefuse("40002", "isv.invalid-parameter", "请求过大或不完整"))
		return
	}
	params, err := readAliForm(r.URL.RawQuery, body)
	req := &aliRequest{params: params, eff: &effect{log: exchangeOf(ctx)}, base: addressOf(r)}
	if err != nil {
		s.sendAli(w, r, req, aliRefuse("40002", "isv.invalid-parameter", "参数无效"))
		return
	}
	op, refusal := s.checkAli(req)
	judgeAli(ctx, req, refusal)
	if refusal.code == "" {
		if params["method"] != methodLoginToken { // whose parameters stand beside it
			req.biz, refusal = parseAliBiz(params["biz_content"])
		}
	}
	if refusal.code != "" {
		s.sendAli(w, r, req, refusal)
		return
	}
	c := call{channel: Alipay, endpoint: op.endpoint, merchant: req.merchant.UserID, outTradeNo: string(req.biz.OutTradeNo), code: string(req.biz.AuthCode)}
	c.amount, _ = parseYuan(string(req.biz.TotalAmount)) // a bad amount is refused below and sets off nothing
	if req.eff, err = s.takeFaults(ctx, c); err != nil {
		s.abort(ctx, "take faults", err)
	}
	s.holdBefore(ctx, req.eff)
	answer, err := s.runAli(ctx, op, req)
	if err != nil {
		s.abort(ctx, "carry out alipay call", err)
	}
	s.sendAli(w, r, req, answer)
}

// checkAli authenticates a call, in upstream's order: method, application,
// then everything about the request, then the signature, then the merchant's
// authorisation. Until the application is known a refusal cannot be signed,
// and sendAli sends it bare. An application's token is good for that
// application only: a merchant of another provider is refused.
func (s *Sandbox) checkAli(req *aliRequest) (aliOp, aliAnswer) {
	p := req.params
	if p["method"] == "" {
		return aliOp{}, aliRefuse("40001", "isv.missing-method", "缺少方法名参数")
	}
	op, known := aliOps[p["method"]]
	if !known {
		return aliOp{}, aliRefuse("40002", "isv.invalid-method", "不存在的方法名")
	}
	app := s.ali[p["app_id"]]
	if app == nil {
		return aliOp{}, aliRefuse("40002", "isv.invalid-app-id", "无效的AppID参数")
	}
	req.app = app
	switch {
	case p["format"] != "" && !strings.EqualFold(p["format"], "json"):
		return op, aliRefuse("40002", "isv.invalid-format", "无效的数据格式")
	case !strings.EqualFold(p["charset"], "utf-8"):
		return op, aliRefuse("40002", "isv.invalid-charset", "字符集错误，沙箱只支持utf-8")
	case p["version"] != "1.0":
		return op, aliRefuse("40002", "isv.invalid-version", "无效的版本号")
	case p["timestamp"] == "":
		return op, aliRefuse("40001", "isv.missing-timestamp", "缺少时间戳参数")
	case p["sign_type"] != "RSA2":
		return op, aliRefuse("40002", "isv.invalid-signature-type", "无效签名类型")
	case p["sign"] == "":
		return op, aliRefuse("40001", "isv.missing-signature", "缺少签名参数")
	}
	// Only the form is checked: common clients send their local zone, and the
	// bench's business clock need not be the caller's.
	if _, err := time.Parse(longDay, p["timestamp"]); err != nil {
		return op, aliRefuse("40002", "isv.invalid-timestamp", "非法的时间戳参数")
	}
	if refusal := req.checkCert(); refusal.code != "" {
		return op, refusal
	}
	if !rsa2Verify(app.appKey, []byte(aliSignText(p)), p["sign"]) {
		return op, aliRefuse("40002", "isv.invalid-signature", "验签出错，请检查应用私钥和待签名字符串")
	}
	if p["app_auth_token"] == "" && aliOwn[p["method"]] {
		return op, aliAnswer{}
	}
	var refusal aliAnswer
	req.merchant, refusal = s.aliMerchantOf(app, p["app_auth_token"])
	return op, refusal
}

// runAli carries a call out in one transaction, on disk when it returns. An
// error means that the sandbox could not, and that nothing was committed.
func (s *Sandbox) runAli(ctx context.Context, op aliOp, req *aliRequest) (aliAnswer, error) {
	if req.eff.tokenRevoked {
		return aliRefuse("20001", "aop.invalid-app-auth-token", "应用授权令牌已失效"), nil
	}
	if req.eff.used {
		return aliAnswer{}, s.occupy(ctx, payment{
			channel: Alipay, provider: req.app.account.AppID, merchant: req.merchant.UserID, outTradeNo: string(req.biz.OutTradeNo),
		})
	}
	if req.eff.skip {
		return aliAnswer{}, nil
	}
	var answer aliAnswer
	err := s.run(ctx, func(ctx context.Context, tx *txn) error {
		var err error
		answer, err = op.run(s, ctx, tx, req)
		return err
	})
	return answer, err
}

// sendAli writes, signs and sends an answer. The signature is over exactly the
// bytes of the answer object, and slashes are escaped as the real gateway
// escapes them, so that a verifier that writes the object anew is caught.
func (s *Sandbox) sendAli(w http.ResponseWriter, r *http.Request, req *aliRequest, answer aliAnswer) {
	key := "error_response"
	if _, known := aliOps[req.params["method"]]; known {
		key = strings.ReplaceAll(req.params["method"], ".", "_") + "_response"
	}
	if f := req.eff.forced; f != nil {
		answer = forcedAli(f, req)
		if f.key != "" {
			key = f.key
		}
	}
	if answer.key != "" {
		key = answer.key
	}
	if aliProducts[req.params["method"]] != "" {
		s.sendAliPage(w, r, req, answer)
		return
	}
	// What is forced or tampered with is decided before the bytes are fixed;
	// afterwards nothing may write the object anew.
	object := answer.object()
	encode := aliObject.encode
	if req.eff.plain {
		encode = func(o aliObject) []byte { return unescaped(o.encode()) }
	}
	signed := encode(object)
	req.eff.log.signed(string(signed))
	body := []byte("{" + jsonText(key) + ":" + string(signed))
	if req.app != nil && !req.eff.unsigned {
		tail, err := s.aliSeal(req, signed)
		if err != nil {
			s.abort(r.Context(), "sign alipay answer", err)
		}
		if t := req.eff.tampered; t != nil {
			body = []byte("{" + jsonText(key) + ":" + string(encode(object.tamper(t))))
		}
		body = append(body, tail...)
	}
	s.deliver(w, r, req.eff, append(body, '}'), "text/html;charset=utf-8")
}

// forcedAli is the answer a fault puts in place of the true one. The cancel
// that asks to be repeated names its trade, as the true one does.
func forcedAli(f *forcedAnswer, req *aliRequest) aliAnswer {
	if f.retry {
		var out aliAnswer
		out.fields = out.fields.with("out_trade_no", string(req.biz.OutTradeNo))
		out.fields = out.fields.with("trade_no", string(req.biz.TradeNo))
		out.fields = out.fields.with("retry_flag", "Y")
		return out
	}
	text := f.message
	if text == "" && f.subCode != "" {
		text = "沙箱: " + f.subCode
	}
	return aliRefuse(f.code, f.subCode, text)
}

// object puts the codes in front of the business fields.
func (a aliAnswer) object() aliObject {
	code := a.code
	if code == "" {
		code = "10000"
	}
	if a.bare {
		return a.fields
	}
	var out aliObject
	out = out.with("code", code)
	out = out.with("msg", aliTexts[code])
	out = out.with("sub_code", a.subCode)
	out = out.with("sub_msg", a.subText)
	return append(out, a.fields...)
}

// aliMember is one member of an answer, its value already JSON.
type aliMember struct{ name, raw string }

// aliObject is an answer object that keeps the order it was written in.
type aliObject []aliMember

// with appends a text unless it is empty.
func (o aliObject) with(name, value string) aliObject {
	if value == "" {
		return o
	}
	return append(o, aliMember{name, jsonText(value)})
}

// withRaw appends a member whose value is JSON already.
func (o aliObject) withRaw(name, raw string) aliObject { return append(o, aliMember{name, raw}) }

// encode writes the object. Its bytes are what is signed and what is sent.
func (o aliObject) encode() []byte {
	parts := make([]string, len(o))
	for i, m := range o {
		parts[i] = jsonText(m.name) + ":" + m.raw
	}
	return []byte("{" + strings.Join(parts, ",") + "}")
}

// tamper returns the object with one member altered, by default the amount.
func (o aliObject) tamper(t *tampering) aliObject {
	field, value := t.field, t.value
	if field == "" {
		field = "total_amount"
	}
	if value == "" {
		value = "9999.99"
	}
	out := slices.DeleteFunc(slices.Clone(o), func(m aliMember) bool { return m.name == field })
	return out.with(field, value)
}

// jsonText writes a JSON string with "/" as "\/" and other characters plain.
func jsonText(text string) string {
	var b strings.Builder
	enc := json.NewEncoder(&b)
	enc.SetEscapeHTML(false)
	if err := enc.Encode(text); err != nil {
		panic("sandbox: a string has no JSON form: " + err.Error())
	}
	return strings.ReplaceAll(strings.TrimSuffix(b.String(), "\n"), "/", `\/`)
}
