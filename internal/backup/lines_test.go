package backup

import (
	"math"
	"testing"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"

	"cloudpay/internal/store"
)

// TestRowsComeBack holds for every value that a column can have, also for text
// that is not UTF-8.
func TestRowsComeBack(t *testing.T) {
	t.Parallel()
	columns := []store.Column{{Name: "t", Kind: store.KindText}, {Name: "i", Kind: store.KindInt}, {Name: "b", Kind: store.KindBool}, {Name: "x", Kind: store.KindBytes}}
	rapid.Check(t, func(t *rapid.T) {
		text := rapid.OneOf(rapid.String(), rapid.Map(rapid.SliceOf(rapid.Byte()), func(b []byte) string { return string(b) }),
			rapid.SampledFrom([]string{"", "[", "null", "\x00", "\u2028<&>", "\xff"})).Draw(t, "text")
		number := rapid.OneOf(rapid.Int64(), rapid.SampledFrom([]int64{math.MaxInt64, math.MinInt64})).Draw(t, "int")
		want := []any{text, number, rapid.Bool().Draw(t, "bool"), append([]byte{}, rapid.SliceOf(rapid.Byte()).Draw(t, "bytes")...)}
		line, err := encodeRow(nil, want)
		if err != nil {
			t.Fatal(err)
		}
		got, err := decodeRow(line, columns)
		if err != nil {
			t.Fatal(err)
		}
		if diff := cmp.Diff(want, got); diff != "" {
			t.Fatalf("-want +got\n%s", diff)
		}
	})
}

// TestDecodeRefusesOtherShapes with an error, never a panic.
func TestDecodeRefusesOtherShapes(t *testing.T) {
	t.Parallel()
	columns := []store.Column{{Name: "t", Kind: store.KindText}, {Name: "i", Kind: store.KindInt}}
	for _, line := range []string{"", "[]", "{}", `["a"]`, `["a",1,2]`, `[1,1]`, `["a","1"]`, `["a",1.5]`, `["a",9223372036854775808]`, `[null,1]`, `["a",null]`, `[[],1]`, `[["a","b"],1]`, `[["%"],1]`} {
		if row, err := decodeRow([]byte(line), columns); err == nil {
			t.Errorf("%s was read as %v", line, row)
		}
	}
}

// TestTableSumsIgnoreOrder and nothing else.
func TestTableSumsIgnoreOrder(t *testing.T) {
	t.Parallel()
	of := func(lines ...string) (s sum) {
		for _, l := range lines {
			s.add([]byte(l))
		}
		return s
	}
	if of("a", "b", "c") != of("c", "a", "b") {
		t.Error("the order matters")
	}
	if of("a", "a") == of() || of("a") == of("b") || of("a", "b") == of("ab") {
		t.Error("other rows have the same sum")
	}
}
