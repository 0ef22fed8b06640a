package sandbox

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"log/slog"
	"time"
)

// creditKind says why money came back to a customer.
type creditKind string

// Why money came back.
const (
	creditRefund   creditKind = "refund"
	creditReverse  creditKind = "reverse"
	creditRollback creditKind = "rollback"
)

// maxTrades bounds the answer of Trades without a number, newest first.
const maxTrades = 1000

// errShort is returned by debit when the customer has too little money.
var errShort = errors.New("balance too low")

// debit takes the trade's total from its customer and marks it paid, all in the
// caller's transaction. errShort means that nothing was taken. This is the only
// place where a customer loses money, and credit the only one where they get
// any: the truth cannot be told past these two.
func (s *Sandbox) debit(ctx context.Context, tx *txn, t *trade) error {
	var balance Fen
	found, err := tx.row(ctx, "SELECT balance FROM customers WHERE id = ?", []any{t.customer}, []any{&balance})
	if err != nil {
		return err
	}
	if !found {
		panic("sandbox: a trade without a customer cannot be charged")
	}
	if balance < t.total {
		return errShort
	}
	if err := tx.exec(ctx, "UPDATE customers SET balance = balance - ? WHERE id = ?", t.total, t.customer); err != nil {
		return err
	}
	if err := tx.exec(ctx, "INSERT INTO debits (trade, channel, customer, amount, at_ms) VALUES (?,?,?,?,?)",
		t.seq, t.channel, t.customer, t.total, tx.nowMS()); err != nil {
		return err
	}
	t.state, t.paidMS, t.dialogMS, t.dirty = tradePaid, tx.nowMS(), 0, true
	if err := s.earn(ctx, tx, t); err != nil {
		return err
	}
	if err := s.announce(ctx, tx, t, nil); err != nil {
		return err
	}
	s.c.Log.InfoContext(ctx, "customer charged", slog.String("channel", string(t.channel)),
		slog.String("out_trade_no", t.outTradeNo), slog.Int64("amount_fen", int64(t.total)))
	return nil
}

// credit returns money to the trade's customer. Zero returns nothing. The time
// is the moment it became due, which may lie before the transaction's.
func (s *Sandbox) credit(ctx context.Context, tx *txn, t *trade, kind creditKind, amount Fen, atMS int64) error {
	if amount == 0 {
		return nil
	}
	if err := tx.exec(ctx, "UPDATE customers SET balance = balance + ? WHERE id = ?", amount, t.customer); err != nil {
		return err
	}
	if err := tx.exec(ctx, "INSERT INTO credits (trade, kind, customer, amount, at_ms) VALUES (?,?,?,?,?)",
		t.seq, kind, t.customer, amount, atMS); err != nil {
		return err
	}
	s.c.Log.InfoContext(ctx, "money returned", slog.String("channel", string(t.channel)), slog.String("kind", string(kind)),
		slog.String("out_trade_no", t.outTradeNo), slog.Int64("amount_fen", int64(amount)))
	return nil
}

// Totals is the truth of the whole bench since its file was made, counted from
// movements of money. Amounts are fen.
type Totals struct {
	Charges int64 `json:"charges"` // debits made
	Charged Fen   `json:"charged"` // their sum
	Refunds int64 `json:"refunds"` // refunds that reached the customer
	// Refunded is everything that went back to customers, by refund, reverse
	// or rollback, so that Charged − Refunded is what merchants hold.
	Refunded Fen `json:"refunded"`
	// Reversals counts order numbers ended by a reverse or cancel, the
	// tombstones of numbers WeChat never saw included.
	Reversals     int64            `json:"reversals"`
	DoubleCharges int64            `json:"double_charges"` // debits beyond the first of an order number
	Faults        map[string]int64 `json:"faults"`         // times applied, by scenario
}

// Totals counts the truth, after letting everything due happen.
func (s *Sandbox) Totals(ctx context.Context) (Totals, error) {
	t := Totals{Faults: map[string]int64{}}
	err := s.run(ctx, func(ctx context.Context, tx *txn) error {
		if err := s.returnDue(ctx, tx); err != nil {
			return err
		}
		if _, err := tx.row(ctx, "SELECT count(*), coalesce(sum(amount), 0), count(*) - count(DISTINCT trade) FROM debits",
			nil, []any{&t.Charges, &t.Charged, &t.DoubleCharges}); err != nil {
			return err
		}
		if _, err := tx.row(ctx, "SELECT count(*) FILTER (WHERE kind = 'refund'), coalesce(sum(amount), 0) FROM credits",
			nil, []any{&t.Refunds, &t.Refunded}); err != nil {
			return err
		}
		if _, err := tx.row(ctx, "SELECT count(*) FROM trades WHERE state = 'reversed'",
			nil, []any{&t.Reversals}); err != nil {
			return err
		}
		return tx.each(ctx, "SELECT scenario, fired FROM fault_counts", nil, func(r *sql.Rows) error {
			var name string
			var n int64
			if err := r.Scan(&name, &n); err != nil {
				return err
			}
			t.Faults[name] = n
			return nil
		})
	})
	if err != nil {
		return Totals{}, fmt.Errorf("count sandbox totals: %w", err)
	}
	return t, nil
}

// Trade is the truth about one order number. State is the wallet's own word
// for the real state, also while a fault makes queries say another. Amounts
// are fen; Charges counts debits, Refunded all money returned.
type Trade struct {
	Channel       Channel `json:"channel"`
	OutTradeNo    string  `json:"out_trade_no"`
	TransactionID string  `json:"transaction_id"`
	State         string  `json:"state"`
	Charged       Fen     `json:"charged"`
	Refunded      Fen     `json:"refunded"`
	Charges       int64   `json:"charges"`
}

// truth is the part of Trade that does not need the movements of money.
func (t *trade) truth(now time.Time) Trade {
	return Trade{Channel: t.channel, OutTradeNo: t.outTradeNo, TransactionID: t.tradeNo, State: t.wireState(now)}
}

// Trades lists what the wallets know under a merchant's order number, or the
// newest thousand trades when it is empty.
func (s *Sandbox) Trades(ctx context.Context, outTradeNo string) ([]Trade, error) {
	list := []Trade{}
	err := s.run(ctx, func(ctx context.Context, tx *txn) error {
		if err := s.returnDue(ctx, tx); err != nil {
			return err
		}
		where, args := "ORDER BY seq DESC LIMIT ?", []any{maxTrades}
		if outTradeNo != "" {
			where, args = "WHERE out_trade_no = ? ORDER BY seq DESC LIMIT ?", []any{outTradeNo, maxTrades}
		}
		found, err := tx.trades(ctx, where, args...)
		if err != nil {
			return err
		}
		for _, t := range found {
			if err := s.ripen(ctx, tx, t); err != nil {
				return err
			}
			out := t.truth(tx.now)
			if _, err := tx.row(ctx, "SELECT count(*), coalesce(sum(amount), 0) FROM debits WHERE trade = ?",
				[]any{t.seq}, []any{&out.Charges, &out.Charged}); err != nil {
				return err
			}
			if _, err := tx.row(ctx, "SELECT coalesce(sum(amount), 0) FROM credits WHERE trade = ?",
				[]any{t.seq}, []any{&out.Refunded}); err != nil {
				return err
			}
			list = append(list, out)
		}
		return nil
	})
	if err != nil {
		return nil, fmt.Errorf("list sandbox trades: %w", err)
	}
	return list, nil
}

// returnDue makes every movement of money that time alone causes: refunds that
// are due and payments that a wallet takes back.
func (s *Sandbox) returnDue(ctx context.Context, tx *txn) error {
	if err := s.settleRefunds(ctx, tx); err != nil {
		return err
	}
	due, err := tx.trades(ctx, "WHERE state = 'paid' AND rollback_ms > 0 AND rollback_ms <= ?", tx.nowMS())
	if err != nil {
		return err
	}
	for _, t := range due {
		if err := s.ripen(ctx, tx, t); err != nil {
			return err
		}
	}
	return nil
}

// trades reads the trades a condition selects, as they were stored.
func (t *txn) trades(ctx context.Context, where string, args ...any) ([]*trade, error) {
	var found []*trade
	err := t.each(ctx, "SELECT "+tradeColumns+" FROM trades "+where, args, func(r *sql.Rows) error {
		tr := &trade{}
		found = append(found, tr)
		return tr.scan(r.Scan)
	})
	return found, err
}
