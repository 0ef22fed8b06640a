package wxpay

import (
	"context"
	"crypto"
	"crypto/rand"
	"crypto/rsa"
	"crypto/sha256"
	"encoding/base64"
	"errors"
	"net/http"
	"strconv"
	"strings"
	"time"

	"cloudpay/internal/channel"
)

// scheme is the only one of APIv3 (upstreams.md §3.1).
const scheme = "WECHATPAY2-SHA256-RSA2048"

// Headers of signed answers and notices (upstreams.md §3.2).
const (
	headerSerial    = "Wechatpay-Serial"
	headerSignature = "Wechatpay-Signature"
	headerTimestamp = "Wechatpay-Timestamp"
	headerNonce     = "Wechatpay-Nonce"
	headerType      = "Wechatpay-Signature-Type"
)

// probe begins the signatures of messages that must be refused (upstreams.md §3.7).
const probe = "WECHATPAY/SIGNTEST/"

// window is how far a signed timestamp may be from our clock.
const window = 5 * time.Minute

// maxHeader is the longest header that is looked at, in bytes: a signature of
// RSA-4096 has 684, a serial 40, a nonce 32.
const maxHeader = 1024

// errUnverified is every reason for not believing an answer or notice.
var errUnverified = errors.New("wxpay: the signature is missing, wrong, stale or of an unknown key")

// authorize is the Authorization header of a request (upstreams.md §3.1).
// target is the path with its query exactly as sent.
func (c *v3) authorize(method, target string, body []byte) (string, error) {
	stamp, once := strconv.FormatInt(c.now().Unix(), 10), nonce()
	signature, err := c.sign(requestText(method, target, stamp, once, body))
	if err != nil {
		return "", err
	}
	return scheme + ` mchid="` + c.mchID + `",nonce_str="` + once + `",signature="` + signature +
		`",timestamp="` + stamp + `",serial_no="` + c.serial + `"`, nil
}

// requestText is what is signed of a request: five lines, each ended.
func requestText(method, target, stamp, nonce string, body []byte) string {
	return method + "\n" + target + "\n" + stamp + "\n" + nonce + "\n" + string(body) + "\n"
}

// answerText is what is signed of an answer or notice: three lines, each ended.
func answerText(stamp, nonce string, body []byte) string {
	return stamp + "\n" + nonce + "\n" + string(body) + "\n"
}

// sign signs a text with the key of the API certificate.
func (c *v3) sign(text string) (string, error) {
	sum := sha256.Sum256([]byte(text))
	raw, err := rsa.SignPKCS1v15(rand.Reader, c.key, crypto.SHA256, sum[:])
	if err != nil {
		return "", errors.New("wxpay: the key of the API certificate cannot sign")
	}
	return base64.StdEncoding.EncodeToString(raw), nil
}

// verify checks the signature of a received body. It returns channel.ErrProbe
// for WeChat's own trials, and errUnverified for everything else that is wrong.
// allowed limits how often an unknown serial makes us fetch certificates.
func (c *v3) verify(ctx context.Context, h http.Header, body []byte, allowed *budget) error {
	signature, ok := header(h, headerSignature)
	if strings.HasPrefix(signature, probe) {
		return channel.ErrProbe
	}
	serial, okSerial := header(h, headerSerial)
	stamp, okStamp := header(h, headerTimestamp)
	once, okNonce := header(h, headerNonce)
	if !ok || !okSerial || !okStamp || !okNonce || !fresh(stamp, c.now()) {
		return errUnverified
	}
	// Absent in older messages: there is only one scheme.
	if kind := h.Get(headerType); kind != "" && kind != scheme {
		return errUnverified
	}
	raw, err := base64.StdEncoding.DecodeString(signature)
	if err != nil {
		return errUnverified
	}
	key := c.keys.find(ctx, serial, allowed)
	if key == nil || !key.verifies(answerText(stamp, once, body), raw) {
		return errUnverified
	}
	key.used.Store(c.now().UnixMilli())
	return nil
}

// header returns a header that is there once, is not empty and not too long.
func header(h http.Header, name string) (string, bool) {
	if list := h.Values(name); len(list) == 1 && list[0] != "" && len(list[0]) <= maxHeader {
		return list[0], true
	}
	return "", false
}

// fresh reports whether a timestamp in seconds is within the window of now.
func fresh(stamp string, now time.Time) bool {
	if len(stamp) > maxDigits || strings.Trim(stamp, "0123456789") != "" {
		return false
	}
	at, err := strconv.ParseInt(stamp, 10, 64)
	if err != nil {
		return false
	}
	off := now.Sub(time.Unix(at, 0))
	return off < window && off > -window
}
