package cpay

import (
	"bytes"
	"crypto"
	"crypto/rsa"
	"crypto/sha1" //nolint:gosec // to recognise a mistake, never to trust
	"crypto/sha256"
	"encoding/base64"
	"encoding/hex"
	"fmt"
	"hash"
	"math/big"
	"strings"
)

// judgeSign looks at the signature, and reports whether there is none or a right
// one.
func (d Diagnoser) judgeSign(g *Diagnosis, o *laxOuter) bool {
	s := o.info.s
	if s == nil {
		return true
	}
	right := d.Keys.PublicKey != nil && VerifySign(d.Keys.PublicKey, []byte(o.content), s.text)
	switch {
	case right && s.kind == signTypePSS:
		return true
	case right:
		*g = g.because(CauseAuthenType, fmt.Sprintf("the signature is right, but sign_type is %d instead of 1", s.kind))
		return false
	case d.Keys.PublicKey == nil:
		*g = g.because(CauseUnknown, "there is no public key to check the signature with")
		return false
	}
	guesses := signGuesses(s.text)
	if len(guesses) == 0 {
		*g = g.because(CauseSign, "sign is not base64")
		return false
	}
	for i, keys := range append([]Keys{d.Keys}, d.Others...) {
		if keys.PublicKey == nil {
			continue
		}
		k := keyGuess{other: i - 1}
		if i > 0 {
			k.cause, k.why = CauseOtherKey, "the signature is by another merchant's key"
		}
		for _, t := range d.texts(o) {
			for _, sig := range guesses {
				cause, why, ok := signForm(keys.PublicKey, t.bytes, sig.bytes)
				if !ok {
					continue
				}
				if cause == "" {
					cause, why = sig.cause, sig.why
				}
				found(g, o.content, t, k, cause, why)
				return false
			}
		}
	}
	*g = g.because(CauseUnknown, "no known mistake explains the signature: is the public key the sender's?")
	return false
}

// signGuesses decodes a signature in the forms that are seen, the right one first.
func signGuesses(text string) []textGuess {
	var list []textGuess
	joined := strings.Join(strings.Fields(text), "")
	for _, try := range []struct {
		decode func(string) ([]byte, error)
		text   string
		cause  Cause
		why    string
	}{
		{base64.StdEncoding.DecodeString, text, "", ""},
		{hex.DecodeString, joined, CauseSign, "sign is hexadecimal; it must be base64"},
		{base64.StdEncoding.DecodeString, joined, CauseSign, "sign has spaces; it must be base64 on one line"},
		{base64.RawStdEncoding.DecodeString, joined, CauseSign, "sign is base64 without the padding at its end"},
		{base64.URLEncoding.DecodeString, joined, CauseSign, "sign is base64 for addresses; it must be standard base64"},
		{base64.RawURLEncoding.DecodeString, joined, CauseSign, "sign is base64 for addresses; it must be standard base64"},
	} {
		if sig, err := try.decode(try.text); err == nil && len(sig) > 0 {
			list = append(list, textGuess{try.cause, try.why, sig})
		}
	}
	return list
}

// signForm reports whether sig is a signature of text, and in which wrong form.
func signForm(key *rsa.PublicKey, text, sig []byte) (cause Cause, why string, ok bool) {
	sum := sha256.Sum256(text)
	if rsa.VerifyPSS(key, crypto.SHA256, sum[:], sig, &rsa.PSSOptions{SaltLength: rsa.PSSSaltLengthAuto}) == nil {
		return "", "", true
	}
	const pkcs = "the signature has PKCS #1 v1.5 padding; it must be RSASSA-PSS with SHA-256"
	old := sha1.Sum(text) //nolint:gosec // see the import
	switch {
	case rsa.VerifyPKCS1v15(key, crypto.SHA256, sum[:], sig) == nil:
		return CauseSign, pkcs, true
	case rsa.VerifyPKCS1v15(key, crypto.SHA1, old[:], sig) == nil:
		return CauseSign, pkcs + ", and SHA-1 was used", true
	case rsa.VerifyPKCS1v15(key, 0, text, sig) == nil:
		return CauseUnhashed, "the signature covers the text instead of its SHA-256, with PKCS #1 v1.5 padding", true
	}
	em, ok := encoded(key, sig)
	if !ok {
		return "", "", false
	}
	const unhashed = "the signature covers the text instead of its SHA-256; hash first"
	twice := sha256.Sum256(sum[:])
	digits := hex.EncodeToString(sum[:])
	for _, try := range []struct {
		digest []byte
		cause  Cause
		why    string
	}{
		{sum[:], CauseSign, "the mask of the signature was made with SHA-1; MGF1 must use SHA-256"},
		{text, CauseUnhashed, unhashed},
		{text[:min(len(text), sha256.Size)], CauseUnhashed, unhashed},
		{twice[:], CauseSign, "the text was hashed twice"},
		{[]byte(digits), CauseSign, "the hexadecimal digits of the hash were signed instead of the hash"},
		{[]byte(strings.ToUpper(digits)), CauseSign, "the hexadecimal digits of the hash were signed instead of the hash"},
		{old[:], CauseSign, "the text was hashed with SHA-1"},
	} {
		for _, mask := range []func() hash.Hash{sha256.New, sha1.New} {
			for _, h := range []func() hash.Hash{sha256.New, sha1.New} {
				if pssCovers(em, key.N.BitLen()-1, h(), mask, try.digest) {
					return try.cause, try.why, true
				}
			}
		}
	}
	return "", "", false
}

// encoded undoes the signature: the padded message is left.
func encoded(key *rsa.PublicKey, sig []byte) ([]byte, bool) {
	s := new(big.Int).SetBytes(sig)
	if s.Cmp(key.N) >= 0 || key.N.BitLen() < 512 {
		return nil, false
	}
	em := make([]byte, (key.N.BitLen()-1+7)/8)
	m := s.Exp(s, big.NewInt(int64(key.E)), key.N)
	if m.BitLen() > 8*len(em) {
		return nil, false
	}
	return m.FillBytes(em), true
}

// pssCovers is EMSA-PSS-VERIFY of RFC 8017 §9.1.2 for a digest of any length,
// which no library checks, because none should.
func pssCovers(em []byte, bits int, h hash.Hash, mask func() hash.Hash, digest []byte) bool {
	n := len(em) - h.Size() - 1
	if n < 1 || em[len(em)-1] != 0xbc {
		return false
	}
	db, want := bytes.Clone(em[:n]), em[n:len(em)-1]
	var counter [4]byte
	for i := 0; i < n; counter[3]++ { // n is below 256 hashes for any key in use
		m := mask()
		m.Write(want)
		m.Write(counter[:])
		for _, b := range m.Sum(nil) {
			if i < n {
				db[i] ^= b
			}
			i++
		}
	}
	db[0] &= 0xff >> (8*len(em) - bits)
	end := 0
	for end < n && db[end] == 0 {
		end++
	}
	if end == n || db[end] != 1 {
		return false
	}
	h.Write(make([]byte, 8))
	h.Write(digest)
	h.Write(db[end+1:])
	return bytes.Equal(h.Sum(nil), want)
}
