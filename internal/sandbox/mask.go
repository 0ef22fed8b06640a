package sandbox

import (
	"cmp"
	"regexp"
	"slices"
	"strings"
)

// between is what stands between a name and its value in XML, JSON, JSON text
// in JSON, a query, and any of these in percent-encoding.
const between = `(?:["'=>:\\\s]|<!\[CDATA\[|%22|%3A|%3D|%5C|\+)+`

// secretNames are what the wallets call bearer credentials: a payment code is
// money for a minute, a token for as long as it lasts.
var secretNames = []string{
	"auth_code", "app_auth_token", "auth_token", "access_token", "refresh_token", "sandbox_signkey", "js_code", "session_key", "?secret", "&secret", "?code", "&code",
	"%22code%22",                                 // a member of biz_content; an answer's code is its result
	"?token", "&token", `u0026token`, "%26token", // of a bill's download
}

// secretValue is what follows such a name.
var secretValue = regexp.MustCompile(`^` + between + `([A-Za-z0-9._-]{8,128})`)

// secretsIn lists the values that a text names as credentials.
func secretsIn(text string) []string {
	var found []string
	for _, name := range secretNames {
		for rest := text; ; {
			i := strings.Index(rest, name)
			if i < 0 {
				break
			}
			rest = rest[i+len(name):]
			if m := secretValue.FindStringSubmatch(rest); m != nil {
				found = append(found, m[1])
			}
		}
	}
	return found
}

// orderNumbers find the order's number in a request nobody could read.
var orderNumbers = regexp.MustCompile(`(?:out_trade_no` + between + `|/out-trade-no/)([0-9A-Za-z_|*@-]{1,64})`)

// orderNumberIn looks for an order number in an address and a body.
func orderNumberIn(texts ...string) string {
	for _, text := range texts {
		if m := orderNumbers.FindStringSubmatch(text); m != nil {
			return m[1]
		}
	}
	return ""
}

// mask takes credentials out of everything an exchange keeps: the values that
// its own messages name as such, wherever they occur, and the accounts' keys.
func (x *Exchange) mask(keys []string) {
	texts := []*string{&x.URL, &x.Request.Body, &x.Request.Signed, &x.Answer.Body, &x.Answer.Signed, &x.Verdict.Why}
	for _, m := range []*Message{x.Request, x.Answer} {
		for i := range m.Header {
			texts = append(texts, &m.Header[i])
		}
	}
	hidden := slices.Clone(keys)
	// A form begins with a name and no "&".
	for _, text := range append([]string{x.URL, "&" + x.Request.Body, x.Answer.Body}, locations(x.Answer.Header)...) {
		hidden = append(hidden, secretsIn(text)...)
	}
	// One pass over each text: a hostile one names thousands of values. The
	// longest first, lest the end of one be left that begins with another.
	slices.SortFunc(hidden, func(a, b string) int { return cmp.Or(len(b)-len(a), strings.Compare(a, b)) })
	var pairs []string
	for _, value := range slices.Compact(hidden) {
		pairs = append(pairs, value, masked(value))
	}
	mask := strings.NewReplacer(pairs...)
	for _, text := range texts {
		*text = mask.Replace(*text)
	}
}

// locations are the header lines that send a browser on, with a code of OAuth.
func locations(header []string) []string {
	return slices.DeleteFunc(slices.Clone(header), func(line string) bool { return !strings.HasPrefix(line, "Location: ") })
}

// masked leaves the two digits that tell which wallet a payment code is for.
func masked(value string) string {
	if allDigits(value) {
		return value[:2] + "***"
	}
	return "***"
}
