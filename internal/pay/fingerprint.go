package pay

import (
	"crypto/hmac"
	"crypto/sha256"
	"encoding/hex"
	"strconv"
)

// Intent is the part of a pay request that decides whether a repetition is a
// replay or a different request (money.md §2). Nonce, address and SDK version
// are left out on purpose.
type Intent struct {
	Total     Fen
	Currency  string
	TradeType TradeType
	Channel   Channel // resolved, never what the caller left out
	CodeHash  string  // CodeHash of the payment code, "" for none
	PayerID   string
	ShopID    string
	DeviceID  string
}

// Fingerprint returns the hex SHA-256 of the intent. Every field is written
// with its length, so that no two intents share a text.
func (i Intent) Fingerprint() string {
	buf := make([]byte, 0, 256)
	for _, s := range [...]string{
		strconv.FormatInt(int64(i.Total), 10), i.Currency, strconv.FormatInt(int64(i.TradeType), 10),
		string(i.Channel), i.CodeHash, i.PayerID, i.ShopID, i.DeviceID,
	} {
		buf = strconv.AppendInt(buf, int64(len(s)), 10)
		buf = append(buf, ':')
		buf = append(buf, s...)
	}
	sum := sha256.Sum256(buf)
	return hex.EncodeToString(sum[:])
}

// CodeHash returns the keyed hash of a payment code, in hex. The key belongs
// to the installation, so that a stolen database does not give codes away.
func CodeHash(key []byte, code string) string {
	m := hmac.New(sha256.New, key)
	m.Write([]byte(code))
	return hex.EncodeToString(m.Sum(nil))
}
