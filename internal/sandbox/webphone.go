package sandbox

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"net/http"
	"strings"
	"time"
)

// phonePassword is the payment password of every customer. The dialogue shows
// it: it protects nothing, it makes the till wait as it does in life.
const phonePassword = "123456"

// phoneState is what the phone shows beside codes and statement. It holds no
// time of its own, so that it changes only when something happened.
type phoneState struct {
	Customer
	// Wallets says how each wallet treats the customer today.
	Wallets map[Channel]walletState `json:"wallets"`
	// Last is the newest line of the statement, absent before the first.
	Last *StatementLine `json:"last,omitempty"`
	// Panel tells whether the scenario panel can be reached from here.
	Panel bool `json:"panel"`
}

// walletState is one wallet's day.
type walletState struct {
	// FreeToday counts today's payments, FreeLimit how many go without the
	// password, FreeBelow the largest amount (fen) that does.
	FreeToday int `json:"free_today"`
	FreeLimit int `json:"free_limit"`
	FreeUpTo  Fen `json:"free_up_to_fen"`
	// Rule is the preset in force.
	Rule string `json:"rule"`
	// Used are the last four digits of the codes scanned in the last minutes,
	// so that a phone which shows one of them turns to the next.
	Used []string `json:"used"`
}

// state answers the phone as it is now.
func (p *phone) state(r *http.Request) (int, any, error) {
	id := r.PathValue("id")
	customer, err := p.s.Customer(r.Context(), id)
	if err != nil {
		return 0, nil, err
	}
	out := phoneState{Customer: customer, Wallets: make(map[Channel]walletState, len(both)), Panel: p.token == ""}
	err = p.s.run(r.Context(), func(ctx context.Context, tx *txn) error {
		for _, ch := range both {
			w, err := p.s.walletDay(ctx, tx, id, ch)
			if err != nil {
				return err
			}
			out.Wallets[ch] = w
		}
		lines, err := tx.statement(ctx, id, 1)
		if len(lines) > 0 {
			out.Last = &lines[0]
		}
		return err
	})
	return http.StatusOK, out, err
}

// walletDay reads one wallet's day of a customer.
func (s *Sandbox) walletDay(ctx context.Context, tx *txn, customer string, ch Channel) (walletState, error) {
	preset := s.passwordPreset()
	rule := passwordRules[preset]
	w := walletState{FreeLimit: rule.free, FreeUpTo: rule.amount, Rule: preset, Used: []string{}}
	today, err := tx.paymentsToday(ctx, customer, ch)
	if err != nil {
		return w, err
	}
	w.FreeToday = today
	since := tx.now.Add(-codeLife - codeGrace).UnixMilli()
	err = tx.each(ctx, "SELECT substr(code, -4) FROM codes WHERE customer = ? AND channel = ? AND issued_ms > ? AND used_ms > 0 ORDER BY issued_ms DESC LIMIT 20",
		[]any{customer, ch, since}, func(rows *sql.Rows) error {
			var tail string
			err := rows.Scan(&tail)
			w.Used = append(w.Used, tail)
			return err
		})
	return w, err
}

// newCode turns the phone to a fresh payment code, drawn as both symbols.
func (p *phone) newCode(r *http.Request) (int, any, error) {
	var in struct {
		Channel string `json:"channel"`
	}
	if err := readControl(r, &in); err != nil {
		return 0, nil, err
	}
	code, err := p.s.NewPayCode(r.Context(), in.Channel, r.PathValue("id"))
	if err != nil {
		return 0, nil, err
	}
	bar, err := drawCode128(code.AuthCode)
	if err != nil {
		return 0, nil, err
	}
	qr, err := drawQR(code.AuthCode)
	return http.StatusOK, struct {
		PayCode
		Barcode symbol `json:"barcode"`
		QR      symbol `json:"qr"`
	}{code, bar, qr}, err
}

// answer lets the customer pay with the password, or cancel. A wrong password
// leaves the dialogue open, as the wallets do.
func (p *phone) answer(r *http.Request) (int, any, error) {
	var in struct {
		OutTradeNo string `json:"out_trade_no"`
		Action     string `json:"action"`
		Password   string `json:"password"`
	}
	if err := readControl(r, &in); err != nil {
		return 0, nil, err
	}
	if in.OutTradeNo == "" {
		return 0, nil, fmt.Errorf("%w out_trade_no: name the order", ErrInvalid)
	}
	if in.Action == ActionApprove && in.Password != phonePassword {
		return 0, nil, &refusalError{http.StatusForbidden, "wrong_password", "the password is wrong; in the sandbox it is " + phonePassword}
	}
	t, err := p.s.answerOne(r.Context(), r.PathValue("id"), in.Action, in.OutTradeNo)
	if err != nil {
		return 0, nil, err
	}
	if in.Action == ActionApprove && t.Charges == 0 {
		return 0, nil, &refusalError{http.StatusConflict, "no_money", "the balance is too low"}
	}
	return http.StatusOK, t, nil
}

// scan reads what the customer scanned or pasted, as the wallet's app would.
// A prepared order is opened, so that its dialogue is among the waiting ones;
// an ordinary link is given back for the page to offer.
func (p *phone) scan(r *http.Request) (int, any, error) {
	var in struct {
		Channel Channel `json:"channel"`
		Text    string  `json:"text"`
	}
	if err := readControl(r, &in); err != nil {
		return 0, nil, err
	}
	if in.Channel != WeChat && in.Channel != Alipay {
		return 0, nil, fmt.Errorf("%w channel %q: use %q or %q", ErrInvalid, in.Channel, WeChat, Alipay)
	}
	text := strings.TrimSpace(in.Text)
	wallet, what := readScan(text)
	if what == (Invocation{}) {
		if isLink(text) {
			return http.StatusOK, map[string]string{"link": text}, nil
		}
		return 0, nil, &refusalError{http.StatusBadRequest, "unreadable", "that is neither a payment link nor a trade number"}
	}
	if wallet != in.Channel {
		return 0, nil, &refusalError{http.StatusBadRequest, "other_wallet", "that is for the other wallet"}
	}
	w, err := p.s.Open(r.Context(), r.PathValue("id"), what)
	switch {
	case errors.Is(err, ErrNotFound):
		return 0, nil, &refusalError{http.StatusNotFound, "no_order", err.Error()}
	case errors.Is(err, ErrConflict):
		return 0, nil, &refusalError{http.StatusConflict, "order_ended", err.Error()}
	case errors.Is(err, ErrInvalid):
		return 0, nil, &refusalError{http.StatusBadRequest, "not_openable", err.Error()}
	}
	return http.StatusOK, map[string]WaitingTrade{"waiting": w}, err
}

// readScan tells which wallet's app a text opens, and how.
func readScan(text string) (Channel, Invocation) {
	switch {
	case strings.HasPrefix(text, "weixin://wxpay/"):
		return WeChat, Invocation{CodeURL: text}
	case strings.HasPrefix(text, "https://qr.alipay.com/"):
		return Alipay, Invocation{CodeURL: text}
	case strings.HasPrefix(text, "https://wx.tenpay.com/"):
		return WeChat, Invocation{MwebURL: text}
	case len(text) == 28 && allDigits(text): // newTradeNo
		return Alipay, Invocation{TradeNo: text}
	}
	return "", Invocation{}
}

// isLink reports whether a text is a web address that a page may offer to open.
func isLink(text string) bool {
	return (strings.HasPrefix(text, "https://") || strings.HasPrefix(text, "http://")) && len(text) <= maxSymbolText
}

// barcode draws an order number, for a till that scans it to refund.
func (p *phone) barcode(r *http.Request) (int, any, error) {
	bar, err := drawCode128(r.PathValue("text"))
	return http.StatusOK, bar, err
}

// statement lists what happened to the customer's money, newest first.
func (p *phone) statement(r *http.Request) (int, any, error) {
	lines, err := p.s.Statement(r.Context(), r.PathValue("id"))
	return http.StatusOK, map[string][]StatementLine{"lines": lines}, err
}

// maxStatement bounds a statement: what a person scrolls through.
const maxStatement = 100

// StatementLine is one line of a customer's statement. Amount is fen, positive
// for all kinds; only a payment takes money.
type StatementLine struct {
	// Kind is payment, refund, or reverse and rollback for payments that the
	// merchant or the wallet took back.
	Kind string `json:"kind"`
	// State of a refund is processing, success, closed or abnormal; of
	// everything else success.
	State      string    `json:"state"`
	Channel    Channel   `json:"channel"`
	Subject    string    `json:"subject"`
	Amount     Fen       `json:"amount_fen"`
	At         time.Time `json:"at"`
	OutTradeNo string    `json:"out_trade_no"`
	TradeNo    string    `json:"transaction_id"`
	// RefundNo is the merchant's number of a refund.
	RefundNo string `json:"out_refund_no,omitempty"`
	Merchant string `json:"merchant"`
}

// Statement tells what happened to a customer's money, after letting everything
// due happen: the newest 100 payments and returns, refunds under way included.
func (s *Sandbox) Statement(ctx context.Context, customer string) ([]StatementLine, error) {
	list := []StatementLine{}
	err := s.run(ctx, func(ctx context.Context, tx *txn) error {
		if err := s.returnDue(ctx, tx); err != nil {
			return err
		}
		lines, err := tx.statement(ctx, customer, maxStatement)
		list = append(list, lines...)
		return err
	})
	if err != nil {
		return nil, fmt.Errorf("read statement: %w", err)
	}
	return list, nil
}

// statementQuery joins the movements of money with the refunds that have not
// moved any. A refund stands at the time it arrived, or else was accepted.
const statementQuery = `
SELECT m.kind, m.state, t.channel, coalesce(json_extract(t.memo, '$.subject'), ''), m.amount, m.at_ms, t.out_trade_no, t.trade_no, m.no, t.merchant
FROM (
  SELECT 'payment' AS kind, 'success' AS state, trade, amount, at_ms, '' AS no, 0 AS rank FROM debits WHERE customer = ?1
  UNION ALL
  SELECT kind, 'success', trade, amount, at_ms, '', 1 FROM credits WHERE kind <> 'refund' AND customer = ?1
  UNION ALL
  SELECT 'refund', r.state, r.trade, r.amount, CASE WHEN r.done_ms > 0 THEN r.done_ms ELSE r.accepted_ms END, r.out_refund_no, 2
  FROM refunds r JOIN trades p ON p.seq = r.trade WHERE p.customer = ?1
) m JOIN trades t ON t.seq = m.trade
ORDER BY m.at_ms DESC, t.seq DESC, m.rank DESC, m.no DESC LIMIT ?2`

// statement reads the newest lines of a customer's statement.
func (t *txn) statement(ctx context.Context, customer string, limit int) ([]StatementLine, error) {
	var lines []StatementLine
	err := t.each(ctx, statementQuery, []any{customer, limit}, func(rows *sql.Rows) error {
		var l StatementLine
		var ms int64
		err := rows.Scan(&l.Kind, &l.State, &l.Channel, &l.Subject, &l.Amount, &ms, &l.OutTradeNo, &l.TradeNo, &l.RefundNo, &l.Merchant)
		l.At = at(ms)
		lines = append(lines, l)
		return err
	})
	return lines, err
}
