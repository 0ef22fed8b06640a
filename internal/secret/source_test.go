package secret

import (
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// environment is a getenv with one variable.
func environment(name, value string) func(string) string {
	return func(asked string) string {
		if asked == name {
			return value
		}
		return ""
	}
}

func TestSourcesGiveTheKeyThatWasMade(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	getenv := environment(passphraseVariable, "correct horse battery staple")
	for _, spec := range []string{"file:" + filepath.Join(dir, "a"), filepath.Join(dir, "b"), "passphrase:" + filepath.Join(dir, "salt")} {
		s, err := ParseSource(spec, getenv)
		if err != nil {
			t.Fatal(err)
		}
		if _, err := s.Master(t.Context()); !errors.Is(err, fs.ErrNotExist) {
			t.Errorf("%s before it was made: %v, want not exist", spec, err)
		}
		made, err := Create(t.Context(), s)
		if err != nil {
			t.Fatal(err)
		}
		read, err := s.Master(t.Context())
		if err != nil || !read.Equal(made) {
			t.Errorf("%s: %v, want the key that was made", spec, err)
		}
		if _, err := OpenKeyring(read); err != nil {
			t.Error(err)
		}
		if _, err := Create(t.Context(), s); !errors.Is(err, fs.ErrExist) {
			t.Errorf("%s made twice: %v, want exist", spec, err)
		}
		if strings.Contains(s.String(), "horse") || s.String() == "" {
			t.Errorf("%s calls itself %q", spec, s)
		}
	}
}

func TestKeyFromTheEnvironment(t *testing.T) {
	t.Parallel()
	good := strings.Repeat("ab", MasterLen)
	read := func(value string) (Secret, error) {
		s, err := ParseSource("env:KEY", environment("KEY", value))
		if err != nil {
			t.Fatal(err)
		}
		return s.Master(t.Context())
	}
	if k, err := read(good + "\n"); err != nil || k.Reveal() != strings.Repeat("\xab", MasterLen) {
		t.Errorf("a good variable: %v", err)
	}
	for _, bad := range []string{"", "zz" + good[2:], good[2:], good + "ab"} {
		if _, err := read(bad); err == nil || strings.Contains(err.Error(), "abab") || !strings.Contains(err.Error(), "KEY") {
			t.Errorf("a bad variable: %v, want a refusal that names it and quotes nothing", err)
		}
	}
	s, err := ParseSource("env:KEY", environment("", ""))
	if err != nil {
		t.Fatal(err)
	}
	if _, err := Create(t.Context(), s); err == nil {
		t.Error("a variable was created")
	}
}

func TestPassphraseMustBelongToItsSalt(t *testing.T) {
	t.Parallel()
	path := filepath.Join(t.TempDir(), "salt")
	source := func(passphrase string) Source {
		s, err := ParseSource("passphrase:"+path, environment(passphraseVariable, passphrase))
		if err != nil {
			t.Fatal(err)
		}
		return s
	}
	if _, err := Create(t.Context(), source("too short")); err == nil {
		t.Error("a short passphrase was taken")
	}
	if _, err := Create(t.Context(), source("correct horse battery staple")); err != nil {
		t.Fatal(err)
	}
	for _, wrong := range []string{"", "correct horse battery stapler"} {
		_, err := source(wrong).Master(t.Context())
		if err == nil || strings.Contains(err.Error(), "horse") {
			t.Errorf("a wrong passphrase: %v, want a refusal that quotes nothing", err)
		}
	}
	text, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	if strings.Contains(string(text), "horse") {
		t.Error("the salt file holds the passphrase")
	}
	for name, bad := range map[string]string{
		"empty": "", "other form": "hello", "huge cost": strings.Replace(string(text), "m=131072", "m=999999999", 1),
		"no time": strings.Replace(string(text), "t=4", "t=0", 1), "long": strings.Repeat("x", 1000),
	} {
		if err := os.WriteFile(path, []byte(bad), 0o600); err != nil {
			t.Fatal(err)
		}
		if _, err := source("correct horse battery staple").Master(t.Context()); err == nil {
			t.Errorf("a salt file that is %s was taken", name)
		}
	}
}

func TestSourcesThatMeanNothingAreRefused(t *testing.T) {
	t.Parallel()
	for _, spec := range []string{"", "file:", "env:", "passphrase:", "vault:x", "kms:", "kms:path"} {
		if s, err := ParseSource(spec, environment("", "")); err == nil {
			t.Errorf("ParseSource(%q) = %v, want a refusal", spec, s)
		}
	}
	if s, err := ParseSource(`C:\keys\master`, environment("", "")); err != nil || s.String() != `file C:\keys\master` {
		t.Errorf("a path with a drive: %v, %v", s, err)
	}
}

func TestPasswordHash(t *testing.T) {
	t.Parallel()
	hash := HashPassword(New("4711"))
	if !strings.HasPrefix(hash.Reveal(), "$argon2id$v=19$m=19456,t=2,p=1$") || strings.Contains(hash.Reveal(), "4711") {
		t.Error("the hash has another form")
	}
	if HashPassword(New("4711")).Equal(hash) {
		t.Error("two hashes of one password are equal: the salt repeats")
	}
	if !CheckPassword(hash, New("4711")) {
		t.Error("the right password is refused")
	}
	costly := strings.Replace(hash.Reveal(), "m=19456", "m=1999456", 1)
	for _, bad := range []string{"", "$argon2id$", hash.Reveal()[:40], costly, strings.Replace(hash.Reveal(), "t=2", "t=0", 1), strings.Replace(hash.Reveal(), "p=1", "p=0", 1)} {
		if CheckPassword(New(bad), New("4711")) {
			t.Errorf("a broken hash is taken: %d bytes", len(bad))
		}
	}
	if CheckPassword(hash, New("4712")) || CheckPassword(hash, Secret{}) || CheckPassword(Secret{}, Secret{}) {
		t.Error("a wrong password is taken")
	}
}

func TestKeyringOpensWhatTheOldMasterSealed(t *testing.T) {
	t.Parallel()
	old := newKeyring(t, 'a')
	data, sealed := newDataKey(t, old, "P1")
	both, err := OpenKeyring(New(strings.Repeat("b", MasterLen)), New(strings.Repeat("a", MasterLen)))
	if err != nil {
		t.Fatal(err)
	}
	at := Place{"x", "y"}
	opens := func(k *Keyring, sealed []byte) bool {
		d, err := k.OpenDataKey("P1", sealed)
		if err != nil {
			return false
		}
		v, err := d.Open(at, data.Seal(at, New(value)))
		return err == nil && v.Reveal() == value && string(d.Derive("n")) == string(data.Derive("n"))
	}
	if !opens(both, sealed) {
		t.Error("what the old master sealed does not open")
	}
	again, changed, err := both.Rewrap("P1", sealed)
	if err != nil || !changed || opens(old, again) || !opens(newKeyring(t, 'b'), again) || !opens(both, again) {
		t.Errorf("rewrapped: changed %v, %v; want it to open under the new master only", changed, err)
	}
	if same, changed, err := both.Rewrap("P1", again); err != nil || changed || string(same) != string(again) {
		t.Errorf("rewrapped twice: %v, %v, want no change", changed, err)
	}
	if _, _, err := newKeyring(t, 'c').Rewrap("P1", sealed); !errors.Is(err, ErrSealed) {
		t.Errorf("without the old master: %v, want ErrSealed", err)
	}
	if _, _, err := both.Rewrap("P2", sealed); !errors.Is(err, ErrSealed) {
		t.Errorf("another owner's: %v, want ErrSealed", err)
	}
	if made, err := both.NewDataKey("P3"); err != nil {
		t.Error(err)
	} else if _, err := newKeyring(t, 'b').OpenDataKey("P3", made); err != nil {
		t.Error("a new data key is not sealed under the new master")
	}
	if _, err := OpenKeyring(New(strings.Repeat("b", MasterLen)), New("short")); err == nil {
		t.Error("a short old master was taken")
	}
	if string(data.Derive("n")) == string(data.Derive("m")) || len(data.Derive("n")) != MasterLen {
		t.Error("Derive of a data key does not depend on the name")
	}
}
