package wxpay

import (
	"cmp"
	"context"
	"crypto/rsa"
	"encoding/json"
	"errors"
	"net/http"
	"net/url"
	"strings"
	"time"

	"cloudpay/internal/channel"
	"cloudpay/internal/pay"
	"cloudpay/internal/secret"
)

// v3 is one provider's account at WeChat Pay APIv3, in partner mode. It is
// safe for concurrent use; all its state is its keys (keyring).
type v3 struct {
	base   *url.URL
	backup *url.URL // nil for none
	mchID  string
	appID  string
	serial string // of the API certificate whose key signs
	key    *rsa.PrivateKey
	secret secret.Secret // APIv3 key, empty for an account that only has a public key
	keys   *keyring
	poster *channel.Poster
	now    func() time.Time
	pulse  *channel.Pulse
}

// v3call is one endpoint.
type v3call struct {
	name   string // for channel.Health
	method string
	codes  codeBook
	// lost is what a missing or unverifiable answer asks for.
	lost pay.Next
	// accepted is the condition "HTTP 202" for this call. Only code pay answers
	// it with a state; elsewhere it asks for the same request again. To a
	// question it says nothing of the money, so it is not Waiting there.
	accepted channel.Rule
}

// The endpoints.
var (
	v3Pay         = v3call{name: "codepay", method: http.MethodPost, codes: v3PayCodes, accepted: channel.Rule{Class: channel.ClassWaiting}}
	v3Prepay      = v3call{name: "create", method: http.MethodPost, codes: v3PrepayCodes, lost: pay.NextRetrySame, accepted: repeatAccepted}
	v3Query       = v3call{name: "query", method: http.MethodGet, codes: v3QueryCodes, accepted: channel.Rule{Class: channel.ClassRetrySame}}
	v3Reverse     = v3call{name: "reverse", method: http.MethodPost, codes: v3ReverseCodes, lost: pay.NextRetrySame, accepted: repeatAccepted}
	v3Close       = v3call{name: "close", method: http.MethodPost, codes: v3CloseCodes, accepted: repeatAccepted}
	v3Refund      = v3call{name: "refund", method: http.MethodPost, codes: v3RefundCodes, accepted: repeatAccepted}
	v3QueryRefund = v3call{name: "refund_query", method: http.MethodGet, codes: v3RefundQueryCodes, accepted: channel.Rule{Class: channel.ClassRetrySame}}
	v3Abnormal    = v3call{name: "abnormal_refund", method: http.MethodPost, codes: v3RefundCodes, accepted: repeatAccepted}
)

// repeatAccepted: accepted and not finished; the caller may send it again.
var repeatAccepted = channel.Rule{Class: channel.ClassWaiting}

// send signs and sends one request and reads its verified answer into into,
// which may be nil. target is the path, escaped, with its query. When there is
// no verified success, ok is false and out is the outcome.
func (c *v3) send(ctx context.Context, to v3call, target string, request, into any) (out pay.Outcome, ok bool) {
	return c.sendNaming(ctx, to, target, request, into, "")
}

// sendNaming is send with the name of the key that fields of the request are
// encrypted with.
func (c *v3) sendNaming(ctx context.Context, to v3call, target string, request, into any, serial string) (out pay.Outcome, ok bool) {
	if err := c.keys.ready(ctx); err != nil {
		// Not sent: the answer could not be believed.
		return c.lost(to, channel.ErrKeys), false
	}
	var body []byte
	if request != nil {
		raw, err := marshal(request)
		if err != nil {
			return c.lost(to, channel.ErrUnreadable), false
		}
		body = raw
	}
	a, err := c.exchange(ctx, to.method, target, body, serial)
	if err != nil {
		return c.lost(to, lossOf(err)), false
	}
	if a.Status < 200 || a.Status > 299 {
		return c.refused(to, a), false
	}
	if err := c.verify(ctx, a.Header, a.Body, c.keys.answers); err != nil {
		return c.lost(to, channel.ErrSignature), false
	}
	c.pulse.Good(c.now())
	if a.Status == http.StatusAccepted {
		return accepted(to, a.Body), false
	}
	if into != nil && json.Unmarshal(a.Body, into) != nil {
		return c.lost(to, channel.ErrUnreadable), false
	}
	return pay.Outcome{}, true
}

// exchange signs and sends one request and returns the raw answer. serial is the
// key that it names, "" for the public key if there is one: answers are then
// signed with the key that lives longest (upstreams.md §3.2).
func (c *v3) exchange(ctx context.Context, method, target string, body []byte, serial string) (channel.Answer, error) {
	to, err := within(c.base, target)
	if err != nil {
		return channel.Answer{}, channel.ErrDial
	}
	var backup *url.URL
	if c.backup != nil {
		if backup, err = within(c.backup, target); err != nil {
			return channel.Answer{}, channel.ErrDial
		}
	}
	authorization, err := c.authorize(method, to.RequestURI(), body)
	if err != nil {
		return channel.Answer{}, channel.ErrUnreadable
	}
	header := http.Header{"Authorization": {authorization}, "Accept": {"application/json"}}
	if body != nil {
		header.Set("Content-Type", "application/json")
	}
	if serial = cmp.Or(serial, c.keys.publicID); serial != "" {
		header.Set(headerSerial, serial)
	}
	return c.poster.Send(ctx, channel.Call{Method: method, URL: to, Backup: backup, Header: header, Body: body})
}

// within is a target at a host. Only the host may differ between base and
// backup: the path is signed.
func within(base *url.URL, target string) (*url.URL, error) {
	return url.Parse(strings.TrimSuffix(base.String(), "/") + target)
}

// marshal writes JSON without escaping <, > and &, which WeChat shows to
// customers as they come.
func marshal(v any) ([]byte, error) {
	var b strings.Builder
	enc := json.NewEncoder(&b)
	enc.SetEscapeHTML(false)
	if err := enc.Encode(v); err != nil {
		return nil, err
	}
	return []byte(strings.TrimSuffix(b.String(), "\n")), nil
}

// lossOf is the LostError of an exchange.
func lossOf(err error) channel.LostError {
	if lost, ok := errors.AsType[channel.LostError](err); ok {
		return lost
	}
	return channel.ErrCut
}

// lost is the outcome of a call without a usable answer.
func (c *v3) lost(to v3call, err channel.LostError) pay.Outcome {
	c.pulse.Bad(c.now(), to.name, err.Name())
	out := err.Outcome()
	out.Next = to.lost
	return out
}

// accepted is the outcome of a verified 202.
func accepted(to v3call, body []byte) pay.Outcome {
	var said struct {
		Code       string `json:"code"`
		TradeState string `json:"trade_state"`
		Status     string `json:"status"`
	}
	_ = json.Unmarshal(body, &said) // the status says it all
	code := said.TradeState + said.Status
	if code == "" {
		code = said.Code
	}
	return ruled(to.accepted, code, "")
}

// refused classifies an answer that is not a success. Refusals are never
// signed upstream: a listed code counts as it stands (upstreams.md §6), and
// Verified says that it is listed.
func (c *v3) refused(to v3call, a channel.Answer) pay.Outcome {
	var said struct {
		Code    string `json:"code"`
		Message string `json:"message"`
	}
	if a.Status < 400 || json.Unmarshal(a.Body, &said) != nil || said.Code == "" {
		out := c.lost(to, channel.ErrStatus)
		// Wrong path or method on our side (upstreams.md §3.1).
		wrong := a.Status == http.StatusNotFound || a.Status == http.StatusMethodNotAllowed
		out.Alert = wrong && len(a.Body) == 0
		return out
	}
	rule, listed := to.codes.find(said.Code)
	out := ruled(rule, said.Code, said.Message)
	out.Verified = listed
	if out.Alert {
		c.pulse.Bad(c.now(), to.name, out.Code)
	}
	return out
}
