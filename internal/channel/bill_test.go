package channel

import (
	"errors"
	"strings"
	"testing"
	"testing/iotest"
	"time"

	"pgregory.net/rapid"

	"cloudpay/internal/pay"
)

func TestAmountsOfBillsAreExact(t *testing.T) {
	t.Parallel()
	for text, want := range map[string]int64{
		"0": 0, "0.00": 0, "12": 12_00_000, "12.00": 12_00_000, "0.07000": 7_000, "0.07200": 7_200, "0.00001": 1, "-0.06000": -6_000,
		"-6.60": -6_60_000, "9999999999.99": 999_999_999_999_000, "0.0720000000": 7_200, "0.": -1, "": -1, ".5": -1, "1e3": -1, "+1": -1,
		"--1": -1, "1,000.00": -1, "0.000001": -1, "99999999999": -1, "１２": -1, " 1": -1, "-": -1, "1.2.3": -1, "0x1": -1,
	} {
		got, ok := BillUnits(text)
		if ok != (want != -1) || ok && got != want {
			t.Errorf("BillUnits(%q) = %d, %v; want %d", text, got, ok, want)
		}
	}
	for units, want := range map[int64]pay.Fen{0: 0, 499: 0, 500: 1, 7_200: 7, 7_500: 8, -499: 0, -500: -1, -7_200: -7} {
		if got := RoundFen(units); got != want {
			t.Errorf("RoundFen(%d) = %d, want %d", units, got, want)
		}
	}
	rapid.Check(t, func(t *rapid.T) {
		fen := pay.Fen(rapid.Int64Range(-999_999_999_999, 999_999_999_999).Draw(t, "fen"))
		if got, ok := BillUnits(fen.String()); !ok || got != int64(fen)*FeeUnit {
			t.Fatalf("BillUnits(%s) = %d, %v", fen, got, ok)
		}
	})
}

func TestTheSurplusOfALineBelongsToAFreeColumn(t *testing.T) {
	t.Parallel()
	table, err := NewBillTable([]string{"name", "amount", "note", "more"}, []string{"amount"}, []string{"name", "note"}, func(r *BillRow) { r.Fen("amount") })
	if err != nil {
		t.Fatal(err)
	}
	for _, c := range []struct{ line, name, amount, note string }{
		{"a|1.00|n|m", "a", "1.00", "n"},
		{"a|b|1.00|n|m", "a|b", "1.00", "n"},
		{"a|1.00|n|n2|m", "a", "1.00", "n|n2"},
		{"1.00|2.00|3.00|n|m", "1.00|2.00", "3.00", "n"}, // both would do: the first free column
		{"a|x|n|m", "a", "x", "n"},                       // as many as columns: as it stands
		{"a|x|y|z|m", "", "", ""},
		{"a|1.00|n", "", "", ""},
	} {
		r, err := table.Row(7, strings.Split(c.line, "|"), "|")
		switch {
		case err != nil && c.name == "":
			if !strings.Contains(err.Error(), "line 7") {
				t.Errorf("%s: %v", c.line, err)
			}
		case err != nil || r.Text("name") != c.name || r.Text("amount") != c.amount || r.Text("note") != c.note:
			t.Errorf("%s = %+v, %v", c.line, r, err)
		}
	}
}

func TestDaysOfBillsAreBeijings(t *testing.T) {
	t.Parallel()
	for at, want := range map[string]string{
		"2026-01-04T15:59:59Z": "2026-01-04", "2026-01-04T16:00:00Z": "2026-01-05", "2026-01-05T23:59:59+08:00": "2026-01-05",
	} {
		moment, err := time.Parse(time.RFC3339, at)
		if err != nil {
			t.Fatal(err)
		}
		if got := BillDay(moment).Format(time.DateOnly); got != want {
			t.Errorf("BillDay(%s) = %s, want %s", at, got, want)
		}
	}
}

func TestBillsAreReadWithinTheirLimit(t *testing.T) {
	t.Parallel()
	if got, err := ReadBill(strings.NewReader("12345"), 5); err != nil || string(got) != "12345" {
		t.Errorf("as long as the limit: %q, %v", got, err)
	}
	if _, err := ReadBill(strings.NewReader("123456"), 5); !errors.Is(err, ErrBillTooLong) {
		t.Errorf("a byte longer: %v", err)
	}
	if _, err := ReadBill(iotest.ErrReader(errors.New("cut")), 5); !errors.Is(err, ErrBillDamaged) {
		t.Errorf("cut: %v", err)
	}
	if _, err := Gunzip([]byte("\x1f\x8bno")); !errors.Is(err, ErrBillDamaged) {
		t.Errorf("damaged: %v", err)
	}
}
