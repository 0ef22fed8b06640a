package wxpay

import (
	"crypto/hmac"
	"crypto/md5" //nolint:gosec // WeChat Pay v2 signs with MD5 by default (upstreams.md §2.1)
	"crypto/sha256"
	"encoding/hex"
	"slices"
	"strings"
)

// SignType is the algorithm of an account's signatures, both ways.
type SignType string

// The two algorithms of WeChat Pay v2 (upstreams.md §2.1).
const (
	SignMD5  SignType = "MD5"
	SignHMAC SignType = "HMAC-SHA256"
)

// signature signs all elements of m but sign itself and empty ones, sorted by
// name, with raw values (upstreams.md §2.1).
func (t SignType) signature(m message, key string) string {
	text := stringToSign(m, key)
	switch t {
	case SignHMAC:
		h := hmac.New(sha256.New, []byte(key))
		h.Write([]byte(text))
		return strings.ToUpper(hex.EncodeToString(h.Sum(nil)))
	case SignMD5:
	}
	return strings.ToUpper(md5Hex(text))
}

// verify reports whether m carries a good signature. It compares in constant time.
func (t SignType) verify(m message, key string) bool {
	got := m.get("sign")
	return got != "" && hmac.Equal([]byte(got), []byte(t.signature(m, key)))
}

// stringToSign ends in the key: it is as secret as the key itself.
func stringToSign(m message, key string) string {
	names := slices.Sorted(slices.Values(m.names))
	var b strings.Builder
	for _, name := range names {
		if value := m.values[name]; value != "" && name != "sign" {
			b.WriteString(name + "=" + value + "&")
		}
	}
	b.WriteString("key=" + key)
	return b.String()
}

// infoKey is the key of a refund notice's req_info: the lower-case hexadecimal
// MD5 of the API key, 32 ASCII characters taken as an AES-256 key (upstreams.md
// §2.7).
func infoKey(apiKey string) string { return md5Hex(apiKey) }

func md5Hex(text string) string {
	sum := md5.Sum([]byte(text)) //nolint:gosec // see the import
	return hex.EncodeToString(sum[:])
}
