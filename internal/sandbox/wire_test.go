package sandbox

import (
	"crypto/rsa"
	"crypto/x509"
	"encoding/json"
	"encoding/pem"
	"os"
	"testing"
	"unicode/utf8"
)

// signingVectors is the part of upstream-signing.json that concerns v2 and
// Alipay.
type signingVectors struct {
	PublicKeys map[string]string `json:"public_keys"`
	Vectors    []struct {
		ID, Kind, Key, Sign, Body, Note string
		SignType                        string            `json:"sign_type"`
		StringToSign                    string            `json:"string_to_sign"`
		PublicKey                       string            `json:"public_key"`
		ExpectValid                     bool              `json:"expect_valid"`
		ResponseKey                     string            `json:"response_key"`
		SignedSubstring                 string            `json:"signed_substring"`
		Params                          map[string]string `json:"params"`
	}
}

func readVectors(t *testing.T) signingVectors {
	t.Helper()
	raw, err := os.ReadFile("testdata/upstream-signing.json")
	if err != nil {
		t.Fatal(err)
	}
	var v signingVectors
	if err := json.Unmarshal(raw, &v); err != nil {
		t.Fatal(err)
	}
	return v
}

func (v signingVectors) key(t *testing.T, name string) *rsa.PublicKey {
	t.Helper()
	block, _ := pem.Decode([]byte(v.PublicKeys[name]))
	key, err := x509.ParsePKIXPublicKey(block.Bytes)
	if err != nil {
		t.Fatal(err)
	}
	return key.(*rsa.PublicKey)
}

// TestSigningVectors holds the sandbox's signers and verifiers against the
// shared vectors.
func TestSigningVectors(t *testing.T) {
	t.Parallel()
	v := readVectors(t)
	done := map[string]int{}
	for _, c := range v.Vectors {
		done[c.Kind]++
		switch c.Kind {
		case "wechat_v2_sign":
			var f wxFields
			for name, value := range c.Params {
				f = append(f, wxField{name, value})
			}
			if got := wxSignText(f, c.Key); got != c.StringToSign {
				t.Errorf("%s: text = %q, want %q", c.ID, got, c.StringToSign)
			}
			if got := wxSign(f, c.Key, c.SignType); got != c.Sign {
				t.Errorf("%s: sign = %s, want %s", c.ID, got, c.Sign)
			}
		case "wechat_v2_verify":
			f, err := parseWx([]byte(c.Body))
			if err != nil {
				t.Errorf("%s: %v", c.ID, err)
			}
			if got := wxVerify(f, c.Key, c.SignType); got != c.ExpectValid {
				t.Errorf("%s: valid = %v, want %v", c.ID, got, c.ExpectValid)
			}
		case "alipay_request":
			if got := aliSignText(c.Params); got != c.StringToSign {
				t.Errorf("%s: text = %q, want %q", c.ID, got, c.StringToSign)
			}
			if !rsa2Verify(v.key(t, c.PublicKey), []byte(c.StringToSign), c.Sign) {
				t.Errorf("%s: a good signature is refused", c.ID)
			}
			if rsa2Verify(v.key(t, c.PublicKey), []byte(c.StringToSign+" "), c.Sign) {
				t.Errorf("%s: a signature of another text is taken", c.ID)
			}
		case "alipay_response":
			var body map[string]json.RawMessage
			var sign string
			if err := json.Unmarshal([]byte(c.Body), &body); err != nil {
				t.Fatalf("%s: %v", c.ID, err)
			}
			if err := json.Unmarshal(body["sign"], &sign); err != nil {
				t.Fatalf("%s: %v", c.ID, err)
			}
			if got := rsa2Verify(v.key(t, c.PublicKey), body[c.ResponseKey], sign); got != c.ExpectValid {
				t.Errorf("%s: valid = %v, want %v", c.ID, got, c.ExpectValid)
			}
		}
	}
	for kind, want := range map[string]int{"wechat_v2_sign": 4, "wechat_v2_verify": 3, "alipay_request": 1, "alipay_response": 3} {
		if done[kind] != want {
			t.Errorf("%d vectors of kind %s, want %d", done[kind], kind, want)
		}
	}
}

// TestAnswerTextMatchesTheEscapedVector writes the object of the vector whose
// slashes are escaped, byte for byte.
func TestAnswerTextMatchesTheEscapedVector(t *testing.T) {
	t.Parallel()
	for _, c := range readVectors(t).Vectors {
		if c.ID != "alipay-response-escaped-slash" {
			continue
		}
		var o aliObject
		o = o.with("code", "10000").with("msg", "Success").with("out_trade_no", "GW20260101000006").
			with("qr_code", "https://qr.alipay.com/bax00000000000000001").with("left_out", "")
		if got := string(o.encode()); got != c.SignedSubstring {
			t.Errorf("encode = %s, want %s", got, c.SignedSubstring)
		}
	}
}

// TestPaymentCodesHaveTheirWalletsForm draws codes and holds them against the
// shared classification.
func TestPaymentCodesHaveTheirWalletsForm(t *testing.T) {
	t.Parallel()
	lengths := map[int]bool{}
	for range 2000 {
		wx, ali := newCode(WeChat, ""), newCode(Alipay, "")
		if len(wx) != 18 || !allDigits(wx) || wx[:2] < "10" || wx[:2] > "15" {
			t.Fatalf("wechat code %q", wx)
		}
		if len(ali) < 16 || len(ali) > 24 || !allDigits(ali) || ali[:2] < "25" || ali[:2] > "30" {
			t.Fatalf("alipay code %q", ali)
		}
		lengths[len(ali)] = true
	}
	if len(lengths) != 9 {
		t.Errorf("alipay codes came in lengths %v, want all of 16 to 24", lengths)
	}
}

func TestAmountsAreReadExactly(t *testing.T) {
	t.Parallel()
	yuan := map[string]Fen{
		"0.01": 1, "0.1": 10, "1": 100, "1.00": 100, "12.5": 1250, "100000000": 1e10, "100000000.00": 1e10,
		"": 0, "0": 0, "0.00": 0, "0.001": 0, "1.": 0, ".5": 0, "01": 0, "1e3": 0, "+1": 0, "-1": 0, " 1": 0, "1,00": 0,
		"100000000.01": 0, "999999999": 0, "99999999999999999999": 0, "１": 0,
	}
	for text, want := range yuan {
		if got, ok := parseYuan(text); ok != (want > 0) || ok && got != want {
			t.Errorf("parseYuan(%q) = %d, %v, want %d", text, got, ok, want)
		}
	}
	fen := map[string]Fen{
		"1": 1, "1250": 1250, "10000000000": 1e10, "": 0, "0": 0, "01": 0, "-1": 0, "1.0": 0, "1e3": 0, "10000000001": 0, "99999999999999999999": 0,
	}
	for text, want := range fen {
		if got, ok := parseFen(text); ok != (want > 0) || ok && got != want {
			t.Errorf("parseFen(%q) = %d, %v, want %d", text, got, ok, want)
		}
	}
	for want, f := range map[string]Fen{"0.00": 0, "0.01": 1, "0.10": 10, "12.50": 1250, "-0.05": -5} {
		if got := f.Yuan(); got != want {
			t.Errorf("%d.Yuan() = %s, want %s", f, got, want)
		}
	}
}

// FuzzParseWx reads arbitrary documents: whatever is taken must come through
// the writer and the reader unchanged, signature included.
func FuzzParseWx(f *testing.F) {
	for _, seed := range []string{
		"<xml></xml>", "<xml><a>1</a></xml>", "<xml><a><![CDATA[1]]></a><b>&lt;&#x4f60;</b></xml>",
		`<?xml version="1.0" encoding="UTF-8"?><xml><a/></xml>`, "<xml><a>]]&gt;</a></xml>",
		`<!DOCTYPE x [<!ENTITY a "b">]><xml><c>&a;</c></xml>`, "<xml><a><b/></a></xml>", "\xff", "<xml>",
	} {
		f.Add([]byte(seed))
	}
	f.Fuzz(func(t *testing.T, body []byte) {
		fields, err := parseWx(body)
		if err != nil {
			return
		}
		if len(fields) > maxWxElements || !utf8.Valid(body) {
			t.Fatalf("parseWx took %q", body)
		}
		again, err := parseWx(fields.encode())
		if err != nil {
			t.Fatalf("parseWx(encode(%q)): %v", fields, err)
		}
		if wxSign(again, "k", signMD5) != wxSign(fields, "k", signMD5) || len(again) != len(fields) {
			t.Fatalf("%q came back as %q", fields, again)
		}
	})
}

// FuzzReadAliForm merges arbitrary queries and bodies: no name may have lost a
// value, and content that is taken must be content.
func FuzzReadAliForm(f *testing.F) {
	for _, seed := range [][2]string{
		{"", ""},
		{"a=1", "b=2"},
		{"a=1", "a=1"},
		{"a=1", "a=2"},
		{"a=%zz", ""},
		{"", "biz_content=%7B%22out_trade_no%22%3A1%7D"},
		{"method=alipay.trade.pay&sign=%2B%2F", "biz_content=%7B%22total_amount%22%3A0.01%7D"},
		{"&&&", ";"},
	} {
		f.Add(seed[0], []byte(seed[1]))
	}
	f.Fuzz(func(t *testing.T, query string, body []byte) {
		params, err := readAliForm(query, body)
		if err != nil {
			return
		}
		if len(params) > maxAliParams {
			t.Fatalf("readAliForm took %d parameters", len(params))
		}
		_ = aliSignText(params)
		biz, refusal := parseAliBiz(params["biz_content"])
		if refusal.code != "" {
			return
		}
		if amount, ok := parseYuan(string(biz.TotalAmount)); ok && (amount <= 0 || amount > maxTotal) {
			t.Fatalf("parseYuan(%q) = %d", biz.TotalAmount, amount)
		}
	})
}
