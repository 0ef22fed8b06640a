package alipay

import (
	"bytes"
	"encoding/json"
	"errors"
	"io"
	"strings"

	"cloudpay/internal/channel"
)

// maxMembers is far above what any answer carries at one level (about 60).
const maxMembers = 512

// errJSON is every reason why a body is not an answer of the gateway.
var errJSON = errors.New("alipay: not an answer of the gateway")

// members are the members of one JSON object, each as it stood on the wire.
type members map[string]json.RawMessage

// splitObject reads one JSON object, keeping the exact bytes of each value.
// It refuses a member that comes twice (two readers could take different
// ones), anything after the object, and more than maxMembers.
func splitObject(data []byte) (members, error) {
	if len(data) > channel.MaxAnswer {
		return nil, errJSON
	}
	dec := json.NewDecoder(bytes.NewReader(data))
	if tok, err := dec.Token(); err != nil || tok != json.Delim('{') {
		return nil, errJSON
	}
	m := members{}
	for dec.More() {
		tok, err := dec.Token()
		name, ok := tok.(string)
		if err != nil || !ok || len(m) == maxMembers {
			return nil, errJSON
		}
		var value json.RawMessage
		if _, twice := m[name]; twice || dec.Decode(&value) != nil {
			return nil, errJSON
		}
		m[name] = value
	}
	if _, err := dec.Token(); err != nil {
		return nil, errJSON
	}
	if _, err := dec.Token(); !errors.Is(err, io.EOF) {
		return nil, errJSON
	}
	return m, nil
}

// get returns a member as text: a string's content, or a number as it was
// written (Alipay writes amounts as strings, some old answers as numbers).
// Anything else is "".
func (m members) get(name string) string {
	raw := m[name]
	if len(raw) == 0 {
		return ""
	}
	if raw[0] == '"' {
		var s string
		if json.Unmarshal(raw, &s) != nil {
			return ""
		}
		return s
	}
	var n json.Number
	if json.Unmarshal(raw, &n) != nil {
		return ""
	}
	return n.String()
}

// signed is one answer before its signature is looked at.
type signed struct {
	content []byte // the response object, byte for byte as it was signed
	sign    string // base64, "" when the answer is not signed
	certSN  string // of the certificate it is signed under, "" in key mode
}

// errorMember holds the answer to requests that the gateway refused early.
const errorMember = "error_response"

// splitAnswer takes an answer apart. The signature is over the raw substring
// of the response object, so the object is never written anew (upstreams.md
// §4.1); sign itself is read as JSON, since the gateway may escape its slashes.
func splitAnswer(body []byte, method string) (signed, error) {
	m, err := splitObject(body)
	if err != nil {
		return signed{}, err
	}
	content, ok := m[strings.ReplaceAll(method, ".", "_")+"_response"]
	refusal, refused := m[errorMember]
	if ok == refused { // neither, or both
		return signed{}, errJSON
	}
	if refused {
		content = refusal
	}
	a := signed{content: content, sign: m.get("sign"), certSN: m.get("alipay_cert_sn")}
	if raw, present := m["sign"]; present && raw[0] != '"' {
		return signed{}, errJSON
	}
	return a, nil
}
