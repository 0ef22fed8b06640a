package wxpay

import (
	"crypto/aes"
	"crypto/cipher"
	"crypto/rand"
	"crypto/rsa"
	"crypto/sha1" //nolint:gosec // WeChat Pay encrypts with OAEP of SHA-1 (upstreams.md §3.1)
	"encoding/base64"
	"errors"
)

// sealed is what WeChat encrypts with the APIv3 key: certificates and notices
// (upstreams.md §3.2, §3.7).
type sealed struct {
	Algorithm  string `json:"algorithm"`
	Ciphertext string `json:"ciphertext"`
	Data       string `json:"associated_data"`
	Nonce      string `json:"nonce"`
	// OriginalType is what a notice holds: transaction or refund.
	OriginalType string `json:"original_type"`
}

// errSealed is every reason why something does not open.
var errSealed = errors.New("wxpay: cannot be opened with the APIv3 key")

// open decrypts and authenticates. It cannot panic: cipher.AEAD does for a
// nonce that is not 12 bytes long, so that is looked at first.
func (s sealed) open(key string) ([]byte, error) {
	if s.Algorithm != "AEAD_AES_256_GCM" || len(key) != keyLength {
		return nil, errSealed
	}
	data, err := base64.StdEncoding.DecodeString(s.Ciphertext)
	if err != nil {
		return nil, errSealed
	}
	block, err := aes.NewCipher([]byte(key))
	if err != nil {
		return nil, errSealed
	}
	gcm, err := cipher.NewGCM(block)
	if err != nil || len(s.Nonce) != gcm.NonceSize() {
		return nil, errSealed
	}
	plain, err := gcm.Open(nil, []byte(s.Nonce), data, []byte(s.Data))
	if err != nil {
		return nil, errSealed
	}
	return plain, nil
}

// keyLength is the length of an APIv3 key in bytes.
const keyLength = 32

// encrypt hides a sensitive field from everybody but WeChat. The request must
// name the key (Wechatpay-Serial).
func (k *platformKey) encrypt(text string) (string, error) {
	raw, err := rsa.EncryptOAEP(sha1.New(), rand.Reader, k.key, []byte(text), nil) //nolint:gosec // see the import
	if err != nil {
		return "", errors.New("wxpay: the field is too long to be encrypted")
	}
	return base64.StdEncoding.EncodeToString(raw), nil
}
