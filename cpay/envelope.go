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

type authen struct {
	Type int64
	Code string
}

func (a *authen) fields(c *walk) {
	c.int("authen_type", &a.Type)
	c.text("authen_code", &a.Code, macLength)
}

type signature struct {
	Type int64
	Sign string
}

func (s *signature) fields(c *walk) {
	c.respell("signature", "sign")
	c.int("sign_type", &s.Type)
	c.text("sign", &s.Sign, limitSign)
}

type authenInfo struct {
	A *authen
	S *signature
}

func (i *authenInfo) fields(c *walk) {
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
	info    *authenInfo
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
func (o *outer) parse(body []byte) error {
	if len(body) > MaxBody {
		return fmt.Errorf("%w: longer than %d bytes", ErrMalformed, MaxBody)
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
	info     authenInfo
	verified bool
}

// ParseRequest parses the outer document of a request or a callback: a JSON
// object whose request_content is a string. White space around it, unknown
// members and sign_info are accepted (protocol.md R01, R12). Every error wraps
// ErrMalformed.
func ParseRequest(body []byte) (*Envelope, error) {
	o := outer{member: "request_content"}
	if err := o.parse(body); err != nil {
		return nil, err
	}
	e := &Envelope{text: o.content, content: []byte(o.content)}
	if o.info != nil {
		e.info = *o.info
	}
	return e, nil
}

type briefOuter struct{ content, code string }

func (o *briefOuter) fields(c *walk) {
	if c.match("r") {
		o.content = c.exactText("r", false)
	}
	c.text("a", &o.code, macLength)
}

// ParseBriefRequest parses the short envelope {"r":…,"a":…} of the brief_*
// interfaces (protocol.md §1.9). Every error wraps ErrMalformed.
func ParseBriefRequest(body []byte) (*Envelope, error) {
	if len(body) > MaxBody {
		return nil, fmt.Errorf("%w: longer than %d bytes", ErrMalformed, MaxBody)
	}
	var o briefOuter
	if err := Decode(body, &o); err != nil {
		return nil, err
	}
	e := &Envelope{text: o.content, content: []byte(o.content)}
	if o.code != "" {
		e.info.A = &authen{Type: authenTypeHMAC, Code: o.code}
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

// Verify checks the authentication code and the signature, whichever are
// present; both must be valid when both are (protocol.md R08). It fails with an
// error that wraps ErrNotAuthentic if neither is present, if one is incomplete,
// of another type or wrong, or if k lacks the key to check it.
func (e *Envelope) Verify(k Keys) error {
	if e.info.A == nil && e.info.S == nil {
		return fmt.Errorf("%w: no authen_info", ErrNotAuthentic)
	}
	if a := e.info.A; a != nil && (a.Type != authenTypeHMAC || !k.AuthenKey.Verifies(e.content, a.Code)) {
		return fmt.Errorf("%w: wrong authen_code", ErrNotAuthentic)
	}
	if s := e.info.S; s != nil && (s.Type != signTypePSS || !VerifySign(k.PublicKey, e.content, s.Sign)) {
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
	info := authenInfo{}
	if by == ByMAC || by == ByBoth {
		if k.AuthenKey.IsZero() {
			return nil, errors.New("cpay: no authen_key to authenticate with")
		}
		info.A = &authen{Type: authenTypeHMAC, Code: k.AuthenKey.MAC(content)}
	}
	if by == BySignature || by == ByBoth {
		sign, err := Sign(k.PrivateKey, content)
		if err != nil {
			return nil, err
		}
		info.S = &signature{Type: signTypePSS, Sign: sign}
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

// Hint is what an unauthenticated request says about whose it is, for choosing
// the keys that Verify needs (protocol.md §1.4). It proves nothing.
type Hint struct {
	OutMchID    string
	OutSubMchID string
	OutShopID   string
	// SNCode is the serial number of a device that calls with its init key.
	SNCode string
}

func (h *Hint) fields(c *walk) {
	c.text("out_mch_id", &h.OutMchID, limitID)
	c.text("out_sub_mch_id", &h.OutSubMchID, limitID)
	c.text("out_shop_id", &h.OutShopID, limitID)
}

// claim is every place where a request may name its merchant: at the top, where
// osi and osmi are the brief spellings, in pay_mch_key, and in the condition of
// query_identity_mapping, which one client wraps and capitalises (R14).
type claim struct {
	top, key, out Hint
	wrapped       wrappedClaim
}

type wrappedClaim struct{ out Hint }

func (w *wrappedClaim) fields(c *walk) {
	c.only("Out", "{")
	c.object("Out", &w.out)
}

func (h *claim) fields(c *walk) {
	c.respell("osmi", "out_sub_mch_id")
	c.respell("osi", "out_shop_id")
	c.respell("sn", "sn_code")
	// These belong to a few interfaces only. Elsewhere they may be members of a
	// till's own, which have any form (R12).
	c.only("out", "{")
	c.only("Condition", "{")
	c.only("sn_code", `"-0123456789`)
	c.object("pay_mch_key", &h.key)
	c.object("out", &h.out)
	c.object("Condition", &h.wrapped)
	c.text("sn_code", &h.top.SNCode, limitClientText)
	h.top.fields(c)
}

// Hint reads the merchant's ids from the content, before it is verified. A
// request that names two different sub-merchants is refused with ErrMalformed,
// because the key of one must not open the door to the other.
func (e *Envelope) Hint() (Hint, error) {
	var h claim
	if err := decode(e.text, &h); err != nil {
		return Hint{}, err
	}
	got := h.top
	for _, other := range [...]*Hint{&h.key, &h.out, &h.wrapped.out} {
		if !agree(&got.OutMchID, other.OutMchID) || !agree(&got.OutSubMchID, other.OutSubMchID) ||
			!agree(&got.OutShopID, other.OutShopID) {
			return Hint{}, fmt.Errorf("%w: names two merchants", ErrMalformed)
		}
	}
	return got, nil
}

// agree takes over an id where none is known, and reports whether the two places
// that name it say the same.
func agree(got *string, other string) bool {
	if *got == "" {
		*got = other
	}
	return other == "" || *got == other
}
