package pay

import (
	"encoding/json"
	"time"
)

// Channel names an upstream wallet.
type Channel string

// The channels of this version.
const (
	Wxpay  Channel = "wxpay"
	Alipay Channel = "alipay"
)

// Platform returns the wire's pay_platform (protocol.md §3.1), 0 if unknown.
func (c Channel) Platform() int64 {
	switch c {
	case Wxpay:
		return 1
	case Alipay:
		return 2
	}
	return 0
}

// ChannelOf returns the channel of a wire pay_platform, "" if there is none.
func ChannelOf(platform int64) Channel {
	switch platform {
	case 1:
		return Wxpay
	case 2:
		return Alipay
	}
	return ""
}

// Kind is the verdict of an outcome. There is no fifth: what is not listed is
// Unknown, and Unknown is never Declined (upstreams.md §6).
type Kind string

// The four kinds. For reverse, close and refund calls Paid reads "done" and
// Waiting reads "accepted, not finished".
const (
	Paid     Kind = "Paid"
	Waiting  Kind = "Waiting"
	Declined Kind = "Declined"
	Unknown  Kind = "Unknown"
)

// Next is what an outcome asks of the server beyond its kind: the classes of
// vectors/upstream-codes-*.json. The zero value asks for nothing special.
type Next string

// What to do next.
const (
	NextNone          Next = ""
	NextQueryFirst    Next = "QUERY_FIRST"    // Unknown until one confirming query decides
	NextRetrySame     Next = "RETRY_SAME"     // repeat with the same numbers after a pause (never a pay request)
	NextReverse       Next = "REVERSE"        // reverse until definite
	NextRefundInstead Next = "REFUND_INSTEAD" // reversing is no longer possible
	NextOperator      Next = "OPERATOR"       // query, then raise a person
)

// Reason says whose trouble a refusal is.
type Reason string

// The reasons of vectors/upstream-codes-*.json.
const (
	ReasonNone          Reason = ""
	ReasonCustomer      Reason = "customer"
	ReasonOrderDead     Reason = "order_dead"
	ReasonConfiguration Reason = "configuration"
	ReasonRisk          Reason = "risk_or_limit"
	ReasonMerchant      Reason = "merchant"
	ReasonDuplicate     Reason = "duplicate"
	ReasonDoubt         Reason = "doubt" // ours, of no wallet: see doubt.go
	ReasonNotFound      Reason = "not_found"
	ReasonState         Reason = "state"
)

// Outcome is what a channel said about one call. It is a value, never an
// error: a lost answer is Outcome{Kind: Unknown, Lost: true}.
type Outcome struct {
	Kind   Kind
	Next   Next
	Reason Reason
	Code   string // the wallet's code or state as it stood on the wire; "" when the answer was lost
	Text   string // the wallet's sentence; may be shown to a cashier, at most 255 bytes
	// NoReverse forbids reversing this order for ever: the number may belong
	// to an earlier paid order (protocol.md §4.4, 407).
	NoReverse bool
	// Differs says that a verified answer reports a payment whose amount or
	// merchant is not the request's. It goes with Unknown: never paid, and a
	// reason not to reverse, since the number may belong to somebody else.
	Differs bool
	// Alert asks for an operator's attention.
	Alert bool
	// Verified says that a signed answer was read, whatever it said, or a
	// refusal of WeChat's APIv3, which are never signed, whose code is listed
	// (upstreams.md §6). Only a verified answer counts as evidence that an order
	// is unpaid.
	Verified bool
	// Lost says that no complete answer came: transport error, time-out,
	// unreadable or unverifiable body. The query then goes out at once.
	Lost bool
	// Pause is the shortest wait before the same call may be repeated, 0 for
	// the ladder's own step.
	Pause time.Duration
	// WalletTime is the wallet's own time when it answered, to the second; zero if
	// it did not say. It says how far our clock is ahead (money.md §2).
	WalletTime time.Time
	// Payment holds what the wallet says of the payment; meaningful when Kind
	// is Paid, or when Returned is set.
	Payment Payment
	// Returned says that the order was paid and that the whole amount went
	// back to the customer (REVOKED or TRADE_CLOSED with a pay date, cancel
	// with action=refund).
	Returned bool
}

// Payment is the wallet's account of one successful payment. Amounts in fen.
type Payment struct {
	TransactionID string    // the wallet's number
	PaidAt        time.Time // the wallet's pay time; zero if it did not say
	Total         Fen       // the order amount; 0 if the answer did not carry it
	Settlement    Fen       // settlement_total_fee or receipt_amount; 0 if absent (then Total)
	Cash          Fen       // cash_fee or buyer_pay_amount, memo only
	PayerID       string    // openid or buyer id
	BankType      string
	// Finished says TRADE_FINISHED: paid and no longer refundable.
	Finished bool
	// Refunded is what the wallet says was refunded so far; meaningful only
	// when RefundState is true (trade_state REFUND).
	Refunded    Fen
	RefundState bool
	// Promo is who paid for what, Promotion.Encode: a memo that no rule of
	// money reads. "" for nothing.
	Promo string
}

// Promotion is what a wallet says of coupons, discounts and sources of one
// payment or refund. Amounts in fen. It is kept as JSON with the order and
// shown again; limits and postings never use it (money.md §5).
type Promotion struct {
	CouponFee   int64      `json:"coupon_fee,omitempty"` // sum, WeChat
	Coupons     []Coupon   `json:"coupons,omitempty"`
	Vouchers    []Voucher  `json:"vouchers,omitempty"`   // Alipay voucher_detail_list
	FundBills   []FundBill `json:"fund_bills,omitempty"` // Alipay fund_bill_list, refund_detail_item_list
	PointFee    int64      `json:"point_fee,omitempty"`
	InvoiceFee  int64      `json:"invoice_fee,omitempty"`
	BuyerLogon  string     `json:"buyer_logon_id,omitempty"` // masked by the wallet
	Subscribed  string     `json:"is_subscribe,omitempty"`   // Y or N
	GoodsDetail string     `json:"goods_detail,omitempty"`   // Alipay discount_goods_detail, JSON text
}

// Coupon is one WeChat coupon.
type Coupon struct {
	BatchID string `json:"batch_id,omitempty"`
	ID      string `json:"id,omitempty"`
	Fee     int64  `json:"fee"`
	Type    string `json:"type,omitempty"` // CASH or NO_CASH
}

// Voucher is one Alipay voucher. Amounts in fen.
type Voucher struct {
	ID             string `json:"id,omitempty"`
	Name           string `json:"name,omitempty"`
	Type           string `json:"type,omitempty"`
	Amount         int64  `json:"amount"`
	MerchantAmount int64  `json:"merchant_amount,omitempty"`
	OtherAmount    int64  `json:"other_amount,omitempty"`
	Memo           string `json:"memo,omitempty"`
}

// FundBill is one source of money at Alipay. Amounts in fen.
type FundBill struct {
	Channel    string `json:"channel"`
	Amount     int64  `json:"amount"`
	RealAmount int64  `json:"real_amount,omitempty"`
}

// RefundPaid is the wallet's account of one refund. Amounts in fen.
type RefundPaid struct {
	RefundID    string
	Refund      Fen       // the refunded amount; 0 if absent
	Settlement  Fen       // settlement_refund_fee or send_back_fee; 0 if absent (then Refund)
	Cash        Fen       // memo
	SucceededAt time.Time // zero if not said
	RecvAccount string
	Promo       string // Promotion.Encode, memo
}

// Encode returns the JSON of p, "" for the zero value.
func (p Promotion) Encode() string {
	raw, err := json.Marshal(p)
	if err != nil {
		panic("pay: strings and numbers do not encode: " + err.Error())
	}
	if string(raw) == "{}" {
		return ""
	}
	return string(raw)
}

// DecodePromotion reads what Encode wrote. Anything else is the zero value: a
// memo must not fail an answer about money.
func DecodePromotion(s string) Promotion {
	var p Promotion
	if s == "" || json.Unmarshal([]byte(s), &p) != nil {
		return Promotion{}
	}
	return p
}
