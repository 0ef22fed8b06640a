package cpay

import (
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

// fields are the members that all answers begin with.
func (h *Head) fields(c *walk) {
	status, logID := int64(h.Status), int64(h.LogID)
	c.mustInt("status", &status)
	c.mustText("description", &h.Description, limitDesc)
	c.mustInt("log_id", &logID)
	c.respell("Internal_status", "internal_status")
	c.mustInt("internal_status", &h.InternalStatus)
	h.take(c, status, logID)
}

// take keeps the numbers that were read.
func (h *Head) take(c *walk, status, logID int64) {
	if c.mode != reading {
		return
	}
	if logID < 0 || logID > math.MaxUint32 {
		c.fail("log_id", "is out of range", ErrMalformed)
		return
	}
	h.Status, h.LogID = Status(status), uint32(logID)
}

// noStatus marks a head whose status was not in the response.
const noStatus = -1

func (a *answer) fields(c *walk) {
	a.head.fields(c)
	if c.mode == writing && !a.head.Status.Authenticated() {
		return
	}
	body := a.body
	if body == nil {
		body = new(CloseOrderResponse)
	}
	name, also := responseMembers(a.method)
	if also != "" {
		c.respell(also, name)
	}
	if c.name == name && !c.hit {
		a.found = true
	}
	c.object(name, body)
	if also != "" && c.mode == writing {
		c.object(also, body)
	}
}

// SealResponse returns a whole response. At StatusOK it carries body, or an
// object with only a nonce_str where body is nil; at 102, 103 and 104 only the
// nonce_str; at 3 and 101 neither an object nor authen_info (protocol.md §1.5,
// R23, R26–R28). Answers that embedded clients read into a fixed buffer lose
// optional members, longest texts first, until they fit (R21).
func SealResponse(head Head, method Method, body Message, key Key) []byte {
	nonce := newNonce()
	head.complete(nonce)
	a := answer{head: &head, method: method}
	if head.Status == StatusOK {
		a.body = body
	}
	return fit(maxResponse(method), func(shed int) []byte {
		return sealContent(encode(&a, nonce, shed), head.Status, key)
	})
}

// complete fills in what no answer may lack (protocol.md R23, R24).
func (h *Head) complete(nonce string) {
	if h.Description == "" {
		h.Description = h.Status.Description()
	}
	h.Description = cut(h.Description, limitDesc)
	if h.LogID == 0 {
		h.LogID = logIDFrom(nonce)
	}
}

// fit returns the answer with as few of its optional members left out as limit
// asks for; 0 is no limit.
func fit(limit int, seal func(shed int) []byte) []byte {
	b := seal(0)
	for shed := shedTexts; limit > 0 && len(b) > limit; shed++ {
		smaller := seal(shed)
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
	if err := o.parse(answered, MaxResponse); err != nil {
		return Head{}, err
	}
	verified := false
	if o.info != nil {
		a := o.info.A
		if a == nil || a.AuthenType != authenTypeHMAC || !key.Verifies([]byte(o.content), a.AuthenCode) {
			return Head{}, fmt.Errorf("%w: wrong authen_code", ErrNotAuthentic)
		}
		verified = true
	}
	head := Head{Status: noStatus}
	a := answer{head: &head, method: method, body: body}
	if err := decode(o.content, &a); err != nil {
		return Head{}, err
	}
	return head.judge(verified, a.found, method, "status", ResponseMember(method))
}

// judge returns the head of an answer, or what is wrong with it.
func (h *Head) judge(verified, found bool, method Method, status, member string) (Head, error) {
	switch {
	case h.Status == noStatus:
		return Head{}, &FieldError{Field: status, Reason: "is missing", Err: ErrMalformed}
	case !verified && h.Status.Authenticated():
		return Head{}, fmt.Errorf("%w: no authentication code", ErrNotAuthentic)
	case h.Status != StatusOK:
		return *h, &Error{
			Method: method, Status: h.Status, Internal: h.InternalStatus,
			Description: h.Description, LogID: h.LogID,
		}
	case !found:
		return Head{}, &FieldError{Field: member, Reason: "is missing", Err: ErrMalformed}
	}
	return *h, nil
}
