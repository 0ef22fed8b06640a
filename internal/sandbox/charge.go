package sandbox

import (
	"context"
	"errors"
)

// payment is a pay call that both wallets have already found well-formed.
type payment struct {
	channel            Channel
	provider, merchant string
	outTradeNo         string
	total              Fen
	code               string
	expireMS           int64
	// context is everything but the code: a repeat that differs in it is a
	// different payment under a used number (upstreams.md §2.3, §4.5).
	context string
	memo    memo
}

// payResult is what became of a pay call. The wallets translate it into their
// own codes.
type payResult int

// The results of a pay call, whichever wallet it came to.
const (
	payDone          payResult = iota
	payAsksPassword            // the dialogue is open on the customer's phone
	payCodeUnknown             // not a code of this wallet
	payCodeUsed                // a code that was tried before
	payCodeExpired             // a code of more than two minutes ago
	payShort                   // the customer has too little money
	payAlreadyPaid             // the number was paid before
	payAlreadyClosed           // the number is closed
	payAlreadyUndone           // the number was reversed, perhaps before it arrived
	payNumberUsed              // the number stands for another payment
	payNumberWaits             // the number already waits for the password
	payOtherCustomer           // an attempt under the number was another customer's
	payExpired                 // the request's own expiry has passed
)

// charge tries to take the money, and returns the trade it was tried on, which
// is nil when the number stands for nothing yet. It commits with the caller's
// transaction, so what it answers is what lasts. WeChat looks at the code before the number,
// so that a repeated, already charged code is answered as used, which is a
// trap every client meets (money.md §2); Alipay looks at an ended trade first.
func (s *Sandbox) charge(ctx context.Context, tx *txn, p payment, eff *effect) (*trade, payResult, error) {
	t, err := s.findTrade(ctx, tx, p.channel, p.merchant, "", p.outTradeNo)
	if err != nil {
		return nil, 0, err
	}
	if p.channel == Alipay && t != nil && !t.open() {
		return t, endedResult(t), nil
	}
	customer, state, err := tx.useCode(ctx, p.channel, p.merchant, p.code)
	if err != nil {
		return nil, 0, err
	}
	switch state {
	case codeUnknown:
		return t, payCodeUnknown, nil
	case codeUsed:
		return t, payCodeUsed, nil
	case codeExpired:
		return t, payCodeExpired, nil
	case codeGood:
	}
	if t != nil {
		if !t.open() {
			return t, endedResult(t), nil
		}
		if result, refused := repeatResult(t, p, customer); refused {
			return t, result, nil
		}
	}
	if p.expireMS > 0 && tx.nowMS() >= p.expireMS {
		return t, payExpired, nil
	}
	if t == nil {
		if t, err = s.newTrade(ctx, tx, p); err != nil {
			return nil, 0, err
		}
	}
	// The reverse's 15 seconds and 7 days count from the latest attempt.
	t.customer, t.triedMS = customer, tx.nowMS()
	result, err := s.take(ctx, tx, t, eff)
	if err != nil {
		return nil, 0, err
	}
	return t, result, tx.saveTrade(ctx, t)
}

// take opens the dialogue or moves the money. What a fault wants later calls to
// meet is marked on the trade first, so that it holds for a payment approved
// only after a dialogue, too.
func (s *Sandbox) take(ctx context.Context, tx *txn, t *trade, eff *effect) (payResult, error) {
	eff.mark(t, tx.now)
	ask, err := s.asksPassword(ctx, tx, t)
	if err != nil {
		return 0, err
	}
	if ask || eff.password {
		t.state, t.dialogMS = tradeWaiting, tx.now.Add(s.c.DialogTimeout).UnixMilli()
		return payAsksPassword, nil
	}
	err = s.debit(ctx, tx, t)
	if errors.Is(err, errShort) {
		t.state = tradeUnpaid
		return payShort, nil
	}
	if err != nil {
		return 0, err
	}
	if eff.lie { // charged, yet the till is told to wait and will then read PAYERROR
		return payAsksPassword, nil
	}
	return payDone, nil
}

// asksPassword applies the profile's rule to the customer's day, which begins
// at midnight in Beijing and counts every payment with the same wallet,
// whether the password was asked for or not.
func (s *Sandbox) asksPassword(ctx context.Context, tx *txn, t *trade) (bool, error) {
	rule := passwordRules[s.passwordPreset()]
	if t.total > rule.amount {
		return true, nil
	}
	today, err := tx.paymentsToday(ctx, t.customer, t.channel)
	return today >= rule.free, err
}

// paymentsToday counts a customer's payments with one wallet since midnight in
// Beijing.
func (t *txn) paymentsToday(ctx context.Context, customer string, ch Channel) (int, error) {
	var n int
	_, err := t.row(ctx, "SELECT count(*) FROM debits WHERE customer = ? AND channel = ? AND at_ms >= ?",
		[]any{customer, ch, dayStart(t.now).UnixMilli()}, []any{&n})
	return n, err
}

// newTrade opens an order number nobody has used.
func (s *Sandbox) newTrade(ctx context.Context, tx *txn, p payment) (*trade, error) {
	seq, err := tx.next(ctx, "SELECT coalesce(max(seq), 0) + 1 FROM trades")
	if err != nil {
		return nil, err
	}
	life := wxLife
	if p.channel == Alipay {
		life = aliLife
	}
	t := &trade{
		seq: seq, channel: p.channel, provider: p.provider, merchant: p.merchant, outTradeNo: p.outTradeNo,
		tradeNo: newTradeNo(p.channel, seq, tx.now), total: p.total, state: tradeUnpaid, createdMS: tx.nowMS(),
		triedMS: tx.nowMS(), expireMS: p.expireMS, context: p.context, memo: p.memo,
	}
	if t.expireMS == 0 {
		t.expireMS = tx.now.Add(life).UnixMilli()
	}
	return t, tx.insertTrade(ctx, t)
}

// endedResult is the refusal of a pay call whose number is paid or ended. It
// must not be asked about an open trade.
func endedResult(t *trade) payResult {
	switch t.state {
	case tradePaid:
		return payAlreadyPaid
	case tradeReversed:
		return payAlreadyUndone
	case tradeClosed:
		return payAlreadyClosed
	case tradeWaiting, tradeUnpaid, tradeFailed:
	}
	panic("sandbox: an open trade has not ended")
}

// repeatResult judges another attempt under an open number. Only a repeat that
// differs in nothing but the code may go on (upstreams.md §2.3).
func repeatResult(t *trade, p payment, customer string) (payResult, bool) {
	switch {
	case t.context != p.context:
		return payNumberUsed, true
	case t.customer != customer:
		return payOtherCustomer, true
	case t.state == tradeWaiting:
		return payNumberWaits, true
	}
	return payDone, false
}
