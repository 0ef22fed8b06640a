package sandbox

import (
	"context"
	"database/sql"
	"fmt"
	"net/http"
	"time"
)

// Movement is one thing that happened to money, read from the movements of
// customers' and merchants' money and from nothing that a bill is made of.
// Amounts are fen.
type Movement struct {
	Channel Channel `json:"channel"`
	// Merchant is sub_mch_id or user_id.
	Merchant string `json:"merchant"`
	// Kind is payment, refund, reverse or rollback; returned for a refund whose
	// money stayed with the merchant after all, and topup for the control API.
	Kind          string `json:"kind"`
	OutTradeNo    string `json:"out_trade_no"`
	TransactionID string `json:"transaction_id"`
	OutRefundNo   string `json:"out_refund_no,omitempty"`
	RefundID      string `json:"refund_id,omitempty"`
	// Customer is what left the customer, or came back to him. It is 0 for a
	// refund that has not arrived.
	Customer Fen `json:"customer_fen"`
	// Gross is what the merchant got, or negative what he gave, before Fee,
	// which is negative when the wallet took it.
	Gross Fen `json:"gross_fen"`
	Fee   Fen `json:"fee_fen"`
	// At is when it happened to the merchant, Arrived when a refund reached the
	// customer.
	At      time.Time `json:"at"`
	Arrived time.Time `json:"arrived,omitzero"`
}

// Movements lists what happened on one day in Beijing, both wallets, in order.
func (s *Sandbox) Movements(ctx context.Context, day time.Time) ([]Movement, error) {
	from := dayStart(day)
	list := []Movement{}
	err := s.run(ctx, func(ctx context.Context, tx *txn) error {
		if err := s.returnDue(ctx, tx); err != nil {
			return err
		}
		// A refund's credit is found by its number's time and amount: one trade
		// has no two refunds of one amount that arrive in one millisecond and
		// were accepted in different ones.
		return tx.each(ctx, `SELECT f.channel, f.merchant, f.kind, f.gross, f.fee, f.at_ms, coalesce(t.out_trade_no, ''), coalesce(t.trade_no, ''),
 coalesce(r.out_refund_no, ''), coalesce(r.refund_id, ''),
 CASE f.kind WHEN 'payment' THEN coalesce((SELECT sum(d.amount) FROM debits d WHERE d.trade = f.trade), 0)
  WHEN 'refund' THEN coalesce((SELECT c.amount FROM credits c WHERE c.trade = f.trade AND c.kind = 'refund' AND c.at_ms = r.done_ms AND c.amount = r.amount), 0)
  ELSE coalesce((SELECT sum(c.amount) FROM credits c WHERE c.trade = f.trade AND c.kind = f.kind), 0) END,
 coalesce((SELECT c.at_ms FROM credits c WHERE c.trade = f.trade AND c.kind = 'refund' AND c.at_ms = r.done_ms AND c.amount = r.amount), 0)
 FROM flows f LEFT JOIN trades t ON t.seq = f.trade LEFT JOIN refunds r ON r.seq = f.refund
 WHERE f.at_ms >= ? AND f.at_ms < ? ORDER BY f.at_ms, f.seq LIMIT ?`,
			[]any{from.UnixMilli(), from.AddDate(0, 0, 1).UnixMilli(), maxBillRows}, func(rows *sql.Rows) error {
				var m Movement
				var atMS, arrivedMS int64
				err := rows.Scan(&m.Channel, &m.Merchant, &m.Kind, &m.Gross, &m.Fee, &atMS, &m.OutTradeNo, &m.TransactionID,
					&m.OutRefundNo, &m.RefundID, &m.Customer, &arrivedMS)
				m.At = at(atMS)
				if arrivedMS > 0 {
					m.Arrived = at(arrivedMS)
				}
				list = append(list, m)
				return err
			})
	})
	if err != nil {
		return nil, fmt.Errorf("list movements: %w", err)
	}
	return list, nil
}

// getMovements tells what happened on a day.
func (s *Sandbox) getMovements(r *http.Request) (int, any, error) {
	text, err := readQuery(r, "day")
	if err != nil {
		return 0, nil, err
	}
	day, err := time.ParseInLocation("2006-01-02", text, beijing)
	if err != nil {
		return 0, nil, fmt.Errorf("%w day %q: write 2026-11-20", ErrInvalid, cut(text))
	}
	list, err := s.Movements(r.Context(), day)
	return http.StatusOK, map[string][]Movement{"movements": list}, err
}
