package pay

import "time"

// OrderState is where an order stands (money.md §1). Final states never
// change; money that still arrives for them is late money (Order.Late).
type OrderState string

// The states of an order.
const (
	PAYING    OrderState = "PAYING"
	PAID      OrderState = "PAID"
	DECLINED  OrderState = "DECLINED"
	REVERSING OrderState = "REVERSING"
	REVERSED  OrderState = "REVERSED"
	CLOSING   OrderState = "CLOSING"
	CLOSED    OrderState = "CLOSED"
)

// OrderStates lists every state, in the order of money.md §1.
var OrderStates = []OrderState{PAYING, PAID, DECLINED, REVERSING, REVERSED, CLOSING, CLOSED}

// Final reports whether the state needs no more work. PAID is final for the
// ladder, although it may still be refunded or, by policy, reversed.
func (s OrderState) Final() bool {
	switch s {
	case PAYING, REVERSING, CLOSING:
		return false
	case PAID, DECLINED, REVERSED, CLOSED:
		return true
	}
	return false
}

// LateState is what became of money that arrived for a dead order.
type LateState string

// The states of late money.
const (
	LateNone     LateState = ""
	LateHeld     LateState = "HELD"
	LateReturned LateState = "RETURNED"
	LateAdopted  LateState = "ADOPTED"
)

// Truth says what an order's state rests on (design.md §11), weakest first.
type Truth string

// The sources of truth.
const (
	TruthLocal  Truth = "local"
	TruthAnswer Truth = "answer"
	TruthNotice Truth = "notice"
	TruthQuery  Truth = "query"
	TruthBill   Truth = "bill"
)

// Confirmed says who confirms a state, in one of three words: "local" for nobody
// but us, "channel" for the wallet, by whatever way, and "bill" for the wallet's
// bill, which nothing overrules.
func (t Truth) Confirmed() string {
	switch t {
	case TruthBill:
		return "bill"
	case TruthAnswer, TruthNotice, TruthQuery:
		return "channel"
	case TruthLocal:
	}
	return "local"
}

// TradeType is the wire's trade_type (protocol.md §3.3).
type TradeType int64

// The trade types in use. Sound wave (5) is refused.
const (
	TradeMicroPay        TradeType = 1
	TradeScanCode        TradeType = 2
	TradeOfficialAccount TradeType = 3
	TradeApp             TradeType = 4
	TradeMobileWeb       TradeType = 6
	TradeOneCode         TradeType = 8
	TradeMiniProgram     TradeType = 9
)

// Unified reports whether orders of this type are prepared first and paid by
// the customer later, as all but code payments are. The zero value is no type.
func (t TradeType) Unified() bool { return t != TradeMicroPay && t != 0 }

// Prepaid is what a wallet hands out for a unified order: what the customer's
// phone needs to pay it. The zero value says that none is known (yet).
type Prepaid struct {
	CodeURL  string `json:"code_url,omitempty"`  // scan_code_pay: what the QR code holds
	PrepayID string `json:"prepay_id,omitempty"` // WeChat's handle of the prepared order
	MwebURL  string `json:"mweb_url,omitempty"`  // mob_web_pay
	TradeNo  string `json:"trade_no,omitempty"`  // Alipay's number of a created order
	API      string `json:"api,omitempty"`       // WeChat's interface that prepared it, "" for v2: it says how to sign for the phone
}

// Order is one order of one merchant. Times are UTC with millisecond
// precision, zero when they have not happened. It is a value: Apply returns a
// changed copy, and the store writes it with a compare-and-set.
type Order struct {
	MerchantID string // out_sub_mch_id, unique in the installation
	OutTradeNo string
	ProviderID string // out_mch_id
	Channel    Channel
	TradeType  TradeType
	State      OrderState
	// Unit is the id of the unit of work that last wrote the row. It is the
	// version of the compare-and-set (money.md §4).
	Unit        string
	Total       Fen
	Currency    string // "CNY"
	Fingerprint string // hex; decides replay or 407 (money.md §2)
	CodeHash    string // keyed hash of the payment code, "" for none
	ShopID      string
	DeviceID    string
	StaffID     string
	Body        string
	NotifyURL   string // caller_notify_url, "" for the provider's
	// Extra is the JSON of what the caller sent and only wants to see again
	// (detail, attach, remark, client_flow_id, order_client …), at most 12 KiB.
	Extra string
	// The sender's kind, for statistics; 0 and "" when not said.
	TerminalType    int64
	SubTerminalType int64
	QRCodeID        string
	SourceType      int64  // protocol.md §3.14
	Authen          string // authen_info of the request that made the order, as JSON, at most 1 KiB
	// ExpireAt is the last moment a unified order can be paid, as the wallet was
	// told. Zero for code payments.
	ExpireAt time.Time
	// Prepaid is what the wallet answered to the prepay call of a unified order.
	Prepaid Prepaid
	// Settle is the merchant's ladder when the order was opened, and HoldLate
	// says that late money waits for a person instead of being returned at once.
	Settle   Setting
	HoldLate bool

	TransactionID string // ours until the wallet's is known (protocol.md R39)
	Settlement    Fen    // N of money.md §5, set when paid
	Cash          Fen    // memo
	PayerID       string
	BankType      string
	Promo         string // JSON of a Promotion, "" for none: memo
	PaidAt        time.Time
	Finished      bool // TRADE_FINISHED: no longer refundable

	Reserved     Fen // accepted refunds, open or succeeded; 0 ≤ Reserved ≤ Total
	Refunded     Fen // succeeded refunds; Refunded ≤ Reserved
	RefundSentAt time.Time

	SentAt    time.Time // the intent: the pay request leaves right after
	CreatedAt time.Time
	UpdatedAt time.Time

	Seen       Kind      // Waiting or Unknown while PAYING: what the last answer said
	AskedAt    time.Time // last query that was sent and came back or was lost
	AskAt      time.Time // when the next query is due, zero when none is wanted
	Asks       int64     // queries so far
	UnpaidAt   time.Time // last verified answer that showed the order unpaid or absent
	NoReverse  bool      // duplicate number: never reversed (money.md §3 row 6)
	Stopped    bool      // PAYERROR: the customer cancelled; shown as declined
	Duplicate  bool      // ended as 407
	ReverseAsk bool      // a cashier asked for the reverse
	Watch      bool      // final, but to be asked once more (money.md §3 row 5, or a notice after REVERSED)

	ReverseSentAt time.Time // set before the first reverse leaves
	ReversedAt    time.Time // last time a reverse call was sent
	ReverseTries  int64
	ReverseDone   bool          // the wallet said the reverse is done; a query must confirm
	ReversePause  time.Duration // wait asked for by the last reverse answer
	RefundInstead bool          // row 10: reversing is no longer possible
	PaidSeen      bool          // paid, seen while REVERSING: booked, told to nobody
	MissingAt     time.Time     // first of the sightings of "does not exist" by query, row 11
	ReverseGone   bool          // reverse answered "does not exist" or found nothing

	Code   string // last code of the wallet, for the operator and the till
	Reason Reason
	Text   string
	Truth  Truth
	Late   LateState
}

// RefundState is where a refund stands (money.md §1).
type RefundState string

// The states of a refund.
const (
	RefundPending   RefundState = "PENDING"
	RefundSucceeded RefundState = "SUCCEEDED"
	RefundRejected  RefundState = "REJECTED"
	RefundNeedsHand RefundState = "NEEDS_HAND"
	RefundOffline   RefundState = "OFFLINE"
)

// RefundStates lists every refund state.
var RefundStates = []RefundState{RefundPending, RefundSucceeded, RefundRejected, RefundNeedsHand, RefundOffline}

// RefundOrigin says who wanted a refund.
type RefundOrigin string

// The origins of a refund (money.md §1).
const (
	OriginAPI     RefundOrigin = "api"
	OriginReverse RefundOrigin = "reverse" // row 10: reverse no longer possible
	OriginLate    RefundOrigin = "late"    // returns late money
	OriginChannel RefundOrigin = "channel" // made outside us
)

// Refund is one refund of one order. Times as in Order.
type Refund struct {
	MerchantID  string
	OutRefundNo string
	OutTradeNo  string
	Channel     Channel
	State       RefundState
	Origin      RefundOrigin
	Unit        string
	OpenUnit    string // the unit that reserved it; never changes, so a reader can tell who won
	Total       Fen    // of the order
	Amount      Fen
	Reason      string
	NotifyURL   string
	Extra       string // as Order.Extra
	// Who asked for the refund (R14), and by whose authority; "" when not said.
	ShopID       string
	DeviceID     string
	StaffID      string
	AuthorizedBy string // staff_id, or "admin"
	// As in Order. TradeType is the order's, whatever a new refund says.
	TradeType       TradeType
	TerminalType    int64
	SubTerminalType int64
	Authen          string
	Account         string // refund_account, "" for the wallet's default

	RefundID    string // ours until the wallet's is known
	Settlement  Fen    // n of money.md §5, set when succeeded
	Cash        Fen
	RecvAccount string
	Promo       string // JSON of a Promotion, "" for none: memo
	SucceededAt time.Time

	SentAt     time.Time // first send; zero while queued
	TriedAt    time.Time // last send or query
	Tries      int64
	Accepted   bool      // the wallet took it: now only asked for
	Unanswered bool      // some send had no definite answer
	Refused    bool      // a later send was refused while an earlier one is unanswered
	Do         Act       // what the refund's job does next: ActSend or ActAsk
	DoAt       time.Time // when
	MissingAt  time.Time // first verified "no such refund" since the last send
	CreatedAt  time.Time
	UpdatedAt  time.Time
	Code       string
	Text       string
}
