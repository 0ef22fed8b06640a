package alipay

import (
	"context"
	"encoding/json"
	"errors"
	"net/url"

	"cloudpay/internal/channel"
	"cloudpay/internal/pay"
)

// errNotice is every reason for not believing a notice; it says nothing of it.
var errNotice = errors.New("alipay: the notice does not verify or cannot be read")

// ParseNotice reads a trade notice: a form, decoded exactly once, signed over
// everything but sign and sign_type (upstreams.md §4.7). It implements
// channel.Channel. A notice that also tells of a refund has OutRefundNo set
// and is a hint: it repeats the trade's state with the sum of all refunds, so
// its outcome is Unknown with QUERY_FIRST and the refund query decides. So the
// second TRADE_SUCCESS of a partly refunded trade is no payment, whatever of
// the refund it names; a refund that was sent without a number has the order's.
// Payment.Refunded is the sum, if it is told.
func (c *Channel) ParseNotice(_ map[string][]string, body []byte) (channel.Notice, error) {
	if len(body) > channel.MaxAnswer {
		return channel.Notice{}, errNotice
	}
	form, err := url.ParseQuery(string(body))
	if err != nil {
		return channel.Notice{}, errNotice
	}
	m := members{}
	for name, values := range form {
		if len(values) != 1 { // two readers could take different ones
			return channel.Notice{}, errNotice
		}
		text, err := json.Marshal(values[0])
		if err != nil {
			return channel.Notice{}, errNotice
		}
		m[name] = text
	}
	if form.Get("sign_type") != "RSA2" || !c.verifiesNotice(form) || form.Get("app_id") != c.appID || form.Get("out_trade_no") == "" {
		return channel.Notice{}, errNotice
	}
	n := channel.Notice{
		SubMerchant: m.get("seller_id"), OutTradeNo: m.get("out_trade_no"),
		Ack: "success", AckType: "text/plain",
	}
	if m.get("refund_fee") != "" || m.get("gmt_refund") != "" {
		if n.OutRefundNo = m.get("out_biz_no"); n.OutRefundNo == "" {
			n.OutRefundNo = n.OutTradeNo
		}
		n.Outcome = ruled(channel.Rule{Class: channel.ClassQueryFirst}, m.get("trade_status"), "")
		if sum, ok := readYuan(m.get("refund_fee")); ok { // of all refunds so far
			n.Outcome.Payment.RefundState, n.Outcome.Payment.Refunded = true, sum
		}
		return n, nil
	}
	total, ok := readYuan(m.get("total_amount"))
	if !ok || total <= 0 {
		return channel.Notice{}, errNotice
	}
	// The caller compares the amount with the order's; here it is compared with itself.
	n.Outcome = stateOutcome(m, channel.OrderRequest{OutTradeNo: n.OutTradeNo, Total: total}, "gmt_payment")
	if n.Outcome.Kind == pay.Paid || n.Outcome.Returned {
		n.Outcome.Payment.PayerID = m.get("buyer_id")
		if n.Outcome.Payment.PayerID == "" {
			n.Outcome.Payment.PayerID = m.get("buyer_open_id")
		}
	}
	return n, nil
}

// verifiesNotice checks a notice's signature. In certificate mode a notice that
// fits no certificate we know may be signed under a new one, and be the only word
// of a payment whose order nobody asks for any more. A serial number in it is not
// fetched, since anybody can post one: we put a question of our own, whose answer
// names the certificate in use, and look once more.
func (c *Channel) verifiesNotice(form url.Values) bool {
	good := c.fitsNotice(form)
	if !good && c.trust != nil && c.trust.wonder(c.now()) {
		ctx, cancel := context.WithTimeout(context.Background(), channel.QueryTimeout)
		defer cancel()
		c.Query(ctx, channel.OrderRequest{OutTradeNo: channel.ProbeNumber()}) // whatever it says of the order
		good = c.fitsNotice(form)
	}
	if good {
		c.pulse.Good(c.now())
	}
	return good
}

// fitsNotice reports whether a key that we trust verifies a notice. Alipay does
// not document that a notice names its certificate, so in certificate mode each
// live one is tried. If it does, only that one counts.
func (c *Channel) fitsNotice(form url.Values) bool {
	text, sign, now := []byte(stringToSign(form, false, "sign", "sign_type")), form.Get("sign"), c.now()
	if c.trust == nil {
		return verifyText(c.alipayKey, text, sign)
	}
	sn := form.Get("alipay_cert_sn")
	// A library leaves the serial number out of what is signed; either way it
	// only chooses among keys that we trust already.
	other := []byte(stringToSign(form, false, "sign", "sign_type", "alipay_cert_sn"))
	for _, cert := range c.trust.all(now) {
		if sn != "" && sn != cert.sn {
			continue
		}
		if verifyText(cert.key, text, sign) || sn != "" && verifyText(cert.key, other, sign) {
			c.trust.note(cert, now)
			return true
		}
	}
	return false
}
