package api_test

import (
	"bytes"
	"crypto/hmac"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"io"
	"maps"
	"net/http"
	"strconv"
	"strings"
	"testing"

	"cloudpay/cpay"
)

// object is a JSON object of a test.
type object map[string]any

// with returns a copy of o in which the member at path is v; a nil v removes it.
func (o object) with(path string, v any) object {
	out := object{}
	maps.Copy(out, o)
	name, rest, deeper := strings.Cut(path, ".")
	switch {
	case deeper:
		inner, ok := out[name].(object)
		if !ok {
			inner = object{}
		}
		out[name] = inner.with(rest, v)
	case v == nil:
		delete(out, name)
	default:
		out[name] = v
	}
	return out
}

// text is the JSON of o.
func (o object) text() string {
	b, err := json.Marshal(o)
	if err != nil {
		panic(err)
	}
	return string(b)
}

// mch names the test merchant.
func mch() object {
	return object{"out_mch_id": theProvider, "out_sub_mch_id": theMerchant, "out_shop_id": theShop}
}

// microPay is a request as a plain till sends it.
func microPay(no, code string, fen any) object {
	return object{
		"pay_mch_key": mch(),
		"pay_content": object{"out_trade_no": no, "author_code": code, "total_fee": fen, "fee_type": "CNY", "body": "bread"},
		"order_client": object{
			"device_id": "till-1", "staff_id": "1003", "terminal_type": 2, "sdk_version": "1.1", "spbill_create_ip": "192.0.2.1",
		},
		"nonce_str": "nonce_str",
	}
}

// about is a query, close or reverse of an order.
func about(no string) object {
	return object{"pay_mch_key": mch(), "order_client": object{"device_id": "till-1"}, "out_trade_no": no, "nonce_str": "n"}
}

// refundOf is a refund request.
func refundOf(no, refund string, total, fen any) object {
	return object{
		"pay_mch_key":    mch(),
		"refund_content": object{"out_trade_no": no, "out_refund_no": refund, "total_fee": total, "refund_fee": fen, "refund_fee_type": "CNY"},
		"order_client":   object{"device_id": "till-1"}, "nonce_str": "n",
	}
}

// mac is protocol.md §1.2, written without the package under test.
func mac(key, content string) string {
	m := hmac.New(sha256.New, []byte(key))
	m.Write([]byte(content))
	return strings.ToUpper(hex.EncodeToString(m.Sum(nil)))
}

// envelope puts content and authen_info into a request.
func envelope(content, info any) []byte {
	doc := object{"request_content": content}
	if info != nil {
		doc["authen_info"] = info
	}
	return []byte(doc.text())
}

// byMAC authenticates content with the test merchant's key.
func byMAC(content string) []byte {
	return envelope(content, object{"a": object{"authen_type": 1, "authen_code": mac(theKey, content)}})
}

// answer is one response, taken apart without the package under test.
type answer struct {
	raw              []byte
	content          string         // the exact text of response_content
	inner            map[string]any // read, with numbers as they were written
	body             map[string]any // the object named after the method, nil if absent
	status, internal int64
	text             string
	authenticated    bool
}

// is fails unless the answer has this status and internal status.
func (a answer) is(t *testing.T, status, internal int64) {
	t.Helper()
	if a.status != status || a.internal != internal {
		t.Errorf("answer is %d/%d %q, want %d/%d", a.status, a.internal, a.text, status, internal)
	}
}

// get returns the member at a path below the method's object: numbers as
// their text, absent ones as "".
func (a answer) get(path string) string {
	var v any = a.body
	for name := range strings.SplitSeq(path, ".") {
		switch x := v.(type) {
		case map[string]any:
			v = x[name]
		case []any:
			i, err := strconv.Atoi(name)
			if err != nil || i >= len(x) {
				return ""
			}
			v = x[i]
		default:
			return ""
		}
	}
	if v == nil {
		return ""
	}
	return fmt.Sprint(v)
}

// list returns the list at a member of the method's object.
func (a answer) list(name string) []any {
	l, _ := a.body[name].([]any)
	return l
}

// call sends o, authenticated by MAC.
func (h *house) call(t *testing.T, method string, o object) answer {
	t.Helper()
	return h.post(t, method, byMAC(o.text()))
}

// post sends a body and checks everything that holds for every answer.
func (h *house) post(t *testing.T, method string, body []byte) answer {
	t.Helper()
	return h.postAs(t, method, theKey, bytes.NewReader(body))
}

// postAs is post for the merchant with that key, from a reader that may hide
// its length.
func (h *house) postAs(t *testing.T, method, key string, body io.Reader) answer {
	t.Helper()
	return h.postTo(t, method, method, key, body)
}

// postTo is postAs for an interface whose object in the answer is called member.
func (h *house) postTo(t *testing.T, method, member, key string, body io.Reader) answer {
	t.Helper()
	return read(t, member, key, h.exchange(t, method, body))
}

// exchange posts a body and returns the answer's.
func (h *house) exchange(t *testing.T, method string, body io.Reader) []byte {
	t.Helper()
	res := h.send(t, http.MethodPost, cpay.Path(method), body)
	if res.status != http.StatusOK {
		t.Fatalf("R20: %s is answered with HTTP %d", method, res.status)
	}
	if res.length != int64(len(res.body)) || len(res.encoding) > 0 {
		t.Errorf("R19: Content-Length %d, transfer encoding %v, for %d bytes", res.length, res.encoding, len(res.body))
	}
	return res.body
}

// postBrief posts to an interface with the short envelope and checks what
// holds for every such answer (protocol.md §1.9).
func (h *house) postBrief(t *testing.T, method, key string, body []byte) answer {
	t.Helper()
	return h.readBrief(t, method, key, h.exchange(t, method, bytes.NewReader(body)))
}

// readBrief is read for the short envelope.
func (*house) readBrief(t *testing.T, method, key string, raw []byte) answer {
	t.Helper()
	var outer struct {
		Content json.RawMessage `json:"rc"`
		Code    *string         `json:"a"`
	}
	d := json.NewDecoder(bytes.NewReader(raw))
	d.DisallowUnknownFields()
	a := answer{raw: raw}
	if err := d.Decode(&outer); err != nil || json.Unmarshal(outer.Content, &a.content) != nil {
		t.Fatalf("not a brief envelope around a string: %s", raw)
	}
	a = a.take(t, method, outer.Code != nil, [...]string{"s", "is", "li", "d"})
	if nonce, _ := a.body["ns"].(string); a.authenticated && nonce == "" {
		t.Error("no ns")
	}
	if a.authenticated && *outer.Code != mac(key, a.content) {
		t.Errorf("R35: a is %s", *outer.Code)
	}
	return a
}

// reply is one HTTP answer.
type reply struct {
	status   int
	length   int64
	encoding []string
	body     []byte
}

// send makes one HTTP request and reads its answer.
func (h *house) send(t *testing.T, verb, path string, body io.Reader) reply {
	t.Helper()
	req, err := http.NewRequestWithContext(t.Context(), verb, h.base+path, body)
	if err != nil {
		t.Fatal(err)
	}
	req.Header.Set("Content-Type", "application/json;charset=UTF-8")
	res, err := h.http.Do(req)
	if err != nil {
		t.Fatal(err)
	}
	defer res.Body.Close()
	raw, err := io.ReadAll(res.Body)
	if err != nil {
		t.Fatal(err)
	}
	return reply{res.StatusCode, res.ContentLength, res.TransferEncoding, raw}
}

// read takes an answer apart and checks the rules of protocol.md §8.2 that
// hold for every answer of these interfaces: R23 to R28, R35 and R36.
func read(t *testing.T, method, key string, raw []byte) answer {
	t.Helper()
	var outer struct {
		Content json.RawMessage            `json:"response_content"`
		Info    map[string]json.RawMessage `json:"authen_info"`
	}
	d := json.NewDecoder(bytes.NewReader(raw))
	d.DisallowUnknownFields()
	a := answer{raw: raw}
	if err := d.Decode(&outer); err != nil || json.Unmarshal(outer.Content, &a.content) != nil {
		t.Fatalf("R26: not an envelope around a string: %s", raw)
	}
	a = a.take(t, method, outer.Info != nil, [...]string{"status", "internal_status", "log_id", "description"})
	if a.authenticated {
		if nonce, _ := a.body["nonce_str"].(string); len(nonce) != 32 {
			t.Errorf("nonce_str is %q", nonce)
		}
		want := fmt.Sprintf(`{"a":{"authen_type":1,"authen_code":"%s"}}`, mac(key, a.content))
		if got, err := json.Marshal(outer.Info); err != nil || !sameJSON(got, []byte(want)) {
			t.Errorf("R35: authen_info is %s, want %s", got, want)
		}
	}
	return a
}

// take reads the content and checks the head and the presence of the object
// and of the code.
func (a answer) take(t *testing.T, member string, authenticated bool, head [4]string) answer {
	t.Helper()
	d := json.NewDecoder(strings.NewReader(a.content))
	d.UseNumber()
	if err := d.Decode(&a.inner); err != nil {
		t.Fatalf("content is not JSON: %v: %s", err, a.content)
	}
	for _, c := range []byte(a.content) {
		if c < ' ' || c > '~' {
			t.Errorf("R36: byte %#x in the content", c)
		}
	}
	plainIntegers(t, a.content, a.inner)
	a.status, a.internal = number(t, a.inner, head[0]), number(t, a.inner, head[1])
	if id := number(t, a.inner, head[2]); id < 1 || id > 1<<32-1 {
		t.Errorf("R24: log_id is %d", id)
	}
	text, ok := a.inner[head[3]].(string)
	if !ok || text == "" || len([]rune(text)) > 255 {
		t.Errorf("R23: description is %v", a.inner[head[3]])
	}
	a.text = text
	a.authenticated = authenticated
	if want := a.status != 3 && a.status != 101; a.authenticated != want {
		t.Fatalf("R27: status %d has authen_info: %v", a.status, a.authenticated)
	}
	a.body, _ = a.inner[member].(map[string]any)
	if (a.body != nil) != a.authenticated {
		t.Errorf("R28: status %d has the member %s: %v", a.status, member, a.body != nil)
	}
	return a
}

// plainIntegers is R25 and R24: no fraction, no exponent, no quotes around a
// number, nothing beyond an unsigned 32-bit integer.
func plainIntegers(t *testing.T, content string, v any) {
	t.Helper()
	switch x := v.(type) {
	case map[string]any:
		for _, e := range x {
			plainIntegers(t, content, e)
		}
	case []any:
		for _, e := range x {
			plainIntegers(t, content, e)
		}
	case json.Number:
		if n, err := strconv.ParseUint(x.String(), 10, 32); err != nil || x.String() != strconv.FormatUint(n, 10) {
			t.Errorf("R24, R25: number %s in %s", x, content)
		}
	case nil:
		t.Errorf("R23: null in %s", content)
	}
}

// number reads a member that must be there as an integer.
func number(t *testing.T, m map[string]any, name string) int64 {
	t.Helper()
	n, ok := m[name].(json.Number)
	if !ok {
		t.Fatalf("R23: %s is %v", name, m[name])
	}
	v, err := n.Int64()
	if err != nil {
		t.Fatalf("%s is %s", name, n)
	}
	return v
}

// sameJSON compares two documents by value.
func sameJSON(a, b []byte) bool {
	var x, y any
	if json.Unmarshal(a, &x) != nil || json.Unmarshal(b, &y) != nil {
		return false
	}
	return fmt.Sprint(x) == fmt.Sprint(y)
}
