package sandbox

import (
	"strconv"
	"strings"
	"time"
)

// Fen is an amount of money in fen, the hundredth part of a yuan.
type Fen int64

// maxTotal is the largest amount either wallet takes in one payment, in fen
// (Alipay: 100000000 yuan, upstreams.md §4.4).
const maxTotal Fen = 100_000_000_00

// Yuan is the amount as Alipay writes it: yuan with exactly two decimals.
func (f Fen) Yuan() string {
	sign := ""
	if f < 0 {
		sign, f = "-", -f
	}
	cents := strconv.FormatInt(int64(f%100), 10)
	if len(cents) < 2 {
		cents = "0" + cents
	}
	return sign + strconv.FormatInt(int64(f/100), 10) + "." + cents
}

// fenText is the amount as WeChat writes it: fen in decimal digits.
func (f Fen) fenText() string { return strconv.FormatInt(int64(f), 10) }

// parseFen reads WeChat's form of an amount: digits only, positive, no
// leading zero, not above maxTotal.
func parseFen(text string) (Fen, bool) {
	if text == "" || len(text) > len("10000000000") || text[0] == '0' || !allDigits(text) {
		return 0, false
	}
	n, err := strconv.ParseInt(text, 10, 64)
	return Fen(n), err == nil && Fen(n) <= maxTotal
}

// parseYuan reads Alipay's form of an amount: yuan with at most two decimals,
// positive, not above maxTotal. It works on the digits, never on a float.
func parseYuan(text string) (Fen, bool) {
	whole, cents, dotted := strings.Cut(text, ".")
	if dotted && (cents == "" || len(cents) > 2) {
		return 0, false
	}
	if whole == "" || len(whole) > len("100000000") || len(whole) > 1 && whole[0] == '0' {
		return 0, false
	}
	digits := whole + (cents + "00")[:2]
	if !allDigits(digits) {
		return 0, false
	}
	n, err := strconv.ParseInt(digits, 10, 64)
	return Fen(n), err == nil && n > 0 && Fen(n) <= maxTotal
}

// allDigits reports whether a text has ASCII digits only. The empty text has.
func allDigits(s string) bool {
	for _, c := range []byte(s) {
		if c < '0' || c > '9' {
			return false
		}
	}
	return true
}

// beijing is the zone both wallets write their times in. It has had no
// daylight saving since 1991, so a fixed offset is exact and needs no tzdata.
var beijing = time.FixedZone("Asia/Shanghai", 8*60*60)

// The layouts of the two wallets' times (upstreams.md §2.1, §4.1).
const (
	wxTime  = "20060102150405"
	longDay = "2006-01-02 15:04:05"
)

// at turns stored milliseconds into the wallets' zone.
func at(ms int64) time.Time { return time.UnixMilli(ms).In(beijing) }

// dayStart is midnight in Beijing of the day t falls on.
func dayStart(t time.Time) time.Time {
	t = t.In(beijing)
	return time.Date(t.Year(), t.Month(), t.Day(), 0, 0, 0, 0, beijing)
}
