package evidence

import (
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"time"

	"cloudpay/internal/pay"
)

// Kind says what a record is about. Kinds are stored: never change one.
type Kind string

// The kinds.
const (
	Request Kind = "request" // a till asked us
	Call    Kind = "call"    // we asked a wallet
	Notice  Kind = "notice"  // a wallet told us
	Change  Kind = "change"  // an order or a refund changed its state
	Gap     Kind = "gap"     // records were dropped here
)

// Limits of one record. The longest documented answer of a wallet is below
// 16 KiB; a record fits a page, and a page fits what a sealed value may be.
const (
	maxBody      = 16 << 10
	maxRecord    = 40 << 10 // all bodies of a record
	maxExchanges = 4        // a call, its backup host, and a download of certificates before each
	maxText      = 1 << 10  // every other text
)

// Raw is bytes as they were on the wire. They may hold a payment code, so that
// they print as their length; String of it says no more.
type Raw []byte

// String returns the length only.
func (r Raw) String() string { return fmt.Sprintf("[%d bytes]", len(r)) }

// Format writes the length for every verb.
func (r Raw) Format(f fmt.State, _ rune) { _, _ = io.WriteString(f, r.String()) }

// LogValue shows the length.
func (r Raw) LogValue() slog.Value { return slog.StringValue(r.String()) }

// MarshalJSON shows the length: whoever may show the bytes does it on purpose.
func (r Raw) MarshalJSON() ([]byte, error) { return fmt.Appendf(nil, "%q", r.String()), nil }

// Exchange is one request on a wire and its answer. Headers are lines of
// "Name: value"; only those that matter are kept.
type Exchange struct {
	Method       string
	URL          string
	Header       Raw
	Request      Raw
	Status       int64
	AnswerHeader Raw
	Answer       Raw
	Lost         string // why there is no answer, "" when there is one
	Took         time.Duration
	// Cut says how many bytes of request and answer were too many to be kept.
	Cut int64
}

// Record is one thing that was said or done about an order. Members that do
// not apply are zero.
type Record struct {
	Kind        Kind
	MerchantID  string
	OutTradeNo  string // "" when nobody vouches for which order it is about
	OutRefundNo string
	At          time.Time // when it began, milliseconds
	Took        time.Duration
	Channel     pay.Channel
	// Name is the call, the interface of the protocol, or what made a change.
	Name string
	// Verdict is how it came out: an outcome's kind, a status, "verified" or
	// "refused", or the new state.
	Verdict  string
	Verified bool // a signature or code was checked and held
	Code     string
	Reason   string
	Text     string
	From     string // the state before a change
	Truth    string // what a change rests on
	Unit     string // the unit of work that wrote a change
	DeviceID string
	LogID    int64
	Count    int64     // of dropped records
	Until    time.Time // when the last of them was dropped
	// Exchanges are what went over the wire, in order.
	Exchanges []Exchange
}

// size is what a record takes in memory, about.
func (r *Record) size() int {
	n := 512
	for i := range r.Exchanges {
		e := &r.Exchanges[i]
		n += len(e.URL) + len(e.Header) + len(e.Request) + len(e.AnswerHeader) + len(e.Answer)
	}
	return n
}

// The tags of members as they are stored: never change one, never use one again.
const (
	tagKind = iota + 1
	tagOrder
	tagRefund
	tagAt
	tagTook
	tagChannel
	tagName
	tagVerdict
	tagVerified
	tagCode
	tagReason
	tagText
	tagFrom
	tagTruth
	tagUnit
	tagDevice
	tagLogID
	tagCount
	tagUntil
	tagExchange
)

// The tags of an exchange.
const (
	tagMethod = iota + 1
	tagURL
	tagHeader
	tagRequest
	tagStatus
	tagAnswerHeader
	tagAnswer
	tagLost
	tagExchangeTook
	tagCut
)

// append writes the record behind b: a sequence of tag, length and bytes.
// Members that are zero are left out, and readers skip tags they do not know.
func (r *Record) append(b []byte) []byte {
	b = appendText(b, tagKind, string(r.Kind))
	b = appendText(b, tagOrder, r.OutTradeNo)
	b = appendText(b, tagRefund, r.OutRefundNo)
	b = appendInt(b, tagAt, r.At.UnixMilli())
	b = appendInt(b, tagTook, r.Took.Microseconds())
	b = appendText(b, tagChannel, string(r.Channel))
	b = appendText(b, tagName, r.Name)
	b = appendText(b, tagVerdict, r.Verdict)
	if r.Verified {
		b = appendInt(b, tagVerified, 1)
	}
	b = appendText(b, tagCode, r.Code)
	b = appendText(b, tagReason, r.Reason)
	b = appendText(b, tagText, r.Text)
	b = appendText(b, tagFrom, r.From)
	b = appendText(b, tagTruth, r.Truth)
	b = appendText(b, tagUnit, r.Unit)
	b = appendText(b, tagDevice, r.DeviceID)
	b = appendInt(b, tagLogID, r.LogID)
	b = appendInt(b, tagCount, r.Count)
	if !r.Until.IsZero() {
		b = appendInt(b, tagUntil, r.Until.UnixMilli())
	}
	room := maxRecord
	for i := range r.Exchanges {
		if i == maxExchanges {
			break
		}
		b = appendBytes(b, tagExchange, r.Exchanges[i].append(nil, &room))
	}
	return b
}

// append writes an exchange; room is what its record may still hold.
func (e *Exchange) append(b []byte, room *int) []byte {
	cut := e.Cut
	body := func(tag byte, v Raw) {
		n := min(len(v), maxBody, *room)
		*room -= n
		cut += int64(len(v) - n)
		b = appendBytes(b, tag, v[:n])
	}
	b = appendText(b, tagMethod, e.Method)
	b = appendText(b, tagURL, e.URL)
	body(tagRequest, e.Request)
	b = appendInt(b, tagStatus, e.Status)
	body(tagAnswer, e.Answer)
	body(tagHeader, e.Header)
	body(tagAnswerHeader, e.AnswerHeader)
	b = appendText(b, tagLost, e.Lost)
	b = appendInt(b, tagExchangeTook, e.Took.Microseconds())
	return appendInt(b, tagCut, cut)
}

func appendBytes(b []byte, tag byte, v []byte) []byte {
	if len(v) == 0 {
		return b
	}
	b = append(b, tag)
	b = binary.AppendUvarint(b, uint64(len(v)))
	return append(b, v...)
}

func appendText(b []byte, tag byte, v string) []byte {
	if v == "" {
		return b
	}
	v = v[:min(len(v), maxText)]
	b = append(b, tag)
	b = binary.AppendUvarint(b, uint64(len(v)))
	return append(b, v...)
}

func appendInt(b []byte, tag byte, v int64) []byte {
	if v == 0 {
		return b
	}
	var n [binary.MaxVarintLen64]byte
	return appendBytes(b, tag, n[:binary.PutVarint(n[:], v)])
}

// errRecord is a record that cannot be read: the page was sealed by us, so that
// it is a mistake of ours or of a later version.
var errRecord = errors.New("evidence: a record is not readable")

// each calls f with every member of b.
func each(b []byte, f func(tag byte, v []byte)) error {
	for len(b) > 0 {
		tag := b[0]
		n, used := binary.Uvarint(b[1:])
		if used <= 0 || n > uint64(len(b)-1-used) { //nolint:gosec // used is not more than len(b)-1
			return errRecord
		}
		b = b[1+used:]
		f(tag, b[:n])
		b = b[n:]
	}
	return nil
}

func intOf(v []byte) int64 {
	n, _ := binary.Varint(v)
	return n
}

// recordOf reads what append wrote.
func recordOf(merchantID string, b []byte) (Record, error) {
	r := Record{MerchantID: merchantID}
	texts := map[byte]*string{
		tagOrder: &r.OutTradeNo, tagRefund: &r.OutRefundNo, tagName: &r.Name, tagVerdict: &r.Verdict, tagCode: &r.Code,
		tagReason: &r.Reason, tagText: &r.Text, tagFrom: &r.From, tagTruth: &r.Truth, tagUnit: &r.Unit, tagDevice: &r.DeviceID,
	}
	var inner error
	err := each(b, func(tag byte, v []byte) {
		if p := texts[tag]; p != nil {
			*p = string(v)
			return
		}
		switch tag {
		case tagKind:
			r.Kind = Kind(v)
		case tagAt:
			r.At = time.UnixMilli(intOf(v)).UTC()
		case tagTook:
			r.Took = time.Duration(intOf(v)) * time.Microsecond
		case tagChannel:
			r.Channel = pay.Channel(v)
		case tagVerified:
			r.Verified = true
		case tagLogID:
			r.LogID = intOf(v)
		case tagCount:
			r.Count = intOf(v)
		case tagUntil:
			r.Until = time.UnixMilli(intOf(v)).UTC()
		case tagExchange:
			e, err := exchangeOf(v)
			inner = errors.Join(inner, err)
			r.Exchanges = append(r.Exchanges, e)
		}
	})
	return r, errors.Join(err, inner)
}

func exchangeOf(b []byte) (Exchange, error) {
	var e Exchange
	err := each(b, func(tag byte, v []byte) {
		switch tag {
		case tagMethod:
			e.Method = string(v)
		case tagURL:
			e.URL = string(v)
		case tagHeader:
			e.Header = Raw(v)
		case tagRequest:
			e.Request = Raw(v)
		case tagStatus:
			e.Status = intOf(v)
		case tagAnswerHeader:
			e.AnswerHeader = Raw(v)
		case tagAnswer:
			e.Answer = Raw(v)
		case tagLost:
			e.Lost = string(v)
		case tagExchangeTook:
			e.Took = time.Duration(intOf(v)) * time.Microsecond
		case tagCut:
			e.Cut = intOf(v)
		}
	})
	return e, err
}
