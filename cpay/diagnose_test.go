package cpay

import (
	"crypto"
	"crypto/hmac"
	"crypto/md5"
	"crypto/rand"
	"crypto/rsa"
	"crypto/sha1"
	"crypto/sha256"
	"encoding/base64"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"math/big"
	"strconv"
	"strings"
	"testing"
)

const diagnoseKey = "00112233445566778899AABBCCDDEEFF"

const diagnoseContent = `{"pay_mch_key":{"out_sub_mch_id":"A"},"out_trade_no":"900000010000000106","b":"茶叶蛋 50/50 <&>","nonce_str":"n"}`

// codeBody is a request with a code of one's own.
func codeBody(content, code string) []byte {
	return []byte(`{"request_content":` + string(appendQuoted(nil, []byte(content))) +
		`,"authen_info":{"a":{"authen_type":1,"authen_code":"` + code + `"}}}`)
}

// over is the code of text by the key of these tests.
func over(text string) string { return NewKey(diagnoseKey).MAC([]byte(text)) }

// testGBK converts the one word of these tests, and ASCII.
func testGBK(s string) ([]byte, bool) {
	return []byte(strings.ReplaceAll(s, "茶叶蛋", "\xb2\xe8\xd2\xb6\xb5\xb0")), true
}

func macHex(key, text string) string {
	h := hmac.New(sha256.New, []byte(key))
	h.Write([]byte(text))
	return strings.ToUpper(hex.EncodeToString(h.Sum(nil)))
}

func TestDiagnoseFindsTheMistake(t *testing.T) {
	t.Parallel()
	c := diagnoseContent
	rawKey, err := hex.DecodeString(diagnoseKey)
	if err != nil {
		t.Fatal(err)
	}
	marshalled, err := json.Marshal(c)
	if err != nil {
		t.Fatal(err)
	}
	sum, err := hex.DecodeString(over(c))
	if err != nil {
		t.Fatal(err)
	}
	m5 := md5.Sum([]byte(c + diagnoseKey))
	m6 := hmac.New(md5.New, []byte(diagnoseKey))
	m6.Write([]byte(c))
	concat := sha256.Sum256([]byte(diagnoseKey + c))
	escapedBody := strings.Trim(string(appendQuoted(nil, []byte(c))), `"`)
	gbk, _ := testGBK(c)
	sorted := `{"b":"茶叶蛋 50/50 <&>","nonce_str":"n","out_trade_no":"900000010000000106","pay_mch_key":{"out_sub_mch_id":"A"}}`
	gson := strings.NewReplacer("<", `\u003c`, ">", `\u003e`, "&", `\u0026`).Replace(c)
	php := strings.NewReplacer("/", `\/`, "茶叶蛋", `\u8336\u53f6\u86cb`).Replace(c)
	python := strings.NewReplacer(`,"`, `, "`, `":`, `": `).Replace(c)
	inString := string(appendQuoted(nil, []byte(c)))
	for _, tt := range []struct {
		name   string
		body   []byte
		cause  Cause
		says   string
		differ int // where; -1 for no difference
	}{
		{"good", codeBody(c, over(c)), "", "is authentic", -1},
		{"good with newline", codeBody(c+"\n", over(c+"\n")), "", "is authentic", -1},
		{"no JSON", []byte(`{"request_content":`), CauseNotJSON, "byte", -1},
		{"empty", nil, CauseNotJSON, "byte", -1},
		{"no content", []byte(`{"authen_info":{}}`), CauseNoContent, "", -1},
		{"object", []byte(`{"request_content":` + c + `,"authen_info":{"a":{"authen_type":1,"authen_code":"` + over(c) + `"}}}`), CauseObject, "must be a string", -1},
		{"no authen_info", []byte(`{"request_content":"{}"}`), CauseNoAuthenInfo, "", -1},
		{"empty authen_info", []byte(`{"request_content":"{}","authen_info":{}}`), CauseNoAuthenInfo, "", -1},
		{"type 2, right code", []byte(strings.Replace(string(codeBody(c, over(c))), `"authen_type":1`, `"authen_type":2`, 1)), CauseAuthenType, "authen_type is 2", -1},
		{"type 2, other code", []byte(strings.Replace(string(codeBody(c, strings.Repeat("0", 32))), `"authen_type":1`, `"authen_type":2`, 1)), CauseAuthenType, "only 1", -1},
		{"lower case", codeBody(c, strings.ToLower(over(c))), CauseLowerCase, "upper-case", -1},
		{"base64", codeBody(c, base64.StdEncoding.EncodeToString(sum)), CauseBase64, "", -1},
		{"newline not covered", codeBody(c+"\n", over(c)), CauseNewline, "without the newline", len(c)},
		{"newline not sent", codeBody(c, over(c+"\n")), CauseNewline, "was not sent", len(c)},
		{"white space", codeBody("  "+c+" ", over(c)), CauseWhiteSpace, "", 0},
		{"double encoding", codeBody(c, over(escapedBody)), CauseDoubleEncoding, "escaped", 1},
		{"with quotes", codeBody(c, over(`"`+escapedBody+`"`)), CauseDoubleEncoding, "quotes", 0},
		{"marshalled again", codeBody(c, over(string(marshalled))), CauseDoubleEncoding, "quoted once more", 0},
		{"encoded twice, inner code", codeBody(inString, over(c)), CauseDoubleEncoding, "inner", 0},
		{"encoded twice, outer code", codeBody(inString, over(inString)), CauseDoubleEncoding, "encoded twice", -1},
		{"sorted", codeBody(c, over(sorted)), CauseSerialised, "sorted", 2},
		{"Gson", codeBody(c, over(gson)), CauseSerialised, "< > &", strings.Index(c, "<")},
		{"PHP", codeBody(c, over(php)), CauseSerialised, `\/`, strings.Index(c, "茶")},
		{"Python", codeBody(c, over(python)), CauseSerialised, "spaces", strings.Index(c, "{\"out")},
		{"GBK", codeBody(c, over(string(gbk))), CauseGBK, "UTF-8", strings.Index(c, "茶")},
		{"hex-decoded key", codeBody(c, macHex(string(rawKey), c)), CauseHexKey, "", -1},
		{"lower-case key", codeBody(c, macHex(strings.ToLower(diagnoseKey), c)), CauseKeyText, "lower case", -1},
		{"key with newline", codeBody(c, macHex(diagnoseKey+"\n", c)), CauseKeyText, "newline", -1},
		{"another's key", codeBody(c, macHex("B", c)), CauseOtherKey, "another", -1},
		{"MD5", codeBody(c, hex.EncodeToString(m5[:])), CauseMD5, "", -1},
		{"HMAC-MD5", codeBody(c, hex.EncodeToString(m6.Sum(nil))), CauseMD5, "", -1},
		{"swapped", codeBody(c, macHex(c, diagnoseKey)), CauseNotHMAC, "", -1},
		{"concatenated", codeBody(c, hex.EncodeToString(concat[:])), CauseNotHMAC, "", -1},
		{"newline and lower case", codeBody(c+"\n", strings.ToLower(over(c))), CauseNewline, "; and the code is in lower case", len(c)},
		{"hex-decoded key and newline", codeBody(c+"\n", macHex(string(rawKey), c)), CauseNewline, "; and the key was decoded", len(c)},
		{"nothing known", codeBody(c, strings.Repeat("0", 64)), CauseUnknown, "compare", -1},
		{"brief", sealBrief("r", []byte(`{"osi":"S","otn":"1","tf":1,"ac":"134680423163089456"}`), true, NewKey(diagnoseKey)), "", "is authentic", -1},
		{"brief, lower case", []byte(`{"r":"{}","a":"` + strings.ToLower(over("{}")) + `"}`), CauseLowerCase, "", -1},
	} {
		d := Diagnoser{Keys: Keys{AuthenKey: NewKey(diagnoseKey)}, Others: []Keys{{}, {AuthenKey: NewKey("B")}}, ToGBK: testGBK}
		got := d.Diagnose(tt.body)
		if got.Cause != tt.cause || !strings.Contains(got.Explanation, tt.says) {
			t.Errorf("%s: %q, %q, want %q", tt.name, got.Cause, got.Explanation, tt.cause)
		}
		switch {
		case (got.Difference == nil) != (tt.differ < 0):
			t.Errorf("%s: difference %v", tt.name, got.Difference)
		case got.Difference != nil && got.Difference.Offset != tt.differ:
			t.Errorf("%s: differs at %d, want %d: %+v", tt.name, got.Difference.Offset, tt.differ, *got.Difference)
		}
		if want := tt.cause == CauseOtherKey; (got.Other == 1) != want || (got.Other == -1) == want {
			t.Errorf("%s: other = %d", tt.name, got.Other)
		}
		text := fmt.Sprintf("%v %+v %#v", got, got, got)
		for _, secret := range []string{diagnoseKey, strings.ToLower(diagnoseKey), "900000010000000106", "134680423163089456"} {
			if strings.Contains(text, secret) {
				t.Errorf("%s: shows %s: %s", tt.name, secret, text)
			}
		}
	}
}

// TestDiagnoseSaysWhatWasAuthenticated: length, hash, ends, both codes.
func TestDiagnoseSaysWhatWasAuthenticated(t *testing.T) {
	t.Parallel()
	c := diagnoseContent + "\n"
	got := Diagnose(codeBody(c, over(diagnoseContent)), Keys{AuthenKey: NewKey(diagnoseKey)})
	sum := sha256.Sum256([]byte(c))
	if got.Length != len(c) || got.SHA256 != hex.EncodeToString(sum[:]) || got.Expected != over(c) ||
		!strings.HasPrefix(got.Begin, `"{\"pay_mch`) || !strings.HasSuffix(got.End, `}\n"`) || got.Authentic {
		t.Errorf("Diagnose = %+v", got)
	}
	for _, want := range []string{"not authentic", "newline", got.Expected, over(diagnoseContent), got.SHA256, "byte " + strconv.Itoa(len(diagnoseContent))} {
		if !strings.Contains(got.String(), want) {
			t.Errorf("String lacks %q:\n%s", want, got)
		}
	}
	if got := Diagnose(codeBody(c, over(c)), Keys{}); got.Cause != CauseUnknown || got.Expected != "" {
		t.Errorf("without a key: %+v", got)
	}
}

// TestDiagnoseLooksAtMembers: an authentic request that is refused all the same.
func TestDiagnoseLooksAtMembers(t *testing.T) {
	t.Parallel()
	keys := Keys{AuthenKey: NewKey(diagnoseKey)}
	for _, tt := range []struct {
		method        Method
		content, says string
	}{
		{MethodQueryOrder, diagnoseContent, ""},
		{MethodQueryOrder, `{"pay_mch_key":{"out_sub_mch_id":"A"}}`, "out_trade_no is missing"},
		{MethodMicroPay, `{"pay_mch_key":{"out_sub_mch_id":"A"},"pay_content":{"total_fee":1.5}}`, "pay_content.total_fee is not a whole number"},
		{MethodQueryOrder, `{"pay_mch_key":{"out_sub_mch_id":"A"},"out_sub_mch_id":"B"}`, "names two merchants"},
		{"", `[]`, "expected {"},
		{MethodBriefMicroPay, `{}`, "r is missing"}, // the wrong envelope
		{"no_such_interface", `{}`, ""},
	} {
		got := Diagnoser{Keys: keys, Method: tt.method}.Diagnose(codeBody(tt.content, over(tt.content)))
		want := CauseMember
		if tt.says == "" {
			want = ""
		}
		if !got.Authentic || got.Cause != want || !strings.Contains(got.Explanation, tt.says) {
			t.Errorf("%s %s: %+v, want %q", tt.method, tt.content, got, tt.says)
		}
	}
}

// signBody is a request with a signature of one's own.
func signBody(content, sign string) []byte {
	return []byte(`{"request_content":` + string(appendQuoted(nil, []byte(content))) +
		`,"authen_info":{"s":{"sign_type":1,"sign":` + string(appendQuoted(nil, []byte(sign))) + `}}}`)
}

func TestDiagnoseFindsTheMistakeInASignature(t *testing.T) {
	t.Parallel()
	key, short, long := testPrivateKey(), `{"out_sub_mch_id":"A"}`, diagnoseContent+strings.Repeat(" ", 300)
	encode := base64.StdEncoding.EncodeToString
	other, err := rsa.GenerateKey(rand.Reader, 2048)
	if err != nil {
		t.Fatal(err)
	}
	sign := func(k *rsa.PrivateKey, content string) string {
		s, err := Sign(k, []byte(content))
		if err != nil {
			t.Fatal(err)
		}
		return s
	}
	pkcs := func(h crypto.Hash, digest []byte) string {
		s, err := rsa.SignPKCS1v15(nil, key, h, digest)
		if err != nil {
			t.Fatal(err)
		}
		return encode(s)
	}
	sum, old := sha256.Sum256([]byte(short)), sha1.Sum([]byte(short))
	twice := sha256.Sum256(sum[:])
	raw, err := base64.StdEncoding.DecodeString(sign(key, short))
	if err != nil {
		t.Fatal(err)
	}
	for _, tt := range []struct {
		name          string
		content, sign string
		cause         Cause
		says          string
	}{
		{"good", short, sign(key, short), "", "is authentic"},
		{"newline not covered", short + "\n", sign(key, short), CauseNewline, "without the newline"},
		{"double encoding", short, sign(key, `{\"out_sub_mch_id\":\"A\"}`), CauseDoubleEncoding, ""},
		{"another's key", short, sign(other, short), CauseOtherKey, ""},
		{"PKCS #1", short, pkcs(crypto.SHA256, sum[:]), CauseSign, "PKCS"},
		{"PKCS #1 with SHA-1", short, pkcs(crypto.SHA1, old[:]), CauseSign, "SHA-1"},
		{"PKCS #1 over the text", short, pkcs(0, []byte(short)), CauseUnhashed, "instead of its SHA-256"},
		{"PSS over the text", long, pssOver(key, []byte(long), crypto.SHA256), CauseUnhashed, "hash first"},
		{"PSS over its beginning", long, pssOver(key, []byte(long)[:32], crypto.SHA256), CauseUnhashed, "hash first"},
		{"hashed twice", short, pssOver(key, twice[:], crypto.SHA256), CauseSign, "twice"},
		{"digits of the hash", short, pssOver(key, []byte(hex.EncodeToString(sum[:])), crypto.SHA256), CauseSign, "digits"},
		{"mask by SHA-1", short, pssOver(key, sum[:], crypto.SHA1), CauseSign, "MGF1"},
		{"hexadecimal", short, hex.EncodeToString(raw), CauseSign, "hexadecimal"},
		{"spaces", short, encode(raw[:48]) + " " + encode(raw[48:]), CauseSign, "spaces"},
		{"without padding", short, strings.TrimRight(encode(raw), "="), CauseSign, "padding"},
		{"not base64", short, "!", CauseSign, "not base64"},
		{"garbage", short, "AAAA", CauseUnknown, "public key"},
	} {
		keys := Keys{PublicKey: &key.PublicKey}
		got := Diagnoser{Keys: keys, Others: []Keys{{}, {PublicKey: &other.PublicKey}}}.Diagnose(signBody(tt.content, tt.sign))
		if got.Cause != tt.cause || !strings.Contains(got.Explanation, tt.says) || !got.Signed {
			t.Errorf("%s: %q, %q, want %q", tt.name, got.Cause, got.Explanation, tt.cause)
		}
		if (got.Other == 1) != (tt.cause == CauseOtherKey) {
			t.Errorf("%s: other = %d", tt.name, got.Other)
		}
	}
	if got := Diagnose(signBody(short, sign(key, short)), Keys{}); got.Cause != CauseUnknown {
		t.Errorf("without a key: %+v", got)
	}
	wrongType := strings.Replace(string(signBody(short, sign(key, short))), `"sign_type":1`, `"sign_type":3`, 1)
	if got := Diagnose([]byte(wrongType), Keys{PublicKey: &key.PublicKey}); got.Cause != CauseAuthenType {
		t.Errorf("type 3: %+v", got)
	}
}

// pssOver signs a digest of any length with PSS, as libraries refuse to: with an
// empty salt, SHA-256, and a mask of one's choice.
func pssOver(key *rsa.PrivateKey, digest []byte, mask crypto.Hash) string {
	bits := key.N.BitLen() - 1
	em := make([]byte, (bits+7)/8)
	h := sha256.Sum256(append(make([]byte, 8), digest...))
	n := len(em) - len(h) - 1
	em[n-1] = 1
	copy(em[n:], h[:])
	em[len(em)-1] = 0xbc
	for i, counter := 0, byte(0); i < n; counter++ {
		m := mask.New()
		m.Write(h[:])
		m.Write([]byte{0, 0, 0, counter})
		for _, b := range m.Sum(nil) {
			if i < n {
				em[i] ^= b
			}
			i++
		}
	}
	em[0] &= 0xff >> (8*len(em) - bits)
	s := new(big.Int).Exp(new(big.Int).SetBytes(em), key.D, key.N)
	return base64.StdEncoding.EncodeToString(s.FillBytes(make([]byte, key.Size())))
}

// TestDiagnoseAgreesWithVerify: on every vector, and under the right key only.
func TestDiagnoseAgreesWithVerify(t *testing.T) {
	t.Parallel()
	for _, v := range requestVectors(t) {
		if v.Expect.Authenticated == nil {
			continue // a ping
		}
		keys := Keys{AuthenKey: NewKey(v.AuthenKey), PublicKey: testPublicKey(t)}
		method := strings.TrimPrefix(v.Path, "/cpay/")
		e, err := Parse(method, []byte(v.RawBody))
		authentic := err == nil && e.Verify(keys) == nil
		got := Diagnoser{Keys: keys, Method: method}.Diagnose([]byte(v.RawBody))
		if got.Authentic != authentic || authentic != (got.Cause == "") || got.Cause == CauseUnknown && got.Signed == false {
			t.Errorf("%s: %+v, Verify says %v", v.Name, got, authentic)
		}
	}
}
