package wxpay

import (
	"crypto/x509"
	"encoding/base64"
	"encoding/pem"
	"maps"
	"net/url"
	"slices"
	"strings"

	"cloudpay/internal/channel"
)

var _ channel.Rechecker = (*Channel)(nil)

// Recheck implements channel.Rechecker. Messages of APIv3 are told from those of
// v2 by any of their marks, so that a changed byte of one mark hides nothing.
func (c *Channel) Recheck(k channel.Kept, others []channel.WalletKey) channel.Check {
	_, signed := k.Header[headerSignature]
	u, err := url.Parse(k.URL)
	if signed || isJSON(k.Body) || err == nil && strings.HasPrefix(u.Path, "/v3/") {
		return c.recheckV3(k, others)
	}
	return c.recheckV2(k)
}

func (c *Channel) recheckV2(k channel.Kept) channel.Check {
	if !k.Notice && k.Status != 200 {
		return unsigned(k) // not the application's
	}
	m, err := parseMessage(k.Body, "xml")
	switch {
	case err != nil:
		return channel.CheckFailed
	case c.key.IsZero():
		return channel.CheckNoKey
	case m.get("return_code") != "SUCCESS":
		return unsigned(k)
	case k.Notice && m.get("req_info") != "": // a refund notice is sealed and not signed
		if _, err := decryptInfo(m.get("req_info"), c.key.Reveal()); err != nil {
			return channel.CheckNoFit
		}
		return channel.CheckUnsigned
	case m.get("sign") == "":
		return channel.CheckFailed
	}
	// The account's sign type may have changed since.
	if SignMD5.verify(m, c.key.Reveal()) || SignHMAC.verify(m, c.key.Reveal()) {
		return channel.CheckVerified
	}
	return channel.CheckNoFit
}

// unsigned is what a message without a signature comes to: v2 believes none.
func unsigned(k channel.Kept) channel.Check {
	if k.Believed {
		return channel.CheckFailed
	}
	return channel.CheckUnsigned
}

func (c *Channel) recheckV3(k channel.Kept, others []channel.WalletKey) channel.Check {
	signature, ok := header(k.Header, headerSignature)
	if refused := k.Status < 200 || k.Status > 299; !ok && !k.Notice && refused {
		return channel.CheckUnsigned // refusals are not signed (upstreams.md §3.2)
	}
	serial, okSerial := header(k.Header, headerSerial)
	stamp, okStamp := header(k.Header, headerTimestamp)
	once, okNonce := header(k.Header, headerNonce)
	if kind := k.Header.Get(headerType); !ok || !okSerial || !okStamp || !okNonce || kind != "" && kind != scheme {
		return channel.CheckFailed
	}
	raw, err := base64.StdEncoding.Strict().DecodeString(signature) // so that no bit is free
	if err != nil {
		return channel.CheckFailed
	}
	keys := map[string]*platformKey{}
	for _, other := range others {
		if key := keptKey(other); key != nil {
			keys[key.serial] = key
		}
	}
	if c.v3 != nil {
		maps.Copy(keys, *c.v3.keys.byID.Load())
	}
	text := answerText(stamp, once, k.Body)
	switch key := keys[serial]; {
	case key != nil && key.verifies(text, raw):
		return channel.CheckVerified
	case key != nil:
		return channel.CheckFailed
	}
	for _, key := range keys {
		if key.verifies(text, raw) {
			return channel.CheckFailed // it is this key's, and another is named
		}
	}
	return channel.CheckNoKey
}

// keptKey reads a key that was kept, nil for what is none of WeChat's.
func keptKey(k channel.WalletKey) *platformKey {
	var key *platformKey
	var err error
	if k.Role == channel.RolePublicKey {
		key, err = parsePublic(k.Serial, k.PEM)
	} else {
		key, err = parsePlatform([]byte(k.PEM))
	}
	if err != nil || key == nil || key.serial != k.Serial {
		return nil
	}
	return key
}

// WalletKeys implements channel.Rechecker.
func (c *Channel) WalletKeys() []channel.WalletKey {
	if c.v3 == nil {
		return nil
	}
	var list []channel.WalletKey
	keys := *c.v3.keys.byID.Load()
	for _, serial := range slices.Sorted(maps.Keys(keys)) {
		key := keys[serial]
		one := channel.WalletKey{Role: channel.RolePlatform, Serial: serial}
		block := &pem.Block{Type: "CERTIFICATE", Bytes: key.der}
		if key.until.IsZero() {
			der, err := x509.MarshalPKIXPublicKey(key.key)
			if err != nil {
				panic("wxpay: an RSA key has no PKIX form: " + err.Error())
			}
			one.Role, block = channel.RolePublicKey, &pem.Block{Type: "PUBLIC KEY", Bytes: der}
		}
		one.PEM = string(pem.EncodeToMemory(block))
		list = append(list, one)
	}
	return list
}
