package wxpay

import (
	"bytes"
	"encoding/xml"
	"errors"
	"io"
	"strings"

	"cloudpay/internal/channel"
)

// maxElements is far above the longest documented answer (20 coupons and 20
// refunds, about 200 elements).
const maxElements = 512

// errXML is every reason why a body is not a message of WeChat Pay v2.
var errXML = errors.New("wxpay: not a flat XML message")

// message is a flat XML message: all its elements, known or not, in the order
// of the wire. Verification needs them all: coupon answers add coupon_id_0,
// coupon_fee_0 … (upstreams.md §2.1).
type message struct {
	names  []string
	values map[string]string
}

// get returns the value of an element, "" when it is absent or empty, which
// upstream does not tell apart.
func (m *message) get(name string) string { return m.values[name] }

// set adds an element, without what XML cannot carry, unless its value is
// empty: empty values are not signed, and WeChat refuses some of them.
func (m *message) set(name, value string) {
	value = sendable(value)
	if value == "" {
		return
	}
	if m.values == nil {
		m.values = map[string]string{}
	}
	if _, ok := m.values[name]; !ok {
		m.names = append(m.names, name)
	}
	m.values[name] = value
}

// parseMessage reads a message with the given root. It accepts one level of
// elements without attributes or namespaces, text or CDATA, and nothing else:
// no document type, no entities but the five of XML, no element twice (two
// readers could take different ones), no encoding but UTF-8.
func parseMessage(body []byte, root string) (message, error) {
	if len(body) > channel.MaxAnswer {
		return message{}, errXML
	}
	dec := xml.NewDecoder(bytes.NewReader(body))
	m := message{values: map[string]string{}}
	var name string // the open element, "" between elements
	var text strings.Builder
	depth, closed := 0, false
	for {
		tok, err := dec.Token()
		if errors.Is(err, io.EOF) && closed {
			return m, nil
		}
		if err != nil {
			return message{}, errXML
		}
		switch t := tok.(type) {
		case xml.StartElement:
			if closed || t.Name.Space != "" || len(t.Attr) > 0 {
				return message{}, errXML
			}
			depth++
			if depth == 1 && t.Name.Local != root || depth > 2 {
				return message{}, errXML
			}
			if depth == 2 {
				name = t.Name.Local
				if _, twice := m.values[name]; twice || len(m.names) == maxElements {
					return message{}, errXML
				}
			}
		case xml.EndElement:
			depth--
			if depth == 1 {
				m.names = append(m.names, name)
				m.values[name] = text.String()
				name = ""
				text.Reset()
			}
			closed = depth == 0
		case xml.CharData:
			if name != "" {
				text.Write(t)
			} else if len(bytes.TrimSpace(t)) > 0 {
				return message{}, errXML
			}
		case xml.Directive:
			return message{}, errXML
		case xml.Comment, xml.ProcInst:
			// The XML declaration; its encoding was checked by the decoder.
		}
	}
}

// encode writes the message with root <xml> and every value as CDATA.
func (m *message) encode() []byte {
	var b bytes.Buffer
	b.WriteString("<xml>")
	for _, name := range m.names {
		b.WriteString("<" + name + "><![CDATA[")
		// A CDATA section cannot hold its own end: it is cut in two there.
		b.WriteString(strings.ReplaceAll(m.values[name], "]]>", "]]]]><![CDATA[>"))
		b.WriteString("]]></" + name + ">")
	}
	b.WriteString("</xml>")
	return b.Bytes()
}

// sendable drops what XML cannot carry. A carriage return is among it: readers
// turn it into a line feed, and the signature would no longer fit.
func sendable(s string) string {
	return strings.Map(func(r rune) rune {
		switch {
		case r == '\t' || r == '\n':
			return r
		case r < ' ', r == 0xFFFD, r == 0xFFFE, r == 0xFFFF:
			return -1
		}
		return r
	}, s)
}
