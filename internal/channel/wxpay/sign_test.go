package wxpay

import (
	"strconv"
	"strings"
	"testing"

	"cloudpay/internal/channel"
)

func TestSigningFollowsTheSharedVectors(t *testing.T) {
	t.Parallel()
	for _, v := range signingVectors(t, "wechat_v2_sign") {
		m := message{values: map[string]string{}}
		for name, value := range v.Params { // set would drop the empty ones
			m.names = append(m.names, name)
			m.values[name] = value
		}
		if got := stringToSign(m, v.Key); got != v.StringToSign {
			t.Errorf("%s: string to sign\n%s\nwant\n%s", v.ID, got, v.StringToSign)
		}
		if got := v.SignType.signature(m, v.Key); got != v.Sign {
			t.Errorf("%s: sign %s, want %s", v.ID, got, v.Sign)
		}
		// What was signed verifies after a round over the wire.
		m.set("sign", v.Sign)
		back, err := parseMessage(m.encode(), "xml")
		if err != nil || !v.SignType.verify(back, v.Key) {
			t.Errorf("%s: does not verify after encoding: %v", v.ID, err)
		}
	}
}

func TestVerificationFollowsTheSharedVectors(t *testing.T) {
	t.Parallel()
	for _, v := range signingVectors(t, "wechat_v2_verify") {
		m, err := parseMessage([]byte(v.Body), "xml")
		if err != nil {
			t.Fatalf("%s: %v", v.ID, err)
		}
		if got := v.SignType.verify(m, v.Key); got != v.ExpectValid {
			t.Errorf("%s: verify = %v, want %v", v.ID, got, v.ExpectValid)
		}
	}
}

// TestVerificationTakesEveryElement alters, adds and removes elements of a
// good answer one at a time, known to the adapter or not.
func TestVerificationTakesEveryElement(t *testing.T) {
	t.Parallel()
	for _, st := range []SignType{SignMD5, SignHMAC} {
		var m message
		for name, value := range merge(common, paid) {
			m.set(name, value)
		}
		m.set("sign", st.signature(m, testKey))
		if !st.verify(m, testKey) {
			t.Fatalf("%s: the good answer does not verify", st)
		}
		for _, name := range m.names {
			was := m.values[name]
			m.values[name] = was + "0"
			if st.verify(m, testKey) {
				t.Errorf("%s: %s was altered and the answer verifies", st, name)
			}
			m.values[name] = ""
			if st.verify(m, testKey) {
				t.Errorf("%s: %s was emptied and the answer verifies", st, name)
			}
			m.values[name] = was
		}
		m.set("coupon_fee_7", "1")
		if st.verify(m, testKey) {
			t.Errorf("%s: an element was added and the answer verifies", st)
		}
	}
}

func TestMessagesSurviveTheWire(t *testing.T) {
	t.Parallel()
	var m message
	for name, value := range map[string]string{
		"body": "a<b>&amp;\"'", "detail": "]]>", "attach": "x]]]]>>", "line": "a\nb\tc", "chinese": "测试 50% 商品",
	} {
		m.set(name, value)
	}
	back, err := parseMessage(m.encode(), "xml")
	if err != nil {
		t.Fatal(err)
	}
	for _, name := range m.names {
		if back.get(name) != m.get(name) {
			t.Errorf("%s became %q, want %q", name, back.get(name), m.get(name))
		}
	}
}

func TestUnreadableMessagesAreRefused(t *testing.T) {
	t.Parallel()
	for name, body := range map[string]string{
		"empty":             "",
		"text":              "SUCCESS",
		"html":              "<html><body>400</body></html>",
		"another root":      "<root><a>1</a></root>",
		"truncated":         "<xml><return_code>SUCCESS</return_code><tot",
		"not closed":        "<xml><return_code>SUCCESS</return_code>",
		"two roots":         "<xml><a>1</a></xml><xml><a>2</a></xml>",
		"text after":        "<xml><a>1</a></xml>x",
		"text between":      "<xml>x<a>1</a></xml>",
		"an element twice":  "<xml><a>1</a><b>2</b><a>1</a></xml>",
		"two levels":        "<xml><a><b>1</b></a></xml>",
		"attribute":         `<xml><a t="1">1</a></xml>`,
		"root attribute":    `<xml xmlns="x"><a>1</a></xml>`,
		"namespace":         "<xml><n:a>1</n:a></xml>",
		"document type":     `<!DOCTYPE xml><xml><a>1</a></xml>`,
		"entity":            `<!DOCTYPE xml [<!ENTITY e "SUCCESS">]><xml><a>&e;</a></xml>`,
		"unknown entity":    "<xml><a>&e;</a></xml>",
		"other encoding":    `<?xml version="1.0" encoding="GBK"?><xml><a>1</a></xml>`,
		"broken UTF-8":      "<xml><a>\xff</a></xml>",
		"control character": "<xml><a>\x01</a></xml>",
		"over the limit":    "<xml><a>" + strings.Repeat("x", channel.MaxAnswer) + "</a></xml>",
		"too many elements": elements(maxElements + 1),
		"very deep":         strings.Repeat("<xml>", 10000),
	} {
		if m, err := parseMessage([]byte(body), "xml"); err == nil {
			t.Errorf("%s: parsed as %v", name, m.names)
		}
	}
	if _, err := parseMessage([]byte(elements(maxElements)), "xml"); err != nil {
		t.Errorf("%d elements: %v", maxElements, err)
	}
}

// elements is a message of n different elements.
func elements(n int) string {
	var m message
	for i := range n {
		m.set("e"+strconv.Itoa(i), "1")
	}
	return string(m.encode())
}

func TestReadableMessagesAreRead(t *testing.T) {
	t.Parallel()
	for name, body := range map[string]string{
		"CDATA":           "<xml><a><![CDATA[x<y]]></a></xml>",
		"entities":        "<xml><a>x&lt;y</a></xml>",
		"mixed":           "<xml><a>x<![CDATA[<]]>y</a></xml>",
		"declaration":     `<?xml version="1.0" encoding="UTF-8"?>` + "\n<xml>\n  <a>x&#60;y</a>\n</xml>\n",
		"comments":        "<!-- a --><xml><!-- b --><a>x&lt;<!-- c -->y</a></xml>",
		"with an empty b": "<xml><a>x&lt;y</a><b/><c></c></xml>",
	} {
		m, err := parseMessage([]byte(body), "xml")
		if err != nil || m.get("a") != "x<y" {
			t.Errorf("%s: a = %q, %v", name, m.get("a"), err)
		}
	}
}

// FuzzMessage checks that whatever is read can be written, read again and
// verified as the same message.
func FuzzMessage(f *testing.F) {
	for _, seed := range []string{
		"<xml><return_code><![CDATA[SUCCESS]]></return_code><total_fee>1</total_fee></xml>",
		`<?xml version="1.0"?><xml><a>&amp;]]&gt;</a><b/></xml>`,
		"<xml><a>1</a><a>2</a></xml>", "<root></root>", "<xml", "<!DOCTYPE x><xml/>", "<xml><a><b/></a></xml>", "",
	} {
		f.Add([]byte(seed))
	}
	f.Fuzz(func(t *testing.T, body []byte) {
		m, err := parseMessage(body, "xml")
		if err != nil {
			return
		}
		if len(m.names) != len(m.values) || len(m.names) > maxElements {
			t.Fatalf("%d names, %d values", len(m.names), len(m.values))
		}
		for _, name := range m.names {
			m.values[name] = sendable(m.values[name])
		}
		back, err := parseMessage(m.encode(), "xml")
		if err != nil {
			if len(m.encode()) > channel.MaxAnswer {
				return // CDATA marks made it longer than the limit
			}
			t.Fatalf("written and unreadable: %v", err)
		}
		if SignHMAC.signature(back, "k") != SignHMAC.signature(m, "k") {
			t.Fatal("the message changed on the wire")
		}
	})
}
