package sandbox

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"slices"
	"time"
)

// Limits of the phone. A payment code is shown for a minute and works for one
// more, so that a code that turned over between the glance and the scan still
// pays (upstreams.md §8.3).
const (
	codeLife       = time.Minute
	codeGrace      = time.Minute
	codeMemory     = 24 * time.Hour // afterwards a code is unknown, not expired
	openingBalance = 10_000_00      // fen a new customer has
	maxCustomerID  = 64
	maxBalance     = maxTotal
)

// ErrNotFound is wrapped by errors about a customer, trade or fault the
// sandbox does not have; ErrInvalid by errors about what the caller asked for.
var (
	ErrNotFound = errors.New("not found")
	ErrInvalid  = errors.New("invalid")
	ErrConflict = errors.New("conflict")
)

// PayCode is a payment code on a customer's phone. AuthCode is a bearer
// credential for about a minute: show it, never log it.
type PayCode struct {
	AuthCode  string    `json:"auth_code"`
	Customer  string    `json:"customer"`
	ExpiresAt time.Time `json:"expires_at"`
}

// Customer is a person with one balance behind both wallets. Amounts are fen.
type Customer struct {
	ID      string         `json:"id"`
	Balance Fen            `json:"balance_fen"`
	Waiting []WaitingTrade `json:"waiting"`
}

// WaitingTrade is a password dialogue open on the phone until ExpiresAt.
type WaitingTrade struct {
	Channel    Channel   `json:"channel"`
	OutTradeNo string    `json:"out_trade_no"`
	Amount     Fen       `json:"amount_fen"`
	Subject    string    `json:"subject"`
	ExpiresAt  time.Time `json:"expires_at"`
}

// The customer's two answers to a password dialogue. Not answering is the third.
const (
	ActionApprove = "approve"
	ActionCancel  = "cancel"
)

// NewPayCode turns the phone of customer to a fresh payment code. An empty
// customer, or one not seen before, gets a new phone with 10,000 yuan.
func (s *Sandbox) NewPayCode(ctx context.Context, channel, customer string) (PayCode, error) {
	return s.issueCode(ctx, channel, customer, "")
}

// issueCode makes a code that ends in suffix.
func (s *Sandbox) issueCode(ctx context.Context, channel, customer, suffix string) (PayCode, error) {
	ch := Channel(channel)
	if ch != WeChat && ch != Alipay {
		return PayCode{}, fmt.Errorf("%w channel %q: use %q or %q", ErrInvalid, channel, WeChat, Alipay)
	}
	var out PayCode
	err := s.run(ctx, func(ctx context.Context, tx *txn) error {
		c, err := s.ensureCustomer(ctx, tx, customer)
		if err != nil {
			return err
		}
		code := newCode(ch, suffix)
		out = PayCode{AuthCode: code, Customer: c, ExpiresAt: tx.now.Add(codeLife)}
		return tx.exec(ctx, "INSERT INTO codes (code, channel, customer, issued_ms) VALUES (?,?,?,?)", code, ch, c, tx.nowMS())
	})
	if err != nil {
		return PayCode{}, fmt.Errorf("issue payment code: %w", err)
	}
	return out, nil
}

// NewCustomer makes a customer with a balance in fen. An empty id invents one;
// an id in use is refused with ErrConflict.
func (s *Sandbox) NewCustomer(ctx context.Context, id string, balance Fen) (Customer, error) {
	if balance < 0 || balance > maxBalance {
		return Customer{}, fmt.Errorf("%w balance_fen %d: use 0 to %d", ErrInvalid, balance, maxBalance)
	}
	c := Customer{Balance: balance, Waiting: []WaitingTrade{}}
	err := s.run(ctx, func(ctx context.Context, tx *txn) error {
		if id != "" {
			if found, err := tx.row(ctx, "SELECT 1 FROM customers WHERE id = ?", []any{id}, []any{new(int)}); err != nil || found {
				return errors.Join(err, fmt.Errorf("customer %q: %w: it exists", id, ErrConflict))
			}
		}
		made, err := tx.addCustomer(ctx, id, balance)
		c.ID = made
		return err
	})
	if err != nil {
		return Customer{}, fmt.Errorf("make customer: %w", err)
	}
	return c, nil
}

// Customer reads a customer's balance and open dialogues, oldest first.
func (s *Sandbox) Customer(ctx context.Context, id string) (Customer, error) {
	c := Customer{ID: id, Waiting: []WaitingTrade{}}
	err := s.run(ctx, func(ctx context.Context, tx *txn) error {
		if err := s.returnDue(ctx, tx); err != nil {
			return err
		}
		found, err := tx.row(ctx, "SELECT balance FROM customers WHERE id = ?", []any{id}, []any{&c.Balance})
		if err != nil {
			return err
		}
		if !found {
			return fmt.Errorf("customer %q: %w", id, ErrNotFound)
		}
		waiting, err := s.waiting(ctx, tx, id)
		for _, t := range waiting {
			c.Waiting = append(c.Waiting, t.waiting())
		}
		return err
	})
	if err != nil {
		return Customer{}, fmt.Errorf("read customer: %w", err)
	}
	return c, nil
}

// Answer lets the customer approve or cancel the oldest dialogue open on the
// phone. An approval that arrives after a reverse finds no dialogue:
// ErrNotFound. One with too little money behind it fails as the wallet fails
// it, which is not an error of the call.
func (s *Sandbox) Answer(ctx context.Context, customer, action string) error {
	_, err := s.answerOne(ctx, customer, action, "")
	return err
}

// answerOne is Answer with the trade it ended, of a given order number or the
// oldest. What the payment makes the wallet announce has been sent once when
// it returns.
func (s *Sandbox) answerOne(ctx context.Context, customer, action, outTradeNo string) (Trade, error) {
	if action != ActionApprove && action != ActionCancel {
		return Trade{}, fmt.Errorf("%w action %q: use %q or %q", ErrInvalid, action, ActionApprove, ActionCancel)
	}
	var out Trade
	err := s.run(ctx, func(ctx context.Context, tx *txn) error {
		found, err := tx.row(ctx, "SELECT 1 FROM customers WHERE id = ?", []any{customer}, []any{new(int)})
		if err != nil {
			return err
		}
		if !found {
			return fmt.Errorf("customer %q: %w", customer, ErrNotFound)
		}
		waiting, err := s.waiting(ctx, tx, customer)
		if err != nil {
			return err
		}
		if outTradeNo != "" {
			waiting = slices.DeleteFunc(waiting, func(t *trade) bool { return t.outTradeNo != outTradeNo })
		}
		if len(waiting) == 0 {
			return fmt.Errorf("customer %q: %w: no payment waits for an answer", customer, ErrNotFound)
		}
		t := waiting[0]
		if err := s.answer(ctx, tx, t, action); err != nil {
			return err
		}
		out = t.truth(tx.now)
		if t.state == tradePaid {
			out.Charged, out.Charges = t.total, 1
		}
		return tx.saveTrade(ctx, t)
	})
	if err != nil {
		return Trade{}, fmt.Errorf("answer payment: %w", err)
	}
	s.sendSoon(ctx)
	return out, nil
}

// answer applies the customer's decision to an open dialogue. An approval
// without enough money behind it fails like a cancellation. Leaving the dialogue is PAYERROR at
// WeChat; Alipay goes on waiting for a buyer (upstreams.md §8.4, §8.5).
func (s *Sandbox) answer(ctx context.Context, tx *txn, t *trade, action string) error {
	t.dialogMS = 0
	if action == ActionApprove {
		err := s.debit(ctx, tx, t)
		if !errors.Is(err, errShort) {
			return err
		}
	}
	t.state = tradeFailed
	return nil
}

// waiting lists the customer's open dialogues, oldest first, after closing
// those whose time is up.
func (s *Sandbox) waiting(ctx context.Context, tx *txn, customer string) ([]*trade, error) {
	found, err := tx.trades(ctx, "WHERE customer = ? AND state = 'waiting' ORDER BY seq", customer)
	if err != nil {
		return nil, err
	}
	open := found[:0]
	for _, t := range found {
		if err := s.ripen(ctx, tx, t); err != nil {
			return nil, err
		}
		if t.state == tradeWaiting {
			open = append(open, t)
		}
	}
	return open, nil
}

// ensureCustomer returns the customer's id, making the customer if needed.
func (s *Sandbox) ensureCustomer(ctx context.Context, tx *txn, id string) (string, error) {
	if id != "" {
		found, err := tx.row(ctx, "SELECT 1 FROM customers WHERE id = ?", []any{id}, []any{new(int)})
		if err != nil || found {
			return id, err
		}
	}
	return tx.addCustomer(ctx, id, openingBalance)
}

// addCustomer makes a customer, inventing an id where none is given. The opening
// balance is kept beside the balance, so that the books can be checked.
func (t *txn) addCustomer(ctx context.Context, id string, balance Fen) (string, error) {
	seq, err := t.next(ctx, "SELECT coalesce(max(seq), 0) + 1 FROM customers")
	if err != nil {
		return "", err
	}
	if id == "" {
		id = "c-" + padded(seq, 4) + "-" + randomHex(4)
	}
	if !validCustomerID(id) {
		return "", fmt.Errorf("%w customer %q: use 1 to %d letters, digits, - _ . ", ErrInvalid, id, maxCustomerID)
	}
	return id, t.exec(ctx, "INSERT INTO customers (id, seq, opening, balance, created_ms) VALUES (?,?,?,?,?)",
		id, seq, balance, balance, t.nowMS())
}

// validCustomerID keeps ids fit for a URL path and a log line.
func validCustomerID(id string) bool {
	if id == "" || len(id) > maxCustomerID {
		return false
	}
	for _, c := range []byte(id) {
		if !isAlnum(c) && c != '-' && c != '_' && c != '.' {
			return false
		}
	}
	return true
}

// isAlnum reports whether c is an ASCII letter or digit.
func isAlnum(c byte) bool {
	return c >= '0' && c <= '9' || c >= 'a' && c <= 'z' || c >= 'A' && c <= 'Z'
}

// newCode draws a code of the channel's form (upstreams.md §5): WeChat 18
// digits from 10–15, Alipay 16–24 digits from 25–30. It ends in suffix, and
// without one in nothing that sets off a scenario.
func newCode(ch Channel, suffix string) string {
	prefix, length := 10+int(randomDigit(6)), 18
	if ch == Alipay {
		prefix, length = 25+int(randomDigit(6)), 16+int(randomDigit(9))
	}
	code := []byte(numbered(prefix, 2))
	for len(code) < length {
		code = append(code, '0'+randomDigit(10))
	}
	if suffix != "" {
		return string(code[:length-len(suffix)]) + suffix
	}
	if scenarioOfCode(string(code)) != nil {
		return newCode(ch, "")
	}
	return string(code)
}

// randomDigit draws evenly from 0 to n−1, n ≤ 10, by throwing away the bytes
// above the largest multiple of n.
func randomDigit(n byte) byte {
	var buf [1]byte
	for {
		_, _ = rand.Read(buf[:]) // never fails: the runtime ends the process instead
		if buf[0] < 250/n*n {
			return buf[0] % n
		}
	}
}

// codeState says what a scanned code is worth to one wallet now.
type codeState int

// What a code is worth.
const (
	codeGood codeState = iota
	codeUnknown
	codeUsed
	codeExpired
)

// lookAtCode says what a code scanned by a merchant is worth, and whose it is. A
// code of the other wallet is unknown to this one, and so is one that another
// merchant has exchanged for an openid.
func (t *txn) lookAtCode(ctx context.Context, ch Channel, merchant, code string) (string, codeState, error) {
	var customer, bound string
	var issued, used int64
	found, err := t.row(ctx, `SELECT customer, issued_ms, used_ms, coalesce((SELECT merchant FROM code_bindings b WHERE b.code = codes.code), '')
 FROM codes WHERE code = ? AND channel = ?`, []any{code, ch}, []any{&customer, &issued, &used, &bound})
	if err != nil || !found || bound != "" && bound != merchant {
		return "", codeUnknown, err
	}
	if used > 0 {
		return customer, codeUsed, nil
	}
	if t.nowMS() >= issued+(codeLife+codeGrace).Milliseconds() {
		return customer, codeExpired, nil
	}
	return customer, codeGood, nil
}

// useCode consumes a code for the merchant who scanned it, whatever becomes of
// the payment, and returns whose it is.
func (t *txn) useCode(ctx context.Context, ch Channel, merchant, code string) (string, codeState, error) {
	customer, state, err := t.lookAtCode(ctx, ch, merchant, code)
	if err != nil || state != codeGood {
		return customer, state, err
	}
	return customer, codeGood, t.exec(ctx, "UPDATE codes SET used_ms = ? WHERE code = ?", t.nowMS(), code)
}

// forgetOldCodes keeps the table of codes from growing without end.
func forgetOldCodes(ctx context.Context, tx *txn) error {
	old := tx.now.Add(-codeMemory).UnixMilli()
	if err := tx.exec(ctx, "DELETE FROM code_bindings WHERE code IN (SELECT code FROM codes WHERE issued_ms < ?)", old); err != nil {
		return err
	}
	return tx.exec(ctx, "DELETE FROM codes WHERE issued_ms < ?", old)
}
