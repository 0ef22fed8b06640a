package cpay

import (
	"bytes"
	"crypto/aes"
	"crypto/cipher"
	"crypto/rand"
	"crypto/sha1" //nolint:gosec // the derivation of protocol.md §1.11 is fixed in devices' firmware
	"encoding/base64"
	"errors"
)

const deviceSaltLength = 8

var errDeviceKey = errors.New("cpay: e_authen_key cannot be decrypted with this init key")

// SealDeviceKey encrypts the authentication key that a device receives when it
// is bound, under the init key it left the factory with (e_authen_key,
// protocol.md §1.11).
func SealDeviceKey(key, initKey Key) (string, error) {
	var salt [deviceSaltLength]byte
	_, _ = rand.Read(salt[:]) // never fails since Go 1.24
	return sealDeviceKey(key, initKey, salt)
}

// sealDeviceKey is SealDeviceKey with a given salt.
func sealDeviceKey(key, initKey Key, salt [deviceSaltLength]byte) (string, error) {
	if key.IsZero() || initKey.IsZero() {
		return "", errors.New("cpay: seal device key: a key is empty")
	}
	block, iv, err := deviceCipher(initKey, salt[:])
	if err != nil {
		return "", err
	}
	text := []byte(key.reveal())
	pad := aes.BlockSize - len(text)%aes.BlockSize
	text = append(text, bytes.Repeat([]byte{byte(pad)}, pad)...)
	cipher.NewCBCEncrypter(block, iv).CryptBlocks(text, text)
	return base64.StdEncoding.EncodeToString(append(salt[:], text...)), nil
}

// OpenDeviceKey is the device's side of SealDeviceKey. The padding is all the
// check there is, so a wrong init key is only mostly noticed: use the key before
// trusting it.
func OpenDeviceKey(sealed string, initKey Key) (Key, error) {
	raw, err := base64.StdEncoding.DecodeString(sealed)
	if err != nil || len(raw) <= deviceSaltLength || (len(raw)-deviceSaltLength)%aes.BlockSize != 0 {
		return Key{}, errDeviceKey
	}
	block, iv, err := deviceCipher(initKey, raw[:deviceSaltLength])
	if err != nil {
		return Key{}, err
	}
	text := raw[deviceSaltLength:]
	cipher.NewCBCDecrypter(block, iv).CryptBlocks(text, text)
	pad := int(text[len(text)-1])
	if pad == 0 || pad > aes.BlockSize || pad >= len(text) ||
		!bytes.Equal(text[len(text)-pad:], bytes.Repeat([]byte{byte(pad)}, pad)) {
		return Key{}, errDeviceKey
	}
	return NewKey(string(text[:len(text)-pad])), nil
}

// deviceCipher derives AES-128 key and initialisation vector as OpenSSL's
// EVP_BytesToKey does with SHA-1 and one round.
func deviceCipher(initKey Key, salt []byte) (cipher.Block, []byte, error) {
	password := initKey.reveal()
	first := sha1.Sum(append([]byte(password), salt...))               //nolint:gosec // see the import
	second := sha1.Sum(append(append(first[:], password...), salt...)) //nolint:gosec // see the import
	derived := append(first[:], second[:]...)
	block, err := aes.NewCipher(derived[:16])
	if err != nil {
		return nil, nil, err
	}
	return block, derived[16:32], nil
}
