package alipay

import (
	"crypto"
	"crypto/rand"
	"crypto/rsa"
	"crypto/sha256"
	"crypto/x509"
	"encoding/base64"
	"encoding/pem"
	"errors"
	"net/url"
	"slices"
	"strings"
)

// minKeyBits is what RSA2 demands.
const minKeyBits = 2048

// stringToSign joins the parameters but those left out, sorted by name, with
// raw values (upstreams.md §4.1). Empty values are skipped only if skipEmpty
// is set: requests leave them out, notices are taken as received (§4.7).
func stringToSign(params url.Values, skipEmpty bool, leaveOut ...string) string {
	var pairs []string
	for name, values := range params {
		if slices.Contains(leaveOut, name) {
			continue
		}
		for _, value := range values {
			if value != "" || !skipEmpty {
				pairs = append(pairs, name+"="+value)
			}
		}
	}
	slices.Sort(pairs)
	return strings.Join(pairs, "&")
}

// signText signs with RSA2: SHA-256 with RSA, PKCS #1 v1.5, base64.
func signText(key *rsa.PrivateKey, text string) (string, error) {
	sum := sha256.Sum256([]byte(text))
	sign, err := rsa.SignPKCS1v15(rand.Reader, key, crypto.SHA256, sum[:])
	if err != nil {
		return "", errors.New("alipay: the application's key cannot sign")
	}
	return base64.StdEncoding.EncodeToString(sign), nil
}

// verifyText reports whether sign is Alipay's signature of text.
func verifyText(key *rsa.PublicKey, text []byte, sign string) bool {
	raw, err := base64.StdEncoding.DecodeString(sign)
	if err != nil {
		return false
	}
	sum := sha256.Sum256(text)
	return rsa.VerifyPKCS1v15(key, crypto.SHA256, sum[:], raw) == nil
}

// parsePrivateKey reads the application's key: PEM, or the bare base64 that
// Alipay's key tool prints; PKCS #8 or PKCS #1. The error repeats nothing of it.
func parsePrivateKey(text string) (*rsa.PrivateKey, error) {
	der := derOf(text)
	key, err := x509.ParsePKCS1PrivateKey(der)
	if err != nil {
		anyKey, err := x509.ParsePKCS8PrivateKey(der)
		rsaKey, ok := anyKey.(*rsa.PrivateKey)
		if err != nil || !ok {
			return nil, errors.New("the application's private key cannot be read; give an RSA key as PEM, PKCS #8 or PKCS #1")
		}
		key = rsaKey
	}
	if key.N.BitLen() < minKeyBits {
		return nil, errors.New("the application's private key is too short; RSA2 needs 2048 bits")
	}
	return key, nil
}

// parsePublicKey reads Alipay's key: PEM or bare base64, PKIX.
func parsePublicKey(text string) (*rsa.PublicKey, error) {
	anyKey, err := x509.ParsePKIXPublicKey(derOf(text))
	key, ok := anyKey.(*rsa.PublicKey)
	if err != nil || !ok {
		return nil, errors.New("alipay's public key cannot be read; give the Alipay public key (not the application's) as PEM")
	}
	if key.N.BitLen() < minKeyBits {
		return nil, errors.New("alipay's public key is too short; RSA2 needs 2048 bits")
	}
	return key, nil
}

// derOf returns the bytes of a PEM block or of bare base64, nil if it is neither.
func derOf(text string) []byte {
	if block, _ := pem.Decode([]byte(text)); block != nil {
		return block.Bytes
	}
	der, err := base64.StdEncoding.DecodeString(strings.Join(strings.Fields(text), ""))
	if err != nil {
		return nil
	}
	return der
}
