package backup

import (
	"bufio"
	"errors"
	"fmt"
	"io"
	"strings"

	"filippo.io/age"

	"cloudpay/internal/secret"
)

// ageIntro begins every file of age.
const ageIntro = "age-encryption.org/v1"

// maxWorkFactor bounds what a file may ask of us to try a passphrase: 2^20
// rounds of scrypt take a gigabyte for some seconds. age writes 2^18.
const maxWorkFactor = 20

// Encrypt returns what encrypts to w, for the recipients ("age1…") or with the
// passphrase; with neither it returns w itself. Close ends the encryption, not w.
func Encrypt(w io.Writer, recipients []string, passphrase secret.Secret) (io.WriteCloser, error) {
	var to []age.Recipient
	for _, text := range recipients {
		r, err := age.ParseRecipients(strings.NewReader(text))
		if err != nil {
			return nil, fmt.Errorf("recipient %q: %w", text, err)
		}
		to = append(to, r...)
	}
	if !passphrase.IsZero() {
		if len(to) > 0 {
			return nil, errors.New("encrypt for recipients or with a passphrase, not both")
		}
		r, err := age.NewScryptRecipient(passphrase.Reveal())
		if err != nil {
			return nil, fmt.Errorf("passphrase: %w", err)
		}
		to = append(to, r)
	}
	if len(to) == 0 {
		return plain{w}, nil
	}
	out, err := age.Encrypt(w, to...)
	if err != nil {
		return nil, fmt.Errorf("encrypt: %w", err)
	}
	return out, nil
}

type plain struct{ io.Writer }

// Close does nothing.
func (plain) Close() error { return nil }

// Decrypt returns the content of a backup, which may be encrypted. identities
// is the text of a file of age's ("AGE-SECRET-KEY-1…" a line). A key for a file
// that is not encrypted is an error: somebody may have put another in its place.
func Decrypt(r io.Reader, identities, passphrase secret.Secret) (io.Reader, error) {
	in := bufio.NewReader(r)
	intro, err := in.Peek(len(ageIntro))
	if err != nil && !errors.Is(err, io.EOF) {
		return nil, err
	}
	given := !identities.IsZero() || !passphrase.IsZero()
	switch encrypted := string(intro) == ageIntro; {
	case !encrypted && given:
		return nil, errors.New("a key was given, but the backup is not encrypted: is it yours?")
	case !encrypted:
		return in, nil
	case !given:
		return nil, errors.New("the backup is encrypted: give its key by --identity-file or --passphrase-file")
	}
	var keys []age.Identity
	if !identities.IsZero() {
		// An error of parsing would repeat the line, which is a key.
		if keys, err = age.ParseIdentities(strings.NewReader(identities.Reveal())); err != nil {
			return nil, errors.New("the identity file holds something that is no age identity")
		}
	}
	if !passphrase.IsZero() {
		id, err := age.NewScryptIdentity(passphrase.Reveal())
		if err != nil {
			return nil, fmt.Errorf("passphrase: %w", err)
		}
		id.SetMaxWorkFactor(maxWorkFactor)
		keys = append(keys, id)
	}
	out, err := age.Decrypt(in, keys...)
	if err != nil {
		return nil, fmt.Errorf("decrypt: %w", err)
	}
	return out, nil
}
