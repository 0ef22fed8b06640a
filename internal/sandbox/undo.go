package sandbox

import (
	"context"
	"time"
)

// reverseWindow is how long after the pay request WeChat reverses, and
// reverseWait how long strict mode makes the caller wait first (upstreams.md §2.5).
const (
	reverseWindow = 7 * 24 * time.Hour
	reverseWait   = 15 * time.Second
	closeWait     = 5 * time.Minute // strict mode, upstreams.md §3.4
)

// undoResult is what became of a reverse or cancel.
type undoResult int

// The results of a reverse or cancel.
const (
	undoClosed   undoResult = iota // it was unpaid; nobody can pay it any more
	undoReturned                   // it was paid; the customer has the money back
	undoNothing                    // the wallet has no such number
	undoTooEarly                   // strict mode: within 15 s of the pay request
	undoTooLate                    // past the window
	undoRefunded                   // part of it was refunded before
	undoFinal                      // Alipay: past its refund window
	undoPaying                     // fault: refused while the customer is paying
	undoShort                      // Alipay: the merchant's balance is too low
)

// reverse ends a trade: an unpaid one is closed, a paid one is returned in
// full. Repeating it changes nothing. It runs in the same serial order as the
// customer's approval, so after it succeeded no approval can charge.
func (s *Sandbox) reverse(ctx context.Context, tx *txn, t *trade, eff *effect) (undoResult, error) {
	if t.state == tradeReversed {
		return undone(t), nil
	}
	if result, refused := s.undoRefusal(tx, t, eff); refused {
		return result, nil
	}
	if eff.noEffect { // says what it would have done
		return undone(t), nil
	}
	if t.state == tradePaid {
		// WeChat documents no refusal for this: its merchant goes into debt.
		if short, err := s.short(ctx, tx, t, 0, t.total, ""); err != nil || short && t.channel == Alipay {
			return undoShort, err
		}
		if err := s.credit(ctx, tx, t, creditReverse, t.total, tx.nowMS()); err != nil {
			return 0, err
		}
		if err := s.giveBack(ctx, tx, t, flowReverse, 0, t.total, tx.nowMS()); err != nil {
			return 0, err
		}
	}
	t.state, t.dialogMS, t.endedMS, t.rollbackMS = tradeReversed, 0, tx.nowMS(), 0
	return undone(t), tx.saveTrade(ctx, t)
}

// undoRefusal applies the wallets' rules on when a trade may still be undone
// (upstreams.md §2.5, §4.6). The first that holds is the one told.
func (s *Sandbox) undoRefusal(tx *txn, t *trade, eff *effect) (undoResult, bool) {
	sinceTry := tx.nowMS() - t.triedMS
	switch {
	case t.state == tradeWaiting && eff.refuseWhilePaying:
		return undoPaying, true
	case t.state == tradePaid && t.refundCount > 0:
		return undoRefunded, true
	case t.channel == WeChat && s.c.Strict && sinceTry < reverseWait.Milliseconds():
		return undoTooEarly, true
	case t.channel == WeChat && sinceTry > reverseWindow.Milliseconds():
		return undoTooLate, true
	case t.finished(tx.now):
		return undoFinal, true
	case t.channel == Alipay && t.state == tradePaid && t.paidMS < dayStart(tx.now).UnixMilli():
		return undoTooLate, true
	}
	return undoClosed, false
}

// undone says how a reversed trade was ended, now or earlier.
func undone(t *trade) undoResult {
	if t.paidMS > 0 {
		return undoReturned
	}
	return undoClosed
}

// bury leaves a tombstone for a number WeChat has not seen, so that a charge
// that arrives late is refused (upstreams.md §8.4).
func (s *Sandbox) bury(ctx context.Context, tx *txn, provider, merchant, outTradeNo string) error {
	t, err := s.newTrade(ctx, tx, payment{channel: WeChat, provider: provider, merchant: merchant, outTradeNo: outTradeNo})
	if err != nil {
		return err
	}
	t.state, t.endedMS = tradeReversed, tx.nowMS()
	return tx.saveTrade(ctx, t)
}

// occupy makes a number that of an earlier order, unpaid and closed, unless there is
// one already.
func (s *Sandbox) occupy(ctx context.Context, p payment) error {
	if !validWxNumber(p.outTradeNo, maxWxNumber) {
		return nil
	}
	return s.run(ctx, func(ctx context.Context, tx *txn) error {
		t, err := s.findTrade(ctx, tx, p.channel, p.merchant, "", p.outTradeNo)
		if err != nil || t != nil {
			return err
		}
		if t, err = s.newTrade(ctx, tx, p); err != nil {
			return err
		}
		t.state, t.endedMS = tradeClosed, tx.nowMS()
		return tx.saveTrade(ctx, t)
	})
}

// shut closes an unpaid trade without a reverse (closeorder, trade.close). The
// caller has made sure that it is open; an approval will find no dialogue.
func (s *Sandbox) shut(ctx context.Context, tx *txn, t *trade) error {
	t.state, t.dialogMS, t.endedMS = tradeClosed, 0, tx.nowMS()
	return tx.saveTrade(ctx, t)
}
