// Package alipay is the adapter of Alipay's Open API for service providers
// (ISV): form requests signed with RSA2, JSON answers verified over their raw
// bytes (upstreams.md §4).
//
// It knows Alipay's methods, spellings, signatures and codes, and turns one
// call into one request and its answer into a pay.Outcome. It must not know
// orders, stores or retries: what an outcome leads to is decided by
// internal/pay, and the meaning of outcomes by internal/channel. The only
// clock in it stamps requests, which Alipay checks against real time.
//
// It speaks the gateway protocol itself, with the standard library, because
// the rules of upstreams.md §6 need the answer before anything was made of it:
// its HTTP status, whether a signature was there at all, and the exact bytes.
package alipay

import (
	"context"
	"crypto/rsa"
	"crypto/x509"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"strings"
	"time"

	"cloudpay/internal/channel"
	"cloudpay/internal/pay"
	"cloudpay/internal/secret"
)

// beijing is the zone of all times of Alipay. Beijing has no daylight saving.
var beijing = time.FixedZone("Asia/Shanghai", 8*60*60)

// wireTime is the form of all times of Alipay; fractions of a second are read too.
const wireTime = "2006-01-02 15:04:05"

// formType is how requests are posted.
const formType = "application/x-www-form-urlencoded;charset=utf-8"

// Config is one provider's application. GatewayURL, AppID, AppPrivateKeyPEM and
// Now are required, and either AlipayPublicKeyPEM (key mode) or the three
// certificates (certificate mode, which wins when both are there).
type Config struct {
	GatewayURL         string         // https://openapi.alipay.com/gateway.do
	RootCAs            *x509.CertPool // nil: the system's
	AppID              string
	AppPrivateKeyPEM   secret.Secret // signs requests
	AlipayPublicKeyPEM string        // verifies answers and notices in key mode
	// AppCertPEM names our key to Alipay, AlipayCertPEM verifies answers and
	// notices, and RootCertPEM is the pinned bundle of roots that it and its
	// successors lead to: the files appCertPublicKey, alipayCertPublicKey_RSA2
	// and alipayRootCert of the application.
	AppCertPEM, AlipayCertPEM, RootCertPEM string
	// ServiceProviderID is sys_service_provider_id, for the provider's rebate; may be empty.
	ServiceProviderID string
	// Now stamps requests. It is real time even where business time is moved
	// (design.md §12).
	Now func() time.Time
	// Transport replaces the connection pool, for simulations; it must not
	// send a request twice.
	Transport http.RoundTripper
}

// Channel is one provider's application at Alipay. It implements
// channel.Channel and channel.Healther, holds no state but its connections,
// Alipay's certificates and how its last calls went, and is safe for concurrent
// use.
type Channel struct {
	gateway    *url.URL
	appID      string
	key        *rsa.PrivateKey
	alipayKey  *rsa.PublicKey // nil in certificate mode
	trust      *trust         // nil in key mode
	pulse      channel.Pulse
	providerID string
	now        func() time.Time
	poster     *channel.Poster
}

var _ channel.Channel = (*Channel)(nil)

// New checks the application and returns its channel. It connects to nothing.
// The error says what to correct and holds no secret.
func New(c Config) (*Channel, error) {
	gateway, err := channel.ParseBase(c.GatewayURL)
	if err != nil {
		return nil, fmt.Errorf("alipay application %s: %w", c.AppID, err)
	}
	if c.AppID == "" || c.Now == nil {
		return nil, fmt.Errorf("alipay application %q: app_id and a clock are required", c.AppID)
	}
	key, err := parsePrivateKey(c.AppPrivateKeyPEM.Reveal())
	if err != nil {
		return nil, fmt.Errorf("alipay application %s: %w", c.AppID, err)
	}
	ch := &Channel{
		gateway: gateway, appID: c.AppID, key: key, providerID: c.ServiceProviderID, now: c.Now,
		poster: channel.NewPoster(channel.PosterConfig{RootCAs: c.RootCAs, Transport: c.Transport}),
	}
	if c.AppCertPEM+c.AlipayCertPEM+c.RootCertPEM != "" {
		ch.trust, err = newTrust(c, key)
	} else {
		ch.alipayKey, err = parsePublicKey(c.AlipayPublicKeyPEM)
	}
	if err != nil {
		return nil, fmt.Errorf("alipay application %s: %w", c.AppID, err)
	}
	return ch, nil
}

// CloseIdle drops the idle connections. Calls under way are not touched.
func (c *Channel) CloseIdle() { c.poster.CloseIdle() }

// call is one method of the gateway.
type call struct {
	method string
	codes  channel.Table
	// question: the call only asks. A refusal of the question says nothing of
	// what was asked about.
	question bool
	// waits: the call may be answered with 10003, "waiting for the buyer".
	waits bool
	// notifyURL is where Alipay tells of the payment, "" for nowhere.
	notifyURL string
	// lost and lostPause are what a missing or unverifiable answer asks for.
	lost      pay.Next
	lostPause time.Duration
}

// The methods (upstreams.md §4.4). The codes of precreate and create are those
// of pay.
var (
	callPay         = call{method: "alipay.trade.pay", codes: payCodes, waits: true}
	callPrecreate   = call{method: "alipay.trade.precreate", codes: prepayCodes, lost: pay.NextRetrySame}
	callCreate      = call{method: "alipay.trade.create", codes: prepayCodes, lost: pay.NextRetrySame}
	callWap         = call{method: "alipay.trade.wap.pay", codes: prepayCodes}
	callQuery       = call{method: "alipay.trade.query", codes: queryCodes, question: true, waits: true}
	callCancel      = call{method: "alipay.trade.cancel", codes: cancelCodes, lost: pay.NextRetrySame, lostPause: cancelPause}
	callClose       = call{method: "alipay.trade.close", codes: closeCodes}
	callRefund      = call{method: "alipay.trade.refund", codes: refundCodes}
	callQueryRefund = call{method: "alipay.trade.fastpay.refund.query", codes: refundQueryCodes, question: true}
)

// The top-level codes that decide by something else (upstreams.md §4.3).
const (
	codeSuccess  = "10000"
	codeWaiting  = "10003"
	codeBusiness = "40004" // by sub_code
)

// send signs and posts biz once and returns the members of a verified 10000
// answer. For every other answer ok is false and out is the outcome.
func (c *Channel) send(ctx context.Context, to call, r channel.OrderRequest, biz any) (answer members, out pay.Outcome, ok bool) {
	answer, out, ok = c.exchange(ctx, to, r, biz)
	if ok {
		c.pulse.Good(c.now())
	} else {
		c.pulse.Outcome(c.now(), to.method, out)
	}
	return answer, out, ok
}

// exchange is send without the note of how it went.
func (c *Channel) exchange(ctx context.Context, to call, r channel.OrderRequest, biz any) (answer members, out pay.Outcome, ok bool) {
	form, err := c.request(to, r.Merchant, biz)
	if err != nil {
		out = unsignable
		out.Next, out.Pause = to.lost, to.lostPause
		return nil, out, false
	}
	body, err := c.poster.Post(ctx, c.gateway, formType, []byte(form))
	if err != nil {
		return nil, to.missing(err), false
	}
	a, err := splitAnswer(body, to.method)
	if err != nil {
		return nil, to.missing(channel.ErrUnreadable), false
	}
	answer, err = splitObject(a.content)
	if err != nil {
		return nil, to.missing(channel.ErrUnreadable), false
	}
	if a.sign == "" {
		return nil, to.unsigned(answer), false
	}
	if !c.verifies(ctx, a) {
		return nil, to.missing(channel.ErrSignature), false
	}
	if no := answer.get("out_trade_no"); no != "" && r.OutTradeNo != "" && no != r.OutTradeNo {
		return nil, differs(answer.get("code")), false
	}
	if answer.get("code") != codeSuccess {
		return nil, to.refused(answer), false
	}
	return answer, pay.Outcome{}, true
}

// verifies reports whether an answer is Alipay's: signed with the key of key
// mode, or under the certificate that it names, which is fetched if it is new.
// The other certificate of a rotation does not stand in.
func (c *Channel) verifies(ctx context.Context, a signed) bool {
	if c.trust == nil {
		return verifyText(c.alipayKey, a.content, a.sign)
	}
	cert := c.trust.key(ctx, a.certSN, c.now, c.fetchCert)
	if cert == nil || !verifyText(cert.key, a.content, a.sign) {
		return false
	}
	c.trust.note(cert, c.now())
	return true
}

// request builds the signed form of one call (upstreams.md §4.1).
func (c *Channel) request(to call, merchant channel.Merchant, biz any) (string, error) {
	content, err := json.Marshal(biz)
	if err != nil {
		return "", errors.New("alipay: biz_content cannot be written")
	}
	form := url.Values{
		"app_id":      {c.appID},
		"method":      {to.method},
		"format":      {"JSON"},
		"charset":     {"utf-8"},
		"sign_type":   {"RSA2"},
		"timestamp":   {c.now().In(beijing).Format(wireTime)},
		"version":     {"1.0"},
		"biz_content": {string(content)},
	}
	if !merchant.AppAuthToken.IsZero() {
		form.Set("app_auth_token", merchant.AppAuthToken.Reveal())
	}
	if to.notifyURL != "" {
		form.Set("notify_url", to.notifyURL)
	}
	if c.trust != nil {
		form.Set("app_cert_sn", c.trust.appSN)
		form.Set("alipay_root_cert_sn", c.trust.rootSN)
	}
	sign, err := signText(c.key, stringToSign(form, true, "sign"))
	if err != nil {
		return "", err
	}
	form.Set("sign", sign)
	return form.Encode(), nil
}

// unsignable is the outcome of a call that never left, because of a mistake in the
// account: it is the same for every call.
var unsignable = pay.Outcome{Kind: pay.Unknown, Alert: true, Lost: true, Text: "请求无法签名"}

// missing is the outcome of a call without a usable answer.
func (to call) missing(err error) pay.Outcome {
	lost, ok := errors.AsType[channel.LostError](err)
	if !ok {
		lost = channel.ErrUnreadable
	}
	out := lost.Outcome()
	out.Next, out.Pause = to.lost, to.lostPause
	return out
}

// unsigned classifies an answer without a signature. It counts only for 40001
// and 40002, the gateway's refusals before it knows the application: the
// request was not processed (upstreams.md §6).
func (to call) unsigned(m members) pay.Outcome {
	switch m.get("code") {
	case "40001", "40002":
		out := to.refused(m)
		out.Verified = false
		return out
	}
	return to.missing(channel.ErrSignature)
}

// refused classifies an answer whose code is not 10000: by its code, then by
// its sub_code in the table of the call.
func (to call) refused(m members) pay.Outcome {
	code, sub := m.get("code"), m.get("sub_code")
	rule := topLevel.Find(code)
	switch {
	case code == codeBusiness:
		rule = to.codes.Find(normal(sub))
	case code == codeWaiting && !to.waits:
		rule = channel.Unlisted
	case to.question && rule.Class == channel.ClassDeclined:
		// The question was refused, not the payment or refund it is about:
		// "Declined" would call a paid order unpaid.
		rule.Class = channel.ClassOperator
	}
	if sub == "" {
		sub = code
	}
	text := m.get("sub_msg")
	if text == "" {
		text = m.get("msg")
	}
	return ruled(rule, sub, unquoted(text))
}

// unquoted cuts a sentence of Alipay's before a quotation of our own request,
// which "invalid signature" ends with: it holds the app_auth_token.
func unquoted(text string) string {
	for _, start := range []string{"验签字符串为", "alipay_root_cert_sn=", "app_auth_token=", "app_cert_sn=", "app_id=", "biz_content="} {
		text, _, _ = strings.Cut(text, start)
	}
	return text
}

// normal writes a sub_code as the tables have it (upstreams.md §4.5, §4.6).
func normal(sub string) string {
	sub = strings.TrimPrefix(sub, "aop.")
	if rest, ok := strings.CutPrefix(sub, "AQC."); ok {
		return "ACQ." + rest
	}
	return sub
}

// ruled is the outcome of a verified answer by one line of a table.
func ruled(r channel.Rule, code, text string) pay.Outcome {
	out := r.Outcome()
	out.Verified = true
	out.Code, out.Text = channel.CleanCode(code), channel.CleanText(text)
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
