package pay

import "time"

// begin is the moment of the pay request in every test.
var begin = time.Date(2026, 3, 5, 4, 0, 0, 0, time.UTC)

// at is a moment counted in seconds from the pay request.
func at(seconds float64) time.Time {
	return begin.Add(time.Duration(seconds * float64(time.Second)))
}

// total is the amount of every test order, settled its settlement: a discount
// of 4 fen makes postings show a lost leg.
const (
	total   Fen = 100
	settled Fen = 96
)

// customer is what the person with the phone does after the scan.
type customer string

const (
	paysAtOnce   customer = "pays at once"
	approves     customer = "types the password" // at wallet.acts
	cancels      customer = "closes the password dialogue"
	ignores      customer = "ignores the password dialogue"
	refusedNow   customer = "is refused by the wallet" // Alipay leaves the trade open
	busyCharged  customer = "is charged, SYSTEMERROR is answered"
	riskRefused  customer = "is refused, one query must confirm"
	usedNumber   customer = "does not matter: the number was paid before"
	usedAmount   customer = "does not matter: the number was paid before with another amount"
	arrivesLater customer = "pays when the request arrives late" // at wallet.acts
)

// wallet is the truth at the other end: one order number, and what really
// happened to the money.
type wallet struct {
	channel  Channel
	does     customer
	acts     time.Time // when the customer acts or the request arrives
	exists   bool
	paidAt   time.Time // zero: not paid
	before   bool      // the payment belongs to an earlier order
	closed   bool
	stays    bool // the expiry is not kept
	payError bool
	tomb     bool // reversed before it arrived: refused when it does
	charges  int
	reversed bool
	reverses int
	recalls  int  // how many reverses are answered "again"
	expired  bool // reversing is no longer possible
	sent     bool
	refunds  map[string]Fen
	refuse   int  // how many refunds are refused first
	takes    bool // refunds are accepted, not done at once
	// Unified orders only.
	unified bool
	handed  bool      // the customer can have what it takes to pay
	scans   time.Time // when he scans: an Alipay trade exists from then on
	expiry  time.Time
}

func newWallet(ch Channel, does customer, acts time.Time) *wallet {
	return &wallet{channel: ch, does: does, acts: acts, refunds: map[string]Fen{}}
}

// kept is what the customer has really paid for this order by now.
func (w *wallet) kept() Fen {
	if w.paidAt.IsZero() || w.reversed || w.before {
		return 0
	}
	return total - w.refunded()
}

func (w *wallet) refunded() Fen {
	var sum Fen
	for _, r := range w.refunds {
		sum += r
	}
	return sum
}

func (w *wallet) open() bool {
	return w.exists && w.paidAt.IsZero() && !w.closed && !w.payError
}

func (w *wallet) charge(now time.Time) {
	w.exists, w.paidAt = true, now
	w.charges++
}

// tick lets happen what is due: the customer's act, a late arrival, the
// expiry of 2 minutes that was sent with the order (money.md §3 row 13).
func (w *wallet) tick(now time.Time) {
	due := !w.acts.IsZero() && !now.Before(w.acts)
	expiry := begin.Add(2 * time.Minute)
	if w.unified {
		expiry = w.expiry
	}
	switch {
	case w.unified:
		scanned := w.handed && !w.scans.IsZero() && !now.Before(w.scans) && w.scans.Before(expiry)
		w.exists = w.exists || scanned
		if due && scanned && w.open() && w.acts.Before(expiry) {
			w.charge(w.acts)
		}
	case w.does == arrivesLater:
		if due && w.sent && !w.exists && !w.tomb {
			w.charge(w.acts)
		}
	case due && w.open() && w.does == cancels:
		w.payError = true
	case due && w.open() && (w.does == approves || w.does == refusedNow) && w.acts.Before(expiry):
		w.charge(w.acts)
	}
	if w.open() && now.After(expiry) && !w.stays {
		w.closed = true
	}
}

func (w *wallet) payment() Payment {
	return Payment{TransactionID: "4200", PaidAt: w.paidAt, Total: total, Settlement: settled, Cash: 90, PayerID: "o1", BankType: "CFT"}
}

func verified(k Kind, code string) Outcome {
	return Outcome{Kind: k, Verified: true, Code: code}
}

func (w *wallet) success() Outcome {
	out := verified(Paid, "SUCCESS")
	out.Payment = w.payment()
	return out
}

func (w *wallet) pay(now time.Time) Outcome {
	w.sent = true
	switch w.does {
	case paysAtOnce:
		w.charge(now)
		return w.success()
	case busyCharged:
		w.charge(now)
		return verified(Unknown, "SYSTEMERROR")
	case approves, cancels, ignores:
		w.exists = true
		return verified(Waiting, "USERPAYING")
	case refusedNow:
		w.exists = w.channel == Alipay
		out := verified(Declined, "NOTENOUGH")
		out.Reason, out.Text = ReasonCustomer, "余额不足"
		return out
	case riskRefused:
		out := verified(Unknown, "TRADE_ERROR")
		out.Next, out.Reason, out.Text = NextQueryFirst, ReasonRisk, "交易错误"
		return out
	case usedNumber, usedAmount:
		out := verified(Unknown, "ORDERPAID")
		out.Next, out.Reason, out.NoReverse = NextQueryFirst, ReasonDuplicate, true
		return out
	case arrivesLater:
	}
	return Outcome{Kind: Unknown, Lost: true}
}

// used puts the earlier payment there, for the scenarios that have one.
func (w *wallet) used() {
	if w.does == usedNumber || w.does == usedAmount {
		w.exists, w.before, w.paidAt = true, true, begin.Add(-time.Hour)
	}
}

func (w *wallet) query(now time.Time) Outcome {
	w.tick(now)
	switch {
	case !w.exists && w.tomb && w.channel == Wxpay && w.sent:
		return verified(Declined, "REVOKED")
	case !w.exists:
		out := verified(Unknown, "ORDERNOTEXIST")
		out.Reason = ReasonNotFound
		return out
	case w.does == usedAmount && !w.reversed:
		return Outcome{Kind: Unknown, Alert: true, Differs: true, Code: "SUCCESS"}
	case !w.paidAt.IsZero() && (w.reversed || w.channel == Alipay && w.refunded() == total):
		out := verified(Declined, "REVOKED")
		out.Returned, out.Payment = true, w.payment()
		return out
	case !w.paidAt.IsZero():
		out := w.success()
		if w.refunded() > 0 && w.channel == Wxpay {
			out.Code, out.Payment.RefundState = "REFUND", true
		}
		return out
	case w.closed:
		return verified(Declined, "CLOSED")
	case w.payError:
		out := verified(Unknown, "PAYERROR")
		out.Next = NextReverse
		return out
	}
	return verified(Waiting, "NOTPAY")
}

// prepay prepares a unified order. Alipay's does not exist until it is scanned.
func (w *wallet) prepay(now time.Time) (Outcome, Prepaid) {
	w.tick(now)
	w.sent, w.exists = true, w.exists || w.channel == Wxpay
	if w.before {
		out := verified(Unknown, "ORDERPAID")
		out.Next, out.Reason, out.NoReverse = NextQueryFirst, ReasonDuplicate, true
		return out, Prepaid{}
	}
	return verified(Paid, "SUCCESS"), Prepaid{CodeURL: "weixin://pay/1"}
}

func (w *wallet) reverse(now time.Time) Outcome {
	w.tick(now)
	w.reverses++
	switch {
	case w.recalls > 0:
		w.recalls--
		out := verified(Unknown, "SYSTEMERROR")
		out.Next = NextRetrySame
		return out
	case w.expired && w.exists:
		out := verified(Unknown, "REVERSE_EXPIRE")
		out.Next = NextRefundInstead
		return out
	case !w.exists:
		w.tomb = !w.unified // a code that nobody has scanned stays alive
		if w.channel == Alipay {
			return verified(Paid, "10000")
		}
		out := verified(Unknown, "ORDERNOTEXIST")
		out.Next, out.Reason = NextOperator, ReasonNotFound
		return out
	}
	w.closed = true
	out := verified(Paid, "SUCCESS")
	if !w.paidAt.IsZero() {
		w.reversed = true
		if w.channel == Alipay {
			out.Returned, out.Payment = true, w.payment()
		}
	}
	return out
}

func (w *wallet) close(now time.Time) Outcome {
	w.tick(now)
	switch {
	case !w.exists:
		out := verified(Declined, "ORDERNOTEXIST")
		out.Reason = ReasonNotFound
		return out
	case !w.paidAt.IsZero():
		out := verified(Declined, "ORDERPAID")
		out.Reason = ReasonState
		return out
	}
	w.closed = true
	return verified(Paid, "SUCCESS")
}

func (w *wallet) refund(no string, amount Fen) (Outcome, RefundPaid) {
	_, done := w.refunds[no]
	if !done && (w.refuse > 0 || w.reversed || w.paidAt.IsZero() || w.refunded()+amount > total) {
		w.refuse = max(w.refuse-1, 0)
		out := verified(Declined, "NOTENOUGH")
		out.Reason, out.Text = ReasonMerchant, "商户余额不足"
		return out, RefundPaid{}
	}
	w.refunds[no] = amount
	if w.takes {
		return verified(Waiting, "SUCCESS"), RefundPaid{RefundID: "5000"}
	}
	return verified(Paid, "SUCCESS"), w.refundPaid(no)
}

func (w *wallet) queryRefund(no string) (Outcome, RefundPaid) {
	if _, done := w.refunds[no]; done {
		return verified(Paid, "SUCCESS"), w.refundPaid(no)
	}
	out := verified(Unknown, "REFUNDNOTEXIST")
	out.Reason = ReasonNotFound
	return out, RefundPaid{}
}

func (w *wallet) refundPaid(no string) RefundPaid {
	amount := w.refunds[no]
	return RefundPaid{RefundID: "5000", Refund: amount, Settlement: amount * settled / total, RecvAccount: "零钱"}
}
