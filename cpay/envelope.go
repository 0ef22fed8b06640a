package cpay

import (
	"errors"
	"fmt"
)

// MaxBody is the longest body that is read, in bytes. The longest valid
// micro_pay request, with a detail of 6,000 characters escaped twice, is about
// 60 KiB.
const MaxBody = 64 << 10

// ErrNotAuthentic is wrapped by every error about a missing or wrong
// authentication code or signature. A server answers it with 101 and
// InternalAuthen, without authen_info, exactly as it answers an unknown merchant.
// A client must treat such an answer as none at all.
var ErrNotAuthentic = errors.New("cpay: not authentic")

// Auth chooses how a request is authenticated.
type Auth uint8

// The ways of protocol.md §1.3: refund and reverse take either, everything else
// takes ByMAC.
const (
	ByMAC Auth = iota
	BySignature
	ByBoth
)

// HMAC-SHA256 and RSASSA-PSS-2048-SHA256 are the only methods (protocol.md
// §3.10; MD5 is listed there and used by nobody).
const (
	authenTypeHMAC = 1
	signTypePSS    = 1
)

// Authen is an authentication code (protocol.md §1.2).
type Authen struct {
	// AuthenType is 1, HMAC-SHA256.
	AuthenType int64
	// AuthenCode is 64 upper-case hexadecimal digits.
	AuthenCode string
}

func (a *Authen) fields(c *walk) {
	c.int("authen_type", &a.AuthenType)
	c.text("authen_code", &a.AuthenCode, macLength)
}

// Signature is a signature (protocol.md §1.3).
type Signature struct {
	// SignType is 1, RSASSA-PSS-2048-SHA256.
	SignType int64
	// Sign is base64 on one line.
	Sign string
}

func (s *Signature) fields(c *walk) {
	c.respell("signature", "sign")
	c.int("sign_type", &s.SignType)
	c.text("sign", &s.Sign, limitSign)
}

// AuthenInfo is how a message was authenticated (authen_info). Code and
// signature prove something about the bytes they came with, and give nothing
// away.
type AuthenInfo struct {
	// A is the authentication code.
	A *Authen
	// S is the signature.
	S *Signature
}

func (i *AuthenInfo) fields(c *walk) {
	optional(c, "a", &i.A)
	optional(c, "s", &i.S)
}

// outer is the document around the content. Its own members may come once only;
// others, such as sign_info, are ignored (protocol.md R12).
type outer struct {
	member string // request_content or response_content
	// loose admits an object in the place of the string, as callback receivers
	// send it (protocol.md §1.10).
	loose   bool
	content string
	given   bool
	info    *AuthenInfo
}

func (o *outer) fields(c *walk) {
	if c.match(o.member) {
		o.given = true
		o.content = c.exactText(o.member, o.loose)
	}
	optional(c, "authen_info", &o.info)
}

// exactText reads the string member just matched without changing a byte of it.
func (c *walk) exactText(name string, loose bool) string {
	b := c.r.peek()
	if loose && b == '{' {
		start := c.r.i
		c.r.skip()
		return c.r.s[start:c.r.i]
	}
	if b != '"' {
		c.fail(name, "is not a string", ErrMalformed)
		return ""
	}
	c.r.exact = true
	v := c.r.str()
	c.r.exact = false
	c.caught(name)
	return v
}

// parse reads the outer document, whose length is bounded before anything else.
func (o *outer) parse(body []byte, limit int) error {
	if len(body) > limit {
		return fmt.Errorf("%w: longer than %d bytes", ErrMalformed, limit)
	}
	if err := Decode(body, o); err != nil {
		return err
	}
	if !o.given {
		return &FieldError{Field: o.member, Reason: "is missing", Err: ErrMalformed}
	}
	return nil
}

// Envelope is a received request whose outer document was parsed. Nothing in it
// can be trusted, and Decode refuses to work, until Verify has succeeded. It is
// not safe for concurrent use.
type Envelope struct {
	text     string
	content  []byte
	info     AuthenInfo
	verified bool
}

// ParseRequest parses the outer document of a request or a callback: a JSON
// object whose request_content is a string. White space around it, unknown
// members and sign_info are accepted (protocol.md R01, R12). Every error wraps
// ErrMalformed. A body may have MaxBody bytes; Parse knows the interfaces that
// take more.
func ParseRequest(body []byte) (*Envelope, error) { return parseRequest(body, MaxBody) }

// Parse parses a request in the envelope and within the length that belong to a
// method. Every error wraps ErrMalformed.
func Parse(method Method, body []byte) (*Envelope, error) {
	if Brief(method) {
		return ParseBriefRequest(body)
	}
	return parseRequest(body, MaxRequest(method))
}

// parseRequest is ParseRequest with its own limit of bytes.
func parseRequest(body []byte, limit int) (*Envelope, error) {
	o := outer{member: "request_content"}
	if err := o.parse(body, limit); err != nil {
		return nil, err
	}
	e := &Envelope{text: o.content, content: []byte(o.content)}
	if o.info != nil {
		e.info = *o.info
	}
	return e, nil
}

// briefOuter is the short envelope around the content.
type briefOuter struct {
	member        string // r or rc
	content, code string
	given         bool
}

func (o *briefOuter) fields(c *walk) {
	if c.match(o.member) {
		o.given = true
		o.content = c.exactText(o.member, false)
	}
	c.text("a", &o.code, macLength)
}

// parse reads the short envelope, whose length is bounded before anything else.
func (o *briefOuter) parse(body []byte, member string, limit int) error {
	o.member = member
	if len(body) > limit {
		return fmt.Errorf("%w: longer than %d bytes", ErrMalformed, limit)
	}
	if err := Decode(body, o); err != nil {
		return err
	}
	if !o.given {
		return &FieldError{Field: member, Reason: "is missing", Err: ErrMalformed}
	}
	return nil
}

// ParseBriefRequest parses the short envelope {"r":…,"a":…} of the brief_*
// interfaces (protocol.md §1.9). Every error wraps ErrMalformed.
func ParseBriefRequest(body []byte) (*Envelope, error) {
	var o briefOuter
	if err := o.parse(body, "r", MaxBody); err != nil {
		return nil, err
	}
	e := &Envelope{text: o.content, content: []byte(o.content)}
	if o.code != "" {
		e.info.A = &Authen{AuthenType: authenTypeHMAC, AuthenCode: o.code}
	}
	return e, nil
}

// Content returns the exact bytes that were authenticated: the decoded value of
// request_content, with a trailing newline if one was sent. The caller must not
// change them.
func (e *Envelope) Content() []byte { return e.content }

// Signed reports whether the request carries a signature (member s). Verify must
// still judge it.
func (e *Envelope) Signed() bool { return e.info.S != nil }

// AuthenInfo is the authen_info as it came, for keeping with the order. It is
// shared with the envelope and must not be changed.
func (e *Envelope) AuthenInfo() AuthenInfo { return e.info }

// Verify checks the authentication code and the signature, whichever are
// present; both must be valid when both are (protocol.md R08). It fails with an
// error that wraps ErrNotAuthentic if neither is present, if one is incomplete,
// of another type or wrong, or if k lacks the key to check it.
func (e *Envelope) Verify(k Keys) error {
	if e.info.A == nil && e.info.S == nil {
		return fmt.Errorf("%w: no authen_info", ErrNotAuthentic)
	}
	if a := e.info.A; a != nil && (a.AuthenType != authenTypeHMAC || !k.AuthenKey.Verifies(e.content, a.AuthenCode)) {
		return fmt.Errorf("%w: wrong authen_code", ErrNotAuthentic)
	}
	if s := e.info.S; s != nil && (s.SignType != signTypePSS || !VerifySign(k.PublicKey, e.content, s.Sign)) {
		return fmt.Errorf("%w: wrong sign", ErrNotAuthentic)
	}
	e.verified = true
	return nil
}

// Decode reads the content into m as the function Decode does. It fails with
// ErrNotAuthentic unless Verify has succeeded before.
func (e *Envelope) Decode(m Message) error {
	if !e.verified {
		return fmt.Errorf("%w: decoded before it was verified", ErrNotAuthentic)
	}
	return decode(e.text, m)
}

// Open parses a request or a callback and verifies it with the only keys that
// can be meant. Servers of many merchants use ParseRequest, Hint and Verify.
func Open(body []byte, k Keys) (*Envelope, error) {
	e, err := ParseRequest(body)
	if err != nil {
		return nil, err
	}
	if err := e.Verify(k); err != nil {
		return nil, err
	}
	return e, nil
}

// Seal wraps content, byte for byte, into a request authenticated by k. It fails
// only if a signature is asked for and cannot be made.
func Seal(content []byte, k Keys, by Auth) ([]byte, error) {
	info := AuthenInfo{}
	if by == ByMAC || by == ByBoth {
		if k.AuthenKey.IsZero() {
			return nil, errors.New("cpay: no authen_key to authenticate with")
		}
		info.A = &Authen{AuthenType: authenTypeHMAC, AuthenCode: k.AuthenKey.MAC(content)}
	}
	if by == BySignature || by == ByBoth {
		sign, err := Sign(k.PrivateKey, content)
		if err != nil {
			return nil, err
		}
		info.S = &Signature{SignType: signTypePSS, Sign: sign}
	}
	b := appendQuoted(append(make([]byte, 0, len(content)+len(content)/4+512), `{"request_content":`...), content)
	c := walk{mode: writing, b: b}
	c.object("authen_info", &info)
	return append(c.b, '}'), nil
}

// SealRequest encodes m and wraps it, see Encode and Seal. Callbacks are sealed
// the same way, by the server, with the sub-merchant's authen_key (protocol.md
// §1.10).
func SealRequest(m Message, k Keys, by Auth) ([]byte, error) { return Seal(Encode(m), k, by) }
