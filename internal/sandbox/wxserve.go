package sandbox

import (
	"context"
	"errors"
	"io"
	"log/slog"
	"net/http"
	"strings"
)

// wxOp is one WeChat v2 call (upstreams.md §2.2).
type wxOp struct {
	path     string
	endpoint string
	mtls     bool // needs the provider's client certificate
	required []string
	run      func(s *Sandbox, ctx context.Context, tx *txn, r *wxRequest) (wxAnswer, error)
}

// wxOps are the calls the sandbox plays. Fields that any call needs are
// checked for all of them; here stand the ones a call needs beside. Reverse
// and refund move money back, so they alone demand the certificate.
var wxOps = []wxOp{
	{
		path: "/pay/micropay", endpoint: EndpointPay, run: (*Sandbox).wxMicropay,
		required: []string{"body", "out_trade_no", "total_fee", "spbill_create_ip", "auth_code"},
	},
	{
		path: "/pay/unifiedorder", endpoint: EndpointPrepay, run: (*Sandbox).wxUnifiedOrder,
		required: []string{"body", "out_trade_no", "total_fee", "spbill_create_ip", "notify_url", "trade_type"},
	},
	{path: "/pay/orderquery", endpoint: EndpointQuery, run: (*Sandbox).wxOrderQuery},
	{path: "/secapi/pay/reverse", endpoint: EndpointReverse, mtls: true, run: (*Sandbox).wxReverse},
	{
		path: "/secapi/pay/refund", endpoint: EndpointRefund, mtls: true, run: (*Sandbox).wxRefund,
		required: []string{"out_refund_no", "total_fee", "refund_fee"},
	},
	{path: "/pay/refundquery", endpoint: EndpointRefundQuery, run: (*Sandbox).wxRefundQuery},
	{path: "/pay/closeorder", endpoint: EndpointClose, run: (*Sandbox).wxCloseOrder, required: []string{"out_trade_no"}},
}

// wxRequest is an authentic WeChat call: its signature was made with the key
// of the provider it names. merchant is zero when sub_mch_id is not one of the
// provider's, which is refused among the fields, under a signature.
type wxRequest struct {
	fields   wxFields
	provider *wxProvider
	merchant WeChatMerchant
	signType string
	key      string // signs both ways; another one in WeChat's test environments
	eff      *effect
}

// wxAnswer is the business part of an answer. An empty code is success. On a
// refusal the code is what callers decide by; the text is for people and may
// change.
type wxAnswer struct {
	code, text string
	fields     wxFields
}

// wxRefuse is a refusal on the level of business: signed, with an err_code.
func wxRefuse(code, text string) wxAnswer { return wxAnswer{code: code, text: text} }

// wxCommError is a refusal on the level of communication: it has no signature,
// because the wallet could not tell who called.
type wxCommError struct{ code, text string }

// Error is for logs; the caller gets the two elements.
func (e wxCommError) Error() string { return e.code + ": " + e.text }

// serveWx carries one call through upstream's order of checks: XML, merchant
// and application, signature, fields, business (upstreams.md §8.4).
func (s *Sandbox) serveWx(w http.ResponseWriter, r *http.Request, op wxOp) {
	ctx := r.Context()
	req, err := s.readWx(r)
	if op.mtls && !s.admitWx(w, r, op, req) {
		return
	}
	if comm := (wxCommError{}); errors.As(err, &comm) {
		if req.signType == "" { // it did not come to the signature
			unjudged(ctx, comm.Error())
		}
		s.sendWxComm(w, comm)
		return
	}
	c := call{
		channel: WeChat, endpoint: op.endpoint, merchant: req.merchant.SubMchID,
		outTradeNo: req.fields.get("out_trade_no"), header: r.Header.Get("Wechatpay-Negative-Test"),
		code: req.fields.get("auth_code"), lab: inLab(r.URL.Path),
	}
	c.amount, _ = parseFen(req.fields.get("total_fee")) // a bad amount is refused below and sets off nothing
	if req.eff, err = s.takeFaults(ctx, c); err != nil {
		s.abort(ctx, "take faults", err)
	}
	s.holdBefore(ctx, req.eff)
	answer, err := s.runWx(ctx, op, req)
	if err != nil {
		s.abort(ctx, "carry out wechat call", err)
	}
	s.deliver(w, r, req.eff, s.encodeWx(req, answer), "text/plain")
}

// readWx reads and authenticates a call. The error is an wxCommError.
func (s *Sandbox) readWx(r *http.Request) (*wxRequest, error) {
	req := &wxRequest{}
	if r.Method != http.MethodPost {
		return req, wxCommError{"FAIL", "请使用POST方法"}
	}
	body, err := io.ReadAll(http.MaxBytesReader(nil, r.Body, maxWxBody))
	if err != nil {
		return req, wxCommError{"FAIL", "请求报文过大或不完整"}
	}
	req.fields, err = parseWx(body)
	switch {
	// What cannot be read cannot be answered under a signature, since the key
	// to sign with is the caller's.
	case errors.Is(err, errWxEmpty):
		return req, wxCommError{"FAIL", "post数据为空"}
	case errors.Is(err, errWxUTF8):
		return req, wxCommError{"FAIL", "编码格式错误，请使用UTF-8"}
	case err != nil:
		return req, wxCommError{"FAIL", "XML格式错误"}
	}
	provider := s.wx[req.fields.get("mch_id")]
	switch {
	case provider == nil:
		return req, wxCommError{"FAIL", "mch_id不存在"}
	case req.fields.get("appid") == "":
		return req, wxCommError{"FAIL", "缺少参数appid"}
	case req.fields.get("appid") != provider.account.AppID:
		return req, wxCommError{"FAIL", "appid和mch_id不匹配"}
	}
	req.signType = req.fields.get("sign_type")
	if req.signType == "" {
		req.signType = signMD5
	}
	req.key = provider.keyAt(r.URL.Path)
	problem := wxProblem(req.fields, req.key, req.signType)
	judge(r.Context(), req.signType, wxSignText(req.fields, "***"), problem)
	if problem != "" {
		return req, wxCommError{"FAIL", "签名错误"}
	}
	req.provider = provider
	req.merchant = provider.merchants[req.fields.get("sub_mch_id")]
	return req, nil
}

// wxProblem says what is wrong with a document's signature, "" if nothing is.
// The right signature is not told: whoever can read the log could use it.
func wxProblem(f wxFields, key, signType string) string {
	switch sign := f.get("sign"); {
	case signType != signMD5 && signType != signHMAC:
		return "sign_type is neither MD5 nor HMAC-SHA256"
	case sign == "":
		return "sign is missing"
	case wxVerify(f, key, signType):
		return ""
	case sign != strings.ToUpper(sign):
		return "sign must be upper-case hexadecimal"
	default:
		return "sign is not the " + signType + " of the text below: look for a member left out or changed, another order, or another key"
	}
}

// admitWx demands the client certificate on the calls that need one. It
// reports false after it has ended the call: by cutting the connection, or
// with the HTML page when a fault asks for that (upstreams.md §2.1).
func (s *Sandbox) admitWx(w http.ResponseWriter, r *http.Request, op wxOp, req *wxRequest) bool {
	mchID := req.fields.get("mch_id")
	// The certificate comes before the signature, as it does upstream, where
	// the connection is cut before anything is read.
	err := s.checkClient(r.TLS, mchID)
	if err == nil {
		return true
	}
	relaxed, page, ferr := s.mtlsRule(r.Context(), call{
		channel: WeChat, endpoint: op.endpoint, merchant: req.fields.get("sub_mch_id"), outTradeNo: req.fields.get("out_trade_no"),
	})
	if ferr != nil {
		s.abort(r.Context(), "take faults", ferr)
	}
	if page {
		w.Header().Set("Content-Type", "text/html")
		w.WriteHeader(http.StatusBadRequest)
		_, _ = io.WriteString(w, "<html>\r\n<head><title>400 No required SSL certificate was sent</title></head>\r\n"+
			"<body>\r\n<center><h1>400 Bad Request</h1></center>\r\n</body>\r\n</html>\r\n")
		return false
	}
	if relaxed {
		return true
	}
	unjudged(r.Context(), "cut: "+err.Error())
	s.c.Log.WarnContext(r.Context(), "call cut for lack of a client certificate",
		slog.String("path", op.path), slog.String("mch_id", mchID), slog.String("error", err.Error()))
	panic(http.ErrAbortHandler)
}

// runWx checks the fields and carries the call out in one transaction, which
// is on disk when it returns.
func (s *Sandbox) runWx(ctx context.Context, op wxOp, req *wxRequest) (wxAnswer, error) {
	if req.eff.used {
		return wxAnswer{}, s.occupy(ctx, payment{channel: WeChat, provider: req.provider.account.MchID, merchant: req.merchant.SubMchID, outTradeNo: req.fields.get("out_trade_no")})
	}
	if req.eff.skip {
		return wxAnswer{}, nil
	}
	if refusal := checkWx(op, req); refusal.code != "" {
		return refusal, nil
	}
	var answer wxAnswer
	err := s.run(ctx, func(ctx context.Context, tx *txn) error {
		var err error
		answer, err = op.run(s, ctx, tx, req)
		return err
	})
	return answer, err
}

// checkWx looks at the fields every call has and those this one needs.
func checkWx(op wxOp, req *wxRequest) wxAnswer {
	f := req.fields
	for _, name := range append([]string{"nonce_str", "sub_mch_id"}, op.required...) {
		if f.get(name) == "" {
			return wxRefuse("LACK_PARAMS", "缺少参数"+name)
		}
	}
	switch {
	case len(f.get("nonce_str")) > 32:
		return wxRefuse("PARAM_ERROR", "nonce_str长度超过32")
	case req.merchant.SubMchID == "":
		return wxRefuse("MCHID_NOT_EXIST", "sub_mch_id不存在或未授权给该服务商")
	case f.get("sub_appid") != "" && !req.merchant.owns(f.get("sub_appid")):
		return wxRefuse("APPID_MCHID_NOT_MATCH", "sub_appid与sub_mch_id不匹配")
	}
	return wxAnswer{}
}

// encodeWx writes and signs an answer, with the algorithm the caller used and
// over every element of it. A forced answer replaces the true one here, after
// the call was carried out or not; what spoils the signature comes last, so
// that a spoilt answer is otherwise the true one.
func (s *Sandbox) encodeWx(req *wxRequest, answer wxAnswer) []byte {
	eff, in := req.eff, req.fields
	out := wxFields{{"return_code", "SUCCESS"}, {"return_msg", "OK"}}
	if f := eff.forced; f != nil {
		if f.returnCode != "" {
			return wxFields{{"return_code", f.returnCode}, {"return_msg", f.message}}.encode()
		}
		answer = wxRefuse(f.code, f.message)
		if f.recall {
			answer.fields = answer.fields.with("recall", "Y")
		}
		if answer.code != "" && answer.text == "" {
			answer.text = "沙箱: " + answer.code
		}
	}
	out = out.with("appid", in.get("appid"))
	out = out.with("mch_id", in.get("mch_id"))
	out = out.with("sub_appid", in.get("sub_appid"))
	out = out.with("sub_mch_id", in.get("sub_mch_id"))
	out = out.with("nonce_str", nonce())
	if answer.code == "" {
		out = out.with("result_code", "SUCCESS")
	} else {
		out = out.with("result_code", "FAIL")
		out = out.with("err_code", answer.code)
		out = out.with("err_code_des", answer.text)
	}
	out = append(out, answer.fields...)
	if !eff.unsigned {
		eff.log.signed(wxSignText(out, "***"))
		sign := wxSign(out, req.key, req.signType)
		if eff.badSign {
			sign = spoil(sign)
		}
		out = out.with("sign", sign)
	}
	if t := eff.tampered; t != nil {
		field, value := t.field, t.value
		if field == "" {
			field = "total_fee"
		}
		if value == "" {
			value = out.get(field) + "0" // ten times the amount
		}
		out = out.replacing(field, value)
	}
	return out.encode()
}

// spoil turns the first character of a signature into another valid one.
func spoil(sign string) string {
	first := "A"
	if strings.HasPrefix(sign, first) {
		first = "B"
	}
	return first + sign[1:]
}

// sendWxComm answers a refusal on the level of communication.
func (s *Sandbox) sendWxComm(w http.ResponseWriter, e wxCommError) {
	w.Header().Set("Content-Type", "text/plain")
	_, _ = w.Write(wxFields{{"return_code", e.code}, {"return_msg", e.text}}.encode()) // a caller who has gone needs no answer
}
