package cpay

import (
	"errors"
	"fmt"
)

// SealBriefRequest encodes m and wraps it in the short envelope {"r":…,"a":…} of
// the brief_* interfaces (protocol.md §1.9).
func SealBriefRequest(m Message, key Key) ([]byte, error) {
	if key.IsZero() {
		return nil, errors.New("cpay: no authen_key to authenticate with")
	}
	return sealBrief("r", Encode(m), true, key), nil
}

// sealBrief puts the short envelope around content.
func sealBrief(member string, content []byte, authenticated bool, key Key) []byte {
	b := make([]byte, 0, len(content)+len(content)/4+128)
	b = append(append(append(b, `{"`...), member...), `":`...)
	b = appendQuoted(b, content)
	if authenticated {
		code := key.mac(content)
		b = append(append(append(b, `,"a":"`...), code[:]...), '"')
	}
	return append(b, '}')
}

// briefAnswer is the content of a short response: the head, the object named
// after the method, and for the lists the members of that object once more,
// because the documents disagree about their place (protocol.md §7 row 33).
type briefAnswer struct {
	head   *Head
	method Method
	body   Message // nil for an object that holds only a nonce
	found  bool
}

// onlyBriefNonce is the object of a short answer without data.
type onlyBriefNonce struct{ NonceStr string }

func (m *onlyBriefNonce) fields(c *walk) { c.briefNonce(&m.NonceStr) }

func (a *briefAnswer) fields(c *walk) {
	status, logID := int64(a.head.Status), int64(a.head.LogID)
	c.mustInt("s", &status)
	c.mustText("d", &a.head.Description, limitDesc)
	c.mustInt("li", &logID)
	c.mustInt("is", &a.head.InternalStatus)
	a.head.take(c, status, logID)
	if c.mode == writing && !a.head.Status.Authenticated() {
		return
	}
	body := a.body
	if body == nil {
		body = new(onlyBriefNonce)
	}
	if c.name == a.method && !c.hit {
		a.found = true
	}
	c.object(a.method, body)
	if c.mode != writing || a.body == nil {
		return
	}
	switch a.method {
	case MethodBriefQueryOrderList, MethodBriefQueryOrderListOverview:
		body.fields(c)
	}
}

// SealBriefResponse is SealResponse for the brief_* interfaces: {"rc":…,"a":…}.
func SealBriefResponse(head Head, method Method, body Message, key Key) []byte {
	nonce := newNonce()
	head.complete(nonce)
	a := briefAnswer{head: &head, method: method}
	if head.Status == StatusOK {
		a.body = body
	}
	return fit(maxResponse(method), func(shed int) []byte {
		return sealBrief("rc", encode(&a, nonce, shed), head.Status.Authenticated(), key)
	})
}

// OpenBriefResponse is OpenResponse for the brief_* interfaces.
func OpenBriefResponse(answered []byte, method Method, body Message, key Key) (Head, error) {
	var o briefOuter
	if err := o.parse(answered, "rc", MaxResponse); err != nil {
		return Head{}, err
	}
	if o.code != "" && !key.Verifies([]byte(o.content), o.code) {
		return Head{}, fmt.Errorf("%w: wrong a", ErrNotAuthentic)
	}
	head := Head{Status: noStatus}
	a := briefAnswer{head: &head, method: method, body: body}
	if err := decode(o.content, &a); err != nil {
		return Head{}, err
	}
	return head.judge(o.code != "", a.found, method, "s", method)
}
