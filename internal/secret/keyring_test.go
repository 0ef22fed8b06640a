package secret

import (
	"bytes"
	"errors"
	"fmt"
	"strings"
	"testing"
)

func newKeyring(t *testing.T, fill byte) *Keyring {
	t.Helper()
	k, err := OpenKeyring(New(strings.Repeat(string(rune(fill)), MasterLen)))
	if err != nil {
		t.Fatal(err)
	}
	return k
}

func newDataKey(t *testing.T, k *Keyring, owner string) (key *DataKey, sealed []byte) {
	t.Helper()
	sealed, err := k.NewDataKey(owner)
	if err != nil {
		t.Fatal(err)
	}
	key, err = k.OpenDataKey(owner, sealed)
	if err != nil {
		t.Fatal(err)
	}
	return key, sealed
}

func TestSealedValueOpensOnlyAtItsPlace(t *testing.T) {
	t.Parallel()
	d, _ := newDataKey(t, newKeyring(t, 'a'), "P1")
	at := Place{Purpose: "authen_key", Owner: "M1"}
	sealed := d.Seal(at, New(value))
	if bytes.Contains(sealed, []byte(value)) {
		t.Fatal("the sealed form contains the value")
	}
	if len(sealed) != len(value)+Overhead {
		t.Errorf("sealed form has %d bytes, want %d", len(sealed), len(value)+Overhead)
	}
	got, err := d.Open(at, sealed)
	if err != nil || got.Reveal() != value {
		t.Fatalf("Open = %v, want the value", err)
	}
	places := []Place{
		{"authen_key", "M2"},
		{"app_auth_token", "M1"},
		{"authen_keyM", "1"}, // the same letters, cut elsewhere
		{"authen_key", ""},
		{"", "M1"},
	}
	for _, p := range places {
		if _, err := d.Open(p, sealed); !errors.Is(err, ErrSealed) {
			t.Errorf("Open(%+v) = %v, want ErrSealed", p, err)
		}
	}
}

func TestEveryChangedByteIsNoticed(t *testing.T) {
	t.Parallel()
	d, _ := newDataKey(t, newKeyring(t, 'a'), "P1")
	at := Place{"authen_key", "M1"}
	sealed := d.Seal(at, New(value))
	for i := range sealed {
		bad := bytes.Clone(sealed)
		bad[i] ^= 1
		if _, err := d.Open(at, bad); !errors.Is(err, ErrSealed) {
			t.Errorf("byte %d changed: Open = %v, want ErrSealed", i, err)
		}
	}
	for n := range sealed {
		if _, err := d.Open(at, sealed[:n]); !errors.Is(err, ErrSealed) {
			t.Errorf("cut to %d bytes: Open = %v, want ErrSealed", n, err)
		}
	}
	for _, bad := range [][]byte{nil, append(bytes.Clone(sealed), 0), make([]byte, maxSealed+1)} {
		if _, err := d.Open(at, bad); !errors.Is(err, ErrSealed) {
			t.Errorf("%d bytes: Open = %v, want ErrSealed", len(bad), err)
		}
	}
}

func TestDataKeyBelongsToItsOwnerAndMaster(t *testing.T) {
	t.Parallel()
	k := newKeyring(t, 'a')
	d, sealed := newDataKey(t, k, "P1")
	if _, err := k.OpenDataKey("P2", sealed); !errors.Is(err, ErrSealed) {
		t.Errorf("another owner's data key: %v, want ErrSealed", err)
	}
	if _, err := newKeyring(t, 'b').OpenDataKey("P1", sealed); !errors.Is(err, ErrSealed) {
		t.Errorf("another master: %v, want ErrSealed", err)
	}
	again, err := newKeyring(t, 'a').OpenDataKey("P1", sealed)
	if err != nil {
		t.Fatalf("the same master later: %v", err)
	}
	at := Place{"x", "y"}
	if got, err := again.Open(at, d.Seal(at, New(value))); err != nil || got.Reveal() != value {
		t.Errorf("a value sealed before the restart does not open: %v", err)
	}
	other, _ := newDataKey(t, k, "P1")
	if _, err := other.Open(at, d.Seal(at, New(value))); !errors.Is(err, ErrSealed) {
		t.Errorf("another data key: %v, want ErrSealed", err)
	}
	// A sealed secret is not a data key, although both are sealed values.
	if _, err := k.OpenDataKey("P1", d.Seal(Place{"data_key", "P1"}, New(value))); !errors.Is(err, ErrSealed) {
		t.Errorf("a secret in place of a data key: %v, want ErrSealed", err)
	}
	// One of the wrong length under the right key is refused as well.
	short := seal(k.wrap, Place{"data_key", "P1"}, []byte("short"))
	if _, err := k.OpenDataKey("P1", short); !errors.Is(err, ErrSealed) {
		t.Errorf("a short data key: %v, want ErrSealed", err)
	}
}

func TestSealingTwiceDiffers(t *testing.T) {
	t.Parallel()
	d, _ := newDataKey(t, newKeyring(t, 'a'), "P1")
	at := Place{"authen_key", "M1"}
	if bytes.Equal(d.Seal(at, New(value)), d.Seal(at, New(value))) {
		t.Error("two seals of one value are equal: the nonce repeats")
	}
	if got, err := d.Open(at, d.Seal(at, Secret{})); err != nil || !got.IsZero() {
		t.Errorf("the empty secret does not survive: %v", err)
	}
}

func TestDerivedKeysDependOnNameAndMaster(t *testing.T) {
	t.Parallel()
	a, b := newKeyring(t, 'a'), newKeyring(t, 'b')
	one := a.Derive("payment code")
	if len(one) != MasterLen {
		t.Errorf("Derive gives %d bytes, want %d", len(one), MasterLen)
	}
	if !bytes.Equal(one, newKeyring(t, 'a').Derive("payment code")) {
		t.Error("Derive is not repeatable")
	}
	if bytes.Equal(one, a.Derive("payment codes")) || bytes.Equal(one, b.Derive("payment code")) {
		t.Error("different names or masters give the same key")
	}
}

func TestKeyringRefusesOtherLengths(t *testing.T) {
	t.Parallel()
	for _, n := range []int{0, 16, 31, 33} {
		_, err := OpenKeyring(New(strings.Repeat("x", n)))
		if err == nil || strings.Contains(err.Error(), "xx") {
			t.Errorf("master of %d bytes: %v, want a refusal without the key", n, err)
		}
	}
}

func TestKeyringAndDataKeyPrintTheMask(t *testing.T) {
	t.Parallel()
	k := newKeyring(t, 'a')
	d, _ := newDataKey(t, k, "P1")
	for _, verb := range []string{"%v", "%+v", "%#v", "%s", "%x", "%q"} {
		if got := fmt.Sprintf(verb+verb, k, d); got != mask+mask {
			t.Errorf("%s prints %q, want the mask", verb, got)
		}
	}
	if k.String() != mask || d.String() != mask {
		t.Error("String does not return the mask")
	}
}
