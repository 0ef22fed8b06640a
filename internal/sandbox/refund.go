package sandbox

import (
	"context"
	"database/sql"
	"fmt"
	"time"
)

// refundState is where a refund stands.
type refundState string

// The states of a refund; all but the first are final.
const (
	refundProcessing refundState = "processing"
	refundSuccess    refundState = "success"
	refundClosed     refundState = "closed"   // WeChat REFUNDCLOSE: the money stayed with the merchant
	refundAbnormal   refundState = "abnormal" // WeChat CHANGE: the customer's bank sent it back
)

// Limits of refunds (upstreams.md §3.6, §4.6; the Alipay window is our choice
// of the longest an agreement grants).
const (
	maxRefunds    = 50
	refundWindow  = 365 * 24 * time.Hour
	wxRefundWait  = time.Minute     // strict mode, between refunds of one trade
	aliRefundWait = 3 * time.Second // strict mode
)

// refund is one row of refunds.
type refund struct {
	seq, trade            int64
	outRefundNo, refundID string
	amount                Fen
	state                 refundState
	fate                  refundState // what it becomes when due
	acceptedMS, doneMS    int64
	dueMS                 int64  // 0 while it is stuck
	before                Fen    // accepted for the trade before it
	account               string // WeChat refund_account
}

// refundResult is what became of a refund call. The first two are successes.
type refundResult int

// The results of a refund call.
const (
	refundAccepted refundResult = iota
	refundRepeated              // the same refund as before: nothing moved
	refundDiffers               // the number stands for another refund
	refundTooMuch               // more than is left
	refundNotPaid               // the trade is not paid
	refundEnded                 // the trade is reversed, closed or fully refunded
	refundTooLate               // past the window
	refundTooMany               // the 51st
	refundTooSoon               // strict mode: too soon after the last one
	refundShort                 // the merchant's balance is too low
)

// refundColumns are in the order that scan reads them.
const refundColumns = "seq, trade, out_refund_no, refund_id, amount, state, fate, accepted_ms, done_ms, due_ms, before, account"

// scan reads one row of refundColumns.
func (r *refund) scan(scan func(...any) error) error {
	return scan(&r.seq, &r.trade, &r.outRefundNo, &r.refundID, &r.amount, &r.state, &r.fate, &r.acceptedMS, &r.doneMS, &r.dueMS,
		&r.before, &r.account)
}

// refundKey is the scope a refund number is unique in: WeChat's merchant,
// Alipay's trade.
func refundKey(t *trade, outRefundNo string) string {
	if t.channel == WeChat {
		return "wxpay/" + t.merchant + "/" + outRefundNo
	}
	return "alipay/" + t.tradeNo + "/" + outRefundNo
}

// refundTrade accepts a refund, or finds the earlier one of the same number.
// Acceptance reserves the amount at once, so two calls can never get more than
// was paid. WeChat's refund reaches the customer after RefundDelay, Alipay's
// immediately, as fund_change=Y promises (upstreams.md §4.4).
func (s *Sandbox) refundTrade(ctx context.Context, tx *txn, t *trade, outRefundNo string, amount Fen, account string, eff *effect) (*refund, refundResult, error) {
	earlier, err := tx.refunds(ctx, "WHERE unique_key = ?", refundKey(t, outRefundNo))
	if err != nil {
		return nil, 0, err
	}
	if len(earlier) > 0 {
		if earlier[0].trade != t.seq || earlier[0].amount != amount {
			return nil, refundDiffers, nil
		}
		return earlier[0], refundRepeated, nil
	}
	if result, refused := s.refundRefusal(tx, t, amount); refused {
		return nil, result, nil
	}
	if short, err := s.short(ctx, tx, t, t.reserved, amount, account); err != nil || short {
		return nil, refundShort, err
	}
	seq, err := tx.next(ctx, "SELECT coalesce(max(seq), 0) + 1 FROM refunds")
	if err != nil {
		return nil, 0, err
	}
	delay := s.c.RefundDelay
	if t.channel == Alipay {
		delay = 0
	}
	r := &refund{
		seq: seq, trade: t.seq, outRefundNo: outRefundNo, refundID: newRefundID(seq, tx.now), amount: amount,
		state: refundProcessing, fate: refundSuccess, acceptedMS: tx.nowMS(), dueMS: tx.now.Add(delay).UnixMilli(),
		before: t.reserved, account: account,
	}
	eff.decide(r, tx.now)
	if err := tx.exec(ctx, "INSERT INTO refunds (unique_key, "+refundColumns+") VALUES (?,?,?,?,?,?,?,?,?,?,?,?,?)",
		refundKey(t, outRefundNo), r.seq, r.trade, r.outRefundNo, r.refundID, r.amount, r.state, r.fate,
		r.acceptedMS, r.doneMS, r.dueMS, r.before, r.account); err != nil {
		return nil, 0, err
	}
	if err := s.giveBackRefund(ctx, tx, t, r); err != nil {
		return nil, 0, err
	}
	t.reserved += amount
	t.refundCount, t.refundMS = t.refundCount+1, tx.nowMS()
	if err := tx.saveTrade(ctx, t); err != nil {
		return nil, 0, err
	}
	return r, refundAccepted, s.settleRefund(ctx, tx, t, r)
}

// refundRefusal applies the wallets' rules on what may be refunded, for a
// number that is new. What is left is what was paid less what is reserved, not
// less what has arrived.
func (s *Sandbox) refundRefusal(tx *txn, t *trade, amount Fen) (refundResult, bool) {
	wait, since := wxRefundWait, tx.nowMS()-t.refundMS
	if t.channel == Alipay {
		wait = aliRefundWait
	}
	switch {
	case t.open():
		return refundNotPaid, true
	case t.state != tradePaid || t.reserved == t.total:
		return refundEnded, true
	case tx.nowMS()-t.paidMS > refundWindow.Milliseconds():
		return refundTooLate, true
	case amount > t.total-t.reserved:
		return refundTooMuch, true
	case t.refundCount >= maxRefunds:
		return refundTooMany, true
	case s.c.Strict && t.refundMS > 0 && since < wait.Milliseconds():
		return refundTooSoon, true
	}
	return refundAccepted, false
}

// settleRefund lets one refund reach its fate if it is due. A closed refund
// gives its amount free again; an abnormal one keeps it, because the money is
// somewhere and only a person can say where.
func (s *Sandbox) settleRefund(ctx context.Context, tx *txn, t *trade, r *refund) error {
	if r.state != refundProcessing || r.dueMS == 0 || tx.nowMS() < r.dueMS {
		return nil
	}
	switch r.fate {
	case refundSuccess:
		if err := s.credit(ctx, tx, t, creditRefund, r.amount, r.dueMS); err != nil {
			return err
		}
		t.returned += r.amount
	case refundClosed:
		t.reserved -= r.amount
		back := flow{kind: flowReturned, refund: r.seq, gross: t.netOf(r.before, r.amount), fee: -t.feeOf(r.before, r.amount), atMS: r.dueMS}
		if err := s.move(ctx, tx, t, back); err != nil {
			return err
		}
	case refundAbnormal, refundProcessing:
	}
	if err := tx.saveTrade(ctx, t); err != nil {
		return err
	}
	r.state, r.doneMS = r.fate, r.dueMS
	if err := tx.exec(ctx, "UPDATE refunds SET state = ?, done_ms = ? WHERE seq = ?", r.state, r.doneMS, r.seq); err != nil {
		return err
	}
	if t.channel == WeChat {
		return s.announceRefund(ctx, tx, t, r)
	}
	if r.state != refundSuccess {
		return nil
	}
	return s.announce(ctx, tx, t, r) // refunds have no notify_url of their own (upstreams.md §4.7)
}

// settleRefunds lets every refund that is due reach its fate.
func (s *Sandbox) settleRefunds(ctx context.Context, tx *txn) error {
	due, err := tx.refunds(ctx, "WHERE state = 'processing' AND due_ms > 0 AND due_ms <= ? ORDER BY due_ms, seq", tx.nowMS())
	if err != nil {
		return err
	}
	for _, r := range due {
		owner, err := tx.trades(ctx, "WHERE seq = ?", r.trade)
		if err != nil {
			return err
		}
		if len(owner) != 1 {
			panic("sandbox: a refund without its trade")
		}
		if err := s.settleRefund(ctx, tx, owner[0], r); err != nil {
			return fmt.Errorf("settle refund %s: %w", r.refundID, err)
		}
	}
	return nil
}

// refundsOf lists a trade's refunds in the order they were accepted, each
// brought up to the present.
func (s *Sandbox) refundsOf(ctx context.Context, tx *txn, t *trade) ([]*refund, error) {
	list, err := tx.refunds(ctx, "WHERE trade = ? ORDER BY seq", t.seq)
	if err != nil {
		return nil, err
	}
	for _, r := range list {
		if err := s.settleRefund(ctx, tx, t, r); err != nil {
			return nil, err
		}
	}
	return list, nil
}

// refunds reads the refunds a condition selects, as they were stored.
func (t *txn) refunds(ctx context.Context, where string, args ...any) ([]*refund, error) {
	var list []*refund
	err := t.each(ctx, "SELECT "+refundColumns+" FROM refunds "+where, args, func(rows *sql.Rows) error {
		r := &refund{}
		list = append(list, r)
		return r.scan(rows.Scan)
	})
	return list, err
}

// finished reports whether Alipay has ended the trade for good: it stays paid
// and cannot be refunded any more (TRADE_FINISHED).
func (t *trade) finished(now time.Time) bool {
	return t.channel == Alipay && t.state == tradePaid && !t.fullyRefunded() &&
		now.UnixMilli()-t.paidMS > refundWindow.Milliseconds()
}
