package sandbox

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"log/slog"
	"slices"
	"time"
)

// The states of a notice that a fault holds back until something happens.
const (
	noticeBehind      = "held_order"  // until another notice of the provider was sent
	noticeAfterRefund = "held_refund" // until the order has a refund
)

// maxBehind ends the wait for another notice, which may never come.
const maxBehind = 5 * time.Minute

// maxEager bounds the customers among whom an order's payer is looked for.
const maxEager = 10_000

// errHeld is why an attempt was not made: a fault holds the notice back.
var errHeld = errors.New("the notice is held back")

// noticeScenarios are those of the time and order of notices (upstreams.md
// §8.7).
var noticeScenarios = []Scenario{
	{
		Name: "notify_drop", Effect: "the notice is not sent (n times); it comes again by the wallet's schedule", Channels: both, Endpoint: EndpointNotify,
		Params: []string{"n"},
		apply:  func(e *effect, _ Channel, _ Params) { e.drop = true },
	},
	{
		Name: "notify_delay", Effect: "the notice leaves late (60 s of the sandbox's clock)", Channels: both, Endpoint: EndpointNotify,
		Params: []string{"seconds"},
		apply:  func(e *effect, _ Channel, p Params) { e.hold = noticeWaiting; e.holdFor = p.wait(time.Minute) },
	},
	{
		Name: "notify_reorder", Effect: "the notice waits until a later one of the provider was sent, at most 5 minutes", Channels: both,
		Endpoint: EndpointNotify,
		apply:    func(e *effect, _ Channel, _ Params) { e.hold = noticeBehind; e.holdFor = maxBehind },
	},
	{
		Name: "notify_after_refund", Effect: "the notice of a payment waits until the order has a refund", Channels: both, Endpoint: EndpointNotify,
		apply: func(e *effect, _ Channel, _ Params) { e.hold = noticeAfterRefund },
	},
	{
		Name: "notify_before_response", Effect: "the notice comes before the answer; on prepay a customer pays the order before its maker has it",
		Channels: both, Endpoint: EndpointPrepay,
		apply: func(e *effect, _ Channel, _ Params) { e.early = true },
	},
}

// holdNotice puts a notice aside that was never tried. A repetition is not
// held again.
func (s *Sandbox) holdNotice(ctx context.Context, n notice, eff *effect) error {
	why := map[string]string{
		noticeWaiting:     "fault: held back for " + eff.holdFor.String(),
		noticeBehind:      "fault: held back until a later notice was sent",
		noticeAfterRefund: "fault: held back until a refund",
	}[eff.hold]
	s.unsent(eff.log, n, why)
	return s.run(ctx, func(ctx context.Context, tx *txn) error {
		return tx.exec(ctx, "UPDATE notices SET state = ?, due_ms = ?, answer = ? WHERE seq = ?", eff.hold, tx.now.Add(eff.holdFor).UnixMilli(), why, n.seq)
	})
}

// releaseNotices makes due what has waited for a refund or another notice.
func (t *txn) releaseNotices(ctx context.Context) error {
	err := t.exec(ctx, `UPDATE notices SET state = 'waiting', due_ms = ?1 WHERE state = 'held_refund'
 AND EXISTS (SELECT 1 FROM refunds r WHERE r.trade = notices.trade)`, t.nowMS())
	if err != nil {
		return err
	}
	return t.exec(ctx, `UPDATE notices SET state = 'waiting', due_ms = ?1 WHERE state = 'held_order' AND (due_ms <= ?1
 OR EXISTS (SELECT 1 FROM notices l WHERE l.provider = notices.provider AND l.seq > notices.seq AND l.tries > 0))`, t.nowMS())
}

// tellEarly sends what a call makes due before its answer. An order that was
// only prepared is paid first, by the customer it is for, or by one who is
// quick.
func (s *Sandbox) tellEarly(ctx context.Context, c call) {
	ctx = context.WithoutCancel(ctx)
	if c.endpoint == EndpointPrepay {
		if err := s.run(ctx, func(ctx context.Context, tx *txn) error { return s.payEagerly(ctx, tx, c) }); err != nil {
			s.c.Log.ErrorContext(ctx, "order not paid early", slog.String("error", err.Error()))
		}
	}
	s.sendSoon(ctx)
}

// payEagerly pays the newest handle of an order. That there is none, because
// the call was refused, is no error.
func (s *Sandbox) payEagerly(ctx context.Context, tx *txn, c call) error {
	list, err := tx.preparedWhere(ctx, "WHERE channel = ? AND merchant = ? AND out_trade_no = ?", c.channel, c.merchant, c.outTradeNo)
	if err != nil || len(list) == 0 {
		return err
	}
	p := list[len(list)-1]
	customer, err := s.payerOf(ctx, tx, p)
	if err != nil {
		return err
	}
	t, err := s.findTrade(ctx, tx, p.channel, p.merchant, "", p.outTradeNo)
	if err == nil && t == nil {
		t, err = s.newTrade(ctx, tx, p.payment(tx.now))
	}
	if err != nil || !t.open() {
		return err
	}
	t.customer, t.state = customer, tradeWaiting
	if err := s.answer(ctx, tx, t, ActionApprove); err != nil {
		return err
	}
	return tx.saveTrade(ctx, t)
}

// payerOf is the customer an order was prepared for, or a quick one if it is
// for anybody.
func (s *Sandbox) payerOf(ctx context.Context, tx *txn, p *handle) (string, error) {
	if p.memo.Payer == "" {
		return s.ensureCustomer(ctx, tx, "eager")
	}
	found := ""
	err := tx.each(ctx, "SELECT id FROM customers ORDER BY seq DESC LIMIT ?", []any{maxEager}, func(r *sql.Rows) error {
		var id string
		if err := r.Scan(&id); err != nil {
			return err
		}
		if slices.Contains([]string{openID(p.memo.PayerApp, id), buyerID(id), buyerOpenID(p.memo.PayerApp, id)}, p.memo.Payer) {
			found = id
		}
		return nil
	})
	if err == nil && found == "" {
		err = fmt.Errorf("the payer of %s: %w", p.outTradeNo, ErrNotFound)
	}
	return found, err
}
