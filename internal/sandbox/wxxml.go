package sandbox

import (
	"bytes"
	"crypto/hmac"
	"crypto/md5" //nolint:gosec // WeChat v2's default signature is MD5, whatever one thinks of it
	"crypto/rand"
	"crypto/sha256"
	"encoding/hex"
	"encoding/xml"
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"
	"unicode/utf8"
)

// Limits of a WeChat request. The largest documented one is micropay with a
// detail of 6000 characters (upstreams.md §2.2).
const (
	maxWxBody     = 64 << 10
	maxWxElements = 100
)

// Refusals of the XML reader, in the order they are looked for.
var (
	errWxEmpty = errors.New("post data is empty")
	errWxUTF8  = errors.New("not UTF-8")
	errWxXML   = errors.New("not a flat XML document")
)

// wxField is one element; an answer keeps the order it was written in.
type wxField struct{ name, value string }

// wxFields is a flat XML document.
type wxFields []wxField

// get returns an element's value, empty when it is absent: v2 does not tell the
// two apart.
func (f wxFields) get(name string) string {
	for _, e := range f {
		if e.name == name {
			return e.value
		}
	}
	return ""
}

// with appends an element unless its value is empty: upstream omits those.
func (f wxFields) with(name, value string) wxFields {
	if value == "" {
		return f
	}
	return append(f, wxField{name, value})
}

// replacing gives an element another value, appending it if it was not there.
func (f wxFields) replacing(name, value string) wxFields {
	out := slices.DeleteFunc(slices.Clone(f), func(e wxField) bool { return e.name == name })
	return append(out, wxField{name, value})
}

// parseWx reads a request: one root named xml, elements of text only, no
// element twice. Document types are refused, so there is no entity to expand.
func parseWx(body []byte) (wxFields, error) {
	if len(bytes.TrimSpace(body)) == 0 {
		return nil, errWxEmpty
	}
	if !utf8.Valid(body) {
		return nil, errWxUTF8
	}
	// The decoder knows no character set but UTF-8 and no entity but XML's own
	// five, and both refusals are wanted.
	d := xml.NewDecoder(bytes.NewReader(body))
	var fields wxFields
	depth, closed := 0, false
	var name string
	var text strings.Builder
	for {
		token, err := d.Token()
		if errors.Is(err, io.EOF) {
			break
		}
		if err != nil {
			return nil, fmt.Errorf("%w: %w", errWxXML, err)
		}
		switch t := token.(type) {
		case xml.StartElement:
			depth++
			name = t.Name.Local
			if closed || depth > 2 || t.Name.Space != "" || len(fields) >= maxWxElements || depth == 1 && name != "xml" {
				return nil, errWxXML
			}
			text.Reset()
		case xml.EndElement:
			if depth == 2 {
				if fields.has(name) {
					return nil, errWxXML
				}
				fields = append(fields, wxField{name, text.String()})
			}
			depth--
			closed = depth == 0
		case xml.CharData:
			if depth == 2 {
				text.Write(t)
			} else if len(bytes.TrimSpace(t)) > 0 {
				return nil, errWxXML
			}
		case xml.Directive:
			return nil, errWxXML
		case xml.ProcInst, xml.Comment:
		}
	}
	if !closed {
		return nil, errWxXML
	}
	return fields, nil
}

// has reports whether an element is there at all.
func (f wxFields) has(name string) bool {
	return slices.ContainsFunc(f, func(e wxField) bool { return e.name == name })
}

// encode writes the document the way upstream does, every value in CDATA.
func (f wxFields) encode() []byte {
	var b bytes.Buffer
	b.WriteString("<xml>")
	for _, e := range f {
		b.WriteString("<" + e.name + "><![CDATA[")
		b.WriteString(strings.ReplaceAll(e.value, "]]>", "]]]]><![CDATA[>"))
		b.WriteString("]]></" + e.name + ">")
	}
	b.WriteString("</xml>")
	return b.Bytes()
}

// The two signature types of v2. An absent sign_type means MD5.
const (
	signMD5  = "MD5"
	signHMAC = "HMAC-SHA256"
)

// wxSignText is the text that is signed: everything but sign and empty values,
// sorted by name, then the key (upstreams.md §2.1). Values are raw: neither
// XML nor URL escapes take part. sign_type takes part when it was sent.
func wxSignText(f wxFields, key string) string {
	sorted := slices.Clone(f)
	slices.SortFunc(sorted, func(a, b wxField) int { return strings.Compare(a.name, b.name) })
	var b strings.Builder
	for _, e := range sorted {
		if e.name != "sign" && e.value != "" {
			b.WriteString(e.name + "=" + e.value + "&")
		}
	}
	b.WriteString("key=" + key)
	return b.String()
}

// wxSign computes a signature of one of the two types.
func wxSign(f wxFields, key, signType string) string {
	text := []byte(wxSignText(f, key))
	var sum []byte
	if signType == signHMAC {
		mac := hmac.New(sha256.New, []byte(key))
		mac.Write(text)
		sum = mac.Sum(nil)
	} else {
		md := md5.Sum(text) //nolint:gosec // see the import
		sum = md[:]
	}
	return strings.ToUpper(hex.EncodeToString(sum))
}

// wxVerify checks a document's signature over everything in it, unknown
// elements included, in constant time.
func wxVerify(f wxFields, key, signType string) bool {
	sign := f.get("sign")
	return sign != "" && hmac.Equal([]byte(sign), []byte(wxSign(f, key, signType)))
}

// nonce is a fresh nonce_str.
func nonce() string { return rand.Text() }
