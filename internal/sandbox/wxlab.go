package sandbox

import (
	"context"
	"crypto/hmac"
	"crypto/sha256"
	"encoding/hex"
	"io"
	"net/http"
	"slices"
	"strings"
)

// EndpointOther are the calls that move nothing: authcodetoopenid and report.
const EndpointOther = "other"

// wxToolOps are the calls of WeChat Pay v2 around payments (upstreams.md §2.2).
var wxToolOps = []wxOp{
	{path: "/tools/authcodetoopenid", endpoint: EndpointOther, run: (*Sandbox).wxAuthCodeToOpenID, required: []string{"auth_code"}},
	{path: "/payitil/report", endpoint: EndpointOther, run: (*Sandbox).wxReport, required: []string{"interface_url", "user_ip"}},
}

// The prefixes of WeChat's own test environments, old and current, and the
// paths of their key (upstreams.md §2.8).
const (
	labOld = "/sandboxnew"
	labNow = "/xdc/apiv2sandbox"
)

var labKeyPaths = []string{labOld + "/pay/getsignkey", "/xdc/apiv2getsignkey/sign/getsignkey"}

// labCalls are what each environment has. Neither asks for a certificate.
var labCalls = map[string][]string{
	labOld: {"/pay/micropay", "/pay/orderquery", "/pay/unifiedorder", "/secapi/pay/refund", "/pay/refundquery"},
	labNow: {"/pay/micropay", "/pay/orderquery"},
}

// labCoupons are the amounts that the old environment pays with a coupon.
var labCoupons = []Fen{5_01, 5_02}

// labOps are the calls of both environments. They work on the same orders as
// the others: what differs is the key, and that nothing asks for a certificate.
func labOps() []wxOp {
	var ops []wxOp
	for prefix, paths := range labCalls {
		for _, op := range wxOps {
			if !slices.Contains(paths, op.path) {
				continue
			}
			op.path, op.mtls = prefix+strings.TrimPrefix(op.path, "/secapi"), false
			ops = append(ops, op)
		}
	}
	return ops
}

// inLab reports whether a path belongs to one of WeChat's test environments.
func inLab(path string) bool {
	return strings.HasPrefix(path, labOld+"/") || strings.HasPrefix(path, labNow+"/")
}

// labKey is the provider's key in both environments, sandbox_signkey.
func (w *wxProvider) labKey() string {
	mac := hmac.New(sha256.New, []byte(w.account.APIv2Key))
	mac.Write([]byte("sandbox_signkey"))
	return hex.EncodeToString(mac.Sum(nil))[:32]
}

// keyAt is the key that signs what goes to and comes from a path.
func (w *wxProvider) keyAt(path string) string {
	if inLab(path) {
		return w.labKey()
	}
	return w.account.APIv2Key
}

// serveLabKey answers getsignkey: the key, without a signature.
func (s *Sandbox) serveLabKey(w http.ResponseWriter, r *http.Request) {
	body, err := io.ReadAll(http.MaxBytesReader(nil, r.Body, maxWxBody))
	fields, problem := wxFields(nil), err
	if err == nil {
		fields, problem = parseWx(body)
	}
	provider := s.wx[fields.get("mch_id")]
	switch {
	case problem != nil:
		unjudged(r.Context(), "not XML: "+problem.Error())
		s.sendWxComm(w, wxCommError{"FAIL", "XML格式错误"})
		return
	case provider == nil:
		unjudged(r.Context(), "mch_id is unknown")
		s.sendWxComm(w, wxCommError{"FAIL", "mch_id不存在"})
		return
	}
	signType := signMD5
	if fields.get("sign_type") == signHMAC {
		signType = signHMAC
	}
	wrong := wxProblem(fields, provider.account.APIv2Key, signType)
	judge(r.Context(), signType, wxSignText(fields, "***"), wrong)
	if wrong != "" {
		s.sendWxComm(w, wxCommError{"FAIL", "签名错误"})
		return
	}
	w.Header().Set("Content-Type", "text/plain")
	_, _ = w.Write(wxFields{{"return_code", "SUCCESS"}, {"return_msg", "ok"}, {"mch_id", provider.account.MchID}, {"sandbox_signkey", provider.labKey()}}.encode())
}

// wxAuthCodeToOpenID tells whose code it is without using it up. Afterwards
// only this merchant can charge it.
func (s *Sandbox) wxAuthCodeToOpenID(ctx context.Context, tx *txn, r *wxRequest) (wxAnswer, error) {
	code := r.fields.get("auth_code")
	customer, state, err := tx.lookAtCode(ctx, WeChat, r.merchant.SubMchID, code)
	if err != nil {
		return wxAnswer{}, err
	}
	switch state {
	case codeUnknown:
		return wxRefuse("AUTH_CODE_INVALID", "付款码无效，请刷新后再扫"), nil
	case codeUsed:
		return wxRefuse("AUTH_CODE_ERROR", "付款码已使用过，请刷新后再扫"), nil
	case codeExpired:
		return wxRefuse("AUTHCODEEXPIRE", "付款码已过期，请刷新后再扫"), nil
	case codeGood:
	}
	out := wxFields{{"openid", openID(r.provider.account.AppID, customer)}}
	if app := r.fields.get("sub_appid"); app != "" {
		out = out.with("sub_openid", openID(app, customer))
	}
	return wxAnswer{fields: out}, tx.exec(ctx, "INSERT INTO code_bindings (code, merchant) VALUES (?, ?) ON CONFLICT (code) DO NOTHING", code, r.merchant.SubMchID)
}

// wxReport takes a report of an interface's speed and forgets it.
func (s *Sandbox) wxReport(context.Context, *txn, *wxRequest) (wxAnswer, error) {
	return wxAnswer{}, nil
}
