package alipay

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/rsa"
	"crypto/x509"
	"encoding/base64"
	"encoding/json"
	"encoding/pem"
	"net/url"
	"strconv"
	"strings"
	"testing"

	"cloudpay/internal/channel"
	"cloudpay/internal/pay"
)

func TestSigningFollowsTheSharedVectors(t *testing.T) {
	t.Parallel()
	vectors, public := signingVectors(t, "alipay_request")
	for _, v := range vectors {
		form := url.Values{}
		for name, value := range v.Params {
			form.Set(name, value)
		}
		text := stringToSign(form, true, "sign")
		if text != v.StringToSign {
			t.Errorf("%s: string to sign\n%s\nwant\n%s", v.ID, text, v.StringToSign)
		}
		key, err := parsePublicKey(public[v.PublicKey])
		if err != nil || !verifyText(key, []byte(text), v.Sign) {
			t.Errorf("%s: the vector's signature does not verify: %v", v.ID, err)
		}
		sign, err := signText(keys().app, text)
		if err != nil || !verifyText(&keys().app.PublicKey, []byte(text), sign) {
			t.Errorf("%s: our own signature does not verify: %v", v.ID, err)
		}
	}
}

func TestAnswersFollowTheSharedVectors(t *testing.T) {
	t.Parallel()
	vectors, public := signingVectors(t, "alipay_response")
	for _, v := range vectors {
		method := strings.ReplaceAll(strings.TrimSuffix(v.ResponseKey, "_response"), "_", ".")
		a, err := splitAnswer([]byte(v.Body), method)
		if err != nil || string(a.content) != v.SignedSubstring {
			t.Errorf("%s: content %s, %v, want %s", v.ID, a.content, err, v.SignedSubstring)
		}
		key, err := parsePublicKey(public[v.PublicKey])
		if err != nil {
			t.Fatal(err)
		}
		if got := verifyText(key, a.content, a.sign); got != v.ExpectValid {
			t.Errorf("%s: verify = %v, want %v", v.ID, got, v.ExpectValid)
		}
	}
}

func TestUnreadableAnswersAreRefused(t *testing.T) {
	t.Parallel()
	const good = `"alipay_trade_pay_response":{"code":"10000"}`
	for name, body := range map[string]string{
		"empty":                 "",
		"html":                  "<html>",
		"array":                 "[1]",
		"string":                `"x"`,
		"null":                  "null",
		"truncated":             `{` + good + `,"sign":"AA`,
		"not closed":            `{` + good,
		"text after":            `{` + good + `}x`,
		"two objects":           `{` + good + `}{}`,
		"an answer twice":       `{` + good + `,` + good + `}`,
		"sign twice":            `{` + good + `,"sign":"A","sign":"B"}`,
		"sign twice, escaped":   `{` + good + `,"sign":"A","\u0073ign":"B"}`,
		"another method":        `{"alipay_trade_query_response":{"code":"10000"}}`,
		"an answer and a error": `{` + good + `,"error_response":{"code":"40002"}}`,
		"sign is no string":     `{` + good + `,"sign":null}`,
		"sign is a number":      `{` + good + `,"sign":1}`,
		"over the limit":        `{` + good + `,"x":"` + strings.Repeat("x", channel.MaxAnswer) + `"}`,
		"too many members":      `{` + good + membersOf(maxMembers) + `}`,
		"very deep":             strings.Repeat(`{"a":`, 20000),
	} {
		if a, err := splitAnswer([]byte(body), "alipay.trade.pay"); err == nil {
			t.Errorf("%s: split as %s", name, a.content)
		}
	}
	if _, err := splitAnswer([]byte(`{`+good+membersOf(maxMembers-1)+`}`), "alipay.trade.pay"); err != nil {
		t.Errorf("%d members: %v", maxMembers, err)
	}
}

func membersOf(n int) string {
	var b strings.Builder
	for i := range n {
		b.WriteString(`,"m` + strconv.Itoa(i) + `":1`)
	}
	return b.String()
}

func TestMembersAreReadAsText(t *testing.T) {
	t.Parallel()
	m, err := splitObject([]byte(`{"s":"a\/b\u4e00","n":12.50,"i":1,"t":true,"z":null,"l":[1],"o":{"x":"y"},"e":""}`))
	if err != nil {
		t.Fatal(err)
	}
	for name, want := range map[string]string{"s": "a/b一", "n": "12.50", "i": "1", "t": "", "z": "", "l": "", "o": "", "e": "", "absent": ""} {
		if got := m.get(name); got != want {
			t.Errorf("get(%s) = %q, want %q", name, got, want)
		}
	}
}

func TestAmountsAreReadExactly(t *testing.T) {
	t.Parallel()
	for in, want := range map[string]pay.Fen{
		"0.01": 1, "0.1": 10, "1": 100, "1.0": 100, "12.00": 1200, "0": 0, "0.00": 0, "100000000.00": 10_000_000_000, "999999999999.99": 99999999999999,
	} {
		if got, ok := readYuan(in); !ok || got != want {
			t.Errorf("readYuan(%q) = %d, %v, want %d", in, int64(got), ok, int64(want))
		}
	}
	for _, in := range []string{"", ".", "1.", ".5", "01.00", "00", "0.001", "1.000", "1e3", "-1.00", "+1", " 1", "1 ", "1,000.00", "1.2.3", "１", "1000000000000", "0x1", "NaN"} {
		if got, ok := readYuan(in); ok {
			t.Errorf("readYuan(%q) = %d, want a refusal", in, int64(got))
		}
	}
}

func TestKeysAreReadInTheFormsAlipayHandsOut(t *testing.T) {
	t.Parallel()
	k := keys().app
	pkcs8, err := x509.MarshalPKCS8PrivateKey(k)
	if err != nil {
		t.Fatal(err)
	}
	pkix, err := x509.MarshalPKIXPublicKey(&k.PublicKey)
	if err != nil {
		t.Fatal(err)
	}
	for name, text := range map[string]string{
		"PKCS #8":             string(pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: pkcs8})),
		"PKCS #1":             string(pem.EncodeToMemory(&pem.Block{Type: "RSA PRIVATE KEY", Bytes: x509.MarshalPKCS1PrivateKey(k)})),
		"bare base64":         base64.StdEncoding.EncodeToString(pkcs8),
		"bare base64, broken": base64.StdEncoding.EncodeToString(pkcs8)[:64] + "\n" + base64.StdEncoding.EncodeToString(pkcs8)[64:] + "\n",
	} {
		if got, err := parsePrivateKey(text); err != nil || !got.Equal(k) {
			t.Errorf("%s: %v", name, err)
		}
	}
	if got, err := parsePublicKey(base64.StdEncoding.EncodeToString(pkix)); err != nil || !got.Equal(&k.PublicKey) {
		t.Errorf("bare public key: %v", err)
	}
	weak, err := rsa.GenerateKey(rand.Reader, 1024) // the weak key is the point
	if err != nil {
		t.Fatal(err)
	}
	ec, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	ecDER, err := x509.MarshalPKCS8PrivateKey(ec)
	if err != nil {
		t.Fatal(err)
	}
	for name, text := range map[string]string{
		"empty": "", "words": "not a key", "weak": privatePEM(t, weak),
		"elliptic": string(pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: ecDER})),
		"public":   publicPEM(t, &k.PublicKey),
	} {
		if _, err := parsePrivateKey(text); err == nil {
			t.Errorf("private key %s: no error", name)
		} else if len(text) > 30 && strings.Contains(err.Error(), text[30:]) {
			t.Errorf("private key %s: the error repeats it", name)
		}
	}
	for name, text := range map[string]string{"empty": "", "weak": publicPEM(t, &weak.PublicKey), "private": privatePEM(t, k)} {
		if _, err := parsePublicKey(text); err == nil {
			t.Errorf("public key %s: no error", name)
		}
	}
}

// FuzzAnswer checks that an answer that can be split is one JSON object with
// the content in it byte for byte, and that a general reader finds the same.
func FuzzAnswer(f *testing.F) {
	for _, seed := range []string{
		`{"alipay_trade_pay_response":{"code":"10000","x":"\/\"}"},"sign":"a\/b="}`,
		`{"error_response":{"code":"40002"}}`, `{"alipay_trade_pay_response":{},"alipay_trade_pay_response":{}}`,
		`{"alipay_trade_pay_response":null}`, ` { "alipay_trade_pay_response" : [ 1 , 2 ] , "sign" : "" } `, `{}`, `[`, ``,
	} {
		f.Add([]byte(seed))
	}
	f.Fuzz(func(t *testing.T, body []byte) {
		a, err := splitAnswer(body, "alipay.trade.pay")
		if err != nil {
			return
		}
		if !json.Valid(body) {
			t.Fatalf("split something that is not JSON: %q", body)
		}
		if !strings.Contains(string(body), string(a.content)) || !json.Valid(a.content) {
			t.Fatalf("content %q is not a part of the body", a.content)
		}
		if m, err := splitObject(a.content); err == nil {
			for name := range m {
				_ = m.get(name)
			}
		}
		var general struct {
			Sign  string
			Pay   json.RawMessage `json:"alipay_trade_pay_response"`
			Error json.RawMessage `json:"error_response"`
		}
		// encoding/json folds the case of names; only bodies without that are compared.
		if err := json.Unmarshal(body, &general); err == nil && len(general.Pay)+len(general.Error) == len(a.content) &&
			string(general.Pay)+string(general.Error) != string(a.content) {
			t.Fatalf("content %q, want %q%q", a.content, general.Pay, general.Error)
		}
	})
}
