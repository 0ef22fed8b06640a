package pay

import "time"

// Act is what the server does next for an order or a refund.
type Act string

// The acts.
const (
	ActNone    Act = ""        // nothing is left to do: the job is finished
	ActQuery   Act = "query"   // ask the channel for the order
	ActReverse Act = "reverse" // commit reverse_sent_at, then send the reverse
	ActRefund  Act = "refund"  // refund in full under the fixed number (row 10, late money)
	ActClose   Act = "close"   // commit that it is sent, then close a unified order (row 12)
	ActCancel  Act = "cancel"  // DECLINED order found waiting: cancel it without changing its state (row 5)
	ActSend    Act = "send"    // refunds: send or repeat with the same number
	ActAsk     Act = "ask"     // refunds: ask for its state
)

// Step is one act and when it is due.
type Step struct {
	Act Act
	At  time.Time
}

// Change is the result of applying an event to an order: the row as it should
// become, and everything that must be written with it in one unit of work.
type Change struct {
	// From is the row the decision was made on. The write succeeds only if the
	// stored state and unit are still From's.
	From Order
	// Order is the row as it should become; its Unit is set by the store.
	Order    Order
	Postings []Posting
	// Refunds are new refund rows that this change discovers (made outside us).
	Refunds []Refund
	// Callbacks are events the merchant must be told, e.g. EventPaid.
	Callbacks []string
	// Raise is a sentence for an operator, "" for none.
	Raise string
	// Silent says that the wallet did not answer: what the order wants next waits
	// with everything else that is silent there.
	Silent bool
	// Calm holds sentences that were raised for this order and no longer hold.
	Calm []string
	// Hand is set when a person did it.
	Hand Hand
}

// Changed reports whether the change is worth a write.
func (c Change) Changed() bool {
	return c.From != c.Order || len(c.Postings) > 0 || len(c.Refunds) > 0 || len(c.Callbacks) > 0
}

// RefundChange is the result of applying an event to a refund.
type RefundChange struct {
	From     Refund
	Refund   Refund
	Postings []Posting
	// Reserved and Refunded are added to the order's columns, in fen.
	Reserved, Refunded Fen
	// SentAt, when not zero, becomes the order's RefundSentAt (spacing).
	SentAt time.Time
	// Late, when not empty, becomes the order's late state.
	Late      LateState
	Callbacks []string
	Raise     string
	Silent    bool     // as in Change
	Calm      []string // as in Change, of this refund, and of its order when Late is set
	Hand      Hand
	// OnOrder, when not empty, is the Unit of the order's row that the change was
	// decided on: it is lost if the order has changed since.
	OnOrder string
}

// Names of callback events. A refund's event carries its number after a colon.
const (
	EventPaid     = "paid"
	EventRefund   = "refund:"
	EventReversed = "reversed"
)
