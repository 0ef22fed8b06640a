package day

import (
	"bytes"
	"crypto/ed25519"
	"crypto/sha256"
	"encoding/base64"
	"fmt"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"cloudpay/internal/pay"
)

// keyOf makes a key of its own for each name; it is no secret of anybody.
func keyOf(name string) ed25519.PrivateKey {
	seed := sha256.Sum256([]byte(name))
	return ed25519.NewKeyFromSeed(seed[:])
}

func publicOf(k ed25519.PrivateKey) ed25519.PublicKey {
	return ed25519.PublicKey(k[ed25519.SeedSize:])
}

// chain signs n days that follow each other. change, which may be nil, may spoil
// a record before it is signed and choose its key.
func chain(t *testing.T, n int, change func(i int, r *Record, key *ed25519.PrivateKey)) [][]byte {
	t.Helper()
	var lines [][]byte
	previous, date := "", "2026-11-29"
	for i := range n {
		date = nextDate(date)
		r := Record{
			Merchant: "m1", Date: date, Number: int64(i + 1), Previous: previous, ClosedAt: "2026-12-03T02:00:00.000Z", Balanced: i != 1,
			Channels: []Channel{{Channel: pay.Wxpay, Orders: Sums{1, 100, 0, 0}, BillState: BillReconciled}},
		}
		if i == 1 {
			r.Differences = []Difference{{DiffCallback, pay.Wxpay, "payment:<1>&", 100, 0, "open", "咖啡\u2028\x7f"}}
			r.Adjustments = []Adjustment{{Of: "2026-11-30", Channel: pay.Wxpay, Item: "refund:2", Back: -5}}
		}
		key := keyOf("a")
		if change != nil {
			change(i, &r, &key)
		}
		s, err := Sign(r, key)
		if err != nil {
			t.Fatal(err)
		}
		line, err := s.Line()
		if err != nil {
			t.Fatal(err)
		}
		lines, previous = append(lines, line), s.Hash()
	}
	return lines
}

func verify(lines [][]byte, trust Trust) (Verified, error) {
	return Verify(bytes.NewReader(bytes.Join(lines, nil)), trust, nil)
}

func TestVerifyReadsAChain(t *testing.T) {
	t.Parallel()
	lines := chain(t, 3, nil)
	for name, trust := range map[string]Trust{"nobody known": {}, "the key known": {Key: publicOf(keyOf("a"))}} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			var dates []string
			v, err := Verify(bytes.NewReader(bytes.Join(lines, nil)), trust, func(r Record) error {
				dates = append(dates, r.Date)
				return nil
			})
			if err != nil {
				t.Fatal(err)
			}
			s, _, err := Parse(lines[2])
			if err != nil {
				t.Fatal(err)
			}
			want := Verified{
				Merchant: "m1", Days: 3, First: "2026-11-30", Last: "2026-12-02", LastNumber: 3, LastHash: s.Hash(),
				LastKey: base64.StdEncoding.EncodeToString(publicOf(keyOf("a"))), Unbalanced: []string{"2026-12-01"},
			}
			if diff := cmp.Diff(want, v); diff != "" {
				t.Error(diff)
			}
			if diff := cmp.Diff([]string{"2026-11-30", "2026-12-01", "2026-12-02"}, dates); diff != "" {
				t.Error(diff)
			}
		})
	}
}

// TestNoByteCanBeChanged changes every byte of a file, to every neighbour that a
// flipped bit makes, takes it out, and doubles it.
func TestNoByteCanBeChanged(t *testing.T) {
	t.Parallel()
	whole := bytes.Join(chain(t, 3, nil), nil)
	trust := Trust{Key: publicOf(keyOf("a"))}
	bad := func(what string, i int, file []byte) {
		if v, err := Verify(bytes.NewReader(file), trust, nil); err == nil {
			t.Errorf("byte %d %s (%q): %d days verified", i, what, whole[i], v.Days)
		}
	}
	for i := range whole {
		flipped := bytes.Clone(whole)
		flipped[i] ^= 1 << (i % 8)
		bad("flipped", i, flipped)
		if i+1 < len(whole) && whole[i] != whole[i+1] { // else a neighbour stands in for it
			bad("left out", i, append(bytes.Clone(whole[:i]), whole[i+1:]...))
		}
		bad("doubled", i, append(bytes.Clone(whole[:i+1]), whole[i:]...))
	}
}

func TestVerifyRefuses(t *testing.T) {
	t.Parallel()
	good := chain(t, 3, nil)
	a := Trust{Key: publicOf(keyOf("a"))}
	endorse := func(by string) string {
		return base64.StdEncoding.EncodeToString(ed25519.Sign(keyOf(by), EndorsedBytes(publicOf(keyOf("b")))))
	}
	from := func(first int, key, endorsement string) func(int, *Record, *ed25519.PrivateKey) {
		return func(i int, r *Record, k *ed25519.PrivateKey) {
			if i >= first {
				*k = keyOf(key)
			}
			if i == first {
				r.Endorsement = endorsement
			}
		}
	}
	second, _, err := Parse(good[0])
	if err != nil {
		t.Fatal(err)
	}
	for _, c := range []struct {
		name  string
		lines [][]byte
		trust Trust
		want  string // "" for none
	}{
		{"an empty file", nil, a, "no day"},
		{"another key than the known one", good, Trust{Key: publicOf(keyOf("b"))}, "is not the one that must be"},
		{"a day that is missing", [][]byte{good[0], good[2]}, a, "missing"},
		{"the first day that is missing", good[1:], a, "the days before it are missing"},
		{"the first day that is known", good[1:], Trust{Key: a.Key, Previous: second.Hash()}, ""},
		{"another day before the first", good[1:], Trust{Key: a.Key, Previous: strings.Repeat("0", 64)}, "names another day before it"},
		{"days in another order", [][]byte{good[0], good[2], good[1]}, a, "missing, twice or in the wrong place"},
		{"a day twice", [][]byte{good[0], good[1], good[1], good[2]}, a, "missing, twice or in the wrong place"},
		{"a file that was cut off", [][]byte{good[0], good[1][:100]}, a, "cut off"},
		{"a line end that is missing", [][]byte{good[0], bytes.TrimSpace(good[1])}, a, "cut off"},
		{"an empty line", [][]byte{good[0], []byte("\n"), good[1]}, a, "not the JSON"},
		{"a date that was left out", chain(t, 3, func(i int, r *Record, _ *ed25519.PrivateKey) {
			if i == 2 {
				r.Date = "2026-12-03"
			}
		}), a, "missing"},
		{"a chain that was broken", chain(t, 3, func(i int, r *Record, _ *ed25519.PrivateKey) {
			if i == 2 {
				r.Previous = strings.Repeat("0", 64)
			}
		}), a, "names another day"},
		{"another merchant's day", chain(t, 3, func(i int, r *Record, _ *ed25519.PrivateKey) {
			if i == 2 {
				r.Merchant = "m2"
			}
		}), a, "is of merchant"},
		{"a date that is none", chain(t, 1, func(_ int, r *Record, _ *ed25519.PrivateKey) { r.Date = "2026-02-30" }), a, "is not one"},
		{"a key that nobody endorsed", chain(t, 3, from(1, "b", "")), a, "is not the one that must be"},
		{"a key that was endorsed", chain(t, 3, from(1, "b", endorse("a"))), a, ""},
		{"a key that endorsed itself", chain(t, 3, from(1, "b", endorse("b"))), a, "is not the one that must be"},
		{"an endorsement that is none", chain(t, 3, from(1, "b", "?")), a, "is not the one that must be"},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			_, err := verify(c.lines, c.trust)
			if (err == nil) != (c.want == "") || err != nil && !strings.Contains(err.Error(), c.want) {
				t.Errorf("error is %v, want %q", err, c.want)
			}
		})
	}
}

func TestALineHasALimit(t *testing.T) {
	t.Parallel()
	endless := strings.NewReader(strings.Repeat("x", maxLine+1))
	if _, err := Verify(endless, Trust{}, nil); err == nil || !strings.Contains(err.Error(), "more than 16777216 bytes") {
		t.Errorf("error is %v", err)
	}
}

func TestWhatTheCallerSaysEndsIt(t *testing.T) {
	t.Parallel()
	_, err := Verify(bytes.NewReader(bytes.Join(chain(t, 2, nil), nil)), Trust{}, func(r Record) error { return fmt.Errorf("no %s", r.Date) })
	if err == nil || err.Error() != "line 1: no 2026-11-30" {
		t.Errorf("error is %v", err)
	}
}

// FuzzVerify looks for files that are taken although they are not canonical, and
// for those that break the reader.
func FuzzVerify(f *testing.F) {
	s, err := Sign(Record{Merchant: "m", Date: "2026-11-30", Number: 1}, keyOf("a"))
	if err != nil {
		f.Fatal(err)
	}
	line, err := s.Line()
	if err != nil {
		f.Fatal(err)
	}
	f.Add(line)
	f.Add(append(bytes.Clone(line), line...))
	f.Add(bytes.ReplaceAll(line, []byte(`"number":1`), []byte(`"number":1.0`)))
	f.Add(bytes.ReplaceAll(line, []byte(`{"day"`), []byte(`{ "day"`)))
	f.Add([]byte(`{"day":{},"signature":""}` + "\n"))
	f.Add([]byte(`{"day":null,"signature":null}` + "\n"))
	f.Add([]byte("\n"))
	f.Fuzz(func(t *testing.T, file []byte) {
		var again []byte
		v, err := Verify(bytes.NewReader(file), Trust{Key: publicOf(keyOf("a"))}, func(r Record) error {
			s, err := Sign(r, keyOf("a"))
			if err != nil {
				return err
			}
			line, err := s.Line()
			again = append(again, line...)
			return err
		})
		if err == nil && (v.Days == 0 || !bytes.Equal(again, file)) {
			t.Errorf("%d days verified that we would write as %q", v.Days, again)
		}
	})
}
