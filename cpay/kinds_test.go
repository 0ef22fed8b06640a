package cpay

import (
	"errors"
	"reflect"
	"strings"
	"testing"
)

// lenientMessage reports whether nothing in m is refused for its kind.
func lenientMessage(m Message) bool {
	c := walk{mode: reading}
	m.fields(&c)
	return c.lax
}

// eachMember calls f with the path of every member of m, in objects below it too.
func eachMember(m Message, path string, f func(path string, d member)) {
	for _, d := range describe(m, -1) {
		if d.spelling != "" || d.name == "set_shop_infos" { // which is a second name of shop_infos
			continue
		}
		here := path + d.name
		f(here, d)
		if d.kind == kindObject && !d.many {
			eachMember(reflect.New(reflect.TypeOf(d.of).Elem()).Interface().(Message), here+".", f)
		}
	}
}

// wrong are values of every kind that a member of a kind must refuse.
func wrong(d member) []string {
	switch {
	case d.many:
		return []string{`1`, `"x"`, `{}`, `true`}
	case d.kind == kindText:
		return []string{`true`, `1.5`, `"a\u0000"`}
	case d.kind == kindInt:
		return []string{`1.5`, `"x"`, `true`, `{}`, `[1]`, `99999999999999999999`}
	case d.kind == kindBool:
		return []string{`2`, `"yes"`, `{}`, `[]`}
	}
	return []string{`1`, `"x"`, `[]`, `false`}
}

// TestRulesR04EveryWrongKindIsRefusedByName: each member of each message, objects
// below it included, refuses values of other kinds and says which member it was.
// What devices report about themselves is not refused (R06).
func TestRulesR04EveryWrongKindIsRefusedByName(t *testing.T) {
	t.Parallel()
	tried := 0
	for _, m := range allMessages() {
		fresh := func() Message { return reflect.New(reflect.TypeOf(m).Elem()).Interface().(Message) }
		eachMember(fresh(), "", func(path string, d member) {
			for _, value := range wrong(d) {
				tried++
				err := Decode([]byte(nest(path, value)), fresh())
				fe, named := errors.AsType[*FieldError](err)
				switch {
				case lenientMessage(fresh()):
					if err != nil {
						t.Errorf("%T: %s = %s: %v, want it read", m, path, value, err)
					}
				case !errors.Is(err, ErrMalformed) || !named || fe.Field != path:
					t.Errorf("%T: %s = %s: %v", m, path, value, err)
				}
			}
		})
	}
	if tried < 5000 {
		t.Errorf("only %d values were tried", tried)
	}
}

// TestRulesR04R05EveryNumberInEverySpelling: each integer of each message reads
// 1.0, 1E0 and "1", each text reads a number, and null and absence change nothing.
func TestRulesR04R05EveryNumberInEverySpelling(t *testing.T) {
	t.Parallel()
	for _, m := range allMessages() {
		fresh := func() Message { return reflect.New(reflect.TypeOf(m).Elem()).Interface().(Message) }
		eachMember(fresh(), "", func(path string, d member) {
			if d.many || d.kind == kindObject {
				return
			}
			plain := ""
			for _, value := range []string{`1`, `1.0`, `1E0`, `"1"`} {
				got := fresh()
				if err := Decode([]byte(nest(path, value)), got); err != nil {
					t.Errorf("%T: %s = %s: %v", m, path, value, err)
					continue
				}
				text := string(encode(got, "n", 0))
				if plain == "" {
					plain = text
				}
				if text != plain {
					t.Errorf("%T: %s = %s is %s, want %s", m, path, value, text, plain)
				}
			}
			got := fresh()
			if err := Decode([]byte(nest(path, `null`)), got); err != nil {
				t.Errorf("%T: %s = null: %v", m, path, err)
			}
			if strings.Contains(path, ".") {
				return // the objects above it are made
			}
			if text, want := string(encode(got, "n", 0)), string(encode(fresh(), "n", 0)); text != want {
				t.Errorf("%T: %s = null is %s, want %s", m, path, text, want)
			}
		})
	}
}

// TestRulesR21TradeAnswersStayShort: with every text that may be left out as long
// as it may be, the answers that embedded clients read into a fixed buffer fit it,
// and keep what R23 names.
func TestRulesR21TradeAnswersStayShort(t *testing.T) {
	t.Parallel()
	shortened := 0
	for _, e := range catalog() {
		limit := maxResponse(e.method)
		if limit == 0 {
			continue
		}
		m := e.response()
		eachMember(e.response(), "", func(path string, d member) {
			if d.kind != kindText || d.must || d.many {
				return
			}
			if err := Decode([]byte(nest(path, `"`+strings.Repeat("长", min(d.limit, 200))+`"`)), m); err != nil {
				t.Fatal(err)
			}
		})
		for _, path := range []string{"order_content", "refund_order_content"} {
			_ = Decode([]byte(nest(path, `{"out_trade_no":"90000001","out_refund_no":"1","total_fee":2}`)), m) // where there is one
		}
		seal := SealResponse
		if Brief(e.method) {
			seal = SealBriefResponse
		}
		body := seal(Head{Description: "操作成功。", LogID: 1}, e.method, m, testKeys.AuthenKey)
		if len(body) > limit {
			t.Errorf("%s has %d bytes", e.method, len(body))
		}
		if len(Encode(m)) > limit {
			shortened++
		}
		object, ok := contentOf(t, body)[ResponseMember(e.method)].(map[string]any)
		if !ok {
			t.Fatalf("%s: %s", e.method, body)
		}
		if order, ok := object["order_content"].(map[string]any); ok && (order["out_trade_no"] != "90000001" || order["total_fee"] != 2.0) {
			t.Errorf("%s lost what R23 names: %v", e.method, order)
		}
	}
	if shortened < 4 { // micro_pay, query_order, official_account_pay, mini_program_pay
		t.Errorf("only %d answers had to be shortened", shortened)
	}
}
