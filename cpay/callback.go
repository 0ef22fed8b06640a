package cpay

import (
	"errors"
	"fmt"
	"strconv"
)

// PayCallback tells a merchant that an order is paid (protocol.md §1.10).
type PayCallback struct {
	// NonceStr is made up when empty. It proves nothing (R11).
	NonceStr string
	// PayMchKey names the merchant and the wallet.
	PayMchKey PayMchKey
	// OrderContent is the order.
	OrderContent OrderContent
	// OrderClient is the device that made the order, if the server tells.
	OrderClient *OrderClient
}

func (m *PayCallback) fields(c *walk) {
	c.freshNonce(&m.NonceStr)
	c.object("pay_mch_key", &m.PayMchKey)
	c.object("order_content", &m.OrderContent)
	optional(c, "order_client", &m.OrderClient)
}

// RefundCallback tells a merchant that refunds succeeded.
type RefundCallback struct {
	// NonceStr is made up when empty. It proves nothing (R11).
	NonceStr string
	// PayMchKey names the merchant and the wallet.
	PayMchKey PayMchKey
	// RefundOrderContent are the refunds.
	RefundOrderContent []RefundOrderContent
}

func (m *RefundCallback) fields(c *walk) {
	c.freshNonce(&m.NonceStr)
	c.object("pay_mch_key", &m.PayMchKey)
	mustList(c, "refund_order_content", &m.RefundOrderContent)
}

// ReverseCallback tells a merchant that an order was reversed: nothing is owed
// for it.
type ReverseCallback struct {
	// OutTradeNo is the number of the order.
	OutTradeNo string
	// NonceStr is made up when empty. It proves nothing (R11).
	NonceStr string
}

func (m *ReverseCallback) fields(c *walk) {
	c.mustText("out_trade_no", &m.OutTradeNo, limitTradeNo)
	c.freshNonce(&m.NonceStr)
}

// PingCallback is a test: somebody who runs the server wants to know whether
// callbacks arrive. It is authenticated like any other and speaks of no order, no
// refund and no amount: answer it with status 0 and do nothing else. The
// original service has none.
type PingCallback struct {
	// Ping says for people that this is a test.
	Ping string
	// NonceStr is made up when empty. It proves nothing (R11).
	NonceStr string
}

func (m *PingCallback) fields(c *walk) {
	c.mustText("ping", &m.Ping, limitDesc)
	c.freshNonce(&m.NonceStr)
}

// anyCallback is read to learn which callback it is.
type anyCallback struct {
	pay      PayCallback
	refund   RefundCallback
	reversed string
	ping     string
	paid     bool
}

func (m *anyCallback) fields(c *walk) {
	m.paid = m.paid || c.name == "order_content"
	c.freshNonce(&m.pay.NonceStr)
	c.object("pay_mch_key", &m.pay.PayMchKey)
	c.object("order_content", &m.pay.OrderContent)
	optional(c, "order_client", &m.pay.OrderClient)
	mustList(c, "refund_order_content", &m.refund.RefundOrderContent)
	c.text("out_trade_no", &m.reversed, limitTradeNo)
	c.text("ping", &m.ping, limitDesc)
}

// Callback reads a verified callback and returns a *PayCallback, a
// *RefundCallback, a *ReverseCallback or a *PingCallback. Callbacks come at least once: settle by
// the number inside, and make the second time harmless.
func (e *Envelope) Callback() (Message, error) {
	var m anyCallback
	if err := e.Decode(&m); err != nil {
		return nil, err
	}
	switch {
	case m.paid:
		return &m.pay, nil
	case len(m.refund.RefundOrderContent) > 0:
		m.refund.NonceStr, m.refund.PayMchKey = m.pay.NonceStr, m.pay.PayMchKey
		return &m.refund, nil
	case m.reversed != "":
		return &ReverseCallback{OutTradeNo: m.reversed, NonceStr: m.pay.NonceStr}, nil
	case m.ping != "":
		return &PingCallback{Ping: m.ping, NonceStr: m.pay.NonceStr}, nil
	}
	return nil, fmt.Errorf("%w: neither order_content, refund_order_content nor out_trade_no", ErrMalformed)
}

// CallbackReply is what a merchant answers to a callback. Anything but status 0
// has it delivered again.
type CallbackReply struct {
	// Status is StatusOK once the callback need not come again.
	Status Status
	// Description is for the server's log.
	Description string
}

func (m *CallbackReply) fields(c *walk) {
	c.mustInt("status", (*int64)(&m.Status))
	c.mustText("description", &m.Description, limitDesc)
}

// SealCallbackReply returns the body of a merchant's answer to a callback.
func SealCallbackReply(reply CallbackReply, key Key) []byte {
	return sealContent(Encode(&reply), StatusOK, key)
}

// OpenCallbackReply reads a merchant's answer to a callback, whose
// response_content may be a string or an object (protocol.md R47). It returns nil
// if the merchant took the callback and an error otherwise. The authen_info is
// not looked at: it is optional, so a wrong one proves no more than none.
func OpenCallbackReply(answered []byte) error {
	o := outer{member: "response_content", loose: true}
	if err := o.parse(answered, MaxBody); err != nil {
		return err
	}
	reply := CallbackReply{Status: noStatus}
	if err := decode(o.content, &reply); err != nil {
		return err
	}
	switch reply.Status {
	case StatusOK:
		return nil
	case noStatus:
		return &FieldError{Field: "status", Reason: "is missing", Err: ErrMalformed}
	case StatusInternal, StatusBadCall, StatusNewNumber, StatusUnknown, StatusRefused:
	}
	return errors.New("cpay: callback refused with status " + strconv.FormatInt(int64(reply.Status), 10))
}
