// Package pay is the domain of cloudpay: amounts, orders, refunds, what a
// channel said about them, which state follows from it, what the server does
// next, and the ledger postings that follow.
//
// It is pure. It does no I/O, reads no clock and holds no lock: every function
// takes what it needs, the time included, and returns what should happen. It
// must not know SQL, HTTP, the wire protocol or any wallet's spelling. The
// rules are those of money.md; each function names the chapter it follows.
package pay

import "errors"

// Kinds of refusal that cross rooms. Test with errors.Is; api.statusOf turns
// each into a cpay status, and an error of no kind is SYSTEM_ERROR outside.
var (
	// ErrNotFound says that the merchant has no such order or refund.
	ErrNotFound = errors.New("not found")
	// ErrConflict says that the number exists with other parameters (407).
	ErrConflict = errors.New("conflict")
	// ErrInvalid says that a field of the request is not acceptable.
	ErrInvalid = errors.New("invalid")
	// ErrDenied says that the caller may not do this, or not now.
	ErrDenied = errors.New("denied")
	// ErrDead says that the order ended without payment: another number is
	// needed (102).
	ErrDead = errors.New("dead")
	// ErrUnavailable says that the answer is not known at present: ask again.
	ErrUnavailable = errors.New("unavailable")
)

// Error is a refusal with a kind for the program and a sentence for a person.
// It is immutable and safe for concurrent use.
type Error struct {
	Kind error  // one of the Err… values above
	Code string // stable name for logs and tests, e.g. "over_refundable"
	Text string // shown to the cashier or developer, Chinese where a till shows it
	// Never holds a secret or a whole payment code.
}

// Error returns the code and the sentence.
func (e *Error) Error() string { return e.Code + ": " + e.Text }

// Unwrap returns the kind, so that errors.Is(err, ErrDenied) works.
func (e *Error) Unwrap() error { return e.Kind }

// Refuse returns an *Error of the given kind.
func Refuse(kind error, code, text string) error {
	return &Error{Kind: kind, Code: code, Text: text}
}
