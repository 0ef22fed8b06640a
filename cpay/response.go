package cpay

import (
	"errors"
	"fmt"
	"math"
	"strconv"
)

// Head is the part that all responses share.
type Head struct {
	// Status says how the call went.
	Status Status
	// InternalStatus is one of the constants Internal…, or anything else.
	InternalStatus int64
	// Description is for people, at most 255 characters. Status.Description stands
	// in for an empty one, because clients crash without (protocol.md R23).
	Description string
	// LogID is the server's number for the call. One is made up for 0, which may not
	// be sent (R24).
	LogID uint32
}

// answer is the content of a response: the head, and the object named after the
// method.
type answer struct {
	head   *Head
	method string
	body   Message // nil for an object that holds only a nonce
	found  bool    // the body was there
}

// noStatus marks a head whose status was not in the response.
const noStatus = -1

func (a *answer) fields(c *walk) {
	status, logID := int64(a.head.Status), int64(a.head.LogID)
	c.mustInt("status", &status)
	c.mustText("description", &a.head.Description, limitDesc)
	c.mustInt("log_id", &logID)
	c.respell("Internal_status", "internal_status")
	c.mustInt("internal_status", &a.head.InternalStatus)
	if c.mode == reading {
		if logID < 0 || logID > math.MaxUint32 {
			c.fail("log_id", "is out of range", ErrMalformed)
			return
		}
		a.head.Status, a.head.LogID = Status(status), uint32(logID)
	}
	if c.mode == writing && !a.head.Status.Authenticated() {
		return
	}
	body := a.body
	if body == nil {
		body = new(CloseOrderResponse)
	}
	if c.name == a.method && !c.hit {
		a.found = true
	}
	c.object(a.method, body)
}

// SealResponse returns a whole response. At StatusOK it carries body, or an
// object with only a nonce_str where body is nil; at 102, 103 and 104 only the
// nonce_str; at 3 and 101 neither an object nor authen_info (protocol.md §1.5,
// R23, R26–R28). Answers that embedded clients read into a fixed buffer lose
// optional members, longest texts first, until they fit (R21).
func SealResponse(head Head, method Method, body Message, key Key) []byte {
	nonce := newNonce()
	if head.Description == "" {
		head.Description = head.Status.Description()
	}
	head.Description = cut(head.Description, limitDesc)
	if head.LogID == 0 {
		head.LogID = logIDFrom(nonce)
	}
	a := answer{head: &head, method: method}
	if head.Status == StatusOK {
		a.body = body
	}
	limit := maxResponse(method)
	b := sealContent(encode(&a, nonce, 0), head.Status, key)
	for shed := shedTexts; limit > 0 && len(b) > limit; shed++ {
		smaller := sealContent(encode(&a, nonce, shed), head.Status, key)
		if shed >= shedLists && len(smaller) == len(b) {
			break // nothing is left that may go
		}
		b = smaller
	}
	return b
}

// sealContent puts the outer document around content, with authen_info where the
// status has it.
func sealContent(content []byte, status Status, key Key) []byte {
	b := make([]byte, 0, len(content)+len(content)/4+256)
	b = appendQuoted(append(b, `{"response_content":`...), content)
	if status.Authenticated() {
		code := key.mac(content)
		b = append(b, `,"authen_info":{"a":{"authen_type":1,"authen_code":"`...)
		b = append(b, code[:]...)
		b = append(b, `"}}`...)
	}
	return append(b, '}')
}

// cut shortens s to limit characters.
func cut(s string, limit int) string {
	n := 0
	for i := range s {
		if n++; n > limit {
			return s[:i]
		}
	}
	return s
}

// logIDFrom makes up a number for a caller that gave none.
func logIDFrom(nonce string) uint32 {
	v, _ := strconv.ParseUint(nonce[:8], 16, 32) // hexadecimal by construction
	return max(1, uint32(v))
}

// OpenResponse verifies a response and reads its object into body. The answer
// must be authenticated by key whenever its status demands it (protocol.md §1.5)
// and its authen_code must be right whenever there is one; otherwise the error
// wraps ErrNotAuthentic and nothing is returned. A non-zero status is returned as
// an *Error; at status 0 the object must be there.
func OpenResponse(answered []byte, method Method, body Message, key Key) (Head, error) {
	o := outer{member: "response_content"}
	if err := o.parse(answered); err != nil {
		return Head{}, err
	}
	verified := false
	if o.info != nil {
		a := o.info.A
		if a == nil || a.Type != authenTypeHMAC || !key.Verifies([]byte(o.content), a.Code) {
			return Head{}, fmt.Errorf("%w: wrong authen_code", ErrNotAuthentic)
		}
		verified = true
	}
	head := Head{Status: noStatus}
	a := answer{head: &head, method: method, body: body}
	if err := decode(o.content, &a); err != nil {
		return Head{}, err
	}
	switch {
	case head.Status == noStatus:
		return Head{}, &FieldError{Field: "status", Reason: "is missing", Err: ErrMalformed}
	case !verified && head.Status.Authenticated():
		return Head{}, fmt.Errorf("%w: no authen_info", ErrNotAuthentic)
	case head.Status != StatusOK:
		return head, &Error{
			Method: method, Status: head.Status, Internal: head.InternalStatus,
			Description: head.Description, LogID: head.LogID,
		}
	case !a.found:
		return Head{}, &FieldError{Field: method, Reason: "is missing", Err: ErrMalformed}
	}
	return head, nil
}

// PayCallback tells a merchant that an order is paid (protocol.md §1.10).
type PayCallback struct {
	NonceStr     string
	PayMchKey    PayMchKey
	OrderContent OrderContent
	OrderClient  *OrderClient
}

func (m *PayCallback) fields(c *walk) {
	c.freshNonce(&m.NonceStr)
	c.object("pay_mch_key", &m.PayMchKey)
	c.object("order_content", &m.OrderContent)
	optional(c, "order_client", &m.OrderClient)
}

// RefundCallback tells a merchant that refunds succeeded.
type RefundCallback struct {
	NonceStr           string
	PayMchKey          PayMchKey
	RefundOrderContent []RefundOrderContent
}

func (m *RefundCallback) fields(c *walk) {
	c.freshNonce(&m.NonceStr)
	c.object("pay_mch_key", &m.PayMchKey)
	mustList(c, "refund_order_content", &m.RefundOrderContent)
}

// anyCallback is read to learn which callback it is.
type anyCallback struct {
	pay    PayCallback
	refund RefundCallback
	paid   bool
}

func (m *anyCallback) fields(c *walk) {
	m.paid = m.paid || c.name == "order_content"
	c.freshNonce(&m.pay.NonceStr)
	c.object("pay_mch_key", &m.pay.PayMchKey)
	c.object("order_content", &m.pay.OrderContent)
	optional(c, "order_client", &m.pay.OrderClient)
	mustList(c, "refund_order_content", &m.refund.RefundOrderContent)
}

// Callback reads a verified callback and returns a *PayCallback or a
// *RefundCallback. Callbacks come at least once: settle by the number inside, and
// make the second time harmless.
func (e *Envelope) Callback() (Message, error) {
	var m anyCallback
	if err := e.Decode(&m); err != nil {
		return nil, err
	}
	if m.paid {
		return &m.pay, nil
	}
	if len(m.refund.RefundOrderContent) == 0 {
		return nil, fmt.Errorf("%w: neither order_content nor refund_order_content", ErrMalformed)
	}
	m.refund.NonceStr, m.refund.PayMchKey = m.pay.NonceStr, m.pay.PayMchKey
	return &m.refund, nil
}

// CallbackReply is what a merchant answers to a callback. Anything but status 0
// has it delivered again.
type CallbackReply struct {
	Status      Status
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
	if err := o.parse(answered); err != nil {
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
