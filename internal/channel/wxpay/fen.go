package wxpay

import (
	"strconv"
	"strings"

	"cloudpay/internal/pay"
)

// wireFen writes an amount as v2 has it: fen, digits only.
func wireFen(f pay.Fen) string { return strconv.FormatInt(int64(f), 10) }

// maxDigits holds every amount of one order (pay.MaxFen) and any sum of them
// that a wallet may report, and cannot overflow.
const maxDigits = 15

// readFen reads an amount. It is not ok when the element is absent, empty or
// anything but digits.
func readFen(m message, name string) (pay.Fen, bool) {
	s := m.get(name)
	if s == "" || len(s) > maxDigits || strings.Trim(s, "0123456789") != "" {
		return 0, false
	}
	n, err := strconv.ParseInt(s, 10, 64)
	return pay.Fen(n), err == nil
}
