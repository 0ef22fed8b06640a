package channel

import (
	"context"
	"time"

	"cloudpay/internal/pay"
)

// Limits of bills. A line has 250 to 400 bytes, so MaxBill is the day of a
// provider with about 700,000 movements; one that has more asks for its
// merchants one by one. The limit holds before and after decompression, so a
// small file cannot grow without end.
const (
	MaxBill      = 256 << 20
	MaxBillLines = 1_000_000
	// MaxBillLine bounds one line, in bytes: a file that is one line of
	// separators would need far more memory than its size.
	MaxBillLine = 64 << 10
	// BillTimeout ends the download of one bill, however long ctx would wait.
	BillTimeout = 5 * time.Minute
)

// BillKind says which bill of a day is asked for.
type BillKind string

// The kinds of bills.
const (
	BillTrade BillKind = "trade" // orders, refunds and reversals
	BillFund  BillKind = "fund"  // movements of an account of WeChat's; Alipay's adapter has none
)

// BillAccount is the account whose movements a fund bill lists, as WeChat Pay
// names it (upstreams.md §3.8). "" is BillBasic.
type BillAccount string

// The accounts of a WeChat merchant.
const (
	BillBasic     BillAccount = "BASIC"
	BillOperation BillAccount = "OPERATION"
	BillFees      BillAccount = "FEES"
)

// BillRequest names one bill of one day.
type BillRequest struct {
	Kind BillKind
	// Day is any moment of the day: its date in Beijing counts.
	Day     time.Time
	Account BillAccount // of a fund bill
	// Merchant limits the bill to one merchant. Without SubMchID it is the
	// provider's bill of all its merchants; Alipay has bills of one merchant
	// only, so AppAuthToken is required there unless the application is the
	// merchant's own.
	Merchant Merchant
}

// BillOutcome is a bill, or why there is none.
//
//   - Paid: here it is. Raw verified against the announced hash, was read, and
//     its summary equals its lines. With Empty set the wallet said that there
//     is no bill for the day, and the rest is zero: no trades, or not yet. It
//     may be believed after 10:00 of the next day (upstreams.md §3.8).
//   - Waiting: not ready; ask later.
//   - Declined: the wallet has no such bill, or refused the account.
//   - Unknown: everything else. Err then says what is wrong with a bill that
//     arrived, and Raw is kept for a person to look at.
//
// Bills are not signed. Verified says that the wallet's answer with the hash or
// the address was; v2 announces neither, so there TLS alone vouches.
type BillOutcome struct {
	pay.Outcome
	Empty bool
	// Raw is the bill as the wallet gave it: WeChat's text without its
	// compression, Alipay's zip archive.
	Raw []byte
	// Hash is the announced hash over Raw in lower-case hexadecimal and HashType
	// its algorithm; both are "" where none is announced.
	Hash, HashType string
	Bill           Bill
	Err            error
}

// Biller is a channel that has bills. Both wallets' adapters implement it.
type Biller interface {
	// Bill fetches, verifies and reads one bill. It may be repeated.
	Bill(ctx context.Context, r BillRequest) BillOutcome
	// ParseBill reads a bill that was fetched before (BillOutcome.Raw). The
	// error says which line, column or figure is wrong.
	ParseBill(raw []byte) (Bill, error)
}

// Bill is one bill as it was read. Texts share the memory of the whole bill.
type Bill struct {
	Lines   []BillLine // of a trade bill, in the wallet's order
	Flows   []BillFlow // of a fund bill, in the wallet's order
	Summary BillSummary
	Stores  []BillStore // Alipay's summary by store, without its total
}

// BillLineKind says what happened.
type BillLineKind string

// The kinds of lines. Alipay's bill does not tell a cancelled payment from a
// refunded one: both are refunds there.
const (
	BillPayment  BillLineKind = "payment"
	BillRefund   BillLineKind = "refund"
	BillReversal BillLineKind = "reversal"
)

// BillLine is one order, refund or reversal. Amounts are in fen, and positive
// both for what was paid and for what went back, whatever sign the wallet
// writes; Kind tells the direction. A time of zero was not given.
type BillLine struct {
	Kind BillLineKind
	// Time is when the wallet counts it: pay time, acceptance of a refund
	// (WeChat) or its completion (Alipay), time of a reversal.
	Time    time.Time
	Created time.Time // of the order, Alipay only

	Merchant      string // sub_mch_id, or the account of Alipay's bill
	TransactionID string // the wallet's number of the order
	OutTradeNo    string
	RefundID      string // "" for none; reversals have none
	OutRefundNo   string
	State         string // the wallet's own word: SUCCESS, REFUND, REVOKED; 交易, 退款
	RefundState   string // WeChat: SUCCESS, PROCESSING, FAIL, CHANGE

	Total      pay.Fen // the order's amount, or of it what is refunded
	Settlement pay.Fen // the same without what the merchant's own coupons pay
	Coupons    pay.Fen // paid by the wallet's coupons and, WeChat, the merchant's
	Discount   pay.Fen // Alipay: paid by the merchant's own
	// Fee is what the merchant pays for the line, negative what it gets back.
	// FeeText is its exact text where it is not a whole number of fen, else "".
	Fee     pay.Fen
	FeeText string
	Rate    string // as written: 0.60%

	TradeType string // WeChat: MICROPAY, NATIVE …
	BankType  string
	Payer     string // openid, or a masked account
	DeviceID  string
	StoreID   string
	Product   string
	Attach    string
}

// BillFlow is one movement of an account. Amounts are in fen and positive.
type BillFlow struct {
	Time       time.Time
	BusinessNo string // the wallet's number of the order or refund
	FlowNo     string // of the movement
	Business   string // 业务名称
	Type       string // 业务类型
	In         bool   // income; false is outgo
	Amount     pay.Fen
	Balance    pay.Fen // after it
	Applicant  string
	Note       string
	Voucher    string // our number of the order
}

// BillSummary is the wallet's own sum of a bill, equal to its lines. Members
// that a kind of bill does not have are 0. Amounts are in fen with the signs of
// BillLine.
type BillSummary struct {
	Count      int64   // lines
	Payments   int64   // Alipay: of these
	Refunds    int64   // Alipay
	Total      pay.Fen // WeChat: of payments
	Settlement pay.Fen // of payments
	Discount   pay.Fen // Alipay: of payments, the merchant's own coupons
	// Refunded and RefundSettled are the sums of Total and Settlement over
	// refunds and reversals.
	Refunded       pay.Fen
	RefundSettled  pay.Fen
	RefundDiscount pay.Fen // Alipay
	CouponsBack    pay.Fen // WeChat: 充值券退款总金额
	Fee            pay.Fen
	FeeText        string // as BillLine.FeeText
	InCount        int64  // fund bills
	In             pay.Fen
	OutCount       int64
	Out            pay.Fen
}

// BillStore is one store of Alipay's summary. Amounts are in fen, payments less
// refunds; Fee as in BillLine.
type BillStore struct {
	StoreID, Name     string
	Payments, Refunds int64
	Total             pay.Fen
	Received          pay.Fen
	Fee               pay.Fen
	Net               pay.Fen // Received less Fee
}
