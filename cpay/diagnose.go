package cpay

import (
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"strconv"
	"strings"
)

// Cause is why a request is not authentic, or not taken. The empty Cause is that
// of a good request.
type Cause string

// The causes that Diagnose knows, in the order in which they are tried.
const (
	// CauseNotJSON: the body is not a JSON document.
	CauseNotJSON Cause = "not json"
	// CauseNoContent: there is neither request_content nor r.
	CauseNoContent Cause = "no content"
	// CauseObject: the content is an object instead of a string.
	CauseObject Cause = "content is an object"
	// CauseNoAuthenInfo: there is no code and no signature.
	CauseNoAuthenInfo Cause = "no authen_info"
	// CauseAuthenType: the code is right, and its type is not 1.
	CauseAuthenType Cause = "authen_type"
	// CauseLowerCase: the code is right in lower-case hexadecimal.
	CauseLowerCase Cause = "lower-case hex"
	// CauseBase64: the code is right in base64.
	CauseBase64 Cause = "base64"
	// CauseNewline: a newline at the end is in one and not in the other.
	CauseNewline Cause = "newline"
	// CauseWhiteSpace: so is other white space.
	CauseWhiteSpace Cause = "white space"
	// CauseDoubleEncoding: the code covers the escaped text, or the content was
	// quoted once more than it should be.
	CauseDoubleEncoding Cause = "double encoding"
	// CauseSerialised: the code covers the same members written another way.
	CauseSerialised Cause = "serialised again"
	// CauseGBK: the code covers the text in GBK.
	CauseGBK Cause = "gbk"
	// CauseHexKey: the key was decoded from hexadecimal.
	CauseHexKey Cause = "hex-decoded key"
	// CauseKeyText: the key has another case, or white space around it.
	CauseKeyText Cause = "key text"
	// CauseOtherKey: the key is another merchant's.
	CauseOtherKey Cause = "another merchant's key"
	// CauseMD5: MD5 was used.
	CauseMD5 Cause = "md5"
	// CauseNotHMAC: SHA-256 was used without HMAC, or with key and text exchanged.
	CauseNotHMAC Cause = "not hmac"
	// CauseSign: the signature has another padding, digest or form.
	CauseSign Cause = "signature"
	// CauseUnhashed: the signature covers the bytes instead of their hash.
	CauseUnhashed Cause = "unhashed signature"
	// CauseMember: the request is authentic and a member is wrong.
	CauseMember Cause = "member"
	// CauseUnknown: none of these.
	CauseUnknown Cause = "unknown"
)

// Diagnosis says which bytes of a request were authenticated, and what went wrong.
// It shows no key, and long numbers in it are masked.
type Diagnosis struct {
	// Authentic says that Verify accepts the request.
	Authentic bool
	// Cause is why the request is not taken, empty if it is.
	Cause Cause
	// Explanation says it in a sentence.
	Explanation string
	// Length is the number of bytes that were authenticated.
	Length int
	// SHA256 is their hash, in hexadecimal.
	SHA256 string
	// Begin and End are the first and last of them, quoted.
	Begin, End string
	// Expected is the code that these bytes have under the key; empty without a key.
	Expected string
	// Received is the code that came.
	Received string
	// Signed says that a signature came.
	Signed bool
	// Difference is where the bytes that came and those that the sender seems to have
	// authenticated first differ; nil if that is not known.
	Difference *Difference
	// Other is which of Diagnoser.Others fits, or -1.
	Other int
}

// Difference is the first place in which two texts differ.
type Difference struct {
	// Offset is in bytes.
	Offset int
	// Sent is what came there, quoted.
	Sent string
	// Authenticated is what the sender seems to have authenticated, quoted.
	Authenticated string
}

// Diagnoser explains requests that do not verify.
type Diagnoser struct {
	// Keys are the merchant's.
	Keys Keys
	// Others are keys of other merchants, to find one that was mixed up.
	Others []Keys
	// Method is the interface that was called; with it an authentic request is also
	// decoded and validated.
	Method Method
	// ToGBK converts UTF-8; nil leaves that hypothesis out, because the standard
	// library has no table.
	ToGBK func(utf8 string) ([]byte, bool)
}

// Diagnose explains a request with the merchant's keys alone.
func Diagnose(body []byte, keys Keys) Diagnosis { return Diagnoser{Keys: keys}.Diagnose(body) }

// laxOuter is the outer document of either envelope, whatever is wrong with it.
type laxOuter struct {
	content, raw string // decoded, and as it stands in the document
	given        bool
	object       bool
	info         struct{ a, s *laxCode }
}

// laxCode is a code or a signature, whatever is wrong with it.
type laxCode struct {
	kind int64
	text string
}

func (m *laxCode) fields(c *walk) {
	c.lenient()
	c.respell("sign_type", "authen_type")
	c.int("authen_type", &m.kind)
	c.respell("signature", "sign")
	c.respell("sign", "authen_code")
	c.text("authen_code", &m.text, limitUpload)
}

type laxInfo struct{ to *laxOuter }

func (m *laxInfo) fields(c *walk) {
	c.lenient()
	optional(c, "a", &m.to.info.a)
	optional(c, "s", &m.to.info.s)
}

func (o *laxOuter) fields(c *walk) {
	c.lenient()
	c.respell("r", "request_content")
	if c.match("request_content") {
		o.given, o.object = true, c.r.peek() != '"'
		start := c.r.i
		if o.object {
			c.r.skip()
			o.content = c.r.s[start:c.r.i]
		} else {
			o.content = c.exactText("request_content", false)
		}
		o.raw = c.r.s[start:c.r.i]
	}
	var brief string
	c.text("a", &brief, limitUpload)
	if brief != "" {
		o.info.a = &laxCode{kind: authenTypeHMAC, text: brief}
	}
	c.object("authen_info", &laxInfo{o})
}

// Diagnose explains one body.
func (d Diagnoser) Diagnose(body []byte) Diagnosis {
	g := Diagnosis{Other: -1}
	var o laxOuter
	if err := Decode(body, &o); err != nil {
		return g.because(CauseNotJSON, "the body is not a JSON object: "+strings.TrimPrefix(err.Error(), "cpay: "))
	}
	if !o.given {
		return g.because(CauseNoContent, "the body has neither request_content nor r")
	}
	note(&g, o.content)
	if !d.Keys.AuthenKey.IsZero() {
		g.Expected = d.Keys.AuthenKey.MAC([]byte(o.content))
	}
	a, s := o.info.a, o.info.s
	if a != nil {
		g.Received = shown(a.text)
	}
	g.Signed = s != nil
	if o.object {
		return g.because(CauseObject, "request_content must be a string that holds the JSON text; an object has no bytes to authenticate")
	}
	if (a == nil || a.text == "") && (s == nil || s.text == "") {
		return g.because(CauseNoAuthenInfo, "authen_info has neither a.authen_code nor s.sign")
	}
	for _, judge := range []func(*Diagnosis, *laxOuter) bool{d.judgeCode, d.judgeSign} {
		if !judge(&g, &o) {
			return g
		}
	}
	g.Authentic = true
	return d.judgeMembers(g, body, &o)
}

func (g Diagnosis) because(c Cause, why string) Diagnosis {
	g.Cause, g.Explanation = c, why
	return g
}

// note notes what can be shown of the authenticated bytes.
func note(g *Diagnosis, content string) {
	const most = 40
	sum := sha256.Sum256([]byte(content))
	g.Length, g.SHA256 = len(content), hex.EncodeToString(sum[:])
	g.Begin, g.End = shown(content[:min(most, len(content))]), shown(content[max(0, len(content)-most):])
}

// shown quotes s with the end of every long number masked: payment codes and
// order numbers are nobody's business.
func shown(s string) string {
	const longNumber, kept = 10, 6
	b := []byte(s)
	for i := 0; i < len(b); {
		n := i
		for n < len(b) && '0' <= b[n] && b[n] <= '9' {
			n++
		}
		if n-i >= longNumber {
			for k := i + kept; k < n; k++ {
				b[k] = '*'
			}
		}
		i = max(n, i+1)
	}
	return strconv.Quote(string(b))
}

// judgeCode looks at the authentication code, and reports whether there is none
// or a right one.
func (d Diagnoser) judgeCode(g *Diagnosis, o *laxOuter) bool {
	a := o.info.a
	if a == nil {
		return true
	}
	if d.Keys.AuthenKey.IsZero() && len(d.Others) == 0 {
		*g = g.because(CauseUnknown, "there is no authen_key to check the code with")
		return false
	}
	texts, keys := d.texts(o), d.keys()
	for _, pass := range [][2]int{{1, 1}, {len(texts), 1}, {1, len(keys)}, {len(texts), len(keys)}} { // the simplest first
		for _, k := range keys[:pass[1]] {
			for _, t := range texts[:pass[0]] {
				form, why, ok := codeForm(k.text, t.bytes, a.text)
				if !ok {
					continue
				}
				if form == "" && t.cause == "" && k.cause == "" {
					return d.judgeType(g, a)
				}
				found(g, o.content, t, k, form, why)
				return false
			}
		}
	}
	*g = g.because(CauseUnknown, "no known mistake explains the code: compare length and SHA-256 of the bytes with those on the sender's side")
	if a.kind != authenTypeHMAC {
		*g = g.because(CauseAuthenType, fmt.Sprintf("authen_type is %d; only 1, HMAC-SHA256, is taken", a.kind))
	}
	return false
}

// judgeType looks at the type of a right code.
func (d Diagnoser) judgeType(g *Diagnosis, a *laxCode) bool {
	if a.kind == authenTypeHMAC {
		return true
	}
	*g = g.because(CauseAuthenType, fmt.Sprintf("the code is right, but authen_type is %d instead of 1", a.kind))
	return false
}

// found writes down the hypotheses that together explain a code.
func found(g *Diagnosis, sent string, t textGuess, k keyGuess, form Cause, why string) {
	var reasons []string
	for _, h := range []struct {
		cause Cause
		why   string
	}{{t.cause, t.why}, {k.cause, k.why}, {form, why}} {
		if h.cause == "" {
			continue
		}
		if g.Cause == "" {
			g.Cause = h.cause
		}
		reasons = append(reasons, h.why)
	}
	g.Explanation = strings.Join(reasons, "; and ")
	if k.cause == CauseOtherKey {
		g.Other = k.other
	}
	if t.cause != "" {
		g.Difference = differ([]byte(sent), t.bytes)
	}
}

// differ finds the first difference; nil if there is none.
func differ(sent, other []byte) *Difference {
	const around = 12
	if bytes.Equal(sent, other) {
		return nil
	}
	at := 0
	for at < len(sent) && at < len(other) && sent[at] == other[at] {
		at++
	}
	cut := func(b []byte) string { return shown(string(b[max(0, at-around):min(len(b), at+around)])) }
	return &Difference{Offset: at, Sent: cut(sent), Authenticated: cut(other)}
}

// judgeMembers decodes and validates an authentic request.
func (d Diagnoser) judgeMembers(g Diagnosis, body []byte, o *laxOuter) Diagnosis {
	g.Explanation = "the request is authentic"
	if strings.HasPrefix(strings.TrimLeft(o.content, " \t\r\n"), `"`) {
		return g.because(CauseDoubleEncoding, "the content is a JSON string that holds a string: it was encoded twice")
	}
	parse := func(body []byte) (*Envelope, error) { return Parse(d.Method, body) }
	if d.Method == "" {
		parse = func([]byte) (*Envelope, error) { return &Envelope{text: o.content}, nil }
	}
	e, err := parse(body)
	if err == nil {
		_, err = e.Hint()
	}
	req := NewRequest(d.Method)
	if err == nil && req != nil {
		e.verified = true
		err = e.Decode(req)
	}
	if err == nil && req != nil {
		err = req.Validate()
	}
	if err == nil {
		return g
	}
	why := strings.TrimPrefix(err.Error(), "cpay: ")
	if fe, ok := errors.AsType[*FieldError](err); ok {
		why = fe.Field + " " + fe.Reason
	}
	return g.because(CauseMember, "the request is authentic, but "+why)
}

// String prints the diagnosis in lines, for a terminal.
func (g Diagnosis) String() string {
	var b strings.Builder
	line := func(name, value string) {
		if value != "" {
			fmt.Fprintf(&b, "%-14s %s\n", name, value)
		}
	}
	verdict := "authentic"
	if !g.Authentic {
		verdict = "not authentic"
	}
	line("verdict", verdict)
	line("cause", string(g.Cause))
	line("explanation", g.Explanation)
	if g.SHA256 != "" {
		line("bytes", strconv.Itoa(g.Length)+", SHA-256 "+g.SHA256)
		line("begin", g.Begin)
		line("end", g.End)
	}
	line("code expected", g.Expected)
	line("code received", g.Received)
	if f := g.Difference; f != nil {
		line("differs at", "byte "+strconv.Itoa(f.Offset))
		line("  sent", f.Sent)
		line("  covered", f.Authenticated)
	}
	return b.String()
}
