package main

import (
	"crypto/aes"
	"crypto/cipher"
	"crypto/pbkdf2"
	"crypto/rand"
	"crypto/rsa"
	"crypto/sha256"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/asn1"
	"encoding/pem"
	"errors"
	"fmt"
	"io"

	"cloudpay/internal/secret"
)

// A key with a passphrase is PKCS#8 under PBES2 (RFC 8018): PBKDF2 with
// HMAC-SHA256 and AES-256-CBC, which openssl reads and writes too.
const (
	pbkdf2Rounds = 600_000    // a passphrase of a person, guessed offline
	maxRounds    = 10_000_000 // what a file may ask of us
	saltLen      = 16
	aesKeyLen    = 32
)

var (
	oidPBES2      = asn1.ObjectIdentifier{1, 2, 840, 113549, 1, 5, 13}
	oidPBKDF2     = asn1.ObjectIdentifier{1, 2, 840, 113549, 1, 5, 12}
	oidHMACSHA256 = asn1.ObjectIdentifier{1, 2, 840, 113549, 2, 9}
	oidAES256CBC  = asn1.ObjectIdentifier{2, 16, 840, 1, 101, 3, 4, 1, 42}
)

// encryptedKey is EncryptedPrivateKeyInfo.
type encryptedKey struct {
	Algorithm pkix.AlgorithmIdentifier
	Data      []byte
}

type pbes2Params struct {
	KDF    pkix.AlgorithmIdentifier
	Scheme pkix.AlgorithmIdentifier
}

type pbkdf2Params struct {
	Salt   []byte
	Rounds int
	KeyLen int                      `asn1:"optional"`
	PRF    pkix.AlgorithmIdentifier `asn1:"optional"`
}

var (
	errWrongPassphrase = errors.New("the passphrase is wrong")
	errNoPassphrase    = errors.New("the key is protected: give its passphrase by --passphrase-file or CLOUDPAY_CA_PASSPHRASE")
	errNotAKey         = errors.New("not an RSA key in PKCS#8 PEM")
)

// encodeKey writes a key in PEM, protected if there is a passphrase.
func encodeKey(key *rsa.PrivateKey, pass secret.Secret) ([]byte, error) {
	der, err := x509.MarshalPKCS8PrivateKey(key)
	if err != nil {
		return nil, fmt.Errorf("write a key: %w", err)
	}
	if pass.IsZero() {
		return pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: der}), nil
	}
	var random [saltLen + aes.BlockSize]byte
	if _, err := io.ReadFull(rand.Reader, random[:]); err != nil {
		return nil, fmt.Errorf("protect a key: %w", err)
	}
	salt, iv := random[:saltLen], random[saltLen:]
	block, err := passphraseCipher(pass, salt, pbkdf2Rounds)
	if err != nil {
		return nil, err
	}
	pad := aes.BlockSize - len(der)%aes.BlockSize
	for range pad {
		der = append(der, byte(pad))
	}
	cipher.NewCBCEncrypter(block, iv).CryptBlocks(der, der)

	var firstErr error
	raw := func(v any) asn1.RawValue {
		b, err := asn1.Marshal(v)
		firstErr = errors.Join(firstErr, err)
		return asn1.RawValue{FullBytes: b}
	}
	null := asn1.RawValue{Tag: asn1.TagNull}
	kdf := pbkdf2Params{Salt: salt, Rounds: pbkdf2Rounds, PRF: pkix.AlgorithmIdentifier{Algorithm: oidHMACSHA256, Parameters: null}}
	params := pbes2Params{
		KDF:    pkix.AlgorithmIdentifier{Algorithm: oidPBKDF2, Parameters: raw(kdf)},
		Scheme: pkix.AlgorithmIdentifier{Algorithm: oidAES256CBC, Parameters: raw(iv)},
	}
	out := raw(encryptedKey{pkix.AlgorithmIdentifier{Algorithm: oidPBES2, Parameters: raw(params)}, der})
	if firstErr != nil {
		return nil, fmt.Errorf("protect a key: %w", firstErr)
	}
	return pem.EncodeToMemory(&pem.Block{Type: "ENCRYPTED PRIVATE KEY", Bytes: out.FullBytes}), nil
}

// decodeKey reads what encodeKey wrote.
func decodeKey(raw []byte, pass secret.Secret) (*rsa.PrivateKey, error) {
	block, _ := pem.Decode(raw)
	if block == nil {
		return nil, errNotAKey
	}
	der := block.Bytes
	switch block.Type {
	case "PRIVATE KEY":
	case "ENCRYPTED PRIVATE KEY":
		if pass.IsZero() {
			return nil, errNoPassphrase
		}
		var err error
		if der, err = decrypt(der, pass); err != nil {
			return nil, err
		}
	default:
		return nil, errNotAKey
	}
	parsed, err := x509.ParsePKCS8PrivateKey(der)
	if err != nil {
		if block.Type == "PRIVATE KEY" {
			return nil, errNotAKey
		}
		return nil, errWrongPassphrase // its padding looked right by chance
	}
	key, ok := parsed.(*rsa.PrivateKey)
	if !ok {
		return nil, errNotAKey
	}
	return key, nil
}

// decrypt opens EncryptedPrivateKeyInfo.
func decrypt(der []byte, pass secret.Secret) ([]byte, error) {
	var (
		info   encryptedKey
		params pbes2Params
		kdf    pbkdf2Params
		iv     []byte
	)
	if rest, err := asn1.Unmarshal(der, &info); err != nil || len(rest) > 0 || !info.Algorithm.Algorithm.Equal(oidPBES2) {
		return nil, errNotAKey
	}
	_, err1 := asn1.Unmarshal(info.Algorithm.Parameters.FullBytes, &params)
	_, err2 := asn1.Unmarshal(params.KDF.Parameters.FullBytes, &kdf)
	_, err3 := asn1.Unmarshal(params.Scheme.Parameters.FullBytes, &iv)
	known := params.KDF.Algorithm.Equal(oidPBKDF2) && kdf.PRF.Algorithm.Equal(oidHMACSHA256) && params.Scheme.Algorithm.Equal(oidAES256CBC)
	if errors.Join(err1, err2, err3) != nil || !known {
		return nil, errors.New("the key is protected in another way than ours; convert it with: openssl pkcs8 -topk8 -v2 aes256 -v2prf hmacWithSHA256")
	}
	if kdf.Rounds < 1 || kdf.Rounds > maxRounds || len(iv) != aes.BlockSize || len(info.Data) == 0 || len(info.Data)%aes.BlockSize != 0 {
		return nil, errNotAKey
	}
	block, err := passphraseCipher(pass, kdf.Salt, kdf.Rounds)
	if err != nil {
		return nil, err
	}
	out := make([]byte, len(info.Data))
	cipher.NewCBCDecrypter(block, iv).CryptBlocks(out, info.Data)
	pad := int(out[len(out)-1])
	if pad < 1 || pad > aes.BlockSize {
		return nil, errWrongPassphrase
	}
	return out[:len(out)-pad], nil
}

// passphraseCipher derives the AES key of a passphrase.
func passphraseCipher(pass secret.Secret, salt []byte, rounds int) (cipher.Block, error) {
	key, err := pbkdf2.Key(sha256.New, pass.Reveal(), salt, rounds, aesKeyLen)
	if err != nil {
		return nil, fmt.Errorf("derive a key from the passphrase: %w", err)
	}
	return aes.NewCipher(key)
}
