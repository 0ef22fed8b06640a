// Package day closes the business days of merchants: what their orders, the
// ledger, the wallets' bills and their callbacks sum to, where these differ, and
// what has become known of days that were closed before. A closed day is signed,
// names the day before by its hash, and is never rewritten (money.md §7).
//
// # The file
//
// A file holds the closed days of one merchant, oldest first, one per line:
//
//	{"day":{…},"signature":"…"}
//
// "day" is a Record in canonical JSON: the members in the order of the Go
// struct, none left out but those marked omitempty, no spaces, no escapes but
// those that JSON demands, and every line ends with a line feed. "signature" is Ed25519 in base64
// over exactly the bytes of "day". "previous" is the SHA-256, in hex, of the bytes
// of the day before. A line that is not written in this one way is refused, so
// that no byte of a file can change unnoticed. A line has at most 16 MiB.
//
// Keys: a record names its public key. The first record under a new key carries
// "endorsement", the signature by the key before over EndorsedBytes of the new
// one, so that who trusts the first key needs no other.
//
// This package knows sums, hashes and signatures. It must not know a wallet, the
// wire or HTTP, and it moves no money.
package day

import (
	"bytes"
	"crypto/ed25519"
	"crypto/sha256"
	"encoding/base64"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"time"

	"cloudpay/internal/pay"
)

// Form names the form of a record.
const Form = "cloudpay.day.1"

// Limits of a record.
const (
	// maxListed is how many differences and adjustments a record names one by one;
	// of the rest it has the number and the sums.
	maxListed = 10_000
	maxLine   = 16 << 20 // 20,000 lines of 800 bytes
	maxDays   = 100_000  // 270 years
)

// Record is one closed day of one merchant. All amounts are fen.
type Record struct {
	Form        string       `json:"form"`
	Merchant    string       `json:"out_sub_mch_id"`
	Date        string       `json:"date"`     // of Asia/Shanghai, 2026-11-20
	Number      int64        `json:"number"`   // 1 for the first day that was closed, and one more each day
	Previous    string       `json:"previous"` // "" for the first
	Key         string       `json:"key"`      // Ed25519, base64
	Endorsement string       `json:"endorsement,omitempty"`
	ClosedAt    string       `json:"closed_at"` // RFC 3339, UTC
	Balanced    bool         `json:"balanced"`  // the four sums are equal and nothing is listed as open
	Channels    []Channel    `json:"channels"`
	Differences []Difference `json:"differences"`
	MoreDiffs   int64        `json:"more_differences"` // beyond those listed
	Adjustments []Adjustment `json:"adjustments"`
	MoreAdjusts int64        `json:"more_adjustments"`
	Items       int64        `json:"items"`        // payments, reversals and refunds of the day
	ItemsSHA256 string       `json:"items_sha256"` // of them, as ItemLine writes them, in order
}

// Channel is one wallet's part of a day.
type Channel struct {
	Channel   pay.Channel `json:"channel"`
	Orders    Sums        `json:"orders"`    // by the orders and refunds themselves
	Ledger    Sums        `json:"ledger"`    // by what was booked for them
	Bill      Sums        `json:"bill"`      // by the wallet's bill; zero if BillState is not "reconciled"
	Callbacks Sums        `json:"callbacks"` // by what merchants have acknowledged, or need not
	BillState string      `json:"bill_state"`
}

// The states of a bill in a record.
const (
	BillReconciled = "reconciled"
	BillAbsent     = "absent"
)

// Sums are what moved in a day, each positive. In is payments, Back refunds and
// reversals.
type Sums struct {
	InCount   int64   `json:"in_count"`
	In        pay.Fen `json:"in"`
	BackCount int64   `json:"back_count"`
	Back      pay.Fen `json:"back"`
}

// Plus returns the sums of both.
func (s Sums) Plus(t Sums) Sums {
	return Sums{s.InCount + t.InCount, s.In + t.In, s.BackCount + t.BackCount, s.Back + t.Back}
}

// net is what is left of the day.
func (s Sums) net() pay.Fen { return s.In - s.Back }

// The kinds of differences that are not a bill's. A bill's have the types of
// reconciliation, with "bill_" before them.
const (
	DiffLedger   = "ledger"   // the books of an item differ from the item
	DiffCallback = "callback" // the merchant has not acknowledged the event
	DiffSum      = "bill_sum" // the bill's sum differs by more than its differences explain
)

// Difference is one thing that does not agree.
type Difference struct {
	Kind    string      `json:"kind"`
	Channel pay.Channel `json:"channel"`
	Item    string      `json:"item"` // payment:, refund: or reversal: and a number; "" for a sum
	Ours    pay.Fen     `json:"ours"`
	Theirs  pay.Fen     `json:"theirs"`
	State   string      `json:"state"` // open, explained or repaired
	Why     string      `json:"why"`
}

// Adjustment is what has become known of a closed day since: a correction of
// the day Of, in the record of the day on which it was found.
type Adjustment struct {
	Of      string      `json:"of"` // the closed day it corrects
	Channel pay.Channel `json:"channel"`
	Item    string      `json:"item"`
	In      pay.Fen     `json:"in"`   // to be added to that day's In, or taken from it
	Back    pay.Fen     `json:"back"` // the same of Back
}

// Signed is a record as it stands in a file.
type Signed struct {
	Bytes     []byte // of the record
	Signature []byte
}

// signedLine is a line of a file.
type signedLine struct {
	Day       json.RawMessage `json:"day"`
	Signature string          `json:"signature"`
}

// canonical encodes without HTML escapes, which would make the form depend on a
// browser's habits.
func canonical(v any) ([]byte, error) {
	var b bytes.Buffer
	enc := json.NewEncoder(&b)
	enc.SetEscapeHTML(false)
	if err := enc.Encode(v); err != nil {
		return nil, err
	}
	return bytes.TrimSuffix(b.Bytes(), []byte("\n")), nil
}

// Sign encodes and signs a record, whose Key it sets.
func Sign(r Record, key ed25519.PrivateKey) (Signed, error) {
	public, ok := key.Public().(ed25519.PublicKey)
	if !ok {
		return Signed{}, errors.New("sign day: the key has no public half")
	}
	r.Form, r.Key = Form, base64.StdEncoding.EncodeToString(public)
	if r.Channels == nil {
		r.Channels = []Channel{}
	}
	if r.Differences == nil {
		r.Differences = []Difference{}
	}
	if r.Adjustments == nil {
		r.Adjustments = []Adjustment{}
	}
	raw, err := canonical(r)
	if err != nil {
		return Signed{}, fmt.Errorf("sign day: %w", err)
	}
	return Signed{raw, ed25519.Sign(key, raw)}, nil
}

// Hash is the name of a record: what the next one calls Previous.
func (s Signed) Hash() string {
	sum := sha256.Sum256(s.Bytes)
	return hex.EncodeToString(sum[:])
}

// Line is the record as a line of a file, with its line feed.
func (s Signed) Line() ([]byte, error) {
	raw, err := canonical(signedLine{s.Bytes, base64.StdEncoding.EncodeToString(s.Signature)})
	if err != nil {
		return nil, fmt.Errorf("write day: %w", err)
	}
	return append(raw, '\n'), nil
}

// EndorsedBytes is what a key signs to say that another follows it.
func EndorsedBytes(next ed25519.PublicKey) []byte {
	return append([]byte("cloudpay day key follows: "), next...)
}

// ParseKey reads a public key in base64.
func ParseKey(s string) (ed25519.PublicKey, error) {
	raw, err := base64.StdEncoding.DecodeString(s)
	if err != nil || len(raw) != ed25519.PublicKeySize {
		return nil, fmt.Errorf("the key %.60q is not an Ed25519 public key in base64", s)
	}
	return raw, nil
}

// shanghai is the zone of days.
var shanghai = time.FixedZone("CST", 8*60*60)

// ParseDate reads a date and returns when it begins and ends.
func ParseDate(s string) (from, to time.Time, err error) {
	from, err = time.ParseInLocation(time.DateOnly, s, shanghai)
	if err != nil {
		return from, to, fmt.Errorf("the date %.20q is not one: write 2026-11-20", s)
	}
	return from, from.AddDate(0, 0, 1), nil
}

// DateOf returns the business day of a moment, "" for the zero time.
func DateOf(at time.Time) string {
	if at.IsZero() {
		return ""
	}
	return at.In(shanghai).Format(time.DateOnly)
}

// nextDate returns the day after, "" for what is no date.
func nextDate(date string) string {
	_, to, err := ParseDate(date)
	if err != nil {
		return ""
	}
	return DateOf(to)
}
