// Package wxpay is the adapter of WeChat Pay for service providers, by both of
// its interfaces. v2 is flat XML messages signed with the provider's API key,
// and mutual TLS where money goes back (upstreams.md §2). APIv3 is JSON signed
// with RSA, verified with platform certificates, WeChat Pay's public key, or
// both at once (§3). Each call goes by the interface of its merchant; an order
// made by one can be asked for, returned and noticed by the other.
//
// It knows WeChat's endpoints, spellings, signatures and codes, and turns one
// call into one request and its answer into a pay.Outcome. It must not know
// orders, stores, clocks or retries: what an outcome leads to is decided by
// internal/pay, and the meaning of outcomes by internal/channel.
package wxpay

import (
	"context"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"encoding/hex"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"time"

	"cloudpay/internal/channel"
	"cloudpay/internal/pay"
	"cloudpay/internal/secret"
)

// beijing is the zone of all v2 times. Beijing has no daylight saving.
var beijing = time.FixedZone("Asia/Shanghai", 8*60*60)

// Forms of time on the wire (upstreams.md §2.1).
const (
	wireTime   = "20060102150405"
	refundTime = "2006-01-02 15:04:05" // refund success times only
)

// Config is one provider's account. BaseURL, MchID, AppID and the client
// certificate are required, and what the generation of the interface needs.
type Config struct {
	BaseURL   string         // https://api.mch.weixin.qq.com
	BackupURL string         // https://api2.mch.weixin.qq.com, "" for none; used only when BaseURL cannot be dialled
	RootCAs   *x509.CertPool // nil: the system's
	MchID     string         // the provider's
	AppID     string         // the provider's
	// API is the interface of merchants that do not say (channel.Merchant.API):
	// channel.APIv2, which "" means, or channel.APIv3.
	API    string
	APIKey secret.Secret // APIv2 key: signs requests, verifies answers; needed for v2
	// APIv3Key opens platform certificates and notices; needed for v3, 32 bytes.
	APIv3Key secret.Secret
	// PublicKeyID (PUB_KEY_ID_…) and PublicKeyPEM are WeChat Pay's public key,
	// both "" for an account that only has platform certificates.
	PublicKeyID  string
	PublicKeyPEM string
	// Now is the clock of signatures, freshness and expiry; needed for v3.
	Now func() time.Time
	// ClientCertPEM and ClientKeyPEM are the provider's API certificate. v2
	// refuses reverse and refund without it; v3 signs with its key and names its
	// serial.
	ClientCertPEM string
	ClientKeyPEM  secret.Secret
	SignType      SignType // "" is MD5, upstream's default
	// Transport replaces the connection pools, for simulations; it must not
	// send a request twice.
	Transport http.RoundTripper
}

// Channel is one provider's account at WeChat Pay, by both of its interfaces.
// It implements channel.Channel, holds no state but its connections and the
// wallet's keys, and is safe for concurrent use.
type Channel struct {
	base     *url.URL
	backup   *url.URL // nil for none
	mchID    string
	appID    string
	api      string        // of merchants that do not say
	key      secret.Secret // APIv2 key, empty for an account that only has APIv3
	signType SignType
	open     *channel.Poster
	mutual   *channel.Poster // presents the client certificate
	v3       *v3             // nil for an account that only has v2
	ours     channel.KeyHealth
	now      func() time.Time // may be nil without v3
	pulse    *channel.Pulse
}

var _ channel.Channel = (*Channel)(nil)

// New checks the account and returns its channel. It connects to nothing. The
// error says what to correct and holds no secret.
func New(c Config) (*Channel, error) {
	wrong := func(text string) error { return fmt.Errorf("wxpay account %q: %s", c.MchID, text) }
	base, err := channel.ParseBase(c.BaseURL)
	if err != nil {
		return nil, wrong(err.Error())
	}
	var backup *url.URL
	if c.BackupURL != "" {
		if backup, err = channel.ParseBase(c.BackupURL); err != nil {
			return nil, wrong("backup: " + err.Error())
		}
	}
	if c.MchID == "" || c.AppID == "" {
		return nil, wrong("mch_id and appid are required")
	}
	switch c.SignType {
	case "":
		c.SignType = SignMD5
	case SignMD5, SignHMAC:
	default:
		return nil, wrong("sign type must be MD5 or HMAC-SHA256")
	}
	cert, err := tls.X509KeyPair([]byte(c.ClientCertPEM), []byte(c.ClientKeyPEM.Reveal()))
	if err != nil {
		// The cause is left out: it is about the text of a private key.
		return nil, wrong("the client certificate and its key do not fit; give both as PEM (apiclient_cert.pem, apiclient_key.pem)")
	}
	ch := &Channel{
		base: base, backup: backup, mchID: c.MchID, appID: c.AppID, api: c.API, key: c.APIKey, signType: c.SignType,
		open:   channel.NewPoster(channel.PosterConfig{RootCAs: c.RootCAs, Transport: c.Transport}),
		mutual: channel.NewPoster(channel.PosterConfig{RootCAs: c.RootCAs, Transport: c.Transport, ClientCert: &cert}),
		ours: channel.KeyHealth{
			Role: channel.RoleOurs, Serial: serialOf(cert.Leaf), From: cert.Leaf.NotBefore.UTC(), Until: cert.Leaf.NotAfter.UTC(),
		},
		now: c.Now, pulse: &channel.Pulse{},
	}
	if !c.APIv3Key.IsZero() || c.PublicKeyID != "" || c.PublicKeyPEM != "" {
		if ch.v3, err = newV3(c, ch, &cert); err != nil {
			return nil, wrong(err.Error())
		}
	}
	switch {
	case c.API != "" && c.API != channel.APIv2 && c.API != channel.APIv3:
		return nil, wrong("the interface must be v2 or v3")
	case c.API == channel.APIv3 && ch.v3 == nil:
		return nil, wrong("APIv3 needs the APIv3 key, WeChat Pay's public key, or both")
	case c.API != channel.APIv3 && c.APIKey.IsZero():
		return nil, wrong("v2 needs the APIv2 key")
	}
	return ch, nil
}

// CloseIdle drops the idle connections. Calls under way are not touched.
func (c *Channel) CloseIdle() {
	c.open.CloseIdle()
	c.mutual.CloseIdle()
}

// call is one endpoint.
type call struct {
	path string
	// mutual: the endpoint demands the client certificate (upstreams.md §2.1).
	mutual bool
	codes  channel.Table
	// lost is what a missing or unverifiable answer asks for.
	lost pay.Next
	// begins: the call makes an order, so it is refused when it cannot be sent.
	begins bool
}

// The endpoints.
var (
	callPay         = call{path: "/pay/micropay", codes: payCodes, begins: true}
	callPrepay      = call{path: "/pay/unifiedorder", codes: prepayCodes, lost: pay.NextRetrySame, begins: true}
	callQuery       = call{path: "/pay/orderquery", codes: queryCodes}
	callReverse     = call{path: "/secapi/pay/reverse", mutual: true, codes: reverseCodes, lost: pay.NextRetrySame}
	callClose       = call{path: "/pay/closeorder", codes: closeCodes}
	callRefund      = call{path: "/secapi/pay/refund", mutual: true, codes: refundCodes}
	callQueryRefund = call{path: "/pay/refundquery", codes: refundQueryCodes}
)

// send signs and posts m once and returns the verified answer. When there is
// none, ok is false and out is the outcome.
func (c *Channel) send(ctx context.Context, to call, merchant channel.Merchant, m message) (answer message, out pay.Outcome, ok bool) {
	if c.key.IsZero() {
		return message{}, speechless(to.begins), false
	}
	m.set("appid", c.appID)
	m.set("mch_id", c.mchID)
	m.set("sub_appid", merchant.SubAppID)
	m.set("sub_mch_id", merchant.SubMchID)
	m.set("nonce_str", nonce())
	if c.signType == SignHMAC {
		m.set("sign_type", string(SignHMAC)) // MD5 is what its absence means
	}
	m.set("sign", c.signType.signature(m, c.key.Reveal()))
	poster := c.open
	if to.mutual {
		poster = c.mutual
	}
	var backup *url.URL
	if c.backup != nil {
		backup = c.backup.JoinPath(to.path)
	}
	body, err := poster.PostEither(ctx, c.base.JoinPath(to.path), backup, "text/xml; charset=utf-8", m.encode())
	if err == nil {
		answer, err = c.verified(body)
	}
	if err == nil {
		c.pulse.Good(c.time())
		return answer, pay.Outcome{}, true
	}
	out = lossOutcome(err)
	c.pulse.Outcome(c.time(), to.path, out)
	out.Next = to.lost
	return message{}, out, false
}

// refusedError is an unsigned answer whose return_code is not SUCCESS.
type refusedError struct{ code, text string }

func (e *refusedError) Error() string { return "wxpay: return_code " + e.code }

// verified reads an answer and checks its signature over all of its elements.
func (c *Channel) verified(body []byte) (message, error) {
	m, err := parseMessage(body, "xml")
	if err != nil {
		return message{}, channel.ErrUnreadable
	}
	if code := m.get("return_code"); code != "SUCCESS" {
		return message{}, &refusedError{code: channel.CleanCode(code), text: channel.CleanText(m.get("return_msg"))}
	}
	if !c.signType.verify(m, c.key.Reveal()) {
		return message{}, channel.ErrSignature
	}
	return m, nil
}

// lossOutcome is the outcome of a call without a verified answer. A
// return_code other than SUCCESS is unsigned, so it decides nothing; it is
// usually a mistake in the account, so an operator is told (upstreams.md §6).
func lossOutcome(err error) pay.Outcome {
	if refused, ok := errors.AsType[*refusedError](err); ok {
		// SYSTEMERROR has been seen as return_code and is no mistake of ours.
		return pay.Outcome{
			Kind: pay.Unknown, Lost: true, Alert: refused.code != "SYSTEMERROR",
			Code: refused.code, Text: refused.text,
		}
	}
	if lost, ok := errors.AsType[channel.LostError](err); ok {
		return lost.Outcome()
	}
	return channel.ErrUnreadable.Outcome()
}

// same reports whether the answer is about our account and merchant. The
// numbers of a refusal may be left out; those of a success may not.
func (c *Channel) same(m message, merchant channel.Merchant, success bool) bool {
	if success && (m.get("mch_id") == "" || m.get("sub_mch_id") == "") {
		return false
	}
	return optional(m, "appid", c.appID) && optional(m, "mch_id", c.mchID) && optional(m, "sub_mch_id", merchant.SubMchID)
}

// optional reports whether an element is absent or as wanted.
func optional(m message, name, want string) bool {
	got := m.get(name)
	return got == "" || got == want
}

// ruled is the outcome of a verified answer by one line of a table.
func ruled(r channel.Rule, code, text string) pay.Outcome {
	out := r.Outcome()
	out.Verified = true
	out.Code, out.Text = channel.CleanCode(code), channel.CleanText(text)
	return out
}

// refused classifies a verified answer whose result_code is not SUCCESS.
func (c *Channel) refused(m message, to call, r channel.OrderRequest) pay.Outcome {
	no := m.get("out_trade_no")
	if !c.same(m, r.Merchant, false) || r.OutTradeNo != "" && no != "" && no != r.OutTradeNo {
		return differs(m.get("err_code"))
	}
	if m.get("result_code") != "FAIL" {
		return ruled(channel.Unlisted, m.get("result_code"), m.get("err_code_des"))
	}
	out := ruled(to.codes.Find(m.get("err_code")), m.get("err_code"), m.get("err_code_des"))
	if out.Alert {
		c.pulse.Bad(c.time(), to.path, out.Code)
	}
	return out
}

// differs is a verified answer about something else than what was asked for:
// never paid, and no evidence of anything (upstreams.md §6).
func differs(code string) pay.Outcome {
	return pay.Outcome{
		Kind: pay.Unknown, Alert: true, Code: channel.CleanCode(code),
		Text: "钱包应答的金额、商户或订单号与请求不一致",
	}
}

// nonce returns 32 characters that do not repeat (nonce_str).
func nonce() string {
	buf := make([]byte, 16)
	_, _ = rand.Read(buf) // never fails: the runtime ends the process instead
	return hex.EncodeToString(buf)
}
