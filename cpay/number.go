package cpay

import (
	"errors"
	"math"
	"strings"
)

// maxIDDigits bounds the text made from a number such as 1E3 that stands where
// an id belongs. Every id of the protocol is shorter than 64 characters
// (protocol.md R22).
const maxIDDigits = 64

// maxExponent is where the reading of an exponent stops counting: no accepted
// number needs more than two digits of it, and a longer one must be refused
// without work that grows with its value.
const maxExponent = 9999

var (
	errNotInteger = errors.New("is not a whole number")
	errOutOfRange = errors.New("is out of range")
	errNotText    = errors.New("is neither text nor a whole number")
)

// Int is an integer as clients of this protocol write it: 1, 1.0, 1E0 or "1",
// decoded exactly and never through a float (protocol.md §1.1.1, R04, R05).
// Fractions such as 1.5 and values beyond int64 are refused. null and "" mean
// that the member is absent and leave the value as it was.
//
// The messages of this package read their integers this way already. Int is for
// documents of your own that come from the same kinds of client.
type Int int64

// UnmarshalJSON reads one JSON value by the rules of [Int].
func (n *Int) UnmarshalJSON(raw []byte) error {
	r := reader{s: string(raw)}
	v, ok := r.integer()
	if r.err != nil {
		return r.err
	}
	if ok {
		*n = Int(v)
	}
	return nil
}

// Text is a string that some clients write as a number, such as "device_id":1
// (protocol.md §1.1.1, R05). A number becomes the text of the integer it
// denotes, so 1.0 is "1"; a string is kept exactly as it is, so "01" stays "01".
// null leaves the value as it was.
type Text string

// UnmarshalJSON reads one JSON value by the rules of [Text].
func (t *Text) UnmarshalJSON(raw []byte) error {
	r := reader{s: string(raw)}
	v, ok := r.text()
	if r.err != nil {
		return r.err
	}
	if ok {
		*t = Text(v)
	}
	return nil
}

// Interface numbers one interface in monitoring data (protocol.md §3.12). It is
// read from a number or from the name of a method, and never refused: what is
// neither becomes 0 (R06).
type Interface int64

// UnmarshalJSON reads one JSON value by the rules of [Interface]. It fails only
// if the value is not JSON.
func (n *Interface) UnmarshalJSON(raw []byte) error {
	r := reader{s: string(raw)}
	if v, ok := r.integer(); ok && r.err == nil {
		*n = Interface(v)
		return nil
	}
	r = reader{s: string(raw)}
	name, ok := r.text()
	if !ok || r.err != nil {
		*n = 0
		return nil //nolint:nilerr // monitoring data is never refused for its content
	}
	*n = interfaceNumbers[name]
	return nil
}

// interfaceNumbers is protocol.md §3.12 by the names of the paths.
var interfaceNumbers = map[string]Interface{
	"set_sub_mch_shop_info":         13,
	"query_sub_mch_shop_info":       14,
	"micro_pay":                     100,
	"scan_code_pay":                 101,
	"official_account_pay":          102,
	"close_order":                   103,
	"refund":                        104,
	"query_order":                   106,
	"query_refund_order":            107,
	"reverse":                       108,
	"upload_client_monitor_info":    202,
	"upload_client_conf_info":       203,
	"client_initialize":             210,
	"client_try_get_initializers":   212,
	"query_identity_mapping":        213,
	"client_order_detail":           221,
	"client_sub_mch_sales_overview": 224,
	"ping":                          50000,
}

// number is a JSON number taken apart. The fields are parts of the literal, so
// taking one apart allocates nothing.
type number struct {
	negative   bool
	whole      string // digits before the point, at least one
	fraction   string // digits after the point, perhaps none
	exponent   int    // saturated at ±maxExponent
	scientific bool   // an exponent was written
}

// parseNumber takes a literal apart by the grammar of RFC 8259, which knows no
// leading zeros, plus signs, spaces or hexadecimal.
func parseNumber(lit string) (number, bool) {
	var n number
	if strings.HasPrefix(lit, "-") {
		n.negative, lit = true, lit[1:]
	}
	n.whole, lit = cutDigits(lit)
	if n.whole == "" || (len(n.whole) > 1 && n.whole[0] == '0') {
		return n, false
	}
	if strings.HasPrefix(lit, ".") {
		n.fraction, lit = cutDigits(lit[1:])
		if n.fraction == "" {
			return n, false
		}
	}
	if lit == "" {
		return n, true
	}
	if lit[0] != 'e' && lit[0] != 'E' {
		return n, false
	}
	n.scientific = true
	lit = lit[1:]
	minus := strings.HasPrefix(lit, "-")
	if minus || strings.HasPrefix(lit, "+") {
		lit = lit[1:]
	}
	digits, rest := cutDigits(lit)
	if digits == "" || rest != "" {
		return n, false
	}
	for i := range len(digits) {
		n.exponent = min(n.exponent*10+int(digits[i]-'0'), maxExponent)
	}
	if minus {
		n.exponent = -n.exponent
	}
	return n, true
}

// cutDigits splits s behind its leading digits.
func cutDigits(s string) (digits, rest string) {
	i := 0
	for i < len(s) && '0' <= s[i] && s[i] <= '9' {
		i++
	}
	return s[:i], s[i:]
}

// digit returns the i-th digit of the coefficient, and zero beyond its end.
func (n number) digit(i int) byte {
	switch {
	case i < len(n.whole):
		return n.whole[i]
	case i < len(n.whole)+len(n.fraction):
		return n.fraction[i-len(n.whole)]
	}
	return '0'
}

// point is how many digits of the coefficient stand before the decimal point
// once the exponent is applied; it may be negative.
func (n number) point() int { return len(n.whole) + n.exponent }

// integral reports whether everything behind the point is zero, and whether the
// whole value is zero.
func (n number) integral() (whole, zero bool) {
	whole, zero = true, true
	for i := range len(n.whole) + len(n.fraction) {
		if n.digit(i) == '0' {
			continue
		}
		zero = false
		if i >= n.point() {
			whole = false
		}
	}
	return whole, zero
}

// int64 returns the exact value, or why there is none.
func (n number) int64() (int64, error) {
	whole, zero := n.integral()
	if zero {
		return 0, nil
	}
	if !whole {
		return 0, errNotInteger
	}
	limit := uint64(math.MaxInt64)
	if n.negative {
		limit++
	}
	var v uint64
	for i := range n.point() {
		d := uint64(n.digit(i) - '0')
		if v > (limit-d)/10 {
			return 0, errOutOfRange
		}
		v = v*10 + d
	}
	if n.negative {
		return -int64(v-1) - 1, nil //nolint:gosec // v is between 1 and 1<<63, so v-1 fits
	}
	return int64(v), nil
}

// id returns the digits of the integer that the number denotes.
func (n number) id() (string, error) {
	whole, zero := n.integral()
	if zero {
		return "0", nil
	}
	if !whole {
		return "", errNotText
	}
	var b []byte
	if n.negative {
		b = append(b, '-')
	}
	started := false
	for i := range n.point() {
		d := n.digit(i)
		if started = started || d != '0'; !started {
			continue
		}
		if len(b) == maxIDDigits {
			return "", errOutOfRange
		}
		b = append(b, d)
	}
	return string(b), nil
}

// parseInt reads the literal of a number, quickly if it is plain digits.
func parseInt(lit string) (int64, error) {
	const safe = 18 // digits that always fit an int64
	if len(lit) <= safe && lit != "" && (lit[0] != '0' || len(lit) == 1) {
		var v int64
		for i := range len(lit) {
			if lit[i] < '0' || lit[i] > '9' {
				return parseIntSlow(lit)
			}
			v = v*10 + int64(lit[i]-'0')
		}
		return v, nil
	}
	return parseIntSlow(lit)
}

// parseIntSlow reads every spelling of an integer that JSON knows.
func parseIntSlow(lit string) (int64, error) {
	n, ok := parseNumber(lit)
	if !ok {
		return 0, errNotInteger
	}
	return n.int64()
}
