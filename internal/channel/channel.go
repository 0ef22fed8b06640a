// Package channel is the contract of an upstream: what the gateway may ask of
// a wallet, and what the answer means.
//
// An adapter turns one call into one request on the wire and its answer into
// a pay.Outcome. It decides nothing else: it keeps no state of orders, never
// retries, and never turns an error into an outcome other than Unknown. What it
// remembers is the wallet's keys and how the account's last calls went; its
// clock, which is injected, serves signatures, the freshness of answers and the
// expiry of keys. The suite in channeltest runs against every adapter.
//
// # The meaning of outcomes (upstreams.md §6)
//
//   - Paid: a verified answer, listed as success, whose amount, order number and
//     merchant equal the request's. For Reverse, Close and Refund it reads "done".
//   - Waiting: a verified answer, listed as unfinished. For Refund it reads
//     "accepted". For a query it also means "verified unpaid".
//   - Declined: a verified answer, listed as a definite refusal, or one of the
//     unsigned refusals that the code tables list: a few of Alipay's, and those
//     of WeChat's APIv3, which signs no answer but its 2xx.
//   - Unknown: everything else. Transport errors, time-outs, unexpected status
//     codes, unreadable, unsigned or wrongly signed answers, unlisted codes,
//     and successes that differ from what was asked (with Alert set).
//
// Classification is data: one table per call, generated from nothing and
// edited by hand after vectors/upstream-codes-*.json, which tests compare with.
//
// # Rules every adapter keeps
//
//   - Pay sends its request at most once, whatever happens: no retry, no HTTP/2
//     or keep-alive replay of the transport, and another host only when the
//     first could not be dialled, so that nothing was sent (Call.Backup).
//     (A request that could be replayed by net/http must not be: give the
//     request no GetBody and a non-idempotent method.)
//   - ctx bounds the call; when it ends the outcome is Unknown with Lost set.
//   - Every answer is read through a limit (64 KiB).
//   - Nothing secret reaches an error text or Outcome.Text: no key, no payment
//     code, no signed string.
//   - All methods are safe for concurrent use.
package channel

import (
	"context"
	"time"

	"cloudpay/internal/pay"
	"cloudpay/internal/secret"
)

// Time limits of calls, applied by the gateway through ctx (upstreams.md §6).
const (
	PayTimeout    = 15 * time.Second
	QueryTimeout  = 5 * time.Second
	ChangeTimeout = 15 * time.Second // reverse, close, refund
)

// MaxAnswer is the largest answer an adapter reads, in bytes. The longest
// documented answer (an order with 20 coupons) is below 16 KiB.
const MaxAnswer = 64 << 10

// Channel is one wallet account of one provider. Implementations are safe for
// concurrent use and hold no state of orders between calls.
type Channel interface {
	// Pay charges a scanned payment code. It is sent at most once.
	Pay(ctx context.Context, r PayRequest) pay.Outcome
	// Prepay asks the wallet to prepare an order that the customer pays later.
	// Paid reads "prepared" and comes with Prepaid set; nothing has been paid.
	// It may be repeated with the same parameters: both wallets answer again
	// for a number that is still unpaid. A lost answer asks for that repetition.
	// Declined is a definite refusal, or a trade type that the wallet does not
	// have: then nobody was asked, and Verified is false.
	Prepay(ctx context.Context, r PrepayRequest) PrepayOutcome
	// ClientArgs signs what the customer's app needs to pay a prepared order
	// (jsapi_args, sdk_args …). It calls nobody. now is the timestamp it signs.
	ClientArgs(r PrepayRequest, p pay.Prepaid, now time.Time) (ClientArgs, error)
	// Query asks for the state of an order. Paid requires that the answer's
	// total equals r.Total and its number r.OutTradeNo; pay time is returned for
	// the caller to judge. Repeatable.
	Query(ctx context.Context, r OrderRequest) pay.Outcome
	// Reverse asks the wallet to undo a code payment: unpaid is closed, paid is
	// refunded in full. Paid reads "the wallet says it is done"; the caller
	// confirms by Query. Repeatable without harm.
	Reverse(ctx context.Context, r OrderRequest) pay.Outcome
	// Close asks the wallet to close an unpaid order (not for code payments). A
	// refusal with Reason not_found does not end an Alipay QR code that nobody
	// has scanned: it stays alive until its end, or until a Reverse.
	Close(ctx context.Context, r OrderRequest) pay.Outcome
	// Refund sends a refund with the caller's refund number. Repeating it with
	// the same number and amount is harmless. WeChat answers Waiting
	// ("accepted"), Alipay Paid when fund_change=Y.
	Refund(ctx context.Context, r RefundRequest) RefundOutcome
	// QueryRefund asks for the state of one refund. A verified "no such
	// refund" has Reason pay.ReasonNotFound and is never Declined here:
	// its Kind is Unknown with Verified set, so that the caller repeats Refund.
	QueryRefund(ctx context.Context, r RefundRequest) RefundOutcome
	// ParseNotice verifies and reads an upstream's message to us. It returns an
	// error, and no notice, for anything that does not verify; the error text
	// carries nothing of the message. body is the raw body, at most MaxAnswer.
	// ErrProbe is a refusal that is no reason for an alarm.
	ParseNotice(header map[string][]string, body []byte) (Notice, error)
}

// The generations of WeChat Pay's interface (Merchant.API).
const (
	APIv2 = "v2"
	APIv3 = "v3"
)

// RefundLister is a channel that can list all refunds of an order, those made
// elsewhere included (money.md §2). Alipay has no such call.
type RefundLister interface {
	// Refunds asks for the refunds of a paid order. Outcome is Paid when the
	// list is whole: verified, about our order, merchant and total.
	Refunds(ctx context.Context, r OrderRequest) RefundList
}

// RefundList is an outcome with the refunds of one order.
type RefundList struct {
	pay.Outcome
	Refunds []ListedRefund
}

// ListedRefund is one refund that the wallet knows. Its Outcome is that of
// QueryRefund: Paid is done, Waiting is under way.
type ListedRefund struct {
	OutRefundNo string // ours or the number of whoever made it
	RefundOutcome
}

// AbnormalRefunder is a channel that can send on a refund which the customer's
// bank sent back (RefundOutcome.ByHand).
type AbnormalRefunder interface {
	// RefundAbnormal asks the wallet to pay out a refund whose state is abnormal:
	// to another card of the customer, or to the merchant, who then pays the
	// customer by other means. Waiting reads "accepted".
	RefundAbnormal(ctx context.Context, r AbnormalRefund) RefundOutcome
}

// AbnormalRefund names an abnormal refund and where its money goes. Without an
// Account it goes to the merchant's own bank account.
type AbnormalRefund struct {
	RefundRequest
	RefundID string        // the wallet's number of the refund
	BankType string        // the wallet's name of the customer's bank
	Account  secret.Secret // the customer's bank account, encrypted on the wire
	RealName secret.Secret // its holder, encrypted on the wire
}

// Merchant is how one sub-merchant is named at the wallet.
type Merchant struct {
	// API chooses the generation of WeChat Pay's interface for this merchant:
	// APIv2, APIv3, or "" for the account's default. Orders are the same in both.
	API          string
	SubMchID     string        // WeChat sub_mch_id
	SubAppID     string        // WeChat sub_appid, optional
	AppAuthToken secret.Secret // Alipay app_auth_token, optional
	SellerID     string        // Alipay user id 2088…, optional
}

// OrderRequest names an order at the wallet. Amounts are in fen.
type OrderRequest struct {
	Merchant   Merchant
	OutTradeNo string
	Total      pay.Fen // for the comparison, never trusted from the answer alone
	// TransactionID is the wallet's number of the order. Only Query reads it: if
	// it is given, the order is asked for by it and the answer must carry it;
	// OutTradeNo may then be "" and is compared only if it is not.
	TransactionID string
}

// PayRequest is everything a code payment needs. Amounts are in fen.
type PayRequest struct {
	OrderRequest
	AuthCode  secret.Secret // the payment code, digits only
	Currency  string        // "CNY"
	Body      string        // what the customer reads, never empty
	Detail    string        // JSON text or ""
	Attach    string
	GoodsTag  string
	LimitPay  string // "no_credit" or ""
	SceneInfo string // JSON text or ""
	DeviceID  string
	ShopID    string
	StaffID   string
	ClientIP  string // spbill_create_ip; the adapter falls back to 127.0.0.1
	// Alipay's own options, passed through when not empty.
	DiscountableAmount   pay.Fen
	UndiscountableAmount pay.Fen
	DisablePayChannels   string
	ExtendParams         string // JSON text
	ProductCode          string
	// Start is when the intent was committed; Expire is when the wallet must
	// stop accepting the payment (money.md §3 row 13).
	Start  time.Time
	Expire time.Time
}

// PrepayRequest is everything a unified order needs. Amounts are in fen. What
// does not belong to TradeType and the wallet is ignored.
type PrepayRequest struct {
	OrderRequest
	TradeType pay.TradeType
	Currency  string // "CNY"
	Body      string // what the customer reads, never empty
	Detail    string // JSON text or ""
	Attach    string
	GoodsTag  string
	LimitPay  string
	ProductID string
	SceneInfo string // JSON text: store information, or the page of mob_web_pay
	DeviceID  string
	ShopID    string
	StaffID   string
	ClientIP  string // spbill_create_ip; the adapter falls back to 127.0.0.1
	NotifyURL string // where the wallet tells us; "" for none
	// Who pays, WeChat: OpenID under the provider's AppID, or SubOpenID under
	// the merchant's SubAppID (which for app_pay is the mobile application and
	// for mini_program_pay the mini program).
	AppID     string // overrides the account's when not empty
	SubAppID  string // overrides Merchant.SubAppID when not empty
	OpenID    string
	SubOpenID string
	BuyerID   string // Alipay user id
	// Alipay's own options, passed through when not empty.
	DiscountableAmount   pay.Fen
	UndiscountableAmount pay.Fen
	DisablePayChannels   string
	ExtendParams         string // JSON text
	ProductCode          string
	// Start is when the intent was committed; Expire is when the wallet must
	// stop accepting the payment.
	Start  time.Time
	Expire time.Time
}

// PrepayOutcome is an outcome with what the customer's phone needs.
type PrepayOutcome struct {
	pay.Outcome
	Prepaid pay.Prepaid
}

// ClientArgs is what a page or app hands to the wallet's own software. Members
// that a trade type does not use are "". PaySign is over exactly the members
// that the wallet's rules name (upstreams.md).
type ClientArgs struct {
	AppID     string
	Timestamp string // UNIX seconds
	NonceStr  string
	Package   string // "prepay_id=…", or "Sign=WXPay" for app_pay
	SignType  string
	PaySign   string
	PartnerID string // app_pay: mch_id
	PrepayID  string // app_pay
	TradeNo   string // Alipay
}

// RefundRequest names one refund at the wallet. Amounts are in fen.
type RefundRequest struct {
	OrderRequest
	OutRefundNo string
	Amount      pay.Fen
	Reason      string // at most 80 characters are sent
	Account     string // refund_account, "" for the wallet's default
	NotifyURL   string // where WeChat tells of the refund's end; "" for the merchant's own setting
}

// RefundOutcome is an outcome with the wallet's account of the refund.
type RefundOutcome struct {
	pay.Outcome
	Refund pay.RefundPaid
	// ByHand says that the bank sent the money back (CHANGE): the refund needs
	// a person (pay.RefundNeedsHand).
	ByHand bool
}

// Notice is an upstream's verified message about one order or refund.
type Notice struct {
	SubMerchant string // sub_mch_id or seller id, to compare with ours
	OutTradeNo  string
	OutRefundNo string // "" for a payment
	Outcome     pay.Outcome
	Refund      pay.RefundPaid
	// Ack is the body that acknowledges this notice, with its content type.
	Ack, AckType string
}
