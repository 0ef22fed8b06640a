package api_test

import (
	"bytes"
	"crypto/rsa"
	"maps"
	"slices"
	"strings"
	"testing"

	"cloudpay/internal/api"
)

// row says of one interface what TestInterfaces needs to know. Everything that
// all interfaces have in common is generated from it.
type row struct {
	// good makes a request that is answered with status and internal.
	good             func(t *testing.T, h *house) object
	status, internal int64
	// key is the key of whom the request names; "" is the test merchant's.
	key string
	// owner is the member that names them.
	owner string
	// need are the members that no request may lack.
	need []string
	// loose are the members whose type does not matter.
	loose []string
	// either are members that may be text or the JSON that the text would hold.
	either []string
	// unknown are members and a text of another merchant or of nobody in them,
	// which is refused with 104.
	unknown map[string]string
	// effect reads what the request changes; a replay must not change it again.
	effect func(t *testing.T, h *house, in object) string
	// denied are requests that this caller may not make.
	denied map[string]func(t *testing.T, h *house) object
	// house changes the house.
	house options
	// check looks at the answer to good.
	check func(t *testing.T, h *house, in object, a answer)
}

// TestInterfaces holds every interface of the table to what all of them owe
// their callers. An interface without a row fails.
func TestInterfaces(t *testing.T) {
	t.Parallel()
	rows := rows()
	for _, r := range api.Routes() {
		row, ok := rows[r.Method]
		if !ok {
			t.Errorf("%s has no row", r.Method)
			continue
		}
		delete(rows, r.Method)
		if row.key == "" {
			row.key = theKey
		}
		if row.owner == "" {
			row.owner = "pay_mch_key.out_sub_mch_id"
		}
		t.Run(r.Method, func(t *testing.T) {
			t.Parallel()
			iface{r, row, newHouse(t, row.house)}.test(t)
		})
	}
	for name := range rows {
		t.Errorf("the row %s belongs to no interface", name)
	}
}

// iface is one interface under test.
type iface struct {
	api.RouteInfo
	row
	h *house
}

func (f iface) test(t *testing.T) {
	t.Helper()
	t.Run("happy path", f.happy)
	t.Run("replay", f.replay)
	t.Run("missing", f.missing)
	t.Run("wrong type", f.wrongType)
	t.Run("unknown", f.isUnknown)
	t.Run("not authentic", f.notAuthentic)
	t.Run("denied", f.isDenied)
}

// ask sends content with a code of key.
func (f iface) ask(t *testing.T, key, content string) answer {
	t.Helper()
	if f.Brief {
		body := []byte(object{"r": content, "a": mac(key, content)}.text())
		return f.h.postBrief(t, f.Method, f.key, body)
	}
	body := envelope(content, object{"a": object{"authen_type": 1, "authen_code": mac(key, content)}})
	return f.h.postTo(t, f.Method, f.Member, f.key, bytes.NewReader(body))
}

func (f iface) happy(t *testing.T) {
	in := f.good(t, f.h)
	a := f.ask(t, f.key, in.text())
	a.is(t, f.status, f.internal)
	if f.check != nil {
		f.check(t, f.h, in, a)
	}
	// Unknown members are ignored, white space does not matter (R12, R01).
	a = f.ask(t, f.key, " "+in.with("is_shelves_order", object{"a": []int{1}}).with("sdk_extra", 1.5).text()+"\n")
	a.is(t, f.status, f.internal)
}

// replay sends the same bytes again: the answer is as good, and nothing happens
// twice.
func (f iface) replay(t *testing.T) {
	in := f.good(t, f.h)
	content := in.text()
	f.ask(t, f.key, content).is(t, f.status, f.internal)
	before := ""
	if f.effect != nil {
		before = f.effect(t, f.h, in)
	}
	f.ask(t, f.key, content).is(t, f.status, f.internal)
	if f.effect != nil {
		if after := f.effect(t, f.h, in); after != before || after == "" {
			t.Errorf("a replay changed %q to %q", before, after)
		}
	}
}

// lastOf is the name at the end of a path.
func lastOf(path string) string { return path[strings.LastIndexByte(path, '.')+1:] }

// missing leaves out each member that is needed.
func (f iface) missing(t *testing.T) {
	in := f.good(t, f.h)
	for _, path := range f.need {
		a := f.ask(t, f.key, in.with(path, nil).text())
		if a.status != 104 && a.status != 101 || !strings.Contains(a.text, lastOf(path)) {
			t.Errorf("without %s: %d/%d %q, want a refusal that names it", path, a.status, a.internal, a.text)
		}
	}
	f.ask(t, f.key, in.with(f.owner, nil).text()).is(t, 101, 7)
	f.ask(t, f.key, in.text()).is(t, f.status, f.internal)
}

// leaves lists the paths of o that hold a text or a number.
func leaves(o object, prefix string) (paths []string) {
	for _, name := range slices.Sorted(maps.Keys(o)) {
		if inner, ok := o[name].(object); ok {
			paths = append(paths, leaves(inner, prefix+name+".")...)
			continue
		}
		paths = append(paths, prefix+name)
	}
	return paths
}

// at returns the value at a path.
func (o object) at(path string) any {
	name, rest, deeper := strings.Cut(path, ".")
	if !deeper {
		return o[name]
	}
	inner, _ := o[name].(object)
	return inner.at(rest)
}

// wrongs are values that no reader may take for one like v.
func wrongs(v any) []any {
	switch v.(type) {
	case string:
		return []any{object{}, []any{}, true}
	case bool:
		return []any{object{}, []any{}, "yes", 2}
	case int, int64:
		return []any{object{}, []any{}, "x", 1.5, "1.5", true}
	}
	return []any{1, "x", true}
}

// wrongType puts values of wrong types into each member.
func (f iface) wrongType(t *testing.T) {
	in := f.good(t, f.h)
	for _, path := range leaves(in, "") {
		if slices.Contains(f.loose, path) || slices.Contains(f.loose, strings.Split(path, ".")[0]) {
			f.ask(t, f.key, in.with(path, []any{object{"a": 1.5}}).text()).is(t, f.status, f.internal)
			continue
		}
		for _, wrong := range wrongs(in.at(path)) {
			if slices.Contains(f.either, path) {
				continue
			}
			a := f.ask(t, f.key, in.with(path, wrong).text())
			if a.status != 101 {
				t.Errorf("%s as %v: %d/%d %q", path, wrong, a.status, a.internal, a.text)
			}
			if path != f.owner && a.internal == 0 && !strings.Contains(a.text, lastOf(path)) && a.text != "请求格式错误" {
				t.Errorf("%s as %v: %q does not name it", path, wrong, a.text)
			}
		}
	}
	f.ask(t, f.key, in.text()).is(t, f.status, f.internal)
}

// isUnknown names a merchant, shop or device that does not exist here.
func (f iface) isUnknown(t *testing.T) {
	in := f.good(t, f.h)
	for _, id := range []string{"sz01NOBODY0000000001", "no id at all", "", "sz01OTHERSUBMCH00001"} {
		f.ask(t, f.key, in.with(f.owner, id).text()).is(t, 101, 7)
	}
	for path, id := range f.unknown {
		if a := f.ask(t, f.key, in.with(path, id).text()); a.status != 104 || a.internal == 407 {
			t.Errorf("%s %s: %d/%d %q", path, id, a.status, a.internal, a.text)
		}
	}
	f.ask(t, f.key, in.text()).is(t, f.status, f.internal)
}

// notAuthentic tries what a stranger may try.
func (f iface) notAuthentic(t *testing.T) {
	in := f.good(t, f.h)
	content := in.text()
	f.ask(t, strings.Repeat("0", 32), content).is(t, 101, 7)
	f.ask(t, strings.Repeat("o", 32), content).is(t, 101, 7) // another merchant's
	right := mac(f.key, content)
	if f.Brief {
		for _, code := range []any{strings.ToLower(right), right[:63], "", nil, mac(f.key, content+"\n")} {
			f.h.postBrief(t, f.Method, f.key, []byte(object{}.with("r", content).with("a", code).text())).is(t, 101, 7)
		}
		for _, body := range []string{"", "{}", "junk", `{"r":{},"a":"x"}`} {
			f.h.postBrief(t, f.Method, f.key, []byte(body)).is(t, 101, 0)
		}
		return
	}
	a := func(code string) object { return object{"authen_type": 1, "authen_code": code} }
	s := func(key *rsa.PrivateKey, text string) object {
		return object{"sign_type": 1, "sign": pss(t, key, text, rsa.PSSSaltLengthEqualsHash)}
	}
	for name, info := range map[string]any{
		"nothing": nil, "an empty object": object{}, "lower case": object{"a": a(strings.ToLower(right))}, "cut off": object{"a": a(right[:63])},
		"code of other bytes": object{"a": a(mac(f.key, content+"\n"))}, "MD5": object{"a": object{"authen_type": 2, "authen_code": right}},
		"signature of a stranger": object{"s": s(strangerKey, content)}, "signature of other bytes": object{"s": s(signingKey, content+"\n")},
		"garbage for a signature":     object{"s": object{"sign_type": 1, "sign": "garbage"}},
		"code right, signature wrong": object{"a": a(right), "s": s(strangerKey, content)},
		"signature right, code wrong": object{"a": a(mac("wrong", content)), "s": s(signingKey, content)},
		"another kind of signature":   object{"s": object{"sign_type": 9, "sign": pss(t, signingKey, content, 32)}},
	} {
		got := f.h.postTo(t, f.Method, f.Member, f.key, bytes.NewReader(envelope(content, info)))
		if got.status != 101 || got.internal != 7 {
			t.Errorf("%s: %d/%d %q", name, got.status, got.internal, got.text)
		}
	}
	for _, body := range []string{"", "{}", "junk", string(envelope(in, object{"a": a(right)}))} {
		f.h.postTo(t, f.Method, f.Member, f.key, strings.NewReader(body)).is(t, 101, 0)
	}
	if f.ByMerchant {
		f.h.postTo(t, f.Method, f.Member, f.key, bytes.NewReader(envelope(content, object{"s": s(signingKey, content)}))).is(t, f.status, f.internal)
	}
}

// isDenied makes the requests that this caller may not make.
func (f iface) isDenied(t *testing.T) {
	for name, request := range f.denied {
		a := f.ask(t, f.key, request(t, f.h).text())
		if a.status != 104 || a.text == "" {
			t.Errorf("%s: %d/%d %q, want 104", name, a.status, a.internal, a.text)
		}
	}
}
