package cpay

import (
	"bytes"
	"encoding/json"
	"errors"
	"math/big"
	"reflect"
	"strings"
	"testing"
)

// FuzzParseRequest feeds the server's way in. Whatever is accepted is JSON, says
// what encoding/json says, survives sealing again byte for byte, and decodes to a
// message that encodes and decodes to itself.
func FuzzParseRequest(f *testing.F) {
	for _, v := range requestVectors(f) {
		f.Add([]byte(v.RawBody))
	}
	f.Add([]byte(`{"request_content":"{\"a\":\"\ud83d\ude00\\n\"}","authen_info":{"s":{"signature":"x"}},"x":[1.5e3,null]}`))
	f.Fuzz(func(t *testing.T, body []byte) {
		_, _ = ParseBriefRequest(body)
		e, err := ParseRequest(body)
		if err != nil {
			if e != nil || !errors.Is(err, ErrMalformed) {
				t.Fatalf("ParseRequest = %v, %v", e, err)
			}
			return
		}
		if !json.Valid(body) {
			t.Fatalf("accepted what is not JSON: %q", body)
		}
		if want, ok := reference(body); ok && want != string(e.Content()) {
			t.Fatalf("content %q, encoding/json reads %q", e.Content(), want)
		}
		sealedAgain, err := Seal(e.Content(), testKeys, ByMAC)
		if err != nil {
			t.Fatal(err)
		}
		again, err := Open(sealedAgain, testKeys)
		if err != nil || !bytes.Equal(again.Content(), e.Content()) {
			t.Fatalf("sealed again: %v", err)
		}
		_, _ = again.Hint()
		_, _ = again.Callback()
		for _, m := range []Message{new(MicroPayRequest), new(RefundRequest), new(QueryRefundOrderResponse)} {
			stable(t, e.Content(), m)
		}
	})
}

// FuzzMessages feeds the decoder of every message: what is accepted encodes to
// JSON that decodes to the same, and survives being shed.
func FuzzMessages(f *testing.F) {
	kinds := allMessages()
	for i, m := range allMessages() {
		f.Add(uint8(i), Encode(m))
		for _, ext := range exts {
			n := 0
			fill(reflect.ValueOf(m).Elem(), ext, &n)
			f.Add(uint8(i), Encode(m))
		}
	}
	for _, v := range requestVectors(f) {
		for i, m := range kinds {
			if r, ok := m.(Request); ok && Path(r.Method()) == v.Path && v.MACInput != nil {
				f.Add(uint8(i), []byte(*v.MACInput))
			}
		}
	}
	f.Fuzz(func(t *testing.T, i uint8, content []byte) {
		kind := reflect.TypeOf(kinds[int(i)%len(kinds)]).Elem()
		m := reflect.New(kind).Interface().(Message)
		stable(t, content, m)
		for shed := shedTexts; shed < shedLists+3; shed++ {
			if short := encode(m, "n", shed); !json.Valid(short) {
				t.Fatalf("shed to %d it is not JSON: %s", shed, short)
			}
		}
	})
}

// FuzzBriefResponse feeds the client's way in of the short envelope, and the
// server's, once as it is and once under the right code.
func FuzzBriefResponse(f *testing.F) {
	for _, status := range []Status{0, 3, 101, 103} {
		body := SealBriefResponse(Head{Status: status, LogID: 1}, MethodBriefQueryOrder, new(BriefQueryOrderResponse), testKeys.AuthenKey)
		f.Add(body)
	}
	f.Add([]byte(`{"s":0,"d":"","li":1,"is":0,"brief_query_order":{"wx":{"cts":2}}}`))
	f.Fuzz(func(t *testing.T, raw []byte) {
		_, _ = ParseBriefRequest(raw)
		for _, body := range [][]byte{raw, sealBrief("rc", raw, true, testKeys.AuthenKey)} {
			var m BriefQueryOrderResponse
			head, err := OpenBriefResponse(body, MethodBriefQueryOrder, &m, testKeys.AuthenKey)
			e, refused := errors.AsType[*Error](err)
			switch {
			case refused && (e.Status == StatusOK || e.Status != head.Status):
				t.Fatalf("%v with %+v", err, head)
			case !refused && err != nil && !errors.Is(err, ErrMalformed) && !errors.Is(err, ErrNotAuthentic):
				t.Fatalf("OpenBriefResponse: %v", err)
			}
		}
	})
}

// FuzzDiagnose feeds the diagnosis, which reads what nothing else accepts, and must
// agree with Verify.
func FuzzDiagnose(f *testing.F) {
	for _, v := range requestVectors(f) {
		f.Add([]byte(v.RawBody))
	}
	f.Add(codeBody(diagnoseContent+"\n", over(diagnoseContent)))
	keys := Keys{AuthenKey: NewKey(diagnoseKey)}
	f.Fuzz(func(t *testing.T, body []byte) {
		if len(body) > 4<<10 {
			return // every guess is a MAC
		}
		got := Diagnose(body, keys)
		if strings.Contains(got.String(), diagnoseKey) && !bytes.Contains(body, []byte(diagnoseKey)) {
			t.Fatalf("the key shows: %s", got)
		}
		if e, err := ParseRequest(body); err == nil && (e.Verify(keys) == nil) != got.Authentic {
			t.Fatalf("Verify disagrees with %s", got)
		}
	})
}

// FuzzFind looks members up by paths.
func FuzzFind(f *testing.F) {
	f.Add([]byte(`{"a":[{"b":1}]}`), "a[0].b")
	f.Fuzz(func(t *testing.T, content []byte, path string) {
		e := &Envelope{text: string(content), verified: true}
		value, err := e.find(path)
		if err == nil && value != "" && json.Valid(content) && !json.Valid([]byte(value)) {
			t.Fatalf("found %q in %q", value, content)
		}
		_ = e.Has(path)
		_ = e.DecodeAt(path, new(ShopInfo))
	})
}

// reference is what encoding/json takes for the content, where it can be compared:
// it replaces what is not UTF-8 and folds the case of names, and we do neither.
func reference(body []byte) (string, bool) {
	var v struct {
		Content string `json:"request_content"`
	}
	if json.Unmarshal(body, &v) != nil || strings.ContainsRune(v.Content, '\uFFFD') ||
		bytes.Count(bytes.ToLower(body), []byte("content")) != 1 {
		return "", false
	}
	return v.Content, true
}

// stable checks that decoding loses nothing that encoding would bring back.
func stable(t *testing.T, content []byte, m Message) {
	t.Helper()
	if err := Decode(content, m); err != nil {
		if !errors.Is(err, ErrMalformed) {
			t.Fatalf("Decode: %v", err)
		}
		return
	}
	if r, ok := m.(Request); ok {
		_ = r.Validate()
	}
	first := encode(m, "n", 0)
	if !json.Valid(first) {
		t.Fatalf("encoded what is not JSON: %s", first)
	}
	again := reflect.New(reflect.TypeOf(m).Elem()).Interface().(Message)
	if err := Decode(first, again); err != nil {
		t.Fatalf("%s: %v", first, err)
	}
	if second := encode(again, "n", 0); !bytes.Equal(first, second) {
		t.Fatalf("not stable:\n%s\n%s", first, second)
	}
}

// FuzzInt compares the reading of integers with exact rational arithmetic.
func FuzzInt(f *testing.F) {
	var file struct {
		Integer  []numberVector
		IDString []numberVector `json:"id_string"`
	}
	readVectors(f, "numbers.json", &file)
	for _, v := range append(file.Integer, file.IDString...) {
		f.Add(v.JSON)
	}
	f.Fuzz(func(t *testing.T, lit string) {
		var id Text
		_ = json.Unmarshal([]byte(lit), &id)
		got, err := parseInt(lit)
		n, grammatical := parseNumber(lit)
		if isNumber := json.Valid([]byte(lit)) && lit != "" && strings.Trim(lit, "0123456789+-.eE") == ""; grammatical != isNumber {
			t.Fatalf("parseNumber(%q) = %v, encoding/json says %v", lit, grammatical, isNumber)
		}
		if !grammatical {
			if err == nil {
				t.Fatalf("parseInt(%q) = %d", lit, got)
			}
			return
		}
		if n.exponent > 100 || n.exponent < -100 || len(lit) > 200 {
			return // too much work for the reference
		}
		want, ok := new(big.Rat).SetString(lit)
		if !ok {
			t.Fatalf("the reference cannot read %q", lit)
		}
		if fits := want.IsInt() && want.Num().IsInt64(); fits != (err == nil) || fits && want.Num().Int64() != got {
			t.Fatalf("parseInt(%q) = %d, %v, want %v", lit, got, err, want)
		}
	})
}

// FuzzOpenResponse feeds the client's way in, once as it is and once under the
// right authen_code, so that what lies behind the verification is reached.
func FuzzOpenResponse(f *testing.F) {
	for _, status := range []Status{0, 3, 101, 103} {
		body := SealResponse(Head{Status: status, LogID: 1}, MethodMicroPay, benchOrder(), testKeys.AuthenKey)
		f.Add(body)
		var s sealed
		if err := json.Unmarshal(body, &s); err != nil {
			f.Fatal(err)
		}
		f.Add([]byte(s.ResponseContent))
	}
	f.Fuzz(func(t *testing.T, raw []byte) {
		_ = OpenCallbackReply(raw)
		for _, body := range [][]byte{raw, sealContent(raw, StatusOK, testKeys.AuthenKey)} {
			var m MicroPayResponse
			head, err := OpenResponse(body, MethodMicroPay, &m, testKeys.AuthenKey)
			e, refused := errors.AsType[*Error](err)
			switch {
			case refused && (e.Status == StatusOK || e.Status != head.Status):
				t.Fatalf("%v with %+v", err, head)
			case !refused && err != nil && !errors.Is(err, ErrMalformed) && !errors.Is(err, ErrNotAuthentic):
				t.Fatalf("OpenResponse: %v", err)
			case err == nil && head.Status != StatusOK:
				t.Fatalf("no error with %+v", head)
			}
			_ = m.OrderContent.Outcome()
		}
	})
}
