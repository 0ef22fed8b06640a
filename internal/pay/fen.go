package pay

import (
	"fmt"
	"math"
	"strconv"
	"strings"
)

// Fen is an amount in fen, one hundredth of a yuan. The zero value is no
// money. Negative values occur in postings (credits) only.
type Fen int64

// MaxFen is the largest amount of one order: the wire's number is an int32
// (protocol.md R24).
const MaxFen Fen = math.MaxInt32

// Add returns f+g, or an error of kind ErrInvalid when the sum overflows.
func (f Fen) Add(g Fen) (Fen, error) {
	s := f + g
	if (g > 0 && s < f) || (g < 0 && s > f) {
		return 0, Refuse(ErrInvalid, "amount_overflow", "amount overflows")
	}
	return s, nil
}

// Sub returns f-g, or an error of kind ErrInvalid when it overflows.
func (f Fen) Sub(g Fen) (Fen, error) {
	if g == math.MinInt64 {
		return 0, Refuse(ErrInvalid, "amount_overflow", "amount overflows")
	}
	return f.Add(-g)
}

// String prints yuan with two decimals: Fen(1250) is "12.50".
func (f Fen) String() string {
	sign := ""
	n := uint64(f) //nolint:gosec // negated just below when negative; two's complement is exact for MinInt64 too
	if f < 0 {
		sign, n = "-", -n
	}
	return fmt.Sprintf("%s%d.%02d", sign, n/100, n%100)
}

// Check refuses an amount that no order may have: zero, negative, or above
// MaxFen (money.md §1: amount ≤ 0 → 104).
func (f Fen) Check() error {
	switch {
	case f <= 0:
		return Refuse(ErrInvalid, "amount_not_positive", "金额必须大于0")
	case f > MaxFen:
		return Refuse(ErrInvalid, "amount_too_large", "金额超过上限")
	}
	return nil
}

// ParseYuan reads an amount as a person types it: yuan with exactly two
// decimals, as "0.02" or "1250.00". Anything else ("0", "0.001", "1e3",
// ".50", "1,000.00", signs, spaces) is an ErrInvalid that says why. The value
// may be 0.00; callers that need money call Check.
func ParseYuan(s string) (Fen, error) {
	bad := func(why string) (Fen, error) {
		return 0, Refuse(ErrInvalid, "amount_unreadable", fmt.Sprintf("amount %.20q: %s", s, why))
	}
	yuan, cents, found := strings.Cut(s, ".")
	if strings.Trim(s, "0123456789.") != "" {
		return bad("only digits and one decimal point are allowed")
	}
	if !found || len(cents) != 2 {
		return bad("write yuan with two decimals, for example 0.02")
	}
	if yuan == "" || (len(yuan) > 1 && yuan[0] == '0') {
		return bad("write the yuan part without leading zeros, for example 0.02")
	}
	if strings.Contains(cents, ".") {
		return bad("only one decimal point is allowed")
	}
	n, err := strconv.ParseInt(yuan+cents, 10, 64)
	if err != nil || Fen(n) > MaxFen {
		return bad("the largest amount is " + MaxFen.String())
	}
	return Fen(n), nil
}
