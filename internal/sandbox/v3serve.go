package sandbox

import (
	"context"
	"encoding/json"
	"io"
	"log/slog"
	"net/http"
	"net/url"
	"slices"
	"strings"
)

// v3Op is one call of APIv3 (upstreams.md §3). A signed call answers JSON under
// a signature; one that is a file is signed by the caller only.
type v3Op struct {
	// method and path name the call; a segment of path in braces is a parameter.
	method, path string
	endpoint     string
	// probed is set where the real host looks at User-Agent and Accept before it
	// looks at anything else (§3.1).
	probed bool
	rules  []v3Rule // of the body, or of the query of a GET
	run    func(s *Sandbox, ctx context.Context, tx *txn, r *v3Request) (v3Answer, error)
}

// v3Ops are all calls of APIv3 that are played. Whoever adds some adds a table
// here; everything up to the fields, and the signature, is done for them.
var v3Ops = slices.Concat(v3OrderOps, v3RefundOps, v3KeyOps, v3BillOps)

// v3Request is an authentic call: it was signed, a moment ago, with the key of
// the provider it names. merchant is zero when it names none.
type v3Request struct {
	op       *v3Op
	provider *wxProvider
	merchant WeChatMerchant
	path     map[string]string // parameters of the path, unescaped
	fields   v3Fields          // the body, or the query of a GET
	raw      []byte            // the body as it came
	serial   string            // Wechatpay-Serial: the key the caller wants the answer signed with
	eff      *effect
}

// v3Answer is an answer before it is signed. With a code it is a refusal.
type v3Answer struct {
	status int // 0 is 200
	body   any // JSON, nil for none
	// file is the content of a download, which is answered without a signature.
	file     []byte
	fileType string // its Content-Type

	code, text string
	detail     *v3Detail
}

// v3Detail says which field was wrong (upstreams.md §3.3).
type v3Detail struct {
	Field    string `json:"field"`
	Value    any    `json:"value"`
	Issue    string `json:"issue"`
	Location string `json:"location"`
}

// v3Refuse is a refusal with a code; the status goes with it.
func v3Refuse(code, text string) v3Answer { return v3Answer{code: code, text: text} }

// maxV3Body bounds a request; the largest documented one has a detail of 6000
// characters.
const maxV3Body = 64 << 10

// serveV3 carries one call through upstream's order of checks: path and method,
// headers, Authorization, time, merchant and serial, signature, body, fields,
// permissions, business (upstreams.md §8.4).
func (s *Sandbox) serveV3(w http.ResponseWriter, r *http.Request) {
	ctx := r.Context()
	op, params, known := findV3(r)
	switch {
	case op == nil && known:
		w.WriteHeader(http.StatusMethodNotAllowed)
		return
	case op == nil:
		w.WriteHeader(http.StatusNotFound)
		return
	}
	req := &v3Request{op: op, path: params, serial: r.Header.Get("Wechatpay-Serial"), eff: &effect{log: exchangeOf(ctx)}}
	if refusal := s.readV3(r, req); refusal.code != "" {
		s.sendV3(w, r, req, refusal)
		return
	}
	c := call{
		channel: WeChat, endpoint: op.endpoint, merchant: req.fields.text("sub_mchid"), outTradeNo: req.number("out_trade_no"),
		header: r.Header.Get("Wechatpay-Negative-Test"), code: req.fields.text("payer.auth_code"),
	}
	c.amount, _ = req.fields.fen("amount.total") // a bad amount is refused below and sets off nothing
	eff, err := s.takeFaults(ctx, c)
	if err != nil {
		s.abort(ctx, "take faults", err)
	}
	req.eff = eff
	s.holdBefore(ctx, eff)
	answer, err := s.runV3(ctx, req)
	if err != nil {
		s.abort(ctx, "carry out wechat call", err)
	}
	s.sendV3(w, r, req, answer)
}

// findV3 looks a call up by path and method; known tells that the path exists.
// The path is taken as it was sent: segments are unescaped one by one, so that
// an escaped slash stays inside its number.
func findV3(r *http.Request) (op *v3Op, params map[string]string, known bool) {
	segments := strings.Split(strings.TrimPrefix(r.URL.EscapedPath(), "/"), "/")
	for i := range v3Ops {
		found, match := matchV3(v3Ops[i].path, segments)
		if !match {
			continue
		}
		known = true
		if v3Ops[i].method == r.Method {
			return &v3Ops[i], found, true
		}
	}
	return nil, nil, known
}

// matchV3 compares a path with a pattern, segment by segment.
func matchV3(pattern string, segments []string) (map[string]string, bool) {
	want := strings.Split(strings.TrimPrefix(pattern, "/"), "/")
	if len(want) != len(segments) {
		return nil, false
	}
	params := map[string]string{}
	for i, name := range want {
		if !strings.HasPrefix(name, "{") {
			if name != segments[i] {
				return nil, false
			}
			continue
		}
		value, err := url.PathUnescape(segments[i])
		if err != nil || value == "" {
			return nil, false
		}
		params[strings.Trim(name, "{}")] = value
	}
	return params, true
}

// number is a parameter of the path, or else of the body or query.
func (r *v3Request) number(name string) string {
	if value := r.path[name]; value != "" {
		return value
	}
	return r.fields.text(name)
}

// readV3 reads and authenticates a call.
func (s *Sandbox) readV3(r *http.Request, req *v3Request) v3Answer {
	if req.op.probed && (r.Header.Get("User-Agent") == "" || r.Header.Get("Accept") == "") {
		return v3Refuse("INVALID_REQUEST", "Http头缺少Accept或User-Agent")
	}
	raw, err := io.ReadAll(http.MaxBytesReader(nil, r.Body, maxV3Body))
	if err != nil {
		return v3Refuse("INVALID_REQUEST", "请求报文过大或不完整")
	}
	req.raw = raw
	if refusal := s.authenticV3(r, req); refusal.code != "" {
		if req.provider == nil { // it did not come to the signature
			unjudged(r.Context(), "refused before the signature: "+refusal.text)
		}
		return refusal
	}
	if r.Method == http.MethodGet {
		values, err := url.ParseQuery(r.URL.RawQuery)
		if err != nil {
			return v3Refuse("PARAM_ERROR", "请求参数格式错误")
		}
		req.fields = v3Query(values)
		return v3Answer{}
	}
	if len(raw) > 0 && !strings.HasPrefix(strings.ToLower(r.Header.Get("Content-Type")), "application/json") {
		return v3Answer{code: "PARAM_ERROR", text: "Http头Content-Type不是application/json", detail: &v3Detail{
			Field: "Content-Type", Value: r.Header.Get("Content-Type"), Issue: "应为application/json", Location: "header",
		}}
	}
	var ok bool
	if req.fields, ok = parseV3(raw); !ok {
		return v3Refuse("PARAM_ERROR", "请求报文不是有效的JSON对象")
	}
	return v3Answer{}
}

// runV3 checks the fields and the permissions and carries the call out in one
// transaction, which is on disk when it returns.
func (s *Sandbox) runV3(ctx context.Context, req *v3Request) (v3Answer, error) {
	if err := s.renewPlatform(ctx, req.provider); err != nil {
		return v3Answer{}, err
	}
	if turn := req.eff.rotate; turn != nil {
		if err := s.rotatePlatform(ctx, req.provider.account.MchID, *turn); err != nil {
			return v3Answer{}, err
		}
	}
	if req.eff.used {
		return v3Answer{body: struct{}{}}, s.occupy(ctx, payment{
			channel: WeChat, provider: req.provider.account.MchID, merchant: req.fields.text("sub_mchid"), outTradeNo: req.number("out_trade_no"),
		})
	}
	if req.eff.skip {
		return v3Answer{body: struct{}{}}, nil
	}
	location := "body"
	if req.op.method == http.MethodGet {
		location = "query"
	}
	if refusal := req.fields.check(req.op.rules, location); refusal.code != "" {
		return refusal, nil
	}
	if refusal := s.permitV3(req); refusal.code != "" {
		return refusal, nil
	}
	var answer v3Answer
	err := s.run(ctx, func(ctx context.Context, tx *txn) error {
		var err error
		answer, err = req.op.run(s, ctx, tx, req)
		return err
	})
	return answer, err
}

// permitV3 looks at whom the call is made for: the signer itself, and one of
// its own shops under one of that shop's applications.
func (s *Sandbox) permitV3(r *v3Request) v3Answer {
	account := r.provider.account
	spMchID, subMchID := r.fields.text("sp_mchid"), r.fields.text("sub_mchid")
	if spMchID != "" && spMchID != account.MchID {
		return v3Refuse("NO_AUTH", "sp_mchid不是请求签名的商户")
	}
	if appID := r.fields.text("sp_appid"); appID != "" && appID != account.AppID {
		return v3Refuse("APPID_MCHID_NOT_MATCH", "sp_appid和sp_mchid不匹配")
	}
	if subMchID == "" {
		return v3Answer{}
	}
	var ok bool
	if r.merchant, ok = r.provider.merchants[subMchID]; !ok {
		for _, other := range s.wx {
			if _, theirs := other.merchants[subMchID]; theirs {
				return v3Refuse("NO_AUTH", "sub_mchid未授权给该服务商")
			}
		}
		return v3Refuse("MCH_NOT_EXISTS", "sub_mchid不存在")
	}
	if appID := r.fields.text("sub_appid"); appID != "" && !r.merchant.owns(appID) {
		return v3Refuse("APPID_MCHID_NOT_MATCH", "sub_appid和sub_mchid不匹配")
	}
	return v3Answer{}
}

// forcedV3 is the answer a fault puts in place of the true one. A scenario that
// works on both interfaces says its code in v2's spelling; answer_code is taken
// at its word. recall=Y, which v3 has no member for, is an error to repeat.
func (r *v3Request) forcedV3(answer v3Answer) v3Answer {
	f := r.eff.forced
	if f == nil {
		return answer
	}
	code, status := f.code, f.status
	switch {
	case f.recall:
		code = "SYSTEM_ERROR"
	case code == "":
		code = f.returnCode
	}
	if !f.verbatim {
		code = v3Code(code).code
	}
	text := f.message
	if text == "" {
		text = "沙箱: " + code
	}
	return v3Answer{status: status, code: code, text: text}
}

// sendV3 writes an answer and signs it if it is a 2xx; 4xx, 5xx and files carry
// no signature (upstreams.md §3.2). What spoils the signature comes last, so
// that a spoilt answer is otherwise the true one.
func (s *Sandbox) sendV3(w http.ResponseWriter, r *http.Request, req *v3Request, answer v3Answer) {
	answer = req.forcedV3(answer)
	rep := reply{status: answer.status, header: map[string]string{"Request-Id": "08" + randomHex(16)}}
	switch {
	case answer.code != "":
		if rep.status == 0 {
			rep.status = req.op.status(answer.code)
		}
		rep.body = encodeV3(map[string]any{"code": answer.code, "message": answer.text})
		if answer.detail != nil {
			rep.body = encodeV3(map[string]any{"code": answer.code, "message": answer.text, "detail": answer.detail})
		}
		s.c.Log.DebugContext(r.Context(), "wechat call refused", slog.String("path", req.op.path), slog.String("code", answer.code))
	case answer.file != nil:
		rep.status, rep.body = http.StatusOK, answer.file
	case rep.status == http.StatusNoContent:
	default:
		if rep.status == 0 {
			rep.status = http.StatusOK
		}
		rep.body = encodeV3(answer.body)
	}
	rep.header["Content-Type"] = "application/json; charset=utf-8"
	if answer.file != nil {
		rep.header["Content-Type"] = answer.fileType
	}
	if rep.status == http.StatusNoContent {
		delete(rep.header, "Content-Type")
	}
	if rep.status/100 == 2 && answer.file == nil && !req.eff.unsigned {
		key := req.provider.keys.answering(req.provider.account.PublicKeyID, req.serial, req.eff, s.c.Now())
		if err := s.signV3(rep.header, key, rep.body, req.eff); err != nil {
			s.abort(r.Context(), "sign wechat answer", err)
		}
	}
	if t := req.eff.tampered; t != nil && rep.status/100 == 2 && answer.file == nil {
		rep.body = tamperV3(rep.body, *t, "amount.total")
	}
	s.send(w, r, req.eff, rep)
}

// status is what a code comes with. Two of them depend on the call: a shop that
// a refund names wrongly is not found (upstreams.md §3.3), and USERPAYING is no
// success of anything but a payment.
func (op *v3Op) status(code string) int {
	known := v3Code(code)
	switch {
	case known.code == "MCH_NOT_EXISTS" && (op.endpoint == EndpointRefund || op.endpoint == EndpointRefundQuery):
		return http.StatusNotFound
	case known.code == "USERPAYING" && op.endpoint != EndpointPay:
		return http.StatusBadRequest
	}
	return known.status
}

// encodeV3 writes JSON as the wallet does: compact, without HTML escapes.
func encodeV3(v any) []byte {
	var b strings.Builder
	e := json.NewEncoder(&b)
	e.SetEscapeHTML(false)
	if err := e.Encode(v); err != nil {
		panic("sandbox: an answer has no JSON form: " + err.Error())
	}
	return []byte(strings.TrimSuffix(b.String(), "\n"))
}
