package cpay

import (
	"encoding/hex"
	"fmt"
	"strings"
	"testing"
)

// TestKeyShownByADecimalVerb: fmt asks String for some verbs only, and asks no
// method of what stands in an unexported field; both printed the key in clear.
func TestKeyShownByADecimalVerb(t *testing.T) {
	t.Parallel()
	const text = "0123456789ABCDEF0123456789ABCDEF"
	key := NewKey(text)
	keys := Keys{AuthenKey: key}
	client, err := NewClient(Config{Domains: []string{"pay.example.com"}, Account: Account{OutSubMchID: "s"}, Keys: keys})
	if err != nil {
		t.Fatal(err)
	}
	shapes := map[string]any{
		"a key": key, "a pointer": &key, "keys": keys, "a pointer to keys": &keys,
		"an unexported field": struct{ k Key }{key}, "unexported keys": struct{ k Keys }{keys},
		"a slice": []Key{key}, "a map": map[string]Keys{"k": keys}, "a client": client, "what a client points to": *client,
	}
	for name, shape := range shapes {
		for _, verb := range []string{"%v", "%+v", "%#v", "%s", "%q", "%x", "%X", "% x", "%d", "%t", "%c", "%U", "%e", "%-50v"} {
			got := fmt.Sprintf(verb, shape)
			plain := strings.ToLower(strings.ReplaceAll(got, " ", ""))
			if strings.Contains(got, text) || strings.Contains(plain, hex.EncodeToString([]byte(text))) {
				t.Errorf("Sprintf(%q, %s) shows the key", verb, name)
			}
		}
	}
	verbs := "%d %x %s"
	if got := fmt.Sprintf(verbs, key, keys, &keys); got != "*** *** ***" {
		t.Errorf("keys print as %q, want the mask alone", got)
	}
}

// TestPayCodeShownByADecimalVerb: the same for a payment code by itself. In an
// unexported field it is a plain string to fmt, which is why requests have none.
func TestPayCodeShownByADecimalVerb(t *testing.T) {
	t.Parallel()
	for _, verb := range []string{"%v", "%+v", "%#v", "%s", "%q", "%x", "%d", "%t", "%c", "%U", "%20v"} {
		for _, shape := range []any{PayCode(testPayCode), &MicroPayRequest{PayContent: PayContent{AuthorCode: testPayCode}}} {
			got := fmt.Sprintf(verb, shape)
			plain := strings.ReplaceAll(got, " ", "")
			if strings.Contains(got, testPayCode) || strings.Contains(plain, hex.EncodeToString([]byte(testPayCode))) {
				t.Errorf("Sprintf(%q, %T) shows the payment code", verb, shape)
			}
		}
	}
}

// TestForeignMembersNamedLikeOthersAreRefused: a till's own member that has the
// name of one of another interface is still only an unknown member (R12).
func TestForeignMembersNamedLikeOthersAreRefused(t *testing.T) {
	t.Parallel()
	for _, member := range []string{`"out":"left"`, `"out":[1]`, `"out":5`, `"Condition":"new"`, `"Condition":{"Out":true}`, `"sn":{"a":1}`, `"sn_code":["x"]`} {
		content := `{"pay_mch_key":{"out_sub_mch_id":"sub"},` + member + `}`
		e, err := ParseRequest(quotedRequest(content))
		if err != nil {
			t.Fatal(err)
		}
		if h, err := e.Hint(); err != nil || h.OutSubMchID != "sub" {
			t.Errorf("%s: Hint = %+v, %v, want the merchant", member, h, err)
		}
	}
}

// quotedRequest is a request without authen_info.
func quotedRequest(content string) []byte {
	return append(appendQuoted([]byte(`{"request_content":`), []byte(content)), '}')
}
