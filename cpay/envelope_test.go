package cpay

import (
	"crypto/rand"
	"crypto/rsa"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"strings"
	"sync"
	"testing"
)

var testKeys = Keys{AuthenKey: NewKey("VECTOR0TEST0KEY0ONLY000000000001")}

// testPrivateKey is made once: RSA keys take long to make.
var testPrivateKey = sync.OnceValue(func() *rsa.PrivateKey {
	key, err := rsa.GenerateKey(rand.Reader, 2048)
	if err != nil {
		panic(err)
	}
	return key
})

func signingKeys() Keys {
	key := testPrivateKey()
	return Keys{AuthenKey: testKeys.AuthenKey, PrivateKey: key, PublicKey: &key.PublicKey}
}

// enveloped wraps content in an outer document whose MAC is right.
func enveloped(t *testing.T, content string) []byte {
	t.Helper()
	body, err := Seal([]byte(content), testKeys, ByMAC)
	if err != nil {
		t.Fatal(err)
	}
	return body
}

// TestR01TrailingNewlines: the newline is part of what is authenticated, and
// white space after the outer document is none of our business.
func TestR01TrailingNewlines(t *testing.T) {
	t.Parallel()
	e, err := Open(append(enveloped(t, "{}\n"), "\r\n \t\n"...), testKeys)
	if err != nil {
		t.Fatal(err)
	}
	if got := string(e.Content()); got != "{}\n" {
		t.Errorf("content = %q", got)
	}
}

// TestR03ExactBytes: whatever spelling the outer document uses for the content,
// the decoded bytes are what counts, also when they are not UTF-8.
func TestR03ExactBytes(t *testing.T) {
	t.Parallel()
	for _, content := range []string{
		`{"a":"\u6536\/<>&'="}`, `{"a":"收银员 😀"}`, "{\"a\":\"\xca\xd5\xd2\xf8\"}", "{\t\"a\":\r\n1}", `{"a":"\\\"\u0000"}`,
	} {
		e, err := Open(enveloped(t, content), testKeys)
		if err != nil {
			t.Errorf("%q: %v", content, err)
			continue
		}
		if got := string(e.Content()); got != content {
			t.Errorf("content = %q, want %q", got, content)
		}
	}
	escaped := `{"request_content":"\u007b\u0022a\u0022:\u00221\ud83d\ude00\b\f\r\t\/\u0022}"}`
	e, err := ParseRequest([]byte(escaped))
	if want := "{\"a\":\"1😀\b\f\r\t/\"}"; err != nil || string(e.Content()) != want {
		t.Errorf("content = %q, %v, want %q", e.Content(), err, want)
	}
}

func TestParseRequestRefuses(t *testing.T) {
	t.Parallel()
	content := `"request_content":"{}"`
	for name, body := range map[string]string{
		"empty body":                "",
		"not JSON":                  "CPing",
		"a list":                    "[]",
		"no content":                `{"authen_info":{}}`,
		"content null":              `{"request_content":null}`,
		"content number (R16)":      `{"request_content":1}`,
		"content object (R16)":      `{"request_content":{}}`,
		"content twice":             `{` + content + `,` + content + `}`,
		"authen_info twice":         `{` + content + `,"authen_info":{},"authen_info":{}}`,
		"a twice":                   `{` + content + `,"authen_info":{"a":{},"a":{}}}`,
		"authen_code twice":         `{` + content + `,"authen_info":{"a":{"authen_code":"1","authen_code":"2"}}}`,
		"authen_info a string":      `{` + content + `,"authen_info":"a"}`,
		"authen_info a list":        `{` + content + `,"authen_info":[]}`,
		"text after the document":   `{` + content + `}x`,
		"second document":           `{` + content + `}{}`,
		"half a surrogate":          `{"request_content":"\ud83d"}`,
		"wrong half of a surrogate": `{"request_content":"\ud83d\u0041"}`,
		"second half first":         `{"request_content":"\ude00"}`,
		"bad escape":                `{"request_content":"\x"}`,
		"short escape":              `{"request_content":"\u12"}`,
		"escape that is not hex":    `{"request_content":"\u12g4"}`,
		"raw newline":               "{\"request_content\":\"\n\"}",
		"no end of string":          `{"request_content":"`,
		"no end of escape":          `{"request_content":"\`,
		"no end of object":          `{` + content,
		"comma at the end":          `{` + content + `,}`,
		"no comma":                  `{` + content + ` "x":1}`,
		"no colon":                  `{"request_content" "{}"}`,
		"unknown member broken":     `{` + content + `,"x":tru}`,
		"unknown number broken":     `{` + content + `,"x":01}`,
		"unknown string broken":     `{` + content + `,"x":"\q"}`,
		"unknown escape broken":     `{` + content + `,"x":"\u00"}`,
		"unknown string raw":        `{` + content + `,"x":["` + "\x01" + `"]}`,
		"unknown string open":       `{` + content + `,"x":{"y":"`,
		"too deep":                  `{` + content + `,"x":` + strings.Repeat("[", 40) + strings.Repeat("]", 40) + `}`,
		"too long":                  `{` + content + `}` + strings.Repeat(" ", MaxBody),
	} {
		if e, err := ParseRequest([]byte(body)); !errors.Is(err, ErrMalformed) || e != nil {
			t.Errorf("%s: %v, want ErrMalformed", name, err)
		}
	}
	for _, body := range []string{"", `{"r":1}`, `{"r":"{}"`, strings.Repeat(" ", MaxBody+1)} {
		if _, err := ParseBriefRequest([]byte(body)); !errors.Is(err, ErrMalformed) {
			t.Errorf("brief %.20q: %v, want ErrMalformed", body, err)
		}
	}
}

// TestR08R09R16Authentication: what is present must be right, all of it.
func TestR08R09R16Authentication(t *testing.T) {
	t.Parallel()
	keys := signingKeys()
	content := []byte(`{"x":1}`)
	mac, err := Sign(keys.PrivateKey, content)
	if err != nil {
		t.Fatal(err)
	}
	code := keys.AuthenKey.MAC(content)
	a := `"a":{"authen_type":1,"authen_code":"` + code + `"}`
	s := `"s":{"sign_type":1,"sign":"` + mac + `"}`
	for _, tt := range []struct {
		name, info string
		keys       Keys
		ok         bool
	}{
		{"a", `{` + a + `}`, keys, true},
		{"s", `{` + s + `}`, keys, true},
		{"both", `{` + a + `,` + s + `}`, keys, true},
		{"a with the type as text", `{"a":{"authen_type":"1.0","authen_code":"` + code + `"}}`, keys, true},
		{"signature for sign", `{"s":{"sign_type":1,"signature":"` + mac + `"}}`, keys, true},
		{"s null beside a", `{` + a + `,"s":null}`, keys, true},
		{"unknown members", `{` + a + `,"z":[{"a":1}]}`, keys, true},
		{"empty", `{}`, keys, false},
		{"null", `null`, keys, false},
		{"a empty", `{"a":{}}`, keys, false},
		{"a empty beside s", `{"a":{},` + s + `}`, keys, false},
		{"s empty beside a", `{` + a + `,"s":{}}`, keys, false},
		{"no type", `{"a":{"authen_code":"` + code + `"}}`, keys, false},
		{"MD5", `{"a":{"authen_type":2,"authen_code":"` + code + `"}}`, keys, false},
		{"lower case", `{"a":{"authen_type":1,"authen_code":"` + strings.ToLower(code) + `"}}`, keys, false},
		{"short code", `{"a":{"authen_type":1,"authen_code":"` + code[:32] + `"}}`, keys, false},
		{"other sign type", `{"s":{"sign_type":2,"sign":"` + mac + `"}}`, keys, false},
		{"garbage sign (R09)", `{"s":{"sign_type":1,"sign":"\u0007 stub"}}`, keys, false},
		{"garbage sign beside a", `{` + a + `,"s":{"sign_type":1,"sign":"stub"}}`, keys, false},
		{"no key for s", `{` + s + `}`, testKeys, false},
		{"no key for a", `{` + a + `}`, Keys{PublicKey: keys.PublicKey}, false},
		{"other key", `{` + a + `}`, Keys{AuthenKey: NewKey("other")}, false},
	} {
		e, err := ParseRequest([]byte(`{"request_content":"{\"x\":1}","authen_info":` + tt.info + `,"sign_info":null}`))
		if err != nil {
			t.Errorf("%s: %v", tt.name, err)
			continue
		}
		err = e.Verify(tt.keys)
		if tt.ok && err != nil || !tt.ok && !errors.Is(err, ErrNotAuthentic) {
			t.Errorf("%s: Verify = %v, want ok %v", tt.name, err, tt.ok)
		}
		if got := e.Signed(); got != strings.Contains(tt.info, `"s":{`) {
			t.Errorf("%s: Signed = %v", tt.name, got)
		}
	}
}

func TestNothingIsDecodedBeforeItIsVerified(t *testing.T) {
	t.Parallel()
	e, err := ParseRequest(enveloped(t, `{"out_trade_no":"1"}`))
	if err != nil {
		t.Fatal(err)
	}
	var m QueryOrderRequest
	if err := e.Decode(&m); !errors.Is(err, ErrNotAuthentic) || m.OutTradeNo != "" {
		t.Errorf("Decode before Verify: %v, %q", err, m.OutTradeNo)
	}
	if err := e.Verify(Keys{AuthenKey: NewKey("wrong")}); !errors.Is(err, ErrNotAuthentic) {
		t.Errorf("Verify with another key: %v", err)
	}
	if err := e.Decode(&m); !errors.Is(err, ErrNotAuthentic) {
		t.Errorf("Decode after a failed Verify: %v", err)
	}
	if err := e.Verify(testKeys); err != nil {
		t.Error(err)
	}
	if err := e.Decode(&m); err != nil || m.OutTradeNo != "1" {
		t.Errorf("Decode: %v, %q", err, m.OutTradeNo)
	}
}

func TestHintNamesOneMerchant(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct {
		content string
		want    Hint
		ok      bool
	}{
		{`{"pay_mch_key":{"out_sub_mch_id":"A","out_mch_id":"P","out_shop_id":"S"}}`, Hint{OutMchID: "P", OutSubMchID: "A", OutShopID: "S"}, true},
		{`{"out_sub_mch_id":"A"}`, Hint{OutSubMchID: "A"}, true},
		{`{"out_sub_mch_id":12}`, Hint{OutSubMchID: "12"}, true},
		{`{"osmi":"A","osi":"S"}`, Hint{OutSubMchID: "A", OutShopID: "S"}, true},
		{`{"sn":"D"}`, Hint{SNCode: "D"}, true},
		{`{"out":{"out_sub_mch_id":"A"}}`, Hint{OutSubMchID: "A"}, true},
		{`{"Condition":{"Out":{"out_sub_mch_id":"A"}}}`, Hint{OutSubMchID: "A"}, true},
		{`{"mch":{"mch_id":"M","sub_mch_id":"S"}}`, Hint{Wallet: MchIDs{MchID: "M", SubMchID: "S"}}, true},
		{`{"Condition":{"Mch":{"sub_mch_id":"S","shop_id":3}}}`, Hint{Wallet: MchIDs{SubMchID: "S", ShopID: "3"}}, true},
		{`{"mch":"a till's own","out_sub_mch_id":"A"}`, Hint{OutSubMchID: "A"}, true},
		{`{"out_sub_mch_id":"A","pay_mch_key":{"out_sub_mch_id":"A"}}`, Hint{OutSubMchID: "A"}, true},
		{`{"pay_mch_key":null}`, Hint{}, true},
		{`{}`, Hint{}, true},
		{`{"out_sub_mch_id":"A","pay_mch_key":{"out_sub_mch_id":"B"}}`, Hint{}, false},
		{`{"out_shop_id":"A","pay_mch_key":{"out_shop_id":"B"}}`, Hint{}, false},
		{`{"pay_mch_key":{"out_sub_mch_id":"A"},"pay_mch_key":{"out_sub_mch_id":"B"}}`, Hint{}, false},
		{`{"pay_mch_key":{"out_sub_mch_id":"A","out_sub_mch_id":"B"}}`, Hint{}, false},
		{`null`, Hint{}, false},
		{`{"a":`, Hint{}, false},
		{`{}x`, Hint{}, false},
	} {
		e, err := ParseRequest(enveloped(t, tt.content))
		if err != nil {
			t.Fatal(err)
		}
		got, err := e.Hint()
		if got != tt.want || (err == nil) != tt.ok || (err != nil && !errors.Is(err, ErrMalformed)) {
			t.Errorf("Hint of %s = %+v, %v, want %+v, ok %v", tt.content, got, err, tt.want, tt.ok)
		}
	}
}

func TestSealWritesTheOriginalsOrder(t *testing.T) {
	t.Parallel()
	body := string(enveloped(t, "{\"x\":\"\\u6536\"}\n"))
	want := `{"request_content":"{\"x\":\"\\u6536\"}\u000A","authen_info":{"a":{"authen_type":1,"authen_code":"` +
		testKeys.AuthenKey.MAC([]byte("{\"x\":\"\\u6536\"}\n")) + `"}}}`
	if body != want {
		t.Errorf("Seal = %s, want %s", body, want)
	}
}

func TestSealWithEveryAuth(t *testing.T) {
	t.Parallel()
	keys := signingKeys()
	for _, by := range []Auth{ByMAC, BySignature, ByBoth} {
		body, err := SealRequest(validMicroPay(), keys, by)
		if err != nil {
			t.Fatal(err)
		}
		e, err := Open(body, keys)
		if err != nil {
			t.Fatalf("auth %d: %v", by, err)
		}
		if e.Signed() != (by != ByMAC) || strings.Contains(string(body), `"a":{`) != (by != BySignature) {
			t.Errorf("auth %d: %s", by, body)
		}
		if _, err := Open(body, Keys{}); !errors.Is(err, ErrNotAuthentic) {
			t.Errorf("auth %d opened without keys: %v", by, err)
		}
	}
	for _, by := range []Auth{ByMAC, BySignature, ByBoth} {
		if _, err := Seal(nil, Keys{}, by); err == nil {
			t.Errorf("auth %d sealed without keys", by)
		}
	}
	if _, err := Open([]byte("{"), keys); !errors.Is(err, ErrMalformed) {
		t.Errorf("Open of half a document: %v", err)
	}
}

// TestSignUsesTheLongestSalt: clients built on OpenSSL's -2 expect 222 bytes.
func TestSignUsesTheLongestSalt(t *testing.T) {
	t.Parallel()
	keys := signingKeys()
	sign, err := Sign(keys.PrivateKey, []byte("x"))
	if err != nil {
		t.Fatal(err)
	}
	if !verifiesWithSalt(t, keys.PublicKey, "x", sign, 222) || verifiesWithSalt(t, keys.PublicKey, "x", sign, 32) {
		t.Error("salt is not 222 bytes")
	}
	if !VerifySign(keys.PublicKey, []byte("x"), sign) || VerifySign(keys.PublicKey, []byte("y"), sign) {
		t.Error("VerifySign is wrong about its own signature")
	}
}

func TestSecretsHideThemselves(t *testing.T) {
	t.Parallel()
	const key, code = "0123456789abcdef0123456789ABCDEF", "134680423163089456"
	keys := Keys{AuthenKey: NewKey(key), PrivateKey: testPrivateKey()}
	var log strings.Builder
	logger := slog.New(slog.NewJSONHandler(&log, nil))
	logger.Info("x", slog.Any("keys", keys), slog.Any("key", keys.AuthenKey), slog.Any("code", PayCode(code)))
	logger = slog.New(slog.NewTextHandler(&log, nil))
	logger.Info("x", slog.Any("keys", keys), slog.Any("key", keys.AuthenKey), slog.Any("code", PayCode(code)))
	req := validMicroPay()
	req.PayContent.AuthorCode = code
	marshalled, err := json.Marshal([]any{keys, keys.AuthenKey, req, Config{Keys: keys}.Keys})
	if err != nil {
		t.Fatal(err)
	}
	for _, text := range []string{
		fmt.Sprint(keys, keys.AuthenKey, PayCode(code)), fmt.Sprintf("%v %+v %#v %s %q", keys, keys, keys, keys, keys),
		fmt.Sprintf("%v %+v %#v %s %q", keys.AuthenKey, keys.AuthenKey, keys.AuthenKey, keys.AuthenKey, keys.AuthenKey),
		fmt.Sprintf("%v %+v %s", Config{Keys: keys}, Config{Keys: keys}, keys), log.String(), string(marshalled),
		fmt.Sprintf("%v %+v %#v", *req, *req, *req), fmt.Sprintf("%v %+v %#v", req.PayContent, req.PayContent, PayCode(code)),
	} {
		if strings.Contains(text, key) || strings.Contains(text, code) || strings.Contains(text, testPrivateKey().D.String()) {
			t.Errorf("a secret shows in %s", text)
		}
	}
	if got := PayCode(code).String(); got != "134680************" {
		t.Errorf("masked code = %s", got)
	}
	if got := PayCode("1346").String(); got != "****" {
		t.Errorf("masked short code = %s", got)
	}
}

// TestErrorsRepeatNothing: an error about a request must be fit for a log.
func TestErrorsRepeatNothing(t *testing.T) {
	t.Parallel()
	const code = "134680423163089456"
	for _, content := range []string{
		`{"pay_content":{"author_code":"` + code + `","total_fee":"` + code + `x"}}`,
		`{"pay_content":{"author_code":["` + code + `"]}}`,
		`{"pay_content":{"author_code":"` + code + `","author_code":"` + code + `"}}`,
		`{"pay_content":{"author_code":` + code + `.5}}`,
		`{"pay_content":{"author_code":"` + code + `\u0000"}}`,
		`{"pay_content":{"author_code":"` + code + `}}`,
	} {
		err := Decode([]byte(content), new(MicroPayRequest))
		if err == nil || strings.Contains(err.Error(), code[6:]) || !errors.Is(err, ErrMalformed) {
			t.Errorf("Decode(%s) = %v", content, err)
		}
	}
}

func TestKeysAreReadFromPEM(t *testing.T) {
	t.Parallel()
	key := testPrivateKey()
	for _, text := range pemForms(t, key) {
		got, err := ParsePrivateKey(text)
		if err != nil || !got.Equal(key) {
			t.Errorf("ParsePrivateKey: %v", err)
		}
	}
	for _, text := range publicPEMForms(t, &key.PublicKey) {
		got, err := ParsePublicKey(text)
		if err != nil || !got.Equal(&key.PublicKey) {
			t.Errorf("ParsePublicKey: %v", err)
		}
	}
	for _, text := range wrongPEMForms(t) {
		if _, err := ParsePrivateKey(text); err == nil {
			t.Errorf("ParsePrivateKey accepts %.40q", text)
		}
		if _, err := ParsePublicKey(text); err == nil {
			t.Errorf("ParsePublicKey accepts %.40q", text)
		}
	}
	if _, err := Sign(nil, nil); err == nil {
		t.Error("Sign without a key")
	}
}

func TestDeviceKeyRoundTrip(t *testing.T) {
	t.Parallel()
	key, initKey := NewKey("0123456789abcdef0123456789ABCDEF"), NewKey("654502BB0F57EC8737B4CF12117575B8")
	sealed, err := SealDeviceKey(key, initKey)
	if err != nil {
		t.Fatal(err)
	}
	if got, err := OpenDeviceKey(sealed, initKey); err != nil || got.reveal() != key.reveal() {
		t.Errorf("OpenDeviceKey: %v", err)
	}
	again, err := SealDeviceKey(key, initKey)
	if err != nil || again == sealed {
		t.Errorf("the salt is not fresh, %v", err)
	}
	for _, wrong := range []string{"", "?", "AQIDBAUGBwg=", sealed[:20], sealed[4:]} {
		if got, err := OpenDeviceKey(wrong, initKey); err == nil && got.reveal() == key.reveal() {
			t.Errorf("OpenDeviceKey(%q) works", wrong)
		}
	}
	if _, err := SealDeviceKey(Key{}, initKey); err == nil {
		t.Error("sealed an empty key")
	}
}
