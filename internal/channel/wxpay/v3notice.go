package wxpay

import (
	"context"
	"encoding/json"
	"errors"
	"net/http"
	"strings"
	"time"

	"cloudpay/internal/channel"
	"cloudpay/internal/pay"
)

// v3ack takes a notice. The status alone would do (upstreams.md §3.7).
const v3ack = `{"code":"SUCCESS","message":"成功"}`

// noticePatience is how long a notice of an unknown serial waits for the
// certificates: upstream wants its answer within five seconds.
const noticePatience = 3 * time.Second

// maxNumber is the longest number of ours or the wallet's in a notice, in bytes.
const maxNumber = 64

// v3notice is the envelope of a notice.
type v3notice struct {
	ID       string  `json:"id"`
	Event    string  `json:"event_type"`
	Resource *sealed `json:"resource"`
}

// notice verifies and reads a notice (upstreams.md §3.7). Its error is
// channel.ErrProbe or errNotice.
func (c *v3) notice(h http.Header, body []byte) (channel.Notice, error) {
	if len(body) > channel.MaxAnswer {
		return channel.Notice{}, errNotice
	}
	ctx, cancel := context.WithTimeout(context.Background(), noticePatience)
	defer cancel()
	if err := c.verify(ctx, h, body, c.keys.notices); err != nil {
		if errors.Is(err, channel.ErrProbe) {
			return channel.Notice{}, channel.ErrProbe
		}
		return channel.Notice{}, errNotice
	}
	c.pulse.Good(c.now())
	return c.read(body)
}

// read reads a notice whose signature is good. It cannot panic, whatever that
// holds: the envelope is read into fixed types, a missing resource is looked
// for, and sealed.open checks what the standard library would panic at.
func (c *v3) read(body []byte) (channel.Notice, error) {
	var n v3notice
	if json.Unmarshal(body, &n) != nil || n.Resource == nil {
		return channel.Notice{}, errNotice
	}
	plain, err := n.Resource.open(c.secret.Reveal())
	if err != nil {
		return channel.Notice{}, errNotice
	}
	switch {
	case n.Event == "TRANSACTION.SUCCESS" && maybe(n.Resource.OriginalType, "transaction"):
		return c.payNotice(plain)
	case strings.HasPrefix(n.Event, "REFUND.") && maybe(n.Resource.OriginalType, "refund"):
		return c.refundNotice(plain, strings.TrimPrefix(n.Event, "REFUND."))
	}
	return channel.Notice{}, errNotice
}

// payNotice reads the order of a pay notice.
func (c *v3) payNotice(plain []byte) (channel.Notice, error) {
	var o v3order
	if json.Unmarshal(plain, &o) != nil || o.SpMchID != c.mchID || !numbered(o.SubMchID, o.OutTradeNo) || o.State == "" {
		return channel.Notice{}, errNotice
	}
	n := channel.Notice{SubMerchant: o.SubMchID, OutTradeNo: o.OutTradeNo, Ack: v3ack, AckType: "application/json"}
	total := o.Amount.Total
	switch {
	case o.State != "SUCCESS":
		// Notices come after success only, so this one decides nothing.
		n.Outcome = ruled(channel.Rule{Class: channel.ClassQueryFirst}, o.State, o.StateText)
	case total == nil || *total <= 0 || *total > int64(pay.MaxFen) || !maybe(o.Amount.Currency, "CNY"):
		return channel.Notice{}, errNotice
	default:
		n.Outcome = pay.Outcome{Kind: pay.Paid, Verified: true, Code: "SUCCESS", Payment: o.payment()}
	}
	return n, nil
}

// refundNotice reads the refund of a refund notice, whose event must say the
// same as its status.
func (c *v3) refundNotice(plain []byte, event string) (channel.Notice, error) {
	var a v3refund
	if json.Unmarshal(plain, &a) != nil || a.SpMchID != c.mchID || !numbered(a.SubMchID, a.OutTradeNo, a.OutRefundNo) ||
		a.NoticeStatus != event {
		return channel.Notice{}, errNotice
	}
	return channel.Notice{
		SubMerchant: a.SubMchID, OutTradeNo: a.OutTradeNo, OutRefundNo: a.OutRefundNo,
		Outcome: ruled(v3RefundStates.Find(a.NoticeStatus), a.NoticeStatus, ""), Refund: a.paid(), Ack: v3ack, AckType: "application/json",
	}, nil
}

// numbered reports whether all numbers are there and none is longer than any
// of the wallet's.
func numbered(list ...string) bool {
	for _, s := range list {
		if s == "" || len(s) > maxNumber {
			return false
		}
	}
	return true
}
