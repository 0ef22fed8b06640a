package sandbox

import (
	"context"
	"database/sql"
	"encoding/json"
	"errors"
	"fmt"
	"net/url"
	"time"
)

// Lives of what a wallet hands out for an order to be paid later (upstreams.md
// §2.2, §3.4, §4.4).
const (
	linkLife     = 2 * time.Hour   // prepay_id, code_url and qr_code
	mwebLife     = 5 * time.Minute // mweb_url
	maxNotifyURL = 256
	maxOption    = 8 << 10 // bytes of one option that is kept to be shown
)

// handle is one row of prepared: a handle that a customer's phone can open an
// order by. WeChat hands out a fresh one for every repetition; the order it
// opens is the same. An Alipay QR code has no trade until it is scanned, so the
// row holds what the trade will be made of.
type handle struct {
	seq                int64
	channel            Channel
	provider, merchant string
	outTradeNo         string
	no                 string // prepay_id, trade_no, or a number of our own behind a QR code
	link               string // code_url, mweb_url or qr_code, "" for none
	linkMS             int64  // when handle and link stop working
	deadMS             int64  // when it was made useless before its time, 0 if it was not
	total              Fen
	lifeMS             int64 // the trade's life from the scan, 0 for the wallet's default
	expireMS           int64 // the trade's own end, 0 for none
	context            string
	memo               memo
}

// preparedColumns are in the order that scan reads and insertPrepared writes them.
const preparedColumns = `seq, channel, provider, merchant, out_trade_no, handle, link, link_ms, dead_ms, total,
 life_ms, expire_ms, context, memo`

// scan reads one row of preparedColumns.
func (p *handle) scan(scan func(...any) error) error {
	var note string
	if err := scan(&p.seq, &p.channel, &p.provider, &p.merchant, &p.outTradeNo, &p.no, &p.link, &p.linkMS, &p.deadMS,
		&p.total, &p.lifeMS, &p.expireMS, &p.context, &note); err != nil {
		return err
	}
	return json.Unmarshal([]byte(note), &p.memo)
}

// payment is the order behind the handle, as newTrade takes it.
func (p *handle) payment(now time.Time) payment {
	expire := p.expireMS
	if expire == 0 && p.lifeMS > 0 {
		expire = now.UnixMilli() + p.lifeMS
	}
	return payment{
		channel: p.channel, provider: p.provider, merchant: p.merchant, outTradeNo: p.outTradeNo, total: p.total,
		expireMS: expire, context: p.context, memo: p.memo,
	}
}

// insertPrepared writes a handle down and numbers it.
func (t *txn) insertPrepared(ctx context.Context, p *handle) error {
	note, err := json.Marshal(p.memo)
	if err != nil {
		return err
	}
	if p.seq, err = t.next(ctx, "SELECT coalesce(max(seq), 0) + 1 FROM prepared"); err != nil {
		return err
	}
	return t.exec(ctx, "INSERT INTO prepared ("+preparedColumns+") VALUES (?,?,?,?,?,?,?,?,?,?,?,?,?,?)",
		p.seq, p.channel, p.provider, p.merchant, p.outTradeNo, p.no, p.link, p.linkMS, p.deadMS, p.total,
		p.lifeMS, p.expireMS, p.context, string(note))
}

// preparedWhere reads the handles a condition selects, oldest first.
func (t *txn) preparedWhere(ctx context.Context, where string, args ...any) ([]*handle, error) {
	var list []*handle
	err := t.each(ctx, "SELECT "+preparedColumns+" FROM prepared "+where+" ORDER BY seq", args, func(r *sql.Rows) error {
		p := &handle{}
		list = append(list, p)
		return p.scan(r.Scan)
	})
	return list, err
}

// kill makes the handles of a number useless and reports whether any was alive.
func (t *txn) kill(ctx context.Context, ch Channel, merchant, outTradeNo string, eff *effect) (bool, error) {
	found, err := t.row(ctx, "SELECT 1 FROM prepared WHERE channel = ? AND merchant = ? AND out_trade_no = ? AND dead_ms = 0 AND link_ms > ?",
		[]any{ch, merchant, outTradeNo, t.nowMS()}, []any{new(int)})
	if err != nil || !found || eff.noEffect { // says what it would have done
		return found, err
	}
	return true, t.exec(ctx, "UPDATE prepared SET dead_ms = ? WHERE channel = ? AND merchant = ? AND out_trade_no = ? AND dead_ms = 0",
		t.nowMS(), ch, merchant, outTradeNo)
}

// options keeps of a request what says how the order may be paid and shown, so
// that a test can see that it arrived. Values too long to be shown are dropped.
func options(names []string, get func(name string) string) map[string]string {
	out := map[string]string{}
	for _, name := range names {
		if value := get(name); value != "" && len(value) <= maxOption {
			out[name] = value
		}
	}
	if len(out) == 0 {
		return nil
	}
	return out
}

// Arrived is what a pay or prepare call said beside the money.
type Arrived struct {
	Channel    Channel `json:"channel"`
	OutTradeNo string  `json:"out_trade_no"`
	// Kind is the trade_type or method of an order paid later, "" for a code payment.
	Kind      string `json:"kind,omitempty"`
	NotifyURL string `json:"notify_url,omitempty"`
	// Options are the fields that only say how the order may be paid or shown,
	// by the wallet's names.
	Options map[string]string `json:"options"`
	// RefundAccounts are the refund_account of WeChat refunds that named one, by
	// out_refund_no.
	RefundAccounts map[string]string `json:"refund_accounts"`
}

// Arrived tells what arrived with an order number, so that a test can see that
// an option was passed through: the first call's, since repetitions must equal it.
func (s *Sandbox) Arrived(ctx context.Context, outTradeNo string) (Arrived, error) {
	var out Arrived
	err := s.run(ctx, func(ctx context.Context, tx *txn) error {
		found, err := tx.trades(ctx, "WHERE out_trade_no = ? ORDER BY seq LIMIT 1", outTradeNo)
		if err != nil {
			return err
		}
		if len(found) > 0 {
			out = arrived(found[0].channel, outTradeNo, found[0].memo)
			refunds, err := tx.refunds(ctx, "WHERE trade = ? AND account <> ''", found[0].seq)
			for _, r := range refunds {
				out.RefundAccounts[r.outRefundNo] = r.account
			}
			return err
		}
		list, err := tx.preparedWhere(ctx, "WHERE out_trade_no = ?", outTradeNo)
		if err != nil || len(list) == 0 {
			return errors.Join(err, fmt.Errorf("order %q: %w", outTradeNo, ErrNotFound))
		}
		out = arrived(list[0].channel, outTradeNo, list[0].memo)
		return nil
	})
	if err != nil {
		return Arrived{}, fmt.Errorf("read what arrived: %w", err)
	}
	return out, nil
}

func arrived(ch Channel, outTradeNo string, m memo) Arrived {
	out := Arrived{
		Channel: ch, OutTradeNo: outTradeNo, Kind: m.Kind, NotifyURL: m.NotifyURL, Options: m.Options, RefundAccounts: map[string]string{},
	}
	if out.Options == nil {
		out.Options = map[string]string{}
	}
	return out
}

// validNotifyURL looks at where a wallet is to tell of a payment: http or https,
// a host, and no query. Upstream takes https on public hosts only; the bench
// lives on loopback.
func validNotifyURL(raw string) bool {
	u, err := url.Parse(raw)
	return err == nil && len(raw) <= maxNotifyURL && (u.Scheme == "https" || u.Scheme == "http") && u.Host != "" &&
		u.User == nil && u.RawQuery == "" && u.Fragment == ""
}
