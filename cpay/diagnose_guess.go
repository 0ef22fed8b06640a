package cpay

import (
	"crypto/hmac"
	"crypto/md5" //nolint:gosec // to recognise a mistake, never to trust
	"crypto/sha256"
	"encoding/base64"
	"encoding/hex"
	"encoding/json"
	"strings"
)

// textGuess is what a sender may have authenticated instead of what came.
type textGuess struct {
	cause Cause
	why   string
	bytes []byte
}

// keyGuess is what a sender may have used for a key.
type keyGuess struct {
	cause Cause
	why   string
	text  string
	other int
}

// texts are the guesses for one request. The first is what came.
func (d Diagnoser) texts(o *laxOuter) []textGuess {
	list := []textGuess{{bytes: []byte(o.content)}}
	add := func(cause Cause, why, text string) {
		if text != o.content {
			list = append(list, textGuess{cause, why, []byte(text)})
		}
	}
	add(CauseNewline, "the code covers the text without the newline at its end", strings.TrimSuffix(o.content, "\n"))
	add(CauseNewline, "the code covers the text without the newline at its end", strings.TrimSuffix(o.content, "\r\n"))
	add(CauseNewline, "the code covers the text with a newline at its end that was not sent", o.content+"\n")
	add(CauseNewline, "the code covers the text with a newline at its end that was not sent", o.content+"\r\n")
	add(CauseWhiteSpace, "the code covers the text without the white space around it", strings.TrimSpace(o.content))
	const escaped = "the code covers the escaped text as it stands in the body, not the text itself"
	add(CauseDoubleEncoding, escaped, strings.Trim(o.raw, `"`))
	add(CauseDoubleEncoding, escaped+", with its quotes", o.raw)
	const quoted = "the code covers the text quoted once more than it was sent"
	add(CauseDoubleEncoding, quoted, string(appendQuoted(nil, []byte(o.content))))
	add(CauseDoubleEncoding, quoted, string(appendString(nil, o.content)))
	if b, err := json.Marshal(o.content); err == nil {
		add(CauseDoubleEncoding, quoted, string(b))
	}
	inner := reader{s: o.content, exact: true}
	if inner.peek() == '"' {
		text := inner.str()
		if inner.end(); inner.err == nil {
			add(CauseDoubleEncoding, "the content was encoded twice, and the code covers the inner text", text)
		}
	}
	if d.ToGBK != nil {
		if gbk, ok := d.ToGBK(o.content); ok {
			add(CauseGBK, "the code covers the text in GBK; it must cover the UTF-8 bytes that are sent", string(gbk))
		}
	}
	for _, again := range restyled(o.content) {
		add(CauseSerialised, "the code covers the members written another way: "+again.style, again.text)
	}
	return list
}

// keys are the guesses for the key. The first is the merchant's.
func (d Diagnoser) keys() []keyGuess {
	key := d.Keys.AuthenKey.reveal()
	list := []keyGuess{{text: key}}
	add := func(cause Cause, why, text string) {
		if text != key && text != "" {
			list = append(list, keyGuess{cause: cause, why: why, text: text})
		}
	}
	if raw, err := hex.DecodeString(key); err == nil {
		add(CauseHexKey, "the key was decoded from hexadecimal; its characters themselves are the key", string(raw))
	}
	add(CauseKeyText, "the key was used in lower case", strings.ToLower(key))
	add(CauseKeyText, "the key was used in upper case", strings.ToUpper(key))
	add(CauseKeyText, "the key was used with a newline at its end", key+"\n")
	add(CauseKeyText, "the key was used with a newline at its end", key+"\r\n")
	add(CauseKeyText, "the key was used with a space at its end", key+" ")
	for i, other := range d.Others {
		if text := other.AuthenKey.reveal(); text != key && text != "" {
			list = append(list, keyGuess{CauseOtherKey, "the key is another merchant's", text, i})
		}
	}
	return list
}

// codeForm reports whether received is a code of text by key, and in which wrong
// form it is; the empty Cause is the right one.
func codeForm(key string, text []byte, received string) (form Cause, why string, ok bool) {
	mac := hmac.New(sha256.New, []byte(key))
	mac.Write(text)
	sum := mac.Sum(nil)
	code := strings.ToUpper(hex.EncodeToString(sum))
	switch {
	case key == "":
		return "", "", false
	case received == code:
		return "", "", true
	case strings.EqualFold(received, code):
		return CauseLowerCase, "the code is in lower case; it must be 64 upper-case hexadecimal digits", true
	case received == base64.StdEncoding.EncodeToString(sum):
		return CauseBase64, "the code is in base64; it must be 64 upper-case hexadecimal digits", true
	case len(received) == 2*md5.Size && isMD5(key, text, received):
		return CauseMD5, "the code was made with MD5; only HMAC-SHA256 is taken", true
	}
	swapped := hmac.New(sha256.New, text)
	swapped.Write([]byte(key))
	for _, hash := range [][]byte{swapped.Sum(nil), plain(text, []byte(key)), plain([]byte(key), text)} {
		if strings.EqualFold(received, hex.EncodeToString(hash)) {
			return CauseNotHMAC, "the code is not HMAC-SHA256 with the key as key and the text as message", true
		}
	}
	return "", "", false
}

// plain is SHA-256 of both, one after the other.
func plain(a, b []byte) []byte {
	sum := sha256.Sum256(append(append([]byte{}, a...), b...))
	return sum[:]
}

// isMD5 tries the ways in which MD5 is usually keyed.
func isMD5(key string, text []byte, received string) bool {
	mac := hmac.New(md5.New, []byte(key))
	mac.Write(text)
	if strings.EqualFold(received, hex.EncodeToString(mac.Sum(nil))) {
		return true
	}
	for _, s := range []string{string(text) + key, key + string(text), string(text) + "&key=" + key} {
		sum := md5.Sum([]byte(s)) //nolint:gosec // see the import
		if strings.EqualFold(received, hex.EncodeToString(sum[:])) {
			return true
		}
	}
	return false
}
