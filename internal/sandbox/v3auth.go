package sandbox

import (
	"crypto/rsa"
	"net/http"
	"regexp"
	"strconv"
	"strings"
	"time"
)

// authScheme is the only way APIv3 requests are signed (upstreams.md §3.1).
const authScheme = "WECHATPAY2-SHA256-RSA2048"

// authWindow is how far a request's time may lie from the wallet's.
const authWindow = 5 * time.Minute

// authMember is one member of an Authorization header.
var authMember = regexp.MustCompile(`^\s*([a-z_]+)="([^"]*)"\s*$`)

// authenticV3 checks who sent a request: the Authorization header's form, its
// time, the merchant number and the serial of its certificate, and the
// signature over exactly the bytes that came.
func (s *Sandbox) authenticV3(r *http.Request, req *v3Request) v3Answer {
	header := r.Header.Get("Authorization")
	if header == "" {
		return v3Refuse("SIGN_ERROR", "Http头Authorization值为空")
	}
	scheme, rest, _ := strings.Cut(header, " ")
	if scheme != authScheme {
		return v3Refuse("SIGN_ERROR", "Http头Authorization认证类型不正确")
	}
	auth, ok := parseAuth(rest)
	if !ok {
		return v3Refuse("SIGN_ERROR", "Http头Authorization值格式错误")
	}
	seconds, err := strconv.ParseInt(auth["timestamp"], 10, 64)
	if err != nil || len(auth["timestamp"]) > len("1767225600") {
		return v3Refuse("SIGN_ERROR", "Http头Authorization中的timestamp格式错误")
	}
	if off := s.wireNow().Sub(time.Unix(seconds, 0)); off > authWindow || off < -authWindow {
		return v3Refuse("SIGN_ERROR", "Http头Authorization中的timestamp与发起请求的时间不得超过5分钟")
	}
	provider := s.wx[auth["mchid"]]
	if provider == nil {
		return v3Refuse("SIGN_ERROR", "商户号不存在")
	}
	key, refusal := provider.keys.caller(auth["serial_no"], s.c.Now())
	if refusal != "" {
		return v3Refuse("SIGN_ERROR", refusal)
	}
	req.provider = provider
	text := r.Method + "\n" + requestTarget(r) + "\n" + auth["timestamp"] + "\n" + auth["nonce_str"] + "\n" + string(req.raw) + "\n"
	problem := ""
	if !rsa2Verify(key, []byte(text), auth["signature"]) {
		problem = "signature does not verify with the certificate " + auth["serial_no"] + " over the text below: " +
			"look for another body than the one sent, an escaped path, or another key"
	}
	judge(r.Context(), authScheme, text, problem)
	if problem != "" {
		return v3Refuse("SIGN_ERROR", "签名错误，请检查后再试")
	}
	return v3Answer{}
}

// parseAuth reads the members of the header: each of the five exactly once, in
// any order, none empty.
func parseAuth(text string) (map[string]string, bool) {
	auth := map[string]string{}
	for part := range strings.SplitSeq(text, ",") {
		m := authMember.FindStringSubmatch(part)
		if m == nil || auth[m[1]] != "" || m[2] == "" {
			return nil, false
		}
		auth[m[1]] = m[2]
	}
	for _, name := range [...]string{"mchid", "nonce_str", "signature", "timestamp", "serial_no"} {
		if auth[name] == "" {
			return nil, false
		}
	}
	return auth, len(auth) == 5 && len(auth["nonce_str"]) <= 32
}

// requestTarget is the path and query exactly as they were sent, which is what
// is signed. A request in absolute form, or one that never went over a wire,
// has them in its URL.
func requestTarget(r *http.Request) string {
	if strings.HasPrefix(r.RequestURI, "/") {
		return r.RequestURI
	}
	return r.URL.RequestURI()
}

// sameSerial compares serials as numbers: leading zeros and case are a matter
// of taste.
func sameSerial(a, b string) bool {
	return a != "" && strings.TrimLeft(strings.ToUpper(a), "0") == strings.TrimLeft(strings.ToUpper(b), "0")
}

// signer is a key with the name it goes by in Wechatpay-Serial.
type signer struct {
	serial string
	key    *rsa.PrivateKey
}

// signV3 signs a body and puts the five headers of it in place, or what faults
// make of them (upstreams.md §3.2).
func (s *Sandbox) signV3(header map[string]string, by signer, body []byte, eff *effect) error {
	stamp, word := strconv.FormatInt(s.wireNow().Add(eff.skew).Unix(), 10), randomHex(16)
	text := stamp + "\n" + word + "\n" + string(body) + "\n"
	eff.log.signed(text)
	sign, err := rsa2Sign(by.key, []byte(text))
	if err != nil {
		return err
	}
	if eff.badSign {
		sign = spoil(sign)
	}
	if eff.wrongSerial {
		by.serial = "7F" + strings.Repeat("0", 38) // nobody's
	}
	header["Wechatpay-Timestamp"], header["Wechatpay-Nonce"] = stamp, word
	header["Wechatpay-Signature"], header["Wechatpay-Serial"] = sign, by.serial
	header["Wechatpay-Signature-Type"] = authScheme
	return nil
}
