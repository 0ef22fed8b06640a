package cpay

import (
	"crypto"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/rsa"
	"crypto/sha256"
	"crypto/x509"
	"encoding/base64"
	"encoding/pem"
	"testing"
)

func verifiesWithSalt(t *testing.T, key *rsa.PublicKey, message, sign string, salt int) bool {
	t.Helper()
	sig, err := base64.StdEncoding.DecodeString(sign)
	if err != nil {
		t.Fatal(err)
	}
	sum := sha256.Sum256([]byte(message))
	return rsa.VerifyPSS(key, crypto.SHA256, sum[:], sig, &rsa.PSSOptions{SaltLength: salt}) == nil
}

func block(kind string, der []byte) []byte {
	return pem.EncodeToMemory(&pem.Block{Type: kind, Bytes: der})
}

func pemForms(t *testing.T, key *rsa.PrivateKey) [][]byte {
	t.Helper()
	pkcs8, err := x509.MarshalPKCS8PrivateKey(key)
	if err != nil {
		t.Fatal(err)
	}
	return [][]byte{block("PRIVATE KEY", pkcs8), block("RSA PRIVATE KEY", x509.MarshalPKCS1PrivateKey(key))}
}

func publicPEMForms(t *testing.T, key *rsa.PublicKey) [][]byte {
	t.Helper()
	pkix, err := x509.MarshalPKIXPublicKey(key)
	if err != nil {
		t.Fatal(err)
	}
	return [][]byte{block("PUBLIC KEY", pkix), block("RSA PUBLIC KEY", x509.MarshalPKCS1PublicKey(key))}
}

func wrongPEMForms(t *testing.T) [][]byte {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	private, err := x509.MarshalPKCS8PrivateKey(key)
	if err != nil {
		t.Fatal(err)
	}
	public, err := x509.MarshalPKIXPublicKey(&key.PublicKey)
	if err != nil {
		t.Fatal(err)
	}
	return [][]byte{
		nil, []byte("no PEM"), block("PRIVATE KEY", []byte("no DER")),
		block("PRIVATE KEY", private), block("PUBLIC KEY", public),
	}
}
