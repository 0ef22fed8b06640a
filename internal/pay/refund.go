package pay

import "time"

// RefundCall says which call a refund's outcome answers.
type RefundCall string

// The calls of a refund.
const (
	CallRefund      RefundCall = "refund"
	CallQueryRefund RefundCall = "query_refund"
)

// CheckRefund says whether an order may be refunded by amount at now. The
// store's reservation decides once more under concurrency; this gives the
// cashier the reason (money.md §1, §2; S002 §3).
func (p Profile) CheckRefund(o Order, total, amount Fen, now time.Time) error {
	if err := amount.Check(); err != nil {
		return err
	}
	if total != o.Total {
		return Refuse(ErrInvalid, "refund_total", "订单总金额不一致")
	}
	switch o.Standing() {
	case PAID:
	case PAYING:
		return Refuse(ErrDenied, "refund_unpaid", "订单未支付，不能退款")
	case REVERSING, CLOSING:
		return Refuse(ErrDenied, "refund_busy", "订单正在撤销或关闭，不能退款")
	case DECLINED, REVERSED, CLOSED:
		return Refuse(ErrDenied, "refund_dead", "订单未支付或已撤销，不能退款")
	}
	if o.Finished {
		return Refuse(ErrDenied, "refund_finished", "交易已完结，不可退款")
	}
	if p.RefundableDays > 0 && now.Sub(o.PaidAt) > time.Duration(p.RefundableDays)*24*time.Hour {
		return Refuse(ErrDenied, "refund_overdue", "已超过可退款期限")
	}
	left, err := o.Total.Sub(o.Reserved)
	if err != nil || amount > left {
		return Refuse(ErrDenied, "refund_exceeds", "超过可退金额")
	}
	return nil
}

// OpenPostings are the postings of accepting the refund r.
func (r Refund) OpenPostings() []Posting {
	if r.Origin == OriginLate {
		return []Posting{PostLateReserved(r.OutRefundNo, r.Amount)}
	}
	return []Posting{PostReserved(r.OutRefundNo, r.Amount)}
}

// SendAt is the earliest time the refund may be sent: one refund is in flight
// per order, and the wallets ask for a pause between two (money.md §2).
func (p Profile) SendAt(o Order, r Refund) time.Time {
	if r.SentAt.IsZero() && !o.RefundSentAt.IsZero() {
		return later(r.DoAt, o.RefundSentAt.Add(p.RefundSpacing))
	}
	return r.DoAt
}

// StartRefund notes that the refund is about to be sent, before it leaves.
func (p Profile) StartRefund(r Refund, now time.Time) RefundChange {
	c := RefundChange{From: r, Refund: r, SentAt: now}
	n := &c.Refund
	if n.SentAt.IsZero() {
		n.SentAt = now
	}
	n.TriedAt, n.UpdatedAt = now, now
	n.Tries++
	// Until an answer says otherwise this send is unanswered: a crash here must
	// not free the reservation.
	n.Do, n.DoAt = ActAsk, now.Add(pick(p.RefundPauses, 3))
	n.Unanswered = true
	n.MissingAt = time.Time{} // sightings count from this send
	return c
}

// ApplyRefund says what one outcome means for a refund. answeredBefore is
// whether every send before this one had a definite answer; it is
// !From.Unanswered of the row before StartRefund.
func (p Profile) ApplyRefund(r Refund, call RefundCall, out Outcome, pd RefundPaid, byHand, answeredBefore bool, now time.Time) RefundChange {
	c := RefundChange{From: r, Refund: r, Silent: out.Lost}
	n := &c.Refund
	if n.State != RefundPending {
		return c
	}
	n.UpdatedAt = now
	if call == CallQueryRefund {
		n.TriedAt = now
		n.Tries++
	}
	if out.Code != "" {
		n.Code, n.Text = out.Code, out.Text
	}
	if out.Alert {
		c.Raise = "the wallet's answer needs an operator: " + string(call) + " " + out.Code
	}
	if pd.RefundID != "" {
		n.RefundID = pd.RefundID
	}
	wait := p.refundWait(*n)
	switch {
	case byHand:
		n.State = RefundNeedsHand
		c.Postings = append(c.Postings, PostBankReturn(n.OutRefundNo, n.Amount))
		c.Raise = RaiseBank
	case out.Kind == Paid:
		p.refunded(&c, pd, now)
	case out.Kind == Waiting:
		n.Accepted, n.Unanswered, n.Refused, n.MissingAt = true, false, false, time.Time{}
		n.Do, n.DoAt = ActAsk, now.Add(p.refundWait(*n))
	case out.Kind == Declined && call == CallQueryRefund && !out.aboutOrder():
		// Only the question was refused, or there is no such refund: nothing
		// is known of the money (channel.QueryRefund).
		p.refundUnknown(&c, call, out, wait, now)
	case out.Kind == Declined && call == CallQueryRefund:
		p.reject(&c, now)
	case out.Kind == Declined && p.owedAgain(*n, out):
		n.Unanswered = !answeredBefore
		n.Do, n.DoAt = ActSend, now.Add(max(pick(p.RefundPauses, n.Tries), out.Pause))
		if n.Unanswered {
			n.Do = ActAsk // an earlier send may have been heard
		}
	case out.Kind == Declined:
		if answeredBefore {
			n.Unanswered = false
			p.reject(&c, now)
			return c
		}
		n.Refused = true
		n.Do, n.DoAt = ActAsk, now
	default:
		p.refundUnknown(&c, call, out, wait, now)
	}
	return c
}

// refundWait is how long a refund rests before its next call. The long pauses
// are for a bank that takes its days; nobody works on a refund that the wallet
// may never have heard of, so that one is not left alone for longer than a
// missing one.
func (p Profile) refundWait(r Refund) time.Duration {
	wait := pick(p.RefundPauses, r.Tries)
	if !r.Accepted {
		wait = min(wait, p.RefundMissing)
	}
	return wait
}

// refunded books a refund that the wallet paid.
func (p Profile) refunded(c *RefundChange, pd RefundPaid, now time.Time) {
	n := &c.Refund
	if pd.Refund != 0 && pd.Refund != n.Amount {
		c.Raise = "the wallet reports another refund amount than ours"
		n.Do, n.DoAt = ActAsk, now.Add(pick(p.RefundPauses, n.Tries))
		return
	}
	arrived(n, pd, now)
	c.Postings = append(c.Postings, PostRefunded(n.OutRefundNo, n.Amount, n.Settlement))
	c.Refunded = n.Amount
	switch n.Origin {
	case OriginAPI:
		c.Callbacks = append(c.Callbacks, EventRefund+n.OutRefundNo)
	case OriginLate:
		c.Late = LateReturned
		c.Calm = append(c.Calm, RaiseLate)
	case OriginReverse, OriginChannel:
	}
}

// arrived notes that the wallet has paid the refund.
func arrived(r *Refund, pd RefundPaid, now time.Time) {
	r.State, r.Unanswered = RefundSucceeded, false
	r.Settlement, r.Cash, r.RecvAccount, r.Promo = pd.Settlement, pd.Cash, pd.RecvAccount, pd.Promo
	if r.Settlement <= 0 || r.Settlement > r.Amount {
		r.Settlement = r.Amount
	}
	r.SucceededAt = pd.SucceededAt
	if r.SucceededAt.IsZero() {
		r.SucceededAt = now
	}
}

// reject frees the reservation of a refund that was definitely refused. A
// refund that stands for a reverse is not given up: REVERSING lasts until it
// succeeds (money.md §3 row 10), so it is raised and sent again.
func (p Profile) reject(c *RefundChange, now time.Time) {
	r := &c.Refund
	if r.Origin == OriginReverse {
		r.Accepted, r.Refused, r.MissingAt = false, false, time.Time{}
		r.Do, r.DoAt = ActSend, now.Add(pick(p.RefundPauses, r.Tries))
		c.Raise = "the wallet refused the refund that stands for a reverse: " + r.Code
		return
	}
	r.State = RefundRejected
	c.Reserved = -r.Amount
	if r.Origin == OriginLate {
		c.Postings = append(c.Postings, PostLateRejected(r.OutRefundNo, r.Amount))
	} else {
		c.Postings = append(c.Postings, PostRejected(r.OutRefundNo, r.Amount))
	}
	if r.Origin != OriginAPI {
		c.Raise = "the wallet refused a refund that the server owes: " + r.Code
	}
}

// owedAgain reports whether a refused return of late money is sent again, under
// its number: the wallet did not look at the refund, only at who asks and how (a
// key of ours that is being changed, a right not yet given). That may be mended,
// and meanwhile the money is the customer's. A person decides once the quick
// steps of the ladder are used up.
func (p Profile) owedAgain(r Refund, out Outcome) bool {
	return r.Origin == OriginLate && out.Reason == ReasonConfiguration && r.Tries < int64(len(p.RefundPauses))
}

// refundUnknown keeps a refund going whose answer says nothing definite.
func (p Profile) refundUnknown(c *RefundChange, call RefundCall, out Outcome, wait time.Duration, now time.Time) {
	n := &c.Refund
	n.Do, n.DoAt = ActAsk, now.Add(max(wait, out.Pause))
	missing := call == CallQueryRefund && out.Verified && out.Reason == ReasonNotFound
	if !missing {
		if call == CallRefund {
			n.Unanswered = true
		}
		return
	}
	if n.Accepted {
		c.Raise = "the wallet accepted a refund and does not know it"
		return
	}
	if n.MissingAt.IsZero() {
		n.MissingAt = now
	}
	switch {
	case !n.Refused: // never refused: repeat it under the same number
		n.Do = ActSend
	case now.Sub(n.MissingAt) >= p.RefundMissing: // refused, and found nothing twice (money.md §2)
		p.reject(c, now)
	default:
		n.DoAt = n.MissingAt.Add(p.RefundMissing)
	}
}
