package sandbox

import (
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"io"
	"maps"
	"net/http"
	"net/url"
	"strings"
	"unicode/utf8"
)

// v3Fields is a request's body, or its query, as nested objects. Members are
// named by their path: amount.total.
type v3Fields map[string]any

// parseV3 reads a body: one JSON object in UTF-8, or nothing.
func parseV3(raw []byte) (v3Fields, bool) {
	if len(raw) == 0 {
		return v3Fields{}, true
	}
	if !utf8.Valid(raw) {
		return nil, false
	}
	d := json.NewDecoder(bytes.NewReader(raw))
	d.UseNumber()
	var f v3Fields
	if err := d.Decode(&f); err != nil || f == nil {
		return nil, false
	}
	_, err := d.Token()
	return f, errors.Is(err, io.EOF)
}

// v3Query lays a query out like a body. Of a name that comes twice the first
// value counts.
func v3Query(values url.Values) v3Fields {
	f := v3Fields{}
	for name := range values {
		f[name] = values.Get(name)
	}
	return f
}

// at finds a member by its path, nil when it is absent or null.
func (f v3Fields) at(path string) any {
	var here any = map[string]any(f)
	for name := range strings.SplitSeq(path, ".") {
		object, ok := here.(map[string]any)
		if !ok {
			return nil
		}
		here = object[name]
	}
	return here
}

// text is a member that is a string, "" when it is not.
func (f v3Fields) text(path string) string {
	s, _ := f.at(path).(string)
	return s
}

// fen is a member that is an amount: a JSON integer, positive, within bounds.
func (f v3Fields) fen(path string) (Fen, bool) {
	n, ok := f.at(path).(json.Number)
	if !ok {
		return 0, false
	}
	return parseFen(n.String())
}

// option is a member as it is kept to be shown: a string, or else JSON.
func (f v3Fields) option(path string) string {
	switch v := f.at(path).(type) {
	case nil:
		return ""
	case string:
		return v
	default:
		return string(encodeV3(v))
	}
}

// context is what a repetition must equal: everything but the members named.
func (f v3Fields) context(but ...string) string {
	rest := maps.Clone(f)
	for _, name := range but {
		delete(rest, name)
	}
	sum := sha256.Sum256(append([]byte("v3\n"), encodeV3(map[string]any(rest))...)) // objects are written in order of their names
	return hex.EncodeToString(sum[:16])
}

// v3Kind is the JSON type a member has.
type v3Kind int

// The types of members that are checked.
const (
	v3Text v3Kind = iota
	v3Amount
	v3Object
)

// v3Rule says what a member must be like.
type v3Rule struct {
	field string
	kind  v3Kind
	need  bool
	least int // characters of a text
	most  int // 0 is without a bound
	valid func(string) bool
}

// need is a rule for a text that must be there.
func need(field string, most int) v3Rule { return v3Rule{field: field, need: true, most: most} }

// may is a rule for a text that can be left out.
func may(field string, most int) v3Rule { return v3Rule{field: field, most: most} }

// check holds members against rules and refuses with the first that is broken.
func (f v3Fields) check(rules []v3Rule, location string) v3Answer {
	for _, rule := range rules {
		value := f.at(rule.field)
		issue := rule.issue(f, value)
		if issue == "" {
			continue
		}
		return v3Answer{code: "PARAM_ERROR", text: "参数错误: " + rule.field + " " + issue, detail: &v3Detail{
			Field: "/" + strings.ReplaceAll(rule.field, ".", "/"), Value: value, Issue: issue, Location: location,
		}}
	}
	return v3Answer{}
}

// issue says what is wrong with a member, "" if nothing is.
func (r v3Rule) issue(f v3Fields, value any) string {
	if value == nil || value == "" {
		if r.need {
			return "必填"
		}
		return ""
	}
	switch r.kind {
	case v3Amount:
		if _, ok := f.fen(r.field); !ok {
			return "应为正整数，单位分"
		}
	case v3Object:
		if _, ok := value.(map[string]any); !ok {
			return "应为对象"
		}
	case v3Text:
		text, ok := value.(string)
		switch n := utf8.RuneCountInString(text); {
		case !ok:
			return "应为字符串"
		case n < r.least || r.most > 0 && n > r.most:
			return "长度不符合要求"
		case r.valid != nil && !r.valid(text):
			return "格式错误"
		}
	}
	return ""
}

// tamperV3 alters a member of a body that is signed already. A number becomes
// the number given, ten times as much by default; a body without the member
// gets it.
func tamperV3(body []byte, t tampering, fallback string) []byte {
	if t.field == "" {
		t.field = fallback
	}
	f, ok := parseV3(body)
	if !ok || len(body) == 0 {
		return append(body, ' ')
	}
	object := map[string]any(f)
	path := strings.Split(t.field, ".")
	for _, name := range path[:len(path)-1] {
		inner, ok := object[name].(map[string]any)
		if !ok {
			inner = map[string]any{}
			object[name] = inner
		}
		object = inner
	}
	last := path[len(path)-1]
	old, number := object[last].(json.Number)
	switch {
	case number && t.value == "":
		object[last] = json.Number(old.String() + "0")
	case number && allDigits(t.value):
		object[last] = json.Number(t.value)
	default:
		object[last] = t.value
	}
	return encodeV3(map[string]any(f))
}

// v3Known is a code of APIv3 with the status it comes with.
type v3Known struct {
	code   string
	status int
}

// v3Codes are the codes by their name without underscores, in which the
// generations of the documents differ (upstreams.md §3.3). Those of code
// payments that only v2 documents have no known status; 400 is ours.
var v3Codes = map[string]v3Known{
	"USERPAYING":           {"USERPAYING", http.StatusAccepted},
	"SIGNERROR":            {"SIGN_ERROR", http.StatusUnauthorized},
	"NOAUTH":               {"NO_AUTH", http.StatusForbidden},
	"OUTTRADENOUSED":       {"OUT_TRADE_NO_USED", http.StatusForbidden},
	"RULELIMIT":            {"RULE_LIMIT", http.StatusForbidden},
	"TRADEERROR":           {"TRADE_ERROR", http.StatusForbidden},
	"NOTENOUGH":            {"NOT_ENOUGH", http.StatusForbidden},
	"USERACCOUNTABNORMAL":  {"USER_ACCOUNT_ABNORMAL", http.StatusForbidden},
	"ACCOUNTERROR":         {"ACCOUNT_ERROR", http.StatusForbidden},
	"ORDERNOTEXIST":        {"ORDER_NOT_EXIST", http.StatusNotFound},
	"RESOURCENOTEXISTS":    {"RESOURCE_NOT_EXISTS", http.StatusNotFound},
	"FREQUENCYLIMITED":     {"FREQUENCY_LIMITED", http.StatusTooManyRequests},
	"RATELIMITEXCEEDED":    {"RATELIMIT_EXCEEDED", http.StatusTooManyRequests},
	"INVALIDREQTOOMUCH":    {"FREQUENCY_LIMITED", http.StatusTooManyRequests},
	"SYSTEMERROR":          {"SYSTEM_ERROR", http.StatusInternalServerError},
	"BANKERROR":            {"BANK_ERROR", http.StatusInternalServerError},
	"INVALIDTRANSACTIONID": {"INVALID_TRANSACTIONID", http.StatusInternalServerError},
	"OPENIDMISMATCH":       {"OPENID_MISMATCH", http.StatusInternalServerError},
	"SERVICEUNAVAILABLE":   {"SERVICE_UNAVAILABLE", http.StatusServiceUnavailable},
	"ORDERCLOSED":          {"ORDER_CLOSED", http.StatusBadRequest},
	"MCHIDNOTEXIST":        {"MCH_NOT_EXISTS", http.StatusBadRequest},
}

// v3Code finds a code in either spelling; one that is not listed stands as it
// is and is a 400.
func v3Code(code string) v3Known {
	if known, ok := v3Codes[strings.ReplaceAll(code, "_", "")]; ok {
		return known
	}
	return v3Known{code, http.StatusBadRequest}
}
