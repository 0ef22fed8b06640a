package cpay

import "strconv"

// rules collects the first broken rule of a request.
type rules struct{ bad *FieldError }

// fail keeps the first broken rule.
func (r *rules) fail(field, reason string) {
	if r.bad == nil {
		r.bad = &FieldError{Field: field, Reason: reason}
	}
}

// need asks for a text that is not empty.
func (r *rules) need(field, v string) {
	if v == "" {
		r.fail(field, "is missing")
	}
}

// with adds the lengths of all members and returns the verdict.
func (r *rules) with(m Message) error {
	if r.bad == nil {
		r.bad = check(m)
	}
	return r.verdict()
}

// verdict returns the first broken rule, whatever the lengths.
func (r *rules) verdict() error {
	if r.bad == nil {
		return nil // not a nil *FieldError in an error
	}
	return r.bad
}

// merchant asks for the one id that names the merchant. Clients leave out the
// others.
func (r *rules) merchant(m *PayMchKey) { r.need("pay_mch_key.out_sub_mch_id", m.OutSubMchID) }

// tradeNo is the form of order and refund numbers that every wallet takes
// (protocol.md §4.6).
func (r *rules) tradeNo(field, v string) {
	r.need(field, v)
	if len(v) > limitTradeNo {
		r.fail(field, "is longer than 32 characters")
	}
	for i := range len(v) {
		b := v[i]
		if ('0' > b || b > '9') && ('A' > b || b > 'Z') && ('a' > b || b > 'z') {
			r.fail(field, "has characters other than letters and digits")
		}
	}
}

// fee asks for an amount that money can have and every client can read
// (protocol.md R24, §4.6).
func (r *rules) fee(field string, v int64) {
	switch {
	case v == 0:
		r.fail(field, "is missing or zero")
	case v < 0:
		r.fail(field, "is negative")
	case v > MaxFee:
		r.fail(field, "is more than 2147483647 fen")
	}
}

// currency allows the only one there is, and its absence.
func (r *rules) currency(field, v string) {
	if v != "" && v != "CNY" {
		r.fail(field, "is not CNY")
	}
}

// payment is what all ways of paying need.
func (r *rules) payment(m *PayContent) {
	r.tradeNo("pay_content.out_trade_no", m.OutTradeNo)
	r.fee("pay_content.total_fee", m.TotalFee)
	r.currency("pay_content.fee_type", m.FeeType)
}

// tradeType refuses ways of paying that no call can ask for. The path says which
// of the others is meant, whatever stands here: clients copy the member.
func (r *rules) tradeType(t TradeType) {
	if t == TradeSoundWave || t == TradeOneCode {
		r.fail("trade_type", "cannot be asked for")
	}
}

// period asks for the end of a time span, and that it is not before the
// beginning, which may be left out.
func (r *rules) period(from, to string, start, end int64) {
	switch {
	case start < 0:
		r.fail(from, "is negative")
	case end == 0:
		r.fail(to, "is missing")
	case end < start:
		r.fail(to, "is before "+from)
	}
}

// page asks for a page, counted from 1.
func (r *rules) page(num, size string, n, s int64) {
	switch {
	case n == 0:
		r.fail(num, "is missing or zero")
	case n < 0 || n > MaxFee:
		r.fail(num, "is out of range")
	case s == 0:
		r.fail(size, "is missing or zero")
	case s < 0 || s > MaxFee:
		r.fail(size, "is out of range")
	}
}

// orderTypes allows the kinds of lists there are, and the absence of one.
func (r *rules) orderTypes(field string, t OrderType) {
	if t < 0 || t > OrderTypeUnfreezes {
		r.fail(field, "is not an order type")
	}
}

// element is the path of a member of an element of a list.
func element(list string, i int, member string) string {
	return list + "[" + strconv.Itoa(i) + "]." + member
}
