package channel

import (
	"strings"
	"time"

	"cloudpay/internal/pay"
)

// Class is the class of a code, state or condition, in the spelling of
// vectors/upstream-codes-*.json.
type Class string

// The classes that calls use. What each asks of the server is pay.Next.
const (
	ClassPaid          Class = "PAID"
	ClassWaiting       Class = "WAITING"
	ClassDeclined      Class = "DECLINED"
	ClassUnknown       Class = "UNKNOWN"
	ClassQueryFirst    Class = "QUERY_FIRST"
	ClassRetrySame     Class = "RETRY_SAME"
	ClassReverse       Class = "REVERSE"
	ClassRefundInstead Class = "REFUND_INSTEAD"
	ClassOperator      Class = "OPERATOR"
)

// Rule is one line of an adapter's code table.
type Rule struct {
	Code      string // as on the wire; a trailing * stands for any ending
	Class     Class
	Reason    pay.Reason
	NoReverse bool
	Alert     bool
	Pause     time.Duration
}

// Unlisted is the rule for everything that no table names.
var Unlisted = Rule{Class: ClassUnknown, Alert: true}

// Outcome returns what the rule means. Code, text and evidence are the
// caller's to add.
func (r Rule) Outcome() pay.Outcome {
	out := pay.Outcome{Kind: pay.Unknown, Reason: r.Reason, NoReverse: r.NoReverse, Alert: r.Alert, Pause: r.Pause}
	switch r.Class {
	case ClassPaid:
		out.Kind = pay.Paid
	case ClassWaiting:
		out.Kind = pay.Waiting
	case ClassDeclined:
		out.Kind = pay.Declined
	case ClassUnknown:
	case ClassQueryFirst:
		out.Next = pay.NextQueryFirst
	case ClassRetrySame:
		out.Next = pay.NextRetrySame
	case ClassReverse:
		out.Next = pay.NextReverse
	case ClassRefundInstead:
		out.Next = pay.NextRefundInstead
	case ClassOperator:
		out.Next = pay.NextOperator
	}
	return out
}

// Table is the codes or states of one call, one line each.
type Table []Rule

// Find returns the rule for a code or state, or Unlisted. An exact line wins
// over one with a star.
func (t Table) Find(code string) Rule {
	star := Unlisted
	for _, r := range t {
		if r.Code == code {
			return r
		}
		if stem, ok := strings.CutSuffix(r.Code, "*"); ok && strings.HasPrefix(code, stem) {
			star = r
		}
	}
	return star
}
