package sandbox

import (
	"context"
	"crypto/sha256"
	"database/sql"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"strconv"
	"time"
)

// tradeState is where a trade stands, for both wallets; each wallet projects
// it to its own words (upstreams.md §8.4, §8.5).
type tradeState string

// The states of a trade. The first three are open: neither paid nor ended.
const (
	tradeWaiting  tradeState = "waiting"  // the password dialogue is open on the phone
	tradeUnpaid   tradeState = "unpaid"   // no dialogue: it timed out, or the attempt was refused
	tradeFailed   tradeState = "failed"   // the customer cancelled the dialogue
	tradePaid     tradeState = "paid"     // charged; refunds leave it here
	tradeClosed   tradeState = "closed"   // ended without a reverse: expiry, close, or rolled back
	tradeReversed tradeState = "reversed" // ended by reverse or cancel, with any money returned
)

// The lives of trades that name no expiry: WeChat closes unpaid orders after
// 7 days (upstreams.md §3.4), Alipay after 3 hours (§4.4).
const (
	wxLife  = 7 * 24 * time.Hour
	aliLife = 3 * time.Hour
)

// trade is one row of trades: an order number of one merchant as its wallet
// knows it. A time of 0 means never. It is changed in memory and written back
// by saveTrade, inside the one transaction that read it.
type trade struct {
	seq                   int64
	channel               Channel
	provider, merchant    string
	outTradeNo, tradeNo   string
	customer              string // empty for the tombstone of a number never seen
	total                 Fen
	state                 tradeState
	createdMS, triedMS    int64 // first and latest pay request
	paidMS, endedMS       int64
	dialogMS, expireMS    int64 // when the dialogue and the trade close by themselves
	context               string
	memo                  memo
	lagMS                 int64 // queries do not see the payment until so long after it
	lie                   bool  // queries say PAYERROR although it was paid
	rollbackMS            int64 // when the wallet takes the payment back
	reserved              Fen   // refunds accepted and not closed
	returned              Fen   // refunds that reached the customer
	refundCount, refundMS int64
	dirty                 bool // changed since it was read
}

// memo is what a pay request said that later answers repeat.
type memo struct {
	SubAppID   string `json:"sub_app_id,omitempty"`
	Attach     string `json:"attach,omitempty"`
	DeviceInfo string `json:"device_info,omitempty"`
	Subject    string `json:"subject,omitempty"`
	StoreID    string `json:"store_id,omitempty"`
	TerminalID string `json:"terminal_id,omitempty"`
	// Kind is the trade_type or method of an order that is prepared first and
	// paid later, "" for a code payment.
	Kind string `json:"kind,omitempty"`
	// PayerApp and Payer say who may pay: an openid under an application, or an
	// Alipay buyer. Empty is anybody.
	PayerApp string `json:"payer_app,omitempty"`
	Payer    string `json:"payer,omitempty"`
	// API is v3 for an order made with APIv3.
	API string `json:"api,omitempty"`
	// AppID, SignType and NotifyURL are what its notices are sent with.
	AppID     string `json:"app_id,omitempty"`
	SignType  string `json:"sign_type,omitempty"`
	NotifyURL string `json:"notify_url,omitempty"`
	// ByCert says that Alipay's notices are signed in certificate mode.
	ByCert bool `json:"by_cert,omitempty"`
	// ToldFinished says that a notice of TRADE_FINISHED was made.
	ToldFinished bool `json:"told_finished,omitempty"`
	// ReturnURL is where Alipay's payment page sends the customer's browser.
	ReturnURL string `json:"return_url,omitempty"`
	// Options are the fields that only say how it may be paid or shown.
	Options map[string]string `json:"options,omitempty"`
	// Coupons paid a part of it.
	Coupons []coupon `json:"coupons,omitempty"`
	// FeeRate is the merchant's when it was paid, in ten-thousandths.
	FeeRate int64 `json:"fee_rate,omitempty"`
}

// tradeColumns are in the order that scan reads and insertTrade writes them.
const tradeColumns = `seq, channel, provider, merchant, out_trade_no, trade_no, customer, total, state,
 created_ms, tried_ms, paid_ms, ended_ms, dialog_ms, expire_ms, context, memo, lag_ms, lie, rollback_ms,
 reserved, returned, refunds, refund_ms`

// scan reads one row of tradeColumns.
func (t *trade) scan(scan func(...any) error) error {
	var note string
	err := scan(&t.seq, &t.channel, &t.provider, &t.merchant, &t.outTradeNo, &t.tradeNo, &t.customer, &t.total, &t.state,
		&t.createdMS, &t.triedMS, &t.paidMS, &t.endedMS, &t.dialogMS, &t.expireMS, &t.context, &note, &t.lagMS, &t.lie,
		&t.rollbackMS, &t.reserved, &t.returned, &t.refundCount, &t.refundMS)
	if err != nil {
		return err
	}
	return json.Unmarshal([]byte(note), &t.memo)
}

// findTrade looks a trade up by the merchant's number, or by the wallet's when
// that is given (the wallet's wins, upstreams.md §2.2), and brings it up to
// the present. It returns nil when there is none.
func (s *Sandbox) findTrade(ctx context.Context, tx *txn, ch Channel, merchant, tradeNo, outTradeNo string) (*trade, error) {
	query, number := "SELECT "+tradeColumns+" FROM trades WHERE channel = ? AND merchant = ? AND out_trade_no = ?", outTradeNo
	if tradeNo != "" {
		query, number = "SELECT "+tradeColumns+" FROM trades WHERE channel = ? AND merchant = ? AND trade_no = ?", tradeNo
	}
	st, err := tx.stmt(ctx, query)
	if err != nil {
		return nil, err
	}
	t := &trade{}
	err = t.scan(st.QueryRowContext(ctx, ch, merchant, number).Scan)
	if err == sql.ErrNoRows { //nolint:errorlint // Scan returns it bare, and wrapping would hide a damaged memo
		return nil, nil //nolint:nilnil // no trade is an answer here, not a failure
	}
	if err != nil {
		return nil, fmt.Errorf("read trade: %w", err)
	}
	if t.refundCount > 0 { // a closed refund gives its amount free again
		if _, err := s.refundsOf(ctx, tx, t); err != nil {
			return nil, err
		}
	}
	return t, s.ripen(ctx, tx, t)
}

// ripen lets happen to a trade what time alone makes happen: a dialogue that
// closes, a trade that expires, a payment the wallet takes back. The dialogue
// and the expiry are looked at in the order in which they fall.
func (s *Sandbox) ripen(ctx context.Context, tx *txn, t *trade) error {
	now := tx.nowMS()
	if t.state == tradePaid && t.rollbackMS > 0 && now >= t.rollbackMS {
		if err := s.credit(ctx, tx, t, creditRollback, t.total-t.reserved, t.rollbackMS); err != nil {
			return err
		}
		if err := s.giveBack(ctx, tx, t, flowRollback, t.reserved, t.total-t.reserved, t.rollbackMS); err != nil {
			return err
		}
		t.state, t.endedMS, t.dirty = tradeClosed, t.rollbackMS, true
	}
	if t.state == tradeWaiting && now >= t.dialogMS {
		t.state, t.dirty = tradeUnpaid, true
	}
	if t.open() && t.expireMS > 0 && now >= t.expireMS {
		t.state, t.endedMS, t.dirty = tradeClosed, t.expireMS, true
		if t.tellsClose() {
			if err := s.announce(ctx, tx, t, nil); err != nil {
				return err
			}
		}
	}
	if t.tellsClose() && t.finished(tx.now) && !t.memo.ToldFinished {
		t.memo.ToldFinished, t.dirty = true, true
		if err := s.announce(ctx, tx, t, nil); err != nil {
			return err
		}
	}
	if !t.dirty {
		return nil
	}
	return tx.saveTrade(ctx, t)
}

// open reports whether the trade is neither paid nor ended.
func (t *trade) open() bool {
	return t.state == tradeWaiting || t.state == tradeUnpaid || t.state == tradeFailed
}

// fullyRefunded reports whether the customer has all of a paid trade back. A
// refund that is accepted but stuck does not count: the wallet goes on calling
// the trade paid.
func (t *trade) fullyRefunded() bool { return t.state == tradePaid && t.returned == t.total }

// unseen reports whether a query must not see the payment yet (slow_state).
func (t *trade) unseen(now time.Time) bool {
	return t.state == tradePaid && t.lagMS > 0 && now.UnixMilli() < t.paidMS+t.lagMS
}

// insertTrade writes a new trade. That its number is new is checked by the
// table, whatever the caller believes.
func (t *txn) insertTrade(ctx context.Context, tr *trade) error {
	note, err := json.Marshal(tr.memo)
	if err != nil {
		return err
	}
	return t.exec(ctx, "INSERT INTO trades ("+tradeColumns+") VALUES (?,?,?,?,?,?,?,?,?,?,?,?,?,?,?,?,?,?,?,?,?,?,?,?)",
		tr.seq, tr.channel, tr.provider, tr.merchant, tr.outTradeNo, tr.tradeNo, tr.customer, tr.total, tr.state,
		tr.createdMS, tr.triedMS, tr.paidMS, tr.endedMS, tr.dialogMS, tr.expireMS, tr.context, string(note), tr.lagMS, tr.lie,
		tr.rollbackMS, tr.reserved, tr.returned, tr.refundCount, tr.refundMS)
}

// saveTrade writes what can change about a trade: not its numbers or its
// total, and of what the first pay request said only the coupons beside it.
func (t *txn) saveTrade(ctx context.Context, tr *trade) error {
	note, err := json.Marshal(tr.memo)
	if err != nil {
		return err
	}
	tr.dirty = false
	return t.exec(ctx, `UPDATE trades SET customer = ?, state = ?, tried_ms = ?, paid_ms = ?, ended_ms = ?, dialog_ms = ?,
 expire_ms = ?, memo = ?, lag_ms = ?, lie = ?, rollback_ms = ?, reserved = ?, returned = ?, refunds = ?, refund_ms = ? WHERE seq = ?`,
		tr.customer, tr.state, tr.triedMS, tr.paidMS, tr.endedMS, tr.dialogMS,
		tr.expireMS, string(note), tr.lagMS, tr.lie, tr.rollbackMS, tr.reserved, tr.returned, tr.refundCount, tr.refundMS, tr.seq)
}

// newTradeNo numbers a trade as its wallet does: WeChat 28 digits from 42000,
// Alipay 28 digits from the date (upstreams.md §8.2). seq makes it unique.
func newTradeNo(ch Channel, seq int64, now time.Time) string {
	day := now.In(beijing).Format("20060102")
	if ch == WeChat {
		return "4200000001" + day + padded(seq, 10)
	}
	return day + "22001" + padded(seq, 15)
}

// newRefundID is WeChat's number of a refund: 29 digits from 50.
func newRefundID(seq int64, now time.Time) string {
	return "50300000001" + now.In(beijing).Format("20060102") + padded(seq, 10)
}

// padded writes n with leading zeros to a width. A longer number keeps its
// digits: unique matters more than pretty.
func padded(n int64, width int) string {
	text := strconv.FormatInt(n, 10)
	for len(text) < width {
		text = "0" + text
	}
	return text
}

// openID is the customer's name towards one application: 28 characters from o.
func openID(appID, customer string) string {
	sum := sha256.Sum256([]byte("openid|" + appID + "|" + customer))
	return "o" + base64.RawURLEncoding.EncodeToString(sum[:])[:27]
}

// buyerID is the customer's Alipay number: 16 digits from 2088.
func buyerID(customer string) string {
	sum := sha256.Sum256([]byte("buyer|" + customer))
	n := int64(0)
	for _, b := range sum[:6] {
		n = n<<8 | int64(b)
	}
	return "2088" + padded(n%1_000_000_000_000, 12)
}

// buyerOpenID is the customer's open id towards one Alipay application.
func buyerOpenID(appID, customer string) string {
	sum := sha256.Sum256([]byte("open|" + appID + "|" + customer))
	return "0" + base64.RawURLEncoding.EncodeToString(append(sum[:], sum[:4]...))[:47]
}

// logonID is the customer's Alipay account as the wallet shows it: masked.
func logonID(customer string) string { return "sbx***@" + buyerID(customer)[12:] + ".example" }
